"""Images of another size: resizing, blocks of pixels as channels, borders that repeat the image."""
import re

import numpy as np

from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import FLOAT, INT64, TENSORFLOW
from .images import image
from .indexing import long
from .nodes import operation

TABLE = 1024  # steps in which TensorFlow's bicubic resizing knows its weights


@operation("_ResizeBilinear _ResizeNearestNeighbor _ResizeBicubic _ResizeArea", inputs=2)
def resize(graph, node, x, size):
    align, half = node.boolean("align_corners", False), node.boolean("half_pixel_centers", False)
    images, nearest = image(x, "NHWC"), node.operation == "_ResizeNearestNeighbor"
    wanted = shapes.vector(size, "size") if size.numbers is not None else [None, None]
    if len(wanted) != 2:
        raise UffException("the size '%s' is %s, not [height, width]" % (size.name, wanted))
    known = all(isinstance(each, int) for each in list(images.space) + wanted)
    if node.operation in ("_ResizeBicubic", "_ResizeArea"):
        if not known:
            raise UffException("height and width of '%s' and the size must be known" % x.name)
        for have, want in zip(images.space, wanted):
            graph.claim("a resize from %d to %d pixels" % (have, want), have * want + 512 * (have + want))
        return _by_matrices(graph, node, x, images, wanted, [
            _area(have, want, align) if node.operation == "_ResizeArea" else _bicubic(have, want, align, half)
            for have, want in zip(images.space, wanted)])
    if nearest and known:
        for want in wanted:
            graph.claim("the size %d" % want, 4 * want)
        pairs = [(have, want, _nearest(have, want, align, half)) for have, want in zip(images.space, wanted)]
        if any((indices != _exact(have, want, align, half)).any() for have, want, indices in pairs):
            # TensorFlow multiplies by a rounded scale, and so takes the pixel before the right one here and there.
            tensor = graph.tensor(x, images.layout)
            for axis, (_, _, indices) in enumerate(pairs, 2):
                tensor = graph.intermediate(node, "rows", "Gather", [
                    tensor, graph.integers(node, "indices", indices)], axis=axis)
            return graph.renamed(node, tensor, images.shape(wanted, images.channels), x.dtype, images.layout, x.nonnegative)
    dtype = x.dtype if nearest and x.dtype.kind != "f" else graph.full_precision(x)
    if not nearest and x.dtype.kind != "f":
        raise UffException("'%s' is %s: cast it to float32 before it is resized" % (x.name, x.dtype))
    tensor = graph.tensor(x, images.layout, dtype)
    if known and all(isinstance(each, int) for each in (images.batch, images.channels)):
        sizes = graph.integers(node, "sizes", [images.batch, images.channels] + wanted)
    else:
        first = graph.intermediate(node, "first", "Slice", [
            graph.intermediate(node, "shape", "Shape", [tensor]), graph.integers(node, "starts", [0]),
            graph.integers(node, "ends", [2])])
        sizes = graph.intermediate(node, "sizes", "Concat", [first, long(graph, node, size)], axis=0)
    attributes = {"mode": "nearest" if nearest else "linear",
                  "coordinate_transformation_mode": "align_corners" if align else "half_pixel" if half else "asymmetric"}
    if nearest:
        attributes["nearest_mode"] = "round_prefer_ceil" if align or half else "floor"
    return graph.emit(node, "Resize", [tensor, "", "", sizes], images.shape(wanted, images.channels), dtype, images.layout,
                      x.nonnegative, **attributes)


def _scale(have, want, align):
    return np.float32(have - 1) / np.float32(want - 1) if align and want > 1 else np.float32(have) / np.float32(want)


def _nearest(have, want, align, half):
    """The pixel that TensorFlow takes for each of `want`, in its float32 arithmetic."""
    at = (np.arange(want, dtype=np.float32) + np.float32(0.5 if half else 0)) * _scale(have, want, align)
    at = np.floor(at + np.float32(0.5)) if align else np.floor(at)
    return np.clip(at, 0, have - 1).astype(INT64)


def _exact(have, want, align, half):
    """The same in integers, which rounding does not touch."""
    at = np.arange(want, dtype=INT64)
    if align and want > 1:
        return np.clip((2 * at * (have - 1) + want - 1) // (2 * (want - 1)), 0, have - 1)
    return np.clip((2 * at + 1) * have // (2 * want) if half else at * have // want, 0, have - 1)


def _bicubic(have, want, align, half):
    """The weights of TensorFlow's bicubic resizing, [want, have]: from a table, which ONNX's Resize does not have."""
    a = -0.5 if half else -0.75
    near, far = np.arange(TABLE + 1) / TABLE, np.arange(TABLE + 1) / TABLE + 1
    table = np.stack([((a + 2) * near - (a + 3)) * near * near + 1, ((a * far - 5 * a) * far + 8 * a) * far - 4 * a], 1)
    matrix, scale = np.zeros((want, have)), _scale(have, want, align)
    for row in range(want):
        at = (np.float32(row) + np.float32(0.5)) * scale - np.float32(0.5) if half else np.float32(row) * scale
        start = int(np.floor(at))
        step = int(np.rint(np.float32(at - start) * TABLE))
        weights = [table[step, 1], table[step, 0], table[TABLE - step, 0], table[TABLE - step, 1]]
        columns = np.arange(start - 1, start + 3)
        if half:  # only pixels of the image count
            weights = np.where((columns >= 0) & (columns < have), weights, 0)
            weights = weights / weights.sum() if abs(weights.sum()) >= 1000 * np.finfo(FLOAT).tiny else weights
        for column, weight in zip(np.clip(columns, 0, have - 1), weights):
            matrix[row, column] += weight
    return matrix.astype(FLOAT)


def _area(have, want, align):
    """The weights of the mean over what each of `want` pixels covers, [want, have]."""
    matrix, scale = np.zeros((want, have)), _scale(have, want, align)
    for row in range(want):
        start, end = np.float32(row) * scale, np.float32(row + 1) * scale
        for column in range(int(np.floor(start)), int(np.ceil(end))):
            matrix[row, min(column, have - 1)] += (min(column + 1, end) - max(column, start)) / scale
    return matrix.astype(FLOAT)


def _by_matrices(graph, node, x, images, wanted, matrices):
    """rows x image x columns, for each channel."""
    rows, columns = matrices
    if x.dtype.kind != "f":
        raise UffException("'%s' is %s: cast it to float32 before it is resized" % (x.name, x.dtype))
    tensor = graph.intermediate(node, "rows", "MatMul", [
        graph.constant(node.name + "/rows", rows), graph.tensor(x, images.layout, FLOAT)])
    return graph.emit(node, "MatMul", [tensor, graph.constant(node.name + "/columns", np.ascontiguousarray(columns.T))],
                      images.shape(wanted, images.channels), FLOAT, images.layout)


@operation("_SpaceToDepth _DepthToSpace", inputs=1)
def blocks(graph, node, x):
    block, data_format = node.integer("block_size"), node.string("data_format", "NHWC")
    if data_format not in ("NHWC", "NCHW"):
        raise UffException("data_format is %s, not NHWC or NCHW" % data_format)
    images, deeper = image(x, data_format), node.operation == "_SpaceToDepth"
    channels = images.channels
    if isinstance(channels, int):
        if not deeper and channels % (block * block):
            raise UffException("'%s' has %d channels, not a multiple of %d" % (x.name, channels, block * block))
        channels = channels * block * block if deeper else channels // (block * block)
    if deeper and any(isinstance(size, int) and size % block for size in images.space):
        raise UffException("'%s' has %s pixels, not multiples of %d" % (x.name, list(images.space), block))
    space = [(size // block if deeper else size * block) if isinstance(size, int) else None for size in images.space]
    tensor, shape = graph.tensor(x, images.layout, graph.full_precision(x)), images.shape(space, channels)
    return graph.emit(node, node.operation[1:], [tensor], shape, graph.full_precision(x), images.layout, x.nonnegative,
                      blocksize=block)


@operation("_SpaceToBatchND", inputs=3)
def space_to_batch(graph, node, x, block, paddings):
    block, pads = shapes.vector(block, "block"), paddings.numbers
    if x.rank is None or pads is None or pads.shape != (len(block), 2) or x.rank < 1 + len(block):
        raise UffException("'%s' has the shape %s, the blocks are %s" % (x.name, x.shape, block))
    tail = list(x.shape[1 + len(block):])
    sizes = [size + int(sum(pad)) if isinstance(size, int) else None for size, pad in zip(x.shape[1:], pads)]
    if not all(isinstance(size, int) for size in tail + sizes) or any(size % step for size, step in zip(sizes, block)):
        raise UffException("the sizes behind the batch must be known and multiples of the blocks %s: %s" % (block, x.shape))
    tensor, count = graph.tensor(x, TENSORFLOW), len(block)
    if pads.any():
        before_after = np.zeros((2, x.rank), INT64)
        before_after[:, 1:1 + count] = pads.T
        tensor = graph.intermediate(node, "padded", "Pad", [tensor, graph.integers(node, "pads", before_after.reshape(-1))])
    split = [part for size, step in zip(sizes, block) for part in (size // step, step)]
    perm = [2 + 2 * i for i in range(count)] + [0] + [1 + 2 * i for i in range(count)]
    perm += range(len(perm), len(perm) + len(tail))
    space = [size // step for size, step in zip(sizes, block)]
    return _regrouped(graph, node, x, tensor, [-1] + split + tail, perm, space + tail, int(np.prod(block)), 1)


@operation("_BatchToSpaceND", inputs=3)
def batch_to_space(graph, node, x, block, crops):
    block, crop = shapes.vector(block, "block"), crops.numbers
    if x.rank is None or crop is None or crop.shape != (len(block), 2) or x.rank < 1 + len(block):
        raise UffException("'%s' has the shape %s, the blocks are %s" % (x.name, x.shape, block))
    count = len(block)
    sizes, tail = list(x.shape[1:1 + count]), list(x.shape[1 + count:])
    if not all(isinstance(size, int) for size in sizes + tail):
        raise UffException("the sizes behind the batch must be known: %s" % (x.shape,))
    perm = [count] + [axis for i in range(count) for axis in (count + 1 + i, i)]
    perm += range(len(perm), len(perm) + len(tail))
    space = [size * step for size, step in zip(sizes, block)]
    value = _regrouped(graph, node, x, graph.tensor(x, TENSORFLOW), block + [-1] + sizes + tail, perm, space + tail, 1,
                       int(np.prod(block)), last=not crop.any())
    if not crop.any():
        return value
    ends = [size - int(after) for size, after in zip(space, crop[:, 1])]
    inputs = [value] + [graph.integers(node, name, vector) for name, vector in (
        ("starts", crop[:, 0]), ("ends", ends), ("axes", range(1, count + 1)))]
    shape = [None] + [end - int(start) for end, start in zip(ends, crop[:, 0])] + tail
    return graph.emit(node, "Slice", inputs, _batch(x, 1, int(np.prod(block))) + tuple(shape[1:]), x.dtype)


def _batch(x, times, parts):
    """(the first size of `x`, `times` as large or a fraction of that,)."""
    if parts == 1 or isinstance(x.shape[0], int):
        return (shapes.linear(x.shape[0], times) if parts == 1 else x.shape[0] // parts,)
    whole = [size for size in (re.sub(r"\*%d$" % parts, "", x.shape[0] or ""),) if shapes.linear(size, parts) == x.shape[0]]
    return (whole[0] if whole and whole[0] else None,)


def _regrouped(graph, node, x, tensor, split, perm, sizes, times, parts, last=True):
    """Reshape, Transpose, Reshape to [-1] + sizes: a Value, or the tensor's name if that is not `last`."""
    tensor = graph.intermediate(node, "split", "Reshape", [tensor, graph.integers(node, "split_shape", split)])
    tensor = graph.intermediate(node, "moved", "Transpose", [tensor], perm=perm)
    inputs = [tensor, graph.integers(node, "shape", [-1] + sizes)]
    if not last:
        return graph.intermediate(node, "joined", "Reshape", inputs)
    return graph.emit(node, "Reshape", inputs, _batch(x, times, parts) + tuple(sizes), x.dtype)


@operation("_MirrorPad", inputs=2)
def mirror_pad(graph, node, x, paddings):
    amounts, mode = paddings.numbers, node.string("mode")
    if amounts is None or amounts.ndim != 2 or amounts.shape[1] != 2 or mode not in ("REFLECT", "SYMMETRIC"):
        raise UffException("the paddings '%s' must be a constant [axes, 2], the mode REFLECT or SYMMETRIC, not %s" % (
            paddings.name, mode))
    located, wanted, layout = x.locate(range(len(amounts)))
    shape, tensor = x.shape, graph.tensor(x, wanted)
    if shape is not None:
        skip = int(mode == "REFLECT")
        if any(isinstance(size, int) and max(pair) > size - skip for size, pair in zip(shape, amounts)):
            raise UffException("the paddings %s are too large for '%s' of shape %s" % (amounts.tolist(), x.name, shape))
        shape = [size if not more else size + int(more) if isinstance(size, int) else None
                 for size, more in zip(shape, amounts.sum(1))]
    if mode == "REFLECT":
        pads = np.zeros((2, len(amounts)), INT64)
        pads[:, located] = amounts.T
        inputs = [tensor, graph.integers(node, "pads", pads.reshape(-1))]
        return graph.emit(node, "Pad", inputs, shape, x.dtype, layout, x.nonnegative, mode="reflect")
    for axis, (before, after) in zip(located, amounts.tolist()):
        # The border in reverse order, its own pixels included.
        borders = [[graph.intermediate(node, "border", "Slice", [tensor] + [
            graph.integers(node, "bounds", [number]) for number in (start, stop, axis, -1)])] if amount else []
            for amount, start, stop in ((before, before - 1, -shapes.FULL), (after, -1, -1 - after))]
        if before or after:
            tensor = graph.intermediate(node, "mirrored", "Concat", borders[0] + [tensor] + borders[1], axis=axis)
    return graph.renamed(node, tensor, shape, x.dtype, layout, x.nonnegative)
