"""A network through UFF and TensorRT's UffParser, on any machine: what the parser says, what it makes, what that computes.

    data = through_uff.convert(graph_def)         # the box network as the pages convert it, bytes of a .uff
    parsed = through_uff.parse(data)              # by NVIDIA's parser, where one is built, else from a recording
    uffparser.table(parsed, "flatten")
    through_uff.answers(parsed, images)           # the parser's network in ONNX Runtime, {name: array}
    through_uff.run(graph_def, images)            # all of that at once; where there is a plan, by the plan

The UffParsers of TensorRT 5.1.5 to 8.6.1 put the feature map back into TensorFlow's order in front of a `Flatten`, as they do
in front of a `Reshape`. That was seen on 5.1.5, 6.0.1, 7.1.3, 7.2.1, 8.0.1 and 8.2.3, whose parsers ran on a CPU, and on
8.6.1, whose plan ran on a GPU. The damage that the article of 2019 reports for 5.0.6, which can no longer be had, is only
imitated here (`as_reported_for_5_0_6`); the order of the numbers is our explanation of it.
"""
import numpy as np

from . import artifacts, machine, network
from . import run as running
from .page import silence


def convert(graph_def):
    """The box network as a .uff that UffParser takes: LeakyRelu as NVIDIA's plugin LReLU_TRT, the l2_normalize cut off.

    graph_def: frozen GraphDef of `network.build`, any variant, which is not changed, or the path of its .pb. Returns bytes. Its
    outputs are the dimension, the pairs in front of the l2_normalize, and the confidence; `normalized` does the rest.
    Raises ValueError for another graph, and for a file that is something else, with what it is.
    """
    from uffsurgeon import graphsurgeon, uff

    if hasattr(graph_def, "CopyFrom"):
        copy = type(graph_def)()
        copy.CopyFrom(graph_def)
        graph_def = copy
    graph = graphsurgeon.DynamicGraph(graph_def)
    missing = [name for name in network.OUTPUTS if name not in graph.node_map]
    if missing:
        raise ValueError("the graph is not that of the box network, since it has no node '%s'; `uff.from_tensorflow` converts "
                         "any other" % missing[0])
    graph.collapse_namespaces({
        node.name: graphsurgeon.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
        for node in graph.find_nodes_by_op("LeakyRelu")})
    dimension, orientation, confidence = network.OUTPUTS
    pairs = graph.node_map[orientation].input[0]
    graph.remove(graph.find_nodes_by_path(orientation + ".*"))
    with silence():
        return uff.from_tensorflow(graph.as_graph_def(), [dimension, pairs, confidence], quiet=True)


def parse(data, order="NHWC", plugins=True, l2norm=False, say=print):
    """What NVIDIA's UffParser says of a .uff and makes of it -> `uffparser.Parsed`.

    Args:
        data: the bytes of a .uff, or its path.
        order: the UffInputOrder of image inputs, "NHWC" or "NCHW".
        plugins: whether init_libnvinfer_plugins is called before.
        l2norm: whether the library of the workbook's plugin L2Norm_TRT is loaded before.
        say: called with one line that says where this comes from: the parser that `python3 workbook.py parser` has built, run
            now, or a recording of it in data/parser.
    Returns:
        A Parsed, the same in both cases; its `source` is that line.
    Raises:
        LookupError: there is no parser, and no recording of this file.
        ValueError: the data is not UFF.
    """
    import uffparser

    installation = uffparser.find()
    if installation:
        libraries = [uffparser.l2norm(installation)] if l2norm else []
        parsed = uffparser.parse(data, tensorrt=installation.version, order=order, plugins=plugins, libraries=libraries)
    else:
        parsed = uffparser.recorded(data, order=order, plugins=plugins, l2norm=l2norm)
    say(parsed.source[0].upper() + parsed.source[1:] + ".")
    return parsed


def answers(parsed, inputs, names=None):
    """What the parser's network computes, in ONNX Runtime, in TensorFlow's layout -> {name: float32 array}.

    parsed: a `uffparser.Parsed`. inputs: one array, or {name: array}, with the batch in front, in the order in which the
    input was registered. names: of tensors, mostly those of TensorFlow's nodes; by default the outputs.

    Feature maps become NHWC, and dimensions of size 1 behind the batch are left out, since the parser appends them at will.
    Raises ValueError as `uffparser.to_onnx`.
    """
    import uffparser

    found = running.onnx(uffparser.to_onnx(parsed, names), inputs)
    layouts = uffparser.layouts(parsed)
    maps = {name: np.moveaxis(array, 1, -1) if layouts[name] == "CHW" else array for name, array in found.items()}
    return {name: array.reshape(array.shape[:1] + tuple(size for size in array.shape[1:] if size != 1))
            for name, array in maps.items()}


def errors(expected, found):
    """{name: the largest difference as a share of the largest value expected}, infinite where there are more numbers or fewer.

    expected: {name: array} of TensorFlow, from `run.tensorflow`. found: the same names from `answers`; shapes count only in
    so far as TensorFlow's order is meant ([7, 7, 512] for [25088]).
    """
    return {name: float(np.abs(found[name].reshape(value.shape) - value).max() / np.abs(value).max())
            if found[name].size == value.size else float("inf") for name, value in expected.items()}


def normalized(found):
    """The outputs of the box network from those of `convert`'s: the pairs, [N, bins, 2], normalized as TensorFlow does.

    found: {output name: array}. Returns a dict in the order of `network.OUTPUTS`.
    """
    dimension, orientation, confidence = network.OUTPUTS
    (pairs,) = [name for name in found if name not in (dimension, confidence)]
    vectors = found[pairs].reshape(len(found[pairs]), -1, 2)
    squares = np.maximum((vectors ** 2).sum(axis=2, keepdims=True), 1e-12)
    return {dimension: found[dimension].reshape(len(vectors), -1), orientation: vectors / np.sqrt(squares),
            confidence: found[confidence].reshape(len(vectors), -1)}


def run(graph_def, images, say=print):
    """What the box network computes once it went through UFF -> {output name: float32 array}, as from `run.plan`.

    graph_def: frozen GraphDef of `network.build`, any variant; it is not changed. images: float32 [N, 224, 224, 3], NHWC,
    preprocessed. say: called with one line that says which of the ways was taken. With an UffParser and a GPU, a plan is
    built and run; elsewhere the network of NVIDIA's parser is computed in ONNX Runtime, `parse` says from where.

    Raises ValueError for what the parser refuses, LookupError as `parse`.
    """
    here = machine.tensorrt()
    if here.flavour == "uff" and here.runs:
        say("Computed by a plan of TensorRT %s, read by its UffParser." % here.version)
        return normalized(_by_plan(convert(graph_def), images))
    parsed = parse(convert(graph_def), say=say)  # which holds the weights: no variable for the file, which has them, too
    if not parsed.ok:
        raise ValueError("; ".join(parsed.log))
    return normalized(answers(parsed, images))


def as_reported_for_5_0_6(graph_def, images):
    """An imitation of the damage that the article of 2019 reports for TensorRT 5.0.6 -> {output name: float32 array}.

    UFF is converted to ONNX with each `Flatten` laid out in NCHW order, and ONNX Runtime computes that. No UffParser that we
    could try does this; arguments as for `run`.
    """
    from uffsurgeon import to_onnx, uff

    with silence():
        data = uff.from_tensorflow(graph_def, list(network.OUTPUTS), quiet=True)
    return running.onnx(to_onnx.convert(data, flatten_as="nchw"), images)


def _by_plan(data, images):
    from uffsurgeon.uff import schema

    from . import engine

    outputs = [name for node in schema.read(data).graphs[0].nodes if node.operation == "MarkOutput" for name in node.inputs]
    path = artifacts.write(artifacts.BUILD / "through_uff.uff", data)
    return running.plan(engine.build(path, outputs=outputs, batch=8), images)
