"""Operations on images: convolutions, pools, batch normalization, LRN.

TensorFlow's images are [N, H, W, C] (or NCHW, as a node's data_format has it); ONNX's operators take NCHW. SAME is
TensorFlow's padding, and the zeros of an explicit padding take part in a max pool.
"""
import collections

import numpy as np

from uffsurgeon.uff.schema import UffException

from . import shapes, volumes
from .graph import NCHW, TENSORFLOW, Layer
from .nodes import HWCK, HWKC, operation

POOL = {"max": "MaxPool", "avg": "AveragePool"}


class Image(collections.namedtuple("Image", "data_format layout batch channels space")):
    """The sizes of a batch of images.

    data_format: TensorFlow's, "NHWC" or "NCHW". layout: in which `Graph.tensor` gives it as NCHW. space: (height, width).
    """

    def shape(self, space, channels):
        """TensorFlow's shape of a result with that (height, width) and channels."""
        if self.data_format == "NHWC":
            return (self.batch,) + tuple(space) + (channels,)
        return (self.batch, channels) + tuple(space)


def image(value, data_format):
    """The Image that a Value is; all sizes are None if not even the rank is known."""
    shape = _four_sizes(value)
    if data_format == "NHWC":
        return Image(data_format, NCHW, shape[0], shape[3], shape[1:3])
    return Image(data_format, TENSORFLOW, shape[0], shape[1], shape[2:4])


def _four_sizes(value):
    if value.rank not in (None, 4):
        raise UffException("expected a tensor of 4 axes, and '%s' has the shape %s. If that is [], perhaps TensorFlow did not "
                           "know the shape of an input: give it when the UFF is written (input_node)" % (
                               value.name, list(value.shape)))
    return value.shape or (None,) * 4


Kernel = collections.namedtuple("Kernel", "outputs inputs perm swapped space")
Kernel.__doc__ = """The sizes of convolution weights: output channels, input channels; the permutations of their axes to
[outputs, inputs, height, width] and to [inputs, outputs, height, width]; [height, width]."""


def kernel(node, w, default):
    """The Kernel in a Value whose axes mean what the node says, else what `default` says."""
    order, shape = node.order(1, default), _four_sizes(w)
    if not all(isinstance(size, int) for size in shape) or len(order) != 4:
        raise UffException("the shape of the weights '%s' is not known" % w.name)
    k, c = order.index(0), order.index(1)
    space = [axis for axis in range(4) if axis not in (k, c)]
    return Kernel(shape[k], shape[c], [k, c] + space, [c, k] + space, [shape[axis] for axis in space])


def slide(node, space, window, dilation):
    """(ONNX's attributes, [height, width] of the result) of a window [height, width] that moves over images of size `space`."""
    strides = node.integers("strides", 2, [1, 1])
    padding = [(amount, amount) for amount in node.integers("padding", 2, [0, 0])]
    if min(strides + window + dilation) < 1 or min(padding) < (0, 0):
        raise UffException("window %s, strides %s, dilation %s must be positive, padding %s must not be negative" % (
            window, strides, dilation, padding))
    if node.string("implicit_padding", None) == "same":
        padding = [shapes.same_padding(*axis) for axis in zip(space, window, strides, dilation)]
    attributes = {"kernel_shape": window, "strides": strides}
    if None in padding:
        attributes["auto_pad"] = "SAME_UPPER"
    elif any(any(amounts) for amounts in padding):
        attributes["pads"] = [before for before, _ in padding] + [after for _, after in padding]
    result = [shapes.window(*axis) for axis in zip(space, window, strides, dilation, padding)]
    if any(isinstance(size, int) and size < 1 for size in result):
        raise UffException("a window of %s does not fit into %s" % (window, list(space)))
    return attributes, result


@operation("Conv", inputs=2)
def conv(graph, node, x, w):
    images, weights = image(x, node.data_format), kernel(node, w, HWCK)
    groups, dilation = node.integer("number_groups", 1), node.integers("dilation", 2, [1, 1])
    attributes, space = slide(node, images.space, weights.space, dilation)
    dtype, outputs, inputs = graph.lower_precision(x), weights.outputs, weights.inputs * groups
    if 1 < groups == weights.inputs and images.channels != inputs:  # depthwise: [H, W, inputs, multiplier]
        outputs, inputs = outputs * groups, groups
        tensor = graph.weights(w, weights.swapped, dtype, tuple([outputs, 1] + weights.space))
    else:
        tensor = graph.weights(w, weights.perm, dtype)
        # Of a Conv2D of TensorFlow, the sizes alone say that it has groups.
        if groups == 1 <= inputs and isinstance(images.channels, int) and images.channels % inputs == 0:
            groups, inputs = images.channels // inputs, images.channels
    if isinstance(images.channels, int) and images.channels != inputs or outputs % max(groups, 1):
        raise UffException("'%s' has %s channels, the weights '%s' %s are for %d in %d groups" % (
            x.name, images.channels, w.name, list(w.shape), inputs, groups))
    value = graph.emit(node, "Conv", [graph.tensor(x, images.layout, dtype), tensor], images.shape(space, outputs), dtype,
                       images.layout, group=groups, dilations=dilation, **attributes)
    return _awaits_bias(graph, value, images, outputs)


@operation("ConvTranspose", inputs=3)
def conv_transpose(graph, node, x, w, output_shape):
    return _transposed(graph, node, x, w, output_shape, node.data_format, node.integers("strides", 2), [1, 1])


@operation("_Conv2DBackpropInput", inputs=3)
def dilated_conv_transpose(graph, node, output_shape, w, x):
    """A dilated one, with TensorFlow's fields: UFF's ConvTranspose has no dilation."""
    data_format, padding = node.string("data_format", "NHWC"), node.string("padding")
    first = 1 if data_format == "NHWC" else 2
    strides, dilation = [node.integers(key, 4, [1] * 4)[first:first + 2] for key in ("strides", "dilations")]
    if padding not in ("SAME", "VALID"):
        raise UffException("padding is %s, not SAME or VALID" % padding)
    return _transposed(graph, node, x, w, output_shape, data_format, strides, dilation)


def _transposed(graph, node, x, w, output_shape, data_format, strides, dilation):
    images, weights, known = image(x, data_format), kernel(node, w, HWKC), output_shape.known
    wanted = known.tolist() if known is not None and known.ndim == 1 else []
    wanted = wanted[1:3] if images.data_format == "NHWC" else wanted[2:4]
    # The convolution that this one transposes made `images.space` of `wanted`; the odd one of its padding came after.
    extra = [_beyond(size, stride, (window - 1) * step + 1, want) for size, stride, window, step, want in zip(
        images.space, strides, weights.space, dilation, wanted)]
    if len(extra) != 2 or None in extra:
        raise UffException("height and width must be known, of the input '%s' and in the output shape '%s'" % (
            x.name, output_shape.name))
    before = [max(pad, 0) // 2 for pad in extra]
    after = [max(pad, 0) - front for pad, front in zip(extra, before)]
    dtype = graph.lower_precision(x)
    inputs = [graph.tensor(x, images.layout, dtype), graph.weights(w, weights.swapped, dtype)]
    value = graph.emit(node, "ConvTranspose", inputs, images.shape(wanted, weights.outputs), dtype, images.layout,
                       kernel_shape=weights.space, strides=strides, pads=before + after, dilations=dilation,
                       output_padding=[max(-pad, 0) for pad in extra])
    return _awaits_bias(graph, value, images, weights.outputs)


def _beyond(size, stride, reach, want):
    """By how much what a transposed convolution makes of `size` is larger than what is wanted; None if that is not known."""
    if isinstance(size, int) and isinstance(want, int):
        return (size - 1) * stride + reach - want
    if isinstance(size, str) and isinstance(want, str):
        made = shapes.linear(size, stride)
        for extra in range(-stride, reach + 1):  # (size - 1) * stride + reach - extra
            if shapes.linear(made, 1, reach - stride - extra) == want:
                return extra
    return None


def _awaits_bias(graph, value, images, channels):
    """`value`, marked as the result of a layer that a bias may still be added to."""
    value.awaits_bias = Layer(graph.protos[-1], channels, 0 if images.data_format == "NHWC" else 2)
    return value


@operation("Pool", inputs=1)
def pool(graph, node, x):
    images, operator = image(x, node.data_format), node.choice("func", POOL)
    attributes, space = slide(node, images.space, node.integers("kernel", 2), [1, 1])
    tensor, explicit = graph.tensor(x, images.layout), "implicit_padding" not in node.fields
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(explicit)
    elif explicit and "pads" in attributes and not x.nonnegative:  # ONNX's MaxPool would pad with -infinity
        top, left, bottom, right = attributes.pop("pads")
        pads = graph.integers(node, "pads", [0, 0, top, left, 0, 0, bottom, right])
        padded = graph.intermediate(node, "padded", "Pad", [tensor, pads])
        # A Max of one input does nothing, and keeps ONNX Runtime up to 1.23 from joining the two and losing the zeros.
        tensor = graph.intermediate(node, "kept", "Max", [padded])
    return graph.emit(node, operator, [tensor], images.shape(space, images.channels), x.dtype, images.layout, x.nonnegative,
                      **attributes)


@operation("BatchNorm _FusedBatchNorm _FusedBatchNormV2 _FusedBatchNormV3", inputs=5)
def batch_norm(graph, node, x, *parameters):
    custom = node.operation != "BatchNorm"
    if custom and node.boolean("is_training", True):
        return _layer_norm(graph, node, x, *parameters[:2])
    if custom and "D" in node.string("data_format", ""):
        return volumes.batch_norm(graph, node, x, *parameters)
    nchw = custom and "NCHW" in node.string("data_format", "")
    images = image(x, "NCHW" if nchw else node.data_format)
    inputs = [graph.tensor(x, images.layout)] + [graph.tensor(value, TENSORFLOW, x.dtype) for value in parameters]
    return graph.emit(node, "BatchNormalization", inputs, images.shape(images.space, images.channels), x.dtype, images.layout,
                      epsilon=node.number("epsilon", 1e-4))


def _layer_norm(graph, node, x, scale, offset):
    """How Keras writes LayerNormalization: the statistics of a batch of one image, of which the samples are the channels."""
    if x.rank != 4 or x.shape[0] != 1 or node.string("data_format", "NHWC") != "NCHW":
        raise UffException("normalizes with the statistics of the batch: freeze the graph for inference, without the learning "
                           "phase")
    dtype, axes = graph.full_precision(x), [0, 2, 3]
    tensor = graph.tensor(x, TENSORFLOW, dtype)
    centred = graph.intermediate(node, "centred", "Sub", [tensor, graph.reduced(node, "ReduceMean", tensor, axes, True)])
    variance = graph.reduced(node, "ReduceMean", graph.intermediate(node, "squares", "Mul", [centred, centred]), axes, True)
    floored = graph.intermediate(node, "floored", "Add", [
        variance, graph.constant(node.name + "/epsilon", np.array(node.number("epsilon", 1e-4), dtype))])
    unit = graph.intermediate(node, "unit", "Div", [centred, graph.intermediate(node, "deviation", "Sqrt", [floored])])
    columns = [graph.intermediate(node, name, "Reshape", [
        graph.tensor(value, TENSORFLOW, dtype), graph.integers(node, "column", [1, -1, 1, 1])])
        for name, value in (("scale", scale), ("offset", offset))]
    return graph.emit(node, "Add", [graph.intermediate(node, "scaled", "Mul", [unit, columns[0]]), columns[1]], x.shape, dtype)


@operation("LRN", inputs=1)
def lrn(graph, node, x):
    # TensorFlow's LRN is always NHWC, whatever inputs_orders says, and its window_size is a radius.
    # ONNX divides alpha by the number of channels in the window.
    images, dtype = image(x, "NHWC"), graph.full_precision(x)
    size = 2 * node.integer("window_size") + 1
    return graph.emit(node, "LRN", [graph.tensor(x, NCHW, dtype)], images.shape(images.space, images.channels), dtype, NCHW,
                      size=size, alpha=node.number("alpha") * size, beta=node.number("beta"), bias=node.number("k"))
