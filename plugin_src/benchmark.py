"""Measure the L2-normalize kernel on this machine's NVIDIA GPU and write what came out as JSON.

    python3 plugin_src/benchmark.py [--out FILE] [--only PART[,PART]] [--gigabytes 2]

Needs nvcc and NumPy; PyTorch is timed beside the kernel where it is installed. Parts:

    correctness  every kernel, type, alignment, in place, over the whole range of inputs, against float64
    bandwidth    bytes read and written a second, as a share of a copy's, at axis lengths 2, 64 and 1024 and others
    latency      the network's own shape, 1 x 6 x 2 and 32 x 6 x 2, beside five launches and PyTorch
    sanitizer    compute-sanitizer (memcheck, racecheck, initcheck, synccheck) over the check program of l2_normalize.cu
    plugin       the plugin's test program, for each folder of TensorRT headers named in TENSORRT_ROOTS (a:b:c)

The yardstick of `bandwidth` is the faster of two copies of the same bytes, timed in turn with the kernel:
cudaMemcpyAsync from device to device, and a kernel that does nothing but copy. At length 2 the simple kernel of
l2_simple.cu, one thread a row, takes its turn too.
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
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from helpers import plugin  # noqa: E402

MEMCPY, COPY_KERNEL, NORMALIZE, FIVE_LAUNCHES, SIMPLE = range(5)
TYPES = {"float32": 0, "float16": 1}
AXES = (2, 64, 1024, 1, 3, 4, 5, 6, 7, 8, 12, 16, 20, 31, 32, 128, 256, 512, 1000, 1023, 2048, 4096, 16384, 65536)
PARTS = ["correctness", "bandwidth", "latency", "sanitizer", "plugin"]


class Job(ctypes.Structure):
    _fields_ = [("work", ctypes.c_int32), ("type", ctypes.c_int32), ("length", ctypes.c_int32),
                ("rows", ctypes.c_int64), ("x", ctypes.c_void_p), ("y", ctypes.c_void_p), ("scratch", ctypes.c_void_p)]


class Gpu:
    """benchmark.cu, with errors raised; `alloc` gives device addresses, all freed by `release`."""

    def __init__(self, library):
        self.library = ctypes.CDLL(str(library))
        self.library.error_text.restype = ctypes.c_char_p
        for function in (self.library.l2_normalize, self.library.l2_normalize_simple):
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float,
                                 ctypes.c_int32, ctypes.c_void_p]
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

    def normalize(self, x, y, rows, length, dtype, eps=1e-12, simple=False):
        self.call("l2_normalize_simple" if simple else "l2_normalize", x, y, rows, length, eps, TYPES[dtype], None)
        self.call("device_sync")

    def timed(self, name, job, runs, result):
        self.call(name, ctypes.byref(job), runs, ctypes.byref(result))
        return result.value


# ---- correctness ----------------------------------------------------------------------------------

def reference(x, eps):
    """float64, row by row; the limits of FP32 are not in it."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return wide / np.sqrt(np.maximum((wide * wide).sum(-1, keepdims=True), np.float64(np.float32(eps))))


def errors(x, y, eps):
    """(worst relative error, worst error in FP16 units of the last place) of y; NaN must meet NaN."""
    right = reference(x, eps)
    if not np.array_equal(np.isnan(right), np.isnan(y)):
        return float("inf"), float("inf")
    difference = np.abs(np.nan_to_num(y.astype(np.float64) - right))
    size = np.abs(np.nan_to_num(right))
    relative = np.divide(difference, size, out=np.zeros_like(difference), where=size > 0)
    unit = 2.0 ** (np.maximum(np.floor(np.log2(np.maximum(size, 2.0 ** -14))), -14) - 10)
    return float(relative.max()), float((difference / unit).max())


def cases(rng):
    """(name, x, eps): rows over the whole range in which the sum of squares stays in FP32's normal range."""
    lengths = list(range(1, 34)) + [48, 63, 64, 65, 96, 100, 127, 128, 129, 200, 255, 256, 257, 384, 500, 511, 512, 513,
                                    768, 1000, 1023, 1024, 1025, 2048, 3000, 4096, 5000, 8192, 8193, 12288, 16384,
                                    16385, 32768, 32769, 50000, 65535, 65536]
    for length in lengths:
        rows = max(3, 200000 // length)
        spread = {"float32": [("everyday", -3, 3), ("small", -30, -6), ("large", 6, 15)],
                  "float16": [("whole range", -7, 4.8)]}
        for dtype in TYPES:
            for name, low, high in spread[dtype]:
                x = rng.standard_normal((rows, length)) * 10 ** rng.uniform(low, high, (rows, 1))
                if dtype == "float16":
                    x = np.clip(x, -65504, 65504)
                x = x.astype(dtype)
                x[::11] = 0
                x[1::11] = x[1::11, :1]  # one value throughout: roundings that do not cancel
                yield "%s %s, axis %d" % (dtype, name, length), x, 1e-12
    # Every finite FP16 number, beside itself and beside zero, and rows of 64 of them.
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    for other in (numbers, np.zeros_like(numbers), numbers[::-1]):
        yield "every FP16 number, in pairs", np.stack([numbers, other], -1), 1e-12
    yield "every FP16 number, in rows of 64", np.ascontiguousarray(rng.permutation(numbers)[:-(len(numbers) % 64) or None]
                                                                   .reshape(-1, 64)), 1e-6
    for dtype in TYPES:  # a NaN spreads over its row and no further; eps above every sum is a plain division
        x = rng.standard_normal((64, 8)).astype(dtype)
        x[3, 5] = np.nan
        yield "%s with a NaN" % dtype, x, 1e-12
        yield "%s, eps 1e6" % dtype, np.ascontiguousarray(x[8:]), 1e6
        yield "%s denormals" % dtype, (rng.integers(-500, 500, (999, 4)) * np.finfo(dtype).tiny / 512).astype(dtype), 1e-12


def correctness(gpu, _):
    rng = np.random.default_rng(5)
    room = 4 << 20
    x_base, y_base = gpu.alloc(room), gpu.alloc(room)
    worst = {simple: {"float32": (0.0, ""), "float16": (0.0, "")} for simple in (False, True)}
    count = {False: 0, True: 0}
    places = ((0, False), (0, True), (1, False), (2, True), (4, False))
    for name, x, eps in cases(rng):
        dtype = x.dtype.name
        for simple, (shift, in_place) in itertools.product((False, True) if x.shape[1] == 2 else (False,), places):
            offset = 256 + shift * x.dtype.itemsize
            source, target = x_base + offset, (x_base if in_place else y_base) + offset
            gpu.set(x_base, 0xff, room)  # NaN, so that an element nobody wrote shows
            gpu.set(y_base, 0xff, room)
            gpu.put(source, x)
            gpu.normalize(source, target, x.shape[0], x.shape[1], dtype, eps, simple)
            y = gpu.get(target, x.size, dtype).reshape(x.shape)
            relative, units = errors(x, y, eps)
            error = relative if dtype == "float32" else units
            worst[simple][dtype] = max(worst[simple][dtype], (error, name))
            around = gpu.get(target - 256, 256, np.uint8), gpu.get(target + x.nbytes, 256, np.uint8)
            if not all((edge == 0xff).all() for edge in around):
                raise SystemExit("%s, shift %d: wrote outside its rows" % (name, shift))
            count[simple] += 1
    gpu.release()
    result = {"runs": count[False]}
    for simple, prefix in ((False, ""), (True, "simple_kernel_")):
        result[prefix + "runs"] = count[simple]
        for dtype, what in (("float32", "relative_error"), ("float16", "error_in_units_of_last_place")):
            result["%s%s_worst_%s" % (prefix, dtype, what)], result["%s%s_worst_case" % (prefix, dtype)] = worst[simple][dtype]
    result["more_than_2^31_elements"] = beyond_32_bits(gpu)
    return result


def beyond_32_bits(gpu):
    """More elements than 32 bits count: rows around the boundaries, and the last ones, against float64."""
    result = {}
    for dtype, length in (("float16", 2), ("float32", 64), ("float16", 1000)):
        item = np.dtype(dtype).itemsize
        rows = ((1 << 32) + (1 << 20)) // length + 7
        size = rows * length * item
        x, y = gpu.alloc(size), gpu.alloc(size)
        gpu.fill(x, rows * length, dtype, 7)
        gpu.set(y, 0xff, size)
        gpu.normalize(x, y, rows, length, dtype)
        worst = 0.0
        for first in (0, (1 << 31) // length - 500, (1 << 32) // length - 500, rows - 1000):
            offset = first * length * item
            block = gpu.get(x + offset, 1000 * length, dtype).reshape(-1, length)
            relative, units = errors(block, gpu.get(y + offset, 1000 * length, dtype).reshape(-1, length), 1e-12)
            worst = max(worst, relative if dtype == "float32" else units)
        result["%s, axis %d, %d elements" % (dtype, length, rows * length)] = worst
        gpu.release()
    return result


# ---- bandwidth and latency ------------------------------------------------------------------------

def bandwidth(gpu, options):
    size = int(options.gigabytes * 1e9) // 65536 * 65536
    x, y = gpu.alloc(size), gpu.alloc(size)
    result = []
    for dtype in TYPES:
        item = np.dtype(dtype).itemsize
        gpu.fill(x, size // item, dtype, 3)
        for length in AXES:
            rows = size // item // length
            works = (MEMCPY, COPY_KERNEL, NORMALIZE) + (SIMPLE,) * (length == 2)
            jobs = [Job(work, TYPES[dtype], length, rows, x, y, None) for work in works]
            times = [[gpu.timed("time_runs", job, 3, ctypes.c_float()) for job in jobs] for _ in range(9)][1:]
            memcpy, kernel, normalize, *simple = [statistics.median(column) for column in zip(*times)]
            moved = 2e-6 * rows * length * item  # GB/s when divided by ms
            row = {"dtype": dtype, "axis": length, "bytes_read": rows * length * item, "ms": normalize,
                   "GB_per_s": moved / normalize, "memcpy_GB_per_s": moved / memcpy, "copy_kernel_GB_per_s": moved / kernel,
                   "share_of_faster_copy": min(memcpy, kernel) / normalize, "share_of_memcpy": memcpy / normalize}
            for ms in simple:
                row["simple_kernel"] = {"ms": ms, "GB_per_s": moved / ms, "share_of_faster_copy": min(memcpy, kernel) / ms}
                print("%-8s axis %5d  %7.1f GB/s, the simple kernel" % (dtype, length, moved / ms), flush=True)
            result.append(row)
            print("%-8s axis %5d  %7.1f GB/s  copies %7.1f and %7.1f  %5.1f %%" % (
                dtype, length, row["GB_per_s"], row["memcpy_GB_per_s"], row["copy_kernel_GB_per_s"],
                100 * row["share_of_faster_copy"]), flush=True)
    gpu.release()
    return result


def latency(gpu, _):
    result = {}
    for batch in (1, 32):
        rows, length = batch * 6, 2
        x, y, scratch = gpu.alloc(65536), gpu.alloc(65536), gpu.alloc(65536)
        gpu.fill(x, rows * length, "float32", 3)
        shape = {}
        for name, work, dtype in (("this kernel, FP32", NORMALIZE, "float32"), ("this kernel, FP16", NORMALIZE, "float16"),
                                  ("simple kernel, FP32", SIMPLE, "float32"), ("simple kernel, FP16", SIMPLE, "float16"),
                                  ("five launches, FP32", FIVE_LAUNCHES, "float32")):
            job = Job(work, TYPES[dtype], length, rows, x, y, scratch)
            shape[name] = {
                "graph_us": gpu.timed("time_graph", job, 200, ctypes.c_double()),
                "launched_one_by_one_us": statistics.median(
                    gpu.timed("time_launches", job, 2000, ctypes.c_double()) for _ in range(5))}
        shape.update(torch_latency(batch))
        result["%d x 6 x 2" % batch] = shape
        gpu.release()
    return result


def torch_latency(batch):
    try:
        import torch
    except ImportError:
        return {}
    import time
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
    command = [nvcc, "-O3", "-std=c++14", plugin.architecture_flag(nvcc), "-o", str(folder / output)] + list(arguments)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(" ".join(command) + "\n" + done.stdout.decode())
    return folder / output


def sanitizer(_, options):
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if not tool:
        return "compute-sanitizer is not installed here"
    program = compile_cuda(options.folder, "check", "-lineinfo", "-DL2_MAIN", str(HERE / "l2_normalize.cu"))

    def under(check):
        command = [tool, "--tool", check, "--error-exitcode", "9", str(program), "check-only"]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)
        except subprocess.TimeoutExpired:
            return "not finished after 240 s"
        lines = done.stdout.decode().strip().splitlines()
        summary = [line.strip("= ") for line in lines if "SUMMARY" in line]
        return "%s, exit status %d" % ("; ".join(summary) or lines[-1], done.returncode)

    checks = ("memcheck", "racecheck", "initcheck", "synccheck")
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        return dict(zip(checks, pool.map(under, checks)))


def plugin_tests(_, options):
    roots = [root for root in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if root]
    kernels = [compile_cuda(options.folder, name + ".o", "-c", str(HERE / (name + ".cu")))
               for name in ("l2_normalize", "l2_helper")]

    def test(root):
        headers, version = plugin.tensorrt_headers(root)
        name = "%d.%d" % version
        program = compile_cuda(options.folder, "plugin_test_" + name, "-isystem", str(headers), "-std=c++17",
                               str(HERE / "l2_normalize_plugin_test.cpp"), str(HERE / "l2_normalize_plugin.cpp"),
                               *[str(k) for k in kernels])
        done = subprocess.run([str(program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return name, "%s (exit status %d)" % (done.stdout.decode().strip().splitlines()[-1], done.returncode)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(test, roots)) or "no TensorRT headers named in TENSORRT_ROOTS"


def machine():
    query = "name,driver_version,compute_cap,memory.total"
    found = subprocess.run(["nvidia-smi", "--query-gpu=" + query, "--format=csv,noheader"], stdout=subprocess.PIPE)
    nvcc = subprocess.check_output([plugin.find_nvcc(), "--version"]).decode()
    result = {"date": datetime.date.today().isoformat(), "python": sys.version.split()[0], "numpy": np.__version__,
              "gpu": found.stdout.decode().strip(), "nvcc": re.search(r"V[\d.]+", nvcc).group(0)}
    try:
        import torch
        result["torch"] = torch.__version__
    except ImportError:
        pass
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write; by default results/<GPU>.json")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of input, for the bandwidth")
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS):
        parser.error("no such part: %s" % ", ".join(sorted(set(parts) - set(PARTS))))
    if not plugin.gpu_architecture():
        raise SystemExit("No NVIDIA GPU here: nothing to measure.")
    functions = dict(zip(PARTS, (correctness, bandwidth, latency, sanitizer, plugin_tests)))
    result = {"machine": machine()}
    name = re.sub(r"\W+", "_", result["machine"]["gpu"].split(",")[0].lower()) or "gpu"
    out = options.out or HERE / "results" / (name + ".json")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        library = compile_cuda(options.folder, "benchmark.so", "-shared", "-Xcompiler", "-fPIC", str(HERE / "benchmark.cu"))
        gpu = Gpu(library)
        for part in parts:
            result[part] = functions[part](gpu, options)
            print(part, json.dumps(result[part], indent=1) if part != "bandwidth" else "done", flush=True)
            out.write_text(json.dumps(result, indent=1) + "\n")  # after each part: a later one may break off
    print("written to", out)


if __name__ == "__main__":
    main()
