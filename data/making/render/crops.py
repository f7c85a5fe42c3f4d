"""Training crops: the network's inputs, cut out of rendered scenes.

    python -m data.making.render.crops OUT --scenes 4000 --workers 16

writes OUT/images.npy (uint8 [N, 224, 224, 3] RGB, not compressed, for np.load(..., mmap_mode="r")) and OUT/labels.npy
(structured, dtype LABEL), row for row. Only seeds below SAMPLE_SEEDS: the sample scenes are never used for training.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .labels import objects
from .scene import SAMPLE_SEEDS, scene_from_seed

CLASSES = ("Car", "Van", "Truck", "Bus")
LABEL = np.dtype([
    ("seed", "i8"), ("id", "u1"), ("type", "S8"), ("truncated", "f4"), ("occluded", "i1"), ("visible", "f4"),
    ("alpha", "f4"), ("bbox", "f4", 4), ("dimensions", "f4", 3), ("location", "f4", 3), ("rotation_y", "f4"),
])  # fmt: skip
MIN_HEIGHT, MIN_VISIBLE, MAX_TRUNCATED = 25, 0.35, 0.5

_renderer = None


def photograph(image, quality):
    """The image after JPEG compression: uint8 [H, W, 3] in and out."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def crop(image, bbox, size=224):
    """The region of a 2D box, clipped to the image and resized: uint8 [size, size, 3] RGB."""
    left, top, right, bottom = (int(round(v)) for v in bbox)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(max(right, left + 1), image.shape[1]), min(max(bottom, top + 1), image.shape[0])
    return np.asarray(Image.fromarray(image[top:bottom, left:right]).resize((size, size), Image.BILINEAR))


def usable(label):
    """Whether enough of an object is visible for training or evaluation."""
    height = label["bbox"][3] - label["bbox"][1]
    return height >= MIN_HEIGHT and label["visible"] >= MIN_VISIBLE and label["truncated"] <= MAX_TRUNCATED


def scene_crops(task):
    """(seed, size) -> list of (crop, label) of one scene; each process keeps one renderer."""
    global _renderer
    seed, size = task
    if _renderer is None:
        from .renderer import Renderer

        _renderer = Renderer()
    scene = scene_from_seed(seed)
    image, buffer = _renderer.render(scene)
    image = photograph(image, scene["post"]["jpeg"])
    return [(crop(image, label["bbox"], size), dict(label, seed=seed)) for label in objects(scene, buffer) if usable(label)]


def crops(seeds, size=224, workers=1):
    """Yield (crop uint8 [size, size, 3] RGB, label dict) of all usable objects of the scenes, in the order of the seeds.

    label: as `labels.objects` gives it, with the scene's seed. workers > 1 forks that many processes, each with an
    OpenGL context of its own, so the calling process must not hold one.
    """
    tasks = [(int(seed), size) for seed in seeds]
    if workers <= 1:
        for task in tasks:
            yield from scene_crops(task)
        return
    from .renderer import prepare

    prepare()
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for made in pool.imap(scene_crops, tasks, chunksize=2):
            yield from made


def as_row(label):
    """A label dict as one structured element of dtype LABEL."""
    row = np.zeros((), LABEL)
    for name in LABEL.names:
        row[name] = label[name].encode() if name == "type" else label[name]
    return row


@contextlib.contextmanager
def growing_npy(path, shape, dtype):
    """Append arrays of `shape` to a .npy whose length is known only at the end; yields the append function."""
    path, count = Path(path), 0
    scratch = path.with_name(path.name + ".part")

    def header(file, n):
        np.lib.format.write_array_header_1_0(
            file, dict(descr=np.lib.format.dtype_to_descr(np.dtype(dtype)), fortran_order=False, shape=(n, *shape))
        )
        return file.tell()

    with open(scratch, "wb") as file:
        start = header(file, 0)

        def append(array):
            nonlocal count
            file.write(np.ascontiguousarray(array, dtype).tobytes())
            count += 1

        yield append
        file.seek(0)
        # NumPy pads headers so that the first axis can grow in place.
        if header(file, count) != start:
            raise RuntimeError("this NumPy does not pad .npy headers; use NumPy 1.23 or later to write %s" % path)
    os.replace(scratch, path)


def main():
    parser = argparse.ArgumentParser(description="Render scenes and keep the crops of their vehicles.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0, help="first seed (default 0)")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after that long with what there is")
    args = parser.parse_args()
    if args.first + args.scenes > SAMPLE_SEEDS:
        parser.error("seeds from %d on belong to the sample scenes; choose --first and --scenes below" % SAMPLE_SEEDS)
    args.out.mkdir(parents=True, exist_ok=True)
    start, rows, last = time.time(), [], None
    seeds = range(args.first, args.first + args.scenes)
    with growing_npy(args.out / "images.npy", (args.size, args.size, 3), np.uint8) as append:
        for image, label in crops(seeds, args.size, args.workers):
            append(image)
            rows.append(as_row(label))
            if last is None:
                print("first crop after %.1f s" % (time.time() - start), flush=True)
                begun = time.time()
            last = label["seed"]
            if len(rows) % 2000 == 0:
                print("%d crops, %.1f scenes/s" % (len(rows), (last - args.first) / (time.time() - begun)), flush=True)
            if time.time() - start > args.seconds:
                break
    with growing_npy(args.out / "labels.npy", (), LABEL) as append:
        for row in rows:
            append(row)
    took = time.time() - start
    done = 0 if last is None else last + 1 - args.first
    print(
        "%d crops of %d scenes in %.1f s: %.1f scenes/s, %.1f crops/s" % (len(rows), done, took, done / took, len(rows) / took)
    )


if __name__ == "__main__":
    main()
