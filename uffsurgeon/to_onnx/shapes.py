"""Sizes that export can know: of tensors, of TensorFlow's paddings, of slices and reshapes.

A size is an int, a str where only run time knows it ("N" is the batch, "x_1" axis 1 of input x), or
None. Such sizes go through Shape, StridedSlice and Stack in NumPy's object arrays (see `folding`),
so that the Reshape behind them gets a constant.
"""
import numpy as np

from uffsurgeon.uff.schema import UffException

FULL = int(np.iinfo(np.int32).max)  # "to the end", for ONNX's Slice
WHOLE = (0, FULL, 1)


def broadcast(*shapes):
    """NumPy's broadcasting; None if one of the shapes is. UffException when they do not fit."""
    if None in shapes:
        return None
    rank = max(len(shape) for shape in shapes)
    result = []
    for each in zip(*[(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]):
        large = [size for size in each if size != 1] or [1]
        fixed = {size for size in large if isinstance(size, int)}
        if len(fixed) > 1:
            raise UffException("shapes %s do not fit together" % (
                " and ".join(str(list(shape)) for shape in shapes)))
        result.append(fixed.pop() if fixed else large[0] if len(set(large)) == 1 else None)
    return tuple(result)


def same_padding(size, kernel, stride, dilation):
    """TensorFlow's SAME as (before, after); None if it depends on a size that is not known.

    The output is ceil(size / stride) long. What is missing for that is padded, the odd one behind
    (documentation of tf.nn.convolution).
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
    """How often a window fits into `size` with `padding` (before, after); None if not known."""
    if isinstance(size, int):
        return (size + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1
    same = stride == 1 and padding is not None and sum(padding) == (kernel - 1) * dilation
    return size if same else None


def slices(begin, end, strides, begin_mask, end_mask, shrink_mask):
    """TensorFlow's strided slice of the leading axes, as ([(start, stop, step)], axes to remove)."""
    if not len(begin) == len(end) == len(strides):
        raise UffException("begin, end and strides have %d, %d and %d elements" % (
            len(begin), len(end), len(strides)))
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


def take(array, parts, shrink):
    """`slices` applied to a NumPy array. ValueError where nothing is left of an axis to remove."""
    array = array[tuple(_slice(*part) for part in parts)]
    return array.reshape([size for axis, size in enumerate(array.shape) if axis not in shrink])


def reshaped(shape, target):
    """What a reshape to `target` (ints, at most one -1, run-time sizes) makes of `shape`.

    Returns the new shape and the constant that says it to ONNX: -1 for an entry that stays open, 0
    for one copied from the same axis; None if that is not enough. UffException for two -1, or when
    the two differ in volume.
    """
    if target.count(-1) > 1:
        raise UffException("the shape %s has %d wildcards -1, and no more than one can be worked out"
                           % (target, target.count(-1)))
    if 0 in target:
        raise UffException("the shape %s is that of an empty tensor" % target)
    target = target if shape is None else _wildcard(shape, target)
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


def _wildcard(shape, target):
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
        raise UffException("a reshape from %s to %s changes the volume" % (list(shape), target))
    return [volume // rest if size == -1 else size for size in target]
