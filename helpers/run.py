"""Run a network: a frozen graph in TensorFlow, an ONNX file in ONNX Runtime, a plan in TensorRT.

    run.tensorflow(graph_def, images)                       # {"dimension/LeakyRelu": [N, 3], ...}
    run.onnx("build/box3d.onnx", images)
    run.plan("build/box3d.fp32.plan", images)
    run.tensorflow(graph_def, {"left": a, "right": b}, "out")

Each takes one array, for a network with one input, or {input name: array}, and returns {output name: float32 array}, with
the full names of the outputs. `network.heads` makes the three heads of the box network from that.
"""
import collections
import contextlib
import copy
import os
import tempfile

import numpy as np

from uffsurgeon import graphs, kinds, names, protobuf
from uffsurgeon.dtypes import DTYPES

from . import process

BATCH = 8
PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault")
Input = collections.namedtuple("Input", "shape dtype required")
Input.__doc__ = """shape: list of sizes, an open one is None or ONNX's name for it; None altogether where not even the rank is
known. dtype: of NumPy, None for any. required: False for an input that has a value of its own."""
# ONNX Runtime writes types as "tensor(float)", with C's words for floating point.
ONNX_TYPES = {"tensor(%s)" % {"float32": "float", "float64": "double"}.get(row.name, row.name): row.numpy for row in DTYPES}


def tensorflow(graph_def, inputs, outputs=None, batch=BATCH, gpu=False):
    """Run a frozen graph in a TensorFlow session of its own.

    graph_def: GraphDef of TensorFlow or of uffsurgeon, weights as constants.
    inputs: one array, or {name of a Placeholder: array}; those that the outputs do not need, and those with a default
        (PlaceholderWithDefault), may be left out. Arrays are converted to the type of the Placeholder, if that is of the same
        kind (float64 to float32).
    outputs: a name or a list of names, of nodes (their first output) or tensors ("split:1"); by default the nodes that no
        other node reads.
    batch: the largest number of images computed at once. Inputs whose first dimension is open are cut into such pieces,
        and have equally many rows; all others are given whole each time.
    gpu: by default the session computes on the CPU; True lets it use the GPU, if this process sees one.

    Returns {name in `outputs`: float32 array}. Raises ValueError for a name that the graph does not have (with the
    nearest), for an input that is missing or whose shape or type does not fit, and for an output that cannot be computed
    in batches because it does not have one row for each image.
    """
    tf = process.tensorflow()
    if not isinstance(graph_def, tf.compat.v1.GraphDef):
        graph_def = protobuf.copy(graph_def, tf.compat.v1.GraphDef())
    reads = {node.name: [names.producer(text) for text in node.input] for node in graph_def.node}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        if outputs is None:
            read = set().union(*reads.values())
            outputs = [name for name in reads
                       if reads[name] and name not in read and graph.get_operation_by_name(name).outputs]
        outputs = _wanted(outputs, reads, names.producer)
        tensors = [graph.get_tensor_by_name(name if ":" in name else name + ":0") for name in outputs]
        needed = set(graphs.inputs_first(map(names.producer, outputs), reads.get))
        takes, spare = collections.OrderedDict(), set()
        for node in graph_def.node:
            if node.op not in PLACEHOLDERS:
                continue
            if node.name not in needed:
                spare.add(node.name)
                continue
            tensor = graph.get_tensor_by_name(node.name + ":0")
            shape = None if tensor.shape.ndims is None else tensor.shape.as_list()
            takes[node.name] = Input(shape, np.dtype(tensor.dtype.as_numpy_dtype), node.op == "Placeholder")
        config = process.session_config(gpu)
        config.graph_options.rewrite_options.disable_meta_optimizer = True  # it takes 6 s before the first run
        with tf.compat.v1.Session(graph=graph, config=config) as session:
            found = _in_batches(lambda part: session.run(tensors, {name + ":0": part[name] for name in part}),
                                takes, _fitting(inputs, takes, spare), outputs, batch)
    process.give_back_memory()
    return found


def onnx(model, inputs, outputs=None, batch=BATCH):
    """Run an ONNX model in ONNX Runtime, on the CPU.

    model: path or ModelProto, whose weights in other files are looked for in the working folder. inputs, batch: as for
    `tensorflow`. outputs: a name or a list of names of outputs of the model; by default all.

    Returns {output name: float32 array}. Raises FileNotFoundError, ValueError as `tensorflow`, for weights in a file outside of
    the model's folder and for a model that ONNX Runtime cannot load, with its reason, and RuntimeError for one that it cannot
    compute.
    """
    found = _onnx(model, inputs, outputs, batch)
    process.give_back_memory()
    return found


def _onnx(model, inputs, outputs, batch):
    is_path = isinstance(model, str) or hasattr(model, "__fspath__")
    if is_path and not os.path.isfile(str(model)):
        raise FileNotFoundError("no ONNX file at %s" % model)
    from .engine import external

    if is_path:
        external.check_file(model)
    elif external.used(model):
        model = copy.deepcopy(model)
        external.load(model, "the model")  # which has no folder: they are looked for in the working folder
    name, runtime = str(model) if is_path else "the model", process.onnxruntime()
    options = runtime.SessionOptions()
    # The arena keeps 0.2 GB for a next run, and a session here has one. In 1.10 and 1.19.2 it also hides that FP16 on a CPU
    # writes beyond a buffer: without it, glibc ends the process. (Seen with MALLOC_CHECK_=3, and not in 1.23.2 and 1.32.)
    options.enable_cpu_mem_arena = tuple(map(int, runtime.__version__.split(".")[:2])) < (1, 23)
    with contextlib.ExitStack() as stack:
        path = name
        if not is_path:  # a session keeps the bytes that it is given, but not those of a file
            path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "model.onnx")
            with open(path, "wb") as stream:
                stream.write(model.SerializeToString())
        try:
            session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's, which have no base class of their own
            mistake = kinds.mistake(model, "onnx") if is_path else ""
            reason = " ".join(str(error).replace(path, name).split())
            raise ValueError(mistake or "ONNX Runtime cannot load %s: %s" % (name, reason)) from None
    takes = collections.OrderedDict()
    for given in session.get_inputs():
        takes[given.name] = Input(given.shape or None, ONNX_TYPES.get(given.type), True)  # [] may be a scalar or any shape
    known = [output.name for output in session.get_outputs()]
    outputs = _wanted(known if outputs is None else outputs, known)

    def step(part):
        try:
            return session.run(outputs, part)
        except Exception as error:
            raise RuntimeError("ONNX Runtime cannot compute %s: %s" % (name, " ".join(str(error).split()))) from None

    return _in_batches(step, takes, _fitting(inputs, takes), outputs, batch)


def plan(path, inputs, outputs=None, batch=None, plugins=()):
    """Run a plan on the GPU with the TensorRT that built it.

    inputs: as for `engine.Engine.run`. outputs: as for `onnx`. batch: the largest number of images computed at once; by
    default, and at most, what the plan allows. plugins: paths of the plugin libraries that the plan needs.

    Returns {output name: float32 array}. Raises ValueError for an output that the plan does not have, and what
    `engine.Engine` raises; to run a plan several times, open one of those.
    """
    from . import engine

    with engine.Engine(path, plugins=plugins) as opened:
        known = [output.name for output in opened.outputs]
        outputs = _wanted(known if outputs is None else outputs, known)
        found = opened.run(inputs, batch)
        return {name: found[name] for name in outputs}


def _wanted(outputs, known, node_of=str):
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    for name in outputs:
        if node_of(name) not in known:
            raise names.not_found("output", name, known)
    return outputs


def _fitting(inputs, takes, spare=()):
    """{name: array} with the shapes and types of `takes`. spare: names of inputs that are not needed."""
    if not hasattr(inputs, "items"):
        one = [name for name in takes if takes[name].required] or list(takes)
        if len(one) != 1:
            raise ValueError("the network has %d inputs (%s): give {name: array}" % (len(takes), ", ".join(takes) or "none"))
        inputs = {one[0]: inputs}
    for name in inputs:
        if name not in takes and name not in spare:
            raise names.not_found("input", name, takes)
    fitting = {}
    for name, (shape, dtype, required) in takes.items():
        if name not in inputs and not required:
            continue
        if name not in inputs:
            raise ValueError("no array for the input %r; the network needs %s" % (name, ", ".join(takes)))
        value = np.asarray(inputs[name])
        if shape is not None and (len(shape) != value.ndim or any(
                isinstance(size, int) and size != given for size, given in zip(shape, value.shape))):
            raise ValueError("the input %r takes the shape [%s], not %s" % (
                name, ", ".join(str(size) if isinstance(size, int) else "any" for size in shape), list(value.shape)))
        if dtype is not None and not np.can_cast(value.dtype, dtype, "same_kind"):
            raise ValueError("the input %r takes %s, not %s" % (name, dtype, value.dtype))
        fitting[name] = value if dtype is None else value.astype(dtype, copy=False)
    return fitting


def _in_batches(step, takes, inputs, outputs, batch):
    """{output: float32 array} of `step`, a function from {input: array} to a list of arrays, called batch by batch."""
    if batch < 1:
        raise ValueError("a batch holds at least 1 image, not %r" % (batch,))
    cut = [name for name in inputs if takes[name].shape and not isinstance(takes[name].shape[0], int)]
    if len({takes[name].shape[0] for name in cut}) > 1:  # ONNX has different names for them: they are no batch dimension
        cut = []
    rows = ["%s %d" % (name, len(inputs[name])) for name in cut]
    if len({len(inputs[name]) for name in cut}) > 1:
        raise ValueError("the inputs have different numbers of rows (%s): their first dimension is the batch" % ", ".join(rows))
    count, found = len(inputs[cut[0]]) if cut else 1, []
    if not count:  # TensorFlow's fused convolutions refuse an empty batch
        one = {name: np.zeros((1,) + value.shape[1:], value.dtype) if name in cut else value for name, value in inputs.items()}
        return {name: np.asarray(value, np.float32)[:0] for name, value in zip(outputs, step(one))}
    for start in range(0, count, batch):
        part = {name: value[start:start + batch] if name in cut else value for name, value in inputs.items()}
        found.append(step(part))
        size = min(batch, count - start)
        for name, value in zip(outputs, found[-1]):
            if count > batch and np.shape(value)[:1] != (size,):
                raise ValueError("the output %r has the shape %s for %d images, not one row for each: give batch=%d to compute "
                                 "all at once" % (name, list(np.shape(value)), size, count))
    arrays = found[0] if len(found) == 1 else [np.concatenate(parts) for parts in zip(*found)]
    return {name: np.asarray(array, np.float32) for name, array in zip(outputs, arrays)}
