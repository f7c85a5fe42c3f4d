# %% [markdown]
# # 02 Flatten and Reshape
#
# Most conversions that fail do so loudly: an error, a name, a line. This page is about those that succeed, and give other answers
# than TensorFlow. The article of 2019 reports one: `Flatten`, it says, "is able to silently confuse TensorRT and completely ruin
# network quality". Is that so? You need not take its word, nor ours. NVIDIA's own parser reads a file without a GPU, so we ask it.
#
# After this page you will be able to
#
# - see in a UFF file what became of a `Flatten`, and what NVIDIA's parser makes of it,
# - show with eight numbers how answers can be wrong although no error appears,
# - find the first wrong layer in a network of your own, without knowing what to look for,
# - recognise faults that UffParsers say nothing about, or next to nothing, and repair the model.
#
# **You need** page 01. **Time:** about 55 minutes, 20 of them for the exercises.

# %%
import numpy as np
from helpers import artifacts, freeze, network, page, parity, patients, process
from helpers import run, scenes, show, through_uff

process.prepare_tensorflow()
import uff
import uffparser
print("uff is", uff.__name__)

# %% [markdown]
# `uff` is NVIDIA's converter, or ours: the last line says whose. On a Jetson with JetPack 4.2 to 5.1 it is NVIDIA's, called just
# `uff`. Elsewhere Python finds `uffsurgeon.uff` under that name, the workbook's own, with the same functions and, where NVIDIA's
# are not silently wrong, the same results. `uffparser` is the workbook's cover for NVIDIA's parser.
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
# differs between versions of TensorFlow ([versions](../docs/versions.md)). A -1 in it means *whatever is left*. All say the same:
# one row of 25,088 numbers for each image.
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
# A .uff file is a list of nodes like TensorFlow's, with fewer kinds of them. One call converts, and what it prints deserves
# to be read. It writes the file and also returns its bytes, which we leave: what reads a .uff takes its path, and a variable would
# keep the weights in memory once more, for as long as the notebook runs.

# %%
uff_file = artifacts.BUILD / "box3d_flatten.uff"
uff.from_tensorflow(first, list(network.OUTPUTS), quiet=True, output_filename=str(uff_file))
print("%.1f MB" % (uff_file.stat().st_size / 1e6))

# %% [markdown]
# NVIDIA's converter of 2019 prints these very lines (`quiet=True` only spares you a print of the input and output nodes). The
# first warns that it was made for another TensorFlow and does no harm. Those about LeakyRelu wait for page 03. The one about
# `keepdims` is about the `Sum` in `l2_normalize`: UFF always keeps the axis that was summed, as our sum does. The line for us
# is the one that looks the least important: `DEBUG: convert reshape to flatten node`. The converter has seen a `Reshape` in a
# scope, `flatten_1`, that contains the word *flatten*, and has guessed what is meant. NVIDIA's looks at that name and at
# nothing else; the workbook's also looks whether the result is a row.

# %%
from uffsurgeon.uff import schema

show.graph(schema.read(uff_file), "flatten_1")

# %% [markdown]
# Whatever computed the shape is gone, and so is the shape. What remains is an operation called `Flatten`. (`Pool` is UFF's word
# for MaxPool, `FullyConnected` for MatMul.) Here is all that the file says about it.

# %%
print([node for node in schema.read(uff_file).graphs[0].nodes
       if node.id == "flatten_1/Reshape"][0])

# %% [markdown]
# "Lay it out in one row." Fair enough. But in which order?
#
# ## What the parser does with it
#
# TensorFlow keeps an image as rows of pixels and each pixel as its channels: batch, height, width, channels, in short
# **NHWC**. TensorRT keeps one whole plane per channel: batch, channels, height, width, **NCHW**. Its UFF parser transposes
# the image in front of the first convolution and the weights with it, and from there on everything is NCHW. If it then meets
# `Flatten` and lays out what it has, the row is in another order than TensorFlow's.
#
# Does it? On Linux with x86-64, `python3 workbook.py parser` fetches the libraries of TensorRT 5.1.5 once (68 MB; they are
# NVIDIA's, under NVIDIA's licence), and from then on this page runs that parser. Without it the page takes a **recording** of
# what the same parser made of the same file. The first line says which.
#
# Our network needs two operations replaced before the parser takes it. Pages 03 and 05 do that by hand; here
# `through_uff.convert` does: LeakyReLU becomes a plugin of NVIDIA's, and the normalisation at the end is left to NumPy.
#
# **Guess first.** In which order will the parser lay out the row?

# %%
guess = ...  # "channels first" or "as TensorFlow"

# %%
parsed = through_uff.parse(through_uff.convert(first))
print("parse returned", parsed.ok, "and said", parsed.log)
uffparser.table(parsed, "flatten")

# %% [markdown]
# A *shuffle* is TensorRT's layer for any change of shape or order. This one stands in the place of our `Flatten`. What it does is
# `transpose (1, 2, 0)`: of channels, height, width it makes height, width, channels. **The parser goes back to TensorFlow's
# order**, and the dense layer that follows reads the numbers in that order. The parser's network as a whole, all its layers with
# all their weights, is there in `parsed`, and ONNX Runtime can compute it:

# %%
found = network.heads(through_uff.normalized(through_uff.answers(parsed, images)))
parity.compare(reference, found, street)

# %% [markdown]
# *Equal*: every value is in its place. So what did the article see? What is known, and from where:
#
# | statement | how it is known |
# |---|---|
# | TensorRT's UffParser of 5.1.5 keeps TensorFlow's order | seen here, where the parser is built; else recorded by us on a CPU |
# | so do those of 6.0.1, 7.1.3, 7.2.1, 8.0.1 and 8.2.3 | recorded by us on a CPU, in the same way |
# | and that of 8.6.1 | recorded by us: its plan ran on a GPU ([verified](../docs/verified.md)) |
# | with 5.0.6 boxes tumbled | reported by the article; 5.0.6 can no longer be had |
# | because `Flatten` was laid out in NCHW order | our explanation: it fits the report, and cannot be tested |
#
# ## How it would look
#
# The fault is worth knowing all the same, because any tool that moves a network from NHWC to NCHW can have it. So we build it:
# an **imitation** lays out the `Flatten` in NCHW order.
#
# **Guess first.** Which will look wrong at once: the sums of the confidences, the lengths of the directions, both, or neither?

# %%
guess = ...  # "sums", "lengths", "both" or "neither"

# %%
broken = network.heads(through_uff.as_reported_for_5_0_6(first, images))
print(broken["confidence"].sum(axis=1).round(3))
print(np.linalg.norm(broken["orientation"], axis=2).min().round(3))

# %% [markdown]
# No error, no warning, the same shapes as above. It even looks healthy: confidences add up to one, directions have length one. The
# gate, our acceptance test, sees it at once.

# %%
parity.compare(reference, broken, street)

# %%
show.scene_before_after(
    street[1], parity.place(broken, street)[1], parity.place(reference, street)[1],
    ("Flatten in NCHW order", "as TensorFlow has it"))

# %% [markdown]
# Most boxes still lie over their cars, because each is placed to fit the 2D box as well as it can. The view from above shows what
# that costs. In the two photos together, half of the boxes are turned by 40 degrees and more, and some are placed so far
# away that they have left the map. The fault does not produce nonsense, it produces *other answers*. With one car to look at, you
# might have shipped it.
#
# ## How to find it
#
# We know where the fault is. In a network of your own you will not. But any node of a graph can be made an output. Take them
# all, on both sides, with one image, and compare: the first that differs is the culprit, and all after it are only its victims.
# Which nodes? Those that carry pictures and vectors, in the order of the graph.

# %%
from uffsurgeon import to_onnx

kinds = ("Relu", "MaxPool", "Reshape", "LeakyRelu", "Softmax")
names = [node.name for node in first.node if node.op in kinds]
expected = run.tensorflow(first, images[:1], names)
suspect = run.onnx(to_onnx.convert(uff_file, outputs=names, flatten_as="nchw"), images[:1])
errors = through_uff.errors(expected, suspect)

# %% [markdown]
# `errors` has each layer's largest error, as a share of its largest value. (`flatten_as="nchw"` is the fault that we built in; the
# search does not know of it.)

# %%
import matplotlib.pyplot as plt

def draw_errors(errors):
    figure, axis = plt.subplots(figsize=(7, 0.2 * len(errors) + 0.6))
    axis.barh(list(errors), [min(max(error, 1e-8), 10) for error in errors.values()],
              color=["#d9580d" if error > 1e-3 else "#2563eb" for error in errors.values()])
    axis.set(xscale="log", xlim=(1e-8, 10), xlabel="largest error / largest value")
    axis.tick_params(labelsize=8)
    axis.invert_yaxis()

draw_errors(errors)

# %% [markdown]
# Blue is the noise of 32-bit numbers added in another order, around one millionth. It is there in every layer and means
# nothing. Then, at `flatten_1/Reshape`, the error jumps by a factor of a hundred thousand or more. What the layer reads is
# right; what it gives is wrong; so look at that layer alone.

# %%
layer = "flatten_1/Reshape"
right_row, wrong_row = expected[layer][0], suspect[layer][0]
print("equal:", np.allclose(right_row, wrong_row, atol=1e-3))
print("equal once sorted:", np.allclose(np.sort(right_row), np.sort(wrong_row), atol=1e-3))

# %% [markdown]
# The same numbers, in another order. That is the signature of this fault, and sorting both sides is the quickest test for it.
#
# "The first that differs" holds for 32 bits. With fewer, errors grow from the first layer on.

# %% [markdown]
# ### On your own network
#
# TensorFlow against what a .uff *says*, layer by layer, without the workbook. Here and below, `input_1` and `answer/BiasAdd`
# stand for your input and output: what page 01 printed, without the `:0`. **What a parser then makes of the file is another
# question**, for the end of this page. To search a plan, register the same `names` as outputs when you build it (page 03), and
# transpose feature maps from NCHW to NHWC. A layer whose result is an output is not merged with the next (reported: NVIDIA's
# documentation), so a fault that merging causes will not show.
#
# ```python
# import numpy as np, onnxruntime, tensorflow as tf
# from uffsurgeon import to_onnx
# from uffsurgeon.uff import schema
#
# graph = tf.compat.v1.GraphDef.FromString(open("mine.pb", "rb").read())
# kinds = ("Relu", "MaxPool", "AvgPool", "Mean", "Reshape", "BiasAdd", "Softmax")
# kept = {node.id for node in schema.read("mine.uff").graphs[0].nodes}
# names = [node.name for node in graph.node if node.op in kinds and node.name in kept]
# to_onnx.convert("mine.uff", "search.onnx", outputs=names)
# x = np.load("mine.npy")
# with tf.Graph().as_default(), tf.compat.v1.Session() as session:
#     tf.import_graph_def(graph, name="")
#     expected = session.run([name + ":0" for name in names], {"input_1:0": x})
# session = onnxruntime.InferenceSession("search.onnx", providers=["CPUExecutionProvider"])
# for name, a, b in zip(names, expected, session.run(names, {"input_1": x})):
#     print("%-32s %.1e" % (name, np.abs(a - b).max() / np.abs(a).max()))
# ```

# %% [markdown]
# ## Why, with eight numbers
#
# A feature map of 2 rows, 2 columns and 2 channels will do. NumPy keeps the last axis together in memory, as TensorFlow does;
# the transposed map stands for NCHW.

# %%
tiny = np.arange(8).reshape(2, 2, 2)  # row, column, channel
in_nhwc = tiny.reshape(-1)
in_nchw = tiny.transpose(2, 0, 1).reshape(-1)
print(in_nhwc, in_nchw)

# %% [markdown]
# Drawn, with one colour per channel. Each line follows one number from its place in TensorFlow's row to its place in
# the other.

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
# The same for the real row. Take TensorFlow's 25,088 numbers in NCHW `order`: they are the row of the imitation. The last line
# counts how many are still in their place.
#
# **Guess first.** How many of the 25,088 are?

# %%
guess = ...  # a number

# %%
order = np.arange(7 * 7 * 512).reshape(7, 7, 512).transpose(2, 0, 1).reshape(-1)
print("the same row:", np.allclose(right_row[order], wrong_row, atol=1e-3))
print("in place:", (order == np.arange(25088)).sum())

# %% [markdown]
# ## The article's repair
#
# In the Keras model, one line:
#
# ```python
# x = Flatten()(x)              # before
# x = Reshape((25088,))(x)      # after
# ```
#
# Both lay out the numbers in the same order, NHWC, and neither has a weight. So all weights stay what they are, and nothing
# needs to be trained again. Here are the two in UFF, without the nodes that look up how many images there are:

# %%
repaired = freeze.load(freeze.box3d(flat="reshape"))
repaired_file = artifacts.BUILD / "box3d_reshape.uff"
with page.silence():
    uff.from_tensorflow(repaired, list(network.OUTPUTS), quiet=True,
                        output_filename=str(repaired_file))
show.graph_before_after(schema.read(uff_file), schema.read(repaired_file), "flatten_1",
                        "reshape_1", hide=["*/strided_slice*", "*/Shape"])

# %% [markdown]
# For the converter the scope is now called `reshape_1`, so it keeps the operation and its shape, the 25,088. What does the
# parser make of that?

# %%
uffparser.table(through_uff.parse(through_uff.convert(repaired)), "reshape_1")

# %% [markdown]
# The same transpose, as a layer that the parser has added and not named, and then the reshape to 25,088, with two ones, because
# this parser's shapes have three dimensions at least. With the seven parsers that were asked the repair changes nothing. It was
# still right to do: the file now *says* the shape, instead of leaving it to a guess from the name of a scope. A layer called
# `my_flattened_map` would have become a `Flatten`, too. The gate:

# %%
mended = network.heads(through_uff.run(repaired, images))
parity.compare(reference, mended, street)

# %%
show.boxes_on_scene(street[1], parity.place(mended, street)[1], title="through UFF")

# %% [markdown]
# *Equal*, or *close* where a plan ran on a GPU that computes in TF32 (page 06).
#
# ## A fault that nobody told us of
#
# Now we know how to look. So let us look at something that no article told us. Here is a small network with random weights that
# begins as MobileNet does in Keras 2.2: the image gets a row of zeros below and a column of zeros on the right, then comes a
# convolution of stride 2, which moves on by two pixels at a time.

# %%
sick = patients.freeze(patients.padded())
show.graph(sick, "pad", constants=False)

# %%
def to_uff(graph, outputs):
    with page.silence():
        return uff.from_tensorflow(graph, outputs, quiet=True)

def ask(graph, outputs):
    parsed = through_uff.parse(to_uff(graph, outputs))
    print("parse returned", parsed.ok, "and said", parsed.log)
    return parsed

parsed = ask(sick, ["answer/BiasAdd"])

# %% [markdown]
# It says *yes*, and not a word more. So we search: every node that TensorFlow and the parser's network have in common is
# compared; a layer with another number of values counts as infinitely wrong (the chart ends at 10).
#
# **Guess first.** Which layer will be the first that is wrong?

# %%
guess = ...  # "pad", "conv", "mean", "answer" or "none"

# %%
def errors_by_layer(graph, parsed, image):
    made = uffparser.tensors(parsed)
    names = [node.name for node in graph.node if node.input and node.name in made]
    return through_uff.errors(run.tensorflow(graph, image, names),
                              through_uff.answers(parsed, image, names))

picture = patients.images(1)
draw_errors(errors_by_layer(sick, parsed, picture))

# %%
uffparser.table(parsed, "pad")

# %% [markdown]
# The first layer is wrong already. The zeros should turn [32, 32, 3] into [33, 33, 3]; the parser makes [32, 33, 3]. The table
# says how much it puts before and after: 0x0, and 1x0, of the *last two* of three dimensions only. After a convolution, where
# everything is channels, height, width, those are the right ones. Here, before the first convolution, the order is still
# height, width, channels, and the row of zeros is lost. And the answer?

# %%
truth = run.tensorflow(sick, picture)["answer/BiasAdd"]
told = through_uff.answers(parsed, picture)["answer/BiasAdd"]
print(truth.round(3), told.round(3))

# %% [markdown]
# Off by a few per cent, because the mean at the end hides where the pixels were. Nothing about it looks like a fault. All
# UffParsers that we asked do this, and 8.6.1 on a GPU. The repair is what later versions of Keras do: no padding of its own, and a
# convolution that pads itself (`padding="same"`), which with stride 2 and an even size pads in the same places.

# %%
well = patients.freeze(patients.padded(repaired=True))
parsed = ask(well, ["answer/BiasAdd"])
draw_errors(errors_by_layer(well, parsed, picture))

# %% [markdown]
# ## Two more, and one that was fixed
#
# `tf.concat(..., -1)`, the last axis, is what everybody writes. This parser wants the number 3:

# %%
joined = patients.freeze(patients.joined())
parsed = ask(joined, ["join/concat"])
uffparser.table(parsed, "concat")

# %% [markdown]
# Two images of 3 channels became one image twice as high. This time there is a line in the log, and `parse` returned `True`
# nevertheless. With axis 3, which is TensorRT's 2, because TensorRT does not count the batch:

# %%
parsed = ask(patients.freeze(patients.joined(repaired=True)), ["join/concat"])
uffparser.table(parsed, "concat")

# %% [markdown]
# The next network is a `Flatten` of an already flat tensor. It changes nothing, so for the parser its output *is* its input.

# %%
parsed = ask(patients.freeze(patients.unchanged()), ["flatten/Reshape"])
print("outputs:", parsed.outputs)

# %% [markdown]
# `True`, and a network that gives nothing. Leave such a layer out. So **never trust what `parse` returns alone**: look at the log,
# and count the outputs.
#
# And one that is no fault any more. `Reshape((6, -1))`, six rows and *work out the rest*, was refused by TensorRT 4: `Reshape:
# -1 dimension specified more than 1 time` ([issue 384](https://github.com/NVIDIA/TensorRT/issues/384)), since the batch, of
# unknown size, counted as another -1. (With `width=8` the network is eight times narrower, enough for this.)

# %%
minus_one = freeze.load(freeze.box3d(pairs=-1, width=8))
show.graph(minus_one, "reshape_2/Reshape/shape")

# %%
parsed = through_uff.parse(through_uff.convert(minus_one))
print("parse returned", parsed.ok)
uffparser.table(parsed, "reshape_2")

# %% [markdown]
# Here it converts, to [6, 2] with a trailing 1. Write `Reshape((6, 2))` anyway, as our network does: it costs nothing, and no
# parser can miscount.
#
# ## Before you are at a board
#
# Seven UffParsers have been asked what they make of some thousands of small networks. What came out is in `uffsurgeon check`,
# which reads a .uff and says what a parser will refuse and what it will silently get wrong, with the way out. Here it is on the
# padding and on the concatenation:

# %%
from uffsurgeon import check as checking

for graph, output in ((sick, "answer/BiasAdd"), (joined, "join/concat")):
    for finding in checking.check(to_uff(graph, [output])):
        print("%s: %s. Remedy: %s." % (finding.node, finding.message, finding.recipe))
        print("   in the parsers of", ", ".join(finding.versions))

# %% [markdown]
# What it does not know it cannot tell, so the gate still decides. And our first network, with its `Flatten`?

# %%
found = checking.check(through_uff.convert(first))
[finding.node for finding in found if finding.level == "error"]

# %% [markdown]
# No error: a `Flatten` is right where a dense layer reads it, as here. At the end of a network, or before an addition,
# `check` reports *wrong values*, and names a Reshape in a scope without *flatten* as the way out.

# %% [markdown]
# ### On your own network
#
# Convert, then check. The names are those of your output nodes. On a Jetson `import uff` is NVIDIA's converter, and prints the
# same lines; ours warns where it keeps a Reshape of which NVIDIA's would make a Flatten. The two commands `convert-to-uff
# mine.pb -o mine.uff -O answer/BiasAdd` and `uffsurgeon check mine.uff` do the same.
#
# ```python
# from uffsurgeon import uff
# from uffsurgeon.check import check
#
# uff.from_tensorflow_frozen_model("mine.pb", ["answer/BiasAdd"], output_filename="mine.uff")
# for finding in check("mine.uff"):
#     print(finding.level, finding.node, finding.message, sep=": ")
#     print("   ", finding.recipe + ". In the parsers of", ", ".join(finding.versions))
# ```
#
# Where `python3 workbook.py parser` has fetched the parser, `errors_by_layer` from above works on your graph too, with
# `through_uff.parse("mine.uff")` and your inputs: the first layer that the *parser* gets wrong.

# %% [markdown]
# ## Your turn
#
# *Stuck? `hint("02.1")` gives a first hint, called again a second one; so for the others.*
#
# **1.** Write the imitation's fault: `flatten_nchw(x)` takes feature maps `[N, H, W, C]` and returns `[N, H * W * C]`, laid
# out in NCHW order.

# %% tags=["exercise"]
from notebooks.checks import check, hint

def flatten_nchw(x):
    return ...


check("02.1", flatten_nchw)

# %% tags=["solution"]
from notebooks.checks import check

def flatten_nchw(x):
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


check("02.1", flatten_nchw)

# %% [markdown]
# **2.** Suppose that a tool has the imitation's fault, and you cannot touch the graph. Then leave `Flatten` in, and put the
# *weights* into the order in which the numbers will come. Write `reorder(kernel, height, width, channels)`: it gets the weights of
# a dense layer (Keras calls them its *kernel*), `[height * width * channels, units]`, as trained, and returns them so that
# `flatten_nchw(x) @ reorder(kernel, ...)` is what the layer should answer.

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
# **3.** A patient: a network that cuts the first row and the first column off a feature map. The parser takes it without a
# word, and its answers are wrong. Which node is the culprit? Your instruments are `ask`, `errors_by_layer` and `draw_errors`;
# its output is `peak/Max`.

# %% tags=["exercise"]
sick = patients.freeze(patients.cropped())

culprit = ...  # the name of a node
check("02.3", culprit)

# %% tags=["solution"]
sick = patients.freeze(patients.cropped())
parsed = ask(sick, ["peak/Max"])
errors = errors_by_layer(sick, parsed, picture)
draw_errors(errors)
culprit = [name for name in errors if errors[name] > 1e-3][0]
print(culprit)
check("02.3", culprit)

# %% [markdown]
# ## What you saw
#
# - NVIDIA's converter turns every `Reshape` whose scope contains *flatten* into a `Flatten` without a shape. Before a dense layer
#   all UffParsers that we asked, 5.1.5 to 8.6.1, keep TensorFlow's order. The damage that the article reports was seen on 5.0.6
#   alone.
# - A row in another order has the right shape and the right numbers: sort both sides, and they are equal.
# - Make every layer an output, compare layer by layer, and look at the first that differs.
# - Zeros padded to the image before the first convolution, images concatenated along axis -1, a crop of a feature map: every UffParser
#   that we asked took these and computed something else. `uffsurgeon check` names them beforehand.
# - After `parse`: look at the log, count the outputs, and let the gate decide.
#
# Next: [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb), an operation that UFF does not have.
