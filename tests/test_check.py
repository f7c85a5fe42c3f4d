"""uffsurgeon.check against what real UffParsers did: tests/fixtures/parser, see the README there."""
import io
import json
import lzma
import os
import struct
import warnings
from contextlib import redirect_stderr

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uffsurgeon import check as check_package
from uffsurgeon import graphsurgeon as gs
from uffsurgeon import uff
from uffsurgeon.__main__ import main
from uffsurgeon.check import PARSERS, RULES, check, text
from uffsurgeon.check.parser import Parser
from uffsurgeon.uff import schema

HERE = os.path.join(os.path.dirname(__file__), "fixtures")
BAD = "ranwd"  # refused, aborts, no output, wrong values, no dimensions


def load(name):
    with open(os.path.join(HERE, "parser", name)) as stream:
        return json.load(stream)


RECORD = load("cases.json")


def networks():
    """(case, MetaGraph) of the recorded networks."""
    with lzma.open(os.path.join(HERE, "parser", "cases.xz")) as stream:
        for case in RECORD["cases"]:
            size, = struct.unpack("<I", stream.read(4))
            yield case, schema.MetaGraph.FromString(stream.read(size))


@pytest.fixture(scope="module")
def findings():
    """{(case, version): [(node, rule, words)]} for the parsers that differ, and for some cases for all."""
    found = {}
    for index, (case, meta) in enumerate(networks()):
        for version in RECORD["parsers"] if index % 5 == 0 else ("5.1.5", "6.0.1", "8.6.1"):
            found[case["name"], version] = Parser(meta, version, case["inputs"]).run()
    return found


def named(found):
    return [rule for _, rule, _ in found if RULES[rule].level != "note"]


def verdicts():
    for case in RECORD["cases"]:
        for version, verdict in zip(RECORD["parsers"], case["verdicts"]):
            yield case, version, verdict


def test_every_fault_of_a_parser_is_named(findings):
    missed = [(case["name"], version, verdict) for case, version, verdict in verdicts()
              if verdict in BAD and (case["name"], version) in findings and not named(findings[case["name"], version])]
    assert not missed


# Networks where a fault leaves the values as they are, by what follows it.
HARMLESS = {"pad-lost", "pool-padding", "pool-zeros", "expand-negative"}


def test_no_alarm_for_a_network_that_agrees_with_tensorflow(findings):
    false = [(case["name"], version, named(findings[case["name"], version])) for case, version, verdict in verdicts()
             if verdict == "=" and named(findings.get((case["name"], version), []))]
    assert all(HARMLESS.intersection(rules) for _, _, rules in false), false
    assert len({name for name, _, _ in false}) <= 6, false


def test_every_rule_has_a_recorded_case(findings):
    seen = {rule for (name, version), found in findings.items() for _, rule, _ in found}
    files = {rule for path in sorted(FILES) for _, rule, _ in Parser(read(path), "5.1.5").run()}
    assert set(RULES) == seen | files | {"plugin-inputs", "anchor-axis"}  # these two: test_conversions.py, of an SSD


def test_the_parsers_own_words_are_in_the_message(findings):
    """Of the refused networks of 5.1.5, nearly all: a refusal may come only at a node behind the one that is at fault."""
    right, wrong = 0, []
    for case, version, verdict in verdicts():
        if verdict == "r" and version == "5.1.5":
            said = case["says"][0][1]
            if any(words and said.endswith(words) for _, _, words in findings[case["name"], version]):
                right += 1
            else:
                wrong.append((case["name"], said))
    assert right > 0.9 * (right + len(wrong)), wrong


@pytest.mark.parametrize("name", [case["name"] for case in RECORD["cases"] if ".recipe " in case["name"]])
def test_recipes_parse_right_everywhere(name):
    case = next(case for case in RECORD["cases"] if case["name"] == name)
    assert set(case["verdicts"]) == {"="}


def test_rules_whose_recipe_was_tried():
    tried = {case["name"].split(".recipe ")[1].split(" ")[0] for case in RECORD["cases"] if ".recipe " in case["name"]}
    silent = {name for name, rule in RULES.items() if rule.text.startswith("wrong values")}
    assert tried <= set(RULES)
    assert silent - tried <= {"layout", "gather-wrong", "pool-padding"}


# The files of NVIDIA's converter

FILES = load("files.json")["files"]


def read(path):
    with open(os.path.join(HERE, "uff", path), "rb") as stream:
        return schema.MetaGraph.FromString(stream.read())


@pytest.mark.parametrize("version", PARSERS)
def test_files_of_nvidias_converter(version):
    """Each refusal and each silent fault is named, and nothing is said of a file that parses and agrees."""
    at = PARSERS.index(version)
    for path, (letters, inputs) in FILES.items():
        found = named(Parser(read(path), version, inputs).run())
        if letters[at] in BAD:
            assert found, (path, letters)
        if letters[at] == "=":
            assert not found, (path, found)


def test_the_box_network():
    """The article's file needs a plugin of libnvinfer_plugin, and l2_normalize left in is refused."""
    path = os.path.join(HERE, "uff", "box3d_mini", "flatten.lrelu.uff")
    note, error = check(path)
    assert (note.level, note.rule, note.versions) == ("note", "plugin", PARSERS)
    assert error.level == "error" and error.node == "orientation/l2_normalize/Maximum"
    assert error.message == ("UffParser: Parser error: orientation/l2_normalize/Maximum: "
                             "Unsupported binary op max with constant right")
    assert [finding.rule for finding in check(path.replace("lrelu", "l2rm"), "8.6.1")] == ["plugin"]


def test_versions_and_inputs():
    path = os.path.join(HERE, "uff", "ops", "process_softmax_axis2.uff")
    old, new = check(path)
    assert old.versions == ("5.1.5", "6.0.1") and old.rule == "order-size"
    assert new.versions == PARSERS[2:] and new.rule == "softmax-axis"
    assert check(path, "5.1") == [old._replace(versions=("5.1.5",))]
    assert check(path, "7")[0].versions == ("7.1.3", "7.2.1")
    for version in "5.0.6", "8.4", "10", "":
        with pytest.raises(ValueError, match="no UffParser of TensorRT .* was tried, only of 5.1.5"):
            check(path, version)
    with pytest.raises(ValueError, match="no input 'y', only: x"):
        check(path, inputs={"y": "NHWC"})
    with pytest.raises(ValueError, match="not as HWC"):
        check(path, inputs={"x": "HWC"})
    with pytest.raises(uff.UffException, match="expected"):
        check(b"what is this")


def test_an_input_registered_in_another_order_than_the_graph_has():
    path = os.path.join(HERE, "uff", "ops", "conv2d_NHWC_SAME.uff")
    assert not check(path)
    assert [finding.rule for finding in check(path, inputs={"x": ([8, 8, 4], "NCHW")})] == ["kernel-size"]
    assert not check(read("ops/conv2d_NHWC_SAME.uff"), inputs={"x": [32, 16, 4]})


def test_an_input_declared_nchw_in_a_graph_that_is_nhwc():
    """Every SSD recipe declares it so. Real parsers were seen to agree with TensorFlow then, see test_conversions.py."""
    meta = read("ops/conv2d_NHWC_SAME.uff")
    node = next(node for node in meta.graphs[0].nodes if node.operation == "Input")
    node.fields["shape"].i_list.val[:] = [1, 4, 32, 16]
    assert not check(meta)
    assert [finding.rule for finding in check(meta, inputs={"x": "NHWC"})] == ["kernel-size"]
    assert not check(meta, inputs={"x": [32, 16, 4]})  # other sizes, those of the graph
    node.fields["shape"].i_list.val[:] = [1, 4, 4, 4]  # could be both: as the graph has it
    assert not check(meta)


def test_the_command(capsys, tmp_path):
    path = os.path.join(HERE, "uff", "ops", "pad.uff")
    assert main(["check", path]) == 1
    line, counts = capsys.readouterr().out.splitlines()
    assert line == "%s: %s" % (path, text(check(path)[0])) and ": y: error [pad-lost] wrong values: " in line
    assert counts == "1 errors, 0 warnings, 0 notes"
    plugin = os.path.join(HERE, "uff", "box3d_mini", "flatten.l2rm.uff")
    assert main(["check", plugin, "--strict", "--tensorrt", "5.1.5", "--inputs", "input_1:32,32,3:NHWC"]) == 0
    lrn = os.path.join(HERE, "uff", "ops", "lrn.uff")
    assert main(["check", lrn]) == 0 and main(["check", lrn, "--strict"]) == 1
    (tmp_path / "other.uff").write_bytes(b"<html>")
    assert main(["check", str(tmp_path / "other.uff"), str(tmp_path / "none.uff"), path]) == 2
    assert main(["check", path, "--tensorrt", "10"]) == 2
    assert "only of 5.1.5, 6.0.1" in capsys.readouterr().err


def test_the_converter_warns_in_one_line_each(capsys):
    source = os.path.join(HERE, "uff", "ops", "pad.pb")
    uff.from_tensorflow_frozen_model(source, ["y"])
    errors = [line for line in capsys.readouterr().err.splitlines() if "[" in line]
    assert len(errors) == 1 and errors[0].startswith("WARNING: y: error [pad-lost] ")
    uff.from_tensorflow_frozen_model(source, ["y"], quiet=True)
    assert "pad-lost" not in capsys.readouterr().err


def test_the_converter_knows_the_values_of_constants():
    """Where only a constant's values tell that nothing is wrong."""
    graph = gs.DynamicGraph(os.path.join(HERE, "uff", "ops", "pad.pb"))
    value = next(node for node in graph.find_nodes_by_op("Const"))
    value.attr["value"].tensor.tensor_content = np.array([[0, 0], [0, 0], [2, 2], [0, 0]], "<i4").tobytes()
    with redirect_stderr(io.StringIO()) as errors:
        data = uff.from_tensorflow(graph.as_graph_def(), ["y"])
    assert "pad-lost" not in errors.getvalue() and not check(data)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_graph_is_checked_or_refused(data):
    """Fields and inputs at random: never another exception than UffException."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = data.draw(st.sampled_from(sorted(FILES)))
        meta = read(path)
        nodes = meta.graphs[0].nodes
        for _ in range(data.draw(st.integers(1, 4))):
            node = data.draw(st.sampled_from(list(nodes)))
            kind = data.draw(st.sampled_from(["inputs", "axis", "list", "operation"]))
            if kind == "inputs" and node.inputs:
                node.inputs[data.draw(st.integers(0, len(node.inputs) - 1))] = data.draw(st.sampled_from([n.id for n in nodes]))
            elif kind == "operation":
                node.operation = data.draw(st.sampled_from([n.operation for n in nodes]))
            for key in node.fields:
                value = node.fields[key]
                if kind == "axis" and value.WhichOneof("data_oneof") == "i":
                    value.i = data.draw(st.integers(-9, 9))
                if kind == "list" and value.WhichOneof("data_oneof") == "i_list":
                    value.i_list.val.append(data.draw(st.integers(-9, 9)))
        try:
            check(meta)
        except uff.UffException:
            pass


def test_messages_are_sentences_with_a_recipe():
    for name, rule in RULES.items():
        assert rule.level in ("error", "warning", "note"), name
        assert rule.recipe and rule.recipe == rule.recipe.strip(" ;."), name
    assert set(check_package.__all__) >= {"check", "Finding", "RULES"}


def test_open_sizes_are_not_guessed():
    """A network for images of any size: what does not depend on the size is still named."""
    meta = read("ops/pad+conv_SAME.uff")
    node = next(node for node in meta.graphs[0].nodes if node.operation == "Input")
    node.fields["shape"].i_list.val[:] = [-1, -1, -1, 4]
    assert [finding.rule for finding in check(meta)] == ["pad-lost"]
    node.fields["shape"].i_list.val[:] = []
    assert check(meta) == []
    assert [finding.rule for finding in check(meta, inputs={"x": [8, 8, 4]})] == ["pad-lost"]
