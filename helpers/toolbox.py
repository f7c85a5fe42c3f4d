"""The surgeon's instruments: NVIDIA's packages where they are installed, the workbook's own elsewhere, and which it was.

    gs, uff = toolbox.surgery()     # graphsurgeon and uff
    trt = toolbox.tensorrt()        # a TensorRT that builds plans, or None
    toolbox.runs_plans(trt)         # whether this machine runs them, too

Each call prints one line that says what it took. `through_uff` takes a graph as far as TensorRT's UffParser would; where
there is none it replays what the parser does, and says that it is a replay.
"""
import contextlib
import importlib
import io

import numpy as np

from uffsurgeon import graphsurgeon as own_graphsurgeon
from uffsurgeon import to_onnx
from uffsurgeon import uff as own_uff

from . import artifacts, cuda, engine, machine, network


def surgery(say=print):
    """(graphsurgeon, uff): NVIDIA's modules where both can be imported, else `uffsurgeon.graphsurgeon` and `uffsurgeon.uff`.

    Both or none: the two come as a pair, and NVIDIA's uff expects NVIDIA's graphs. say: is called with one line.
    """
    modules, problem = [], ""
    for name in ("graphsurgeon", "uff"):
        try:
            modules.append(importlib.import_module(name))
        except Exception as error:  # an old package on a new Python fails in its own way
            absent = isinstance(error, ImportError) and getattr(error, "name", None) == name
            problem = "not installed here" if absent else "%s cannot be imported: %s" % (name, error)
            break
    if problem:
        say("graphsurgeon and uff: the workbook's own (uffsurgeon.graphsurgeon, uffsurgeon.uff). NVIDIA's: %s." % problem)
        return own_graphsurgeon, own_uff
    say("graphsurgeon %s and uff %s: NVIDIA's." % tuple(getattr(module, "__version__", "") for module in modules))
    return tuple(modules)


def tensorrt(say=print):
    """The TensorRT module that `engine` works with, or None where there is none. say: is called with one line."""
    try:
        trt = engine.tensorrt()
    except RuntimeError:
        say("No TensorRT of any kind here: cells that need one say what they would do, and quote.")
        return None
    if trt.__name__ == "tensorrt_rtx":
        say("TensorRT for RTX %s: it builds plans for RTX cards on any machine; no UffParser, and no\n"
            "plugins of your own." % trt.__version__)
    else:
        say("TensorRT %s: %s." % (trt.__version__, "with trt.UffParser" if hasattr(trt, "UffParser") else
                                  "no UffParser in it, so UFF goes through ONNX"))
    return trt


def runs_plans(trt, say=print):
    """True when the plans of `trt`, from `tensorrt`, run on the GPU of this machine; where not, one line says why.

    TensorRT for RTX builds on any machine and runs on RTX cards only: it is asked, in a child process, to open a plan.
    """
    why = "there is no TensorRT" if trt is None else machine.tensorrt().why_not
    if why:
        say("No plan runs here: %s" % why)
    return why is None


@contextlib.contextmanager
def silence():
    """Keep back what is printed inside the block, such as the converter's warnings once they have been read."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def quote(text, source):
    """Print an output that was recorded elsewhere, marked so that nobody takes it for this machine's."""
    print("Not from this machine, quoted (%s):" % source)
    print("\n".join("  > " + line for line in text.strip().splitlines()))


def run_onnx(model, images, batch=8):
    """{output name: array} that ONNX Runtime computes on the CPU.

    model: ModelProto or path, with one input. images: float32 [N, ...] in the layout of that input.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString() if hasattr(model, "graph") else str(model),
                                           providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: images[i:i + batch]}) for i in range(0, len(images), batch)]
    return {output.name: np.concatenate(values) for output, values in zip(session.get_outputs(), zip(*parts))}


def through_uff(graph, images, trt=None, say=print):
    """What the box network answers once it went through UFF and TensorRT's UffParser -> {head: array}, float32.

    graph: frozen GraphDef of `network.build`, any variant; it is not changed. images: float32 [N, 224, 224, 3], NHWC.

    With an UffParser and a GPU (JetPack 4.2 to 5.1) LeakyRelu goes to NVIDIA's plugin, l2_normalize is left out of the
    plan and done in NumPy, and a plan is built and run. Elsewhere it is a replay: UFF -> ONNX with `flatten_as="nchw"`,
    computed by ONNX Runtime. Raises ValueError for what the real parser refuses. say: is called with one line.
    """
    try:
        trt = trt or engine.tensorrt()
    except RuntimeError:
        trt = None
    if hasattr(trt, "UffParser") and cuda.available():
        say("Computed by a plan of TensorRT %s, read by its UffParser." % trt.__version__)
        return _parsed(graph, images, trt)
    say("A replay, in ONNX Runtime, of what an UffParser does: there is none here.")
    with silence():
        data = own_uff.from_tensorflow(graph, list(network.OUTPUTS), quiet=True)
    found = run_onnx(to_onnx.convert(data, flatten_as="nchw"), images)
    return {name.split("/")[0]: value for name, value in found.items()}


def _parsed(graph, images, trt):
    gs, uff = surgery(say=lambda line: None)
    copy = type(graph)()
    copy.CopyFrom(graph)
    surgeon = gs.DynamicGraph(copy)
    surgeon.collapse_namespaces({node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
                                 for node in surgeon.find_nodes_by_op("LeakyRelu")})
    vectors = [node for node in graph.node if node.name == "orientation/l2_normalize"][0].input[0]
    surgeon.remove(surgeon.find_nodes_by_path("orientation/l2_normalize.*"))
    outputs = ["dimension/LeakyRelu", vectors, "confidence/Softmax"]
    path = artifacts.BUILD / "through_uff.uff"
    with silence():
        data = uff.from_tensorflow(surgeon.as_graph_def(), list(outputs), quiet=True)
    artifacts.write(path, data)
    with engine.Engine(engine.build(path, outputs=outputs, batch=8, trt=trt), trt=trt) as box3d:
        found = box3d.run(images)
    pairs = found.pop(vectors.split("/")[0]).reshape(len(images), -1, 2)
    squares = np.maximum((pairs ** 2).sum(axis=2, keepdims=True), 1e-12)
    return dict(found, orientation=pairs / np.sqrt(squares))
