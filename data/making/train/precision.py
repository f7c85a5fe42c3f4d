"""The cost and the gain of half precision in hardware: the trained network on a GPU, in PyTorch.

    python -m data.making.train.precision OUT.json

The vehicles of all sample scenes in FP32, TF32 (which TensorRT uses for FP32 on Ampere and later unless the flag is
cleared) and FP16, each compared with FP32. `apart` keeps the normalisation and the softmax in 32 bits, as
`helpers.engine.half` and `uffsurgeon.to_onnx` write them; `through` squares and sums in 16 bits, too. `louder` multiplies
the vectors of the orientation head by a hundred, which does not change their directions in FP32.

Times are those of a CUDA graph, which one call launches as a whole, much as TensorRT runs a plan: measured by events in
the stream, after a warm-up, with the precisions taking turns in short blocks. Input and outputs stay on the GPU.
"""
import contextlib
import json
import sys

import numpy as np
import torch
from torch.nn import functional as F

from data.making.train import model
from helpers import artifacts, parity, scenes, timing

DEVICE = "cuda"


class Through(model.Box3D):
    """The plain network, with every operation in the precision of its input."""

    def forward(self, x):
        x = self.body(x).permute(0, 2, 3, 1).flatten(1)

        def head(first, second):
            return second(F.leaky_relu(first(x), model.LEAK))

        vectors = F.leaky_relu(head(self.dense_3, self.dense_4), model.LEAK).reshape(-1, model.BINS, 2)
        length = vectors.square().sum(2, keepdim=True).clamp_min(1e-12).rsqrt()
        dimension = F.leaky_relu(head(self.dense_1, self.dense_2), model.LEAK)
        return dimension, vectors * length, head(self.dense_5, self.confidence)


@contextlib.contextmanager
def tf32(wanted):
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = wanted
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@torch.no_grad()
def answers(box3d, images, dtype, softmax_in):
    """Heads, float32, for crops [N, 224, 224, 3] uint8 RGB; the network runs in `dtype`."""
    box3d = box3d.to(DEVICE, dtype)
    x = model.preprocess(torch.from_numpy(images).to(DEVICE))
    dimension, orientation, logits = box3d(x.to(dtype))
    heads = dimension, orientation, logits.to(softmax_in).softmax(1)
    return dict(zip(("dimension", "orientation", "confidence"), (head.float().cpu().numpy() for head in heads)))


def figures(reference, found, street):
    gate = parity.compare(reference, found, street)
    seen = {"verdict": gate.verdict, "lost": int(gate.lost), "boxes": int(np.isfinite(gate.yaw_deg).sum()),
            "errors": {name: float(error) for name, error in gate.errors.items()}}
    for name, values in (("yaw_deg", gate.yaw_deg), ("distance_m", gate.distance_m)):
        known = values[np.isfinite(values)]
        seen[name] = {"median": float(np.median(known)), "max": float(known.max())} if len(known) else None
    return seen


@torch.no_grad()
def times(arrays, batches=(1, 8, 32), blocks=60, runs=20):
    """{"FP32, batch 1": {median, p90, p99, n}, ...}, ms for one run of a whole batch."""
    found = {}
    for batch in batches:
        steps = {}
        for name, dtype, fast in (("FP32", torch.float32, False), ("TF32", torch.float32, True),
                                  ("FP16", torch.float16, False)):
            box3d = model.load(arrays).to(DEVICE, dtype).to(memory_format=torch.channels_last)
            x = torch.zeros(batch, 3, 224, 224, device=DEVICE, dtype=dtype).to(memory_format=torch.channels_last)
            with tf32(fast):
                side = torch.cuda.Stream()
                with torch.cuda.stream(side):
                    for _ in range(3):  # chooses the kernels, which must not happen while a graph is captured
                        box3d(x)
                torch.cuda.current_stream().wait_stream(side)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    kept = box3d(x)
            steps[name] = (graph, box3d, x, kept, [])
        for block in range(-5, blocks):
            for graph, _, _, _, samples in steps.values():
                events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
                events[0].record()
                for event in events[1:]:
                    graph.replay()
                    event.record()
                events[-1].synchronize()
                if block >= 0:  # the first five are warm-up
                    samples.extend(a.elapsed_time(b) for a, b in zip(events, events[1:]))
        for name, (_, _, _, _, samples) in steps.items():
            found["%s, batch %d" % (name, batch)] = {
                "median": float(np.median(samples)), "p90": float(np.percentile(samples, 90)),
                "p99": float(np.percentile(samples, 99)), "n": len(samples)}
    return found


def main(path):
    arrays = dict(np.load(str(artifacts.DATA / "weights.npz")))
    louder = dict(arrays, **{name: arrays[name].astype(np.float32) * 100 for name in ("dense_4/kernel", "dense_4/bias")})
    street = [scenes.load(name) for name in scenes.names()]
    images = np.stack([crop for scene in street for crop in scenes.crops(scene)])

    def through(weights):
        copy = Through(batch_norm=False)
        copy.load_state_dict(model.load(weights).state_dict())
        return copy.eval()

    half, full = torch.float16, torch.float32
    with tf32(False):
        reference = answers(model.load(arrays), images, full, full)
        loud = answers(model.load(louder), images, full, full)
    with tf32(True):
        found = {"TF32": answers(model.load(arrays), images, full, full)}
    found["FP16, apart"] = answers(model.load(arrays), images, half, full)
    found["FP16, through"] = answers(through(arrays), images, half, half)
    found["FP16, apart, louder"] = answers(model.load(louder), images, half, full)
    found["FP16, through, louder"] = answers(through(louder), images, half, half)
    record = timing.make({
        "vehicles": len(images), "scenes": len(street),
        "fp16_sums_may_be_fp16": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        "weights_sha256": artifacts.digest(artifacts.DATA / "weights.npz"),
        "ms": times(arrays) if DEVICE == "cuda" else None,
        "louder in FP32": figures(reference, loud, street),
        "against FP32": {name: figures(reference, heads, street) for name, heads in found.items()},
    }, {"pytorch": torch.__version__, "cuda": torch.version.cuda}, "python -m data.making.train.precision OUT.json")
    timing.save(record, path)
    print(json.dumps(record, indent=1, sort_keys=True))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
