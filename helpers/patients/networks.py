"""Small Keras networks that UffParser reads without an error and gets wrong, each with its repair.

    sick, mended = patients.cropped(), patients.cropped(repaired=True)
    graph = patients.freeze(sick)

A repaired network has the weights of the sick one and computes the same in TensorFlow; the last bits may differ. Inputs are
[N, 32, 32, 3]. What the parsers make of them is recorded in data/parser.
"""
import numpy as np

from .. import freeze as freezing
from .. import process

SIZE = (32, 32, 3)


def padded(repaired=False):
    """The first layers of MobileNet in Keras 2.2, which pads below and on the right: UffParser pads on the right only.

    Repaired: as later versions of Keras have it, a SAME convolution, which pads in the same places when the size is even.
    """
    layers = process.keras().layers
    image = layers.Input(SIZE, name="input_1")
    x = image if repaired else layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same" if repaired else "valid", activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return process.keras().Model(image, layers.Dense(4, name="answer")(x))


def cropped(repaired=False):
    """A crop of a feature map: UffParser cuts off channels and rows instead of rows and columns.

    Repaired: behind a Reshape that changes nothing, in front of which UffParser goes back to rows, columns, channels.
    """
    layers = process.keras().layers
    image = layers.Input(SIZE, name="input_1")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.Reshape((32, 32, 8), name="back")(x) if repaired else x
    x = layers.Cropping2D(((1, 0), (1, 0)), name="crop")(x)
    return process.keras().Model(image, layers.GlobalMaxPooling2D(name="peak")(x))


def joined(repaired=False):
    """A concatenation along axis -1: UffParser joins along the height, and says so in the log. Repaired: along axis 3."""
    layers, tf = process.keras().layers, process.tensorflow()
    image = layers.Input(SIZE, name="input_1")
    join = layers.Lambda(lambda x: tf.concat([tf.nn.relu(x), tf.nn.relu(-x)], 3 if repaired else -1), name="join")
    return process.keras().Model(image, join(image))


def unchanged():
    """A Flatten of what is flat already, read and given back: UffParser returns True, and the network has no output."""
    layers = process.keras().layers
    row = layers.Input((12,), name="input_1")
    return process.keras().Model(row, layers.Flatten(name="flatten")(row))


def freeze(model):
    """The frozen GraphDef of one of these networks, with random weights that are always the same."""
    random = np.random.RandomState(0)
    model.set_weights([random.randn(*[int(size) for size in weight.shape]) * 0.3 for weight in model.weights])
    return freezing.freeze(model)


def images(count=2):
    """Random images for them, [count, 32, 32, 3] float32, always the same."""
    return np.random.RandomState(1).randn(count, *SIZE).astype(np.float32)
