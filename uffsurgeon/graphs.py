"""Walks over a graph of names: an order in which inputs come first, and cycles.

Both take linear time and no recursion, since a graph from a file may be of any depth.
"""
import collections

from uffsurgeon.names import short


class Cycle(ValueError):
    """A cycle in a graph. names: [a, b, ..., a], each node reading the next."""

    def __init__(self, names):
        ValueError.__init__(self, "the graph has a cycle: %s" % sentence(names))
        self.names = names


def sentence(names):
    """A cycle in words, of a long one the beginning and the end.

        >>> sentence(["a", "b", "a"])
        "'a' reads 'b' reads 'a'"
    """
    words = ["'%s'" % short(str(name)) for name in names]
    return " reads ".join(words if len(words) <= 12 else words[:8] + ["... (%d nodes)" % (len(words) - 1)] + words[-3:])


def inputs_first(roots, reads, allow_cycles=False):
    """Sort nodes so that each comes after those that it reads.

    roots: names to start from.
    reads: function from a name to the names that it reads; what it raises for an unknown name is passed on.
    allow_cycles: skip an input that would close a cycle, instead of raising.
    Returns the list of the roots and all names that they need. Depth first, inputs in their order: equal graphs give
    equal lists. Raises Cycle.

        >>> inputs_first(["y"], {"y": ["a", "x"], "a": ["x"], "x": []}.get)
        ['x', 'a', 'y']
    """
    order, done, path = [], set(), collections.OrderedDict()  # path: name -> iterator over its inputs
    for root in roots:
        if root in done:
            continue
        path[root] = iter(reads(root))
        while path:
            name = next(reversed(path))
            for source in path[name]:
                if source in path:
                    if allow_cycles:
                        continue
                    names = list(path)
                    raise Cycle(names[names.index(source):] + [source])
                if source not in done:
                    path[source] = iter(reads(source))
                    break
            else:
                del path[name]
                done.add(name)
                order.append(name)
    return order


def find_cycle(reads, among=None):
    """A cycle of a graph, or None.

    reads: {name: names that it reads}; a name without an entry reads nothing.
    among: names; only a cycle through one of these counts.
    Returns [a, b, ..., a], each reading the next.

        >>> find_cycle({"a": ["b"], "b": ["x", "a"]})
        ['a', 'b', 'a']
    """
    readers = collections.defaultdict(list)
    for name, names in reads.items():
        for source in names:
            readers[source].append(name)
    # Kosaraju's algorithm: backwards through this order, what `readers` leads to is one strongly connected group.
    order = inputs_first(reads, lambda name: reads.get(name, ()), allow_cycles=True)
    among, seen = None if among is None else set(among), set()
    for root in reversed(order):
        group, todo = [], [root]
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                group.append(name)
                todo += readers[name]
        if len(group) > 1 or group and root in reads.get(root, ()):
            starts = [name for name in group if among is None or name in among]
            if starts:
                return _loop(starts[0], reads, set(group))
    return None


def _loop(start, reads, group):
    """A cycle through `start` inside a strongly connected group of names."""
    came_from, todo = {}, [start]
    while start not in came_from:
        name = todo.pop()
        for source in reads[name]:
            if source in group and source not in came_from:
                came_from[source] = name
                todo.append(source)
    loop = [start, came_from[start]]
    while loop[-1] != start:
        loop.append(came_from[loop[-1]])
    return loop[::-1]
