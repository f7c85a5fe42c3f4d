"""Record what UffParser makes of the files that the pages show: data/parser/*.json, for machines without the parser.

    python3 workbook.py parser                      # TensorRT 5.1.5
    python data/making/parser/record.py             # with the environment's Python; once with TensorFlow 1.13, once with 2.x
    python data/making/parser/record.py patients    # only the small ones of page 02
    python data/making/parser/record.py admitted    # only those of page 08: 27 patients, each as it came and after two repairs

The networks get random weights, so that each weight of a layer shows which constant of the file it came from; a recording has
no weights. Files whose names and shapes are the same with both TensorFlows are recorded once.
"""
import datetime
import itertools
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
import uffparser  # noqa: E402
from helpers import artifacts, freeze, network, page, patients, process, through_uff  # noqa: E402
from uffparser import records  # noqa: E402
from uffsurgeon import graphsurgeon, l2_normalize, uff  # noqa: E402
from uffsurgeon.uff import schema  # noqa: E402

COMMAND = "python data/making/parser/record.py"
VERSION = "5.1.5"


def box(flat="reshape", pairs=2, width=1):
    """The box network with random weights, frozen."""
    process.keras().backend.clear_session()
    model, random = network.build(flat=flat, pairs=pairs, width=width), np.random.RandomState(0)
    model.set_weights([random.randn(*[int(size) for size in weight.shape]) * 0.05 for weight in model.weights])
    return freeze.freeze(model)


def to_uff(graph, outputs=network.OUTPUTS):
    with page.silence():
        return uff.from_tensorflow(graph, list(outputs), quiet=True)


def leaky(graph, op="LReLU_TRT"):
    """A DynamicGraph with each LeakyRelu as a plugin node."""
    dynamic = graphsurgeon.DynamicGraph(graph)
    dynamic.collapse_namespaces({
        node.name: graphsurgeon.create_plugin_node(node.name, op=op, negSlope=node.attr["alpha"].f)
        for node in dynamic.find_nodes_by_op("LeakyRelu")})
    return dynamic


def of_the_box():
    """(name, bytes of a .uff, how it is parsed)"""
    for flat in ("flatten", "reshape"):
        for width in (1, 16):
            data = through_uff.convert(box(flat, width=width))
            for order in ("NHWC", "NCHW"):
                yield "box_%s%s_%s" % (flat, "" if width == 1 else "_w%d" % width, order.lower()), data, {"order": order}
    yield "box_reshape_6_-1_w8", through_uff.convert(box(pairs=-1, width=8)), {}
    yield "box_raw", to_uff(box()), {}
    graph = leaky(box())
    data = to_uff(graph.as_graph_def())
    yield "box_lrelu_without_plugins", data, {"plugins": False}
    yield "box_lrelu_with_l2_normalize", data, {}
    l2_normalize.collapse(graph)
    data = to_uff(graph.as_graph_def())
    yield "box_l2norm_without_library", data, {}
    yield "box_l2norm", data, {"l2norm": True}
    yield "box_lrelu_misspelt_w8", to_uff(leaky(box(width=8), "LRelu_TRT").as_graph_def()), {}


def of_patients():
    """As of_the_box."""
    for name in ("padded", "cropped", "joined"):
        for repaired in (False, True):
            process.keras().backend.clear_session()
            yield name + "_repaired" * repaired, to_uff(patients.freeze(getattr(patients, name)(repaired)), ()), {}
    yield "unchanged", to_uff(patients.freeze(patients.unchanged()), ()), {}


def of_admitted():
    """As of_the_box: the patients of page 08, as they came, after the first repair and after both."""
    for seed in range(27):
        patient = patients.admit(seed)
        for stage, repaired in (("came", ()), ("loud", ("loud",)), ("both", ("loud", "silent"))):
            yield "patients/%02d_%s" % (seed, stage), to_uff(patient.graph(repaired), patients.OUTPUTS), {}


def text(record):
    """JSON with one layer a line."""
    layers = ",\n  ".join(json.dumps(layer) for layer in record["layers"])
    head = ",\n ".join("%s: %s" % (json.dumps(key), json.dumps(value)) for key, value in record.items() if key != "layers")
    return '{%s,\n "layers": [\n  %s]}\n' % (head, layers)


def main():
    process.prepare_tensorflow()
    installation, today = uffparser.require(VERSION), datetime.date.today().isoformat()
    groups = {"box": of_the_box, "patients": of_patients, "admitted": of_admitted}
    chosen = itertools.chain.from_iterable(groups[word]() for word in sys.argv[1:] or groups)
    for name, data, how in chosen:
        meta = schema.read(data)
        libraries = [uffparser.l2norm(installation)] if how.get("l2norm") else []
        parsed = uffparser.parse(data, tensorrt=VERSION, libraries=libraries,
                                 **{key: value for key, value in how.items() if key != "l2norm"})
        record = records.record(parsed, meta, today, COMMAND, **how)
        path = records.FOLDER / ("%s.%s.json" % (name, record["file"][:8]))
        artifacts.write(path, text(record))
        print("%-45s %6d bytes  %s" % (path.name, path.stat().st_size, "; ".join(parsed.log[:1]) or len(parsed.outputs)))


if __name__ == "__main__":
    main()
