"""Passenger cars and small vans: hatchback, saloon, estate, SUV, delivery van, from one set of measurements.

x runs from the rear end forward, z up from the ground, metres. The order of the random draws defines a style:
the network was trained on these cars, and a draw added in the middle makes other cars.
"""

from types import SimpleNamespace

import numpy as np

from . import bodies
from .bodies import Canvas, Mesh, Profile, band, smoothstep
from .dress import AMBER, CHROME, DARK, PAINT, RED, RUBBER, SILVER, cover, grids, paint_glass, paint_plate, rounded, soft_min


def measure(kind, rng):
    """The measurements of one car: outline, wheels, belt line, doors, and the arguments of `bodies.loft`."""
    u = rng.uniform
    m = SimpleNamespace(kind=kind, tall=kind in ("suv", "smallvan"))
    m.length, m.width, m.height = {
        "hatch": (u(3.65, 4.35), u(1.66, 1.80), u(1.42, 1.53)), "saloon": (u(4.40, 4.95), u(1.76, 1.88), u(1.40, 1.48)),
        "estate": (u(4.45, 4.90), u(1.76, 1.86), u(1.44, 1.53)), "suv": (u(4.20, 4.80), u(1.80, 1.93), u(1.60, 1.76)),
        "smallvan": (u(4.15, 4.50), u(1.76, 1.85), u(1.78, 1.88)),
    }[kind]  # fmt: skip
    m.radius = {"hatch": 0.305, "suv": 0.36}.get(kind, 0.32) + u(-0.01, 0.02)
    m.arch = m.radius * 1.15
    m.clearance = 0.24 if kind == "suv" else 0.19
    m.front, m.rear = m.length - 0.205 * m.length + u(-0.03, 0.03), 0.185 * m.length + u(-0.03, 0.03)
    m.belt_front = (0.60 if m.tall else 0.645) * m.height + u(-0.01, 0.02)
    m.belt_rear = m.belt_front + u(0.01, 0.07)
    m.cowl = m.length * {"hatch": 0.745, "saloon": 0.715, "estate": 0.72, "suv": 0.72, "smallvan": 0.775}[kind] + u(-0.04, 0.04)
    m.screen = (m.height - m.belt_front) * (1.15 if m.tall else 1.55) + u(-0.05, 0.1)
    m.nose = (0.50 if not m.tall else 0.53) * m.height + u(-0.02, 0.02)
    m.profile = Profile(*outline(m, rng))
    roof_width = {"suv": 0.78, "smallvan": 0.84}.get(kind, 0.73) + u(-0.02, 0.02)
    m.shell = dict(
        sill=m.clearance,
        belt=(m.belt_rear, m.belt_front),
        roof_width=roof_width,
        fillet=u(0.075, 0.11),
        bow=(u(0.10, 0.16), u(0.06, 0.12)),
        plan=u(0.06, 0.11),
        plan_power=u(4.5, 7.0),
        crown=u(0.02, 0.045),
        tuck=u(0.05, 0.09),
    )
    m.seam_front, m.seam_middle = m.cowl - u(0.02, 0.12), (m.front + m.rear) / 2 - u(-0.02, 0.1)
    return m


def outline(m, rng):
    """(named points of the silhouette, rounding in metres); sets where the side windows end: m.pillar, m.slope."""
    u, kind, length, height, clearance, nose = rng.uniform, m.kind, m.length, m.height, m.clearance, m.nose
    head = [
        ("roof", m.cowl - m.screen - 0.55, height), ("screen_top", m.cowl - m.screen, height * 0.965),
        ("cowl", m.cowl, m.belt_front + 0.01), (None, (m.cowl + length) / 2, (m.belt_front + nose) / 2 + u(0.035, 0.06)),
        ("hood", length - 0.16, nose), ("nose", length - 0.035, nose - 0.12), (None, length, 0.40 * height * 0.85),
        (None, length - 0.03, clearance + 0.1), ("front", length - 0.13, clearance),
    ]  # fmt: skip
    if kind == "saloon":
        deck = m.belt_rear + u(0.0, 0.05)
        glass = length * u(0.155, 0.185)
        tail = [
            ("rear", 0.14, clearance), (None, 0.0, 0.36 * height), ("gate", 0.03, 0.50 * height),
            ("deck", 0.10, deck), ("glass", glass, deck + 0.03), ("roof_end", glass + u(0.70, 0.85), height * 0.955),
        ]  # fmt: skip
        m.pillar, m.slope = glass + 0.30, 0.75
    else:
        upright = {"hatch": u(0.28, 0.5), "estate": u(0.30, 0.55), "suv": u(0.25, 0.42), "smallvan": u(0.06, 0.14)}[kind]
        foot = u(0.06, 0.12)
        tail = [
            ("rear", 0.10, clearance), (None, 0.0, 0.36 * height), ("gate", 0.01, 0.50 * height),
            (None, foot * 0.7, m.belt_rear - 0.05), ("glass", foot, m.belt_rear), ("roof_end", foot + upright, height * 0.955),
        ]  # fmt: skip
        m.pillar = {"hatch": u(0.62, 0.78), "estate": u(0.45, 0.6), "suv": u(0.5, 0.75), "smallvan": u(0.3, 0.4)}[kind]
        m.slope = u(0.25, 0.6) if kind != "smallvan" else 0.1
    return tail + head, 0.055


def paint_side(m, rng, side, grid):
    """Windows, doors, arches and the lamps as seen from the side; returns their heights (head low, tail low, tail high)."""
    x, z = grid
    u = rng.uniform
    belt = m.belt_rear + (m.belt_front - m.belt_rear) * x / m.length
    roof = m.profile.roof(x)
    inside = paint_windows(m, rng, side, x, z, belt, roof)
    paint_doors(m, rng, side, x, z, belt, inside)
    side.put(band(z, -1, m.clearance + u(0.03, 0.08), 0.01), (0.02, 0.02, 0.02))
    if m.kind == "suv" or rng.random() < 0.15:
        # Unpainted plastic round the arches and along the sill, rails on the roof.
        for centre in (m.front, m.rear):
            side.put(cover(m.arch + 0.055 - np.hypot(x - centre, z - m.radius)), (0.025, 0.025, 0.025))
        side.put(band(z, -1, m.clearance + 0.12, 0.01), (0.025, 0.025, 0.025))
        side.put(band(roof - z, 0.015, 0.045, 0.008) * band(x, m.pillar, m.cowl - m.screen - 0.1, 0.02), SILVER, chrome=0.5)

    head_low, reach = m.nose - u(0.12, 0.16), u(0.22, 0.40)
    back = (m.length - x) / reach
    lamp = soft_min(x - m.length + reach, m.nose - 0.005 + 0.03 * back - z, z - head_low - 0.09 * back)
    side.put(cover(lamp + 0.01), DARK)
    side.put(cover(lamp), (0.55, 0.57, 0.6), chrome=0.35, glass=0.2, lamp=0.5)
    tail_low, tail_high = (0.50 * m.height, 0.62 * m.height) if m.kind != "smallvan" else (0.42 * m.height, 0.66 * m.height)
    tail_high = min(tail_high + u(-0.03, 0.03), m.belt_rear - 0.03)
    side.put(cover(soft_min(u(0.16, 0.34) - x, tail_high - 0.1 * x - z, z - tail_low - 0.12 * x)), RED, glass=0.25, lamp=0.7)

    bumper = band(z, 0.40 * m.height - 0.005, 0.40 * m.height + 0.005, 0.005)
    side.put(bumper * ((x < m.rear - m.arch) | (x > m.front + m.arch)), (0.01, 0.01, 0.01))
    for centre in (m.front, m.rear):
        distance = np.hypot(x - centre, z - m.radius)
        side.shade(band(distance, m.arch, m.arch + 0.035, 0.01) * 0.5, 0.5)
        side.cut(np.clip((m.arch - distance) / 0.008 + 0.5, 0, 1))
    return head_low, tail_low, tail_high


def paint_windows(m, rng, side, x, z, belt, roof):
    """The side windows with their pillars; returns the mask of all glass and frames."""
    slant = np.sqrt(1 + np.gradient(roof[0], x[0]) ** 2)[None]
    gap = 0.075 if m.kind != "smallvan" else 0.12
    windows = soft_min(
        (roof - z) / slant - gap, z - belt - 0.012, (x - m.pillar - m.slope * (z - belt)) / np.hypot(1, m.slope),
        m.seam_front - 0.02 - x + 0.35 * (0.1 - (z - belt)),
    )  # fmt: skip
    if m.kind == "smallvan" and rng.random() < 0.5:
        windows = np.minimum(windows, x - m.seam_middle)  # a delivery van has no windows behind the driver
    paint_glass(side, windows, x, z - belt, [m.seam_front - 0.95, m.seam_front - 1.75])
    if rng.random() < 0.4:
        side.put(cover(windows + 0.03) * (1 - cover(windows + 0.012)), SILVER, chrome=0.7)
    inside = cover(windows + 0.018)
    side.put(inside * band(x, m.seam_middle - 0.045, m.seam_middle + 0.045, 0.006), DARK)
    if m.kind != "smallvan":
        quarter = m.pillar + 0.38
        side.put(inside * band(x + 0.1 * (z - belt), quarter - 0.03, quarter + 0.02, 0.006), DARK)
    return inside


def paint_doors(m, rng, side, x, z, belt, inside):
    """Seams, the fold along the flank, handles."""
    end, gap = m.rear + m.arch * 0.75, 0.010
    below = band(z, m.clearance + 0.13, 9, 0.006) * (1 - inside) * (z < belt + 0.02)
    for seam in (m.seam_front, m.seam_middle, end):
        side.shade(below * band(x, seam - gap / 2, seam + gap / 2, 0.005), 0.22)
    side.shade(band(z, m.clearance + 0.125, m.clearance + 0.135, 0.005) * band(x, end, m.seam_front, 0.01), 0.25)
    fold = (0.52 * m.height if m.tall else 0.50 * m.height) + 0.02 * (m.length - x)
    side.shade(np.clip(1 - np.abs(z - fold) / 0.05, 0, 1) * (z < fold) * 0.5, 0.6)
    for handle in (m.seam_middle + 0.16, end + 0.15):
        side.shade(cover(rounded(x, z, handle, belt - 0.105, 0.12, 0.026, 0.02)) * 0.6, 0.4)
        painted = float(rng.random() < 0.7)
        side.put(cover(rounded(x, z, handle, belt - 0.10, 0.095, 0.013, 0.01)), SILVER, paint=painted, chrome=0.4)


def paint_top(m, rng, strip, s, t, y):
    """Windscreen, rear window, roof and bonnet."""
    u, at, wide = rng.uniform, m.profile.at, y / (t + 1e-9)
    screen = soft_min(s - at["screen_top"] - 0.03, at["cowl"] - 0.03 - s, wide * 0.925 - np.abs(y))
    paint_glass(strip, screen, y * 1.1, (at["cowl"] - s) - 0.12, [-0.36, 0.36])
    strip.put(cover(screen) * cover(rounded(y, s, 0, at["screen_top"] + 0.11, 0.11, 0.05, 0.03), 0.01), DARK)
    strip.put(band(s, at["cowl"] - 0.045, at["cowl"] + 0.035, 0.01) * (np.abs(t) < 0.95), (0.015, 0.015, 0.015))
    for wiper in (-0.3, 0.25):
        blade = cover(0.008 - np.abs((s - at["cowl"] + 0.04) + 0.12 * (y - wiper)), 0.006)
        strip.put(blade * band(y, wiper - 0.3, wiper + 0.3, 0.01), DARK)

    end, begin = at["roof_end"], at["glass"]
    window = soft_min(s - begin - 0.035, end - 0.06 - s, wide * u(0.80, 0.88) - np.abs(y))
    if m.kind == "smallvan":
        for sign in (-1, 1):
            paint_glass(strip, soft_min(window, sign * y - 0.03), y, s - begin - 0.1, [])
    else:
        paint_glass(strip, window, y * 1.1, s - begin - 0.08, [-0.36, 0.36])
    strip.put(cover(rounded(y, s, 0, end - 0.035, 0.16, 0.012, 0.01)), RED, lamp=0.6)
    if m.kind != "saloon" and rng.random() < 0.6:
        strip.shade(band(s, end - 0.06, end - 0.045, 0.006), 0.3)
    if rng.random() < 0.2:
        strip.put(cover(rounded(y, s, 0, (at["roof_end"] + at["screen_top"]) / 2, 0.42, 0.45, 0.08)), DARK, glass=0.9)

    for edge in (-0.88, 0.88):
        strip.shade(band(t, edge - 0.006, edge + 0.006, 0.004) * band(s, at["cowl"] + 0.05, at["hood"] - 0.02, 0.01), 0.25)
    strip.shade(band(s, at["hood"] - 0.026, at["hood"] - 0.014, 0.005), 0.25)
    fold = np.abs(np.abs(t) - u(0.35, 0.55) - 0.2 * smoothstep(at["hood"], at["cowl"], s))
    strip.shade(np.clip(1 - fold / 0.05, 0, 1) * band(s, at["cowl"] + 0.06, at["hood"] - 0.05, 0.05) * 0.35, 0.6)


def paint_nose(m, rng, strip, s, t, y, z, head_low):
    """Head lamps, grille, badge, intake, fog lamps, plate."""
    u, half, nose, clearance = rng.uniform, m.width / 2, m.nose, m.clearance
    here = s > m.profile.at["cowl"] + 0.3
    away = 9.0 * ~here  # subtracted from a signed distance, it limits a shape to the nose
    tilt, inner = u(0.0, 0.10), u(0.50, 0.66)
    raised, middle, lamp_top = z - tilt * (np.abs(t) - 0.8), (nose - 0.005 + head_low) / 2, nose - 0.005
    lamps = soft_min((np.abs(t) - inner) * half, lamp_top - raised, raised - head_low) - away
    strip.put(cover(lamps + 0.012), DARK)
    strip.put(cover(lamps), (0.42, 0.44, 0.47), chrome=0.35, glass=0.2, lamp=0.35)
    bulb = np.maximum(
        rounded(np.abs(t) * half, raised, (inner + 0.13) * half, middle, 0.055, 0.05, 0.05),
        rounded(np.abs(t) * half, raised, 0.89 * half, middle, 0.05, 0.045, 0.04),
    )
    strip.put(cover(bulb) * cover(lamps), (0.85, 0.87, 0.9), chrome=0.5, lamp=1.0)

    breadth, low = u(0.36, 0.62) * half, nose - u(0.17, 0.26)
    breadth = min(breadth, (inner - 0.03) * half) if rng.random() < 0.6 else breadth * 0.6
    grille = soft_min(breadth - np.abs(y) - 0.1 * (nose - z), nose - 0.035 - z, z - low) - away
    strip.put(cover(grille + 0.014), SILVER, chrome=0.8, paint=float(rng.random() < 0.4))
    strip.put(cover(grille), (0.012, 0.012, 0.012))
    bars = (z if rng.random() < 0.6 else y) / u(0.035, 0.05)
    strip.put(cover(grille - 0.008) * (np.abs((bars % 1) - 0.5) < 0.16), (0.10, 0.10, 0.10), chrome=0.35)
    strip.put(cover(0.055 - np.hypot(y, z - (nose + low) / 2 - 0.02) - away), SILVER, chrome=0.85)

    intake = soft_min(
        u(0.45, 0.72) * half - np.abs(y) - 0.4 * (z - clearance), clearance + u(0.14, 0.2) - z, z - clearance - 0.03
    )
    strip.put(cover(intake - away), (0.015, 0.015, 0.015))
    fog = rounded(np.abs(y), z, 0.74 * half, clearance + 0.13, 0.07, 0.045, 0.03) - away
    strip.put(cover(fog + 0.02), DARK)
    strip.put(cover(fog - 0.012), (0.5, 0.5, 0.5), chrome=0.4)
    paint_plate(strip, y, np.where(here, z, -9), min(low - 0.02, clearance + 0.24))
    strip.put(band(z, -1, clearance + 0.045, 0.01) * here, (0.02, 0.02, 0.02))


def paint_tail(m, rng, strip, s, t, y, z, tail_low, tail_high):
    """Tail lamps, tailgate, badge, plate, bumper."""
    u, half, height, clearance = rng.uniform, m.width / 2, m.height, m.clearance
    here = s < m.profile.at["glass"]
    back, only = np.where(here, 0.0, -9.0), np.where(here, z, -9)
    inner = u(0.52, 0.72)
    lights = soft_min((np.abs(t) - inner) * half, tail_high - z, z - tail_low) + back
    if m.kind == "smallvan" or (m.tall and rng.random() < 0.4):
        lights = soft_min((np.abs(t) - 0.80) * half, tail_high - z, z - tail_low + 0.06) + back
    strip.put(cover(lights + 0.008), DARK)
    strip.put(cover(lights), RED, glass=0.25, lamp=0.7)
    strip.put(cover(np.minimum(lights - 0.012, 0.022 - np.abs(z - tail_low - 0.05))), (0.55, 0.52, 0.5), chrome=0.3)
    strip.put(cover(np.minimum(lights - 0.012, 0.016 - np.abs(z - tail_low - 0.095))), AMBER, chrome=0.2)
    edge = np.abs(np.abs(t) - (inner - 0.02 if m.kind == "saloon" else 0.84)) * half
    strip.shade(cover(0.007 - edge) * here * (z > 0.42 * height), 0.25)
    strip.shade(band(z, 0.42 * height - 0.006, 0.42 * height + 0.006, 0.005) * here, 0.22)
    badge = tail_high if m.kind != "saloon" else tail_high - 0.03
    strip.put(cover(0.05 - np.hypot(y, z - badge) + back), SILVER, chrome=0.85)
    plate = 0.33 * height if rng.random() < 0.35 else tail_low + 0.045
    strip.put(cover(rounded(y, only, 0, plate, 0.33, 0.09, 0.03)), (0.03, 0.03, 0.03), paint=0.25)
    paint_plate(strip, -y, only, plate)
    if rng.random() < 0.4:
        strip.put(cover(rounded(y, only, 0, tail_low + 0.125, 0.4, 0.012, 0.01)), SILVER, chrome=0.8)
    strip.put(band(z, -1, clearance + u(0.10, 0.17), 0.01) * here, (0.02, 0.02, 0.02))
    strip.put(cover(rounded(np.abs(y), only, 0.62, clearance + 0.2, 0.08, 0.018, 0.01)), RED)


def add_running_gear(m, rng, mesh, wheel_layer):
    """Wheels, mirrors, and the dark interior seen through the arches."""
    half, inset = m.width / 2, m.width / 2 - 0.24
    bodies.box(mesh, (0.25, -inset, m.clearance - 0.01), (m.length - 0.25, inset, m.nose - 0.14), RUBBER)
    bodies.box(mesh, (0.5, -inset, m.nose - 0.2), (m.cowl - 0.1, inset, m.belt_front - 0.10), RUBBER)
    sills = (m.rear + m.arch * 1.05, -half + 0.1, m.clearance), (m.front - m.arch * 1.05, half - 0.1, m.clearance + 0.1)
    bodies.box(mesh, *sills, RUBBER)
    breadth = rng.uniform(0.195, 0.24)
    for centre in (m.front, m.rear):
        for sign in (-1, 1):
            middle = (centre, sign * (half * 0.985 - breadth / 2 - 0.015), m.radius)
            bodies.wheel(mesh, middle, m.radius, breadth, wheel_layer, RUBBER, sign)
    x, z = m.seam_front - rng.uniform(0.02, 0.1), m.belt_front + 0.10
    for sign in (-1, 1):
        y = sign * (half + 0.07)
        bodies.ellipsoid(mesh, (x, y, z), (0.075, 0.11, 0.07), PAINT, boxed=False)
        glass = [(x - 0.072, sign * (half + 0.07 + a * 0.085), z + b * 0.05) for a, b in ((1, -1), (-1, -1), (-1, 1), (1, 1))]
        bodies.panel(mesh, glass, CHROME, boxed=False)


def make_car(kind, rng, layers, wheel_layer):
    """(mesh, (side, strip)): one car; `layers` are the canvas numbers of its sides and strip, `wheel_layer` that of its rim."""
    m, mesh, side, strip = measure(kind, rng), Mesh(), Canvas(), Canvas()
    bodies.loft(mesh, m.profile, m.width, layers, **m.shell)
    grid, (s, t, _, z) = grids(m.profile)
    y = t * m.width / 2 * 0.92
    head_low, tail_low, tail_high = paint_side(m, rng, side, grid)
    paint_top(m, rng, strip, s, t, y)
    paint_nose(m, rng, strip, s, t, y, z, head_low)
    paint_tail(m, rng, strip, s, t, y, z, tail_low, tail_high)
    add_running_gear(m, rng, mesh, wheel_layer)
    return mesh, (side, strip)
