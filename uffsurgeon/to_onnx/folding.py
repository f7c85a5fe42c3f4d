"""Small calculations with integers, done at export: the shape for a Reshape, the bounds of a slice.

TensorRT wants these as constants. Elements may be run-time sizes such as "N" (see `shapes`), which
pass through slices and joins, but not through arithmetic.
"""
import numpy as np

from uffsurgeon.uff.schema import UffException

from . import shapes
from .axes import slice_parts
from .fields import choice, integer, integers, read

ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum,
              "max": np.maximum, "div": np.floor_divide, "pow": np.power}
SUMS = {"sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "mean": None}


def fold(g, node, values):
    """What `node` gives, as an array of int or (with "N" among them) object; None if not known."""
    if node.operation == "Shape" and values[0].shape is not None and None not in values[0].shape:
        return _settled(np.array(values[0].shape, object))
    if not values or any(value.known is None for value in values):
        return None
    try:
        result = _result(g, node, values, [value.known for value in values])
    except UffException:
        raise
    except (ValueError, IndexError) as error:  # NumPy's, for an axis or a shape that does not fit
        raise UffException("node '%s' (%s): %s" % (node.id, node.operation, error)) from None
    return None if result is None else _settled(np.asarray(result))


def _settled(array):
    sized = array.dtype == object and any(isinstance(each, str) for each in array.reshape(-1))
    return array if sized else array.astype(np.int64)


def _result(g, node, values, arrays):
    kind, numbers = node.operation, all(array.dtype != object for array in arrays)
    if kind == "StridedSlice":
        return shapes.take(arrays[0], *slice_parts(g, node, *values[1:]))
    if kind == "Stack":
        return np.stack(arrays, integer(g, node, "axis"))
    if kind == "Concat":
        return np.concatenate(arrays, integer(g, node, "axis"))
    if kind == "ExpandDims":
        return np.expand_dims(arrays[0], integer(g, node, "axis"))
    if kind == "Squeeze":
        return np.squeeze(arrays[0], tuple(integers(g, node, "axes", default=[])) or None)
    if kind in ("Gather", "GatherV2") and arrays[1].dtype != object:
        return np.take(arrays[0], arrays[1], integer(g, node, "axis", 0))
    if kind == "Reduce" and numbers:
        function = choice(g, node, "func", SUMS)
        axes = tuple(integers(g, node, "axes", default=[]))
        if function and axes:
            return function(arrays[0], axes, keepdims=read(g, node, "keepdims", (bool,), False))
    if kind == "Binary" and numbers:
        function = choice(g, node, "func", ARITHMETIC)
        if function is np.floor_divide and min(arrays[0].min(), arrays[1].min() - 1) < 0:
            return None  # TensorFlow rounds towards zero
        return function(*arrays)
    return None
