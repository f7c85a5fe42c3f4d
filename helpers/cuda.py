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
import functools

import numpy as np

from . import cuda_libraries, machine


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


class Graph(_Handle):
    """A CUDA graph: the launches that `work()` puts into a stream, recorded once, to be handed to the GPU in one call.

    work: called once, without arguments; what it puts into `stream` is recorded and does not run. It must not copy from or
    to memory that is not pinned, nor wait. Addresses and sizes are recorded as they are. Raises RuntimeError with PyCUDA,
    which has no call for it, and for work that cannot be recorded.
    """

    def __init__(self, stream, work):
        self._value = _backend().record_graph(stream, work)

    def _release(self, value):
        _backend().drop_graph(value)

    def launch(self, stream):
        """Put the recorded work into a stream; returns at once."""
        _backend().launch_graph(self._value, stream)


@functools.lru_cache(maxsize=None)
def _backend():
    """The library that `machine.cuda` names, opened once."""
    package, why_not = machine.cuda()
    if package is None:
        raise RuntimeError("%s. %s" % (why_not[0].upper() + why_not[1:], (
            "ONNX Runtime computes the same numbers on the CPU." if machine.gpu() is None else
            "`pip install cuda-python`, or on JetPack 4 and 5 `pip install pycuda`.")))
    make = {"pycuda": cuda_libraries.PyCuda, "cuda-python": cuda_libraries.CudaPython}[package]
    try:
        return make()
    except Exception as error:
        raise RuntimeError("CUDA cannot be used, %s reports: %s" % (make.label, error))
