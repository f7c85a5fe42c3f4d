"""Procedural, tileable textures for everything that is not a vehicle.

Every layer is uint8 [512, 512, 4]: RGB multiplies the mesh's colour (its mean is about 0.8),
A is coverage (leaves, worn markings) or, for a solid surface, gloss. RGB is stored as its square root, which the shader
squares: 8 bits then resolve dark colours better.
"""

import functools

import numpy as np

SIZE = 512
LAYERS = (
    "plain asphalt paving concrete grass brick plaster tiles interior bark planks metal marking setts stone gravel"
).split()
LAYER = {name: index for index, name in enumerate(LAYERS)}
# How many metres one repeat of the texture covers.
METRES = dict(
    plain=4.0, asphalt=2.5, paving=2.4, concrete=4.0, grass=3.0, brick=2.0, plaster=6.0, tiles=3.0, interior=1.0,
    bark=1.0, planks=2.0, metal=3.0, marking=5.0, setts=2.0, stone=4.0, gravel=2.0,
)  # fmt: skip


def noise(rng, size=SIZE, slope=1.0, low=1, high=None, stretch=(1.0, 1.0)):
    """Tileable noise [size, size] in 0..1 with a power spectrum falling as frequency ** (-2 * slope)."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy = np.fft.fftfreq(size, 1 / size)[:, None] * stretch[0]
    fx = np.fft.rfftfreq(size, 1 / size)[None] * stretch[1]
    frequency = np.hypot(fy, fx)
    gain = np.where(frequency >= low, np.maximum(frequency, 1e-6) ** -slope, 0)
    if high is not None:
        gain = np.where(frequency <= high, gain, 0)
    field = np.fft.irfft2(spectrum * gain, (size, size))
    field = (field - field.mean()) / field.std()
    return np.clip(field * 0.2 + 0.5, 0, 1)


def cells(rng, rows, columns, shift=0.5, size=SIZE):
    """A bond of stones: per pixel (distance to the joint in 0..1 of half a stone's height, random value per stone)."""
    v, u = np.meshgrid(np.arange(size) / size * rows, np.arange(size) / size * columns, indexing="ij")
    row = np.floor(v).astype(int)
    u = u + (row % 2) * shift
    column = np.floor(u).astype(int) % columns
    tone = rng.random((rows, columns))[row % rows, column]
    across = np.minimum(u % 1, 1 - u % 1) * 2 / columns * rows
    along = np.minimum(v % 1, 1 - v % 1) * 2
    return np.minimum(across, along), tone


def _pack(colour, alpha):
    colour = np.asarray(colour)
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    alpha = np.broadcast_to(alpha, colour.shape[:2])
    return np.dstack([np.sqrt(np.clip(colour, 0, 1)), alpha])


def _tint(base, tone, low, high):
    """Blend between two colours by tone, times base."""
    low, high = np.asarray(low), np.asarray(high)
    return base[..., None] * (low + (high - low) * tone[..., None])


@functools.lru_cache(maxsize=1)
def surfaces():
    """All static layers, uint8 [len(LAYERS), 512, 512, 4], in LAYERS' order."""
    rng = np.random.default_rng(20190501)
    fine, soft = noise(rng, slope=0.3, low=8), noise(rng, slope=1.2)
    grain, blot = noise(rng, slope=0.0, low=40), noise(rng, slope=1.6)
    made = {"plain": _pack(0.8 + 0.12 * (soft - 0.5), 0.2)}

    chips = np.clip((grain - 0.5) * 1.6 + 0.5, 0, 1)
    made["asphalt"] = _pack(0.74 + 0.34 * (chips - 0.5) + 0.2 * (soft - 0.5), 0.25)

    joint, tone = cells(rng, 6, 6, 0.0)
    flat = np.clip(joint / 0.06, 0.35, 1) * (0.78 + 0.16 * (tone - 0.5) + 0.25 * (fine - 0.5) + 0.15 * (blot - 0.5))
    made["paving"] = _pack(flat, 0.2)

    made["concrete"] = _pack(0.78 + 0.25 * (soft - 0.5) + 0.2 * (fine - 0.5), 0.2)

    blades = noise(rng, slope=0.25, low=20, stretch=(1.0, 0.45))
    meadow = 0.35 + 0.9 * (blades - 0.2) * (0.7 + 0.6 * (soft - 0.5))
    made["grass"] = _pack(_tint(meadow, np.clip(blot * 1.6 - 0.3, 0, 1), (0.75, 1.0, 0.55), (1.15, 1.0, 0.7)), 0.0)

    joint, tone = cells(rng, 26, 9)
    mortar = np.clip((joint - 0.10) / 0.08, 0, 1)
    stone = _tint(0.62 + 0.35 * (fine - 0.5) + 0.32 * (tone - 0.5), tone, (1.05, 0.92, 0.9), (0.95, 1.0, 1.0))
    made["brick"] = _pack(stone * mortar[..., None] + 0.85 * (1 - mortar[..., None]), 0.1)

    streak = noise(rng, slope=1.0, low=2, stretch=(1.0, 0.15))
    made["plaster"] = _pack(0.84 + 0.10 * (streak - 0.5) + 0.16 * (blot - 0.5) + 0.06 * (fine - 0.5), 0.1)

    v, u = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")
    rows, columns = 9, 12
    _, tone = cells(rng, rows, columns)
    wave = 0.72 + 0.28 * np.sin(2 * np.pi * (u * columns + 0.5 * (np.floor(v * rows) % 2)))
    made["tiles"] = _pack((0.35 + 0.65 * ((v * rows) % 1) ** 0.5) * wave * (0.85 + 0.4 * (tone - 0.5)), 0.15)

    made["interior"] = _pack(0.7 + 0.5 * (soft - 0.5), 1.0)
    ridges = noise(rng, slope=0.8, low=3, stretch=(1.0, 0.12))
    made["bark"] = _pack(0.55 + 1.1 * (ridges - 0.5) + 0.3 * (fine - 0.5), 0.05)
    plank = (u * 14) % 1
    tone = rng.random(14)[np.floor(u * 14).astype(int) % 14]
    wood = noise(rng, slope=0.8, low=2, stretch=(1.0, 0.05))
    made["planks"] = _pack(
        np.clip(np.minimum(plank, 1 - plank) / 0.05, 0.15, 1) * (0.7 + 0.3 * (tone - 0.5) + 0.5 * (wood - 0.5)), 0.1
    )
    made["metal"] = _pack(0.82 + 0.08 * (soft - 0.5), 0.5)
    worn = np.clip((noise(rng, slope=0.6, low=4) * 0.6 + grain * 0.4 - 0.30) / 0.14, 0, 1)
    made["marking"] = _pack(0.85 + 0.2 * (soft - 0.5) + 0.15 * (fine - 0.5), worn)
    joint, tone = cells(rng, 16, 16)
    made["setts"] = _pack(np.clip(joint / 0.25, 0.3, 1) * (0.7 + 0.45 * (tone - 0.5) + 0.3 * (fine - 0.5)), 0.3)
    joint, tone = cells(rng, 8, 4)
    made["stone"] = _pack(np.clip(joint / 0.06, 0.5, 1) * (0.75 + 0.2 * (tone - 0.5) + 0.3 * (soft - 0.5)), 0.1)
    made["gravel"] = _pack(0.7 + 0.9 * (grain - 0.5) + 0.3 * (soft - 0.5), 0.05)
    return np.stack([np.clip(made[name] * 255 + 0.5, 0, 255).astype(np.uint8) for name in LAYERS])


@functools.lru_cache(maxsize=1)
def noises():
    """Four independent tileable noises, uint8 [512, 512, 4]: soft, cloud, fine and white (dither)."""
    rng = np.random.default_rng(20190502)
    channels = [
        noise(rng, slope=1.1), noise(rng, slope=1.45), noise(rng, slope=0.5, low=6), rng.random((SIZE, SIZE)),
    ]  # fmt: skip
    return np.clip(np.dstack(channels) * 255, 0, 255).astype(np.uint8)


LEAF_SIZE = 256
LEAF_KINDS = 4


@functools.lru_cache(maxsize=1)
def leaves():
    """Clusters of leaves with coverage, uint8 [4, 256, 256, 4]: broad, small, needle, grass blades."""
    rng = np.random.default_rng(20190503)
    size = LEAF_SIZE
    v, u = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5, indexing="ij")
    sheets = []
    for length, width, count in ((34, 13, 60), (20, 8, 150), (46, 3.0, 200)):
        sheet = np.zeros((size, size, 4))
        sheet[..., :3] = 0.3
        for _ in range(count):
            angle, reach = rng.uniform(0, 2 * np.pi), 100 * np.sqrt(rng.random())
            cx, cy = size / 2 + reach * np.cos(angle), size / 2 + reach * np.sin(angle)
            turn = rng.uniform(0, 2 * np.pi)
            x0, x1 = int(max(cx - length, 0)), int(min(cx + length, size))
            y0, y1 = int(max(cy - length, 0)), int(min(cy + length, size))
            a = (u[y0:y1, x0:x1] - cx) * np.cos(turn) + (v[y0:y1, x0:x1] - cy) * np.sin(turn)
            b = -(u[y0:y1, x0:x1] - cx) * np.sin(turn) + (v[y0:y1, x0:x1] - cy) * np.cos(turn)
            inside = np.clip(1.5 - (np.abs(b) / (width / 2 * np.clip(1 - (2 * a / length) ** 2, 1e-3, 1)) - 0.5) * 1.5, 0, 1)
            inside *= np.abs(a) < length / 2
            tone = rng.uniform(0.55, 1.0) * (1 - 0.25 * np.exp(-np.abs(b)))
            patch = sheet[y0:y1, x0:x1]
            patch[..., :3] += (np.dstack([tone, tone, tone * 0.9]) - patch[..., :3]) * inside[..., None]
            patch[..., 3] = np.maximum(patch[..., 3], inside)
        sheets.append(sheet)
    blades = np.zeros((size, size, 4))
    blades[..., :3] = 0.4
    for _ in range(46):
        root, height = rng.uniform(20, size - 20), rng.uniform(0.35, 0.97) * size
        lean, width = rng.normal(0, 38), rng.uniform(5, 9)
        up = np.clip((size - v) / height, 0, 1)
        middle = root + lean * up**2
        inside = np.clip((width * (1 - up) - np.abs(u - middle)) * 0.7 + 0.5, 0, 1) * (size - v < height)
        tone = rng.uniform(0.5, 1.0) * (0.45 + 0.55 * up)
        blades[..., :3] += (np.dstack([tone, tone, tone * 0.8]) - blades[..., :3]) * inside[..., None]
        blades[..., 3] = np.maximum(blades[..., 3], inside)
    sheets.append(blades)
    sheets = np.stack(sheets)
    sheets[..., :3] = np.sqrt(np.clip(sheets[..., :3], 0, 1))
    return np.clip(sheets * 255 + 0.5, 0, 255).astype(np.uint8)
