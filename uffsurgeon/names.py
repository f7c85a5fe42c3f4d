"""Names of nodes: what an input refers to, unused names, suggestions for a name that is not there."""
import difflib

MANY = 2000  # names up to which all are compared with the one that was not found
LONG = 200  # characters of a name that is compared
PAIRS = 200000  # characters times characters that are compared exactly, which may take a second for the worst names


def producer(text):
    """The name of the node that an input refers to.

        >>> producer("^a"), producer("a:1")     # a control input, the second output of a node
        ('a', 'a')
    """
    return text.lstrip("^").split(":")[0]


def tensor(text):
    """The one name of a tensor: 'x:0' is 'x', while 'x:1' and the control input '^x' stay as they are.

        >>> tensor("x:0"), tensor("x:1")
        ('x', 'x:1')
    """
    return text[:-2] if text.endswith(":0") else text


def unused(name, taken):
    """`name`, or the first of `name_1`, `name_2` ... that is not in the set `taken`; it is added to `taken`.

        >>> unused("x", {"x", "x_1"})
        'x_2'
    """
    free, count = name, 0
    while free in taken:
        count += 1
        free = "%s_%d" % (name, count)
    taken.add(free)
    return free


def did_you_mean(name, known):
    """The end of a message about a name that is not among the `known` ones; "" when none of these is similar.

        >>> did_you_mean("confidence/Softmx", ["input_1", "confidence/Softmax"])
        "; did you mean 'confidence/Softmax'?"
    """
    name, known = str(name), [text for text in map(str, known) if len(text) <= LONG]
    if len(name) > LONG:
        return ""
    if len(known) > MANY:  # comparing is slow: of a large graph, take only the names that begin or end alike
        parts = name.split("/")
        known = [text for text in known if parts[-1] in text or text.startswith(parts[0])][:MANY]
    similar = difflib.get_close_matches(name, _likely(name, known), 3, 0.4)
    return "; did you mean %s?" % " or ".join("'%s'" % text for text in similar) if similar else ""


def _likely(name, known):
    """Those of the `known` names that are worth an exact comparison, whose time grows with the cube of the length."""
    if sum(map(len, known)) * len(name) <= PAIRS:
        return known
    matcher, bounds, left = difflib.SequenceMatcher(b=name), [], PAIRS
    for text in known:
        matcher.set_seq1(text)
        bounds.append(matcher.quick_ratio())
    chosen = []
    for _, text in sorted(zip(bounds, known), reverse=True):
        left -= len(text) * len(name)
        if left < 0:
            break
        chosen.append(text)
    return chosen


def short(name, most=80):
    """A name as a message shows it: as it is, or its two ends.

        >>> short("a" * 100)
        'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ... aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    return name if len(name) <= most else "%s ... %s" % (name[:most // 2 - 3], name[-(most // 2 - 2):])


def not_found(kind, name, known):
    """A ValueError that says that the graph has no `kind` of this name, with the most similar of the `known` names.

        >>> not_found("node", "input", ["input_1"])
        ValueError("no node 'input' in the graph; did you mean 'input_1'?"...)
    """
    return ValueError("no %s '%s' in the graph%s" % (kind, short(str(name)), did_you_mean(name, known)))
