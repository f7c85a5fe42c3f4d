"""Checks and hints in general: what is open stays open, and whatever an answer does, the message speaks of the answer.

The answers to each exercise are in test_answers.py.
"""
import functools
import re
import threading

import numpy as np
import pytest

import uffparser
from helpers import page, patients, run, through_uff
from notebooks import checks
from notebooks.checks import hints, judging
from uffsurgeon import uff


@functools.lru_cache(maxsize=1)
def patient():
    return patients.admit(0)


def judge(number, answer):
    """As checks.judge, with what a check of page 08 wants to know besides."""
    return checks.judge(number, answer, *[patient()] * number.startswith("08."))


FUNCTIONS = sorted(number for number, exercise in checks.CHECKS.items() if exercise.call)
IN_PLACE = {number for number in FUNCTIONS if checks.CHECKS[number].in_place} - {"06.3"}  # which may return None for one case


def test_every_open_exercise_says_so(capsys):
    for number in checks.CHECKS:
        assert checks.judge(number)[0] is None
        checks.check(number)
        assert "Exercise %s is not filled in yet" % number in capsys.readouterr().out


def test_nonsense_is_never_right_and_never_raises():
    def raises(*arguments):
        return 1 / 0

    for number in checks.CHECKS:
        for nonsense in (None, 0, "", "nonsense", [], {}, set(), lambda *arguments: None, raises, object(), [[1], [1, 2]]):
            verdict, said = judge(number, nonsense)
            assert verdict is False and said.startswith("Exercise %s, not yet: " % number)
            assert not re.search(r"NoneType|object at|judging|AssertionError", said), said


@pytest.mark.parametrize("number", FUNCTIONS)
def test_whatever_a_function_returns_the_message_speaks_of_it(number):
    for nonsense in ("text", 3.5, [], {}, np.zeros(3), object(), float("nan"), range(3), lambda: 1, [[1], [1, 2]], b"", True):
        verdict, said = judge(number, lambda *arguments, given=nonsense: given)
        assert verdict is False or number in IN_PLACE, (nonsense, said)
        assert not re.search(r"NoneType|object at|judging|AssertionError|your function raised", said), said


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_function_that_returns_the_dots_is_not_filled_in_yet(number):
    assert judge(number, lambda *arguments: ...) == (
        None, "Exercise %s, not yet: your function returns the dots; replace them." % number)


def test_an_unknown_exercise_is_an_error():
    with pytest.raises(KeyError, match="no exercise '99.9'; there are 00.1, 01.1"):
        checks.check("99.9")


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_forgotten_return_and_a_wrong_number_of_arguments_are_named(number):
    verdict, said = judge(number, lambda *arguments: None)
    assert verdict is False and ("is the `return` missing?" in said) == (number not in IN_PLACE), said
    verdict, said = judge(number, lambda: 1)
    assert verdict is False and "it is called as " in said and said.endswith("and your function takes ()")
    verdict, said = judge(number, 3)
    assert verdict is False and "give the function itself, " in said and said.endswith("yours is an int")


def test_an_answer_that_was_not_assigned():
    assert "your answer is None, so nothing was assigned to it: a GraphDef is expected" in checks.judge("01.1", None)[1]
    assert "give the function itself, heading, not what it returns; yours is None" in checks.judge("00.1", None)[1]


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

    def readers(graph, name):
        yield "b"
        yield graph.node[99].name  # raised when the check asks for the second

    assert "`yield graph.node[99].name" in checks.judge("01.3", readers)[1]


class Flatten:
    def __init__(self, wrong=False):
        self.wrong = wrong

    def __call__(self, x):
        if self.wrong:
            raise ValueError("no such order")
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


def test_the_line_of_an_answer_that_is_no_plain_function():
    for answer in (Flatten(True), functools.partial(Flatten(True)), Flatten(True).__call__):
        verdict, said = checks.judge("02.1", answer)
        assert verdict is False and 'ValueError: no such order (line ' in said and "`raise ValueError(" in said


def test_functions_of_any_kind_are_answers():
    def flatten(x, order="C"):
        return np.moveaxis(x, -1, 1).reshape((x.shape[0], -1), order=order)

    for answer in (Flatten(), Flatten().__call__, flatten, functools.partial(flatten, order="C"),
                   lambda *args: Flatten()(*args).tolist()):
        assert checks.judge("02.1", answer)[0], answer


def endless(x):
    while True:
        try:
            len(x)
        except Exception:
            pass


def test_an_answer_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    verdict, said = checks.judge("02.1", endless)
    assert verdict is False
    assert re.search(r"your function comes to no end after 0\.2 seconds \(line \d+, `", said), said


def test_an_answer_that_ends_the_process():
    def flatten_nchw(x):
        raise SystemExit(3)

    verdict, said = checks.judge("02.1", flatten_nchw)
    assert verdict is False and "your function raised SystemExit: it ends the process (line " in said


def test_a_check_outside_the_main_thread_has_no_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(checks.judge("02.1", Flatten())[0]))
    thread.start()
    thread.join()
    assert found == [True]


def test_what_an_answer_prints_stands_behind_the_verdict(capsys):
    def talks(x):
        print("shape", x.shape)
        return Flatten()(x)

    verdict, said = checks.judge("02.1", talks)
    assert verdict and capsys.readouterr().out == "" and said.endswith("Your function printed:\n    shape (2, 3, 4, 5)")
    verdict, said = checks.judge("02.1", lambda x: print(Flatten()(x)))
    assert verdict is False and "prints and returns nothing" in said and "return" in said

    def floods(x):
        for _ in range(10 ** 5):
            print("here")
        return Flatten()(x)

    assert checks.judge("02.1", floods)[1].count("here") == 5


@pytest.fixture
def first_time():
    hints._given.clear()
    yield
    hints._given.clear()


def test_hints_come_one_by_one(capsys, first_time):
    for begin in ("Hint 1 of 2: The numbers are", "Hint 2 of 2: The batch stays", "That was the last hint: The batch stays"):
        checks.hint("02.1")
        assert capsys.readouterr().out.startswith(begin)
    checks.hint("01.1")
    assert capsys.readouterr().out.startswith("Hint 1 of 2: ")
    checks.hint("02.1")
    assert capsys.readouterr().out.endswith("notebooks/solutions/02_flatten_and_reshape.ipynb.\n")
    with pytest.raises(KeyError, match="no hints for an exercise '9.9'"):
        checks.hint("9.9")


def test_every_exercise_has_two_hints_and_none_has_code():
    assert {number[:2] for number in set(checks.CHECKS) - set(checks.HINTS)} <= {"04", "05"}
    assert set(checks.HINTS) <= set(checks.CHECKS)
    for number, both in checks.HINTS.items():
        assert isinstance(both, tuple) and len(both) == 2 and both[0] != both[1], number
        for text in both:
            assert 40 < len(text) < 400 and text.endswith((".", "?")), (number, text)
            assert not re.search(r"[=\[\]{}]|\w\(|\blambda\b|\bdef\b|\(\)", text), (number, text)


def test_the_fault_of_the_patient_is_in_the_node_that_the_check_expects():
    """The parser's network, recorded or run here, against TensorFlow."""
    graph, image = patients.freeze(patients.cropped()), patients.images(1)
    with page.silence():
        data = uff.from_tensorflow(graph, ["peak/Max"], quiet=True)
    parsed = through_uff.parse(data, say=lambda line: None)
    names = [node.name for node in graph.node if node.input and node.name in uffparser.tensors(parsed)]
    errors = through_uff.errors(run.tensorflow(graph, image, names), through_uff.answers(parsed, image, names))
    wrong = [name for name in names if errors[name] > 1e-3]
    assert checks.judge("02.3", wrong[0])[0] is True
    assert "what it reads" in checks.judge("02.3", wrong[1])[1]
    assert checks.judge("02.3", graph.node[[node.name for node in graph.node].index(wrong[0])])[0] is True
