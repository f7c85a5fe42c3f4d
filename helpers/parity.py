"""Two sets of outputs compared: the gate that every conversion has to pass.

A difference of 0.003 in a head means little by itself. So both sets are turned into boxes, and the gate says by how many
degrees the boxes turn and by how many centimetres they move.

    parity.compare(reference, heads, street)             # a Parity: print it, or end a cell with it
    parity.compare(reference, heads, street).check("equal", "close")
"""
import html

import numpy as np

from . import boxes, scenes
from .boxes import HEADS

# Outputs of an FP32 network that is computed in another order stay within EQUAL. Boxes are close when they turn by at most a
# degree, change their size by at most 10 cm, and move by at most 10 cm or 1 % of their distance.
EQUAL = 1e-4
CLOSE_DEG, CLOSE_M, CLOSE_SHARE = 1.0, 0.10, 0.01
VERDICTS = {"equal": "#116329", "close": "#7d4e00", "broken": "#b42318"}  # verdict -> colour


def limit_m(distance):
    """How far a box may move and still be close, in metres: 10 cm, and beyond 10 m 1 % of its distance.

    distance: metres from the camera, an array of any shape; the result has the same shape.

    A single camera sees distance as size, so that an error in a head moves a box by a share of its distance. LET-3D-AP, the
    metric of the Waymo Open Dataset for boxes from cameras (Hung et al., 2022), has a tolerance of this form, the larger of a
    length and a share of the range, and allows much more.
    """
    return np.maximum(CLOSE_M, CLOSE_SHARE * np.asarray(distance))


def place(heads, street):
    """The boxes of several scenes from the heads of all their crops, in order: a list of `boxes.Boxes`, one for each scene.

    heads: {"dimension": [N, 3], "orientation": [N, 6, 2], "confidence": [N, 6]}. street: list of `scenes.Scene` that have
    N objects together. Raises ValueError when they do not.
    """
    counts = [len(scene.objects.kind) for scene in street]
    if sum(counts) != len(heads["dimension"]):
        raise ValueError("outputs for %d crops, but the %d scenes have %d objects"
                         % (len(heads["dimension"]), len(street), sum(counts)))
    found, start = [], 0
    for scene, count in zip(street, counts):
        part = {name: heads[name][start:start + count] for name in HEADS}
        found.append(boxes.estimate(part, scene.objects.bbox, scene.P,
                                    scenes.mean_dimensions(scene.objects.kind), scene.size))
        start += count
    return found


def _over(statistic, values):
    """A statistic of the values that are not NaN; a lost box has NaN. NaN when all are lost."""
    known = values[~np.isnan(values)]
    return statistic(known) if len(known) else np.nan


class Parity:
    """The result of `compare`, as text when printed and as a table in a notebook.

    errors: {head: largest absolute difference}. yaw_deg, dimension_m, distance_m: [N], by how much each box turned, changed
    its size and moved; NaN where a box is missing on one side, empty when no scenes were given. away_m: [N], the distance
    from the camera to each box of the reference. lost: number of boxes that only the reference has.
    verdict: "equal", "close" or "broken". why: the reason, in words.
    """

    def __init__(self, errors, moved, lost, tolerance):
        self.errors, self.lost = errors, lost
        self.yaw_deg, self.dimension_m, self.distance_m, self.away_m = moved
        worst = np.max(list(errors.values()))
        if not np.isfinite(worst):
            self.verdict, self.why = "broken", "an output is not a number"
        elif worst <= tolerance:
            self.verdict, self.why = "equal", "no output differs by more than %.0e" % tolerance
        elif not len(self.yaw_deg):
            self.verdict, self.why = "broken", "an output differs by %.3g, more than %.0e" % (worst, tolerance)
        else:
            turn, grown = _over(np.max, self.yaw_deg), _over(np.max, self.dimension_m)
            close = turn <= CLOSE_DEG and grown <= CLOSE_M and not lost and (
                _over(np.max, self.distance_m / limit_m(self.away_m)) <= 1)
            self.verdict = "close" if close else "broken"
            self.why = "%s turn by up to %.2f degrees (median %.2f) and move by up to %.2f m (median %.2f)" % (
                ("1 box is" if lost == 1 else "%d boxes are" % lost) + " lost; the others" if lost else "boxes",
                turn, _over(np.median, self.yaw_deg), _over(np.max, self.distance_m), _over(np.median, self.distance_m))
            self.why += " or %.1f %% of their distance" % (100 * _over(np.max, self.distance_m / self.away_m))
            self.why += "; sizes differ by up to %.2f m" % grown if grown > CLOSE_M else ""
            if lost and np.isnan(turn):
                self.why = "all %d boxes are lost" % lost

    def check(self, *allowed):
        """Return self if the verdict is one of `allowed`, by default "equal"; else raise ValueError with the reason."""
        if self.verdict not in (allowed or ("equal",)):
            raise ValueError("parity is %s: %s" % (self.verdict, self.why))
        return self

    def _rows(self):
        yield from (("largest difference, %s" % name, "%.1e" % error) for name, error in self.errors.items())
        if len(self.yaw_deg):
            yield "boxes turned, median and largest", "%.2f and %.2f degrees" % (
                _over(np.median, self.yaw_deg), _over(np.max, self.yaw_deg))
            yield "boxes moved, median and largest", "%.3f and %.3f m" % (
                _over(np.median, self.distance_m), _over(np.max, self.distance_m))

    def __str__(self):
        return "\n".join("%-36s %s" % row for row in self._rows()) + "\n%s: %s" % (self.verdict, self.why)

    __repr__ = __str__

    def _repr_html_(self):
        rows = "".join("<tr><td style='text-align:left'>%s</td><td>%s</td></tr>" % (html.escape(name), value)
                       for name, value in self._rows())
        return "<table>%s</table><p><b style='color:%s'>%s</b>: %s</p>" % (
            rows, VERDICTS[self.verdict], self.verdict, html.escape(self.why))


def compare(reference, got, street=None, tolerance=EQUAL):
    """Compare two sets of heads -> `Parity`.

    reference, got: {"dimension": [N, 3], "orientation": [N, bins, 2], "confidence": [N, bins]}.
    street: list of the scenes that the N crops come from, in order; without it only the outputs are compared.
    tolerance: largest difference of an output that is still equal.
    Raises ValueError when a head is missing, or when shapes or numbers of objects differ.
    """
    errors = {}
    for name in HEADS:
        if name not in got or name not in reference:
            raise ValueError("no head %r; there are %s" % (name, ", ".join(sorted(got if name not in got else reference))))
        a, b = np.asarray(reference[name], np.float64), np.asarray(got[name], np.float64)
        if a.shape != b.shape:
            raise ValueError("head %r has shape %s, the reference has %s" % (name, b.shape, a.shape))
        errors[name] = float(np.abs(a - b).max(initial=0)) if np.isfinite(b).all() else float("nan")
    moved, lost = (np.zeros(0),) * 4, 0
    if street is not None:
        pairs = list(zip(place(reference, street), place(got, street)))
        measured = [dict(boxes.measure(found, truth), away_m=np.linalg.norm(truth.location, axis=1))
                    for truth, found in pairs]
        moved = tuple(np.concatenate([part[key] for part in measured])
                      for key in ("yaw_deg", "dimension_m", "distance_m", "away_m"))
        lost = int(sum((truth.valid & ~found.valid).sum() for truth, found in pairs))
    return Parity(errors, moved, lost, tolerance)
