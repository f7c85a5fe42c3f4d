# %% [markdown]
# # 00 Start here
#
# A camera looks down a street. A neural network looks at each car and says how large it is and which way it faces; a little
# geometry then puts a box around it, in metres, on the road. This workbook takes that network from Keras to a **TensorRT
# plan**, the form in which an NVIDIA GPU runs it several times faster. It does so by hand, so that you see each thing that
# breaks on the way, why it breaks, and by how much.
#
# It follows a [two-part article of 2019 by
# r7vme](https://r7vme.medium.com/converting-neural-network-to-tensorrt-part-1-using-existing-plugins-edd9c2b9e42a) on Medium,
# for a Jetson AGX Xavier. A **Jetson** is a small computer by NVIDIA for robots and cameras, an ARM processor and a GPU on one
# board. **JetPack** is its system software: Linux, CUDA and exactly one version of TensorRT, so that the JetPack decides what
# works ([versions](../docs/versions.md)).
#
# After this page you will be able to
#
# - convert the network in about ten lines, and say what each of them is for,
# - say what goes into the network, what comes out, and how that becomes a box on the photo,
# - read off, for *your* machine, which steps are real and which are replaced by a stand-in.
#
# **You need** some Python and an idea of what a convolution is. No TensorRT, no CUDA, no GPU. To run the cells rather than read
# them, type `python3 workbook.py lab` in the workbook's folder ([README](../README.md)). **Time:** about 30 minutes, 10 of them
# for the exercise.

# %% [markdown]
# ## The whole game
#
# First all of it, without theory. `helpers` is the small package beside the notebooks that holds the plumbing, such as
# reading files and drawing pictures. `prepare_tensorflow` makes TensorFlow compute on the CPU, and quiet. `graphsurgeon` and
# `uff` are NVIDIA's names for the two tools of 2019; where NVIDIA's are not installed, Python finds those of `uffsurgeon`,
# the library of this repository, which has the same two written anew and a converter from UFF to ONNX. (Why begin with UFF,
# which TensorRT has dropped? Boards up to JetPack 6.0 still read it, a file is small enough to be understood node by node,
# and its faults come back in ONNX, the format of today: page 07.)

# %%
from helpers import freeze, network, page, parity, process, run, scenes, show

process.prepare_tensorflow()
import graphsurgeon as gs
import uff
from uffsurgeon import l2_normalize, to_onnx

# %% [markdown]
# The network is a Keras model. Its weights come with the workbook; they were trained on rendered streets
# ([how](../data/README.md)), and the scene is one that training never saw. Keras's answers are what we compare with.

# %%
scene = scenes.load("000002")
images = network.preprocess(scenes.crops(scene))
model = network.load_weights(network.build())
heads = network.heads(model.predict(images, verbose=0))

# %% [markdown]
# Now the conversion. The numbers at the end of the lines are the pages that explain them; `page.silence` keeps what the
# converter prints for page 02.

# %%
graph = gs.DynamicGraph(freeze.freeze(model))                                           # 01
graph.collapse_namespaces({                                                             # 03
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    for node in graph.find_nodes_by_op("LeakyRelu")})
l2_normalize.collapse(graph, gs)                                                        # 05
with page.silence():
    data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)  # 02
converted = to_onnx.convert(data)                                                       # 07
answers = network.heads(run.onnx(converted, images))
show.boxes_on_scene(scene, parity.place(answers, [scene])[0], title="converted")

# %% [markdown]
# These boxes come from the converted network. Each front face carries a cross. The map on the right shows the same boxes from
# above, with the camera at the bottom edge. It ends at 50 m, so the farthest of the five is not on it.
#
# If boxes tumble after a conversion, something broke. That picture is the first judge on every page that follows. Numbers in
# degrees and metres are the second, because some faults are too small to see.
#
# **Guess first.** How far, at most, has one of the five boxes moved from where Keras puts it?

# %%
guess = ...  # a number of metres

# %%
parity.compare(heads, answers, [scene])

# %% [markdown]
# Not by a millimetre. The differences of the outputs, around a millionth, are rounding: the same numbers, added in another
# order. What each line did:
#
# | line | what it does | page |
# |---|---|---|
# | `freeze.freeze` | turns a model that can learn into a graph that can only compute | 01 |
# | `collapse_namespaces` | **surgery**: puts another node in the place of one, or of a whole *namespace*, the nodes whose names begin alike; here for `LeakyRelu`, which the format UFF does not have | 03 |
# | `l2_normalize.collapse` | the same for an operation that is built from several nodes, one of which TensorRT refuses | 04, 05 |
# | `uff.from_tensorflow` | writes the graph in the format that TensorRT 5 to 8 read, and says what it guesses in passing | 02 |
# | `to_onnx.convert` | makes ONNX of it, for every later TensorRT and for ONNX Runtime | 07 |
# | `run.onnx` | computes the answers on the CPU, the stand-in for a plan on a GPU | 03, 06 |
# | `parity` | turns answers into boxes and compares them | 00, 01 |
#
# What is missing is the plan itself; page 03 builds it with the TensorRT of your machine. And the network was easy on us: each
# obstacle was removed before you could stumble over it. The pages put them back.
#
# ## The network
#
# Here is its frozen graph. Each slab is a layer, and the slabs of the convolutions are as high as the rows of the picture that are
# left. Then all is laid out in one row of numbers, and three **heads** answer. Orange are the layers that this workbook is about.

# %%
show.architecture(freeze.freeze(model), mark=["LeakyRelu", "l2_normalize", "reshape_1"])

# %% [markdown]
# ## What goes in
#
# The network does not look for cars. It gets a **2D box** around each and sees only that cut-out, 224 pixels square. Here the
# 2D boxes are exact; with those of a detector, cars come out [about a metre farther off](../data/README.md). `preprocess` puts
# the colours in the order and range that the network was trained with. Note how little there is: no road, no distance, no place
# in the image. The last one is half hidden by another truck.

# %%
import matplotlib.pyplot as plt

crops = scenes.crops(scene)
figure, axes = plt.subplots(1, len(crops), figsize=(1.6 * len(crops), 1.7), dpi=110)
for axis, crop in zip(axes, crops):
    axis.imshow(crop)
    axis.axis("off")

# %% [markdown]
# ## What comes out
#
# `dimension` corrects the size: metres to be added to the mean height, width and length of the vehicle's class. This is the
# correction for the first car, and the mean of all cars:

# %%
heads["dimension"][0].round(2), scenes.mean_dimensions(scene.objects.kind)[0].round(2)

# %% [markdown]
# The other two together give an angle. The full circle is cut into six **bins** of 60 degrees, with their *centres* at
# 0, 60, 120, 180, -120 and -60 degrees. `confidence` says which bin; `orientation` holds a **pair** for every bin, the cosine
# and sine of the angle counted from that bin's centre.

# %%
heads["confidence"][0].round(3), heads["orientation"][0].round(3)

# %% [markdown]
# For this car bin 2 wins, the third, with its centre at 120 degrees. Its pair, cosine 0.998 and sine 0.061, is an angle of 3.5
# degrees. Together that is 123.5. This angle, `alpha`, is how the car looks *from here*: while a car drives past, its heading
# stays the same, but we see its front, its side, its rear. Add the direction from the camera to the car, its *ray*, and you
# get its heading on the road, `yaw`: 90 degrees drives towards us, -90 away from us, 0 to the right.

# %%
from helpers import boxes

rays = boxes.ray_angle(scene.objects.bbox, scene.P)
show.angles(heads["confidence"][0], heads["orientation"][0], rays[0])

# %% [markdown]
# `boxes.decode` does this sum for every vehicle. The cell prints `alpha`, the ray and `yaw`, in degrees.

# %%
import numpy as np

decoded = boxes.decode(heads, rays, scenes.mean_dimensions(scene.objects.kind))
np.degrees(decoded.alpha).round(), np.degrees(rays).round(), np.degrees(decoded.yaw).round()

# %% [markdown]
# Each pair is a vector of length one, because the network divides it by its own length at the end. That operation is
# `l2_normalize`, one of the three that this workbook is about.

# %%
np.sqrt((heads["orientation"][0] ** 2).sum(axis=1))

# %% [markdown]
# ## From angle to box
#
# Size and heading are known now, the place is not. But the box, seen through the camera, has to fit its 2D box exactly: four
# sides, four equations, three unknowns. `parity.place` solves them by least squares for each of the 48 ways in which the
# corners of an upright box can touch the sides, and keeps the best (Mousavian and others, 2017, arXiv:1612.00496).

# %%
found = parity.place(heads, [scene])[0]
for kind, (x, _, z), yaw in zip(scene.objects.kind, found.location, np.degrees(found.yaw)):
    side = "left" if x < 0 else "right"
    print("%-5s %4.1f m %-5s %5.1f m ahead, yaw %4.0f degrees" % (kind, abs(x), side, z, yaw))

# %% [markdown]
# The scene is rendered, so the truth is known to the last digit. `boxes.measure` compares box by box: `yaw_deg` is the heading,
# `dimension_m` the mean error of height, width and length, `distance_m` how far off the box is. `iou_3d` is the volume that two
# boxes share, divided by the volume that they fill together: 1 is perfect, 0 is no contact. `iou_bev` is the same for the two
# areas seen from above (bird's-eye view).
#
# **Guess first.** How far off is the worst of the five boxes? (The photo is all that the network and the geometry had.)

# %%
guess = ...  # a number of metres

# %%
measured = boxes.measure(found, scene.objects)
for name, values in measured.items():
    worst = np.nanmin(values) if name.startswith("iou") else np.nanmax(values)
    print("%-12s median %5.2f   worst %5.2f" % (name, np.nanmedian(values), worst))
print("distance_m of each:", np.round(measured["distance_m"], 2))

# %% [markdown]
# Four of the five are off by less than half a metre, the half-hidden truck by five: it stands at 59 m and is placed at 64.
# There one pixel is more than a metre. And `iou_3d` is strict: a car that drives towards us and is placed half a metre too far
# has already lost a fifth.
#
# Here that does not matter. What follows compares each conversion with this network, not with the truth: **a conversion is
# right when it makes the same mistakes as the original.**
#
# ## The road
#
# The same way as a picture. Each box is a thing you will hold in your hands, each arrow a step, with the pages
# that are mainly about it. Green is done on this machine by the real thing, orange by a stand-in.

# %%
from helpers import machine

here = machine.Machine()
show.road(here)

# %% [markdown]
# New here are **build**, in which TensorRT chooses the fastest way to compute each part; the result is the plan. **Run** and
# **decode** bring back the boxes.
#
# | word | what it means here |
# |---|---|
# | graph, node | the operations of a network (its *nodes*) and what feeds what; a **GraphDef** is TensorFlow's format for it |
# | UFF, ONNX | files that hold a network. UFF, the Universal Framework Format, was NVIDIA's own (for TensorRT 5 to 8); ONNX is everybody's |
# | parser | the part of TensorRT that reads such a file |
# | plan | what TensorRT builds: the network compiled for one kind of GPU (by TensorRT for RTX, for several). NVIDIA also says *serialized engine* |
# | plugin | an operation of your own in TensorRT |
# | CUDA kernel | a function that runs on the GPU (CUDA is NVIDIA's way to program it). Not the *notebook kernel*, which executes these cells, nor Keras's `kernel`, the weights of a layer |
# | FP32, FP16, INT8 | numbers of 32 or 16 bits with a floating point, integers of 8 bits: smaller is faster and less exact |
# | batch | the pictures that go through the network in one run |
# | reference | TensorFlow's answers, with which every conversion is compared |
# | gate | our acceptance test: the comparison, and a verdict |
# | stand-in | what computes the same where the real thing cannot run |
#
# ## This machine
#
# The workbook is written for a Jetson, for a PC or laptop with an NVIDIA GPU and for a machine without any. What it can do for
# real differs, and the page says so whenever a stand-in computes. What has been run where so far is listed in
# [docs/verified.md](../docs/verified.md).

# %%
here

# %% [markdown]
# *absent* is no error: `tensorrt`, `graphsurgeon` and `uff` come with JetPack, and only a plan that runs on a GPU needs
# `pycuda` or `cuda-python`. Two more lines need explaining.
#
# - *TensorRT for RTX* builds plans without a GPU: its plan is finished on the user's card when it is loaded. So its builder and
#   its error messages are real everywhere, and what it builds runs on RTX cards from the 30 series on. The classic TensorRT
#   times its choices on the GPU that it builds for.
# - *ONNX Runtime* computes the same graph on the CPU where no plan can run. So every number on these pages was computed: here
#   or, where it says *quoted*, elsewhere.
#
# TensorFlow computes on the CPU on these pages, also where there is a GPU; it gets the GPU in 06 only. And memory: a page takes
# up to 3 GB, and 06, which starts more processes, 5. On a board with 4 GB in all, 06 takes swap.
#
# ## Your turn
#
# **1.** Do the sum yourself. Write `heading(confidence, pairs, ray)`: from one vehicle's six confidences, its six pairs
# (a 6 x 2 array) and its ray in degrees to its heading, in degrees between -180 and 180. Use `boxes.decode` only to compare.

# %% tags=["exercise"]
from notebooks.checks import check, hint


def heading(confidence, pairs, ray):
    return ...


check("00.1", heading)

# %% tags=["solution"]
from notebooks.checks import check


def heading(confidence, pairs, ray):
    best = np.argmax(confidence)
    cosine, sine = pairs[best]
    degrees = 60 * best + np.degrees(np.arctan2(sine, cosine)) + ray
    return (degrees + 180) % 360 - 180


print(heading(heads["confidence"][0], heads["orientation"][0], np.degrees(rays[0])))
check("00.1", heading)

# %% [markdown]
# ## What you saw
#
# - About ten lines take a Keras model through freezing, surgery and UFF to answers of the converted network, equal to Keras's.
# - The network gets one cut-out per vehicle and gives three heads: size, angle within a bin, which bin.
# - Geometry turns them into boxes, by which we judge: a conversion is right when it makes the same mistakes as the original.
# - On this machine some steps are real and some are stand-ins, and you know which.
#
# ## Where next
#
# | page | what happens | minutes |
# |---|---|---|
# | [01 freeze](01_freeze.ipynb) | variables become constants; which operations will make trouble | 40 |
# | [02 flatten and reshape](02_flatten_and_reshape.ipynb) | NVIDIA's own parser, asked what it makes of `Flatten`, and silent faults that it has | 55 |
# | [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb) | a node replaced by a plugin; `collapse_namespaces`; a plan, built and run | 75 |
# | [04 half precision and a kernel](04_half_precision_and_a_kernel.ipynb) | why 16 bits break a normalisation; a CUDA kernel of your own | 60 |
# | [05 the L2 plugin](05_l2_plugin.ipynb) | a plugin around that kernel, and what TensorRT asks it | 60 |
# | [06 timing](06_timing.ipynb) | TensorFlow against FP32, FP16 and INT8, measured so that it can be believed | 85 |
# | [07 the ONNX road](07_onnx_road.ipynb) | the same troubles with today's tools, on JetPack 6.1 and later | 100 |
# | [08 the patient](08_the_patient.ipynb) | a network with three hidden faults, and nobody says which | 90 |
#
# Each has exercises under **your turn**, with a check that says what is still wrong. `hint("00.1")` gives a first hint for that
# exercise, called again a second one. The minutes include the exercises. The
# solutions are in the folder `solutions`, [one notebook for each](solutions/00_start_here.ipynb).
