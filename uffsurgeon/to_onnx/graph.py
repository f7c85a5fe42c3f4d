"""An ONNX graph under construction, in which a tensor may exist in two layouts and two precisions.

TensorFlow's images are NHWC (channels last), ONNX's convolutions want NCHW (channels first). A
`Value` is what one UFF node gives. It is made once, in the layout its operation works in, and
`Graph.tensor` hands it out as the next operation needs it: through a Transpose or a Cast that is
made on first demand and shared by all who ask. So a chain of convolutions, biases, activations and
pools stays NCHW from end to end. Constants are laid out and rounded by NumPy, at export.
"""
import numpy as np
from onnx import ModelProto, helper

from uffsurgeon.uff.schema import UffException

TO_FIRST = (0, 3, 1, 2)  # NHWC -> NCHW
TO_LAST = (0, 2, 3, 1)  # NCHW -> NHWC; also: where each axis of NHWC lies in NCHW

FLOAT, HALF = np.dtype("<f4"), np.dtype("<f2")
# NumPy dtype -> onnx.TensorProto.DataType; onnx moved its own table between releases.
ONNX_TYPE = {FLOAT: 1, np.dtype("i1"): 3, np.dtype("<i2"): 5, np.dtype("<i4"): 6,
             np.dtype("<i8"): 7, HALF: 10}

# ONNX operators that opset 13 has for floating point only.
FLOATING = frozenset(
    "Relu Clip Tanh Sigmoid Elu Selu Softsign Softplus LeakyRelu Sin Cos Tan Asin Acos Atan Sinh Cosh "
    "Asinh Acosh Atanh Sqrt Reciprocal Exp Log Ceil Floor Round Erf Sum Conv ConvTranspose AveragePool "
    "MaxPool BatchNormalization LRN Softmax".split())


class Value:
    """What one UFF node gives, and the ONNX tensors that hold it.

    shape: TensorFlow's, in TensorFlow's order of axes: int, str for a size that only run time knows
        ("N" is the batch), None for an unknown one; or None when not even the rank is known.
    dtype: NumPy dtype of the tensor as first made.
    first: True when the tensor as first made is NCHW while TensorFlow's is NHWC.
    array: for a constant a function that reads it (weights are large, nobody keeps them).
    known: the elements of a small integer tensor as far as export knows them, as int, or as objects
        if sizes such as "N" are among them; else None.
    nonnegative: True when no element can be below 0.
    unbiased: of a layer that has no bias yet (NodeProto, channels, axes behind the channels).
    tensors: {(first, dtype): name of the ONNX tensor}.
    """

    def __init__(self, name, shape, dtype, first=False, array=None, known=None, nonnegative=False):
        self.name, self.dtype, self.first, self.array = name, dtype, first, array
        self.shape = None if shape is None else tuple(shape)
        self.known, self.nonnegative, self.unbiased, self.tensors = known, nonnegative, None, {}

    def alias(self, name):
        """The same tensors under another node's name."""
        other = Value(name, self.shape, self.dtype, self.first, self.array, self.known,
                      self.nonnegative)
        other.tensors = self.tensors
        return other

    @property
    def rank(self):
        """Number of axes, or None."""
        return None if self.shape is None else len(self.shape)


class Graph:
    """Collects ONNX nodes and initializers; `model` is filled in place, no weight is held twice.

    names: the ids of all UFF nodes.
    outputs: those whose tensor, equal to TensorFlow's, is to have that very name.
    half: compute as mixed precision does: `fast` operations (convolutions, dense layers) in float16,
        `precise` ones (sums, exponentials, roots) in float32, others in what they are given.
    half_io: inputs and outputs are float16 too.

    The other settings of a conversion are for the operations: `meta` (the MetaGraph, for references),
    `uses` ({node: how many read it}), `batch`, `nchw_input`, `plugins`, `flatten_nchw`; and
    `functions` {name: FunctionProto} is what they add to the model.
    """

    def __init__(self, names, outputs, opset, half=False, half_io=False):
        self.outputs, self.opset = frozenset(outputs), opset
        self.half, self.half_io = half, half_io
        self.model, self.nodes = ModelProto(), []
        self._tensor_names, self._node_names, self._shared = set(names), set(), {}
        self.meta, self.uses, self.functions = None, {}, {}
        self.batch, self.nchw_input, self.flatten_nchw, self.plugins = None, False, False, "inline"

    def fresh(self, name):
        """`name` for a tensor, or `name_1` and so on where a tensor or UFF node has that name."""
        return _unused(name, self._tensor_names)

    def _name(self, value, first, dtype):
        """The node's own name for what is made first; for an output, for what equals TensorFlow's."""
        if value.name in self.outputs:
            own = value.array is None and not first and dtype == self.border(value.dtype)
        else:
            own = not value.tensors
        if own:
            return value.name
        layout = "/nchw" if first else "/nhwc" if value.first else ""
        if dtype != value.dtype or not layout:
            layout += "/" + dtype.name
        return self.fresh(value.name + layout)

    def add(self, operator, inputs, output, name=None, domain="", **attributes):
        """Append an ONNX node with one output. Returns the NodeProto."""
        name = _unused(name or output, self._node_names)
        node = helper.make_node(operator, inputs, [output], name, domain=domain)
        node.attribute.extend(helper.make_attribute(*pair) for pair in sorted(attributes.items()))
        self.nodes.append(node)
        return node

    def step(self, operator, inputs, name, **attributes):
        """Append a node on the way to another; returns the name of its tensor, made from `name`."""
        return self.add(operator, inputs, self.fresh(name), **attributes).output[0]

    def emit(self, name, operator, inputs, shape, dtype, first=False, nonnegative=False,
             **attributes):
        """Append the ONNX node that computes the UFF node `name`; returns its Value."""
        if operator in FLOATING and dtype.kind != "f":
            raise UffException("node '%s': ONNX has %s for floating point only, and '%s' is %s" % (
                name, operator, inputs[0], dtype))
        value = self._made(Value(name, shape, dtype, first, nonnegative=nonnegative))
        self.add(operator, inputs, value.tensors[first, dtype], name, **attributes)
        return value

    def _made(self, value):
        value.tensors[value.first, value.dtype] = self._name(value, value.first, value.dtype)
        return value

    def inline(self, name, body, tensor, shape, dtype, first=False):
        """Append nodes that lead from a tensor "x" to a tensor "y" as what computes the UFF node."""
        value = self._made(Value(name, shape, dtype, first))
        tensors = {"x": tensor, "y": value.tensors[first, dtype]}
        for node in body:
            if node.op_type == "Constant":
                given = helper.get_attribute_value(node.attribute[0])
                array = np.array(given, FLOAT if isinstance(given, float) else "<i8")
                tensors[node.output[0]] = self.constant("%s/%s" % (name, node.output[0]), array)
                continue
            if node.output[0] != "y":
                tensors[node.output[0]] = self.fresh("%s/%s" % (name, node.output[0]))
            node.output[0] = tensors[node.output[0]]
            node.input[:] = [tensors[each] for each in node.input]
            node.name = _unused(node.output[0], self._node_names)
            self.nodes.append(node)
        return value

    def take_over(self, node, name, value):
        """Let the ONNX `node` that computed `value` compute the UFF node `name`; returns its Value."""
        other = self._made(Value(name, value.shape, value.dtype, value.first))
        node.output[0] = other.tensors[other.first, other.dtype]
        return other

    def constant(self, name, array):
        """Name of an initializer with these few values; equal ones are stored once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = self._store(self.fresh(name), array)
        return self._shared[key]

    def _store(self, name, array):
        tensor = self.model.graph.initializer.add(
            name=name, data_type=ONNX_TYPE[array.dtype], raw_data=array.tobytes())
        tensor.dims.extend(array.shape)
        return name

    def declare(self, kind, name, dtype, shape):
        """Declare a graph "input" or "output"; a size that is no int stays open, under its name."""
        tensor = getattr(self.model.graph, kind).add(name=name).type.tensor_type
        tensor.elem_type = ONNX_TYPE[dtype]
        if shape is not None:
            tensor.shape.SetInParent()
            for size in shape:
                if isinstance(size, int):
                    tensor.shape.dim.add(dim_value=size)
                else:
                    tensor.shape.dim.add(**{"dim_param": size} if size else {})

    def tensor(self, value, first=None, dtype=None):
        """Name of the tensor with `value`, as NCHW (`first`) or as TensorFlow has it, in `dtype`.

        By default as it was made. Only tensors of four axes (and constants broadcast to them) have
        a layout, for others `first` is ignored; so is a `dtype` of another kind.
        """
        first = value.first if first is None else first
        if value.array is None:
            first = first and value.rank in (None, 4)
        else:
            first = first and value.rank > 0
        if dtype is None or dtype.kind != value.dtype.kind:
            dtype = value.dtype
        if (first, dtype) not in value.tensors:
            name = self._name(value, first, dtype)
            if value.array is not None:
                array = _channels_first(value.array()) if first else value.array()
                self._store(name, _rounded(value.name, array, dtype))
            elif dtype != value.dtype:
                source = self.tensor(value, first, value.dtype)
                self.add("Cast", [source], name, name + "/Cast", to=ONNX_TYPE[dtype])
            else:
                source = self.tensor(value, not first)
                self.add("Transpose", [source], name, name + "/Transpose",
                         perm=TO_FIRST if first else TO_LAST)
            value.tensors[first, dtype] = name
        return value.tensors[first, dtype]

    def weights(self, value, perm, dtype, shape=None):
        """Name of the tensor with the weights in `value`, axes in order `perm`, then as `shape`."""
        key = (tuple(perm), shape, dtype)
        if key in value.tensors:
            return value.tensors[key]
        if value.array is not None:
            used = value.tensors or value.name in self.outputs
            name = self.fresh(value.name + "/weights") if used else value.name
            array = value.array().transpose(perm)
            array = array if shape is None else array.reshape(shape)
            self._store(name, _rounded(value.name, array, dtype))
        else:
            name = self.step("Transpose", [self.tensor(value, False, dtype)],
                             value.name + "/weights", perm=perm)
            if shape is not None:
                target = self.constant(value.name + "/shape", np.array(shape, "<i8"))
                name = self.step("Reshape", [name, target], value.name + "/weights")
        value.tensors[key] = name
        return name

    def first(self, *values):
        """True if an operation that works in any layout should take NCHW: one is, and all can be."""
        possible = all(value.rank in (0, 4) or value.array is not None and value.rank < 4
                       for value in values)
        return possible and any(value.first for value in values)

    def along(self, value, axes, drop=False):
        """Where TensorFlow's `axes` (may be negative) lie: (axes, layout to ask for, result's layout).

        drop: the operation removes these axes; what is left must be in TensorFlow's order.
        Raises UffException for an axis that `value` has not.
        """
        if value.rank is None:
            return list(axes), False, False
        for axis in axes:
            if not -value.rank <= axis < value.rank:
                raise UffException("'%s' has the shape %s and no axis %d" % (
                    value.name, list(value.shape), axis))
        axes = [axis % value.rank for axis in axes]
        left = [axis for axis in TO_FIRST if axis not in axes]
        if not value.first or drop and left != sorted(left):
            return axes, False, False
        return [TO_LAST[axis] for axis in axes], True, not drop

    def border(self, dtype):
        """The dtype in which a tensor enters or leaves the model."""
        return (HALF if self.half_io else FLOAT) if self.half and dtype.kind == "f" else dtype

    def fast(self, value):
        """The dtype for an operation that gains from float16 and stands it."""
        return HALF if self.half and value.dtype.kind == "f" else value.dtype

    def precise(self, value):
        """The dtype for an operation that float16 would spoil: it ends at 65504 and at 6e-8."""
        return FLOAT if self.half and value.dtype.kind == "f" else value.dtype

    def common(self, *values):
        """The dtype for an operation on several: the widest; constants follow where they fit.

        Raises UffException when integers and floating point meet.
        """
        if len({value.dtype.kind for value in values}) > 1:
            raise UffException("integers and floating point meet: %s" % ", ".join(
                "'%s' is %s" % (value.name, value.dtype) for value in values))
        leading = [value.dtype for value in values
                   if value.array is None or not self.half or not _fits_half(value)]
        return max(leading or [values[0].dtype], key=lambda dtype: dtype.itemsize)

    def finish(self, outputs):
        """Put what the outputs need into the model; returns the operator domains in use, a set."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                kept.append(node)
                needed.update(node.input)
        graph = self.model.graph
        graph.node.extend(reversed(kept))
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name not in needed:
                del graph.initializer[index]
        return {node.domain for node in kept}


def _unused(name, taken):
    unique, count = name, 0
    while unique in taken:
        count += 1
        unique = "%s_%d" % (name, count)
    taken.add(unique)
    return unique


def _channels_first(array):
    """A constant that is broadcast against NHWC, so that it is broadcast against NCHW."""
    return array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_FIRST)


def _rounded(name, array, dtype):
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    if np.isinf(result).any() and np.isfinite(array).all():
        raise UffException("constant '%s' holds %g, and float16 ends at 65504: convert with "
                           "precision='fp32'" % (name, np.abs(array).max()))
    return result


def _fits_half(value):
    """True unless float16 makes of a constant infinity, or 0 as of a normalisation's 1e-12."""
    array, limits = value.array(), np.finfo(HALF)
    largest = np.abs(array).max() if array.size and value.dtype.kind == "f" else 0
    return largest == 0 or limits.tiny <= largest <= limits.max
