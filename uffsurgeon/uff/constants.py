"""Constants that a graph computes from constants, as raw TensorFlow 1 graphs do: Fill, Range, arithmetic with weights.

NVIDIA's converter makes custom nodes of Fill and Range, and refuses a bias that is not a Const. `fold` computes them.
"""
import numpy as np

from uffsurgeon import protobuf
from uffsurgeon.graphs import inputs_first
from uffsurgeon.names import producer

from .attributes import attr
from .schema import UffException
from .sizes import Sizes

LARGEST = 1 << 26  # bytes that the results of one calculation may take beyond ten times its constants
WORK = 1 << 26  # elements that all calculations of a graph may read and write beyond a hundred times its constants
SMALL = 1 << 14  # bytes of a result that is kept for later calculations


class Constants(object):
    """The arrays that nodes compute from constants alone.

    nodes: {name: NodeDef}, read when it is asked. shapes: a `sizes.Sizes` of the same nodes.
    """

    def __init__(self, nodes, shapes=None):
        self.nodes, self.shapes = nodes, shapes or Sizes(nodes)
        self.known, self.never = {}, set()  # small results; names of nodes that depend on more than constants
        self.work, self.read, self.counted = 0, 0, set()

    def fold(self, name):
        """The array that node `name` computes, or None: where an input is no constant, for an operation that is not in FOLDS,
        and where NumPy finds that operands do not fit. Raises UffException for results that are too large to compute."""
        values, bounds, root = {}, [LARGEST], name
        for name in inputs_first([root], self._needs, allow_cycles=True):
            if name in self.known:
                values[name] = self.known[name]
            elif name in self.nodes and self.nodes[name].op == "Rank" and self.nodes[name].input:
                shape = self.shapes.of(producer(self.nodes[name].input[0]))  # it may be known of what is no constant
                values[name] = None if shape is None else np.array(len(shape), np.int32)
            elif name not in self.never:
                values[name] = self._value(name, [values.get(source) for source in _reads(self.nodes, name)], bounds)
            value = values.get(name)
            if value is None:
                self.never.add(name)
            elif value.nbytes <= SMALL:
                self.known[name] = value
        return values.get(root)

    def _needs(self, name):
        return () if name in self.never or name in self.known else _reads(self.nodes, name)

    def _value(self, name, inputs, bounds):
        node = self.nodes.get(name)
        if node is not None and node.op == "Const" and "value" in node.attr:
            try:
                value = protobuf.array(node.attr["value"].tensor, attr(node, "dtype", "type", 0))
            except ValueError:
                return None
            bounds.append(10 * max(value.nbytes, 4 * value.size))
            self.read += value.size if name not in self.counted else 0
            self.counted.add(name)
            return value
        if node is None or node.op not in FOLDS or any(value is None for value in inputs):
            return None
        try:
            with np.errstate(all="ignore"):
                size = _elements(node, inputs)
                bounds.append(-8 * size)
                self.work += size + sum(value.size for value in inputs)
                if not sum(bounds) >= 0 or not self.work <= WORK + 100 * self.read:
                    raise TooLarge("node '%s' (%s) computes %.0f numbers from constants, with which this graph goes beyond the "
                                   "%d MB that are computed in a conversion: make it a Const" % (
                                       node.name, node.op, size, LARGEST // 1000000))
                value = FOLDS[node.op](node, *inputs)
        except TooLarge:
            raise
        except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError):
            return None
        return None if value is None else np.asarray(value)


class TooLarge(UffException):
    pass


def fold(nodes, name):
    """As Constants.fold, for one node.

    nodes: {name: NodeDef}.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> fold(gs.DynamicGraph("box3d.pb").node_map, "flatten_1/stack/0")
        array(-1, dtype=int32)
    """
    return Constants(nodes).fold(name)


def _elements(node, inputs):
    """The number of elements of a result, or a larger one, before it is computed."""
    sizes = [float(value.size) for value in inputs]
    if node.op == "Fill":
        return np.prod(inputs[0], dtype=float)
    if node.op == "Range":
        return abs((float(inputs[1]) - float(inputs[0])) / float(inputs[2]))
    if node.op in ("Pack", "ConcatV2"):
        return sum(sizes)
    if node.op in ("Gather", "GatherV2"):
        return sizes[0] * sizes[1] / max(inputs[0].shape[int(inputs[2]) if len(inputs) > 2 else 0], 1)
    if node.op in ELEMENTWISE:
        return np.prod(np.broadcast(*inputs).shape, dtype=float)
    return max(sizes, default=1)


def _reads(nodes, name):
    node = nodes.get(name)
    if node is None or node.op not in FOLDS or node.op == "Rank":
        return []
    return [text if ":" in text and not text.endswith(":0") else producer(text) for text in node.input if text[:1] != "^"]


def _fill(node, shape, value):
    return np.full(shape, value, value.dtype)


def _range(node, start, limit, delta):
    return np.arange(start, limit, delta, start.dtype)


def _arithmetic(function):
    def compute(node, *values):
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
_OTHER = set(FOLDS)
FOLDS.update({op: _arithmetic(function) for op, function in (
    ("Add", np.add), ("AddV2", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Maximum", np.maximum),
    ("Minimum", np.minimum), ("RealDiv", _divide), ("FloorDiv", np.floor_divide), ("FloorMod", np.mod),
    ("Pow", np.power), ("Abs", np.abs), ("Floor", np.floor), ("Ceil", np.ceil), ("Neg", np.negative), ("Sqrt", np.sqrt),
    ("Square", np.square), ("Rsqrt", lambda x: 1 / np.sqrt(x)), ("Exp", np.exp))})
FOLDS.update({op: lambda node, *values, function=function: function(*values) for op, function in (
    ("LogicalNot", np.logical_not), ("LogicalAnd", np.logical_and), ("LogicalOr", np.logical_or), ("Equal", np.equal),
    ("NotEqual", np.not_equal), ("Greater", np.greater), ("GreaterEqual", np.greater_equal), ("Less", np.less),
    ("LessEqual", np.less_equal))})
ELEMENTWISE = set(FOLDS) - _OTHER
FOLDS.update({op: _reduce(function) for op, function in (
    ("Sum", np.sum), ("Prod", np.prod), ("Max", np.max), ("Min", np.min), ("Mean", np.mean))})
