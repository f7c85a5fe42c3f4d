"""The box "On your own network" of page 04, run as it stands there, on a small network."""
import numpy as np
from own_network import snippets

from helpers import process


def test_the_layers_that_fp16_cannot_hold_or_cannot_square(tmp_path, monkeypatch, capsys):
    tf, layers = process.tensorflow(), process.tensorflow().keras.layers
    monkeypatch.chdir(tmp_path)
    tf.keras.backend.clear_session()

    def gain(factor, name):
        return layers.Dense(3, use_bias=False, kernel_initializer=tf.keras.initializers.Constant(factor / 3), name=name)

    x = layers.Input((3,))
    model = tf.keras.Model(x, gain(100, "too_far")(gain(50, "no_square")(gain(20, "fine")(x))))
    model.save("mine.h5")
    np.save("mine.npy", np.full((4, 3), 10, np.float32))
    tf.keras.backend.clear_session()
    (code,) = snippets("04")
    exec(code, {})
    said = {line.split()[0]: line.split("FP16 holds ")[1] for line in capsys.readouterr().out.splitlines() if "FP16" in line}
    assert said == {"fine": "all", "no_square": "not its square", "too_far": "nothing"}
