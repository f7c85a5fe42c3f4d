"""The boxes "On your own network" of page 03: the surgery on a small network; TensorRT's calls on strict doubles."""
import sys
import types
from pathlib import Path

import doubles
import numpy as np
import onnx_models
import pytest
from doubles.cuda import Cuda
from own_network import snippets

from helpers import freeze, process

UFF = Path(__file__).resolve().parent / "fixtures" / "uff" / "box3d_mini" / "reshape.lrelu.uff"
OUTPUTS = ("dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax")
SURGERY, FROM_ONNX, FROM_UFF, RUN_NAMED, RUN_BINDINGS = range(5)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def code(index, changes=()):
    """The source of a box, with the names of the reader's network put in, as the page asks."""
    source = snippets("03")[index]
    for line, changed in changes:
        assert line in source
        source = source.replace(line, changed)
    return source


class Stream:
    """A stream of PyCUDA: its work waits for `synchronize`."""

    def __init__(self, backend):
        self._value = self.handle = backend.make_stream()
        self.synchronize = lambda: backend.wait_stream(self.handle)


def pycuda(monkeypatch, backend):
    """PyCUDA's calls over the doubles' memory."""
    driver = types.ModuleType("pycuda.driver")
    driver.mem_alloc = backend.allocate
    driver.memcpy_htod_async = backend.upload
    driver.memcpy_dtoh_async = backend.download
    driver.Stream = lambda: Stream(backend)
    package = types.ModuleType("pycuda")
    package.driver, package.autoinit = driver, types.ModuleType("pycuda.autoinit")
    for name, module in (("pycuda", package), ("pycuda.driver", driver), ("pycuda.autoinit", package.autoinit)):
        monkeypatch.setitem(sys.modules, name, module)


def tensorrt(monkeypatch, version):
    trt = doubles.tensorrt(version)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    return trt


def test_the_surgery_leaves_no_old_operation_and_keeps_the_slope(capsys):
    from uffsurgeon.uff import schema

    layers = process.keras().layers
    x = layers.Input((4,), name="input_1")
    y = layers.Dense(3, name="answer")(layers.LeakyReLU(0.25, name="act")(x))
    freeze.save(freeze.freeze(process.keras().Model(x, y)), Path("mine.pb"))
    exec(code(SURGERY), {})
    nodes = {node.operation: node for node in schema.read("mine.uff").graphs[0].nodes}
    assert nodes["_LReLU_TRT"].fields["negSlope_u_float"].d == 0.25 and "_LeakyRelu" not in nodes
    assert "UFF Output written to mine.uff" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["8.4", "8.5", "8.6", "10.3", "10.6", "10.13", "10.16", "11.4"])
def test_a_plan_is_built_from_onnx_and_run_by_names(version, monkeypatch):
    backend = Cuda()
    tensorrt(monkeypatch, version)
    pycuda(monkeypatch, backend)
    onnx_models.box3d(Path("mine.onnx"), width=16, size=224)
    exec(code(FROM_ONNX), {})
    assert Path("mine.plan").stat().st_size
    if version == "8.4":
        return  # tensors have names from 8.5 on
    np.save("mine.npy", np.full((3, 224, 224, 3), 2, np.float32))
    names = {}
    exec(code(RUN_NAMED), names)
    # The double's output number k is the mean of the image, and k.
    assert [array.ravel()[0] for array in names["answers"].values()] == [3, 4, 5]
    assert [len(array) for array in names["answers"].values()] == [3, 3, 3]


@pytest.mark.parametrize("version", ["5.0.6", "7.1.3", "8.0", "8.2", "8.4", "8.5", "8.6"])
def test_a_plan_is_built_from_uff_and_run_by_bindings(version, monkeypatch):
    backend = Cuda()
    trt = tensorrt(monkeypatch, version)
    pycuda(monkeypatch, backend)
    Path("mine.uff").write_bytes(UFF.read_bytes())
    registered = "".join('parser.register_output("%s")\n' % name for name in OUTPUTS)
    exec(code(FROM_UFF, [("(224, 224, 3)", "(32, 32, 3)"), ('parser.register_output("answer/BiasAdd")\n', registered)]), {})
    assert "init_plugins" in trt.events and Path("mine.plan").stat().st_size
    np.save("mine.npy", np.full((3, 32, 32, 3), 2, np.float32))
    names = {}
    exec(code(RUN_BINDINGS), names)
    assert [array.ravel()[0] for array in names["answers"].values()] == [3, 4, 5]
