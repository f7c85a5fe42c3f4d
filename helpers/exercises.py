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


@exercise("00.1")
def _head_of_l2(answer):
    assert isinstance(answer, str), "give the name of a head as a string; this is a %s" % type(answer).__name__
    assert answer != "confidence", "the confidences add up to one, but their squares do not: look at the output above"
    assert answer != "dimension", "that head gives metres, of any length: look for the vectors of length one"
    assert answer == "orientation", "the heads are dimension, orientation and confidence"
    return "Its pairs are cosine and sine of one angle, so they must have length one."


@exercise("01.1")
def _one_head(graph):
    names = [node.name for node in getattr(graph, "node", [])]
    assert names, "give the GraphDef that freeze.freeze returns; this is a %s" % type(graph).__name__
    assert "dimension/LeakyRelu" in names, "its output, dimension/LeakyRelu, is missing"
    strangers = [name for name in names if name.split("/")[0] in ("orientation", "confidence", "dense_3", "dense_5")]
    assert not strangers, "%s still belongs to another head" % strangers[0]
    return "%d nodes; what the other heads needed alone is gone." % len(names)


@exercise("01.2")
def _parameters(function):
    from . import freeze, network

    assert callable(function), "give the function itself, parameters, not what it returns"
    model = network.build(width=16)
    graph, count = freeze.freeze(model), function(freeze.freeze(model))
    assert count is not ..., "it returns the dots: replace them"
    scalars = sum(1 for node in graph.node if node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim)
    wrong = "a network of %d parameters has %s by your count" % (model.count_params(), count)
    assert count != model.count_params() + 1, wrong + ": the 1e-12 in l2_normalize is no weight (it has no dimension)"
    assert not model.count_params() < count <= model.count_params() + scalars + 16, (
        wrong + ": shapes are constants too, but of integers")
    assert count == model.count_params(), wrong
    return "It agrees with Keras on a network that you did not see."


@exercise("01.3")
def _readers(function):
    from .freeze import v1

    assert callable(function), "give the function itself, readers, not what it returns"
    graph = v1.GraphDef()
    for name, inputs in (("a", []), ("b", ["a"]), ("c", ["a:0", "b"]), ("d", ["^a"]), ("ab", ["c"])):
        graph.node.add(name=name, op="Any").input.extend(inputs)
    found = function(graph, "a")
    assert found is not ..., "it returns the dots: replace them"
    found = set(found)
    assert "ab" not in found, "'ab' reads 'c'; names have to be equal, not to begin alike"
    assert "c" in found, "'c' reads 'a:0', which is the first output of 'a'"
    assert "d" in found, "'d' has the input '^a': it waits for 'a'"
    assert found == {"b", "c", "d"}, "for the readers of 'a' it gives %s" % sorted(found)
    return "Plain names, outputs by number and control inputs are all found."
