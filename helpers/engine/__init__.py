"""From a .uff or .onnx to a plan, and from a plan to results, on TensorRT 5.0 to 11 and TensorRT for RTX.

    plan = engine.build("build/box3d.uff", precision="fp16")     # build/box3d.fp16.plan
    with engine.Engine(plan) as box3d:
        outputs = box3d.run(network.preprocess(crops))           # {"dimension/LeakyRelu": float32 [N, 3], ...}

`build` is the short way. Its steps can also be used one by one, between TensorRT's own calls:

    trt = engine.tensorrt()
    builder = trt.Builder(engine.logger(trt))
    network = builder.create_network(*engine.network_flags(trt))
    parser = engine.parse(trt, network, "build/box3d.onnx")
    config = engine.settings(builder)
    engine.set_workspace(trt, config, 1 << 30)
    engine.set_shapes(trt, builder, network, config, batch=8)
    plan = engine.serialize(trt, builder, network, config)

TensorRT's generations differ in names, not in ideas. Every function asks the module what it has (`hasattr`) and never
which version it is, so that a release which adds or removes a name needs no change here.
"""
from .builder import build, parse, serialize, set_dla, set_shapes, set_workspace, settings
from .library import collected, load_plugin, logger, network_flags, tensorrt
from .precision import calibrator, half, keep_wide, quantize, set_precision
from .run import Engine

__all__ = ["Engine", "build", "calibrator", "collected", "half", "keep_wide", "load_plugin", "logger", "network_flags",
           "parse", "quantize", "serialize", "set_dla", "set_precision", "set_shapes", "set_workspace", "settings",
           "tensorrt"]
