"""Files that once did harm, and damaged ones: a result or an exception that the docstrings name, in bounded time and memory."""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from helpers import run
from helpers.engine import onnx_files
from uffsurgeon import graphs, names, protobuf, to_onnx, uff
from uffsurgeon import graphsurgeon as gs
from uffsurgeon.check import check
from uffsurgeon.uff import schema

POSIX = pytest.mark.skipif(os.name == "nt", reason="fork")
FAULTS = Path(__file__).parent / "fixtures" / "faults"
MANY = 3000  # nodes; what takes n * n steps takes seconds for them


def graph_of(nodes):
    """A GraphDef of (name, op, inputs)."""
    graph_def = protobuf.graph_def_class()()
    for name, op, inputs in nodes:
        graph_def.node.add(name=name, op=op).input.extend(inputs)
    return graph_def


def within(seconds, function, *args, **kwargs):
    start = time.process_time()
    result = function(*args, **kwargs)
    assert time.process_time() - start < seconds
    return result


def fuzz(*arguments):
    """What fuzz_files.py prints: {outcome: number of inputs}. It forks, which threads of TensorFlow in this process forbid."""
    done = subprocess.run([sys.executable, str(Path(__file__).parent / "fuzz_files.py")] + [str(word) for word in arguments],
                          stdout=subprocess.PIPE, timeout=600, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    return {name: int(number) for name, number in re.findall(r"(\w[\w ]*) (\d+)(?:,|$)", done.stdout.strip().split(": ", 1)[1])}


@POSIX
def test_files_that_did_harm_are_read_or_refused():
    files = [path for path in sorted(FAULTS.glob("*")) if path.suffix in (".pb", ".uff", ".onnx")]
    assert len(files) > 15 and sum(fuzz(*files).values()) == len(files)


@pytest.mark.parametrize("name", ["ctl_noout.onnx", "ctl_recursive.onnx", "text.onnx"])
def test_what_ended_tensorrt_is_refused_by_name(name, tmp_path):
    from helpers import engine, machine

    if machine.tensorrt().module is None:
        pytest.skip("no TensorRT")
    with pytest.raises(ValueError, match=name):
        engine.build(FAULTS / name, tmp_path / "a.plan")
    assert not list(tmp_path.iterdir())


def test_a_child_that_is_ended_becomes_a_runtime_error(tmp_path, monkeypatch):
    from helpers.engine import apart

    monkeypatch.setattr(apart.child, "run", lambda *_, **__: apart.child.Finished(-11, 0.1, 100, "what it said last"))
    with pytest.raises(RuntimeError, match=r"ended the process that read .*mine.onnx \(SIGSEGV\).* said last"):
        apart.parse(np, tmp_path / "mine.onnx", None)


@pytest.mark.parametrize("suffix, words", [(".pb", "a TensorFlow graph"), (".uff", "a .uff"), (".onnx", "an ONNX model")])
def test_another_kind_of_file_is_called_by_its_kind(suffix, words, tmp_path):
    source = {".pb": graph_of([("x", "Placeholder", []), ("y", "Relu", ["x"])]).SerializeToString(),
              ".onnx": b"\x08\x07\x12\x03abc", ".uff": b"\x08\x01\x10\x01"}[suffix]
    for wanted, reader in ((".pb", gs.DynamicGraph), (".uff", schema.read), (".onnx", lambda path: run.onnx(path, {}))):
        path = tmp_path / ("mine" + wanted)
        path.write_bytes(source)
        if wanted != suffix:
            with pytest.raises(ValueError, match="mine.* but " + words):
                reader(str(path))


def test_forwarding_that_multiplies_inputs_says_so(monkeypatch):
    monkeypatch.setattr(gs.dynamic_graph, "MOST_INPUTS", 10000)
    chain = [("x", "Placeholder", [])] + [("a%d" % at, "Add", ["a%d" % (at - 1) if at else "x"] * 2) for at in range(40)]
    graph = gs.DynamicGraph(graph_of(chain + [("y", "Relu", ["a39"])]))
    with pytest.raises(ValueError, match="more than 10000 inputs"):
        within(10, graph.forward_inputs, graph.find_nodes_by_op("Add"))
    assert len(graph) == 42


def test_surgery_takes_no_quadratic_time():
    chain = [("x", "Placeholder", [])]
    for at in range(MANY):
        chain += [("i%d" % at, "Identity", ["i%d" % (at - 1) if at else "x"]), ("r%d" % at, "Relu", ["i%d" % at])]
    graph = gs.DynamicGraph(graph_of(chain))
    within(3, graph.forward_inputs, graph.find_nodes_by_op("Identity"))
    assert set(text for node in graph.find_nodes_by_op("Relu") for text in node.input) == {"x"}
    graph = gs.DynamicGraph(graph_of([("x", "Placeholder", []), ("s", "Sub", ["x", "x"]), ("p", "Pack", ["s"] * 99), (
        "l", "Slice", ["x", "p"]), ("c", "ConcatV2", ["l", "s"]), ("f", "Reshape", ["x", "c"])] + [
        node for at in range(MANY // 2) for node in (("m%d" % at, "Softmax", ["f"]), ("r%d" % at, "Reshape", ["m%d" % at]))]))
    within(3, gs.extras.process_softmax, graph)
    assert len(graph) == 6 + MANY // 2


def test_conversion_takes_no_quadratic_time(tmp_path):
    nodes = [("x", "Placeholder", [])]
    for at in range(MANY):
        nodes += [("i%d" % at, "StopGradient", ["i%d" % (at - 1) if at else "x"]), ("r%d" % at, "Relu", ["i%d" % at])]
    try:
        within(20, uff.from_tensorflow, graph_of(nodes), quiet=True)
    except uff.UffException as error:
        assert "forward_inputs" in str(error)


def test_claimed_sizes_are_not_believed():
    graph_def = graph_of([("c", "Const", []), ("y", "Relu", ["c"])])
    graph_def.node[0].attr["dtype"].type = graph_def.node[0].attr["value"].tensor.dtype = 1
    graph_def.node[0].attr["value"].tensor.tensor_shape.dim.add(size=1 << 29)
    with pytest.raises(uff.UffException, match="'c': .* repeats one value over 2147 MB; at most 41 MB"):
        uff.from_tensorflow(graph_def, quiet=True)
    const = gs.create_node("shape", "Const", trt_plugin=True, value=np.array([1 << 14, 1 << 14], "i4"))
    const.attr["dtype"].type = 3
    graph_def = graph_of([("f", "Fill", ["shape", "one"]), ("y", "All", ["f"])])
    graph_def.node.extend([const, gs.create_node("one", "Const", trt_plugin=True, value=np.ones((), "f4"))])
    with pytest.raises(uff.UffException, match=r"'f' \(Fill\) computes 268435456 numbers"):
        uff.from_tensorflow(graph_def, quiet=True)


def test_suggestions_and_cycles_are_short():
    known = ["ab" * 60 + "ba%d" % at for at in range(2000)] + ["x" * 500000]
    assert len(within(3, names.did_you_mean, "ba" * 61, known)) < 600
    assert len(str(graphs.Cycle(["n%d" % at for at in range(5000)]))) < 300


def test_a_uff_is_followed_once(tmp_path):
    meta = schema.MetaGraph(version=1, descriptor_core_version=1)
    graph = meta.graphs.add(id="main")
    graph.nodes.add(id="x", operation="Input").fields["dtype"].dtype = 0x20020
    graph.nodes[0].fields["shape"].i_list.val.extend([-1, 4, 4, 3])
    for at in range(MANY):
        graph.nodes.add(id="e%d" % at, operation="ExpandDims", inputs=["e%d" % (at - 1) if at else "x"]).fields["axis"].i = 1
    graph.nodes.add(id="end", operation="MarkOutput", inputs=["e%d" % (MANY - 1)])
    within(5, check, meta)
    with pytest.raises(uff.UffException, match="'e60' .* has 65 axes, at most 64"):
        to_onnx.convert(meta)


@POSIX
def test_damaged_files_are_read_or_refused():
    counts = fuzz("--count", 2000)
    assert sum(counts.values()) == 2000 and counts["result"] > 400


@POSIX
@pytest.mark.slow
def test_ten_thousand_damaged_files_are_read_or_refused():
    assert sum(fuzz("--count", 8000, "--seed", 2000).values()) == 8000


def test_a_dollar_in_a_name_is_drawn_as_one():
    from helpers import show

    graph = gs.DynamicGraph()
    graph.append(gs.create_node("a$b$", op="Placeholder"))
    figure = show.graph(graph, "*")
    drawn = [text._preprocess_math(text.get_text())[0] for axes in figure.axes for text in axes.texts]
    assert "a$b$" in drawn


@pytest.mark.parametrize("opset, domain", [(99, ""), (13, "somebody"), (13, "unknown")])
def test_what_the_installed_onnx_does_not_know_is_left_to_tensorrt(opset, domain):
    node = onnx.helper.make_node("ReduceMean", ["x", "axes"], ["y"], domain=domain)
    values = [onnx.helper.make_tensor_value_info(name, 1, [2, 3]) for name in "xy"]
    weight = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [weight])
    onnx_files.check(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]), "a.onnx")
