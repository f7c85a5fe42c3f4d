"""TensorFlow in this process: importing it, Keras 2 beside it, and where it computes. ONNX Runtime without its telemetry.

    from helpers import process
    process.prepare_tensorflow()      # in the first cell of a page, before TensorFlow is used

Importing a module of `helpers` never changes the process. `prepare_tensorflow` does, and is called by name.
"""
import contextlib
import ctypes
import os
import sys

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_session = None  # (gpu, session of Keras), of TensorFlow 1 only


def prepare_tensorflow(gpu=False):
    """Import TensorFlow quietly, and let this process compute on the CPU. Prints one line that says so.

    gpu: True leaves the GPU to TensorFlow, which then takes memory as it needs it instead of all at once.

    What it changes, for the rest of the process:

    - TF_CPP_MIN_LOG_LEVEL is set to 1, unless it is set already; child processes inherit it. So is ORT_DISABLE_TELEMETRY,
      see `onnxruntime`.
    - Standard error is closed while TensorFlow is imported, because TensorFlow 2 greets every import with lines about
      oneDNN that its log level does not suppress. Python's logger of TensorFlow is set to errors only, because
      TensorFlow 1.13 announces its own deprecations at every call.
    - TensorFlow 2: the GPUs are hidden from it, so that it leaves the memory of a board to TensorRT, and so that the
      numbers to compare with are not rounded to TF32.
    - TensorFlow 1: the session of Keras is replaced by one that follows `session_config(gpu)`. A second call keeps it,
      since the weights of all models are in it.

    Call it before TensorFlow has used a GPU: its devices cannot be changed afterwards, and then the line says so.
    """
    global _session
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault(NO_TELEMETRY, "1")
    with contextlib.ExitStack() as stack:
        if "tensorflow" not in sys.modules:
            stack.enter_context(_no_stderr())
        tf = tensorflow()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    if tf.__version__.startswith("1"):
        if _session is None:
            _session = gpu, tf.compat.v1.Session(config=session_config(gpu))
            keras().backend.set_session(_session[1])
        done = _session[0] == gpu
    else:
        done = _grow(tf) if gpu else _hide_gpus(tf)
    where = "on the GPU where there is one" if gpu else "on the CPU"
    if not done:
        where = "on the devices that it uses already; they can no longer be changed"
    print("TensorFlow %s computes %s." % (tf.__version__, where))


def tensorflow():
    """Import TensorFlow and return the module; nothing else is changed."""
    import tensorflow as tf

    return tf


def onnxruntime():
    """Import ONNX Runtime and return the module.

    Its packages for Linux report sessions to their makers: 1.32 asks for the address of mobile.events.data.microsoft.com some
    seconds after the first session, and its `disable_telemetry_events` does not change that (seen 2026-11-27). The variable
    ORT_DISABLE_TELEMETRY does, if it is set before the import; here it is set to 1 unless it is set already.
    """
    os.environ.setdefault(NO_TELEMETRY, "1")
    import onnxruntime as module

    return module


def keras():
    """Import Keras 2 and return the module: `tf.keras`, or `tf_keras` from TensorFlow 2.16 on.

    Keras 2 gives layers and nodes the names that the article of 2019 shows.
    Raises ImportError where TensorFlow brings Keras 3 and `tf_keras` is not installed.
    """
    try:
        import tf_keras
        return tf_keras
    except ImportError:
        found = tensorflow().keras
    if getattr(found, "__version__", "2").startswith("3"):
        raise ImportError("TensorFlow %s brings Keras 3; Keras 2 is the package tf_keras: pip install tf_keras"
                          % tensorflow().__version__)
    return found


def session_config(gpu=False):
    """A ConfigProto for a `tf.compat.v1.Session`: on the CPU; with `gpu`, on the GPU with memory as it is needed."""
    config = tensorflow().compat.v1.ConfigProto(device_count={} if gpu else {"GPU": 0})
    config.gpu_options.allow_growth = True
    return config


def give_back_memory():
    """Give freed memory back to the system, where Python runs on glibc.

    That keeps freed blocks of up to 32 MB, the size of a layer's weights, for later: after a run of the box network 0.3 GB.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # other C libraries have no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def _no_stderr():
    """Send file descriptor 2 to nowhere inside the block."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _hide_gpus(tf):
    with contextlib.suppress(RuntimeError):  # raised when the devices are in use
        tf.config.set_visible_devices([], "GPU")
        return True
    return not tf.config.list_logical_devices("GPU")


def _grow(tf):
    with contextlib.suppress(RuntimeError, ValueError):
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU"), "GPU")
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        return True
    return False
