"""Checks of notebook 06, the ONNX road."""
from .judging import exercise


def _two_heads():
    """A small ModelProto like the end of the box network, [N, 2, 3, 4] in: its maps are 2 high, 3 wide, with 4 channels."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.RandomState(6)
    kernels = {"dense_1/kernel": (24, 24), "dense_2/kernel": (24, 3), "dense_3/kernel": (24, 5)}
    known = [numpy_helper.from_array(random.randn(*shape).astype("f4"), name) for name, shape in kernels.items()]
    known.append(numpy_helper.from_array(np.array([-1, 24], np.int64), "shape"))
    nodes = [helper.make_node("Transpose", ["input"], ["turned"], "first", perm=[0, 3, 1, 2]),
             helper.make_node("LeakyRelu", ["turned"], ["maps"], "conv", alpha=0.5),
             helper.make_node("Transpose", ["maps"], ["maps_nhwc"], "Transpose__7", perm=[0, 2, 3, 1]),
             helper.make_node("Reshape", ["maps_nhwc", "shape"], ["row"], "reshape_1/Reshape"),
             helper.make_node("MatMul", ["row", "dense_1/kernel"], ["hidden"], "dense_1/MatMul"),
             helper.make_node("MatMul", ["hidden", "dense_2/kernel"], ["dimension"], "dense_2/MatMul"),
             helper.make_node("MatMul", ["row", "dense_3/kernel"], ["confidence"], "dense_3/MatMul")]
    graph = helper.make_graph(
        nodes, "two_heads", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 2, 3, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
         for name, size in (("dimension", 3), ("confidence", 5))], known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7  # what ONNX Runtime 1.10 reads
    return model


def _computed(model):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.random.RandomState(1).randn(2, 2, 3, 4).astype("f4")
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"input": images})))


@exercise("06.1")
def _without_transpose(function):
    import numpy as np

    assert callable(function), "give the function itself, without_transpose, not what it returns"
    wanted = _computed(_two_heads())
    model = function(_two_heads(), 2, 3, 4)
    assert hasattr(model, "graph"), "it should return the model; yours returns a %s" % type(model).__name__
    names = [node.name for node in model.graph.node if node.op_type == "Transpose"]
    assert "Transpose__7" not in names, "the Transpose before the Reshape is still there"
    assert "first" in names, "the Transpose after the input has to stay: convolutions work on NCHW"
    try:
        found = _computed(model)
    except Exception as error:
        raise AssertionError("ONNX Runtime cannot run what you return: %s" % str(error).split(" : ")[-1][:200])
    right = [name in found and found[name].shape == wanted[name].shape and np.allclose(found[name], wanted[name], atol=1e-4)
             for name in wanted]
    before = {tensor.name: tensor.raw_data for tensor in _two_heads().graph.initializer}
    after = {tensor.name: tensor.raw_data for tensor in model.graph.initializer}
    assert any(before[name] != after.get(name) for name in before), (
        "the weights are as they were, and the outputs differ: that is the crooked model again")
    assert before["dense_2/kernel"] == after.get("dense_2/kernel"), (
        "the kernel of dense_2 was changed; it reads what dense_1 computed, and there the order is as it was")
    missed = [name for name in ("dense_1/kernel", "dense_3/kernel") if before[name] == after.get(name)]
    assert not missed, "%s reads the row too, and its kernel is as it was" % (missed or [""])[0].split("/")[0]
    assert all(right), (
        "the kernels were changed, and the outputs differ. Split the rows as they are, into height, width and channels, and "
        "bring the channels to the front")
    return "One node less, the same answers: the order moved into the weights."


@exercise("06.2")
def _borders(function):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    assert callable(function), "give the function itself, borders, not what it returns"
    nodes = [helper.make_node("Relu", ["x"], ["p"], "relu"), helper.make_node("Mul", ["p", "p"], ["s"], "square"),
             helper.make_node("ReduceSum", ["s", "axes"], ["t"], "sum"), helper.make_node("Div", ["p", "t"], ["u"], "divide"),
             helper.make_node("Clip", ["u", "", "most"], ["y"], "clip")]
    known = [numpy_helper.from_array(np.array([1], np.int64), "axes"), numpy_helper.from_array(np.float32(1), "most")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y", "s")]
    model = helper.make_model(helper.make_graph(nodes, "small", values[:1], values[1:], known))
    for names, comes_in, goes_out, why in (
            (["square", "sum", "divide"], ["p"], ["s", "u"],
             "s is read inside only, but it is an output of the model"),
            (["sum", "divide"], ["p", "s"], ["u"], "s is made by a node that stays outside"),
            (["relu", "square"], ["x"], ["p", "s"], "p is read inside and outside"),
            (["divide", "clip"], ["p", "t"], ["y"], "an empty name stands for an input that is left out")):
        given = function(model, list(names))
        assert isinstance(given, (tuple, list)) and len(given) == 2, "it should return two lists, comes_in and goes_out"
        for word, found, wanted in (("comes in", given[0], comes_in), ("goes out", given[1], goes_out)):
            found = list(found)
            assert not {"axes", "most"} & set(found), "%s is an initializer, and moves along" % (
                sorted({"axes", "most"} & set(found))[0])
            assert len(found) == len(set(found)), "for %s, %s comes twice: the new node reads a tensor once" % (names, found[0])
            assert set(found) == set(wanted), "for %s, what %s is %s, and yours is %s (%s)" % (
                names, word, wanted, sorted(map(str, found)), why)
    return "With these two lists, the rest of collapse_namespaces is one new node."


class _Config50:
    __slots__ = ("max_workspace_size", "fp16_mode")


class _Config80:
    __slots__ = ("max_workspace_size", "flags")

    def set_flag(self, flag):
        self.flags = flag


class _Config85(_Config80):
    __slots__ = ("limit",)

    def set_memory_pool_limit(self, pool, size):
        self.limit = (pool, size)


class _Config100:
    __slots__ = ("flags", "limit")
    set_flag, set_memory_pool_limit = _Config80.set_flag, _Config85.set_memory_pool_limit


class _Config110(_Config100):
    __slots__ = ()


def _stand_in(config):
    """(trt, builder): just the names that one generation has for these settings, and a version that says nothing."""
    from types import SimpleNamespace

    trt = SimpleNamespace(__version__="7.7.7")
    if config.__class__ is _Config50:
        return trt, config
    flags = ["TF32"] if isinstance(config, _Config110) else ["TF32", "FP16"]
    trt.BuilderFlag = SimpleNamespace(**{flag: flag for flag in flags})
    if hasattr(config, "set_memory_pool_limit"):
        trt.MemoryPoolType = SimpleNamespace(WORKSPACE="WORKSPACE")
    return trt, SimpleNamespace(create_builder_config=lambda: config)


@exercise("06.3")
def _settings(function):
    assert callable(function), "give the function itself, settings, not what it returns"
    size = 123 << 20
    for label, kind in (
            ("8.0", _Config80), ("11", _Config110), ("5", _Config50), ("8.5", _Config85), ("10", _Config100)):
        config = kind()
        trt, builder = _stand_in(config)
        try:
            given = function(trt, builder, size)
        except AttributeError as error:
            raise AssertionError("on TensorRT %s: AttributeError: %s" % (label, str(error).replace(
                "types.SimpleNamespace", "trt").replace(kind.__name__, "IBuilderConfig")))
        assert isinstance(given, tuple) and len(given) == 2, "it should return two things, the config and True or False"
        assert given[0] is config, "on TensorRT %s the first thing returned is not where the settings were made%s" % (
            label, ": there, that is the builder" if kind is _Config50 else "")
        asked = kind is not _Config110
        assert given[1] is asked, "on TensorRT %s FP16 %s be asked for, and you return %r" % (
            label, "can" if asked else "cannot", given[1])
        memory = getattr(config, "limit", ("WORKSPACE", getattr(config, "max_workspace_size", None)))
        assert memory == ("WORKSPACE", size), "on TensorRT %s no layer gets the %d bytes" % (label, size)
        if asked:
            set_to = getattr(config, "fp16_mode", None) if kind is _Config50 else getattr(config, "flags", None)
            assert set_to in (True, "FP16"), "on TensorRT %s FP16 was not asked for" % label
    return "Four generations, and no number was asked for."
