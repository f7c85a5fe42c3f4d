"""What stands in a street: ground, kerbs, markings, houses, posts, and where the plants grow.

`build(street)` turns the street's description (scene.py) into static triangles and plant instances. Along the
street runs y (metres ahead of the camera), across it u (metres right of the camera's lane).
"""
import numpy as np

from .mesh import Builder, normalise
from .textures import LAYER

KERB = 0.12
NEAR, FAR = -28.0, 150.0
ASPHALT, GREY, WHITE_PAINT = (0.105, 0.105, 0.108), (0.32, 0.315, 0.30), (0.72, 0.72, 0.70)


def bend(street, y):
    """Lateral offset of the street's axis and its heading (radians to the left of straight on) at y."""
    y = np.asarray(y, np.float64)
    reach = np.clip(y, -40, 110)
    offset = street["bend"] / 2 * reach**2 + street["bend"] * 110 * np.maximum(y - 110, 0)
    return offset, -np.arctan(street["bend"] * reach)


def place(street, y, u):
    """World (X, Y) of a point y along the street and u across it."""
    offset, heading = bend(street, y)
    return offset + u * np.cos(heading), np.asarray(y, np.float64) + u * np.sin(heading)


class Ground:
    """Ribbons along the street between two lateral positions, broken where a side street comes in."""

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
        for a, b in self.spans(side) if side else [(NEAR, FAR)]:
            y = np.linspace(a, b, max(int((b - a) / 2.0), 2))
            left, right = np.stack(place(self.street, y, u0), -1), np.stack(place(self.street, y, u1), -1)
            left = np.column_stack([left, np.full(len(y), z0)])
            right = np.column_stack([right, np.full(len(y), z1)])
            width = np.hypot(u1 - u0, z1 - z0)
            uv_left, uv_right = np.column_stack([np.full(len(y), u0), y]), np.column_stack([np.full(len(y), u0 + width), y])
            (builder or self.solid).strip(left, right, uv_left, uv_right, colour, LAYER[layer], occlusion)

    def patch(self, builder, y0, y1, u0, u1, z, colour, layer, skew=0.0):
        """One flat quad lying on the ground, or many when the arguments are arrays."""
        y0, y1, u0, u1 = np.broadcast_arrays(*[np.atleast_1d(np.asarray(a, np.float64)) for a in (y0, y1, u0, u1)])
        corners = np.stack([np.stack(place(self.street, a, b), -1) for a, b in ((y0, u0), (y0 + skew, u1), (y1 + skew, u1), (y1, u0))], axis=1)
        corners = np.concatenate([corners, np.full(corners.shape[:2] + (1,), z)], -1)
        builder.quads(corners, colour, LAYER[layer], uv=corners[..., :2])


def lay_road(street, rng, solid, decals):
    ground = Ground(street, solid)
    left, right = street["road"]
    tone = np.array(ASPHALT) * street["asphalt"]
    edges = sorted({left, right, *[u for u, _ in street["lines"] if left < u < right]})
    for a, b in zip(edges[:-1], edges[1:]):
        ground.ribbon(a, b, 0, 0, tone, "asphalt")
    for side in (-1, 1):
        u = right if side > 0 else left
        for width, kind, z in street["sides"][side]:
            v = u + side * width
            a, b = (u, v) if side > 0 else (v, u)
            colour, layer = {
                "parking": (tone * 0.9, "asphalt"), "setts": ((0.24, 0.235, 0.225), "setts"), "pavement": (np.array(GREY) * street["slab"], "paving"),
                "grass": ((0.105, 0.130, 0.048), "grass"), "garden": ((0.095, 0.125, 0.046), "grass"), "gravel": ((0.33, 0.30, 0.26), "gravel"),
                "lot": (tone * 1.1, "asphalt"), "gutter": ((0.20, 0.20, 0.20), "setts"),
            }[kind]  # fmt: skip
            ground.ribbon(a, b, z, z, colour, layer, side)
            if kind == "gutter":
                # The kerb stone stands at the outer edge: a face towards the road and a top.
                face, top = v, v + side * 0.14
                if side > 0:
                    ground.ribbon(face, face + 0.015, z, KERB, (0.36, 0.36, 0.35), "concrete", side, occlusion=[0.6, 1, 1, 0.6])
                    ground.ribbon(face + 0.015, top, KERB, KERB + 0.003, (0.42, 0.42, 0.41), "concrete", side)
                else:
                    ground.ribbon(face - 0.015, face, KERB, z, (0.36, 0.36, 0.35), "concrete", side, occlusion=[1, 0.6, 0.6, 1])
                    ground.ribbon(top, face - 0.015, KERB + 0.003, KERB, (0.42, 0.42, 0.41), "concrete", side)
            u = v
        # The land behind everything that is laid out.
        a, b = (u, u + 140) if side > 0 else (u - 140, u)
        z = street["sides"][side][-1][2] - 0.02
        ground.ribbon(a, b, z, z, (0.095, 0.115, 0.045), "grass", side)
    for y, half, sides in street["junctions"]:
        for side in sides:
            u = right if side > 0 else left
            a, b = (u, u + 90) if side > 0 else (u - 90, u)
            ground.patch(solid, y - half - 0.2, y + half + 0.2, a, b, -0.004, tone * 1.05, "asphalt")
            dash = np.arange(2, 60, 6.0)
            ground.patch(decals, y - 0.06, y + 0.06, u + side * dash, u + side * (dash + 3), 0.004, WHITE_PAINT, "marking")
            for edge in (y - half, y + half):
                ground.patch(solid, edge - 0.08, edge + 0.08, a + (2 if side > 0 else 0), b - (0 if side > 0 else 2), KERB, (0.4, 0.4, 0.39), "concrete")

    for u, style in street["lines"]:
        if style == "solid":
            ground.ribbon(u - 0.06, u + 0.06, 0.004, 0.004, WHITE_PAINT, "marking", builder=decals)
        elif style == "dashed":
            start = np.arange(NEAR, FAR, street["dash"] * 3)
            ground.patch(decals, start, start + street["dash"], u - 0.06, u + 0.06, 0.004, WHITE_PAINT, "marking")
        elif style == "bays":
            start = np.arange(NEAR + 3, FAR, 6.0)
            ground.patch(decals, start, start + 0.1, u, u + 2.0, 0.004, WHITE_PAINT, "marking")
    for y, half, _ in street["junctions"]:
        if street["zebra"]:
            bars = np.arange(left + 0.4, right - 0.3, 1.0)
            ground.patch(decals, y - half - 4.0, y - half - 1.0, bars, bars + 0.5, 0.004, WHITE_PAINT, "marking")
        ground.patch(decals, y - half - 5.2, y - half - 4.8, -street["lane"] / 2 + 0.1, street["lane"] / 2 - 0.1, 0.004, WHITE_PAINT, "marking")

    # Mended places, tar seams, manholes: what tells a road from a grey plane.
    count = int(rng.integers(3, 14))
    y, u = rng.uniform(2, 90, count), rng.uniform(left, right - 0.5, count)
    long, wide = rng.uniform(0.8, 9, count), rng.uniform(0.5, 1.6, count)
    for i in range(count):
        shade = rng.choice([0.62, 0.75, 1.25, 1.12])
        ground.patch(decals, y[i], y[i] + long[i], u[i], min(u[i] + wide[i], right), 0.002, tone * shade, "asphalt")
        for side in (u[i], min(u[i] + wide[i], right)):
            ground.patch(decals, y[i], y[i] + long[i], side - 0.02, side + 0.02, 0.003, (0.03, 0.03, 0.03), "asphalt")
    for _ in range(int(rng.integers(4, 16))):
        steps = int(rng.integers(4, 14))
        path_y = rng.uniform(2, 60) + np.cumsum(rng.uniform(0.3, 1.1, steps))
        path_u = np.clip(rng.uniform(left, right) + np.cumsum(rng.normal(0, 0.12, steps)), left + 0.05, right - 0.05)
        points = np.stack(place(street, path_y, path_u), -1)
        side = normalise(np.gradient(points, axis=0))[:, ::-1] * [1, -1] * 0.022
        corners = np.stack([points[:-1] - side[:-1], points[:-1] + side[:-1], points[1:] + side[1:], points[1:] - side[1:]], 1)
        decals.quads(np.concatenate([corners, np.full(corners.shape[:2] + (1,), 0.003)], -1), (0.035, 0.035, 0.037), LAYER["asphalt"], normal=[0, 0, 1])
    for _ in range(int(rng.integers(1, 5))):
        x, yy = place(street, rng.uniform(5, 45), rng.uniform(left + 0.6, right - 0.6))
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        ring = np.stack([x + 0.33 * np.cos(angle), yy + 0.33 * np.sin(angle), np.full(12, 0.004)], -1)
        quads = np.stack([np.repeat(ring.mean(0)[None], 6, 0), ring[0::2], ring[1::2], np.roll(ring, -2, 0)[0::2]], 1)
        decals.quads(quads, (0.09, 0.085, 0.08), LAYER["setts"], uv=quads[..., :2] * 4, normal=[0, 0, 1])


def facade(solid, rng, origin, along, width, base, floors, storey, look, windows=True, door=False, shop=False):
    """One wall with its windows: `origin` [3] its lower left corner seen from outside, `along` [2] its direction."""
    along = np.array([along[0], along[1], 0.0])
    out = np.array([along[1], -along[0], 0.0])
    up = np.array([0, 0, 1.0])

    def points(u, z, w=0.0):
        u, z, w = np.broadcast_arrays(np.asarray(u, np.float64), z, w)
        return origin + u[..., None] * along + z[..., None] * up + w[..., None] * out

    def rectangles(u0, u1, z0, z1, w, colour, layer, **more):
        u0, u1, z0, z1 = np.broadcast_arrays(u0, u1, z0, z1)
        solid.quads(np.stack([points(u0, z0, w), points(u1, z0, w), points(u1, z1, w), points(u0, z1, w)], axis=-2), colour, layer, **more)

    wall, layer = look["wall"], LAYER[look["layer"]]
    top = base + floors * storey
    if not windows:
        rectangles(np.array([0.0]), width, 0.0, top, 0.0, wall, layer)
        return
    bays = max(int(round(width / look["bay"])), 1)
    pitch = width / bays
    b, f = [a.ravel() for a in np.meshgrid(np.arange(bays), np.arange(floors), indexing="ij")]
    open_w = np.full(len(b), min(look["window"][0], pitch * 0.8))
    open_h = np.full(len(b), min(look["window"][1], storey - 0.5))
    sill = np.full(len(b), look["sill"])
    open_h = np.minimum(open_h, storey - sill - 0.25)
    glass_tone = rng.uniform(0.012, 0.05, (len(b), 1)) * np.array([[0.9, 1.0, 1.1]])
    ground = f == 0
    is_door = ground & (b == int(rng.integers(bays))) & door
    sill = np.where(is_door, 0.05, sill)
    open_h = np.where(is_door, 2.15, open_h)
    open_w = np.where(is_door, 1.0, open_w)
    if shop:
        sill, open_h = np.where(ground, 0.35, sill), np.where(ground, storey - 0.95, open_h)
        open_w = np.where(ground, pitch - 0.35, open_w)
    blank = rng.random(len(b)) < look["blank"]
    u0, z0 = b * pitch, base + f * storey
    u1, z1 = u0 + pitch, z0 + storey
    c = (u0 + u1) / 2
    o0, o1 = c - open_w / 2, c + open_w / 2
    s0 = z0 + sill
    s1 = s0 + open_h
    if base > 0:
        rectangles(np.array([0.0]), width, 0.0, base, 0.03, look["plinth"], LAYER["stone"], occlusion=[0.55, 0.55, 1, 1])
    paint = np.where((ground & shop)[:, None], np.asarray(look["shop"])[None], np.asarray(wall)[None])
    k = blank
    rectangles(u0[k], u1[k], z0[k], z1[k], 0.0, paint[k], layer)
    k = ~blank
    u0, u1, z0, z1, o0, o1, s0, s1, paint, glass_tone, is_door, ground = [a[k] for a in (u0, u1, z0, z1, o0, o1, s0, s1, paint, glass_tone, is_door, ground)]
    if not len(u0):
        return
    for q in ((u0, o0, z0, z1), (o1, u1, z0, z1), (o0, o1, z0, s0), (o0, o1, s1, z1)):
        rectangles(*q, 0.0, paint, layer)
    d = -look["recess"]
    reveal = np.clip(paint * 1.05, 0, 1)
    for a, e in ((o0, 0), (o1, 1)):
        q = np.stack([points(a, s0, 0 if e == 0 else d), points(a, s0, d if e == 0 else 0), points(a, s1, d if e == 0 else 0), points(a, s1, 0 if e == 0 else d)], -2)
        solid.quads(q, reveal, layer, occlusion=[1, 0.6, 0.6, 1] if e == 0 else [0.6, 1, 1, 0.6])
    solid.quads(np.stack([points(o0, s0, 0), points(o1, s0, 0), points(o1, s0, d), points(o0, s0, d)], -2), reveal, layer)
    solid.quads(np.stack([points(o0, s1, d), points(o1, s1, d), points(o1, s1, 0), points(o0, s1, 0)], -2), reveal, layer, occlusion=[0.5, 0.5, 0.8, 0.8])
    lit = (rng.random(len(u0)) < look["lit"]) * rng.uniform(0.4, 1.0, len(u0))
    pane = np.where(is_door[:, None], np.asarray(look["door"])[None], glass_tone)
    rectangles(o0, o1, s0, s1, d, pane, np.where(is_door, LAYER["planks"], LAYER["interior"]), emission=np.where(is_door, 0, lit))
    # Curtains and blinds hang behind the pane: they are drawn on it, pale and without its depth.
    curtain = (rng.random(len(u0)) < 0.45) & ~is_door & ~(ground & shop)
    drop = s1 - (s1 - s0) * rng.choice([0.25, 0.45, 1.0], len(u0), p=[0.4, 0.3, 0.3])
    cloth = rng.uniform(0.18, 0.42, (len(u0), 1)) * np.array([[1, 0.98, 0.93]])
    rectangles(o0[curtain], o1[curtain], drop[curtain], s1[curtain], d + 0.004, cloth[curtain], LAYER["interior"], emission=lit[curtain] * 0.7)
    frame, t, w = look["frame"], 0.055, d + 0.03
    k = ~is_door
    a0, a1, c0, c1 = o0[k], o1[k], s0[k], s1[k]
    middle = (a0 + a1) / 2
    for q in ((a0, a0 + t, c0, c1), (a1 - t, a1, c0, c1), (a0, a1, c0, c0 + t), (a0, a1, c1 - t, c1), (middle - t / 2, middle + t / 2, c0, c1)):
        rectangles(*q, w, frame, LAYER["metal"])
    if look["transom"]:
        height = c0 + (c1 - c0) * 0.7
        rectangles(a0, a1, height - t / 2, height + t / 2, w, frame, LAYER["metal"])
    k = ~is_door & ~(ground & shop)
    if look["surround"] and k.any():
        t = 0.12
        for q in ((o0 - t, o0, s0 - t, s1 + t), (o1, o1 + t, s0 - t, s1 + t), (o0, o1, s1, s1 + t * 1.4)):
            rectangles(*[np.asarray(a)[k] for a in q], 0.03, look["trim"], LAYER["plaster"])
    if k.any():
        # The sill: top, front and underside of a slab that sticks out and throws its shadow.
        a0, a1, c0 = o0[k] - 0.06, o1[k] + 0.06, s0[k]
        solid.quads(np.stack([points(a0, c0, 0.07), points(a1, c0, 0.07), points(a1, c0, d), points(a0, c0, d)], -2), look["trim"], LAYER["concrete"])
        rectangles(a0, a1, c0 - 0.06, c0, 0.07, look["trim"], LAYER["concrete"])
    if look["shutters"] is not None and k.any():
        half = (o1 - o0)[k] / 2
        for a0, a1 in ((o0[k] - half, o0[k] - 0.03), (o1[k] + 0.03, o1[k] + half)):
            rectangles(a0, a1, s0[k], s1[k], 0.05, look["shutters"], LAYER["planks"])
    if look["bands"]:
        for z in base + storey * np.arange(1, floors):
            rectangles(np.array([0.0]), width, z - 0.09, z + 0.09, 0.05, look["trim"], LAYER["plaster"])
            solid.quads(points(np.array([0, width, width, 0.0]), z + 0.09, np.array([0.05, 0.05, 0, 0]))[None], look["trim"], LAYER["plaster"])
    if shop:
        rectangles(np.array([0.1]), width - 0.1, base + storey - 0.62, base + storey - 0.12, 0.10, look["sign"], LAYER["metal"], emission=0.25)
        if rng.random() < 0.6:
            edge = points(np.array([0.3, width - 0.3]), base + storey - 0.65, 1.0)
            wall_edge = points(np.array([0.3, width - 0.3]), base + storey - 0.15, 0.02)
            solid.quads(np.stack([edge[0], edge[1], wall_edge[1], wall_edge[0]])[None], look["awning"], LAYER["plain"])


def muted(rng, low, high):
    """A colour that somebody would paint a door or a shop front with: mostly grey, a little of one hue."""
    hue, depth = rng.random(), rng.choice([0.1, 0.35, 0.7])
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue + np.array([0, 0.33, 0.67])))
    return rng.uniform(low, high) * (1 - depth + depth * wheel)


def wall_look(rng, urban):
    palette = [(0.62, 0.58, 0.48), (0.66, 0.65, 0.60), (0.60, 0.50, 0.32), (0.55, 0.42, 0.34), (0.48, 0.46, 0.42), (0.63, 0.55, 0.44),
               (0.50, 0.52, 0.50), (0.68, 0.66, 0.62), (0.56, 0.36, 0.24), (0.47, 0.475, 0.475)]  # fmt: skip
    brick = rng.random() < 0.28
    wall = np.array([(0.34, 0.14, 0.09), (0.40, 0.20, 0.13), (0.45, 0.33, 0.22)][int(rng.integers(3))] if brick else palette[int(rng.integers(len(palette)))])
    wall = wall * rng.uniform(0.85, 1.1)
    dark = rng.random() < 0.3
    return dict(
        wall=wall, layer="brick" if brick else "plaster", plinth=np.array([0.30, 0.29, 0.27]) * rng.uniform(0.7, 1.2), bay=rng.uniform(2.2, 3.4),
        window=(rng.uniform(1.0, 1.5), rng.uniform(1.35, 1.8)), sill=rng.uniform(0.75, 0.95), recess=rng.uniform(0.08, 0.2),
        frame=(0.08, 0.07, 0.06) if dark else (0.70, 0.70, 0.68), trim=np.array([0.62, 0.60, 0.55]) if rng.random() < 0.7 else wall * 0.7,
        surround=urban and rng.random() < 0.6, transom=rng.random() < 0.5, bands=urban and rng.random() < 0.6, blank=rng.choice([0.0, 0.05, 0.15]),
        shutters=None if rng.random() < 0.7 else muted(rng, 0.06, 0.25), door=muted(rng, 0.05, 0.28), lit=0.35,
        shop=rng.uniform(0.15, 0.5) * np.ones(3), sign=muted(rng, 0.05, 0.45), awning=muted(rng, 0.08, 0.45),
        roof=np.array([(0.24, 0.10, 0.065), (0.18, 0.085, 0.06), (0.10, 0.10, 0.105), (0.15, 0.12, 0.10)][int(rng.integers(4))]),
    )  # fmt: skip


def house(solid, rng, corner, along, width, depth, floors, storey, look, roof, ground=KERB, shop=False, blind_sides=False):
    """A building: `corner` [2] the left end of its street front seen from the street, `along` [2] the front's direction."""
    along = np.asarray(along, np.float64)
    out = np.array([along[1], -along[0]])
    base = rng.uniform(0.25, 0.6) if not shop else 0.1
    fronts = [(corner, along, width), (corner + along * width, -out, depth), (corner + along * width - out * depth, -along, width), (corner - out * depth, out, depth)]
    for i, (start, direction, length) in enumerate(fronts):
        origin = np.array([start[0], start[1], ground])
        windows = i == 0 or (not blind_sides and i != 2)
        facade(solid, rng, origin, direction, length, base, floors, storey, look, windows, door=i == 0 and not shop, shop=shop and i == 0)
    top = ground + base + floors * storey

    def at(u, v, z):
        p = corner + along * u - out * v
        return [p[0], p[1], z]

    if roof == "flat":
        solid.quads([[at(0, 0, top), at(width, 0, top), at(width, depth, top), at(0, depth, top)]], (0.25, 0.25, 0.25), LAYER["gravel"])
        for u0, u1, v0, v1 in ((-0.1, width + 0.1, -0.12, 0.15), (-0.1, width + 0.1, depth - 0.15, depth + 0.1), (-0.1, 0.15, 0, depth), (width - 0.15, width + 0.1, 0, depth)):
            centre = (np.array(at(u0, v0, top)) + np.array(at(u1, v1, top))) / 2 + [0, 0, 0.15]
            half = np.array([abs(u1 - u0) / 2, abs(v1 - v0) / 2, 0.27])
            solid.boxes(centre, half, look["trim"], LAYER["concrete"], np.arctan2(along[1], along[0]))
        return
    eave, rise = 0.45, rng.uniform(0.55, 0.95)
    thick = 0.16
    if roof == "gable":
        ridge = top + depth / 2 * rise
        low = top - eave * rise
        for v0, v1 in ((-eave, depth / 2), (depth + eave, depth / 2)):
            a, b = at(-0.25, v0, low), at(width + 0.25, v0, low)
            c, d = at(width + 0.25, v1, ridge), at(-0.25, v1, ridge)
            quad = [a, b, c, d] if v0 < 0 else [b, a, d, c]
            solid.quads([quad], look["roof"], LAYER["tiles"])
            lower = [[p[0], p[1], p[2] - thick] for p in quad]
            solid.quads([[lower[0], lower[1], quad[1], quad[0]]], look["trim"] * 0.8, LAYER["planks"])
            solid.quads([[lower[1], lower[0], lower[3], lower[2]]], (0.3, 0.25, 0.2), LAYER["planks"], occlusion=0.6)
            for i, j in ((3, 0), (1, 2)):
                solid.quads([[lower[i], lower[j], quad[j], quad[i]]], look["trim"] * 0.8, LAYER["planks"])
            gutter = [at(-0.25, v0 - (0.06 if v0 < 0 else -0.06), low - 0.02), at(width + 0.25, v0 - (0.06 if v0 < 0 else -0.06), low - 0.02)]
            solid.tube(gutter, 0.065, (0.30, 0.30, 0.30), LAYER["metal"], 6)
        for u in (0.0, width):
            tri = [at(u, 0, top), at(u, depth, top), at(u, depth / 2, ridge), at(u, depth / 2, ridge)]
            tri = tri if u > 0 else [tri[1], tri[0], tri[2], tri[3]]
            solid.quads([tri], look["wall"], LAYER[look["layer"]])
    else:
        ridge = top + min(width, depth) / 2 * rise
        inset = min(width, depth) / 2
        low = top - eave * rise
        c = [at(-eave, -eave, low), at(width + eave, -eave, low), at(width + eave, depth + eave, low), at(-eave, depth + eave, low)]
        if width >= depth:
            r = [at(inset, depth / 2, ridge), at(width - inset, depth / 2, ridge)]
            faces = [[c[0], c[1], r[1], r[0]], [c[1], c[2], r[1], r[1]], [c[2], c[3], r[0], r[1]], [c[3], c[0], r[0], r[0]]]
        else:
            r = [at(width / 2, inset, ridge), at(width / 2, depth - inset, ridge)]
            faces = [[c[0], c[1], r[0], r[0]], [c[1], c[2], r[1], r[0]], [c[2], c[3], r[1], r[1]], [c[3], c[0], r[0], r[1]]]
        solid.quads(faces, look["roof"], LAYER["tiles"])
        lower = [[p[0], p[1], p[2] - thick] for p in c]
        for i in range(4):
            j = (i + 1) % 4
            solid.quads([[lower[i], lower[j], c[j], c[i]]], look["trim"] * 0.8, LAYER["planks"])
        solid.quads([[lower[3], lower[2], lower[1], lower[0]]], (0.3, 0.25, 0.2), LAYER["planks"], occlusion=0.6)
    yaw = np.arctan2(along[1], along[0])
    for _ in range(int(rng.integers(1, 3))):
        u = rng.uniform(0.2, 0.8) * width
        solid.boxes(np.array(at(u, depth * 0.42, ridge + 0.1)), [0.3, 0.4, 0.9], (0.30, 0.15, 0.11), LAYER["brick"], yaw)
    if roof == "gable" and rng.random() < 0.6:
        # Dormers and roof windows.
        for u in np.arange(width * 0.2, width * 0.9, max(width * 0.3, 2.6)):
            v = depth * 0.16
            z = top + v * rise
            solid.boxes(np.array(at(u, v + 0.5, z + 0.45)), [0.65, 0.8, 0.65], look["roof"] * 0.9, LAYER["metal"], yaw)
            front = np.array([at(u - 0.5, v - 0.31, z + 0.1), at(u + 0.5, v - 0.31, z + 0.1), at(u + 0.5, v - 0.31, z + 0.95), at(u - 0.5, v - 0.31, z + 0.95)])
            solid.quads(front[None], (0.03, 0.03, 0.035), LAYER["interior"])
    # A rain pipe down the front.
    pipe = np.array(at(width - 0.15, -0.08, 0))[:2]
    solid.tube([[*pipe, ground], [*pipe, top]], 0.05, (0.28, 0.28, 0.28), LAYER["metal"], 6)


def build_houses(street, rng, solid):
    """Rows of houses on both sides; returns the stretches (side, y0, y1) they fill, for the gardens."""
    filled = []
    for side in (-1, 1):
        row = street["rows"][side]
        if row is None:
            continue
        u = (street["road"][1] if side > 0 else street["road"][0]) + side * (sum(w for w, _, _ in street["sides"][side]) - row["overlap"])
        for a, b in Ground(street, solid).spans(side):
            y = a + rng.uniform(0.5, 4)
            while y < b - 6:
                width = rng.uniform(*row["width"])
                if y + width > b - 0.3:
                    break
                look = wall_look(rng, row["urban"])
                floors = int(rng.integers(row["floors"][0], row["floors"][1] + 1))
                setback = rng.uniform(0, row["setback"])
                y0, y1 = (y, y + width) if side < 0 else (y + width, y)
                start = np.array(place(street, y0, u + side * setback))
                end = np.array(place(street, y1, u + side * setback))
                # Seen from the street, the left end of a house on the right lies farther away.
                along = normalise(end - start)
                length = np.linalg.norm(end - start)
                shop = row["urban"] and rng.random() < row["shops"]
                roof = rng.choice(row["roofs"])
                house(solid, rng, start, along, length, rng.uniform(*row["depth"]), floors, rng.uniform(2.7, 3.3 if not row["urban"] else 3.6), look, roof,
                      shop=shop, blind_sides=row["urban"] and rng.random() < 0.6)  # fmt: skip
                filled.append((side, y, y + width))
                y += width + (0 if rng.random() < row["joined"] else rng.uniform(*row["gap"]))
    return filled


def furniture(street, rng, solid):
    """Lamp posts, signs, boxes, bins, fences, traffic lights and wires."""
    steel = (0.22, 0.23, 0.23)
    for side in (-1, 1):
        u = (street["road"][1] if side > 0 else street["road"][0]) + side * (street["kerb_offset"][side] + 0.45)
        if street["lamps"] in (side, 0):
            height, step = street["lamp_height"], street["lamp_step"]
            for y in np.arange(rng.uniform(-5, 15), FAR - 20, step):
                x, yy = place(street, y, u)
                reach = -side * 1.5
                path = [[x, yy, 0], [x, yy, height * 0.9], [x + reach * 0.3, yy, height], [x + reach, yy, height + 0.1]]
                solid.tube(path, [0.085, 0.055, 0.045, 0.04], steel, LAYER["metal"])
                solid.boxes([x + reach * 1.15, yy, height + 0.08], [0.32, 0.12, 0.06], (0.35, 0.35, 0.35), LAYER["metal"], bottom=True)
                solid.boxes([x + reach * 1.15, yy, height + 0.01], [0.26, 0.09, 0.02], (0.8, 0.75, 0.6), LAYER["metal"], bottom=True, emission=2.5)
        for _ in range(int(rng.integers(1, 5))):
            y = rng.uniform(7, 70)
            sign(solid, rng, *place(street, y, u + side * rng.uniform(-0.1, 0.3)), street["ground"][side])
        for _ in range(int(rng.integers(0, 4))):
            x, yy = place(street, rng.uniform(6, 60), u + side * rng.uniform(0.9, 1.3))
            kind = rng.random()
            z = street["ground"][side]
            if kind < 0.4:
                solid.boxes([x, yy, z + 0.55], [0.17, 0.36, 0.5], (0.20, 0.215, 0.20), LAYER["metal"], rng.normal(0, 0.03))
            elif kind < 0.7:
                solid.boxes([x, yy, z + 0.5], [0.26, 0.28, 0.5], rng.choice([[0.02, 0.02, 0.02], [0.02, 0.04, 0.09], [0.10, 0.06, 0.03]]), LAYER["plain"], rng.normal(0, 0.2))
            else:
                for i in range(4):
                    solid.tube([[x - side * 1.0, yy + 1.6 * i, z], [x - side * 1.0, yy + 1.6 * i, z + 0.9]], 0.05, (0.12, 0.12, 0.13), LAYER["metal"])
    for y, half, sides in street["junctions"]:
        if not street["signals"]:
            continue
        for side in (-1, 1):
            u = (street["road"][1] if side > 0 else street["road"][0]) + side * (street["kerb_offset"][side] + 0.5)
            x, yy = place(street, y - half - 1.5 if side > 0 else y + half + 1.5, u)
            solid.tube([[x, yy, 0], [x, yy, 3.4]], 0.06, steel, LAYER["metal"])
            facing = -1 if side > 0 else 1
            solid.boxes([x, yy, 3.0], [0.15, 0.13, 0.45], (0.015, 0.015, 0.015), LAYER["plain"], bottom=True)
            on = int(rng.integers(3))
            for i, colour in enumerate(((0.7, 0.03, 0.02), (0.7, 0.4, 0.02), (0.02, 0.6, 0.2))):
                solid.boxes([x, yy + facing * 0.135, 3.28 - 0.28 * i], [0.09, 0.01, 0.09], np.array(colour) * (1 if i == on else 0.06), LAYER["plain"], emission=3.0 * (i == on))
    if street["wires"]:
        side = street["wires"]
        u = (street["road"][1] if side > 0 else street["road"][0]) + side * (street["kerb_offset"][side] + 1.2)
        poles = [place(street, y, u) for y in np.arange(-20, FAR, 32.0)]
        for (x0, y0), (x1, y1) in zip(poles[:-1], poles[1:]):
            solid.tube([[x0, y0, 0], [x0, y0, 8.2]], 0.12, (0.16, 0.13, 0.10), LAYER["bark"])
            for shift in (-0.5, 0.0, 0.5):
                t = np.linspace(0, 1, 9)
                solid.tube(np.stack([x0 + (x1 - x0) * t + shift, y0 + (y1 - y0) * t, 8.0 - 0.7 * 4 * t * (1 - t)], -1), 0.014, (0.03, 0.03, 0.03), LAYER["plain"], 3)
    for side in (-1, 1):
        if street["rail"] == side:
            u = (street["road"][1] if side > 0 else street["road"][0]) + side * (street["kerb_offset"][side] + 0.6)
            y = np.arange(NEAR, FAR, 4.0)
            path = np.column_stack([*place(street, y, u), np.full(len(y), 0.62)])
            up = np.array([0, 0, 0.15])
            quad = np.stack([path[:-1] - up, path[1:] - up, path[1:] + up, path[:-1] + up], 1)
            solid.quads(quad if side < 0 else quad[:, [1, 0, 3, 2]], (0.36, 0.37, 0.37), LAYER["metal"])
            solid.quads(quad if side > 0 else quad[:, [1, 0, 3, 2]], (0.36, 0.37, 0.37), LAYER["metal"])
            for p in path:
                solid.boxes([p[0] + side * 0.06, p[1], 0.35], [0.05, 0.05, 0.38], (0.3, 0.3, 0.3), LAYER["metal"])


def sign(solid, rng, x, y, ground):
    """A traffic sign on a post, facing the camera."""
    solid.tube([[x, y + 0.04, ground], [x, y + 0.04, 3.0]], 0.03, (0.35, 0.35, 0.35), LAYER["metal"], 6)
    kind = int(rng.integers(5))
    red, white, blue, yellow = (0.42, 0.015, 0.02), (0.75, 0.75, 0.74), (0.01, 0.07, 0.38), (0.65, 0.45, 0.02)

    def disc(radius, colour, depth, corners=20, turn=0.0, z=2.6):
        angle = np.linspace(0, 2 * np.pi, corners + 1) + turn
        ring = np.stack([x + radius * np.cos(angle), np.full(corners + 1, y - depth), z + radius * np.sin(angle)], -1)
        middle = np.repeat(np.array([[x, y - depth, z]]), corners, 0)
        solid.quads(np.stack([middle, ring[:-1], ring[1:], ring[1:]], 1), colour, LAYER["metal"], normal=[0, -1, 0])

    if kind == 0:
        disc(0.30, red, 0.0)
        disc(0.22, white, 0.004)
        for shift in (-0.07, 0.07):
            solid.boxes([x + shift, y - 0.008, 2.6], [0.04, 0.002, 0.09], (0.02, 0.02, 0.02), LAYER["plain"])
    elif kind == 1:
        disc(0.42, red, 0.0, 3, np.pi / 2, 2.5)
        disc(0.28, white, 0.004, 3, np.pi / 2, 2.5)
    elif kind == 2:
        disc(0.30, blue, 0.0)
        solid.boxes([x, y - 0.008, 2.6], [0.035, 0.002, 0.15], white, LAYER["plain"])
    elif kind == 3:
        disc(0.40, white, 0.0, 4, 0.0)
        disc(0.32, yellow, 0.004, 4, 0.0)
    else:
        solid.boxes([x, y, 2.5], [0.32, 0.01, 0.32], blue, LAYER["metal"])
        solid.boxes([x - 0.05, y - 0.014, 2.5], [0.05, 0.003, 0.22], white, LAYER["plain"])
        solid.boxes([x + 0.06, y - 0.014, 2.6], [0.09, 0.003, 0.11], white, LAYER["plain"])
    if rng.random() < 0.3:
        solid.boxes([x, y, 2.05], [0.25, 0.01, 0.12], white, LAYER["metal"])


def grow(street, rng, filled):
    """Plant instances: list of (kind, float32 [n, 6] = x, y, z, yaw, size, tone)."""
    planted = {}

    def plant(kind, x, y, z, size):
        planted.setdefault(kind, []).append((x, y, z, rng.uniform(0, 2 * np.pi), size, rng.uniform(0.75, 1.25)))

    mouths = street["junctions"]

    def free(y, side, margin=1.0):
        return all(side not in sides or abs(y - yj) > half + margin for yj, half, sides in mouths)

    for side in (-1, 1):
        edge = street["road"][1] if side > 0 else street["road"][0]
        u, hedge_done = edge, False
        for width, kind, z in street["sides"][side]:
            middle = u + side * width / 2
            if kind in ("grass", "garden"):
                if street["trees"][side] and width > 1.2 and kind == "grass":
                    for y in np.arange(rng.uniform(2, 14), 130, street["trees"][side]):
                        y = y + rng.normal(0, 0.8)
                        if free(y, side, 2.5):
                            plant("tree", *place(street, y, middle), z, rng.uniform(0.7, 1.1) * street["tree_size"])
                if kind == "garden":
                    if street["hedge"][side] and not hedge_done:
                        hedge_done = True
                        for y in np.arange(3, 75, 1.0):
                            if free(y, side) and (y // 9) % 3 != street["hedge"][side] % 3:
                                x, yy = place(street, y, u + side * 0.5)
                                planted.setdefault("hedge", []).append((x, yy, z, np.pi / 2 + bend(street, y)[1], street["hedge_size"], 1.0))
                    for _ in range(int(width * rng.uniform(1, 4))):
                        y = rng.uniform(4, 90)
                        if free(y, side):
                            plant("shrub", *place(street, y, u + side * rng.uniform(0.8, max(width - 0.5, 1.0))), z, rng.uniform(0.5, 1.3))
                    if width > 3.5:
                        for _ in range(int(rng.integers(1, 7))):
                            y = rng.uniform(6, 110)
                            if free(y, side, 2.5):
                                plant(str(rng.choice(["tree", "tree", "fir"])), *place(street, y, middle), z, rng.uniform(0.5, 0.9))
                count = int(min(width, 3.0) * 55 * street["turf"])
                for y, v in zip(4 + 34 * rng.random(count) ** 1.6, rng.random(count)):
                    if free(y, side):
                        plant("turf", *place(street, y, u + side * min(width, 3.0) * v), z, rng.uniform(0.7, 1.2))
            elif kind in ("pavement", "setts") and street["trees"][side] and not any(k == "grass" for _, k, _ in street["sides"][side]) and width > 2.2:
                for y in np.arange(rng.uniform(4, 14), 130, street["trees"][side]):
                    if free(y, side, 3.0):
                        plant("tree", *place(street, y, u + side * 0.9), z, rng.uniform(0.6, 0.9) * street["tree_size"])
            u += side * width
        row = street["rows"][side]
        behind = 16 if row else 1.5
        taken = [(a, b) for s, a, b in filled if s == side]
        for _ in range(int(street["wood"] * (0.5 if row else 1.0))):
            y, v = rng.uniform(8, 140), behind + abs(rng.normal(0, 14))
            if free(y, side, 4) and not (row and v < 16 and any(a - 2 < y < b + 2 for a, b in taken)):
                near = y < 45 and v < 12
                plant("tree" if near else "far", *place(street, y, u + side * v), 0.05, rng.uniform(0.7, 1.3))
        if not row:
            for _ in range(int(rng.integers(10, 40))):
                y = rng.uniform(5, 90)
                if free(y, side):
                    plant("shrub", *place(street, y, u + side * rng.uniform(0.5, 7)), 0.0, rng.uniform(0.7, 1.8))
    # What closes the view at the end of the street and at the ends of the side streets.
    for x in np.arange(-110, 111, 5.5):
        plant("far", x + bend(street, 165)[0] + rng.normal(0, 2), 158 + rng.uniform(0, 30), 0, rng.uniform(0.8, 1.4))
    for y, half, sides in mouths:
        for side in sides:
            for _ in range(14):
                plant("far", *place(street, y + rng.uniform(-14, 14), side * rng.uniform(62, 85)), 0, rng.uniform(0.7, 1.2))
            for near in (-1, 1):
                for v in np.arange(24, 60, 7.0):
                    plant("far" if v > 32 else "tree", *place(street, y + near * (half + 3 + rng.uniform(0, 3)), side * v), 0.05, rng.uniform(0.6, 1.0))
    return [(kind, np.array(rows, np.float32)) for kind, rows in planted.items()]


def build(street):
    """(solid, decals, plants): float32 [N, 14] twice, and instances as `grow` gives them."""
    rng = np.random.default_rng(street["seed"])
    solid, decals = Builder(), Builder()
    lay_road(street, rng, solid, decals)
    filled = build_houses(street, rng, solid)
    furniture(street, rng, solid)
    return solid.array(), decals.array(), grow(street, rng, filled)
