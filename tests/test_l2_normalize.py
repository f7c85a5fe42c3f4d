"""The six nodes of l2_normalize as one plugin node: what is read from the graph, what is refused, and the same answers."""
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import freeze, network, parity, process, run
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import l2_normalize, to_onnx, uff
from uffsurgeon.uff import schema

process.prepare_tensorflow()
tf = process.tensorflow()
NAME = "orientation/l2_normalize"
EPS = float(np.float32(1e-12))


@functools.lru_cache(maxsize=None)
def frozen(flat, pairs):
    return freeze.freeze(network.build(width=16, flat=flat, pairs=pairs)).SerializeToString()


def box3d(flat="reshape", pairs=2):
    return tf.compat.v1.GraphDef.FromString(frozen(flat, pairs))


def normalisation(axis=2, eps=1e-12, name="unit", shared=True, keep_dims=True):
    """A GraphDef of six nodes between a placeholder and a reader; shared: the axis constant lies outside and has a reader."""
    graph = tf.compat.v1.GraphDef()

    def add(node, op, *inputs, **values):
        new = graph.node.add(name=node, op=op)
        new.input.extend(inputs)
        if "value" in values:
            new.CopyFrom(freeze.constant_node(node, values["value"]))
        return new

    at = "elsewhere/shape/2" if shared else name + "/Sum/reduction_indices"
    add("x", "Placeholder").attr["dtype"].type = tf.float32.as_datatype_enum
    add(at, "Const", value=np.int32(axis))
    add(name + "/Square", "Square", "x")
    add(name + "/Sum", "Sum", name + "/Square", at).attr["keep_dims"].b = keep_dims
    add(name + "/Maximum/y", "Const", value=np.float32(eps))
    add(name + "/Maximum", "Maximum", name + "/Sum", name + "/Maximum/y")
    add(name + "/Rsqrt", "Rsqrt", name + "/Maximum")
    add(name, "Mul", "x", name + "/Rsqrt")
    add("y", "Neg", name)
    if shared:
        add("elsewhere/shape", "Pack", at)
    return graph


def node_of(graph, name):
    return [node for node in graph.node if node.name == name][0]


@pytest.mark.parametrize("how", [{}, {"pairs": -1}, {"flat": "flatten"}, {"flat": "flatten", "pairs": -1}])
def test_the_network_has_one_and_its_plugin_reads_the_vectors_alone(how):
    graph = gs.DynamicGraph(box3d(**how))
    constants = {name for name, node in graph.node_map.items() if node.op == "Const"}
    found = l2_normalize.find(graph)
    vectors = "reshape_1/Reshape" if how.get("flat") else "reshape_2/Reshape"
    assert found == [(NAME, vectors, 2, EPS)]
    assert l2_normalize.collapse(graph) == found
    node = graph.node_map[NAME]
    assert (node.op, list(node.input)) == ("L2Norm_TRT", [vectors])
    assert (node.attr["axis_u_int"].i, node.attr["eps_u_float"].f) == (2, EPS)
    assert not [name for name in graph.node_map if name.startswith(NAME + "/")]
    lost = constants - set(graph.node_map)
    assert all(name.startswith(NAME) for name in lost), "a constant that others read went too"
    assert l2_normalize.find(graph) == []


@settings(deadline=None, max_examples=40)
@given(st.integers(-4, 5), st.floats(0, 10, width=32), st.booleans())
def test_any_axis_and_eps_arrive_in_the_uff(axis, eps, shared):
    graph = gs.DynamicGraph(normalisation(axis, eps, shared=shared))
    l2_normalize.collapse(graph)
    meta = schema.read(uff.from_tensorflow(graph.as_graph_def(), ["y"], quiet=True))
    node = [node for node in meta.graphs[0].nodes if node.id == "unit"][0]
    assert (node.operation, list(node.inputs)) == ("_L2Norm_TRT", ["x"])
    assert node.fields["axis_u_int"].i == axis
    assert node.fields["eps_u_float"].d == np.float32(eps)


@pytest.mark.parametrize("plugins", ["inline", "function"])
def test_the_answers_are_tensorflows(plugins):
    if plugins == "function" and not to_onnx.CAN_WRITE_FUNCTIONS:
        pytest.skip("this onnx has no local functions")
    images = np.random.RandomState(0).uniform(-100, 100, (3, 224, 224, 3)).astype(np.float32)
    graph = box3d()
    reference = network.heads(run.tensorflow(graph, images))
    l2_normalize.collapse(gs.DynamicGraph(graph))
    model = to_onnx.convert(uff.from_tensorflow(graph, list(network.OUTPUTS), quiet=True), plugins=plugins)
    assert any(node.op_type == "L2Norm_TRT" for node in model.graph.node) == (plugins == "function")
    parity.compare(reference, network.heads(run.onnx(model, images))).check("equal")


def test_several_at_once_keep_their_own_numbers():
    graph = normalisation(1, 1e-6, "a", shared=False)
    other = normalisation(-1, 1e-3, "b", shared=False)
    graph.node.extend([node for node in other.node if node.name.startswith("b")])
    dynamic = gs.DynamicGraph(graph)
    found = l2_normalize.collapse(dynamic)
    assert [(each.name, each.axis) for each in found] == [("a", 1), ("b", -1)]
    assert found[1].eps == np.float32(1e-3)
    assert [node.op for node in dynamic if node.name in "ab"] == ["L2Norm_TRT"] * 2


def test_a_graph_without_one_stays_as_it_is():
    graph = gs.DynamicGraph(box3d())
    graph.remove(graph.find_nodes_by_path(NAME + ".*"))
    before = graph.as_graph_def().SerializeToString()
    assert l2_normalize.collapse(graph) == []
    assert graph.as_graph_def().SerializeToString() == before


def two_axes(graph):
    node_of(graph, "elsewhere/shape/2").CopyFrom(freeze.constant_node("elsewhere/shape/2", np.array([1, 2], np.int32)))


def axis_computed(graph):
    node_of(graph, "unit/Sum").input[1] = "x"


def read_inside(graph):
    graph.node.add(name="spy", op="Neg").input.append("unit/Rsqrt:0")


def no_keep_dims(graph):
    node_of(graph, "unit/Sum").attr["keep_dims"].b = False


def outside(graph):
    for node in graph.node:
        if node.name == "unit/Rsqrt":
            node.name = "rsqrt"
        node.input[:] = ["rsqrt" if text == "unit/Rsqrt" else text for text in node.input]


@pytest.mark.parametrize("change, said", [
    (two_axes, r"axis is \[1, 2\]"), (axis_computed, "axis, 'x', is not a constant"), (read_inside, "'spy' reads its inner"),
    (no_keep_dims, "drops the axis"), (outside, "'rsqrt' lies outside")])
def test_what_one_node_cannot_stand_for_is_refused_and_nothing_changed(change, said):
    graph = normalisation()
    change(graph)
    before = graph.SerializeToString()
    with pytest.raises(ValueError, match=said):
        l2_normalize.collapse(gs.DynamicGraph(graph))
    assert graph.SerializeToString() == before


@pytest.mark.parametrize("swapped", ["unit", "unit/Maximum"])
def test_the_order_of_commuting_inputs_does_not_matter(swapped):
    graph = normalisation()
    node = node_of(graph, swapped)
    node.input[:] = list(node.input)[::-1]
    assert l2_normalize.find(graph) == [("unit", "x", 2, EPS)]


@pytest.mark.parametrize("node, op", [
    ("unit/Square", "Abs"), ("unit/Maximum", "Add"), ("unit/Rsqrt", "Sqrt"), ("unit", "RealDiv")])
def test_other_arithmetic_is_none(node, op):
    graph = normalisation()
    node_of(graph, node).op = op
    assert l2_normalize.find(graph) == []
