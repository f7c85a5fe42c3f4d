"""Checks of notebook 05, the L2 plugin."""
import collections

from .judging import a, exercise, graph_of, nodes_of, shown


@exercise("05.1", "collapse_l2(graph, name)", in_place=True, returns="the graph")
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
        next(node for node in nodes.node if node.op == "Sum").attr["keep_dims"].b = True
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


Tensor = collections.namedtuple("Tensor", "type format")
TYPES, FORMATS = ("float32", "float16", "int8"), ("linear", "hwc8")
ACCEPTED = Tensor("float32", "linear"), Tensor("float16", "linear"), Tensor("float16", "hwc8")


@exercise("05.2", "supports(position, tensors)", returns="True or False")
def _supports(function):
    import numpy as np

    def ask(position, tensors):
        given = function(position, list(tensors))
        assert isinstance(given, (bool, np.bool_)), "answer True or False; it returned %s" % (
            shown(given) or a(type(given).__name__))
        return bool(given)

    every = [Tensor(kind, form) for kind in TYPES for form in FORMATS]
    for position in range(3):
        # The builder goes on to the next position only with what was accepted.
        for first in ACCEPTED if position else (None,):
            for own in every:
                settled = [first] * position + [own]
                right = own == first if position else own in ACCEPTED
                asked = "position %d is %s %s%s" % ((position,) + own + (
                    " after %s %s" % first if position else "",))
                for later in (own, Tensor("int8", "hwc8"), Tensor("float32", "linear")):
                    given = ask(position, settled + [later] * (2 - position))
                    if given != right and position < 2 and ask(position, settled + [own] * (2 - position)) == right:
                        raise AssertionError("asked about position %d, it looks at a later tensor (%s). Only those up to the "
                                             "position are settled" % (position, asked))
                    assert given == right, "%s, and it says %s: %s" % (asked, given, _why(own, first, position))
    return "It accepts three combinations and no mixture of them, and looks at nothing that is not settled yet."


def _why(own, first, position):
    """The rule of exercise 05.2 that decides about `own` after `first`."""
    if not position or own == first:
        return "the kernel reads %s" % (
            "that" if own in ACCEPTED else "FP32 and FP16, no INT8" if own.type == "int8" else "hwc8 in FP16 only")
    same = own.type == first.type
    return "the %s differs, and the kernel has one type and one format for all three" % ("format" if same else "type")


HINTS = {
    "05.1": ("Read axis and eps before you change the graph: from the constants that `Sum` and `Maximum` have as second "
             "inputs. What the namespace reads from outside becomes an input of the new node.",
             "`node_map` finds a node by its name, and `tf.make_ndarray` reads the tensor of a constant. Remove the second "
             "input of `Sum` with `del`, then make the node with `create_plugin_node`, and collapse."),
    "05.2": ("Position 0 is decided by what the kernel reads. Is there anything left to choose at positions 1 and 2?",
             "One type and one format for all: from position 1 on, both have to be those of the first tensor. Compare with "
             "that, and look at no tensor behind the position."),
}
