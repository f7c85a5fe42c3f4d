"""Networks that a parser made of the pages' files, in data/parser: for machines without the parser.

A recording holds no weights. Of each weight it has the Const of the file that it came from, the order of that Const's
axes, and -1 where x - c has become x + (-c), so that the network is whole again with the weights of the reader's own file.
Which recording belongs to a file is found by a fingerprint of everything in the file but its floating-point weights.
"""
import functools
import hashlib
import itertools
import json

import numpy as np

from helpers import artifacts
from uffsurgeon.uff import schema

from . import building
from .network import Layer, Parsed, Tensor

FOLDER = artifacts.DATA / "parser"


def recorded(source, order="NHWC", plugins=True, l2norm=False):
    """What `parse` gave for this .uff, or one that differs in its weights alone, when it was recorded -> `Parsed`.

    Args:
        source: path of the .uff, or its bytes; its weights become those of the network.
        order, plugins: as in `parse`.
        l2norm: whether the library of the plugin L2Norm_TRT was loaded.
    Raises:
        LookupError: there is no such recording; the message says how to get the parser.
        ValueError: the source is not UFF.
    """
    meta = schema.read(source)
    found = _index().get((fingerprint(meta), order, bool(plugins), bool(l2norm)))
    if found is None:
        raise LookupError("this .uff is none of those whose network is recorded in data/parser, and no UffParser is built "
                          "under %s: python3 workbook.py parser builds one (%d MB, Linux on x86-64)"
                          % (building.root(), next(iter(building.VERSIONS.values())).mb))
    record = json.loads(found.read_text(encoding="utf-8"))
    constants = {node.id: node for node in meta.graphs[0].nodes if node.operation == "Const"}

    def weights(rule):
        if rule is None:
            return np.zeros(0, np.float32)
        name, axes, dtype, sign = (rule + [1])[:4]
        return np.ascontiguousarray(sign * schema.array(constants[name], meta).transpose(axes).astype(dtype)).reshape(-1)

    layers = [Layer(name, kind, inputs, [Tensor(*each) for each in outputs], settings,
                    {key: weights(rule) for key, rule in rules.items()})
              for name, kind, inputs, outputs, settings, rules in record["layers"]]
    return Parsed(record["version"], record["ok"], record["log"], layers, [Tensor(*each) for each in record["inputs"]],
                  [Tensor(*each) for each in record["outputs"]], record["aborted"],
                  "recorded: TensorRT %s's UffParser, %s" % (record["version"], record["date"]))


def fingerprint(meta):
    """SHA-256 (hex) of a MetaGraph without its descriptors and the values of its float constants."""
    total = hashlib.sha256()
    for node in sorted(meta.graphs[0].nodes, key=lambda node: node.id):
        values = [node.id, node.operation, list(node.inputs)]
        for key in sorted(node.fields):
            if key == "values" and schema.NUMPY[schema.field(node, "dtype")].kind == "f":
                continue
            value = schema.field(node, key, meta)
            values.append([key, np.asarray(value).tolist() if key == "values" else value])
        total.update(json.dumps(values, sort_keys=True, default=str).encode("utf-8"))
    return total.hexdigest()


def record(parsed, meta, date, command, order="NHWC", plugins=True, l2norm=False):
    """The JSON object of a recording.

    parsed: the live parser's answer for `meta`, a MetaGraph. Its weights should be random, so that each shows where it came
    from. Raises ValueError for a weight that is no Const of the file with its axes in another order, or that several could be.
    """
    constants = {}
    for node in meta.graphs[0].nodes:
        if node.operation == "Const":
            constants.setdefault(int(np.prod(schema.field(node, "shape"), dtype=np.int64)), []).append(node)

    def rule(layer, values):
        if not values.size:
            return None
        found = [[node.id, axes, values.dtype.name] for node in constants.get(values.size, ())
                 for axes in [_axes(schema.array(node, meta), values)] if axes is not None]
        if not found:  # x - c has become x + (-c)
            found = [[node.id, axes, values.dtype.name, -1] for node in constants.get(values.size, ())
                     for axes in [_axes(schema.array(node, meta), -values)] if axes is not None]
        if len(found) != 1:
            raise ValueError("the weights of layer %r are %s" % (layer.name, " and ".join(each[0] for each in found) or
                                                                 "no constant of the file"))
        return found[0]

    layers = [[layer.name, layer.type, layer.inputs, [list(tensor) for tensor in layer.outputs], layer.settings,
               {key: rule(layer, values) for key, values in layer.weights.items()}] for layer in parsed.layers]
    return {"file": fingerprint(meta), "order": order, "plugins": plugins, "l2norm": l2norm, "version": parsed.version,
            "date": date, "command": command, "ok": parsed.ok, "log": parsed.log, "aborted": parsed.aborted,
            "inputs": [list(tensor) for tensor in parsed.inputs], "outputs": [list(tensor) for tensor in parsed.outputs],
            "layers": layers}


def _axes(array, values):
    """The order of `array`'s axes in which its numbers are `values`, or None."""
    for axes in itertools.permutations(range(array.ndim)):
        if np.array_equal(array.transpose(axes).reshape(-1), values):
            return list(axes)
    return None


@functools.lru_cache(maxsize=1)
def _index():
    """{(fingerprint, order, plugins, l2norm): path} of all recordings."""
    found = {}
    for path in sorted(FOLDER.rglob("*.json")):
        each = json.loads(path.read_text(encoding="utf-8"))
        found[each["file"], each["order"], each["plugins"], each["l2norm"]] = path
    return found
