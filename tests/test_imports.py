"""What imports what, and what an import changes in the process: nothing. Read from the code, and tried in child processes."""
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import helpers
from uffsurgeon.graphs import find_cycle

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("helpers", "uffsurgeon", "uffparser")
FLOORS = {room: int(floor) for floor, rooms in re.findall(r"^ +(\d) +(.+)$", helpers.__doc__, re.M) for room in rooms.split()}


def modules(package):
    """{dotted name: path} of a package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = {name: path for package in PACKAGES for name, path in modules(package).items()}
IMPORTABLE = [name for name in MODULES if not name.endswith("__main__")]


def imports(name, everywhere=True):
    """Dotted names that a module imports; without `everywhere`, only when it is imported itself."""
    tree, found = ast.parse(MODULES[name].read_text(encoding="utf-8")), set()
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree) if everywhere else at_import(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[:len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            found.update(base + "." + alias.name if base + "." + alias.name in MODULES else base for alias in node.names)
    return found


def at_import(tree):
    """The nodes outside of functions."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        todo += [child for child in ast.iter_child_nodes(node) if not isinstance(child, (ast.FunctionDef, ast.Lambda))]


def of(names, packages):
    return sorted(name for name in names if name.split(".")[0] in packages)


@pytest.mark.parametrize("name", modules("uffsurgeon"))
def test_uffsurgeon_uses_nothing_of_the_workbook(name):
    assert not of(imports(name), ("helpers", "notebooks", "workbook", "data", "plugin_src", "tests"))
    assert not of(imports(name, everywhere=False), ("tensorflow", "onnxruntime"))


@pytest.mark.parametrize("name", modules("helpers"))
def test_tensorrt_is_imported_by_name_in_one_place(name):
    """Which TensorRT there is, `machine` decides; `engine.tensorrt` imports the module of that name, and everybody asks it."""
    assert not of(imports(name), ("tensorrt", "tensorrt_rtx", "tensorrt_bindings"))
    by_name = re.findall(r"^ *[^#\"'\n]*\b(import_module|__import__)\(", MODULES[name].read_text(encoding="utf-8"), re.M)
    assert not by_name or name == "helpers.engine.library"


def test_every_room_has_a_floor():
    rooms = {name.split(".")[1] for name in modules("helpers") if "." in name}
    assert rooms == set(FLOORS), "the table of helpers/__init__.py and the rooms differ"


@pytest.mark.parametrize("name", [name for name in modules("helpers") if "." in name])
def test_a_room_uses_only_rooms_below_it(name):
    room = name.split(".")[1]
    for used in of(imports(name), ("helpers",)):
        below = used.split(".")[1] if "." in used else None
        assert below == room or below is not None and FLOORS[below] < FLOORS[room], (
            "%s (floor %d) imports %s (floor %s)" % (name, FLOORS[room], used, FLOORS.get(below)))
    assert not of(imports(name), ("notebooks", "workbook", "tests"))


def test_uffparser_is_used_by_through_uff_alone_and_uses_rooms_below_it():
    users = {name for name in modules("helpers") if of(imports(name), ("uffparser",))}
    assert users == {"helpers.through_uff"}
    used = {each for name in modules("uffparser") for each in of(imports(name), ("helpers",))} - {"helpers"}
    assert used == {"helpers.artifacts", "helpers.plugin"}
    assert all(FLOORS[each.split(".")[1]] < FLOORS["through_uff"] for each in used)
    assert not [name for name in modules("uffparser") if of(imports(name), ("notebooks", "workbook", "tests"))]


@pytest.mark.parametrize("everywhere", [True, False])
def test_no_module_imports_itself_by_way_of_others(everywhere):
    # A function may import the package that holds its module; a module may not.
    reads = {name: sorted(used for used in imports(name, everywhere) if used in MODULES and not (
        everywhere and name.startswith(used + "."))) for name in MODULES}
    assert find_cycle(reads) is None


@pytest.mark.parametrize("folder", ["helpers", "uffsurgeon", "uffparser", "notebooks/checks"])
def test_no_module_is_longer_than_400_lines(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


# What a process looks like, as far as an import could change it, as {what: value}.
STATE = """
import json, logging, os, signal, sys, threading, time, warnings
import numpy

def state():
    loggers = [logging.root] + [logger for _, logger in sorted(logging.root.manager.loggerDict.items())
                                if isinstance(logger, logging.Logger) and logger.name in known]
    found = {
        "environment": dict(os.environ), "path": list(sys.path), "folder": os.getcwd(), "umask": umask(),
        "logging": [(logger.name, logger.level, logger.disabled, list(map(str, logger.handlers))) for logger in loggers],
        "logging off below": logging.root.manager.disable,
        "warnings": [str(each) for each in warnings.filters], "NumPy errors": numpy.geterr(),
        "signals": {int(n): str(signal.getsignal(n)) for n in range(1, signal.NSIG)},
        "streams": [id(sys.stdin), id(sys.stdout), id(sys.stderr), id(sys.excepthook), id(sys.displayhook)],
        # protobuf 3 imports six, whose finder answers for six.moves alone.
        "finders": [str(each) for each in sys.meta_path if "_SixMeta" not in str(each)],
        "threads": threading.active_count(),
    }
    if os.path.isdir("/proc/self/fd"):
        found["open files"] = {n: os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd")
                               if os.path.exists("/proc/self/fd/" + n)}
    return found

def umask():
    now = os.umask(0)
    os.umask(now)
    return now

known = set(logging.root.manager.loggerDict)
"""


def child(code, *arguments):
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, "-c", STATE + code] + list(arguments), cwd=str(ROOT), env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert not done.returncode, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.decode().splitlines()[-1])


@pytest.fixture(scope="module")
def imported():
    """{module: (what its import changed, large packages that it imported, seconds of CPU)}; a fresh fork imports each."""
    return child("""
def look(name):
    before, start = state(), time.process_time()
    __import__(name)
    seconds, after = time.process_time() - start, state()
    heavy = {"tensorflow", "keras", "tf_keras", "tensorrt", "onnxruntime", "matplotlib"}.intersection(sys.modules)
    return [{key: [before[key], after[key]] for key in before if before[key] != after[key]}, sorted(heavy), seconds]

found = {}
for name in sys.argv[1:]:
    end, start = os.pipe()
    if not os.fork():
        with os.fdopen(start, "w") as stream:
            stream.write(json.dumps(look(name)))
        os._exit(0)
    os.close(start)
    with os.fdopen(end) as stream:
        found[name] = json.loads(stream.read() or "null")
    os.wait()
print(json.dumps(found))
""", *IMPORTABLE)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
@pytest.mark.parametrize("name", IMPORTABLE)
def test_an_import_changes_nothing_and_is_quick(name, imported):
    assert imported[name], "it cannot be imported"
    changed, heavy, seconds = imported[name]
    assert changed == {} and heavy == []
    # The goal is 0.1 s; a busy machine is slower. uffsurgeon.to_onnx is made of onnx, which takes longer.
    assert seconds < 0.5 or name.startswith("uffsurgeon.to_onnx")


def test_an_import_changes_nothing_of_a_tensorflow_that_is_there():
    """All modules in one process: whichever changes something is named."""
    changed = child("""
import tensorflow as tf
keras, calls = tf.keras, []
one = tf.__version__.startswith("1")
session = tf.keras.backend.get_session() if one else None
if not one:
    tf.config.set_visible_devices = tf.config.experimental.set_visible_devices = lambda *given: calls.append(given)
known = set(logging.root.manager.loggerDict)

def more():
    seen = dict(state(), verbosity=tf.compat.v1.logging.get_verbosity(), devices=len(calls), eager=tf.executing_eagerly())
    seen["session"] = id(tf.keras.backend.get_session()) if one else 0
    return seen

changed, before = {}, more()
for name in sys.argv[1:]:
    __import__(name)
    after = more()
    different = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    if different:
        changed[name] = different
    before = after
print(json.dumps(changed))
""", *IMPORTABLE)
    assert changed == {}
