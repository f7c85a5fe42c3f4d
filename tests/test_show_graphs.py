"""Slices hold the right nodes, and their pictures show them."""
import matplotlib

matplotlib.use("Agg")
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from helpers import freeze, process, show  # noqa: E402
from helpers.show import graphs as pictures  # noqa: E402
from helpers.show.graphs import Node, select  # noqa: E402
from uffsurgeon import graphsurgeon, uff  # noqa: E402
from uffsurgeon.uff import schema  # noqa: E402

tf = process.tensorflow()
CHAIN = [Node("x", "Placeholder", [], ""), Node("a/y", "Const", [], "2"), Node("a", "Mul", ["x", "a/y"], ""),
         Node("ab", "Relu", ["a"], ""), Node("b/z", "Add", ["ab", "a/y"], ""), Node("out", "Relu", ["b/z"], "")]


def graph_def(nodes=CHAIN):
    graph = tf.compat.v1.GraphDef()
    for node in nodes:
        graph.node.add(name=node.name, op="Any" if node.op == "Const" else node.op).input.extend(node.inputs)
    return graph


def texts(figure):
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)} - {""}


def names(found):
    return {node.name for node in found}


def test_a_namespace_is_the_node_and_all_below_it_and_nothing_that_begins_alike():
    assert names(select(CHAIN, "a", 0)[1]) == {"a", "a/y"}


def test_patterns_and_lists():
    assert names(select(CHAIN, ["*/z", "out"], 0)[1]) == {"b/z", "out"}


def test_reach_goes_both_ways():
    assert names(select(CHAIN, "ab", 1)[1]) == {"a", "ab", "b/z"}
    assert names(select(CHAIN, "ab", 2)[1]) == {"x", "a/y", "a", "ab", "b/z", "out"}


def test_a_shared_constant_is_no_road():
    assert "b/z" not in names(select(CHAIN, "a", 1)[1])


def test_nothing_found_names_the_nearest():
    with pytest.raises(ValueError, match="no node 'b/x' in the graph; did you mean 'b/z'"):
        select(CHAIN, "b/x")


def test_a_picture_names_its_nodes_and_fits_the_page():
    figure = show.graph(graph_def(), "a", mark={"out": "trouble"}, reach=3, title="a slice")
    assert isinstance(figure, Figure)
    assert {"Mul", "a/y", "out", "a slice"} <= texts(figure)
    assert figure.get_size_inches()[0] <= 12.01


def test_constants_can_be_left_out():
    graph = tf.compat.v1.GraphDef()
    graph.node.extend([freeze.constant_node("c", 2.0)])
    graph.node.add(name="r", op="Relu").input.extend(["c"])
    assert "Const" in texts(show.graph(graph, "r")) and "2" in texts(show.graph(graph, "r"))
    assert "Const" not in texts(show.graph(graph, "r", constants=False))


def test_before_and_after_colour_what_changed():
    after = [node if node.name != "ab" else Node("ab", "Plugin", ["a"], "") for node in CHAIN]
    figure = show.graph_before_after(graph_def(), graph_def(after), "ab")
    edges = [patch.get_edgecolor() for axes in figure.axes for patch in axes.patches]
    to_rgba = matplotlib.colors.to_rgba
    assert edges.count(to_rgba(pictures.COLOURS["gone"][1])) == 1
    assert edges.count(to_rgba(pictures.COLOURS["new"][1])) == 1
    assert "before" in texts(figure) and "after" in texts(figure)


def coloured(figure, kind):
    """How many boxes of each of the two slices have the colour of `kind`."""
    colour = matplotlib.colors.to_rgba(pictures.COLOURS[kind][1])
    return [sum(patch.get_edgecolor() == colour for patch in axes.patches) for axes in figure.axes]


def test_a_node_that_only_reads_something_else_is_neither_gone_nor_new():
    after = [node if node.name != "b/z" else Node("b/z", "Add", ["a", "a/y"], "") for node in CHAIN]
    figure = show.graph_before_after(graph_def(), graph_def(after), "b/z")
    assert coloured(figure, "changed") == [1, 1]
    assert coloured(figure, "gone") == coloured(figure, "new") == [0, 0]
    assert any("reads something else now" in text for text in texts(figure))


def test_a_name_that_another_layer_had_before_is_new_all_the_same():
    before = [Node("x", "Placeholder", [], ""), Node("flat/do", "Reshape", ["x"], ""), Node("end", "Relu", ["flat/do"], ""),
              Node("row/do", "Reshape", ["end"], ""), Node("out", "Relu", ["row/do"], "")]
    after = [Node("x", "Placeholder", [], ""), Node("row/do", "Reshape", ["x"], ""), Node("end", "Relu", ["row/do"], "")]
    figure = show.graph_before_after(graph_def(before), graph_def(after), "flat", "row")
    assert coloured(figure, "gone") == [1, 0] and coloured(figure, "new") == [0, 1]
    assert coloured(figure, "changed") == [1, 1]


def test_a_graph_with_a_cycle_is_still_drawn():
    nodes = [Node("a", "Merge", ["b"], ""), Node("b", "Next", ["a"], "")]
    assert {"Merge", "Next"} <= texts(show.graph(graph_def(nodes), "a"))


def test_a_graph_of_one_node_is_drawn():
    assert "Relu" in texts(show.graph(graph_def([Node("one", "Relu", [], "")]), "one"))


def test_a_census_counts_and_marks():
    figure = show.census(graph_def(), {"Relu", "Mul", "Any", "Add"})
    labels = {tick.get_text(): tick.get_fontweight() for tick in figure.axes[0].get_yticklabels()}
    assert labels["Placeholder"] == "bold" and labels["Relu"] == "normal"


def test_onnx_and_uff_are_read_too():
    from onnx import TensorProto, helper

    nodes = [helper.make_node("LeakyRelu", ["x"], ["y"], name="act", alpha=0.1), helper.make_node("Relu", ["y"], ["z"])]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
    found = show.nodes(helper.make_model(helper.make_graph(nodes, "g", [value("x")], [value("z")])))
    assert [(node.name, node.op, node.inputs) for node in found] == [
        ("x", "Input", []), ("act", "LeakyRelu", ["x"]), ("z", "Relu", ["act"])]
    assert found[1].note == "alpha = 0.1"


def test_the_fields_of_a_plugin_are_shown_whatever_their_type():
    plugin = graphsurgeon.create_plugin_node("p", op="Mine", a=0.25, b=3, c="text", d=[1, 2], e=[0.5], inputs=["x"])
    graph = tf.compat.v1.GraphDef()
    graph.node.extend([graphsurgeon.create_node("x", "Placeholder", trt_plugin=True, dtype=tf.float32), plugin])
    wanted = "a = 0.25, b = 3, c = text, d = [1, 2], e = [0.5]"
    assert show.nodes(graph)[1].note == wanted
    meta = schema.MetaGraph.FromString(uff.from_tensorflow(graph, ["p"], quiet=True))
    assert [node.note for node in show.nodes(meta) if node.op == "_Mine"] == [wanted]


def test_small_constants_of_tensorflow_are_shown_by_value_and_others_by_shape():
    graph = tf.compat.v1.GraphDef()
    graph.node.extend([freeze.constant_node("axis", np.int32(2)), freeze.constant_node("w", np.zeros((2, 3), "f"))])
    graph.node.add(name="text", op="Const").attr["value"].tensor.dtype = 7
    graph.node.add(name="none", op="Const").attr["value"].tensor.tensor_shape.dim.add(size=0)
    assert [node.note for node in show.nodes(graph)] == ["2", "2x3", "", "0"]


def test_small_constants_of_onnx_are_shown_by_value_and_large_ones_by_shape():
    from onnx import TensorProto, helper

    tensors = [helper.make_tensor("axes", TensorProto.INT64, [1], [2]),
               helper.make_tensor("w", TensorProto.FLOAT, [2, 3], range(6))]
    found = show.nodes(helper.make_model(helper.make_graph([], "g", [], [], initializer=tensors)))
    assert [node.note for node in found] == ["[2]", "2x3"]


def test_small_constants_of_uff_are_shown_by_value_and_large_ones_by_shape():
    graph = tf.compat.v1.GraphDef()
    graph.node.extend([graphsurgeon.create_node("x", "Placeholder", trt_plugin=True, dtype=tf.float32)])
    for i, value in enumerate([np.float32(25088), np.array([1.5, 2], "f"), np.zeros((2, 3), "f")]):
        graph.node.extend([freeze.constant_node("c%d" % i, value)])
        graph.node.add(name="n%d" % i, op="Add").input.extend(["n%d" % (i - 1) if i else "x", "c%d" % i])
        graph.node[-1].attr["T"].type = 1
    meta = schema.MetaGraph.FromString(uff.from_tensorflow(graph, ["n2"], quiet=True))
    notes = {node.name: node.note for node in show.nodes(meta)}
    assert [notes["c%d" % i] for i in range(3)] == ["2.51e+04", "[1.5, 2]", "2x3"]


def test_what_is_hidden_is_not_drawn_and_stays_in_the_comparison():
    after = CHAIN[:2] + [Node("a", "Mul", ["x", "b/z"], "")] + CHAIN[3:4] + [Node("b/z", "Add", ["x", "a/y"], "")]
    found = texts(show.graph_before_after(graph_def(), graph_def(after), "a", reach=2, hide=["*/z"]))
    assert {"a", "ab", "x"} <= found and "b/z" not in found
    assert any("reads something else now" in text for text in found)


def test_anything_but_a_graph_is_refused():
    with pytest.raises(TypeError, match="cannot draw a list"):
        show.nodes([])
