# %% [markdown]
# # 06 Timing
#
# The article of 2019 ends in three numbers for one Jetson AGX Xavier: 30 ms in TensorFlow, 18 ms in TensorRT, 6 ms in
# TensorRT with 16-bit numbers. It does not say how they were measured. This page builds the plans that such numbers come
# from. It asks what each plan costs in degrees and metres, and then it measures. Measuring is the hard part: it is easy to
# get a number, and hard to get the same one tomorrow.
#
# After this page you will be able to
#
# - build plans in FP32, FP16 and INT8, and say why a plan does not travel,
# - say what each precision costs, for the typical box and for the worst,
# - name four ways to measure wrongly, and recognise each by its samples,
# - time several runtimes so that others can believe the comparison, and draw the article's chart for *your* machine.
#
# Solid bars of times are measured here while you watch. Hatched bars come from elsewhere: the article's, and our own of one
# NVIDIA H200 with TensorRT 8.6.1 and one H100 with 10.6.0, where plans ran beside TensorFlow
# ([docs/verified.md](../docs/verified.md); [what this page printed on the H100](../docs/gpu_pages.md)).
#
# **You need** pages 01 to 05. **Time:** about 85 minutes, 20 of them for the exercises.

# %%
import sys
import numpy as np
from helpers import artifacts, boxes, child, cuda, engine, freeze, machine, network, page
from helpers import parity, process, run, scenes, show, timing

process.prepare_tensorflow()
print(machine.tensorrt())
trt = engine.tensorrt() if machine.tensorrt().module else None
on_gpu = machine.tensorrt().runs

# %% [markdown]
# ## One graph, three precisions
#
# We start where pages 03 and 05 ended: plugin nodes stand in the place of each `LeakyRelu` and of the `l2_normalize`, and the
# graph is written as UFF.

# %%
import graphsurgeon as gs
import uff
from uffsurgeon import l2_normalize

graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
l2_normalize.collapse(graph, gs)
graph.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    for node in graph.find_nodes_by_op("LeakyRelu")})
uff_file = artifacts.BUILD / "box3d_timing.uff"
with page.silence():
    uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True,
                        output_filename=str(uff_file))

# %%
show.graph(graph.as_graph_def(), ["orientation/l2_normalize", "leaky_re_lu_3/LeakyRelu"],
           mark={"orientation/l2_normalize": "new", "leaky_re_lu_3/LeakyRelu": "new"})

# %% [markdown]
# **FP32** is what the network was trained in: numbers of 32 bits. Even this is not one thing. On Orin, RTX 30 and later GPUs
# TensorRT computes FP32 as **TF32** unless you forbid it: it rounds the factors of each product to a mantissa of 10 bits, as
# FP16 has it, because the tensor cores multiply such numbers fast. `config.clear_flag(trt.BuilderFlag.TF32)` forbids it.
#
# **FP16** has 16 bits: half the memory to read, and more speed on GPUs with tensor cores. Up to TensorRT 8 it is a
# flag, `config.set_flag(trt.BuilderFlag.FP16)`: the builder *may* use it, in layers of its choice, and a cast in the file is
# only a hint. Later it is in the file: a *strongly typed* network computes in the types that the file says.
# [Versions](../docs/versions.md) has the line for each TensorRT.
#
# So we write it into an ONNX file. Page 04 showed why `l2_normalize` must not be computed in 16 bits; the converter knows.

# %%
from uffsurgeon import to_onnx

models = {name: artifacts.BUILD / ("box3d_timing.%s.onnx" % name)
          for name in ("fp32", "fp16", "int8")}
for name in ("fp32", "fp16"):
    to_onnx.convert(uff_file, models[name], precision=name, plugins="inline")

# %% [markdown]
# Page 03 built a plan call by call. Only one call is new here, the one that creates the network:

# %%
import collections

if trt and hasattr(getattr(trt, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED"):
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    net = trt.Builder(engine.logger(trt)).create_network(typed)
    parser = trt.OnnxParser(net, engine.logger(trt))
    if not parser.parse(models["fp16"].read_bytes()):
        raise RuntimeError([parser.get_error(i).desc() for i in range(parser.num_errors)])
    print(collections.Counter(str(net.get_layer(i).get_output(0).dtype)
                              for i in range(net.num_layers)))
else:
    page.quote("Counter({'DataType.HALF': 70, 'DataType.FLOAT': 13, "
               "'DataType.INT64': 2})", "TensorRT for RTX 1.7.1, strongly typed")

# %% [markdown]
# Most layers give out 16 bits. Those that give out 32 are the softmax, the square, sum, maximum, root and division of
# `l2_normalize`, and casts; shapes are whole numbers of 64 bits. Where a flag decides, `engine.build` pins these layers with
# `layer.precision = trt.float32`, `layer.set_output_type(0, trt.float32)` and a flag that tells the builder to obey.
#
# **INT8** has whole numbers from -127 to 127, and a scale for each tensor. A layer whose numbers reach 25.4 gets the scale 25.4
# / 127 = 0.2. Then 1.0 becomes 5, and 1.05 becomes 5 as well. How far the numbers of a layer reach, only pictures can tell.
# This is **calibration**: some pictures go through the network, and the range of each tensor is noted. The pictures below come
# from streets that neither training nor test has seen. Sixteen are not many; they keep this page quick.

# %%
pictures = network.preprocess(scenes.calibration_crops(16))
np.save(str(artifacts.BUILD / "calibration.npy"), pictures)
engine.quantize(models["fp32"], pictures, models["int8"])
{name: "%.0f MB" % (path.stat().st_size / 1e6) for name, path in models.items()}

# %%
import onnx

found = onnx.load(str(models["int8"])).graph
values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in found.initializer}
pairs = [node for node in found.node if node.op_type == "QuantizeLinear"]
for node in pairs[:2] + pairs[-1:]:
    scale = float(values[node.input[1]])
    print("%-22s scale %.4f, reaches %.1f" % (node.input[0], scale, 127 * scale))

# %%
show.graph(onnx.load(str(models["int8"])), "block1_conv2/Conv2D", reach=2, readers=False,
           mark={"*Linear": "new"}, constants=False)

# %% [markdown]
# ### Pairs of QuantizeLinear and DequantizeLinear
#
# The file says INT8 with pairs of nodes, **Q/DQ** for short: `QuantizeLinear` rounds to whole numbers, `DequantizeLinear`
# scales them back. Together they change nothing but the precision, so any runtime can compute the model. TensorRT takes a
# pair as the order to compute the layer that follows in integers. One sits before each convolution and each wide dense layer,
# and none between a layer and its activation: TensorRT computes the two as one, and a pair between them would forbid it.
# Weights need no first half, because they are stored as 8-bit numbers, with a scale for each output channel.
#
# The ranges here are the largest values seen (*min-max*). TensorRT's own calibrator, which a plan from UFF uses, cuts rare
# large values off (*entropy*). So two INT8 plans of one network need not agree. The lines that place such pairs in a network
# of your own are [on page 07](07_onnx_road.ipynb#On-your-own-network,-in-INT8).

# %% [markdown]
# ## Building them all
#
# Where there is an `UffParser`, the plans come from the UFF file and need our plugin from page 05. Elsewhere they come from
# the ONNX files.

# %%
from helpers import plugin

plugins, sources = [], models
if hasattr(trt, "UffParser"):
    try:
        plugins, sources = [plugin.compile()], dict.fromkeys(models, uff_file)
    except (RuntimeError, FileNotFoundError) as error:
        print("no plugin, so ONNX it is:", error)

# %% [markdown]
# A child process builds. If TensorRT breaks there, this notebook lives on, and the memory goes back.

# %%
build = """
import sys
import numpy as np
from helpers import engine
model, plan, precision, batch, pictures = sys.argv[1:6]
engine.build(model, plan, precision, batch=int(batch), plugins=sys.argv[6:],
             calibration=np.load(pictures) if precision == "int8" else None)
"""

# %% [markdown]
# On a board the next cell builds six plans and takes minutes for each, because TensorRT *times* CUDA kernels on the GPU in
# front of it. Set `BATCHES = (1,)` for half of that. The second time, a plan that is still fresh is taken as it is.

# %%
BATCHES = (1, 8) if on_gpu else (1,)
plans, built = {}, {}
for name in models if trt else ():
    for batch in BATCHES:
        plan = artifacts.BUILD / ("box3d_timing.%s.b%d.plan" % (name, batch))
        done = child.run([sys.executable, "-c", build, sources[name], plan, name, batch,
                          artifacts.BUILD / "calibration.npy"] + plugins)
        if done.code or "has no fast" in done.text:  # a warning: this GPU gains nothing
            print(name, "is left out:", done.text.strip().splitlines()[-1])
        else:
            plans.setdefault(name, {})[batch] = plan
            built["%s, batch %d" % (name.upper(), batch)] = artifacts.read_sidecar(plan)

# %%
if built:
    display(show.plan_sizes(built))
else:
    page.quote("FP32 163 MB, FP16 82 MB, INT8 44 MB; built in 0.5 to 1.1 s each",
               "TensorRT for RTX 1.7.1 on a CPU")

# %% [markdown]
# A plan is above all its weights: 40 million of four bytes are 162 MB. With half of the bits it is half of that, and in INT8
# a quarter, if all wide layers are in INT8, as our ONNX file demands. From UFF the builder chooses for each layer: the INT8
# plan of TensorRT 8.6.1 had 119 MB (recorded on an H200; the dense layers in 32 bits and the rest in 8 would be 117). And
# weights may be stored in another form: the plan in FP32 without TF32 had 210 MB.
#
# Each run reads its weights, which bounds what is possible. AGX Xavier reads 137 GB a second (NVIDIA's data sheet), so 162 MB
# take 1.2 ms there, whatever the CUDA kernels can do. **On a Jetson, a time below that is a mistake in the measurement.** A
# large card may keep the weights in its cache: 40 MB of INT8 fit into the 50 MB of an H200.
#
# ## A plan does not travel
#
# CUDA kernels are machine code for one kind of GPU, and the file's inner format belongs to one version of TensorRT. So the
# workbook keeps a record beside each plan.

# %%
record = built.get("FP32, batch 1", {})
{key: record.get(key) for key in ("library", "version", "gpu", "precision", "source")}

# %% [markdown]
# `gpu` is None for a plan of TensorRT for RTX, which fits several generations of RTX cards. What happens to a plan from
# elsewhere? We write one whose record says that it was built on a Jetson with JetPack 5.1. The bytes are ours, only the record
# is altered.

# %%
import textwrap

stranger = artifacts.BUILD / "stranger.plan"
try:
    if "int8" not in plans:
        raise RuntimeError("no INT8 plan here to open")
    artifacts.write(stranger, plans["int8"][1].read_bytes(), **dict(
        built["INT8, batch 1"], library="tensorrt", version="8.5.2.2"))
    engine.Engine(stranger)
except RuntimeError as error:
    print(textwrap.fill(str(error), 100))

# %% [markdown]
# That was our own check. Without it TensorRT refuses, in words worth knowing, because people search for them ([issue
# 564](https://github.com/NVIDIA/TensorRT/issues/564), another GPU; [issue
# 2072](https://github.com/NVIDIA/TensorRT/issues/2072), another TensorRT):
#
# ```text
# The engine plan file is generated on an incompatible device,
#     expecting compute 6.1 got compute 7.5, please rebuild.
# Serialization assertion stdVersionRead == serializationVersion failed. Version tag does not match.
#     Note: Current Version: 213, Serialized Engine Version: 205
# ```
#
# `compute 6.1` is the *compute capability*, the generation of a GPU. So carry the UFF or the ONNX file, and build where the
# plan is to run.
#
# ## What each precision costs
#
# Before we ask how fast, we ask what is lost. The **reference** is TensorFlow, which computes on the CPU here and leaves a
# board's memory to TensorRT. The **gate** is our acceptance test of page 01, with its verdicts *equal*, *close* and
# *broken*. Where a GPU can run the plans, they answer. Elsewhere ONNX Runtime computes the same three files on the CPU.

# %%
street = [scenes.load(name) for name in scenes.names()]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
frozen = freeze.load(freeze.box3d())
reference = network.heads(run.tensorflow(frozen, images))
print(len(street), "scenes with", len(images), "vehicles")

# %%
def answers(name, images):
    if on_gpu and name in plans:
        with engine.Engine(plans[name][1], plugins=plugins) as box3d:
            return network.heads(box3d.run(images))
    return network.heads(run.onnx(models[name], images))

def gate(heads, scenes):
    count = sum(len(scene.objects.kind) for scene in scenes)
    return parity.compare({name: reference[name][:count] for name in reference},
                          {name: heads[name][:count] for name in heads}, scenes)

# %% [markdown]
# We begin with three scenes.

# %%
few = sum(len(scene.objects.kind) for scene in street[:3])
gate(answers("fp32", images[:few]), street[:3])

# %% [markdown]
# On a CPU, FP32 is the same network in another order of additions: *equal*. A GPU that computes in TF32 says *close*.

# %%
fp16 = gate(answers("fp16", images[:few]), street[:3])
fp16

# %% [markdown]
# FP16 keeps about three decimal digits. A CPU flatters it: ONNX Runtime computes in 32 bits there and rounds in between. A GPU
# rounds in every layer. Here are the plans of both TensorRTs on an H200, as we recorded them:

# %%
for version in ("8.6.1", "10.6.0"):
    h200 = timing.load(timing.RUNS / ("roads_tensorrt%s_h200.json" % version))["results"]
    rows = {name: h200["onnx inline, " + name] for name in ("fp32", "fp16")}
    page.quote("\n".join("%s %s, turned by at most %.3f degrees, moved by at most %.1f cm" % (
        name.upper(), row["verdict"], row["turn_deg"], 100 * row["shift_m"])
        for name, row in rows.items()), "TensorRT %s, 81 vehicles" % version)

# %% [markdown]
# FP32 may use TF32 there; without it 10.6.0 is *equal*, and so is 8.6.1 from UFF. FP16 costs centimetres. Our weights come in
# 16 bits, so they lose nothing; weights of your own may. Now INT8, on the same three scenes:

# %%
int8 = answers("int8", images)
gate(int8, street[:3])

# %% [markdown]
# *Close*, wherever we ran this page. Can we stop here? There were 19 vehicles. Here are all 81:

# %%
judged = gate(int8, street)
judged

# %% [markdown]
# On the machine that stored this page it is *broken*, by a little; another may just say *close*. The median moved less than
# before; the gate asks for the worst box, because one wrong box is enough for an accident. **A gate is only as good as the
# number of cases it has seen**, and near the limit one vehicle decides. How many are enough? A count alone says little: include
# every kind that your program will meet, near and far, cut off, half hidden, turned each way. Where is the worst of ours?

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 2.8), dpi=110)
axes.scatter(judged.away_m, judged.distance_m, s=16, color="#d9580d", label="INT8")
axes.scatter(fp16.away_m, fp16.distance_m, s=16, color="#1b7f3b", label="FP16, three scenes")
far = np.linspace(3, np.nanmax(judged.away_m), 100)
axes.plot(far, parity.limit_m(far), color="#6b7480", ls="--", lw=1, label="limit of the gate")
outlier = int(np.nanargmax(judged.distance_m / parity.limit_m(judged.away_m)))
axes.scatter(judged.away_m[outlier], judged.distance_m[outlier], s=110, facecolors="none",
             edgecolors="black", label="the worst")
axes.set(xlabel="distance of the vehicle, m", ylabel="its box moved by, m", yscale="log")
axes.set_ylim(bottom=1e-4)
axes.legend(frameon=False, fontsize=8)
figure.tight_layout()

# %%
ends = np.cumsum([len(scene.objects.kind) for scene in street])
which = int(np.searchsorted(ends, outlier, side="right"))
scene, index = street[which], outlier - int(ends[which]) + len(street[which].objects.kind)
print("%s, %.1f m away, moved by %.2f m; the gate allows %.2f m" % (
    scene.objects.kind[index], judged.away_m[outlier], judged.distance_m[outlier],
    parity.limit_m(judged.away_m[outlier])))
show.closeup(scene, {"TensorFlow": (parity.place(reference, street)[which], "#39ff14"),
                     "INT8": (parity.place(int8, street)[which], "#ff8c00")}, index)

# %% [markdown]
# The dashed white line is the truth. Measured against *that*, which of the two is the better network? (Four of the 81 vehicles are
# cut off so far by the edge of the photo that they get no place; 77 are left.)

# %%
def off(heads):
    pairs = zip(parity.place(heads, street), street)
    return np.concatenate([boxes.measure(found, scene.objects)["distance_m"]
                           for found, scene in pairs])

errors = {"TensorFlow": off(reference), "INT8": off(int8)}
for name, metres in errors.items():
    print("%-10s off the truth by %.2f m (median), %.1f m (largest)" % (
        name, np.nanmedian(metres), np.nanmax(metres)))
placed = ~np.isnan(errors["TensorFlow"] + errors["INT8"])
nearer = errors["INT8"][placed] < errors["TensorFlow"][placed]
print("INT8 is nearer to the truth for %d of %d vehicles" % (nearer.sum(), len(nearer)))

# %% [markdown]
# Remember page 00: the network itself is off by decimetres near by and by metres far away. INT8 adds little to that, and as
# often as not by luck in the right direction. *Broken* means: **not the same network any more**. Whether it is a worse one,
# only the truth can tell. Whether you can live with it is a question to answer before you measure.
#
# Why decimetres, from so little? The network takes distance from how large a vehicle looks against how large it is said to be.
# Make it one per cent taller, and a car 10 m away moves by ten centimetres, one 60 m away by sixty.
#
# ## What to do about it
#
# More pictures? Min-max lets the single largest number of all pictures decide how coarse the steps are for all others, and
# sixteen are not many. In ONNX Runtime the worst vehicle comes to 1.10 of the limit with 16 pictures, to 1.30 with 32 and to 0.86
# with 64. Near the limit the verdict is luck, and what passes by luck is no plan for a car.
#
# So look at the layers. We quantised one layer at a time, with all others in FP32.
#
# **Guess first.** There are 13 convolutions, from `block1_conv1` to `block5_conv3`, and three wide dense layers. Which one alone
# moves a vehicle most?

# %%
guess = ...  # the name of a layer

# %%
alone = timing.load(timing.RUNS / "int8_layers_cpu.json")["results"]
worst = {name.split()[1].split("/")[0]: row["worst_share_of_limit"]
         for name, row in alone.items() if name.startswith("only ")}

figure, axes = plt.subplots(figsize=(8, 2.6), dpi=110)
axes.bar(range(len(worst)), list(worst.values()), color="#d9580d", hatch="//",
         edgecolor="white")
axes.axhline(1, color="#6b7480", ls="--", lw=1)
axes.set_xticks(range(len(worst)))
axes.set_xticklabels(worst, rotation=60, ha="right", fontsize=8)
axes.set_ylabel("worst vehicle,\nshare of the limit", fontsize=8)
axes.set_title("one layer in INT8, ranges of 64 pictures; recorded, ONNX Runtime on a CPU",
               fontsize=8)
show.describe(figure, "Bars: %s." % "; ".join("%s %.2f" % pair for pair in worst.items()))
figure.tight_layout()

# %% [markdown]
# The first two. What `block1_conv1` reads is the picture itself, and its scale, printed above, is a step of more than one grey
# level: INT8 makes the picture a little coarser before anything has looked at it. The layers behind see features, in which such
# a step means less. Block 1 has two of 16 layers and an eighth of the multiplications. Leave it in FP32:

# %%
kept = engine.quantize(models["fp32"], pictures, artifacts.BUILD / "box3d_timing.kept.onnx",
                       keep=["block1_*"])
mixed = gate(network.heads(run.onnx(kept, images)), street)
share = np.nanmax(mixed.distance_m / parity.limit_m(mixed.away_m))
print("the worst vehicle: %.2f of the limit" % share)
mixed

# %% [markdown]
# About half of what it was, with the same sixteen pictures: 0.55 where we recorded it, and 0.48 with 64. That is a margin.
# (What it costs in time has not been measured on a GPU.) The steps to remember: ask enough cases, look at the ranges, find the
# layer, leave it in FP16 or FP32. Without time for a study like ours, bisect: leave the first half of the layers in FP32, then
# the second, and go on with the half that helped. What is left after that is training with the rounding in place
# (*quantisation-aware training*).
#
# ## How to measure wrongly
#
# Now the clock. `timing.sample` runs a step again and again and keeps every single time. We begin with TensorFlow, and the way
# most people begin: start it, take the mean.
#
# **First mistake: no warm-up.**

# %%
import tensorflow as tf

with tf.Graph().as_default() as tf_graph:
    tf.import_graph_def(frozen, name="")
config = process.session_config()  # on the CPU
config.graph_options.rewrite_options.disable_meta_optimizer = True
session = tf.compat.v1.Session(graph=tf_graph, config=config)
fetches, one = [name + ":0" for name in network.OUTPUTS], images[:1]

def in_tensorflow(before=None, after=None):
    session.run(fetches, {"input_1:0": one})

# %%
cold = timing.sample(in_tensorflow, seconds=0, warm_up=0, least=8)
print("mean of %d runs: %.0f ms" % (len(cold.host), np.mean(cold.host)))
warm = timing.sample(in_tensorflow, seconds=1, warm_up=0.2, least=10)
print("mean of %d runs: %.0f ms" % (len(warm.host), np.mean(warm.host)))

# %%
show.samples({"no warm-up": cold.host, "the same, a moment later": warm.host})

# %% [markdown]
# The first run is more than an inference. TensorFlow asks for memory and picks the code for each operation; a GPU loads its
# CUDA kernels. The first run spoils every mean, and the fewer the runs, the worse. You recognise it by one tall first
# sample. So: run some, throw them away, *then* start.
#
# **Second mistake: one single run.** Here is the warm strip on a scale of its own:

# %%
print("the luckiest run %.0f ms, the unluckiest %.0f ms" % (min(warm.host), max(warm.host)))
show.samples({"warm": warm.host}, from_zero=False)

# %% [markdown]
# Two people who time one run each may get any two of these, and each has a number without knowing which. So give a **median**:
# half of the runs are faster. And give **p90** and **p99**: nine of ten, and 99 of 100, are at most that slow. For something that
# has to brake in time even p99 is not enough: one late picture in a hundred is one every three seconds.
#
# **Third mistake: a neighbour.** Here ONNX Runtime computes the network, first alone, then while a TensorFlow session in the
# same process works too. In notebooks that is a common accident.

# %%
import onnxruntime

runtime = onnxruntime.InferenceSession(str(models["fp32"]), providers=["CPUExecutionProvider"])

def in_onnxruntime(before=None, after=None):
    runtime.run(None, {"input_1": one})

single = timing.sample(in_onnxruntime, seconds=0.7, warm_up=0.2, least=8)

# %%
import threading

done = threading.Event()

def neighbour():
    while not done.is_set():
        in_tensorflow()

thread = threading.Thread(target=neighbour)
thread.start()
beside = timing.sample(in_onnxruntime, seconds=0.7, warm_up=0.2, least=8)
done.set()
thread.join()

# %%
show.samples({"FP32, alone": single.host, "FP32, with a neighbour": beside.host})

# %% [markdown]
# All samples are slow, none stands out: without the upper strip you would not know. On a Jetson it is worse, because GPU and
# CPU share one memory, and TensorFlow by default takes nearly all of it. A plan *built* beside it may be denied the memory for
# the faster CUDA kernels, and a plan *run* beside it may not start at all. So each runtime gets a process of its own, and a
# *lock* lets only one measurement run on a machine.
#
# **Fourth mistake: no synchronise.** A GPU works through a queue. `enqueue` puts work there and returns at once. Stop the clock
# then, and you have measured how fast you can hand in an order. A queue needs no GPU: Python has one too.
#
# **Guess first.** We hand one image to such a queue and stop the clock when `submit` returns. How many milliseconds?

# %%
guess = ...  # a number of milliseconds

# %%
from concurrent.futures import ThreadPoolExecutor

def clock(step, runs=6):
    return timing.sample(step, seconds=0, warm_up=0, least=runs).host

with ThreadPoolExecutor(1) as queue:
    handed_in = clock(lambda *_: queue.submit(in_onnxruntime))
    queue.submit(in_onnxruntime).result()  # waits until the queue is empty
    waited = clock(lambda *_: queue.submit(in_onnxruntime).result())
show.samples({"handed in": handed_in, "and waited": waited})

# %% [markdown]
# You recognise it by samples that are too good: the upper strip is wonderful, and no image was ready when its clock stopped.
# With CUDA the queue is the stream of page 03, and the waiting is `stream.synchronize()`. Here is the same on a GPU, if there
# is one:

# %%
if on_gpu and "fp16" in plans:
    with engine.Engine(plans["fp16"][1], plugins=plugins) as box3d:
        box3d.run(one)
        print("enqueue alone:     %.3f ms" % np.median(clock(lambda *_: box3d.enqueue())))
        box3d.run(one)  # empties the queue
        print("with copies, sync: %.3f ms" % np.median(clock(lambda *_: box3d.step(one), 50)))
else:
    print("No GPU here. `enqueue` would return before the GPU is done, as `submit` did above.")

# %% [markdown]
# ## And rightly
#
# Here is all of it in ten lines, to take home. `step` is your inference; on a GPU it has to end with `stream.synchronize()`.

# %%
import time

def measure(step, warm_up=3, runs=10):
    for _ in range(warm_up):
        step()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"median": times[runs // 2], "p90": times[-1 - runs // 10], "slowest": times[-1]}

{name: "%.1f ms" % ms for name, ms in measure(in_onnxruntime).items()}

# %% [markdown]
# To *compare* runtimes takes more, and `timing.measure` does it. It holds the lock and gives each column a process. The columns
# take turns of half a second, so that a board that becomes hot becomes hot for all. The first run of each turn is thrown away,
# because the neighbours have emptied the caches. On a GPU it keeps two clocks: the host's, copies included, and the GPU's own,
# from *events*, marks that the GPU stamps with the time when it reaches them in the stream. And it judges: a column without a
# parity verdict is not shown. All processes live at once; on a board of 4 GB measure fewer columns at a time.

# %%
if on_gpu:
    ampere = int(cuda.device()["compute_capability"].split(".")[0]) >= 8
    names = {"fp32": "FP32 (TF32)" if ampere and hasattr(trt.BuilderFlag, "TF32") else "FP32"}
    columns = [timing.Column("TensorRT " + names.get(name, name.upper()), "tensorrt",
                             plans[name], {"plugins": plugins}) for name in plans]
else:
    columns = [timing.Column("ONNX Runtime " + name.upper(), "onnxruntime", models[name])
               for name in ("fp32", "int8")]
columns.insert(0, timing.Column("TensorFlow", "tensorflow", freeze.box3d()))

# %%
session = runtime = None  # the processes below need their memory
first, some = street[:1], images[:len(street[0].objects.kind)]
record = timing.measure(columns, some, batches=BATCHES, seconds=1, warm_up=0.1, wait=1800,
                        judge=lambda reference, outputs: parity.compare(
                            network.heads(reference), network.heads(outputs), first))
print(timing.table(record))

# %% [markdown]
# Without a GPU, FP16 has no column: a CPU computes such a file in 32 bits, as said above, so its time would say nothing of
# FP16. And is INT8 slow on your CPU? Its pairs are placed for TensorRT. ONNX Runtime computes a convolution in whole numbers
# only when there is a pair after it, too; here it rounds, and computes in FP32.
#
# The brackets say where a column ran. A TensorFlow on the **CPU** beside TensorRT on a GPU says nothing about TensorRT; the
# stack `gpu_uff` has one that uses the GPU ([requirements](../requirements/README.md)), and so have NVIDIA's on a Jetson.
#
# One second for each column is enough for a lesson and not for a publication. `report=True` measures for at least a minute and
# 1,024 runs, as early rounds of the MLPerf benchmark asked. Here is every run:

# %%
show.samples(record)

# %% [markdown]
# Read the strips before the numbers. Was the machine the same from the first run to the last? Compare the two halves:

# %%
for column in record["results"]["columns"]:
    if not column["error"] and column["batch"] == 1:
        early, late = np.array_split(column["samples_ms"], 2)
        print("%-18s first half %.3g ms, second half %.3g ms"
              % (column["name"], np.median(early), np.median(late)))

# %% [markdown]
# Ten runs or more in each half that differ by a tenth say that something changed meanwhile: another program, a clock that rose, a
# board that became hot. Then find out what it was, and measure again. Fewer runs say little: a slow processor makes few in a
# second, and such numbers are for looking, not for quoting.
#
# And what if somebody else is measuring on this machine? Let us be somebody else for a moment:

# %%
with timing.lock("an exercise of page 06", wait=1800):
    try:
        timing.measure(columns, some, seconds=1)
    except TimeoutError as error:
        print(textwrap.fill(str(error).split(" (It is")[0], 100))

# %% [markdown]
# ### On your own network
#
# `mine.npy` has pictures as the network wants them, `mine.onnx` was made on page 03 or 07, and `answer/BiasAdd` is its output. What
# is *close* only you can say, in the unit of your own answers. On a GPU add `timing.Column("TensorRT FP16", "tensorrt", "mine.plan")`,
# with a plan for up to eight images by `engine.build("mine.onnx", "mine.plan", "fp16", batch=8)` of `helpers` (not tried there).
#
# ```python
# import types
# import numpy as np
# from helpers import timing
#
# def judge(reference, outputs):
#     worst = max(float(np.abs(reference[name] - outputs[name]).max()) for name in reference)
#     return types.SimpleNamespace(
#         verdict="equal" if worst < 1e-4 else "close" if worst < 1e-2 else "broken",
#         why="differs by at most %.2g" % worst)
#
# columns = [timing.Column("TensorFlow", "tensorflow", "mine.pb", {"outputs": ["answer/BiasAdd"]}),
#            timing.Column("ONNX Runtime", "onnxruntime", "mine.onnx")]
# record = timing.measure(columns, np.load("mine.npy"), batches=(1, 8), judge=judge)
# print(timing.table(record))
# timing.save(record, "mine.json")
# ```

# %% [markdown]
# ### `trtexec`
#
# NVIDIA's own builder and timer for the command line comes with TensorRT, on a Jetson as `/usr/src/tensorrt/bin/trtexec`. Check
# your numbers with it. One line builds, one times. These are for TensorRT 9 and 10, reported from NVIDIA's documentation;
# [plugin_src](../plugin_src/README.md) has those for UFF and other versions:
#
# ```text
# trtexec --onnx=box3d_timing.fp16.onnx --stronglyTyped --saveEngine=box3d.plan
# trtexec --loadEngine=box3d.plan --warmUp=500 --iterations=1000 --useSpinWait
# ```
#
# *GPU Compute Time* is the GPU's own clock, the diamond in our charts. *Latency* adds the copies in and out. *Enqueue Time* is
# what the host needs to hand in one run; where it comes near GPU Compute Time, the GPU waits for the host, and `--useCudaGraph`
# (all launches recorded once and handed in as one) helps. *Throughput* is not 1 / Latency, because `trtexec` hands in the next
# run before the last one is done.
#
# ## The chart
#
# Yours, measured a moment ago, and the article's, published without a word on how its times were taken, and not reproduced by us.
# Then ours on an H200 and an H100.
#
# **Guess first.** The article's TensorRT in FP16 is five times as fast as its TensorFlow. How many times is ours, on a GPU six
# years younger, both on the same GPU?

# %%
guess = ...  # a number of times

# %%
article = [entry for entry in timing.published() if "3D-box" in entry["network"]]
ours = [entry for entry in timing.recorded() if entry["batch"] == 1]
show.timings(record, article)

# %%
newer = [entry for entry in timing.recorded("timing_tensorrt10.6.0_h100.json")
         if entry["batch"] == 1]
show.timings(None, ours + newer)

# %%
ms = {(entry["framework"], entry["precision"]): entry["ms"] for entry in ours}
half = ms["TensorRT", "FP16"]
print("TensorFlow / FP16: %.1f on the H200, %.1f in the article" % (
    ms["TensorFlow", None] / half, 30 / 6))
print("FP32 / FP16:       %.1f on the H200, %.1f in the article" % (
    ms["TensorRT", "FP32 (TF32)"] / half, 18 / 6))
print("TensorFlow / FP16: %.1f on the H100, with TensorRT 10.6.0" % (
    newer[0]["ms"] / newer[2]["ms"]))

# %% [markdown]
# Near the article's five, 4.8 and 5.9, and for other reasons. (The H100's columns were measured for one second each.) Compare
# within a block, not across: what TensorRT does is the ratio *on one machine*. For an H200 this network is small: it computes
# it in 0.27 ms of FP16, and copies and calls of the host take another 0.09. Recorded as one CUDA graph, the plan needs 0.31 ms
# with copies. And FP32 means TF32 there, so half of the bits bring much less than on the Xavier, which has no TF32. INT8 brings
# little more at batch 1, 0.24 ms on the GPU without copies; at batch 8 it needs 0.46 and FP16 0.62, also without.
#
# Are the article's 30, 18 and 6 ms believable?
#
# - The convolutions take 31 billion operations for one image. In **6 ms** of FP16 that is 5 TFLOP/s (trillions a second). The
#   board's data sheet allows 11. Reading 81 MB of weights takes 0.6 ms. Plausible.
# - In **18 ms** of FP32 it is 1.7 TFLOP/s, and the board's 512 cores at 1.38 GHz can do 1.4. Impossible? No: for 3x3 convolutions
#   there is a method (*Winograd*) that needs fewer than half of the multiplications. A time above the peak need not be a lie; count what
#   is really computed.
#
# Others have published times for VGG16 on this board and smaller ones. Its convolutions are the body of our network, but its
# own dense layers make it 138 million weights, 277 MB in FP16 against our 81. So 7.46 ms there fits 6 ms here.

# %%
show.timings(None, [entry for entry in timing.published() if "VGG16" in entry["network"]])

# %% [markdown]
# ## Latency against batch
#
# Several images in one run share the reading of the weights and keep more of the GPU busy. How long one run takes is
# **latency**. How many images come out in a second is **throughput**; ours is batch / latency, one run after the other. (A
# program with two streams gets more.)

# %%
show.over_batches(record if on_gpu else timing.recorded())

# %% [markdown]
# On the H200 eight images in FP16 take 1.15 ms with copies, one takes 0.36: with one image most of the GPU had nothing to do. On a
# CPU with few cores, one image fills them. And a camera that delivers a picture every 33 ms gains nothing from a batch
# that it has to wait for. A street with seven vehicles *is* a batch.
#
# ## The record
#
# A number without its circumstances is a rumour. `measure` returns all of it as a record, saved as JSON: device, clocks, power
# mode and temperature (on a board), versions, the hash of each model, every sample.

# %%
timing.save(record, artifacts.BUILD / "timings.json")
again = timing.load(artifacts.BUILD / "timings.json")
for key in ("machine", "versions", "date", "command"):
    print("%-9s %s" % (key, again[key]))
print("%-9s %s" % ("before", again["results"]["before"]))

# %% [markdown]
# On a Jetson two of these decide everything: the power mode (`sudo nvpmodel -q`) and whether the clocks are held (`sudo
# jetson_clocks`). Without them the same plan on the same board may take twice as long. No published bar above tells either. On
# a PC `sudo nvidia-smi -lgc 1500` holds the clock of the GPU, here at 1,500 MHz, and `-rgc` lets it go.
#
# ## Where the time goes
#
# TensorRT reports the time of each layer to an `IProfiler`. ONNX Runtime keeps a profile of its own. (Such a profile is a
# record of times; that of page 03 is about shapes.) `timing.layers` asks for either, in a process of its own and under the
# lock.

# %%
wanted = "TensorRT FP16" if on_gpu else "ONNX Runtime FP32"
column = next((each for each in columns if each.name == wanted), columns[-1])
layers, whole = timing.layers(column, one, runs=10, wait=1800)
print("sum of the layers %.3g ms, a whole run without the profiler %.3g ms"
      % (sum(ms for _, ms, _ in layers), whole))
show.layers(layers, "%s, by its own profile, median of 10 runs" % column.name)

# %% [markdown]
# Look at the two sums first. If they differ by a third or more, something disturbed the profile, or the profiler itself cost
# that much: then read the shares only. Now the plan in FP16 from UFF, as TensorRT 8.6.1 reported it on the H200:

# %%
h200 = timing.load(timing.RUNS / "timing_tensorrt8.6.1_h200.json")["results"]["layers"]
print("sum of the layers %.2f ms, a whole run without the profiler %.2f ms"
      % (sum(ms for _, ms in h200["ms"]), h200["whole_ms"]))
print("l2_normalize %.4f ms" % dict(h200["ms"])["orientation/l2_normalize"])
show.layers(h200["ms"], "TensorRT 8.6.1, FP16, batch 1, NVIDIA H200, by IProfiler", top=20,
            recorded=True)

# %% [markdown]
# On a CPU nearly all of it is convolution. On a GPU, which computes faster than it reads, the longest single layers are the
# wide dense ones: they hold more than half of all weights. A bar that names several nodes, joined by `+`, is one kernel; TensorRT
# has *joined* convolution, bias and activation. And `l2_normalize`, two pages' work? It is among the others. The
# plugin was never about speed in *this* network. It was about getting the normalisation into the plan at all.
#
# In which precision a layer really runs, the profile does not say. `Engine.inspect()` does, the only honest check that FP16 is
# FP16.
#
# ## Your turn
#
# **1.** Write `p90(samples)`: the smallest of the samples such that at least 90 % of all samples are no larger. (This is called the
# *nearest rank*. It always returns a time that really occurred.)
#
# Stuck? `hint("06.1")` gives a first hint, called again a second one.

# %% tags=["exercise"]
from notebooks.checks import check, hint

def p90(samples):
    return ...


check("06.1", p90)

# %% tags=["solution"]
from notebooks.checks import check

def p90(samples):
    rank = -(-9 * len(samples) // 10)  # 0.9 n, rounded up, in whole numbers
    return sorted(samples)[rank - 1]


check("06.1", p90)

# %% [markdown]
# **2.** Three recordings of the same network, in TensorFlow on one machine, each 24 runs. One was made as it should be, one
# without a warm-up, one beside a busy neighbour. Which is the one **beside a neighbour**? Their letters are not in that order.

# %%
three = timing.load(timing.RUNS / "three_measurements.json")
print(three["note"])
show.samples(three["results"]["samples_ms"])

# %% tags=["exercise"]
answer = ...  # "A", "B" or "C"
check("06.2", answer)

# %% tags=["solution"]
check("06.2", "A")

# %% [markdown]
# **3.** Which batch should a program use? Write `best_batch(rows, deadline)`. `rows` are what `timing.rows(record)` gives, in
# any order: dictionaries with `batch`, `ms` (the median of one run, in ms) and `p90` among others. Return the batch with the
# most images a second, at the median, among those whose p90 keeps the deadline (in ms); `None` if none does.

# %% tags=["exercise"]
def best_batch(rows, deadline):
    return ...


check("06.3", best_batch)

# %% tags=["solution"]
def best_batch(rows, deadline):
    in_time = [row for row in rows if row["p90"] <= deadline]
    if not in_time:
        return None
    return max(in_time, key=lambda row: row["batch"] / row["ms"])["batch"]


check("06.3", best_batch)

# %% [markdown]
# ## What you saw
#
# - A plan is CUDA kernels and weights for one GPU and one TensorRT. Carry the model, build where it runs.
# - FP16 halves the plan and costs centimetres. INT8 can halve it again; whether it passes depends on how many vehicles you ask.
# - *Broken* means another network, not a worse one. Only the truth can tell that.
# - No warm-up, a single run, a neighbour, no synchronise: each gives a number, none of them the one you wanted.
# - Median and p90 of many runs, in processes of their own that take turns, under a lock, with device and parity beside them.
#
# Next: [07 the ONNX road](07_onnx_road.ipynb).
