"""Inputs and constants; along axes (softmax, sums, slices, joins) and across them (reshape, transpose).

Axes are TensorFlow's and count the batch; `Graph.along` finds them again in a tensor that is NCHW.
"""
import functools

import numpy as np

from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

from . import shapes
from .fields import channels_last, choice, elements, integer, integers, operation, read
from .graph import ONNX_TYPE, TO_FIRST, TO_LAST, Value

INT32, INT64 = np.dtype("<i4"), np.dtype("<i8")
REDUCE = {name: "Reduce" + name.capitalize() for name in ("sum", "prod", "min", "max", "mean")}
SMALL = 64  # elements up to which an integer constant may belong to the calculation of a shape

REPLAY = ("Replay of a fault: Flatten in NCHW order, as TensorRT's UffParser did, before dense weights "
          "that were trained on NHWC. The outputs are wrong on purpose.")


def _dtype(g, node):
    number = integer(g, node, "dtype")
    if number not in schema.NUMPY:
        raise UffException("node '%s' (%s) has dtype %d, which UFF does not know; NVIDIA's converter "
                           "writes 7 for bool, uint8, float64 and text, which UFF cannot say"
                           % (node.id, node.operation, number))
    return schema.NUMPY[number]


@operation("Const", 0)
def const(g, node):
    value = Value(node.id, integers(g, node, "shape"), _dtype(g, node),
                  array=functools.partial(schema.array, node, g.meta))
    if value.dtype.kind == "i" and np.prod(value.shape) <= SMALL:
        value.known = value.array()
    return value


@operation("Input", 0)
def graph_input(g, node):
    dtype, shape = g.border(_dtype(g, node)), integers(g, node, "shape")
    if min(shape, default=1) < -1:
        raise UffException("input '%s' has the shape %s" % (node.id, shape))
    if shape and shape[0] == -1:
        shape[0] = "N" if g.batch is None else g.batch
    elif shape and g.batch not in (None, shape[0]):
        raise UffException("input '%s' is %s in this UFF, the batch cannot be made %d" % (
            node.id, shape, g.batch))
    shape = ["%s_%d" % (node.id, axis) if size == -1 else size for axis, size in enumerate(shape)]
    value = Value(node.id, shape, dtype, first=g.nchw_input and len(shape) == 4)
    value.tensors[value.first, dtype] = node.id
    g.declare("input", node.id, dtype, [shape[i] for i in TO_FIRST] if value.first else shape)
    return value


@operation("Identity", 1)
def identity(g, node, x):
    return x.alias(node.id)


@operation("Softmax", 1)
def softmax(g, node, x):
    # UFF's axis is 0 for every ordinary softmax of TensorFlow, which works on the channels.
    axis = integer(g, node, "axis", 0) or (-1 if channels_last(g, node) else 1)
    (axis,), ask, first = g.along(x, [axis])
    dtype = g.precise(x)
    return g.emit(node.id, "Softmax", [g.tensor(x, ask, dtype)], x.shape, dtype, first, axis=axis)


@operation("ArgMax ArgMin", 1)
def arg(g, node, x):
    axis = integer(g, node, "axis")
    (inside,), ask, first = g.along(x, [axis], drop=True)
    return g.emit(node.id, node.operation, [g.tensor(x, ask)], _without(x.shape, [axis]), INT64,
                  first, axis=inside, keepdims=0)


@operation("Reduce", 1)
def reduce(g, node, x):
    kind, axes = choice(g, node, "func", REDUCE), integers(g, node, "axes", default=[])
    keep = read(g, node, "keepdims", (bool,), False)
    if not axes:
        raise UffException("node '%s' (Reduce) names no axes; NVIDIA's converter loses them where they "
                           "are an int64 scalar" % node.id)
    inside, ask, first = g.along(x, axes, drop=not keep)
    dtype = x.dtype if kind in ("ReduceMin", "ReduceMax") else g.precise(x)
    inputs, attributes = [g.tensor(x, ask, dtype)], {"axes": inside}
    if kind == "ReduceSum" or g.opset >= 18:
        axes_input = np.array(attributes.pop("axes"), INT64)
        inputs.append(g.constant(node.id + "/axes", axes_input))
    shape = _without(x.shape, axes, 1 if keep else None)
    return g.emit(node.id, kind, inputs, shape, dtype, first, keepdims=int(keep), **attributes)


def _without(shape, axes, instead=None):
    """`shape` without `axes`, or with `instead` for each of them."""
    if shape is None:
        return None
    axes = [axis % len(shape) for axis in axes]
    changed = [instead if axis in axes else size for axis, size in enumerate(shape)]
    return changed if instead else [size for i, size in enumerate(shape) if i not in axes]


@operation("Concat", None)
def concat(g, node, *values):
    axis, first, dtype = integer(g, node, "axis"), g.first(*values), g.common(*values)
    shape = values[0].shape
    if shape is not None:
        axis = _axis(node, axis, shape)
        _same_rank(node, values)
        joined = [each.shape and each.shape[axis] for each in values]
        joined = sum(joined) if all(isinstance(size, int) for size in joined) else None
        shape = shape[:axis] + (joined,) + shape[axis + 1:]
    tensors = [g.tensor(value, first, dtype) for value in values]
    return g.emit(node.id, "Concat", tensors, shape, dtype, first,
                  axis=TO_LAST[axis] if first else axis)


@operation("Stack", None)
def stack(g, node, *values):
    axis, dtype, shape = integer(g, node, "axis"), g.common(*values), values[0].shape
    if shape is not None:
        axis = _axis(node, axis, shape + (None,))
        _same_rank(node, values)
        shape = shape[:axis] + (len(values),) + shape[axis:]
    axes = g.constant(node.id + "/axes", np.array([axis], INT64))
    parts = [g.step("Unsqueeze", [g.tensor(value, False, dtype), axes], node.id + "/part")
             for value in values]
    return g.emit(node.id, "Concat", parts, shape, dtype, axis=axis)


@operation("ExpandDims", 1)
def expand_dims(g, node, x):
    axis, shape = integer(g, node, "axis"), x.shape
    if shape is not None:
        axis = _axis(node, axis, shape + (None,))
        shape = shape[:axis] + (1,) + shape[axis:]
    axes = g.constant(node.id + "/axes", np.array([axis], INT64))
    return g.emit(node.id, "Unsqueeze", [g.tensor(x, False), axes], shape, x.dtype)


def _axis(node, axis, shape):
    """An axis that may be negative, as one of `shape`."""
    if not -len(shape) <= axis < len(shape):
        raise UffException("node '%s' (%s) works along axis %d and its result has %d" % (
            node.id, node.operation, axis, len(shape)))
    return axis % len(shape)


def _same_rank(node, values):
    if len({value.rank for value in values if value.rank is not None}) > 1:
        raise UffException("node '%s' (%s) joins tensors of different rank: %s" % (
            node.id, node.operation, ", ".join("'%s' %s" % (v.name, v.shape) for v in values)))


@operation("Squeeze", 1)
def squeeze(g, node, x):
    axes = integers(g, node, "axes", default=[])
    if not axes and x.shape is not None:
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    inside, ask, first = g.along(x, axes, drop=True)
    if x.shape is not None and any(
            isinstance(x.shape[axis], int) and x.shape[axis] != 1 for axis in axes):
        raise UffException("node '%s' (Squeeze) removes axes %s of %s, which are not of size 1" % (
            node.id, axes, list(x.shape)))
    inputs = [g.tensor(x, ask)]
    if axes:
        inputs.append(g.constant(node.id + "/axes", np.array(inside, INT64)))
    return g.emit(node.id, "Squeeze", inputs, _without(x.shape, axes), x.dtype, first)


def slice_parts(g, node, begin, end, strides):
    """`shapes.slices` of a StridedSlice node."""
    vectors = [elements(node, value, what) for value, what in (
        (begin, "begin"), (end, "end"), (strides, "strides"))]
    masks = [integer(g, node, key + "_mask", 0) for key in ("begin", "end", "shrink_axis")]
    try:
        return shapes.slices(*vectors + masks)
    except ValueError as error:
        raise UffException("node '%s' (StridedSlice): %s" % (node.id, error)) from None


@operation("StridedSlice", 4)
def strided_slice(g, node, x, begin, end, strides):
    parts, shrink = slice_parts(g, node, begin, end, strides)
    shape = x.shape
    if shape is not None:
        g.along(x, range(len(parts)))  # raises if there are fewer axes
        shape = [shapes.sliced(*(size,) + part) for size, part in zip(shape, parts)]
        shape += x.shape[len(parts):]
    removed, ask, first = g.along(x, shrink, drop=bool(shrink))
    vectors = {"starts": [], "ends": [], "axes": [], "steps": []}
    for axis, part in enumerate(parts):
        if part != shapes.WHOLE:
            part = part[:2] + (TO_LAST[axis] if ask else axis,) + part[2:]
            for vector, element in zip(vectors.values(), part):
                vector.append(element)
    if not vectors["axes"]:
        return x.alias(node.id)
    inputs = [g.tensor(x, ask)] + [g.constant("%s/%s" % (node.id, key), np.array(vector, INT64))
                                   for key, vector in vectors.items()]
    if not shrink:
        return g.emit(node.id, "Slice", inputs, shape, x.dtype, first)
    inputs = [g.step("Slice", inputs, node.id + "/slice"),
              g.constant(node.id + "/removed", np.array(removed, INT64))]
    return g.emit(node.id, "Squeeze", inputs, _without(shape, shrink), x.dtype, first)


@operation("Pad", 2)
def pad(g, node, x, paddings):
    known = paddings.known
    if known is None or known.dtype == object or known.ndim != 2 or known.shape[1] != 2:
        raise UffException("node '%s' (Pad): its paddings '%s' must be a constant [axes, 2]" % (
            node.id, paddings.name))
    inside, ask, first = g.along(x, range(len(known)))
    amounts = np.zeros((2, len(known)), INT64)
    amounts[:, inside] = known.T
    shape = x.shape
    if shape is not None:
        shape = [size if not more else size + int(more) if isinstance(size, int) else None
                 for size, more in zip(shape, known.sum(1))]
    inputs = [g.tensor(x, ask), g.constant(node.id + "/pads", amounts.reshape(-1))]
    return g.emit(node.id, "Pad", inputs, shape, x.dtype, first, x.nonnegative)


@operation("Gather GatherV2", 2)
def gather(g, node, x, indices):
    axis, shape = integer(g, node, "axis", 0), None
    if indices.dtype not in (INT32, INT64):
        raise UffException("node '%s' (%s): its indices '%s' are %s, not integers" % (
            node.id, node.operation, indices.name, indices.dtype))
    if x.shape is not None:
        axis = _axis(node, axis, x.shape)
        if indices.shape is not None:
            shape = x.shape[:axis] + indices.shape + x.shape[axis + 1:]
    inputs = [g.tensor(x, False), g.tensor(indices, False)]
    return g.emit(node.id, "Gather", inputs, shape, x.dtype, axis=axis)


@operation("Transpose", 1)
def transpose(g, node, x):
    perm = integers(g, node, "permutation")
    if sorted(perm) != list(range(len(perm))) or x.rank not in (None, len(perm)):
        raise UffException("node '%s' (Transpose): '%s' has the shape %s, the permutation is %s" % (
            node.id, x.name, x.shape and list(x.shape), perm))
    shape = [x.shape[axis] for axis in perm] if x.shape is not None else [None] * len(perm)
    inside = [TO_LAST[axis] for axis in perm] if x.first else perm
    for first, same in ((False, list(range(len(perm)))), (True, list(TO_LAST))):
        if inside == same:  # the tensor is there, only the order of its axes has another name
            value = Value(node.id, shape, x.dtype, first)
            value.tensors[first, x.dtype] = g.tensor(x)
            return value
    return g.emit(node.id, "Transpose", [g.tensor(x)], shape, x.dtype, perm=inside)


@operation("Shape", 1)
def shape_of(g, node, x):
    long = g.step("Shape", [g.tensor(x, False)], node.id + "/int64")
    return g.emit(node.id, "Cast", [long], (x.rank,), INT32, to=ONNX_TYPE[INT32])


@operation("Flatten", 1)
def flatten(g, node, x):
    shape = None
    if x.shape is not None:
        fixed = all(isinstance(size, int) for size in x.shape[1:])
        shape = x.shape[:1] + (int(np.prod(x.shape[1:])) if fixed else None,)
    replay = g.flatten_nchw and x.rank == 4
    if replay:
        g.model.doc_string = REPLAY
    return g.emit(node.id, "Flatten", [g.tensor(x, replay)], shape, x.dtype, axis=1)


@operation("Reshape", 2)
def reshape(g, node, x, target):
    if target.rank not in (None, 1):
        raise UffException("node '%s' (Reshape): the shape '%s' is no vector" % (
            node.id, target.name))
    if target.known is None:  # only run time can tell
        rank = target.shape[0] if target.rank == 1 else None
        new, vector = ((None,) * rank if isinstance(rank, int) else None), None
    else:
        try:
            new, vector = shapes.reshaped(x.shape, target.known.tolist())
        except ValueError as error:
            raise UffException("node '%s' (Reshape): %s" % (node.id, error)) from None
    if vector is None:
        wanted = g.step("Cast", [g.tensor(target)], node.id + "/shape", to=ONNX_TYPE[INT64])
    else:
        wanted = g.constant(node.id + "/shape", np.array(vector, INT64))
    return g.emit(node.id, "Reshape", [g.tensor(x, False), wanted], new, x.dtype)
