"""A UffParser's way through a graph, without TensorRT: what it refuses, and where it loses the order of the values.

`Parser.run` visits the nodes in the parser's order and follows three things for each tensor (`tensors.Tensor`): its sizes,
which axis of TensorFlow's tensor lies where, and which order the parser believes it to have. A fault is where the last two
differ. All of it is learnt from the networks that real parsers made of small graphs (tests/fixtures/parser).
"""
import collections

from uffsurgeon.graphs import inputs_first
from uffsurgeon.uff import layouts, schema

from .common import LAYERS, Refused
from .rules import PARSERS, STANDARD_PLUGINS
from .tensors import Tensor, identity, straight, volume

FLOAT16, FLOAT32, INT8, INT32 = 0x20010, 0x20020, 0x10008, 0x10020
SMALL = 64  # elements of a constant whose values may matter: shapes, axes, paddings, indices
MOST_STEPS = 300000  # from nodes to their readers, to guess the orders of all inputs
ORDERS = ("NHWC", "NCHW", "NC")


def alike(meta):
    """Groups of parsers that do the same with a UFF, as lists of versions."""
    changes = {"6.0.1", "7.1.3"}
    changes.update(STANDARD_PLUGINS.get(node.operation[1:], "6.0.1") for graph in meta.graphs for node in graph.nodes)
    groups = []
    for version in PARSERS:
        if not groups or version in changes:
            groups.append([])
        groups[-1].append(version)
    return groups


class Parser(object):
    """meta: a MetaGraph. version: one of PARSERS. inputs: {name: (sizes without the batch or None, one of ORDERS or None)}.

    values: a function that gives the values of a Const node; default: those in `meta`. channels: `layouts.channels` of it.
    """

    def __init__(self, meta, version, inputs=None, values=None, channels=None):
        self.meta, self.inputs = meta, inputs or {}
        self.values = values or (lambda node: schema.array(node, meta))
        self.number = PARSERS.index(version)
        self.nodes = {node.id: node for graph in meta.graphs for node in graph.nodes}
        self.tensors, self.findings, self.marked, self.nonnegative = {}, [], {}, {}
        self.channels = layouts.channels(list(self.nodes.values()), meta) if channels is None else channels
        self.readers, self.steps = None, 0

    def since(self, version):
        return self.number >= PARSERS.index(version)

    def report(self, node, rule, message=""):
        self.findings.append((node.id, rule, message))

    def run(self):
        """[(name of the node, rule, what the parser says or "")]."""
        for name in inputs_first(self.nodes, lambda name: self.nodes[name].inputs, allow_cycles=True):
            node = self.nodes[name]
            self.tensors[name] = self.layer(node, [self.tensors.get(above, Tensor()) for above in node.inputs])
        for node in self.nodes.values():
            for name in node.inputs if node.operation == "MarkOutput" else ():
                self.mark(self.nodes[name], self.tensors[name], node.id)
        return self.findings

    def layer(self, node, inputs):
        """The tensor that a node makes; Tensor() if nothing is known of it."""
        made = self._layer(node, inputs)
        sizes = (made.dims or []) + (made.shape or [])
        return made if len(sizes) <= 64 and all(size is None or size < 1 << 62 for size in sizes) else Tensor()

    def _layer(self, node, inputs):
        try:
            if node.operation[:1] == "_":
                return self.custom(node, inputs)
            if node.operation in ("Input", "Const"):
                return getattr(self, node.operation.lower())(node)
            return LAYERS[node.operation](self, node, *inputs)
        except Refused as refused:
            self.report(node, *refused.args)
        except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError):
            pass  # a size or a field that cannot be followed
        return Tensor()

    def input(self, node):
        kind = schema.field(node, "dtype")
        shape = [size if size > 0 else None for size in schema.field(node, "shape")][1:]
        given, order = self.inputs.get(node.id, (None, None))
        shape = list(given) if given else shape
        first = layouts.is_channels_first(shape, self.channels.get(node.id, ()))
        order = order or ("NCHW" if first else self.guess(node, len(shape)))
        if kind not in (FLOAT16, FLOAT32, INT32) and (kind != INT8 or not self.since("6.0.1")):
            raise Refused("dtype", "Failed to parse node - Invalid Tensor found at node %s" % node.id if kind == INT8 else
                          "Invalid DataType value!")
        if not given and not schema.field(node, "shape"):
            return Tensor()  # not even the number of sizes is known
        dims, axes = straight(shape)
        if first:  # TensorFlow has it as NHWC
            shape, axes = shape[1:] + shape[:1], axes[2:] + axes[:2]
        return Tensor(shape, dims, axes, tuple(range(len(dims))), declared=order != "NHWC", source=node.id,
                      integer=kind == INT32)

    def guess(self, node, rank):
        """The order that one would register an input in: the one in which the first convolution behind it reads."""
        if rank != 3:
            return "NC" if rank == 1 else "NCHW"
        if self.readers is None:
            self.readers = collections.defaultdict(list)
            for other in self.nodes.values():
                for name in other.inputs:
                    self.readers[name].append(other)
        reached, queue = {node.id}, [node.id]
        for name in queue:
            self.steps += 1 + len(self.readers[name])
            if self.steps > MOST_STEPS:  # very many inputs
                break
            for other in self.readers[name]:
                if other.operation in ("Conv", "ConvTranspose", "Pool", "BatchNorm"):
                    return "NHWC" if schema.orders(other, self.meta)[0][1:2] == [2] else "NCHW"
                if other.id not in reached:
                    reached.add(other.id)
                    queue.append(other.id)
        return "NHWC"

    def const(self, node):
        number, shape = schema.field(node, "dtype"), schema.field(node, "shape")
        if number not in (FLOAT16, FLOAT32, INT32):
            raise Refused("constant-dtype", "Datatype %d is invalid" % number if number not in schema.NUMPY else
                          "Invalid weights types when converted. Trying to convert from INT8 To FP32" if number == INT8 else
                          "Invalid DataType value!")
        if 0 in shape:
            raise Refused("empty-constant", "volume of dimensions is not consistent with weights size")
        value = self.values(node) if volume(shape) <= SMALL else None
        return Tensor(shape, list(shape), constant=True, value=value)

    def custom(self, node, inputs):
        name, x = node.operation[1:], inputs[0] if inputs else Tensor()
        since = STANDARD_PLUGINS.get(name)
        if since is None or not self.since(since):
            rule = "own-plugin" if since or name.endswith(("_TRT", "Plugin")) else "unsupported"
            raise Refused(rule, "Unsupported operation %s" % node.operation)
        if name in ("Split", "CropAndResize"):  # TensorFlow's own, with other fields than the plugin's
            raise Refused("plugin-name", "")
        if not inputs and not self.since("7.1.3"):
            raise Refused("plugin-inputs", "CHECK failed: (index) < (current_size_)")
        self.report(node, "plugin", "Unsupported operation %s" % node.operation)
        if name in ("GridAnchor_TRT", "GridAnchorRect_TRT"):  # [2, anchors, 1] for each feature map
            return Tensor(order=x.order, anchors=True)
        if not x.known or name not in ("LReLU_TRT", "Clip_TRT"):
            return Tensor()
        if x.order is None or x.declared:
            return x.copy(order=tuple(range(len(x.dims))), declared=False)
        return x.copy()

    def mark(self, node, x, mark):
        """Mark a tensor as an output of the network: it is transposed into TensorFlow's order, as the parser believes that."""
        if node.operation == "Shape" or x.value is not None and not x.constant:
            return self.report(node, "shape-output", "%s: Output Layer has no outputs, Output Name %s" % (mark, mark))
        if x.source:
            space = "" if self.number == 0 else " "
            return self.report(node, "no-output", "Tensor %s%scannot be both input and output" % (x.source, space))
        if not x.known or x.constant:
            return None
        if x.order is not None and x.order and not identity(x.order):
            if len(x.order) != len(x.dims):
                return self.report(node, "order-size",
                                   "%s: Order size is not matching the number dimensions of TensorRT" % mark)
            x.transposed(x.order)
        if self.marked.setdefault(x.key, node.id) != node.id:
            return self.report(node, "no-output", "")
        if not x.ordered():
            self.report(node, x.fault or "output-order")
        return None

