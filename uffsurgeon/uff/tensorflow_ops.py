"""The UFF node that each TensorFlow operation becomes.

`OPERATIONS` maps the TensorFlow operations that UFF has an operation for to (least inputs, most inputs, function): the 69 of
NVIDIA's converter; AddV2, FusedBatchNormV2 and V3, which newer versions of TensorFlow write for Add and FusedBatchNorm; and
those that do nothing. A function gets the NodeDef, the ids of its inputs and the Conversion `to_uff` (converter.py); it adds
one UFF node and returns the ids to convert next, in TensorFlow's order. Any other operation becomes a custom node, "_" + op,
which TensorRT looks up among its plugins.

Layouts and kernels stay TensorFlow's: NHWC or NCHW as data_format says, kernels HWIO. The field `inputs_orders` tells the
parser what each dimension means.
"""
import warnings

from uffsurgeon.names import producer
from uffsurgeon.protobuf import NUMPY

from . import sizes
from .attributes import attr, dtype, shape_of
from .schema import UffException

FORMATS = {"NHWC": "N+C", "NCHW": "NC+"}
ACTIVATIONS = "Relu Relu6 Tanh Sigmoid Elu Selu Softsign Softplus".split()
UNARY = "Neg Negative Abs Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Ceil Floor Sqrt Rsqrt Square Exp Log".split()
BINARY = {"Add": "add", "AddV2": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "RealDiv": "div",
          "Minimum": "min", "Maximum": "max", "Pow": "pow"}
VARIABLES = {"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp", "TemporaryVariable"}
PASSES_ON = set("StopGradient PreventGradient CheckNumerics CheckNumericsV2 PlaceholderWithDefault EnsureShape Snapshot "
                "IdentityN".split())  # operations whose outputs are their inputs
SEVERAL_OUTPUTS = {"Split", "SplitV", "Unpack", "TopKV2", "Unique"}  # a node for each output that is read
NOT_NEGATIVE = {"Relu", "Relu6", "Sigmoid", "Softplus"}
INFERENCE = ("in TensorFlow 1, keras.backend.set_learning_phase(0) before the model is built or loaded, or is_training=False; "
             "in TensorFlow 2, model(x, training=False)")
OPERATIONS = {}


def output_of(node, index):
    """A NodeDef for another output of one of SEVERAL_OUTPUTS: named "split:1", with an attribute that says which it is."""
    other = type(node)()
    other.CopyFrom(node)
    other.name, other.attr["output"].i = "%s:%d" % (node.name, index), index
    return other


def operation(names, least, most=None):
    """Register a function for the operations in `names`, which have `least` to `most` inputs (default: exactly `least`)."""
    def register(function):
        for name in names.split():
            OPERATIONS[name] = (least, least if most is None else most, function)
        return function

    return register


@operation("Placeholder", 0, 1 << 30)
def _input(node, inputs, to_uff):
    # It has inputs if it replaces a collapsed namespace. They do not matter: its values are fed.
    shape = [dim.size for dim in attr(node, "shape", "shape").dim] if "shape" in node.attr else []
    if "dtype" not in node.attr:
        print("Warning: input '%s' has no dtype and becomes float32. create_node(..., dtype=tf.float32) says so." % node.name)
    number = attr(node, "dtype", "type", 1)
    to_uff.add(node, "Input", [], dtype=("dtype", dtype(1 if node.name in to_uff.cast else number, node)),
               shape=("i_list", shape))
    if node.name in to_uff.cast:
        name = NUMPY[number].name
        print("Warning: input '%s' is %s, which UFF does not have, and becomes float32, as the Cast behind it makes it. Feed a "
              "TensorRT engine the same numbers as float32; in ONNX it is %s." % (node.name, name, name))
        to_uff.graph.nodes[-1].extra_fields["input_type"].s = name
    return inputs


@operation("Const", 0)
def _const(node, inputs, to_uff):
    to_uff.add_const(node)
    return []


@operation(" ".join(sorted(PASSES_ON)), 1, 1 << 30)
def _identity(node, inputs, to_uff):
    return to_uff.add(node, "Identity", inputs[:1])


@operation("Identity Shape", 1)
@operation("Pad", 2)
def _alike(node, inputs, to_uff):
    to_uff.add(node, node.op, inputs)
    if node.op == "Shape":
        _keep_type(node, to_uff, "out_type", 3)
    return inputs


def _keep_type(node, to_uff, key, default):
    """Write a type that TensorFlow does not take by default beside the fields: UFF has none for it, and NVIDIA's converter
    loses it."""
    if attr(node, key, "type", default) != default:
        to_uff.graph.nodes[-1].extra_fields["output_type"].dtype = dtype(attr(node, key, "type"), node, "indices")


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
    to_uff.add(node, node.op, inputs[:1], axis=("i", axis))
    if node.op != "ExpandDims":
        _keep_type(node, to_uff, "output_type", 9)
    return inputs[:1]


@operation("Reshape", 2)
def _reshape(node, inputs, to_uff):
    scope = node.name.split("/")[-2:-1]
    if scope and "flatten" in scope[0].lower() and to_uff.rank(inputs[1]) in (2, None) and _flattens(node, inputs, to_uff):
        print("DEBUG: convert reshape to flatten node")
        return to_uff.add(node, "Flatten", inputs[:1])
    return to_uff.add(node, "Reshape", inputs)


def _flattens(node, inputs, to_uff):
    """True if a Reshape in a scope called flatten is one. NVIDIA's converter writes a Flatten for each of them."""
    have, want = to_uff.sizes.of(inputs[0]), sizes.target(to_uff.nodes, inputs[1])
    if want is not None and len(want) == 2:
        batch, width = want
        parts = [to_uff.nodes[producer(text)] for text in to_uff.nodes[inputs[1]].input] or [None, None]
        if batch is None and not _first_size(to_uff, parts[0]) or width is None and parts[1].op != "Prod":
            return False
        if batch is None and width == -1 or width is None:
            return True
        volume = sizes.volume(have and have[1:])
        if have and None not in (have[0], batch) and batch not in (-1, have[0]):
            return False
        if width != -1 and volume is not None:
            return width == volume
        if width == -1 and have and have[0] is not None:
            return batch == have[0]
    warnings.warn("'%s' stays a Reshape, to %s. NVIDIA's converter writes a Flatten for every reshape in such a scope, but "
                  "whether this one is a flatten cannot be seen: the graph does not say the shape of '%s'" % (
                      node.name, "a width of %s" % want[-1] if want else "a computed shape", inputs[0]))
    return False


def _first_size(to_uff, node):
    """True if a node takes the first element of a Shape."""
    begin = sizes.constant(to_uff.nodes, node.input[1]) if node.op == "StridedSlice" and len(node.input) > 1 else None
    return begin is not None and begin.reshape(-1).tolist() == [0]


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
        return to_uff.add_custom(node, inputs)  # UFF's ConvTranspose has no dilation
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


@operation("FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3", 5)
def _batch_norm(node, inputs, to_uff):
    # TensorFlow's default is training mode.
    if attr(node, "data_format", "s", "NHWC") in ("NDHWC", "NCDHW") and not attr(node, "is_training", "b", True):
        return to_uff.add_custom(node, inputs)
    if not attr(node, "is_training", "b", True):
        return to_uff.add(node, "BatchNorm", inputs, epsilon=("d", attr(node, "epsilon", "f")),
                          inputs_orders=("orders", _format(node)))
    shape = sizes.target(to_uff.nodes, (list(to_uff.nodes[inputs[0]].input) + ["", ""])[1])
    if not shape or shape[0] != 1 or to_uff.nodes[inputs[0]].op != "Reshape":
        raise UffException("node '%s' (%s) is in training mode and would ignore its mean and variance, to normalize with those "
                           "of the batch. Freeze the graph for inference, without the learning phase: %s" % (
                               node.name, node.op, INFERENCE))
    # Keras writes LayerNormalization so: a batch of one image, with the samples as its channels.
    return to_uff.add_custom(node, inputs)


@operation("StridedSlice", 4)
def _strided_slice(node, inputs, to_uff):
    if attr(node, "ellipsis_mask", "i", 0) or attr(node, "new_axis_mask", "i", 0):
        return to_uff.add_custom(node, inputs)  # UFF's StridedSlice has neither
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
    if attr(node, "batch_dims", "i", 0):
        return to_uff.add_custom(node, inputs)
    return to_uff.add(node, "Gather", inputs, **dict(
        _gather_types(node, "Tparams"), validate_indices=("b", attr(node, "validate_indices", "b", True))))


@operation("GatherV2", 3)
def _gather_v2(node, inputs, to_uff):
    if attr(node, "batch_dims", "i", 0):
        return to_uff.add_custom(node, inputs)  # UFF gathers the same elements for every entry of the batch
    axis = to_uff.number(node, inputs[2])
    return to_uff.add(node, "GatherV2", inputs[:2], axis=("i", axis), **_gather_types(node, "Tparams"))


@operation("ResourceGather", 2)
def _resource_gather(node, inputs, to_uff):
    if attr(node, "batch_dims", "i", 0):
        return to_uff.add_custom(node, inputs)
    return to_uff.add(node, "GatherV2", inputs, axis=("i", 0), **_gather_types(node, "dtype"))


def _gather_types(node, params):
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
