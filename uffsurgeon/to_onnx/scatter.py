"""Scatters, distinct elements, products along an axis: what ONNX has in another form, or from a later opset on."""
import numpy as np

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import INT32, INT64, TENSORFLOW
from .indexing import long
from .nodes import operation

LONGEST = 512  # sizes of an axis up to which its products are written as a square of them


@operation("_ScatterNd", inputs=3)
def scatter(graph, node, indices, updates, dims):
    shape = tuple(dims.known.tolist()) if dims.known is not None and dims.known.ndim == 1 else None
    zero = graph.constant(node.name + "/zero", np.array(0, updates.dtype))
    zeros = graph.intermediate(node, "zeros", "Expand", [zero, long(graph, node, dims)])
    return _scattered(graph, node, zeros, indices, updates, shape, "add")


@operation("_TensorScatterUpdate _TensorScatterAdd _TensorScatterSub _TensorScatterMax _TensorScatterMin", inputs=3)
def scatter_into(graph, node, x, indices, updates):
    kind = node.operation[len("_TensorScatter"):].lower()
    return _scattered(graph, node, graph.tensor(x, TENSORFLOW, updates.dtype), indices, updates, x.shape, kind)


def _scattered(graph, node, tensor, indices, updates, shape, kind):
    """Elements of `tensor` replaced ("update"), or joined with all `updates` of the same place."""
    values = graph.tensor(updates, TENSORFLOW)
    if kind == "sub":
        values, kind = graph.intermediate(node, "minus", "Neg", [values]), "add"
    attributes = {} if kind == "update" else {"reduction": kind}
    first = {"update": 13, "add": 16}.get(kind, 18)
    if graph.opset < first:
        raise UffException("ONNX has this from opset %d on: convert with opset=%d, or --opset %d" % (first, first, first))
    inputs = [tensor, long(graph, node, indices), values]
    return graph.emit(node, "ScatterND", inputs, shape, updates.dtype, **attributes)


@operation("_Unique", inputs=1)
def unique(graph, node, x):
    """The distinct elements in the order in which they come first (output 0); where each element is among them (1)."""
    if x.dtype.kind == "i":
        tensor, dtype = long(graph, node, x), INT64
    else:
        dtype = graph.full_precision(x)
        tensor = graph.tensor(x, TENSORFLOW, dtype)
    values, _, places = graph.several(node, "Unique", [tensor], 3, sorted=0)
    if node.integer("output", 0) == 0:
        if dtype == x.dtype:
            return graph.renamed(node, values, (None,), dtype)
        return graph.emit(node, "Cast", [values], (None,), x.dtype, to=ONNX_OF_NUMPY[x.dtype])
    kind = node.dtype("out_idx") if "out_idx" in node.fields else INT32
    return graph.emit(node, "Cast", [places], x.shape, kind, to=ONNX_OF_NUMPY[kind])


@operation("_Cumprod", inputs=2)
def cumulative_product(graph, node, x, axis):
    """Each element is the product of a row of a square, in which ones stand for what is left out."""
    (axis,), dtype = shapes.vector(axis, "axis"), graph.full_precision(x)
    size = None if x.rank is None or not -x.rank <= axis < x.rank else x.shape[axis]
    if not isinstance(size, int) or size > LONGEST:
        raise UffException("'%s' has the shape %s: the size of axis %d must be known, and at most %d" % (
            x.name, x.shape, axis, LONGEST))
    axis %= x.rank
    graph.claim("the axis of %d elements" % size, size * size)
    rows, columns = np.indices((size, size))
    if node.boolean("reverse", False):
        rows, columns = -rows, -columns
    taken = columns < rows if node.boolean("exclusive", False) else columns <= rows
    square = graph.intermediate(node, "square", "Unsqueeze", [
        graph.tensor(x, TENSORFLOW, dtype), graph.integers(node, "axes", [axis])])
    factors = graph.intermediate(node, "factors", "Where", [
        graph.constant(node.name + "/taken", taken.reshape((size, size) + (1,) * (x.rank - axis - 1))), square,
        graph.constant(node.name + "/one", np.array(1, dtype))])
    return graph.renamed(node, graph.reduced(node, "ReduceProd", factors, [axis + 1], False), x.shape, dtype)
