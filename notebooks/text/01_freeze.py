# %% [markdown]
# # 01 Freeze
#
# TensorRT cannot read a Keras model. It reads a **graph**: the operations (*nodes*) and what feeds what, with all weights as
# plain numbers. TensorFlow's format for a graph is called **GraphDef**. Making one from a model is called **freezing**. It is
# the first step, and it already shows what will go wrong later. Today's converters do it inside; doing it by hand shows what
# they do.
#
# After this page you will be able to
#
# - freeze a Keras model, step by step, and say what each step takes away,
# - read a node of the graph as TensorFlow prints it,
# - count the operations of a graph and tell which of them UFF and TensorRT 5 do not know,
# - prove that the frozen graph still draws the same boxes, and say what *equal*, *close* and *broken* mean.
#
# **You need** page 00. **Time:** about 40 minutes, 20 of them for the exercises.

# %%
from helpers import artifacts, freeze, network, parity, process, run, scenes, show

process.prepare_tensorflow()

# %% [markdown]
# ## The network, and its answers as the reference
#
# The body is VGG16's: thirteen convolutions in five blocks, each block ending in a pooling that halves the picture. 7 x 7 x 512
# = 25,088 numbers remain. They are laid out in one row and given to the three heads.

# %%
model = network.load_weights(network.build())
print("{:,} parameters in {} layers".format(model.count_params(), len(model.layers)))

# %% [markdown]
# A closer look at the last layers. Their names matter: they become the first part of the names of nodes, as in `dense_3/MatMul`,
# and surgery finds nodes by name. What stands before the last slash TensorFlow calls the node's **scope**; graphsurgeon calls
# such a beginning a **namespace**. The network is built with Keras 2, which names layers and nodes as the article of 2019 did.
# `freeze.freeze` takes a model of Keras 3, too. Its nodes get other names, so print them before you operate.

# %%
for layer in model.layers[-12:]:
    print("%-16s %-14s %s" % (layer.name, type(layer).__name__, layer.output.shape))

# %% [markdown]
# Keras's answers for these three scenes are the **reference**. Every later step is compared with them.

# %%
street = [scenes.load(name) for name in scenes.names()[:3]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
reference = network.heads(model.predict(images, verbose=0))
print(len(images), "crops;", {name: head.shape for name, head in reference.items()})

# %% [markdown]
# ## A graph that can still learn
#
# This is the model's graph before freezing, with its weights in **variables**: places that training may write to. A graph is a
# list of nodes, and we can count them by what they do.
#
# **Guess first.** The model has 36 layers. How many nodes has its graph?

# %%
guess = ...  # a number of nodes

# %%
unfrozen = freeze.unfrozen(model)
print(len(unfrozen.node), "nodes")
holders = {"Placeholder", "VarHandleOp", "ReadVariableOp"}
show.census(unfrozen, {node.op for node in unfrozen.node} - holders)

# %% [markdown]
# Every weight takes several nodes: one that holds the variable and one that reads it, in orange; TensorFlow 1 adds those that
# set its first value. TensorFlow 2 prints the holder as a `Placeholder`, like the input: 38 variables and one picture make 39.
# Here is one dense layer of the orientation head with its inputs.

# %%
# reach=2: also what is up to two steps away; readers=False: only upwards, to the inputs
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
# **Second**, nodes that do nothing are removed. An `Identity` hands on what it gets. Dropout was left out already, because we
# asked for the graph of inference. Then only nodes from which an output can be reached are kept.

# %%
freeze.bypass_identity(graph, outputs)
freeze.strip_unused(graph, outputs)
print(len(graph.node), "nodes")

# %% [markdown]
# **Third**, what can be computed now is computed now: a node that depends on constants alone becomes a constant itself. And
# equal constants are shared. The graph has several that are just the number 0, 1 or 2, somewhere in the arithmetic of shapes.

# %%
freeze.fold_constants(graph, outputs)
freeze.merge_equal_constants(graph, keep=weights)
freeze.strip_unused(graph, outputs)
print(len(graph.node), "nodes")

# %% [markdown]
# What is left computes, or is a weight, or a number that a shape needs. Weights are not shared: two biases that happen to be equal
# are still two biases.
#
# Here is the dense layer from above, before and after. Red nodes are gone afterwards, green ones are new: the constants that
# took the place of the variables. Violet ones are still there, but read something else now.

# %%
show.graph_before_after(unfrozen, graph, ["dense_3/MatMul", "dense_3/BiasAdd"],
                        reach=2, readers=False)

# %% [markdown]
# `freeze.freeze` does all of this in one call, and `save` writes the file, here into the workbook's folder `build/`. With
# `text=True` it also writes a `.pbtxt`, the same graph to read with your own eyes. That is for small networks; ours would
# take 630 MB.

# %%
graph = freeze.freeze(model)
path = freeze.save(graph, artifacts.BUILD / "box3d_notebook_01.pb")
print("%s, %.1f MB, %d nodes" % (path.name, path.stat().st_size / 1e6, len(graph.node)))

# %% [markdown]
# ### On your own network
#
# TensorFlow 2.x freezes by itself. You need the model; TensorFlow chooses the names, and the second line that is printed has
# those of the outputs.
#
# ```python
# import tensorflow as tf
# from tensorflow.python.framework import convert_to_constants
#
# model = tf.keras.models.load_model("mine.h5", compile=False)
# function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
#     tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype))
# frozen = convert_to_constants.convert_variables_to_constants_v2(function)
# graph = frozen.graph.as_graph_def()
# tf.io.write_graph(graph, ".", "mine.pb", as_text=False)
# print([tensor.name for tensor in frozen.inputs])
# print([tensor.name for tensor in frozen.outputs])
# ```

# %% [markdown]
# ### On your own network, in TensorFlow 1
#
# The same in a session. `set_learning_phase(0)` comes before the model is made: it asks for the graph of inference.
#
# ```python
# import tensorflow as tf
#
# tf.keras.backend.set_learning_phase(0)
# model = tf.keras.models.load_model("mine.h5", compile=False)
# session = tf.keras.backend.get_session()
# outputs = [output.op.name for output in model.outputs]
# graph = tf.graph_util.convert_variables_to_constants(
#     session, session.graph.as_graph_def(), outputs)
# graph = tf.graph_util.remove_training_nodes(graph, protected_nodes=outputs)
# tf.train.write_graph(graph, ".", "mine.pb", as_text=False)
# print([tensor.name for tensor in model.inputs], outputs)
# ```

# %% [markdown]
# ## Reading one node
#
# A node is small enough to read. This is an activation of the orientation head, printed as the `.pbtxt` has it.

# %%
node = [node for node in graph.node if node.name == "leaky_re_lu_2/LeakyRelu"][0]
print(node)

# %% [markdown]
# `name` is how others refer to it, `op` what it does, `input` what it reads, and the attributes (`attr`) are its settings: the
# type of its numbers and the slope for negative ones, which TensorFlow calls `alpha` (it has nothing to do with the angle of page
# 00). We asked Keras for 0.1. In 32-bit floating point there is no 0.1; the nearest number is 0.10000000149011612, and that is the
# slope from here on, even where TensorFlow rounds it for display.

# %%
node.attr["alpha"].f

# %% [markdown]
# ## Two that make trouble, and one under suspicion
#
# TensorRT 5 reads **UFF** files (Universal Framework Format, NVIDIA's file format for networks before ONNX). NVIDIA's converter
# of that time, uff 0.6.3, knows 69 of TensorFlow's operations by name. `show.census` counts ours and marks what is not on that
# list.
#
# **Guess first.** How many of the operations that you have seen so far will not be on it?

# %%
guess = ...  # a number of operations

# %%
from uffsurgeon.uff import tensorflow_ops

show.census(graph, tensorflow_ops.OPERATIONS)

# %% [markdown]
# One operation stands out: `LeakyRelu`. UFF has no name for it. So the converter writes it down as a *custom* operation and
# leaves it to TensorRT to find a **plugin** of that name, an operation of your own. That is page 03.
#
# If only the census found all troubles! It finds one of three. The second is built from operations that are all on the list:
# `tf.nn.l2_normalize` is five operations and two constants. It squares, sums, takes the maximum with a very small number
# (*epsilon*, or `eps`, so that nothing is divided by 0), divides one by the square root, multiplies.

# %%
show.graph(graph, "orientation/l2_normalize")

# %% [markdown]
# The axis of the `Sum` is a constant with a strange name, `reshape_2/Reshape/shape/2`. That reshape needed a 2 as well, and
# equal constants are shared. Cut out one of the two layers, and you take the constant from the other. Page 05 trips over it.
#
# UFF knows each of the five. The **parser**, the part of TensorRT that reads such a file, still stops: it takes no maximum with
# a constant on its right (`Unsupported binary op max with constant right`). TensorRT 5.0.6, the article reports, took no reciprocal
# square root of such a result either. What is on a list of names need not work in every combination. That is page 05.
#
# The third, which the article suspects, would be worse, because nothing complains at all. In this repaired network the layer
# before the heads is a `Reshape`. The first version of the article had Keras's `Flatten` there:

# %%
first = freeze.freeze(network.build(flat="flatten"))
show.graph(first, "flatten_1")

# %% [markdown]
# In TensorFlow both compute the same numbers. The article reports that TensorRT 5.0 converts both without a word, and that with
# `Flatten` the boxes tumble. Whether that is so is the question of page 02.
#
# Here they are together, everything that was in the way or was thought to be:
#
# | in the first network | what happens | found by | page |
# |---|---|---|---|
# | five `LeakyRelu`, in all heads | UFF has no name for it | the census | 03 |
# | `l2_normalize`, at the end of `orientation` | the parser refuses one of its five operations, that of 5.0 two | the parser | 05 |
# | `Flatten`, before the heads | nothing complains, and the boxes are wrong, says the article of TensorRT 5.0 | a gate | 02 |

# %% [markdown]
# ### On your own network
#
# The same census in a few lines, with `uffsurgeon` (`pip install .` in the workbook's folder installs it alone). A `NoOp` may be
# listed that TensorFlow has left over; it computes nothing, and the converter drops it.
#
# ```python
# from collections import Counter
# from uffsurgeon import graphsurgeon as gs
# from uffsurgeon.uff import tensorflow_ops
#
# count = Counter(node.op for node in gs.DynamicGraph("mine.pb"))
# for op, nodes in count.most_common():
#     print("%-20s %4d %s" % (op, nodes, "" if op in tensorflow_ops.OPERATIONS else "<- not in UFF"))
# ```

# %% [markdown]
# ## The gate
#
# Does the frozen graph still give Keras's answers? Run it, put both side by side, and let `parity` say it in outputs, in
# degrees and in metres. Every conversion in this workbook has to pass this acceptance test, the **gate**. It has three
# verdicts:
#
# - **equal**: no output differs by more than 0.0001.
# - **close**: no box is lost, turns by more than 1 degree, changes its size (the mean of height, width and length) by more than
#   10 cm, or moves by more than 10 cm. Beyond 10 m it may move by 1 % of its distance, because one camera sees distance as size.
#   A box is lost when it has no direction any more, so that it cannot be placed. Vehicles that the edge of the photo cuts off on
#   two sides get no place from the reference either, and count only by their turn and size.
# - **broken**: anything else, and any output that is not a number.

# %%
frozen = network.heads(run.tensorflow(graph, images))
parity.compare(reference, frozen, street)

# %% [markdown]
# Freezing passes. Now break something on purpose, to see what a gate is good for. A frequent mistake is to give the network
# pixels between 0 and 1, as many networks want them. This one wants 0 to 255, less a mean.

# %%
pixels = (images + network.MEAN_BGR) / 255
small = network.heads(run.tensorflow(graph, pixels))
parity.compare(reference, small, street)

# %%
wrong, right = parity.place(small, street), parity.place(reference, street)
show.scene_before_after(street[2], wrong[2], right[2], ("pixels 0 to 1", "as it should be"))

# %% [markdown]
# Nothing crashed, and every single number looks plausible. But seen from above the two nearest cars are turned, one of them is
# two metres too close, and the arrow of the van points the other way: the picture shows it. Another frequent mistake is to
# leave the colours in the order of the photo, red first instead of blue first.
#
# **Guess first.** What will the gate say to that?

# %%
guess = ...  # "equal", "close" or "broken"

# %%
swapped = network.heads(run.tensorflow(graph, images[..., ::-1].copy()))
parity.compare(reference, swapped, street)

# %% [markdown]
# Broken as well: one box has moved by more than two metres, where 1 % of the distance is allowed, and more than 4 % was found.
# Would you have seen it?

# %%
other = parity.place(swapped, street)
show.boxes_on_scene(street[2], other[2], title="red and blue swapped")

# %% [markdown]
# Compare it with the lower picture above: hardly. These boxes move by 5 to 30 centimetres. The two metres are those of a car in
# the second photo, 55 m away and beyond the end of the map. That is why the gate speaks in numbers, and judges by the worst box.
#
# Both times the graph was right and its input was wrong. A gate cannot tell you which; it tells you that you have to look.

# %% [markdown]
# ### On your own network
#
# The boxes are ours; what your network is good for, you know best. But outputs can always be compared. Here `mine.npz` holds inputs
# `x`, and your model's answers to them as `answer_0`, `answer_1` and so on.
#
# ```python
# import numpy as np
# import tensorflow as tf
#
# with open("mine.pb", "rb") as file:
#     graph = tf.compat.v1.GraphDef.FromString(file.read())
# names = ["x:0", "Identity:0"]  # of the input and the outputs, as they were printed above
# with tf.Graph().as_default(), tf.compat.v1.Session() as session:
#     x, *outputs = tf.import_graph_def(graph, return_elements=names, name="")
#     known = np.load("mine.npz")
#     found = session.run(outputs, {x: known["x"]})
#     for i, (tensor, answer) in enumerate(zip(outputs, found)):
#         print(tensor.name, np.abs(answer - known["answer_%d" % i]).max())
# ```

# %% [markdown]
# ## A look around, live
#
# [netron](https://github.com/lutzroeder/netron) draws a whole model file, and you can click on every node. It needs a running
# notebook and a browser on the same machine (or a forwarded port), so on a printed page there is nothing to see. To try it,
# `pip install netron` and set `LIVE` to `True`. Its page asks a server for your country; without a network it waits at a
# notice until you click that away.

# %%
LIVE = False
if LIVE:
    display(show.netron_view(path))

# %% [markdown]
# ## Your turn
#
# *Stuck? `hint("01.1")` gives a first hint, called again a second one; so for the others.*
#
# **1.** A colleague needs only sizes. Freeze the `dimension` head alone: `freeze.freeze` takes a list of output names as its
# second argument (step one printed them) and returns a GraphDef. Before you run it, guess: will a third of the 120 nodes be
# left?

# %% tags=["exercise"]
from notebooks.checks import check, hint

sizes = ...  # a GraphDef
check("01.1", sizes)

# %% tags=["solution"]
from notebooks.checks import check

sizes = freeze.freeze(model, ["dimension/LeakyRelu"])
print(len(sizes.node), "nodes")
check("01.1", sizes)

# %% [markdown]
# **2.** How many weights does a frozen graph hold? Write `parameters(graph)`, which adds up the sizes of all constants that
# are floating point numbers with at least one dimension. (`tf.make_ndarray(node.attr["value"].tensor)` gives a
# constant's value as a NumPy array.)

# %% tags=["exercise"]
import tensorflow as tf


def parameters(graph):
    return ...


check("01.2", parameters)

# %% tags=["solution"]
import tensorflow as tf


def parameters(graph):
    values = [tf.make_ndarray(node.attr["value"].tensor)
              for node in graph.node if node.op == "Const"]
    return sum(value.size for value in values if value.dtype.kind == "f" and value.ndim)


print("{:,}".format(parameters(graph)))
check("01.2", parameters)

# %% [markdown]
# **3.** Before you take a node out, you have to know which nodes read it. Write `readers(graph, name)`, the set of names of all
# nodes that have `name` among their inputs. Mind that an input may also be written `name:0` (its first output) or `^name`
# (run before me); `producer` turns both into `name`.

# %% tags=["exercise"]
from uffsurgeon.names import producer


def readers(graph, name):
    return ...


check("01.3", readers)

# %% tags=["solution"]
from uffsurgeon.names import producer


def readers(graph, name):
    return {node.name for node in graph.node
            if name in [producer(text) for text in node.input]}


print(readers(graph, "reshape_1/Reshape"))
check("01.3", readers)

# %% [markdown]
# ## What you saw
#
# - Freezing turns variables into constants and drops what only training needs: 170 nodes (over 400 in TensorFlow 1) became 120.
# - Equal constants are shared afterwards, across layers. Surgery will have to mind that.
# - A census of operations finds what a converter has no name for. What a parser refuses in combination you learn from the parser;
#   what converts silently wrong, from a gate.
# - A gate says *equal*, *close* or *broken*, in degrees and metres, and judges by the worst box.
#
# Next: [02 flatten and reshape](02_flatten_and_reshape.ipynb), where nothing complains and the boxes may still be wrong.
