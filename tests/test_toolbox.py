"""Whose tools a notebook works with, and what it says of them; the road through UFF, replayed and with a parser."""
import sys
import types

import doubles
import numpy as np
import pytest
from doubles.behaviour import UffParser
from doubles.cuda import Cuda

from helpers import cuda, engine, freeze, network, toolbox
from uffsurgeon import graphsurgeon, uff


@pytest.fixture
def installed(monkeypatch):
    """Puts a stand-in for one of NVIDIA's packages on the import path, or one that fails on import."""
    for name in ("graphsurgeon", "uff"):
        monkeypatch.setitem(sys.modules, name, None)

    def install(name, **attributes):
        module = types.ModuleType(name)
        module.__dict__.update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module
    return install


def test_the_workbooks_own_where_nvidias_are_not_installed(installed, capsys):
    assert toolbox.surgery() == (graphsurgeon, uff)
    assert "the workbook's own" in capsys.readouterr().out


def test_nvidias_where_both_are_installed(installed, capsys):
    pair = installed("graphsurgeon", __version__="0.4.1"), installed("uff", __version__="0.6.3")
    assert toolbox.surgery() == pair
    assert capsys.readouterr().out == "graphsurgeon 0.4.1 and uff 0.6.3: NVIDIA's.\n"


def test_never_one_of_each(installed, capsys):
    installed("graphsurgeon", __version__="0.4.1")
    assert toolbox.surgery() == (graphsurgeon, uff)


def test_a_package_that_is_broken_is_named_with_its_reason(installed, tmp_path, monkeypatch, capsys):
    installed("graphsurgeon", __version__="0.4.1")
    monkeypatch.delitem(sys.modules, "uff")
    (tmp_path / "uff.py").write_text("raise TypeError('Descriptors cannot be created directly.')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert toolbox.surgery() == (graphsurgeon, uff)
    assert "uff cannot be imported: Descriptors cannot be created directly" in capsys.readouterr().out


def test_the_real_packages_here_are_what_surgery_says(capsys):
    pair = toolbox.surgery()
    own = pair == (graphsurgeon, uff)
    assert ("the workbook's own" in capsys.readouterr().out) == own
    assert hasattr(pair[0], "DynamicGraph") and hasattr(pair[1], "from_tensorflow")


@pytest.mark.parametrize("version, said", [("5.0.6", "with trt.UffParser"), ("10.3", "goes through ONNX"),
                                           ("rtx-1.7", "TensorRT for RTX")])
def test_which_tensorrt_and_what_it_can(version, said, monkeypatch, capsys):
    versions = [name for name in doubles.VERSIONS if name.startswith(version)]
    if not versions:
        pytest.skip("no list of names for TensorRT %s" % version)
    trt = doubles.tensorrt(versions[0])
    monkeypatch.setattr(engine, "tensorrt", lambda: trt)
    assert toolbox.tensorrt() is trt
    assert said in capsys.readouterr().out


def test_no_tensorrt_is_no_error(monkeypatch, capsys):
    def absent():
        raise RuntimeError("no TensorRT here")

    monkeypatch.setattr(engine, "tensorrt", absent)
    assert toolbox.tensorrt() is None
    assert "No TensorRT" in capsys.readouterr().out


def test_a_quotation_is_marked_on_every_line(capsys):
    toolbox.quote("first\nsecond", "TensorRT 5.0.6")
    assert capsys.readouterr().out.splitlines() == [
        "Not from this machine, quoted (TensorRT 5.0.6):", "  > first", "  > second"]


@pytest.fixture(scope="module")
def images():
    return (np.random.RandomState(0).rand(3, 224, 224, 3).astype(np.float32) - 0.5) * 200


def test_the_replay_tumbles_with_flatten_and_not_with_reshape(images, monkeypatch, capsys):
    monkeypatch.setattr(engine, "tensorrt", lambda: doubles.tensorrt("rtx-1.7"))
    for flat, turned in (("flatten", True), ("reshape", False)):
        graph = freeze.freeze(network.build(flat=flat, width=16))
        before = graph.SerializeToString(deterministic=True)
        heads = toolbox.through_uff(graph, images)
        reference = network.heads(freeze.run(graph, images))
        assert {name: head.shape for name, head in heads.items()} == {name: head.shape for name, head in reference.items()}
        assert np.allclose(heads["dimension"], reference["dimension"], atol=1e-4) != turned
        assert graph.SerializeToString(deterministic=True) == before
        said = capsys.readouterr().out
        assert "replay" in said and "custom op" not in said


def test_with_an_uff_parser_a_plan_is_built_without_what_it_refuses(images, monkeypatch, tmp_path):
    backend = Cuda()
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(toolbox.artifacts, "BUILD", tmp_path)
    parse = UffParser.parse

    def parse_and_shape(self, path, network):  # the double knows the shapes of the heads only
        done = parse(self, path, network)
        for tensor in network._outputs:
            if tensor.name == "reshape_2/Reshape":
                tensor._shape = (6, 2)
        return done

    monkeypatch.setattr(UffParser, "parse", parse_and_shape)
    trt = doubles.tensorrt("5.0.6")
    graph = freeze.freeze(network.build(width=16))
    before, lines = graph.SerializeToString(deterministic=True), []
    heads = toolbox.through_uff(graph, images, trt=trt, say=lines.append)
    assert "UffParser" in lines[0] and "replay" not in lines[0]
    assert graph.SerializeToString(deterministic=True) == before
    assert "init_plugins" in trt.events
    written = uff_nodes(tmp_path / "through_uff.uff")
    assert written.count("_LReLU_TRT") == 5 and "_LeakyRelu" not in written
    assert not {"Unary", "Reduce"} & set(written)
    assert {name: head.shape for name, head in heads.items()} == {
        "dimension": (3, 3), "orientation": (3, 6, 2), "confidence": (3, 6)}
    assert np.allclose(np.linalg.norm(heads["orientation"], axis=2), 1, atol=1e-5)


def uff_nodes(path):
    from uffsurgeon.uff import schema

    return [node.operation for node in schema.read(path).graphs[0].nodes]
