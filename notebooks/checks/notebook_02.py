"""Checks of notebook 02, Flatten and Reshape."""
from .judging import exercise


@exercise("02.1")
def _flatten_nchw(function):
    import numpy as np

    assert callable(function), "give the function itself, flatten_nchw, not what it returns"
    x = np.random.RandomState(1).rand(2, 3, 4, 5)
    row = function(x.copy())
    row = np.asarray(row)
    assert row.shape == (2, 60), "maps of shape (2, 3, 4, 5) should give (2, 60), yours give %s" % (row.shape,)
    assert not np.array_equal(row, x.reshape(2, -1)), "that is TensorFlow's order: the channels have to come first"
    assert not np.array_equal(row, x.transpose(0, 3, 2, 1).reshape(2, -1)), (
        "the channels come first now, but within a channel a row has to stay together: rows before columns")
    assert np.array_equal(row, x.transpose(0, 3, 1, 2).reshape(2, -1)), (
        "the order should be batch, channel, row, column; x.transpose puts axes in the order that you name")
    return "One transpose, and the weights that follow no longer fit."


@exercise("02.2")
def _reorder(function):
    import numpy as np

    assert callable(function), "give the function itself, reorder, not what it returns"
    random = np.random.RandomState(2)
    x, kernel = random.rand(2, 3, 4, 5), random.rand(60, 7)
    new = function(kernel.copy(), 3, 4, 5)
    new = np.asarray(new)
    assert new.shape == kernel.shape, "the weights keep their shape, (60, 7) here; yours have %s" % (new.shape,)
    assert not np.array_equal(new, kernel), "these are the weights as they were"
    undone = kernel.reshape(5, 3, 4, 7).transpose(1, 2, 0, 3).reshape(60, 7)
    assert not np.array_equal(new, undone), (
        "the rows are moved the wrong way round: in `kernel` they are in the order height, width, channels")
    wanted = x.reshape(2, -1) @ kernel
    assert np.allclose(x.transpose(0, 3, 1, 2).reshape(2, -1) @ new, wanted), (
        "flatten_nchw(x) @ your weights is not x.reshape(N, -1) @ kernel. Split the rows into height, width and channels, "
        "and move those three as flatten_nchw moves the axes of x")
    return "The same sums, in another order. Each dense layer after the Flatten needs it, three in our network."


_SICK = "block4_pool"


def patient():
    """(frozen GraphDef, bytes of a UFF that computes something else) of a small network, for exercise 02.3."""
    import contextlib
    import io

    from helpers import freeze, network
    from uffsurgeon import uff

    graph = freeze.freeze(network.build(width=8))
    sick = type(graph)()
    sick.CopyFrom(graph)
    for node in sick.node:
        if node.name == _SICK + "/MaxPool":
            node.op = "AvgPool"
    with contextlib.redirect_stdout(io.StringIO()):
        return graph, uff.from_tensorflow(sick, list(network.OUTPUTS), quiet=True)


@exercise("02.3")
def _culprit(name):
    assert isinstance(name, str), "give the name of a node as a string; this is a %s" % type(name).__name__
    layer = name.split("/")[0]
    before = ["block%d_conv%d" % (b, c) for b in range(1, 5) for c in range(1, 4)] + ["block%d_pool" % b for b in (1, 2, 3)]
    assert layer not in before, "%s is right: its error is that of 32-bit numbers, around 1e-6" % name
    assert layer == _SICK, ("%s may well be wrong, but look at what it reads: the culprit is the first wrong node in the order "
                            "of the graph" % name)
    return "It takes the mean of four numbers where the network takes the largest: every shape is right."
