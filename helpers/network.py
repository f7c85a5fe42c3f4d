"""The Keras network of the workbook: 3D boxes from one crop of a street photo.

VGG16's convolutions feed three heads (Mousavian et al. 2017, arXiv:1612.00496): `dimension` (metres to add
to the mean box of the class), `orientation` (a unit vector for each of six angle bins) and `confidence`
(which bin). Every layer has an explicit name, so that TensorFlow 1.13 and 2.x build the same nodes.

TensorFlow is imported by `build`, and by nothing else in this module.
"""
import functools
import os
import re

import numpy as np

from uffsurgeon.values import not_finite

from . import archives, process
from .artifacts import DATA
from .boxes import HEADS

INPUT = "input_1"
INPUT_SHAPE = (224, 224, 3)
OUTPUTS = ("dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax")
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
WEIGHTS = DATA / "weights.npz"


@functools.lru_cache(maxsize=None)
def l2_normalize_layer():
    """The Keras layer class that divides each vector along the last axis by its length, with `tf.nn.l2_normalize`.

    A function, because the class can only be made once Keras is imported. Always the same class, called "L2Normalize".
    """
    tf, keras = process.tensorflow(), process.keras()

    class L2Normalize(keras.layers.Layer):
        def call(self, inputs):
            return tf.nn.l2_normalize(inputs, axis=len(inputs.shape) - 1)

    return L2Normalize


def build(flat="reshape", pairs=2, bin_num=6, width=1):
    """The network as a Keras 2 model, with random weights.

    flat: "flatten" for `Flatten()`, the article's first version, or "reshape" for its repair, `Reshape((25088,))`.
    pairs: last entry of the orientation head's `Reshape((bin_num, pairs))`: -1 in the article's first version, 2 in
        its repair.
    bin_num: number of angle bins.
    width: divisor of the channels of every hidden layer, for quick experiments: 1, 2, 4, ..., 64. 1 is the real
        network, with 40,411,989 parameters.

    Input: [N, 224, 224, 3] float32, NHWC, BGR minus `MEAN_BGR` (see `preprocess`). Outputs: dimension [N, 3] (h, w, l),
    orientation [N, bin_num, 2] (cos, sin), confidence [N, bin_num].
    Raises ValueError for any other value of flat, pairs or width.
    """
    if flat not in ("flatten", "reshape"):
        raise ValueError("flat must be 'flatten' or 'reshape', not %r" % (flat,))
    if pairs not in (2, -1):
        raise ValueError("pairs must be 2 or -1, not %r: a bin is one (cos, sin) pair" % (pairs,))
    if width < 1 or 64 % width:
        raise ValueError("width must divide 64, the channels of the first layer; %r does not" % (width,))
    keras = process.keras()
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
    orientation = l2_normalize_layer()(name="orientation")(orientation)

    confidence = layers.Dense(bin_num, activation="softmax", name="confidence")(hidden(256, 5, 4))
    return keras.models.Model(inputs, [dimension, orientation, confidence], name="box3d")


def load_weights(model, path=WEIGHTS):
    """Set the trained weights of `model` and return the model.

    path: this repository's .npz (arrays `<layer>/kernel` and `<layer>/bias` of any float type; convolutions HWIO, dense
        layers [inputs, units]) or a Keras .h5 of the same topology. Most dense weights in the .npz are zero, which only
        makes the file smaller: no runtime takes advantage of it.

    Raises FileNotFoundError when there is no such file, and ValueError when it cannot be read, has links or data in another
    file, claims more memory than `archives.allowed`, holds NaN or infinity (with the layer and how many), or does not fit (with
    the layer and both shapes). The model keeps its weights then.
    """
    path = str(path)
    if not os.path.isfile(path):
        raise FileNotFoundError("there are no weights at %s; data/README.md describes how they are made" % path)
    layers = [layer for layer in model.layers if layer.weights]
    found = _read_h5(path, layers) if path.endswith((".h5", ".hdf5")) else archives.read_npz(path)
    values = []
    for layer in layers:
        shapes = _shapes(layer)
        parts = [found.get("%s/%s" % (layer.name, part)) for part in ("kernel", "bias")]
        if any(part is None for part in parts):
            raise ValueError("%s has no kernel and bias for layer %r; it has: %s"
                             % (path, layer.name, ", ".join(sorted(found)[:8]) or "nothing"))
        for part, have, need in zip(("kernel", "bias"), parts, shapes):
            if tuple(have.shape) != need:
                raise ValueError("layer %r needs a %s of shape %s, %s has %s"
                                 % (layer.name, part, need, path, tuple(have.shape)))
        with np.errstate(over="ignore"):
            parts = [part.astype(np.float32) for part in parts]
        for part, array in zip(("kernel", "bias"), parts):
            found_in = not_finite(array)
            if found_in:
                raise ValueError("the %s of layer %r in %s holds NaN or infinity: %s" % (part, layer.name, path, found_in))
        values += parts
    model.set_weights(values)  # in one call: each is a run of the session in TensorFlow 1
    return model


def _shapes(layer):
    return [tuple(int(size) for size in weight.shape) for weight in layer.weights]


def _read_h5(path, layers):
    """{"<layer>/kernel": array, "<layer>/bias": array} of a Keras weight file or whole-model file.

    Keras numbers unnamed layers in the order in which they are created (`dense_7` in one session is `dense_1` in
    another). Where the names are not this network's, the layers are matched by that number: convolutions first, then
    the dense layers of the dimension, the orientation and the confidence head, each hidden layer before its output.
    """
    wrong = archives.instead(path, "HDF5")
    if wrong:
        raise ValueError("%s is not a Keras weight file%s" % (path, wrong))
    try:
        with archives.open_h5(path) as archive:
            group = archive["model_weights"] if "model_weights" in archive else archive
            stored = []
            for name in _texts(group, "layer_names"):
                weights = _texts(group[name], "weight_names")
                if weights:
                    stored.append((name, {weight.split("/")[-1].split(":")[0]: _numbers(group[name][weight])
                                          for weight in weights}))
    except (ImportError, RuntimeError):  # no h5py
        raise
    except Exception as error:  # HDF5 raises many of damaged files
        raise ValueError("%s is not a Keras weight file: %s" % (path, archives.reason(error))) from None
    if len(stored) != len(layers):
        raise ValueError("%s has %d layers with weights (%s), this network has %d"
                         % (path, len(stored), ", ".join(name for name, _ in stored), len(layers)))
    known = {layer.name for layer in layers}
    if not known.issuperset(name for name, _ in stored):
        def order(item):
            name, shape = item
            numbers = [(len(part.lstrip("0")), part.lstrip("0")) if i % 2 else part
                       for i, part in enumerate(re.split("([0-9]+)", name))]
            return len(shape) != 4, "conf" in name, len(numbers) > 1 or len(shape) == 4, numbers

        for name, weights in stored:
            if "kernel" not in weights:
                raise ValueError("%s has no kernel for layer %r, but %s" % (path, name, ", ".join(sorted(weights)[:8])))
        theirs = sorted(stored, key=lambda item: order((item[0], item[1]["kernel"].shape)))
        ours = sorted(((layer.name, _shapes(layer)[0]) for layer in layers), key=order)
        stored = [(name, weights) for (name, _), (_, weights) in zip(ours, theirs)]
    return {"%s/%s" % (name, part): value for name, weights in stored for part, value in weights.items()}


def _texts(group, key):
    """The names in an attribute of an .h5, a list of str."""
    if key not in group.attrs:
        raise ValueError("%s has no %r" % (group.name, key))
    found = np.asarray(group.attrs[key])
    if found.size and found.dtype.kind not in "SUO" or found.ndim != 1:
        raise ValueError("%r of %s is not a list of names" % (key, group.name))
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in found.tolist()]


def _numbers(dataset):
    if dataset.dtype.kind != "f":
        raise ValueError("%s is of type %s, not of floating point numbers" % (dataset.name, dataset.dtype))
    return np.array(dataset)


def preprocess(images):
    """RGB crops as the network's input: BGR minus the mean of ImageNet's images.

    images: [N, 224, 224, 3], NHWC, uint8 or float, RGB, 0..255. Returns float32 of the same shape.
    Raises ValueError for any other shape.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != INPUT_SHAPE:
        raise ValueError("expected images of shape [N, 224, 224, 3] (NHWC), got %s" % (images.shape,))
    return images[..., ::-1].astype(np.float32) - MEAN_BGR


def heads(outputs):
    """The three heads, {"dimension", "orientation", "confidence"}, as float32 arrays.

    outputs: {output name: array}, as everything in `run` returns it, or the list of three arrays in the order of
        `OUTPUTS` that Keras's `predict` returns. An output belongs to the head that its name begins with:
        "dimension/LeakyRelu:0" and "dimension" are both the dimension. Other outputs are ignored.
    Raises ValueError when a head is missing, or when several outputs could be the same head.
    """
    if not hasattr(outputs, "items"):
        if len(outputs) != len(HEADS):
            raise ValueError("expected %d outputs (%s), got %d" % (len(HEADS), ", ".join(HEADS), len(outputs)))
        outputs = dict(zip(OUTPUTS, outputs))
    found = {}
    for head, usual in zip(HEADS, OUTPUTS):
        names = [name for name in outputs if name.split("/")[0].split(":")[0] == head]
        names = [usual] if usual in names else names
        if len(names) != 1:
            raise ValueError("%s output for the head %r; the outputs are: %s" % (
                "more than one" if names else "no", head, ", ".join(outputs) or "none"))
        found[head] = np.asarray(outputs[names[0]], np.float32)
    return found
