"""Run the notebooks: text twin -> notebook -> executed in a fresh kernel -> HTML page.

`python3 workbook.py run` and `build` call this in the right environment. Executed notebooks and pages go to build/notebooks/.
With --store they also replace the stored ones beside this file, each with a fingerprint of its code, by which the tests
recognise outputs of other code.
"""
import argparse
import asyncio
import base64
import hashlib
import io
import json
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
from notebooks import memory, pages  # noqa: E402

TEXT = HERE / "text"
OUT = artifacts.BUILD / "notebooks"
# Of the last runs here: {"seconds": {name: s}, "peak_gb": {name: GB of the kernel}, "together_gb": {name: GB of the kernel and
# of the processes that it started}, "build_gb": after a whole run}
RUN = OUT / "run.json"
PHOTO = 200000  # characters of a base64 PNG above which it probably contains a photo and is stored as JPEG
FAILED = (CellExecutionError, CellTimeoutError, DeadKernelError)
# At the end of each notebook. JupyterLab makes the button run its command; elsewhere only the words are shown.
FINISHED = ("---\n**Done?** Until its kernel is shut down, a notebook keeps its memory, a gigabyte or more: "
            '<button data-commandlinker-command="kernelmenu:shutdown" data-commandlinker-args="{}">'
            "Shut down this kernel</button> or *Kernel > Shut Down Kernel*. The page stays as it is.")
CELL_TIMEOUT = 600  # seconds, unless --timeout says otherwise; long enough for building a plan on a slow board


def twins(wanted=()):
    """Paths of the text twins, in order. wanted: numbers (3 or 03) or beginnings of names; all by default.

    Raises SystemExit when no notebook begins with one of them.
    """
    found = sorted(TEXT.glob("[0-9][0-9]_*.py"))
    wanted = [word.zfill(2) if word.isdigit() else word for word in wanted]
    for word in wanted:
        if not any(path.stem.startswith(word) for path in found):
            raise SystemExit("no notebook begins with %s; there are %s" % (word, ", ".join(path.stem for path in found)))
    return [path for path in found if not wanted or any(path.stem.startswith(word) for word in wanted)]


def learner(twin):
    """The notebook for the reader: everything except the cells tagged `solution`."""
    return _notebook(twin, lambda tags: "solution" not in tags)


def solution(twin):
    """The notebook with solutions in place of the exercise cells, or None if there are none."""
    text = jupytext.read(str(twin), fmt="py:percent")
    if not any("solution" in _tags(cell) for cell in text.cells):
        return None
    notebook = _notebook(twin, lambda tags: "exercise" not in tags)
    for cell in notebook.cells:  # its links are written for the folder above
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((?!\w+:|#)(\S+?)\)", lambda found: "](%s)" % os.path.relpath(
                found.group(1), "solutions").replace(os.sep, "/"), cell.source)
    return notebook


def _tags(cell):
    return cell.metadata.get("tags", [])


def _notebook(twin, keep):
    notebook = jupytext.read(str(twin), fmt="py:percent")
    notebook.cells = [cell for cell in notebook.cells if keep(_tags(cell))]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = "cell-%d" % number  # jupytext makes random ones, which would change the file with every build
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("jupyter", None)
    notebook.cells[-1].source += "\n\n" + FINISHED
    notebook.nbformat, notebook.nbformat_minor = 4, 5
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
            if "Exercise %s is right" % number not in printed and "cannot be judged on this machine" not in printed:
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


def execute(notebook, name, folder=HERE, timeout=CELL_TIMEOUT):
    """Run all cells in a fresh kernel that starts in `folder`, each for at most `timeout` seconds; `notebook` gets the outputs.

    Returns (seconds, peak memory of the kernel in GB, None where the system does not tell, peak of it and of the processes that
    it started together, 0 where the system does not tell). For a cell that fails, prints its
    number and traceback and raises one of FAILED.
    """
    # The kernel imports the code of this checkout, even if its environment is linked to another one.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")  # the kernel of this environment
    client = Client(notebook, timeout=timeout, startup_timeout=max(60, timeout // 10), kernel_name="python3",
                    resources={"metadata": {"path": str(folder)}}, extra_arguments=["--IPKernelApp.log_level=40"])
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    started, done = time.time(), 0
    # Cell by cell, for the progress and for the number of the one that fails.
    if sys.version_info < (3, 8):
        asyncio.set_event_loop(asyncio.new_event_loop())
    with client.setup_kernel(), memory.Watch(_pid(client.km)) as watch:
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            try:
                client.execute_cell(cell, index)
            except FAILED as error:
                print("\n%s stopped in code cell %d of %d. %s"
                      % (name, done + 1, total, _plain(str(error)).strip()[-4000:]), flush=True)
                if isinstance(error, DeadKernelError):
                    print(memory.DIED, flush=True)
                raise
            done += 1
            client.progress(done, total, started)
        peak = kernel_peak(client.km)
    if sys.stdout.isatty():
        print()
    _tidy(notebook)
    return time.time() - started, peak, round(max(watch.gb, peak or 0), 1)


def _pid(manager):
    return getattr(getattr(manager, "provisioner", None), "pid", None) or manager.kernel.pid


def kernel_peak(manager):
    """The largest resident memory of a kernel in GB, or None where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/%d/status" % _pid(manager)).read_text())
    except (AttributeError, OSError):
        return None
    return int(found.group(1)) * 1024 / 1e9 if found else None


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
                elif kind == "image/png" and len(value) <= PHOTO:
                    data[kind] = _smaller(value)
                elif kind == "image/png":
                    data["image/jpeg"] = _jpeg(data.pop("image/png"))
                    if "image/png" in output.get("metadata", {}):
                        output.metadata["image/jpeg"] = output.metadata.pop("image/png")


def _smaller(png):
    """A base64 PNG without its alpha channel, if nothing in it is transparent, and packed better: an eighth smaller."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    found = io.BytesIO()
    image.save(found, "PNG", optimize=True)
    return min(png, base64.b64encode(found.getvalue()).decode("ascii"), key=len)


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


# The stages (helpers.machine) that a notebook goes through.
STAGES = {"00": ("freeze", "plan", "run"), "01": ("freeze",), "02": ("surgery, UFF", "plan"), "03": ("surgery, UFF", "plan"),
          "04": ("L2 layer",), "05": ("L2 layer",), "06": ("plan", "timing"), "07": ("plan", "run"), "08": ("plan",)}


def main():
    parser = argparse.ArgumentParser(prog="workbook.py run", description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="*", help="numbers, such as 3 or 03; default: all")
    parser.add_argument("--store", action="store_true", help="replace the stored notebooks, and build the solutions")
    parser.add_argument("--solutions", action="store_true",
                        help="run the notebooks with the exercises solved, and require that their checks pass")
    parser.add_argument("--stored", action="store_true", help="write the pages of the stored notebooks, and execute nothing")
    parser.add_argument("--keep", action="store_true", help="keep all files that the notebooks wrote; by default, large ones "
                        "that every run writes anew are deleted")
    parser.add_argument("--folder", type=Path, default=None, help="start the kernels in this folder instead of the notebook's")
    parser.add_argument("--timeout", type=int, default=CELL_TIMEOUT, metavar="SECONDS",
                        help="stop a cell that takes longer; default: %(default)s")
    arguments = parser.parse_args()
    chosen = twins(arguments.notebook)
    site = pages.Site(OUT, [path.stem for path in twins()])
    if arguments.stored:
        return export(chosen, site)
    artifacts.clear()
    known = _earlier_runs()
    before, peaks = known.setdefault("seconds", {}), known.setdefault("peak_gb", {})
    together = known.setdefault("together_gb", {})
    rows, stages = [], {stage: how for stage, how, _ in machine.Machine().stages()}
    for number, twin in enumerate(chosen, 1):
        print("%s (%d of %d%s)" % (twin.stem, number, len(chosen), _left(before, chosen[number - 1:])), flush=True)
        note = memory.too_large({twin.stem: together.get(twin.stem) or memory.peaks().get(twin.stem, 0)})
        if note:
            print("  " + note, flush=True)
        started, solved = time.time(), solution(twin) if arguments.store or arguments.solutions else None
        try:
            if solved is None or arguments.store:
                notebook = learner(twin)
                seconds, peak, most = execute(notebook, twin.stem, arguments.folder or HERE, arguments.timeout)
                site.notebook(notebook, twin.stem)
                artifacts.write(OUT / (twin.stem + ".ipynb"), nbformat.writes(notebook) + "\n")
            if arguments.store:
                store(notebook, HERE / (twin.stem + ".ipynb"), most)
            if solved is not None:
                print("%s, solutions" % twin.stem, flush=True)
                seconds, peak, most = execute(solved, twin.stem, arguments.folder or HERE / "solutions", arguments.timeout)
        except FAILED:
            return 1
        if solved is not None:
            wrong = unproven(solved)
            if wrong:
                print("The solution of exercise %s in %s does not pass its check." % (wrong, twin.stem))
                return 1
            site.notebook(solved, twin.stem, "solutions")
            if arguments.store:
                store(solved, HERE / "solutions" / (twin.stem + ".ipynb"))
        if not arguments.keep:
            artifacts.remove_unread(started)
        real = "; ".join(stages[stage] for stage in STAGES.get(twin.stem[:2], ()))
        rows.append((twin.stem, "%.0f" % seconds, "%.1f" % peak if peak else "", real))
        before[twin.stem], peaks[twin.stem], together[twin.stem] = round(seconds, 1), peak and round(peak, 2), most
    _stored_pages(chosen, site)
    print("\n%-36s %7s %5s  %s" % ("notebook", "seconds", "GB", "real on this machine"))
    for row in rows:
        print("%-36s %7s %5s  %s" % row)
    if not arguments.notebook:
        site.index(rows, pages.where())
        known["build_gb"] = round(artifacts.size(artifacts.BUILD) / 1e9, 2)
    artifacts.write(RUN, json.dumps(known, indent=1, sort_keys=True) + "\n")
    print("\nPages: %s\nAll files of the workbook in %s: %.1f GB." % (
        OUT / ("index.html" if not arguments.notebook else chosen[-1].stem + ".html"), artifacts.BUILD,
        artifacts.size(artifacts.BUILD) / 1e9))
    return 0


def export(chosen, site):
    """Write the pages of the stored notebooks and solutions."""
    _stored_pages(chosen, site)
    site.index([(twin.stem,) for twin in chosen], "Not executed on this machine: the pages as they are stored.")
    print("Pages: %s" % (site.out / "index.html"))
    return 0


def _stored_pages(chosen, site):
    """Write the pages of the stored notebooks and solutions that this run did not execute."""
    for twin in chosen:
        for stored, part in ((HERE, ()), (HERE / "solutions", ("solutions",))):
            path = stored / (twin.stem + ".ipynb")
            if path.exists() and site.out.joinpath(*part + (twin.stem + ".html",)) not in site.done:
                site.notebook(nbformat.read(str(path), as_version=4), twin.stem, *part)


def _earlier_runs():
    """What RUN says; {} where nothing was run yet."""
    try:
        return dict(json.loads(RUN.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _left(before, rest):
    """", about 90 s left": the seconds of notebooks that were run here before, and the mean of these for the others."""
    if not before:
        return ""
    mean = sum(before.values()) / len(before)
    return ", about %.0f s left" % sum(before.get(twin.stem, mean) for twin in rest)


def store(notebook, path, peak=None):
    """Write `notebook` with the fingerprint of its code, and the largest memory of its processes in GB for `memory.peaks`."""
    notebook.metadata["workbook"] = dict({"code_sha256": fingerprint(notebook)}, **{"peak_gb": peak} if peak else {})
    artifacts.write(path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    sys.exit(main())
