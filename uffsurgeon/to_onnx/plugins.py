"""Custom nodes, whose operation begins with an underscore: L2 normalization, and whatever only a plugin computes.

A plugin node becomes an ONNX node of domain `box3d`, named as the plugin, with the UFF fields as attributes. L2Norm_TRT also
gets a body, a model-local function: ONNX Runtime and TensorRT for RTX compute that, and TensorRT may take the plugin. The body
computes in float32 in a float16 model, too, where 1e-12 would be 0 and 300 squared infinity.
"""
import functools
import re

import numpy as np
import onnx
from onnx import AttributeProto, helper

from uffsurgeon.dtypes import ONNX_OF_NUMPY
from uffsurgeon.uff.schema import UffException

from .graph import FLOAT, HALF, TENSORFLOW
from .nodes import operation, plain

DOMAIN = "box3d"
CAN_WRITE_FUNCTIONS = "functions" in onnx.ModelProto.DESCRIPTOR.fields_by_name  # onnx 1.10
VARIABLES = {"_Variable", "_VariableV2", "_VarHandleOp", "_ReadVariableOp"}
SUFFIX = re.compile("_u_(int|float|str|bool|ilist|flist)$")  # by which graphsurgeon keeps types
EPSILON = 1e-12  # tf.nn.l2_normalize's default


@operation("_L2Norm_TRT", inputs=1)
def l2_norm(graph, node, x):
    """x / sqrt(max(sum of x * x over an axis, eps))."""
    axis, eps = node.integer("axis_u_int", -1), node.number("eps_u_float", EPSILON)
    (located,), wanted, layout = x.locate([axis])
    if graph.plugins == "inline":
        vectors = graph.tensor(x, wanted, FLOAT)
        squares = graph.intermediate(node, "squares", "Mul", [vectors, vectors])
        total = graph.intermediate(node, "sum", "ReduceSum", [squares, graph.integers(node, "axis", [located])], keepdims=1)
        floored = graph.intermediate(node, "floored", "Max", [total, _constant(graph, node, "eps", eps)])
        length = graph.intermediate(node, "length", "Sqrt", [floored])
        return graph.emit(node, "Div", [vectors, length], x.shape, FLOAT, layout)
    attributes = {"axis": [axis % x.rank if x.rank else axis], "eps": eps}
    if graph.plugins == "node":
        attributes["explicit_batch"] = 1  # our plugin asks on TensorRT 6 to 9; others ignore it
    else:
        graph.functions["L2Norm_TRT"] = _l2_norm_function(graph)
    dtype = HALF if graph.half else FLOAT
    # The plugin normalizes along the last axis in memory: it is given TensorFlow's layout.
    return graph.emit(node, "L2Norm_TRT", [graph.tensor(x, TENSORFLOW, dtype)], x.shape, dtype, domain=DOMAIN, **attributes)


def _l2_norm_function(graph):
    """The FunctionProto of L2Norm_TRT; its attributes axis and eps become those of two Constants."""
    vectors, unit = ("wide", "unit") if graph.half else ("x", "y")
    axis, eps = helper.make_node("Constant", [], ["axis"]), helper.make_node("Constant", [], ["eps"])
    axis.attribute.add(name="value_ints", type=AttributeProto.INTS, ref_attr_name="axis")
    eps.attribute.add(name="value_float", type=AttributeProto.FLOAT, ref_attr_name="eps")
    body = [helper.make_node("Mul", [vectors, vectors], ["squares"]),
            axis,
            helper.make_node("ReduceSum", ["squares", "axis"], ["sum"], keepdims=1),
            eps,
            helper.make_node("Max", ["sum", "eps"], ["floored"]),
            helper.make_node("Sqrt", ["floored"], ["length"]),
            helper.make_node("Div", [vectors, "length"], [unit])]
    if graph.half:
        body.insert(0, helper.make_node("Cast", ["x"], [vectors], to=ONNX_OF_NUMPY[FLOAT]))
        body.append(helper.make_node("Cast", [unit], ["y"], to=ONNX_OF_NUMPY[HALF]))
    return onnx.FunctionProto(domain=DOMAIN, name="L2Norm_TRT", input=["x"], output=["y"], attribute=["axis", "eps"],
                              node=body, opset_import=[helper.make_opsetid("", graph.opset)])


@operation("_L2Norm_Helper_TRT", inputs=1)
def l2_norm_helper(graph, node, x):
    """The plugin of the article of 2019, a step of the normalization by op_type: 0 max(x, eps), 1 1 / sqrt(x), 2 sqrt(x)."""
    kind, vectors = node.integer("op_type_u_int"), graph.tensor(x, dtype=FLOAT)
    if kind == 0:
        operator, inputs = "Max", [vectors, _constant(graph, node, "eps", node.number("eps_u_float", EPSILON))]
    elif kind == 1:
        operator, inputs = "Reciprocal", [graph.intermediate(node, "root", "Sqrt", [vectors])]
    elif kind == 2:
        operator, inputs = "Sqrt", [vectors]
    else:
        raise UffException("op_type is %d; 0 is max, 1 rsqrt, 2 sqrt" % kind)
    return graph.emit(node, operator, inputs, x.shape, FLOAT, x.layout)


def _constant(graph, node, name, value):
    return graph.constant("%s/%s" % (node.name, name), np.array(value, FLOAT))


def no_operation(nodes):
    """The sentence about nodes that nothing can run: which they are, and the way out."""
    ops = sorted({node.operation[1:] for node in nodes})
    if any(node.operation in VARIABLES for node in nodes):
        return "a variable has no value in the UFF: freeze the graph before it is converted (%s)" % ", ".join(
            "'%s'" % node.name for node in nodes if node.operation in VARIABLES)
    names = ["'%s' (%s)" % (node.name, node.operation[1:]) for node in nodes]
    more = " and %d more" % (len(names) - 12) if len(names) > 12 else ""
    return ("ONNX has no operation for TensorFlow's %s, and nothing can run %s%s. Cut that off with other outputs, or collapse "
            "it into a plugin before the conversion to UFF: graph.collapse_namespaces({\"%s\": gs.create_plugin_node(\"%s\", "
            "op=\"YourPlugin_TRT\")}). If a plugin has TensorFlow's name: plugin_ops=%r, or --plugin-op" % (
                ", ".join(ops), ", ".join(names[:12]), more, nodes[0].name, nodes[0].name, ops))


@functools.lru_cache(maxsize=None)
def _onnx_names():
    return {schema.name for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain}


def custom(graph, node, *values):
    """A node that only a plugin of its name can compute, from and to TensorFlow's layout."""
    if node.operation in VARIABLES:
        raise UffException("a variable has no value in the UFF: freeze the graph before it is converted")
    if node.operation[1:] in _onnx_names():
        raise UffException("TensorRT's parser looks at the name alone, and takes it for ONNX's %s: give the plugin another "
                           "name, such as %s_TRT" % (node.operation[1:], node.operation[1:]))
    tensors = [value for value in values if value.array is None]
    dtype = graph.widest(*tensors or values) if values else HALF if graph.half else FLOAT
    inputs = [graph.tensor(value, TENSORFLOW, dtype) for value in values]
    value = graph.emit(node, node.operation[1:], inputs, None, dtype, domain=DOMAIN)
    graph.protos[-1].attribute.extend(_attributes(node))
    return value


def _attributes(node):
    """A node's UFF fields as ONNX attributes, named as the plugin's creator knows them."""
    for key, (kind, value) in node.fields.items():
        values = [_plain(element) for element in (value if isinstance(value, list) else [value])]
        if kind in ("dtype", "dtype_list"):
            values = [ONNX_OF_NUMPY[dtype] if isinstance(dtype, np.dtype) else 0 for dtype in values]
        if values and isinstance(values[0], (int, float, str, bytes)):
            yield helper.make_attribute(SUFFIX.sub("", key), values if isinstance(value, list) else values[0])


def _plain(value):
    """A bool is an int in ONNX."""
    return int(value) if isinstance(value, bool) else plain(value)
