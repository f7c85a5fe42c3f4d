"""A UffParser's way through a graph, without TensorRT: what it refuses, and where it leaves TensorFlow's order of values.

`Parser.run` visits the nodes in the parser's order and follows three things for each tensor (`tensors.Tensor`): its sizes, which
axis of TensorFlow's tensor lies where, and which order the parser believes it to have. A fault is where the last two differ.
All of it is learnt from the networks that real parsers made of small graphs (tests/fixtures/parser).
"""
import re

import numpy as np

from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

from . import layers
from .rules import PARSERS, STANDARD_PLUGINS
from .tensors import Tensor, identity, straight

FLOAT16, FLOAT32, INT8, INT32 = 0x20010, 0x20020, 0x10008, 0x10020
ORDERS = ("NHWC", "NCHW", "NC")


class Parser(object):
    """meta: a MetaGraph. version: one of PARSERS. inputs: {name: (sizes without the batch or None, one of ORDERS or None)}."""

    def __init__(self, meta, version, inputs=None):
        self.meta, self.version, self.inputs = meta, version, inputs or {}
        self.number = PARSERS.index(version)
        self.nodes = {node.id: node for graph in meta.graphs for node in graph.nodes}
        self.tensors, self.findings, self.marked = {}, [], {}

    def since(self, version):
        return self.number >= PARSERS.index(version)

    def report(self, node, rule, message=""):
        self.findings.append((node.id, rule, message))

    def run(self):
        """[(name of the node, rule, what the parser says or "")]."""
        for name in self.nodes:
            self.visit(name)
        for node in self.nodes.values():
            for name in node.inputs if node.operation == "MarkOutput" else ():
                self.mark(self.nodes[name], self.tensors[name], node.id)
        return self.findings

    def visit(self, name):
        """The inputs of a node first, and then the node."""
        stack = [name]
        while stack:
            node = self.nodes[stack[-1]]
            waiting = [above for above in node.inputs if above not in self.tensors and above not in stack]
            if waiting and node.id not in self.tensors:
                stack.append(waiting[0])
                continue
            stack.pop()
            if node.id not in self.tensors:
                self.tensors[node.id] = self.layer(node, [self.tensors.get(above, Tensor()) for above in node.inputs])

    def layer(self, node, inputs):
        """The tensor that a node makes; Tensor() if nothing is known of it."""
        try:
            if node.operation[:1] == "_":
                return self.custom(node, inputs)
            if node.operation in ("Input", "Const"):
                return getattr(self, node.operation.lower())(node)
            return layers.LAYERS[node.operation](self, node, *inputs)
        except layers.Refused as refused:
            self.report(node, *refused.args)
        except (UffException, IndexError, TypeError, ValueError, KeyError):
            pass  # a size or a field that cannot be followed
        return Tensor()

    def input(self, node):
        kind = schema.field(node, "dtype")
        shape = [size if size > 0 else None for size in schema.field(node, "shape")][1:]
        given, order = self.inputs.get(node.id, (None, None))
        shape = list(given) if given else shape
        order = order or self.guess(node, len(shape))
        if kind not in (FLOAT16, FLOAT32, INT32) and (kind != INT8 or not self.since("6.0.1")):
            message = "Failed to parseInput for node %s" % node.id if kind == INT8 else "Invalid DataType value!"
            raise layers.Refused("dtype", message)
        dims, axes = straight(shape)
        return Tensor(shape, dims, axes, tuple(range(len(dims))), declared=order != "NHWC", source=node.id, integer=kind == INT32)

    def guess(self, node, rank):
        """The order in which the input is registered by whoever looks at the graph: as its first reader with an order has it."""
        if rank != 3:
            return "NC" if rank == 1 else "NCHW"
        reached = {node.id}
        for other in self.nodes.values():  # readers stand before their inputs: some passes
            pass
        for _ in range(len(self.nodes)):
            before = len(reached)
            for other in self.nodes.values():
                if other.id not in reached and reached.intersection(other.inputs):
                    if other.operation in ("Conv", "Pool", "BatchNorm", "ConvTranspose"):
                        return "NHWC" if schema.orders(other, self.meta)[0][1:2] == [2] else "NCHW"
                    reached.add(other.id)
            if len(reached) == before:
                return "NHWC"
        return "NHWC"

    def const(self, node):
        number, shape = schema.field(node, "dtype"), schema.field(node, "shape")
        value = schema.array(node, self.meta) if number in schema.NUMPY else None
        if number not in (FLOAT16, FLOAT32, INT32):
            message = ("Invalid weights types when converted. Trying to convert from INT8 To FP32" if number == INT8
                       else "Invalid DataType value!" if number in schema.NUMPY else "")
            raise layers.Refused("constant-dtype", message)
        if value.size == 0:
            raise layers.Refused("empty-constant", "volume of dimensions is not consistent with weights size")
        return Tensor(shape, list(shape), None, None, constant=True, value=value)

    def custom(self, node, inputs):
        name = node.operation[1:]
        since, until = STANDARD_PLUGINS.get(name, (None, None))
        message = "Unsupported operation %s" % node.operation
        if since is None:
            raise layers.Refused("own-plugin" if name.endswith("_TRT") else "unsupported", message)
        if not self.since(since) or until and self.since(until):
            raise layers.Refused("own-plugin", message)
        if name == "Split":
            raise layers.Refused("plugin-name")
        self.report(node, "plugin", message)
        x = inputs[0] if inputs else Tensor()
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


def clean(message):
    """A message without the number and the place in TensorRT's sources that versions from 8.0 on write in front."""
    return re.sub(r"^(\d+: )?(\[[^]]*\] Error Code \d+: [^(]*\()?", "", message)
