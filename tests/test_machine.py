"""What the machine has is found without importing it here, and broken is not absent."""
import subprocess
import sys

import pytest

from helpers import machine


def probe(monkeypatch, tmp_path, name, source):
    """Look at one package that is `source`."""
    if source is not None:
        (tmp_path / (name + ".py")).write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return machine.packages([name])[name]


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


def test_a_package_that_hangs_is_broken(monkeypatch, tmp_path):
    (tmp_path / "uff.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "did not end within" in machine.packages(["uff"], timeout=1)["uff"].note


def test_a_package_that_prints_does_not_confuse(monkeypatch, tmp_path):
    assert probe(monkeypatch, tmp_path, "uff", "print('hello {}'); __version__ = '0.6.3'").version == "0.6.3"


@pytest.mark.parametrize("release, model, expected", [
    ("# R32 (release), REVISION: 1.0, GCID: 14531094, BOARD: t186ref", "Jetson-AGX", ("Jetson-AGX", "32.1.0", "4.2")),
    ("# R32 (release), REVISION: 7.1, GCID: 1", "NVIDIA Jetson Nano", ("NVIDIA Jetson Nano", "32.7.1", "4.6.1")),
    ("# R35 (release), REVISION: 4.1, GCID: 1", "NVIDIA Orin", ("NVIDIA Orin", "35.4.1", "5.1.2")),
    ("# R36 (release), REVISION: 4.0, GCID: 1", "NVIDIA Orin", ("NVIDIA Orin", "36.4.0", "6.1")),
    ("# R36 (release), REVISION: 4.3, GCID: 1", "NVIDIA Orin", ("NVIDIA Orin", "36.4.3", "6.2")),
    ("# R32 (release), REVISION: 7.6, GCID: 1", "NVIDIA Jetson Nano", ("NVIDIA Jetson Nano", "32.7.6", "4.6.6")),
    ("# R39 (release), REVISION: 9.9, GCID: 1", "NVIDIA Thor", ("NVIDIA Thor", "39.9.9", "?")),
    ("", "NVIDIA Jetson AGX Orin", ("NVIDIA Jetson AGX Orin", "?", "?")),
    ("", "Raspberry Pi", None),
])
def test_jetpack_is_read_off_the_board(monkeypatch, release, model, expected):
    files = {"/etc/nv_tegra_release": release, "/proc/device-tree/model": model}
    monkeypatch.setattr(machine, "text_of", files.get)
    assert machine.jetson() == expected


@pytest.fixture
def bare(monkeypatch):
    """A machine whose parts a test sets."""
    absent = {name: machine.Package(name, "absent", "", "", {}) for name in machine.PROBES}
    monkeypatch.setattr(machine, "packages", lambda **_: dict(absent))
    monkeypatch.setattr(machine, "gpu", lambda: None)
    monkeypatch.setattr(machine, "jetson", lambda: None)
    monkeypatch.setattr(machine, "compilers", lambda: {"nvcc": None, "g++": None})
    monkeypatch.setattr(machine, "find_tensorrt_headers", lambda: None)
    monkeypatch.setattr(machine, "has_driver", lambda: False)

    def make(gpu=None, jetson=None, nvcc=None, gxx=None, headers=None, **packages):
        here = machine.Machine()
        here.gpu, here.jetson, here.compilers, here.headers = gpu, jetson, {"nvcc": nvcc, "g++": gxx}, headers
        for name, extra in packages.items():
            here.packages[name] = machine.Package(name, "ready", "1.0", "", extra)
        return here
    return make


def test_each_column_of_machines(bare):
    real = lambda here: {stage: done for stage, _, done in here.stages()}
    board = dict(nvcc="10.0", gxx="g++ 7", headers="/usr/include/aarch64-linux-gnu", pycuda={}, tensorflow={})
    xavier = bare(jetson=("Jetson AGX Xavier", "32.1", "4.2"), tensorrt={"uff": True}, uff={}, graphsurgeon={}, **board)
    assert xavier.tensorrt == "uff" and all(real(xavier).values())
    assert "UffParser" in dict((s, how) for s, how, _ in xavier.stages())["plan"]
    orin = bare(jetson=("Orin", "36.4", "6.1"), tensorrt={"uff": False, "v3": True}, **board)
    assert orin.tensorrt == "classic" and all(real(orin).values())
    card = {"gpu": ("RTX 4070", "8.9", "560"), "cuda-python": {}, "tensorflow": {}}
    rtx = bare(tensorrt_rtx={"runs": True}, **card)
    assert rtx.tensorrt == "rtx" and real(rtx)["run"] and not real(rtx)["L2 layer"]
    assert not [line for line in rtx.advice() if "plan" in line]
    laptop = bare(tensorflow={}, tensorrt_rtx={})
    assert real(laptop)["plan"] and not real(laptop)["run"] and not real(laptop)["timing"]
    assert not any(real(bare())[stage] for stage in ("freeze", "plan", "run"))


def how(here, stage):
    return next(text for name, text, _ in here.stages() if name == stage)


@pytest.mark.parametrize("tools, said", [
    (dict(nvcc="13.0", gxx="g++ 12"), "compiled by nvcc"), (dict(nvcc="13.0"), "compiled by nvcc"),
    (dict(gxx="g++ 12"), "compiled for the CPU"), ({}, "not compiled"),
])
@pytest.mark.parametrize("packages", [{}, {"tensorrt_rtx": {"runs": False}}])
def test_the_kernel_is_compiled_by_what_is_there_whichever_tensorrt_is(bare, tools, said, packages):
    assert said in how(bare(**dict(tools, **packages)), "L2 layer")


def test_a_plugin_takes_nvcc_and_headers(bare):
    """The pip packages of TensorRT bring no headers."""
    server = bare(gpu=("NVIDIA H200", "9.0", "580"), tensorrt={"v3": True}, nvcc="13.0", gxx="g++ 12")
    assert "headers" in how(server, "L2 layer") and not dict((s, real) for s, _, real in server.stages())["L2 layer"]
    server.headers = "/opt/tensorrt/include"
    assert how(server, "L2 layer") == "C++ plugin, IPluginV3"


def test_a_gpu_that_does_not_run_the_plans_is_not_called_one(bare):
    h200, cuda = ("NVIDIA H200", "9.0", "580"), {"cuda-python": {}}
    for here, why in ((bare(gpu=h200, tensorrt_rtx={"runs": False}, **cuda), "TensorRT for RTX does not run on this GPU"),
                      (bare(gpu=h200, tensorrt={}), "neither PyCUDA nor cuda-python"),
                      (bare(gpu=h200, **cuda), "no TensorRT")):
        assert how(here, "run") == "ONNX Runtime on the CPU (%s)" % why
        assert any(why in line and "requirements/README.md" in line for line in here.advice())
    assert how(bare(gpu=h200, tensorrt={}, **cuda), "run") == "TensorRT on the GPU"


def test_a_classic_tensorrt_without_a_gpu_builds_nothing(bare, monkeypatch):
    assert bare(tensorrt={}).tensorrt == "none" and bare(tensorrt={}, tensorrt_rtx={}).tensorrt == "rtx"
    monkeypatch.setattr(machine, "has_driver", lambda: True)
    assert bare(tensorrt={}).tensorrt == "classic"


def test_tensorrt_for_rtx_builds_a_plan_here_and_cannot_open_it_without_a_card():
    pytest.importorskip("tensorrt_rtx")
    found = machine.packages(["tensorrt_rtx"])["tensorrt_rtx"]
    assert found.state == "ready" and (machine.has_driver() or found.extra == {"runs": False})


def test_advice_names_what_to_do(bare):
    text = " ".join(bare(jetson=("Nano", "32.7", "4.6.1")).advice())
    assert "JetPack 4.6.1" in text and "nvidia-jetpack" in text
    assert "g++" in " ".join(bare().advice())
    assert not [line for line in bare(tensorflow={}, tensorrt_rtx={}).advice() if "TensorRT of any kind" in line]


def test_it_prints_and_shows(bare):
    here = bare(tensorflow={})
    here.packages["uff"] = machine.Package("uff", "broken", "", "<no> & never", {})
    assert "broken" in str(here) and "&lt;no&gt; &amp; never" in here._repr_html_()


def test_looking_needs_only_the_standard_library():
    code = ("import sys; before = set(sys.modules); import helpers.machine; "
            "print([m for m in ('numpy', 'tensorflow', 'matplotlib') if m in sys.modules])")
    assert subprocess.check_output([sys.executable, "-S", "-c", code]).strip() == b"[]"
