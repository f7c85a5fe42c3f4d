"""tf.nn.l2_normalize in a frozen graph: found by what it computes, and replaced by one L2Norm_TRT node.

    graph = gs.DynamicGraph(freeze.load("box3d.pb"))
    l2_normalize.collapse(graph, gs)          # axis and eps are read from the graph

TensorFlow writes x * rsqrt(maximum(sum(square(x), axis), eps)) as six nodes: five operations and the constant eps, all of
them called `name` or `name/...`. The constant with the axis is a seventh. Freezing may have merged it with an equal
constant elsewhere, and then it lies outside of the namespace and would become a second input of the plugin.
"""
import collections

from . import graphsurgeon as own
from .graphsurgeon.nodes import extract_numpy_array
from .names import producer

L2Normalize = collections.namedtuple("L2Normalize", "name vectors axis eps")
L2Normalize.__doc__ = """One normalisation: its namespace, the input it normalises (as a node names it), axis as TensorFlow
counts it (batch included, or negative), eps as the float32 that the graph holds."""

PLUGIN = "L2Norm_TRT"


def find(graph):
    """[L2Normalize] of a GraphDef or a graphsurgeon graph, in the order of the graph; nothing is changed.

    Raises ValueError, with the node and the reason, for a normalisation that one plugin node cannot stand for: more than
    one axis, an axis or eps that is no constant, a sum that drops its axis, nodes outside of the namespace, or inner
    results that others read too.
    """
    nodes = {node.name: node for node in _graph_def(graph).node}
    chains = [chain for chain in (_chain(nodes, node) for node in nodes.values()) if chain]
    readers = collections.defaultdict(set)
    for node in nodes.values():
        for text in node.input:
            readers[producer(text)].add(node.name)
    return [_read(nodes, readers, *chain) for chain in chains]


def collapse(graph, gs=own):
    """Put one L2Norm_TRT node in the place of every normalisation of a DynamicGraph, in place.

    gs: the graphsurgeon that made the graph, NVIDIA's or `uffsurgeon.graphsurgeon`. Each plugin node keeps the namespace as
    its name, reads the vectors alone, and carries the fields axis (int) and eps (float). Returns what `find` found.
    Raises ValueError as `find` does; the graph is unchanged then.
    """
    found = find(graph)
    nodes = {node.name: node for node in _graph_def(graph).node}
    for each in found:
        total = _chain(nodes, nodes[each.name])[3]
        del total.input[1]  # the axis has been read; left in, a constant from outside would be an input of the plugin
    plugins = {each.name: gs.create_plugin_node(each.name, op=PLUGIN, axis=each.axis, eps=each.eps) for each in found}
    if plugins:
        graph.collapse_namespaces(plugins)
    return found


def _graph_def(graph):
    return graph.as_graph_def() if hasattr(graph, "as_graph_def") else graph


def _chain(nodes, node):
    """(Mul, Rsqrt, Maximum, Sum, Square) when `node` is the Mul that ends a normalisation, else None."""
    chain = [node]
    for op, above in (("Mul", "Rsqrt"), ("Rsqrt", "Maximum"), ("Maximum", "Sum"), ("Sum", "Square")):
        sources = [nodes.get(producer(text)) for text in chain[-1].input]
        chain.append(next((each for each in sources if each is not None and each.op == above), None))
        if chain[-2].op != op or chain[-1] is None:
            return None
    square = chain[-1]
    return chain if len(square.input) == 1 and square.input[0] in node.input else None


def _read(nodes, readers, product, rsqrt, floor, total, square):
    name, vectors = product.name, square.input[0]

    def refuse(reason, *values):
        raise ValueError("'%s' cannot become one %s: %s" % (name, PLUGIN, reason % values))

    inner = (rsqrt, floor, total, square)
    for node in inner:
        if not node.name.startswith(name + "/"):
            refuse("its node '%s' lies outside of that namespace; collapse it under a name that holds both", node.name)
        strangers = sorted(each for each in readers[node.name] if each != name and not each.startswith(name + "/"))
        if strangers:
            refuse("'%s' reads its inner node '%s'", strangers[0], node.name)
    if not total.attr["keep_dims"].b:
        refuse("'%s' drops the axis it sums over", total.name)
    eps = [text for text in floor.input if producer(text) != total.name]
    values = {}
    for what, text in (("axis", total.input[1]), ("eps", eps[0] if eps else total.name)):
        constant = nodes.get(producer(text))
        if constant is None or constant.op != "Const":
            refuse("its %s, '%s', is no constant", what, text)
        values[what] = extract_numpy_array(constant)
        if values[what].size != 1:
            refuse("its %s is %s, and the plugin takes one number", what, values[what].tolist())
    return L2Normalize(name, vectors, int(values["axis"][0]), float(values["eps"][0]))
