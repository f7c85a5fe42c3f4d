"""Inputs that a UFF declares as [N, C, H, W] though the convolutions that read them are NHWC.

UffParser wants image inputs so, whatever the graph says, and every SSD recipe has them so.
"""
import collections

from . import schema

MOST_STEPS = 300000  # from nodes to their readers, for all inputs
CARRIES = {"Identity", "Pad", "Binary", "Unary", "Activation"}  # operations that leave the channels where they are


def channels(nodes, meta):
    """For each input the numbers of channels that the NHWC convolutions want which read it: {name of the Input: set of int}.

    nodes: UFF Node messages of `meta`. Inputs that no such convolution reads have no entry. Raises UffException for so many
    inputs that it would take too long.

        >>> meta = schema.read("box3d.uff")
        >>> channels(meta.graphs[0].nodes, meta)
        {'input_1': {3}}
    """
    by_name, readers = {node.id: node for node in nodes}, collections.defaultdict(list)
    for node in nodes:
        for name in node.inputs if node.operation == "Binary" else node.inputs[:1]:
            readers[name].append(node)
    found, steps = {}, 0
    for node in nodes:
        todo, seen, wanted = list(readers[node.id]) if node.operation == "Input" else [], set(), set()
        while todo:
            reader = todo.pop()
            if reader.id not in seen:
                seen.add(reader.id)
                steps += 1 + len(readers[reader.id])
                if steps > MOST_STEPS:
                    raise schema.UffException("the inputs of this UFF reach over %d nodes: leave fewer inputs" % MOST_STEPS)
                todo += readers[reader.id] if reader.operation in CARRIES else []
                wanted.add(_wanted(reader, by_name, meta))
        if wanted - {None}:
            found[node.id] = wanted - {None}
    return found


def _wanted(node, nodes, meta):
    """The input channels of a Conv of NHWC images whose weights are a constant; None for any other node."""
    weights = nodes.get(node.inputs[1]) if node.operation == "Conv" and len(node.inputs) > 1 else None
    if weights is None or weights.operation != "Const":
        return None
    try:
        orders, shape = schema.orders(node, meta), schema.field(weights, "shape")
        return shape[orders[1].index(1)] if orders[0][-1:] == [1] and len(shape) == len(orders[1]) == 4 else None
    except (schema.UffException, LookupError, ValueError, TypeError):  # a field that is missing or holds something else
        return None


def is_channels_first(image, wanted):
    """Whether the sizes of an image (the shape of an input without its batch) have the `wanted` channels, a set, in front.

        >>> is_channels_first([3, 300, 300], {3}), is_channels_first([300, 300, 3], {3})
        (True, False)
    """
    return len(image) == 3 and image[0] in wanted and image[2] not in wanted
