"""tf.nn.l2_normalize in a frozen graph: find it by what it computes, and replace it by one L2Norm_TRT node.

TensorFlow writes x * rsqrt(maximum(sum(square(x), axis), epsilon)) as six nodes: five operations and the constant epsilon,
all of them named `name` or `name/...`. The constant with the axis is a seventh. Freezing may have merged it with an equal
constant elsewhere; it is then outside of the namespace, and would become a second input of the plugin.
"""
import collections

from . import graphsurgeon
from .graphsurgeon.nodes import extract_numpy_array
from .names import producer

L2Normalize = collections.namedtuple("L2Normalize", "name vectors axis eps")
L2Normalize.__doc__ = """One l2_normalize: its namespace; the input that it normalizes, as a node refers to it; its axis as
TensorFlow counts it (batch included, or negative); its epsilon as the float32 in the graph."""

PLUGIN = "L2Norm_TRT"


def find(graph):
    """List the l2_normalize of a GraphDef or a graphsurgeon graph, as L2Normalize, in graph order.

    Raises ValueError, with the node and the reason, for one that a single plugin node cannot replace: more than one axis, an
    axis or epsilon that is not a constant, a sum that drops its axis, nodes outside of the namespace, or inner nodes that
    are read from outside.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> find(gs.DynamicGraph("box3d.pb"))
        [L2Normalize(name='orientation/l2_normalize', vectors='reshape_1/Reshape', axis=2, eps=9.999999960041972e-13)]
    """
    nodes = _nodes(graph)
    chains = [chain for chain in (_chain(nodes, node) for node in nodes.values()) if chain]
    readers = collections.defaultdict(set)
    for node in nodes.values():
        for text in node.input:
            readers[producer(text)].add(node.name)
    return [_read(nodes, readers, *chain) for chain in chains]


def collapse(graph, gs=graphsurgeon):
    """Replace every l2_normalize of a DynamicGraph by one L2Norm_TRT node, in place.

    gs: the graphsurgeon that made the graph, NVIDIA's or `uffsurgeon.graphsurgeon`. A plugin node has the namespace as its
    name, the vectors as its only input, and the fields axis (int) and eps (float). Returns what `find` found.
    Raises ValueError as `find`; the graph is then unchanged.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> graph = gs.DynamicGraph("box3d.pb")
        >>> found = collapse(graph)
        >>> graph["orientation/l2_normalize"].op, [str(name) for name in graph["orientation/l2_normalize"].input]
        ('L2Norm_TRT', ['reshape_1/Reshape'])
    """
    found = find(graph)
    nodes = _nodes(graph)
    for normalize in found:
        total = _chain(nodes, nodes[normalize.name])[3]
        del total.input[1]  # the axis has been read; a constant from outside would be an input of the plugin
    plugins = {name: gs.create_plugin_node(name, op=PLUGIN, axis=axis, eps=eps) for name, _, axis, eps in found}
    if plugins:
        graph.collapse_namespaces(plugins)
    return found


def _nodes(graph):
    return {node.name: node for node in (graph if hasattr(graph, "node_map") else graph.node)}


def _chain(nodes, node):
    """(Mul, Rsqrt, Maximum, Sum, Square) if `node` is the Mul at the end of an l2_normalize, else None."""
    chain = [node]
    for op, above in (("Mul", "Rsqrt"), ("Rsqrt", "Maximum"), ("Maximum", "Sum"), ("Sum", "Square")):
        sources = [nodes.get(producer(text)) for text in chain[-1].input]
        chain.append(next((source for source in sources if source is not None and source.op == above), None))
        if chain[-2].op != op or chain[-1] is None:
            return None
    square = chain[-1]
    return chain if len(square.input) == 1 and square.input[0] in node.input else None


def _read(nodes, readers, product, rsqrt, maximum, total, square):
    name, vectors = product.name, square.input[0]

    def refuse(reason, *values):
        raise ValueError("'%s' cannot become one %s: %s" % (name, PLUGIN, reason % values))

    for node in (rsqrt, maximum, total, square):
        if not node.name.startswith(name + "/"):
            refuse("its node '%s' lies outside of that namespace; collapse it under a name that holds both", node.name)
        outside = sorted(reader for reader in readers[node.name] if reader != name and not reader.startswith(name + "/"))
        if outside:
            refuse("'%s' reads its inner node '%s'", outside[0], node.name)
    if not total.attr["keep_dims"].b:
        refuse("'%s' drops the axis it sums over", total.name)
    epsilon = [text for text in maximum.input if producer(text) != total.name]
    values = []
    for label, text in (("axis", total.input[1]), ("epsilon", epsilon[0] if epsilon else total.name)):
        constant = nodes.get(producer(text))
        if constant is None or constant.op != "Const":
            refuse("its %s, '%s', is not a constant", label, text)
        array = extract_numpy_array(constant)
        if array.size != 1:
            refuse("its %s is %s, and the plugin takes one number", label, array.tolist())
        values.append(array[0])
    return L2Normalize(name, vectors, int(values[0]), float(values[1]))
