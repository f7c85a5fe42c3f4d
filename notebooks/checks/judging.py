"""Registering checks, and judging answers with them."""
import functools
import traceback

CHECKS = {}


class _Dots(Exception):
    """The reader's function still returns the dots that it came with."""


def exercise(number):
    """Register a test: a function of the answer that raises AssertionError with the reason when it is wrong."""
    def register(function):
        CHECKS[number] = function
        return function
    return register


def judge(number, answer=...):
    """(verdict, sentence) on an answer to exercise `number` ("01.2"): True right, False wrong, None not filled in yet.

    An answer of `...` is one not filled in yet, and so is a function that returns `...`. Raises KeyError for an exercise
    that does not exist.
    """
    test = CHECKS[number]
    if answer is ...:
        return None, "Exercise %s is not filled in yet: put your answer where the dots are." % number
    try:
        praise = test(_watched(answer) if callable(answer) else answer)
    except _Dots:
        return None, "Exercise %s, not yet: it returns the dots: replace them" % number
    except AssertionError as wrong:
        return False, "Exercise %s, not yet: %s" % (number, wrong)
    except Exception as error:  # the reader's own function may raise anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        return False, "Exercise %s, not yet: your answer raised %s: %s (line %d of %s)" % (
            number, type(error).__name__, error, where.lineno, where.name)
    return True, "Exercise %s is right. %s" % (number, praise or "")


def _watched(function):
    @functools.wraps(function)
    def watched(*arguments):
        given = function(*arguments)
        if given is ...:
            raise _Dots
        return given
    return watched


def check(number, answer=...):
    """Print what `judge` says of an answer."""
    print(judge(number, answer)[1].rstrip())


def graph_of(nodes):
    """A GraphDef of (name, op, inputs)."""
    from helpers.freeze import v1

    graph = v1.GraphDef()
    for name, op, inputs in nodes:
        graph.node.add(name=name, op=op).input.extend(inputs)
    return graph
