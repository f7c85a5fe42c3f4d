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
# for a Jetson AGX Xavier, and shows at each step what has changed since.
#
# After this page you will be able to
#
# - say what goes into the network, what comes out, and how that becomes a box on the photo,
# - name the steps from Keras to TensorRT, and the file that each step writes,
# - read off, for *your* machine, which steps are real and which are replaced by a stand-in.
#
# **You need** some Python and an idea of what a convolution is. No TensorRT, no CUDA, no GPU. **Time:** 20 minutes, exercises
# apart.

# %% [markdown]
# ## The end first
#
# Every notebook begins with a cell like this. The first line brings in parts of `helpers`, the small package beside the
# notebooks that holds the plumbing: reading files, drawing pictures. The second prepares TensorFlow for these pages: it
# computes on the CPU, and is quiet about everything but errors.

# %%
from helpers import network, process, scenes, show

process.prepare_tensorflow()

# %% [markdown]
# Build the network and load the weights that come with the workbook. They were trained on rendered streets, not on real ones
# (`data/README.md` tells how), and the scene below is one that training never saw. The network is a Keras 2 model, because the
# old tools look for the names that Keras 2 gives to nodes. (TensorFlow 2.16 and later bring Keras 3; there, Keras 2 is the
# package `tf_keras`.)

# %%
model = network.load_weights(network.build())
scene = scenes.load("000002")

# %% [markdown]
# The network does not look for cars. It gets a **2D box** around each, as a detector would find it, and sees only that
# cut-out, 224 pixels square. `preprocess` puts the colours in the order and range that the network was trained with.

# %%
crops = scenes.crops(scene)
heads = network.heads(model.predict(network.preprocess(crops), verbose=0))

# %% [markdown]
# `heads` are the network's three answers. `parity.place` turns them into boxes: position, size and heading in metres and
# radians. Each front face carries a cross. The map on the right shows the same boxes from above, with the camera at the bottom
# edge. It ends at 50 m, so the farthest of the five is not on it.

# %%
from helpers import parity

found = parity.place(heads, [scene])[0]
show.boxes_on_scene(scene, found)

# %% [markdown]
# If these boxes tumble after a conversion, something broke. That picture is the first judge in every notebook that follows.
# Numbers in degrees and metres are the second, because some faults are too small to see.
#
# ## What the network sees
#
# These are the cut-outs of this scene. Note how little there is: no road, no distance, no place in the image. The same car at
# the same angle fills its cut-out in the same way from 10 m and from 40 m, only blurrier. The last one is half hidden by
# another truck; the network has to cope.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, len(crops), figsize=(1.6 * len(crops), 1.7), dpi=110)
for axis, crop in zip(axes, crops):
    axis.imshow(crop)
    axis.axis("off")

# %% [markdown]
# ## What it answers
#
# The network has three ends, called **heads**. The first corrects the size: metres to be added to the mean height, width and
# length of the vehicle's class. This is the correction for the first car, and the mean of all cars:

# %%
heads["dimension"][0].round(2), scenes.mean_dimensions(scene.objects.kind)[0].round(2)

# %% [markdown]
# The second and third together give the angle. The full circle is cut into six **bins** of 60 degrees, with their *centres* at
# 0, 60, 120, 180, -120 and -60 degrees. `confidence` says which bin; `orientation` holds, for every bin, the cosine and sine
# of the angle counted from that bin's centre.

# %%
heads["confidence"][0].round(3), heads["orientation"][0].round(3)

# %% [markdown]
# For this car the third bin wins, with its centre at 120 degrees. Its pair, cosine 0.998 and sine 0.061, is an angle of 3.5
# degrees. Together that is 123.5.
#
# Each pair in `orientation` is a vector of length one, because the network ends in an operation that divides it by its own
# length: `l2_normalize`. It is one of the three operations that this workbook is about.

# %%
import numpy as np

np.sqrt((heads["orientation"][0] ** 2).sum(axis=1))

# %% [markdown]
# ## From angle to box
#
# `boxes.decode` does this sum for every vehicle. The angle, `alpha`, is how the car looks *from here*: while a car drives past,
# its heading stays the same, but we see its front, its side, its rear. Add the direction from the camera to the car (its
# *ray*), and you get its heading on the road, `yaw`: 90 degrees drives towards us, -90 away from us, 0 to the right.
# The cell prints `alpha`, the ray and `yaw`, in degrees.

# %%
from helpers import boxes

rays = boxes.ray_angle(scene.objects.bbox, scene.P)
decoded = boxes.decode(heads, rays, scenes.mean_dimensions(scene.objects.kind))
np.degrees(decoded.alpha).round(), np.degrees(rays).round(), np.degrees(decoded.yaw).round()

# %% [markdown]
# Size and heading are known now, the place is not. But the box, seen through the camera, has to fit its 2D box exactly: four
# sides, four equations, three unknowns. `boxes.estimate` solves them by least squares for each of the 48 ways in which the
# corners of an upright box can touch the sides, and keeps the best (Mousavian and others, 2017, arXiv:1612.00496).

# %%
for kind, (x, _, z), yaw in zip(scene.objects.kind, found.location, np.degrees(found.yaw)):
    side = "left" if x < 0 else "right"
    print("%-5s %4.1f m %-5s %5.1f m ahead, yaw %4.0f degrees" % (kind, abs(x), side, z, yaw))

# %% [markdown]
# ## How good is that?
#
# The scene is rendered, so the truth is known to the last digit. `boxes.measure` compares box by box: `yaw_deg` is the heading,
# `dimension_m` the mean error of height, width and length, `distance_m` how far off the box is. `iou_3d` is the volume that two
# boxes share, divided by the volume that they fill together: 1 is perfect, 0 is no contact. It is strict: a car that drives
# towards us and is placed half a metre too far has already lost a fifth. `iou_bev` is the same for the two areas seen from
# above (bird's-eye view).

# %%
measured = boxes.measure(found, scene.objects)
for name, values in measured.items():
    worst = np.nanmin(values) if name.startswith("iou") else np.nanmax(values)
    print("%-12s median %5.2f   worst %5.2f" % (name, np.nanmedian(values), worst))

# %% [markdown]
# Four of the five are off by less than half a metre, the half-hidden truck, 59 m away, by five. There one pixel is more than a
# metre.
#
# Here that does not matter. What follows compares each conversion with this network, not with the truth: **a conversion is
# right when it makes the same mistakes as the original.**
#
# ## The road
#
# Now the network leaves Keras. Each box below is a thing you will hold in your hands, each arrow a step, with the notebooks
# that are mainly about it. Green is done on this machine by the real thing, orange by a stand-in. (04 writes an operation of
# our own for TensorRT, which is not possible everywhere.)

# %%
from helpers import machine

here = machine.Machine()
show.road(here)

# %% [markdown]
# **Freeze** turns a model that can learn into a graph that can only compute. **Surgery** replaces what makes trouble: an
# operation that TensorRT does not know, and one that it refuses. (A third is mended in the Keras model.) **Convert** writes the
# graph in a format that TensorRT reads. **Build** lets TensorRT choose the fastest way to compute each part; the result is the
# plan. **Run** and **decode** bring back the boxes.
#
# ## The words
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
# | JetPack | the system software of a Jetson, with one fixed TensorRT |
# | reference | TensorFlow's answers, with which every conversion is compared |
# | gate | our acceptance test: the comparison, and a verdict |
# | stand-in | what computes the same where the real thing cannot run |
#
# ## This machine
#
# The workbook is written for a Jetson, for a laptop with an RTX card and for a machine without any GPU. What it can do for real
# differs, and the page says so whenever a stand-in computes. What has been run where so far is listed in
# [docs/verified.md](../docs/verified.md).

# %%
here

# %% [markdown]
# *absent* is no error: `tensorrt`, `graphsurgeon` and `uff` come with JetPack, and only a plan that runs on a GPU needs
# `pycuda` or `cuda-python`. Two more lines need explaining.
#
# - *TensorRT for RTX* builds plans without a GPU. The classic TensorRT times its choices on the GPU that it builds for.
#   TensorRT for RTX leaves that for later: its plan is finished on the user's card when it is loaded. So its builder and its
#   error messages are real everywhere, and what it builds runs on RTX cards from the 30 series on.
# - *ONNX Runtime* computes the same graph on the CPU where no plan can run. So every number on these pages was computed: here
#   or, where it says *quoted*, elsewhere.
#
# TensorFlow computes on the CPU on these pages, also where there is a GPU; it gets the GPU in 06 only. And memory: have 4 GB
# free. Notebook 07 takes 3.3 GB, too much for a board with 4 GB.
#
# ## Your turn
#
# **1.** Do the sum yourself. Write `heading(confidence, pairs, ray)`: from one vehicle's six confidences, its six pairs
# (a 6 x 2 array) and its ray in degrees to its heading, in degrees between -180 and 180. Use `boxes.decode` only to compare.

# %% tags=["exercise"]
from notebooks.checks import check


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
# - The network gets one cut-out per vehicle and gives three heads: size, angle within a bin, which bin.
# - Geometry turns them into boxes, by which we judge: a conversion is right when it makes the same mistakes as the original.
# - On this machine some steps are real and some are stand-ins, and you know which.
#
# ## Where next
#
# | notebook | what happens | minutes |
# |---|---|---|
# | [01 freeze](01_freeze.ipynb) | variables become constants; which operations will make trouble | 40 |
# | [02 flatten and reshape](02_flatten_and_reshape.ipynb) | NVIDIA's own parser, asked what it makes of `Flatten`, and silent faults that it has | 45 |
# | [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb) | a node replaced by a plugin; `collapse_namespaces` | 50 |
# | [04 the L2 plugin](04_l2_plugin.ipynb) | a CUDA kernel of our own, compiled and put into the graph | 80 |
# | [06 timing](06_timing.ipynb) | TensorFlow against FP32, FP16 and INT8, measured so that it can be believed | 60 |
# | [07 the ONNX road](07_onnx_road.ipynb) | the same troubles with today's tools, on JetPack 6.1 and later | 75 |
#
# The minutes are for reading and trying. Each notebook ends with **your turn**: up to three exercises, with a check that says
# what is still wrong. The solutions are in the folder `solutions`, [one notebook for
# each](solutions/00_start_here.ipynb).
