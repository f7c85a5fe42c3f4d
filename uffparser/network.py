"""What a parser made of a .uff: `Parsed`, with its layers, tensors and weights, and `table`, which shows it."""
import collections
import html

import numpy as np

Tensor = collections.namedtuple("Tensor", "name shape dtype")
Tensor.__doc__ = """A tensor of the network. shape: list of int without the batch; feature maps are C, H, W. dtype: as NumPy
calls it."""

Layer = collections.namedtuple("Layer", "name type inputs outputs settings weights")
Layer.__doc__ = """A layer of the network. type: TensorRT's LayerType, "SHUFFLE" for instance. inputs: names of tensors.
outputs: list of `Tensor`. settings: {name: value}, enumerations as TensorRT's numbers. weights: {name: 1-D array}, in
TensorRT's layout."""

Parsed = collections.namedtuple("Parsed", "version ok log layers inputs outputs aborted source")
Parsed.__doc__ = """What UffParser said and made.

version: of TensorRT, "5.1.5". ok: what `parse` returned; False as well when it never returned. log: list of str, its errors and
warnings, exactly. layers: list of `Layer`, constants that nothing reads left out. inputs, outputs: lists of `Tensor`.
aborted: None, or what ended the parser: the signal, and its last words. source: in words, where this comes from."""

# The fields of these enumerations in TensorRT 5 and 6, by number.
ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Selu", "Softsign", "Softplus", "Clip", "HardSigmoid",
               "ScaledTanh", "ThresholdedRelu")
ELEMENTWISE = ("Add", "Mul", "Max", "Min", "Sub", "Div", "Pow")
UNARY = ("Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh",
         "Acosh", "Atanh", "Ceil", "Floor")
REDUCE = ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean")
POOLING = ("MaxPool", "AveragePool")
PADDING_SAME_UPPER = 2
_FUNCTIONS = {"ACTIVATION": ACTIVATIONS, "ELEMENTWISE": ELEMENTWISE, "UNARY": UNARY, "REDUCE": REDUCE, "POOLING": POOLING,
              "TOPK": ("largest", "smallest")}


def axes_of(bits):
    """The axes of a bit mask, without the batch: 0b101 is [0, 2]."""
    return [axis for axis in range(8) if bits >> axis & 1]


def tensors(parsed):
    """{name: Tensor} of the whole network."""
    found = {tensor.name: tensor for tensor in parsed.inputs}
    found.update((tensor.name, tensor) for layer in parsed.layers for tensor in layer.outputs)
    return found


def layouts(parsed):
    """{tensor name: "CHW" or None}: which tensors the parser has in channels, height, width.

    Convolutions, pools and dense layers give C, H, W. A shuffle's transpose (1, 2, 0) leads back to TensorFlow's order and
    (2, 0, 1) away from it; a reshape is written for TensorFlow's order. All other layers leave the order as it is. An input
    counts as C, H, W when a convolution or a pool reads it as it is.
    """
    spatial = ("CONVOLUTION", "DECONVOLUTION", "POOLING")
    found = {tensor.name: None for tensor in parsed.inputs}
    found.update((name, "CHW") for layer in parsed.layers if layer.type in spatial for name in layer.inputs if name in found)
    for layer in parsed.layers:
        if layer.type in spatial + ("FULLY_CONNECTED",):
            layout = "CHW"
        elif layer.type == "SHUFFLE":
            first, reshaped = layer.settings["first_transpose"], any(layer.settings["reshape"] or ())
            layout = None if reshaped or first == [1, 2, 0] else "CHW" if first == [2, 0, 1] else found.get(layer.inputs[0])
        else:
            layout = next((found[name] for name in layer.inputs if found.get(name)), None)
        found.update((tensor.name, layout if len(tensor.shape or ()) == 3 else None) for tensor in layer.outputs)
    return found


def described(layer):
    """The settings of a layer that say what it does, as text; of a shuffle, what it really moves."""
    values, parts = layer.settings, []
    if layer.type in _FUNCTIONS:
        parts.append(_FUNCTIONS[layer.type][values["function"]])
    if layer.type == "SHUFFLE":
        first, second = values["first_transpose"], values["second_transpose"]
        if first != sorted(first):
            parts.append("transpose %s" % (tuple(first),))
        if any(values["reshape"] or ()):
            parts.append("reshape %s" % (values["reshape"],))
        if second != sorted(second):
            parts.append("transpose %s" % (tuple(second),))
    if values.get("plugin"):
        parts.append(values["plugin"])
    for key in ("kernel_size", "window", "stride", "axis"):
        if key in values:
            parts.append("%s %s" % (key.replace("_size", ""), _sizes(values[key])))
    if "axes" in values:
        parts.append("axes %s" % axes_of(values["axes"]))
    if values.get("padding_mode") == PADDING_SAME_UPPER:
        parts.append("same")
    elif any(values.get("pre_padding") or ()) or any(values.get("post_padding") or ()):
        parts.append("padding %s, %s" % (_sizes(values["pre_padding"]), _sizes(values["post_padding"])))
    if layer.type == "SCALE":
        parts.append(" and ".join(name for name in ("scale", "shift", "power") if layer.weights[name].size))
    return ", ".join(parts)


def _sizes(value):
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


class table:
    """The layers as a table, to be printed or to end a cell with; shuffles, which move numbers, are marked.

    names: only layers whose name, or an output's, contains one of these words, and shuffles that these read.
    """

    def __init__(self, parsed, *names):
        chosen = [layer for layer in parsed.layers if not names or any(
            word in name for word in names for name in [layer.name] + [tensor.name for tensor in layer.outputs])]
        read = {name for layer in chosen for name in layer.inputs}
        chosen = [layer for layer in parsed.layers if layer in chosen or layer.type == "SHUFFLE" and any(
            tensor.name in read for tensor in layer.outputs)]
        shapes = {name: tensor.shape for name, tensor in tensors(parsed).items()}
        self.rows = [(layer.name, layer.type, described(layer),
                      ", ".join(str(shapes.get(name, "?")) for name in layer.inputs),
                      ", ".join(str(tensor.shape) for tensor in layer.outputs)) for layer in chosen]

    def __str__(self):
        rows = [("layer", "type", "what it does", "reads", "gives")] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)

    __repr__ = __str__

    def _repr_html_(self):
        head = "".join("<th style='text-align:left'>%s</th>" % cell
                       for cell in ("layer", "type", "what it does", "reads", "gives"))
        rows = "".join("<tr%s>%s</tr>" % (
            " style='background:#fde3d2'" if "transpose" in row[2] else "",
            "".join("<td style='text-align:left'>%s</td>" % html.escape(cell) for cell in row)) for row in self.rows)
        return "<table><tr>%s</tr>%s</table>" % (head, rows)


def read(lines, weights):
    """The fields of a `Parsed` that the lines of the harness give.

    lines: list of dict, as harness.cpp writes them. weights: function from (first byte, count, dtype) to an array.
    Returns {"ok", "log", "layers", "inputs", "outputs"}.
    """
    found = {"ok": False, "log": [], "layers": [], "inputs": [], "outputs": []}
    for line in lines:
        if "log" in line:
            found["log"].append(line["log"])
        elif "ok" in line:
            found["ok"] = line["ok"]
        elif "input" in line:
            found["inputs"].append(Tensor(**line["input"]))
        elif "output" in line:
            found["outputs"].append(Tensor(**line["output"]))
        elif "layer" in line:
            outputs = [Tensor(**each) for each in line["outputs"]]
            found["layers"].append(Layer(line["layer"], line["type"], line["inputs"], outputs, line["settings"],
                                         {name: weights(*each) for name, each in line["weights"].items()}))
    return found


def blob_reader(data):
    """A function for `read`: arrays out of the bytes of the harness's file of weights."""
    def weights(start, count, dtype):
        return np.frombuffer(data, dtype, count, start) if count else np.zeros(0, dtype)
    return weights
