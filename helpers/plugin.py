"""Compile `plugin_src/`, load the plugin into TensorRT, and check that the plugin registry has it. Linux only.

Three libraries come from the same sources: `compile("plugin")`, the TensorRT plugin (nvcc and TensorRT's C++ headers);
`compile("kernel")`, the CUDA kernels alone, for `launch` (nvcc); `compile("cpu")`, the same kernels as g++ compiles them
for the CPU, for `cpu_l2_normalize`. The last two also have the simple kernel of `l2_simple.cu`.

TensorRT for RTX has no plugins and ends a process whose network uses one, so `load` refuses it; there the graph has an
ONNX local function instead.
"""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np

from helpers import artifacts, machine
from uffsurgeon import names

SOURCES = artifacts.ROOT / "plugin_src"
NAME, VERSION = "L2Norm_TRT", "1"
KERNEL = ["l2_normalize.cu", "l2_normalize.h", "cuda_on_cpu.h"]
PLUGIN = KERNEL + ["plugin_state.h", "tensorrt_headers.h", "l2_normalize_plugin.cpp"]
GXX_FLAGS = ["-O2", "-std=c++14", "-x", "c++"]
NVCC_FLAGS = ["-O3", "-std=c++14"]
WARNINGS = ["-Wall", "-Wextra", "-Wno-unknown-pragmas"]  # g++ does not know #pragma unroll
_SHARED = {"g++": ["-shared", "-fPIC"], "nvcc": ["-shared", "-Xcompiler", "-fPIC"]}
_TYPES = {"float32": 0, "float16": 1}  # as l2_normalize.h numbers them
_loaded = {}

_NO_HEADERS = (
    "TensorRT's C++ headers (NvInfer.h) were not found%s. JetPack and the Debian packages have them (libnvinfer-dev; "
    "from 8.5 on libnvinfer-headers-dev), the tar archive has them under include/. The pip wheels of TensorRT bring "
    "none: take the include folder of the public GitHub repository NVIDIA/TensorRT at the branch of your version. "
    "Then set TENSORRT_ROOT to the folder that holds include.")


def tensorrt_headers(root=None):
    """The folder of NvInfer.h and its TensorRT version: (Path, (major, minor)). root: as for `machine.find_tensorrt_headers`.

    Raises FileNotFoundError, with what to install, where there is no NvInfer.h, and ValueError where it has no version.
    """
    folder = machine.find_tensorrt_headers(root)
    if folder is None:
        root = root or os.environ.get("TENSORRT_ROOT")
        raise FileNotFoundError(_NO_HEADERS % (" under %s" % root if root else ""))
    files = [Path(folder, name) for name in ("NvInferVersion.h", "NvInfer.h")]
    text = "".join(f.read_text(errors="replace") for f in files if f.is_file())
    parts = re.findall(r"#define\s+(?:NV_TENSORRT|TRT)_(?:MAJOR|MINOR)(?:_ENTERPRISE)?\s+(\d+)", text)
    if len(parts) < 2:
        raise ValueError("%s/NvInfer.h does not define NV_TENSORRT_MAJOR and NV_TENSORRT_MINOR" % folder)
    return Path(folder), (int(parts[0]), int(parts[1]))


def find_nvcc():
    """Path of the CUDA compiler, found by `machine.find_nvcc`. Raises FileNotFoundError when there is none."""
    path = machine.find_nvcc()
    if not path:
        raise FileNotFoundError("no CUDA compiler: nvcc is neither on PATH nor in %s/bin. Install the CUDA toolkit (part "
                                "of JetPack) or set CUDA_HOME; compile('cpu') needs only g++."
                                % os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    return path


def gpu_architecture():
    """Compute capability of the first GPU as nvcc writes it ("72", "90"), or None without GPU or driver."""
    found = machine.gpu()
    return found[1].replace(".", "") if found else None


def architecture_flag(nvcc):
    """nvcc's flag for the machine code of this machine's GPU. Without a GPU, for PTX of the oldest architecture that this
    nvcc knows, which the driver of any later GPU translates on loading."""
    found = gpu_architecture()
    if found:
        return "-gencode=arch=compute_%s,code=sm_%s" % (found, found)
    known = re.findall(r"compute_(\d+)", subprocess.check_output([nvcc, "--help"]).decode())
    oldest = min(int(architecture) for architecture in known or ["53"])
    return "-gencode=arch=compute_%d,code=compute_%d" % (oldest, oldest)


def compile(what="plugin", root=None, quiet=False):
    """Compile a library into `build/plugin/`, unless the one there has the same sources, compiler, flags and headers.

    what: "plugin", "kernel" or "cpu". root: TensorRT's folder, for the plugin, as in `tensorrt_headers`. quiet: do not print
    what is compiled and how long it took.

    Returns the path of the library. Raises FileNotFoundError without a compiler or NvInfer.h, RuntimeError with the
    compiler's last lines when it fails, and ValueError for another `what`.
    """
    name, sources, libraries = "l2_normalize_%s.so" % what, KERNEL + ["l2_simple.cu"], []
    if what == "cpu":
        compiler, flags = shutil.which("g++"), GXX_FLAGS + _SHARED["g++"]
        if not compiler:
            raise FileNotFoundError("no C++ compiler: g++ is not on PATH (Debian, Ubuntu: sudo apt install g++)")
    elif what in ("plugin", "kernel"):
        compiler = find_nvcc()
        flags = NVCC_FLAGS + _SHARED["nvcc"] + [architecture_flag(compiler)]
    else:
        raise ValueError("compile takes 'plugin', 'kernel' or 'cpu', not %r" % (what,))
    if what == "plugin":
        headers, version = tensorrt_headers(root)
        name, sources = "l2_normalize_trt%d.%d.so" % version, PLUGIN
        flags = flags + ["-Xcompiler", "-fvisibility=hidden", "-isystem", str(headers)]
        if version < (8, 6):  # it registers itself while it is loaded, through libnvinfer
            libraries = ["-L%s" % (headers.parent / "lib"), "-lnvinfer"]
    made_from = {"compiler": subprocess.check_output([compiler, "--version"]).decode(), "flags": flags + libraries,
                 "sources": {source: artifacts.digest(SOURCES / source) for source in sources}}
    target = artifacts.BUILD / "plugin" / name
    say = (lambda *text, **end: None) if quiet else print
    if artifacts.fresh(target, **made_from):
        say("%s: compiled before, nothing changed" % name)
        return target
    say("%s: compiling with %s ..." % (name, compiler), end=" ", flush=True)
    started = time.time()
    with artifacts.atomic(target, made_from=made_from) as temporary:
        inputs = [str(SOURCES / source) for source in sources if not source.endswith(".h")]
        run_compiler([compiler] + flags + inputs + libraries + ["-o", str(temporary)])
    say("%.1f s" % (time.time() - started))
    return target


def run_compiler(command):
    """Run a compiler's command line, a list. Raises RuntimeError with its last lines when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError("%s failed:\n%s\n%s" % (command[0], " ".join(command), "\n".join(lines[-20:])))


def method(name, inside="L2Plugin", file="l2_normalize_plugin.cpp"):
    """The C++ text of a function in a file of `plugin_src/`, without its indentation.

    inside: the class that has it; None takes the first function of that name in the file.
    Raises LookupError when there is none.
    """
    text = (SOURCES / file).read_text(encoding="utf-8")
    if inside is not None:
        start = re.search(r"^class %s\b" % re.escape(inside), text, re.M)
        text = _to_the_closing_brace(text, start.start()) if start else ""
    start = re.search(r"^(?:template <.*>\n)?[ \t]*(?:[\w:<>*&]+ )+[*&]*%s\([^;]*?\{" % re.escape(name), text, re.M)
    if not start:
        raise LookupError("%s has no function %s%s" % (file, name, " in %s" % inside if inside else ""))
    return textwrap.dedent(_to_the_closing_brace(text, start.start()))


def _to_the_closing_brace(text, start):
    depth = 0
    for found in re.finditer(r"[{}]", text[start:]):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return text[start:start + found.end()]
    return text[start:]


def load(trt, library):
    """Load a compiled plugin into this process, so that parsers and plans find it. A second call does nothing.

    library: what `compile("plugin")` made with the headers of the TensorRT version of the module `trt`.
    Raises LookupError where the registry does not have the plugin afterwards, and what `engine.load_plugin` raises.
    """
    from . import engine  # imported late, so that compiling needs no onnx

    engine.load_plugin(trt, library)
    require(trt)


def creators(trt):
    """Sorted (name, version) of every plugin creator in TensorRT's registry."""
    registry = trt.get_plugin_registry()
    found = registry.all_creators if hasattr(registry, "all_creators") else registry.plugin_creator_list
    return sorted((creator.name, creator.plugin_version) for creator in found)


def registered(trt, name=NAME, version=VERSION):
    """True when the registry has a creator of this name and version (text)."""
    return (name, version) in creators(trt)


def require(trt, name=NAME, version=VERSION):
    """Raise LookupError, with the nearest creators that the registry has, unless it has this one."""
    known = creators(trt)
    if (name, version) in known:
        return
    versions = ", ".join(v for n, v in known if n == name)
    hint = "; it has version %s." % versions if versions else names.did_you_mean(name, sorted({n for n, _ in known})) or "."
    rtx = trt.__name__.startswith("tensorrt_rtx")
    if rtx:
        todo = ("It takes no plugins but its own %d, so there is nothing to load: give the node a body "
                "(to_onnx.convert(..., plugins=\"function\"))." % len(known))
    else:
        todo = ("Load the library before a parser or a plan needs it: plugin.load(trt, plugin.compile()). If it was loaded, it "
                "was compiled for another TensorRT, or the node's name, version or namespace differs.")
    raise LookupError("the plugin registry of %s %s has no %s version %s among its %d creators%s %s" % (
        "TensorRT for RTX" if rtx else "TensorRT", getattr(trt, "__version__", "?"), name, version,
        len(known), hint, todo))


def registry_in_child(library, module="tensorrt_rtx"):
    """Load a library into the plugin registry of a TensorRT from 10 on, in a child process that ends right after.

    Returns a list of {"name", "version", "fields"}, one for each creator that the library added. Raises RuntimeError with the
    last line of a child process that fails.
    """
    code = ("import importlib, json, sys\ntrt = importlib.import_module(sys.argv[1])\n"
            "logger = trt.Logger(trt.Logger.WARNING)\nregistry = trt.get_plugin_registry()\n"
            "before = set(c.name for c in registry.all_creators)\n"
            "registry.load_library(sys.argv[2]) or sys.exit('the registry refused the library')\n"
            "print(json.dumps([{'name': c.name, 'version': c.plugin_version, 'fields': [f.name for f in c.field_names]}"
            " for c in registry.all_creators if c.name not in before]))")
    done = subprocess.run([sys.executable, "-c", code, module, str(library)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["exit status %d" % done.returncode]
        raise RuntimeError("%s in a child process: %s" % (module, lines[-1]))
    return json.loads(done.stdout.decode().splitlines()[-1])


def cpu_l2_normalize(x, axis=-1, eps=1e-12, simple=False):
    """The plugin's kernels on the CPU: x / sqrt(max(sum of x * x along the axis, eps)), summed in FP32.

    x: float32 or float16 array of any shape and strides. axis: from -x.ndim to x.ndim - 1, 1 to 65,536 elements long. eps:
    finite, not negative. simple: take the simple kernel, which knows the last axis only, and only 2 elements.

    Returns an array of the shape and dtype of x. Raises TypeError for another dtype, ValueError for what the plugin refuses as
    well, and what `compile("cpu")` raises.
    """
    x = np.ascontiguousarray(x)
    if x.dtype.name not in _TYPES:
        raise TypeError("the plugin takes float32 or float16, not %s" % x.dtype)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError("axis is %r and the array has %d dimensions: use %d to %d" % (axis, x.ndim, -x.ndim, x.ndim - 1))
    axis %= x.ndim
    y, length = np.empty_like(x), x.shape[axis]
    outer, inner = int(np.prod(x.shape[:axis], dtype=np.int64)), int(np.prod(x.shape[axis + 1:], dtype=np.int64))
    if _start("cpu", simple, x.ctypes.data, y.ctypes.data, outer, length, inner, eps, _TYPES[x.dtype.name], None):
        raise ValueError("the %s takes an axis of %s elements and a finite eps that is not negative, not %d and %r" % (
            ("simple kernel", "2 (the last axis)", length, eps) if simple else ("plugin", "1 to 65536", length, eps)))
    return y


def launch(x, y, outer, length, eps=1e-12, dtype="float32", stream=0, simple=False, inner=1):
    """Put a kernel on a CUDA stream that normalizes a contiguous (outer, length, inner) array along its middle axis.

    x, y: device addresses as int, aligned to their elements; they may be the same. Multiples of 16 are faster. outer, inner: 0
    and up. length: 1 to 65,536. The product of the three: up to 2^60. eps: finite, not negative. dtype: float32 or
    float16, of both arrays. stream: a cudaStream_t as int; 0 is the default stream. simple: take the simple kernel, for
    length 2 and inner 1.

    Raises TypeError for another dtype, RuntimeError with CUDA's error number when the kernel was not launched, and what
    `compile("kernel")` raises.
    """
    dtype = np.dtype(dtype).name
    if dtype not in _TYPES:
        raise TypeError("the kernel takes float32 or float16, not %s" % dtype)
    error = _start("kernel", simple, x, y, outer, length, inner, eps, _TYPES[dtype], stream)
    if error:
        known = {1: "an argument is out of range", 35: "no driver, or one older than this CUDA", 100: "no GPU"}
        raise RuntimeError("l2_normalize was not launched: CUDA error %d (%s)"
                           % (error, known.get(error, "see cudaError_t in CUDA's manual")))


def declare(function):
    """Set the C argument types of `l2_normalize` or `l2_normalize_simple`, and return it."""
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_int64, ctypes.c_float,
                         ctypes.c_int32, ctypes.c_void_p]
    return function


def _start(what, simple, x, y, outer, length, inner, eps, kind, stream):
    """Call the C function -> its error. ctypes cuts integers that C's types do not hold: 2^32 + 2 would be a length of 2."""
    limits = (x, 1 << 64), (y, 1 << 64), (outer, 1 << 63), (length, 1 << 31), (inner, 1 << 63)
    if not all(0 <= number < limit for number, limit in limits):
        return 1  # cudaErrorInvalidValue, as from the C function
    return _function(what, simple)(x, y, outer, length, inner, eps, kind, stream)


def _function(what, simple):
    name = "l2_normalize" + "_simple" * simple
    if (what, name) not in _loaded:
        _loaded[what, name] = declare(getattr(ctypes.CDLL(str(compile(what, quiet=True))), name))
    return _loaded[what, name]
