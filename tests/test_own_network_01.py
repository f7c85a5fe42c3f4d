"""The boxes "On your own network" of page 01, run as they stand there, on a small network."""
import re

import numpy as np
import pytest
from own_network import snippets

from helpers import process
from uffsurgeon import uff
from uffsurgeon.uff import schema

TWO = process.tensorflow().__version__.startswith("2")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with mine.h5, a Keras model with two outputs; returns (images, answers)."""
    tf, layers = process.tensorflow(), process.tensorflow().keras.layers
    monkeypatch.chdir(tmp_path)
    tf.keras.backend.clear_session()
    x = layers.Input((8, 8, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))
    y = layers.Dropout(0.5)(layers.LeakyReLU(name="leaky")(y))
    model = tf.keras.Model(x, [layers.Dense(2, name="a")(layers.Flatten()(y)), layers.GlobalAveragePooling2D(name="b")(y)])
    images = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32)
    answers = model.predict(images)
    model.save("mine.h5")
    tf.keras.backend.clear_session()
    return images, answers


def test_a_model_is_frozen_counted_and_compared(mine, capsys):
    two, one, census, gate = snippets("01")
    frozen = {}
    exec(two if TWO else one, frozen)
    assert frozen["graph"].node and not [node.op for node in frozen["graph"].node if "Variable" in node.op]
    printed = capsys.readouterr().out
    names = re.findall(r"'([^']+)'", printed)
    assert len(names) == 3, printed
    exec(census, {})
    said = capsys.readouterr().out
    unknown = {line.split()[0] for line in said.splitlines() if "<- not in UFF" in line}
    assert unknown in ({"LeakyRelu"}, {"LeakyRelu", "NoOp"}), said
    data = uff.from_tensorflow(frozen["graph"], [name.split(":")[0] for name in names[1:]], quiet=True)
    assert "NoOp" not in {node.operation for node in schema.read(data).graphs[0].nodes}
    capsys.readouterr()
    np.savez("mine.npz", x=mine[0], answer_0=mine[1][0], answer_1=mine[1][1])
    names = [name if ":" in name else name + ":0" for name in names]
    line = [line for line in gate.splitlines() if line.startswith("names = ")]
    exec(gate.replace(line[0], "names = %r" % names), {})
    differences = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(differences) == 2 and max(differences) < 1e-5
