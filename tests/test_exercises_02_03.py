"""The checks of notebooks 02 and 03: right answers pass, each usual mistake gets its own reason."""
import collections

import numpy as np
import pytest

import uffparser
from helpers import page, patients, run, through_uff
from notebooks import checks
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import uff


@pytest.mark.parametrize("answer, reason", [
    (lambda x: x.reshape(len(x), -1), "TensorFlow's order"),
    (lambda x: x.transpose(0, 3, 2, 1).reshape(len(x), -1), "rows before columns"),
    (lambda x: x.transpose(0, 3, 1, 2), "should give (2, 60)"),
    (lambda x: x[..., ::-1].reshape(len(x), -1), "batch, channel, row, column"),
    (lambda x: x[:, :, :, :2], "should give (2, 60)")])
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


@pytest.mark.parametrize("answer", [
    lambda k, h, w, c: k.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(k.shape),
    lambda k, h, w, c: k[np.arange(h * w * c).reshape(h, w, c).transpose(2, 0, 1).ravel()],
    lambda k, h, w, c: np.concatenate([k[channel::c] for channel in range(c)]),
    lambda k, h, w, c: np.moveaxis(k.reshape(h, w, c, -1), 2, 0).reshape(-1, k.shape[1]).astype(np.float32),
    lambda kernel, height, width, channels: [kernel[(row * width + column) * channels + channel] for channel in range(channels)
                                             for row in range(height) for column in range(width)]])
def test_reorder_right(answer):
    assert checks.judge("02.2", answer)[0] is True


def test_the_fault_of_the_patient_is_in_the_node_that_the_check_expects():
    """The parser's network, recorded or run here, against TensorFlow."""
    graph, image = patients.freeze(patients.cropped()), patients.images(1)
    with page.silence():
        data = uff.from_tensorflow(graph, ["peak/Max"], quiet=True)
    parsed = through_uff.parse(data, say=lambda line: None)
    names = [node.name for node in graph.node if node.input and node.name in uffparser.tensors(parsed)]
    errors = through_uff.errors(run.tensorflow(graph, image, names), through_uff.answers(parsed, image, names))
    wrong = [name for name in names if errors[name] > 1e-3]
    for answer in (wrong[0], wrong[0] + ":0", wrong[0].split("/")[0], np.str_(wrong[0])):
        assert checks.judge("02.3", answer)[0] is True
    right, sentence = checks.judge("02.3", "crap/strided_slice")
    assert right is False and "no node 'crap/strided_slice'; did you mean 'crop/strided_slice'" in sentence
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
    (dict(rename=lambda name: name + "_new"), "the converter will be asked for that name; with your dictionary it is "
                                              "'tail/out/LeakyRelu_new'"),
    (dict(ops=("LeakyRelu", "Relu")), "'relu' is a Relu"),
    (dict(ops=("Relu",)), "leaves out"),
    (dict(key="slope"), "no field negSlope")])
def test_leaky_plugins_wrong(how, reason):
    right, sentence = checks.judge("03.1", lambda graph: plugins(graph, **how))
    assert right is False and reason in sentence


def renamed_inside(graph):
    return plugins(graph, rename=lambda name: name.replace("head/act", "head/plugin"))


def by_namespace(graph):
    made = plugins(graph)
    return {"head": made["head/act"], "tail/out": made["tail/out/LeakyRelu"]}


def by_loop(graph):
    made = collections.OrderedDict()
    for node in graph.as_graph_def().node:
        if node.op == "LeakyRelu":
            made[node.name] = gs.create_node(node.name, op="LReLU_TRT", negSlope_u_float=node.attr["alpha"].f)
    return made


@pytest.mark.parametrize("answer", [plugins, renamed_inside, by_namespace, by_loop])
def test_leaky_plugins_right(answer):
    assert checks.judge("03.1", answer)[0] is True, checks.judge("03.1", answer)[1]


def swish(graph, spaces=("swish_1", "swish_2"), name=lambda space: space, op="Swish_TRT"):
    graph.collapse_namespaces({space: gs.create_plugin_node(name(space), op=op) for space in spaces})
    return graph


@pytest.mark.parametrize("how, reason", [
    (dict(spaces=("swish_1",)), "is still there"),
    (dict(op="Swish"), "no node of the graph has the op Swish_TRT"),
    (dict(name=lambda space: "swish"), "your function raised ValueError: two plugin nodes are called 'swish'"),
    (dict(spaces=("swish_1/Sigmoid", "swish_2/Sigmoid")), "is still there")])
def test_swish_wrong(how, reason):
    right, sentence = checks.judge("03.2", lambda graph: swish(graph, **how))
    assert right is False and reason in sentence


@pytest.mark.parametrize("how", [dict(), dict(name=lambda space: space + "/mul")])
def test_swish_right(how):
    assert checks.judge("03.2", lambda graph: swish(graph, **how))[0] is True
    assert checks.judge("03.2", lambda graph: swish(graph, **how) and None)[0] is True
    assert checks.judge("03.2", lambda graph: swish(gs.DynamicGraph(graph.as_graph_def()), **how).as_graph_def())[0] is True


def rows_in_a_loop(pairs):
    out = np.zeros(pairs.shape)
    for row, column in np.ndindex(*pairs.shape[:2]):
        x, y = pairs[row, column]
        out[row, column] = pairs[row, column] / max(float(x * x + y * y), 1e-12) ** 0.5
    return out


@pytest.mark.parametrize("answer", [
    lambda p: p / np.sqrt(np.maximum((p ** 2).sum(axis=2, keepdims=True), 1e-12)),
    lambda p: p / np.maximum(np.linalg.norm(p, axis=-1, keepdims=True), 1e-6),
    lambda p: p * (np.maximum(np.einsum("nbk,nbk->nb", p, p), 1e-12) ** -0.5)[..., None], rows_in_a_loop])
def test_normalise_right(answer):
    assert checks.judge("03.3", answer)[0] is True


@pytest.mark.parametrize("answer, reason", [
    (lambda p: p / np.linalg.norm(p, axis=2, keepdims=True), "the pair (0, 0) became"),
    (lambda p: p / np.sqrt(np.maximum((p ** 2).sum(axis=1, keepdims=True), 1e-12)), "axis 2"),
    (lambda p: p / np.maximum((p ** 2).sum(axis=2, keepdims=True), 1e-12), "its own length"),
    (lambda p: np.nan_to_num(p / np.linalg.norm(p, axis=2, keepdims=True)), "the tiny pair")])
def test_normalise_wrong(answer, reason):
    right, sentence = checks.judge("03.3", answer)
    assert right is False and reason in sentence
