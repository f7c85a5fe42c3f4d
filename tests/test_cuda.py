"""helpers.cuda without a GPU: both libraries as strict fakes, the same face, the errors. On a GPU: tests/gpu_timing.py."""
import ctypes
import sys
import threading
import types

import numpy as np
import pytest

from helpers import cuda, machine, probes


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No backend kept from or for another test, and a driver that seems to find a GPU."""
    cuda._backend.cache_clear()
    monkeypatch.setattr(machine, "driver", lambda: (("Fake", "7.2", "1"), None))
    yield
    cuda._backend.cache_clear()


def module(name, **content):
    made = types.ModuleType(name)
    made.__dict__.update(content)
    return made


class Error(int):
    """A cudaError_t."""


class Runtime:
    """cuda-python's runtime module over host memory: tuples (error, results...), as each release returns them."""

    def __init__(self, devices=1, failing=()):
        self.calls, self.devices, self.failing, self.live = [], devices, set(failing), {}
        self.cudaMemcpyKind = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
        self.cudaStreamCaptureMode = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*args):
            self.calls.append(name)
            if name == "cudaGetErrorName":
                return Error(0), b"cudaErrorMemoryAllocation"
            if name == "cudaGetErrorString":
                return Error(0), b"out of memory"
            if name in self.failing:
                return Error(2), None
            result = getattr(self, "do_" + name, lambda *_: None)(*args)
            return (Error(0),) if result is None else (Error(0),) + (result if isinstance(result, tuple) else (result,))
        return call

    def do_cudaGetDeviceCount(self):
        return self.devices

    def do_cudaRuntimeGetVersion(self):
        return 12060

    do_cudaDriverGetVersion = do_cudaRuntimeGetVersion

    def do_cudaGetDeviceProperties(self, device):
        return types.SimpleNamespace(name=b"Fake", major=8, minor=7, totalGlobalMem=1000)

    def do_cudaMemGetInfo(self):
        return 400, 1000

    def do_cudaMalloc(self, nbytes):
        block = ctypes.create_string_buffer(nbytes)
        self.live[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def do_cudaHostAlloc(self, nbytes, flags):
        return self.do_cudaMalloc(nbytes)

    def do_cudaFree(self, address):
        del self.live[address]

    do_cudaFreeHost = do_cudaFree

    def do_cudaMemcpy(self, to, source, nbytes, kind):
        ctypes.memmove(to, source, nbytes)

    def do_cudaMemcpyAsync(self, to, source, nbytes, kind, stream):
        assert stream == 77
        ctypes.memmove(to, source, nbytes)

    def do_cudaStreamCreate(self):
        return 77

    def do_cudaEventCreate(self):
        return 5

    def do_cudaEventElapsedTime(self, start, end):
        return 1.25


class CudaError(Exception):
    """pycuda.driver.Error"""


class Driver:
    """pycuda.driver over host memory; refuses what is called in a thread without a context."""

    Error = CudaError

    def __init__(self, primary=True):
        self.current, self.primary, self.pushes = threading.local(), primary, 0
        self.live = {}

    def init(self):
        pass

    def _check(self):
        if not getattr(self.current, "context", False):
            raise CudaError("invalid device context")

    def Device(self, index):
        driver = self

        class Context:
            def push(self):
                driver.current.context = True
                driver.pushes += 1

            def pop(self):
                driver.current.context = False

            def synchronize(self):
                driver._check()

        class Gpu:
            def name(self):
                return "Fake"

            def compute_capability(self):
                return 7, 2

            def total_memory(self):
                return 1000

            if driver.primary:
                def retain_primary_context(self):
                    return Context()
            else:
                def make_context(self):
                    driver.current.context = True
                    return Context()
        return Gpu()

    def get_driver_version(self):
        return 10000

    def mem_get_info(self):
        self._check()
        return 400, 1000

    def mem_alloc(self, nbytes):
        self._check()
        if nbytes > 1000:
            raise CudaError("cuMemAlloc failed: out of memory")
        block, driver = ctypes.create_string_buffer(nbytes), self

        class Allocation:
            def __int__(self):
                return ctypes.addressof(block)

            def free(self):
                del driver.live[int(self)]
        made = Allocation()
        self.live[int(made)] = block
        return made

    def pagelocked_empty(self, shape, dtype):
        self._check()
        return np.empty(shape, dtype)

    def memcpy_htod(self, address, array):
        self._check()
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def memcpy_dtoh(self, array, address):
        self._check()
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def memcpy_htod_async(self, address, array, stream):
        assert stream.handle == 99
        self.memcpy_htod(address, array)

    def memcpy_dtoh_async(self, array, address, stream):
        assert stream.handle == 99
        self.memcpy_dtoh(array, address)

    def Stream(self):
        return types.SimpleNamespace(handle=99, synchronize=self._check)

    def Event(self):
        return types.SimpleNamespace(record=lambda stream: self._check(), synchronize=self._check,
                                     time_till=lambda other: 1.25)


def install(monkeypatch, pycuda=None, runtime=None, old_layout=False):
    """Let `import` find just these libraries, and `machine` know it."""
    monkeypatch.setattr(probes, "_found", {
        name: machine.Package(name, "absent" if library is None else "ready", "", "", {})
        for name, library in (("tensorrt", None), ("tensorrt_rtx", None), ("pycuda", pycuda), ("cuda-python", runtime))})
    for name in ("pycuda", "pycuda.driver", "cuda", "cuda.bindings", "cuda.bindings.runtime", "cuda.cudart"):
        monkeypatch.setitem(sys.modules, name, None)
    if pycuda is not None:
        monkeypatch.setitem(sys.modules, "pycuda", module("pycuda", VERSION_TEXT="2022.1", driver=pycuda))
        monkeypatch.setitem(sys.modules, "pycuda.driver", pycuda)
    if runtime is not None:
        if old_layout:
            monkeypatch.setitem(sys.modules, "cuda", module("cuda", cudart=runtime))
        else:
            monkeypatch.setitem(sys.modules, "cuda", module("cuda"))
            monkeypatch.setitem(sys.modules, "cuda.bindings", module("cuda.bindings", runtime=runtime))


@pytest.fixture(params=["pycuda", "pycuda before 2020.1", "cuda.bindings", "cuda.cudart"])
def library(request, monkeypatch):
    if request.param.startswith("pycuda"):
        made = Driver(primary="before" not in request.param)
        install(monkeypatch, pycuda=made, runtime=Runtime())  # PyCUDA goes first
    else:
        made = Runtime()
        install(monkeypatch, runtime=made, old_layout=request.param == "cuda.cudart")
    return made


def test_one_face_over_both_libraries(library):
    assert cuda.available() and cuda.why_not() is None
    assert cuda.memory() == (400, 1000) and cuda.device()["name"] == "Fake"
    assert cuda.device()["compute_capability"] in ("7.2", "8.7") and cuda.device()["driver_cuda"] in ("10.0", "12.6")
    source = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    stream, start, end = cuda.Stream(), cuda.Event(), cuda.Event()
    for queue in (None, stream):
        with cuda.Buffer(source.nbytes) as memory:
            back = np.zeros_like(source)
            memory.upload(source, queue)
            memory.download(back, queue)
            stream.synchronize()
            np.testing.assert_array_equal(back, source)
        with pytest.raises(RuntimeError, match="was freed"):
            memory.upload(source)
    start.record(stream)
    end.record()
    end.synchronize()
    assert end.milliseconds_since(start) == 1.25 and stream.handle in (77, 99)
    pinned = cuda.Pinned((2, 5), np.float16)
    assert pinned.array.shape == (2, 5) and pinned.array.dtype == np.float16
    pinned.array[:] = 3
    pinned.free()
    cuda.synchronize()
    assert not library.live, "device memory is left"


def test_wrong_arrays_are_refused(library):
    memory = cuda.Buffer(16)
    with pytest.raises(ValueError, match="20 bytes is too much for a buffer of 16"):
        memory.upload(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        memory.upload(np.zeros((4, 4), np.float32)[:, ::2])
    with pytest.raises(ValueError, match="C-contiguous"):
        memory.download([1, 2])
    with pytest.raises(ValueError, match="at least one byte"):
        cuda.Buffer(0)


def test_pycuda_works_in_a_second_thread_and_leaves_no_context_in_it(monkeypatch):
    """PyCUDA aborts the process when a thread ends with a context on its stack (seen on a GPU)."""
    driver, found = Driver(), []
    install(monkeypatch, pycuda=driver)
    cuda.memory()

    def work():
        found.append(cuda.memory())
        with pytest.raises(RuntimeError):
            cuda.Buffer(2000)
        found.append(getattr(driver.current, "context", False))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(400, 1000), False] and driver.current.context, "the first thread stays inside"


def test_failures_are_runtime_errors_with_cudas_words(monkeypatch):
    install(monkeypatch, pycuda=Driver())
    with pytest.raises(RuntimeError, match="PyCUDA 2022.1.* cuMemAlloc failed: out of memory"):
        cuda.Buffer(2000)
    cuda._backend.cache_clear()
    install(monkeypatch, runtime=Runtime(failing=["cudaMalloc"]))
    with pytest.raises(RuntimeError, match="cudaMalloc failed: cudaErrorMemoryAllocation: out of memory"):
        cuda.Buffer(20)


def test_what_is_missing_is_said(monkeypatch):
    install(monkeypatch)
    assert "Neither PyCUDA nor cuda-python. `pip install cuda-python`" in cuda.why_not() and not cuda.available()
    with pytest.raises(RuntimeError, match="pip install"):
        cuda.Stream()
    monkeypatch.setattr(machine, "driver", lambda: (None, "no NVIDIA driver"))
    assert "No NVIDIA driver. ONNX Runtime" in cuda.why_not()


def test_a_library_that_fails_is_tried_again(monkeypatch):
    for broken, words in ((Runtime(failing=["cudaGetDeviceCount"]), "cudaGetDeviceCount failed"),
                          (Runtime(devices=0), "no CUDA device")):
        install(monkeypatch, runtime=broken)
        assert words in cuda.why_not()
    install(monkeypatch, runtime=Runtime())
    assert cuda.available()


def test_a_graph_is_recorded_once_and_a_failure_ends_the_recording(monkeypatch):
    runtime = Runtime()
    install(monkeypatch, runtime=runtime)
    stream, done = cuda.Stream(), []
    graph = cuda.Graph(stream, lambda: done.append(1))
    graph.launch(stream)
    graph.launch(stream)
    assert done == [1] and runtime.calls.count("cudaGraphLaunch") == 2
    graph.free()
    assert runtime.calls[-1] == "cudaGraphExecDestroy" and "cudaGraphDestroy" in runtime.calls
    with pytest.raises(ZeroDivisionError):
        cuda.Graph(stream, lambda: 1 / 0)
    assert runtime.calls[-1] == "cudaStreamEndCapture", "a stream that is left in capture takes no other work"


def test_pycuda_says_that_it_records_no_graphs(monkeypatch):
    install(monkeypatch, pycuda=Driver())
    with pytest.raises(RuntimeError, match="cuda-python can"):
        cuda.Graph(cuda.Stream(), lambda: None)
