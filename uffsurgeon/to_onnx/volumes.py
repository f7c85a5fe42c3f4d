"""Convolutions and pools over three axes of space, which UFF does not have: custom nodes with TensorFlow's attributes.

Their tensors are [N, D, H, W, C] or [N, C, D, H, W], as data_format says. Layouts of five axes are not shared between
operations: each transposes its input and its result.
"""
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import TENSORFLOW
from .nodes import operation

TO_FRONT, TO_BACK = (0, 4, 1, 2, 3), (0, 2, 3, 4, 1)  # NDHWC -> NCDHW and back


def _volume(graph, node, x, dtype):
    """(name of the tensor as NCDHW, its shape, True if TensorFlow's has the channels at the end)."""
    if x.rank != 5:
        raise UffException("expected a tensor of 5 axes, and '%s' has the shape %s" % (x.name, x.shape and list(x.shape)))
    tensor, last = graph.tensor(x, TENSORFLOW, dtype), node.string("data_format", "NDHWC") == "NDHWC"
    if not last:
        return tensor, list(x.shape), last
    return (graph.intermediate(node, "ncdhw", "Transpose", [tensor], perm=TO_FRONT), [x.shape[axis] for axis in TO_FRONT], last)


def _space(node, key, last):
    """[depth, height, width] of an attribute with a number for each axis."""
    numbers = node.integers(key, 5, [1] * 5)
    return numbers[1:4] if last else numbers[2:]


def _result(graph, node, operator, inputs, shape, dtype, last, **attributes):
    if not last:
        return graph.emit(node, operator, inputs, shape, dtype, **attributes)
    tensor = graph.intermediate(node, "result", operator, inputs, **attributes)
    return graph.emit(node, "Transpose", [tensor], [shape[axis] for axis in TO_BACK], dtype, perm=TO_BACK)


def slide(node, space, window, strides, dilations):
    """(attributes, sizes of the result) of a window that moves over `space`."""
    mode, attributes = node.string("padding"), {"kernel_shape": window, "strides": strides}
    if mode not in ("SAME", "VALID"):
        raise UffException("padding is %s, not SAME or VALID" % mode)
    padding = [shapes.same_padding(*axis) if mode == "SAME" else (0, 0) for axis in zip(space, window, strides, dilations)]
    if None in padding:
        attributes["auto_pad"] = "SAME_UPPER"
    else:
        attributes["pads"] = [before for before, _ in padding] + [after for _, after in padding]
    return attributes, [shapes.window(*axis) for axis in zip(space, window, strides, dilations, padding)]


@operation("_Conv3D", inputs=2)
def conv(graph, node, x, w):
    dtype = graph.lower_precision(x)
    tensor, shape, last = _volume(graph, node, x, dtype)
    if w.rank != 5 or not all(isinstance(size, int) for size in w.shape):
        raise UffException("the shape of the weights '%s' is %s" % (w.name, w.shape))
    strides, dilations = _space(node, "strides", last), _space(node, "dilations", last)
    attributes, space = slide(node, shape[2:], list(w.shape[:3]), strides, dilations)
    groups = shape[1] // w.shape[3] if isinstance(shape[1], int) else 1
    inputs = [tensor, graph.weights(w, (4, 3, 0, 1, 2), dtype)]
    return _result(graph, node, "Conv", inputs, shape[:1] + [w.shape[4]] + space, dtype, last, dilations=dilations,
                   group=groups, **attributes)


@operation("_Conv3DBackpropInputV2", inputs=3)
def conv_transpose(graph, node, output_shape, w, x):
    dtype = graph.lower_precision(x)
    tensor, shape, last = _volume(graph, node, x, dtype)
    wanted = output_shape.known.tolist() if output_shape.known is not None else []
    wanted, strides = wanted[1:4] if last else wanted[2:], _space(node, "strides", last)
    if len(wanted) != 3 or not all(isinstance(size, int) for size in wanted + shape[2:]):
        raise UffException("the sizes must be known, of the input '%s' and in the output shape '%s'" % (
            x.name, output_shape.name))
    if _space(node, "dilations", last) != [1, 1, 1]:
        raise UffException("is dilated")
    window = list(w.shape[:3])
    extra = [(size - 1) * stride + reach - want for size, stride, reach, want in zip(shape[2:], strides, window, wanted)]
    before = [max(pad, 0) // 2 for pad in extra]
    after = [max(pad, 0) - front for pad, front in zip(extra, before)]
    inputs = [tensor, graph.weights(w, (4, 3, 0, 1, 2), dtype)]
    return _result(graph, node, "ConvTranspose", inputs, shape[:1] + [w.shape[3]] + wanted, dtype, last, kernel_shape=window,
                   strides=strides, pads=before + after, output_padding=[max(-pad, 0) for pad in extra])


@operation("_MaxPool3D _AvgPool3D", inputs=1)
def pool(graph, node, x):
    tensor, shape, last = _volume(graph, node, x, graph.full_precision(x))
    attributes, space = slide(node, shape[2:], _space(node, "ksize", last), _space(node, "strides", last), [1, 1, 1])
    operator = "MaxPool" if node.operation == "_MaxPool3D" else "AveragePool"
    return _result(graph, node, operator, [tensor], shape[:2] + space, graph.full_precision(x), last, **attributes)


def batch_norm(graph, node, x, *parameters):
    """Of FusedBatchNormV3 with data_format NDHWC or NCDHW."""
    tensor, shape, last = _volume(graph, node, x, x.dtype)
    inputs = [tensor] + [graph.tensor(value, TENSORFLOW, x.dtype) for value in parameters]
    return _result(graph, node, "BatchNormalization", inputs, shape, x.dtype, last, epsilon=node.number("epsilon", 1e-4))
