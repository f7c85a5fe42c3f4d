"""Every road of the network to a plan, built, run and judged on this GPU, and the times beside TensorFlow's.

    python tests/gpu_roads.py roads data/runs/roads_TENSORRT_GPU.json [--batch 8] [--seconds 600] [--only "uff, fp16"]
    python tests/gpu_roads.py times data/runs/timing_TENSORRT_GPU.json [--batch 1 8 32]

`roads`: from UFF with LReLU_TRT and L2Norm_TRT, where there is an UffParser; from ONNX with the normalization as a plugin
node, as a local function and as plain nodes; in FP32 with and without TF32, FP16 and INT8, from ONNX also with block 1 left
in FP32, as page 06 does. Each plan takes up to --batch crops; the gate compares it with TensorFlow on the CPU, on all vehicles
of the scenes. The file is written after each road, and a road that is in it already is not built again. --seconds: no road is
begun after that many. --only: the roads whose name contains this.

`times`: TensorFlow, and TensorRT in FP32, FP16 and INT8, FP16 also as a CUDA graph, in turns, by `timing.measure`, --seconds
for each column and batch. Each batch has a plan of its own. The layer times of FP16 at the smallest batch are stored, too.

    python tests/gpu_roads.py table data/runs/roads_*.json      # as it stands in docs/verified.md
"""
import argparse
import contextlib
import io
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from helpers import artifacts, cuda, engine, freeze, machine, network, parity, plugin, process, run, scenes, timing  # noqa: E402
from uffsurgeon import graphsurgeon as gs  # noqa: E402
from uffsurgeon import l2_normalize, to_onnx, uff  # noqa: E402

BUILD = artifacts.BUILD / "roads"


class Roads:
    """The models of all roads, and the plans made of them."""

    def __init__(self):
        self.trt = engine.tensorrt()
        self.frozen = freeze.load(freeze.box3d())
        self.calibration = network.preprocess(scenes.calibration_crops(64))
        self.library = plugin.compile()
        plugin.load(self.trt, self.library)
        graph = gs.DynamicGraph(freeze.load(freeze.box3d()))  # of its own: surgery changes it
        l2_normalize.collapse(graph)
        with contextlib.redirect_stdout(io.StringIO()):
            self.data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
            graph.collapse_namespaces({
                node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
                for node in graph.find_nodes_by_op("LeakyRelu")})
            made = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
        self.uff = artifacts.write(BUILD / "box3d.uff", made)

    def names(self):
        """[(road, precision)]; "fp32" may use TF32."""
        found = [("uff", precision) for precision in ("fp32", "fp32 without tf32", "fp16", "int8")]
        found = found if hasattr(self.trt, "UffParser") else []
        for form in ("node", "inline", "function"):
            found += [("onnx " + form, precision) for precision in ("fp32", "fp16")]
        return found + [("onnx inline", rest) for rest in ("fp32 without tf32", "int8", "int8 without block1")]

    def model(self, road, precision):
        if road == "uff":
            return self.uff
        form, kind = road.split()[1], precision.split()[0]
        path = BUILD / ("%s.%s.onnx" % (form, precision.replace(" ", "_")))
        if kind == "int8":
            keep = ["block1_*"] if precision.endswith("without block1") else []
            return engine.quantize(self.model(road, "fp32"), self.calibration, path, keep=keep)
        to_onnx.convert(self.data, path, plugins=form, precision=kind)
        return path

    def plugins(self, road):
        return [self.library] if road in ("uff", "onnx node") else []

    def plan(self, road, precision, batch):
        """(path of the plan, seconds of its building or None for one that was there)."""
        began, name = time.time(), "%s.%s.b%d.plan" % (road, precision, batch)
        model = self.model(road, precision)
        path = engine.build(model, BUILD / name.replace(" ", "_"), precision=precision.split()[0], batch=batch,
                            tf32=not precision.endswith("without tf32"), plugins=self.plugins(road),
                            calibration=self.calibration if precision.startswith("int8") else None)
        return path, time.time() - began


def step_times(opened, images):
    """{"gpu_ms", "ms", "p90_ms"}: medians and p90 of 200 runs of these images, with copies but for gpu_ms."""
    gpu, whole, start, end = [], [], cuda.Event(), cuda.Event()
    for _ in range(300):
        began = time.perf_counter()
        opened.step(images, start, end)
        whole.append((time.perf_counter() - began) * 1e3)
        gpu.append(end.milliseconds_since(start))
    numbers = {"gpu_ms": np.median(gpu[100:]), "ms": np.median(whole[100:]), "p90_ms": np.percentile(whole[100:], 90)}
    return {name: round(float(number), 4) for name, number in numbers.items()}


def walk(roads, road, precision, batch, images, reference, street):
    """Build one plan, time it, judge it; returns its row."""
    plan, seconds = roads.plan(road, precision, batch)
    row = {"build_s": round(seconds, 1), "mb": round(plan.stat().st_size / 1e6, 1)}
    with engine.Engine(plan, plugins=roads.plugins(road)) as opened:
        for size in sorted({1, min(8, batch), batch}):
            row["batch %d" % size] = step_times(opened, np.resize(images, (size,) + images.shape[1:]))
        judged = parity.compare(reference, network.heads(opened.run(images)), street)
    share = judged.distance_m / parity.limit_m(judged.away_m)
    row.update(verdict=judged.verdict, turn_deg=round(float(np.nanmax(judged.yaw_deg)), 4),
               shift_m=round(float(np.nanmax(judged.distance_m)), 4), share_of_limit=round(float(np.nanmax(share)), 3))
    return row


def scene_images():
    street = [scenes.load(name) for name in scenes.names()]
    return street, network.preprocess([crop for scene in street for crop in scenes.crops(scene)])


def versions():
    here = machine.tensorrt()
    return {here.module: here.version, "cuda library": cuda.library(), "tensorflow": process.tensorflow().__version__}


def make_roads(target, batch, seconds, only=""):
    began, (street, images) = time.time(), scene_images()
    roads = Roads()
    reference = network.heads(run.tensorflow(roads.frozen, images))
    record = timing.load(target) if os.path.isfile(target) else timing.make(
        {}, versions(), "python tests/gpu_roads.py roads data/runs/" + os.path.basename(target))
    for road, precision in roads.names():
        name = "%s, %s" % (road, precision) + (", batch %d" % batch if batch != 8 else "")
        if only not in name or name in record["results"] or time.time() - began > seconds:
            continue
        try:
            row = walk(roads, road, precision, batch, images, reference, street)
        except (ValueError, RuntimeError) as error:
            row = {"error": str(error)}
        record["results"][name] = row
        timing.save(record, target)
        print("%4.0f s  %-22s %s" % (time.time() - began, name, row), flush=True)


def make_times(target, batches, seconds):
    street, images = scene_images()
    roads = Roads()
    road = "uff" if hasattr(roads.trt, "UffParser") else "onnx inline"
    columns = [timing.Column("TensorFlow", "tensorflow", freeze.box3d())]
    for precision, name in (("fp32", "FP32 (TF32)"), ("fp16", "FP16"), ("int8", "INT8")):
        made = {batch: roads.plan(road, precision, batch)[0] for batch in batches}
        columns.append(timing.Column("TensorRT " + name, "tensorrt", made, {"plugins": roads.plugins(road)}))
        if precision == "fp16":
            columns.append(timing.Column("TensorRT FP16, CUDA graph", "tensorrt", made,
                                         {"plugins": roads.plugins(road), "graph": True}))
            half = timing.Column("TensorRT FP16", "tensorrt", made[min(batches)], {"plugins": roads.plugins(road)})
    record = timing.measure(columns, images, batches=batches, seconds=seconds, wait=60,
                            judge=lambda reference, outputs: parity.compare(
                                network.heads(reference), network.heads(outputs), street))
    for column in record["results"]["columns"]:
        column.pop("samples_ms", None)  # thousands; the summary stays
    layers, whole = timing.layers(half, images[:min(batches)], wait=60)
    record["results"]["layers"] = {"column": half.name, "batch": min(batches), "whole_ms": round(whole, 4),
                                   "ms": [[name, round(ms, 5)] for name, ms, _ in layers]}
    record["command"] = "python tests/gpu_roads.py times data/runs/" + os.path.basename(target)
    timing.save(record, target)
    print(timing.table(record))


def table(records):
    """The rows of `roads` records as lines of Markdown, in the order of the roads."""
    lines = ["| TensorRT | from | precision | build | ms, batch 1 | batch 8 | verdict | worst |", "|" + 8 * "---|"]
    for record in records:
        version, found = record["versions"]["tensorrt"], record["results"]
        for road in ("uff", "onnx node", "onnx function", "onnx inline"):
            for precision in ("fp32 without tf32", "fp32", "fp16", "int8", "int8 without block1"):
                row = found.get("%s, %s" % (road, precision))
                if row:
                    lines.append("| %s | %s | %s | %.0f s | %.2f (%.2f) | %.2f (%.2f) | *%s* | "
                                 "%.3f degrees, %.1f cm, %.2f |" % (
                        version, road.replace("onnx", "ONNX,").replace("uff", "UFF"),
                        precision.upper().replace("WITHOUT", "without"), row["build_s"],
                        row["batch 1"]["gpu_ms"], row["batch 1"]["ms"], row["batch 8"]["gpu_ms"], row["batch 8"]["ms"],
                        row["verdict"], row["turn_deg"], 100 * row["shift_m"], row["share_of_limit"]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["roads", "times", "table"])
    parser.add_argument("target", nargs="+", help="the .json to write, or for `table` those to read")
    parser.add_argument("--batch", type=int, nargs="+", help="default: 8 for roads; 1, 8 and 32 for times")
    parser.add_argument("--seconds", type=float, help="default: no limit for roads; 10 for times")
    parser.add_argument("--only", default="", help="roads: those whose name contains this, such as \"uff, fp16\"")
    options = parser.parse_args()
    if options.what == "table":
        print(table([timing.load(target) for target in options.target]))
        return
    (target,) = options.target
    process.prepare_tensorflow()
    if options.what == "times":
        make_times(target, options.batch or [1, 8, 32], options.seconds or 10)
    for batch in (options.batch or [8]) if options.what == "roads" else ():
        make_roads(target, batch, options.seconds or 1e9, options.only)


if __name__ == "__main__":
    main()
