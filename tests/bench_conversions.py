"""Frozen graphs to ONNX by uffsurgeon and by tf2onnx, beside TensorFlow: python tests/bench_conversions.py [FOLDER]

Each .pb in FOLDER (default: tests/fixtures/uff) that TensorFlow can run gets random input; an open size is 2 for the batch,
else 8. Numbers are equal if no output differs by more than 2e-4 of its largest value. The .uff beside a .pb is NVIDIA's, whose
converter cannot be run here. Without FOLDER, the result is written to tests/fixtures/conversions.json; then run
tests/conversions_table.py.
"""
import contextlib
import io
import json
import logging
import os
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow
import tf2onnx

from uffsurgeon import graphsurgeon as gs
from uffsurgeon import to_onnx, uff

tf = tensorflow.compat.v1
HERE = Path(__file__).parent
TOLERANCE = 2e-4


def ours(graph_def, inputs, outputs):
    return to_onnx.convert(uff.from_tensorflow(graph_def, outputs, quiet=True))


def theirs(graph_def, inputs, outputs):
    names = [[name + ":0" for name in kind] for kind in (inputs, outputs)]
    return tf2onnx.convert.from_graph_def(graph_def, input_names=names[0], output_names=names[1], opset=13)[0]


def feeds_of(graph):
    random, feeds = np.random.RandomState(1), {}
    for node in graph.graph_inputs:
        shape = [dim.size if dim.size > 0 else 8 if axis else 2 for axis, dim in enumerate(node.attr["shape"].shape.dim)]
        dtype = np.dtype(tf.as_dtype(node.attr["dtype"].type).as_numpy_dtype)
        feeds[node.name] = (random.uniform(-1, 1, shape) if dtype.kind == "f" else random.randint(0, 2, shape)).astype(dtype)
    return feeds


def expected(graph_def, feeds, outputs):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.Session(graph=graph) as session:
            return session.run([name + ":0" for name in outputs], {name + ":0": value for name, value in feeds.items()})


def is_equal(model, feeds, outputs, wanted):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {info.name: feeds[info.name.split(":")[0]] for info in session.get_inputs()}
    got = dict(zip([info.name.split(":")[0] for info in session.get_outputs()], session.run(None, given)))
    for name, value in zip(outputs, wanted):
        if got[name].shape != value.shape or got[name].dtype != value.dtype:
            return False
        if not np.allclose(got[name], value, rtol=0, atol=TOLERANCE * max(np.abs(value).max(initial=0), 1e-6), equal_nan=True):
            return False
    return True


def case_of(path):
    """(path, GraphDef, {input: array}, [output], [what TensorFlow computes]), or None if TensorFlow cannot run the graph."""
    graph = gs.DynamicGraph(str(path))
    outputs, feeds = [node.name for node in graph.graph_outputs], feeds_of(graph)
    try:
        return path, graph.as_graph_def(), feeds, outputs, expected(graph.as_graph_def(), feeds, outputs)
    except Exception:  # a plugin, or a graph that is wrong on purpose
        return None


def judge(convert, path, graph_def, feeds, outputs, wanted):
    """(converted, equal, seconds)"""
    start = time.time()
    try:
        model = convert(graph_def, list(feeds), outputs)
    except Exception:  # whatever a converter raises, it does not convert
        return False, False, 0.0
    seconds = time.time() - start
    try:
        return True, is_equal(model, feeds, outputs, wanted), seconds
    except Exception:  # ONNX Runtime refuses the model
        return True, False, seconds


def main(arguments):
    folder = Path(arguments[0]) if arguments else HERE / "fixtures" / "uff"
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    cases, found = [case for case in map(case_of, sorted(folder.glob("**/*.pb"))) if case], {}
    for name, convert in (("uffsurgeon", ours), ("tf2onnx", theirs)):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            judge(convert, *cases[0])  # imports
            found[name] = [judge(convert, *case) for case in cases]
    both = [at for at in range(len(cases)) if all(found[name][at][1] for name in found)]
    result = {
        "graphs": len(cases), "both": len(both), "command": "python tests/bench_conversions.py",
        "folder": "those of NVIDIA's converter in tests/fixtures/uff" if not arguments else str(folder),
        "where": "on %s cores, TensorFlow %s, ONNX Runtime %s, tf2onnx %s, Python %s" % (
            os.cpu_count(), tensorflow.__version__, onnxruntime.__version__, tf2onnx.__version__, platform.python_version()),
        "converters": {name: {"converts": sum(row[0] for row in rows), "equal": sum(row[1] for row in rows),
                              "seconds": "%.1f" % sum(rows[at][2] for at in both)} for name, rows in found.items()}}
    result["converters"]["NVIDIA's uff 0.6.3"] = {"converts": sum(case[0].with_suffix(".uff").exists() for case in cases)}
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if not arguments:
        path = HERE / "fixtures" / "conversions.json"
        result["box"] = json.loads(path.read_text())["box"]  # from bench_to_onnx.py, written by hand
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
