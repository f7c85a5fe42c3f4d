"""Answers to the exercises of notebooks 00 to 03: for each five right ones, written differently, and five usual mistakes."""
import collections
import functools
import math

import numpy as np

from helpers import freeze, network, process
from uffsurgeon import graphsurgeon as gs
from uffsurgeon.names import producer


def heading(confidence, pairs, ray, angle=lambda cosine, sine: np.degrees(np.arctan2(sine, cosine)), first=0, sign=1,
            wrap=lambda degrees: (degrees + 180) % 360 - 180):
    best = np.argmax(confidence)
    return wrap(first + 60 * best + angle(*pairs[best]) + sign * ray)


def heading_by_loop(confidence, pairs, ray):
    best = 0
    for index, value in enumerate(confidence):
        if value > confidence[best]:
            best = index
    degrees = [0, 60, 120, 180, -120, -60][best] + math.degrees(math.atan2(pairs[best][1], pairs[best][0])) + ray
    while degrees > 180:
        degrees -= 360
    while degrees < -180:
        degrees += 360
    return degrees


def heading_by_vector(confidence, pairs, ray):
    """As complex numbers, whose product adds the angles."""
    best = list(confidence).index(max(confidence))
    turned = complex(*pairs[best]) * np.exp(1j * np.radians(60 * best + ray))
    return [np.degrees(np.angle(turned))]


@functools.lru_cache(maxsize=None)
def model():
    return network.build(width=16)


def extracted():
    return process.tensorflow().compat.v1.graph_util.extract_sub_graph(freeze.freeze(model()), ["dimension/LeakyRelu"])


def values(graph):
    return [process.tensorflow().make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"]


def count(graph, kinds="f", least=1, of=lambda value: value.size):
    return sum(of(value) for value in values(graph) if value.dtype.kind in kinds and value.ndim >= least)


def by_dtype(graph):
    total = 0
    for node in graph.node:
        tensor = node.attr["value"].tensor
        if node.op == "Const" and tensor.dtype == 1 and len(tensor.tensor_shape.dim):
            total += np.prod([dim.size for dim in tensor.tensor_shape.dim])
    return total


def readers(graph, name, clean=producer):
    return {node.name for node in graph.node if name in [clean(text) for text in node.input]}


def readers_as_generator(graph, name):
    for node in graph.node:
        if any(text in (name, "^" + name) or text.startswith(name + ":") for text in node.input):
            yield node.name


def plugins(graph, op="LReLU_TRT", slope=None, rename=lambda name: name, ops=("LeakyRelu",), key="negSlope"):
    return {node.name: gs.create_plugin_node(
        rename(node.name), op=op, **{key: node.attr["alpha"].f if slope is None else slope})
        for node in graph.find_nodes_by_op(set(ops))}


def plugins_by_namespace(graph):
    made = plugins(graph)
    return {"head": made["head/act"], "tail/out": made["tail/out/LeakyRelu"]}


def plugins_by_loop(graph):
    made = collections.OrderedDict()
    for node in graph.as_graph_def().node:
        if node.op == "LeakyRelu":
            made[node.name] = gs.create_node(node.name, op="LReLU_TRT", negSlope_u_float=node.attr["alpha"].f)
    return made


def plugins_by_name(graph):
    found = [node for name, node in graph.node_map.items() if node.op == "LeakyRelu"]
    return dict(zip([node.name for node in found], [gs.create_plugin_node(
        name=node.name, op="LReLU_TRT", negSlope=float(node.attr["alpha"].f)) for node in found]))


def swish(graph, spaces=("swish_1", "swish_2"), name=lambda space: space, op="Swish_TRT"):
    graph.collapse_namespaces({space: gs.create_plugin_node(name(space), op=op) for space in spaces})
    return graph


def swish_one_by_one(graph):
    for node in list(graph.find_nodes_by_op("Sigmoid")):
        space = node.name.split("/")[0]
        graph.collapse_namespaces({space: gs.create_plugin_node(space, op="Swish_TRT")})


def swish_by_hand(graph):
    """Without collapse_namespaces: the product becomes the plugin, and its Sigmoid goes."""
    graph = graph.as_graph_def()
    for node in graph.node:
        if node.op == "Mul":
            node.op, node.input[:] = "Swish_TRT", [node.input[0]]
    for node in [node for node in graph.node if node.op == "Sigmoid"]:
        graph.node.remove(node)
    return graph


def without(graph, name):
    graph = swish(graph).as_graph_def()
    graph.node.remove([node for node in graph.node if node.name == name][0])
    return graph


def normalise_in_a_loop(pairs):
    out = np.zeros(pairs.shape)
    for row, column in np.ndindex(*pairs.shape[:2]):
        x, y = pairs[row, column]
        out[row, column] = pairs[row, column] / max(float(x * x + y * y), 1e-12) ** 0.5
    return out


def normalise_in_place(pairs):
    length = np.hypot(pairs[..., 0], pairs[..., 1])
    length[length < 1e-6] = 1e-6
    pairs /= length[..., None]
    return pairs


LENGTHS = lambda p: np.sqrt((p ** 2).sum(axis=2, keepdims=True))  # noqa: E731

Made = collections.namedtuple("Made", "make")  # an answer that is made when it is wanted

# {number: (right answers, [(wrong answer, words of what is said)])}

ANSWERS = {
    "00.1": ([
        heading, heading_by_loop, heading_by_vector, lambda c, p, ray: heading(c.tolist(), p.tolist(), ray),
        lambda c, p, ray: np.float32(math.remainder(60 * c.argmax() + np.rad2deg(np.arctan2(*p[c.argmax()][::-1])) + ray, 360)
                                     if hasattr(math, "remainder") else heading(c, p, ray))],
        [(functools.partial(heading, angle=lambda cosine, sine: np.degrees(np.arccos(cosine))), "the sine has the sign"),
         (functools.partial(heading, angle=lambda cosine, sine: np.arctan2(sine, cosine)), "radians"),
         (functools.partial(heading, first=30), "bin 0 is centred on 0 degrees"),
         (functools.partial(heading, sign=0), "that is alpha"), (functools.partial(heading, sign=-1), "not subtracted"),
         (functools.partial(heading, wrap=lambda degrees: degrees), "back into -180 to 180"),
         (lambda c, p, ray: heading(c, p, ray) - 60 * np.argmax(c), "add the centre"),
         (lambda c, p, ray: p + ray, "the heading is one number"),
         (lambda c, p, ray: str(heading(c, p, ray)), "the heading is one number"),
         (lambda c, p, ray: c[6], "your function raised IndexError")]),
    "01.1": ([
        Made(lambda: freeze.freeze(model(), ["dimension/LeakyRelu"])),
        Made(lambda: freeze.freeze(model(), "dimension/LeakyRelu")),
        Made(extracted), Made(lambda: gs.DynamicGraph(extracted())),
        Made(lambda: freeze.freeze(freeze.freeze(model()), ["dimension/LeakyRelu"]))],
        [(Made(lambda: freeze.freeze(model())), "still belongs to another head"),
         (Made(lambda: freeze.freeze(model(), ["confidence/Softmax"])), "dimension/LeakyRelu, is missing"),
         (Made(lambda: process.tensorflow().compat.v1.GraphDef()), "your graph has no nodes"),
         (Made(lambda: ["dimension/LeakyRelu"]), "a graph is expected, a GraphDef or a DynamicGraph; this is a list"),
         (Made(model), "a graph is expected"), (None, "your answer is None")]),
    "01.2": ([
        count, by_dtype, lambda graph: float(count(graph)), lambda graph: count(graph, of=lambda value: np.prod(value.shape)),
        lambda graph: np.int64(sum(v.nbytes // 4 for v in values(graph) if v.dtype == np.float32 and v.shape))],
        [(functools.partial(count, least=0), "the 1e-12 in l2_normalize is not a weight"),
         (functools.partial(count, kinds="fi"), "shapes are constants too"),
         (functools.partial(count, of=lambda value: 1), "by your count"),
         (lambda graph: values(graph), "the answer is one number, and your function returned a list"),
         (lambda graph: count(graph.nodes), "your function raised AttributeError"),
         (lambda graph: print(count(graph)), "prints and returns nothing")]),
    "01.3": ([
        readers, readers_as_generator, lambda graph, name: tuple(readers(graph, name)),
        lambda graph, name: dict.fromkeys(readers(graph, name)),
        lambda graph, name: {node.name: 1 for node in graph.node
                             if name in {text.split(":")[0].replace("^", "") for text in node.input}}.keys()],
        [(functools.partial(readers, clean=lambda text: text.lstrip("^")), "the first output of 'a'"),
         (functools.partial(readers, clean=lambda text: text.split(":")[0]), "it waits for 'a'"),
         (functools.partial(readers, clean=lambda text: text), "the first output of 'a'"),
         (lambda graph, name: {node.name for node in graph.node if any(t.strip("^")[:1] == name for t in node.input)} | {"ab"},
          "names have to be equal"),
         (lambda graph, name: [node for node in graph.node if name in map(producer, node.input)], "a set of names is expected"),
         (lambda graph, name: readers(graph, name) | {name}, "'a' does not read itself"),
         (lambda graph, name: readers(graph, "a"), "nothing reads 'ab'")]),
    "02.1": ([
        lambda x: x.transpose(0, 3, 1, 2).reshape(len(x), -1), lambda x: np.moveaxis(x, -1, 1).reshape(x.shape[0], -1),
        lambda x: np.rollaxis(x, 3, 1).reshape((len(x), x[0].size)),
        lambda x: np.stack([np.concatenate([image[..., k].ravel() for k in range(image.shape[2])]) for image in x]),
        lambda x: [[pixel for k in range(x.shape[3]) for line in image[:, :, k] for pixel in line] for image in x]],
        [(lambda x: x.reshape(len(x), -1), "TensorFlow's order"),
         (lambda x: x.transpose(0, 3, 2, 1).reshape(len(x), -1), "rows before columns"),
         (lambda x: x.transpose(0, 3, 1, 2), "should give (2, 60)"), (lambda x: x.transpose(0, 3, 1, 2).ravel(), "(2, 60)"),
         (lambda x: x[..., ::-1].reshape(len(x), -1), "batch, channel, row, column"),
         (lambda x: x.transpose(3, 1, 2).reshape(len(x), -1), "your function raised ValueError")]),
    "02.2": ([
        lambda k, h, w, c: k.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(k.shape),
        lambda k, h, w, c: k[np.arange(h * w * c).reshape(h, w, c).transpose(2, 0, 1).ravel()],
        lambda k, h, w, c: np.concatenate([k[channel::c] for channel in range(c)]),
        lambda k, h, w, c: np.moveaxis(k.reshape(h, w, c, -1), 2, 0).reshape(-1, k.shape[1]).astype(np.float32),
        lambda kernel, height, width, channels: [kernel[(row * width + column) * channels + channel]
                                                 for channel in range(channels) for row in range(height)
                                                 for column in range(width)]],
        [(lambda k, h, w, c: k, "as they were"),
         (lambda k, h, w, c: k.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(k.shape), "the wrong way round"),
         (lambda k, h, w, c: k.reshape(h, w, c, -1).transpose(2, 1, 0, 3).reshape(k.shape), "Split the rows"),
         (lambda k, h, w, c: k.T, "keep their shape"), (lambda k, h, w, c: k[::-1], "Split the rows"),
         (lambda kernel: kernel, "it is called as reorder(kernel, height, width, channels)")]),
    "02.3": (["crop/strided_slice", "crop/strided_slice:0", "crop", " crop ", np.str_("crop/strided_slice")],
             [("crap/strided_slice", "no node 'crap/strided_slice'; did you mean 'crop/strided_slice'"),
              ("peak/Max", "look at what it reads"), ("conv/Relu", "conv/Relu is right"), ("", "the name is empty"),
              (3, "as a string; yours is an int"), (["crop"], "as a string; yours is a list")]),
    "03.1": ([
        plugins, plugins_by_namespace, plugins_by_loop, plugins_by_name,
        lambda graph: plugins(graph, rename=lambda name: name.replace("head/act", "head/plugin"))],
        [(functools.partial(plugins, slope=0.1), "read it from attr"),
         (functools.partial(plugins, op="LRelu_TRT"), "the plugin is called LReLU_TRT"),
         (functools.partial(plugins, rename=lambda name: name + "_new"), "it is 'tail/out/LeakyRelu_new'"),
         (functools.partial(plugins, ops=("LeakyRelu", "Relu")), "'relu' is a Relu"),
         (functools.partial(plugins, ops=("Relu",)), "leaves out"),
         (functools.partial(plugins, key="slope"), "no field negSlope"),
         (lambda graph: {}, "your dictionary is empty"),
         (lambda graph: plugins(graph)["head"], "your function raised KeyError"),
         (lambda graph: {name: "LReLU_TRT" for name in plugins(graph)}, "it should be the node that create_plugin_node makes"),
         (lambda graph: {name: plugins(graph)["head/act"] for name in plugins(graph)}, "does not take your dictionary")]),
    "03.2": ([
        swish, functools.partial(swish, name=lambda space: space + "/mul"), swish_one_by_one, swish_by_hand,
        lambda graph: swish(gs.DynamicGraph(graph.as_graph_def())).as_graph_def()],
        [(functools.partial(swish, spaces=("swish_1",)), "is still there"),
         (functools.partial(swish, op="Swish"), "no node of the graph has the op Swish_TRT"),
         (functools.partial(swish, name=lambda space: "swish"), "your function raised ValueError: two plugin nodes are called"),
         (functools.partial(swish, spaces=("swish_1/Sigmoid", "swish_2/Sigmoid")), "is still there"),
         (functools.partial(swish, spaces=("swich_1",)), "your function raised ValueError"),
         (lambda graph: without(graph, "dense/MatMul"), "'dense/MatMul' is gone from your graph"),
         (lambda graph: type(graph.as_graph_def())(), "your graph has no nodes"),
         (lambda graph: swish(graph).node_outputs, "a graph is expected")]),
    "03.3": ([
        lambda p: p / np.sqrt(np.maximum((p ** 2).sum(axis=2, keepdims=True), 1e-12)),
        lambda p: p / np.maximum(np.linalg.norm(p, axis=-1, keepdims=True), 1e-6),
        lambda p: p * (np.maximum(np.einsum("nbk,nbk->nb", p, p), 1e-12) ** -0.5)[..., None],
        normalise_in_a_loop, normalise_in_place],
        [(lambda p: p / LENGTHS(p), "the pair (0, 0) became"),
         (lambda p: p / np.sqrt(np.maximum((p ** 2).sum(axis=1, keepdims=True), 1e-12)), "axis 2"),
         (lambda p: p / np.maximum((p ** 2).sum(axis=2, keepdims=True), 1e-12), "its own length"),
         (lambda p: np.nan_to_num(p / LENGTHS(p)), "the tiny pair"),
         (lambda p: p / np.sqrt((p ** 2).sum(axis=2, keepdims=True) + 1e-12), "the short pair"),
         (lambda p: LENGTHS(p), "should keep it")]),
}
