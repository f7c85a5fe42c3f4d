"""One function for each type of layer that UffParser makes: the ONNX nodes that compute the same.

Each is called with the model in the making (`onnx_network.Model`) and the `Layer`.
"""
import struct

import numpy as np

from . import network

LAYERS = {}


def layer(*types):
    """Decorator: the function that emits the ONNX nodes of these layer types, called with a `Model` and a `Layer`."""
    def register(function):
        LAYERS.update(dict.fromkeys(types, function))
        return function
    return register


# Convolutions, pools, dense layers: C, H, W


def _chw(model, layer):
    shape = model.shapes[layer.inputs[0]]
    if len(shape) != 3:
        raise ValueError("layer %r (%s) reads %s, and there is a rule for C, H, W only" % (layer.name, layer.type, shape))
    return shape


def _pads(layer, sizes, kernel, dilation=(1, 1)):
    """[top, left, bottom, right] as TensorRT computes them for a padding mode."""
    values = layer.settings
    if values["padding_mode"] == network.PADDING_SAME_UPPER:
        total = [max((-(-size // stride) - 1) * stride + dilated * (length - 1) + 1 - size, 0)
                 for size, stride, length, dilated in zip(sizes, values["stride"], kernel, dilation)]
        return [each // 2 for each in total] + [each - each // 2 for each in total]
    if values["padding_mode"] > 1:
        raise ValueError("layer %r has padding mode %d, for which there is no rule" % (layer.name, values["padding_mode"]))
    return (values["pre_padding"] or values["padding"]) + (values["post_padding"] or values["padding"])


@layer("CONVOLUTION")
def _convolution(model, layer):
    values = layer.settings
    channels, *sizes = _chw(model, layer)
    kernel = model.weights(layer, "kernel", [values["maps"], channels // values["groups"]] + values["kernel_size"])
    bias = model.weights(layer, "bias", [values["maps"]])
    model.emit(layer, "Conv", [layer.inputs[0], kernel] + [bias] * bool(bias), group=values["groups"], strides=values["stride"],
               dilations=values["dilation"], kernel_shape=values["kernel_size"],
               pads=_pads(layer, sizes, values["kernel_size"], values["dilation"]))


@layer("DECONVOLUTION")
def _deconvolution(model, layer):
    values = layer.settings
    channels, *sizes = _chw(model, layer)
    wanted = model.shapes[layer.outputs[0].name][1:]
    kernel = model.weights(layer, "kernel", [channels, values["maps"] // values["groups"]] + values["kernel_size"])
    bias = model.weights(layer, "bias", [values["maps"]])
    # All numbers that the kernel reaches, less the padding; the output's size decides how much that is on the far side.
    full = [(size - 1) * stride + length for size, stride, length in zip(sizes, values["stride"], values["kernel_size"])]
    extra = [all_of_it - size for all_of_it, size in zip(full, wanted)]
    same = values["padding_mode"] == network.PADDING_SAME_UPPER
    before = [max(each, 0) // 2 for each in extra] if same else values["pre_padding"] or values["padding"]
    after = [each - begin for each, begin in zip(extra, before)]
    model.emit(layer, "ConvTranspose", [layer.inputs[0], kernel] + [bias] * bool(bias), group=values["groups"],
               strides=values["stride"], kernel_shape=values["kernel_size"], pads=before + [max(each, 0) for each in after],
               output_padding=[max(-each, 0) for each in after])


@layer("POOLING")
def _pooling(model, layer):
    values = layer.settings
    _, *sizes = _chw(model, layer)
    if values["function"] > 1:
        raise ValueError("layer %r is a blend of two pools, for which there is no rule" % layer.name)
    attributes = {"count_include_pad": int(not values["excludes_padding"])} if values["function"] else {}
    model.emit(layer, network.POOLING[values["function"]], [layer.inputs[0]], kernel_shape=values["window"],
               strides=values["stride"], pads=_pads(layer, sizes, values["window"]), ceil_mode=int(values["padding_mode"] == 1),
               **attributes)


@layer("FULLY_CONNECTED")
def _fully_connected(model, layer):
    shape, count = model.shapes[layer.inputs[0]], layer.settings["outputs"]
    length = int(np.prod(shape[-3:]))
    kernel = model.weights(layer, "kernel", [count, length])
    bias = model.weights(layer, "bias", [count])
    rows = model.add("Reshape", [layer.inputs[0], model.constant([-1, length], np.int64)])
    rows = model.add("Gemm", [rows, kernel] + [bias] * bool(bias), transB=1)
    target = model.constant([-1] + model.shapes[layer.outputs[0].name], np.int64)
    model.emit(layer, "Reshape", [rows, target])


@layer("LRN")
def _lrn(model, layer):
    values = layer.settings
    _chw(model, layer)
    model.emit(layer, "LRN", [layer.inputs[0]], size=values["window"], alpha=float(values["alpha"]),
               beta=float(values["beta"]), bias=float(values["k"]))


# One number in, one number out


@layer("ACTIVATION")
def _activation(model, layer):
    values, name = layer.settings, network.ACTIVATIONS[layer.settings["function"]]
    alpha, beta = float(values["alpha"]), float(values["beta"])
    attributes = {"LeakyRelu": {"alpha": alpha}, "Elu": {"alpha": alpha}, "Selu": {"alpha": alpha, "gamma": beta},
                  "HardSigmoid": {"alpha": alpha, "beta": beta}, "ThresholdedRelu": {"alpha": alpha}}.get(name, {})
    if name == "Clip":
        model.emit(layer, name, [layer.inputs[0], model.constant(alpha, np.float32), model.constant(beta, np.float32)])
    elif name in ("ScaledTanh", "Softplus"):  # alpha * f(beta * x)
        inner = model.add("Mul", [layer.inputs[0], model.constant(beta, np.float32)])
        inner = model.add(name.replace("Scaled", ""), [inner])
        model.emit(layer, "Mul", [inner, model.constant(alpha, np.float32)])
    else:
        model.emit(layer, name, [layer.inputs[0]], **attributes)


@layer("SCALE")
def _scale(model, layer):
    """(x * scale + shift) ** power, with one number of each, one for each channel, or one for each element."""
    shape = model.shapes[layer.inputs[0]]
    mode = layer.settings["mode"]
    wide = [1] if mode == 0 else _chw(model, layer)[:1] + [1, 1] if mode == 1 else [1] + shape
    steps = [(operator, model.weights(layer, key, wide))
             for operator, key in (("Mul", "scale"), ("Add", "shift"), ("Pow", "power"))]
    steps = [step for step in steps if step[1]] or [("Identity", None)]
    value = layer.inputs[0]
    for operator, weights in steps[:-1]:
        value = model.add(operator, [value, weights])
    model.emit(layer, steps[-1][0], [value, steps[-1][1]][:2 if steps[-1][1] else 1])


@layer("UNARY")
def _unary(model, layer):
    model.emit(layer, network.UNARY[layer.settings["function"]], [layer.inputs[0]])


@layer("IDENTITY")
def _identity(model, layer):
    model.emit(layer, "Identity", [layer.inputs[0]])


@layer("ELEMENTWISE")
def _elementwise(model, layer):
    shapes = [model.shapes[name] for name in layer.inputs]
    rank = max(map(len, shapes))
    inputs = [name if len(shape) == rank else model.reshape(name, [1] * (rank - len(shape)) + shape)
              for name, shape in zip(layer.inputs, shapes)]
    model.emit(layer, network.ELEMENTWISE[layer.settings["function"]], inputs)


@layer("PLUGIN_V2")
def _plugin(model, layer):
    name, data = layer.settings["plugin"], bytes.fromhex(layer.settings.get("data", ""))
    if name == "LReLU_TRT":  # it writes its slope first
        model.emit(layer, "LeakyRelu", [layer.inputs[0]], alpha=struct.unpack_from("<f", data)[0])
    elif name == "L2Norm_TRT":
        _l2norm(model, layer, data)
    else:
        raise ValueError("layer %r is the plugin %s, for which there is no rule" % (layer.name, name))


# Numbers moved


@layer("SHUFFLE")
def _shuffle(model, layer):
    values, shape = layer.settings, model.shapes[layer.inputs[0]]
    first, second, wanted = values["first_transpose"], values["second_transpose"], model.shapes[layer.outputs[0].name]
    value, steps = layer.inputs[0], []
    if first != sorted(first):
        steps.append(("Transpose", first))
        shape = [shape[axis] for axis in first]
    between = [0] * len(wanted)  # the shape before the second transpose
    for place, axis in enumerate(second):
        between[axis] = wanted[place]
    if between != shape:
        steps.append(("Reshape", between))
    if second != sorted(second):
        steps.append(("Transpose", second))
    for i, (operator, argument) in enumerate(steps):
        last = layer if i == len(steps) - 1 else None
        if operator == "Reshape":
            value = model.reshape(value, argument, last)
        else:
            add = model.add if last is None else lambda *given, **more: model.emit(layer, *given, **more)
            value = add("Transpose", [value], perm=[0] + [axis + 1 for axis in argument])
    if not steps:
        model.emit(layer, "Identity", [value])


@layer("PADDING")
def _padding(model, layer):
    values, rank = layer.settings, len(model.shapes[layer.inputs[0]])
    zeros = [0] * (rank - 1)  # the batch, and all but the last two dimensions
    pads = model.constant(zeros + values["pre_padding"] + zeros + values["post_padding"], np.int64)
    model.emit(layer, "Pad", [layer.inputs[0], pads])


@layer("SLICE")
def _slice(model, layer):
    values = layer.settings
    ends = [start + size * step for start, size, step in zip(values["start"], values["size"], values["stride"])]
    ends = [end if step > 0 or end >= 0 else np.iinfo(np.int64).min for end, step in zip(ends, values["stride"])]
    arguments = [values["start"], ends, [axis + 1 for axis in range(len(ends))], values["stride"]]
    model.emit(layer, "Slice", [layer.inputs[0]] + [model.constant(each, np.int64) for each in arguments])


@layer("CONCATENATION")
def _concatenation(model, layer):
    inputs = layer.inputs
    if any(name not in model.alone for name in inputs):
        inputs = [model.batched(name) for name in inputs]
    model.emit(layer, "Concat", inputs, axis=layer.settings["axis"] + 1)


@layer("CONSTANT")
def _constant(model, layer):
    values, name = layer.weights["values"], layer.outputs[0].name
    model.alone.add(name)
    model.add("Identity", [model.constant(values.reshape([1] + layer.settings["shape"]))], name)


@layer("GATHER")
def _gather(model, layer):
    data, indices = layer.inputs
    axis = layer.settings["axis"]
    if indices in model.alone:  # the same indices for every image
        shape = model.shapes[indices]
        chosen = model.add("Reshape", [indices, model.constant(shape, np.int64)])
        return model.emit(layer, "Gather", [data, model.add("Cast", [chosen], to=7)], axis=axis + 1)
    if data in model.alone and axis == 0:
        table = model.add("Reshape", [data, model.constant(model.shapes[data], np.int64)])
        return model.add("Gather", [table, model.add("Cast", [indices], to=7)], layer.outputs[0].name)
    if axis == 0 and not model.shapes[indices]:  # one number for each image: which of its own rows
        places = model.add("Cast", [model.add("Unsqueeze", [indices, model.constant([1], np.int64)])], to=7)
        return model.emit(layer, "GatherND", [data, places], batch_dims=1)
    raise ValueError("layer %r gathers with other indices for each image, and there is no rule for that" % layer.name)


# Sums, products


@layer("SOFTMAX")
def _softmax(model, layer):
    axes = network.axes_of(layer.settings["axes"])
    if len(axes) != 1:
        raise ValueError("layer %r is a softmax over the axes %s, and there is a rule for one only" % (layer.name, axes))
    model.emit(layer, "Softmax", [layer.inputs[0]], axis=axes[0] + 1)


@layer("REDUCE")
def _reduce(model, layer):
    values, operator = layer.settings, network.REDUCE[layer.settings["function"]]
    axes = [axis + 1 for axis in network.axes_of(values["axes"])]
    keep = int(values["keep_dimensions"])
    if operator == "ReduceSum":
        model.emit(layer, operator, [layer.inputs[0], model.constant(axes, np.int64)], keepdims=keep)
    else:
        model.emit(layer, operator, [layer.inputs[0]], axes=axes, keepdims=keep)


@layer("TOPK")
def _topk(model, layer):
    from onnx import helper

    values = layer.settings
    best, places = [tensor.name for tensor in layer.outputs]
    model.nodes.append(helper.make_node("TopK", [layer.inputs[0], model.constant([values["k"]], np.int64)],
                                        [best, places + "/int64"], best, axis=network.axes_of(values["axes"])[0] + 1,
                                        largest=int(values["function"] == 0)))
    model.add("Cast", [places + "/int64"], places, to=6)


@layer("MATRIX_MULTIPLY")
def _matrix_multiply(model, layer):
    factors = []
    for i, (name, operation) in enumerate(zip(layer.inputs, layer.settings["operations"])):
        rank = len(model.shapes[name])
        if operation == 1:
            name = model.add("Transpose", [name], perm=list(range(rank - 1)) + [rank, rank - 1])
        elif operation == 2:  # a vector: a row in front, a column behind
            name = model.add("Unsqueeze", [name, model.constant([rank + i], np.int64)])
        factors.append(name)
    vectors = [rank for rank, operation in zip((-2, -1), layer.settings["operations"]) if operation == 2]
    if not vectors:
        return model.emit(layer, "MatMul", factors)
    model.emit(layer, "Squeeze", [model.add("MatMul", factors), model.constant(vectors, np.int64)])


def _l2norm(model, layer, data):
    """The workbook's plugin: x / sqrt(max(sum of x * x over an axis, eps)).

    plugin_src/plugin_state.h says what the plugin writes, and how it reads an axis of a shape without batch.
    """
    shape, (axis, eps) = model.shapes[layer.inputs[0]], struct.unpack_from("<if", data, 4)
    appended = len(shape) == 3 and shape[2] == 1
    place = axis + len(shape) if axis < 0 else axis - 1
    while appended and axis == -1 and place > 0 and shape[place] == 1:
        place -= 1
    if appended and axis < -1 or not 0 <= place < len(shape):
        raise ValueError("layer %r: the plugin refuses axis %d of an input of shape %s" % (layer.name, axis, shape))
    squares = model.add("Mul", [layer.inputs[0]] * 2)
    total = model.add("ReduceSum", [squares, model.constant([place + 1], np.int64)], keepdims=1)
    floored = model.add("Max", [total, model.constant(np.array(eps, np.float32))])
    model.emit(layer, "Div", [layer.inputs[0], model.add("Sqrt", [floored])])
