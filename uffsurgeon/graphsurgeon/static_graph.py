"""A GraphDef to look at: finding nodes by op, by name, by path, by what they read."""
import collections
import re
import sys

from uffsurgeon import files, protobuf
from uffsurgeon.names import not_found, producer

INPUT_OPS = ("Placeholder", "FIFOQueueV2", "FIFOQueue")


class _Shared(object):
    """A GraphDef and what is known about it; graphs made from one another share one."""

    def __init__(self, graph_def):
        self.graph_def = graph_def
        self.changed()

    def changed(self):
        self.analysis = None


class _Analysis(object):
    def __init__(self, nodes):
        self.node_map = {node.name: node for node in nodes}
        self.node_outputs = collections.defaultdict(list)
        for node in nodes:
            for name in node.input:
                self.node_outputs[producer(name)].append(node)
        self.graph_outputs = [n for n in nodes if n.input and not self.node_outputs.get(n.name)]
        self.graph_inputs = [n for n in nodes if n.op in INPUT_OPS]


class StaticGraph(object):
    """A GraphDef to look at.

    graphdef: GraphDef, tf.Graph, the path of a frozen .pb, another graph of this module (shared), or
    None for an empty one. len(), iteration and graph[3] give its nodes, graph["name"] a node by name.
    Raises FileNotFoundError, ValueError (no frozen graph in that file), TypeError.
    """

    def __init__(self, graphdef=None):
        if isinstance(graphdef, StaticGraph):
            self._shared = graphdef._shared
        elif graphdef is None:
            self._shared = _Shared(protobuf.graph_def_class()())
        elif hasattr(graphdef, "as_graph_def"):
            self._shared = _Shared(graphdef.as_graph_def())
        elif hasattr(graphdef, "node"):
            self._shared = _Shared(graphdef)
        elif isinstance(graphdef, (bytes, bytearray)) or not hasattr(graphdef, "__fspath__") and (
            not isinstance(graphdef, str)
        ):
            raise TypeError("a graph is made from a GraphDef, a tf.Graph, a path or another graph, "
                            "not from %s" % type(graphdef))
        else:
            self.read(graphdef)

    def _analysis(self):
        if self._shared.analysis is None:
            self._shared.analysis = _Analysis(self._nodes)
        return self._shared.analysis

    _nodes = property(lambda self: self._shared.graph_def.node)
    node_map = property(lambda self: self._analysis().node_map, doc="{name: NodeDef}")
    node_outputs = property(lambda self: self._analysis().node_outputs,
                            doc="{name: NodeDefs that read it, one per edge}")
    graph_inputs = property(lambda self: self._analysis().graph_inputs, doc="Placeholders, queues")
    graph_outputs = property(lambda self: self._analysis().graph_outputs,
                             doc="nodes with inputs that nobody reads, in graph order")

    def __len__(self):
        return len(self._nodes)

    def __iter__(self):
        return iter(self._nodes)

    def __getitem__(self, key):
        return self._get(key) if isinstance(key, str) else self._nodes[key]

    def _get(self, name):
        if name not in self.node_map:
            raise not_found("node", name, self.node_map)
        return self.node_map[name]

    def changed(self):
        """Look at the graph anew: to be called after NodeDefs were changed by hand."""
        self._shared.changed()

    def as_graph_def(self):
        """The GraphDef itself, not a copy; TensorFlow's own class once TensorFlow is loaded."""
        kind = protobuf.graph_def_class()
        if "tensorflow" in sys.modules and not isinstance(self._shared.graph_def, kind):
            self._shared.graph_def = protobuf.copy(self._shared.graph_def, kind())
            self.changed()
        return self._shared.graph_def

    def read(self, filename):
        """Take the graph in a .pb file instead."""
        graph_def = protobuf.read(protobuf.graph_def_class(), filename)
        if not graph_def.node:
            raise ValueError("%s holds no nodes. A frozen GraphDef (.pb) was expected; a SavedModel "
                             "or a Keras file has to be frozen first." % filename)
        self._shared = _Shared(graph_def)

    def write(self, filename):
        """Write the graph as .pb, atomically."""
        files.write(filename, self.as_graph_def().SerializeToString())

    def write_tensorboard(self, logdir):
        """Write the graph as an event file that TensorBoard shows. Needs TensorFlow."""
        import tensorflow as tf

        with tf.Graph().as_default():  # TensorFlow 2 refuses a version 1 writer outside of a graph
            writer = tf.compat.v1.summary.FileWriter(str(logdir))
            data = self.as_graph_def().SerializeToString()
            writer.add_event(tf.compat.v1.Event(graph_def=data))
            writer.close()

    def find_nodes_by_op(self, op):
        """Nodes whose op is `op`, or is in the list `op`; in graph order. None: []."""
        ops = {op} if isinstance(op, str) else set(op)
        return [node for node in self._nodes if node.op in ops]

    def find_nodes_by_name(self, name):
        """Nodes whose last path component matches a regular expression (or one of a list), whole."""
        return _matching(self._nodes, name, lambda node: node.name.split("/")[-1])

    def find_nodes_by_path(self, path):
        """Nodes whose full name matches a regular expression (or one of a list), whole."""
        return _matching(self._nodes, path, lambda node: node.name)

    def find_node_chains_by_op(self, chain):
        """Paths of ops: per node of the last op one flat list of the nodes that lead to it, it last."""
        def walk(node, ops):
            if not ops:
                return [node]
            found = [each for above in self.find_node_inputs(node) if above.op == ops[-1]
                     for each in walk(above, ops[:-1])]
            return found + [node] if found else []

        chain = list(chain)
        ends = [walk(node, chain[:-1]) for node in self.find_nodes_by_op(chain[-1])]
        return [end for end in ends if end]

    def find_node_inputs(self, node):
        """The nodes that `node` reads, in order. Raises ValueError for one that is not there."""
        return [self._get(producer(name)) for name in node.input]

    def find_node_inputs_by_name(self, node, name):
        """As find_node_inputs, those whose last path component matches."""
        return _matching(self.find_node_inputs(node), name, lambda each: each.name.split("/")[-1])

    def find_node_inputs_by_op(self, node, op):
        """As find_node_inputs, those of that op."""
        ops = {op} if isinstance(op, str) else set(op)
        return [each for each in self.find_node_inputs(node) if each.op in ops]


def _matching(nodes, patterns, text_of):
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    compiled = [re.compile(pattern) for pattern in patterns]

    def fits(text):
        # NVIDIA's rule is not fullmatch: of "Rel|Relu_1", the first alternative that fits decides.
        matches = (each.match(text) for each in compiled)
        return text in patterns or any(match and match.group() == text for match in matches)

    return [node for node in nodes if fits(text_of(node))]
