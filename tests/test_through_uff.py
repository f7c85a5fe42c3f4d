"""The road through UFF: replayed without a parser, and with the double of one."""
import collections
import sys

import doubles
import numpy as np
import pytest
from doubles.behaviour import UffParser
from doubles.cuda import Cuda

from helpers import cuda, freeze, machine, network, process, run, through_uff
from uffsurgeon.uff import schema

process.prepare_tensorflow()
Here = collections.namedtuple("Here", "module version flavour runs why_not")


@pytest.fixture(scope="module")
def images():
    return (np.random.RandomState(0).rand(3, 224, 224, 3).astype(np.float32) - 0.5) * 200


def test_the_replay_is_wrong_with_flatten_and_right_with_reshape(images, monkeypatch, capsys):
    monkeypatch.setattr(machine, "tensorrt", lambda: Here("tensorrt_rtx", "1.7.1", "rtx", False, "no GPU"), raising=False)
    for flat, right in (("flatten", False), ("reshape", True)):
        graph = freeze.freeze(network.build(flat=flat, width=16))
        before = graph.SerializeToString(deterministic=True)
        found, reference = through_uff.run(graph, images), run.tensorflow(graph, images)
        assert {name: array.shape for name, array in found.items()} == {name: array.shape for name, array in reference.items()}
        name = "dimension/LeakyRelu"
        assert np.allclose(found[name], reference[name], atol=1e-4) == right
        assert graph.SerializeToString(deterministic=True) == before
        said = capsys.readouterr().out
        assert "replay" in said and "custom op" not in said


def test_with_an_uff_parser_a_plan_is_built_without_what_it_refuses(images, monkeypatch, tmp_path):
    backend, trt = Cuda(), doubles.tensorrt("5.0.6")
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(through_uff.artifacts, "BUILD", tmp_path)
    monkeypatch.setattr(machine, "tensorrt", lambda: Here(trt.__name__, "5.0.6", "uff", True, None), raising=False)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    parse = UffParser.parse

    def parse_and_shape(self, path, network):  # the double knows the shapes of the heads only
        done = parse(self, path, network)
        for tensor in network._outputs:
            if tensor.name == "reshape_2/Reshape":
                tensor._shape = (6, 2)
        return done

    monkeypatch.setattr(UffParser, "parse", parse_and_shape)
    graph, lines = freeze.freeze(network.build(width=16)), []
    before = graph.SerializeToString(deterministic=True)
    found = through_uff.run(graph, images, say=lines.append)
    assert "UffParser" in lines[0] and "replay" not in lines[0]
    assert graph.SerializeToString(deterministic=True) == before
    assert "init_plugins" in trt.events
    written = [node.operation for node in schema.read(tmp_path / "through_uff.uff").graphs[0].nodes]
    assert written.count("_LReLU_TRT") == 5 and "_LeakyRelu" not in written
    assert not {"Unary", "Reduce"} & set(written)
    assert {name: array.shape for name, array in found.items()} == dict(zip(network.OUTPUTS, [(3, 3), (3, 6, 2), (3, 6)]))
    assert np.allclose(np.linalg.norm(found["orientation/l2_normalize"], axis=2), 1, atol=1e-5)
