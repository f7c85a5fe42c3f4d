"""The stored notebooks: made from their text twins, executed in order, in the style of the workbook."""
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import execute  # noqa: E402

pytestmark = pytest.mark.notebooks
TWINS = execute.twins()
NAMES = [twin.stem for twin in TWINS]


def stored(name, folder="."):
    return nbformat.read(str(ROOT / "notebooks" / folder / (name + ".ipynb")), as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("twin", TWINS, ids=NAMES)
def test_the_stored_notebook_holds_the_code_of_its_twin_and_outputs_of_just_that_code(twin):
    notebook = stored(twin.stem)
    assert execute.fingerprint(notebook) == execute.fingerprint(execute.learner(twin)), "python3 workbook.py build"
    assert notebook.metadata["workbook"]["code_sha256"] == execute.fingerprint(notebook)
    sources = [cell.source for cell in execute.learner(twin).cells]
    assert [cell.source for cell in notebook.cells] == sources, "the text changed: python3 workbook.py build"


@pytest.mark.parametrize("twin", TWINS, ids=NAMES)
def test_the_stored_solutions_are_those_of_the_twin_and_pass_their_checks(twin):
    solved = execute.solution(twin)
    if solved is None:
        pytest.skip("no exercises in %s" % twin.stem)
    notebook = stored(twin.stem, "solutions")
    assert execute.fingerprint(notebook) == execute.fingerprint(solved) == notebook.metadata["workbook"]["code_sha256"]
    assert execute.unproven(notebook) == ""


@pytest.mark.slow
@pytest.mark.once
def test_a_solution_runs_from_the_root_as_well():
    """`.ci/run` executes each solution in its own folder, and the notebooks for the reader from the root."""
    twin, = execute.twins(["8"])
    solved = execute.solution(twin)
    execute.execute(solved, twin.stem, ROOT)
    assert execute.unproven(solved) == ""


@pytest.mark.parametrize("name", NAMES)
def test_an_open_exercise_says_so_and_does_not_stop_the_run(name):
    numbers, said = [], ""
    for cell in code_cells(stored(name)):
        numbers += execute.checked(cell)
        said += "".join(output.get("text", "") for output in cell.outputs)
    assert numbers, "every notebook has an exercise"
    for number in numbers:
        assert "Exercise %s is not filled in yet" % number in said or "Exercise %s, not yet" % number in said


@pytest.mark.parametrize("name", NAMES)
def test_executed_from_top_to_bottom(name):
    counts = [cell.execution_count for cell in code_cells(stored(name))]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_style_of_the_cells(name):
    cells = code_cells(stored(name))
    lengths = sorted(len(code_lines(cell)) for cell in cells)
    assert lengths[-1] <= 20, "a cell of %d lines" % lengths[-1]
    assert lengths[int(0.9 * (len(lengths) - 1))] <= 12
    assert 1 <= lengths[len(lengths) // 2] <= 5
    for cell in cells:
        for line in cell.source.splitlines():
            assert len(line) <= 96, "too wide for a page: " + line
    # Tables, and code in the prose, are for reference and do not count.
    texts = [re.sub(r"(?ms)^```.*?^```$", "", cell.source) for cell in stored(name).cells if cell.cell_type == "markdown"]
    prose = [line for text in texts for line in text.splitlines() if not line.startswith("|")]
    assert 10 <= sum(len(line.split()) for line in prose) / sum(lengths) <= 35


@pytest.mark.parametrize("name", NAMES)
def test_each_block_of_code_in_the_prose_begins_and_ends_on_lines_of_its_own(name):
    """A block that was wrapped with the prose around it is shown as running text."""
    for cell in stored(name).cells:
        if cell.cell_type == "markdown":
            fences = [line for line in cell.source.splitlines() if "```" in line]
            assert len(fences) % 2 == 0 and all(re.match("```[a-z]*$", line) for line in fences), fences


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_at_least_every_ten_cells(name):
    since = 0
    for cell in stored(name).cells:
        pictures = [output for output in cell.get("outputs", []) if {"image/png", "image/jpeg"} & set(output.get("data", {}))
                    or "<table" in output.get("data", {}).get("text/html", "")]
        since = 0 if pictures or execute.checked(cell) else since + 1
        assert since <= 10, "no picture or table in the 10 cells before: %s" % cell.source[:80]


@pytest.mark.parametrize("name", NAMES)
def test_a_place_for_a_guess_holds_nothing_and_the_next_output_is_the_answer(name):
    cells = stored(name).cells
    for before, cell, after in zip(cells, cells[1:], cells[2:]):
        if cell.cell_type == "code" and re.match(r"guess\b", cell.source):
            assert re.match(r"guess = \.\.\.  # .+$", cell.source), "the form of the answer is missing: " + cell.source
            assert "**Guess first.**" in before.source.split("\n\n")[-1], before.source[-80:]
            assert after.cell_type == "code" and after.outputs, "no answer follows: " + after.source[:80]


@pytest.mark.parametrize("name", NAMES)
def test_small_and_without_traces_of_the_machine(name):
    path = ROOT / "notebooks" / (name + ".ipynb")
    assert path.stat().st_size < 1 << 20
    text = path.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"/(home|root|tmp|Users)/\w", text)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for cell in stored(name).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", cell.source):
                assert (ROOT / "notebooks" / target).exists(), target


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_and_closes_as_the_others(name):
    texts = [cell.source for cell in stored(name).cells if cell.cell_type == "markdown"]
    assert texts[0].startswith("# %s " % name[:2]) and "**You need**" in texts[0] and "**Time:**" in texts[0]
    assert any("## Your turn" in text or "Each ends with **your turn**" in text for text in texts)
    assert texts[-1].startswith("## What you saw")
