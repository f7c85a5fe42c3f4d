"""Casts, comparisons, selection and arithmetic that depends on the sign or the type of its operands.

As elementwise.py, these work in the layout in which they find their inputs.
"""
import numpy as np

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import BOOL, FLOAT, INT32, INT64, TENSORFLOW, common_layout
from .nodes import operation

COMPARE = {"_Greater": "Greater", "_GreaterEqual": "GreaterOrEqual", "_Less": "Less", "_LessEqual": "LessOrEqual",
           "_Equal": "Equal", "_NotEqual": "Equal"}


def truth(graph, node, value, layout=None):
    """Name of the tensor that holds `value` as bool; UFF has constants of bool as int8."""
    tensor = graph.tensor(value, layout)
    return tensor if value.dtype == BOOL else graph.intermediate(node, "bool", "Cast", [tensor], to=ONNX_OF_NUMPY[BOOL])


def computable(graph, *values):
    """The dtype in which ONNX Runtime has comparisons and integer arithmetic: int32 for smaller integers, float32 for half."""
    dtype = max((graph.full_precision(value) for value in values), key=lambda kind: kind.itemsize)
    return INT32 if dtype.kind in "iu" and dtype.itemsize < 4 else FLOAT if dtype.kind == "f" and dtype.itemsize < 4 else dtype


def operands(graph, node, *values):
    """(tensors of values that are computed with each other, their shape, dtype, layout). Raises UffException for two kinds."""
    layout, shape = common_layout(*values), shapes.broadcast(*[value.shape for value in values])
    graph.widest(*values)
    dtype, tensors = computable(graph, *values), []
    for value in values:
        tensor = graph.tensor(value, layout, dtype)
        if value.dtype.kind != dtype.kind:
            tensor = graph.intermediate(node, "wide", "Cast", [tensor], to=ONNX_OF_NUMPY[dtype])
        tensors.append(tensor)
    return tensors, shape, dtype, layout


@operation("_Cast", inputs=1)
def cast(graph, node, x):
    dtype = node.dtype("DstT")
    return graph.emit(node, "Cast", [graph.tensor(x)], x.shape, dtype, x.layout, to=ONNX_OF_NUMPY[dtype])


@operation(" ".join(COMPARE), inputs=2)
def compare(graph, node, a, b):
    if BOOL in (a.dtype, b.dtype):
        layout, shape = common_layout(a, b), shapes.broadcast(a.shape, b.shape)
        tensors = [truth(graph, node, value, layout) for value in (a, b)]
    else:
        tensors, shape, _, layout = operands(graph, node, a, b)
    if node.operation == "_NotEqual":
        tensors = [graph.intermediate(node, "equal", "Equal", tensors)]
        return graph.emit(node, "Not", tensors, shape, BOOL, layout)
    return graph.emit(node, COMPARE[node.operation], tensors, shape, BOOL, layout)


@operation("_LogicalAnd _LogicalOr", inputs=2)
def logical(graph, node, a, b):
    layout = common_layout(a, b)
    tensors = [truth(graph, node, value, layout) for value in (a, b)]
    return graph.emit(node, node.operation[8:], tensors, shapes.broadcast(a.shape, b.shape), BOOL, layout)


@operation("_LogicalNot", inputs=1)
def logical_not(graph, node, x):
    return graph.emit(node, "Not", [truth(graph, node, x)], x.shape, BOOL, x.layout)


@operation("_IsNan _IsInf _IsFinite", inputs=1)
def is_special(graph, node, x):
    (tensor,), shape, dtype, layout = operands(graph, node, x)
    if dtype.kind != "f":
        raise UffException("'%s' is %s, not floating point" % (x.name, x.dtype))
    if node.operation != "_IsFinite":
        return graph.emit(node, "IsNaN" if node.operation == "_IsNan" else "IsInf", [tensor], shape, BOOL, layout)
    either = [graph.intermediate(node, operator, operator, [tensor]) for operator in ("IsNaN", "IsInf")]
    return graph.emit(node, "Not", [graph.intermediate(node, "either", "Or", either)], shape, BOOL, layout)


@operation("_Select _SelectV2", inputs=3)
def select(graph, node, condition, a, b):
    if node.operation == "_Select" and condition.rank == 1 and (a.rank or 0) > 1:  # one bool for each entry of the batch
        chosen = graph.intermediate(node, "entries", "Reshape", [
            truth(graph, node, condition), graph.integers(node, "shape", [-1] + [1] * (a.rank - 1))])
        layout, shape = TENSORFLOW, a.shape
    else:
        layout, shape = common_layout(condition, a, b), shapes.broadcast(condition.shape, a.shape, b.shape)
        chosen = truth(graph, node, condition, layout)
    dtype = graph.widest(a, b)
    return graph.emit(node, "Where", [chosen] + [graph.tensor(value, layout, dtype) for value in (a, b)], shape, dtype, layout)


@operation("_Where", inputs=1)
def where(graph, node, x):
    """The indices of what is not zero, [how many, axes]."""
    found = graph.intermediate(node, "indices", "NonZero", [truth(graph, node, x, TENSORFLOW)])
    return graph.emit(node, "Transpose", [found], (None, x.rank), INT64, perm=[1, 0])


@operation("_All _Any", inputs=2)
def all_or_any(graph, node, x, axes):
    axes, keep = shapes.vector(axes, "axes"), node.boolean("keep_dims", False)
    located, wanted, layout = x.locate(axes, removes=not keep)
    numbers = graph.intermediate(node, "int", "Cast", [truth(graph, node, x, wanted)], to=ONNX_OF_NUMPY[INT32])
    operator = "ReduceMin" if node.operation == "_All" else "ReduceMax"
    reduced = graph.reduced(node, operator, numbers, located, keep)
    return graph.emit(node, "Cast", [reduced], shapes.replaced(x.shape, axes, 1 if keep else None), BOOL, layout,
                      to=ONNX_OF_NUMPY[BOOL])


@operation("_ClipByValue", inputs=3)
def clip(graph, node, x, low, high):
    (x_, low_, high_), shape, dtype, layout = operands(graph, node, x, low, high)
    return graph.emit(node, "Max", [graph.intermediate(node, "below", "Min", [x_, high_]), low_], shape, dtype, layout)


@operation("_Atan2", inputs=2)
def atan2(graph, node, y, x):
    (y_, x_), shape, dtype, layout = operands(graph, node, y, x)
    zero, one, half, whole = [graph.constant("%s/%s" % (node.name, name), np.array(number, dtype)) for name, number in (
        ("zero", 0), ("one", 1), ("half", np.pi / 2), ("whole", np.pi))]

    def step(operator, *inputs):
        return graph.intermediate(node, operator, operator, list(inputs))

    def negative(tensor):  # the sign of a zero counts, and shows in its reciprocal
        return step("Or", step("Less", tensor, zero), step("Less", step("Div", one, tensor), zero))

    upright, level = step("Equal", x_, zero), step("Equal", y_, zero)
    side = step("Where", negative(y_), step("Mul", step("Neg", one), whole), whole)
    turn = step("Where", negative(x_), side, zero)
    angle = step("Add", step("Atan", step("Div", y_, step("Where", upright, one, x_))), turn)
    straight = step("Where", level, turn, step("Mul", step("Sign", y_), half))
    return graph.emit(node, "Where", [upright, straight, angle], shape, dtype, layout)


@operation("_FloorDiv", inputs=2)
def floor_div(graph, node, a, b):
    tensors, shape, dtype, layout = operands(graph, node, a, b)
    quotient = graph.intermediate(node, "quotient", "Div", tensors)
    if dtype.kind == "f":
        return graph.emit(node, "Floor", [quotient], shape, dtype, layout)
    # ONNX rounds towards zero. The remainder says where that was up.
    rest = graph.intermediate(node, "rest", "Mod", tensors, fmod=1)
    up = graph.intermediate(node, "up", "Cast", [_signs_differ(graph, node, rest, tensors[1], dtype)], to=ONNX_OF_NUMPY[dtype])
    return graph.emit(node, "Sub", [quotient, up], shape, dtype, layout)


@operation("_FloorMod _Mod _TruncateMod", inputs=2)
def modulo(graph, node, a, b):
    tensors, shape, dtype, layout = operands(graph, node, a, b)
    floor = node.operation == "_FloorMod"
    if dtype.kind != "f" or not floor:
        return graph.emit(node, "Mod", tensors, shape, dtype, layout, fmod=int(not floor))
    rest = graph.intermediate(node, "rest", "Mod", tensors, fmod=1)
    moved = graph.intermediate(node, "moved", "Add", [rest, tensors[1]])
    return graph.emit(node, "Where", [_signs_differ(graph, node, rest, tensors[1], dtype), moved, rest], shape, dtype, layout)


def _signs_differ(graph, node, rest, divisor, dtype):
    """Where a remainder is not 0 and has another sign than the divisor."""
    product = graph.intermediate(node, "signs", "Mul", [
        graph.intermediate(node, "sign", "Sign", [each]) for each in (rest, divisor)])
    return graph.intermediate(node, "differ", "Less", [product, graph.constant(node.name + "/zero", np.array(0, dtype))])


@operation("_TruncateDiv", inputs=2)
def truncate_div(graph, node, a, b):
    tensors, shape, dtype, layout = operands(graph, node, a, b)
    return graph.emit(node, "Div", tensors, shape, dtype, layout)


@operation("_DivNoNan _MulNoNan _Xlogy _Xlog1py _Xdivy", inputs=2)
def zero_wins(graph, node, a, b):
    """Operations whose result is 0 where one operand is 0, whatever the other is."""
    (first, second), shape, dtype, layout = operands(graph, node, a, b)
    zero = graph.constant(node.name + "/zero", np.array(0, dtype))
    decides = second if node.operation in ("_DivNoNan", "_MulNoNan") else first
    if node.operation == "_Xlog1py":
        second = graph.intermediate(node, "more", "Add", [second, graph.constant(node.name + "/one", np.array(1, dtype))])
    if node.operation in ("_Xlogy", "_Xlog1py"):
        second = graph.intermediate(node, "log", "Log", [second])
    result = graph.intermediate(node, "result", "Div" if "iv" in node.operation else "Mul", [first, second])
    return graph.emit(node, "Where", [graph.intermediate(node, "is_zero", "Equal", [decides, zero]), zero, result],
                      shape, dtype, layout)
