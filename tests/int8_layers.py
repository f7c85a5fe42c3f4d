"""Which layers make INT8 wrong: the worst vehicle when one layer, all layers, or all but the first are in INT8.

    python tests/int8_layers.py data/runs/int8_layers_cpu.json

Each network comes from `engine.quantize`, is computed by ONNX Runtime on the CPU, and judged against TensorFlow on all
vehicles of the scenes. Takes about 15 minutes on two cores; the file is written after each network, and what is in it
already is not computed again.
"""
import contextlib
import io
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from helpers import artifacts, engine, freeze, network, parity, process, run, scenes, timing  # noqa: E402
from uffsurgeon import graphsurgeon as gs  # noqa: E402
from uffsurgeon import l2_normalize, to_onnx, uff  # noqa: E402

BUILD = artifacts.BUILD / "int8_layers"


def model():
    """The path of the box network in FP32 as ONNX, and the names of its wide layers in order."""
    import onnx

    graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
    l2_normalize.collapse(graph)
    with contextlib.redirect_stdout(io.StringIO()):
        data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / "fp32.onnx"
    to_onnx.convert(data, path, plugins="inline")
    made = onnx.load(str(path)).graph
    wide = {tensor.name for tensor in made.initializer
            if len(tensor.dims) == 4 or len(tensor.dims) == 2 and min(tensor.dims) >= 32}
    return path, [node.name for node in made.node if node.op_type in ("Conv", "MatMul", "Gemm") and node.input[1] in wide]


def networks(layers):
    """{name: (crops, layers that stay in float)}."""
    crops = scenes.calibration_crops()
    found = {}
    for name, some in (("64", crops), ("the first 16", crops[:16]), ("the first 32", crops[:32]), ("the last 32", crops[32:])):
        found["all layers, ranges of %s crops" % name] = some, ()
        found["all but block1, ranges of %s crops" % name] = some, ("block1_*",)
    for layer in layers:
        found["only " + layer] = crops, [other for other in layers if other != layer]
    return found


def main():
    target = sys.argv[1]
    process.prepare_tensorflow()
    street = [scenes.load(name) for name in scenes.names()]
    images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
    reference = network.heads(run.tensorflow(freeze.load(freeze.box3d()), images))
    path, layers = model()
    import onnx
    import onnxruntime
    versions = {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
    record = timing.load(target) if os.path.isfile(target) else timing.make(
        {}, versions, "python tests/int8_layers.py data/runs/" + os.path.basename(target))
    for name, (crops, keep) in networks(layers).items():
        if name in record["results"]:
            continue
        made = engine.quantize(path, network.preprocess(crops), BUILD / "int8.onnx", keep=keep)
        judged = parity.compare(reference, network.heads(run.onnx(made, images)), street)
        share = judged.distance_m / parity.limit_m(judged.away_m)
        record["results"][name] = {
            "verdict": judged.verdict, "worst_share_of_limit": round(float(np.nanmax(share)), 3),
            "median_share_of_limit": round(float(np.nanmedian(share)), 4),
            "turn_deg": round(float(np.nanmax(judged.yaw_deg)), 3), "shift_m": round(float(np.nanmax(judged.distance_m)), 3)}
        timing.save(record, target)
        print(name, record["results"][name], flush=True)


if __name__ == "__main__":
    main()
