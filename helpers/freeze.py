"""A Keras model, a SavedModel or a graph -> a frozen GraphDef, ready for surgery.

    graph_def = freeze.freeze(model)              # or freeze.freeze("mine.h5"), freeze.freeze("saved_model_folder")
    freeze.save(graph_def, "mine.pb")

Freezing turns a model that can still be trained into a graph that can only compute: variables become constants, what only
training needs is dropped, and only the nodes that the outputs need are kept. The same code runs on TensorFlow 1.13 and
2.x, because both have GraphDef under `tf.compat.v1`.
"""
import os
import re

import numpy as np

from uffsurgeon import graphs, protobuf
from uffsurgeon.names import producer, unused

from . import artifacts, functions, network, process, saved
from .saved import load, node_of  # noqa: F401 (`freeze.load` reads what `freeze.save` writes)

# Operations that hold a variable, and TensorFlow's number for the type of a resource (a variable or a table by reference).
VARIABLES = ("Variable", "VariableV2", "VarHandleOp", "ReadVariableOp")
_RESOURCE = 20


def freeze(source, outputs=None, signature=None):
    """A frozen, optimised GraphDef.

    source: one of

    - a functional or sequential model of Keras 2 or 3, weights loaded; it is traced for inference, so Dropout vanishes;
    - a path: a SavedModel folder, an .h5 or .keras file, or the .pb of a graph;
    - a GraphDef, `tf.Graph` or graphsurgeon graph whose weights are constants already.

    outputs: name of a node to keep, or a list of names; by default the outputs of the model, or the nodes of the graph
        that no other node reads. The second output of a node, "split:1", becomes a node `split/output_1`.
    signature: name of a signature of a SavedModel; by default "serving_default", or the only one that it has.

    The source is not changed. Returns TensorFlow's GraphDef: Placeholder inputs (batch dimension open, as in the source),
    constants for all weights, no Identity but outputs, no devices, equal constants other than weights merged, every node
    after its inputs.
    Functions that the graph calls are written out, and the recurrent layers of a Keras model (LSTM, GRU, ...) are unrolled: an
    Input must say how long the sequence is.
    Raises TypeError for any other source; ValueError for an output that the graph does not have (with the nearest
    names), for a model whose inputs are not known, for NaN or infinity among weights (with the weight and how many), and for
    what a frozen graph cannot hold: loops, branches whose condition is not a constant, variables that it changes, tables.
    What a path raises is in `saved`.
    """
    graph_def, own_outputs, weights = variables_to_constants(source, signature)
    outputs = [outputs] if isinstance(outputs, str) else list(outputs or own_outputs)
    if not outputs:
        raise ValueError("the graph has no outputs: no node reads others without being read itself; name them (outputs=...)")
    with functions.sound(source):  # each pass works in place: the graph holds all weights, and a copy costs 160 MB
        outputs = saved.name_outputs(graph_def, outputs)
        simplify(graph_def, outputs)
        while functions.inline(graph_def):  # a condition may be a constant only now
            simplify(graph_def, outputs)
        check_frozen(graph_def)
        saved.check_values(graph_def, weights)
        merge_equal_constants(graph_def, keep=weights)
        strip_unused(graph_def, outputs)
        clear_metadata(graph_def)
        graph_def.ClearField("library")
    return graph_def


def simplify(graph_def, outputs):
    """Drop what `outputs` do not need and compute what is constant, in place."""
    functions.inline(graph_def)
    bypass_identity(graph_def, outputs)
    strip_unused(graph_def, outputs)
    gather_from_constants(graph_def)
    _check_variables(graph_def)
    fold_constants(graph_def, outputs)


def variables_to_constants(source, signature=None):
    """The first step of freezing: the graph for inference, its variables replaced by their values.

    source, signature: as for `freeze`. Returns (GraphDef, names of the output nodes, set of the names of the weight constants).
    """
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        path = str(source)
        if os.path.isdir(path):
            return saved.saved_model(path, signature)
        source = saved.keras_model(path) if path.endswith((".h5", ".hdf5", ".keras")) else saved.load(path)
    else:
        source = source.as_graph_def() if hasattr(source, "as_graph_def") else source
        if hasattr(source, "node"):
            source = protobuf.copy(source, process.tensorflow().compat.v1.GraphDef())
    if hasattr(source, "node"):
        return source, unread(source), _weights(source)
    if not hasattr(source, "layers"):
        raise TypeError("a Keras model, a path, a GraphDef or a tf.Graph can be frozen, not %r" % type(source))
    if not getattr(source, "inputs", None) or not getattr(source, "_is_graph_network", True):
        raise ValueError("the inputs of the model %r are not known. Give a Sequential its input shape, for example with "
                         "model.build((None, 224, 224, 3)), and call a subclass of Model on an Input: "
                         "keras.Model(x, model(x))" % source.name)
    with functions.unrolled(source):
        return _trace(source) if process.tensorflow().__version__.startswith("2") else _rebuild(source)


def unread(graph_def):
    """Names of the nodes with inputs and without consumers, in graph order: the default outputs of a graph."""
    read = {producer(name) for node in graph_def.node for name in node.input}
    return [node.name for node in graph_def.node if node.input and node.name not in read and node.op != "NoOp"]


def _weights(graph_def):
    """Names of the floating point constants with at least one dimension."""
    tf = process.tensorflow()
    return {node.name for node in graph_def.node if node.op == "Const" and node.attr["value"].tensor.tensor_shape.dim
            and tf.as_dtype(node.attr["dtype"].type).is_floating}


def check_frozen(graph_def):
    """Raise ValueError for a node that a graph of plain nodes and constants cannot hold."""
    _check_variables(graph_def)
    for node in graph_def.node:
        for key in _calls(node):
            raise ValueError("node %r (%s) is a loop or a branch, whose function %r a frozen graph cannot hold. Of a Keras "
                             "model, LSTM, GRU and other recurrent layers are unrolled when it is frozen; in a SavedModel or a "
                             "graph they must be made with unroll=True. Leave any other such layer out of what you freeze, or "
                             "give outputs=... in front of it" % (node.name, node.op, node.attr[key].func.name))


def _check_variables(graph_def):
    for node in graph_def.node:
        if node.op in VARIABLES or "dtype" in node.attr and node.attr["dtype"].type == _RESOURCE:
            raise ValueError("node %r (%s) is a variable or a table, and its value is not in the graph. Freeze the Keras model "
                             "or the SavedModel, without what belongs to none of its layers"
                             % (node.name, node.op))


def _calls(node):
    """Keys of the attributes of a node that name a function."""
    return sorted(key for key in node.attr if node.attr[key].HasField("func"))


def gather_from_constants(graph_def):
    """Let an Embedding, which looks rows up in a variable, look them up in a constant, in place."""
    for node in [node for node in graph_def.node if node.op == "ResourceGather"]:
        axis = node.attr["batch_dims"].i if "batch_dims" in node.attr else 0
        axis = constant_node(node.name + "/axis", np.int32(axis))
        node.op = "GatherV2"
        node.input.append(axis.name)
        node.attr["Tparams"].CopyFrom(node.attr["dtype"])
        node.attr["Taxis"].CopyFrom(axis.attr["dtype"])
        del node.attr["dtype"], node.attr["validate_indices"]
        graph_def.node.extend([axis])


def unfrozen(model):
    """The graph of a Keras model for inference with its variables still in it: to look at, since it holds no weights.

    TensorFlow 2.x writes a variable as a Placeholder that each call fills, 1.13 as a VarHandleOp.
    """
    tf = process.tensorflow()
    if not tf.__version__.startswith("2"):
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(config=process.session_config()):
            _clone(model)
        return graph.as_graph_def()
    graph_def = _concrete(model).as_graph_def()
    for node in graph_def.node:
        node.name = _unscoped(node.name, model)
        node.input[:] = [_unscoped(name, model) for name in node.input]
    return graph_def


def _clone(model):
    """TensorFlow 1: the model built again for inference in the graph and session that are the default ones."""
    keras = process.keras()
    keras.backend.set_learning_phase(0)  # holds for this graph only
    return keras.models.clone_model(model)


def _rebuild(model):
    """TensorFlow 1: build the model again in an empty graph, and let TensorFlow freeze that."""
    tf = process.tensorflow()
    values = model.get_weights()
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(config=process.session_config()) as session:
        clone = _clone(model)
        clone.set_weights(values)
        outputs = [node_of(tensor) for tensor in clone.outputs]
        weights = {weight.name.split(":")[0] for weight in clone.weights}
        graph_def = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), list(map(producer, outputs)))
    return graph_def, outputs, weights


def _trace(model):
    """TensorFlow 2: trace a call, then write each variable's value where the trace reads the variable.

    TensorFlow's own `convert_variables_to_constants_v2` does the same, but names a constant after the node that reads it
    (`box3d/dense_1/MatMul/ReadVariableOp/resource`). Here a constant keeps the name of its variable (`dense_1/kernel`), as
    in TensorFlow 1, and the scope of the model is taken off every name. (Where Keras 3
    writes mine_1/answer_1 for the layer `answer` of a model `mine`, the names stay.)
    """
    tf, graph = process.tensorflow(), _concrete(model)
    traced, result = graph.as_graph_def(), tf.compat.v1.GraphDef()
    functions.inline(traced)  # they may read variables
    result.versions.CopyFrom(traced.versions)
    result.library.CopyFrom(traced.library)
    # The model's list comes last: its variables have the path of their layer, which Keras 3 leaves out of the name.
    variables = {id(variable.handle): variable for variable in list(graph.variables) + list(model.variables)}
    captured = [inner.op.name for _, inner in graph.captures]
    taken = {_unscoped(node.name, model) for node in traced.node}.difference(_unscoped(name, model) for name in captured)
    read, weights = {}, set()  # node of the trace -> the constant that has its value; all such constants
    for outer, inner in graph.captures:
        variable = variables.get(id(outer))
        if variable is not None:
            name, value = getattr(variable, "path", variable.name).split(":")[0], variable.numpy()
        elif outer.dtype not in (tf.resource, tf.variant):  # a large tf.constant that a layer uses
            name, value = _unscoped(inner.op.name, model), outer.numpy()
        else:
            continue
        name = unused(name, taken)
        result.node.add().CopyFrom(constant_node(name, value))
        read[inner.op.name] = name
        weights.add(name)
    for node in traced.node:
        if node.op == "ReadVariableOp" and node.input[0] in read:
            read[node.name] = read[node.input[0]]
    for node in traced.node:
        if node.name not in read:
            copy = result.node.add()
            copy.CopyFrom(node)
            copy.name = _unscoped(node.name, model)
            copy.input[:] = [read[producer(name)] if producer(name) in read else _unscoped(name, model)
                             for name in node.input if not (name.startswith("^") and producer(name) in read)]
    outputs = [_unscoped(node_of(tensor), model) for tensor in tf.nest.flatten(graph.structured_outputs)]
    return result, outputs, weights


def _concrete(model):
    """The graph of one traced call of the model."""
    tf = process.tensorflow()
    names = [tensor.name.split(":")[0] for tensor in model.inputs]
    inputs = [tf.TensorSpec(tensor.shape, tensor.dtype, name) for tensor, name in zip(model.inputs, names)]
    call = tf.function(lambda *args: model(args[0] if len(args) == 1 else list(args), training=False))
    try:
        return call.get_concrete_function(*inputs).graph
    except TypeError as error:  # Keras 3 asks whether a size that nobody knows is 0
        if "symbolic" not in str(error):
            raise
        layer = re.search(r"when calling (\w+)\.call", str(error))
        raise ValueError("Keras cannot write the graph of the model %r%s, as a size of its inputs is open: give all but the "
                         "batch, as in Input((224, 224, 3))" % (
                             model.name, " at a layer " + layer.group(1) if layer else "")) from None


def _unscoped(name, model):
    mark, bare = ("^", name[1:]) if name.startswith("^") else ("", name)
    return mark + (bare[len(model.name) + 1:] if bare.startswith(model.name + "/") else bare)


def bypass_identity(graph_def, keep=()):
    """Let the consumers of an Identity read its input instead, in place; `strip_unused` removes the Identity."""
    source = {node.name: node.input[0] for node in graph_def.node
              if node.op == "Identity" and node.name not in keep and len(node.input) == 1}
    ends = {}  # a tensor -> where a chain of Identity nodes leads from it
    for node in graph_def.node:
        for i, name in enumerate(node.input):
            passed = []
            while name not in ends and (name in source or name.endswith(":0") and name[:-2] in source):
                ends[name] = None
                passed.append(name)
                name = source[producer(name)]
            if ends.get(name, name) is None:
                raise ValueError("the graph has a cycle of Identity nodes, through %r" % name)
            node.input[i] = ends.get(name, name)
            ends.update(dict.fromkeys(passed, node.input[i]))


def fold_constants(graph_def, outputs=()):
    """Turn nodes that depend on constants alone into constants of the same name, in place, but for operations that draw random
    numbers and the branches of TensorFlow 1, one of which has no value.
    """
    tf = process.tensorflow()
    # A constant with a control input may lie in a branch, and has no value then.
    branches = any(node.op == "Switch" for node in graph_def.node)
    constant = {node.name for node in graph_def.node if node.op == "Const" and not (branches and node.input)}
    foldable = []
    for node in inputs_first(graph_def):
        left = "seed2" in node.attr or node.op in ("Const", "Switch", "Merge") or node.name in outputs or _calls(node)
        if node.input and not left and all(name in constant for name in node.input):
            constant.add(node.name)
            foldable.append(node.name)
    if not foldable:
        return
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.compat.v1.graph_util.extract_sub_graph(graph_def, foldable), name="")
        tensors = [graph.get_operation_by_name(name).outputs for name in foldable]
        functions.check_sizes(graph_def, tensors)
        single = [outs[0] for outs in tensors if len(outs) == 1 and outs[0].dtype not in (tf.variant, tf.resource)]
        with tf.compat.v1.Session(graph=graph, config=process.session_config()) as session:
            values = dict(zip([tensor.op.name for tensor in single], session.run(single)))
    for node in graph_def.node:
        if node.name in values:
            node.CopyFrom(constant_node(node.name, values[node.name]))


def constant_node(name, value):
    """A Const NodeDef of TensorFlow with a NumPy array as its value."""
    tf, value = process.tensorflow(), np.asarray(value)
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    dtype = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    if value.nbytes < 64:  # as TensorFlow writes it, readable in a .pbtxt
        tensor.CopyFrom(tf.compat.v1.make_tensor_proto(value))
    else:
        tensor.dtype = dtype
        for size in value.shape:
            tensor.tensor_shape.dim.add().size = size
        tensor.tensor_content = value.tobytes()
    return node


def merge_equal_constants(graph_def, keep=()):
    """Let the consumers of constants of equal type, shape and value share the first of them, in place.

    keep: names of constants that are not merged: weights, as six biases that are all zero are still six.
    """
    tf = process.tensorflow()
    first, shared = {}, {}
    for node in graph_def.node:
        if node.op == "Const" and node.name not in keep:
            functions.check_constant(node)
            value = tf.make_ndarray(node.attr["value"].tensor)
            content = value.tobytes() if value.dtype != object else repr(value.tolist())  # strings
            shared[node.name] = first.setdefault((node.attr["dtype"].type, value.shape, content), node.name)
    for node in graph_def.node:
        node.input[:] = [shared.get(name, name) for name in node.input]


def strip_unused(graph_def, outputs):
    """Keep only the nodes that `outputs` need, each after its inputs, in place."""
    position = {node.name: i for i, node in enumerate(inputs_first(graph_def, outputs))}
    protobuf.delete(graph_def.node, lambda node: node.name not in position)
    graph_def.node.sort(key=lambda node: position[node.name])


def clear_metadata(graph_def):
    """Remove devices, and attributes such as `_output_shapes` that no converter knows, in place."""
    for node in graph_def.node:
        node.device = ""
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]


def inputs_first(graph_def, outputs=None):
    """The nodes that `outputs` need (all without it), each after the nodes that it reads.

    Raises ValueError when the graph has a cycle or reads a node that it does not have.
    """
    nodes = {node.name: node for node in graph_def.node}

    def reads(name):
        found = [producer(text) for text in nodes[name].input]
        for other in found:
            if other not in nodes:
                raise ValueError("node %r is read by %r, but the graph has no such node" % (other, name))
        return found

    try:
        names = graphs.inputs_first([node.name for node in graph_def.node] if outputs is None else outputs, reads)
    except graphs.Cycle as cycle:
        raise ValueError("%s. TensorFlow 1 writes LSTM, GRU and other loops so, and a frozen graph cannot hold them" % cycle)
    return [nodes[name] for name in names]


def save(graph_def, path, text=False, **made_from):
    """Write a binary .pb atomically, and with `text` a .pbtxt beside it; returns `path`. made_from: see `artifacts.write`."""
    artifacts.write(path, graph_def.SerializeToString(), **made_from)
    if text:
        from google.protobuf import text_format

        artifacts.write(str(path) + "txt", text_format.MessageToString(graph_def))
    return path


def box3d(flat="reshape", pairs=2, width=1):
    """Path of the frozen box network in `build/`; it is made now unless a fresh file is there.

    flat, pairs, width: as for `network.build`; trained weights for width 1, random ones for any other.
    The file name says the variant: `box3d.pb` is the repaired network, `box3d_flatten_m1.pb` the article's first.
    """
    name = "box3d%s%s%s.pb" % ("" if flat == "reshape" else "_flatten", "" if pairs == 2 else "_m1",
                               "" if width == 1 else "_w%d" % width)
    path = artifacts.BUILD / name
    made_from = dict(network="box3d", flat=flat, pairs=pairs, width=width, tensorflow=process.tensorflow().__version__)
    if width == 1:
        made_from["weights"] = artifacts.digest(network.WEIGHTS)
    if not artifacts.fresh(path, **made_from):
        model = network.build(flat=flat, pairs=pairs, width=width)
        if width == 1:
            network.load_weights(model)
        save(freeze(model), path, **made_from)
    return path
