"""Pictures of precision: what a run of nodes computes in, and what recorded runs say of each precision."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers import show, timing
from helpers.show import bits, comparisons, roads


def model(nodes, outputs=("y",), known=(), functions=()):
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], name, **options) for op, inputs, output, name, options in nodes], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in outputs], list(known))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("mine", 1)])


def cast(source, target, to):
    return ("Cast", [source], target, "norm/cast_" + target, {"to": to})


def test_a_number_that_passed_through_16_bits_is_seen_although_both_nodes_have_32():
    steps = bits.along(model([
        ("Mul", ["x", "x"], "s", "norm/square", {}), cast("s", "s16", 10), cast("s16", "s32", 1),
        ("Sqrt", ["s32"], "r", "norm/root", {}), ("Mul", ["x", "r"], "y", "norm", {})]), "norm")
    assert steps == [("Mul", 32, 32), ("Sqrt", 32, 16), ("Mul", 32, 32)]


def test_16_bits_within_a_node_and_casts_before_it():
    weight = numpy_helper.from_array(np.ones((64, 64), np.float16), "w")
    steps = bits.along(model([
        cast("x", "x16", 10), ("Mul", ["x16", "x16"], "s", "norm/square", {}), cast("s", "s32", 1),
        ("Exp", ["s32"], "y", "norm/exp", {}), ("Relu", ["y"], "z", "other", {})], ["y", "z"], [weight]), "norm")
    assert steps == [("Mul", 16, 16), ("Exp", 32, 16)]


def test_casts_that_stand_behind_what_reads_them():
    steps = bits.along(model([
        ("Mul", ["x16", "x16"], "s", "norm/square", {}), ("Exp", ["s32"], "y", "norm/exp", {}), cast("x", "x16", 10),
        cast("s", "s32", 1)]), "norm")
    assert steps == [("Mul", 16, 16), ("Exp", 32, 16)]


def test_a_node_of_another_domain_is_one_step():
    made = model([cast("x", "x16", 10), cast("x16", "x32", 1), ("MyNorm", ["x32"], "y", "norm", {"domain": "mine"})])
    assert bits.along(made, "norm") == [("MyNorm", 32, 16)]


def test_what_is_no_chain_of_floats_is_refused():
    with pytest.raises(ValueError, match="no node in the namespace 'nrm'"):
        bits.along(model([("Relu", ["x"], "y", "norm", {})]), "nrm")
    with pytest.raises(ValueError, match="'norm' .Neg. reads i, which has neither"):
        bits.along(model([("Cast", ["x"], "i", "to_int", {"to": 7}), ("Neg", ["i"], "n", "norm", {}),
                          ("Cast", ["n"], "y", "back", {"to": 1})]), "norm")


def test_the_picture_has_a_row_for_each_file_and_says_so_in_words():
    figure = bits.draw([("one by one", [bits.Step("Mul", 16, 16), bits.Step("Sqrt", 32, 16)], "broken"),
                        ("folded", [bits.Step("MyNorm", 32, 32)], "close")])
    assert "one by one (broken): Mul in 16 bits, reached through 16, Sqrt in 32 bits" in figure.alternative_text
    widths = [round(box.get_width(), 2) for box in figure.axes[0].patches]
    assert widths == [bits.WIDTH, bits.WIDTH, round(bits.WIDTH + bits.COLUMN, 2)]


def test_the_bits_of_a_format_and_its_limits():
    figure = show.formats((np.float16,))
    assert len(figure.axes[0].patches) == 16
    assert "FP16: bits for sign, exponent and mantissa 1, 5, 10; to 65504, down to 6e-08, 3 digits" in figure.alternative_text
    assert len(show.formats().axes[0].patches) == 32 + 16


def test_the_recorded_roads():
    records = {name: timing.load(timing.RUNS / file) for name, file in (
        ("TensorRT 8.6.1", "roads_tensorrt8.6.1_h200.json"), ("TensorRT 10.6.0", "roads_tensorrt10.6.0_h200.json"),
        ("ONNX Runtime", "roads_onnxruntime1.32.0_cpu.json"))}
    figure = roads.precisions(records)
    times, shares = ([bar.get_width() for bar in axis.patches] for axis in figure.axes)
    assert len(times) == 6 and len(shares) == 9 and all(bar.get_hatch() for axis in figure.axes for bar in axis.patches)
    found = records["TensorRT 10.6.0"]["results"]["onnx inline, int8"]
    assert found["share_of_limit"] in shares and found["verdict"] in figure.alternative_text
    figure.canvas.draw()
    right = figure.axes[1]
    line, labels = right.transData.transform((1, 0))[0], [text for text in right.texts if ", " in text.get_text()]
    bars = max(bar.get_window_extent().x1 for bar in right.patches)
    assert len(labels) == 9 and all(text.get_window_extent().x0 > max(line, bars) for text in labels)
    assert sum(text.get_text().strip() == "ran on a CPU, not timed" for text in figure.axes[0].texts) == 3
    with pytest.raises(ValueError, match="TensorRT 10.6.0 has no result of 'uff'"):
        roads.precisions(records, "uff")


def test_what_a_comparison_judges_is_said_in_words():
    words = comparisons.what_is_judged().alternative_text
    assert "kept from Keras judges the conversion" in words and "--trt --onnxrt, judges the runtimes" in words
