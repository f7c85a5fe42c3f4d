"""Measure the L2-normalize kernels on this machine's NVIDIA GPU and write what came out as JSON.

    python3 plugin_src/benchmark.py [--out FILE] [--only PART[,PART]] [--quick]

Needs nvcc and NumPy; PyTorch is timed beside the kernels where it is installed. Parts, of which the first five run by
default and take a minute together:

    correctness  every kernel, type, alignment, in place, over the whole range of inputs, against float64
    bandwidth    2 GB in rows of 1 to 65,536 elements: bytes read and written a second, and as a share of a copy's
    smaller      the same with 512 and 128 MB
    columns      the same for an axis that has other axes behind it
    latency      the network's own shape, 1 x 6 x 2 and 32 x 6 x 2, beside one launch for each node and PyTorch
    sanitizer    compute-sanitizer (memcheck, racecheck, initcheck, synccheck) over check.cu
    plugin       the plugin's test program, for each folder of TensorRT headers named in TENSORRT_ROOTS (a:b:c)

A share is that of the faster of two copies of the same bytes, timed in turn with the kernel: cudaMemcpyAsync from device
to device, and a kernel that only copies. --quick is for looking for mistakes: fewer lengths, fewer repetitions.
"""
import argparse
import concurrent.futures
import ctypes
import datetime
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from helpers import plugin  # noqa: E402

MEMCPY, COPY_KERNEL, NORMALIZE, FIVE_LAUNCHES, SIMPLE = range(5)
TYPES = {"float32": 0, "float16": 1}
POWERS = [2 ** exponent for exponent in range(17)]
LENGTHS = sorted(set(POWERS + [power - 1 for power in POWERS[2:]] + [power + 1 for power in POWERS[1:16]] +
                     [6, 10, 11, 12, 13, 20, 24, 48, 100, 171, 200, 300, 341, 500, 768, 1000, 3000, 5000, 10000, 12345,
                      40000, 50001]))
LARGE, SMALLER = 2048, (512, 128)  # MB that are read
SHAPES = ((8, 64, 1 << 20), (1 << 16, 64, 128), (1 << 18, 6, 300), (64, 65536, 32), (1 << 20, 128, 2))
PARTS = ["correctness", "bandwidth", "smaller", "columns", "latency", "sanitizer", "plugin"]


class Job(ctypes.Structure):
    _fields_ = [("work", ctypes.c_int32), ("type", ctypes.c_int32), ("length", ctypes.c_int32), ("outer", ctypes.c_int64),
                ("inner", ctypes.c_int64), ("x", ctypes.c_void_p), ("y", ctypes.c_void_p), ("scratch", ctypes.c_void_p)]


class Gpu:
    """benchmark.cu, with errors raised; `alloc` gives device addresses, all freed by `release`."""

    def __init__(self, library):
        self.library = ctypes.CDLL(str(library))
        self.library.error_text.restype = ctypes.c_char_p
        plugin.declare(self.library.l2_normalize)
        plugin.declare(self.library.l2_normalize_simple)
        self.held = []

    def call(self, name, *arguments):
        error = getattr(self.library, name)(*arguments)
        if error:
            raise RuntimeError("%s: CUDA error %d, %s" % (name, error, self.library.error_text(error).decode()))

    def alloc(self, size):
        pointer = ctypes.c_void_p()
        self.call("device_alloc", ctypes.byref(pointer), ctypes.c_int64(size))
        self.held.append(pointer)
        return pointer.value

    def release(self):
        while self.held:
            self.call("device_free", self.held.pop())

    def put(self, address, array):
        self.call("to_device", ctypes.c_void_p(address), ctypes.c_void_p(array.ctypes.data), ctypes.c_int64(array.nbytes))

    def get(self, address, count, dtype):
        array = np.empty(count, dtype)
        self.call("from_device", ctypes.c_void_p(array.ctypes.data), ctypes.c_void_p(address), ctypes.c_int64(array.nbytes))
        return array

    def set(self, address, value, size):
        self.call("device_set", ctypes.c_void_p(address), value, ctypes.c_int64(size))

    def fill(self, address, count, dtype, seed):
        self.call("device_fill", ctypes.c_void_p(address), ctypes.c_int64(count), TYPES[dtype], seed)

    def normalize(self, x, y, shape, dtype, eps=1e-12, simple=False):
        outer, length, inner = shape
        self.call("l2_normalize_simple" if simple else "l2_normalize", x, y, outer, length, inner, eps, TYPES[dtype], None)
        self.call("device_sync")

    def timed(self, name, job, runs, result):
        self.call(name, ctypes.byref(job), runs, ctypes.byref(result))
        return result.value


# ---- correctness ----------------------------------------------------------------------------------

def reference(x, eps):
    """float64 along the middle axis; the limits of FP32 are not in it."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return wide / np.sqrt(np.maximum((wide * wide).sum(1, keepdims=True), np.float64(np.float32(eps))))


def errors(right, y):
    """(worst relative error, worst error in FP16 units of the last place) of y; NaN must meet NaN."""
    if not np.array_equal(np.isnan(right), np.isnan(y)):
        return float("inf"), float("inf")
    difference = np.abs(np.nan_to_num(y.astype(np.float64) - right))
    size = np.abs(np.nan_to_num(right))
    relative = np.divide(difference, size, out=np.zeros_like(difference), where=size > 0)
    unit = 2.0 ** (np.maximum(np.frexp(np.maximum(size, 2.0 ** -14))[1] - 1, -14) - 10)
    return float(relative.max()), float((difference / unit).max())


def cases(rng, quick):
    """(name, x, eps): arrays over the whole range in which the sum of squares stays in FP32's normal range."""
    shapes = [(max(3, 100000 // length), length, 1) for length in sorted(set(LENGTHS + list(range(1, 66))))]
    shapes += [(1, 2, 5), (3, 6, 2), (5, 100, 7), (2, 1000, 33), (3, 1, 4), (1, 65536, 3), (70, 3, 31), (1, 5, 1000)]
    spread = {"float32": [("everyday", -3, 3), ("small", -30, -6), ("large", 6, 15)],
              "float16": [("whole range", -7, 4.8)]}
    for shape in shapes[::9] if quick else shapes:
        for dtype in TYPES:
            for name, low, high in spread[dtype]:
                x = rng.standard_normal(shape) * 10 ** rng.uniform(low, high, (shape[0], 1, 1))
                if dtype == "float16":
                    x = np.clip(x, -65504, 65504)
                x = x.astype(dtype)
                x[::11] = 0
                x[1::11] = x[1::11, :1]  # one value throughout: roundings that do not cancel
                yield "%s %s, shape %s" % (dtype, name, shape), x, 1e-12
    # Every finite FP16 number, beside itself and beside zero, and rows of 64 of them.
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    for other in (numbers, np.zeros_like(numbers), numbers[::-1]):
        yield "every FP16 number, in pairs", np.stack([numbers, other], -1)[..., None], 1e-12
    yield "every FP16 number, in rows of 64", rng.permutation(numbers)[:len(numbers) // 64 * 64].reshape(-1, 64, 1), 1e-6
    for dtype in TYPES:  # a NaN spreads over its row and no further; eps above every sum is a plain division
        x = rng.standard_normal((64, 8, 1)).astype(dtype)
        x[3, 5] = np.nan
        yield "%s with a NaN" % dtype, x, 1e-12
        yield "%s, eps 1e6" % dtype, np.ascontiguousarray(x[8:]), 1e6
        yield "%s denormals" % dtype, (rng.integers(-500, 500, (999, 4, 1)) * np.finfo(dtype).tiny / 512).astype(dtype), 1e-12


def correctness(gpu, options, save):
    rng = np.random.default_rng(5)
    room = 4 << 20
    x_base, y_base = gpu.alloc(room), gpu.alloc(room)
    worst = {simple: {"float32": (0.0, ""), "float16": (0.0, "")} for simple in (False, True)}
    count = {False: 0, True: 0}
    places = ((0, False), (0, True), (1, False), (2, True), (4, False))
    for name, x, eps in cases(rng, options.quick):
        dtype, right = x.dtype.name, reference(x, eps)
        for simple, (shift, in_place) in itertools.product((False, True) if x.shape[1:] == (2, 1) else (False,), places):
            offset = 256 + shift * x.dtype.itemsize
            source, target = x_base + offset, (x_base if in_place else y_base) + offset
            gpu.set(x_base, 0xff, offset + x.nbytes + 256)  # NaN, so that an element nobody wrote shows
            gpu.set(y_base, 0xff, offset + x.nbytes + 256)
            gpu.put(source, x)
            gpu.normalize(source, target, x.shape, dtype, eps, simple)
            relative, units = errors(right, gpu.get(target, x.size, dtype).reshape(x.shape))
            error = relative if dtype == "float32" else units
            worst[simple][dtype] = max(worst[simple][dtype], (error, "%s, shift %d" % (name, shift)))
            if not error <= (1e-6 if dtype == "float32" else 0.503):
                print("WRONG: %s, shift %d, in place %s: %g" % (name, shift, in_place, error), flush=True)
            around = gpu.get(target - 256, 256, np.uint8), gpu.get(target + x.nbytes, 256, np.uint8)
            if not all((edge == 0xff).all() for edge in around):
                raise SystemExit("%s, shift %d: wrote outside its rows" % (name, shift))
            count[simple] += 1
    gpu.release()
    result = {}
    for simple, prefix in ((False, ""), (True, "simple_kernel_")):
        result[prefix + "runs"] = count[simple]
        for dtype, what in (("float32", "relative_error"), ("float16", "error_in_units_of_last_place")):
            result["%s%s_worst_%s" % (prefix, dtype, what)], result["%s%s_worst_case" % (prefix, dtype)] = worst[simple][dtype]
    if not options.quick:
        result["more_than_2^31_elements"] = beyond_32_bits(gpu)
    save(result)


def beyond_32_bits(gpu):
    """More elements than 32 bits count: rows around the boundaries, and the last ones, against float64."""
    result = {}
    for dtype, length in (("float16", 2), ("float16", 63), ("float32", 64), ("float16", 1001)):
        item = np.dtype(dtype).itemsize
        rows = ((1 << 32) + (1 << 20)) // length + 7
        size = rows * length * item
        x, y = gpu.alloc(size), gpu.alloc(size)
        gpu.fill(x, rows * length, dtype, 7)
        gpu.set(y, 0xff, size)
        gpu.normalize(x, y, (rows, length, 1), dtype)
        worst = 0.0
        for first in (0, (1 << 31) // length - 500, (1 << 32) // length - 500, rows - 1000):
            offset = first * length * item
            block = gpu.get(x + offset, 1000 * length, dtype).reshape(-1, length, 1)
            relative, units = errors(reference(block, 1e-12), gpu.get(y + offset, block.size, dtype).reshape(block.shape))
            worst = max(worst, relative if dtype == "float32" else units)
        result["%s, axis %d, %d elements" % (dtype, length, rows * length)] = worst
        gpu.release()
    return result


# ---- bandwidth and latency ------------------------------------------------------------------------

def compared_with_copies(gpu, options, x, y, dtype, shape, simple=False):
    """How fast a shape is normalized, beside the two copies of as many bytes."""
    outer, length, inner = shape
    size = outer * length * inner * np.dtype(dtype).itemsize
    works = (MEMCPY, COPY_KERNEL, NORMALIZE) + (SIMPLE,) * simple
    jobs = [Job(work, TYPES[dtype], length, outer, inner, x, y, None) for work in works]
    runs = max(3, min(20, int(3e9 / size)))
    times = [[gpu.timed("time_runs", job, runs, ctypes.c_float()) for job in jobs] for _ in range(3 if options.quick else 8)]
    memcpy, kernel, normalize, *rest = [statistics.median(column) for column in zip(*times[1:])]
    moved, copy = 2e-6 * size, min(memcpy, kernel)  # GB/s when divided by ms
    row = {"dtype": dtype, "shape": list(shape), "axis": length, "bytes_read": size, "ms": normalize,
           "GB_per_s": moved / normalize, "memcpy_GB_per_s": moved / memcpy, "copy_kernel_GB_per_s": moved / kernel,
           "share_of_faster_copy": copy / normalize, "share_of_memcpy": memcpy / normalize}
    for ms in rest:
        row["simple_kernel"] = {"ms": ms, "GB_per_s": moved / ms, "share_of_faster_copy": copy / ms}
    print("%-8s %-24s %7.1f GB/s  copies %7.1f and %7.1f  %5.1f %%%s" % (
        dtype, "x".join(map(str, shape)), row["GB_per_s"], row["memcpy_GB_per_s"], row["copy_kernel_GB_per_s"],
        100 * row["share_of_faster_copy"], "" if row["share_of_faster_copy"] >= 0.95 else "  <"), flush=True)
    return row


def bandwidth(gpu, options, save, sizes=(LARGE,)):
    x, y = gpu.alloc(sizes[0] << 20), gpu.alloc(sizes[0] << 20)
    result = []
    for dtype in TYPES:
        item = np.dtype(dtype).itemsize
        gpu.fill(x, (sizes[0] << 20) // item, dtype, 3)
        for length, size in itertools.product(LENGTHS[::6] if options.quick else LENGTHS, sizes):
            rows = (size << 20) // item // length
            result.append(compared_with_copies(gpu, options, x, y, dtype, (rows, length, 1), length == 2))
            save(result)
    gpu.release()


def smaller(gpu, options, save):
    bandwidth(gpu, options, save, SMALLER)


def columns(gpu, options, save):
    size = max(outer * length * inner for outer, length, inner in SHAPES) * 4
    x, y = gpu.alloc(size), gpu.alloc(size)
    result = []
    for dtype in TYPES:
        gpu.fill(x, size // np.dtype(dtype).itemsize, dtype, 3)
        for shape in SHAPES:
            result.append(compared_with_copies(gpu, options, x, y, dtype, shape))
            save(result)
    gpu.release()


def latency(gpu, options, save):
    result = {}
    for batch in (1, 32):
        outer, length = batch * 6, 2
        x, y, scratch = gpu.alloc(65536), gpu.alloc(65536), gpu.alloc(65536)
        gpu.fill(x, outer * length, "float32", 3)
        shape = {}
        for name, work, dtype in (("this kernel, FP32", NORMALIZE, "float32"), ("this kernel, FP16", NORMALIZE, "float16"),
                                  ("simple kernel, FP32", SIMPLE, "float32"), ("simple kernel, FP16", SIMPLE, "float16"),
                                  ("five launches, FP32", FIVE_LAUNCHES, "float32")):
            job = Job(work, TYPES[dtype], length, outer, 1, x, y, scratch)
            shape[name] = {
                "graph_us": gpu.timed("time_graph", job, 200, ctypes.c_double()),
                "launched_one_by_one_us": statistics.median(
                    gpu.timed("time_launches", job, 2000, ctypes.c_double()) for _ in range(5))}
        shape.update(torch_latency(batch))
        result["%d x 6 x 2" % batch] = shape
        print(json.dumps(shape, indent=1), flush=True)
        gpu.release()
    save(result)


def torch_latency(batch):
    try:
        import torch
    except ImportError:
        return {}
    result = {}
    for dtype in (torch.float32, torch.float16):
        x = torch.randn(batch, 6, 2, device="cuda", dtype=dtype)
        work = lambda x=x: torch.nn.functional.normalize(x, dim=-1)  # noqa: E731
        for _ in range(50):
            work()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(200):
                work()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        times, eager = [], []
        for _ in range(20):
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) * 1e3 / 200)
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(2000):
                work()
            torch.cuda.synchronize()
            eager.append((time.perf_counter() - started) / 2000 * 1e6)
        name = "torch.nn.functional.normalize, %s" % ("FP32" if dtype == torch.float32 else "FP16")
        result[name] = {"graph_us": min(times), "launched_one_by_one_us": statistics.median(eager)}
    return result


# ---- sanitizer and plugin -------------------------------------------------------------------------

def compile_cuda(folder, output, *arguments):
    nvcc = plugin.find_nvcc()
    plugin.run_compiler([nvcc] + plugin.NVCC_FLAGS + [plugin.architecture_flag(nvcc), "-o", str(folder / output)] +
                        list(map(str, arguments)))
    return folder / output


def sanitizer(_, options, save):
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if not tool:
        return save("compute-sanitizer is not installed")
    program = compile_cuda(options.folder, "check", "-lineinfo", HERE / "check.cu")

    def under(check):
        command = [tool, "--tool", check, "--error-exitcode", "9", str(program), "short"]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)
        except subprocess.TimeoutExpired:
            return "not finished after 240 s"
        lines = done.stdout.decode().strip().splitlines()
        summary = [line.strip("= ") for line in lines if "SUMMARY" in line]
        return "%s, exit status %d" % ("; ".join(summary) or lines[-1], done.returncode)

    checks = ("memcheck", "racecheck", "initcheck", "synccheck")
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        save(dict(zip(checks, pool.map(under, checks))))


def plugin_tests(_, options, save):
    roots = [root for root in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if root]
    kernel = compile_cuda(options.folder, "l2_normalize.o", "-c", HERE / "l2_normalize.cu")

    def test(root):
        headers, version = plugin.tensorrt_headers(root)
        name = "%d.%d" % version
        program = compile_cuda(options.folder, "plugin_test_" + name, "-isystem", headers,
                               HERE / "l2_normalize_plugin_test.cpp", HERE / "l2_normalize_plugin.cpp", kernel)
        done = subprocess.run([str(program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return name, "%s (exit status %d)" % (done.stdout.decode().strip().splitlines()[-1], done.returncode)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        save(dict(pool.map(test, roots)) or "no TensorRT headers named in TENSORRT_ROOTS")


def machine_and_versions():
    query = "name,driver_version,compute_cap,memory.total"
    found = subprocess.run(["nvidia-smi", "--query-gpu=" + query, "--format=csv,noheader"], stdout=subprocess.PIPE)
    gpu = dict(zip(("gpu", "driver", "compute_capability", "memory"), found.stdout.decode().splitlines()[0].split(", ")))
    gpu["name"] = gpu["gpu"]
    nvcc = subprocess.check_output([plugin.find_nvcc(), "--version"]).decode()
    versions = {"nvcc": re.search(r"V([\d.]+)", nvcc).group(1), "python": sys.version.split()[0], "numpy": np.__version__}
    try:
        import torch
        versions["torch"] = torch.__version__
    except ImportError:
        pass
    return gpu, versions


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write; by default data/runs/l2_kernel_<GPU>.json")
    parser.add_argument("--only", default=",".join(PARTS[:5]), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer lengths, fewer repetitions")
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS):
        parser.error("no such part: %s" % ", ".join(sorted(set(parts) - set(PARTS))))
    if not plugin.gpu_architecture():
        raise SystemExit("No NVIDIA GPU here: nothing to measure.")
    functions = dict(zip(PARTS, (correctness, bandwidth, smaller, columns, latency, sanitizer, plugin_tests)))
    machine, versions = machine_and_versions()
    record = {"machine": machine, "versions": versions, "date": datetime.date.today().isoformat(),
              "command": " ".join(["python3", "plugin_src/benchmark.py"] + sys.argv[1:]), "results": {}}
    name = "l2_kernel_%s.json" % re.sub(r"\W+", "_", machine["gpu"].lower())
    out = options.out or HERE.parent / "data" / "runs" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        gpu = Gpu(compile_cuda(options.folder, "benchmark.so", "-shared", "-Xcompiler", "-fPIC", HERE / "benchmark.cu"))
        for part in parts:
            def save(result, part=part):  # as it goes: what follows may break off
                record["results"][part] = result
                out.write_text(json.dumps(record, indent=1) + "\n")

            started = time.time()
            functions[part](gpu, options, save)
            shown = record["results"][part]
            print("%s: %.0f s%s" % (part, time.time() - started, "" if isinstance(shown, list) else
                                    "\n" + json.dumps(shown, indent=1)), flush=True)
    print("written to", out)


if __name__ == "__main__":
    main()
