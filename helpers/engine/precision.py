"""FP16 and INT8, in the two ways that TensorRT has had.

Up to TensorRT 10 precision can be a setting of the builder: a flag, and for INT8 a calibrator that runs images through the
network to learn each tensor's range. From 11 on, and in TensorRT for RTX, precision is in the graph: float16 tensors,
or QuantizeLinear and DequantizeLinear pairs. TensorRT 9 and 10 take float16 tensors in a strongly typed network, and
8 to 10 the pairs.
"""
import contextlib
import fnmatch
import inspect
import logging
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from .. import artifacts, cuda, process
from .library import called
from .model import hollow, load
from .onnx_files import sort

QUANTIZED = ("QuantizeLinear", "DequantizeLinear")
REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSumExp")
ELEMENTWISE = ("Abs", "Add", "Clip", "Div", "Exp", "Log", "Max", "Min", "Mul", "Pow", "Reciprocal", "Sqrt", "Sub")
WIDE_OPERATIONS = ["Softmax", "LogSoftmax", "LpNormalization", "LayerNormalization", "InstanceNormalization", "Resize"]
HALF_RANGE = {"min_positive_val": 5.96e-8, "max_finite_val": 65504.0}  # old converters clip weights at 1e4


def has_flag(trt, precision):
    """True when a flag of this TensorRT allows `precision` ("fp16", "int8"); else the graph has to hold it."""
    if not hasattr(trt, "IBuilderConfig"):
        return hasattr(trt.Builder, precision + "_mode")
    return hasattr(trt.BuilderFlag, precision.upper())


def set_precision(trt, builder, config, precision, calibrator=None):
    """Allow the builder to use FP16 or INT8, where that is a flag; calibrator: from `calibrator`, None for a Q/DQ graph.

    Warns when the GPU gains nothing from it. Raises ValueError when this TensorRT has no such flag.
    """
    if precision == "fp32":
        return
    if not has_flag(trt, precision):
        raise ValueError("%s has no flag for %s: the precision has to be in the graph, see "
                         "engine.half and engine.quantize" % (called(trt), precision))
    if not getattr(builder, "platform_has_fast_" + precision, True):
        warnings.warn("this GPU has no fast %s: the plan will not be quicker than FP32" % precision.upper())
    if config is builder:
        setattr(builder, precision + "_mode", True)
    else:
        config.set_flag(getattr(trt.BuilderFlag, precision.upper()))
    if calibrator is not None:
        config.int8_calibrator = calibrator


def keep_wide(trt, network, config, names):
    """Make the builder compute the layers of these names in float32 although FP16 is allowed.

    For TensorRT 5 to 8, where FP16 is a flag: there a cast in the file is only a hint. A strongly typed network needs
    none of this.
    """
    layers = [layer for layer in map(network.get_layer, range(network.num_layers)) if layer.name in names]
    for layer in layers:
        if layer.get_output(0).dtype in (trt.float32, trt.float16):  # not a sum over shapes
            layer.precision = trt.float32
            layer.set_output_type(0, trt.float32)
    if len({layer.name for layer in layers}) < len(names):
        warnings.warn("%s gives layers other names than the file: %s may be computed in FP16"
                      % (called(trt), ", ".join(sorted(set(names) - {layer.name for layer in layers})[:4])))
    if layers and hasattr(trt, "BuilderFlag"):
        flag = "OBEY_PRECISION_CONSTRAINTS" if hasattr(trt.BuilderFlag, "OBEY_PRECISION_CONSTRAINTS") else "STRICT_TYPES"
        config.set_flag(getattr(trt.BuilderFlag, flag))
    elif layers:
        config.strict_type_constraints = True


def obeys_types(trt):
    """True when this TensorRT has strongly typed networks, which compute in the types of the .onnx: 9 and later, RTX."""
    return hasattr(getattr(trt, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED")


def half(source, path):
    """Write the float16 form of an .onnx whose inputs and outputs stay float32; returns `path`.

    Softmax and every normalisation (a sum or mean over an axis, from the square before it to the division after it) are
    computed in float32, without float16 between their nodes: in float16 a square overflows from 256 on, and an epsilon of
    1e-12 is zero. So are operations of another domain, that is plugins and local functions.
    `uffsurgeon.to_onnx.convert(..., precision="fp16")` does the same for a .uff.

    source: path of an .onnx. Raises FileNotFoundError, and ValueError for a graph with a cycle.
    """
    artifacts.write(path, halved(load(source).content).SerializeToString())
    return Path(path)


def halved(model):
    """The float16 form of a ModelProto, as `half` describes it. The ModelProto given is changed."""
    process.onnxruntime()  # imported without its telemetry
    from onnxruntime.transformers.float16 import convert_float_to_float16

    for number, node in enumerate(model.graph.node):
        node.name = node.name or "%s_%d" % (node.op_type, number)
    others = {node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    _infer_types(model)
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=WIDE_OPERATIONS + sorted(others),
                                     node_block_list=[node.name for node in _normalisations(model.graph)],
                                     disable_shape_infer=True, **HALF_RANGE)
    _join_wide(model.graph)
    sort(model.graph)
    return model


def _infer_types(model):
    """Put the type of every tensor into the graph, which the converter needs, without making a copy of the weights."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(hollow(model)).graph.value_info
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred)


def _normalisations(graph):
    """The nodes that square, reduce, take the root and divide: all of each normalisation in an ONNX graph."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(name for node in graph.node if node.op_type == "Constant" for name in node.output)
    found = {}

    def is_elementwise(node):
        return node is not None and node.op_type in ELEMENTWISE

    for reduction in graph.node:
        if reduction.op_type not in REDUCTIONS:
            continue
        found[reduction.output[0]] = reduction
        square = makers.get(reduction.input[0])
        if is_elementwise(square):
            found[square.output[0]] = square
        waiting = [reduction]
        while waiting:
            outputs = set(waiting.pop().output)
            for consumer in graph.node:
                if not outputs & set(consumer.input) or not is_elementwise(consumer) or consumer.output[0] in found:
                    continue
                found[consumer.output[0]] = consumer
                outside = [name for name in consumer.input if name and name not in constants
                           and (name not in makers or makers[name].output[0] not in found)]
                if not outside:  # the division by the norm reads a tensor from outside, and ends the normalisation
                    waiting.append(consumer)
    return list(found.values())


def _join_wide(graph):
    """Let float32 nodes, and outputs of the graph, read a float32 node directly where the converter put float16 between."""
    from onnx import TensorProto

    narrowed = {node.output[0]: node for node in graph.node
                if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16}
    made, outputs = {name for node in graph.node for name in node.output}, {value.name for value in graph.output}

    def rename(old, new):
        for node in graph.node:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    if name == old:
                        names[position] = new

    for node in list(graph.node):
        if node.op_type != "Cast" or node.attribute[0].i != TensorProto.FLOAT or node.input[0] not in narrowed:
            continue
        wide, again = narrowed[node.input[0]].input[0], node.output[0]
        if again not in outputs:
            graph.node.remove(node)
            rename(again, wide)
        elif wide in made and wide not in outputs:
            graph.node.remove(node)
            rename(wide, again)
            outputs.add(again)
    for name, node in narrowed.items():
        if name not in outputs and not any(name in other.input for other in graph.node):
            graph.node.remove(node)


def is_half(model):
    """True when a ModelProto has float16 weights."""
    from onnx import TensorProto

    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)


def wide_nodes(model):
    """Names of the nodes of a ModelProto that need float32 where the rest may be float16: normalisations, softmax."""
    nodes = _normalisations(model.graph) + [node for node in model.graph.node if node.op_type in WIDE_OPERATIONS]
    return {node.name or node.output[0] for node in nodes}


def is_quantized(model):
    """True when a ModelProto has QuantizeLinear or DequantizeLinear nodes."""
    return any(node.op_type in QUANTIZED for node in model.graph.node)


def quantize(source, images, path, keep=()):
    """Write an .onnx with explicit INT8: Q/DQ pairs before convolutions and wide dense layers; returns `path`.

    source: path of an .onnx, opset 13 or later, float32, with one input. images: float32 [N, ...] in the shape of that
    input, preprocessed: the range of every tensor is learned from them, so they should look like what will come.
    Made as TensorRT wants it: symmetric (zero point 0), one scale per output channel of a weight, biases in float, and no
    pair between a layer and its activation, which would keep TensorRT from computing the two in one kernel.
    Ranges are the largest values seen (min-max); TensorRT's own `calibrator` clips the rare ones (entropy).
    Dense layers with fewer than 32 outputs stay in float: they cost nothing, and their outputs are the answers. keep:
    names of more layers that should, such as ("block1_*",).
    Raises FileNotFoundError, and ValueError for images or a graph that do not fit, or a name in `keep` that no layer has.
    """
    artifacts.write(path, quantized(load(source), images, keep).SerializeToString())
    process.give_back_memory()
    return Path(path)


def quantized(source, images, keep=()):
    """The ModelProto that `quantize` writes. source: a `Model`, which is released."""
    import onnx
    process.onnxruntime()  # imported without its telemetry
    from onnxruntime import quantization

    model = source.content
    if is_quantized(model):
        raise ValueError("%s is quantised already" % source.path)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < 13:
        raise ValueError("%s has opset %d; scales per channel need 13 or later" % (source.path, opset))
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ValueError("%s has %d inputs; calibration images are for one" % (source.path, len(inputs)))
    images = check_array(inputs[0].name, images, [dim.dim_value or -1 for dim in inputs[0].type.tensor_type.shape.dim][1:])
    step = inputs[0].type.tensor_type.shape.dim[0].dim_value or 1
    batches = iter([{inputs[0].name: images[i:i + step]} for i in range(0, len(images) - step + 1, step)])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(batches, None)

    weighted, options = ["Conv", "MatMul", "Gemm"], {}
    layers = [node.name for node in model.graph.node if node.op_type in weighted]
    unknown = [name for name in keep if not fnmatch.filter(layers, name)]
    if unknown:
        raise ValueError("no layer of %s is called %s; there are %s" % (source.path.name, unknown[0], ", ".join(layers[:4])))
    kept = [name for name in layers if any(fnmatch.fnmatchcase(name, word) for word in keep)]
    for node in model.graph.node:
        shape = weights.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") and len(node.input) > 1 else None
        transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
        narrow = shape and shape[0 if transposed else -1] < 32
        if narrow or node.op_type == "Softmax":  # ONNX Runtime 1.19 adjusts a softmax's range and fails without one
            node.name = node.name or ("dense_to_" if narrow else "softmax_to_") + node.output[0]
            kept.append(node.name)
    if "optimize_model" in inspect.signature(quantization.quantize_static).parameters:
        options["optimize_model"] = False  # up to ONNX Runtime 1.11; it would rename and fuse nodes
    with tempfile.TemporaryDirectory() as folder:
        named, made = os.path.join(folder, "named.onnx"), os.path.join(folder, "int8.onnx")
        onnx.save(model, named)  # ONNX Runtime takes a path, and writes beside it
        del model
        source.release()
        process.give_back_memory()
        with _quietly_in(folder):
            quantization.quantize_static(
                named, made, Reader(), quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=weighted + ["Softmax"], nodes_to_exclude=kept, per_channel=True,
                activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False,
                               "OpTypesToExcludeOutputQuantization": weighted,
                               "OpTypesToExcludeOutputQuantizatioin": weighted}, **options)  # so spelt up to 1.12
        model = onnx.load(made)
    _float_biases(model)
    return model


def _float_biases(model):
    """Undo int32 biases, which ONNX Runtime before 1.14 always makes and no TensorRT takes."""
    from onnx import TensorProto, numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in list(model.graph.node):
        tensor = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if tensor is not None and tensor.data_type == TensorProto.INT32:
            scale = numpy_helper.to_array(stored[node.input[1]])
            value = (numpy_helper.to_array(tensor) * scale).astype(np.float32)
            model.graph.initializer.extend([numpy_helper.from_array(value, node.output[0])])
            model.graph.node.remove(node)
            for name in node.input:
                if name in stored and not any(name in other.input for other in model.graph.node):
                    model.graph.initializer.remove(stored.pop(name))


@contextlib.contextmanager
def _quietly_in(folder):
    """ONNX Runtime warns of a preparation that changes nothing here, and before 1.14 leaves a file where it runs."""
    level, home = logging.root.manager.disable, os.getcwd()
    logging.disable(logging.WARNING)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(home)
        logging.disable(level)


def check_array(name, values, shape, dtype=np.float32):
    """`values` as a C-contiguous array for the input `name`, or ValueError: wrong dtype, wrong shape, NaN.

    shape: of one row, that is without the batch axis; -1 fits any length.
    """
    array = np.asarray(values)
    if array.dtype != dtype:
        raise ValueError("input %r takes %s, not %s%s" % (name, np.dtype(dtype), array.dtype, (
            ": pass images through network.preprocess first" if dtype == np.float32 else "")))
    if array.ndim != len(shape) + 1 or any(want not in (-1, have) for want, have in zip(shape, array.shape[1:])):
        raise ValueError("an array of shape %s does not fit input %r, which takes [%s]" % (
            list(array.shape), name, ", ".join(["N"] + ["any" if size == -1 else str(size) for size in shape])))
    if not len(array):
        raise ValueError("no images: the batch axis of %s has length 0" % (list(array.shape),))
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise ValueError("row %d of input %r holds NaN or infinity" % (np.flatnonzero(bad)[0], name))
    return np.ascontiguousarray(array)


def calibrator(trt, images, cache, batch=1, made_from=None):
    """TensorRT's entropy calibrator over `images` (float32 [N, ...], preprocessed), for TensorRT 5 to 10.

    cache: a file that keeps the ranges found, so that a second build needs no images (they may be None then) and no
        calibration; trtexec and plugin_src's build_engine read the same file. It belongs to one network and one
        TensorRT version.
    batch: how many images a step; TensorRT asks for steps until they end. made_from: for the sidecar of the cache.

    Raises AttributeError on a TensorRT without calibrators (`hasattr(trt, "IInt8EntropyCalibrator2")`), ValueError
    when there is neither a cache nor an image, RuntimeError without a GPU.
    """
    if images is None and not os.path.isfile(str(cache)):
        raise ValueError("INT8 needs calibration images, or a cache from an earlier calibration at %s" % cache)
    if images is not None and len(images) < batch:
        raise ValueError("%d calibration images do not fill one batch of %d" % (len(images), batch))

    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.next = 0
            self.memory = cuda.Buffer(images[:batch].nbytes) if images is not None else None

        def get_batch_size(self):
            return batch

        def get_batch(self, names, *_):
            step = images[self.next:self.next + batch] if images is not None else ()
            if len(step) < batch:
                return None  # the end
            self.memory.upload(np.ascontiguousarray(step))
            self.next += batch
            return [self.memory.address]

        def read_calibration_cache(self, *_):
            return Path(str(cache)).read_bytes() if os.path.isfile(str(cache)) else None

        def write_calibration_cache(self, ranges, *_):
            artifacts.write(cache, bytes(ranges), **(made_from or {}))

    return Calibrator()
