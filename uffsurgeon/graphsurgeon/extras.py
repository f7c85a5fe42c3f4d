"""Patterns that are several nodes in TensorFlow and one in UFF."""
from uffsurgeon.names import tensor


def process_softmax(graph):
    """Make one Softmax node of each tf.nn.softmax over a tensor of rank 3 or more, in a DynamicGraph, in place.

    TensorFlow 1 flattens, applies Softmax and restores the shape: Sub, Pack, Slice, ConcatV2, Reshape, Softmax, Reshape.
    The Softmax node gets the inputs [x, concat/axis]; the last Reshape is removed, and its name with it.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> gs.extras.process_softmax(gs.DynamicGraph("box3d.pb"))
    """
    chain, known, restored = ("Sub", "Pack", "Slice", "ConcatV2", "Reshape"), {}, []
    for softmax in graph.find_nodes_by_op("Softmax"):
        flatten = graph.node_map.get(tensor(softmax.input[0])) if softmax.input else None
        if flatten is None or not _ends(graph, flatten, chain, known):
            continue
        restore = [reader for reader in graph.node_outputs[softmax.name] if reader.op == "Reshape"]
        if not restore:
            continue
        concat = next(source for source in _producers(graph, flatten) if source.op == "ConcatV2")
        softmax.input[:] = [flatten.input[0], concat.input[-1]]
        for reshape in restore:
            reshape.input[:] = [softmax.name]
            known.pop(("Reshape", reshape.name), None)
        restored += restore
    if restored:  # all at once: each time takes as long as the graph
        graph.changed()
        graph.forward_inputs(restored)


def process_dilated_conv(graph):
    """Make one dilated Conv2D of each SpaceToBatchND, Conv2D, BatchToSpaceND, in a DynamicGraph, in place.

    Its inputs are then [x, kernel, block_shape, paddings, crops]. A pattern stays as it is if another node reads one of its
    inner nodes.

        >>> from uffsurgeon import graphsurgeon as gs
        >>> gs.extras.process_dilated_conv(gs.DynamicGraph("box3d.pb"))
    """
    forwarded, left = [], {}
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
        forwarded.append(batch_to_space)
        left[space_to_batch.name] = space_to_batch
    if forwarded:  # all at once: each time takes as long as the graph
        graph.changed()
        graph.forward_inputs(forwarded)
        graph.remove([node for name, node in left.items() if not graph.node_outputs[name]])


def _producers(graph, node):
    return [graph.node_map[name] for name in map(tensor, node.input) if name in graph.node_map]


def _ends(graph, node, ops, known):
    """True when `node` ends a chain of these ops, of which no two are equal. known: {(op, name): whether the chain up to it
    is there}, for later calls."""
    place = {op: at for at, op in enumerate(ops)}
    todo = [node] if node.op == ops[-1] else []
    while todo:
        each = todo[-1]
        key, at = (each.op, each.name), place[each.op]
        sources = [source for source in _producers(graph, each) if at and source.op == ops[at - 1]]
        waiting = [source for source in sources if (source.op, source.name) not in known]
        if key in known or not waiting:
            known.setdefault(key, not at or any(known[source.op, source.name] for source in sources))
            todo.pop()
        else:
            todo += waiting
    return known.get((node.op, node.name), False)
