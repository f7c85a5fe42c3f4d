"""From a .uff or .onnx to a plan, and from a plan to results, on TensorRT 5.0 to 11 and TensorRT for RTX.

    plan = engine.build("build/box3d.uff", precision="fp16")     # build/box3d.fp16.plan
    with engine.Engine(plan) as box3d:
        heads = box3d.run(network.preprocess(crops))             # {"dimension": [N, 3], ...}

`build` is the short way. What it does is also here in pieces, to be read and used in between TensorRT's own calls:

    trt = engine.tensorrt()
    builder = trt.Builder(engine.logger(trt))
    network = builder.create_network(*engine.network_flags(trt))
    parser = engine.parse(trt, network, "build/box3d.onnx")
    config = engine.settings(builder)
    engine.set_workspace(trt, config, 1 << 30)
    plan = engine.serialize(trt, builder, network, config)

TensorRT's generations differ in names, not in ideas. Every function asks the API in front of it what it has
(`hasattr`) and never which version it is, so a name that comes or goes in a release not yet made costs nothing here.
"""
from .builder import build, parse, serialize, set_batch, set_dla, set_workspace, settings
from .library import collected, load_plugin, logger, network_flags, tensorrt
from .precision import calibrator, half, is_quantized, keep_wide, quantize, set_precision
from .run import Engine

__all__ = ["Engine", "build", "calibrator", "collected", "half", "is_quantized", "keep_wide", "load_plugin",
           "logger", "network_flags", "parse", "quantize", "serialize", "set_batch", "set_dla", "set_precision",
           "set_workspace", "settings", "tensorrt"]
