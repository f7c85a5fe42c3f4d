"""plugin_src/build_engine.cpp without TensorRT's libraries: command lines, files that are not there or not what they should be.

What it does with a TensorRT is in test_engine.py. Here it is compiled under sanitizers with TensorRT's headers, and the builder
that it asks for is a null pointer.
"""
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

ROOTS = [Path(root) for root in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if root]
SOURCE = Path(__file__).resolve().parent.parent / "plugin_src" / "build_engine.cpp"
CUDA_INCLUDE = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"
CACHE = "TRT-8502-EntropyCalibration2\ninput_1: 3c010a14\nblock1_conv1/Relu:0: 3f800000\n"
pytestmark = [pytest.mark.once, pytest.mark.skipif(not ROOTS or not shutil.which("g++"),
                                                   reason="TENSORRT_ROOTS names no TensorRT headers")]


@pytest.fixture(scope="module", params=ROOTS or [None], ids=lambda root: root and root.name)
def program(request, tmp_path_factory):
    """The compiled program, and whether its TensorRT has calibration caches."""
    include = request.param / "include" if (request.param / "include").is_dir() else request.param
    if not (include / "NvOnnxParser.h").is_file():
        pytest.skip("no NvOnnxParser.h: up to 10.13 it lies in the repository onnx-tensorrt")
    folder = tmp_path_factory.mktemp("build_engine")
    (folder / "none.cpp").write_text("".join('extern "C" void* %s() { return nullptr; }\n' % name for name in (
        "createInferBuilder_INTERNAL", "createNvOnnxParser_INTERNAL", "createNvUffParser_INTERNAL", "getPluginRegistry"))
        + "namespace nvuffparser { void* createUffParser() { return nullptr; } }\n")  # TensorRT 5 has C++ names
    subprocess.check_call([
        "g++", "-std=c++14", "-g", "-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-sanitize-recover=all",
        "-isystem", str(include), "-isystem", str(CUDA_INCLUDE), str(SOURCE), str(folder / "none.cpp"), "-ldl", "-o",
        str(folder / "build_engine")])
    return folder / "build_engine", not request.param.name.startswith("11.")


@pytest.fixture
def run(program, tmp_path):
    """run(*arguments) -> (exit status, what is printed), in a folder with a model and a cache."""
    (tmp_path / "a.onnx").write_bytes(b"anything")
    (tmp_path / "good.cache").write_text(CACHE)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(str(tmp_path / "pipe"))

    def call(*arguments):
        done = subprocess.run([str(program[0])] + list(arguments), cwd=str(tmp_path), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout.decode("utf-8", "replace")
    return call


def test_command_lines_that_are_wrong(run, tmp_path):
    (tmp_path / "link.onnx").symlink_to("a.onnx")
    for arguments, words in (
            ((), "give either"), (("--onnx",), "without its value"), (("--onnx", "a.onnx"), "give --output"),
            (("--onnx", "a.onnx", "--uff", "b.uff", "--output", "x"), "give either"), (("--nonsense", "1"), "unknown option"),
            (("", ""), "unknown option"), (("--onnx", "a.onnx", "--output", "a.onnx"), "is the model itself"),
            (("--onnx", "a.onnx", "--output", "./folder/../a.onnx"), "is the model itself"),
            (("--onnx", "a.onnx", "--output", "link.onnx"), "is the model itself")):
        code, text = run(*arguments)
        assert code == 2 and words in text, (arguments, text)
    for number in ("", "x", "1x", "0", "-1", "65537", "9" * 30, "-" + "9" * 30, "0x10", "1.5", "nan"):
        code, text = run("--onnx", "a.onnx", "--output", "x", "--batch", number)
        assert code == 2 and "not a number that fits" in text, (number, text)
    for value in ("", ",", "a,1,2", "a,1,2,3,4", ",1,2,3", "a,1,2,x", "a,0,2,3", "a,1,2,99999999999", "," * 5000, "a" * 100000):
        code, text = run("--uff", "a.onnx", "--output", "x", "--uff-input", value)
        assert code == 2 and ("--uff-input takes" in text or "not a number" in text), (value[:50], text[:300])


def test_files_that_are_not_there_or_no_files(run, tmp_path):
    for name, words in (("none", "cannot read none"), ("folder", "is not a file"), ("pipe", "is not a file"),
                        ("empty", "is empty"), ("a" * 5000, "cannot read")):
        for arguments in (("--onnx", name), ("--uff", name), ("--onnx", "a.onnx", "--plugin", "./" + name)):
            code, text = run("--output", "x.plan", *arguments)
            assert code == 1 and words.split(" none")[0] in text, (arguments, text)
    code, text = run("--onnx", "a.onnx", "--output", "x.plan")
    assert (code, text) == (1, "build_engine: TensorRT made no builder\n")
    assert not list(tmp_path.glob("x.plan*"))


def test_calibration_caches_that_are_damaged(run, program, tmp_path):
    if not program[1]:
        pytest.skip("TensorRT 11 has no calibration")

    def judged(data):
        (tmp_path / "some.cache").write_bytes(data)
        code, text = run("--onnx", "a.onnx", "--output", "x", "--int8", "some.cache")
        assert code == 1 and ("no builder" in text or "calibration cache" in text), text
        return "no builder" in text

    for name, words in (("none", "cannot read"), ("empty", "is empty"), ("folder", "not a file"), ("pipe", "not a file"),
                        ("a.onnx", 'calibration cache, or damaged: "anything"')):
        code, text = run("--onnx", "a.onnx", "--output", "x", "--int8", name)
        assert code == 1 and words in text, text
    numbers, good, taken = random.Random(1), CACHE.encode(), 0
    assert judged(good) and judged(good.replace(b"\n", b"\r\n")) and judged(good.splitlines()[0])
    for data in (b"\n" + good, b"TRT", good + b"x" * 1000, b"\0" * 1000, good + b"\x1b[2J: g", b": 1\n" + good):
        assert not judged(data)
    for _ in range(100):
        data = bytearray(good)
        for _ in range(numbers.randrange(1, 4)):
            place, kind = numbers.randrange(len(data)), numbers.randrange(3)
            data[place:place + kind] = bytes(numbers.randrange(256) for _ in range(numbers.randrange(3)))
        taken += judged(bytes(data))
    assert 0 < taken < 100  # another digit is another number, which only TensorRT can judge
