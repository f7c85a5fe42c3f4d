"""Which packages work here: each is imported in a child process of its own.

One that is installed but fails (a driver too old, a library missing) is reported as broken, with its message, and does not
take this process along. Standard library only: `doctor` runs before set-up.
"""
import collections
import importlib.machinery
import json
import os
import subprocess
import sys

# What a child process reports of each package: its version, and for TensorRT what its API has.
PROBES = collections.OrderedDict([
    ("tensorflow", "import tensorflow as m; out['version'] = m.__version__"),
    ("tensorrt", "import tensorrt as m; out['version'] = m.__version__; "
                 "out['uff'] = hasattr(m, 'UffParser'); out['v3'] = hasattr(m, 'IPluginV3')"),
    ("tensorrt_rtx", "import tensorrt_rtx as m; out['version'] = m.__version__"),
    ("graphsurgeon", "import graphsurgeon as m; out['version'] = getattr(m, '__version__', '')"),
    ("uff", "import uff as m; out['version'] = getattr(m, '__version__', '')"),
    ("onnxruntime", "import onnxruntime as m; out['version'] = m.__version__"),
    ("pycuda", "import pycuda.driver as d, pycuda as m; out['version'] = m.VERSION_TEXT; d.init()"),
    ("cuda-python", "try:\n import cuda.bindings as m\n from cuda.bindings import runtime\n"
                    "except ImportError:\n import cuda as m\n from cuda import cudart\n"
                    "out['version'] = getattr(m, '__version__', '')"),
])
# A TensorRT can be imported beside a GPU that it does not support. Where there is a GPU, a plan of one layer is built and
# opened. The names are those of TensorRT 5 to 11 and TensorRT for RTX; the batch is implicit up to 9.
OPENS_A_PLAN = """
log = m.Logger(m.Logger.INTERNAL_ERROR)
b = m.Builder(log)
n = b.create_network()
n.mark_output(n.add_activation(n.add_input('x', m.float32, (1, 1, 1)), m.ActivationType.RELU).get_output(0))
if hasattr(b, 'build_serialized_network'):
    plan = b.build_serialized_network(n, b.create_builder_config())
    plan = None if plan is None else m.Runtime(log).deserialize_cuda_engine(plan)
elif hasattr(b, 'build_engine'):
    plan = b.build_engine(n, b.create_builder_config())
else:
    plan = b.build_cuda_engine(n)
out['runs'] = plan is not None
"""
MODULES = {"cuda-python": "cuda"}  # package -> module, where the names differ; several packages share this one

Package = collections.namedtuple("Package", "name state version note extra")
Package.__new__.__defaults__ = ("", "", {})
Package.__doc__ = """state: "ready", "broken" (note is the error) or "absent"; extra: what else its probe found."""
_found = {}  # name -> Package
# Environment variable, [GPU, {place of a TensorRT module: Package}]: those whose plans this process or a parent of it has seen
# open. With it a child process need not start a builder to know, which took 12 s with TensorRT 8.6.1 and 8 s with 10.6.0.
SEEN = "WORKBOOK_TENSORRT"
# Reports what the import found, then again with what a plan found: building one may end the process.
_CHILD = """
import json, os
out = {}
def report():
    print('\\n@' + json.dumps(out), flush=True)
try:
 %s
except BaseException as e:
    out['error'] = type(e).__name__ + ': ' + str(e)
    out['module'] = getattr(e, 'name', None) if isinstance(e, ImportError) else None
report()
plan = %r
if plan and 'error' not in out:
    try:
        exec(plan)
    except BaseException:
        out['runs'] = False
    report()
os._exit(0)
"""


def packages(names=tuple(PROBES), gpu=None, timeout=120):
    """{name: Package}: each package is imported in a child process of its own, all at once; what is known is not asked again.

    A package that is on no path of this process is absent, which needs no child. gpu: the GPU that is here, if any; then a
    TensorRT is also asked to build and open a plan, and its Package has "runs" in `extra`.
    """
    children, seen = {}, _seen(gpu)
    for name in [name for name in names if name not in _found]:
        spec = importlib.machinery.PathFinder.find_spec(MODULES.get(name, name))
        if spec is None or spec.loader is None and name not in MODULES:  # without a loader: a mere folder, or a namespace
            _found[name] = Package(name, "absent")
            continue
        known = seen.get(_place(spec)) if name.startswith("tensorrt") else None
        if known:
            _found[name] = known
            continue
        code = _CHILD % (PROBES[name].replace("\n", "\n "), OPENS_A_PLAN if name.startswith("tensorrt") and gpu else "")
        variables = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", ORT_DISABLE_TELEMETRY="1", PYTHONPATH=os.pathsep.join(sys.path))
        children[name] = spec, subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE,
                                                stderr=subprocess.DEVNULL)
    for name, (spec, child) in children.items():
        _found[name] = _package(name, child, timeout)
        if _found[name].extra.get("runs"):
            seen[_place(spec)] = _found[name]
            os.environ[SEEN] = json.dumps([gpu, seen])
    return collections.OrderedDict((name, _found[name]) for name in names)


def _place(spec):
    """The file of a module and when it was written: another version in its place is another package."""
    return "%s %d" % (spec.origin, os.stat(spec.origin).st_mtime) if os.path.isfile(spec.origin or "") else ""


def _seen(gpu):
    """What SEEN says of this GPU; {} where it says nothing."""
    try:
        of, seen = json.loads(os.environ.get(SEEN, ""))
        return {place: Package(*fields) for place, fields in seen.items()} if gpu and of == list(gpu) else {}
    except (ValueError, TypeError, AttributeError):
        return {}


def _package(name, child, timeout):
    try:
        text, slow = child.communicate(timeout=timeout)[0], None
    except subprocess.TimeoutExpired:
        child.kill()
        text, slow = child.communicate()[0], "did not end within %d s" % timeout
    line = text.decode("utf-8", "replace").rsplit("\n@", 1)
    if len(line) < 2:
        return Package(name, "broken", "", "its import %s" % (
            slow or "ended the Python process (code %s)" % child.returncode), {})
    found = json.loads(line[1])
    error, module = found.pop("error", None), found.pop("module", None)
    if error is None:
        return Package(name, "ready", found.pop("version", ""), "", found)
    top = MODULES.get(name, name)
    if module in (top, "cuda.bindings", "cuda.cudart") or error == "ModuleNotFoundError: No module named %r" % top:
        return Package(name, "absent")
    return Package(name, "broken", found.get("version", ""), error.splitlines()[0][:200], {})
