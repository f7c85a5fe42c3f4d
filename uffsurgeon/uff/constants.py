"""Constants that a graph computes from constants, as raw TensorFlow 1 graphs do: Fill, Range, arithmetic with weights.

NVIDIA's converter makes custom nodes of Fill and Range, and refuses a bias that is not a Const. `fold` computes them.
"""
import numpy as np

from uffsurgeon import protobuf
from uffsurgeon.graphs import inputs_first
from uffsurgeon.names import producer

from .attributes import attr
from .sizes import sizes

LARGEST = 1 << 26  # elements of a result; a graph from a file may ask for any number


def fold(nodes, name, never=None):
    """The array that node `name` computes from constants alone, or None.

    nodes: {name: NodeDef}. never: a set of names of nodes that depend on more than constants; the call adds to it. None also
    for an operation that is not in FOLDS, and where NumPy finds that operands do not fit.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> fold(gs.DynamicGraph("box3d.pb").node_map, "flatten_1/stack/0")
        array(-1, dtype=int32)
    """
    values, never = {}, set() if never is None else never
    for name in inputs_first([name], lambda name: () if name in never else _reads(nodes, name), allow_cycles=True):
        if name in nodes and nodes[name].op == "Rank" and nodes[name].input:  # it may be known of what is no constant
            shape = sizes(nodes, producer(nodes[name].input[0]))
            values[name] = None if shape is None else np.array(len(shape), np.int32)
        elif name not in never:
            values[name] = _value(nodes.get(name), [values.get(source) for source in _reads(nodes, name)])
        if values.get(name) is None:
            never.add(name)
    return values.get(name)


def _reads(nodes, name):
    node = nodes.get(name)
    if node is None or node.op not in FOLDS or node.op == "Rank":
        return []
    return [text if ":" in text and not text.endswith(":0") else producer(text) for text in node.input if text[:1] != "^"]


def _value(node, inputs):
    if node is not None and node.op == "Const" and "value" in node.attr:
        try:
            return protobuf.array(node.attr["value"].tensor, attr(node, "dtype", "type", 0))
        except ValueError:
            return None
    if node is None or node.op not in FOLDS or any(value is None for value in inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            value = FOLDS[node.op](node, *inputs)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return None if value is None else np.asarray(value)


def _fill(node, shape, value):
    return np.full(shape, value, value.dtype) if np.prod(shape, dtype=float) <= LARGEST else None


def _range(node, start, limit, delta):
    if abs(float(limit) - float(start)) > LARGEST * abs(float(delta)):
        return None
    return np.arange(start, limit, delta, start.dtype)


def _arithmetic(function):
    def compute(node, *values):
        if np.prod(np.broadcast(*values).shape, dtype=float) > LARGEST:
            return None
        return np.asarray(function(*values)).astype(values[0].dtype)
    return compute


def _cast(node, x):
    number = attr(node, "DstT", "type")
    return x.astype(protobuf.NUMPY[number]) if number in protobuf.NUMPY else None


def _divide(a, b):
    return a / b if a.dtype.kind == "f" else None


def _squeeze(node, x):
    axes = tuple(attr(node, "squeeze_dims", "ints", []))
    return np.squeeze(x, axes or None)


def _strided_slice(node, x, begin, end, strides):
    masks = [attr(node, key + "_mask", "i", 0) for key in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")]
    if masks[3] or masks[4]:
        return None
    index = []
    for axis, (start, stop, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist())):
        if masks[2] >> axis & 1:
            index.append(start)
        else:
            index.append(slice(None if masks[0] >> axis & 1 else start, None if masks[1] >> axis & 1 else stop, step))
    return x[tuple(index)]


def _reduce(function):
    def compute(node, x, axes):
        return function(x, tuple(axes.reshape(-1).tolist()), keepdims=attr(node, "keep_dims", "b", False)).astype(x.dtype)
    return compute


# TensorFlow operation -> function(NodeDef, *arrays) -> array, or None where its result is not known
FOLDS = {
    "Fill": _fill, "Range": _range, "Cast": _cast, "StridedSlice": _strided_slice, "Squeeze": _squeeze,
    "Identity": lambda node, x: x, "StopGradient": lambda node, x: x, "PlaceholderWithDefault": lambda node, x: x,
    "Shape": lambda node, x: np.array(x.shape, protobuf.NUMPY[attr(node, "out_type", "type", 3)]),
    "Rank": None, "Size": lambda node, x: np.array(x.size, np.int32),
    "ZerosLike": lambda node, x: np.zeros_like(x), "OnesLike": lambda node, x: np.ones_like(x),
    "Reshape": lambda node, x, shape: x.reshape(shape), "Transpose": lambda node, x, perm: x.transpose(perm),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, int(axis)),
    "Pack": lambda node, *values: np.stack(values, attr(node, "axis", "i", 0)),
    "ConcatV2": lambda node, *values: np.concatenate(values[:-1], int(values[-1])),
    "GatherV2": lambda node, x, indices, axis: None if attr(node, "batch_dims", "i", 0) else np.take(x, indices, int(axis)),
    "Unpack": lambda node, x: np.take(x, attr(node, "output", "i", 0), attr(node, "axis", "i", 0)),
    "Split": lambda node, axis, x: np.split(x, attr(node, "num_split", "i"), int(axis))[attr(node, "output", "i", 0)],
    "Slice": lambda node, x, begin, size: x[tuple(
        slice(start, None if count == -1 else start + count) for start, count in zip(begin.tolist(), size.tolist()))],
    "Gather": lambda node, x, indices: np.take(x, indices, 0),
}
FOLDS.update({op: _arithmetic(function) for op, function in (
    ("Add", np.add), ("AddV2", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Maximum", np.maximum),
    ("Minimum", np.minimum), ("RealDiv", _divide), ("FloorDiv", np.floor_divide), ("FloorMod", np.mod),
    ("Pow", np.power), ("Abs", np.abs), ("Floor", np.floor), ("Ceil", np.ceil), ("Neg", np.negative), ("Sqrt", np.sqrt),
    ("Square", np.square), ("Rsqrt", lambda x: 1 / np.sqrt(x)), ("Exp", np.exp))})
FOLDS.update({op: lambda node, *values, function=function: function(*values) for op, function in (
    ("LogicalNot", np.logical_not), ("LogicalAnd", np.logical_and), ("LogicalOr", np.logical_or), ("Equal", np.equal),
    ("NotEqual", np.not_equal), ("Greater", np.greater), ("GreaterEqual", np.greater_equal), ("Less", np.less),
    ("LessEqual", np.less_equal))})
FOLDS.update({op: _reduce(function) for op, function in (
    ("Sum", np.sum), ("Prod", np.prod), ("Max", np.max), ("Min", np.min), ("Mean", np.mean))})
