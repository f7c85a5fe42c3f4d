"""The checks of notebook 05: right answers pass, each usual mistake gets its own reason."""
import numpy as np
import pytest

from helpers import process
from notebooks import checks
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import l2_normalize


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


def by_the_library(graph, name):
    assert [found.name for found in l2_normalize.collapse(graph, gs)] == [name]


def by_hand(graph, name):
    """A new GraphDef, node by node."""
    tf, old = process.tensorflow(), {node.name: node for node in graph.as_graph_def().node}
    axis, eps = (tf.make_ndarray(old[old[name + part].input[1]].attr["value"].tensor) for part in ("/Sum", "/Maximum"))
    made = gs.create_plugin_node(name, op="L2Norm_TRT", axis=int(axis), eps=float(eps))
    made.input.append(old[name + "/Square"].input[0])
    result = tf.compat.v1.GraphDef()
    for node in old.values():
        if node.name == name:
            result.node.extend([made])
        elif not node.name.startswith(name + "/"):
            result.node.extend([node])
    return result


def after_the_collapse(graph, name):
    """The wire is cut at the plugin, not at the Sum."""
    def constant(text):
        return process.tensorflow().make_ndarray(graph.find_nodes_by_path(text)[0].attr["value"].tensor).item()

    nodes = {node.name: node for node in graph.find_nodes_by_path(name)}
    nodes.update((part, graph.node_map[name + part]) for part in ("/Sum", "/Maximum", "/Square"))
    vectors = nodes["/Square"].input[0]
    unit = gs.create_plugin_node(name, op="L2Norm_TRT", axis=constant(nodes["/Sum"].input[1]),
                                 eps=constant(nodes["/Maximum"].input[1]))
    graph.collapse_namespaces({name: unit})
    del graph.node_map[name].input[:]
    graph.node_map[name].input.append(vectors)
    return graph


@pytest.mark.parametrize("function, verdict, word", [
    (by_the_library, True, "right"), (by_hand, True, "right"), (after_the_collapse, True, "right"),
    (lambda graph, name: None, False, "no node of the graph has the op"),
    (collapse(), True, "each with its own"), (collapse(give=False), True, "right"),
    (collapse(axis=2), False, "the axis of this graph is"), (collapse(eps=1e-12), False, "the eps of this graph is 1e-06"),
    (collapse(axis=""), False, "no axis"), (collapse(cut=False), False, "remove that input before"),
    (collapse(op="L2Norm"), False, "has the op L2Norm_TRT"), (collapse(called="other"), True, "right"),
    (collapse(inner="/Rsqrt", called="plugin"), False, "is left of it"),
    (lambda graph, name: collapse()(gs.DynamicGraph(graph.as_graph_def()), name), True, "right")])
def test_05_1(function, verdict, word):
    found, said = checks.judge("05.1", function)
    assert found is verdict and word in said, said


def plain(position, tensors):
    if position == 0:
        return tuple(tensors[0]) in (("float32", "linear"), ("float16", "linear"), ("float16", "hwc8"))
    return tensors[position] == tensors[0]


def by_cases(position, tensors):
    this = tensors[position]
    if position and (this.type != tensors[0].type or this.format != tensors[0].format):
        return False
    if this.type == "float32":
        return this.format == "linear"
    return this.type == "float16"


def by_all(position, tensors):
    settled = tensors[:position + 1]
    return all(one == settled[0] for one in settled) and settled[0] in {
        ("float32", "linear"), ("float16", "linear"), ("float16", "hwc8")}


def by_table(position, tensors):
    return np.bool_({"float32": ["linear"], "float16": ["linear", "hwc8"]}.get(tensors[position].type, []).count(
        tensors[position].format) and tensors[position] == tensors[position - 1 if position else 0])


def by_the_one_before(position, tensors):
    first, second, third = tensors  # read, and not used before its time
    return plain(0, [first]) if position == 0 else second == first if position == 1 else third == second


@pytest.mark.parametrize("function", [plain, by_cases, by_all, by_table, by_the_one_before])
def test_05_2_right_answers(function):
    verdict, said = checks.judge("05.2", function)
    assert verdict is True, said


@pytest.mark.parametrize("function, words", [
    (lambda position, tensors: tensors[position].type in ("float32", "float16"), "hwc8 in FP16 only"),
    (lambda position, tensors: plain(0, [tensors[position]]), "differs"),
    (lambda position, tensors: plain(0, tensors) and tensors[position].type == tensors[0].type, "the format differs"),
    (lambda position, tensors: plain(0, tensors) and tensors[0] == tensors[1] == tensors[2], "looks at a later tensor"),
    (lambda position, tensors: plain(0, tensors) and tensors[position].format == tensors[0].format, "the type differs"),
    (lambda position, tensors: position > 0 or plain(0, tensors), "differs"),
    (lambda position, tensors: tensors[position].format == "linear" or plain(position, tensors), "no INT8"),
    (lambda position, tensors: "yes" if plain(position, tensors) else "", "answer True or False"),
    (lambda position, tensors: tensors[position] == ("float32", "linear"), "the kernel reads that"),
    (lambda position, tensors: tensors[position + 1] == tensors[position], "looks at a later tensor"),
    (lambda position, tensors: print(plain(position, tensors)), "prints and returns nothing")])
def test_05_2_wrong_answers_are_told_why(function, words):
    verdict, said = checks.judge("05.2", function)
    assert verdict is False and words in said, said
