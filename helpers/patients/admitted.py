"""The patient of page 08: a small network with three hidden faults, others for every seed up to 26.

    patient = patients.admit(seed=1)
    patient.model, patient.images, patient.answers     # Keras, in 32 bits: what is right
    graph = patient.graph()                            # the frozen graph, as it would be converted

One fault is loud: the UffParser refuses the graph. One is silent: the parser takes it and computes something else. One shows
in 16 bits only. What the parser of TensorRT 5.1.5 says to each of the 27 is recorded in data/parser/patients.
"""
import collections
import functools

import numpy as np

from uffsurgeon import graphsurgeon as gs

from .. import freeze, process, scenes

SIZE = (32, 32, 3)
OUTPUTS = ("size/BiasAdd", "kind/Softmax")
# What may be wrong with a node: the words of a diagnosis -> what they mean.
COMPLAINTS = collections.OrderedDict([
    ("unknown operation", "UFF has no such operation, and no plugin takes its place"),
    ("constant operand", "the parser takes no constant on the right of this operation"),
    ("wrong slope", "a plugin has another setting than the layer that it stands for"),
    ("lost padding", "zeros that TensorFlow adds are not there"),
    ("wrong cut", "other axes are cut than in TensorFlow"),
    ("wrong axis", "another axis is joined than in TensorFlow"),
    ("constant in another order", "a constant meets numbers that lie in another order than its own"),
    ("overflow", "numbers grow beyond 65504, the largest of FP16"),
    ("underflow", "numbers fall below 6e-8, the smallest of FP16, and become zero"),
    ("rounding", "a small number is added to a large one, and its digits are lost"),
])
Fault = collections.namedtuple("Fault", "scope complaint cure")
Fault.__doc__ = """scope: of the nodes that are at fault. complaint: a key of COMPLAINTS. cure: for a loud or a silent fault, a
function that mends a DynamicGraph in place; for one of low precision, the nodes that have to stay in 32 bits."""


def admit(seed=1):
    """A `Patient`. seed: 0 to 26, each with other faults; further ones have the faults of seed % 27 and other weights."""
    return Patient(seed)


class Patient:
    """A network with three faults.

    seed: as given. model: the Keras model. images: [6, 32, 32, 3] float32, vehicles of the scenes. answers: {name: array} for
    OUTPUTS, what the model says to the images. faults: {"loud", "silent", "low": Fault}; who looks has seen the solution.
    """

    def __init__(self, seed=1):
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError("the seed is a whole number from 0 on, and not %r" % (seed,))
        self.seed, (loud, silent, low) = int(seed), kinds(seed)
        self.faults = {"loud": LOUD[loud], "silent": SILENT[silent], "low": LOW[low]}
        self.model = _build(loud, silent, low)
        _weigh(self.model, self.seed)
        self._frozen = freeze.freeze(self.model)
        for node in self._frozen.node:  # what TensorFlow 2 calls what UFF knows as Add
            node.op = "Add" if node.op == "AddV2" else node.op
        self.images = _images()
        self.answers = dict(zip(OUTPUTS, _called(self.model, self.images)))

    def graph(self, repaired=()):
        """A copy of the frozen graph. repaired: "loud", "silent" or both, faults that somebody has mended already."""
        repaired = [repaired] if isinstance(repaired, str) else list(repaired)
        for name in repaired:
            if name not in ("loud", "silent"):
                raise ValueError("only 'loud' and 'silent' are repaired in the graph, and not %r" % (name,))
        graph = type(self._frozen)()
        graph.CopyFrom(self._frozen)
        if not repaired:
            return graph
        graph = gs.DynamicGraph(graph)
        for name in sorted(repaired):
            self.faults[name].cure(graph)
        return graph.as_graph_def()


def kinds(seed):
    """The keys of LOUD, SILENT and LOW for a seed; neighbouring seeds differ in as many as possible."""
    loud, rest = seed % 3, seed // 3
    return list(LOUD)[loud], list(SILENT)[rest % 3], list(LOW)[(rest // 3 + loud + rest) % 3]


def _called(model, images):
    """What the model answers, as a list of arrays.

    In TensorFlow 2 the model is called, not `predict`: that joins Conv2D, BiasAdd, Add and LeakyRelu, and then computes the
    last with the slope 0.2 whatever it is (seen with 2.21 on a CPU).
    """
    if process.tensorflow().__version__.startswith("1"):
        return model.predict(images)
    return [np.asarray(each) for each in model(images)]


def _build(loud, silent, low):
    """The Keras model, [32, 32, 3] -> [3] and [5]."""
    layers, keras = process.keras().layers, process.keras()
    image = layers.Input(SIZE, name="input_1")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(image) if silent == "padding" else image
    x = layers.Conv2D(8, 3, strides=2, padding="valid" if silent == "padding" else "same", activation="relu", name="conv_1")(x)
    x = layers.Concatenate(axis=3, name="both")([layers.Conv2D(4, 1, name="conv_2a")(x),
                                                 layers.Conv2D(4, 3, padding="same", name="conv_2b")(x)])
    x = layers.Lambda(globals()["_" + low], name=low)(x)
    more = layers.Conv2D(8, 1, strides=2, name="conv_3b")(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="conv_3a")(x)
    x = layers.Lambda(_added if loud == "add_n" else _sum, name="sum")([x, more])
    x = (layers.LeakyReLU(alpha=0.25, name="act") if loud == "leaky" else layers.Lambda(_floor, name="act") if loud == "floor"
         else layers.Activation("relu", name="act"))(x)
    if silent == "cut":
        x = layers.Cropping2D(((1, 0), (1, 0)), name="crop")(x)
    elif silent == "place":
        x = layers.Lambda(_place, name="place")(x)
    x = layers.Lambda(_row, name="row")(x)
    x = layers.Dense(24, activation="relu", name="dense_1")(x)
    return keras.Model(image, [layers.Dense(3, name="size")(x), layers.Dense(5, activation="softmax", name="kind")(x)])


# Layers that Keras does not have. Their nodes are named, since TensorFlow 1 and 2 would name them differently.

def _row(x):
    """As Flatten; all versions of TensorFlow write the sizes of this one as a constant."""
    return process.tensorflow().reshape(x, [-1, int(np.prod([int(size) for size in x.shape[1:]]))], name="Reshape")


def _sum(both):
    return process.tensorflow().add(both[0], both[1], name="Add")


def _added(both):
    return process.tensorflow().add_n(both, name="AddN")


def _floor(x):
    """No number below 0.25."""
    return process.tensorflow().maximum(x, 0.25, name="Maximum")


def _place(x):
    """A number for each place and channel is added, as for positions in an image."""
    return process.tensorflow().add(x, np.random.RandomState(8).randn(8, 8, 8).astype("f4") * 2, name="Add")


def _level(x):
    """A level is added, what is below zero is cut off, and the level is taken away again."""
    tf = process.tensorflow()
    return tf.add(tf.nn.relu(tf.add(x, 2048.0, name="Up"), name="Relu"), -2048.0, name="Down")


def _soft(x):
    """The softplus, log(1 + exp(x)), written as it is in books."""
    tf = process.tensorflow()
    return tf.math.log(tf.add(tf.exp(x, name="Exp"), 1.0, name="Add"), name="Log")


def _length(x):
    """The absolute value, rounded off at zero: the root of the square."""
    tf = process.tensorflow()
    return tf.sqrt(tf.add(tf.multiply(x, x, name="Square"), 1e-12, name="Add"), name="Sqrt")


def _weigh(model, seed):
    """Random weights with which signals keep their size, and are as large in front of the layer of `low` as it needs."""
    names = [layer.name for layer in model.layers]
    size = next((gain for name, gain in (("soft", 12.0), ("length", 2e-4)) if name in names), 1.0)
    gains = {"conv_2a": size, "conv_2b": size, "conv_3a": 1 / size, "conv_3b": 1 / size}
    random = np.random.RandomState(seed)
    for layer in model.layers:
        shapes = [tuple(map(int, weight.shape)) for weight in layer.weights]
        if shapes:
            scale = gains.get(layer.name, 1.0) * (2 / np.prod(shapes[0][:-1])) ** 0.5
            layer.set_weights([random.randn(*shapes[0]) * scale, random.randn(*shapes[1]) * 0.1 * min(size, 1.0)])


@functools.lru_cache(maxsize=1)
def _images():
    """[6, 32, 32, 3] float32 from -1 to 1: vehicles of a scene, each seventh pixel."""
    crops = np.asarray(scenes.crops(scenes.load("000001")))[:6, ::7, ::7]
    return crops.astype(np.float32) / 127.5 - 1


# What mends a graph.

def leaky_as_plugin(graph):
    graph.collapse_namespaces({node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
                               for node in graph.find_nodes_by_op("LeakyRelu")})


def add_n_as_add(graph):
    """AddN of two is Add."""
    for node in graph.find_nodes_by_op("AddN"):
        node.op = "Add"
        del node.attr["N"]


def maximum_as_relu(graph):
    """max(x, c) is relu(x - c) + c."""
    for node in graph.find_nodes_by_op("Maximum"):
        x, constant = node.input
        below = _node(graph, node.name + "/Sub", "Sub", [x, constant], T=node.attr["T"])
        positive = _node(graph, node.name + "/Relu", "Relu", [below.name], T=node.attr["T"])
        node.op, node.input[:] = "Add", [positive.name, constant]


def same_padding(graph):
    """The convolution pads itself; with stride 2 and an even size, SAME pads below and on the right, too."""
    for pad in graph.find_nodes_by_op("Pad"):
        for node in graph.node_outputs[pad.name]:
            node.input[0], node.attr["padding"].s = pad.input[0], b"SAME"
        graph.remove(pad)


def reshape_in_front(graph, name, shape):
    """A Reshape that changes nothing: in front of one, the parser goes back to rows, columns, channels."""
    node = graph.node_map[name]
    constant = freeze.constant_node(name + "/shape", np.int32([-1] + list(shape)))
    graph.append(constant)
    reshape = _node(graph, name + "/Reshape", "Reshape", [node.input[0], constant.name], T=node.attr["T"],
                    Tshape=constant.attr["dtype"])
    node.input[0] = reshape.name


def _node(graph, name, op, inputs, **types):
    node = process.tensorflow().compat.v1.NodeDef(name=name, op=op, input=inputs)
    for key, kind in types.items():
        node.attr[key].CopyFrom(kind)
    graph.append(node)
    return node


LOUD = collections.OrderedDict([
    ("leaky", Fault("act", "unknown operation", leaky_as_plugin)),
    ("floor", Fault("act", "constant operand", maximum_as_relu)),
    ("add_n", Fault("sum", "unknown operation", add_n_as_add))])
SILENT = collections.OrderedDict([
    ("padding", Fault("pad", "lost padding", same_padding)),
    ("cut", Fault("crop", "wrong cut", lambda graph: reshape_in_front(graph, "crop/strided_slice", (8, 8, 8)))),
    ("place", Fault("place", "constant in another order", lambda graph: reshape_in_front(graph, "place/Add", (8, 8, 8))))])
LOW = collections.OrderedDict([
    ("soft", Fault("soft", "overflow", ("soft/Exp", "soft/Add", "soft/Log"))),
    ("level", Fault("level", "rounding", ("level/Up", "level/Relu", "level/Down"))),
    ("length", Fault("length", "underflow", ("length/Square", "length/Add", "length/Sqrt")))])
