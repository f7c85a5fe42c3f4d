"""What is in a scene: everything that follows from a seed, as plain numbers.

World: X right, Y forward, Z up, metres; the camera stands at (0, 0, height) and looks along +Y, level, as
KITTI's labels assume. A vehicle's yaw turns counter-clockwise seen from above, 0 = towards +X (right).
"""

import numpy as np

from . import street as streets
from .vehicles import COUNTS, TYPE, catalogue

WIDTH, HEIGHT = 1242, 375
# KITTI's rectified colour camera. The camera is its own reference: the fourth column of P2 is zero.
P2 = np.array([[721.5377, 0, 609.5593, 0], [0, 721.5377, 172.854, 0], [0, 0, 1.0, 0]])
SAMPLE_SEEDS = 10_000_000  # seeds from here on belong to the sample scenes, below to training

PAINTS = [
    ((0.62, 0.62, 0.61), 0.0, 16), ((0.34, 0.35, 0.36), 0.8, 18), ((0.11, 0.115, 0.12), 0.8, 15), ((0.012, 0.012, 0.013), 0.3, 18),
    ((0.018, 0.035, 0.10), 0.6, 9), ((0.03, 0.09, 0.24), 0.5, 5), ((0.28, 0.015, 0.018), 0.3, 9), ((0.15, 0.02, 0.03), 0.6, 3),
    ((0.035, 0.075, 0.045), 0.5, 2), ((0.26, 0.21, 0.14), 0.6, 3), ((0.09, 0.06, 0.04), 0.6, 2), ((0.50, 0.30, 0.03), 0.0, 1), ((0.20, 0.28, 0.34), 0.6, 3),
]  # fmt: skip


def scene_from_seed(seed):
    """The description of scene `seed` (int >= 0): a dict of numbers, the same on every machine.

    Keys: seed, camera (height), light, street, vehicles (list of dicts: id, style, x, y, yaw, scale, paint, flake,
    lamp), post (noise, blur, exposure, jpeg).
    """
    rng = np.random.default_rng(int(seed))
    light, street = make_light(rng), make_street(rng)
    vehicles = make_traffic(rng, street, light)
    post = dict(
        noise=rng.uniform(0.002, 0.010) * (1.6 if light["name"] == "dusk" else 1), blur=rng.uniform(0.35, 0.62), exposure=np.exp(rng.normal(0, 0.16)),
        jpeg=int(rng.integers(88, 96)), warmth=rng.normal(0, 0.025), seed=int(rng.integers(2**31)),
    )  # fmt: skip
    return dict(seed=int(seed), camera=1.65, light=light, street=street, vehicles=vehicles, post=post)


def make_light(rng):
    name = str(rng.choice(["clear", "partly", "low", "overcast", "dusk", "haze"], p=[0.28, 0.2, 0.17, 0.2, 0.06, 0.09]))
    elevation = {"clear": rng.uniform(30, 62), "partly": rng.uniform(25, 60), "low": rng.uniform(10, 22)}.get(
        name, rng.uniform(20, 50)
    )
    azimuth = rng.uniform(-180, 180)
    if name == "low" and abs(azimuth) < 25:
        azimuth += 60  # a sun in the lens blinds the camera, and the reader
    elevation, azimuth = np.radians(elevation), np.radians(azimuth)
    direction = np.array([np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    sun = {
        "clear": (5.2, 4.8, 4.2),
        "partly": (4.2, 3.95, 3.5),
        "low": (4.6, 3.3, 1.9),
        "overcast": (0.12,) * 3,
        "dusk": (0.0,) * 3,
        "haze": (1.9, 1.75, 1.5),
    }[name]
    zenith = {"clear": (0.18, 0.33, 0.66), "partly": (0.26, 0.39, 0.66), "low": (0.20, 0.32, 0.58), "overcast": (0.72, 0.76, 0.82),
              "dusk": (0.045, 0.075, 0.16), "haze": (0.62, 0.68, 0.75)}[name]  # fmt: skip
    horizon = {"clear": (0.75, 0.88, 1.05), "partly": (0.85, 0.93, 1.05), "low": (1.15, 0.95, 0.72), "overcast": (0.95, 0.97, 1.0),
               "dusk": (0.24, 0.22, 0.25), "haze": (1.05, 1.05, 1.02)}[name]  # fmt: skip
    cloud = {
        "clear": rng.uniform(0, 0.35),
        "partly": rng.uniform(0.45, 0.75),
        "low": rng.uniform(0.1, 0.6),
        "overcast": 1.0,
        "dusk": rng.uniform(0.2, 0.8),
        "haze": rng.uniform(0.3, 0.8),
    }[name]
    wet = 0.0
    if name in ("overcast", "dusk", "haze") and rng.random() < 0.4:
        wet = rng.uniform(0.4, 1.0)
    return dict(
        name=name, direction=direction, sun=np.array(sun) * rng.uniform(0.85, 1.1), zenith=np.array(zenith), horizon=np.array(horizon), cloud=cloud,
        cloud_shift=rng.uniform(0, 50, 2), haze={"haze": rng.uniform(0.010, 0.022), "dusk": 0.0015}.get(name, rng.uniform(0.0006, 0.0028)), wet=wet,
        lamps=1.0 if name == "dusk" else 0.0, soft=rng.uniform(0.6, 1.2),
    )  # fmt: skip


def make_street(rng):
    kind = str(rng.choice(["urban", "residential", "leafy", "commercial"], p=[0.3, 0.36, 0.18, 0.16]))
    lane = rng.uniform(2.9, 3.5)
    lanes_left = int(rng.choice([1, 1, 1, 2])) if kind != "residential" else 1
    right = lane / 2 + (lane if kind in ("commercial", "leafy") and rng.random() < 0.3 else 0)
    left = -lane / 2 - lane * lanes_left
    lines = [(-lane / 2, str(rng.choice(["dashed", "dashed", "solid", "none"])))]
    lines += [(-lane / 2 - lane * i, "dashed") for i in range(1, lanes_left)]
    if right > lane:
        lines.append((lane / 2, "dashed"))
    sides, rows, trees, hedge, kerb_offset, parking, lots, ground = {}, {}, {}, {}, {}, {}, {}, {}
    for side in (-1, 1):
        parked = rng.random() < {"urban": 0.75, "residential": 0.65, "leafy": 0.3, "commercial": 0.3}[kind]
        parts = []
        if parked:
            width = rng.uniform(2.0, 2.3)
            parts.append((width, "setts" if rng.random() < 0.2 else "parking", 0.0))
            lines.append(((right if side > 0 else left), str(rng.choice(["solid", "none", "none"]))))
        elif rng.random() < 0.5:
            lines.append(((right - 0.2 if side > 0 else left + 0.2), "solid"))
        parking[side] = (right + width / 2 if side > 0 else left - width / 2) if parked else None
        parts.append((0.3, "gutter", 0.0))
        kerb_offset[side] = sum(w for w, _, _ in parts) + 0.15
        high = streets.KERB
        row, lot = None, None
        if kind == "urban":
            if rng.random() < 0.25:
                parts.append((1.6, "grass", high))
            parts.append((rng.uniform(2.2, 4.5), "pavement", high))
            row = dict(
                width=(8, 17),
                depth=(9, 13),
                floors=(2, 5),
                roofs=["gable", "gable", "flat"],
                joined=0.85,
                gap=(2, 5),
                setback=0.0,
                urban=True,
                shops=rng.uniform(0.1, 0.7),
                overlap=0.0,
            )
        elif kind == "residential":
            if rng.random() < 0.3:
                parts.append((rng.uniform(1.4, 2.2), "grass", high))
            parts.append((rng.uniform(1.4, 2.4), "pavement", high))
            garden = rng.uniform(3.0, 7.5)
            parts.append((garden, "garden", high))
            row = dict(
                width=(8.5, 13),
                depth=(8, 11),
                floors=(1, 2),
                roofs=["gable", "gable", "hip"],
                joined=0.15,
                gap=(3, 9),
                setback=1.5,
                urban=False,
                shops=0.0,
                overlap=0.0,
            )
        elif kind == "leafy":
            parts.append((rng.uniform(1.5, 4.0), "grass", high))
            if rng.random() < 0.6:
                parts.append((rng.uniform(1.5, 2.4), "pavement", high))
            parts.append((rng.uniform(3, 9), "garden", high))
            if rng.random() < 0.35:
                row = dict(
                    width=(9, 15),
                    depth=(8, 11),
                    floors=(1, 3),
                    roofs=["gable", "hip"],
                    joined=0.0,
                    gap=(8, 22),
                    setback=4.0,
                    urban=False,
                    shops=0.0,
                    overlap=0.0,
                )
        else:
            parts.append((rng.uniform(1.6, 2.6), "pavement", high))
            if rng.random() < 0.7:
                parts.append((1.6, "grass", high))
                deep = 12.0
                lot = (sum(w for w, _, _ in parts), deep)
                parts.append((deep, "lot", high))
            row = dict(
                width=(14, 34),
                depth=(12, 22),
                floors=(1, 3),
                roofs=["flat", "flat", "gable"],
                joined=0.2,
                gap=(4, 16),
                setback=2.0,
                urban=True,
                shops=0.4,
                overlap=0.0,
            )
        if row is None:
            parts.append((rng.uniform(4, 10), "grass", high))
        sides[side], rows[side], lots[side] = parts, row, lot
        ground[side] = high
        trees[side] = (
            float(rng.uniform(7, 16))
            if rng.random() < {"urban": 0.35, "residential": 0.5, "leafy": 0.85, "commercial": 0.5}[kind]
            else 0.0
        )
        hedge[side] = int(rng.integers(1, 4)) if rng.random() < 0.6 else 0
    junctions = []
    if rng.random() < 0.4:
        junctions.append(
            (
                rng.uniform(16, 45),
                rng.uniform(3.2, 5.0),
                [(-1, 1), (1,), (-1,)][int(rng.choice([0, 1, 2], p=[0.5, 0.25, 0.25]))],
            )
        )
    return dict(
        kind=kind, lane=lane, road=(left, right), lines=[(u, s) for u, s in lines if s != "none"], dash=rng.choice([3.0, 4.0]), bend=rng.choice([0.0, 1.0]) * rng.normal(0, 0.0022),
        sides=sides, rows=rows, trees=trees, tree_size=rng.uniform(0.7, 1.1), hedge=hedge, hedge_size=rng.uniform(0.7, 1.15), kerb_offset=kerb_offset, parking=parking, lots=lots,
        ground=ground, junctions=junctions, zebra=rng.random() < 0.35, signals=rng.random() < 0.5, lamps=int(rng.choice([-1, 1, 0, 5])), lamp_height=rng.uniform(5, 8.5),
        lamp_step=rng.uniform(22, 34), wires=int(rng.choice([0, 0, 0, -1, 1])) if kind != "urban" else 0, rail=int(rng.choice([-1, 1])) if kind == "leafy" and rng.random() < 0.2 else 0,
        wood={"urban": 6, "residential": 14, "leafy": 45, "commercial": 10}[kind], turf=rng.uniform(0.4, 1.2), slab=rng.uniform(0.75, 1.15), asphalt=rng.uniform(0.75, 1.5),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def style_size(style, scale):
    return np.array(style.size) * scale


def corners(x, y, yaw, length, width, margin=0.0):
    """The four ground corners [4, 2] of a vehicle."""
    a, b = length / 2 + margin, width / 2 + margin
    local = np.array([(a, b), (-a, b), (-a, -b), (a, -b)])
    cos, sin = np.cos(yaw), np.sin(yaw)
    return local @ np.array([[cos, sin], [-sin, cos]]) + [x, y]


def overlap(first, second):
    """Whether two convex quads [4, 2] overlap (separating axes)."""
    for quad in (first, second):
        edges = np.roll(quad, -1, 0) - quad
        axes = np.stack([edges[:2, 1], -edges[:2, 0]], -1)
        a, b = first @ axes.T, second @ axes.T
        if np.any((a.max(0) < b.min(0)) | (b.max(0) < a.min(0))):
            return False
    return True


def make_traffic(rng, street, light):
    styles = catalogue()[0]
    by_kind = {kind: [i for i, s in enumerate(styles) if s.kind == kind] for kind, _ in COUNTS}
    vehicles, taken = [], [corners(0, 0.2, np.pi / 2, 8.5, 2.2)]

    def choose(moving, small=False):
        odds = dict(hatch=0.31, saloon=0.2, estate=0.14, suv=0.14, smallvan=0.055, panelvan=0.08, boxtruck=0.05, bus=0.045)
        if not moving:
            odds.update(boxtruck=0.025, bus=0.004)
        if small:
            odds.update(boxtruck=0.0, bus=0.0)
        kinds, weights = zip(*odds.items())
        kind = str(rng.choice(kinds, p=np.array(weights) / sum(weights)))
        return int(rng.choice(by_kind[kind]))

    def put(y, u, yaw, style, z=0.0, margin=0.25, lamp=None):
        """Add a vehicle unless it would touch another one, stand in the camera, or cross the image plane."""
        x, yy = [float(v) for v in streets.place(street, y, u)]
        yaw = yaw + float(streets.bend(street, y)[1])
        spread = 0.4 if styles[style].kind in ("boxtruck", "bus") else 1.0
        scale = 1 + rng.uniform(-1, 1, 3) * [0.035 * spread, 0.02, 0.025 * spread]
        length, width, _ = style_size(styles[style], scale)
        quad = corners(x, yy, yaw, length, width, margin)
        if quad[:, 1].min() < 2.2 or any(overlap(quad, other) for other in taken):
            return False
        taken.append(quad)
        weights = np.array([w for _, _, w in PAINTS], float)
        kind = styles[style].kind
        if kind in ("panelvan", "boxtruck"):
            weights[0] *= 6
        if kind == "bus":
            weights[[0, 6, 11, 5]] *= 4
        paint, flake, _ = PAINTS[int(rng.choice(len(PAINTS), p=weights / weights.sum()))]
        paint = np.clip(np.array(paint) * rng.uniform(0.8, 1.2) + rng.uniform(0, 0.015, 3), 0.006, 0.8)
        on = lamp if lamp is not None else 0.0
        vehicles.append(dict(
            id=len(vehicles) + 1, style=style, type=TYPE[kind], x=x, y=yy, z=z, yaw=float((yaw + np.pi) % (2 * np.pi) - np.pi), scale=scale, paint=paint, flake=flake,
            dirt=rng.uniform(0, 0.5), lamp=on,
        ))  # fmt: skip
        return True

    ahead = np.pi / 2
    driving = 1.0 if light["lamps"] else (0.5 if rng.random() < 0.4 or light["wet"] else 0.0)
    left, right = street["road"]
    lane = street["lane"]
    # Now and then somebody pulls out, turns round or stands across: every angle must be learnt.
    if rng.random() < 0.65:
        for _ in range(int(rng.integers(1, 7))):
            y, u = rng.uniform(5, 38), rng.uniform(left - 0.5, right + 0.5)
            put(y, u, rng.uniform(-np.pi, np.pi), choose(True, rng.random() < 0.6), lamp=driving)
    for y, half, sides in street["junctions"]:
        for side in sides:
            for direction in (1, -1):
                reach = rng.uniform(0.5, 6)
                offset = direction * half * 0.45
                while reach < 40 and rng.random() < 0.6:
                    base = right if side > 0 else left
                    put(y - offset, base + side * reach, 0.0 if direction > 0 else np.pi, choose(True), lamp=driving)
                    reach += rng.uniform(6, 16)
        if rng.random() < 0.6:
            turn = rng.uniform(0, np.pi / 2) * rng.choice([-1, 1])
            put(
                y + rng.uniform(-2, 2),
                rng.uniform(left + 1, right - 1),
                rng.choice([ahead, -ahead]) + turn,
                choose(True),
                lamp=driving,
            )
    # Traffic.
    for u, yaw in (
        [(0.0, ahead)]
        + ([(lane, ahead)] if right > lane else [])
        + [(-lane * (i + 1), -ahead) for i in range(int(round(-left / lane - 0.5)))]
    ):
        y = rng.uniform(7, 32) if u >= 0 else rng.uniform(3, 22)
        flow = rng.choice([9.0, 16.0, 30.0, 60.0], p=[0.15, 0.3, 0.35, 0.2])
        while y < 90:
            if rng.random() < 0.75:
                put(y, u + rng.normal(0, 0.18), yaw + rng.normal(0, 0.025), choose(True), lamp=driving)
            y += 6 + rng.exponential(flow)
    # Parked rows.
    for side in (-1, 1):
        u = street["parking"][side]
        if u is not None:
            density, y = rng.choice([0.15, 0.45, 0.75, 0.9]), rng.uniform(0, 6)
            while y < 85:
                free = all(side not in sides or abs(y - yj) > half + 4.5 for yj, half, sides in street["junctions"])
                if free and rng.random() < density:
                    backwards = rng.random() < (0.1 if side > 0 else 0.12)
                    yaw = (ahead if side > 0 else -ahead) + (np.pi if backwards else 0)
                    put(y, u + rng.normal(0, 0.08), yaw + rng.normal(0, 0.03), choose(False, True), margin=0.1)
                y += rng.uniform(5.6, 6.6)
        if street["lots"][side]:
            offset, deep = street["lots"][side]
            base = right if side > 0 else left
            slant = rng.choice([0, 0, np.pi / 6, -np.pi / 6])
            for row in (2.8, deep - 2.6):
                density = rng.uniform(0.3, 0.85)
                for y in np.arange(6, 80, 2.9 if slant == 0 else 3.4):
                    if rng.random() < density and all(
                        side not in sides or abs(y - yj) > half + 4 for yj, half, sides in street["junctions"]
                    ):
                        yaw = (0 if rng.random() < 0.5 else np.pi) + slant + rng.normal(0, 0.03)
                        put(y, base + side * (offset + row), yaw, choose(False, True), z=streets.KERB, margin=0.05)
    return vehicles
