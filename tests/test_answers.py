"""Every right answer to an exercise passes, however it is written; a wrong one is told why, in words about the answer."""
import re

import answers_00_03
import answers_06_07
import pytest

from notebooks import checks

ANSWERS = dict(answers_00_03.ANSWERS, **answers_06_07.ANSWERS)
PAGES = ("00", "01", "02", "03", "06", "07")
# Words of our code, of which no message speaks.
OURS = re.compile(r"judging|notebook_0|_watched|Stopped|NoneType|answers_0|Traceback|AssertionError|lambda of|<function")


def made(answer):
    return answer.make() if isinstance(answer, answers_00_03.Made) else answer


def test_every_exercise_has_five_right_answers_and_five_wrong_ones():
    assert set(ANSWERS) == {number for number in checks.CHECKS if number[:2] in PAGES}
    for number, (right, wrong) in ANSWERS.items():
        assert len(right) >= 5 and len(wrong) >= 5, number


@pytest.mark.parametrize("number", sorted(ANSWERS))
def test_right_answers_pass(number):
    for place, answer in enumerate(ANSWERS[number][0]):
        verdict, said = checks.judge(number, made(answer))
        assert verdict is True, "right answer %d: %s" % (place, said)


@pytest.mark.parametrize("number", sorted(ANSWERS))
def test_wrong_answers_are_told_why(number):
    for place, (answer, words) in enumerate(ANSWERS[number][1]):
        verdict, said = checks.judge(number, made(answer))
        assert verdict is False and words in said, "wrong answer %d: %s" % (place, said)
        assert said.startswith("Exercise %s, not yet: " % number) and not OURS.search(said), said
