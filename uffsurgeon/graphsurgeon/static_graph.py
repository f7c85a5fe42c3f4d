"""A GraphDef to look at: finding nodes by operation, name and path, and what they read."""
import collections
import re
import sys

from uffsurgeon import files, kinds, protobuf
from uffsurgeon.names import not_found, producer

INPUT_OPS = ("Placeholder", "FIFOQueueV2", "FIFOQueue")


class _Shared(object):
    """A GraphDef and what is known about it; graphs made from one another share one."""

    def __init__(self, graph_def):
        self.graph_def, self.analysis = graph_def, None


class _Analysis(object):
    def __init__(self, nodes):
        self.node_map = {node.name: node for node in nodes}
        self.node_outputs = collections.defaultdict(list)
        for node in nodes:
            for name in node.input:
                self.node_outputs[producer(name)].append(node)
        self.graph_outputs = [node for node in nodes if node.input and not self.node_outputs.get(node.name)]
        self.graph_inputs = [node for node in nodes if node.op in INPUT_OPS]


class StaticGraph(object):
    """A GraphDef to look at.

    graphdef: a GraphDef, a tf.Graph, the path of a frozen graph (.pb), another graph of this module (both then share one
        GraphDef), or None for an empty graph.
    len(), iteration, graph[3] and graph[2:5] give nodes in the graph's order, graph["name"] the node of that name.
    Raises FileNotFoundError, ValueError for a file that is not a frozen graph, TypeError for anything else.

        >>> graph = StaticGraph("box3d.pb")
        >>> len(graph), graph["confidence/Softmax"].op
        (121, 'Softmax')

    The GraphDef that is passed in, and the NodeDefs that come out, are the graph's own: what is changed in one shows in the
    other, whether or not TensorFlow is imported meanwhile. After NodeDefs were changed by hand, call `changed`.
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
        elif isinstance(graphdef, str) or hasattr(graphdef, "__fspath__"):
            self.read(graphdef)
        else:
            raise TypeError("a graph is made from a GraphDef, a tf.Graph, a path or another graph, not from %s" % (
                type(graphdef)))

    def _analysis(self):
        if self._shared.analysis is None:
            self._shared.analysis = _Analysis(self._nodes)
        return self._shared.analysis

    _nodes = property(lambda self: self._shared.graph_def.node)
    node_map = property(lambda self: self._analysis().node_map, doc="{name: NodeDef}")
    node_outputs = property(lambda self: self._analysis().node_outputs,
                            doc="{name: list of the NodeDefs that read it, one entry per input}")
    graph_inputs = property(lambda self: self._analysis().graph_inputs, doc="list of placeholders and queues, in graph order")
    graph_outputs = property(lambda self: self._analysis().graph_outputs,
                             doc="list of the nodes that have inputs and that no node reads, in graph order")

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
        """Bring `node_map` and the other properties up to date after NodeDefs were changed by hand.

            >>> graph["confidence/Softmax"].name = "probabilities"
            >>> graph.changed()
            >>> graph["probabilities"].op
            'Softmax'
        """
        self._shared.analysis = None

    def as_graph_def(self):
        """The graph's GraphDef: the object itself, not a copy.

        There is one exception. Where TensorFlow could not be found when the graph was made and is loaded now, the graph holds
        messages that TensorFlow's functions do not take; then a copy of TensorFlow's class is returned, and what is changed in
        that copy does not show in the graph.

            >>> graph.as_graph_def().node[0] is graph[0]
            True
        """
        graph_def, kind = self._shared.graph_def, protobuf.graph_def_class()
        if "tensorflow" in sys.modules and not isinstance(graph_def, kind):
            return protobuf.copy(graph_def, kind())
        return graph_def

    def read(self, filename):
        """Replace the graph by the one in a frozen graph file (.pb). Errors as the class.

            >>> graph.read("box3d.pb")
        """
        mistake = kinds.mistake(filename, "graph")
        if mistake:
            raise ValueError(mistake)
        graph_def = protobuf.read(protobuf.graph_def_class(), filename)
        if not graph_def.node:
            raise ValueError("%s holds no nodes; a frozen graph (.pb) was expected" % filename)
        self._shared = _Shared(graph_def)

    def write(self, filename):
        """Write the graph as .pb, atomically. Raises OSError.

            >>> graph.write("copy.pb")
        """
        files.write(filename, self._shared.graph_def.SerializeToString())

    def write_tensorboard(self, logdir):
        """Write the graph as an event file for TensorBoard into folder `logdir`. Imports TensorFlow.

            >>> graph.write_tensorboard("logs")     # doctest: +SKIP
        """
        import tensorflow as tf

        with tf.Graph().as_default():  # TensorFlow 2 refuses a version 1 writer outside of a graph
            writer = tf.compat.v1.summary.FileWriter(str(logdir))
            writer.add_event(tf.compat.v1.Event(graph_def=self._shared.graph_def.SerializeToString()))
            writer.close()

    def find_nodes_by_op(self, op):
        """List the nodes whose operation is `op`, or is in the list `op`, in graph order; [] if there are none.

            >>> [node.name for node in graph.find_nodes_by_op(["Softmax", "Rsqrt"])]
            ['orientation/l2_normalize/Rsqrt', 'confidence/Softmax']
        """
        ops = {op} if isinstance(op, str) else set(op)
        return [node for node in self._nodes if node.op in ops]

    def find_nodes_by_name(self, name):
        """List the nodes of which the last component of the name matches, as a whole, a regular expression or one of a list.

            >>> len(graph.find_nodes_by_name("Leaky.*"))
            5
        """
        return _matching(self._nodes, name, lambda node: node.name.split("/")[-1])

    def find_nodes_by_path(self, path):
        """List the nodes of which the full name matches, as a whole, a regular expression or one of a list.

            >>> len(graph.find_nodes_by_path("orientation/.*"))
            6
        """
        return _matching(self._nodes, path, lambda node: node.name)

    def find_node_chains_by_op(self, chain):
        """Find paths of the operations in `chain`.

        Returns one flat list for each node of the last operation that ends such a path: the nodes that lead to it, then it.

            >>> [node.name for node in graph.find_node_chains_by_op(["MatMul", "BiasAdd", "Softmax"])[0]]
            ['confidence/MatMul', 'confidence/BiasAdd', 'confidence/Softmax']
        """
        def walk(node, ops):
            if not ops:
                return [node]
            found = [step for source in self.find_node_inputs(node) if source.op == ops[-1] for step in walk(source, ops[:-1])]
            return found + [node] if found else []

        chain = list(chain)
        ends = [walk(node, chain[:-1]) for node in self.find_nodes_by_op(chain[-1])]
        return [end for end in ends if end]

    def find_node_inputs(self, node):
        """List the nodes that `node` reads, in order. Raises ValueError for an input that is not in the graph.

            >>> [source.name for source in graph.find_node_inputs(graph["dense_1/BiasAdd"])]
            ['dense_1/MatMul', 'dense_1/bias']
        """
        return [self._get(producer(name)) for name in node.input]

    def find_node_inputs_by_name(self, node, name):
        """As find_node_inputs, only those that find_nodes_by_name would find.

            >>> [source.name for source in graph.find_node_inputs_by_name(graph["dense_1/BiasAdd"], "bias|kernel")]
            ['dense_1/bias']
        """
        return _matching(self.find_node_inputs(node), name, lambda source: source.name.split("/")[-1])

    def find_node_inputs_by_op(self, node, op):
        """As find_node_inputs, only those of operation `op`, or of one in the list `op`.

            >>> [source.name for source in graph.find_node_inputs_by_op(graph["dense_1/BiasAdd"], "MatMul")]
            ['dense_1/MatMul']
        """
        ops = {op} if isinstance(op, str) else set(op)
        return [source for source in self.find_node_inputs(node) if source.op in ops]


def _matching(nodes, patterns, text_of):
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    compiled = [re.compile(pattern) for pattern in patterns]

    def fits(text):
        # NVIDIA's rule is not fullmatch: of "Rel|Relu_1", the first alternative that fits decides.
        matches = (pattern.match(text) for pattern in compiled)
        return text in patterns or any(match and match.group() == text for match in matches)

    return [node for node in nodes if fits(text_of(node))]
