"""What the functions of layers.py and axes.py share."""
from .tensors import identity

LAYERS = {}
BEHIND_CONVOLUTION = (1, 2, 0)  # the order that leads from CHW to HWC
TO_CHANNELS_FIRST = (2, 0, 1)
MINIMUM = "The input to the Scale Layer is required to have a minimum of 3 dimensions."
ORDER_SIZE = "Order size is not matching the number dimensions of TensorRT"


class Refused(Exception):
    """(rule, what the parser says)."""


def layer(*names):
    def register(function):
        for name in names:
            LAYERS[name] = function
        return function
    return register


def restore(x):
    """Transpose a tensor in place into TensorFlow's order, as the parser believes it to be."""
    if x.known and x.order is not None and not identity(x.order):
        if len(x.order) != len(x.dims):
            raise Refused("order-size", ORDER_SIZE)
        x.transposed(x.order)


def channels_first(x, nhwc):
    """Transpose a tensor in place into what a convolution reads."""
    if not x.known or x.declared:
        return
    wanted = BEHIND_CONVOLUTION if nhwc else (0, 1, 2)
    if x.order is not None and tuple(x.order) == wanted:
        return
    restore(x)
    if nhwc:
        if len(x.dims) != 3:
            raise Refused("order-size", ORDER_SIZE)
        x.transposed(TO_CHANNELS_FIRST)


def corrupt(parser, node, rule, x):
    parser.report(node, rule)
    x.axes = None
    return x


def same_axes(x, places, wanted):
    """Whether the sizes at `places` hold just TensorFlow's axes `wanted` (sizes of 1 do not count)."""
    for at, (axis, size) in enumerate(zip(x.axes, x.dims)):
        if size != 1 and axis is not None and (at in places) != (axis[0] in wanted):
            return False
    return True


def undeclared(x):
    """What an operation leaves of the order that makes no use of it."""
    return {"declared": False, "order": None} if x.declared and not x.reducible and len(x.dims) < 4 else {}
