"""The road from a Keras model to boxes on the street, as one picture."""
from .figures import COLOURS, GREY, describe, finish_drawing, rounded_box, subplots

# What is made on the road, with the file that keeps it, and the steps between. A step and a notebook name the stage of
# `helpers.machine` that says how it is done on this machine.
PRODUCTS = [("Keras\nmodel", ".npz file"), ("frozen\ngraph", ".pb file"), ("graph after\nsurgery", "in memory"),
            ("UFF\nor ONNX", ".uff or .onnx file"), ("TensorRT\nplan", ".plan file"), ("heads", "arrays"),
            ("boxes", "a picture")]
STEPS = [("freeze", "freeze", [("01", "freeze")]),
         ("surgery", "surgery, UFF", [("02", "surgery, UFF"), ("03", "surgery, UFF"), ("05", "L2 layer")]),
         ("convert", "surgery, UFF", [("02", "surgery, UFF"), ("07", "surgery, UFF")]),
         ("build", "plan", [("03", "plan"), ("06", "plan")]), ("run", "run", [("06", "run")]), ("decode", None, [("00", None)])]
REAL, STAND_IN = COLOURS["new"][1], COLOURS["trouble"][1]


def road(machine=None):
    """What is made on the way, with its file, the steps between, and the notebooks that take them.

    machine: a `helpers.machine.Machine`; with it, steps and notebooks that have the real thing on this machine are
    green, those with a stand-in orange. Returns a matplotlib Figure.
    """
    real = {stage: is_real for stage, _, is_real in machine.stages()} if machine else {}

    def colour(stage):
        return GREY if not machine else REAL if real.get(stage, True) else STAND_IN

    figure, axis = subplots(figsize=(9.6, 1.75), dpi=110)
    for i, (name, file) in enumerate(PRODUCTS):
        rounded_box(axis, 2 * i, 0, 1.16, 0.84, "focus" if i in (0, len(PRODUCTS) - 1) else "plain", 0.12, lw=1.2)
        axis.text(2 * i, 0, name, ha="center", va="center", fontsize=8.5)
        axis.text(2 * i, -0.5, file, ha="center", va="top", fontsize=7.5, color=GREY)
    for i, (step, stage, notebooks) in enumerate(STEPS):
        axis.annotate("", xy=(2 * i + 1.42, 0), xytext=(2 * i + 0.58, 0),
                      arrowprops=dict(arrowstyle="-|>", color=colour(stage), lw=1.8, shrinkA=0, shrinkB=0))
        axis.text(2 * i + 1, 0.14, step, ha="center", va="bottom", fontsize=8.5, fontweight="bold", color=colour(stage))
        for k, (number, notebook_stage) in enumerate(notebooks):
            axis.text(2 * i + 1 + 0.26 * (k - (len(notebooks) - 1) / 2), -0.14, number, ha="center", va="top", fontsize=8.5,
                      color=colour(notebook_stage))
    if machine:
        axis.text(-0.58, -1.0, "\u25a0 the real thing on this machine", color=REAL, fontsize=8.5, va="center")
        axis.text(3.6, -1.0, "\u25a0 a stand-in, which the page names", color=STAND_IN, fontsize=8.5, va="center")
    real_steps, stand_ins = [[step for step, stage, _ in STEPS if stage and real.get(stage, True) is wanted]
                             for wanted in (True, False)]
    words = "The road from a Keras model to boxes: %s. The steps between are %s." % (
        ", ".join("%s (%s)" % (name.replace("\n", " "), file) for name, file in PRODUCTS),
        ", ".join(step for step, _, _ in STEPS))
    if machine:
        words += " Real on this machine: %s. A stand-in: %s." % tuple(
            ", ".join(steps) or "none" for steps in (real_steps, stand_ins))
    return finish_drawing(describe(figure, words), axis, (-0.75, 2 * len(PRODUCTS) - 1.25), (-1.2, 0.75))
