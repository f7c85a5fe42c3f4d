"""UFF to ONNX: `convert` reads the nodes of a .uff once, converts each after those that it reads, and finishes the model.

The graph computes what TensorFlow computed: inputs and outputs keep their names, shapes and layout (images NHWC). In between,
convolutions work on NCHW: there is one Transpose behind the input, and one where an operation needs TensorFlow's order of
axes, such as before a Flatten. (That one could be folded into the rows of the dense weights behind it. It moves 100 kB, and
without it the weights would no longer be those of the frozen graph.)

What a UFF has lost stays lost: half, double and int64 constants that NVIDIA's converter wrote empty, all but the first output
of a Split.
"""
import collections
import functools
import operator as operators

import numpy as np
from onnx import defs, numpy_helper

from uffsurgeon import files
from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException
from uffsurgeon.values import warn as warn_of_values

from . import axes, detection, elementwise, images, indexing, logic, matrices, nodes, resize, scatter, shapes, volumes  # noqa: F401
from .graph import HALF, Graph, Value
from .nodes import OPERATIONS, operation
from .plugins import CAN_WRITE_FUNCTIONS, custom, no_operation

OPSETS = range(13, 22)
MOST_AXES, MOST_ELEMENTS = 64, 1 << 62
SMALL = 64  # elements up to which an integer constant may belong to the calculation of a shape


def convert(uff, path=None, *, outputs=None, opset=13, batch=None, precision="fp32", plugins=None, plugin_ops=(),
            flatten_as="nhwc"):
    """Convert a UFF network to ONNX, for TensorRT from 8.0 on, TensorRT for RTX and ONNX Runtime.

        >>> model = convert("box3d.uff", "box3d.onnx")                            # any batch size, float32
        >>> half = convert("box3d.uff", "box3d.fp16.onnx", batch=1, precision="fp16")

    Args:
        uff: a .uff of NVIDIA's converter or of this package: a path, bytes, or a schema.MetaGraph.
        path: where to write the model, too.
        outputs: names of nodes to be outputs, each with the values that TensorFlow has there; any node will do, so that two
            networks can be compared layer by layer. By default the outputs that the UFF marks.
        opset: ONNX's, 13 to 21. TensorRT 8.0, ONNX Runtime 1.10 and all later ones read 13.
        batch: the first size of the inputs, where the UFF leaves it open. None leaves it open in ONNX.
        precision: "fp32", or "fp16" for mixed precision: convolutions and dense layers with float16 weights, while sums,
            roots, exponentials and softmax stay in float32, and inputs and outputs, too. TensorRT 11 and TensorRT for RTX
            have no FP16 flag and need this. With "fp32", what TensorFlow computes in float16 by itself (a Cast to float16, a
            mixed precision policy of Keras) is computed in float32 and rounded to float16 behind each node, as TensorFlow does.
        plugins: how L2Norm_TRT is written. "function": a node of domain "box3d" whose body is a model-local function, for
            ONNX Runtime, TensorRT for RTX and TensorRT from 9 on (from 10.7 on, a plugin of that name has priority).
            "inline": plain ONNX, which all of them read. "node": the node alone, for a TensorRT with the plugin loaded.
            By default "function" if the installed onnx can write it (1.10 can), else "inline".
        plugin_ops: names of operations of TensorFlow for which ONNX has nothing and a plugin of the same name exists. Nodes
            that graphsurgeon made as plugins need not be named.
        flatten_as: "nhwc", as TensorFlow does. "nchw" makes a wrong network, as an illustration of what an article of 2019
            describes for TensorRT 5.0.6: Flatten in NCHW order before dense weights that were trained on NHWC. No UffParser
            from 5.1.5 to 8.6.1 does this: they transpose first (measured). It concerns Flatten and not Reshape. Where it
            changes something, the model's doc_string says so.

    Returns:
        An onnx.ModelProto. Equal input gives equal bytes. Plugins become nodes of domain "box3d" with their fields as
        attributes: onnx.checker accepts them, but only a plugin of that name can run them. An input whose shape is declared
        [N, C, H, W] though the convolution that reads it is NHWC, as SSD recipes do for UffParser, stays [N, C, H, W].

    Raises:
        FileNotFoundError.
        ValueError, mostly UffException, with the node and the reason: for a wrong argument, for a file that is not sound UFF,
            has a cycle, or holds what ONNX cannot express: then with all operations that are left, and the way out.
    """
    _check_arguments(opset, batch, precision, plugins, flatten_as)
    plugin_ops = [plugin_ops] if isinstance(plugin_ops, str) else plugin_ops
    model = _model(nodes.read(uff, outputs), plugin_ops, opset=opset, half=precision == "fp16", batch=batch,
                   flatten_as=flatten_as, plugins=plugins or ("function" if CAN_WRITE_FUNCTIONS else "inline"))
    warn_of_values((tensor.name, numpy_helper.to_array(tensor)) for tensor in model.graph.initializer)
    if path is not None:
        with files.atomic(path) as temporary, open(str(temporary), "wb") as stream:
            for part in _encoded(model):
                stream.write(part)
    return model


def _encoded(model):
    """The bytes of model.SerializeToString in pieces, with each weight encoded by itself: that takes half the time."""
    weights = [b"\x2a" + schema.varint(len(data)) + data  # GraphProto: field 5, initializer
               for data in (weight.SerializeToString() for weight in model.graph.initializer)]
    first, last = [_fields(model.graph, numbers) for numbers in (range(5), range(6, 99))]
    size = len(first) + sum(map(len, weights)) + len(last)
    yield _fields(model, range(7)) + b"\x3a" + schema.varint(size) + first  # ModelProto: field 7, graph
    yield from weights
    yield last + _fields(model, range(8, 99))


def _fields(message, numbers):
    """The encoded fields of a message that have these numbers."""
    part = type(message)()
    for field, value in message.ListFields():
        if field.number in numbers and hasattr(value, "MergeFrom"):
            getattr(part, field.name).MergeFrom(value)
        elif field.number in numbers:
            setattr(part, field.name, value)
    return part.SerializeToString(deterministic=True)


def _check_arguments(opset, batch, precision, plugins, flatten_as):
    for name, value, allowed in (("opset", opset, OPSETS), ("precision", precision, ("fp32", "fp16")),
                                 ("plugins", plugins, (None, "function", "inline", "node")),
                                 ("flatten_as", flatten_as, ("nhwc", "nchw"))):
        if value not in allowed:
            raise ValueError("%s must be one of %s, not %r" % (name, ", ".join(map(repr, allowed)), value))
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ValueError("batch must be a positive int, or None to leave it open, not %r" % (batch,))
    if opset > defs.onnx_opset_version() or plugins == "function" and not CAN_WRITE_FUNCTIONS:
        raise ValueError("the installed onnx is too old for opset %d with plugins=%r; use opset 13 and plugins='inline'" % (
            opset, plugins))


def _model(network, plugin_ops, **settings):
    """The ModelProto of a Network; settings: those of `Graph`."""
    left = [node for node in network.nodes if node.operation not in OPERATIONS and node.is_tensorflow_s
            and node.operation[1:] not in plugin_ops]
    if left:
        raise UffException(no_operation(left))
    consumers = collections.Counter(network.outputs + [name for node in network.nodes for name in node.inputs])
    graph, values = Graph(network.names, network.outputs, consumers, network.channels_first, **settings), {}
    for node in network.nodes:
        if node.operation == "Const":
            graph.room += 10 * node.dtype("dtype").itemsize * functools.reduce(operators.mul, node.integers("shape"), 1)
    for node in network.nodes:
        try:
            values[node.name] = _convert(graph, node, [values[name] for name in node.inputs])
        except UffException as error:
            raise UffException("node '%s' (%s): %s" % (node.name, node.operation, error)) from None
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise UffException("node '%s' (%s) has fields or inputs that do not fit its operation (%s: %s)" % (
                node.name, node.operation, type(error).__name__, error)) from error
    return graph.finish(network.name, [values[name] for name in network.outputs])


def _convert(graph, node, inputs):
    """The Value of a node, from the Values of its inputs."""
    function, count = OPERATIONS.get(node.operation, (custom, None))
    if count is not None and len(inputs) < count:
        raise UffException("expected %d inputs, found %d" % (count, len(inputs)))
    if count is not None and len(inputs) > count and node.operation.endswith("_TRT"):
        raise UffException("reads %s, and the plugin takes %d input: cut the others in TensorFlow's graph, before its nodes "
                           "are collapsed. (The axis of an L2 normalization may be a constant that freezing has shared with "
                           "others; uffsurgeon.l2_normalize reads it and cuts it.)" % (
                               " and ".join("'%s'" % value.name for value in inputs), count))
    inputs = inputs[:count]  # an operation of TensorFlow's may have more: control inputs
    known = shapes.fold(node, inputs)
    if known is not None and known.dtype != object:
        dtype = shapes.dtype(node, inputs)
        return Value(node.name, known.shape, dtype, array=lambda: known.astype(dtype), known=known)
    if graph.half or function in (custom, OPERATIONS["_Cast"][0]) or not any(value.dtype == HALF for value in inputs):
        value = function(graph, node, *inputs)
    else:
        value = graph.in_float32(node, function, inputs)
    if (value.rank or 0) > MOST_AXES or any(isinstance(size, int) and size > MOST_ELEMENTS for size in value.shape or ()):
        raise UffException("the shape of its result has %d axes, at most %d are possible, and is %s" % (
            value.rank, MOST_AXES, list(value.shape)[:MOST_AXES]))
    value.known = value.known if known is None else known
    return value


@operation("Const", inputs=0)
def const(graph, node):
    value = Value(node.name, node.integers("shape"), node.dtype("dtype"), array=node.array)
    if value.dtype.kind == "i" and np.prod(value.shape) <= SMALL:
        value.known = value.array().astype(np.int64)
    return value


@operation("Input", inputs=0)
def model_input(graph, node):
    shape, dtype, batch = node.integers("shape"), node.dtype("dtype"), graph.batch
    given = node.dtype("input_type") if "input_type" in node.fields else dtype  # uint8 images, which UFF has as float32
    if min(shape, default=1) < -1:
        raise UffException("field 'shape' holds %s" % shape)
    if shape and batch not in (None, shape[0]) and shape[0] != -1:
        raise UffException("the shape is %s in this UFF, so the batch cannot become %d" % (shape, batch))
    if len(shape) > MOST_AXES:
        raise UffException("the shape has %d axes, at most %d are possible" % (len(shape), MOST_AXES))
    name = node.name if len(node.name) < 500 else None
    sizes = [name and "%s_%d" % (name, axis) if size == -1 else size for axis, size in enumerate(shape)]
    if shape and shape[0] == -1:
        sizes[0] = batch or "N"
    value = graph.input(node, sizes, given, node.name in graph.channels_first)
    if given == dtype:
        return value
    tensor = graph.intermediate(node, dtype.name, "Cast", [graph.tensor(value)], to=ONNX_OF_NUMPY[dtype])
    other = Value(node.name, value.shape, dtype, value.layout)
    other.tensors[other.layout, dtype] = tensor
    return other
