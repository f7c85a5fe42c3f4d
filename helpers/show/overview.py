"""The road from a Keras model to boxes on the street, as one picture."""
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

from .graphs import COLOURS

# What lies on the road, and between them: what is done, where, and the stage of helpers.machine that tells how.
FILES = ["Keras model", "frozen\nGraphDef", "GraphDef\nafter surgery", "UFF\nor ONNX", "TensorRT\nplan", "heads", "boxes"]
STEPS = [("freeze", "01", "freeze"), ("surgery", "02 03 04", "surgery, UFF"), ("convert", "02 06", "surgery, UFF"),
         ("build", "03 05", "plan"), ("run", "05", "run"), ("decode", "00", None)]
HOW = {True: "new", False: "trouble"}


def road(machine=None):
    """Every file on the way, every step between, the notebook that takes it.

    machine: a `helpers.machine.Machine`; with it, green steps are done by the real thing on this machine, orange
    ones by a stand-in. Returns a matplotlib Figure.
    """
    real = {stage: done for stage, _, done in machine.stages()} if machine else {}
    figure, axes = plt.subplots(figsize=(11.5, 1.75), dpi=110)
    for i, name in enumerate(FILES):
        face, edge = COLOURS["focus" if i in (0, len(FILES) - 1) else "plain"]
        axes.add_patch(FancyBboxPatch((2 * i - 0.58, -0.42), 1.16, 0.84, fc=face, ec=edge, lw=1.2,
                                      boxstyle="round,pad=0,rounding_size=0.12"))
        axes.text(2 * i, 0, name, ha="center", va="center", fontsize=8.5)
    for i, (step, notebooks, stage) in enumerate(STEPS):
        colour = COLOURS[HOW[real.get(stage, True)]][1] if machine else "#4a525b"
        axes.annotate("", xy=(2 * i + 1.42, 0), xytext=(2 * i + 0.58, 0),
                      arrowprops=dict(arrowstyle="-|>", color=colour, lw=1.8, shrinkA=0, shrinkB=0))
        axes.text(2 * i + 1, 0.2, step, ha="center", va="bottom", fontsize=8.5, fontweight="bold", color=colour)
        axes.text(2 * i + 1, -0.2, notebooks, ha="center", va="top", fontsize=8, color="#4a525b")
    if machine:
        for x, kind, meaning in ((-0.58, True, "the real thing on this machine"),
                                 (3.2, False, "a stand-in, said so each time")):
            axes.text(x, -1.0, "\u25a0 " + meaning, color=COLOURS[HOW[kind]][1], fontsize=8, va="center")
    axes.set_xlim(-0.7, 2 * len(FILES) - 1.3)
    axes.set_ylim(-1.2, 0.75)
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    plt.close(figure)
    return figure
