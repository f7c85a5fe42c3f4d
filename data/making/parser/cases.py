"""Small networks for a UffParser: every operation that the converter writes, behind every kind of tensor.

`cases()` yields (name, function); the function builds the network in TensorFlow's default graph and returns its output. A name
is CONTEXT.OPERATION, or CONTEXT.OPERATION.AFTER if something follows; the context says what the operation reads:

    image      the input, [N, H, W, C]             nchw      the same declared [N, C, H, W], operations of data_format NCHW
    conv       a convolution of it                 nchwconv  a convolution of that
    flat       an input [N, C]                     dense     a MatMul of a flattened convolution
    matrix     an input [N, A, B]                  rows      a Reshape of a MatMul to [N, A, B]
    volume     an input [N, A, B, C, D]            mean      a convolution's mean over height and width, [N, C]
    thin       an input [N, 1, W, C]               thinconv  a convolution [N, 1, 1, C]
"""
import itertools
import random
import zlib

import numpy as np
import tensorflow

tf = tensorflow.compat.v1
raw = tensorflow.raw_ops


def weights(*shape):
    """Multiples of 1/8, other ones for every constant of a graph."""
    seed = len(tf.get_default_graph().get_operations()) + sum(shape)
    return np.random.RandomState(seed).randint(1, 9, shape).astype("f4") / 8


def const(*shape):
    return tf.constant(weights(*shape))


def sizes(x):
    return [-1 if size is None else int(size) for size in x.shape.as_list()]


def channels(x, order="NHWC"):
    return sizes(x)[1 if order == "NCHW" else -1]


def conv(x, maps, kernel=3, stride=1, padding="SAME", order="NHWC", dilation=1):
    spatial = (1, stride, stride, 1) if order == "NHWC" else (1, 1, stride, stride)
    dilations = (1, dilation, dilation, 1) if order == "NHWC" else (1, 1, dilation, dilation)
    return raw.Conv2D(input=x, filter=const(kernel, kernel, channels(x, order), maps), strides=spatial, padding=padding,
                      data_format=order, dilations=dilations)


def pool(x, kind="MaxPool", kernel=2, stride=2, padding="VALID", order="NHWC"):
    window, step = [(1, n, n, 1) if order == "NHWC" else (1, 1, n, n) for n in (kernel, stride)]
    values = {"input" if kind == "MaxPool" else "value": x}
    return getattr(raw, kind)(ksize=window, strides=step, padding=padding, data_format=order, **values)


def flatten(x):
    with tf.name_scope("flatten"):
        return tf.reshape(x, [-1, int(np.prod(sizes(x)[1:]))])


def dense(x, maps):
    return raw.MatMul(a=x, b=const(channels(x), maps))


def placeholder(*shape, **kwargs):
    return tf.placeholder(kwargs.get("dtype", tf.float32), (None,) + shape, kwargs.get("name", "x"))


CONTEXTS = {
    "image": lambda: placeholder(6, 5, 4), "conv": lambda: conv(placeholder(6, 5, 3), 4),
    "nchw": lambda: placeholder(4, 6, 5), "nchwconv": lambda: conv(placeholder(3, 6, 5), 4, order="NCHW"),
    "flat": lambda: placeholder(6), "dense": lambda: dense(flatten(conv(placeholder(3, 2, 2), 2)), 6),
    "matrix": lambda: placeholder(6, 4),
    "rows": lambda: tf.reshape(dense(flatten(conv(placeholder(3, 2, 2), 2)), 6), [-1, 3, 2]),
    "volume": lambda: placeholder(2, 3, 4, 5), "mean": lambda: tf.reduce_mean(conv(placeholder(6, 5, 3), 4), [1, 2]),
    "thin": lambda: placeholder(1, 5, 4), "thinconv": lambda: conv(placeholder(3, 3, 2), 4, padding="VALID"),
}
RANKS = {"flat": 2, "dense": 2, "mean": 2, "matrix": 3, "rows": 3, "volume": 5}  # all others 4
NCHW = ("nchw", "nchwconv")
ACTIVATIONS = "Relu Relu6 Tanh Sigmoid Elu Selu Softsign Softplus".split()
UNARY = "Neg Abs Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Ceil Floor Sqrt Rsqrt Square Exp Log".split()
BINARY = "Add Sub Mul Div RealDiv Minimum Maximum Pow".split()
OTHERS = "LeakyRelu Round Sign Erf LogSoftmax Reciprocal Rint ZerosLike".split()  # without an operation of UFF


def binary(name, x, y):
    return getattr(raw, name)(x=x, y=y)


def reduce(name, x, axes, keep):
    return getattr(raw, name)(input=x, axis=tf.constant(axes, tf.int32), keep_dims=keep)


def keras_reshape(x, shape):
    """Reshape as Keras writes it: Shape, StridedSlice, Pack, Reshape."""
    return tf.reshape(x, tf.stack([tf.strided_slice(tf.shape(x), [0], [1], [1], shrink_axis_mask=1)] + list(shape)))


def operations(context):
    """{name: function of the tensor} for the operations behind one context."""
    rank, order = RANKS.get(context, 4), "NCHW" if context in NCHW else "NHWC"
    table = {}
    for name in ACTIVATIONS:
        table[name] = lambda x, name=name: getattr(raw, name)(**{"x" if name in ("Tanh", "Sigmoid") else "features": x})
    for name in UNARY if context in ("image", "conv", "dense") else ["Neg", "Square", "Rsqrt"]:
        table[name] = lambda x, name=name: getattr(raw, name)(x=x)
    if context in ("image", "dense"):
        for name in OTHERS:
            table[name] = lambda x, name=name: getattr(raw, name)(
                **{{"LeakyRelu": "features", "LogSoftmax": "logits"}.get(name, "x"): x})
    for name in BINARY if context in ("image", "conv", "dense", "matrix") else ["Add", "Mul", "Maximum"]:
        _binaries(table, name, rank)
    for name in "AddV2", "SquaredDifference", "FloorDiv":
        table[name] = lambda x, name=name: binary(name, x, tf.constant(2.0))
    table["AddN"] = lambda x: raw.AddN(inputs=[x, x])
    _shapes(table, rank)
    _indexing(table, rank)
    axes = range(1, rank)
    groups = [list(g) for n in axes for g in itertools.combinations(axes, n)]
    groups += [[-1], [0], [], list(range(rank)), [2 - rank, -1]]
    for name, group, keep in itertools.product(("Sum", "Prod", "Min", "Max", "Mean"), groups, (False, True)):
        if name in ("Sum", "Mean") or group in ([1], [rank - 1]):
            table["%s(%s,%s)" % (name, group, keep)] = lambda x, v=(name, group, keep): reduce(v[0], x, v[1], v[2])
    for name, axis in itertools.product(("ArgMax", "ArgMin"), list(axes) + [-1, 0]):
        table["%s(%d)" % (name, axis)] = lambda x, v=(name, axis): tf.cast(
            getattr(raw, v[0])(input=x, dimension=v[1], output_type=tf.int32), tf.int32)
    table["Softmax"] = lambda x: raw.Softmax(logits=x)
    for axis in list(axes) + [-1]:
        table["softmax(%d)" % axis] = lambda x, axis=axis: tf.nn.softmax(x, axis)
    if rank == 4:
        _images(table, order)
    if rank == 2:
        table["MatMul"] = lambda x: dense(x, 3)
        table["MatMul(b transposed)"] = lambda x: raw.MatMul(a=x, b=const(3, channels(x)), transpose_b=True)
        table["MatMul(a transposed)"] = lambda x: raw.MatMul(a=x, b=const(2, 3), transpose_a=True)
        table["MatMul(x,x)"] = lambda x: raw.MatMul(a=x, b=x, transpose_b=True)
    if rank != 4:
        table["BiasAdd"] = lambda x: raw.BiasAdd(value=x, bias=const(channels(x)))
    return table


def _binaries(table, name, rank):
    shapes = {"scalar": lambda s: [], "one": lambda s: [1], "vector": lambda s: s[-1:], "ones": lambda s: [1] * rank,
              "last": lambda s: [1] * (rank - 1) + s[-1:], "first": lambda s: [1, s[1]] + [1] * (rank - 2),
              "full": lambda s: [1] + s[1:], "tail": lambda s: s[1:]}
    for kind, shape in shapes.items():
        table["%s(x,%s)" % (name, kind)] = lambda x, f=shape: binary(name, x, const(*f(sizes(x))))
        if kind in ("scalar", "vector", "tail", "ones"):
            table["%s(%s,x)" % (name, kind)] = lambda x, f=shape: binary(name, const(*f(sizes(x))), x)
    table["%s(x,x)" % name] = lambda x: binary(name, x, x)
    table["%s(x,relu)" % name] = lambda x: binary(name, x, tf.nn.relu(x))
    table["%s(x,input)" % name] = lambda x: binary(name, x, placeholder(*sizes(x)[1:], name="x2"))
    table["%s(x,mean kept)" % name] = lambda x: binary(name, x, tf.reduce_mean(x, [rank - 1], keepdims=True))
    table["%s(x,mean)" % name] = lambda x: binary(name, x, tf.reduce_mean(x, [1], keepdims=rank < 3))


def _shapes(table, rank):
    table["Identity"] = tf.identity
    table["Identity Identity"] = lambda x: tf.identity(tf.identity(x))
    table["Shape"] = tf.shape
    table["flatten"] = flatten
    table["flatten named otherwise"] = lambda x: tf.reshape(x, [-1, int(np.prod(sizes(x)[1:]))])
    table["keras flatten"] = lambda x: keras_reshape(x, [int(np.prod(sizes(x)[1:]))])
    table["keras reshape(same)"] = lambda x: keras_reshape(x, sizes(x)[1:])
    table["Reshape(same)"] = lambda x: tf.reshape(x, sizes(x))
    table["Reshape(2,-1)"] = lambda x: keras_reshape(x, [2, -1])
    table["Reshape(-1,2,n)"] = lambda x: tf.reshape(x, [-1, 2, int(np.prod(sizes(x)[1:])) // 2])
    table["Reshape(-1,n,2)"] = lambda x: tf.reshape(x, [-1, int(np.prod(sizes(x)[1:])) // 2, 2])
    table["Reshape(-1,1,2,n)"] = lambda x: tf.reshape(x, [-1, 1, 2, int(np.prod(sizes(x)[1:])) // 2])
    table["Reshape(-1,n,1,2)"] = lambda x: tf.reshape(x, [-1, int(np.prod(sizes(x)[1:])) // 2, 1, 2])
    table["Reshape(-1,n,1,1,2)"] = lambda x: tf.reshape(x, [-1, int(np.prod(sizes(x)[1:])) // 2, 1, 1, 2])
    table["Reshape(batch merged)"] = lambda x: tf.reshape(x, [-1, sizes(x)[-1]])
    table["Reshape(2)"] = lambda x: tf.reshape(x, [2, int(np.prod(sizes(x)[1:]))])
    table["Squeeze"] = lambda x: raw.Squeeze(input=x, axis=[])
    ones = [axis for axis in range(1, rank)]
    for axis in ones + [-1]:
        table["Squeeze(%d)" % axis] = lambda x, axis=axis: raw.Squeeze(input=x, axis=[axis])
    table["Squeeze(1,2)"] = lambda x: raw.Squeeze(input=x, axis=[1, 2])
    for axis in list(range(rank + 1)) + [-1, -2]:
        table["ExpandDims(%d)" % axis] = lambda x, axis=axis: raw.ExpandDims(input=x, axis=axis)
    orders = list(itertools.permutations(range(1, rank))) if rank < 5 else [(1, 2, 3, 4), (4, 1, 2, 3), (2, 1, 3, 4)]
    for order in [(0,) + o for o in orders] + ([(1, 0) + tuple(range(2, rank))]):
        table["Transpose(%s)" % (list(order),)] = lambda x, order=order: tf.transpose(x, order)


def _indexing(table, rank):
    for axis in list(range(rank)) + [-1, 1 - rank]:
        table["Concat(x,x,%d)" % axis] = lambda x, axis=axis: tf.concat([x, x], axis)
        table["Concat(x,relu,neg,%d)" % axis] = lambda x, axis=axis: tf.concat([x, tf.nn.relu(x), -x], axis)
        table["Concat(x,input,%d)" % axis] = lambda x, axis=axis: tf.concat([x, placeholder(*sizes(x)[1:], name="x2")], axis)
        table["Concat(x,const,%d)" % axis] = lambda x, axis=axis: tf.concat([x, const(*[2] + sizes(x)[1:])], axis)
        table["Stack(%d)" % axis] = lambda x, axis=axis: tf.stack([x, tf.nn.relu(x)], axis)
        table["Gather(%d)" % axis] = lambda x, axis=axis: raw.GatherV2(params=x, indices=tf.constant([1, 0]), axis=axis)
    table["Gather"] = lambda x: raw.Gather(params=x, indices=tf.constant([1, 0]))
    table["Gather(embedding)"] = lambda x: raw.GatherV2(params=const(10, 3), indices=placeholder(
        4, name="x2", dtype=tf.int32), axis=0) + tf.reduce_sum(x)
    table["Concat(x)"] = lambda x: raw.ConcatV2(values=[x], axis=rank - 1)
    cuts = {"first": (1, None, 1), "last": (-1, None, 1), "inner": (1, 3, 1), "step": (0, None, 2), "all": (None, None, 1)}
    for axis in range(1, rank):
        for kind, (begin, end, step) in cuts.items():
            table["Slice(%s,%d)" % (kind, axis)] = lambda x, v=(axis, slice(begin, end, step)): x[
                tuple([slice(None)] * v[0] + [v[1]])]
        table["Slice(at,%d)" % axis] = lambda x, axis=axis: x[tuple([slice(None)] * axis + [0])]
    table["Slice(reverse)"] = lambda x: x[:, ::-1]
    table["Slice op"] = lambda x: tf.slice(x, [0] + [1] * (rank - 1), [-1] + [2] * (rank - 1))
    table["Split"] = lambda x: tf.split(x, 2, -1)[0]
    table["Tile"] = lambda x: tf.tile(x, [1] * (rank - 1) + [2])
    table["Cast"] = lambda x: tf.cast(x, tf.int32)
    pads = {"before": (1, 0), "after": (0, 2), "both": (1, 1)}
    for axis in range(rank):
        for kind, pad in pads.items():
            table["Pad(%s,%d)" % (kind, axis)] = lambda x, v=(axis, pad): tf.pad(
                x, [v[1] if at == v[0] else (0, 0) for at in range(rank)])
    table["Pad(nothing)"] = lambda x: tf.pad(x, [(0, 0)] * rank)
    table["MirrorPad"] = lambda x: tf.pad(x, [(0, 0)] + [(1, 1)] * (rank - 1), "REFLECT")


def _images(table, order):
    inner = (1, 2) if order == "NHWC" else (2, 3)
    for kernel, stride, padding in itertools.product((1, 2, 3), (1, 2), ("SAME", "VALID")):
        v = dict(kernel=kernel, stride=stride, padding=padding, order=order)
        tag = "(%d,%d,%s)" % (kernel, stride, padding)
        table["Conv" + tag] = lambda x, v=v: conv(x, 5, **v)
        table["MaxPool" + tag] = lambda x, v=v: pool(x, "MaxPool", **v)
        table["AvgPool" + tag] = lambda x, v=v: pool(x, "AvgPool", **v)
    for padding in "SAME", "VALID":
        table["Conv(dilated,%s)" % padding] = lambda x, p=padding: conv(x, 5, padding=p, order=order, dilation=2)
    table["atrous"] = lambda x: tf.nn.atrous_conv2d(x, const(3, 3, sizes(x)[-1], 5), 2, "SAME")
    for step, padding in itertools.product((1, 2), ("SAME", "VALID")):
        table["Depthwise(%d,%s)" % (step, padding)] = lambda x, p=padding, s=step: raw.DepthwiseConv2dNative(
            input=x, filter=const(3, 3, channels(x, order), 1), padding=p, data_format=order,
            strides=(1, s, s, 1) if order == "NHWC" else (1, 1, s, s))
        if order == "NHWC":
            table["ConvTranspose(%d,%s)" % (step, padding)] = lambda x, p=padding, s=step: raw.Conv2DBackpropInput(
                input_sizes=[2] + [n * s + (2 * (p == "VALID") if s == 1 else p == "VALID") for n in sizes(x)[1:3]] + [5],
                filter=const(3, 3, 5, sizes(x)[-1]), out_backprop=x, strides=(1, s, s, 1), padding=p)
    table["BiasAdd"] = lambda x: raw.BiasAdd(value=x, bias=const(channels(x, order)), data_format=order)
    for op in "FusedBatchNorm", "FusedBatchNormV3":
        table[op] = lambda x, op=op: getattr(raw, op)(
            x=x, is_training=False, data_format=order, epsilon=0.01,
            **{key: const(channels(x, order)) for key in ("scale", "offset", "mean", "variance")})[0]
    table["LRN"] = lambda x: raw.LRN(input=x, depth_radius=1, bias=1.0, alpha=0.5, beta=0.75)
    table["DepthToSpace"] = lambda x: tf.depth_to_space(x, 2)
    table["ResizeNearestNeighbor"] = lambda x: tf.image.resize_nearest_neighbor(x, (4, 4))
    table["resize"] = lambda x: tf.image.resize_bilinear(x, (4, 4))
    for kind, pad in {"symmetric": ((1, 1), (2, 2)), "one-sided": ((0, 1), (0, 1)), "height": ((1, 1), (0, 0)),
                      "width": ((0, 0), (1, 1))}.items():
        paddings = [(0, 0)] * 4
        paddings[inner[0]], paddings[inner[1]] = pad
        table["Pad(%s)" % kind] = lambda x, p=paddings: tf.pad(x, p)
        for padding in "SAME", "VALID":
            table["Pad(%s) conv %s" % (kind, padding)] = lambda x, p=paddings, v=padding: conv(
                tf.pad(x, p), 5, padding=v, order=order)
            table["Pad(%s) pool %s" % (kind, padding)] = lambda x, p=paddings, v=padding: pool(
                tf.pad(tf.nn.relu(x), p), padding=v, order=order)
        table["BiasAdd Pad(%s)" % kind] = lambda x, p=paddings: tf.pad(
            raw.BiasAdd(value=x, bias=const(channels(x, order)), data_format=order), p)


def after(order):
    """{name: function}: what follows an operation, to see what it hands on."""
    return {
        "": lambda y: y, "relu": tf.nn.relu, "conv": lambda y: conv(y, 3, order=order),
        "dense": lambda y: dense(flatten(y), 3), "mul": lambda y: y * 2.0, "flatten": flatten,
        "bias": lambda y: raw.BiasAdd(value=y, bias=const(channels(y, order if len(y.shape) == 4 else "")),
                                      data_format=order if len(y.shape) == 4 else "NHWC"),
        "pool": lambda y: pool(y, kernel=2, stride=1, order=order), "sum": lambda y: tf.reduce_sum(y, [1], keepdims=True),
        "concat": lambda y: tf.concat([y, y], len(y.shape) - 1), "softmax": lambda y: raw.Softmax(logits=y)}


def single():
    """All cases of one operation; for a selection, one of each kind of thing behind it, too."""
    for context, start in CONTEXTS.items():
        for name, function in operations(context).items():
            for follow, last in after("NCHW" if context in NCHW else "NHWC").items():
                if not follow or zlib.crc32((context + name + follow).encode()) % 8 == 0:
                    yield ".".join(filter(None, (context, name, follow))), lambda s=start, f=function, g=last: g(f(s()))


def chains(count=1500, seed=5):
    """Networks of two to five operations, drawn at random."""
    source = random.Random(seed)
    tables = {context: operations(context) for context in CONTEXTS}
    for index in range(count):
        context = source.choice(["image", "conv", "nchwconv", "nchw", "dense", "conv", "matrix", "mean"])
        picks = [source.random() for _ in range(source.randint(2, 5))]
        yield "%s.chain%04d" % (context, index), lambda c=context, p=picks: _chain(c, p, tables)


def _chain(context, picks, tables):
    x = CONTEXTS[context]()
    for pick in picks:
        rank = len(x.shape)
        kind = context if RANKS.get(context, 4) == rank else {2: "dense", 3: "rows", 4: "conv", 5: "volume"}[rank]
        names = sorted(n for n in tables[kind] if "input" not in n and "embedding" not in n)
        x = tables[kind][names[int(pick * len(names))]](x)
        if x.dtype != tf.float32 or None in x.shape.as_list()[1:]:
            break
    return x


def cases():
    """All: (name, function that builds a network in the default graph and returns its output or a list of outputs)."""
    from . import blocks  # which imports this module

    return itertools.chain(single(), chains(), blocks.branches(), blocks.squares(), blocks.constants(), blocks.plugins(),
                           blocks.recipes())
