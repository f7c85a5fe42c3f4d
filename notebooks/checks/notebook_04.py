"""Checks of notebook 04, half precision and a kernel."""
import math
import re

from helpers import kernel

from .judging import Open, a, exercise, is_number


@exercise("04.1", "softmax_half(x)", returns="a float16 array of the shape of x")
def _softmax_half(function):
    import numpy as np

    x = np.random.RandomState(4).uniform(-8, 8, (300, 6)).astype(np.float16)
    x[:6, :5] = 0
    x[:6, 5] = 5, 12, 100, 65504, -65504, -20
    x[6], x[7] = -100, np.linspace(-65504, 65504, 6)
    wide = x.astype(np.float64)
    right = np.exp(wide - wide.max(-1, keepdims=True))
    right /= right.sum(-1, keepdims=True)
    with np.errstate(all="ignore"):
        y = np.asarray(function(x.copy()))
    assert y.shape == x.shape, "the shape (300, 6) should stay, yours is %s" % (y.shape,)
    for row, why in (
            (1, "exp(12) is 162755, and FP16 ends at 65504"),
            (2, "exp(100) is too large for FP32, too. But subtracting a number from the whole row does not change its softmax"),
            (6, "exp(-100) underflows, too, and the row is divided by 0. Subtract the row's maximum, whatever it is")):
        assert np.isfinite(y[row]).all(), "the row %s became %s: %s" % (x[row], y[row], why)
    bad = ~np.isfinite(y).all(-1)
    assert not bad.any(), "the row %s became %s" % (x[bad][:1], y[bad][:1])
    assert y.dtype == np.float16, "it returns %s; the rows should be float16, as they came" % y.dtype
    off = np.abs(y - right).max(-1)
    assert off.max() < 4e-4, "the row %s became %s, and should be %s: off by %.4f, more than the rounding of the result" % (
        x[off.argmax()], y[off.argmax()], right[off.argmax()].astype(np.float16), off.max())
    return "32 bits alone do not help, subtracting the maximum does; and 32 bits keep the digits."


@exercise("04.2", returns="the text of the kernel")
def _normalize_pairs(source):
    assert isinstance(source, str), "give the text of the kernel, in quotes; yours is %s" % a(type(source).__name__)
    if "..." in re.sub(r"//.*", "", source):
        raise Open("the dots are still in your kernel; replace them.")
    said = []
    for place in kernel.places() or ["cpu"]:
        try:
            kernel.compile(source, place)
        except FileNotFoundError as error:
            raise Open("it cannot be judged on this machine: %s." % error)
        except (RuntimeError, ValueError) as error:
            raise AssertionError(error)
        for what, rows, how in pairs_cases():
            said.append(_try_kernel(source, what, rows, dict(how, on=place)))
    where = "on the CPU and on the GPU" if len(kernel.places()) > 1 else "on the CPU"
    return "%d trials %s, 100,000 rows in the largest, worst error %.4f of one rounding." % (len(said), where, max(said))


def pairs_cases():
    """[(what is tried, rows as float16 [N, 2], arguments of kernel.run)] for exercise 04.2, the plainest first."""
    import numpy as np

    random = np.random.RandomState(42)

    def of_length(lengths):
        turns = random.uniform(0, 2 * np.pi, len(lengths))
        rows = np.stack([np.cos(turns), np.sin(turns)], 1) * np.asarray(lengths)[:, None]
        return np.clip(rows, -65504, 65504).astype(np.float16)

    few = np.array([[3, 4], [0.3, -0.4], [-5, 12], [1, 0], [0, -2], [8, 15]], np.float16)
    zeros = of_length(np.full(9, 2.0))
    zeros[[2, 5]] = 0
    many = random.uniform(0.1, 9, 100000)
    return [
        ("six rows", few, {}), ("one row", few[:1], {}), ("201 rows", of_length(many[:201]), {}),
        ("201 rows in blocks of 64", of_length(many[:201]), {"threads": 64}), ("rows of zeros", zeros, {}),
        ("long rows", of_length(np.geomspace(100, 80000, 200)), {}),
        ("short rows", of_length(np.geomspace(1e-7, 0.1, 200)), {}),
        ("x and y in the same place", of_length(many[:130]), {"in_place": True}),
        ("x and y one half further", of_length(many[:130]), {"shift": 1}), ("100,000 rows", of_length(many), {"threads": 256})]


def _try_kernel(source, what, rows, how):
    """The worst error of a kernel on `rows`, in roundings. Raises AssertionError with the first wrong row and why."""
    import numpy as np

    where = what + (", on the GPU" if how["on"] == "gpu" else "")
    try:
        y = kernel.run(source, rows, count=len(rows), number=1e-12, **how)
    except RuntimeError as error:
        raise AssertionError("%s: %s" % (where, error))
    wide = rows.astype(np.float64)
    right = _normalized(wide)
    unit = np.spacing(np.maximum(np.abs(right), 2.0 ** -14).astype(np.float16)).astype(np.float64) / 2
    with np.errstate(invalid="ignore"):
        error = np.abs(y.astype(np.float64) - right) / unit
        bad = ~(error <= (1.01 if len(rows) > 50000 else 6)).all(1)  # first what is wrong, in the last trial what is inexact
    if not bad.any():
        return error.max()
    row = int(bad.argmax())
    reason = _likely(rows, y, right, row, bad, how)
    raise AssertionError("%s: row %d is [%g, %g]. It became %s and should be [%.4g, %.4g]%s" % (
        where, row, rows[row, 0], rows[row, 1], _words(y[row]), right[row, 0], right[row, 1], reason and ". " + reason))


def _normalized(wide, eps=1e-12):
    import numpy as np

    return wide / np.sqrt(np.maximum((wide * wide).sum(-1, keepdims=True), eps))


def _words(pair):
    return "[%s]" % ", ".join("nothing" if number.view("uint16") == kernel.UNWRITTEN else "%.4g" % number for number in pair)


def _likely(rows, y, right, row, bad, how):
    """The likeliest reason why a row is wrong, as a sentence; "" when none is known."""
    import numpy as np

    unwritten, threads = y.view(np.uint16) == kernel.UNWRITTEN, how.get("threads", 128)
    if unwritten[row].any():
        if unwritten[row].all() and row and row % threads == 0 and bad[row:].all():
            return ("Rows from the second block on were not written: blockIdx.x * blockDim.x is the first row of a block, and "
                    "here blockDim.x is %d" % threads)
        if unwritten[row].all():
            return "No thread wrote this row: thread number i of all should do row i, which is x[2 * i] and x[2 * i + 1]"
        return "Each row has two numbers, and only one of them was written"
    a, b = rows[row].astype(np.float64)
    length, got = np.hypot(a, b), y[row].astype(np.float64)

    def near(pair, least=2e-3):
        return bool(np.isclose(got, pair, rtol=4e-3, atol=least * max(np.abs(right[row]).max(), 1e-7), equal_nan=True).all())

    with np.errstate(all="ignore"):
        if length == 0:
            return ("0 / 0 is not a number, and eps prevents it; but 1 / sqrt(eps) is 1,000,000, which is infinite in half, "
                    "and 0 times that is not a number either")
        if length > 255 and not near(right[row]):
            return ("Half ends at 65504, and a square, a sum or a length above it is infinite. Convert with __half2float "
                    "first, and keep float until the result is stored")
        for guess, why in (
                (rows[row], "That is the row as it was"), (right[row][::-1], "The two numbers are exchanged"),
                (np.abs(right[row]), "The sign is lost"),
                (rows[row] / length ** 2, "It is divided by the sum of squares, and the root is missing"),
                (rows[row] * length, "It is multiplied by the length, where it should be divided"),
                (rows[row] / (abs(a) + abs(b)), "It is divided by the sum of the absolute values, not by the length"),
                (np.full(2, right[row][0]), "Both numbers are the first one's"),
                (np.sign([a, b]), "Each is divided by itself")):
            if near(guess) and not near(right[row]):
                return why
        if length < 0.01:
            added = np.array([a, b]) / np.sqrt(length ** 2 + 1e-12)
            if (np.abs(got - added) <= 1.01 * np.abs(np.spacing(added.astype(np.float16)))).all():
                return "eps is added here; it should be the least that the sum may be: fmaxf(sum, eps)"
            if length < 2e-6 and near([a / length, b / length], 0.1):
                return "eps is compared with the sum of squares, before the root"
            return "The square of so small a number has few digits in half, or none. Convert first, and add in float"
        if how.get("in_place"):
            first = float(y[row, 0])
            if near([first, b / np.hypot(first, b)]) or near([first, b / np.hypot(first, b) ** 2]):
                return ("x and y are the same memory here: when the second number is computed, the first one is overwritten. "
                        "Read both into variables, then write")
        if near(right[row]):
            return ("That is off by more than one rounding: a result between was stored in half. Keep float until the result")
        others = np.flatnonzero(np.isclose(right, got, rtol=2e-3, atol=1e-3).all(1))
        if len(others):
            return "It looks like the result of row %d: is the index right? Row i is x[2 * i] and x[2 * i + 1]" % others[0]
    return ""


@exercise("04.3", returns="two numbers, (smallest, largest)")
def _eps_for_half(given):
    assert hasattr(given, "__len__") and not isinstance(given, (str, set, dict)) and len(given) == 2, (
        "give two numbers, (smallest, largest)")
    for eps in given:
        assert is_number(eps), "give numbers; this is %s" % a(type(eps).__name__)
        assert eps > 0, "eps has to be larger than 0: a row of zeros is divided by its root"
    smallest, largest = given
    for eps in given:
        wrong = _half_with(eps)
        assert not wrong, "with eps = %g %s" % (eps, wrong)
    assert smallest <= largest, "the smallest comes first"
    for eps, end, other in ((smallest, "smallest", smallest / 10), (largest, "largest", largest * 10)):
        assert abs(math.log10(eps) - round(math.log10(eps))) < 1e-6, "%g is not a power of ten" % eps
        assert _half_with(other), "%g works, and %g does, too: it is not the %s" % (eps, other, end)
    return "Below, eps is 0 in FP16; above, it is larger than the square of 0.01. A row of length 256 fails with every eps."


def _half_with(eps):
    """What goes wrong in five FP16 steps with this eps, as the end of a sentence; "" when nothing does."""
    import numpy as np

    half = np.float16(min(eps, 65504))
    if not half > 0:
        return "a row of zeros is still divided by 0: in FP16 this eps is 0"
    turns, lengths = np.radians(np.arange(0, 90, 7.5)), np.logspace(-8, 2, 500)
    lengths = np.append(lengths, 0.01)
    rows = np.concatenate([np.stack([np.cos(turn) * lengths, np.sin(turn) * lengths], 1) for turn in turns]).astype(np.float16)
    with np.errstate(all="ignore"):
        total = (rows * rows).sum(-1, keepdims=True, dtype=np.float16)
        y = (rows * (np.float16(1) / np.sqrt(np.maximum(total, half)))).astype(np.float64)
    bad = ~np.isfinite(y).all(-1)
    if bad.any():
        return "the row %s becomes %s" % (rows[bad][0], y[bad][0])
    norm = np.hypot(*rows.astype(np.float64).T)
    off = np.abs(np.hypot(*y.T) - 1) * (norm >= 0.01)
    return "" if off.max() < 0.01 else (
        "a row of length %.3g comes out with length %.3g: eps is compared with the *square* of the length" % (
            norm[off.argmax()], np.hypot(*y[off.argmax()])))


HINTS = {
    "04.1": ("float32 holds the exponential of 12, and not that of 100. What may you do to a whole row without changing its "
             "softmax?",
             "Convert to float32 and subtract each row's maximum, so that no exponent is above 0 and one of them is exactly 0. "
             "Divide, and convert back last. `keepdims` keeps the axis."),
    "04.2": ("Which row is mine, and is there one? That is as in `scale`, with `rows` for `n`. Then read both numbers into two "
             "variables of type float, before anything is written.",
             "The factor is the reciprocal root of the larger of two numbers: the sum of both squares, and eps. Multiply in "
             "float, and convert each product to half as you write it."),
    "04.3": ("Two things limit eps: what FP16 can still hold, and the square of the shortest row that must stay right.",
             "The smallest number of FP16 is 0.00000006, and what is less than half of it becomes 0. The shortest row has "
             "length 0.01, and eps must not be larger than its square. Try the neighbours of both ends."),
}
