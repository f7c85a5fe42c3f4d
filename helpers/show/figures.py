"""What all pictures share: a closed figure, colours with one meaning each, rounded boxes.

matplotlib is imported when the first picture is drawn, with the backend and the settings that the notebook has chosen.
"""

# Of nodes and calls: (face, edge).
COLOURS = {
    "plain": ("#f4f5f7", "#8a929c"),
    "constant": ("#ffffff", "#c3c8ce"),
    "focus": ("#dbeafe", "#2563eb"),
    "trouble": ("#fde8d7", "#d9580d"),
    "gone": ("#fbdede", "#c62828"),
    "new": ("#daf2e0", "#1b7f3b"),
    "changed": ("#ece4f7", "#6f42c1"),
}
INK, GREY, FAINT, PALE = "#1c2126", "#4a525b", "#6b7480", "#c3c8ce"


def subplots(*args, **options):
    """(figure, axes) as from `pyplot.subplots`; pyplot forgets the figure, so that the cell that returns it shows it once."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(*args, **options)
    pyplot.close(figure)
    return figure, axes


def rounded_box(axis, x, y, width, height, kind, radius, **options):
    """A box with its centre at x, y, in the colours of `kind`, a key of COLOURS."""
    from matplotlib.patches import FancyBboxPatch

    face, edge = COLOURS[kind]
    axis.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, fc=face, ec=edge,
                                  boxstyle="round,pad=0,rounding_size=%s" % radius, **options))


def finish_chart(figure, hidden=("top", "right"), rect=(0, 0, 1, 1)):
    """A chart with its axes laid out in `rect`, without the spines that it does not need; returns the figure."""
    for axis in figure.axes:
        for side in hidden:
            axis.spines[side].set_visible(False)
    figure.tight_layout(rect=rect)
    return figure


def finish_drawing(figure, axis, xlim, ylim):
    """A drawing that fills its figure, without ticks and margins; returns the figure."""
    axis.set_xlim(*xlim)
    axis.set_ylim(*ylim)
    axis.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    return figure
