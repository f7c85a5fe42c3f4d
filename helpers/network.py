"""The Keras network of the workbook: 3D boxes from one crop of a street photo.

VGG16's convolutions feed three heads (Mousavian et al. 2017, arXiv:1612.00496): `dimension` (metres to add
to the mean box of the class), `orientation` (a unit vector for each of six angle bins) and `confidence`
(which bin). Every layer has an explicit name, so that TensorFlow 1.13 and 2.x build the same nodes.
"""
import contextlib
import os
import re

import numpy as np

from .artifacts import DATA
from .boxes import HEADS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# TensorFlow 2 greets every import with lines about oneDNN that its log level does not silence.
_stderr, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)
try:
    import tensorflow as tf
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_nowhere)

try:  # from TensorFlow 2.16 on, Keras 2 (whose node names the article shows) is this package
    import tf_keras as keras
except ImportError:
    keras = tf.keras

# On the CPU, so that TensorFlow leaves a board's memory, which it would take whole and keep, to TensorRT, and so that the
# answers to compare with are not rounded to TF32. A process that shall time TensorFlow sets the variable before.
USES_GPU = os.environ.get("WORKBOOK_TENSORFLOW") == "gpu"
if not USES_GPU and hasattr(getattr(tf, "config", None), "set_visible_devices"):
    with contextlib.suppress(RuntimeError):  # somebody has used TensorFlow before, and it has its devices
        tf.config.set_visible_devices([], "GPU")

# TensorFlow 1.13 announces its own deprecations at every call, among the lines of a lesson.
tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)



def session_config():
    """A ConfigProto for a `tf.compat.v1.Session`: on the CPU unless this process has TensorFlow on the GPU, and then with
    memory as it is needed."""
    config = tf.compat.v1.ConfigProto(device_count={} if USES_GPU else {"GPU": 0})
    config.gpu_options.allow_growth = True
    return config


if tf.__version__.startswith("1"):
    keras.backend.set_session(tf.compat.v1.Session(config=session_config()))

INPUT = "input_1"
INPUT_SHAPE = (224, 224, 3)
OUTPUTS = ("dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax")
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
WEIGHTS = DATA / "weights.npz"


class L2Normalize(keras.layers.Layer):
    """Each vector along the last axis divided by its length, through `tf.nn.l2_normalize`."""

    def call(self, inputs):
        return tf.nn.l2_normalize(inputs, axis=len(inputs.shape) - 1)


def build(flat="reshape", pairs=2, bin_num=6, width=1):
    """The network, with random weights.

    flat: "flatten" for `Flatten()`, as the article had it first, "reshape" for its repair,
        `Reshape((25088,))`.
    pairs: last entry of the orientation head's `Reshape((bin_num, pairs))`: -1 as the article had it first,
        2 as repaired.
    bin_num: number of angle bins.
    width: divides the channels of every hidden layer, for quick experiments; 1 is the real network, with
        40,411,989 parameters.

    Returns a Keras model: input [N, 224, 224, 3] float32, NHWC, BGR minus `MEAN_BGR` (see `preprocess`);
    outputs dimension [N, 3] (h, w, l), orientation [N, bin_num, 2] (cos, sin), confidence [N, bin_num].
    Raises ValueError for an argument outside its list.
    """
    if flat not in ("flatten", "reshape"):
        raise ValueError("flat must be 'flatten' or 'reshape', not %r" % (flat,))
    if pairs not in (2, -1):
        raise ValueError("pairs must be 2 or -1, not %r: a bin is one (cos, sin) pair" % (pairs,))
    if width < 1 or 64 % width:
        raise ValueError("width must divide 64, the channels of the first layer; %r does not" % (width,))
    layers = keras.layers
    x = inputs = layers.Input(INPUT_SHAPE, name=INPUT)
    for block, (convolutions, channels) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for i in range(1, convolutions + 1):
            name = "block%d_conv%d" % (block, i)
            x = layers.Conv2D(channels // width, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name="block%d_pool" % block)(x)
    if flat == "flatten":
        x = layers.Flatten(name="flatten_1")(x)
    else:
        x = layers.Reshape((7 * 7 * 512 // width,), name="reshape_1")(x)

    def hidden(units, dense, leaky):
        y = layers.Dense(units // width, name="dense_%d" % dense)(x)
        y = layers.LeakyReLU(0.1, name="leaky_re_lu_%d" % leaky)(y)
        return layers.Dropout(0.5, name="dropout_%d" % dense)(y)

    dimension = layers.Dense(3, name="dense_2")(hidden(512, 1, 1))
    dimension = layers.LeakyReLU(0.1, name="dimension")(dimension)

    orientation = layers.Dense(bin_num * 2, name="dense_4")(hidden(256, 3, 2))
    orientation = layers.LeakyReLU(0.1, name="leaky_re_lu_3")(orientation)
    name = "reshape_1" if flat == "flatten" else "reshape_2"
    orientation = layers.Reshape((bin_num, pairs), name=name)(orientation)
    orientation = L2Normalize(name="orientation")(orientation)

    confidence = layers.Dense(bin_num, activation="softmax", name="confidence")(hidden(256, 5, 4))
    return keras.models.Model(inputs, [dimension, orientation, confidence], name="box3d")


def load_weights(model, path=WEIGHTS):
    """Put trained weights into `model` and return it.

    path: this repository's .npz (arrays `<layer>/kernel` and `<layer>/bias`, any float type, convolutions
        HWIO, dense layers in x out) or a Keras .h5 of the same topology. In the .npz most dense weights are
        zero, which only makes the file small; in the network they are as dense as any.

    Raises FileNotFoundError, or ValueError that names the layer and the two shapes that do not fit; the model
    then has the weights that it had before.
    """
    path = str(path)
    if not os.path.isfile(path):
        raise FileNotFoundError("no weights at %s: data/README.md says how they are made" % path)
    layers = [layer for layer in model.layers if layer.weights]
    found = _read_h5(path, layers) if path.endswith((".h5", ".hdf5")) else _read_npz(path)
    values = []
    for layer in layers:
        shapes = _shapes(layer)
        parts = [found.get("%s/%s" % (layer.name, part)) for part in ("kernel", "bias")]
        if any(part is None for part in parts):
            raise ValueError("%s holds no kernel and bias for layer %r; it has: %s"
                             % (path, layer.name, ", ".join(sorted(found)[:8]) or "nothing"))
        for part, have, need in zip(("kernel", "bias"), parts, shapes):
            if tuple(have.shape) != need:
                raise ValueError("layer %r needs a %s of shape %s, %s has %s"
                                 % (layer.name, part, need, path, tuple(have.shape)))
        values += [part.astype(np.float32) for part in parts]
    model.set_weights(values)  # at once: in TensorFlow 1 each call is a run of the session
    return model


def _shapes(layer):
    return [tuple(int(size) for size in weight.shape) for weight in layer.weights]


def _read_npz(path):
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # a zip cut short fails in many ways, one for each place of the cut
        raise ValueError("%s is not a NumPy .npz archive: %s" % (path, error))


def _read_h5(path, layers):
    """`<layer>/kernel` and `/bias` from a Keras weight file or whole-model file.

    Keras numbers unnamed layers as they are made (`dense_7` in one session is `dense_1` in another). Where the names
    are not this network's, its layers are taken in the order of their numbers: convolutions first, then the dense
    layers of the dimension, orientation and confidence head, each hidden layer before its output.
    """
    import h5py

    try:
        with h5py.File(path, "r") as archive:
            group = archive["model_weights"] if "model_weights" in archive else archive
            names = [_text(name) for name in group.attrs["layer_names"]]
            stored = []
            for name in names:
                weights = [_text(weight) for weight in group[name].attrs["weight_names"]]
                if weights:
                    stored.append((name, {weight.split("/")[-1].split(":")[0]: np.array(group[name][weight])
                                          for weight in weights}))
    except (OSError, KeyError) as error:
        raise ValueError("%s is not a Keras weight file: %s" % (path, error))
    if len(stored) != len(layers):
        raise ValueError("%s has %d layers with weights (%s), this network has %d"
                         % (path, len(stored), ", ".join(name for name, _ in stored), len(layers)))
    known = {layer.name for layer in layers}
    if not known.issuperset(name for name, _ in stored):
        def age(item):
            name, shape = item
            parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
            return len(shape) != 4, "conf" in name, len(parts) > 1 or len(shape) == 4, parts

        theirs = sorted(stored, key=lambda item: age((item[0], item[1]["kernel"].shape)))
        ours = sorted(((layer.name, _shapes(layer)[0]) for layer in layers), key=age)
        stored = [(name, weights) for (name, _), (_, weights) in zip(ours, theirs)]
    return {"%s/%s" % (name, part): value for name, weights in stored for part, value in weights.items()}


def _text(name):
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def preprocess(images):
    """RGB crops -> the network's input: BGR minus the mean of ImageNet's images.

    images: [N, 224, 224, 3] uint8 or float, RGB, 0..255. Returns float32 of the same shape, NHWC.
    Raises ValueError for any other shape.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != INPUT_SHAPE:
        raise ValueError("expected images of shape [N, 224, 224, 3] (NHWC), got %s" % (images.shape,))
    return images[..., ::-1].astype(np.float32) - MEAN_BGR


def heads(outputs):
    """Three arrays in the order of `OUTPUTS` -> {"dimension", "orientation", "confidence"}, float32."""
    if len(outputs) != len(HEADS):
        raise ValueError("expected %d outputs (%s), got %d" % (len(HEADS), ", ".join(HEADS), len(outputs)))
    return {name: np.asarray(value, np.float32) for name, value in zip(HEADS, outputs)}
