"""Every road of the network to a plan, built, run and judged on this GPU; the record is a file for data/runs.

    python tests/gpu_roads.py data/runs/roads_TENSORRT_GPU.json [SECONDS]

The roads: from UFF with LReLU_TRT and L2Norm_TRT, where there is an UffParser; from ONNX with the normalization as a plugin
node, as a local function and as plain nodes; in FP32 (TF32 allowed), FP16 and INT8. Each plan takes up to 8 crops; the gate
compares it with TensorFlow on the CPU, on all vehicles of the scenes. The file is written after each road, and a road that is
in it already is not built again. SECONDS: no road is begun after that many, since one takes a minute or two.
"""
import contextlib
import io
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from helpers import artifacts, cuda, engine, freeze, machine, network, parity, plugin, process, run, scenes, timing  # noqa: E402  # noqa: E402
from uffsurgeon import graphsurgeon as gs  # noqa: E402
from uffsurgeon import l2_normalize, to_onnx, uff  # noqa: E402

BATCH = 8
BUILD = artifacts.BUILD / "roads"


def files(frozen, calibration):
    """Write the model of each road; returns {(road, precision): path}."""
    graph = gs.DynamicGraph(frozen)
    l2_normalize.collapse(graph)
    with contextlib.redirect_stdout(io.StringIO()):
        data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
        graph.collapse_namespaces({
            node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
            for node in graph.find_nodes_by_op("LeakyRelu")})
        made = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
    paths = {("uff", precision): artifacts.write(BUILD / "box3d.uff", made) for precision in ("fp32", "fp16", "int8")}
    for form in ("node", "inline", "function"):
        for precision in ("fp32", "fp16"):
            path = paths["onnx " + form, precision] = BUILD / ("%s.%s.onnx" % (form, precision))
            to_onnx.convert(data, path, plugins=form, precision=precision)
    paths["onnx inline", "int8"] = engine.quantize(paths["onnx inline", "fp32"], calibration, BUILD / "inline.int8.onnx")
    return paths


def measure(opened, images):
    """{"batch 1": {"gpu_ms", "ms", "p90_ms"}, "batch 8": ...}: medians and p90 of 200 runs, with copies but for gpu_ms."""
    found = {}
    for batch in (1, BATCH):
        gpu, whole, start, end = [], [], cuda.Event(), cuda.Event()
        for _ in range(300):
            began = time.perf_counter()
            opened.step(images[:batch], start, end)
            whole.append((time.perf_counter() - began) * 1e3)
            gpu.append(end.milliseconds_since(start))
        numbers = {"gpu_ms": np.median(gpu[100:]), "ms": np.median(whole[100:]), "p90_ms": np.percentile(whole[100:], 90)}
        found["batch %d" % batch] = {name: round(float(number), 4) for name, number in numbers.items()}
    return found


def walk(path, precision, plugins, calibration, images, reference, street):
    """Build one plan, time it, judge it; returns its row."""
    began = time.time()
    plan = engine.build(path, BUILD / ("%s.%s.plan" % (path.name, precision)), precision=precision, batch=BATCH,
                        plugins=plugins, calibration=calibration if precision == "int8" else None)
    row = {"build_s": round(time.time() - began, 1), "mb": round(plan.stat().st_size / 1e6, 1)}
    with engine.Engine(plan, plugins=plugins) as opened:
        row.update(measure(opened, images))
        judged = parity.compare(reference, network.heads(opened.run(images)), street)
    share = judged.distance_m / parity.limit_m(judged.away_m)
    row.update(verdict=judged.verdict, turn_deg=round(float(np.nanmax(judged.yaw_deg)), 4),
               shift_m=round(float(np.nanmax(judged.distance_m)), 4), share_of_limit=round(float(np.nanmax(share)), 3))
    return row


def main(target, seconds=1e9):
    began = time.time()
    process.prepare_tensorflow()
    here, trt = machine.tensorrt(), engine.tensorrt()
    street = [scenes.load(name) for name in scenes.names()]
    images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
    calibration = network.preprocess(scenes.calibration_crops(64))
    frozen = freeze.load(freeze.box3d())
    reference = network.heads(run.tensorflow(frozen, images))
    library = plugin.compile()
    plugin.load(trt, library)
    record = timing.load(target) if os.path.isfile(target) else timing.make(
        {}, {here.module: here.version, "cuda library": cuda.library()},
        "python tests/gpu_roads.py " + os.path.basename(target))
    for (road, precision), path in files(frozen, calibration).items():
        name = "%s, %s" % (road, precision)
        if name in record["results"] or road == "uff" and here.flavour != "uff" or time.time() - began > seconds:
            continue
        plugins = [library] if road in ("uff", "onnx node") else []
        try:
            row = walk(path, precision, plugins, calibration, images, reference, street)
        except (ValueError, RuntimeError) as error:
            row = {"error": str(error)}
        record["results"][name] = row
        timing.save(record, target)
        print("%4.0f s  %-22s %s" % (time.time() - began, name, row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:3]))
