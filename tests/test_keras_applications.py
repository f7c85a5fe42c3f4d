"""The networks of keras.applications, small images and random weights: frozen, to UFF, to ONNX, beside TensorFlow."""
import numpy as np
import pytest
import tensorflow

from helpers import freeze, process, run
from uffsurgeon import to_onnx, uff

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.skipif(
    tensorflow.__version__ < "2", reason="TensorFlow 2 has the newer ones")]
SIZES = {"MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32, "EfficientNetB0": 32, "EfficientNetV2B0": 32, "VGG16": 32,
         "DenseNet121": 32, "ConvNeXtTiny": 32, "RegNetX002": 32, "ResNet50": 32, "ResNet50V2": 32, "InceptionV3": 75,
         "Xception": 71, "NASNetMobile": 32, "InceptionResNetV2": 75}
TOLERANCE = 1e-4  # of the largest output


def randomized(model, seed=0):
    """The model with statistics and scales that are not those of an untrained batch normalization."""
    random = np.random.RandomState(seed)
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)
        if "moving_variance" in name or "gamma" in name:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif "moving_mean" in name or "beta" in name or "bias" in name:
            weight.assign(random.normal(0, 0.1, weight.shape))
    return model


@pytest.mark.parametrize("name", sorted(SIZES))
def test_application(name):
    keras = process.keras()
    if not hasattr(keras.applications, name):
        pytest.skip("this Keras does not have it")
    keras.backend.clear_session()
    size = SIZES[name]
    model = randomized(getattr(keras.applications, name)(weights=None, classes=10, input_shape=(size, size, 3)))
    frozen = freeze.freeze(model)
    del model
    images = np.random.RandomState(1).uniform(-1, 1, (2, size, size, 3)).astype("f4")
    wanted = run.tensorflow(frozen, images)
    got = run.onnx(to_onnx.convert(uff.from_tensorflow(frozen, list(wanted), quiet=True)), images)
    assert list(got) == list(wanted)
    for key in wanted:
        assert np.isfinite(wanted[key]).all() and np.ptp(wanted[key]) > 1e-6
        np.testing.assert_allclose(got[key], wanted[key], rtol=0, atol=TOLERANCE * np.abs(wanted[key]).max())
