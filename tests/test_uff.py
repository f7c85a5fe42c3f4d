"""uffsurgeon.uff against the files that NVIDIA's converter made, and against bad input."""
import glob
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uffsurgeon import graphsurgeon as gs
from uffsurgeon import protobuf, uff
from uffsurgeon.uff import converter, schema, tensorflow_ops
from uffsurgeon.uff.__main__ import main

FIXTURES = os.path.join(os.path.dirname(__file__), "fixtures", "uff")
OUTPUTS = ["dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"]

# NVIDIA's file is wrong here and says nothing. What ours must hold instead, or the words it raises.
WRITTEN_RIGHT = {
    "attr_list_s": ("strings as Python's repr, b'a'", "m", "q", ["a", "b"]),
    "attr_list_type": ("a list of dtypes as nothing", "m", "q", [0x20020, 0x10020]),
    "const_empty_2d": ("shape [0, 3] as [0]", "k", "shape", [0, 3]),
    "const_fill_int64": ("int64_val as nothing", "k", "values", np.ones((2, 3), np.int64)),
    "AddV2": ("AddV2 as a plugin, which no parser has", "y", "func", "add"),
    "mirrorpad": ("a string as Python's repr, b'REFLECT'", "y", "mode", "REFLECT"),
    "plug_dtype_bool": ("a dtype that UFF does not have as nothing", "m", "dtype", "bool"),
    "plug_dtype_str": ("a dtype that UFF does not have as nothing", "m", "dtype", "string"),
    "plug_many": ("a string as Python's repr, b'x'", "m", "c_u_str", "x"),
    "plug_str": ("a string as Python's repr, b'abc'", "m", "a_u_str", "abc"),
}
REFUSED = {
    "Add_with_3_inputs": ("the third operand is dropped", "'y' .Add. has 3 inputs"),
    "FusedBatchNormV3": ("any number of operands as a plugin's", "has 2 inputs, FusedBatchNormV3 takes 5"),
    "attr_func": ("a function attribute as nothing", "field type:func"),
    "const_fill_float64": ("double_val as nothing, dtype 7", "float64, which UFF cannot express"),
    "const_scalar_uint8": ("dtype 7", "uint8, which UFF cannot express"),
    "const_string": ("dtype 7", "strings, which UFF cannot express"),
    "const_vec_float64": ("dtype 7", "float64, which UFF cannot express"),
    "const_vec_uint8": ("dtype 7", "uint8, which UFF cannot express"),
    "custom_with__1_input": ("the outputs c:0 and c:1 as one", "reads 'c:1'"),
    "placeholder_bool": ("dtype 7", "bool, which UFF cannot express"),
    "variable": ("a variable as a plugin _VariableV2", "'v' is a variable"),
}
RAISES = {
    "attr_list_tensor": "field type:list of tensor",
    "attr_tensor_attr": "field type:tensor",
    "bias_nonconst": "'b' has op Placeholder",
    "const_string_vec": "strings, which UFF cannot express",
    "lrn_data_format_NHWC": "no attribute 'depth_radius'",
    "reduce_nonconst_axis": "'ax' has op Placeholder",
}
# Graphs that NVIDIA's converter refuses or writes wrong: {fixture: the UFF nodes that ours writes}
ALSO_CONVERTED = {
    "control_input_^nop_on_Relu": "Activation Input MarkOutput", "control_input_on_Softmax": "Softmax Input MarkOutput",
    "strided_slice_newaxis": "_StridedSlice Const Const Const Input MarkOutput",
}
OTHER_OUTPUTS = {
    "reshape_in_flatten_scope": ["flatten/y"], "reshape_leaf_named_flatten": ["flatten"],
    "tf.contrib_flatten": ["Flatten/flatten/Reshape"], "multi_outputs_dup": ["y", "y"],
    "strided_slice_newaxis": ["strided_slice"],
}


def names(folder, end):
    paths = glob.glob(os.path.join(FIXTURES, folder, "*" + end))
    return sorted(os.path.basename(path)[: -len(end)] for path in paths)


def path(*parts):
    return os.path.join(FIXTURES, *parts)


def expected(*parts):
    with open(path(*parts), "rb") as stream:
        return schema.MetaGraph.FromString(stream.read())


def converted(folder, name):
    data = uff.from_tensorflow_frozen_model(path(folder, name + ".pb"), OTHER_OUTPUTS.get(name, ["y"]))
    return schema.MetaGraph.FromString(data)


def node(meta, name):
    return next(node for node in meta.graphs[0].nodes if node.id == name)


def graph_of(*nodes):
    """A GraphDef of (op, name, inputs, attributes)."""
    graph = gs.DynamicGraph()
    for op, name, inputs, attributes in nodes:
        graph.append(gs.create_node(name, op, trt_plugin=True, inputs=inputs))
        for key, value in attributes.items():
            kind, value = value
            if kind == "list":
                graph[name].attr[key].list.i.extend(value)
            elif kind == "tensor":
                graph[name].attr[key].tensor.CopyFrom(
                    gs.create_node("t", trt_plugin=True, value=value).attr["value"].tensor)
            else:
                setattr(graph[name].attr[key], kind, value)
    return graph


def const(name, value):
    value = np.asarray(value)
    number = next(n for n, dtype in protobuf.NUMPY.items() if dtype == value.dtype)
    return "Const", name, [], {"dtype": ("type", number), "value": ("tensor", value)}


X = ("Placeholder", "x", [], {"dtype": ("type", 1)})


def convert(graph, outputs=("y",), **kwargs):
    return schema.read(uff.from_tensorflow(graph, list(outputs), **kwargs))


# Fixtures


def test_every_fixture_is_known():
    assert len(names("ops", ".uff")) > 90
    assert set(WRITTEN_RIGHT) | set(REFUSED) <= set(names("ops", ".uff"))
    assert set(names("raises", ".pb")) <= set(RAISES) | set(ALSO_CONVERTED)


@pytest.mark.parametrize("name", sorted(set(names("ops", ".uff")) - set(WRITTEN_RIGHT) - set(REFUSED) - set(ALSO_CONVERTED)))
@pytest.mark.filterwarnings("ignore:.*the Pad before it")
def test_op_equals_nvidia(name):
    assert converted("ops", name) == expected("ops", name + ".uff")


@pytest.mark.parametrize("name", sorted(WRITTEN_RIGHT))
def test_op_written_right(name):
    reason, node_id, key, value = WRITTEN_RIGHT[name]
    ours, theirs = converted("ops", name), expected("ops", name + ".uff")
    np.testing.assert_array_equal(schema.field(node(ours, node_id), key, ours), value)
    assert ours != theirs, "NVIDIA's file holds %s no more: the exception can go" % reason
    # nothing but that node's operation, its fields and its weights may differ
    for meta in (ours, theirs):
        node(meta, node_id).fields.clear()
        meta.referenced_data.clear()
        if name == "AddV2":
            node(meta, node_id).operation = ""
            del meta.descriptors[1:]
    assert ours == theirs


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_op_refused(name):
    with pytest.raises(uff.UffException, match=REFUSED[name][1]):
        converted("ops", name)


@pytest.mark.parametrize("name", sorted(ALSO_CONVERTED))
def test_op_that_only_ours_converts(name):
    folder = "ops" if name in names("ops", ".uff") else "raises"
    assert [each.operation for each in converted(folder, name).graphs[0].nodes] == ALSO_CONVERTED[name].split()


@pytest.mark.parametrize("name", sorted(RAISES))
def test_op_raises(name):
    with pytest.raises(uff.UffException, match=RAISES[name]):
        converted("raises", name)


def leaky_relus(graph):
    return {each.name: gs.create_plugin_node(each.name, op="LReLU_TRT", negSlope=each.attr["alpha"].f)
            for each in graph.find_nodes_by_op("LeakyRelu")}


def raw(graph):
    return OUTPUTS


def lrelu(graph):
    graph.collapse_namespaces(leaky_relus(graph))
    return OUTPUTS


def l2h(graph):
    """The two steps of l2_normalize that have no UFF op become helpers."""
    scope = "orientation/l2_normalize/"
    epsilon = graph[scope + "Maximum/y"].attr["value"].tensor.float_val[0]
    graph.collapse_namespaces(dict(leaky_relus(graph), **{
        scope + "Maximum": gs.create_plugin_node(
            scope + "Maximum", op="L2Norm_Helper_TRT", op_type=0, eps=epsilon),
        scope + "Rsqrt": gs.create_plugin_node(scope + "Rsqrt", op="L2Norm_Helper_TRT", op_type=1),
    }))
    return OUTPUTS


def l2rm(graph):
    """l2_normalize taken out; who reads the output normalises."""
    lrelu(graph)
    before = graph["orientation/l2_normalize"].input[0]
    graph.remove(graph.find_nodes_by_path("orientation/l2_normalize.*"))
    return [OUTPUTS[0], before, OUTPUTS[2]]


def l2col(graph):
    """l2_normalize as one plugin."""
    epsilon = graph["orientation/l2_normalize/Maximum/y"].attr["value"].tensor.float_val[0]
    graph.collapse_namespaces(dict(leaky_relus(graph), **{
        "orientation/l2_normalize": gs.create_plugin_node(
            "orientation/l2_normalize", op="L2Norm_TRT", axis=2, eps=epsilon)}))
    return OUTPUTS


@pytest.mark.parametrize("surgery", [raw, lrelu, l2h, l2rm, l2col])
@pytest.mark.parametrize("variant", ["flatten", "reshape"])
def test_article_network_equals_nvidia(variant, surgery, tmp_path):
    graph = gs.DynamicGraph(path("box3d_mini", variant + ".pb"))
    outputs = surgery(graph)
    data = uff.from_tensorflow(graph, outputs, output_filename=str(tmp_path / "x.uff"), text=True)
    stem = "%s.%s" % (variant, surgery.__name__)
    assert schema.MetaGraph.FromString(data) == expected("box3d_mini", stem + ".uff")
    assert (tmp_path / "x.uff").read_bytes() == data
    with open(path("box3d_mini", stem + ".pbtxt")) as stream:
        text = text_format.Parse(stream.read(), schema.MetaGraph())
    assert text_format.Parse((tmp_path / "x.pbtxt").read_text(), schema.MetaGraph()) == text


@pytest.mark.parametrize("variant, count, third", [
    ("flatten_m1", 119, "flatten_1/stack/0"), ("reshape_m1", 123, "reshape_2/Reshape/shape/2")])
def test_minus_one_stays_a_constant(variant, count, third):
    graph = gs.DynamicGraph(path("box3d_mini", variant + ".pb"))
    meta = convert(graph, lrelu(graph))
    assert len(meta.graphs[0].nodes) == count
    shape = third.rsplit("/", 1)[0] if variant == "reshape_m1" else "reshape_1/Reshape/shape"
    assert list(node(meta, shape).inputs)[2] == third
    assert schema.array(node(meta, third), meta) == -1


def test_the_outputs_are_found_without_being_named(capsys):
    uff.from_tensorflow_frozen_model(path("box3d_mini", "flatten.pb"))
    out = capsys.readouterr().out
    assert "=== Automatically deduced output nodes ===" in out
    assert out.index("Using output node orientation") < out.index("Using output node confidence")
    assert out.index("Using output node confidence") < out.index("Using output node dimension")


# Where ours goes further than NVIDIA's


def test_constants_in_every_form_of_storage():
    graph = graph_of(const("k", np.zeros(6, np.float16)), ("Identity", "y", ["k"], {}))
    tensor = graph["k"].attr["value"].tensor
    for dtype, key, numbers, values in [
        (19, "half_val", [0x3C00, 0x4000], [1, 2, 2, 2, 2, 2]), (9, "int64_val", [7], [7] * 6),
        (1, "float_val", [], [0] * 6), (6, "int_val", [-1, 2], [-1, 2, 2, 2, 2, 2]),
        (5, "tensor_content", b"\1\0" * 6, [1] * 6),
    ]:
        graph["k"].attr["dtype"].type = tensor.dtype = dtype
        for each in ("half_val", "int64_val", "float_val", "int_val", "tensor_content"):
            tensor.ClearField(each)
        if key == "tensor_content":
            tensor.tensor_content = numbers
        else:
            getattr(tensor, key).extend(numbers)
        meta = convert(graph)
        array = schema.array(node(meta, "k"), meta)
        assert array.dtype == protobuf.NUMPY[dtype]
        np.testing.assert_array_equal(array, values)


def test_values_that_do_not_fill_the_shape_are_refused(tmp_path):
    graph = graph_of(const("k", np.zeros(6, np.float32)), ("Identity", "y", ["k"], {}))
    graph["k"].attr["value"].tensor.tensor_content = b"12345678"
    with pytest.raises(uff.UffException, match="'k'.*needs 24 bytes of values and has 8"):
        uff.from_tensorflow(graph, ["y"], output_filename=str(tmp_path / "y.uff"))
    assert not list(tmp_path.iterdir())


def test_axes_stored_as_int64():
    graph = graph_of(X, const("axis", np.int64(2)), ("Sum", "y", ["x", "axis"], {}))
    tensor = graph["axis"].attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.int64_val.append(2)
    assert schema.field(node(convert(graph), "y"), "axes") == [2]


def test_pow_is_a_binary():
    graph = graph_of(X, const("k", np.float32(2)), ("Pow", "y", ["x", "k"], {}))
    meta = convert(graph)
    assert node(meta, "y").operation == "Binary" and schema.field(node(meta, "y"), "func") == "pow"


def test_a_bias_shared_by_two_layouts_keeps_both_shapes():
    graph = graph_of(X, const("b", np.ones(4, np.float32)),
                     ("BiasAdd", "m", ["x", "b"], {}),
                     ("BiasAdd", "y", ["m", "b"], {"data_format": ("s", b"NCHW")}))
    meta = convert(graph)
    shapes = [schema.field(node(meta, node(meta, name).inputs[1]), "shape") for name in "my"]
    assert shapes == [[4], [4, 1, 1]]


def test_a_pad_of_channels_is_not_lost():
    window = {"strides": ("list", [1, 1, 1, 1]), "padding": ("s", b"VALID")}
    for width, inputs in ((0, ["x", "w"]), (1, ["p", "w"])):
        pads = np.array([[0, 0], [1, 1], [1, 1], [width, width]], np.int32)
        graph = graph_of(X, const("pads", pads), ("Pad", "p", ["x", "pads"], {}),
                         const("w", np.ones((1, 1, 4, 4), np.float32)),
                         ("Conv2D", "y", ["p", "w"], window))
        assert list(node(convert(graph), "y").inputs) == inputs


def test_a_scope_called_unflatten_does_not_flatten():
    graph = graph_of(X, const("unflatten/shape", np.array([-1, 4, 4], np.int32)),
                     ("Reshape", "unflatten/y", ["x", "unflatten/shape"], {}))
    assert node(convert(graph, ["unflatten/y"]), "unflatten/y").operation == "Reshape"


def test_notes_of_tensorflow_that_uff_cannot_say_are_left_out():
    graph = graph_of(X, ("Mystery", "y", ["x"], {"a": ("i", 3)}))
    graph["y"].attr["_output_shapes"].list.shape.add()
    assert schema.fields(node(convert(graph), "y")) == {"a": 3}


def test_what_goes_in_is_not_changed():
    graph = graph_of(X, ("Mystery", "cond", [], {}), ("Assert", "a", ["cond"], {}),
                     ("Relu", "y", ["x", "^a"], {}))
    before = graph.as_graph_def().SerializeToString(deterministic=True)
    outputs = [2, "y"]
    with pytest.raises(uff.UffException):
        uff.from_tensorflow(graph, ["nothing"])
    uff.from_tensorflow(graph, ["y"], input_node=["x,,float32,1,4"])
    assert graph.as_graph_def().SerializeToString(deterministic=True) == before
    assert outputs == [2, "y"]


def test_an_assert_takes_its_condition_with_it():
    graph = graph_of(X, ("Mystery", "cond", [], {}), ("Assert", "a", ["cond"], {}),
                     ("Relu", "y", ["x", "^a"], {}))
    assert [each.id for each in convert(graph).graphs[0].nodes] == ["y", "x", "MarkOutput_0"]


# Bad input


@pytest.mark.parametrize("outputs, words", [
    (["orientation/l2_norm"], "was not found.*'orientation/l2_normalize'"),
    (["confidence/Softmax:1"], "was not found.*'confidence/Softmax'"),
    ([0], "Invalid node index: 0"), (["500"], "Invalid node index: 500"),
])
def test_unknown_outputs(outputs, words):
    with pytest.raises(uff.UffException, match=words):
        uff.from_tensorflow_frozen_model(path("box3d_mini", "flatten.pb"), outputs)


VALID = {"padding": ("s", b"VALID"), "strides": ("list", [1, 1, 1, 1]), "ksize": ("list", [1, 1, 1, 1])}


@pytest.mark.parametrize("nodes, words", [
    ([("Relu", "y", ["a"], {}), ("Relu", "a", ["y"], {})], "cycle: .*'y' reads 'a' reads 'y'|"
                                                           "cycle: .*'a' reads 'y' reads 'a'"),
    ([("Identity", "a", ["b"], {}), ("Identity", "b", ["a"], {}), X,
      ("Reshape", "y", ["x", "a"], {})], "cycle"),
    ([("Relu", "y", ["gone"], {})], "'y' .Relu. reads: no node 'gone'"),
    ([X, ("Mul", "y", ["x"], {})], "'y' .Mul. has 1 inputs.*removed"),
    ([X, ("Conv2D", "y", ["x", "x"], {"padding": ("s", b"EXPLICIT"),
      "strides": ("list", [1, 1, 1, 1])})], "Padding mode EXPLICIT"),
    ([X, ("MaxPool", "y", ["x"], {"padding": ("s", b"SAME"), "strides": ("list", [1, 1, 1, 2]),
      "ksize": ("list", [1, 1, 1, 2])})], "over height and width only"),
    ([X, ("FusedBatchNorm", "y", ["x"] * 5, {"epsilon": ("f", 1e-3)})], "'y' .FusedBatchNorm. is in training mode"),
    ([X, ("Softmax", "y", ["x"], {"data_format": ("s", b"NCDHW")})], "data_format NCDHW"),
    ([X, const("k", np.zeros(2, np.int32)), ("ExpandDims", "y", ["x", "k"], {})], "one number"),
    ([X, ("ArgMax", "y", ["x", "x"], {})], "ArgMax Axis node has op Placeholder, expected Const"),
    ([("Const", "y", [], {})], "'y' .Const. has no attribute 'value'"),
    ([("Const", "y", [], {"value": ("i", 3)})], "'y' .Const. has no attribute 'value' of type tensor, but one of type i"),
    ([X, ("Pack", "y", ["x"], {"axis": ("list", [1])})], "no attribute 'axis' of type i, but one of type list"),
    ([X, const("k", np.zeros(2, np.float32)), ("Transpose", "y", ["x", "k"], {})], "'k' should be integers for 'y'"),
    ([X, const("k", np.zeros(2, np.float32)), ("Sum", "y", ["x", "k"], {})], "'k' should be integers for 'y'"),
    ([X, ("Pad", "p", ["x"], {}), ("AvgPool", "y", ["p"], VALID)], "'p' .Pad. has 1 inputs"),
    ([X, ("Pad", "p", ["x", "gone"], {}), ("AvgPool", "y", ["p"], VALID)], "'p' .Pad. reads: no node 'gone'"),
    ([X, const("k", np.zeros(2, np.float32)), ("DepthwiseConv2dNative", "y", ["x", "k"], VALID)], "kernel of shape .2."),
    ([X, const("k", np.zeros((1, 2), np.int32)), ("Conv2D", "y", ["x", "x", "k", "k", "k"], VALID)], "height and width"),
    ([X, ("Conv2D", "c", [], {}), ("BatchToSpaceND", "y", ["c"], {})], "'c' .Conv2D. has 0 inputs"),
])
def test_graphs_that_uff_cannot_say(nodes, words):
    with pytest.raises(uff.UffException, match=words):
        uff.from_tensorflow(graph_of(*nodes), ["y"])


def test_an_argument_that_does_not_exist_is_told():
    with pytest.raises(TypeError, match="outputs"):
        uff.from_tensorflow(graph_of(X), outputs=["x"])


@pytest.mark.parametrize("data, words", [
    (b"", "an empty file"), (b"no graph at all", "x.pb is not a frozen graph .*but text"),
    (b"\x08\x01\x10\x01", "but a .uff"), (b"\xffno graph at all", "not a GraphDef|cut off"),
    (b"\x22\x02\x08\x1b", "holds no nodes"),
])
def test_files_that_are_no_graph(tmp_path, data, words):
    (tmp_path / "x.pb").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        uff.from_tensorflow_frozen_model(str(tmp_path / "x.pb"))


def test_truncated_graph_and_missing_file(tmp_path):
    with open(path("box3d_mini", "flatten.pb"), "rb") as stream:
        (tmp_path / "x.pb").write_bytes(stream.read()[:100000])
    with pytest.raises(ValueError, match="x.pb is cut off.*byte [0-9]+"):
        uff.from_tensorflow_frozen_model(str(tmp_path / "x.pb"))
    with pytest.raises(FileNotFoundError):
        uff.from_tensorflow_frozen_model(str(tmp_path / "y.pb"))


def mini():
    return expected("box3d_mini", "flatten.lrelu.uff")


def broken_reference(meta):
    node(meta, "dense_1/bias").fields["values"].ref = "weights_gone"


def missing_reference(meta):
    del meta.referenced_data["orders_N+C"]


def short_blob(meta):
    meta.referenced_data["weights_dense_1/bias"].blob = b"1234"


def missing_input(meta):
    node(meta, "dense_1/MatMul").inputs[0] = "gone"


def shape_of_no_numbers(meta):
    node(meta, "dense_1/bias").fields["shape"].s = "16"


def no_such_operation(meta):
    node(meta, "dense_1/MatMul").operation = "Gemm"


def one_input_too_few(meta):
    del node(meta, "dense_1/MatMul").inputs[1]


def a_field_is_missing(meta):
    del node(meta, "block1_pool/MaxPool").fields["kernel"]


def a_field_too_many(meta):
    node(meta, "block1_pool/MaxPool").fields["ksize"].i = 2


@pytest.mark.parametrize("damage, words", [
    (broken_reference, "'dense_1/bias' refers to 'weights_gone'"),
    (missing_reference, "refers to 'orders_N.C'"), (missing_input, "'dense_1/MatMul'.*reads 'gone'"),
    (short_blob, r"'dense_1/bias' is float32 \[16\] and needs 64 bytes of values, the UFF holds 4"),
    (shape_of_no_numbers, "'dense_1/bias' .Const.: field 'shape' holds s and not i_list"),
    (no_such_operation, "'dense_1/MatMul' .Gemm.: no such operation"),
    (one_input_too_few, "'dense_1/MatMul' .FullyConnected. has 1 inputs, expected: 2"),
    (a_field_is_missing, "'block1_pool/MaxPool' .Pool. has no field 'kernel'"),
    (a_field_too_many, "'block1_pool/MaxPool' .Pool.: field ksize unknown"),
])
def test_damaged_uff(damage, words, tmp_path):
    meta = mini()
    damage(meta)
    (tmp_path / "x.uff").write_bytes(meta.SerializeToString())
    with pytest.raises(uff.UffException, match=words):
        schema.read(str(tmp_path / "x.uff"))


def test_truncated_and_wrong_uff(tmp_path):
    data = mini().SerializeToString()
    (tmp_path / "x.uff").write_bytes(data[:-1])
    with pytest.raises(uff.UffException, match="cut off"):
        schema.read(str(tmp_path / "x.uff"))
    with pytest.raises(uff.UffException, match="flatten.pb is not a .uff, but a TensorFlow graph .*to-uff"):
        schema.read(path("box3d_mini", "flatten.pb"))
    with pytest.raises(FileNotFoundError):
        schema.read(str(tmp_path / "y.uff"))


def test_fields_are_read_as_python():
    meta = mini()
    conv = node(meta, "block1_conv1/convolution")
    assert schema.field(conv, "strides") == [1, 1]
    assert schema.field(conv, "padding", default=None) is None
    assert schema.orders(conv, meta) == [[0, 2, 2147483647, 1], [2, 2147483647, 1, 0]]
    assert schema.array(node(meta, "block1_conv1/kernel"), meta).shape == (3, 3, 3, 4)
    with pytest.raises(uff.UffException, match="no field 'stride', only .*'strides'"):
        schema.field(conv, "stride")


def test_write_reads_back(tmp_path):
    schema.write(mini(), tmp_path / "x.uff")
    assert schema.read(tmp_path / "x.uff") == mini()


FUZZ = settings(deadline=None, max_examples=150,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
SOURCES = [path("ops", "conv2d_NHWC_SAME"), path("ops", "plug_many"), path("ops", "l2_normalize")]


def check_reader(data, folder):
    (folder / "x").write_bytes(data)
    for source in (str(folder / "x"), data):
        try:
            meta = schema.read(source)
        except uff.UffException as error:
            assert len(str(error)) > 20
        else:
            for each in meta.graphs[0].nodes:
                if each.operation != "Const":
                    schema.fields(each, meta)
            schema.text(meta)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = uff.from_tensorflow_frozen_model(str(folder / "x"), quiet=True)
    except ValueError as error:
        assert len(str(error)) > 10
    else:
        schema.read(data)


@FUZZ
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data, tmp_path):
    check_reader(data, tmp_path)


@FUZZ
@given(source=st.sampled_from(SOURCES), end=st.sampled_from([".pb", ".uff"]), data=st.data())
def test_any_damage_is_read_or_refused(source, end, data, tmp_path):
    with open(source + end, "rb") as stream:
        content = bytearray(stream.read())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not content:
            break
    check_reader(bytes(content), tmp_path)


ATTRIBUTES = {
    "list": st.lists(st.integers(-2, 9), max_size=5), "i": st.integers(-2, 9), "b": st.booleans(),
    "s": st.sampled_from([b"SAME", b"VALID", b"NCHW", b"NHWC", b"\xff", b""]),
    "type": st.sampled_from([0, 1, 3, 7, 9, 10, 19]), "f": st.floats(),
    "tensor": st.sampled_from([np.zeros((), np.int32), np.ones((4, 2), np.int32), np.zeros((3, 3, 2, 5), np.float32),
                               np.zeros(0, np.float16), np.array([True])]),
}
KEYS = ("value dtype shape strides ksize padding dilations data_format axis alpha beta bias epsilon keep_dims "
        "depth_radius transpose_a squeeze_dims begin_mask new_axis_mask Tindices Tparams batch_dims odd").split()
RIGHT = {"strides": ("list", [1, 2, 2, 1]), "ksize": ("list", [1, 2, 2, 1]), "padding": ("s", b"VALID"),
         "dtype": ("type", 1), "Tindices": ("type", 3), "Tparams": ("type", 1)}


@FUZZ
@given(data=st.data())
def test_any_graph_is_converted_or_refused(data):
    count, nodes = data.draw(st.integers(1, 8)), []
    ops = sorted(tensorflow_ops.OPERATIONS) + ["Const", "Placeholder", "Const", "Mystery", "LeakyRelu"]
    for index in range(count):
        inputs = ["%s%d" % (scope, at) for scope, at in data.draw(st.lists(st.tuples(
            st.sampled_from(["flatten/n", "^flatten/n"] if index % 5 == 4 else ["flatten/n"]),
            st.integers(0, max(index - 1, 0) if index % 4 else count)), max_size=5))]
        attributes = {} if data.draw(st.booleans()) else dict(RIGHT)
        for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=4)):
            kind = data.draw(st.sampled_from(sorted(ATTRIBUTES)))
            attributes[key] = kind, data.draw(ATTRIBUTES[kind])
        nodes.append((data.draw(st.sampled_from(ops)), "flatten/n%d" % index, inputs, attributes))
    graph = graph_of(*nodes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = uff.from_tensorflow(graph, ["flatten/n%d" % (count - 1)], quiet=True)
    except ValueError as error:
        assert len(str(error)) > 10
    else:
        schema.text(schema.read(result))


# Command line


def test_command_line_writes_what_the_function_returns(tmp_path, capsys):
    arguments = [path("box3d_mini", "reshape.pb"), "-o", str(tmp_path / "net.uff"), "-t"]
    for name in OUTPUTS:
        arguments += ["-O", name]
    assert main(arguments) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Loading " + arguments[0]
    assert "Using output node dimension/LeakyRelu" in out
    assert "Using input node input_1" in out
    assert "No. nodes: 123" in out
    assert out[-2] == "UFF Output written to %s" % (tmp_path / "net.uff")
    assert out[-1] == "UFF Text Output written to %s" % (tmp_path / "net.pbtxt")
    assert schema.read(tmp_path / "net.uff") == expected("box3d_mini", "reshape.raw.uff")


def test_command_line_lists_and_says_errors(tmp_path, capsys):
    assert main([path("ops", "concat.pb"), "-l", "-q"]) == 0
    assert '4 ConcatV2: "y"' in capsys.readouterr().out.splitlines()
    assert main([path("ops", "concat.pb"), "-O", "z", "-o", str(tmp_path / "z.uff")]) == 1
    assert "error: z was not found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_preprocessor_input_node_and_numbers(tmp_path, capsys):
    (tmp_path / "surgeon.py").write_text(
        "import uffsurgeon.graphsurgeon as gs\n"
        "def preprocess(graph):\n"
        "    graph.collapse_namespaces({'y': gs.create_plugin_node('y', op='Mine', a=2)})\n")
    assert main([path("ops", "un_Relu.pb"), "-q", "-O", "-1", "-o", str(tmp_path / "y"),
                 "-p", str(tmp_path / "surgeon.py"), "-I", "x,pixels,int32,-1,4"]) == 0
    meta = schema.read(tmp_path / "y.uff")
    assert [each.operation for each in meta.graphs[0].nodes] == ["_Mine", "Input", "MarkOutput"]
    assert schema.fields(node(meta, "pixels")) == {"dtype": 0x10020, "shape": [-1, 4]}
    assert list(node(meta, "y").inputs) == ["pixels"]


def test_preprocessor_without_its_function(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(AttributeError, match="no function preprocess"):
        uff.from_tensorflow_frozen_model(path("ops", "un_Relu.pb"), preprocessor=tmp_path / "empty.py")


def test_a_file_is_converted_without_importing_tensorflow(tmp_path):
    code = ("import sys; from uffsurgeon.uff.__main__ import main; code = main(sys.argv[1:]);"
            "assert 'tensorflow' not in sys.modules; sys.exit(code)")
    subprocess.check_call([sys.executable, "-c", code, path("ops", "un_Relu.pb"),
                           "-o", str(tmp_path / "y.uff")])
    assert schema.read(tmp_path / "y.uff") == expected("ops", "un_Relu.uff")


def test_nvidia_s_sixty_nine_operations_and_a_few():
    more = tensorflow_ops.PASSES_ON | {"AddV2", "FusedBatchNormV2", "FusedBatchNormV3"}
    assert len(tensorflow_ops.OPERATIONS) == 69 + len(more) and more <= set(tensorflow_ops.OPERATIONS)


@pytest.mark.parametrize("name", names("ops", ".uff") + names("box3d_mini", ".uff"))
def test_nvidia_s_own_files_are_sound(name):
    folder = "ops" if os.path.exists(path("ops", name + ".uff")) else "box3d_mini"
    meta = schema.read(path(folder, name + ".uff"))
    assert schema.MetaGraph.FromString(b"".join(schema.parts(meta))) == meta


def test_graph_info():
    data, inputs, outputs = uff.from_tensorflow_frozen_model(
        path("ops", "concat.pb"), ["y"], return_graph_info=True)
    assert [each.name for each in inputs] == ["x", "x2"] and outputs[0].name == "y"
    assert converter.__version__ == "0.6.3" and len(data) > 100
