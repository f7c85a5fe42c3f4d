"""The patients of page 08: each of the 27 shows its symptoms, can be diagnosed and mended, and a wrong repair is refused."""
import functools

import numpy as np
import pytest

import uffparser
from helpers import page, patients, process, run, through_uff
from helpers.patients import admitted
from notebooks import checks
from notebooks.checks import notebook_08
from uffsurgeon import check, graphsurgeon, to_onnx, uff

OUTPUTS = list(patients.OUTPUTS)
# Three that have each fault once; the others take a minute.
SEEDS = [seed if seed in (0, 4, 8) else pytest.param(seed, marks=[pytest.mark.slow, pytest.mark.once]) for seed in range(27)]


@functools.lru_cache(maxsize=None)
def admit(seed):
    process.prepare_tensorflow()
    return patients.admit(seed)


def to_uff(graph):
    with page.silence():
        return uff.from_tensorflow(graph, OUTPUTS, quiet=True)


def ask(graph):
    """What NVIDIA's parser says: run here, or recorded."""
    return through_uff.parse(to_uff(graph), say=lambda line: None)


def off(patient, found):
    return max(through_uff.errors(patient.answers, found).values())


def in_half(patient, keep=()):
    with np.errstate(all="ignore"):
        return off(patient, run.tensorflow(patients.half(patient.graph(), keep), patient.images, OUTPUTS))


def test_27_seeds_are_27_combinations():
    assert len({admitted.kinds(seed) for seed in range(27)}) == 27
    first = [set(each) for each in zip(*(admitted.kinds(seed) for seed in (0, 4, 8)))]
    assert [len(each) for each in first] == [3, 3, 3], "those that are not slow have each fault once"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_symptoms(seed):
    patient = admit(seed)
    assert off(patient, run.tensorflow(patient.graph(), patient.images, OUTPUTS)) < 1e-6, "Keras and the frozen graph"
    loud = ask(patient.graph())
    assert not loud.ok and len(loud.log) == 1 and " %s/" % patient.faults["loud"].scope in loud.log[0]
    silent = ask(patient.graph("loud"))
    assert silent.ok and not silent.log and len(silent.outputs) == 2
    assert off(patient, through_uff.answers(silent, patient.images, OUTPUTS)) > 0.1
    well = ask(patient.graph(("loud", "silent")))
    assert well.ok and off(patient, through_uff.answers(well, patient.images, OUTPUTS)) < notebook_08.EQUAL / 3
    assert not in_half(patient) < 2 * notebook_08.LOW, "far off, or no number"
    assert in_half(patient, patient.faults["low"].cure) < notebook_08.LOW / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_layer_by_layer_search_leads_to_the_silent_and_the_low_fault(seed):
    """As the page does it: the first node that is wrong is one of the fault."""
    patient = admit(seed)
    parsed, graph = ask(patient.graph("loud")), patient.graph()
    names = [node.name for node in graph.node if node.input and node.name in uffparser.tensors(parsed)]
    expected = run.tensorflow(graph, patient.images, names)
    errors = through_uff.errors(expected, through_uff.answers(parsed, patient.images, names))
    wrong = [name for name in names if not errors[name] < 1e-3]
    assert wrong[0].split("/")[0] == patient.faults["silent"].scope
    names = [node.name for node in graph.node if notebook_08.graph_floats(graph, node.name)]
    with np.errstate(all="ignore"):
        errors = through_uff.errors(run.tensorflow(graph, patient.images, names),
                                    run.tensorflow(patients.half(graph), patient.images, names))
    wrong = [name for name in names if not errors[name] < notebook_08.LOW]
    assert wrong[0].split("/")[0] == patient.faults["low"].scope


@pytest.mark.parametrize("seed", SEEDS)
def test_diagnoses_are_judged(seed):
    patient = admit(seed)
    for number, kind in (("08.1", "loud"), ("08.3", "silent"), ("08.5", "low")):
        fault = patient.faults[kind]
        nodes = [node for node in patient.graph().node if node.name.split("/")[0] == fault.scope]
        for victim in [node for node in nodes if node.name in notebook_08.VICTIMS]:
            verdict, said = checks.judge(number, (victim.name, fault.complaint), patient)
            assert verdict is False and "%s is wrong in 16 bits, but so is what it reads" % victim.name in said
        nodes = [node for node in nodes if node.name not in notebook_08.VICTIMS]
        for name in (fault.scope, nodes[-1].name, nodes[-1].name + ":0", nodes[-1], " %s " % fault.scope):
            verdict, said = checks.judge(number, (name, fault.complaint), patient)
            assert verdict is True, said
        assert checks.judge(number, [fault.scope, fault.complaint.upper()], patient)[0]
        for answer, words in (((fault.scope, "wrong axis"), "%s is the node. But 'wrong axis' means" % fault.scope),
                              (("conv_1/Relu", fault.complaint), "conv_1/Relu"),
                              (("kind/Softmax", fault.complaint), "kind/Softmax"),
                              (("conv_9", fault.complaint), "no node 'conv_9'; did you mean 'conv_"),
                              ((fault.scope, "overflows"), "nobody complains of 'overflows'; did you mean 'overflow'"),
                              ((fault.scope,), "give two things"), (fault.scope, "yours is a str"), ((3, 4), "strings"),
                              ([], "yours is a list")):
            verdict, said = checks.judge(number, answer, patient)
            assert verdict is False and words in said, said


def as_another(graph, op="LReLU_TRT", slope=None):
    """The wrong operation, plugin or slope in the place of the loud node."""
    for node in list(graph.find_nodes_by_op({"LeakyRelu", "Maximum", "AddN"})):
        if node.op == "LeakyRelu":
            slope = node.attr["alpha"].f if slope is None else slope
            plugin = graphsurgeon.create_plugin_node(node.name, op=op, negSlope=slope)
            graph.collapse_namespaces({node.name: plugin})
        elif node.op == "Maximum":
            node.op, node.input[:] = "Relu", node.input[:1]
        else:
            node.op = "Sub"
    return graph


def half_way(graph):
    """Only a part of the repair of a silent fault."""
    for node in list(graph.find_nodes_by_op("Pad")):
        graph.forward_inputs([node])
    for node in list(graph.find_nodes_by_path("crop/strided_slice")) + list(graph.find_nodes_by_path("place/Add")):
        graph.forward_inputs([node])


@pytest.mark.parametrize("seed", SEEDS)
def test_repairs_are_judged(seed):
    patient = admit(seed)
    loud, silent = patient.faults["loud"].cure, patient.faults["silent"].cure

    def by_value(graph):
        loud(graph)
        return graph

    def both(graph):
        silent(graph)
        return loud(graph)

    def elsewhere(graph):
        admitted.reshape_in_front(graph, "conv_3a/Conv2D", (16, 16, 8))

    for right in (loud, by_value, lambda graph: by_value(graph).as_graph_def(), both):
        verdict, said = checks.judge("08.2", right, patient)
        assert verdict is True, said
    for right in (silent, lambda graph: silent(graph) or graph.as_graph_def()):
        verdict, said = checks.judge("08.4", right, patient)
        assert verdict is True and "NVIDIA's parser agrees with Keras" in said, said
    for number, wrong, words in (
            ("08.2", lambda graph: graph, "the parser still refuses your graph: UffParser"),
            ("08.2", silent, " still "),  # the parser, or where this file is not recorded, the rules
            ("08.2", as_another if patient.faults["loud"].cure is not admitted.leaky_as_plugin else functools.partial(
                as_another, slope=0.3), "your graph computes something else than Keras"),
            ("08.2", lambda graph: type(graph.as_graph_def())(), "your graph has no nodes"),
            ("08.2", lambda graph: 3, "a graph is expected"),
            ("08.2", lambda graph: graph.remove(graph.find_nodes_by_path("kind/.*")), "the output kind/Softmax is gone"),
            ("08.2", lambda graph: graph.node_map["nonsense"], "your function raised KeyError: "),
            ("08.4", lambda graph: graph, "still answers something else: off by"),
            ("08.4", half_way, "your graph"),
            ("08.4", elsewhere, "the parser refuses" if uffparser.find() else "`uffsurgeon check` says of")):
        verdict, said = checks.judge(number, wrong, patient)
        assert verdict is False and words in said, said


def test_a_misspelt_plugin_is_no_repair():
    verdict, said = checks.judge("08.2", lambda graph: as_another(graph, "LRelu_TRT"), admit(0))
    assert verdict is False and "the file of your graph cannot be computed" in said, said


def test_a_repair_whose_file_is_not_recorded_is_judged_by_the_rules(monkeypatch):
    """As on a machine without the parser: the reader's names for new nodes are in no recording."""
    patient = admit(4)
    monkeypatch.setattr(uffparser, "find", lambda: None)
    original = admitted._node

    def renamed(graph, name, *more, **types):
        return original(graph, "mine/" + name, *more, **types)

    monkeypatch.setattr(admitted, "_node", renamed)
    for number, kind in (("08.2", "loud"), ("08.4", "silent")):
        verdict, said = checks.judge(number, patient.faults[kind].cure, patient)
        assert verdict is True and "is not recorded" in said, said


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_kept_in_32_bits_is_judged(seed):
    patient = admit(seed)
    cure = list(patient.faults["low"].cure)
    for right in (cure, tuple(cure), set(cure), cure + ["conv_3a/Conv2D"],
                  [node for node in patient.graph().node if node.name in cure]):
        verdict, said = checks.judge("08.6", right, patient)
        assert verdict is True, said
    everything = [node.name for node in patient.graph().node]
    for wrong, words in ((cure[:-1], "in 32 bits the answers"), (cure[1:], "in 32 bits the answers"),
                         ([], "with 0 nodes in 32 bits"), (everything, "and each costs time"), (cure[0], "yours is a str"),
                         (cure + ["nonsense"], "no node 'nonsense'"), (["conv_1/Conv2D"], "with 1 node in 32 bits"),
                         ([3], "the names are strings")):
        verdict, said = checks.judge("08.6", wrong, patient)
        assert verdict is False and words in said, said


def test_the_check_without_the_patient_asks_for_it():
    for number in ("08.1", "08.2", "08.3", "08.4", "08.5", "08.6"):
        answer = ("act", "overflow") if number in ("08.1", "08.3", "08.5") else (lambda graph: graph) if number < "08.6" else []
        verdict, said = checks.judge(number, answer)
        assert verdict is False and "the check needs your patient, too" in said, said


def test_half_computes_in_16_bits_but_for_what_is_kept():
    patient = admit(0)
    graph = patient.graph()
    half = patients.half(graph, ["soft/Exp"])
    kinds = {node.name: node.attr["T"].type for node in half.node if "T" in node.attr}
    assert kinds["soft/Exp"] == 1 and kinds["soft/Log"] == 19 and kinds["conv_1/Conv2D"] == 19
    assert {node.name for node in graph.node} <= {node.name for node in half.node}
    assert graph == patient.graph(), "the graph that it was given is as it was"
    assert patients.half(graph, [node.name for node in graph.node]) == graph
    with pytest.raises(ValueError, match="no node 'soft/Ex' in the graph; did you mean 'soft/Exp'"):
        patients.half(graph, ["soft/Ex"])
    found = run.tensorflow(patients.half(graph), patient.images, ["conv_1/Relu"])["conv_1/Relu"]
    assert np.array_equal(found, found.astype(np.float16)) and found.std() > 0


def test_admit_and_graph_refuse_nonsense():
    for seed in (-1, "1", 1.5, None):
        with pytest.raises(ValueError, match="the seed is a whole number"):
            patients.admit(seed)
    with pytest.raises(ValueError, match="only 'loud' and 'silent'"):
        admit(0).graph("low")


def test_a_later_seed_has_the_faults_of_an_earlier_one_and_other_weights():
    assert {kind: fault.complaint for kind, fault in patients.admit(30).faults.items()} == {
        kind: fault.complaint for kind, fault in patients.admit(3).faults.items()}
    assert not np.allclose(patients.admit(30).answers[OUTPUTS[0]], patients.admit(3).answers[OUTPUTS[0]])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rules_name_what_the_parser_does(seed):
    """`uffsurgeon check` finds the loud and the silent fault, and nothing in the mended graph."""
    patient = admit(seed)
    found = [finding.node.split("/")[0] for finding in check.check(to_uff(patient.graph("loud"))) if finding.level == "error"]
    assert found == [patient.faults["silent"].scope]
    assert not [each for each in check.check(to_uff(patient.graph(("loud", "silent")))) if each.level == "error"]
    assert off(patient, run.onnx(to_onnx.convert(to_uff(patient.graph(("loud", "silent")))), patient.images)) < 1e-4
