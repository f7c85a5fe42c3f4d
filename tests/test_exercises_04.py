"""The checks of notebook 04: right answers pass, each usual mistake gets its own reason."""
import math

import numpy as np
import pytest

from helpers import kernel
from notebooks import checks


def softmax(of=np.float32, less=np.max, out=np.float16):
    def function(x):
        wide = x.astype(of)
        wide = wide - less(wide, axis=-1, keepdims=True)
        powers = np.exp(wide)
        return (powers / powers.sum(-1, keepdims=True, dtype=of)).astype(out)
    return function


def by_logarithm(x):
    wide = x.astype(np.float64)
    return np.exp(wide - np.logaddexp.reduce(wide, axis=-1)[..., None]).astype("float16")


def row_by_row(x):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        row = [float(number) for number in x[index]]
        powers = [math.exp(number - max(row)) for number in row]
        y[index] = [power / sum(powers) for power in powers]
    return y


def by_einsum(x):
    powers = np.exp2((x.astype("f4").T - x.astype("f4").max(-1)) * np.float32(1 / np.log(2)))
    return np.float16(powers / np.einsum("ij->j", powers)).T


def nothing(x, axis, keepdims):
    return x.dtype.type(0)


@pytest.mark.parametrize("function, verdict, word", [
    (softmax(), True, "maximum"), (softmax(np.float64), True, "right"),
    (by_logarithm, True, ""), (row_by_row, True, ""), (by_einsum, True, ""),
    (softmax(np.float16, nothing), False, "exp(12) is 162755"), (softmax(np.float32, nothing), False, "too large for FP32"),
    (softmax(np.float64, nothing), False, "became"), (softmax(np.float16), False, "more than the rounding"),
    (softmax(less=np.mean), False, "became"), (softmax(out=np.float32), False, "float32"),
    (lambda x: x, False, "off by"), (lambda x: x[:2], False, "shape")])
def test_04_1(function, verdict, word):
    found, said = checks.judge("04.1", function)
    assert found is verdict and word in said, said


def test_04_1_is_not_the_function_of_the_page():
    def in_float32(x, eps=1e-12):
        wide = x.astype(np.float32)
        total = (wide * wide).sum(-1, keepdims=True)
        return (wide / np.sqrt(np.maximum(total, np.float32(eps)))).astype(x.dtype)
    assert checks.judge("04.1", in_float32)[0] is False


def normalize(body, above="", parameters="const half* x, half* y, int rows, float eps"):
    return above + "\n__global__ void normalize(%s) {\n%s\n}\n" % (parameters, body)


INDEX = "    int row = blockIdx.x * blockDim.x + threadIdx.x;\n    if (row >= rows) return;\n"
READ = "    float a = __half2float(x[2 * row]), b = __half2float(x[2 * row + 1]);\n"
SCALE = "    float scale = rsqrtf(fmaxf(a * a + b * b, eps));\n"
WRITE = "    y[2 * row] = __float2half(a * scale);\n    y[2 * row + 1] = __float2half(b * scale);\n"
PLAIN = normalize(INDEX + READ + SCALE + WRITE)

RIGHT = {
    "as the page": PLAIN,
    "in a loop, with pointers": normalize("""
        const int thread = threadIdx.x + blockDim.x * blockIdx.x;
        if (thread < rows) {
            const half* from = x + 2 * thread;
            half* to = y + 2 * thread;
            float value[2], sum = 0;
            for (int i = 0; i < 2; ++i) { value[i] = float(from[i]); sum += value[i] * value[i]; }
            sum = sum < eps ? eps : sum;
            for (int i = 0; i < 2; ++i) to[i] = value[i] / sqrtf(sum);
        }"""),
    "a grid-stride loop": normalize(
        "for (int row = blockIdx.x * blockDim.x + threadIdx.x; row < rows; row += gridDim.x * blockDim.x) {\n"
        + READ + SCALE + WRITE + "}"),
    "a function of its own, in double": normalize(
        INDEX + "    double a = (float)x[2*row], b = (float)x[2*row+1], s = length(a, b, eps);\n"
        "    y[2*row] = a / s; y[2*row+1] = b / s;", "__device__ double length(double a, double b, double eps) {\n"
        "    return sqrt(max(a * a + b * b, eps));\n}"),
    "64 bits for the index, __hip names": normalize(
        "    const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;\n    if (row >= rows) return;\n"
        "    float2 v = make_float2(__half2float(x[2 * row]), __half2float(x[2 * row + 1]));\n"
        "    const float s = 1.0f / sqrtf(max(v.x * v.x + v.y * v.y, eps));\n"
        "    half2 r = __floats2half2_rn(v.x * s, v.y * s);\n    y[2 * row] = r.x;\n    y[2 * row + 1] = r.y;"),
}
WRONG = [
    ("no guard", PLAIN.replace("if (row >= rows) return;", ""), "must return before it"),
    ("one row too few", PLAIN.replace("row >= rows", "row >= rows - 1"), "No thread wrote this row"),
    ("the first block only", PLAIN.replace("blockIdx.x * blockDim.x + ", ""), "from the second block on"),
    ("a block of 128", PLAIN.replace("blockDim.x", "128"), "in blocks of 64: "),
    ("halves throughout", normalize(INDEX + """
        half a = x[2 * row], b = x[2 * row + 1], sum = a * a + b * b;
        half scale = hrsqrt(sum > half(eps) ? sum : half(eps));
        y[2 * row] = a * scale; y[2 * row + 1] = b * scale;"""), "rows of zeros"),
    ("a result in half", PLAIN.replace("(a * scale)", "(__half2float(__float2half(scale)) * a)"), "infinite in half"),
    ("a little off", PLAIN.replace("(a * scale)", "(a * 1.0007f * scale)"), "more than one rounding"),
    ("a sum in half", PLAIN.replace("fmaxf(a * a + b * b, eps)", "fmaxf(__half2float(__float2half(a * a + b * b)), eps)"),
     "keep float until"),
    ("a square in half", PLAIN.replace("fmaxf(a * a + b * b", "fmaxf(float(x[2*row] * x[2*row]) + b * b"),
     "Half ends at 65504"),
    ("no eps", PLAIN.replace("fmaxf(a * a + b * b, eps)", "a * a + b * b"), "0 / 0"),
    ("eps added", PLAIN.replace("fmaxf(a * a + b * b, eps)", "a * a + b * b + eps"), "eps is added"),
    ("eps against the length", PLAIN.replace("rsqrtf(fmaxf(a * a + b * b, eps))", "1 / fmaxf(sqrtf(a * a + b * b), eps)"),
     "before the root"),
    ("no root", PLAIN.replace("rsqrtf(fmaxf(a * a + b * b, eps))", "1 / fmaxf(a * a + b * b, eps)"), "root is missing"),
    ("x read again after y is written", PLAIN.replace(
        "__float2half(b * scale)", "__float2half(__half2float(x[2 * row + 1]) * rsqrtf(fmaxf(__half2float(x[2 * row]) * "
        "__half2float(x[2 * row]) + b * b, eps)))"), "the first one is overwritten"),
    ("half2", PLAIN.replace(READ, "    half2 v = ((const half2*)x)[row];\n    float a = v.x, b = v.y;\n"), "a multiple of 4"),
    ("one number", PLAIN.replace("    y[2 * row + 1] = __float2half(b * scale);\n", ""), "only one of them"),
    ("no factor 2", PLAIN.replace("[2 * row", "[row"), "row"),
    ("exchanged", PLAIN.replace("y[2 * row + 1]", "y[!]").replace("y[2 * row]", "y[2 * row + 1]").replace("y[!]", "y[2 * row]"),
     "exchanged"),
    ("endless", PLAIN.replace("    float scale", "    while (true) { if (a == 12345) break; }\n    float scale"), "loop"),
    ("each does all", normalize("for (int row = 0; row < rows; ++row) {\n" + READ + SCALE + WRITE + "}"), "work of all"),
    ("no semicolon", PLAIN.replace("eps));", "eps))"), "expected ',' or ';'"),
    ("no brace", PLAIN.rstrip()[:-1], "} is missing"),
    ("a missing parameter", normalize(INDEX + READ + SCALE + WRITE, parameters="const half* x, half* y, int rows").replace(
        "eps", "1e-12f"), "should have the parameters"), ("float pointers", PLAIN.replace("half*", "float*"), "no"),
    ("two kernels", PLAIN + PLAIN.replace("normalize", "other"), "2: normalize, other"),
    ("Python", "def normalize(x): return x", "has none"),
]
compiles = pytest.mark.skipif("cpu" not in kernel.places(), reason="needs g++")


@compiles
@pytest.mark.once
@pytest.mark.parametrize("name", sorted(RIGHT))
def test_04_2_right_kernels(name):
    verdict, said = checks.judge("04.2", RIGHT[name])
    assert verdict is True and "100,000 rows" in said, said


@compiles
@pytest.mark.once
@pytest.mark.parametrize("name, source, words", [
    pytest.param(*each, id=each[0], marks=[pytest.mark.slow] if number > 10 else []) for number, each in enumerate(WRONG)])
def test_04_2_wrong_kernels_are_told_why(name, source, words, monkeypatch):
    monkeypatch.setattr(kernel, "SECONDS", 1)
    verdict, said = checks.judge("04.2", source)
    assert verdict is False and words in said, said


def test_04_2_with_dots_is_open_and_without_a_compiler_is_not_judged(monkeypatch):
    assert checks.judge("04.2", normalize("    ...")) == (
        None, "Exercise 04.2, not yet: the dots are still in your kernel; replace them.")
    monkeypatch.setattr(kernel, "places", lambda: [])
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    verdict, said = checks.judge("04.2", PLAIN)
    assert verdict is None and "cannot be judged on this machine: no C++ compiler" in said


@pytest.mark.parametrize("given, verdict, word", [
    ((1e-7, 1e-4), True, "length 256"), ([1e-7, 1e-4], True, ""), ((1e-6, 1e-4), False, "1e-07 does, too"),
    ((1e-7, 1e-6), False, "1e-05 does, too"), ((1e-12, 1e-4), False, "this eps is 0"), ((1e-8, 1e-4), False, "this eps is 0"),
    ((1e-7, 1e-3), False, "square"), ((1e-4, 1e-7), False, "smallest comes first"), ((2e-7, 1e-4), False, "not a power of ten"),
    (np.array([1e-7, 1e-4]), True, ""), (np.float32([1e-7, 1e-4]), True, ""), ((10 ** -7, 1 / 10000), True, ""),
    ((0, 1e-4), False, "larger than 0"), ((1e-7, float("inf")), False, "square"), ((float("nan"), 1), False, "larger than 0"),
    ((True, 1e-4), False, "numbers"), (("1e-7", 1e-4), False, "numbers"), (1e-6, False, "two"), ((1, 2, 3), False, "two")])
def test_04_3(given, verdict, word):
    found, said = checks.judge("04.3", given)
    assert found is verdict and word in said, said
