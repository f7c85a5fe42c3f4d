"""The L2-normalize plugin: its kernels, how it reads an axis, its serialized state, its classes, and helpers.plugin."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import types

import doubles
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import artifacts, engine, plugin
from helpers.engine import library as engine_library

SOURCES = plugin.SOURCES
sys.path.insert(0, str(SOURCES))
import compile_matrix  # noqa: E402
import fuzz  # noqa: E402

needs_gxx = pytest.mark.skipif(not shutil.which("g++"), reason="no g++ here")
HALF_ULP = 0.5 + 1e-6 * 2048  # one rounding, and 1e-6 before it, in units of FP16's last place


def nvcc_here():
    try:
        return bool(plugin.find_nvcc())
    except FileNotFoundError:
        return False


needs_nvcc = pytest.mark.skipif(not nvcc_here(), reason="no nvcc here")
needs_gpu = pytest.mark.skipif(not (nvcc_here() and plugin.gpu_architecture()), reason="no GPU and nvcc here")


def header_roots():
    """The TensorRT headers that can be found here; the tests of the classes are skipped where there are none."""
    roots = [r for r in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if r]
    try:
        roots = roots or [str(plugin.tensorrt_headers()[0])]
    except FileNotFoundError:
        pass
    return roots


def reference(x, eps=1e-12, axis=-1):
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return wide / np.sqrt(np.maximum((wide * wide).sum(axis, keepdims=True), np.float64(np.float32(eps))))


def assert_right(x, y, eps=1e-12, axis=-1):
    """y within 1e-6 of float64 where x is float32, within one rounding where it is float16."""
    right = reference(x, eps, axis)
    assert y.dtype == x.dtype and y.shape == x.shape
    assert np.isfinite(y).all()
    difference, size = np.abs(y.astype(np.float64) - right), np.abs(right)
    if x.dtype == np.float32:
        assert (difference <= 1e-6 * size + 2.0 ** -149).all()  # below 2^-126 numbers are 2^-149 apart
    else:
        exponent = np.floor(np.log2(np.maximum(size, 2.0 ** -14)))
        assert (difference <= HALF_ULP * 2.0 ** (exponent - 10)).all()


@pytest.fixture(scope="module")
def rng():
    return np.random.RandomState(3)


# ---- the kernels, on the CPU -----------------------------------------------------------------------

@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """The library of l2_normalize.cu as g++ compiles it, with `limit_shared(bytes)`: the shared memory of a block."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "kernels.cpp").write_text("""
#include "l2_normalize.cu"
extern "C" void limit_shared(int bytes) { cpu_shared_limit = bytes; }
""")
    plugin.run_compiler(["g++"] + plugin.GXX_FLAGS + plugin.WARNINGS + [
        "-Werror", "-shared", "-fPIC", "-I", str(SOURCES), str(folder / "kernels.cpp"), "-o", str(folder / "kernels.so")])
    library = ctypes.CDLL(str(folder / "kernels.so"))
    plugin.declare(library.l2_normalize)
    return library


def numbers_for(rng, shape, dtype):
    """An array with magnitudes over the whole range along its first axis, rows of zeros and of one value."""
    low, high = (-20, 15) if dtype == "float32" else (-7, 4.5)
    x = rng.standard_normal(shape) * 10 ** rng.uniform(low, high, (shape[0], 1, 1))
    x = np.clip(x, -65504, 65504).astype(dtype) if dtype == "float16" else x.astype(dtype)
    x[::5] = 0
    x[1::5] = x[1::5, :1]  # one value throughout, so that roundings do not cancel
    return x


def check_kernels(library, rng, shape, dtype, shift=0, in_place=False):
    """Normalize (outer, length, inner) that lies `shift` elements behind a multiple of 16 bytes, and look around it."""
    x = numbers_for(rng, shape, dtype)
    before, after = np.full((2, x.nbytes + 512), 0xff, np.uint8)
    start = [-memory.ctypes.data % 16 + 64 + shift * x.itemsize for memory in (before, after)]
    before[start[0]:start[0] + x.nbytes] = x.view(np.uint8).ravel()
    target, place = (before, start[0]) if in_place else (after, start[1])
    assert library.l2_normalize(before.ctypes.data + start[0], target.ctypes.data + place, shape[0], shape[1], shape[2],
                                1e-12, plugin._TYPES[dtype], None) == 0
    assert_right(x, target[place:place + x.nbytes].view(dtype).reshape(shape), axis=1)
    assert (target[:place] == 0xff).all() and (target[place + x.nbytes:] == 0xff).all()


LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 171, 255, 256, 257, 300, 341, 511, 512, 513,
           514, 1000, 1023, 1024, 1025, 2047, 2049, 4096, 8191, 8193, 32767, 32768, 32769, 65535, 65536]


@pytest.mark.once
@needs_gxx
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_axis_length_is_right_against_float64(kernels, rng, dtype, length):
    for outer in (1, 7, 8000 // length + 13) if length < 5000 else (3,):
        check_kernels(kernels, rng, (outer, length, 1), dtype)
        check_kernels(kernels, rng, (outer, length, 1), dtype, in_place=True)


@pytest.mark.once
@needs_gxx
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_lengths_without_a_gap(kernels, rng, dtype):
    for length in list(range(1, 530)) + list(range(530, 9000, 97)):
        check_kernels(kernels, rng, (9, length, 1), dtype, in_place=length % 2 == 1)


@pytest.mark.once
@needs_gxx
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shift", [1, 2, 3, 5])
def test_addresses_that_are_no_multiple_of_16_bytes(kernels, rng, dtype, shift):
    for length in (1, 2, 3, 8, 31, 64, 511, 513, 1000, 9001):
        for in_place in (False, True):
            check_kernels(kernels, rng, (5, length, 1), dtype, shift, in_place)


@pytest.mark.once
@needs_gxx
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(1, 2, 5), (3, 6, 2), (5, 100, 7), (2, 1000, 33), (3, 1, 4), (1, 65536, 3), (70, 3, 31),
                                   (1, 5, 1000), (4, 12, 64)])
def test_an_axis_with_others_behind_it(kernels, rng, dtype, shape):
    check_kernels(kernels, rng, shape, dtype)
    check_kernels(kernels, rng, shape, dtype, 1, in_place=True)


@needs_gxx
@pytest.mark.parametrize("limit", [0, 4096, 48 << 10, 96 << 10, 227 << 10])
def test_long_rows_on_gpus_with_less_shared_memory(kernels, rng, limit):
    kernels.limit_shared(limit)
    try:
        for length in (32769, 50001, 65536):
            check_kernels(kernels, rng, (3, length, 1), "float32")
    finally:
        kernels.limit_shared(227 << 10)


@needs_gxx
def test_arguments_out_of_range_are_refused_and_nothing_is_written(kernels):
    x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
    good = [x.ctypes.data, y.ctypes.data, 4, 8, 2, 1e-12, 0, None]
    for place, value in ((0, 0), (0, good[0] + 1), (1, 0), (2, -1), (3, 0), (3, 65537), (4, -1), (5, -1.0), (5, float("nan")),
                         (5, float("inf")), (6, 2), (2, 2 ** 62), (4, 2 ** 57), (4, 2 ** 63 - 1)):
        bad = list(good)
        bad[place] = value
        assert kernels.l2_normalize(*bad) == 1 and not y.any()
    for place in (2, 4):
        empty = list(good)
        empty[place] = 0
        assert kernels.l2_normalize(*empty) == 0 and not y.any()


@needs_gxx
def test_a_kernel_whose_threads_miss_a_barrier_ends_the_process(tmp_path):
    (tmp_path / "divergent.cpp").write_text("""
#include "cuda_on_cpu.h"
__global__ void divergent(int limit) { if (int(threadIdx.x) < limit) __syncthreads(); }
int main(int argc, char**) { return start(divergent, 1, 64, 0, nullptr, argc == 1 ? 64 : 63); }
""")
    plugin.run_compiler(["g++"] + plugin.GXX_FLAGS + ["-I", str(SOURCES), str(tmp_path / "divergent.cpp"), "-o",
                                                     str(tmp_path / "divergent")])
    assert subprocess.run([str(tmp_path / "divergent")]).returncode == 0
    done = subprocess.run([str(tmp_path / "divergent"), "missing"], stderr=subprocess.PIPE)
    assert done.returncode != 0 and b"63 of a block's 64 threads wait at a barrier" in done.stderr


@pytest.mark.once
@needs_gxx
def test_every_fp16_number_beside_itself_and_beside_zero():
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    for other in (numbers, np.zeros_like(numbers), numbers[::-1]):
        x = np.stack([numbers, other], -1)
        assert_right(x, plugin.cpu_l2_normalize(x))


@needs_gxx
@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(-2.0 ** 50, 2.0 ** 50, width=32), min_size=1, max_size=40), eps=st.floats(1e-30, 1e3))
def test_any_row_of_floats(values, eps):
    x = np.array([values], np.float32)
    # Below 1e-19 squares leave FP32's normal range; eps is above such sums, and TensorFlow's are the same.
    assert_right(x, plugin.cpu_l2_normalize(x, eps=eps), eps)


@pytest.fixture(scope="module")
def conversions(tmp_path_factory):
    """l2_normalize.h's to_float and to_half over arrays: halves(floats), floats(halves)."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "half.cpp").write_text("""
#include "l2_normalize.h"
extern "C" void halves(const float* x, Half* y, int n) { for (int i = 0; i < n; ++i) y[i] = to_half(x[i]); }
extern "C" void floats(const Half* x, float* y, int n) { for (int i = 0; i < n; ++i) y[i] = to_float(x[i]); }
""")
    subprocess.run(["g++", "-O1", "-std=c++14", "-shared", "-fPIC", "-I", str(SOURCES), str(folder / "half.cpp"),
                    "-o", str(folder / "half.so")], check=True)
    library = ctypes.CDLL(str(folder / "half.so"))

    def convert(function, x, dtype):
        y = np.empty(x.shape, dtype)
        function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), x.size)
        return y
    return (lambda x: convert(library.halves, x, np.float16)), (lambda x: convert(library.floats, x, np.float32))


@needs_gxx
def test_half_conversions_are_numpys(conversions, rng):
    halves, floats = conversions
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    numbers = every[~np.isnan(every)]
    np.testing.assert_array_equal(floats(numbers).view(np.uint32), numbers.astype(np.float32).view(np.uint32))
    assert np.isnan(floats(every[np.isnan(every)])).all()
    # Every half, the points between neighbours where rounding turns, one float to each side of them; and any bits.
    exact = numbers[np.isfinite(numbers)].astype(np.float32)
    ordered = np.unique(exact)
    middles = np.append((ordered[1:] + ordered[:-1]) / 2, np.float32([65520, -65520]))
    x = np.concatenate([exact, middles, np.nextafter(middles, np.float32(np.inf)), np.nextafter(middles, np.float32(-np.inf)),
                        rng.randint(0, 2 ** 32, 200000, dtype=np.uint32).view(np.float32)]).astype(np.float32)
    with np.errstate(all="ignore"):
        theirs = x.astype(np.float16)
    ours, known = halves(x), ~np.isnan(x)
    np.testing.assert_array_equal(ours[known].view(np.uint16), theirs[known].view(np.uint16))
    assert np.isnan(ours[~known]).all() and (~known).sum() > 100


@needs_gxx
def test_zeros_stay_zeros_and_the_naive_fp16_formula_does_not():
    x = np.zeros((4, 2), np.float16)
    assert (plugin.cpu_l2_normalize(x) == 0).all()
    with np.errstate(all="ignore"):
        naive = x * (1 / np.sqrt(np.maximum((x * x).sum(-1, keepdims=True), np.float16(1e-12))))
    assert np.isnan(naive).all()


@needs_gxx
def test_large_fp16_components_do_not_overflow():
    x = np.array([[182, 182], [65504, 65504], [65504, 0]], np.float16)
    np.testing.assert_allclose(plugin.cpu_l2_normalize(x), [[0.7071, 0.7071], [0.7071, 0.7071], [1, 0]], rtol=1e-3)


@needs_gxx
def test_limits_are_tensorflows():
    big = np.array([[1e20, 1], [np.inf, 1], [np.nan, 1], [3, 4]], np.float32)
    y = plugin.cpu_l2_normalize(big)
    assert (y[0] == 0).all()  # the sum of squares is infinite in FP32, as in tf.nn.l2_normalize
    assert np.isnan(y[1, 0]) and y[1, 1] == 0
    assert np.isnan(y[2]).all()
    np.testing.assert_allclose(y[3], [0.6, 0.8], rtol=1e-6)
    assert np.isnan(plugin.cpu_l2_normalize(np.zeros((1, 2), np.float32), eps=0)).all()


@needs_gxx
@pytest.mark.slow
def test_limits_match_a_tensorflow_that_is_here():
    tf = pytest.importorskip("tensorflow")
    x = np.array([[1e20, 1], [np.inf, 1], [np.nan, 1], [3, 4], [0, 0], [1e-7, 0], [1e-30, 1e-30]], np.float32)
    if hasattr(tf, "Session"):
        with tf.Graph().as_default(), tf.Session() as session:
            theirs = session.run(tf.nn.l2_normalize(tf.constant(x), -1))
    else:
        theirs = tf.nn.l2_normalize(x, -1).numpy()
    np.testing.assert_allclose(plugin.cpu_l2_normalize(x), theirs, rtol=1e-6)


@needs_gxx
def test_any_axis_of_any_layout_and_the_input_is_kept(rng):
    x = rng.standard_normal((3, 4, 6, 2)).astype(np.float32)
    kept = x.copy()
    for axis in range(-4, 4):
        assert_right(x, plugin.cpu_l2_normalize(x, axis=axis), axis=axis)
    turned = x.transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(plugin.cpu_l2_normalize(turned), plugin.cpu_l2_normalize(x).transpose(1, 0, 2, 3))
    np.testing.assert_array_equal(x, kept)
    assert plugin.cpu_l2_normalize(np.zeros((0, 2), np.float32)).shape == (0, 2)


@needs_gxx
@pytest.mark.parametrize("x, options, error, words", [
    (np.zeros((2, 2)), {}, TypeError, "float32 or float16"),
    (np.zeros((2, 3), np.float32), {"axis": 2}, ValueError, "has 2 dimensions: use -2 to 1"),
    (np.zeros((2, 3), np.float32), {"axis": -3}, ValueError, "use -2 to 1"),
    (np.zeros((1, 65537), np.float32), {}, ValueError, "65537"),
    (np.zeros((1, 2), np.float32), {"eps": -1}, ValueError, "not negative"),
    (np.zeros((1, 2), np.float32), {"eps": float("nan")}, ValueError, "nan"),
    (np.zeros((1, 2), np.float32), {"eps": 1e300}, ValueError, "finite"),
    (np.zeros((2, 0), np.float32), {}, ValueError, "not 0"),
])
def test_what_the_plugin_refuses_is_refused_here(x, options, error, words):
    with pytest.raises(error, match=words):
        plugin.cpu_l2_normalize(x, **options)


@needs_gxx
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("rows", [1, 127, 128, 129, 20001])  # a block has 128 threads: the last is full, or nearly empty
def test_the_simple_kernel_is_right_and_leaves_what_lies_behind_its_rows(rng, dtype, rows):
    low, high = (-20, 15) if dtype == "float32" else (-7, 4.5)
    x = rng.standard_normal((rows + 200, 2)) * 10 ** rng.uniform(low, high, (rows + 200, 1))
    x = np.clip(x, -65504, 65504).astype(dtype) if dtype == "float16" else x.astype(dtype)
    x[::5] = 0
    y = np.full_like(x, 7)
    function = plugin._function("cpu", simple=True)
    assert function(x.ctypes.data, y.ctypes.data, rows, 2, 1, 1e-12, plugin._TYPES[dtype], None) == 0
    assert_right(x[:rows], y[:rows])
    assert (y[rows:] == 7).all()


@pytest.mark.once
@needs_gxx
def test_the_simple_kernel_agrees_with_the_plugins_on_every_fp16_number():
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    for other in (numbers, np.zeros_like(numbers), numbers[::-1]):
        x = np.stack([numbers, other], -1)  # infinities and NaN are among them
        np.testing.assert_array_equal(plugin.cpu_l2_normalize(x, simple=True), plugin.cpu_l2_normalize(x))
    assert plugin.cpu_l2_normalize(np.zeros((0, 2), np.float32), simple=True).shape == (0, 2)
    with pytest.raises(ValueError, match=r"simple kernel takes an axis of 2 \(the last axis\) elements .* not 3"):
        plugin.cpu_l2_normalize(np.zeros((2, 3), np.float32), simple=True)


@pytest.mark.once
@needs_gxx
@pytest.mark.slow
def test_the_sources_own_check_program_passes_on_the_cpu(tmp_path):
    plugin.run_compiler(["g++"] + plugin.GXX_FLAGS + plugin.WARNINGS + ["-Werror", str(SOURCES / "check.cu"), "-o",
                                                                        str(tmp_path / "check")])
    done = subprocess.run([str(tmp_path / "check"), "short"], stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stdout.decode().endswith("OK\n")


# ---- the state of a plugin --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def state_library(tmp_path_factory):
    """plugin_state.h as C: `write` and `read` a state, `find` the dimension of an axis."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "state.cpp").write_text("""
#include "plugin_state.h"
extern "C" void write(int e, int t, int axis, float eps, int64_t outer, int length, int64_t inner, void* bytes) {
    PluginState s;
    s.explicit_batch = uint8_t(e); s.type = uint8_t(t); s.axis = axis; s.eps = eps;
    s.outer = outer; s.length = length; s.inner = inner;
    write_plugin_state(s, bytes);
}
extern "C" const char* read(const void* bytes, size_t size, int* ints, float* eps, int64_t* sizes) {
    PluginState s;
    s.axis = 7;  // what an untouched state shows
    const char* error = read_plugin_state(bytes, size, &s);
    ints[0] = s.explicit_batch; ints[1] = s.type; ints[2] = s.axis; ints[3] = s.length;
    *eps = s.eps; sizes[0] = s.outer; sizes[1] = s.inner;
    return error;
}
extern "C" int find(int axis, const int64_t* shape, int rank, int explicit_batch, char* words) {
    int dimension = -1;
    const Refusal refused = find_axis(axis, shape, rank, explicit_batch, &dimension);
    std::strcpy(words, refused.text);
    return dimension;
}""")
    plugin.run_compiler(["g++"] + plugin.GXX_FLAGS + plugin.WARNINGS + [
        "-Werror", "-shared", "-fPIC", "-I", str(SOURCES), str(folder / "state.cpp"), "-o", str(folder / "state.so")])
    library = ctypes.CDLL(str(folder / "state.so"))
    library.read.restype = ctypes.c_char_p
    library.write.argtypes = [ctypes.c_int] * 3 + [ctypes.c_float, ctypes.c_int64, ctypes.c_int, ctypes.c_int64,
                                                   ctypes.c_void_p]
    return library


def find_axis(library, axis, shape, explicit_batch):
    """The dimension that an axis names, or the words of a refusal."""
    words = ctypes.create_string_buffer(400)
    dimension = library.find(axis, (ctypes.c_int64 * len(shape))(*shape), len(shape), explicit_batch, words)
    return words.value.decode() or dimension


@needs_gxx
@pytest.mark.parametrize("axis, shape, dimension", [
    (2, [6, 2, 1], 1),      # TensorFlow's [N, 6, 2], as UffParser of 5.1.5 to 8.6.1 gives it
    (-1, [6, 2, 1], 1),
    (1, [6, 2, 1], 0),
    (3, [6, 2, 1], 2),      # only [N, 6, 2, 1] has an axis 3
    (1, [512, 1, 1], 0),    # a dense layer
    (-1, [512, 1, 1], 0),
    (-1, [1, 1, 1], 0),
    (2, [6, 2], 1),
    (-1, [6, 2], 1),
    (-2, [7, 2, 3], 1),
    (-1, [2, 3, 4, 1], 3),  # four dimensions: UffParser has appended nothing
    (0, [6, 2, 1], "axis 0 is the batch"),
    (-3, [6, 2], "axis -3 is the batch"),
    (-2, [6, 2, 1], "axis -2 is ambiguous for an input of shape [6, 2, 1], whose last dimension UffParser may have appended"),
    (4, [6, 2, 1], "axis 4 is out of range for an input of shape [6, 2, 1], which does not show the batch"),
    (-4, [6, 2], "out of range"),
])
def test_an_axis_that_counts_an_implicit_batch(state_library, axis, shape, dimension):
    found = find_axis(state_library, axis, shape, 0)
    assert found == dimension if isinstance(dimension, int) else dimension in found


@needs_gxx
def test_an_axis_with_explicit_batch_is_numpys(state_library):
    for shape in ([5], [5, 6], [5, 6, 2], [1, 6, 2, 1], [5, -1, 1]):
        for axis in range(-len(shape), len(shape)):
            assert find_axis(state_library, axis, shape, 1) == axis % len(shape)
        for axis in (-len(shape) - 1, len(shape)):
            refused = "axis %d is out of range for an input of shape %s" % (axis, shape)
            assert find_axis(state_library, axis, shape, 1) == refused


def write_state(library, explicit=0, kind=0, axis=-1, eps=1e-12, outer=6, length=2, inner=1):
    buffer = ctypes.create_string_buffer(64)
    library.write(explicit, kind, axis, eps, outer, length, inner, buffer)
    return buffer.raw[:36]


def read_state(library, data):
    ints, eps, sizes = (ctypes.c_int * 4)(), ctypes.c_float(), (ctypes.c_int64 * 2)()
    error = library.read(data, ctypes.c_size_t(len(data)), ints, ctypes.byref(eps), sizes)
    return error and error.decode(), (ints[0], ints[1], ints[2], eps.value, sizes[0], ints[3], sizes[1])


@needs_gxx
@settings(max_examples=100, deadline=None)
@given(state=st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(-8, 8), st.floats(0, 2.0 ** 127, width=32),
                       st.integers(0, 2 ** 33), st.integers(0, 65536), st.integers(0, 2 ** 33)))
def test_every_state_survives_its_bytes(state_library, state):
    outer, length, inner = state[4:]
    error = "more elements than a tensor can have" if max(outer, 1) * max(length, 1) * max(inner, 1) > 2 ** 32 - 1 else None
    read, found = read_state(state_library, write_state(state_library, *state))
    assert read == error and (error or found == state)


@needs_gxx
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_and_a_refusal_changes_nothing(state_library, data):
    error, state = read_state(state_library, data)
    assert error is not None and state[2] == 7  # a checksum is not met by chance


@needs_gxx
def test_truncated_and_lengthened_bytes_are_refused(state_library):
    good = write_state(state_library, axis=2)
    assert read_state(state_library, good)[0] is None
    for size in range(36):
        assert read_state(state_library, good[:size])[0]
    assert "36 bytes" in read_state(state_library, good + b"\0")[0]
    assert read_state(state_library, b"")[0] == "no serialized data"


@needs_gxx
def test_every_changed_byte_is_noticed(state_library):
    good = write_state(state_library, axis=2, eps=0.5)
    for place in range(36):
        for other in set(range(256)) - {good[place]}:
            error = read_state(state_library, good[:place] + bytes([other]) + good[place + 1:])[0]
            assert error and ("another version" in error) == (place == 0)


@needs_gxx
@pytest.mark.parametrize("change, word", [
    ({"explicit": 2}, "explicit_batch"), ({"kind": 2}, "data type"), ({"axis": -9}, "axis"), ({"axis": 9}, "axis"),
    ({"eps": -1.0}, "eps"), ({"eps": float("nan")}, "eps"), ({"eps": float("inf")}, "eps"), ({"outer": -1}, "size"),
    ({"inner": -1}, "size"), ({"length": 65537}, "length"), ({"length": -1}, "length"),
])
def test_a_state_out_of_bounds_is_refused_even_with_a_good_checksum(state_library, change, word):
    assert word in read_state(state_library, write_state(state_library, **change))[0]


# ---- the classes, against whatever headers are here -------------------------------------------------

@needs_gxx
@pytest.mark.parametrize("root", header_roots() or [None])
def test_the_plugin_compiles_without_warnings_and_is_driven_through_its_life(root, tmp_path):
    if root is None:
        pytest.skip("no TensorRT headers here (set TENSORRT_ROOTS)")
    headers, version = plugin.tensorrt_headers(root)
    try:
        row = compile_matrix.try_headers(headers, version, tmp_path, sanitize=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert row["log"] == ""
    assert [row[key] for key in ("c++11", "c++14", "c++17")] == ["ok"] * 3
    assert row["driven"].endswith("checks")


@pytest.mark.once
@needs_gxx
def test_no_state_shape_or_argument_is_treated_wrongly(tmp_path):
    """The short form of plugin_src/fuzz.py, under sanitizers; the long form has other seeds."""
    lines = fuzz.run(fuzz.build(tmp_path), 10000).splitlines()
    assert len(lines) == 3 and all(int(line.split()[-2]) > 100 for line in lines), lines


@pytest.mark.once
@needs_gxx
@pytest.mark.parametrize("root", header_roots() or [None])
def test_no_field_plan_or_call_stops_the_plugin(root, tmp_path):
    if root is None:
        pytest.skip("no TensorRT headers here (set TENSORRT_ROOTS)")
    try:
        program = fuzz.build(tmp_path, plugin.tensorrt_headers(root)[0])
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert all(int(line.split()[-2]) > 1000 for line in fuzz.run(program, 20000).splitlines())


def v3_headers():
    for root in header_roots():
        if plugin.tensorrt_headers(root)[1] >= (10, 0):
            return root
    pytest.skip("no headers of TensorRT 10 or later here (set TENSORRT_ROOTS)")


@needs_nvcc
def test_a_real_registry_takes_the_library_in_a_child_process():
    pytest.importorskip("tensorrt_rtx")
    library = plugin.compile("plugin", v3_headers(), quiet=True)
    assert plugin.registry_in_child(library) == [
        {"name": "L2Norm_TRT", "version": "1", "fields": ["axis", "eps"]}]


CREATE = """
import json, sys
import numpy as np
import tensorrt_rtx as trt
class Log(trt.ILogger):
    lines = []
    def __init__(self):
        trt.ILogger.__init__(self)
    def log(self, severity, text):
        self.lines.append(text)
log = Log()
runtime = trt.Runtime(log)
registry = trt.get_plugin_registry()
registry.load_library(sys.argv[1])
creator = registry.get_creator("L2Norm_TRT", "1", "")
def create(axis, eps):
    axis, eps = np.array([axis], np.int32), np.array([eps], np.float32)  # a PluginField does not keep its array
    fields = [trt.PluginField("axis", axis, trt.PluginFieldType.INT32),
              trt.PluginField("eps", eps, trt.PluginFieldType.FLOAT32)]
    return creator.create_plugin("l2", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)
good = create(2, 1e-12)
core = good.get_capability_interface(trt.PluginCapabilityType.CORE)
build = good.get_capability_interface(trt.PluginCapabilityType.BUILD)
out = {"name": core.plugin_name, "version": core.plugin_version, "outputs": build.num_outputs}
try:
    out["bad"] = repr(create(2, -1.0))
except Exception as error:
    out["bad"] = type(error).__name__
out["log"] = [line for line in log.lines if "L2Norm_TRT" in line]
print(json.dumps(out))
"""


@needs_nvcc
def test_a_real_registrys_creator_makes_and_refuses_plugins():
    pytest.importorskip("tensorrt_rtx")
    library = plugin.compile("plugin", v3_headers(), quiet=True)
    done = subprocess.run([sys.executable, "-c", CREATE, str(library)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    out = json.loads(done.stdout.decode().splitlines()[-1])
    assert out["name"] == "L2Norm_TRT" and out["version"] == "1" and out["outputs"] == 1
    assert out["bad"] in ("None", "TypeError", "RuntimeError")
    # In the log where this TensorRT hands the library a logger finder, else on stderr.
    assert "L2Norm_TRT: eps must be finite and not negative" in "\n".join(out["log"]) + done.stderr.decode()


# ---- helpers.plugin ---------------------------------------------------------------------------------

@pytest.fixture
def headers(tmp_path):
    def make(major, minor, form="define NV_TENSORRT_%s %d", name="NvInferVersion.h"):
        folder = tmp_path / "trt" / "include"
        folder.mkdir(parents=True)
        (folder / "NvInfer.h").write_text("")
        (folder / name).write_text("".join("#%s\n" % (form % pair) for pair in (("MAJOR", major), ("MINOR", minor))))
        return tmp_path / "trt"
    return make


def test_headers_are_found_by_root_and_by_their_own_folder(headers):
    root = headers(8, 5)
    assert plugin.tensorrt_headers(root) == (root / "include", (8, 5))
    assert plugin.tensorrt_headers(root / "include") == (root / "include", (8, 5))


def test_headers_of_every_generation_say_their_version(headers):
    assert plugin.tensorrt_headers(headers(11, 1, "define TRT_%s_ENTERPRISE %d"))[1] == (11, 1)


def test_headers_of_tensorrt_5_say_it_in_nvinfer(headers):
    assert plugin.tensorrt_headers(headers(5, 1, name="NvInfer.h"))[1] == (5, 1)


def test_missing_headers_say_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORRT_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pip wheels of TensorRT bring none"):
        plugin.tensorrt_headers()


def test_headers_without_a_version_are_refused(tmp_path):
    (tmp_path / "NvInfer.h").write_text("")
    with pytest.raises(ValueError, match="does not define"):
        plugin.tensorrt_headers(tmp_path)


def test_a_missing_compiler_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="needs only g"):
        plugin.compile("kernel")
    with pytest.raises(FileNotFoundError, match="apt install g"):
        plugin.compile("cpu")
    with pytest.raises(ValueError, match="'plugin', 'kernel' or 'cpu'"):
        plugin.compile("gpu")


@pytest.mark.once
@needs_gxx
def test_compiling_again_takes_what_is_there_until_a_source_changes(tmp_path, monkeypatch, capsys):
    sources = tmp_path / "plugin_src"
    shutil.copytree(str(SOURCES), str(sources), ignore=shutil.ignore_patterns("build", "results"))
    monkeypatch.setattr(plugin, "SOURCES", sources)
    monkeypatch.setattr(artifacts, "BUILD", tmp_path / "build")
    library = plugin.compile("cpu")
    assert "compiling with" in capsys.readouterr().out
    first = library.stat().st_mtime_ns
    assert plugin.compile("cpu") == library and library.stat().st_mtime_ns == first
    assert "nothing changed" in capsys.readouterr().out
    kernel = sources / "l2_normalize.cu"
    good = kernel.read_text()
    kernel.write_text(good + "\n// one line more\n")
    plugin.compile("cpu", quiet=True)
    assert library.stat().st_mtime_ns != first and capsys.readouterr().out == ""
    kernel.write_text(good + "\nnot C++;\n")
    with pytest.raises(RuntimeError, match="not C"):
        plugin.compile("cpu", quiet=True)
    assert library.is_file()  # the last good one is left alone


class Creator:
    def __init__(self, name, version="1"):
        self.name, self.plugin_version = name, version


def classic(registry, **names):
    """A module that looks like TensorRT as far as the plugin registry goes."""
    network = type("INetworkDefinition", (), {"add_plugin_v2": None})
    return types.SimpleNamespace(__name__="tensorrt", __version__="test", INetworkDefinition=network,
                                 get_plugin_registry=lambda: registry, **names)


class OldRegistry:
    """TensorRT 5 to 8.5: no load_library, no all_creators."""

    def __init__(self, *creators):
        self.plugin_creator_list = list(creators)


class NewRegistry:
    """TensorRT 10 and 11: no plugin_creator_list in 11."""

    def __init__(self, *creators, brings=()):
        self.all_creators, self.brings, self.asked = list(creators), list(brings), []

    def load_library(self, path):
        """None for a library that is there already: so says the header, and so does the real one below."""
        if path in self.asked:
            return None
        self.asked.append(path)
        self.all_creators += self.brings
        return object()


@pytest.fixture
def loading(monkeypatch):
    """`loading(version, registry)`: the double of a TensorRT with that registry, in a process that has loaded nothing."""
    monkeypatch.setattr(engine_library, "_plugins", {})

    def make(version, registry):
        trt = doubles.tensorrt(version)
        trt.get_plugin_registry = lambda: registry
        return trt
    return make


@pytest.mark.parametrize("registry", [OldRegistry(Creator("L2Norm_TRT")), NewRegistry(Creator("L2Norm_TRT"))])
def test_a_registered_plugin_is_seen_in_every_generation(registry):
    trt = classic(registry)
    assert plugin.registered(trt)
    assert not plugin.registered(trt, version="2")
    plugin.require(trt)


def test_a_missing_plugin_is_explained():
    trt = classic(OldRegistry(Creator("InstanceNorm_TRT"), Creator("LReLU_TRT")))
    with pytest.raises(LookupError, match=r"no L2Norm_TRT version 1 among its 2 creators; did you mean '\w+_TRT'"):
        plugin.require(trt)
    with pytest.raises(LookupError, match="no LReLU_TRT version 2 .*; it has version 1"):
        plugin.require(trt, "LReLU_TRT", "2")
    trt.__name__ = "tensorrt_rtx"  # where there is nothing to load
    with pytest.raises(LookupError, match="TensorRT for RTX test .* give the node a body"):
        plugin.require(trt)


def test_a_notebook_that_loads_the_library_can_run_a_plan_with_it(loading, tmp_path):
    """The registry is asked once, whether `plugin.load`, a build or an Engine comes first."""
    library, registry = tmp_path / "library.so", NewRegistry(brings=[Creator("L2Norm_TRT")])
    library.write_bytes(b"")
    trt = loading("10.3", registry)
    plugin.load(trt, library)
    plugin.load(trt, library)
    assert engine.load_plugin(trt, library) == str(library)
    assert registry.asked == [str(library)]


@needs_nvcc
def test_a_real_registry_refuses_a_library_that_it_has():
    pytest.importorskip("tensorrt_rtx")
    library = plugin.compile("plugin", v3_headers(), quiet=True)
    code = ("import sys, tensorrt_rtx as trt\nregistry = trt.get_plugin_registry()\n"
            "print([registry.load_library(sys.argv[1]) is None for _ in range(2)])")
    done = subprocess.run([sys.executable, "-c", code, str(library)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.decode().strip() == "[False, True]", done.stderr.decode()


def test_a_library_that_brings_nothing_is_reported(loading, tmp_path):
    (tmp_path / "library.so").write_bytes(b"")
    with pytest.raises(LookupError, match="compiled for another TensorRT"):
        plugin.load(loading("10.3", NewRegistry()), tmp_path / "library.so")


@needs_gxx
def test_before_8_6_the_library_is_loaded_and_registers_itself(loading):
    trt = loading("8.5", OldRegistry())
    with pytest.raises(FileNotFoundError, match="at /no/such/library.so: plugin.compile"):
        plugin.load(trt, "/no/such/library.so")
    with pytest.raises(FileNotFoundError, match="no plugin library: plugin.compile"):
        plugin.load(trt, None)
    with pytest.raises(LookupError):  # it loads, and registers nothing
        plugin.load(trt, plugin.compile("cpu", quiet=True))


def test_tensorrt_for_rtx_is_refused_and_told_why():
    trt = pytest.importorskip("tensorrt_rtx")
    with pytest.raises(RuntimeError, match="takes no plugins.*local function"):
        plugin.load(trt, "/some/library.so")
    assert not plugin.registered(trt)


def test_a_library_that_a_child_cannot_load_is_reported():
    pytest.importorskip("tensorrt_rtx")
    with pytest.raises(RuntimeError, match="in a child process"):
        plugin.registry_in_child("/no/such/library.so")
    with pytest.raises(RuntimeError, match="no_such_tensorrt"):
        plugin.registry_in_child("/no/such/library.so", module="no_such_tensorrt")


@needs_nvcc
def test_no_kernel_keeps_its_packs_in_local_memory(tmp_path):
    """A register array that is indexed by a variable lies in memory, which once halved the bandwidth."""
    nvcc = plugin.find_nvcc()
    machine_code = "-arch=sm_" + re.search(r"compute_(\d+)", plugin.architecture_flag(nvcc)).group(1)
    done = subprocess.run([nvcc] + plugin.NVCC_FLAGS + [machine_code, "-Xptxas", "-v", "-c", "-o", str(tmp_path / "kernels.o"),
                                                        str(plugin.SOURCES / "l2_normalize.cu")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"(\d+) bytes stack frame", done.stdout)) == {"0"}


@needs_nvcc
def test_the_kernel_compiles_and_says_when_it_cannot_run():
    assert plugin.compile("kernel", quiet=True).is_file()
    with pytest.raises(TypeError, match="not float64"):
        plugin.launch(16, 16, 1, 2, dtype="float64")
    for rows, length in ((-1, 2), (1, 0), (1, 65537), (1, 2 ** 32 + 2), (2 ** 64 + 1, 2), (2 ** 60, 2)):
        with pytest.raises(RuntimeError, match="CUDA error 1 .*out of range"):
            plugin.launch(16, 16, rows, length)
    with pytest.raises(RuntimeError, match="CUDA error 1 "):
        plugin.launch(17, 16, 1, 2)
    with pytest.raises(RuntimeError, match="CUDA error 1 .*out of range"):
        plugin.launch(16, 16, 1, 3, simple=True)
    if not plugin.gpu_architecture():
        with pytest.raises(RuntimeError, match="not launched: CUDA error"):
            plugin.launch(16, 16, 1, 2)


@needs_gpu
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_kernel_on_the_gpu_is_right_at_every_alignment(rng, dtype):
    cuda = ctypes.CDLL("libcudart.so")
    x = (rng.standard_normal((5, 3001, 12)) * 100).astype(dtype)
    device, pointer = ctypes.c_void_p(), lambda array: array.ctypes.data_as(ctypes.c_void_p)
    assert cuda.cudaMalloc(ctypes.byref(device), ctypes.c_size_t(x.nbytes + 64)) == 0
    for shift in range(5):
        address, given = device.value + shift * x.itemsize, x
        assert cuda.cudaMemcpy(ctypes.c_void_p(address), pointer(x), ctypes.c_size_t(x.nbytes), 1) == 0
        for length, simple in ((12, False), (2, True)):  # the simple kernel on what the other has left
            y = np.empty_like(x)
            plugin.launch(address, address, x.size // length, length, dtype=x.dtype, simple=simple)
            assert cuda.cudaMemcpy(pointer(y), ctypes.c_void_p(address), ctypes.c_size_t(x.nbytes), 2) == 0
            assert_right(given.reshape(-1, length), y.reshape(-1, length))
            given = y
    assert cuda.cudaFree(device) == 0
