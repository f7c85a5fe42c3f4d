"""Registering checks, and judging answers with them."""
import collections
import contextlib
import functools
import inspect
import io
import signal
import threading
import traceback

CHECKS = {}
SECONDS = 10  # for one call of an answer; ours take a fraction of a second, on a small board as well
PRINTED = 2000  # characters of what an answer prints that are kept

Exercise = collections.namedtuple("Exercise", "test call in_place returns")


class Open(Exception):
    """The answer still has the dots that it came with, or cannot be judged on this machine; the text says which."""


class _Endless(BaseException):
    """The reader's function takes too long. No Exception, so that an `except Exception` of the reader does not stop it."""


class Stopped(Exception):
    """The reader's function raised an error, which is the cause of this one."""


def exercise(number, call=None, in_place=False, returns=None):
    """Register a check: a function that takes the answer, raises AssertionError with the reason if it is wrong, and may
    return a sentence for a right one.

    number: such as "01.2". call: the function that the reader is to define, such as "parameters(graph)", for exercises whose
    answer is a function. in_place: that function may return nothing, because it changes its argument. returns: in words, what
    the function should return, or what the answer should be ("a number of degrees"); it is said of an answer that the check
    cannot use.
    """
    def register(test):
        CHECKS[number] = Exercise(test, call, in_place, returns)
        return test
    return register


def judge(number, answer=..., *context):
    """(verdict, sentence) for an answer to exercise `number`. The verdict is True, False, or None if it is not filled in.

    `...` counts as not filled in, and so does a function that returns `...`. context: what the exercise is about where that
    differs from reader to reader; the check gets it after the answer. Raises KeyError for an unknown exercise.
    """
    if number not in CHECKS:
        raise KeyError("there is no exercise %r; there are %s" % (number, ", ".join(sorted(CHECKS))))
    wanted = CHECKS[number]
    if answer is ...:
        return None, "Exercise %s is not filled in yet: put your answer where the dots are." % number
    seen = {}
    verdict, sentence = False, "Exercise %s, not yet: " % number
    try:
        if wanted.call:
            _check_call(answer, wanted.call)
            answer = _watched(answer, wanted.in_place, seen)
        else:
            assert answer is not None, "your answer is None, so nothing was assigned to it: %s is expected" % (
                wanted.returns or "a value")
            seen["returned"] = answer
        praise = wanted.test(answer, *context)
        verdict, sentence = True, "Exercise %s is right. %s" % (number, praise or "")
    except Open as reason:
        verdict, sentence = None, "Exercise %s, not yet: %s" % (number, reason)
    except Stopped as stopped:
        sentence += raised(stopped.__cause__)
    except AssertionError as wrong:
        sentence += str(wrong)
    except Exception:  # an answer may be anything, and fail anywhere in the check
        sentence += "%s is expected, and %s" % (wanted.returns or "something else", _described(seen, wanted.call))
    if seen.get("printed"):
        sentence = "%s\nYour function printed:\n%s" % (sentence.rstrip(), _indented(seen["printed"]))
    return verdict, sentence


def check(number, answer=..., *context):
    """Print the sentence of `judge`."""
    print(judge(number, answer, *context)[1].rstrip())


def raised(error):
    """A clause that says what the answer raised, with the line of the answer in which it did."""
    what = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
    if isinstance(error, _Endless):
        what = "no end after %g seconds" % SECONDS
    elif isinstance(error, SystemExit):
        what = "SystemExit: it ends the process"
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call, in _watched
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    line = " (line %d, `%s`)" % (own[-1].lineno, own[-1].line) if own else ""
    return "your function %s%s" % ("comes to " + what if isinstance(error, _Endless) else "raised " + what, line)


def _described(seen, call):
    found = seen.get("returned")
    text = shown(found)
    return "%s %s%s" % ("your function returned" if call else "yours is", a(type(found).__name__),
                        ": " + text if 0 < len(text) <= 60 else "")


def shown(value):
    """A value as text for a message; "" for what Python shows by its address."""
    text = " ".join(repr(value).split())
    return "" if " at 0x" in text else text


def a(word):
    """The word with its article: 'an int', 'a list'."""
    return "%s %s" % ("an" if word[:1].lower() in "aeiou" else "a", word)


def _indented(text):
    lines = text.rstrip().splitlines()
    return "\n".join(["    " + line for line in lines[:5]] + ["    ..."] * (len(lines) > 5))


def _check_call(answer, call):
    name, parameters = call.rstrip(")").split("(")
    assert callable(answer), "give the function itself, %s, not what it returns; yours is %s" % (
        name, "None" if answer is None else a(type(answer).__name__))
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # a function written in C does not tell its parameters
        return
    try:
        signature.bind(*parameters.split(", "))
    except TypeError:
        raise AssertionError("it is called as %s, and your function takes %s" % (call, signature))


def _watched(function, in_place, seen):
    """The function, as the check calls it: with a time limit; what it prints, returns and raises is kept apart.

    seen: a dict that gets "returned", the latest value, and "printed", the text of the first call.
    """
    @functools.wraps(function, updated=())
    def watched(*arguments):
        out = _Limited()
        try:
            with _time_limit(SECONDS), contextlib.redirect_stdout(out):
                given = function(*arguments)
                if inspect.isgenerator(given):  # its code is the reader's, too
                    given = list(given)
        except (Exception, _Endless, SystemExit) as error:
            raise Stopped() from error
        finally:
            seen.setdefault("printed", out.getvalue())
        seen["returned"] = given
        if given is ...:
            raise Open("your function returns the dots; replace them.")
        assert given is not None or in_place, "your function %s" % (
            "prints and returns nothing: what is printed cannot be used further, so end it with `return`"
            if seen["printed"] else "returns nothing: is the `return` missing?")
        return given
    return watched


class _Limited(io.StringIO):
    """Keeps the beginning of what is written."""

    def write(self, text):
        if self.tell() < PRINTED:
            super().write(text[:PRINTED])
        return len(text)


@contextlib.contextmanager
def _time_limit(seconds):
    """Raise _Endless in the block when it takes longer; no limit outside the main thread, and on Windows."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise _Endless()

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
    assert hasattr(graph, "node") and not callable(graph.node), (
        "a graph is expected, a GraphDef or a DynamicGraph; this is %s" % a(type(graph).__name__))
    nodes = {node.name: node for node in graph.node}
    assert nodes, "your graph has no nodes"
    return nodes


def is_number(value):
    """Whether a value is one real number, also NumPy's, and no bool."""
    if isinstance(value, (bool, str, bytes)) or type(value).__name__ in ("bool_", "bool") or getattr(value, "ndim", 0):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
