"""What a UffParser will refuse in a .uff, and what it will silently get wrong, before anybody is at a board.

    >>> for finding in check("box3d.uff", tensorrt="5.1.5"):
    ...     print(finding.node, finding.level, finding.rule)
    leaky_re_lu_4/LeakyRelu note plugin
    orientation/l2_normalize/Maximum error binary-constant

`parser` follows a .uff as NVIDIA's UffParser does, `layers` and `axes` have a function for each operation, `rules` the texts.
All of it was learnt from what the parsers of TensorRT 5.1.5, 6.0.1, 7.1.3, 7.2.1, 8.0.1 and 8.2.3 made of many small networks,
and 8.6.1 of 121 on a GPU and of the others on 8.2.3's network library; no other parser was tried. On the command line:
uffsurgeon check model.uff.
"""
import collections
import sys

from uffsurgeon import protobuf
from uffsurgeon.uff import layouts, schema

from . import axes, layers  # noqa: F401  (they register their functions)
from .parser import ORDERS, Parser, alike
from .rules import PARSERS, RULES

__all__ = ["Finding", "PARSERS", "RULES", "check", "text", "versions", "warn"]

Finding = collections.namedtuple("Finding", "node level rule message recipe versions")
Finding.__doc__ = """One thing that a parser refuses or gets wrong.

node: the node's name. level: "error", "warning" or "note". rule: a key of RULES. message: what the parser says, or what
happens. recipe: what to do. versions: a tuple of the parsers, out of PARSERS."""


def check(source, tensorrt=None, inputs=None, values=None):
    """The findings in a UFF, in the order in which a parser meets them.

    source: the path of a .uff, its bytes, or a MetaGraph.
    tensorrt: "5.1.5", or the beginning of a version as "7"; default: all of PARSERS.
    inputs: {name: sizes, order, or (sizes, order)}: the sizes without the batch axis, for those that the file leaves open, and
        the order in which the input is registered, one of "NHWC", "NCHW", "NC". Default: the order of the first convolution
        behind it, else NHWC for three sizes, NC for one, NCHW for others.
    values: a function that gives the array of a Const node whose values are not in `source`.
    Returns a list of Finding. Raises OSError, UffException for what is no UFF, and ValueError for a version that was not tried
    and an input that the UFF does not have.

        >>> [finding.rule for finding in check("box3d.uff")]
        ['plugin', 'binary-constant']
    """
    meta = source
    if isinstance(source, schema.MetaGraph):
        schema.validate(meta)
    else:
        meta = schema.read(source)
    given = _inputs(meta, inputs or {})
    merged = collections.OrderedDict()
    wanted = versions(tensorrt)
    channels = layouts.channels([node for graph in meta.graphs for node in graph.nodes], meta)
    for group in alike(meta):
        group = [version for version in group if version in wanted]
        for node, rule, words in Parser(meta, group[0], given, values, channels).run() if group else ():
            merged.setdefault((node, rule), (words, []))[1].extend(group)
    plugins = collections.Counter()
    operations = {node.id: node.operation for graph in meta.graphs for node in graph.nodes}
    findings = []
    for (node, rule), (words, found) in merged.items():
        plugins[operations[node]] += rule == "plugin"
        if rule != "plugin" or plugins[operations[node]] == 1:
            findings.append(Finding(node, RULES[rule].level, rule, _message(node, rule, words), RULES[rule].recipe,
                                    tuple(sorted(set(found), key=PARSERS.index))))
    return findings


def warn(conversion):
    """Print to stderr what parsers refuse or get wrong, one line each. conversion: an uff.converter.Conversion."""
    sources = {reference: node for reference, node, _ in conversion.weights}

    def values(node):
        source = sources["weights_" + node.id]
        number = source.attr["dtype"].type if "dtype" in source.attr else 0
        return protobuf.array(source.attr["value"].tensor, number).reshape(schema.field(node, "shape"))

    for finding in check(conversion.meta, values=values):
        if finding.level != "note":
            print("WARNING: " + text(finding), file=sys.stderr)


def text(finding):
    """A finding as one line, with the parsers if these are not all.

        >>> text(check("box3d.uff")[0])[:42]
        'leaky_re_lu_4/LeakyRelu: note [plugin] nee'
    """
    some = "" if finding.versions == PARSERS else " (%s)" % ", ".join(finding.versions)
    return "%s: %s [%s]%s %s; %s" % (finding.node, finding.level, finding.rule, some, finding.message, finding.recipe)


def _message(node, rule, words):
    text = RULES[rule].text
    if rule in ("unsupported", "own-plugin", "plugin"):
        quoted = "UffParser: Validator error: %s: %s" % (node, words)
        return "%s; without it: %s" % (text, quoted) if text else quoted
    if text or not words:
        return "%s: %s" % (text, words) if words else text
    place = "" if words.startswith("MarkOutput") else node + ": "
    return "UffParser: Parser error: %s%s" % (place, words)


def versions(tensorrt=None):
    """The parsers that a version names.

        >>> versions("7"), len(versions())
        (('7.1.3', '7.2.1'), 7)
    """
    if tensorrt is None:
        return PARSERS
    text = str(tensorrt)
    found = tuple(version for version in PARSERS if (version + ".").startswith(text.rstrip(".") + "."))
    if not found:
        raise ValueError("no UffParser of TensorRT %s was tried, only of %s" % (text, ", ".join(PARSERS)))
    return found


def _inputs(meta, inputs):
    names = [node.id for graph in meta.graphs for node in graph.nodes if node.operation == "Input"]
    given = {}
    for name, value in inputs.items():
        if name not in names:
            raise ValueError("the UFF has no input '%s', only: %s" % (name, ", ".join(names)))
        sizes, order = (None, value) if isinstance(value, str) else value if _is_pair(value) else (value, None)
        if order is not None and order not in ORDERS:
            raise ValueError("an input is registered as %s, and not as %s" % (", ".join(ORDERS), order))
        given[name] = (sizes, order)
    return given


def _is_pair(value):
    return len(value) == 2 and (value[1] is None or isinstance(value[1], str))
