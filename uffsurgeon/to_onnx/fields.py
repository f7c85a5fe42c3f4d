"""The table of UFF operations, and their fields read with a check: a file may hold anything."""
from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

# UFF operation -> (function(graph, node, *values) -> Value, how many values, None for all)
OPERATIONS = {}
REQUIRED = object()
MAX = 2147483647  # "and so on", in dimension orders
NHWC, HWCK, HWKC = [0, 2, MAX, 1], [2, MAX, 1, 0], [2, MAX, 0, 1]


def operation(names, inputs):
    """Register a function for UFF operations; it gets the first `inputs` values (None: all)."""
    def register(function):
        OPERATIONS.update((name, (function, inputs)) for name in names.split())
        return function
    return register


def read(g, node, key, kinds, default=REQUIRED):
    """The value of a field that must be one of the types `kinds`, a tuple."""
    value = schema.field(node, key, g.meta, *() if default is REQUIRED else (default,))
    if value is not default and not isinstance(value, kinds):
        raise UffException("field '%s' of node '%s' (%s) holds %r, expected %s" % (
            key, node.id, node.operation, value, " or ".join(kind.__name__ for kind in kinds)))
    return value


def number(g, node, key, default=REQUIRED):
    return float(read(g, node, key, (float, int), default))


def integer(g, node, key, default=REQUIRED):
    return read(g, node, key, (int,), default)


def integers(g, node, key, count=None, default=REQUIRED):
    """A list of int, `count` of them if that is given."""
    values = read(g, node, key, (list,), default)
    if not all(isinstance(value, int) for value in values) or count not in (None, len(values)):
        raise UffException("field '%s' of node '%s' (%s) holds %r, expected %s integers" % (
            key, node.id, node.operation, values, count or "a list of"))
    return values


def choice(g, node, key, table):
    """The entry of `table` that a string field names."""
    name = read(g, node, key, (str,))
    if name not in table:
        raise UffException("node '%s': %s has no %s '%s', only %s" % (
            node.id, node.operation, key, name, ", ".join(sorted(table))))
    return table[name]


def order(g, node, index, default):
    """What the axes of input `index` mean, as `schema.orders` has it; `default` where nothing is said."""
    if "inputs_orders" not in node.fields:
        return default
    orders = schema.field(node, "inputs_orders", g.meta)
    sound = isinstance(orders, list) and all(isinstance(each, dict) for each in orders)
    axes = [each.get(-1, []) for each in orders] if sound else []
    if index >= len(axes) or sorted(axes[index])[:2] != [0, 1]:
        raise UffException("node '%s' (%s) cannot have the inputs_orders %s" % (
            node.id, node.operation, orders))
    return axes[index]


def channels_last(g, node):
    """True when the node works on NHWC, False for NCHW."""
    return order(g, node, 0, NHWC)[-1] == 1


def elements(node, value, what):
    """The elements of an input, a vector that export must know, as a list of int."""
    known = value.known
    if known is None or known.dtype == object or known.ndim > 1:
        raise UffException("node '%s' (%s): its %s, '%s', must be a constant vector of integers, "
                           "since the engine is built with it" % (
                               node.id, node.operation, what, value.name))
    return [int(element) for element in known.reshape(-1)]


def image_shape(node, value):
    """The shape of a tensor of four axes; four unknown sizes when not even the rank is known."""
    if value.rank not in (None, 4):
        raise UffException(
            "node '%s' (%s) needs a tensor of 4 axes, and '%s' has the shape %s. If that is [], "
            "perhaps TensorFlow did not know the shape of an input: give it when the UFF is written "
            "(input_node)" % (node.id, node.operation, value.name, list(value.shape)))
    return value.shape or (None,) * 4
