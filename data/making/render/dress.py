"""Painting canvases: shapes as signed distances, and the parts that all vehicles share.

Coordinates are in metres unless stated otherwise; a signed distance is positive inside a shape.
"""

import numpy as np

from . import bodies
from .bodies import Canvas, band, smoothstep

# Numbers of the shared canvases; those of the styles follow (see `shared_canvases`).
RUBBER, PAINT, CHROME, WHEEL = 0, 1, 2, 3
WHEELS = 8
TRUCK_WHEEL, TAIL_LAMP = WHEEL + WHEELS, WHEEL + WHEELS + 1
RED, AMBER, DARK, SILVER = (0.35, 0.012, 0.012), (0.5, 0.16, 0.01), (0.012, 0.012, 0.014), (0.6, 0.6, 0.62)


def soft_min(*distances, k=45.0):
    """Smooth minimum of signed distances in metres; it rounds corners with a radius of about 1/k."""
    total = sum(np.exp(np.float32(-k) * np.clip(d, -0.6, 0.6).astype(np.float32)) for d in distances)
    return -np.log(total) / np.float32(k)


def cover(distance, pixel=0.006):
    """A mask from a signed distance, with an edge `pixel` metres wide."""
    return np.clip(distance / pixel + 0.5, 0, 1)


def rounded(a, b, ca, cb, ha, hb, r):
    """Signed distance (positive inside) to a rounded rectangle around (ca, cb) with half sizes (ha, hb)."""
    qa, qb = np.abs(a - ca) - ha + r, np.abs(b - cb) - hb + r
    outside = np.sqrt(np.maximum(qa, 0) ** 2 + np.maximum(qb, 0) ** 2)
    return r - outside - np.minimum(np.maximum(qa, qb), 0)


def paint_glass(canvas, shape, across, up, seats):
    """A window: black edge, dark interior, lighter where one can see through, seats as silhouettes.

    shape: signed distance in metres; across, up: metres in the window; seats: centres across of the head rests.
    """
    canvas.put(cover(shape + 0.018), DARK, glass=0.3)
    inside = np.full(canvas.size + (3,), 0.022, np.float32)
    through = smoothstep(0.05, 0.22, up) * np.clip(shape / 0.08, 0, 1)
    inside += (0.075 * through)[..., None] * np.array([0.85, 1.0, 1.05], np.float32)
    for seat in seats:
        head = np.maximum(rounded(across, up, seat, 0.20, 0.13, 0.09, 0.07), rounded(across, up, seat, 0.0, 0.25, 0.12, 0.09))
        inside *= (1 - 0.75 * cover(head, 0.03))[..., None]
    canvas.put(cover(shape), inside, glass=1.0)


def paint_plate(canvas, across, up, height):
    """A European number plate; `across` runs to the right, as it is read."""
    canvas.put(cover(rounded(across, up, 0, height, 0.27, 0.065, 0.015)), (0.03, 0.03, 0.03))
    canvas.put(cover(rounded(across, up, 0, height, 0.255, 0.052, 0.01)), (0.75, 0.75, 0.72))
    canvas.put(cover(rounded(across, up, -0.235, height, 0.02, 0.05, 0.005)), (0.02, 0.05, 0.35))
    for i, centre in enumerate(np.linspace(-0.17, 0.21, 7)):
        if i != 2:
            canvas.put(cover(rounded(across, up, centre, height, 0.018, 0.036, 0.004)) * 0.85, (0.03, 0.03, 0.03))


def livery(rng, low=0.03, high=0.5):
    """A colour for lettering, stripes and boxes, rarely a saturated one."""
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (rng.random() + np.array([0, 0.33, 0.67])))
    depth = rng.choice([0.2, 0.5, 0.85])
    return rng.uniform(low, high) * (1 - depth + depth * wheel)


def grids(profile):
    """Coordinates of both canvases: side (x, z) and strip (s, t, x(s), z(s)), each [h, w]."""
    rows, columns = bodies.CANVAS
    v, u = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    s = u * profile.s[-1]
    side = (u * profile.length, v * profile.height)
    strip = (s, 2 * v - 1, np.interp(s, profile.s, profile.x), np.interp(s, profile.s, profile.z))
    return [grid.astype(np.float32) for grid in side], [grid.astype(np.float32) for grid in strip]


def wheel_canvas(rng):
    """A car's rim: five to ten spokes, single or in pairs, silver or black."""
    canvas = Canvas()
    v, u = np.meshgrid(*[np.linspace(-1, 1, n) for n in canvas.size], indexing="ij")
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    spokes, twin = int(rng.choice([5, 5, 6, 7, 8, 10])), rng.random() < 0.4
    alloy = np.array([1.0, 1.0, 1.02]) * rng.choice([0.55, 0.45, 0.08], p=[0.55, 0.3, 0.15])
    canvas.put(np.ones(canvas.size), (0.02, 0.02, 0.02))
    canvas.put(band(radius, 0.15, 0.62, 0.02), (0.10, 0.095, 0.09), chrome=0.15)
    wave = np.abs(((angle / (2 * np.pi) * spokes) % 1) - 0.5) * 2 * np.pi / spokes * radius
    breadth = rng.uniform(0.07, 0.16) + 0.05 * (1 - radius)
    if twin:
        wave = np.abs(wave - 0.13)
        breadth = 0.06 + 0.02 * radius
    canvas.put(cover(breadth - wave, 0.02) * (radius < 0.95), alloy, chrome=0.25)
    canvas.put(band(radius, 0.88, 0.99, 0.02), alloy, chrome=0.3)
    canvas.put(band(radius, -1, 0.2, 0.02), alloy * 0.8, chrome=0.25)
    canvas.put(band(radius, -1, 0.08, 0.02), alloy * 0.3)
    return canvas


def truck_wheel_canvas():
    """A steel disc with ten holes."""
    canvas = Canvas()
    v, u = np.meshgrid(*[np.linspace(-1, 1, n) for n in canvas.size], indexing="ij")
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    canvas.put(np.ones(canvas.size), (0.28, 0.28, 0.28), chrome=0.05)
    canvas.put(band(radius, 0.62, 0.72, 0.02), (0.12, 0.12, 0.12))
    holes = np.hypot(radius - 0.8, 0.8 * (((angle / (2 * np.pi) * 10) % 1) - 0.5) * 2 * np.pi / 10)
    canvas.put(cover(0.07 - holes, 0.02), DARK)
    canvas.put(band(radius, -1, 0.3, 0.02), (0.06, 0.06, 0.06))
    return canvas


def shared_canvases(rng):
    """The canvases RUBBER to TAIL_LAMP, in that order."""
    rubber, paint, chrome, tail = Canvas(), Canvas(), Canvas(), Canvas()
    rubber.put(np.ones(rubber.size), (0.018, 0.018, 0.019))
    chrome.put(np.ones(rubber.size), (0.35, 0.35, 0.36), chrome=0.9)
    tail.put(np.ones(rubber.size), RED, glass=0.2, lamp=0.7)
    return [rubber, paint, chrome] + [wheel_canvas(rng) for _ in range(WHEELS)] + [truck_wheel_canvas(), tail]
