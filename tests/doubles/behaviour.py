"""What TensorRT's classes do, as far as building and running a plan needs it, with the errors of a wrong order.

A plan is a JSON text here. It computes no network: tensor k, if it is an output, has in row n the sum of the means of all
inputs' rows n, plus k. That is enough to see whether the right bytes went the right way.
"""
import json

import numpy as np

from . import cuda


class Member:
    """A member of an enumeration."""

    def __init__(self, name, value, of=""):
        self.name, self.value, self._of = name, value, of

    def __int__(self):
        return self.value

    __index__ = __int__

    def __str__(self):
        return "%s.%s" % (self._of, self.name)

    def __eq__(self, other):
        return isinstance(other, Member) and str(self) == str(other)

    def __hash__(self):
        return hash(str(self))


class ILogger:
    pass


class Logger:
    def __init__(self, min_severity=None):
        pass

    def log(self, severity, message):
        print(message)


class IPluginRegistry:
    pass


def _fail(logger, text):
    """TensorRT logs an error and returns nothing."""
    logger.log(Member("ERROR", 1), text)


class ITensor:
    def __init__(self, name, shape, dtype="FLOAT"):
        self._name, self._shape, self._dtype = name, tuple(shape), dtype

    @property
    def name(self):
        return self._name

    @property
    def shape(self):
        return self._shape

    @property
    def dtype(self):
        return Member(self._dtype, 0, "DataType")


class ILayer:
    def __init__(self, name):
        self._name, self._types = name, {}

    name = property(lambda self: self._name)

    def get_output(self, i):
        return ITensor(self._name, [-1])

    def set_output_type(self, i, kind):
        assert kind._of == "DataType" and i == 0
        self._types[i] = kind.name


class INetworkDefinition:
    def __init__(self, implicit, typed=False):
        self._implicit, self._inputs, self._outputs, self._quantized, self._half = implicit, [], [], False, False
        self._typed, self._layers = typed, []

    has_implicit_batch_dimension = property(lambda self: self._implicit)
    num_inputs = property(lambda self: len(self._inputs))
    num_outputs = property(lambda self: len(self._outputs))
    num_layers = property(lambda self: len(self._layers))

    def get_layer(self, i):
        return self._layers[i]

    def __len__(self):
        return len(self._inputs) and 1  # the number of layers: 0 before parsing

    def get_input(self, i):
        return self._inputs[i]

    def get_output(self, i):
        return self._outputs[i]

    def unmark_output(self, tensor):
        self._outputs.remove(tensor)

    def mark_output(self, tensor):
        self._outputs.append(tensor)

    def add_input(self, name, dtype, shape):
        self._inputs.append(ITensor(name, shape, dtype.name))
        return self._inputs[-1]

    def add_activation(self, tensor, kind):
        assert kind._of == "ActivationType" and tensor in self._inputs
        self._layers.append(getattr(self._trt, "ILayer", ILayer)("activation"))
        return self._layers[-1]


class IOptimizationProfile:
    def __init__(self):
        self._shapes = {}

    def set_shape(self, name, smallest, usual, largest):
        assert smallest <= usual <= largest, "profile out of order"
        self._shapes[name] = [list(smallest), list(usual), list(largest)]


class ITimingCache:
    """Its bytes are the version and one letter for each build that it has seen."""

    def __init__(self, data):
        self._data = data

    def serialize(self):
        return self._data


class IBuilderConfig:
    DLA_core = -1

    def __init__(self):
        self._flags, self._profiles, self._pools, self._timings, self._cleared = set(), [], {}, None, None

    def create_timing_cache(self, data):
        return ITimingCache(bytes(data))

    def set_timing_cache(self, cache, ignore_mismatch):
        """False for what another version measured, and for what is no cache: by NVIDIA's documentation, not from a run."""
        if cache._data and not cache._data.startswith(self._trt.__version__.encode()):
            return False
        self._timings = cache
        return True

    def get_timing_cache(self):
        return self._timings

    def set_flag(self, flag):
        assert isinstance(flag, Member) and flag._of == "BuilderFlag"
        self._flags.add(flag.name)

    def clear_flag(self, flag):
        assert isinstance(flag, Member) and flag._of == "BuilderFlag"
        self._cleared = flag.name

    def set_memory_pool_limit(self, pool, size):
        self._pools[pool.name] = size

    def add_optimization_profile(self, profile):
        assert profile._shapes, "an empty profile"
        self._profiles.append(profile)
        return len(self._profiles) - 1


class Builder:
    num_DLA_cores = 0

    def __init__(self, logger):
        self._logger = logger
        self._batch, self._workspace = 1, None

    @property
    def platform_has_fast_fp16(self):
        return True

    platform_has_fast_int8 = platform_has_fast_fp16

    def create_network(self, *flags):
        if not hasattr(self._trt, "NetworkDefinitionCreationFlag"):
            if flags:
                raise TypeError("create_network(): incompatible function arguments")
            implicit = True
        else:
            explicit = getattr(self._trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
            has_implicit = hasattr(self._trt.Builder, "max_batch_size")
            implicit = has_implicit and not (flags and flags[0] & 1 << int(explicit))
            typed = getattr(self._trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
            typed = 0 if typed is None else 1 << int(typed)
            if not has_implicit and flags not in ((), (0,), (typed,)):
                raise AssertionError("a creation flag where none is needed: %r" % (flags,))
            self._trt.events.append("create_network")
            return self._trt.INetworkDefinition(implicit, bool(flags and flags[0] & typed))
        self._trt.events.append("create_network")
        return self._trt.INetworkDefinition(implicit)

    def create_builder_config(self):
        return self._trt.IBuilderConfig()

    def create_optimization_profile(self):
        profile = self._trt.IOptimizationProfile if hasattr(self._trt, "IOptimizationProfile") else IOptimizationProfile
        return profile()

    def _plan(self, network, config):
        self._trt.events.append("build")
        timings = getattr(config, "_timings", None)
        if timings is not None:
            timings._data = (timings._data or self._trt.__version__.encode()) + b"t"
        if not network.num_outputs:
            return _fail(self._logger, "Network must have at least one output.")
        settings = self if config is None else config
        flags = set(getattr(settings, "_flags", ()))
        for name in ("fp16", "int8"):
            if config is None and self.__dict__.get(name + "_mode"):
                flags.add(name.upper())
        if network._typed and flags & {"FP16", "INT8"}:
            return _fail(self._logger, "Error Code 4: API Usage Error (Precision flags with a strongly typed network)")
        calibrator = settings.__dict__.get("int8_calibrator")
        if "INT8" in flags and calibrator is None and not network._quantized:
            return _fail(self._logger, "Calibration failure occurred with no scaling factors detected.")
        shapes = {}
        for tensor in network._inputs:
            if not network._implicit and -1 in tensor.shape:
                if config is None or not config._profiles:
                    return _fail(self._logger, "Network has dynamic or shape inputs, but no optimization profile has "
                                               "been defined.")
                shapes[tensor.name] = config._profiles[0]._shapes[tensor.name]
        if calibrator is not None and calibrator.read_calibration_cache() is None:
            self._calibrate(calibrator, network, shapes)
        return json.dumps(dict(
            version=self._trt.__version__, implicit=network._implicit, batch=self.__dict__.get("max_batch_size", 1),
            flags=sorted(flags), quantized=network._quantized, half=network._half, profiles=shapes,
            typed=network._typed, cleared=getattr(settings, "_cleared", None),
            strict=bool(self.__dict__.get("strict_type_constraints")),
            wide=sorted(layer.name for layer in network._layers if layer._types),
            types={t.name: t.dtype.name for t in network._inputs + network._outputs},
            tensors=[(t.name, list(t.shape), True) for t in network._inputs]
            + [(t.name, list(t.shape), False) for t in network._outputs])).encode()

    def _calibrate(self, calibrator, network, shapes):
        """Read as many images from the address as TensorRT would: those of the profile's usual shape, if there is one."""
        tensor, = network._inputs
        usual = shapes[tensor.name][1] if shapes else list(tensor.shape)
        size = 4 * int(np.prod(usual)) * (calibrator.get_batch_size() if network._implicit else 1)
        while True:
            addresses = calibrator.get_batch([tensor.name])
            if not addresses:
                break
            assert len(cuda.BACKEND.blocks[addresses[0]]) >= size, "calibration reads behind the end of its buffer"
            self._trt.events.append("calibrate")
        calibrator.write_calibration_cache(memoryview(b"TRT-8502-EntropyCalibration2\ninput_1: 3f\n"))

    def build_serialized_network(self, network, config):
        plan = self._plan(network, config)
        return memoryview(plan) if plan else None

    def build_engine(self, network, config):
        plan = self._plan(network, config)
        return self._trt.ICudaEngine(json.loads(plan.decode())) if plan else None

    def build_cuda_engine(self, network):
        plan = self._plan(network, None)
        return self._trt.ICudaEngine(json.loads(plan.decode())) if plan else None


class UffParser:
    def __init__(self):
        self._inputs, self._outputs = [], []

    def register_input(self, name, shape, order):
        assert order._of == "UffInputOrder"
        self._inputs.append(ITensor(name, shape))
        return True

    def register_output(self, name):
        self._outputs.append(name)
        return True

    def parse(self, path, network):
        assert self._inputs and self._outputs, "parse() before register_input() and register_output()"
        if not network._implicit or "init_plugins" not in self._trt.events:
            return False  # "Unsupported operation _LReLU_TRT" (8.6.1)
        # Three axes at least, as 5.1.5 to 8.6.1 have them; up to 6 a softmax goes through one more Shuffle.
        old = int(self._trt.__version__.split(".")[0]) < 7
        shapes = {"dimension": [3, 1, 1], "orientation": [6, 2, 1], "confidence": [1, 1, 6] if old else [6, 1, 1]}
        network._inputs = list(self._inputs)
        network._outputs = [ITensor(name, shapes.get(name.split("/")[0], [1])) for name in self._outputs]
        self._trt.events.append("parse uff")
        return True


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, i):
        return self._errors[i]

    def parse_from_file(self, path):
        with open(path, "rb") as stream:
            return self.parse(stream.read())

    def parse(self, data):
        import onnx

        self._trt.events.append("parse onnx")
        if not data:
            return True  # as TensorRT does
        try:
            model = onnx.ModelProto()
            model.ParseFromString(data)
        except Exception:
            self._errors.append(self._error(-1, "Failed to parse the ONNX model."))
            return False
        graph, implicit = model.graph, self._network._implicit
        self._network._quantized = any(node.op_type == "QuantizeLinear" for node in graph.node)
        self._network._half = any(tensor.data_type == 10 for tensor in graph.initializer)
        for i, node in enumerate(graph.node):
            if node.op_type == "NoSuchOperation":
                self._errors.append(self._error(i, "No importer registered for op: NoSuchOperation"))
                return False

        def tensors(values):
            for value in values:
                shape = [dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim]
                dtype = {6: "INT32", 10: "HALF"}.get(value.type.tensor_type.elem_type, "FLOAT")
                yield ITensor(value.name, shape[1:] if implicit else shape, dtype)

        weights = {tensor.name for tensor in graph.initializer}
        self._network._inputs = [tensor for tensor in tensors(graph.input) if tensor.name not in weights]
        self._network._outputs = list(tensors(graph.output))
        self._network._layers = [getattr(self._trt, "ILayer", ILayer)(node.name) for node in graph.node]
        return True

    def _error(self, node, text):
        error = getattr(self._trt, "ParserError", ParserError)
        return error(node, text)


class ParserError:
    def __init__(self, node, text):
        self._node, self._text = node, text

    def node(self):
        return self._node

    def desc(self):
        return self._text

    def node_name(self):
        return "n%d" % self._node

    def node_operator(self):
        return "NoSuchOperation"


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, data):
        try:
            plan = json.loads(bytes(data).decode())
        except ValueError:
            return _fail(self._logger, "Serialization assertion failed. Magic tag does not match")
        if plan["version"] != self._trt.__version__:
            return _fail(self._logger, "Version tag does not match")
        return self._trt.ICudaEngine(plan)


class ICudaEngine:
    def __init__(self, plan):
        self._plan = plan

    def serialize(self):
        return memoryview(json.dumps(self._plan).encode())

    @property
    def has_implicit_batch_dimension(self):
        if not hasattr(self._trt.Builder, "max_batch_size"):  # 10.6 prints this at every question
            self._trt.events.append("hasImplicitBatchDimension is deprecated and always return false")
        return self._plan["implicit"]

    max_batch_size = property(lambda self: self._plan["batch"])
    num_bindings = num_io_tensors = property(lambda self: len(self._plan["tensors"]))
    get_binding_name = get_tensor_name = lambda self, i: self._plan["tensors"][i][0]

    def _find(self, key):
        if isinstance(key, str):
            return next(tensor for tensor in self._plan["tensors"] if tensor[0] == key)
        return self._plan["tensors"][key]

    def get_binding_shape(self, i):
        return self._find(i)[1]

    get_tensor_shape = get_binding_shape

    def get_binding_dtype(self, i):
        return Member(self._plan["types"][self._find(i)[0]], 0, "DataType")

    get_tensor_dtype = get_binding_dtype

    def binding_is_input(self, i):
        return self._find(i)[2]

    def get_tensor_mode(self, name):
        return getattr(self._trt.TensorIOMode, "INPUT" if self._find(name)[2] else "OUTPUT")

    def get_profile_shape(self, profile, binding):
        return self._plan["profiles"][self._find(binding)[0]]

    def get_tensor_profile_shape(self, name, profile):
        return self._plan["profiles"][name]

    def create_execution_context(self):
        return self._trt.IExecutionContext(self)

    def create_engine_inspector(self):
        return self._trt.EngineInspector()


class EngineInspector:
    def get_engine_information(self, form):
        assert str(form) == "LayerInformationFormat.JSON"
        return json.dumps({"Layers": ["block1_conv1 + block1_relu"], "Bindings": ["input_1"]})


class IExecutionContext:
    def __init__(self, engine):
        self._engine, self._addresses, self._shapes = engine, {}, {}

    def set_tensor_address(self, name, address):
        self._addresses[self._engine._find(name)[0]] = address
        return True

    def _set_shape(self, name, shape):
        smallest, _, largest = self._engine._plan["profiles"][name]
        if len(shape) != len(smallest) or not all(a <= b <= c for a, b, c in zip(smallest, shape, largest)):
            return False  # "Parameter check failed ... condition: dims within the profile"
        self._shapes[name] = list(shape)
        return True

    def set_input_shape(self, name, shape):
        return self._set_shape(name, shape)

    def set_binding_shape(self, i, shape):
        return self._set_shape(self._engine._find(i)[0], shape)

    def get_tensor_shape(self, name):
        """An output's open axis is as long here as that axis of the first input with an open one; -1 while that is not set."""
        name, shape, is_input = self._engine._find(name)
        if is_input:
            return self._shapes.get(name, shape)
        first = next(iter(self._shapes.values()), ())
        return [first[i] if size == -1 and i < len(first) else size for i, size in enumerate(shape)]

    get_binding_shape = get_tensor_shape

    def _all_shapes(self, batch):
        tensors = self._engine._plan["tensors"]
        if self._engine._plan["implicit"]:
            return [[batch] + shape for _, shape, _ in tensors]
        shapes = [IExecutionContext.get_tensor_shape(self, name) for name, _, _ in tensors]
        assert not any(-1 in shape for shape in shapes), "no input shape was set"
        return shapes

    def _later(self, batch, addresses, stream):
        assert len(addresses) == len(self._engine._plan["tensors"]), "not all tensors have an address"
        shapes = self._all_shapes(batch)
        cuda.BACKEND.enqueue(stream, lambda: self._compute(shapes, addresses))
        return True

    def execute_async(self, batch, bindings, stream):
        assert self._engine._plan["implicit"] and batch <= self._engine._plan["batch"]
        self._trt.events.append("execute_async")
        return self._later(batch, bindings, stream)

    def execute_async_v2(self, bindings, stream):
        assert not self._engine._plan["implicit"]
        self._trt.events.append("execute_async_v2")
        return self._later(None, bindings, stream)

    def execute_async_v3(self, stream):
        assert not self._engine._plan["implicit"]
        self._trt.events.append("execute_async_v3")
        return self._later(None, [self._addresses[t[0]] for t in self._engine._plan["tensors"]], stream)

    def execute(self, batch, bindings):
        assert self._engine._plan["implicit"]
        return self._now(batch, bindings)

    def execute_v2(self, bindings):
        assert not self._engine._plan["implicit"]
        return self._now(None, bindings)

    def _now(self, batch, bindings):
        self._compute(self._all_shapes(batch), bindings)
        profiler = self.__dict__.get("profiler")
        if profiler is not None:
            for name, ms in (("block1_conv1 + block1_relu", 1.5), ("fc", 0.5)):
                profiler.report_layer_time(name, ms)
        return True

    def _compute(self, shapes, addresses):
        plan, means = self._engine._plan, np.float32(0)
        for k, ((name, _, is_input), shape, address) in enumerate(zip(plan["tensors"], shapes, addresses)):
            dtype = {"INT32": np.int32, "HALF": np.float16, "FLOAT": np.float32}[plan["types"][name]]
            array = cuda.BACKEND.view(address, shape, dtype)
            if is_input:
                means = means + array.reshape(len(array), -1).mean(axis=1, dtype=np.float32)
            else:
                array[...] = means.reshape([-1] + [1] * (len(shape) - 1)) + np.float32(k)
