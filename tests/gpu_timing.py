"""What helpers.cuda and the GPU side of helpers.timing do on a real GPU.

    python tests/gpu_timing.py OUT.json [FOLDER[=HIDDEN] ...]

No pytest: a machine without a GPU runs none of it. Wants PyTorch (with CUDA) for comparison and nvcc for the kernel. Each
FOLDER goes to the front of PYTHONPATH in turn, and module HIDDEN out of sight, so that other CUDA libraries than the one
installed can be checked.
"""
import json
import os
import platform
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np  # noqa: E402

from helpers import cuda, timing  # noqa: E402

ROWS, LENGTH = 1 << 24, 32  # 2 GB in, 2 GB out: a millisecond on the quickest GPU, beside which calls from Python are small


def check_face():
    """Each promise of helpers.cuda's docstrings, on this GPU; returns what was seen."""
    free, total = cuda.memory()
    assert 0 < free <= total
    source = np.random.RandomState(0).rand(3, 1 << 20).astype(np.float32)
    with cuda.Buffer(source.nbytes) as memory, cuda.Pinned(source.shape) as pinned, cuda.Stream() as stream:
        back = np.zeros_like(source)
        memory.upload(source)
        memory.download(back)
        assert (back == source).all()
        pinned.array[:] = source * 2
        memory.upload(pinned.array, stream)
        pinned_back = cuda.Pinned(source.shape)
        memory.download(pinned_back.array, stream)
        stream.synchronize()
        assert (pinned_back.array == source * 2).all()
        pinned_back.free()
        start, end = cuda.Event(), cuda.Event()
        start.record(stream)
        memory.upload(pinned.array, stream)
        end.record(stream)
        end.synchronize()
        copy_ms = end.milliseconds_since(start)
        assert 0 < copy_ms < 1000
        in_thread = []
        thread = threading.Thread(target=lambda: in_thread.append(cuda.memory()))
        thread.start()
        thread.join()
        assert in_thread, "a second thread cannot use CUDA"
    before = cuda.memory()[0]
    block = cuda.Buffer(256 << 20)
    assert before - cuda.memory()[0] >= 256 << 20
    block.free()
    assert abs(cuda.memory()[0] - before) < 8 << 20, "memory was not given back"
    try:
        cuda.Buffer(total * 2)
        raise AssertionError("twice the memory was allocated")
    except RuntimeError as error:
        refusal = str(error)
    cuda.Buffer(16).free()  # still usable
    runtime = getattr(cuda._backend(), "runtime", None)
    return {"library": cuda.library(), "module": getattr(runtime, "__name__", "pycuda.driver"),
            "device": cuda.device(), "upload_12MB_ms": copy_ms, "too_much": refusal}


def l2(stream):
    """A `launch` column: the plugin's kernel over 2 GB."""
    from helpers import plugin

    x, y = cuda.Buffer(ROWS * LENGTH * 4), cuda.Buffer(ROWS * LENGTH * 4)
    x.upload(np.ones((ROWS, LENGTH), np.float32))

    def launch():
        plugin.launch(x.address, y.address, ROWS, LENGTH, stream=stream.handle)
    launch.memory = x, y
    return launch


def torch_l2_ms(seconds=1.0):
    """The same kernel on the same shape on PyTorch's stream -> (PyTorch's events, ours around the same launches), in ms."""
    import torch

    from helpers import plugin

    x = torch.ones((ROWS, LENGTH), device="cuda")
    y = torch.empty_like(x)
    stream, mine = cuda.Stream(), (cuda.Event(), cuda.Event())
    theirs = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    found = []

    def step(before, after):
        mine[0].record(stream)
        theirs[0].record()
        plugin.launch(x.data_ptr(), y.data_ptr(), ROWS, LENGTH, stream=stream.handle)
        theirs[1].record()
        mine[1].record(stream)
        mine[1].synchronize()
        theirs[1].synchronize()
        found.append((theirs[0].elapsed_time(theirs[1]), mine[1].milliseconds_since(mine[0])))

    with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle)):
        timing.sample(step, seconds=0, warm_up=0.5)
        found[:] = []
        timing.sample(step, seconds=seconds, warm_up=0)
    return tuple(zip(*found))


def check_times():
    class Judge:
        verdict, why = "equal", "a kernel without heads"

    column = timing.Column("L2 kernel", "launch", "tests.gpu_timing:l2")
    record = timing.measure([column], np.zeros((1, 1), np.float32), seconds=1.0, judge=lambda *_: Judge)
    row, = timing.rows(record) or [timing.withheld(record)]
    theirs, mine = map(timing.summary, torch_l2_ms())
    ours = record["columns"][0]["gpu_ms"]
    record["columns"][0].pop("samples_ms")
    found = {"kernel": "L2 normalize, float32 %d x %d" % (ROWS, LENGTH), "worker_ms": ours, "torch_ms": theirs,
             "same_launches_ms": mine, "worker_to_torch": ours["median"] / theirs["median"] - 1,
             "same_launches_to_torch": mine["median"] / theirs["median"] - 1, "record": record}
    assert abs(found["worker_to_torch"]) < 0.05 and abs(found["same_launches_to_torch"]) < 0.05, found
    assert row["ms"] >= ours["median"], found
    return found


def main(path):
    if path == "--face":
        if sys.argv[2]:
            sys.modules[sys.argv[2]] = None  # as if it were not installed
        print(json.dumps(check_face()))
        return
    import torch

    found = {"python": platform.python_version(), "torch": torch.__version__, "faces": []}
    for other in [""] + sys.argv[2:]:  # folders with PyCUDA, with the cuda-python of before 12.6, ...
        folder, _, hidden = other.partition("=")
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))
        done = subprocess.run([sys.executable, os.path.abspath(__file__), "--face", hidden], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, env=environment)
        face = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": done.stderr[-1500:]}
        face["stderr"] = done.stderr[-300:]
        found["faces"].append(face)
    try:
        found["times"] = check_times()
    finally:
        with open(path, "w") as stream:
            json.dump(found, stream, indent=1, sort_keys=True)
            stream.write("\n")
    print(json.dumps(found["faces"], indent=1))
    print({key: value for key, value in found["times"].items() if key != "record"})


if __name__ == "__main__":
    main(sys.argv[1])
