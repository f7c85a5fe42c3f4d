# %% [markdown]
# # 02 Flatten and Reshape
#
# Most conversions that fail do so loudly: an error, a name, a line. This page is about one that succeeds. Every step reports
# success, every output has the right shape, and the boxes point in all directions. A loud one follows.
#
# After this page you will be able to
#
# - see in a UFF file what became of a `Flatten`,
# - show with eight numbers how answers can be wrong although no error appears,
# - find the first wrong layer in a network of your own, without knowing what to look for,
# - repair the network without training it again,
# - read the error about *more than one -1*, and know which of them to replace.
#
# **You need** notebook 01. **Time:** 45 minutes, exercises apart.

# %%
import numpy as np
from helpers import freeze, network, parity, process, run, scenes, show, through_uff

process.prepare_tensorflow()
import uff
print("uff is", uff.__name__)

# %% [markdown]
# `uff` is NVIDIA's converter, or ours: the last line says whose. On a Jetson with JetPack 4.2 to 5.1 (JetPack is the system
# software of a Jetson, with one fixed TensorRT) it is NVIDIA's, called just `uff`. Elsewhere Python finds `uffsurgeon.uff`
# under that name, the workbook's own, with the same functions and the same results.
#
# ## The network as it was first
#
# The body of the network ends in a *feature map*: 7 rows, 7 columns and, at each place, 512 numbers, the channels. The dense
# layers that follow want one row of 25,088 numbers. Keras has a layer for that, `Flatten`, and the network of the article of
# 2019 used it at first. Here it is in the frozen graph.

# %%
first = freeze.load(freeze.box3d(flat="flatten"))
show.graph(first, "flatten_1")

# %% [markdown]
# The operation that does the work is a `Reshape`. Whatever else the picture shows only computes the shape for it, and that
# differs from version to version. TensorFlow 2 writes a constant, `[-1, 25088]`. TensorFlow 1.13 looks up the number of images
# and puts a -1 after it. The Keras of the article multiplied 7, 7 and 512 and put a -1 in front. A -1 means *whatever is left*,
# so all three say the same: one row of 25,088 numbers for each image.
#
# What this graph answers in TensorFlow is the reference for everything below.

# %%
street = [scenes.load(name) for name in scenes.names()[:2]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
reference = network.heads(run.tensorflow(first, images))
print(len(images), "crops;", {name: head.shape for name, head in reference.items()})

# %% [markdown]
# ## What UFF makes of it
#
# **UFF**, the Universal Framework Format, is NVIDIA's file format for networks before ONNX; TensorRT 5 to 8 read it. It is a
# list of nodes like TensorFlow's, with fewer kinds of them. One call converts, and what it prints deserves to be read.
# (`quiet=True` leaves out even more.)

# %%
data = uff.from_tensorflow(first, list(network.OUTPUTS), quiet=True)
print("%.1f MB" % (len(data) / 1e6))

# %% [markdown]
# NVIDIA's converter of 2019 prints these very lines. The first warns that it was made for another TensorFlow, 1.12, and does no
# harm. Those about LeakyRelu wait for notebook 03. The one about `keepdims` is about the `Sum` in `l2_normalize`: UFF always
# keeps the axis that was summed, as our sum does, so it does no harm. The line for us is the one that looks the least
# important: `DEBUG: convert reshape to flatten node`. The converter has seen a `Reshape` in a **scope** (the part of a node's
# name before the last slash, here `flatten_1`) that contains the word *flatten*, and has guessed what is meant. It looks at
# that name and at nothing else.

# %%
from uffsurgeon.uff import schema

meta = schema.read(data)
show.graph(meta, "flatten_1")

# %% [markdown]
# Whatever computed the shape is gone, and so is the shape. (UFF has its own words for the neighbours, too: `Pool` for MaxPool,
# `FullyConnected` for MatMul.) What remains is an operation called `Flatten`. Here is all that the file says about it.

# %%
print([node for node in meta.graphs[0].nodes if node.id == "flatten_1/Reshape"][0])

# %% [markdown]
# "Lay it out in one row." Fair enough. But in which order?
#
# ## What the parser does with it
#
# TensorFlow keeps an image as rows of pixels and each pixel as its channels: batch, height, width, channels, in short **NHWC**.
# TensorRT keeps one whole plane per channel: batch, channels, height, width, **NCHW**. Its UFF **parser**, the part of TensorRT
# that reads such a file, transposes the image at the input and the convolution weights with it, and from there on everything is
# NCHW. If it then meets `Flatten` and lays out what it has, the row is in another order than TensorFlow's.
#
# `through_uff.run` takes that way: graph, UFF, parser, answers. Where there is an `UffParser` (JetPack 4.2 to 6.0) and a GPU,
# it builds a plan (the network compiled by TensorRT) and runs it, with NVIDIA's own LeakyReLU and the normalisation at the end
# done in NumPy. With TensorRT 8.6.1 that gave the right answers ([docs/verified.md](../docs/verified.md)), so there the cells
# below contradict the text. Elsewhere it is a **replay**: it turns the UFF into ONNX, lays each `Flatten` out in NCHW order,
# and ONNX Runtime computes the result.

# %%
broken = network.heads(through_uff.run(first, images))
print({name: head.shape for name, head in broken.items()})

# %% [markdown]
# Mind what a replay is: here the fault is **built in**. The article reports the damage (`Flatten`, it says, "is able to
# silently confuse TensorRT and completely ruin network quality") and the cure, but not the cause. The order of the numbers is
# *our* explanation. This page shows what such a fault does and how to find it, and that the explanation fits. TensorRT 5.0,
# which the article used, can no longer be had. The UffParsers of 5.1.5 to 8.6.1, which we asked, do not do this: they put the
# numbers back into TensorFlow's order first.
#
# Now look at the result as if you knew nothing. No error, no warning, the same shapes as above. It even looks healthy:
# confidences add up to one, directions have length one.

# %%
print(broken["confidence"].sum(axis=1).round(3))
print(np.linalg.norm(broken["orientation"], axis=2).min().round(3))

# %% [markdown]
# The gate, our acceptance test, sees it at once.

# %%
parity.compare(reference, broken, street)

# %%
show.scene_before_after(
    street[1], parity.place(broken, street)[1], parity.place(reference, street)[1],
    ("through UFF", "as TensorFlow has it"))

# %% [markdown]
# Every box still lies over its car, because it is placed to fit the 2D box as well as it can. The view from above shows what
# that costs: half of the boxes are turned by 40 degrees and more, and all but one of the far cars have left the map. The fault
# does not produce nonsense, it produces *other answers*. With one far car to look at, you might have shipped it.
#
# ## How to find it
#
# We know where the fault is. In a network of your own you will not. But any node of a graph can be made an output. Take them
# all, on both sides, with one image, and compare: the first that differs is the culprit, and all after it are only its victims.

# %%
from uffsurgeon import to_onnx

def suspect(data, image, names):
    model = to_onnx.convert(data, outputs=names, flatten_as="nchw")
    return run.onnx(model, image)

def errors_by_layer(graph, data, image, names):
    expected, found = run.tensorflow(graph, image, names), suspect(data, image, names)
    return {name: np.abs(found[name] - value).max() / np.abs(value).max()
            for name, value in expected.items()}

# %% [markdown]
# `suspect` is the machine that we do not trust: here the replay, on every machine. `flatten_as="nchw"` is its built-in fault,
# and the search does not know of it. `errors_by_layer` puts TensorFlow beside it: each layer's largest error, as a share of its
# largest value. Which nodes? Those that carry pictures and vectors, in the order of the graph.

# %%
kinds = ("Relu", "MaxPool", "Reshape", "LeakyRelu", "Softmax")
names = [node.name for node in first.node if node.op in kinds]
errors = errors_by_layer(first, data, images[:1], names)

# %%
import matplotlib.pyplot as plt

def draw_errors(errors):
    figure, axis = plt.subplots(figsize=(7, 0.2 * len(errors) + 0.6))
    axis.barh(list(errors), [max(error, 1e-8) for error in errors.values()],
              color=["#d9580d" if error > 1e-3 else "#2563eb" for error in errors.values()])
    axis.set(xscale="log", xlim=(1e-8, 10), xlabel="largest error / largest value")
    axis.tick_params(labelsize=8)
    axis.invert_yaxis()

draw_errors(errors)

# %% [markdown]
# Blue is the noise of 32-bit numbers added in another order, around one millionth. It is there in every layer and means
# nothing. Then, at `flatten_1/Reshape`, the error jumps by a factor of a hundred thousand or more. What the layer reads is
# right; what it gives is wrong; so look at that layer alone.
#
# (To search a real plan, give its builder the names, `engine.build("box3d.uff", outputs=names)`, and transpose feature maps
# from NCHW to NHWC before you compare. Two cautions. A tensor that is an output cannot be merged into its neighbour, so this
# plan is not quite the one you ship; a fault of the merging vanishes in it. And "the first that differs" holds for 32 bits.
# With fewer, errors grow from the first layer on.)

# %%
layer = "flatten_1/Reshape"
there = run.tensorflow(first, images[:1], layer)[layer][0]
here = suspect(data, images[:1], [layer])[layer][0]
print("equal:", np.allclose(there, here, atol=1e-3))
print("equal once sorted:", np.allclose(np.sort(there), np.sort(here), atol=1e-3))

# %% [markdown]
# The same numbers, in another order. That is the signature of this fault, and sorting both sides is the quickest test for it.
#
# ## Why, with eight numbers
#
# A feature map of 2 rows, 2 columns and 2 channels will do. NumPy keeps the last axis together in memory, as TensorFlow does;
# the transposed map plays TensorRT.

# %%
tiny = np.arange(8).reshape(2, 2, 2)  # row, column, channel
in_nhwc = tiny.reshape(-1)
in_nchw = tiny.transpose(2, 0, 1).reshape(-1)
print(in_nhwc, in_nchw)

# %% [markdown]
# Drawn, with one colour per channel. Each line follows one number from its place in TensorFlow's row to its place in
# TensorRT's.

# %%
figure, axis = plt.subplots(figsize=(7, 2.2))
for place, number in enumerate(in_nchw):
    colour = ("#2563eb", "#d9580d")[number % 2]
    for x, y in ((number, 1), (place, 0)):
        axis.text(x, y, str(number), ha="center", va="center",
                  bbox=dict(boxstyle="square", fc="white", ec=colour, lw=2))
    axis.plot([number, place], [1, 0], color=colour, lw=1, zorder=0)
axis.set(xlim=(-2.2, 7.6), ylim=(-0.4, 1.4))
axis.text(-2.1, 1, "NHWC", va="center")
axis.text(-2.1, 0, "NCHW", va="center")
axis.set_axis_off()

# %% [markdown]
# Only the first and the last number keep their place. A dense layer multiplies number *k* with the weights in row *k*. Those
# were learned for the upper order; in the lower one the right weights meet the wrong numbers.

# %%
weights = np.random.RandomState(0).randn(8, 2)
in_nhwc @ weights, in_nchw @ weights

# %% [markdown]
# The same for the real row. Take TensorFlow's 25,088 numbers in NCHW `order`: do they become the row of the suspect? For a
# replay the answer must be yes, because that is how it was made. With `here` taken from a real plan, these lines would be a
# test. The last line counts how many of the 25,088 are still in their place.

# %%
order = np.arange(7 * 7 * 512).reshape(7, 7, 512).transpose(2, 0, 1).reshape(-1)
print("consistent:", np.allclose(there[order], here, atol=1e-3))
print("in place:", (order == np.arange(25088)).sum())

# %% [markdown]
# ## The repair
#
# In the Keras model, one line:
#
# ```python
# x = Flatten()(x)              # before
# x = Reshape((25088,))(x)      # after
# ```
#
# Both lay out the numbers in the same order, NHWC, and neither has a weight. So all weights stay what they are, and nothing
# needs to be trained again.

# %%
repaired = freeze.load(freeze.box3d(flat="reshape"))
show.graph_before_after(first, repaired, "flatten_1", "reshape_1")

# %% [markdown]
# TensorFlow's answers stay the same, although the shape takes a few more nodes to compute. For the converter the scope is now
# called `reshape_1`, so it keeps the operation as it is. (`Stack` is UFF's word for Pack.)

# %%
mended_data = uff.from_tensorflow(repaired, list(network.OUTPUTS), quiet=True)
show.graph(schema.read(mended_data), "reshape_1")

# %% [markdown]
# There is no `DEBUG` line this time, and the shape travels along. With that, the article reports, the answers are right again.
# A parser can be right here if it goes back to NHWC before each `Reshape`, because that is the order for which a TensorFlow
# shape was written; the replay does so. The gate, on this machine:

# %%
mended = network.heads(through_uff.run(repaired, images))
parity.compare(reference, mended, street)

# %%
show.boxes_on_scene(street[1], parity.place(mended, street)[1], title="with Reshape((25088,))")

# %% [markdown]
# On a board, do not take the cure on trust; run the gate. NVIDIA's guide for its UffMaskRCNN sample lists *both* `Reshape` and
# `Flatten` among the layers that do not simply survive a change from NHWC to NCHW. And the article's program fed its plan NCHW
# images, this page feeds NHWC.
#
# Two things to remember. The name of a layer should not matter, and here it decides between right and wrong: a layer called
# `my_flattened_map` would fall into the trap too. And the fault has nothing to do with UFF as such. Any tool that moves a
# network from NHWC to NCHW meets it at the border between convolutions and dense layers.
#
# ## The loud one: more than one -1
#
# The orientation head ends in 12 numbers that are to become 6 pairs. One may write `Reshape((6, -1))`: six rows, and work out
# the rest yourself. Keras is content. (`width=8` makes the network eight times narrower, enough for a look at the graph.)

# %%
minus_one = freeze.load(freeze.box3d(pairs=-1, width=8))
show.graph(minus_one, "reshape_2/Reshape/shape", mark={"reshape_2/Reshape/shape/2": "trouble"})

# %% [markdown]
# `Pack` puts the shape together from three parts: the size of the batch, which `StridedSlice` looks up while the graph runs,
# then 6, then -1. In NumPy one -1 is fine, and two are an equation with two unknowns:

# %%
numbers = np.zeros((4, 12))
print(numbers.reshape(4, 6, -1).shape)
try:
    numbers.reshape(-1, 6, -1)
except ValueError as error:
    print(error)

# %% [markdown]
# Where does a second -1 come from? From the batch. A plan made from UFF keeps the batch out of its shapes (*implicit batch*),
# so its size is known only at run time. The parser has no number for the first place and, so its message suggests, counts it as
# a
# -1. Then it finds ours. [NVIDIA/TensorRT issue 384](https://github.com/NVIDIA/TensorRT/issues/384) has the message, from
# TensorRT 4. Here it is with our node's name put in:
#
# ```text
# UFFParser: Parser error: reshape_2/Reshape: Reshape: -1 dimension specified more than 1 time
# ```
#
# The rule holds in every TensorRT. Here is the reshape alone, built by hand with TensorRT's own calls: a network, an input, a
# *shuffle*, as TensorRT calls any change of shape or order.

# %%
from helpers import engine, machine, page

print(machine.tensorrt())
trt = engine.tensorrt() if machine.tensorrt().module else None
if trt:
    builder = trt.Builder(engine.logger(trt))
    net = builder.create_network(*engine.network_flags(trt))
    shuffle = net.add_shuffle(net.add_input("twelve", trt.float32, (4, 12)))

# %%
import textwrap

if trt:
    shuffle.reshape_dims = (-1, 6, -1)
    net.mark_output(shuffle.get_output(0))
    try:
        engine.serialize(trt, builder, net, engine.settings(builder))
    except RuntimeError as error:
        for reason in str(error).split(": ", 1)[1].split("; "):
            print(textwrap.fill(reason, 92))
else:
    page.quote("reshape dimension with more than one -1 wildcard. "
               "Reshaping [4,12] to [-1,6,-1]", "TensorRT for RTX 1.7.1")

# %% [markdown]
# A *wildcard* is a -1. The first message names both shapes, the one that comes in and the one asked for; look there first. The
# repair is to do the division yourself: twelve divided by six is two. `Reshape((6, 2))` leaves one -1, the batch's, and our
# repaired network has had it all along.

# %%
show.graph(repaired, "reshape_2/Reshape/shape", mark={"reshape_2/Reshape/shape/2": "new"})

# %% [markdown]
# One constant, from -1 to 2. TensorFlow computes the same with either, so the gate that `repaired` passed above covers this
# repair too. In an ONNX file the size of the batch has a name and is no wildcard, so one -1 of your own does no harm. Write the
# number anyway: it is the cheaper habit.
#
# ## Your turn
#
# **1.** Write what an NCHW parser does: `flatten_nchw(x)` takes feature maps `[N, H, W, C]` and returns `[N, H * W * C]`, laid
# out in NCHW order.

# %% tags=["exercise"]
from notebooks.checks import check, patient

def flatten_nchw(x):
    return ...


check("02.1", flatten_nchw)

# %% tags=["solution"]
from notebooks.checks import check, patient

def flatten_nchw(x):
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


check("02.1", flatten_nchw)

# %% [markdown]
# **2.** There is another repair, if you cannot touch the graph: leave `Flatten` in, and put the *weights* into the order in which
# the numbers will come. Write `reorder(kernel, height, width, channels)`: it gets the weights of a dense layer (Keras calls
# them its *kernel*), `[height * width * channels, units]`, as trained, and returns them so that `flatten_nchw(x) @
# reorder(kernel, ...)` is what the layer should answer.

# %% tags=["exercise"]
def reorder(kernel, height, width, channels):
    return ...


check("02.2", reorder)

# %% tags=["solution"]
def reorder(kernel, height, width, channels):
    places = kernel.reshape(height, width, channels, -1)
    return places.transpose(2, 0, 1, 3).reshape(kernel.shape)


check("02.2", reorder)

# %% [markdown]
# **3.** A patient: a small network (random weights, an eighth of the channels) and the UFF that a colleague made of it. It
# converts without an error, and its answers are wrong; it is not the Flatten this time. Which node is the culprit? Your
# instruments are `errors_by_layer` and `draw_errors`. Take the names from `sick`, as we took them from `first`; one of our
# images will do as input.

# %% tags=["exercise"]
sick, sick_uff = patient()

culprit = ...  # the name of a node
check("02.3", culprit)

# %% tags=["solution"]
sick, sick_uff = patient()
names = [node.name for node in sick.node if node.op in kinds]
errors = errors_by_layer(sick, sick_uff, images[:1], names)
draw_errors(errors)
culprit = [name for name in names if errors[name] > 1e-3][0]
print(culprit)
check("02.3", culprit)

# %% [markdown]
# ## What you saw
#
# - The UFF converter turns every `Reshape` whose scope contains *flatten* into a `Flatten` without a shape. If a parser that
#   keeps NCHW lays it out in its own order, the dense weights meet the wrong numbers. No error, the right shapes, boxes that
#   tumble: consistent with what the article saw, and not yet tried on a board.
# - `Reshape((25088,))` says the same with a shape and, the article reports, converts right. No weight changes.
# - A shape may hold one -1. The batch has it already.
# - Make every layer an output, compare layer by layer, and look at the first that differs.
#
# Next: [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb), an operation that UFF does not have.
