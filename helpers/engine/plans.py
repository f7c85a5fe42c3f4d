"""Plan files: each with a record beside it that says to which GPU and TensorRT it belongs."""
import contextlib
import hashlib

from .. import artifacts, cuda
from .library import module_name


def describe(trt):
    """{"library": "tensorrt", "version": "8.5.2.2"}: what a plan is bound to, besides the GPU."""
    return {"library": module_name(trt), "version": trt.__version__}


def gpu_here(trt):
    """The GPU that a plan is bound to: name and compute capability; None for RTX, whose plans fit several."""
    if module_name(trt) == "tensorrt_rtx" or not cuda.available():
        return None
    gpu = cuda.device()
    return {"name": gpu["name"], "compute_capability": gpu["compute_capability"]}


def fresh(path, made_from):
    """True when the plan at `path` is intact and was made from `made_from`; its record may hold more."""
    record = artifacts.read_sidecar(path)
    return (path.is_file() and all(record.get(key) == value for key, value in made_from.items())
            and record.get("sha256") == artifacts.digest(path))


def save(path, plan, made_from):
    """Write a plan and its record, or neither. Raises OSError when they cannot be saved; an earlier pair is kept."""
    try:
        artifacts.write(path, plan, **made_from)
    except OSError as error:
        raise OSError(error.errno, "cannot save the plan (%.1f MB): %s. Free some space, or set WORKBOOK_BUILD to a "
                      "folder elsewhere" % (len(plan) / 1e6, error.strerror or error), str(path))


def read(path):
    """(bytes of the plan, its record or {}). FileNotFoundError, or ValueError when it is not what the record says."""
    if not path.is_file():
        raise FileNotFoundError("no plan at %s: engine.build makes one" % path)
    data, record = _pair(path)
    if not _belong(data, record):  # perhaps another process writes the two just now
        with contextlib.suppress(OSError), artifacts.lock(path.parent):  # in a folder without a lock, nobody writes
            data, record = _pair(path)
    if not _belong(data, record):
        raise ValueError("%s is damaged or was replaced: %d bytes, its record says %s with another hash. Build it "
                         "again." % (path, len(data), record.get("bytes", "?")))
    if not data:
        raise ValueError("%s is empty: build it again" % path)
    return data, record


def _pair(path):
    return path.read_bytes(), artifacts.read_sidecar(path)


def _belong(data, record):
    return not record or record.get("sha256") == hashlib.sha256(data).hexdigest()


def check_origin(path, record, trt):
    """RuntimeError unless the record says that the plan belongs to this TensorRT and this GPU."""
    if not record:
        raise RuntimeError("%s has no record (%s), so nothing says who built it, and TensorRT runs whatever code a plan "
                           "holds. Build it again from its model; for a plan that you made yourself, or trust, say "
                           "engine.Engine(plan, unrecorded=True)." % (path.name, artifacts.sidecar_path(path).name))
    now, then = describe(trt), {key: record.get(key) for key in ("library", "version")}
    if then != now:
        raise RuntimeError("%s was built by %s %s, this is %s %s: plans do not travel between versions. Build it again "
                           "from %s." % (path.name, then["library"], then["version"], now["library"], now["version"],
                                         record.get("source", "its model")))
    gpu, built_on = gpu_here(trt), record.get("gpu")
    built_on = built_on if isinstance(built_on, dict) else {}
    if gpu and gpu["compute_capability"] != built_on.get("compute_capability"):
        raise RuntimeError("%s was built on %s (compute capability %s), this is %s (%s): plans do not travel between "
                           "GPUs. Build it again from %s." % (
                               path.name, built_on.get("name", "an unknown GPU"), built_on.get("compute_capability", "?"),
                               gpu["name"], gpu["compute_capability"], record.get("source", "its model")))
