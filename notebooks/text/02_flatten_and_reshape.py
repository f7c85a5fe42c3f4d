# %% [markdown]
# # 02 Flatten and Reshape
#
# Most conversions that fail do so loudly: an error, a name, a line. This page is about one that succeeds. Every step reports
# success, every output has the right shape, and the boxes point in all directions. Then, to be fair, comes a loud one.
#
# After this page you will be able to
#
# - read off a UFF file what became of a `Flatten`,
# - explain, with eight numbers, why the answers are wrong although no error appears,
# - find the first wrong layer in a network of your own, without knowing what to look for,
# - repair the network without training it again,
# - read the error about *more than one -1*, and know which of them to replace.
#
# **You need** notebook 01. **Time:** 30 minutes.

# %%
import sys; sys.path.insert(0, "..")
import numpy as np
from helpers import freeze, network, parity, scenes, show, toolbox

gs, uff = toolbox.surgery()

# %% [markdown]
# The last line fetches the two tools of the surgery and says whose they are. On a Jetson with JetPack 4.2 to 5.1 they are
# NVIDIA's; elsewhere the workbook brings its own, with the same names and the same results.
#
# ## The network as it was first
#
# The body of the network ends in a *feature map*: 7 rows, 7 columns and, at each place, 512 numbers, the channels. The dense
# layers behind want one row of 25,088 numbers. Keras has a layer for that, `Flatten`, and the first version of the article
# used it. Here it is in the frozen graph.

# %%
first = freeze.load(freeze.box3d(flat="flatten"))
show.graph(first, "flatten_1")

# %% [markdown]
# The operation that does the work is a `Reshape`; whatever else the picture shows only computes the shape that it is given, and
# that differs from version to version. TensorFlow 2 writes a constant, `[-1, 25088]`. TensorFlow 1.13 looks up the number of
# images and puts a -1 behind it. The Keras of the article multiplied 7, 7 and 512 and put a -1 in front. A -1 stands for
# *whatever is left*, so all three say the same: one row of 25,088 numbers for each image.
#
# What this graph answers in TensorFlow is the standard for everything below.

# %%
street = [scenes.load(name) for name in scenes.names()[:2]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
reference = network.heads(freeze.run(first, images))
print(len(images), "crops;", {name: head.shape for name, head in reference.items()})

# %% [markdown]
# ## What UFF makes of it
#
# **UFF** is the file format that TensorRT 5 reads: a list of nodes like TensorFlow's, with fewer kinds of them. One call
# converts, and what it prints deserves to be read.

# %%
data = uff.from_tensorflow(first, list(network.OUTPUTS), quiet=True)
print("%.1f MB" % (len(data) / 1e6))

# %% [markdown]
# NVIDIA's converter prints these very lines. The first says that it was made for TensorFlow 1.12, and does no harm. Those about
# LeakyRelu wait for notebook 03, the one about `keepdims` belongs to notebook 04. The line for us is the one that looks the
# least important: `DEBUG: convert reshape to flatten node`. The converter has seen a `Reshape` in a scope with *flatten* in its
# name (here `flatten_1/`) and has guessed what is meant. It goes by that name and by nothing else.

# %%
from helpers.uff import schema

meta = schema.read(data)
show.graph(meta, "flatten_1")

# %% [markdown]
# Whatever computed the shape is gone, and so is the shape. What remains is an operation called `Flatten`. Here is all that
# the file says about it.

# %%
print([node for node in meta.graphs[0].nodes if node.id == "flatten_1/Reshape"][0])

# %% [markdown]
# "Lay it out in one row." Fair enough. But in which order?
#
# ## What the parser does with it
#
# TensorFlow keeps an image as rows of pixels and each pixel as its channels: batch, height, width, channels, in short **NHWC**.
# TensorRT keeps it as one whole plane per channel: batch, channels, height, width, **NCHW**. Its parser turns the image round
# at the input, turns the weights of the convolutions with it, and from there on all is NCHW. When it meets `Flatten`, it lays
# out what it has.
#
# `through_uff` goes that road: graph, UFF, parser, answers. Where there is an `UffParser` (JetPack 4.2 to 5.1) it builds a plan
# and runs it; that branch has never run on a board, see `docs/verified.md`. Where there is none, it **replays** what the
# article saw: it turns the UFF into ONNX with the one difference `to_onnx.convert(data, flatten_as="nchw")`, and ONNX Runtime
# computes it.

# %%
broken = toolbox.through_uff(first, images)
print({name: head.shape for name, head in broken.items()})

# %% [markdown]
# No error, no warning, the same shapes as above. It even looks healthy: confidences add up to one, directions have length one.

# %%
print(broken["confidence"].sum(axis=1).round(3))
print(np.linalg.norm(broken["orientation"], axis=2).min().round(3))

# %% [markdown]
# The gate sees it at once.

# %%
parity.compare(reference, broken, street)

# %%
show.scene_before_after(
    street[0], parity.place(broken, street)[0], parity.place(reference, street)[0],
    ("through UFF", "as TensorFlow has it"))

# %% [markdown]
# Every box still surrounds its car, since the 2D box forces it to, and the view from above shows what that costs. The fault
# does not produce nonsense, it produces *other answers*. With one car far away to look at, you might have shipped it. (The car
# at the left has no box in either picture: the image cuts off more than one of its sides, and the placing needs three.)
#
# ## Finding it, without knowing
#
# We know where the fault is. In a network of your own you will not, so here is how to find out. Any node of a graph can be
# made an output. Take them all, on both sides, with one image, and compare: the first that differs is the culprit, and all
# after it are only its victims.

# %%
from helpers.uff import to_onnx

def errors_by_layer(graph, data, image, names, **how):
    expected = freeze.run(graph, image, names)
    found = toolbox.run_onnx(to_onnx.convert(data, outputs=names, **how), image)
    return {name: np.abs(found[name] - value).max() / np.abs(value).max()
            for name, value in zip(names, expected)}

# %% [markdown]
# `graph` is computed by TensorFlow, `data` (a UFF) by ONNX Runtime, and the result is each layer's largest error as a share of
# its largest value. Which nodes? Those that carry pictures and vectors, in the order of the graph. (With a real `UffParser`
# you would register the names as outputs of a plan, `engine.build("box3d.uff", outputs=names)`, and turn feature maps from NCHW
# to NHWC before you compare.)

# %%
kinds = ("Relu", "MaxPool", "Reshape", "LeakyRelu", "Softmax")
names = [node.name for node in first.node if node.op in kinds]
errors = errors_by_layer(first, data, images[:1], names, flatten_as="nchw")

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
# nothing. Then, at `flatten_1/Reshape`, it jumps by a factor of a hundred thousand or more. What the layer reads is right; what
# it gives is wrong; so look at that layer alone.

# %%
there = freeze.run(first, images[:1], ["flatten_1/Reshape"])[0][0]
replay = to_onnx.convert(data, outputs=["flatten_1/Reshape"], flatten_as="nchw")
here = toolbox.run_onnx(replay, images[:1])["flatten_1/Reshape"][0]
print("equal:", np.allclose(there, here, atol=1e-3))
print("equal once sorted:", np.allclose(np.sort(there), np.sort(here), atol=1e-3))

# %% [markdown]
# The same numbers, in another order. That is the signature of this fault, and sorting both sides is the quickest test for it.
#
# ## Why, with eight numbers
#
# A feature map of 2 rows, 2 columns and 2 channels will do. NumPy keeps the last axis together in memory, as TensorFlow does;
# the transposed one stands for TensorRT.

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
# So it goes in the real network. If the explanation is right, taking TensorFlow's row in this `order` must give the other row,
# number by number. The second line counts how many of the 25,088 are still in their place.

# %%
order = np.arange(7 * 7 * 512).reshape(7, 7, 512).transpose(2, 0, 1).reshape(-1)
print("explained:", np.allclose(there[order], here, atol=1e-3))
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
# For TensorFlow nothing has changed. For the converter the scope is now called `reshape_1`, so it keeps the operation as it is.

# %%
data = uff.from_tensorflow(repaired, list(network.OUTPUTS), quiet=True)
show.graph(schema.read(data), "reshape_1")

# %% [markdown]
# There is no `DEBUG` line this time, and the shape travels along. A shape speaks of axes in TensorFlow's order, and so the
# parser, the article reports, does what is right: the answers are TensorFlow's again. The gate, on this machine:

# %%
mended = toolbox.through_uff(repaired, images)
parity.compare(reference, mended, street)

# %%
show.boxes_on_scene(street[0], parity.place(mended, street)[0], title="with Reshape((25088,))")

# %% [markdown]
# Two things to keep. The name of a layer should not matter, and here it decides between right and wrong: a layer called
# `my_flattened_map/` would fall into the trap too. And the fault has nothing to do with UFF as such. Whoever moves a network
# from NHWC to NCHW, by whatever tool, meets it at the border between convolutions and dense layers.
#
# ## The loud one: more than one -1
#
# The orientation head ends in 12 numbers that are to become 6 pairs. The first version said `Reshape((6, -1))`: six rows, and
# work out the rest yourself. Keras is content. (`width=8` makes the network eight times narrower. For a look at the graph that
# is all we need.)

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
# Where does a second -1 come from? From the batch. UFF leaves the size of the batch open, so its parser has no number to put in
# the first place and writes a -1 there itself. Then it finds ours. The article, and many after it (NVIDIA/TensorRT, issue 384),
# got this from TensorRT 5:
#
# ```text
# UFFParser: Parser error: reshape_2/Reshape: Reshape: -1 dimension specified more than 1 time
# ```
#
# That is a quotation; it takes an `UffParser` to produce it. But the rule holds in every TensorRT, and the words have hardly
# changed. Here is the reshape alone, built by hand with TensorRT's own calls: a network, an input, a *shuffle*, as TensorRT
# calls any change of shape or order.

# %%
from helpers import engine

trt = toolbox.tensorrt()
if trt:
    builder = trt.Builder(engine.logger(trt))
    net = builder.create_network(*engine.network_flags(trt))
    shuffle = net.add_shuffle(net.add_input("twelve", trt.float32, (4, 12)))

# %%
if trt:
    shuffle.reshape_dims = (-1, 6, -1)
    net.mark_output(shuffle.get_output(0))
    try:
        engine.serialize(trt, builder, net, engine.settings(builder))
    except RuntimeError as error:
        print(error)
else:
    toolbox.quote("reshape dimension with more than one -1 wildcard. "
                  "Reshaping [4,12] to [-1,6,-1]", "TensorRT for RTX 1.7.1")

# %% [markdown]
# A *wildcard* is a -1. The sentence names both shapes, the one that comes in and the one that is wished for; that is where to
# look first. The repair is to do the division oneself: twelve by six is two. `Reshape((bin_num, 2))` leaves one -1, the
# batch's, and our repaired network has had it all along.

# %%
show.graph(repaired, "reshape_2/Reshape/shape", mark={"reshape_2/Reshape/shape/2": "new"})

# %% [markdown]
# One constant, from -1 to 2. TensorFlow computes the same with either, so the gate that `repaired` passed above covers this
# repair too. On the ONNX road the size of the batch has a name and no wildcard, and one -1 of your own does no harm (notebook
# 06). Write the number anyway: it is the cheaper habit.
#
# ## Your turn
#
# **1.** Write what the parser does: `flatten_nchw(x)` takes feature maps `[N, H, W, C]` and returns `[N, H * W * C]`, laid out
# as an NCHW parser lays them out.

# %% tags=["exercise"]
from helpers import exercises

def flatten_nchw(x):
    return ...


exercises.check("02.1", flatten_nchw)

# %% tags=["solution"]
from helpers import exercises

def flatten_nchw(x):
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


exercises.check("02.1", flatten_nchw)

# %% [markdown]
# **2.** There is another repair, for those who cannot touch the graph: leave `Flatten` in, and put the *weights* into the order
# in which the numbers will come. Write `reorder(kernel, height, width, channels)`: it gets the weights of a dense layer,
# `[height * width * channels, units]`, as trained, and returns them so that `flatten_nchw(x) @ reorder(kernel, ...)` is what
# the layer should answer.

# %% tags=["exercise"]
def reorder(kernel, height, width, channels):
    return ...


exercises.check("02.2", reorder)

# %% tags=["solution"]
def reorder(kernel, height, width, channels):
    places = kernel.reshape(height, width, channels, -1)
    return places.transpose(2, 0, 1, 3).reshape(kernel.shape)


exercises.check("02.2", reorder)

# %% [markdown]
# **3.** A patient: a small network (random weights, an eighth of the channels) and the UFF that a colleague made of it. It
# converts without an error, and its answers are wrong; it is not the Flatten this time. Which node is the culprit? Your
# instruments are `errors_by_layer` and `draw_errors`.

# %% tags=["exercise"]
patient, patient_uff = exercises.patient()

culprit = ...  # the name of a node
exercises.check("02.3", culprit)

# %% tags=["solution"]
patient, patient_uff = exercises.patient()
names = [node.name for node in patient.node if node.op in kinds]
errors = errors_by_layer(patient, patient_uff, images[:1], names)
draw_errors(errors)
culprit = [name for name in names if errors[name] > 1e-3][0]
print(culprit)
exercises.check("02.3", culprit)

# %% [markdown]
# ## What you saw
#
# - UFF makes a `Flatten` without a shape of every `Reshape` in a scope called flatten; a parser that keeps NCHW lays it out in
#   its own order, and the dense weights meet the wrong numbers. No error, the right shapes, boxes that tumble.
# - `Reshape((25088,))` says the same with a shape, and converts right. No weight changes.
# - A shape may hold one -1. The batch has it already.
# - Make every layer an output, compare layer by layer, and look at the first that differs.
#
# Next: [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb), an operation that UFF has never heard of.
