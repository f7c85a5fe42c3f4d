"""3D boxes on the photo and from above, as matplotlib Figures.

"Boxes" are anything with dimensions, location and yaw, arrays over objects as in `helpers.boxes`: an estimate
(`boxes.Boxes`) or the labels of a scene (`scene.objects`). Only finite boxes are drawn, and of an estimate the valid ones.
"""
import numpy as np

from .. import boxes
from .figures import describe, plain, subplots

FOUND, BEFORE, TRUTH = "#39ff14", "#ff3b30", "#ffffff"
ROAD = "#22262b"  # behind the view from above
_NEAR = 0.2  # metres in front of the camera where edges are cut
_PHOTO, _VIEW = 9.2, 2.9  # inches: width of the photo; width of the view from above
_RANGE = 50.0  # metres ahead


def boxes_on_scene(scene, found, truth=False, title=None):
    """The photo with its boxes in green, the front face crossed, and the view from above beside it. Returns a Figure.

    scene: `helpers.scenes.Scene`. found: boxes, one for each object of the scene. truth: draw the labels too, dashed.
    title: by default the name of the scene. An object without a valid box is drawn as its 2D box, dotted; the title says
    how many those are, and why.
    """
    figure, axes = _page(scene, 1)
    title = title or "scene %s" % scene.name
    _draw_row(axes[0], scene, found, FOUND, truth, title)
    return describe(figure, "A street, and the same from above: %s. In green: %s" % (title, _in_words(scene, found)))


def before_after(scene, before, after, titles=("before", "after"), truth=False):
    """Two sets of boxes on one photo, one above the other: the picture of a parity gate. Returns a Figure.

    before, drawn in red, and after, in green: as `found` of `boxes_on_scene`. truth: draw the labels too, dashed.
    """
    figure, axes = _page(scene, 2)
    _draw_row(axes[0], scene, before, BEFORE, truth, titles[0])
    _draw_row(axes[1], scene, after, FOUND, truth, titles[1])
    return describe(figure, "The same street twice, each with its view from above. In red, %s: %s In green, %s: %s" % (
        titles[0], _in_words(scene, before), titles[1], _in_words(scene, after)))


def closeup(scene, sets, index):
    """Several sets of boxes around one object, on the photo and from above, each in its colour. Returns a Figure.

    sets: {name: (boxes, colour)}, boxes as `found` of `boxes_on_scene`. index: of the object in the scene. The view from
    above shows at least four metres around it, with the label dashed. Raises ValueError when no set has a box for the object.
    """
    known = [found for found, _ in sets.values() if _drawable(found)[index]]
    if not known:
        raise ValueError("no set has a box for object %d of scene %s" % (index, scene.name))
    figure, (photo, view) = subplots(1, 2, figsize=(9.5, 4.0), dpi=110, gridspec_kw={"width_ratios": [1.45, 1]})
    photo.imshow(scene.image, interpolation="lanczos", zorder=0)
    view.set_facecolor(ROAD)
    for name, (found, color) in sets.items():
        draw_boxes(photo, found, scene.P, color)
        draw_from_above(view, found, color)
        view.plot([], [], color=color, label=plain(name))
    draw_from_above(view, scene.objects, TRUTH, dashed=True)
    view.plot([], [], color=TRUTH, linewidth=1, linestyle=(0, (3, 2)), label="truth")
    left, top, right, bottom = scene.objects.bbox[index]
    middle, half = (left + right) / 2, max((right - left) * 0.7, (bottom - top) * 1.0)
    photo.set_xlim(middle - half, middle + half)
    photo.set_ylim((top + bottom) / 2 + half / 1.45, (top + bottom) / 2 - half / 1.45)
    photo.axis("off")
    x, _, z = known[0].location[index]
    apart = float(np.abs(scene.objects.location[index] - known[0].location[index])[[0, 2]].max())
    reach = max(4, float(known[0].dimensions[index, 2]) / 2 + 1.5 + apart)  # metres; a lorry is longer than a car
    view.set_xlim(x - reach, x + reach)
    view.set_ylim(z - reach, z + reach)
    view.set_aspect("equal")
    view.set(xlabel="metres to the right", ylabel="metres ahead")
    view.legend(fontsize=8, facecolor=ROAD, labelcolor="white", framealpha=0.8)
    figure.subplots_adjust(left=0.01, right=0.98, bottom=0.13, top=0.98, wspace=0.14)
    places = ["%s %s" % (name, _place(found, index)) for name, (found, _) in sets.items() if _drawable(found)[index]]
    return describe(figure, "One vehicle on the photo and from above, its label dashed: %s; the label %s." % (
        "; ".join(places), _place(scene.objects, index)))


def _place(found, index):
    """"2.1 m to the left, 14.0 m ahead, heading 85 degrees" of one box."""
    x, _, z = found.location[index]
    return "%.1f m to the %s, %.1f m ahead, heading %.0f degrees" % (
        abs(x), "left" if x < 0 else "right", z, np.degrees(found.yaw[index]))


def _in_words(scene, found):
    """Where each box is, for the alternative text."""
    drawable = _drawable(found)
    parts = ["%s %s" % (kind, _place(found, i)) if drawable[i] else "%s without a box" % kind
             for i, kind in enumerate(scene.objects.kind)]
    return "; ".join(parts) + "."


def draw_boxes(axes, found, P, color=FOUND, dashed=False, zorder=3):
    """Draw the wireframes of boxes into `axes`, whose units are pixels.

    P: [3, 4], the scene's projection. Solid wireframes have the front face crossed, and filled more strongly where it faces
    the camera. What lies behind the camera is cut off at its plane, never mirrored. Far boxes come first, so that near ones
    cover them.
    """
    from matplotlib import patheffects

    points = boxes.corners(found.dimensions, found.location, found.yaw)[_drawable(found)]
    points = points[np.argsort(-points[:, :, 2].mean(1))]
    for rank, corners in enumerate(points):
        width = 1.0 if dashed else float(np.clip(22 / corners[:, 2].mean(), 0.8, 2.2))
        style = dict(color=color, linewidth=width, zorder=zorder + 0.01 * rank,
                     linestyle=(0, (4, 3)) if dashed else "-", solid_capstyle="round")
        halo = [patheffects.Stroke(linewidth=width + 1.0, foreground="#00000090"),
                patheffects.Normal()]
        front = corners[list(boxes.FRONT)]
        if not dashed:
            face = _clip_polygon(front)
            looks_away = (front.mean(0) - corners.mean(0)) @ front.mean(0) > 0
            if len(face) > 2:
                axes.fill(*boxes.project(face, P).T, color=color, linewidth=0,
                          alpha=0.12 if looks_away else 0.3, zorder=zorder + 0.01 * rank)
            for ends in (front[[0, 2]], front[[1, 3]]):
                _segment(axes, ends, P, dict(style, linewidth=width * 0.6))
        for a, b in boxes.EDGES:
            _segment(axes, corners[[a, b]], P, dict(style, path_effects=halo))


def draw_from_above(axes, found, color=FOUND, dashed=False):
    """Draw the footprints of boxes into `axes` (metres, x to the right, z upwards), with an arrow to the front."""
    chosen = _drawable(found)
    points = boxes.corners(found.dimensions, found.location, found.yaw)[chosen]
    for ground in points[:, [0, 1, 2, 3, 0]][:, :, [0, 2]]:
        axes.plot(*ground.T, color=color, linewidth=1.0 if dashed else 1.6,
                  linestyle=(0, (3, 2)) if dashed else "-", zorder=4 if dashed else 3)
        if dashed:
            continue
        axes.fill(*ground[:4].T, color=color, alpha=0.25, linewidth=0, zorder=2)
        middle, front = ground[:4].mean(0), ground[:2].mean(0)
        axes.annotate("", xy=middle + 1.5 * (front - middle), xytext=middle,
                      annotation_clip=True, zorder=3,
                      arrowprops=dict(arrowstyle="-|>", color=color, linewidth=1.2,
                                      shrinkA=0, shrinkB=0, mutation_scale=7))


def _page(scene, rows):
    """(figure, axes): in each of the rows, axes for the photo and for the view from above."""
    height = _PHOTO * scene.size[1] / scene.size[0]
    margin, caption = 0.08, 0.3
    total = np.array([_PHOTO + _VIEW + 3 * margin, rows * (height + caption) + margin])
    figure, axes = subplots(rows, 2, figsize=total, dpi=110, squeeze=False)
    for row, (photo, view) in enumerate(axes):
        bottom = total[1] - (row + 1) * (height + caption)
        for axis, left, width in ((photo, margin, _PHOTO), (view, _PHOTO + 2 * margin, _VIEW)):
            axis.set_position(np.append([left, bottom] / total, [width, height] / total))
    return figure, axes


def _draw_row(axes, scene, found, color, truth, title):
    from matplotlib.patches import Rectangle

    photo, view = axes
    width, height = scene.size
    photo.imshow(scene.image, interpolation="lanczos", zorder=0)
    missing = ~_drawable(found)
    if missing.any():
        reasons = sorted(set(np.array(getattr(found, "reason", [""] * len(missing)))[missing]) - {""})
        title += "  (no box for %d of %d%s)" % (missing.sum(), len(missing), ": " * bool(reasons) + "; ".join(reasons))
        for left, top, right, bottom in scene.objects.bbox[missing]:
            photo.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, zorder=2.5,
                                      edgecolor=color, linestyle=":", linewidth=1.6))
    photo.set_title(plain(title, 160), fontsize=9.5, loc="left", pad=4)
    draw_boxes(photo, found, scene.P, color)
    _street(view, scene)
    draw_from_above(view, found, color)
    if truth:
        draw_boxes(photo, scene.objects, scene.P, TRUTH, dashed=True, zorder=6)
        draw_from_above(view, scene.objects, TRUTH, dashed=True)
        view.set_title("from above, label dashed", fontsize=8.5, loc="left", pad=4)
    else:
        view.set_title("from above", fontsize=8.5, loc="left", pad=4)
    photo.set_xlim(-0.5, width - 0.5)
    photo.set_ylim(height - 0.5, -0.5)
    photo.axis("off")


def _street(view, scene):
    """An empty view from above: rings of equal distance, the camera and its angle of view."""
    view.set_facecolor(ROAD)
    view.set_xticks([])
    view.set_yticks([])
    for spine in view.spines.values():
        spine.set_visible(False)
    box, inches = view.get_position(), view.figure.get_size_inches()
    half = (_RANGE + 3) * (box.width * inches[0]) / (box.height * inches[1]) / 2
    view.set_xlim(-half, half)
    view.set_ylim(-3, _RANGE)
    border = np.array([[0, scene.size[0]], [0, 0], [1, 1]])
    left, right = np.arctan2(*np.linalg.solve(scene.P[:, :3], border)[[0, 2]])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 100)
    for distance in np.arange(10, _RANGE + half, 10):
        view.plot(distance * np.sin(angle), distance * np.cos(angle), color="#4a525c",
                  linewidth=0.6, zorder=1)
        if distance < _RANGE:
            x, y = distance * np.sin(left), distance * np.cos(left)
            # Outside the angle of view, where no box can be, as far as there is room.
            x, side = (x - 1, "right") if x > 7 - half else (x, "left")
            view.text(x, y, "%d m" % distance, color="#8b95a1", fontsize=6, ha=side, va="center", zorder=1.5,
                      bbox=dict(facecolor=ROAD, linewidth=0, pad=1))
    for side in (left, right):
        view.plot([0, 100 * np.sin(side)], [0, 100 * np.cos(side)], color="#8b95a1",
                  linewidth=0.8, zorder=1)
    view.plot([0], [0], marker="^", color="#ffffff", markersize=6, zorder=5)


def _drawable(found):
    """[N] bool: which boxes can be drawn."""
    known = np.isfinite(np.column_stack([found.dimensions, found.location, found.yaw])).all(1)
    return known & np.asarray(getattr(found, "valid", known), bool)


def _segment(axes, ends, P, style):
    ends = _clip_polygon(ends, closed=False)
    if len(ends) == 2:
        pixels = boxes.project(ends, P)
        axes.plot(pixels[:, 0], pixels[:, 1], **style)


def _clip_polygon(points, closed=True):
    """The part of a polygon [N, 3], or of a segment [2, 3], that lies before the camera."""
    kept, count = [], len(points)
    for i in range(count):
        here, after = points[i], points[(i + 1) % count]
        if here[2] >= _NEAR:
            kept.append(here)
        if (here[2] >= _NEAR) != (after[2] >= _NEAR) and (closed or i == 0):
            share = (_NEAR - here[2]) / (after[2] - here[2])
            kept.append(here + share * (after - here))
    return np.array(kept)
