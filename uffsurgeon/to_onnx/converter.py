"""A .uff, ours or NVIDIA's, as ONNX: for TensorRT from 8.0 on, TensorRT for RTX and ONNX Runtime.

    model = convert("box3d.uff", "box3d.onnx")                        # any batch, FP32
    convert("box3d.uff", "box3d.fp16.onnx", batch=1, precision="fp16")

or `python -m uffsurgeon.to_onnx box3d.uff box3d.onnx`. The graph computes what TensorFlow did:
inputs and outputs keep their names, shapes and layout (images NHWC). In between, convolutions work
on NCHW: one Transpose stands behind the input, and one where an operation needs TensorFlow's order,
such as before a Flatten. (That one could vanish into the rows of the dense weights behind. It moves
100 kB, and without it the weights would no longer be those of the frozen graph.)

What the UFF lost stays lost: half, double and int64 constants that NVIDIA's converter wrote empty,
all but the first output of a Split.
"""
import difflib

from onnx import defs, helper

from uffsurgeon import files
from uffsurgeon.uff import schema
from uffsurgeon.uff.schema import UffException

from . import axes, images  # noqa: F401 (it registers its operations)
from .axes import INT32
from .fields import OPERATIONS
from .folding import fold
from .graph import Graph, Value
from .plugins import CAN_WRITE_FUNCTIONS, DOMAIN, custom

OPSETS = range(13, 22)


def convert(uff, path=None, *, outputs=None, opset=13, batch=None, precision="fp32", half_io=False,
            input_layout="nhwc", plugins=None, flatten_as="nhwc"):
    """An ONNX ModelProto of `uff` (a path, bytes or a MetaGraph); also written to `path` if given.

    outputs: names of nodes to give out, each as TensorFlow has it; any node will do, so that two
        networks can be compared layer by layer. By default the outputs that the UFF marks.
    opset: 13 to 21. TensorRT 8.0, ONNX Runtime 1.10 and all since read 13.
    batch: the first size of the inputs where the UFF leaves it open; None leaves it open here too.
    precision: "fp32", or "fp16": convolutions and dense layers with float16 weights, while sums,
        roots, exponentials and softmax stay in float32, where the 1e-12 of a normalisation is not
        0. TensorRT 11 and RTX have no FP16 flag any more and need this.
    half_io: with "fp16", inputs and outputs are float16 too, instead of being cast inside.
    input_layout: "nchw" for image inputs [N, C, H, W] instead of TensorFlow's [N, H, W, C].
    plugins: what L2Norm_TRT and L2Norm_Helper_TRT become. "function": a node of domain "box3d"
        whose body is a model-local function, for ONNX Runtime, RTX and TensorRT from 9 on (from
        10.7 on, a plugin of that name goes first); "inline": plain ONNX, for everyone; "node": the
        node alone, for a TensorRT with the plugin loaded. By default "function" if this onnx can
        write it (1.10 can), else "inline".
    flatten_as: "nchw" replays a fault and is for showing it only: TensorRT's UffParser held feature
        maps in NCHW and flattened them so, although the weights behind were trained on NHWC. It
        follows the article and documented behaviour and was not run beside an UffParser. It
        concerns Flatten, not Reshape; where it changes something, the model's doc_string says so.

    Nodes with a leading underscore that nobody knows become nodes of domain "box3d" with their
    fields as attributes: onnx.checker lets them pass, but only a plugin of that name can run them.

    Equal input gives equal bytes. Raises FileNotFoundError, and ValueError (mostly UffException)
    with the node and the reason for a wrong argument, for a file that is no sound UFF, has a cycle,
    or holds what ONNX cannot say.
    """
    _one_of("opset", opset, OPSETS)
    _one_of("precision", precision, ("fp32", "fp16"))
    _one_of("input_layout", input_layout, ("nhwc", "nchw"))
    _one_of("plugins", plugins, (None, "function", "inline", "node"))
    _one_of("flatten_as", flatten_as, ("nhwc", "nchw"))
    if opset > defs.onnx_opset_version() or plugins == "function" and not CAN_WRITE_FUNCTIONS:
        raise ValueError("the installed onnx is too old for opset %d with plugins=%r; use opset 13 "
                         "and plugins='inline'" % (opset, plugins))
    if half_io and precision != "fp16":
        raise ValueError("half_io goes with precision='fp16', not %r" % precision)
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ValueError("batch must be a positive int, or None to leave it open, not %r" % (batch,))
    meta = _read(uff)
    nodes, marked = _index(meta.graphs[0])
    outputs = _outputs(nodes, marked if outputs is None else outputs)
    walk = _walk(nodes, outputs)
    g = Graph(nodes, outputs, opset, half=precision == "fp16", half_io=half_io)
    g.meta, g.uses, g.batch = meta, _uses(walk, outputs), batch
    g.nchw_input, g.flatten_nchw = input_layout == "nchw", flatten_as == "nchw"
    g.plugins = plugins or ("function" if CAN_WRITE_FUNCTIONS else "inline")
    values = {}
    for node in walk:
        values[node.id] = _convert(g, node, [values[name] for name in node.inputs])
    _finish(g, [values[name] for name in outputs])
    if path is not None:
        files.write(path, g.model.SerializeToString(deterministic=True))
    return g.model


def _one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError("%s must be one of %s, not %r" % (
            name, ", ".join(repr(each) for each in allowed), value))


def _read(uff):
    if not isinstance(uff, schema.MetaGraph):
        return schema.read(uff)
    if not uff.graphs:
        raise UffException("this MetaGraph holds no graph")
    schema.check(uff)
    return uff


def _index(graph):
    """({id: node} in the file's order, names of the marked outputs)."""
    nodes, marked = {}, []
    for node in graph.nodes:
        if node.operation == "MarkOutput":
            marked.extend(node.inputs)
        elif node.id in nodes:
            raise UffException("two nodes of this UFF are called '%s'" % node.id)
        else:
            nodes[node.id] = node
    return nodes, marked


def _outputs(nodes, names):
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    if not names:
        raise UffException("this UFF marks no outputs: name them (outputs=...)")
    for name in names:
        if name not in nodes:
            near = difflib.get_close_matches(str(name), nodes, 3)
            raise UffException("no node '%s' in this UFF%s" % (
                name, "; did you mean '%s'?" % "', '".join(near) if near else ""))
    return names


def _walk(nodes, outputs):
    """The nodes that the outputs need, inputs first. UffException for a cycle."""
    done, open_, order = set(), {}, []
    stack = [(name, False) for name in reversed(outputs)]
    while stack:
        name, leave = stack.pop()
        if leave:
            del open_[name]
            done.add(name)
            order.append(nodes[name])
        elif name in open_:
            ring = list(open_)[list(open_).index(name):]
            raise UffException("this UFF has a cycle: '%s'" % "' reads '".join(ring + [name]))
        elif name not in done:
            open_[name] = True
            stack.append((name, True))
            inputs = [each for each in nodes[name].inputs if each not in done]
            for each in inputs:
                if each not in nodes:
                    raise UffException("node '%s' reads '%s', which gives nothing" % (name, each))
            stack.extend((each, False) for each in reversed(inputs))
    return order


def _uses(walk, outputs):
    uses = {node.id: 0 for node in walk}
    for name in [name for node in walk for name in node.inputs] + outputs:
        uses[name] += 1
    return uses


def _convert(g, node, inputs):
    function, count = OPERATIONS.get(node.operation, (custom, None))
    if count is not None and len(inputs) < count:
        raise UffException("node '%s' (%s) has %d inputs and needs %d" % (
            node.id, node.operation, len(inputs), count))
    if count is not None and len(inputs) > count and node.operation.endswith("_TRT"):
        raise UffException("node '%s' (%s) reads %s, and the plugin takes %d input%s: cut the others in TensorFlow's graph, "
                           "before its nodes are collapsed. (The axis of an L2 normalisation may be a constant that freezing "
                           "has shared with others; uffsurgeon.l2_normalize reads it and cuts it.)" % (
                               node.id, node.operation, " and ".join("'%s'" % value.name for value in inputs), count,
                               "" if count == 1 else "s"))
    inputs = inputs[:count]  # an op of TensorFlow's may have more: what was a control input there
    known = fold(g, node, inputs)
    if known is None or known.dtype == object:
        value = function(g, node, *inputs)
        value.known = value.known if known is None else known
        return value
    dtype = INT32 if node.operation == "Shape" else inputs[0].dtype
    return Value(node.id, known.shape, dtype, array=lambda: known.astype(dtype), known=known)


def _finish(g, outputs):
    """Give the outputs their names, and the model all that stands around its nodes."""
    inputs = {info.name for info in g.model.graph.input}
    for value in outputs:
        dtype = g.border(value.dtype)
        tensor = g.tensor(value, False, dtype)
        if value.name in inputs and value.first:
            raise ValueError("'%s' is input and output at once and can have only one layout: leave "
                             "input_layout at 'nhwc'" % value.name)
        if tensor != value.name:
            g.add("Identity", [tensor], value.name)
        g.declare("output", value.name, dtype, value.shape)
    domains, model = g.finish([value.name for value in outputs]), g.model
    model.producer_name, model.graph.name = "uffsurgeon", g.meta.graphs[0].id or "main"
    model.ir_version = {13: 7, 14: 7, 19: 9, 20: 9, 21: 10}.get(g.opset, 8)  # onnx's Versioning.md
    if g.functions:
        model.ir_version = max(8, model.ir_version)
    model.opset_import.extend([helper.make_opsetid("", g.opset)])
    if DOMAIN in domains:
        model.opset_import.extend([helper.make_opsetid(DOMAIN, 1)])
    for function in g.functions.values():
        model.functions.extend([function])
