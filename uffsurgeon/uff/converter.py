"""Frozen TensorFlow graph -> UFF: `from_tensorflow` and `from_tensorflow_frozen_model`.

Names, arguments, printed lines and results are those of NVIDIA's uff 0.6.3; equal means equal
messages, nodes in the same order. Where NVIDIA's converter writes a file that is wrong and says
nothing, this one writes it right where UFF can say it, and raises UffException where it cannot:

| in the graph | NVIDIA's file | here |
|---|---|---|
| constants stored as half_val, int64_val | empty, shape [0] | the values |
| axes of Sum, ArgMax... stored that way | no axes | the axes |
| an empty constant of shape [0, 3] | shape [0] | shape [0, 3] |
| a short value list that stands for a repeated value | ValueError | the values |
| constants, inputs of double, uint8, bool, string | dtype 7, empty or raw bytes | raises |
| a plugin attribute of such a dtype, a function | a field with nothing in it | raises |
| a list of dtypes as plugin attribute | a field with nothing in it | dtype_list |
| a string as plugin attribute | Python's repr, "b'abc'" | "abc" |
| a second output that is read (`x:1`) | the port is lost | raises |
| control inputs (`^x`) | ordinary inputs, weights, stray nodes | raises |
| too many operands | dropped | raises |
| variables, not frozen | a plugin `_VariableV2` | raises |
| pooling and strides over batch or channels | dropped | raises |
| a Pad of batch or channels before a convolution | dropped | stays a Pad |
| a reshape to rank 3 in a scope `unflatten` | Flatten | Reshape |
| a bias shared by NHWC and NCHW | shape of the first | each its own |
| FusedBatchNorm in training mode | as for inference | raises |
| Pow | UffException | Binary pow |
| a cycle | converts | raises |
| `input_node` with a new name | fails | renames what reads it, too |

The graph that is passed in is not changed, unless a preprocessor does so.
"""
import importlib.util
import io
import os
import sys

from uffsurgeon import files, graphsurgeon, protobuf
from uffsurgeon.graphs import find_cycle
from uffsurgeon.names import not_found, producer

from . import schema, tensorflow_ops
from .schema import UffException

__version__ = "0.6.3"


class Conversion(object):
    """A graph on its way to UFF. Weights stay where they are until `parts` or `write` asks for them.

    nodes: {name: NodeDef}. outputs: names. Raises UffException.
    """

    def __init__(self, nodes, outputs, debug=False):
        self.nodes = nodes
        self.debug = debug
        self.meta = schema.MetaGraph(version=1, descriptor_core_version=1)
        self.meta.descriptors.add(id="tensorflow_extension", version=1)
        self.graph = self.meta.graphs.add(id="main")
        self.ids = set()
        self.shapes = {}  # id of a Const -> its shape
        self.weights = []  # (reference, NodeDef), in file order
        stack = list(outputs)
        while stack:
            name = stack.pop()
            if name not in self.ids:
                stack.extend(self._convert(self.nodes[name]))
        index = 0
        for name in outputs:
            while "MarkOutput_%d" % index in self.ids:
                index += 1
            self._add("MarkOutput_%d" % index, "MarkOutput", [name], {})
        schema.validate(self.meta)
        loop = find_cycle({node.id: list(node.inputs) for node in self.graph.nodes})
        if loop:
            raise UffException("the graph has a cycle: %s" % " reads ".join(map(repr, loop)))

    def _convert(self, node):
        if node.op in tensorflow_ops.VARIABLES:
            raise UffException("'%s' is a variable (%s): the graph is not frozen. Freeze it first, so "
                               "that its weights are constants" % (node.name, node.op))
        control = [each for each in node.input if each.startswith("^")]
        if control:
            raise UffException(
                "node '%s' (%s) has the control input '%s', and UFF has no such thing. If nothing "
                "depends on it: dynamic_graph.remove('%s')" % (
                    node.name, node.op, control[0], control[0][1:]))
        inputs = [self.source(node, each) for each in node.input]
        if self.debug:
            print("DEBUG [%s] Converting node %s (%s)" % (__name__, node.name, node.op))
        if node.op not in tensorflow_ops.OPERATIONS:
            return self._convert_custom(node, inputs)
        least, most, convert = tensorflow_ops.OPERATIONS[node.op]
        if not least <= len(inputs) <= most:
            raise UffException("node '%s' (%s) has %d inputs, %s takes %d%s" % (
                node.name, node.op, len(inputs), node.op, least,
                "" if len(inputs) > most else "; was one of them removed?"))
        return convert(node, inputs, self)

    def _convert_custom(self, node, inputs):
        print("Warning: No conversion function registered for layer: %s yet." % node.op)
        print("Converting %s as custom op: %s" % (node.name, node.op))
        if not node.op:
            raise UffException("node '%s' has no op" % node.name)
        if len(self.meta.descriptors) == 1:
            self.meta.descriptors.add(id="custom", version=1)
        return self.add(node, "_" + node.op, inputs, **tensorflow_ops.custom_fields(node))

    def source(self, node, text):
        """The id of the node that input `text` of `node` comes from; one Identity is passed over."""
        name = producer(text)
        if name not in self.nodes:
            raise UffException("'%s' (%s) reads: %s" % (
                node.name, node.op, not_found("node", name, self.nodes)))
        if text[len(name) :] not in ("", ":0"):
            raise UffException("'%s' (%s) reads '%s': a UFF node has one output only" % (
                node.name, node.op, text))
        above = self.nodes[name]
        if above.op == "Identity" and above.input and not above.input[0].startswith("^"):
            inner = producer(above.input[0])
            if inner in self.nodes and above.input[0][len(inner) :] in ("", ":0"):
                return inner
        return name

    def add(self, node, operation, inputs, **fields):
        """Add a UFF node; returns `inputs`."""
        self._add(node.name, operation, inputs, fields)
        return inputs

    def _add(self, name, operation, inputs, fields):
        node = self.graph.nodes.add(id=name, operation=operation)
        node.inputs.extend(inputs)
        for key, (kind, value) in fields.items():
            data = node.fields[key]
            if kind == "orders":
                data.ref = self._orders(value)
            elif kind.endswith("_list"):
                getattr(data, kind).SetInParent()
                getattr(data, kind).val.extend(value)
            else:
                setattr(data, kind, value)
        self.ids.add(name)

    def _orders(self, text):
        name = "orders_" + text
        if name not in self.meta.referenced_data:
            orders = self.meta.referenced_data[name].dim_orders_list
            for each in text.split("_"):
                orders.val.add().orders[-1].val.extend(schema.ORDERS[each])
        return name

    def add_const(self, node, shape=None):
        """Add a Const node with the values of a NodeDef, in `shape`; returns its id, new if taken."""
        name, index = node.name, 0
        while name in self.ids or index and name in self.nodes:
            name, index = "%s_%d" % (node.name, index), index + 1
        sizes = tensorflow_ops.shape_of(node) if shape is None else list(shape)
        # A Const made by hand may name its dtype in one place, or in none: then it is float.
        number = node.attr["value"].tensor.dtype or tensorflow_ops.attr(node, "dtype", "type", 0) or 1
        self._add(name, "Const", [], {
            "dtype": ("dtype", tensorflow_ops.dtype(number, node)), "shape": ("i_list", sizes),
            "values": ("ref", "weights_" + name)})
        self.shapes[name] = sizes
        self.weights.append(("weights_" + name, node, number))
        return name

    def const_node(self, node, name, message=None, required=True):
        """The Const behind input `name` of `node`, through Identities."""
        above, passed = self.nodes[self.source(node, name)], set()
        while above.op == "Identity" and above.input and above.name not in passed:
            passed.add(above.name)  # a ring of Identities would never end
            above = self.nodes.get(producer(above.input[0]), above)
        if above.op == "Const":
            tensorflow_ops.attr(above, "value", "tensor")  # raises for one without
        if above.op != "Const" and required:
            raise UffException((message or "Const node conversion requested, but node is not Const: "
                                "'{name}' has op {op}").format(name=above.name, op=above.op)
                               + " (Needed by '%s', %s.)" % (node.name, node.op))
        return above if above.op == "Const" else None

    def constant(self, node, name, message=None, required=True):
        """The values behind input `name` of `node`, as NumPy array."""
        const = self.const_node(node, name, message, required)
        if const is None:
            return None
        try:
            return protobuf.array(const.attr["value"].tensor, tensorflow_ops.attr(const, "dtype", "type", 0))
        except ValueError as error:
            raise UffException("Const '%s': %s" % (const.name, error)) from None

    def integers(self, node, name, message=None):
        """The integers behind input `name` of `node`, as NumPy array."""
        values = self.constant(node, name, message)
        if values.dtype.kind not in "iu":
            raise UffException("'%s' should be integers for '%s' (%s), and is %s" % (
                name, node.name, node.op, values.dtype))
        return values

    def number(self, node, name, message=None):
        """The single integer behind input `name` of `node`."""
        values = self.integers(node, name, message)
        if values.size != 1:
            raise UffException("'%s' should be one number for '%s' (%s), and is %s" % (
                name, node.name, node.op, values.tolist()))
        return int(values.reshape(-1)[0])

    def rank(self, name):
        """How many dimensions the shape that node `name` computes has; None when it does not show."""
        node = self.nodes[name]
        if node.op == "Pack":
            return len(node.input)
        values = self.constant(node, name, required=False)
        return None if values is None else values.size

    def _blobs(self):
        for reference, node, number in self.weights:
            try:
                yield reference, protobuf.tensor_bytes(node.attr["value"].tensor, number)
            except ValueError as error:
                raise UffException("Const '%s': %s" % (node.name, error)) from None

    def parts(self):
        """The encoded MetaGraph in pieces, one weight at a time."""
        return schema.parts(self.meta, self._blobs())

    def text(self):
        return schema.text(self.meta, self._blobs())


def from_tensorflow_frozen_model(frozen_file, output_nodes=(), preprocessor=None, **kwargs):
    """As from_tensorflow, from the path of a frozen graph (.pb)."""
    return from_tensorflow(frozen_file, output_nodes, preprocessor, **kwargs)


def from_tensorflow(graphdef, output_nodes=(), preprocessor=None, return_graph_info=False, **kwargs):
    """Convert a frozen graph to UFF.

    graphdef: whatever graphsurgeon.DynamicGraph takes; it is not changed.
    output_nodes: names, or numbers as list_nodes shows them (1-based, negative from the end); none:
        the nodes that nobody reads.
    preprocessor: path of a Python file with preprocess(dynamic_graph).
    return_graph_info: return (bytes, input NodeDefs, output NodeDefs).

    Keywords:
    quiet: print warnings only.
    input_node: list of "name,new_name,dtype,d1,d2,...": make that node an input of this kind.
    output_filename: write the UFF there, too.
    text: also write the readable form, as .pbtxt beside `output_filename`.
    write_preprocessed: also write the graph as it went into the conversion, as X_preprocessed.pb
        and, for TensorBoard (with TensorFlow), into the folder X_preprocessed.
    list_nodes: print the nodes and return None.
    debug_mode: print each node as it is converted.

    Returns the UFF as bytes. Raises UffException (a ValueError) for what UFF cannot say and for
    unknown names; FileNotFoundError.
    """
    conversion, inputs, outputs = convert(graphdef, output_nodes, preprocessor, **kwargs)
    if conversion is None:
        return None
    if kwargs.get("output_filename"):
        # The weights lie in the file now. If nobody else holds the graph its memory is free here.
        del conversion, graphdef
        if not return_graph_info:
            del inputs, outputs
        with open(str(kwargs["output_filename"]), "rb") as stream:
            data = stream.read()
    else:
        data = io.BytesIO()
        for part in conversion.parts():
            data.write(part)
        data = data.getvalue()
    return (data, inputs, outputs) if return_graph_info else data


def _has_patterns(graph):
    """True when the steps before the conversion would change the graph."""
    ops = {node.op for node in graph}
    return "Assert" in ops or {"Softmax", "Slice"} <= ops or "BatchToSpaceND" in ops


def convert(graphdef, output_nodes=(), preprocessor=None, quiet=False, input_node=(), text=False,
            list_nodes=False, output_filename=None, write_preprocessed=False, debug_mode=False):
    """As from_tensorflow, files included, but returns (Conversion, input and output NodeDefs).

    Thus the weights are never in memory twice. The Conversion is None with list_nodes.
    """
    graph = graphsurgeon.DynamicGraph(graphdef)
    if hasattr(graphdef, "node") or hasattr(graphdef, "node_map"):
        if preprocessor or input_node or _has_patterns(graph):
            own = type(graph.as_graph_def())()
            own.CopyFrom(graph.as_graph_def())
            graph = graphsurgeon.DynamicGraph(own)
    say = (lambda *words: None) if quiet else print
    say("NOTE: UFF has been tested with TensorFlow 1.12.0. Other versions are not guaranteed to work")
    if getattr(sys.modules.get("tensorflow"), "__version__", None) != "1.12.0":
        print("WARNING: The version of TensorFlow installed on this system is not guaranteed to work "
              "with UFF.")
    say("UFF Version", __version__)
    _prepare(graph, preprocessor)
    base = os.path.splitext(str(output_filename))[0] if output_filename else None
    if write_preprocessed and base:
        graph.write(base + "_preprocessed.pb")
        graph.write_tensorboard(base + "_preprocessed")
        say("Preprocessed graph written to %s_preprocessed.pb" % base)
        say("TensorBoard visualization written to %s_preprocessed" % base)
    if not input_node:
        _say_nodes(say, "input", graph.graph_inputs)
    if not output_nodes:
        output_nodes = [node.name for node in graph.graph_outputs]
        _say_nodes(say, "output", graph.graph_outputs)
    if list_nodes:
        for index, node in enumerate(graph, 1):
            print('%d %s: "%s"' % (index, node.op, node.name))
        return None, [], []
    outputs = _resolve(graph, output_nodes)
    for node in outputs:
        say("Using output node", node.name)
    inputs = [_make_input(graph, each) for each in input_node] or graph.graph_inputs
    for node in inputs:
        say("Using input node", node.name)
    say("Converting to UFF graph")
    conversion = Conversion(graph.node_map, [node.name for node in outputs], debug_mode)
    say("No. nodes:", len(conversion.graph.nodes))
    if output_filename:
        with files.atomic(output_filename) as temporary, open(str(temporary), "wb") as stream:
            for part in conversion.parts():
                stream.write(part)
        say("UFF Output written to %s" % output_filename)
        if text:
            files.write(base + ".pbtxt", conversion.text())
            say("UFF Text Output written to %s.pbtxt" % base)
    return conversion, inputs, outputs


def _prepare(graph, preprocessor):
    """The changes to the graph that come before the conversion."""
    graph.remove(graph.find_nodes_by_op("Assert"), remove_exclusive_dependencies=True)
    if preprocessor:
        path = os.path.abspath(str(preprocessor))
        spec = importlib.util.spec_from_file_location(
            os.path.splitext(os.path.basename(path))[0], path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, os.path.dirname(path))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(os.path.dirname(path))
        if not hasattr(module, "preprocess"):
            raise AttributeError("the preprocessor %s has no function preprocess(dynamic_graph)" % path)
        module.preprocess(graph)
    graphsurgeon.extras.process_dilated_conv(graph)
    graphsurgeon.extras.process_softmax(graph)


def _say_nodes(say, kind, nodes):
    say("=== Automatically deduced %s nodes ===" % kind)
    say(nodes)
    say("=" * (36 + len(kind)) + "\n")


def _resolve(graph, names):
    """NodeDefs for names, and for numbers as list_nodes prints them."""
    nodes = []
    for name in [names] if isinstance(names, str) else names:
        text = str(name)
        if text in graph.node_map:
            nodes.append(graph[text])
        elif text.lstrip("-").isdigit():
            index = int(text)
            if index == 0 or abs(index) > len(graph):
                raise UffException("Invalid node index: %d. The graph has nodes 1 to %d, or -1 to %d "
                                   "from the end." % (index, len(graph), -len(graph)))
            nodes.append(graph[index - 1 if index > 0 else index])
        else:
            raise UffException("%s was not found in the graph. Please use the -l option to list nodes "
                               "in the graph. (%s)" % (text, not_found("node", text, graph.node_map)))
    return nodes


def _make_input(graph, text):
    """Turn a node into a Placeholder: "name,new_name,dtype,d1,d2,..."; returns it."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 4:
        raise UffException("an input is given as name,new_name,dtype,d1,d2,... and not as '%s'" % text)
    node = _resolve(graph, parts[:1])[0]
    kinds = {dtype.name: number for number, dtype in protobuf.NUMPY.items()}
    if parts[2] not in kinds or not all(part.lstrip("-").isdigit() for part in parts[3:]):
        raise UffException("'%s': dtype and dimensions are written like float32,-1,224,224,3" % text)
    name = parts[1] or node.name
    if name != node.name and name in graph.node_map:
        raise UffException("'%s': there is a node '%s' already" % (text, name))
    for reader in graph.node_outputs[node.name]:
        inputs = [name + each[len(node.name) :] if producer(each) == node.name else each
                  for each in reader.input]
        reader.input[:] = inputs
    new = graphsurgeon.create_node(
        name, "Placeholder", trt_plugin=True, shape=[int(part) for part in parts[3:]])
    new.attr["dtype"].type = kinds[parts[2]]
    protobuf.copy(new, node)
    graph.changed()
    return node
