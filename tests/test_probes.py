"""Packages are found without importing them here, and broken is not absent."""
import json
import os
import subprocess
import sys
from pathlib import Path

import doubles
import pytest

from helpers import machine, probes

CARD = "Card", "8.6", "580"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(probes, "_found", {})
    monkeypatch.setenv(probes.SEEN, "")


def probe(monkeypatch, tmp_path, name, source, gpu=None):
    """Look at one package that is `source`."""
    if source is not None:
        (tmp_path / (name + ".py")).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    return probes.packages([name], gpu)[name]


def test_a_package_that_works_is_ready(monkeypatch, tmp_path):
    found = probe(monkeypatch, tmp_path, "tensorrt", "__version__ = '5.0.6'\nclass UffParser: pass\n")
    assert (found.state, found.version, found.extra) == ("ready", "5.0.6", {"uff": True, "v3": False})


def test_a_package_that_is_not_there_is_absent(monkeypatch, tmp_path):
    assert probe(monkeypatch, tmp_path, "uff", None).state == "absent"


@pytest.mark.parametrize("source, note", [
    ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
    ("import a_part_that_is_missing", "a_part_that_is_missing"),
    ("raise RuntimeError('driver too old')", "driver too old"),
    ("import os; os.abort()", "ended the Python process"),
    ("raise SystemExit('no')", "SystemExit: no"),
])
def test_a_package_that_cannot_be_imported_is_broken_and_says_why(monkeypatch, tmp_path, source, note):
    found = probe(monkeypatch, tmp_path, "graphsurgeon", source)
    assert found.state == "broken" and note in found.note


def test_cuda_python_is_found_although_its_module_is_a_namespace(monkeypatch, tmp_path):
    (tmp_path / "cuda" / "bindings").mkdir(parents=True)
    (tmp_path / "cuda" / "bindings" / "__init__.py").write_text("__version__ = '12.9'")
    (tmp_path / "cuda" / "bindings" / "runtime.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)] + [path for path in sys.path if "site-packages" not in path])
    found = probes.packages(["cuda-python", "uff"])
    assert (found["cuda-python"].state, found["cuda-python"].version) == ("ready", "12.9")


def test_a_mere_folder_of_that_name_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "tensorrt_rtx").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)] + [path for path in sys.path if "site-packages" not in path])
    assert probes.packages(["tensorrt_rtx"])["tensorrt_rtx"].state == "absent"


def test_a_package_that_hangs_is_broken(monkeypatch, tmp_path):
    (tmp_path / "uff.py").write_text("import time; time.sleep(60)")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "did not end within" in probes.packages(["uff"], timeout=1)["uff"].note


def test_a_package_that_prints_does_not_confuse(monkeypatch, tmp_path):
    assert probe(monkeypatch, tmp_path, "uff", "print('hello {}'); __version__ = '0.6.3'").version == "0.6.3"


@pytest.mark.parametrize("what_a_builder_does, runs", [("", True), ("raise RuntimeError('SM 61 is not supported')", False),
                                                       ("import os; os.abort()", False), ("return None", False)])
def test_a_tensorrt_that_builds_nothing_for_this_gpu_does_not_run(monkeypatch, tmp_path, what_a_builder_does, runs):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = probe(monkeypatch, tmp_path, "tensorrt", """
import sys, doubles
def build(self, network, config, build=doubles.behaviour.Builder.build_serialized_network):
    %s
    return build(self, network, config)
doubles.behaviour.Builder.build_serialized_network = build
sys.modules["tensorrt"] = doubles.tensorrt("8.6")
""" % what_a_builder_does, CARD)
    assert (found.state, found.version, found.extra.get("runs", False)) == ("ready", "8.6", runs), found


@pytest.mark.parametrize("version", doubles.VERSIONS)
def test_the_plan_of_one_layer_uses_only_names_that_a_version_has(version):
    found = {}
    exec(probes.OPENS_A_PLAN, {"m": doubles.tensorrt(version), "out": found})
    assert found == {"runs": True}


WORKS = """
import doubles, sys
sys.modules["tensorrt"] = doubles.tensorrt("8.6")
"""


def test_a_plan_that_opened_is_not_asked_for_again_in_a_child_process(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = probe(monkeypatch, tmp_path, "tensorrt", WORKS, CARD)
    assert found.extra["runs"]
    module = tmp_path / "tensorrt.py"
    when = module.stat().st_mtime
    module.write_text("raise ImportError('asked again')")
    os.utime(str(module), (when, when))

    def in_a_child(gpu):
        code = ("import json, sys; from helpers import probes; "
                "print(json.dumps(probes.packages(['tensorrt'], json.loads(sys.argv[1]))['tensorrt']))")
        return probes.Package(*json.loads(subprocess.check_output(
            [sys.executable, "-c", code, json.dumps(gpu)], env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))))

    assert in_a_child(CARD) == found
    assert in_a_child(("Another card",) + CARD[1:]).note == "ImportError: asked again"
    assert in_a_child(None).note == "ImportError: asked again"
    os.utime(str(module), (when + 5, when + 5))  # as another version that is put there
    assert in_a_child(CARD).note == "ImportError: asked again"


@pytest.mark.parametrize("text", ["", "junk", "[1]", "{}", "null"] + [
    json.dumps([CARD, seen]) for seen in (5, {"x": 5}, {"x": []}, {"x": list("abcdef")})])
def test_a_damaged_note_of_what_was_seen_is_not_believed(monkeypatch, text):
    monkeypatch.setenv(probes.SEEN, text)
    assert probes.packages(["tensorrt_rtx"], CARD)["tensorrt_rtx"].state in ("ready", "absent")


def test_tensorrt_for_rtx_builds_a_plan_here_and_cannot_open_it_without_a_card(monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    if machine.gpu():
        pytest.skip("there is a GPU, and it may be one on which TensorRT for RTX runs")
    found = probes.packages(["tensorrt_rtx"], CARD)["tensorrt_rtx"]
    assert found.state == "ready" and found.extra == {"runs": False}
