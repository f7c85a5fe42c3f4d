"""What is checked of an .onnx before a parser in C++ sees it."""
import numpy as np

from uffsurgeon.graphs import Cycle, inputs_first


def check(model, path):
    """Raise ValueError, with the path, for a ModelProto that is not sound ONNX: onnx.checker, on a model without weights.

    Left to TensorRT's parser, whose words are better: operations, opsets and an ir_version that the installed onnx does not
    know, domains that are not imported, and tensors without a shape. A node without an output is refused here whatever its
    operation is.
    """
    import onnx

    if model.graph.sparse_initializer:
        raise ValueError("%s has sparse weights, which TensorRT does not take: save them as dense ones" % path)
    bare = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name != "graph" and hasattr(value, "MergeFrom"):
            getattr(bare, field.name).MergeFrom(value)
        elif field.name != "graph":
            setattr(bare, field.name, value)
    for field, value in model.graph.ListFields():
        if field.name not in ("initializer", "value_info") and hasattr(value, "MergeFrom"):
            getattr(bare.graph, field.name).MergeFrom(value)
        elif field.name in ("name", "doc_string"):
            setattr(bare.graph, field.name, value)
    known = {info.name for info in bare.graph.input}
    weights = [weight.name for weight in model.graph.initializer if weight.name not in known]
    bare.graph.input.extend(onnx.helper.make_tensor_value_info(name, 1, []) for name in dict.fromkeys(weights))
    bare.ir_version = max(min(model.ir_version, onnx.IR_VERSION), 4)
    for info in list(bare.graph.input) + list(bare.graph.output):
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.shape.SetInParent()
    functions = getattr(bare, "functions", ())
    versions = {each.domain or "ai.onnx": each.version for part in [model] + list(functions) for each in part.opset_import}
    versions.update({function.domain: 1 for function in functions if function.domain not in versions})
    newer = versions.get("ai.onnx", 0) > onnx.defs.onnx_opset_version()
    try:
        for node in _nodes(bare.graph, [function.node for function in functions]):
            if not node.output:
                raise ValueError("node %r (%s) has no output" % (node.name, node.op_type))
            domain = node.domain or "ai.onnx"
            if domain not in versions or domain == "ai.onnx" and (newer or not onnx.defs.has(node.op_type)):
                node.domain = "unknown"
        for part in [bare] + list(functions):
            part.opset_import.add(domain="unknown", version=1)
        calls = {"%s::%s" % (each.domain, each.name): ["%s::%s" % (node.domain, node.op_type) for node in each.node]
                 for each in functions}
        inputs_first(calls, lambda name: [inner for inner in calls[name] if inner in calls])  # older checkers miss a cycle
        sort(bare.graph)  # TensorRT's parser does that, too
        onnx.checker.check_model(bare)
    except Exception as error:  # onnx's ValidationError, of which there are several classes, and a name that is not UTF-8
        raise ValueError("%s is not sound ONNX: %s" % (path, " ".join(str(error).split()))) from None


def _nodes(graph, more=()):
    todo = [graph.node] + list(more)
    while todo:
        for node in todo.pop():
            yield node
            for attribute in node.attribute:
                todo += [attribute.g.node] + [inner.node for inner in attribute.graphs]


def sort(graph):
    """Put each node after those that it reads, as ONNX demands. Raises ValueError for a cycle."""
    nodes = list(graph.node)
    makers = {name: number for number, node in enumerate(nodes) for name in node.output}
    try:
        order = inputs_first(range(len(nodes)), lambda number: [
            makers[name] for name in nodes[number].input if name in makers])
    except Cycle as cycle:
        raise ValueError("node '%s' (%s) reads what is computed from its own output"
                         % (nodes[cycle.names[0]].name, nodes[cycle.names[0]].op_type))
    nodes = [nodes[number] for number in order]
    del graph.node[:]
    graph.node.extend(nodes)


def arrays(model, path):
    """Generate (name, array) of the weights of a ModelProto, of those types that NumPy has. Raises ValueError, with the name,
    for values that do not fill the shape and for a type that ONNX does not define."""
    from onnx import TensorProto, numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type not in TensorProto.DataType.values() or not tensor.data_type:
            raise ValueError("weight %r in %s has the type %d, which ONNX does not define" % (
                tensor.name, path, tensor.data_type))
        try:
            if np.prod(tensor.dims, dtype=float) > 1 << 40 or len(tensor.dims) > 32:
                raise ValueError("its shape is %s" % list(tensor.dims)[:40])
            yield tensor.name, numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ValueError("weight %r in %s does not hold what it says: %s" % (tensor.name, path, error)) from None
