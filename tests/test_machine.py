"""What the machine has is found without importing it here, and broken is not absent."""
import ctypes
import itertools
import subprocess
import sys

import pytest

from helpers import cuda, engine, machine, probes


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(probes, "_found", {})
    monkeypatch.setenv(probes.SEEN, "")
    monkeypatch.setattr(machine, "driver", machine.driver.__wrapped__)
    cuda._backend.cache_clear()
    yield
    cuda._backend.cache_clear()


@pytest.mark.parametrize("capability, python, words", [
    ("9.0", "3.11.7", "`python3 workbook.py run --stack gpu_uff`. By ONNX"),
    ("8.6", "3.12.1", "`python3.11 workbook.py run --stack gpu_uff` (it needs Python 3.9 to 3.11, this is 3.12.1)"),
    ("12.0", "3.11.7", "for compute capability 12.0: 8.6.1, the last with an UffParser, and 10.6 end at 9.0"),
])
def test_a_gpu_is_told_its_stack(capability, python, words, monkeypatch):
    monkeypatch.setattr(machine, "driver", lambda: (("Card", capability, "580"), None))
    monkeypatch.setattr(probes, "_found", {name: machine.Package(name, "absent") for name in probes.PROBES})
    here = machine.Machine()
    here.python, here.system, here.jetson = python, "Linux x86_64", None
    assert any(words in line for line in here.advice()), here.advice()
    here.jetson = ("Xavier", "32.1", "4.2")
    assert not any("--stack" in line for line in here.advice())


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


def package(name, state="ready", **extra):
    return machine.Package(name, state, "1.0" if state == "ready" else "", "libx.so is missing" if state == "broken" else "",
                           extra)


@pytest.fixture
def bare(monkeypatch):
    """A machine whose parts a test sets."""
    monkeypatch.setattr(machine, "jetson", lambda: None)
    monkeypatch.setattr(machine, "compilers", lambda: {"nvcc": None, "g++": None})
    monkeypatch.setattr(machine, "find_tensorrt_headers", lambda: None)

    def make(gpu=None, jetson=None, nvcc=None, gxx=None, headers=None, **packages):
        found = {name: package(name, "absent") for name in probes.PROBES}
        found.update({name: package(name, **extra) for name, extra in packages.items()})
        monkeypatch.setattr(probes, "_found", found)
        monkeypatch.setattr(machine, "driver", lambda: (gpu, None if gpu else "no NVIDIA GPU"))
        here = machine.Machine()
        here.jetson, here.compilers, here.headers = jetson, {"nvcc": nvcc, "g++": gxx}, headers
        return here
    return make


XAVIER, CARD, H200 = ("Xavier", "7.2", "for CUDA 10.0"), ("RTX 4070", "8.9", "560"), ("NVIDIA H200", "9.0", "580")


def test_each_column_of_machines(bare):
    real = lambda here: {stage: done for stage, _, done in here.stages()}
    board = dict(gpu=XAVIER, nvcc="10.0", gxx="g++ 7", headers="/usr/include/aarch64-linux-gnu", pycuda={}, tensorflow={})
    xavier = bare(jetson=("Jetson AGX Xavier", "32.1", "4.2"), tensorrt=dict(RUN, uff=True), uff={}, graphsurgeon={}, **board)
    assert xavier.tensorrt.flavour == "uff" and all(real(xavier).values())
    assert "UffParser" in dict((s, how) for s, how, _ in xavier.stages())["plan"]
    orin = bare(jetson=("Orin", "36.4", "6.1"), tensorrt=dict(RUN, v3=True), **board)
    assert orin.tensorrt.flavour == "onnx" and all(real(orin).values())
    card = {"gpu": CARD, "cuda-python": {}, "tensorflow": {}}
    rtx = bare(tensorrt_rtx={"runs": True}, **card)
    assert rtx.tensorrt.flavour == "rtx" and real(rtx)["run"] and not real(rtx)["L2 layer"]
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
    server = bare(gpu=H200, tensorrt={"v3": True, "runs": True}, nvcc="13.0", gxx="g++ 12")
    assert "headers" in how(server, "L2 layer") and not dict((s, real) for s, _, real in server.stages())["L2 layer"]
    server.headers = "/opt/tensorrt/include"
    assert how(server, "L2 layer") == "C++ plugin, IPluginV3"


NO_GPU, CUDA_MISSING = "no NVIDIA GPU", "neither PyCUDA nor cuda-python"
RUN, REFUSED = {"runs": True}, {"runs": False}


@pytest.mark.parametrize("gpu, packages, module, why_not", [
    (None, {}, None, NO_GPU),
    (None, {"tensorrt": {}}, None, NO_GPU),  # without a GPU it makes no builder
    (None, {"tensorrt_rtx": {}}, "tensorrt_rtx", NO_GPU),
    (None, {"tensorrt": {}, "tensorrt_rtx": {}, "pycuda": {}}, "tensorrt_rtx", NO_GPU),
    (None, {"tensorrt": {"state": "broken"}}, None, NO_GPU),
    (H200, {"cuda-python": {}}, None, "no TensorRT"),
    (H200, {"tensorrt": RUN}, "tensorrt", CUDA_MISSING),
    (H200, {"tensorrt": RUN, "cuda-python": {}}, "tensorrt", None),
    (H200, {"tensorrt": RUN, "tensorrt_rtx": RUN}, "tensorrt", CUDA_MISSING),
    (H200, {"tensorrt": RUN, "tensorrt_rtx": REFUSED, "pycuda": {}}, "tensorrt", None),
    (CARD, {"tensorrt": REFUSED, "pycuda": {}}, None, "TensorRT 1.0 does not run on this GPU"),
    (CARD, {"tensorrt": REFUSED, "tensorrt_rtx": RUN, "pycuda": {}}, "tensorrt_rtx", None),
    (CARD, {"tensorrt": REFUSED, "tensorrt_rtx": REFUSED, "pycuda": {}}, "tensorrt_rtx",
     "TensorRT 1.0 does not run on this GPU; TensorRT for RTX 1.0 does not run on this GPU"),
    (CARD, {"tensorrt_rtx": RUN}, "tensorrt_rtx", CUDA_MISSING),
    (CARD, {"tensorrt_rtx": RUN, "cuda-python": {}}, "tensorrt_rtx", None),
    (H200, {"tensorrt_rtx": REFUSED, "cuda-python": {}}, "tensorrt_rtx", "TensorRT for RTX 1.0 does not run on this GPU"),
    (H200, {"tensorrt": {"state": "broken"}, "cuda-python": {}}, None,
     "tensorrt cannot be imported (libx.so is missing)"),
    (H200, {"tensorrt": {"state": "broken"}, "tensorrt_rtx": REFUSED}, "tensorrt_rtx",
     "TensorRT for RTX 1.0 does not run on this GPU; tensorrt cannot be imported (libx.so is missing)"),
    (CARD, {"tensorrt": {"state": "broken"}, "tensorrt_rtx": RUN, "pycuda": {}}, "tensorrt_rtx", None),
    (H200, {"tensorrt": RUN, "pycuda": {"state": "broken"}}, "tensorrt", "pycuda fails (libx.so is missing)"),
    (H200, {"tensorrt": RUN, "pycuda": {"state": "broken"}, "cuda-python": {}}, "tensorrt", None),
])
def test_which_tensorrt_and_why_no_plan_runs(bare, gpu, packages, module, why_not):
    bare(gpu=gpu, **packages)
    found = machine.tensorrt()
    assert (found.module, found.why_not, found.runs) == (module, why_not, why_not is None)


STATES = {"tensorrt": [("absent", {}), ("broken", {}), ("ready", REFUSED),
                       ("ready", dict(RUN, uff=True)), ("ready", dict(RUN, v3=True))],
          "tensorrt_rtx": [("absent", {}), ("broken", {}), ("ready", RUN), ("ready", REFUSED)],
          "pycuda": [("absent", {}), ("broken", {}), ("ready", {})],
          "cuda-python": [("absent", {}), ("broken", {}), ("ready", {})]}


def test_everybody_gives_the_same_answer_on_every_combination_of_facts(bare, monkeypatch):
    """360 machines: the report, engine.tensorrt, cuda.why_not and machine.tensorrt never differ."""
    monkeypatch.setattr(engine.library.importlib, "import_module", lambda name: name)
    for kind in ("PyCuda", "CudaPython"):
        monkeypatch.setattr(cuda.cuda_libraries, kind, type(kind, (), {}))
    for gpu, states in itertools.product((None, H200), itertools.product(*STATES.values())):
        facts = {name: dict(extra, state=state) for name, (state, extra) in zip(STATES, states)}
        here = bare(gpu=gpu, tensorflow={}, **facts)
        found = machine.tensorrt()
        assert here.tensorrt == found, facts
        assert found.runs == (found.why_not is None)
        assert (found.flavour, bool(found.version)) == (None, False) or found.module and found.version
        stages = {stage: (text, real) for stage, text, real in here.stages()}
        assert stages["run"][1] == stages["timing"][1] == found.runs and (found.runs or found.why_not in stages["run"][0])
        assert stages["plan"][1] == bool(found.module)
        cuda._backend.cache_clear()
        reason = cuda.why_not()
        if found.runs:
            assert reason is None and found.module
        elif gpu is None:
            assert found.why_not.lower() in reason.lower()
        elif reason:  # a CUDA library is missing: the reason, unless TensorRT itself is the reason
            assert found.why_not.lower() in reason.lower() or not found.module or found.why_not.startswith("TensorRT ")
        if found.module:
            assert engine.tensorrt() == found.module
        else:
            with pytest.raises(RuntimeError, match=r"(?i)^" + found.why_not.split("(")[0]):
                engine.tensorrt()
        assert str(found).endswith(".") and found.name[:2] in str(found)


def test_without_a_gpu_no_package_is_imported_that_cannot_matter(monkeypatch, tmp_path):
    for name in ("tensorrt", "pycuda"):
        (tmp_path / (name + ".py")).write_text("open(%r, 'w')" % str(tmp_path / "imported"))
    (tmp_path / "tensorrt_rtx.py").write_text("__version__ = '1.7'")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(machine, "driver", lambda: (None, NO_GPU))
    assert machine.tensorrt() == ("tensorrt_rtx", "1.7", "rtx", None, False, NO_GPU)
    assert not (tmp_path / "imported").exists()
    monkeypatch.setattr(machine.subprocess, "Popen", None)
    assert machine.tensorrt().name == "TensorRT for RTX 1.7", "a second call starts no child"


class Driver:
    """libcuda as ctypes shows it; `failing`: the call that gives an error, and the error."""

    def __init__(self, count=1, failing=("", 0)):
        self.count, self.failing = count, failing

    def __getattr__(self, name):
        return lambda *args: self.failing[1] if name == self.failing[0] else getattr(self, "do_" + name)(*args) or 0

    def do_cuInit(self, flags):
        pass

    def do_cuDeviceGetCount(self, count):
        count._obj.value = self.count

    def do_cuDeviceGet(self, device, ordinal):
        device._obj.value = ordinal

    def do_cuDeviceGetName(self, name, size, device):
        name.value = b"Xavier"

    def do_cuDriverGetVersion(self, number):
        number._obj.value = 10020

    def do_cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = {75: 7, 76: 2}[attribute]


@pytest.mark.parametrize("library, expected", [
    (Driver(), (("Xavier", "7.2", "for CUDA 10.2"), None)),
    (Driver(count=0), (None, "no NVIDIA GPU")), (Driver(failing=("cuInit", 100)), (None, "no NVIDIA GPU")),
    (Driver(failing=("cuInit", 999)), (None, "the NVIDIA driver fails with CUDA error 999")),
    (Driver(failing=("cuDeviceGet", 101)), (None, "the NVIDIA driver fails with CUDA error 101")),
    (None, (None, "no NVIDIA driver")),
])
def test_the_driver_itself_is_asked_for_the_gpu(monkeypatch, library, expected):
    def load(name):
        if library is None:
            raise OSError(name)
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(machine, "output_of", lambda command: None)  # a Jetson has no nvidia-smi
    assert machine.driver() == expected and machine.gpu() == expected[0]


def test_advice_names_what_to_do(bare):
    text = " ".join(bare(jetson=("Nano", "32.7", "4.6.1")).advice())
    assert "JetPack 4.6.1" in text and "nvidia-jetpack" in text
    assert "g++" in " ".join(bare().advice())
    assert not [line for line in bare(tensorflow={}, tensorrt_rtx={}).advice() if "TensorRT of any kind" in line]


@pytest.mark.parametrize("python, jetpack, launcher_installs", [("3.6.9", "4.6.1", False), ("3.8.10", "5.1.2", True)])
def test_a_board_is_told_which_tensorflow_it_gets(bare, python, jetpack, launcher_installs):
    """No TensorFlow for Python 3.6 on ARM is in the package index."""
    here = bare(jetson=("Jetson", "?", jetpack))
    here.python = python
    text = next(line for line in here.advice() if "TensorFlow" in line)
    assert "JetPack " + jetpack in text and ("installs one for the CPU" in text) == launcher_installs


def test_a_board_whose_container_hides_the_gpu_is_not_told_that_tensorrt_is_missing(bare):
    said = [line for line in bare(jetson=("Orin", "36.4", "6.1"), tensorrt={}).advice() if "TensorRT" in line]
    assert len(said) == 1 and "is here, but no NVIDIA GPU" in said[0] and "--runtime nvidia" in said[0]


def test_it_prints_and_shows(bare):
    here = bare(tensorflow={})
    here.packages["uff"] = machine.Package("uff", "broken", "", "<no> & never", {})
    assert "broken" in str(here) and "&lt;no&gt; &amp; never" in here._repr_html_()


def test_looking_needs_only_the_standard_library():
    code = ("import sys; before = set(sys.modules); import helpers.machine; "
            "print([m for m in ('numpy', 'tensorflow', 'matplotlib') if m in sys.modules])")
    assert subprocess.check_output([sys.executable, "-S", "-c", code]).strip() == b"[]"
