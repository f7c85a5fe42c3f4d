# %% [markdown]
# # 05 The L2 plugin
#
# The kernel of the last page is a function; TensorRT needs more. It wants to know what comes out, which types it may hand in,
# how to save it and how to make it again. The object that answers is a **plugin**, an operation of our own in TensorRT. On this
# page you read its C++ method by method, beside the question that each answers. Then one node in the graph asks for it, in the
# place of six.
#
# Today you would not need it: ONNX can say this operation in plain parts, as the last table of this page shows. The parser for
# UFF refuses these parts, a plugin decides for itself how precisely it adds, and your next operation may have no plain parts.
# This one was recorded in TensorRT 8.6.1 on an H200: plans from UFF in FP32, FP16 and INT8, from ONNX in FP32 and FP16, all
# *close* ([docs/verified.md](../docs/verified.md); [what this page printed with 10.6.0](../docs/gpu_pages.md)). It never ran on a
# Jetson.
#
# After this page you will be able to
#
# - name the calls in a plugin's life, and what each must answer,
# - collapse six nodes into one, with settings that are read from the graph and not typed in,
# - know what to do about *plugin not found*.
#
# **You need** pages 03 and 04. **Time:** about 60 minutes, 15 of them for the exercises.

# %%
import sys
import textwrap
from helpers import artifacts, child, engine, freeze, machine, network, page, parity, plugin
from helpers import process, run, scenes, show, through_uff

process.prepare_tensorflow()
import graphsurgeon as gs
import uff
print("graphsurgeon is %s, uff is %s" % (gs.__name__, uff.__name__))

# %%
street = [scenes.load(name) for name in scenes.names()[10:12]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
before = freeze.load(freeze.box3d())
reference = network.heads(run.tensorflow(before, images))

# %% [markdown]
# ## Six nodes and a refusal
#
# `tf.nn.l2_normalize` is five steps and a constant. UFF has a word for each of the five. We replace the activations, as in page
# 03, and ask the parser.

# %%
show.graph(before, "orientation/l2_normalize")

# %%
def without_leaky_relu():
    graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
    graph.collapse_namespaces({node.name: gs.create_plugin_node(node.name, op="LReLU_TRT",
                                                                negSlope=node.attr["alpha"].f)
                               for node in graph.find_nodes_by_op("LeakyRelu")})
    return graph

def to_uff(graph):
    with page.silence():
        return uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)

# %% [markdown]
# **Guess first.** Which of the five steps will the parser refuse?

# %%
guess = ...  # one of "Square", "Sum", "Maximum", "Rsqrt", "Mul", "none"

# %%
print("\n".join(through_uff.parse(to_uff(without_leaky_relu())).log))

# %% [markdown]
# It knows `max`, but not with a constant. A list of names says what a format can *express*. What a parser can *read* is less.
# There is a way out without a plugin, `relu(x - c) + c` for `max(x, c)`. We do not take it, because the sum of squares would
# stay a layer of the plan, in FP16 if the builder likes. The article of 2019 wrote a plugin for two of the nodes. We take all
# six.
#
# ## A plugin's life
#
# The plugin is the object that answers, its **creator** the one that makes it, the **registry** the list where TensorRT looks
# for creators. A plugin lives twice: once while the plan is built, and again, made from what the plan holds, wherever the
# plan is run. Both begin with loading the library, in Linux's word `dlopen`: its code becomes part of the process, and its
# creators enter the registry (from 8.6 on only if the registry loads it).

# %%
show.plugin_life()

# %% [markdown]
# (The calls are those of TensorRT 5 to 9, in the order of NVIDIA's headers, simplified: TensorRT may ask several times.)
# Three things are easily overlooked. `clone` comes in three rows: TensorRT works with copies, so a copy must be complete.
# `initialize` comes in two: the builder asks as well, and when our plugin refused there, no plan was built (recorded: 8.6.1
# on an H100). And the builder's loop: it tries what the plugin says that it supports, and what is fastest stays.
#
# ## The class
#
# `plugin_src/l2_normalize_plugin.cpp` has a class for each interface that TensorRT ever had, around the same state and the same
# kernel. We read one of them, `L2Plugin`, an `IPluginV2Ext`, which is the one for UFF; `PluginV2Common` holds what it shares
# with its sister for ONNX. What you see is printed from the source. Under each question is the method's name in `IPluginV3`,
# the interface of TensorRT 10 and 11, where it differs. First: who are you, and may I have another one?

# %%
common = "PluginV2Common"
show.answers([
    ("What are you called?", plugin.method("getPluginType", common)),
    ("Which version of that?", plugin.method("getPluginVersion", common)),
    ("How many outputs do you have?", plugin.method("getNbOutputs", common)),
    ("A copy of you, please.", plugin.method("clone"))])

# %% [markdown]
# `kName` is `L2Norm_TRT` and `kVersion` is `1`. With a namespace, mostly empty, they are how a node finds its creator.
# `clone` copies everything: fields, shape, even a refusal. A clone that shares a pointer with its original is the classic
# mistake: one of the two is destroyed first.
#
# Next, what goes in and what comes out.

# %%
show.answers([
    ("This comes in. What shape comes out?\ngetOutputShapes",
     plugin.method("getOutputDimensions")),
    ("Of which type is it?\ngetOutputDataTypes", plugin.method("getOutputDataType")),
    ("Do you take this type in this layout?\nsupportsFormatCombination",
     plugin.method("supportsFormat")),
    ("This shape, this type: all right?\nconfigurePlugin, onShapeChange",
     plugin.method("configurePlugin")),
    ("(a private method of ours)", plugin.method("configure_for"))])

# %% [markdown]
# - `check_shape` looks whether the axis is one of the shape's. If not, `refuses` writes one line into TensorRT's log. Two of these
#   methods return something that cannot say no, so the refusal is remembered, and `initialize` returns it.
# - `kLinear` is numbers in a row. A plugin that says yes to a layout which its kernel does not read computes nonsense without an error.
# - It did not say that it takes INT8, so it gets FP32 or FP16 in an INT8 plan, too (recorded: 8.6.1 on an H200).
#
# Then the plan: what is to be kept, and how it becomes a plugin again. The last three are methods of the creator.

# %%
creator = "L2NormCreator"
show.answers([
    ("How many bytes will you need?", plugin.method("getSerializationSize", common)),
    ("Write down what you are.\ngetFieldsToSerialize", plugin.method("serialize", common)),
    ("The graph has a node of yours, with these fields.",
     plugin.method("createPlugin", creator)),
    ("A plan has these bytes of yours.\ncreatePlugin, in the runtime phase",
     plugin.method("deserializePlugin", creator)),
    ("(a private method of ours)", plugin.method("made", creator))])

# %% [markdown]
# 36 bytes: axis, eps, type, sizes, a version and a checksum. A plan may be older than the library that reads it, so
# `deserializePlugin` trusts nothing: bytes of another version, of another length or with one bit changed are refused. Last, the
# run:

# %%
show.answers([
    ("Are you ready?", plugin.method("initialize")),
    ("Put your work on this stream.", plugin.method("enqueue")),
    ("(a function of ours)", plugin.method("run", inside=None)),
    ("That was all.\nthe destructor", plugin.method("destroy", common))])

# %% [markdown]
# `enqueue` puts the kernel into the **stream**, the GPU's queue of work (page 03), and returns at once, with 0. It allocates
# nothing and waits for nothing: it is called in every run, and its time is everybody's. `l2_normalize` at the centre is the
# launch of page 04.
#
# Those are all that think. What is left is a line each: `getWorkspaceSize` and `terminate` (nothing), two about broadcasting
# (no), getter and setter of the namespace, and the creator's `getFieldNames`. And the registration: up to TensorRT 8.5 a macro,
# `REGISTER_TENSORRT_PLUGIN(L2NormCreator);`, which acts while the library is loaded; from 8.6 on a function of the library,
# `getPluginCreators` (from 10 on `getCreators`), which the registry calls in `load_library`. The other classes are
# `L2DynamicPlugin` (`IPluginV2DynamicExt`: ONNX in TensorRT 6 to 9) and `L2PluginV3` (`IPluginV3`: 10 and 11) in the [same
# file](../plugin_src/l2_normalize_plugin.cpp). Which TensorRT has which is in [versions](../docs/versions.md).
#
# ## Compiling and loading it
#
# This takes `nvcc` and TensorRT's C++ headers; where one is missing, the message says where to get it. `plugin.load` loads
# the library and looks whether its creators arrived in the registry.

# %%
print(machine.tensorrt())
trt = engine.tensorrt() if machine.tensorrt().module else None
library = None
try:
    library = plugin.compile()
    if trt:
        plugin.load(trt, library)
        print("registered:", plugin.registered(trt))
except (LookupError, OSError, RuntimeError) as error:
    print(textwrap.fill(str(error), 88))

# %% [markdown]
# If the message is about headers or `nvcc`, nothing was compiled, and the rest of this page does without the library. TensorRT
# for RTX takes no plugins: a network with one would end the whole process, so `load` refuses there.

# %% [markdown]
# ### On your own network
#
# A plugin library `mine.so`, compiled for the TensorRT that you import (`nvcc -shared -Xcompiler -fPIC -o mine.so mine.cu
# -I TENSORRT/include -L TENSORRT/lib -lnvinfer`). In every process, before a parser or a plan needs it. Some
# libraries register themselves while they are loaded; for those take `ctypes.CDLL` in every version.
#
# ```python
# import ctypes
# import tensorrt as trt
#
# logger = trt.Logger(trt.Logger.WARNING)
# registry = trt.get_plugin_registry()
# if hasattr(registry, "load_library"):
#     registry.load_library("./mine.so")
# else:
#     ctypes.CDLL("./mine.so", mode=ctypes.RTLD_GLOBAL)
# has_all = hasattr(registry, "all_creators")
# creators = registry.all_creators if has_all else registry.plugin_creator_list
# print(sorted((creator.name, creator.plugin_version) for creator in creators))
# ```

# %% [markdown]
# ## Surgery, first the wrong way
#
# Now the graph. The activations are plugins already; now the six nodes. Somebody remembers that pairs lie along an axis, types a 1
# and goes to lunch.
#
# **Guess first.** `collapse_namespaces` makes whatever the namespace read from outside an input of the new node. How many
# inputs will that be?

# %%
guess = ...  # a number of inputs

# %%
graph = without_leaky_relu()
unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", axis=1, eps=1e-12)
graph.collapse_namespaces({"orientation/l2_normalize": unit})
show.graph(graph, "orientation/l2_normalize")

# %% [markdown]
# Two. One is the vectors. The other is the constant with the axis, which `Sum` read. Look at its *name*,
# `reshape_2/Reshape/shape/2`: it belongs to the reshape in front, whose shape is batch, 6, **2**. Freezing has merged two
# constants that happened to be equal (page
# 01), and so the axis was outside of the namespace.
#
# The graph goes on to UFF, and from there to ONNX, so that ONNX Runtime can compute what the file says, on every machine. This gate
# judges the file, not TensorRT.

# %%
from uffsurgeon import to_onnx

def answers_of(data, **how):
    return network.heads(run.onnx(to_onnx.convert(data, **how), images))

try:
    answers_of(to_uff(graph))
except ValueError as error:
    print(textwrap.fill(str(error), 88))

# %% [markdown]
# It is refused, and the plugin itself would refuse it, with a line in TensorRT's log.
#
# ## Cut the wire, then collapse
#
# Nobody needs that wire: the plugin gets its axis in a field. So cut it before the collapse. The constant itself stays, because the
# reshape needs it.

# %%
def collapsed(**settings):
    graph = without_leaky_relu()
    total = graph.find_nodes_by_path("orientation/l2_normalize/Sum")[0]
    del total.input[1]
    unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", **settings)
    graph.collapse_namespaces({"orientation/l2_normalize": unit})
    return graph

# %%
careless = answers_of(to_uff(collapsed(axis=1, eps=1e-12)))
parity.compare(reference, careless, street)

# %% [markdown]
# Now it converts, it computes, and it is wrong. Axis 1 runs over the six bins: each cosine is divided by the length of all six
# cosines, each sine by that of all six sines. The remedy is the habit of page 03: do not type a setting, read it from the graph.
#
# ## Read from the graph
#
# Where does the graph keep the axis? `Sum` has it as its second input, and `Maximum` has `eps`.

# %%
import tensorflow as tf

graph = without_leaky_relu()
total = graph.find_nodes_by_path("orientation/l2_normalize/Sum")[0]
floor = graph.find_nodes_by_path("orientation/l2_normalize/Maximum")[0]
print(list(total.input), list(floor.input), sep="\n")

# %%
def value(name):
    node = [node for node in graph.as_graph_def().node if node.name == name][0]
    return tf.make_ndarray(node.attr["value"].tensor)

axis, eps = int(value(total.input[1])), float(value(floor.input[1]))
axis, eps

# %% [markdown]
# Axis 2 of `[batch, bins, pair]`: TensorFlow counts the batch, and so does the plugin's field. `eps` is the 32-bit number next
# to 1e-12.

# %%
graph = collapsed(axis=axis, eps=eps)
show.graph_before_after(before, graph, "orientation/l2_normalize")

# %% [markdown]
# Six nodes became one with one input, and it kept the name, so the network's output is still called what it was. It becomes a
# file. In it the node looks like this:

# %%
from uffsurgeon.uff import schema

uff_file = artifacts.BUILD / "box3d_plugin.uff"
artifacts.write(uff_file, to_uff(graph))
print([node for node in schema.read(uff_file).graphs[0].nodes
       if node.id == "orientation/l2_normalize"][0])

# %% [markdown]
# `axis_u_int` and `eps_u_float` are name and type in one; the parser cuts off the suffix, and the creator gets `axis`, an integer,
# and `eps`, a floating point number. UFF keeps floating point settings in 64 bits,
# so one sees that `eps` was a 32-bit number before.

# %% [markdown]
# ### On your own network
#
# For every l2_normalize in `mine.pb` at once, with axis and eps read from the graph. `collapse` refuses what one node cannot
# replace: two axes, a sum that drops its axis, an inner result with another reader. If nothing is printed before `uff` begins,
# none was found. On a Jetson with JetPack 4.2 to 5.1, take `import graphsurgeon as gs, uff`, NVIDIA's own. `outputs` are the
# nodes that nothing reads; give your own.
#
# ```python
# from uffsurgeon import graphsurgeon as gs, l2_normalize, uff
#
# graph = gs.DynamicGraph("mine.pb")
# for found in l2_normalize.collapse(graph, gs):
#     print(found)
# outputs = [node.name for node in graph.graph_outputs]
# uff.from_tensorflow(graph.as_graph_def(), outputs, output_filename="mine.uff")
# ```

# %% [markdown]
# And NVIDIA's parser? TensorFlow's shape of the pairs is `[batch, 6, 2]`, and UFF leaves the batch out.
#
# **Guess first.** Which shape does the parser hand to our `getOutputDimensions`?

# %%
guess = ...  # a list of sizes

# %%
import uffparser

print("without the library:", *through_uff.parse(uff_file).log)
parsed = through_uff.parse(uff_file, l2norm=True)
print("with it: parse returned", parsed.ok, "with", len(parsed.outputs), "outputs")
uffparser.table(parsed, "l2_normalize")

# %% [markdown]
# With our library in its registry, the parser takes the whole network. It gives the plugin the pairs as [6, 2, 1], with a
# trailing 1, and hands on TensorFlow's axis, 2, which counts the batch. Our plugin first wanted the last axis, found the 1
# there, and refused, so that no plan was built (recorded: 8.6.1). Now it takes any axis of any shape; `find_axis` in
# `plugin_src/plugin_state.h` has the rules.
#
# ## On to ONNX, with a body
#
# Where TensorRT has no parser for UFF, the file goes on to ONNX. There a node can carry its own definition, a **local
# function**: a name, and a body of ordinary operations.

# %%
show.graph(to_onnx.convert(uff_file), "orientation/l2_normalize")

# %% [markdown]
# It is drawn in one box or, where the onnx package is older than local functions, as the body's operations; page 07 prints a
# similar body. `convert` can write three forms:
#
# | `plugins=` | in the file | who can read it |
# |---|---|---|
# | `"function"` | the node, and its body | ONNX Runtime, TensorRT for RTX and TensorRT 9.0 to 10.6 compute the body; from 10.7 on a plugin of that name comes first, if there is one |
# | `"inline"` | the body's operations in the node's place | all of the above, and TensorRT 8 |
# | `"node"` | the node alone | only a TensorRT with the plugin loaded |
#
# ONNX Runtime computes the body; that is the gate.

# %%
found = answers_of(uff_file)
parity.compare(reference, found, street)

# %%
wrong, right = parity.place(careless, street), parity.place(found, street)
show.scene_before_after(street[1], wrong[1], right[1],
                        ("axis typed in: 1", "axis read from the graph"))

# %% [markdown]
# ## Half precision: who obeys a cast?
#
# `precision="fp16"` writes the network with 16-bit weights. In front of the body then stands a cast to 32 bits (type 1 in
# ONNX), the cure of page 04. Here the body is written in the node's place:

# %%
half = to_onnx.convert(uff_file, precision="fp16", plugins="inline")
show.graph(half, "orientation/l2_normalize")

# %%
parity.compare(reference, network.heads(run.onnx(half, images)), street)

# %% [markdown]
# ONNX Runtime obeys the casts. (On a CPU it computes much of such a file in 32 bits anyway, so this judges the file, neither
# its speed nor its last digit on a GPU.) TensorRT need not. In a **weakly typed** network the types in a file are hints: where
# FP16 is allowed, the builder takes what is fastest, may drop the casts, and adds in 16 bits. There you pin the layers of the
# sum, with `layer.precision` and the flag `OBEY_PRECISION_CONSTRAINTS`. In a **strongly typed** network the types in the file are
# orders. Which TensorRT has which is in [versions](../docs/versions.md); `engine.build` does the right one for every file that
# is ONNX.
#
# None of this concerns a plugin: the builder chooses in which type the pairs arrive, and the kernel adds in 32 bits whatever it
# chose.
#
# ## A plan
#
# With a parser for UFF and our library, the UFF goes to TensorRT, otherwise ONNX in one of the three forms. (`form = None`
# leaves the choice to `convert`: a function, or `"inline"` where the onnx package is too old to write one.)

# %%
with_plugin = bool(trt and library) and plugin.registered(trt)
knows_functions = machine.tensorrt().flavour != "uff"  # 5 to 8, which have an UffParser, do not
form = "node" if with_plugin else None if knows_functions else "inline"
model_file = artifacts.BUILD / "box3d_plugin.onnx"
to_onnx.convert(uff_file, model_file, plugins=form)
if with_plugin and machine.tensorrt().flavour == "uff":
    model_file = uff_file

# %% [markdown]
# As on page 03, a child process builds. Only exit status 0
# means that there is a plan of this file; yesterday's may still be on the disk. This plan computes in FP32; page 06 builds the
# others. (`trtexec`, NVIDIA's command-line builder, takes our library as well:
# [plugin_src/README.md](../plugin_src/README.md) has the whole lines.)

# %%
def last_lines(text):
    lines = [line for line in text.splitlines() if not line.startswith((" ", "Traceback"))]
    return "\n".join(textwrap.fill(line, 88) for line in lines[-3:])

build = """import sys
from helpers import engine
plan = engine.build(sys.argv[1], sys.argv[2], batch=8, plugins=sys.argv[3:])
print("%s, %.1f MB" % (plan.name, plan.stat().st_size / 1e6))
"""
plan_file, built = artifacts.BUILD / "box3d_plugin.plan", None
plugins = [library] if with_plugin else []
if trt:
    built = child.run([sys.executable, "-c", build, model_file, plan_file] + plugins)
    print(last_lines(built.text))
else:
    page.quote("box3d_plugin.plan, 162.8 MB", "TensorRT for RTX 1.7.1")

# %% [markdown]
# In a plan for RTX there is no plugin of ours: its builder took the body and made machine code of it. On a GPU for which the
# plan was built, it runs, and the gate is the same. (The same run in NVIDIA's own calls, runtime, context and buffers, is in
# [03](03_leaky_relu_collapse_namespaces.ipynb).)

# %%
if machine.tensorrt().runs and built.code == 0:
    heads = network.heads(run.plan(plan_file, images, plugins=plugins))
    print(parity.compare(reference, heads, street))
else:
    print("No plan runs here: %s." % (machine.tensorrt().why_not or "it could not be built"))
    print("The gate above judged the file from which a plan is built.")

# %% [markdown]
# ## Plugin not found
#
# The most frequent message of all about plugins. Here is how to get it: a node without a body, in a process that has loaded no
# library. `plugin.require`, below, asks the registry of *this* process the same question beforehand, and has more to say.

# %%
bare = artifacts.BUILD / "box3d_bare_node.onnx"
to_onnx.convert(uff_file, bare, plugins="node")
parse = """import sys
from helpers import engine
trt = engine.tensorrt()
network = trt.Builder(engine.logger(trt)).create_network(*engine.network_flags(trt))
engine.parse(trt, network, sys.argv[1])
"""
if trt:
    done = child.run([sys.executable, "-c", parse, bare])
    print("exit status", done.code)
    print(last_lines(done.text))
else:
    page.quote("node 'orientation/l2_normalize' (L2Norm_TRT): creator && \"Plugin not "
               "found, are the plugin name, version, and namespace correct?\"",
               "TensorRT for RTX 1.7.1")

# %%
if trt:
    try:
        plugin.require(trt)
        print("The registry of this process has it.")
    except LookupError as error:
        print(textwrap.fill(str(error), 88))

# %% [markdown]
# With TensorRT for RTX nothing is missing on this machine: the plan above needed no library, because its node has a body. A plugin
# of your own needs a classic TensorRT. What to look at, in the order in which it is worth looking:
#
# | look at | how | what it may be |
# |---|---|---|
# | is this TensorRT for RTX? | `trt.__name__` | there is nothing to load: give the node a body |
# | was it loaded, in **this** process? | `plugin.registered(trt)` | load it before a parser or a plan needs it, in every process |
# | how was it loaded? | `registry.load_library`, where the registry has it | a bare `ctypes.CDLL` of *this* library registers nothing there; many others register themselves |
# | for which TensorRT was it compiled? | the name of the file | `..._trt8.5.so` does not go with 10.3 |
# | name, version, namespace | `plugin.creators(trt)` | `L2Norm_TRT`, `1`, empty |
# | does the creator refuse? | the lines of the log before | an axis that is no integer, an `eps` below zero |
# | a plan that ran yesterday | the program that runs it | a plan holds a plugin's *name* and settings, not its code |
#
# ## What today's TensorRT offers instead
#
# Nobody begins with UFF today. If you met this operation in a network of 2026, these would be your choices:
#
# | choice | from | good for | mind |
# |---|---|---|---|
# | ONNX `LpNormalization` | TensorRT 8.0 | this very operation | it has no `eps`: a row of zeros is divided by 1. It is split into the same steps, so FP16 as in the next row |
# | plain operations: `ReduceL2`, `Max`, `Div` | 5 | anything that ONNX can say | FP16: keep the sum in 32 bits, as above |
# | a local function | 9.0, and RTX | one name, one body; a plugin can take over from 10.7 on | inlined, so no kernel of yours; FP16 as above |
# | C++ `IPluginV3` | 10.0 | a kernel of your own | a library for each TensorRT version; none in RTX |
# | `IPluginV3` written in Python | 10.0 | trying it out | the plan needs Python and your code wherever it runs |
# | `tensorrt.plugin` decorators | 10.6 | little paperwork | not on JetPack 6 |
# | the same, compiled ahead of time | 10.9 | a kernel in Triton (a language for them in Python) or CUDA, no Python at run time | not on JetPack 6, either |
#
# (Reported by NVIDIA's change logs, headers and the ONNX parser's sources; the first three rows were tried with TensorRT for RTX,
# plain operations also with 8.6.1 and 10.6.0, the C++ plugin with both.) For this operation the second or third row will do.
# The plugin is worth its trouble where TensorRT is old, or your kernel is better.
#
# ## Your turn
#
# *Stuck? `hint("05.1")` gives a first hint, called again a second one.*
#
# **1.** Write the surgery so that it serves another network: `collapse_l2(graph, name)` gets a `DynamicGraph` and the namespace of
# an l2_normalize, and puts one `L2Norm_TRT` in its place, with axis and eps from the graph and the vectors as its only input.
# It will be tried on two networks, with other axes, other eps, and the axis constant inside the namespace or out of it.

# %% tags=["exercise"]
from notebooks.checks import check, hint

def collapse_l2(graph, name):
    ...  # graph.node_map[name + "/Sum"] is a node of it; find_nodes_by_path finds it as well
    return ...  # the graph


check("05.1", collapse_l2)

# %% tags=["solution"]
from notebooks.checks import check

def collapse_l2(graph, name):
    def number(text):
        return tf.make_ndarray(graph.node_map[text].attr["value"].tensor)

    total, floor = graph.node_map[name + "/Sum"], graph.node_map[name + "/Maximum"]
    axis, eps = int(number(total.input[1])), float(number(floor.input[1]))
    del total.input[1]
    unit = gs.create_plugin_node(name, op="L2Norm_TRT", axis=axis, eps=eps)
    graph.collapse_namespaces({name: unit})
    return graph


check("05.1", collapse_l2)

# %% [markdown]
# **2.** Another plugin adds two tensors, so it has two inputs and an output, positions 0, 1 and 2. Its kernel reads FP32 in
# linear layout, and FP16 in linear layout or in one called `hwc8` (height, width, channels, padded to a multiple of eight);
# both inputs and the output must have the same type and the same layout. Write its `supportsFormatCombination` in Python:
# `supports(position, tensors)` says True or False for `tensors[position]`, which has a `.type` (`"float32"`, `"float16"`,
# `"int8"`) and a `.format` (`"linear"`, `"hwc8"`). TensorRT asks for position 0 first, and goes on with what was accepted;
# NVIDIA's header says that an answer may not depend on tensors behind the position.

# %% tags=["exercise"]
def supports(position, tensors):
    return ...


check("05.2", supports)

# %% tags=["solution"]
def supports(position, tensors):
    this, first = tensors[position], tensors[0]
    if position > 0:
        return this.type == first.type and this.format == first.format
    return (this.type, this.format) in [
        ("float32", "linear"), ("float16", "linear"), ("float16", "hwc8")]


check("05.2", supports)

# %% [markdown]
# ## What you saw
#
# - A parser can know every operation and still refuse how they are put together.
# - A plugin answers TensorRT's questions, is made by a creator, is cloned, and has to be loaded in every process, on the day of building
#   and on the day of running.
# - What a plugin cannot do, it should refuse early, with a line that says why.
# - Settings are read from the graph, and a constant may have another reader.
# - A cast is an order only in a strongly typed network; a plugin decides for itself in which type it adds.
# - A node with a body needs no plugin, and may still have one.
#
# Next: [06 timing](06_timing.ipynb), where all of this is to pay off.
