"""Frozen TensorFlow graph to UFF: `from_tensorflow` and `from_tensorflow_frozen_model`.

Names, arguments, printed lines and results are those of NVIDIA's uff 0.6.3: equal messages, with the nodes in the same order.
Where NVIDIA's converter silently writes a wrong file, this one writes a right one if UFF can express it, and raises
UffException if not; uffsurgeon/README.md lists these cases. The graph that is passed in is not changed.
"""
import io
import os
import sys

from uffsurgeon import files, graphsurgeon, protobuf, values
from uffsurgeon.graphs import find_cycle
from uffsurgeon.names import not_found, producer

from . import attributes, branches, constants, preparation, schema, tensorflow_ops
from .schema import UffException

__version__ = "0.6.3"
RANDOM = {"RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniform",
          "StatelessRandomUniformV2", "StatelessRandomNormal", "StatelessRandomNormalV2", "Multinomial"}
# Operations whose weights may be computed from constants; UFF needs them as one.
WITH_WEIGHTS = {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "FusedBatchNorm", "FusedBatchNormV2",
                "FusedBatchNormV3"}


class Conversion(object):
    """A graph on its way to UFF. Weights stay in their NodeDefs until `parts` encodes them one by one.

    nodes: {name: NodeDef}. outputs: names. debug: print each node as it is converted. Raises UffException.
    """

    def __init__(self, nodes, outputs, debug=False):
        self.nodes = dict(nodes)  # a node's second output, and a computed constant, become nodes of their own here
        self.debug = debug
        self.meta = schema.MetaGraph(version=1, descriptor_core_version=1)
        self.meta.descriptors.add(id="tensorflow_extension", version=1)
        self.graph = self.meta.graphs.add(id="main")
        self.ids = set()
        self.branches = branches.Branches(self.nodes)
        self.computed = set()  # names of nodes that depend on an input
        self.cast = attributes.cast_inputs(self.nodes)
        self.several = {}  # nodes with several outputs whose first is a computed constant now
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
            raise UffException("'%s' is a variable (%s): the graph is not frozen. Freeze it first, so that its weights are "
                               "constants" % (node.name, node.op))
        if node.op in branches.CONTROL_FLOW:
            taken = self.branches.source(node, "0")
            if taken is None:
                raise UffException(branches.sentence(self.nodes, node))
            return self.add(node, "Identity", [self.source(node, taken)])
        if node.op in RANDOM:
            raise UffException("node '%s' (%s) draws random numbers: a dropout, or noise, that belongs to training. Freeze the "
                               "graph for inference, without the learning phase: %s" % (
                                   node.name, node.op, tensorflow_ops.INFERENCE))
        if node.op == "Placeholder":  # what it reads, as the rest of a collapsed namespace, does not matter: its values are fed
            inputs = []
        elif node.op in WITH_WEIGHTS:
            inputs = [self.source(node, text) for text in node.input if text[:1] != "^"]
            for name in inputs[1:]:
                self.fold(name)
        else:
            inputs = [self.source(node, text) for text in node.input if text[:1] != "^"]
        if self.debug:
            print("DEBUG [%s] Converting node %s (%s)" % (__name__, node.name, node.op))
        if node.op == "Cast" and inputs and inputs[0] in self.cast:  # the input has this type already
            return self.add(node, "Identity", inputs[:1])
        if node.op not in tensorflow_ops.OPERATIONS:
            constant = self.fold(node.name)
            return self.add_custom(node, inputs) if constant is None else self._convert(constant)
        least, most, convert = tensorflow_ops.OPERATIONS[node.op]
        if not least <= len(inputs) <= most:
            raise UffException("node '%s' (%s) has %d inputs, %s takes %d%s" % (
                node.name, node.op, len(inputs), node.op, least, "" if len(inputs) > most else "; was one of them removed?"))
        return convert(node, inputs, self)

    def add_custom(self, node, inputs):
        """Add a custom node, "_" and the name of the operation, with all attributes as fields. Returns `inputs`."""
        print("Warning: No conversion function registered for layer: %s yet." % node.op)
        print("Converting %s as custom op: %s" % (node.name, node.op))
        if not node.op:
            raise UffException("node '%s' has no op" % node.name)
        if len(self.meta.descriptors) == 1:
            self.meta.descriptors.add(id="custom", version=1)
        return self.add(node, "_" + node.op, inputs, **attributes.custom_fields(node))

    def source(self, node, text):
        """The id of the node that input `text` of `node` refers to; one Identity is passed over, and all that do nothing."""
        passed = 0
        while True:
            name = producer(text)
            if name not in self.nodes:
                raise UffException("'%s' (%s) reads: %s" % (node.name, node.op, not_found("node", name, self.nodes)))
            above, output = self.nodes[name], text[len(name) + 1:] or "0"
            inputs = [each for each in above.input if each[:1] != "^"]
            index = int(output) if above.op == "IdentityN" and output.isdigit() else 0
            taken = self.branches.source(above, output)
            if taken is None and above.op in tensorflow_ops.PASSES_ON and index < len(inputs):
                taken = inputs[index]
            if taken is None or producer(taken) == name:
                break
            text, passed = taken, passed + 1
            if passed > len(self.nodes):
                raise UffException("the graph has a cycle through '%s' (%s)" % (above.name, above.op))
        if output != "0":
            return self._other_output(node, self.several.get(name, above), text, output)
        if above.op == "Identity" and above.input and not above.input[0].startswith("^"):
            inner = producer(above.input[0])
            if inner in self.nodes and above.input[0][len(inner):] in ("", ":0"):
                return inner
            if inner in self.nodes:
                return self.source(above, above.input[0])
        return name

    def _other_output(self, node, above, text, output):
        """The id of a UFF node for an output behind the first."""
        training = attributes.attr(above, "is_training", "b", False)
        if above.op.startswith("FusedBatchNorm") and output in ("1", "2") and not training:
            return self.source(above, above.input[2 + int(output)])  # mean and variance, unchanged
        if above.op in tensorflow_ops.SEVERAL_OUTPUTS and output.isdigit():
            if text not in self.nodes:
                self.nodes[text] = tensorflow_ops.output_of(above, int(output))
            return text
        if above.op in branches.CONTROL_FLOW:
            raise UffException(branches.sentence(self.nodes, above))
        raise UffException("'%s' (%s) reads '%s': a UFF node has one output only. Collapse the namespace that holds '%s' (%s) "
                           "and what reads it into one plugin node: graph.collapse_namespaces({\"%s\": plugin_node})" % (
                               node.name, node.op, text, above.name, above.op, above.name.rpartition("/")[0] or above.name))

    def fold(self, name):
        """The Const NodeDef of the constant that node `name` computes from constants, which takes its place; else None."""
        node = self.nodes[name]
        if node.op == "Const" or not node.input or node.op not in constants.FOLDS:
            return None
        value = constants.fold(self.nodes, name, self.computed)
        if value is None:
            return None
        const = graphsurgeon.create_node(name, "Const", trt_plugin=True, value=value)
        const.attr["dtype"].type = const.attr["value"].tensor.dtype
        if node.op in tensorflow_ops.SEVERAL_OUTPUTS:
            self.several[name] = node
        self.nodes[name] = const
        return const

    def add(self, node, operation, inputs, **fields):
        """Add a UFF node for `node`. inputs: ids. fields: {name: (type in uff.Data, value)}. Returns `inputs`."""
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
            for layout in text.split("_"):
                orders.val.add().orders[-1].val.extend(schema.ORDERS[layout])
        return name

    def add_const(self, node, shape=None):
        """Add a Const node with the values of NodeDef `node` in `shape` (default: their own); returns its id, a new one if
        the name is taken."""
        name, index = node.name, 0
        while name in self.ids or index and name in self.nodes:  # NVIDIA's names: x, x_0, x_1
            name, index = "%s_%d" % (node.name, index), index + 1
        sizes = attributes.shape_of(node) if shape is None else list(shape)
        # A Const made by hand may name its dtype in one place, or in none: then it is float.
        number = node.attr["value"].tensor.dtype or attributes.attr(node, "dtype", "type", 0) or 1
        kind = attributes.dtype(6 if number == 10 else number, node)  # UFF has no bool; int8 has the same bytes, 0 and 1
        self._add(name, "Const", [], {
            "dtype": ("dtype", kind), "shape": ("i_list", sizes),
            "values": ("ref", "weights_" + name)})
        self.shapes[name] = sizes
        self.weights.append(("weights_" + name, node, number))
        return name

    def const_node(self, node, name, message=None, required=True):
        """The Const NodeDef that `node` reads as `name`, through Identities.

        message: of the UffException that is raised for another node; {name} and {op} are that node's.
        required: raise; else return None.
        """
        above, passed = self.nodes[self.source(node, name)], set()
        while above.op == "Identity" and above.input and above.name not in passed:
            passed.add(above.name)  # a cycle of Identities would never end
            above = self.nodes.get(producer(above.input[0]), above)
        above = self.fold(above.name) or above
        if above.op == "Const":
            attributes.attr(above, "value", "tensor")  # raises for one without
        if above.op != "Const" and required:
            raise UffException((message or "Const node conversion requested, but node is not Const: "
                                "'{name}' has op {op}").format(name=above.name, op=above.op)
                               + " (Needed by '%s', %s.)" % (node.name, node.op))
        return above if above.op == "Const" else None

    def constant(self, node, name, message=None, required=True):
        """The values of the constant that `node` reads as `name`, as a NumPy array; arguments as const_node."""
        const = self.const_node(node, name, message, required)
        if const is None:
            return None
        try:
            return protobuf.array(const.attr["value"].tensor, attributes.attr(const, "dtype", "type", 0))
        except ValueError as error:
            raise UffException("Const '%s': %s" % (const.name, error)) from None

    def integers(self, node, name, message=None):
        """As constant, for a constant that must hold integers."""
        values = self.constant(node, name, message)
        if values.dtype.kind not in "iu":
            raise UffException("'%s' should be integers for '%s' (%s), and is %s" % (name, node.name, node.op, values.dtype))
        return values

    def number(self, node, name, message=None):
        """As constant, for a constant that must hold one integer; returns an int."""
        values = self.integers(node, name, message)
        if values.size != 1:
            raise UffException("'%s' should be one number for '%s' (%s), and is %s" % (
                name, node.name, node.op, values.tolist()))
        return int(values.reshape(-1)[0])

    def rank(self, name):
        """The number of dimensions of the shape that node `name` computes, or None if it is not known."""
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
        """The readable form (.pbtxt)."""
        return schema.text(self.meta, self._blobs())


def from_tensorflow_frozen_model(frozen_file, output_nodes=(), preprocessor=None, **kwargs):
    """As from_tensorflow, from the path of a frozen graph (.pb). Raises FileNotFoundError, too.

        >>> data = from_tensorflow_frozen_model("box3d.pb", ["confidence/Softmax"], output_filename="part.uff", quiet=True)
        WARNING: ...
        >>> node = schema.read("part.uff").graphs[0].nodes[0]
        >>> node.id, node.operation
        ('confidence/Softmax', 'Softmax')
    """
    return from_tensorflow(frozen_file, output_nodes, preprocessor, **kwargs)


def from_tensorflow(graphdef, output_nodes=(), preprocessor=None, return_graph_info=False, **kwargs):
    """Convert a frozen graph to UFF.

    graphdef: what graphsurgeon.DynamicGraph takes; it is not changed.
    output_nodes: names, or numbers as list_nodes prints them (from 1, negative from the end); "split:1" is the second output of
        a Split, Unpack or TopKV2. Default: the nodes that no other node reads.
    preprocessor: path of a Python file with a function preprocess(dynamic_graph), which changes a copy of the graph. The
        file may `import graphsurgeon` and `import uff`, also in that function, whether or not NVIDIA's packages are
        installed; for that the two names stay importable in this process (`nvidia_names.install`).
    return_graph_info: return (bytes, input NodeDefs, output NodeDefs).
    quiet: print warnings only.
    input_node: list of "name,new_name,dtype,d1,d2,...": replace that node by a Placeholder.
    output_filename: also write the UFF there, atomically.
    text: also write the readable form, as .pbtxt beside `output_filename`.
    write_preprocessed: also write the graph as it is converted: for output X.uff as X_preprocessed.pb and, for TensorBoard
        (imports TensorFlow), into the folder X_preprocessed.
    list_nodes: print the nodes and return None.
    debug_mode: print each node as it is converted.

    Returns the UFF as bytes. Raises UffException (a ValueError) for what UFF cannot express and for unknown names,
    AttributeError for a preprocessor without preprocess, and what StaticGraph raises.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> graph = gs.DynamicGraph("box3d.pb")
        >>> data = from_tensorflow(graph.as_graph_def(), ["orientation/l2_normalize"], quiet=True)
        WARNING: ...
        >>> schema.read(data).graphs[0].id
        'main'
    """
    conversion, inputs, outputs = convert(graphdef, output_nodes, preprocessor, **kwargs)
    if conversion is None:
        return None
    if kwargs.get("output_filename"):
        # The weights are in the file now; without another reference to the graph its memory is free before that is read.
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


def convert(graphdef, output_nodes=(), preprocessor=None, quiet=False, input_node=(), text=False,
            list_nodes=False, output_filename=None, write_preprocessed=False, debug_mode=False):
    """As from_tensorflow, files included, but returns (Conversion, input and output NodeDefs).

    Thus the weights are never in memory twice. The Conversion is None with list_nodes.
    """
    # The preprocessor first: if it imports TensorFlow, the graph is then read as TensorFlow's messages.
    preprocess = preparation.load(preprocessor) if preprocessor else None
    graph = graphsurgeon.DynamicGraph(graphdef)
    if hasattr(graphdef, "node") or hasattr(graphdef, "node_map"):
        if preprocess or input_node or preparation.has_patterns(graph):
            graph = graphsurgeon.DynamicGraph(protobuf.copy(graph.as_graph_def(), protobuf.graph_def_class()()))
    log = (lambda *words: None) if quiet else print
    log("NOTE: UFF has been tested with TensorFlow 1.12.0. Other versions are not guaranteed to work")
    if getattr(sys.modules.get("tensorflow"), "__version__", None) != "1.12.0":
        print("WARNING: The version of TensorFlow installed on this system is not guaranteed to work with UFF.")
    log("UFF Version", __version__)
    graph = preparation.prepare(graph, preprocess)
    base = os.path.splitext(str(output_filename))[0] if output_filename else None
    if write_preprocessed and base:
        graph.write(base + "_preprocessed.pb")
        graph.write_tensorboard(base + "_preprocessed")
        log("Preprocessed graph written to %s_preprocessed.pb" % base)
        log("TensorBoard visualization written to %s_preprocessed" % base)
    if not input_node:
        _log_nodes(log, "input", graph.graph_inputs)
    if not output_nodes:
        output_nodes = [node.name for node in graph.graph_outputs]
        _log_nodes(log, "output", graph.graph_outputs)
    if list_nodes:
        for index, node in enumerate(graph, 1):
            print('%d %s: "%s"' % (index, node.op, node.name))
        return None, [], []
    outputs = preparation.resolve(graph, output_nodes)
    for node in outputs:
        log("Using output node", node.name)
    inputs = [preparation.make_input(graph, option) for option in input_node] or graph.graph_inputs
    for node in inputs:
        log("Using input node", node.name)
    log("Converting to UFF graph")
    nodes = dict(graph.node_map, **{node.name: node for node in outputs})
    conversion = Conversion(nodes, [node.name for node in outputs], debug_mode)
    log("No. nodes:", len(conversion.graph.nodes))
    if not quiet:
        from uffsurgeon import check  # which imports this package
        check.warn(conversion)
    values.warn(values.of_nodes((node, number) for _, node, number in conversion.weights))
    if output_filename:
        with files.atomic(output_filename) as temporary, open(str(temporary), "wb") as stream:
            for part in conversion.parts():
                stream.write(part)
        log("UFF Output written to %s" % output_filename)
        if text:
            files.write(base + ".pbtxt", conversion.text())
            log("UFF Text Output written to %s.pbtxt" % base)
    return conversion, inputs, outputs


def _log_nodes(log, kind, nodes):
    log("=== Automatically deduced %s nodes ===" % kind)
    log(nodes)
    log("=" * (36 + len(kind)) + "\n")
