"""Parts of tensors, by position: slices, splits, gathers, the largest elements; and tensors made by position.

Axes are TensorFlow's and count the batch, as in axes.py.
"""
import numpy as np

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import BOOL, FLOAT, INT32, INT64, NCHW, TENSORFLOW, TO_NHWC
from .nodes import operation


def cut(graph, node, x, parts, layout):
    """Name of the tensor of `x`, in a layout, cut to [(start, stop, step)] of its leading axes."""
    vectors = {"starts": [], "ends": [], "axes": [], "steps": []}
    for axis, (start, stop, step) in enumerate(parts):
        if (start, stop, step) != shapes.WHOLE:
            axis = TO_NHWC[axis] if layout == NCHW else axis
            for vector, element in zip(vectors.values(), (start, stop, axis, step)):
                vector.append(element)
    tensor = graph.tensor(x, layout)
    if not vectors["axes"]:
        return tensor
    return graph.intermediate(node, "slice", "Slice", [tensor] + [
        graph.integers(node, key, vector) for key, vector in vectors.items()])


def _result(graph, node, x, tensor, shape, layout):
    """The Value of a tensor that was made on the way; graph.emit needs an operator, and this is none that computes."""
    return graph.renamed(node, tensor, shape, x.dtype, layout, x.nonnegative)


@operation("StridedSlice _StridedSlice", inputs=4)
def strided_slice(graph, node, x, begin, end, strides):
    if begin.numbers is None or end.numbers is None:
        return _slice_of_run_time(graph, node, x, begin, end, strides)
    parts, shrink, new = shapes.slices(node, begin, end, strides, x.rank)
    shape = x.shape
    if shape is not None:
        x.locate(range(len(parts)))  # raises if there are fewer axes
        shape = [shapes.sliced(size, *part) for size, part in zip(shape, parts)] + list(shape[len(parts):])
    removed, wanted, layout = x.locate(shrink, removes=bool(shrink))
    if new:
        removed, wanted, layout = shrink, TENSORFLOW, TENSORFLOW
    if not shrink and not new and all(part == shapes.WHOLE for part in parts):
        return x.alias(node.name)
    tensor = cut(graph, node, x, parts, wanted)
    if shrink:
        tensor = graph.intermediate(node, "squeezed", "Squeeze", [tensor, graph.integers(node, "removed", removed)])
        shape = shapes.replaced(shape, shrink)
    if new:
        tensor = graph.intermediate(node, "unsqueezed", "Unsqueeze", [tensor, graph.integers(node, "new", new)])
        shape = None if shape is None else shapes.inserted(shape, new)
    return _result(graph, node, x, tensor, shape, layout)


def _slice_of_run_time(graph, node, x, begin, end, strides):
    """x[a:b] where a or b is computed by the network."""
    steps = shapes.vector(strides, "strides")
    masks = [node.integer(key + "_mask", 0) for key in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")]
    if any(masks[2:]) or min(steps, default=0) < 1:
        raise UffException("its begin '%s' or end '%s' is computed by the network: that is possible for slices x[a:b], and not "
                           "with a single index, an ellipsis, a new axis or a negative stride" % (begin.name, end.name))
    bounds = []
    for key, value, mask, replacement in (("starts", begin, masks[0], 0), ("ends", end, masks[1], shapes.FULL)):
        tensor = long(graph, node, value)
        if mask:
            chosen = np.array([bool(mask >> axis & 1) for axis in range(len(steps))])
            tensor = graph.intermediate(node, key, "Where", [
                graph.constant("%s/%s_mask" % (node.name, key), chosen),
                graph.integers(node, key + "_open", [replacement] * len(steps)), tensor])
        bounds.append(tensor)
    inputs = [graph.tensor(x, TENSORFLOW)] + bounds + [
        graph.integers(node, "axes", range(len(steps))), graph.integers(node, "steps", steps)]
    shape = x.shape
    if shape is not None:
        whole = [masks[0] >> axis & masks[1] >> axis & 1 and step == 1 for axis, step in enumerate(steps)]
        shape = [size if axis >= len(steps) or whole[axis] else None for axis, size in enumerate(shape)]
    return graph.emit(node, "Slice", inputs, shape, x.dtype, nonnegative=x.nonnegative)


def long(graph, node, value):
    """Name of the tensor with integers as int64."""
    if value.dtype.kind != "i":
        raise UffException("'%s' is %s, not integers" % (value.name, value.dtype))
    if value.array is not None:
        return graph.constant(value.name + "/int64", value.array().astype(INT64))
    tensor = graph.tensor(value)
    return tensor if value.dtype == INT64 else graph.intermediate(node, "int64", "Cast", [tensor], to=ONNX_OF_NUMPY[INT64])


@operation("_Slice", inputs=3)
def slice_of_size(graph, node, x, begin, size):
    if begin.numbers is None or size.numbers is None:
        starts, sizes = long(graph, node, begin), long(graph, node, size)
        ends = graph.intermediate(node, "ends", "Where", [
            graph.intermediate(node, "open", "Less", [sizes, graph.integers(node, "zero", 0)]),
            graph.integers(node, "full", shapes.FULL), graph.intermediate(node, "stops", "Add", [starts, sizes])])
        shape = None if x.rank is None else (None,) * x.rank
        return graph.emit(node, "Slice", [graph.tensor(x, TENSORFLOW), starts, ends], shape, x.dtype)
    starts, sizes = shapes.vector(begin, "begin"), shapes.vector(size, "size")
    if len(starts) != len(sizes) or x.rank not in (None, len(starts)):
        raise UffException("'%s' has the shape %s, begin is %s, size %s" % (x.name, x.shape, starts, sizes))
    parts = [(start, shapes.FULL if size == -1 else start + size, 1) for start, size in zip(starts, sizes)]
    return _window(graph, node, x, parts)


def _window(graph, node, x, parts):
    """`x` cut to [(start, stop, step)], as the result of a node."""
    _, wanted, layout = x.locate(range(len(parts)))
    if all(part == shapes.WHOLE for part in parts):
        return x.alias(node.name)
    shape = None if x.shape is None else [shapes.sliced(size, *part) for size, part in zip(x.shape, parts)] + list(
        x.shape[len(parts):])
    return _result(graph, node, x, cut(graph, node, x, parts, wanted), shape, layout)


@operation("_Split", inputs=2)
def split(graph, node, axis, x):
    count, axis = node.integer("num_split"), _axis(x, shapes.vector(axis, "axis")[0])
    size = x.shape[axis]
    if not isinstance(size, int) or count < 1 or size % count:
        raise UffException("'%s' has the shape %s, and its axis %d cannot be split into %d" % (x.name, x.shape, axis, count))
    return _piece(graph, node, x, axis, [size // count] * count)


@operation("_SplitV", inputs=3)
def split_by_sizes(graph, node, x, sizes, axis):
    sizes, axis = shapes.vector(sizes, "sizes"), _axis(x, shapes.vector(axis, "axis")[0])
    if -1 in sizes:
        if not isinstance(x.shape[axis], int) or sizes.count(-1) > 1:
            raise UffException("the sizes %s leave one open, and the shape of '%s' is %s" % (sizes, x.name, x.shape))
        sizes[sizes.index(-1)] = x.shape[axis] - sum(size for size in sizes if size != -1)
    return _piece(graph, node, x, axis, sizes)


def _piece(graph, node, x, axis, sizes):
    output = node.integer("output", 0)
    if not 0 <= output < len(sizes):
        raise UffException("it has %d outputs, and output %d is read" % (len(sizes), output))
    start = sum(sizes[:output])
    return _window(graph, node, x, [shapes.WHOLE] * axis + [(start, start + sizes[output], 1)])


def _axis(x, axis):
    """`axis`, counted from the front. Raises UffException unless the rank is known and has it."""
    if x.rank is None or not -x.rank <= axis < x.rank:
        raise UffException("'%s' has the shape %s, the axis is %d" % (x.name, x.shape and list(x.shape), axis))
    return axis % x.rank


@operation("_Unpack", inputs=1)
def unpack(graph, node, x):
    axis = _axis(x, node.integer("axis", 0))
    (located,), wanted, layout = x.locate([axis], removes=True)
    index = graph.integers(node, "index", node.integer("output", 0))
    return graph.emit(node, "Gather", [graph.tensor(x, wanted), index], shapes.replaced(x.shape, [axis]), x.dtype, layout,
                      x.nonnegative, axis=located)


@operation("_ReverseV2", inputs=2)
def reverse(graph, node, x, axes):
    axes = [_axis(x, axis) for axis in shapes.vector(axes, "axes")]
    return _window(graph, node, x, [(-1, -shapes.FULL, -1) if axis in axes else shapes.WHOLE for axis in range(x.rank)])


@operation("_ReverseSequence", inputs=2)
def reverse_sequence(graph, node, x, lengths):
    time, batch = node.integer("seq_dim"), node.integer("batch_dim", 0)
    if {time, batch} != {0, 1}:
        raise UffException("ONNX reverses sequences with batch and time as the axes 0 and 1, not %d and %d" % (batch, time))
    inputs = [graph.tensor(x, TENSORFLOW), long(graph, node, lengths)]
    return graph.emit(node, "ReverseSequence", inputs, x.shape, x.dtype, time_axis=time, batch_axis=batch)


@operation("_Roll", inputs=3)
def roll(graph, node, x, shift, axis):
    tensor, shape = graph.tensor(x, TENSORFLOW), x.shape
    for step, at in zip(shapes.vector(shift, "shift"), shapes.vector(axis, "axis")):
        at = _axis(x, at)
        if not isinstance(shape[at], int):
            raise UffException("the size of axis %d of '%s' must be known" % (at, x.name))
        start = -step % max(shape[at], 1)
        halves = [graph.intermediate(node, "half", "Slice", [tensor] + [
            graph.integers(node, "bounds", [number]) for number in (first, last, at)])
            for first, last in ((start, shapes.FULL), (0, start))]
        tensor = graph.intermediate(node, "rolled", "Concat", halves, axis=at)
    return _result(graph, node, x, tensor, shape, TENSORFLOW)


@operation("Gather GatherV2", inputs=2)
def gather(graph, node, x, indices):
    axis, shape = node.integer("axis", 0), None
    if indices.dtype not in (INT32, INT64):
        raise UffException("the indices '%s' are %s, not integers" % (indices.name, indices.dtype))
    if x.shape is not None:
        axis = _axis(x, axis)
        if indices.shape is not None:
            shape = x.shape[:axis] + indices.shape + x.shape[axis + 1:]
    inputs = [graph.tensor(x, TENSORFLOW), graph.tensor(indices, TENSORFLOW)]
    return graph.emit(node, "Gather", inputs, shape, x.dtype, axis=axis)


@operation("_GatherV2", inputs=3)
def gather_in_batches(graph, node, x, indices, axis):
    """Other elements for each entry of the batch. ONNX has that where the axis follows the batch axes."""
    return _gather_in_batches(graph, node, x, indices, _axis(x, shapes.vector(axis, "axis")[0]))


@operation("_ResourceGather", inputs=2)
def resource_gather(graph, node, x, indices):
    return _gather_in_batches(graph, node, x, indices, node.integer("batch_dims", 0))


def _gather_in_batches(graph, node, x, indices, axis):
    batch = node.integer("batch_dims", 0)
    if axis != batch or indices.rank is None or not 0 <= batch <= indices.rank:
        raise UffException("gathers along axis %d with %d batch axes: ONNX can where the axis is the first behind those" % (
            axis, batch))
    last = graph.intermediate(node, "indices", "Unsqueeze", [long(graph, node, indices), graph.integers(node, "last", [-1])])
    shape = None if x.shape is None else x.shape[:batch] + indices.shape[batch:] + x.shape[batch + 1:]
    return graph.emit(node, "GatherND", [graph.tensor(x, TENSORFLOW), last], shape, x.dtype, batch_dims=batch)


@operation("_GatherNd", inputs=2)
def gather_nd(graph, node, x, indices):
    depth = None if not indices.shape else indices.shape[-1]
    shape = None
    if x.shape is not None and isinstance(depth, int):
        shape = indices.shape[:-1] + x.shape[depth:]
    return graph.emit(node, "GatherND", [graph.tensor(x, TENSORFLOW), long(graph, node, indices)], shape, x.dtype)


@operation("_TopKV2", inputs=2)
def top_k(graph, node, x, k):
    output, dtype = node.integer("output", 0), graph.full_precision(x)
    if k.numbers is not None:
        size = shapes.vector(k, "k")[0]
        count = graph.integers(node, "k", [size])
    else:
        count, size = graph.intermediate(node, "k", "Reshape", [long(graph, node, k), graph.integers(node, "one", [1])]), None
    shape = None if x.shape is None else x.shape[:-1] + (size,)
    values, indices = graph.several(node, "TopK", [graph.tensor(x, TENSORFLOW, dtype), count], 2, axis=-1)
    if output == 0:
        return graph.renamed(node, values, shape, dtype)
    kind = node.dtype("index_type") if "index_type" in node.fields else INT32
    return graph.emit(node, "Cast", [indices], shape, kind, to=ONNX_OF_NUMPY[kind])


@operation("_OneHot", inputs=4)
def one_hot(graph, node, indices, depth, on, off):
    axis, size = node.integer("axis", -1), shapes.vector(depth, "depth")[0]
    if indices.rank is None or indices.dtype.kind not in "iu":
        raise UffException("the indices '%s' are %s of shape %s" % (indices.name, indices.dtype, indices.shape))
    at = indices.rank if axis == -1 else axis
    kind = indices.dtype if indices.dtype in (INT32, INT64) else INT32
    tensor = graph.tensor(indices, TENSORFLOW)
    if kind != indices.dtype:
        tensor = graph.intermediate(node, "int32", "Cast", [tensor], to=ONNX_OF_NUMPY[kind])
    tensor = graph.intermediate(node, "indices", "Unsqueeze", [tensor, graph.integers(node, "axes", [at])])
    graph.claim("the depth %d" % size, size)
    positions = np.arange(size, dtype=kind).reshape((size,) + (1,) * (indices.rank - at))
    found = graph.intermediate(node, "found", "Equal", [tensor, graph.constant(node.name + "/positions", positions)])
    dtype, shape = graph.widest(on, off), indices.shape[:at] + (size,) + indices.shape[at:]
    if dtype == BOOL:
        raise UffException("on and off values are bool")
    return graph.emit(node, "Where", [found] + [graph.tensor(value, dtype=dtype) for value in (on, off)], shape, dtype)


@operation("_Bucketize", inputs=1)
def bucketize(graph, node, x):
    """How many boundaries are not above each element."""
    boundaries, dtype = np.array(node.numbers("boundaries"), FLOAT), graph.full_precision(x)
    if dtype.kind != "f":
        raise UffException("'%s' is %s: cast it to float32 before" % (x.name, x.dtype))
    column = graph.intermediate(node, "column", "Unsqueeze", [
        graph.tensor(x, TENSORFLOW, dtype), graph.integers(node, "last", [-1])])
    passed = graph.intermediate(node, "passed", "GreaterOrEqual", [
        column, graph.constant(node.name + "/boundaries", boundaries.astype(dtype))])
    ones = graph.intermediate(node, "ones", "Cast", [passed], to=ONNX_OF_NUMPY[INT32])
    return graph.renamed(node, graph.reduced(node, "ReduceSum", ones, [-1], False), x.shape, INT32)


@operation("_Cumsum", inputs=2)
def cumulative_sum(graph, node, x, axis):
    axis, dtype = _axis(x, shapes.vector(axis, "axis")[0]), graph.full_precision(x)
    inputs = [graph.tensor(x, TENSORFLOW, dtype), graph.integers(node, "axis", axis)]
    return graph.emit(node, "CumSum", inputs, x.shape, dtype, exclusive=int(node.boolean("exclusive", False)),
                      reverse=int(node.boolean("reverse", False)))


@operation("_Range", inputs=3)
def range_(graph, node, start, limit, delta):
    dtype = graph.widest(start, limit, delta)
    none = graph.integers(node, "shape", [])
    scalars = [graph.intermediate(node, "scalar", "Reshape", [graph.tensor(value, dtype=dtype), none])
               for value in (start, limit, delta)]
    return graph.emit(node, "Range", scalars, (None,), dtype)


@operation("_Fill", inputs=2)
def fill(graph, node, dims, value):
    return _expanded(graph, node, value, dims)


@operation("_BroadcastTo", inputs=2)
def broadcast_to(graph, node, x, dims):
    return _expanded(graph, node, x, dims)


def _expanded(graph, node, x, dims):
    if dims.known is not None and dims.known.ndim == 1:
        shape = [int(size) if isinstance(size, np.integer) else size for size in dims.known.tolist()]
    else:
        count = shapes.open_rank(dims)
        shape = None if count is None else (None,) * count
    return graph.emit(node, "Expand", [graph.tensor(x, TENSORFLOW), long(graph, node, dims)], shape, x.dtype,
                      nonnegative=x.nonnegative)


@operation("_ZerosLike _OnesLike", inputs=1)
def like(graph, node, x):
    dtype = graph.full_precision(x)
    shape = graph.intermediate(node, "shape", "Shape", [graph.tensor(x)])
    value = graph.constant(node.name + "/value", np.array(node.operation == "_OnesLike", dtype))
    return graph.emit(node, "Expand", [value, shape], x.shape, dtype, x.layout, nonnegative=True)


@operation("_Rank", inputs=1)
def rank(graph, node, x):
    """Of a tensor whose rank is not known: what is known, shapes.fold has calculated."""
    shape = graph.intermediate(node, "shape", "Shape", [graph.tensor(x)])
    return graph.emit(node, "Cast", [graph.intermediate(node, "size", "Size", [shape])], (), INT32, to=ONNX_OF_NUMPY[INT32])


@operation("_Size", inputs=1)
def size(graph, node, x):
    dtype = node.dtype("out_type") if "out_type" in node.fields else INT32
    return graph.emit(node, "Cast", [graph.intermediate(node, "size", "Size", [graph.tensor(x)])], (), dtype,
                      to=ONNX_OF_NUMPY[dtype])
