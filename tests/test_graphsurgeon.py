"""uffsurgeon.graphsurgeon: NVIDIA's semantics, and what ours tells where NVIDIA's is silent."""
import importlib.util
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uffsurgeon import graphs, protobuf
from uffsurgeon import graphsurgeon as gs

MINI = os.path.join(os.path.dirname(__file__), "fixtures", "uff", "box3d_mini", "%s.pb")


def graph_of(text):
    """Nodes, one a line: `name op input input`."""
    graph_def = protobuf.graph_def_class()()
    for line in text.strip().splitlines():
        words = line.split()
        graph_def.node.add(name=words[0], op=words[1]).input.extend(words[2:])
    return gs.DynamicGraph(graph_def)


def lines(graph):
    return [" ".join([node.name, node.op] + list(node.input)) for node in graph]


def state(graph):
    return graph.as_graph_def().SerializeToString(deterministic=True)


def names(nodes):
    return [node.name for node in nodes]


@pytest.fixture
def net():
    return gs.DynamicGraph(MINI % "flatten")


def plugin(name, **kwargs):
    return gs.create_plugin_node(name, op="P", **kwargs)


# Nodes


@pytest.mark.parametrize("value, key, kind, stored", [
    (0.1, "a_u_float", "f", 0.10000000149011612), (np.float64(2), "a_u_float", "f", 2.0),
    (3, "a_u_int", "i", 3), (True, "a_u_int", "i", 1), ("\u00e9", "a_u_str", "s", b"\xc3\xa9"),
])
def test_plugin_attributes_carry_their_type(value, key, kind, stored):
    node = plugin("n", a=value)
    assert list(node.attr) == [key]
    assert node.attr[key].WhichOneof("value") == kind and getattr(node.attr[key], kind) == stored


def test_lists_shapes_and_inputs():
    node = plugin("n", a=[1, 2.5], b=[1, True], c=[], shape=[None, 4], inputs=["x:1", plugin("m")])
    assert list(node.attr["a_u_flist"].list.f) == [1, 2.5]
    assert list(node.attr["b_u_ilist"].list.i) == [1, 1]
    assert node.attr["c_u_ilist"].WhichOneof("value") == "list"
    assert gs.shape(node) == (0, 4) and gs.shape(plugin("m")) == ()
    assert list(node.input) == ["x:1", "m"]


def test_an_op_defaults_to_the_name_and_create_node_warns(capsys):
    node = gs.create_node("Relu", a=1)
    assert (node.name, node.op, list(node.attr)) == ("Relu", "Relu", ["a"])
    assert capsys.readouterr().out.startswith("WARNING: To create TensorRT plugin nodes, please use")


def test_arrays_keep_dtype_and_shape():
    for array in (np.arange(6, dtype=np.int64).reshape(2, 3), np.array(7, ">i4"), np.ones(3, np.float16)):
        node = gs.create_node("k", "Const", trt_plugin=True, value=array)
        back = protobuf.array(node.attr["value"].tensor)
        assert back.dtype == array.dtype.newbyteorder("<") and back.shape == array.shape
        np.testing.assert_array_equal(back, array)
        np.testing.assert_array_equal(gs.extract_numpy_array(node), array.reshape(-1))


def test_extract_reads_values_in_every_form(net):
    assert gs.extract_numpy_array(net["reshape_1/Reshape/shape/1"]).tolist() == [6]
    assert gs.extract_numpy_array(net["orientation/l2_normalize/Maximum/y"]) == np.float32(1e-12)
    assert gs.extract_numpy_array(net["dense_1/bias"]).shape == (16,)
    with pytest.raises(ValueError, match="'dense_1/MatMul' .MatMul. holds no constant"):
        gs.extract_numpy_array(net["dense_1/MatMul"])


@pytest.mark.parametrize("value, words", [
    ((1, 2), "Type: <class 'tuple'> unrecognized"), (None, "NoneType"), (b"x", "bytes"),
    (["a"], "Only lists of floats or ints"), (np.array(["a"]), "array of <U1"),
])
def test_values_that_no_attribute_holds(value, words):
    node = plugin("n", a=1)
    with pytest.raises(TypeError, match=words):
        gs.update_node(node, "other", b=2, c=value)
    assert node == plugin("n", a=1)
    with pytest.raises(TypeError, match="Must be a tensorflow.NodeDef or a string"):
        plugin("n", inputs=[3])


def test_update_replaces_values_and_appends_to_lists():
    node = plugin("n", a=1, b=[1], inputs=["x"])
    assert gs.update_node(node, op="Q", trt_plugin=True, a=2, b=[2], inputs=["y"]) is node
    assert (node.name, node.op, node.attr["a_u_int"].i) == ("n", "Q", 2)
    assert list(node.attr["b_u_ilist"].list.i) == [1, 2] and list(node.input) == ["x", "y"]


# Looking


def test_a_graph_is_a_list_of_nodes(net):
    assert len(net) == 121 == len(list(net)) == len(net.node_map)
    assert net[0] is not None and net[-1].name == "input_1" and len(net[2:5]) == 3
    assert net["confidence/Softmax"].op == "Softmax"
    with pytest.raises(ValueError, match="no node 'confidence/Softmx'.*did you mean 'confidence/Softmax'"):
        net["confidence/Softmx"]


def test_inputs_and_outputs_are_found(net):
    assert names(net.graph_inputs) == ["input_1"]
    assert names(net.graph_outputs) == ["orientation/l2_normalize", "confidence/Softmax", "dimension/LeakyRelu"]
    assert names(net.node_outputs["input_1"]) == ["block1_conv1/convolution"]
    assert len(net.node_outputs["flatten_1/strided_slice/stack"]) == 4
    empty = gs.StaticGraph()
    assert (len(empty), empty.graph_inputs, empty.graph_outputs, empty.node_map) == (0, [], [], {})


@pytest.mark.parametrize("find, what, found", [
    ("op", "LeakyRelu", 5), ("op", ["Softmax", "Rsqrt"], 2), ("op", "Leaky", 0),
    ("name", "LeakyRelu", 5), ("name", "Leaky.*", 5), ("name", "Leaky", 0), ("name", ("Relu", "Rsqrt"), 14),
    ("path", "orientation/.*", 6), ("path", "orientation/l2_normalize", 1), ("path", [], 0),
])
def test_nodes_are_found_by_op_name_and_path(net, find, what, found):
    nodes = getattr(net, "find_nodes_by_" + find)(what)
    assert len(nodes) == found
    order = names(net)
    assert names(nodes) == sorted(names(nodes), key=order.index)


def test_the_first_alternative_of_a_pattern_decides():
    graph = graph_of("a/Relu_1 Relu")
    assert graph.find_nodes_by_name("Rel|Relu_1") == []
    assert names(graph.find_nodes_by_name("Relu_1|Rel")) == ["a/Relu_1"]


def test_inputs_of_a_node(net):
    node = net["dense_1/BiasAdd"]
    assert names(net.find_node_inputs(node)) == ["dense_1/MatMul", "dense_1/bias"]
    assert names(net.find_node_inputs_by_op(node, "Const")) == ["dense_1/bias"]
    assert names(net.find_node_inputs_by_name(node, "MatMul")) == ["dense_1/MatMul"]
    assert names(net.find_node_inputs(net["block1_conv1/convolution"])) == ["input_1", "block1_conv1/kernel"]
    with pytest.raises(ValueError, match="no node 'b'"):
        graph_of("a Relu b").find_node_inputs(graph_of("a Relu b")[0])


def test_chains(net):
    chains = net.find_node_chains_by_op(["MatMul", "BiasAdd", "LeakyRelu"])
    assert len(chains) == 5
    assert ["dense_1/MatMul", "dense_1/BiasAdd", "leaky_re_lu_1/LeakyRelu"] in map(names, chains)
    both = graph_of("a A\nb A\nc Add a b\nd Add a x\nx X")
    assert list(map(names, both.find_node_chains_by_op(["A", "Add"]))) == [["a", "b", "c"], ["a", "d"]]


def test_a_graph_works_on_what_it_is_given(net, tmp_path):
    graph_def = net.as_graph_def()
    one, two = gs.DynamicGraph(graph_def), gs.DynamicGraph(net)
    two.remove("dimension/LeakyRelu")
    assert len(graph_def.node) == len(one) == len(net) == 120
    assert "dimension/LeakyRelu" not in net.node_map
    net.write(tmp_path / "net.pb")
    assert gs.StaticGraph(str(tmp_path / "net.pb")).as_graph_def() == graph_def
    one.read(MINI % "reshape")
    assert len(one) == 120 and "flatten_1/Reshape" not in one.node_map


def test_what_no_graph_is_made_of(tmp_path):
    with pytest.raises(TypeError, match="not from <class 'int'>"):
        gs.StaticGraph(3)
    with pytest.raises(TypeError, match="not from <class 'bytes'>"):
        gs.StaticGraph(b"")
    with pytest.raises(FileNotFoundError):
        gs.StaticGraph(tmp_path / "none.pb")


# Collapsing


def test_leaky_relu_becomes_a_plugin(net):
    node = net["leaky_re_lu_1/LeakyRelu"]
    new = gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    net.collapse_namespaces({node.name: new})
    assert len(net) == 121 and net[-1].name == "leaky_re_lu_1/LeakyRelu"
    assert net[-1].op == "LReLU_TRT" and list(net[-1].input) == ["dense_1/BiasAdd"] == list(new.input)
    assert list(net["dense_2/MatMul"].input) == ["leaky_re_lu_1/LeakyRelu", "dense_2/kernel"]
    assert net[-1] is not new


def test_collapsing_from_both_ends_makes_a_cycle(net):
    with pytest.raises(ValueError, match="cycle: 'm' reads 'rest' reads 'm'"):
        net.collapse_namespaces({"orientation/l2_normalize/Maximum": plugin("m"),
                                 "orientation/l2_normalize": plugin("rest")})


def test_the_constant_of_maximum_goes_with_it(net):
    net.collapse_namespaces({"orientation/l2_normalize/Maximum": plugin("m")})
    assert list(net["m"].input) == ["orientation/l2_normalize/Sum"]
    assert "orientation/l2_normalize/Maximum/y" not in net.node_map
    assert list(net["orientation/l2_normalize/Rsqrt"].input) == ["m"]


def test_a_merged_constant_stays_an_input(net):
    net.collapse_namespaces({"orientation/l2_normalize": plugin("orientation/l2_normalize")})
    assert list(net["orientation/l2_normalize"].input) == ["reshape_1/Reshape", "reshape_1/Reshape/shape/2"]


def test_collapsing_rules():
    text = "x X\nn/a A x y:0 y\nn A n/a\nn/b/c B n ^w x\nnx C n n/b/c\nd D n n:0 ^n/a\ny Y\nw W\ne E ^n ^n/a"
    graph = graph_of(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph.collapse_namespaces({"n/b": plugin("q"), "n": plugin("p")})
    assert lines(graph) == ["x X", "nx C p q", "d D p p ^p", "y Y", "w W", "e E ^p", "q P p ^w x", "p P x y:0"]
    graph = graph_of(text)
    graph.collapse_namespaces({"n/b": plugin("q"), "n": plugin("p")}, unique_inputs=False)
    assert lines(graph)[-1] == "p P x y:0 y"


def test_one_plugin_for_two_namespaces():
    graph = graph_of("x X\na/r A x\nb/r B a/r\ny Y b/r")
    both = plugin("p")
    graph.collapse_namespaces({"a": both, "b": both})
    assert lines(graph) == ["x X", "y Y p", "p P x"]


def test_inputs_that_the_plugin_had_come_first():
    graph = graph_of("x X\nk K\na/r A x\ny Y a/r")
    graph.collapse_namespaces({"a": plugin("p", inputs=["k"])})
    assert lines(graph)[-1] == "p P k x"


def test_a_plugin_may_take_the_name_that_it_replaces():
    graph = graph_of("x X\nn/m A x\ny Mul n/m n/m:0")
    graph.collapse_namespaces({"n/m": plugin("n/m")})
    assert lines(graph) == ["x X", "y Mul n/m n/m", "n/m P x"]


@pytest.mark.parametrize("excluded", [["n/b"], "n/b", ("n/b",)])
def test_excluded_nodes_stay_outside(excluded):
    graph = graph_of("x X\nn/b B x\nn/c C n/b\ny Y n/c n/b")
    graph.collapse_namespaces({"n": plugin("p")}, exclude_nodes=excluded)
    assert lines(graph) == ["x X", "n/b B x", "y Y p n/b", "p P n/b"]
    graph = graph_of("x X\nn/b B x\nn/c C n/b\ny Y n/c n/b")
    graph.collapse_namespaces({"n": plugin("p")}, exclude_nodes=[graph["n/b"]])
    assert lines(graph) == ["x X", "n/b B x", "y Y p n/b", "p P n/b"]


def test_several_outputs_of_a_namespace_are_told():
    graph = graph_of("x X\nn/a A x\nn/b B x\ny Y n/a\nz Z n/b")
    with pytest.warns(UserWarning, match="n/a.*n/b.*one output of plugin 'p'"):
        graph.collapse_namespaces({"n": plugin("p")})
    assert lines(graph) == ["x X", "y Y p", "z Z p", "p P x"]


def test_a_constant_that_freezing_has_merged_stays_for_those_outside(net):
    """flatten_1 holds the two constants that reshape_1 slices with, too."""
    net.collapse_namespaces({"flatten_1": plugin("flatten_1")})
    assert list(net["flatten_1"].input) == ["block5_pool/MaxPool"]
    stack = ["flatten_1/strided_slice/stack_1"] + 2 * ["flatten_1/strided_slice/stack"]
    assert list(net["reshape_1/strided_slice"].input) == ["reshape_1/Shape"] + stack
    assert net[stack[0]].op == "Const" and "flatten_1/Prod" not in net.node_map


def test_a_constant_that_two_namespaces_share_is_an_input_of_neither():
    text = "x X\na/size Const\na/up Up x a/size\nb/up Up a/up a/size\ny Y b/up"
    graph = graph_of(text)
    graph.collapse_namespaces({"a": plugin("p"), "b": plugin("q")})
    assert lines(graph) == ["x X", "y Y q", "p P x", "q P p"]
    graph = graph_of(text)  # only one of them: the other still needs the constant
    graph.collapse_namespaces({"a": plugin("p")})
    assert lines(graph) == ["x X", "a/size Const", "b/up Up p a/size", "y Y b/up", "p P x"]


def test_a_constant_that_is_all_of_a_namespace_is_replaced():
    graph = graph_of("x X\nanchors/all Const\ny Y x anchors/all\nz Z anchors/all")
    graph.collapse_namespaces({"anchors": plugin("p")})
    assert lines(graph) == ["x X", "y Y x p", "z Z p", "p P"]


def test_a_map_for_several_models_names_the_namespaces_that_one_lacks(capsys):
    graph = graph_of("x X\nn/a A x\ny Y n/a")
    graph.collapse_namespaces({"n": plugin("p"), "Cast": plugin("q"), "ToFloat": plugin("r")})
    assert lines(graph) == ["x X", "y Y p", "p P x"]
    assert capsys.readouterr().out == "collapse_namespaces: the graph has no nodes of 'Cast', 'ToFloat'\n"


def test_a_placeholder_keeps_the_input_that_public_configs_remove():
    graph = graph_of("image_tensor X\nToFloat Cast image_tensor:0\ny Y ToFloat")
    image = gs.create_plugin_node("Input", op="Placeholder")
    graph.collapse_namespaces({"ToFloat": image, "image_tensor": image})
    assert lines(graph) == ["y Y Input", "Input Placeholder image_tensor:0"]
    graph.find_nodes_by_name("Input")[0].input.remove("image_tensor:0")


@pytest.mark.parametrize("spaces, exclude, words", [
    ({"m": plugin("p")}, [], "no node of namespace 'm' in the graph"),
    ({"n/d": plugin("p")}, [], "no node of namespace 'n/d'.*did you mean.*'n/[bc]'"),
    ({"n/": plugin("p")}, [], "no node of namespace 'n/'.*did you mean 'n/"),
    ({"n": plugin("x")}, [], "name 'x' of a plugin is that of a node outside"),
    ({"n/b": plugin("p"), "n/c": plugin("p")}, [], "two plugin nodes are called 'p'"),
    ({"n/b": plugin("p")}, ["n/b"], "are excluded or belong to a deeper one"),
    ({"n": plugin("p")}, ["n/z"], "no node 'n/z'"),
    ({"n": plugin("p", inputs=["gone"])}, [], "plugin 'p' reads 'gone', which will not be"),
    ({"n": plugin("p")}, ["n/b"], "cycle: 'p' reads 'n/b' reads 'p'|cycle: 'n/b' reads 'p' reads 'n/b'"),
])
def test_a_collapse_that_fails_changes_nothing(spaces, exclude, words):
    graph = graph_of("x X\nn/a A x\nn/b B n/a\nn/c C n/b\ny Y n/c")
    before = state(graph)
    inputs = {name: list(node.input) for name, node in spaces.items()}
    with pytest.raises(ValueError, match=words):
        graph.collapse_namespaces(spaces, exclude_nodes=exclude)
    assert state(graph) == before
    assert inputs == {name: list(node.input) for name, node in spaces.items()}


def test_a_plugin_must_be_a_node(net):
    with pytest.raises(TypeError, match="NodeDef"):
        net.collapse_namespaces({"dimension": "LReLU_TRT"})


def test_a_used_plugin_node_is_not_used_again(net):
    node = plugin("leaky_re_lu_1/LeakyRelu")
    net.collapse_namespaces({"leaky_re_lu_1": node})
    with pytest.raises(ValueError, match="keeps its inputs after a collapse"):
        graph_of("x X\nleaky_re_lu_1/LeakyRelu A x").collapse_namespaces({"leaky_re_lu_1": node})


def test_a_cycle_that_was_there_does_not_matter():
    graph = graph_of("x X\nl Merge x m\nm Next l\nn/a A m\ny Y n/a")
    graph.collapse_namespaces({"n": plugin("p")})
    assert lines(graph)[-2:] == ["y Y p", "p P m"]


def test_five_thousand_nodes_collapse_in_half_a_second():
    graph_def = protobuf.graph_def_class()()
    graph_def.node.add(name="x", op="X")
    for index in range(5000):
        above = graph_def.node[-1].name
        graph_def.node.add(name="b%d/s%d" % (index // 10, index), op="R").input.append(above)
    graph = gs.DynamicGraph(graph_def)
    start = time.process_time()  # not the wall clock: others may use the machine
    graph.collapse_namespaces({"b%d" % block: plugin("p%d" % block) for block in range(500)})
    assert time.process_time() - start < 0.5
    assert len(graph) == 501 and list(graph["p499"].input) == ["p498"]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_collapse_leaves_a_sound_graph_or_the_old_one(data):
    count = data.draw(st.integers(1, 12))
    spaces = ["", "a/", "a/b/", "c/"]
    graph_def = protobuf.graph_def_class()()
    for index in range(count):
        node = graph_def.node.add(name="%sn%d" % (data.draw(st.sampled_from(spaces)), index), op="R")
        if index:
            for _ in range(data.draw(st.integers(0, 3))):
                above = graph_def.node[data.draw(st.integers(0, index - 1))].name
                node.input.append(data.draw(st.sampled_from(["%s", "%s:0", "^%s", "%s:1"])) % above)
    graph = gs.DynamicGraph(graph_def)
    chosen = data.draw(st.sets(st.sampled_from(["a", "a/b", "c", "d"]), min_size=1))
    excluded = data.draw(st.lists(st.sampled_from(names(graph)), max_size=2))
    before = state(graph)
    there = {"p" + space for space in chosen if any(name.startswith(space + "/") for name in names(graph))}
    operands = {node.name: len(node.input) for node in graph}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph.collapse_namespaces({space: plugin("p" + space) for space in sorted(chosen)}, excluded)
    except ValueError:
        assert state(graph) == before
        return
    known = set(names(graph))
    assert len(known) == len(graph) and there <= known
    for node in graph:
        assert all(each.lstrip("^").split(":")[0] in known for each in node.input)
        assert node.name.startswith("p") or len(node.input) <= operands[node.name]
        depth = [space for space in ("a/b", "a", "c") if node.name.startswith(space + "/")][:1]
        inside = chosen & {"a", "a/b"} if depth == ["a/b"] else chosen & set(depth)
        assert not inside or node.name in excluded
    done = set()
    while len(done) < len(graph):  # what can be put in an order has no cycle
        more = {n.name for n in graph if {i.lstrip("^").split(":")[0] for i in n.input} <= done} - done
        assert more
        done |= more


# Removing and the rest


def test_remove_on_the_article_network(net):
    net.remove("orientation/l2_normalize")
    assert len(net) == 120
    assert names(net.graph_outputs) == ["orientation/l2_normalize/Rsqrt", "confidence/Softmax", "dimension/LeakyRelu"]
    net = gs.DynamicGraph(MINI % "flatten")
    net.remove(net.find_nodes_by_path("orientation/l2_normalize.*"))
    assert len(net) == 115
    assert names(net.graph_outputs) == ["reshape_1/Reshape", "confidence/Softmax", "dimension/LeakyRelu"]
    net = gs.DynamicGraph(MINI % "flatten")
    net.remove(net["orientation/l2_normalize"], remove_exclusive_dependencies=True)
    assert len(net) == 99 and "reshape_1/Reshape" not in net.node_map


def test_remove_tells_who_lost_an_input():
    graph = graph_of("x X\na A x ^x\nb B a:0 a:1 x\nc C ^a b")
    with pytest.warns(UserWarning, match=r"'b' \(B\) reads \['x'\] and no longer \['a:0', 'a:1'\]$"):
        graph.remove("a")
    assert lines(graph) == ["x X", "b B x", "c C b"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph.remove(("c", graph["b"]))
        graph.remove([])
    assert lines(graph) == ["x X"]


@pytest.mark.parametrize("call", [
    lambda graph: graph.remove(["a", "confidance/Softmax"]),
    lambda graph: graph.remove("^a"),
    lambda graph: graph.forward_inputs(["a", "confidance/Softmax"]),
    lambda graph: graph.extend([plugin("new"), plugin("a")]),
    lambda graph: graph.append(plugin("a")),
    lambda graph: graph.connect("a", "nobody"),
    lambda graph: graph.connect("a", "b", error_if_connected=True),
    lambda graph: graph.disconnect("b", "a", error_if_not_connected=True),
    lambda graph: graph.sort("b", ["nobody"]),
    lambda graph: graph.forward_inputs("s"),
])
def test_a_call_that_raises_changes_nothing(call):
    graph = graph_of("x X\na A x\nb B a\ns Split b\nc C s s:1")
    before = state(graph)
    with pytest.raises(ValueError):
        call(graph)
    assert state(graph) == before


def test_wrong_types_are_told(net):
    with pytest.raises(TypeError, match="NodeDef"):
        net.append("q")
    with pytest.raises(TypeError):
        net.remove(3)


def test_forward_inputs_keeps_order_and_place():
    graph = graph_of("in X\nw W\na A in w\nb B a w\nc C b:0 b in ^b")
    graph.forward_inputs([graph["a"], graph["b"]])
    assert lines(graph) == ["in X", "w W", "c C in w w in w w in ^in ^w ^w"]


def test_forward_inputs_goes_through_long_chains_and_refuses_cycles():
    length = sys.getrecursionlimit() + 100
    graph = graph_of("n0 X\n" + "\n".join("n%d Identity n%d" % (at + 1, at) for at in range(length)) + "\ny Y n%d" % length)
    graph.forward_inputs(graph.find_nodes_by_op("Identity"))
    assert lines(graph) == ["n0 X", "y Y n0"]
    graph = graph_of("a Identity b\nb Identity a\ny Y a")
    with pytest.raises(ValueError, match="a cycle cannot be forwarded"):
        graph.forward_inputs(["a", "b"])


def test_forward_inputs_keeps_nodes_with_control_inputs():
    graph = graph_of("x X\na A x ^x\nb B a")
    before = state(graph)
    with pytest.warns(UserWarning, match="not forwarded.*'a'"):
        graph.forward_inputs(graph["a"])
    assert state(graph) == before
    graph = graph_of("x X\nb B x")
    with pytest.warns(UserWarning, match="'b' .B. reads .. and no longer .'x'."):
        graph.forward_inputs(graph["x"])


def test_append_connect_sort_are_seen_at_once():
    graph = graph_of("x X")
    graph.append(plugin("a"))
    graph.extend([plugin("b", inputs=["x"]), plugin("c")])
    graph.add(plugin("d"))
    graph.add([plugin("e")])
    assert list(graph.node_map) == ["x", "a", "b", "c", "d", "e"]
    graph.connect("a", "b")
    graph.connect(graph["a"], graph["b"])
    assert list(graph["b"].input) == ["x", "a"] and names(graph.node_outputs["a"]) == ["b"]
    graph.sort("b", ["a"])
    assert list(graph["b"].input) == ["a", "x"]
    graph.disconnect("x", "b")
    assert list(graph["b"].input) == ["a"] and names(graph.graph_outputs) == ["b"]


def test_remove_duplicates_keeps_both_operands():
    graph = graph_of("x X\ny Mul x x ^x ^x\nx Z")
    assert lines(gs.remove_duplicates(graph)) == ["x X", "y Mul x x ^x"]


DILATED = "x X\nb K\np K\ns SpaceToBatchND x b p\nw K\nc Conv2D s w\nr K\nt BatchToSpaceND c b r\ny Y t"


def test_dilated_convolution_becomes_one_node():
    graph = graph_of(DILATED)
    gs.extras.process_dilated_conv(graph)
    assert [line for line in lines(graph) if " K" not in line] == ["x X", "c Conv2D x w b p r", "y Y c"]
    graph = graph_of(DILATED.replace("D s w", "D s:0 w").replace("ND c b", "ND c:0 b"))
    gs.extras.process_dilated_conv(graph)
    assert [line for line in lines(graph) if " K" not in line] == ["x X", "c Conv2D x w b p r", "y Y c"]
    graph = graph_of(DILATED + "\nz Z c")
    before = state(graph)
    gs.extras.process_dilated_conv(graph)
    assert state(graph) == before


def test_softmax_without_its_reshapes_stays():
    graph = graph_of("x X\nk K\nr Reshape x k\ns Softmax r\nq Reshape s k\ny Y q")
    before = state(graph)
    gs.extras.process_softmax(graph)
    assert state(graph) == before


# Messages of one class, whenever TensorFlow is imported

HELD = """
import sys
order, path, logs = sys.argv[1:]
if order == "before":
    import tensorflow
if order == "hidden":
    sys.modules["tensorflow"] = None  # as if it was not installed
from uffsurgeon import graphsurgeon as gs
graph = gs.DynamicGraph(path)
node, graph_def = graph["dense_1/bias"], graph.as_graph_def()
plugin = gs.create_plugin_node("plugin", op="P", a=1)
classes = [type(each) for each in (node, graph_def, plugin)]
assert graph_def.node[0] is graph[0] and (sys.modules.get("tensorflow") is None) == (order != "before")
if order == "after":
    graph.remove("dimension/LeakyRelu")
    graph_def.node.add(name="added", op="P")
    graph.changed()
if order == "hidden":
    del sys.modules["tensorflow"]
import tensorflow as tf
from tensorflow.core import framework
v1 = tf.compat.v1
assert framework.graph_pb2.GraphDef is v1.GraphDef
if order != "after":
    graph.remove("dimension/LeakyRelu")
    graph_def.node.add(name="added", op="P")
    graph.changed()
node.name = "bias"
graph.changed()
graph.append(plugin)
graph.append(gs.create_node("made", "P", trt_plugin=True, dtype=tf.float32, a=0.5))
graph.append(v1.NodeDef(name="theirs", op="P"))
assert [len(graph_def.node), graph[-1].name, graph_def.node[-1].name, graph["bias"].op] == [124, "theirs", "theirs", "Const"]
assert (graph["plugin"].attr["a_u_int"].i, graph["made"].attr["dtype"].type, graph["added"].op) == (1, 1, "P")
assert classes == [type(each) for each in (node, graph_def, plugin)] == [
    type(graph["bias"]), type(graph._shared.graph_def), type(graph[0])]
result = graph.as_graph_def()
assert isinstance(result, v1.GraphDef) and [each.name for each in result.node] == [each.name for each in graph_def.node]
node.attr["mark"].i = 7
assert [each for each in graph.as_graph_def().node if each.name == "bias"][0].attr["mark"].i == 7
if order != "hidden":
    assert result is graph_def and isinstance(plugin, v1.NodeDef)
    node.attr["value"].CopyFrom(v1.AttrValue(tensor=tf.make_tensor_proto([1.0, 2.0])))
    graph_def.node.extend([v1.NodeDef(name="last", op="P")])
    copy = v1.NodeDef()
    copy.CopyFrom(graph["bias"])
    assert gs.extract_numpy_array(copy).tolist() == [1, 2] and graph[-1].name == "last"
with tf.Graph().as_default() as made:
    tf.nn.softmax(tf.nn.relu(v1.placeholder(tf.float32, [1, 4], name="x"), name="a/relu"), name="y")
graph = gs.DynamicGraph(made)
graph.collapse_namespaces({"a": plugin})
assert list(graph["y"].input) == ["plugin"] and list(graph["plugin"].input) == ["x"]
graph.write_tensorboard(logs)
"""


def test_a_softmax_behind_very_many_chains_takes_no_time():
    """Each node reads the one before a hundred times, and the chain is not a softmax's: no way through it ends at a Sub."""
    chain = ["x Placeholder", "pack Pack" + " x" * 100, "slice Slice" + " pack" * 100, "concat ConcatV2" + " slice" * 100,
             "reshape Reshape" + " concat" * 100, "softmax Softmax reshape"]
    graph = graph_of("\n".join(chain))
    before = state(graph)
    gs.extras.process_softmax(graph)
    assert state(graph) == before


@pytest.mark.slow
@pytest.mark.parametrize("order", ["before", "between", "after", "hidden"])
def test_messages_stay_attached_and_keep_their_class(order, tmp_path):
    subprocess.check_call([sys.executable, "-c", HELD, order, MINI % "flatten", str(tmp_path / "logs")])
    assert [path.stat().st_size > 50 for path in (tmp_path / "logs").iterdir()] == [True]


def test_tensorflow_s_messages_come_without_tensorflow():
    code = ("import sys; from uffsurgeon import protobuf; kind = protobuf.graph_def_class(); print(kind.__module__);"
            "assert 'tensorflow' not in sys.modules and protobuf.graph_def_class() is kind")
    module = subprocess.check_output([sys.executable, "-c", code], universal_newlines=True).strip()
    installed = importlib.util.find_spec("tensorflow") is not None
    assert (module == "tensorflow.core.framework.graph_pb2") == installed


@pytest.mark.parametrize("content", [None, "", "raise TypeError('Descriptors cannot be created directly')"])
def test_another_tensorflow_is_passed_over(tmp_path, content):
    """An unimportable package, one of that name only, one made for another protobuf: the graph is read all the same."""
    package = tmp_path / "tensorflow"
    (package / "core" / "framework").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('broken')")
    if content is not None:
        for folder in ("core", "core/framework"):
            (package / folder / "__init__.py").write_text("")
        (package / "core" / "framework" / "graph_pb2.py").write_text(content)
    code = ("import sys; sys.path.insert(0, %r); from uffsurgeon import graphsurgeon as gs; print(len(gs.DynamicGraph(%r)),"
            "[name for name in sys.modules if name[:10] == 'tensorflow'])" % (str(tmp_path), MINI % "flatten"))
    assert subprocess.check_output([sys.executable, "-c", code]).split() == [b"121", b"[]"]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_cycle_is_found_if_there_is_one(data):
    count = data.draw(st.integers(1, 7))
    reads = {name: data.draw(st.lists(st.integers(0, count), max_size=2)) for name in range(count)}
    among = data.draw(st.none() | st.lists(st.integers(0, count)))

    def reached(start):
        found, todo = set(), [start]
        while todo:
            new = set(reads.get(todo.pop(), ())) - found
            found |= new
            todo += new
        return found

    loop = graphs.find_cycle(reads, among)
    assert bool(loop) == any(name in reached(name) for name in (reads if among is None else among))
    if loop:
        assert loop[0] == loop[-1] and len(set(loop)) == len(loop) - 1
        assert all(source in reads[name] for name, source in zip(loop, loop[1:]))
        assert among is None or set(loop) & set(among)
