"""The checks of notebook 04: right answers pass, and each way to go wrong is told apart."""
import numpy as np
import pytest

from helpers import exercises, freeze
from helpers import graphsurgeon as gs


def unit(total_in=np.float32, eps_in=np.float32, out=np.float16, use_eps=True):
    def function(x, eps=1e-12):
        wide = x.astype(total_in)
        total = (wide * wide).sum(-1, keepdims=True, dtype=total_in)
        floor = np.maximum(total, eps_in(eps if use_eps else 1e-12))
        return (wide / np.sqrt(floor)).astype(out)
    return function


@pytest.mark.parametrize("function, verdict, word", [
    (unit(), True, "one rounding"), (unit(np.float64), True, "right"),
    (unit(np.float16, np.float16), False, r"row of zeros became [nan nan nan]"),
    (unit(np.float16, lambda eps: np.float16(max(eps, 1e-7))), False, "do not fit FP16"),
    (unit(out=np.float32), False, "float32"), (unit(use_eps=False), False, "is eps used"),
    (lambda x, eps: x, False, "became"), (lambda x, eps: x[:2], False, "shape"), (unit, False, "not yet")])
def test_04_1(function, verdict, word):
    found, said = exercises.judge("04.1", function)
    assert found is verdict and word in said


def collapse(axis=None, eps=None, cut=True, op="L2Norm_TRT", called=None, give=True, inner=""):
    def function(graph, name):
        def number(text):
            return freeze.tf.make_ndarray(graph.node_map[text].attr["value"].tensor)

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
    (collapse(axis=2), False, "the axis is"), (collapse(eps=1e-12), False, "eps is 1e-06"),
    (collapse(axis=""), False, "no axis"), (collapse(cut=False), False, "cut before the collapse"),
    (collapse(op="L2Norm"), False, "has the op L2Norm_TRT"), (collapse(called="other"), False, "looks for"),
    (collapse(inner="/Rsqrt", called="plugin"), False, "is left of it")])
def test_04_2(function, verdict, word):
    found, said = exercises.judge("04.2", function)
    assert found is verdict and word in said, said


@pytest.mark.parametrize("eps, verdict, word", [
    (1e-6, True, "181"), (np.float16(1e-6), True, "181"), (1e-5, True, ""), (6e-8, True, ""),
    (1e-12, False, "in FP16 1e-12 is 0"), (0, False, "larger than 0"),
    (1e-3, False, "square"), (1, False, "square"), (float("inf"), False, "square"), (float("nan"), False, "larger than 0"),
    (True, False, "number"), ("1e-6", False, "number")])
def test_04_3(eps, verdict, word):
    found, said = exercises.judge("04.3", eps)
    assert found is verdict and word in said, said
