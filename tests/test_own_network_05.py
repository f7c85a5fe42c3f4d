"""The boxes "On your own network" of page 05: a plugin loaded on every list of TensorRT's names, and surgery on a graph."""
import ctypes
import json
import sys
import types
from pathlib import Path

import doubles
import pytest
from own_network import snippets

from uffsurgeon.uff import schema

ROOT = Path(__file__).resolve().parent.parent
LOAD, COLLAPSE = snippets("05")


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_a_library_is_loaded_as_this_version_wants_it(version, monkeypatch, capsys):
    trt, loaded = doubles.tensorrt(version), []
    has = json.loads(doubles.FILES[version].read_text())["IPluginRegistry"]
    found = [types.SimpleNamespace(name=name, plugin_version="1") for name in ("Mine", "Another")]
    given = {"all_creators": found, "plugin_creator_list": found,
             "load_library": lambda path: loaded.append("registry " + path)}
    registry = types.SimpleNamespace(**{name: given[name] for name in given if name in has})
    monkeypatch.setattr(trt, "get_plugin_registry", lambda: registry)
    monkeypatch.setattr(ctypes, "CDLL", lambda path, mode: loaded.append("dlopen " + path))
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    exec(LOAD, {})
    assert loaded == ["registry ./mine.so" if "load_library" in has else "dlopen ./mine.so"]
    assert capsys.readouterr().out == "[('Another', '1'), ('Mine', '1')]\n"


def test_every_normalisation_becomes_one_node(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.pb").write_bytes((ROOT / "tests/fixtures/uff/ops/l2_normalize.pb").read_bytes())
    exec(COLLAPSE, {})
    nodes = schema.read(Path("mine.uff").read_bytes()).graphs[0].nodes
    assert [node.operation for node in nodes].count("_L2Norm_TRT") == 1
    assert not {"Maximum", "Rsqrt"} & {node.operation for node in nodes}
    assert "axis=" in capsys.readouterr().out
