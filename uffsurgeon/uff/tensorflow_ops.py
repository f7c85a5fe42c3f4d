"""The UFF node that each TensorFlow operation becomes.

`OPERATIONS` maps the 69 TensorFlow operations that UFF has an operation for to (least inputs, most inputs, function). A
function gets the NodeDef, the ids of its inputs and the Conversion `to_uff` (converter.py); it adds one UFF node and returns
the ids to convert next, in TensorFlow's order. Any other operation becomes a custom node, "_" + op, which TensorRT looks up
among its plugins.

Layouts and kernels stay TensorFlow's: NHWC or NCHW as data_format says, kernels HWIO. The field `inputs_orders` tells the
parser what each dimension means.
"""
import warnings

from uffsurgeon import protobuf
from uffsurgeon.dtypes import UFF_OF_TENSORFLOW

from .schema import UffException

FORMATS = {"NHWC": "N+C", "NCHW": "NC+"}
ACTIVATIONS = "Relu Relu6 Tanh Sigmoid Elu Selu Softsign Softplus".split()
UNARY = "Neg Negative Abs Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Ceil Floor Sqrt Rsqrt Square Exp Log".split()
BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "RealDiv": "div",
          "Minimum": "min", "Maximum": "max", "Pow": "pow"}
VARIABLES = {"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "TemporaryVariable"}
NOT_NEGATIVE = {"Relu", "Relu6", "Sigmoid", "Softplus"}
OPERATIONS = {}


def operation(names, least, most=None):
    """Register a function for the operations in `names`, which have `least` to `most` inputs (default: exactly `least`)."""
    def register(function):
        for name in names.split():
            OPERATIONS[name] = (least, least if most is None else most, function)
        return function

    return register


_REQUIRED = object()


def attr(node, key, kind, default=_REQUIRED):
    """The value of an attribute of a NodeDef.

    kind: the field of AttrValue that it must be in, or "ints" for a list of int; "s" is returned as str.
    Raises UffException if it is in another, or is missing and there is no default.
    """
    if key not in node.attr and default is not _REQUIRED:
        return default
    value = node.attr[key] if key in node.attr else None
    found = value and value.WhichOneof("value")
    if found != {"ints": "list"}.get(kind, kind):
        raise UffException("node '%s' (%s) has no attribute '%s'%s" % (
            node.name, node.op, key, "" if value is None else " of type %s, but one of type %s" % (kind, found or "none")))
    if kind == "ints":
        return list(value.list.i)
    return value.s.decode("utf-8", "replace") if kind == "s" else getattr(value, kind)


def shape_of(const):
    """The shape of a Const NodeDef's values, a list of int."""
    return [dim.size for dim in attr(const, "value", "tensor").tensor_shape.dim]


def dtype(number, node, what="values"):
    """The uff.DataType number for a TensorFlow DataType number. what: the thing of that dtype, for the UffException."""
    if number not in UFF_OF_TENSORFLOW:
        names = {7: "strings", 14: "bfloat16"}
        name = protobuf.NUMPY[number].name if number in protobuf.NUMPY else names.get(
            number, "TensorFlow's DataType number %d" % number)
        raise UffException("node '%s' (%s) has %s of %s, which UFF cannot express: it has int8, int16, int32, int64, float16, "
                           "float32" % (node.name, node.op, what, name))
    return UFF_OF_TENSORFLOW[number]


@operation("Placeholder", 0, 1 << 30)
def _input(node, inputs, to_uff):
    # It has inputs if it replaces a collapsed namespace. They do not matter: its values are fed.
    sizes = [dim.size for dim in attr(node, "shape", "shape").dim] if "shape" in node.attr else []
    kind = dtype(attr(node, "dtype", "type"), node)
    return to_uff.add(node, "Input", [], dtype=("dtype", kind), shape=("i_list", sizes))


@operation("Const", 0)
def _const(node, inputs, to_uff):
    to_uff.add_const(node)
    return []


@operation("Identity Shape", 1)
@operation("Pad", 2)
def _alike(node, inputs, to_uff):
    return to_uff.add(node, node.op, inputs)


@operation(" ".join(BINARY), 2)
def _binary(node, inputs, to_uff):
    return to_uff.add(node, "Binary", inputs, func=("s", BINARY[node.op]))


@operation(" ".join(ACTIVATIONS), 1)
def _activation(node, inputs, to_uff):
    return to_uff.add(node, "Activation", inputs, func=("s", node.op.lower()))


@operation(" ".join(UNARY), 1)
def _unary(node, inputs, to_uff):
    func = "neg" if node.op == "Negative" else node.op.lower()
    return to_uff.add(node, "Unary", inputs, func=("s", func))


@operation("Softmax", 1, 2)
def _softmax(node, inputs, to_uff):
    axis = to_uff.number(node, inputs[1]) if len(inputs) > 1 else 0
    return to_uff.add(node, "Softmax", inputs[:1], axis=("i", axis), inputs_orders=("orders", _format(node)))


@operation("ExpandDims ArgMax ArgMin", 2)
def _axis(node, inputs, to_uff):
    axis = to_uff.number(node, inputs[1], "%s Axis node has op {op}, expected Const. The axis must be specified as a Const "
                     "node." % node.op)
    return to_uff.add(node, node.op, inputs[:1], axis=("i", axis))


@operation("Reshape", 2)
def _reshape(node, inputs, to_uff):
    scope = node.name.split("/")[-2:-1]
    if scope and "flatten" in scope[0].lower() and to_uff.rank(inputs[1]) in (2, None):
        print("DEBUG: convert reshape to flatten node")
        return to_uff.add(node, "Flatten", inputs[:1])
    return to_uff.add(node, "Reshape", inputs)


@operation("Transpose", 2)
def _transpose(node, inputs, to_uff):
    order = to_uff.integers(node, inputs[1], "Transpose permutation has op {op}, expected Const. Only "
                        "constant permuations are supported in UFF.")
    return to_uff.add(node, "Transpose", inputs[:1], permutation=("i_list", order.reshape(-1)))


@operation("Pack", 1, 1 << 30)
def _stack(node, inputs, to_uff):
    return to_uff.add(node, "Stack", inputs, axis=("i", attr(node, "axis", "i", 0)))


@operation("ConcatV2", 1, 1 << 30)
def _concat(node, inputs, to_uff):
    if "axis" in node.attr:
        return to_uff.add(node, "Concat", inputs, axis=("i", attr(node, "axis", "i")))
    axis = to_uff.number(node, inputs[-1])
    return to_uff.add(node, "Concat", inputs[:-1], axis=("i", axis))


@operation("MaxPool AvgPool", 1)
def _pool(node, inputs, to_uff):
    inputs, fields = _window(node, inputs, to_uff)
    fields["kernel"] = ("i_list", _height_width(node, "ksize"))
    return to_uff.add(node, "Pool", inputs, func=("s", node.op[:3].lower()),
                  inputs_orders=("orders", _format(node)), **fields)


@operation("LRN", 1)
def _lrn(node, inputs, to_uff):
    # As NVIDIA's converter writes it, though TensorFlow's LRN is NHWC and sums over 2 * depth_radius + 1 channels.
    return to_uff.add(node, "LRN", inputs, inputs_orders=("orders", "NC+"),
                  window_size=("i", attr(node, "depth_radius", "i")), k=("d", attr(node, "bias", "f")),
                  alpha=("d", attr(node, "alpha", "f")), beta=("d", attr(node, "beta", "f")))


@operation("MatMul", 2)
def _fully_connected(node, inputs, to_uff):
    orders = "CN_" if attr(node, "transpose_a", "b", False) else "NC_"
    orders += "KC" if attr(node, "transpose_b", "b", False) else "CK"
    return to_uff.add(node, "FullyConnected", inputs, inputs_orders=("orders", orders))


@operation("Conv2D", 2, 5)
def _conv(node, inputs, to_uff):
    orders = ("orders", _format(node) + "_+CK")
    if len(inputs) == 2:
        inputs, fields = _window(node, inputs, to_uff)
        return to_uff.add(node, "Conv", inputs, inputs_orders=orders, **fields)
    if len(inputs) != 5:
        raise UffException("node '%s' (Conv2D) has %d inputs, not 2" % (node.name, len(inputs)))
    # after graphsurgeon.extras.process_dilated_conv
    block, paddings, crops = [to_uff.integers(node, name) for name in inputs[2:]]
    if (block.shape, paddings.shape, crops.shape) != ((2,), (2, 2), (2, 2)):
        raise UffException("node '%s' (Conv2D) is dilated, but not over height and width" % node.name)
    padding = (paddings - crops).tolist()
    if any(before != after or before < 0 for before, after in padding):
        raise UffException("Asymmetric padding for dilated convolutions is currently unsupported in the UFF converter. "
                           "('%s' pads %s.)" % (node.name, padding))
    return to_uff.add(node, "Conv", inputs[:2], inputs_orders=orders,
                  strides=("i_list", _height_width(node, "strides")),
                  dilation=("i_list", block.tolist()),
                  padding=("i_list", [before for before, _ in padding]))


@operation("DepthwiseConv2dNative", 2)
def _depthwise(node, inputs, to_uff):
    kernel = shape_of(to_uff.const_node(node, inputs[1]))
    if len(kernel) != 4:
        raise UffException("node '%s' (%s) has a kernel of shape %s, not [H, W, C, M]" % (node.name, node.op, kernel))
    inputs, fields = _window(node, inputs, to_uff)
    return to_uff.add(node, "Conv", inputs, number_groups=("i", kernel[2]),
                  inputs_orders=("orders", _format(node) + "_+CK"), **fields)


@operation("Conv2DBackpropInput", 3)
def _conv_transpose(node, inputs, to_uff):
    output_shape, kernel, x = inputs
    _, fields = _window(node, [x], to_uff, fuse=False)
    if fields.pop("dilation", ("", [1, 1]))[1] != [1, 1]:
        raise UffException("node '%s' (%s) is dilated, and a ConvTranspose of UFF cannot be" % (node.name, node.op))
    to_uff.add(node, "ConvTranspose", [x, kernel, output_shape],
           inputs_orders=("orders", _format(node) + "_+KC"), **fields)
    return inputs


@operation("BiasAdd", 2)
def _bias_add(node, inputs, to_uff):
    bias = to_uff.const_node(node, inputs[1])
    size = shape_of(bias)
    shape = size if _format(node) == "N+C" else size + [1, 1]
    name = to_uff.add_const(bias, shape)
    if to_uff.shapes[bias.name] == shape:
        name = bias.name
    to_uff.add(node, "Binary", [inputs[0], name], func=("s", "add"))
    return inputs[:1]


@operation("FusedBatchNorm", 5)
def _batch_norm(node, inputs, to_uff):
    if attr(node, "is_training", "b", True):  # TensorFlow's default
        raise UffException("node '%s' (FusedBatchNorm) is in training mode and would ignore its mean "
                           "and variance; freeze the graph for inference" % node.name)
    return to_uff.add(node, "BatchNorm", inputs, epsilon=("d", attr(node, "epsilon", "f")),
                  inputs_orders=("orders", _format(node)))


@operation("StridedSlice", 4)
def _strided_slice(node, inputs, to_uff):
    for mask in ("ellipsis_mask", "new_axis_mask"):
        if attr(node, mask, "i", 0):
            raise UffException("%s not supported (node '%s'): write x[:, :, :, 0] for x[..., 0], and a Reshape for "
                               "tf.newaxis" % (mask, node.name))
    masks = ("begin_mask", "end_mask", "shrink_axis_mask")
    return to_uff.add(node, "StridedSlice", inputs, **{m: ("i", attr(node, m, "i", 0)) for m in masks})


@operation("Sum Prod Min Max Mean", 2)
def _reduce(node, inputs, to_uff):
    print("Warning: keepdims is ignored by the UFF Parser and defaults to True")
    axes = to_uff.integers(node, inputs[1]).reshape(-1)
    keep = attr(node, "keep_dims", "b", False)
    return to_uff.add(node, "Reduce", inputs[:1], func=("s", node.op.lower()), axes=("i_list", axes), keepdims=("b", keep))


@operation("Squeeze", 1)
def _squeeze(node, inputs, to_uff):
    return to_uff.add(node, "Squeeze", inputs, axes=("i_list", attr(node, "squeeze_dims", "ints", [])))


@operation("Gather", 2)
def _gather(node, inputs, to_uff):
    return to_uff.add(node, "Gather", inputs, **dict(
        _gather_types(node, "Tparams"), validate_indices=("b", attr(node, "validate_indices", "b", True))))


@operation("GatherV2", 3)
def _gather_v2(node, inputs, to_uff):
    axis = to_uff.number(node, inputs[2])
    return to_uff.add(node, "GatherV2", inputs[:2], axis=("i", axis), **_gather_types(node, "Tparams"))


@operation("ResourceGather", 2)
def _resource_gather(node, inputs, to_uff):
    return to_uff.add(node, "GatherV2", inputs, axis=("i", 0), **_gather_types(node, "dtype"))


def _gather_types(node, params):
    if attr(node, "batch_dims", "i", 0):
        raise UffException("node '%s' (%s) gathers per batch entry (batch_dims), which UFF cannot express" % (
            node.name, node.op))
    return {"indices_dtype": ("dtype", dtype(attr(node, "Tindices", "type"), node, "indices")),
            "params_dtype": ("dtype", dtype(attr(node, params, "type"), node))}


def _format(node):
    text = attr(node, "data_format", "s", "NHWC")
    if text not in FORMATS:
        raise UffException("node '%s' (%s) has data_format %s, not NHWC or NCHW" % (node.name, node.op, text))
    return FORMATS[text]


def _height_width(node, key):
    """[height, width] of an attribute with a number per axis, which must be 1 for batch and channels."""
    sizes = attr(node, key, "ints")
    if len(sizes) != 4:
        raise UffException("'%s' of node '%s' (%s) is %s, not four numbers" % (key, node.name, node.op, sizes))
    batch, channels, inner = (0, 3, sizes[1:3]) if _format(node) == "N+C" else (0, 1, sizes[2:])
    if (sizes[batch], sizes[channels]) != (1, 1):
        raise UffException("'%s' of node '%s' (%s) is %s: UFF moves over height and width only" % (
            key, node.name, node.op, sizes))
    return inner


def _window(node, inputs, to_uff, fuse=True):
    """(inputs, fields) of a convolution or pooling. fuse: a symmetric Pad before it becomes its padding."""
    fields = {"strides": ("i_list", _height_width(node, "strides"))}
    if "dilations" in node.attr:
        fields["dilation"] = ("i_list", _height_width(node, "dilations"))
    padding = attr(node, "padding", "s")
    if padding not in ("SAME", "VALID"):
        raise UffException("Padding mode %s not supported (node '%s')" % (padding, node.name))
    if padding == "SAME":
        fields["implicit_padding"] = ("s", "same")
    elif fuse:
        pad = to_uff.nodes[inputs[0]]
        sizes = _symmetric_pad(pad, node, to_uff)
        if sizes:
            fields["padding"] = ("i_list", sizes)
            inputs = [to_uff.source(pad, pad.input[0])] + inputs[1:]
            _warn_of_pad(node, to_uff.nodes[inputs[0]])
    return inputs, fields


def _symmetric_pad(pad, node, to_uff):
    """[height, width] that a Pad node adds on either side, or None if it pads other axes or the two sides differently."""
    paddings = to_uff.constant(pad, pad.input[1], required=False) if pad.op == "Pad" and len(pad.input) == 2 else None
    if paddings is None or paddings.shape != (4, 2):
        return None
    batch, channels = (0, 3) if _format(node) == "N+C" else (0, 1)
    if (paddings[:, 0] != paddings[:, 1]).any() or paddings[[batch, channels]].any():
        return None
    return [int(paddings[at, 0]) for at in range(4) if at not in (batch, channels)]


def _warn_of_pad(node, above):
    if node.op == "AvgPool":
        warnings.warn("'%s': TensorFlow counts the zeros of the Pad before it, a padded mean of TensorRT may not" % node.name)
    elif node.op == "MaxPool" and above.op not in NOT_NEGATIVE:
        warnings.warn("'%s': the Pad before it adds zeros, TensorRT's padded maximum ignores the border; they differ where all "
                      "of a window is negative" % node.name)


def custom_fields(node):
    """The attributes of a NodeDef as fields of a custom node: {name: (type in uff.Data, value)}.

    Raises UffException for one that UFF cannot express, unless it is TensorFlow's own (`_output_shapes`): these are left out.
    """
    fields = {}
    for key in sorted(node.attr):
        try:
            field = _custom_field(node, key)
        except UffException:
            if not key.startswith("_"):
                raise
            continue
        if field is not None:
            fields[key] = field
    return fields


def _custom_field(node, key):
    kind = node.attr[key].WhichOneof("value")
    value = getattr(node.attr[key], kind) if kind else None
    if kind == "list":
        found = value.ListFields()
        if not found:
            return None  # UFF has no list without an element type
        kind, value = found[0][0].name, list(found[0][1])
        plain = {"i": "i_list", "f": "d_list", "b": "b_list"}
        if kind == "s":
            return "s_list", [_text(node, key, data) for data in value]
        if kind == "type":
            return "dtype_list", [dtype(number, node, "attribute '%s'" % key) for number in value]
        kind = "list of " + kind if kind not in plain else kind
    else:
        plain = {"i": "i", "f": "d", "b": "b"}
        if kind == "s":
            return "s", _text(node, key, value)
        if kind == "type":
            return "dtype", dtype(value, node, "attribute '%s'" % key)
        if kind == "shape":
            return "i_list", [dim.size for dim in value.dim]
    if kind not in plain:
        raise UffException("Unsupported field type:%s ('%s' of node '%s', %s)" % (kind, key, node.name, node.op))
    return plain[kind], value


def _text(node, key, value):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UffException("attribute '%s' of node '%s' (%s) holds bytes that are not UTF-8: %r" % (
            key, node.name, node.op, value)) from None
