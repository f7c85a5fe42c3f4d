"""Compile `plugin_src/`, load it into TensorRT, and check that the plugin registry has it.

Three libraries come from the same sources: `compile("plugin")`, the TensorRT plugin (nvcc and TensorRT's C++
headers); `compile("kernel")`, the CUDA kernel alone, for `launch` (nvcc); `compile("cpu")`, the same arithmetic on
the CPU, for `cpu_l2_normalize` (g++). The last two have the simple kernel of `l2_simple.cu` as well. Linux only.

TensorRT for RTX has no plugins and ends a process whose network uses one, so `load` refuses it; there the graph carries
an ONNX local function instead.
"""
import ctypes
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from helpers import artifacts, machine

SOURCES = artifacts.ROOT / "plugin_src"
NAME, VERSION = "L2Norm_TRT", "1"
_KERNEL = ["l2_normalize.cu", "l2_normalize.h"]
_PLUGIN = _KERNEL + ["l2_helper.cu", "l2_helper.h", "plugin_state.h", "tensorrt_headers.h", "l2_normalize_plugin.cpp"]
_TYPES = {"float32": 0, "float16": 1}
_loaded = {}

_NO_HEADERS = (
    "TensorRT's C++ headers (NvInfer.h) were not found%s. JetPack and the Debian packages have them (libnvinfer-dev; "
    "from 8.5 on libnvinfer-headers-dev), the tar archive has them under include/. The pip wheels of TensorRT bring "
    "none: take the include folder of the public GitHub repository NVIDIA/TensorRT at the branch of your version. "
    "Then set TENSORRT_ROOT to the folder that holds include.")


def tensorrt_headers(root=None):
    """Where NvInfer.h lies and whose it is: (folder, (major, minor)).

    `root` is a TensorRT folder or its include folder; by default the environment variable TENSORRT_ROOT, else where
    JetPack and the Debian packages put the headers. Raises FileNotFoundError, with what to install, when there is no
    NvInfer.h, and ValueError when it does not say its version.
    """
    folder = machine.find_tensorrt_headers(root)
    if folder is None:
        root = root or os.environ.get("TENSORRT_ROOT")
        raise FileNotFoundError(_NO_HEADERS % (" under %s" % root if root else ""))
    files = [Path(folder, name) for name in ("NvInferVersion.h", "NvInfer.h")]
    text = "".join(f.read_text(errors="replace") for f in files if f.is_file())
    parts = re.findall(r"#define\s+(?:NV_TENSORRT|TRT)_(?:MAJOR|MINOR)(?:_ENTERPRISE)?\s+(\d+)", text)
    if len(parts) < 2:
        raise ValueError("%s/NvInfer.h does not say NV_TENSORRT_MAJOR and NV_TENSORRT_MINOR" % folder)
    return Path(folder), (int(parts[0]), int(parts[1]))


def find_nvcc():
    """Path of the CUDA compiler, as `machine.find_nvcc` looks for it. FileNotFoundError when there is none."""
    path = machine.find_nvcc()
    if not path:
        raise FileNotFoundError("no CUDA compiler: nvcc is neither on PATH nor in %s/bin. Install the CUDA toolkit (part "
                                "of JetPack) or set CUDA_HOME; compile('cpu') needs only g++."
                                % os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    return path


def gpu_architecture():
    """Compute capability of the first GPU as nvcc writes it ("72", "90"), or None without GPU or driver."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")  # and not nvidia-smi, which a Jetson lacks
    except OSError:
        return None
    device, value, digits = ctypes.c_int(), ctypes.c_int(), ""
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
        return None
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        digits += str(value.value)
    return digits


def architecture_flag(nvcc):
    """Machine code for this machine's GPU. Without one, PTX of the oldest architecture that this nvcc knows, which
    the driver of any later GPU translates on loading."""
    here = gpu_architecture()
    if here:
        return "-gencode=arch=compute_%s,code=sm_%s" % (here, here)
    known = re.findall(r"compute_(\d+)", subprocess.check_output([nvcc, "--help"]).decode())
    oldest = min(int(architecture) for architecture in known or ["53"])
    return "-gencode=arch=compute_%d,code=compute_%d" % (oldest, oldest)


def compile(what="plugin", root=None, quiet=False):
    """Compile a library into `build/plugin/`, unless sources, compiler, flags and headers are those of the one there.

    `what` is "plugin", "kernel" or "cpu"; `root` is for the plugin, as in `tensorrt_headers`; `quiet` leaves out the
    line that says what is done and how long it took. Returns the library's path. Raises FileNotFoundError when there
    is no compiler or no header, RuntimeError with the compiler's last lines when it failed.
    """
    libraries = []
    if what == "cpu":
        compiler, flags = shutil.which("g++"), ["-O2", "-std=c++14", "-shared", "-fPIC", "-x", "c++"]
        if not compiler:
            raise FileNotFoundError("no C++ compiler: g++ is not on PATH (Debian, Ubuntu: sudo apt install g++)")
    elif what in ("plugin", "kernel"):
        compiler = find_nvcc()
        flags = ["-O3", "-std=c++14", "-shared", "-Xcompiler", "-fPIC", architecture_flag(compiler)]
    else:
        raise ValueError("compile what? 'plugin', 'kernel' or 'cpu', not %r" % (what,))
    name, sources = "l2_normalize_%s.so" % what, _KERNEL + ["l2_simple.cu"]
    if what == "plugin":
        headers, version = tensorrt_headers(root)
        name, sources = "l2_normalize_trt%d.%d.so" % version, _PLUGIN
        flags += ["-Xcompiler", "-fvisibility=hidden", "-isystem", str(headers)]
        if version < (8, 6):  # registers itself while it is loaded, through libnvinfer
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
    with artifacts.atomic(target) as temporary:
        inputs = [str(SOURCES / source) for source in sources if not source.endswith(".h")]
        command = [compiler] + flags + inputs + libraries + ["-o", str(temporary)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError("%s failed:\n%s\n%s" % (compiler, " ".join(command), "\n".join(lines[-20:])))
    artifacts.write_sidecar(target, **made_from)
    say("%.1f s" % (time.time() - started))
    return target


def load(trt, library):
    """Load a compiled plugin into this process, so that parsers and plans find it; nothing if they do already.

    `trt` is the `tensorrt` module, `library` what `compile("plugin")` made with the headers of this very TensorRT.
    Raises what `engine.load_plugin` raises, and LookupError when the registry does not have it after loading.
    """
    from . import engine  # here, so that compiling needs no onnx

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
    """LookupError, with what the registry has and what to do, unless it has this creator."""
    known = creators(trt)
    if (name, version) in known:
        return
    versions = ", ".join(v for n, v in known if n == name)
    near = difflib.get_close_matches(name, sorted({n for n, _ in known}), 1)
    hint = "; it has version %s" % versions if versions else "; did you mean %s?" % near[0] if near else ""
    raise LookupError("the plugin registry of TensorRT %s has no %s version %s among its %d creators%s. Load the "
                      "library before a parser or a plan needs it: plugin.load(trt, plugin.compile()). If it was "
                      "loaded, it was compiled for another TensorRT, or the node's name, version or namespace differs."
                      % (getattr(trt, "__version__", "?"), name, version, len(known), hint))


def registry_in_child(library, module="tensorrt_rtx"):
    """What the registry of a TensorRT from 10 on says of a library, asked in a child process that ends right after.

    Returns a list of {"name", "version", "fields"}, one for each creator that the library added. Raises RuntimeError
    with the child's last line when it failed.
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
    """The plugin's arithmetic on the CPU: x / sqrt(max(sum of x * x over the last axis, eps)), summed in FP32.

    Takes a float32 or float16 array whose last axis has 1 to 65,536 elements and returns one like it; `axis` is -1 or
    the last axis' number, `eps` finite and not negative. `simple` takes the simple kernel's text, for a last axis of 2.
    Raises TypeError and ValueError for what the plugin refuses too, and what `compile("cpu")` raises.
    """
    x = np.ascontiguousarray(x)
    if x.dtype.name not in _TYPES:
        raise TypeError("the plugin takes float32 or float16, not %s" % x.dtype)
    if axis not in (-1, x.ndim - 1):
        raise ValueError("only the last axis can be normalized: axis is %r and the array has %d dimensions; transpose "
                         "before and after" % (axis, x.ndim))
    y = np.empty_like(x)
    length = x.shape[-1]
    function, rows = _function("cpu", simple), x.size // max(length, 1)
    if function(x.ctypes.data, y.ctypes.data, rows, length, eps, _TYPES[x.dtype.name]):
        raise ValueError("the %s takes a last axis of %s elements and a finite eps that is not negative, not %d and %r" % (
            ("simple kernel", "2", length, eps) if simple else ("plugin", "1 to 65536", length, eps)))
    return y


def launch(x, y, rows, length, eps=1e-12, dtype="float32", stream=0, simple=False):
    """Put the kernel on a CUDA stream: `rows` rows of `length` (1 to 65,536) contiguous elements; returns at once.

    `x` and `y` are device addresses as int, aligned to their elements, and may be the same; `dtype` is theirs,
    float32 or float16; `stream` is a cudaStream_t as int; `simple` takes the simple kernel, for a length of 2. Raises
    TypeError for another dtype, RuntimeError with CUDA's error number when the kernel was not launched, and what
    `compile("kernel")` raises.
    """
    dtype = np.dtype(dtype).name
    if dtype not in _TYPES:
        raise TypeError("the kernel takes float32 or float16, not %s" % dtype)
    error = _function("kernel", simple)(x, y, rows, length, eps, _TYPES[dtype], stream)
    if error:
        known = {1: "an argument is out of range", 35: "no driver, or one older than this CUDA", 100: "no GPU"}
        raise RuntimeError("l2_normalize was not launched: CUDA error %d (%s)"
                           % (error, known.get(error, "see cudaError_t in CUDA's manual")))


def _function(what, simple):
    name = "l2_normalize" + "_simple" * simple + "_cpu" * (what == "cpu")
    if name not in _loaded:
        function = getattr(ctypes.CDLL(str(compile(what, quiet=True))), name)
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float,
                             ctypes.c_int32] + ([] if what == "cpu" else [ctypes.c_void_p])
        _loaded[name] = function
    return _loaded[name]
