"""What people convert: recipes for an SSD, configs of 2019, raw TensorFlow 1 graphs, with the numbers where there are any."""
import json
import re
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import ssd
import tensorflow

import uffsurgeon.__main__
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import to_onnx, uff
from uffsurgeon.check import check
from uffsurgeon.uff import schema

tf = tensorflow.compat.v1
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def computed(graph_def, outputs, feeds):
    """What TensorFlow computes."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.Session(graph=graph) as session:
            return session.run([name + ":0" for name in outputs], {key + ":0": value for key, value in feeds.items()})


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def graph_of(build):
    """(GraphDef of what `build` makes of a placeholder x, [None, 4, 6, 2]; its output is called y)."""
    with tf.Graph().as_default() as graph:
        tf.identity(build(tf.placeholder(tf.float32, [None, 4, 6, 2], "x")), "y")
    return graph.as_graph_def()


X = np.random.RandomState(0).uniform(-1, 1, (2, 4, 6, 2)).astype("f4")


def assert_equal_numbers(graph_def, inputs=None):
    """Through UFF and ONNX to what TensorFlow computes. Returns {id: UFF node}."""
    data = uff.from_tensorflow(graph_def, ["y"], quiet=True)
    wanted, got = computed(graph_def, ["y"], inputs or {"x": X})[0], run(to_onnx.convert(data), inputs or {"x": X})[0]
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    return {node.id: node for node in schema.read(data).graphs[0].nodes}


# A reshape in a scope called flatten


@pytest.mark.parametrize("shape, operation", [
    ([-1, 48], "Flatten"), ([-1, 12], "Reshape"), ([-1, 2], "Reshape"), (lambda x: [tf.shape(x)[0], 48], "Flatten"),
    (lambda x: [tf.shape(x)[0], -1], "Flatten"), (lambda x: [-1, tf.shape(x)[3]], "Reshape"),
    (lambda x: [tf.shape(x)[0] * tf.shape(x)[1], 12], "Reshape"), (lambda x: [tf.shape(x)[1], -1], "Reshape"),
    (lambda x: [-1, tf.reduce_prod(tf.shape(x)[1:])], "Flatten")], ids=str)
def test_a_reshape_is_a_flatten_where_it_flattens(shape, operation):
    graph_def = graph_of(lambda x: tf.reshape(tf.nn.relu(x), tf.stack(shape(x)) if callable(shape) else shape,
                                              name="my_flatten/Reshape"))
    assert assert_equal_numbers(graph_def)["my_flatten/Reshape"].operation == operation


def test_a_reshape_behind_what_has_no_known_size_is_told():
    graph_def = graph_of(lambda x: tf.reshape(tf.gather(x, [3, 0, 2, 1], axis=1, name="rows"), [-1, 48],
                                              name="flatten/Reshape"))
    with pytest.warns(UserWarning, match="'flatten/Reshape' stays a Reshape, to a width of 48.*the shape of 'rows"):
        assert assert_equal_numbers(graph_def)["flatten/Reshape"].operation == "Reshape"


def test_sizes_are_followed_through_a_network():
    def network(x):
        kernel = tf.constant(np.random.RandomState(1).randn(3, 3, 2, 4).astype("f4"))
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, [1, 2, 2, 1], "SAME"))
        x = tf.pad(tf.nn.max_pool(x, [1, 2, 2, 1], [1, 1, 1, 1], "VALID"), [[0, 0], [0, 1], [0, 0], [0, 0]])
        return tf.reshape(tf.concat([x, x], 1), [-1, 8], name="flatten/Reshape")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal_numbers(graph_of(network))


# Constants that a raw graph computes; outputs behind the first; what TensorFlow 2 calls differently


def test_constants_are_folded_where_uff_needs_them():
    def network(x):
        kernel = tf.constant(np.random.RandomState(1).randn(4, 2, 3, 3).astype("f4"))
        x = tf.nn.conv2d(x, tf.transpose(kernel, [2, 3, 1, 0]) * 0.5, [1, 1, 1, 1], "SAME")
        x = tf.nn.bias_add(x, tf.fill([4], 0.5))
        x = tf.nn.fused_batch_norm(x, tf.fill([4], 2.0), tf.zeros([4]), tf.fill([4], 0.1), tf.ones([4]), is_training=False)[0]
        return tf.reduce_mean(tf.transpose(x, 3 - tf.range(4)), tf.range(1, 3))
    nodes = assert_equal_numbers(graph_of(network))
    assert not any(node.operation.startswith("_") for node in nodes.values())


def test_outputs_behind_the_first():
    def network(x):
        first, second, third = tf.split(x, [1, 3, 2], 2)
        best = tf.nn.top_k(tf.unstack(second, axis=3)[1], 2)
        return tf.reduce_sum(third, [1, 2, 3]) + tf.cast(tf.reduce_sum(best[1], [1, 2]), tf.float32) + first[:, 0, 0, 0]
    nodes = assert_equal_numbers(graph_of(network))
    assert {"split:1", "split:2"} <= set(nodes) and nodes["split:2"].fields["output"].i == 2


def test_an_output_of_an_unknown_operation_is_refused_with_the_way_out():
    graph = gs.DynamicGraph()
    graph.append(gs.create_plugin_node("a/m", op="Mystery"))
    graph.append(gs.create_plugin_node("a/y", op="Relu", inputs=["a/m:1"]))
    with pytest.raises(uff.UffException, match=r"'a/y' .Relu. reads 'a/m:1'.*collapse_namespaces\(.\"a\""):
        uff.from_tensorflow(graph, ["a/y"], quiet=True)


def test_newer_names_are_uff_s_own_operations():
    def network(x):
        x = tf.nn.fused_batch_norm(x, tf.ones([2]), tf.zeros([2]), tf.zeros([2]), tf.ones([2]), is_training=False)[0]
        return tf.nn.relu(x + tf.tanh(x))
    nodes = assert_equal_numbers(graph_of(network))
    assert not any(node.operation.startswith("_") for node in nodes.values())


@pytest.mark.parametrize("build, words", [
    (lambda x: tf.nn.dropout(x, 0.5), "draws random numbers.*learning phase.*set_learning_phase"),
    (lambda x: tf.nn.fused_batch_norm(x, [1.0, 1.0], [0.0, 0.0])[0], "'FusedBatchNorm.* training mode.*learning phase"),
    (lambda x: tf.cond(tf.placeholder(tf.bool, [], "keras_learning_phase"), lambda: x * 2.0, lambda: x),
     "belongs to a branch.*learning phase"),
    (lambda x: tf.while_loop(lambda i: i[0, 0, 0, 0] < 3, lambda i: i + 1.0, [x]), "belongs to a loop.*unroll=True")])
def test_what_belongs_to_training_is_said(build, words):
    if hasattr(tf, "disable_control_flow_v2"):
        tf.disable_control_flow_v2()
    try:
        with pytest.raises(uff.UffException, match=words):
            uff.from_tensorflow(graph_of(build), ["y"], quiet=True)
    finally:
        if tensorflow.__version__.startswith("2"):
            tf.enable_control_flow_v2()


@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("kind", ["constant", "default", "not", "nested"])
def test_the_branch_that_a_constant_condition_takes(kind, condition):
    def network(x):
        relu, less = (lambda: tf.nn.relu(x) * 2.0 + tf.constant(1.0)), lambda: x - tf.constant(3.0)
        if kind == "nested":
            return tf.cond(tf.constant(condition), lambda: tf.cond(tf.constant(False), relu, less),
                           lambda: tf.cond(tf.constant(True), relu, less) + 1.0)
        chosen = {"constant": lambda: tf.constant(condition),
                  "default": lambda: tf.placeholder_with_default(condition, [], "keras_learning_phase"),
                  "not": lambda: tf.logical_not(tf.placeholder_with_default(not condition, []))}[kind]()
        return tf.cond(chosen, relu, lambda: less() * tf.random_uniform([2]) if condition else less()) * 0.5

    if hasattr(tf, "disable_control_flow_v2"):
        tf.disable_control_flow_v2()
    try:
        graph_def = graph_of(network)
    finally:
        if tensorflow.__version__.startswith("2"):
            tf.enable_control_flow_v2()
    assert {"Switch", "Merge"} <= {node.op for node in graph_def.node}
    assert_equal_numbers(graph_def)


def test_an_output_by_the_name_of_its_tensor():
    graph_def = graph_of(lambda x: tf.split(x, 2, 2, name="parts")[0])
    data = uff.from_tensorflow(graph_def, ["parts:1", "y:0"], quiet=True)
    wanted = computed(graph_def, ["y"], {"x": X})
    with pytest.raises(uff.UffException, match="y:1 was not found"):
        uff.from_tensorflow(graph_def, ["y:1"], quiet=True)
    second, first = run(to_onnx.convert(data), {"x": X})
    np.testing.assert_array_equal(np.concatenate([first, second], 2), X)
    np.testing.assert_array_equal(first, wanted[0])


def test_several_outputs_of_constants_are_folded():
    def network(x):
        kernels = tf.split(tf.constant(np.random.RandomState(1).randn(3, 3, 2, 6).astype("f4")), 3, 3)
        return sum(tf.nn.conv2d(x, kernel, [1, 1, 1, 1], "SAME") for kernel in kernels)
    nodes = assert_equal_numbers(graph_of(network))
    assert not any(node.operation.startswith("_") for node in nodes.values())


@pytest.mark.skipif(tensorflow.__version__ < "2", reason="TensorFlow 1 has no convolution with groups")
def test_a_convolution_with_groups():
    kernel = np.random.RandomState(1).randn(3, 3, 1, 4).astype("f4")
    nodes = assert_equal_numbers(graph_of(lambda x: tf.nn.conv2d(x, tf.constant(kernel), [1, 1, 1, 1], "SAME")))
    assert "number_groups" not in next(node for node in nodes.values() if node.operation == "Conv").fields


# What nothing can run


def test_what_is_left_is_listed_with_the_way_out(tmp_path, capsys):
    def network(x):
        return tf.lgamma(tf.digamma(x))
    data = uff.from_tensorflow(graph_of(network), ["y"], output_filename=str(tmp_path / "x.uff"), quiet=True)
    assert uffsurgeon.__main__.main(["to-onnx", str(tmp_path / "x.uff"), str(tmp_path / "x.onnx")]) == 1
    error = capsys.readouterr().err
    for words in ("'Digamma' (Digamma)", "'Lgamma' (Lgamma)", "collapse_namespaces({\"", "--plugin-op"):
        assert words in error
    assert not (tmp_path / "x.onnx").exists()
    model = to_onnx.convert(data, plugin_ops=["Digamma", "Lgamma"])
    assert [node.op_type for node in model.graph.node if node.domain] == ["Digamma", "Lgamma"]


def test_a_plugin_has_no_name_that_onnx_has():
    """TensorRT's parser looks at the name of a node, and not at its domain."""
    graph = gs.DynamicGraph(graph_of(tf.nn.relu))
    graph.collapse_namespaces({"Relu": gs.create_plugin_node("Relu", op="Upsample", scale=2)})
    with pytest.raises(ValueError, match="'Relu' ._Upsample.*ONNX's Upsample.*Upsample_TRT"):
        to_onnx.convert(uff.from_tensorflow(graph, ["y"], quiet=True))


# An SSD


@pytest.fixture(scope="module", params=[("Concatenate", "ToFloat"), ("MultipleGridAnchorGenerator/Concatenate", "Cast")],
                ids=["2018", "2019"])
def frozen(request, tmp_path_factory):
    graph_def = ssd.graph_def(*request.param)
    path = tmp_path_factory.mktemp("ssd") / "frozen_inference_graph.pb"
    path.write_bytes(graph_def.SerializeToString())
    return graph_def, path


def write_config(folder, dtype="dtype=tf.float32, ", more=""):
    (folder / "config.py").write_text(ssd.CONFIG.format(dtype=dtype, more=more))
    return str(folder / "config.py")


def test_an_ssd_from_pb_to_uff_to_onnx(frozen, tmp_path, capsys):
    """The documented recipe; the tensors that the plugins read are TensorFlow's."""
    graph_def, path = frozen
    config, made = write_config(tmp_path, more=ssd.GRID_ANCHOR["reads a constant"]), str(tmp_path / "ssd.uff")
    assert uffsurgeon.__main__.main(["to-uff", str(path), "-o", made, "-O", "NMS", "-p", config]) == 0
    assert "collapse_namespaces: the graph has no nodes of '" in capsys.readouterr().out
    assert uffsurgeon.__main__.main(["check", made]) == 0
    assert "0 errors, 2 warnings, 3 notes" in capsys.readouterr().out  # 5.1.5 has no FlattenConcat_TRT
    assert uffsurgeon.__main__.main(["check", made, "--strict", "--tensorrt", "6.0.1"]) == 0
    capsys.readouterr()
    assert uffsurgeon.__main__.main(["to-onnx", made, str(tmp_path / "ssd.onnx")]) == 0
    assert "plugin of that name may compute it: FlattenConcat_TRT, GridAnchor_TRT, NMS_TRT" in capsys.readouterr().out
    meta = schema.read(made)
    nodes = {node.id: node for node in meta.graphs[0].nodes}
    assert list(nodes["NMS"].inputs) == ["concat_priorbox", "concat_box_loc", "concat_box_conf"]
    assert schema.fields(nodes["Input"]) == {"dtype": 0x20020, "shape": [1, 3, 32, 32]}
    heads = list(nodes["concat_box_loc"].inputs) + list(nodes["concat_box_conf"].inputs) + list(nodes["GridAnchor"].inputs)[1:]
    assert check(uff.from_tensorflow_frozen_model(str(path), heads, preprocessor=config, quiet=True)) == []
    model = to_onnx.convert(meta, outputs=heads)
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 32, 32]
    images = np.random.RandomState(0).uniform(-1, 1, (1, 32, 32, 3)).astype("f4")
    got = run(model, {"Input": images.transpose(0, 3, 1, 2)})
    for a, b in zip(got, computed(graph_def, heads, {"Preprocessor/sub": images})):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_config_on_the_page_fits_the_graph(frozen, tmp_path):
    text = (Path(uffsurgeon.__file__).parent / "README.md").read_text()
    block = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "def preprocess" in block)
    (tmp_path / "config.py").write_text(block)
    data = uff.from_tensorflow_frozen_model(str(frozen[1]), ["NMS"], preprocessor=str(tmp_path / "config.py"), quiet=True)
    nodes = {node.id: node for node in schema.read(data).graphs[0].nodes}
    assert list(nodes["NMS"].inputs) == ["concat_priorbox", "concat_box_loc", "concat_box_conf"]
    assert sorted(name for name in nodes if nodes[name].operation.endswith("_TRT")) == [
        "GridAnchor", "NMS", "concat_box_conf", "concat_box_loc"]
    assert [finding.rule for finding in check(data) if finding.level == "error"] == []


RECORDED = json.loads((Path(__file__).parent / "fixtures" / "parser" / "ssd.json").read_text())


@pytest.mark.parametrize("kind", sorted(RECORDED))
def test_check_says_of_the_anchors_what_real_parsers_said(kind, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = uff.from_tensorflow(ssd.graph_def(), ["concat_priorbox"], quiet=True,
                                   preprocessor=write_config(tmp_path, more=ssd.GRID_ANCHOR[kind]))
    for version, (verdict, words) in RECORDED[kind].items():
        found = [finding for finding in check(data, version) if finding.level != "note"]
        assert [finding.rule for finding in found] == {"?": [], "r": ["anchor-axis"], "a": ["plugin-inputs"]}[verdict]
        if found and version == "5.1.5":
            assert words in found[0].message and "'anchor_input'" in found[0].recipe


def test_an_input_without_dtype_is_float32(frozen, tmp_path, capsys):
    data = uff.from_tensorflow_frozen_model(str(frozen[1]), ["NMS"], preprocessor=write_config(tmp_path, dtype=""))
    assert "input 'Input' has no dtype and becomes float32" in capsys.readouterr().out
    node = next(node for node in schema.read(data).graphs[0].nodes if node.id == "Input")
    assert node.fields["dtype"].dtype == 0x20020


REMOVE = 'dynamic_graph.find_nodes_by_name("Input")[0].input.remove("image_tensor:0")'


def test_the_line_that_removes_image_tensor(frozen, tmp_path):
    uff.from_tensorflow_frozen_model(str(frozen[1]), ["NMS"], preprocessor=write_config(tmp_path, more=REMOVE), quiet=True)


@pytest.mark.parametrize("more, words", [
    (REMOVE + "\n    " + REMOVE, "line 37.*image_tensor:0.*rewired it already"),
    ("dynamic_graph.remove('Postprocesor')", "config.py, line 36, in `dynamic_graph.remove.'Postprocesor'.`: ValueError"),
    ("dynamic_graph.no_such_method()", "line 36.*AttributeError")])
def test_an_error_names_the_config_s_line(frozen, tmp_path, more, words):
    with pytest.raises(uff.UffException, match=words):
        uff.from_tensorflow_frozen_model(str(frozen[1]), ["NMS"], preprocessor=write_config(tmp_path, more=more), quiet=True)


def test_a_config_that_cannot_be_imported_names_its_line(frozen, tmp_path):
    for text, words in (("import graphsurgeon\nimport no_such_module", "line 2.*ModuleNotFoundError|line 2.*ImportError"),
                        ("def preprocess(g):\n    x = = 1", "line 2.*SyntaxError")):
        (tmp_path / "config.py").write_text(text)
        with pytest.raises(uff.UffException, match=words):
            uff.from_tensorflow_frozen_model(str(frozen[1]), ["NMS"], preprocessor=str(tmp_path / "config.py"), quiet=True)


def test_a_preprocessor_may_return_another_graph(tmp_path):
    (tmp_path / "config.py").write_text(
        "import graphsurgeon as gs\n"
        "def preprocess(graph):\n"
        "    new = gs.DynamicGraph(graph.as_graph_def())\n"
        "    new.collapse_namespaces({'Relu': gs.create_plugin_node('Relu', op='Mine_TRT')})\n"
        "    return new\n")
    data = uff.from_tensorflow(graph_of(tf.nn.relu), ["y"], preprocessor=str(tmp_path / "config.py"), quiet=True)
    assert "_Mine_TRT" in [node.operation for node in schema.read(data).graphs[0].nodes]


# Two upsamplings, whose equal constants freezing has merged


def test_two_upsamplings_read_their_own_feature_maps():
    def network(x):
        for scope in ("up_first", "up_second"):
            x = tf.image.resize_nearest_neighbor(x, tf.shape(x)[1:3] * tf.constant([2, 2], name=scope + "/size"),
                                                 name=scope + "/resize")
            x = tf.nn.relu(x, name="relu_" + scope)
        return x
    graph_def = graph_of(network)
    for node in graph_def.node:  # as merging equal constants leaves it
        node.input[:] = [text.replace("up_second/size", "up_first/size") for text in node.input]
    assert_equal_numbers(graph_def)
    graph = gs.DynamicGraph(graph_def)
    first = gs.create_plugin_node("up_first", op="ResizeNearest_TRT", scale=2.0)
    second = gs.create_plugin_node("up_second", op="ResizeNearest_TRT", scale=2.0)
    graph.collapse_namespaces({"up_first": first, "up_second": second, "mul": first, "strided_slice": first, "Shape": first,
                               "mul_1": second, "strided_slice_1": second, "Shape_1": second})
    assert [list(graph[name].input) for name in ("up_first", "up_second")] == [["x"], ["relu_up_first"]]
