"""A graph on its way to UFF: `Conversion`, which converts each node that the outputs need, once."""
import functools
import operator

from uffsurgeon import graphsurgeon, protobuf
from uffsurgeon.graphs import find_cycle, sentence
from uffsurgeon.names import not_found, producer

from . import attributes, branches, constants, schema, sizes, tensorflow_ops
from .schema import UffException

RANDOM = {"RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniform",
          "StatelessRandomUniformV2", "StatelessRandomNormal", "StatelessRandomNormalV2", "Multinomial"}
# Operations whose weights may be computed from constants; UFF needs them as one.
WITH_WEIGHTS = {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "FusedBatchNorm", "FusedBatchNormV2",
                "FusedBatchNormV3"}
MOST_PASSED = 200000


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
        self.sizes = sizes.Sizes(self.nodes)
        self.constants = constants.Constants(self.nodes, self.sizes)
        self.branches = branches.Branches(self.nodes, self.constants)
        self.passed = self.made = 0  # nodes without effect that were passed over; bytes that one value or one constant made
        self.inputs = {}  # name of a node that passes its inputs on -> these
        self.copies = {}  # name of a constant -> number of its copies
        self.cast = attributes.cast_inputs(self.nodes)
        self.several = {}  # nodes with several outputs whose first is a computed constant now
        self.shapes = {}  # id of a Const -> its shape
        self.weights = []  # (reference, NodeDef), in file order
        stack = list(outputs)
        while stack:
            name = stack.pop()
            if name in self.ids:
                continue
            node = self.nodes[name]
            try:
                stack.extend(self._convert(node))
            except UffException:
                raise
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                raise UffException("node '%s' (%s) has attributes or inputs that do not fit its operation (%s: %s)" % (
                    node.name, node.op, type(error).__name__, error)) from error
        index = 0
        for name in outputs:
            while "MarkOutput_%d" % index in self.ids:
                index += 1
            self._add("MarkOutput_%d" % index, "MarkOutput", [name], {})
        schema.validate(self.meta)
        loop = find_cycle({node.id: list(node.inputs) for node in self.graph.nodes})
        if loop:
            raise UffException("the graph has a cycle: %s" % sentence(loop))

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
        steps = 0
        while True:
            steps += 1
            if steps > 2 * len(self.nodes) + 2:
                raise UffException("the graph has a cycle through '%s' (%s)" % (node.name, node.op))
            name = producer(text)
            if name not in self.nodes:
                raise UffException("'%s' (%s) reads: %s" % (node.name, node.op, not_found("node", name, self.nodes)))
            above, output = self.nodes[name], text[len(name) + 1:] or "0"
            taken = self.branches.source(above, output)
            if taken is None and above.op in tensorflow_ops.PASSES_ON:
                index = int(output) if above.op == "IdentityN" and output.isdecimal() and len(output) < 9 else 0
                if name not in self.inputs:
                    self.inputs[name] = [each for each in above.input if each[:1] != "^"]
                taken = self.inputs[name][index] if index < len(self.inputs[name]) else None
            if taken is not None and producer(taken) != name:
                self._pass()
                text = taken
                continue
            if output != "0":
                above = self.several.get(name, above)
                found = self._other_output(node, above, text, output)
                if found == text and text in self.nodes:
                    return text
                node, text = above, found
                continue
            if above.op == "Identity" and above.input and not above.input[0].startswith("^"):
                inner = producer(above.input[0])
                if inner in self.nodes and above.input[0][len(inner):] in ("", ":0"):
                    return inner
                if inner in self.nodes:
                    node, text = above, above.input[0]
                    continue
            return name

    def _pass(self):
        self.passed += 1
        if self.passed > MOST_PASSED + 10 * len(self.nodes):
            raise UffException("chains of nodes that do nothing, such as Identity, take over %d steps: remove these nodes, "
                               "graph.forward_inputs(graph.find_nodes_by_op('Identity'))" % MOST_PASSED)

    def _other_output(self, node, above, text, output):
        """The id of a UFF node for an output behind the first, or a tensor in place of it."""
        training = attributes.attr(above, "is_training", "b", False)
        if above.op.startswith("FusedBatchNorm") and output in ("1", "2") and not training:
            return above.input[2 + int(output)]  # mean and variance, unchanged
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
        value = self.constants.fold(name)
        if value is None:
            return None
        const = graphsurgeon.create_node(name, "Const", trt_plugin=True, value=value)
        const.attr["dtype"].type = const.attr["value"].tensor.dtype
        if node.op in tensorflow_ops.SEVERAL_OUTPUTS:
            self.several[name] = node
        self.nodes[name] = const
        self.sizes.changed(name)
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
        name, index = node.name, self.copies.get(node.name, 0)
        while name in self.ids or index and name in self.nodes:  # NVIDIA's names: x, x_0, x_1
            name, index = "%s_%d" % (node.name, index), index + 1
        self.copies[node.name] = index
        shape = attributes.shape_of(node) if shape is None else list(shape)
        if len(shape) > protobuf.MOST_AXES:
            raise UffException("Const '%s' has %d axes, and a tensor at most %d" % (node.name, len(shape), protobuf.MOST_AXES))
        # A Const made by hand may name its dtype in one place, or in none: then it is float.
        number = node.attr["value"].tensor.dtype or attributes.attr(node, "dtype", "type", 0) or 1
        kind = attributes.dtype(6 if number == 10 else number, node)  # UFF has no bool; int8 has the same bytes, 0 and 1
        self._add(name, "Const", [], {
            "dtype": ("dtype", kind), "shape": ("i_list", shape),
            "values": ("ref", "weights_" + name)})
        self.shapes[name] = shape
        if name != node.name:
            self._make(functools.reduce(operator.mul, shape, 4))
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
            self._pass()
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
        if values.size > 2 * protobuf.MOST_AXES:
            raise UffException("'%s' has %d elements for '%s' (%s), and a tensor has at most %d axes" % (
                name, values.size, node.name, node.op, protobuf.MOST_AXES))
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
            made = []
            try:
                blob = protobuf.tensor_bytes(node.attr["value"].tensor, number, made)
            except ValueError as error:
                raise UffException("Const '%s': %s" % (node.name, error)) from None
            self._make(sum(made))
            yield reference, blob

    def _make(self, size):
        self.made += size
        if self.made > protobuf.MOST_REPEATED:
            raise UffException("constants that repeat one value, or that are read in several shapes, take over %d MB: store "
                               "all their values, each once" % (protobuf.MOST_REPEATED // 1000000))

    def parts(self):
        """The encoded MetaGraph in pieces, one weight at a time."""
        return schema.parts(self.meta, self._blobs())

    def text(self):
        """The readable form (.pbtxt)."""
        return schema.text(self.meta, self._blobs())
