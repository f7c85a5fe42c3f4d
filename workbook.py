#!/usr/bin/env python3
"""The launcher of the TensorRT surgery workbook.

    python3 workbook.py run [NN ...]    set up .venv, run the notebooks in order, write pages to build/
    python3 workbook.py lab [NN]        set up .venv, open your copy of a notebook (my_notebooks/) in JupyterLab on localhost
    python3 workbook.py fresh NN ...    your copy of a notebook as at the beginning; what you had goes to my_notebooks/earlier/
    python3 workbook.py results DIR ... for teachers: who has passed which check, from the readers' folders my_notebooks
    python3 workbook.py test [...]      set up .venv, run the tests (arguments go to pytest)
    python3 workbook.py doctor          what this machine has, and what to do about what is missing
    python3 workbook.py parser [5.1.5]  NVIDIA's UffParser for the pages, without a GPU, on Linux x86-64; also 6.0.1
                                        (--jar FILE, --folder DIR, --headers DIR: what you have; see uffparser/README.md)
    python3 workbook.py link            for an environment of your own (conda, for example): let the Python that runs this find
                                        helpers, uffsurgeon, graphsurgeon and uff from any folder
    python3 workbook.py build [NN ...]  for authors: execute the text twins and store the notebooks in notebooks/
    python3 workbook.py bundle [DIR]    a folder (bundle/) with everything that this platform needs, for use without a network
                                        (--with-tensorrt-rtx: with TensorRT for RTX, whose licence forbids passing it on)
    python3 workbook.py clean           remove build/ and .venv/ (--dry-run: say what would be freed; --build: build/ alone).
                                        my_notebooks/ stays

`run 3` and `run 03` are the same. `COMMAND --help` lists the options of a command.
`--python PATH` (before or after the command) chooses another interpreter than the one that runs this file.
`--stack gpu_uff` or `--stack gpu` (or the variable WORKBOOK_STACK) sets up another environment, for an NVIDIA GPU that is not a
Jetson's: TensorFlow and TensorRT on the GPU, 8.6.1 with its UffParser or 10.6. `doctor` says which of them fits.
WORKBOOK_BUILD names another folder than build/. Needs only Python 3.6, 3.8 or 3.10 to 3.13 with its venv module. Linux and
Windows, x86-64 and ARM.
"""
from __future__ import print_function  # so that Python 2 reads this file as far as the sentence that refuses it

import sys

if sys.version_info < (3, 6):
    sys.exit("workbook: Python %d.%d is not supported; the workbook runs on 3.6, 3.8 and 3.10 to 3.13. Type python3 in place "
             "of python." % sys.version_info[:2])
import argparse  # noqa: E402
import errno  # noqa: E402
import glob  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

ROOT = os.path.dirname(os.path.abspath(__file__))
VENVS = os.path.join(ROOT, ".venv")
WINDOWS = os.name == "nt"
NVIDIA_NAMES = os.path.join(ROOT, "uffsurgeon", "nvidia_names.py")
# Python version -> name of the pins file in requirements/. JetPack's Pythons and TensorFlow's wheels decide which there are.
STACKS = {(3, 6): "jetpack4", (3, 8): "jetpack5",
          (3, 10): "current", (3, 11): "current", (3, 12): "current", (3, 13): "current"}
# Chosen by name (`--stack`), for Linux on x86-64: name -> (its Pythons, what decides them, GB of disk space).
GPU_STACKS = {
    "gpu_uff": (((3, 9), (3, 10), (3, 11)), "TensorFlow 2.15 and the Python API of TensorRT 8.6.1", 9.0),
    "gpu": (((3, 10), (3, 11), (3, 12), (3, 13)), "TensorFlow 2.21", 10.0),
}
NEEDED_GB = 5.0  # packages 2.3, build/ under 3 after a whole run
# These come with a Jetson. Neither they nor the packages that they were built against are replaced by ours.
BOARD = ("tensorflow", "tensorrt", "uff", "graphsurgeon", "pycuda")
# Left out of a bundle: NVIDIA's licence allows using it, not passing it on. The notebooks run without it.
NOT_PASSED_ON = "tensorrt-rtx"


class Stop(Exception):
    """Ends the launcher without a traceback. The message says what is wrong and what to do."""


COMMANDS = ["run", "lab", "fresh", "results", "test", "doctor", "parser", "link", "build", "bundle", "clean"]
OWN_HELP = ("run", "lab", "fresh", "parser", "build", "results")  # another program reads their arguments, and explains them


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False)
    parser.add_argument("command", choices=COMMANDS, nargs="?", default="help")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to use; default: the one that runs this file")
    parser.add_argument("--stack", default=os.environ.get("WORKBOOK_STACK"), choices=sorted(GPU_STACKS),
                        help="packages for an NVIDIA GPU; default: those for the Python")
    arguments, rest = parser.parse_known_args()
    asked = "-h" in rest or "--help" in rest
    if arguments.command == "help" or asked and arguments.command in ("test", "doctor", "link"):
        parser.print_help()
        return 0 if asked else 2
    if asked and arguments.command in OWN_HELP and not ready(arguments.python):
        parser.print_help()
        print("\n`%s` has more options; `%s --help` lists them when the environment has been set up."
              % (arguments.command, arguments.command))
        return 0
    if arguments.stack:
        os.environ["WORKBOOK_STACK"] = arguments.stack  # `inspect` reads it
    try:
        return globals()[arguments.command](arguments.python, rest)
    except Stop as stop:
        print("\nworkbook: %s" % stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nworkbook: interrupted. The same command continues where this one stopped.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("\nworkbook: the disk is full (%s). Free about %.0f GB, then type the same command again; `python3 workbook.py "
              "clean --build` frees %.1f GB." % (error.filename or ROOT, needed_gb(arguments.stack), gigabytes(build_folder())),
              file=sys.stderr)
        return 1


def run(python, rest):
    return start(python, ["notebooks", "execute.py"], rest)


def build(python, rest):
    return run(python, ["--store"] + rest)


def lab(python, rest):
    return start(python, ["notebooks", "lab.py"], rest)


def fresh(python, rest):
    return start(python, ["notebooks", "lab.py"], ["--fresh"] + rest)


def results(python, rest):
    return subprocess.call([python, os.path.join(ROOT, "notebooks", "results.py")] + rest)


def test(python, rest):
    venv = environment(python)
    check_writable()
    return subprocess.call([venv, "-m", "pytest"] + rest, cwd=ROOT, env=surroundings())


def start(python, script, rest):
    """Run a script of the workbook in its environment, once the folders are known to be writable."""
    venv = environment(python)
    check_writable()
    return subprocess.call([venv, os.path.join(ROOT, *script)] + rest, cwd=ROOT, env=surroundings())


def build_folder():
    return os.environ.get("WORKBOOK_BUILD") or os.path.join(ROOT, "build")


def check_writable():
    """Raise Stop if the folder of the workbook's files cannot be written: found in the first second, not after minutes."""
    folder = build_folder()
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise Stop("%s cannot be written (%s)%s. Take a folder of your own for the files: WORKBOOK_BUILD=$HOME/workbook-build "
                   "python3 workbook.py ..., or a copy of the workbook of your own: git clone %s"
                   % (folder, error.strerror, owner(folder), ROOT))


def owner(path):
    """"; it belongs to anna" for the nearest folder that exists, where the system tells."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    try:
        import pwd

        return "; it belongs to %s" % pwd.getpwuid(os.stat(path).st_uid).pw_name
    except (ImportError, KeyError):
        return ""


def surroundings():
    """The variables for the programs that the launcher starts. ONNX Runtime sends no telemetry. Where HOME cannot be written,
    what Jupyter, IPython and matplotlib keep there goes to build/home."""
    found = dict(os.environ)
    found.setdefault("ORT_DISABLE_TELEMETRY", "1")
    home = os.path.expanduser("~")
    if os.path.isdir(home) and os.access(home, os.W_OK):
        return found
    place = os.path.join(build_folder(), "home")
    print("%s cannot be written; settings of Jupyter and matplotlib go to %s." % (home, place), flush=True)
    found["XDG_CACHE_HOME"] = os.path.join(place, "cache")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR",
                 "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"):
        found.setdefault(name, os.path.join(place, name.lower()))
    for name in ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"):
        os.makedirs(found[name], exist_ok=True)
    return found


def doctor(python, rest):
    """Report with the environment's Python if it is set up, else with the given one. Installs nothing."""
    info = inspect(python)
    try:
        check(info)
    except Stop as stop:
        print("workbook: %s\n" % stop, file=sys.stderr)
        return 1
    folder = venv_folder(info)
    made = os.path.exists(os.path.join(folder, "ready.json"))
    print("Using %s; the environment %s.\n" % (
        venv_python(folder) if made else python, "is ready" if made else
        "is not set up yet (`python3 workbook.py run` does that), so most packages are missing"), flush=True)
    code = subprocess.call([venv_python(folder) if made else python, "-m", "helpers.machine"], cwd=ROOT)
    free = shutil.disk_usage(ROOT).free / 1e9
    needed = needed_gb(os.environ.get("WORKBOOK_STACK"))
    if not made and free < needed:
        print("  - Only %.1f GB of disk space are free; the environment needs about %.0f GB." % (free, needed))
    from notebooks import memory

    large = memory.too_large()
    if large:
        print("  - " + large)
    return code


def parser(python, rest):
    return subprocess.call([environment(python), "-m", "uffparser"] + rest)  # in the caller's folder: `rest` may name files


def clean(python, rest):
    parser = argparse.ArgumentParser(prog="workbook.py clean",
                                     description="Remove what the workbook made; my_notebooks/ stays.")
    parser.add_argument("--dry-run", action="store_true", help="delete nothing; say how much would be freed")
    parser.add_argument("--build", action="store_true", help="build/ alone: the next run takes minutes, and fetches nothing")
    options = parser.parse_args(rest)
    for folder in [build_folder()] + ([] if options.build else [VENVS]):
        if folder == VENVS and os.path.islink(folder):
            print("%s is a link, and stays; what it leads to may serve another checkout" % folder)
        elif os.path.isdir(folder):
            real, kept = os.path.realpath(folder), [os.path.realpath(place) for place in (ROOT, os.path.expanduser("~"))]
            if any((place + os.sep).startswith(real.rstrip(os.sep) + os.sep) for place in kept):
                raise Stop("%s holds more than what the workbook made; nothing in it was removed. Set WORKBOOK_BUILD to a "
                           "folder of its own." % folder)
            size = gigabytes(folder)
            if options.dry_run or remove(folder):
                print("%s %s, %.1f GB" % ("would remove" if options.dry_run else "removed", folder, size))
            else:
                print("%s could not be removed wholly%s" % (folder, owner(folder)))
    return 0


def remove(folder):
    """Remove a folder, or what is in it where `folder` is a link to one -> whether nothing is left."""
    if not os.path.islink(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return not os.path.exists(folder)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            try:
                os.unlink(path)
            except OSError:
                pass
    return not os.listdir(folder)


def gigabytes(folder):
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size
            except OSError:
                pass
    return total / 1e9


def bundle(python, rest):
    """Copy the workbook, the wheels of one stack and the pages into a folder in which all commands work offline."""
    parser = argparse.ArgumentParser(prog="workbook.py bundle")
    parser.add_argument("folder", nargs="?", default=os.path.join(ROOT, "bundle"))
    parser.add_argument("--with-" + NOT_PASSED_ON, dest="everything", action="store_true",
                        help="for machines of your own organisation")
    options = parser.parse_args(rest)
    info = inspect(python)
    check(info)
    if info["gpu_stack"]:
        raise Stop("a bundle holds the default stack of its Python: NVIDIA's licence allows using TensorRT, not passing it on.")
    target = os.path.abspath(options.folder)
    part = target + ".part"
    if os.path.exists(target):
        raise Stop("%s exists already; remove it or name another folder." % target)
    environment(python)
    shutil.rmtree(part, ignore_errors=True)
    print("Collecting the workbook and its wheels; this takes some minutes the first time.", flush=True)
    copy = shutil.ignore_patterns(".*", "build", "my_notebooks", "bundle*", "wheels", "__pycache__", os.path.basename(part))
    shutil.copytree(ROOT, part, ignore=copy)
    pages = os.path.join(ROOT, "build", "notebooks")
    if os.path.isdir(pages):
        shutil.copytree(pages, os.path.join(part, "build", "notebooks"))
    folder = venv_folder(info)
    with open(os.path.join(folder, "pins.txt")) as stream:
        pins = stream.read().splitlines()
    left_out = [] if options.everything else [pin for pin in pins if pin.startswith(NOT_PASSED_ON)]
    wheels = os.path.join(part, "wheels")
    os.makedirs(wheels)
    for name, lines in (("pins.txt", [pin for pin in pins if pin not in left_out]), ("left_out.txt", left_out)):
        with open(os.path.join(wheels, name), "w") as stream:
            stream.write("".join(line + "\n" for line in lines))
    # `pip wheel`, not `pip download`: source packages are built here, where their build tools are available.
    if info["version"] < (3, 8):
        pip(venv_python(folder), folder, ["pip==21.3.1", "wheel==0.37.1"], command=["wheel", "-w", wheels])
    pip(venv_python(folder), folder, ["--no-deps", "-r", os.path.join(wheels, "pins.txt")], command=["wheel", "-w", wheels])
    os.rename(part, target)
    size = sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(target) for name in names)
    print("%s, %.1f GB, for Python %d.%d on %s %s. In that folder the same commands work: python3 workbook.py run"
          % ((target, size / 1e9) + info["version"][:2] + (platform.system(), info["machine"])))
    if left_out:
        print("TensorRT for RTX is left out: its licence allows using it, not passing it on. The notebooks run without it.\n"
              "For machines of your own organisation: python3 workbook.py bundle DIR --with-%s" % NOT_PASSED_ON)
    return 0


def link(python, rest=()):
    """The command: make `python` find the workbook's packages, and say so."""
    inspect(python)
    print("%s: helpers, uffsurgeon and notebooks are found in %s, and graphsurgeon and uff where NVIDIA's are not installed."
          % (write_pth(python), ROOT))
    return 0


def inspect(python):
    """What an interpreter says about itself: a dict with version, stack, machine, bits, venv, base, jetson.

    Raises Stop if it does not run.
    """
    code = ("import json, sys, platform, struct\n"
            "try:\n"
            " import venv, ensurepip; venv = True\n"
            "except ImportError: venv = False\n"
            "print(json.dumps(dict(version=list(sys.version_info[:3]), machine=platform.machine(), venv=venv,"
            " bits=struct.calcsize('P') * 8, base=getattr(sys, '_base_executable', '') or sys.executable)))")
    try:
        text = subprocess.check_output([python, "-c", code], stderr=subprocess.STDOUT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Stop("%s does not run as a Python interpreter (%s). Choose another one with --python PATH." % (python, error))
    info = json.loads(text.decode("utf-8").strip().splitlines()[-1])
    info["python"] = python
    info["version"] = tuple(info["version"])
    info["gpu_stack"] = os.environ.get("WORKBOOK_STACK") or None
    info["stack"] = info["gpu_stack"] or STACKS.get(info["version"][:2])
    info["jetson"] = os.path.exists("/etc/nv_tegra_release")
    return info


def check(info):
    """Raise Stop if no environment can be made from this interpreter."""
    version = ".".join(map(str, info["version"]))
    if info["gpu_stack"]:
        check_gpu_stack(info, version)
    if info["stack"] is None:
        others = ["%s (Python %d.%d)" % (path, key[0], key[1]) for key in sorted(STACKS, reverse=True)
                  for path in [shutil.which("python%d.%d" % key)] + sorted(glob.glob(
                      os.path.expanduser("~/.pyenv/versions/%d.%d.*/bin/python" % key))) if path and works(path)]
        raise Stop("Python %s is not supported; the workbook runs on 3.6, 3.8 and 3.10 to 3.13. %s" % (
            version, "Install one of them and choose it with --python PATH." if not others else
            "This machine has one: python3 workbook.py %s --python %s" % ((sys.argv[1:] or ["run"])[0], others[0])))
    if info["bits"] != 64:
        raise Stop("%s is a 32-bit Python; TensorFlow needs a 64-bit one." % info["python"])
    if not info["venv"]:
        raise Stop("Python %s has no venv module. On Ubuntu and Jetson: sudo apt install python%d.%d-venv, then type the "
                   "same command again." % ((version,) + info["version"][:2]))


def check_gpu_stack(info, version):
    if info["stack"] not in GPU_STACKS:
        raise Stop("there is no stack %s (the variable WORKBOOK_STACK); there are %s."
                   % (info["stack"], " and ".join(sorted(GPU_STACKS))))
    if info["jetson"] or sys.platform != "linux" or info["machine"] != "x86_64":
        raise Stop("the stack %s is for Linux on x86-64 with an NVIDIA GPU, and this is %s. Leave --stack out."
                   % (info["stack"], "a Jetson" if info["jetson"] else "%s on %s" % (platform.system(), info["machine"])))
    pythons, why, _ = GPU_STACKS[info["stack"]]
    if info["version"][:2] not in pythons:
        raise Stop("the stack %s needs Python 3.%d to 3.%d, because of %s; this is %s. Choose one with --python PATH."
                   % (info["stack"], pythons[0][1], pythons[-1][1], why, version))


def needed_gb(gpu_stack):
    """Disk space that an environment takes, in GB."""
    return GPU_STACKS[gpu_stack][2] if gpu_stack in GPU_STACKS else NEEDED_GB


def venv_folder(info):
    return os.path.join(VENVS, "py%d.%d" % info["version"][:2] + ("-" + info["gpu_stack"] if info["gpu_stack"] else ""))


def venv_python(folder):
    return os.path.join(folder, "Scripts", "python.exe") if WINDOWS else os.path.join(folder, "bin", "python")


def environment(python):
    """Path of the environment's Python. Makes, repairs or links the environment first where that is necessary.

    ready.json is written last and says what the environment was made from; where it differs, the environment is completed.
    """
    info = inspect(python)
    check(info)
    folder = venv_folder(info)
    pins_file = os.path.join(ROOT, "requirements", info["stack"] + ".txt")
    beside = glob.glob(pins_file[:-len(".txt")] + "_tensorflow*.txt") if info["jetson"] else []
    wanted = {"pins": digest(pins_file, *sorted(beside)), "base": info["base"], "jetson": info["jetson"], "root": ROOT,
              "names": digest(NVIDIA_NAMES)}
    note, target = os.path.join(folder, "ready.json"), venv_python(folder)
    found = read_json(note) or {}
    # Made by another interpreter of the same version, it serves as well: a virtual environment keeps its own.
    if all(found.get(key) == wanted[key] for key in ("pins", "jetson")) and works(target):
        wanted["base"] = found.get("base")
        if found != wanted:  # the packages are right, and only the link is old
            check_may_change(folder)
            write_pth(target)
            write_json(note, wanted)
        return target
    check_may_change(folder)
    started = time.time()
    if os.path.exists(note):
        os.unlink(note)
    free = shutil.disk_usage(ROOT).free / 1e9
    needed = needed_gb(info["gpu_stack"])
    if free < needed:
        raise Stop("only %.1f GB of disk space are free; the environment needs about %.0f GB." % (free, needed))
    print("Setting up .venv for Python %d.%d (%s), once; this takes a few minutes."
          % (info["version"][:2] + (info["stack"],)), flush=True)
    if not works(target, "import pip"):
        if os.path.exists(folder):
            print("  the environment that is there does not work; making a new one", flush=True)
            shutil.rmtree(folder)
        command = [info["base"], "-m", "venv", folder] + (["--system-site-packages"] if info["jetson"] else [])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Stop("no virtual environment could be made in %s:\n%s" % (folder, done.stdout.strip()[-800:]))
    if info["version"] < (3, 8):  # the pip that comes with Python 3.6 does not know manylinux2014 wheels
        pip(target, folder, ["pip==21.3.1", "wheel==0.37.1"])
    pins = pins_for(pins_file, target, info)
    pins_here = os.path.join(folder, "pins.txt")
    with open(pins_here, "w") as stream:
        stream.write("\n".join(pins) + "\n")
    pip(target, folder, ["--no-deps", "-r", pins_here], len(pins))
    if info["jetson"]:
        for line in too_old(target, pins):
            print("  " + line, flush=True)
    write_pth(target)
    write_json(note, wanted)
    print("  ready after %.0f s" % (time.time() - started), flush=True)
    return target


def check_may_change(folder):
    """Raise Stop if somebody else's environment would have to be changed."""
    place = folder
    while not os.path.exists(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK):
        raise Stop("the environment %s has to be set up or changed, and cannot be written%s. Ask its owner to type the same "
                   "command, or take a copy of the workbook of your own: git clone %s" % (folder, owner(place), ROOT))


def ready(python):
    """Whether the environment of this interpreter is there. Installs nothing."""
    try:
        return os.path.exists(os.path.join(venv_folder(inspect(python)), "ready.json"))
    except Stop:
        return False


def write_pth(python):
    """Let `python` import helpers, uffsurgeon and notebooks from any folder. Returns the path of workbook.pth.

    The .pth file in its site-packages adds this folder to sys.path and calls a copy of uffsurgeon/nvidia_names.py, by which
    `import graphsurgeon` and `import uff` find NVIDIA's packages where they are installed, and uffsurgeon's elsewhere.
    """
    code = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()['purelib']))"
    pth = os.path.join(json.loads(subprocess.check_output([python, "-c", code]).decode("ascii")), "workbook.pth")
    # One line of code in ASCII: Python 3.6 in the C locale does not start if a .pth file has another character in it.
    line = ("import os, sys; sys.path.append(os.fsdecode(%r)); import workbook_nvidia_names; workbook_nvidia_names.install()\n"
            % os.fsencode(ROOT))
    try:
        shutil.copyfile(NVIDIA_NAMES, os.path.join(os.path.dirname(pth), "workbook_nvidia_names.py"))
        with open(pth, "w") as stream:
            stream.write(line)
    except PermissionError as error:
        raise Stop("%s cannot be written. Use the Python of a virtual or conda environment of your own." % error.filename)
    return pth


def digest(*paths):
    found = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            found.update(stream.read())
    return found.hexdigest()


def read_json(path):
    try:
        with open(path) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def write_json(path, value):
    with open(path + ".part", "w") as stream:
        json.dump(value, stream)
    os.replace(path + ".part", path)


def works(python, code="pass"):
    """Whether `python` runs this code without an error."""
    try:
        return subprocess.call([python, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def pins_for(pins_file, python, info):
    """The lines of the pins file; on a Jetson without the board's own packages and the packages they were built against."""
    with open(pins_file) as stream:
        lines = [line.strip() for line in stream if line.strip() and not line.startswith("#")]
    if os.path.exists(os.path.join(ROOT, "wheels", "left_out.txt")):
        with open(os.path.join(ROOT, "wheels", "left_out.txt")) as stream:
            left_out = stream.read().splitlines()
        lines = [line for line in lines if line not in left_out]
    if not info["jetson"]:
        return lines
    board = board_packages(python)
    others = pins_for_tensorflow(pins_file, board.get("tensorflow"))
    # Without a TensorFlow of the board ours comes, and needs a newer NumPy than that of the board's Ubuntu.
    kept = set(board) if "tensorflow" in board else set(BOARD).intersection(board)
    lines = [others.get(_name(line.split("==")[0]), line) for line in lines]
    return [line for line in lines if _name(line.split("==")[0]) not in kept]


def board_packages(python):
    """{name: version} of the board's own packages and of all that they require. What lies in the environment does not count."""
    found = json.loads(subprocess.check_output([python, "-c", BOARD_CODE % (BOARD + ("tensorflow-gpu",),)]).decode("utf-8"))
    if "tensorflow-gpu" in found:  # its name in builds of 2019
        found.setdefault("tensorflow", found["tensorflow-gpu"])
    return found


def pins_for_tensorflow(pins_file, version):
    """{package: pin} of NAME_tensorflowX.Y.txt beside NAME.txt, for the TensorFlow X.Y that the board has; {} without one."""
    path = "%s_tensorflow%s.txt" % (pins_file[:-len(".txt")], ".".join((version or "").split(".")[:2]))
    if not os.path.exists(path):
        return {}
    with open(path) as stream:
        return {_name(line.split("==")[0]): line.strip() for line in stream if line.strip() and not line.startswith("#")}


def too_old(python, pins):
    """A sentence about each package of the board whose version one of ours does not allow, with what to do."""
    ours = set(_name(line.split("==")[0]) for line in pins)
    done = subprocess.run([python, "-m", "pip", "check", "--disable-pip-version-check"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, universal_newlines=True)
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r"(\S+ \S+) has requirement (.+), but you have (\S+) (\S+?)\.?$", line)
        if match and _name(match.group(1).split(" ")[0]) in ours and _name(match.group(3)) not in ours:
            package, wants, name, version = match.groups()
            newer = "%s -m pip install '%s'" % (python, wants.split(";")[0].strip())
            found.append("The board's %s %s stays, and %s wants %s. If a page fails because of it, give the environment a "
                         "newer one: %s" % (name, version, package, wants, newer))
    return found


def _name(package):
    return package.lower().replace("_", "-").replace("tensorflow-cpu", "tensorflow")


# Prints the names and versions of the board's packages that are installed, and of all their requirements, from their metadata.
BOARD_CODE = """
import json, os, re, sys
own = sys.prefix + os.sep if sys.prefix != sys.base_prefix else None
paths = [path for path in sys.path if not (own and path.startswith(own))]
try:
    from importlib.metadata import distributions
    look = lambda name: next(iter(distributions(name=name, path=paths)))
    requires = lambda found: found.requires or []
except ImportError:
    import pkg_resources
    installed = pkg_resources.WorkingSet(paths).by_key
    look = lambda name: installed[name]
    requires = lambda found: [str(need) for need in found.requires()]
found, todo = {}, list(%r)
while todo:
    name = todo.pop().lower().replace("_", "-")
    if name not in found:
        try:
            package = look(name)
            needs = requires(package)
        except Exception:
            continue
        found[name] = package.version
        todo += [re.split(r"[^\\w.-]", need)[0] for need in needs if "extra ==" not in need]
print(json.dumps(found))
"""


def pip(python, folder, arguments, count=0, command=("install",)):
    """Run pip with one line of progress; its whole output goes to install.log in `folder`.

    In a bundle the packages come from its own wheels. Raises Stop, with the reason, if pip fails.
    """
    log = os.path.join(folder, "install.log")
    wheels = os.path.join(ROOT, "wheels")
    offline = ["--no-index", "--find-links", wheels] if os.path.isdir(wheels) else []
    command = [python, "-m", "pip"] + list(command) + ["--disable-pip-version-check", "--no-color"] + offline + arguments
    seen, tail, live = 0, [], sys.stdout.isatty()
    # No stdin: pip would wait for an answer to a question that is not shown.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with open(log, "ab") as stream:
            for raw in child.stdout:
                stream.write(raw)
                line = raw.decode("utf-8", "replace").rstrip()
                tail = (tail + [line])[-40:]
                if line.startswith("Collecting ") or line.startswith("Requirement already satisfied"):
                    seen += 1
                    if live and count:
                        print("\r  %3d of %d: %-50s" % (seen, count, line.split()[1][:50]), end="", flush=True)
                elif line.startswith("Installing collected") and count:
                    print("%s  unpacking %d packages%s" % ("\r" if live else "", count, " " * 50 if live else ""),
                          flush=True)
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    if code == 0:
        return
    text = "\n".join(tail)
    if "No space left" in text or "Errno 28" in text:
        raise Stop("the disk became full while packages were installed. Free about %.0f GB, then type the same command again."
                   % needed_gb(os.environ.get("WORKBOOK_STACK")))
    if any(word in text for word in ("NewConnectionError", "Name or service not known", "Temporary failure in name",
                                     "ConnectTimeout", "Connection refused", "Network is unreachable", "ProxyError")):
        raise Stop("the package index cannot be reached. Check the network (or the proxy: HTTPS_PROXY), then type the same "
                   "command again; finished downloads are kept.")
    errors = [line for line in tail if "error" in line.lower()] or tail[-3:]
    raise Stop("pip could not install the packages:\n  %s\nThe whole log is %s. requirements/README.md lists the packages "
               "that have no wheel for some machines (this one: %s)." % ("\n  ".join(errors[-4:]), log, platform.machine()))


if __name__ == "__main__":
    sys.exit(main())
