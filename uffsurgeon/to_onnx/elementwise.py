"""Element by element: activations, functions of one tensor and of several, the bias of a layer.

These work in the layout in which they find their inputs.
"""
import numpy as np

from . import shapes
from .graph import common_layout
from .nodes import operation

ACTIVATION = {"relu": "Relu", "relu6": "Clip", "tanh": "Tanh", "sigmoid": "Sigmoid", "elu": "Elu", "selu": "Selu",
              "softsign": "Softsign", "softplus": "Softplus"}
# UFF's function -> ONNX's operators. The EXACT ones are as good in float16.
EXACT = {"neg": "Neg", "abs": "Abs", "ceil": "Ceil", "floor": "Floor"}
UNARY = {name: [name.capitalize()] for name in
         "neg abs ceil floor sin cos tan asin acos atan sinh cosh asinh acosh atanh sqrt exp log".split()}
UNARY.update(rsqrt=["Sqrt", "Reciprocal"], square=["Mul"])
BINARY = {name: name.capitalize() for name in "add sub mul div min max pow".split()}


@operation("Identity _StopGradient _PreventGradient _CheckNumerics _CheckNumericsV2 _PlaceholderWithDefault _EnsureShape "
           "_Snapshot _IdentityN", inputs=1)
def identity(graph, node, x):
    return x.alias(node.name)


@operation("Activation", inputs=1)
def activation(graph, node, x):
    operator = node.choice("func", ACTIVATION)
    inputs = [graph.tensor(x)]
    if operator == "Clip":
        inputs += [graph.constant("%s/%s" % (node.name, name), np.array(limit, x.dtype))
                   for name, limit in (("min", 0), ("max", 6))]
    return graph.emit(node, operator, inputs, x.shape, x.dtype, x.layout,
                      nonnegative=operator in ("Relu", "Clip", "Sigmoid", "Softplus"))


@operation("_LReLU_TRT _LeakyRelu", inputs=1)
def leaky_relu(graph, node, x):
    plugin = node.operation == "_LReLU_TRT"
    alpha = node.number("negSlope_u_float") if plugin else node.number("alpha", 0.2)
    return graph.emit(node, "LeakyRelu", [graph.tensor(x)], x.shape, x.dtype, x.layout, alpha=alpha)


@operation("Unary", inputs=1)
def unary(graph, node, x):
    operators = node.choice("func", UNARY)
    dtype = x.dtype if operators[0] in EXACT.values() else graph.full_precision(x)
    inputs = [graph.tensor(x, dtype=dtype)]
    if operators == ["Mul"]:
        inputs *= 2
    elif len(operators) == 2:
        inputs = [graph.intermediate(node, operators[0], operators[0], inputs)]
    return graph.emit(node, operators[-1], inputs, x.shape, dtype, x.layout)


@operation("_Round _Rint _Sign _Erf _Reciprocal _Inv", inputs=1)
def one_operator(graph, node, x):
    operator = {"_Rint": "Round", "_Inv": "Reciprocal"}.get(node.operation, node.operation[1:])
    if operator == "Round" and x.dtype.kind in "iu":
        return x.alias(node.name)
    dtype = x.dtype if operator in ("Round", "Sign") else graph.full_precision(x)
    return graph.emit(node, operator, [graph.tensor(x, dtype=dtype)], x.shape, dtype, x.layout)


@operation("_Erfc _Log1p _Expm1", inputs=1)
def beside_one(graph, node, x):
    """1 - erf(x), log(1 + x), exp(x) - 1."""
    dtype = graph.full_precision(x)
    one, tensor = graph.constant(node.name + "/one", np.array(1, dtype)), graph.tensor(x, dtype=dtype)
    if node.operation == "_Log1p":
        return graph.emit(node, "Log", [graph.intermediate(node, "sum", "Add", [tensor, one])], x.shape, dtype, x.layout)
    if node.operation == "_Expm1":
        return graph.emit(node, "Sub", [graph.intermediate(node, "exp", "Exp", [tensor]), one], x.shape, dtype, x.layout)
    return graph.emit(node, "Sub", [one, graph.intermediate(node, "erf", "Erf", [tensor])], x.shape, dtype, x.layout)


def broadcast(graph, node, operator, *values):
    """An ONNX operator that broadcasts its inputs against each other."""
    layout, dtype = common_layout(*values), graph.widest(*values)
    inputs = [graph.tensor(value, layout, dtype) for value in values]
    return graph.emit(node, operator, inputs, shapes.broadcast(*[value.shape for value in values]), dtype, layout)


@operation("Binary", inputs=2)
def binary(graph, node, a, b):
    operator = node.choice("func", BINARY)
    return add(graph, node, a, b) if operator == "Add" else broadcast(graph, node, operator, a, b)


@operation("_AddV2", inputs=2)  # what TensorFlow 2 writes for x + y
def add(graph, node, a, b):
    for layer, bias in ((a, b), (b, a)):
        if is_bias(graph, layer, bias):
            return graph.add_bias(node, layer, bias)
    return broadcast(graph, node, "Add", a, b)


def is_bias(graph, layer, bias):
    """True if `bias` is a constant for each channel of a `layer` whose result nothing else reads."""
    if layer.awaits_bias is None or bias.array is None or graph.consumers[layer.name] > 1:
        return False
    _, channels, trailing = layer.awaits_bias
    shape = (1,) * (trailing + 1 - bias.rank) + bias.shape
    return (shape[-trailing - 1:] == (channels,) + (1,) * trailing and set(shape[:-trailing - 1]) <= {1}
            and len(shape) <= layer.rank)


@operation("_AddN", inputs=None)
def add_n(graph, node, *values):
    return broadcast(graph, node, "Sum", *values[:max(node.integer("N"), 1)])


@operation("_SquaredDifference", inputs=2)
def squared_difference(graph, node, a, b):
    layout = common_layout(a, b)
    dtype = max(graph.full_precision(a), graph.full_precision(b), key=lambda kind: kind.itemsize)
    inputs = [graph.tensor(a, layout, dtype), graph.tensor(b, layout, dtype)]
    difference = graph.intermediate(node, "Sub", "Sub", inputs)
    return graph.emit(node, "Mul", [difference, difference], shapes.broadcast(a.shape, b.shape), dtype, layout)
