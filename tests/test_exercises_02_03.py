"""The checks of notebooks 02 and 03: what is right passes, each usual mistake is told by its own reason."""
import numpy as np
import pytest

from helpers import freeze, toolbox
from notebooks import checks
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import to_onnx


@pytest.mark.parametrize("answer, reason", [
    (lambda x: x.reshape(len(x), -1), "TensorFlow's order"),
    (lambda x: x.transpose(0, 3, 2, 1).reshape(len(x), -1), "rows before columns"),
    (lambda x: x.transpose(0, 3, 1, 2), "should give (2, 60)"),
    (lambda x: x[..., ::-1].reshape(len(x), -1), "batch, channel, row, column"),
    (lambda x: x.nonsense, "raised AttributeError"),
    (3, "the function itself")])
def test_flatten_nchw_wrong(answer, reason):
    right, sentence = checks.judge("02.1", answer)
    assert right is False and reason in sentence


@pytest.mark.parametrize("answer, reason", [
    (lambda k, h, w, c: k, "as they were"),
    (lambda k, h, w, c: k.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(k.shape), "the wrong way round"),
    (lambda k, h, w, c: k.reshape(h, w, c, -1).transpose(2, 1, 0, 3).reshape(k.shape), "Split the rows"),
    (lambda k, h, w, c: k.T, "keep their shape")])
def test_reorder_wrong(answer, reason):
    right, sentence = checks.judge("02.2", answer)
    assert right is False and reason in sentence


def test_the_patient_is_sick_in_the_node_that_the_check_wants():
    graph, data = checks.patient()
    image = (np.random.RandomState(0).rand(1, 224, 224, 3).astype(np.float32) - 0.5) * 200
    names = [node.name for node in graph.node if node.op in ("Relu", "MaxPool", "LeakyRelu", "Softmax")]
    expected = freeze.run(graph, image, names)
    found = toolbox.run_onnx(to_onnx.convert(data, outputs=names), image)
    wrong = [name for name, value in zip(names, expected)
             if np.abs(found[name] - value).max() > 1e-3 * np.abs(value).max()]
    assert checks.judge("02.3", wrong[0])[0] is True
    right, sentence = checks.judge("02.3", wrong[1])
    assert right is False and "what it reads" in sentence
    right, sentence = checks.judge("02.3", names[0])
    assert right is False and "is right" in sentence


def plugins(graph, op="LReLU_TRT", slope=None, rename=lambda name: name, ops=("LeakyRelu",), key="negSlope"):
    return {node.name: gs.create_plugin_node(
        rename(node.name), op=op, **{key: node.attr["alpha"].f if slope is None else slope})
        for node in graph.find_nodes_by_op(set(ops))}


@pytest.mark.parametrize("how, reason", [
    (dict(slope=0.1), "read it from attr"),
    (dict(op="LRelu_TRT"), "the plugin is called LReLU_TRT"),
    (dict(rename=lambda name: name + "_new"), "its readers would not find it"),
    (dict(ops=("LeakyRelu", "Relu")), "no LeakyRelu of this graph"),
    (dict(ops=("Relu",)), "leaves out"),
    (dict(key="slope"), "no setting negSlope")])
def test_leaky_plugins_wrong(how, reason):
    right, sentence = checks.judge("03.1", lambda graph: plugins(graph, **how))
    assert right is False and reason in sentence


def test_leaky_plugins_right():
    assert checks.judge("03.1", plugins)[0] is True


def swish(graph, spaces=("swish_1", "swish_2"), name=lambda space: space, op="Swish_TRT"):
    graph.collapse_namespaces({space: gs.create_plugin_node(name(space), op=op) for space in spaces})
    return graph


@pytest.mark.parametrize("how, reason", [
    (dict(spaces=("swish_1",)), "is still there"),
    (dict(op="Swish"), "no node of the graph has the op Swish_TRT"),
    (dict(name=lambda space: "swish"), "raised ValueError: two plugin nodes are called 'swish'"),
    (dict(spaces=("swish_1/Sigmoid", "swish_2/Sigmoid")), "is still there")])
def test_swish_wrong(how, reason):
    right, sentence = checks.judge("03.2", lambda graph: swish(graph, **how))
    assert right is False and reason in sentence


@pytest.mark.parametrize("how", [dict(), dict(name=lambda space: space + "/mul")])
def test_swish_right(how):
    assert checks.judge("03.2", lambda graph: swish(graph, **how))[0] is True


@pytest.mark.parametrize("answer, reason", [
    (lambda p: p / np.linalg.norm(p, axis=2, keepdims=True), "the pair (0, 0) became"),
    (lambda p: p / np.sqrt(np.maximum((p ** 2).sum(axis=1, keepdims=True), 1e-12)), "axis 2"),
    (lambda p: p / np.maximum((p ** 2).sum(axis=2, keepdims=True), 1e-12), "its own length"),
    (lambda p: np.nan_to_num(p / np.linalg.norm(p, axis=2, keepdims=True)), "the tiny pair")])
def test_normalise_wrong(answer, reason):
    right, sentence = checks.judge("03.3", answer)
    assert right is False and reason in sentence
