"""NVIDIA's UffParser itself, its network in ONNX Runtime against TensorFlow: skipped unless `workbook.py parser` has built one.

The parsers are looked for in build/parser, or in the folder that UFFPARSER_ROOT names.
"""
from pathlib import Path

import numpy as np
import pytest
import tensorflow

import uffparser
from helpers import freeze, network, page, patients, process, run, through_uff
from uffparser import building, parsing
from uffsurgeon import to_onnx, uff
from uffsurgeon.uff import schema

process.prepare_tensorflow()
tf = tensorflow.compat.v1
UFF = Path(__file__).resolve().parent / "fixtures" / "uff"
FILES = sorted(path.relative_to(UFF).as_posix() for path in UFF.rglob("*.uff"))
BUILT = [version for version in uffparser.VERSIONS if uffparser.find(version)]
pytestmark = [pytest.mark.skipif(not BUILT, reason="no UffParser under %s: python3 workbook.py parser" % building.root()),
              pytest.mark.filterwarnings("ignore::UserWarning")]
ONNX = {1: "f4", 3: "i1", 6: "i4", 7: "i8", 10: "f2"}  # TensorProto.DataType -> NumPy
# Files that end the parser's process.
ABORTS = {"5.1.5": {"ops/%s.uff" % name for name in ("matmul_two_ph", "const_fill_float64", "const_vec_float64", "const_string",
                                                     "const_scalar_uint8", "const_vec_uint8")},
          "6.0.1": {"ops/matmul_two_ph.uff"}}
# What the parser makes of these files is not what TensorFlow computes, though `parse` says True.
FAULTS = {
    "ops/pad.uff": "the height is not padded",
    "ops/pad+conv_SAME.uff": "the height is not padded",
    "ops/lrn.uff": "across the height; the radius is taken for the window, and alpha divided by it",
}
# `parse` says True, but a layer has no shape, or an output no layer.
INVALID = {"ops/Gather_op.uff", "ops/const_empty.uff", "ops/const_empty_2d.uff", "ops/const_vec_float32.uff",
           "ops/const_vec_int32.uff", "ops/matmul_00.uff", "ops/no_placeholder.uff"}
NO_BATCH = {"ops/gather_v2.uff"}  # its input is a table, whose rows the parser takes for images


@pytest.fixture(scope="module", params=BUILT or [None])
def version(request):
    return request.param


def test_every_file_that_parses_agrees_or_is_a_known_fault(version):
    """uffsurgeon.to_onnx computes what TensorFlow does (tests/test_to_onnx.py)."""
    agreed, faults, invalid, aborted = [], [], [], []
    library = uffparser.l2norm(uffparser.require(version))
    for name in FILES:
        parsed = uffparser.parse(UFF / name, tensorrt=version, libraries=[library])
        if parsed.aborted:
            assert parsed.aborted.startswith("SIGABRT: ")
            aborted.append(name)
            continue
        if not parsed.ok or not parsed.outputs or name in NO_BATCH:
            assert parsed.log or parsed.ok
            continue
        try:
            model = uffparser.to_onnx(parsed)
        except ValueError:
            invalid.append(name)
            continue
        meta = schema.read(UFF / name)
        for node in meta.graphs[0].nodes:
            if node.operation == "_L2Norm_TRT":  # collapsing gave it the axis constant, too
                del node.inputs[1:]
        feeds, ours = arrays(meta), to_onnx.convert(meta)
        expected = run.onnx(ours, taken_by(ours, feeds))
        found = [through_uff.answers(parsed, taken_by(model, feeds))]
        if "NCHW" in name:  # a graph that TensorFlow keeps in that order, too
            found.append(run.onnx(model, taken_by(model, feeds)))
        error = min(max(through_uff.errors(expected, each).values()) for each in found)
        (agreed if error < 1e-5 else faults).append(name)
    assert set(aborted) == ABORTS[version]
    assert set(faults) == set(FAULTS)
    assert set(invalid) <= INVALID
    assert len(agreed) >= 44


def arrays(meta):
    """{input: array} for a MetaGraph, positive, an open batch being 3 and any other open size what `parse` takes for it."""
    random, found = np.random.RandomState(0), {}
    for node in meta.graphs[0].nodes:
        if node.operation == "Input":
            shape, kind = schema.field(node, "shape"), schema.NUMPY[schema.field(node, "dtype")]
            shape = [size if size > 0 else parsing.OPEN if place else 3 for place, size in enumerate(shape)]
            found[node.id] = (random.uniform(0.1, 0.9, shape) if kind.kind == "f" else np.ones(shape)).astype(kind)
    return found


def taken_by(model, feeds):
    """The arrays that an ONNX model takes, as float32 or integers."""
    return {info.name: feeds[info.name].astype(ONNX[info.type.tensor_type.elem_type]) for info in model.graph.input}


def test_a_plugin_needs_its_library(version):
    path, library = UFF / "box3d_mini" / "reshape.l2col.uff", uffparser.l2norm(uffparser.require(version))
    parsed = uffparser.parse(path, tensorrt=version)
    assert parsed.log == ["UffParser: Validator error: orientation/l2_normalize: Unsupported operation _L2Norm_TRT"]
    parsed = uffparser.parse(path, tensorrt=version, libraries=[library])
    assert parsed.ok and [layer.settings["plugin"] for layer in parsed.layers if layer.name == "orientation/l2_normalize"]
    parsed = uffparser.parse(path, tensorrt=version, libraries=[library], plugins=False)
    assert parsed.log[0].endswith("Unsupported operation _LReLU_TRT")
    with pytest.raises(RuntimeError, match="cannot open shared object"):
        uffparser.parse(path, tensorrt=version, libraries=["absent.so"])


def equal(live, recorded):
    assert live._replace(layers=[], source="") == recorded._replace(layers=[], source="")
    for mine, theirs in zip(live.layers, recorded.layers):
        assert mine._replace(weights={}) == theirs._replace(weights={}) and list(mine.weights) == list(theirs.weights)
        assert all(np.array_equal(values, theirs.weights[key]) for key, values in mine.weights.items())
    assert len(live.layers) == len(recorded.layers)


@pytest.mark.skipif("5.1.5" not in BUILT, reason="the recordings are of TensorRT 5.1.5")
@pytest.mark.parametrize("flat", ["flatten", "reshape"])
@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
@pytest.mark.parametrize("trained", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_recording_of_the_box_network(flat, order, trained):
    """With other weights than those with which it was recorded."""
    graph = freeze.load(freeze.box3d(flat=flat)) if trained else freeze.freeze(network.build(flat=flat, width=16))
    data = through_uff.convert(graph)
    live = uffparser.parse(data, tensorrt="5.1.5", order=order)
    equal(live, uffparser.recorded(data, order=order))
    if trained:
        images = np.random.RandomState(0).randn(2, 224, 224, 3).astype("f4") * 60
        found = through_uff.normalized(through_uff.answers(live, images if order == "NHWC" else images.transpose(0, 3, 1, 2)))
        for name, value in run.tensorflow(graph, images).items():
            assert np.abs(found[name] - value).max() < 1e-5


@pytest.mark.skipif("5.1.5" not in BUILT, reason="the recordings are of TensorRT 5.1.5")
@pytest.mark.parametrize("name", ["padded", "cropped", "joined"])
def test_the_recordings_of_the_patients(name):
    for repaired in (False, True):
        process.keras().backend.clear_session()
        with page.silence():
            data = uff.from_tensorflow(patients.freeze(getattr(patients, name)(repaired)), quiet=True)
        equal(uffparser.parse(data, tensorrt="5.1.5"), uffparser.recorded(data))


@pytest.mark.skipif("5.1.5" not in BUILT, reason="the recordings are of TensorRT 5.1.5")
@pytest.mark.parametrize("seed", [0, 4, 8])
def test_the_recordings_of_the_patients_of_page_08(seed):
    patient = patients.admit(seed)
    for repaired in (), ("loud",), ("loud", "silent"):
        with page.silence():
            data = uff.from_tensorflow(patient.graph(repaired), list(patients.OUTPUTS), quiet=True)
        equal(uffparser.parse(data, tensorrt="5.1.5"), uffparser.recorded(data))


def conv(x, channels=6):
    kernel = tf.constant(np.random.RandomState(3).randn(3, 3, int(x.shape[-1]), channels).astype("f4"))
    return tf.nn.conv2d(x, kernel, padding="SAME", strides=(1, 1, 1, 1))


def same_shape(x):
    """A Reshape that changes nothing."""
    return tf.reshape(x, [-1] + [int(size) for size in x.shape[1:]])


def with_its_mean(x):
    return x * tf.reduce_mean(x, [1, 2], keepdims=True)


MAP = np.random.RandomState(4).randn(8, 8, 6).astype("f4")
# What `parse` says True to, of an image x [8, 8, 4] -> (the order in which x is registered, whether the answer is right)
SILENT = {
    "pad": (lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]]), "NHWC", False),
    "pad of a map": (lambda x: tf.nn.relu(tf.pad(conv(x), [[0, 0], [1, 1], [2, 2], [0, 0]])), "NHWC", True),
    "slice of a map": (lambda x: conv(x)[:, 1:, 1:, :], "NHWC", False),
    "slice, repaired": (lambda x: conv(same_shape(conv(x))[:, 1:, 1:, :]), "NHWC", True),
    "slice of the image": (lambda x: x[:, 1:, 1:, :], "NHWC", True),
    "concat -1": (lambda x: tf.concat([tf.nn.relu(x), x], -1), "NHWC", False),
    "concat 3": (lambda x: tf.concat([tf.nn.relu(x), x], 3), "NHWC", True),
    "constant map": (lambda x: conv(conv(x) + MAP), "NHWC", False),
    "constant map, repaired": (lambda x: conv(same_shape(conv(x)) + MAP), "NHWC", True),
    "map and its mean": (lambda x: tf.nn.relu(with_its_mean(conv(x))), "NHWC", False),
    "reshape, NCHW": (lambda x: tf.reshape(x, [-1, 256]), "NCHW", False),
    "reshape, NHWC": (lambda x: tf.reshape(x, [-1, 256]), "NHWC", True),
    "transpose, NCHW": (lambda x: tf.transpose(x, [0, 2, 1, 3]), "NCHW", False),
}


@pytest.mark.parametrize("name", list(SILENT))
def test_what_the_parser_does_silently(name, version):
    build, order, right = SILENT[name]
    with tf.Graph().as_default() as graph:
        tf.identity(build(tf.placeholder(tf.float32, (None, 8, 8, 4), "x")), "y")
    graph, x = graph.as_graph_def(), np.random.RandomState(5).randn(2, 8, 8, 4).astype("f4")
    expected = run.tensorflow(graph, x, ["y"])
    for node in graph.node:
        node.op = {"AddV2": "Add"}.get(node.op, node.op)
    with page.silence():
        data = uff.from_tensorflow(graph, ["y"], quiet=True)
    parsed = uffparser.parse(data, tensorrt=version, order=order)
    assert parsed.ok and len(parsed.outputs) == 1
    found = through_uff.answers(parsed, x if order == "NHWC" else x.transpose(0, 3, 1, 2))
    (answer,) = found.values()
    assert (through_uff.errors(expected, {"y": answer})["y"] < 1e-5) == right
    log = [line for line in parsed.log if "isShapeTensor" not in line]  # 6.0.1 says this of right networks, too
    assert right or log == [] or name == "concat -1" and "axis >= 0" in log[0]


# Of what Keras brings, small: name -> (size of the image, arguments)
ARCHITECTURES = {
    "VGG16": (32, {}), "ResNet50": (64, {}), "MobileNet": (64, {"alpha": 0.25}), "MobileNetV2": (64, {"alpha": 0.35}),
    "InceptionV3": (75, {}), "Xception": (71, {}), "DenseNet121": (64, {}), "NASNetMobile": (64, {})}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_architectures(name, version):
    size, how = ARCHITECTURES[name]
    process.keras().backend.clear_session()
    model = getattr(process.keras().applications, name)(weights=None, input_shape=(size, size, 3), classes=10, **how)
    random = np.random.RandomState(0)
    for layer in model.layers:  # TensorFlow 1.13 has another order in model.weights
        layer.set_weights([weights_like(weight, random) for weight in layer.weights])
    graph, images = freeze.freeze(model), random.randn(2, size, size, 3).astype("f4")
    expected = run.tensorflow(graph, images)
    for node in graph.node:  # names that TensorFlow 2 gives to what the parsers know
        if node.op in ("AddV2", "FusedBatchNormV3"):
            node.op = {"AddV2": "Add"}.get(node.op, "FusedBatchNorm")
            node.attr.pop("U", None)
    with page.silence():
        data = uff.from_tensorflow(graph, list(expected), quiet=True)
    for order in ("NHWC", "NCHW"):
        parsed = uffparser.parse(data, tensorrt=version, order=order)
        if name == "NASNetMobile":  # its Cropping2D loses a channel instead of a row
            assert not parsed.ok and "31 input channels" in " ".join(parsed.log)
            continue
        assert parsed.ok
        found = through_uff.answers(parsed, images if order == "NHWC" else images.transpose(0, 3, 1, 2))
        agrees = max(through_uff.errors(expected, found).values()) < 1e-5
        # MobileNet of Keras 2.2 pads the image below and on the right, and the parser on the right only.
        assert agrees != (name.startswith("MobileNet") and any(node.op == "Pad" and node.input[0] == "input_1"
                                                               for node in graph.node))


def weights_like(weight, random):
    """Random values with which signals keep their size."""
    shape = tuple(int(size) for size in weight.shape)
    if "variance" in weight.name or "gamma" in weight.name:
        return random.uniform(0.5, 1.5, shape)
    return random.randn(*shape) * (0.1 if len(shape) == 1 else np.prod(shape[:2 if "depthwise" in weight.name else -1]) ** -0.5)
