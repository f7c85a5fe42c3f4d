"""The cells of notebook 07 that call TensorRT, with the strict doubles: those of a machine where plans run, and one without."""
import sys
import types
from pathlib import Path

import doubles
import numpy as np
import onnx_models
import pytest
from doubles.cuda import Cuda

from helpers import artifacts, child, cuda, engine, machine, network, page, run

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import execute  # noqa: E402

STARTS = ("build = ", "here = machine.tensorrt()", "lines = [", "def settings_of_2021")


def cells():
    twin = [path for path in execute.twins() if path.stem.startswith("07_")][0]
    found = [cell.source for cell in execute.learner(twin).cells
             if cell.cell_type == "code" and cell.source.startswith(STARTS)]
    assert len(found) == len(STARTS)
    return found


def in_this_process(command):
    """As `child.run` of Python code, without a process: the double lives in this one."""
    before, sys.argv = sys.argv, list(map(str, command[2:]))
    try:
        exec(command[2], {})
        return child.Finished(0, 0.1, 1.0, "")
    except (RuntimeError, ValueError) as error:
        return child.Finished(1, 0.1, 1.0, "Traceback\n%s: %s" % (type(error).__name__, error))
    finally:
        sys.argv = before


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_plans_are_built_judged_and_asked_for_names(version, monkeypatch, tmp_path, capsys):
    trt, backend = doubles.tensorrt(version), Cuda()
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(artifacts, "BUILD", tmp_path)
    here = types.SimpleNamespace(module=trt.__name__, version=trt.__version__, runs=True, why_not=None)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setattr(machine, "tensorrt", lambda: here, raising=False)
    seen = []
    names = dict(engine=engine, machine=machine, network=network, page=page, run=run, sys=sys, trt=trt, street=None,
                 reference=None, images=np.full((3, 224, 224, 3), 2, np.float32),
                 child=types.SimpleNamespace(run=in_this_process), parity=types.SimpleNamespace(
                     compare=lambda reference, heads, street: seen.append(heads) or types.SimpleNamespace(verdict="close")))
    first, *others = cells()
    exec(first, names)
    model = Path(str(onnx_models.box3d(tmp_path / "box3d_tf2onnx.onnx", width=16, size=224)))
    names["plan_of"](model, "quoted", "fp32")
    for cell in others:
        exec(cell, names)
    said = capsys.readouterr().out
    assert "box3d_tf2onnx.fp32.plan, " in said and "quoted" not in said
    assert "box3d_tf2onnx.fp32       close" in said and set(seen[0]) == {"dimension", "orientation", "confidence"}
    assert [len(head) for head in seen[0].values()] == [3, 3, 3]
    assert ("yes UffParser" in said) == hasattr(trt, "UffParser") and "yes Builder.build_" in said
    old = version[0] in "78"
    assert ("It works here." in said) == old and ("AttributeError: " in said) != old


def test_a_plan_that_cannot_be_built_says_why_and_is_not_judged(monkeypatch, tmp_path, capsys):
    names = dict(sys=sys, page=page, trt=object(), child=types.SimpleNamespace(
        run=lambda command: child.Finished(1, 0.1, 1.0, "Traceback\nValueError: no such node")))
    exec(cells()[0], names)
    (tmp_path / "a.onnx").write_bytes(b"")
    names["plan_of"](tmp_path / "a.onnx", "quoted")
    assert capsys.readouterr().out == "ValueError: no such node\n" and not names["plans"]


def test_without_tensorrt_each_cell_says_so(capsys):
    names = dict(trt=None, page=page, engine=engine, machine=types.SimpleNamespace(
        tensorrt=lambda: types.SimpleNamespace(runs=False, why_not="no TensorRT")))
    for cell in cells():
        exec(cell, names)
    names["plan_of"](Path("none.onnx"), "none.plan, 1 MB")
    said = capsys.readouterr().out
    assert "No plan runs here: no TensorRT." in said and "No TensorRT here; the table has the answers." in said
    assert said.count("Not from this machine, quoted") == 2
