"""The road through UFF: on the recorded network of NVIDIA's parser, on the double of a plan, and as the article reports it."""
import collections
import sys

import doubles
import numpy as np
import pytest
from doubles.behaviour import UffParser
from doubles.cuda import Cuda

import uffparser
from helpers import cuda, freeze, machine, network, page, patients, process, run, through_uff
from uffsurgeon import graphsurgeon, l2_normalize, uff
from uffsurgeon.uff import schema

process.prepare_tensorflow()
Here = collections.namedtuple("Here", "module version flavour runs why_not")
RECORDED = "Recorded: TensorRT 5.1.5's UffParser, "


@pytest.fixture(scope="module")
def images():
    return (np.random.RandomState(0).rand(3, 224, 224, 3).astype(np.float32) - 0.5) * 200


@pytest.fixture(autouse=True)
def no_parser(tmp_path, monkeypatch):
    monkeypatch.setenv("UFFPARSER_ROOT", str(tmp_path / "none"))
    monkeypatch.setattr(machine, "tensorrt", lambda: Here("tensorrt_rtx", "1.7.1", "rtx", False, "no GPU"), raising=False)


def box(**how):
    """The box network with weights that are always the same."""
    model, random = network.build(**how), np.random.RandomState(0)
    model.set_weights([random.randn(*[int(size) for size in weight.shape]) * 0.1 for weight in model.weights])
    return freeze.freeze(model)


@pytest.fixture(scope="module")
def graphs():
    return {flat: box(flat=flat, width=16) for flat in ("flatten", "reshape")}


def close(found, expected):
    """Whether all outputs agree to 1e-5; normalized pairs, which random weights make short, to 1e-3."""
    return all(np.allclose(found[name], value, rtol=1e-5, atol=1e-3 if "l2_normalize" in name else 1e-5)
               for name, value in expected.items())


@pytest.mark.parametrize("flat", ["flatten", "reshape"])
def test_the_parsers_network_answers_as_tensorflow_does(flat, graphs, images):
    graph, lines = graphs[flat], []
    before = graph.SerializeToString(deterministic=True)
    found, reference = through_uff.run(graph, images, say=lines.append), run.tensorflow(graph, images)
    assert len(lines) == 1 and lines[0].startswith(RECORDED)
    assert list(found) == list(network.OUTPUTS)
    assert close(found, reference) and all(value.dtype == np.float32 for value in found.values())
    assert graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("flat", ["flatten", "reshape"])
def test_input_declared_nchw(flat, graphs, images):
    parsed = through_uff.parse(through_uff.convert(graphs[flat]), order="NCHW", say=lambda line: None)
    assert parsed.ok and parsed.log == [] and parsed.inputs[0].shape == [3, 224, 224]
    found = through_uff.normalized(through_uff.answers(parsed, images.transpose(0, 3, 1, 2)))
    assert close(found, run.tensorflow(graphs[flat], images))


@pytest.mark.parametrize("flat", ["flatten", "reshape"])
def test_the_parser_goes_back_to_nhwc_first(flat, graphs):
    parsed = through_uff.parse(through_uff.convert(graphs[flat]), say=lambda line: None)
    turns = [row for row in uffparser.table(parsed, flat + "_1").rows if "transpose (1, 2, 0)" in row[2]]
    assert len(turns) == 1 and turns[0][3:] == ("[32, 7, 7]", "[7, 7, 32]")


@pytest.mark.parametrize("flat", ["flatten", "reshape"])
def test_layer_by_layer(flat, graphs, images):
    parsed = through_uff.parse(through_uff.convert(graphs[flat]), say=lambda line: None)
    names = [node.name for node in graphs[flat].node if node.op in ("Relu", "MaxPool", "Reshape", "LeakyRelu", "Softmax")]
    expected = run.tensorflow(graphs[flat], images[:1], names)
    errors = through_uff.errors(expected, through_uff.answers(parsed, images[:1], names))
    assert len(errors) == len(names) > 20 and max(errors.values()) < 5e-5


def test_the_reported_damage_has_its_own_name(graphs, images):
    for flat, right in (("flatten", False), ("reshape", True)):
        found = through_uff.as_reported_for_5_0_6(graphs[flat], images)
        reference = run.tensorflow(graphs[flat], images)
        assert np.allclose(found["dimension/LeakyRelu"], reference["dimension/LeakyRelu"], atol=1e-4) == right


def converted(graph):
    with page.silence():
        return uff.from_tensorflow(graph, quiet=True)


@pytest.mark.parametrize("name, culprit", [("padded", "pad/Pad"), ("cropped", "crop/strided_slice"), ("joined", "join/concat")])
def test_patients(name, culprit):
    build, x = getattr(patients, name), patients.images()
    graphs = []
    for repaired in (False, True):
        process.keras().backend.clear_session()
        graphs.append(patients.freeze(build(repaired)))
    sick, mended = [through_uff.parse(converted(graph), say=lambda line: None) for graph in graphs]
    assert sick.ok and mended.ok and mended.log == []
    expected = list(run.tensorflow(graphs[0], x).values())[0]
    assert np.allclose(list(run.tensorflow(graphs[1], x).values())[0], expected, atol=1e-5)
    found = list(through_uff.answers(sick, x).values())[0]
    assert found.shape != expected.shape or not np.allclose(found, expected, atol=1e-2)
    assert np.allclose(list(through_uff.answers(mended, x).values())[0], expected, atol=1e-5)

    names = [node.name for node in graphs[0].node if node.op != "Placeholder" and node.name in uffparser.layouts(sick)]
    errors = through_uff.errors(run.tensorflow(graphs[0], x, names), through_uff.answers(sick, x, names))
    assert [name for name in names if errors[name] > 1e-3][0] == culprit


def test_parse_says_true_and_there_is_no_output():
    process.keras().backend.clear_session()
    parsed = through_uff.parse(converted(patients.freeze(patients.unchanged())), say=lambda line: None)
    assert parsed.ok and parsed.outputs == [] and "cannot be both input and output" in parsed.log[0]
    with pytest.raises(ValueError, match="no outputs: Tensor input_1cannot be both input and output"):
        through_uff.answers(parsed, np.zeros((1, 12), "f4"))


def test_reshape_with_a_minus_one_parses():
    parsed = through_uff.parse(through_uff.convert(box(pairs=-1, width=8)), say=lambda line: None)
    assert parsed.ok and uffparser.network.tensors(parsed)["reshape_2/Reshape"].shape == [6, 2, 1]


# The messages of the full network, as pages 03 and 04 meet them.


@pytest.fixture(scope="module")
def full():
    return box()


def leaky(graph, op="LReLU_TRT"):
    copy = type(graph)()
    copy.CopyFrom(graph)
    dynamic = graphsurgeon.DynamicGraph(copy)
    dynamic.collapse_namespaces({
        node.name: graphsurgeon.create_plugin_node(node.name, op=op, negSlope=node.attr["alpha"].f)
        for node in dynamic.find_nodes_by_op("LeakyRelu")})
    return dynamic


def message(data, **how):
    parsed = through_uff.parse(data, say=lambda line: None, **how)
    assert not parsed.ok and not parsed.outputs
    return parsed.log[0]


@pytest.mark.slow
def test_the_messages_of_pages_03_and_04(full):
    def to_uff(graph):
        with page.silence():
            return uff.from_tensorflow(graph, list(network.OUTPUTS), quiet=True)

    assert message(to_uff(full)) == "UffParser: Validator error: dimension/LeakyRelu: Unsupported operation _LeakyRelu"
    graph = leaky(full)
    data = to_uff(graph.as_graph_def())
    assert message(data, plugins=False) == "UffParser: Validator error: dimension/LeakyRelu: Unsupported operation _LReLU_TRT"
    assert message(data) == ("UffParser: Parser error: orientation/l2_normalize/Maximum: "
                             "Unsupported binary op max with constant right")
    l2_normalize.collapse(graph)
    data = to_uff(graph.as_graph_def())
    assert message(data) == "UffParser: Validator error: orientation/l2_normalize: Unsupported operation _L2Norm_TRT"
    parsed = through_uff.parse(data, l2norm=True, say=lambda line: None)
    assert parsed.ok and [tensor.shape for tensor in parsed.outputs] == [[3, 1, 1], [6, 2, 1], [1, 1, 6]]
    image = np.random.RandomState(0).randn(1, 224, 224, 3).astype("f4") * 100
    assert close(through_uff.answers(parsed, image), run.tensorflow(full, image))


def test_what_has_no_recording(graphs):
    process.keras().backend.clear_session()
    data = through_uff.convert(box(width=32))
    with pytest.raises(LookupError, match="no UffParser is built under .*: python3 workbook.py parser builds one"):
        through_uff.parse(data)


def test_a_parser_that_is_built_is_asked(monkeypatch):
    asked = {}

    def parse(data, **how):
        asked.update(how, data=data)
        return uffparser.Parsed("6.0.1", False, ["a message"], [], [], [], None, "TensorRT 6.0.1's UffParser, run here")

    monkeypatch.setattr(uffparser, "find", lambda: uffparser.Installation("6.0.1", None))
    monkeypatch.setattr(uffparser, "l2norm", lambda installation: "l2norm.so")
    monkeypatch.setattr(uffparser, "parse", parse)
    lines = []
    assert through_uff.parse(b"data", order="NCHW", plugins=False, l2norm=True, say=lines.append).log == ["a message"]
    assert asked == {"data": b"data", "tensorrt": "6.0.1", "order": "NCHW", "plugins": False, "libraries": ["l2norm.so"]}
    assert lines == ["TensorRT 6.0.1's UffParser, run here."]
    process.keras().backend.clear_session()
    with pytest.raises(ValueError, match="a message"):
        through_uff.run(box(width=32), np.zeros((1, 224, 224, 3), "f4"), say=lines.append)


def test_with_a_gpu_a_plan_is_built_without_what_the_parser_refuses(images, monkeypatch, tmp_path):
    backend, trt = Cuda(), doubles.tensorrt("5.0.6")
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(through_uff.artifacts, "BUILD", tmp_path)
    monkeypatch.setattr(machine, "tensorrt", lambda: Here(trt.__name__, "5.0.6", "uff", True, None), raising=False)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    parse = UffParser.parse

    def parse_and_shape(self, path, network):  # the double knows the shapes of the heads only
        done = parse(self, path, network)
        for tensor in network._outputs:
            if tensor.name == "reshape_2/Reshape":
                tensor._shape = (6, 2)
        return done

    monkeypatch.setattr(UffParser, "parse", parse_and_shape)
    graph, lines = freeze.freeze(network.build(width=16)), []
    before = graph.SerializeToString(deterministic=True)
    found = through_uff.run(graph, images, say=lines.append)
    assert "a plan" in lines[0] and "UffParser" in lines[0]
    assert graph.SerializeToString(deterministic=True) == before
    assert "init_plugins" in trt.events
    written = [node.operation for node in schema.read(tmp_path / "through_uff.uff").graphs[0].nodes]
    assert written.count("_LReLU_TRT") == 5 and "_LeakyRelu" not in written
    assert not {"Unary", "Reduce"} & set(written)
    assert {name: array.shape for name, array in found.items()} == dict(zip(network.OUTPUTS, [(3, 3), (3, 6, 2), (3, 6)]))
    assert np.allclose(np.linalg.norm(found["orientation/l2_normalize"], axis=2), 1, atol=1e-5)
