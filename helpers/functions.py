"""Functions that a graph of TensorFlow 2 calls, and the loops of Keras layers, written out: a frozen graph holds nodes only."""
import contextlib
import functools
import operator

from uffsurgeon import protobuf
from uffsurgeon.names import producer, unused

from . import process

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
MOST_LEVELS, MOST_NODES = 100, 300000  # of calls in functions, of a graph with all of them written out
MOST_BYTES = 64 << 20  # that constants may take beyond ten times the graph
BRANCHES = ("If", "StatelessIf")


def inline(graph_def):
    """Replace each call of a function by the nodes of that function, in place, and each If whose condition is a constant by one
    of its branches.

    A node of a function gets the scope of the call as its own: `conv2d/PartitionedCall` of a function with a node `Conv2D`
    becomes `conv2d/Conv2D`. Loops, and branches whose condition is computed, stay. Returns how many nodes were replaced.
    Raises ValueError for functions that call themselves, or so many others that there would be more than MOST_NODES.
    """
    functions = {function.signature.name: function for function in graph_def.library.function}
    replaced, levels, found = 0, 0, _calls(graph_def, functions)
    while found:
        taken, outputs = {node.name for node in graph_def.node}, {}
        for call, name, inputs in found:
            outputs[call.name] = _write_out(graph_def, functions[name], call, inputs, taken)
        for node in graph_def.node:
            node.input[:] = [source for text in node.input for source in _rewired(text, outputs)]
        protobuf.delete(graph_def.node, lambda node, gone=frozenset(outputs): node.name in gone)
        replaced, levels, found = replaced + len(found), levels + 1, _calls(graph_def, functions)
        nodes = len(graph_def.node) + sum(len(functions[name].node_def) for _, name, _ in found)
        if found and (levels == MOST_LEVELS or nodes > MOST_NODES):
            raise ValueError("the functions of this graph, such as %r, call each other over more than %d levels or for more "
                             "than %d nodes: a frozen graph has them all written out" % (found[0][1], MOST_LEVELS, MOST_NODES))
    return replaced


@contextlib.contextmanager
def sound(source):
    """A context manager in which what TensorFlow and Python raise for a damaged graph becomes a ValueError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, process.tensorflow().errors.OpError) as error:
        name = "the graph" if hasattr(source, "node") else source
        raise ValueError("%s is not a sound graph: %s: %s" % (name, type(error).__name__, error)) from error


def check_constant(node):
    """Raise ValueError for a Const that makes very much of a few values, which `tf.make_ndarray` would write out."""
    tensor = node.attr["value"].tensor
    size = functools.reduce(operator.mul, (dim.size for dim in tensor.tensor_shape.dim[:33]), 1)
    if size > MOST_BYTES // 8 and size > 2 * tensor.ByteSize():
        raise ValueError("the constant %r repeats a value %d times: store all its values" % (node.name, size))


def check_sizes(graph_def, results):
    """Raise ValueError where results of constants would take much more memory than the graph.

    results: lists of tensors of a tf.Graph. Those of a shape that TensorFlow does not know before count nothing.
    """
    sizes = [(tensor.shape.num_elements() * max(tensor.dtype.size or 1, 1), tensor.op) for outputs in results
             for tensor in outputs if tensor.shape.is_fully_defined() and tensor.dtype.is_numpy_compatible]
    total, room = sum(size for size, _ in sizes), 10 * graph_def.ByteSize() + MOST_BYTES
    if total > room:
        largest = max(sizes, key=lambda pair: pair[0])[1]
        raise ValueError("the constants that this graph computes from constants take %d MB, node %r (%s) most of them; at most "
                         "%d MB are computed: store them as a Const, or leave them out" % (
                             total // 1000000, largest.name, largest.type, room // 1000000))


def _calls(graph_def, functions):
    """[(NodeDef, name of the function that it calls, the inputs that this gets)]."""
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    found = []
    for node in graph_def.node:
        inputs = [text for text in node.input if not text.startswith("^")]
        if node.op in CALLS:
            found.append((node, node.attr["f"].func.name, inputs))
        elif node.op in functions:
            found.append((node, node.op, inputs))
        elif node.op in BRANCHES and producer(inputs[0]) in constants:
            tensor = constants[producer(inputs[0])].attr["value"].tensor
            chosen = "then_branch" if process.tensorflow().make_ndarray(tensor).any() else "else_branch"
            found.append((node, node.attr[chosen].func.name, inputs[1:]))
    return [call for call in found if call[1] in functions]


def _write_out(graph_def, function, call, inputs, taken):
    """Append the nodes of a function to the graph; returns the names of the tensors that it gives."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    body, flat = function_def_to_graph_def(function)
    scope = call.name.rpartition("/")[0]
    given = dict(zip([argument.name for argument in function.signature.input_arg], inputs))
    names = {node.name: unused((scope + "/" if scope else "") + node.name, taken) for node in body.node
             if node.name not in given}

    def outside(text):
        name = producer(text)
        if name in given:
            return [] if text.startswith("^") else [given[name]]
        return [text.replace(name, names[name], 1)]

    for node in body.node:
        if node.name not in given:
            copy = graph_def.node.add()
            copy.CopyFrom(node)
            copy.name = names[node.name]
            copy.input[:] = [source for text in node.input for source in outside(text)]
    return [outside(flat[function.ret[result.name]])[0] for result in function.signature.output_arg]


def _rewired(text, outputs):
    """The inputs in place of one: outputs of a call become tensors of its function, a control input of it vanishes."""
    name, seen = producer(text), set()
    while name in outputs and name not in seen:  # a function may give what another call gives
        if text.startswith("^"):
            return []
        seen.add(name)
        text = outputs[name][int(text[len(name) + 1:] or 0)]
        name = producer(text)
    return [text[:-2] if text.endswith(":0") else text]


@contextlib.contextmanager
def unrolled(model):
    """A context manager in which the recurrent layers of a Keras model (LSTM, GRU, ...) write a step after the other.

    Otherwise they are loops. The layers are as before afterwards. Raises ValueError in place of Keras's own for a sequence
    whose length is open.
    """
    layers = [layer for layer in _layers(model) if getattr(layer, "unroll", True) is False]
    found = [(layer, key, getattr(layer, key)) for layer in layers
             for key in ("unroll", "_could_use_gpu_kernel") if hasattr(layer, key)]
    for layer, key, _ in found:
        setattr(layer, key, key == "unroll")
    try:
        yield
    except ValueError as error:
        if "unroll" not in str(error).lower():
            raise
        raise ValueError("%s is a loop over a sequence of open length, which a frozen graph cannot hold. Give the model's "
                         "Input the length, as in Input((10, 3)), set the weights of this one, and freeze that" % (
                             " or ".join("layer %r" % layer.name for layer in layers))) from None
    finally:
        for layer, key, value in found:
            setattr(layer, key, value)


def _layers(model):
    """The layers of a model, those in layers included."""
    todo, seen = [model], []
    while todo:
        layer = todo.pop()
        if all(layer is not other for other in seen):
            seen.append(layer)
            inner = [getattr(layer, key, None) for key in ("layer", "cell", "forward_layer", "backward_layer")]
            todo += list(getattr(layer, "layers", None) or ()) + [each for each in inner if each is not None]
    return seen
