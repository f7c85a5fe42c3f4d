"""Checks of notebook 07, the ONNX road."""
import enum
import types

from .judging import Stopped, a, exercise, raised


def _two_heads():
    """A small ModelProto like the end of the box network. Input [N, 2, 3, 4]: maps 2 high, 3 wide, with 4 channels."""
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
    model.ir_version = 7  # the newest that ONNX Runtime 1.10 reads
    return model


def _computed(model):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.random.RandomState(1).randn(2, 2, 3, 4).astype("f4")
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"input": images})))


@exercise("07.1", "without_transpose(model, height, width, channels)", returns="the model, a ModelProto,")
def _without_transpose(function):
    import numpy as np

    wanted = _computed(_two_heads())
    model = function(_two_heads(), 2, 3, 4)
    assert hasattr(model, "graph"), "it should return the model; yours returns %s" % a(type(model).__name__)
    assert len(model.graph.node), "the model that your function returned has no nodes"
    names = [node.name for node in model.graph.node if node.op_type == "Transpose"]
    assert "Transpose__7" not in names, "the Transpose before the Reshape is still there"
    assert "first" in names, "the Transpose after the input has to stay: convolutions work on NCHW"
    try:
        found = _computed(model)
    except Exception as error:
        raise AssertionError("ONNX Runtime cannot run what you return: %s" % str(error).split(" : ")[-1][:200])
    if all(name in found and found[name].shape == wanted[name].shape and np.allclose(found[name], wanted[name], atol=1e-4)
           for name in wanted):
        return "One node fewer, the same outputs: the order moved into the weights."
    before = {tensor.name: tensor.raw_data for tensor in _two_heads().graph.initializer}
    after = {tensor.name: tensor.raw_data for tensor in model.graph.initializer}
    assert any(before[name] != after.get(name) for name in before), (
        "the weights are as they were, and the outputs differ: that is the crooked model again")
    assert before["dense_2/kernel"] == after.get("dense_2/kernel"), (
        "the kernel of dense_2 was changed; it reads what dense_1 computed, and there the order is as it was")
    missed = [name for name in ("dense_1/kernel", "dense_3/kernel") if before[name] == after.get(name)]
    assert not missed, "%s reads the row too, and its kernel is as it was" % (missed or [""])[0].split("/")[0]
    raise AssertionError("the kernels were changed, and the outputs differ. Split the rows as they are, into height, width and "
                         "channels, and move the channels to the front")


@exercise("07.2", "borders(model, names)", returns="two lists of names")
def _borders(function):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Relu", ["x"], ["p"], "relu"), helper.make_node("Mul", ["p", "p"], ["s"], "square"),
             helper.make_node("ReduceSum", ["s", "axes"], ["t"], "sum"), helper.make_node("Div", ["p", "t"], ["u"], "divide"),
             helper.make_node("Clip", ["u", "", "most"], ["y"], "clip")]
    known = [numpy_helper.from_array(np.array([1], np.int64), "axes"), numpy_helper.from_array(np.float32(1), "most")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y", "s")]
    model = helper.make_model(helper.make_graph(nodes, "small", values[:1], values[1:], known))
    for names, comes_in, goes_out, why in (
            (["square", "sum", "divide"], ["p"], ["s", "u"],
             "s is read only inside, but it is an output of the model"),
            (["sum", "divide"], ["p", "s"], ["u"], "s is made by a node that stays outside"),
            (["relu", "square"], ["x"], ["p", "s"], "p is read inside and outside"),
            (["divide", "clip"], ["p", "t"], ["y"], "an empty name stands for an input that is left out")):
        given = function(model, list(names))
        assert isinstance(given, (tuple, list)) and len(given) == 2, "it should return two lists, comes_in and goes_out"
        for word, found, wanted in (("comes in", given[0], comes_in), ("goes out", given[1], goes_out)):
            assert not isinstance(found, str), "what %s is a list of names; yours is the text %r" % (word, found)
            found = list(found)
            assert all(isinstance(name, str) for name in found), "what %s are names, strings; in yours there is %s" % (
                word, a(type(next(name for name in found if not isinstance(name, str))).__name__))
            assert not {"axes", "most"} & set(found), "%s is an initializer, and moves along with the nodes" % (
                sorted({"axes", "most"} & set(found))[0])
            assert len(found) == len(set(found)), "for %s, %s is listed twice: the new node reads it once" % (
                names, max(found, key=found.count))
            assert set(found) == set(wanted), "for %s, what %s is %s, and your list is %s (%s)" % (
                names, word, wanted, sorted(map(str, found)), why)
    return "With these two lists, the rest of collapse_namespaces is one new node."


# The names that the versions differ in, with their values before anything is set: members of Builder, IBuilderConfig (None
# where there is no such class) and BuilderFlag, and whether there is a MemoryPoolType.
VERSIONS = {
    "8.0": (dict(platform_has_fast_fp16=True), dict(max_workspace_size=0), "FP16 INT8 TF32", False),
    "11": (dict(), dict(), "TF32 REFIT", True),
    "5": (dict(platform_has_fast_fp16=True, max_workspace_size=0, fp16_mode=False, int8_mode=False, max_batch_size=1),
          None, "", False),
    "8.5": (dict(platform_has_fast_fp16=True), dict(max_workspace_size=0), "FP16 INT8 TF32", True),
    "10": (dict(platform_has_fast_fp16=True), dict(), "FP16 INT8 TF32 BF16 FP8", True)}


class _Enum(enum.Enum):
    """Like TensorRT's: a number on request, and true even if that number is 0."""
    __int__ = __index__ = lambda self: self.value


class _Strict:
    """An object of TensorRT: only the attributes that its class has can be read or set."""

    def __setattr__(self, name, value):
        if not hasattr(type(self), name):
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))
        object.__setattr__(self, name, value)


def _stand_in(version):
    """(module, builder, object that takes the settings) with just the names of one version; its version number is wrong."""
    builder, config, flags, pools = VERSIONS[version]
    trt = types.ModuleType("tensorrt")
    trt.__version__ = "7.7.7"
    build = "build_cuda_engine" if config is None else "build_serialized_network"
    trt.Builder = type("Builder", (_Strict,), dict(builder, create_network=lambda self, flags=0: None))
    setattr(trt.Builder, build, lambda self, network, config=None: None)
    made = trt.Builder()
    if config is None:
        return trt, made, made
    members = dict(config, flags=0, pool_limits={})
    trt.BuilderFlag = _Enum("BuilderFlag", flags, start=0)
    members["set_flag"] = lambda self, flag: setattr(self, "flags", self.flags | 1 << int(flag))
    members["get_flag"] = lambda self, flag: bool(self.flags >> int(flag) & 1)
    if pools:
        trt.MemoryPoolType = _Enum("MemoryPoolType", "WORKSPACE DLA_MANAGED_SRAM", start=0)
        members["set_memory_pool_limit"] = lambda self, pool, size: self.pool_limits.update({int(pool): size})
        members["get_memory_pool_limit"] = lambda self, pool: self.pool_limits.get(int(pool), 0)
    trt.IBuilderConfig = type("IBuilderConfig", (_Strict,), members)
    settings = trt.IBuilderConfig()
    trt.Builder.create_builder_config = lambda self: settings
    return trt, made, settings


@exercise("07.3", "settings(trt, builder, size)", returns="the object with the settings, and True or False,")
def _settings(function):
    size = 123 << 20
    for version in VERSIONS:
        trt, builder, config = _stand_in(version)
        try:
            given = function(trt, builder, size)
        except Stopped as stopped:
            raise AssertionError("on TensorRT %s %s" % (version, raised(stopped.__cause__)))
        assert isinstance(given, (tuple, list)) and len(given) == 2, "it should return two things, the config and True or False"
        assert given[0] is config, "on TensorRT %s the first thing returned is not where the settings were made%s" % (
            version, ": there, that is the builder" if config is builder else "")
        old, known = config is builder, hasattr(trt, "BuilderFlag") and hasattr(trt.BuilderFlag, "FP16")
        assert bool(given[1]) == (old or known), "on TensorRT %s FP16 %s be asked for, and you return %r" % (
            version, "can" if old or known else "cannot", given[1])
        limits = getattr(config, "max_workspace_size", 0), getattr(config, "pool_limits", {}).get(0)
        assert size in limits, "on TensorRT %s the scratch memory was not set to %d bytes" % (version, size)
        if old or known:
            assert config.fp16_mode if old else config.get_flag(trt.BuilderFlag.FP16), (
                "on TensorRT %s FP16 was not asked for" % version)
    return "Four generations, and no version number was needed."


HINTS = {
    "07.1": ("Two things have to change together: what the Reshape reads, and the order of the rows in the weights that read"
             " its result. The section A Transpose that looks superfluous does the first half.",
             "More than one MatMul reads the Reshape; those further down do not. Split the rows of a kernel into height, "
             "width and channels, move the channels to the front, and store the result as an initializer of the same name."),
    "07.2": ("Collect four sets: what the chosen nodes make, what they read, what the other nodes read, and what the model "
             "gives out.",
             "What comes in is read inside, but neither made inside nor an initializer; an empty name is no tensor. What "
             "goes out is made inside, and read outside or an output of the model."),
    "07.3": ("Ask in the order of the table The lines that changed: is there a config at all, how does it take the memory, "
             "is there a flag? `hasattr` answers each, for an object as for a module.",
             "Without `create_builder_config` the builder takes all settings, and `fp16_mode` is its switch. Else the config"
             " takes them, and the flag exists if `trt.BuilderFlag` has the name FP16. Return the object, and whether you "
             "could ask."),
}
