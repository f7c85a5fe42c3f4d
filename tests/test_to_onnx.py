"""uffsurgeon.to_onnx on the stored .uff files, of plugins, precisions, wrong input; with TensorRT for RTX.

tests/test_to_onnx_graphs.py goes through the operations one by one.
"""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

import uffsurgeon.__main__
from helpers import freeze, network, process
from uffsurgeon import to_onnx, uff
from uffsurgeon.to_onnx.nodes import OPERATIONS
from uffsurgeon.uff import schema

tf = tensorflow.compat.v1
ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "uff"
MINI = sorted((FIXTURES / "box3d_mini").glob("*.uff"))
OPS = sorted((FIXTURES / "ops").glob("*.uff"))
BOTH_FORMS = ("function", "inline") if to_onnx.CAN_WRITE_FUNCTIONS else ("inline",)
needs_functions = pytest.mark.skipif(not to_onnx.CAN_WRITE_FUNCTIONS, reason="onnx before 1.10")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def computed(graph, outputs, feeds):
    """What TensorFlow computes from a GraphDef, or from the .pb at a path."""
    data = graph.read_bytes() if isinstance(graph, Path) else graph.SerializeToString()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.GraphDef.FromString(data), name="")
        with tf.Session(graph=graph) as session:
            return session.run([name + ":0" for name in outputs], {k + ":0": v for k, v in feeds.items()})


def sound(path):
    """The MetaGraph of a file, in which an L2Norm_TRT reads the vectors alone: collapsing gave it the axis constant, too."""
    meta = schema.read(path)
    for node in meta.graphs[0].nodes:
        if node.operation == "_L2Norm_TRT":
            del node.inputs[1:]
    return meta


def random_feeds(model, batch=3, seed=0):
    """{input: random array}, an open size being `batch`."""
    random, feeds = np.random.RandomState(seed), {}
    for info in model.graph.input:
        shape = [dim.dim_value or batch for dim in info.type.tensor_type.shape.dim]
        dtype = {1: "f4", 10: "f2", 3: "i1", 5: "i2", 6: "i4", 7: "i8"}[info.type.tensor_type.elem_type]
        values = random.randn(*shape) if dtype[0] == "f" else random.randint(0, 3, shape)
        feeds[info.name] = values.astype(dtype)
    return feeds


def output_names(model):
    return [info.name for info in model.graph.output]


def error(got, wanted):
    """Largest difference, relative to the largest element."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    if not got.size:
        return 0
    difference = np.abs(got.astype("f8") - wanted.astype("f8")).max()
    assert np.isfinite(difference)
    return difference / max(np.abs(wanted.astype("f8")).max(), 1e-30)


def check(model):
    if onnx.__version__ < "1.8.2" and len(onnx.__version__) == 5:
        onnx.checker.check_model(model)
    else:
        onnx.checker.check_model(model, full_check=True)


def operators(model):
    return [node.op_type for node in model.graph.node]


def initializers(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def attributes(node):
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


# The article's network, small, as NVIDIA's converter wrote it


@pytest.mark.parametrize("path", MINI, ids=lambda path: path.stem)
@pytest.mark.parametrize("plugins", BOTH_FORMS)
def test_mini_network_agrees_with_tensorflow(path, plugins):
    model = to_onnx.convert(sound(path), plugins=plugins)
    check(model)
    feeds = random_feeds(model)
    names = output_names(model)
    assert list(feeds) == ["input_1"] and feeds["input_1"].shape == (3, 32, 32, 3)
    assert names[0] == "dimension/LeakyRelu" and names[2] == "confidence/Softmax"
    wanted = computed(path.parent / (path.name.split(".")[0] + ".pb"), names, feeds)
    for got, want in zip(run(model, feeds), wanted):
        assert error(got, want) < 1e-4


@pytest.mark.parametrize("path", MINI, ids=lambda path: path.stem)
def test_mini_network_keeps_its_convolutions_free_of_transposes(path):
    names = operators(to_onnx.convert(sound(path)))
    assert names.count("Transpose") == 2 and names[0] == "Transpose"  # the other: before Flatten or Reshape
    assert names[names.index("Transpose", 1) + 1] in ("Flatten", "Reshape")
    assert "Shape" not in names and names.count("LeakyRelu") == 5


def test_a_fixed_batch():
    model, dynamic = to_onnx.convert(MINI[1], batch=2), to_onnx.convert(MINI[1])
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [2, 32, 32, 3]
    feeds = random_feeds(dynamic, 2)
    for got, want in zip(run(model, feeds), run(dynamic, feeds)):
        assert error(got, want) < 1e-6


def test_every_layer_can_be_looked_at():
    path = FIXTURES / "box3d_mini" / "reshape.raw.uff"
    meta = schema.read(path)
    names = [node.id for node in meta.graphs[0].nodes if node.operation not in ("Const", "MarkOutput")]
    model = to_onnx.convert(meta, outputs=names)
    assert output_names(model) == names
    feeds = random_feeds(model)
    wanted = computed(path.parent / "reshape.pb", names, feeds)
    for name, got, want in zip(names, run(model, feeds), wanted):
        assert error(got, want) < 1e-4, name


def test_weights_are_written_once():
    model = to_onnx.convert(MINI[1])
    kernels = [tensor for tensor in model.graph.initializer if tensor.name.endswith("/kernel")]
    assert len(kernels) == 19
    arrays = initializers(model)
    node = next(n for n in schema.read(MINI[1]).graphs[0].nodes if n.id == "block2_conv1/kernel")
    stored = schema.array(node, schema.read(MINI[1]))
    np.testing.assert_array_equal(arrays["block2_conv1/kernel"], stored.transpose(3, 2, 0, 1))


def test_the_replay_flattens_channels_first():
    """What NumPy makes of the last feature maps [N, 7, 7, 8]; and no fault where the network says Reshape."""
    images = np.random.RandomState(0).uniform(-120, 150, (2,) + network.INPUT_SHAPE).astype("f4")
    outputs = ["dense_1/BiasAdd"] + list(network.OUTPUTS)
    for flat in ("flatten", "reshape"):
        model, random = network.build(flat, width=64), np.random.RandomState(0)
        model.set_weights([random.standard_normal(array.shape) * np.sqrt(2 / np.prod(array.shape[:-1]))
                           for array in model.get_weights()])  # Keras's own may leave every ReLU at 0
        frozen = freeze.freeze(model)
        data = uff.from_tensorflow(frozen, list(network.OUTPUTS), quiet=True)
        plain, replay = [to_onnx.convert(data, outputs=outputs, flatten_as=order) for order in ("nhwc", "nchw")]
        pooled, *wanted = computed(frozen, ["block5_pool/MaxPool"] + outputs, {network.INPUT: images})
        right, got = run(plain, {network.INPUT: images}), run(replay, {network.INPUT: images})
        assert all(error(a, b) < 1e-4 for a, b in zip(right, wanted))
        if flat == "reshape":
            assert replay.SerializeToString() == plain.SerializeToString()
            continue
        assert not plain.doc_string and "wrong on purpose" in replay.doc_string
        arrays = initializers(replay)
        wrong = pooled.transpose(0, 3, 1, 2).reshape(len(pooled), -1)
        wrong = wrong.dot(arrays["dense_1/kernel"]) + arrays["dense_1/bias"]
        assert error(got[0], wrong) < 1e-4 and error(got[0], right[0]) > 0.05
        assert all(a.shape == b.shape for a, b in zip(got, right))


def test_equal_input_gives_equal_bytes(tmp_path):
    command = ("import sys; from uffsurgeon import to_onnx; "
               "to_onnx.convert(sys.argv[1], sys.argv[2], precision='fp16')")
    found = set()
    for seed in ("1", "2"):
        path = tmp_path / (seed + ".onnx")
        subprocess.run([sys.executable, "-c", command, str(MINI[1]), str(path)], check=True,
                       cwd=str(ROOT), env=dict(os.environ, PYTHONHASHSEED=seed))
        found.add(path.read_bytes())
    found.add(to_onnx.convert(MINI[1].read_bytes(), precision="fp16").SerializeToString(deterministic=True))
    assert len(found) == 1


# NVIDIA's files for single operations. Every fixture is in exactly one of these.

PLUGINS = set("attr_bool_b attr_func attr_list_b attr_list_s attr_list_type attr_shape_unknown_rank "
              "custom_with_0_inputs custom_with__1_input plug_dtype plug_dtype_bool plug_dtype_str "
              "plug_empty_list plug_float plug_ilist plug_int_big plug_many plug_none plug_str".split())
REFUSED = {
    "FusedBatchNormV3": "expected 5 inputs, found 2", "Gather_op": "indices 'x2' are float32",
    "const_fill_float64": "dtype 7", "const_scalar_uint8": "dtype 7", "const_string": "dtype 7",
    "const_vec_float64": "dtype 7", "const_vec_uint8": "dtype 7", "placeholder_bool": "dtype 7",
    "variable": "freeze the graph"}
LOST_BY_NVIDIA = {"const_empty_2d", "const_fill_int64"}  # written with the shape [0]
# Graphs made by hand that lack what TensorFlow needs to run them: what they mean, in NumPy.
IN_NUMPY = {
    "AddV2": lambda x, x2: x + x2, "Add_with_3_inputs": lambda x, x2: x + x2,
    "ConcatV2_with_axis_attr": lambda x, x2: np.concatenate([x, x2], 1), "Negative_op": lambda x: -x,
    "MarkOutput_0_name_clash": lambda x: np.maximum(x, 0), "no_placeholder": lambda: np.zeros(1, "f4"),
    "process_softmax_axis2": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "process_softmax_handmade_ok": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "reduce_axis_via_k_0": lambda x: x.sum(1)}
# The converter folds what follows into this node.
FETCHED = {"dilated_keras-like_convolution": "y/BatchToSpaceND", "dilated_via_tf.nn.atrous_conv2d": "y/BatchToSpaceND"}
DOMAINS = {"un_Log": np.abs, "un_Sqrt": np.abs, "un_Acos": np.tanh, "un_Atanh": np.tanh}


def meant(path):
    return path.stem not in PLUGINS | set(REFUSED) | LOST_BY_NVIDIA


def test_no_fixture_is_left_out():
    names = {path.stem for path in OPS}
    special = [PLUGINS, set(REFUSED), LOST_BY_NVIDIA, set(IN_NUMPY), set(FETCHED), set(DOMAINS)]
    assert len(names) == 111 and all(group <= names for group in special)
    assert sum(map(len, special)) == len(set().union(*special))


@pytest.mark.parametrize("path", [path for path in OPS if meant(path)], ids=lambda path: path.stem)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_operation_agrees_with_tensorflow(path, precision):
    model = to_onnx.convert(path, precision=precision)
    check(model)
    feeds = random_feeds(model)
    if path.stem in DOMAINS:
        feeds = {name: DOMAINS[path.stem](values).astype("f4") for name, values in feeds.items()}
    if path.stem in IN_NUMPY:
        wanted = [IN_NUMPY[path.stem](**feeds)]
    else:
        names = [FETCHED.get(path.stem, name) for name in output_names(model)]
        if path.stem == "placeholder_float16" and precision == "fp16":
            feeds = {name: values.astype("f2") for name, values in feeds.items()}
        try:
            wanted = computed(path.with_suffix(".pb"), names, feeds)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as reason:
            if "NHWC" not in str(reason):
                raise
            pytest.skip("this TensorFlow has no NCHW convolution on the CPU")
        if path.stem == "placeholder_float16" and precision == "fp16":
            feeds = {name: values.astype("f4") for name, values in feeds.items()}
            wanted = [each.astype("f4") for each in wanted]
    for got, want in zip(run(model, feeds), wanted):
        assert error(got, want) < (1e-4 if precision == "fp32" else 3e-3)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_a_file_cannot_mean_is_refused(name):
    with pytest.raises(ValueError, match=REFUSED[name]):
        to_onnx.convert(FIXTURES / "ops" / (name + ".uff"))


@pytest.mark.parametrize("name", sorted(LOST_BY_NVIDIA))
def test_a_constant_that_the_file_has_lost_stays_empty(name):
    model = to_onnx.convert(FIXTURES / "ops" / (name + ".uff"))
    assert run(model, {})[0].shape == (0,)


# Plugins


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_an_unknown_operation_becomes_a_node_for_a_plugin(name):
    meta = schema.read(FIXTURES / "ops" / (name + ".uff"))
    model = to_onnx.convert(meta)
    kept = [node for node in model.graph.node if node.domain == to_onnx.DOMAIN]
    custom = [node for node in meta.graphs[0].nodes if node.operation.startswith("_")]
    assert sorted("_" + node.op_type for node in kept) == sorted(node.operation for node in custom)
    assert {each.domain for each in model.opset_import} == {"", to_onnx.DOMAIN}


def test_a_plugin_gets_its_fields_as_its_creator_knows_them():
    model = to_onnx.convert(FIXTURES / "ops" / "plug_many.uff")
    assert model.graph.node[0].op_type == "Foo_TRT"
    assert attributes(model.graph.node[0]) == {"a": 1, "b": 2.0, "c": b"x", "d": [1, 2]}


def test_fields_of_every_kind_reach_a_plugin():
    meta = schema.read(FIXTURES / "ops" / "plug_many.uff")
    node = next(node for node in meta.graphs[0].nodes if node.operation == "_Foo_TRT")
    node.fields["type"].dtype = 0x10020
    node.fields["types"].dtype_list.val.extend([0x20020, 0x10040])
    node.fields["flags"].b_list.val.extend([True, False])
    node.fields["orders"].dim_orders_list.val.add().orders[-1].val.extend([0, 1])  # nothing that ONNX could say
    found = attributes(to_onnx.convert(meta).graph.node[0])
    assert (found["type"], found["types"], found["flags"]) == (6, [1, 7], [1, 0])  # ONNX's numbers of the types
    assert "orders" not in found


@needs_functions
def test_the_l2_plugin_carries_a_body():
    meta = sound(FIXTURES / "box3d_mini" / "reshape.l2col.uff")
    model = to_onnx.convert(meta)
    assert [(f.domain, f.name, list(f.attribute)) for f in model.functions] == [("box3d", "L2Norm_TRT", ["axis", "eps"])]
    node = next(node for node in model.graph.node if node.domain)
    assert node.op_type == "L2Norm_TRT" and len(node.input) == 1 and sorted(attributes(node)) == ["axis", "eps"]
    assert attributes(node)["eps"] == pytest.approx(1e-12)
    alone = to_onnx.convert(meta, plugins="node")
    assert operators(alone) == operators(model) and not alone.functions
    node = next(node for node in alone.graph.node if node.domain)
    assert attributes(node)["explicit_batch"] == 1  # by which the plugin knows an ONNX network before TensorRT 10


def test_the_plugin_of_the_article_becomes_plain_onnx():
    """L2Norm_Helper_TRT, in .uff files that were made by the article of 2019; as does L2Norm_TRT with "inline"."""
    for plugins in (None, "inline", "node"):
        model = to_onnx.convert(FIXTURES / "box3d_mini" / "reshape.l2h.uff", plugins=plugins)
        names = operators(model)
        assert names[names.index("ReduceSum"):][:4] == ["ReduceSum", "Max", "Sqrt", "Reciprocal"]
        assert [each.domain for each in model.opset_import] == [""]


@pytest.mark.parametrize("flat", ["flatten", "reshape"])
def test_a_second_input_of_a_plugin_is_refused(flat):
    """As the plugin itself refuses it: the axis constant that NVIDIA's collapse_namespaces left as an input."""
    with pytest.raises(schema.UffException, match="l2_normalize'.*/shape/2', and the plugin takes 1 input"):
        to_onnx.convert(FIXTURES / "box3d_mini" / (flat + ".l2col.uff"))


def test_a_plugin_is_given_the_layout_of_its_axis():
    """Between convolutions too: the plugin normalises along the last axis, as TensorFlow counts."""
    model = to_onnx.convert(l2_uff("plugin", (-1, 6, 4, 2)), plugins="node")
    assert operators(model) == ["Transpose", "Conv", "Transpose", "L2Norm_TRT"]
    assert attributes(model.graph.node[-1])["axis"] == [3]
    inline = to_onnx.convert(l2_uff("plugin", (-1, 6, 4, 2)), plugins="inline")
    assert operators(inline)[1:3] == ["Conv", "Mul"] and operators(inline)[-1] == "Transpose"


def test_inline_leaves_plain_onnx():
    model = to_onnx.convert(sound(FIXTURES / "box3d_mini" / "reshape.l2col.uff"), plugins="inline")
    assert not any(node.domain for node in model.graph.node)
    assert [each.domain for each in model.opset_import] == [""]


def l2_uff(form, shape=(-1, 6, 2)):
    """A .uff that normalises an input `x` along axis 2, after a dense layer that leaves it as it is."""
    meta = schema.MetaGraph(version=1, descriptor_core_version=1)
    graph = meta.graphs.add(id="main")

    def node(name, operation, *inputs):
        return graph.nodes.add(id=name, operation=operation, inputs=inputs)

    x = node("x", "Input")
    x.fields["dtype"].dtype = 0x20020
    x.fields["shape"].i_list.val.extend(shape)
    eye = node("eye", "Const")
    eye.fields["dtype"].dtype = 0x20020
    eye.fields["shape"].i_list.val.extend([1, 1, shape[-1], shape[-1]])
    eye.fields["values"].ref = "weights_eye"
    meta.referenced_data["weights_eye"].blob = np.eye(shape[-1], dtype="<f4").tobytes()
    node("conv", "Conv", "x", "eye").fields["inputs_orders"].ref = "orders"
    for axes in (schema.ORDERS["N+C"], schema.ORDERS["+CK"]):
        meta.referenced_data["orders"].dim_orders_list.val.add().orders[-1].val.extend(axes)
    if form == "plugin":
        y = node("y", "_L2Norm_TRT", "conv")
        y.fields["axis_u_int"].i = 3
        y.fields["eps_u_float"].d = 1e-12
    else:
        node("square", "Unary", "conv").fields["func"].s = "square"
        total = node("sum", "Reduce", "square")
        total.fields["func"].s, total.fields["keepdims"].b = "sum", True
        total.fields["axes"].i_list.val.append(3)
        if form == "helper":
            floor = node("max", "_L2Norm_Helper_TRT", "sum")
            floor.fields["op_type_u_int"].i, floor.fields["eps_u_float"].d = 0, 1e-12
            node("inverse", "_L2Norm_Helper_TRT", "max").fields["op_type_u_int"].i = 1
        else:
            eps = node("eps", "Const")
            eps.fields["dtype"].dtype = 0x20020
            eps.fields["shape"].i_list.SetInParent()
            eps.fields["values"].ref = "weights_eps"
            meta.referenced_data["weights_eps"].blob = np.float32(1e-12).tobytes()
            node("max", "Binary", "sum", "eps").fields["func"].s = "max"
            node("inverse", "Unary", "max").fields["func"].s = "rsqrt"
        node("y", "Binary", "conv", "inverse").fields["func"].s = "mul"
    node("MarkOutput_0", "MarkOutput", "y")
    return meta


@pytest.mark.parametrize("plugins", BOTH_FORMS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("form", ["plugin", "helper", "plain"])
def test_normalisation_over_the_whole_range(form, precision, plugins):
    """Zero vectors, whose eps of 1e-12 float16 does not have, and vectors whose square it does not have."""
    model = to_onnx.convert(l2_uff(form, (-1, 6, 4, 2)), precision=precision, plugins=plugins)
    check(model)
    lengths = np.array([0, 1e-4, 0.01, 1, 300, 30000]).reshape(1, 6, 1, 1)
    x = (np.random.RandomState(0).uniform(0.5, 1, (2, 6, 4, 2)) * lengths).astype("f4")
    used = x.astype("f2").astype("f8") if precision == "fp16" else x.astype("f8")
    wanted = used / np.sqrt(np.maximum((used * used).sum(-1, keepdims=True), 1e-12))
    np.testing.assert_allclose(run(model, {"x": x})[0], wanted, atol=1e-6 if precision == "fp32" else 1e-3)


# Half precision


def test_half_precision_keeps_weights_half_and_borders_whole():
    path = FIXTURES / "box3d_mini" / "reshape.lrelu.uff"
    model = to_onnx.convert(path, precision="fp16")
    arrays = initializers(model)
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 19 and all(arrays[name].dtype == np.float16 for node in layers for name in node.input[1:])
    kinds = {info.type.tensor_type.elem_type for info in list(model.graph.input) + list(model.graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    feeds = random_feeds(model)
    wanted = run(to_onnx.convert(path), feeds)
    for got, want in zip(run(model, feeds), wanted):
        assert error(got, want) < 5e-3


def test_a_weight_beyond_float16_is_refused():
    meta = l2_uff("plugin", (-1, 6, 4, 2))
    meta.referenced_data["weights_eye"].blob = (np.eye(2) * 70000).astype("<f4").tobytes()
    to_onnx.convert(meta)
    with pytest.raises(ValueError, match="'eye' holds 70000.*precision='fp32'"):
        to_onnx.convert(meta, precision="fp16")


# Wrong input


def mini(name="reshape.lrelu"):
    return schema.read(FIXTURES / "box3d_mini" / (name + ".uff"))


def node_of(meta, name):
    return next(node for node in meta.graphs[0].nodes if node.id == name)


def broken(change):
    meta = mini()
    change(meta)
    return meta


@pytest.mark.parametrize("change, message", [
    (lambda m: m.referenced_data.pop("weights_dense_1/kernel"), "refers to 'weights_dense_1/kernel'"),
    (lambda m: node_of(m, "dense_1/MatMul").inputs.__setitem__(1, "dense_1/kernle"), "reads 'dense_1/kernle'"),
    (lambda m: node_of(m, "block1_conv1/convolution").inputs.__setitem__(0, "block2_conv1/Relu"), "cycle"),
    (lambda m: setattr(node_of(m, "block1_pool/MaxPool"), "operation", "Pol"), "Pol.*no such operation"),
    (lambda m: node_of(m, "block1_pool/MaxPool").fields.pop("kernel"), "has no field 'kernel'"),
    (lambda m: setattr(node_of(m, "block1_pool/MaxPool").fields["kernel"], "s", "2"), "'kernel' holds s"),
    (lambda m: setattr(node_of(m, "block1_conv1/Relu").fields["func"], "s", "rule"), "'func' holds 'rule'.*mean 'relu'"),
    (lambda m: node_of(m, "dense_1/MatMul").inputs.append("dense_1/bias"), "has 3 inputs, expected: 2"),
    (lambda m: node_of(m, "dense_1/MatMul").inputs.__setitem__(1, "dense_2/kernel"), "gives 32 features"),
    (lambda m: node_of(m, "block2_conv1/convolution").inputs.__setitem__(1, "block1_conv1/kernel"),
     "has 4 channels"),
    (lambda m: setattr(m.referenced_data["weights_dense_2/bias"], "blob", b"\0" * 11), "needs 12 bytes"),
    (lambda m: setattr(m.referenced_data["weights_reshape_1/Reshape/shape/1"], "blob", b"\x21\0\0\0"),
     "33 features|'reshape_1/Reshape'"),
    (lambda m: m.graphs[0].nodes.add().CopyFrom(node_of(m, "input_1")), "two nodes .* called 'input_1'"),
    (lambda m: m.graphs.pop(), "(?i)graph")], ids=range(14))
def test_an_unsound_file_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        to_onnx.convert(broken(change))


@pytest.mark.parametrize("arguments, message", [
    ({"outputs": ["dimension/LeakyRelo"]}, "did you mean 'dimension/LeakyRelu'"), ({"outputs": []}, "name them"),
    ({"opset": 12}, "opset must be one of"), ({"batch": 0}, "batch must be"), ({"batch": "3"}, "batch must be"),
    ({"precision": "half"}, "'fp32', 'fp16'"),
    ({"plugins": "body"}, "'function', 'inline', 'node'"), ({"flatten_as": "chw"}, "'nhwc', 'nchw'")],
    ids=str)
def test_a_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_onnx.convert(mini(), **arguments)


def test_a_fixed_batch_cannot_be_changed():
    with pytest.raises(ValueError, match=r"'x.*\[1, 4\].*cannot become 2"):
        to_onnx.convert(FIXTURES / "ops" / "AddV2.uff", batch=2)


def test_two_wildcards_are_refused():
    meta = mini()
    for name in ("reshape_2/Reshape/shape/1", "reshape_2/Reshape/shape/2"):
        meta.referenced_data["weights_" + name].blob = b"\xff" * 4
    with pytest.raises(ValueError, match=r"'reshape_2/Reshape'.*2 wildcards"):
        to_onnx.convert(meta)


def test_a_missing_file_and_a_frozen_graph(tmp_path):
    with pytest.raises(FileNotFoundError):
        to_onnx.convert(tmp_path / "none.uff")
    with pytest.raises(ValueError, match="(?i)uff"):
        to_onnx.convert(FIXTURES / "box3d_mini" / "reshape.pb")


def test_a_failed_conversion_leaves_the_file_alone(tmp_path):
    path = tmp_path / "box3d.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ValueError):
        to_onnx.convert(broken(lambda m: node_of(m, "block1_pool/MaxPool").fields.clear()), path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_cut_or_change_gives_a_model_or_a_sentence(data):
    raw = bytearray(MINI[1].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, 12000))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(raw))))
    try:
        model = to_onnx.convert(bytes(raw[:cut]))
    except ValueError as reason:
        assert len(str(reason)) > 20
    else:
        assert model.graph.output


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_field_gives_a_model_or_a_sentence(data):
    """Sound as protocol buffer, wrong as UFF: fields of another kind, other inputs, other operations."""
    meta = schema.read(data.draw(st.sampled_from([path for path in OPS if meant(path)] + [MINI[1]])))
    nodes = list(meta.graphs[0].nodes)
    node = data.draw(st.sampled_from(nodes))
    numbers = st.integers(-2, 9) | st.just(2 ** 40)
    kind = data.draw(st.sampled_from(["operation", "input"] + ["field"] * 4))
    if kind == "operation":
        node.operation = data.draw(st.sampled_from(sorted(OPERATIONS) + ["", "_Foo", "Foo"]))
    elif kind == "input":
        node.inputs.append(data.draw(st.sampled_from([each.id for each in nodes])))
    elif node.fields:
        field = node.fields[data.draw(st.sampled_from(sorted(node.fields)))]
        value = data.draw(st.one_of(st.lists(numbers, max_size=5), numbers, st.floats(), st.booleans(),
                                    st.sampled_from(["same", "max", "sum", "add", "", "NCHW"])))
        if isinstance(value, list):
            field.i_list.val[:] = value
            field.i_list.SetInParent()
        else:
            setattr(field, {bool: "b", int: "i", float: "d", str: "s"}[type(value)], value)
    try:
        model = to_onnx.convert(meta, precision=data.draw(st.sampled_from(["fp32", "fp16"])))
    except ValueError as reason:
        assert len(str(reason)) > 20
    else:
        assert model.graph.output


# The command line, the builder, the whole network


def test_command_line(tmp_path):
    path = tmp_path / "box3d.onnx"
    command = [sys.executable, "-m", "uffsurgeon.to_onnx", str(MINI[1]), str(path), "--batch", "4"]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and b"inputs ['input_1']" in done.stdout and b"plugin" not in done.stdout
    assert onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    done = subprocess.run(command[:4] + [str(path), "-O", "nobody"], cwd=str(ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.startswith(b"error: ") and b"Traceback" not in done.stderr


def test_the_command_line_says_what_only_a_plugin_can_compute(tmp_path, capsys):
    assert uffsurgeon.__main__.main(["to-onnx", str(FIXTURES / "ops" / "plug_many.uff"), str(tmp_path / "p.onnx")]) == 0
    assert "TensorRT plugin of that name may compute it: Foo_TRT" in capsys.readouterr().out


BUILD = """
import sys
import tensorrt_rtx as trt

logger = trt.Logger(trt.Logger.ERROR)
for path in sys.argv[1:]:
    builder = trt.Builder(logger)
    network, config = builder.create_network(0), builder.create_builder_config()
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(path) or not network.num_outputs:
        sys.exit("%s: %s" % (path, [parser.get_error(i).desc() for i in range(parser.num_errors)]))
    image = network.get_input(0)
    if image.shape[0] == -1:
        profile = builder.create_optimization_profile()
        profile.set_shape(image.name, *[(batch,) + tuple(image.shape)[1:] for batch in (1, 4, 8)])
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        sys.exit(path + ": no plan")
    print("built", path, plan.nbytes)
"""


def test_tensorrt_for_rtx_builds_it(tmp_path):
    """FP32 and FP16, any batch and a fixed one, a plugin's body as function and in line; no plugin registered."""
    pytest.importorskip("tensorrt_rtx")
    paths = []
    for name in ("flatten.l2col", "flatten.l2h", "reshape.raw", "reshape.l2rm"):
        for arguments in ({}, {"batch": 1}, {"precision": "fp16"},
                          {"precision": "fp16", "batch": 2, "plugins": "inline"}):
            paths.append(str(tmp_path / ("%s.%d.onnx" % (name, len(paths)))))
            to_onnx.convert(sound(FIXTURES / "box3d_mini" / (name + ".uff")), paths[-1], **arguments)
    done = subprocess.run([sys.executable, "-c", BUILD] + paths, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and done.stdout.count(b"built") == 16, done.stdout.decode()[-2000:]


def test_tensorrt_for_rtx_names_a_plugin_that_it_lacks(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    to_onnx.convert(FIXTURES / "ops" / "plug_float.uff", tmp_path / "plugin.onnx")
    done = subprocess.run([sys.executable, "-c", BUILD, str(tmp_path / "plugin.onnx")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 1 and b"Plugin not found" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("flat, pairs", [("flatten", -1), ("reshape", 2)])  # the article's first version, and its repair
def test_the_whole_network_agrees_with_tensorflow(tmp_path, flat, pairs):
    """40,411,989 parameters: trained where data/ has them, else random."""
    model = network.build(flat, pairs)
    if network.WEIGHTS.is_file():
        network.load_weights(model)
    frozen = freeze.freeze(model)
    del model
    process.keras().backend.clear_session()  # of the weights each step keeps a copy: one after the other takes less memory
    images = np.random.RandomState(0).uniform(-120, 150, (2, 224, 224, 3)).astype("f4")
    wanted = computed(frozen, network.OUTPUTS, {network.INPUT: images})
    uff.from_tensorflow(frozen, list(network.OUTPUTS), quiet=True, output_filename=str(tmp_path / "box3d.uff"))
    del frozen
    for got, want in zip(run(to_onnx.convert(tmp_path / "box3d.uff"), {network.INPUT: images}), wanted):
        assert error(got, want) < 1e-4
