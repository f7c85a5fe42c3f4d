"""A whole network as one drawing: its trunk as slabs, its heads as chains of named boxes, with their shapes."""
import collections

from uffsurgeon.names import producer

from .figures import COLOURS, FAINT, GREY, INK, describe, finish_drawing, plain, rounded_box, subplots

Layer = collections.namedtuple("Layer", "name parts shape inputs")
Layer.__doc__ = """A scope of the graph. parts: what it does, such as ["MatMul", "Softmax"]. shape: of its result, without the
batch, None where it is unknown. inputs: names of the layers that it reads."""

WEIGHTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
SLAB, GAP, BOX, HIGH = 0.12, 0.06, 0.98, 0.6  # inches


def layers(graph_def):
    """[Layer] of a frozen GraphDef in graph order: one for each first part of the nodes' names, constants left out."""
    from helpers import process
    from uffsurgeon import protobuf

    tf = process.tensorflow()
    if not isinstance(graph_def, tf.compat.v1.GraphDef):
        graph_def = protobuf.copy(graph_def, tf.compat.v1.GraphDef())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    nodes = {node.name: node for node in graph_def.node if node.op != "Const"}
    scopes = collections.OrderedDict()
    for name in nodes:
        scopes.setdefault(name.split("/")[0], []).append(name)
    found = []
    for scope, members in scopes.items():
        reads = [producer(text) for name in members for text in nodes[name].input]
        inputs = [name.split("/")[0] for name in reads if name in nodes and name.split("/")[0] != scope]
        parts = [nodes[name].op for name in members if nodes[name].op in WEIGHTED]
        last = members[-1].split("/")[1:2] or [nodes[members[-1]].op]
        shape = graph.get_tensor_by_name(members[-1] + ":0").shape
        shape = None if shape.ndims is None else [int(size) if size else None for size in shape.as_list()[1:]]
        found.append(Layer(scope, parts + [part for part in last if part != "BiasAdd"], shape,
                           list(collections.OrderedDict.fromkeys(inputs))))
    return found


def branches(found):
    """(trunk, [branch]) of [Layer]: the layers that every output needs, and for each output the others that it needs."""
    by_name, read = {layer.name: layer for layer in found}, {name for layer in found for name in layer.inputs}
    needs = collections.OrderedDict()
    for layer in found:
        if layer.name not in read and layer.inputs:
            needs[layer.name], queue = set(), [layer.name]
            while queue:
                name = queue.pop()
                if name not in needs[layer.name]:
                    needs[layer.name].add(name)
                    queue.extend(by_name[name].inputs)
    shared = set.intersection(*needs.values()) if len(needs) > 1 else set()
    return ([layer for layer in found if layer.name in shared],
            [[layer for layer in found if layer.name in needed - shared] for needed in needs.values()])


def architecture(graph_def, mark=()):
    """A network with one trunk and several heads, from its frozen graph. Returns a matplotlib Figure.

    Each layer of the trunk is a slab, the higher, the more rows its result has; each layer of a head is a box with its name,
    what it does, and the shape of its result without the batch. Shapes are those that TensorFlow infers.

    graph_def: a frozen GraphDef with nodes named "layer/operation". mark: names of layers, or operations such as "LeakyRelu",
    that are drawn in the colour "trouble". Raises what `tf.import_graph_def` raises for a graph that TensorFlow cannot read.
    """
    trunk, heads = branches(layers(graph_def))
    columns = max([len(head) for head in heads] or [0])
    width = 0.3 + len(trunk) * (SLAB + GAP) + columns * (BOX + 0.15) + 0.35
    figure, axis = subplots(figsize=(width, 3.0), dpi=110)
    x = _trunk(axis, trunk, mark)
    last = width - 0.1 - BOX / 2
    for row, head in enumerate(heads):
        y = 0.85 * ((len(heads) - 1) / 2 - row)
        start, before = x, (x - 0.28, 0)
        for i, layer in enumerate(head):
            here = last if i == len(head) - 1 else start + 0.15 + BOX / 2 + i * (BOX + 0.12)
            axis.annotate("", xy=(here - BOX / 2, y), xytext=before, arrowprops=dict(
                arrowstyle="-|>", color=FAINT, lw=1, shrinkA=0, shrinkB=0, mutation_scale=8))
            _box(axis, here, y, layer, i == len(head) - 1, mark)
            before = here + BOX / 2, y
    describe(figure, "A network. %sHeads: %s." % (
        "All heads share %s. " % ", ".join("%s %s" % (layer.name, _shape(layer.shape)) for layer in trunk) if trunk else "",
        "; ".join(", then ".join("%s (%s) %s" % (layer.name, ", ".join(layer.parts), _shape(layer.shape)) for layer in head)
                  for head in heads)))
    return finish_drawing(figure, axis, (0, width), (-1.8, 1.2))


def _marked(layer, mark):
    return layer.name in mark or bool(set(layer.parts) & set(mark))


def _trunk(axis, trunk, mark):
    """Draw the slabs from left to right -> x behind the last one."""
    x = 0.25
    rows = [layer.shape[0] or 1 for layer in trunk if layer.shape and len(layer.shape) == 3]
    for i, layer in enumerate(trunk):
        flat = not layer.shape or len(layer.shape) != 3
        high = 2.0 if flat else 2.0 * (layer.shape[0] / max(rows)) ** 0.5
        kind = "trouble" if _marked(layer, mark) else "focus" if set(layer.parts) & set(WEIGHTED) else "plain"
        rounded_box(axis, x + SLAB / 2, 0, SLAB, high, kind, 0.02, lw=0.9)
        ends = i + 1 == len(trunk) or flat or (trunk[i + 1].shape or [None])[:2] != layer.shape[:2]
        if ends:
            text = layer.name + " " + _shape(layer.shape) if flat else _shape(layer.shape)
            axis.text(x + SLAB, -1.06, plain(text, 40), fontsize=6, rotation=45, ha="right", va="top", rotation_mode="anchor",
                      color=COLOURS["trouble"][1] if kind == "trouble" else GREY)
        x += SLAB + GAP
    if trunk:
        axis.text(0.25, 1.1, "%s and %d layers that all heads share" % (plain(trunk[0].name, 40), len(trunk) - 1), fontsize=7.5,
                  color=GREY, va="center")
    return x + 0.28


def _box(axis, x, y, layer, is_head, mark):
    kind = "trouble" if _marked(layer, mark) else "focus" if set(layer.parts) & set(WEIGHTED) else "plain"
    rounded_box(axis, x, y, BOX, HIGH, kind, 0.06, lw=2.0 if is_head else 0.9)
    axis.text(x, y + 0.17, plain(layer.name, 30), ha="center", va="center", fontsize=8.5 if is_head else 7,
              fontweight="bold" if is_head else "normal", color=INK)
    axis.text(x, y, plain(", ".join(layer.parts), 40), ha="center", va="center", fontsize=6.5, color=GREY)
    axis.text(x, y - 0.17, _shape(layer.shape), ha="center", va="center", fontsize=7, color=INK)


def _shape(shape):
    return "?" if shape is None else "[%s]" % ", ".join("?" if size is None else "{:,}".format(size) for size in shape)
