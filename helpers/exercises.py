"""The checks behind "your turn".

Each check takes what the reader made and tries it, the way the lesson would. It prints one line: not filled in yet,
right, or wrong and why. It never raises, so that an open exercise does not stop a run.
"""
import traceback

CHECKS = {}


def exercise(number):
    """Register a check: a function of the answer that raises AssertionError with the reason when it is wrong."""
    def register(function):
        CHECKS[number] = function
        return function
    return register


def check(number, answer=...):
    """Judge an answer to exercise `number` ("01.2"); an answer of `...` is one not filled in yet.

    Prints one line, and returns True (right), False (wrong) or None (not filled in yet).
    Raises KeyError for an exercise that does not exist.
    """
    judge = CHECKS[number]
    if answer is ...:
        print("Exercise %s is not filled in yet: put your answer where the dots are." % number)
        return None
    try:
        praise = judge(answer)
    except AssertionError as wrong:
        print("Exercise %s, not yet: %s" % (number, wrong))
        return False
    except Exception as error:  # the reader's own function may raise anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        print("Exercise %s, not yet: your answer raised %s: %s (line %d of %s)"
              % (number, type(error).__name__, error, where.lineno, where.name))
        return False
    print("Exercise %s is right. %s" % (number, praise or ""))
    return True


@exercise("01.1")
def _ops_in_words(answer):
    assert isinstance(answer, set), "give a set of op names, such as {'Conv2D', 'Relu'}; this is a %s" % type(answer).__name__
    unknown = {"LeakyRelu"}
    missing, extra = unknown - answer, answer - unknown
    assert not missing, "UFF has no operation for %s" % ", ".join(sorted(missing))
    assert not extra, "%s is registered in UFF; look again at the table" % ", ".join(sorted(extra))


