"""Frozen TensorFlow graph to UFF: `from_tensorflow` and `from_tensorflow_frozen_model`.

Names, arguments, printed lines and results are those of NVIDIA's uff 0.6.3: equal messages, with the nodes in the same order.
Where NVIDIA's converter silently writes a wrong file, this one writes a right one if UFF can express it, and raises
UffException if not; uffsurgeon/README.md lists these cases. The graph that is passed in is not changed.
"""
import io
import os
import sys

from uffsurgeon import files, graphsurgeon, protobuf, values

from . import preparation, schema  # noqa: F401 (the examples use schema)
from .conversion import RANDOM, Conversion  # noqa: F401

__version__ = "0.6.3"
MOST_CHECKED = 20000  # nodes that are checked against the parsers in two seconds


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
    if len(conversion.graph.nodes) > MOST_CHECKED:
        log("NOTE: %d nodes are too many to be checked here; `uffsurgeon check` does it" % len(conversion.graph.nodes))
    elif not quiet:
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
