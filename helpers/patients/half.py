"""A frozen graph in half precision, for TensorFlow on any machine: what each node computes is rounded to 16 bits."""
from uffsurgeon.names import not_found, producer

from .. import process


def half(graph_def, keep=()):
    """A copy of a frozen GraphDef that computes in float16, but for some nodes.

    graph_def: float32 throughout, weights as constants; it is not changed.
    keep: names of nodes that go on computing in float32. What they read is cast to it, and what they give back to float16.

    Returns a GraphDef with the same inputs and constants (float32, cast where they are read) and the same names of nodes.
    Raises ValueError for a name in `keep` that the graph does not have.
    """
    tf = process.tensorflow()
    float32, float16 = tf.float32.as_datatype_enum, tf.float16.as_datatype_enum
    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(graph_def)
    names, keep = [node.name for node in graph.node], set(keep)
    for name in sorted(keep.difference(names)):
        raise not_found("node", name, names)
    gives = {}  # node -> the type of its numbers, of those that give floating point numbers
    for node in graph.node:
        if node.op in ("Const", "Placeholder"):
            kind = node.attr["dtype"].type
        elif "T" in node.attr and node.attr["T"].type == float32:
            kind = node.attr["T"].type = float32 if node.name in keep else float16
        else:
            continue
        if kind in (float32, float16) and node.op not in ("Shape", "Size", "Rank"):
            gives[node.name] = kind
    casts = {}
    for node in list(graph.node):
        wanted = node.attr["T"].type if "T" in node.attr else None
        for place, text in enumerate(node.input):
            given = gives.get(producer(text))
            if wanted in (float32, float16) and given not in (None, wanted):
                node.input[place] = _cast(graph, casts, text, given, wanted, tf)
    return graph


def _cast(graph, casts, text, given, wanted, tf):
    """The name of a node that casts the tensor `text`; one for all readers."""
    if (text, wanted) not in casts:
        node = graph.node.add(name="%s/%s" % (producer(text), tf.as_dtype(wanted).name), op="Cast", input=[text])
        node.attr["SrcT"].type, node.attr["DstT"].type = given, wanted
        casts[text, wanted] = node.name
    return casts[text, wanted]
