"""The box network through UFF and TensorRT's UffParser: with a plan where one can be built and run, else a replay.

What is known of the fault that the replay has built in, a `Flatten` in another order than TensorFlow's:

- The article of 2019 reports the damage for TensorRT 5.0.6, which can no longer be had. The order of the numbers is our
  explanation of it.
- The UffParsers of TensorRT 5.1.5 to 8.6.1 do not have the fault: they put the feature map back into TensorFlow's order
  in front of a `Flatten`. That was seen on 5.1.5, 6.0.1, 7.1.3, 7.2.1, 8.0.1 and 8.2.3, whose parsers ran on a CPU, and
  on 8.6.1, whose plan ran on a GPU and agreed with TensorFlow.

So where there is an UffParser, the answers are right with `Flatten` as well as with `Reshape`.
"""
import numpy as np

from . import artifacts, machine, network
from . import run as running
from .page import silence


def run(graph_def, images, say=print):
    """What the box network computes once it went through UFF -> {output name: float32 array}, as from `run.plan`.

    graph_def: frozen GraphDef of `network.build`, any variant; it is not changed. images: float32 [N, 224, 224, 3], NHWC,
    preprocessed. say: called with one line that says which of the two ways was taken:

    - with an UffParser and a GPU: LeakyRelu becomes NVIDIA's plugin, l2_normalize is left out of the plan and computed in
      NumPy, and a plan is built and run;
    - elsewhere, a replay: UFF is converted to ONNX with `flatten_as="nchw"`, and ONNX Runtime computes that.

    Raises ValueError for what the parser refuses.
    """
    from uffsurgeon import to_onnx, uff

    here = machine.tensorrt()
    if here.flavour == "uff" and here.runs:
        say("Computed by a plan of TensorRT %s, read by its UffParser." % here.version)
        return _parsed(graph_def, images)
    say("A replay, in ONNX Runtime, of what the article reports of an UffParser: no plan from UFF can run here.")
    with silence():
        data = uff.from_tensorflow(graph_def, list(network.OUTPUTS), quiet=True)
    return running.onnx(to_onnx.convert(data, flatten_as="nchw"), images)


def _parsed(graph_def, images):
    from uffsurgeon import graphsurgeon, uff

    from . import engine

    copy = type(graph_def)()
    copy.CopyFrom(graph_def)
    graph = graphsurgeon.DynamicGraph(copy)
    graph.collapse_namespaces({
        node.name: graphsurgeon.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
        for node in graph.find_nodes_by_op("LeakyRelu")})
    dimension, orientation, confidence = network.OUTPUTS
    pairs = graph.node_map[orientation].input[0]
    graph.remove(graph.find_nodes_by_path(orientation + ".*"))
    outputs, path = [dimension, pairs, confidence], artifacts.BUILD / "through_uff.uff"
    with silence():
        artifacts.write(path, uff.from_tensorflow(graph.as_graph_def(), list(outputs), quiet=True))
    found = running.plan(engine.build(path, outputs=outputs, batch=8), images)
    vectors = found.pop(pairs).reshape(len(images), -1, 2)
    squares = np.maximum((vectors ** 2).sum(axis=2, keepdims=True), 1e-12)
    found[orientation] = vectors / np.sqrt(squares)
    return found
