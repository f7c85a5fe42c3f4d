"""The boxes "On your own network" of page 07, in their order, on one small network: they hand files on to each other."""
import sys
from pathlib import Path

import numpy as np
import pytest
from own_network import snippets

from helpers import child, freeze, process, run

pytest.importorskip("onnx_graphsurgeon")
pytest.importorskip("polygraphy")
HOLLOW, BACK, FOLD, ANSWERS, HALF, INT8 = range(6)
NAMES = {"answer:0": "norm/l2_normalize:0", '"before:0"': '"dense/BiasAdd:0"', '"norm:0"': '"norm/l2_normalize:0"'}


def code(index):
    """The source of a box, with the names of this network put in, as the page asks."""
    source = snippets("07")[index]
    for name, changed in NAMES.items():
        source = source.replace(name, changed)
    return source


@pytest.fixture(scope="module")
def network():
    """(Keras model, images): a convolution with LeakyReLU, a wide dense layer and an l2_normalize with the layer's name."""
    layers, tf = process.keras().layers, process.tensorflow()
    x = layers.Input((16, 16, 3), name="input_1")
    y = layers.LeakyReLU(0.1, name="act")(layers.Conv2D(64, 5, strides=4, name="conv")(x))
    y = layers.Dense(64, bias_initializer="ones", name="dense")(layers.Flatten(name="flat")(y))
    y = layers.Lambda(lambda rows: tf.nn.l2_normalize(rows, 1), name="norm")(y)
    return process.keras().Model(x, y), np.random.RandomState(0).randn(8, 16, 16, 3).astype("f4")


def answers(path, images):
    (found,) = run.onnx(path, images).values()
    return found


def test_the_boxes_take_a_network_to_onnx_to_one_node_and_to_lower_precisions(network, tmp_path, monkeypatch):
    import onnx

    monkeypatch.chdir(tmp_path)
    model, images = network
    wanted = model.predict(images, verbose=0)
    freeze.save(freeze.freeze(model), Path("mine.pb"))
    np.save("mine.npy", images)
    names = {}
    exec(code(HOLLOW), names)
    assert set(names["weights"]) == {"dense/kernel:0"} and Path("mine_hollow.onnx").stat().st_size < 40000
    exec(code(BACK), names)
    assert np.abs(answers("mine.onnx", images) - wanted).max() < 1e-5
    exec(code(FOLD), {})
    folded = onnx.load("mine_folded.onnx")
    assert [node.op_type for node in folded.graph.node][-2:] == ["Add", "MyNorm"]
    assert [(function.name, len(function.node) > 5) for function in folded.functions] == [("MyNorm", True)]
    assert np.abs(answers("mine_folded.onnx", images) - wanted).max() < 1e-5
    exec(code(HALF), {})
    assert {tensor.data_type for tensor in onnx.load("mine_fp16.onnx").graph.initializer} >= {onnx.TensorProto.FLOAT16}
    assert 0 < np.abs(answers("mine_fp16.onnx", images) - wanted).max() < 1e-2
    exec(code(INT8), {})
    quantized = onnx.load("mine_int8.onnx")
    assert sum(node.op_type == "QuantizeLinear" for node in quantized.graph.node) == 2  # inputs of Conv and MatMul
    assert 0 < np.abs(answers("mine_int8.onnx", images) - wanted).max() < 0.1


def test_polygraphy_judges_a_conversion_by_keras_answers(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, images = network
    monkeypatch.setattr("tensorflow.keras.models.load_model", lambda path, compile: model)
    np.save("mine.npy", images)
    exec(code(ANSWERS), {})
    freeze.save(freeze.freeze(model), Path("mine.pb"))
    names = {}
    exec(code(HOLLOW), names)
    exec(code(BACK), names)
    main = "import sys; from polygraphy.tools import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "run", "mine.onnx", "--onnxrt", "--load-inputs", "mine_in.json",
               "--load-outputs", "mine_out.json", "--atol", "1e-4"]
    done = child.run(command, cwd=tmp_path)
    assert done.code == 0 and "Pass Rate: 100.00%" in done.text, done.text
    kernel = names["weights"]["dense/kernel:0"]
    names["weights"]["dense/kernel:0"] = kernel[:, ::-1].copy()
    exec(code(BACK), names)
    done = child.run(command, cwd=tmp_path)
    assert done.code != 0 and "Pass Rate: 0.00%" in done.text, done.text
