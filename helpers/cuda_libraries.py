"""PyCUDA and cuda-python behind one set of methods; `helpers.cuda` is their only user."""
import atexit
import contextlib
import ctypes
import functools
import threading

import numpy as np


def _in_context(cls):
    """Make the public methods of `PyCuda` enter its context, and raise RuntimeError for PyCUDA's errors."""
    def guarded(method):
        @functools.wraps(method)
        def call(self, *args):
            elsewhere = threading.get_ident() != self.home
            if elsewhere:  # and leave it again: PyCUDA aborts when a thread ends inside a context
                self.context.push()
            try:
                return method(self, *args)
            except self.driver.Error as error:
                raise RuntimeError("CUDA (%s) failed: %s" % (self.name, error)) from None
            finally:
                if elsewhere:
                    self.context.pop()
        return call

    for name, method in list(vars(cls).items()):
        if callable(method) and not name.startswith("_"):
            setattr(cls, name, guarded(method))
    return cls


@_in_context
class PyCuda:
    """PyCUDA speaks CUDA's driver API: a context must be current in each thread that calls it."""

    label = "PyCUDA"

    def __init__(self):
        import pycuda
        import pycuda.driver as driver

        self.driver, self.name = driver, "PyCUDA " + pycuda.VERSION_TEXT
        driver.init()
        self.gpu = driver.Device(0)
        if hasattr(self.gpu, "retain_primary_context"):  # the one that TensorRT uses; PyCUDA has it from 2020.1 on
            self.context = self.gpu.retain_primary_context()
            self.context.push()
        else:
            self.context = self.gpu.make_context()
        self.home = threading.get_ident()
        atexit.register(self._leave)

    def _leave(self):
        with contextlib.suppress(self.driver.Error):  # another package may have popped it before
            self.context.pop()

    def device(self):
        version = self.driver.get_driver_version()
        return {"name": self.gpu.name(), "compute_capability": "%d.%d" % self.gpu.compute_capability(),
                "memory": self.gpu.total_memory(), "driver_cuda": _dotted(version)}

    def memory(self):
        return self.driver.mem_get_info()

    def synchronize(self):
        self.context.synchronize()

    def allocate(self, nbytes):
        return self.driver.mem_alloc(nbytes)

    def release(self, allocation):
        allocation.free()

    def allocate_pinned(self, nbytes):
        array = self.driver.pagelocked_empty(nbytes, np.uint8)
        return array, array

    def upload(self, address, array, stream):
        if stream is None:
            self.driver.memcpy_htod(address, array)
        else:
            self.driver.memcpy_htod_async(address, array, stream._value)

    def download(self, array, address, stream):
        if stream is None:
            self.driver.memcpy_dtoh(array, address)
        else:
            self.driver.memcpy_dtoh_async(array, address, stream._value)

    def make_stream(self):
        return self.driver.Stream()

    def drop_stream(self, stream):
        pass  # PyCUDA frees these with the last Python object that uses them

    drop_event = release_pinned = drop_stream

    def stream_handle(self, stream):
        return stream.handle

    def wait_stream(self, stream):
        stream.synchronize()

    def make_event(self):
        return self.driver.Event()

    def record(self, event, stream):
        event.record(stream._value if stream is not None else None)

    def wait_event(self, event):
        event.synchronize()

    def elapsed(self, start, end):
        return start.time_till(end)

    def record_graph(self, stream, work):
        raise RuntimeError("PyCUDA cannot record a CUDA graph; cuda-python can")


class CudaPython:
    """cuda-python's runtime API. Each call returns a tuple: an error code, then the results."""

    label = "cuda-python"

    def __init__(self):
        try:
            from cuda.bindings import runtime
        except ImportError:
            from cuda import cudart as runtime  # the layout before cuda-python 12.6
        self.runtime = runtime
        if not self._call("cudaGetDeviceCount"):
            raise RuntimeError("no CUDA device")
        self._call("cudaSetDevice", 0)
        self.name = "cuda-python for CUDA %s" % _dotted(self._call("cudaRuntimeGetVersion"))

    def _call(self, function, *args):
        result = getattr(self.runtime, function)(*args)
        error, values = result[0], result[1:]
        if int(error):
            texts = [getattr(self.runtime, name)(error)[1] for name in ("cudaGetErrorName", "cudaGetErrorString")]
            raise RuntimeError("%s failed: %s" % (function, ": ".join(text.decode() for text in texts)))
        return values[0] if len(values) == 1 else values

    def device(self):
        properties = self._call("cudaGetDeviceProperties", 0)
        return {"name": properties.name.decode(),
                "compute_capability": "%d.%d" % (properties.major, properties.minor),
                "memory": int(properties.totalGlobalMem), "driver_cuda": _dotted(self._call("cudaDriverGetVersion"))}

    def memory(self):
        return self._call("cudaMemGetInfo")

    def synchronize(self):
        self._call("cudaDeviceSynchronize")

    def allocate(self, nbytes):
        return self._call("cudaMalloc", nbytes)

    def release(self, address):
        self._call("cudaFree", address)

    def allocate_pinned(self, nbytes):
        address = self._call("cudaHostAlloc", nbytes, 0)  # 0: cudaHostAllocDefault
        return address, (ctypes.c_uint8 * nbytes).from_address(int(address))

    def release_pinned(self, address):
        self._call("cudaFreeHost", address)

    def _copy(self, to, source, nbytes, kind, stream):
        kind = getattr(self.runtime.cudaMemcpyKind, kind)
        if stream is None:
            self._call("cudaMemcpy", to, source, nbytes, kind)
        else:
            self._call("cudaMemcpyAsync", to, source, nbytes, kind, stream._value)

    def upload(self, address, array, stream):
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice", stream)

    def download(self, array, address, stream):
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost", stream)

    def make_stream(self):
        return self._call("cudaStreamCreate")

    def drop_stream(self, stream):
        self._call("cudaStreamDestroy", stream)

    def stream_handle(self, stream):
        return int(stream)

    def wait_stream(self, stream):
        self._call("cudaStreamSynchronize", stream)

    def make_event(self):
        return self._call("cudaEventCreate")

    def drop_event(self, event):
        self._call("cudaEventDestroy", event)

    def record(self, event, stream):
        self._call("cudaEventRecord", event, stream._value if stream is not None else 0)

    def wait_event(self, event):
        self._call("cudaEventSynchronize", event)

    def elapsed(self, start, end):
        return self._call("cudaEventElapsedTime", start, end)

    def record_graph(self, stream, work):
        only_this_thread = self.runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream._value, only_this_thread)
        try:
            work()
        finally:  # a stream stays in capture, and of no use, until this call
            graph = self._call("cudaStreamEndCapture", stream._value)
        try:
            return self._call("cudaGraphInstantiateWithFlags", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch_graph(self, graph, stream):
        self._call("cudaGraphLaunch", graph, stream._value)

    def drop_graph(self, graph):
        self._call("cudaGraphExecDestroy", graph)


def _dotted(number):
    """12060 -> "12.6", CUDA's way of writing a version as one int."""
    return "%d.%d" % (number // 1000, number % 1000 // 10)
