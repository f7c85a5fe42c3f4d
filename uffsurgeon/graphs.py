"""Walks over a graph of names: an order in which inputs come first, and cycles.

Both take linear time and no recursion, since a graph from a file may be of any depth.
"""
import collections


class Cycle(ValueError):
    """`names`: the nodes of the cycle, [a, b, ..., a], each reading the next."""

    def __init__(self, names):
        ValueError.__init__(self, "the graph has a cycle: %s" % " reads ".join("'%s'" % name for name in names))
        self.names = names


def inputs_first(roots, reads):
    """The names that `roots` need, themselves included, each after those that it reads: a list.

    reads: a function from a name to the names that it reads; it may raise for a name that is not there, and what it
    raises is passed on. Depth first, inputs in their order, so that equal graphs give equal lists.
    Raises Cycle.
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
    """A list of names [a, b, ..., a], each reading the next, or None.

    reads: {name: names it reads}; a name that is no key reads nothing.
    among: only cycles through one of these names count.
    """
    waiting = {name: sum(each in reads for each in set(names)) for name, names in reads.items()}
    readers = collections.defaultdict(list)
    for name, names in reads.items():
        for each in set(names):
            readers[each].append(name)
    # What can be put in an order, producers first, is on no cycle; only the rest is searched.
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        for name in readers[ready.pop()]:
            waiting[name] -= 1
            if not waiting[name]:
                ready.append(name)
    stuck = {name: [each for each in reads[name] if waiting.get(each)]
             for name, count in waiting.items() if count}
    if among is None:  # every stuck name reads a stuck one: following them must come round
        among = _follow(stuck)[-1:]
    for start in among:
        came_from, todo = {}, [start]
        while todo and start not in came_from:
            name = todo.pop()
            for each in stuck.get(name, ()):
                if each not in came_from:
                    came_from[each] = name
                    todo.append(each)
        if start in came_from:
            loop = [start, came_from[start]]
            while loop[-1] != start:
                loop.append(came_from[loop[-1]])
            return loop[::-1]
    return None


def _follow(stuck):
    """Names from any of `stuck` on, each reading the next, up to the first that comes again."""
    path = list(stuck)[:1]
    seen = set()
    while path and path[-1] not in seen:
        seen.add(path[-1])
        path.append(stuck[path[-1]][0])
    return path
