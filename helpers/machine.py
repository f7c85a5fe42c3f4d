"""What this machine has, and so what is real on it. Standard library only, so that `doctor` runs before set-up.

Packages are tried in child processes: a package that is there but cannot be imported (a driver too old, a library
missing) is reported as broken, with its message, and cannot take the notebook down.
"""
import collections
import ctypes
import html
import json
import os
import platform
import re
import shutil
import subprocess
import sys

# What a child process prints of each package: its version, and for TensorRT what its API offers.
PROBES = collections.OrderedDict([
    ("tensorflow", "import tensorflow as m; out['version'] = m.__version__"),
    ("tensorrt", "import tensorrt as m; out['version'] = m.__version__; "
                 "out['uff'] = hasattr(m, 'UffParser'); out['v3'] = hasattr(m, 'IPluginV3')"),
    # It builds for cards that are elsewhere, and refuses some that are here: a small plan is built and opened.
    ("tensorrt_rtx", "import tensorrt_rtx as m; out['version'] = m.__version__; log = m.Logger(m.Logger.INTERNAL_ERROR); "
                     "b = m.Builder(log); n = b.create_network(0); "
                     "n.mark_output(n.add_identity(n.add_input('x', m.float32, (1,))).get_output(0)); "
                     "plan = b.build_serialized_network(n, b.create_builder_config()); "
                     "out['runs'] = plan is not None and m.Runtime(log).deserialize_cuda_engine(plan) is not None"),
    ("graphsurgeon", "import graphsurgeon as m; out['version'] = getattr(m, '__version__', '')"),
    ("uff", "import uff as m; out['version'] = getattr(m, '__version__', '')"),
    ("onnxruntime", "import onnxruntime as m; out['version'] = m.__version__"),
    ("pycuda", "import pycuda.driver as d, pycuda as m; out['version'] = m.VERSION_TEXT; d.init()"),
    ("cuda-python", "try:\n from cuda.bindings import runtime as r\nexcept ImportError:\n from cuda import cudart as r\n"
                    "import cuda; out['version'] = getattr(cuda, '__version__', '')"),
])

# L4T release -> JetPack, the longest that fits; on a board the release is in /etc/nv_tegra_release.
JETPACK = {
    "32.1": "4.2", "32.2": "4.2.1", "32.2.1": "4.2.2", "32.2.3": "4.2.3", "32.3": "4.3", "32.4": "4.4", "32.4.4": "4.4.1",
    "32.5": "4.5", "32.5.1": "4.5.1", "32.5.2": "4.5.1", "32.6": "4.6", "32.7.1": "4.6.1", "32.7.2": "4.6.2",
    "32.7.3": "4.6.3", "32.7.4": "4.6.4", "32.7.5": "4.6.5", "32.7.6": "4.6.6", "34.1": "5.0", "34.1.1": "5.0.1",
    "35.1": "5.0.2", "35.2": "5.1", "35.3": "5.1.1", "35.4": "5.1.2", "35.5": "5.1.3", "35.6": "5.1.4", "35.6.1": "5.1.5",
    "35.6.2": "5.1.5", "35.6.3": "5.1.5", "35.6.4": "5.1.6", "36.2": "6.0", "36.3": "6.0", "36.4": "6.1", "36.4.3": "6.2",
    "36.4.4": "6.2.1", "36.4.7": "6.2.1", "36.5": "6.2.2", "38.2": "7.0", "38.4": "7.1", "39.0": "7.2", "39.2": "7.2",
}

Package = collections.namedtuple("Package", "name state version note extra")
Package.__doc__ = """state: "ready", "broken" (note says why) or "absent"; extra: what its probe found besides."""
BOARD_ONLY = ("tensorrt", "graphsurgeon", "uff", "pycuda")  # packages that are missed on a board only


def output_of(command, timeout=10):
    """Standard output of a command, a list of strings, or None when it is not there, fails or hangs."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def text_of(path):
    """The text of a small file of the system without the white space and zeros around it, "" when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def packages(names=tuple(PROBES), python=sys.executable, timeout=120):
    """Try to import each package in a child process of its own, all at once -> {name: Package}."""
    children = {}
    for name in names:
        code = ("import json, os\nout = {}\ntry:\n %s\nexcept BaseException as e:\n"
                " out['error'] = type(e).__name__ + ': ' + str(e)\n"
                " out['module'] = getattr(e, 'name', None) if isinstance(e, ImportError) else None\n"
                "print('\\n@' + json.dumps(out), flush=True); os._exit(0)"
                % PROBES[name].replace("\n", "\n "))
        environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3")
        children[name] = subprocess.Popen([python, "-c", code], env=environment,
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return {name: _package(name, child, timeout) for name, child in children.items()}


def _package(name, child, timeout):
    try:
        text = child.communicate(timeout=timeout)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Package(name, "broken", "", "its import did not end within %d s" % timeout, {})
    line = text.rsplit("\n@", 1)
    if len(line) < 2:
        return Package(name, "broken", "", "its import ended the Python process (code %s)" % child.returncode, {})
    found = json.loads(line[1])
    error, module = found.pop("error", None), found.pop("module", None)
    if error is None:
        return Package(name, "ready", found.pop("version", ""), "", found)
    top = {"cuda-python": "cuda"}.get(name, name)
    if module in (top, "cuda.bindings", "cuda.cudart") or error == "ModuleNotFoundError: No module named %r" % top:
        return Package(name, "absent", "", "", {})
    return Package(name, "broken", found.get("version", ""), error.splitlines()[0][:200], {})


def jetson():
    """(model, L4T release, JetPack) of a Jetson, or None elsewhere. "?" for what cannot be read."""
    release = text_of("/etc/nv_tegra_release")
    model = text_of("/proc/device-tree/model")
    if not release and "jetson" not in model.lower():
        return None
    match = re.search(r"R(\d+).*REVISION:\s*(\d+(?:\.\d+)*)", release)
    l4t = "%s.%s" % match.groups() if match else "?"
    known = [prefix for prefix in JETPACK if (l4t + ".").startswith(prefix + ".")]
    return model or "Jetson", l4t, JETPACK[max(known, key=len)] if known else "?"


def has_driver():
    """True when NVIDIA's driver library is here; whether it finds a GPU is another question."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        return True
    except OSError:
        return False


def gpu():
    """(name, compute capability, driver) of the first NVIDIA GPU that nvidia-smi sees, or None."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    line = output_of(query) or output_of([query[0], "--query-gpu=name,driver_version", query[2]])
    if not line:
        return None
    parts = [part.strip() for part in line.splitlines()[0].split(",")]
    return tuple(parts) if len(parts) == 3 else (parts[0], "?", parts[-1])


def find_nvcc():
    """Path of the CUDA compiler: on PATH, else under CUDA_HOME, else where JetPack leaves it; None when there is none."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(home, "bin"))


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

    def __init__(self, python=sys.executable):
        self.python = platform.python_version() if python == sys.executable else (
            output_of([python, "-c", "import platform; print(platform.python_version())"]) or "?")
        self.system = "%s %s" % (platform.system(), platform.machine())
        self.cores = os.cpu_count()
        self.packages = packages(python=python)
        self.jetson, self.gpu, self.compilers, self.headers = jetson(), gpu(), compilers(), find_tensorrt_headers()

    def ready(self, name):
        return self.packages[name].state == "ready"

    @property
    def has_gpu(self):
        return self.gpu is not None or self.jetson is not None

    @property
    def tensorrt(self):
        """The flavour: "uff", "classic", "rtx" or "none"; what can build a plan here, best first."""
        if self.ready("tensorrt") and (self.has_gpu or has_driver()):  # without a GPU it makes no builder
            return "uff" if self.packages["tensorrt"].extra.get("uff") else "classic"
        return "rtx" if self.ready("tensorrt_rtx") else "none"

    @property
    def why_no_plan_runs(self):
        """None when the plans that are built here also run here, else a clause that says why not."""
        if not self.has_gpu:
            return "no GPU"
        if self.tensorrt == "none":
            return "no TensorRT"
        if self.tensorrt == "rtx" and not self.packages["tensorrt_rtx"].extra.get("runs"):
            return "TensorRT for RTX does not run on this GPU"
        if not (self.ready("pycuda") or self.ready("cuda-python")):
            return "neither PyCUDA nor cuda-python"
        return None

    def parts(self):
        """[(part, state, detail)]: what is here; state is "ready", "broken" or "absent"."""
        rows = [("Python", "ready", "%s on %s, %s cores" % (self.python, self.system, self.cores))]
        if self.jetson:
            rows.append(("Jetson", "ready", "%s, L4T %s, JetPack %s" % self.jetson))
        rows.append(("NVIDIA GPU", "ready" if self.has_gpu else "absent",
                     "%s, compute capability %s, driver %s" % self.gpu if self.gpu else
                     "the board's own" if self.jetson else "none that nvidia-smi sees"))
        for package in self.packages.values():
            spare = package.state == "absent" and package.name in BOARD_ONLY and not self.jetson
            rows.append((package.name, package.state, package.note or package.version or (
                "comes with JetPack; not needed here" if spare else "")))
        rows.append(("nvcc", "ready" if self.compilers["nvcc"] else "absent", self.compilers["nvcc"] or ""))
        rows.append(("C++ compiler", "ready" if self.compilers["g++"] else "absent", self.compilers["g++"] or ""))
        return rows

    def stages(self):
        """[(stage, how it is done here, whether that is the real thing)] for the seven stages of the road."""
        trt, tf = self.tensorrt, self.packages["tensorflow"]
        builder = {"uff": "trt.UffParser of TensorRT %s", "classic": "UFF to ONNX, trt.OnnxParser of TensorRT %s",
                   "rtx": "UFF to ONNX, the builder of TensorRT for RTX %s, ahead of time", "none": ""}[trt]
        nvidia = self.ready("graphsurgeon") and self.ready("uff")
        why_not = self.why_no_plan_runs
        plugin = trt in ("uff", "classic") and self.compilers["nvcc"] and self.headers
        if plugin:
            layer = "C++ plugin, %s" % ("IPluginV3" if self.packages["tensorrt"].extra.get("v3") else
                                        "IPluginV2 or IPluginV2Ext")
        else:
            layer = "ONNX local function%s; the kernel is %s" % (
                {"rtx": " (TensorRT for RTX takes no plugins)", "none": ""}.get(
                    trt, " (a plugin takes nvcc and TensorRT's C++ headers)"),
                "compiled by nvcc" if self.compilers["nvcc"] else
                "compiled for the CPU" if self.compilers["g++"] else "not compiled: no compiler")
        return [
            ("freeze", "TensorFlow %s" % tf.version if tf.state == "ready" else "not here: TensorFlow is %s" % tf.state,
             tf.state == "ready"),
            ("surgery, UFF", "NVIDIA's graphsurgeon and uff" if nvidia else
             "the workbook's own graphsurgeon and uff, tested against NVIDIA's files", True),
            ("plan", builder % self.packages["tensorrt" if trt in ("uff", "classic") else "tensorrt_rtx"].version
             if trt != "none" else "none: no TensorRT here", trt != "none"),
            ("L2 layer", layer, bool(plugin)),
            ("run", "ONNX Runtime on the CPU (%s)" % why_not if why_not else "TensorRT on the GPU", not why_not),
            ("timing", "TensorFlow and ONNX Runtime on this CPU, beside published figures" if why_not else
             "TensorFlow, then TensorRT FP32, FP16, INT8", not why_not),
        ]

    def advice(self):
        """[sentence]: the one thing to do about each part that is missing or broken and matters."""
        lines = []
        for package in self.packages.values():
            if package.state == "broken":
                lines.append("%s is installed but broken (%s): reinstall it, or remove it." % (package.name, package.note))
        if self.packages["tensorflow"].state == "absent":
            lines.append("No TensorFlow for notebooks 01 to 05: " + (
                "install NVIDIA's build for JetPack %s (their page 'Installing TensorFlow for Jetson')." % self.jetson[2]
                if self.jetson else "`python3 workbook.py run` installs it."))
        if self.jetson and self.packages["tensorrt"].state == "absent":
            lines.append("No TensorRT although this is a Jetson: `sudo apt install nvidia-jetpack`, and use the system's "
                         "Python (this one does not see its packages).")
        elif self.has_gpu and self.why_no_plan_runs:
            lines.append("No plan runs on this GPU (%s): requirements/README.md says what to add to the environment."
                         % self.why_no_plan_runs)
        elif self.tensorrt == "none":
            lines.append("No TensorRT of any kind for notebooks 02 to 06: plans are explained, not built.")
        if not self.compilers["g++"]:
            lines.append("No C++ compiler for notebook 04: install g++ (Linux: `sudo apt install g++`).")
        if self.has_gpu and not self.compilers["nvcc"]:
            lines.append("No nvcc for notebook 04: install the CUDA toolkit, or put its bin folder on PATH.")
        return lines

    def _sections(self):
        yield "Here", [(name, state, detail) for name, state, detail in self.parts()]
        yield "So on this machine", [(stage, "real" if real else "stand-in", how) for stage, how, real in self.stages()]

    def __str__(self):
        lines = []
        for title, rows in self._sections():
            lines += [title] + ["  %-14s %-9s %s" % row for row in rows]
        advice = self.advice()
        return "\n".join(lines + (["What to do"] + ["  - " + line for line in advice] if advice else []))

    def _repr_html_(self):
        colour = {"ready": "#1a7f37", "real": "#1a7f37", "broken": "#b42318", "absent": "#777", "stand-in": "#9a6700"}
        out = []
        for title, rows in self._sections():
            out.append("<table><caption style='text-align:left'><b>%s</b></caption>" % title)
            for name, state, detail in rows:
                out.append("<tr><td style='text-align:left'>%s</td><td style='text-align:left;color:%s'><b>%s</b></td>"
                           "<td style='text-align:left'>%s</td></tr>"
                           % (html.escape(name), colour[state], state, html.escape(detail)))
            out.append("</table>")
        return "".join(out) + "".join("<p>%s</p>" % html.escape(line) for line in self.advice())


def main():
    print(Machine())


if __name__ == "__main__":
    main()
