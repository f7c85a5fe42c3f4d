"""FP16 and INT8, in the two ways that TensorRT has had.

Up to TensorRT 10 precision can be a setting of the builder: a flag, and for INT8 a calibrator that runs images through the
network to learn each tensor's range. From 11 on, and in TensorRT for RTX, precision is in the graph: float16 tensors,
or QuantizeLinear and DequantizeLinear pairs. TensorRT 9 and 10 take float16 tensors in a strongly typed network, and
8 to 10 the pairs.
"""
import contextlib
import inspect
import logging
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from .. import artifacts, cuda
from .library import called

QUANTIZED = ("QuantizeLinear", "DequantizeLinear")
REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSumExp")
ELEMENTWISE = ("Abs", "Add", "Clip", "Div", "Exp", "Log", "Max", "Min", "Mul", "Pow", "Reciprocal", "Sqrt", "Sub")
WIDE_OPERATIONS = ["Softmax", "LogSoftmax", "LpNormalization", "LayerNormalization", "InstanceNormalization", "Resize"]
HALF_RANGE = {"min_positive_val": 5.96e-8, "max_finite_val": 65504.0}  # old converters clip weights at 1e4


def has_flag(trt, precision):
    """True when this TensorRT lets a flag choose `precision` ("fp16", "int8"); else the graph has to say it."""
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
    """Have the layers of these names computed in float32 although FP16 is allowed, and TensorRT obey.

    For TensorRT 5 to 8, where FP16 is a flag: there a cast in the file is only a hint. Later a typed network says it.
    """
    layers = [layer for layer in map(network.get_layer, range(network.num_layers)) if layer.name in names]
    for layer in layers:
        if layer.get_output(0).dtype in (trt.float32, trt.float16):  # not a sum over shapes
            layer.precision = trt.float32
            layer.set_output_type(0, trt.float32)
    if len({layer.name for layer in layers}) < len(names):
        warnings.warn("%s names its layers otherwise than the file: %s may be computed in FP16"
                      % (called(trt), ", ".join(sorted(set(names) - {layer.name for layer in layers})[:4])))
    if layers and hasattr(trt, "BuilderFlag"):
        flag = "OBEY_PRECISION_CONSTRAINTS" if hasattr(trt.BuilderFlag, "OBEY_PRECISION_CONSTRAINTS") else "STRICT_TYPES"
        config.set_flag(getattr(trt.BuilderFlag, flag))
    elif layers:
        config.strict_type_constraints = True


def obeys_types(trt):
    """True when this TensorRT can take the types of an .onnx as orders (a strongly typed network: 9 and later, RTX)."""
    return hasattr(getattr(trt, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED")


def half(source, path):
    """Write the float16 form of an .onnx whose inputs and outputs stay float32; returns `path`.

    Softmax and every normalisation (a sum or mean of many values, from the square before it to the division after it)
    are computed in float32, without float16 between their nodes: in float16 a square overflows from 256 on, and an
    epsilon of 1e-12 is zero. So are operations of another domain, that is plugins and local functions.
    `uffsurgeon.to_onnx.convert(..., precision="fp16")` does the same for a .uff. Raises ValueError for a graph with a
    cycle.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(source))
    for number, node in enumerate(model.graph.node):
        node.name = node.name or "%s_%d" % (node.op_type, number)
    others = {node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=WIDE_OPERATIONS + sorted(others),
                                     node_block_list=[node.name for node in _normalisations(model.graph)], **HALF_RANGE)
    _join_wide(model.graph)
    _sort(model.graph)
    artifacts.write(path, model.SerializeToString())
    return Path(path)


def _normalisations(graph):
    """The nodes that square, reduce, take the root and divide: all of each normalisation in an ONNX graph."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(name for node in graph.node if node.op_type == "Constant" for name in node.output)
    found = {}

    def readers(node):
        return [each for each in graph.node if set(each.input) & set(node.output)]

    def is_elementwise(node):
        return node is not None and node.op_type in ELEMENTWISE

    for reduction in graph.node:
        if reduction.op_type not in REDUCTIONS:
            continue
        found[reduction.output[0]] = reduction
        above = makers.get(reduction.input[0])
        if is_elementwise(above):
            found[above.output[0]] = above
        below = [reduction]
        while below:
            node = below.pop()
            for reader in filter(is_elementwise, readers(node)):
                if reader.output[0] in found:
                    continue
                found[reader.output[0]] = reader
                strangers = [name for name in reader.input
                             if name and name not in constants and (name not in makers or makers[name].output[0] not in found)]
                if not strangers:  # the division by the norm reads a tensor from outside, and ends the normalisation
                    below.append(reader)
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


def _sort(graph):
    """Each node behind those it reads, as ONNX demands: the converter puts its casts at the end."""
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output}
    order, placed, opened, waiting = [], set(), set(), list(reversed(range(len(graph.node))))
    while waiting:
        number = waiting[-1]
        first = [makers[name] for name in graph.node[number].input if name in makers and makers[name] not in placed]
        if number in placed or not first:
            waiting.pop()
            if number not in placed:
                placed.add(number)
                order.append(number)
        elif number in opened:
            raise ValueError("node '%s' (%s) reads what is computed from its own output"
                             % (graph.node[number].name, graph.node[number].op_type))
        else:
            opened.add(number)
            waiting.extend(first)
    nodes = [graph.node[number] for number in order]
    del graph.node[:]
    graph.node.extend(nodes)


def is_half(source):
    """True when an .onnx file has float16 weights already."""
    import onnx

    graph = onnx.load(str(source), load_external_data=False).graph
    return any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.initializer)


def wide_nodes(source):
    """Names of the nodes of an .onnx that need float32 even where the rest may be float16: normalisations, softmax."""
    import onnx

    graph = onnx.load(str(source), load_external_data=False).graph
    nodes = _normalisations(graph) + [node for node in graph.node if node.op_type in WIDE_OPERATIONS]
    return {node.name or node.output[0] for node in nodes}


def is_quantized(source):
    """True when an .onnx file has QuantizeLinear nodes already."""
    import onnx

    graph = onnx.load(str(source), load_external_data=False).graph
    return any(node.op_type in QUANTIZED for node in graph.node)


def quantize(source, images, path):
    """Write an .onnx with explicit INT8: Q/DQ pairs before convolutions and wide dense layers; returns `path`.

    source: .onnx, opset 13 or later, float32, with one input. images: float32 [N, ...] in the shape of that input,
    preprocessed: the range of every tensor is learned from them, so they should look like what will come.
    Made as TensorRT wants it: symmetric (zero point 0), one scale per output channel of a weight, biases in float, and no
    pair between a layer and its activation, which would keep TensorRT from computing the two in one kernel.
    Ranges are the largest values seen (min-max); TensorRT's own `calibrator` clips the rare ones (entropy).
    Dense layers with fewer than 32 outputs stay in float: they cost nothing, and their outputs are the answers.
    Raises ValueError for images or a graph that do not fit.
    """
    import onnx
    from onnxruntime import quantization

    model = onnx.load(str(source))
    if is_quantized(source):
        raise ValueError("%s is quantised already" % source)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < 13:
        raise ValueError("%s has opset %d; scales per channel need 13 or later" % (source, opset))
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ValueError("%s has %d inputs; calibration images are for one" % (source, len(inputs)))
    images = check_images(images, [dim.dim_value or None for dim in inputs[0].type.tensor_type.shape.dim])
    step = inputs[0].type.tensor_type.shape.dim[0].dim_value or 1
    batches = iter([{inputs[0].name: images[i:i + step]} for i in range(0, len(images) - step + 1, step)])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(batches, None)

    kept = []
    for node in model.graph.node:
        shape = weights.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") and len(node.input) > 1 else None
        transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
        if shape and shape[0 if transposed else -1] < 32:
            node.name = node.name or "dense_to_" + node.output[0]
            kept.append(node.name)
        elif node.op_type == "Softmax":  # ONNX Runtime 1.19 adjusts its range and fails when it was not calibrated
            node.name = node.name or "softmax_to_" + node.output[0]
            kept.append(node.name)
    weighted, options = ["Conv", "MatMul", "Gemm"], {}
    if "optimize_model" in inspect.signature(quantization.quantize_static).parameters:
        options["optimize_model"] = False  # up to ONNX Runtime 1.11; it would rename and fuse nodes
    with tempfile.TemporaryDirectory() as folder:
        named, made = os.path.join(folder, "named.onnx"), os.path.join(folder, "int8.onnx")
        onnx.save(model, named)
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
    artifacts.write(path, model.SerializeToString())
    return Path(path)


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


def check_images(images, shape):
    """`images` as a C-contiguous float32 array, or ValueError: wrong type, shape (None fits any size), NaN."""
    array = np.asarray(images)
    if array.dtype != np.float32:
        raise ValueError("images must be float32, not %s: pass them through network.preprocess first" % array.dtype)
    shape = [None] + list(shape)[1:]
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape)):
        raise ValueError("images of shape %s do not fit the input, which takes [N, %s]"
                         % (list(array.shape), ", ".join(str(size or "any") for size in shape[1:])))
    if not len(array):
        raise ValueError("no images: the first size of %s is 0" % (list(array.shape),))
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise ValueError("image %d holds NaN or infinity (%d of %d images do)"
                         % (int(bad.argmax()), int(bad.sum()), len(array)))
    return np.ascontiguousarray(array)


def calibrator(trt, images, cache, batch=1):
    """TensorRT's entropy calibrator over `images` (float32 [N, ...], preprocessed), for TensorRT 5 to 10.

    cache: a file that keeps the ranges found, so that a second build needs no images (they may be None then) and no
        calibration; trtexec and plugin_src's build_engine read the same file. It belongs to one network and one
        TensorRT version.
    batch: how many images a step; TensorRT asks for steps until they end.

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
            artifacts.write(cache, bytes(ranges))

    return Calibrator()
