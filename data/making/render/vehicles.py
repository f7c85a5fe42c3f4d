"""The catalogue of vehicles: 35 styles of hatchbacks, saloons, estates, SUVs, vans, trucks and buses.

A style is a mesh in metres with its own canvases; a scene scales it by a few per cent, paints it and places it.
Finished styles have x forward, y left, z up, the origin below the middle of the box; the box excludes the
mirrors, as labels made by people do.
"""

import functools
import multiprocessing
import os
from collections import namedtuple

import numpy as np

from . import dress
from .cars import make_car
from .lorries import make_bus, make_panel_van, make_truck

# type: KITTI class. mesh arrays: position, normal [n, 3], uv [n, 2], layer [n], boxed [n]. size: (l, w, h) metres.
Style = namedtuple("Style", "type kind position normal uv layer boxed size")

COUNTS = (("hatch", 6), ("saloon", 5), ("estate", 4), ("suv", 5), ("smallvan", 3), ("panelvan", 4), ("boxtruck", 4), ("bus", 4))
TYPE = dict(hatch="Car", saloon="Car", estate="Car", suv="Car", smallvan="Van", panelvan="Van", boxtruck="Truck", bus="Bus")


def finish(kind, mesh):
    """A Style from a mesh: the origin moves below the middle of the box."""
    position, normal, uv, layer, boxed = mesh.arrays()
    solid = position[boxed]
    low, high = solid.min(0), solid.max(0)
    position = position - np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return Style(TYPE[kind], kind, position, normal, uv, layer, boxed, tuple(high - low))


def make_style(task):
    """(kind, seed, layers, rim) -> (Style, its canvases as uint8 image pairs)."""
    kind, seed, layers, rim = task
    rng = np.random.default_rng(seed)
    if kind == "panelvan":
        mesh, dressed = make_panel_van(rng, layers, rim)
    elif kind == "boxtruck":
        mesh, dressed = make_truck(rng, layers, rim)
    elif kind == "bus":
        mesh, dressed = make_bus(rng, layers, rim)
    else:
        mesh, dressed = make_car(kind, rng, layers, rim)
    return finish(kind, mesh), [canvas.layers() for canvas in dressed]


@functools.lru_cache(maxsize=1)
def catalogue():
    """(styles, first, second): a list of Style and the canvases, uint8 [layers, 384, 1024, 4] each.

    Takes about ten seconds on one core; uses all cores.
    """
    rng = np.random.default_rng(20190515)
    images = [canvas.layers() for canvas in dress.shared_canvases(rng)]
    tasks, used = [], len(images)
    for kind, count in COUNTS:
        for _ in range(count):
            layers = tuple(range(used, used + (4 if kind == "boxtruck" else 2)))
            rim = dress.TRUCK_WHEEL if kind in ("boxtruck", "bus") else dress.WHEEL + int(rng.integers(dress.WHEELS))
            tasks.append((kind, int(rng.integers(2**32)), layers, rim))
            used += len(layers)
    with multiprocessing.get_context("fork").Pool(min(os.cpu_count() or 1, 16)) as pool:
        made = pool.map(make_style, tasks, chunksize=1)
    for _, dressed in made:
        images.extend(dressed)
    return [style for style, _ in made], np.stack([a for a, _ in images]), np.stack([b for _, b in images])
