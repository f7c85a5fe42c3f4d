"""uffsurgeon.to_onnx, the everyday operations of Keras and of raw graphs: TensorFlow beside ONNX Runtime.

Each family below is one graph with many outputs, on random sizes, so that one session and one conversion compare them all:
in TensorFlow's layout (`x`), and behind a convolution (`y`), where the tensors in ONNX are NCHW.
"""
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow

from uffsurgeon import to_onnx, uff

tf = tensorflow.compat.v1
raw = getattr(tensorflow, "raw_ops", None)  # TensorFlow 1.14
FAMILIES = {}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def family(function):
    FAMILIES[function.__name__] = function
    return function


class Draw(object):
    """Random sizes and constants, and the placeholders of a family's graph."""

    def __init__(self, seed):
        self.random, self.feeds, self.shape = np.random.RandomState(seed), {}, None

    def size(self, low=4, high=9):
        return int(self.random.randint(low, high + 1))

    def floats(self, *shape):
        return self.random.uniform(-1, 1, shape).astype("f4")

    def input(self, shape, name="x", low=-3):
        """A placeholder with an open batch where the first size is None."""
        given = [2 if size is None else size for size in shape]
        self.feeds[name] = self.random.uniform(low, 3, given).astype("f4")
        return tf.placeholder(tf.float32, shape, name)

    def images(self, even=False):
        """(x, y): images in TensorFlow's layout, and the same behind a convolution that leaves them as they are."""
        step = 2 if even else 1
        x = self.input([None, step * self.size(3, 5), step * self.size(3, 5), 4 * self.size(1, 2)])
        channels = int(x.shape[-1])
        return x, tf.nn.conv2d(x, tf.constant(np.eye(channels, dtype="f4")[None, None]), [1, 1, 1, 1], "SAME")


def both(function, draw, **kwargs):
    """{"x", "y": result} of a function of images in both layouts."""
    return dict(zip("xy", map(function, draw.images(**kwargs))))


@family
def arithmetic(draw):
    found = {}
    for name, x in zip("xy", draw.images()):
        found.update({name + key: value for key, value in {
            "sign": tf.sign(x), "round": tf.round(x), "rint": tf.rint(x), "erf": tf.erf(x), "erfc": tf.erfc(x),
            "log1p": tf.log1p(x + 4.0), "expm1": tf.expm1(x), "reciprocal": tf.reciprocal(x + 4.0),
            "floordiv": x // 0.7, "floormod": tf.floormod(x, 0.7), "floormod-": tf.floormod(x, -0.7),
            "truncatemod": tf.truncatemod(x, 0.7), "div_no_nan": tf.div_no_nan(x, tf.nn.relu(x)),
            "squared": tf.squared_difference(x, 1.0), "clip": tf.clip_by_value(x, -0.5, 0.7),
            "gelu": x * 0.5 * (1.0 + tf.erf(x / np.float32(np.sqrt(2)))), "log_softmax": tf.nn.log_softmax(x),
            "zeros": tf.zeros_like(x), "ones": tf.ones_like(x), "swish": x * tf.sigmoid(x), "add_n": tf.add_n([x, x, x]),
        }.items()})
    return found


@family
def integers(draw):
    x = draw.input([None, draw.size()])
    a, b = tf.cast(x * 4.0, tf.int32), tf.constant([3], tf.int32)
    return {"cast": a, "floordiv": a // b, "floordiv-": a // -b, "floormod": tf.floormod(a, b), "floormod-": tf.floormod(a, -b),
            "truncatemod": tf.truncatemod(a, b), "truncatediv": tf.truncatediv(a, b), "long": tf.cast(a, tf.int64),
            "back": tf.cast(a, tf.float32) / 3.0, "bytes": tf.cast(tf.cast(tf.abs(x) * 20.0, tf.uint8), tf.float32),
            "small": tf.cast(tf.cast(x * 20.0, tf.int8), tf.int32), "equal": tf.equal(a, 2), "not_equal": tf.not_equal(a, 2)}


@family
def comparisons(draw):
    found = {}
    for name, x in zip("xy", draw.images()):
        other = tf.constant(draw.floats(int(x.shape[-1])))
        above, below = x > other, tf.less_equal(x, 0.5)
        channels = tf.constant(draw.floats(int(x.shape[-1])) > 0)  # a constant of bool
        found.update({name + key: value for key, value in {
            "greater": above, "less": x < other, "greater_equal": x >= other, "less_equal": below,
            "and": above & below, "or": tf.logical_or(above, below), "not": tf.logical_not(above),
            "constant": tf.logical_and(above, channels), "same": tf.equal(above, below),
            "select": tf.where(above, x, -2.0 * x), "nan": tf.is_nan(tf.sqrt(x)), "finite": tf.is_finite(1.0 / tf.nn.relu(x)),
            "all": tf.reduce_all(below, [1, 2]), "any": tf.reduce_any(above, -1, keepdims=True),
            "float": tf.cast(above, tf.float32), "entries": tf.where(tf.reduce_any(above, [1, 2, 3]), x, x * 3.0)}.items()})
    return dict(found, nonzero=tf.where(above))


@family
def slices(draw):
    found = {}
    for name, x in zip("xy", draw.images()):
        height, width, channels = [int(size) for size in x.shape[1:]]
        a, b, c = draw.size(0, height - 2), draw.size(0, width - 2), draw.size(0, channels - 2)
        found.update({name + key: value for key, value in {
            "slice": tf.slice(x, [0, a, b, c], [-1, height - a - 1, -1, 1]), "ellipsis": x[..., c], "ellipsis2": x[0, ..., ::2],
            "new": x[:, tf.newaxis, a:], "new2": x[..., tf.newaxis], "all": x[:, None, ..., a, ::-1, c:, None],
            "back": x[:, ::-2, -2:, :-1], "start": x[tf.newaxis, :, a], "reverse": tf.reverse(x, [1, 3]),
            "tail": x[:tf.shape(x)[0] - 1], "half": x[:, :tf.shape(x)[1] // 2], "roll": tf.manip.roll(x, [2, -1], [1, 2]),
            "tile": tf.tile(x, [1, 2, 1, 3]), "expand": tf.expand_dims(x, 2), "cumsum": tf.cumsum(x, 1),
            "cumsum2": tf.cumsum(x, 3, exclusive=True, reverse=True),
            "broadcast": tf.broadcast_to(tf.reduce_mean(x, [1, 2], keepdims=True), tf.shape(x))}.items()})
        for axis, parts in ((1, height), (3, channels)):
            found.update({"%ssplit%d_%d" % (name, axis, i): part for i, part in enumerate(tf.split(x, parts, axis))})
            found.update({"%sunstack%d_%d" % (name, axis, i): part for i, part in enumerate(tf.unstack(x, axis=axis))})
        for i, part in enumerate(tf.split(x, [1, -1], 2) + tf.split(x, [1, channels - 2, 1], -1)):
            found["%ssplit_v%d" % (name, i)] = part
    return found


@family
def gathers(draw):
    x = draw.input([None, draw.size(), draw.size(), 5])
    best = tf.cast(tf.argmax(x, 1), tf.int32)[:, :2, 0]
    values, indices = tf.nn.top_k(x, 3)
    return {"nd": tf.gather_nd(x, tf.constant([[0, 1, 2], [1, 0, 3]])), "nd2": tf.gather_nd(x, tf.constant([[[1]], [[0]]])),
            "axis": tf.gather(x, tf.constant([3, 0]), axis=2), "values": values, "indices": indices,
            "rows": tf.batch_gather(x, best), "one_hot": tf.one_hot(tf.argmax(x, -1), 5),
            "one_hot2": tf.one_hot(best - 1, 4, 2.0, -1.0, axis=1), "argmax": tf.argmax(x, 1),
            "argmax32": tf.argmax(x, -1, output_type=tf.int32), "argmin32": tf.argmin(x, 2, output_type=tf.int32),
            "sequence": tf.reverse_sequence(x, tf.constant([3, 2], tf.int32), seq_axis=1, batch_axis=0),
            "sorted": tf.contrib.framework.sort(x, -1) if hasattr(tf, "contrib") else tensorflow.sort(x, -1)}


@family
def paddings(draw):
    def padded(x):
        return [tf.pad(x, [[0, 0], [1, 2], [2, 1], [0, 3]], mode, constant_values=value)
                for mode, value in (("REFLECT", 0), ("SYMMETRIC", 0), ("CONSTANT", 2.5), ("CONSTANT", 0))]
    return {name + str(i): each for name, x in zip("xy", draw.images()) for i, each in enumerate(padded(x))}


@family
def blocks(draw):
    found = {}
    for name, x in zip("xy", draw.images(even=True)):
        channels = int(x.shape[-1])
        kernel = tf.constant(draw.floats(3, 3, channels, 2))
        found.update({
            name + "to_depth": tf.space_to_depth(x, 2), name + "to_space": tf.depth_to_space(x, 2),
            name + "batches": tf.space_to_batch_nd(x, [2, 1], [[0, 2], [1, 0]]),
            name + "round": tf.batch_to_space_nd(tf.space_to_batch_nd(x, [2, 2], [[0, 0], [2, 0]]), [2, 2], [[1, 0], [0, 1]]),
            name + "dilated": tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME", rate=[2, 2])})
    return found


@family
def shapes(draw):
    """What networks compute of their shapes, with an open batch."""
    x = draw.input([None, draw.size(), draw.size(), 6])
    shape = tf.shape(x)
    ranks = tf.cast(tf.range(shape[2]), tf.float32)
    rows = tf.reshape(x, tf.stack([shape[0] * shape[1], shape[2], 6]))
    return {"shape": shape, "long": tf.shape(x, out_type=tf.int64), "size": tf.size(x), "rank": tf.rank(x), "range": ranks,
            "batch": tf.range(shape[0]), "fill": tf.fill(tf.stack([shape[0], 3]), 2.0), "rows": rows,
            "restored": tf.reshape(rows * 2.0, tf.concat([shape[:3], [2, 3]], 0)),
            "wildcard": tf.reshape(x, [-1, 3]), "sum": x + ranks[:, tf.newaxis],
            "eye": tf.cast(tf.equal(tf.range(3)[:, tf.newaxis], tf.range(3)), tf.float32) + x[0, 0, 0, 0],
            "part": tf.cast(shape[1], tf.float32) / tf.cast(tf.reduce_prod(shape[1:3]), tf.float32) * x}


@family
def matrices(draw):
    a = draw.input([None, 3, draw.size(), draw.size()])
    b = tf.constant(draw.floats(int(a.shape[3]), 5))
    found = {"stack": tf.matmul(a, a, transpose_b=True)}
    if raw:
        found.update(einsum=raw.Einsum(inputs=[a, b], equation="abcd,de->abce"),
                     dots=raw.Einsum(inputs=[a, a], equation="...ij,...kj->...ik"), broadcast=raw.BatchMatMulV2(x=a, y=b))
    return found


@family
def volumes(draw):
    x = draw.input([None, draw.size(), draw.size(), draw.size(), 2])
    kernel = tf.constant(draw.floats(3, 2, 3, 2, 4))
    same = tf.nn.conv3d(x, kernel, [1, 2, 1, 2, 1], "SAME")
    return {"same": same, "valid": tf.nn.conv3d(x, kernel, [1, 1, 1, 1, 1], "VALID"),
            "max": tf.nn.max_pool3d(x, [1, 2, 3, 2, 1], [1, 2, 2, 1, 1], "SAME"),
            "mean": tf.nn.avg_pool3d(x, [1, 2, 3, 2, 1], [1, 2, 2, 1, 1], "SAME"),
            "valid_mean": tf.nn.avg_pool3d(x, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "VALID")}


@family
def transposed_convolutions(draw):
    """With an open batch, in stacks of images, and with an open height and width."""
    x = draw.input([None, 2, draw.size(), draw.size(), 3])
    images = tf.reshape(x, [-1] + [int(size) for size in x.shape[2:]])
    height, width = [int(size) for size in images.shape[1:3]]
    kernel, batch = tf.constant(draw.floats(3, 2, 4, 3)), tf.shape(images)[0]
    open_ = tf.placeholder(tf.float32, [None, None, None, 3], "open")
    draw.feeds["open"] = draw.floats(2, 5, 4, 3)
    size = tf.shape(open_)
    y = tf.nn.conv2d_transpose(images, kernel, tf.stack([batch, 2 * height, 2 * width, 4]), [1, 2, 2, 1], "SAME")
    z = tf.nn.conv2d_transpose(open_, kernel, tf.stack([size[0], size[1] * 2, size[2] * 3, 4]), [1, 2, 3, 1], "SAME")
    v = tf.nn.conv2d_transpose(open_, kernel, tf.stack([size[0], size[1] * 2 + 1, size[2] * 2, 4]), [1, 2, 2, 1], "VALID")
    return {"stacks": tf.reshape(y, tf.stack([tf.shape(x)[0], 2, 2 * height, 2 * width, 4])), "open": z, "valid": v}


@family
def recurrent(draw):
    """An LSTM and a GRU, two steps each, as Keras writes them unrolled."""
    x, units = draw.input([None, 3, 4]), 3
    first = tf.fill(tf.stack([tf.shape(x)[0], units]), 0.0)
    h, c, g = first, first, first
    for step in tf.unstack(tf.transpose(x, [1, 0, 2]))[:2]:
        z = tf.nn.bias_add(tf.matmul(step, tf.constant(draw.floats(4, 4 * units))) +
                           tf.matmul(h, tf.constant(draw.floats(units, 4 * units))), tf.constant(draw.floats(4 * units)))
        i, f, n, o = tf.split(z, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(n)
        h = tf.sigmoid(o) * tf.tanh(c)
        own = tf.matmul(step, tf.constant(draw.floats(4, 3 * units)))
        above = tf.matmul(g, tf.constant(draw.floats(3, 3 * units)))
        update, reset, new = [a + tf.split(above, 3, -1)[i] for i, a in enumerate(tf.split(own, 3, -1))]
        update = tf.sigmoid(update)
        g = update * g + (1 - update) * tf.tanh(new * tf.sigmoid(reset))
    return {"lstm": h, "gru": g, "sequence": tf.transpose(tf.stack([h, c]), [1, 0, 2])}


@family
def nothing(draw):
    """Operations that do nothing, and control inputs."""
    x = draw.input([None, draw.size()])
    with tf.control_dependencies([tf.Assert(tf.reduce_all(x > -9.0), [x]), tf.no_op()]):
        relu = tf.nn.relu(x)
    default = tf.placeholder_with_default(x, [None, None])
    found = {"control": relu, "stop": tf.stop_gradient(x) * 2.0, "default": default + 1.0,
             "numbers": tf.check_numerics(x, "no number") * 3.0,
             "identity": tf.stop_gradient(tf.identity(tf.identity(x))) - 1.0}
    if raw:
        pair = raw.IdentityN(input=[x, x * 2.0])
        found.update(second=pair[1] + 1.0, first=pair[0] * 1.5, ensured=tensorflow.ensure_shape(x, [None, None]) + 2.0)
    return found


@family
def normalizations(draw):
    """Keras's LayerNormalization as a batch norm in training mode, over one image whose channels are the samples."""
    x = draw.input([None, draw.size(), 6])
    rows = tf.shape(x)[0] * int(x.shape[1])
    images = tf.reshape(x, tf.stack([1, rows, 6, 1]))
    unit = tf.nn.fused_batch_norm(images, tf.fill([rows], 1.5), tf.fill([rows], 0.25), data_format="NCHW", epsilon=1e-3)[0]
    mean, variance = tf.nn.moments(x, [1])
    return {"layer": tf.reshape(unit, tf.shape(x)), "moments": tf.concat([mean, variance], 1), "l2": tf.nn.l2_normalize(x, -1)}


def family_of(name, seed):
    """(GraphDef, names of the outputs, feeds, TensorFlow's results), None for a family that this TensorFlow cannot compute."""
    draw = Draw(seed)
    with tf.Graph().as_default() as graph:
        outputs = [tf.identity(tensor, "out/" + key) for key, tensor in sorted(FAMILIES[name](draw).items())]
        config = tf.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True  # its layer normalization over [1, 2] is wrong
        try:
            with tf.Session(config=config) as session:
                wanted = session.run(outputs, {key + ":0": value for key, value in draw.feeds.items()})
        except tf.errors.OpError as error:
            if "NCHW" not in str(error) and "NHWC" not in str(error):
                raise
            pytest.skip("this TensorFlow has no NCHW on the CPU")
    return graph.as_graph_def(), [output.op.name for output in outputs], draw.feeds, wanted


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@family
def angles(draw):
    found = {}
    for name, x in zip("xy", draw.images()):
        steps = tf.cast(tf.cast(x, tf.int32), tf.float32)  # zeros among them
        found[name + "atan2"] = tf.atan2(x, x[:, :, :, :1] + 0.5)
        found[name + "quadrants"] = tf.atan2(steps, steps[:, :, ::-1])
    return found


@family
def products(draw):
    def cumulated(x):
        return [tf.cumprod(x, axis, exclusive=exclusive, reverse=reverse) for axis, exclusive, reverse in (
            (1, False, False), (2, True, False), (-1, False, True), (3, True, True))]
    return {"%s%d" % (key, index): value for key, source in zip("xy", draw.images())
            for index, value in enumerate(cumulated(source))}


@family
def patches(draw):
    found = {}
    for key, x in zip("xy", draw.images()):
        for index, (size, stride, rate, padding) in enumerate([
                ((3, 2), (1, 2), (1, 1), "SAME"), ((2, 2), (2, 1), (1, 1), "VALID"), ((2, 3), (1, 1), (2, 1), "SAME")]):
            found["%s%d" % (key, index)] = tf.extract_image_patches(
                x, ksizes=(1,) + size + (1,), strides=(1,) + stride + (1,), rates=(1,) + rate + (1,), padding=padding)
    return found


@family
def crops(draw):
    boxes = draw.random.uniform(-0.2, 1.2, (5, 4)).astype("f4")
    boxes[0] = [0, 0, 1, 1]
    found = {}
    for key, x in zip("xy", draw.images()):
        for index, (size, method, value) in enumerate([
                ([4, 7], "bilinear", 0.5), ([1, 3], "bilinear", 0.0), ([5, 1], "nearest", -1.0)]):
            found["%s%s%d" % (key, method, index)] = tf.image.crop_and_resize(
                x, boxes, [0, 1, 1, 0, 1], size, method, extrapolation_value=value)
    given = tf.abs(draw.input([6, 4], "boxes"))
    found["computed"] = tf.image.crop_and_resize(x, given * 0.3, tf.zeros([6], tf.int32), [3, 3])
    return found


@family
def best_boxes(draw):
    corners = draw.random.uniform(0, 3, (30, 2, 2)).astype("f4")
    boxes = tf.constant(np.concatenate([corners.min(1), corners.max(1) + 1], 1))
    scores = draw.input([30], "scores")
    found = {"v%d" % index: tf.image.non_max_suppression(boxes, scores, count, overlap)
             for index, (count, overlap) in enumerate([(5, 0.5), (30, 0.3), (7, 0.05)])}
    found["above"] = tf.image.non_max_suppression(boxes, scores, 20, 0.4, score_threshold=0.5)
    found["kept"] = tf.gather(scores, found["above"])
    return found


@family
def distinct(draw):
    x = draw.input([20], "values")
    whole = tf.cast(x * 2, tf.int32)
    found = {}
    for key, value in (("float", tf.round(x)), ("int", whole)):
        found[key], found[key + "_where"] = tf.unique(value)
    return found


def scattered(draw):
    x = draw.input([None, 6, 3])
    rows = tf.constant([[1], [0]])
    update = tf.tensor_scatter_nd_update
    return {"update": update(x, rows, x[:2] * 2.0), "one": update(x, [[0, 5]], [[1.0, 2.0, 3.0]])}


if tensorflow.__version__ >= "2":  # 1.13 fails to compute it
    family(scattered)


def differences(names, got, wanted, tolerance, steps=()):
    """Names of the outputs that are not as wanted. steps: names of functions that jump, where rounding decides."""
    wrong = []
    for name, a, b in zip(names, got, wanted):
        if a.shape != b.shape or a.dtype != b.dtype:
            wrong.append((name, a.shape, a.dtype, b.shape, b.dtype))
        elif b.dtype.kind != "f":
            wrong += [(name, a, b)] if (a != b).mean() > (0.2 if steps else 0) else []
        elif not np.array_equal(np.isnan(a), np.isnan(b)) or not any(step in name for step in steps):
            with np.errstate(invalid="ignore"):
                if not np.allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b[np.isfinite(b)]).max(), 1e-30), equal_nan=True):
                    wrong.append((name, a, b))
    return wrong


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_family_agrees_with_tensorflow(name, seed):
    graph_def, outputs, feeds, wanted = family_of(name, seed)
    data = uff.from_tensorflow(graph_def, outputs, quiet=True)
    model = to_onnx.convert(data)
    onnx.checker.check_model(model)
    assert not any(node.domain for node in model.graph.node)
    assert differences(outputs, run(model, feeds), wanted, 2e-6) == []
    if seed == 0:
        newest = to_onnx.convert(data, opset=min(to_onnx.OPSETS[-1], onnx.defs.onnx_opset_version()))
        onnx.checker.check_model(newest)
        assert differences(outputs, run(newest, feeds), wanted, 2e-6) == []
        half = to_onnx.convert(data, precision="fp16")
        onnx.checker.check_model(half)
        jumps = "mod floordiv round rint sign back bytes div_no_nan entries select float one_hot".split()
        assert differences(outputs, run(half, feeds), wanted, 5e-3, jumps) == []


# Images of another size


@pytest.mark.skipif(raw is None, reason="TensorFlow before 1.14 has no half_pixel_centers")
@pytest.mark.parametrize("operation", ["ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic"])
def test_resize(operation):
    """Up, down, by whole and by uneven factors, in each of TensorFlow's three ways to place the pixels."""
    random = np.random.RandomState(7)
    with tf.Graph().as_default() as graph:
        x, outputs = tf.placeholder(tf.float32, [None, 7, 10, 3], "x"), []
        y = tf.nn.conv2d(x, tf.constant(np.eye(3, dtype="f4")[None, None]), [1, 1, 1, 1], "SAME")
        sizes = [(14, 20), (3, 5), (7, 10), (1, 1), (287, 10)] + [tuple(random.randint(1, 40, 2)) for _ in range(6)]
        for align, half in ((False, False), (True, False), (False, True)):
            for index, size in enumerate(sizes):
                outputs.append(getattr(raw, operation)(images=(x, y)[index % 2], size=tf.constant(size, tf.int32),
                                                       align_corners=align, half_pixel_centers=half))
        if operation != "ResizeBicubic":  # a size that the network computes
            outputs.append(getattr(raw, operation)(images=y, size=tf.shape(x)[1:3] * 2))
        feeds = {"x": random.uniform(-1, 1, (2, 7, 10, 3)).astype("f4")}
        with tf.Session() as session:
            wanted = session.run(outputs, {"x:0": feeds["x"]})
    names = [output.op.name for output in outputs]
    model = to_onnx.convert(uff.from_tensorflow(graph.as_graph_def(), names, quiet=True))
    assert differences(names, run(model, feeds), wanted, 2e-5) == []


@pytest.mark.skipif(raw is None, reason="TensorFlow before 1.14 has no half_pixel_centers")
def test_resize_of_images_of_any_size():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, None, None, 3], "x")
        y = raw.ResizeBilinear(images=tf.nn.relu(x), size=tf.shape(x)[1:3] * 2, half_pixel_centers=True, name="y")
        feeds = {"x": np.random.RandomState(0).randn(2, 5, 9, 3).astype("f4")}
        with tf.Session() as session:
            wanted = session.run([y], {"x:0": feeds["x"]})
    model = to_onnx.convert(uff.from_tensorflow(graph.as_graph_def(), ["y"], quiet=True))
    assert differences(["y"], run(model, feeds), wanted, 1e-6) == []


# A network that computes in float16 by itself


def test_float16_is_rounded_where_tensorflow_rounds():
    """ONNX Runtime leaves out the rounding between float16 operations, so these are computed in float32 and rounded."""
    random = np.random.RandomState(0)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 6, 7, 4], "x")
        kernel = tf.constant(random.randn(1, 1, 4, 4).astype("f4"))
        found, unit = {}, tf.constant(np.eye(4, dtype="f4")[None, None])
        for key, source in (("x", x), ("y", tf.nn.conv2d(x, unit, [1, 1, 1, 1], "SAME"))):
            half = tf.cast(source, tf.float16)
            found.update({key + name: value for name, value in {
                "arithmetic": (half * 3.0 - 0.3) * half + tf.nn.relu(half), "itself": tf.exp(half), "same": half,
                "conv": tf.nn.relu(tf.nn.conv2d(half * 1.1, tf.cast(kernel, tf.float16), [1, 1, 1, 1], "SAME") + half),
                "moved": tf.transpose(tf.concat([half, half * 0.1], 3), [0, 3, 1, 2]),
                "flat": tf.reshape(half * 0.7, [-1, 168]),
                "compared": half * 0.1 > 0.02, "best": tf.argmax(half * 0.1, 3), "int": tf.cast(tf.round(half) + 0.5, tf.int32),
                "back": tf.cast(half * 0.3, tf.float32), "where": tf.where(half > 0.5, half * 0.1, half * 0.7)}.items()})
        outputs = [tf.identity(value, name).op.name for name, value in found.items()]
        feeds = {"x": random.uniform(-3, 3, (2, 6, 7, 4)).astype("f4")}
        with tf.Session() as session:
            wanted = session.run([name + ":0" for name in outputs], {"x:0": feeds["x"]})
    data = uff.from_tensorflow(graph.as_graph_def(), outputs, quiet=True)
    got = dict(zip(outputs, run(to_onnx.convert(data), feeds)))
    for name, value in zip(outputs, wanted):
        assert got[name].dtype == value.dtype, name
        # The order of a sum; and 1.10, of Python 3.6, leaves the rounding out even so.
        tolerance = 2e-3 if "conv" in name or onnxruntime.__version__.startswith("1.10.") else 0
        np.testing.assert_allclose(got[name], value, rtol=0, atol=tolerance * np.abs(value).max(), err_msg=name)
    to_onnx.convert(data, precision="fp16")


def compared(graph, outputs, feeds, **options):
    """Convert the graph, and compare what ONNX Runtime and TensorFlow compute; returns the model."""
    with tf.Session(graph=graph) as session:
        wanted = session.run([name + ":0" for name in outputs], {name + ":0": value for name, value in feeds.items()})
    model = to_onnx.convert(uff.from_tensorflow(graph.as_graph_def(), outputs, quiet=True), **options)
    assert differences(outputs, run(model, feeds), wanted, 2e-6) == []
    return model


def test_resize_area():
    random = np.random.RandomState(3)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 7, 10, 3], "x")
        outputs = [tf.image.resize_area(tf.nn.relu(x), size, align).op.name for align in (False, True)
                   for size in [(14, 20), (3, 5), (7, 10), (1, 1), (6, 9), (9, 4)]]
    compared(graph, outputs, {"x": random.uniform(-1, 1, (2, 7, 10, 3)).astype("f4")})


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 16, reason="opset 16")
def test_scatters_that_add():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [4, 3], "x")
        indices = tf.constant([[2], [0], [2], [5]])
        outputs = [tf.scatter_nd(indices, x, [6, 3], name="scattered").op.name]
        if hasattr(tf, "tensor_scatter_nd_add"):
            outputs += [tf.tensor_scatter_nd_add(tf.ones([6, 3]) * x[:1], indices, x, name="added").op.name,
                        tf.tensor_scatter_nd_sub(tf.ones([6, 3]) * x[:1], indices, x, name="subtracted").op.name]
    feeds = {"x": np.random.RandomState(0).randn(4, 3).astype("f4")}
    compared(graph, outputs, feeds, opset=16)
    with pytest.raises(ValueError, match="'scattered' ._ScatterNd.: ONNX has this from opset 16 on: .*--opset 16"):
        to_onnx.convert(uff.from_tensorflow(graph.as_graph_def(), outputs, quiet=True))


def test_images_of_bytes(capsys):
    """image_tensor of the object detection API: uint8, cast to float32."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.uint8, [None, 5, 6, 3], "image_tensor")
        y = tf.cast(x, tf.float32, name="ToFloat") * (2.0 / 255) - 1.0
        kernel = tf.constant(np.random.RandomState(1).randn(3, 3, 3, 2).astype("f4"))
        tf.reduce_max(tf.nn.conv2d(y, kernel, [1, 1, 1, 1], "SAME"), [1, 2], name="y")
    feeds = {"image_tensor": np.random.RandomState(0).randint(0, 256, (2, 5, 6, 3)).astype("u1")}
    model = compared(graph, ["y"], feeds)
    assert "input 'image_tensor' is uint8, which UFF does not have, and becomes float32" in capsys.readouterr().out
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    with graph.as_default():
        tf.transpose(x, [0, 3, 1, 2], name="turned")
    with pytest.raises(uff.UffException, match="'image_tensor' .Placeholder. has values of uint8"):
        uff.from_tensorflow(graph.as_graph_def(), ["turned"], quiet=True)
