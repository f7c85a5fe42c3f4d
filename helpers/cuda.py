"""The part of CUDA that running and timing a plan need: device memory, copies, streams, events.

    with cuda.Buffer(images.nbytes) as memory:
        stream = cuda.Stream()
        start, end = cuda.Event(), cuda.Event()
        start.record(stream)
        memory.upload(images, stream)              # returns at once
        end.record(stream)
        end.synchronize()                          # now the copy is done
        print(end.milliseconds_since(start))

PyCUDA does the work where it is installed, cuda-python elsewhere, as `machine.cuda` decides. Every failure is a
RuntimeError with CUDA's own name for it. A missing GPU, driver or library is one too, raised by the first call and not by
the import.
"""
import atexit
import contextlib
import ctypes
import functools
import threading

import numpy as np

from . import machine


def available():
    """True when a GPU, its driver and a CUDA library can be used; `why_not()` is the reason otherwise."""
    return why_not() is None


def why_not():
    """None when CUDA can be used, else a sentence that names what is missing."""
    try:
        _backend()
    except RuntimeError as error:
        return str(error)
    return None


def library():
    """The library in use and its version, such as "PyCUDA 2022.1"."""
    return _backend().name


def device():
    """The GPU in use: {"name", "compute_capability": "8.7", "memory" (bytes), "driver_cuda": "12.6"}."""
    return dict(_backend().device())


def memory():
    """(free, total) bytes of the GPU's memory; on a Jetson that is the memory of the whole board."""
    return tuple(int(size) for size in _backend().memory())


def synchronize():
    """Wait until all work that was put on the GPU is done."""
    _backend().synchronize()


class _Handle:
    """A resource of CUDA's; `free()` gives it back and may be called twice."""

    _value = None

    def free(self):
        value, self._value = self._value, None
        if value is not None:
            self._release(value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free()

    def __del__(self):
        try:
            self.free()
        except Exception:  # at exit the driver may be gone, and the memory with it
            pass


class Buffer(_Handle):
    """`nbytes` bytes of device memory, uninitialised. `address` is the int that TensorRT's bindings take."""

    def __init__(self, nbytes):
        if nbytes < 1:
            raise ValueError("a buffer needs at least one byte, not %r" % (nbytes,))
        self.nbytes = int(nbytes)
        self._value = _backend().allocate(self.nbytes)

    def _release(self, value):
        _backend().release(value)

    @property
    def address(self):
        if self._value is None:
            raise RuntimeError("this device memory was freed; make a new cuda.Buffer")
        return int(self._value)

    def upload(self, array, stream=None):
        """Copy a C-contiguous array to the start of this memory; without a stream, the copy is done on return.

        With one, `array` must not change until the stream is synchronised. Copies overlap other work only from `Pinned`
        memory. Raises ValueError for an array that is not contiguous or too large.
        """
        _backend().upload(self.address, self._fitting(array), stream)

    def download(self, array, stream=None):
        """Copy from the start of this memory into a writable C-contiguous array, by the same rules as `upload`."""
        _backend().download(self._fitting(array), self.address, stream)

    def _fitting(self, array):
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            raise ValueError("only C-contiguous NumPy arrays can be copied; use numpy.ascontiguousarray")
        if array.nbytes > self.nbytes:
            raise ValueError("an array of %d bytes is too much for a buffer of %d" % (array.nbytes, self.nbytes))
        return array


class Pinned(_Handle):
    """`array`: a NumPy array in page-locked host memory, invalid once this object is freed or collected."""

    def __init__(self, shape, dtype=np.float32):
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        self._value, memory_view = _backend().allocate_pinned(max(count * dtype.itemsize, 1))
        self.array = np.frombuffer(memory_view, dtype, count).reshape(shape)

    def _release(self, value):
        self.array = None
        _backend().release_pinned(value)


class Stream(_Handle):
    """A CUDA stream, a queue of work. `handle` is the int that TensorRT's execute calls take."""

    def __init__(self):
        self._value = _backend().make_stream()

    def _release(self, value):
        _backend().drop_stream(value)

    @property
    def handle(self):
        return _backend().stream_handle(self._value)

    def synchronize(self):
        """Wait until all work in the stream is done."""
        _backend().wait_stream(self._value)


class Event(_Handle):
    """A CUDA event: a point in a stream with a time of the GPU's clock."""

    def __init__(self):
        self._value = _backend().make_event()

    def _release(self, value):
        _backend().drop_event(value)

    def record(self, stream=None):
        """Put the event behind the work that is in the stream now."""
        _backend().record(self._value, stream)

    def synchronize(self):
        """Wait until the event is reached."""
        _backend().wait_event(self._value)

    def milliseconds_since(self, start):
        """GPU time from the event `start` to this one, in ms; both must have been reached."""
        return float(_backend().elapsed(start._value, self._value))


@functools.lru_cache(maxsize=None)
def _backend():
    """The library that `machine.cuda` names, opened once."""
    package, why_not = machine.cuda()
    if package is None:
        raise RuntimeError("%s. %s" % (why_not[0].upper() + why_not[1:], (
            "ONNX Runtime computes the same numbers on the CPU." if machine.gpu() is None else
            "`pip install cuda-python`, or on JetPack 4 and 5 `pip install pycuda`.")))
    make = {"pycuda": _PyCuda, "cuda-python": _CudaPython}[package]
    try:
        return make()
    except Exception as error:
        raise RuntimeError("CUDA cannot be used, %s reports: %s" % (make.label, error))


def _in_context(cls):
    """Make the public methods of `_PyCuda` enter its context, and raise RuntimeError for PyCUDA's errors."""
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
class _PyCuda:
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


class _CudaPython:
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


def _dotted(number):
    """12060 -> "12.6", CUDA's way of writing a version as one int."""
    return "%d.%d" % (number // 1000, number % 1000 // 10)
