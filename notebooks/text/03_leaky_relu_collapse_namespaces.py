# %% [markdown]
# # 03 LeakyReLU and collapse_namespaces
#
# The network has five activations that UFF does not have. This is the plainest case of surgery: one node goes out, one comes
# in, and TensorRT is told where to find what the new one computes. At the end of the page the network is a plan.
#
# After this page you will be able to
#
# - replace nodes of a frozen graph by a TensorRT *plugin*, with `create_plugin_node` and `collapse_namespaces`,
# - follow one number, the slope of the activation, from file to file,
# - recognise three mistakes that everybody makes once: the number typed in by hand, the plugin that nobody registered, the
#   namespace that matches nothing,
# - cut off the end of a network that will not convert, and do its work in NumPy,
# - build a plan and run it, call by call, in TensorRT's own words.
#
# **You need** page 02. **Time:** about 75 minutes, 25 of them for the exercises.

# %%
import sys
import textwrap
import numpy as np
from helpers import artifacts, child, engine, freeze, machine, network, page, parity, process
from helpers import run, scenes, show, through_uff

process.prepare_tensorflow()
import graphsurgeon as gs
import uff
print("graphsurgeon is %s, uff is %s" % (gs.__name__, uff.__name__))

# %% [markdown]
# The network is the repaired one of page 02. Its answers in TensorFlow are the reference again.

# %%
street = [scenes.load(name) for name in scenes.names()[:2]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
before = freeze.load(freeze.box3d())
reference = network.heads(run.tensorflow(before, images))

# %% [markdown]
# ## The trouble: an operation that UFF does not have
#
# **LeakyReLU** passes positive numbers on as they are and multiplies negative ones by a small slope. UFF has `relu`, `tanh` and
# six more activations, but not this one.

# %%
show.graph(before, "leaky_re_lu_2", mark={"leaky_re_lu_2/LeakyRelu": "trouble"})

# %% [markdown]
# **Guess first.** What does the converter do with it?

# %%
guess = ...  # "stop", "leave it out" or "write it down"

# %%
def write_uff(graph_def, name):
    path = artifacts.BUILD / name
    uff.from_tensorflow(graph_def, list(network.OUTPUTS), quiet=True, output_filename=str(path))
    return path

unchanged = write_uff(before, "box3d_unchanged.uff")

# %% [markdown]
# No error. (`write_uff` returns a path and not the 162 MB of a file. This page makes four such files, and as variables they
# would stay in memory until its kernel ends.) What the converter does not know, it writes as a **custom operation**, with an
# underscore before its name, and leaves it to others to make sense of it. (NVIDIA's converter for TensorRT 7 and 8 knows
# LeakyRelu; with that one you will see another node.)

# %%
from uffsurgeon.uff import schema

show.graph(schema.read(unchanged), "leaky_re_lu_2", mark={"leaky_re_lu_2/LeakyRelu": "trouble"})

# %% [markdown]
# TensorRT's parser meets `_LeakyRelu`, looks for a plugin of that name and finds none. What does it say? We ask it, as on page 02.

# %%
print("\n".join(through_uff.parse(unchanged).log))

# %% [markdown]
# People search for these very words ([PRBonn/bonnet issue 46](https://github.com/PRBonn/bonnet/issues/46) is one of many). The
# parser names one of the five activations; which one differs between its versions.
#
# A **plugin** is an operation that is not built into TensorRT. It comes from a library, yours or NVIDIA's, and TensorRT finds
# it by its name in a list, the registry. One of NVIDIA's computes our activation: it is called `LReLU_TRT` and has one setting,
# `negSlope` (NVIDIA's repository says so, [plugin by plugin](https://github.com/NVIDIA/TensorRT/tree/release/8.6/plugin)). So
# all we need is a node with that name in place of the other.
#
# ## The node before, the node after
#
# `DynamicGraph` is graphsurgeon's view of a frozen graph: it finds nodes and lets you change them. It works on the very graph
# that it is given, so it gets a second copy, and `before` stays to compare with.

# %%
graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
leaky = graph.find_nodes_by_op("LeakyRelu")
print("\n".join(node.name for node in leaky))
print()
print(leaky[2])

# %% [markdown]
# That is the node before. `find_nodes_by_op` searches by what a node does. `find_nodes_by_name` searches by the last part of
# the name, `find_nodes_by_path` by the whole name, both with regular expressions. The node that is to take its place is made by
# `create_plugin_node`. It keeps the name, so that its readers still find it; its `op` is the plugin's name.

# %%
print(gs.create_plugin_node(leaky[2].name, op="LReLU_TRT", negSlope=leaky[2].attr["alpha"].f))

# %% [markdown]
# Two things are worth a look. The setting is now called `negSlope_u_float`: a plugin gets its settings by name *and* type,
# and the suffix carries the type through the file. And there is no `input`. The new node does not know its place yet; the next
# call finds it.
#
# ## collapse_namespaces
#
# A namespace, such as `leaky_re_lu_2`, is the node of that name, if there is one, and all nodes below `leaky_re_lu_2/`.
# `collapse_namespaces` takes a dictionary: for each namespace, the one node that will stand for
# all of it. What the namespace read from outside becomes the input of the new node; whatever read something inside now reads
# the new node. Here each namespace is a single node, so we give the node's full name.

# %%
graph.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    for node in leaky})

# %%
show.graph_before_after(before, graph, "leaky_re_lu_2")

# %% [markdown]
# Red went out, green came in, and the neighbours have not noticed. One node for one node is the smallest case; on page 05
# six nodes become one by the same call. TensorFlow cannot run this graph any more, because it has no `LReLU_TRT`. From here on
# it is TensorRT's.
#
# Here is the node after, in the UFF:

# %%
with page.silence():
    collapsed = write_uff(graph.as_graph_def(), "box3d_collapsed.uff")

def uff_node(path, name):
    return [node for node in schema.read(path).graphs[0].nodes if node.id == name][0]

print(uff_node(collapsed, "leaky_re_lu_2/LeakyRelu"))

# %% [markdown]
# `_LReLU_TRT`, its input, its slope. The converter warns as before, because to it one unknown name is like another; to TensorRT
# it is not. You know these lines by now, and `page.silence` keeps them off this page.

# %% [markdown]
# ### On your own network
#
# Read the setting from the node, and count afterwards: of the old operation none may be left. On a Jetson with JetPack 4.2 to 5.1,
# `import graphsurgeon as gs, uff` is NVIDIA's own.
#
# ```python
# from uffsurgeon import graphsurgeon as gs, to_onnx, uff
#
# graph = gs.DynamicGraph("mine.pb")
# graph.collapse_namespaces({
#     node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
#     for node in graph.find_nodes_by_op("LeakyRelu")})
# assert not graph.find_nodes_by_op("LeakyRelu")
# uff.from_tensorflow(graph.as_graph_def(), ["answer/BiasAdd"], output_filename="mine.uff")
# to_onnx.convert("mine.uff", "mine.onnx")  # for a TensorRT without an UffParser
# ```

# %% [markdown]
# ## One number, three files
#
# We asked Keras for a slope of 0.1, and 32 bits made it 0.100000001 (page 01). That number has to arrive. We can follow it
# through the frozen graph, the UFF and the ONNX file that the workbook makes of a UFF; a plan cannot be read.

# %%
from uffsurgeon import to_onnx

name = "leaky_re_lu_2/LeakyRelu"
[in_onnx] = [node.attribute[0].f for node in to_onnx.convert(collapsed).graph.node
             if node.name == name]
print("frozen graph:", [node for node in before.node if node.name == name][0].attr["alpha"].f)
print("UFF:         ", uff_node(collapsed, name).fields["negSlope_u_float"].d)
print("ONNX:        ", in_onnx)

# %% [markdown]
# It arrives because it was *read from the node* and not typed in. That is a habit worth having. Keras's own default is 0.3,
# TensorFlow's is 0.2, PyTorch's is 0.01, and nothing checks which of them you had in mind. Here is the same surgery by somebody
# who was sure that it is 0.3.

# %%
typed_in = gs.DynamicGraph(freeze.load(freeze.box3d()))
typed_in.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=0.3)
    for node in typed_in.find_nodes_by_op("LeakyRelu")})
with page.silence():
    wrong = write_uff(typed_in.as_graph_def(), "box3d_typed_in.uff")
del typed_in  # the weights are in the file, and need not stay in memory as well

# %% [markdown]
# It converts just as smoothly. To see what it computes, we turn the UFF into ONNX and let ONNX Runtime compute that: it reads
# `_LReLU_TRT` as the LeakyReLU that it is. This says nothing about TensorRT yet, but it judges the file.
#
# **Guess first.** By how many degrees will most boxes turn?

# %%
guess = ...  # a number of degrees

# %%
def answers_of(path):
    return network.heads(run.onnx(to_onnx.convert(path), images))

typed = answers_of(wrong)
parity.compare(reference, typed, street)

# %% [markdown]
# Most boxes turn by about 30 degrees, the others (in the picture below the two nearest) by less, and all the same way, as if
# the camera were mounted at an angle; and that is where you would start looking. Some are also placed tens of metres away from
# where they were. With the slope from the node:

# %%
found = answers_of(collapsed)
parity.compare(reference, found, street)

# %%
show.scene_before_after(
    street[1], parity.place(typed, street)[1], parity.place(found, street)[1],
    ("slope typed in: 0.3", "slope read from the node"))

# %% [markdown]
# ## The plugin that nobody registered
#
# A name in a file is only a name. TensorRT's plugins have to be put into its registry first, once in each process: before a
# parser reads such a file, and again in the program that loads the finished plan. `init_libnvinfer_plugins` does it, and is the
# call most often forgotten. Which plugins are there then? Newer versions call the list `all_creators`, older ones
# `plugin_creator_list`. (A *creator* makes plugins of one name.) TensorRT for RTX brings two of its own, and takes none of yours.

# %%
print(machine.tensorrt())
trt = engine.tensorrt() if machine.tensorrt().module else None
if trt:
    logger = trt.Logger(trt.Logger.WARNING)
    trt.init_libnvinfer_plugins(logger, "")
    registry = trt.get_plugin_registry()
    newer = hasattr(registry, "all_creators")
    creators = registry.all_creators if newer else registry.plugin_creator_list
    names = sorted({creator.name for creator in creators})
    print(textwrap.fill("%d: %s" % (len(names), ", ".join(names)), 96))
else:
    page.quote("2: MyelinWeightsTransformPlugin, ROIAlign_TRT", "TensorRT for RTX 1.7.1")

# %% [markdown]
# On a Jetson of those years `LReLU_TRT` is in that list, and TensorRT 10.6.0 still has it, one of 63 names (recorded on an
# H100). Here is NVIDIA's UffParser with our file, in a program that forgot that call, and in one that made it:

# %%
print("forgotten:", *through_uff.parse(collapsed, plugins=False).log)
print("made:     ", *through_uff.parse(collapsed).log)

# %% [markdown]
# The name in the file is right both times. In the second program the parser knows the activations, and stops at the next trouble,
# which is page 05's.
#
# What happens with a name that is not in the list? We misspell one.

# %%
small = gs.DynamicGraph(freeze.load(freeze.box3d(width=8)))
small.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LRelu_TRT", negSlope=node.attr["alpha"].f)
    for node in small.find_nodes_by_op("LeakyRelu")})
show.graph(small, "leaky_re_lu_2", mark={"leaky_re_lu_2": "trouble"})

# %% [markdown]
# `LRelu_TRT` for `LReLU_TRT`: try to see that in a graph of a hundred nodes. The converter does not see it either. It writes
# the file as it wrote the right one. For a TensorRT without an `UffParser` we make ONNX of it, where the unknown operation
# keeps its name.

# %%
with page.silence():
    misspelt = uff.from_tensorflow(small.as_graph_def(), list(network.OUTPUTS), quiet=True)
question = artifacts.write(artifacts.BUILD / "misspelt.uff", misspelt)
if not hasattr(trt, "UffParser"):
    question = question.with_suffix(".onnx")
    to_onnx.convert(misspelt, question, plugins="inline")

# %% [markdown]
# A parser that stumbles over a plugin can take the whole process with it, and your notebook with that. So we ask in a process
# of its own. This is the program that it runs. `engine` is the workbook's package for every TensorRT from 5 on; the plain
# calls come further down.

# %%
ask = """
import sys
from helpers import engine
trt, path = engine.tensorrt(), sys.argv[1]
builder = trt.Builder(engine.logger(trt))
net = builder.create_network(*engine.network_flags(trt, implicit=path.endswith(".uff")))
try:
    engine.parse(trt, net, path)
except ValueError as error:
    print(error)
"""

# %%
if trt:
    done = child.run([sys.executable, "-c", ask, question])
    for line in done.text.splitlines():
        print(textwrap.fill(line, 92))
else:
    page.quote("node 'leaky_re_lu_2/LeakyRelu' (LRelu_TRT): creator && \"Plugin not found,\n"
               "are the plugin name, version, and namespace correct?\"",
               "TensorRT for RTX 1.7.1")

# %% [markdown]
# An `OnnxParser` asks the right question: is the **name** spelt right, is there that **version** (a plugin has one, mostly "1"), in
# that **namespace**? That one is of plugins and not of nodes, and mostly empty. And one more: has anybody registered it? The
# `UffParser` gives no such hint:

# %%
print("\n".join(through_uff.parse(misspelt).log))

# %% [markdown]
# The same words as for the plugin that nobody had registered. It cannot know whether you forgot the call or misspelt the name.
#
# ## The namespace that matches nothing
#
# The layer is called `leaky_re_lu_2`. Type it from memory and you will type something else, and the workbook's graphsurgeon
# objects. It is imported by its full name here, so that you see it on a Jetson too.

# %%
from uffsurgeon import graphsurgeon as own

stray = own.create_plugin_node("leaky_relu_2", op="LReLU_TRT", negSlope=0.1)
silent = own.DynamicGraph(freeze.load(freeze.box3d(width=8)))
try:
    silent.collapse_namespaces({"leaky_relu_2": stray})
except ValueError as error:
    print(textwrap.fill(str(error), 92))

# %% [markdown]
# NVIDIA's graphsurgeon 0.4.1 says nothing. It hangs the plugin at the end of the graph, where nothing feeds it and nothing
# reads it, and leaves the LeakyReLU as it was. You hear of it from the parser, about a node that you thought was gone. We do by
# hand what it does, and count:

# %%
silent = own.DynamicGraph(freeze.load(freeze.box3d(width=8)))
silent.append(stray)
for op in ("LeakyRelu", "LReLU_TRT"):
    print("%-10s %d here, %d in our graph" % (op, len(silent.find_nodes_by_op(op)),
                                              len(graph.find_nodes_by_op(op))))
show.graph(silent, ["leaky_relu_2", "leaky_re_lu_2"], mark={"leaky_relu_2": "trouble"})

# %% [markdown]
# The first column, and the picture, are what the mistake looks like, the second column what success looks like. If you work with
# NVIDIA's, count afterwards: of the old operation none should be left.
#
# ## Cutting off the end: a baseline
#
# One operation of the network is still refused by TensorRT 5, the normalisation (`l2_normalize`) at the end of the orientation
# head. Page 05 writes a plugin for it. Until then there is a way to a plan without it, which gives later plans something to
# be compared with: cut the normalisation off and do it in NumPy. `remove` takes nodes out.

# %%
graph.remove(graph.find_nodes_by_path("orientation/l2_normalize.*"))
show.graph(graph, "reshape_2/Reshape", constants=False)

# %% [markdown]
# Nothing reads `reshape_2/Reshape` any more. The head ends there, so that is the name to ask for when converting. The old name
# fails, as it should:

# %%
try:
    with page.silence():
        uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
except Exception as error:
    print(textwrap.fill(type(error).__name__ + ": " + str(error), 92))

# %% [markdown]
# The `-l` is for the converter's command line, `convert-to-uff box3d.pb -l`. With the right names we get a UFF, and an ONNX file of
# it.

# %%
outputs = ["dimension/LeakyRelu", "reshape_2/Reshape", "confidence/Softmax"]
uff_file = artifacts.BUILD / "box3d_baseline.uff"
with page.silence():
    uff.from_tensorflow(graph.as_graph_def(), outputs, quiet=True,
                        output_filename=str(uff_file))
onnx_file = uff_file.with_suffix(".onnx")
show.graph(to_onnx.convert(uff_file, onnx_file), "leaky_re_lu_2")

# %% [markdown]
# In ONNX the LeakyReLU is an operation like any other, and no plugin is needed.
#
# ## A plan, in TensorRT's own words
#
# A **plan** is the network compiled for one kind of GPU. Five objects make one. A **builder** makes network, config and
# profile and does the work in the end. A **network** is what is to be computed, empty at first. A **parser** fills it from a
# file. A **config** holds the settings: how much memory, which precision. The last, a **profile**, says which sizes of the
# input will come.

# %%
show.plan_objects("build")

# %% [markdown]
# What follows are NVIDIA's own calls, for TensorRT 8, 10 and 11 and TensorRT for RTX. `trt` is `import tensorrt as trt` (or
# `tensorrt_rtx`), and `logger` was made above: it prints TensorRT's warnings and errors. A process needs just one.

# %%
plain = hasattr(getattr(trt, "Builder", None), "build_serialized_network")  # from TensorRT 8 on
from_uff = hasattr(trt, "UffParser")  # up to 8
if plain:
    builder = trt.Builder(logger)
elif trt:
    print("TensorRT", trt.__version__, "is older than these calls: see `engine.build` below.")

# %% [markdown]
# Next an empty network (the 0 says *no flags*) and the parser. An `UffParser` has to be given the inputs and outputs; an
# `OnnxParser` finds them in the file. Neither raises anything when it fails: `parse` returns `False`. A script that does not
# look goes on with half a network, or with none.

# %%
if plain:
    net = builder.create_network(0)
if plain and from_uff:
    parser = trt.UffParser()
    parser.register_input("input_1", (224, 224, 3), trt.UffInputOrder.NHWC)
    for name in outputs:
        parser.register_output(name)
    done = parser.parse(str(uff_file), net)
elif plain:
    parser = trt.OnnxParser(net, logger)
    done = parser.parse(onnx_file.read_bytes())

# %% [markdown]
# The `UffParser` leaves its reasons to the logger, the `OnnxParser` keeps them: `parser.num_errors`, `parser.get_error(0)`. What is
# in the network now? And has it outputs? Page 02 had a `True` without any.

# %%
if plain:
    assert done and net.num_outputs, "no network: read what the logger has printed"
    layers = [net.get_layer(i) for i in range(net.num_layers)]
    print(len(layers), "layers")
    print([str(layer.type) for layer in layers if layer.name.startswith("leaky_re_lu_2")])
else:
    page.quote("109 layers\n['LayerType.PLUGIN_V2']", "TensorRT 8.6.1 on an H200, from UFF")

# %% [markdown]
# An `ACTIVATION` is a built-in layer. From UFF it is the plugin, as NVIDIA's UffParser has it:

# %%
import uffparser

uffparser.table(through_uff.parse(uff_file), "leaky_re_lu_2")

# %% [markdown]
# Now the settings. The workspace is scratch memory for the layers, 1 GB at most: with too little of it the builder has to pass over
# fast ways to compute a layer, or finds none.
#
# The batch is a setting, too. The shapes of a network from UFF leave it out (*implicit batch*), and the builder is told the
# largest. A warning that this is deprecated can be ignored, because UFF knows nothing else. In our ONNX file the batch is an
# open axis, and the builder wants a profile: the smallest, the usual and the largest shape. It tunes for the second.

# %%
if plain:
    config = builder.create_builder_config()
    if hasattr(config, "set_memory_pool_limit"):  # from 8.4 on
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
    else:
        config.max_workspace_size = 1 << 30
if plain and from_uff:
    builder.max_batch_size = 8
elif plain:
    profile = builder.create_optimization_profile()
    profile.set_shape("input_1", (1, 224, 224, 3), (8, 224, 224, 3), (8, 224, 224, 3))
    config.add_optimization_profile(profile)

# %% [markdown]
# The last call does the work. TensorRT for RTX needs about a second for it. Classic TensorRT times each choice, which it
# calls a *tactic*, on the GPU in front of it: half a minute on an H200, a GPU for data centres, as we recorded it; a board
# takes longer. When it fails it raises nothing either, and returns `None`.
#
# **Guess first.** The file with the weights had 162 MB. How large is the plan?

# %%
guess = ...  # a number of MB

# %%
if plain:
    plan = builder.build_serialized_network(net, config)
    assert plan is not None, "no plan: the logger has printed why"
    artifacts.write(artifacts.BUILD / "box3d_baseline.plan", bytes(plan))
    print("box3d_baseline.plan, %.1f MB" % (plan.nbytes / 1e6))
else:
    page.quote("box3d_baseline.plan, 162.8 MB", "TensorRT for RTX 1.7.1")

# %% [markdown]
# That is a plan, as large as the weights and a little more: nobody asked for a smaller precision yet. It belongs to this
# version of TensorRT and this kind of GPU (page 06). From a shell `trtexec` does the same; page 06 has its lines.

# %% [markdown]
# ### On your own network, a plan from ONNX
#
# For TensorRT 8.4 to 11, from the `mine.onnx` that was made above, or anybody's. Change the name and the shapes of the input;
# with a fixed batch, leave out the three lines of the profile.
#
# ```python
# import tensorrt as trt
#
# logger = trt.Logger(trt.Logger.WARNING)
# builder = trt.Builder(logger)
# flags = 0
# if hasattr(trt.Builder, "max_batch_size"):  # up to TensorRT 9, the batch can be implicit
#     flags = 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)
# network = builder.create_network(flags)
# parser = trt.OnnxParser(network, logger)
# if not parser.parse_from_file("mine.onnx"):
#     raise SystemExit("\n".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
# config = builder.create_builder_config()
# config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
# profile = builder.create_optimization_profile()
# profile.set_shape("input_1", (1, 224, 224, 3), (8, 224, 224, 3), (8, 224, 224, 3))
# config.add_optimization_profile(profile)
# plan = builder.build_serialized_network(network, config)
# open("mine.plan", "wb").write(plan)  # None, if the builder has failed: read the log
# ```

# %% [markdown]
# ### On your own network, a plan from UFF
#
# For TensorRT 5 to 8, which is JetPack 4.2 to 6.0, from the `mine.uff` that was made above. The shape of the input goes without
# the batch.
#
# ```python
# import tensorrt as trt
#
# logger = trt.Logger(trt.Logger.WARNING)
# trt.init_libnvinfer_plugins(logger, "")
# builder, parser = trt.Builder(logger), trt.UffParser()
# network = builder.create_network()
# parser.register_input("input_1", (224, 224, 3), trt.UffInputOrder.NHWC)
# parser.register_output("answer/BiasAdd")
# assert parser.parse("mine.uff", network) and network.num_outputs, "read the log"
# builder.max_batch_size = 8
# if hasattr(builder, "build_cuda_engine"):  # TensorRT 5 to 7
#     builder.max_workspace_size = 1 << 30
#     plan = builder.build_cuda_engine(network).serialize()
# else:
#     config = builder.create_builder_config()
#     config.max_workspace_size = 1 << 30
#     plan = builder.build_serialized_network(network, config)
# open("mine.plan", "wb").write(plan)
# ```

# %% [markdown]
# ## Running it, in TensorRT's own words
#
# Three more objects run a plan. A **runtime** reads it and makes an **engine** of it, which holds the weights on the GPU. A
# **context** holds what one run needs; two contexts can share an engine. The rest is CUDA: memory on the GPU for each input and
# output, and a **stream**, a queue of work for the GPU.

# %%
show.plan_objects("run")

# %% [markdown]
# `cuda.Buffer` and `cuda.Stream` are thin wrappers around PyCUDA or cuda-python. (These two cells have run with TensorRT 10.6.0 on
# an H100. The calls of TensorRT 8 have run here on stand-ins for TensorRT only; `run.plan`, further down, makes the same calls, and
# has run plans of 8.6.1.)

# %%
from helpers import cuda

on_gpu = plain and machine.tensorrt().runs
if on_gpu:
    runtime = trt.Runtime(logger)
    loaded = runtime.deserialize_cuda_engine(plan)
    context = loaded.create_execution_context()
    stream, batch = cuda.Stream(), np.ascontiguousarray(images[:8])
    answers = {name: np.empty((len(batch), size), np.float32)
               for name, size in zip(outputs, (3, 12, 6))}
    buffers = {name: cuda.Buffer(array.nbytes)
               for name, array in dict(answers, input_1=batch).items()}

# %% [markdown]
# Then the queue is filled: copy the images in, compute, copy the answers out. Each of these returns at once. Only `synchronize`
# waits until the GPU is done; before it, `answers` holds nothing. An engine with implicit batch takes addresses in the order of
# its *bindings*, which are its inputs and outputs; a newer one takes them by name.

# %%
if on_gpu:
    buffers["input_1"].upload(batch, stream)
    if from_uff:
        order = [loaded.get_binding_name(i) for i in range(loaded.num_bindings)]
        context.execute_async(len(batch), [buffers[name].address for name in order],
                              stream.handle)
    else:
        context.set_input_shape("input_1", batch.shape)
        for name, buffer in buffers.items():
            context.set_tensor_address(name, buffer.address)
        context.execute_async_v3(stream.handle)
    for name, array in answers.items():
        buffers[name].download(array, stream)
    stream.synchronize()
    print({name: array[0].round(3) for name, array in answers.items()})
else:
    print("No plan runs here: %s." % machine.tensorrt().why_not)

# %% [markdown]
# ## The same for every version
#
# The calls have changed over the years, the parts have not: [versions](../docs/versions.md) has both. `engine.build` and `run.plan`
# know all of them. They ask TensorRT what it has, with `hasattr`, and never which version it is. Where there is an `UffParser` we
# give it the UFF with its plugins; that has run with TensorRT 8.6.1 on an H200, and not yet on a Jetson
# ([verified](../docs/verified.md)). The first line gives the memory of our objects back. They had to live until the plan was there,
# because the parser may own the weights.

# %%
context = loaded = runtime = plan = profile = config = None
parser = layers = net = builder = plan_file = None
if trt:
    model_file = uff_file if from_uff else onnx_file
    plan_file = engine.build(model_file, batch=8, trt=trt)
    record = artifacts.read_sidecar(plan_file)
    print("%s from %s, %.1f MB" % (plan_file.name, record["source"], record["bytes"] / 1e6))
else:
    page.quote("box3d_baseline.fp32.plan from box3d_baseline.onnx, 162.8 MB",
               "TensorRT for RTX 1.7.1")

# %% [markdown]
# Running a plan takes a GPU of the kind it was built for. Without one, ONNX Runtime computes the file that the plan was built
# from. Both give a dictionary of arrays, by the names of the outputs.

# %%
if machine.tensorrt().runs:
    raw = run.plan(plan_file, images)
else:
    print("No plan runs here (%s): ONNX Runtime computes." % machine.tensorrt().why_not)
    raw = run.onnx(onnx_file, images)

# %% [markdown]
# What comes out of `reshape_2` are the pairs, of any length. One line of NumPy brings them to length one, and the gate decides.

# %%
pairs = raw["reshape_2/Reshape"]
unit = pairs / np.linalg.norm(pairs, axis=2, keepdims=True)
heads = network.heads(dict(raw, orientation=unit))
parity.compare(reference, heads, street)

# %%
show.boxes_on_scene(street[1], parity.place(heads, street)[1], title="normalised in NumPy")

# %% [markdown]
# That is a network for TensorRT, followed by a line of NumPy. For many purposes this is enough. It stops being enough where
# no Python runs, or where the answer should stay on the GPU; hence page 05.

# %% [markdown]
# ### On your own network, running a plan from ONNX
#
# From TensorRT 8.5 on, with PyCUDA: tensors have names.
#
# ```python
# import numpy as np, pycuda.autoinit, pycuda.driver as cuda, tensorrt as trt
#
# runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
# engine = runtime.deserialize_cuda_engine(open("mine.plan", "rb").read())
# context, stream = engine.create_execution_context(), cuda.Stream()
# x, memory, answers = np.ascontiguousarray(np.load("mine.npy"), np.float32), {}, {}
# context.set_input_shape("input_1", x.shape)
# for name in [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]:
#     array = x if name == "input_1" else np.empty(tuple(context.get_tensor_shape(name)), np.float32)
#     memory[name], answers[name] = cuda.mem_alloc(array.nbytes), array
#     context.set_tensor_address(name, int(memory[name]))
# cuda.memcpy_htod_async(memory["input_1"], answers.pop("input_1"), stream)
# context.execute_async_v3(stream.handle)
# for name, array in answers.items():
#     cuda.memcpy_dtoh_async(array, memory[name], stream)
# stream.synchronize()  # now, and not before, `answers` holds the answers
# ```

# %% [markdown]
# ### On your own network, running a plan from UFF
#
# The same for TensorRT 5 to 8: bindings have numbers, and the batch is an argument.
#
# ```python
# import numpy as np, pycuda.autoinit, pycuda.driver as cuda, tensorrt as trt
#
# logger = trt.Logger(trt.Logger.WARNING)
# trt.init_libnvinfer_plugins(logger, "")
# runtime = trt.Runtime(logger)
# engine = runtime.deserialize_cuda_engine(open("mine.plan", "rb").read())
# context, stream = engine.create_execution_context(), cuda.Stream()
# x = np.ascontiguousarray(np.load("mine.npy"), np.float32)
# names = [engine.get_binding_name(i) for i in range(engine.num_bindings)]
# answers = {name: np.empty((len(x),) + tuple(engine.get_binding_shape(i)), np.float32)
#            for i, name in enumerate(names) if not engine.binding_is_input(i)}
# memory = {name: cuda.mem_alloc(answers.get(name, x).nbytes) for name in names}
# cuda.memcpy_htod_async(memory["input_1"], x, stream)
# context.execute_async(len(x), [int(memory[name]) for name in names], stream.handle)
# for name, array in answers.items():
#     cuda.memcpy_dtoh_async(array, memory[name], stream)
# stream.synchronize()
# ```

# %% [markdown]
# ## Who needs this plugin today?
#
# From TensorRT 5.1 on LeakyReLU is a layer of its own. Only a UFF of the early converter still asks for the plugin, and TensorRT 11
# has dropped it ([versions](../docs/versions.md)).
# So the plugin is history, and the surgery is not: the next layer that your TensorRT does not know will come, and it will be
# treated just like this one. How would you know? Parse, and read what the parser says.
#
# ## Your turn
#
# *Stuck? `hint("03.1")` gives a first hint, called again a second one; so for the others.*
#
# **1.** Write the surgery as a function that you can keep: `leaky_plugins(graph)` gets a `DynamicGraph` and returns the
# dictionary for `collapse_namespaces`. It will be tried on a network whose layers have other names and other slopes.

# %% tags=["exercise"]
from notebooks.checks import check, hint

def leaky_plugins(graph):
    return ...


check("03.1", leaky_plugins)

# %% tags=["solution"]
from notebooks.checks import check

def leaky_plugins(graph):
    def plugin(node):
        return gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)

    return {node.name: plugin(node) for node in graph.find_nodes_by_op("LeakyRelu")}


check("03.1", leaky_plugins)

# %% [markdown]
# **2.** *Swish* is `x * sigmoid(x)`, two nodes: `swish_1/Sigmoid` and `swish_1/mul`, which reads the first and `x`. In
# `swish_graph()`, a GraphDef, there are two such layers, `swish_1` and `swish_2`. Write `swish(graph)`, which gets it as a
# `DynamicGraph` and collapses each into one plugin node with the op `Swish_TRT`. Two plugin nodes need two names. (To try:
# `swish(gs.DynamicGraph(swish_graph()))`.)

# %% tags=["exercise"]
from notebooks.checks import swish_graph

def swish(graph):
    ...  # graph.collapse_namespaces(...)
    return ...  # the graph


check("03.2", swish)

# %% tags=["solution"]
from notebooks.checks import swish_graph

def swish(graph):
    graph.collapse_namespaces({name: gs.create_plugin_node(name, op="Swish_TRT")
                               for name in ("swish_1", "swish_2")})
    return graph


after = swish(gs.DynamicGraph(swish_graph()))
show.graph_before_after(swish_graph(), after, "*")

# %% tags=["solution"]
check("03.2", swish)

# %% [markdown]
# **3.** Our line of NumPy has a hole: a pair of two zeros has no direction, and 0 divided by 0 is no number. TensorFlow returns
# zeros there, because it divides by the square root of `max(sum of squares, 1e-12)`. Write `normalise(pairs)` so that it does
# as TensorFlow does, for `[N, bins, 2]`.

# %% tags=["exercise"]
def normalise(pairs):
    return ...


check("03.3", normalise)

# %% tags=["solution"]
def normalise(pairs):
    squares = (pairs ** 2).sum(axis=2, keepdims=True)
    return pairs / np.sqrt(np.maximum(squares, 1e-12))


check("03.3", normalise)

# %% [markdown]
# ## What you saw
#
# - What UFF does not know becomes a custom operation, and TensorRT looks for a plugin of that name.
# - `create_plugin_node` makes the new node, `collapse_namespaces` puts it in the place of a namespace and finds its inputs.
# - Settings are read from the old node. A wrong one converts just as well.
# - A plugin has to be registered before a parser can find it, and a namespace has to match before anything happens.
# - What will not convert at the end of a network can be cut off and done outside: a plan was built.
# - `parse` returns `False` and `build_serialized_network` returns `None`: look at both.
#
# Next: [04 half precision and a kernel](04_half_precision_and_a_kernel.ipynb), where the normalisation comes back, on the GPU.
