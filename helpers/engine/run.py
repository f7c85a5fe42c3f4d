"""Running a plan: buffers allocated once, one stream, the execute call that this TensorRT has."""
import json
from pathlib import Path

import numpy as np

from .. import cuda
from . import plans
from .library import called, collected, load_plugin, logger, reason, register_own_plugins, tensorrt
from .precision import check_images

DTYPES = {"FLOAT": np.float32, "HALF": np.float16, "INT8": np.int8, "INT32": np.int32, "INT64": np.int64,
          "BOOL": np.bool_, "UINT8": np.uint8}


class Tensor:
    """An input or output of a plan: name, shape without the batch, NumPy dtype, and its memory on both sides."""

    def __init__(self, name, shape, dtype, is_input, index):
        kind = str(dtype).rsplit(".", 1)[-1]  # trt.nptype needs numpy.bool, which newer NumPy lacks
        if kind not in DTYPES:
            raise RuntimeError("tensor %r has type %s, which NumPy does not have" % (name, kind))
        self.name, self.shape, self.dtype, self.is_input, self.index = name, shape, DTYPES[kind], is_input, index
        self.device = self.host = None

    def allocate(self, batch):
        shape = (batch,) + self.shape
        self.host = cuda.Pinned(shape, self.dtype)
        self.device = cuda.Buffer(max(self.host.array.nbytes, 1))

    def free(self):
        for memory in (self.device, self.host):
            if memory is not None:
                memory.free()

    @property
    def head(self):
        """The part of the name before the first "/": `dimension/LeakyRelu` is the head "dimension"."""
        return self.name.split("/")[0]


class Engine:
    """A plan, ready to run on this GPU. Use it in a `with`, or call `close()`.

    plan: path. plugins: paths of plugin libraries that it needs.
    `inputs`, `outputs`: lists of `Tensor`; `batch`: the largest number of images at once; `batch_is_fixed`.

    Raises FileNotFoundError; ValueError for a plan that is damaged; RuntimeError when it was built for another GPU or
    TensorRT, when a plugin is missing, when there is no GPU or too little memory. Nothing stays allocated then.
    """

    def __init__(self, plan, plugins=(), trt=None):
        self.path, self.trt = Path(str(plan)), trt or tensorrt()
        self._runtime = self._engine = self._context = self._stream = None
        self.inputs, self.outputs = [], []
        data, record = plans.read(self.path)
        plans.check_origin(self.path, record, self.trt)
        missing = cuda.why_not()
        if missing:
            raise RuntimeError("%s needs an NVIDIA GPU to run: %s" % (self.path.name, missing))
        for plugin in plugins:
            load_plugin(self.trt, plugin)
        try:
            self._open(data)
            for tensor in self.inputs + self.outputs:
                tensor.allocate(self.batch)
            self._stream = cuda.Stream()
            self._bind()
        except BaseException:
            self.close()
            raise

    def _open(self, data):
        register_own_plugins(self.trt)
        with collected(self.trt) as errors:
            self._runtime = self.trt.Runtime(logger(self.trt))
            self._engine = self._runtime.deserialize_cuda_engine(data)
            if self._engine is None:
                raise RuntimeError("%s cannot read %s: %s. If it names a plugin, pass its library in `plugins`; "
                                   "else build the plan again on this machine."
                                   % (called(self.trt), self.path, reason(errors)))
        self._context = self._make_context()
        engine = self._engine
        # TensorRT 5 has no such attribute, and implicit batch only; from 10 on there is no implicit batch.
        self._implicit = getattr(engine, "has_implicit_batch_dimension", hasattr(engine, "max_batch_size"))
        self._by_name = hasattr(engine, "num_io_tensors") and not self._implicit
        self.batch, self.batch_is_fixed = self._tensors()

    def _make_context(self):
        with collected(self.trt) as errors:
            context = self._engine.create_execution_context()
        if context is None:
            raise RuntimeError("no memory to run %s (%.0f of %.0f MB free): %s" % (
                (self.path.name,) + tuple(size / 1e6 for size in cuda.memory()) + (reason(errors),)))
        return context

    def _tensors(self):
        """Fill `inputs` and `outputs` -> (largest batch, whether it is the only one)."""
        engine, largest, fixed = self._engine, 1, False
        for i in range(engine.num_io_tensors if self._by_name else engine.num_bindings):
            if self._by_name:
                name = engine.get_tensor_name(i)
                shape, dtype = tuple(engine.get_tensor_shape(name)), engine.get_tensor_dtype(name)
                is_input = engine.get_tensor_mode(name) == self.trt.TensorIOMode.INPUT
            else:
                name, is_input = engine.get_binding_name(i), engine.binding_is_input(i)
                shape, dtype = tuple(engine.get_binding_shape(i)), engine.get_binding_dtype(i)
            if self._implicit:
                largest = engine.max_batch_size
                while not is_input and len(shape) > 1 and shape[-1] == 1:
                    shape = shape[:-1]  # a dense layer gives (K, 1, 1) there
            else:
                if is_input and shape[0] == -1:
                    largest = (engine.get_tensor_profile_shape(name, 0) if self._by_name else
                               engine.get_profile_shape(0, i))[2][0]
                elif is_input:
                    largest, fixed = shape[0], True
                shape = shape[1:]
            (self.inputs if is_input else self.outputs).append(Tensor(name, shape, dtype, is_input, i))
        if len(self.inputs) != 1:
            raise RuntimeError("%s has %d inputs; this runs networks with one" % (self.path.name, len(self.inputs)))
        return int(largest), fixed

    def _bind(self):
        self._addresses = [tensor.device.address
                           for tensor in sorted(self.inputs + self.outputs, key=lambda tensor: tensor.index)]
        if self._by_name:
            for tensor in self.inputs + self.outputs:
                self._context.set_tensor_address(tensor.name, tensor.device.address)
        self._batch_now = None

    def _set_batch(self, context, batch):
        """Tell an execution context how many images come; for implicit batch each call says it."""
        if self._implicit or self.batch_is_fixed:
            return
        source = self.inputs[0]
        if self._by_name:
            context.set_input_shape(source.name, (batch,) + source.shape)
        else:
            context.set_binding_shape(source.index, (batch,) + source.shape)

    def run(self, images):
        """Heads for any number of images: {"dimension": [N, 3], ...}, float32, in batches as large as the plan allows.

        images: float32 [N, ...] in the shape and layout of the input (NHWC for the workbook's network), preprocessed.
        Raises ValueError for another shape or dtype or for NaN, RuntimeError when the GPU fails.
        """
        self._alive()
        images = check_images(images, (None,) + self.inputs[0].shape)
        found = [np.empty((len(images),) + tensor.shape, np.float32) for tensor in self.outputs]
        for start in range(0, len(images), self.batch):
            part = images[start:start + self.batch]
            self.step(part)
            for result, tensor in zip(found, self.outputs):
                result[start:start + len(part)] = tensor.host.array[:len(part)]
        names = [tensor.head for tensor in self.outputs]
        if len(set(names)) < len(names):
            names = [tensor.name for tensor in self.outputs]
        return dict(zip(names, found))

    def step(self, images, before=None, after=None):
        """One batch, copied in, run and copied out; results lie in `outputs[i].host.array[:len(images)]`.

        images: as for `run`, unchecked, at most `batch`. before, after: `cuda.Event`s to put around the GPU's work
        without the copies.
        """
        source, n = self.inputs[0], len(images)
        source.host.array[:n] = images
        filled = self.batch if self.batch_is_fixed else n
        source.host.array[n:filled] = 0
        source.device.upload(source.host.array[:filled], self._stream)
        if before is not None:
            before.record(self._stream)
        self.enqueue(filled)
        if after is not None:
            after.record(self._stream)
        for tensor in self.outputs:
            tensor.device.download(tensor.host.array[:filled], self._stream)
        self._stream.synchronize()

    def enqueue(self, batch):
        """Ask the GPU to run what lies in the input's device memory, and return at once."""
        if batch != self._batch_now:
            self._set_batch(self._context, batch)
            self._batch_now = batch
        with collected(self.trt) as errors:
            if self._by_name:
                done = self._context.execute_async_v3(self._stream.handle)
            elif self._implicit:
                done = self._context.execute_async(batch, self._addresses, self._stream.handle)
            else:
                done = self._context.execute_async_v2(self._addresses, self._stream.handle)
        if not done:
            raise RuntimeError("%s did not run %s: %s" % (called(self.trt), self.path.name, reason(errors)))

    def layer_times(self, images, runs=20):
        """[(layer, milliseconds)] in order, each the median of `runs` runs of one batch, through IProfiler.

        Profiling waits after every layer, so the sum is more than the latency: shares are what it is good for.
        """
        self._alive()
        trt, times = self.trt, {}

        class Profiler(trt.IProfiler):
            def __init__(self):
                trt.IProfiler.__init__(self)

            def report_layer_time(self, layer_name, ms):
                times.setdefault(layer_name, []).append(ms)

        self.step(images[:self.batch])  # fills the input
        batch = self.batch if self.batch_is_fixed else len(images[:self.batch])
        context = self._make_context()  # its own: a profiler slows the one it is in for good
        self._set_batch(context, batch)
        context.profiler = profiler = Profiler()
        for _ in range(runs + 1):
            # The synchronous calls, since the asynchronous ones did not report to a profiler before TensorRT 8.
            done = (context.execute(batch, self._addresses) if self._implicit else
                    context.execute_v2(self._addresses))
            if not done:
                raise RuntimeError("TensorRT did not run %s with a profiler" % self.path.name)
        del context, profiler
        return [(name, float(np.median(values[1:]))) for name, values in times.items()]

    def inspect(self):
        """What EngineInspector says of the plan, as Python objects; None where there is none (before TensorRT 8.2)."""
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
        self._context = self._engine = self._runtime = None  # in this order: each lives in the next
        for tensor in self.inputs + self.outputs:
            tensor.free()
        if self._stream is not None:
            self._stream.free()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
