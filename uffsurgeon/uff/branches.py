"""Branches and loops of TensorFlow 1: Switch and Merge, of which only one side is left where the condition is a constant."""
from uffsurgeon.graphs import inputs_first
from uffsurgeon.names import producer

from . import constants
from .tensorflow_ops import INFERENCE

SWITCH, MERGE = {"Switch", "RefSwitch"}, {"Merge", "RefMerge"}
CONTROL_FLOW = SWITCH | MERGE | {"Enter", "Exit", "NextIteration", "LoopCond"}


class Branches(object):
    """Which tensors of a graph are never computed, since they lie in a branch that a constant condition rules out.

    nodes: {name: NodeDef}, read when it is asked. constants: a `constants.Constants` of them.
    """

    def __init__(self, nodes, known=None):
        self.nodes, self.constants = nodes, known or constants.Constants(nodes)
        self.dead, self.walked = {}, set()  # dead: {name: True, False, or None if a condition is not a constant}
        self.states, self.sources = {}, {}

    def source(self, node, output):
        """The input that output "0" or "1" of a Switch or Merge passes on, as the graph writes it; else None."""
        if node.op not in SWITCH and node.op not in MERGE:
            return None
        key = (node.name, output)
        if key not in self.sources:
            self.sources[key] = self._source(node, output)
        return self.sources[key]

    def _source(self, node, output):
        inputs = [text for text in node.input if text[:1] != "^"]
        if node.op in SWITCH and len(inputs) == 2:
            taken = self._condition(inputs[1])
            return inputs[0] if taken is not None and output == str(int(taken)) else None
        if node.op in SWITCH or output != "0":
            return None
        states = [self._is_dead(text) for text in inputs]
        return inputs[states.index(False)] if states.count(False) == 1 and None not in states else None

    def _condition(self, text):
        value = self.constants.fold(producer(text))
        return None if value is None or value.size != 1 else bool(value.reshape(-1)[0])

    def _is_dead(self, text):
        for name in inputs_first([producer(text)], self._reads, allow_cycles=True):
            self.walked.add(name)
            node = self.nodes.get(name)
            if name not in self.dead and (node is None or node.op not in SWITCH):
                states = [self._state(each) for each in node.input] if node is not None else []
                together = all if node is not None and node.op in MERGE else any
                dead = together(state is True for state in states)
                self.dead[name] = None if None in states and not dead else dead
        return self._state(text)

    def _reads(self, name):
        node = self.nodes.get(name)
        return [] if node is None or name in self.walked else list(map(producer, node.input))

    def _state(self, text):
        """Of a tensor, or of a control input."""
        passed = []
        while text not in self.states:
            self.states[text] = None  # of a cycle
            passed.append(text)
            name = producer(text)
            node = self.nodes.get(name)
            if node is None or node.op not in SWITCH or len(node.input) < 2:
                del self.states[passed.pop()]  # it may change
                state = self.dead.get(name, False)
                break
            taken = self._condition(node.input[1])
            if taken is None or text[:1] == "^":
                state = None
                break
            if (text[len(name) + 1:] or "0") != str(int(taken)):
                state = True
                break
            text = node.input[0]
        else:
            state = self.states[text]
        self.states.update(dict.fromkeys(passed, state))
        return state


def sentence(nodes, node):
    """The sentence about a branch or a loop of which `node` is a part, and which stays."""
    found, todo, loop = set(), [node.name], False
    while todo:
        above = nodes.get(todo.pop())
        if above is not None and above.name not in found:
            found.add(above.name)
            loop = loop or above.op in ("Enter", "Exit", "NextIteration", "LoopCond")
            if above.op in CONTROL_FLOW or above.op in ("Identity", "LogicalNot", "PlaceholderWithDefault"):
                todo.extend(map(producer, above.input))
    text = "node '%s' (%s) belongs to a %s, and UFF has no control flow. " % (node.name, node.op, "loop" if loop else "branch")
    if loop:
        return text + ("Collapse its namespace into a plugin or an input, as SSD recipes do with \"Preprocessor\"; an LSTM or "
                       "a GRU is built with unroll=True")
    return text + "If it chooses by the learning phase, freeze the graph without that: %s" % INFERENCE
