"""What this machine has: GPU, TensorRT, CUDA, compilers, packages. Standard library only: `doctor` runs before set-up.

    machine.tensorrt()      which TensorRT builds plans here, and whether they run here
    machine.Machine()       everything, as a report

Which packages work is for `probes` to find. What was found once is kept.
"""
import collections
import ctypes
import functools
import html
import os
import platform
import re
import shutil
import subprocess

from . import jetpack, probes
from .probes import Package

CUDA = ("pycuda", "cuda-python")
COLOURS = {"ready": "#116329", "real": "#116329", "broken": "#b42318", "absent": "#595959", "stand-in": "#7d4e00"}
BOARD_ONLY = ("tensorrt", "graphsurgeon", "uff", "pycuda")  # packages that are expected on a Jetson only


def output_of(command, timeout=10):
    """Standard output of a command (a list of strings), or None when it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def text_of(path):
    """The stripped text of a small system file, "" when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def jetson():
    """(model, L4T release, JetPack) of a Jetson, or None elsewhere. "?" for what cannot be read."""
    release, model = text_of("/etc/nv_tegra_release"), text_of("/proc/device-tree/model")
    if not release and "jetson" not in model.lower():
        return None
    match = re.search(r"R(\d+).*REVISION:\s*(\d+(?:\.\d+)*)", release)
    l4t = "%s.%s" % match.groups() if match else "?"
    return model or "Jetson", l4t, jetpack.of(l4t)


@functools.lru_cache(maxsize=None)
def driver():
    """(GPU, None) or (None, why no GPU can be used): the first GPU that NVIDIA's driver library finds.

    GPU: (name, compute capability such as "8.7", version of the driver). Asked of the driver itself, since a Jetson has
    no nvidia-smi. This initialises CUDA in the process (`cuInit`) and makes no context.
    """
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None, "no NVIDIA driver"
    count, device, name, number = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_int()
    error = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if error == 100 or not error and not count.value:  # CUDA_ERROR_NO_DEVICE
        return None, "no NVIDIA GPU"
    error = (error or cuda.cuDeviceGet(ctypes.byref(device), 0)
             or cuda.cuDeviceGetName(name, len(name), device) or cuda.cuDriverGetVersion(ctypes.byref(number)))
    capability = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        value = ctypes.c_int()
        error = error or cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(str(value.value))
    if error:
        return None, "the NVIDIA driver fails with CUDA error %d" % error
    release = (output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]) or "").splitlines()
    return (name.value.decode("utf-8", "replace"), ".".join(capability),
            release[0].strip() if release else "for CUDA %d.%d" % (number.value // 1000, number.value % 1000 // 10)), None


def gpu():
    """(name, compute capability, driver) of the first NVIDIA GPU that the driver finds, or None."""
    return driver()[0]


class TensorRT(collections.namedtuple("TensorRT", "module version flavour plugins runs why_not")):
    """Which TensorRT builds plans on this machine.

    module: name of the Python module, "tensorrt" or "tensorrt_rtx", None without one; version: its version, "".
    flavour: "uff" (it has an UffParser), "onnx" (it has not), "rtx" (TensorRT for RTX) or None.
    plugins: the newest plugin interface of its API, "IPluginV3" or "IPluginV2"; None where it takes no plugins.
    runs: whether its plans run here; why_not: None, else the reason, a clause such as "no NVIDIA GPU".
    """

    __slots__ = ()

    @property
    def name(self):
        """"TensorRT 8.5.2", "TensorRT for RTX 1.7.1" or "no TensorRT"."""
        return product(self.module, self.version) if self.module else "no TensorRT"

    def __str__(self):
        has = {"uff": "it has an UffParser", "onnx": "it has no UffParser, so UFF goes through ONNX",
               "rtx": "it builds plans for RTX cards, has no UffParser and takes no plugins",
               None: "cells that need one show what another machine printed"}[self.flavour]
        return "%s: %s. %s" % (self.name[0].upper() + self.name[1:], has, "Its plans run on this GPU." if self.runs else
                               "No plan runs here: %s." % self.why_not)


def product(module, version):
    """"TensorRT 8.5.2" or "TensorRT for RTX 1.7.1": two products, whose version numbers are unrelated."""
    return "TensorRT%s %s" % (" for RTX" if module == "tensorrt_rtx" else "", version)


def decide(no_gpu, found):
    """`TensorRT`, from the facts alone.

    no_gpu: why no GPU can be used, or None. found: {name: Package} of tensorrt, tensorrt_rtx, pycuda, cuda-python.
    """
    classic, rtx = found["tensorrt"], found["tensorrt_rtx"]
    broken = ["%s cannot be imported (%s)" % (package.name, package.note)
              for package in (classic, rtx) if package.state == "broken"]
    refused = ["%s does not run on this GPU" % product(package.name, package.version)
               for package in (classic, rtx) if package.state == "ready" and not package.extra.get("runs")]
    module, version, flavour, why_not = None, "", None, "; ".join(refused + broken) or "no TensorRT"
    if classic.extra.get("runs") and not no_gpu:  # without a GPU it makes no builder
        module, version, flavour = "tensorrt", classic.version, "uff" if classic.extra.get("uff") else "onnx"
        why_not = None
    elif rtx.state == "ready":  # it builds plans for GPUs that are elsewhere, too
        module, version, flavour = "tensorrt_rtx", rtx.version, "rtx"
        why_not = None if rtx.extra.get("runs") else why_not
    why_not = no_gpu or why_not or decide_cuda(no_gpu, found)[1]
    plugins = ("IPluginV3" if classic.extra.get("v3") else "IPluginV2") if module == "tensorrt" else None
    return TensorRT(module, version, flavour, plugins, why_not is None, why_not)


def decide_cuda(no_gpu, found):
    """(package, None) or (None, why not): the CUDA library that Python uses here, "pycuda" or "cuda-python"."""
    if no_gpu:
        return None, no_gpu
    for name in CUDA:
        if found[name].state == "ready":
            return name, None
    broken = ["%s fails (%s)" % (name, found[name].note) for name in CUDA if found[name].state == "broken"]
    return None, "; ".join(broken) or "neither PyCUDA nor cuda-python"


def _facts():
    """The arguments of `decide`. What cannot matter without a GPU is not imported, and counts as absent."""
    no_gpu = driver()[1]
    absent = {name: Package(name, "absent") for name in ("tensorrt",) + CUDA}
    return no_gpu, dict(absent, **probes.packages(("tensorrt_rtx",) if no_gpu else ("tensorrt", "tensorrt_rtx") + CUDA, gpu()))


def tensorrt():
    """The `TensorRT` of this machine. Everything in the workbook that depends on it asks here."""
    return decide(*_facts())


def cuda():
    """(package, None) or (None, why not), as `decide_cuda` says of this machine."""
    return decide_cuda(*_facts())


def find_nvcc():
    """Path of the CUDA compiler: on PATH, else under CUDA_HOME, else where JetPack leaves it; None when there is none."""
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.environ.get("CUDA_HOME", "/usr/local/cuda") + "/bin")


def find_tensorrt_headers(root=None):
    """The folder of NvInfer.h, or None. root: a TensorRT folder or its include folder; by default the environment
    variable TENSORRT_ROOT, else where JetPack and the Debian packages put the headers."""
    root = root or os.environ.get("TENSORRT_ROOT")
    for base in [str(root)] if root else ["/usr", "/usr/local/tensorrt", "/opt/tensorrt"]:
        for parts in ((), ("include",), ("include", platform.machine() + "-linux-gnu")):
            folder = os.path.join(base, *parts)
            if os.path.isfile(os.path.join(folder, "NvInfer.h")):
                return folder
    return None


def compilers():
    """{"nvcc": version or None, "g++": version or None}."""
    nvcc, gxx = find_nvcc(), shutil.which("g++")
    release = re.search(r"release ([\d.]+)", output_of([nvcc, "--version"]) or "") if nvcc else None
    return {"nvcc": release.group(1) if release else None,
            "g++": (output_of([gxx, "--version"]) or "g++").splitlines()[0] if gxx else None}


class Machine:
    """What was found; `print` it, or let a notebook show it as two tables."""

    def __init__(self):
        self.python, self.system = platform.python_version(), "%s %s" % (platform.system(), platform.machine())
        self.gpu, self.no_gpu = driver()
        self.cores, self.packages = os.cpu_count(), probes.packages(gpu=self.gpu)
        self.tensorrt = decide(self.no_gpu, self.packages)
        self.jetson, self.compilers, self.headers = jetson(), compilers(), find_tensorrt_headers()

    def parts(self):
        """[(part, state, detail)]: what is here; state is "ready", "broken" or "absent"."""
        rows = [("Python", "ready", "%s on %s, %s cores" % (self.python, self.system, self.cores))]
        if self.jetson:
            rows.append(("Jetson", "ready", "%s, L4T %s, JetPack %s" % self.jetson))
        rows.append(("NVIDIA GPU", "ready" if self.gpu else "absent",
                     "%s, compute capability %s, driver %s" % self.gpu if self.gpu else self.no_gpu))
        for package in self.packages.values():
            spare = package.state == "absent" and package.name in BOARD_ONLY and not self.jetson
            rows.append((package.name, package.state, package.note or package.version or ("not needed here" if spare else "")))
        return rows + [(label, "ready" if self.compilers[name] else "absent", self.compilers[name] or "")
                       for label, name in (("nvcc", "nvcc"), ("C++ compiler", "g++"))]

    def stages(self):
        """[(stage, how it is done here, whether that is the real thing)] for the seven stages of the road."""
        trt, tf, why_not = self.tensorrt, self.packages["tensorflow"], self.tensorrt.why_not
        builder = {"uff": "trt.UffParser of %s", "onnx": "UFF to ONNX, trt.OnnxParser of %s",
                   "rtx": "UFF to ONNX, the builder of %s, ahead of time"}
        nvidia = all(self.packages[name].state == "ready" for name in ("graphsurgeon", "uff"))
        plugin = trt.plugins and self.compilers["nvcc"] and self.headers
        if plugin:
            layer = "C++ plugin, %s" % ("IPluginV3" if trt.plugins == "IPluginV3" else "IPluginV2 or IPluginV2Ext")
        else:
            layer = "ONNX local function%s; the kernel is %s" % (
                " (a plugin takes nvcc and TensorRT's C++ headers)" if trt.plugins else
                " (TensorRT for RTX takes no plugins)" if trt.module else "",
                "compiled by nvcc" if self.compilers["nvcc"] else
                "compiled for the CPU" if self.compilers["g++"] else "not compiled: no compiler")
        return [
            ("freeze", "TensorFlow %s" % tf.version if tf.state == "ready" else "not here: TensorFlow is %s" % tf.state,
             tf.state == "ready"),
            ("surgery, UFF", "NVIDIA's graphsurgeon and uff" if nvidia else
             "the workbook's own graphsurgeon and uff, tested against NVIDIA's files", True),
            ("plan", builder[trt.flavour] % trt.name if trt.module else "none: no TensorRT here", trt.module is not None),
            ("L2 layer", layer, bool(plugin)),
            ("run", "ONNX Runtime on the CPU (%s)" % why_not if why_not else "TensorRT on the GPU", not why_not),
            ("timing", "TensorFlow and ONNX Runtime on this CPU, beside published figures" if why_not else
             "TensorFlow, then TensorRT FP32, FP16, INT8", not why_not),
        ]

    def advice(self):
        """[sentence]: the one thing to do about each part that is missing or broken and matters."""
        lines = ["%s is installed but broken (%s): reinstall it, or remove it." % (package.name, package.note)
                 for package in self.packages.values() if package.state == "broken"]
        if self.packages["tensorflow"].state == "absent":
            lines.append("No TensorFlow for notebooks 01 to 06: " + (
                jetpack.tensorflow(self.jetson[2], self.python) if self.jetson else "`python3 workbook.py run` installs it."))
        if self.gpu and not self.jetson and self.packages["tensorrt"].state == "absent" and self.system == "Linux x86_64":
            lines.append(self._stack())
        if self.jetson and self.packages["tensorrt"].state == "absent":
            lines.append("No TensorRT although this is a Jetson: `sudo apt install nvidia-jetpack`, and use the system's "
                         "Python (this one does not see its packages).")
        elif self.jetson and not self.gpu:
            lines.append("TensorRT is here, but %s. In a container: `docker run --runtime nvidia ...`." % self.no_gpu)
        elif self.gpu and self.tensorrt.why_not:
            lines.append("No plan runs on this GPU (%s): requirements/README.md says what to add to the environment."
                         % self.tensorrt.why_not)
        elif not self.tensorrt.module:
            lines.append("No TensorRT of any kind for notebooks 02 to 07: plans are explained, not built.")
        if not self.compilers["g++"]:
            lines.append("No C++ compiler for notebook 04: install g++ (Linux: `sudo apt install g++`).")
        if self.gpu and not self.compilers["nvcc"]:
            lines.append("No nvcc for notebooks 04 and 05: install the CUDA toolkit, or put its bin folder on PATH.")
        return lines

    def _stack(self):
        """A sentence: which stack of requirements/ puts TensorFlow and TensorRT on this GPU, or why none does."""
        if float(self.gpu[1]) > 9:
            return ("No stack has a TensorRT with plugins for compute capability %s: 8.6.1, the last with an UffParser, and "
                    "10.6 end at 9.0 (Hopper). Put a newer one into requirements/gpu.txt." % self.gpu[1])
        fits = (3, 9) <= tuple(map(int, self.python.split(".")[:2])) <= (3, 11)
        return "The whole UFF road on this GPU: `python3%s workbook.py run --stack gpu_uff`%s. By ONNX: `--stack gpu`." % (
            ("", "") if fits else (".11", " (it needs Python 3.9 to 3.11, this is %s)" % self.python))

    def _sections(self):
        yield "Here", self.parts()
        yield "So on this machine", [(stage, "real" if real else "stand-in", how) for stage, how, real in self.stages()]

    def __str__(self):
        lines = []
        for title, rows in self._sections():
            lines += [title] + ["  %-14s %-9s %s" % row for row in rows]
        advice = self.advice()
        return "\n".join(lines + (["What to do"] + ["  - " + line for line in advice] if advice else []))

    def _repr_html_(self):
        line = ("<tr><td style='text-align:left'>%s</td><td style='text-align:left;color:%s'><b>%s</b></td>"
                "<td style='text-align:left'>%s</td></tr>")
        out = ["<table><caption style='text-align:left'><b>%s</b></caption>%s</table>" % (title, "".join(
            line % (html.escape(name), COLOURS[state], state, html.escape(detail)) for name, state, detail in rows))
            for title, rows in self._sections()]
        return "".join(out + ["<p>%s</p>" % html.escape(text) for text in self.advice()])


if __name__ == "__main__":
    print(Machine())
