"""Names of nodes: what an input refers to, names that are still free, names that were probably meant."""
import difflib

MANY = 2000  # names up to which all are compared with the one that was not found


def producer(text):
    """The node that an input names: '^a' (a control input) and 'a:1' (its second output) come from 'a'."""
    return text.lstrip("^").split(":")[0]


def tensor(text):
    """One name for one tensor: 'x:0' is 'x'; 'x:1' and the control input '^x' are others."""
    return text[:-2] if text.endswith(":0") else text


def unused(name, taken):
    """`name`, or `name_1` and so on where `taken` has it; what is returned is added to the set `taken`."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = "%s_%d" % (name, count)
    taken.add(free)
    return free


def did_you_mean(name, known):
    """"; did you mean 'a' or 'b'?" with the nearest of the `known` names, or "" when none is near."""
    known = list(map(str, known))
    if len(known) > MANY:  # comparing is slow: of a large graph, look at the names that end or begin alike
        ends = str(name).split("/")
        known = [each for each in known if ends[-1] in each or each.startswith(ends[0])][:MANY]
    near = difflib.get_close_matches(str(name), known, 3, 0.4)
    return "; did you mean %s?" % " or ".join("'%s'" % each for each in near) if near else ""


def not_found(kind, name, known):
    """A ValueError for a `name` that is not among the `known`, with the nearest that are."""
    return ValueError("no %s '%s' in the graph%s" % (kind, name, did_you_mean(name, known)))
