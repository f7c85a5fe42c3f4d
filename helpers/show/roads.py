"""What our recorded runs say of each precision: how long it takes, and how near the gate's limit its worst box is."""
from .figures import FAINT, INK, describe, finish_chart, subplots

PRECISIONS = ("fp32", "fp16", "int8")
COLOURS = ("#8a929c", "#2563eb", "#6f42c1")
LIMIT = "#c62828"


def precisions(records, road="onnx inline"):
    """Hatched bars for FP32, FP16 and INT8: milliseconds at batch 1 on the GPU, and the largest shift of a box as a share of
    what the gate allows, with the limit. Returns a matplotlib Figure.

    records: {name: record}, records as `data/runs/roads_*.json`; where one has no time, words in the place of the bar say so.
    road: the beginning of their keys. Raises ValueError when a record has no result of that road.
    """
    rows, words = [], []
    for precision in PRECISIONS:
        for i, (name, record) in enumerate(records.items()):
            found = record["results"].get("%s, %s" % (road, precision))
            if found and "verdict" in found:
                rows.append((len(rows) + PRECISIONS.index(precision) * 0.6, precision, name, i, found))
    for name in records:
        if name not in [row[2] for row in rows]:
            raise ValueError("%s has no result of %r; it has %s" % (name, road, ", ".join(sorted(records[name]["results"]))))
    figure, axes = subplots(1, 2, figsize=(9.5, 1.0 + 0.27 * len(rows)), dpi=100, sharey=True)
    longest = max([1] + [found["share_of_limit"] for _, _, _, _, found in rows])
    for y, precision, name, i, found in rows:
        ms, share = found.get("batch 1", {}).get("gpu_ms"), found["share_of_limit"]
        for axis, value in zip(axes, (ms, share)):
            if value is not None:
                axis.barh(y, value, height=0.74, color="white", edgecolor=COLOURS[i % len(COLOURS)], hatch="////")
        untimed = "not timed" if records[name]["machine"].get("gpu") else "ran on a CPU, not timed"
        time = "%.2f ms" % ms if ms else untimed
        words.append("%s in %s: %s, %.3g of the limit, %s" % (precision.upper(), name, time, share, found["verdict"]))
        axes[0].text(ms or 0, y, "  " + time, va="center", fontsize=8, color=INK if ms else FAINT)
        axes[1].text(1.07 * longest, y, "%.2f, %s" % (share, found["verdict"]), va="center", fontsize=8, color=INK)
    axes[0].set_yticks([y for y, _, _, _, _ in rows])
    axes[0].set_yticklabels(["%s  %s" % (precision.upper(), name) for _, precision, name, _, _ in rows], fontsize=8)
    axes[0].set_ylim(rows[-1][0] + 0.6, -1.2)
    axes[1].axvline(1, ymax=0.94, color=LIMIT, lw=1.2)
    axes[1].text(1, -0.95, "the gate's limit", color=LIMIT, fontsize=8, ha="center", va="center")
    for axis, label in zip(axes, ("milliseconds on the GPU, batch 1", "largest shift of a box, as a share of the limit")):
        axis.set_xlabel(label, fontsize=8.5)
        axis.tick_params(axis="x", labelsize=8)
    axes[0].set_xlim(0, 1.3 * max([bar.get_width() for bar in axes[0].patches] or [1]))
    axes[1].set_xlim(0, 1.5 * longest)
    axes[1].set_xticks([0, 0.5, 1])
    describe(figure, "Recorded bars. " + "; ".join(words) + ".")
    return finish_chart(figure, ("top", "right", "left"))
