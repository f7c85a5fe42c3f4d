"""Pictures of graphs: the slice around the nodes in question, coloured by what changed.

grandalf lays the graph out (Sugiyama's layers), matplotlib draws it. Neither needs a program outside Python.
"""
import collections
import contextlib
import fnmatch

import numpy as np

from uffsurgeon import names

from .figures import COLOURS, GREY, INK, describe, finish_chart, plain, rounded_box, subplots

Node = collections.namedtuple("Node", "name op inputs note")
Node.__doc__ = """A node, whatever file it came from. inputs: names of nodes. note: a value worth showing, as text."""

LEGEND = collections.OrderedDict([
    ("focus", "the nodes asked for"), ("trouble", "makes trouble"), ("gone", "gone afterwards"), ("new", "new"),
    ("changed", "reads something else now")])
CONSTANTS = "Const", "Initializer"
MOST_NODES, MOST_EDGES = 300, 1000  # of a picture; the layout takes seconds from there on
CHAR, LINE, PAD = 0.066, 0.155, 0.08  # inches, for text of 8 points


def nodes(graph):
    """[Node] of a GraphDef, a graphsurgeon graph, an UFF MetaGraph or an ONNX ModelProto, in the order of the graph.

    Raises TypeError for anything else.
    """
    if hasattr(graph, "as_graph_def"):
        graph = graph.as_graph_def()
    if hasattr(graph, "graphs"):
        from uffsurgeon.uff import schema

        return [Node(node.id, node.operation, list(node.inputs), _uff_note(
            node, lambda node, key: schema.field(node, key, graph))) for node in graph.graphs[0].nodes]
    if hasattr(graph, "graph"):
        return _onnx_nodes(graph.graph)
    if hasattr(graph, "node"):
        return [Node(node.name, node.op, [names.producer(name) for name in node.input], _tensorflow_note(node))
                for node in graph.node]
    raise TypeError("cannot draw a %s: give a GraphDef, a graphsurgeon graph, an UFF MetaGraph or an ONNX model"
                    % type(graph).__name__)


def _tensorflow_note(node):
    if node.op == "Const":
        from uffsurgeon import protobuf

        tensor = node.attr["value"].tensor
        return _constant([dim.size for dim in tensor.tensor_shape.dim], protobuf.array, tensor)
    if "alpha" in node.attr:
        return "alpha = %.2g" % node.attr["alpha"].f
    return _plugin_note({key: _attribute(value) for key, value in node.attr.items() if "_u_" in key})


def _uff_note(node, field):
    if node.operation == "Const":
        shape = field(node, "shape") if "shape" in node.fields else []
        return _constant(shape, lambda node: np.reshape(field(node, "values"), shape), node)
    return _plugin_note({key: field(node, key) for key in node.fields if "_u_" in key})


def _constant(shape, array, tensor):
    """The values of a small constant, which `array` reads from the message `tensor`; the shape of any other."""
    if np.prod(shape) <= 4:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # text, or a type that NumPy lacks
            return _short(array(tensor).tolist())
    return "x".join(map(str, shape))


def _attribute(value):
    kind = value.WhichOneof("value")
    if kind == "list":
        return [item for _, items in value.list.ListFields() for item in items]
    return value.s.decode("utf-8", "replace") if kind == "s" else getattr(value, kind) if kind else None


def _plugin_note(fields):
    """The fields that graphsurgeon wrote for a plugin's creator; their names end in _u_ and a type."""
    return ", ".join("%s = %s" % (key.rsplit("_u_", 1)[0], _short(fields[key])) for key in sorted(fields))


def _onnx_nodes(graph):
    from onnx import numpy_helper

    producers = {name: node.name or node.output[0] for node in graph.node for name in node.output}
    found = [Node(value.name, "Input", [], "") for value in graph.input]
    found += [Node(tensor.name, "Initializer", [], _constant(tensor.dims, numpy_helper.to_array, tensor))
              for tensor in graph.initializer]
    for node in graph.node:
        values = [(a.name, a.f if a.type == a.FLOAT else a.i if a.type == a.INT else list(a.ints))
                  for a in node.attribute if a.type in (a.FLOAT, a.INT, a.INTS)]
        found.append(Node(node.name or "".join(node.output[:1]), node.op_type,
                          [producers.get(name, name) for name in node.input if name],
                          ", ".join("%s = %s" % (name, _short(value)) for name, value in values)))
    return found


def _short(value):
    if isinstance(value, float):
        return "%.3g" % value
    if isinstance(value, list):
        return "[%s]" % ", ".join(_short(item) for item in value)
    return str(value)


def select(found, around, reach=1, readers=True):
    """The nodes around some names -> (set of the names that `around` matches, [Node] within reach of them).

    found: [Node]. around: a name, a namespace (`orientation/l2_normalize` is the node and all below it) or a pattern with
    *, or a list of these. reach: how many edges to follow. readers: follow edges to consumers too, not only to producers.

    Raises ValueError, with the nearest names, for one that matches nothing.
    """
    known = [node.name for node in found]
    chosen = set()
    for word in [around] if isinstance(around, str) else around:
        matches = {name for name in known
                   if name == word or name.startswith(word + "/") or fnmatch.fnmatchcase(name, word)}
        if not matches:
            raise names.not_found("node", word, known)
        chosen |= matches
    shown = set(chosen)
    constants = {node.name for node in found if node.op in CONSTANTS}
    for _ in range(reach):
        producers = {name for node in found if node.name in shown for name in node.inputs}
        # Not over a constant: nodes that share one are not neighbours for that.
        consumers = {node.name for node in found if readers and (shown - constants).intersection(node.inputs)}
        shown |= producers | consumers
    return chosen, [node for node in found if node.name in shown]


def _lines(node):
    """The lines in the box of a node; names and notes may be of any length."""
    name = [node.name] if len(node.name) <= 30 else list(_wrap(node.name, 30))
    if len(name) > 6:
        name = name[:3] + ["\u2026"] + name[-2:]
    lines = [plain(node.op, 40)] + [plain(line, 44) for line in name] + ([plain(node.note)] if node.note else [])
    return lines[:1] if not node.name or node.name == node.op else lines


def _wrap(name, width):
    line, parts = "", name.split("/")
    for i, part in enumerate(parts):
        piece = part + ("/" if i < len(parts) - 1 else "")
        if line and len(line) + len(piece) > width:
            yield line
            line = ""
        line += piece
    yield line


def _layout(found):
    """({name: (x, y, width, height)}, {(producer, consumer): [(x, y) of a bend]}, whole width), in inches, y downwards."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout
    from grandalf.routing import EdgeViewer

    class View:
        def __init__(self, w, h):
            self.w, self.h, self.xy = w, h, (0, 0)

    vertices = {}
    for node in found:
        lines = _lines(node)
        vertices[node.name] = Vertex(node.name)
        letters = max(len(line.replace(r"\$", "$")) for line in lines)
        vertices[node.name].view = View(letters * CHAR + 2 * PAD, len(lines) * LINE + 2 * PAD)
    edges = []
    for node in found:
        for name in collections.OrderedDict.fromkeys(node.inputs):
            if name in vertices and name != node.name:
                # Laid out from the outputs up, so that a constant stands right above its consumer.
                edge = Edge(vertices[node.name], vertices[name])
                edge.view = EdgeViewer()
                edges.append(edge)
    if len(found) > MOST_NODES or len(edges) > MOST_EDGES:
        raise ValueError("%d nodes with %d edges do not fit into a picture, %d and %d would: name fewer (around), or follow "
                         "fewer edges (reach)" % (len(found), len(edges), MOST_NODES, MOST_EDGES))
    places, bends, left = {}, {}, 0.0
    for part in Graph(list(vertices.values()), edges).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace = 0.25, 0.36
        layout.route_edge = lambda edge, points: setattr(edge.view, "_pts", list(points))
        layout.init_all(roots=[v for v in part.sV if not v.e_in()])
        layout.draw(8)
        boxes = [(v.view.xy[0], v.view.xy[1], v.view.w, v.view.h, v.data) for v in part.sV]
        turns = [x for edge in part.sE for x, _ in edge.view._pts[1:-1]]
        low = min([x - w / 2 for x, _, w, _, _ in boxes] + turns)
        high = max([x + w / 2 for x, _, w, _, _ in boxes] + turns)
        bottom = max(y + h / 2 for _, y, _, h, _ in boxes)
        for x, y, w, h, name in boxes:
            places[name] = (x - low + left, bottom - y, w, h)
        for edge in part.sE:
            points = [(x - low + left, bottom - y) for x, y in edge.view._pts[1:-1]]
            bends[edge.v[1].data, edge.v[0].data] = points[::-1]
        left += high - low + 0.4
    return places, bends, left - 0.4


def _draw(axes, found, kinds):
    """Draw nodes and edges into `axes` -> (width, height) in inches. kinds: {name: key of COLOURS}."""
    places, bends, right = _layout(found)
    for (start, end), points in sorted(bends.items()):  # grandalf's order depends on addresses in memory
        x0, y0, _, h0 = places[start]
        x1, y1, _, h1 = places[end]
        path = [(x0, y0 + h0 / 2)] + points + [(x1, y1 - h1 / 2)]
        for a, b in zip(path[:-2], path[1:-1]):
            axes.plot([a[0], b[0]], [a[1], b[1]], color="#9aa1a9", lw=0.9, zorder=1, solid_capstyle="round")
        axes.annotate("", xy=path[-1], xytext=path[-2], zorder=1,
                      arrowprops=dict(arrowstyle="-|>", color="#9aa1a9", lw=0.9, shrinkA=0, shrinkB=0))
    for node in found:
        x, y, w, h = places[node.name]
        kind = kinds.get(node.name, "constant" if node.op in CONSTANTS else "plain")
        rounded_box(axes, x, y, w, h, kind, 0.07, lw=1.1, zorder=2)
        lines = _lines(node)
        for i, line in enumerate(lines):
            head = i == 0
            axes.text(x, y - h / 2 + PAD + (i + 0.5) * LINE, line, ha="center", va="center", zorder=3,
                      fontsize=8 if head else 7, fontweight="bold" if head else "normal",
                      color=INK if head else "#0b61a4" if node.note and i + 1 == len(lines) else GREY, clip_on=False)
    bottom = max(y + h / 2 for _, y, _, h in places.values())
    axes.set_xlim(-0.05, right + 0.05)
    axes.set_ylim(bottom + 0.05, -0.05)
    axes.set_aspect("equal")
    axes.axis("off")
    return right + 0.1, bottom + 0.1


def _finish(figure, sizes, axes, titles, kinds):
    """Set every picture to one scale: text of 8 points is 8 points, unless the picture would be wider than the page."""
    from matplotlib.text import Text

    used = [kind for kind in LEGEND if kind in kinds]
    width = max(sum(w for w, _ in sizes) + 0.6 * (len(sizes) - 1), 1.9 * len(used), 3.0)
    height = max(h for _, h in sizes)
    head, foot = (0.3 if any(titles) else 0.05), (0.3 if used else 0.05)
    scale = min(1.0, 12.0 / width)
    total = height + head + foot
    figure.set_size_inches(width * scale, total * scale)
    for text in figure.findobj(Text):
        text.set_fontsize(text.get_fontsize() * scale)
    left = 0.0
    for (w, h), axis, title in zip(sizes, axes, titles):
        axis.set_position([left / width, (total - head - h) / total, w / width, h / total])
        if title:
            figure.text(left / width, 1 - 0.12 / total, plain(title, 120), fontsize=10 * scale, fontweight="bold", va="center")
        left += w + 0.6
    for i, kind in enumerate(used):
        figure.text((0.1 + 1.9 * i) / width, 0.13 / total, "\u25a0 " + LEGEND[kind], color=COLOURS[kind][1],
                    fontsize=8 * scale, va="center")
    return figure


def graph(source, around, reach=1, mark=None, title="", constants=True, readers=True):
    """The slice of a graph around some nodes. Returns a matplotlib Figure.

    source: see `nodes`. around, reach, readers: see `select`. mark: {name, namespace or pattern: key of
    `figures.COLOURS`}, for nodes that are not to have the colour "focus". constants: False leaves them out.

    Raises TypeError as `nodes` does, ValueError as `select` does and for more than MOST_NODES nodes.
    """
    found = nodes(source)
    chosen, shown = select(found, around, reach, readers)
    if not constants:
        shown = [node for node in shown if node.op not in CONSTANTS]
    kinds = {name: "focus" for name in chosen if reach}
    for word, kind in (mark or {}).items():
        kinds.update((name, kind) for name in select(found, word, 0)[0])
    figure, axes = subplots(dpi=110)
    sizes = [_draw(axes, shown, kinds)]
    describe(figure, "%sA graph: %s" % (title and title + ". ", _in_words(shown, kinds)))
    return _finish(figure, sizes, [axes], [title], {kinds[node.name] for node in shown if node.name in kinds})


def graph_before_after(before, after, around, around_after=None, reach=1, readers=True, hide=()):
    """Two slices side by side: what the second graph lacks in red, what it has gained in green, and in violet what both
    have but reads other nodes. Returns a matplotlib Figure.

    before, after: see `nodes`. around, reach, readers: see `select`; around_after: for the second slice, where its names
    differ. A node that these name and the first slice does not show is new, even if another part of the first graph has
    a node of that name. A node that kept its name but is another operation counts as gone and new. hide: patterns of names
    that are not drawn, such as "*/strided_slice*".

    Raises TypeError as `nodes` does, ValueError as `select` does and for more than MOST_NODES nodes.
    """
    slices = []
    for source, words in ((before, around), (after, around_after or around)):
        found = nodes(source)
        chosen, shown = select(found, words, reach, readers)
        slices.append((found, chosen, [node for node in shown
                                       if not any(fnmatch.fnmatchcase(node.name, pattern) for pattern in hide)]))
    inputs = [{(node.name, node.op): node.inputs for node in found} for found, _, _ in slices]
    drawn = {(node.name, node.op) for node in slices[0][2]}
    figure, axes = subplots(1, 2, dpi=110)
    sizes, used, words = [], set(), []
    for axis, (_, chosen, shown), other, kind in zip(axes, slices, inputs[::-1], ("gone", "new")):
        kinds = {}
        for node in shown:
            key = node.name, node.op
            if key not in other or kind == "new" and node.name in chosen and key not in drawn:
                kinds[node.name] = kind
            elif node.inputs != other[key]:
                kinds[node.name] = "changed"
        used |= set(kinds.values())
        words.append(_in_words(shown, kinds))
        sizes.append(_draw(axis, shown, kinds))
    describe(figure, "Two graphs. Before: %s After: %s" % tuple(words))
    return _finish(figure, sizes, axes, ("before", "after"), used)


def _in_words(shown, kinds, most=14):
    """The nodes that a picture shows, each with what it reads. most: as many nodes, those with a colour first; constants only
    where they have one."""
    plain = [node for node in shown if node.name not in kinds and node.op not in CONSTANTS]
    marked = [node for node in shown if node.name in kinds]
    named = {node.name for node in (marked + plain)[:most]}
    ops = {node.name: node.op for node in shown}
    parts = []
    for node in shown:
        if node.name in named:
            sources = [name for name in node.inputs if name in ops and ops[name] not in CONSTANTS]
            parts.append("%s %s%s%s%s" % (
                node.op, node.name, " with " + node.note if node.note else "",
                " (%s)" % LEGEND[kinds[node.name]] if kinds.get(node.name) in LEGEND else "",
                " reads " + " and ".join(sources) if sources else ""))
    rest = len(plain) + len(marked) - len(named)
    return "; ".join(parts + (["and %d more nodes" % rest] if rest else [])) + "."


def census(source, supported):
    """How often each operation occurs, as bars; operations that are not in `supported` stand out.

    source: see `nodes`. supported: a container of operation names. Returns a matplotlib Figure.
    """
    count = collections.Counter(node.op for node in nodes(source))
    order = sorted(count, key=lambda op: (op in supported, -count[op], op))
    figure, axes = subplots(figsize=(7.5, 0.19 * len(order) + 0.5), dpi=110)
    colours = [COLOURS["focus" if op in supported else "trouble"][1] for op in order]
    axes.barh(range(len(order)), [count[op] for op in order], color=colours, height=0.7)
    axes.set_yticks(range(len(order)))
    axes.set_yticklabels([plain(op) for op in order], fontsize=8)
    for tick, op in zip(axes.get_yticklabels(), order):
        tick.set_color(INK if op in supported else COLOURS["trouble"][1])
        tick.set_fontweight("normal" if op in supported else "bold")
    for i, op in enumerate(order):
        axes.text(count[op] + 0.3, i, str(count[op]), va="center", fontsize=8)
    words = [", ".join("%s %d" % (op, count[op]) for op in order if (op in supported) is wanted) or "none"
             for wanted in (False, True)]
    describe(figure, "How often each operation occurs. Not supported: %s. Supported: %s." % tuple(words))
    axes.set_xlabel("nodes", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylim(len(order) - 0.4, -0.6)
    return finish_chart(figure)
