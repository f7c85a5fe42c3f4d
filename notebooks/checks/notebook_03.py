"""Checks of notebook 03, LeakyReLU and collapse_namespaces."""
from .judging import exercise, graph_of


@exercise("03.1")
def _leaky_plugins(function):
    from uffsurgeon import graphsurgeon

    assert callable(function), "give the function itself, leaky_plugins, not what it returns"
    slopes = {"head/act": 0.25, "tail/out/LeakyRelu": 0.05}
    graph = graphsurgeon.DynamicGraph(graph_of([
        ("x", "Placeholder", []), ("head/act", "LeakyRelu", ["x"]), ("relu", "Relu", ["head/act"]),
        ("tail/out/LeakyRelu", "LeakyRelu", ["relu"])]))
    for name, slope in slopes.items():
        graph.node_map[name].attr["alpha"].f = slope
    made = function(graph)
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


def swish_graph():
    """The GraphDef of exercise 03.2: two swish layers with a dense one between."""
    return graph_of([
        ("x", "Placeholder", []), ("swish_1/Sigmoid", "Sigmoid", ["x"]), ("swish_1/mul", "Mul", ["x", "swish_1/Sigmoid"]),
        ("dense/kernel", "Placeholder", []), ("dense/MatMul", "MatMul", ["swish_1/mul", "dense/kernel"]),
        ("swish_2/Sigmoid", "Sigmoid", ["dense/MatMul"]), ("swish_2/mul", "Mul", ["dense/MatMul", "swish_2/Sigmoid"]),
        ("y", "Softmax", ["swish_2/mul"])])


@exercise("03.2")
def _swish(function):
    from uffsurgeon import graphsurgeon

    assert callable(function), "give the function itself, swish, not what it returns"
    graph = graphsurgeon.DynamicGraph(swish_graph())
    given = function(graph)
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
