"""Networks as .onnx for tests: the workbook's architecture with random weights, at any width and image size."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

HEADS = ("dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax")


def box3d(path, width=1, size=224, batch=None, seed=0, name=None, bad=None):
    """Write the network: input_1 [N, size, size, 3] NHWC, the three heads; returns the path as str.

    width divides the channels. batch: a fixed first size, None leaves it open. bad: "unknown" puts an operation that
    nobody knows at the end, "wildcards" the Reshape with two -1, "nan" a NaN into the first weights.
    """
    random = np.random.RandomState(seed)
    nodes, weights, value = [], [], {}

    def constant(name, array):
        weights.append(numpy_helper.from_array(array, name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        value[output] = True
        return output

    def scaled(*shape):
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        return (random.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)

    x, channels = node("Transpose", ["input_1"], "nchw", perm=[0, 3, 1, 2]), 3
    for block, (convolutions, out) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for i in range(1, convolutions + 1):
            layer, out_width = "block%d_conv%d" % (block, i), max(out // width, 4)
            kernel = scaled(out_width, channels, 3, 3)
            if bad == "nan" and block == i == 1:
                kernel[0, 0, 0, 0] = np.nan
            x = node("Conv", [x, constant(layer + "/kernel", kernel),
                              constant(layer + "/bias", np.zeros(out_width, np.float32))],
                     layer + "/Conv2D", pads=[1, 1, 1, 1], kernel_shape=[3, 3])
            x, channels = node("Relu", [x], layer + "/Relu"), out_width
        x = node("MaxPool", [x], "block%d_pool" % block, kernel_shape=[2, 2], strides=[2, 2])
    x = node("Transpose", [x], "nhwc", perm=[0, 2, 3, 1])
    flat = channels * (size // 32) ** 2
    x = node("Reshape", [x, constant("flat_shape", np.array([-1, flat], np.int64))], "reshape_1")

    def dense(x, units_in, units_out, layer, leaky=None):
        x = node("MatMul", [x, constant(layer + "/kernel", scaled(units_in, units_out))], layer + "/MatMul")
        x = node("Add", [x, constant(layer + "/bias", np.zeros(units_out, np.float32))], layer + "/BiasAdd")
        return node("LeakyRelu", [x], leaky, alpha=0.1) if leaky else x

    d, o = max(512 // width, 4), max(256 // width, 4)
    dense(dense(x, flat, d, "dense_1", "leaky_re_lu_1"), d, 3, "dense_2", HEADS[0])
    y = dense(dense(x, flat, o, "dense_3", "leaky_re_lu_2"), o, 12, "dense_4", "leaky_re_lu_3")
    shape = [-1, -1, 2] if bad == "wildcards" else [-1, 6, 2]
    y = node("Reshape", [y, constant("pairs", np.array(shape, np.int64))], "reshape_2")
    node("NoSuchOperation" if bad == "unknown" else "LpNormalization", [y], HEADS[1],
         **({} if bad == "unknown" else {"axis": -1, "p": 2}))
    node("Softmax", [dense(dense(x, flat, o, "dense_5", "leaky_re_lu_4"), o, 6, "confidence")], HEADS[2], axis=-1)

    batch = batch or "N"
    graph = helper.make_graph(
        nodes, name or "box3d", [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [batch, size, size, 3])],
        [helper.make_tensor_value_info(head, TensorProto.FLOAT, [batch] + shape)
         for head, shape in zip(HEADS, ([3], [6, 2], [6]))], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7  # the newest that ONNX Runtime 1.10 reads
    save(model, str(path))
    return str(path)
