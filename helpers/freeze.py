"""Keras model -> frozen GraphDef, ready for surgery.

Freezing turns a model that can still learn into a description that can only compute: variables become
constants, what only training needs is dropped, and what is left is reduced to the nodes that the outputs need.
The same code runs on TensorFlow 1.13 and 2.x, because both still speak GraphDef under `tf.compat.v1`.
"""
import collections

import numpy as np

from uffsurgeon.names import not_found, producer

from . import artifacts, network
from .network import INPUT, OUTPUTS, keras, tf

v1 = tf.compat.v1


def freeze(model, outputs=None):
    """A frozen, optimised GraphDef of a Keras model.

    model: a functional or sequential Keras model, weights loaded. It is rebuilt in a graph of its own (for
        inference, so Dropout vanishes) and is not touched.
    outputs: names of the nodes to keep, in any order; by default the model's own outputs.

    Returns a GraphDef: Placeholder inputs (unknown batch), constants for all weights, no Identity, no devices,
    equal constants merged, nodes in an order in which every node follows its inputs.
    Raises ValueError for an output that the graph does not have (with the nearest names), and for what constants
    cannot stand for: functions that the graph calls (LSTM, GRU, loops), variables that it changes, tables.
    """
    graph_def, own_outputs, weights = variables_to_constants(model)
    outputs = list(outputs or own_outputs)
    check_outputs(graph_def, outputs)
    # Each pass works in place: the graph holds all weights, and every copy costs 160 MB.
    bypass_identity(graph_def, outputs)
    strip_unused(graph_def, outputs)
    gather_from_constants(graph_def)
    check_frozen(graph_def)
    fold_constants(graph_def, outputs)
    merge_equal_constants(graph_def, keep=weights)
    strip_unused(graph_def, outputs)
    clear_notes(graph_def)
    return graph_def


def check_outputs(graph_def, outputs):
    """Raise ValueError, with the nearest names, for an output that is no node of the graph."""
    known = [node.name for node in graph_def.node]
    for name in outputs:
        if name not in known:
            raise not_found("node", name, known)


def check_frozen(graph_def):
    """Raise ValueError for a node that a graph of plain nodes and constants cannot hold."""
    for node in graph_def.node:
        for key in sorted(node.attr):
            if node.attr[key].HasField("func"):
                raise ValueError("node %r (%s) calls the function %r, and a frozen graph holds nodes only. LSTM, GRU, loops "
                                 "and convolutions with groups are written so; leave that layer out of the model that you "
                                 "freeze" % (node.name, node.op, node.attr[key].func.name))
        resource = "dtype" in node.attr and node.attr["dtype"].type == tf.resource.as_datatype_enum
        if resource or node.op in ("VarHandleOp", "ReadVariableOp"):
            raise ValueError("node %r (%s) is a resource whose value the model does not show: a variable of no layer, or a "
                             "table; leave it out of the model that you freeze" % (node.name, node.op))


def gather_from_constants(graph_def):
    """Let an Embedding, which looks rows up in a variable, look them up in the constant instead, in place."""
    for node in [node for node in graph_def.node if node.op == "ResourceGather"]:
        axis = node.attr["batch_dims"].i if "batch_dims" in node.attr else 0
        axis = constant_node(node.name + "/axis", np.int32(axis))
        node.op = "GatherV2"
        node.input.append(axis.name)
        node.attr["Tparams"].CopyFrom(node.attr["dtype"])
        node.attr["Taxis"].CopyFrom(axis.attr["dtype"])
        del node.attr["dtype"], node.attr["validate_indices"]
        graph_def.node.extend([axis])


def variables_to_constants(model):
    """The first step of freezing: the model's graph for inference, its variables replaced by their values.

    Returns (GraphDef, names of the output nodes, set of the names of the weight constants).
    """
    return _trace(model) if tf.__version__.startswith("2") else _rebuild(model)


def unfrozen(model):
    """The model's graph for inference with its variables still in it; only to look at, it holds no weights.

    TensorFlow 1.13 and 2.x write a variable in different ways: VarHandleOp, or a Placeholder that the call fills.
    """
    if not tf.__version__.startswith("2"):
        graph = tf.Graph()
        with graph.as_default(), v1.Session(graph=graph, config=network.session_config()):
            keras.backend.set_learning_phase(0)
            keras.models.clone_model(model)
        return graph.as_graph_def()
    graph_def = _concrete(model).as_graph_def()
    for node in graph_def.node:
        node.name = _unscoped(node.name, model)
        node.input[:] = [_unscoped(name, model) for name in node.input]
    return graph_def


def _rebuild(model):
    """TensorFlow 1: build the model again in an empty graph, and let TensorFlow freeze that."""
    values = model.get_weights()
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph, config=network.session_config()) as session:
        keras.backend.set_learning_phase(0)  # for inference; holds for this graph only
        clone = keras.models.clone_model(model)
        clone.set_weights(values)
        outputs = [_node_of(tensor) for tensor in clone.outputs]
        weights = {weight.name.split(":")[0] for weight in clone.weights}
        graph_def = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)
    return graph_def, outputs, weights


def _trace(model):
    """TensorFlow 2: trace a call, then write each variable's value where the trace reads the variable.

    TensorFlow's own `convert_variables_to_constants_v2` does the same but names a constant after the node that
    reads it (`box3d/dense_1/MatMul/ReadVariableOp/resource`); here it keeps its own name (`dense_1/kernel`), as
    in TensorFlow 1, and the scope of the model is taken off every name.
    """
    graph = _concrete(model)
    traced, result = graph.as_graph_def(), v1.GraphDef()
    result.versions.CopyFrom(traced.versions)
    # The model's own list comes last: its variables know the path of their layer, which Keras 3 has no more in the name.
    variables = {id(each.handle): each for each in list(graph.variables) + list(model.variables)}
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
        name = _free(name, taken)
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
    outputs = []
    for tensor in tf.nest.flatten(graph.structured_outputs):
        while tensor.op.type == "Identity":  # one that tf.function adds, one that Keras may add
            tensor = tensor.op.inputs[0]
        outputs.append(_unscoped(_node_of(tensor), model))
    return result, outputs, weights


def _node_of(tensor):
    """Name of the node whose first output `tensor` is."""
    if tensor.value_index:
        raise ValueError("an output of the model is %r, and a frozen graph is asked for nodes, whose first output it gives; "
                         "put a layer behind it, such as Lambda(lambda x: 1.0 * x)" % tensor.name)
    return tensor.op.name


def _free(name, taken):
    """`name`, or `name_1` and so on if that is taken: layers of two models in one model may share their names."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = "%s_%d" % (name, count)
    taken.add(free)
    return free


def _concrete(model):
    """The graph of one traced call of the model."""
    names = [tensor.name.split(":")[0] for tensor in model.inputs]
    inputs = [tf.TensorSpec(tensor.shape, tensor.dtype, name) for tensor, name in zip(model.inputs, names)]
    call = tf.function(lambda *args: model(args[0] if len(args) == 1 else list(args), training=False))
    return call.get_concrete_function(*inputs).graph


def _unscoped(name, model):
    mark, bare = ("^", name[1:]) if name.startswith("^") else ("", name)
    return mark + (bare[len(model.name) + 1:] if bare.startswith(model.name + "/") else bare)


def bypass_identity(graph_def, keep=()):
    """Let the readers of an Identity read what it reads, in place; it stays itself, unread, for `strip_unused`."""
    source = {node.name: node.input[0] for node in graph_def.node
              if node.op == "Identity" and node.name not in keep and len(node.input) == 1}
    for node in graph_def.node:
        for i, name in enumerate(node.input):
            while name in source or name.endswith(":0") and name[:-2] in source:
                name = source[producer(name)]
            node.input[i] = name


def fold_constants(graph_def, outputs=()):
    """Turn nodes that depend on constants alone into constants of the same name, in place.

    Random numbers are no constants, although they depend on nothing else.
    """
    constant = {node.name for node in graph_def.node if node.op == "Const"}
    foldable = []
    for node in topological(graph_def):
        random = "seed2" in node.attr
        if node.op != "Const" and node.input and not random and node.name not in outputs and all(
                name in constant for name in node.input):
            constant.add(node.name)
            foldable.append(node.name)
    if not foldable:
        return
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(v1.graph_util.extract_sub_graph(graph_def, foldable), name="")
        tensors = [graph.get_operation_by_name(name).outputs for name in foldable]
        single = [outs[0] for outs in tensors if len(outs) == 1]
        with v1.Session(graph=graph, config=network.session_config()) as session:
            values = dict(zip([tensor.op.name for tensor in single], session.run(single)))
    for node in graph_def.node:
        if node.name in values:
            node.CopyFrom(constant_node(node.name, values[node.name]))


def constant_node(name, value):
    """A Const NodeDef with a NumPy array as its value."""
    value = np.asarray(value)
    node = v1.NodeDef(name=name, op="Const")
    dtype = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    if value.nbytes < 64:  # as TensorFlow writes it, readable in a .pbtxt
        tensor.CopyFrom(v1.make_tensor_proto(value))
    else:
        tensor.dtype = dtype
        for size in value.shape:
            tensor.tensor_shape.dim.add().size = size
        tensor.tensor_content = value.tobytes()
    return node


def merge_equal_constants(graph_def, keep=()):
    """Let the readers of constants of one type, shape and value share the first of them, in place.

    keep: names that stay as they are. Weights belong there: six biases that are all zero today are not the
    same bias. TensorFlow 1.13's `merge_duplicate_nodes` did this to the graph of the article.
    """
    first, shared = {}, {}
    for node in graph_def.node:
        if node.op == "Const" and node.name not in keep:
            value = tf.make_ndarray(node.attr["value"].tensor)
            content = value.tobytes() if value.dtype != object else repr(value.tolist())  # strings
            shared[node.name] = first.setdefault((node.attr["dtype"].type, value.shape, content), node.name)
    for node in graph_def.node:
        node.input[:] = [shared.get(name, name) for name in node.input]


def strip_unused(graph_def, outputs):
    """Keep only the nodes that `outputs` need, every node after its inputs, in place."""
    position = {node.name: i for i, node in enumerate(topological(graph_def, outputs))}
    for i in reversed(range(len(graph_def.node))):
        if graph_def.node[i].name not in position:
            del graph_def.node[i]
    graph_def.node.sort(key=lambda node: position[node.name])


def clear_notes(graph_def):
    """Take off devices, and notes such as `_output_shapes` that no converter knows, in place."""
    for node in graph_def.node:
        node.device = ""
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]


def topological(graph_def, outputs=None):
    """The nodes that `outputs` need (all without it), each after the nodes that it reads.

    Raises ValueError when the graph has a cycle or reads a node that it does not have.
    """
    nodes = collections.OrderedDict((node.name, node) for node in graph_def.node)
    order, state = [], {}
    for root in nodes if outputs is None else outputs:
        stack = [root]
        while stack:
            name = stack[-1]
            if state.get(name) == "done":
                stack.pop()
                continue
            if name not in nodes:
                raise ValueError("node %r is read by %r, but the graph has no such node" % (name, stack[-2]))
            waiting = [producer(n) for n in nodes[name].input if state.get(producer(n)) != "done"]
            if not waiting:
                state[stack.pop()] = "done"
                order.append(nodes[name])
                continue
            state[name] = "open"
            for other in waiting:
                if state.get(other) == "open":
                    raise ValueError("the graph has a cycle through %r and %r; TensorFlow 1 writes LSTM, GRU and "
                                     "other loops so, and a frozen graph cannot hold them" % (name, other))
            stack.append(waiting[0])
    return order


def save(graph_def, path, text=False, **made_from):
    """Write `path` (binary .pb), with `text` also the .pbtxt beside it; returns the path. Atomic."""
    artifacts.write(path, graph_def.SerializeToString(), **made_from)
    if text:
        from google.protobuf import text_format

        artifacts.write(str(path) + "txt", text_format.MessageToString(graph_def))
    return path


def load(path):
    """Read a binary .pb. Raises FileNotFoundError, or ValueError when it holds no GraphDef."""
    with open(str(path), "rb") as stream:
        data = stream.read()
    graph_def = v1.GraphDef()
    try:
        graph_def.ParseFromString(data)
    except Exception as error:
        raise ValueError("%s is not a frozen GraphDef (binary .pb): %s" % (path, error))
    if not graph_def.node:
        raise ValueError("%s holds a GraphDef without nodes" % path)
    return graph_def


def run(graph_def, images, outputs=OUTPUTS, batch=32):
    """Run a frozen graph in TensorFlow, on the CPU.

    images: float32 [N, 224, 224, 3], NHWC, preprocessed; of another network, what its one input takes. Returns one
    array per name in `outputs`.
    """
    inputs = [node.name for node in graph_def.node if node.op == "Placeholder"]
    name = inputs[0] if len(inputs) == 1 else INPUT
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        tensors = [graph.get_operation_by_name(name).outputs[0] for name in outputs]
        config = network.session_config()
        config.graph_options.rewrite_options.disable_meta_optimizer = True  # 6 s at the first run, for nothing
        with v1.Session(graph=graph, config=config) as session:
            parts = [session.run(tensors, {name + ":0": images[i:i + batch]})
                     for i in range(0, len(images), batch)]
    return [np.concatenate(part) for part in zip(*parts)]


def box3d(flat="reshape", pairs=2, width=1):
    """Path of the frozen network in `build/`, made now unless a fresh one is there.

    The name says the variant: `box3d.pb` is the repaired network, `box3d_flatten_m1.pb` the article's first.
    """
    name = "box3d%s%s%s.pb" % ("" if flat == "reshape" else "_flatten", "" if pairs == 2 else "_m1",
                               "" if width == 1 else "_w%d" % width)
    path = artifacts.BUILD / name
    made_from = dict(network="box3d", flat=flat, pairs=pairs, width=width, tensorflow=tf.__version__)
    if width == 1:
        made_from["weights"] = artifacts.digest(network.WEIGHTS)
    if not artifacts.fresh(path, **made_from):
        model = network.build(flat=flat, pairs=pairs, width=width)
        if width == 1:
            network.load_weights(model)
        save(freeze(model), path, **made_from)
    return path
