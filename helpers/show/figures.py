"""What all pictures share: a closed figure, words for those who do not see it, colours with one meaning each, rounded boxes.

matplotlib is imported when the first picture is drawn, with the backend and the settings that the notebook has chosen.
"""
import sys

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


def plain(text, most=60):
    """A name from a file as matplotlib draws it letter by letter: no mathematics between dollars, one line, its middle left out
    where it has more than `most` letters."""
    text = str(text)
    if len(text) > most:
        text = text[:most // 2 - 1] + "\u2026" + text[len(text) - (most - most // 2):]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text).replace("$", r"\$")


def subplots(*args, **options):
    """(figure, axes) as from `pyplot.subplots`; pyplot forgets the figure, so that the cell that returns it shows it once."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(*args, **options)
    pyplot.close(figure)
    _show_with_words()
    return figure, axes


def describe(figure, words):
    """Give a matplotlib Figure its alternative text: what the picture shows, for those who do not see it. Returns the figure.

    In a notebook the text is stored with the picture (in the metadata of the output, as `alt`), and the pages have it.
    """
    words = words.encode("utf-8", "replace").decode("utf-8").split()
    figure.alternative_text = " ".join(word if len(word) <= 200 else word[:100] + "\u2026" + word[-99:] for word in words)
    _show_with_words()
    return figure


def alternative_text(figure):
    """The words that `describe` gave a figure, else those that can be read in it: titles, axes, legends, names of bars."""
    given = getattr(figure, "alternative_text", "")
    if given:
        return given
    parts, images = [], 0
    for axis in figure.axes:
        images += len(axis.images)
        legend = [text.get_text() for text in axis.get_legend().get_texts()] if axis.get_legend() else []
        ticks = [label.get_text() for label in axis.get_yticklabels()] if axis.axison else []
        words = [text.get_text() for text in axis.texts] if not ticks else []
        for form, found in (("%s.", [axis.get_title(), axis.get_title("left")]),
                            ("From left to right: %s.", [axis.get_xlabel()]),
                            ("Upwards: %s.", [axis.get_ylabel()]), ("Shown: %s.", [", ".join(legend)]),
                            ("Rows: %s.", [", ".join(name for name in ticks if not _is_number(name))]),
                            ("In it: %s.", ["; ".join(words[:40])])):
            parts += [form % text.strip() for text in found if text.strip()]
    photos = "" if not images else "A picture. " if images == 1 else "%d pictures side by side. " % images
    return " ".join((photos + " ".join(parts) or "A drawing without words.").replace("\n", " ").split())


def _is_number(text):
    try:
        float(text.replace("\u2212", "-") or 0)
    except ValueError:
        return "mathdefault" in text  # a power of ten
    return True


def _show_with_words():
    """In a notebook, store the alternative text with each picture: the way in which IPython shows a Figure is extended."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    from matplotlib.figure import Figure

    formatter = shell.display_formatter.formatters["image/png"]
    try:
        draw = formatter.lookup_by_type(Figure)
    except KeyError:  # pictures are not shown in the notebook
        return
    if getattr(draw, "with_words", False):
        return

    def draw_with_words(figure):
        found = draw(figure)
        data, metadata = found if isinstance(found, tuple) else (found, {})
        return data, dict(metadata, alt=alternative_text(figure))

    draw_with_words.with_words = True
    formatter.for_type(Figure, draw_with_words)


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
