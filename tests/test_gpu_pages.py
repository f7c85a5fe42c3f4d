"""What the pages printed on a GPU stands beside what the stored pages print."""
from pathlib import Path

import gpu_pages
import pytest

from helpers import timing

ROOT = Path(__file__).resolve().parent.parent


def notebook(*cells):
    import nbformat.v4 as v4

    return v4.new_notebook(cells=[v4.new_code_cell(source, outputs=[v4.new_output("stream", text=text)] if text else [])
                                  for source, text in cells])


@pytest.mark.parametrize("before, after, same", [
    ("1.5 ms", "0.2 ms", True), ("equal: 3e-07", "close: 2.0e-04", False), ("<A at 0x7f1>", "<A at 0x8e2>", True),
    ("a\n\nb", "b\na", True),
    ("TensorFlow 2.21.0 computes on the CPU.\nx", "TensorFlow 2.15.1 computes on the CPU.\n\nx", True),
    ("no plan", "", False),
])
def test_other_numbers_are_not_other_words(before, after, same):
    assert (gpu_pages.words(before) == gpu_pages.words(after)) == same


def test_a_path_on_another_machine_is_left_out():
    ((_, text),) = gpu_pages.texts(notebook(("x", "it refuses /tmp/somewhere/box.onnx: why\nbox3d_timing.uff, 3 MB")))
    assert text == "it refuses box.onnx: why\nbox3d_timing.uff, 3 MB"


@pytest.mark.notebooks
def test_the_document_is_what_the_records_and_the_stored_pages_say():
    """But for numbers, which each new execution of a page changes."""
    records = [timing.load(path) for path in sorted(timing.RUNS.glob("pages_*.json"), reverse=True)]  # 8.6.1 before 10.6.0
    expected = gpu_pages.document(records)
    written = (ROOT / "docs" / "gpu_pages.md").read_text(encoding="utf-8")
    assert gpu_pages.words(written) == gpu_pages.words(expected), (
        "python tests/gpu_pages.py document $(ls -r data/runs/pages_*.json) > docs/gpu_pages.md")
