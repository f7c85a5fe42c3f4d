"""What the bits of a floating point number are for, and in how many bits a run of ONNX nodes computes."""
import collections

import numpy as np

from uffsurgeon.graphs import inputs_first

from .figures import COLOURS, GREY, INK, describe, finish_drawing, plain, rounded_box, subplots

Step = collections.namedtuple("Step", "op bits before")
Step.__doc__ = """A node. bits: of its inputs, 16 or 32. before: the fewest bits on the way to it, through casts."""

FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto's numbers
BITS = {FLOAT: 32, FLOAT16: 16}
KINDS = {16: "trouble", 32: "focus"}
PARTS = (("sign", "plain"), ("exponent: how large", "changed"), ("mantissa: which digits", "new"))
WIDTH, HEIGHT, COLUMN, ROW, LEFT = 0.98, 0.34, 1.28, 0.62, 2.35  # inches


def formats(dtypes=(np.float32, np.float16)):
    """The bits of floating point numbers, a box for each, with their largest and smallest value. Returns a matplotlib Figure.

    dtypes: NumPy's floating point types, such as np.float16; what is written beside them is computed from the types.
    """
    figure, axis = subplots(figsize=(9.3, 0.35 + 0.55 * len(dtypes)), dpi=110)
    words = []
    for row, dtype in enumerate(dtypes):
        info, y, x = np.finfo(dtype), -0.55 * row, 0
        counts = (1, info.bits - 1 - info.nmant, info.nmant)
        for count, (_, kind) in zip(counts, PARTS):
            for _ in range(count):
                rounded_box(axis, x, y, 0.13, 0.26, kind, 0.02, lw=0.9)
                x += 0.155
            x += 0.06
        limits = "to %.5g, down to %.1g, %d digits" % (info.max, np.nextafter(dtype(0), dtype(1)), info.precision)
        words.append("FP%d: bits for sign, exponent and mantissa %d, %d, %d; %s" % ((info.bits,) + counts + (limits,)))
        axis.text(-0.2, y, "FP%d" % info.bits, fontsize=9, fontweight="bold", color=INK, ha="right", va="center")
        axis.text(5.35, y, limits, fontsize=8.5, color=INK, va="center")
    for place, (name, kind) in zip((0, 0.8, 2.7), PARTS):
        axis.text(place, -0.55 * len(dtypes) + 0.12, "\u25a0 " + name, fontsize=8, color=COLOURS[kind][1], va="center")
    describe(figure, "Bits of floating point numbers. " + ". ".join(words) + ".")
    return finish_drawing(figure, axis, (-0.75, 8.55), (-0.55 * len(dtypes) - 0.02, 0.33))


def types(model):
    """{tensor: its ONNX type, a number} of a ModelProto, inferred without a copy of its large weights."""
    from onnx import shape_inference

    from ..engine.model import hollow

    copy = hollow(model)
    makers = {name: number for number, node in enumerate(model.graph.node) for name in node.output}
    order = inputs_first(range(len(model.graph.node)), lambda number: [
        makers[name] for name in model.graph.node[number].input if name in makers])
    del copy.graph.node[:], copy.graph.value_info[:]
    copy.graph.node.extend(model.graph.node[number] for number in order)  # ONNX Runtime's converter appends its casts
    graph = shape_inference.infer_shapes(copy).graph
    found = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for values in (graph.value_info, graph.input, graph.output):
        found.update((value.name, value.type.tensor_type.elem_type) for value in values)
    return found


def along(model, namespace):
    """[Step] for the nodes of a namespace, casts left out, in graph order.

    model: a ModelProto. namespace: `orientation/l2_normalize` is the node of that name and all below it.
    Raises ValueError when no node is in it, and when one of them reads neither 16 nor 32 bits.
    """
    known, makers = types(model), {name: node for node in model.graph.node for name in node.output}
    steps, before = [], ()  # outputs of the step before
    for node in model.graph.node:
        if node.op_type == "Cast" or not (node.name == namespace or node.name.startswith(namespace + "/")):
            continue
        ways = [_way(name, makers) for name in node.input if name]
        way = next((way for way in ways if way[-1] in before), ways[0])
        kinds = [known.get(name) for name in (way[0], way[-1])]
        if not set(kinds) <= set(BITS):
            raise ValueError("node %r (%s) reads %s, which has neither 16 nor 32 bits" % (node.name, node.op_type, way[0]))
        steps.append(Step(node.op_type, BITS[kinds[0]], min(BITS.get(known.get(name), 32) for name in way)))
        before = list(node.output)
    if not steps:
        raise ValueError("no node in the namespace %r" % namespace)
    return steps


def _way(name, makers):
    """The tensor `name`, and those from which casts made it."""
    way = [name]
    while name in makers and makers[name].op_type == "Cast":
        name = makers[name].input[0]
        way.append(name)
    return way


def draw(rows):
    """Rows of boxes, blue in 32 bits, orange in 16; an arrow is orange where what passes was cut to 16 bits on its way.

    rows: [(title, [Step], what came of it)]. One step alone is drawn as wide as the longest row. Returns a matplotlib Figure.
    """
    most, words = max(len(steps) for _, steps, _ in rows), []
    figure, axis = subplots(figsize=(LEFT + most * COLUMN + 0.1, 0.45 + len(rows) * ROW), dpi=110)
    for row, (title, steps, verdict) in enumerate(rows):
        y, columns = -row * ROW, most if len(steps) == 1 else 1
        axis.text(-LEFT + 0.05, y + 0.09, plain(title), fontsize=8.5, fontweight="bold", color=INK, va="center")
        axis.text(-LEFT + 0.05, y - 0.11, plain(verdict), fontsize=8, color=GREY, va="center")
        for i, step in enumerate(steps):
            wide = WIDTH + (columns - 1) * COLUMN
            x = i * COLUMN + wide / 2 + 0.3
            axis.annotate("", xy=(x - wide / 2, y), xytext=(x - wide / 2 - 0.3, y), arrowprops=dict(
                arrowstyle="-|>", color=COLOURS[KINDS[step.before]][1], lw=2.2, shrinkA=0, shrinkB=0, mutation_scale=9))
            rounded_box(axis, x, y, wide, HEIGHT, KINDS[step.bits], 0.06, lw=1.2)
            axis.text(x, y, plain(step.op, 24), ha="center", va="center", fontsize=8, color=INK)
        words.append("%s (%s): %s" % (title, verdict, ", ".join(
            "%s in %d bits, reached through %d" % step for step in steps)))
    for i, (bits, kind) in enumerate(sorted(KINDS.items())):
        axis.text(0.3 + 1.9 * i, -len(rows) * ROW + 0.22, "\u25a0 %d bits" % bits, fontsize=8, color=COLOURS[kind][1],
                  va="center")
    describe(figure, "Rows of operations. " + "; ".join(words) + ".")
    return finish_drawing(figure, axis, (-LEFT, most * COLUMN + 0.1), (-len(rows) * ROW + 0.1, 0.35))
