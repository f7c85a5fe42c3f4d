"""Checks of notebook 04, the L2 plugin."""
import math
import numbers

from .judging import exercise, graph_of, nodes_of


@exercise("04.1", "softmax_half(x)")
def _softmax_half(function):
    import numpy as np

    x = np.random.RandomState(4).uniform(-8, 8, (300, 6)).astype(np.float16)
    x[:6, :5] = 0
    x[:6, 5] = 5, 12, 100, 65504, -65504, -20
    x[6], x[7] = -100, np.linspace(-65504, 65504, 6)
    wide = x.astype(np.float64)
    right = np.exp(wide - wide.max(-1, keepdims=True))
    right /= right.sum(-1, keepdims=True)
    with np.errstate(all="ignore"):
        y = np.asarray(function(x.copy()))
    assert y.shape == x.shape, "the shape (300, 6) should stay, yours is %s" % (y.shape,)
    for row, why in (
            (1, "exp(12) is 162755, and FP16 ends at 65504"),
            (2, "exp(100) is too large for FP32, too. But subtracting a number from the whole row does not change its softmax"),
            (6, "exp(-100) underflows, too, and the row is divided by 0. Subtract the row's maximum, whatever it is")):
        assert np.isfinite(y[row]).all(), "the row %s became %s: %s" % (x[row], y[row], why)
    bad = ~np.isfinite(y).all(-1)
    assert not bad.any(), "the row %s became %s" % (x[bad][:1], y[bad][:1])
    assert y.dtype == np.float16, "it returns %s; the rows should be float16, as they came" % y.dtype
    off = np.abs(y - right).max(-1)
    assert off.max() < 4e-4, "the row %s became %s, and should be %s: off by %.4f, more than the rounding of the result" % (
        x[off.argmax()], y[off.argmax()], right[off.argmax()].astype(np.float16), off.max())
    return "32 bits alone do not help, subtracting the maximum does; and 32 bits keep the digits."


@exercise("04.2", "collapse_l2(graph, name)", in_place=True)
def _collapse_l2(function):
    import numpy as np

    from helpers import freeze
    from uffsurgeon import graphsurgeon

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
        given = function(graph, name)
        found = nodes_of(graph if given is None else given)
        made = [node for node in found.values() if node.op == "L2Norm_TRT"]
        assert made, "no node of the graph has the op L2Norm_TRT; there are %s" % sorted({node.op for node in found.values()})
        left = [other for other in found if other.startswith(name + "/") and other != made[0].name]
        assert len(made) == 1 and not left, "one node should take the place of the namespace; %s" % (
            "%s is left of it" % left[0] if left else "there are %d" % len(made))
        node, reads = made[0], list(found["y"].input)
        assert reads == [node.name], "the node is called %r, and 'y', which used %r, reads %s" % (node.name, name, reads)
        for key in ("axis_u_int", "eps_u_float"):
            assert key in node.attr, "the node has no %s; it has %s" % (key.split("_")[0], sorted(node.attr) or "no fields")
        field = node.attr["axis_u_int"].i, node.attr["eps_u_float"].f
        assert field[0] == axis, "the axis of this graph is %d, the plugin gets %d: read it from the second input of %s/Sum" % (
            axis, field[0], name)
        assert abs(field[1] / eps - 1) < 1e-3, "the eps of this graph is %g, the plugin gets %g: read it from %s/Maximum/y" % (
            eps, field[1], name)
        assert list(node.input) == ["x"], ("the plugin reads %s: where the axis constant is outside the namespace, remove that "
                                           "input before the collapse" % list(node.input))
        assert constant == inside or constant in found, "the constant %r is gone, and 'shape' needs it" % constant
    return "Two networks, each with its own axis and eps, each plugin with one input."


@exercise("04.3")
def _eps_for_half(given):
    assert hasattr(given, "__len__") and not isinstance(given, (str, set, dict)) and len(given) == 2, (
        "give two numbers, (smallest, largest)")
    for eps in given:
        assert isinstance(eps, numbers.Real) and not isinstance(eps, bool), "give numbers; this is a %s" % type(eps).__name__
        assert eps > 0, "eps has to be larger than 0: a row of zeros is divided by its root"
    smallest, largest = given
    for eps in given:
        wrong = _half_with(eps)
        assert not wrong, "with eps = %g %s" % (eps, wrong)
    assert smallest <= largest, "the smallest comes first"
    for eps, end, other in ((smallest, "smallest", smallest / 10), (largest, "largest", largest * 10)):
        assert abs(math.log10(eps) - round(math.log10(eps))) < 1e-6, "%g is not a power of ten" % eps
        assert _half_with(other), "%g works, and %g does, too: it is not the %s" % (eps, other, end)
    return "Below, eps is 0 in FP16; above, it is larger than the square of 0.01. A row of length 256 fails with every eps."


def _half_with(eps):
    """What goes wrong in five FP16 steps with this eps, as the end of a sentence; "" when nothing does."""
    import numpy as np

    half = np.float16(min(eps, 65504))
    if not half > 0:
        return "a row of zeros is still divided by 0: in FP16 this eps is 0"
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
