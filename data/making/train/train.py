"""Train the network on rendered crops, prune it, and write the arrays that Keras loads.

    python -m data.making.train.train --crops CROPS --out OUT --seconds 400

CROPS is what data/making/train/prepare.py wrote: CROPS/train and CROPS/held_out. Writes
weights.npz (float16), dimensions.json (class means of the training labels), figures.json and
log.txt to OUT. The length of training follows from --seconds and the speed measured over the first
steps; --steps sets it directly, which repeats a run, except for rounding: the order of a GPU's sums varies.
"""
import argparse
import datetime
import json
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers import boxes

from .crops import Crops, loss
from .figures import figures
from .model import SCALE, Box3D, compact, export, load
from .prepare import read
from .prune import Pruner


def main(argv=None):
    started = time.time()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--crops", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=400, help="for everything, loading included")
    parser.add_argument("--steps", type=int, help="instead of as many as --seconds allow")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--bits", type=int, default=7, help="mantissa bits kept of 10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=1, help="divides channels, for a trial")
    parser.add_argument("--side", type=int, default=224, help="of a crop, for a trial")
    args = parser.parse_args(argv)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    log = Log(out / "log.txt", started)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(args.seed)
    train, held_out = read(Path(args.crops) / "train"), read(Path(args.crops) / "held_out")
    shared = set(train.seed.tolist()) & set(held_out.seed.tolist())
    if shared:
        raise ValueError("%d scenes are in both folders, such as seed %d"
                         % (len(shared), min(shared)))
    means = {kind: train.dimensions[train.kind == kind].mean(0).round(3).tolist()
             for kind in sorted(set(train.kind.tolist()))}
    (out / "dimensions.json").write_text(json.dumps(means, indent=1) + "\n")
    mean = np.array([means[kind] for kind in train.kind.tolist()])
    crops = as_crops(train, slice(None), device, mean)
    log("%d crops of %d scenes to train, %d held out, on %s"
        % (len(crops), len(set(train.seed.tolist())), len(held_out.kind),
           torch.cuda.get_device_name() if device == "cuda" else platform.processor()))

    model = Box3D(width=args.width, side=args.side).to(device, memory_format=torch.channels_last)
    steps = fit(model, crops, args, started, log)
    arrays = export(model)
    stored = compact(arrays, args.bits)
    np.savez_compressed(str(out / "weights.npz"), **stored)
    size = (out / "weights.npz").stat().st_size
    log("wrote weights.npz, %.2f MiB" % (size / 2 ** 20))
    torch.backends.cudnn.benchmark = False  # its search for the fastest kernels would take longer than the evaluation
    before, _ = evaluate(arrays, held_out, means, args, device)
    after, yaw = evaluate(stored, held_out, means, args, device)
    reached = {"float32": before, "stored": after}
    fixture(held_out, out / "heldout")
    worst = np.argsort(-yaw)[:40]
    sheet(held_out, worst, out / "worst.jpg")
    log("worst yaw errors, degrees: %s" % " ".join("%.0f" % degrees for degrees in yaw[worst]))
    record = {
        "held_out": reached["stored"],
        "held_out_before_rounding": reached["float32"],
        "seeds": {"training": [int(train.seed.min()), int(train.seed.max())],
                  "held_out": [int(held_out.seed.min()), int(held_out.seed.max())],
                  "optimiser": args.seed},
        "training": {"crops": len(crops), "scenes": len(set(train.seed.tolist())), "steps": steps,
                     "batch": args.batch, "rate": args.rate,
                     "seconds": round(time.time() - started)},
        "parameters": int(sum(a.size for a in stored.values())),
        "zeros": {name: round(float((a == 0).mean()), 4) for name, a in stored.items()
                  if name.endswith("kernel")},
        "mantissa_bits": args.bits,
        "bytes": size,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    (out / "figures.json").write_text(json.dumps(record, indent=1) + "\n")
    log(json.dumps(reached, indent=1))


def fit(model, crops, args, started, log, finish=20, sample=40):
    """Train; return the number of steps.

    finish: seconds reserved for export and evaluation. sample: steps after which the speed is measured.
    """
    device = next(model.parameters()).device
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02},
                                   {"params": plain, "weight_decay": 0}],
                                  lr=args.rate, betas=(0.9, 0.99), fused=device.type == "cuda")
    pruner = Pruner(model)
    order, steps, step, since = torch.empty(0, dtype=torch.long), args.steps, 0, time.time()
    running = None
    while steps is None or step < steps:
        if steps is None and step == sample:
            synchronize(device)
            each = (time.time() - since) / (sample // 2)
            left = started + args.seconds - finish - time.time()
            steps = step + max(int(left / each), 1)
            log("%.0f crops a second, %d steps" % (args.batch / each, steps))
        if steps is None and step == sample // 2:
            synchronize(device)
            since = time.time()
        progress = step / (steps or 10 ** 9)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * schedule(step, progress)
        if len(order) < args.batch:
            order = torch.randperm(len(crops), device=device)
        index, order = order[:args.batch], order[args.batch:]
        model.train()
        x, residual, alpha = crops.batch(index, args.side, augment=True)
        with torch.autocast(device.type, torch.bfloat16):
            outputs = model(x)
        total, parts = loss(outputs, residual, alpha)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if step % 50 == 0 and pruner.begin <= progress <= pruner.end + 0.02:
            pruner.tighten(progress)
        if progress >= pruner.begin:
            pruner.apply()
        parts = torch.stack(parts)
        running = parts if running is None else torch.lerp(running, parts, 0.02)
        step += 1
        if args.steps is None and time.time() > started + args.seconds - finish / 2:
            log("time is up at step %d of %d: the machine got slower" % (step, steps))
            steps = step
        if step % 200 == 0 or step == steps:
            log("step %5d of %s: dimension %.4f, orientation %.4f, bin %.3f"
                % ((step, steps) + tuple(running.tolist())))
            if not torch.isfinite(running).all():
                raise RuntimeError("training diverged at step %d: lower --rate" % step)
    pruner.tighten(1)
    pruner.apply()
    return steps


def schedule(step, progress, warm=200):
    """Share of the highest learning rate: a linear start, then a cosine to zero."""
    return min((step + 1) / warm, 1) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1)))


def evaluate(arrays, held_out, means, args, device):
    """Run the stored arrays in the plain network; returns figures, and the yaw errors in degrees."""
    model = load(arrays, args.width, args.side).to(device)
    crops = as_crops(held_out, np.arange(len(held_out.kind)), device)
    parts = []
    for index in torch.arange(len(crops), device=device).split(128):
        x, _, _ = crops.batch(index, args.side, augment=False)
        with torch.no_grad():
            dimension, orientation, logits = model(x * SCALE)
        parts.append([dimension, orientation, logits.softmax(1)])
    heads = [torch.cat(column).cpu().numpy() for column in zip(*parts)]
    heads = dict(zip(("dimension", "orientation", "confidence"), heads))
    mean = np.array([means[kind] for kind in held_out.kind.tolist()])
    found = boxes.estimate(heads, held_out.bbox, held_out.P, mean, held_out.size)
    error = boxes.measure(found, held_out)
    clear = (held_out.occluded == 0) & (held_out.truncated == 0)
    return figures(error, clear), error["yaw_deg"]


def fixture(held_out, folder, count=64):
    """Some held-out crops as one JPEG sheet, with their labels and camera, for tests and INT8."""
    folder.mkdir(exist_ok=True)
    chosen = np.random.RandomState(0).permutation(len(held_out.kind))[:count]
    rows = []
    for i in chosen:
        numbers = np.concatenate([[held_out.alpha[i]], held_out.bbox[i], held_out.dimensions[i],
                                  held_out.location[i], [held_out.yaw[i]]])
        rows.append("%s %.2f %d %s" % (held_out.kind[i], held_out.truncated[i],
                                       held_out.occluded[i], " ".join(map("%.4f".__mod__, numbers))))
    (folder / "labels.txt").write_text("\n".join(rows) + "\n")
    camera = " ".join(map(repr, held_out.P[0].ravel().tolist()))
    (folder / "calib.txt").write_text("P2: %s\n" % camera)
    sheet(held_out, chosen, folder / "crops.jpg")


def sheet(labelled, chosen, path, columns=8):
    """Crops side by side in one JPEG; 224 is a multiple of its block size, so no block spans two crops."""
    rows = -(-len(chosen) // columns)
    tiles = np.zeros((rows * columns, 224, 224, 3), np.uint8)
    tiles[:len(chosen)] = as_crops(labelled, chosen, "cpu").pictures(224)
    tiles = tiles.reshape(rows, columns, 224, 224, 3).swapaxes(1, 2)
    whole = Image.fromarray(tiles.reshape(rows * 224, columns * 224, 3))
    whole.save(str(path), quality=92, subsampling=0)


def as_crops(labelled, chosen, device, mean=0):
    """The rows `chosen` of what `prepare.read` returns, on the device."""
    return Crops(torch.from_numpy(labelled.images[chosen]), labelled.region[chosen],
                 labelled.bbox[chosen], labelled.dimensions[chosen] - mean, labelled.yaw[chosen],
                 labelled.P[chosen], labelled.size, device)


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


class Log:
    """Prints lines with the seconds since the start, and writes them to a file."""

    def __init__(self, path, started):
        self.path, self.started = path, started
        path.write_text("")

    def __call__(self, text):
        line = "%6.1f s  %s" % (time.time() - self.started, text)
        print(line, flush=True)
        with open(str(self.path), "a") as stream:
            stream.write(line + "\n")


if __name__ == "__main__":
    main()
