"""The cells of notebook 03 that call TensorRT, with the strict doubles: each version has the names, or gets the other way."""
import json
import sys
import textwrap
import types
from pathlib import Path

import doubles
import numpy as np
import onnx_models
import pytest
from doubles.cuda import Cuda

from helpers import artifacts, cuda, engine, machine, page, run

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import execute  # noqa: E402

UFF = ROOT / "tests" / "fixtures" / "uff" / "box3d_mini" / "reshape.lrelu.uff"
STARTS = ("plain = hasattr", "if plain", "from helpers import cuda", "if on_gpu", "context = loaded",
          "if machine.tensorrt().runs")


def cells():
    twin = [path for path in execute.twins() if path.stem.startswith("03_")][0]
    found = [cell.source for cell in execute.learner(twin).cells
             if cell.cell_type == "code" and (cell.source.startswith(STARTS) or "init_libnvinfer_plugins" in cell.source)]
    assert len(found) == 10
    return found


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_a_plan_is_built_by_the_plain_calls_or_by_the_helpers(version, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doubles.behaviour.ILayer, "type", property(lambda layer: "LayerType.ACTIVATION"), raising=False)
    trt, backend = doubles.tensorrt(version), Cuda()
    registry = trt.get_plugin_registry()
    has = json.loads(doubles.FILES[version].read_text())["IPluginRegistry"]
    for name in {"all_creators", "plugin_creator_list"}.intersection(has):
        setattr(registry, name, [types.SimpleNamespace(name="LReLU_TRT")])
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    monkeypatch.setattr(artifacts, "BUILD", tmp_path)
    here = types.SimpleNamespace(module=trt.__name__, version=trt.__version__, runs=True, why_not=None)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setattr(machine, "tensorrt", lambda: here, raising=False)
    uff_file = tmp_path / "box3d_baseline.uff"
    uff_file.write_bytes(UFF.read_bytes())
    # The notebook's file has another size of image and an end cut off; neither matters to the calls.
    onnx_file = Path(str(onnx_models.box3d(tmp_path / "box3d_baseline.onnx", width=16, size=224)))
    outputs = ["dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"]
    names = dict(outputs=outputs, artifacts=artifacts, engine=engine, machine=machine, page=page, run=run, np=np,
                 textwrap=textwrap, uff_file=uff_file, onnx_file=onnx_file, images=np.full((3, 224, 224, 3), 2, np.float32))
    for cell in cells():
        if cell.startswith("if machine.tensorrt().runs") and hasattr(trt, "UffParser"):
            names["images"] = names["images"][:, :32, :32]  # the size of the file that helpers.engine reads
        exec(cell, names)
    said = capsys.readouterr().out
    plain = tmp_path / "box3d_baseline.plan"
    assert plain.exists() == (version not in ("5.0.6", "7.1.3"))
    assert ("is older than these calls" in said) == (not plain.exists())
    if plain.exists():  # the double's output number k is the mean of the image, and k
        assert [array.round(3).tolist() for array in names["answers"].values()] == [
            [[2 + k] * size] * 3 for k, size in ((1, 3), (2, 12), (3, 6))]
    source = "uff" if hasattr(trt, "UffParser") else "onnx"
    assert "box3d_baseline.fp32.plan from box3d_baseline." + source in said
    assert {"dimension/LeakyRelu", "confidence/Softmax"} <= set(names["raw"])
