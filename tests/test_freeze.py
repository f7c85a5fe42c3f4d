"""The frozen graph: same names, ops and inputs on every TensorFlow, and Keras's numbers."""
import json
from pathlib import Path

import numpy as np
import pytest

from helpers import freeze, network, process, run
from uffsurgeon.names import producer

process.prepare_tensorflow()
tf = process.tensorflow()
layers, Model = process.keras().layers, process.keras().models.Model

FIXTURES = Path(__file__).parent / "fixtures"
VARIANTS = [(flat, pairs) for flat in ("flatten", "reshape") for pairs in (2, -1)]


@pytest.fixture(scope="module")
def graphs():
    made = {}
    for variant in VARIANTS:
        model = network.build(flat=variant[0], pairs=variant[1], width=16)
        made[variant] = (model, freeze.freeze(model))
    return made


def structure(graph):
    return {node.name: [node.op, sorted(node.input) if node.op == "AddN" else list(node.input)] for node in graph.node}


@pytest.mark.parametrize("variant", VARIANTS)
def test_numbers_are_those_of_keras(graphs, variant):
    model, graph = graphs[variant]
    images = network.preprocess(np.random.RandomState(0).randint(0, 255, (3, 224, 224, 3)))
    for a, b in zip(model.predict(images), run.tensorflow(graph, images, batch=2).values()):
        np.testing.assert_allclose(a, b, atol=1e-4)  # a short random pair turns with the last bits of its two numbers


@pytest.mark.parametrize("pairs", [2, -1])
def test_the_repaired_network_is_the_same_graph_on_every_tensorflow(graphs, pairs):
    expected = json.loads((FIXTURES / ("frozen_reshape%s.json" % ("" if pairs == 2 else "_m1"))).read_text())
    assert structure(graphs["reshape", pairs][1]) == expected


def test_what_flatten_becomes_depends_on_tensorflow(graphs):
    found = structure(graphs["flatten", 2][1])
    chain = {name: value for name, value in found.items() if name.startswith("flatten_1/")}
    assert chain["flatten_1/Reshape"][0] == "Reshape"
    if tf.__version__.startswith("2"):
        assert chain == {"flatten_1/Const": ["Const", []],
                         "flatten_1/Reshape": ["Reshape", ["block5_pool/MaxPool", "flatten_1/Const"]]}
    else:
        assert {value[0] for value in chain.values()} == {"Const", "Shape", "StridedSlice", "Pack", "Reshape"}


def test_no_trace_of_training_is_left(graphs):
    graph = graphs["reshape", 2][1]
    ops = {node.op for node in graph.node}
    assert not ops & {"Identity", "VariableV2", "VarHandleOp", "ReadVariableOp", "NoOp", "Assign", "RandomUniform"}
    assert not any(node.device or any(key.startswith("_") for key in node.attr) for node in graph.node)


def test_every_node_follows_its_inputs(graphs):
    for _, graph in graphs.values():
        seen = set()
        for node in graph.node:
            assert seen.issuperset(producer(name) for name in node.input), node.name
            seen.add(node.name)


def test_freezing_twice_gives_the_same_bytes(graphs):
    model, graph = graphs["reshape", 2]
    again = freeze.freeze(model)
    assert [node.name for node in again.node] == [node.name for node in graph.node]
    assert all(a == b for a, b in zip(again.node, graph.node))


def test_the_model_can_still_be_used_and_trained_afterwards(graphs):
    model, _ = graphs["reshape", 2]
    assert np.isfinite(model.predict(np.zeros((1, 224, 224, 3), "f"))[0]).all()
    assert model.trainable_weights


def test_an_unknown_output_is_answered_with_the_nearest(graphs):
    with pytest.raises(ValueError, match="did you mean 'orientation/l2_normalize'"):
        freeze.freeze(graphs["reshape", 2][0], ["orientation/l2_normalise"])


def test_one_head_alone(graphs):
    model, _ = graphs["reshape", 2]
    names = [node.name for node in freeze.freeze(model, ["confidence/Softmax"]).node]
    assert "confidence/Softmax" in names and not [name for name in names if name.startswith(("orientation", "dense_1"))]


def answers(model, *inputs):
    """(what Keras says, what the frozen graph says), one array per output."""
    names = freeze.variables_to_constants(model)[1]
    graph = freeze.freeze(model)
    wanted = model.predict_on_batch(list(inputs) if len(inputs) > 1 else inputs[0])
    wanted = list(wanted.values()) if isinstance(wanted, dict) else wanted if isinstance(wanted, list) else [wanted]
    found = run.tensorflow(graph, inputs[0], names)
    return wanted, [found[name] for name in names]


def test_other_peoples_models_freeze_too():
    x = inputs = layers.Input((16, 16, 3), name="picture")
    x = layers.Conv2D(4, 3, strides=2, name="c")(x)
    x = layers.ReLU(name="r")(x)
    x = layers.GlobalAveragePooling2D(name="g")(x)
    model = Model(inputs, layers.Dense(2, name="d")(x), name="theirs")
    graph = freeze.freeze(model)
    ops = {node.name: node.op for node in graph.node}
    assert ops["picture"] == "Placeholder" and ops["d/BiasAdd"] == "BiasAdd"
    wanted, got = answers(model, np.ones((2, 16, 16, 3), "f"))
    np.testing.assert_allclose(wanted[0], got[0], atol=1e-6)


tensorflow_2 = pytest.mark.skipif(tf.__version__.startswith("1"), reason="TensorFlow 1 refuses to build such a model")


def two_models_with_layers_of_one_name():
    inside = [layers.Input((4,)) for _ in range(2)]
    parts = [Model(x, layers.Dense(4, name="fc")(x), name=name) for x, name in zip(inside, "ab")]
    x = layers.Input((4,))
    return Model(x, parts[1](parts[0](x)))


def outputs_by_name():
    x = layers.Input((4,))
    return Model(x, {"p": layers.Dense(2)(x), "q": layers.Dense(3)(x)})


def a_large_constant_and_a_variable_of_no_layer():
    table = tf.constant(np.random.RandomState(0).rand(4, 100).astype("f"))
    variable = tf.Variable(np.arange(100, dtype="f"))
    x = layers.Input((4,))
    return Model(x, layers.Lambda(lambda value: tf.matmul(value, table) * variable)(x))


def keras_3():
    keras = pytest.importorskip("keras", "3.0", reason="Keras 3 comes with TensorFlow 2.16")
    x = inputs = keras.layers.Input((4,), name="values")
    for _ in range(3):  # each has variables that are called just "kernel" and "bias"
        x = keras.layers.Dense(4, bias_initializer="uniform")(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("build", [
    two_models_with_layers_of_one_name, pytest.param(outputs_by_name, marks=tensorflow_2),
    pytest.param(a_large_constant_and_a_variable_of_no_layer, marks=tensorflow_2), pytest.param(keras_3, marks=tensorflow_2)])
def test_other_peoples_models_keep_their_numbers(build):
    values = np.random.RandomState(0).randn(3, 4).astype("f")
    for a, b in zip(*answers(build(), values)):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_an_embedding_looks_up_in_a_constant():
    x = layers.Input((5,), dtype="int32")
    model = Model(x, layers.Embedding(10, 3)(x))
    wanted, got = answers(model, np.arange(10, dtype="i4").reshape(2, 5))
    np.testing.assert_array_equal(wanted, got)
    ops = {node.op for node in freeze.freeze(model).node}
    assert "GatherV2" in ops and "ResourceGather" not in ops


def assert_same_numbers(model, *inputs):
    """Freeze a model, and compare what TensorFlow computes with it with Keras; returns the GraphDef."""
    wanted = model.predict(list(inputs) if len(inputs) > 1 else inputs[0])
    graph = freeze.freeze(model)
    with tf.Graph().as_default() as restored:
        tf.import_graph_def(graph, name="")
        names = [node.name for node in graph.node if node.op == "Placeholder"]
        with tf.compat.v1.Session(graph=restored) as session:
            found = session.run([name + ":0" for name in freeze.unread(graph)],
                                {name + ":0": value for name, value in zip(names, inputs)})
    wanted = wanted if isinstance(wanted, list) else [wanted]
    assert len(found) == len(wanted)
    for value in wanted:  # TensorFlow 2 and 1 order the outputs of a graph differently
        assert any(each.shape == value.shape and np.allclose(each, value, atol=1e-5) for each in found)
    return graph


@pytest.mark.parametrize("name, options", [("LSTM", {}), ("GRU", {"return_sequences": True}), ("SimpleRNN", {})])
def test_a_recurrent_layer_is_unrolled(name, options):
    x = layers.Input((5, 3))
    layer = getattr(layers, name)(4, **options)
    inner = Model(x, layers.Bidirectional(layer)(x))
    y = layers.Input((5, 3))
    model = Model(y, inner(y))
    graph = assert_same_numbers(model, np.random.RandomState(0).randn(2, 5, 3).astype("f4"))
    assert not any(node.op in ("While", "Enter", "PartitionedCall") for node in graph.node)
    assert not graph.library.function and layer.unroll is False


def test_a_sequence_of_any_length_is_refused():
    x = layers.Input((None, 3))
    with pytest.raises(ValueError, match="'rolled' is a loop over a sequence of open length.*Input..10, 3.."):
        freeze.freeze(Model(x, layers.LSTM(4, name="rolled")(x)))


@pytest.mark.skipif(tf.__version__ < "2", reason="TensorFlow 1 has no convolution with groups, and no functions")
def test_functions_are_written_out():
    x = layers.Input((6, 7, 4))
    graph = assert_same_numbers(Model(x, layers.Conv2D(6, 3, groups=2, name="grouped")(x)),
                                np.random.RandomState(0).randn(2, 6, 7, 4).astype("f4"))
    assert any(node.op == "Conv2D" and node.name.startswith("grouped/") for node in graph.node)


@pytest.mark.skipif(tf.__version__ < "2", reason="TensorFlow 1 writes branches as Switch and Merge")
@pytest.mark.parametrize("condition", [True, False])
def test_a_branch_with_a_constant_condition(condition):
    @tf.function
    def inner(value):
        return tf.nn.relu(value), value - 1.0

    def network(value):
        chosen = tf.cond(tf.logical_not(tf.constant(not condition)), lambda: inner(value)[1], lambda: value * 3.0)
        return inner(chosen + 0.25)[0] * 2.0

    x = np.linspace(-1, 1, 5).astype("f4")
    graph = tf.function(network).get_concrete_function(tf.TensorSpec([5], tf.float32, "x")).graph
    found = freeze.freeze(graph)
    assert not found.library.function and {"Relu", "Sub" if condition else "Mul"} <= {node.op for node in found.node}
    (result,) = run.tensorflow(found, x).values()
    np.testing.assert_allclose(result, network(tf.constant(x)), atol=1e-6)


@pytest.mark.skipif(tf.__version__ < "2", reason="TensorFlow 1 writes loops with Enter and Exit")
def test_a_loop_is_refused():
    graph = tf.function(lambda x: tf.while_loop(lambda i: i[0] < 3, lambda i: i + 1.0, [x])).get_concrete_function(
        tf.TensorSpec([5], tf.float32, "x")).graph
    with pytest.raises(ValueError, match=r".While. is a loop or a branch.*unroll=True.*outputs="):
        freeze.freeze(graph)


def test_other_outputs_than_the_first_of_a_node():
    x = layers.Input((4,))
    graph = freeze.freeze(Model(x, layers.Lambda(lambda value: tf.split(value, 2, axis=1))(x)))
    split = next(node.name for node in graph.node if node.op == "Split")
    second = next(node for node in graph.node if node.name == split + "/output_1")
    assert (second.op, list(second.input)) == ("Identity", [split + ":1"])
    again = freeze.freeze(graph, outputs=[split + ":1", split + ":0"])
    assert {node.name for node in again.node if node.op == "Identity"} == {split + "/output_1_1"}
    values = np.random.RandomState(0).randn(2, 4).astype("f4")
    (result,) = run.tensorflow(again, values).values()
    np.testing.assert_array_equal(result, values[:, 2:])
    with pytest.raises(ValueError, match="no_such:1"):
        freeze.freeze(graph, outputs="no_such:1")


def test_a_resource_without_a_value_is_refused():
    graph = graph_of(("table", "VarHandleOp", []), ("out", "Any", ["table"]))
    with pytest.raises(ValueError, match=r"'table' \(VarHandleOp\)"):
        freeze.check_frozen(graph)


def test_random_numbers_stay_random():
    with tf.Graph().as_default() as graph:
        tf.compat.v1.random_normal([2], name="noise")
    graph_def = graph.as_graph_def()
    freeze.fold_constants(graph_def)
    assert "RandomStandardNormal" in {node.op for node in graph_def.node}


def test_strings_merge_by_what_they_say():
    graph = tf.compat.v1.GraphDef()
    for name, text in zip("abcd", ["one", "two", "one", "two"]):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.string.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.compat.v1.make_tensor_proto(text))
    graph.node.add(name="out", op="Any").input.extend("abcd")
    freeze.merge_equal_constants(graph)
    assert list(graph.node[-1].input) == ["a", "b", "a", "b"]


def graph_of(*nodes):
    graph = tf.compat.v1.GraphDef()
    for name, op, inputs in nodes:
        graph.node.add(name=name, op=op).input.extend(inputs)
    return graph


def test_constants_fold_and_merge():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        two, also_two = tf.constant(2.0, name="two"), tf.constant(2.0, name="also_two")
        three = tf.constant(3.0, name="three")
        tf.add(x * tf.add(two, three, name="five"), also_two * two, name="out")
    graph_def = graph.as_graph_def()
    freeze.fold_constants(graph_def, ["out"])
    freeze.merge_equal_constants(graph_def)
    freeze.strip_unused(graph_def, ["out"])
    constants = {node.name: float(tf.make_ndarray(node.attr["value"].tensor))
                 for node in graph_def.node if node.op == "Const"}
    assert sorted(constants.values()) == [4.0, 5.0]
    assert constants["five"] == 5.0


def test_equal_weights_are_not_merged():
    values = [freeze.constant_node(name, np.zeros(3, "f")) for name in ("a/bias", "b/bias", "c", "d")]
    graph = tf.compat.v1.GraphDef()
    graph.node.extend(values)
    graph.node.add(name="out", op="AddN").input.extend(["a/bias", "b/bias", "c", "d"])
    freeze.merge_equal_constants(graph, keep={"a/bias", "b/bias"})
    assert list(graph.node[-1].input) == ["a/bias", "b/bias", "c", "c"]


def test_constants_of_other_types_or_shapes_are_not_merged():
    graph = tf.compat.v1.GraphDef()
    for name, value in (("a", np.zeros(1, "f")), ("b", np.zeros(1, "i4")), ("c", np.zeros((1, 1), "f"))):
        graph.node.extend([freeze.constant_node(name, value)])
    graph.node.add(name="out", op="Any").input.extend("abc")
    freeze.merge_equal_constants(graph)
    assert list(graph.node[-1].input) == ["a", "b", "c"]


def test_chains_of_identities_are_bypassed():
    graph = graph_of(("x", "Placeholder", []), ("i", "Identity", ["x"]), ("j", "Identity", ["i:0"]),
                     ("y", "Relu", ["j"]), ("out", "Identity", ["y"]))
    freeze.bypass_identity(graph, keep=["out"])
    freeze.strip_unused(graph, ["out"])
    assert structure(graph) == {"x": ["Placeholder", []], "y": ["Relu", ["x"]], "out": ["Identity", ["y"]]}


def test_a_cycle_is_named():
    with pytest.raises(ValueError, match="'a' reads 'b' reads 'a'. TensorFlow 1 writes LSTM"):
        freeze.inputs_first(graph_of(("a", "Relu", ["b"]), ("b", "Relu", ["a"])))


def test_a_missing_node_is_named():
    with pytest.raises(ValueError, match="'b' is read by 'a'"):
        freeze.inputs_first(graph_of(("a", "Relu", ["b"])))


@pytest.mark.parametrize("value", [np.float32(1e-12), np.arange(6, dtype="i4").reshape(2, 3), np.zeros((0, 3), "f"),
                                   np.arange(1000, dtype="f").reshape(10, 100), np.array([True, False])])
def test_constants_keep_type_shape_and_value(value):
    node = freeze.constant_node("c", value)
    found = tf.make_ndarray(node.attr["value"].tensor)
    assert found.dtype == value.dtype and found.shape == value.shape
    np.testing.assert_array_equal(found, value)


def test_save_and_load(graphs, tmp_path):
    graph = graphs["reshape", 2][1]
    path = freeze.save(graph, tmp_path / "g.pb", text=True, made_by="test")
    assert structure(freeze.load(path)) == structure(graph)
    assert "leaky_re_lu_2/LeakyRelu" in (tmp_path / "g.pbtxt").read_text()
    assert json.loads((tmp_path / "g.pb.json").read_text())["made_by"] == "test"


@pytest.mark.parametrize("name, data, said", [
    ("empty.pb", b"", "an empty file"), ("text.pb", b"no graph at all, only text", "but text"),
    ("bytes.pb", b"\xff" * 100, "bytes.pb"), ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(90), "a Keras file"),
    ("model.keras", b"PK\x03\x04" + bytes(90), "zip archive"), ("page.pb", b"<!doctype html>", "a web page"),
    ("lfs.pb", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
    ("saved_model.pb", b"\x08\x01", "takes its folder"), ("none.pb", b"\x22\x02\x08\x1b", "no nodes")])
def test_what_is_not_a_graph_is_called_what_it_is(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=name) as error:
        freeze.load(tmp_path / name)
    assert said in str(error.value)


def test_a_missing_file_is_that(tmp_path):
    with pytest.raises(FileNotFoundError):
        freeze.load(tmp_path / "none.pb")
    with pytest.raises(FileNotFoundError):
        freeze.freeze(tmp_path / "none.pb")


def test_a_graph_that_begins_like_a_web_page_is_one(tmp_path):
    graph = graph_of(("x" * 45, "Placeholder", []))  # its length is written as "<"
    assert graph.SerializeToString()[:2] == b"\n<"
    freeze.save(graph, tmp_path / "g.pb")
    assert len(freeze.load(tmp_path / "g.pb").node) == 1


def test_a_keras_file_that_is_none_is_called_what_it_is(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="m.h5 is not a Keras file, but a Git LFS pointer"):
        freeze.freeze(tmp_path / "m.h5")


def test_weights_alone_cannot_be_frozen(tmp_path, graphs):
    graphs["reshape", 2][0].save_weights(str(tmp_path / "weights.h5"))
    with pytest.raises(ValueError, match="weights only"):
        freeze.freeze(tmp_path / "weights.h5")


def test_only_what_can_be_frozen_is_taken():
    with pytest.raises(TypeError, match="not <class 'int'>"):
        freeze.freeze(3)


# -- sources other than a model ------------------------------------------------------------------------------------


def of(graph):
    return graph.SerializeToString(deterministic=True)


def test_a_frozen_graph_freezes_to_itself(graphs):
    graph = graphs["reshape", 2][1]
    before = of(graph)
    assert of(freeze.freeze(graph)) == before == of(graph)
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    assert structure(freeze.freeze(imported)) == structure(graph)


def test_a_graph_of_uffsurgeon_is_taken(graphs):
    from uffsurgeon import graphsurgeon

    graph = graphs["reshape", 2][1]
    assert of(freeze.freeze(graphsurgeon.DynamicGraph(graph))) == of(graph)


def test_one_output_of_a_file(graphs, tmp_path):
    model, graph = graphs["reshape", 2]
    freeze.save(graph, tmp_path / "g.pb")
    assert of(freeze.freeze(tmp_path / "g.pb", "dimension/LeakyRelu")) == of(freeze.freeze(model, "dimension/LeakyRelu"))


def test_a_graph_with_variables_has_no_values():
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, [None], name="x") * tf.compat.v1.get_variable("v", [1], use_resource=False)
    with pytest.raises(ValueError, match=r"'v' \(VariableV2\) is a variable or a table"):
        freeze.freeze(graph)


def test_a_keras_file_freezes_as_the_model_does(graphs, tmp_path):
    model, graph = graphs["reshape", 2]
    model.save(str(tmp_path / "m.h5"))
    assert of(freeze.freeze(tmp_path / "m.h5")) == of(graph)
    if tuple(map(int, tf.__version__.split(".")[:2])) >= (2, 12):
        model.save(str(tmp_path / "m.keras"), save_format="keras")
        assert of(freeze.freeze(tmp_path / "m.keras")) == of(graph)


@tensorflow_2
def test_files_of_keras_3(tmp_path):
    model = keras_3()
    for name in ("m.keras", "m.h5"):
        model.save(str(tmp_path / name))
        assert structure(freeze.freeze(tmp_path / name)) == structure(freeze.freeze(model))


def small_model():
    x = inputs = layers.Input((4,), name="values")
    x = layers.LeakyReLU(0.1, name="leaky")(layers.Dense(5, name="first", bias_initializer="uniform")(x))
    return Model(inputs, [layers.Dense(2, name="p")(x), layers.Dense(3, name="q")(x)], name="small")


def test_a_saved_model_keeps_its_numbers(tmp_path):
    model, folder = small_model(), str(tmp_path / "saved")
    if tf.__version__.startswith("2"):
        tf.saved_model.save(model, folder)
    else:
        tf.compat.v1.saved_model.simple_save(process.keras().backend.get_session(), folder, {"values": model.inputs[0]},
                                             dict(zip("pq", model.outputs)))
    graph = freeze.freeze(folder)
    names = {node.name for node in graph.node}
    assert {"values", "first/kernel", "first/bias", "q/kernel"} <= names
    assert not [name for name in names if name.startswith("StatefulPartitionedCall")]
    values = np.random.RandomState(0).randn(3, 4).astype("f")
    found = run.tensorflow(graph, values)
    for wanted, got in zip(model.predict(values), [found[name] for name in sorted(found)]):
        np.testing.assert_allclose(wanted, got, atol=1e-6)


def saved_with_signatures(folder, *names):
    """A SavedModel in which signature number k adds k to its input."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        build = v1.saved_model.predict_signature_def if hasattr(v1.saved_model, "predict_signature_def") else (
            v1.saved_model.signature_def_utils.predict_signature_def)
        signatures = {name: build({"x": x}, {"y": tf.add(x, float(k), name=name)}) for k, name in enumerate(names)}
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()
    return folder


def test_a_signature_of_a_saved_model_is_chosen(tmp_path):
    with pytest.raises(FileNotFoundError, match="no saved_model.pb"):
        freeze.freeze(tmp_path)
    x = np.zeros((3, 2), "f")
    several = saved_with_signatures(tmp_path / "several", "serving_default", "more")
    for signature, name, value in ((None, "serving_default", 0), ("more", "more", 1)):
        found = run.tensorflow(freeze.freeze(several, signature=signature), x)
        assert list(found) == [name] and (found[name] == value).all()
    assert list(run.tensorflow(freeze.freeze(saved_with_signatures(tmp_path / "one", "only")), x)) == ["only"]
    with pytest.raises(ValueError, match="no signature 'mroe'; it has more, serving_default .signature=...."):
        freeze.freeze(several, signature="mroe")
    with pytest.raises(ValueError, match="no signature 'serving_default'; it has a, b "):
        freeze.freeze(saved_with_signatures(tmp_path / "two", "a", "b"))


def test_a_model_without_inputs_is_refused_with_what_to_do():
    class Own(Model):
        def call(self, x):
            return x

    for model in (process.keras().Sequential([layers.Dense(2)]), Own(name="own")):
        with pytest.raises(ValueError, match="inputs of the model '%s' are not known. Give a Sequential" % model.name):
            freeze.freeze(model)


def test_a_branch_without_a_value_is_not_computed():
    two = tf.__version__.startswith("2")
    with tf.Graph().as_default() as graph:
        if two:
            tf.compat.v1.disable_control_flow_v2()
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        training = tf.constant(False)
        tf.cond(training, lambda: x * tf.sqrt(tf.constant(4.0)), lambda: x + tf.sqrt(tf.constant(9.0)), name="out")
        if two:
            tf.compat.v1.enable_control_flow_v2()
    found = run.tensorflow(freeze.freeze(graph, "out/Merge"), np.ones(2, "f"))
    np.testing.assert_array_equal(found["out/Merge"], [4, 4])


def test_the_cached_graph_is_made_once_and_again_when_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(freeze.artifacts, "BUILD", tmp_path)
    path = freeze.box3d(flat="flatten", pairs=-1, width=16)
    assert path.name == "box3d_flatten_m1_w16.pb"
    first = path.stat().st_mtime_ns
    assert freeze.box3d(flat="flatten", pairs=-1, width=16).stat().st_mtime_ns == first
    path.write_bytes(b"cut short")
    assert len(freeze.load(freeze.box3d(flat="flatten", pairs=-1, width=16)).node) > 100


def test_a_graph_without_outputs_is_refused():
    graph = process.tensorflow().compat.v1.GraphDef()
    with pytest.raises(ValueError, match="no outputs"):
        freeze.freeze(graph)
    graph.node.add(name="x", op="Placeholder")
    with pytest.raises(ValueError, match="no outputs"):
        freeze.freeze(graph)


def test_a_ring_of_identities_is_refused_and_not_followed_for_ever():
    graph = process.tensorflow().compat.v1.GraphDef()
    for name, source in (("a", "b"), ("b", "a"), ("y", "a")):
        graph.node.add(name=name, op="Relu" if name == "y" else "Identity").input.append(source)
    with pytest.raises(ValueError, match="cycle of Identity"):
        freeze.bypass_identity(graph)
