"""Products of matrices: dense layers, stacks of matrices."""
from uffsurgeon.uff.schema import UffException

from . import shapes
from .graph import FLOAT, HALF, TENSORFLOW, Layer
from .nodes import operation


@operation("FullyConnected", inputs=2)
def fully_connected(graph, node, a, b):
    transpose_a, transpose_b = node.order(0, [0, 1]) == [1, 0], node.order(1, [1, 0]) == [0, 1]
    for value in (a, b):
        if value.rank not in (None, 2):
            raise UffException("expected matrices, and '%s' has the shape %s" % (value.name, list(value.shape)))
    rows, inner = (a.shape or (None, None))[::-1 if transpose_a else 1]
    features, columns = (b.shape or (None, None))[::-1 if transpose_b else 1]
    if isinstance(inner, int) and isinstance(features, int) and inner != features:
        raise UffException("'%s' gives %d features, '%s' is for %d" % (a.name, inner, b.name, features))
    dtype = graph.lower_precision(a)
    inputs = [graph.tensor(a, TENSORFLOW, dtype), graph.tensor(b, TENSORFLOW, dtype)]
    value = graph.emit(node, "Gemm", inputs, (rows, columns), dtype, transA=int(transpose_a), transB=int(transpose_b))
    value.awaits_bias = Layer(graph.protos[-1], columns, 0) if isinstance(columns, int) else None
    return value


@operation("_BatchMatMul _BatchMatMulV2 _BatchMatMulV3", inputs=2)
def batch_matmul(graph, node, a, b):
    inputs, operands, dtype = [], [], graph.lower_precision(a)
    for value, key in ((a, "adj_x"), (b, "adj_y")):
        if value.rank is None or value.rank < 2:
            raise UffException("expected stacks of matrices, and '%s' has the shape %s" % (value.name, value.shape))
        tensor, perm = graph.tensor(value, TENSORFLOW, dtype), list(range(value.rank))
        if node.boolean(key, False):
            perm[-2:] = perm[-1], perm[-2]
            tensor = graph.intermediate(node, key, "Transpose", [tensor], perm=perm)
        inputs.append(tensor)
        operands.append([value.shape[axis] for axis in perm])
    stack = shapes.broadcast(operands[0][:-2], operands[1][:-2])
    return graph.emit(node, "MatMul", inputs, stack + (operands[0][-2], operands[1][-1]), dtype)


@operation("_Einsum", inputs=None)
def einsum(graph, node, *values):
    if not values:
        raise UffException("has no inputs")
    equation, dtype = node.string("equation").replace(" ", ""), graph.widest(*values)
    dtype = FLOAT if dtype == HALF else dtype
    left, arrow, right = equation.partition("->")
    terms, shape = left.split(","), None
    if not arrow or len(terms) != len(values):
        raise UffException("the equation '%s' does not fit %d inputs" % (equation, len(values)))
    if all(value.rank is not None for value in values):
        sizes, most = {}, 0  # most: axes that an ellipsis stands for; they are called 0, 1, 2 from the right
        for term, value in zip(terms, values):
            hidden = value.rank - len(term.replace("...", ""))
            if hidden < 0 or hidden and "..." not in term:
                raise UffException("the equation '%s' does not fit '%s' of shape %s" % (equation, value.name, value.shape))
            most, front = max(most, hidden), list(term.partition("...")[0])
            names = front + list(range(hidden))[::-1] + list(term.partition("...")[2])
            for letter, size in zip(names, value.shape):
                sizes[letter] = size if sizes.get(letter) in (None, 1) else sizes[letter]
        before, dots, after = right.partition("...")
        shape = [sizes.get(letter) for letter in list(before) + (list(range(most))[::-1] if dots else []) + list(after)]
    inputs = [graph.tensor(value, TENSORFLOW, dtype) for value in values]
    return graph.emit(node, "Einsum", inputs, shape, dtype, equation=equation)
