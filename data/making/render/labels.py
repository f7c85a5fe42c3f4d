"""Labels of a rendered scene in KITTI's terms, exact by construction; needs NumPy only.

Camera frame: x right, y down, z forward, metres. rotation_y turns about y, 0 = facing right; alpha is
rotation_y minus the angle atan2(x, z) of the ray to the object. Pixel centres lie at whole numbers.
"""

import numpy as np

from .scene import HEIGHT, P2, WIDTH
from .vehicles import catalogue


def wrap(angle):
    """The same angle (radians) in (-pi, pi]."""
    return float(np.pi - (np.pi - angle) % (2 * np.pi))


def world_vertices(vehicle):
    """Corners of the vehicle's mesh without its mirrors, float64 [n, 3] in the world frame."""
    points = solid_vertices(vehicle["style"]) * vehicle["scale"]
    cos, sin = np.cos(vehicle["yaw"]), np.sin(vehicle["yaw"])
    turned = np.stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1], points[:, 2]], axis=1)
    return turned + [vehicle["x"], vehicle["y"], vehicle["z"]]


_SOLID = {}


def solid_vertices(number):
    if number not in _SOLID:
        style = catalogue()[0][number]
        _SOLID[number] = np.unique(np.round(style.position[style.boxed], 6), axis=0)
    return _SOLID[number]


def box_of(points, camera_height):
    """(left, top, right, bottom) of world points in pixels, or None when one is less than 0.5 m ahead."""
    if points[:, 1].min() < 0.5:
        return None
    u = P2[0, 0] * points[:, 0] / points[:, 1] + P2[0, 2]
    v = P2[1, 1] * (camera_height - points[:, 2]) / points[:, 1] + P2[1, 2]
    return float(u.min()), float(v.min()), float(u.max()), float(v.max())


def clip_box(box, edge):
    """[left, top, right, bottom] within the image whose last pixel is `edge` (x, y)."""
    left, top, right, bottom = box
    return [max(left, 0.0), max(top, 0.0), min(right, edge[0]), min(bottom, edge[1])]


def box_corners(vehicle, length, width, height):
    """The eight corners of a vehicle's 3D box, [8, 3] m, in the world frame."""
    along, across, up = np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [0.0, 1.0], indexing="ij")
    along, across = along.ravel() * length, across.ravel() * width
    cos, sin = np.cos(vehicle["yaw"]), np.sin(vehicle["yaw"])
    turned = np.stack([cos * along - sin * across, sin * along + cos * across, up.ravel() * height], axis=1)
    return turned + [vehicle["x"], vehicle["y"], vehicle["z"]]


def objects(scene, buffer):
    """KITTI labels of all vehicles with at least one visible pixel, nearest first.

    buffer: the IdBuffer of `Renderer.render(scene)`. Each dict has id, type, truncated (share of the silhouette's
    area outside the image), occluded (0 at least 85 % of what lies inside the image is visible, 1 at least
    40 %, 2 less), visible (that fraction), alpha, bbox and tight ([left, top, right, bottom] float pixels, clipped to the
    image), dimensions [h, w, l] m, location [x, y, z] m (bottom centre, camera frame), rotation_y.

    bbox encloses the projected 3D box, tight the body's own outline. arXiv:1612.00496 places a vehicle by assuming that its 3D
    box fills the 2D box, so the label files carry bbox: bodies are round, and with `tight` even exact dimensions and yaw
    place cars 1.5 m off. Neither includes the mirrors.
    """
    counts = np.bincount(buffer.ids.ravel(), minlength=256) / buffer.supersample**2
    height, width = (n // buffer.supersample for n in buffer.ids.shape)
    found = []
    for vehicle in scene["vehicles"]:
        inside, total = buffer.areas.get(vehicle["id"], (0.0, 0.0))
        seen = counts[vehicle["id"]]
        length, wide, high = np.array(catalogue()[0][vehicle["style"]].size) * vehicle["scale"]
        box = box_of(box_corners(vehicle, length, wide, high), scene["camera"])
        if box is None or seen < 1 or inside <= 0:
            continue
        tight = box_of(world_vertices(vehicle), scene["camera"])
        edge = (width - 1.0, height - 1.0)
        location = [vehicle["x"], scene["camera"] - vehicle["z"], vehicle["y"]]
        rotation = wrap(-vehicle["yaw"])
        visible = float(min(seen / inside, 1.0))
        found.append(
            dict(
                id=vehicle["id"],
                type=vehicle["type"],
                truncated=float(np.clip(1 - inside / total, 0, 1)),
                occluded=0 if visible >= 0.85 else 1 if visible >= 0.4 else 2,
                visible=visible,
                alpha=wrap(rotation - np.arctan2(location[0], location[2])),
                bbox=clip_box(box, edge),
                tight=clip_box(tight, edge),
                dimensions=[float(high), float(wide), float(length)],
                location=[float(v) for v in location],
                rotation_y=rotation,
            )
        )
    return sorted(found, key=lambda label: label["location"][2])


def label_line(label):
    """One line of a KITTI label file."""
    numbers = [label["alpha"], *label["bbox"], *label["dimensions"], *label["location"], label["rotation_y"]]
    text = "%.4f %.2f %.2f %.2f %.2f %.4f %.4f %.4f %.4f %.4f %.4f %.4f" % tuple(numbers)
    return "%s %.2f %d %s" % (label["type"], label["truncated"], label["occluded"], text)


__all__ = ["HEIGHT", "P2", "WIDTH", "box_of", "label_line", "objects", "world_vertices", "wrap"]
