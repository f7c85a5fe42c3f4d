"""Building a plan: the pieces in the order in which TensorRT wants them, and `build`, which puts them together."""
import contextlib
import errno
import hashlib
import re
import time
from pathlib import Path

import numpy as np

from uffsurgeon.names import did_you_mean

from .. import artifacts
from . import apart, plans
from . import precision as precisions
from .library import called, clean, collected, load_plugin, logger, network_flags, reason, register_own_plugins, tensorrt
from .model import Model, check_weights, load

PRECISIONS = ("fp32", "fp16", "int8")


def parse(trt, network, source, outputs=None, here=False):
    """Fill an empty network from an .onnx, or from a .uff where the API has an UffParser; returns the parser.

    Keep the parser until the plan is built: it may own the weights. source: path. outputs: names of the tensors that
    become outputs; by default those that the file marks. here: True for a file whose parser cannot end this process; a file
    outside of `build/` is otherwise parsed in a child before.

    Raises FileNotFoundError; ValueError when the file is not such a model, has no output of that name (with the nearest)
    or holds something that TensorRT cannot take (with every message of its parser, and the nodes); RuntimeError when the
    file ends the child.
    """
    model = load(source)
    if not here and apart.needed(trt, model.path):
        apart.parse(trt, model.path, outputs if outputs is None else list(outputs))
    register_own_plugins(trt)  # otherwise LReLU_TRT in a correct file is an "Unsupported operation"
    return (_parse_uff if model.is_uff else _parse_onnx)(trt, network, model, outputs)


def _parse_uff(trt, network, model, outputs):
    from uffsurgeon.uff import schema

    graph = model.content.graphs[0]
    nodes = {node.id for node in graph.nodes if node.operation != "MarkOutput"}
    outputs = list(outputs or [name for node in graph.nodes if node.operation == "MarkOutput" for name in node.inputs])
    _check_outputs(outputs, nodes, model.path)
    if not hasattr(trt, "UffParser"):
        raise ValueError("%s has no UffParser: convert %s with uffsurgeon.to_onnx first" % (called(trt), model.path))
    parser = trt.UffParser()
    for node in graph.nodes:
        if node.operation == "Input":
            shape = tuple(schema.field(node, "shape"))[1:]
            order = "NHWC" if len(shape) == 3 else "NC" if len(shape) == 1 else "NCHW"
            parser.register_input(node.id, shape, getattr(trt.UffInputOrder, order))
    for name in outputs:
        parser.register_output(name)
    del graph, node
    model.release()
    with collected(trt) as errors:
        done = parser.parse(str(model.path), network)
    if not done or errors or not network.num_outputs:
        raise ValueError("TensorRT's UffParser refuses %s: %s" % (model.path, reason(errors)))
    return parser


def _parse_onnx(trt, network, model, outputs):
    check_weights(model)
    model.release()
    parser = trt.OnnxParser(network, logger(trt))
    with collected(trt) as errors:
        if hasattr(parser, "parse_from_file"):  # which also finds weights that lie in files beside it
            done = parser.parse_from_file(str(model.path))
        else:
            done = parser.parse(model.path.read_bytes())
        found = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
    if not done or found:
        raise ValueError("TensorRT's OnnxParser refuses %s: %s" % (model.path, "; ".join(found) or reason(errors)))
    if not network.num_outputs:  # an empty file parses without a complaint
        raise ValueError("%s holds no network: it has no outputs" % model.path)
    tensors = {network.get_output(i).name: network.get_output(i) for i in range(network.num_outputs)}
    if outputs:
        _check_outputs(outputs, tensors, model.path)
        for name in set(tensors) - set(outputs):
            network.unmark_output(tensors[name])
    return parser


def _parser_error(error):
    """One line of a ParserError: newer versions give the name of the node, all of them its number."""
    where = "node %d" % error.node()
    if hasattr(error, "node_name"):
        where = "node %r (%s)" % (error.node_name(), error.node_operator())
    return "%s: %s" % (where, clean(error.desc()))


def _check_outputs(names, known, path):
    for name in names:
        if name not in known:
            raise ValueError("%s has no output %r%s" % (path, name, did_you_mean(name, sorted(known)) or
                                                        "; it has %s" % ", ".join(sorted(known)[:8])))


def settings(builder):
    """The object that takes the settings: an IBuilderConfig, or on TensorRT 5 the builder itself."""
    return builder.create_builder_config() if hasattr(builder, "create_builder_config") else builder


def set_workspace(trt, config, size):
    """Let layers use up to `size` bytes of scratch memory while they run."""
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size


def set_dla(trt, builder, config, core):
    """Run what can run there on DLA core `core`, the rest on the GPU. Raises RuntimeError where there is none."""
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


def set_shapes(trt, builder, network, config, batch, shapes=None, implicit=False):
    """Prepare for 1 to `batch` rows at once, tuned for `batch`, and for the `shapes` of other inputs.

    shapes: {input name: (smallest, usual, largest)}, full shapes with the batch axis, for inputs with other open axes.
    implicit: True for a network whose shapes leave the batch out, as UFF's do.
    Raises ValueError when the model has another fixed batch size, or an open axis without a shape.
    """
    if implicit:
        builder.max_batch_size = batch
        return
    shapes, profile = dict(shapes or {}), None
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = tuple(tensor.shape)
        if -1 not in shape:
            if batch > 1 and shape[:1] != (batch,):
                raise ValueError("input %r of the model, of shape %s, has no open batch and no batch of %d: convert it "
                                 "with an open one" % (tensor.name, list(shape), batch))
            continue
        if tensor.name not in shapes and -1 in shape[1:]:
            raise ValueError("input %r has open axes, %s: pass shapes={%r: (smallest, usual, largest)}"
                             % (tensor.name, list(shape), tensor.name))
        largest = (batch,) + shape[1:]
        profile = profile or builder.create_optimization_profile()
        profile.set_shape(tensor.name, *shapes.pop(tensor.name, ((1,) + shape[1:], largest, largest)))
    if shapes:
        raise ValueError("the model has no open input %s" % ", ".join(map(repr, sorted(shapes))))
    if profile is not None:
        config.add_optimization_profile(profile)


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


def build(source, path=None, precision="fp32", calibration=None, batch=1, shapes=None, workspace=1 << 30, dla=None,
          plugins=(), outputs=None, tf32=True, trt=None, here=False):
    """Build a plan from a .uff or .onnx and save it; returns its path. At once when a fresh one is there.

    path: by default `build/<model>.<precision>.plan`; ONNX files made on the way lie beside it.
    precision: "fp32", "fp16" or "int8". calibration: float32 [N, ...] images, preprocessed, for "int8"; at least `batch`.
    batch: the largest number of rows at once. shapes: {input name: (smallest, usual, largest)}, for inputs with more open
        axes than the batch axis. workspace: bytes of scratch memory. dla: core number.
    plugins: paths of plugin libraries. outputs: names of tensors. tf32: whether products in FP32 may be computed in TF32,
        where the GPU can. trt: the module, by default `tensorrt()`. here: True to build in this process; a model outside of
        `build/` is otherwise built in a child, since TensorRT may end the process that reads a damaged file.

    A .uff goes through UffParser where there is one, else through uffsurgeon.to_onnx. FP16 is a strongly typed network
    where TensorRT has one and no DLA is asked for (a float16 .onnx is made), else a flag, with normalisations and softmax
    kept in float32. Beside the plan lies a JSON with GPU, TensorRT, precision, source hash, size and build time; the plan
    is of use only to that GPU and TensorRT.

    Raises ValueError or FileNotFoundError for a model or arguments that do not work, RuntimeError when TensorRT, the
    GPU or a plugin does not, or the model changed meanwhile, FileExistsError when a file that was not built here is in the way,
    OSError when the plan cannot be saved; nothing half-written is left.
    """
    trt = trt or tensorrt()
    if precision not in PRECISIONS:
        raise ValueError("precision must be one of %s, not %r" % (", ".join(PRECISIONS), precision))
    if dla is not None and precision == "fp32":
        raise ValueError("a DLA computes in FP16 or INT8 only; choose one of them")
    source = Model(source)
    path = Path(str(path or artifacts.BUILD / ("%s.%s.plan" % (source.path.stem, precision))))
    loaded = [load_plugin(trt, plugin) for plugin in plugins]
    made_from = dict(plans.describe(trt), source=source.path.name, source_sha256=source.sha256, precision=precision,
                     batch=batch, workspace=workspace, dla=dla, outputs=list(outputs or []), gpu=plans.gpu_here(trt),
                     plugins=[artifacts.digest(plugin) for plugin in loaded])
    if not tf32:
        made_from["tf32"] = False
    if shapes:
        made_from["shapes"] = {name: [list(shape) for shape in three] for name, three in shapes.items()}
    if calibration is not None:
        made_from["calibration"] = _digest(calibration)
    if plans.fresh(path, made_from):
        return path
    if path.exists() and not artifacts.read_sidecar(path):
        raise FileExistsError(errno.EEXIST, "engine.build did not make this file, which has no record beside it. Move it away, "
                              "or give the plan another path", str(path))
    if not here and apart.needed(trt, source.path):
        source.release()
        return apart.build(trt, source.path, path, calibration, precision=precision, batch=batch, shapes=shapes,
                           workspace=workspace, dla=dla, plugins=loaded, outputs=made_from["outputs"] or None, tf32=tf32)
    start = time.time()
    model, quantized = _for_this(trt, source, path, precision, calibration, dla)
    ready = time.time()
    plan = _plan(trt, model, quantized, path, precision, calibration, batch, shapes, workspace, dla, outputs, tf32)
    for read in {source, model}:
        if artifacts.digest(read.path) != read.sha256:
            raise RuntimeError("%s changed while the plan was built from it: build again" % read.path)
    made_from.update(bytes=len(plan), graph_seconds=round(ready - start, 3), build_seconds=round(time.time() - ready, 3))
    plans.save(path, plan, made_from)
    return path


def _plan(trt, model, quantized, path, precision, calibration, batch, shapes, workspace, dla, outputs, tf32):
    builder = trt.Builder(logger(trt))
    flags = network_flags(trt, implicit=model.is_uff)
    typed = not model.is_uff and _takes_types(trt, dla) and precisions.is_half(model.content)
    by_flag = precisions.has_flag(trt, precision) and not typed
    wide = precisions.wide_nodes(model.content) if by_flag and precision == "fp16" and not model.is_uff else ()
    if typed:
        flags = (flags[0] | 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),)
    network = builder.create_network(*flags)
    parser = parse(trt, network, model, outputs, here=True)
    config = settings(builder)
    implicit = model.is_uff or config is builder
    set_workspace(trt, config, workspace)
    calibrator = None
    if precision == "int8" and not quantized:
        cache = path.with_suffix(".calibration")
        ranges_of = dict(plans.describe(trt), source_sha256=model.sha256, outputs=list(outputs or []))
        if calibration is not None:
            ranges_of["images"] = _digest(calibration)
        known = artifacts.read_sidecar(cache)  # a cache that came without one is taken where there are no images
        if cache.exists() and not known and calibration is not None:
            raise FileExistsError(errno.EEXIST, "engine.build did not make this file, which has no record beside it. Move it "
                                  "away, or leave the images out, to build with its ranges", str(cache))
        if known and any(known.get(key) != value for key, value in ranges_of.items()):
            for stale in filter(Path.exists, (cache, artifacts.sidecar_path(cache))):
                stale.unlink()
        # Where the batch is explicit, TensorRT reads as many images at once as the profile is tuned for.
        calibrator = precisions.calibrator(trt, calibration, cache, 1 if implicit else batch, ranges_of)
    if by_flag:
        precisions.set_precision(trt, builder, config, precision, calibrator)
    if wide:
        precisions.keep_wide(trt, network, config, wide)
    if not tf32 and hasattr(getattr(trt, "BuilderFlag", None), "TF32"):  # set by default
        config.clear_flag(trt.BuilderFlag.TF32)
    if dla is not None:
        set_dla(trt, builder, config, dla)
    set_shapes(trt, builder, network, config, batch, shapes, implicit)
    if config is not builder and hasattr(getattr(trt, "ProfilingVerbosity", None), "DETAILED"):
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for `Engine.inspect`
    timings = _use_timings(trt, config)
    plan = serialize(trt, builder, network, config)
    del parser  # only now: it may own the weights
    if timings is not None:
        with contextlib.suppress(OSError):  # without it the next build only takes longer
            artifacts.write(timings, bytes(config.get_timing_cache().serialize()))
    return plan


def _use_timings(trt, config):
    """Give the builder what earlier builds measured on this GPU, so that it does not time the same kernels again.

    Returns the path for what it knows afterwards; None before TensorRT 8 and for RTX, which do not keep it.
    """
    gpu = plans.gpu_here(trt)
    if gpu is None or not hasattr(config, "create_timing_cache"):
        return None
    path = artifacts.BUILD / ("timings.%s.%s.cache" % (trt.__version__, re.sub(r"\W+", "_", gpu["name"])))
    for known in ([path.read_bytes()] if path.is_file() else []) + [b""]:
        with collected(trt):  # of damaged bytes 8.6.1 makes a cache that it then refuses to set
            timings = config.create_timing_cache(known)
            if timings is not None and config.set_timing_cache(timings, ignore_mismatch=False):
                break
    return path


def _takes_types(trt, dla):
    """Whether a typed network is made. Strong typing and a DLA exclude each other where FP16 is still a flag."""
    return precisions.obeys_types(trt) and (dla is None or not precisions.has_flag(trt, "fp16"))


def _for_this(trt, model, path, precision, calibration, dla):
    """(`Model` to parse, whether it is quantised): the source, or what has to be made of it for this TensorRT."""
    halve = precision == "fp16" and (_takes_types(trt, dla) or not precisions.has_flag(trt, "fp16"))
    stem = model.path.stem
    if model.is_uff and hasattr(trt, "UffParser"):
        return model, False
    if model.is_uff:
        from uffsurgeon import to_onnx

        model = _made(path.with_name(stem + (".fp16.onnx" if halve else ".onnx")), model,
                      lambda source: to_onnx.convert(source.content, precision="fp16" if halve else "fp32"), half=halve)
    if halve and not precisions.is_half(model.content):
        check_weights(model)  # float16 has none that are too large: the converter clips them
        return _made(path.with_name(stem + ".fp16.onnx"), model,
                     lambda source: precisions.halved(source.content), half=True), False
    quantized = precision == "int8" and precisions.is_quantized(model.content)
    if precision == "int8" and not quantized and not hasattr(trt, "IInt8EntropyCalibrator2"):
        if calibration is None:
            raise ValueError("INT8 needs calibration images: float32 [N, ...], preprocessed")
        check_weights(model)
        return _made(path.with_name(stem + ".int8.onnx"), model, lambda source: precisions.quantized(source, calibration),
                     calibration=_digest(calibration)), True
    return model, quantized


def _made(target, source, make, **how):
    """The `Model` at `target`; where it is missing or stale, the ModelProto of make(source) is saved there first.

    A file of that name that was not made here stays, and the model has a number in its name.
    """
    made_from, content, target = dict(how, source=source.path.name, source_sha256=source.sha256), None, _unless_theirs(target)
    if artifacts.fresh(target, **made_from):
        made = Model(target)
    else:
        content = make(source)
        data = content.SerializeToString()
        made = Model(artifacts.write(target, data, **made_from), content, hashlib.sha256(data).hexdigest())
    source.release()
    return made


def _unless_theirs(path):
    """`path`, or the first of `NAME.2.onnx`, `NAME.3.onnx`, ... where nobody else's file lies."""
    place, number = path, 1
    while place.exists() and artifacts.read_sidecar(place).get("sha256") != artifacts.digest(place):
        number += 1
        place = path.with_name("%s.%d%s" % (path.stem, number, path.suffix))
    return place


def _digest(images):
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
