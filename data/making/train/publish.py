"""Copy the results of training into data/, after evaluating them on the sample scenes.

    python -m data.making.train.publish OUT ["a sentence for the record"]

Checks weights.npz as the workbook loads it, runs the plain network on data/scenes, and writes
data/weights.npz, data/dimensions.json, data/heldout/ and data/weights.json. The scenes with their
boxes are drawn into build/scenes/.
"""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import artifacts, boxes, scenes
from helpers.show import scene as show

from .figures import figures
from .model import load, run

PARAMETERS = 40411989
LIMIT = 15 * 2 ** 20


def main(out, note=None):
    out = Path(out)
    data = (out / "weights.npz").read_bytes()
    with np.load(str(out / "weights.npz"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    count = sum(array.size for array in arrays.values())
    if count != PARAMETERS or any(array.dtype != np.float16 for array in arrays.values()):
        raise ValueError("%s/weights.npz holds %d parameters of %s, not %d of float16"
                         % (out, count, {str(a.dtype) for a in arrays.values()}, PARAMETERS))
    if len(data) > LIMIT:
        raise ValueError("weights.npz has %d bytes, over the limit of %d" % (len(data), LIMIT))
    record = json.loads((out / "figures.json").read_text())
    artifacts.write(artifacts.DATA / "dimensions.json", (out / "dimensions.json").read_text())
    for name in ("crops.jpg", "labels.txt", "calib.txt"):
        artifacts.write(scenes.HELD_OUT / name, (out / "heldout" / name).read_bytes())
    if note:
        record["note"] = note
    record["samples"] = on_samples(load(arrays), artifacts.BUILD / "scenes")
    artifacts.write(artifacts.DATA / "weights.npz", data)
    artifacts.write(artifacts.DATA / "weights.json", json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def on_samples(model, folder):
    """Figures over all vehicles of the sample scenes; draws each scene into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    errors, clear, images = [], [], []
    for name in scenes.names():
        scene = scenes.load(name)
        objects = scene.objects
        found = boxes.estimate(run(model, scenes.crops(scene)), objects.bbox, scene.P,
                               scenes.mean_dimensions(objects.kind), scene.size)
        errors.append(boxes.measure(found, objects))
        clear.append((objects.occluded == 0) & (objects.truncated == 0))
        path = folder / (name + ".png")
        show.boxes_on_scene(scene, found, truth=True).savefig(str(path))
        images.append(path)
        print(name, [round(v, 1) for v in errors[-1]["yaw_deg"].tolist()],
              [round(v, 2) for v in errors[-1]["iou_3d"].tolist()], found.reason)
    sheet(images, folder / "all.png")
    return figures({key: np.concatenate([e[key] for e in errors]) for key in errors[0]},
                   np.concatenate(clear))


def sheet(paths, target, columns=2):
    """All pictures on one sheet."""
    pictures = [Image.open(str(path)).convert("RGB") for path in paths]
    if not pictures:
        return
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * width, rows * height), "white")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * width, i // columns * height))
    whole.save(str(target))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
