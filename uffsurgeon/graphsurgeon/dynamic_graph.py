"""A GraphDef to change: remove, forward, collapse, append, connect."""
import collections
import warnings

from uffsurgeon import protobuf
from uffsurgeon.graphs import find_cycle
from uffsurgeon.names import not_found, producer
from uffsurgeon.names import tensor as _tensor

from .static_graph import StaticGraph


class DynamicGraph(StaticGraph):
    """A GraphDef to change, in place. Made from the same things as a StaticGraph.

    A call that raises has changed nothing.
    """

    def append(self, node):
        """Add a copy of a NodeDef at the end. Raises TypeError, ValueError for a name that is taken."""
        self.extend([node])

    def extend(self, nodes):
        """Add copies of several NodeDefs; as append."""
        nodes, taken = list(nodes), set(self.node_map)
        for node in nodes:
            _require_node(node)
            if node.name in taken:
                raise ValueError("Node %s already in the graph" % node.name)
            taken.add(node.name)
        for node in nodes:
            protobuf.copy(node, self._nodes.add())
        self.changed()

    def add(self, node):
        """append for a NodeDef, extend for a list of them."""
        self.extend([node] if hasattr(node, "input") else node)

    def connect(self, who, to_whom, error_if_connected=False):
        """Let node `to_whom` read `who` as its last input, unless it does already."""
        who, reader = self._one(who), self._one(to_whom)
        if who.name in map(_tensor, reader.input):
            if error_if_connected:
                raise ValueError("'%s' reads '%s' already" % (reader.name, who.name))
            return
        reader.input.append(who.name)
        self.changed()

    def disconnect(self, who, from_whom, error_if_not_connected=False):
        """Let node `from_whom` no longer read `who`."""
        name, reader = _name(who), self._one(from_whom)
        kept = [each for each in reader.input if producer(each) != name]
        if len(kept) == len(reader.input) and error_if_not_connected:
            raise ValueError("'%s' does not read '%s'" % (reader.name, name))
        reader.input[:] = kept
        self.changed()

    def sort(self, name, input_list, error_if_not_found=True):
        """Put the inputs in `input_list` first among those of node `name`, in that order."""
        node, first = self._one(name), [_name(each) for each in input_list]
        for each in first:
            if each not in node.input and error_if_not_found:
                raise not_found("input of '%s'" % node.name, each, list(node.input))
        rest = [each for each in node.input if each not in first]
        node.input[:] = [each for each in first if each in node.input] + rest
        self.changed()

    def remove(self, nodes, remove_exclusive_dependencies=False):
        """Take nodes out; what read them loses that input and is named in a warning.

        nodes: a name, a NodeDef, or several of either.
        remove_exclusive_dependencies: also what only the removed nodes read, and so on upwards.
        Raises ValueError for a name that is no node's, with the nearest.
        """
        gone = {node.name for node in self._some(nodes)}
        todo = list(gone) if remove_exclusive_dependencies else []
        while todo:
            for name in map(producer, self.node_map[todo.pop()].input):
                readers = self.node_outputs.get(name, ())
                if name in self.node_map and name not in gone and all(r.name in gone for r in readers):
                    gone.add(name)
                    todo.append(name)
        keep = {node.name: [i for i in node.input if producer(i) not in gone]
                for node in self._readers(gone)}
        self._apply(gone, keep)

    def forward_inputs(self, nodes):
        """Take nodes out and let what read them read their inputs instead, in the same place.

        A node with control inputs stays as it is, and a warning says so.
        Raises ValueError for an unknown node and for one of which a second output is read.
        """
        chosen = {node.name: node for node in self._some(nodes)}
        held = [name for name, node in chosen.items() if any(i[:1] == "^" for i in node.input)]
        for name in held:
            del chosen[name]
        loop = find_cycle({name: list(map(producer, node.input)) for name, node in chosen.items()})
        if loop:
            raise ValueError("%s: a cycle cannot be forwarded" % " reads ".join(map(repr, loop)))

        def expand(text):
            found, todo = [], [text]
            while todo:
                each = todo.pop()
                name, control = producer(each), each[:1] == "^"
                if name not in chosen:
                    found.append(each)
                    continue
                if not control and _tensor(each) != name:
                    raise ValueError("'%s' is read: the inputs of '%s' can stand for its first output "
                                     "only" % (each, name))
                inputs = chosen[name].input
                todo += reversed(["^" + producer(i) for i in inputs] if control else list(inputs))
            return found

        new = {node.name: [f for each in node.input for f in expand(each)]
               for node in self._readers(chosen)}
        self._apply(set(chosen), new)
        if held:
            warnings.warn("not forwarded, because of their control inputs: %s" % held, stacklevel=2)

    def collapse_namespaces(self, namespace_map, exclude_nodes=(), unique_inputs=True):
        """Put one plugin node in the place of all nodes of a namespace.

        namespace_map: {"path/of/namespace": NodeDef}. The namespace `a/b` is the node `a/b` and all
            below `a/b/`; the deepest namespace wins. One NodeDef may stand for several namespaces.
        exclude_nodes: NodeDefs or names that stay outside.
        unique_inputs: the plugin reads each tensor once.
        The plugin takes over what its nodes read from outside, in graph order, after the inputs that
        it had; it stands at the end of the graph, and the caller's NodeDef shows its inputs too.
        Raises ValueError for a namespace that matches nothing (with the nearest), a name that is
        taken, a plugin whose own inputs are not there, and a cycle.
        """
        excluded = {node.name for node in self._some(exclude_nodes)}
        owner = self._owners(namespace_map, excluded)
        plugins = self._plugins(namespace_map, owner)
        inputs = {name: list(plugin.input) for name, plugin in plugins.items()}
        seen = {name: set(map(_tensor, texts)) for name, texts in inputs.items()}
        handed_out = collections.defaultdict(set)
        for node in self._nodes:
            mine = owner.get(node.name)
            if mine is None:
                continue
            for each in node.input:
                source = owner.get(producer(each))
                if source != mine:
                    text = each if source is None else _replaced(each, source)
                    if not unique_inputs or _tensor(text) not in seen[mine]:
                        inputs[mine].append(text)
                        seen[mine].add(_tensor(text))
                if source not in (None, mine) and each[:1] != "^":
                    handed_out[source].add(_tensor(each))
        new = {}
        for node in self._readers(owner):
            if node.name not in owner:
                new[node.name] = _rewired(node, owner, handed_out)
        self._check_cycles(plugins, inputs, new, owner)
        for name, plugin in plugins.items():
            plugin.input[:] = inputs[name]
        self._apply(set(owner), new, warn=False)
        self.extend(plugins.values())
        for name, tensors in handed_out.items():
            if len(tensors) > 1:
                warnings.warn("%s became the one output of plugin '%s'; who read several of them now "
                              "reads it once" % (sorted(tensors), name), stacklevel=2)

    def _owners(self, namespace_map, excluded):
        """{node name: name of the plugin that takes its place}."""
        owner, used, prefixes = {}, set(), set()
        for node in self._nodes:
            parts = node.name.split("/")
            paths = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
            prefixes.update(paths)
            space = next((path for path in paths if path in namespace_map), None)
            if space is not None and node.name not in excluded:
                owner[node.name] = _require_node(namespace_map[space]).name
                used.add(space)
        for space in namespace_map:
            if space in prefixes and space not in used:
                raise ValueError("all nodes of namespace '%s' are excluded or belong to a deeper one"
                                 % space)
            if space not in used:
                raise not_found("node of namespace", space, prefixes)
        return owner

    def _plugins(self, namespace_map, owner):
        """{name: NodeDef}, in the map's order."""
        plugins = collections.OrderedDict()
        for plugin in namespace_map.values():
            if plugins.setdefault(plugin.name, plugin) is not plugin:
                raise ValueError("two plugin nodes are called '%s'; map both namespaces to one node "
                                 "or give them two names" % plugin.name)
            if plugin.name in self.node_map and plugin.name not in owner:
                raise ValueError("the name '%s' of a plugin is that of a node outside of its "
                                 "namespace" % plugin.name)
        for plugin in plugins.values():
            for each in map(producer, plugin.input):
                if each not in plugins and (each not in self.node_map or each in owner):
                    raise ValueError("plugin '%s' reads '%s', which will not be in the graph. A plugin "
                                     "node keeps its inputs from collapse to collapse: make a new one"
                                     % (plugin.name, each))
        return plugins

    def _check_cycles(self, plugins, inputs, new, owner):
        """ValueError if a plugin would read, through nodes that stay, what it computes itself."""
        reads = {name: list(map(producer, texts)) for name, texts in inputs.items()}
        for node in self._nodes:
            if node.name not in owner:
                reads[node.name] = list(map(producer, new.get(node.name, node.input)))
        loop = find_cycle(reads, plugins)
        if loop:
            raise ValueError("collapsing makes a cycle: %s. A node between the collapsed ones lies "
                             "outside of the namespace; collapse it too, or exclude more"
                             % " reads ".join("'%s'" % name for name in loop))

    def _one(self, node):
        return self._get(_name(node))

    def _some(self, nodes):
        """NodeDefs of this graph for a name, a NodeDef, or several of either."""
        single = isinstance(nodes, str) or hasattr(nodes, "input")
        return [self._one(node) for node in ([nodes] if single else nodes)]

    def _readers(self, names):
        """Nodes that read one of `names`, each once, in no particular order."""
        return {id(node): node for name in names for node in self.node_outputs.get(name, ())}.values()

    def _apply(self, gone, new, warn=True):
        """Give nodes their `new` inputs {name: inputs}, then delete those in `gone`."""
        short = []
        for node in self._nodes:
            if node.name in new and node.name not in gone:
                before, after = _data(node.input), _data(new[node.name])
                if len(after) < len(before):
                    short.append("'%s' (%s) reads %s and no longer %s" % (
                        node.name, node.op, after, [each for each in before if each not in after]))
                node.input[:] = new[node.name]
        for index in reversed(range(len(self._nodes))):
            if self._nodes[index].name in gone:
                del self._nodes[index]
        self.changed()
        if warn and short:
            warnings.warn("inputs are missing: " + "; ".join(short), stacklevel=3)


def remove_duplicates(graph):
    """Drop nodes whose name an earlier node has, and control inputs that are repeated.

    Repeated data inputs stay: `Mul(x, x)` needs both. Returns the graph, changed in place.
    """
    seen, later = set(), []
    for index, node in enumerate(graph):
        if node.name in seen:
            later.append(index)
        seen.add(node.name)
        kept = [each for at, each in enumerate(node.input)
                if each[:1] != "^" or each not in node.input[:at]]
        if len(kept) < len(node.input):
            node.input[:] = kept
    for index in reversed(later):
        del graph._nodes[index]
    graph.changed()
    return graph


def _name(node):
    return node if isinstance(node, str) else _require_node(node).name


def _require_node(node):
    if not hasattr(node, "input") or not hasattr(node, "attr"):
        raise TypeError("a NodeDef (or, where a name will do, a str) was expected, not %r" % (node,))
    return node


def _data(inputs):
    return [each for each in inputs if each[:1] != "^"]


def _replaced(text, source):
    return "^" + source if text[:1] == "^" else source


def _rewired(node, owner, handed_out):
    """The inputs of a node outside, with plugin names for what was collapsed.

    Different tensors of one plugin become one input, at the place of the first; the same tensor read
    twice stays two inputs.
    """
    inputs, stands_for = [], {}
    for text in node.input:
        source = owner.get(producer(text))
        if source is None:
            inputs.append(text)
        elif text[:1] == "^":
            inputs += [each for each in ["^" + source] if each not in inputs]
        else:
            handed_out[source].add(_tensor(text))
            if stands_for.setdefault(source, _tensor(text)) == _tensor(text):
                inputs.append(source)
    return inputs
