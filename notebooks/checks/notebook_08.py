"""Checks of notebook 08, the patient: `check("08.1", answer, patient)` with the patient that `patients.admit` gave."""
import warnings

from .judging import a, exercise, nodes_of

EQUAL = 1e-4  # largest difference to Keras as a share of the largest value: the noise of 32 bits is a tenth of that
LOW = 0.03  # the same in 16 bits; without a fault it is a tenth of that, and in TensorFlow 1.13 half of it
# Nodes of a layer that does not fit into 16 bits whose results are wrong because what they read is, and for no other reason.
VICTIMS = ("soft/Add", "soft/Log", "length/Sqrt")
SPARE = 3  # nodes that may be kept in 32 bits without need
# Rules of `uffsurgeon check` for what is silently wrong with the patients.
SILENT_RULES = ("pad-lost", "slice-wrong", "constant-order")
PAIR = "the name of a node and what is wrong with it, such as (\"conv_1/Conv2D\", \"overflow\"),"


@exercise("08.1", returns=PAIR)
def _loud(answer, patient=None):
    _diagnosis(answer, patient, "loud", "the parser does not stop at %s: which node does its message name?",
               "the parser takes what %s reads; it stops there and nowhere else")
    return "You read it in the parser's message."


@exercise("08.3", returns=PAIR)
def _silent(answer, patient=None):
    _diagnosis(answer, patient, "silent", "what the parser makes of %s is right: its error is that of 32-bit numbers",
               "%s is wrong, but so is what it reads: the culprit is the first wrong node in the order of the graph")
    return "No message names it. The numbers did."


@exercise("08.5", returns=PAIR)
def _low(answer, patient=None):
    _diagnosis(answer, patient, "low", "%s is as good in 16 bits as one can expect: its error is that of rounding",
               "%s is wrong in 16 bits, but so is what it reads: where does the error jump?")
    return "In 32 bits the answers are right."


def _diagnosis(answer, patient, kind, before, after):
    """Raise AssertionError unless the answer is a node of the fault and its complaint; before, after: of nodes elsewhere."""
    from helpers import patients
    from uffsurgeon.names import did_you_mean, producer

    fault = _known(patient).faults[kind]
    assert isinstance(answer, (tuple, list)) and len(answer) == 2, (
        "give two things, %s yours is %s" % (PAIR, a(type(answer).__name__)))
    name, complaint = getattr(answer[0], "name", answer[0]), answer[1]
    assert isinstance(name, str) and isinstance(complaint, str), "name and complaint are strings; yours are %s and %s" % (
        a(type(name).__name__), a(type(complaint).__name__))
    nodes, complaint = nodes_of(patient.graph()), " ".join(complaint.lower().split())
    scopes = [known.split("/")[0] for known in nodes]
    name = producer(name.strip())
    assert name in nodes or name in scopes, "the graph has no node %r%s" % (name, did_you_mean(name, nodes))
    assert complaint in patients.COMPLAINTS, "nobody complains of %r%s (patients.COMPLAINTS has them all)" % (
        complaint, did_you_mean(complaint, patients.COMPLAINTS))
    scope = name.split("/")[0]
    if scope != fault.scope or name in VICTIMS:
        raise AssertionError((before if scopes.index(scope) < scopes.index(fault.scope) else after) % name)
    assert complaint == fault.complaint, "%s is the node. But %r means that %s, and that is not what happens there" % (
        name, complaint, patients.COMPLAINTS[complaint])


def _known(patient):
    assert hasattr(patient, "faults"), "the check needs your patient, too: check(\"08.1\", answer, patient)"
    return patient


@exercise("08.2", "mend_loud(graph)", in_place=True, returns="the graph")
def _mend_loud(function, patient=None):
    patient = _known(patient)
    data = _converted(function, patient.graph(), patient)
    parsed = _parsed(data)
    if parsed is None:
        refused = [finding for finding in _findings(data) if finding.rule not in SILENT_RULES]
        assert not refused, "`uffsurgeon check` still complains of %s: %s" % (refused[0].node, refused[0].message)
        return "The file still computes what Keras does. " + NOT_RECORDED
    assert parsed.ok, "the parser still refuses your graph: %s" % "; ".join(parsed.log)
    assert parsed.outputs, "the parser takes your graph, and gives a network without outputs"
    return "The parser takes it. That its answers are right is another matter."


@exercise("08.4", "mend_silent(graph)", in_place=True, returns="the graph")
def _mend_silent(function, patient=None):
    from helpers import through_uff

    patient = _known(patient)
    data = _converted(function, patient.graph("loud"), patient)
    parsed = _parsed(data)
    if parsed is None:
        wrong = _findings(data)
        assert not wrong, "`uffsurgeon check` says of %s: %s" % (wrong[0].node, wrong[0].message)
        return "The file computes what Keras does, and `uffsurgeon check` finds nothing in it. " + NOT_RECORDED
    assert parsed.ok and parsed.outputs, "the parser refuses your graph: %s" % "; ".join(parsed.log or ["it has no outputs"])
    off = max(through_uff.errors(patient.answers, through_uff.answers(parsed, patient.images)).values())
    assert off < EQUAL, ("the file says what Keras computes, and the parser's network still answers something else: off by "
                         "%.0f %% of the largest answer" % (100 * off))
    return "The network of NVIDIA's parser agrees with Keras: off by %.0e of the largest answer." % off


NOT_RECORDED = ("(What NVIDIA's parser says of just this file is not recorded. Where it is built, by `workbook.py parser`, the "
                "check asks it.)")


def _converted(function, graph, patient):
    """The .uff of the graph that the reader's function mends. Raises AssertionError if it is not the patient's network."""
    import numpy as np

    from helpers import page, patients, run, through_uff
    from uffsurgeon import graphsurgeon, to_onnx, uff

    graph = graphsurgeon.DynamicGraph(graph)
    given = function(graph)
    nodes = nodes_of(graph if given is None else given)
    missing = [name for name in patients.OUTPUTS if name not in nodes]
    assert not missing, "the output %s is gone from your graph" % missing[0]
    given = graph if given is None else given
    given = given.as_graph_def() if hasattr(given, "as_graph_def") else given
    try:
        with page.silence(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = uff.from_tensorflow(given, list(patients.OUTPUTS), quiet=True)
    except Exception as refused:
        raise AssertionError("the converter does not take your graph: %s" % refused)
    try:
        found = run.onnx(to_onnx.convert(data), patient.images)
    except Exception as refused:
        raise AssertionError("the file of your graph cannot be computed: %s" % str(refused).split("\n")[0][:200])
    off = max(through_uff.errors(patient.answers, found).values())
    assert np.isfinite(off) and off < EQUAL, (
        "your graph computes something else than Keras, off by %.2g of the largest answer: a repair must not change what the "
        "network computes" % off)
    return data


def _parsed(data):
    """What NVIDIA's parser makes of a .uff, run here or recorded; None when there is neither."""
    from helpers import through_uff

    try:
        return through_uff.parse(data, say=lambda line: None)
    except LookupError:
        return None


def _findings(data):
    from uffsurgeon import check

    return [finding for finding in check.check(data) if finding.level == "error"]


@exercise("08.6", returns="a list of names of nodes")
def _keep(names, patient=None):
    import numpy as np

    from helpers import patients, run, through_uff

    patient = _known(patient)
    assert isinstance(names, (list, tuple, set, frozenset)), "give a list of names; yours is %s" % a(type(names).__name__)
    names = [getattr(name, "name", name) for name in names]
    assert all(isinstance(name, str) for name in names), "the names are strings"
    graph = patient.graph()
    try:
        half = patients.half(graph, names)
    except ValueError as unknown:
        raise AssertionError(str(unknown))
    with np.errstate(all="ignore"):
        off = max(through_uff.errors(patient.answers, run.tensorflow(half, patient.images, list(patient.answers))).values())
    number = "are no numbers" if np.isnan(off) else "are off by %.0f %% of the largest" % (100 * off)
    assert off < LOW, ("with %s in 32 bits the answers %s. Between two nodes in 32 bits no number passes through 16; between "
                       "one in 32 and one in 16 it does" % (_counted(names), number))
    spare = [name for name in sorted(set(names)) if name not in patient.faults["low"].cure and graph_floats(graph, name)]
    assert len(spare) <= SPARE, ("the answers are right, but you keep %s in 32 bits, and each costs time. %s need not be among "
                                 "them" % (_counted(names), spare[0]))
    return "Off by %.1f %%, with %s of %d in 32 bits." % (100 * off, _counted(names), sum(
        graph_floats(graph, node.name) for node in graph.node))


def graph_floats(graph, name):
    """Whether the node of this name computes floating point numbers."""
    return any(node.name == name and "T" in node.attr and node.attr["T"].type == 1 for node in graph.node)


def _counted(names):
    return "%d node%s" % (len(set(names)), "" if len(set(names)) == 1 else "s")


HINTS = {
    "08.1": ("Convert and parse it, as it came. The parser's message names a node, and says what it does not like about it.",
             "Unsupported operation means that UFF has no word for it, and that no plugin has this name. Unsupported binary "
             "op means that the operation is known, but not with a constant on this side."),
    "08.2": ("There are two kinds of remedy: a plugin that computes the operation, or the same sum written with operations "
             "that the parser takes. `uffsurgeon check` names one for many troubles.",
             "LeakyRelu has a plugin of NVIDIA's, see page 03. The maximum of x and c is relu of x less c, plus c. And a sum"
             " of just two tensors has a plainer name."),
    "08.3": ("No message will help. Draw the errors of all layers: the first orange bar is the culprit, those below are its "
             "victims. Print the parser's table for it, and the shape that TensorFlow has there.",
             "Before the first convolution the parser's sizes are rows, columns, channels, behind it channels, rows, columns. "
             "Is one smaller than TensorFlow's? Are they 7, 7, 8 in both: which axes were cut? Are they 8, 8, 8 in both: the "
             "numbers lie in another order, and a constant that is added to them was made for TensorFlow's."),
    "08.4": ("Zeros lost in front of a convolution: that one can pad by itself, and the Pad goes. A wrong cut or order: in "
             "front of a Reshape, even one that changes no size, the parser goes back to rows, columns, channels.",
             "Without the Pad: its reader reads input_1, and that node's padding becomes SAME. With a Reshape: it reads what "
             "the culprit read first, and a constant of int32, -1, 8, 8, 8; the culprit then reads the Reshape. Their names "
             "are the culprit's whole name with /Reshape and /shape behind it; by these the recordings are found."),
    "08.5": ("Do as for the silent fault, but compare TensorFlow in 32 bits with TensorFlow in 16. Small errors everywhere "
             "are normal; a jump is not.",
             "Print the largest and the smallest number that the layer sees and gives in 32 bits. FP16 ends at 65504, "
             "becomes zero below 6e-8, and at 2048 has steps of two."),
    "08.6": ("Which nodes stand between the last number that fits into 16 bits and the next that does?",
             "All nodes of that layer belong together: as soon as one of them computes in 16 bits, what it reads and gives "
             "passes through 16 bits. Nodes of other layers can stay in 16."),
}
