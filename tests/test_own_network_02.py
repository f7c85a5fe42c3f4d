"""The boxes "On your own network" of page 02, run as they stand there, on a network that UffParsers get wrong."""
import numpy as np
import pytest
from own_network import snippets

from helpers import freeze, patients


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    freeze.save(patients.freeze(patients.padded()), tmp_path / "mine.pb")
    np.save("mine.npy", patients.images(1))


def test_a_frozen_graph_is_converted_checked_and_compared_layer_by_layer(mine, capsys):
    layers, convert = snippets("02")
    exec(convert, {})
    said = capsys.readouterr().out
    assert "UFF Output written to mine.uff" in said
    assert "error: pad" in said and "In the parsers of 5.1" in said, said
    exec(layers, {})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in rows] == ["conv/BiasAdd", "conv/Relu", "mean/Mean", "answer/BiasAdd"]
    assert all(float(error) < 1e-4 for _, error in rows)
