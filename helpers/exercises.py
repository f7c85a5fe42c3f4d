"""The checks behind "your turn".

Each check takes what the reader made and tries it, the way the lesson would. It prints one line: not filled in yet,
right, or wrong and why. It never raises, so that an open exercise does not stop a run.
"""
import traceback

CHECKS = {}


def exercise(number):
    """Register a test: a function of the answer that raises AssertionError with the reason when it is wrong."""
    def register(function):
        CHECKS[number] = function
        return function
    return register


def judge(number, answer=...):
    """(verdict, sentence) on an answer to exercise `number` ("01.2"): True right, False wrong, None not filled in yet.

    An answer of `...` is one not filled in yet, and so is a function that returns `...`. Raises KeyError for an exercise
    that does not exist.
    """
    test = CHECKS[number]
    if answer is ...:
        return None, "Exercise %s is not filled in yet: put your answer where the dots are." % number
    try:
        praise = test(answer)
    except AssertionError as wrong:
        return False, "Exercise %s, not yet: %s" % (number, wrong)
    except Exception as error:  # the reader's own function may raise anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        return False, "Exercise %s, not yet: your answer raised %s: %s (line %d of %s)" % (
            number, type(error).__name__, error, where.lineno, where.name)
    return True, "Exercise %s is right. %s" % (number, praise or "")


def check(number, answer=...):
    """Print what `judge` says of an answer."""
    print(judge(number, answer)[1].rstrip())


@exercise("00.1")
def _head_of_l2(answer):
    assert isinstance(answer, str), "give the name of a head as a string; this is a %s" % type(answer).__name__
    assert answer != "confidence", "the confidences add up to one, but their squares do not: look at the output above"
    assert answer != "dimension", "that head gives metres, of any length: look for the vectors of length one"
    assert answer == "orientation", "the heads are dimension, orientation and confidence"
    return "Its pairs are cosine and sine of one angle, so they must have length one."


@exercise("01.1")
def _one_head(graph):
    names = [node.name for node in getattr(graph, "node", [])]
    assert names, "give the GraphDef that freeze.freeze returns; this is a %s" % type(graph).__name__
    assert "dimension/LeakyRelu" in names, "its output, dimension/LeakyRelu, is missing"
    strangers = [name for name in names if name.split("/")[0] in ("orientation", "confidence", "dense_3", "dense_5")]
    assert not strangers, "%s still belongs to another head" % strangers[0]
    return "%d nodes; what the other heads needed alone is gone." % len(names)


@exercise("01.2")
def _parameters(function):
    from . import freeze, network

    assert callable(function), "give the function itself, parameters, not what it returns"
    model = network.build(width=16)
    graph, count = freeze.freeze(model), function(freeze.freeze(model))
    assert count is not ..., "it returns the dots: replace them"
    scalars = sum(1 for node in graph.node if node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim)
    wrong = "a network of %d parameters has %s by your count" % (model.count_params(), count)
    assert count != model.count_params() + 1, wrong + ": the 1e-12 in l2_normalize is no weight (it has no dimension)"
    assert not model.count_params() < count <= model.count_params() + scalars + 16, (
        wrong + ": shapes are constants too, but of integers")
    assert count == model.count_params(), wrong
    return "It agrees with Keras on a network that you did not see."


@exercise("01.3")
def _readers(function):
    from .freeze import v1

    assert callable(function), "give the function itself, readers, not what it returns"
    graph = v1.GraphDef()
    for name, inputs in (("a", []), ("b", ["a"]), ("c", ["a:0", "b"]), ("d", ["^a"]), ("ab", ["c"])):
        graph.node.add(name=name, op="Any").input.extend(inputs)
    found = function(graph, "a")
    assert found is not ..., "it returns the dots: replace them"
    found = set(found)
    assert "ab" not in found, "'ab' reads 'c'; names have to be equal, not to begin alike"
    assert "c" in found, "'c' reads 'a:0', which is the first output of 'a'"
    assert "d" in found, "'d' has the input '^a': it waits for 'a'"
    assert found == {"b", "c", "d"}, "for the readers of 'a' it gives %s" % sorted(found)
    return "Plain names, outputs by number and control inputs are all found."


@exercise("02.1")
def _flatten_nchw(function):
    import numpy as np

    assert callable(function), "give the function itself, flatten_nchw, not what it returns"
    x = np.random.RandomState(1).rand(2, 3, 4, 5)
    row = function(x.copy())
    assert row is not ..., "it returns the dots: replace them"
    row = np.asarray(row)
    assert row.shape == (2, 60), "maps of shape (2, 3, 4, 5) should give (2, 60), yours give %s" % (row.shape,)
    assert not np.array_equal(row, x.reshape(2, -1)), "that is TensorFlow's order: the channels have to come first"
    assert not np.array_equal(row, x.transpose(0, 3, 2, 1).reshape(2, -1)), (
        "the channels come first now, but within a channel a row has to stay together: rows before columns")
    assert np.array_equal(row, x.transpose(0, 3, 1, 2).reshape(2, -1)), (
        "the order should be batch, channel, row, column; x.transpose puts axes in the order that you name")
    return "One transpose, and the weights behind no longer fit."


@exercise("02.2")
def _reorder(function):
    import numpy as np

    assert callable(function), "give the function itself, reorder, not what it returns"
    random = np.random.RandomState(2)
    x, kernel = random.rand(2, 3, 4, 5), random.rand(60, 7)
    new = function(kernel.copy(), 3, 4, 5)
    assert new is not ..., "it returns the dots: replace them"
    new = np.asarray(new)
    assert new.shape == kernel.shape, "the weights keep their shape, (60, 7) here; yours have %s" % (new.shape,)
    assert not np.array_equal(new, kernel), "these are the weights as they were"
    undone = kernel.reshape(5, 3, 4, 7).transpose(1, 2, 0, 3).reshape(60, 7)
    assert not np.array_equal(new, undone), (
        "the rows are moved the wrong way round: in `kernel` they lie in the order height, width, channels")
    wanted = x.reshape(2, -1) @ kernel
    assert np.allclose(x.transpose(0, 3, 1, 2).reshape(2, -1) @ new, wanted), (
        "flatten_nchw(x) @ your weights is not x.reshape(N, -1) @ kernel. Split the rows into height, width and channels, "
        "and move those three as flatten_nchw moves the axes of x")
    return "The same sums, in another order. Each dense layer behind the Flatten needs it, three in our network."


_SICK = "block4_pool"


def patient():
    """(frozen GraphDef, bytes of a UFF that computes something else) of a small network, for exercise 02.3."""
    import contextlib
    import io

    from . import freeze, network, uff

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
    before = ["block%d_conv%d" % (b, c) for b in range(1, 5) for c in range(1, 4)] + ["block1_pool", "block2_pool", "block3_pool"]
    assert layer not in before, "%s is right: its error is that of 32-bit numbers, around 1e-6" % name
    assert layer == _SICK, ("%s may well be wrong, but look at what it reads: the culprit is the first wrong node in the order "
                            "of the graph" % name)
    return "It takes the mean of four numbers where the network takes the largest: every shape is right."
