"""The road shows what is real on a machine, and what is not."""
import matplotlib

matplotlib.use("Agg")

from helpers import show  # noqa: E402
from helpers.show.graphs import COLOURS  # noqa: E402

GREEN, ORANGE = COLOURS["new"][1], COLOURS["trouble"][1]


class Board:
    def __init__(self, **real):
        self.real = real

    def stages(self):
        return [(name, "", self.real.get(name.replace(" ", "_"), True))
                for name in ("freeze", "surgery, UFF", "plan", "L2 layer", "run", "timing")]


def colours(figure):
    return {(text.get_text(), text.get_color()) for text in figure.findobj(matplotlib.text.Text)}


def test_each_step_and_notebook_has_the_colour_of_its_stage():
    found = colours(show.road(Board(L2_layer=False, run=False)))
    assert {("surgery", GREEN), ("02", GREEN), ("05", ORANGE), ("build", GREEN), ("run", ORANGE), ("decode", GREEN)} <= found
    assert {("06", GREEN), ("06", ORANGE)} <= found, "06 builds plans, which is real here, and runs them, which is not"


def test_all_is_green_on_a_board_that_has_everything_and_grey_without_a_machine():
    assert not [text for text, colour in colours(show.road(Board())) if colour == ORANGE and "stand-in" not in text]
    assert not {GREEN, ORANGE} & {colour for _, colour in colours(show.road())}
