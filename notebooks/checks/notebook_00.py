"""Checks of notebook 00, start here."""
import numpy as np

from .judging import a, exercise, is_number

# The pairs of a vehicle in all bins but the best: unit vectors, none of which gives the right angle.
OTHERS = np.array([[0.6, 0.8], [-0.8, 0.6], [0.0, -1.0], [1.0, 0.0], [0.8, -0.6], [-0.6, -0.8]])
# (best bin, degrees from its centre, degrees of the ray). Each finds another mistake: sign, centre, ray, turn over 180 degrees.
VEHICLES = [(0, -20, 0), (2, 25, 0), (4, 10, -20), (3, 20, 30)]


@exercise("00.1", "heading(confidence, pairs, ray)", returns="one number, the heading in degrees,")
def _heading(function):
    for best, offset, ray in VEHICLES:
        confidence, pairs = np.full(6, 0.04), OTHERS.copy()
        confidence[best] = 0.8
        pairs[best] = np.cos(np.radians(offset)), np.sin(np.radians(offset))
        found = np.asarray(function(confidence, pairs, ray))
        assert found.size == 1 and is_number(found.reshape(-1)[0]), "the heading is one number; yours is %s" % (
            a(type(found.tolist()).__name__))
        found = float(found.reshape(-1)[0])
        right = _wrap(60 * best + offset + ray)
        _compare(found, right, best, offset, ray)
    return "Bin, sign, ray and the turn over 180 degrees are all right."


def _compare(found, right, best, offset, ray):
    """Raise AssertionError if a heading is wrong, naming the mistake if one is known that gives this number."""
    case = ("the best bin is %d, its pair is the angle %d and the ray is %d degrees: the heading is %d, and yours is %.4g"
            % (best, offset, ray, right, found))
    assert np.isfinite(found), case
    hints = [(60 * best - offset + ray, "the sine has the sign of the angle, the cosine does not: arctan2 takes both"),
             (offset + ray, "the pair counts from the centre of the bin; add the centre"),
             (60 * best + 30 + offset + ray, "bin 0 is centred on 0 degrees, it does not begin there"),
             (60 * best + offset, "that is alpha; the ray leads from it to the heading"),
             (60 * best + offset - ray, "the ray is added, not subtracted"),
             (60 * best + np.radians(offset) + ray, "arctan2 gives radians")]
    for wrong, hint in hints:
        assert abs(_wrap(found - wrong)) > 0.01 or abs(_wrap(right - wrong)) < 0.01, "%s (%s)" % (case, hint)
    assert abs(_wrap(found - right)) < 0.01, case
    assert abs(found - right) < 0.01, "%s (turn it back into -180 to 180)" % case


def _wrap(degrees):
    """The same direction in (-180, 180]."""
    return 180 - (180 - degrees) % 360


HINTS = {
    "00.1": ("Four steps: which bin is the surest, where is its centre, how far from there does its pair point, and what "
             "leads from that angle, which is alpha, to the heading? The section What comes out has the last one.",
             "The bins are 60 degrees wide and the first has its centre at 0. `np.arctan2` takes sine and cosine, in this "
             "order, and gives radians. At the end bring an angle such as 250 back to -110."),
}
