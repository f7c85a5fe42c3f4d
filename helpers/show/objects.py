"""TensorRT's objects: which make a plan, and which run one."""
from .figures import FAINT, GREY, INK, describe, finish_drawing, rounded_box, subplots

# For each drawing: {name: (column, row, what it does or is, key of COLOURS)} and the arrows between.
BUILD = {
    "file": (0, 0, ".uff or .onnx", "plain"), "parser": (1, 0, "parse()", "focus"),
    "network": (2, 0, "what is computed", "focus"), "builder": (3, 0, "build_serialized_network()", "focus"),
    "plan": (4, 0, ".plan file", "new"),
    "profile": (2, 1, "sizes of the input", "focus"), "config": (3, 1, "memory, precision", "focus")}
BUILD_ARROWS = [("file", "parser"), ("parser", "network"), ("network", "builder"), ("builder", "plan"), ("profile", "config"),
                ("config", "builder")]
RUN = {
    "plan": (0, 0, ".plan file", "new"), "runtime": (1, 0, "deserialize_cuda_engine()", "focus"),
    "engine": (2, 0, "weights on the GPU", "focus"), "context": (3, 0, "execute_async_v3()", "focus"),
    "answers": (4, 0, "arrays", "plain"), "memory": (2, 1, "for inputs and outputs", "focus"),
    "stream": (3, 1, "a queue of work", "focus")}
RUN_ARROWS = [("plan", "runtime"), ("runtime", "engine"), ("engine", "context"), ("context", "answers"), ("memory", "context"),
              ("stream", "context")]
WIDTH, HEIGHT, COLUMN, ROW = 1.5, 0.5, 1.86, 0.78  # inches


def plan_objects(step):
    """The objects of TensorRT 8 and later that build a plan or run one, with the call that does the work. Returns a Figure.

    step: "build" or "run". Raises ValueError for anything else.
    """
    if step not in ("build", "run"):
        raise ValueError("step is 'build' or 'run', not %r" % (step,))
    boxes, arrows = (BUILD, BUILD_ARROWS) if step == "build" else (RUN, RUN_ARROWS)
    figure, axis = subplots(figsize=(9.3, 1.65), dpi=110)
    places = {name: (column * COLUMN, -row * ROW) for name, (column, row, _, _) in boxes.items()}
    for name, (_, _, does, kind) in boxes.items():
        x, y = places[name]
        rounded_box(axis, x, y, WIDTH, HEIGHT, kind, 0.07, lw=1.1)
        axis.text(x, y + 0.1, name, ha="center", va="center", fontsize=9, fontweight="bold", color=INK)
        axis.text(x, y - 0.11, does, ha="center", va="center", fontsize=7, color=GREY)
    for start, end in arrows:
        axis.annotate("", xy=_edge(places[end], places[start]), xytext=_edge(places[start], places[end]), arrowprops=dict(
            arrowstyle="-|>", color=FAINT, lw=1.2, shrinkA=0, shrinkB=0))
    describe(figure, "The objects that %s a plan: %s. Arrows: %s." % (
        step, ", ".join("%s (%s)" % (name, does) for name, (_, _, does, _) in boxes.items()),
        ", ".join("%s to %s" % arrow for arrow in arrows)))
    return finish_drawing(figure, axis, (-0.9, 4 * COLUMN + 0.9), (-1.2, 0.42))


def _edge(place, towards):
    """The point of a box's edge from which an arrow leaves for another box: at the side, or above or below."""
    x, y = place
    if x != towards[0] and y == towards[1]:
        return x + (WIDTH / 2 if towards[0] > x else -WIDTH / 2), y
    if x == towards[0]:
        return x, y + (HEIGHT / 2 if towards[1] > y else -HEIGHT / 2)
    return x + (WIDTH / 3 if towards[0] > x else -WIDTH / 3), y + (HEIGHT / 2 if towards[1] > y else -HEIGHT / 2)
