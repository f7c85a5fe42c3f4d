"""Building a plan: the pieces in the order in which TensorRT wants them, and `build`, which puts them together."""
import contextlib
import difflib
import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper

from .. import artifacts
from . import plans
from . import precision as precisions
from .library import (
    called,
    clean,
    collected,
    load_plugin,
    logger,
    network_flags,
    reason,
    register_own_plugins,
    tensorrt,
)

PRECISIONS = ("fp32", "fp16", "int8")


def parse(trt, network, source, outputs=None):
    """Fill an empty network from an .onnx, or from a .uff where the API has an UffParser; returns the parser.

    Keep the parser until the plan is built: it may own the weights. outputs: names of tensors to give out, by
    default those that the file marks.

    Raises FileNotFoundError; ValueError when the file is no such model, has no output of that name (with the nearest)
    or holds something that TensorRT cannot take (with every message of its parser, and the nodes).
    """
    source = str(source)
    if not os.path.isfile(source):
        raise FileNotFoundError("no model at %s" % source)
    register_own_plugins(trt)  # else a sound file with LReLU_TRT is an "Unsupported operation"
    return (_parse_uff if source.endswith(".uff") else _parse_onnx)(trt, network, source, outputs)


def _parse_uff(trt, network, source, outputs):
    from uffsurgeon.uff import schema

    graph = schema.read(source).graphs[0]
    nodes = {node.id: node for node in graph.nodes if node.operation != "MarkOutput"}
    outputs = list(outputs or [name for node in graph.nodes if node.operation == "MarkOutput" for name in node.inputs])
    _known(outputs, nodes, source)
    if not hasattr(trt, "UffParser"):
        raise ValueError("%s has no UffParser: convert %s with uffsurgeon.to_onnx first"
                         % (called(trt), source))
    parser = trt.UffParser()
    for node in graph.nodes:
        if node.operation == "Input":
            shape = tuple(schema.field(node, "shape"))[1:]
            order = "NHWC" if len(shape) == 3 else "NC" if len(shape) == 1 else "NCHW"
            parser.register_input(node.id, shape, getattr(trt.UffInputOrder, order))
    for name in outputs:
        parser.register_output(name)
    with collected(trt) as errors:
        done = parser.parse(source, network)
    if not done or errors or not network.num_outputs:
        raise ValueError("TensorRT's UffParser refuses %s: %s" % (source, reason(errors)))
    return parser


def _parse_onnx(trt, network, source, outputs):
    _check_weights(source)
    parser = trt.OnnxParser(network, logger(trt))
    with collected(trt) as errors:
        if hasattr(parser, "parse_from_file"):  # also finds weights that lie in files beside
            done = parser.parse_from_file(source)
        else:
            done = parser.parse(Path(source).read_bytes())
        found = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
    if not done or found:
        raise ValueError("TensorRT's OnnxParser refuses %s: %s" % (source, "; ".join(found) or reason(errors)))
    if not network.num_outputs:  # an empty file parses without a complaint
        raise ValueError("%s holds no network: nothing in it is an output" % source)
    tensors = {network.get_output(i).name: network.get_output(i) for i in range(network.num_outputs)}
    if outputs:
        _known(outputs, tensors, source)
        for name in set(tensors) - set(outputs):
            network.unmark_output(tensors[name])
    return parser


def _check_weights(source):
    """ValueError for NaN or infinity among the weights, about which no TensorRT says a word."""
    try:
        weights = onnx.load(source).graph.initializer
    except Exception:  # no model: TensorRT's parser says it better
        return
    for tensor in weights:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("weight %r in %s holds NaN or infinity" % (tensor.name, source))


def _parser_error(error):
    """One line of a ParserError; which node it is can be asked in newer versions by name, in all by number."""
    where = "node %d" % error.node()
    if hasattr(error, "node_name"):
        where = "node %r (%s)" % (error.node_name(), error.node_operator())
    return "%s: %s" % (where, clean(error.desc()))


def _known(names, have, source):
    for name in names:
        if name not in have:
            near = difflib.get_close_matches(name, list(have), 3, 0.4)
            raise ValueError("%s has no output %r; %s" % (source, name, "did you mean %s?" % " or ".join(
                map(repr, near)) if near else "it has %s" % ", ".join(sorted(have)[:8])))


def settings(builder):
    """Where wishes are put: an IBuilderConfig, or on TensorRT 5 the builder itself."""
    return builder.create_builder_config() if hasattr(builder, "create_builder_config") else builder


def set_workspace(trt, config, size):
    """Let layers use up to `size` bytes of scratch memory while they run."""
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size


def set_dla(trt, builder, config, core):
    """Run what can run there on DLA core `core`, the rest on the GPU. Raises RuntimeError where that cannot be asked."""
    if config is builder or not hasattr(config, "DLA_core"):
        raise RuntimeError("the Python API of %s cannot choose a DLA; plugin_src/build_engine.cpp can"
                           % called(trt))
    cores = getattr(builder, "num_DLA_cores", None)
    if cores is not None and core >= cores:
        raise RuntimeError("no DLA core %d here: TensorRT finds %d. AGX Xavier, Xavier NX, AGX Orin and Orin NX "
                           "have two" % (core, cores))
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def set_batch(trt, builder, network, config, largest, implicit=None):
    """Prepare for 1 to `largest` images at once, tuned for `largest`.

    implicit: True for a network whose shapes leave the batch out, as UFF's do; by default the network is asked, which
    not every TensorRT 6 and 7 answers. Raises ValueError when the model has another fixed batch size.
    """
    if implicit is None:
        implicit = getattr(network, "has_implicit_batch_dimension", config is builder)
    if implicit:
        builder.max_batch_size = largest
        return
    profile = None
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = tuple(tensor.shape)
        if shape[0] == -1:
            profile = profile or builder.create_optimization_profile()
            profile.set_shape(tensor.name, (1,) + shape[1:], (largest,) + shape[1:], (largest,) + shape[1:])
        elif shape[0] != largest:
            raise ValueError("input %r of the model is made for a batch of %d, not %d: convert it with an open batch"
                             % (tensor.name, shape[0], largest))
    if profile is not None:
        config.add_optimization_profile(profile)


def set_progress(trt, config, report, stop):
    """Call report(phase, step, steps) during the build, and end it once the list `stop` has an exception in it.

    What `report` raises goes there too: raised inside a call from C++ it would be lost. Returns the monitor, to be
    kept until the plan is built, or None where the API has no IProgressMonitor.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.steps = {}

        def phase_start(self, phase_name, parent_phase, num_steps):
            self.steps[phase_name] = num_steps
            self._tell(phase_name, 0)

        def phase_finish(self, phase_name):
            self._tell(phase_name, self.steps.get(phase_name, 0))

        def step_complete(self, phase_name, step):
            self._tell(phase_name, step + 1)
            return not stop

        def _tell(self, phase, step):
            try:
                if report is not None and not stop:
                    report(phase, step, self.steps.get(phase, step))
            except BaseException as error:
                stop.append(error)

    config.progress_monitor = monitor = Monitor()
    return monitor


@contextlib.contextmanager
def _interrupts_into(stop):
    """Within the block Ctrl-C adds a KeyboardInterrupt to the list `stop`; in the main thread only."""
    try:
        before = signal.signal(signal.SIGINT, lambda *_: stop.append(KeyboardInterrupt("the build was interrupted")))
    except ValueError:  # another thread, which no Ctrl-C reaches
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def serialize(trt, builder, network, config):
    """Build, and return the plan as bytes. RuntimeError with TensorRT's reasons when it cannot."""
    with collected(trt) as errors:
        if hasattr(builder, "build_serialized_network"):
            plan = builder.build_serialized_network(network, config)
        else:
            engine = (builder.build_cuda_engine(network) if config is builder else
                      builder.build_engine(network, config))
            plan = engine.serialize() if engine is not None else None
    if plan is None:
        raise RuntimeError("%s built no plan: %s" % (called(trt), reason(errors)))
    return bytes(plan)


def build(source, path=None, precision="fp32", calibration=None, batch=1, workspace=1 << 30, dla=None, plugins=(),
          outputs=None, progress=None, trt=None):
    """Build a plan from a .uff or .onnx and save it; returns its path. At once when a fresh one is there.

    path: default `build/<model>.<precision>.plan`; ONNX files made on the way lie beside it.
    precision: "fp32", "fp16" or "int8". calibration: float32 [N, ...] images, preprocessed, for "int8"; at least `batch`.
    batch: the largest number of images at once. workspace: bytes of scratch memory. dla: core number.
    plugins: paths of plugin libraries. outputs: names of tensors. progress: called as (phase, step, steps).

    A .uff goes through UffParser where there is one, else through uffsurgeon.to_onnx. FP16 is a strongly typed network
    where TensorRT has one and no DLA is asked for (a float16 .onnx is made), else a flag, with normalisations and softmax
    kept in float32. Beside the plan lies a JSON with GPU, TensorRT, precision, source hash, size and build time; the plan
    is of use only to that GPU and TensorRT.

    Raises ValueError or FileNotFoundError for a model or arguments that do not work, RuntimeError when TensorRT, the
    GPU or a plugin does not, OSError when the plan cannot be saved; nothing half-written is left.
    """
    trt, source = trt or tensorrt(), Path(str(source))
    if precision not in PRECISIONS:
        raise ValueError("precision must be one of %s, not %r" % (", ".join(PRECISIONS), precision))
    if dla is not None and precision == "fp32":
        raise ValueError("a DLA computes in FP16 or INT8 only; choose one of them")
    if not source.is_file():
        raise FileNotFoundError("no model at %s" % source)
    path = Path(str(path or artifacts.BUILD / ("%s.%s.plan" % (source.stem, precision))))
    loaded = [load_plugin(trt, plugin) for plugin in plugins]
    made_from = dict(plans.describe(trt), source=source.name, source_sha256=artifacts.digest(source), precision=precision,
                     batch=batch, workspace=workspace, dla=dla, outputs=list(outputs or []), gpu=plans.gpu_here(trt),
                     plugins=[artifacts.digest(plugin) for plugin in loaded])
    if calibration is not None:
        made_from["calibration"] = _digest(calibration)
    if plans.fresh(path, made_from):
        return path
    start = time.time()
    model, quantized = _graph(trt, source, path, precision, calibration, dla)
    ready = time.time()
    plan = _plan(trt, model, quantized, path, precision, calibration, batch, workspace, dla, outputs, progress)
    made_from.update(bytes=len(plan), graph_seconds=round(ready - start, 3), build_seconds=round(time.time() - ready, 3))
    plans.save(path, plan, made_from)
    return path


def _plan(trt, model, quantized, path, precision, calibration, batch, workspace, dla, outputs, progress):
    builder = trt.Builder(logger(trt))
    flags = network_flags(trt, implicit=model.suffix == ".uff")
    typed = model.suffix != ".uff" and _takes_types(trt, dla) and precisions.is_half(model)
    if typed:
        flags = (flags[0] | 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),)
    network = builder.create_network(*flags)
    parser = parse(trt, network, model, outputs)
    config = settings(builder)
    implicit = model.suffix == ".uff" or config is builder
    set_workspace(trt, config, workspace)
    calibrator = None
    if precision == "int8" and not quantized:
        cache = path.with_suffix(".calibration")
        ranges_of = dict(plans.describe(trt), source_sha256=artifacts.digest(model), outputs=list(outputs or []))
        if calibration is not None:
            ranges_of["images"] = _digest(calibration)
        known = artifacts.read_sidecar(cache)  # a cache that came without one is taken where there are no images
        if (known or calibration is not None) and any(known.get(key) != value for key, value in ranges_of.items()):
            for stale in filter(Path.exists, (cache, artifacts.sidecar_path(cache))):
                stale.unlink()
        # Where the batch is explicit, TensorRT reads as many images at once as the profile is tuned for.
        calibrator = precisions.calibrator(trt, calibration, cache, 1 if implicit else batch)
    if precisions.has_flag(trt, precision) and not typed:
        precisions.set_precision(trt, builder, config, precision, calibrator)
        if precision == "fp16" and model.suffix != ".uff":
            precisions.keep_wide(trt, network, config, precisions.wide_nodes(model))
    if dla is not None:
        set_dla(trt, builder, config, dla)
    set_batch(trt, builder, network, config, batch, implicit)
    if config is not builder and hasattr(getattr(trt, "ProfilingVerbosity", None), "DETAILED"):
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that EngineInspector has something to tell
    stop, plan, failure = [], None, None
    monitor = set_progress(trt, config, progress, stop)
    with _interrupts_into(stop):
        try:
            plan = serialize(trt, builder, network, config)
        except RuntimeError as error:
            failure = error
    del monitor
    if stop or failure:
        raise stop[0] if stop else failure
    del parser  # only now: it may own the weights
    if calibrator is not None and calibration is not None and cache.exists():
        artifacts.write_sidecar(cache, **ranges_of)
    return plan


def _takes_types(trt, dla):
    """Whether types in the .onnx are orders. Strong typing and a DLA exclude each other where FP16 is still a flag."""
    return precisions.obeys_types(trt) and (dla is None or not precisions.has_flag(trt, "fp16"))


def _graph(trt, source, path, precision, calibration, dla):
    """(file to parse, whether it is quantised): the source, or what has to be made of it for this TensorRT."""
    model, in_graph = source, precision == "fp16" and (_takes_types(trt, dla) or not precisions.has_flag(trt, "fp16"))
    if source.suffix == ".uff" and not hasattr(trt, "UffParser"):
        from uffsurgeon import to_onnx

        model = path.with_name(source.stem + (".fp16.onnx" if in_graph else ".onnx"))
        _make(model, source, lambda: to_onnx.convert(str(source), str(model), precision="fp16" if in_graph else "fp32"),
              half=in_graph)
    if model.suffix == ".uff":
        return model, False
    if in_graph and not precisions.is_half(model):
        halved = path.with_name(source.stem + ".fp16.onnx")
        _make(halved, model, lambda: precisions.half(model, halved), half=True)
        return halved, False
    quantized = precision == "int8" and precisions.is_quantized(model)
    if precision == "int8" and not quantized and not hasattr(trt, "IInt8EntropyCalibrator2"):
        if calibration is None:
            raise ValueError("INT8 needs calibration images: float32 [N, ...], preprocessed")
        explicit = path.with_name(source.stem + ".int8.onnx")
        _make(explicit, model, lambda: precisions.quantize(model, calibration, explicit),
              calibration=_digest(calibration))
        return explicit, True
    return model, quantized


def _make(target, source, make, **how):
    made_from = dict(how, source=source.name, source_sha256=artifacts.digest(source))
    if not artifacts.fresh(target, **made_from):
        make()
        artifacts.write_sidecar(target, **made_from)


def _digest(images):
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
