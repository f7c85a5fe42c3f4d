#!/usr/bin/env python3
"""The launcher of the TensorRT surgery workbook.

    python3 workbook.py run [NN ...]    set up .venv, run the notebooks in order, write pages to build/
    python3 workbook.py test [...]      set up .venv, run the tests (arguments go to pytest)
    python3 workbook.py lab             set up .venv, start JupyterLab on localhost
    python3 workbook.py doctor          what this machine has, and what to do about what is missing
    python3 workbook.py parser [5.1.5]  NVIDIA's UffParser for the pages, without a GPU, on Linux x86-64; also 6.0.1
                                        (--jar FILE, --folder DIR, --headers DIR: what you have; see uffparser/README.md)
    python3 workbook.py link            for an environment of your own (conda, for example): let the Python that runs this find
                                        helpers, uffsurgeon, graphsurgeon and uff from any folder
    python3 workbook.py build [NN ...]  for authors: execute the text twins and store the notebooks in notebooks/
    python3 workbook.py bundle [DIR]    a folder (bundle/) with everything that this platform needs, for use without a network
                                        (--with-tensorrt-rtx: with TensorRT for RTX, whose licence forbids passing it on)
    python3 workbook.py clean           remove build/ and .venv/

`--python PATH` (before or after the command) chooses another interpreter than the one that runs this file.
`--stack gpu_uff` or `--stack gpu` (or the variable WORKBOOK_STACK) sets up another environment, for an NVIDIA GPU that is not a
Jetson's: TensorFlow and TensorRT on the GPU, 8.6.1 with its UffParser or 10.6. `doctor` says which of them fits.
Needs only Python 3.6, 3.8 or 3.10 to 3.13 with its venv module. Linux and Windows, x86-64 and ARM.
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
# Python version -> name of the pins file in requirements/. JetPack's Pythons and TensorFlow's wheels decide which there are.
STACKS = {(3, 6): "jetpack4", (3, 8): "jetpack5",
          (3, 10): "current", (3, 11): "current", (3, 12): "current", (3, 13): "current"}
# Chosen by name (`--stack`), for Linux on x86-64: name -> (its Pythons, what decides them, GB of disk space).
GPU_STACKS = {
    "gpu_uff": (((3, 9), (3, 10), (3, 11)), "TensorFlow 2.15 and the Python API of TensorRT 8.6.1", 9.0),
    "gpu": (((3, 10), (3, 11), (3, 12), (3, 13)), "TensorFlow 2.21", 10.0),
}
NEEDED_GB = 4.0
# These come with a Jetson. Neither they nor the packages that they were built against are replaced by ours.
BOARD = ("tensorflow", "tensorrt", "uff", "graphsurgeon", "pycuda")
# Left out of a bundle: NVIDIA's licence allows using it, not passing it on. The notebooks run without it.
NOT_PASSED_ON = "tensorrt-rtx"


class Stop(Exception):
    """Ends the launcher without a traceback. The message says what is wrong and what to do."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "test", "lab", "doctor", "parser", "link", "build", "bundle", "clean"])
    parser.add_argument("--python", default=sys.executable, help="the interpreter to use; default: the one that runs this file")
    parser.add_argument("--stack", default=os.environ.get("WORKBOOK_STACK"), choices=sorted(GPU_STACKS),
                        help="packages for an NVIDIA GPU; default: those for the Python")
    arguments, rest = parser.parse_known_args()
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
        print("\nworkbook: the disk is full (%s). Free about %.0f GB, then type the same command again."
              % (error.filename or ROOT, needed_gb(arguments.stack)), file=sys.stderr)
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
        print("On your own computer type\n\n    ssh -N -L %d:localhost:%d %s@%s\n\nand open the address below there.\n"
              % (port, port, os.environ.get("USER", "you"), host))
        rest = ["--no-browser"] + rest
    if not WINDOWS and os.geteuid() == 0:
        rest = ["--allow-root"] + rest  # Jetson images are often used as root
    return subprocess.call([venv, "-m", "jupyterlab", "--ip=localhost", "--port=%d" % port] + rest,
                           cwd=os.path.join(ROOT, "notebooks"))


def doctor(python, rest):
    """Report with the environment's Python if it is set up, else with the given one. Installs nothing."""
    folder = venv_folder(inspect(python))
    ready = os.path.exists(os.path.join(folder, "ready.json"))
    print("Using %s; the environment %s.\n" % (
        venv_python(folder) if ready else python, "is ready" if ready else
        "is not set up yet (`python3 workbook.py run` does that), so most packages are missing"), flush=True)
    code = subprocess.call([venv_python(folder) if ready else python, "-m", "helpers.machine"], cwd=ROOT)
    free = shutil.disk_usage(ROOT).free / 1e9
    needed = needed_gb(os.environ.get("WORKBOOK_STACK"))
    if not ready and free < needed:
        print("  - Only %.1f GB of disk space are free; the environment needs about %.0f GB." % (free, needed))
    return code


def parser(python, rest):
    return subprocess.call([environment(python), "-m", "uffparser"] + rest, cwd=ROOT)


def clean(python, rest):
    for name in ("build", ".venv"):
        shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)
        print("removed %s/" % name)
    return 0


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


def free_port(first):
    """The first unused port from `first` on: two people may share a board."""
    for port in range(first, first + 100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port
    raise Stop("no port from %d to %d is free; close a JupyterLab and try again." % (first, first + 99))


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
            version, "This machine has one: python3 workbook.py %s --python %s" % (sys.argv[1], others[0]) if others else
            "Install one of them and choose it with --python PATH."))
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
    wanted = {"pins": digest(pins_file), "base": info["base"], "jetson": info["jetson"], "root": ROOT,
              "names": digest(NVIDIA_NAMES)}
    ready, target = os.path.join(folder, "ready.json"), venv_python(folder)
    found = read_json(ready) or {}
    if all(found.get(key) == wanted[key] for key in ("pins", "base", "jetson")) and works(target):
        if found != wanted:  # the packages are right, and only the link is old
            write_pth(target)
            write_json(ready, wanted)
        return target
    started = time.time()
    if os.path.exists(ready):
        os.unlink(ready)
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
    write_pth(target)
    write_json(ready, wanted)
    print("  ready after %.0f s" % (time.time() - started), flush=True)
    return target


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


def digest(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


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
    kept = set(json.loads(subprocess.check_output([python, "-c", BOARD_CODE % (BOARD,)]).decode("utf-8")))
    return [line for line in lines
            if line.split("==")[0].lower().replace("_", "-").replace("tensorflow-cpu", "tensorflow") not in kept]


# Prints the names of the board's packages that are installed, and of all their requirements, from their metadata.
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
