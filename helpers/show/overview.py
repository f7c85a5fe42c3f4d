"""The road from a Keras model to boxes on the street, as one picture."""
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

from .graphs import COLOURS

# What is on the road, with the file it is kept in, and between them: what is done, and in which notebooks. A step and a
# notebook each have the stage of helpers.machine that tells how it is done here.
THINGS = [("Keras\nmodel", ".npz file"), ("frozen\ngraph", ".pb file"), ("graph after\nsurgery", "in memory"),
          ("UFF\nor ONNX", ".uff or .onnx file"), ("TensorRT\nplan", ".plan file"), ("heads", "arrays"), ("boxes", "a picture")]
STEPS = [("freeze", "freeze", [("01", "freeze")]),
         ("surgery", "surgery, UFF", [("02", "surgery, UFF"), ("03", "surgery, UFF"), ("04", "L2 layer")]),
         ("convert", "surgery, UFF", [("02", "surgery, UFF"), ("06", "surgery, UFF")]),
         ("build", "plan", [("03", "plan"), ("05", "plan")]), ("run", "run", [("05", "run")]), ("decode", None, [("00", None)])]
HOW = {True: "new", False: "trouble"}


def road(machine=None):
    """Everything on the way with its file, every step between, the notebooks that take it.

    machine: a `helpers.machine.Machine`; with it, steps and notebooks that have the real thing on this machine are
    green, those with a stand-in orange. Returns a matplotlib Figure.
    """
    real = {stage: done for stage, _, done in machine.stages()} if machine else {}

    def colour(stage):
        return COLOURS[HOW[real.get(stage, True)]][1] if machine else "#4a525b"

    figure, axes = plt.subplots(figsize=(9.6, 1.75), dpi=110)
    for i, (name, file) in enumerate(THINGS):
        face, edge = COLOURS["focus" if i in (0, len(THINGS) - 1) else "plain"]
        axes.add_patch(FancyBboxPatch((2 * i - 0.58, -0.42), 1.16, 0.84, fc=face, ec=edge, lw=1.2,
                                      boxstyle="round,pad=0,rounding_size=0.12"))
        axes.text(2 * i, 0, name, ha="center", va="center", fontsize=8.5)
        axes.text(2 * i, -0.5, file, ha="center", va="top", fontsize=7.5, color="#4a525b")
    for i, (step, stage, notebooks) in enumerate(STEPS):
        axes.annotate("", xy=(2 * i + 1.42, 0), xytext=(2 * i + 0.58, 0),
                      arrowprops=dict(arrowstyle="-|>", color=colour(stage), lw=1.8, shrinkA=0, shrinkB=0))
        axes.text(2 * i + 1, 0.14, step, ha="center", va="bottom", fontsize=8.5, fontweight="bold", color=colour(stage))
        for k, (number, stage) in enumerate(notebooks):
            axes.text(2 * i + 1 + 0.3 * (k - (len(notebooks) - 1) / 2), -0.14, number, ha="center", va="top", fontsize=8.5,
                      color=colour(stage))
    if machine:
        for x, kind, meaning in ((-0.58, True, "the real thing on this machine"),
                                 (3.6, False, "a stand-in, which the page names")):
            axes.text(x, -1.0, "\u25a0 " + meaning, color=COLOURS[HOW[kind]][1], fontsize=8.5, va="center")
    axes.set_xlim(-0.75, 2 * len(THINGS) - 1.25)
    axes.set_ylim(-1.2, 0.75)
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    plt.close(figure)
    return figure
