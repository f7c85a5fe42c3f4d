"""Operations that name axes or change them: what a UffParser makes of their inputs. See parser.Parser."""
import numpy as np

from uffsurgeon.uff import schema

from .common import BEHIND_CONVOLUTION, ORDER_SIZE, Refused, channels_first, corrupt, layer, restore, same_axes, undeclared
from .tensors import Tensor, identity, straight, volume


@layer("Shape")
def shape(parser, node, x):
    value = None if x.shape is None else np.array([-1] + [-1 if size is None else size for size in x.shape])
    return Tensor(value=np.array([-1]) if value is None else value, unknown=value is None)


@layer("Flatten")
def flatten(parser, node, x):
    if x.constant:
        return x.computed()
    if x.value is not None and not x.constant:
        raise Refused("shape-value")
    restore(x)
    if not x.known:
        return Tensor(order=x.order)
    out = x.alias(shape=[volume(x.shape)])
    if x.axes is not None:
        if not x.ordered():
            parser.report(node, x.fault or "output-order")
            out.axes = None
        else:
            parts = [at for at, size in enumerate(x.dims) if size != 1]
            out.axes = [(1, at) if len(parts) > 1 else (1,) if at in parts else None for at in range(len(x.dims))]
    out.fault = "flatten-order"
    return out


@layer("Reshape")
def reshape(parser, node, x, target):
    restore(x)
    if x.constant:
        shape = [int(size) for size in target.value.reshape(-1)]
        if -1 in shape:
            shape[shape.index(-1)] = volume(x.dims) // -int(np.prod(shape))
        return Tensor(shape, list(shape), constant=True, value=None if x.value is None else x.value.reshape(shape))
    known = target.value is not None and not target.unknown
    new = [int(size) for size in target.value.reshape(-1)][1:] if known else None
    total = volume(x.dims)
    if new is None or not x.known:
        return Tensor(new and [None if v < 0 else v for v in new])
    if new.count(-1) == 1 and total is not None:
        rest = int(np.prod([v for v in new if v != -1]))
        new[new.index(-1)] = total // rest if rest else 0
    if -1 not in new and total is not None and int(np.prod(new)) != total:
        raise Refused("reshape-volume", "Reshape: Volume mismatch. Note: Initial Volume = %d, New Volume = %d" % (
            total, int(np.prod(new))))
    new = [None if v < 0 else v for v in new]
    dims, axes = straight(new)
    dims, axes = dims + [1] * (3 - len(dims)), axes + [None] * (3 - len(axes))
    if x.axes is None:
        axes = None
    elif not x.ordered():
        parser.report(node, x.fault or "output-order")
        axes = None
    return Tensor(new, dims, axes, tuple(range(len(new))), dense=len(new) == 1, integer=x.integer)


@layer("Squeeze")
def squeeze(parser, node, x):
    if x.constant:
        raise Refused("constant-computed", "")
    if not x.known or x.shape is None:
        return Tensor()
    rank = len(x.shape) + 1
    gone = [axis % rank for axis in schema.field(node, "axes", default=[])]
    gone = gone or [at for at, size in enumerate(x.shape, 1) if size == 1]
    return renumbered(x.alias(), gone)


def renumbered(x, gone):
    """Change x: TensorFlow's axes in `gone` are there no more."""
    left = [at for at in range(1, len(x.shape) + 1) if at not in gone]
    place = {old: new for new, old in enumerate(left, 1)}
    x.shape = [x.shape[at - 1] for at in left]
    if x.axes is not None:
        x.axes = [axis and ((place[axis[0]],) + axis[1:] if axis[0] in place else None) for axis in x.axes]
    return x


@layer("ExpandDims")
def expand_dims(parser, node, x):
    if x.constant:
        return x.computed()
    axis = schema.field(node, "axis")
    restore(x)
    if axis < 0:
        raise Refused("expand-negative")
    if not x.known or x.shape is None:
        return Tensor()
    at = max(axis - 1, 0)
    more = [1] * (2 - len(x.dims))
    out = x.copy(dims=x.dims[:at] + [1] + x.dims[at:] + more, shape=x.shape[:at] + [1] + x.shape[at:], order=None,
                 declared=False, dense=False)
    if x.axes is not None:
        moved = [a and ((a[0] + (a[0] > at),) + a[1:]) for a in x.axes]
        out.axes = moved[:at] + [(at + 1,)] + moved[at:] + [None] * len(more)
    return out


@layer("Transpose")
def transpose(parser, node, x):
    if x.constant:
        return x.computed()
    permutation = schema.field(node, "permutation")
    if permutation and permutation[0] != 0:
        raise Refused("transpose-batch", "Order does not start by N, runtime transpose is not supported in that case")
    if not x.known or x.shape is None:
        return Tensor()
    moves = [axis - 1 for axis in permutation[1:]]
    order = tuple(range(len(moves))) if identity(x.order) else x.order
    if len(order) != len(moves):
        raise Refused("order-size", "Check OutputOrder failed!")
    place = {old: new for new, old in enumerate(moves)}
    lost = x.order is None or x.declared
    for shared in x.peers:  # nothing is moved now, and the input has this order, too
        shared.order, shared.fault = tuple(order[at] for at in moves), "transpose-shared"
    out = x.copy(shape=[x.shape[at] for at in moves], fault=None, declared=lost, reducible=True)
    if x.axes is not None:
        out.axes = [a and (place[a[0] - 1] + 1,) + a[1:] for a in x.axes]
    return out


@layer("Reduce")
def reduce(parser, node, x):
    axes = schema.field(node, "axes", default=[])
    if x.constant:
        raise Refused("constant-computed", "axes.size() != 0 not yet supported for reduce constant nodes")
    restore(x)
    if not axes:
        raise Refused("reduce-nothing", "No reduction axes are specified")
    if 0 in axes:
        raise Refused("reduce-batch", "Reduction over batch size dimension is not supported")
    if not x.known or x.value is not None:
        return Tensor()
    lost = x.declared and not x.reducible and not (len(x.dims) > 3 and parser.since("7.1.3"))
    if x.order is None or lost:
        raise Refused("reduce-order", "Invalid reduction axes")
    rank = len(x.order) + 1
    places = sorted({axis % rank - 1 for axis in axes})
    wanted = {axis % (len(x.shape) + 1) for axis in axes}
    out = x.copy(dims=[1 if at in places else size for at, size in enumerate(x.dims)], order=None, declared=False, dense=False)
    if x.axes is not None and not same_axes(x, places, wanted):
        corrupt(parser, node, "reduce-wrong", out)
    if schema.field(node, "keepdims"):
        out.shape = [1 if at in wanted else size for at, size in enumerate(x.shape, 1)]
        return out
    return renumbered(out, wanted)


@layer("ArgMax", "ArgMin")
def argument(parser, node, x):
    axis = schema.field(node, "axis")
    if axis <= 0:
        raise Refused("argument-axis", "Reductions cannot be applied to the batch dimension.")
    if not x.known:
        return Tensor()
    if parser.since("6.0.1"):
        restore(x)
    if len(x.dims) == 1:
        raise Refused("no-dimensions")
    if len(x.dims) > 3 and axis == 1 and not parser.since("6.0.1"):
        raise Refused("argument-axis")
    at = axis - 1
    out = x.copy(order=None, declared=False, dense=False, integer=True)
    if x.axes is not None and not same_axes(x, [at], {axis}):
        corrupt(parser, node, "argument-wrong", out)
    out.dims = x.dims[:at] + x.dims[at + 1:]
    if out.axes is not None:
        out.axes = x.axes[:at] + x.axes[at + 1:]
    return renumbered(out, {axis})


@layer("Softmax")
def softmax(parser, node, x):
    axis = schema.field(node, "axis")
    if parser.since("7.1.3"):
        restore(x)
        out = x.copy(order=None, declared=False, dense=False)
    else:
        if not x.dense:
            channels_first(x, True)
        out = x.copy(order=BEHIND_CONVOLUTION, declared=False, dense=False)
    if not x.known or x.shape is None:
        return Tensor()
    wanted = {axis % (len(x.shape) + 1) or len(x.shape)}
    if len(x.dims) < 3 and not parser.since("7.1.3"):
        return out  # refused where it is marked
    if x.axes is not None and (not x.shape or not same_axes(x, [max(len(x.dims) - 3, 0)], wanted)):
        corrupt(parser, node, "softmax-axis", out)
    return out


@layer("Pad")
def pad(parser, node, x, paddings):
    pads = paddings.value
    if x.constant:
        raise Refused("constant-computed", "Pad operation does not operate on constant")
    if pads is None or not x.known:
        return Tensor()
    if pads.shape[0] != 4 or len(x.dims) != 3:
        raise Refused("pad-rank")
    if pads[0].any():
        raise Refused("pad-batch")
    out = x.copy(shape=[size if size is None else size + int(a + b) for size, (a, b) in zip(x.shape, pads[1:])])
    behind = x.order is not None and tuple(x.order) == BEHIND_CONVOLUTION
    if behind and not pads[3].any():
        used = [None, pads[1], pads[2]]
    else:
        if not identity(x.order):
            restore(x)
            x.order = None
            out = x.copy(shape=out.shape)
        used = [None, pads[2], pads[3]]
        if pads[1].any():
            corrupt(parser, node, "pad-lost", out)
        elif not pads.any() and not behind:
            out.source, out.key = x.source, x.key
    if out.axes is not None and not behind and not same_axes(out, [1, 2], {2, 3}):
        corrupt(parser, node, x.fault or "pad-lost", out)
    out.dims = [size if more is None or size is None else size + int(more.sum()) for size, more in zip(out.dims, used)]
    return out


@layer("Concat")
def concat(parser, node, *inputs):
    axis, first = schema.field(node, "axis"), inputs[0]
    if first.anchors and (axis - 1 if identity(first.order) else first.order[axis - 1]) != 1:
        raise Refused("anchor-axis", "all concat input tensors must have the same dimensions except on the concatenation axis")
    if all(x.constant for x in inputs):
        return first.computed()
    if any(x.value is not None and not x.constant for x in inputs):
        raise Refused("shape-value")
    if any(not x.known for x in inputs):
        return Tensor()
    order = next((x.order for x in inputs if x.order is not None), None)
    behind = not identity(order)
    if behind:
        if axis < 0 or axis > len(order):
            raise Refused("concat-axis", "Concat operation axis is out of bounds for layer concat")
        if axis == 0:
            raise Refused("concat-axis", "Transposed axis value is less than 1 for concat Axis 0")
        at = order[axis - 1]
    else:
        at = axis - 1 if axis > 0 else max(len(first.dims) - 3, 0)
    for x in inputs:
        if x.order != order:  # the parser's way: right only where `order` is TensorFlow's
            restore(x)
            if behind and len(order) == len(x.dims):
                x.transposed(order)
    if first.constant or any(len(x.dims) != len(first.dims) for x in inputs) or at >= len(first.dims) or any(
            a is not None and b is not None and a != b for x in inputs
            for here, (a, b) in enumerate(zip(first.dims, x.dims)) if here != at):
        raise Refused("no-dimensions",
                      "all concat input tensors must have the same dimensions except on the concatenation axis")
    out = first.copy(**undeclared(first))
    if first.order is None:
        out.order = order
    out.dims = list(first.dims)
    out.dims[at] = None if any(x.dims[at] is None for x in inputs) else sum(x.dims[at] for x in inputs)
    wanted = axis % (len(first.shape) + 1)
    if wanted and all(x.shape is not None and len(x.shape) == len(first.shape) for x in inputs):
        joined_sizes = [x.shape[wanted - 1] for x in inputs]
        out.shape = list(first.shape)
        out.shape[wanted - 1] = None if None in joined_sizes else sum(joined_sizes)
    joined(parser, node, out, at, wanted, inputs)
    return out


def joined(parser, node, out, at, wanted, inputs):
    """Set out.axes, or report a Concat that joins at a place where TensorFlow's axis does not lie."""
    if any(x.axes is None for x in inputs):
        out.axes = None
        return
    order = range(len(out.dims)) if identity(out.order) else out.order
    at = list(order).index(at)  # judged as the parser will bring it into TensorFlow's order
    rows = [[x.axes[place] if x.dims[place] != 1 else None for place in order] for x in inputs]
    others = {tuple(axis for here, axis in enumerate(row) if here != at and axis is not None) for row in rows}
    here = next((row[at] for row in rows if row[at] is not None), None)
    before, behind = [[axis[0] for axis in part if axis is not None] for part in (rows[0][:at], rows[0][at + 1:])]
    alone = wanted not in before + behind
    front = all(axis < wanted for axis in before) and all(axis >= wanted for axis in behind)
    if not wanted or len(others) > 1 or not (here == (wanted,) and alone or (here is None or here[0] == wanted) and front):
        corrupt(parser, node, "concat-wrong" if schema.field(node, "axis") <= 0 else "concat-axes", out)
    elif alone:
        out.axes = [(wanted,) if place == order[at] else axis for place, axis in enumerate(out.axes)]
    else:  # parts of the axis lie behind
        out.axes = [(wanted, 0) if place == order[at] else axis if axis is None or axis[0] != wanted else
                    (wanted, 1 + (axis[1] if len(axis) > 1 else 0)) for place, axis in enumerate(out.axes)]


@layer("Gather", "GatherV2")
def gather(parser, node, x, indices):
    axis = schema.field(node, "axis", default=0)
    if x.constant and indices.constant:
        return x.computed()
    if not x.known or x.constant or x.shape is None:
        return Tensor()
    if node.operation == "GatherV2" and parser.since("6.0.1"):
        if axis <= 0:
            raise Refused("gather-axis", "Cannot perform gather on axis %d" % (axis - 1))
        at = axis - 1
        if at >= len(x.dims):
            raise Refused("no-dimensions")
    else:
        at, behind = axis, x.order is not None and not identity(x.order)
        if behind:
            at = ([-1] + list(x.order))[axis] if 0 <= axis <= len(x.order) else axis
            at = 0 if axis == 0 else at or len(x.dims)
        if axis < 0 or at >= len(x.dims):
            raise Refused("order-size" if behind else "no-dimensions", ORDER_SIZE if behind else "invalid axis")
    out = x.copy(shape=None)
    count = None if indices.value is None else int(np.size(indices.value))
    out.dims = list(x.dims)
    out.dims[at] = count
    wanted = axis % (len(x.shape) + 1)
    if indices.value is not None and np.ndim(indices.value) == 1 and wanted:
        out.shape = list(x.shape)
        out.shape[wanted - 1] = count
    else:
        out.shape = list(x.shape)
    if x.axes is not None and (not wanted or x.axes[at] != (wanted,)):
        corrupt(parser, node, "gather-wrong", out)
    if indices.value is None:
        return Tensor()
    return out


def folded(value, constant, unknown):
    """What the parser computes itself. constant: from Const nodes alone, and not from a shape."""
    return Tensor(value=value, unknown=unknown, constant=constant, shape=list(value.shape) if constant else None,
                  dims=list(value.shape) if constant else None)


@layer("Stack")
def stack(parser, node, *inputs):
    if all(x.value is not None for x in inputs):
        value = np.array([np.reshape(x.value, -1)[0] for x in inputs])
        return folded(value, all(x.constant for x in inputs), any(x.unknown for x in inputs))
    if any(x.value is None and x.known for x in inputs):
        raise Refused("stack", "stack only support for Constants nodes as input for now")
    return Tensor()


@layer("StridedSlice")
def strided_slice(parser, node, x, begin, end, strides):
    masks = {name: schema.field(node, name + "_mask") for name in ("begin", "end", "shrink_axis")}
    if x.value is not None:
        return sliced_value(x, begin.value, end.value, strides.value, masks)
    if masks["shrink_axis"]:
        raise Refused("slice-shrink", "StridedSlice does not support axis shrinking unless with Constant input node for now")
    if not x.known or begin.value is None or end.value is None or strides.value is None:
        return Tensor()
    if len(begin.value) != len(x.dims) + 1:
        raise Refused("slice-rank", "dim size mismatch between begin/end and input dimensions")
    out = x.copy(dims=[], shape=[], **undeclared(x))
    wrong = False
    for at, size in enumerate(x.dims, 1):
        first, last, step = [int(v.reshape(-1)[at]) for v in (begin.value, end.value, strides.value)]
        open_begin, open_end = masks["begin"] >> at & 1, masks["end"] >> at & 1
        whole = open_begin and open_end and step == 1
        here, there = x.shape[at - 1] if at <= len(x.shape) else None, size
        out.shape.append(cut(here, first, last, step, open_begin, open_end))
        if not whole and (step != 1 or not open_begin and first < 0 or not open_end and last < 0):
            raise Refused("slice-range", "slice is out of input range")
        out.dims.append(cut(there, first, last, step, open_begin, open_end))
        if not whole and x.axes is not None and (x.axes[at - 1] != (at,) or here != there):
            wrong = True
    if wrong:
        corrupt(parser, node, "slice-wrong", out)
    return out


def cut(size, first, last, step, open_begin, open_end):
    if size is None:
        return None
    return len(range(size)[slice(None if open_begin else first, None if open_end else last, step)])


def sliced_value(x, begin, end, strides, masks):
    cuts = []
    for at in range(len(begin)):
        if masks["shrink_axis"] >> at & 1:
            cuts.append(int(begin[at]))
        else:
            cuts.append(slice(None if masks["begin"] >> at & 1 else int(begin[at]),
                              None if masks["end"] >> at & 1 else int(end[at]), int(strides[at])))
    return folded(np.asarray(x.value)[tuple(cuts)], x.constant, x.unknown)
