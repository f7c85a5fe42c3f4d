# %% [markdown]
# # 04 The L2 plugin
#
# The orientation head ends in `tf.nn.l2_normalize`, which divides each pair of numbers by its length. TensorRT 5 cannot read
# it, and no plugin that comes with TensorRT computes it. So we write one: a small program for the GPU, wrapped so that TensorRT
# can find it, and one node in the graph that asks for it.
#
# After this page you will be able to
#
# - say why a parser refuses an operation of which it knows every part,
# - tell for which numbers an arithmetic fails in half precision, before a customer does,
# - read a CUDA kernel of forty lines, compile it, and hold it to float64,
# - name the calls in a plugin's life, and what each must answer,
# - collapse six nodes into one, with settings that are read from the graph and not typed in,
# - act on *plugin not found*.
#
# **You need** notebook 03. **Time:** 45 minutes.

# %%
import sys; sys.path.insert(0, "..")
import numpy as np
from helpers import artifacts, freeze, network, parity, plugin, scenes, show, toolbox

gs, uff = toolbox.surgery()

# %% [markdown]
# The frozen network computes the standard again, and this time it also gives out the pairs *before* they are normalised.

# %%
street = [scenes.load(name) for name in scenes.names()[5:7]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
before = freeze.load(freeze.box3d())
*outputs, vectors = freeze.run(before, images, network.OUTPUTS + ("reshape_2/Reshape",))
reference = network.heads(outputs)

# %% [markdown]
# ## Six nodes, two refusals
#
# This is the operation as TensorFlow writes it: five steps and a constant.

# %%
parts = ["Maximum", "Maximum/y", "Rsqrt"]
trouble = {"orientation/l2_normalize/" + part: "trouble" for part in parts}
show.graph(before, "orientation/l2_normalize", mark=trouble)

# %% [markdown]
# UFF has a word for each of the five: a census, as in notebook 01, finds nothing to complain about. The parser of TensorRT 5 reads
# the file and stops. It takes an `UffParser` to produce these two lines; they are quoted (from the README of the article's plugin
# code, TensorRT 5.0.6, and from NVIDIA/TensorRT, issue 1036), with this network's names put in.
#
# ```text
# UffParser: Parser error: orientation/l2_normalize/Maximum: Unsupported binary op max with constant right
# UffParser: Parser error: orientation/l2_normalize/Rsqrt: Unary not supported for other non-constant node
# ```
#
# It knows `max`, but not with a constant on the right, and `rsqrt`, one divided by the square root, but not of something that the
# network has just computed. A list of names says what a format can *express*. What a parser can *read* is the smaller set,
# and only the parser knows it.
#
# The article's way was a plugin for just those two nodes. The workbook's plugin still has it, as `L2Norm_Helper_TRT`, for files
# that were made so. But look at the picture: five steps mean five trips to the GPU's memory for twelve numbers. And there is a
# worse trouble, which took no parser to find.
#
# ## The arithmetic
#
# With `x` a row of numbers, the operation is
#
# ```text
# y = x / sqrt(max(sum(x * x), eps))            eps = 1e-12
# ```
#
# A row divided by its length. `eps` is there for the row of zeros, which has no direction: without it 0 would be divided by 0.
# In NumPy, with the sum in 32 bits:

# %%
def in_float32(x, eps=1e-12):
    wide = x.astype(np.float32)
    total = (wide * wide).sum(-1, keepdims=True)
    return (wide / np.sqrt(np.maximum(total, np.float32(eps)))).astype(x.dtype)

in_float32(np.array([[3, 4], [0.3, -0.4], [0, 0]], np.float32))

# %% [markdown]
# ## In half precision, first the wrong way
#
# A Xavier gains most of its speed from **FP16**, floating point numbers of 16 bits. They have three good digits, nothing above
# 65504, and nothing between 0 and 0.00000006. In a plan built for FP16, what travels from one layer to the next may be stored
# that way. Here are the five steps with each result stored in FP16: NumPy's `float16`, an emulation on the CPU and no plan.
# (A TensorRT that fuses the steps may keep more digits in between. You cannot rely on it.)

# %%
def naive_fp16(x, eps=1e-12):
    x, eps = x.astype(np.float16), np.float16(eps)
    with np.errstate(all="ignore"):
        total = (x * x).sum(-1, keepdims=True, dtype=np.float16)
        return x * (np.float16(1) / np.sqrt(np.maximum(total, eps)))

for row in ([3, 4], [182, 182], [1e-4, 0], [0, 0]):
    print(row, "->", naive_fp16(np.array(row)))

# %% [markdown]
# One right out of four. The row `[182, 182]` has squares of 33124 each; their sum passes 65504 and becomes infinite, one divided
# by that is 0. For `[1e-4, 0]` it is the other end: the square is smaller than any FP16 number, so it is 0. And `eps`, which
# should prevent a division by zero?

# %%
print("eps in FP16:", np.float16(1e-12))

# %% [markdown]
# It is 0 too. So a row of zeros is 0 times infinity, which is *not a number*, NaN, and a NaN spreads over all that is computed
# from it. To see the whole range, take one direction, 30 degrees, and let the length run from 0.00000001 to 65504.

# %%
lengths = np.logspace(-8, np.log10(65504), 2001)
direction = np.array([np.cos(np.radians(30)), np.sin(np.radians(30))])
rows = (lengths[:, None] * direction).astype(np.float16)

def in_float64(x, eps=1e-12):
    wide = x.astype(np.float64)
    return wide / np.sqrt(np.maximum((wide * wide).sum(-1, keepdims=True), eps))

# %% [markdown]
# `in_float64` is the judge: the formula in 64 bits, `eps` included. Each result is compared with it.

# %%
show.over_lengths(lengths, in_float64(rows), {"five steps in FP16": naive_fp16(rows)})

# %% [markdown]
# Right from about 0.0015 to 255, five of the twelve powers of ten; and where it is wrong it is not a little wrong. (At 45 degrees, with two equal numbers, the upper end is 181 already.) How long are the rows that the network
# hands over?

# %%
seen = np.linalg.norm(vectors, axis=-1).ravel()
print("%d rows, lengths from %.2f to %.2f" % (seen.size, seen.min(), seen.max()))

# %% [markdown]
# All on safe ground, and this is what makes the fault so hard to find: on these scenes nobody would notice. But nothing *holds*
# them there. Dividing by the length means that the length does not count, so training never paid attention to it. A network
# whose last layer gives 100 times as much answers the same in TensorFlow and is just as good. In FP16, five steps:

# %%
def gate(orientation):
    heads = dict(reference, orientation=orientation.astype(np.float32))
    return parity.compare(reference, heads, street)

gate(naive_fp16(100 * vectors))

# %%
naive = parity.place(dict(reference, orientation=naive_fp16(100 * vectors)), street)
show.boxes_on_scene(street[0], naive[0], title="100 times as long, five steps in FP16")

# %% [markdown]
# Many pairs have become zeros. They have no direction any more, and where there is no direction there is no box. No cell raised an
# error.
#
# ## The right way
#
# The cure is neither a cleverer formula nor a larger `eps`. It is the sum in 32 bits, where neither the square of 65504 nor that
# of 0.00000006 is anything special, while rows come and go in FP16. That is `in_float32` from above; only its result is rounded,
# once.

# %%
show.over_lengths(lengths, in_float64(rows), seen=seen, results={
    "five steps in FP16": naive_fp16(rows), "the same, eps = 1e-6": naive_fp16(rows, 1e-6),
    "sum in FP32": in_float32(rows)})

# %% [markdown]
# The middle line is the advice one finds on the web, a larger `eps`. It ends infinities and NaN. It does nothing about rows that
# are too long, and it changes the answers for short ones. The last line has no gap. The same network, 100 times as long:

# %%
gate(in_float32((100 * vectors).astype(np.float16)))

# %% [markdown]
# What is left is the rounding of three-digit numbers.
#
# ## The kernel
#
# A **kernel** is a function that the GPU runs in thousands of threads at once. Ours must do three things: read each row once,
# add in 32 bits, write each row once. All of it lies in `plugin_src/`; what you read here is printed from those files, so it
# is what gets compiled. First the arithmetic of one row, which is written for GPU and CPU alike.

# %%
header = (plugin.SOURCES / "l2_normalize.h").read_text()
print(header[header.index("// The sum of N squares"):])

# %% [markdown]
# `T` is `float` or FP16, and `to_float` makes 32 bits of either. That is the cure, in one word of one line. The comparison
# `sum <= eps` is written out because the GPU's own maximum, `fmaxf`, forgets a NaN, and TensorFlow's does not: what was no
# number stays no number, instead of becoming a plausible zero.
#
# Around it stands the kernel. There are three, for short, middling and long rows. This is the one that runs for our pairs.

# %%
source = (plugin.SOURCES / "l2_normalize.cu").read_text()
start = source.index("// Rows of L elements, V / L")
print(source[start:source.index("// `group` threads hold a row")])

# %% [markdown]
# Two multiplications per number are nothing for a GPU. The memory is what it waits for, so everything here is about reading.
#
# - A `Pack` is 16 bytes, the most that a thread can read at once: two pairs in FP32, four in FP16.
# - `held` is four such packs, **all asked for before the first is used** (the first loop only reads). While one is on its way, so
#   are the others.
# - Neighbouring threads read neighbouring packs (`threadIdx.x` is a thread's number in its block), so that the memory works in
#   long stretches.
# - No thread needs a number of another's, so nobody waits for anybody.
# - `#pragma unroll` writes loops out, so that `held` lies in registers.
# - The last lines are for the rows that do not fill a pack.
#
# ## Compiled, here
#
# `nvcc` compiles that text for the GPU. `g++` compiles the same text, without the kernels, for the CPU: the arithmetic above
# is shared. So it can be tested on every machine; what such a test does not see is the kernel's indexing and its `rsqrtf`.

# %%
compiled = []
for what in ("cpu", "kernel"):
    try:
        plugin.compile(what)
        compiled.append(what)
    except (FileNotFoundError, RuntimeError) as error:
        print(error)

# %% [markdown]
# Now the test: 200,000 pairs in every direction, of any length that FP16 has, with some zeros among them. The yardstick is one
# rounding: half the distance from an FP16 number to the next. Better than that no FP16 result can be. (Without `g++` it is the NumPy
# function that is tested.)

# %%
random = np.random.RandomState(4)
pairs = random.randn(200000, 2) * 10 ** random.uniform(-7, 4, (200000, 1))
pairs = np.clip(pairs, -65504, 65504).astype(np.float16)
pairs[::1000] = 0

def in_roundings(y, x):
    right = in_float64(x)
    distance = np.spacing(np.abs(right).astype(np.float16)).astype(float)
    return np.abs(y - right) / (distance / 2)

# %%
ours = plugin.cpu_l2_normalize(pairs) if "cpu" in compiled else in_float32(pairs)
print("FP16, worst error: %.4f of one rounding" % in_roundings(ours, pairs).max())
print("rows of zeros stay zeros:", not ours[::1000].any())

# %% [markdown]
# One rounding, and some ten-thousandths that the sum in FP32 adds. And on the GPU, where there is one (the upload and the launch are asynchronous, the download waits for both):

# %%
from helpers import cuda

if "kernel" in compiled and cuda.available():
    with cuda.Buffer(pairs.nbytes) as memory:
        memory.upload(pairs)
        plugin.launch(memory.address, memory.address, len(pairs), 2, dtype="float16")
        memory.download(ours)
    print("On the GPU: %.4f of one rounding" % in_roundings(ours, pairs).max())
else:
    toolbox.quote("1,450 runs, worst error 1.0006 of one rounding", "NVIDIA H200, CUDA 13.0")

# %% [markdown]
# ## How fast?
#
# A kernel that reads and writes all its data can hardly be faster than a plain copy of them. So a copy is the yardstick, timed in turn
# with the kernel. `plugin_src/benchmark.py` measures, `plugin_src/results/` keeps what it found. The bars are hatched because
# they are **not this machine's**.

# %%
import json

record = json.loads((plugin.SOURCES / "results" / "nvidia_h200.json").read_text())
show.kernel_speed(record)

# %% [markdown]
# On the left, two gigabytes: where rows fill whole packs the kernel loses a few per cent to a copy. Rows of 3, 5 or 31 numbers do
# not, several threads have to share a stretch of memory, and it shows. On the right our own twelve numbers. There the data are
# nothing and starting a kernel is everything: one start against five.
#
# On your GPU: `nvcc -O3 -arch=native -DL2_MAIN -o l2_normalize l2_normalize.cu && ./l2_normalize` in `plugin_src/` checks the
# kernel and times it against a copy. It has not been timed on a Jetson by us.
#
# ## The plugin's life
#
# A kernel alone is of no use to TensorRT. It wants to ask questions first: what shape comes out, which types can you take, how
# are you saved? A **plugin** is the object that answers, its **creator** the one that makes it, the **registry** the list where
# TensorRT looks for creators. A plugin lives twice: once while the plan is built, and again, made from what the plan holds,
# wherever the plan is run.

# %%
show.plugin_life()

# %% [markdown]
# (The order is simplified: TensorRT may ask several times, and clone as often as it likes.) The questions have hardly changed
# since 2018, the names have, four times:
#
# | question | TensorRT 5 to 9 | 10 and 11 | our answer |
# |---|---|---|---|
# | base class | `IPluginV2`, `IPluginV2Ext` (UFF), `IPluginV2DynamicExt` (ONNX) | `IPluginV3` | one each, around one state |
# | what shape comes out? | `getOutputDimensions` | `getOutputShapes` | that of the input |
# | which types, which layout? | `supportsFormat`, `...Combination` | `supportsFormatCombination` | FP32 or FP16, in a row |
# | this shape, this type: all right? | `configurePlugin` | `configurePlugin`, `onShapeChange` | not for another axis than the last |
# | put it on this stream | `enqueue` | `enqueue` | one launch, 0 when it worked |
# | what shall the plan keep? | `serialize` | `getFieldsToSerialize` | 28 bytes; version, axis and eps |
#
# `plugin_src/l2_normalize_plugin.cpp` has all of them, and is only paperwork around the kernel: it compiles against the headers
# of TensorRT 5.1 to 11.1. The classes were driven by a test program, call by call, on a GPU too. **No engine and no Jetson has
# run this plugin yet**; where the cells below say that they load it, they do for the first time.
#
# ## Build, load, check
#
# Compiling the plugin takes `nvcc` and TensorRT's C++ headers. A Jetson has both.

# %%
library = None
try:
    library = plugin.compile()
except (FileNotFoundError, RuntimeError) as error:
    print(error)

# %% [markdown]
# Loading it puts its creators into the registry, and `plugin.load` looks whether they arrived. TensorRT for RTX takes no plugins;
# a network with one ends the whole process there. So for RTX `load` refuses
# (and elsewhere it says what is missing, if something is):

# %%
trt = toolbox.tensorrt()
if trt:
    try:
        plugin.load(trt, library)
        print("registered:", plugin.registered(trt))
    except (LookupError, OSError, RuntimeError) as error:
        print(error)

# %% [markdown]
# Its registry is a real one, though, and may be *asked* about our library, in a child process that ends right after. This tries
# all that comes before a network: is the library well formed, do its creators answer?

# %%
if library and hasattr(trt, "IPluginV3"):
    print(plugin.registry_in_child(library, trt.__name__))
else:
    toolbox.quote("L2Norm_TRT version 1, fields axis, eps\n"
                  "L2Norm_Helper_TRT version 1, fields op_type, eps",
                  "TensorRT for RTX 1.7.1, library compiled with the headers of TensorRT 10.16")

# %% [markdown]
# ## Surgery, first the wrong way
#
# Now the graph. First the activations, as in notebook 03, then the six nodes. Somebody remembers that pairs lie along an axis,
# types a 1 and goes to lunch.

# %%
def without_leaky_relu():
    graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
    graph.collapse_namespaces({node.name: gs.create_plugin_node(node.name, op="LReLU_TRT",
                                                                negSlope=node.attr["alpha"].f)
                               for node in graph.find_nodes_by_op("LeakyRelu")})
    return graph

# %%
graph = without_leaky_relu()
unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", axis=1, eps=1e-12)
graph.collapse_namespaces({"orientation/l2_normalize": unit})

# %% [markdown]
# Then UFF, and from there to ONNX, so that ONNX Runtime can compute what the file says. (What the converter prints about custom
# operations is the same as in notebook 03, and left out here.)

# %%
import contextlib, io

def to_uff(graph):
    with contextlib.redirect_stdout(io.StringIO()):
        return uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)

# %%
from helpers.uff import to_onnx

def answers_of(data, **how):
    return network.heads(toolbox.run_onnx(to_onnx.convert(data, **how), images).values())

careless = answers_of(to_uff(graph))
parity.compare(reference, careless, street)

# %% [markdown]
# It converts, it computes, and each cosine is divided by the length of all six cosines. (In ONNX Runtime. Our plugin takes the
# last axis alone; it would refuse this node, with a line in TensorRT's log.) The remedy is the habit of notebook 03: do not
# type, read.
#
# ## Read from the graph
#
# Where does the graph keep the axis? `Sum` has it as its second input, and `Maximum` has `eps`.

# %%
graph = without_leaky_relu()
total = graph.find_nodes_by_path("orientation/l2_normalize/Sum")[0]
floor = graph.find_nodes_by_path("orientation/l2_normalize/Maximum")[0]
print(list(total.input))
print(list(floor.input))

# %%
def value(name):
    node = [node for node in graph.as_graph_def().node if node.name == name][0]
    return freeze.tf.make_ndarray(node.attr["value"].tensor)

axis, eps = int(value(total.input[1])), float(value(floor.input[1]))
axis, eps

# %% [markdown]
# Axis 2 of `[batch, bins, pair]`: TensorFlow counts the batch, and so does the plugin's field. `eps` is the 32-bit number next to
# 1e-12. Now look at the *name* of the axis constant. `reshape_2/Reshape/shape/2`? That belongs to the reshape in front: its shape
# is batch, 6, **2**. Freezing has merged two constants that happened to be equal (notebook 01). Collapse, and see what that does:

# %%
unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", axis=axis, eps=eps)
graph.collapse_namespaces({"orientation/l2_normalize": unit})
print([list(node.input) for node in graph.find_nodes_by_op("L2Norm_TRT")])

# %%
show.graph(graph, "orientation/l2_normalize")

# %% [markdown]
# The plugin has two inputs. `collapse_namespaces` hands on whatever the namespace read from outside, and the constant is outside
# now. Our converter to ONNX passes over a second input without a word, so no gate on this machine would have seen it. The plugin
# does not pass over it. This is what it says, printed from its source:

# %%
code = (plugin.SOURCES / "l2_normalize_plugin.cpp").read_text()
start = code.index("bool has_one_input")
print(code[start:code.index("\n}", start) + 2])

# %% [markdown]
# ## Cut the wire, then collapse
#
# The value has been read; nobody needs the wire any more. So it is cut before the collapse. The constant itself stays, the
# reshape needs it.

# %%
graph = without_leaky_relu()
total = graph.find_nodes_by_path("orientation/l2_normalize/Sum")[0]
del total.input[1]
unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", axis=axis, eps=eps)
graph.collapse_namespaces({"orientation/l2_normalize": unit})

# %%
show.graph_before_after(before, graph, "orientation/l2_normalize")

# %% [markdown]
# Six nodes became one with one input, and it kept the name, so the network's output is still called what it was.
#
# `l2_surgery.collapse` does this for every normalisation of a graph, and refuses what one node cannot stand for: two axes, a sum
# that drops its axis, an inner result that somebody else reads. It is what you would take for a network of your own.

# %%
from helpers import l2_surgery

l2_surgery.find(before)

# %% [markdown]
# Ours is done; it becomes a file.

# %%
uff_file = artifacts.BUILD / "box3d_plugin.uff"
data = to_uff(graph)
artifacts.write(uff_file, data)
print("%s, %.1f MB" % (uff_file.name, len(data) / 1e6))

# %%
from helpers.uff import schema

nodes = {node.id: node for node in schema.read(data).graphs[0].nodes}
print(nodes["orientation/l2_normalize"])

# %% [markdown]
# `axis_u_int` and `eps_u_float`: name and type, as the creator will be given them. UFF keeps floating point settings in 64 bits,
# so one sees that `eps` went through 32.
#
# ## On to ONNX, with a body
#
# Where there is no `UffParser`, the road goes on to ONNX. There a node can carry its own definition, a **local function**: a name,
# and a body of ordinary operations. Who has a plugin of that name may take the plugin; everybody else computes the body.

# %%
model = to_onnx.convert(data)
show.graph(model, "orientation/l2_normalize")

# %%
if to_onnx.CAN_WRITE_FUNCTIONS:
    import onnx.printer

    function = [f for f in model.functions if f.name == "L2Norm_TRT"][0]
    print(onnx.printer.to_text(function))
else:
    print("This onnx is older than local functions: the body stands in the graph itself.")

# %% [markdown]
# Either way it is the formula, line by line. ONNX Runtime computes it; that is the gate.

# %%
found = answers_of(data)
parity.compare(reference, found, street)

# %%
wrong, right = parity.place(careless, street), parity.place(found, street)
show.scene_before_after(street[1], wrong[1], right[1],
                        ("axis typed in: 1", "axis read from the graph"))

# %% [markdown]
# And in half precision? `precision="fp16"` writes the network with 16-bit weights. The body then begins with a cast to 32 bits
# and ends with one back: the same cure, in ONNX. (On a CPU, ONNX Runtime computes much of such a file in 32 bits all the same. This
# judges the file, neither its speed nor its last digit on a GPU.)

# %%
half = answers_of(data, precision="fp16")
parity.compare(reference, half, street)

# %% [markdown]
# ## A plan
#
# Which file goes to TensorRT depends on what it can read. With an `UffParser` it is the UFF, and the plugin does the work. A
# TensorRT without one gets ONNX: the bare node where our library could be loaded, the node with its body elsewhere.

# %%
with_plugin = bool(trt and library) and plugin.registered(trt)
model_file = artifacts.BUILD / "box3d_plugin.onnx"
to_onnx.convert(data, model_file, plugins="node" if with_plugin else None)
if with_plugin and hasattr(trt, "UffParser"):
    model_file = uff_file

# %% [markdown]
# A plugin with a mistake in it can take the process with it, so plans with plugins are built in a child process. It costs a few
# lines.

# %%
import subprocess

def in_child(code, *arguments):
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '..')\n" + code]
    done = subprocess.run(command + [str(each) for each in arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode().strip().splitlines()
    return said[-1] if said else "it ended with status %d" % done.returncode

build = """
from helpers import engine
plan = engine.build(sys.argv[1], sys.argv[2], batch=8, plugins=sys.argv[3:])
print("%s, %.1f MB" % (plan.name, plan.stat().st_size / 1e6))
"""

# %%
plan_file = artifacts.BUILD / "box3d_plugin.plan"
plugins = [library] if with_plugin else []
if trt:
    print(in_child(build, model_file, plan_file, *plugins))
else:
    toolbox.quote("box3d_plugin.plan, 162.8 MB", "TensorRT for RTX 1.7.1")

# %% [markdown]
# In a plan for RTX there is no plugin of ours: its builder took the body and made machine code of it. With a GPU that the plan
# was built for, it runs; and the gate is the same.

# %%
from helpers import engine

if trt and cuda.available():
    with engine.Engine(plan_file, plugins=plugins) as box3d:
        print(parity.compare(reference, box3d.run(images), street))
else:
    print("No GPU here: the plan is not run. The gate above judged what it was built from.")

# %% [markdown]
# ## Plugin not found
#
# The most frequent message of all about plugins. Here is how to get it: a node without a body, and nobody who has loaded a
# library. We ask in a child process again.

# %%
bare = artifacts.BUILD / "box3d_bare_node.onnx"
to_onnx.convert(data, bare, plugins="node")
parse = """
from helpers import engine
trt = engine.tensorrt()
network = trt.Builder(engine.logger(trt)).create_network(*engine.network_flags(trt))
engine.parse(trt, network, sys.argv[1])
"""

# %%
if trt:
    print(in_child(parse, bare))
else:
    toolbox.quote("node 'orientation/l2_normalize' (L2Norm_TRT): creator && \"Plugin not "
                  "found, are the plugin name, version, and namespace correct?\"",
                  "TensorRT for RTX 1.7.1")

# %% [markdown]
# `plugin.require` asks the registry the same question beforehand, and has more to say:

# %%
if trt:
    try:
        plugin.require(trt)
    except LookupError as error:
        print(error)

# %% [markdown]
# What to do about it, in the order in which it is worth looking:
#
# | look at | how | what it may be |
# |---|---|---|
# | was it loaded, in **this** process? | `plugin.registered(trt)` | load it before a parser or a plan needs it, in every process |
# | how was it loaded? | TensorRT 8.6 and later: `load_library` | a bare `ctypes.CDLL` registers nothing there |
# | for which TensorRT was it compiled? | the name of the file | `..._trt8.5.so` does not go with 10.3 |
# | name, version, namespace | `plugin.creators(trt)` | `L2Norm_TRT`, `1`, empty |
# | does the creator refuse? | the lines of the log before | an axis that is no integer, an `eps` below zero |
# | is this TensorRT for RTX? | `trt.__name__` | no plugins at all: give the node a body |
# | a plan that ran yesterday | the program that runs it | a plan holds a plugin's *name* and settings, not its code |
#
# ## What today's TensorRT offers instead
#
# Nobody begins with UFF today. If you met this operation in a network of 2026, these would be your choices:
#
# | choice | from | good for | mind |
# |---|---|---|---|
# | ONNX `LpNormalization` | TensorRT 8.0 | this very operation | it has no `eps`: a row of zeros is divided by 1 |
# | plain operations: `ReduceL2`, `Max`, `Div` | 5 | anything that ONNX can say | FP16: the sum must be cast to FP32 by you |
# | a local function | 9.0, and RTX | one name, one body; a plugin can take over from 10.7 on | inlined, so no kernel of yours |
# | C++ `IPluginV3` | 10.0 | a kernel of your own | a library per TensorRT version; none in RTX |
# | `IPluginV3` written in Python | 10.0 | trying it out | the plan needs Python and your code wherever it runs |
# | `tensorrt.plugin` decorators | 10.6 | little paperwork | not on JetPack 6, which has 10.3 |
# | the same, compiled ahead of time | 10.9 | a Triton or CUDA kernel, no Python at run time | JetPack 7 |
#
# (From NVIDIA's change logs, headers and the ONNX parser's sources; the first three rows were tried with TensorRT for RTX.) For
# this operation the second or third row will do. The plugin is worth its trouble where TensorRT is old, or your kernel is better.
#
# ## Your turn
#
# **1.** Write `unit_half(x, eps)`: it takes a `float16` array, `[..., L]`, and returns its rows, normalised, as `float16`. It
# must survive everything that `float16` can hold.

# %% tags=["exercise"]
from helpers import exercises

def unit_half(x, eps=1e-12):
    return ...


exercises.check("04.1", unit_half)

# %% tags=["solution"]
from helpers import exercises

def unit_half(x, eps=1e-12):
    wide = x.astype(np.float32)
    total = (wide * wide).sum(axis=-1, keepdims=True)
    return (wide / np.sqrt(np.maximum(total, np.float32(eps)))).astype(np.float16)


exercises.check("04.1", unit_half)

# %% [markdown]
# **2.** Write the surgery so that it serves another network: `collapse_l2(graph, name)` gets a `DynamicGraph` and the namespace of
# an l2_normalize, and puts one `L2Norm_TRT` in its place, with axis and eps from the graph and the vectors as its only input. It
# will be tried on two networks, with other axes, other eps, and the axis constant inside the namespace or out of it.

# %% tags=["exercise"]
def collapse_l2(graph, name):
    ...  # graph.node_map[name + "/Sum"] is a node of it
    return ...  # the graph


exercises.check("04.2", collapse_l2)

# %% tags=["solution"]
def collapse_l2(graph, name):
    def number(text):
        return freeze.tf.make_ndarray(graph.node_map[text].attr["value"].tensor)

    total, floor = graph.node_map[name + "/Sum"], graph.node_map[name + "/Maximum"]
    axis, eps = int(number(total.input[1])), float(number(floor.input[1]))
    del total.input[1]
    unit = gs.create_plugin_node(name, op="L2Norm_TRT", axis=axis, eps=eps)
    graph.collapse_namespaces({name: unit})
    return graph


exercises.check("04.2", collapse_l2)

# %% [markdown]
# **3.** A colleague cannot load plugins and has to live with `naive_fp16`, five steps in FP16. Rows of zeros and very short rows
# must not become infinite or NaN, and every row of length 0.01 to 100 must stay right to one per cent. Which `eps` do you
# recommend?

# %% tags=["exercise"]
eps_for_half = ...  # a number
exercises.check("04.3", eps_for_half)

# %% tags=["solution"]
eps_for_half = 1e-6
show.over_lengths(lengths, in_float64(rows, eps_for_half),
                  {"eps = 1e-6": naive_fp16(rows, eps_for_half)})

# %% tags=["solution"]
exercises.check("04.3", eps_for_half)

# %% [markdown]
# ## What you saw
#
# - A parser can know every operation and still refuse how they are put together.
# - In FP16 a sum of squares leaves the range of numbers at both ends. The cure is a sum in 32 bits.
# - A kernel is judged twice: against float64 for what it computes, against a copy for its speed.
# - A plugin answers TensorRT's questions, is made by a creator, and has to be loaded in every process, on the day of building and
#   on the day of running.
# - Settings are read from the graph, and a constant may belong to somebody else as well.
# - A node with a body needs no plugin, and may still have one.
#
# Next: [05 timing](05_timing.ipynb), where all of this is to pay off.
