"""A GraphDef to change: remove, forward, collapse, append, connect."""
import collections
import itertools
import warnings

from uffsurgeon import protobuf
from uffsurgeon.graphs import find_cycle, sentence
from uffsurgeon.names import not_found, producer
from uffsurgeon.names import tensor as _tensor

from .static_graph import StaticGraph

MOST_INPUTS = 1000000  # inputs that forward_inputs may give to the nodes of a graph


class DynamicGraph(StaticGraph):
    """A GraphDef to change, in place. Made from the same things as a StaticGraph, with the same errors.

    Where a node of the graph is wanted, its name or a NodeDef of that name will do; a name that the graph does not have
    raises ValueError with the most similar names, anything else TypeError. A call that raises has changed nothing.

        >>> graph = DynamicGraph("box3d.pb")
    """

    def append(self, node):
        """Add a copy of a NodeDef at the end. Raises ValueError if its name is taken, TypeError if it is not a NodeDef.

            >>> graph.append(protobuf.graph_def_class()().node.add(name="x", op="Placeholder"))
            >>> graph["x"].op
            'Placeholder'
        """
        self.extend([node])

    def extend(self, nodes):
        """Add copies of several NodeDefs; as append.

            >>> graph.extend(protobuf.graph_def_class()().node.add(name=name, op="Placeholder") for name in "xy")
            >>> [node.name for node in graph[-2:]]
            ['x', 'y']
        """
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
        """append for a NodeDef, extend for a list of them.

            >>> graph.add(protobuf.graph_def_class()().node.add(name="x", op="Placeholder"))
            >>> len(graph)
            122
        """
        self.extend([node] if hasattr(node, "input") else node)

    def connect(self, who, to_whom, error_if_connected=False):
        """Make node `who` the last input of node `to_whom`, unless it is an input already.

        error_if_connected: raise ValueError if it is.

            >>> graph.connect("input_1", "confidence/Softmax")
            >>> [str(name) for name in graph["confidence/Softmax"].input]
            ['confidence/BiasAdd', 'input_1']
        """
        who, reader = self._one(who), self._one(to_whom)
        if who.name in map(_tensor, reader.input):
            if error_if_connected:
                raise ValueError("'%s' reads '%s' already" % (reader.name, who.name))
            return
        reader.input.append(who.name)
        self.changed()

    def disconnect(self, who, from_whom, error_if_not_connected=False):
        """Remove node `who` from the inputs of node `from_whom`.

        error_if_not_connected: raise ValueError if it is not among them.

            >>> graph.disconnect("confidence/BiasAdd", "confidence/Softmax")
            >>> len(graph["confidence/Softmax"].input)
            0
        """
        name, reader = _name(who), self._one(from_whom)
        kept = [text for text in reader.input if producer(text) != name]
        if len(kept) == len(reader.input) and error_if_not_connected:
            raise ValueError("'%s' does not read '%s'" % (reader.name, name))
        reader.input[:] = kept
        self.changed()

    def sort(self, name, input_list, error_if_not_found=True):
        """Move the inputs in `input_list` to the front of those of node `name`, in that order.

        error_if_not_found: raise ValueError if one of them is not an input of the node.

            >>> graph.sort("dense_1/BiasAdd", ["dense_1/bias"])
            >>> [str(name) for name in graph["dense_1/BiasAdd"].input]
            ['dense_1/bias', 'dense_1/MatMul']
        """
        node, first = self._one(name), [_name(source) for source in input_list]
        for text in first:
            if text not in node.input and error_if_not_found:
                raise not_found("input of '%s'" % node.name, text, list(node.input))
        rest = [text for text in node.input if text not in first]
        node.input[:] = [text for text in first if text in node.input] + rest
        self.changed()

    def remove(self, nodes, remove_exclusive_dependencies=False):
        """Remove nodes. Their consumers lose that input; a warning names those that lose a data input.

        nodes: a name, a NodeDef, or several of either.
        remove_exclusive_dependencies: also remove what only the removed nodes read, and so on towards the inputs.

            >>> graph.remove(graph.find_nodes_by_path("orientation/l2_normalize.*"))
            >>> len(graph)
            115
        """
        removed = {node.name for node in self._some(nodes)}
        todo = list(removed) if remove_exclusive_dependencies else []
        left = {}  # name -> how many inputs refer to it, those of the nodes that were done left out
        while todo:
            for name in map(producer, self.node_map[todo.pop()].input):
                left[name] = left.get(name, len(self.node_outputs[name])) - 1
                if not left[name] and name in self.node_map and name not in removed:
                    removed.add(name)
                    todo.append(name)
        kept = {node.name: [text for text in node.input if producer(text) not in removed] for node in self._readers(removed)}
        self._apply(removed, kept)

    def forward_inputs(self, nodes):
        """Remove nodes, and put their inputs in their place in the inputs of their consumers.

        nodes: a name, a NodeDef, or several of either. A node with control inputs stays as it is, with a warning.
        Raises ValueError for a node of which a second output is read, for nodes that form a cycle, and for nodes that would
        leave others with more than a million inputs (each of 20 nodes may double their number).

            >>> graph.forward_inputs(graph.find_nodes_by_op("LeakyRelu"))
            >>> str(graph["dense_2/MatMul"].input[0])
            'dense_1/BiasAdd'
        """
        chosen = {node.name: node for node in self._some(nodes)}
        controlled = [name for name, node in chosen.items() if any(text[:1] == "^" for text in node.input)]
        for name in controlled:
            del chosen[name]
        loop = find_cycle({name: list(map(producer, node.input)) for name, node in chosen.items()})
        if loop:
            raise ValueError("%s: a cycle cannot be forwarded" % sentence(loop))
        ends, steps = {}, itertools.count()

        def end(text):  # of a chain of nodes with one input
            chain = []
            while text not in ends:
                name, control = producer(text), text[:1] == "^"
                inputs = chosen[name].input if name in chosen and (control or _tensor(text) == name) else ()
                if len(inputs) == 1:
                    chain.append(text)
                    text = "^" + producer(inputs[0]) if control else inputs[0]
                else:
                    ends[text] = text
            ends.update(dict.fromkeys(chain, ends[text]))
            return ends[text]

        def expand(text):
            found, todo = [], [text]
            while todo:
                text = end(todo.pop())
                if next(steps) == MOST_INPUTS:
                    raise ValueError("forwarding these %d nodes gives others more than %d inputs: forward fewer" % (
                        len(chosen), MOST_INPUTS))
                name, control = producer(text), text[:1] == "^"
                if name not in chosen:
                    found.append(text)
                    continue
                if not control and _tensor(text) != name:
                    raise ValueError("'%s' is read: the inputs of '%s' can replace its first output only" % (text, name))
                inputs = chosen[name].input
                todo += reversed(["^" + producer(source) for source in inputs] if control else list(inputs))
            return found

        new = {node.name: [source for text in node.input for source in expand(text)] for node in self._readers(chosen)}
        self._apply(set(chosen), new)
        if controlled:
            warnings.warn("not forwarded, because of their control inputs: %s" % controlled, stacklevel=2)

    def collapse_namespaces(self, namespace_map, exclude_nodes=(), unique_inputs=True):
        """Replace all nodes of a namespace by one plugin node.

        namespace_map: {"path/of/namespace": NodeDef}. The namespace `a/b` is the node `a/b` and all nodes below `a/b/`; of
            two namespaces in the map the deeper one wins. One NodeDef may replace several namespaces.
        exclude_nodes: NodeDefs or names that stay.
        unique_inputs: the plugin reads each tensor once.
        The plugin reads what its nodes read from outside, in graph order, after the inputs that it had. It is the last node
        of the graph; the NodeDef in the map gets the inputs, too. A namespace without nodes is left out, with a line that
        names it, if another one has some: one map may serve several models.
        Freezing merges equal constants, and so a namespace may hold a constant that other nodes read, too. Such a constant
        stays in the graph for the nodes outside. For those in another namespace it counts as one of theirs, as it was before
        it was merged, and is no input of their plugin.
        Raises ValueError if none of the namespaces has nodes, for a name that is taken, a plugin of which an input is not in
        the graph, and a cycle.

            >>> from uffsurgeon import graphsurgeon as gs
            >>> graph.collapse_namespaces({"leaky_re_lu_1": gs.create_plugin_node("leaky", op="LReLU_TRT", negSlope=0.1)})
            >>> [str(name) for name in graph["leaky"].input]
            ['dense_1/BiasAdd']
        """
        excluded = {node.name for node in self._some(exclude_nodes)}
        owner, absent = self._owners(namespace_map, excluded)
        plugins = self._plugins({space: node for space, node in namespace_map.items() if space not in absent}, owner)
        inputs = {name: list(plugin.input) for name, plugin in plugins.items()}
        seen = {name: set(map(_tensor, texts)) for name, texts in inputs.items()}
        outputs = collections.defaultdict(set)  # name of a plugin -> the tensors of its namespace that others read
        merged = self._merged_constants(owner, plugins)
        read = {(name, text) for name, texts in inputs.items() for text in texts if text[-2:] == ":0"}
        for node in self._nodes:
            plugin = owner.get(node.name)
            if plugin is None:
                continue
            for text in node.input:
                source = owner.get(producer(text))
                if producer(text) in merged and source is not None:
                    continue
                if source != plugin:
                    new = text if source is None else "^" + source if text[:1] == "^" else source
                    if not unique_inputs or _tensor(new) not in seen[plugin]:
                        inputs[plugin].append(new)
                        seen[plugin].add(_tensor(new))
                if source not in (None, plugin) and text[:1] != "^":
                    outputs[source].add(_tensor(text))
                elif text[-2:] == ":0" and plugins[plugin].op == "Placeholder" and (plugin, text) not in read:
                    # NVIDIA's version leaves it there, and public configs remove it: input.remove("image_tensor:0").
                    # Whatever a Placeholder reads does not matter, its values are fed.
                    inputs[plugin].append(text)
                    read.add((plugin, text))
        for name in merged:
            if any(reader.name not in owner for reader in self.node_outputs[name]):
                del owner[name]
        new = {node.name: _rewired(node, owner, outputs) for node in self._readers(owner) if node.name not in owner}
        self._check_cycles(plugins, inputs, new, owner)
        for name, plugin in plugins.items():
            plugin.input[:] = inputs[name]
        self._apply(set(owner), new, warn=False)
        self.extend(plugins.values())
        if absent:
            print("collapse_namespaces: the graph has no nodes of %s" % ", ".join(map(repr, absent)))
        for name, tensors in outputs.items():
            if len(tensors) > 1:
                warnings.warn("%s became the one output of plugin '%s'; a node that read several of them now reads it once" % (
                    sorted(tensors), name), stacklevel=2)

    def _owners(self, namespace_map, excluded):
        """({node name: name of the plugin that replaces it}, namespaces of which the graph has no node)."""
        owner, used, present = {}, set(), set()
        lengths = sorted(set(map(len, namespace_map)), reverse=True)  # a name may have very many parts
        for node in self._nodes:
            text = node.name + "/"
            spaces = [text[:length] for length in lengths if text[length:length + 1] == "/" and text[:length] in namespace_map]
            present.update(spaces)
            if spaces and node.name not in excluded:
                owner[node.name] = _require_node(namespace_map[spaces[0]]).name
                used.add(spaces[0])
        for space in namespace_map:
            if space in present and space not in used:
                raise ValueError("all nodes of namespace '%s' are excluded or belong to a deeper one" % space)
        absent = [space for space in namespace_map if space not in used]
        if absent and not used:
            raise not_found("node of namespace", absent[0], {
                "/".join(parts[:depth]) for parts in [node.name.split("/") for node in self._nodes]
                for depth in range(1, min(len(parts), 20) + 1)})
        return owner, absent

    def _merged_constants(self, owner, plugins):
        """Names of the constants that nodes of their own namespace read, and nodes of another one or of none, too."""
        merged = set()
        for node in self._nodes:
            if node.op == "Const" and node.name in owner and node.name not in plugins:
                readers = {owner.get(reader.name) for reader in self.node_outputs.get(node.name, ())}
                if len(readers) > 1 and owner[node.name] in readers:
                    merged.add(node.name)
        return merged

    def _plugins(self, namespace_map, owner):
        """{name: NodeDef}, in the map's order."""
        plugins = collections.OrderedDict()
        for plugin in namespace_map.values():
            if plugins.setdefault(plugin.name, plugin) is not plugin:
                raise ValueError("two plugin nodes are called '%s'; map both namespaces to one node or give them two names"
                                 % plugin.name)
            if plugin.name in self.node_map and plugin.name not in owner:
                raise ValueError("the name '%s' of a plugin is that of a node outside of its namespace" % plugin.name)
        for plugin in plugins.values():
            for name in map(producer, plugin.input):
                if name not in plugins and (name not in self.node_map or name in owner):
                    raise ValueError("plugin '%s' reads '%s', which will not be in the graph. A plugin node keeps its inputs "
                                     "after a collapse: make a new one for the next" % (plugin.name, name))
        return plugins

    def _check_cycles(self, plugins, inputs, new, owner):
        """ValueError if a plugin would read, through nodes that stay, what it computes itself."""
        reads = {name: list(map(producer, texts)) for name, texts in inputs.items()}
        for node in self._nodes:
            if node.name not in owner:
                reads[node.name] = list(map(producer, new.get(node.name, node.input)))
        loop = find_cycle(reads, plugins)
        if loop:
            raise ValueError("collapsing makes a cycle: %s. A node between the collapsed ones lies outside of the namespace; "
                             "collapse it too, or exclude more" % sentence(loop))

    def _one(self, node):
        return self._get(_name(node))

    def _some(self, nodes):
        """NodeDefs of this graph for a name, a NodeDef, or several of either."""
        single = isinstance(nodes, str) or hasattr(nodes, "input")
        return [self._one(node) for node in ([nodes] if single else nodes)]

    def _readers(self, names):
        """The nodes that read one of `names`, without repetition, in no particular order."""
        return {id(node): node for name in names for node in self.node_outputs.get(name, ())}.values()

    def _apply(self, removed, new, warn=True):
        """Set the inputs of nodes to `new` {name: inputs}, then delete the nodes `removed`."""
        short = []
        for node in self._nodes:
            if node.name in new and node.name not in removed:
                before, after = _data(node.input), _data(new[node.name])
                if len(after) < len(before):
                    short.append("'%s' (%s) reads %s and no longer %s" % (
                        node.name, node.op, after, [text for text in before if text not in after]))
                node.input[:] = new[node.name]
        protobuf.delete(self._nodes, lambda node: node.name in removed)
        self.changed()
        if warn and short:
            warnings.warn("inputs are missing: " + "; ".join(short), stacklevel=3)


def remove_duplicates(graph):
    """Remove nodes with the name of an earlier node, and repeated control inputs, from a DynamicGraph, in place.

    Repeated data inputs stay: `Mul(x, x)` needs both. Returns the graph.

        >>> len(remove_duplicates(DynamicGraph("box3d.pb")))
        121
    """
    seen = set()
    for node in graph:
        controls = set()
        kept = [text for text in node.input if text[:1] != "^" or text not in controls and not controls.add(text)]
        if len(kept) < len(node.input):
            node.input[:] = kept
    protobuf.delete(graph._nodes, lambda node: node.name in seen or seen.add(node.name))
    graph.changed()
    return graph


def _name(node):
    return node if isinstance(node, str) else _require_node(node).name


def _require_node(node):
    if not hasattr(node, "input") or not hasattr(node, "attr"):
        raise TypeError("expected a NodeDef, or where a name is enough a str, not %r" % (node,))
    return node


def _data(inputs):
    return [text for text in inputs if text[:1] != "^"]


def _rewired(node, owner, outputs):
    """The inputs of a node outside of the namespaces, with plugin names for the collapsed nodes.

    Different tensors of one plugin become one input, in the place of the first; the same tensor read twice stays two
    inputs. The tensors are added to `outputs`.
    """
    inputs, first, controls = [], {}, set()  # first: plugin -> the tensor that it replaces in these inputs
    for text in node.input:
        source = owner.get(producer(text))
        if source is None:
            inputs.append(text)
            controls.add(text)
        elif text[:1] == "^":
            if "^" + source not in controls:
                inputs.append("^" + source)
                controls.add("^" + source)
        else:
            outputs[source].add(_tensor(text))
            if first.setdefault(source, _tensor(text)) == _tensor(text):
                inputs.append(source)
    return inputs
