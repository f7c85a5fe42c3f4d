"""The static geometry of a street: ground, kerbs, markings, houses, posts, and the places of plants.

`build(street)` turns the street's description (scene.py) into static triangles and plant instances. Along the
street runs y (metres ahead of the camera), across it u (metres right of the camera's lane).
"""

import functools

import numpy as np

from .furniture import furnish
from .houses import build_houses
from .mesh import Builder, normalise
from .textures import LAYER

KERB = 0.12
NEAR, FAR = -28.0, 150.0
ASPHALT, WHITE_PAINT = (0.105, 0.105, 0.108), (0.72, 0.72, 0.70)


def bend(street, y):
    """Lateral offset of the street's axis and its heading (radians to the left of straight on) at y."""
    y = np.asarray(y, np.float64)
    reach = np.clip(y, -40, 110)
    offset = street["bend"] / 2 * reach**2 + street["bend"] * 110 * np.maximum(y - 110, 0)
    return offset, -np.arctan(street["bend"] * reach)


def place(street, y, u):
    """World (X, Y) of the point y along the street and u across it."""
    offset, heading = bend(street, y)
    return offset + u * np.cos(heading), np.asarray(y, np.float64) + u * np.sin(heading)


class Ground:
    """Ribbons along the street between two lateral positions, interrupted at side streets."""

    def __init__(self, street, solid):
        self.street, self.solid = street, solid

    def spans(self, side):
        """Stretches of y that are not in a side street's mouth on this side (-1 left, +1 right)."""
        edges, spans = NEAR, []
        for y, half, sides in self.street["junctions"]:
            if side in sides:
                spans.append((edges, y - half))
                edges = y + half
        spans.append((edges, FAR))
        return [(a, b) for a, b in spans if b > a + 0.5]

    def ribbon(self, u0, u1, z0, z1, colour, layer, side=0, builder=None, occlusion=None):
        """A strip from u0 (height z0) to u1 > u0 (z1); side 0 runs through, else it stops at that side's mouths."""
        for a, b in self.spans(side) if side else [(NEAR, FAR)]:
            y = np.linspace(a, b, max(int((b - a) / 2.0), 2))
            left, right = np.stack(place(self.street, y, u0), -1), np.stack(place(self.street, y, u1), -1)
            left = np.column_stack([left, np.full(len(y), z0)])
            right = np.column_stack([right, np.full(len(y), z1)])
            width = np.hypot(u1 - u0, z1 - z0)
            uv_left, uv_right = np.column_stack([np.full(len(y), u0), y]), np.column_stack([np.full(len(y), u0 + width), y])
            (builder or self.solid).strip(left, right, uv_left, uv_right, colour, LAYER[layer], occlusion)

    def patch(self, builder, y0, y1, u0, u1, z, colour, layer):
        """One flat quad lying on the ground, or many when the arguments are arrays."""
        y0, y1, u0, u1 = np.broadcast_arrays(*[np.atleast_1d(np.asarray(a, np.float64)) for a in (y0, y1, u0, u1)])
        around = (y0, u0), (y0, u1), (y1, u1), (y1, u0)
        corners = np.stack([np.stack(place(self.street, a, b), -1) for a, b in around], axis=1)
        corners = np.concatenate([corners, np.full(corners.shape[:2] + (1,), z)], -1)
        builder.quads(corners, colour, LAYER[layer], uv=corners[..., :2])


SURFACES = {
    "parking": ((0.0945, 0.0945, 0.0972), "asphalt"),
    "lot": ((0.1155, 0.1155, 0.1188), "asphalt"),
    "setts": ((0.24, 0.235, 0.225), "setts"),
    "gutter": ((0.20, 0.20, 0.20), "setts"),
    "pavement": ((0.32, 0.315, 0.30), "paving"),
    "grass": ((0.105, 0.130, 0.048), "grass"),
    "garden": ((0.095, 0.125, 0.046), "grass"),
}


def lay_ground(street, ground):
    """Carriageway, the surfaces beside it with their kerbs, the land behind."""
    left, right = street["road"]
    tone = np.array(ASPHALT) * street["asphalt"]
    edges = sorted({left, right, *[u for u, _ in street["lines"] if left < u < right]})
    for a, b in zip(edges[:-1], edges[1:]):
        ground.ribbon(a, b, 0, 0, tone, "asphalt")
    for side in (-1, 1):
        u = right if side > 0 else left
        for width, kind, z in street["sides"][side]:
            v = u + side * width
            colour, layer = SURFACES[kind]
            shade = street["asphalt"] if kind in ("parking", "lot") else street["slab"] if kind == "pavement" else 1.0
            ground.ribbon(*sorted((u, v)), z, z, np.array(colour) * shade, layer, side)
            if kind == "gutter":
                lay_kerb(ground, v, z, side)
            u = v
        land = street["sides"][side][-1][2] - 0.02
        ground.ribbon(*sorted((u, u + side * 140)), land, land, (0.095, 0.115, 0.045), "grass", side)


def lay_kerb(ground, u, z, side):
    """A kerb stone at the gutter's outer edge: a face towards the road and a top."""
    face, edge, top = u, u + side * 0.015, u + side * 0.14
    stone, worn = (0.36, 0.36, 0.35), (0.42, 0.42, 0.41)
    if side > 0:
        ground.ribbon(face, edge, z, KERB, stone, "concrete", side, occlusion=[0.6, 1, 1, 0.6])
        ground.ribbon(edge, top, KERB, KERB + 0.003, worn, "concrete", side)
    else:
        ground.ribbon(edge, face, KERB, z, stone, "concrete", side, occlusion=[1, 0.6, 0.6, 1])
        ground.ribbon(top, edge, KERB + 0.003, KERB, worn, "concrete", side)


def lay_side_streets(street, ground, decals):
    left, right = street["road"]
    tone = np.array(ASPHALT) * street["asphalt"] * 1.05
    for y, half, sides in street["junctions"]:
        for side in sides:
            u = right if side > 0 else left
            a, b = sorted((u, u + side * 90))
            ground.patch(ground.solid, y - half - 0.2, y + half + 0.2, a, b, -0.004, tone, "asphalt")
            dash = np.arange(2, 60, 6.0)
            ground.patch(decals, y - 0.06, y + 0.06, u + side * dash, u + side * (dash + 3), 0.004, WHITE_PAINT, "marking")
            inner, outer = sorted((u + side * 2, u + side * 90))
            for edge in (y - half, y + half):
                ground.patch(ground.solid, edge - 0.08, edge + 0.08, inner, outer, KERB, (0.4, 0.4, 0.39), "concrete")


def paint_markings(street, ground, decals):
    left, right = street["road"]
    for u, style in street["lines"]:
        if style == "solid":
            ground.ribbon(u - 0.06, u + 0.06, 0.004, 0.004, WHITE_PAINT, "marking", builder=decals)
        elif style == "dashed":
            start = np.arange(NEAR, FAR, street["dash"] * 3)
            ground.patch(decals, start, start + street["dash"], u - 0.06, u + 0.06, 0.004, WHITE_PAINT, "marking")
    for y, half, _ in street["junctions"]:
        if street["zebra"]:
            bars = np.arange(left + 0.4, right - 0.3, 1.0)
            ground.patch(decals, y - half - 4.0, y - half - 1.0, bars, bars + 0.5, 0.004, WHITE_PAINT, "marking")
        lane = street["lane"] / 2 - 0.1
        ground.patch(decals, y - half - 5.2, y - half - 4.8, -lane, lane, 0.004, WHITE_PAINT, "marking")


def wear(street, rng, ground, decals):
    """Repairs, cracks, manhole covers."""
    left, right = street["road"]
    tone = np.array(ASPHALT) * street["asphalt"]
    count = int(rng.integers(3, 14))
    y, u = rng.uniform(2, 90, count), rng.uniform(left, right - 0.5, count)
    end, edge = y + rng.uniform(0.8, 9, count), np.minimum(u + rng.uniform(0.5, 1.6, count), right)
    for i in range(count):
        shade = rng.choice([0.62, 0.75, 1.25, 1.12])
        ground.patch(decals, y[i], end[i], u[i], edge[i], 0.002, tone * shade, "asphalt")
        for seam in (u[i], edge[i]):
            ground.patch(decals, y[i], end[i], seam - 0.02, seam + 0.02, 0.003, (0.03, 0.03, 0.03), "asphalt")
    for _ in range(int(rng.integers(4, 16))):
        steps = int(rng.integers(4, 14))
        path_y = rng.uniform(2, 60) + np.cumsum(rng.uniform(0.3, 1.1, steps))
        path_u = np.clip(rng.uniform(left, right) + np.cumsum(rng.normal(0, 0.12, steps)), left + 0.05, right - 0.05)
        points = np.stack(place(street, path_y, path_u), -1)
        side = normalise(np.gradient(points, axis=0))[:, ::-1] * [1, -1] * 0.022
        crack = np.stack([points[:-1] - side[:-1], points[:-1] + side[:-1], points[1:] + side[1:], points[1:] - side[1:]], 1)
        crack = np.concatenate([crack, np.full(crack.shape[:2] + (1,), 0.003)], -1)
        decals.quads(crack, (0.035, 0.035, 0.037), LAYER["asphalt"], normal=[0, 0, 1])
    for _ in range(int(rng.integers(1, 5))):
        x, y = place(street, rng.uniform(5, 45), rng.uniform(left + 0.6, right - 0.6))
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        ring = np.stack([x + 0.33 * np.cos(angle), y + 0.33 * np.sin(angle), np.full(12, 0.004)], -1)
        lid = np.stack([np.repeat(ring.mean(0)[None], 6, 0), ring[0::2], ring[1::2], np.roll(ring, -2, 0)[0::2]], 1)
        decals.quads(lid, (0.09, 0.085, 0.08), LAYER["setts"], uv=lid[..., :2] * 4, normal=[0, 0, 1])


class Garden:
    """Collects plant instances by kind, rows (x, y, z, yaw, size, tone)."""

    def __init__(self, street, rng):
        self.street, self.rng, self.rows = street, rng, {}

    def plant(self, kind, y, u, z, size):
        """One plant at a point along the street, turned and tinted at random."""
        self.put(kind, *place(self.street, y, u), z, size)

    def put(self, kind, x, y, z, size):
        rng = self.rng
        self.rows.setdefault(kind, []).append((x, y, z, rng.uniform(0, 2 * np.pi), size, rng.uniform(0.75, 1.25)))

    def hedge(self, y, u, z):
        x, north = place(self.street, y, u)
        turn = np.pi / 2 + bend(self.street, y)[1]
        self.rows.setdefault("hedge", []).append((x, north, z, turn, self.street["hedge_size"], 1.0))

    def free(self, y, side, margin=1.0):
        """Whether y is `margin` clear of every side street's mouth on this side."""
        return all(side not in sides or abs(y - yj) > half + margin for yj, half, sides in self.street["junctions"])


def grow(street, rng, filled):
    """Plant instances: list of (kind, float32 [n, 6] = x, y, z, yaw, size, tone)."""
    garden = Garden(street, rng)
    for side in (-1, 1):
        u, hedged = street["road"][1] if side > 0 else street["road"][0], False
        lawn = any(kind == "grass" for _, kind, _ in street["sides"][side])
        for width, kind, z in street["sides"][side]:
            if kind in ("grass", "garden"):
                grow_strip(garden, side, u, width, kind, z, not hedged)
                hedged = hedged or (kind == "garden" and street["hedge"][side] > 0)
            elif kind in ("pavement", "setts") and street["trees"][side] and not lawn and width > 2.2:
                for y in np.arange(rng.uniform(4, 14), 130, street["trees"][side]):
                    if garden.free(y, side, 3.0):
                        where = place(street, y, u + side * 0.9)
                        garden.put("tree", *where, z, rng.uniform(0.6, 0.9) * street["tree_size"])
            u += side * width
        grow_behind(garden, side, u, [(a, b) for s, a, b in filled if s == side])
    grow_ends(garden)
    return [(kind, np.array(rows, np.float32)) for kind, rows in garden.rows.items()]


def grow_strip(garden, side, u, width, kind, z, may_hedge):
    """A verge (avenue trees) or a garden (hedge, shrubs, trees), and the grass that stands on it."""
    street, rng, middle = garden.street, garden.rng, u + side * width / 2
    if kind == "grass" and street["trees"][side] and width > 1.2:
        for y in np.arange(rng.uniform(2, 14), 130, street["trees"][side]):
            y = y + rng.normal(0, 0.8)
            if garden.free(y, side, 2.5):
                garden.plant("tree", y, middle, z, rng.uniform(0.7, 1.1) * street["tree_size"])
    if kind == "garden":
        if street["hedge"][side] and may_hedge:
            for y in np.arange(3, 75, 1.0):
                if garden.free(y, side) and (y // 9) % 3 != street["hedge"][side] % 3:
                    garden.hedge(y, u + side * 0.5, z)
        for _ in range(int(width * rng.uniform(1, 4))):
            y = rng.uniform(4, 90)
            if garden.free(y, side):
                garden.plant("shrub", y, u + side * rng.uniform(0.8, max(width - 0.5, 1.0)), z, rng.uniform(0.5, 1.3))
        if width > 3.5:
            for _ in range(int(rng.integers(1, 7))):
                y = rng.uniform(6, 110)
                if garden.free(y, side, 2.5):
                    garden.plant(str(rng.choice(["tree", "tree", "fir"])), y, middle, z, rng.uniform(0.5, 0.9))
    count = int(min(width, 3.0) * 55 * street["turf"])
    for y, v in zip(4 + 34 * rng.random(count) ** 1.6, rng.random(count)):
        if garden.free(y, side):
            garden.plant("turf", y, u + side * min(width, 3.0) * v, z, rng.uniform(0.7, 1.2))


def grow_behind(garden, side, u, taken):
    """Trees between and behind the houses; where there are none, a wood and shrubs."""
    street, rng, row = garden.street, garden.rng, garden.street["rows"][side]
    for _ in range(int(street["wood"] * (0.5 if row else 1.0))):
        y, v = rng.uniform(8, 140), (16 if row else 1.5) + abs(rng.normal(0, 14))
        if garden.free(y, side, 4) and not (row and v < 16 and any(a - 2 < y < b + 2 for a, b in taken)):
            garden.plant("tree" if y < 45 and v < 12 else "far", y, u + side * v, 0.05, rng.uniform(0.7, 1.3))
    if not row:
        for _ in range(int(rng.integers(10, 40))):
            y = rng.uniform(5, 90)
            if garden.free(y, side):
                garden.plant("shrub", y, u + side * rng.uniform(0.5, 7), 0.0, rng.uniform(0.7, 1.8))


def grow_ends(garden):
    """Trees that close the view at the end of the street and of its side streets."""
    street, rng = garden.street, garden.rng
    for x in np.arange(-110, 111, 5.5):
        garden.put("far", x + bend(street, 165)[0] + rng.normal(0, 2), 158 + rng.uniform(0, 30), 0, rng.uniform(0.8, 1.4))
    for y, half, sides in street["junctions"]:
        for side in sides:
            for _ in range(14):
                garden.plant("far", y + rng.uniform(-14, 14), side * rng.uniform(62, 85), 0, rng.uniform(0.7, 1.2))
            for near in (-1, 1):
                for v in np.arange(24, 60, 7.0):
                    where = y + near * (half + 3 + rng.uniform(0, 3)), side * v
                    garden.plant("far" if v > 32 else "tree", *where, 0.05, rng.uniform(0.6, 1.0))


def build(street):
    """(solid, decals, plants): float32 [N, 14] twice, and instances as `grow` gives them."""
    rng = np.random.default_rng(street["seed"])
    solid, decals = Builder(), Builder()
    ground, here = Ground(street, solid), functools.partial(place, street)
    lay_ground(street, ground)
    lay_side_streets(street, ground, decals)
    paint_markings(street, ground, decals)
    wear(street, rng, ground, decals)
    filled = build_houses(street, rng, solid, here, ground.spans, KERB)
    furnish(street, rng, solid, here, NEAR, FAR)
    return solid.array(), decals.array(), grow(street, rng, filled)
