"""Registering checks, and judging answers with them."""
import functools
import inspect
import traceback

CHECKS = {}


class Open(Exception):
    """The answer still has the dots that it came with, or cannot be judged on this machine; the text says which."""


def exercise(number, function=None, in_place=False):
    """Register a check: a function that takes the answer, raises AssertionError with the reason if it is wrong, and may
    return a sentence for a right one.

    number: such as "01.2". function: the call that the reader is to define, such as "parameters(graph)", for exercises whose
    answer is a function. in_place: that function may return nothing, because it changes its argument.
    """
    def register(test):
        CHECKS[number] = test, function, in_place
        return test
    return register


def judge(number, answer=...):
    """(verdict, sentence) for an answer to exercise `number`. The verdict is True, False, or None if it is not filled in.

    `...` counts as not filled in, and so does a function that returns `...`. Raises KeyError for an unknown exercise.
    """
    if number not in CHECKS:
        raise KeyError("there is no exercise %r; there are %s" % (number, ", ".join(sorted(CHECKS))))
    test, call, in_place = CHECKS[number]
    if answer is ...:
        return None, "Exercise %s is not filled in yet: put your answer where the dots are." % number
    try:
        if call:
            _check_call(answer, call)
        praise = test(_watched(answer, in_place) if call else answer)
    except Open as reason:
        return None, "Exercise %s, not yet: %s" % (number, reason)
    except AssertionError as wrong:
        return False, "Exercise %s, not yet: %s" % (number, wrong)
    except Exception as error:  # an answer may raise anything
        return False, "Exercise %s, not yet: %s" % (number, raised(error, answer))
    return True, "Exercise %s is right. %s" % (number, praise or "")


def check(number, answer=...):
    """Print the sentence of `judge`."""
    print(judge(number, answer)[1].rstrip())


def raised(error, answer):
    """A clause that says what `error` is, with the line of the answer that raised it."""
    what = "%s: %s" % (type(error).__name__, error)
    code = getattr(inspect.unwrap(answer), "__code__", None) if callable(answer) else None
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    if not lines:
        return "your answer cannot be used: " + what
    return "your function raised %s (line %d, `%s`)" % (what, lines[-1].lineno, lines[-1].line)


def _check_call(answer, call):
    name, parameters = call.rstrip(")").split("(")
    assert callable(answer), "give the function itself, %s, not what it returns" % name
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # a function written in C does not tell its parameters
        return
    try:
        signature.bind(*parameters.split(", "))
    except TypeError:
        raise AssertionError("it is called as %s, and your function takes %s" % (call, signature))


def _watched(function, in_place):
    @functools.wraps(function)
    def watched(*arguments):
        given = function(*arguments)
        if given is ...:
            raise Open("your function returns the dots; replace them.")
        assert given is not None or in_place, "your function returns nothing: is the `return` missing?"
        return given
    return watched


def graph_of(nodes):
    """A GraphDef of (name, op, inputs)."""
    from helpers import process

    graph = process.tensorflow().compat.v1.GraphDef()
    for name, op, inputs in nodes:
        graph.node.add(name=name, op=op).input.extend(inputs)
    return graph


def nodes_of(graph):
    """{name: NodeDef} of a GraphDef or of a graphsurgeon graph, in the order of the graph."""
    graph = graph.as_graph_def() if hasattr(graph, "as_graph_def") else graph
    assert hasattr(graph, "node"), "a graph is expected; this is a %s" % type(graph).__name__
    return {node.name: node for node in graph.node}
