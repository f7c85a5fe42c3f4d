"""Run the notebooks: text twin -> notebook -> executed in a fresh kernel -> HTML page.

`python3 workbook.py run` and `build` call this in the right environment. Executed notebooks and pages go to build/notebooks/.
With --store they also replace the stored ones beside this file, each with a fingerprint of its code, by which the tests
recognise outputs of other code.
"""
import argparse
import asyncio
import base64
import hashlib
import html
import io
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

import jupytext  # noqa: E402
import nbformat  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError  # noqa: E402

from helpers import artifacts, machine  # noqa: E402

TEXT = HERE / "text"
PHOTO = 200000  # characters of a base64 PNG above which it probably contains a photo and is stored as JPEG
FAILED = (CellExecutionError, CellTimeoutError, DeadKernelError)
CELL_TIMEOUT = 600  # seconds; long enough for building a plan on a slow board


def twins(wanted=()):
    """Paths of the text twins, in order. wanted: numbers or beginnings of names; all by default."""
    found = sorted(TEXT.glob("[0-9][0-9]_*.py"))
    chosen = [path for path in found if not wanted or any(path.stem.startswith(word) for word in wanted)]
    if wanted and not chosen:
        raise SystemExit("no notebook begins with %s; there are %s"
                         % (" or ".join(wanted), ", ".join(path.stem for path in found)))
    return chosen


def learner(twin):
    """The notebook for the reader: everything except the cells tagged `solution`."""
    return _notebook(twin, lambda tags: "solution" not in tags)


def solution(twin):
    """The notebook with solutions in place of the exercise cells, or None if there are none."""
    text = jupytext.read(str(twin), fmt="py:percent")
    if not any("solution" in _tags(cell) for cell in text.cells):
        return None
    return _notebook(twin, lambda tags: "exercise" not in tags)


def _tags(cell):
    return cell.metadata.get("tags", [])


def _notebook(twin, keep):
    notebook = jupytext.read(str(twin), fmt="py:percent")
    notebook.cells = [cell for cell in notebook.cells if keep(_tags(cell))]
    for cell in notebook.cells:
        cell.pop("id", None)  # jupytext makes random ones, which would change the file with every build
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("jupyter", None)
    notebook.nbformat, notebook.nbformat_minor = 4, 4
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}})
    return notebook


def fingerprint(notebook):
    """Hash of the code cells, stored with the outputs of that code."""
    code = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n@\n".join(code).encode("utf-8")).hexdigest()


def checked(cell):
    """Numbers of the exercises that a cell checks, such as ["01.2"]."""
    return re.findall(r"\bcheck\(\s*\"([\d.]+)\"", cell.source) if cell.cell_type == "code" else []


def unproven(notebook):
    """Number of the first exercise of an executed notebook that its check did not call right; "" if all are right."""
    for cell in notebook.cells:
        for number in checked(cell):
            printed = "".join(output.get("text", "") for output in cell.outputs)
            if "Exercise %s is right" % number not in printed:
                return number
    return ""


class Client(NotebookClient):
    """A client that prints its progress."""

    def progress(self, done, total, started):
        line = "  cell %d of %d, %.0f s" % (done, total, time.time() - started)
        if sys.stdout.isatty():
            print("\r" + line, end=" " * 10, flush=True)
        elif done == total:
            print(line, flush=True)


def execute(notebook, name):
    """Run all cells in a fresh kernel, in the folder of the notebooks. The outputs are put into `notebook`.

    Returns the seconds it took. For a cell that fails, prints its number and traceback and raises one of FAILED.
    """
    # The kernel imports the code of this checkout, even if its environment is linked to another one.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")  # the kernel of this environment
    client = Client(notebook, timeout=CELL_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(HERE)}},
                    extra_arguments=["--IPKernelApp.log_level=40"])
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    started, done = time.time(), 0
    # Cell by cell, for the progress and for the number of the one that fails.
    if sys.version_info < (3, 8):
        asyncio.set_event_loop(asyncio.new_event_loop())
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            try:
                client.execute_cell(cell, index)
            except FAILED as error:
                print("\n%s stopped in code cell %d of %d. %s"
                      % (name, done + 1, total, _plain(str(error)).strip()[-4000:]), flush=True)
                raise
            done += 1
            client.progress(done, total, started)
    if sys.stdout.isatty():
        print()
    _tidy(notebook)
    return time.time() - started


def _plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _tidy(notebook):
    """Remove execution times and local paths from the outputs, which differ from run to run; make JPEGs of photos."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            for key in ("text", "traceback", "evalue"):
                if key in output:
                    value = output[key]
                    output[key] = ([_relative(line) for line in value] if isinstance(value, list)
                                   else _relative(value))
            data = output.get("data", {})
            for kind, value in list(data.items()):
                if kind.startswith("text/") and isinstance(value, str):
                    data[kind] = _relative(value)
                elif kind == "image/png" and len(value) > PHOTO:
                    data["image/jpeg"] = _jpeg(data.pop("image/png"))


def _jpeg(png):
    """A base64 PNG as a base64 JPEG: a figure with a photo in it becomes five times smaller."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.split()[3])
    out = io.BytesIO()
    page.save(out, "JPEG", quality=87)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _relative(text):
    return text.replace(str(ROOT) + os.sep, "").replace(str(ROOT), ".").replace(sys.prefix, "<environment>")


def page(notebook, path, title):
    """Write `notebook` as one HTML file that needs no network: images embedded, no external scripts."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab")
    exporter.mathjax_url = exporter.require_js_url = ""
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    body = re.sub(r"<script[^>]*src=\"(https?:)?//[^>]*></script>", "", body)
    body = re.sub(r"((?:href|src)=\"(?:\.\./|solutions/)?[\w/]+)\.ipynb(#[^\"]*)?\"", r'\1.html\2"', body)
    body = re.sub(r'href="([\w./]+)"', lambda found: _from_page(found, path), body)
    artifacts.write(path, body.replace("</head>", STYLE + "</head>", 1))


STYLE = "<style>.jp-RenderedMarkdown pre{margin:0 0 1em;padding:.6em 1em;background:#f5f5f5}</style>"


def _from_page(link, path):
    """A link to a file of the workbook, made relative to the folder of the page."""
    target = (HERE / link.group(1)).resolve()
    if link.group(1).endswith(".html") or not target.exists():
        return link.group(0)
    return 'href="%s"' % os.path.relpath(str(target), str(path.parent.resolve())).replace(os.sep, "/")


INDEX = """<!doctype html><meta charset="utf-8"><title>TensorRT surgery workbook</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:3em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:.4em 1em .4em 0;text-align:left;border-bottom:1px solid #ddd}
a{color:#0b61a4}</style><h1>TensorRT surgery workbook</h1><p>Executed on this machine, %s, with Python %s.</p>
<table><tr><th>notebook<th>seconds of this machine<th>real on this machine</tr>%s</table>"""


def index(rows, path):
    """Write the page that links the others. rows: (name of a notebook, seconds, what is real on this machine)."""
    lines = ["<tr><td><a href='%s.html'>%s</a><td>%.0f<td>%s</tr>"
             % (name, name.replace("_", " "), seconds, html.escape(real)) for name, seconds, real in rows]
    artifacts.write(path, INDEX % (time.strftime("%Y-%m-%d"), sys.version.split()[0], "".join(lines)))


# The stages (helpers.machine) that a notebook goes through.
STAGES = {"00": ("freeze", "plan", "run"), "01": ("freeze",), "02": ("surgery, UFF", "plan"), "03": ("surgery, UFF", "plan"),
          "04": ("L2 layer",), "06": ("plan", "timing"), "07": ("plan", "run")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="*", help="numbers, such as 03; default: all")
    parser.add_argument("--store", action="store_true", help="replace the stored notebooks, and build the solutions")
    parser.add_argument("--solutions", action="store_true", help="run the solutions, too, and require that their checks pass")
    arguments = parser.parse_args()
    out = artifacts.BUILD / "notebooks"
    rows, chosen = [], twins(arguments.notebook)
    stages = {stage: how for stage, how, _ in machine.Machine().stages()}
    for twin in chosen:
        print(twin.stem, flush=True)
        notebook = learner(twin)
        try:
            seconds = execute(notebook, twin.stem)
        except FAILED:
            return 1
        page(notebook, out / (twin.stem + ".html"), twin.stem.replace("_", " "))
        artifacts.write(out / (twin.stem + ".ipynb"), nbformat.writes(notebook) + "\n")
        if arguments.store:
            store(notebook, HERE / (twin.stem + ".ipynb"))
        if arguments.store or arguments.solutions:
            solved = solution(twin)
            if solved is not None:
                print("%s, solutions" % twin.stem, flush=True)
                try:
                    execute(solved, twin.stem)
                except FAILED:
                    return 1
                wrong = unproven(solved)
                if wrong:
                    print("The solution of exercise %s in %s does not pass its check." % (wrong, twin.stem))
                    return 1
                if arguments.store:
                    store(solved, HERE / "solutions" / (twin.stem + ".ipynb"))
        real = "; ".join(stages[stage] for stage in STAGES.get(twin.stem[:2], ()))
        rows.append((twin.stem, seconds, real))
    print("\n%-36s %7s  %s" % ("notebook", "seconds", "real on this machine"))
    for name, seconds, real in rows:
        print("%-36s %7.0f  %s" % (name, seconds, real))
    if not arguments.notebook:
        index(rows, out / "index.html")
    print("\nPages: %s" % (out / ("index.html" if not arguments.notebook else chosen[-1].stem + ".html")))
    return 0


def store(notebook, path):
    """Write `notebook` with the fingerprint of its code."""
    notebook.metadata["workbook"] = {"code_sha256": fingerprint(notebook)}
    artifacts.write(path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    sys.exit(main())
