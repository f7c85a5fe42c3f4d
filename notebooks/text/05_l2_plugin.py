# %% [markdown]
# # 04 The L2 plugin
#
# The orientation head ends in `tf.nn.l2_normalize`, which divides each pair of numbers by its length. The **parser** of
# TensorRT 5, the part that reads the file, refuses it, and no plugin that comes with TensorRT computes it. So we write a
# **plugin**, an operation of our own in TensorRT: a **CUDA kernel**, which is a function that runs on the GPU; around it the
# answers to TensorRT's questions; and one node in the graph that asks for it.
#
# Two things first.
#
# - **Today you would not need it.** ONNX can say this operation in plain parts, as the last table of this page shows. We write
#   a plugin because the parser for UFF, the usual way on boards with TensorRT 5, refuses these parts; because a plugin decides for
#   itself how precisely it adds; and because your next operation may have no plain parts.
# - **It has run in TensorRT 8.6.1, and on no Jetson.** On an H200, plans from UFF with it ran in FP32, FP16 and INT8, plans from
#   ONNX in FP32 and FP16, and all were *close* ([docs/verified.md](../docs/verified.md)). An earlier form ran in TensorRT 10.6.0.
#
# After this page you will be able to
#
# - tell for which numbers an arithmetic fails in half precision, before a customer does,
# - read a first CUDA kernel, compile it, and check it against float64,
# - say what a faster kernel does differently, and when that pays,
# - name the calls in a plugin's life, and what each must answer,
# - collapse six nodes into one, with settings that are read from the graph and not typed in,
# - act on *plugin not found*.
#
# **You need** notebook 03. **Time:** 80 minutes, exercises apart. It is long: after *How fast?* is a good place for a break.

# %%
import numpy as np
from helpers import artifacts, engine, freeze, machine, network, page, parity, plugin, process
from helpers import run, scenes, show, through_uff

process.prepare_tensorflow()
import graphsurgeon as gs
import uff
print("graphsurgeon is %s, uff is %s" % (gs.__name__, uff.__name__))

# %% [markdown]
# The frozen network computes the reference again. This time it also gives out the pairs *before* they are normalised.

# %%
street = [scenes.load(name) for name in scenes.names()[10:12]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
before = freeze.load(freeze.box3d())
answers = run.tensorflow(before, images, network.OUTPUTS + ("reshape_2/Reshape",))
reference, vectors = network.heads(answers), answers["reshape_2/Reshape"]

# %% [markdown]
# ## Six nodes and a refusal
#
# This is the operation as TensorFlow writes it: five steps and a constant.

# %%
parts = ["Maximum", "Maximum/y"]
trouble = {"orientation/l2_normalize/" + part: "trouble" for part in parts}
show.graph(before, "orientation/l2_normalize", mark=trouble)

# %% [markdown]
# UFF (Universal Framework Format, NVIDIA's file format for networks before ONNX) has a word for each of the five. A census, as
# in notebook 01, finds nothing to complain about. We replace the activations, as in notebook 03, and ask the parser.

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

# %%
print("\n".join(through_uff.parse(to_uff(without_leaky_relu())).log))

# %% [markdown]
# It knows `max`, but not with a constant, on either side. With 5.0.6 the article met a second refusal behind it, `Unary not supported
# for other non-constant node`: `rsqrt`, one divided by the square root, but not of something that the network has just computed. A
# list of names says what a format can *express*. What a parser can *read* is less. (Let the normalisation read a flat input,
# and it stops at another of the six: `Sum: Invalid reduction axes`. That is from our recordings.)
#
# `uffsurgeon check`, of notebook 02, has learnt from the parsers what they read. It names this node, and a way out without a plugin:
# `relu(x - c) + c` is `max(x, c)`. We do not take it. There is a worse problem in this operation, which no parser reports, and the next
# operation may have no such way out.
#
# The article of 2019 wrote a plugin for just those two nodes. We take all six at once.
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
# An AGX Xavier, the Jetson board of 2018, gains most of its speed from **FP16**: its tensor cores multiply floating point
# numbers of 16 bits. Such numbers have three good digits, nothing above 65504, and nothing between 0 and 0.00000006. In a plan
# (the compiled network that TensorRT builds) for FP16, what goes from one layer to the next may be stored that way. Here are
# the five steps with each result stored in FP16: NumPy's `float16`, an emulation on the CPU and no plan. (A TensorRT that joins
# the steps may keep more digits in between. You cannot rely on it.)

# %%
def naive_fp16(x, eps=1e-12):
    x, eps = x.astype(np.float16), np.float16(eps)
    with np.errstate(all="ignore"):
        total = (x * x).sum(-1, keepdims=True, dtype=np.float16)
        return x * (np.float16(1) / np.sqrt(np.maximum(total, eps)))

for row in ([3, 4], [182, 182], [1e-4, 0], [0, 0]):
    print(row, "->", naive_fp16(np.array(row)))

# %% [markdown]
# One right out of four. The row `[182, 182]` has squares of 33124 each; their sum passes 65504 and becomes infinite, and one
# divided by that is 0. For `[1e-4, 0]` it is the other end: the square is smaller than any FP16 number, so it is 0. And `eps`,
# which is there to prevent a division by zero?

# %%
print("eps in FP16:", np.float16(1e-12))

# %% [markdown]
# It is 0 too. So a row of zeros is 0 times infinity, which is *not a number*, NaN, and a NaN spreads over all that is computed
# from it. To see the whole range, take one direction, 30 degrees, and let the length run from 0.00000001 to 65504.
# `in_float64` is the judge: the formula in 64 bits, `eps` included.

# %%
lengths = np.logspace(-8, np.log10(65504), 2001)
direction = np.array([np.cos(np.radians(30)), np.sin(np.radians(30))])
rows = (lengths[:, None] * direction).astype(np.float16)

def in_float64(x, eps=1e-12):
    wide = x.astype(np.float64)
    return wide / np.sqrt(np.maximum((wide * wide).sum(-1, keepdims=True), eps))

# %%
show.over_lengths(lengths, in_float64(rows), {"five steps in FP16": naive_fp16(rows)})

# %% [markdown]
# Right from about 0.0015 to 255, five of the twelve powers of ten: above, the square of the length passes 65504; below, it has
# too few digits left, then none. (In the yellow part a length may come out right by luck.) How long are the rows that the
# network hands over?

# %%
seen = np.linalg.norm(vectors, axis=-1).ravel()
print("%d rows, lengths from %.2f to %.2f" % (seen.size, seen.min(), seen.max()))

# %% [markdown]
# All on safe ground, and this is what makes the fault so hard to find: on these scenes nobody would notice. But nothing *keeps*
# them there. Dividing by the length means that the length does not count, so training never paid attention to it. A network
# whose last layer gives 100 times as much answers the same in TensorFlow and is just as good. In FP16, five steps:

# %%
def gate(orientation):
    heads = dict(reference, orientation=orientation.astype(np.float32))
    return parity.compare(reference, heads, street)

gate(naive_fp16(100 * vectors))

# %%
naive = parity.place(dict(reference, orientation=naive_fp16(100 * vectors)), street)
right = parity.place(reference, street)
show.scene_before_after(street[0], naive[0], right[0],
                        ("100 times as long, five steps in FP16", "TensorFlow"))

# %% [markdown]
# Those that are left are right; the others have nothing. Their pairs have become zeros, which have no direction, and
# `boxes.decode` leaves a box without a direction out. NumPy's `arctan2(0, 0)` is 0: a program that does not check would have
# drawn them at the centres of their bins. No cell raised an error.
#
# ## The right way
#
# The cure is neither a cleverer formula nor a larger `eps` (exercise 3 tries that). It is the sum in 32 bits, where neither the
# square of 65504 nor that of 0.00000006 is anything special, while rows come and go in FP16. That is `in_float32` from above:
# only its result is rounded, once.

# %%
show.over_lengths(lengths, in_float64(rows), seen=seen, results={
    "five steps in FP16": naive_fp16(rows), "sum in FP32": in_float32(rows)})

# %% [markdown]
# The second line has no gap. The same network, 100 times as long:

# %%
gate(in_float32((100 * vectors).astype(np.float16)))

# %% [markdown]
# What is left is FP16's rounding after three digits.
#
# ## A first CUDA kernel
#
# You write a CUDA kernel for *one* thread; the GPU runs thousands of threads at once. It starts them in **blocks** of equal
# size, here 128 threads. Each thread knows the number of its block (`blockIdx.x`), the size of a block (`blockDim.x`) and its
# own number in the block (`threadIdx.x`), and works out from these three which piece of the work is its own.
#
# This one is the obvious way to normalise pairs: one thread for each row of two numbers. It is in `plugin_src/`, and what you
# read here is printed from the file that is compiled.

# %%
def excerpt(name, start, end):
    text = (plugin.SOURCES / name).read_text()
    print(text[text.index(start):text.index(end, text.index(start)) + len(end)])

excerpt("l2_simple.cu", "template <typename T>", "\n}")

# %% [markdown]
# - `__global__` marks a function that the CPU starts and the GPU runs. `T` is `float` or FP16: the compiler writes the function
#   once for each.
# - Six rows are one block of 128 threads, and 122 of them leave at the `return`.
# - `to_float` makes 32 bits of either type. That is the cure, in one word of one line. `store` rounds back to `T`.
# - `inverse_norm` is the rest of the formula. The same few lines are compiled for the GPU and for the CPU:

# %%
excerpt("l2_normalize.h", "// The factor of a row.", "\n}")

# %% [markdown]
# ## Compiling and checking it
#
# `nvcc` compiles that text for the GPU. `g++` compiles the same text as an ordinary function and calls it in two loops, over
# the blocks and over the threads of each. So the arithmetic and the counting can be checked on every machine; what only a GPU
# checks is `rsqrtf`, its own reciprocal square root.

# %%
import textwrap

compiled = []
for what in ("cpu", "kernel"):
    try:
        plugin.compile(what)
        compiled.append(what)
    except (FileNotFoundError, RuntimeError) as error:
        print(textwrap.fill(str(error), 88))

# %% [markdown]
# The check: 200,000 pairs in every direction, of any length that FP16 has, with some zeros among them. The yardstick is one
# rounding: half the distance from an FP16 number to the next. No FP16 result can be better than that.

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
if "cpu" in compiled:
    ours = plugin.cpu_l2_normalize(pairs, simple=True)
    print("FP16, worst error: %.4f of one rounding" % in_roundings(ours, pairs).max())
    print("rows of zeros stay zeros:", not ours[::1000].any())

# %% [markdown]
# One rounding, and a little that the sum in FP32 adds. As far as correctness goes, we could stop here.
#
# ## A faster kernel
#
# Two multiplications for each number are nothing for a GPU. What it waits for is the memory, so the kernel that the plugin uses
# reads in another way. `V` numbers are one `Pack` of 16 bytes, the most that a thread of most GPUs reads at once: two pairs in
# FP32, four in FP16.

# %%
excerpt("l2_normalize.cu", "template <int V, int K, typename T>", "\n}")

# %% [markdown]
# Each thread asks for four packs, **all before it uses the first**: while one is on its way, so are the others. (`#pragma
# unroll` writes the loop out, so that `held` is kept in registers.) Neighbouring threads read neighbouring packs, so that
# memory is read in long runs. In FP16:

# %%
show.thread_reads()

# %% [markdown]
# The second branch is for the last pack, which may be incomplete. What follows in the file is the arithmetic you know, for each
# row of each pack. Three more kernels do the same for longer rows, which several threads share, and for other axes than the
# last. Every change like this one is a new chance to count wrong, so it is checked as the first was: `g++` compiles these
# kernels, too. (`launch` returns at once; the copy back waits for the GPU.)

# %%
from helpers import cuda

def on_gpu(x, simple):
    y = np.empty_like(x)
    with cuda.Buffer(x.nbytes) as memory:
        memory.upload(x)
        plugin.launch(memory.address, memory.address, len(x), 2, dtype="float16", simple=simple)
        memory.download(y)
    return y

# %%
if "cpu" in compiled:
    print("CPU: %.4f" % in_roundings(plugin.cpu_l2_normalize(pairs), pairs).max())
if "kernel" in compiled and cuda.available():
    print("GPU: %.4f" % in_roundings(on_gpu(pairs, simple=False), pairs).max())
    print("GPU, the simple one: %.4f" % in_roundings(on_gpu(pairs, simple=True), pairs).max())
else:
    page.quote("all row lengths: 2,370 runs, worst error 1.0005 of one rounding\n"
               "the simple one: 35 runs, worst error 1.0001", "NVIDIA H200, CUDA 13.0")

# %% [markdown]
# ## How fast?
#
# A kernel that reads and writes all its data can hardly be faster than a plain copy of them. So a copy is the yardstick, timed
# in turn with both kernels. `plugin_src/benchmark.py` measures, `data/runs/` keeps what it found. The bars are hatched because
# they are **not this machine's**.

# %%
from helpers import timing

show.kernel_speed(timing.load(timing.RUNS / "l2_kernel_nvidia_h200.json"))

# %% [markdown]
# On the left, two gigabytes of pairs. The plugin's kernel was 1.2 times as fast as the simple one in FP32 and 2.5 times in
# FP16, and lost two to four per cent to a copy. (So it is for rows of nearly every length; all numbers are in
# [plugin_src/README.md](../plugin_src/README.md).)
#
# On the right, our own twelve numbers. Here the data are nothing and starting a kernel is everything, and the simple kernel is
# even the faster of the two. For this network it would do. "Five launches" is one kernel for each node, with nothing joined: about five times as long, and still only some
# microseconds. (PyTorch's own `normalize`, the grey bars, is there for comparison.) The plugin's purpose here is to get the
# operation into the plan; speed is a by-product.
#
# On your GPU, in `plugin_src/`, this checks the plugin's kernel and times it against a copy (we have not timed it on a Jetson):
#
# ```text
# export PATH=$PATH:/usr/local/cuda/bin
# nvcc -O3 -std=c++14 -arch=sm_72 -o check check.cu && ./check
# ```
#
# `sm_72` is a Xavier; write `sm_53` for a Nano, `sm_62` for a TX2, `sm_87` for an Orin. From CUDA 11.5 on, which is newer than
# JetPack 5, `-arch=native` finds it out.
#
# ## A plugin's life
#
# A kernel alone is of no use to TensorRT, which asks questions first: what shape comes out, which types can you take, how
# are you saved? The plugin is the object that answers, its **creator** the one that makes it, the **registry** the list where
# TensorRT looks for creators. A plugin lives twice: once while the plan is built, and again, made from what the plan holds,
# wherever the plan is run.

# %%
show.plugin_life()

# %% [markdown]
# (The order is simplified: TensorRT may ask several times, and clone as often as it likes. The names are those of TensorRT 5 to
# 9.) The questions have hardly changed since 2018; the names have:
#
# | question | TensorRT 5 to 9 | 10 and 11 | our answer |
# |---|---|---|---|
# | base class | `IPluginV2Ext` (UFF), `IPluginV2DynamicExt` (ONNX) | `IPluginV3` | one each, around one state |
# | what shape comes out? | `getOutputDimensions` | `getOutputShapes` | that of the input |
# | which types, which layout? | `supportsFormat`, `...Combination` | `supportsFormatCombination` | FP32 or FP16, in a row |
# | this shape, this type: all right? | `configurePlugin` | `configurePlugin`, `onShapeChange` | if the axis is one of its axes |
# | what is the plan to keep? | `serialize` | `getFieldsToSerialize` | 36 bytes: axis, eps, type, sizes, a checksum |
# | here is what the plan kept | `deserializePlugin`, `initialize` | `createPlugin`, `attachToContext` | the same plugin, or a refusal |
# | put it on this stream (a queue of work for the GPU) | `enqueue` | `enqueue` | one launch, 0 when it worked |
# | the end | `destroy` | the destructor | nothing to free |
#
# `plugin_src/l2_normalize_plugin.cpp` has all of them, and is only paperwork around the kernel: it compiles against the headers
# of TensorRT 5.1 to 11.1. (Those of 5.0 are not published; its base class is `IPluginV2`.)
#
# ## Compiling and loading the plugin
#
# This takes `nvcc` and TensorRT's C++ headers. The full JetPack (a Jetson's system software) brings both; elsewhere the message
# says where to get them. Loading the library puts its creators into the registry, and `plugin.load` looks whether they arrived.

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
# (If the message is about headers, nothing was compiled, and the rest of this page does without the library.) TensorRT for RTX
# takes no plugins: a network with one would end the whole process. So `load` refuses there, even with a library. But its
# registry is a real one and may be *asked*, in a child process (a process of its own that ends right after): is the library
# well formed, do its creators answer?

# %%
if library and hasattr(trt, "IPluginV3"):
    for each in plugin.registry_in_child(library, trt.__name__):
        print(each)
else:
    page.quote("L2Norm_TRT version 1, fields axis, eps",
               "TensorRT for RTX 1.7.1, with the headers of 10.16")

# %% [markdown]
# ## Surgery, first the wrong way
#
# Now the graph. The activations are plugins already; now the six nodes. Somebody remembers that pairs lie along an axis, types a 1
# and goes to lunch.

# %%
graph = without_leaky_relu()
unit = gs.create_plugin_node("orientation/l2_normalize", op="L2Norm_TRT", axis=1, eps=1e-12)
graph.collapse_namespaces({"orientation/l2_normalize": unit})
show.graph(graph, "orientation/l2_normalize")

# %% [markdown]
# The node has two inputs, because `collapse_namespaces` hands on whatever the namespace read from outside. One is the vectors.
# The other is the constant with the axis, which `Sum` read. Look at its *name*, `reshape_2/Reshape/shape/2`: it belongs to the
# reshape in front, whose shape is batch, 6, **2**. Freezing has merged two constants that happened to be equal (notebook 01),
# and so the axis was outside of the namespace.
#
# The graph goes on to UFF, and from there to ONNX, so that ONNX Runtime can compute what the file says. (On a board with a
# parser for UFF, too: this gate judges the file, not TensorRT. `page.silence` keeps back what the converter says about custom
# operations; you read it in notebook 03.)

# %%
from uffsurgeon import to_onnx

def answers_of(data, **how):
    return network.heads(run.onnx(to_onnx.convert(data, **how), images))

# %%
try:
    answers_of(to_uff(graph))
except ValueError as error:
    print(textwrap.fill(str(error), 88))

# %% [markdown]
# It is refused, and the plugin itself would refuse it, with a line in TensorRT's log.
#
# ## Cut the wire, then collapse
#
# Nobody needs that wire: a plugin is told its axis in a field. So cut it before the collapse. The constant itself stays,
# because the reshape needs it.

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
# cosines, each sine by that of all six sines. (In ONNX Runtime. Our plugin would compute the same.) The remedy is the habit of
# notebook 03: do not type a setting, read it from the graph.
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
import tensorflow as tf

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
# Six nodes became one with one input, and it kept the name, so the network's output is still called what it was. For a network
# of your own, `uffsurgeon.l2_normalize.collapse(graph, gs)` does this for every normalisation in it, and refuses what one node
# cannot replace: two axes, a sum that drops its axis, an inner result with another reader.
#
# Ours becomes a file. In it the node looks like this:

# %%
from uffsurgeon.uff import schema

uff_file = artifacts.BUILD / "box3d_plugin.uff"
data = to_uff(graph)
artifacts.write(uff_file, data)
nodes = {node.id: node for node in schema.read(data).graphs[0].nodes}
print(nodes["orientation/l2_normalize"])

# %% [markdown]
# `axis_u_int` and `eps_u_float`: name and type, as the creator will get them. UFF keeps floating point settings in 64 bits,
# so one sees that `eps` was a 32-bit number before.
#
# And NVIDIA's parser? Here it is in a program that has not loaded our library, and in one that has:

# %%
import uffparser

print("without the library:", *through_uff.parse(data).log)
parsed = through_uff.parse(data, l2norm=True)
print("with it: parse returned", parsed.ok, "with", len(parsed.outputs), "outputs")
uffparser.table(parsed, "l2_normalize")

# %% [markdown]
# With our library in its registry, the parser takes the whole network. It gives the plugin the pairs as [6, 2, 1], with a trailing 1,
# and hands on TensorFlow's axis, 2, which counts the batch. Our plugin first wanted the last axis, found the 1 there, and refused.
#
# ## On to ONNX, with a body
#
# Where TensorRT has no parser for UFF, the file goes on to ONNX. There a node can carry its own definition, a **local
# function**: a name, and a body of ordinary operations.

# %%
model = to_onnx.convert(data)
show.graph(model, "orientation/l2_normalize")

# %%
if to_onnx.CAN_WRITE_FUNCTIONS:
    import onnx.printer

    function = [f for f in model.functions if f.name == "L2Norm_TRT"][0]
    print(onnx.printer.to_text(function))
else:
    print("This onnx is older than local functions: the body is in the graph itself.")

# %% [markdown]
# Either way it is the formula, line by line. Who reads the name and who reads the body depends on the version, so `convert` can
# write three forms:
#
# | `plugins=` | in the file | who can read it |
# |---|---|---|
# | `"function"` | the node, and its body | ONNX Runtime, TensorRT for RTX and TensorRT 9.0 to 10.6 compute the body; from 10.7 on a plugin of that name comes first, if there is one |
# | `"inline"` | the body's operations in the node's place | all of them, and TensorRT 8 |
# | `"node"` | the node alone | only a TensorRT with the plugin loaded |
#
# ONNX Runtime computes the body; that is the gate.

# %%
found = answers_of(data)
parity.compare(reference, found, street)

# %%
wrong, right = parity.place(careless, street), parity.place(found, street)
show.scene_before_after(street[1], wrong[1], right[1],
                        ("axis typed in: 1", "axis read from the graph"))

# %% [markdown]
# ## Half precision: who obeys a cast?
#
# `precision="fp16"` writes the network with 16-bit weights. The body then begins with a cast to 32 bits and ends with one back:
# the same cure, written in ONNX.

# %%
half = answers_of(data, precision="fp16")
parity.compare(reference, half, street)

# %% [markdown]
# ONNX Runtime obeys the casts. (On a CPU it computes much of such a file in 32 bits anyway, so this judges the file, neither
# its speed nor its last digit on a GPU.) TensorRT need not. In a **weakly typed** network, the default up to TensorRT 10, the
# types in a file are hints: where FP16 is allowed, the builder takes what is fastest, may drop the casts, and adds in 16 bits.
# In a **strongly typed** network they are orders.
#
# | TensorRT | FP16 is allowed by | what keeps the sum in 32 bits |
# |---|---|---|
# | 5 to 8.1 | `fp16_mode`, later the flag `FP16` | `layer.precision` and `layer.set_output_type`, with `strict_type_constraints`, later the flag `STRICT_TYPES` |
# | 8.2 to 8.6 | the flag `FP16` | the same, with the flag `OBEY_PRECISION_CONSTRAINTS` |
# | 9 and 10 | the flag, or the types in the file | `create_network` with `STRONGLY_TYPED`, no flag, and the casts |
# | 11, and TensorRT for RTX | the types in the file | the casts; every network is strongly typed |
#
# `engine.build` does this for you for every file that is ONNX. (Run by us, all *close*: 8.6.1 with the flag and pinned layers,
# 10.6.0 strongly typed. TensorRT for RTX has only built such a file here. The rest is from NVIDIA's documentation.) A plugin is
# outside of it: the builder chooses in which type the pairs arrive, and the kernel adds in 32
# bits whatever it chose.
#
# ## A plan
#
# Which file goes to TensorRT depends on what it can read. With a parser for UFF and our library, it is the UFF. Otherwise it is
# ONNX in one of the three forms. (`form = None` leaves the choice to `convert`: a function, or `"inline"` where the onnx
# package is too old to write one.)

# %%
with_plugin = bool(trt and library) and plugin.registered(trt)
knows_functions = machine.tensorrt().flavour != "uff"  # 5 to 8, which have an UffParser, do not
form = "node" if with_plugin else None if knows_functions else "inline"
model_file = artifacts.BUILD / "box3d_plugin.onnx"
to_onnx.convert(data, model_file, plugins=form)
if with_plugin and machine.tensorrt().flavour == "uff":
    model_file = uff_file

# %% [markdown]
# A plugin with a mistake in it can take the process with it, so plans with plugins are built in a child process. Only exit
# status 0 means that there is a plan of this file; yesterday's may still be on the disk. This plan computes in FP32; notebook
# 06 builds the others. (`trtexec`, NVIDIA's command-line builder, takes our library with `--plugins=`, from 8.6 on
# `--dynamicPlugins=`: [plugin_src/README.md](../plugin_src/README.md) has the whole lines.)

# %%
import sys
from helpers import child

def last_lines(text):
    lines = [line for line in text.splitlines() if not line.startswith((" ", "Traceback"))]
    return "\n".join(textwrap.fill(line, 88) for line in lines[-3:])

# %%
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
# plan was built, it runs; and the gate is the same.

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
# library.

# %%
bare = artifacts.BUILD / "box3d_bare_node.onnx"
to_onnx.convert(data, bare, plugins="node")
parse = """import sys
from helpers import engine
trt = engine.tensorrt()
network = trt.Builder(engine.logger(trt)).create_network(*engine.network_flags(trt))
engine.parse(trt, network, sys.argv[1])
"""

# %%
if trt:
    done = child.run([sys.executable, "-c", parse, bare])
    print("exit status", done.code)
    print(last_lines(done.text))
else:
    page.quote("node 'orientation/l2_normalize' (L2Norm_TRT): creator && \"Plugin not "
               "found, are the plugin name, version, and namespace correct?\"",
               "TensorRT for RTX 1.7.1")

# %% [markdown]
# `plugin.require` asks the registry the same question beforehand, and has more to say:

# %%
if trt:
    try:
        plugin.require(trt)
    except LookupError as error:
        print(textwrap.fill(str(error), 88))

# %% [markdown]
# What to do about it, in the order in which it is worth looking:
#
# | look at | how | what it may be |
# |---|---|---|
# | was it loaded, in **this** process? | `plugin.registered(trt)` | load it before a parser or a plan needs it, in every process |
# | how was it loaded? | TensorRT 8.6 and later: `registry.load_library` | a bare `ctypes.CDLL` of *this* library registers nothing there; many others register themselves |
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
# | ONNX `LpNormalization` | TensorRT 8.0 | this very operation | it has no `eps`: a row of zeros is divided by 1. It is split into the same steps, so FP16 as in the next row |
# | plain operations: `ReduceL2`, `Max`, `Div` | 5 | anything that ONNX can say | FP16: keep the sum in 32 bits, as in the table above |
# | a local function | 9.0, and RTX | one name, one body; a plugin can take over from 10.7 on | inlined, so no kernel of yours; FP16 as above |
# | C++ `IPluginV3` | 10.0 | a kernel of your own | a library for each TensorRT version; none in RTX |
# | `IPluginV3` written in Python | 10.0 | trying it out | the plan needs Python and your code wherever it runs |
# | `tensorrt.plugin` decorators | 10.6 | little paperwork | not on JetPack 6 |
# | the same, compiled ahead of time | 10.9 | a Triton or CUDA kernel, no Python at run time | not on JetPack 6, either |
#
# (From NVIDIA's change logs, headers and the ONNX parser's sources; the first three rows were tried with TensorRT for RTX,
# plain operations also with 8.6.1 and 10.6.0, the C++ plugin with both.) For this operation the second or third row will do.
# The plugin is worth its trouble where TensorRT is old, or your kernel is better.
#
# ## Your turn
#
# **1.** The confidence head ends in a softmax, `exp(x) / sum(exp(x))` over each row. Write `softmax_half(x)`: it takes a `float16`
# array, `[..., L]`, and returns `float16`. It must survive everything that `float16` can hold. (32 bits alone will not be
# enough; the check shows you a row.)

# %% tags=["exercise"]
from notebooks.checks import check

def softmax_half(x):
    return ...


check("04.1", softmax_half)

# %% tags=["solution"]
from notebooks.checks import check

def softmax_half(x):
    wide = x.astype(np.float32)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float16)


check("04.1", softmax_half)

# %% [markdown]
# **2.** Write the surgery so that it serves another network: `collapse_l2(graph, name)` gets a `DynamicGraph` and the namespace of
# an l2_normalize, and puts one `L2Norm_TRT` in its place, with axis and eps from the graph and the vectors as its only input.
# It will be tried on two networks, with other axes, other eps, and the axis constant inside the namespace or out of it.

# %% tags=["exercise"]
def collapse_l2(graph, name):
    ...  # graph.node_map[name + "/Sum"] is a node of it; find_nodes_by_path finds it as well
    return ...  # the graph


check("04.2", collapse_l2)

# %% tags=["solution"]
import tensorflow as tf

def collapse_l2(graph, name):
    def number(text):
        return tf.make_ndarray(graph.node_map[text].attr["value"].tensor)

    total, floor = graph.node_map[name + "/Sum"], graph.node_map[name + "/Maximum"]
    axis, eps = int(number(total.input[1])), float(number(floor.input[1]))
    del total.input[1]
    unit = gs.create_plugin_node(name, op="L2Norm_TRT", axis=axis, eps=eps)
    graph.collapse_namespaces({name: unit})
    return graph


check("04.2", collapse_l2)

# %% [markdown]
# **3.** A colleague cannot load plugins and has to live with `naive_fp16`, five steps in FP16. The web advises a larger `eps`. Rows
# of zeros and very short rows must not become infinite or NaN, and every row of length 0.01 to 100 must stay right to one per
# cent. Which powers of ten may `eps` be? Give the smallest and the largest. (Work them out, or try: `show.over_lengths` takes
# `naive_fp16(rows, eps)`.)

# %% tags=["exercise"]
eps_for_half = ...  # (smallest, largest)
check("04.3", eps_for_half)

# %% tags=["solution"]
eps_for_half = 1e-7, 1e-4  # 1e-8 is 0 in FP16, and 1e-3 is more than the square of 0.01
show.over_lengths(lengths, in_float64(rows),
                  {"eps = %g" % each: naive_fp16(rows, each) for each in eps_for_half})

# %% tags=["solution"]
check("04.3", eps_for_half)

# %% [markdown]
# ## What you saw
#
# - A parser can know every operation and still refuse how they are put together.
# - In FP16 a sum of squares leaves the range of numbers at both ends. The cure is a sum in 32 bits, and you have to make sure that
#   TensorRT keeps it there: a cast is an order only in a strongly typed network.
# - A CUDA kernel is written for one thread. It is judged twice: against float64 for what it computes, against a copy for its
#   speed. The obvious kernel may be all you need.
# - A plugin answers TensorRT's questions, is made by a creator, and has to be loaded in every process, on the day of building and
#   on the day of running.
# - Settings are read from the graph, and a constant may have another reader.
# - A node with a body needs no plugin, and may still have one.
#
# Next: [06 timing](06_timing.ipynb), where all of this is to pay off.
