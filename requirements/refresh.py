"""Refresh the pins, or list those without a wheel for ARM boards. Needs `uv` and `packaging` (pip install uv packaging).

    python requirements/refresh.py             # NAME.in -> NAME.txt, every version pinned, transitive ones too
    python requirements/refresh.py --aarch64   # pins without a wheel for aarch64: requirements/README.md

Afterwards run the tests on every stack, and copy the versions that environment.yml names.
"""
import argparse
import subprocess
import sys
from pathlib import Path

from packaging.markers import Marker

HERE = Path(__file__).resolve().parent
LINUX = ("linux", "x86_64", "Linux", "posix")
MACHINES = (LINUX, ("linux", "aarch64", "Linux", "posix"), ("win32", "AMD64", "Windows", "nt"))
# name: (its Pythons, oldest first, overrides, manylinux tag that the boards' glibc covers, what the stack is)
STACKS = {
    "jetpack4": (("3.6.15",), "overrides_jetpack4.txt", "2_17", "Python 3.6, JetPack 4"),
    "jetpack5": (("3.8.18",), "overrides.txt", "2_31", "Python 3.8, JetPack 5"),
    "current": (("3.10.13", "3.11.7", "3.12.1", "3.13.0"), "overrides.txt", "2_35",
                "Python 3.10 to 3.13, JetPack 6 and 7, laptops"),
    # The others are for Linux only, and the last two for x86-64.
    "browser": (("3.10.13", "3.11.7", "3.12.1", "3.13.0"), None, None, "Python 3.10 to 3.13, tests in a browser"),
    "gpu_uff": (("3.9.18", "3.10.13", "3.11.7"), None, None, "Python 3.9 to 3.11, NVIDIA GPU up to Hopper, UFF"),
    "gpu": (("3.10.13", "3.11.7", "3.12.1", "3.13.0"), None, None, "Python 3.10 to 3.13, NVIDIA GPU, ONNX"),
}


def environments(pythons, machines=MACHINES):
    for full in pythons:
        for platform, machine, system, name in machines:
            yield {"python_full_version": full, "python_version": ".".join(full.split(".")[:2]),
                   "sys_platform": platform, "platform_machine": machine, "platform_system": system,
                   "os_name": name, "implementation_name": "cpython",
                   "platform_python_implementation": "CPython", "extra": ""}


def compile_stack(name):
    """Write NAME.txt: pins for all Pythons of the stack, and but for a GPU's also for aarch64 and Windows."""
    pythons, overrides, boards, title = STACKS[name]
    command = ["uv", "pip", "compile", "--universal", "--quiet", "--no-annotate", "--no-header",
               "--python-version", pythons[0], name + ".in"] + (["--override", overrides] if overrides else [])
    done = subprocess.run(command, cwd=str(HERE), stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        sys.exit("uv could not resolve %s.in; see its message above" % name)
    lines = []
    for line in done.stdout.splitlines():
        pin, _, marker = line.partition(" ; ")
        machines = MACHINES if boards else (LINUX,)
        applies = [Marker(marker).evaluate(env) for env in environments(pythons, machines)] if marker else [True]
        if pin.startswith("#") or pin.startswith("--") or not any(applies):
            continue
        lines.append(pin if all(applies) else line)
    head = "# Pins of the stack %s (%s), made by refresh.py from %s.in.\n" % (name, title, name)
    (HERE / (name + ".txt")).write_text(head + "\n".join(lines) + "\n")
    print("%-10s %d pins" % (name, len(lines)))


def pins(name, environment):
    """The pins of a stack that apply to one machine."""
    for line in (HERE / (name + ".txt")).read_text().splitlines():
        pin, _, marker = line.partition(" ; ")
        if pin and not pin.startswith("#") and (not marker or Marker(marker).evaluate(environment)):
            yield pin


def check_aarch64(name):
    """Print the pins without an aarch64 wheel for the stack's oldest Python; return how many there are."""
    pythons, _, glibc, title = STACKS[name]
    environment = [env for env in environments(pythons[:1]) if env["platform_machine"] == "aarch64"][0]
    missing = []
    for pin in pins(name, environment):
        command = ["uv", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--only-binary", ":all:",
                   "--python-version", pythons[0],
                   "--python-platform", "aarch64-manylinux_" + glibc, "--target", "none", pin]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)
        if done.returncode and "no wheels" not in done.stderr and "No solution" not in done.stderr:
            sys.exit("uv could not look up %s: %s" % (pin, done.stderr.strip()))
        if done.returncode:
            missing.append(pin)
    print("%s (%s): %s" % (name, title, "every pin has an aarch64 wheel" if not missing else
                           "no aarch64 wheel for " + ", ".join(missing)))
    return len(missing)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aarch64", action="store_true", help="check for ARM wheels instead")
    parser.add_argument("stack", nargs="*", metavar="STACK", help="default: all")
    arguments = parser.parse_args()
    for name in arguments.stack or [name for name in STACKS if STACKS[name][2] or not arguments.aarch64]:
        (check_aarch64 if arguments.aarch64 else compile_stack)(name)


if __name__ == "__main__":
    main()
