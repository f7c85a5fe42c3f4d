"""helpers.engine against strict doubles of every TensorRT generation, and against the real TensorRT for RTX."""
import enum
import json
import os
import shutil
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import doubles
import numpy as np
import onnx
import onnx_models
import onnxruntime
import pytest
from doubles.cuda import Cuda
from doubles.list_names import names_of

from helpers import artifacts, cuda, engine
from helpers.engine import builder, library

HERE = Path(__file__).resolve().parent
UFF = HERE / "fixtures" / "uff" / "box3d_mini" / "reshape.lrelu.uff"
HEADS = {"dimension/LeakyRelu": [3], "orientation/l2_normalize": [6, 2], "confidence/Softmax": [6]}


@pytest.fixture
def gpu(monkeypatch):
    """The NumPy double of CUDA in place of the real one."""
    backend = Cuda()
    monkeypatch.setattr(cuda, "_backend", lambda: backend)
    return backend


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A small network as .onnx: with an open batch, with a fixed one, broken in three ways."""
    folder = tmp_path_factory.mktemp("models")
    made = {"open": onnx_models.box3d(folder / "open.onnx", width=16, size=32),
            "fixed": onnx_models.box3d(folder / "fixed.onnx", width=16, size=32, batch=4)}
    for bad in ("unknown", "wildcards", "nan"):
        made[bad] = onnx_models.box3d(folder / (bad + ".onnx"), width=16, size=32, bad=bad)
    return made


def images(n, size=32, seed=0):
    return (np.random.RandomState(seed).rand(n, size, size, 3).astype(np.float32) - 0.5) * 200


def expected(batch):
    """What the double computes: output k of an image is its mean + k, where k counts from the input at 0."""
    mean = batch.reshape(len(batch), -1).mean(axis=1)
    return {name: mean.reshape([-1] + [1] * len(shape)) + np.zeros(shape, np.float32) + k
            for k, (name, shape) in enumerate(HEADS.items(), 1)}


def uff_source(trt, models):
    return UFF if hasattr(trt, "UffParser") else models["open"]


EXECUTE = {"5.0.6": "execute_async", "7.1.3": "execute_async_v2", "8.0": "execute_async_v2", "8.2": "execute_async_v2",
           "8.4": "execute_async_v2"}
TYPED = [version for version in doubles.VERSIONS if version[:2] not in ("5.", "7.", "8.")]


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_a_normalisation_stays_in_32_bits_on_every_version(version, gpu, models, tmp_path):
    """By the types in the file where TensorRT obeys them; before that layer by layer, with the order to obey."""
    trt = doubles.tensorrt(version)
    make = onnx.load(str(models["open"]))
    kinds = {node.name: node.op_type for node in make.graph.node}
    plan = engine.build(models["open"], tmp_path / "a.plan", "fp16", batch=2, trt=trt)
    made = json.loads(plan.read_text())
    if version in TYPED:
        assert made["typed"] and not made["wide"] and not made["flags"]
        return
    assert {"ReduceSum", "Sqrt", "Softmax"} & {kinds[name] for name in made["wide"]} and "Conv" not in {
        kinds[name] for name in made["wide"]}
    newest = version in ("8.2", "8.4", "8.5", "8.6")
    order = [] if version == "5.0.6" else ["OBEY_PRECISION_CONSTRAINTS" if newest else "STRICT_TYPES"]
    assert made["flags"] == sorted(["FP16"] + order) and made["strict"] == (version == "5.0.6")
    assert not json.loads(engine.build(models["open"], tmp_path / "b.plan", batch=2, trt=trt).read_text())["wide"]


def test_a_half_file_is_taken_as_it_is(gpu, models, tmp_path):
    half = engine.half(models["open"], tmp_path / "half.onnx")
    for precision in ("fp16", "fp32"):
        made = json.loads(engine.build(half, tmp_path / (precision + ".plan"), precision, batch=2,
                                       trt=doubles.tensorrt("10.3")).read_text())
        assert made["typed"] and made["half"] and not made["flags"]
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["half.onnx"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_onnx_on_every_version_uses_only_names_it_has(version, precision, gpu, models, tmp_path):
    trt = doubles.tensorrt(version)
    batch = images(5)
    plan = engine.build(models["open"], tmp_path / "a.plan", precision, calibration=images(3), batch=2, trt=trt)
    made = json.loads(plan.read_text())
    flagless, typed = version in ("11.4", "rtx-1.7"), precision == "fp16" and version in TYPED
    flags = [] if flagless or typed or precision == "fp32" else [precision.upper()]
    assert set(made["flags"]) - {"OBEY_PRECISION_CONSTRAINTS", "STRICT_TYPES"} == set(flags)
    assert made["half"] == made["typed"] == typed
    assert made["quantized"] == (flagless and precision == "int8")
    with engine.Engine(plan, trt=trt) as network:
        assert network.batch == 2
        got = network.run(batch)
    for name, value in expected(batch).items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5)
    assert trt.events[-1] == EXECUTE.get(version, "execute_async_v3")
    assert gpu.used == 0 and not gpu.streams and gpu.pinned == 0


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("version", [v for v in doubles.VERSIONS if v[0] in "578"])
def test_uff_goes_through_the_parser_in_implicit_batch(version, precision, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    batch = images(5)
    plan = engine.build(UFF, tmp_path / "a.plan", precision, calibration=images(3), batch=2, trt=trt)
    made = json.loads(plan.read_text())
    assert made["implicit"] and made["batch"] == 2
    assert made["flags"] == ([] if precision == "fp32" else [precision.upper()])
    assert ["dimension/LeakyRelu", [3, 1, 1], False] in made["tensors"], "the double gives what a dense layer gives there"
    assert trt.events.count("parse uff") == 1
    assert trt.events.index("init_plugins") < trt.events.index("parse uff"), "LReLU_TRT is known only afterwards"
    with engine.Engine(plan, trt=trt) as network:
        got = network.run(batch)
    for name, value in expected(batch).items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5)
    assert trt.events[-1] == "execute_async"


@pytest.mark.parametrize("version", [v for v in doubles.VERSIONS if v[0] not in "578"])
def test_uff_becomes_onnx_where_there_is_no_parser(version, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    plan = engine.build(UFF, tmp_path / "a.plan", "fp16", trt=trt)
    assert json.loads(plan.read_text())["half"] == json.loads(plan.read_text())["typed"] == (version in TYPED)
    assert "parse onnx" in trt.events


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_a_name_that_a_version_lacks_is_an_attribute_error_in_its_double(version):
    """The net under the tests above: the doubles refuse what the versions refuse."""
    trt = doubles.tensorrt(version)
    old, new = version in ("5.0.6", "7.1.3"), version in ("11.4", "rtx-1.7")
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    assert hasattr(builder, "build_cuda_engine") == old
    if not old:
        with pytest.raises(AttributeError):
            builder.max_workspace_size = 1
    if new:
        with pytest.raises(AttributeError):
            trt.BuilderFlag.FP16  # noqa: B018
    assert hasattr(trt.ICudaEngine, "num_bindings") == (version[0] in "578")


def test_the_names_of_a_module_are_listed():
    class Flag(enum.IntEnum):
        FP16 = 1

    module = types.SimpleNamespace(Builder=type("Builder", (), {"build": None, "_hidden": 0}), Flag=Flag, float32=1, _Own=Flag)
    found = names_of(module)
    assert sorted(found) == ["Builder", "Flag"] and found["Builder"] == ["build"] and "FP16" in found["Flag"]


@pytest.mark.parametrize("version", ["7.1.3", "8.5", "10.3", "11.4"])
def test_a_fixed_batch_is_filled_up(version, gpu, models, tmp_path):
    trt = doubles.tensorrt(version)
    plan = engine.build(models["fixed"], tmp_path / "a.plan", batch=4, trt=trt)
    with engine.Engine(plan, trt=trt) as network:
        assert network.batch_is_fixed
        got = network.run(images(6))
    np.testing.assert_allclose(got["dimension/LeakyRelu"], expected(images(6))["dimension/LeakyRelu"], rtol=1e-5)
    with pytest.raises(ValueError, match=r"of shape \[4, 32, 32, 3\], has no open batch and no batch of 8"):
        engine.build(models["fixed"], tmp_path / "b.plan", batch=8, trt=trt)


def test_explicit_q_dq_needs_no_calibrator_on_8(gpu, models, tmp_path):
    trt = doubles.tensorrt("8.5")
    explicit = engine.quantize(models["open"], images(4), tmp_path / "q.onnx")
    made = json.loads(engine.build(explicit, tmp_path / "a.plan", "int8", trt=trt).read_text())
    assert made["quantized"] and made["flags"] == ["INT8"] and "calibrate" not in trt.events


def test_calibration_runs_once_and_its_cache_serves_the_next_build(gpu, models, tmp_path):
    trt = doubles.tensorrt("8.5")
    engine.build(models["open"], tmp_path / "a.plan", "int8", calibration=images(3), trt=trt)
    assert trt.events.count("calibrate") == 3
    cache = tmp_path / "a.calibration"
    assert cache.read_bytes().startswith(b"TRT-")
    (tmp_path / "a.plan").unlink()
    engine.build(models["open"], tmp_path / "a.plan", "int8", calibration=images(3), trt=trt)
    assert trt.events.count("calibrate") == 3
    (tmp_path / "a.plan").unlink()
    engine.build(models["open"], tmp_path / "a.plan", "int8", calibration=images(4, seed=1), trt=trt)
    assert trt.events.count("calibrate") == 7, "ranges of other images were used"
    with pytest.raises(ValueError, match="calibration images, or a cache"):
        engine.build(models["open"], tmp_path / "b.plan", "int8", trt=trt)


@pytest.mark.parametrize("version", ["7.1.3", "8.5", "10.3"])
@pytest.mark.parametrize("name, batch, steps", [("open", 1, 8), ("open", 3, 2), ("fixed", 4, 2)])
def test_calibration_fills_the_batch_that_tensorrt_reads(version, name, batch, steps, gpu, models, tmp_path):
    """With explicit batch TensorRT reads a whole batch of the profile from the calibrator's memory, whatever it holds."""
    trt = doubles.tensorrt(version)
    engine.build(models[name], tmp_path / "a.plan", "int8", calibration=images(8), batch=batch, trt=trt)
    assert trt.events.count("calibrate") == steps


def test_ranges_of_another_model_are_not_taken(gpu, models, tmp_path):
    trt, model = doubles.tensorrt("8.5"), tmp_path / "model.onnx"
    shutil.copy(models["open"], str(model))
    engine.build(model, tmp_path / "a.plan", "int8", calibration=images(3), trt=trt)
    onnx_models.box3d(model, width=16, size=32, seed=1)
    with pytest.raises(ValueError, match="calibration images, or a cache"):
        engine.build(model, tmp_path / "a.plan", "int8", trt=trt)
    (tmp_path / "a.calibration").write_bytes(b"TRT-8502-EntropyCalibration2")  # of trtexec: it came without a record
    engine.build(model, tmp_path / "a.plan", "int8", trt=trt)
    assert trt.events.count("calibrate") == 3


def test_a_file_that_build_did_not_make_is_never_overwritten(gpu, models, tmp_path):
    trt, source = doubles.tensorrt("10.3"), tmp_path / "model.uff"
    shutil.copy(str(UFF), str(source))
    theirs = [tmp_path / "model.onnx", tmp_path / "model.2.onnx", tmp_path / "model.fp32.plan", tmp_path / "a.calibration"]
    for path in theirs:
        path.write_bytes(b"mine")
    engine.build(source, tmp_path / "a.plan", trt=trt)
    assert (tmp_path / "model.3.onnx").is_file()
    again = doubles.tensorrt("10.3")
    engine.build(source, tmp_path / "a.plan", batch=2, trt=again)
    assert not (tmp_path / "model.4.onnx").exists(), "what build made before is used, and replaced"
    for path in (theirs[2], source):
        with pytest.raises(FileExistsError, match="engine.build did not make this file"):
            engine.build(source, path, batch=3, trt=trt)
    with pytest.raises(FileExistsError, match="leave the images out"):
        engine.build(models["open"], tmp_path / "a.plan", "int8", calibration=images(3), trt=doubles.tensorrt("8.5"))
    assert all(path.read_bytes() == b"mine" for path in theirs) and source.read_bytes() == UFF.read_bytes()


def test_a_model_that_changes_while_its_plan_is_built_makes_no_plan(gpu, models, tmp_path, monkeypatch):
    trt, model = doubles.tensorrt("8.5"), tmp_path / "model.onnx"
    shutil.copy(models["open"], str(model))
    serialize = builder.serialize

    def meanwhile(*arguments):
        onnx_models.box3d(model, width=16, size=32, seed=1)
        return serialize(*arguments)

    monkeypatch.setattr(builder, "serialize", meanwhile)
    with pytest.raises(RuntimeError, match="model.onnx changed while the plan was built"):
        engine.build(model, tmp_path / "a.plan", trt=trt)
    assert not (tmp_path / "a.plan").exists()


@pytest.mark.parametrize("version", ["8.0", "8.6", "10.6", "11.4"])
def test_what_a_build_has_timed_serves_the_next_one(version, gpu, models, tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "BUILD", tmp_path / "build")
    trt = doubles.tensorrt(version)

    def build(precision):
        engine.build(models["open"], tmp_path / (precision + ".plan"), precision, batch=2, trt=trt)
        kept, = (tmp_path / "build").glob("timings.*")
        return kept

    assert build("fp32").read_bytes() == version.encode() + b"t"
    kept = build("fp16")
    assert kept.read_bytes() == version.encode() + b"tt"
    for useless in (b"7.2 of another TensorRT", b"\0"):
        kept.write_bytes(useless)
        (tmp_path / "fp32.plan").unlink()
        assert build("fp32").read_bytes() == version.encode() + b"t"


@pytest.mark.parametrize("version, flag", [("5.0.6", None), ("7.1.3", None), ("8.6", "TF32"), ("10.6", "TF32")])
def test_tf32_is_forbidden_where_there_is_such_a_thing(version, flag, gpu, models, tmp_path):
    for tf32 in (True, False):
        plan = engine.build(models["open"], tmp_path / "a.plan", batch=2, tf32=tf32, trt=doubles.tensorrt(version))
        assert json.loads(plan.read_text())["cleared"] == (None if tf32 else flag)


@pytest.mark.parametrize("version", ["5.0.6", "7.1.3", "rtx-1.7"])
def test_where_builds_are_not_timed_or_cannot_keep_it_no_cache_is_written(version, gpu, models, tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "BUILD", tmp_path / "build")
    engine.build(models["open"], tmp_path / "a.plan", batch=2, trt=doubles.tensorrt(version))
    assert not list((tmp_path / "build").glob("timings.*"))


def test_a_fresh_plan_is_not_built_again(gpu, models, tmp_path):
    trt = doubles.tensorrt("8.5")
    for _ in range(2):
        engine.build(models["open"], tmp_path / "a.plan", trt=trt)
    assert trt.events.count("build") == 1
    engine.build(models["open"], tmp_path / "a.plan", batch=8, trt=trt)
    assert trt.events.count("build") == 2
    record = artifacts.read_sidecar(tmp_path / "a.plan")
    assert record["gpu"] == {"name": "Double", "compute_capability": "7.2"}
    assert record["version"] == "8.5" and record["precision"] == "fp32"
    assert record["bytes"] == (tmp_path / "a.plan").stat().st_size and record["build_seconds"] >= 0


def test_dla(gpu, models, tmp_path, monkeypatch):
    trt = doubles.tensorrt("8.5")
    with pytest.raises(ValueError, match="FP16 or INT8 only"):
        engine.build(models["open"], tmp_path / "a.plan", dla=0, trt=trt)
    with pytest.raises(RuntimeError, match="no DLA core 0 here: TensorRT finds 0"):
        engine.build(models["open"], tmp_path / "a.plan", "fp16", dla=0, trt=trt)
    monkeypatch.setattr(doubles.behaviour.Builder, "num_DLA_cores", 2)
    plan = engine.build(models["open"], tmp_path / "a.plan", "fp16", dla=1, trt=trt)
    assert json.loads(plan.read_text())["flags"] == ["FP16", "GPU_FALLBACK", "OBEY_PRECISION_CONSTRAINTS"]
    typed = doubles.tensorrt("10.3")
    plan = engine.build(models["open"], tmp_path / "b.plan", "fp16", dla=1, trt=typed)
    assert not json.loads(plan.read_text())["typed"], "a DLA and strong typing exclude each other"
    with pytest.raises(RuntimeError, match="build_engine.cpp"):
        engine.build(UFF, tmp_path / "b.plan", "fp16", dla=0, trt=doubles.tensorrt("5.0.6"))


def test_layers_and_inspector(gpu, models, tmp_path):
    trt = doubles.tensorrt("8.5")
    with engine.Engine(engine.build(models["open"], tmp_path / "a.plan", batch=2, trt=trt), trt=trt) as network:
        assert network.layer_times(images(2)) == [("block1_conv1 + block1_relu", 1.5), ("fc", 0.5)]
        assert network.inspect()["Layers"]
    trt = doubles.tensorrt("5.0.6")
    with engine.Engine(engine.build(UFF, tmp_path / "b.plan", trt=trt), trt=trt) as network:
        assert network.layer_times(images(1))[0][1] == 1.5
        assert network.inspect() is None


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_a_plan_from_elsewhere_finds_tensorrts_own_plugins(version, gpu, models, tmp_path):
    """A plan of a .uff holds LReLU_TRT, and the process that opens it may not be the one that built it."""
    plan = engine.build(models["open"], tmp_path / "a.plan", trt=doubles.tensorrt(version))
    fresh = doubles.tensorrt(version)
    with engine.Engine(plan, trt=fresh):
        assert fresh.events == ["init_plugins"], "10.6 prints a warning when it is asked for an implicit batch"


def network_of(path, inputs, outputs):
    """A network with these tensors, {name: (ONNX type, shape)}; None in a shape is an open axis."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [list(inputs)[0]], [name]) for name in outputs], "g",
        [value(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [value(name, kind, shape) for name, (kind, shape) in outputs.items()])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7), str(path))
    return path


FLOAT, INT32, HALF = 1, 6, 10
BY_SHAPE = [version for version in doubles.VERSIONS if version != "5.0.6"]  # 5.0's networks leave the batch out


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_several_inputs_and_outputs(version, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    source = network_of(tmp_path / "two.onnx", {"image": (FLOAT, [None, 4, 4]), "speed/now": (INT32, [None, 2])},
                        {"a/out": (FLOAT, [None, 3]), "b/out": (HALF, [None, 2, 2])})
    image, speed = images(5, 4)[..., 0], np.arange(10, dtype=np.int32).reshape(5, 2)
    with engine.Engine(engine.build(source, tmp_path / "a.plan", batch=2, trt=trt), trt=trt) as network:
        got = network.run({"speed/now": speed, "image": image})
        for wrong, words in ((image, "has the inputs image, speed/now: pass"),
                             ({"image": image}, "no array for input 'speed/now'"),
                             ({"image": image, "speed/now": speed.astype(np.float32)}, "'speed/now' takes int32, not float32"),
                             ({"image": image, "speed/now": speed[:4]}, "different numbers of rows"),
                             ({"image": image, "speed": speed}, "no input 'speed'; did you mean 'speed/now'")):
            with pytest.raises(ValueError, match=words):
                network.run(wrong)
    mean = image.mean(axis=(1, 2)) + speed.mean(axis=1)
    assert list(got) == ["a/out", "b/out"] and all(values.dtype == np.float32 for values in got.values())
    np.testing.assert_allclose(got["a/out"], np.repeat(mean[:, None] + 2, 3, axis=1), rtol=1e-4)
    np.testing.assert_allclose(got["b/out"], np.broadcast_to(mean[:, None, None] + 3, (5, 2, 2)), rtol=1e-3)
    assert gpu.used == 0 and gpu.pinned == 0


@pytest.mark.parametrize("version", BY_SHAPE)
def test_open_height_and_width(version, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    source = network_of(tmp_path / "open.onnx", {"image": (FLOAT, [None, None, None, 3])},
                        {"mask": (FLOAT, [None, None, None, 1]), "score": (FLOAT, [None, 2])})
    with pytest.raises(ValueError, match=r"input 'image' has open axes, \[-1, -1, -1, 3\]: pass shapes="):
        engine.build(source, tmp_path / "a.plan", batch=2, trt=trt)
    with pytest.raises(ValueError, match="no open input 'picture'"):
        engine.build(source, tmp_path / "a.plan", trt=trt, shapes=dict.fromkeys(["image", "picture"], ((1, 8, 8, 3),) * 3))
    shapes = {"image": ((1, 8, 8, 3), (2, 16, 16, 3), (4, 32, 64, 3))}
    with engine.Engine(engine.build(source, tmp_path / "a.plan", shapes=shapes, trt=trt), trt=trt) as network:
        assert network.batch == 4 and network.outputs[0].largest == (4, 32, 64, 1)
        for size in ((8, 8), (32, 64), (16, 8)):
            batch = np.random.RandomState(0).rand(5, size[0], size[1], 3).astype(np.float32)
            got = network.run(batch)
            assert got["mask"].shape == (5,) + size + (1,) and got["score"].shape == (5, 2)
            np.testing.assert_allclose(got["mask"][:, -1, -1, 0], batch.mean(axis=(1, 2, 3)) + 1, rtol=1e-5)
        assert network.layer_times(batch)
        np.testing.assert_allclose(network.run(batch)["mask"], got["mask"])
        with pytest.raises(ValueError, match=r"the plan was built for \[1, 8, 8, 3\] to \[4, 32, 64, 3\]"):
            network.run(np.zeros((1, 64, 64, 3), np.float32))


@pytest.mark.parametrize("version", BY_SHAPE)
def test_fewer_rows_than_the_smallest_batch_are_filled_up(version, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    source = network_of(tmp_path / "a.onnx", {"x": (FLOAT, [None, 3])}, {"y": (FLOAT, [None, 2])})
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    for smallest, batch, largest in ((3, None, 4), (4, None, 4), (2, 3, 4)):
        plan = engine.build(source, tmp_path / "a.plan", shapes={"x": [(size, 3) for size in (smallest, 4, 4)]}, trt=trt)
        with engine.Engine(plan, trt=trt) as network:
            assert (network.batch, network.batch_is_fixed) == (largest, smallest == largest)
            np.testing.assert_allclose(network.run(x, batch)["y"], x.mean(axis=1)[:, None] + [[1, 1]])
            assert len(network.layer_times(x[:1])) == 2
            with pytest.raises(ValueError, match="at least 1 image"):
                network.run(x, 0)


@pytest.mark.parametrize("version", BY_SHAPE)
def test_a_network_without_a_batch_axis_runs_once(version, gpu, tmp_path):
    trt = doubles.tensorrt(version)
    source = network_of(tmp_path / "none.onnx", {"x": (FLOAT, [4, 3])}, {"y": (FLOAT, [2]), "z": (FLOAT, [4, 1])})
    with engine.Engine(engine.build(source, tmp_path / "a.plan", trt=trt, outputs=["z"]), trt=trt) as network:
        assert network.batch == 4 and network.run(np.ones((6, 3), np.float32))["z"].shape == (6, 1)
    source = network_of(tmp_path / "none.onnx", {"x": (FLOAT, [4, 3]), "s": (FLOAT, [1, 3])}, {"z": (FLOAT, [4, 1])})
    with engine.Engine(engine.build(source, tmp_path / "b.plan", trt=trt), trt=trt) as network:
        assert network.batch is None and not network.batch_is_fixed
        got = network.run({"x": np.ones((4, 3), np.float32), "s": np.ones((1, 3), np.float32)})
        assert got["z"].tolist() == [[4]] * 4
        with pytest.raises(ValueError, match="does not fit input 'x'"):
            network.run({"x": np.ones((5, 3), np.float32), "s": np.ones((1, 3), np.float32)})


@pytest.mark.parametrize("version, precision, made", [
    ("5.0.6", "fp16", []), ("8.5", "fp32", []), ("8.5", "fp16", []), ("8.5", "int8", []), ("10.3", "fp16", ["a.fp16.onnx"]),
    ("11.4", "int8", ["a.int8.onnx"]), ("rtx-1.7", "fp16", ["a.fp16.onnx"])])
def test_a_model_is_read_and_parsed_once(version, precision, made, gpu, models, tmp_path, monkeypatch):
    trt, source = doubles.tensorrt(version), tmp_path / "a.onnx"
    shutil.copy(models["open"], str(source))
    parsed, read, loaded = [], [], []
    parse, load, read_bytes = engine.model._parsed_onnx, onnx.load_model, Path.read_bytes
    monkeypatch.setattr(engine.model, "_parsed_onnx", lambda data, path: parsed.append(path.name) or parse(data, path))
    monkeypatch.setattr(onnx, "load", lambda path, **kinds: loaded.append(str(path)) or load(path, **kinds))
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path))
    engine.build(source, tmp_path / "a.plan", precision, calibration=images(2), batch=2, trt=trt)
    by_path = hasattr(trt.OnnxParser, "parse_from_file")  # else TensorRT's parser is given the bytes
    assert read.count("a.onnx") == (1 if by_path else 2) and not set(made) & set(read) and str(source) not in loaded
    assert parsed[0] == "a.onnx" and parsed.count("a.onnx") == 1 and len(parsed) <= 2
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == sorted(["a.onnx"] + made)
    again = len(parsed)
    engine.build(source, tmp_path / "a.plan", precision, calibration=images(2), batch=2, trt=trt)
    assert len(parsed) == again, "a fresh plan needs no graph"


def test_no_memory_for_a_second_context_is_said(ready, monkeypatch):
    trt, plan = ready
    with engine.Engine(plan, trt=trt) as network:
        monkeypatch.setattr(doubles.behaviour.ICudaEngine, "create_execution_context", lambda self: None)
        with pytest.raises(RuntimeError, match="no memory to run a.plan"):
            network.layer_times(images(1))


@pytest.fixture
def ready(gpu, models, tmp_path):
    trt = doubles.tensorrt("8.5")
    return trt, engine.build(models["open"], tmp_path / "a.plan", batch=2, trt=trt)


@pytest.mark.parametrize("wrong, sentence", [
    (lambda: images(2).astype(np.float64), "'input_1' takes float32, not float64"),
    (lambda: np.zeros((2, 32, 32, 3), np.uint8), "network.preprocess"),
    (lambda: images(2).transpose(0, 3, 1, 2), r"\[2, 3, 32, 32\] does not fit input 'input_1', which takes \[N, 32, 32, 3\]"),
    (lambda: images(2)[0], "does not fit"),
    (lambda: images(2)[:0], "no images"),
    (lambda: np.where(np.arange(2)[:, None, None, None] == 1, np.nan, images(2)).astype(np.float32),
     "row 1 of input 'input_1' holds NaN"),
    (lambda: {"input_2": images(2)}, "no input 'input_2'; did you mean 'input_1'"),
    (lambda: {}, "no array for input 'input_1'"),
])
def test_wrong_images_say_so(ready, wrong, sentence):
    trt, plan = ready
    with engine.Engine(plan, trt=trt) as network, pytest.raises(ValueError, match=sentence):
        network.run(wrong())


def test_recorded_launches_answer_as_the_calls_do_until_the_shapes_change(ready):
    trt, plan = ready
    with engine.Engine(plan, trt=trt) as network:
        right = network.run(images(2))
        network.step(images(2))
        network.record()
        network._context.execute_async_v3 = None  # a replay asks TensorRT for nothing
        network.step(images(2))
        for tensor in network.outputs:
            np.testing.assert_array_equal(np.ravel(tensor.values), np.ravel(right[tensor.name]))
        with pytest.raises(TypeError):
            network.step(images(1))


def test_images_that_are_not_contiguous_run(ready):
    trt, plan = ready
    batch = images(4)[::2, :, ::-1]
    with engine.Engine(plan, trt=trt) as network:
        got = network.run(batch)["dimension/LeakyRelu"]
        np.testing.assert_allclose(got, expected(batch)["dimension/LeakyRelu"], rtol=1e-5)


def test_out_of_memory_leaves_nothing_allocated(ready, monkeypatch):
    trt, plan = ready
    small = Cuda(memory=30000)  # the input of two images is 24,576 bytes; the outputs still fit, a second engine not
    monkeypatch.setattr(cuda, "_backend", lambda: small)
    first = engine.Engine(plan, trt=trt)
    used = small.used
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.Engine(plan, trt=trt)
    assert small.used == used
    first.close()
    first.close()
    assert small.used == 0
    with pytest.raises(RuntimeError, match="closed"):
        first.run(images(1))


def test_a_plan_for_another_gpu_or_version_says_so(ready, gpu, monkeypatch):
    trt, plan = ready
    monkeypatch.setattr(gpu, "device", lambda: {"name": "Orin", "compute_capability": "8.7", "memory": 1,
                                                "driver_cuda": "12.6"})
    with pytest.raises(RuntimeError, match=r"built on Double \(compute capability 7.2\), this is Orin \(8.7\)"):
        engine.Engine(plan, trt=trt)
    with pytest.raises(RuntimeError, match="built by tensorrt 8.5, this is tensorrt 10.3: plans do not travel"):
        engine.Engine(plan, trt=doubles.tensorrt("10.3"))
    artifacts.sidecar_path(plan).unlink()
    with pytest.raises(RuntimeError, match="cannot read .*: .*Version tag does not match"):
        engine.Engine(plan, trt=doubles.tensorrt("10.16"), unrecorded=True)


def test_no_plan_gets_to_tensorrt_that_its_record_does_not_vouch_for(ready, gpu, monkeypatch):
    trt, plan = ready
    whole, sidecar = plan.read_bytes(), artifacts.sidecar_path(plan)
    record = json.loads(sidecar.read_text())

    def reaches(*args):
        raise AssertionError("TensorRT was given the plan")
    monkeypatch.setattr(engine.Engine, "_open", reaches)
    for place in range(0, len(whole), max(len(whole) // 50, 1)):  # one byte is another
        plan.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        with pytest.raises(ValueError, match="damaged or was replaced"):
            engine.Engine(plan, trt=trt)
    plan.write_bytes(whole)
    other = dict(record["gpu"], compute_capability="8.7", name="Orin")
    for changed in ({"gpu": other}, {"gpu": None}, {"gpu": [1]}, {"gpu": {}}, {"version": "8.5.2"}, {"version": None},
                    {"library": "tensorrt_rtx"}):
        sidecar.write_text(json.dumps(dict(record, **changed)))
        with pytest.raises(RuntimeError, match="plans do not travel"):
            engine.Engine(plan, trt=trt)
    for text in ("", "[]", "{}", "no json", json.dumps(dict(record, sha256=None)), json.dumps({"sha256": record["sha256"]})):
        sidecar.write_text(text)
        with pytest.raises((ValueError, RuntimeError), match="no record|damaged or was replaced|do not travel"):
            engine.Engine(plan, trt=trt)
    sidecar.unlink()
    with pytest.raises(RuntimeError, match="has no record .*unrecorded=True"):
        engine.Engine(plan, trt=trt)
    with pytest.raises(AssertionError):
        engine.Engine(plan, trt=trt, unrecorded=True)
    sidecar.write_text(json.dumps(record))
    with pytest.raises(AssertionError):
        engine.Engine(plan, trt=trt)


def test_a_plan_cut_at_any_byte_is_refused_and_frees_everything(ready, gpu):
    trt, plan = ready
    whole = plan.read_bytes()
    for size in range(0, len(whole), 7):
        plan.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="damaged"):
            engine.Engine(plan, trt=trt)
    artifacts.sidecar_path(plan).unlink()  # a plan that came without its record
    for size in range(0, len(whole), 7):
        plan.write_bytes(whole[:size])
        with pytest.raises((ValueError, RuntimeError), match="is empty|cannot read"):
            engine.Engine(plan, trt=trt, unrecorded=True)
    assert gpu.used == 0 and not gpu.streams
    with pytest.raises(FileNotFoundError, match="no plan at"):
        engine.Engine(plan.with_name("none.plan"), trt=trt)


def test_unknown_output_names_suggest_the_nearest(gpu, models, tmp_path):
    for source, trt in ((models["open"], doubles.tensorrt("10.3")), (UFF, doubles.tensorrt("7.1.3"))):
        with pytest.raises(ValueError, match="no output 'orientation/l2_norm'; did you mean 'orientation/l2_normalize'"):
            engine.build(source, tmp_path / "a.plan", outputs=["orientation/l2_norm"], trt=trt)
    trt = doubles.tensorrt("10.3")
    plan = engine.build(models["open"], tmp_path / "a.plan", outputs=["confidence/Softmax"], trt=trt)
    with engine.Engine(plan, trt=trt) as network:
        assert list(network.run(images(1))) == ["confidence/Softmax"]


def test_plugins(gpu, models, tmp_path):
    missing, broken = tmp_path / "libnone.so", tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    for version in ("7.1.3", "8.5"):
        with pytest.raises(FileNotFoundError, match="no plugin library at .*libnone.so"):
            engine.build(models["open"], tmp_path / "a.plan", plugins=[missing], trt=doubles.tensorrt(version))
        with pytest.raises(RuntimeError, match="cannot be loaded"):
            engine.build(models["open"], tmp_path / "a.plan", plugins=[broken], trt=doubles.tensorrt(version))
    with pytest.raises(RuntimeError, match="takes no plugins"):
        engine.load_plugin(doubles.tensorrt("rtx-1.7"), broken)
    trt = doubles.tensorrt("10.3")
    library._plugins.clear()
    engine.build(models["open"], tmp_path / "a.plan", plugins=[broken], trt=trt)  # the double's registry takes any
    assert "load %s" % broken in trt.events
    library._plugins.clear()


def test_unsupported_nodes_are_named(gpu, models, tmp_path):
    for version in ("7.1.3", "10.3"):
        with pytest.raises(ValueError, match="NoSuchOperation"):
            engine.build(models["unknown"], tmp_path / "a.plan", trt=doubles.tensorrt(version))
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    with pytest.raises(ValueError, match="empty.onnx is not an ONNX model, but an empty file"):
        engine.build(empty, tmp_path / "a.plan", trt=doubles.tensorrt("8.5"))
    empty.write_bytes(b"no model")
    with pytest.raises(ValueError, match="empty.onnx is not an ONNX model, but text"):
        engine.build(empty, tmp_path / "a.plan", trt=doubles.tensorrt("8.5"))
    with pytest.raises(FileNotFoundError, match="no model at"):
        engine.build(tmp_path / "none.onnx", trt=doubles.tensorrt("8.5"))
    with pytest.raises(ValueError, match="precision must be one of"):
        engine.build(models["open"], precision="fp8", trt=doubles.tensorrt("8.5"))
    with pytest.raises(ValueError, match="block1_conv1/kernel.* holds NaN"):
        engine.build(models["nan"], tmp_path / "a.plan", trt=doubles.tensorrt("8.5"))
    assert not (tmp_path / "a.plan").exists()


def test_no_space_leaves_nothing_half_written(ready, models, monkeypatch):
    trt, plan = ready
    before, folder = plan.read_bytes(), plan.parent

    def full(self, data):
        with open(str(self), "wb") as stream:
            stream.write(bytes(data)[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="cannot save the plan .* No space left on device.*WORKBOOK_BUILD"):
        engine.build(models["open"], plan, batch=8, trt=trt)
    assert plan.read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setattr(artifacts, "write_sidecar", lambda *_, **__: (_ for _ in ()).throw(
        OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        engine.build(models["open"], plan.with_name("b.plan"), trt=trt)
    monkeypatch.undo()
    assert [path.name for path in folder.glob("*b.plan") if "lock" not in path.name] == []
    assert not [path for path in folder.iterdir() if path.name.startswith(".") and "lock" not in path.name]


def test_network_flags():
    """By name: bit 0 means explicit batch up to 9 and strong typing on 11."""
    flags = {version: engine.network_flags(doubles.tensorrt(version)) for version in doubles.VERSIONS}
    assert flags["5.0.6"] == () and flags["7.1.3"] == flags["8.6"] == (1,) and flags["10.3"] == flags["11.4"] == (0,)
    assert engine.network_flags(doubles.tensorrt("8.6"), implicit=True) == (0,)


def test_the_logger_keeps_errors_and_drops_noise(capsys):
    trt = doubles.tensorrt("10.16")
    log = engine.logger(trt)
    assert engine.logger(trt) is log
    error, warning, info = trt.Logger.ERROR, trt.Logger.WARNING, trt.Logger.INFO
    noise = "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In X (cudaError 35: ...))"
    with engine.collected(trt) as errors:
        log.log(error, "reshape changes volume")
        log.log(error, noise)
        log.log(info, "hello")
    assert errors == ["reshape changes volume"] and capsys.readouterr().err == ""
    log.log(error, noise)
    log.log(warning, "careful")
    log.log(warning, "The implicit batch dimension mode has been deprecated. Please create the network with ...")
    for name in ("a/kernel", "b/kernel"):
        log.log(warning, "Missing scale and zero-point for tensor %s, expect fall back" % name)
    assert capsys.readouterr().err == ("TensorRT warning: careful\n"
                                       "TensorRT warning: Missing scale and zero-point for tensor a/kernel, expect fall back\n")


def test_half_and_quantised_graphs_compute_the_same(models, tmp_path, monkeypatch):
    batch, here = images(4), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(path):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {"input_1": batch})

    want = run(models["open"])[0]  # dimension: the other two saturate on images and weights at random
    for path, share in ((engine.half(models["open"], tmp_path / "h.onnx"), 0.02),
                        (engine.quantize(models["open"], batch, tmp_path / "q.onnx"), 0.25)):
        error = np.abs(want - run(path)[0]).mean() / np.abs(want).mean()
        assert 0 < error < share, path
    assert os.getcwd() == str(here) and not list(here.iterdir()), "quantising leaves files behind"
    graph = onnx.load(str(tmp_path / "q.onnx")).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    pairs = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert pairs and not any(stored[node.input[0]].data_type == 6 for node in pairs if node.input[0] in stored), (
        "a bias is int32")
    zeros = [onnx.numpy_helper.to_array(stored[node.input[2]]) for node in pairs]
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    assert any(zero.size > 1 for zero in zeros), "no scale per channel"
    with pytest.raises(ValueError, match="quantised already"):
        engine.quantize(tmp_path / "q.onnx", batch, tmp_path / "qq.onnx")
    with pytest.raises(ValueError, match="does not fit"):
        engine.quantize(models["open"], images(2, size=16), tmp_path / "qq.onnx")
    with pytest.raises(ValueError, match=r"no layer of .* is called block9_\*; there are "):
        engine.quantize(models["open"], batch, tmp_path / "qq.onnx", keep=["block9_*"])


def test_a_layer_that_is_kept_has_no_pair(models, tmp_path):
    def quantised(**options):
        graph = onnx.load(str(engine.quantize(models["open"], images(2), tmp_path / "q.onnx", **options))).graph
        made_by = {name: node.op_type for node in graph.node for name in node.output}
        return {node.name for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm")
                and made_by.get(node.input[0]) == "DequantizeLinear"}

    every = quantised()
    first = sorted(name for name in every if name.startswith("block1"))
    assert first and quantised(keep=["block1_*"]) == every - set(first) != set()


def normalising(kind):
    """x [N, 4] -> MatMul with the unit matrix -> a normalisation of each row, spelled out as frameworks do it."""
    ends = {
        "tensorflow": [("Mul", "v v", "s"), ("ReduceSum", "s axes", "t"), ("Max", "t eps", "f"), ("Sqrt", "f", "r"),
                       ("Reciprocal", "r", "q"), ("Mul", "v q", "y")],
        "clipped norm": [("ReduceL2", "v", "n"), ("Clip", "n eps", "c"), ("Div", "v c", "y")],
        "layer norm": [("ReduceMean", "v", "m"), ("Sub", "v m", "d"), ("Pow", "d two", "p"), ("ReduceMean", "p", "w"),
                       ("Add", "w eps", "e"), ("Sqrt", "e", "r"), ("Div", "d r", "y")],
    }[kind]
    make = onnx.helper.make_node
    nodes = [make("MatMul", ["x", "unit"], ["v"])]
    for op, reads, makes in ends:
        options = {"axes": [-1]} if op in ("ReduceMean", "ReduceL2") else {}
        nodes.append(make(op, reads.split(), [makes], **options))  # no names: they are optional in ONNX
    values = {"unit": np.eye(4, dtype=np.float32), "axes": np.array([-1]), "eps": np.array(1e-12, np.float32),
              "two": np.array(2, np.float32)}
    used = {name for node in nodes for name in node.input}
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", 1, [None, 4])], [value("y", 1, [None, 4])],
        [onnx.numpy_helper.from_array(values[name], name) for name in sorted(used & set(values))])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)


@pytest.mark.parametrize("kind", ["tensorflow", "clipped norm", "layer norm"])
def test_half_normalises_long_and_short_vectors(kind, tmp_path):
    """Lengths whose square is infinite or zero in float16 keep their direction, as in float32."""
    onnx.save(normalising(kind), str(tmp_path / "whole.onnx"))
    half = engine.half(tmp_path / "whole.onnx", tmp_path / "half.onnx")
    onnx.checker.check_model(str(half))
    graph = onnx.load(str(half)).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert types["unit"] == onnx.TensorProto.FLOAT16, "nothing was halved"
    narrowing = [node.name for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT16]
    assert len(narrowing) == 1, "only the input is narrowed: %s" % narrowing
    rows = np.random.RandomState(0).uniform(0.5, 1, (6, 4)).astype(np.float32) * [[1], [-1], [300], [-9000], [1e-3], [4e-4]]
    rows = rows.astype(np.float16).astype(np.float32)
    want, have = [onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": rows})[0]
                  for path in (tmp_path / "whole.onnx", half)]
    assert np.abs(want).max() > 0.4 and np.abs(want - have).max() < 1e-3


def test_half_refuses_a_cycle(tmp_path):
    model = normalising("clipped norm")
    model.graph.node[1].input[0] = "y"
    onnx.save(model, str(tmp_path / "round.onnx"))
    with pytest.raises(ValueError, match="its own output"):
        engine.half(tmp_path / "round.onnx", tmp_path / "half.onnx")
    assert not (tmp_path / "half.onnx").exists()


def child(code, *args, **kwargs):
    """Run code in a process of its own: one logger per process, and a crash is a failed test and not the end."""
    code = "import sys; sys.path[:0] = [%r, %r]\n" % (str(HERE.parent), str(HERE)) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code] + [str(arg) for arg in args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=300, **kwargs)
    assert done.returncode >= 0, "killed by signal %d: %s" % (-done.returncode, done.stderr[-800:])
    return done


try:
    import tensorrt_rtx  # noqa: F401
    HAS_RTX = True
except ImportError:
    HAS_RTX = False
rtx = pytest.mark.skipif(not HAS_RTX, reason="TensorRT for RTX is not installed (it has wheels for x86-64 and "
                                            "Python 3.8 and later)")


@rtx
@pytest.mark.slow
def test_rtx_builds_three_plans_of_the_full_network(tmp_path):
    source = onnx_models.box3d(tmp_path / "box3d.onnx")
    done = child("""
        import json, os, numpy as np
        import tensorrt_rtx as trt
        from helpers import engine
        folder, source = sys.argv[1:]
        images = (np.random.RandomState(0).rand(2, 224, 224, 3).astype(np.float32) - 0.5) * 200
        found = {}
        for precision in ("fp32", "fp16", "int8"):
            plan = engine.build(source, os.path.join(folder, precision + ".plan"), precision, trt=trt,
                                calibration=images if precision == "int8" else None)
            found[precision] = json.load(open(str(plan) + ".json"))
        print(json.dumps(found))
    """, tmp_path, source)
    assert not done.returncode, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    sizes = {name: record["bytes"] / 1e6 for name, record in found.items()}
    # 40.4 M weights of 4, 2 and 1 bytes, and the code
    assert 161 < sizes["fp32"] < 166 and 80 < sizes["fp16"] < 84 and 40 < sizes["int8"] < 48, sizes
    assert all(record["build_seconds"] < 60 and record["graph_seconds"] >= 0 for record in found.values()), found


@rtx
def test_rtx_errors_are_sentences(models, tmp_path):
    done = child("""
        from helpers import engine
        import tensorrt_rtx as trt
        for model in sys.argv[2:]:
            try:
                engine.build(model, sys.argv[1] + "/x.plan", trt=trt)
                print("BUILT", model)
            except (ValueError, RuntimeError) as error:
                print(type(error).__name__, str(error).replace("\\n", " "))
        plan = engine.build(sys.argv[2].replace("unknown", "open"), sys.argv[1] + "/open.plan", trt=trt)
        for cut in (None, 64):
            if cut:
                plan.write_bytes(plan.read_bytes()[:cut])
            try:
                engine.Engine(plan, trt=trt)
                print("RAN")
            except (ValueError, RuntimeError) as error:
                print(type(error).__name__, error)
    """, tmp_path, models["unknown"], models["wildcards"], env=dict(os.environ, CUDA_VISIBLE_DEVICES=""))
    assert not done.returncode, done.stderr[-2000:]
    unknown, wildcards, run, cut = done.stdout.splitlines()
    assert "Plugin not found" in unknown and "orientation/l2_normalize" in unknown
    assert "more than one -1 wildcard" in wildcards and "reshape_2" in wildcards
    assert "cudaError 35" not in unknown + wildcards + done.stderr
    assert run.startswith("RuntimeError") and "ONNX Runtime" in run or cuda.available()
    assert cut.startswith("ValueError") and "damaged" in cut


@rtx
def test_a_plan_that_four_processes_save_at_once_is_whole(models, tmp_path):
    code = ("import sys; sys.path[:0] = [%r]\nfrom helpers import engine\nimport tensorrt_rtx as trt\n"
            "engine.build(sys.argv[1], sys.argv[2], batch=int(sys.argv[3]), trt=trt)" % str(HERE.parent))
    pairs = [subprocess.Popen([sys.executable, "-c", code, models["open"], str(tmp_path / "a.plan"), str(1 + i % 2)])
             for i in range(4)]
    assert [process.wait(120) for process in pairs] == [0] * 4
    record = artifacts.read_sidecar(tmp_path / "a.plan")
    assert record["sha256"] == artifacts.digest(tmp_path / "a.plan") and record["batch"] in (1, 2)
    assert sorted(p.name for p in tmp_path.iterdir() if "lock" not in p.name) == ["a.plan", "a.plan.json"]


@rtx
@pytest.mark.skipif(not hasattr(shutil, "disk_usage") or os.name == "nt", reason="POSIX limits")
def test_a_full_disk_under_rtx_leaves_nothing(models, tmp_path):
    done = child("""
        import resource, signal
        from helpers import engine
        import tensorrt_rtx as trt
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        try:
            engine.build(sys.argv[1], sys.argv[2], trt=trt)
        except OSError as error:
            print(error)
    """, models["open"], tmp_path / "a.plan")
    assert "cannot save the plan" in done.stdout and "File too large" in done.stdout, done.stderr[-1000:]
    assert [path for path in tmp_path.iterdir() if "lock" not in path.name] == []


ROOTS = [Path(root) for root in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if root]
BUILD_ENGINE = HERE.parent / "plugin_src" / "build_engine.cpp"
CUDA_INCLUDE = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"


def compiler(root, *more):
    """g++ for build_engine.cpp with the headers of a TensorRT; None where its parsers' headers are missing."""
    include = root / "include" if (root / "include").is_dir() else root
    if not (include / "NvOnnxParser.h").is_file():
        return None
    return ["g++", "-std=c++14", "-Wall", "-Wextra", "-isystem", str(include), "-isystem", str(CUDA_INCLUDE),
            str(BUILD_ENGINE)] + list(more)


@pytest.mark.skipif(not ROOTS or not shutil.which("g++"), reason="TENSORRT_ROOTS names no TensorRT headers")
@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_build_engine_compiles_without_a_warning(root):
    command = compiler(root, "-c", "-o", os.devnull)
    if command is None:
        pytest.skip("no NvOnnxParser.h: up to 10.13 it lies in the repository onnx-tensorrt")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, b"")


@rtx
@pytest.mark.skipif(not [root for root in ROOTS if root.name.startswith("11.")] or not shutil.which("g++"),
                    reason="TENSORRT_ROOTS names no headers of TensorRT 11")
def test_build_engine_makes_the_same_plan_as_python(models, tmp_path, monkeypatch):
    """The C++ API of 11.x and the library of TensorRT for RTX fit together, undocumented, but byte for byte.

    For one batch size, that is: plans for a range of sizes differ from build to build, whoever builds them.
    """
    import tensorrt_rtx_libs

    libraries = Path(tensorrt_rtx_libs.__file__).parent
    program = tmp_path / "build_engine"
    subprocess.check_call(compiler(
        [root for root in ROOTS if root.name.startswith("11.")][-1], "-o", str(program),
        str(libraries / "libtensorrt_rtx.so.1"), str(libraries / "libtensorrt_onnxparser_rtx.so.1"), "-ldl",
        "-Wl,-rpath," + str(libraries)))

    def run(*args):
        done = subprocess.run([str(program)] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, preexec_fn=limit)
        return done.returncode, done.stdout + done.stderr

    limit = None
    plan = str(tmp_path / "cpp.plan")
    code, text = run("--onnx", models["open"], "--output", plan)
    assert code == 0, text
    made = child("from helpers import engine; import tensorrt_rtx as trt; engine.build(sys.argv[1], sys.argv[2], "
                 "trt=trt)", models["open"], tmp_path / "py.plan")
    assert made.returncode == 0, made.stderr
    assert Path(plan).read_bytes() == (tmp_path / "py.plan").read_bytes()
    # TensorRT's own plugins are asked to register, where their library is.
    (tmp_path / "own.cpp").write_text(
        '#include <cstdio>\nextern "C" bool initLibNvInferPlugins(void* logger, const char* space) {\n'
        '    return std::printf("asked %d, space \'%s\'\\n", logger != nullptr, space) > 0;\n}\n')
    subprocess.check_call(["g++", "-shared", "-fPIC", "-o", "libnvinfer_plugin.so.11", "own.cpp"], cwd=str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    code, text = run("--onnx", models["open"], "--output", plan)
    assert code == 0 and "asked 1, space ''" in text
    for args, want, words in (
            (("--onnx", models["unknown"]), 1, "OnnxParser refuses"), (("--onnx", "none.onnx"), 1, "none.onnx"),
            (("--uff", str(UFF)), 1, "to_onnx"), (("--onnx", models["open"], "--fp16"), 2, "precision is in the graph"),
            (("--onnx", models["open"], "--plugin", "/none.so"), 1, "/none.so"), ((), 2, "give either"),
            (("--onnx", models["open"], "--dla", "0"), 2, "FP16 or INT8 only"), (("--batch", "x"), 2, "not a number")):
        code, text = run("--output", str(tmp_path / "x.plan"), *args)
        assert code == want and words in text, (args, text)
    import resource

    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))  # noqa: E731
    code, text = run("--onnx", models["open"], "--output", str(tmp_path / "x.plan"))
    assert code == 1 and "cannot write" in text
    assert not list(tmp_path.glob("x.plan*"))


def test_import_helpers_engine_needs_no_tensorflow():
    done = child("import helpers.engine; print('tensorflow' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
