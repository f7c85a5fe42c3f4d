"""A reader's kernel: compiled, run in a child, and what it does wrong in words."""
import re
import subprocess

import numpy as np
import pytest

from helpers import artifacts, cuda, kernel, plugin

pytestmark = pytest.mark.once
compiles = pytest.mark.skipif("cpu" not in kernel.places(), reason="needs g++")
SCALE = """
__global__ void scale(const half* x, half* y, int n, float factor) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    y[i] = __float2half(factor * __half2float(x[i]));
}
"""


@pytest.fixture(scope="module", autouse=True)
def build(tmp_path_factory):
    before, artifacts.BUILD = artifacts.BUILD, tmp_path_factory.mktemp("build")
    yield
    artifacts.BUILD = before


@compiles
@pytest.mark.parametrize("shape, threads", [((10,), 4), ((7, 3), 128), ((1,), 1024), ((300,), 32)])
def test_the_numbers_and_the_shape(shape, threads):
    x = np.random.RandomState(0).uniform(-9, 9, shape).astype(np.float16)
    for how in ({}, {"in_place": True}, {"shift": 1}, {"shift": 3, "in_place": True}):
        y = kernel.run(SCALE, x, number=0.5, threads=threads, **how)
        assert y.dtype == np.float16 and np.array_equal(y, (x * np.float32(0.5)).astype(np.float16)), how
    assert np.array_equal(kernel.run(SCALE, x[::-1], number=1), x[::-1])


@compiles
def test_what_no_thread_wrote_is_marked():
    y = kernel.run(SCALE, np.ones(6), count=4, number=1)
    assert y[:4].tolist() == [1] * 4 and y[4:].view(np.uint16).tolist() == [kernel.UNWRITTEN] * 2


def wrong(old, new, **how):
    with pytest.raises(RuntimeError) as error:
        kernel.run(SCALE.replace(old, new), np.ones(10), threads=4, number=1, **how)
    return str(error.value)


@compiles
def test_each_way_to_die_is_named_with_its_thread(monkeypatch):
    monkeypatch.setattr(kernel, "SECONDS", 1)
    assert wrong("if (i >= n) return;", "").startswith("thread 2 of block 2, in blocks of 4, uses memory outside")
    said = wrong("y[i] =", "y[i == 3 ? 99999999 : i] =")
    assert said.startswith("thread 3 of block 0") and "look at how the index" in said
    assert "it writes outside of y: y has 10 elements, and element 10 was written" in wrong(
        "if (i >= n) return;", "", in_place=True)
    assert "element -1 was written" in wrong("y[i] =", "y[i - 1] =")
    assert "did not end within 1 seconds of the processor; thread 1 of block 1" in wrong("y[i] =", "while (i == 5) { } y[i] =")
    assert "thread 0 of block 0 uses an address" in wrong("x[i]", "((const half2*)x)[i / 2].x", shift=1)
    assert "divides an integer by zero" in wrong("int i =", "int j = n / (n - 10); int i = j +")
    assert "ended the process (exit status -6)" in wrong("y[i] =", "abort(); y[i] =")


@compiles
def test_errors_of_the_compiler_name_the_line_as_the_reader_counts_it():
    assert re.search(r"stops at line 2, `int i = blockIdx.x \* size .*`: 'size' was not declared", wrong("blockDim.x", "size"))
    assert "ambiguous" in wrong("__half2float(x[i])", "x[i]")  # float * half, as nvcc says
    assert "scale should have the parameters (const half* x, half* y, int, float)" in wrong(
        "const half* x, half* y, int n, float factor", "float factor, const half* x, half* y, int n")
    assert wrong("}", "") == "the compiler finds no end: a } is missing"


def test_a_source_without_a_kernel_is_refused_before_a_compiler_is_asked():
    for source, found in (("", "none"), ("// __global__ void a(", "none"), (SCALE + SCALE, "2: scale, scale")):
        with pytest.raises(ValueError, match=found):
            kernel.compile(source)
    with pytest.raises(ValueError, match="1 to 1024 threads, not 0"):
        kernel.run(SCALE, np.ones(3), threads=0)
    with pytest.raises(ValueError, match="not on 'tpu'"):
        kernel.compile(SCALE, on="tpu")


@compiles
def test_printf_is_shown_and_an_attempt_prints_what_is_wrong(capsys):
    assert kernel.attempt(SCALE.replace("y[i] =", 'printf("number %d\\n", i); y[i] ='), np.ones(2), number=3).tolist() == [3, 3]
    assert capsys.readouterr().out.split("\n")[:2] == ["number 0", "number 1"]
    assert kernel.attempt(SCALE.replace("if (i >= n) return;", ""), np.ones(2)) is None
    assert capsys.readouterr().out.startswith("Wrong: thread 2 of block 0")


def test_without_compilers_an_attempt_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    monkeypatch.setattr(kernel.machine, "find_nvcc", lambda: None)
    assert kernel.places() == []
    assert kernel.attempt(SCALE, np.ones(2)) is None
    assert "Not run: no C++ compiler: g++ is not on PATH" in capsys.readouterr().out
    assert kernel.attempt(SCALE, np.ones(2), on="gpu") is None and "no CUDA compiler" in capsys.readouterr().out


@compiles
def test_it_is_compiled_once(monkeypatch):
    kernel.compile(SCALE)
    monkeypatch.setattr(kernel.subprocess, "run", None)
    assert kernel.compile(SCALE + "\n").exists()


@compiles
def test_halves_compute_as_on_a_gpu():
    """An operator between two halves rounds: the squares of 300 are infinite, and 2048 + 1 is 2048."""
    for expression, x, y in (("x[i] * x[i]", [300, 3], [np.inf, 9]), ("x[i] + half(1)", [2048, 5], [2048, 6])):
        source = SCALE.replace("__float2half(factor * __half2float(x[i]))", expression)
        assert kernel.run(source, x).tolist() == y


@pytest.mark.skipif(not cuda.available(), reason="needs a GPU and nvcc")
def test_the_same_on_the_gpu():
    plugin.find_nvcc()
    x = np.arange(1000, dtype=np.float16)
    for how in ({}, {"in_place": True}, {"shift": 1}):
        assert np.array_equal(kernel.run(SCALE, x, number=2, on="gpu", **how), 2 * x)


@pytest.mark.parametrize("how, words", [
    ({"threads": 0}, "1 to 1024 threads"), ({"threads": 1025}, "1 to 1024"), ({"count": -1}, "count is -1; 0 to"),
    ({"count": 2 ** 31}, "count is 2147483648"), ({"count": 2 ** 40}, "0 to 1073741824"),
    ({"shift": -1}, "shift is -1; 0 to 127"), ({"shift": 2 ** 33}, "shift is")])
def test_sizes_that_no_launch_takes_are_refused_before_it_is_compiled(how, words):
    with pytest.raises(ValueError, match=words):
        kernel.run("no kernel", np.ones(4), **how)


@compiles
def test_no_elements_and_a_program_that_is_given_nonsense(tmp_path):
    assert kernel.run(SCALE, np.ones(0), number=1).shape == (0,)
    program, numbers = kernel.compile(SCALE), np.random.RandomState(1)
    for _ in range(60):
        data = numbers.bytes(numbers.randint(0, 60))
        if numbers.randint(2):
            data = np.array([4, 128, 2, 320, 0, 0], np.int32).tobytes() + np.float32(1).tobytes() + b"1234"
            place = numbers.randint(0, 24)
            data = data[:place] + numbers.bytes(1) + data[place + 1:]
        (tmp_path / "in").write_bytes(data)
        done = subprocess.run([str(program), str(tmp_path / "in"), str(tmp_path / "out"), "2"], stderr=subprocess.PIPE)
        assert done.returncode in (0, 1, 2), (done.returncode, data)
