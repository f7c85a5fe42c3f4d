"""Render scenes and store the crops of their vehicles, for training and for evaluation.

    python -m data.making.train.prepare OUT --scenes 9000 --held-out 150 --seconds 250

OUT/train has room around each vehicle for box jitter; OUT/held_out, from other seeds, has the
crops that a program of the workbook would make (`helpers.scenes.crop`). Each holds images.npy, uint8 [N, size, size,
3] RGB, and labels.npy, structured. Needs the packages that data/making/render needs.
"""
import argparse
import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from data.making.render import crops as rendered
from data.making.render import scene as street
from data.making.render.labels import objects
from helpers import boxes, scenes

SIZE = (street.WIDTH, street.HEIGHT)
HELD_OUT = 9000000  # seeds from here on are never used for training
LABEL = np.dtype([
    ("seed", "i8"), ("kind", "S8"), ("truncated", "f4"), ("occluded", "i1"), ("alpha", "f4"),
    ("bbox", "f4", 4), ("dimensions", "f4", 3), ("location", "f4", 3), ("yaw", "f4"),
    ("region", "f4", 4),
])
_renderer = None


def vehicles(task):
    """(seed, margin) -> [(picture, row of LABEL), ...] of one scene's usable vehicles."""
    global _renderer
    if _renderer is None:
        from data.making.render.renderer import Renderer

        _renderer = Renderer()
    seed, margin = task
    scene = street.scene_from_seed(seed)
    image, ids = _renderer.render(scene)
    image = rendered.photograph(image, scene["post"]["jpeg"])
    found = []
    for label in filter(rendered.usable, objects(scene, ids)):
        box = SimpleNamespace(dimensions=np.array([label["dimensions"]]),
                              location=np.array([label["location"]]),
                              yaw=np.array([label["rotation_y"]]))
        bbox = boxes.bounds(box, street.P2, SIZE)[0]
        picture, region = cut(image, bbox, margin)
        found.append((picture, np.array((
            seed, label["type"].encode(), label["truncated"], label["occluded"], label["alpha"],
            bbox, label["dimensions"], label["location"], label["rotation_y"], region), LABEL)))
    return found


def cut(image, bbox, margin, size=256):
    """The image of `bbox` and the region that it shows; outside the photo, border pixels are repeated."""
    if not margin:
        return scenes.crop(image, bbox), bbox
    extra = margin * np.tile(bbox[2:] - bbox[:2], 2) * [-1, -1, 1, 1]
    left, top, right, bottom = np.round(bbox + extra).astype(int)
    rows = np.clip(np.arange(top, bottom), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, image.shape[1] - 1)
    part = Image.fromarray(image[rows][:, columns])
    return np.asarray(part.resize((size, size), Image.BILINEAR)), (left, top, right, bottom)


def read(folder):
    """What `main` wrote -> images, region, bbox, kind (str), dimensions, ..., P [N, 3, 4], size."""
    labels = np.load(str(Path(folder) / "labels.npy"))
    columns = {name: labels[name] for name in LABEL.names}
    for name in ("bbox", "region", "dimensions", "location", "yaw", "alpha", "truncated"):
        columns[name] = columns[name].astype(float)
    columns["kind"] = labels["kind"].astype(str)
    return SimpleNamespace(images=np.load(str(Path(folder) / "images.npy")), size=SIZE,
                           P=np.tile(street.P2, (len(labels), 1, 1)), **columns)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, required=True, help="to train on, seeds from 0")
    parser.add_argument("--held-out", type=int, default=150, help="seeds from %d" % HELD_OUT)
    parser.add_argument("--margin", type=float, default=0.08, help="share of the box on each side")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop then, with less")
    args = parser.parse_args(argv)
    if args.scenes > HELD_OUT or HELD_OUT + args.held_out > street.SAMPLE_SEEDS:
        parser.error("seeds from %d on are held out, from %d on they are the sample scenes"
                     % (HELD_OUT, street.SAMPLE_SEEDS))
    started = time.time()
    from data.making.render.renderer import prepare

    prepare()  # once, before the workers are forked
    print("%6.1f s  shapes and textures made" % (time.time() - started), flush=True)
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        render(pool, range(HELD_OUT, HELD_OUT + args.held_out), 0, args.out / "held_out", started,
               float("inf"))
        render(pool, range(args.scenes), args.margin, args.out / "train", started, args.seconds)


def render(pool, seeds, margin, folder, started, seconds):
    """Fill `folder` with the crops of `seeds`, as many as are rendered within `seconds` after `started`."""
    folder.mkdir(parents=True, exist_ok=True)
    side, rows, done = 256 if margin else scenes.CROP, [], 0
    with rendered.growing_npy(folder / "images.npy", (side, side, 3), np.uint8) as append:
        for found in pool.imap(vehicles, [(seed, margin) for seed in seeds], chunksize=2):
            for picture, row in found:
                append(picture)
                rows.append(row)
            done += 1
            if time.time() - started > seconds:
                break
            if done in (1, 100) or done % 1000 == 0:
                print("%6.1f s  %d scenes" % (time.time() - started, done), flush=True)
    np.save(str(folder / "labels.npy"), np.array(rows, LABEL))
    print("%6.1f s  %d scenes, %d crops in %s" % (time.time() - started, done, len(rows), folder),
          flush=True)


if __name__ == "__main__":
    main()
