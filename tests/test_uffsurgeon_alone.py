"""uffsurgeon without the workbook: what it imports, its examples, and a wheel of it in an environment of its own."""
import ast
import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import uffsurgeon
from uffsurgeon.uff import schema

ROOT = Path(__file__).resolve().parent.parent
MINI = ROOT / "tests" / "fixtures" / "uff" / "box3d_mini"
MODULES = [found.name for found in pkgutil.walk_packages(uffsurgeon.__path__, "uffsurgeon.")]
SOURCES = sorted((ROOT / "uffsurgeon").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_imports_nothing_of_the_workbook(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(node.module.split(".")[0])
    assert not imported & {"helpers", "uffparser", "notebooks", "workbook", "tests", "plugin_src", "data"}
    assert "tensorflow" not in imported or path.name == "static_graph.py", "only write_tensorboard needs TensorFlow"


def test_every_module_is_imported_without_tensorflow_and_changes_nothing(tmp_path):
    code = ("import importlib, os, sys\nbefore = dict(os.environ), list(sys.path)\n"
            "for name in sys.argv[1:]: importlib.import_module(name)\n"
            "assert before == (dict(os.environ), sys.path)\n"
            "assert 'uffsurgeon.nvidia_names' not in [type(finder).__module__ for finder in sys.meta_path]\n"
            "assert not {'tensorflow', 'helpers', 'graphsurgeon', 'uff'} & {name.split('.')[0] for name in sys.modules}")
    subprocess.check_call([sys.executable, "-c", code] + MODULES, cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=str(ROOT)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with the files that the examples read."""
    shutil.copy(str(MINI / "flatten.pb"), str(tmp_path / "box3d.pb"))
    shutil.copy(str(MINI / "flatten.lrelu.uff"), str(tmp_path / "box3d.uff"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("graphsurgeon", "uff"):
            del sys.modules[name]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_examples_in_the_docstrings(name, folder):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder().find(module, name):
        if hasattr(module, "StaticGraph"):  # as in the docstring of the class
            example.globs["graph"] = getattr(module, "DynamicGraph", module.StaticGraph)("box3d.pb")
        elif module is schema:  # as in its docstring
            meta = schema.read("box3d.uff")
            example.globs.update(meta=meta, nodes={node.id: node for node in meta.graphs[0].nodes})
        runner.run(example)
    assert runner.failures == 0


PUBLIC = ["files", "graphs", "graphsurgeon", "graphsurgeon.dynamic_graph", "graphsurgeon.extras", "graphsurgeon.nodes",
          "graphsurgeon.static_graph", "l2_normalize", "names", "nvidia_names", "protobuf", "uff.schema"]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_has_an_example(name):
    tree = ast.parse(Path(importlib.import_module("uffsurgeon." + name).__file__).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            functions += [method for method in node.body if isinstance(method, ast.FunctionDef)]
    for function in functions:
        text = ast.get_docstring(function) or ""
        assert function.name.startswith("_") or ">>>" in text or ">>>" in (ast.get_docstring(tree) or ""), function.name


def test_the_examples_on_its_page(folder, capsys):
    pytest.importorskip("onnx")
    text = (ROOT / "uffsurgeon" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "['dimension/LeakyRelu']" in out and "orientation/l2_normalize reshape_1/Reshape 2 9.9" in out


def test_its_page_counts_the_fixtures_right():
    text = (ROOT / "uffsurgeon" / "README.md").read_text()
    ops, surgery, refused = [len(list((MINI.parent / name).glob(pattern))) for name, pattern in (
        ("ops", "*.uff"), ("box3d_mini", "*.uff"), ("raises", "*.pb"))]
    assert "%d graphs of one or a few operations, %d results of surgery" % (ops, surgery) in text
    assert "and %d graphs that it refused" % refused in text


def run(arguments, cwd):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(list(map(str, arguments)), cwd=str(cwd), env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The files of uffsurgeon, and tests beside them, apart from the workbook."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE"):
        shutil.copy(str(ROOT / name), str(folder / name))
    shutil.copytree(str(ROOT / "uffsurgeon"), str(folder / "uffsurgeon"), ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").mkdir()
    (folder / "tests" / "test_x.py").write_text("")
    return folder


@pytest.mark.slow
def test_sdist(source, tmp_path):
    pytest.importorskip("wheel")
    run([sys.executable, "-c", "from setuptools import build_meta as build; build.build_sdist(%r)" % str(tmp_path)], source)
    path, = tmp_path.glob("*.tar.gz")
    with tarfile.open(str(path)) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"LICENSE", "uffsurgeon/README.md", "setup.cfg", "uffsurgeon/uff/schema.py"} <= names
    assert not [name for name in names if "test" in name]


@pytest.mark.slow
def test_installed_alone_it_converts(source, tmp_path):
    """In a new environment, which sees this one's packages: NumPy, protobuf, onnx, pip, setuptools. No network."""
    pytest.importorskip("wheel")
    home = tmp_path / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", home], tmp_path)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    site = Path(run([scripts / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], tmp_path).strip())
    (site / "packages.pth").write_text(str(Path(np.__file__).parent.parent))
    pip = [scripts / "python", "-m", "pip", "--disable-pip-version-check"]
    run(pip + ["wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", tmp_path, source], tmp_path)
    wheel, = tmp_path.glob("uffsurgeon-*.whl")
    with zipfile.ZipFile(str(wheel)) as archive:
        names = archive.namelist()
    assert "uffsurgeon/README.md" in names and any(name.endswith("LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"uffsurgeon"} and len(names) > len(SOURCES)
    run(pip + ["install", "--no-index", "--no-deps", wheel], tmp_path)

    run([scripts / "convert-to-uff", MINI / "reshape.pb", "-o", "x.uff", "-O", "dimension/LeakyRelu",
         "-O", "orientation/l2_normalize", "-O", "confidence/Softmax"], tmp_path)
    assert schema.read(tmp_path / "x.uff") == schema.read(MINI / "reshape.raw.uff")
    assert "x.onnx: " in run([scripts / "uffsurgeon", "to-onnx", "x.uff", "x.onnx"], tmp_path)
    code = "import sys, uffsurgeon.to_onnx; print(uffsurgeon.__file__, 'helpers' in sys.modules, 'tensorflow' in sys.modules)"
    where = run([scripts / "python", "-c", code], tmp_path)
    assert where.startswith(str(site)) and where.split()[1:] == ["False", "False"]
