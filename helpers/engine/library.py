"""The TensorRT module of this machine, its logger, its errors, its plugins."""
import contextlib
import ctypes
import importlib
import os
import sys

from .. import machine

_loggers = {}
_plugins = {}  # path -> library: a plugin must outlive every plan that uses it


def tensorrt():
    """The module that `machine.tensorrt` names, imported. RuntimeError when there is none."""
    here = machine.tensorrt()
    if here.module is None:
        raise RuntimeError("%s. On a Jetson TensorRT comes with JetPack, for the system's Python; on a PC "
                           "`pip install tensorrt-rtx-cu12` brings TensorRT for RTX." % (
                               here.why_not[0].upper() + here.why_not[1:]))
    return importlib.import_module(here.module)


def named(module):
    """The TensorRT module of that name, which another process uses."""
    return importlib.import_module(module)


def called(trt):
    """"TensorRT 8.5.2", or "TensorRT for RTX 1.7.1"."""
    return machine.product(module_name(trt), trt.__version__)


def module_name(trt):
    """"tensorrt" or "tensorrt_rtx"."""
    return trt.__name__.split(".")[0]


# Messages that mean nothing for what we do, each as words that stand together in it. They are not printed.
NOISE = [
    ("catchCudaError", "cudaError 35"),  # TensorRT for RTX without a GPU, after each error, whatever the error was
    ("implicit batch dimension mode has been deprecated",),  # 8.6: but a network from UFF has no other
    ("generated with INT64 weights",),  # 8.6: the sizes for Reshape, which ONNX keeps in INT64; they are small
    ("getMaxBatchSize() function should not be used",),  # 8.6, and the next one 10.6: asked when a plan is opened
    ("hasImplicitBatchDimension is deprecated",),
]
# Messages that come once for each tensor. The first of a kind is printed.
REPEATED = [
    "Missing scale and zero-point for tensor",  # 8.6, INT8 from UFF: the weights, which calibration does not see
]


def is_noise(message):
    """True for a message of the list `NOISE`."""
    return any(all(words in message for words in noise) for noise in NOISE)


def logger(trt):
    """The one logger of this process: warnings and errors go to stderr. TensorRT ignores a second one.

    Where the API lets Python log (`ILogger`), the messages of `NOISE` are left out, those of `REPEATED` come once, and
    `collected` can hold errors back.
    """
    if trt not in _loggers:
        _loggers[trt] = _messages(trt) if hasattr(trt, "ILogger") else trt.Logger(trt.Logger.WARNING)
    return _loggers[trt]


def _messages(trt):
    class Messages(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.collecting, self.said = None, set()

        def log(self, severity, message):
            level = int(severity)  # 0 internal error, 1 error, 2 warning, then information
            if level > 2 or is_noise(message):
                return
            kinds = {kind for kind in REPEATED if kind in message}
            if kinds & self.said:
                return
            self.said |= kinds
            if level < 2 and self.collecting is not None:
                self.collecting.append(message)
            else:
                print("TensorRT %s: %s" % ("warning" if level == 2 else "error", message), file=sys.stderr)

    return Messages()


@contextlib.contextmanager
def collected(trt):
    """A list that fills with the errors logged inside the block, which are then not printed.

    It stays empty on a TensorRT whose logger cannot be written in Python; the errors are on stderr there.
    """
    log, found = logger(trt), []
    before = getattr(log, "collecting", None)
    if hasattr(log, "collecting"):
        log.collecting = found
    try:
        yield found
    finally:
        if hasattr(log, "collecting"):
            log.collecting = before


def clean(text):
    """A message of TensorRT without the lines that are noise."""
    return "\n".join(line for line in text.strip().splitlines() if not is_noise(line))


def reason(errors):
    """The errors that `collected` found, as one text for an exception."""
    return "; ".join(map(clean, errors)) or "its reason is in the lines that it printed above"


def network_flags(trt, implicit=False):
    """The arguments for `builder.create_network(*network_flags(trt))`.

    implicit: True for a UFF network, whose shapes leave the batch out. () on TensorRT 5, which takes no argument;
    EXPLICIT_BATCH on 6 to 9; nothing set on 10 and later, where every network is explicit. By name, because the
    numbers moved: bit 0 is EXPLICIT_BATCH up to 9 and STRONGLY_TYPED on 11.
    """
    flags = getattr(trt, "NetworkDefinitionCreationFlag", None)
    if flags is None:
        return ()
    if implicit or not hasattr(trt.Builder, "max_batch_size"):
        return (0,)
    return (1 << int(flags.EXPLICIT_BATCH),)


def register_own_plugins(trt):
    """Register TensorRT's own plugins, such as `LReLU_TRT`: parsers and plans look for them in the registry."""
    trt.init_libnvinfer_plugins(logger(trt), "")


def load_plugin(trt, path):
    """Load a plugin library, which puts its creators into TensorRT's registry; returns its absolute path.

    A second call for the same library does nothing: a registry refuses one that it has.

    Raises FileNotFoundError (also for None, the path of a library that could not be compiled), and RuntimeError when the
    library cannot be loaded (with the linker's reason) or when this is TensorRT for RTX, whose parser ends the process
    when it meets a plugin.
    """
    if not any(hasattr(trt.INetworkDefinition, "add_plugin_" + generation) for generation in ("v2", "v3")):
        raise RuntimeError("TensorRT for RTX takes no plugins: it would register this one, and end the process when a "
                           "network uses it. Give the network an ONNX local function instead, as uffsurgeon.to_onnx does.")
    if path is None or not os.path.isfile(str(path)):
        raise FileNotFoundError("no plugin library%s: plugin.compile() makes it" % (" at %s" % path if path else ""))
    path = os.path.abspath(str(path))
    if path not in _plugins:
        logger(trt)  # the registry reports through it
        registry = trt.get_plugin_registry()
        with collected(trt) as errors:
            try:
                if hasattr(registry, "load_library"):  # the registry asks the library for its creators
                    _plugins[path] = registry.load_library(path)
                else:  # the library registers its creators itself while it is loaded
                    _plugins[path] = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            except (OSError, RuntimeError) as error:
                errors.append(str(error))
        if _plugins.get(path) is None:
            raise RuntimeError("the plugin library %s cannot be loaded: %s. Was it compiled for this TensorRT (%s)?"
                               % (path, reason(errors), trt.__version__))
    return path
