"""The checks of notebook 04: right answers pass, each usual mistake gets its own reason."""
import numpy as np
import pytest

from helpers import process
from notebooks import checks
from uffsurgeon import graphsurgeon as gs


def softmax(of=np.float32, less=np.max, out=np.float16):
    def function(x):
        wide = x.astype(of)
        wide = wide - less(wide, axis=-1, keepdims=True)
        powers = np.exp(wide)
        return (powers / powers.sum(-1, keepdims=True, dtype=of)).astype(out)
    return function


def nothing(x, axis, keepdims):
    return x.dtype.type(0)


@pytest.mark.parametrize("function, verdict, word", [
    (softmax(), True, "maximum"), (softmax(np.float64), True, "right"),
    (softmax(np.float16, nothing), False, "exp(12) is 162755"), (softmax(np.float32, nothing), False, "too large for FP32"),
    (softmax(np.float64, nothing), False, "became"), (softmax(np.float16), False, "more than the rounding"),
    (softmax(less=np.mean), False, "became"), (softmax(out=np.float32), False, "float32"),
    (lambda x: x, False, "off by"), (lambda x: x[:2], False, "shape"), (softmax, False, "shape")])
def test_04_1(function, verdict, word):
    found, said = checks.judge("04.1", function)
    assert found is verdict and word in said, said


def test_04_1_is_not_the_function_of_the_page():
    def in_float32(x, eps=1e-12):
        wide = x.astype(np.float32)
        total = (wide * wide).sum(-1, keepdims=True)
        return (wide / np.sqrt(np.maximum(total, np.float32(eps)))).astype(x.dtype)
    assert checks.judge("04.1", in_float32)[0] is False


def collapse(axis=None, eps=None, cut=True, op="L2Norm_TRT", called=None, give=True, inner=""):
    def function(graph, name):
        def number(text):
            return process.tensorflow().make_ndarray(graph.node_map[text].attr["value"].tensor)

        total, floor = graph.node_map[name + "/Sum"], graph.node_map[name + "/Maximum"]
        fields = {"axis": int(number(total.input[1])) if axis is None else axis,
                  "eps": float(number(floor.input[1])) if eps is None else eps}
        if cut:
            del total.input[1]
        node = gs.create_plugin_node(called or name, op=op, **{key: value for key, value in fields.items() if value != ""})
        graph.collapse_namespaces({name + inner: node})
        return graph if give else None
    return function


@pytest.mark.parametrize("function, verdict, word", [
    (collapse(), True, "each with its own"), (collapse(give=False), True, "right"),
    (collapse(axis=2), False, "the axis of this graph is"), (collapse(eps=1e-12), False, "the eps of this graph is 1e-06"),
    (collapse(axis=""), False, "no axis"), (collapse(cut=False), False, "remove that input before"),
    (collapse(op="L2Norm"), False, "has the op L2Norm_TRT"), (collapse(called="other"), True, "right"),
    (collapse(inner="/Rsqrt", called="plugin"), False, "is left of it"),
    (lambda graph, name: collapse()(gs.DynamicGraph(graph.as_graph_def()), name), True, "right")])
def test_04_2(function, verdict, word):
    found, said = checks.judge("04.2", function)
    assert found is verdict and word in said, said


@pytest.mark.parametrize("given, verdict, word", [
    ((1e-7, 1e-4), True, "length 256"), ([1e-7, 1e-4], True, ""), ((1e-6, 1e-4), False, "1e-07 does, too"),
    ((1e-7, 1e-6), False, "1e-05 does, too"), ((1e-12, 1e-4), False, "this eps is 0"), ((1e-8, 1e-4), False, "this eps is 0"),
    ((1e-7, 1e-3), False, "square"), ((1e-4, 1e-7), False, "smallest comes first"), ((2e-7, 1e-4), False, "not a power of ten"),
    (np.array([1e-7, 1e-4]), True, ""), (np.float32([1e-7, 1e-4]), True, ""), ((10 ** -7, 1 / 10000), True, ""),
    ((0, 1e-4), False, "larger than 0"), ((1e-7, float("inf")), False, "square"), ((float("nan"), 1), False, "larger than 0"),
    ((True, 1e-4), False, "numbers"), (("1e-7", 1e-4), False, "numbers"), (1e-6, False, "two"), ((1, 2, 3), False, "two")])
def test_04_3(given, verdict, word):
    found, said = checks.judge("04.3", given)
    assert found is verdict and word in said, said
