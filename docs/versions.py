"""The timeline of docs/versions.md and its table, both from the same rows: `python -m docs.versions` in the top folder.

Writes docs/versions.png, and the table between the two comments of docs/versions.md.
"""
import io
import re

from helpers import artifacts
from helpers.show.figures import COLOURS, GREY, INK, PALE, finish_drawing, subplots

# TensorRT, the JetPack that brings it.
VERSIONS = [("5.0", "4.2"), ("5.1", "4.2.1 to 4.2.3"), ("6.0", "4.3"), ("7.1", "4.4 to 4.5.1"), ("8.0", "4.6"),
            ("8.2", "4.6.1 to 4.6.6"), ("8.4", "5.0.2"), ("8.5", "5.1 to 5.1.6"), ("8.6", "6.0"), ("10.3", "6.1 to 6.2.2"),
            ("10.13", "7.0, 7.1"), ("10.16", "7.2"), ("11", "none so far"), ("RTX 1.7", "none, for PCs")]
NAMES = [name for name, _ in VERSIONS]
# Question: [(answer, first TensorRT, last TensorRT, colour, the name in TensorRT's Python API by which a test checks it)].
ROWS = [
    ("board", [("Nano, TX2", "5.0", "8.2", "plain", None), ("Xavier", "5.0", "8.5", "plain", None),
                ("Orin", "8.4", "10.3", "plain", None), ("Orin", "10.16", "10.16", "plain", None),
                ("Thor", "10.13", "10.16", "plain", None)]),
    ("Python of JetPack", [("3.6", "5.0", "8.2", "plain", None), ("3.8", "8.4", "8.5", "plain", None),
                           ("3.10", "8.6", "10.3", "plain", None), ("3.12", "10.13", "10.16", "plain", None)]),
    ("parser", [("UffParser", "5.0", "8.6", "trouble", "UffParser"), ("OnnxParser", "5.0", "RTX 1.7", "new", "OnnxParser")]),
    ("converter to UFF", [("uff and graphsurgeon by NVIDIA", "5.0", "8.5", "trouble", None)]),
    ("plugin class", [
        ("IPluginV2, from UFF", "5.0", "8.6", "focus", None), ("IPluginV2Ext, fixed shapes", "5.1", "11", "focus", None),
        ("IPluginV2DynamicExt", "6.0", "11", "focus", None), ("IPluginV3", "10.3", "11", "new", "IPluginV3")]),
    ("FP16 is asked for by", [
        ("builder.fp16_mode", "5.0", "7.1", "trouble", "Builder.fp16_mode"),
        ("config.set_flag(BuilderFlag.FP16)", "6.0", "10.16", "focus", "BuilderFlag.FP16"),
        ("the types in the file", "10.3", "RTX 1.7", "new", "NetworkDefinitionCreationFlag.STRONGLY_TYPED")]),
    ("INT8 is asked for by", [("a calibrator", "5.0", "10.16", "focus", "IInt8EntropyCalibrator2"),
                              ("Q/DQ in the file", "8.0", "RTX 1.7", "new", "INetworkDefinition.add_quantize")]),
    ("a plan is built by", [
        ("build_cuda_engine", "5.0", "7.1", "trouble", "Builder.build_cuda_engine"),
        ("build_engine", "6.0", "8.6", "focus", "Builder.build_engine"),
        ("build_serialized_network", "8.0", "RTX 1.7", "new", "Builder.build_serialized_network")]),
    ("it is run by", [
        ("execute_async", "5.0", "8.6", "trouble", "IExecutionContext.execute_async"),
        ("execute_async_v2", "6.0", "8.6", "focus", "IExecutionContext.execute_async_v2"),
        ("execute_async_v3", "8.5", "RTX 1.7", "new", "IExecutionContext.execute_async_v3")]),
    ("LeakyReLU", [("plugin LReLU_TRT", "5.0", "10.16", "trouble", None), ("a layer", "5.1", "RTX 1.7", "new", None)]),
]
PICTURE, PAGE = artifacts.ROOT / "docs" / "versions.png", artifacts.ROOT / "docs" / "versions.md"
START, END = "<!-- by docs/versions.py -->", "<!-- end -->"


def table():
    """The Markdown table: for each question its answers, and from which TensorRT to which they hold."""
    jetpack, lines = dict(VERSIONS), ["| | | from TensorRT | to |", "|---|---|---|---|"]
    for version, name in VERSIONS:
        lines.append("| JetPack | %s | %s | %s |" % (name, version, version))
    for question, spans in ROWS:
        for label, first, last, _, name in spans:
            ends = ["%s (JetPack %s)" % (end, re.split(" to |, ", jetpack[end])[-k]) if jetpack[end][0] != "n" else end
                    for k, end in enumerate((first, last))]
            lines.append("| %s | %s | %s | %s |" % (question, "`%s`" % label if name and " " not in label else label,
                                                    ends[0], "today" if last == NAMES[-1] else ends[1]))
    return "\n".join(lines)


def timeline():
    """The same as a picture: a column for each TensorRT, a bar for each answer. Returns a matplotlib Figure."""
    figure, axis = subplots(figsize=(10.6, 7.0), dpi=110)
    y = -1.0
    for i, (version, jetpack) in enumerate(VERSIONS):
        axis.text(i + 0.5, 0.35, version, ha="center", va="center", fontsize=9, fontweight="bold", color=INK)
        axis.text(i + 0.5, -0.35, jetpack.replace(" to ", "\nto ").replace(", ", ",\n").replace("none so", "none\nso"),
                  ha="center", va="center", fontsize=6.5, color=GREY)
    for x, text, where in ((-0.1, "TensorRT", 0.35), (-0.1, "JetPack", -0.35)):
        axis.text(x, where, text, ha="right", va="center", fontsize=8, color=GREY)
    for question, spans in ROWS:
        axis.plot([-3.2, len(VERSIONS)], [y, y], color=PALE, lw=0.6)
        lanes = []  # the last column of each line of bars
        for label, first, last, kind, _ in spans:
            start, end = NAMES.index(first), NAMES.index(last) + 1
            lane = next((k for k, taken in enumerate(lanes) if taken <= start), len(lanes))
            lanes[lane:lane + 1] = [end]
            face, edge = COLOURS[kind]
            axis.barh(y - 0.36 - 0.56 * lane, end - start - 0.08, left=start + 0.04, height=0.46, color=face, edgecolor=edge,
                      lw=0.8)
            axis.text((start + end) / 2, y - 0.37 - 0.56 * lane, label, ha="center", va="center", fontsize=7, color=INK)
        height = 0.16 + 0.56 * len(lanes)
        axis.text(-0.1, y - height / 2, question, ha="right", va="center", fontsize=8, color=INK)
        y -= height
    return finish_drawing(figure, axis, (-2.6, len(VERSIONS) + 0.1), (y - 0.1, 0.8))


def with_table(page):
    """The text of versions.md with the table put between its comments."""
    start, end = page.index(START) + len(START), page.index(END)
    return page[:start] + "\n\n" + table() + "\n\n" + page[end:]


if __name__ == "__main__":
    from PIL import Image

    drawn, stored = io.BytesIO(), io.BytesIO()
    timeline().savefig(drawn, dpi=120, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(64).save(stored, "PNG", optimize=True)
    artifacts.write(PICTURE, stored.getvalue())
    artifacts.write(PAGE, with_table(PAGE.read_text(encoding="utf-8")))
