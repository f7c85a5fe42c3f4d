"""The layers of a parser's network in ONNX Runtime against NumPy, one at a time. No TensorFlow; no NVIDIA library."""
import numpy as np
import pytest

import uffparser
from helpers import run
from uffparser.network import Layer, Parsed, Tensor

X = np.random.RandomState(0).randn(2, 3, 4, 5).astype("f4")  # two images of shape [3, 4, 5]
WINDOW = {"stride": [1, 1], "padding": [0, 0], "pre_padding": [0, 0], "post_padding": [0, 0], "padding_mode": 0}
SAME = dict(WINDOW, padding_mode=2)


def parsed(*layers, inputs=(("x", [3, 4, 5]),), outputs=("y",)):
    """A network of (type, inputs, [(output, shape)], settings, weights)."""
    made = [Layer(outs[0][0], kind, list(ins), [Tensor(name, shape, "float32") for name, shape in outs], settings,
                  {key: np.asarray(value, "f4").reshape(-1) for key, value in weights.items()})
            for kind, ins, outs, settings, weights in layers]
    known = [tensor for layer in made for tensor in layer.outputs]
    return Parsed("5.1.5", True, [], made, [Tensor(name, shape, "float32") for name, shape in inputs],
                  [tensor for tensor in known if tensor.name in outputs], None, "")


def one(kind, shape, settings=None, **weights):
    """What a single layer computes from X."""
    return run.onnx(uffparser.to_onnx(parsed((kind, ["x"], [("y", shape)], settings or {}, weights))), X)["y"]


def close(found, expected):
    assert found.shape == np.shape(expected)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


def padded(x, top, left, bottom, right, value=0.0):
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode="constant", constant_values=value)


def convolved(x, kernel, stride=(1, 1), dilation=(1, 1)):
    """[N, K, h, w] of kernels [K, C, kh, kw], without padding."""
    height, width = [(size - step * (length - 1) - 1) // by + 1
                     for size, step, length, by in zip(x.shape[2:], dilation, kernel.shape[2:], stride)]
    result = np.zeros((len(x), len(kernel), height, width))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            part = x[:, :, i * dilation[0]:, j * dilation[1]:][:, :, ::stride[0], ::stride[1]][:, :, :height, :width]
            result += np.einsum("nchw,kc->nkhw", part, kernel[:, :, i, j])
    return result


def test_convolution():
    kernel, bias = np.random.RandomState(1).randn(6, 3, 3, 2), np.arange(6)
    settings = dict(WINDOW, kernel_size=[3, 2], maps=6, groups=1, dilation=[1, 1])
    close(one("CONVOLUTION", [6, 2, 4], settings, kernel=kernel, bias=bias), convolved(X, kernel) + bias[:, None, None])
    settings.update(SAME, stride=[2, 2])  # SAME: 4 rows are padded below, 5 columns not at all
    close(one("CONVOLUTION", [6, 2, 3], settings, kernel=kernel, bias=[]), convolved(padded(X, 0, 0, 1, 1), kernel, (2, 2)))
    settings.update(WINDOW, pre_padding=[1, 0], post_padding=[2, 1], dilation=[2, 2])
    wanted = convolved(padded(X, 1, 0, 2, 1), kernel, dilation=(2, 2))
    close(one("CONVOLUTION", [6, 3, 4], settings, kernel=kernel, bias=[]), wanted)


def test_grouped_convolution():
    kernel = np.random.RandomState(1).randn(6, 1, 3, 3)
    settings = dict(SAME, kernel_size=[3, 3], maps=6, groups=3, dilation=[1, 1])
    whole = np.concatenate([convolved(padded(X, 1, 1, 1, 1)[:, c:c + 1], kernel[2 * c:2 * c + 2]) for c in range(3)], 1)
    close(one("CONVOLUTION", [6, 4, 5], settings, kernel=kernel, bias=[]), whole)


def transposed(x, kernel, stride):
    """All numbers that kernels [C, K, kh, kw] reach."""
    height, width = [(size - 1) * by + length for size, by, length in zip(x.shape[2:], stride, kernel.shape[2:])]
    result = np.zeros((len(x), kernel.shape[1], height, width))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = result[:, :, i * stride[0]:, j * stride[1]:][:, :, :kernel.shape[2], :kernel.shape[3]]
            window += np.einsum("nc,ckhw->nkhw", x[:, :, i, j], kernel)
    return result


def test_deconvolution():
    kernel = np.random.RandomState(1).randn(3, 2, 3, 3)
    settings = dict(SAME, kernel_size=[3, 3], maps=2, groups=1, stride=[2, 2])
    close(one("DECONVOLUTION", [2, 8, 10], settings, kernel=kernel, bias=[1, 2]),
          transposed(X, kernel, (2, 2))[:, :, :8, :10] + np.array([1, 2])[:, None, None])
    settings.update(WINDOW, stride=[2, 2])
    close(one("DECONVOLUTION", [2, 9, 11], settings, kernel=kernel, bias=[]), transposed(X, kernel, (2, 2)))
    settings.update(pre_padding=[1, 1], post_padding=[1, 1])
    close(one("DECONVOLUTION", [2, 7, 9], settings, kernel=kernel, bias=[]), transposed(X, kernel, (2, 2))[:, :, 1:-1, 1:-1])


def test_pooling():
    def pool(x, function):
        return function([x[:, :, i::2, j::2][:, :, :2, :3] for i in (0, 1) for j in (0, 1)], axis=0)

    settings = dict(SAME, stride=[2, 2], window=[2, 2], excludes_padding=True)
    close(one("POOLING", [3, 2, 3], dict(settings, function=0)), pool(padded(X, 0, 0, 0, 1, -9), np.max))
    counts = pool(padded(np.ones_like(X), 0, 0, 0, 1), np.sum)
    close(one("POOLING", [3, 2, 3], dict(settings, function=1)), pool(padded(X, 0, 0, 0, 1), np.sum) / counts)
    close(one("POOLING", [3, 2, 3], dict(settings, function=1, excludes_padding=False)), pool(padded(X, 0, 0, 0, 1), np.mean))


def test_fully_connected():
    kernel, bias = np.random.RandomState(1).randn(7, 60), np.arange(7)
    close(one("FULLY_CONNECTED", [7, 1, 1], {"outputs": 7}, kernel=kernel, bias=bias),
          (X.reshape(2, 60) @ kernel.T + bias).reshape(2, 7, 1, 1))


def test_lrn_divides_alpha_by_the_window():
    squares = np.stack([(X[:, max(c - 1, 0):c + 2] ** 2).sum(1) for c in range(3)], 1)
    close(one("LRN", [3, 4, 5], {"window": 3, "alpha": 0.6, "beta": 0.75, "k": 2}), X / (2 + 0.2 * squares) ** 0.75)


ACTIVATIONS = {
    0: np.maximum(X, 0), 1: 1 / (1 + np.exp(-X)), 2: np.tanh(X), 3: np.where(X < 0, 0.5 * X, X),
    4: np.where(X < 0, 0.5 * np.expm1(X), X), 5: 2 * np.where(X < 0, 0.5 * np.expm1(X), X), 6: X / (1 + abs(X)),
    7: 0.5 * np.log1p(np.exp(2 * X)), 8: X.clip(0.5, 2), 9: (0.5 * X + 2).clip(0, 1), 10: 0.5 * np.tanh(2 * X),
    11: np.where(X > 0.5, X, 0)}


@pytest.mark.parametrize("function", sorted(ACTIVATIONS))
def test_activation(function):
    close(one("ACTIVATION", [3, 4, 5], {"function": function, "alpha": 0.5, "beta": 2}), ACTIVATIONS[function])


def test_scale():
    channels, elements = np.arange(1, 4), np.arange(60).reshape(3, 4, 5)
    close(one("SCALE", [3, 4, 5], {"mode": 1}, scale=channels, shift=channels + 1, power=[]),
          X * channels[:, None, None] + (channels + 1)[:, None, None])
    close(one("SCALE", [3, 4, 5], {"mode": 0}, scale=[2], shift=[], power=[2]), (X * 2) ** 2)
    close(one("SCALE", [3, 4, 5], {"mode": 2}, scale=[], shift=elements, power=[]), X + elements)
    close(one("SCALE", [3, 4, 5], {"mode": 0}, scale=[], shift=[], power=[]), X)


@pytest.mark.parametrize("function, numpy", enumerate((
    np.exp, np.log, np.sqrt, np.reciprocal, np.abs, np.negative, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.arcsin, np.arccos,
    np.arctan, np.arcsinh, np.arccosh, np.arctanh, np.ceil, np.floor)))
def test_unary(function, numpy):
    x = (np.abs(X) % 0.9 + 0.05 + (function == 15)).astype("f4")
    model = uffparser.to_onnx(parsed(("UNARY", ["x"], [("y", [3, 4, 5])], {"function": function}, {})))
    close(run.onnx(model, x)["y"], numpy(x))


@pytest.mark.parametrize("function, numpy", enumerate((np.add, np.multiply, np.maximum, np.minimum, np.subtract, np.divide)))
def test_elementwise(function, numpy):
    other = np.random.RandomState(1).rand(2, 3, 1, 1).astype("f4") + 1
    model = uffparser.to_onnx(parsed(("ELEMENTWISE", ["x", "b"], [("y", [3, 4, 5])], {"function": function}, {}),
                                     inputs=[("x", [3, 4, 5]), ("b", [3, 1, 1])]))
    close(run.onnx(model, {"x": X, "b": other})["y"], numpy(X, other))


def test_elementwise_with_a_constant():
    values = np.arange(5)
    model = uffparser.to_onnx(parsed(("CONSTANT", [], [("c", [1, 1, 5])], {"shape": [1, 1, 5]}, {"values": values}),
                                     ("ELEMENTWISE", ["c", "x"], [("y", [3, 4, 5])], {"function": 4}, {})))
    close(run.onnx(model, X)["y"], values - X)


@pytest.mark.parametrize("keep", [True, False])
def test_reduce(keep):
    for function, numpy in enumerate((np.sum, np.prod, np.max, np.min, np.mean)):
        shape = [1, 4, 1] if keep else [4]
        settings = {"function": function, "axes": 0b101, "keep_dimensions": keep}
        close(one("REDUCE", shape, settings), numpy(X, (1, 3), keepdims=keep))


def test_softmax():
    powers = np.exp(X)
    close(one("SOFTMAX", [3, 4, 5], {"axes": 0b001}), powers / powers.sum(1, keepdims=True))
    with pytest.raises(ValueError, match="for one only"):
        one("SOFTMAX", [3, 4, 5], {"axes": 0b011})


def shuffle(shape, first=(0, 1, 2), reshape=(0, 0, 0), second=(0, 1, 2)):
    settings = {"first_transpose": list(first), "reshape": list(reshape), "second_transpose": list(second)}
    return one("SHUFFLE", list(shape), settings)


def test_shuffle():
    close(shuffle((4, 5, 3), (1, 2, 0)), X.transpose(0, 2, 3, 1))
    close(shuffle((60, 1, 1), (1, 2, 0), (60, 1, 1)), X.transpose(0, 2, 3, 1).reshape(2, 60, 1, 1))
    close(shuffle((10, 6), (0, 1, 2), (6, 10), (1, 0)), X.reshape(2, 6, 10).transpose(0, 2, 1))
    wanted = X.transpose(0, 3, 2, 1).reshape(2, 5, 2, 6).transpose(0, 3, 1, 2)
    close(shuffle((6, 5, 2), (2, 1, 0), (5, 2, 6), (2, 0, 1)), wanted)
    close(shuffle((3, 4, 5)), X)


def test_padding_is_of_the_last_two_dimensions():
    close(one("PADDING", [3, 7, 4], {"pre_padding": [1, 0], "post_padding": [2, -1]}), padded(X, 1, 0, 2, 0)[..., :-1])


def test_slice():
    close(one("SLICE", [2, 4, 2], {"start": [1, 0, 0], "size": [2, 4, 2], "stride": [1, 1, 3]}), X[:, 1:, :, ::3])
    close(one("SLICE", [3, 4, 5], {"start": [0, 3, 0], "size": [3, 4, 5], "stride": [1, -1, 1]}), X[:, :, ::-1])


def test_concatenation_repeats_constants_for_each_image():
    values = np.arange(20)
    model = uffparser.to_onnx(parsed(("CONSTANT", [], [("c", [1, 4, 5])], {"shape": [1, 4, 5]}, {"values": values}),
                                     ("CONCATENATION", ["x", "c"], [("y", [4, 4, 5])], {"axis": 0}, {})))
    close(run.onnx(model, X)["y"], np.concatenate([X, np.tile(values.reshape(1, 1, 4, 5), (2, 1, 1, 1))], 1))


def test_gather():
    indices = ("CONSTANT", [], [("c", [2])], {"shape": [2]}, {"values": [3, 0]})
    model = uffparser.to_onnx(parsed(indices, ("GATHER", ["x", "c"], [("y", [3, 2, 5])], {"axis": 1}, {})))
    close(run.onnx(model, X)["y"], X[:, :, [3, 0]])
    table = ("CONSTANT", [], [("c", [4, 2])], {"shape": [4, 2]}, {"values": np.arange(8)})
    model = uffparser.to_onnx(parsed(table, ("GATHER", ["c", "x"], [("y", [3, 2])], {"axis": 0}, {}), inputs=[("x", [3])]))
    chosen = np.array([[0, 3, 1], [2, 2, 0]], "f4")
    close(run.onnx(model, chosen)["y"], np.arange(8).reshape(4, 2)[chosen.astype(int)])


@pytest.mark.parametrize("operations", [(0, 0), (1, 0), (0, 1)])
def test_matrix_multiply(operations):
    length = 4 if operations[0] else 5
    b = np.random.RandomState(1).randn(*((2, 3, 6, length) if operations[1] else (2, 3, length, 6))).astype("f4")
    wanted = np.matmul(X.swapaxes(2, 3) if operations[0] else X, b.swapaxes(2, 3) if operations[1] else b)
    made = parsed(("MATRIX_MULTIPLY", ["x", "b"], [("y", list(wanted.shape[1:]))], {"operations": list(operations)}, {}),
                  inputs=[("x", [3, 4, 5]), ("b", list(b.shape[1:]))])
    close(run.onnx(uffparser.to_onnx(made), {"x": X, "b": b})["y"], wanted)


def test_matrix_times_vector():
    b = np.random.RandomState(1).randn(2, 3, 5).astype("f4")
    model = uffparser.to_onnx(parsed(("MATRIX_MULTIPLY", ["x", "b"], [("y", [3, 4])], {"operations": [0, 2]}, {}),
                                     inputs=[("x", [3, 4, 5]), ("b", [3, 5])]))
    close(run.onnx(model, {"x": X, "b": b})["y"], np.einsum("nchw,ncw->nch", X, b))


def test_topk():
    made = parsed(("TOPK", ["x"], [("v", [2, 4, 5]), ("i", [2, 4, 5])], {"function": 1, "k": 2, "axes": 0b001}, {}),
                  outputs=("v", "i"))
    made.layers[0].outputs[1] = made.outputs[1] = Tensor("i", [2, 4, 5], "int32")
    found = run.onnx(uffparser.to_onnx(made), X)
    close(found["v"], np.sort(X, 1)[:, :2])
    close(found["i"], np.argsort(X, 1)[:, :2])


def test_plugins():
    close(one("PLUGIN_V2", [3, 4, 5], {"plugin": "LReLU_TRT", "data": "cdcccc3d01000000"}), np.where(X < 0, 0.1 * X, X))
    for axis, place in ((2, 2), (-1, 3), (1, 1)):
        data = (bytes(4) + np.array(axis, "<i4").tobytes() + np.array(1e-12, "<f4").tobytes() + bytes(24)).hex()
        wanted = X / np.linalg.norm(X, axis=place, keepdims=True)
        close(one("PLUGIN_V2", [3, 4, 5], {"plugin": "L2Norm_TRT", "data": data}), wanted)
    data = (bytes(4) + np.array(7, "<i4").tobytes() + bytes(28)).hex()
    with pytest.raises(ValueError, match="refuses axis 7"):
        one("PLUGIN_V2", [3, 4, 5], {"plugin": "L2Norm_TRT", "data": data})
    with pytest.raises(ValueError, match="the plugin NMS_TRT, for which there is no rule"):
        one("PLUGIN_V2", [3, 4, 5], {"plugin": "NMS_TRT"})


def test_any_tensor_may_be_an_output():
    made = parsed(("IDENTITY", ["x"], [("a", [3, 4, 5])], {}, {}), ("UNARY", ["a"], [("y", [3, 4, 5])], {"function": 5}, {}))
    found = run.onnx(uffparser.to_onnx(made, ["a"]), X)
    assert list(found) == ["a"] and np.array_equal(found["a"], X)
    assert [node.name for node in uffparser.to_onnx(made).graph.node] == ["a", "y"]  # by which `show.graph` finds them
    with pytest.raises(ValueError, match="no tensor 'A'"):
        uffparser.to_onnx(made, ["A"])
    with pytest.raises(ValueError, match="is an input"):
        uffparser.to_onnx(made, ["x"])


def test_what_has_no_answer():
    made = parsed(("RESIZE", ["x"], [("y", [3, 8, 10])], {}, {}))
    with pytest.raises(ValueError, match="'y' is a RESIZE, for which there is no rule"):
        uffparser.to_onnx(made)
    made = parsed(("IDENTITY", ["x"], [("y", None)], {}, {}))._replace(log=["y: indices input must be Int32"])
    with pytest.raises(ValueError, match="not valid, 'y' has no shape: y: indices input must be Int32"):
        uffparser.to_onnx(made)
    with pytest.raises(ValueError, match="no outputs: Tensor x cannot be both"):
        uffparser.to_onnx(parsed(outputs=())._replace(log=["Tensor x cannot be both input and output"]))
    with pytest.raises(ValueError, match="59 numbers as kernel"):
        one("FULLY_CONNECTED", [1, 1, 1], {"outputs": 1}, kernel=np.zeros(59), bias=[])


def test_the_table_shows_what_moves():
    made = parsed(
        ("CONVOLUTION", ["x"], [("map", [4, 4, 5])], dict(SAME, kernel_size=[3, 3], maps=4, groups=1, dilation=[1, 1]), {}),
        ("SHUFFLE", ["map"], [("turned", [4, 5, 4])],
         {"first_transpose": [1, 2, 0], "reshape": [0, 0, 0], "second_transpose": [0, 1, 2]}, {}),
        ("IDENTITY", ["turned"], [("flatten/Reshape", [4, 5, 4])], {}, {}))
    lines = str(uffparser.table(made)).splitlines()
    assert len(lines) == 4 and "kernel 3x3, stride 1x1, same" in lines[1] and "transpose (1, 2, 0)" in lines[2]
    assert "[4, 4, 5]" in lines[2] and "[4, 5, 4]" in lines[2]
    chosen = uffparser.table(made, "flatten")
    assert [row[0] for row in chosen.rows] == ["turned", "flatten/Reshape"]  # and the shuffle that it reads
    assert chosen._repr_html_().count("<tr") == 3 and chosen._repr_html_().count("background") == 1
    assert uffparser.layouts(made) == {"x": "CHW", "map": "CHW", "turned": None, "flatten/Reshape": None}
