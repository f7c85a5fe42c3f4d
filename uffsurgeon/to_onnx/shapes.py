"""Shapes that are known at export: of results, of TensorFlow's paddings, of slices and reshapes.

A size is an int, a str if it is known only at run time ("N" is the batch, "x_1" axis 1 of input x), or None if unknown.
A network may compute with its shapes: Shape, StridedSlice, Stack, Reshape. `fold` does that at export, where sizes such as
"N" travel in NumPy's object arrays, so that the Reshape gets a constant, which TensorRT needs.
"""
import numpy as np

from uffsurgeon.uff.schema import UffException

FULL = int(np.iinfo(np.int32).max)  # "to the end", for ONNX's Slice
WHOLE = (0, FULL, 1)
ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
              "div": np.floor_divide, "pow": np.power}
REDUCTIONS = {"sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "mean": None}


# Sizes


def broadcast(*shapes):
    """NumPy's broadcasting; None if one of the shapes is. Raises UffException when they do not fit."""
    if None in shapes:
        return None
    rank = max(len(shape) for shape in shapes)
    result = []
    for sizes in zip(*[(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]):
        large = [size for size in sizes if size != 1] or [1]
        fixed = {size for size in large if isinstance(size, int)}
        if len(fixed) > 1:
            raise UffException("the shapes %s cannot be broadcast" % " and ".join(str(list(shape)) for shape in shapes))
        result.append(fixed.pop() if fixed else large[0] if len(set(large)) == 1 else None)
    return tuple(result)


def replaced(shape, axes, size=None):
    """`shape` without `axes` (negative ones count from the end), or with `size` in their place; None if it is None."""
    if shape is None:
        return None
    axes = [axis % len(shape) for axis in axes]
    if size is None:
        return [have for axis, have in enumerate(shape) if axis not in axes]
    return [size if axis in axes else have for axis, have in enumerate(shape)]


def same_padding(size, kernel, stride, dilation):
    """TensorFlow's SAME padding as (before, after); None if it depends on a size that is not known.

    The output has ceil(size / stride) elements, and the odd one of the padding comes after (tf.nn.convolution).
    """
    reach = (kernel - 1) * dilation + 1
    if isinstance(size, int):
        missing = max((-(-size // stride) - 1) * stride + reach - size, 0)
    elif stride == 1:
        missing = reach - 1
    else:
        return None
    return missing // 2, missing - missing // 2


def window(size, kernel, stride, dilation, padding):
    """How many positions a window has in `size` with `padding` (before, after); None if not known."""
    if isinstance(size, int):
        return (size + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1
    same = stride == 1 and padding is not None and sum(padding) == (kernel - 1) * dilation
    return size if same else None


def vector(value, role):
    """The elements of an input of a node, an int vector that must be known at export, as a list.

    role: what the vector is to the node, for the error.
    """
    if value.numbers is None or value.known.ndim > 1:
        raise UffException("its %s '%s' must be a constant vector of integers" % (role, value.name))
    return [int(element) for element in value.known.reshape(-1)]


def slices(node, begin, end, strides):
    """A StridedSlice node's slices of the leading axes: ([(start, stop, step)], axes to remove)."""
    begin, end, strides = vector(begin, "begin"), vector(end, "end"), vector(strides, "strides")
    begin_mask, end_mask, shrink_mask = [node.integer(key + "_mask", 0) for key in ("begin", "end", "shrink_axis")]
    if not len(begin) == len(end) == len(strides):
        raise UffException("begin, end and strides have %d, %d and %d elements" % (len(begin), len(end), len(strides)))
    parts, shrink = [], [axis for axis in range(len(begin)) if shrink_mask >> axis & 1]
    for axis, (start, stop, step) in enumerate(zip(begin, end, strides)):
        if step == 0:
            raise UffException("the stride along axis %d is 0" % axis)
        if axis in shrink:
            stop, step = start + 1 if start != -1 else FULL, 1
        else:
            start = start if not begin_mask >> axis & 1 else 0 if step > 0 else FULL
            stop = stop if not end_mask >> axis & 1 else FULL if step > 0 else -FULL
        parts.append((start, stop, step))
    return parts, shrink


def _slice(start, stop, step):
    return slice(start, None if stop == -FULL else stop, step)


def sliced(size, start, stop, step):
    """Size of an axis after one of `slices`."""
    if isinstance(size, int):
        return len(range(*_slice(start, stop, step).indices(size)))
    return size if (start, stop, step) == WHOLE else None


def reshaped(shape, target):
    """The result of a Reshape of `shape` to `target` (ints, at most one -1, sizes known only at run time).

    Returns (new shape, constant for ONNX's Reshape: -1 for the one size that is open, 0 for a size that is copied from the
    same axis). The constant is None where that is not enough. Raises UffException for two -1 and for another volume.
    """
    if target.count(-1) > 1:
        raise UffException("the shape %s has %d wildcards -1, and only one can be inferred" % (target, target.count(-1)))
    if 0 in target:
        raise UffException("the shape %s is that of an empty tensor" % target)
    target = target if shape is None else _infer_wildcard(shape, target)
    constant = list(target)
    if sum(not _fixed(size) for size in target) > 1:
        for axis, size in enumerate(target):
            if isinstance(size, str) and axis < len(shape or ()) and shape[axis] == size:
                constant[axis] = 0
    new = tuple(None if size == -1 else size for size in target)
    if sum(not _fixed(size) for size in constant) > 1:
        return new, None
    return new, [size if isinstance(size, int) else -1 for size in constant]


def _fixed(size):
    return isinstance(size, int) and size != -1


def _infer_wildcard(shape, target):
    """`target` with -1 replaced by what follows for it from `shape`, if that does."""
    have = [size for size in shape if not _fixed(size)]
    want = [size for size in target if not _fixed(size) and size != -1]
    volume = int(np.prod([size for size in shape if _fixed(size)], dtype=np.int64))
    rest = int(np.prod([size for size in target if _fixed(size)], dtype=np.int64))
    for size in list(want):
        if size is not None and size in have:
            have.remove(size)
            want.remove(size)
    if want or None in have:
        return target
    if have:
        follows = len(have) == 1 and volume == rest
        return [have[0] if size == -1 and follows else size for size in target]
    if rest == 0 or volume % rest or -1 not in target and volume != rest:
        raise UffException("a reshape from %s to %s changes the number of elements" % (list(shape), target))
    return [volume // rest if size == -1 else size for size in target]


# Folding


def fold(node, values):
    """The result of a calculation with small integer tensors, as `Value.known` has it; None if it is not known at export."""
    if node.operation == "Shape" and values[0].shape is not None and None not in values[0].shape:
        return _as_known(values[0].shape)
    if node.operation not in FOLDS or any(value.known is None for value in values):
        return None
    try:
        result = FOLDS[node.operation](node, *values)
    except (ValueError, IndexError) as error:  # NumPy's, for an axis or a shape that does not fit
        raise UffException(str(error)) from None
    return None if result is None else _as_known(result)


def _as_known(sizes):
    array = np.array(sizes, object)
    return array if any(isinstance(size, str) for size in array.reshape(-1)) else array.astype(np.int64)


def _strided_slice(node, x, begin, end, strides):
    parts, shrink = slices(node, begin, end, strides)
    array = x.known[tuple(_slice(*part) for part in parts)]
    return array.reshape([size for axis, size in enumerate(array.shape) if axis not in shrink])


def _gather(node, x, indices):
    return None if indices.numbers is None else np.take(x.known, indices.numbers, node.integer("axis", 0))


def _reduce(node, x):
    function, axes = node.choice("func", REDUCTIONS), tuple(node.integers("axes", default=[]))
    if function is None or not axes or x.numbers is None:
        return None
    return function(x.numbers, axes, keepdims=node.boolean("keepdims", False))


def _binary(node, a, b):
    function, a, b = node.choice("func", ARITHMETIC), a.numbers, b.numbers
    if a is None or b is None or function is np.floor_divide and min(a.min(), b.min() - 1) < 0:
        return None  # TensorFlow's division rounds towards zero, NumPy's does not
    return function(a, b)


# UFF operation -> function(node, *values) -> array, or None; every value is `known`
FOLDS = {
    "Stack": lambda node, *values: np.stack([value.known for value in values], node.integer("axis")),
    "Concat": lambda node, *values: np.concatenate([value.known for value in values], node.integer("axis")),
    "ExpandDims": lambda node, x: np.expand_dims(x.known, node.integer("axis")),
    "StridedSlice": _strided_slice, "Gather": _gather, "GatherV2": _gather, "Reduce": _reduce, "Binary": _binary}
