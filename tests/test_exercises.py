"""The checks of "Your turn": an open exercise stays open, a right answer passes, a wrong one gets its reason."""
import numpy as np
import pytest

from helpers import freeze, network, process
from notebooks import checks
from uffsurgeon.names import producer


def test_every_open_exercise_says_so(capsys):
    for number in checks.CHECKS:
        assert checks.judge(number)[0] is None
        checks.check(number)
        assert "Exercise %s is not filled in yet" % number in capsys.readouterr().out


def test_nonsense_is_never_right_and_never_raises():
    def raises(*arguments):
        return 1 / 0

    for number in checks.CHECKS:
        for nonsense in (None, 0, "", "nonsense", [], {}, set(), lambda *arguments: None, raises):
            verdict, said = checks.judge(number, nonsense)
            assert verdict is False and said.startswith("Exercise %s, not yet: " % number)


# Exercises whose answer is a function; the others ask for a value.
@pytest.mark.parametrize("number", sorted(set(checks.CHECKS) - {"00.1", "01.1", "02.3", "04.3", "06.2"}))
def test_a_function_that_returns_the_dots_is_not_filled_in_yet(number):
    assert checks.judge(number, lambda *arguments: ...) == (
        None, "Exercise %s, not yet: your function returns the dots; replace them." % number)


def test_an_unknown_exercise_is_an_error():
    with pytest.raises(KeyError, match="no exercise '99.9'; there are 00.1, 01.1"):
        checks.check("99.9")


# Exercises whose function may change its argument and return nothing.
IN_PLACE = {"03.2", "04.2"}


@pytest.mark.parametrize("number", sorted(set(checks.CHECKS) - {"00.1", "01.1", "02.3", "04.3", "06.2"}))
def test_a_forgotten_return_and_a_wrong_number_of_arguments_are_named(number):
    verdict, said = checks.judge(number, lambda *arguments: None)
    assert verdict is False and ("is the `return` missing?" in said) == (number not in IN_PLACE), said
    verdict, said = checks.judge(number, lambda: 1)
    assert verdict is False and "it is called as " in said and said.endswith("and your function takes ()")
    verdict, said = checks.judge(number, 3)
    assert verdict is False and "give the function itself, " in said


def test_an_error_inside_the_answer_names_the_line_of_the_answer():
    def helper(x):
        return x.nonsense

    def flatten_nchw(x):
        y = np.asarray(x)
        return helper(y)

    verdict, said = checks.judge("02.1", flatten_nchw)
    assert verdict is False and "`return x.nonsense`" in said
    assert "your function raised AttributeError: 'numpy.ndarray' object has no attribute 'nonsense'" in said

    def parameters(graph):
        return np.reshape([1, 2], 3)  # the error is raised in NumPy; the line is still this one

    assert "`return np.reshape([1, 2], 3)" in checks.judge("01.2", parameters)[1]
    assert "your answer cannot be used: TypeError" in checks.judge("01.2", lambda graph: "many")[1]


def test_functions_of_any_kind_are_answers():
    import functools

    class Flatten:
        def __call__(self, x):
            return x.transpose(0, 3, 1, 2).reshape(len(x), -1)

    def flatten(x, order="C"):
        return np.moveaxis(x, -1, 1).reshape((x.shape[0], -1), order=order)

    for answer in (Flatten(), Flatten().__call__, flatten, functools.partial(flatten, order="C"),
                   lambda *args: Flatten()(*args).tolist()):
        assert checks.judge("02.1", answer)[0], answer


def heading(confidence, pairs, ray, angle=lambda cosine, sine: np.degrees(np.arctan2(sine, cosine)), first=0, sign=1,
            wrap=lambda degrees: (degrees + 180) % 360 - 180):
    best = np.argmax(confidence)
    return wrap(first + 60 * best + angle(*pairs[best]) + sign * ray)


@pytest.mark.parametrize("mistake, word", [
    (dict(angle=lambda cosine, sine: np.degrees(np.arccos(cosine))), "sign"),
    (dict(angle=lambda cosine, sine: np.arctan2(sine, cosine)), "radians"), (dict(first=30), "centred"),
    (dict(sign=0), "alpha"), (dict(sign=-1), "added"), (dict(wrap=lambda degrees: degrees), "180")])
def test_00_1(mistake, word):
    assert checks.judge("00.1", heading)[0]
    verdict, said = checks.judge("00.1", lambda *vehicle: heading(*vehicle, **mistake))
    assert verdict is False and word in said


def test_00_1_wants_the_best_bin_and_its_centre():
    assert "add the centre" in checks.judge("00.1", lambda c, p, ray: heading(c, p, ray) - 60 * np.argmax(c))[1]
    assert checks.judge("00.1", lambda c, p, ray: heading(np.ones(6), p, ray))[0] is False


def test_01_1():
    model = network.build(width=16)
    assert checks.judge("01.1", freeze.freeze(model, ["dimension/LeakyRelu"]))[0]
    assert "another head" in checks.judge("01.1", freeze.freeze(model))[1]
    assert "missing" in checks.judge("01.1", freeze.freeze(model, ["confidence/Softmax"]))[1]
    assert "has no nodes" in checks.judge("01.1", process.tensorflow().compat.v1.GraphDef())[1]
    assert "this is a list" in checks.judge("01.1", ["dimension/LeakyRelu"])[1]


def test_01_2():
    def count(graph, kinds="f", least=1):
        values = [process.tensorflow().make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"]
        return sum(value.size for value in values if value.dtype.kind in kinds and value.ndim >= least)

    assert checks.judge("01.2", count)[0]
    assert "1e-12" in checks.judge("01.2", lambda graph: count(graph, least=0))[1]
    assert "integers" in checks.judge("01.2", lambda graph: count(graph, kinds="fi"))[1]


def test_01_3():
    def readers(graph, name, clean=producer):
        return {node.name for node in graph.node if name in [clean(text) for text in node.input]}

    for kind in (set, list, tuple, frozenset, dict.fromkeys):
        assert checks.judge("01.3", lambda graph, name, kind=kind: kind(readers(graph, name)))[0]
    assert "first output" in checks.judge("01.3", lambda g, n: readers(g, n, lambda text: text.lstrip("^")))[1]
    assert "waits" in checks.judge("01.3", lambda g, n: readers(g, n, lambda text: text.split(":")[0]))[1]
    assert "begin alike" in checks.judge(
        "01.3", lambda g, n: {node.name for node in g.node if any(t.strip("^")[:1] == n for t in node.input)} | {"ab"})[1]
