"""What `prepare_tensorflow` changes in a process, and that the rest of the module changes nothing."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def python(code, **environment):
    """Run code in a process of its own -> (standard output, standard error)."""
    environment = dict({name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
                       PYTHONPATH=str(ROOT), **environment)
    done = subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert not done.returncode, done.stderr.decode()[-2000:]
    return done.stdout.decode(), done.stderr.decode()


def test_tensorflow_is_prepared_quietly_and_says_so_in_one_line_and_a_second_call_keeps_the_models():
    said, errors = python("""
import contextlib, io, os
from helpers import network, process
process.prepare_tensorflow()
import tensorflow as tf
model = network.build(width=64)
before = model.get_weights()
with contextlib.redirect_stdout(io.StringIO()):
    process.prepare_tensorflow()
assert all((a == b).all() for a, b in zip(before, model.get_weights()))
assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
assert tf.compat.v1.logging.get_verbosity() == tf.compat.v1.logging.ERROR
if tf.__version__.startswith("2"):
    assert tf.config.get_visible_devices("GPU") == []
os.write(2, b"still open")
""")
    assert "TensorFlow " in said and said.endswith(" computes on the CPU.\n") and said.count("\n") == 1
    assert errors.strip().splitlines()[-1] == "still open" and "oneDNN" not in errors


def test_tensorflow_and_keras_change_nothing_else_and_what_prepare_says_is_so():
    """Before it is called nothing changes; a log level of the caller's is kept; devices in use cannot be hidden."""
    said, _ = python("""
import json, os
import tensorflow  # which sets variables itself
before = dict(os.environ)
from helpers import process
tf, keras = process.tensorflow(), process.keras()
config, other = process.session_config(), process.session_config(gpu=True)
print(json.dumps([dict(os.environ) == before, tf.__name__, keras.layers.Layer.__module__.split(".")[0],
                  dict(config.device_count), dict(other.device_count), other.gpu_options.allow_growth]))
process.prepare_tensorflow(gpu=True)
print(os.environ["TF_CPP_MIN_LOG_LEVEL"])
if tf.__version__.startswith("2"):
    def refuse(*_):
        raise RuntimeError("Visible devices cannot be modified after being initialized")
    tf.config.set_visible_devices = refuse
    tf.config.list_logical_devices = lambda kind: ["GPU:0"]
process.prepare_tensorflow()
""", TF_CPP_MIN_LOG_LEVEL="3")
    found, first, level, second = said.splitlines()[-4:]
    same, name, keras, cpu, gpu, growth = json.loads(found)
    assert same and name == "tensorflow" and keras in ("tensorflow", "tf_keras", "keras")
    assert (cpu, gpu, growth) == ({"GPU": 0}, {}, True)
    assert first.endswith(" computes on the GPU where there is one.") and level == "3"
    assert second.endswith(" computes on the devices that it uses already; they can no longer be changed.")


def test_keras_3_is_not_taken_for_keras_2(monkeypatch):
    import types

    from helpers import process

    monkeypatch.setitem(sys.modules, "tf_keras", None)
    monkeypatch.setattr(process, "tensorflow", lambda: types.SimpleNamespace(
        __version__="2.21.0", keras=types.SimpleNamespace(__version__="3.12.0")))
    with pytest.raises(ImportError, match="pip install tf_keras"):
        process.keras()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_that_was_freed_is_given_back():
    said, _ = python("""
import ctypes, os
from helpers import process
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
blocks = [bytearray(100000) for _ in range(1000)]
del blocks[:-1]
before = resident()
process.give_back_memory()
print(before - resident() > 5e7 if hasattr(ctypes.CDLL(None), "malloc_trim") else True)
""")
    assert said == "True\n"
