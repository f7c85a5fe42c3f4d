# %% [markdown]
# # 05 Timing
#
# The article that this workbook follows ends in three numbers for one Jetson AGX Xavier: 30 ms in TensorFlow, 18 ms in TensorRT,
# 6 ms in TensorRT with 16-bit numbers. (r7vme, on Medium, part 1, 2019. How they were measured is not said.) This page builds the
# plans behind such numbers, asks what each of them costs in degrees and metres, and then measures. Measuring is the hard part: it
# is easy to get a number, and hard to get the same one tomorrow.
#
# After this page you will be able to
#
# - build plans in FP32, FP16 and INT8, and say why a plan does not travel,
# - say what each precision costs, for the typical box and for the worst,
# - name four ways to measure wrongly, and recognise each by its samples,
# - time several runtimes so that the comparison can be believed, and draw the article's chart for *your* machine.
#
# **You need** notebooks 01 to 04. **Time:** 40 minutes.

# %%
import sys; sys.path.insert(0, "..")
import numpy as np
from helpers import artifacts, child, cuda, engine, freeze, network, parity
from helpers import scenes, show, timing, toolbox

trt = toolbox.tensorrt()
on_gpu = trt is not None and cuda.available()
print("Plans can run here." if on_gpu else "No plan can run here: ONNX Runtime computes.")

# %% [markdown]
# ## One graph, three precisions
#
# We take up where notebooks 03 and 04 ended: `LeakyRelu` and `l2_normalize` are replaced by plugin nodes, and the graph is written
# as UFF.

# %%
from helpers import l2_surgery

gs, uff = toolbox.surgery()
graph = gs.DynamicGraph(freeze.load(freeze.box3d()))
l2_surgery.collapse(graph, gs)
graph.collapse_namespaces({
    node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    for node in graph.find_nodes_by_op("LeakyRelu")})
with toolbox.silence():
    uff_data = uff.from_tensorflow(graph.as_graph_def(), list(network.OUTPUTS), quiet=True)
uff_file = artifacts.write(artifacts.BUILD / "box3d_timing.uff", uff_data)

# %%
show.graph(graph.as_graph_def(), ["orientation/l2_normalize", "leaky_re_lu_3/LeakyRelu"],
           mark={"orientation/l2_normalize": "new", "leaky_re_lu_3/LeakyRelu": "new"})

# %% [markdown]
# **FP32** is what the network was trained in: numbers of 32 bits. **FP16** has 16 bits, half the memory to read, and units on the
# GPU that compute with it several times faster. Up to TensorRT 10 it is a wish to the builder. Later it stands in the graph, and so
# it does in ONNX:

# %%
from helpers.uff import to_onnx

models = {name: artifacts.BUILD / ("box3d_timing.%s.onnx" % name)
          for name in ("fp32", "fp16", "int8")}
for name in ("fp32", "fp16"):
    to_onnx.convert(uff_data, models[name], precision=name, plugins="inline")

# %% [markdown]
# **INT8** has whole numbers from -127 to 127. What is 1.0 to be, then? That depends on how large the numbers in each layer become,
# and only pictures can tell. This is **calibration**: some pictures go through the network, the range of each tensor is noted, and
# becomes a scale. The pictures below come from streets that neither the training nor the test has seen. Sixteen are few, to keep
# this page quick.

# %%
pictures = network.preprocess(scenes.calibration_crops(16))
np.save(str(artifacts.BUILD / "calibration.npy"), pictures)
engine.quantize(models["fp32"], pictures, models["int8"])
{name: "%.1f MB" % (path.stat().st_size / 1e6) for name, path in models.items()}

# %% [markdown]
# ## A plan, in TensorRT's own words
#
# Four objects take part. The **builder** makes everything else. The **network** is empty at first. A **parser** fills it from a
# file. The **config** holds your wishes. Which parser there is depends on the TensorRT: to version 8 one for UFF, today only the one
# for ONNX. With UFF, our plugin from notebook 04 has to be loaded first.

# %%
from helpers import plugin

plugins = []
if hasattr(trt, "UffParser"):
    plugins = [plugin.compile()]
    plugin.load(trt, plugins[0])
sources = dict.fromkeys(models, uff_file) if plugins else models
if trt:
    print("plans are built from", sorted({path.name for path in sources.values()}))

# %%
if trt:
    builder = trt.Builder(engine.logger(trt))
    net = builder.create_network(*engine.network_flags(trt, implicit=bool(plugins)))
    if plugins:
        parser = trt.UffParser()
        parser.register_input("input_1", (224, 224, 3), trt.UffInputOrder.NHWC)
        for name in network.OUTPUTS:
            parser.register_output(name)
        parser.parse(str(uff_file), net)
    else:
        parser = trt.OnnxParser(net, engine.logger(trt))
        parser.parse(models["fp32"].read_bytes())
    print(net.num_layers, "layers")

# %% [markdown]
# Now the wishes: how much scratch memory a layer may use, and how many images come at once. These two lines differ so much between
# TensorRT's generations that helpers write them (notebook 06 has the table). The last line is where the builder works: it joins
# layers, picks a kernel for each, and writes it all down.

# %%
if trt:
    config = engine.settings(builder)  # builder.create_builder_config()
    engine.set_workspace(trt, config, 1 << 30)
    engine.set_batch(trt, builder, net, config, 1, implicit=bool(plugins))
    plan = engine.serialize(trt, builder, net, config)  # builder.build_serialized_network(...)
    print("a plan of %.1f MB" % (len(plan) / 1e6))
else:
    toolbox.quote("81 layers\na plan of 162.6 MB", "TensorRT for RTX 1.7.1")

# %% [markdown]
# That is a **plan**: no graph any more, but a list of kernels with their weights, ready to be started one after the other. It is
# 162 MB large because that is what 40 million weights of four bytes take. Hardly anything else is in it.
#
# `engine.build` does the same in one call, and the precisions with it. We let a child process do it. If TensorRT breaks there, this
# notebook lives on, and the memory goes back. (On a Jetson each build takes minutes, because there the builder *times* kernels on
# the GPU in front of it. The second time, a plan that is still fresh is taken as it is.)

# %%
build = """
import sys; sys.path.insert(0, "..")
import numpy as np
from helpers import engine
model, plan, precision, batch, pictures = sys.argv[1:6]
engine.build(model, plan, precision, batch=int(batch), plugins=sys.argv[6:],
             calibration=np.load(pictures) if precision == "int8" else None)
"""

# %%
BATCHES = (1, 8) if on_gpu else (1, 2)
plans, built = {}, {}
for name in models if trt else ():
    for batch in BATCHES if on_gpu else (1,):
        plan = artifacts.BUILD / ("box3d_timing.%s.b%d.plan" % (name, batch))
        done = child.run([sys.executable, "-c", build, sources[name], plan, name, batch,
                          artifacts.BUILD / "calibration.npy"] + plugins)
        if done.code:
            print(name, "was not built:", done.text.strip().splitlines()[-1])
        else:
            plans.setdefault(name, {})[batch] = plan
            built["%s, batch %d" % (name.upper(), batch)] = artifacts.read_sidecar(plan)

# %%
if built:
    display(show.plan_sizes(built))
else:
    toolbox.quote("FP32 162.7 MB, FP16 82.0 MB, INT8 43.5 MB; 0.75 s, 0.53 s, 0.6 s",
                  "TensorRT for RTX 1.7.1 on a CPU")

# %% [markdown]
# Half the bits, half the file, and for INT8 a quarter: first of all, a plan is its weights. Every run has to read them from memory,
# which bounds what is possible. A board that reads 100 GB a second needs 1.6 ms for 162 MB, whatever its kernels can do. **A time
# below that is a mistake in the measurement.**
#
# ## A plan does not travel
#
# Kernels are machine code for one kind of GPU, and the file's inner format belongs to one version of TensorRT. So the workbook keeps
# a record beside each plan.

# %%
record = built.get("FP32, batch 1", {})
{key: record.get(key) for key in ("library", "version", "gpu", "precision", "source")}

# %% [markdown]
# (`gpu` is None for a plan of TensorRT for RTX: it fits several generations of RTX cards, and only those.) What happens to a plan
# from elsewhere? We write one whose record says that it was built on a Jetson with JetPack 5.1. That is a replay: the bytes are ours,
# only the record is altered.

# %%
stranger = artifacts.BUILD / "stranger.plan"
try:
    if not plans:
        raise RuntimeError("no TensorRT here, so there is no plan to open")
    artifacts.write(stranger, plans["int8"][1].read_bytes(), **dict(
        built["INT8, batch 1"], library="tensorrt", version="8.5.2.2"))
    engine.Engine(stranger)
except (RuntimeError, KeyError) as error:
    print(error)

# %% [markdown]
# Without that record TensorRT itself refuses, with a line about a serialization version or a magic tag. Carry the UFF or the ONNX
# file, and build where the plan is to run. The record also holds the hash of the plan, so that a file which lost its end on the way
# is met with a sentence, too, rather than with a crash.
#
# ## What each precision costs
#
# Before we ask how fast, we ask what is lost. The yardstick is TensorFlow's answer for the vehicles of these scenes. Where a GPU can
# run the plans, they answer. Elsewhere ONNX Runtime computes the same three graphs on the CPU.

# %%
street = [scenes.load(name) for name in scenes.names()[:3]]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
frozen = freeze.load(freeze.box3d())
reference = network.heads(freeze.run(frozen, images))

# %%
def answers(name):
    if on_gpu and name in plans:
        with engine.Engine(plans[name][1], plugins=plugins) as box3d:
            return box3d.run(images)
    return network.heads(toolbox.run_onnx(models[name], images).values())

found = {name: answers(name) for name in models}
gates = {name: parity.compare(reference, heads, street) for name, heads in found.items()}

# %%
gates["fp32"]

# %% [markdown]
# FP32 is the same network in another order of additions.

# %%
gates["fp16"]

# %% [markdown]
# FP16 keeps about three decimal digits. Two things flatter it here. The weights that come with the workbook are stored in 16 bits, so
# they lose nothing. And a CPU has no FP16 arithmetic: ONNX Runtime computes in 32 bits and rounds in between (version 1.10 leaves even
# that out). A GPU rounds every layer, so expect more from a plan that runs. We have not measured how much.

# %%
gates["int8"]

# %% [markdown]
# Look at INT8's medians, then at its largest values. Whoever reports the mean of INT8 reports a success; whoever drives the car
# meets the worst box. The gate asks for the worst. Here are the boxes in one scene, in each precision:

# %%
for name, heads in found.items():
    display(show.boxes_on_scene(street[0], parity.place(heads, street)[0],
                                title="%s: %s" % (name.upper(), gates[name].verdict)))

# %% [markdown]
# (One of the six vehicles is cut off by the edge of the photo and gets no box in any precision.) Can you see a difference? Hardly.
# A photo forgives an error along the line of sight, and decimetres are small in the view from above. Which boxes moved?

# %%
import matplotlib.pyplot as plt

away = np.concatenate([np.linalg.norm(scene.objects.location, axis=1) for scene in street])
figure, axes = plt.subplots(figsize=(7, 2.8), dpi=110)
for name, colour in (("fp16", "#1b7f3b"), ("int8", "#d9580d")):
    axes.scatter(away, gates[name].distance_m, s=22, color=colour, label=name.upper())
axes.axhline(parity.CLOSE_M, color="#6b7480", lw=1, ls="--")
axes.set(xlabel="distance of the vehicle, m", ylabel="its box moved by, m", yscale="log")
axes.legend(frameon=False)
figure.tight_layout()

# %% [markdown]
# Distance comes from how large the vehicle looks against how large it is said to be. Make it one per cent taller, and a car 10 m away
# moves by ten centimetres, one 60 m away by sixty. An angle a little off does the same, as it changes how wide the box looks from
# here. So one small error in a head is centimetres near by and decimetres far off. What is done about it: more pictures for the
# calibration (with 64 our largest error shrank and the verdict stayed), a sensitive layer left in FP16, or training with the
# rounding in place (*quantisation-aware training*).
#
# ## How to measure wrongly
#
# Now the clock. `timing.sample` runs a step again and again and keeps every single time. We begin with TensorFlow, and the way
# in which most people begin: start it, take the mean.
#
# **First mistake: no warm-up.**

# %%
with freeze.tf.Graph().as_default() as tf_graph:
    freeze.tf.import_graph_def(frozen, name="")
session = freeze.v1.Session(graph=tf_graph)
fetches, one = [name + ":0" for name in network.OUTPUTS], images[:1]

def in_tensorflow(before=None, after=None):
    session.run(fetches, {"input_1:0": one})

# %%
cold = timing.sample(in_tensorflow, seconds=1, warm_up=0, least=6)
print("mean of %d runs: %.0f ms" % (len(cold.host), np.mean(cold.host)))
warm = timing.sample(in_tensorflow, seconds=1, warm_up=0.2)
print("mean of %d runs: %.0f ms" % (len(warm.host), np.mean(warm.host)))

# %%
show.samples({"no warm-up": cold.host, "the same, a moment later": warm.host})

# %% [markdown]
# The first run is not an inference. TensorFlow rewrites its graph then; a GPU loads its kernels; memory is asked for. A mean carries
# it on into every later number, and the fewer runs, the more. So: run some, throw them away, *then* start.
#
# **Second mistake: one single run.** Even warm, the strip above is no straight line. Suppose that two people each time one run, and
# one of them is lucky:

# %%
print("the luckiest run %.0f ms, the unluckiest %.0f ms" % (min(warm.host), max(warm.host)))
timing.summary(warm.host)

# %% [markdown]
# So give a **median**: half of the runs are faster. And give **p90** and **p99**: nine of ten, and 99 of 100, are at most that slow. For
# something that has to brake in time, p99 is the number. (With fewer than 100 runs, p99 is simply the slowest.)
#
# **Third mistake: a neighbour.** Here ONNX Runtime computes the network, first alone, then while a TensorFlow session in the same
# process works too. In notebooks that is a common accident.

# %%
import onnxruntime

runtime = onnxruntime.InferenceSession(str(models["fp32"]), providers=["CPUExecutionProvider"])

def in_onnxruntime(before=None, after=None):
    runtime.run(None, {"input_1": one})

alone = timing.sample(in_onnxruntime, seconds=1, warm_up=0.3)

# %%
import threading

done = threading.Event()

def neighbour():
    while not done.is_set():
        in_tensorflow()

thread = threading.Thread(target=neighbour)
thread.start()
beside = timing.sample(in_onnxruntime, seconds=1, warm_up=0.3)
done.set()
thread.join()

# %%
show.samples({"FP32, alone": alone.host, "FP32, with a neighbour": beside.host})

# %% [markdown]
# Nothing in a number tells you that somebody else was there. On a Jetson it is worse: TensorFlow takes nearly all of the memory,
# which GPU and CPU share, and a plan timed after it may find no room for its faster kernels. Each runtime therefore gets a process of
# its own, and a *lock* sees to it that on one machine only one measurement runs.
#
# **Fourth mistake: no synchronise.** A GPU works through a queue. `enqueue` puts work there and returns at once. Who stops the clock
# then has measured how fast one can hand in an order. A queue needs no GPU: Python has one too.

# %%
from concurrent.futures import ThreadPoolExecutor

def clock(step, runs=5):
    return timing.summary(timing.sample(step, seconds=0, warm_up=0, least=runs).host)["median"]

with ThreadPoolExecutor(1) as queue:
    print("handed in:  %9.3f ms" % clock(lambda *_: queue.submit(in_onnxruntime)))
    queue.submit(in_onnxruntime).result()  # waits until the queue is empty
    print("and waited: %9.3f ms" % clock(lambda *_: queue.submit(in_onnxruntime).result()))

# %% [markdown]
# The first number is wonderful, and no image was ready when the clock stopped. With CUDA the queue is called a *stream*, and the
# waiting is `stream.synchronize()`. Here is the same on a GPU, if there is one:

# %%
if on_gpu and "fp16" in plans:
    with engine.Engine(plans["fp16"][1], plugins=plugins) as box3d:
        box3d.run(one)
        print("enqueue alone:     %.3f ms" % clock(lambda *_: box3d.enqueue(1)))
        box3d.run(one)  # empties the queue
        print("with copies, sync: %.3f ms" % clock(lambda *_: box3d.step(one), 50))
else:
    print("No GPU here. `enqueue` would return before the GPU is done, as `submit` did above.")

# %% [markdown]
# ## And rightly
#
# `timing.measure` does what we have learnt. It holds the lock, gives each column a process, warms all up, then lets them take turns in
# short blocks, so that a board which becomes hot becomes hot for all. On a GPU it keeps two clocks: the host's, copies included,
# and the GPU's own, from events in the stream. And it judges: a column without a parity verdict is not shown.

# %%
if on_gpu:
    columns = [timing.Column("TensorRT " + name.upper(), "tensorrt", plans[name],
                             {"plugins": plugins}) for name in plans]
else:
    columns = [timing.Column("ONNX Runtime " + name.upper(), "onnxruntime", models[name])
               for name in ("fp32", "int8")]
columns.insert(0, timing.Column("TensorFlow", "tensorflow", freeze.box3d()))

# %%
session.close()
first, some = street[:1], images[:len(street[0].objects.kind)]
record = timing.measure(columns, some, batches=BATCHES, seconds=1, warm_up=0.2, wait=300,
                        judge=lambda want, got: parity.compare(want, got, first))
print(timing.table(record))

# %% [markdown]
# One second for each column is enough for a lesson and not for a publication. `report=True` measures for at least a minute and
# 1,024 runs, as the MLPerf benchmark asks for one stream of images. Here is every run of that second:

# %%
show.samples(record)

# %% [markdown]
# And what if somebody else is measuring on this machine? Let us be somebody else for a moment:

# %%
with timing.lock("an exercise of notebook 05", wait=300):
    try:
        timing.measure(columns, some, seconds=1)
    except TimeoutError as error:
        print(str(error).split(": ", 1)[1])

# %% [markdown]
# ## The chart
#
# Solid bars are yours, measured a moment ago. **Hatched** bars were published by others; nobody has reproduced them here, and most
# do not say how they were taken. The first three are the article's 30, 18 and 6 ms.

# %%
published = [entry for entry in timing.published() if "3D-box" in entry["network"]]
show.timings(record, published)

# %% [markdown]
# Compare within a block, not across. That a Xavier from 2019 and this machine differ says little about TensorRT; what TensorRT does
# is the ratio *on one machine*. The article's is 30 to 18 to 6. Are those believable? The convolutions take about 31 billion
# operations for one image; in 6 ms that is 5 million million a second, within reach of that board's FP16 units. The weights, 81 MB
# in FP16, are read in well under 6 ms. So: plausible, though not reproduced.
#
# Others have published times for VGG16, the body of our network, on this and on smaller boards:

# %%
body = [entry for entry in timing.published() if "VGG16" in entry["network"]]
show.timings(record, body)

# %% [markdown]
# ## Latency against batch
#
# Several images in one run share the reading of the weights and keep more units busy. How long one run takes is **latency**; how many
# images come out in a second is **throughput**. They are two questions, and often two answers.

# %%
show.over_batches(record)

# %% [markdown]
# On a CPU with few cores one image fills them, and a batch should gain little. If your curve climbs or falls all the same, look at the
# whiskers and at the number of runs: was the machine yours alone? On a GPU the right curve usually climbs. But a camera that delivers
# a picture every 33 ms gains nothing from a batch that it has to wait for. A street with seven vehicles *is* a batch.
#
# ## The record
#
# A number without its circumstances is a rumour. `measure` returns all of it as a record, saved as JSON: device, clocks, power mode and
# temperature (on a board), versions, the hash of each model, every sample.

# %%
timing.save(record, artifacts.BUILD / "timings.json")
again = timing.load(artifacts.BUILD / "timings.json")
for key in ("device", "versions", "before", "lock"):
    shown = {name: value for name, value in again[key].items() if name not in ("path", "by")}
    print("%-9s %s" % (key, shown))

# %% [markdown]
# On a Jetson two of these decide everything: the power mode (`sudo nvpmodel -q`) and whether the clocks are held (`sudo jetson_clocks`).
# Without them the same plan on the same board may take twice as long. No published bar above tells either.
#
# ## Where the time goes
#
# TensorRT calls an `IProfiler` after each layer; `Engine.layer_times` collects that on a GPU. (A plan that was built for another
# machine tells nothing about its layers: no builder times them ahead of time.) ONNX Runtime keeps a profile of its own, a JSON file
# with an entry for each operation and run; the function below takes the median of each, without the first run.
# Either way, measuring between layers costs time and forbids overlap. Read the shares, and take the latency from the chart.

# %%
import json

def profile(path, runs=3):
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(artifacts.BUILD / "profile")
    session = onnxruntime.InferenceSession(str(path), options,
                                           providers=["CPUExecutionProvider"])
    for _ in range(runs + 1):
        session.run(None, {"input_1": one})
    log, times = session.end_profiling(), {}
    with open(log) as stream:
        for event in json.load(stream):
            if event["name"].endswith("_kernel_time"):
                key = event["name"][:-len("_kernel_time")], event["args"]["op_name"]
                times.setdefault(key, []).append(event["dur"] / 1e3)
    artifacts.Path(log).unlink()
    return [(name, float(np.median(ms[1:])), op) for (name, op), ms in times.items()]

# %%
if on_gpu and "fp16" in plans:
    with engine.Engine(plans["fp16"][1], plugins=plugins) as box3d:
        layers, what = box3d.layer_times(one), "TensorRT FP16, by IProfiler"
else:
    layers, what = profile(models["fp32"]), "ONNX Runtime FP32 on this CPU, by its own profile"
show.layers(layers, what)

# %% [markdown]
# On a CPU nearly all of it is convolution. The dense layers hold more than half of all weights and take little; expect more on a GPU,
# which computes faster than it reads. And `l2_normalize`, a whole notebook's work? It is among the others. The plugin was never about
# speed: without it there was no plan.
#
# ## Your turn
#
# **1.** Write `p90(samples)`: the smallest of the samples such that at least 90 % of all samples are no larger. (This is called the
# *nearest rank*. It always returns a time that really occurred.)

# %% tags=["exercise"]
from helpers import exercises

def p90(samples):
    return ...


exercises.check("05.1", p90)

# %% tags=["solution"]
from helpers import exercises

def p90(samples):
    rank = -(-9 * len(samples) // 10)  # 0.9 n, rounded up, in whole numbers
    return sorted(samples)[rank - 1]


exercises.check("05.1", p90)

# %% [markdown]
# **2.** Three recordings of the same network, in TensorFlow on one machine, each 24 runs. One was made as it should be, one without a
# warm-up, one beside a busy neighbour. Which is the one **without a warm-up**? Their letters are not in that order.

# %%
with open(str(artifacts.DATA / "three_measurements.json")) as stream:
    three = json.load(stream)
print(three["about"])
show.samples(three["samples_ms"])

# %% tags=["exercise"]
answer = ...  # "A", "B" or "C"
exercises.check("05.2", answer)

# %% tags=["solution"]
exercises.check("05.2", "B")

# %% [markdown]
# **3.** Which batch should a program use? Write `best_batch(rows, deadline)`. `rows` are what `timing.rows(record)` gives: dictionaries
# with `batch` and `p90` (ms for one run) among others. Return the batch with the most images a second, at the median `ms`, among those
# whose p90 keeps the deadline (in ms); `None` if none does.

# %% tags=["exercise"]
def best_batch(rows, deadline):
    return ...


exercises.check("05.3", best_batch)

# %% tags=["solution"]
def best_batch(rows, deadline):
    in_time = [row for row in rows if row["p90"] <= deadline]
    if not in_time:
        return None
    return max(in_time, key=lambda row: row["batch"] / row["ms"])["batch"]


exercises.check("05.3", best_batch)

# %% [markdown]
# ## What you saw
#
# - A plan is kernels and weights for one GPU and one TensorRT. Carry the model, build where it runs.
# - FP16 halves the plan, and costs little where we could compute it. INT8 halves it again; the gate has to ask for its worst box.
# - No warm-up, a single run, a neighbour, no synchronise: each gives a number, none of them the one you wanted.
# - Median and p90 of many runs, in processes of their own that take turns, under a lock, with device and parity beside them.
#
# Next: [06 the ONNX road](06_onnx_road.ipynb).
