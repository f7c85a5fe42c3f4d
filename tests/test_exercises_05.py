"""The checks of notebook 05: right answers pass, each usual mistake gets its own reason."""
import numpy as np
import pytest

from helpers import process
from notebooks import checks
from uffsurgeon import graphsurgeon as gs


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
def test_05_1(function, verdict, word):
    found, said = checks.judge("05.1", function)
    assert found is verdict and word in said, said
