"""The box "On your own network" of page 06, run as it stands there, on a small network."""
import contextlib
import io
import json

import numpy as np
import pytest
from own_network import snippets

from helpers import freeze, process
from uffsurgeon import to_onnx, uff


def frozen(shift):
    """A dense layer whose bias is `shift`."""
    tf, layers = process.tensorflow(), process.tensorflow().keras.layers
    tf.keras.backend.clear_session()
    x = layers.Input((4, 4, 3))
    model = tf.keras.Model(x, layers.Dense(5, name="answer")(layers.Flatten()(x)))
    kernel = np.random.RandomState(0).uniform(-1, 1, (48, 5)).astype(np.float32)
    model.get_layer("answer").set_weights([kernel, np.full(5, shift, np.float32)])
    return freeze.freeze(model)


@pytest.mark.slow
def test_two_runtimes_are_timed_and_judged(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    graph, other = frozen(0), frozen(5e-3)  # so that the judge has something to say
    output = graph.node[-1].name  # Keras 3 writes functional_1/answer_1/BiasAdd
    freeze.save(graph, "mine.pb")
    with contextlib.redirect_stdout(io.StringIO()):
        to_onnx.convert(uff.from_tensorflow(other, [output], quiet=True), "mine.onnx")
    np.save("mine.npy", np.random.RandomState(0).rand(3, 4, 4, 3).astype(np.float32))
    (code,) = snippets("06")
    known = {}
    code = code.replace("answer/BiasAdd", output)
    exec(code.replace("judge=judge", "judge=judge, seconds=0.1, warm_up=0, wait=600"), known)
    table = capsys.readouterr().out
    columns = json.loads((tmp_path / "mine.json").read_text())["results"]["columns"]
    assert [(column["name"], column["batch"], column["error"]) for column in columns] == [
        (name, batch, None) for batch in (1, 8) for name in ("TensorFlow", "ONNX Runtime")]
    assert all(len(column["samples_ms"]) > 1 for column in columns)
    assert [column["parity"]["verdict"] for column in columns] == ["equal", "close"] * 2
    assert "TensorFlow" in table and "ONNX Runtime" in table
    zeros = {output: np.zeros((2, 5))}
    assert known["judge"](zeros, {output: np.ones((2, 5))}).verdict == "broken"
