"""A graph before its conversion: the preprocessor, NVIDIA's own patterns, inputs and outputs by name."""
import importlib.util
import linecache
import os
import sys
import traceback

from uffsurgeon import graphsurgeon, nvidia_names, protobuf
from uffsurgeon.names import not_found, producer, tensor

from . import tensorflow_ops
from .schema import UffException

ERRORS = (ValueError, TypeError, AttributeError, LookupError, AssertionError, ImportError, NameError, SyntaxError)


class PreprocessorError(UffException):
    """An exception in a preprocessor's file, with the line of that file. Its cause is the exception itself."""


def has_patterns(graph):
    """True when the steps before the conversion would change the graph."""
    ops = {node.op for node in graph}
    return "Assert" in ops or {"Softmax", "Slice"} <= ops or "BatchToSpaceND" in ops


def load(preprocessor):
    """The function `preprocess` of a Python file."""
    nvidia_names.install()
    path = os.path.abspath(str(preprocessor))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(path))
    try:
        spec.loader.exec_module(module)
    except ERRORS as error:
        raise _at_line_of(path, error)
    finally:
        sys.path.remove(os.path.dirname(path))
    functions = [name for name in ("preprocess", "prepare") if hasattr(module, name)]
    if not functions:
        raise AttributeError("the preprocessor %s has no function preprocess(dynamic_graph)" % path)

    def preprocess(graph):
        try:
            return getattr(module, functions[0])(graph)
        except ERRORS as error:
            raise _at_line_of(path, error)

    return preprocess


def _at_line_of(path, error):
    """A PreprocessorError that says where in the file at `path` an exception came from, and what may be done about it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if os.path.abspath(frame.filename) == path]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    source = linecache.getline(path, line).strip() if line else ""
    text = "%s, line %s%s: %s: %s" % (path, line, ", in `%s`" % source if source else "", type(error).__name__, error)
    if ".input.remove(" in source and isinstance(error, ValueError):
        text += (". If this line removes an input that is not there: collapse_namespaces has rewired it already, and the line "
                 "can be deleted")
    new = PreprocessorError(text)
    new.__cause__ = error
    return new


def prepare(graph, preprocess):
    """The graph, changed as NVIDIA's converter does before the conversion.

    It is the DynamicGraph that was given, or the one that the preprocessor returns, as functions for NVIDIA's uff_ssd do.
    """
    graph.remove(graph.find_nodes_by_op("Assert"), remove_exclusive_dependencies=True)
    if preprocess:
        result = preprocess(graph)
        graph = graph if result is None else graphsurgeon.DynamicGraph(result)
        graph.changed()  # the file may have changed NodeDefs by hand
    graphsurgeon.extras.process_dilated_conv(graph)
    graphsurgeon.extras.process_softmax(graph)
    return graph


def resolve(graph, names):
    """NodeDefs for names, for numbers as list_nodes prints them, and for tensors: "x:0" is x, "split:1" a node of that name."""
    nodes = []
    for name in [names] if isinstance(names, str) else names:
        text = tensor(str(name))
        above, _, output = text.rpartition(":")
        if text in graph.node_map:
            nodes.append(graph[text])
        elif above in graph.node_map and output.isdigit() and graph[above].op in tensorflow_ops.SEVERAL_OUTPUTS:
            nodes.append(tensorflow_ops.output_of(graph[above], int(output)))
        elif text.lstrip("-").isdigit():
            index = int(text)
            if index == 0 or abs(index) > len(graph):
                raise UffException("Invalid node index: %d. The graph has nodes 1 to %d, or -1 to %d from the end." % (
                    index, len(graph), -len(graph)))
            nodes.append(graph[index - 1 if index > 0 else index])
        else:
            raise UffException("%s was not found in the graph. Please use the -l option to list nodes in the graph. (%s)" % (
                text, not_found("node", text, graph.node_map)))
    return nodes


def make_input(graph, option):
    """Turn a node into a Placeholder: "name,new_name,dtype,d1,d2,..."; returns it."""
    parts = [part.strip() for part in option.split(",")]
    if len(parts) < 4:
        raise UffException("an input is given as name,new_name,dtype,d1,d2,... and not as '%s'" % option)
    node = resolve(graph, parts[:1])[0]
    numbers = {dtype.name: number for number, dtype in protobuf.NUMPY.items()}
    if parts[2] not in numbers or not all(part.lstrip("-").isdigit() for part in parts[3:]):
        raise UffException("'%s': dtype and dimensions are written like float32,-1,224,224,3" % option)
    name = parts[1] or node.name
    if name != node.name and name in graph.node_map:
        raise UffException("'%s': there is a node '%s' already" % (option, name))
    for reader in graph.node_outputs[node.name]:
        reader.input[:] = [name + text[len(node.name):] if producer(text) == node.name else text for text in reader.input]
    new = graphsurgeon.create_node(name, "Placeholder", trt_plugin=True, shape=list(map(int, parts[3:])))
    new.attr["dtype"].type = numbers[parts[2]]
    protobuf.copy(new, node)
    graph.changed()
    return node
