"""For notebooks 04 and 05: where an arithmetic fails, what threads do, which calls TensorRT makes, how fast the kernel was."""
import html

import numpy as np

from .figures import COLOURS, GREY, INK, describe, finish_chart, finish_drawing, rounded_box, subplots

# One row for each stage: (title, [(key of CALLERS, call, what it means)]), and in LOOP the calls that the builder repeats.
LIFE = [
    ("load", [("reader", "library", "dlopen, or\nload_library"),
              ("plugin", "creator", "name, version,\nnames of the fields"),
              ("tensorrt", "registry", "a list of creators,\none per process")]),
    ("parse", [("tensorrt", "look up", "the node's op\nis the name"),
               ("plugin", "createPlugin", "gets axis and eps,\nrefuses nonsense"),
               ("plugin", "clone", "the network keeps\none of its own"),
               ("plugin", "output shape", "as the input's,\nor a refusal")]),
    ("build", [("plugin", "supportsFormat", "FP32 or FP16,\nnumbers in a row"),
               ("plugin", "configure", "this shape, this\ntype: all right?"),
               ("plugin", "clone", "one for each\ntrial"),
               ("plugin", "initialize", "if it refuses,\nthere is no plan"),
               ("plugin", "enqueue", "run and timed,\nif there is a choice"),
               ("plugin", "serialize", "axis and eps go\ninto the plan")]),
    ("run", [("tensorrt", "read the plan", "finds name and\nversion in it"),
             ("plugin", "deserialize", "they become\na plugin again"),
             ("plugin", "initialize", "ready, or refuses\nwith a reason"),
             ("plugin", "clone", "one for each\nexecution context"),
             ("plugin", "enqueue", "puts the kernel\non the stream"),
             ("plugin", "destroy", "frees what it has")]),
]
LOOP = ("build", 0, 4, "again for each type and layout that it may take")
CALLERS = {"reader": ("focus", "you"), "tensorrt": ("plain", "TensorRT"), "plugin": ("new", "our plugin answers")}

VERDICTS = {"right": "#1b7f3b", "off by more than 0.01": "#e3a008", "zero": "#8a929c", "infinite": "#d9580d",
            "not a number": "#c62828"}


def over_lengths(lengths, right, results, seen=()):
    """For which lengths of a row each way to normalise is right, and what it gives elsewhere. Returns a matplotlib Figure.

    lengths: [N], of the rows before normalising. right: [N, L], the rows as they should become. results: {name: [N, L]},
    the rows as each way made them. seen: lengths that occur in practice, as black marks below.
    """
    figure, axis = subplots(figsize=(9.5, 1.15 + 0.42 * (len(results) + bool(len(seen)))), dpi=110)
    words = []
    for row, (name, y) in enumerate(results.items()):
        error, size = np.abs(np.asarray(y, np.float64) - right).max(-1), np.abs(y).max(-1)
        with np.errstate(invalid="ignore"):  # old NumPy warns of comparing with NaN, which is the question here
            wrong = [np.isnan(error), np.isinf(error), (error > 0.01) & (size == 0), error > 0.01]
        found = np.select(wrong, ["not a number", "infinite", "zero", "off by more than 0.01"], "right")
        words.append("%s: %s" % (name, ", ".join("%s from %.2g to %.2g" % (verdict, *_ends(lengths[found == verdict]))
                                                 for verdict in VERDICTS if (found == verdict).any())))
        for verdict, colour in VERDICTS.items():
            chosen = lengths[found == verdict]
            axis.scatter(chosen, [row] * len(chosen), s=190, marker="|", color=colour)
    if len(seen):
        words.append("seen in these scenes: lengths from %.2g to %.2g" % _ends(seen))
    describe(figure, "What each way to normalise gives for rows of which length. %s." % "; ".join(words))
    axis.scatter(seen, [len(results)] * len(seen), s=120, marker="|", color=INK, lw=0.7)
    for verdict, colour in VERDICTS.items():
        axis.scatter([], [], s=60, marker="s", color=colour, label=verdict)
    axis.set(xscale="log", xlim=(lengths[0], lengths[-1]), yticks=range(len(results) + bool(len(seen))),
             yticklabels=list(results) + ["seen in these scenes"] * bool(len(seen)), xlabel="length of the row")
    axis.set_ylim(len(results) - 0.4 + bool(len(seen)), -0.6)
    axis.legend(ncol=5, loc="lower center", bbox_to_anchor=(0.45, 1.0), fontsize=8, frameon=False)
    return finish_chart(figure)


def _ends(lengths):
    return float(np.min(lengths)), float(np.max(lengths))


def plugin_life():
    """The calls in a plugin's life in TensorRT, from the library to the last run. Returns a matplotlib Figure."""
    figure, axis = subplots(figsize=(10.4, 5.3), dpi=110)
    arrow = dict(arrowstyle="-|>", color="#8a929c", lw=1.2, shrinkA=0, shrinkB=0)
    for row, (title, calls) in enumerate(LIFE):
        y = -1.4 * row
        axis.text(-0.95, y, title, fontsize=11, fontweight="bold", ha="left", va="center")
        for column, (caller, call, meaning) in enumerate(calls):
            x = 1.72 * column + 0.6
            rounded_box(axis, x, y, 1.46, 0.88, CALLERS[caller][0], 0.1, lw=1.2)
            axis.text(x, y + 0.2, call, ha="center", va="center", fontsize=9, fontweight="bold", linespacing=0.95)
            axis.text(x, y - 0.17, meaning, ha="center", va="center", fontsize=7.8, color=GREY, linespacing=0.95)
            if column:
                axis.annotate("", xy=(x - 0.74, y), xytext=(x - 0.98, y), arrowprops=arrow)
        if title == LOOP[0]:
            first, last = (1.72 * column + 0.6 for column in LOOP[1:3])
            axis.plot([last, last, first], [y + 0.45, y + 0.66, y + 0.66], color="#8a929c", lw=1.2, solid_capstyle="butt")
            axis.annotate("", xy=(first, y + 0.45), xytext=(first, y + 0.66), arrowprops=arrow)
            axis.text((first + last) / 2, y + 0.68, LOOP[3], ha="center", va="center", fontsize=8.5, color=GREY,
                      bbox=dict(fc="white", ec="none", pad=1.5))
    stages = " ".join("%s: %s." % (title.capitalize(), "; ".join(
        "%s (%s)" % (call, meaning.replace("\n", " ")) for _, call, meaning in calls)) for title, calls in LIFE)
    describe(figure, "The calls in a plugin's life. %s While the plan is built, the calls from supportsFormat to enqueue come "
             "again for each type and layout that the plugin may take." % stages)
    for i, (kind, meaning) in enumerate(CALLERS.values()):
        axis.text(-0.1 + 1.72 * i, -4.95, "\u25a0 " + meaning, color=COLOURS[kind][1], fontsize=8.5, va="center")
    return finish_drawing(figure, axis, (-1.0, 10.0), (-5.15, 0.6))


def answers(pairs):
    """Questions of TensorRT, each beside the C++ that answers it, as a table for a notebook.

    pairs: [(question, C++)]; what follows the first line of a question is shown smaller. In a terminal the table is text.
    """
    return _Answers(pairs)


class _Answers:
    def __init__(self, pairs):
        self.pairs = list(pairs)

    def __repr__(self):
        return "\n\n".join("%s\n%s" % pair for pair in self.pairs)

    def _repr_html_(self):
        plain = "margin:0;padding:0;background:none;font-family:monospace;font-size:86%;white-space:pre-wrap"
        cell = "<td style='text-align:left;vertical-align:top;padding:.5em 1em .5em 0;%s'>%s</td>"
        rows = []
        for question, code in self.pairs:
            first, _, more = html.escape(question).partition("\n")
            asked = first + "<br><span style='font-size:86%%;opacity:.7'>%s</span>" % more.replace("\n", "<br>")
            rows.append("<tr>%s%s</tr>" % (
                cell % ("min-width:11em;max-width:15em;white-space:normal", asked),
                cell % ("", "<pre style='%s'>%s</pre>" % (plain, html.escape(code)))))
        return "<table><tbody>%s</tbody></table>" % "".join(rows)


def threads(count, size):
    """Which thread does which piece of work, and which have none. Returns a matplotlib Figure.

    count: pieces of work, numbered from 0. size: threads in a block; a few of both, so that they can be read.
    """
    from matplotlib.patches import Rectangle

    blocks = -(-count // size)
    figure, axis = subplots(figsize=(10, 1.75), dpi=110)
    for block in range(blocks):
        left = block * (size + 0.6)
        axis.text(left + size / 2, 1.32, "block %d" % block, ha="center", va="bottom", fontsize=9.5, fontweight="bold")
        axis.add_patch(Rectangle((left - 0.12, -0.12), size + 0.24, 1.34, fc="none", ec=INK, lw=1.2))
        for thread in range(size):
            number = block * size + thread
            busy = number < count
            face, edge = COLOURS["new" if busy else "plain"]
            axis.add_patch(Rectangle((left + thread + 0.06, 0), 0.88, 1.1, fc=face, ec=edge, lw=1.0))
            axis.text(left + thread + 0.5, 0.78, "thread %d" % thread, ha="center", va="center", fontsize=8, color=GREY)
            axis.text(left + thread + 0.5, 0.34, str(number) if busy else "%d: none" % number, ha="center", va="center",
                      fontsize=11 if busy else 8.5, fontweight="bold" if busy else "normal")
    describe(figure, "%d blocks of %d threads, numbered from 0 over all blocks. Those numbered below %d have work, the last %d "
             "have none." % (blocks, size, count, blocks * size - count))
    axis.text(-0.12, -0.45, "number = block x %d + thread; there is work for %d, so numbers from %d on have none" % (
        size, count, count), fontsize=9, va="center", color=GREY)
    return finish_drawing(figure, axis, (-0.4, blocks * (size + 0.6) - 0.2), (-0.7, 1.75))


def kernel_speed(record):
    """What `plugin_src/benchmark.py` measured on another machine, as hatched bars. Returns a matplotlib Figure.

    record: from `timing.load`, of a file data/runs/l2_kernel_*.json. Left: gigabytes of pairs, in % of the speed at which a
    copy reads and writes them in the same run. Right: microseconds for the network's own shape.
    """
    figure, (left, right) = subplots(1, 2, figsize=(11, 3.2), dpi=110, gridspec_kw={"width_ratios": [1, 1.15]})
    pairs = [entry for entry in record["results"]["bandwidth"] if entry["axis"] == 2]
    size = max(entry["bytes_read"] for entry in pairs)
    shares = {}
    for name in ("simple kernel", "this kernel"):
        for entry in pairs:
            if entry["bytes_read"] >= 0.99 * size:
                speed = entry["simple_kernel"] if name == "simple kernel" else entry
                shares["%s, FP%s" % (name, entry["dtype"][len("float"):])] = 100 * speed["share_of_faster_copy"]
    shape, latency = next(item for item in record["results"]["latency"].items() if item[0].startswith("1 x"))
    times = {name: latency[name]["graph_us"] for name in sorted(latency, key=_rank)}
    describe(figure, "Not from this machine: measured on %s. In %% of a plain copy's speed: %s. In microseconds for %s "
             "numbers: %s." % (
        record["machine"]["gpu"], ", ".join("%s %.1f" % item for item in shares.items()), shape,
        ", ".join("%s %.2f" % item for item in times.items())))
    left.axvline(100, color=INK, lw=1, zorder=0)
    _hatched(left, shares, "%.1f %%", inside=True)
    _hatched(right, times, "%.2f")
    left.set_xlim(0, 106)
    left.set_xlabel("%.0f GB of pairs: %% of a plain copy's speed (the line)" % (size / 1e9), fontsize=9)
    right.set_xlabel("%s numbers: microseconds" % shape, fontsize=9)
    figure.suptitle("Not from this machine: measured on %s, driver %s, CUDA %s, %s" % (
        record["machine"]["gpu"], record["machine"]["driver"], record["versions"]["nvcc"], record["date"]),
        fontsize=9.5, fontweight="bold")
    return finish_chart(figure, rect=(0, 0, 1, 0.98))


def _rank(name):
    return [name.startswith(start) for start in ("simple", "this", "five", "torch")].index(True)


def _hatched(axis, values, form, inside=False):
    """Bars from {name: value}, the first one on top, each with its value in the format `form` behind its end or inside."""
    names = list(values)[::-1]
    kinds = {"simple kernel": "focus", "this kernel": "new"}
    colours = [COLOURS[kinds.get(name.split(",")[0], "plain")] for name in names]
    axis.barh(range(len(names)), [values[name] for name in names], color=[face for face, _ in colours], hatch="////",
              lw=0.8, edgecolor=[edge for _, edge in colours])
    for y, name in enumerate(names):
        axis.annotate(form % values[name], (values[name], y), (-6 if inside else 4, 0), textcoords="offset points",
                      va="center", ha="right" if inside else "left", fontsize=9, bbox=dict(fc="white", ec="none", pad=1))
    axis.set_yticks(range(len(names)))
    axis.set_yticklabels([name.replace("torch.nn.functional.normalize", "PyTorch's normalize")
                          .replace("this kernel", "the plugin's") for name in names], fontsize=9)
    axis.set_xlim(0, 1.15 * max(values.values()))


def thread_reads():
    """Which numbers of a long row of FP16 pairs one thread reads, in the simple kernel and in the plugin's.

    The counts are those of `plugin_src/`: blocks of 128 threads, packs of 16 bytes, four packs a thread. Returns a
    matplotlib Figure.
    """
    from matplotlib.patches import Rectangle

    figure, axis = subplots(figsize=(10, 2.1), dpi=110)
    packs = [0, 1, None, 127, 128, 129, None, 256, None, 384]  # None: an ellipsis
    for by_packs, title, asked in ((False, "simple kernel", "one pair, 4 bytes"),
                                   (True, "the plugin's", "four packs, 64 bytes")):
        y, x = -1.1 * by_packs, 0.0
        axis.text(-0.3, y + 0.28, title, ha="right", va="center", fontsize=10, fontweight="bold")
        axis.text(-0.3, y - 0.1, "thread 0 asks for\n%s" % asked, ha="right", va="center", fontsize=8.5, color=GREY)
        for pack in packs:
            if pack is None:
                axis.text(x + 0.2, y + 0.1, "\u2026", ha="center", va="center", fontsize=12)
                x += 0.5
                continue
            for pair in range(4):
                by_thread_0 = pack % 128 == 0 if by_packs else pack == pair == 0
                face, edge = COLOURS["new" if by_thread_0 else "plain"]
                axis.add_patch(Rectangle((x + 0.25 * pair, y - 0.1), 0.25, 0.4, fc=face, ec=edge, lw=0.8,
                                         zorder=1 + by_thread_0))
                if not by_packs and pack < 2:
                    axis.text(x + 0.25 * pair + 0.125, y + 0.1, str(4 * pack + pair), ha="center", va="center", fontsize=8)
            if by_packs:
                axis.add_patch(Rectangle((x, y - 0.1), 1, 0.4, fc="none", ec=INK, lw=1.4, zorder=3))
                axis.text(x + 0.5, y + 0.1, str(pack % 128), ha="center", va="center", fontsize=9, zorder=4,
                          bbox=dict(fc=face, ec="none", pad=1))
                axis.text(x + 0.5, y - 0.28, "pack %d" % pack, ha="center", va="center", fontsize=8, color=GREY)
            x += 1.1
    describe(figure, "Which numbers of a long row thread 0 of the first block reads. In the simple kernel one pair, 4 bytes, "
             "its neighbours the next ones. In the plugin's four packs of 16 bytes: those numbered 0, 128, 256 and 384.")
    axis.text(0, 0.62, "A small box is a pair, a thick one a pack. The number in it: which thread of the first block reads it.",
              fontsize=9, va="center")
    return finish_drawing(figure, axis, (-2.1, x), (-1.5, 0.85))
