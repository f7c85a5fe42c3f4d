"""Street furniture: lamp posts, signs, traffic lights, cabinets, bins, bollards, wires, crash barriers."""

import numpy as np

from .textures import LAYER

STEEL, GALVANISED, BLACK = (0.22, 0.23, 0.23), (0.36, 0.37, 0.37), (0.015, 0.015, 0.015)
RED, WHITE, BLUE, YELLOW = (0.42, 0.015, 0.02), (0.75, 0.75, 0.74), (0.01, 0.07, 0.38), (0.65, 0.45, 0.02)


def furnish(street, rng, solid, place, near, far):
    """Add everything to `solid`; place(y, u) is the street's, near and far its ends (metres)."""

    def kerb(side, beyond):
        """u of a place `beyond` metres behind the kerb of a side."""
        return (street["road"][1] if side > 0 else street["road"][0]) + side * (street["kerb_offset"][side] + beyond)

    for side in (-1, 1):
        u, ground = kerb(side, 0.45), street["ground"][side]
        if street["lamps"] in (side, 0):
            for y in np.arange(rng.uniform(-5, 15), far - 20, street["lamp_step"]):
                lamp_post(solid, *place(y, u), -side, street["lamp_height"])
        for _ in range(int(rng.integers(1, 5))):
            y = rng.uniform(7, 70)
            sign(solid, rng, *place(y, u + side * rng.uniform(-0.1, 0.3)), ground)
        for _ in range(int(rng.integers(0, 4))):
            clutter(solid, rng, *place(rng.uniform(6, 60), u + side * rng.uniform(0.9, 1.3)), ground, side)
    if street["signals"]:
        for y, half, _ in street["junctions"]:
            for side in (-1, 1):
                x, yy = place(y - half - 1.5 if side > 0 else y + half + 1.5, kerb(side, 0.5))
                traffic_light(solid, x, yy, -1 if side > 0 else 1, int(rng.integers(3)))
    if street["wires"]:
        wires(solid, [place(y, kerb(street["wires"], 1.2)) for y in np.arange(-20, far, 32.0)])
    if street["rail"]:
        side = street["rail"]
        y = np.arange(near, far, 4.0)
        rail(solid, np.column_stack([*place(y, kerb(side, 0.6)), np.full(len(y), 0.62)]), side)


def lamp_post(solid, x, y, inward, height):
    reach = inward * 1.5
    path = [[x, y, 0], [x, y, height * 0.9], [x + reach * 0.3, y, height], [x + reach, y, height + 0.1]]
    solid.tube(path, [0.085, 0.055, 0.045, 0.04], STEEL, LAYER["metal"])
    head = x + reach * 1.15
    solid.boxes([head, y, height + 0.08], [0.32, 0.12, 0.06], (0.35, 0.35, 0.35), LAYER["metal"], bottom=True)
    solid.boxes([head, y, height + 0.01], [0.26, 0.09, 0.02], (0.8, 0.75, 0.6), LAYER["metal"], bottom=True, emission=2.5)


def clutter(solid, rng, x, y, z, side):
    """A cable cabinet, a bin or four bollards."""
    kind = rng.random()
    if kind < 0.4:
        solid.boxes([x, y, z + 0.55], [0.17, 0.36, 0.5], (0.20, 0.215, 0.20), LAYER["metal"], rng.normal(0, 0.03))
    elif kind < 0.7:
        colour = rng.choice([[0.02, 0.02, 0.02], [0.02, 0.04, 0.09], [0.10, 0.06, 0.03]])
        solid.boxes([x, y, z + 0.5], [0.26, 0.28, 0.5], colour, LAYER["plain"], rng.normal(0, 0.2))
    else:
        for i in range(4):
            foot = [x - side * 1.0, y + 1.6 * i, z]
            solid.tube([foot, [*foot[:2], z + 0.9]], 0.05, (0.12, 0.12, 0.13), LAYER["metal"])


def traffic_light(solid, x, y, facing, on):
    """`facing` -1 towards the camera, +1 away; `on`: 0 red, 1 amber, 2 green."""
    solid.tube([[x, y, 0], [x, y, 3.4]], 0.06, STEEL, LAYER["metal"])
    solid.boxes([x, y, 3.0], [0.15, 0.13, 0.45], BLACK, LAYER["plain"], bottom=True)
    for i, colour in enumerate(((0.7, 0.03, 0.02), (0.7, 0.4, 0.02), (0.02, 0.6, 0.2))):
        lens, shade = [x, y + facing * 0.135, 3.28 - 0.28 * i], np.array(colour) * (1 if i == on else 0.06)
        solid.boxes(lens, [0.09, 0.01, 0.09], shade, LAYER["plain"], emission=3.0 * (i == on))


def wires(solid, poles):
    t = np.linspace(0, 1, 9)
    for (x0, y0), (x1, y1) in zip(poles[:-1], poles[1:]):
        solid.tube([[x0, y0, 0], [x0, y0, 8.2]], 0.12, (0.16, 0.13, 0.10), LAYER["bark"])
        for shift in (-0.5, 0.0, 0.5):
            sag = 8.0 - 0.7 * 4 * t * (1 - t)
            path = np.stack([x0 + (x1 - x0) * t + shift, y0 + (y1 - y0) * t, sag], -1)
            solid.tube(path, 0.014, (0.03, 0.03, 0.03), LAYER["plain"], 3)


def rail(solid, path, side):
    """A crash barrier along `path` [N, 3] with a post at each point."""
    up = np.array([0, 0, 0.15])
    quad = np.stack([path[:-1] - up, path[1:] - up, path[1:] + up, path[:-1] + up], 1)
    for face in (quad, quad[:, [1, 0, 3, 2]]):
        solid.quads(face, GALVANISED, LAYER["metal"])
    for x, y, _ in path:
        solid.boxes([x + side * 0.06, y, 0.35], [0.05, 0.05, 0.38], (0.3, 0.3, 0.3), LAYER["metal"])


def sign(solid, rng, x, y, ground):
    """A traffic sign on a post, facing the camera."""
    solid.tube([[x, y + 0.04, ground], [x, y + 0.04, 3.0]], 0.03, (0.35, 0.35, 0.35), LAYER["metal"], 6)
    kind = int(rng.integers(5))

    def disc(radius, colour, depth, corners=20, turn=0.0, z=2.6):
        angle = np.linspace(0, 2 * np.pi, corners + 1) + turn
        ring = np.stack([x + radius * np.cos(angle), np.full(corners + 1, y - depth), z + radius * np.sin(angle)], -1)
        middle = np.repeat(np.array([[x, y - depth, z]]), corners, 0)
        solid.quads(np.stack([middle, ring[:-1], ring[1:], ring[1:]], 1), colour, LAYER["metal"], normal=[0, -1, 0])

    def plate(dx, dz, width, height, colour, depth=0.008, layer="plain"):
        solid.boxes([x + dx, y - depth, 2.5 + dz], [width, 0.002, height], colour, LAYER[layer])

    if kind == 0:  # no overtaking, from afar
        disc(0.30, RED, 0.0)
        disc(0.22, WHITE, 0.004)
        for shift in (-0.07, 0.07):
            plate(shift, 0.1, 0.04, 0.09, (0.02, 0.02, 0.02))
    elif kind == 1:  # caution
        disc(0.42, RED, 0.0, 3, np.pi / 2, 2.5)
        disc(0.28, WHITE, 0.004, 3, np.pi / 2, 2.5)
    elif kind == 2:  # straight on
        disc(0.30, BLUE, 0.0)
        plate(0, 0.1, 0.035, 0.15, WHITE)
    elif kind == 3:  # priority road
        disc(0.40, WHITE, 0.0, 4)
        disc(0.32, YELLOW, 0.004, 4)
    else:  # parking
        plate(0, 0, 0.32, 0.32, BLUE, 0.0, "metal")
        plate(-0.05, 0, 0.05, 0.22, WHITE, 0.014)
        plate(0.06, 0.1, 0.09, 0.11, WHITE, 0.014)
    if rng.random() < 0.3:
        plate(0, -0.45, 0.25, 0.12, WHITE, 0.0, "metal")
