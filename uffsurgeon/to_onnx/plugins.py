"""Operations that UFF has not (a leading underscore): L2 normalisation, whatever a plugin computes.

A plugin node becomes an ONNX node of domain `box3d`, named as the plugin, its UFF fields as
attributes. The two L2 plugins also get a body, a model-local function: ONNX Runtime and TensorRT
for RTX run that, and TensorRT may take the plugin. The body calculates in float32 also inside a
float16 model, where 1e-12 is 0 and 300 squared is infinity.
"""
import ast
import re

import onnx
from onnx import AttributeProto, NodeProto, helper

from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

from .fields import integer, number, operation
from .graph import FLOAT, HALF, ONNX_TYPE

DOMAIN = "box3d"
CAN_WRITE_FUNCTIONS = "functions" in onnx.ModelProto.DESCRIPTOR.fields_by_name  # onnx 1.10
UNFROZEN = {"_Variable", "_VariableV2", "_VarHandleOp", "_ReadVariableOp"}
SUFFIX = re.compile("_u_(int|float|str|bool|ilist|flist)$")  # by which graphsurgeon keeps types
EPSILON = 1e-12  # tf.nn.l2_normalize's default


@operation("_L2Norm_TRT", 1)
def l2norm(g, node, x):
    """x / sqrt(max(sum of x * x over an axis, eps))."""
    axis, eps = integer(g, node, "axis_u_int", -1), number(g, node, "eps_u_float", EPSILON)
    (inside,), ask, first = g.along(x, [axis])
    if g.plugins == "inline":
        return _plugin(g, node, x, FLOAT, ask, first, {"axis": [inside], "eps": eps})
    # The plugin normalises along the last axis: it is given TensorFlow's layout.
    axis = axis % x.rank if x.rank else axis
    return _plugin(g, node, x, HALF if g.half else FLOAT, False, False, {"axis": [axis], "eps": eps})


@operation("_L2Norm_Helper_TRT", 1)
def l2norm_helper(g, node, x):
    """One step of it, by op_type: 0 max(x, eps), 1 1 / sqrt(x), 2 sqrt(x)."""
    kind, eps = integer(g, node, "op_type_u_int"), number(g, node, "eps_u_float", EPSILON)
    if kind not in (0, 1, 2):
        raise UffException("node '%s' (L2Norm_Helper_TRT) has op_type %d; 0 is max, 1 rsqrt, 2 sqrt"
                           % (node.id, kind))
    return _plugin(g, node, x, FLOAT, x.first, x.first, {"op_type": kind, "eps": eps})


def _plugin(g, node, x, dtype, ask, first, attributes):
    """The plugin in the form that `g.plugins` asks for, on `x` in a dtype and a layout."""
    name, tensor = node.operation[1:], g.tensor(x, ask, dtype)
    if g.plugins == "inline":
        return g.inline(node.id, BODIES[name](dtype, **attributes), tensor, x.shape, dtype, first)
    if g.plugins == "function" and name not in g.functions:
        g.functions[name] = onnx.FunctionProto(
            domain=DOMAIN, name=name, input=["x"], output=["y"], attribute=sorted(attributes),
            node=BODIES[name](dtype, **{key: "@" + key for key in attributes}),
            opset_import=[helper.make_opsetid("", g.opset)])
    if g.plugins == "node":
        attributes["explicit_batch"] = 1  # our plugin asks on TensorRT 6 to 9; others pass over it
    return g.emit(node.id, name, [tensor], x.shape, dtype, first, domain=DOMAIN, **attributes)


# Bodies: the nodes from a tensor "x" to a tensor "y". An attribute "@eps" is the function's own `eps`;
# a number is that number, for a body that is written into the graph.


def _l2norm(dtype, axis, eps):
    return _nodes(dtype, [
        ("Mul", "wide wide", "squares", {}),
        ("Constant", "", "axis", {"value_ints": axis}),
        ("ReduceSum", "squares axis", "sum", {"keepdims": 1}),
        ("Constant", "", "eps", {"value_float": eps}),
        ("Max", "sum eps", "floored", {}),
        ("Sqrt", "floored", "length", {}),
        ("Div", "wide length", "unit", {})])


def _l2norm_helper(dtype, op_type, eps):
    maximum = [("Constant", "", "eps", {"value_float": eps}), ("Max", "wide eps", "floored", {})]
    if isinstance(op_type, int):
        return _nodes(dtype, [
            maximum + [("Identity", "floored", "unit", {})],
            [("Sqrt", "wide", "root", {}), ("Reciprocal", "root", "unit", {})],
            [("Sqrt", "wide", "unit", {})]][op_type])
    return _nodes(dtype, maximum + [  # a function has one body: it makes all three and chooses
        ("Sqrt", "wide", "root", {}),
        ("Reciprocal", "root", "inverse", {}),
        ("Constant", "", "op_type", {"value_int": op_type}),
        ("Constant", "", "zero", {"value_int": 0}),
        ("Constant", "", "one", {"value_int": 1}),
        ("Equal", "op_type zero", "is_max", {}),
        ("Equal", "op_type one", "is_rsqrt", {}),
        ("Where", "is_rsqrt inverse root", "roots", {}),
        ("Where", "is_max floored roots", "unit", {})])


BODIES = {"L2Norm_TRT": _l2norm, "L2Norm_Helper_TRT": _l2norm_helper}
_REFERENCES = {"value_float": AttributeProto.FLOAT, "value_int": AttributeProto.INT,
               "value_ints": AttributeProto.INTS}


def _nodes(dtype, lines):
    """NodeProtos from (operator, inputs, output, attributes); "wide", "unit": x, y in float32."""
    names = {"wide": "x", "unit": "y"}
    if dtype == HALF:
        names = {}
        lines = ([("Cast", "x", "wide", {"to": ONNX_TYPE[FLOAT]})] + lines
                 + [("Cast", "unit", "y", {"to": ONNX_TYPE[HALF]})])
    nodes = []
    for op_type, inputs, output, attributes in lines:
        node = NodeProto(op_type=op_type, input=[names.get(name, name) for name in inputs.split()],
                         output=[names.get(output, output)])
        for key, value in attributes.items():
            if isinstance(value, str):
                node.attribute.add(name=key, type=_REFERENCES[key], ref_attr_name=value[1:])
            else:
                node.attribute.extend([helper.make_attribute(key, value)])
        nodes.append(node)
    return nodes


# Everything else


def custom(g, node, *values):
    """A node that only a plugin of this name can compute, from and to TensorFlow's layout."""
    if node.operation in UNFROZEN:
        raise UffException("'%s' (%s) is a variable and has no value in the UFF: freeze the graph "
                           "before it is converted" % (node.id, node.operation))
    tensors = [value for value in values if value.array is None]
    dtype = g.common(*tensors or values) if values else HALF if g.half else FLOAT
    inputs = [g.tensor(value, False, dtype) for value in values]
    value = g.emit(node.id, node.operation[1:], inputs, None, dtype, domain=DOMAIN)
    g.nodes[-1].attribute.extend(_attributes(node))
    return value


def _attributes(node):
    """A custom node's UFF fields as ONNX attributes, named as the plugin's creator knows them."""
    for key, value in schema.fields(node).items():
        kind = node.fields[key].WhichOneof("data_oneof")
        values = [_plain(each) for each in (value if isinstance(value, list) else [value])]
        if kind in ("dtype", "dtype_list"):
            values = [ONNX_TYPE.get(schema.NUMPY.get(each), 0) for each in values]
        if values and isinstance(values[0], (int, float, str, bytes)):
            yield helper.make_attribute(SUFFIX.sub("", key), values if isinstance(value, list) else values[0])


def _plain(value):
    """UFF says "b'abc'" where abc is meant; a bool is an int in ONNX."""
    if isinstance(value, str) and re.match("b(['\"]).*\\1$", value, re.DOTALL):
        try:
            return ast.literal_eval(value).decode("utf-8")
        except (ValueError, SyntaxError):
            return value
    return int(value) if isinstance(value, bool) else value
