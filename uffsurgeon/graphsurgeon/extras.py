"""Patterns that TensorFlow writes as many nodes and UFF as one."""


def process_softmax(graph):
    """tf.nn.softmax over an axis of a tensor of rank 3 or more -> one Softmax node.

    TensorFlow 1 flattens, applies Softmax and restores the shape: Sub, Pack, Slice, ConcatV2,
    Reshape, Softmax, Reshape. The Softmax node gets the inputs [x, concat/axis]; the last Reshape,
    and its name, are gone.
    """
    chain = ("Sub", "Pack", "Slice", "ConcatV2", "Reshape")
    for softmax in graph.find_nodes_by_op("Softmax"):
        above = [graph.node_map.get(each) for each in softmax.input]
        flatten = above[0] if above else None
        if flatten is None or not _ends(graph, flatten, chain):
            continue
        restore = [each for each in graph.node_outputs[softmax.name] if each.op == "Reshape"]
        if not restore:
            continue
        concat = next(each for each in _producers(graph, flatten) if each.op == "ConcatV2")
        softmax.input[:] = [flatten.input[0], concat.input[-1]]
        for each in restore:
            each.input[:] = [softmax.name]
        graph.forward_inputs(restore)


def process_dilated_conv(graph):
    """SpaceToBatchND, Conv2D, BatchToSpaceND -> the Conv2D alone, dilated.

    Its inputs are then [x, kernel, block_shape, paddings, crops]. A pattern whose inner nodes are
    read by others too stays as it is.
    """
    for batch_to_space in graph.find_nodes_by_op("BatchToSpaceND"):
        conv = graph.node_map.get(batch_to_space.input[0]) if batch_to_space.input else None
        if conv is None or conv.op != "Conv2D" or len(conv.input) != 2 or len(graph.node_outputs[conv.name]) > 1:
            continue
        space_to_batch = graph.node_map.get(conv.input[0])
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
    return [graph.node_map[each] for each in node.input if each in graph.node_map]


def _ends(graph, node, ops):
    """True when `node` ends a chain of these ops."""
    if node.op != ops[-1]:
        return False
    return len(ops) == 1 or any(_ends(graph, each, ops[:-1]) for each in _producers(graph, node))
