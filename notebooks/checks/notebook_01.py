"""Checks of notebook 01, freeze."""
from .judging import exercise, graph_of, nodes_of


@exercise("01.1")
def _one_head(graph):
    names = list(nodes_of(graph))
    assert names, "this graph has no nodes; give the GraphDef that freeze.freeze returns"
    assert "dimension/LeakyRelu" in names, "its output, dimension/LeakyRelu, is missing"
    left = [name for name in names if name.split("/")[0] in ("orientation", "confidence", "dense_3", "dense_5")]
    assert not left, "%s still belongs to another head" % left[0]
    return ("%d nodes are left. What only the other heads needed is gone; the thirteen convolutions are needed by every head."
            % len(names))


@exercise("01.2", "parameters(graph)")
def _parameters(function):
    from helpers import freeze, network

    model = network.build(width=16)
    graph, count = freeze.freeze(model), function(freeze.freeze(model))
    scalars = sum(1 for node in graph.node if node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim)
    wrong = "a network of %d parameters has %s by your count" % (model.count_params(), count)
    assert count != model.count_params() + 1, wrong + ": the 1e-12 in l2_normalize is not a weight (it has no dimension)"
    assert not model.count_params() < count <= model.count_params() + scalars + 16, (
        wrong + ": shapes are constants too, but of integers")
    assert count == model.count_params(), wrong
    return "It agrees with Keras on a network that you did not see."


@exercise("01.3", "readers(graph, name)")
def _readers(function):
    graph = graph_of((name, "Any", inputs) for name, inputs in (
        ("a", []), ("b", ["a"]), ("c", ["a:0", "b"]), ("d", ["^a"]), ("ab", ["c"])))
    found = set(function(graph, "a"))
    assert "ab" not in found, "'ab' reads 'c'; names have to be equal, it is not enough that they begin alike"
    assert "c" in found, "'c' reads 'a:0', which is the first output of 'a'"
    assert "d" in found, "'d' has the input '^a': it waits for 'a'"
    assert found == {"b", "c", "d"}, "for the readers of 'a' it gives %s" % sorted(map(str, found))
    return "Plain names, outputs by number and control inputs are all found."
