"""Element by element, convolutions, pools, dense layers, normalisations.

SAME is TensorFlow's padding, and zeros that were padded before a max pool can win in it.
"""
import numpy as np

from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

from . import shapes
from .fields import HWCK, HWKC, channels_last, choice, image_shape, integer, integers, number, operation, order, read

ACTIVATION = {"relu": "Relu", "relu6": "Clip", "tanh": "Tanh", "sigmoid": "Sigmoid", "elu": "Elu",
              "selu": "Selu", "softsign": "Softsign", "softplus": "Softplus"}
EXACT = {name: name.capitalize() for name in "neg abs ceil floor".split()}
UNARY = {name: [name.capitalize()] for name in
         "sin cos tan asin acos atan sinh cosh asinh acosh atanh sqrt exp log".split()}
UNARY.update(rsqrt=["Sqrt", "Reciprocal"], square=["Mul"], **{k: [v] for k, v in EXACT.items()})
BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "min": "Min", "max": "Max",
          "pow": "Pow"}
POOL = {"max": "MaxPool", "avg": "AveragePool"}


@operation("Activation", 1)
def activation(g, node, x):
    kind = choice(g, node, "func", ACTIVATION)
    inputs = [g.tensor(x)]
    if kind == "Clip":
        inputs += [g.constant("%s/%s" % (node.id, name), np.array(limit, x.dtype))
                   for name, limit in (("min", 0), ("max", 6))]
    return g.emit(node.id, kind, inputs, x.shape, x.dtype, x.first,
                  nonnegative=kind in ("Relu", "Clip", "Sigmoid", "Softplus"))


@operation("_LReLU_TRT _LeakyRelu", 1)
def leaky_relu(g, node, x):
    plugin = node.operation == "_LReLU_TRT"
    alpha = number(g, node, "negSlope_u_float") if plugin else number(g, node, "alpha", 0.2)
    return g.emit(node.id, "LeakyRelu", [g.tensor(x)], x.shape, x.dtype, x.first, alpha=alpha)


@operation("Unary", 1)
def unary(g, node, x):
    steps = choice(g, node, "func", UNARY)
    dtype = x.dtype if steps[0] in EXACT.values() else g.precise(x)
    inputs = [g.tensor(x, dtype=dtype)] * (2 if steps == ["Mul"] else 1)
    if len(steps) == 2:
        inputs = [g.step(steps[0], inputs, "%s/%s" % (node.id, steps[0]))]
    return g.emit(node.id, steps[-1], inputs, x.shape, dtype, x.first)


def combine(g, node, op_type, *values):
    """An ONNX operation that broadcasts its inputs against each other."""
    first, dtype = g.first(*values), g.common(*values)
    inputs = [g.tensor(value, first, dtype) for value in values]
    shape = shapes.broadcast(*[value.shape for value in values])
    return g.emit(node.id, op_type, inputs, shape, dtype, first)


@operation("Binary", 2)
def binary(g, node, a, b):
    kind = choice(g, node, "func", BINARY)
    return _add(g, node, a, b) if kind == "Add" else combine(g, node, kind, a, b)


@operation("_AddV2", 2)  # what TensorFlow 2 makes of x + y
def _add(g, node, a, b):
    for layer, bias in ((a, b), (b, a)):
        if _bias_fits(g, layer, bias):
            proto, channels, _ = layer.unbiased
            axes = tuple(range(bias.rank))
            proto.input.append(g.weights(bias, axes, layer.dtype, (channels,)))
            return g.take_over(proto, node.id, layer)
    return combine(g, node, "Add", a, b)


def _bias_fits(g, layer, bias):
    """True if `bias` has one constant for each channel of a layer whose result nobody else reads."""
    if layer.unbiased is None or bias.array is None or layer.name in g.outputs:
        return False
    _, channels, behind = layer.unbiased
    shape = (1,) * (behind + 1 - bias.rank) + bias.shape
    return (g.uses[layer.name] == 1 and shape[-behind - 1:] == (channels,) + (1,) * behind
            and set(shape[:-behind - 1]) <= {1} and len(shape) <= layer.rank)


@operation("_AddN", None)
def add_n(g, node, *values):
    return combine(g, node, "Sum", *values[:max(integer(g, node, "N"), 1)])


@operation("_SquaredDifference", 2)
def squared_difference(g, node, a, b):
    first, dtype = g.first(a, b), max(g.precise(a), g.precise(b), key=lambda kind: kind.itemsize)
    part = g.step("Sub", [g.tensor(a, first, dtype), g.tensor(b, first, dtype)], node.id + "/Sub")
    return g.emit(node.id, "Mul", [part, part], shapes.broadcast(a.shape, b.shape), dtype, first)


@operation("_Round _Erf", 1)
def simple(g, node, x):
    return g.emit(node.id, node.operation[1:], [g.tensor(x)], x.shape, x.dtype, x.first)


def _window(g, node, shape, last, kernel, dilation):
    """ONNX's attributes for a window (kernel [H, W] and so on) that moves, and the [H, W] it gives."""
    strides = integers(g, node, "strides", 2, [1, 1])
    padding = [(pad, pad) for pad in integers(g, node, "padding", 2, [0, 0])]
    if min(strides + kernel + dilation) < 1 or min(padding) < (0, 0):
        raise UffException("node '%s': kernel %s, strides %s, dilation %s must be positive, padding "
                           "%s must not be negative" % (node.id, kernel, strides, dilation, padding))
    have = shape[1:3] if last else shape[2:4]
    if read(g, node, "implicit_padding", (str,), None) == "same":
        padding = [shapes.same_padding(*axis) for axis in zip(have, kernel, strides, dilation)]
    attributes = {"kernel_shape": kernel, "strides": strides}
    if None in padding:
        attributes["auto_pad"] = "SAME_UPPER"
    elif any(any(pads) for pads in padding):
        attributes["pads"] = [pads[0] for pads in padding] + [pads[1] for pads in padding]
    given = [shapes.window(*axis) for axis in zip(have, kernel, strides, dilation, padding)]
    if any(isinstance(size, int) and size < 1 for size in given):
        raise UffException("node '%s': a window of %s does not fit into %s" % (
            node.id, kernel, list(have)))
    return attributes, given


def _image(shape, last, space, channels):
    space = tuple(space)
    return (shape[0],) + space + (channels,) if last else (shape[0], channels) + space


def _kernel(g, node, w, default):
    """Which axes of the weights `w` count outputs, inputs, and [height, width]."""
    axes = order(g, node, 1, default)
    shape = image_shape(node, w)
    if not all(isinstance(size, int) for size in shape) or len(axes) != 4:
        raise UffException("node '%s' (%s): the shape of its weights, '%s', is not known" % (
            node.id, node.operation, w.name))
    outputs, inputs = axes.index(0), axes.index(1)
    return outputs, inputs, [axis for axis in range(4) if axis not in (outputs, inputs)]


@operation("Conv", 2)
def conv(g, node, x, w):
    last, shape = channels_last(g, node), image_shape(node, x)
    outputs, inputs, space = _kernel(g, node, w, HWCK)
    kernel, groups = [w.shape[axis] for axis in space], integer(g, node, "number_groups", 1)
    dilation = integers(g, node, "dilation", 2, [1, 1])
    attributes, given = _window(g, node, shape, last, kernel, dilation)
    dtype, channels, need = g.fast(x), w.shape[outputs], w.shape[inputs] * groups
    have = shape[-1 if last else 1]
    if 1 < groups == w.shape[inputs] and have != need:  # depthwise: [H, W, inputs, multiplier]
        channels, need = channels * groups, groups
        weights = g.weights(w, [inputs, outputs] + space, dtype, tuple([channels, 1] + kernel))
    else:
        weights = g.weights(w, [outputs, inputs] + space, dtype)
    if isinstance(have, int) and have != need or channels % max(groups, 1):
        raise UffException("node '%s' (Conv): '%s' has %s channels, the weights '%s' %s are for %d in "
                           "%d groups" % (node.id, x.name, have, w.name, list(w.shape), need, groups))
    value = g.emit(node.id, "Conv", [g.tensor(x, last, dtype), weights],
                   _image(shape, last, given, channels), dtype, last, group=groups,
                   dilations=dilation, **attributes)
    value.unbiased = g.nodes[-1], channels, 0 if last else 2
    return value


@operation("ConvTranspose", 3)
def conv_transpose(g, node, x, w, output_shape):
    last, shape = channels_last(g, node), image_shape(node, x)
    outputs, inputs, space = _kernel(g, node, w, HWKC)
    kernel, strides = [w.shape[axis] for axis in space], integers(g, node, "strides", 2)
    have = shape[1:3] if last else shape[2:4]
    want = [] if output_shape.known is None else output_shape.known.tolist()
    want = want[1:3] if last else want[2:4]
    if len(want) != 2 or not all(isinstance(size, int) for size in list(want) + list(have)):
        raise UffException("node '%s' (ConvTranspose): height and width must be known, of its input "
                           "'%s' and in its output shape '%s'" % (
                               node.id, x.name, output_shape.name))
    # The convolution that this undoes took `want` to `have`; the odd one of its padding was behind.
    extra = [(size - 1) * stride + reach - out
             for size, stride, reach, out in zip(have, strides, kernel, want)]
    before = [max(pad, 0) // 2 for pad in extra]
    after = [max(pad, 0) - front for pad, front in zip(extra, before)]
    dtype = g.fast(x)
    value = g.emit(node.id, "ConvTranspose",
                   [g.tensor(x, last, dtype), g.weights(w, [inputs, outputs] + space, dtype)],
                   _image(shape, last, want, w.shape[outputs]), dtype, last, kernel_shape=kernel,
                   strides=strides, pads=before + after,
                   output_padding=[max(-pad, 0) for pad in extra])
    value.unbiased = g.nodes[-1], w.shape[outputs], 0 if last else 2
    return value


@operation("FullyConnected", 2)
def fully_connected(g, node, a, b):
    flip_a, flip_b = order(g, node, 0, [0, 1]) == [1, 0], order(g, node, 1, [1, 0]) == [0, 1]
    for value in (a, b):
        if value.rank not in (None, 2):
            raise UffException("node '%s' (FullyConnected) multiplies matrices, '%s' is %s" % (
                node.id, value.name, list(value.shape)))
    rows, inner = (a.shape or (None, None))[::-1 if flip_a else 1]
    need, columns = (b.shape or (None, None))[::-1 if flip_b else 1]
    if isinstance(inner, int) and isinstance(need, int) and inner != need:
        raise UffException("node '%s' (FullyConnected): '%s' gives %d features, '%s' is for %d" % (
            node.id, a.name, inner, b.name, need))
    dtype = g.fast(a)
    value = g.emit(node.id, "Gemm", [g.tensor(a, False, dtype), g.tensor(b, False, dtype)],
                   (rows, columns), dtype, transA=int(flip_a), transB=int(flip_b))
    value.unbiased = (g.nodes[-1], columns, 0) if isinstance(columns, int) else None
    return value


@operation("_BatchMatMul _BatchMatMulV2", 2)
def batch_matmul(g, node, a, b):
    inputs, sides, dtype = [], [], g.fast(a)
    for value, flip in ((a, "adj_x"), (b, "adj_y")):
        if value.rank is None or value.rank < 2:
            raise UffException("node '%s' multiplies stacks of matrices, '%s' has the shape %s" % (
                node.id, value.name, value.shape))
        tensor, perm = g.tensor(value, False, dtype), list(range(value.rank))
        if read(g, node, flip, (bool,), False):
            perm[-2:] = perm[-1], perm[-2]
            tensor = g.step("Transpose", [tensor], "%s/%s" % (node.id, flip), perm=perm)
        inputs.append(tensor)
        sides.append([value.shape[axis] for axis in perm])
    stack = shapes.broadcast(sides[0][:-2], sides[1][:-2])
    return g.emit(node.id, "MatMul", inputs, stack + (sides[0][-2], sides[1][-1]), dtype)


@operation("Pool", 1)
def pool(g, node, x):
    last, shape = channels_last(g, node), image_shape(node, x)
    kind = choice(g, node, "func", POOL)
    attributes, given = _window(g, node, shape, last, integers(g, node, "kernel", 2), [1, 1])
    tensor, pads = g.tensor(x, last), attributes.get("pads", [0] * 4)
    explicit = "implicit_padding" not in node.fields
    if kind == "AveragePool":
        attributes["count_include_pad"] = int(explicit)
    elif explicit and any(pads) and not x.nonnegative:  # ONNX's MaxPool would pad with -infinity
        amounts = np.array([0, 0] + pads[:2] + [0, 0] + pads[2:], "<i8")
        amounts = g.constant(node.id + "/pads", amounts)
        # A Max of one does nothing, and keeps ONNX Runtime up to 1.23 from joining the two and losing the zeros.
        tensor = g.step("Max", [g.step("Pad", [tensor, amounts], node.id + "/padded")], node.id + "/kept")
        del attributes["pads"]
    return g.emit(node.id, kind, [tensor], _image(shape, last, given, shape[-1 if last else 1]),
                  x.dtype, last, x.nonnegative, **attributes)


@operation("BatchNorm _FusedBatchNormV2 _FusedBatchNormV3", 5)
def batch_norm(g, node, x, *parameters):
    last = channels_last(g, node) and "NCHW" not in str(schema.field(node, "data_format", None, ""))
    shape = image_shape(node, x)
    if node.operation != "BatchNorm" and read(g, node, "is_training", (bool,), True):
        raise UffException("node '%s' (%s) normalises with the batch's own statistics: freeze the "
                           "graph for inference. (Keras writes LayerNormalization so, too: that cannot be converted.)"
                           % (node.id, node.operation))
    inputs = [g.tensor(x, last)] + [g.tensor(value, False, x.dtype) for value in parameters]
    return g.emit(node.id, "BatchNormalization", inputs, shape, x.dtype, last,
                  epsilon=number(g, node, "epsilon", 1e-4))


@operation("LRN", 1)
def lrn(g, node, x):
    # TensorFlow's LRN knows only NHWC, whatever inputs_orders says; its window_size is a radius.
    # ONNX divides alpha by the number of channels in the window.
    shape, dtype = image_shape(node, x), g.precise(x)
    size = 2 * integer(g, node, "window_size") + 1
    return g.emit(node.id, "LRN", [g.tensor(x, True, dtype)], shape, dtype, True, size=size,
                  alpha=number(g, node, "alpha") * size, beta=number(g, node, "beta"),
                  bias=number(g, node, "k"))
