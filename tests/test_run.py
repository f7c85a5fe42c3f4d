"""One convention: {output name: float32 array}, for any number of inputs and outputs, in batches or not."""
import doubles
import numpy as np
import onnx_models
import pytest
from doubles.cuda import Cuda
from onnx import TensorProto, helper

from helpers import cuda, engine, network, process, run
from uffsurgeon import protobuf

process.prepare_tensorflow()
tf = process.tensorflow()
v1 = tf.compat.v1


@pytest.fixture(scope="module")
def two_inputs():
    """left [N, 2], right [N, 2] and a scalar -> sum [N, 2] (float64), largest [N] (int64), total (no batch)."""
    with tf.Graph().as_default() as graph:
        left, right = v1.placeholder(tf.float64, [None, 2], "left"), v1.placeholder(tf.float64, [None, 2], "right")
        factor = v1.placeholder(tf.float64, [], "factor")
        total = tf.add(left * factor, right, name="sum")
        tf.argmax(total, axis=1, name="largest")
        tf.split(total, 2, axis=1, name="halves")
        tf.reduce_sum(total, name="total")
        tf.no_op("nothing")
    return graph.as_graph_def()


LEFT, RIGHT = np.arange(10.0).reshape(5, 2), np.ones((5, 2))
INPUTS = {"left": LEFT, "right": RIGHT, "factor": 2.0}


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_several_inputs_and_outputs_in_batches_of_any_size(two_inputs, batch):
    found = run.tensorflow(two_inputs, INPUTS, ["sum", "largest", "halves:1"], batch=batch)
    assert list(found) == ["sum", "largest", "halves:1"]
    assert {array.dtype for array in found.values()} == {np.dtype("f4")}
    np.testing.assert_array_equal(found["sum"], 2 * LEFT + RIGHT)
    np.testing.assert_array_equal(found["largest"], [1] * 5)
    np.testing.assert_array_equal(found["halves:1"], (2 * LEFT + RIGHT)[:, 1:])


def test_a_string_is_one_name_and_without_names_the_ends_are_given(two_inputs):
    assert list(run.tensorflow(two_inputs, INPUTS, "sum")) == ["sum"]
    assert set(run.tensorflow(two_inputs, INPUTS)) == {"largest", "halves", "total"}


def test_an_output_without_a_batch_cannot_be_put_together(two_inputs):
    with pytest.raises(ValueError, match=r"'total' has the shape \[\] for 2 images, not one row for each: give batch=5"):
        run.tensorflow(two_inputs, INPUTS, "total", batch=2)
    assert run.tensorflow(two_inputs, INPUTS, "total")["total"] == (2 * LEFT + RIGHT).sum()


def test_only_what_the_outputs_need_has_to_be_given():
    with tf.Graph().as_default() as graph:
        a, b = [v1.placeholder(tf.float32, None, name) for name in "ab"]
        tf.add(tf.negative(a, name="minus"), b, name="out")
    graph = graph.as_graph_def()
    assert run.tensorflow(graph, [3], "minus")["minus"] == -3
    assert run.tensorflow(graph, {"a": [3], "b": [4]}, "minus")["minus"] == -3
    with pytest.raises(ValueError, match="2 inputs .a, b.: give {name: array}"):
        run.tensorflow(graph, [3])
    with pytest.raises(ValueError, match="no array for the input 'b'"):
        run.tensorflow(graph, {"a": [3]})


@pytest.mark.parametrize("inputs, outputs, said", [
    (dict(INPUTS, rigth=RIGHT), "sum", "no input 'rigth'.*did you mean 'right'"),
    (INPUTS, "smu", "no output 'smu'.*did you mean 'sum'"),
    (dict(INPUTS, left=LEFT[:, :1]), "sum", r"'left' takes the shape \[any, 2\], not \[5, 1\]"),
    (dict(INPUTS, left=LEFT[0]), "sum", r"'left' takes the shape \[any, 2\], not \[2\]"),
    (dict(INPUTS, factor=1j), "sum", "'factor' takes float64, not complex128")])
def test_what_does_not_fit_is_named(two_inputs, inputs, outputs, said):
    with pytest.raises(ValueError, match=said):
        run.tensorflow(two_inputs, inputs, outputs)
    with pytest.raises(ValueError, match="at least 1 image"):
        run.tensorflow(two_inputs, INPUTS, batch=0)


def test_inputs_of_unequal_length_are_refused(two_inputs):
    with pytest.raises(ValueError, match=r"different numbers of rows \(left 5, right 4\)"):
        run.tensorflow(two_inputs, dict(INPUTS, right=RIGHT[:4]), "sum")
    with pytest.raises(ValueError, match=r"different numbers of rows \(x 5, y 4\)"):
        run.onnx(adding(["N", 2]), {"x": LEFT, "y": RIGHT[:4]})


def test_dimensions_of_different_names_are_no_batch():
    value = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "y"], ["out"])], "outer", [
        value("x", TensorProto.FLOAT, ["rows", 2]), value("y", TensorProto.FLOAT, ["terms", 3])], [
        value("out", TensorProto.FLOAT, ["rows", 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    assert run.onnx(model, {"x": LEFT, "y": np.ones((2, 3))}, batch=1)["out"].shape == (5, 3)


def test_a_placeholder_with_a_default_may_be_given():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 2], "x")
        tf.add(x, v1.placeholder_with_default(tf.constant(3.0), [], "offset"), name="out")
    graph = graph.as_graph_def()
    for inputs, offset in ((LEFT, 3), ({"x": LEFT}, 3), ({"x": LEFT, "offset": 7}, 7)):
        np.testing.assert_array_equal(run.tensorflow(graph, inputs, batch=2)["out"], LEFT + offset)
    with pytest.raises(ValueError, match="no input 'ofset'.*did you mean 'offset'"):
        run.tensorflow(graph, {"x": LEFT, "ofset": 7})


def test_no_images_give_empty_arrays(two_inputs):
    found = run.tensorflow(two_inputs, dict(INPUTS, left=LEFT[:0], right=RIGHT[:0]), "sum")
    assert found["sum"].shape == (0, 2)


def test_a_graph_of_uffsurgeon_is_run_too(two_inputs):
    ours = protobuf.build(protobuf.GRAPH_DEF, "tensorflow")["GraphDef"].FromString(two_inputs.SerializeToString())
    np.testing.assert_array_equal(run.tensorflow(ours, INPUTS, "sum")["sum"], 2 * LEFT + RIGHT)


def adding(shape, name="same"):
    """An ONNX model: out = x + y, and a copy of x."""
    x, y = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    outputs = [helper.make_tensor_value_info(given, TensorProto.FLOAT, shape) for given in ("out", name)]
    graph = helper.make_graph([helper.make_node("Add", ["x", "y"], ["out"]), helper.make_node("Identity", ["x"], [name])],
                              "adding", [x, y], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    return model


@pytest.mark.parametrize("batch", [2, 8])
def test_onnx_with_two_inputs(batch, tmp_path):
    model, inputs = adding(["N", 2]), {"x": LEFT, "y": RIGHT}
    found = run.onnx(model, inputs, batch=batch)
    assert list(found) == ["out", "same"] and found["out"].dtype == np.float32
    np.testing.assert_array_equal(found["out"], LEFT + RIGHT)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert list(run.onnx(tmp_path / "a.onnx", inputs, "same")) == ["same"]


@pytest.mark.parametrize("call, error, said", [
    (lambda: run.onnx("no/such.onnx", LEFT), FileNotFoundError, "no ONNX file at no/such.onnx"),
    (lambda: run.onnx(adding(["N", 2]), LEFT), ValueError, "2 inputs"),
    (lambda: run.onnx(adding(["N", 2]), {"x": LEFT, "z": RIGHT}), ValueError, "no input 'z'"),
    (lambda: run.onnx(adding(["N", 2]), {"x": LEFT, "y": RIGHT}, "output"), ValueError, "no output 'output'.*'out'"),
    (lambda: run.onnx(adding([1, 2]), {"x": LEFT, "y": RIGHT}), ValueError, r"takes the shape \[1, 2\], not \[5, 2\]")])
def test_onnx_errors(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_the_box_network_in_onnx(tmp_path):
    path = onnx_models.box3d(tmp_path / "box3d.onnx", width=16, size=224)
    images = np.zeros((3,) + network.INPUT_SHAPE, "f")
    heads = network.heads(run.onnx(path, images, batch=2))
    assert {name: head.shape for name, head in heads.items()} == {
        "dimension": (3, 3), "orientation": (3, 6, 2), "confidence": (3, 6)}


def test_a_plan_gives_the_outputs_that_are_asked_for_in_batches(monkeypatch, tmp_path):
    backend, trt = Cuda(), doubles.tensorrt("10.3")
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(engine.run, "tensorrt", lambda: trt)
    (tmp_path / "a.onnx").write_bytes(adding(["N", 2]).SerializeToString())
    path = engine.build(tmp_path / "a.onnx", tmp_path / "a.plan", batch=4, trt=trt)
    inputs = {"x": LEFT.astype("f"), "y": RIGHT.astype("f")}
    assert list(run.plan(path, inputs)) == ["out", "same"]
    for batch, steps in ((None, 2), (2, 3), (100, 2)):
        before = trt.events.count("execute_async_v3")
        found = run.plan(path, inputs, "same", batch=batch)
        assert list(found) == ["same"] and found["same"].shape == (5, 2)
        assert trt.events.count("execute_async_v3") - before == steps
    with pytest.raises(ValueError, match="no output 'output'.*'out'"):
        run.plan(path, inputs, ["output"])
    assert backend.used == 0, "the engine is closed, also after an error"


@pytest.fixture
def scattered(tmp_path):
    """A function: writes an .onnx (x + w) whose w lies at a location -> its path, beside files `own` and ../secret."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tmp_path / "secret", folder / "own"):
        path.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)

    def make(location, inside=False):
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=location)
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
        nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
        if inside:
            nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
        graph = helper.make_graph(nodes, "g", values[:1], values[1:], [] if inside else [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 7
        (folder / "a.onnx").write_bytes(model.SerializeToString())
        return folder / "a.onnx"
    return make


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("location, words", [
    ("../secret", "leads out"), ("x/../../secret", "leads out"), ("link", "leads out"), ("linked/secret", "leads out"),
    ("/etc/passwd", "absolute"), ("", "leads out"), (".", "leads out"), ("none", "no file"), ("\0", "no path"),
    ("..\\secret", "leads out")])
def test_no_weights_are_read_from_outside_of_the_models_folder(scattered, location, words, inside):
    path = scattered(location, inside)
    for read in (lambda: run.onnx(path, np.zeros(4, np.float32)), lambda: engine.half(path, path.with_name("half.onnx"))):
        with pytest.raises(ValueError, match="keeps weight 'w' in .*%s.*may only lie in the model's folder" % words):
            read()
    assert not path.with_name("half.onnx").exists()


def test_weights_in_a_file_beside_the_model_are_read(scattered):
    path = scattered("own")
    assert run.onnx(path, np.zeros(4, np.float32))["y"].tolist() == [0, 1, 2, 3]
    engine.half(path, path.with_name("half.onnx"))
    assert run.onnx(path.with_name("half.onnx"), np.zeros(4, np.float32))["y"].tolist() == [0, 1, 2, 3]


def test_weights_of_a_model_in_memory_are_looked_for_in_the_working_folder(tmp_path, monkeypatch):
    import onnx

    weight = onnx.numpy_helper.from_array(np.full((4, 1), 100, np.float32), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [onnx.helper.make_tensor_value_info("x", 1, [1, 4])],
                                   [onnx.helper.make_tensor_value_info("y", 1, [1, 1])], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 7
    (tmp_path / "weights").write_bytes(weight.raw_data)
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "weights")
    model.graph.initializer[0].ClearField("raw_data")
    ones = np.ones((1, 4), np.float32)
    monkeypatch.chdir(tmp_path)
    assert run.onnx(model, ones)["y"] == [[400]]
    (tmp_path / "weights").rename(tmp_path.parent / "weights")
    with pytest.raises(ValueError, match="the model keeps weight 'w' in 'weights', where there is no file"):
        run.onnx(model, ones)
