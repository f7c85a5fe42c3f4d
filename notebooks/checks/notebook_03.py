"""Checks of notebook 03, LeakyReLU and collapse_namespaces."""
from .judging import a, exercise, graph_of, nodes_of


@exercise("03.1", "leaky_plugins(graph)", returns="a dictionary of plugin nodes")
def _leaky_plugins(function):
    from uffsurgeon import graphsurgeon

    slopes = {"head/act": 0.25, "tail/out/LeakyRelu": 0.05}
    graph = graphsurgeon.DynamicGraph(graph_of([
        ("x", "Placeholder", []), ("head/act", "LeakyRelu", ["x"]), ("relu", "Relu", ["head/act"]),
        ("tail/out/LeakyRelu", "LeakyRelu", ["relu"])]))
    for name, slope in slopes.items():
        graph.node_map[name].attr["alpha"].f = slope
    made = function(graph)
    assert isinstance(made, dict), "collapse_namespaces takes a dictionary; yours returns %s" % a(type(made).__name__)
    assert made, "your dictionary is empty, and the graph has two LeakyRelu"
    assert all(isinstance(space, str) for space in made), "the keys of the dictionary are names, strings"
    for name in slopes:
        assert any((name + "/").startswith(space + "/") for space in made), (
            "the graph has a LeakyRelu called %r, which your dictionary leaves out" % name)
    assert not any(("relu/").startswith(space + "/") for space in made), "'relu' is a Relu, not a LeakyRelu"
    for name, node in made.items():
        assert hasattr(node, "op") and hasattr(node, "attr"), (
            "the value for %r is %s; it should be the node that create_plugin_node makes" % (name, a(type(node).__name__)))
        assert node.op == "LReLU_TRT", "the op of the node for %r is %r; the plugin is called LReLU_TRT" % (name, node.op)
        assert "negSlope_u_float" in node.attr, "the node for %r has no field negSlope; it has %s" % (
            name, sorted(node.attr) or "none")
    try:
        graph.collapse_namespaces(made)
    except ValueError as refused:
        raise AssertionError("collapse_namespaces does not take your dictionary: %s" % refused)
    nodes = nodes_of(graph)
    out = [name for name in nodes if not any(name in node.input for node in nodes.values())]
    assert out == ["tail/out/LeakyRelu"], (
        "the output of this network is 'tail/out/LeakyRelu', and the converter will be asked for that name; with your "
        "dictionary it is %r" % out[0])
    last = nodes[out[0]]
    first = nodes[nodes[last.input[0]].input[0]]
    for node, slope in zip((first, last), slopes.values()):
        found = node.attr["negSlope_u_float"].f
        assert abs(found - slope) < 1e-6, "the slope of %r is %g and became %.3g: read it from attr[\"alpha\"].f" % (
            node.name, slope, found)
    return "Two layers with other names, each with its own slope."


def swish_graph():
    """The GraphDef of exercise 03.2: two swish layers with a dense layer between them."""
    return graph_of([
        ("x", "Placeholder", []), ("swish_1/Sigmoid", "Sigmoid", ["x"]), ("swish_1/mul", "Mul", ["x", "swish_1/Sigmoid"]),
        ("dense/kernel", "Placeholder", []), ("dense/MatMul", "MatMul", ["swish_1/mul", "dense/kernel"]),
        ("swish_2/Sigmoid", "Sigmoid", ["dense/MatMul"]), ("swish_2/mul", "Mul", ["dense/MatMul", "swish_2/Sigmoid"]),
        ("y", "Softmax", ["swish_2/mul"])])


@exercise("03.2", "swish(graph)", in_place=True, returns="the graph")
def _swish(function):
    from uffsurgeon import graphsurgeon

    graph = graphsurgeon.DynamicGraph(swish_graph())
    given = function(graph)
    nodes = nodes_of(graph if given is None else given)
    made = [node for node in nodes.values() if node.op == "Swish_TRT"]
    assert made, "no node of the graph has the op Swish_TRT; there are %s" % sorted({node.op for node in nodes.values()})
    left = [name for name, node in nodes.items() if node.op in ("Sigmoid", "Mul")]
    assert not left, "%s is still there: the namespace is the part of the name before the slash" % left[0]
    assert len(made) == 2, "two layers need two plugin nodes; there is %d" % len(made)
    for reader, source in (("dense/MatMul", "x"), ("y", "dense/MatMul")):
        assert reader in nodes, "%r is gone from your graph; only the two layers should be replaced" % reader
        plugin = nodes.get(nodes[reader].input[0])
        assert plugin is not None and plugin.op == "Swish_TRT", "%r reads %r, which is not a plugin node" % (
            reader, nodes[reader].input[0])
        assert list(plugin.input) == [source], "the plugin before %r should read %r alone; it reads %s" % (
            reader, source, list(plugin.input))
    return "Both nodes of a layer read x, the plugin reads it once."


@exercise("03.3", "normalise(pairs)", returns="an array [N, bins, 2]")
def _normalise(function):
    import numpy as np

    pairs = np.random.RandomState(3).randn(4, 6, 2).astype(np.float32)
    pairs[1, 2], pairs[0, 0], pairs[3, 5] = 0, (3e-8, 4e-8), (1.2e-6, 1.6e-6)
    with np.errstate(all="ignore"):
        got = np.asarray(function(pairs.copy()))
    assert got.shape == pairs.shape, "pairs of shape (4, 6, 2) should keep it, yours have %s" % (got.shape,)
    wanted = pairs / np.sqrt(np.maximum((pairs ** 2).sum(axis=2, keepdims=True), 1e-12))
    ordinary = np.ones((4, 6), bool)
    ordinary[1, 2] = ordinary[0, 0] = ordinary[3, 5] = False
    assert np.allclose(got[ordinary], wanted[ordinary], atol=1e-6), (
        "the pair %s became %s: each pair is to be divided by its own length (axis 2)" % (pairs[2, 0], got[2, 0]))
    assert np.isfinite(got[1, 2]).all(), "the pair (0, 0) became %s" % (got[1, 2],)
    assert np.allclose(got[1, 2], 0), "the pair (0, 0) should stay (0, 0), it became %s" % (got[1, 2],)
    assert np.allclose(got[0, 0], wanted[0, 0], atol=1e-4), (
        "the tiny pair (3e-8, 4e-8) became %s; TensorFlow gives %s, since it divides by at least 1e-6, the root of 1e-12"
        % (got[0, 0], wanted[0, 0]))
    assert np.allclose(got[3, 5], wanted[3, 5], atol=1e-3), (
        "the short pair (1.2e-6, 1.6e-6) became %s; TensorFlow gives %s: 1e-12 is the least that is allowed, it is not added"
        % (got[3, 5], wanted[3, 5]))
    return "As TensorFlow does, also where there is no direction."


HINTS = {
    "03.1": ("The section collapse_namespaces does it for the box network, in one call. Here only the dictionary is wanted, "
             "and nothing in it may be known beforehand.",
             "Find the nodes by what they do, with `find_nodes_by_op`. Name and slope come from each node, and the setting "
             "of the plugin is called negSlope."),
    "03.2": ("A namespace is the part of the name before the slash. Which two are there, and which one node should stand for"
             " each?",
             "The keys are the namespaces, not the names of the nodes in them. The values come from `create_plugin_node`, "
             "and `name` must differ. `collapse_namespaces` changes the graph; it returns nothing, so return the graph "
             "yourself."),
    "03.3": ("TensorFlow never divides by the length itself. What does it do with the sum of squares before it takes the "
             "root?",
             "`np.maximum` keeps a number from falling below another. Sum the squares over the last axis, and let that axis "
             "stay with `keepdims`, so that the division fits."),
}
