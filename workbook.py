#!/usr/bin/env python3
"""The launcher of the TensorRT surgery workbook.

    python3 workbook.py run [NN ...]    set up .venv, run the notebooks in order, write pages to build/
    python3 workbook.py test [...]      the same environment, then the tests (arguments go to pytest)
    python3 workbook.py lab             JupyterLab in that environment, on localhost
    python3 workbook.py doctor          what this machine has, and what to do about what is missing
    python3 workbook.py build [NN ...]  for authors: text twins -> executed notebooks, stored in notebooks/
    python3 workbook.py bundle [DIR]    a folder (bundle/) with everything that this platform needs, for a room without network
                                        (--with-tensorrt-rtx: NVIDIA's builder too, whose licence is not to pass it on)
    python3 workbook.py clean           remove build/ and .venv/

`--python PATH` (before or after the command) chooses another interpreter than the one that runs this file.
Needs nothing but a Python 3.6, 3.8 or 3.10 to 3.13 with its venv module. Linux and Windows, x86-64 and ARM.
"""
import argparse
import errno
import glob
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
VENVS = os.path.join(ROOT, ".venv")
WINDOWS = os.name == "nt"
NVIDIA_NAMES = os.path.join(ROOT, "uffsurgeon", "nvidia_names.py")
# Python -> the pins in requirements/. The boards' Pythons decide which there are.
STACKS = {(3, 6): "jetpack4", (3, 8): "jetpack5",
          (3, 10): "current", (3, 11): "current", (3, 12): "current", (3, 13): "current"}
NEEDED_GB = 4.0
# What comes with a Jetson and is never installed over, with the packages that it was built against.
BOARD = ("tensorflow", "tensorrt", "uff", "graphsurgeon", "pycuda")
# Left out of a bundle: NVIDIA's licence lets you use it, and not pass it on. The notebooks do without.
NOT_PASSED_ON = "tensorrt-rtx"


class Stop(Exception):
    """A sentence for the reader: what is wrong and what to do. Ends the launcher, without a traceback."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "test", "lab", "doctor", "build", "bundle", "clean"])
    parser.add_argument("--python", default=sys.executable, help="the interpreter to build the environment from")
    arguments, rest = parser.parse_known_args()
    try:
        return globals()[arguments.command](arguments.python, rest)
    except Stop as stop:
        print("\nworkbook: %s" % stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nworkbook: interrupted; nothing is lost, the same command goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("\nworkbook: the disk is full (%s). Free about %.0f GB and type the command again."
              % (error.filename or ROOT, NEEDED_GB), file=sys.stderr)
        return 1


def run(python, rest):
    return subprocess.call([environment(python), os.path.join(ROOT, "notebooks", "execute.py")] + rest, cwd=ROOT)


def build(python, rest):
    return run(python, ["--store"] + rest)


def test(python, rest):
    return subprocess.call([environment(python), "-m", "pytest"] + rest, cwd=ROOT)


def lab(python, rest):
    venv = environment(python)
    port = free_port(8888)
    if os.environ.get("SSH_CONNECTION"):
        host = os.environ["SSH_CONNECTION"].split()[2]
        print("On your own computer type:\n\n    ssh -N -L %d:localhost:%d %s@%s\n\nand open the address below there.\n"
              % (port, port, os.environ.get("USER", "you"), host))
        rest = ["--no-browser"] + rest
    if not WINDOWS and os.geteuid() == 0:
        rest = ["--allow-root"] + rest  # Jetson images are often used as root
    return subprocess.call([venv, "-m", "jupyterlab", "--ip=localhost", "--port=%d" % port] + rest,
                           cwd=os.path.join(ROOT, "notebooks"))


def doctor(python, rest):
    """Look with the environment's Python when it is there, else with the one given; install nothing."""
    folder = venv_folder(inspect(python))
    ready = os.path.exists(os.path.join(folder, "ready.json"))
    print("Looking with %s; the environment %s\n" % (
        venv_python(folder) if ready else python, "is ready" if ready else
        "is not set up yet (`python3 workbook.py run` does that), so most packages are absent"), flush=True)
    code = subprocess.call([venv_python(folder) if ready else python, "-m", "helpers.machine"], cwd=ROOT)
    free = shutil.disk_usage(ROOT).free / 1e9
    if not ready and free < NEEDED_GB:
        print("  - Only %.1f GB of disk are free; the environment needs about %.0f GB." % (free, NEEDED_GB))
    return code


def clean(python, rest):
    for name in ("build", ".venv"):
        shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)
        print("removed %s/" % name)
    return 0


def bundle(python, rest):
    """Copy the workbook, the wheels of one stack and the pages into a folder from which all commands work offline."""
    parser = argparse.ArgumentParser(prog="workbook.py bundle")
    parser.add_argument("folder", nargs="?", default=os.path.join(ROOT, "bundle"))
    parser.add_argument("--with-" + NOT_PASSED_ON, dest="everything", action="store_true",
                        help="for machines of your own organisation")
    options = parser.parse_args(rest)
    info = inspect(python)
    check(info)
    target = os.path.abspath(options.folder)
    part = target + ".part"
    if os.path.exists(target):
        raise Stop("%s is there already; remove it or name another folder." % target)
    environment(python)
    shutil.rmtree(part, ignore_errors=True)
    print("Collecting the workbook and its wheels; the first time, some minutes.", flush=True)
    copy = shutil.ignore_patterns(".*", "build", "bundle*", "wheels", "__pycache__", os.path.basename(part))
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
    # Wheels, not downloads: what comes as source is built here, where its build tools can be had.
    if info["version"] < (3, 8):
        pip(venv_python(folder), folder, ["pip==21.3.1", "wheel==0.37.1"], command=["wheel", "-w", wheels])
    pip(venv_python(folder), folder, ["--no-deps", "-r", os.path.join(wheels, "pins.txt")], command=["wheel", "-w", wheels])
    os.rename(part, target)
    size = sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(target) for name in names)
    print("%s, %.1f GB, for Python %d.%d on %s %s. There, the same commands: python3 workbook.py run"
          % ((target, size / 1e9) + info["version"][:2] + (platform.system(), info["machine"])))
    if left_out:
        print("Without TensorRT for RTX: its licence lets you use it, and not pass it on. Notebooks quote there what it gave.\n"
              "For machines of your own organisation: python3 workbook.py bundle DIR --with-%s" % NOT_PASSED_ON)
    return 0


def free_port(first):
    """The first port from `first` on that nobody listens on: two students may share a board."""
    for port in range(first, first + 100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port
    raise Stop("no free port from %d to %d; close a JupyterLab and try again." % (first, first + 99))


def inspect(python):
    """Version, machine and what the system already has, asked of the interpreter itself."""
    code = ("import json, sys, platform, struct\n"
            "try:\n"
            " import venv, ensurepip; venv = True\n"
            "except ImportError: venv = False\n"
            "print(json.dumps(dict(version=list(sys.version_info[:3]), machine=platform.machine(), venv=venv,"
            " bits=struct.calcsize('P') * 8, base=getattr(sys, '_base_executable', '') or sys.executable)))")
    try:
        text = subprocess.check_output([python, "-c", code], stderr=subprocess.STDOUT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Stop("%s does not run as a Python interpreter (%s). Give another one with --python PATH." % (python, error))
    info = json.loads(text.decode("utf-8").strip().splitlines()[-1])
    info["python"] = python
    info["version"] = tuple(info["version"])
    info["stack"] = STACKS.get(info["version"][:2])
    info["jetson"] = os.path.exists("/etc/nv_tegra_release")
    return info


def check(info):
    """Raise Stop for an interpreter that no environment can be made from."""
    version = ".".join(map(str, info["version"]))
    if info["stack"] is None:
        others = ["%s (Python %d.%d)" % (path, key[0], key[1]) for key in sorted(STACKS, reverse=True)
                  for path in [shutil.which("python%d.%d" % key)] + sorted(glob.glob(
                      os.path.expanduser("~/.pyenv/versions/%d.%d.*/bin/python" % key))) if path and works(path)]
        raise Stop("Python %s has no tested stack: TensorFlow and the boards leave 3.6, 3.8 and 3.10 to 3.13. %s" % (
            version, "Here is one: python3 workbook.py %s --python %s" % (sys.argv[1], others[0]) if others else
            "Install one of them and give it with --python PATH."))
    if info["bits"] != 64:
        raise Stop("%s is a 32-bit Python; TensorFlow exists for 64 bits only." % info["python"])
    if not info["venv"]:
        raise Stop("Python %s comes without its venv module. On Ubuntu and Jetson: sudo apt install python%d.%d-venv, "
                   "then the same command again." % ((version,) + info["version"][:2]))


def venv_folder(info):
    return os.path.join(VENVS, "py%d.%d" % info["version"][:2])


def venv_python(folder):
    return os.path.join(folder, "Scripts", "python.exe") if WINDOWS else os.path.join(folder, "bin", "python")


def environment(python):
    """Path of the environment's Python, which is made, or repaired, first if it has to be."""
    info = inspect(python)
    check(info)
    folder = venv_folder(info)
    pins_file = os.path.join(ROOT, "requirements", info["stack"] + ".txt")
    wanted = {"pins": digest(pins_file), "base": info["base"], "jetson": info["jetson"], "root": ROOT,
              "names": digest(NVIDIA_NAMES)}
    ready = os.path.join(folder, "ready.json")
    if read_json(ready) == wanted and works(venv_python(folder)):
        return venv_python(folder)
    started = time.time()
    if os.path.exists(ready):
        os.unlink(ready)  # from here on until the end it is half made
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        raise Stop("only %.1f GB of disk are free; the environment needs about %.0f GB." % (free, NEEDED_GB))
    print("Setting up .venv for Python %d.%d (%s); once, a few minutes." % (info["version"][:2] + (info["stack"],)),
          flush=True)
    if not works(venv_python(folder), "import pip"):
        if os.path.exists(folder):
            print("  what an earlier try left there does not work: making it anew", flush=True)
            shutil.rmtree(folder)
        command = [info["base"], "-m", "venv", folder] + (["--system-site-packages"] if info["jetson"] else [])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Stop("no virtual environment could be made in %s:\n%s" % (folder, done.stdout.strip()[-800:]))
    target = venv_python(folder)
    if info["version"] < (3, 8):  # the pip that came with 3.6 knows no manylinux2014 wheels
        pip(target, folder, ["pip==21.3.1", "wheel==0.37.1"])
    pins = pins_for(pins_file, target, info)
    partial = os.path.join(folder, "pins.txt")
    with open(partial, "w") as stream:
        stream.write("\n".join(pins) + "\n")
    pip(target, folder, ["--no-deps", "-r", partial], len(pins))
    link(target)
    with open(ready + ".part", "w") as stream:
        json.dump(wanted, stream)
    os.replace(ready + ".part", ready)
    print("  ready after %.0f s" % (time.time() - started), flush=True)
    return target


def link(python):
    """Let `python` import helpers, uffsurgeon and notebooks from any folder, and uffsurgeon under NVIDIA's names.

    A .pth file names this folder, and calls a copy of uffsurgeon/nvidia_names.py: with that `import graphsurgeon` and
    `import uff` find NVIDIA's packages where they are installed, and uffsurgeon's elsewhere.
    """
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])
    site = site.decode("utf-8").strip()
    shutil.copyfile(NVIDIA_NAMES, os.path.join(site, "workbook_nvidia_names.py"))
    with open(os.path.join(site, "workbook.pth"), "w") as stream:
        stream.write("%s\nimport workbook_nvidia_names; workbook_nvidia_names.install()\n" % ROOT)
    return 0


def digest(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def read_json(path):
    try:
        with open(path) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def works(python, code="pass"):
    try:
        return subprocess.call([python, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def pins_for(pins_file, python, info):
    """The lines of the pins file, on a Jetson without what the board brings and what that was built against."""
    with open(pins_file) as stream:
        lines = [line.strip() for line in stream if line.strip() and not line.startswith("#")]
    if os.path.exists(os.path.join(ROOT, "wheels", "left_out.txt")):
        with open(os.path.join(ROOT, "wheels", "left_out.txt")) as stream:
            left_out = stream.read().splitlines()
        lines = [line for line in lines if line not in left_out]
    if not info["jetson"]:
        return lines
    kept = set(json.loads(subprocess.check_output([python, "-c", BOARD_CODE % (BOARD,)]).decode("utf-8")))
    return [line for line in lines
            if line.split("==")[0].lower().replace("_", "-").replace("tensorflow-cpu", "tensorflow") not in kept]


# Names of the board's packages that are installed, and of everything that they require, from their metadata.
BOARD_CODE = """
import json, re
try:
    from importlib.metadata import distribution
    requires = lambda name: distribution(name).requires or []
except ImportError:
    import pkg_resources
    requires = lambda name: [str(r) for r in pkg_resources.get_distribution(name).requires()]
found, todo = set(), list(%r)
while todo:
    name = todo.pop().lower().replace("_", "-")
    if name not in found:
        try:
            needs = requires(name)
        except Exception:
            continue
        found.add(name)
        todo += [re.split(r"[^\\w.-]", need)[0] for need in needs if "extra ==" not in need]
print(json.dumps(sorted(found)))
"""


def pip(python, folder, arguments, count=0, command=("install",)):
    """Run pip with one line of progress; its whole output is in install.log beside the environment.

    In a bundle the packages come from its own wheels.
    """
    log = os.path.join(folder, "install.log")
    wheels = os.path.join(ROOT, "wheels")
    offline = ["--no-index", "--find-links", wheels] if os.path.isdir(wheels) else []
    command = [python, "-m", "pip"] + list(command) + ["--disable-pip-version-check", "--no-color"] + offline + arguments
    seen, tail, live = 0, [], sys.stdout.isatty()
    # No stdin: a pip that asks a question would hang where nobody sees it.
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
        raise Stop("the disk became full while packages were installed. Free about %.0f GB, then the same command again."
                   % NEEDED_GB)
    if any(word in text for word in ("NewConnectionError", "Name or service not known", "Temporary failure in name",
                                     "ConnectTimeout", "Connection refused", "Network is unreachable", "ProxyError")):
        raise Stop("the package index cannot be reached. Check the network (or the proxy: HTTPS_PROXY), then type the same "
                   "command again: what is downloaded already is kept.")
    errors = [line for line in tail if "error" in line.lower()] or tail[-3:]
    raise Stop("pip could not install the packages:\n  %s\nThe whole log is %s. On %s, requirements/README.md says which "
               "packages a board must bring itself." % ("\n  ".join(errors[-4:]), log, platform.machine()))


if __name__ == "__main__":
    sys.exit(main())
