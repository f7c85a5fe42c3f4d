"""The description of a scene: everything that follows from its seed, as plain numbers.

World: X right, Y forward, Z up, metres; the camera stands at (0, 0, height) and looks along +Y, level, as
KITTI's labels assume. A vehicle's yaw turns counter-clockwise seen from above, 0 = towards +X (right).
"""

import numpy as np

from . import street as streets
from .vehicles import catalogue

WIDTH, HEIGHT = 1242, 375
# KITTI's rectified colour camera, which is its own reference here: the fourth column of P2 is zero.
P2 = np.array([[721.5377, 0, 609.5593, 0], [0, 721.5377, 172.854, 0], [0, 0, 1.0, 0]])
SAMPLE_SEEDS = 10_000_000  # seeds from here on belong to the sample scenes, below to training

# Linear RGB, share of metallic flakes, weight.
PAINTS = [
    ((0.62, 0.62, 0.61), 0.0, 16), ((0.34, 0.35, 0.36), 0.8, 18), ((0.11, 0.115, 0.12), 0.8, 15),
    ((0.012, 0.012, 0.013), 0.3, 18), ((0.018, 0.035, 0.10), 0.6, 9), ((0.03, 0.09, 0.24), 0.5, 5),
    ((0.28, 0.015, 0.018), 0.3, 9), ((0.15, 0.02, 0.03), 0.6, 3), ((0.035, 0.075, 0.045), 0.5, 2),
    ((0.26, 0.21, 0.14), 0.6, 3), ((0.09, 0.06, 0.04), 0.6, 2), ((0.50, 0.30, 0.03), 0.0, 1), ((0.20, 0.28, 0.34), 0.6, 3),
]  # fmt: skip

# Weight; then linear RGB of the sun, of the sky overhead and at the horizon (a white wall on a dull day is 1).
LIGHTS = {
    "clear": (0.28, (5.2, 4.8, 4.2), (0.18, 0.33, 0.66), (0.75, 0.88, 1.05)),
    "partly": (0.2, (4.2, 3.95, 3.5), (0.26, 0.39, 0.66), (0.85, 0.93, 1.05)),
    "low": (0.17, (4.6, 3.3, 1.9), (0.20, 0.32, 0.58), (1.15, 0.95, 0.72)),
    "overcast": (0.2, (0.12, 0.12, 0.12), (0.72, 0.76, 0.82), (0.95, 0.97, 1.0)),
    "dusk": (0.06, (0.0, 0.0, 0.0), (0.045, 0.075, 0.16), (0.24, 0.22, 0.25)),
    "haze": (0.09, (1.9, 1.75, 1.5), (0.62, 0.68, 0.75), (1.05, 1.05, 1.02)),
}


def scene_from_seed(seed):
    """The description of scene `seed` (int >= 0): a dict of numbers, the same on every machine.

    Keys: seed, camera (height), light, street, vehicles (list of dicts: id, style, type, x, y, z, yaw, scale, paint,
    flake, dirt, lamp), post (noise, blur, exposure, jpeg, warmth, seed).
    The order of the random draws defines the scene of a seed: the network was trained on these scenes.
    """
    rng = np.random.default_rng(int(seed))
    light, street = make_light(rng), make_street(rng)
    vehicles = make_traffic(rng, street, light)
    post = dict(
        noise=rng.uniform(0.002, 0.010) * (1.6 if light["name"] == "dusk" else 1),
        blur=rng.uniform(0.35, 0.62),
        exposure=np.exp(rng.normal(0, 0.16)),
        jpeg=int(rng.integers(88, 96)),
        warmth=rng.normal(0, 0.025),
        seed=int(rng.integers(2**31)),
    )
    return dict(seed=int(seed), camera=1.65, light=light, street=street, vehicles=vehicles, post=post)


def make_light(rng):
    """Time of day and weather."""
    name = str(rng.choice(list(LIGHTS), p=[odds for odds, *_ in LIGHTS.values()]))
    _, sun, zenith, horizon = LIGHTS[name]
    high = {"clear": rng.uniform(30, 62), "partly": rng.uniform(25, 60), "low": rng.uniform(10, 22)}
    elevation = high.get(name, rng.uniform(20, 50))
    azimuth = rng.uniform(-180, 180)
    if name == "low" and abs(azimuth) < 25:
        azimuth += 60  # a sun in the picture would overexpose it
    elevation, azimuth = np.radians(elevation), np.radians(azimuth)
    flat = np.cos(elevation)
    cloud = {
        "clear": rng.uniform(0, 0.35), "partly": rng.uniform(0.45, 0.75), "low": rng.uniform(0.1, 0.6), "overcast": 1.0,
        "dusk": rng.uniform(0.2, 0.8), "haze": rng.uniform(0.3, 0.8),
    }[name]  # fmt: skip
    wet = 0.0
    if name in ("overcast", "dusk", "haze") and rng.random() < 0.4:
        wet = rng.uniform(0.4, 1.0)
    return dict(
        name=name,
        direction=np.array([flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation)]),
        sun=np.array(sun) * rng.uniform(0.85, 1.1),
        zenith=np.array(zenith),
        horizon=np.array(horizon),
        cloud=cloud,
        cloud_shift=rng.uniform(0, 50, 2),
        haze={"haze": rng.uniform(0.010, 0.022), "dusk": 0.0015}.get(name, rng.uniform(0.0006, 0.0028)),
        wet=wet,
        lamps=1.0 if name == "dusk" else 0.0,
        soft=rng.uniform(0.6, 1.2),
    )


def make_street(rng):
    """A street's plan: lanes and lines, and for each side (-1 left, +1 right) what lies beside the road, outwards."""
    kind = str(rng.choice(["urban", "residential", "leafy", "commercial"], p=[0.3, 0.36, 0.18, 0.16]))
    lane = rng.uniform(2.9, 3.5)
    lanes_left = int(rng.choice([1, 1, 1, 2])) if kind != "residential" else 1
    right = lane / 2 + (lane if kind in ("commercial", "leafy") and rng.random() < 0.3 else 0)
    left = -lane / 2 - lane * lanes_left
    lines = [(-lane / 2, str(rng.choice(["dashed", "dashed", "solid", "none"])))]
    lines += [(-lane / 2 - lane * i, "dashed") for i in range(1, lanes_left)]
    if right > lane:
        lines.append((lane / 2, "dashed"))
    per_side = {name: {} for name in ("sides", "rows", "trees", "hedge", "kerb_offset", "parking", "lots", "ground")}
    for side in (-1, 1):
        plan = make_side(rng, kind, side, right if side > 0 else left, lines)
        for name, value in plan.items():
            per_side[name][side] = value
    junctions = []
    if rng.random() < 0.4:
        where, half = rng.uniform(16, 45), rng.uniform(3.2, 5.0)
        junctions.append((where, half, [(-1, 1), (1,), (-1,)][int(rng.choice([0, 1, 2], p=[0.5, 0.25, 0.25]))]))
    plan = dict(kind=kind, lane=lane, road=(left, right), lines=[(u, style) for u, style in lines if style != "none"])
    plan.update(
        dash=rng.choice([3.0, 4.0]),
        bend=rng.choice([0.0, 1.0]) * rng.normal(0, 0.0022),  # curvature, 1 / metres
        tree_size=rng.uniform(0.7, 1.1),
        hedge_size=rng.uniform(0.7, 1.15),
        junctions=junctions,  # (y, half width, sides)
        zebra=rng.random() < 0.35,
        signals=rng.random() < 0.5,
        lamps=int(rng.choice([-1, 1, 0, 5])),  # the side they stand on, 0 both, 5 none
        lamp_height=rng.uniform(5, 8.5),
        lamp_step=rng.uniform(22, 34),
        wires=int(rng.choice([0, 0, 0, -1, 1])) if kind != "urban" else 0,
        rail=int(rng.choice([-1, 1])) if kind == "leafy" and rng.random() < 0.2 else 0,
        wood={"urban": 6, "residential": 14, "leafy": 45, "commercial": 10}[kind],
        turf=rng.uniform(0.4, 1.2),
        slab=rng.uniform(0.75, 1.15),
        asphalt=rng.uniform(0.75, 1.5),
        seed=int(rng.integers(2**31)),
    )
    return dict(plan, **per_side)


def make_side(rng, kind, side, edge, lines):
    """What lies beside the road on one side, from its `edge` outwards; lines that belong to it are added to `lines`.

    Returns sides (list of (width m, surface, height m)), rows (of houses, or None), trees (their distance, or 0), hedge,
    kerb_offset and parking (from the edge; the lateral position, or None), lots (offset and depth, or None), ground.
    """
    parts, parking, lot, row, high = [], None, None, None, streets.KERB
    if rng.random() < {"urban": 0.75, "residential": 0.65, "leafy": 0.3, "commercial": 0.3}[kind]:
        width = rng.uniform(2.0, 2.3)
        parts.append((width, "setts" if rng.random() < 0.2 else "parking", 0.0))
        lines.append((edge, str(rng.choice(["solid", "none", "none"]))))
        parking = edge + side * width / 2
    elif rng.random() < 0.5:
        lines.append((edge - side * 0.2, "solid"))
    parts.append((0.3, "gutter", 0.0))
    kerb_offset = sum(width for width, _, _ in parts) + 0.15
    if kind == "urban":
        if rng.random() < 0.25:
            parts.append((1.6, "grass", high))
        parts.append((rng.uniform(2.2, 4.5), "pavement", high))
        row = dict(
            width=(8, 17), depth=(9, 13), floors=(2, 5), roofs=["gable", "gable", "flat"], joined=0.85, gap=(2, 5), setback=0.0,
            urban=True, shops=rng.uniform(0.1, 0.7), overlap=0.0,
        )  # fmt: skip
    elif kind == "residential":
        if rng.random() < 0.3:
            parts.append((rng.uniform(1.4, 2.2), "grass", high))
        parts.append((rng.uniform(1.4, 2.4), "pavement", high))
        parts.append((rng.uniform(3.0, 7.5), "garden", high))
        row = dict(
            width=(8.5, 13), depth=(8, 11), floors=(1, 2), roofs=["gable", "gable", "hip"], joined=0.15, gap=(3, 9),
            setback=1.5, urban=False, shops=0.0, overlap=0.0,
        )  # fmt: skip
    elif kind == "leafy":
        parts.append((rng.uniform(1.5, 4.0), "grass", high))
        if rng.random() < 0.6:
            parts.append((rng.uniform(1.5, 2.4), "pavement", high))
        parts.append((rng.uniform(3, 9), "garden", high))
        if rng.random() < 0.35:
            row = dict(
                width=(9, 15), depth=(8, 11), floors=(1, 3), roofs=["gable", "hip"], joined=0.0, gap=(8, 22), setback=4.0,
                urban=False, shops=0.0, overlap=0.0,
            )  # fmt: skip
    else:
        parts.append((rng.uniform(1.6, 2.6), "pavement", high))
        if rng.random() < 0.7:
            parts.append((1.6, "grass", high))
            lot = (sum(width for width, _, _ in parts), 12.0)
            parts.append((12.0, "lot", high))
        row = dict(
            width=(14, 34), depth=(12, 22), floors=(1, 3), roofs=["flat", "flat", "gable"], joined=0.2, gap=(4, 16),
            setback=2.0, urban=True, shops=0.4, overlap=0.0,
        )  # fmt: skip
    if row is None:
        parts.append((rng.uniform(4, 10), "grass", high))
    planted = rng.random() < {"urban": 0.35, "residential": 0.5, "leafy": 0.85, "commercial": 0.5}[kind]
    trees = float(rng.uniform(7, 16)) if planted else 0.0
    hedge = int(rng.integers(1, 4)) if rng.random() < 0.6 else 0
    return dict(
        sides=parts, rows=row, trees=trees, hedge=hedge, kerb_offset=kerb_offset, parking=parking, lots=lot, ground=high
    )


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


AHEAD = np.pi / 2
# Weights of the kinds of vehicle in traffic; parked rows have few trucks and hardly a bus.
ODDS = dict(hatch=0.31, saloon=0.2, estate=0.14, suv=0.14, smallvan=0.055, panelvan=0.08, boxtruck=0.05, bus=0.045)
PARKED_ODDS = dict(ODDS, boxtruck=0.025, bus=0.004)


class Traffic:
    """Places vehicles one by one where there is room."""

    def __init__(self, rng, street):
        self.rng, self.street, self.styles = rng, street, catalogue()[0]
        self.vehicles = []
        self.taken = [corners(0, 0.2, AHEAD, 8.5, 2.2)]  # the camera's own car

    def choose(self, moving, small=False):
        """The number of a style; `small` leaves out trucks and buses."""
        odds = dict(ODDS if moving else PARKED_ODDS)
        if small:
            odds.update(boxtruck=0.0, bus=0.0)
        weights = np.array(list(odds.values()))
        kind = str(self.rng.choice(list(odds), p=weights / sum(odds.values())))
        return int(self.rng.choice([i for i, style in enumerate(self.styles) if style.kind == kind]))

    def clear_of_mouths(self, y, side, margin):
        return all(side not in sides or abs(y - yj) > half + margin for yj, half, sides in self.street["junctions"])

    def put(self, y, u, yaw, number, z=0.0, margin=0.25, lamp=0.0):
        """Add a vehicle of style `number` unless it would touch another, enclose the camera, or cross the image plane.

        y, u: along and across the street, metres; yaw: in the street's frame, pi / 2 = driving away; margin: kept free
        around it, metres; lamp: 0 off, 1 on.
        """
        rng, style = self.rng, self.styles[number]
        x, north = [float(v) for v in streets.place(self.street, y, u)]
        yaw = yaw + float(streets.bend(self.street, y)[1])
        spread = 0.4 if style.kind in ("boxtruck", "bus") else 1.0
        scale = 1 + rng.uniform(-1, 1, 3) * [0.035 * spread, 0.02, 0.025 * spread]
        length, width, _ = np.array(style.size) * scale
        quad = corners(x, north, yaw, length, width, margin)
        if quad[:, 1].min() < 2.2 or any(overlap(quad, other) for other in self.taken):
            return
        self.taken.append(quad)
        paint, flake = self.paint(style.kind)
        self.vehicles.append(dict(
            id=len(self.vehicles) + 1, style=number, type=style.type, x=x, y=north, z=z,
            yaw=float((yaw + np.pi) % (2 * np.pi) - np.pi), scale=scale, paint=paint, flake=flake, dirt=rng.uniform(0, 0.5),
            lamp=lamp,
        ))  # fmt: skip

    def paint(self, kind):
        """(colour, share of flakes): vans and trucks are mostly white, buses white or brightly coloured."""
        weights = np.array([w for _, _, w in PAINTS], float)
        if kind in ("panelvan", "boxtruck"):
            weights[0] *= 6
        if kind == "bus":
            weights[[0, 6, 11, 5]] *= 4
        colour, flake, _ = PAINTS[int(self.rng.choice(len(PAINTS), p=weights / weights.sum()))]
        colour = np.array(colour) * self.rng.uniform(0.8, 1.2) + self.rng.uniform(0, 0.015, 3)
        return np.clip(colour, 0.006, 0.8), flake

    def manoeuvre(self, lamp):
        """Vehicles that pull out, turn round or stand across the road: the network has to learn every angle."""
        rng, (left, right) = self.rng, self.street["road"]
        for _ in range(int(rng.integers(1, 7))):
            y, u = rng.uniform(5, 38), rng.uniform(left - 0.5, right + 0.5)
            self.put(y, u, rng.uniform(-np.pi, np.pi), self.choose(True, rng.random() < 0.6), lamp=lamp)

    def cross(self, y, half, sides, lamp):
        """Vehicles in a side street's two lanes, and one that turns."""
        rng, (left, right) = self.rng, self.street["road"]
        for side in sides:
            edge = right if side > 0 else left
            for direction in (1, -1):
                reach = rng.uniform(0.5, 6)
                while reach < 40 and rng.random() < 0.6:
                    yaw = 0.0 if direction > 0 else np.pi
                    self.put(y - direction * half * 0.45, edge + side * reach, yaw, self.choose(True), lamp=lamp)
                    reach += rng.uniform(6, 16)
        if rng.random() < 0.6:
            turn = rng.uniform(0, np.pi / 2) * rng.choice([-1, 1])
            y, u = y + rng.uniform(-2, 2), rng.uniform(left + 1, right - 1)
            self.put(y, u, rng.choice([AHEAD, -AHEAD]) + turn, self.choose(True), lamp=lamp)

    def drive(self, u, yaw, lamp):
        """A lane of traffic at u."""
        rng = self.rng
        y = rng.uniform(7, 32) if u >= 0 else rng.uniform(3, 22)
        flow = rng.choice([9.0, 16.0, 30.0, 60.0], p=[0.15, 0.3, 0.35, 0.2])
        while y < 90:
            if rng.random() < 0.75:
                self.put(y, u + rng.normal(0, 0.18), yaw + rng.normal(0, 0.025), self.choose(True), lamp=lamp)
            y += 6 + rng.exponential(flow)

    def park(self, side):
        """A row along the kerb, most of it facing the way its side drives."""
        rng, u = self.rng, self.street["parking"][side]
        density, y = rng.choice([0.15, 0.45, 0.75, 0.9]), rng.uniform(0, 6)
        while y < 85:
            if self.clear_of_mouths(y, side, 4.5) and rng.random() < density:
                backwards = rng.random() < (0.1 if side > 0 else 0.12)
                yaw = (AHEAD if side > 0 else -AHEAD) + (np.pi if backwards else 0)
                self.put(y, u + rng.normal(0, 0.08), yaw + rng.normal(0, 0.03), self.choose(False, True), margin=0.1)
            y += rng.uniform(5.6, 6.6)

    def fill_lot(self, side):
        """Two rows across, straight or slanted."""
        rng, (offset, deep) = self.rng, self.street["lots"][side]
        edge = self.street["road"][1] if side > 0 else self.street["road"][0]
        slant = rng.choice([0, 0, np.pi / 6, -np.pi / 6])
        for row in (2.8, deep - 2.6):
            density = rng.uniform(0.3, 0.85)
            for y in np.arange(6, 80, 2.9 if slant == 0 else 3.4):
                if rng.random() < density and self.clear_of_mouths(y, side, 4):
                    yaw = (0 if rng.random() < 0.5 else np.pi) + slant + rng.normal(0, 0.03)
                    u = edge + side * (offset + row)
                    self.put(y, u, yaw, self.choose(False, True), z=streets.KERB, margin=0.05)


def make_traffic(rng, street, light):
    """All vehicles of a scene. The first to be placed keeps its place, so rare angles come before the rows."""
    traffic = Traffic(rng, street)
    lamp = 1.0 if light["lamps"] else (0.5 if rng.random() < 0.4 or light["wet"] else 0.0)
    left, right = street["road"]
    lane = street["lane"]
    if rng.random() < 0.65:
        traffic.manoeuvre(lamp)
    for y, half, sides in street["junctions"]:
        traffic.cross(y, half, sides, lamp)
    traffic.drive(0.0, AHEAD, lamp)
    if right > lane:
        traffic.drive(lane, AHEAD, lamp)
    for i in range(int(round(-left / lane - 0.5))):
        traffic.drive(-lane * (i + 1), -AHEAD, lamp)
    for side in (-1, 1):
        if street["parking"][side] is not None:
            traffic.park(side)
        if street["lots"][side]:
            traffic.fill_lot(side)
    return traffic.vehicles
