"""The drawing of the angles says the numbers that `boxes.decode` computes, and points where they point."""
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from helpers import boxes, show  # noqa: E402


def drawn(figure):
    return " | ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize("alpha, ray", [(123.5, -33.3), (-90.7, 0.6), (20.0, 10.0), (175.0, 15.0)])
def test_the_sums_are_those_of_decode(alpha, ray):
    answers = boxes.encode(np.ones((1, 3)), np.radians([alpha]), np.ones((1, 3)))
    decoded = boxes.decode(answers, np.radians([ray]), np.ones((1, 3)))
    text = drawn(show.angles(answers["confidence"][0], answers["orientation"][0], np.radians(ray)))
    best = int(answers["confidence"][0].argmax())
    centre = np.degrees(boxes.bin_centres()[best])
    assert "alpha = centre %.0f\u00b0 + angle of the pair %.1f\u00b0 = %.1f\u00b0" % (centre, alpha - centre, alpha) in text
    assert "yaw = alpha %.1f\u00b0 + ray %.1f\u00b0 = %.1f\u00b0" % (alpha, ray, np.degrees(decoded.yaw[0])) in text
    assert all("bin %d\n" % i in text for i in range(boxes.BINS))


def test_a_car_that_comes_towards_the_camera_points_down():
    answers = boxes.encode(np.ones((1, 3)), np.radians([90.0]), np.ones((1, 3)))
    (axis,) = show.angles(answers["confidence"][0], answers["orientation"][0], 0.0).axes
    arrows = [(np.array(note.xyann), np.array(note.xy)) for note in axis.texts
              if isinstance(note, matplotlib.text.Annotation) and note.arrow_patch.get_linewidth() == 1.8]
    assert len(arrows) == 2
    for start, tip in arrows:
        assert tip[1] < start[1] and abs(tip[0] - start[0]) < 1e-6


def test_the_same_in_words():
    answers = boxes.encode(np.ones((1, 3)), np.radians([123.5]), np.ones((1, 3)))
    said = show.alternative_text(show.angles(answers["confidence"][0], answers["orientation"][0], np.radians(-33.3)))
    assert "bin 2 of 6, centre 120\u00b0, angle of the pair 3.5\u00b0, so alpha 123.5\u00b0" in said
    assert "-33.3\u00b0 from straight ahead, and yaw is 90.2\u00b0" in said
