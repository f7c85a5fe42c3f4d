"""The pages executed on a machine with a GPU, and what they print there that the stored pages do not.

    python tests/gpu_pages.py run data/runs/pages_TENSORRT_GPU.json [03 06 ...]
    python tests/gpu_pages.py document data/runs/pages_*.json > docs/gpu_pages.md

`run` executes the pages, with the exercises solved, in the environment of this Python, and goes on after a cell that fails. The
file is written after each page. Of those cells that print other words than the stored page it keeps the text, and of those that
take 10 s or more the time; other numbers alone do not count, nor do cells that fail. Exit status 1 if one has failed.
"""
import argparse
import hashlib
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

from helpers import cuda, machine, process, timing  # noqa: E402
from notebooks import execute  # noqa: E402

LONGEST = 4000  # characters of one cell's text that are kept
CHANGES = re.compile(r"0x[0-9a-f]+|(?<!\w)[-+]?\d[\d,]*\.?\d*(e[-+]?\d+)?|TensorFlow \S+ computes on the CPU\.")
HEAD = """# What the pages print on a GPU

The stored pages come from a machine without a GPU. We have also executed them on an NVIDIA H100 with two versions of TensorRT,
the exercises solved. The cells below print other words there. A cell that is not here and ran there printed the same, but for
numbers. Pictures and tables are not compared.

Kept in [data/runs](../data/runs/README.md). `python tests/gpu_pages.py document FILES` writes this page.
"""


def texts(notebook):
    """[(digest of the code, text of the outputs, None if the cell failed)] of the code cells, in order, without pictures."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        parts, failed = [], False
        for output in cell.outputs:
            data = output.get("data", {})
            if output.output_type == "stream" and output.name == "stdout":
                parts.append(output.text)
            elif output.output_type == "error":
                failed = True
            elif "text/plain" in data and not any(kind.startswith("image/") or kind == "text/html" for kind in data):
                parts.append(data["text/plain"])
        digest = hashlib.sha256(cell.source.strip().encode("utf-8")).hexdigest()[:16]
        text = re.sub(r"\S*/(?=[\w.]+\.(onnx|plan|uff)\b)", "", "\n".join(parts)).strip()
        found.append((digest, None if failed else text))
    return found


def stored(stem):
    """{digest of the code: (headline above, first line of code, text)} of a stored page and its solutions."""
    found = {}
    for path in (execute.HERE / (stem + ".ipynb"), execute.HERE / "solutions" / (stem + ".ipynb")):
        if not path.exists():
            continue
        notebook = nbformat.read(str(path), as_version=4)
        read, headline = iter(texts(notebook)), ""
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                headline = (re.findall(r"(?m)^#+ (.+)", cell.source) or [headline])[-1]
            else:
                digest, text = next(read)
                found[digest] = headline, cell.source.strip().splitlines()[0] if cell.source.strip() else "", text
    return found


def words(text):
    """The lines of a text in any order, without blank ones, and with # for each number."""
    return sorted(filter(None, (CHANGES.sub("#", line).strip(" #") for line in text.splitlines())))


def other_words(stem, notebook):
    """[{"code": digest, "text": what it printed}] of the cells that printed other words than the stored page."""
    known, found = stored(stem), []
    for digest, text in texts(notebook):
        before = known.get(digest, ("", "", ""))[2]
        if text is not None and words(text) != words(before):
            found.append({"code": digest, "text": text[:LONGEST]})
    return found


def run(target, pages):
    process.prepare_tensorflow()
    here, failed = machine.tensorrt(), 0
    versions = {here.module: here.version, "cuda library": cuda.library(), "tensorflow": process.tensorflow().__version__}
    record = timing.load(target) if os.path.isfile(target) else timing.make(
        {}, versions, "python tests/gpu_pages.py run data/runs/" + os.path.basename(target))
    for twin in execute.twins(pages):
        notebook, started = execute.solution(twin) or execute.learner(twin), time.time()
        os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
        client = NotebookClient(notebook, timeout=execute.CELL_TIMEOUT, kernel_name="python3", allow_errors=True,
                                resources={"metadata": {"path": str(execute.HERE)}})
        slow = {}
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    began = time.time()
                    client.execute_cell(cell, index)
                    if time.time() - began > 10:
                        slow[cell.source.strip().splitlines()[0]] = round(time.time() - began, 1)
            peak = execute.kernel_peak(client.km)
        errors = sum(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", ()))
        record["results"][twin.stem] = {"seconds": round(time.time() - started), "peak_gb": peak and round(peak, 2),
                                        "failed": errors, "slow": slow, "cells": other_words(twin.stem, notebook)}
        timing.save(record, target)
        print("%s: %.0f s, %d cells failed" % (twin.stem, time.time() - started, errors), flush=True)
        failed += errors
    return 1 if failed else 0


def document(records):
    """The Markdown of docs/gpu_pages.md."""
    names = ["TensorRT %s, %s" % (record["versions"]["tensorrt"], record["machine"]["name"]) for record in records]
    lines = [HEAD]
    for name, record in zip(names, records):
        lines.append("- **%s**, %s, TensorFlow %s: pages %s. %s" % (
            name, record["date"][:10], record["versions"]["tensorflow"],
            ", ".join(stem[:2] for stem in sorted(record["results"])), record.get("note", "")))
    for stem in sorted({stem for record in records for stem in record["results"]}):
        known, blocks, changed = stored(stem), [], 0
        printed = [{cell["code"]: cell["text"] for cell in record["results"].get(stem, {}).get("cells", ())}
                   for record in records]
        for digest, (headline, first, text) in known.items():
            if any(digest in found for found in printed):
                blocks.append("**%s**: `%s`\n" % (headline.strip(), first.replace("`", "'")))
                blocks.append(_block("The stored page", text))
                blocks += [_block(name, found[digest]) for name, found in zip(names, printed) if digest in found]
        changed = len({digest for found in printed for digest in found} - set(known))
        if blocks or changed:
            lines.append("\n## [%s](../notebooks/%s.ipynb)\n" % (stem.replace("_", " "), stem))
            lines += blocks
        if changed:
            lines.append("%d cells more have other code by now than when they ran there." % changed)
    return "\n".join(lines).rstrip() + "\n"


def _block(source, text):
    return "%s:\n\n```text\n%s\n```\n" % (source, re.sub(r"\n\s*\n", "\n", text) or "(prints nothing)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "document"])
    parser.add_argument("target", help="the .json to write; for `document` one to read")
    parser.add_argument("more", nargs="*", help="numbers of pages, default all; for `document` more files")
    options = parser.parse_args()
    if options.what == "run":
        return run(options.target, options.more)
    print(document([timing.load(path) for path in [options.target] + options.more]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
