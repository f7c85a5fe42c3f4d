"""Times as pictures: bars beside published ones, every run in its order, batch sizes, layers.

Solid bars and lines are what this machine measured; hatched bars and dashed lines come from elsewhere.
"""
import textwrap

from .. import timing
from .figures import FAINT, INK, PALE, describe, finish_chart, plain, subplots

PRECISIONS = {"TensorFlow": "#64748b", "TF32": "#0891b2", "FP32": "#2563eb", "FP16": "#1b7f3b", "INT8": "#d9580d"}
KINDS = ["#2563eb", "#d9580d", "#1b7f3b", "#7c3aed", "#64748b", "#b42318"]


def timings(record, published=(), batch=1):
    """The bar chart of a measurement, with figures from elsewhere below it. Returns a matplotlib Figure.

    record: from `timing.measure` or `timing.load`, or None. Its columns for `batch` become solid bars: the median on the
        host's clock, copies included, with a whisker to p90 and a diamond at the median of the GPU's own clock where
        there is one. The name says where it ran, the line under it the parity verdict. Columns that `timing.withheld`
        names have no bar; the reason stands in its place.
    published: entries of `timing.published()` or `timing.recorded()`; those with "ms" become hatched bars under a line
        with device and source.

    Raises ValueError when there is nothing to draw for that batch.
    """
    rows = [row for row in timing.rows(record) if row["batch"] == batch] if record else []
    withheld = [(name, why) for name, size, why in timing.withheld(record) if size == batch] if record else []
    groups = _groups(published)
    if not rows and not withheld and not groups:
        raise ValueError("nothing to draw: the record has the batches %s, not %d" % (
            sorted({column["batch"] for column in record["results"]["columns"]}) if record else [], batch))
    lines = bool(record) + len(rows) + len(withheld) + sum(1.25 + len(entries) for _, entries in groups)
    figure, axis = subplots(figsize=(9.5, 0.75 + 0.43 * lines), dpi=95)
    longest = max([max(row["ms"], row["p90"]) for row in rows] + [entry["ms"] for _, part in groups for entry in part] + [1e-9])
    gap, y = 0.012 * longest, 0
    if record:
        y = _heading(axis, y, "Measured here: %s, batch %d, %s" % (record["machine"]["name"], batch,
                                                                  record["date"].replace("T", " ")), "")
        loaded = timing.load_of_others(record)
        if loaded:
            axis.text(0, y - 0.45, loaded, fontsize=8.5, color=_verdict_colour("broken"), va="center")
            y += 0.4
    for row in rows:
        _measured_bar(axis, y, row, gap)
        y += 1
    for name, why in withheld:
        _name(axis, y, name, "not shown", _verdict_colour("broken"))
        axis.text(gap, y, plain(textwrap.shorten(why, 90), 90), va="center", fontsize=8, color=FAINT)
        y += 1
    for (device, source), entries in groups:
        title = "Measured by us, not here: " if entries[0].get("measured") else "Published, not reproduced: "
        y = _heading(axis, y + 0.25, title + device, source)
        for entry in entries:
            _published_bar(axis, y, entry, gap)
            y += 1
    words = ["Bars, in milliseconds."]
    if record:
        words.append("Measured here, %s, batch %d: %s." % (record["machine"]["name"], batch, "; ".join(
            ["%s %s, parity %s" % (timing.label(row), _number(row["ms"]), row["verdict"]) for row in rows]
            + ["%s not shown" % name for name, _ in withheld])))
    for (device, _), entries in groups:
        words.append("%s, %s: %s." % (
            "Measured by us, not here" if entries[0].get("measured") else "Published, not reproduced", device, "; ".join(
                "%s %s, batch %s" % (_label(entry), _number(entry["ms"]), entry["batch"]) for entry in entries)))
    words += [timing.load_of_others(record)] if record else []
    describe(figure, " ".join(words))
    axis.set_ylim(y - 0.4, -0.75)
    axis.set_xlim(0, 1.16 * longest)
    axis.set_yticks([])
    axis.set_xlabel("milliseconds   (%s)" % "; ".join(_legend(rows, groups)), fontsize=8.5)
    return finish_chart(figure, ("top", "right", "left"))


def _groups(published):
    """[((device, source), entries)] of the entries with a time, in their order."""
    groups = {}
    for entry in published:
        if entry.get("ms") is not None:
            source = entry["source"] + (", %s" % entry["year"] if entry.get("year") else "")
            groups.setdefault((entry["device"] + ", " + entry["network"], source), []).append(entry)
    return list(groups.items())


def _heading(axis, y, left, right):
    """A line of text above a block of bars, and where two texts do not fit into one line, a second; returns the y behind."""
    axis.text(0, y, plain(left, 140), fontsize=8.5, fontweight="bold", color=INK, va="center")
    y += 0.45 * (len(left) + len(right) > 120)
    axis.text(1, y, plain(right, 140), fontsize=7.5, color=FAINT, va="center", ha="right", transform=axis.get_yaxis_transform())
    return y + 0.85


def _measured_bar(axis, y, row, gap):
    axis.barh(y, row["ms"], height=0.62, color=_colour(row["name"]))
    axis.plot([row["ms"], row["p90"]], [y, y], color=INK, lw=1.2)
    axis.plot([row["p90"]] * 2, [y - 0.14, y + 0.14], color=INK, lw=1.2)
    if row["gpu_ms"] is not None:
        axis.plot([row["gpu_ms"]], [y], "D", ms=5, mfc="white", mec=INK)
    _name(axis, y, timing.label(row), "parity: " + row["verdict"], _verdict_colour(row["verdict"]))
    axis.text(max(row["ms"], row["p90"]) + gap, y, "%s ms   n = %d" % (_number(row["ms"]), row["n"]),
              va="center", fontsize=8.5, color=INK)


def _published_bar(axis, y, entry, gap):
    label = _label(entry)
    by_precision = entry.get("measured") or entry["framework"] == "TensorRT"
    axis.barh(y, entry["ms"], height=0.62, facecolor="white", edgecolor=_colour(label if by_precision else "TensorFlow"),
              hatch="////", lw=1.0)
    _name(axis, y, label, "batch %s" % entry["batch"], FAINT)
    axis.text(entry["ms"] + gap, y, "%s ms" % _number(entry["ms"]), va="center", fontsize=8.5, color=FAINT)


def _name(axis, y, name, below, colour):
    """The name of a bar at the left, with a small line under it."""
    for shift, text, size, ink in ((-0.13, name, 9, INK), (0.24, below, 7.5, colour)):
        axis.annotate(plain(text), (0, y + shift), xycoords=axis.get_yaxis_transform(), xytext=(-6, 0), ha="right", va="center",
                      textcoords="offset points", fontsize=size, color=ink)


def _legend(rows, groups):
    """What solid and hatched mean, as far as they occur."""
    legend = []
    if rows:
        diamond = any(row["gpu_ms"] is not None for row in rows)
        legend.append("solid: median of all runs, whisker to p90" + ", diamond: the GPU's own clock" * diamond)
    if groups:
        legend.append("hatched: " + " or ".join(sorted({
            "as measured on that machine" if entries[0].get("measured") else "as published" for _, entries in groups})))
    return legend


def samples(strips, batch=1, from_zero=True):
    """Every run in the order in which it was made, one strip for each name. Returns a matplotlib Figure.

    strips: {name: [ms]}, or a record, of which the columns for `batch` are drawn. All strips have one scale, which begins
    at zero or, for a closer look, at the fastest run; the solid line is the median, the dashed one p90. Raises ValueError
    for no strips, or one without a time.
    """
    from matplotlib.ticker import MaxNLocator

    if isinstance(strips.get("results"), dict):  # a record
        strips = {column["name"]: column["samples_ms"] for column in strips["results"]["columns"]
                  if column["batch"] == batch and not column["error"]}
    if not strips:
        raise ValueError("no samples to draw")
    figure, axes = subplots(len(strips), 1, figsize=(9.5, 0.6 + 1.05 * len(strips)), dpi=95, sharey=True, squeeze=False)
    for axis, (name, ms) in zip(axes[:, 0], strips.items()):
        summary = timing.summary(ms)
        axis.vlines(range(1, len(ms) + 1), 0 if from_zero else summary["median"], ms, color=PALE, lw=1)
        axis.plot(range(1, len(ms) + 1), ms, "o", ms=3.5, color=_colour(name))
        axis.axhline(summary["median"], color=INK, lw=1)
        axis.axhline(summary["p90"], color=INK, lw=0.8, ls="--")
        axis.set_title("%s: median %s, p90 %s, from %s to %s ms" % ((plain(name),) + tuple(_number(value) for value in (
            summary["median"], summary["p90"], summary["min"], max(ms)))), fontsize=8.5, loc="left", pad=2)
        axis.set_xlim(0.3, len(ms) + 0.7)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylabel("ms", fontsize=8)
        axis.tick_params(labelsize=7.5)
    describe(figure, "Every run in its order, in milliseconds. " + " ".join(
        "%s: %d runs, median %s, p90 %s, from %s to %s, the first %s." % ((name, len(ms)) + tuple(map(_number, (
            timing.summary(ms)["median"], timing.summary(ms)["p90"], min(ms), max(ms), ms[0]))))
        for name, ms in strips.items()))
    if from_zero:
        axes[0, 0].set_ylim(bottom=0)
    axes[-1, 0].set_xlabel("run" if from_zero else "run; the scale does not begin at 0", fontsize=8)
    return finish_chart(figure)


def over_batches(found):
    """Left: how long one run takes (median, whisker to p90), right: images a second, one run after the other, by batch size.

    found: a record of `timing.measure` with more than one batch, or entries of `timing.recorded()`, whose lines are
    dashed. Returns a matplotlib Figure. Raises ValueError when no column may be shown.
    """
    if isinstance(found, dict):
        rows, style = timing.rows(found), dict(fmt="o-")
        title = "Measured here: %(name)s" % found["machine"]
    else:
        rows = [dict(entry, name=_label(entry)) for entry in found]
        style = dict(fmt="o--", mfc="white")
        title = "Measured by us, not here: %(device)s, %(source)s" % found[0] if found else ""
    if not rows:
        raise ValueError("no column that may be shown: %s" % (timing.withheld(found) if found else "there is none"))
    figure, (left, right) = subplots(1, 2, figsize=(9.5, 3.4), dpi=95)
    for name in dict.fromkeys(map(timing.label, rows)):
        line = sorted((row for row in rows if timing.label(row) == name), key=lambda row: row["batch"])
        batches = [row["batch"] for row in line]
        above = [max(row["p90"] - row["ms"], 0) for row in line]
        left.errorbar(batches, [row["ms"] for row in line], yerr=[[0] * len(line), above], ms=4, capsize=3,
                      color=_colour(name), label=plain(name), **style)
        right.errorbar(batches, [row["images_per_second"] for row in line], ms=4, color=_colour(name), **style)
    for axis, label in ((left, "ms for one run"), (right, "images a second")):
        axis.set(xlabel="batch: images in one run", ylabel=label, xticks=sorted({row["batch"] for row in rows}))
        axis.set_ylim(bottom=0)
        axis.xaxis.label.set_size(8.5)
        axis.yaxis.label.set_size(8.5)
        axis.tick_params(labelsize=8)
    describe(figure, "%s. Two charts over the batch: how long one run takes, and images a second. %s." % (title, "; ".join(
        "%s: " % name + ", ".join("batch %s %s ms, %s images a second" % (
            row["batch"], _number(row["ms"]), _number(row["images_per_second"])) for row in sorted(
                (row for row in rows if timing.label(row) == name), key=lambda row: row["batch"]))
        for name in dict.fromkeys(map(timing.label, rows)))))
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncol=5, fontsize=8, frameon=False)
    figure.suptitle(plain(title, 140), fontsize=9)
    return finish_chart(figure, rect=(0, 0.08, 1, 0.97))


def layers(times, title="", top=18, recorded=False):
    """Where the time goes: a bar for each layer, in the order of the network. Returns a matplotlib Figure.

    times: [(name, ms)] as from `engine.Engine.layer_times`, or [(name, ms, kind)] as from `timing.layers`, which gives each
    kind a colour. top: how many of the longest layers get a bar of their own; the rest share one at the end. Percentages
    are of the sum of `times`, which is more than the time of a run: measuring between layers costs some. recorded: hatched
    bars, for times of another machine.

    Raises ValueError when no layer took any time.
    """
    from matplotlib.patches import Patch

    times = [(tuple(entry) + ("",))[:3] for entry in times]
    total = sum(ms for _, ms, _ in times)
    if not times or not total > 0:
        raise ValueError("no layer took any time")
    chosen = sorted(sorted(range(len(times)), key=lambda i: -times[i][1])[:top])
    shown = [times[i] for i in chosen]
    rest = [times[i][1] for i in range(len(times)) if i not in set(chosen)]
    if rest:
        shown.append(("%d others" % len(rest), sum(rest), "others"))
    kinds = list(dict.fromkeys(kind for _, _, kind in shown if kind != "others"))
    colours = dict({kind: KINDS[min(i, len(KINDS) - 1)] for i, kind in enumerate(kinds)}, others=PALE)
    figure, axis = subplots(figsize=(9.5, 0.9 + 0.235 * len(shown)), dpi=95)
    for y, (_, ms, kind) in enumerate(shown):
        fill = dict(facecolor="white", hatch="////", lw=1.0) if recorded else dict(facecolor=colours[kind])
        axis.barh(y, ms, height=0.74, edgecolor=colours[kind], **fill)
        axis.text(ms, y, "  %s ms, %.0f %%" % (_number(ms), 100 * ms / total), va="center", fontsize=7.5, color=INK)
    longest = sorted((entry for entry in shown if entry[2] != "others"), key=lambda entry: -entry[1])[:5]
    describe(figure, "%s. A %sbar for each of %d layers in the order of the network; together %s ms. The longest: %s." % (
        title or "Where the time goes", "hatched " * recorded, len(times), _number(total), "; ".join(
            "%s %s ms (%.0f %%)" % (name, _number(ms), 100 * ms / total) for name, ms, _ in longest)))
    axis.set_yticks(range(len(shown)))
    axis.set_yticklabels([plain(name, 43) for name, _, _ in shown], fontsize=7.5)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.set_xlim(0, 1.18 * max(ms for _, ms, _ in shown))
    axis.set_xlabel("milliseconds", fontsize=8.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_title(plain(title, 140), fontsize=9, loc="left")
    if kinds != [""]:
        axis.legend(handles=[Patch(color=colours[kind], label=plain(kind)) for kind in kinds], fontsize=8, frameon=False,
                    loc="lower right")
    return finish_chart(figure, ("top", "right", "left"))


def plan_sizes(plans):
    """Plans side by side: size on disk, and how long their building took. Returns a matplotlib Figure.

    plans: {name: {"bytes": int, "build_seconds": float}}, such as the sidecars of plans (`artifacts.read_sidecar`).
    Raises ValueError for no plans.
    """
    if not plans:
        raise ValueError("no plans to draw")
    figure, axes = subplots(1, 2, figsize=(9.5, 0.8 + 0.34 * len(plans)), dpi=95, sharey=True)
    describe(figure, "Bars of plans: " + "; ".join("%s %s MB, built in %s s" % (
        name, _number(plan["bytes"] / 1e6), _number(plan["build_seconds"])) for name, plan in plans.items()) + ".")
    for axis, label, values in zip(axes, ("size, MB", "build, seconds"), (
            [plan["bytes"] / 1e6 for plan in plans.values()], [plan["build_seconds"] for plan in plans.values()])):
        axis.barh(range(len(plans)), values, height=0.62, color=[_colour(name) for name in plans])
        for y, value in enumerate(values):
            axis.text(value, y, " " + _number(value), va="center", fontsize=8.5)
        axis.set_yticks(range(len(plans)))
        axis.set_yticklabels([plain(name) for name in plans], fontsize=9)
        axis.set_ylim(len(plans) - 0.5, -0.5)
        axis.set_xlim(0, 1.18 * max(values + [1e-9]))
        axis.set_xlabel(label, fontsize=8.5)
        axis.tick_params(axis="x", labelsize=8)
    return finish_chart(figure, ("top", "right", "left"))


def _label(entry):
    """The name of an entry's bar: "TensorRT FP16". What we measured ourselves is written as it was recorded."""
    precision = entry["precision"] or ""
    return ("%s %s" % (entry["framework"], precision if entry.get("measured") else precision.upper())).strip()


def _colour(name):
    """One colour for each precision, so that a solid bar and a hatched one of the same kind belong together."""
    return next((colour for word, colour in PRECISIONS.items() if word.lower() in name.lower()), KINDS[0])


def _verdict_colour(verdict):
    from ..parity import VERDICTS

    return VERDICTS[verdict]


def _number(value):
    return "%.0f" % value if value >= 100 else "%.3g" % value
