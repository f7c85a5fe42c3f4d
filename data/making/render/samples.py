"""Make data/scenes again.

    python -m data.making.render.samples

Goes through the seeds from SAMPLE_SEEDS on and keeps a scene if it adds to the variety still needed (LIGHTS, at most
PER_STREET of one kind of street) and if its vehicles are suitable for evaluation, see `objection`. Nothing is retouched.
Images, labels and calibration have the layout of KITTI's object data set.
"""

import argparse
import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from .labels import label_line, objects
from .scene import HEIGHT, P2, SAMPLE_SEEDS, WIDTH, scene_from_seed

SCENES = Path(__file__).resolve().parents[2] / "scenes"
LIGHTS = dict(clear=4, partly=3, low=2, overcast=3, haze=1, dusk=1)
PER_STREET = 5
QUALITY = 90
LABEL_HEIGHT, LABEL_VISIBLE, LABEL_TRUNCATED = 25, 0.2, 0.6


def labelled(label):
    """Whether an object gets a label of its own; a visible object that does not becomes DontCare, as in KITTI."""
    height = label["tight"][3] - label["tight"][1]
    return height >= LABEL_HEIGHT and label["visible"] >= LABEL_VISIBLE and label["truncated"] <= LABEL_TRUNCATED


def objection(labels):
    """Why a scene is rejected, or "" if it is kept.

    Kept are scenes with 3 to 8 labelled vehicles, at least 2 of them whole and unoccluded at 5 to 45 m, fronts and rears
    among these; no vehicle covers more than a quarter of the image, and at most 8 stay unlabelled.
    """
    kept = [label for label in labels if labelled(label)]
    good = [k for k in kept if k["occluded"] == 0 and k["truncated"] < 0.02 and 5 <= k["location"][2] <= 45]
    if not 3 <= len(kept) <= 8:
        return "%d vehicles" % len(kept)
    if len(good) < 2:
        return "%d clear to see" % len(good)
    if len(labels) - len(kept) > 8:
        return "crowded"
    if max((k["tight"][2] - k["tight"][0]) * (k["tight"][3] - k["tight"][1]) for k in labels) > 0.25 * WIDTH * HEIGHT:
        return "blocked"
    turned = [np.sin(k["alpha"]) for k in good]
    return "" if max(turned) > 0.3 and min(turned) < -0.3 else "all from one side"


def calibration():
    """The text of a KITTI calibration file: one rectified camera, which is its own reference.

    P1 and P3 are the right cameras of a 0.54 m stereo pair. There is no laser scanner and no inertial unit; their
    matrices are there because readers of the format expect them.
    """
    right = P2.copy()
    right[0, 3] = -P2[0, 0] * 0.54
    lines = [("P0", P2), ("P1", right), ("P2", P2), ("P3", right), ("R0_rect", np.eye(3))]
    lines.append(("Tr_velo_to_cam", np.array([[0, -1.0, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]])))
    lines.append(("Tr_imu_to_velo", np.hstack([np.eye(3), [[-0.81], [0.32], [-0.80]]])))
    return "".join("%s: %s\n" % (name, " ".join("%.12e" % v for v in matrix.ravel())) for name, matrix in lines)


def label_text(labels):
    """The label file: labelled vehicles nearest first, then DontCare regions."""
    lines = [label_line(label) for label in labels if labelled(label)]
    for label in labels:
        width, height = label["tight"][2] - label["tight"][0], label["tight"][3] - label["tight"][1]
        if not labelled(label) and width * height * label["visible"] >= 30:
            lines.append("DontCare -1 -1 -10 %.2f %.2f %.2f %.2f -1 -1 -1 -1000 -1000 -1000 -10" % tuple(label["tight"]))
    return "\n".join(lines) + "\n"


def in_view(scene):
    """Number of vehicles in the camera's view, 5 to 45 m away: a cheap test before the expensive one."""
    return sum(5 <= v["y"] <= 45 and abs(v["x"]) < 0.8 * v["y"] for v in scene["vehicles"])


def chosen(renderer, first=SAMPLE_SEEDS, report=print):
    """Yield (scene, image, labels) of the scenes that are kept, until LIGHTS is complete."""
    wanted, streets, seed = dict(LIGHTS), {}, first
    while any(wanted.values()):
        scene = scene_from_seed(seed)
        seed += 1
        light, kind = scene["light"]["name"], scene["street"]["kind"]
        if not wanted[light] or streets.get(kind, 0) >= PER_STREET or not 3 <= in_view(scene) <= 11:
            continue
        why_not = objection(objects(scene, renderer.identify(scene)))
        report("seed %d: %s, %s: %s" % (scene["seed"], light, kind, why_not or "kept"), flush=True)
        if not why_not:
            image, buffer = renderer.render(scene)
            labels = objects(scene, buffer)
            wanted[light] -= 1
            streets[kind] = streets.get(kind, 0) + 1
            yield scene, image, labels


def write(folder, index, scene, image, labels):
    name = "%06d" % index
    for part in ("image_2", "label_2", "calib"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=QUALITY)
    (folder / "image_2" / (name + ".jpg")).write_bytes(file.getvalue())
    (folder / "label_2" / (name + ".txt")).write_text(label_text(labels))
    (folder / "calib" / (name + ".txt")).write_text(calibration())
    light, street = scene["light"], scene["street"]
    return dict(
        name=name,
        seed=scene["seed"],
        light=light["name"],
        wet=round(float(light["wet"]), 2),
        street=street["kind"],
        vehicles=sum(map(labelled, labels)),
    )


def main():
    parser = argparse.ArgumentParser(description="Make the sample scenes again, in data/scenes.")
    parser.add_argument("--out", type=Path, default=SCENES)
    args = parser.parse_args()
    from .renderer import Renderer

    renderer = Renderer()
    scratch = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    order = list(LIGHTS)  # a sunny street first: the workbook begins with it
    made = sorted(chosen(renderer), key=lambda one: (order.index(one[0]["light"]["name"]), one[0]["seed"]))
    table = [write(scratch, i, *one) for i, one in enumerate(made)]
    (scratch / "scenes.json").write_text(json.dumps(table, indent=1) + "\n")
    shutil.rmtree(args.out, ignore_errors=True)
    scratch.rename(args.out)
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file())
    print("%d scenes, %d labelled vehicles, %.1f MB" % (len(table), sum(row["vehicles"] for row in table), size / 1e6))


if __name__ == "__main__":
    main()
