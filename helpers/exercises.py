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
    before = ["block%d_conv%d" % (b, c) for b in range(1, 5) for c in range(1, 4)] + ["block%d_pool" % b for b in (1, 2, 3)]
    assert layer not in before, "%s is right: its error is that of 32-bit numbers, around 1e-6" % name
    assert layer == _SICK, ("%s may well be wrong, but look at what it reads: the culprit is the first wrong node in the order "
                            "of the graph" % name)
    return "It takes the mean of four numbers where the network takes the largest: every shape is right."


@exercise("03.1")
def _leaky_plugins(function):
    from . import graphsurgeon

    assert callable(function), "give the function itself, leaky_plugins, not what it returns"
    slopes = {"head/act": 0.25, "tail/out/LeakyRelu": 0.05}
    graph = graphsurgeon.DynamicGraph(_graph([
        ("x", "Placeholder", []), ("head/act", "LeakyRelu", ["x"]), ("relu", "Relu", ["head/act"]),
        ("tail/out/LeakyRelu", "LeakyRelu", ["relu"])]))
    for name, slope in slopes.items():
        graph.node_map[name].attr["alpha"].f = slope
    made = function(graph)
    assert made is not ..., "it returns the dots: replace them"
    assert isinstance(made, dict), "collapse_namespaces wants a dictionary; yours returns a %s" % type(made).__name__
    for name in slopes:
        assert name in made, "the graph has a LeakyRelu called %r, which your dictionary leaves out" % name
    strangers = sorted(set(made) - set(slopes))
    assert not strangers, "%r is no LeakyRelu of this graph" % strangers[0]
    for name, slope in slopes.items():
        node = made[name]
        assert node.op == "LReLU_TRT", "the op of %r is %r; the plugin is called LReLU_TRT" % (name, node.op)
        assert node.name == name, "the node for %r is called %r: its readers would not find it" % (name, node.name)
        assert "negSlope_u_float" in node.attr, "%r has no setting negSlope; it has %s" % (name, sorted(node.attr) or "none")
        found = node.attr["negSlope_u_float"].f
        assert abs(found - slope) < 1e-6, "the slope of %r is %g and became %.3g: read it from attr[\"alpha\"].f" % (
            name, slope, found)
    graph.collapse_namespaces(made)
    return "Two layers with other names, each with its own slope."


def _graph(nodes):
    """A GraphDef of (name, op, inputs)."""
    from .freeze import v1

    graph = v1.GraphDef()
    for name, op, inputs in nodes:
        graph.node.add(name=name, op=op).input.extend(inputs)
    return graph


def swish_graph():
    """The GraphDef of exercise 03.2: two swish layers with a dense one between."""
    return _graph([
        ("x", "Placeholder", []), ("swish_1/Sigmoid", "Sigmoid", ["x"]), ("swish_1/mul", "Mul", ["x", "swish_1/Sigmoid"]),
        ("dense/kernel", "Placeholder", []), ("dense/MatMul", "MatMul", ["swish_1/mul", "dense/kernel"]),
        ("swish_2/Sigmoid", "Sigmoid", ["dense/MatMul"]), ("swish_2/mul", "Mul", ["dense/MatMul", "swish_2/Sigmoid"]),
        ("y", "Softmax", ["swish_2/mul"])])


@exercise("03.2")
def _swish(function):
    from . import graphsurgeon

    assert callable(function), "give the function itself, swish, not what it returns"
    graph = graphsurgeon.DynamicGraph(swish_graph())
    given = function(graph)
    assert given is not ..., "it returns the dots: replace them"
    given = graph if given is None else given
    nodes = {node.name: node for node in given.as_graph_def().node}
    made = [node for node in nodes.values() if node.op == "Swish_TRT"]
    assert made, "no node of the graph has the op Swish_TRT; there are %s" % sorted({node.op for node in nodes.values()})
    left = [name for name, node in nodes.items() if node.op in ("Sigmoid", "Mul")]
    assert not left, "%s is still there: the namespace is the part of the name before the slash" % left[0]
    assert len(made) == 2, "two layers, two plugins; there is %d" % len(made)
    reads = {node.name: list(node.input) for node in nodes.values()}
    for reader, source in (("dense/MatMul", "x"), ("y", "dense/MatMul")):
        plugin = reads[reader][0]
        assert plugin in nodes and nodes[plugin].op == "Swish_TRT", "%r reads %r, which is no plugin" % (reader, plugin)
        assert reads[plugin] == [source], "the plugin before %r should read %r alone, and reads %s" % (
            reader, source, reads[plugin])
    return "Both nodes of a layer read x, the plugin reads it once."


@exercise("03.3")
def _normalise(function):
    import numpy as np

    assert callable(function), "give the function itself, normalise, not what it returns"
    pairs = np.random.RandomState(3).randn(4, 6, 2).astype(np.float32)
    pairs[1, 2], pairs[0, 0] = 0, (3e-8, 4e-8)
    with np.errstate(all="ignore"):
        got = function(pairs.copy())
    assert got is not ..., "it returns the dots: replace them"
    got = np.asarray(got)
    assert got.shape == pairs.shape, "pairs of shape (4, 6, 2) should keep it, yours have %s" % (got.shape,)
    wanted = pairs / np.sqrt(np.maximum((pairs ** 2).sum(axis=2, keepdims=True), 1e-12))
    ordinary = np.ones((4, 6), bool)
    ordinary[1, 2] = ordinary[0, 0] = False
    assert np.allclose(got[ordinary], wanted[ordinary], atol=1e-6), (
        "the pair %s became %s: each pair is to be divided by its own length (axis 2)" % (pairs[2, 0], got[2, 0]))
    assert np.isfinite(got[1, 2]).all(), "the pair (0, 0) became %s" % (got[1, 2],)
    assert np.allclose(got[1, 2], 0), "the pair (0, 0) should stay (0, 0), it became %s" % (got[1, 2],)
    assert np.allclose(got[0, 0], wanted[0, 0], atol=1e-4), (
        "the tiny pair (3e-8, 4e-8) became %s; TensorFlow gives %s, since it divides by at least 1e-6, the root of 1e-12"
        % (got[0, 0], wanted[0, 0]))
    return "As TensorFlow does, also where there is no direction."
