# %% [markdown]
# # 00 Start here
#
# A camera looks down a street. A neural network looks at each car and says how large it is and which way it faces; a little
# geometry then puts a box around it, in metres, on the road. This workbook takes that network from Keras to a **TensorRT
# plan**, the form in which an NVIDIA board runs it several times faster, and it does so by hand, so that you see each thing
# that breaks on the way, why it breaks, and by how much.
#
# After this page you will be able to
#
# - say what goes into the network, what comes out, and how that becomes a box on the photo,
# - name the steps of the road from Keras to TensorRT, and the file that each step writes,
# - read off, for *your* machine, which steps are real and which are replaced by a stand-in.
#
# **You need** some Python and an idea of what a convolution is. No TensorRT, no CUDA, no GPU. **Time:** 15 minutes.

# %% [markdown]
# ## The end first
#
# Every notebook begins with this line. It lets Python find `helpers`, the small package beside the notebooks that holds the
# plumbing: reading files, drawing pictures. The ideas stay here, in the cells.

# %%
import sys; sys.path.insert(0, "..")
from helpers import network, scenes, show

# %% [markdown]
# The network is built, and the weights that come with the workbook are put into it. They were trained on rendered streets,
# not on real ones (`data/README.md` tells how), and the scene below is one that training never saw.

# %%
model = network.load_weights(network.build())
scene = scenes.load("000002")

# %% [markdown]
# The network does not look for cars. It is given a **2D box** around each, as a detector would find it, and sees only that
# cut-out, 224 pixels square. `preprocess` puts the colours in the order and range that the network was trained with.

# %%
crops = scenes.crops(scene)
heads = network.heads(model.predict(network.preprocess(crops), verbose=0))

# %% [markdown]
# `heads` are the network's three answers. `parity.place` turns them into boxes: position, size and heading in metres and
# radians. Each front face carries a cross; the map on the right shows the same boxes from above, the camera at its foot.

# %%
from helpers import parity

found = parity.place(heads, [scene])[0]
show.boxes_on_scene(scene, found)

# %% [markdown]
# If these boxes stay on the cars, a conversion was right. If they tumble, something broke. That picture is the judge in every
# notebook that follows, together with numbers in degrees and metres.
#
# ## What the network sees
#
# These are the cut-outs of this scene. Note how little there is: no road, no distance, no place in the image. A car seen from
# half left at 10 m and one at 40 m give the same picture.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, len(crops), figsize=(1.6 * len(crops), 1.7), dpi=110)
for axis, crop in zip(axes, crops):
    axis.imshow(crop)
    axis.axis("off")

# %% [markdown]
# ## What it answers
#
# There are three **heads**, as the three ends of the network are called. The first corrects the size: metres to be added to
# the mean height, width and length of the vehicle's class.

# %%
heads["dimension"][0].round(2), scenes.mean_dimensions(scene.objects.kind)[0].round(2)

# %% [markdown]
# The second and third together give the angle. The full circle is cut into six **bins**, 60 degrees each. `confidence` says
# which bin; `orientation` holds, for every bin, the cosine and sine of the angle from that bin's centre.

# %%
heads["confidence"][0].round(3), heads["orientation"][0].round(3)

# %% [markdown]
# Each pair in `orientation` is a vector of length one, because the network ends in an operation that divides it by its own
# length: `l2_normalize`. Remember the name. It is one of the three operations that this workbook is about.

# %%
import numpy as np

np.sqrt((heads["orientation"][0] ** 2).sum(axis=1))

# %% [markdown]
# ## From angle to box
#
# `boxes.decode` picks the most confident bin and adds its centre. That angle, `alpha`, is how the car looks *from here*; a car
# that drives past keeps its heading while we see its front, its side, its rear. Adding the direction in which it stands gives
# its heading on the road, `yaw`.

# %%
from helpers import boxes

rays = boxes.ray_angle(scene.objects.bbox, scene.P)
decoded = boxes.decode(heads, rays, scenes.mean_dimensions(scene.objects.kind))
np.degrees(decoded.alpha).round(), np.degrees(rays).round(), np.degrees(decoded.yaw).round()

# %% [markdown]
# Size and heading are known now, the place is not. But the box, seen through the camera, has to fit its 2D box exactly: four
# sides, four equations, three unknowns. `boxes.estimate` solves them by least squares, for every way in which the corners of
# the box can touch the sides, and keeps the best (Mousavian and others, 2017, arXiv:1612.00496).

# %%
for kind, (x, _, z), yaw in zip(scene.objects.kind, found.location, np.degrees(found.yaw)):
    print("%-5s %5.1f m right, %5.1f m ahead, heading %4.0f degrees" % (kind, x, z, yaw))

# %% [markdown]
# How good is that? The scene is rendered, so the truth is known to the last digit. `boxes.measure` compares box by box. `iou_3d`
# is the volume that two boxes share, divided by the volume that they fill together: 1 is perfect, 0 no contact at all. It is a
# strict judge, for half a metre in the distance costs a car a fifth of it.

# %%
measured = boxes.measure(found, scene.objects)
for name, values in measured.items():
    print("%-12s median %.2f" % (name, np.nanmedian(values)))

# %% [markdown]
# ## The road
#
# So much for the network. Now it leaves Keras. Each box below is a file, each arrow a step, with the number of the notebook
# that takes it. What is green is done on this machine by the real thing; what is orange by a stand-in.

# %%
from helpers import machine

here = machine.Machine()
show.road(here)

# %% [markdown]
# **Freeze** makes a graph that can only compute out of a model that can learn. **Surgery** cuts three things out of that
# graph which TensorRT cannot take as they are. **Convert** writes it in a format that TensorRT reads: UFF in the days of the
# first Jetson Xavier, ONNX since. **Build** lets TensorRT choose the fastest kernels for one particular GPU; the result, the
# plan, is a binary file for that GPU alone. **Run** and **decode** bring back the boxes.
#
# ## This machine
#
# The workbook runs on a Jetson, on a laptop with an RTX card and on a machine without any GPU. What it can do for real
# differs. Nothing is pretended: whatever a stand-in computes, the page says so.

# %%
here

# %% [markdown]
# Two lines of that table deserve a word. *TensorRT for RTX* is a TensorRT that builds plans ahead of time, also without a
# GPU: its builder and its error messages are real, but only an RTX card can run what it builds. And where a plan cannot run,
# *ONNX Runtime* computes the same graph on the CPU, so that every number on these pages was really computed.
#
# ## Where next
#
# | notebook | what happens | minutes |
# |---|---|---|
# | [01 freeze](01_freeze.ipynb) | variables become constants; which operations will make trouble | 25 |
# | [02 flatten and reshape](02_flatten_and_reshape.ipynb) | a layer that converts without an error and ruins the boxes | 30 |
# | [03 LeakyReLU](03_leaky_relu_collapse_namespaces.ipynb) | a node replaced by a plugin; `collapse_namespaces` | 30 |
# | [04 the L2 plugin](04_l2_plugin.ipynb) | a CUDA kernel of our own, compiled and put into the graph | 45 |
# | [05 timing](05_timing.ipynb) | TensorFlow against FP32, FP16 and INT8, measured so that it can be believed | 30 |
# | [06 the ONNX road](06_onnx_road.ipynb) | the same troubles on JetPack 6 and later | 30 |
#
# Each ends with **your turn**: two or three exercises with a check that says what is still wrong. The solutions are in
# [solutions](solutions). Try one now: the check below wants the name of the head that `l2_normalize` belongs to.

# %% tags=["exercise"]
from helpers import exercises

answer = ...  # a string
exercises.check("00.1", answer)

# %% tags=["solution"]
from helpers import exercises

exercises.check("00.1", "orientation")

# %% [markdown]
# ## What you saw
#
# - The network gets one cut-out per vehicle and gives three heads: size, angle within a bin, which bin.
# - Geometry turns them into boxes; boxes on the photo are how we judge every conversion.
# - On this machine some steps of the road are real and some are stand-ins, and you know which.
#
# Next: [01 freeze](01_freeze.ipynb).
