"""Reading what TensorFlow and Keras write: a frozen graph (.pb), a SavedModel folder, a Keras model file; names of outputs."""
import json
import os
import zipfile

import numpy as np

from uffsurgeon import kinds, protobuf, values
from uffsurgeon.names import not_found, producer, unused

from . import archives, network, process


def load(path):
    """Read a frozen graph from a binary .pb -> TensorFlow's GraphDef.

    Raises FileNotFoundError, and ValueError for a file that is something else, with what it is where that is known.
    """
    path = str(path)
    kind = what_is(path)
    if kind:
        raise ValueError("%s is not a frozen GraphDef (.pb), but %s" % (path, kind))
    graph_def = protobuf.read(process.tensorflow().compat.v1.GraphDef, path)
    if not graph_def.node:
        raise ValueError("%s is not a frozen GraphDef (.pb): it has no nodes" % path)
    return graph_def


# What `freeze.freeze` takes itself.
_TAKEN = {"SavedModel": "`freeze.freeze` takes it", "saved_model.pb": "`freeze.freeze` takes its folder",
          "HDF5": "`freeze.freeze` takes it", "zip": "`freeze.freeze` takes a .keras file"}


def what_is(path):
    """What a file is that is not a frozen graph, and what to do, as the end of a sentence; "" for one that may be."""
    kind = kinds.kind(path)
    return "" if kind in ("", "graph") else "%s: %s" % (kinds.KINDS[kind][0], _TAKEN.get(kind, kinds.KINDS[kind][1]))


def keras_model(path):
    """Load an .h5 or .keras file -> a model of Keras 2 or Keras 3, whichever wrote it. Needs h5py for .h5.

    Raises FileNotFoundError, and ValueError with the file's name for a file that is something else, with what it is, that has
    links or data in another file, that claims more memory than `archives.allowed`, or that Keras cannot load.
    """
    path = str(path)
    if kinds.kind(path) not in ("HDF5", "zip"):
        raise ValueError("%s is not a Keras file, but %s" % (path, what_is(path) or "a frozen graph, or something else"))
    try:
        archives.check(path)
        version = _keras_zip(path) if zipfile.is_zipfile(path) else _keras_h5(path)
    except (ImportError, RuntimeError):  # no h5py
        raise
    except Exception as error:  # damaged archives raise many
        raise ValueError("%s is not a Keras file: %s" % (path, archives.reason(error))) from None
    if version.startswith("3"):
        import keras

        known = None
    else:
        keras, known = process.keras(), {"L2Normalize": network.l2_normalize_layer()}
    try:
        return keras.models.load_model(path, custom_objects=known, compile=False)
    except Exception as error:  # which one depends on what is wrong, and on the version
        raise ValueError("Keras cannot load %s: %s" % (path, archives.reason(error))) from error


def _keras_zip(path):
    """The version of Keras that wrote a .keras file. Raises ValueError for another archive."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "metadata.json" not in names:
            raise ValueError("another zip archive, with %s" % (", ".join(names[:3]) or "nothing in it"))
        return str(json.loads(archive.read("metadata.json").decode()).get("keras_version", ""))


def _keras_h5(path):
    """The version of Keras that wrote an .h5. Raises ValueError for one without a model."""
    import h5py

    with h5py.File(path, "r") as archive:
        version = archive.attrs.get("keras_version", "")
        if "model_config" not in archive.attrs:
            raise ValueError("it holds weights only; build the model, load them, and freeze the model")
        return version.decode() if isinstance(version, bytes) else str(version)


def saved_model(folder, signature=None):
    """The graph of one signature of a SavedModel, its variables replaced by their values.

    signature: its name; by default "serving_default", or the only one that there is.

    Returns (GraphDef, names of the output nodes, set of the names of the weight constants). Function calls are inlined,
    and their scopes (`StatefulPartitionedCall/`) taken off the names.
    Raises FileNotFoundError, and ValueError for a signature that it does not have.
    """
    folder = str(folder)
    if not os.path.isfile(os.path.join(folder, "saved_model.pb")):
        raise FileNotFoundError("%s is not a SavedModel: it has no saved_model.pb" % folder)
    tf = process.tensorflow()
    if tf.__version__.startswith("2") and _has_objects(folder):
        return _inlined(tf, folder, signature)
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(config=process.session_config()) as session:
        signatures = v1.saved_model.loader.load(session, ["serve"], folder).signature_def
        named = _chosen(signature, signatures, folder).outputs
        outputs = [node_of(graph.get_tensor_by_name(named[name].name)) for name in sorted(named)]
        weights = {variable.op.name for variable in v1.global_variables()}
        graph_def = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), list(map(producer, outputs)))
    return graph_def, outputs, weights


def _chosen(signature, signatures, folder):
    """The entry of the mapping `signatures`, of the SavedModel in `folder`, that `signature` names."""
    names = [name for name in signatures if not name.startswith("__")]  # a note of TensorFlow about initialisation
    if signature is None and len(names) == 1:
        return signatures[names[0]]
    signature = signature or "serving_default"
    if signature not in names:
        raise ValueError("the SavedModel %s has no signature %r; it has %s (signature=...)" % (
            folder, signature, ", ".join(sorted(names)) or "none"))
    return signatures[signature]


def _has_objects(folder):
    """Whether TensorFlow 2 wrote the SavedModel; its functions and Python objects are stored beside the graph."""
    from tensorflow.core.protobuf import saved_model_pb2

    with open(os.path.join(folder, "saved_model.pb"), "rb") as stream:
        data = stream.read()
    try:
        found = saved_model_pb2.SavedModel.FromString(data)
    except Exception as error:  # protobuf's DecodeError, of which there are several classes
        raise ValueError("%s is damaged: its saved_model.pb cannot be read (%s)" % (folder, error)) from None
    if not found.meta_graphs:
        raise ValueError("%s is damaged: its saved_model.pb holds no graph" % folder)
    return found.meta_graphs[0].HasField("object_graph_def")


def _inlined(tf, folder, signature):
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(folder)
    function = _chosen(signature, loaded.signatures, folder)
    names = {id(variable.handle): variable.name.split(":")[0] for variable in function.variables}
    renamed = {inner.op.name: names[id(outer)] for outer, inner in function.graph.captures if id(outer) in names}
    frozen = convert_variables_to_constants_v2(function)
    outputs = [node_of(tensor) for tensor in frozen.outputs]
    graph_def = frozen.graph.as_graph_def()
    taken, weights = set(), set(renamed)
    for node in graph_def.node:
        parts = node.name.split("/")
        while len(parts) > 1 and parts[0].startswith(("StatefulPartitionedCall", "PartitionedCall")):
            del parts[0]
        renamed[node.name] = unused(renamed.get(node.name, "/".join(parts)), taken)
    for node in graph_def.node:
        node.name = renamed[node.name]
        node.input[:] = [text.replace(producer(text), renamed[producer(text)], 1) for text in node.input]
    outputs = [text.replace(producer(text), renamed[producer(text)], 1) for text in outputs]
    return graph_def, outputs, {renamed[name] for name in weights}


def check_values(graph_def, weights):
    """ValueError for NaN or infinity among the constants named in `weights`; a warning where it is negative infinity only, as
    in the mask of an attention."""
    for name, array in values.of_nodes((node, node.attr["dtype"].type) for node in graph_def.node
                                       if node.op == "Const" and node.name in weights):
        found = values.not_finite(array)
        if found and not np.isneginf(array[~np.isfinite(array)]).all():
            raise ValueError("weight %r holds NaN or infinity: %s. A network computes nothing with it; load other weights" % (
                name, found))
        values.warn([(name, array)] if found else [])


def node_of(tensor):
    """Name of the node whose first output `tensor` is, Identity nodes skipped; "node:1" for its second."""
    while tensor.op.type == "Identity":  # one that tf.function adds, one that Keras may add
        tensor = tensor.op.inputs[0]
    return "%s:%d" % (tensor.op.name, tensor.value_index) if tensor.value_index else tensor.op.name


def name_outputs(graph_def, outputs):
    """Names of nodes for outputs that may be tensors: "x:0" is x, and "x:1" becomes an Identity `x/output_1`, in place.

    Raises ValueError for a node that the graph does not have, with the nearest names.
    """
    known, names = {node.name for node in graph_def.node}, []
    for text in outputs:
        name, _, index = text.partition(":")
        if name not in known:
            raise not_found("node", text, known)
        if index.strip("0"):
            name = unused("%s/output_%s" % (name, index), known)
            graph_def.node.add(name=name, op="Identity", input=[text]).attr["T"].type = _dtype(graph_def, text)
        names.append(name)
    return names


def _dtype(graph_def, tensor):
    """TensorFlow's number for the dtype of a tensor, "x:1"."""
    tf = process.tensorflow()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        return graph.get_tensor_by_name(tensor).dtype.as_datatype_enum
