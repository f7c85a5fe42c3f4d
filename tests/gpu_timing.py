"""Check helpers.cuda on a real GPU, and its events against PyTorch's. Not run by pytest.

    python tests/gpu_timing.py OUT.json [FOLDER[=HIDDEN] ...]

Needs PyTorch with CUDA, for comparison, and nvcc, for the kernel. Writes a record of the form that data/runs/README.md
describes. Each FOLDER is put in front of PYTHONPATH in turn, with the module HIDDEN made unavailable, to check other CUDA
libraries than the installed one.
"""
import json
import os
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402

from helpers import cuda, timing  # noqa: E402

ROWS, LENGTH = 1 << 24, 32  # 2 GB in, 2 GB out: a millisecond on the fastest GPU, beside which calls from Python are short
TOLERANCE = 0.05


def check_library():
    """Copies, streams, events, threads, freed memory and a refused allocation; returns what the library is."""
    free, total = cuda.memory()
    assert 0 < free <= total
    source = np.random.RandomState(0).rand(3, 1 << 20).astype(np.float32)
    with cuda.Buffer(source.nbytes) as memory, cuda.Pinned(source.shape) as pinned, cuda.Stream() as stream:
        back = np.zeros_like(source)
        memory.upload(source)
        memory.download(back)
        assert (back == source).all()
        pinned.array[:] = source * 2
        start, end = cuda.Event(), cuda.Event()
        start.record(stream)
        memory.upload(pinned.array, stream)
        end.record(stream)
        end.synchronize()
        copy_ms = end.milliseconds_since(start)
        assert 0 < copy_ms < 1000
        with cuda.Pinned(source.shape) as result:
            memory.download(result.array, stream)
            stream.synchronize()
            assert (result.array == source * 2).all()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(cuda.memory()))
        thread.start()
        thread.join()
        assert seen, "a second thread cannot use CUDA"
    before = cuda.memory()[0]
    with cuda.Buffer(256 << 20):
        assert before - cuda.memory()[0] >= 256 << 20
    assert abs(cuda.memory()[0] - before) < 8 << 20, "memory was not given back"
    try:
        cuda.Buffer(total * 2)
        raise AssertionError("twice the GPU's memory was allocated")
    except RuntimeError as error:
        refusal = str(error)
    cuda.Buffer(16).free()  # usable after the error
    return {"library": cuda.library(), "device": cuda.device(), "upload_12MB_ms": copy_ms, "too_much": refusal}


def check_events(seconds=1.0):
    """The L2 kernel over 2 GB, by our events and by PyTorch's around the same launches; returns both in ms."""
    import torch

    from helpers import plugin

    x = torch.ones((ROWS, LENGTH), device="cuda")
    y, theirs = torch.empty_like(x), []
    stream, torch_events = cuda.Stream(), [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def step(before, after):
        before.record(stream)
        torch_events[0].record()
        plugin.launch(x.data_ptr(), y.data_ptr(), ROWS, LENGTH, stream=stream.handle)
        torch_events[1].record()
        after.record(stream)
        after.synchronize()
        torch_events[1].synchronize()
        theirs.append(torch_events[0].elapsed_time(torch_events[1]))

    with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle)):
        ours = timing.sample(step, seconds=seconds, events=(cuda.Event(), cuda.Event())).gpu
    found = {"kernel": "L2 normalize, float32 %d x %d" % (ROWS, LENGTH), "same_launches_ms": timing.summary(ours),
             "torch_ms": timing.summary(theirs[-len(ours):])}
    found["same_launches_to_torch"] = found["same_launches_ms"]["median"] / found["torch_ms"]["median"] - 1
    assert abs(found["same_launches_to_torch"]) < TOLERANCE, found
    return found


def check_library_in_child(other):
    folder, _, hidden = other.partition("=")
    done = subprocess.run([sys.executable, os.path.abspath(__file__), "--library", hidden], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, env=dict(
                              os.environ, PYTHONPATH=os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))))
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": done.stderr[-1500:]}


def main(out, *others):
    if out == "--library":
        if others[0]:
            sys.modules[others[0]] = None  # as if it were not installed
        print(json.dumps(check_library()))
        return
    import torch

    results = {"libraries": [check_library_in_child(other) for other in ("",) + others], "times": check_events()}
    record = timing.make(results, {"pytorch": torch.__version__, "cuda library": cuda.library()},
                         " ".join(["python tests/gpu_timing.py", out] + list(others)))
    timing.save(record, out)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
