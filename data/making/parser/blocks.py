"""More small networks: two operations on one tensor, blocks of known architectures, equal sizes, a plugin, and recipes."""
import itertools

import numpy as np

from .cases import CONTEXTS, NCHW, after, channels, const, conv, dense, flatten, operations, placeholder, pool, raw, sizes, tf

TWO = {  # operations of which two read one tensor
    "relu": tf.nn.relu, "scale": lambda x: x * 2.0, "mean": lambda x: tf.reduce_mean(x, [1], keepdims=True),
    "softmax": lambda x: raw.Softmax(logits=x), "flatten": flatten, "identity": lambda x: tf.identity(tf.identity(x)),
    "transpose": lambda x: tf.transpose(x, [0] + list(range(len(x.shape) - 1, 0, -1))),
    "pad": lambda x: tf.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, 1)]), "conv": lambda x: conv(x, 5), "pool": pool,
    "reshape": lambda x: tf.reshape(x, [-1, 2, int(np.prod(sizes(x)[1:])) // 2]),
    "concat": lambda x: tf.concat([x, x], len(x.shape) - 1)}


def branches():
    """Two operations on one tensor, with two outputs, added or joined; and blocks of known architectures."""
    for context in "image", "conv", "nchwconv", "dense":
        for (a, f), (b, g) in itertools.product(TWO.items(), TWO.items()):
            for name, join in (("out", lambda p, q: [p, q]), ("add", lambda p, q: raw.Add(x=p, y=q)),
                               ("join", lambda p, q: tf.concat([p, q], len(p.shape) - 1))):
                yield "%s.%s(%s,%s)" % (context, name, a, b), lambda c=context, f=f, g=g, j=join: (
                    lambda x: j(f(x), g(x)))(CONTEXTS[c]())
        if context in ("image", "conv"):
            for name, join in BLOCKS.items():
                yield "%s.block %s" % (context, name), lambda c=context, j=join: j(CONTEXTS[c]())


def gate(x, mean):
    return conv(tf.sigmoid(conv(mean, 2, 1)), channels(x), 1)


BLOCKS = {
    "residual": lambda x: raw.Add(x=x, y=conv(x, channels(x))),
    "residual after": lambda x: raw.Add(x=conv(x, channels(x)), y=x),
    "dense block": lambda x: tf.concat([x, conv(x, 2)], 3), "inception": lambda x: tf.concat([conv(x, 2), conv(x, 3, 1)], 3),
    "squeeze": lambda x: x * gate(x, tf.reduce_mean(x, [1, 2], keepdims=True)),
    "squeeze dense": lambda x: x * tf.reshape(tf.sigmoid(dense(tf.reduce_mean(x, [1, 2]), channels(x))),
                                              [-1, 1, 1, channels(x)]),
    "squeeze pool": lambda x: (lambda y: y * gate(y, pool(y, "AvgPool", 5, 5)))(conv(x, 4)),
    "centre": lambda x: x - tf.reduce_mean(x, [3], keepdims=True), "twice": lambda x: [tf.nn.relu(x)] * 2,
    "gap": lambda x: tf.nn.softmax(dense(tf.reduce_mean(conv(x, 4), [1, 2]), 5)),
    "gap softmax": lambda x: tf.nn.softmax(tf.reduce_mean(conv(x, 4), [1, 2])),
    "heads": lambda x: (lambda f: [dense(f, 5), dense(f, 3)])(flatten(conv(x, 4))),
    "flat softmax": lambda x: tf.nn.softmax(flatten(conv(x, 4))),
    "flat relu": lambda x: dense(tf.nn.relu(flatten(conv(x, 4))), 3),
    "flat join": lambda x: dense(tf.concat([flatten(conv(x, 4)), flatten(conv(x, 2))], 1), 3),
    "anchors": lambda x: tf.concat([tf.reshape(conv(x, 8), [-1, 60, 4]), tf.reshape(conv(pool(x), 8), [-1, 12, 4])], 1),
    "anchors softmax": lambda x: tf.nn.softmax(tf.concat([tf.reshape(conv(x, 8), [-1, 60, 4]),
                                                          tf.reshape(conv(pool(x), 8), [-1, 12, 4])], 1)),
    "mobile": lambda x: tf.nn.softmax(raw.Squeeze(input=conv(tf.reduce_mean(conv(x, 4), [1, 2], keepdims=True), 3, 1),
                                                  axis=[1, 2])),
    "crop and resize": lambda x: raw.CropAndResize(
        image=x, boxes=tf.constant([[0., 0., 1., 1.]] * 2), box_ind=tf.constant([0, 1]), crop_size=tf.constant([2, 2])),
}


def squares():
    """Tensors of equal sizes, where the sizes do not tell the axes apart."""
    starts = {"square image": lambda: placeholder(4, 4, 4), "square conv": lambda: conv(placeholder(4, 4, 3), 4),
              "square rows": lambda: tf.reshape(placeholder(16), [-1, 4, 4]), "square matrix": lambda: placeholder(4, 4)}
    for start, function in starts.items():
        rank = 3 if "rows" in start or "matrix" in start else 4
        table = dict(_square(rank), **{name: f for name, f in TWO.items() if rank == 4 or name not in ("conv", "pool")})
        for name, operation in table.items():
            yield "%s.%s" % (start, name), lambda s=function, f=operation: f(s())


def _square(rank):
    table = {"BiasAdd": lambda x: raw.BiasAdd(value=x, bias=const(4)),
             "Gather": lambda x: raw.GatherV2(params=x, indices=tf.constant([1, 0]), axis=1),
             "ArgMax": lambda x: tf.cast(tf.argmax(x, 1), tf.int32), "Concat": lambda x: tf.concat([x, x], -1)}
    for shape in [4], [1, 4], [4, 1], [4, 4], [4, 1, 1], [1, 4, 1], [1, 1, 4], [1, 4, 4], [4, 4, 4]:
        if len(shape) < rank:
            table["Add(x,%s)" % shape] = lambda x, s=shape: raw.Add(x=x, y=const(*s))
            table["Mul(x,%s)" % shape] = lambda x, s=shape: raw.Mul(x=x, y=const(*s))
    if rank == 4:
        table["FusedBatchNorm"] = operations("image")["FusedBatchNorm"]
    return table


CONSTANTS = {  # what is computed from constants alone
    "Sub(const,Mul)": lambda: raw.Sub(x=const(4), y=raw.Mul(x=const(4), y=const(4))),
    "Mul(Sub,scalar)": lambda: raw.Mul(x=raw.Sub(x=const(4), y=const(4)), y=const()), "Rsqrt": lambda: raw.Rsqrt(x=const(4)),
    "Mul(Rsqrt(Add),const)": lambda: raw.Mul(x=raw.Rsqrt(x=raw.Add(x=const(4), y=const())), y=const(4)),
    "Relu": lambda: tf.nn.relu(const(4)), "Reshape": lambda: tf.reshape(const(2, 2), [4]),
    "Reshape(1,1,1,4)": lambda: tf.reshape(const(4), [1, 1, 1, 4]), "Squeeze": lambda: raw.Squeeze(input=const(1, 4), axis=[0]),
    "ExpandDims": lambda: raw.ExpandDims(input=const(4), axis=0), "Concat": lambda: tf.concat([const(2), const(2)], 0),
    "Transpose": lambda: tf.transpose(const(4, 1)),
    "Sum": lambda: tf.reduce_sum(const(3, 4), [0]),
    "Maximum": lambda: raw.Maximum(x=const(4), y=const(4)), "Identity": lambda: tf.identity(tf.identity(const(4))),
    "Pad": lambda: tf.pad(const(2), [(1, 1)]), "Slice": lambda: const(6)[1:5],
    "Stack": lambda: tf.stack([const(), const()] * 2),
    "Gather": lambda: raw.GatherV2(params=const(6), indices=tf.constant([1, 0, 3, 2]), axis=0)}


def constants():
    for (name, function), (use, join) in itertools.product(CONSTANTS.items(), {
            "add": lambda x, c: raw.Add(x=x, y=c), "mul": lambda x, c: raw.Mul(x=c, y=x), "max": lambda x, c: raw.Maximum(
                x=x, y=c), "batch": lambda x, c: raw.Add(x=raw.Mul(x=x, y=const(4)), y=raw.Sub(x=const(4), y=c))}.items()):
        for context in "conv", "image", "mean":
            yield "%s.constant %s.%s" % (context, name, use), lambda f=function, c=context, j=join: j(CONTEXTS[c](), f())


def leaky(x):
    """record.py collapses this scope into a plugin LReLU_TRT."""
    with tf.name_scope("LReLU_TRT"):
        return raw.Maximum(x=x, y=x * 0.25)


def plugins():
    for context, start in CONTEXTS.items():
        for follow, last in after("NCHW" if context in NCHW else "NHWC").items():
            yield "%s.LReLU_TRT.%s" % (context, follow or "relu"), lambda s=start, g=last: tf.nn.relu(g(leaky(s())))


def same(x):
    return tf.reshape(x, [-1] + sizes(x)[1:])


RECIPES = {  # what the recipes say, for the rules of uffsurgeon.check: each parses right
    "reduce-order": lambda: tf.reduce_sum(same(CONTEXTS["nchw"]()), [1]), "pad-lost": lambda: tf.pad(
        CONTEXTS["conv"](), [(0, 0), (1, 1), (2, 2), (0, 0)]),
    "concat-wrong": lambda: (lambda x: tf.concat([x, tf.nn.relu(x)], 3))(CONTEXTS["image"]()),
    "concat-axes": lambda: (lambda x: tf.concat([x, x], 2))(same(tf.reduce_mean(CONTEXTS["conv"](), [1]))),
    "softmax-axis": lambda: tf.nn.softmax(tf.reshape(tf.reduce_mean(CONTEXTS["conv"](), [1, 2]), [-1, 4])),
    "slice-wrong": lambda: operations("image")["Slice(inner,3)"](same(CONTEXTS["conv"]())),
    "argument-wrong": lambda: tf.argmax(same(CONTEXTS["conv"]()), 3, output_type=tf.int32),
    "reduce-wrong": lambda: tf.reduce_sum(same(tf.reduce_mean(CONTEXTS["conv"](), [1])), [1]),
    "constant-axis": lambda: raw.Add(x=placeholder(4, 4, 4), y=tf.constant(np.tile(np.arange(4, dtype="f4"), (4, 4, 1)))),
    "constant-order": lambda: (lambda x: raw.Add(x=same(x), y=const(*sizes(x)[1:])))(CONTEXTS["conv"]()),
    "broadcast-wrong": lambda: (lambda x, m: raw.Sub(x=x, y=m))(*(lambda x: (x, tf.reduce_mean(x, [3], keepdims=True)))(
        same(CONTEXTS["conv"]()))),
    "flatten-order": lambda: tf.nn.relu(tf.reshape(CONTEXTS["conv"](), [-1, 120])),
    "transpose-shared": lambda: (lambda x: [tf.nn.relu(x), tf.transpose(same(x), [0, 3, 2, 1])])(same(CONTEXTS["conv"]())),
    "output-order": lambda: BLOCKS["squeeze pool"](placeholder(5, 5, 3)),
    "output-order own": lambda: (lambda x: [tf.nn.relu(x), tf.reduce_mean(x, [1, 2]), conv(same(x), 3)])(
        same(CONTEXTS["conv"]())),
    "layout": lambda: (lambda x: raw.Add(x=x, y=same(conv(same(x), 4))))(CONTEXTS["image"]()),
    "no-dimensions": lambda: (lambda x: tf.concat([x, conv(same(x), 4)], 3))(CONTEXTS["image"]()),
    "binary-constant max": lambda: raw.Add(x=tf.nn.relu(raw.Sub(x=CONTEXTS["conv"](), y=0.5)), y=0.5),
    "binary-constant min": lambda: raw.Add(x=raw.Neg(x=tf.nn.relu(raw.Add(x=raw.Neg(x=CONTEXTS["conv"]()), y=0.5))), y=0.5),
    "binary-constant sub": lambda: raw.Add(x=raw.Neg(x=CONTEXTS["conv"]()), y=0.5),
    "binary-constant div": lambda: raw.Mul(x=raw.Pow(x=CONTEXTS["conv"](), y=-1.0), y=0.5),
    "binary-function": lambda: (lambda x: tf.exp(raw.Mul(x=x, y=tf.math.log(x))))(
        raw.Add(x=tf.abs(CONTEXTS["conv"]()), y=1.0)),
    "scale-rank": lambda: raw.Add(x=same(CONTEXTS["matrix"]()), y=const(1)),
    "scale-weights": lambda: raw.BiasAdd(value=CONTEXTS["conv"](), bias=const(4)),
    "stack": lambda: (lambda x: tf.concat([tf.reshape(x, [-1, 1, 6]), tf.reshape(tf.nn.relu(x), [-1, 1, 6])], 1))(
        CONTEXTS["dense"]()),
    "slice-shrink": lambda: tf.reshape(operations("image")["Slice(first,3)"](CONTEXTS["image"]()), [-1, 6, 5, 3]),
    "pad-rank": lambda: tf.reshape(tf.pad(tf.reshape(CONTEXTS["rows"](), [-1, 1, 3, 2]), [(0, 0), (0, 0), (1, 1), (0, 0)]),
                                   [-1, 5, 2]),
    "kernel-size": lambda: (lambda x: [conv(same(x), 2), conv(same(x), 3)])(CONTEXTS["image"]()),
    "expand-negative": lambda: raw.ExpandDims(input=CONTEXTS["conv"](), axis=3),
    "matmul-rank": lambda: dense(same(CONTEXTS["flat"]()), 3),
}
def recipes():
    for name, function in RECIPES.items():
        yield "%s.recipe %s" % ("nchw" if name == "reduce-order" else "any", name), function
