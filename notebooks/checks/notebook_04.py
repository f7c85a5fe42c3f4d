"""Checks of notebook 04, the L2 plugin."""
from .judging import exercise, graph_of


@exercise("04.1")
def _softmax_half(function):
    import numpy as np

    assert callable(function), "give the function itself, softmax_half, not what it returns"
    x = np.random.RandomState(4).uniform(-8, 8, (300, 6)).astype(np.float16)
    x[:6, :5] = 0
    x[:6, 5] = 5, 12, 100, 65504, -65504, -20
    x[6], x[7] = -100, np.linspace(-65504, 65504, 6)
    wide = x.astype(np.float64)
    right = np.exp(wide - wide.max(-1, keepdims=True))
    right /= right.sum(-1, keepdims=True)
    with np.errstate(all="ignore"):
        y = function(x.copy())
        assert y is not ..., "it returns the dots: replace them"
        y = np.asarray(y)
    assert y.shape == x.shape, "rows of shape (300, 6) should keep it, yours have %s" % (y.shape,)
    for row, why in (
            (1, "exp(12) is 162755, and FP16 ends at 65504"),
            (2, "exp(100) is too large for FP32 too. But a number that you subtract from the whole row changes no softmax"),
            (6, "exp(-100) underflows too, and the row is divided by 0. Subtract the row's maximum, whatever it is")):
        assert np.isfinite(y[row]).all(), "the row %s became %s: %s" % (x[row], y[row], why)
    bad = ~np.isfinite(y).all(-1)
    assert not bad.any(), "the row %s became %s" % (x[bad][:1], y[bad][:1])
    assert y.dtype == np.float16, "it returns %s; rows come and go in float16" % y.dtype
    off = np.abs(y - right).max(-1)
    assert off.max() < 4e-4, "the row %s became %s, and should be %s: off by %.4f, more than the rounding of the result" % (
        x[off.argmax()], y[off.argmax()], right[off.argmax()].astype(np.float16), off.max())
    return "Here 32 bits alone do not help, the maximum does; and 32 bits keep the digits."


@exercise("04.2")
def _collapse_l2(function):
    import numpy as np

    from helpers import freeze
    from uffsurgeon import graphsurgeon

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
def _eps_for_half(given):
    assert isinstance(given, (tuple, list)) and len(given) == 2, "give two numbers, (smallest, largest)"
    for eps in given:
        assert isinstance(eps, (int, float)) and not isinstance(eps, bool), "give numbers; this is a %s" % type(eps).__name__
        assert eps > 0, "eps has to be larger than 0: it is what a row of zeros is divided by"
    smallest, largest = given
    for eps in given:
        wrong = _half_with(eps)
        assert not wrong, "with eps = %g %s" % (eps, wrong)
    assert smallest <= largest, "the smallest comes first"
    for eps, end, other in ((smallest, "smallest", smallest / 10), (largest, "largest", largest * 10)):
        assert abs(_power(eps) - round(_power(eps))) < 1e-6, "%g is no power of ten" % eps
        assert _half_with(other), "%g serves, and %g does, too: it is not the %s" % (eps, other, end)
    return "Below, eps is 0 in FP16; above, it is larger than the square of 0.01. At no eps does a row of length 256 survive."


def _power(number):
    import math

    return math.log10(number)


def _half_with(eps):
    """What goes wrong in five FP16 steps with this eps, as the end of a sentence; "" when nothing does."""
    import numpy as np

    half = np.float16(min(eps, 65504))
    if not half > 0:
        return "nothing is protected: in FP16 it is 0"
    turns, lengths = np.radians(np.arange(0, 90, 7.5)), np.logspace(-8, 2, 500)
    lengths = np.append(lengths, 0.01)
    rows = np.concatenate([np.stack([np.cos(turn) * lengths, np.sin(turn) * lengths], 1) for turn in turns]).astype(np.float16)
    with np.errstate(all="ignore"):
        total = (rows * rows).sum(-1, keepdims=True, dtype=np.float16)
        y = (rows * (np.float16(1) / np.sqrt(np.maximum(total, half)))).astype(np.float64)
    bad = ~np.isfinite(y).all(-1)
    if bad.any():
        return "the row %s becomes %s" % (rows[bad][0], y[bad][0])
    norm = np.hypot(*rows.astype(np.float64).T)
    off = np.abs(np.hypot(*y.T) - 1) * (norm >= 0.01)
    return "" if off.max() < 0.01 else (
        "a row of length %.3g comes out with length %.3g: eps is compared with the *square* of the length" % (
            norm[off.argmax()], np.hypot(*y[off.argmax()])))
