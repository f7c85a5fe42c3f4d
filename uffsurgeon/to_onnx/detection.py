"""What detectors of objects compute around their convolutions: patches and crops of images, the best of overlapping boxes."""
import numpy as np

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from . import shapes, volumes
from .graph import FLOAT, INT32, INT64, NCHW, TENSORFLOW
from .images import image
from .indexing import long
from .nodes import operation


@operation("_ExtractImagePatches", inputs=1)
def patches(graph, node, x):
    """A convolution whose weights are 0 and 1: channel (row, column, channel) of the result is that pixel of the patch."""
    images, window = image(x, "NHWC"), node.integers("ksizes", 4)[1:3]
    strides, rates = [node.integers(key, 4)[1:3] for key in ("strides", "rates")]
    if not isinstance(images.channels, int) or x.dtype.kind != "f":
        raise UffException("the number of channels of '%s' must be known, and its values floating point" % x.name)
    attributes, space = volumes.slide(node, images.space, window, strides, rates)
    count = window[0] * window[1] * images.channels
    graph.claim("the patches, %d numbers each," % count, count * count)
    picks = np.eye(count, dtype="f4").reshape([count] + window + [images.channels]).transpose(0, 3, 1, 2)
    tensor = graph.tensor(x, NCHW, FLOAT)
    weights = graph.constant(node.name + "/picks", np.ascontiguousarray(picks))
    return graph.emit(node, "Conv", [tensor, weights], images.shape(space, count), FLOAT, NCHW, x.nonnegative, dilations=rates,
                      **attributes)


@operation("_CropAndResize", inputs=4)
def crop_and_resize(graph, node, x, boxes, which, size):
    """Each box [y1, x1, y2, x2], a part of image `which`, at another size: a gather and a mix of neighbours for each axis."""
    wanted, method = shapes.vector(size, "size"), node.string("method", "bilinear")
    if x.rank != 4 or not all(isinstance(each, int) for each in x.shape[1:3]) or method not in ("bilinear", "nearest"):
        raise UffException("height and width of '%s' must be known, the method bilinear or nearest, not %s" % (x.name, method))
    inputs = [graph.tensor(x, TENSORFLOW, FLOAT), long(graph, node, which)]
    tensor = graph.intermediate(node, "images", "Gather", inputs, axis=0)
    corners, inside = graph.tensor(boxes, TENSORFLOW, FLOAT), []
    for axis, have, want in zip((0, 1), x.shape[1:3], wanted):
        first, last = [graph.intermediate(node, "corner", "Gather", [corners, graph.integers(node, "column", [at])], axis=1)
                       for at in (axis, axis + 2)]
        at = _positions(graph, node, first, last, have, want)
        zero, end = [graph.constant(node.name + "/bound", np.array(bound, FLOAT)) for bound in (0, have - 1)]
        inside.append(graph.intermediate(node, "inside", "And", [
            graph.intermediate(node, "reached", "GreaterOrEqual", [at, zero]),
            graph.intermediate(node, "within", "LessOrEqual", [at, end])]))
        at = graph.intermediate(node, "clipped", "Min", [graph.intermediate(node, "floored", "Max", [at, zero]), end])
        if axis:
            tensor = graph.intermediate(node, "turned", "Transpose", [tensor], perm=[0, 2, 1, 3])
        tensor = _sampled(graph, node, tensor, at, method)
    tensor = graph.intermediate(node, "turned", "Transpose", [tensor], perm=[0, 2, 1, 3])
    masks = [graph.intermediate(node, "mask", "Unsqueeze", [mask, graph.integers(node, "axes", axes)])
             for mask, axes in zip(inside, ([2, 3], [1, 3]))]
    outside = graph.constant(node.name + "/outside", np.array(node.number("extrapolation_value", 0.0), FLOAT))
    shape = (which.shape[0] if which.shape else None,) + tuple(wanted) + x.shape[3:]
    return graph.emit(node, "Where", [graph.intermediate(node, "all_inside", "And", masks), tensor, outside], shape, FLOAT)


def _positions(graph, node, first, last, have, want):
    """Where in [0, have - 1] each of `want` samples lies, [boxes, want]; first, last: [boxes, 1], shares of the size."""
    graph.claim("the size %d" % want, want)
    steps = np.arange(want, dtype="f4") / (want - 1) if want > 1 else np.array([0.5], "f4")
    length = graph.intermediate(node, "length", "Sub", [last, first])
    share = graph.intermediate(node, "share", "Add", [
        graph.intermediate(node, "step", "Mul", [length, graph.constant(node.name + "/steps", steps[None])]), first])
    return graph.intermediate(node, "at", "Mul", [share, graph.constant(node.name + "/reach", np.array(have - 1, FLOAT))])


def _sampled(graph, node, tensor, at, method):
    """A tensor [boxes, size, ...] at the positions [boxes, want] of its second axis."""
    last = graph.integers(node, "last", [-1])

    def rows(operator):
        whole = graph.intermediate(node, operator, operator, [at])
        indices = graph.intermediate(node, "indices", "Unsqueeze", [
            graph.intermediate(node, "int64", "Cast", [whole], to=ONNX_OF_NUMPY[INT64]), last])
        return whole, graph.intermediate(node, "rows", "GatherND", [tensor, indices], batch_dims=1)

    if method == "nearest":
        half = graph.constant(node.name + "/half", np.array(0.5, FLOAT))
        at = graph.intermediate(node, "moved", "Add", [at, half])  # TensorFlow rounds .5 up
        return rows("Floor")[1]
    (floor, before), (_, after) = rows("Floor"), rows("Ceil")
    share = graph.intermediate(node, "share", "Unsqueeze", [
        graph.intermediate(node, "rest", "Sub", [at, floor]), graph.integers(node, "axes", [2, 3])])
    change = graph.intermediate(node, "change", "Mul", [graph.intermediate(node, "step", "Sub", [after, before]), share])
    return graph.intermediate(node, "mixed", "Add", [before, change])


@operation("_NonMaxSuppression", inputs=3)
def suppression(graph, node, boxes, scores, count):
    threshold = graph.constant(node.name + "/iou", np.array([node.number("iou_threshold", 0.5)], FLOAT))
    return _best(graph, node, boxes, scores, count, threshold, None)


@operation("_NonMaxSuppressionV2", inputs=4)
def suppression_v2(graph, node, boxes, scores, count, overlap):
    return _best(graph, node, boxes, scores, count, _one(graph, node, overlap), None)


@operation("_NonMaxSuppressionV3", inputs=5)
def suppression_v3(graph, node, boxes, scores, count, overlap, lowest):
    return _best(graph, node, boxes, scores, count, _one(graph, node, overlap), _one(graph, node, lowest))


def _one(graph, node, value):
    inputs = [graph.tensor(value, TENSORFLOW, FLOAT), graph.integers(node, "one", [1])]
    return graph.intermediate(node, "number", "Reshape", inputs)


def _best(graph, node, boxes, scores, count, overlap, lowest):
    """Indices of the boxes [y1, x1, y2, x2] that are kept, in the order of their scores."""
    inputs = [graph.intermediate(node, name, "Unsqueeze", [
        graph.tensor(value, TENSORFLOW, FLOAT), graph.integers(node, "axes", axes)])
        for name, value, axes in (("boxes", boxes, [0]), ("scores", scores, [0, 1]))]
    number = graph.intermediate(node, "count", "Reshape", [long(graph, node, count), graph.integers(node, "one", [1])])
    inputs += [number, overlap] + ([lowest] if lowest else [])
    kept = graph.intermediate(node, "kept", "NonMaxSuppression", inputs)
    indices = graph.intermediate(node, "indices", "Gather", [kept, graph.integers(node, "column", 2)], axis=1)
    return graph.emit(node, "Cast", [indices], (None,), INT32, to=ONNX_OF_NUMPY[INT32])
