"""Checks of notebook 01, freeze."""
import functools

from .judging import a, exercise, graph_of, is_number, nodes_of


@exercise("01.1", returns="a GraphDef")
def _one_head(graph):
    names = list(nodes_of(graph))
    assert "dimension/LeakyRelu" in names, "its output, dimension/LeakyRelu, is missing"
    left = [name for name in names if name.split("/")[0] in ("orientation", "confidence", "dense_3", "dense_5")]
    assert not left, "%s still belongs to another head" % left[0]
    return ("%d nodes are left. What only the other heads needed is gone; the thirteen convolutions are needed by every head."
            % len(names))


@functools.lru_cache(maxsize=None)
def _frozen():
    """(GraphDef of a narrow box network, how many parameters Keras counts)."""
    from helpers import freeze, network

    model = network.build(width=16)
    return freeze.freeze(model), model.count_params()


@exercise("01.2", "parameters(graph)", returns="one number, how many weights there are,")
def _parameters(function):
    graph, parameters = _frozen()
    count = function(type(graph).FromString(graph.SerializeToString()))
    scalars = sum(1 for node in graph.node if node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim)
    assert is_number(count), "the answer is one number, and your function returned %s" % a(type(count).__name__)
    wrong = "a network of %d parameters has %s by your count" % (parameters, count)
    assert count != parameters + 1, wrong + ": the 1e-12 in l2_normalize is not a weight (it has no dimension)"
    assert not parameters < count <= parameters + scalars + 16, (
        wrong + ": shapes are constants too, but of integers")
    assert count == parameters, wrong
    return "It agrees with Keras on a network that you did not see."


@exercise("01.3", "readers(graph, name)", returns="a set of names")
def _readers(function):
    graph = graph_of((name, "Any", inputs) for name, inputs in (
        ("a", []), ("b", ["a"]), ("c", ["a:0", "b"]), ("d", ["^a"]), ("ab", ["c"])))
    found = function(graph, "a")
    assert not isinstance(found, str) and all(isinstance(name, str) for name in found), (
        "a set of names is expected, strings; yours is %s" % (repr(found) if isinstance(found, str) else "%s of %s" % (
            a(type(found).__name__), type(next(name for name in found if not isinstance(name, str))).__name__)))
    found = set(found)
    assert "ab" not in found, "'ab' reads 'c'; names have to be equal, it is not enough that they begin alike"
    assert "c" in found, "'c' reads 'a:0', which is the first output of 'a'"
    assert "d" in found, "'d' has the input '^a': it waits for 'a'"
    assert "a" not in found, "'a' does not read itself"
    assert found == {"b", "c", "d"}, "for the readers of 'a' it gives %s" % sorted(map(str, found))
    unread = set(function(graph, "ab"))
    assert not unread, "nothing reads 'ab', and for that your function returned %s" % sorted(map(str, unread))
    return "Plain names, outputs by number and control inputs are all found."


HINTS = {
    "01.1": ("Step one of Freezing printed the names of three outputs, one for each head. Which one gives the sizes?",
             "`freeze.freeze` takes the model and, as its second argument, a list with that one name."),
    "01.2": ("Go through the nodes of the graph. Weights are constants, and a constant is a node whose `op` says so.",
             "`value.size` is how many numbers an array has, `value.ndim` how many dimensions, and `value.dtype.kind` is the"
             " letter f for floating point numbers. Shapes are constants as well, of integers; an epsilon has no dimension."),
    "01.3": ("A node reads what stands in its `input`. Go through all nodes, and look whether one of their inputs means "
             "`name`.",
             "Send each input text through `producer` before you compare. Compare whole names, not their beginnings."),
}
