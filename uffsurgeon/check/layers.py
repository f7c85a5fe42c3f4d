"""Operations that keep axes, images and matrices: what a UffParser makes of their inputs. See parser.Parser."""
import numpy as np

from uffsurgeon.uff import schema

from .common import BEHIND_CONVOLUTION, MINIMUM, ORDER_SIZE, Refused, channels_first, corrupt, layer
from .tensors import Tensor, volume, window


@layer("Identity", "Activation", "Unary")
def alike(parser, node, x):
    if x.integer and node.operation != "Identity":
        raise Refused("int-values")
    if x.value is not None and not x.constant:
        raise Refused("shape-value")
    if x.constant:
        return x.copy(value=None) if node.operation == "Unary" else x.computed()
    return x.copy(source=None, value=None)


@layer("BatchNorm")
def batch_norm(parser, node, x, scale, *others):
    """The parser scales the first of three sizes, whatever lies there, and takes the result for a convolution's."""
    nhwc = schema.orders(node, parser.meta)[0][1:2] == [2]
    if not x.known:
        return Tensor()
    if len(x.dims) < 3:
        raise Refused("scale-rank", MINIMUM)
    count, order = int(np.prod(scale.dims)), BEHIND_CONVOLUTION if nhwc else (0, 1, 2)
    if x.dims[-3] is not None and count != x.dims[-3]:
        raise Refused("scale-weights", "Invalid scale mode, nbWeights: %d" % count)
    out = x.copy(order=order, declared=False, dense=False)
    if x.axes is not None and not carries(x, len(x.shape) if nhwc else 1):
        corrupt(parser, node, "constant-axis", out)
    return out


@layer("Conv", "ConvTranspose", "Pool", "LRN")
def image(parser, node, x, *others):
    nhwc = schema.orders(node, parser.meta)[0][1:2] == [2]
    channels_first(x, nhwc)
    if not x.known:
        return Tensor(order=BEHIND_CONVOLUTION if nhwc else (0, 1, 2))
    if len(x.dims) != 3:
        if x.dims == [] or node.operation == "LRN":
            return Tensor()
        raise Refused("order-size", ORDER_SIZE)
    out = x.copy(order=BEHIND_CONVOLUTION if nhwc else (0, 1, 2), declared=False, dense=False)
    order = [(3,), (1,), (2,)] if nhwc else [(1,), (2,), (3,)]
    if node.operation == "LRN":
        return out if x.axes is None else corrupt(parser, node, "lrn", out)
    sizes(parser, node, nhwc, out, others)
    if x.axes is not None and any(size != 1 and axis is not None and axis != wanted
                                  for axis, wanted, size in zip(x.axes, order, x.dims)):
        corrupt(parser, node, "layout", out)
    if out.axes is not None:
        out.axes = order
    out.shape = [out.dims[1], out.dims[2], out.dims[0]] if nhwc else list(out.dims)
    return out


def sizes(parser, node, nhwc, out, others):
    """Set out.dims behind a convolution or pool."""
    channels, height, width = out.dims
    if node.operation == "ConvTranspose":
        kernel, output = others[0].dims, others[1].value
        check_kernel(out, kernel[3] if kernel else None, kernel)
        out.dims = [kernel[2]] + [int(size) if size > 0 else None for size in (output[1:3] if nhwc else output[2:4])]
        return
    strides, dilation = schema.field(node, "strides"), schema.field(node, "dilation", default=[1, 1])
    padding = schema.field(node, "padding", default=[0, 0])
    same = schema.field(node, "implicit_padding", default="") == "same"
    if node.operation == "Pool":
        kernel = schema.field(node, "kernel")
        if out.axes is not None and any(padding) and (
                schema.field(node, "func") == "avg" or any(p >= k for p, k in zip(padding, kernel))):
            corrupt(parser, node, "pool-padding", out)
        elif any(padding) and not nonnegative(parser, node):
            parser.report(node, "pool-zeros")
    else:
        weights = others[0].dims
        groups = schema.field(node, "number_groups", default=1)
        check_kernel(out, weights[2] * (groups if weights[2] == 1 or groups == 1 else 1), weights)
        channels = weights[3] * groups if groups > 1 else weights[3]
        kernel = weights[:2]
    out.dims = [channels] + [window(size, (k - 1) * d + 1, s, p, same) for size, k, d, s, p in zip(
        (height, width), kernel, dilation, strides, padding)]


def nonnegative(parser, node):
    """Whether no value that a node reads is below 0, as far as that is seen."""
    name, passed = node.inputs[0], []
    while name not in parser.nonnegative:
        above = parser.nodes[name]
        parser.nonnegative[name] = above.operation == "Activation" and schema.field(above, "func") in (
            "relu", "relu6", "sigmoid", "softplus")
        passed.append(name)
        name = above.inputs[0] if above.operation in ("Identity", "Pool") else name
    parser.nonnegative.update(dict.fromkeys(passed, parser.nonnegative[name]))
    return parser.nonnegative[name]


def check_kernel(x, channels, kernel):
    if x.dims[0] is not None and channels is not None and x.dims[0] != channels:
        raise Refused("kernel-size", "kernel weights has count %d but %d was expected" % (
            int(np.prod(kernel)), int(np.prod(kernel)) // channels * x.dims[0]))


@layer("FullyConnected")
def fully_connected(parser, node, a, b):
    if a.constant == b.constant and (a.known and b.known):
        raise Refused("matmul-constant")
    orders = schema.orders(node, parser.meta)
    if orders[0] == [1, 0]:
        raise Refused("transpose-batch", "Order does not start by N, runtime transpose is not supported in that case")
    if a.constant or not a.known:
        return Tensor(order=(0, 1, 2), dense=True)
    if len(a.dims) < 3:
        raise Refused("matmul-rank", "at least three non-batch dimensions are required for input")
    rows, count = b.dims if orders[1] == schema.ORDERS["CK"] else b.dims[::-1]
    if volume(a.dims[-3:]) not in (None, rows):
        raise Refused("no-dimensions", "kernel weights has count %d but %d was expected" % (
            rows * count, volume(a.dims[-3:]) * count))
    if not a.ordered():
        parser.report(node, a.fault or "output-order")
    return Tensor([count], [count, 1, 1], [(1,), None, None], (0,), dense=True)


@layer("Binary")
def binary(parser, node, a, b):
    function = schema.field(node, "func")
    if a.constant and b.constant:
        if a.dims != b.dims and 1 not in (volume(a.dims), volume(b.dims)):
            raise Refused("constant-computed", "Constant binary operation with different shape not supported")
        return a.copy(value=None) if volume(b.dims) == 1 else b.copy(value=None)
    if a.constant or b.constant:
        return with_constant(parser, node, a, b, function)
    if function == "pow" and a.known and b.known:
        raise Refused("binary-function", "Unsupported binary op pow")
    if not a.known or not b.known:
        return Tensor(order=a.order)
    if a.without_batch != b.without_batch:
        raise Refused("constant-computed", "elementwise inputs must have same dimensions or follow broadcast rules")
    if len(a.dims) != len(b.dims) or any(p is not None and q is not None and p != q and 1 not in (p, q)
                                         for p, q in zip(a.dims, b.dims)):
        raise Refused("no-dimensions", "elementwise inputs must have same dimensions or follow broadcast rules")
    out = a.copy(dims=[q if p == 1 else p for p, q in zip(a.dims, b.dims)], integer=a.integer and b.integer)
    out.shape = broadcast(a.shape, b.shape)
    if a.axes is None or b.axes is None:
        out.axes = None
        return out
    rank = len(out.shape)
    out.axes, wrong = [], len(a.shape) != len(b.shape)
    for p, q, s, t in zip(shifted(a, rank), shifted(b, rank), a.dims, b.dims):
        wrong = wrong or s != 1 and t != 1 and p != q
        out.axes.append(p if s != 1 else q)
    places = out.places()
    if wrong or len(set(places)) != len(places):
        corrupt(parser, node, "broadcast-wrong", out)
    return out


def shifted(x, rank):
    """The axes of x, counted as in a tensor of `rank` sizes that it is broadcast to."""
    return [axis and (axis[0] + rank - len(x.shape),) + axis[1:] for axis in x.axes]


def broadcast(a, b):
    if a is None or b is None:
        return None
    length = max(len(a), len(b))
    a, b = [1] * (length - len(a)) + list(a), [1] * (length - len(b)) + list(b)
    return [q if p == 1 else p for p, q in zip(a, b)]


def with_constant(parser, node, a, b, function):
    x, constant, side = (b, a, "left") if a.constant else (a, b, "right")
    if function in ("min", "max"):
        raise Refused("binary-constant", "Unsupported binary op %s with constant right" % function)
    if a.constant and function not in ("add", "mul"):
        raise Refused("binary-constant", "Unsupported binary op %s with constant %s" % (function, side))
    if not x.known:
        return Tensor(order=x.order)
    if len(x.dims) < 3:
        raise Refused("scale-rank", MINIMUM)
    out = x.copy()
    out.dims = list(x.dims)
    count, total = volume(constant.dims), volume(x.dims)
    if count == 1:
        return out
    shape = list(constant.dims)
    varies = [at + len(x.shape) - len(shape) + 1 for at, size in enumerate(shape) if size != 1]
    channels = x.dims[-3]
    if count == channels or channels is None and len(varies) == 1:
        if x.axes is not None and (len(varies) != 1 or not carries(x, varies[0])):
            corrupt(parser, node, "constant-axis", out)
    elif count == total or total is None:
        if volume(x.dims[:-3]) not in (1, None):
            raise Refused("scale-weights", "Output Layer has no outputs")
        if x.axes is not None and not x.ordered():
            corrupt(parser, node, "constant-order", out)
    else:
        raise Refused("scale-weights", "Invalid scale mode, nbWeights: %d" % count)
    return out


def carries(x, axis):
    """Whether TensorFlow's axis lies where a scale per channel is applied, third from the end."""
    here = x.axes[-3]
    return here is not None and here == (axis,) or here is not None and here[0] == axis and all(
        size == 1 or other is None or other[0] != axis for other, size in zip(x.axes[-2:], x.dims[-2:]))
