"""Sizes of the tensors in a GraphDef, as far as they follow from its inputs and constants.

A UFF says no shapes, so the converter needs them for one question only: is a Reshape a Flatten?
"""
import functools
import operator

from uffsurgeon import protobuf
from uffsurgeon.graphs import inputs_first
from uffsurgeon.names import producer

from .attributes import attr, shape_of

SAME = set("Identity StopGradient PreventGradient CheckNumerics PlaceholderWithDefault BiasAdd FusedBatchNorm FusedBatchNormV2 "
           "FusedBatchNormV3 Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Softmax LRN Neg Abs Exp Log Sqrt "
           "Rsqrt Square LogSoftmax Erf Erfc Sign Round Floor Ceil IdentityN Reverse ReverseV2 Cumsum Cast".split())
WINDOWS = {"Conv2D", "DepthwiseConv2dNative", "MaxPool", "AvgPool"}


class Sizes(object):
    """The shapes of the first outputs of nodes. nodes: {name: NodeDef}, read when it is asked."""

    def __init__(self, nodes):
        self.nodes, self.found, self.left = nodes, {}, 20

    def of(self, name):
        """A list of int, None for a size that is not known; None if nothing is known of node `name`, or it has over 32 axes."""
        known, root = self.found, name
        for name in inputs_first([root], lambda name: () if name in known else _reads(self.nodes, name), allow_cycles=True):
            node = self.nodes.get(name)
            if name in known:
                continue
            try:
                shape = None if node is None else _sizes(self.nodes, node, [known.get(s) for s in _reads(self.nodes, name)])
                known[name] = None if shape is not None and len(shape) > protobuf.MOST_AXES else shape
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
                # a node that is not what its operation says, or a constant that is none
                known[name] = None
        return known[root]

    def changed(self, name):
        """Node `name` has become a constant: what was not known of the nodes behind it may be known now."""
        if self.found.get(name, ()) is None and self.left:  # a few times: each costs a walk over the graph
            self.found, self.left = {}, self.left - 1


def sizes(nodes, name):
    """As Sizes.of, for one node.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> sizes(gs.DynamicGraph("box3d.pb").node_map, "block5_pool/MaxPool")
        [None, 1, 1, 32]
    """
    return Sizes(nodes).of(name)


def _reads(nodes, name):
    node = nodes.get(name)
    if node is None or node.op in ("Placeholder", "Const", "Pack", "Shape"):
        return []
    return [producer(text) for text in node.input if text[:1] != "^"]


def constant(nodes, text):
    """The values of the Const that an input refers to; None for another node, and for more values than a shape has."""
    node = nodes.get(producer(text))
    if node is None or node.op != "Const":
        return None
    try:
        if (volume(shape_of(node)[:protobuf.MOST_AXES]) or 0) > 2 * protobuf.MOST_AXES:
            return None
        return protobuf.array(attr(node, "value", "tensor"), attr(node, "dtype", "type", 0))
    except ValueError:
        return None


def target(nodes, text):
    """What a shape that a Reshape reads says: a list of int, of None for an element that is computed; None if not known."""
    node, values = nodes.get(producer(text)), constant(nodes, text)
    if values is not None:
        return values.reshape(-1).tolist()
    if node is None or node.op != "Pack" or len(node.input) > protobuf.MOST_AXES:
        return None
    parts = [constant(nodes, part) for part in node.input]
    return [None if part is None or part.size != 1 else int(part.reshape(-1)[0]) for part in parts]


def volume(shape):
    """Number of elements of a list of sizes; None if one is not known."""
    return None if shape is None or None in shape else functools.reduce(operator.mul, shape, 1)


def _sizes(nodes, node, inputs):
    if node.op == "Placeholder":
        dims = attr(node, "shape", "shape").dim
        return [dim.size if dim.size > 0 else None for dim in dims] or None
    if node.op == "Const":
        return shape_of(node)
    if node.op in SAME:
        return inputs[0]
    if node.op in WINDOWS and inputs[0] is not None:
        return _window(node, inputs)
    if node.op in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "RealDiv") and None not in inputs:
        return _broadcast(*inputs)
    if node.op == "MatMul" and None not in inputs:
        a, b = [attr(node, "transpose_" + letter, "b", False) for letter in "ab"]
        return [inputs[0][1 if a else 0], inputs[1][0 if b else 1]]
    if node.op == "Pad" and inputs[0] is not None:
        pads = constant(nodes, node.input[1])
        return None if pads is None else [
            None if size is None else size + int(sum(pair)) for size, pair in zip(inputs[0], pads.tolist())]
    if node.op == "ConcatV2" and None not in inputs[:-1]:
        axis = int(constant(nodes, node.input[-1])) % len(inputs[0])
        joined = [shape[axis] for shape in inputs[:-1]]
        return inputs[0][:axis] + [None if None in joined else sum(joined)] + inputs[0][axis + 1:]
    if node.op in ("Mean", "Sum", "Max", "Min") and inputs[0] is not None:
        axes = [axis % len(inputs[0]) for axis in constant(nodes, node.input[1]).reshape(-1).tolist()]
        if attr(node, "keep_dims", "b", False):
            return [1 if axis in axes else size for axis, size in enumerate(inputs[0])]
        return [size for axis, size in enumerate(inputs[0]) if axis not in axes]
    if node.op == "Transpose" and inputs[0] is not None:
        return [inputs[0][axis] for axis in constant(nodes, node.input[1]).tolist()]
    if node.op == "Reshape":
        return _reshaped(inputs[0], target(nodes, node.input[1]))
    return None


def _window(node, inputs):
    shape, first = inputs[0], 2 if attr(node, "data_format", "s", "") == "NCHW" else 1
    channels = 1 if first == 2 else 3
    pool, padding = node.op.endswith("Pool"), attr(node, "padding", "s")
    kernel = attr(node, "ksize", "ints")[first:first + 2] if pool else inputs[1][:2]
    strides, dilations = attr(node, "strides", "ints"), attr(node, "dilations", "ints", [])
    result = list(shape)
    for index, axis in enumerate((first, first + 1)):
        size, reach = shape[axis], (kernel[index] - 1) * (dilations[axis] if dilations else 1)
        if size is not None and padding not in ("SAME", "VALID"):
            size = None
        elif size is not None:
            size = size if padding == "SAME" else size - reach
            size = -(-size // strides[axis])
        result[axis] = size
    if not pool:
        result[channels] = inputs[1][3] if node.op == "Conv2D" else inputs[1][2] * inputs[1][3]
    return result


def _broadcast(a, b):
    a, b = [1] * (len(b) - len(a)) + list(a), [1] * (len(a) - len(b)) + list(b)
    return [y if x == 1 else x if y == 1 or x == y else None for x, y in zip(a, b)]


def _reshaped(shape, wanted):
    if wanted is None:
        return None
    total, known = volume(shape), [size for size in wanted if size != -1]
    rest = None if None in known or total is None else total // max(volume(known), 1)
    return [rest if size == -1 else size for size in wanted]
