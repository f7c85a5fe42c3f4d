"""Which comparison of answers judges what: the conversion of a model, or the runtimes that compute the file."""
from .figures import COLOURS, FAINT, GREY, INK, describe, finish_drawing, rounded_box, subplots

WIDTH, HEIGHT = 1.5, 0.5  # inches
PLACES = {"Keras": (0, 0, "the model"), "model.onnx": (2.9, 0, "the file"), "ONNX Runtime": (5.6, 0.42, "computes the file"),
          "TensorRT": (5.6, -0.42, "computes the file")}
ARROWS = [("Keras", "model.onnx"), ("model.onnx", "ONNX Runtime"), ("model.onnx", "TensorRT")]
CONVERSION, RUNTIMES = COLOURS["new"][1], COLOURS["changed"][1]


def what_is_judged():
    """A model, its file and two runtimes, with the two comparisons and what each judges. Returns a matplotlib Figure."""
    figure, axis = subplots(figsize=(9.3, 2.3), dpi=110)
    for name, (x, y, does) in PLACES.items():
        rounded_box(axis, x, y, WIDTH, HEIGHT, "focus" if name == "model.onnx" else "plain", 0.07, lw=1.1)
        axis.text(x, y + 0.09, name, ha="center", va="center", fontsize=9, fontweight="bold", color=INK)
        axis.text(x, y - 0.11, does, ha="center", va="center", fontsize=7.5, color=GREY)
    for start, end in ARROWS:
        (x0, y0, _), (x1, y1, _) = PLACES[start], PLACES[end]
        axis.annotate("", xy=(x1 - WIDTH / 2, y1), xytext=(x0 + WIDTH / 2, y0), arrowprops=dict(
            arrowstyle="-|>", color=FAINT, lw=1.3, shrinkA=0, shrinkB=0))
    axis.text(1.45, 0.09, "conversion", ha="center", va="bottom", fontsize=8, color=GREY)
    for corners, colour, text, place in (
            ([(0, 0.27), (0, 0.95), (5.6, 0.95), (5.6, 0.69)], CONVERSION, "answers kept from Keras: judges the conversion",
             (2.8, 1.0, "center", "bottom")),
            ([(6.37, 0.42), (6.65, 0.42), (6.65, -0.42), (6.37, -0.42)], RUNTIMES, "--trt --onnxrt:\njudges the runtimes",
             (6.75, 0, "left", "center"))):
        axis.plot(*zip(*corners[:-1]), color=colour, lw=1.6)
        for end, before in ((corners[0], corners[1]), (corners[-1], corners[-2])):
            axis.annotate("", xy=end, xytext=before, arrowprops=dict(
                arrowstyle="-|>", color=colour, lw=1.6, shrinkA=0, shrinkB=0))
        axis.text(place[0], place[1], text, ha=place[2], va=place[3], fontsize=8.5, color=colour)
    describe(figure, "A Keras model is converted to model.onnx, which ONNX Runtime and TensorRT compute. To compare ONNX "
                     "Runtime's answers with those kept from Keras judges the conversion. To compare the two runtimes, "
                     "--trt --onnxrt, judges the runtimes and not the conversion.")
    return finish_drawing(figure, axis, (-0.85, 8.3), (-0.8, 1.3))
