"""The vehicles: 35 styles of hatchbacks, saloons, estates, SUVs, vans, trucks and buses.

A style is a mesh in metres with its own canvases; a scene scales it a few per cent, paints it and parks it.
Finished styles have x forward, y left, z up, the origin below the middle of the box; the box excludes the
mirrors, as people who label boxes do.
"""
import functools
from collections import namedtuple

import numpy as np

from . import bodies
from .bodies import Canvas, Mesh, Profile, band, smoothstep

# type: KITTI class. mesh arrays: position, normal [n, 3], uv [n, 2], layer [n], boxed [n]. size: (l, w, h) metres.
Style = namedtuple("Style", "type kind position normal uv layer boxed size")

RUBBER, PAINT, CHROME = 0, 1, 2
WHEELS = 8
COUNTS = [
    ("hatch", 6), ("saloon", 5), ("estate", 4), ("suv", 5), ("smallvan", 3), ("panelvan", 4), ("boxtruck", 4), ("bus", 4),
]  # fmt: skip
TYPE = dict(hatch="Car", saloon="Car", estate="Car", suv="Car", smallvan="Van", panelvan="Van", boxtruck="Truck", bus="Bus")
LIGHT_RED, WHITE, DARK, SILVER = (0.35, 0.012, 0.012), (0.85, 0.85, 0.82), (0.012, 0.012, 0.014), (0.6, 0.6, 0.62)


def soft_min(*distances, k=45.0):
    """Smooth minimum of signed distances in metres: corners come out rounded by about 1/k."""
    total = sum(np.exp(np.float32(-k) * np.clip(d, -0.6, 0.6).astype(np.float32)) for d in distances)
    return -np.log(total) / np.float32(k)


def cover(distance, pixel=0.006):
    return np.clip(distance / pixel + 0.5, 0, 1)


def rounded(a, b, ca, cb, ha, hb, r):
    """Signed distance (positive inside) to a rounded rectangle around (ca, cb) with half sizes (ha, hb)."""
    qa, qb = np.abs(a - ca) - ha + r, np.abs(b - cb) - hb + r
    outside = np.sqrt(np.maximum(qa, 0) ** 2 + np.maximum(qb, 0) ** 2)
    return r - outside - np.minimum(np.maximum(qa, qb), 0)


def wheel_canvas(rng):
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
    canvas = Canvas()
    v, u = np.meshgrid(*[np.linspace(-1, 1, n) for n in canvas.size], indexing="ij")
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    canvas.put(np.ones(canvas.size), (0.28, 0.28, 0.28), chrome=0.05)
    canvas.put(band(radius, 0.62, 0.72, 0.02), (0.12, 0.12, 0.12))
    holes = np.hypot(radius - 0.8, 0.8 * (((angle / (2 * np.pi) * 10) % 1) - 0.5) * 2 * np.pi / 10)
    canvas.put(cover(0.07 - holes, 0.02), DARK)
    canvas.put(band(radius, -1, 0.3, 0.02), (0.06, 0.06, 0.06))
    return canvas


def paint_glass(canvas, shape, across, up, seats):
    """A window: black edge, dark inside, lighter where one sees through, seats as silhouettes.

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
    """A European number plate; `across` runs to the right as one reads it."""
    canvas.put(cover(rounded(across, up, 0, height, 0.27, 0.065, 0.015)), (0.03, 0.03, 0.03))
    canvas.put(cover(rounded(across, up, 0, height, 0.255, 0.052, 0.01)), (0.75, 0.75, 0.72))
    canvas.put(cover(rounded(across, up, -0.235, height, 0.02, 0.05, 0.005)), (0.02, 0.05, 0.35))
    for i, centre in enumerate(np.linspace(-0.17, 0.21, 7)):
        if i != 2:
            canvas.put(cover(rounded(across, up, centre, height, 0.018, 0.036, 0.004)) * 0.85, (0.03, 0.03, 0.03))


def livery(rng, low=0.03, high=0.5):
    """A colour for lettering, stripes and boxes: some hue, rarely a loud one."""
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


def finish(kind, mesh):
    position, normal, uv, layer, boxed = mesh.arrays()
    solid = position[boxed]
    low, high = solid.min(0), solid.max(0)
    position = position - np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return Style(TYPE[kind], kind, position, normal, uv, layer, boxed, tuple(high - low))


def make_car(kind, rng, layers, wheel_layer):
    """One passenger car or small van; `layers` are the canvas numbers (side, strip)."""
    u = rng.uniform
    length, width, height = {
        "hatch": (u(3.65, 4.35), u(1.66, 1.80), u(1.42, 1.53)), "saloon": (u(4.40, 4.95), u(1.76, 1.88), u(1.40, 1.48)),
        "estate": (u(4.45, 4.90), u(1.76, 1.86), u(1.44, 1.53)), "suv": (u(4.20, 4.80), u(1.80, 1.93), u(1.60, 1.76)),
        "smallvan": (u(4.15, 4.50), u(1.76, 1.85), u(1.78, 1.88)),
    }[kind]  # fmt: skip
    tall = kind in ("suv", "smallvan")
    radius = {"hatch": 0.305, "suv": 0.36}.get(kind, 0.32) + u(-0.01, 0.02)
    clearance = 0.24 if kind == "suv" else 0.19
    front, rear = length - 0.205 * length + u(-0.03, 0.03), 0.185 * length + u(-0.03, 0.03)
    belt_front = (0.60 if tall else 0.645) * height + u(-0.01, 0.02)
    belt_rear = belt_front + u(0.01, 0.07)
    cowl_x = length * {"hatch": 0.745, "saloon": 0.715, "estate": 0.72, "suv": 0.72, "smallvan": 0.775}[kind] + u(-0.04, 0.04)
    screen = (height - belt_front) * (1.15 if tall else 1.55) + u(-0.05, 0.1)
    nose = (0.50 if not tall else 0.53) * height + u(-0.02, 0.02)
    head = [
        ("roof", cowl_x - screen - 0.55, height), ("screen_top", cowl_x - screen, height * 0.965),
        ("cowl", cowl_x, belt_front + 0.01), (None, (cowl_x + length) / 2, (belt_front + nose) / 2 + u(0.035, 0.06)),
        ("hood", length - 0.16, nose), ("nose", length - 0.035, nose - 0.12), (None, length, 0.40 * height * 0.85),
        (None, length - 0.03, clearance + 0.1), ("front", length - 0.13, clearance),
    ]  # fmt: skip
    if kind == "saloon":
        deck = belt_rear + u(0.0, 0.05)
        glass_x = length * u(0.155, 0.185)
        tail = [("rear", 0.14, clearance), (None, 0.0, 0.36 * height), ("gate", 0.03, 0.50 * height),
                ("deck", 0.10, deck), ("glass", glass_x, deck + 0.03), ("roof_end", glass_x + u(0.70, 0.85), height * 0.955)]  # fmt: skip
        pillar, slope = glass_x + 0.30, 0.75
    else:
        upright = {"hatch": u(0.28, 0.5), "estate": u(0.30, 0.55), "suv": u(0.25, 0.42), "smallvan": u(0.06, 0.14)}[kind]
        foot = u(0.06, 0.12)
        tail = [("rear", 0.10, clearance), (None, 0.0, 0.36 * height), ("gate", 0.01, 0.50 * height),
                (None, foot * 0.7, belt_rear - 0.05), ("glass", foot, belt_rear), ("roof_end", foot + upright, height * 0.955)]  # fmt: skip
        pillar = {"hatch": u(0.62, 0.78), "estate": u(0.45, 0.6), "suv": u(0.5, 0.75), "smallvan": u(0.3, 0.4)}[kind]
        slope = u(0.25, 0.6) if kind != "smallvan" else 0.1
    profile = Profile(tail + head, 0.055)
    mesh, belt = Mesh(), (belt_rear, belt_front)
    roof_width = {"suv": 0.78, "smallvan": 0.84}.get(kind, 0.73) + u(-0.02, 0.02)
    bodies.loft(mesh, profile, width, layers, clearance, belt, roof_width, u(0.075, 0.11), (u(0.10, 0.16), u(0.06, 0.12)),
                u(0.06, 0.11), u(4.5, 7.0), u(0.02, 0.045), u(0.05, 0.09))  # fmt: skip

    side, strip = Canvas(), Canvas()
    (x, z), (s, t, sx, sz) = grids(profile)
    y = t * width / 2 * 0.92
    belt_line = belt_rear + (belt_front - belt_rear) * x / length
    roof = profile.roof(x)
    slant = np.sqrt(1 + np.gradient(profile.roof(x[0]), x[0]) ** 2)[None]
    arch = radius * 1.15
    seam_front, seam_middle = cowl_x - u(0.02, 0.12), (front + rear) / 2 - u(-0.02, 0.1)

    # The side: windows, doors, arches.
    top_gap = 0.075 if kind != "smallvan" else 0.12
    windows = soft_min((roof - z) / slant - top_gap, z - belt_line - 0.012, (x - pillar - slope * (z - belt_line)) / np.hypot(1, slope),
                       seam_front - 0.02 - x + 0.35 * (0.1 - (z - belt_line)))  # fmt: skip
    if kind == "smallvan" and rng.random() < 0.5:
        windows = np.minimum(windows, x - seam_middle)
    seats = [seam_front - 0.95, seam_front - 1.75]
    paint_glass(side, windows, x, z - belt_line, seats)
    if rng.random() < 0.4:
        side.put(cover(windows + 0.03) * (1 - cover(windows + 0.012)), SILVER, chrome=0.7)
    inside = cover(windows + 0.018)
    side.put(inside * band(x, seam_middle - 0.045, seam_middle + 0.045, 0.006), DARK)
    quarter = pillar + 0.38
    if kind not in ("smallvan",):
        side.put(inside * band(x + 0.1 * (z - belt_line), quarter - 0.03, quarter + 0.02, 0.006), DARK)
    doors = band(z, clearance + 0.13, 9, 0.006)
    below = doors * (1 - inside) * (z < belt_line + 0.02)
    gap = 0.010
    door_end = rear + arch * 0.75
    for seam in (seam_front, seam_middle, door_end):
        side.shade(below * band(x, seam - gap / 2, seam + gap / 2, 0.005), 0.22)
    side.shade(band(z, clearance + 0.125, clearance + 0.135, 0.005) * band(x, door_end, seam_front, 0.01), 0.25)
    fold = 0.52 * height if tall else 0.50 * height
    side.shade(np.clip(1 - np.abs(z - fold - 0.02 * (length - x)) / 0.05, 0, 1) * (z < fold + 0.02 * (length - x)) * 0.5, 0.6)
    for handle in (seam_middle + 0.16, door_end + 0.15):
        side.shade(cover(rounded(x, z, handle, belt_line - 0.105, 0.12, 0.026, 0.02)) * 0.6, 0.4)
        side.put(cover(rounded(x, z, handle, belt_line - 0.10, 0.095, 0.013, 0.01)), SILVER, paint=float(rng.random() < 0.7), chrome=0.4)
    side.put(band(z, -1, clearance + u(0.03, 0.08), 0.01), (0.02, 0.02, 0.02))
    if kind == "suv" or rng.random() < 0.15:
        for centre in (front, rear):
            side.put(cover(arch + 0.055 - np.hypot(x - centre, z - radius)), (0.025, 0.025, 0.025))
        side.put(band(z, -1, clearance + 0.12, 0.01), (0.025, 0.025, 0.025))
        side.put(band(roof - z, 0.015, 0.045, 0.008) * band(x, pillar, cowl_x - screen - 0.1, 0.02), SILVER, chrome=0.5)
    lamp_top, lamp_low = nose - 0.005, nose - u(0.12, 0.16)
    lamp_length = u(0.22, 0.40)
    lamp_side = soft_min(x - length + lamp_length, lamp_top + 0.03 * (length - x) / lamp_length - z, z - lamp_low - 0.09 * (length - x) / lamp_length)
    side.put(cover(lamp_side + 0.01), DARK)
    side.put(cover(lamp_side), (0.55, 0.57, 0.6), chrome=0.35, glass=0.2, lamp=0.5)
    tail_low, tail_high = (0.50 * height, 0.62 * height) if kind != "smallvan" else (0.42 * height, 0.66 * height)
    tail_high = min(tail_high + u(-0.03, 0.03), belt_rear - 0.03)
    tail_side = soft_min(u(0.16, 0.34) - x, tail_high - 0.1 * x - z, z - tail_low - 0.12 * x)
    side.put(cover(tail_side), LIGHT_RED, glass=0.25, lamp=0.7)
    side.put(band(z, 0.40 * height - 0.005, 0.40 * height + 0.005, 0.005) * ((x < rear - arch) | (x > front + arch)), (0.01, 0.01, 0.01))
    for centre in (front, rear):
        distance = np.hypot(x - centre, z - radius)
        side.shade(band(distance, arch, arch + 0.035, 0.01) * 0.5, 0.5)
        side.cut(np.clip((arch - distance) / 0.008 + 0.5, 0, 1))

    # Top, front and rear.
    at = profile.at
    wide = y / (t + 1e-9)
    screen_shape = soft_min(s - at["screen_top"] - 0.03, at["cowl"] - 0.03 - s, wide * 0.925 - np.abs(y) - 0.02 * (s < 0))
    paint_glass(strip, screen_shape, y * 1.1, (at["cowl"] - s) - 0.12, [-0.36, 0.36])
    strip.put(cover(screen_shape) * cover(rounded(y, s, 0, at["screen_top"] + 0.11, 0.11, 0.05, 0.03), 0.01), DARK)
    strip.put(band(s, at["cowl"] - 0.045, at["cowl"] + 0.035, 0.01) * (np.abs(t) < 0.95), (0.015, 0.015, 0.015))
    for wiper in (-0.3, 0.25):
        strip.put(cover(0.008 - np.abs((s - at["cowl"] + 0.04) + 0.12 * (y - wiper)), 0.006) * band(y, wiper - 0.3, wiper + 0.3, 0.01), DARK)
    end, begin = at["roof_end"], at["glass"]
    rear_shape = soft_min(s - begin - 0.035, end - 0.06 - s, wide * u(0.80, 0.88) - np.abs(y))
    if kind == "smallvan":
        for sign in (-1, 1):
            paint_glass(strip, soft_min(rear_shape, sign * y - 0.03), y, s - begin - 0.1, [])
    else:
        paint_glass(strip, rear_shape, y * 1.1, s - begin - 0.08, [-0.36, 0.36])
    strip.put(cover(rounded(y, s, 0, end - 0.035, 0.16, 0.012, 0.01)), LIGHT_RED, lamp=0.6)
    if kind != "saloon" and rng.random() < 0.6:
        strip.shade(band(s, end - 0.06, end - 0.045, 0.006), 0.3)
    if rng.random() < 0.2:
        strip.put(cover(rounded(y, s, 0, (at["roof_end"] + at["screen_top"]) / 2, 0.42, 0.45, 0.08)), DARK, glass=0.9)
    for edge in (-0.88, 0.88):
        strip.shade(band(t, edge - 0.006, edge + 0.006, 0.004) * band(s, at["cowl"] + 0.05, at["hood"] - 0.02, 0.01), 0.25)
    strip.shade(band(s, at["hood"] - 0.026, at["hood"] - 0.014, 0.005), 0.25)
    fold_t = u(0.35, 0.55)
    strip.shade(np.clip(1 - np.abs(np.abs(t) - fold_t - 0.2 * smoothstep(at["hood"], at["cowl"], s)) / 0.05, 0, 1)
                * band(s, at["cowl"] + 0.06, at["hood"] - 0.05, 0.05) * 0.35, 0.6)  # fmt: skip

    nose_side = s > at["cowl"] + 0.3
    tilt = u(0.0, 0.10)
    lamp_inner = u(0.50, 0.66)
    raised = sz - tilt * (np.abs(t) - 0.8)
    lamps = soft_min((np.abs(t) - lamp_inner) * width / 2, lamp_top - raised + 0.0, raised - lamp_low) - 9.0 * ~nose_side
    strip.put(cover(lamps + 0.012), DARK)
    strip.put(cover(lamps), (0.42, 0.44, 0.47), chrome=0.35, glass=0.2, lamp=0.35)
    bulb = np.maximum(rounded(np.abs(t) * width / 2, raised, (lamp_inner + 0.13) * width / 2, (lamp_top + lamp_low) / 2, 0.055, 0.05, 0.05),
                      rounded(np.abs(t) * width / 2, raised, 0.89 * width / 2, (lamp_top + lamp_low) / 2, 0.05, 0.045, 0.04))  # fmt: skip
    strip.put(cover(bulb) * cover(lamps), (0.85, 0.87, 0.9), chrome=0.5, lamp=1.0)
    grille_half, grille_low = u(0.36, 0.62) * width / 2, nose - u(0.17, 0.26)
    grille_half = min(grille_half, (lamp_inner - 0.03) * width / 2) if rng.random() < 0.6 else grille_half * 0.6
    grille = soft_min(grille_half - np.abs(y) - 0.1 * (nose - sz), nose - 0.035 - sz, sz - grille_low) - 9.0 * ~nose_side
    strip.put(cover(grille + 0.014), SILVER, chrome=0.8, paint=float(rng.random() < 0.4))
    strip.put(cover(grille), (0.012, 0.012, 0.012))
    bars = (sz if rng.random() < 0.6 else y) / u(0.035, 0.05)
    strip.put(cover(grille - 0.008) * (np.abs((bars % 1) - 0.5) < 0.16), (0.10, 0.10, 0.10), chrome=0.35)
    badge = 0.055 - np.hypot(y, sz - (nose + grille_low) / 2 - 0.02) - 9.0 * ~nose_side
    strip.put(cover(badge), SILVER, chrome=0.85)
    intake = soft_min(u(0.45, 0.72) * width / 2 - np.abs(y) - 0.4 * (sz - clearance), clearance + u(0.14, 0.2) - sz, sz - clearance - 0.03) - 9.0 * ~nose_side
    strip.put(cover(intake), (0.015, 0.015, 0.015))
    fog = rounded(np.abs(y), sz, 0.74 * width / 2, clearance + 0.13, 0.07, 0.045, 0.03) - 9.0 * ~nose_side
    strip.put(cover(fog + 0.02), DARK)
    strip.put(cover(fog - 0.012), (0.5, 0.5, 0.5), chrome=0.4)
    plate_front = np.where(nose_side, sz, -9)
    paint_plate(strip, y, plate_front, min(grille_low - 0.02, clearance + 0.24))
    strip.put(band(sz, -1, clearance + 0.045, 0.01) * nose_side, (0.02, 0.02, 0.02))

    tail_side = s < at["glass"] - 0.0
    back = np.where(tail_side, 0.0, -9.0)
    inner = u(0.52, 0.72)
    lights = soft_min((np.abs(t) - inner) * width / 2, tail_high - sz, sz - tail_low) + back
    if kind == "smallvan" or (tall and rng.random() < 0.4):
        lights = soft_min((np.abs(t) - 0.80) * width / 2, tail_high - sz, sz - tail_low + 0.06) + back
    strip.put(cover(lights + 0.008), DARK)
    strip.put(cover(lights), LIGHT_RED, glass=0.25, lamp=0.7)
    strip.put(cover(np.minimum(lights - 0.012, 0.022 - np.abs(sz - tail_low - 0.05))), (0.55, 0.52, 0.5), chrome=0.3)
    strip.put(cover(np.minimum(lights - 0.012, 0.016 - np.abs(sz - tail_low - 0.095))), (0.5, 0.16, 0.01), chrome=0.2)
    gate_edge = np.abs(np.abs(t) - (inner - 0.02 if kind == "saloon" else 0.84)) * width / 2
    strip.shade(cover(0.007 - gate_edge) * tail_side * (sz > 0.42 * height), 0.25)
    strip.shade(band(sz, 0.42 * height - 0.006, 0.42 * height + 0.006, 0.005) * tail_side, 0.22)
    strip.put(cover(0.05 - np.hypot(y, sz - (tail_high + 0.0 if kind != "saloon" else tail_high - 0.03)) + back), SILVER, chrome=0.85)
    low_plate = rng.random() < 0.35
    plate = 0.33 * height if low_plate else (tail_low + 0.045)
    strip.put(cover(rounded(y, np.where(tail_side, sz, -9), 0, plate, 0.33, 0.09, 0.03)), (0.03, 0.03, 0.03), paint=0.25)
    paint_plate(strip, -y, np.where(tail_side, sz, -9), plate)
    if rng.random() < 0.4:
        strip.put(cover(rounded(y, np.where(tail_side, sz, -9), 0, tail_low + 0.125, 0.4, 0.012, 0.01)), SILVER, chrome=0.8)
    strip.put(band(sz, -1, clearance + u(0.10, 0.17), 0.01) * tail_side, (0.02, 0.02, 0.02))
    strip.put(cover(rounded(np.abs(y), np.where(tail_side, sz, -9), 0.62, clearance + 0.2, 0.08, 0.018, 0.01)), LIGHT_RED)

    inset = 0.24
    bodies.box(mesh, (0.25, -width / 2 + inset, clearance - 0.01), (length - 0.25, width / 2 - inset, nose - 0.14), RUBBER)
    bodies.box(mesh, (0.5, -width / 2 + inset, nose - 0.2), (cowl_x - 0.1, width / 2 - inset, belt_front - 0.10), RUBBER)
    bodies.box(mesh, (rear + arch * 1.05, -width / 2 + 0.1, clearance), (front - arch * 1.05, width / 2 - 0.1, clearance + 0.1), RUBBER)
    breadth = u(0.195, 0.24)
    for centre in (front, rear):
        for sign in (-1, 1):
            bodies.wheel(mesh, (centre, sign * (width / 2 * 0.985 - breadth / 2 - 0.015), radius), radius, breadth, wheel_layer, RUBBER, sign)
    mirror_x, mirror_z = seam_front - u(0.02, 0.1), belt_front + 0.10
    for sign in (-1, 1):
        bodies.ellipsoid(mesh, (mirror_x, sign * (width / 2 + 0.07), mirror_z), (0.075, 0.11, 0.07), PAINT, boxed=False)
        bodies.panel(mesh, [(mirror_x - 0.072, sign * (width / 2 + 0.07 + a * 0.085), mirror_z + b * 0.05)
                            for a, b in ((1, -1), (-1, -1), (-1, 1), (1, 1))], CHROME, boxed=False)  # fmt: skip
    return finish(kind, mesh), (side, strip)


def make_panel_van(kind, rng, layers, wheel_layer):
    u = rng.uniform
    length, width, height = u(4.9, 5.9), u(1.92, 2.04), u(1.94, 2.55)
    radius, clearance = u(0.33, 0.36), 0.24
    front, rear = length - u(0.88, 1.0), 0.195 * length
    cowl_x, cowl_z = length - u(0.72, 1.0), u(1.14, 1.22)
    screen = (height - cowl_z) * u(0.62, 0.75)
    belt = (cowl_z - 0.08, cowl_z - 0.08)
    nose = u(0.92, 1.0)
    profile = Profile([
        ("rear", 0.05, clearance), (None, 0.0, 0.6), ("glass", 0.02, 1.2), (None, 0.05, height - 0.25), ("roof_end", 0.15, height - 0.03),
        ("roof", 1.0, height), (None, cowl_x - screen - 0.5, height), ("screen_top", cowl_x - screen, height - 0.09), ("cowl", cowl_x, cowl_z),
        ("hood", length - 0.2, nose), ("nose", length - 0.04, nose - 0.17), (None, length, 0.5), ("front", length - 0.12, clearance),
    ], 0.06)  # fmt: skip
    mesh = Mesh()
    bodies.loft(mesh, profile, width, layers, clearance, belt, u(0.86, 0.91), 0.10, (0.05, 0.16), 0.05, 9.0, 0.03, 0.045)
    side, strip = Canvas(), Canvas()
    (x, z), (s, t, sx, sz) = grids(profile)
    y = t * width / 2 * 0.95
    wide = y / (t + 1e-9)
    roof = profile.roof(x)
    slant = np.sqrt(1 + np.gradient(profile.roof(x[0]), x[0]) ** 2)[None]
    arch = radius * 1.16
    door_front, door_rear = cowl_x - 0.05, cowl_x - 1.15
    top = min(height - 0.2, cowl_z + 0.72)
    cabin = soft_min((roof - z) / slant - 0.09, top - z, z - belt[0] + 0.05 * (x - door_rear), x - door_rear - 0.06, door_front + 0.3 - x)
    paint_glass(side, cabin, x, z - belt[0], [door_rear + 0.25])
    passenger = rng.random() < 0.45
    stops = np.linspace(0.35, door_rear - 0.12, 3)
    if passenger:
        for a, b in zip(stops[:-1], stops[1:]):
            paint_glass(side, soft_min(x - a - 0.05, b - 0.05 - x, top - z, z - belt[0]), x, z - belt[0], [(a + b) / 2])
    for seam in (door_front, door_rear, stops[1]):
        side.shade(band(x, seam - 0.006, seam + 0.006, 0.005) * band(z, clearance + 0.15, height - 0.15, 0.01), 0.25)
    side.shade(band(z, 0.98, 0.995, 0.006) * band(x, 0.4, door_rear - 0.1, 0.01), 0.4)
    side.put(band(z, 0.62, 0.69, 0.008) * band(x, 0.3, front - arch - 0.05, 0.01), (0.025, 0.025, 0.025))
    for handle in (door_rear + 0.15, door_rear - 0.15):
        side.put(cover(rounded(x, z, handle, 0.98, 0.09, 0.02, 0.015)), (0.02, 0.02, 0.02))
    side.put(band(z, -1, clearance + 0.1, 0.01), (0.02, 0.02, 0.02))
    lamp = soft_min(x - length + u(0.3, 0.45), nose + 0.05 - z, z - nose + 0.2 - 0.1 * (length - x))
    side.put(cover(lamp), (0.5, 0.52, 0.55), chrome=0.35, lamp=0.5)
    tail = soft_min(0.10 - x, 1.35 - z, z - 0.85)
    side.put(cover(tail), LIGHT_RED, glass=0.2, lamp=0.7)
    if not passenger and rng.random() < 0.6:
        logo = livery(rng, 0.05, 0.6)
        side.put(band(z, 1.25, 1.25 + u(0.15, 0.4), 0.01) * band(x, 0.6, 0.6 + u(1.0, 1.9), 0.01), logo)
        side.put(band(z, 1.08, 1.14, 0.01) * band(x, 0.6, 2.2, 0.01) * ((x * 9) % 1 < 0.6), logo * 0.5)
    for centre in (front, rear):
        distance = np.hypot(x - centre, z - radius)
        side.shade(band(distance, arch, arch + 0.04, 0.01) * 0.5, 0.5)
        side.cut(np.clip((arch - distance) / 0.008 + 0.5, 0, 1))
    at = profile.at
    shape = soft_min(s - at["screen_top"] - 0.05, at["cowl"] - 0.03 - s, wide * 0.93 - np.abs(y))
    paint_glass(strip, shape, y, at["cowl"] - s - 0.25, [-0.45, 0.45])
    strip.put(band(s, at["cowl"] - 0.04, at["cowl"] + 0.05, 0.01) * (np.abs(t) < 0.94), (0.015, 0.015, 0.015))
    strip.shade(band(s, at["hood"] - 0.02, at["hood"] - 0.008, 0.005), 0.25)
    nose_side, tail_side = s > at["cowl"] + 0.15, s < at["roof_end"]
    fz, rz = np.where(nose_side, sz, -9), np.where(tail_side, sz, -9)
    lamps = soft_min((np.abs(t) - u(0.58, 0.68)) * width / 2, nose - 0.0 - fz, fz - nose + u(0.2, 0.27))
    strip.put(cover(lamps + 0.012), DARK)
    strip.put(cover(lamps), (0.45, 0.47, 0.5), chrome=0.35, lamp=0.4)
    strip.put(cover(rounded(np.abs(t), fz, 0.8, nose - 0.11, 0.07, 0.06, 0.05)), (0.85, 0.87, 0.9), chrome=0.5, lamp=1.0)
    grille = soft_min(0.52 - np.abs(y), nose - 0.04 - fz, fz - nose + 0.26)
    strip.put(cover(grille), (0.015, 0.015, 0.015))
    strip.put(cover(grille - 0.01) * ((fz / 0.06) % 1 < 0.35), (0.12, 0.12, 0.12), chrome=0.3)
    strip.put(cover(0.065 - np.hypot(y, fz - nose + 0.14)), SILVER, chrome=0.85)
    strip.put(band(fz, 0, 0.52, 0.02), (0.03, 0.03, 0.03), paint=float(rng.random() < 0.3))
    paint_plate(strip, y, fz, 0.5)
    glazed = passenger or rng.random() < 0.4
    for sign in (-1, 1):
        if glazed:
            paint_glass(strip, soft_min(sign * y - 0.05, wide * 0.86 - np.abs(y), top - rz, rz - belt[0] - 0.05), y, rz - belt[0], [])
        strip.shade(cover(0.008 - np.abs(np.abs(y) - 0.9 * wide)) * (rz > 0.5), 0.25)
    strip.shade(cover(0.008 - np.abs(y)) * (rz > 0.5), 0.2)
    strip.shade(band(rz, 0.5, 0.515, 0.005), 0.2)
    lights = soft_min((np.abs(t) - 0.87) * width / 2, 1.38 - rz, rz - 0.82)
    strip.put(cover(lights), LIGHT_RED, glass=0.2, lamp=0.7)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(rz - 0.93))), (0.5, 0.5, 0.48), chrome=0.3)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(rz - 1.04))), (0.5, 0.16, 0.01), chrome=0.2)
    strip.put(cover(rounded(y, rz, 0.06, 0.98, 0.03, 0.08, 0.02)), DARK)
    strip.put(band(rz, 0, 0.46, 0.01), (0.025, 0.025, 0.025))
    paint_plate(strip, 0.35 - y, rz, 0.72)
    bodies.box(mesh, (0.2, -width / 2 + 0.28, clearance), (length - 0.3, width / 2 - 0.28, 0.95), RUBBER)
    for centre in (front, rear):
        for sign in (-1, 1):
            bodies.wheel(mesh, (centre, sign * (width / 2 * 0.985 - 0.13), radius), radius, 0.22, wheel_layer, RUBBER, sign)
    for sign in (-1, 1):
        bodies.ellipsoid(mesh, (door_front - 0.12, sign * (width / 2 + 0.08), cowl_z + 0.08), (0.07, 0.10, 0.16), RUBBER, boxed=False)
        bodies.box(mesh, (door_front - 0.16, min(sign * (width / 2 - 0.12), sign * (width / 2 + 0.06)), cowl_z - 0.04),
                   (door_front - 0.08, max(sign * (width / 2 - 0.12), sign * (width / 2 + 0.06)), cowl_z + 0.02), RUBBER, boxed=False)
    return finish(kind, mesh), (side, strip)


def make_truck(kind, rng, layers, wheel_layer):
    """A cab over the engine and a box on a ladder frame; layers are (cab side, cab strip, box side, box rear)."""
    u = rng.uniform
    cab_length, cab_height, width = u(1.75, 2.15), u(2.35, 2.95), u(2.12, 2.40)
    box_length, box_width, box_height, floor = u(4.0, 6.6), u(2.3, 2.52), u(2.2, 2.65), u(0.95, 1.1)
    radius = u(0.41, 0.49)
    total = box_length + 0.12 + cab_length
    base, sill_z = u(1.32, 1.45), 0.42
    profile = Profile([
        ("rear", 0.02, 0.55), (None, 0.0, 1.2), (None, 0.03, cab_height - 0.3), ("roof_end", 0.25, cab_height - 0.02), ("roof", 0.8, cab_height),
        ("screen_top", cab_length - 0.45, cab_height - 0.16), ("cowl", cab_length - 0.10, base), ("nose", cab_length - 0.03, 1.0),
        (None, cab_length, 0.62), ("front", cab_length - 0.06, 0.38),
    ], 0.06)  # fmt: skip
    mesh, start = Mesh(), box_length + 0.12
    bodies.loft(mesh, profile, width, layers[:2], sill_z, (base - 0.1, base - 0.1), 0.93, 0.09, (0.0, 0.14), 0.02, 6.0, 0.02, 0.03, offset=start)
    side, strip, flank, doors = Canvas(), Canvas(), Canvas(), Canvas()
    (x, z), (s, t, sx, sz) = grids(profile)
    y = t * width / 2 * 0.95
    wide = y / (t + 1e-9)
    roof = profile.roof(x)
    slant = np.sqrt(1 + np.gradient(profile.roof(x[0]), x[0]) ** 2)[None]
    axle = cab_length * 0.48
    cabin = soft_min((roof - z) / slant - 0.12, base + 0.75 - z, z - base + 0.06 + 0.12 * (x - 0.8), x - 0.62, cab_length - 0.15 - x)
    paint_glass(side, cabin, x, z - base, [0.85])
    for seam in (0.52, cab_length - 0.16):
        side.shade(band(x, seam - 0.008, seam + 0.008, 0.006) * band(z, 0.6, base + 0.75, 0.01), 0.25)
    side.put(cover(rounded(x, z, 0.68, base - 0.15, 0.08, 0.02, 0.015)), DARK)
    side.put(band(z, -1, 0.62, 0.01), (0.025, 0.025, 0.025))
    side.cut(np.clip((radius * 1.15 - np.hypot(x - axle, z - radius)) / 0.01 + 0.5, 0, 1))
    at = profile.at
    shape = soft_min(s - at["screen_top"] - 0.05, at["cowl"] - 0.03 - s, wide * 0.95 - np.abs(y))
    paint_glass(strip, shape, y, at["cowl"] - s - 0.3, [-0.6, 0.6])
    front = np.where(s > at["cowl"], sz, -9)
    strip.put(cover(soft_min(0.8 - np.abs(y), base - 0.16 - front, front - 0.78)), (0.02, 0.02, 0.02))
    strip.put(cover(soft_min(0.78 - np.abs(y), base - 0.18 - front, front - 0.8)) * ((front / 0.11) % 1 < 0.6), (0.02, 0.02, 0.02), paint=float(rng.random() < 0.5))
    strip.put(cover(0.09 - np.hypot(y, front - base + 0.25)), SILVER, chrome=0.85)
    strip.put(band(front, 0, 0.68, 0.01), (0.05, 0.05, 0.05), paint=float(rng.random() < 0.4))
    lamps = rounded(np.abs(t), front, 0.80, 0.57, 0.13, 0.085, 0.05)
    strip.put(cover(lamps + 0.012, 0.01), DARK)
    strip.put(cover(lamps, 0.01), (0.6, 0.62, 0.65), chrome=0.4, lamp=0.9)
    paint_plate(strip, y, front, 0.48)
    # The box: one plain colour, now and then a stripe or a name.
    coat = [np.array([0.72, 0.72, 0.70]), np.array([0.72, 0.72, 0.70]), livery(rng)][int(rng.integers(3))]
    rows, columns = bodies.CANVAS
    v, a = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    for canvas in (flank, doors):
        canvas.put(np.ones(canvas.size), coat)
    logo = livery(rng)
    across, up = a * box_length, v * box_height
    if rng.random() < 0.5:
        flank.put(band(up, 0.0, u(0.3, 0.9), 0.02), logo)
    if rng.random() < 0.7:
        letters = band(up, 1.2, 1.75, 0.02) * band(across, 0.5, u(2.0, 3.5), 0.02)
        flank.put(letters * (np.sin(across * 17) + np.sin(across * 7.3 + 1) > -0.5), logo)
        flank.put(band(up, 0.85, 1.02, 0.02) * band(across, 0.5, 2.4, 0.02) * ((across * 7) % 1 < 0.7), logo * 0.6)
    flank.put(1 - band(across, 0.05, box_length - 0.05, 0.01) * band(up, 0.06, box_height - 0.06, 0.01), (0.45, 0.45, 0.45), chrome=0.2)
    flank.shade(((across / 0.6) % 1 < 0.02) * 0.5, 0.7)
    across, up = (a - 0.5) * box_width, v * box_height
    doors.put(1 - band(across, -box_width / 2 + 0.06, box_width / 2 - 0.06, 0.01) * band(up, 0.06, box_height - 0.06, 0.01), (0.4, 0.4, 0.4), chrome=0.2)
    doors.put(cover(0.012 - np.abs(across)), (0.03, 0.03, 0.03))
    for bar in (-0.45, -0.2, 0.2, 0.45):
        doors.put(cover(0.016 - np.abs(across - bar * box_width / 2 * 1.4)), (0.35, 0.35, 0.35), chrome=0.5)
    for hinge in np.linspace(0.3, box_height - 0.3, 4):
        doors.put(cover(rounded(np.abs(across), up, box_width / 2 - 0.06, hinge, 0.08, 0.03, 0.01)), (0.3, 0.3, 0.3))
    half, top = box_width / 2, floor + box_height
    b = 0.0
    bodies.panel(mesh, [(box_length, half, floor), (b, half, floor), (b, half, top), (box_length, half, top)], layers[2])
    bodies.panel(mesh, [(b, -half, floor), (box_length, -half, floor), (box_length, -half, top), (b, -half, top)], layers[2])
    bodies.panel(mesh, [(b, half, floor), (b, -half, floor), (b, -half, top), (b, half, top)], layers[3])
    plain = np.full((4, 2), 0.04)
    bodies.panel(mesh, [(box_length, -half, floor), (box_length, half, floor), (box_length, half, top), (box_length, -half, top)], layers[2], plain)
    bodies.panel(mesh, [(b, -half, top), (box_length, -half, top), (box_length, half, top), (b, half, top)], layers[2], plain)
    bodies.panel(mesh, [(b, half, floor), (box_length, half, floor), (box_length, -half, floor), (b, -half, floor)], RUBBER)
    bodies.box(mesh, (0.1, -0.45, 0.55), (start + cab_length - 0.3, 0.45, floor), RUBBER)
    bodies.box(mesh, (0.08, -half + 0.1, 0.5), (0.16, half - 0.1, 0.62), RUBBER)
    bodies.box(mesh, (start + 0.2, -width / 2 + 0.35, 0.45), (start + cab_length - 0.3, width / 2 - 0.35, 1.2), RUBBER)
    rear_axle = box_length * u(0.24, 0.32)
    for sign in (-1, 1):
        bodies.box(mesh, (0.05, sign * (half - 0.3) - 0.2, floor - 0.28), (0.12, sign * (half - 0.3) + 0.2, floor - 0.10), TAIL_LAMP)
        bodies.box(mesh, (rear_axle + 0.8, sign * (half - 0.14) - 0.03, 0.55), (start - 0.3, sign * (half - 0.14) + 0.03, floor - 0.1), RUBBER)
        bodies.wheel(mesh, (rear_axle, sign * (half - 0.22), radius), radius, 0.42, wheel_layer, RUBBER, sign)
        bodies.wheel(mesh, (start + axle, sign * (width / 2 - 0.16), radius), radius, 0.28, wheel_layer, RUBBER, sign)
        bodies.ellipsoid(mesh, (total - 0.22, sign * (width / 2 + 0.12), base + 0.40), (0.07, 0.10, 0.24), RUBBER, boxed=False)
        for reach in (0.22, 0.58):
            bodies.box(mesh, (total - 0.26, min(sign * (width / 2 - 0.15), sign * (width / 2 + 0.12)), base + reach),
                       (total - 0.22, max(sign * (width / 2 - 0.15), sign * (width / 2 + 0.12)), base + reach + 0.03), RUBBER, boxed=False)
    return finish(kind, mesh), (side, strip, flank, doors)


def make_bus(kind, rng, layers, wheel_layer):
    u = rng.uniform
    length, width, height = u(10.6, 12.2), u(2.48, 2.55), u(2.92, 3.15)
    radius, sill_z, belt = 0.48, 0.30, u(1.12, 1.3)
    profile = Profile([
        ("rear", 0.06, 0.42), (None, 0.0, 0.9), (None, 0.02, 2.2), ("roof_end", 0.12, height - 0.2), (None, 0.45, height), ("roof", 3.0, height),
        (None, length - 0.6, height), ("screen_top", length - 0.22, height - 0.12), (None, length - 0.08, height - 0.55),
        ("cowl", length - 0.01, belt - 0.1), ("nose", length, 0.8), ("front", length - 0.06, 0.32),
    ], 0.07)  # fmt: skip
    mesh = Mesh()
    bodies.loft(mesh, profile, width, layers, sill_z, (belt, belt), 0.955, 0.11, (0.05, 0.14), 0.015, 20.0, 0.03, 0.015)
    side, strip = Canvas(), Canvas()
    (x, z), (s, t, sx, sz) = grids(profile)
    y = t * width / 2 * 0.97
    wide = y / (t + 1e-9)
    front, rear = length - u(2.55, 2.8), u(3.0, 3.4)
    trim = livery(rng)
    if rng.random() < 0.7:
        side.put(band(z, -1, u(0.6, 0.95), 0.02), trim)
    if rng.random() < 0.4:
        side.put(np.clip((x - length * 0.1 - (z - 0.4) * 1.2) / -0.02, 0, 1), trim)
    top = height - u(0.42, 0.55)
    ribbon = soft_min(x - 0.35, length - 0.25 - x, top - z, z - belt)
    paint_glass(side, ribbon, x, z - belt - 0.05, list(np.arange(1.0, length - 1.5, 0.8)))
    for post in np.arange(0.35, length, u(1.35, 1.6)):
        side.put(cover(ribbon) * band(x, post - 0.04, post + 0.04, 0.015), DARK)
    for door in (length - 1.35, length * 0.52):
        if rng.random() < 0.8:
            paint_glass(side, rounded(x, z, door, 1.35, 0.58, 0.98, 0.05), x, z - 0.6, [])
            side.put(cover(0.03 - np.abs(x - door), 0.015) * band(z, 0.4, 2.3, 0.02), DARK)
            side.shade(cover(0.02 - np.abs(rounded(x, z, door, 1.35, 0.62, 1.02, 0.05)), 0.015), 0.3)
    side.shade(((x / 1.5) % 1 < 0.012) * (z < belt - 0.05) * 0.6, 0.4)
    side.put(band(z, -1, sill_z + 0.07, 0.01), (0.03, 0.03, 0.03))
    for centre in (front, rear):
        distance = np.hypot(x - centre, z - radius)
        side.cut(np.clip((radius * 1.12 - distance) / 0.015 + 0.5, 0, 1))
    at = profile.at
    shape = soft_min(s - at["screen_top"] - 0.35, at["cowl"] - 0.0 - s, wide * 0.97 - np.abs(y))
    paint_glass(strip, shape, y, at["cowl"] - s - 0.3, [0.7])
    strip.put(cover(soft_min(s - at["screen_top"] - 0.02, at["screen_top"] + 0.33 - s, wide * 0.9 - np.abs(y))), DARK, glass=0.4)
    sign = band(s, at["screen_top"] + 0.1, at["screen_top"] + 0.26, 0.01) * (np.abs(y) < 0.7) * ((y * 11) % 1 < 0.6)
    strip.put(sign, (0.75, 0.42, 0.03), lamp=0.8)
    fz, rz = np.where(s > at["cowl"], sz, -9), np.where(s < at["roof_end"], sz, -9)
    lamps = rounded(np.abs(t), fz, 0.80, 0.66, 0.13, 0.08, 0.06)
    strip.put(cover(lamps + 0.015, 0.012), DARK)
    strip.put(cover(lamps, 0.012), (0.65, 0.67, 0.7), chrome=0.4, lamp=1.0)
    strip.put(band(fz, 0, 0.47, 0.02), (0.04, 0.04, 0.04))
    strip.put(cover(0.10 - np.hypot(y, fz - 0.85), 0.015), SILVER, chrome=0.85)
    paint_plate(strip, y, fz, 0.5)
    paint_glass(strip, soft_min(wide * 0.86 - np.abs(y), height - 0.45 - rz, rz - belt - 0.25), y, rz - belt, [])
    strip.put(cover(soft_min(0.8 - np.abs(y), 1.05 - rz, rz - 0.55)) * ((rz / 0.06) % 1 < 0.5), (0.03, 0.03, 0.03))
    for height_, colour in ((1.35, LIGHT_RED), (1.15, (0.5, 0.16, 0.01)), (0.97, LIGHT_RED)):
        strip.put(cover(0.08 - np.hypot((np.abs(t) - 0.88) * width / 2, rz - height_), 0.012), colour, glass=0.2, lamp=0.7)
    strip.put(band(rz, 0, 0.5, 0.02), (0.04, 0.04, 0.04))
    paint_plate(strip, -y, rz, 0.6)
    bodies.box(mesh, (0.3, -width / 2 + 0.34, sill_z), (length - 0.4, width / 2 - 0.34, 1.1), RUBBER)
    bodies.box(mesh, (4.2, -0.9, height - 0.02), (6.6, 0.9, height + 0.16), PAINT)
    for centre in (front, rear):
        for side_sign in (-1, 1):
            bodies.wheel(mesh, (centre, side_sign * (width / 2 - 0.18), radius), radius, 0.3, wheel_layer, RUBBER, side_sign)
    for side_sign in (-1, 1):
        bodies.ellipsoid(mesh, (length + 0.12, side_sign * (width / 2 + 0.04), height - 0.85), (0.07, 0.10, 0.22), RUBBER, boxed=False)
        bodies.box(mesh, (length - 0.15, side_sign * (width / 2 - 0.03) - 0.02, height - 0.65), (length + 0.13, side_sign * (width / 2 - 0.03) + 0.02, height - 0.60), RUBBER, boxed=False)
    return finish(kind, mesh), (side, strip)


def common_canvases(rng):
    rubber, paint, chrome, tail = Canvas(), Canvas(), Canvas(), Canvas()
    rubber.put(np.ones(rubber.size), (0.018, 0.018, 0.019))
    chrome.put(np.ones(rubber.size), (0.35, 0.35, 0.36), chrome=0.9)
    tail.put(np.ones(rubber.size), LIGHT_RED, glass=0.2, lamp=0.7)
    return [rubber, paint, chrome] + [wheel_canvas(rng) for _ in range(WHEELS)] + [truck_wheel_canvas(), tail]


TRUCK_WHEEL, TAIL_LAMP = 3 + WHEELS, 4 + WHEELS


@functools.lru_cache(maxsize=1)
def catalogue():
    """(styles, first, second): a list of Style and the canvases, uint8 [layers, 384, 1024, 4] each."""
    rng = np.random.default_rng(20190515)
    canvases = common_canvases(rng)
    styles = []
    for kind, count in COUNTS:
        make = {"panelvan": make_panel_van, "boxtruck": make_truck, "bus": make_bus}.get(kind, make_car)
        for _ in range(count):
            n = len(canvases)
            layers = tuple(range(n, n + (4 if kind == "boxtruck" else 2)))
            rim = TRUCK_WHEEL if kind in ("boxtruck", "bus") else 3 + int(rng.integers(WHEELS))
            style, dressed = make(kind, np.random.default_rng(rng.integers(2**32)), layers, rim)
            styles.append(style)
            canvases.extend(dressed)
    images = [canvas.layers() for canvas in canvases]
    return styles, np.stack([a for a, _ in images]), np.stack([b for _, b in images])
