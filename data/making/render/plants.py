"""Trees, shrubs, hedges and grass: clouds of textured leaf cards, drawn as instances.

A model is float32 [N, 14], three rows a triangle: position 3, shading normal 3, uv 2, colour 3,
sheet 1 (which leaf texture, -1 for wood), ambient occlusion 1, leaf 1 (1 for a leaf card, 0 for wood).
"""

import functools
from collections import namedtuple

import numpy as np

from .mesh import QUAD, Builder, normalise
from .textures import LAYER

Plant = namedtuple("Plant", "kind vertices")


def cards(rng, position, outward, size, sheet, colour, shade, upright=0.0):
    """Leaf cards, float32 [6 * n, 14]: squares of `size` [n] metres around position [n, 3], lit as if they faced `outward`."""
    n = len(position)
    facing = normalise(outward + rng.normal(0, 0.7, (n, 3)))
    side = normalise(np.cross(facing, rng.normal(0, 1, (n, 3))))
    up = np.cross(facing, side)
    if upright:
        side = normalise(np.stack([rng.normal(0, 1, n), rng.normal(0, 1, n), np.zeros(n)], -1))
        up = np.broadcast_to([0.0, 0.0, 1.0], (n, 3))
    half = size[:, None] / 2
    corners = np.stack(
        [position - side * half - up * half, position + side * half - up * half,
         position + side * half + up * half, position - side * half + up * half], axis=1)  # fmt: skip
    block = np.empty((n, 4, 14), np.float32)
    block[..., 0:3] = corners
    block[..., 3:6] = normalise(outward + rng.normal(0, 0.45, (n, 3)))[:, None]
    block[..., 6:8] = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) if upright else np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    block[..., 8:11] = colour[:, None]
    block[..., 11] = sheet
    block[..., 12] = shade[:, None]
    block[..., 13] = 1.0
    return block[:, QUAD].reshape(-1, 14)


def leaf_colours(rng, n, base, spread=0.16):
    tone = np.exp(rng.normal(0, spread, (n, 1)))
    shift = rng.normal(0, 0.05, (n, 1))
    return np.clip(np.asarray(base) * tone * (1 + shift * np.array([1.5, 0.3, -1.0])), 0, 1)


def branch(builder, rng, start, direction, length, radius, depth, tips):
    steps = 4
    bend = normalise(direction + rng.normal(0, 0.18, 3) + [0, 0, 0.08])
    path = [start]
    for i in range(steps):
        heading = normalise(direction + (bend - direction) * (i + 1) / steps + rng.normal(0, 0.07, 3))
        path.append(path[-1] + heading * length / steps)
    builder.tube(path, np.linspace(radius, radius * 0.6, steps + 1), (0.16, 0.12, 0.09), LAYER["bark"], 7 if depth == 0 else 5)
    tips.append((path[-1], length))
    if depth < 2:
        for _ in range(int(rng.integers(3, 6))):
            at = path[int(rng.integers(2 if depth else 3, steps + 1))]
            spread = normalise(np.array([*rng.normal(0, 1, 2), abs(rng.normal(0.4, 0.4))]))
            branch(
                builder,
                rng,
                at,
                normalise(bend * 0.55 + spread * 0.75),
                length * rng.uniform(0.5, 0.7),
                radius * 0.5,
                depth + 1,
                tips,
            )


def tree(seed, height, spread, base, sheet, count, shape="round"):
    """A leaf tree about `height` metres high with a crown of radius `spread`."""
    rng = np.random.default_rng(seed)
    wood, tips = Builder(), []
    trunk = height * rng.uniform(0.26, 0.36)
    if shape == "cone":
        wood.tube([[0, 0, 0], [0, 0, height * 0.95]], [height * 0.022, 0.03], (0.14, 0.10, 0.08), LAYER["bark"])
        level = rng.random(70) ** 0.8
        angle = rng.uniform(0, 2 * np.pi, 70)
        reach = spread * (1 - level) * rng.uniform(0.35, 0.9, 70)
        blobs = np.stack([reach * np.cos(angle), reach * np.sin(angle), height * (0.10 + 0.86 * level)], -1)
        radii = np.maximum(spread * 0.38 * (1.1 - level), 0.3)
        middle = np.array([0, 0, height * 0.4])
    else:
        branch(wood, rng, np.zeros(3), np.array([0, 0, 1.0]), trunk, height * 0.021 + 0.05, 0, tips)
        narrow = 0.55 if shape == "column" else 1.0
        middle = np.array([0, 0, trunk + (height - trunk) * 0.47])
        n = 42
        direction = normalise(rng.normal(0, 1, (n, 3)))
        reach = rng.random(n)[:, None] ** 0.45
        axes = np.array([spread * narrow, spread * narrow, (height - trunk) * 0.5])
        blobs = middle + direction * reach * axes * 0.78
        blobs = np.concatenate([blobs, np.array([tip for tip, _ in tips if tip[2] > trunk * 0.9])[:12]])
        radii = rng.uniform(0.22, 0.40, len(blobs)) * spread
    pick = rng.integers(len(blobs), size=count)
    away = normalise(rng.normal(0, 1, (count, 3)) * [1, 1, 0.8])
    depth = rng.random(count) ** 0.33
    position = blobs[pick] + away * (radii[pick] * depth)[:, None]
    position[:, 2] = np.maximum(position[:, 2], trunk * 0.55 if shape != "cone" else 0.25)
    crown = normalise((position - middle) / np.array([spread, spread, height * 0.4]))
    outward = normalise(away * 0.6 + crown * 0.7 + [0, 0, 0.25])
    far = np.linalg.norm((position - middle) / np.array([spread, spread, (height - trunk) * 0.5]), axis=1)
    shade = np.clip(0.25 + 0.75 * far**1.5 * (0.6 + 0.4 * depth), 0.2, 1) * np.clip(0.72 + 0.28 * crown[:, 2], 0.4, 1)
    size = rng.uniform(0.5, 1.0, count) * (0.46 + 0.09 * height / np.sqrt(count / 1500) * 0.9)
    leaves = cards(rng, position, outward, size, sheet, leaf_colours(rng, count, base), shade)
    timber = wood.array()
    timber[:, 11] = -1
    timber[:, 12] = 0.75
    timber[:, 13] = 0
    return np.concatenate([timber, leaves])


def shrub(seed, radii, base, sheet, count, square=False):
    """A bush, or with `square` one metre-long cut of a hedge; radii: half extents (x, y, z)."""
    rng = np.random.default_rng(seed)
    radii = np.asarray(radii, np.float64)
    if square:
        position = rng.uniform(-1, 1, (count, 3))
        face = rng.integers(0, 5, count)
        for axis, sign, number in ((1, 1, 0), (1, -1, 1), (2, 1, 2)):
            hit = face == number
            position[hit, axis] = sign * (1 - 0.12 * rng.random(hit.sum()))
        outward = np.where(np.abs(position) > 0.8, np.sign(position), 0) * [0.2, 1, 1] + rng.normal(0, 0.2, (count, 3))
        shade = np.clip(0.35 + 0.65 * np.max(np.abs(position[:, 1:]), axis=1) ** 3, 0, 1) * (0.7 + 0.15 * (position[:, 2] + 1))
    else:
        away = normalise(rng.normal(0, 1, (count, 3)))
        away[:, 2] = np.abs(away[:, 2]) * 1.6 - 0.6
        lumps = 1 + 0.22 * np.sin(5 * away[:, :1] + seed) * np.cos(4 * away[:, 1:2] + 2 * seed)
        position = away * (rng.random((count, 1)) ** 0.3) * lumps
        outward = normalise(away + [0, 0, 0.3])
        shade = np.clip(0.3 + 0.7 * np.linalg.norm(position, axis=1) ** 2, 0, 1) * np.clip(0.75 + 0.3 * position[:, 2], 0.3, 1)
    position = position * radii + [0, 0, radii[2]]
    size = rng.uniform(0.7, 1.3, count) * 0.42 * (radii.prod() ** (1 / 3)) ** 0.5
    return cards(rng, position, outward, size, sheet, leaf_colours(rng, count, base), np.clip(shade, 0.15, 1))


def turf(seed, height, base, count=90):
    """A square metre of grass blades, coordinates within [-0.5, 0.5]."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.6, 1.4, count) * height
    position = np.stack([rng.uniform(-0.5, 0.5, count), rng.uniform(-0.5, 0.5, count), size * 0.45], -1)
    outward = normalise(np.stack([rng.normal(0, 0.3, count), rng.normal(0, 0.3, count), np.ones(count)], -1))
    return cards(rng, position, outward, size, 3, leaf_colours(rng, count, base, 0.12), np.full(count, 0.85), upright=1.0)


@functools.lru_cache(maxsize=1)
def catalogue():
    """All plants by name; kinds: tree, fir, far (a tree for the distance), shrub, hedge, turf."""
    olive, fresh, deep, dull = (0.080, 0.105, 0.034), (0.095, 0.135, 0.040), (0.045, 0.072, 0.028), (0.085, 0.092, 0.045)
    autumn = (0.26, 0.15, 0.04)
    plants = []
    for seed, (height, spread, base, sheet, shape) in enumerate([
        (8.5, 3.2, olive, 0, "round"), (11.0, 4.2, deep, 1, "round"), (7.0, 2.6, fresh, 1, "round"),
        (13.0, 4.6, olive, 1, "round"), (10.0, 3.3, dull, 0, "column"), (6.0, 2.3, autumn, 0, "round"),
    ]):  # fmt: skip
        plants.append(Plant("tree", tree(seed, height, spread, base, sheet, 3000, shape)))
    plants.append(Plant("fir", tree(11, 12.0, 2.6, (0.035, 0.065, 0.03), 2, 2000, "cone")))
    for seed, (height, spread, base) in enumerate([(12.0, 4.5, deep), (10.0, 4.2, olive), (14.0, 5.0, dull)]):
        plants.append(Plant("far", tree(20 + seed, height, spread, base, 1, 520)))
    for seed, (radii, base, sheet) in enumerate(
        [((1.0, 0.9, 0.7), deep, 1), ((1.3, 1.1, 1.0), olive, 0), ((0.7, 0.7, 0.5), fresh, 1)]
    ):
        plants.append(Plant("shrub", shrub(30 + seed, radii, base, sheet, 420)))
    plants.append(Plant("hedge", shrub(40, (0.55, 0.4, 0.75), deep, 1, 330, square=True)))
    plants.append(Plant("hedge", shrub(41, (0.55, 0.45, 0.6), olive, 1, 330, square=True)))
    plants.append(Plant("turf", turf(50, 0.16, (0.095, 0.122, 0.042))))
    plants.append(Plant("turf", turf(51, 0.30, (0.115, 0.118, 0.055), 70)))
    return plants
