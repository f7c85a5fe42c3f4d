"""Patterns that are several nodes in TensorFlow and one in UFF."""
from uffsurgeon.names import tensor


def process_softmax(graph):
    """Make one Softmax node of each tf.nn.softmax over a tensor of rank 3 or more, in a DynamicGraph, in place.

    TensorFlow 1 flattens, applies Softmax and restores the shape: Sub, Pack, Slice, ConcatV2, Reshape, Softmax, Reshape.
    The Softmax node gets the inputs [x, concat/axis]; the last Reshape is removed, and its name with it.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> gs.extras.process_softmax(gs.DynamicGraph("box3d.pb"))
    """
    chain = ("Sub", "Pack", "Slice", "ConcatV2", "Reshape")
    for softmax in graph.find_nodes_by_op("Softmax"):
        flatten = graph.node_map.get(tensor(softmax.input[0])) if softmax.input else None
        if flatten is None or not _ends(graph, flatten, chain):
            continue
        restore = [reader for reader in graph.node_outputs[softmax.name] if reader.op == "Reshape"]
        if not restore:
            continue
        concat = next(source for source in _producers(graph, flatten) if source.op == "ConcatV2")
        softmax.input[:] = [flatten.input[0], concat.input[-1]]
        for reshape in restore:
            reshape.input[:] = [softmax.name]
        graph.forward_inputs(restore)


def process_dilated_conv(graph):
    """Make one dilated Conv2D of each SpaceToBatchND, Conv2D, BatchToSpaceND, in a DynamicGraph, in place.

    Its inputs are then [x, kernel, block_shape, paddings, crops]. A pattern stays as it is if another node reads one of its
    inner nodes.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> gs.extras.process_dilated_conv(gs.DynamicGraph("box3d.pb"))
    """
    for batch_to_space in graph.find_nodes_by_op("BatchToSpaceND"):
        conv = graph.node_map.get(tensor(batch_to_space.input[0])) if batch_to_space.input else None
        if conv is None or conv.op != "Conv2D" or len(conv.input) != 2 or len(graph.node_outputs[conv.name]) > 1:
            continue
        space_to_batch = graph.node_map.get(tensor(conv.input[0]))
        if space_to_batch is None or space_to_batch.op != "SpaceToBatchND":
            continue
        before, after = list(space_to_batch.input), list(batch_to_space.input)
        if len(before) != 3 or len(after) != 3:
            continue
        conv.input[:] = [before[0], conv.input[1]] + before[1:] + after[2:]
        batch_to_space.input[:] = [conv.name]
        graph.forward_inputs(batch_to_space)
        if not graph.node_outputs[space_to_batch.name]:
            graph.remove(space_to_batch)


def _producers(graph, node):
    return [graph.node_map[name] for name in map(tensor, node.input) if name in graph.node_map]


def _ends(graph, node, ops):
    """True when `node` ends a chain of these ops."""
    level = {node.name: node} if node.op == ops[-1] else {}
    for op in reversed(ops[:-1]):  # a level at a time: there may be very many chains
        level = {source.name: source for each in level.values() for source in _producers(graph, each) if source.op == op}
    return bool(level)
