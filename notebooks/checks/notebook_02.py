"""Checks of notebook 02, Flatten and Reshape."""
import functools

from .judging import a, exercise, nodes_of


@exercise("02.1", "flatten_nchw(x)", returns="an array [N, H * W * C]")
def _flatten_nchw(function):
    import numpy as np

    x = np.random.RandomState(1).rand(2, 3, 4, 5)
    row = np.asarray(function(x.copy()))
    assert row.shape == (2, 60), "maps of shape (2, 3, 4, 5) should give (2, 60), yours give %s" % (row.shape,)
    assert not np.array_equal(row, x.reshape(2, -1)), "that is TensorFlow's order: the channels have to come first"
    assert not np.array_equal(row, x.transpose(0, 3, 2, 1).reshape(2, -1)), (
        "the channels come first now, but within a channel a row has to stay together: rows before columns")
    assert np.array_equal(row, x.transpose(0, 3, 1, 2).reshape(2, -1)), (
        "the order should be batch, channel, row, column; x.transpose puts the axes into the order that you give")
    return "One transpose, and the weights that follow no longer fit."


@exercise("02.2", "reorder(kernel, height, width, channels)", returns="an array with the shape of `kernel`")
def _reorder(function):
    import numpy as np

    random = np.random.RandomState(2)
    x, kernel = random.rand(2, 3, 4, 5), random.rand(60, 7)
    new = np.asarray(function(kernel.copy(), 3, 4, 5))
    assert new.shape == kernel.shape, "the weights keep their shape, (60, 7) in this case; yours have %s" % (new.shape,)
    assert not np.array_equal(new, kernel), "these are the weights as they were"
    inverse = kernel.reshape(5, 3, 4, 7).transpose(1, 2, 0, 3).reshape(60, 7)
    assert not np.array_equal(new, inverse), (
        "the rows are moved the wrong way round: in `kernel` they are in the order height, width, channels")
    wanted = x.reshape(2, -1) @ kernel
    assert np.allclose(x.transpose(0, 3, 1, 2).reshape(2, -1) @ new, wanted), (
        "flatten_nchw(x) @ your weights is not x.reshape(N, -1) @ kernel. Split the rows into height, width and channels, "
        "and move those three as flatten_nchw moves the axes of x")
    return "The same sums, in another order. Each dense layer after such a Flatten would need it, three in our network."


_CULPRIT = "crop"


@functools.lru_cache(maxsize=None)
def _patient():
    from helpers import patients

    return patients.freeze(patients.cropped())


@exercise("02.3", returns="the name of a node, a string,")
def _culprit(name):
    from uffsurgeon.names import did_you_mean, producer

    name = getattr(name, "name", name)  # a NodeDef is as good
    assert isinstance(name, str), "give the name of a node as a string; yours is %s" % a(type(name).__name__)
    assert name.strip(), "the name is empty"
    nodes = nodes_of(_patient())
    name = name.strip()
    layer, layers = producer(name).split("/")[0], [known.split("/")[0] for known in nodes]
    assert producer(name) in nodes or name in layers, "the graph has no node %r%s" % (name, did_you_mean(name, nodes))
    assert layers.index(layer) >= layers.index(_CULPRIT), (
        "%s is right: its error is that of 32-bit numbers, around 1e-6" % name)
    assert layer == _CULPRIT, ("%s is wrong, but look at what it reads: the culprit is the first wrong node in the order of "
                               "the graph" % name)
    return ("It cuts off a channel and a row where TensorFlow cuts off a row and a column. A Reshape to the same shape in "
            "front of it mends that: patients.cropped(repaired=True).")


HINTS = {
    "02.1": ("The numbers are laid out in the order of the axes, the last one fastest. So first bring the axes into the "
             "order in which you want to read them, then make rows.",
             "The batch stays in front, the channels come next, then rows, then columns. `x.transpose` takes the old numbers"
             " of the axes in their new order, and `reshape` with the batch size and -1 makes the rows."),
    "02.2": ("Row k of the weights belongs to number k of TensorFlow's row. Which place of the feature map is that? Give the"
             " rows of `kernel` the three axes that they stand for.",
             "Reshape the rows into height, width and channels, with the units behind. Then move these three exactly as in "
             "02.1, where there is no batch now, and reshape back."),
    "02.3": ("Convert and parse it as the padded network, then compare layer by layer. The first wrong layer in the order of"
             " the graph is the culprit; those after it only pass the error on.",
             "`errors_by_layer` wants the graph, what `ask` returned and `picture`. Look for the first bar that is orange, "
             "and for a layer that takes something away."),
}
