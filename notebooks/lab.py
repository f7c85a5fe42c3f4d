"""JupyterLab on the reader's own copies of the notebooks, in my_notebooks/, which git ignores.

`python3 workbook.py lab` and `fresh` call this in the right environment. The stored notebooks are never opened, so reading and
answering change no file that git knows. When a stored notebook has changed, a copy that nobody touched is replaced; one with
answers in it becomes the new notebook with these answers, and what was there before is kept in my_notebooks/earlier/.
"""
import argparse
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from notebooks import memory  # noqa: E402

MINE = ROOT / os.environ.get("WORKBOOK_MINE", "my_notebooks")  # beside notebooks/, for the links to docs/ and others
ORIGINS = ".origins.json"  # in a folder of copies: {name: SHA-256 of the stored notebook that it was copied from}
EXERCISE = re.compile(r"\bcheck\(\s*[\"']([\d.]+)[\"']")


def stored():
    """{name in a folder of copies: path}: every stored notebook and solution, such as "solutions/01_freeze.ipynb"."""
    found = sorted(HERE.glob("[0-9][0-9]_*.ipynb")) + sorted((HERE / "solutions").glob("[0-9][0-9]_*.ipynb"))
    return {path.relative_to(HERE).as_posix(): path for path in found}


def update(folder=MINE):
    """Bring the copies in `folder` up to the stored notebooks -> [sentence] about each that held something of the reader's."""
    folder, said = Path(folder), []
    origins = _read_json(folder / ORIGINS)
    for name, source in stored().items():
        copy, digest = folder / name, _digest(source)
        if not copy.exists():
            _copy(source, copy)
        elif origins.get(name) == digest:
            continue
        elif _digest(copy) == origins.get(name):
            _copy(source, copy)
        else:
            answers = _answers(copy)
            kept = _set_aside(copy, folder)
            _copy(source, copy)
            carried = _fill_in(copy, answers)
            said.append("%s has changed. Yours is now the new one%s; what you had is %s." % (
                name, " with your answers to " + ", ".join(carried) if carried else "", kept))
        origins[name] = digest
    _write_json(folder / ORIGINS, origins)
    return said


def fresh(wanted, folder=MINE):
    """Replace the copies of the notebooks `wanted` (numbers, or beginnings of names) -> [sentence]; what was there is kept."""
    folder, said = Path(folder), []
    origins = _read_json(folder / ORIGINS)
    for name in chosen(wanted):
        copy = folder / name
        kept = _set_aside(copy, folder) if copy.exists() else None
        _copy(stored()[name], copy)
        origins[name] = _digest(copy)
        said.append("%s is as at the beginning%s." % (copy, "; what you had is %s" % kept if kept else ""))
    _write_json(folder / ORIGINS, origins)
    return said


def chosen(wanted):
    """Names of the readers' notebooks that `wanted` means: 3, 03 or a beginning of a name. SystemExit for an unknown one."""
    names, found = [name for name in stored() if "/" not in name], []
    for word in wanted:
        word = word.zfill(2) if word.isdigit() else word
        fits = [name for name in names if name.startswith(word)]
        if not fits:
            raise SystemExit("no notebook begins with %s; there are %s" % (word, ", ".join(name[:-6] for name in names)))
        found += fits
    return found


def trust(folder=MINE):
    """Sign the copies as `jupyter trust` does: in a notebook that is not trusted, a button asks before it does anything."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for name in stored():
        try:
            notary.sign(nbformat.read(str(Path(folder) / name), as_version=4))
        except Exception as error:  # a copy that is damaged, or no place for the signatures: the button asks, and that is all
            print("%s is not trusted (%s)." % (name, error))


def _answers(notebook):
    """{number of an exercise: source of its cell} of a notebook; the first cell that checks it counts."""
    found = {}
    for cell in _read_json(notebook).get("cells", []):
        source = "".join(cell.get("source", ""))
        if cell.get("cell_type") == "code":
            for number in EXERCISE.findall(source):
                found.setdefault(number, source)
    return found


def _fill_in(notebook, answers):
    """Put the answers into the exercise cells of a notebook -> numbers of the exercises whose cells that changed."""
    content, carried = _read_json(notebook), []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        numbers = EXERCISE.findall(source) if "exercise" in cell["metadata"].get("tags", []) else []
        if numbers and answers.get(numbers[0], source) != source:
            cell["source"], cell["outputs"], cell["execution_count"] = answers[numbers[0]], [], None
            carried += numbers
    if carried:
        _write_json(notebook, content)
    return carried


def _set_aside(copy, folder):
    """Move a copy to `folder`/earlier, under a name with the time -> its path."""
    kept = folder / "earlier" / ("%s %s.ipynb" % (copy.stem, time.strftime("%Y-%m-%d %H.%M.%S")))
    number = 1
    while kept.exists():
        number += 1
        kept = kept.with_name("%s (%d).ipynb" % (kept.stem.split(" (")[0], number))
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.replace(str(copy), str(kept))
    return kept


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(source), str(target) + ".part")
    os.replace(str(target) + ".part", str(target))


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_json(path, value):
    part = str(path) + ".part"
    with open(part, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    os.replace(part, str(path))


def free_port(first):
    """The first unused port from `first` on: several people may share a machine. SystemExit when a hundred are taken."""
    for port in range(first, first + 100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port
    raise SystemExit("no port from %d to %d is free; close a JupyterLab and try again" % (first, first + 99))


def address(page, folder=MINE):
    """The path of `page` in JupyterLab's addresses."""
    return "/lab/tree/%s/%s" % (Path(folder).relative_to(ROOT).as_posix(), page)


def server(page, port, token, folder=MINE):
    """(command, environment) of a JupyterLab in which `page`, a name in `folder`, is open.

    Its root is the repository, so that the links of the notebooks to docs/ and to others lead somewhere.
    """
    command = [sys.executable, "-m", "jupyterlab", "--ip=localhost", "--port=%d" % port, "--ServerApp.log_level=ERROR",
               "--LabApp.log_level=ERROR", "--ServerApp.root_dir=%s" % ROOT, "--LabApp.news_url=None",
               "--KernelManager.transport_encryption=auto",
               "--LabApp.default_url=%s" % address(page, folder)]
    if os.name != "nt" and os.geteuid() == 0:
        command.append("--allow-root")  # Jetson images are often used as root
    paths = os.pathsep.join(filter(None, [str(HERE / "lab_settings"), os.environ.get("JUPYTER_CONFIG_PATH")]))
    return command, dict(os.environ, JUPYTER_TOKEN=token, JUPYTER_CONFIG_PATH=paths, JUPYTER_PREFER_ENV_PATH="1",
                         PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


def main():
    if sys.argv[1:2] == ["--fresh"]:
        parser = argparse.ArgumentParser(prog="workbook.py fresh", description="Fresh copies of notebooks in my_notebooks/.")
        parser.add_argument("notebook", nargs="+", help="numbers, such as 3 or 03")
        print("\n".join(fresh(parser.parse_args(sys.argv[2:]).notebook)))
        return 0
    if sys.argv[1:2] == ["--copies"]:  # for a JupyterHub, see docs/classroom.md
        print("\n".join(update() or ["%s is up to date." % MINE]))
        trust()
        return 0
    parser = argparse.ArgumentParser(prog="workbook.py lab", description="JupyterLab on your own copies of the notebooks.",
                                     epilog="What else is given goes to JupyterLab, such as --no-browser or --port=8899.")
    parser.add_argument("notebook", nargs="?", default="00", help="number of the notebook to open, such as 3; default: 00")
    arguments, rest = parser.parse_known_args()
    page = chosen([arguments.notebook])[0]
    for line in update():
        print(line)
    trust()
    large = memory.too_large()
    if large:
        print(large)
    given = [word for word in rest if word.startswith("--port=")]
    port = int(given[0].split("=")[1]) if given else free_port(8888)
    token = secrets.token_hex(24)
    if os.environ.get("SSH_CONNECTION"):
        host = os.environ["SSH_CONNECTION"].split()[2]
        print("On your own computer type\n\n    ssh -N -L %d:localhost:%d %s@%s\n" % (
            port, port, os.environ.get("USER", "you"), host))
        rest.append("--no-browser")
    print("Your copies of the notebooks are in %s. JupyterLab is at\n\n    http://localhost:%d%s?token=%s\n\n"
          "It runs until you press Ctrl+C here." % (MINE, port, address(page), token), flush=True)
    command, environment = server(page, port, token)
    os.chdir(str(ROOT))
    if os.name != "nt":
        os.execve(command[0], command + rest, environment)  # so that what ends this process ends JupyterLab
    return subprocess.call(command + rest, env=environment)


if __name__ == "__main__":
    sys.exit(main())
