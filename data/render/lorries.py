"""Panel vans, trucks and buses. Each `make_*` gives (mesh, canvases in the order of `layers`).

Like cars.py: x from the rear end forward, metres; the order of the random draws is part of a style's identity.
"""

import numpy as np

from . import bodies
from .bodies import Canvas, Mesh, Profile, band
from .dress import (
    AMBER,
    DARK,
    PAINT,
    RED,
    RUBBER,
    SILVER,
    TAIL_LAMP,
    cover,
    grids,
    livery,
    paint_glass,
    paint_plate,
    rounded,
    soft_min,
)


def make_panel_van(rng, layers, wheel_layer):
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
    cabin = soft_min(
        (roof - z) / slant - 0.09, top - z, z - belt[0] + 0.05 * (x - door_rear), x - door_rear - 0.06, door_front + 0.3 - x
    )
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
    side.put(cover(tail), RED, glass=0.2, lamp=0.7)
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
            paint_glass(
                strip, soft_min(sign * y - 0.05, wide * 0.86 - np.abs(y), top - rz, rz - belt[0] - 0.05), y, rz - belt[0], []
            )
        strip.shade(cover(0.008 - np.abs(np.abs(y) - 0.9 * wide)) * (rz > 0.5), 0.25)
    strip.shade(cover(0.008 - np.abs(y)) * (rz > 0.5), 0.2)
    strip.shade(band(rz, 0.5, 0.515, 0.005), 0.2)
    lights = soft_min((np.abs(t) - 0.87) * width / 2, 1.38 - rz, rz - 0.82)
    strip.put(cover(lights), RED, glass=0.2, lamp=0.7)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(rz - 0.93))), (0.5, 0.5, 0.48), chrome=0.3)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(rz - 1.04))), AMBER, chrome=0.2)
    strip.put(cover(rounded(y, rz, 0.06, 0.98, 0.03, 0.08, 0.02)), DARK)
    strip.put(band(rz, 0, 0.46, 0.01), (0.025, 0.025, 0.025))
    paint_plate(strip, 0.35 - y, rz, 0.72)
    bodies.box(mesh, (0.2, -width / 2 + 0.28, clearance), (length - 0.3, width / 2 - 0.28, 0.95), RUBBER)
    for centre in (front, rear):
        for sign in (-1, 1):
            bodies.wheel(mesh, (centre, sign * (width / 2 * 0.985 - 0.13), radius), radius, 0.22, wheel_layer, RUBBER, sign)
    for sign in (-1, 1):
        bodies.ellipsoid(
            mesh, (door_front - 0.12, sign * (width / 2 + 0.08), cowl_z + 0.08), (0.07, 0.10, 0.16), RUBBER, boxed=False
        )
        bodies.box(
            mesh,
            (door_front - 0.16, min(sign * (width / 2 - 0.12), sign * (width / 2 + 0.06)), cowl_z - 0.04),
            (door_front - 0.08, max(sign * (width / 2 - 0.12), sign * (width / 2 + 0.06)), cowl_z + 0.02),
            RUBBER,
            boxed=False,
        )
    return mesh, (side, strip)


def make_truck(rng, layers, wheel_layer):
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
    bodies.loft(
        mesh,
        profile,
        width,
        layers[:2],
        sill_z,
        (base - 0.1, base - 0.1),
        0.93,
        0.09,
        (0.0, 0.14),
        0.02,
        6.0,
        0.02,
        0.03,
        offset=start,
    )
    side, strip, flank, doors = Canvas(), Canvas(), Canvas(), Canvas()
    (x, z), (s, t, sx, sz) = grids(profile)
    y = t * width / 2 * 0.95
    wide = y / (t + 1e-9)
    roof = profile.roof(x)
    slant = np.sqrt(1 + np.gradient(profile.roof(x[0]), x[0]) ** 2)[None]
    axle = cab_length * 0.48
    cabin = soft_min(
        (roof - z) / slant - 0.12, base + 0.75 - z, z - base + 0.06 + 0.12 * (x - 0.8), x - 0.62, cab_length - 0.15 - x
    )
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
    strip.put(
        cover(soft_min(0.78 - np.abs(y), base - 0.18 - front, front - 0.8)) * ((front / 0.11) % 1 < 0.6),
        (0.02, 0.02, 0.02),
        paint=float(rng.random() < 0.5),
    )
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
    flank.put(
        1 - band(across, 0.05, box_length - 0.05, 0.01) * band(up, 0.06, box_height - 0.06, 0.01),
        (0.45, 0.45, 0.45),
        chrome=0.2,
    )
    flank.shade(((across / 0.6) % 1 < 0.02) * 0.5, 0.7)
    across, up = (a - 0.5) * box_width, v * box_height
    doors.put(
        1 - band(across, -box_width / 2 + 0.06, box_width / 2 - 0.06, 0.01) * band(up, 0.06, box_height - 0.06, 0.01),
        (0.4, 0.4, 0.4),
        chrome=0.2,
    )
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
    bodies.panel(
        mesh,
        [(box_length, -half, floor), (box_length, half, floor), (box_length, half, top), (box_length, -half, top)],
        layers[2],
        plain,
    )
    bodies.panel(mesh, [(b, -half, top), (box_length, -half, top), (box_length, half, top), (b, half, top)], layers[2], plain)
    bodies.panel(mesh, [(b, half, floor), (box_length, half, floor), (box_length, -half, floor), (b, -half, floor)], RUBBER)
    bodies.box(mesh, (0.1, -0.45, 0.55), (start + cab_length - 0.3, 0.45, floor), RUBBER)
    bodies.box(mesh, (0.08, -half + 0.1, 0.5), (0.16, half - 0.1, 0.62), RUBBER)
    bodies.box(mesh, (start + 0.2, -width / 2 + 0.35, 0.45), (start + cab_length - 0.3, width / 2 - 0.35, 1.2), RUBBER)
    rear_axle = box_length * u(0.24, 0.32)
    for sign in (-1, 1):
        bodies.box(
            mesh, (0.05, sign * (half - 0.3) - 0.2, floor - 0.28), (0.12, sign * (half - 0.3) + 0.2, floor - 0.10), TAIL_LAMP
        )
        bodies.box(
            mesh,
            (rear_axle + 0.8, sign * (half - 0.14) - 0.03, 0.55),
            (start - 0.3, sign * (half - 0.14) + 0.03, floor - 0.1),
            RUBBER,
        )
        bodies.wheel(mesh, (rear_axle, sign * (half - 0.22), radius), radius, 0.42, wheel_layer, RUBBER, sign)
        bodies.wheel(mesh, (start + axle, sign * (width / 2 - 0.16), radius), radius, 0.28, wheel_layer, RUBBER, sign)
        bodies.ellipsoid(mesh, (total - 0.22, sign * (width / 2 + 0.12), base + 0.40), (0.07, 0.10, 0.24), RUBBER, boxed=False)
        for reach in (0.22, 0.58):
            bodies.box(
                mesh,
                (total - 0.26, min(sign * (width / 2 - 0.15), sign * (width / 2 + 0.12)), base + reach),
                (total - 0.22, max(sign * (width / 2 - 0.15), sign * (width / 2 + 0.12)), base + reach + 0.03),
                RUBBER,
                boxed=False,
            )
    return mesh, (side, strip, flank, doors)


def make_bus(rng, layers, wheel_layer):
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
    strip.put(
        cover(soft_min(s - at["screen_top"] - 0.02, at["screen_top"] + 0.33 - s, wide * 0.9 - np.abs(y))), DARK, glass=0.4
    )
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
    for height_, colour in ((1.35, RED), (1.15, AMBER), (0.97, RED)):
        strip.put(cover(0.08 - np.hypot((np.abs(t) - 0.88) * width / 2, rz - height_), 0.012), colour, glass=0.2, lamp=0.7)
    strip.put(band(rz, 0, 0.5, 0.02), (0.04, 0.04, 0.04))
    paint_plate(strip, -y, rz, 0.6)
    bodies.box(mesh, (0.3, -width / 2 + 0.34, sill_z), (length - 0.4, width / 2 - 0.34, 1.1), RUBBER)
    bodies.box(mesh, (4.2, -0.9, height - 0.02), (6.6, 0.9, height + 0.16), PAINT)
    for centre in (front, rear):
        for side_sign in (-1, 1):
            bodies.wheel(mesh, (centre, side_sign * (width / 2 - 0.18), radius), radius, 0.3, wheel_layer, RUBBER, side_sign)
    for side_sign in (-1, 1):
        bodies.ellipsoid(
            mesh, (length + 0.12, side_sign * (width / 2 + 0.04), height - 0.85), (0.07, 0.10, 0.22), RUBBER, boxed=False
        )
        bodies.box(
            mesh,
            (length - 0.15, side_sign * (width / 2 - 0.03) - 0.02, height - 0.65),
            (length + 0.13, side_sign * (width / 2 - 0.03) + 0.02, height - 0.60),
            RUBBER,
            boxed=False,
        )
    return mesh, (side, strip)
