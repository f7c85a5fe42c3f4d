"""Panel vans, trucks and buses. Each `make_*` returns (mesh, canvases in the order of `layers`).

As in cars.py, x runs from the rear end forward, in metres, and the order of the random draws defines a style.
"""

from types import SimpleNamespace

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


def slanted_roof(profile, x):
    """(height of the silhouette above x, its length per metre of x), for window frames of even width."""
    roof = profile.roof(x)
    return roof, np.sqrt(1 + np.gradient(roof[0], x[0]) ** 2)[None]


def add_wheels(mesh, axles, track, radius, breadth, layer):
    """Two wheels at each x of `axles`, their middles `track` to either side."""
    for x in axles:
        for sign in (-1, 1):
            bodies.wheel(mesh, (x, sign * track, radius), radius, breadth, layer, RUBBER, sign)


def add_mirror(mesh, centre, radii, arms, sign):
    """A mirror on one side and its arms, boxes (x0, y0, z0, x1, y1, z1); given for the left, mirrored for the right."""
    x, y, z = centre
    bodies.ellipsoid(mesh, (x, sign * y, z), radii, RUBBER, boxed=False)
    for x0, y0, z0, x1, y1, z1 in arms:
        low, high = sorted((sign * y0, sign * y1))
        bodies.box(mesh, (x0, low, z0), (x1, high, z1), RUBBER, boxed=False)


def measure_van(rng):
    u, m = rng.uniform, SimpleNamespace()
    m.length, m.width, m.height = u(4.9, 5.9), u(1.92, 2.04), u(1.94, 2.55)
    m.radius, m.clearance = u(0.33, 0.36), 0.24
    m.arch = m.radius * 1.16
    m.front, m.rear = m.length - u(0.88, 1.0), 0.195 * m.length
    m.cowl, m.cowl_z = m.length - u(0.72, 1.0), u(1.14, 1.22)
    screen = (m.height - m.cowl_z) * u(0.62, 0.75)
    m.belt, m.nose = m.cowl_z - 0.08, u(0.92, 1.0)
    m.door_front, m.door_rear = m.cowl - 0.05, m.cowl - 1.15
    m.glass_top = min(m.height - 0.2, m.cowl_z + 0.72)
    m.profile = Profile([
        ("rear", 0.05, m.clearance), (None, 0.0, 0.6), ("glass", 0.02, 1.2), (None, 0.05, m.height - 0.25),
        ("roof_end", 0.15, m.height - 0.03), ("roof", 1.0, m.height), (None, m.cowl - screen - 0.5, m.height),
        ("screen_top", m.cowl - screen, m.height - 0.09), ("cowl", m.cowl, m.cowl_z), ("hood", m.length - 0.2, m.nose),
        ("nose", m.length - 0.04, m.nose - 0.17), (None, m.length, 0.5), ("front", m.length - 0.12, m.clearance),
    ], 0.06)  # fmt: skip
    return m


def paint_van_side(m, rng, side, grid):
    """Paint the side; returns whether the van carries passengers, that is, has windows along its whole side."""
    x, z = grid
    u = rng.uniform
    roof, slant = slanted_roof(m.profile, x)
    up = z - m.belt
    cab = soft_min(
        (roof - z) / slant - 0.09,
        m.glass_top - z,
        up + 0.05 * (x - m.door_rear),
        x - m.door_rear - 0.06,
        m.door_front + 0.3 - x,
    )
    paint_glass(side, cab, x, up, [m.door_rear + 0.25])
    passenger = rng.random() < 0.45
    stops = np.linspace(0.35, m.door_rear - 0.12, 3)
    if passenger:
        for a, b in zip(stops[:-1], stops[1:]):
            paint_glass(side, soft_min(x - a - 0.05, b - 0.05 - x, m.glass_top - z, up), x, up, [(a + b) / 2])
    for seam in (m.door_front, m.door_rear, stops[1]):
        side.shade(band(x, seam - 0.006, seam + 0.006, 0.005) * band(z, m.clearance + 0.15, m.height - 0.15, 0.01), 0.25)
    side.shade(band(z, 0.98, 0.995, 0.006) * band(x, 0.4, m.door_rear - 0.1, 0.01), 0.4)
    side.put(band(z, 0.62, 0.69, 0.008) * band(x, 0.3, m.front - m.arch - 0.05, 0.01), (0.025, 0.025, 0.025))
    for handle in (m.door_rear + 0.15, m.door_rear - 0.15):
        side.put(cover(rounded(x, z, handle, 0.98, 0.09, 0.02, 0.015)), (0.02, 0.02, 0.02))
    side.put(band(z, -1, m.clearance + 0.1, 0.01), (0.02, 0.02, 0.02))
    lamp = soft_min(x - m.length + u(0.3, 0.45), m.nose + 0.05 - z, z - m.nose + 0.2 - 0.1 * (m.length - x))
    side.put(cover(lamp), (0.5, 0.52, 0.55), chrome=0.35, lamp=0.5)
    side.put(cover(soft_min(0.10 - x, 1.35 - z, z - 0.85)), RED, glass=0.2, lamp=0.7)
    if not passenger and rng.random() < 0.6:
        logo = livery(rng, 0.05, 0.6)
        side.put(band(z, 1.25, 1.25 + u(0.15, 0.4), 0.01) * band(x, 0.6, 0.6 + u(1.0, 1.9), 0.01), logo)
        side.put(band(z, 1.08, 1.14, 0.01) * band(x, 0.6, 2.2, 0.01) * ((x * 9) % 1 < 0.6), logo * 0.5)
    for centre in (m.front, m.rear):
        distance = np.hypot(x - centre, z - m.radius)
        side.shade(band(distance, m.arch, m.arch + 0.04, 0.01) * 0.5, 0.5)
        side.cut(np.clip((m.arch - distance) / 0.008 + 0.5, 0, 1))
    return passenger


def paint_van_front(m, rng, strip, s, t, y, z):
    u, at, half = rng.uniform, m.profile.at, m.width / 2
    shape = soft_min(s - at["screen_top"] - 0.05, at["cowl"] - 0.03 - s, y / (t + 1e-9) * 0.93 - np.abs(y))
    paint_glass(strip, shape, y, at["cowl"] - s - 0.25, [-0.45, 0.45])
    strip.put(band(s, at["cowl"] - 0.04, at["cowl"] + 0.05, 0.01) * (np.abs(t) < 0.94), (0.015, 0.015, 0.015))
    strip.shade(band(s, at["hood"] - 0.02, at["hood"] - 0.008, 0.005), 0.25)
    z = np.where(s > at["cowl"] + 0.15, z, -9)
    lamps = soft_min((np.abs(t) - u(0.58, 0.68)) * half, m.nose - z, z - m.nose + u(0.2, 0.27))
    strip.put(cover(lamps + 0.012), DARK)
    strip.put(cover(lamps), (0.45, 0.47, 0.5), chrome=0.35, lamp=0.4)
    strip.put(cover(rounded(np.abs(t), z, 0.8, m.nose - 0.11, 0.07, 0.06, 0.05)), (0.85, 0.87, 0.9), chrome=0.5, lamp=1.0)
    grille = soft_min(0.52 - np.abs(y), m.nose - 0.04 - z, z - m.nose + 0.26)
    strip.put(cover(grille), (0.015, 0.015, 0.015))
    strip.put(cover(grille - 0.01) * ((z / 0.06) % 1 < 0.35), (0.12, 0.12, 0.12), chrome=0.3)
    strip.put(cover(0.065 - np.hypot(y, z - m.nose + 0.14)), SILVER, chrome=0.85)
    strip.put(band(z, 0, 0.52, 0.02), (0.03, 0.03, 0.03), paint=float(rng.random() < 0.3))
    paint_plate(strip, y, z, 0.5)


def paint_van_rear(m, rng, strip, s, t, y, z, passenger):
    """Two doors side by side, with windows or without."""
    wide, half = y / (t + 1e-9), m.width / 2
    z = np.where(s < m.profile.at["roof_end"], z, -9)
    glazed = passenger or rng.random() < 0.4
    for sign in (-1, 1):
        if glazed:
            window = soft_min(sign * y - 0.05, wide * 0.86 - np.abs(y), m.glass_top - z, z - m.belt - 0.05)
            paint_glass(strip, window, y, z - m.belt, [])
        strip.shade(cover(0.008 - np.abs(np.abs(y) - 0.9 * wide)) * (z > 0.5), 0.25)
    strip.shade(cover(0.008 - np.abs(y)) * (z > 0.5), 0.2)
    strip.shade(band(z, 0.5, 0.515, 0.005), 0.2)
    lights = soft_min((np.abs(t) - 0.87) * half, 1.38 - z, z - 0.82)
    strip.put(cover(lights), RED, glass=0.2, lamp=0.7)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(z - 0.93))), (0.5, 0.5, 0.48), chrome=0.3)
    strip.put(cover(np.minimum(lights, 0.04 - np.abs(z - 1.04))), AMBER, chrome=0.2)
    strip.put(cover(rounded(y, z, 0.06, 0.98, 0.03, 0.08, 0.02)), DARK)
    strip.put(band(z, 0, 0.46, 0.01), (0.025, 0.025, 0.025))
    paint_plate(strip, 0.35 - y, z, 0.72)


def make_panel_van(rng, layers, wheel_layer):
    """A van with a short bonnet; layers are (side, strip)."""
    m, mesh, side, strip = measure_van(rng), Mesh(), Canvas(), Canvas()
    bodies.loft(
        mesh, m.profile, m.width, layers, sill=m.clearance, belt=(m.belt, m.belt), roof_width=rng.uniform(0.86, 0.91),
        fillet=0.10, bow=(0.05, 0.16), plan=0.05, plan_power=9.0, crown=0.03, tuck=0.045,
    )  # fmt: skip
    grid, (s, t, _, z) = grids(m.profile)
    y, half = t * m.width / 2 * 0.95, m.width / 2
    passenger = paint_van_side(m, rng, side, grid)
    paint_van_front(m, rng, strip, s, t, y, z)
    paint_van_rear(m, rng, strip, s, t, y, z, passenger)
    bodies.box(mesh, (0.2, -half + 0.28, m.clearance), (m.length - 0.3, half - 0.28, 0.95), RUBBER)
    add_wheels(mesh, (m.front, m.rear), half * 0.985 - 0.13, m.radius, 0.22, wheel_layer)
    arm = (m.door_front - 0.16, half - 0.12, m.cowl_z - 0.04, m.door_front - 0.08, half + 0.06, m.cowl_z + 0.02)
    for sign in (-1, 1):
        add_mirror(mesh, (m.door_front - 0.12, half + 0.08, m.cowl_z + 0.08), (0.07, 0.10, 0.16), [arm], sign)
    return mesh, (side, strip)


def measure_truck(rng):
    u, m = rng.uniform, SimpleNamespace()
    m.cab, m.cab_height, m.width = u(1.75, 2.15), u(2.35, 2.95), u(2.12, 2.40)
    m.box, m.box_width, m.box_height, m.floor = u(4.0, 6.6), u(2.3, 2.52), u(2.2, 2.65), u(0.95, 1.1)
    m.radius = u(0.41, 0.49)
    m.base, m.axle, m.start = u(1.32, 1.45), m.cab * 0.48, m.box + 0.12
    m.profile = Profile([
        ("rear", 0.02, 0.55), (None, 0.0, 1.2), (None, 0.03, m.cab_height - 0.3), ("roof_end", 0.25, m.cab_height - 0.02),
        ("roof", 0.8, m.cab_height), ("screen_top", m.cab - 0.45, m.cab_height - 0.16), ("cowl", m.cab - 0.10, m.base),
        ("nose", m.cab - 0.03, 1.0), (None, m.cab, 0.62), ("front", m.cab - 0.06, 0.38),
    ], 0.06)  # fmt: skip
    return m


def paint_cab(m, rng, side, strip):
    (x, z), (s, t, _, up) = grids(m.profile)
    y = t * m.width / 2 * 0.95
    roof, slant = slanted_roof(m.profile, x)
    window = soft_min(
        (roof - z) / slant - 0.12, m.base + 0.75 - z, z - m.base + 0.06 + 0.12 * (x - 0.8), x - 0.62, m.cab - 0.15 - x
    )
    paint_glass(side, window, x, z - m.base, [0.85])
    for seam in (0.52, m.cab - 0.16):
        side.shade(band(x, seam - 0.008, seam + 0.008, 0.006) * band(z, 0.6, m.base + 0.75, 0.01), 0.25)
    side.put(cover(rounded(x, z, 0.68, m.base - 0.15, 0.08, 0.02, 0.015)), DARK)
    side.put(band(z, -1, 0.62, 0.01), (0.025, 0.025, 0.025))
    side.cut(np.clip((m.radius * 1.15 - np.hypot(x - m.axle, z - m.radius)) / 0.01 + 0.5, 0, 1))

    at = m.profile.at
    screen = soft_min(s - at["screen_top"] - 0.05, at["cowl"] - 0.03 - s, y / (t + 1e-9) * 0.95 - np.abs(y))
    paint_glass(strip, screen, y, at["cowl"] - s - 0.3, [-0.6, 0.6])
    z = np.where(s > at["cowl"], up, -9)
    strip.put(cover(soft_min(0.8 - np.abs(y), m.base - 0.16 - z, z - 0.78)), (0.02, 0.02, 0.02))
    slats = cover(soft_min(0.78 - np.abs(y), m.base - 0.18 - z, z - 0.8)) * ((z / 0.11) % 1 < 0.6)
    strip.put(slats, (0.02, 0.02, 0.02), paint=float(rng.random() < 0.5))
    strip.put(cover(0.09 - np.hypot(y, z - m.base + 0.25)), SILVER, chrome=0.85)
    strip.put(band(z, 0, 0.68, 0.01), (0.05, 0.05, 0.05), paint=float(rng.random() < 0.4))
    lamps = rounded(np.abs(t), z, 0.80, 0.57, 0.13, 0.085, 0.05)
    strip.put(cover(lamps + 0.012, 0.01), DARK)
    strip.put(cover(lamps, 0.01), (0.6, 0.62, 0.65), chrome=0.4, lamp=0.9)
    paint_plate(strip, y, z, 0.48)


def paint_box(m, rng, flank, doors):
    """One plain colour, sometimes a stripe or a name; rear doors with hinges and bars."""
    u, length, width, height = rng.uniform, m.box, m.box_width, m.box_height
    coat = [np.array([0.72, 0.72, 0.70]), np.array([0.72, 0.72, 0.70]), livery(rng)][int(rng.integers(3))]
    rows, columns = flank.size
    v, a = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    for canvas in (flank, doors):
        canvas.put(np.ones(canvas.size), coat)
    logo = livery(rng)
    x, up = a * length, v * height
    if rng.random() < 0.5:
        flank.put(band(up, 0.0, u(0.3, 0.9), 0.02), logo)
    if rng.random() < 0.7:
        letters = band(up, 1.2, 1.75, 0.02) * band(x, 0.5, u(2.0, 3.5), 0.02)
        flank.put(letters * (np.sin(x * 17) + np.sin(x * 7.3 + 1) > -0.5), logo)
        flank.put(band(up, 0.85, 1.02, 0.02) * band(x, 0.5, 2.4, 0.02) * ((x * 7) % 1 < 0.7), logo * 0.6)
    inner = band(up, 0.06, height - 0.06, 0.01)
    flank.put(1 - band(x, 0.05, length - 0.05, 0.01) * inner, (0.45, 0.45, 0.45), chrome=0.2)
    flank.shade(((x / 0.6) % 1 < 0.02) * 0.5, 0.7)
    y = (a - 0.5) * width
    doors.put(1 - band(y, -width / 2 + 0.06, width / 2 - 0.06, 0.01) * inner, (0.4, 0.4, 0.4), chrome=0.2)
    doors.put(cover(0.012 - np.abs(y)), (0.03, 0.03, 0.03))
    for bar in (-0.45, -0.2, 0.2, 0.45):
        doors.put(cover(0.016 - np.abs(y - bar * width / 2 * 1.4)), (0.35, 0.35, 0.35), chrome=0.5)
    for hinge in np.linspace(0.3, height - 0.3, 4):
        doors.put(cover(rounded(np.abs(y), up, width / 2 - 0.06, hinge, 0.08, 0.03, 0.01)), (0.3, 0.3, 0.3))


def add_box(m, mesh, flank, doors):
    """The six faces of the box; `flank` and `doors` are canvas numbers."""
    length, half, low, high = m.box, m.box_width / 2, m.floor, m.floor + m.box_height
    plain = np.full((4, 2), 0.04)  # a point of the flank's plain frame
    bodies.panel(mesh, [(length, half, low), (0, half, low), (0, half, high), (length, half, high)], flank)
    bodies.panel(mesh, [(0, -half, low), (length, -half, low), (length, -half, high), (0, -half, high)], flank)
    bodies.panel(mesh, [(0, half, low), (0, -half, low), (0, -half, high), (0, half, high)], doors)
    bodies.panel(mesh, [(length, -half, low), (length, half, low), (length, half, high), (length, -half, high)], flank, plain)
    bodies.panel(mesh, [(0, -half, high), (length, -half, high), (length, half, high), (0, half, high)], flank, plain)
    bodies.panel(mesh, [(0, half, low), (length, half, low), (length, -half, low), (0, -half, low)], RUBBER)


def make_truck(rng, layers, wheel_layer):
    """A cab over the engine and a box on a ladder frame; layers are (cab side, cab strip, box side, box rear)."""
    m, mesh = measure_truck(rng), Mesh()
    side, strip, flank, doors = Canvas(), Canvas(), Canvas(), Canvas()
    bodies.loft(
        mesh, m.profile, m.width, layers[:2], sill=0.42, belt=(m.base - 0.1, m.base - 0.1), roof_width=0.93, fillet=0.09,
        bow=(0.0, 0.14), plan=0.02, plan_power=6.0, crown=0.02, tuck=0.03, offset=m.start,
    )  # fmt: skip
    paint_cab(m, rng, side, strip)
    paint_box(m, rng, flank, doors)
    add_box(m, mesh, *layers[2:])
    half, cab_half, end = m.box_width / 2, m.width / 2, m.start + m.cab
    bodies.box(mesh, (0.1, -0.45, 0.55), (end - 0.3, 0.45, m.floor), RUBBER)
    bodies.box(mesh, (0.08, -half + 0.1, 0.5), (0.16, half - 0.1, 0.62), RUBBER)
    bodies.box(mesh, (m.start + 0.2, -cab_half + 0.35, 0.45), (end - 0.3, cab_half - 0.35, 1.2), RUBBER)
    rear_axle = m.box * rng.uniform(0.24, 0.32)
    for sign in (-1, 1):
        lamp, guard = sign * (half - 0.3), sign * (half - 0.14)
        bodies.box(mesh, (0.05, lamp - 0.2, m.floor - 0.28), (0.12, lamp + 0.2, m.floor - 0.10), TAIL_LAMP)
        bodies.box(mesh, (rear_axle + 0.8, guard - 0.03, 0.55), (m.start - 0.3, guard + 0.03, m.floor - 0.1), RUBBER)
        bodies.wheel(mesh, (rear_axle, sign * (half - 0.22), m.radius), m.radius, 0.42, wheel_layer, RUBBER, sign)
        bodies.wheel(mesh, (m.start + m.axle, sign * (cab_half - 0.16), m.radius), m.radius, 0.28, wheel_layer, RUBBER, sign)
        arms = [(end - 0.26, cab_half - 0.15, m.base + z, end - 0.22, cab_half + 0.12, m.base + z + 0.03) for z in (0.22, 0.58)]
        add_mirror(mesh, (end - 0.22, cab_half + 0.12, m.base + 0.40), (0.07, 0.10, 0.24), arms, sign)
    return mesh, (side, strip, flank, doors)


def measure_bus(rng):
    u, m = rng.uniform, SimpleNamespace()
    m.length, m.width, m.height = u(10.6, 12.2), u(2.48, 2.55), u(2.92, 3.15)
    m.radius, m.sill, m.belt = 0.48, 0.30, u(1.12, 1.3)
    m.profile = Profile([
        ("rear", 0.06, 0.42), (None, 0.0, 0.9), (None, 0.02, 2.2), ("roof_end", 0.12, m.height - 0.2), (None, 0.45, m.height),
        ("roof", 3.0, m.height), (None, m.length - 0.6, m.height), ("screen_top", m.length - 0.22, m.height - 0.12),
        (None, m.length - 0.08, m.height - 0.55), ("cowl", m.length - 0.01, m.belt - 0.1), ("nose", m.length, 0.8),
        ("front", m.length - 0.06, 0.32),
    ], 0.07)  # fmt: skip
    m.front, m.rear = m.length - u(2.55, 2.8), u(3.0, 3.4)
    return m


def paint_bus_side(m, rng, side, grid):
    x, z = grid
    u, trim = rng.uniform, livery(rng)
    if rng.random() < 0.7:
        side.put(band(z, -1, u(0.6, 0.95), 0.02), trim)
    if rng.random() < 0.4:
        side.put(np.clip((x - m.length * 0.1 - (z - 0.4) * 1.2) / -0.02, 0, 1), trim)
    ribbon = soft_min(x - 0.35, m.length - 0.25 - x, m.height - u(0.42, 0.55) - z, z - m.belt)
    paint_glass(side, ribbon, x, z - m.belt - 0.05, list(np.arange(1.0, m.length - 1.5, 0.8)))
    for post in np.arange(0.35, m.length, u(1.35, 1.6)):
        side.put(cover(ribbon) * band(x, post - 0.04, post + 0.04, 0.015), DARK)
    for door in (m.length - 1.35, m.length * 0.52):
        if rng.random() < 0.8:
            paint_glass(side, rounded(x, z, door, 1.35, 0.58, 0.98, 0.05), x, z - 0.6, [])
            side.put(cover(0.03 - np.abs(x - door), 0.015) * band(z, 0.4, 2.3, 0.02), DARK)
            side.shade(cover(0.02 - np.abs(rounded(x, z, door, 1.35, 0.62, 1.02, 0.05)), 0.015), 0.3)
    side.shade(((x / 1.5) % 1 < 0.012) * (z < m.belt - 0.05) * 0.6, 0.4)
    side.put(band(z, -1, m.sill + 0.07, 0.01), (0.03, 0.03, 0.03))
    for centre in (m.front, m.rear):
        side.cut(np.clip((m.radius * 1.12 - np.hypot(x - centre, z - m.radius)) / 0.015 + 0.5, 0, 1))


def paint_bus_ends(m, strip, s, t, y, z):
    """Windscreen, line number, lamps; rear window, engine grille, lamps."""
    at, wide = m.profile.at, y / (t + 1e-9)
    screen = soft_min(s - at["screen_top"] - 0.35, at["cowl"] - s, wide * 0.97 - np.abs(y))
    paint_glass(strip, screen, y, at["cowl"] - s - 0.3, [0.7])
    header = soft_min(s - at["screen_top"] - 0.02, at["screen_top"] + 0.33 - s, wide * 0.9 - np.abs(y))
    strip.put(cover(header), DARK, glass=0.4)
    number = band(s, at["screen_top"] + 0.1, at["screen_top"] + 0.26, 0.01) * (np.abs(y) < 0.7) * ((y * 11) % 1 < 0.6)
    strip.put(number, (0.75, 0.42, 0.03), lamp=0.8)
    front, rear = np.where(s > at["cowl"], z, -9), np.where(s < at["roof_end"], z, -9)
    lamps = rounded(np.abs(t), front, 0.80, 0.66, 0.13, 0.08, 0.06)
    strip.put(cover(lamps + 0.015, 0.012), DARK)
    strip.put(cover(lamps, 0.012), (0.65, 0.67, 0.7), chrome=0.4, lamp=1.0)
    strip.put(band(front, 0, 0.47, 0.02), (0.04, 0.04, 0.04))
    strip.put(cover(0.10 - np.hypot(y, front - 0.85), 0.015), SILVER, chrome=0.85)
    paint_plate(strip, y, front, 0.5)
    window = soft_min(wide * 0.86 - np.abs(y), m.height - 0.45 - rear, rear - m.belt - 0.25)
    paint_glass(strip, window, y, rear - m.belt, [])
    strip.put(cover(soft_min(0.8 - np.abs(y), 1.05 - rear, rear - 0.55)) * ((rear / 0.06) % 1 < 0.5), (0.03, 0.03, 0.03))
    for height, colour in ((1.35, RED), (1.15, AMBER), (0.97, RED)):
        lens = 0.08 - np.hypot((np.abs(t) - 0.88) * m.width / 2, rear - height)
        strip.put(cover(lens, 0.012), colour, glass=0.2, lamp=0.7)
    strip.put(band(rear, 0, 0.5, 0.02), (0.04, 0.04, 0.04))
    paint_plate(strip, -y, rear, 0.6)


def make_bus(rng, layers, wheel_layer):
    """A city bus; layers are (side, strip)."""
    m, mesh, side, strip = measure_bus(rng), Mesh(), Canvas(), Canvas()
    bodies.loft(
        mesh, m.profile, m.width, layers, sill=m.sill, belt=(m.belt, m.belt), roof_width=0.955, fillet=0.11, bow=(0.05, 0.14),
        plan=0.015, plan_power=20.0, crown=0.03, tuck=0.015,
    )  # fmt: skip
    grid, (s, t, _, z) = grids(m.profile)
    half = m.width / 2
    paint_bus_side(m, rng, side, grid)
    paint_bus_ends(m, strip, s, t, t * half * 0.97, z)
    bodies.box(mesh, (0.3, -half + 0.34, m.sill), (m.length - 0.4, half - 0.34, 1.1), RUBBER)
    bodies.box(mesh, (4.2, -0.9, m.height - 0.02), (6.6, 0.9, m.height + 0.16), PAINT)
    add_wheels(mesh, (m.front, m.rear), half - 0.18, m.radius, 0.3, wheel_layer)
    arm = (m.length - 0.15, half - 0.05, m.height - 0.65, m.length + 0.13, half - 0.01, m.height - 0.60)
    for sign in (-1, 1):
        add_mirror(mesh, (m.length + 0.12, half + 0.04, m.height - 0.85), (0.07, 0.10, 0.22), [arm], sign)
    return mesh, (side, strip)
