"""The network is the article's, takes its weights from files that fit and refuses those that do not."""
import numpy as np
import pytest

from helpers import network, process

process.prepare_tensorflow()


@pytest.fixture(scope="module")
def small():
    return network.build(width=16)


def save(path, model, **changes):
    arrays = {"%s/%s" % (layer.name, part): value for layer in model.layers
              for part, value in zip(("kernel", "bias"), layer.get_weights())}
    arrays.update(changes)
    np.savez(str(path), **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_the_network_of_the_article_has_40_411_989_parameters():
    model = network.build()
    assert model.count_params() == 40411989
    assert [tuple(tensor.shape[1:].as_list() if hasattr(tensor.shape, "as_list") else tensor.shape[1:])
            for tensor in model.outputs] == [(3,), (6, 2), (6,)]


@pytest.mark.parametrize("arguments", [dict(flat="Flatten"), dict(pairs=3), dict(width=5), dict(width=0)])
def test_arguments_outside_their_list_are_refused(arguments):
    with pytest.raises(ValueError, match="must"):
        network.build(**arguments)


def test_all_variants_compute_the_same(small):
    images = network.preprocess(np.random.RandomState(0).randint(0, 255, (2, 224, 224, 3)))
    expected = small.predict(images)
    for flat in ("flatten", "reshape"):
        for pairs in (2, -1):
            model = network.build(flat=flat, pairs=pairs, width=16)
            model.set_weights(small.get_weights())
            for a, b in zip(expected, model.predict(images)):
                np.testing.assert_allclose(a, b, atol=1e-6)


def test_orientation_is_of_unit_length(small):
    images = network.preprocess(np.random.RandomState(1).randint(0, 255, (2, 224, 224, 3)))
    orientation = network.heads(small.predict(images))["orientation"]
    np.testing.assert_allclose((orientation ** 2).sum(-1), 1, atol=1e-5)


def test_preprocess_is_blue_first_and_centred():
    image = np.zeros((1, 224, 224, 3), np.uint8)
    image[..., 0] = 200  # red
    out = network.preprocess(image)
    np.testing.assert_allclose(out[0, 5, 7], [-103.939, -116.779, 200 - 123.68], rtol=1e-6)
    assert out.dtype == np.float32


def test_preprocess_refuses_other_shapes():
    with pytest.raises(ValueError, match="NHWC"):
        network.preprocess(np.zeros((1, 3, 224, 224)))


def test_weights_go_through_an_npz_file(small, tmp_path):
    path = save(tmp_path / "w.npz", small)
    other = network.load_weights(network.build(width=16), path)
    for a, b in zip(small.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_half_precision_weights_are_loaded_as_float32(small, tmp_path):
    path = save(tmp_path / "w.npz", small, **{"dense_1/kernel": small.get_layer("dense_1").get_weights()[0].astype("f2")})
    kernel = network.load_weights(network.build(width=16), path).get_layer("dense_1").get_weights()[0]
    assert kernel.dtype == np.float32


@pytest.mark.parametrize("whole", [False, True])
def test_weights_go_through_a_keras_file_whatever_its_layers_are_called(small, tmp_path, whole):
    keras = process.keras()
    layers = keras.layers
    x = inputs = layers.Input((224, 224, 3))
    for channels, count in ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3)):
        for _ in range(count):
            x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    heads = []
    for units, last in ((32, 3), (16, 12), (16, 6)):
        hidden = layers.LeakyReLU(0.1)(layers.Dense(units)(x))
        heads.append(layers.Dense(last)(hidden))
    theirs = keras.models.Model(inputs, heads)
    path = str(tmp_path / "theirs.h5")
    theirs.save(path) if whole else theirs.save_weights(path)
    ours = network.load_weights(network.build(width=16), path)
    images = network.preprocess(np.random.RandomState(2).randint(0, 255, (2, 224, 224, 3)))
    dimension, orientation, confidence = theirs.predict(images)
    found = network.heads(ours.predict(images))
    np.testing.assert_allclose(found["dimension"], np.where(dimension > 0, dimension, 0.1 * dimension), atol=1e-5)
    pairs = np.where(orientation > 0, orientation, 0.1 * orientation).reshape(2, 6, 2)
    np.testing.assert_allclose(found["orientation"], pairs / np.linalg.norm(pairs, axis=2, keepdims=True), atol=1e-4)
    odds = np.exp(confidence - confidence.max(1, keepdims=True))
    np.testing.assert_allclose(found["confidence"], odds / odds.sum(1, keepdims=True), atol=1e-5)


def test_a_missing_file_is_said(small):
    with pytest.raises(FileNotFoundError, match="data/README.md"):
        network.load_weights(small, "nowhere.npz")


def test_a_wrong_shape_names_the_layer_and_both_shapes(small, tmp_path):
    path = save(tmp_path / "w.npz", small, **{"dense_3/kernel": np.zeros((7, 16), "f")})
    before = small.get_weights()
    with pytest.raises(ValueError, match=r"'dense_3' needs a kernel of shape \(1568, 16\).*\(7, 16\)"):
        network.load_weights(small, path)
    for a, b in zip(before, small.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_missing_layer_is_named(small, tmp_path):
    path = save(tmp_path / "w.npz", small, **{"dense_4/bias": None})
    with pytest.raises(ValueError, match="dense_4"):
        network.load_weights(small, path)


@pytest.mark.parametrize("name", ["w.npz", "w.h5"])
def test_files_cut_anywhere_are_refused(small, tmp_path, name):
    path = tmp_path / name
    save(path, small) if name == "w.npz" else small.save_weights(str(path))
    data = path.read_bytes()
    for end in (0, 1, 10, len(data) // 2, len(data) - 30):
        path.write_bytes(data[:end])
        with pytest.raises(ValueError, match="is not a"):
            network.load_weights(small, path)


def test_heads_are_found_by_name_whatever_the_order():
    outputs = {"confidence/Softmax:0": np.ones((2, 6)), "dimension": np.zeros((2, 3), "f2"), "dense_1/MatMul": np.zeros(1),
               "orientation/l2_normalize": np.full((2, 6, 2), 0.5, "f")}
    found = network.heads(outputs)
    assert list(found) == ["dimension", "orientation", "confidence"]
    assert {array.dtype for array in found.values()} == {np.dtype("f4")}
    assert found["confidence"].sum() == 12 and found["orientation"].sum() == 12


def test_of_several_outputs_of_one_head_the_usual_one_is_taken():
    outputs = dict.fromkeys(network.OUTPUTS, 1.0)
    assert network.heads(dict(outputs, **{"dimension/BiasAdd": 2.0}))["dimension"] == 1
    del outputs["dimension/LeakyRelu"]
    with pytest.raises(ValueError, match="more than one output for the head 'dimension'"):
        network.heads(dict(outputs, **{"dimension/BiasAdd": 2.0, "dimension/MatMul": 3.0}))


def test_a_missing_head_is_named():
    with pytest.raises(ValueError, match="no output for the head 'orientation'; the outputs are: dimension, reshape_2/Reshape"):
        network.heads({"dimension": 1, "reshape_2/Reshape": 2})
    with pytest.raises(ValueError, match="expected 3 outputs"):
        network.heads([1, 2])


def test_the_layer_class_is_made_once():
    assert network.l2_normalize_layer() is network.l2_normalize_layer()
    assert network.l2_normalize_layer().__name__ == "L2Normalize"
