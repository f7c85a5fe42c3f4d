"""uffsurgeon.to_onnx, operation by operation: TensorFlow beside ONNX Runtime on small graphs of all kinds.

Each function of the zoo builds a graph from the placeholder `x`; our own converter makes the .uff of it.
"""
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow
from onnx import numpy_helper

from uffsurgeon import to_onnx, uff

tf = tensorflow.compat.v1
ZOO = {}


def zoo(function):
    ZOO[function.__name__] = function
    return function


def weights(*shape):
    """Fixed by the shape and by how many constants the graph has already."""
    seed = len(tf.get_default_graph().get_operations()) + sum(shape)
    return tf.constant(np.random.RandomState(seed).randn(*shape).astype("f4") * 0.3)


def image(height=8, width=6, channels=3, batch=None):
    return tf.placeholder(tf.float32, (batch, height, width, channels), "x")


def conv(x, channels, kernel=(3, 3), stride=(1, 1), padding="SAME"):
    return tf.nn.conv2d(x, weights(*kernel + (int(x.shape[-1]), channels)), padding=padding,
                        strides=(1,) + stride + (1,))


def pool(function, x, kernel, stride, padding):
    return function(x, (1,) + kernel + (1,), (1,) + stride + (1,), padding)


# Convolutions and pools: TensorFlow's SAME is asymmetric as soon as stride and size do not fit


@zoo
def conv_same_stride_2():
    return tf.nn.relu(tf.nn.bias_add(conv(image(15, 14), 8, stride=(2, 2)), weights(8)))


@zoo
def conv_same_uneven():
    return conv(image(17, 13), 8, (2, 5), (3, 2))


@zoo
def conv_valid_padded():
    return conv(tf.pad(image(), [[0, 0], [3, 3], [2, 2], [0, 0]]), 4, (7, 5), (1, 2), "VALID")


@zoo
def conv_unknown_size():
    x = conv(conv(image(None, None), 8, stride=(2, 2)), 8)
    return pool(tf.nn.max_pool, x, (3, 3), (2, 2), "SAME")


@zoo
def conv_asymmetric_pad():
    x = tf.pad(conv(image(), 4), [[0, 0], [0, 1], [0, 1], [0, 0]])
    return conv(x, 4, stride=(2, 2), padding="VALID")


@zoo
def depthwise():
    x = tf.nn.depthwise_conv2d(image(9, 9, 6), weights(3, 3, 6, 2), [1, 2, 2, 1], "SAME")
    return tf.nn.relu6(tf.nn.bias_add(x, weights(12)))


@zoo
def depthwise_one_channel():
    return tf.nn.depthwise_conv2d(image(9, 9, 1), weights(3, 3, 1, 3), [1, 1, 1, 1], "VALID")


@zoo
def mobile_block():
    x = image(16, 16)
    for channels, stride in ((8, 1), (6, 2)):
        x = tf.nn.depthwise_conv2d(x, weights(3, 3, int(x.shape[-1]), 1), [1, stride, stride, 1], "SAME")
        x = conv(tf.nn.relu6(x), channels, (1, 1))
        x = tf.nn.fused_batch_norm(x, weights(channels), weights(channels), weights(channels),
                                   tf.constant(np.linspace(0.5, 2, channels, dtype="f4")), is_training=False)[0]
        x = tf.nn.relu(x)
    return tf.nn.softmax(tf.matmul(tf.reduce_mean(x, [1, 2]), weights(6, 5)))


@zoo
def conv_with_a_computed_kernel():
    x = image()
    return tf.nn.conv2d(x, weights(3, 3, 3, 4) * tf.reduce_mean(x, [0, 1, 2, 3]), padding="SAME", strides=(1, 1, 1, 1))


@zoo
def transposed_same():
    return tf.nn.conv2d_transpose(image(7, 5, 4, 2), weights(3, 3, 6, 4), [2, 14, 10, 6], [1, 2, 2, 1], "SAME")


@zoo
def transposed_same_odd():
    return tf.nn.conv2d_transpose(image(7, 5, 4, 2), weights(4, 3, 6, 4), [2, 13, 9, 6], [1, 2, 2, 1], "SAME")


@zoo
def transposed_small_kernel():
    return tf.nn.conv2d_transpose(image(7, 5, 4, 2), weights(1, 2, 6, 4), [2, 14, 10, 6], [1, 2, 2, 1], "SAME")


@zoo
def transposed_valid_extra_row():
    x = tf.nn.conv2d_transpose(image(7, 5, 4, 2), weights(2, 3, 6, 4), [2, 21, 12, 6], [1, 3, 2, 1], "VALID")
    return tf.nn.bias_add(x, weights(6))


@zoo
def transposed_any_batch():
    x = image(7, 5, 4)
    shape = tf.stack([tf.shape(x)[0], 14, 10, 6])
    return tf.nn.conv2d_transpose(x, weights(3, 3, 6, 4), shape, [1, 2, 2, 1], "SAME")


@zoo
def average_pool_same():
    return pool(tf.nn.avg_pool, image(9, 8), (3, 2), (2, 2), "SAME")


@zoo
def average_pool_padded():
    return pool(tf.nn.avg_pool, tf.pad(image(), [[0, 0], [1, 1], [2, 2], [0, 0]]), (3, 3), (2, 2), "VALID")


@zoo
def max_pool_padded():
    """Zeros beat negative elements here, as they do in TensorFlow."""
    return pool(tf.nn.max_pool, tf.pad(image() - 5.0, [[0, 0], [1, 1], [1, 1], [0, 0]]), (3, 3), (2, 2), "VALID")


@zoo
def max_pool_padded_after_relu():
    return pool(tf.nn.max_pool, tf.pad(tf.nn.relu(image()), [[0, 0], [1, 1], [1, 1], [0, 0]]), (3, 3), (2, 2), "VALID")


@zoo
def local_response_normalisation():
    return pool(tf.nn.max_pool, tf.nn.lrn(conv(image(), 8), 2, 2.0, 0.3, 0.75), (3, 3), (2, 2), "VALID")


# Layouts meet: sums, joins and slices of feature maps


@zoo
def residual():
    a = conv(image(), 4)
    b = conv(a, 4)
    return conv(tf.concat([tf.raw_ops.Add(x=a, y=b) if hasattr(tf, "raw_ops") else a + b, b, a], 3), 2, (1, 1))


@zoo
def concat_constant_and_rows():
    a = tf.concat([conv(image(batch=2), 4), weights(2, 8, 6, 4)], 1)
    return conv(tf.concat([a, a], 1), 2)


@zoo
def constants_of_every_rank():
    x = conv((image() - weights(3)) * 2.0, 4)
    return tf.minimum(tf.maximum(x * 0.5, -1.0) + weights(6, 4) + weights(8, 1, 1), weights(1, 8, 6, 4) + 1.0)


@zoo
def bias_shared_by_layers():
    bias = weights(4)
    x = tf.nn.bias_add(conv(image(), 4), bias)
    return tf.nn.bias_add(conv(x, 4), bias) * bias


@zoo
def conv_read_twice():
    x = conv(image(), 4)
    return tf.nn.bias_add(x, weights(4)) * x


@zoo
def reductions_of_feature_maps():
    x = conv(image(), 4)
    mean, most = tf.reduce_mean(x, [1, 2], keepdims=True), tf.reduce_max(x, [3], keepdims=True)
    return x * mean + most + tf.expand_dims(tf.reduce_sum(x, [-1]), -1)


@zoo
def reduction_of_rows():
    return tf.reduce_prod(conv(image(), 4), [1])


@zoo
def squeeze_after_pool():
    return tf.squeeze(pool(tf.nn.avg_pool, conv(image(), 4), (8, 6), (1, 1), "VALID"), [1, 2])


@zoo
def argmax_of_channels():
    return tf.argmax(conv(image(), 4), tf.constant(3, tf.int32))


@zoo
def softmax_of_channels():
    return tf.nn.softmax(conv(image(), 4))


@zoo
def transpose_to_nchw_and_flatten():
    x = tf.reshape(tf.transpose(conv(image(), 4), [0, 3, 1, 2]), [-1, 192])
    return tf.matmul(x, weights(192, 5))


@zoo
def transpose_around_convolution():
    x = conv(tf.transpose(image(3, 8, 6), [0, 2, 3, 1]), 4)
    return tf.transpose(tf.nn.relu(x), [0, 3, 1, 2])


@zoo
def transpose_height_and_width():
    return tf.transpose(conv(image(), 4), [0, 2, 1, 3])


@zoo
def crop_between_convolutions():
    return conv(conv(image(), 4)[:, 1:-1, 2:, ::2], 4)


@zoo
def slice_that_removes_axes():
    return conv(image(), 4)[:, -1, ::-1, 2]


@zoo
def slice_backwards():
    return tf.placeholder(tf.float32, (5, 8, 6), "x")[4:1:-2, :, -3:-1]


# Shapes that only run time knows


@zoo
def flatten_by_hand():
    x = image(4, 4)
    volume = tf.reduce_prod(tf.shape(x)[1:])
    return tf.matmul(tf.reshape(tf.nn.relu(x), tf.stack([-1, volume])), weights(48, 5))


@zoo
def bins_with_wildcard():
    x = tf.placeholder(tf.float32, (None, 12), "x")
    return tf.nn.l2_normalize(tf.reshape(x, tf.stack([tf.shape(x)[0], 6, -1])), 2)


@zoo
def two_open_sizes():
    x = tf.placeholder(tf.float32, (None, None, 12), "x")
    return tf.reshape(x, tf.stack([tf.shape(x)[0], tf.shape(x)[1], 3, 4]))


@zoo
def two_open_sizes_swapped():
    x = tf.placeholder(tf.float32, (None, None, 12), "x")
    return tf.reshape(x, tf.stack([tf.shape(x)[1], tf.shape(x)[0], 12]))


@zoo
def open_size_in_arithmetic():
    x = tf.placeholder(tf.float32, (None, 4, 12), "x")
    return tf.reshape(x, tf.stack([tf.shape(x)[0] * tf.shape(x)[1], 12]))


@zoo
def shape_put_together():
    x = tf.placeholder(tf.float32, (None, 12), "x")
    batch = tf.expand_dims(tf.gather(tf.shape(x), 0), 0)
    return tf.reshape(x, tf.concat([batch, [6, 2]], 0))


@zoo
def gather_along_axis():
    return tf.gather(tf.placeholder(tf.float32, (None, 4, 12), "x"), tf.constant([1, 0, 3]), axis=2)


@zoo
def tile_of_feature_maps():
    """Height and width twice and three times, between two convolutions."""
    return conv(tf.tile(conv(image(), 4), [1, 2, 3, 1]), 2, (1, 1))


@zoo
def tile_along_every_axis():
    return tf.tile(tf.placeholder(tf.float32, (None, 4, 3), "x"), [2, 1, 3])


@zoo
def stack_behind():
    x = tf.placeholder(tf.float32, (None, 4, 12), "x")
    return tf.stack([x, x * 2.0], axis=-1)


# Dense layers, element by element, outputs


@zoo
def dense_transposed():
    x = tf.matmul(tf.placeholder(tf.float32, (4, 3), "x"), weights(4, 6), transpose_a=True)
    return tf.nn.bias_add(tf.matmul(x, weights(2, 6), transpose_b=True), weights(2))


@zoo
def stacks_of_matrices():
    x = tf.placeholder(tf.float32, (3, 4, 5), "x")
    return tf.matmul(x, x, transpose_b=True) + tf.matmul(x, weights(3, 5, 4))


@zoo
def dense_with_bias_of_two_axes():
    return tf.matmul(tf.placeholder(tf.float32, (None, 3), "x"), weights(3, 4)) + weights(1, 4)


@zoo
def every_function():
    x = tf.placeholder(tf.float32, (None, 5), "x")
    bounded = tf.sin(x) * 0.9
    parts = [f(x) for f in (tf.nn.elu, tf.nn.selu, tf.nn.softplus, tf.nn.softsign, tf.nn.relu6, tf.sigmoid, tf.tanh,
                            tf.cos, tf.atan, tf.asinh, tf.sinh, tf.cosh, tf.exp, tf.floor, tf.ceil, tf.abs,
                            tf.square, tf.negative)]
    parts += [f(bounded) for f in (tf.asin, tf.acos, tf.atanh, tf.tan)]
    parts += [f(tf.abs(x) + 1.0) for f in (tf.acosh, tf.log, tf.sqrt, tf.rsqrt)]
    return tf.concat(parts + [x / 3.0, tf.minimum(x, 0.5), tf.maximum(x, 0.5), tf.nn.leaky_relu(x, 0.3)], 1)


@zoo
def outputs_along_a_chain():
    x = conv(image(), 4)
    biased = tf.nn.bias_add(x, weights(4))
    return [tf.identity(x), x, biased, tf.nn.relu(biased)]


def build(name):
    """(GraphDef, output names, what to feed, TensorFlow's results) of a graph of the zoo."""
    with tf.Graph().as_default() as graph:
        outputs = ZOO[name]()
        outputs = outputs if isinstance(outputs, list) else [outputs]
        sizes = graph.get_tensor_by_name("x:0").shape.as_list()
        shape = [size or (7 if axis else 3) for axis, size in enumerate(sizes)]
        feed = np.random.RandomState(1).randn(*shape).astype("f4")
        with tf.Session() as session:
            wanted = session.run(outputs, {"x:0": feed})
    return graph.as_graph_def(), [output.op.name for output in outputs], feed, wanted


@pytest.fixture(scope="module")
def made():
    """The zoo, converted: {name: (.uff bytes, feed, TensorFlow's results)}, made on demand."""
    cache = {}

    def get(name):
        if name not in cache:
            graph_def, outputs, feed, wanted = build(name)
            cache[name] = uff.from_tensorflow(graph_def, outputs, quiet=True), feed, wanted
        return cache[name]
    return get


def run(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: feed})


def assert_close(got, wanted, tolerance):
    """Equal shapes and dtypes, and no difference above `tolerance` of the largest element."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-30))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(ZOO))
def test_onnx_runtime_agrees_with_tensorflow(made, name):
    data, feed, wanted = made(name)
    model = to_onnx.convert(data)
    onnx.checker.check_model(model)
    assert_close(run(model, feed), wanted, 1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(ZOO))
def test_newest_opset_and_half_precision(made, name):
    data, feed, wanted = made(name)
    model = to_onnx.convert(data, opset=min(to_onnx.OPSETS[-1], onnx.defs.onnx_opset_version()))
    onnx.checker.check_model(model)
    assert_close(run(model, feed), wanted, 1e-5)
    if all(each.dtype == np.float32 for each in wanted):
        model = to_onnx.convert(data, precision="fp16")
        onnx.checker.check_model(model)
        assert_close(run(model, feed), wanted, 5e-3)


# Where transposes stand


def operators(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("name, expected", [
    ("conv_unknown_size", "Transpose Conv Conv MaxPool Transpose"),
    ("mobile_block", "Transpose Conv Clip Conv BatchNormalization Relu Conv Clip Conv BatchNormalization Relu "
                     "ReduceMean Gemm Softmax"),
    ("residual", None),
    ("squeeze_after_pool", "Transpose Conv AveragePool Squeeze"),
    ("crop_between_convolutions", "Transpose Conv Slice Conv Transpose"),
    ("argmax_of_channels", "Transpose Conv ArgMax"),
    ("tile_of_feature_maps", "Transpose Conv Tile Conv Transpose"),
    ("transpose_to_nchw_and_flatten", "Transpose Conv Reshape Gemm"),
    ("transpose_around_convolution", "Conv Relu Identity"),
    ("local_response_normalisation", "Transpose Conv LRN MaxPool Transpose"),
    ("conv_same_stride_2", "Transpose Conv Relu Transpose"),
    ("max_pool_padded_after_relu", "Relu Transpose MaxPool Transpose")])
def test_no_transpose_inside_a_chain(made, name, expected):
    names = operators(to_onnx.convert(made(name)[0]))
    if expected:
        assert names == expected.split()
    else:
        assert names[0] == names[-1] == "Transpose" and "Transpose" not in names[1:-1]


@pytest.mark.parametrize("name, constant", [
    ("flatten_by_hand", [-1, 48]), ("bins_with_wildcard", [-1, 6, 2]), ("two_open_sizes", [0, 0, 3, 4]),
    ("shape_put_together", [-1, 6, 2])])
def test_a_reshape_gets_a_constant_where_that_is_possible(made, name, constant):
    model = to_onnx.convert(made(name)[0])
    assert "Shape" not in operators(model)
    reshape = next(node for node in model.graph.node if node.op_type == "Reshape")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == reshape.input[1])
    assert numpy_helper.to_array(tensor).tolist() == constant


def test_a_reshape_that_only_run_time_knows_is_calculated_there(made):
    assert "Shape" in operators(to_onnx.convert(made("two_open_sizes_swapped")[0]))


def test_a_fixed_batch_settles_every_shape(made):
    model = to_onnx.convert(made("open_size_in_arithmetic")[0], batch=3)
    assert operators(model) == ["Reshape"]
    shape = model.graph.output[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [12, 12]
