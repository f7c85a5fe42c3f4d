"""Bin, alpha, ray and yaw of one vehicle, seen from above: how an answer of the network becomes a heading on the road."""
import numpy as np

from .. import boxes
from .figures import COLOURS, FAINT, GREY, INK, PALE, describe, finish_drawing, subplots

BIN, RAY, YAW = COLOURS["changed"][1], COLOURS["new"][1], COLOURS["focus"][1]


def angles(confidence, pairs, ray):
    """Two views of one vehicle from above: left its bins, as the camera sees it, right its heading on the road. Returns a
    Figure.

    confidence: [bins]. pairs: [bins, 2], cosine and sine of the angle from each bin's centre. ray: direction from the camera to
    the vehicle, radians, positive to the right. Angles count clockwise from "to the right of what the camera sees" (alpha) and
    from "to the right" (yaw), as `boxes` does it. In both views the camera is at the bottom.
    """
    pairs = np.asarray(pairs, float)
    centres, best = boxes.bin_centres(len(confidence)), int(np.argmax(confidence))
    offset = float(np.arctan2(pairs[best, 1], pairs[best, 0]))
    alpha = float(boxes.wrap(centres[best] + offset))
    figure, axis = subplots(figsize=(9.4, 3.7), dpi=110)
    _bins(axis, (-2.6, 0.15), centres, best, offset, alpha)
    _road(axis, alpha, float(ray))
    yaw = float(boxes.wrap(alpha + ray))
    describe(figure, "A vehicle from above, twice. As the camera sees it: bin %d of %d, centre %s, angle of the pair %s, so "
             "alpha %s. On the road: the ray to it is %s from straight ahead, and yaw is %s; 0 is to the right, 90 towards the "
             "camera's side." % ((best, len(centres), _degrees(centres[best], 0)) + tuple(
                 map(_degrees, (offset, alpha, float(ray), yaw)))))
    return finish_drawing(figure, axis, (-4.7, 4.7), (-1.95, 1.75))


def _towards(angle, turned=0.0):
    """Unit vector (right, up) of an alpha or yaw, turned clockwise by `turned`; 0 is right, 90 degrees down."""
    return np.array([np.cos(angle + turned), -np.sin(angle + turned)])


def _degrees(angle, digits=1):
    return "%.*f\u00b0" % (digits, np.degrees(angle))


def _bins(axis, middle, centres, best, offset, alpha):
    from matplotlib.patches import Wedge

    half = np.pi / len(centres)
    for i, centre in enumerate(centres):
        face, edge = COLOURS["changed"] if i == best else ("#ffffff", PALE)
        axis.add_patch(Wedge(middle, 1.12, np.degrees(-centre - half), np.degrees(-centre + half), fc=face, ec=edge, lw=0.9))
        axis.text(*(middle + 1.33 * _towards(centre)), s="bin %d\n%s" % (i, _degrees(centre, 0)), ha="center", va="center",
                  fontsize=7.5, color=BIN if i == best else FAINT, fontweight="bold" if i == best else "normal")
    axis.plot(*np.transpose([middle, middle + 1.12 * _towards(centres[best])]), color=BIN, lw=1, ls=(0, (3, 2)))
    _car(axis, middle, _towards(alpha), YAW)
    _arc(axis, middle, 0.9, 0, alpha, BIN)
    _label(axis, middle + 0.9 * _towards(alpha / 2), "alpha", BIN)
    axis.plot(*middle, "o", color=INK, ms=3)
    axis.text(middle[0], 1.7, "What the network says of its cut-out", ha="center", va="top", fontsize=9, fontweight="bold")
    axis.text(middle[0], -1.84, "alpha = centre %s + angle of the pair %s = %s" % (
        _degrees(centres[best], 0), _degrees(offset), _degrees(alpha)), ha="center", va="center", fontsize=8.5, color=BIN)
    axis.plot(middle[0], -1.5, marker="^", color=INK, ms=8)
    axis.plot([middle[0]] * 2, [-1.5, middle[1] - 1.12], color=RAY, lw=1.4)
    axis.text(middle[0] - 0.15, -1.5, "camera", ha="right", va="center", fontsize=7.5, color=GREY)


def _road(axis, alpha, ray):
    camera, distance = np.array([1.6, -1.5]), 2.1
    car = camera + distance * np.array([np.sin(ray), np.cos(ray)])
    yaw = float(boxes.wrap(alpha + ray))
    axis.plot(*camera, marker="^", color=INK, ms=8)
    axis.text(camera[0] - 0.15, camera[1], "camera", ha="right", va="center", fontsize=7.5, color=GREY)
    axis.plot([camera[0]] * 2, [camera[1], camera[1] + 2.0], color=FAINT, lw=1, ls=(0, (3, 2)))
    axis.plot(*np.transpose([camera, car]), color=RAY, lw=1.4)
    _arc(axis, camera, 0.75, -np.pi / 2, -np.pi / 2 + ray, RAY)
    side = 1 if ray >= 0 else -1
    axis.text(camera[0] + 0.14 * side + 0.5 * np.tan(ray), camera[1] + 0.5, "ray %s" % _degrees(ray), fontsize=8.5, color=RAY,
              va="center", ha="left" if side > 0 else "right")
    axis.plot(*np.transpose([car, car + [1.25, 0]]), color=FAINT, lw=1, ls=(0, (3, 2)))
    axis.text(car[0] + 1.28, car[1], "to the right: yaw 0\u00b0", fontsize=7.5, color=FAINT, va="center")
    _arc(axis, car, 0.78, 0, yaw, YAW)
    _label(axis, car + 0.84 * _towards(0.3 * yaw), "yaw %s" % _degrees(yaw), YAW, "left")
    _car(axis, car, _towards(yaw), YAW)
    axis.text(1.6, 1.7, "What it means on the road", ha="center", va="top", fontsize=9, fontweight="bold")
    axis.text(1.6, -1.84, "yaw = alpha %s + ray %s = %s" % (_degrees(alpha), _degrees(ray), _degrees(yaw)), ha="center",
              va="center", fontsize=8.5, color=YAW)


def _arc(axis, middle, radius, start, end, colour):
    """An arc with an arrow from `start` to `end`, angles as in `_towards`."""
    points = np.array([middle + radius * _towards(angle) for angle in np.linspace(start, end, 40)])
    axis.plot(*points.T, color=colour, lw=1.3)
    axis.annotate("", xy=points[-1], xytext=points[-3], arrowprops=dict(arrowstyle="-|>", color=colour, lw=1.3, shrinkA=0,
                                                                       shrinkB=0, mutation_scale=9))


def _label(axis, place, text, colour, ha="center"):
    axis.text(place[0], place[1], text, color=colour, fontsize=8.5, ha=ha, va="center", zorder=5,
              bbox=dict(facecolor="white", edgecolor="none", pad=1.5))


def _car(axis, middle, front, colour):
    """A car from above with an arrow to its front. front: unit vector."""
    side = np.array([-front[1], front[0]])
    outline = [middle + a * 0.42 * front + b * 0.19 * side for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))]
    axis.fill(*np.transpose(outline), fc="#ffffffd0", ec=colour, lw=1.6, zorder=3)
    axis.annotate("", xy=middle + 0.75 * front, xytext=middle, zorder=4, arrowprops=dict(
        arrowstyle="-|>", color=colour, lw=1.8, shrinkA=0, shrinkB=0, mutation_scale=12))
