"""The box "On your own network" of page 08, run as it stands there, on networks that do not fit into FP16."""
import numpy as np
import pytest
from own_network import snippets

from helpers import freeze, patients, process


@pytest.mark.parametrize("seed, named", [(0, {"soft/Exp", "soft/Add"}), (4, {"length/Square", "length/Add"}), (8, set())])
def test_what_does_not_fit_into_fp16_is_named(seed, named, tmp_path, monkeypatch, capsys):
    process.prepare_tensorflow()
    patient = patients.admit(seed)
    monkeypatch.chdir(tmp_path)
    freeze.save(patient.graph(), tmp_path / "mine.pb")
    np.save("mine.npy", patient.images)
    capsys.readouterr()
    (code,) = snippets("08")
    exec(code, {})
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == named
