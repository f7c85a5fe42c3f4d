# %% [markdown]
# # 03 LeakyReLU and collapse_namespaces
#
# The network has five activations that UFF knows no word for. This is the plainest case of surgery: one node goes out, one
# comes in, and TensorRT is told where to find what the new one computes. At the end of the page the network is a plan.
#
# After this page you will be able to
#
# - replace nodes of a frozen graph by a TensorRT *plugin*, with `create_plugin_node` and `collapse_namespaces`,
# - follow one number, the slope of the activation, through every file of the road,
# - recognise three mistakes that everybody makes once: the number typed in by hand, the plugin that nobody registered, the
#   namespace that matches nothing,
# - take the end off a network that will not convert, and do its work in NumPy,
# - build a plan, call by call, in TensorRT's own words.
#
# **You need** notebook 02. **Time:** 30 minutes.

# %%
import sys; sys.path.insert(0, "..")
import numpy as np
from helpers import artifacts, freeze, network, parity, scenes, show, toolbox

gs, uff = toolbox.surgery()

# %% [markdown]
# The network is the repaired one of notebook 02, and its answers in TensorFlow are the standard again.

# %%
street = [scenes.load(name) for name in scenes.names()[:2]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
before = freeze.load(freeze.box3d())
reference = network.heads(freeze.run(before, images))

# %% [markdown]
# ## The trouble
#
# **LeakyReLU** passes positive numbers on as they are and multiplies negative ones by a small slope. UFF has words for `relu`,
# `tanh` and six more activations, but none for this one. What happens if we convert anyway?

# %%
data = uff.from_tensorflow(before, list(network.OUTPUTS), quiet=True)

# %% [markdown]
# No error. The converter writes what it does not know as a **custom operation**, with an underscore before its name, and leaves
# it to others to make sense of it. Let us read what it wrote.

# %%
from helpers.uff import schema

def uff_node(data, name):
    return [node for node in schema.read(data).graphs[0].nodes if node.id == name][0]

print(uff_node(data, "leaky_re_lu_2/LeakyRelu"))

# %% [markdown]
# TensorRT 5 to 8 meets `_LeakyRelu`, looks for a plugin of that name, finds none, and says (quoted from NVIDIA/TensorRT, issue
# 159 and many others; it takes an `UffParser` to produce it):
#
# ```text
# UffParser: Validator error: leaky_re_lu_2/LeakyRelu: Unsupported operation _LeakyRelu
# ```
#
# A **plugin** is an operation that is not built into TensorRT but comes from a library, and that TensorRT finds by its name in
# a list, the registry. NVIDIA ships several. One of them computes our activation: it is called `LReLU_TRT` and wants one
# setting, `negSlope`. So all we need is a node with that name in place of the other.
#
# ## The node before, the node after
#
# `DynamicGraph` is graphsurgeon's view of a frozen graph: it finds nodes and lets you change them. It works on the very graph
# that it is given, so it gets a second copy, and `before` stays to compare with.

# %%
graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
leaky = graph.find_nodes_by_op("LeakyRelu")
print([node.name for node in leaky])
print(leaky[2])

# %% [markdown]
# That is the node before. `find_nodes_by_op` goes by what a node does; `find_nodes_by_name` and `find_nodes_by_path` go by the
# last part of its name, or by all of it. The node that shall take its place is made by `create_plugin_node`. It keeps the name,
# so that its readers still find it; its `op` is the plugin's name.

# %%
print(gs.create_plugin_node(leaky[2].name, op="LReLU_TRT", negSlope=leaky[2].attr["alpha"].f))

# %% [markdown]
# Two things are worth a look. The setting is now called `negSlope_u_float`: a plugin is told its settings by name *and* type,
# and the suffix carries the type through the file. And there is no `input`. The new node need not know where it will stand;
# the next call finds that out.
#
# ## collapse_namespaces
#
# Names in a TensorFlow graph are paths. The **namespace** `leaky_re_lu_2` is the node of that name, if there is one, and all
# nodes below `leaky_re_lu_2/`. `collapse_namespaces` takes a dictionary: for each namespace the one node that shall stand for
# all of it. What the namespace read from outside becomes the input of the new node; who read something inside now reads the
# new node.

# %%
graph.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    for node in leaky})

# %%
show.graph_before_after(before, graph, "leaky_re_lu_2")

# %% [markdown]
# Red went out, green came in, and the neighbours have not noticed. One node for one node is the smallest case; in notebook 04
# six nodes become one by the same call. TensorFlow cannot run this graph any more, for it knows no `LReLU_TRT`. From here on
# it is TensorRT's. Here is the node after, in the UFF:

# %%
with toolbox.silence():
    data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
print(uff_node(data, "leaky_re_lu_2/LeakyRelu"))

# %% [markdown]
# `_LReLU_TRT`, its input, its slope. The converter warns as before, since to it one unknown name is like another; to TensorRT
# it is not. (You know these lines by now, and `silence` keeps them off this page. With `text=True` and an `output_filename` the
# converter also writes the whole file as `.pbtxt`, to be read with your own eyes; long weights are left out of it.)
#
# ## One number, three files
#
# We asked Keras for a slope of 0.1. TensorFlow keeps settings in 32 bits, and there is no 0.1 in 32 bits; the nearest number is
# a little larger. UFF keeps them in 64 bits, where the difference shows.

# %%
slope = uff_node(data, "leaky_re_lu_2/LeakyRelu").fields["negSlope_u_float"].d
print("in the UFF:", slope, "  0.1 in 32 bits:", float(np.float32(0.1)))

# %% [markdown]
# The slope was *read from the node* and not typed in, and that is a habit worth having. Keras's own default is 0.3, TensorFlow's
# is 0.2, PyTorch's is 0.01, and nothing checks which of them you had in mind. Here is the same surgery by somebody who was sure
# that it is 0.3.

# %%
typed_in = gs.DynamicGraph(freeze.load(freeze.box3d()))
typed_in.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=0.3)
    for node in typed_in.find_nodes_by_op("LeakyRelu")})
with toolbox.silence():
    wrong = uff.from_tensorflow(typed_in.as_graph_def(), list(network.OUTPUTS), quiet=True)

# %% [markdown]
# It converts as smoothly. To see what it computes, the UFF is turned into ONNX, and ONNX Runtime computes that: it reads
# `_LReLU_TRT` as the LeakyReLU that it is. This says nothing about TensorRT yet, but it judges the file.

# %%
from helpers.uff import to_onnx

def answers_of(data):
    return network.heads(toolbox.run_onnx(to_onnx.convert(data), images).values())

typed = answers_of(wrong)
parity.compare(reference, typed, street)

# %% [markdown]
# Most boxes turn by much the same angle, as if somebody had mounted the camera askew, and that is where one would go and search.
# With the slope from the node:

# %%
found = answers_of(data)
parity.compare(reference, found, street)

# %%
show.scene_before_after(
    street[0], parity.place(typed, street)[0], parity.place(found, street)[0],
    ("slope typed in: 0.3", "slope read from the node"))

# %% [markdown]
# ## The plugin that nobody registered
#
# A name in a file is only a name. TensorRT's plugins have to be put into its registry first, once in each process, and the
# line that does it is the one most often forgotten:
#
# ```python
# trt.init_libnvinfer_plugins(logger, "")
# ```
#
# Which are there then? Newer versions call the list `all_creators`, older ones `plugin_creator_list`.

# %%
from helpers import engine

trt = toolbox.tensorrt()
if trt:
    trt.init_libnvinfer_plugins(engine.logger(trt), "")
    registry = trt.get_plugin_registry()
    creators = getattr(registry, "all_creators", None) or registry.plugin_creator_list
    print(sorted(creator.name for creator in creators))
else:
    toolbox.quote("['MyelinWeightsTransformPlugin', 'ROIAlign_TRT']", "TensorRT for RTX 1.7.1")

# %% [markdown]
# On a Jetson of those years `LReLU_TRT` stands in that list. TensorRT for RTX brings hardly any plugins. What happens with a
# name that is not in the list? We misspell one, which is the same as not registering it.

# %%
small = gs.DynamicGraph(freeze.load(freeze.box3d(width=8)))
node = small.find_nodes_by_op("LeakyRelu")[2]
plugin = gs.create_plugin_node(node.name, op="LRelu_TRT", negSlope=0.1)
small.collapse_namespaces({node.name: plugin})
show.graph(small, "leaky_re_lu_2", mark={"leaky_re_lu_2": "trouble"})

# %% [markdown]
# `LRelu_TRT` for `LReLU_TRT`: try to see that in a graph of a hundred nodes. The converter does not see it either. It writes the
# file as it wrote the right one.

# %%
with toolbox.silence():
    data = uff.from_tensorflow(small.as_graph_def(), list(network.OUTPUTS), quiet=True)
misspelt = artifacts.write(artifacts.BUILD / "misspelt.uff", data)

# %% [markdown]
# Now to the parser. Where there is no `UffParser` the question goes by way of ONNX, in which the unknown operation keeps its
# name.

# %%
question = misspelt
if not hasattr(trt, "UffParser"):
    question = misspelt.with_suffix(".onnx")
    to_onnx.convert(misspelt, question, plugins="inline")

# %% [markdown]
# A parser that stumbles over a plugin can take the whole process with it, and your notebook with that. So we ask in a process
# of its own. This is the program that it runs:

# %%
ask = """
import sys; sys.path.insert(0, "..")
from helpers import engine
trt, path = engine.tensorrt(), sys.argv[1]
builder = trt.Builder(engine.logger(trt))
network = builder.create_network(*engine.network_flags(trt, implicit=path.endswith(".uff")))
engine.parse(trt, network, path)
"""

# %%
import subprocess

if trt:
    done = subprocess.run([sys.executable, "-c", ask, str(question)], stderr=subprocess.PIPE)
    print(done.stderr.decode().splitlines()[-1])
else:
    toolbox.quote("node 'leaky_re_lu_2/LeakyRelu' (LRelu_TRT): creator && \"Plugin not found, "
                  "are the plugin name, version, and namespace correct?\"",
                  "TensorRT for RTX 1.7.1")

# %% [markdown]
# *Creator* is the registry's word for what makes a plugin. The message asks the right question: is the **name** spelt right, is
# there that **version**, in that *namespace* (here one of plugins, not of nodes)? And one more: has anybody loaded it? The
# `UffParser` of TensorRT 5 to 8 asks nothing and says `Unsupported operation _LRelu_TRT`, in the words that you saw above.
#
# ## The namespace that matches nothing
#
# The layer is called `leaky_re_lu_2`. Who types from memory types something else, and the workbook's graphsurgeon objects. (It
# is imported by its full name here, so that you see it on a Jetson too.)

# %%
from helpers import graphsurgeon as own

try:
    node = own.create_plugin_node("leaky_relu_2", op="LReLU_TRT", negSlope=0.1)
    small = own.DynamicGraph(freeze.load(freeze.box3d(width=8)))
    small.collapse_namespaces({"leaky_relu_2": node})
except ValueError as error:
    print(error)

# %% [markdown]
# NVIDIA's graphsurgeon (0.4.1) says nothing. It hangs the plugin at the end of the graph, where nothing feeds it and nothing
# reads it, and leaves the LeakyReLU as it was; you hear of it from the parser, about a node that you thought was gone. If you
# work with NVIDIA's, count afterwards:

# %%
for op in ("LeakyRelu", "LReLU_TRT"):
    print(op, len(graph.find_nodes_by_op(op)))

# %% [markdown]
# ## Leaving nodes out of a namespace
#
# Sometimes a namespace holds more than you want to replace. The normalisation at the end of the orientation head is six nodes;
# TensorRT 5 takes the squaring and the summing, only the rest it refuses. `exclude_nodes` keeps nodes outside. (In NVIDIA's
# 0.4.1 it is broken: `TypeError: 'NoneType' object is not iterable`, and the graph is left half done.)

# %%
partly = own.DynamicGraph(freeze.load(freeze.box3d(width=8)))
keep = partly.find_nodes_by_path("orientation/l2_normalize/(Square|Sum)")
rest = own.create_plugin_node("orientation/l2_normalize", op="DivideByRoot", eps=1e-12)
partly.collapse_namespaces({"orientation/l2_normalize": rest}, exclude_nodes=keep)

# %%
show.graph_before_after(before, partly, "orientation/l2_normalize")

# %% [markdown]
# Four nodes became one, and it reads what those four had read from outside: the sum and the pairs. No plugin of the name
# `DivideByRoot` exists; you would have to write it. Notebook 04 writes a better one.
#
# ## The end off: the baseline
#
# Until that plugin exists, there is a way to a plan without it, and the article took it first: cut the normalisation off and do
# it in NumPy. `remove` takes nodes out.

# %%
graph.remove(graph.find_nodes_by_path("orientation/l2_normalize.*"))
print([node.name for node in graph.graph_outputs])

# %%
end = ["reshape_2/Reshape", "orientation/l2_normalize"]
show.graph_before_after(before, graph, end, end[:1], reach=0)

# %% [markdown]
# The network ends at `reshape_2/Reshape` now, and who converts has to ask for that. The old name fails, as it should:

# %%
try:
    uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
except Exception as error:
    print(type(error).__name__ + ":", error)

# %% [markdown]
# (`-l` is an option of the converter's command line, `python -m helpers.uff box3d.pb -l`, that lists all nodes.)

# %%
outputs = ["dimension/LeakyRelu", "reshape_2/Reshape", "confidence/Softmax"]
with toolbox.silence():
    data = uff.from_tensorflow(graph.as_graph_def(), list(outputs), quiet=True)
uff_file = artifacts.write(artifacts.BUILD / "box3d_baseline.uff", data)
onnx_file = uff_file.with_suffix(".onnx")
model = to_onnx.convert(uff_file, onnx_file)

# %% [markdown]
# ## A plan
#
# Building has five actors. A **builder** makes everything else and does the work in the end. A **network** is what shall be
# computed, empty at first. A **parser** fills it from a file. A **config** holds wishes: how much memory, which precision. The
# **plan** is the result, compiled for one kind of GPU. Their calls have changed over the years, their parts have not:
#
# | step | TensorRT 5, from UFF | TensorRT 8.4 and later, from ONNX |
# |---|---|---|
# | network | `builder.create_network()` | `builder.create_network(flags)` |
# | parser | `trt.UffParser()`, which is told inputs and outputs | `trt.OnnxParser(network, logger)` |
# | config | the builder itself | `builder.create_builder_config()` |
# | workspace | `builder.max_workspace_size = n` | `config.set_memory_pool_limit(pool, n)` |
# | batch | `builder.max_batch_size = 8` | an optimization profile: smallest, usual and largest shape |
# | plan | `builder.build_cuda_engine(network)` | `builder.build_serialized_network(network, config)` |
#
# The cells below take the column that this machine has. (The one with the `UffParser` has not run on a board yet, see
# `docs/verified.md`.)

# %%
model_file = uff_file if hasattr(trt, "UffParser") else onnx_file
from_uff = model_file.suffix == ".uff"
if trt:
    builder = trt.Builder(engine.logger(trt))
    net = builder.create_network(*engine.network_flags(trt, implicit=from_uff))
    parser = engine.parse(trt, net, model_file)

# %% [markdown]
# `network_flags` and `parse` choose the column by asking TensorRT what it has; they are short enough to read, in
# `helpers/engine/builder.py`. Is the LeakyReLU in the network now, and as what?

# %%
if trt:
    layers = [net.get_layer(i) for i in range(net.num_layers)]
    print(len(layers), "layers")
    print([(layer.name, str(layer.type)) for layer in layers if "leaky_re_lu_2" in layer.name])
else:
    toolbox.quote("[('leaky_re_lu_2/LeakyRelu', 'LayerType.ACTIVATION')]",
                  "TensorRT for RTX 1.7.1")

# %% [markdown]
# An `ACTIVATION` is a built-in layer: on the way through ONNX no plugin is needed. On the way through UFF it is a plugin layer.
# Now the wishes, and the work.

# %%
plan_file = artifacts.BUILD / "box3d_baseline.plan"
if trt:
    config = engine.settings(builder)
    engine.set_workspace(trt, config, 1 << 30)
    engine.set_batch(trt, builder, net, config, largest=8, implicit=from_uff)
    plan = engine.serialize(trt, builder, net, config)
    artifacts.write(plan_file, plan)
    print("%s, %.1f MB" % (plan_file.name, len(plan) / 1e6))
else:
    toolbox.quote("box3d_baseline.plan, 162.8 MB", "TensorRT for RTX 1.7.1")

# %% [markdown]
# `set_workspace` allows 1 GB of scratch memory while a layer runs, `set_batch` prepares for one to eight crops at once. The
# plan is as large as the weights and a little more. Running it takes a GPU of the kind it was built for; without one, ONNX
# Runtime computes the file that the plan was built from.

# %%
from helpers import cuda

if trt and cuda.available():
    with engine.Engine(plan_file) as box3d:
        raw = box3d.run(images)
else:
    print("No plan can run here: ONNX Runtime computes", onnx_file.name)
    raw = {name.split("/")[0]: value for name, value in toolbox.run_onnx(model, images).items()}

# %% [markdown]
# What comes out of `reshape_2` are pairs of any length. One line of NumPy brings them to length one, and the gate decides.

# %%
pairs = raw["reshape_2"]
unit = pairs / np.linalg.norm(pairs, axis=2, keepdims=True)
heads = dict(dimension=raw["dimension"], orientation=unit, confidence=raw["confidence"])
parity.compare(reference, heads, street)

# %%
show.boxes_on_scene(street[1], parity.place(heads, street)[1], title="normalised in NumPy")

# %% [markdown]
# That is a network on TensorRT, with a line of NumPy behind it. For many purposes this is enough. It stops being enough where
# no Python runs, or where the answer should stay on the GPU; hence notebook 04.
#
# ## Who needs this plugin today?
#
# | TensorRT | comes with | LeakyReLU |
# |---|---|---|
# | 5.0 | JetPack 4.2 | no layer of its own; `LReLU_TRT`, as on this page |
# | 5.1 to 8.6 | JetPack 4.2.1 to 6.0 | built in; UFF still goes through the plugin, unless a newer converter writes it natively |
# | 9, 10 | JetPack 6.1 to 7 | built in, from ONNX; UFF is gone; the plugin is there, deprecated |
# | 11, and TensorRT for RTX | | built in, from ONNX; there is no such plugin |
#
# So the plugin is history, and the operation is not: the next layer that your TensorRT does not know will come, and it will be
# treated just like this one. How would you know? Parse, and read what the parser says.
#
# ## Your turn
#
# **1.** Write the surgery as a function that you can keep: `leaky_plugins(graph)` gets a `DynamicGraph` and returns the
# dictionary for `collapse_namespaces`. It will be tried on a network whose layers have other names and other slopes.

# %% tags=["exercise"]
from helpers import exercises

def leaky_plugins(graph):
    return ...


exercises.check("03.1", leaky_plugins)

# %% tags=["solution"]
from helpers import exercises

def leaky_plugins(graph):
    def plugin(node):
        return gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)

    return {node.name: plugin(node) for node in graph.find_nodes_by_op("LeakyRelu")}


exercises.check("03.1", leaky_plugins)

# %% [markdown]
# **2.** *Swish* is `x * sigmoid(x)`, two nodes: `swish_1/Sigmoid` and `swish_1/mul`, which reads the first and `x`. In
# `exercises.swish_graph()` there are two such layers, `swish_1` and `swish_2`. Write `swish(graph)`, which collapses each into
# one plugin node with the op `Swish_TRT`. Two nodes need two names.

# %% tags=["exercise"]
def swish(graph):
    ...  # graph.collapse_namespaces(...)
    return ...  # the graph


exercises.check("03.2", swish)

# %% tags=["solution"]
def swish(graph):
    graph.collapse_namespaces({name: gs.create_plugin_node(name, op="Swish_TRT")
                               for name in ("swish_1", "swish_2")})
    return graph


after = swish(gs.DynamicGraph(exercises.swish_graph()))
show.graph_before_after(exercises.swish_graph(), after, "*")

# %% tags=["solution"]
exercises.check("03.2", swish)

# %% [markdown]
# **3.** Our line of NumPy has a hole: a pair of two zeros has no direction, and 0 divided by 0 is no number. TensorFlow returns
# zeros there, because it divides by the square root of `max(sum of squares, 1e-12)`. Write `normalise(pairs)` so that it does
# as TensorFlow does, for `[N, bins, 2]`.

# %% tags=["exercise"]
def normalise(pairs):
    return ...


exercises.check("03.3", normalise)

# %% tags=["solution"]
def normalise(pairs):
    squares = (pairs ** 2).sum(axis=2, keepdims=True)
    return pairs / np.sqrt(np.maximum(squares, 1e-12))


exercises.check("03.3", normalise)

# %% [markdown]
# ## What you saw
#
# - What UFF does not know becomes a custom operation, and TensorRT looks for a plugin of that name.
# - `create_plugin_node` makes the new node, `collapse_namespaces` puts it in the place of a namespace and finds its inputs.
# - Settings are read from the old node. A wrong one converts just as well.
# - A plugin has to be registered before a parser can find it, and a namespace has to match before anything happens.
# - What will not convert at the end of a network can be cut off and done outside: a plan was built.
#
# Next: [04 the L2 plugin](04_l2_plugin.ipynb), where the normalisation comes back, on the GPU.
