"""Registering checks, and judging answers with them."""
import traceback

CHECKS = {}


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
        praise = test(answer)
    except AssertionError as wrong:
        return False, "Exercise %s, not yet: %s" % (number, wrong)
    except Exception as error:  # the reader's own function may raise anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        return False, "Exercise %s, not yet: your answer raised %s: %s (line %d of %s)" % (
            number, type(error).__name__, error, where.lineno, where.name)
    return True, "Exercise %s is right. %s" % (number, praise or "")


def check(number, answer=...):
    """Print what `judge` says of an answer."""
    print(judge(number, answer)[1].rstrip())


def graph_of(nodes):
    """A GraphDef of (name, op, inputs)."""
    from ..freeze import v1

    graph = v1.GraphDef()
    for name, op, inputs in nodes:
        graph.node.add(name=name, op=op).input.extend(inputs)
    return graph
