"""An ONNX graph under construction, in which one tensor may exist in two layouts and two precisions.

TensorFlow's images are NHWC, ONNX's convolutions take NCHW. A `Value` is the result of one UFF node. It is computed once, in
the layout that its operation works in. `Graph.tensor` gives it to the next operation as that needs it, through a Transpose or
a Cast that is added when it is asked for first and then shared. So a chain of convolutions, biases, activations and pools
stays NCHW from end to end. Constants are transposed and rounded by NumPy, at export.
"""
import collections

import numpy as np
from onnx import ModelProto, helper

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.names import unused
from uffsurgeon.uff.schema import UffException

# The layouts of a tensor. TENSORFLOW: its axes are in the order in which TensorFlow has them, whatever they mean.
# NCHW: TensorFlow has it as NHWC, and the ONNX tensor is its transpose. A tensor without four axes is TENSORFLOW.
TENSORFLOW, NCHW = "tensorflow", "nchw"
TO_NCHW = (0, 3, 1, 2)  # the permutation NHWC -> NCHW
TO_NHWC = (0, 2, 3, 1)  # NCHW -> NHWC; also: where each axis of NHWC lies in NCHW

FLOAT, HALF, BOOL = np.dtype("<f4"), np.dtype("<f2"), np.dtype("?")
INT32, INT64 = np.dtype("<i4"), np.dtype("<i8")
IR_VERSIONS = {13: 7, 14: 7, 19: 9, 20: 9, 21: 10}  # by opset, else 8: onnx's Versioning.md

# ONNX operators that opset 13 defines for floating point only.
FLOATING = frozenset(
    "Relu Clip Tanh Sigmoid Elu Selu Softsign Softplus LeakyRelu Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Sqrt "
    "Reciprocal Exp Log Ceil Floor Round Erf Sum Conv ConvTranspose AveragePool MaxPool BatchNormalization LRN Softmax".split())

MOST = 40 << 20  # bytes of a constant that is made for a node
ROOM = 64 << 20  # bytes that a network's initializers may take beyond ten times its weights

Layer = collections.namedtuple("Layer", "proto channels trailing")
Layer.__doc__ = """A Conv, ConvTranspose or Gemm without a bias: its NodeProto, its output channels, and how many axes of
TensorFlow's tensor come after the channels."""


class Value:
    """The result of one UFF node, and the ONNX tensors that hold it.

    name: the node's.
    shape: TensorFlow's, in TensorFlow's order of axes. A size is an int, a str if it is known only at run time ("N" is the
        batch), None if it is unknown; the shape is None when even the rank is unknown.
    dtype: NumPy dtype of the tensor as it was first computed.
    layout: TENSORFLOW or NCHW, of that tensor.
    array: of a constant a function that reads it; else None.
    known: the elements of a small integer tensor as far as they are known at export, as an array of int64, or of objects
        if sizes such as "N" are among them; else None.
    nonnegative: True when no element can be below 0.
    awaits_bias: the `Layer` whose result this is, as long as it has no bias; else None.
    tensors: {(layout, dtype): name of the ONNX tensor}.
    """

    def __init__(self, name, shape, dtype, layout=TENSORFLOW, array=None, known=None, nonnegative=False):
        self.name, self.dtype, self.layout, self.array = name, dtype, layout, array
        self.shape = None if shape is None else tuple(shape)
        self.known, self.nonnegative, self.awaits_bias, self.tensors = known, nonnegative, None, {}

    def alias(self, name):
        """The same tensors as the result of another node."""
        other = Value(name, self.shape, self.dtype, self.layout, self.array, self.known, self.nonnegative)
        other.tensors = self.tensors
        return other

    @property
    def rank(self):
        """Number of axes, or None."""
        return None if self.shape is None else len(self.shape)

    @property
    def numbers(self):
        """`known` if all of it are numbers, else None."""
        return None if self.known is None or self.known.dtype == object else self.known

    def locate(self, axes, removes=False):
        """Where some of TensorFlow's axes (negative ones count from the end) lie in the ONNX tensor.

        removes: the operation removes these axes; the axes that are left must be in TensorFlow's order.
        Returns (axes in ONNX, layout to ask `Graph.tensor` for, layout of the operation's result).
        Raises UffException for an axis that the value does not have.
        """
        if self.rank is None:
            return list(axes), TENSORFLOW, TENSORFLOW
        for axis in axes:
            if not -self.rank <= axis < self.rank:
                raise UffException("'%s' has the shape %s and no axis %d" % (self.name, list(self.shape), axis))
        axes = [axis % self.rank for axis in axes]
        left = [axis for axis in TO_NCHW if axis not in axes]
        if self.layout != NCHW or removes and left != sorted(left):
            return axes, TENSORFLOW, TENSORFLOW
        return [TO_NHWC[axis] for axis in axes], NCHW, TENSORFLOW if removes else NCHW


def common_layout(*values):
    """The layout for an operation that works in any: NCHW if one of the values is and all of them can be."""
    possible = all(value.rank in (0, 4) or value.array is not None and value.rank < 4 for value in values)
    return NCHW if possible and any(value.layout == NCHW for value in values) else TENSORFLOW


class Graph:
    """Collects ONNX nodes and initializers; `finish` makes them a model.

    names: of all UFF nodes; no tensor in between gets one of these.
    outputs: names of the nodes whose tensors, equal to TensorFlow's, are to have those very names.
    consumers: {name of a node: number of inputs and outputs that read it}.
    channels_first: names of the inputs that are declared [N, C, H, W] and read as [N, H, W, C].
    opset: ONNX's.
    half: mixed precision, see `lower_precision`.
    batch, plugins, flatten_as: as `convert` describes them, for the operations.
    functions: {name: FunctionProto} that the operations add to the model.
    """

    def __init__(self, names, outputs, consumers, channels_first, opset, half, batch, plugins, flatten_as):
        self.outputs, self.consumers, self.opset, self.half = frozenset(outputs), consumers, opset, half
        self.channels_first = channels_first
        self.batch, self.plugins, self.flatten_as, self.functions = batch, plugins, flatten_as, {}
        self.model, self.protos = ModelProto(), []
        self._tensor_names, self._node_names, self._constants = set(names), set(), {}
        self._intermediates = set()
        self.room = ROOM  # bytes that are left for initializers
        self.claimed = 0  # bytes of the constants that were made

    # Precision. The rules are those of automatic mixed precision: some operations run in lower precision, some in full
    # precision, and all others in the widest dtype of their inputs.

    def lower_precision(self, value):
        """The dtype for convolutions and matrix products: float16 in mixed precision."""
        return HALF if self.half and value.dtype.kind == "f" else value.dtype

    def full_precision(self, value):
        """The dtype for sums, roots, exponentials, and for inputs and outputs: float32, as float16 ends at 65504 and 6e-8."""
        return FLOAT if self.half and value.dtype.kind == "f" else value.dtype

    def widest(self, *values):
        """The dtype for an operation on several values: the widest of them; constants follow where float16 can hold them.

        Raises UffException for integers beside floating point.
        """
        if len({value.dtype.kind for value in values}) > 1:
            raise UffException("integers and floating point cannot be combined: %s" % ", ".join(
                "'%s' is %s" % (value.name, value.dtype) for value in values))
        leading = [value.dtype for value in values if value.array is None or not self.half or not _fits_half(value)]
        return max(leading or [values[0].dtype], key=lambda dtype: dtype.itemsize)

    def in_float32(self, node, function, inputs):
        """The Value of a UFF node that TensorFlow computes in float16, by an operation's function: float32, then rounded.

        ONNX Runtime has no float16 arithmetic on a CPU. It takes float32 by itself, but leaves out the rounding in between
        (1.10 leaves out this one, too).
        """
        value = function(self, node.renamed(self._unused(node.name + "/unrounded")), *map(self._widened, inputs))
        if value.dtype != FLOAT:  # indices, bools
            return self.renamed(node, self.tensor(value), value.shape, value.dtype, value.layout, value.nonnegative)
        return self.emit(node, "Cast", [self.tensor(value)], value.shape, HALF, value.layout, value.nonnegative,
                         to=ONNX_OF_NUMPY[HALF])

    def _widened(self, value):
        """A float16 Value as float32; any other as it is."""
        if value.dtype != HALF:
            return value
        wide = Value(value.name + "/float32", value.shape, FLOAT, value.layout, None, value.known, value.nonnegative)
        if value.array is None:
            wide.tensors[wide.layout, FLOAT] = self.tensor(value, value.layout, FLOAT)
        else:
            wide.name, wide.array = self._unused(wide.name), lambda: value.array().astype(FLOAT)
        return wide

    # Tensors

    def tensor(self, value, layout=None, dtype=None):
        """Name of the tensor that holds `value` in a layout and a dtype; by default as it was first computed.

        Only tensors of four axes, and constants that are broadcast to them, exist in two layouts: for others `layout` is
        ignored. So is a `dtype` of another kind than the value's (float, integer).
        """
        layout = layout or value.layout
        if value.rank == 0 or value.rank not in (None, 4) and value.array is None:
            layout = TENSORFLOW
        if dtype is None or dtype.kind != value.dtype.kind:
            dtype = value.dtype
        if (layout, dtype) not in value.tensors:
            name = self._name(value, layout, dtype)
            if value.array is not None:
                array = value.array()
                if layout == NCHW:
                    array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_NCHW)
                self._store(name, _rounded(value.name, array, dtype))
            elif dtype != value.dtype:
                self._append("Cast", [self.tensor(value, layout, value.dtype)], name, name + "/Cast", to=ONNX_OF_NUMPY[dtype])
            else:
                source = self.tensor(value, TENSORFLOW if layout == NCHW else NCHW)
                self._append("Transpose", [source], name, name + "/Transpose", perm=TO_NCHW if layout == NCHW else TO_NHWC)
            value.tensors[layout, dtype] = name
        return value.tensors[layout, dtype]

    def weights(self, value, perm, dtype, shape=None):
        """Name of the tensor with the weights in `value`, its axes permuted by `perm`, then reshaped to `shape`."""
        key = (tuple(perm), shape, dtype)
        if key in value.tensors:
            return value.tensors[key]
        if value.array is not None:
            taken = value.tensors or value.name in self.outputs
            name = self._unused(value.name + "/weights") if taken else value.name
            array = value.array().transpose(perm)
            self._store(name, _rounded(value.name, array if shape is None else array.reshape(shape), dtype))
        elif shape is None:
            name = self._unused(value.name + "/weights")
            self._append("Transpose", [self.tensor(value, TENSORFLOW, dtype)], name, perm=perm)
        else:
            raise UffException("the weights '%s' must be a constant" % value.name)
        value.tensors[key] = name
        return name

    def claim(self, what, elements):
        """Raise UffException unless a constant of so many elements, which a node asks for with a few bytes, may be made."""
        self.claimed += 4 * elements
        if not 4 * elements <= min(MOST, self.room) or self.claimed > 3 * MOST:
            raise UffException("%s takes %.0f MB; at most %d MB are made for a node, and %d MB for a network" % (
                what, 4 * elements / 1e6, MOST // 1000000, 3 * MOST // 1000000))

    def constant(self, name, array):
        """Name of an initializer with these few values; equal ones are stored once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._store(self._unused(name), array)
        return self._constants[key]

    def integers(self, node, name, values):
        """Name of an initializer with int64 values, called after the node and `name`."""
        return self.constant("%s/%s" % (node.name, name), np.array(values, INT64))

    # Nodes

    def emit(self, node, operator, inputs, shape, dtype, layout=TENSORFLOW, nonnegative=False, **attributes):
        """Append the ONNX node that gives the result of a UFF node.

        inputs: names of tensors. shape: TensorFlow's. dtype, layout: of the result. Returns its Value.
        """
        if operator in FLOATING and dtype.kind != "f":
            raise UffException("ONNX has %s for floating point only, and '%s' is %s" % (operator, inputs[0], dtype))
        value = self._result(Value(node.name, shape, dtype, layout, nonnegative=nonnegative))
        self._append(operator, inputs, value.tensors[layout, dtype], node.name, **attributes)
        return value

    def intermediate(self, node, name, operator, inputs, **attributes):
        """Append an ONNX node that computes something on the way to a UFF node's result; returns its tensor's name."""
        tensor = self._append(operator, inputs, self._unused("%s/%s" % (node.name, name)), **attributes).output[0]
        self._intermediates.add(tensor)
        return tensor

    def several(self, node, operator, inputs, count, **attributes):
        """Append an ONNX node with so many results; returns the names of the tensors."""
        proto = self._append(operator, inputs, self._unused(node.name + "/result"), **attributes)
        proto.output.extend(self._unused(node.name + "/result") for _ in range(count - 1))
        return list(proto.output)

    def reduced(self, node, operator, tensor, axes, keep):
        """Name of a tensor reduced along axes by ReduceMax or another of ONNX's; ReduceSum has its own form up to opset 17."""
        if operator == "ReduceSum" or self.opset >= 18:
            return self.intermediate(node, operator, operator, [tensor, self.integers(node, "axes", axes)], keepdims=int(keep))
        return self.intermediate(node, operator, operator, [tensor], axes=axes, keepdims=int(keep))

    def renamed(self, node, tensor, shape, dtype, layout=TENSORFLOW, nonnegative=False):
        """The Value of a UFF node whose result is an intermediate tensor: that gets the name of the node."""
        value = Value(node.name, shape, dtype, layout, nonnegative=nonnegative)
        if tensor in self._intermediates and self.protos[-1].output[0] == tensor:
            self._intermediates.remove(tensor)
            self.protos[-1].output[0] = self._result(value).tensors[layout, dtype]
        else:
            value.tensors[layout, dtype] = tensor
        return value

    def add_bias(self, node, layer, bias):
        """Let the ONNX node that computed `layer` add the constant `bias`, and so compute `node`; returns the Value of that."""
        proto, channels, _ = layer.awaits_bias
        proto.input.append(self.weights(bias, range(bias.rank), layer.dtype, (channels,)))
        value = self._result(Value(node.name, layer.shape, layer.dtype, layer.layout))
        proto.output[0] = value.tensors[value.layout, value.dtype]
        return value

    def input(self, node, shape, dtype, channels_first=False):
        """Declare an input of the model; returns its Value.

        channels_first: the shape is [N, C, H, W], and the nodes that read it take it for [N, H, W, C].
        """
        value = Value(node.name, shape, dtype)
        value.dtype = self.full_precision(value)
        self._declare(self.model.graph.input, value)
        if channels_first:
            value.layout, value.shape = NCHW, tuple(shape[axis] for axis in TO_NHWC)
        value.tensors[value.layout, value.dtype] = node.name
        return value

    def finish(self, name, outputs):
        """The ModelProto with a graph of that name and these Values as outputs."""
        model, graph = self.model, self.model.graph
        for value in outputs:
            dtype = self.full_precision(value)
            tensor = self.tensor(value, TENSORFLOW, dtype)
            if tensor != value.name:
                self._append("Identity", [tensor], value.name)
            self._declare(graph.output, Value(value.name, value.shape, dtype))
        needed, domains = {value.name for value in outputs}, {""}
        for proto in reversed(self.protos):
            if not needed.isdisjoint(proto.output):
                needed.update(proto.input)
        graph.node.extend(proto for proto in self.protos if not needed.isdisjoint(proto.output))
        domains.update(proto.domain for proto in graph.node)
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name not in needed:
                del graph.initializer[index]
        model.producer_name, graph.name = "uffsurgeon", name or "main"
        model.ir_version = IR_VERSIONS.get(self.opset, 8)
        if self.functions:
            model.ir_version = max(8, model.ir_version)
            model.functions.extend(self.functions.values())
        model.opset_import.extend(helper.make_opsetid(domain, 1 if domain else self.opset) for domain in sorted(domains))
        return model

    def _append(self, operator, inputs, output, name=None, domain="", **attributes):
        name = unused(name or output, self._node_names)
        self.protos.append(helper.make_node(operator, inputs, [output], name, domain=domain, **attributes))
        return self.protos[-1]

    def _result(self, value):
        """`value` with a name for its tensor."""
        value.tensors[value.layout, value.dtype] = self._name(value, value.layout, value.dtype)
        return value

    def _name(self, value, layout, dtype):
        """The node's own name for the tensor made first; of an output, for the tensor that equals TensorFlow's."""
        if value.name in self.outputs:
            own = value.array is None and layout == TENSORFLOW and dtype == self.full_precision(value)
        else:
            own = not value.tensors
        if own:
            return value.name
        ending = "/nchw" if layout == NCHW else "/nhwc" if value.layout == NCHW else ""
        if dtype != value.dtype or not ending:
            ending += "/" + dtype.name
        return self._unused(value.name + ending)

    def _unused(self, name):
        return unused(name, self._tensor_names)

    def _store(self, name, array):
        self.room -= array.nbytes
        if self.room < 0:
            raise UffException("the initializers take over ten times the weights of this UFF and %d MB: store what nodes "
                               "read in other shapes as a Const for each" % (ROOM // 1000000))
        tensor = self.model.graph.initializer.add(name=name, data_type=ONNX_OF_NUMPY[array.dtype], raw_data=array.tobytes())
        tensor.dims.extend(array.shape)
        return name

    def _declare(self, infos, value):
        """Add the input or output that holds `value` to `infos`; sizes that are not an int stay open."""
        infos.extend([helper.make_tensor_value_info(value.name, ONNX_OF_NUMPY[value.dtype], value.shape)])


def _rounded(name, array, dtype):
    """`array` as `dtype`. UffException where float16 has no number for a value."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    if np.isinf(result).any() and np.isfinite(array).all():
        raise UffException("constant '%s' holds %g, and float16 ends at 65504: convert with precision='fp32'" % (
            name, np.abs(array).max()))
    return result


def _fits_half(value):
    """True unless float16 rounds a constant to infinity, or to 0 like the 1e-12 of a normalization."""
    array, limits = value.array(), np.finfo(HALF)
    largest = np.abs(array).max() if array.size and value.dtype.kind == "f" else 0
    return largest == 0 or limits.tiny <= largest <= limits.max
