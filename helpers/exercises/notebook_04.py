"""Checks of notebook 04, the L2 plugin."""
from .judging import exercise, graph_of


@exercise("04.1")
def _unit_half(function):
    import numpy as np

    assert callable(function), "give the function itself, unit_half, not what it returns"
    random = np.random.RandomState(4)
    x = (random.randn(300, 3) * 10 ** random.uniform(-6, 4, (300, 1))).clip(-65504, 65504).astype(np.float16)
    x[0], x[1], x[2], x[3] = 0, 182, 1e-4, 65504

    def right(eps):
        wide = x.astype(np.float64)
        return wide / np.sqrt(np.maximum((wide * wide).sum(-1, keepdims=True), eps))

    with np.errstate(all="ignore"):
        y = function(x.copy(), 1e-12)
        y, larger = np.asarray(y), np.asarray(function(x.copy(), 1e-2))
    assert y.shape == x.shape, "rows of shape (300, 3) should keep it, yours have %s" % (y.shape,)
    assert not np.isnan(y[0]).any(), "the row of zeros became %s: eps must not be rounded to FP16, where it is 0" % (y[0],)
    assert y[1].any(), "the row (182, 182, 182) became %s: its squares do not fit FP16" % (y[1],)
    assert np.isfinite(y).all(), "the row %s became %s" % (x[~np.isfinite(y).all(-1)][0], y[~np.isfinite(y).all(-1)][0])
    assert y.dtype == np.float16, "it returns %s; rows come and go in float16" % y.dtype
    off = np.abs(y - right(1e-12)).max(-1)
    assert off.max() < 5e-4, "the row %s became %s" % (x[off.argmax()], y[off.argmax()])
    assert np.abs(larger - right(1e-2)).max() < 5e-4, "with eps = 0.01 the answers should change: is eps used?"
    return "The sum in 32 bits, one rounding at the end."


@exercise("04.2")
def _collapse_l2(function):
    import numpy as np

    from .. import freeze, graphsurgeon

    assert callable(function), "give the function itself, collapse_l2, not what it returns"
    inside = "head/unit/Sum/reduction_indices"
    for name, axis, eps, constant in (("head/unit", 1, 1e-6, inside), ("vec", -1, 1e-10, "shape/1")):
        nodes = graph_of([
            ("x", "Placeholder", []), (name + "/Square", "Square", ["x"]),
            (name + "/Sum", "Sum", [name + "/Square", constant]),
            (name + "/Maximum", "Maximum", [name + "/Sum", name + "/Maximum/y"]),
            (name + "/Rsqrt", "Rsqrt", [name + "/Maximum"]), (name, "Mul", ["x", name + "/Rsqrt"]), ("y", "Neg", [name]),
            ("shape", "Pack", [] if constant == inside else [constant])])
        nodes.node.extend([freeze.constant_node(constant, np.int32(axis)),
                           freeze.constant_node(name + "/Maximum/y", np.float32(eps))])
        graph = graphsurgeon.DynamicGraph(nodes)
        function(graph, name)
        made = graph.find_nodes_by_op("L2Norm_TRT")
        assert made, "no node of the graph has the op L2Norm_TRT; there are %s" % sorted({node.op for node in graph})
        left = [node.name for node in graph if node.name.startswith(name + "/")]
        assert len(made) == 1 and not left, "one node should stand for the namespace; %s" % (
            "%s is left of it" % left[0] if left else "there are %d" % len(made))
        node = made[0]
        assert node.name == name, "the node is called %r; its reader, 'y', looks for %r" % (node.name, name)
        for key in ("axis_u_int", "eps_u_float"):
            assert key in node.attr, "the node has no %s; it has %s" % (key.split("_")[0], sorted(node.attr) or "no settings")
        told = node.attr["axis_u_int"].i, node.attr["eps_u_float"].f
        assert told[0] == axis, "here the axis is %d, and the plugin is told %d: read it from the second input of %s/Sum" % (
            axis, told[0], name)
        assert abs(told[1] / eps - 1) < 1e-3, "here eps is %g, and the plugin is told %g: read it from %s/Maximum/y" % (
            eps, told[1], name)
        assert list(node.input) == ["x"], ("the plugin reads %s: with the axis constant outside of the namespace, its wire "
                                           "has to be cut before the collapse" % list(node.input))
        assert constant == inside or constant in graph.node_map, "the constant %r is gone, and 'shape' needs it" % constant
    return "Two networks, each with its own axis and eps, each plugin with one input."


@exercise("04.3")
def _eps_for_half(eps):
    import numbers

    import numpy as np

    assert isinstance(eps, numbers.Real) and not isinstance(eps, bool), "give a number; this is a %s" % type(eps).__name__
    assert eps > 0, "eps has to be larger than 0: it is what a row of zeros is divided by"
    half = np.float16(min(eps, 65504))
    assert half > 0, "in FP16 %g is 0, and then it protects from nothing" % eps
    turns, lengths = np.radians(np.arange(0, 90, 7.5)), np.logspace(-8, 2, 500)
    rows = np.concatenate([np.stack([np.cos(turn) * lengths, np.sin(turn) * lengths], 1) for turn in turns]).astype(np.float16)
    with np.errstate(all="ignore"):
        total = (rows * rows).sum(-1, keepdims=True, dtype=np.float16)
        y = (rows * (np.float16(1) / np.sqrt(np.maximum(total, half)))).astype(np.float64)
    assert np.isfinite(y).all(), "the row %s becomes %s" % (rows[~np.isfinite(y).all(-1)][0], y[~np.isfinite(y).all(-1)][0])
    norm = np.hypot(*rows.astype(np.float64).T)
    off = np.abs(np.hypot(*y.T) - 1) * (norm >= 0.01)
    assert off.max() < 0.01, ("a row of length %.3g comes out with length %.3g: eps is compared with the *square* of the "
                              "length" % (norm[off.argmax()], np.hypot(*y[off.argmax()])))
    return "%.3g in FP16. From length 181 on rows become zero all the same; against that no eps helps." % half
