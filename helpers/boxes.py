"""From the three heads to boxes on the street: decode, place, project, measure.

Camera frame, as in KITTI: x right, y down, z forward, metres. A box stands upright and is given by its `dimensions`
(height, width, length), its `location` (centre of the bottom face) and its `yaw` (KITTI's rotation_y, about the y axis; at
0 the front faces along x). `alpha` is the yaw relative to the ray from the camera to the box, which is all that a crop can
show. Angles are radians in (-pi, pi]. 2D boxes are (left, top, right, bottom) in pixels; P is a 3x4 projection matrix in
pixels. The first axis of every array is the object, and all objects are computed at once.

Method: Mousavian, Anguelov, Flynn, Kosecka, "3D Bounding Box Estimation Using Deep Learning and
Geometry", CVPR 2017 (arXiv:1612.00496).
"""
from typing import NamedTuple, Tuple

import numpy as np

BINS = 6
HEADS = ("dimension", "orientation", "confidence")
FRONT = (0, 1, 5, 4)
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6),
         (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))

# Corners in KITTI's order as multiples of (length, height, width): bottom face, then top face.
_UNIT = np.array([[0.5, 0, 0.5], [0.5, 0, -0.5], [-0.5, 0, -0.5], [-0.5, 0, 0.5],
                  [0.5, -1, 0.5], [0.5, -1, -0.5], [-0.5, -1, -0.5], [-0.5, -1, 0.5]])
# Which upright edge touches the left side, which the right; top and bottom: 0 nearest, 1 farthest.
_TOUCHING = np.array([(left, top, right, bottom) for left in range(4) for right in range(4)
                      for top in (0, 1) for bottom in (0, 1) if left != right])
_NEAR = 0.1  # metres; points nearer to the camera's plane than this count as behind it


class Decoded(NamedTuple):
    """Sizes and angles from the heads; the place is not known yet."""

    dimensions: np.ndarray  # [N, 3] h, w, l in metres
    alpha: np.ndarray       # [N]
    yaw: np.ndarray         # [N]
    confidence: np.ndarray  # [N] of the chosen bin, 0..1


class Boxes(NamedTuple):
    """The boxes that `estimate` found. Where valid is False there is none: location and misfit are NaN."""

    dimensions: np.ndarray  # [N, 3] h, w, l in metres
    location: np.ndarray    # [N, 3] x, y, z of the bottom centre in metres
    yaw: np.ndarray         # [N]
    alpha: np.ndarray       # [N]
    confidence: np.ndarray  # [N] of the chosen bin, 0..1
    misfit: np.ndarray      # [N] pixels from the drawn box to the 2D box, mean over the sides
    valid: np.ndarray       # [N] bool
    reason: Tuple[str, ...]  # N strings: why there is no box, "" where there is one


def wrap(angle):
    """The same angle in (-pi, pi]."""
    return np.pi - np.mod(np.pi - np.asarray(angle, float), 2 * np.pi)


def angle_error(a, b):
    """The smallest angle between two directions, radians, 0..pi: 179 and -179 degrees are 2 degrees apart."""
    return np.abs(wrap(np.asarray(a, float) - np.asarray(b, float)))


def bin_centres(bins=BINS):
    """Centre of each angle bin, i * 2 pi / bins, radians in (-pi, pi], [bins]."""
    return wrap(np.arange(bins) * 2 * np.pi / bins)


def ray_angle(bboxes, P):
    """Direction from the camera through the centre of each 2D box: atan2(x, z), radians, [N].

    bboxes: [N, 4] pixels. P: [3, 4] or [N, 3, 4].
    """
    bboxes, P = _bboxes(bboxes), _projection(P)
    centre = (bboxes[:, :2] + bboxes[:, 2:]) / 2
    pixel = np.column_stack([centre, np.ones(len(bboxes))])
    with np.errstate(invalid="ignore"):
        ray = np.matmul(np.linalg.inv(P[..., :3]), pixel[..., None])[..., 0]
    return np.arctan2(ray[:, 0], ray[:, 2])


def decode(heads, rays, mean_dimensions):
    """The three heads -> `Decoded`.

    heads: {"dimension": [N, 3] metres to add to the mean, "orientation": [N, bins, 2] cos and sin
        of (alpha - bin centre), "confidence": [N, bins]}.
    rays: [N] `ray_angle` of the crops.
    mean_dimensions: [3] or [N, 3], mean h, w, l in metres of each object's class.

    An object whose heads hold NaN or infinity, or a direction of length 0, gets NaN.
    Raises ValueError for shapes that do not fit.
    """
    dimension, orientation, confidence = _heads(heads)
    rows, best = np.arange(len(confidence)), confidence.argmax(1)
    if np.shape(mean_dimensions) not in ((3,), dimension.shape):
        raise ValueError("mean_dimensions must be [3] or [N, 3] for N = %d objects, got %s"
                         % (len(dimension), np.shape(mean_dimensions)))
    cosine, sine = orientation[rows, best, 0], orientation[rows, best, 1]
    alpha = wrap(np.arctan2(sine, cosine) + bin_centres(confidence.shape[1])[best])
    broken = ~np.isfinite(orientation).all((1, 2)) | ~np.isfinite(confidence).all(1)
    broken |= (cosine == 0) & (sine == 0)  # arctan2 would call "no direction" the angle 0
    alpha = np.where(broken, np.nan, alpha)
    chosen = np.where(broken, np.nan, confidence[rows, best])
    dimensions = dimension + np.asarray(mean_dimensions, float)
    return Decoded(dimensions, alpha, wrap(alpha + rays), chosen)


def encode(dimensions, alpha, mean_dimensions, bins=BINS):
    """The heads that a perfect network would compute; the inverse of `decode`.

    dimensions: [N, 3] h, w, l in metres. alpha: [N]. mean_dimensions: [3] or [N, 3].
    Returns {"dimension": [N, 3], "orientation": [N, bins, 2], "confidence": [N, bins]} float32:
    every bin has its (cos, sin), and the nearest bin (the lower one of two equally near) has confidence 1.
    """
    offset = wrap(np.reshape(alpha, (-1, 1)) - bin_centres(bins))
    return {
        "dimension": (np.asarray(dimensions, float) - mean_dimensions).astype(np.float32),
        "orientation": np.stack([np.cos(offset), np.sin(offset)], 2).astype(np.float32),
        "confidence": np.eye(bins, dtype=np.float32)[np.abs(offset).argmin(1)],
    }


def estimate(heads, bboxes, P, mean_dimensions, size=None):
    """The three heads and the 2D boxes that the crops were cut from -> `Boxes` on the street.

    heads, mean_dimensions: see `decode`. bboxes: [N, 4] pixels. P: [3, 4] or [N, 3, 4].
    size: (width, height) of the image in pixels, see `locate`.

    An object that cannot be placed is not valid, and has a reason.
    Raises ValueError for shapes that do not fit.
    """
    bboxes = _bboxes(bboxes)
    heads = dict(zip(HEADS, _heads(heads, len(bboxes))))
    decoded = decode(heads, ray_angle(bboxes, P), mean_dimensions)
    location, misfit, reason = locate(bboxes, decoded.dimensions, decoded.yaw, P, size)
    broken = ~np.isfinite(np.column_stack([decoded.dimensions, decoded.alpha])).all(1)
    finite = np.all([np.isfinite(part).all(tuple(range(1, part.ndim))) for part in heads.values()], axis=0)
    why_not = np.where(finite, "the network's direction has length 0", "the network's output is not a number")
    reason = tuple(word if bad else why for word, bad, why in zip(why_not.tolist(), broken, reason))
    valid = np.array([not why for why in reason], bool)
    return Boxes(decoded.dimensions, location, decoded.yaw, decoded.alpha, decoded.confidence,
                 misfit, valid, reason)


def locate(bboxes, dimensions, yaw, P, size=None):
    """The location at which a box of known size and yaw fills its 2D box: least squares over the 4 sides.

    Each side of the 2D box is touched by the projection of some corner. A corner X of the turned box touches the side with
    coordinate s when (P_row - s P_3) . (X + location, 1) = 0, which is linear in the location (section 3.3 of the paper).
    Which corner touches which side is unknown: all assignments that are possible for an upright box are solved, and the
    one whose projection fits best is taken. Left and right are touched by two of the four upright edges (u does not depend
    on the height of a point), top and bottom at the nearest or the farthest edge: 4 * 3 * 2 * 2 = 48. From there the box
    is moved to where its projection fits best in pixels (`_refine`).

    bboxes: [N, 4] pixels. dimensions: [N, 3] h, w, l. yaw: [N]. P: [3, 4] or [N, 3, 4].
    size: (width, height) of the image. At a side on the border of the image the photo ends, not the vehicle; if `size`
        is given, that side is left out of the equations. The three other sides are enough for a location; two are not,
        and there is no box.

    Returns location [N, 3] metres (NaN: no box), misfit [N] pixels, reason (N strings).
    """
    bboxes, P = _bboxes(bboxes), _projection(P)
    count = len(bboxes)
    P = np.broadcast_to(P, (count, 3, 4))
    dimensions = np.reshape(dimensions, (count, 3)).astype(float)
    yaw = np.reshape(yaw, count).astype(float)
    used, reason = _usable(bboxes, dimensions, yaw, size)
    fine = reason == ""
    safe = np.where(fine[:, None], bboxes, [0, 0, 1, 1])
    turned = corners(np.where(fine[:, None], dimensions, 1), np.zeros((count, 3)),
                     np.where(fine, yaw, 0))

    depth = turned[:, :4, 2]
    by_depth = np.stack([depth.argmin(1), depth.argmax(1)], 1)
    touching = np.tile(_TOUCHING, (count, 1, 1))  # [N, 48, 4 sides]: index of a corner
    touching[..., 1] = by_depth[:, _TOUCHING[:, 1]] + 4
    touching[..., 3] = by_depth[:, _TOUCHING[:, 3]]

    equations = (P[:, [0, 1, 0, 1]] - safe[..., None] * P[:, 2:3]) * used[..., None]  # [N, 4, 4]
    known = np.matmul(equations[..., :3], turned.swapaxes(1, 2)) + equations[..., 3:]  # [N, 4, 8]
    known = known[np.arange(count)[:, None, None], np.arange(4), touching]  # [N, 48, 4]
    solve = np.linalg.pinv(equations[..., :3])  # [N, 3, 4]
    places = -np.matmul(known, solve.swapaxes(1, 2))  # [N, 48, 3]

    pixels, depth = _project(turned[:, None] + places[:, :, None], P[:, None, None])
    drawn = _around(pixels, size)
    with np.errstate(invalid="ignore"):
        misfit = np.abs(drawn - safe[:, None]).mean(2)
        misfit[~((depth > _NEAR).all(2) & np.isfinite(misfit))] = np.inf
    rows, best = np.arange(count), misfit.argmin(1)
    reason[fine & np.isinf(misfit[rows, best])] = "no place in front of the camera fits the 2D box"
    fine = reason == ""
    location = _refine(np.where(fine[:, None], places[rows, best], [0, 0, 1e3]), safe, used, turned, P)
    drawn = _around(_project(turned + location[:, None], P[:, None])[0], size)
    return (np.where(fine[:, None], location, np.nan),
            np.where(fine, np.abs(drawn - safe).mean(1), np.nan), tuple(reason))


def _refine(location, bboxes, used, turned, P, steps=5):
    """Locations [N, 3] at which the projections fit the 2D boxes best: Gauss-Newton on the four sides, in pixels.

    The equations of `locate` hold for one assignment of corners to sides, and weigh each side by its depth. Where two
    assignments fit almost equally well, a millimetre in the dimensions decides between them, and between places that lie
    decimetres apart. Both lead here to the same place. A step that fits worse is not taken.
    """
    rows, axes = np.arange(len(location))[:, None], np.array([0, 1, 0, 1])
    error = np.full(len(location), np.inf)
    step = np.zeros_like(location)
    for _ in range(steps + 1):
        pixels, depth = _project(turned + (location + step)[:, None], P[:, None])
        touching = np.concatenate([pixels.argmin(1), pixels.argmax(1)], 1)  # [N, 4 sides]: index of a corner
        sides = pixels[rows, touching, axes]
        gap = (sides - bboxes) * used
        better = (depth > _NEAR).all(1) & ((gap ** 2).sum(1) < error)
        location = np.where(better[:, None], location + step, location)
        error = np.where(better, (gap ** 2).sum(1), error)
        slope = (P[:, axes, :3] - sides[..., None] * P[:, 2:3, :3]) / depth[rows, touching][..., None] * used[..., None]
        step = np.where(better[:, None], -np.matmul(np.linalg.pinv(slope), gap[..., None])[..., 0], step / 2)
    return location


def corners(dimensions, location, yaw):
    """The eight corners of each box, [N, 8, 3] metres, in KITTI's order.

    0-3 are the bottom face, 4-7 the top face above it; 0, 1, 5, 4 (`FRONT`) are the front face. `EDGES` are the twelve
    pairs of corners that an edge joins.
    """
    dimensions, yaw = np.asarray(dimensions, float), np.asarray(yaw, float)
    along, down, across = np.moveaxis(dimensions[..., None, [2, 0, 1]] * _UNIT, -1, 0)
    cosine, sine = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    turned = np.stack([cosine * along + sine * across, down, cosine * across - sine * along], -1)
    return turned + np.asarray(location, float)[..., None, :]


def project(points, P):
    """Points [..., 3] in metres -> pixels [..., 2] (u right, v down); NaN for points behind the camera.

    P: [3, 4].
    """
    pixels, depth = _project(np.asarray(points, float), _projection(P))
    return np.where((depth > _NEAR)[..., None], pixels, np.nan)


def bounds(boxes, P, size=None):
    """The 2D box around each projected box, [N, 4] pixels; NaN where a corner is behind the camera.

    boxes: an object with dimensions, location and yaw. size: (width, height) of the image, to which the result is clipped.
    """
    return _around(project(corners(boxes.dimensions, boxes.location, boxes.yaw), P), size)


def iou_bev(a, b):
    """Intersection over union of the footprints (bird's-eye view) of pairs of boxes, exact for any yaw, [N], 0..1.

    a, b: objects with dimensions [N, 3], location [N, 3] and yaw [N]. A box that is not finite overlaps nothing.
    """
    overlap, area_a, area_b, finite = _footprints(a, b)
    return np.where(finite, overlap / np.maximum(area_a + area_b - overlap, 1e-12), 0)


def iou_3d(a, b):
    """Intersection over union of the volumes of pairs of upright boxes, [N], 0..1; arguments as for `iou_bev`."""
    overlap, area_a, area_b, finite = _footprints(a, b)
    with np.errstate(invalid="ignore"):
        bottom_a, bottom_b = a.location[:, 1], b.location[:, 1]
        height_a, height_b = a.dimensions[:, 0], b.dimensions[:, 0]
        top = np.maximum(bottom_a - height_a, bottom_b - height_b)
        common = overlap * np.maximum(np.minimum(bottom_a, bottom_b) - top, 0)
        union = area_a * height_a + area_b * height_b - common
        return np.where(finite, common / np.maximum(union, 1e-12), 0)


def measure(found, truth):
    """How far one set of boxes is from another, object by object.

    found, truth: objects with dimensions, location and yaw.
    Returns {"yaw_deg", "dimension_m" (mean over h, w, l), "distance_m", "iou_3d", "iou_bev"}, arrays of shape [N]. Where a
    box is missing, IoU is 0 and distance NaN.
    """
    return {
        "yaw_deg": np.degrees(angle_error(found.yaw, truth.yaw)),
        "dimension_m": np.abs(found.dimensions - truth.dimensions).mean(1),
        "distance_m": np.sqrt(((found.location - truth.location) ** 2).sum(1)),
        "iou_3d": iou_3d(found, truth),
        "iou_bev": iou_bev(found, truth),
    }


def _heads(heads, count=None):
    missing = [name for name in HEADS if name not in heads]
    if missing:
        raise ValueError("heads have no %s; they have %s"
                         % (" and no ".join(missing), ", ".join(sorted(heads)) or "nothing"))
    found = [np.asarray(heads[name], float) for name in HEADS]
    count = len(found[0]) if count is None else count
    bins = found[2].shape[-1]
    if [h.shape for h in found] != [(count, 3), (count, bins, 2), (count, bins)] or bins < 1:
        raise ValueError("heads of N = %d objects must be dimension [N, 3], orientation [N, bins, "
                         "2], confidence [N, bins], got %s, %s, %s"
                         % ((count,) + tuple(h.shape for h in found)))
    return found


def _bboxes(bboxes):
    bboxes = np.asarray(bboxes, float)
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise ValueError("2D boxes must be [N, 4]: left, top, right, bottom; got %s"
                         % (bboxes.shape,))
    return bboxes


def _projection(P):
    P = np.asarray(P, float)
    if P.ndim not in (2, 3) or P.shape[-2:] != (3, 4) or not np.isfinite(P).all():
        raise ValueError("the projection matrix must be [3, 4] and finite, got %s %s"
                         % (P.shape, P.tolist()))
    return P


def _usable(bboxes, dimensions, yaw, size):
    """Which sides of each 2D box can be used [N, 4], and why an object cannot be placed [N]."""
    left, top, right, bottom = bboxes.T
    used = np.ones(bboxes.shape, bool)
    with np.errstate(invalid="ignore"):
        if size is not None:
            width, height = size
            used = np.stack([left > 0.5, top > 0.5, right < width - 1.5, bottom < height - 1.5], 1)
        checks = [
            (~np.isfinite(bboxes).all(1), "the 2D box is not a number"),
            (~((right - left >= 1) & (bottom - top >= 1)), "the 2D box has no area"),
            (~np.isfinite(np.column_stack([dimensions, yaw])).all(1), "size or yaw is not finite"),
            (~(dimensions > 0).all(1), "a dimension is not positive"),
            (used.sum(1) < 3, "the image cuts off more than one side, so many places fit"),
        ]
    reason = np.full(len(bboxes), "", object)
    for bad, why in reversed(checks):  # of several reasons the first is given
        reason[bad] = why
    return used, reason


def _project(points, P):
    """Pixels [..., 2] and depth [...], unchecked; P is [3, 4] or broadcasts as [..., 3, 4]."""
    image = np.matmul(P[..., :3], points[..., None])[..., 0] + P[..., 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        return image[..., :2] / image[..., 2:], image[..., 2]


def _around(pixels, size):
    drawn = np.concatenate([pixels.min(-2), pixels.max(-2)], -1)
    if size is None:
        return drawn
    return np.clip(drawn, 0, np.tile(np.array(size, float) - 1, 2))


def _footprints(a, b):
    """Area common to the footprints, area of a, area of b, and which pairs are finite."""
    pair = [np.column_stack([box.dimensions, box.location, box.yaw]) for box in (a, b)]
    if pair[0].shape != pair[1].shape:
        raise ValueError("boxes are compared in pairs, got %d and %d" % tuple(map(len, pair)))
    with np.errstate(invalid="ignore"):
        finite = np.all([np.isfinite(p).all(1) & (p[:, :3] > 0).all(1) for p in pair], axis=0)
    pair = [np.where(finite[:, None], p, 1) for p in pair]
    origin = pair[0][:, 3:6]
    # `corners` goes round the bottom clockwise in (x, z); backwards is counter-clockwise.
    first, second = [corners(p[:, :3], p[:, 3:6] - origin, p[:, 6])[:, 3::-1, ::2] for p in pair]
    area_a, area_b = [p[:, 1] * p[:, 2] for p in pair]
    return _polygon_overlap(first, second), area_a, area_b, finite


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _polygon_overlap(first, second):
    """Area common to pairs of convex quadrilaterals, both [N, 4, 2], counter-clockwise, metres -> [N].

    The vertices of the intersection are the corners of one quadrilateral inside the other and the crossings of the edges.
    Sorted by angle about their mean, they form the polygon, whose area is the shoelace sum.
    """
    tolerance = 1e-9
    edge_a, edge_b = [np.roll(polygon, -1, 1) - polygon for polygon in (first, second)]
    gap = second[:, None] - first[:, :, None]  # [N, corner of a, corner of b, 2]
    b_in_a = (_cross(edge_a[:, :, None], gap) >= -tolerance).all(1)
    a_in_b = (_cross(edge_b[:, None], -gap) >= -tolerance).all(2)

    turn = _cross(edge_a[:, :, None], edge_b[:, None])  # [N, 4, 4]
    parallel = np.abs(turn) < tolerance
    turn = np.where(parallel, 1, turn)
    on_a, on_b = _cross(gap, edge_b[:, None]) / turn, _cross(gap, edge_a[:, :, None]) / turn
    crossing = first[:, :, None] + on_a[..., None] * edge_a[:, :, None]
    meet = ~parallel & (np.abs(np.stack([on_a, on_b]) - 0.5) <= 0.5 + tolerance).all(0)

    points = np.concatenate([first, second, crossing.reshape(-1, 16, 2)], 1)  # [N, 24, 2]
    real = np.concatenate([a_in_b, b_in_a, meet.reshape(-1, 16)], 1)
    spare = points[np.arange(len(points)), real.argmax(1)][:, None]
    points = np.where(real[..., None], points, spare)  # a vertex met twice adds no area
    middle = (points * real[..., None]).sum(1) / np.maximum(real.sum(1), 1)[:, None]
    points = points - middle[:, None]
    order = np.arctan2(points[..., 1], points[..., 0]).argsort(1)
    points = np.take_along_axis(points, order[..., None], 1)
    return np.where(real.any(1), _cross(points, np.roll(points, -1, 1)).sum(1) / 2, 0)
