"""`to_onnx`: the network that a parser made, layer for layer, as an ONNX model. What the parser got wrong stays wrong.

TensorRT's layers have no batch in their shapes; here every tensor has it in front, [N] + shape, but those that come from
constants alone, which have 1. The weights are the parser's, in TensorRT's layouts: KCHW of a convolution, [outputs, inputs]
of a dense layer.
"""
import numpy as np

from . import network
from .onnx_layers import LAYERS

OPSET = 13


def to_onnx(parsed, outputs=None):
    """The network of a `Parsed` as an ONNX model (ModelProto, opset 13) with float32 weights and an open batch.

    Args:
        parsed: what `parse` returned.
        outputs: names of tensors of the network; by default its outputs.
    Returns:
        A ModelProto. Inputs and outputs are [N] + the shape that the parser gave them, under the parser's names: feature maps
        are N, C, H, W, an input that was registered NHWC is N, H, W, C, a dense layer's output N, n, 1, 1.
    Raises:
        ValueError: the network has no outputs, no such tensor, or a layer that has no rule here, such as an unknown plugin.
    """
    from uffsurgeon import names

    known = network.tensors(parsed)
    if outputs is None:
        outputs = [tensor.name for tensor in parsed.outputs]
        if not outputs:
            raise ValueError("the parser's network has no outputs%s" % (": " + parsed.log[-1] if parsed.log else ""))
    for name in outputs:
        if name not in known:
            raise names.not_found("tensor", name, known)
    model = Model(parsed, known)
    for each in _needed(parsed, outputs):
        shapeless = [name for name in each.inputs + [tensor.name for tensor in each.outputs] if known[name].shape is None]
        if shapeless:
            raise ValueError("the parser's network is not valid, %r has no shape%s"
                             % (shapeless[0], ": " + parsed.log[-1] if parsed.log else ""))
        if each.type not in LAYERS:
            raise ValueError("layer %r is a %s, for which there is no rule" % (each.name, each.type))
        model.layer = each
        LAYERS[each.type](model, each)
    return model.finish(outputs)


def _needed(parsed, outputs):
    """The layers that the outputs need, in an order in which each reads what is already there."""
    producers = {tensor.name: layer for layer in parsed.layers for tensor in layer.outputs}
    done, found, todo = set(), [], [(name, False) for name in reversed(outputs)]
    while todo:
        name, ready = todo.pop()
        producer = producers.get(name)
        if producer is None or id(producer) in done:
            continue
        if ready:
            done.add(id(producer))
            found.append(producer)
        else:
            todo.append((name, True))
            todo += [(each, False) for each in producer.inputs]
    return found


class Model:
    """The ONNX model in the making."""

    def __init__(self, parsed, tensors):
        from onnx import ModelProto

        self.parsed, self.proto, self.nodes = parsed, ModelProto(), []
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
        self.layer = None  # for which nodes are emitted
        self.alone = set()  # tensors that come from constants alone: their batch is 1

    def constant(self, array, dtype=None):
        """The name of an initializer."""
        from onnx import numpy_helper

        initializers = self.proto.graph.initializer  # in the model from the start: `make_model` would copy them all twice
        name = "constant_%d" % len(initializers)
        initializers.extend([numpy_helper.from_array(np.ascontiguousarray(array, dtype), name)])
        return name

    def weights(self, layer, key, shape):
        """The name of an initializer with a layer's weights, or None where it has none."""
        values = layer.weights.get(key)
        if values is None or not values.size:
            return None
        if values.size != np.prod(shape, dtype=np.int64):
            raise ValueError("layer %r (%s) has %d numbers as %s, its shape %s needs others"
                             % (layer.name, layer.type, values.size, key, list(shape)))
        return self.constant(values.reshape(shape), np.float32)

    def add(self, operator, inputs, output=None, **attributes):
        """Emit a node with one output -> its name. Nodes are named after their outputs."""
        from onnx import helper

        output = output or "%s/%s_%d" % (self.layer.name, operator, len(self.nodes))
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def emit(self, layer, operator, inputs, **attributes):
        """Emit the node that gives a layer's only output."""
        output = layer.outputs[0].name
        if layer.inputs and all(name in self.alone for name in layer.inputs):
            self.alone.add(output)
        return self.add(operator, inputs, output, **attributes)

    def reshape(self, name, shape, layer=None):
        """A tensor with another shape behind the batch; with `layer`, as the layer's output."""
        target = self.constant([0] + list(shape), np.int64)
        return self.emit(layer, "Reshape", [name, target]) if layer else self.add("Reshape", [name, target])

    def batched(self, name, like=None):
        """A tensor with the whole batch: constants are repeated."""
        if name not in self.alone:
            return name
        count = self.add("Slice", [self.add("Shape", [like or self.parsed.inputs[0].name]), self.constant([0], np.int64),
                                   self.constant([1], np.int64)])
        ones = self.constant([1] * len(self.shapes[name]), np.int64)
        return self.add("Expand", [name, self.add("Concat", [count, ones], axis=0)])

    def finish(self, outputs):
        """The ModelProto."""
        from onnx import TensorProto, helper

        def info(name, dtype):
            kind = TensorProto.INT32 if dtype == "int32" else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, ["N"] + list(self.shapes[name]))

        named = []
        for name in outputs:
            if name in self.alone:
                raise ValueError("%r is a constant and no output of a network" % name)
            if name in [tensor.name for tensor in self.parsed.inputs]:
                raise ValueError("%r is an input of the network" % name)
            named.append(info(name, self.dtypes[name]))
        graph, self.proto.producer_name = self.proto.graph, "uffparser"
        graph.name = "uffparser"
        graph.node.extend(self.nodes)
        graph.input.extend(info(tensor.name, tensor.dtype) for tensor in self.parsed.inputs)
        graph.output.extend(named)
        self.proto.opset_import.extend([helper.make_opsetid("", OPSET)])
        self.proto.ir_version = 7  # opset 13's; ONNX Runtime refuses versions that are newer than itself
        return self.proto
