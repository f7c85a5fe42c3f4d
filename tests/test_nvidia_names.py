"""`import graphsurgeon` and `import uff`: NVIDIA's packages where they are installed, uffsurgeon elsewhere."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from uffsurgeon import graphsurgeon as gs
from uffsurgeon.uff import schema

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "tests" / "fixtures" / "configs"
PACKAGES = Path(np.__file__).parent.parent
INSTALL = "from uffsurgeon import nvidia_names; nvidia_names.install()\n"

if any((PACKAGES / name).exists() for name in ("graphsurgeon", "uff")):
    pytest.skip("NVIDIA's packages are installed here", allow_module_level=True)


def run(code, cwd, *path, arguments=(), module=None, own=(ROOT, PACKAGES)):
    """What `code`, or a module, prints, in a process without the environment's .pth files and with `path` before uffsurgeon."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(str(folder) for folder in path + own))
    start = ["-m", module] if module else ["-c", code]
    done = subprocess.run([sys.executable, "-S"] + start + list(map(str, arguments)), cwd=str(cwd), env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def standin(tmp_path):
    """A folder with packages of NVIDIA's names."""
    for name in ("graphsurgeon", "uff"):
        (tmp_path / "standin" / name).mkdir(parents=True)
        (tmp_path / "standin" / name / "__init__.py").write_text(
            "def create_plugin_node(): pass\ndef from_tensorflow(): pass\n")
    (tmp_path / "standin" / "uff" / "converters.py").write_text("")
    return tmp_path / "standin"


NAMES = INSTALL + """
import graphsurgeon
import uff
from graphsurgeon import create_plugin_node
print(graphsurgeon.__name__, uff.__name__, create_plugin_node.__module__, uff.from_tensorflow.__module__)
"""


def test_the_four_names_without_nvidia_s_packages(tmp_path):
    assert run(NAMES, tmp_path).split() == [
        "uffsurgeon.graphsurgeon", "uffsurgeon.uff", "uffsurgeon.graphsurgeon.nodes", "uffsurgeon.uff.converter"]


def test_the_four_names_with_nvidia_s_packages(tmp_path, standin):
    assert run(NAMES + "import uff.converters", tmp_path, standin).split() == ["graphsurgeon", "uff", "graphsurgeon", "uff"]


def test_one_of_the_two_installed(tmp_path, standin):
    shutil.rmtree(str(standin / "uff"))
    assert run(NAMES, tmp_path, standin).split()[:2] == ["graphsurgeon", "uffsurgeon.uff"]


def test_a_folder_of_that_name_is_not_a_package(tmp_path):
    (tmp_path / "uff").mkdir()
    (tmp_path / "uff" / "model.uff").write_bytes(b"")
    assert "uffsurgeon.uff" in run(NAMES, tmp_path, tmp_path)


def test_there_is_one_copy_of_each_module(tmp_path):
    run(INSTALL + """
import importlib, importlib.util, sys
assert importlib.util.find_spec("graphsurgeon") and "graphsurgeon" not in sys.modules
import graphsurgeon.extras, uff.converter
from graphsurgeon.nodes import create_node
from uff.schema import UffException
import uffsurgeon.graphsurgeon.nodes, uffsurgeon.uff
assert graphsurgeon is uffsurgeon.graphsurgeon and uff is uffsurgeon.uff and uff.converter is uffsurgeon.uff.converter
assert create_node is uffsurgeon.graphsurgeon.nodes.create_node and UffException is uffsurgeon.uff.UffException
assert importlib.reload(graphsurgeon) is uffsurgeon.graphsurgeon
assert importlib.util.find_spec("graphsurgeon").origin == graphsurgeon.__file__
try:
    import uff.converters
    raise SystemExit("found uff.converters")
except ModuleNotFoundError as error:
    assert error.name == "uff.converters"
""", tmp_path)


def test_installed_once(tmp_path):
    copy = tmp_path / "workbook_nvidia_names.py"
    shutil.copy(str(ROOT / "uffsurgeon" / "nvidia_names.py"), str(copy))
    count = "import sys; before = len(sys.meta_path)\nimport workbook_nvidia_names as names; names.install()\n"
    assert run(count + INSTALL + INSTALL + "print(len(sys.meta_path) - before)", tmp_path, tmp_path) == "1\n"


def test_without_uffsurgeon_the_names_are_not_found(tmp_path):
    shutil.copy(str(ROOT / "uffsurgeon" / "nvidia_names.py"), str(tmp_path))
    run("import nvidia_names; nvidia_names.install()\ntry:\n    import uff\n    raise SystemExit(1)\n"
        "except ModuleNotFoundError as error:\n    assert error.name == 'uff'", tmp_path, tmp_path, own=())


@pytest.fixture
def model(tmp_path):
    graph = gs.DynamicGraph()
    for name, op, inputs in [("image", "Placeholder", []), ("Preprocessor/sub", "Sub", ["image", "image"]),
                             ("conv/weights", "Const", []), ("y", "Mul", ["Preprocessor/sub", "conv/weights"])]:
        graph.append(gs.create_node(name, op, trt_plugin=True, inputs=inputs))
    graph["image"].attr["dtype"].type = 1
    gs.update_node(graph["conv/weights"], trt_plugin=True, value=np.ones((2, 3), np.float32))
    graph.write(tmp_path / "model.pb")
    return tmp_path / "model.pb"


def nodes(path):
    meta = schema.read(path)
    return meta, {node.id: node for node in meta.graphs[0].nodes}


def test_a_config_of_2019_runs_as_it_is(model, tmp_path):
    """With the smallest module that a config takes for TensorFlow."""
    (tmp_path / "tensorflow.py").write_text("class float32: as_datatype_enum = 1")
    run(None, tmp_path, tmp_path, module="uffsurgeon.uff", arguments=[
        model, "-o", "model.uff", "-O", "y", "-p", CONFIGS / "original_imports.py"])
    meta, found = nodes(tmp_path / "model.uff")
    assert list(found["y"].inputs) == ["Input", "conv/weights"]
    assert schema.fields(found["Input"]) == {"dtype": 0x20020, "shape": [1, 3, 32, 32]}


@pytest.mark.slow
def test_a_config_that_imports_tensorflow(model, tmp_path):
    run(None, tmp_path, module="uffsurgeon.uff", arguments=[
        model, "-o", "model.uff", "-O", "y", "-p", CONFIGS / "original_imports.py"])
    assert list(nodes(tmp_path / "model.uff")[1]["y"].inputs) == ["Input", "conv/weights"]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["path", "graph", "late"])
def test_a_config_that_replaces_an_attribute_by_tensorflow_s(model, tmp_path, source):
    """path: the config imports TensorFlow before the graph is read; graph: after; late: only in preprocess."""
    config = (CONFIGS / "attr_copyfrom.py").read_text()
    if source == "late":
        config = config.replace("import tensorflow as tf\n", "").replace("(g):\n", "(g):\n    import tensorflow as tf\n")
    (tmp_path / "config.py").write_text(config)
    run("""
import sys
from uffsurgeon import graphsurgeon as gs, uff
source, path = sys.argv[1:]
graph = gs.DynamicGraph(path) if source == "graph" else path
assert "tensorflow" not in sys.modules
uff.from_tensorflow(graph, ["y"], "config.py", output_filename="model.uff")
assert "tensorflow" in sys.modules
if source == "graph":
    assert gs.extract_numpy_array(graph["conv/weights"]).sum() == 6, "the graph that was passed in is changed"
""", tmp_path, arguments=[source, model])
    meta, found = nodes(tmp_path / "model.uff")
    assert schema.array(found["conv/weights"], meta).tolist() == [[2, 2, 2], [2, 2, 2]]


def test_the_finder_is_not_installed_by_an_import(tmp_path):
    run("import sys\nfrom uffsurgeon import graphsurgeon, nvidia_names, uff\n"
        "assert 'uffsurgeon.nvidia_names' not in [type(finder).__module__ for finder in sys.meta_path]", tmp_path)
