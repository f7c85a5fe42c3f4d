"""Along axes (softmax, sums, joins, paddings) and across them (reshape, transpose).

Axes are TensorFlow's and count the batch; `Value.locate` finds them again in a tensor that is NCHW.
"""
import numpy as np

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import INT32, INT64, NCHW, TENSORFLOW, TO_NHWC, Value, common_layout
from .nodes import operation

REDUCE = {name: "Reduce" + name.capitalize() for name in ("sum", "prod", "min", "max", "mean")}
ILLUSTRATION = ("Flatten in NCHW order before dense weights that were trained on NHWC, as an article of 2019 describes it for "
                "TensorRT 5.0.6: the outputs are wrong on purpose. No UffParser from 5.1.5 to 8.6.1 does this; they transpose "
                "first.")


@operation("Softmax", inputs=1)
def softmax(graph, node, x):
    # UFF's axis is 0 for every ordinary softmax of TensorFlow, which works on the channels.
    axis = node.integer("axis", 0) or (-1 if node.data_format == "NHWC" else 1)
    (axis,), wanted, layout = x.locate([axis])
    dtype = graph.full_precision(x)
    return graph.emit(node, "Softmax", [graph.tensor(x, wanted, dtype)], x.shape, dtype, layout, axis=axis)


@operation("ArgMax ArgMin", inputs=1)
def arg(graph, node, x):
    axis = node.integer("axis")
    (located,), wanted, layout = x.locate([axis], removes=True)
    shape, dtype = shapes.replaced(x.shape, [axis]), node.dtype("output_type") if "output_type" in node.fields else INT64
    if dtype == INT64:
        return graph.emit(node, node.operation, [graph.tensor(x, wanted)], shape, INT64, layout, axis=located, keepdims=0)
    indices = graph.intermediate(node, "int64", node.operation, [graph.tensor(x, wanted)], axis=located, keepdims=0)
    return graph.emit(node, "Cast", [indices], shape, dtype, layout, to=ONNX_OF_NUMPY[dtype])


@operation("_LogSoftmax", inputs=1)
def log_softmax(graph, node, x):
    (axis,), wanted, layout = x.locate([-1])
    dtype = graph.full_precision(x)
    return graph.emit(node, "LogSoftmax", [graph.tensor(x, wanted, dtype)], x.shape, dtype, layout, axis=axis)


@operation("Reduce", inputs=1)
def reduce(graph, node, x):
    operator, axes, keep = node.choice("func", REDUCE), node.integers("axes", default=[]), node.boolean("keepdims", False)
    if not axes:
        raise UffException("no field 'axes'; NVIDIA's converter loses it where TensorFlow has the axes as an int64 scalar")
    located, wanted, layout = x.locate(axes, removes=not keep)
    dtype = x.dtype if operator in ("ReduceMin", "ReduceMax") else graph.full_precision(x)
    inputs, attributes = [graph.tensor(x, wanted, dtype)], {"keepdims": int(keep)}
    if operator == "ReduceSum" or graph.opset >= 18:
        inputs.append(graph.integers(node, "axes", located))
    else:
        attributes["axes"] = located
    return graph.emit(node, operator, inputs, shapes.replaced(x.shape, axes, 1 if keep else None), dtype, layout, **attributes)


@operation("Concat", inputs=None)
def concat(graph, node, *values):
    axis, layout, dtype, shape = node.integer("axis"), common_layout(*values), graph.widest(*values), values[0].shape
    if shape is not None:
        axis = _checked(axis, len(shape))
        _same_rank(values)
        sizes = [value.shape and value.shape[axis] for value in values]
        joined = sum(sizes) if all(isinstance(size, int) for size in sizes) else None
        shape = shape[:axis] + (joined,) + shape[axis + 1:]
    tensors = [graph.tensor(value, layout, dtype) for value in values]
    return graph.emit(node, "Concat", tensors, shape, dtype, layout, axis=TO_NHWC[axis] if layout == NCHW else axis)


@operation("Stack", inputs=None)
def stack(graph, node, *values):
    axis, dtype, shape = node.integer("axis"), graph.widest(*values), values[0].shape
    if shape is not None:
        axis = _checked(axis, len(shape) + 1)
        _same_rank(values)
        shape = shape[:axis] + (len(values),) + shape[axis:]
    axes = graph.integers(node, "axes", [axis])
    parts = [graph.intermediate(node, "part", "Unsqueeze", [graph.tensor(value, TENSORFLOW, dtype), axes])
             for value in values]
    return graph.emit(node, "Concat", parts, shape, dtype, axis=axis)


@operation("ExpandDims", inputs=1)
def expand_dims(graph, node, x):
    axis, shape = node.integer("axis"), x.shape
    if shape is not None:
        axis = _checked(axis, len(shape) + 1)
        shape = shape[:axis] + (1,) + shape[axis:]
    axes = graph.integers(node, "axes", [axis])
    return graph.emit(node, "Unsqueeze", [graph.tensor(x, TENSORFLOW), axes], shape, x.dtype)


def _checked(axis, rank):
    """An axis that may be negative, counted from the front. Raises UffException unless it is one of `rank`."""
    if not -rank <= axis < rank:
        raise UffException("axis %d is out of range for %d axes" % (axis, rank))
    return axis % rank


def _same_rank(values):
    if len({value.rank for value in values if value.rank is not None}) > 1:
        raise UffException("tensors of different rank cannot be joined: %s" % ", ".join(
            "'%s' %s" % (value.name, value.shape) for value in values))


@operation("Squeeze", inputs=1)
def squeeze(graph, node, x):
    axes = node.integers("axes", default=[])
    if not axes and x.shape is not None:
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    located, wanted, layout = x.locate(axes, removes=True)
    if x.shape is not None and any(isinstance(x.shape[axis], int) and x.shape[axis] != 1 for axis in axes):
        raise UffException("axes %s of %s are not of size 1" % (axes, list(x.shape)))
    inputs = [graph.tensor(x, wanted)]
    if axes:
        inputs.append(graph.integers(node, "axes", located))
    return graph.emit(node, "Squeeze", inputs, shapes.replaced(x.shape, axes), x.dtype, layout)


@operation("Pad", inputs=2)
def pad(graph, node, x, paddings):
    return _padded(graph, node, x, paddings)


@operation("_PadV2", inputs=3)
def pad_with(graph, node, x, paddings, value):
    scalar = graph.tensor(value, TENSORFLOW, x.dtype)
    if value.rank != 0:
        scalar = graph.intermediate(node, "scalar", "Reshape", [scalar, graph.integers(node, "none", [])])
    return _padded(graph, node, x, paddings, scalar)


def _padded(graph, node, x, paddings, *value):
    amounts = paddings.numbers
    if amounts is None or amounts.ndim != 2 or amounts.shape[1] != 2:
        raise UffException("the paddings '%s' must be a constant [axes, 2]" % paddings.name)
    located, wanted, layout = x.locate(range(len(amounts)))
    pads = np.zeros((2, len(amounts)), INT64)
    pads[:, located] = amounts.T
    shape = x.shape
    if shape is not None:
        shape = [size if not more else size + int(more) if isinstance(size, int) else None
                 for size, more in zip(shape, amounts.sum(1))]
    inputs = [graph.tensor(x, wanted), graph.integers(node, "pads", pads.reshape(-1))]
    return graph.emit(node, "Pad", inputs + list(value), shape, x.dtype, layout, x.nonnegative and not value)


@operation("_Tile", inputs=2)
def tile(graph, node, x, multiples):
    repeats = shapes.vector(multiples, "multiples")
    located, wanted, layout = x.locate(range(len(repeats)))
    shape = x.shape
    if x.rank not in (None, len(repeats)) or min(repeats, default=0) < 0:
        raise UffException("'%s' has the shape %s, the multiples are %s" % (x.name, shape and list(shape), repeats))
    if shape is not None:
        shape = [size if times == 1 else size * times if isinstance(size, int) else None
                 for size, times in zip(shape, repeats)]
    ordered = np.array(repeats, INT64)
    ordered[located] = repeats
    inputs = [graph.tensor(x, wanted), graph.integers(node, "repeats", ordered)]
    return graph.emit(node, "Tile", inputs, shape, x.dtype, layout, x.nonnegative)


@operation("Transpose", inputs=1)
def transpose(graph, node, x):
    perm = node.integers("permutation")
    unchanged = list(range(len(perm)))
    if sorted(perm) != unchanged or x.rank not in (None, len(perm)):
        raise UffException("'%s' has the shape %s, the permutation is %s" % (x.name, x.shape and list(x.shape), perm))
    shape = [x.shape[axis] for axis in perm] if x.shape is not None else [None] * len(perm)
    located = [TO_NHWC[axis] for axis in perm] if x.layout == NCHW else perm
    for layout, same in ((TENSORFLOW, unchanged), (NCHW, list(TO_NHWC))):
        if located == same:  # the tensor exists already, and only the order of its axes has another name now
            value = Value(node.name, shape, x.dtype, layout)
            value.tensors[layout, x.dtype] = graph.tensor(x)
            return value
    return graph.emit(node, "Transpose", [graph.tensor(x)], shape, x.dtype, perm=located)


@operation("Shape", inputs=1)
def shape_of(graph, node, x):
    if "output_type" in node.fields and node.dtype("output_type") == INT64:
        return graph.emit(node, "Shape", [graph.tensor(x, TENSORFLOW)], (x.rank,), INT64)
    long = graph.intermediate(node, "int64", "Shape", [graph.tensor(x, TENSORFLOW)])
    return graph.emit(node, "Cast", [long], (x.rank,), INT32, to=ONNX_OF_NUMPY[INT32])


@operation("Flatten", inputs=1)
def flatten(graph, node, x):
    shape, layout = None, TENSORFLOW
    if x.shape is not None:
        fixed = all(isinstance(size, int) for size in x.shape[1:])
        shape = x.shape[:1] + (int(np.prod(x.shape[1:])) if fixed else None,)
    if graph.flatten_as == "nchw" and x.rank == 4:
        layout, graph.model.doc_string = NCHW, ILLUSTRATION
    return graph.emit(node, "Flatten", [graph.tensor(x, layout)], shape, x.dtype, axis=1)


@operation("Reshape", inputs=2)
def reshape(graph, node, x, target):
    if target.rank not in (None, 1):
        raise UffException("the shape '%s' is not a vector" % target.name)
    if target.known is not None:
        shape, vector = shapes.reshaped(x.shape, target.known.tolist())
    else:  # it is known only at run time
        rank = shapes.open_rank(target)
        shape, vector = None if rank is None else (None,) * rank, None
    if vector is None:
        wanted = graph.intermediate(node, "shape", "Cast", [graph.tensor(target)], to=ONNX_OF_NUMPY[INT64])
    else:
        wanted = graph.integers(node, "shape", vector)
    return graph.emit(node, "Reshape", [graph.tensor(x, TENSORFLOW), wanted], shape, x.dtype)
