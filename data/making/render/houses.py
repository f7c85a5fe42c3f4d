"""Houses along the street: walls with real openings, windows set back in them, roofs with eaves."""

import numpy as np

from .mesh import normalise
from .textures import LAYER

SOFFIT, DARK_METAL = (0.3, 0.25, 0.2), (0.28, 0.28, 0.28)
PLASTER = [
    (0.62, 0.58, 0.48), (0.66, 0.65, 0.60), (0.60, 0.50, 0.32), (0.55, 0.42, 0.34), (0.48, 0.46, 0.42),
    (0.63, 0.55, 0.44), (0.50, 0.52, 0.50), (0.68, 0.66, 0.62), (0.56, 0.36, 0.24), (0.47, 0.475, 0.475),
]  # fmt: skip
BRICK = [(0.34, 0.14, 0.09), (0.40, 0.20, 0.13), (0.45, 0.33, 0.22)]
ROOF = [(0.24, 0.10, 0.065), (0.18, 0.085, 0.06), (0.10, 0.10, 0.105), (0.15, 0.12, 0.10)]


def muted(rng, low, high):
    """A colour for a door or a shop front: mostly grey, with a little of one hue."""
    hue, depth = rng.random(), rng.choice([0.1, 0.35, 0.7])
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue + np.array([0, 0.33, 0.67])))
    return rng.uniform(low, high) * (1 - depth + depth * wheel)


def pick(rng, colours):
    return np.array(colours[int(rng.integers(len(colours)))])


def wall_look(rng, urban):
    """The appearance of one house: colours, and the sizes of its windows in metres."""
    brick = rng.random() < 0.28
    wall = pick(rng, BRICK if brick else PLASTER) * rng.uniform(0.85, 1.1)
    dark = rng.random() < 0.3
    return dict(
        wall=wall,
        layer="brick" if brick else "plaster",
        plinth=np.array([0.30, 0.29, 0.27]) * rng.uniform(0.7, 1.2),
        bay=rng.uniform(2.2, 3.4),
        window=(rng.uniform(1.0, 1.5), rng.uniform(1.35, 1.8)),
        sill=rng.uniform(0.75, 0.95),
        recess=rng.uniform(0.08, 0.2),
        frame=(0.08, 0.07, 0.06) if dark else (0.70, 0.70, 0.68),
        trim=np.array([0.62, 0.60, 0.55]) if rng.random() < 0.7 else wall * 0.7,
        surround=urban and rng.random() < 0.6,
        transom=rng.random() < 0.5,
        bands=urban and rng.random() < 0.6,
        blank=rng.choice([0.0, 0.05, 0.15]),
        shutters=None if rng.random() < 0.7 else muted(rng, 0.06, 0.25),
        door=muted(rng, 0.05, 0.28),
        lit=0.35,
        shop=rng.uniform(0.15, 0.5) * np.ones(3),
        sign=muted(rng, 0.05, 0.45),
        awning=muted(rng, 0.08, 0.45),
        roof=pick(rng, ROOF),
    )


class Wall:
    """A vertical plane to build on: u along it, z up, w out of it, metres from its lower left corner seen from outside."""

    def __init__(self, solid, origin, along):
        self.solid, self.origin = solid, origin
        self.along = np.array([along[0], along[1], 0.0])
        self.out = np.array([along[1], -along[0], 0.0])

    def points(self, u, z, w=0.0):
        u, z, w = np.broadcast_arrays(np.asarray(u, np.float64), z, w)
        return self.origin + u[..., None] * self.along + z[..., None] * [0, 0, 1.0] + w[..., None] * self.out

    def quads(self, corners, colour, layer, **more):
        """Quads from four (u, z, w), each number an array [N] or one for all."""
        self.solid.quads(np.stack([self.points(*corner) for corner in corners], axis=-2), colour, layer, **more)

    def rectangles(self, u0, u1, z0, z1, w, colour, layer, **more):
        """Upright rectangles that face outwards."""
        u0, u1, z0, z1 = np.broadcast_arrays(np.atleast_1d(u0), u1, z0, z1)
        self.quads([(u0, z0, w), (u1, z0, w), (u1, z1, w), (u0, z1, w)], colour, layer, **more)


class Openings:
    """The windows and doors of a wall, arrays [N] in metres: cells u0 u1 z0 z1, openings o0 o1 s0 s1 within them.

    door and ground (on the ground floor) are bool, paint of the wall around and tone of the pane [N, 3] linear RGB.
    """

    FIELDS = ("u0", "u1", "z0", "z1", "o0", "o1", "s0", "s1", "paint", "tone", "door", "ground")

    def __init__(self, rng, width, base, floors, storey, look, door, shop):
        bays = max(int(round(width / look["bay"])), 1)
        pitch = width / bays
        bay, floor = (a.ravel() for a in np.meshgrid(np.arange(bays), np.arange(floors), indexing="ij"))
        across = np.full(len(bay), min(look["window"][0], pitch * 0.8))
        sill = np.full(len(bay), look["sill"])
        high = np.minimum(min(look["window"][1], storey - 0.5), storey - sill - 0.25)
        self.tone = rng.uniform(0.012, 0.05, (len(bay), 1)) * np.array([[0.9, 1.0, 1.1]])
        self.ground = floor == 0
        self.door = self.ground & (bay == int(rng.integers(bays))) & door
        sill, high = np.where(self.door, 0.05, sill), np.where(self.door, 2.15, high)
        across = np.where(self.door, 1.0, across)
        if shop:
            sill, high = np.where(self.ground, 0.35, sill), np.where(self.ground, storey - 0.95, high)
            across = np.where(self.ground, pitch - 0.35, across)
        self.blank = rng.random(len(bay)) < look["blank"]
        self.u0, self.z0 = bay * pitch, base + floor * storey
        self.u1, self.z1 = self.u0 + pitch, self.z0 + storey
        middle = (self.u0 + self.u1) / 2
        self.o0, self.o1 = middle - across / 2, middle + across / 2
        self.s0 = self.z0 + sill
        self.s1 = self.s0 + high
        self.paint = np.where((self.ground & shop)[:, None], look["shop"], look["wall"])

    def keep(self, chosen):
        for name in self.FIELDS:
            setattr(self, name, getattr(self, name)[chosen])


def facade(solid, rng, origin, along, width, base, floors, storey, look, windows=True, door=False, shop=False):
    """One wall with its windows: `origin` [3] its lower left corner seen from outside, `along` [2] its direction."""
    wall, layer = Wall(solid, origin, along), LAYER[look["layer"]]
    if not windows:
        wall.rectangles(0.0, width, 0.0, base + floors * storey, 0.0, look["wall"], layer)
        return
    o = Openings(rng, width, base, floors, storey, look, door, shop)
    if base > 0:
        wall.rectangles(0.0, width, 0.0, base, 0.03, look["plinth"], LAYER["stone"], occlusion=[0.55, 0.55, 1, 1])
    k = o.blank
    wall.rectangles(o.u0[k], o.u1[k], o.z0[k], o.z1[k], 0.0, o.paint[k], layer)
    o.keep(~k)
    if not len(o.u0):
        return
    for piece in ((o.u0, o.o0, o.z0, o.z1), (o.o1, o.u1, o.z0, o.z1), (o.o0, o.o1, o.z0, o.s0), (o.o0, o.o1, o.s1, o.z1)):
        wall.rectangles(*piece, 0.0, o.paint, layer)
    add_reveals(wall, o, -look["recess"], layer)
    add_panes(wall, rng, o, -look["recess"], look, shop)
    add_trim(wall, o, -look["recess"], look, shop)
    if look["bands"]:
        for z in base + storey * np.arange(1, floors):
            wall.rectangles(0.0, width, z - 0.09, z + 0.09, 0.05, look["trim"], LAYER["plaster"])
            ends = np.array([0.0]), np.array([width])
            top = [(ends[0], z + 0.09, 0.05), (ends[1], z + 0.09, 0.05), (ends[1], z + 0.09, 0.0), (ends[0], z + 0.09, 0.0)]
            wall.quads(top, look["trim"], LAYER["plaster"])
    if shop:
        head = base + storey
        wall.rectangles(0.1, width - 0.1, head - 0.62, head - 0.12, 0.10, look["sign"], LAYER["metal"], emission=0.25)
        if rng.random() < 0.6:
            a, b = np.array([0.3]), np.array([width - 0.3])
            cloth = [(a, head - 0.65, 1.0), (b, head - 0.65, 1.0), (b, head - 0.15, 0.02), (a, head - 0.15, 0.02)]
            wall.quads(cloth, look["awning"], LAYER["plain"])


def add_reveals(wall, o, depth, layer):
    """The four sides of the openings between the wall's face and the panes `depth` (negative) behind it."""
    colour = np.clip(o.paint * 1.05, 0, 1)
    left = [(o.o0, o.s0, 0), (o.o0, o.s0, depth), (o.o0, o.s1, depth), (o.o0, o.s1, 0)]
    right = [(o.o1, o.s0, depth), (o.o1, o.s0, 0), (o.o1, o.s1, 0), (o.o1, o.s1, depth)]
    below = [(o.o0, o.s0, 0), (o.o1, o.s0, 0), (o.o1, o.s0, depth), (o.o0, o.s0, depth)]
    above = [(o.o0, o.s1, depth), (o.o1, o.s1, depth), (o.o1, o.s1, 0), (o.o0, o.s1, 0)]
    wall.quads(left, colour, layer, occlusion=[1, 0.6, 0.6, 1])
    wall.quads(right, colour, layer, occlusion=[0.6, 1, 1, 0.6])
    wall.quads(below, colour, layer)
    wall.quads(above, colour, layer, occlusion=[0.5, 0.5, 0.8, 0.8])


def add_panes(wall, rng, o, depth, look, shop):
    """Glass and doors, curtains, frames."""
    lit = (rng.random(len(o.u0)) < look["lit"]) * rng.uniform(0.4, 1.0, len(o.u0))
    pane = np.where(o.door[:, None], look["door"], o.tone)
    layer = np.where(o.door, LAYER["planks"], LAYER["interior"])
    wall.rectangles(o.o0, o.o1, o.s0, o.s1, depth, pane, layer, emission=np.where(o.door, 0, lit))
    # Curtains and blinds hang behind the pane; they are drawn on it, in pale colours.
    k = (rng.random(len(o.u0)) < 0.45) & ~o.door & ~(o.ground & shop)
    drop = o.s1 - (o.s1 - o.s0) * rng.choice([0.25, 0.45, 1.0], len(o.u0), p=[0.4, 0.3, 0.3])
    cloth = rng.uniform(0.18, 0.42, (len(o.u0), 1)) * np.array([[1, 0.98, 0.93]])
    wall.rectangles(o.o0[k], o.o1[k], drop[k], o.s1[k], depth + 0.004, cloth[k], LAYER["interior"], emission=lit[k] * 0.7)
    k = ~o.door
    a, b, c, d, t = o.o0[k], o.o1[k], o.s0[k], o.s1[k], 0.055
    middle, bars = (a + b) / 2, [(a, a + t, c, d), (b - t, b, c, d), (a, b, c, c + t), (a, b, d - t, d)]
    bars.append((middle - t / 2, middle + t / 2, c, d))
    if look["transom"]:
        height = c + (d - c) * 0.7
        bars.append((a, b, height - t / 2, height + t / 2))
    for bar in bars:
        wall.rectangles(*bar, depth + 0.03, look["frame"], LAYER["metal"])


def add_trim(wall, o, depth, look, shop):
    """Surrounds, sills and shutters of the ordinary windows."""
    k = ~o.door & ~(o.ground & shop)
    if not k.any():
        return
    a, b, c, d = o.o0[k], o.o1[k], o.s0[k], o.s1[k]
    if look["surround"]:
        t = 0.12
        for piece in ((a - t, a, c - t, d + t), (b, b + t, c - t, d + t), (a, b, d, d + t * 1.4)):
            wall.rectangles(*piece, 0.03, look["trim"], LAYER["plaster"])
    # The sill: top and front of a slab that juts out and casts a shadow.
    slab = [(a - 0.06, c, 0.07), (b + 0.06, c, 0.07), (b + 0.06, c, depth), (a - 0.06, c, depth)]
    wall.quads(slab, look["trim"], LAYER["concrete"])
    wall.rectangles(a - 0.06, b + 0.06, c - 0.06, c, 0.07, look["trim"], LAYER["concrete"])
    if look["shutters"] is not None:
        half = (b - a) / 2
        for piece in ((a - half, a - 0.03), (b + 0.03, b + half)):
            wall.rectangles(*piece, c, d, 0.05, look["shutters"], LAYER["planks"])


class Roof:
    """The top of a house in its own frame: u along the street front, v back from it, z up."""

    EAVE, THICK = 0.45, 0.16

    def __init__(self, solid, corner, along, width, depth, top, look):
        self.solid, self.corner, self.along = solid, corner, along
        self.out = np.array([along[1], -along[0]])
        self.yaw = np.arctan2(along[1], along[0])
        self.width, self.depth, self.top, self.look = width, depth, top, look
        self.fascia = look["trim"] * 0.8

    def at(self, u, v, z):
        x, y = self.corner + self.along * u - self.out * v
        return np.array([x, y, z])

    def flat(self):
        """Gravel within a parapet."""
        width, depth, top = self.width, self.depth, self.top
        corners = [self.at(0, 0, top), self.at(width, 0, top), self.at(width, depth, top), self.at(0, depth, top)]
        self.solid.quads([corners], (0.25, 0.25, 0.25), LAYER["gravel"])
        front, back = (-0.1, width + 0.1, -0.12, 0.15), (-0.1, width + 0.1, depth - 0.15, depth + 0.1)
        for u0, u1, v0, v1 in (front, back, (-0.1, 0.15, 0, depth), (width - 0.15, width + 0.1, 0, depth)):
            centre = (self.at(u0, v0, top) + self.at(u1, v1, top)) / 2 + [0, 0, 0.15]
            half = np.array([abs(u1 - u0) / 2, abs(v1 - v0) / 2, 0.27])
            self.solid.boxes(centre, half, self.look["trim"], LAYER["concrete"], self.yaw)

    def slab(self, quad, edges):
        """A tiled plane [4, 3] with thickness: fascia boards along `edges` (pairs of corners), boards underneath."""
        lower = quad - [0, 0, self.THICK]
        self.solid.quads([quad], self.look["roof"], LAYER["tiles"])
        for i, j in edges:
            self.solid.quads([[lower[i], lower[j], quad[j], quad[i]]], self.fascia, LAYER["planks"])
        self.solid.quads([lower[[1, 0, 3, 2]]], SOFFIT, LAYER["planks"], occlusion=0.6)

    def gable(self, rise):
        """Two planes that meet above the middle; returns the ridge's height."""
        width, depth, at = self.width, self.depth, self.at
        ridge, low = self.top + depth / 2 * rise, self.top - self.EAVE * rise
        for v0, v1, sign in ((-self.EAVE, depth / 2, -1), (depth + self.EAVE, depth / 2, 1)):
            quad = np.array([at(-0.25, v0, low), at(width + 0.25, v0, low), at(width + 0.25, v1, ridge), at(-0.25, v1, ridge)])
            self.slab(quad if sign < 0 else quad[[1, 0, 3, 2]], [(0, 1), (3, 0), (1, 2)])
            gutter = [at(-0.25, v0 + sign * 0.06, low - 0.02), at(width + 0.25, v0 + sign * 0.06, low - 0.02)]
            self.solid.tube(gutter, 0.065, (0.30, 0.30, 0.30), LAYER["metal"], 6)
        for u in (0.0, width):
            feet = [at(u, 0, self.top), at(u, depth, self.top)]
            peak = at(u, depth / 2, ridge)
            self.solid.quads([[*(feet if u > 0 else feet[::-1]), peak, peak]], self.look["wall"], LAYER[self.look["layer"]])
        return ridge

    def hip(self, rise):
        """Four planes; returns the ridge's height."""
        width, depth, at, e = self.width, self.depth, self.at, self.EAVE
        inset = min(width, depth) / 2
        ridge, low = self.top + inset * rise, self.top - e * rise
        c = np.array([at(-e, -e, low), at(width + e, -e, low), at(width + e, depth + e, low), at(-e, depth + e, low)])
        if width >= depth:
            r = [at(inset, depth / 2, ridge), at(width - inset, depth / 2, ridge)]
            faces = [[c[0], c[1], r[1], r[0]], [c[1], c[2], r[1], r[1]], [c[2], c[3], r[0], r[1]], [c[3], c[0], r[0], r[0]]]
        else:
            r = [at(width / 2, inset, ridge), at(width / 2, depth - inset, ridge)]
            faces = [[c[0], c[1], r[0], r[0]], [c[1], c[2], r[1], r[0]], [c[2], c[3], r[1], r[1]], [c[3], c[0], r[0], r[1]]]
        self.solid.quads(faces, self.look["roof"], LAYER["tiles"])
        lower = c - [0, 0, self.THICK]
        for i in range(4):
            j = (i + 1) % 4
            self.solid.quads([[lower[i], lower[j], c[j], c[i]]], self.fascia, LAYER["planks"])
        self.solid.quads([lower[::-1]], SOFFIT, LAYER["planks"], occlusion=0.6)
        return ridge

    def chimney(self, u, ridge):
        place = self.at(u, self.depth * 0.42, ridge + 0.1)
        self.solid.boxes(place, [0.3, 0.4, 0.9], (0.30, 0.15, 0.11), LAYER["brick"], self.yaw)

    def dormers(self, rise):
        v = self.depth * 0.16
        z = self.top + v * rise
        for u in np.arange(self.width * 0.2, self.width * 0.9, max(self.width * 0.3, 2.6)):
            hut = self.at(u, v + 0.5, z + 0.45)
            self.solid.boxes(hut, [0.65, 0.8, 0.65], self.look["roof"] * 0.9, LAYER["metal"], self.yaw)
            pane = [(u - 0.5, z + 0.1), (u + 0.5, z + 0.1), (u + 0.5, z + 0.95), (u - 0.5, z + 0.95)]
            self.solid.quads([[self.at(a, v - 0.31, b) for a, b in pane]], (0.03, 0.03, 0.035), LAYER["interior"])


def house(solid, rng, corner, along, width, depth, floors, storey, look, roof, ground, shop=False, blind_sides=False):
    """A building: `corner` [2] the left end of its street front seen from the street, `along` [2] the front's direction."""
    along = np.asarray(along, np.float64)
    out = np.array([along[1], -along[0]])
    base = rng.uniform(0.25, 0.6) if not shop else 0.1
    right, back = corner + along * width, -out * depth
    walls = [(corner, along, width), (right, -out, depth), (right + back, -along, width), (corner + back, out, depth)]
    for i, (start, direction, length) in enumerate(walls):
        windows = i == 0 or (not blind_sides and i != 2)
        front = dict(door=not shop, shop=shop) if i == 0 else {}
        facade(solid, rng, np.array([*start, ground]), direction, length, base, floors, storey, look, windows, **front)
    top = ground + base + floors * storey
    cap = Roof(solid, corner, along, width, depth, top, look)
    if roof == "flat":
        cap.flat()
        return
    rise = rng.uniform(0.55, 0.95)
    ridge = cap.gable(rise) if roof == "gable" else cap.hip(rise)
    for _ in range(int(rng.integers(1, 3))):
        cap.chimney(rng.uniform(0.2, 0.8) * width, ridge)
    if roof == "gable" and rng.random() < 0.6:
        cap.dormers(rise)
    pipe = cap.at(width - 0.15, -0.08, 0)[:2]
    solid.tube([[*pipe, ground], [*pipe, top]], 0.05, DARK_METAL, LAYER["metal"], 6)


def build_houses(street, rng, solid, place, spans, ground):
    """Rows of houses on both sides; returns the stretches (side, y0, y1) that they fill, for the gardens.

    place(y, u) and spans(side) are the street's; ground: the height that houses stand on, metres.
    """
    filled = []
    for side in (-1, 1):
        row = street["rows"][side]
        if row is None:
            continue
        edge = street["road"][1] if side > 0 else street["road"][0]
        u = edge + side * (sum(w for w, _, _ in street["sides"][side]) - row["overlap"])
        for first, last in spans(side):
            y = first + rng.uniform(0.5, 4)
            while y < last - 6:
                width = rng.uniform(*row["width"])
                if y + width > last - 0.3:
                    break
                look = wall_look(rng, row["urban"])
                floors = int(rng.integers(row["floors"][0], row["floors"][1] + 1))
                setback = u + side * rng.uniform(0, row["setback"])
                # Seen from the street, the left end of a house on the right lies farther away.
                left, right = (y, y + width) if side < 0 else (y + width, y)
                start, end = np.array(place(left, setback)), np.array(place(right, setback))
                shop = row["urban"] and rng.random() < row["shops"]
                roof = rng.choice(row["roofs"])
                depth, storey = rng.uniform(*row["depth"]), rng.uniform(2.7, 3.6 if row["urban"] else 3.3)
                blind = row["urban"] and rng.random() < 0.6
                size = (np.linalg.norm(end - start), depth, floors, storey)
                house(solid, rng, start, normalise(end - start), *size, look, roof, ground, shop, blind)
                filled.append((side, y, y + width))
                y += width + (0 if rng.random() < row["joined"] else rng.uniform(*row["gap"]))
    return filled
