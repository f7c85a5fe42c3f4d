# %% [markdown]
# # 01 Freeze
#
# TensorRT cannot read a Keras model. It reads a *graph*: a list of operations and what each feeds on, with all weights as
# plain numbers. Making that graph is called **freezing**. It is the first step of the road, and the one where we find out
# what will go wrong later.
#
# After this page you will be able to
#
# - freeze a Keras model, step by step, and say what each step takes away,
# - read a node of the graph as TensorFlow prints it,
# - count the operations of a graph and tell which of them UFF and TensorRT 5 have never heard of,
# - prove that the frozen graph still draws the same boxes.
#
# **You need** notebook 00. **Time:** 25 minutes.

# %%
import sys; sys.path.insert(0, "..")
from helpers import freeze, network, parity, scenes, show

# %% [markdown]
# ## The network, and its answers as the standard
#
# The body is VGG16's: thirteen convolutions in five blocks, each block ending in a pooling that halves the picture. Then the
# 7 x 7 x 512 numbers that remain are laid out in one row and given to the three heads.

# %%
model = network.load_weights(network.build())
print("{:,} parameters in {} layers".format(model.count_params(), len(model.layers)))

# %% [markdown]
# A closer look at the last layers. The names matter: they become the names of nodes, and surgery finds nodes by name.

# %%
for layer in model.layers[-12:]:
    print("%-16s %-14s %s" % (layer.name, type(layer).__name__, layer.output.shape))

# %% [markdown]
# What Keras answers for these three scenes is the standard against which every later step is held.

# %%
street = [scenes.load(name) for name in scenes.names()[:3]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
reference = network.heads(model.predict(images, verbose=0))
print(len(images), "crops;", {name: head.shape for name, head in reference.items()})

# %% [markdown]
# ## A graph that can still learn
#
# This is the graph behind the model as it stands, with its weights in **variables**: places that training may write to. A
# graph is a list of nodes, and we can count them by what they do.

# %%
from collections import Counter

unfrozen = freeze.unfrozen(model)
print(len(unfrozen.node), "nodes")
Counter(node.op for node in unfrozen.node).most_common(8)

# %% [markdown]
# Every weight takes several nodes: one that holds the variable and one that reads it, and in TensorFlow 1 also those that set
# its first value. Here is one dense layer of the orientation head with everything it feeds on.

# %%
show.graph(unfrozen, ["dense_3/MatMul", "dense_3/BiasAdd"], reach=2, readers=False)

# %% [markdown]
# ## Freezing, one step at a time
#
# **First**, each variable is replaced by its value. The graph now carries all weights inside itself: 40 million numbers of
# four bytes.

# %%
graph, outputs, weights = freeze.variables_to_constants(model)
print("%d nodes, %d of them weights" % (len(graph.node), len(weights)))
print("%.0f MB" % (graph.ByteSize() / 1e6))
print(outputs)

# %% [markdown]
# **Second**, what does nothing goes. An `Identity` hands on what it gets; Dropout was left out already, because we asked for
# the graph of inference. Then only nodes from which an output can be reached are kept.

# %%
freeze.bypass_identity(graph, outputs)
freeze.strip_unused(graph, outputs)
print(len(graph.node), "nodes")

# %% [markdown]
# **Third**, what can be computed now is computed now: a node that depends on constants alone becomes a constant itself. And
# equal constants are shared. The graph has several that are just the number 0 or 1, somewhere in the arithmetic of shapes.

# %%
freeze.fold_constants(graph, outputs)
freeze.merge_equal_constants(graph, keep=weights)
freeze.strip_unused(graph, outputs)
print(len(graph.node), "nodes")

# %% [markdown]
# Sharing saves a few bytes and will cost us attention later: the constant `reshape_1/strided_slice/stack` now serves nodes in
# quite different places, and whoever cuts out `reshape_1` takes it from all of them. The weights are left out of it: two
# biases that happen to be equal are still two biases.
#
# The dense layer from above, before and after. Red is gone, green is new.

# %%
show.graph_before_after(unfrozen, graph, ["dense_3/MatMul", "dense_3/BiasAdd"],
                        reach=2, readers=False)

# %% [markdown]
# `freeze.freeze` does all of this in one call. With `text=True`, `save` also writes a `.pbtxt`, the same graph to read with
# your own eyes; with 40 million numbers in it that file is for small networks only.

# %%
graph = freeze.freeze(model)
path = freeze.save(graph, freeze.artifacts.BUILD / "box3d_notebook_01.pb")
print("%s, %.1f MB, %d nodes" % (path.name, path.stat().st_size / 1e6, len(graph.node)))

# %% [markdown]
# ## Reading one node
#
# A node is small enough to read. This is an activation of the orientation head, printed as the `.pbtxt` has it.

# %%
node = [node for node in graph.node if node.name == "leaky_re_lu_2/LeakyRelu"][0]
print(node)

# %% [markdown]
# `name` is how others refer to it, `op` what it does, `input` what it feeds on, and the attributes (`attr`) are its settings:
# the type of its numbers and `alpha`, the slope for negative ones. We asked Keras for 0.1. In 32-bit floating point there is
# no 0.1; the nearest number is 0.10000000149011612, and that is what travels from here on. Some versions of TensorFlow print
# it in full, some round it for display.

# %%
node.attr["alpha"].f

# %% [markdown]
# ## The three that make trouble
#
# UFF, the format that TensorRT 5 reads, knows 69 of TensorFlow's operations by name. `show.census` counts ours and marks what
# is not on that list.

# %%
from helpers.uff import operations

show.census(graph, operations.OPERATIONS)

# %% [markdown]
# One operation stands out: `LeakyRelu`. UFF has no word for it, so the converter writes it down as a *custom* operation and
# leaves it to TensorRT to find a plugin of that name. That is notebook 03.
#
# It would be comforting if the census found all troubles. It finds one of three. The second is built from operations that
# are all on the list: `tf.nn.l2_normalize`, six nodes that square, sum, take a maximum and a square root.

# %%
show.graph(graph, "orientation/l2_normalize")

# %% [markdown]
# Each of them is known to UFF. TensorRT's parser still stops at two of them: it takes no maximum with a constant on its right
# (`Unsupported binary op max with constant right`) and no reciprocal square root of such a result (`Unary not supported for
# other non-constant node`). What is on a list of names need not work in every combination. That is notebook 04.
#
# The third is worse, because nothing complains at all. In this repaired network the layer before the heads is a `Reshape`. The
# article's first version had Keras's `Flatten` there.

# %%
first = freeze.freeze(network.build(flat="flatten"))
show.graph_before_after(first, graph, "flatten_1", "reshape_1")

# %% [markdown]
# Both compute the same numbers in TensorFlow. TensorRT converts both without a word, and with the left one the boxes tumble.
# That is notebook 02. (What TensorFlow writes for `Flatten` depends on its version: 1.13 takes the shape apart and puts it
# together again, 2.x writes a constant. The trap is the same.)
#
# Here they are together, in the heads of the network: everything that will need a surgeon.

# %%
heads = ["block5_pool", "reshape_*", "dense_*", "leaky_re_lu_*", "dimension", "orientation",
         "confidence"]
trouble = ["leaky_re_lu_*", "dimension/LeakyRelu", "orientation/l2_normalize", "reshape_1"]
show.graph(graph, heads, reach=0, mark=dict.fromkeys(trouble, "trouble"), constants=False)

# %% [markdown]
# ## The gate
#
# Does the frozen graph still give Keras's answers? We run it, put both side by side, and let `parity` say it in outputs, in
# degrees and in metres. Every conversion in this workbook has to pass such a gate.

# %%
frozen = network.heads(freeze.run(graph, images))
parity.compare(reference, frozen, street)

# %% [markdown]
# To see what a gate is good for, break something on purpose. Here the colours stay in the order of the photo, red first,
# instead of the network's blue first. Nothing crashes, and each number looks like a plausible one.

# %%
swapped = network.heads(freeze.run(graph, images[..., ::-1].copy()))
parity.compare(reference, swapped, street)

# %%
wrong, right = parity.place(swapped, street), parity.place(reference, street)
show.scene_before_after(street[0], wrong[0], right[0], ("colours swapped", "as it should be"))

# %% [markdown]
# ## A look around, live
#
# [netron](https://github.com/lutzroeder/netron) draws a whole model file, and you can click on every node. It needs a running
# kernel and a browser on the same machine (or a forwarded port), so on a printed page there is nothing to see; the pictures
# above are its static twin. Set `LIVE` to `True` to try it.

# %%
LIVE = False
if LIVE:
    display(show.netron_view(path))

# %% [markdown]
# ## Your turn
#
# **1.** A colleague has frozen only the `dimension` head, to estimate sizes and nothing else. Do the same: `freeze.freeze`
# takes a list of output names. How many nodes are left?

# %% tags=["exercise"]
from helpers import exercises

small = ...  # a GraphDef
exercises.check("01.1", small)

# %% tags=["solution"]
from helpers import exercises

small = freeze.freeze(model, ["dimension/LeakyRelu"])
print(len(small.node), "nodes")
exercises.check("01.1", small)

# %% [markdown]
# **2.** How many weights does a frozen graph hold? Write `parameters(graph)`, which adds up the sizes of all constants that
# are floating point numbers with at least one dimension. (`freeze.tf.make_ndarray(node.attr["value"].tensor)` gives a
# constant's value as a NumPy array.)

# %% tags=["exercise"]
def parameters(graph):
    return ...


exercises.check("01.2", parameters)

# %% tags=["solution"]
def parameters(graph):
    values = [freeze.tf.make_ndarray(node.attr["value"].tensor)
              for node in graph.node if node.op == "Const"]
    return sum(value.size for value in values if value.dtype.kind == "f" and value.ndim)


print("{:,}".format(parameters(graph)))
exercises.check("01.2", parameters)

# %% [markdown]
# **3.** Surgery has to know who reads a node before it takes the node out. Write `readers(graph, name)`, the set of names of
# all nodes that have `name` among their inputs. Mind that an input may also be written `name:0` (its first output) or `^name`
# (run before me); `freeze.producer` takes such decorations off.

# %% tags=["exercise"]
def readers(graph, name):
    return ...


exercises.check("01.3", readers)

# %% tags=["solution"]
def readers(graph, name):
    return {node.name for node in graph.node
            if name in [freeze.producer(text) for text in node.input]}


print(readers(graph, "reshape_1/Reshape"))
exercises.check("01.3", readers)

# %% [markdown]
# ## What you saw
#
# - Freezing turns variables into constants and drops what only training needs: a few hundred nodes became 120.
# - Equal constants are shared afterwards, across layers. Surgery will have to mind that.
# - A census of operations finds what a converter has no name for. It does not find what a parser refuses in combination, nor
#   what converts silently wrong.
# - A gate that speaks in degrees and metres finds both.
#
# Next: [02 flatten and reshape](02_flatten_and_reshape.ipynb), where nothing complains and everything is wrong.
