"""Running a plan: buffers allocated once, one stream, the execute call that this TensorRT has."""
import json
from pathlib import Path

import numpy as np

from uffsurgeon.dtypes import DTYPES
from uffsurgeon.names import did_you_mean

from .. import cuda
from . import plans
from .library import called, collected, load_plugin, logger, reason, register_own_plugins, tensorrt
from .precision import check_array

# trt.nptype needs numpy.bool, which newer NumPy lacks.
NUMPY_OF_TENSORRT = {{"float32": "FLOAT", "float16": "HALF"}.get(row.name, row.name.upper()): row.numpy for row in DTYPES}


class Tensor:
    """An input or output of a plan, with its memory on both sides.

    name; dtype: NumPy's; shape: with the batch axis, -1 for an open axis; values: the host's copy, in the shape of the
    last run. Of an input: smallest, largest, the shapes between which it may be.
    """

    def __init__(self, name, shape, dtype, is_input, index):
        kind = str(dtype).rsplit(".", 1)[-1]
        if kind not in NUMPY_OF_TENSORRT:
            raise RuntimeError("tensor %r has type %s, which NumPy does not have" % (name, kind))
        self.name, self.shape, self.is_input, self.index = name, tuple(shape), is_input, index
        self.dtype = NUMPY_OF_TENSORRT[kind]
        self.smallest = self.largest = self.shape
        self.device = self._host = self.values = None

    def allocate(self):
        """Memory for the largest shape."""
        self._host = cuda.Pinned((int(np.prod(self.largest, dtype=np.int64)),), self.dtype)
        self.device = cuda.Buffer(max(self._host.array.nbytes, 1))
        self.resize(self.largest)

    def resize(self, shape):
        """Let `values` have this shape."""
        self.values = self._host.array[:int(np.prod(shape, dtype=np.int64))].reshape(shape)

    def free(self):
        self.values = None
        for memory in (self.device, self._host):
            if memory is not None:
                memory.free()


class Engine:
    """A plan, ready to run on this GPU. Use it in a `with`, or call `close()`.

    plan: path. plugins: paths of plugin libraries that it needs. unrecorded: open a plan without a record beside it, too, such
    as one of trtexec. TensorRT runs the code that a plan holds, so open only your own.
    `inputs`, `outputs`: lists of `Tensor`. `batch`: the largest number of rows at once, None for a network without a common
    batch axis. `batch_is_fixed`: whether it is the only number; fewer rows are then filled up with zeros.

    Raises FileNotFoundError; ValueError for a plan that is damaged; RuntimeError when it has no record, when it was built for
    another GPU or TensorRT, when a plugin is missing, when there is no GPU or too little memory. Nothing stays allocated then.
    """

    def __init__(self, plan, plugins=(), trt=None, unrecorded=False):
        self.path, self.trt = Path(str(plan)), trt or tensorrt()
        self._runtime = self._engine = self._context = self._stream = self._graph = None
        self.inputs, self.outputs = [], []
        data, record = plans.read(self.path)
        if record or not unrecorded:
            plans.check_origin(self.path, record, self.trt)
        missing = cuda.why_not()
        if missing:
            raise RuntimeError("%s cannot run: %s" % (self.path.name, missing))
        for plugin in plugins:
            load_plugin(self.trt, plugin)
        try:
            self._open(data)
            self._stream = cuda.Stream()
        except BaseException:
            self.close()
            raise

    def _open(self, data):
        register_own_plugins(self.trt)
        with collected(self.trt) as errors:
            self._runtime = self.trt.Runtime(logger(self.trt))
            self._engine = engine = self._runtime.deserialize_cuda_engine(data)
            if engine is None:
                raise RuntimeError("%s cannot read %s: %s. If it names a plugin, pass its library in `plugins`; "
                                   "else build the plan again on this machine."
                                   % (called(self.trt), self.path, reason(errors)))
        self._context = self._make_context()
        # TensorRT 5 has implicit batch only and no attribute for it; from 10 on there is none, and asking is deprecated.
        self._implicit = hasattr(engine, "max_batch_size") and getattr(engine, "has_implicit_batch_dimension", True)
        self._by_name = hasattr(engine, "num_io_tensors") and not self._implicit
        for i in range(engine.num_io_tensors if self._by_name else engine.num_bindings):
            tensor = self._tensor(i)
            (self.inputs if tensor.is_input else self.outputs).append(tensor)
        self._find_batch()
        self._set_shapes({tensor.name: tensor.largest for tensor in self.inputs})
        tensors = self.inputs + self.outputs
        for tensor in self.outputs:
            tensor.largest = self._shape_now(tensor)
            if -1 in tensor.largest:
                raise RuntimeError("the size of output %r of %s depends on the data, which this cannot run"
                                   % (tensor.name, self.path.name))
        for tensor in tensors:
            tensor.allocate()
        self._addresses = [tensor.device.address for tensor in sorted(tensors, key=lambda tensor: tensor.index)]
        self._bind()

    def _bind(self):
        for tensor in self.inputs + self.outputs if self._by_name else ():
            self._context.set_tensor_address(tensor.name, tensor.device.address)

    def _new_context(self):
        """A context in place of the present one, with the same shapes. One at a time: before TensorRT 10 two of them cannot
        use the same optimization profile."""
        self._context = None
        self._context = self._make_context()
        self._bind()
        self._set_shapes(self._shapes)

    def _make_context(self):
        with collected(self.trt) as errors:
            context = self._engine.create_execution_context()
        if context is None:
            raise RuntimeError("no memory to run %s (%.0f of %.0f MB free): %s" % (
                (self.path.name,) + tuple(size / 1e6 for size in cuda.memory()) + (reason(errors),)))
        return context

    def _tensor(self, i):
        engine = self._engine
        if self._by_name:
            name = engine.get_tensor_name(i)
            is_input = engine.get_tensor_mode(name) == self.trt.TensorIOMode.INPUT
            tensor = Tensor(name, engine.get_tensor_shape(name), engine.get_tensor_dtype(name), is_input, i)
            if is_input and -1 in tensor.shape:
                tensor.smallest, _, tensor.largest = map(tuple, engine.get_tensor_profile_shape(name, 0))
            return tensor
        name, is_input = engine.get_binding_name(i), engine.binding_is_input(i)
        tensor = Tensor(name, engine.get_binding_shape(i), engine.get_binding_dtype(i), is_input, i)
        if self._implicit:
            shape = tensor.shape if is_input else _without_padding(tensor.shape)
            tensor.shape, tensor.smallest, tensor.largest = [
                (size,) + shape for size in (-1, 1, engine.max_batch_size)]
        elif is_input and -1 in tensor.shape:
            tensor.smallest, _, tensor.largest = map(tuple, engine.get_profile_shape(0, i))
        return tensor

    def _find_batch(self):
        """The batch axis is the open first axis of inputs, or a first axis that all inputs and outputs share."""
        first = {tensor.shape[:1] for tensor in self.inputs + self.outputs}
        self._batched = {tensor.name for tensor in self.inputs + self.outputs
                         if tensor.shape[:1] == (-1,) or len(first) == 1 and tensor.shape}
        batched = [tensor for tensor in self.inputs if tensor.name in self._batched]
        self.batch = int(min(tensor.largest[0] for tensor in batched)) if batched else None
        self._smallest_batch = max([tensor.smallest[0] for tensor in batched], default=None)
        self.batch_is_fixed = self.batch is not None and self._smallest_batch == self.batch

    def _set_shapes(self, shapes):
        """Tell the execution context the inputs' shapes, {name: shape}; with implicit batch each call gives the batch."""
        self._graph = None
        self._shapes = None  # when the second of two inputs is refused, the context has a new shape for the first
        for tensor in self.inputs:
            if self._implicit or -1 not in tensor.shape:
                continue
            done = (self._context.set_input_shape(tensor.name, shapes[tensor.name]) if self._by_name else
                    self._context.set_binding_shape(tensor.index, shapes[tensor.name]))
            if not done:
                raise RuntimeError("%s refuses shape %s for input %r" % (
                    called(self.trt), list(shapes[tensor.name]), tensor.name))
        self._shapes = shapes

    def _shape_now(self, tensor):
        if self._implicit:
            return self._shapes[self.inputs[0].name][:1] + tensor.shape[1:]
        if -1 not in tensor.shape:
            return tensor.shape
        return tuple(self._context.get_tensor_shape(tensor.name) if self._by_name else
                     self._context.get_binding_shape(tensor.index))

    def run(self, inputs, batch=None):
        """{output name: float32 array} for any number of rows, batch by batch.

        inputs: one array for a plan with one input, else {input name: array}, each with the batch axis first, in the dtype
            and layout of the input: float32 [N, 224, 224, 3] for the workbook's network, preprocessed.
        batch: the largest number of rows computed at once; by default, and at most, what the plan allows.
        Raises ValueError for other names, shapes or dtypes or for NaN, RuntimeError when the GPU fails.
        """
        self._alive()
        if batch is not None and batch < 1:
            raise ValueError("a batch holds at least 1 image, not %r" % (batch,))
        size = min(batch or self.batch, self.batch) if self.batch else 1
        arrays = self._named(inputs)
        for tensor in self.inputs:
            arrays[tensor.name] = self._checked(tensor, arrays[tensor.name])
        rows = {len(array) for name, array in arrays.items() if name in self._batched}
        if len(rows) > 1:
            raise ValueError("the inputs have different numbers of rows: %s" % sorted(rows))
        total = rows.pop() if rows else 1
        once = [tensor.name for tensor in self.outputs if tensor.name not in self._batched]
        if once and self.batch and total > size:
            raise ValueError("output %r has no batch axis: give at most %d rows at once" % (once[0], size))
        parts = {tensor.name: [] for tensor in self.outputs}
        for start in range(0, total, size):
            part = slice(start, start + size)
            self.step({name: array[part] if name in self._batched else array for name, array in arrays.items()})
            for tensor in self.outputs:
                values = tensor.values[:min(size, total - start)] if tensor.name in self._batched else tensor.values
                parts[tensor.name].append(values.astype(np.float32))  # a copy
        return {name: values[0] if len(values) == 1 else np.concatenate(values) for name, values in parts.items()}

    def _named(self, inputs):
        names = [tensor.name for tensor in self.inputs]
        if not isinstance(inputs, dict):
            if len(names) != 1:
                raise ValueError("%s has the inputs %s: pass {name: array}" % (self.path.name, ", ".join(names)))
            return {names[0]: inputs}
        for name in inputs:
            if name not in names:
                raise ValueError("%s has no input %r%s" % (self.path.name, name, did_you_mean(name, names)))
        for name in names:
            if name not in inputs:
                raise ValueError("no array for input %r of %s" % (name, self.path.name))
        return dict(inputs)

    def _checked(self, tensor, array):
        if tensor.name in self._batched:
            array = check_array(tensor.name, array, tensor.shape[1:], tensor.dtype)
            sizes, smallest, largest = array.shape[1:], tensor.smallest[1:], tensor.largest[1:]
        else:
            array = check_array(tensor.name, np.asarray(array)[None], tensor.shape, tensor.dtype)[0]
            sizes, smallest, largest = array.shape, tensor.smallest, tensor.largest
        if any(not low <= size <= high for low, size, high in zip(smallest, sizes, largest)):
            raise ValueError("input %r of shape %s: the plan was built for %s to %s"
                             % (tensor.name, list(array.shape), list(tensor.smallest), list(tensor.largest)))
        return array

    def step(self, inputs, before=None, after=None):
        """One batch, copied in, run and copied out; results lie in `outputs[i].values` until the next one.

        inputs: as for `run`, unchecked, at most `batch` rows. before, after: `cuda.Event`s to put around the GPU's work
        without the copies. Fewer rows than the plan's smallest batch are filled up with zeros.
        """
        arrays, shapes = self._named(inputs), {}
        for tensor in self.inputs:
            shape = arrays[tensor.name].shape
            if tensor.name in self._batched:
                shape = (max(len(arrays[tensor.name]), self._smallest_batch),) + shape[1:]
            shapes[tensor.name] = shape
        if shapes != self._shapes:
            self._set_shapes(shapes)
        for tensor in self.inputs:
            array = arrays[tensor.name]
            tensor.resize(shapes[tensor.name])
            if array.shape == tensor.values.shape:
                tensor.values[...] = array
            else:
                tensor.values[:len(array)], tensor.values[len(array):] = array, 0
            tensor.device.upload(tensor.values, self._stream)
        if before is not None:
            before.record(self._stream)
        self.enqueue()
        if after is not None:
            after.record(self._stream)
        for tensor in self.outputs:
            tensor.resize(self._shape_now(tensor))
            tensor.device.download(tensor.values, self._stream)
        self._stream.synchronize()

    def record(self):
        """Let `enqueue` replay a CUDA graph of the last step's launches, until a step has other shapes.

        Raises RuntimeError where launches cannot be recorded: with PyCUDA, or a plan that waits for the GPU within.
        """
        self._alive()
        self._graph = None
        self._graph = cuda.Graph(self._stream, self.enqueue)

    def enqueue(self):
        """Ask the GPU to run what lies in the inputs' device memory, in the shapes of the last step; returns at once."""
        if self._graph is not None:
            return self._graph.launch(self._stream)
        with collected(self.trt) as errors:
            if self._by_name:
                done = self._context.execute_async_v3(self._stream.handle)
            elif self._implicit:
                done = self._context.execute_async(self._rows(), self._addresses, self._stream.handle)
            else:
                done = self._context.execute_async_v2(self._addresses, self._stream.handle)
        if not done:
            raise RuntimeError("%s did not run %s: %s" % (called(self.trt), self.path.name, reason(errors)))

    def _rows(self):
        return self._shapes[self.inputs[0].name][0]

    def layer_times(self, inputs, runs=20):
        """[(layer, milliseconds)] in order, each the median of `runs` runs of one batch, through IProfiler.

        Profiling waits after every layer, so the sum is more than the latency: use it for shares.
        """
        self._alive()
        trt, times = self.trt, {}

        class Profiler(trt.IProfiler):
            def __init__(self):
                trt.IProfiler.__init__(self)

            def report_layer_time(self, layer_name, ms):
                times.setdefault(layer_name, []).append(ms)

        self.step({name: array[:self.batch] if name in self._batched else array
                   for name, array in self._named(inputs).items()})  # fills the inputs
        profiler = Profiler()  # referenced until the end: the context does not own it
        self._new_context()  # its own: a profiler slows the one it is in for good
        try:
            self._context.profiler = profiler
            for _ in range(runs + 1):
                # The synchronous calls, since the asynchronous ones did not report to a profiler before TensorRT 8.
                done = (self._context.execute(self._rows(), self._addresses) if self._implicit else
                        self._context.execute_v2(self._addresses))
                if not done:
                    raise RuntimeError("TensorRT did not run %s with a profiler" % self.path.name)
        finally:
            self._new_context()
        return [(name, float(np.median(values[1:]))) for name, values in times.items()]

    def inspect(self):
        """EngineInspector's description of the plan, as Python objects; None where there is none (before TensorRT 8.2)."""
        self._alive()
        if not hasattr(self._engine, "create_engine_inspector"):
            return None
        inspector = self._engine.create_engine_inspector()
        return json.loads(inspector.get_engine_information(self.trt.LayerInformationFormat.JSON))

    def _alive(self):
        if self._context is None:
            raise RuntimeError("the engine of %s is closed" % self.path.name)

    def close(self):
        """Give back the GPU memory; may be called twice."""
        self._graph = self._context = self._engine = self._runtime = None  # in this order: each lives in the next
        for tensor in self.inputs + self.outputs:
            tensor.free()
        if self._stream is not None:
            self._stream.free()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _without_padding(shape):
    """UffParser's shapes have three axes at least: a dense layer gives (K, 1, 1), a softmax on TensorRT 5 and 6 (1, 1, K)."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape[-1:] if len(shape) == 3 and shape[:2] == (1, 1) else shape
