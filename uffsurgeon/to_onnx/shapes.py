"""Shapes that are known at export: of results, of TensorFlow's paddings, of slices and reshapes.

A size is an int, a str if it is known only at run time ("N" is the batch, "x_1" axis 1 of input x, "N*3" three times the
batch, "x_1*2+1"), or None if unknown. A network may compute with its shapes: Shape, StridedSlice, Stack, Reshape. `fold` does
that at export, where sizes such as "N" travel in NumPy's object arrays, so that the Reshape gets a constant, which TensorRT
needs.
"""
import re

import numpy as np

from uffsurgeon.uff.schema import UffException

FULL = int(np.iinfo(np.int32).max)  # "to the end", for ONNX's Slice
WHOLE = (0, FULL, 1)
LARGEST = 1024  # elements up to which an integer tensor is calculated with at export
ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
              "div": np.floor_divide, "pow": np.power}
REDUCTIONS = {"sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "mean": None}


# Sizes


def linear(size, times=1, plus=0):
    """`size` * times + plus, of a size of any kind.

        >>> linear("N", 3), linear("x_1*2", 2, 1), linear(4, 2, -1), linear(None, 2)
        ('N*3', 'x_1*4+1', 7, None)
    """
    if size is None or isinstance(size, (int, np.integer)):
        return None if size is None else int(size) * times + plus
    name, factor, rest = re.match(r"(.*?)(?:\*(\d+))?([+-]\d+)?$", size, re.DOTALL).groups()
    factor, rest = int(factor or 1) * times, int(rest or 0) * times + plus
    if factor <= 0:
        return rest if factor == 0 else None
    return name + ("*%d" % factor if factor > 1 else "") + ("%+d" % rest if rest else "")


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
    if reach == 1:
        missing = 0
    elif isinstance(size, int):
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


def open_rank(target):
    """How many axes a tensor has whose shape is the Value `target`; None if that is not known. UffException for too many."""
    count = target.shape[0] if target.rank == 1 else None
    if isinstance(count, int) and count > 64:
        raise UffException("the shape '%s' has %d elements, and a tensor has at most 64 axes" % (target.name, count))
    return count if isinstance(count, int) else None


def vector(value, role):
    """The elements of an input of a node, an int vector that must be known at export, as a list.

    role: what the vector is to the node, for the error.
    """
    if value.numbers is None or value.known.ndim > 1:
        raise UffException("its %s '%s' must be a constant vector of integers" % (role, value.name))
    return [int(element) for element in value.known.reshape(-1)]


def inserted(shape, axes):
    """`shape` with axes of size 1, which are `axes` of the result."""
    result = list(shape)
    for axis in sorted(axes):
        result.insert(axis, 1)
    return result


def slices(node, begin, end, strides, rank):
    """A StridedSlice node's slices of the leading axes.

    rank: of what is sliced; needed for an ellipsis.
    Returns ([(start, stop, step)], the axes to remove, the axes of size 1 to insert, as they are numbered in the result).
    """
    begin, end, strides = vector(begin, "begin"), vector(end, "end"), vector(strides, "strides")
    begin_mask, end_mask, shrink_mask, ellipsis_mask, new_mask = [
        node.integer(key + "_mask", 0) for key in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")]
    if not len(begin) == len(end) == len(strides):
        raise UffException("begin, end and strides have %d, %d and %d elements" % (len(begin), len(end), len(strides)))
    parts, shrink, new, place = [], [], [], 0  # place: the next axis of the result
    for index, (start, stop, step) in enumerate(zip(begin, end, strides)):
        if ellipsis_mask >> index & 1:
            if rank is None:
                raise UffException("has an ellipsis, and the rank of its input is not known")
            later = [later for later in range(index + 1, len(begin)) if not new_mask >> later & 1]
            skipped = max(rank - len(parts) - len(later), 0)
            parts += [WHOLE] * skipped
            place += skipped
        elif new_mask >> index & 1:
            new.append(place)
            place += 1
        elif step == 0:
            raise UffException("the stride along axis %d is 0" % len(parts))
        elif shrink_mask >> index & 1:
            shrink.append(len(parts))
            parts.append((start, start + 1 if start != -1 else FULL, 1))
        else:
            parts.append((start if not begin_mask >> index & 1 else 0 if step > 0 else FULL,
                          stop if not end_mask >> index & 1 else FULL if step > 0 else -FULL, step))
            place += 1
    return parts, shrink, new


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
        follows = len(have) == 1 and rest > 0 and volume % rest == 0
        return [linear(have[0], volume // rest) if size == -1 and follows else size for size in target]
    if rest == 0 or volume % rest or -1 not in target and volume != rest:
        raise UffException("a reshape from %s to %s changes the number of elements" % (list(shape), target))
    return [volume // rest if size == -1 else size for size in target]


# Folding


def fold(node, values):
    """The result of a calculation with small integer tensors, as `Value.known` has it; None if it is not known at export."""
    shape = values[0].shape if values else None
    if node.operation == "Shape" and shape is not None:
        return _as_known(shape)
    if node.operation == "_Rank" and shape is not None:
        return np.array(len(shape), np.int64)
    if node.operation == "_Size" and shape is not None and all(isinstance(size, int) for size in shape):
        return np.array(np.prod(shape, dtype=np.int64), np.int64)
    if any(value.known is not None and value.known.size > LARGEST for value in values):
        return None
    if node.operation in ("Stack", "Concat"):
        arrays = [_parts(value) for value in values]
        if any(array is None for array in arrays) or all(value.known is None for value in values):
            return None
    elif node.operation not in FOLDS or any(value.known is None for value in values):
        return None
    else:
        arrays = [value.known for value in values]
    try:
        if _elements(node.operation, arrays) > 16 * LARGEST:
            return None
        if node.operation in ("Stack", "Concat"):
            result = (np.stack if node.operation == "Stack" else np.concatenate)(arrays, node.integer("axis"))
        else:
            result = FOLDS[node.operation](node, *values)
    except (ValueError, IndexError, OverflowError) as error:  # NumPy's, for an axis or a shape that does not fit
        raise UffException(str(error)) from None
    return None if result is None else _as_known(result)


def _elements(operation, arrays):
    """The number of elements that a calculation gives, or a larger one, before it is made."""
    sizes = [array.size for array in arrays]
    if operation in ("Binary", "_FloorDiv", "_FloorMod"):
        return np.prod(np.broadcast(*arrays).shape, dtype=float)
    if operation in ("Gather", "GatherV2"):
        return float(sizes[0]) * sizes[1]
    return sum(sizes)


def _as_known(sizes):
    array = np.array(sizes, object)
    numbers = all(isinstance(size, (int, np.integer)) for size in array.reshape(-1))
    return array.astype(np.int64) if numbers else array


def _parts(value):
    """`known`, or as many unknown sizes as an integer vector has elements; else None."""
    if value.known is not None or value.dtype.kind != "i" or value.rank not in (0, 1):
        return value.known
    return np.full(value.shape, None, object) if all(isinstance(size, int) and size < 64 for size in value.shape) else None


def _strided_slice(node, x, begin, end, strides):
    if begin.numbers is None or end.numbers is None or strides.numbers is None:
        return None
    parts, shrink, new = slices(node, begin, end, strides, x.known.ndim)
    array = x.known[tuple(_slice(*part) for part in parts)]
    return array.reshape(inserted([size for axis, size in enumerate(array.shape) if axis not in shrink], new))


def _gather(node, x, indices):
    return None if indices.numbers is None else np.take(x.known, indices.numbers, node.integer("axis", 0))


def _reduce(node, x):
    function, axes = node.choice("func", REDUCTIONS), tuple(node.integers("axes", default=[]))
    if function is None or not axes or x.numbers is None:
        return None
    return function(x.numbers, axes, keepdims=node.boolean("keepdims", False))


def _cut(node, x, begin, size):
    if begin.numbers is None or size.numbers is None:
        return None
    return x.known[tuple(slice(start, None if count == -1 else start + count)
                         for start, count in zip(begin.numbers.tolist(), size.numbers.tolist()))]


def _range(node, start, limit, delta):
    bounds = [value.numbers for value in (start, limit, delta)]
    if any(value is None or value.size != 1 for value in bounds):
        return None
    start, limit, delta = [int(value.reshape(-1)[0]) for value in bounds]
    return np.arange(start, limit, delta) if delta and abs(limit - start) <= 4096 * abs(delta) else None


def _numbers(function):
    def compute(node, *values):
        arrays = [value.numbers for value in values]
        return None if any(array is None for array in arrays) else function(*arrays)
    return compute


def _broadcasts(node, *values):
    return None if any(value.known.ndim != 1 for value in values) else broadcast(
        *[tuple(value.known.tolist()) for value in values])


def _fill(node, dims, value):
    if dims.numbers is None or dims.numbers.ndim != 1 or np.prod(dims.numbers, dtype=float) > 64:
        return None
    return np.full(dims.numbers, value.known.item(), value.known.dtype)


def _binary(node, a, b):
    function, symbols = node.choice("func", ARITHMETIC), [value.known for value in (a, b)]
    a, b = a.numbers, b.numbers
    if (a is None) != (b is None):
        array, number = symbols if a is None else symbols[::-1]
        if number.size == 1 and (function in (np.add, np.multiply) or function == np.subtract and a is None):
            number = int(number.reshape(-1)[0])
            change = (number, 0) if function == np.multiply else (1, number if function == np.add else -number)
            sizes = [linear(size, *change) for size in array.reshape(-1)]
            return np.array(sizes, object).reshape(array.shape)
    if a is None or b is None or function is np.floor_divide and min(a.min(), b.min() - 1) < 0:
        return None  # TensorFlow's division rounds towards zero, NumPy's does not
    return function(a, b)


# UFF operation -> function(node, *values) -> array, or None; every value is `known`
FOLDS = {
    "Identity": lambda node, x: x.known,
    "ExpandDims": lambda node, x: np.expand_dims(x.known, node.integer("axis")),
    "Squeeze": lambda node, x: np.squeeze(x.known, tuple(node.integers("axes", default=[])) or None),
    "Reshape": lambda node, x, shape: None if shape.numbers is None else x.known.reshape(shape.numbers),
    "StridedSlice": _strided_slice, "_StridedSlice": _strided_slice, "_Slice": _cut,
    "_Unpack": lambda node, x: np.take(x.known, node.integer("output", 0), node.integer("axis", 0)),
    "Gather": _gather, "GatherV2": _gather, "Reduce": _reduce, "Binary": _binary, "_Range": _range, "_Fill": _fill,
    "_Cast": lambda node, x: x.known if node.dtype("DstT").kind == "i" else None,
    "_FloorDiv": _numbers(lambda a, b: None if (b == 0).any() else a // b),
    "_FloorMod": _numbers(lambda a, b: None if (b == 0).any() else a % b), "_BroadcastArgs": _broadcasts}


def dtype(node, values):
    """The dtype of what `fold` gives."""
    if node.operation in ("Shape", "_Rank", "_Size"):
        key = "out_type" if node.operation == "_Size" else "output_type"
        return node.dtype(key) if key in node.fields else np.dtype("<i4")
    if node.operation == "_Cast":
        return node.dtype("DstT")
    return values[1 if node.operation == "_Fill" else 0].dtype
