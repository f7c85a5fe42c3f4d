# %% [markdown]
# # 07 The ONNX road
#
# UFF, the file format of pages 02 to 05, ended with TensorRT 8.6. On a Jetson Orin or Thor with a current JetPack, on a
# data-centre GPU and on an RTX card the road from TensorFlow leads through **ONNX**, a format that many tools read and write.
# The network is the same, and so are its three troubles. Only the names of the tools have changed. This page takes that road
# with the tools that people use today. (The ONNX files of the pages before came from `uffsurgeon.to_onnx`, which reads UFF.
# Take it where there is a .uff or a plugin node, and the tools of this page where you start from TensorFlow. PyTorch writes ONNX
# itself, with `torch.onnx.export`; from "collapse_namespaces, today" on, this page is about such a file, too.)
#
# After this page you will be able to
#
# - convert the trained network with tf2onnx without running out of memory,
# - see in the graph what a converter did about Flatten, LeakyReLU and `l2_normalize`,
# - fold nodes into one operation of your own with onnx-graphsurgeon, with a body for runtimes that do not know it,
# - compare two models with Polygraphy, and say what its PASSED does not tell,
# - build plans in FP32, FP16 and INT8 for a TensorRT that takes precision from the graph,
# - read an old TensorRT script and know which lines have to change.
#
# **You need** pages 01 to 05, from 06 the part [Pairs of QuantizeLinear and
# DequantizeLinear](06_timing.ipynb#Pairs-of-QuantizeLinear-and-DequantizeLinear), and up to 3 GB of memory. **Time:** about
# 100 minutes, 35 of them for the exercises. Before "Polygraphy" is a good place for a break.

# %%
import sys
import numpy as np
import onnx
from helpers import artifacts, child, engine, freeze, machine, network, page, parity, process
from helpers import run, scenes, show

process.prepare_tensorflow()
print(machine.tensorrt())
trt = engine.tensorrt() if machine.tensorrt().module else None

# %% [markdown]
# Are today's tools here? The stack of JetPack 4 (Python 3.6) has tf2onnx, but neither onnx-graphsurgeon nor Polygraphy.
# There, cells that need them do nothing, or quote what they gave elsewhere and say so. Read such a page for its ideas; what
# concerns your board directly is the table "The lines that changed".

# %%
try:
    import onnx_graphsurgeon as gs
    import polygraphy
    print("onnx-graphsurgeon %s, Polygraphy %s" % (gs.__version__, polygraphy.__version__))
except ImportError as error:
    gs = polygraphy = None
    print("Not here, cells will quote:", error)

# %% [markdown]
# The reference is what the frozen graph answers in TensorFlow for the vehicles of one scene, as on the pages before.

# %%
street = [scenes.load("000001")]
images = network.preprocess([crop for scene in street for crop in scenes.crops(scene)])
reference = network.heads(run.tensorflow(freeze.load(freeze.box3d()), images))

# %% [markdown]
# ## The ordinary command, and why not here
#
# [tf2onnx](https://github.com/onnx/tensorflow-onnx) is one command:
#
# ```text
# python -m tf2onnx.convert --graphdef box3d.pb --inputs input_1:0
#        --outputs dimension/LeakyRelu:0,orientation/l2_normalize:0,confidence/Softmax:0
#        --opset 13 --output box3d.onnx
# ```
#
# From a SavedModel it is `--saved-model`; we begin with the frozen graph because we know every node of it. ONNX's list of
# operations grows, and a file says by which edition of the list it is to be read: its **opset**. A runtime refuses an opset
# that it does not know yet. We take 13, the first with a scale for each channel of a weight, which INT8 will need.
#
# The command works, and its answers are right. But for our 162 MB of weights it took 7.1 GB of memory in one run and 9.8 GB
# in another, and 38 and 54 seconds (recorded: two cores, tf2onnx 1.17.0, TensorFlow 2.21.0, 22 November 2026; `python
# tests/bench_to_onnx.py` measures it on yours). It makes a dozen passes over the graph and, before each, a spare copy to go
# back to, weights included.
#
# A Jetson has one memory for everything: Linux, the desktop, the GPU. On a board with 8 GB such a command is likely to end with
# one word, `Killed`. It does not have to run there. A plan belongs to one kind of GPU and has to be built on it, but an ONNX
# file is the same on every machine. Convert on a laptop, and copy the file.
#
# And on a small laptop? The converter does not need the weights at all: what it translates is the *structure*. So we take the
# weights out first, and put them back afterwards.
#
# ## The structure first
#
# Each weight is a `Const` node. We keep its value and turn the node into a `Placeholder`, an input of the same shape.

# %%
import tensorflow as tf

hollow, weights = freeze.load(freeze.box3d()), {}
for node in hollow.node:
    if node.op == "Const" and node.name.endswith(("/kernel", "/bias")):
        value = tf.make_ndarray(node.attr["value"].tensor)
        weights[node.name + ":0"] = value
        node.op = "Placeholder"
        del node.attr["value"]
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())

# %%
hollow_pb = freeze.save(hollow, artifacts.BUILD / "box3d_hollow.pb")
taken = sum(value.nbytes for value in weights.values())
print("%d weights taken out, %.0f MB; what is left is %.0f kB" % (
    len(weights), taken / 1e6, hollow_pb.stat().st_size / 1e3))

# %% [markdown]
# Here is one dense layer; what came in place of its constants is green.

# %%
show.graph(hollow, ["dense_3/MatMul", "dense_3/BiasAdd"], readers=False,
           mark={"dense_3/kernel": "new", "dense_3/bias": "new"})

# %% [markdown]
# Now the ordinary command gets an ordinary frozen graph that happens to have many inputs. It runs in a process of its own.
# `child.run` waits for it, and says how long it took and how much memory it used at most.

# %%
hollow_onnx = artifacts.BUILD / "box3d_hollow.onnx"
command = [sys.executable, "-m", "tf2onnx.convert", "--graphdef", hollow_pb, "--opset", "13",
           "--inputs", ",".join(["input_1:0"] + list(weights)),
           "--outputs", ",".join(name + ":0" for name in network.OUTPUTS),
           "--output", hollow_onnx]

# %%
done = child.run(command)
assert not done.code, done.text
print("%.0f seconds, %.2f GB" % (done.seconds, (done.peak_mb or float("nan")) / 1e3))

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7.5, 2.1), dpi=110)
axes.barh([2, 1], [7.1, 9.8], color="white", edgecolor="#8a929c", hatch="////")
axes.barh([0], [(done.peak_mb or 0) / 1e3], color="#2563eb")
axes.axvline(8, color="#c62828")
axes.text(8.1, 0, "all that an\n8 GB board has", va="center", color="#c62828")
axes.set_yticks([0, 1, 2])
axes.set_yticklabels(["structure only,\nmeasured here", "with weights,\nanother run",
                      "with weights,\nrecorded"])
axes.set_xlabel("peak memory of the converter, GB")
figure.tight_layout()

# %% [markdown]
# What is left is little more than the memory that TensorFlow needs to be imported.
#
# ## The weights back
#
# TensorFlow keeps the weights of a convolution as height, width, in, out; ONNX wants out, in, height, width. Had they been
# constants, tf2onnx would have transposed them. Because they are inputs now, it left a `Transpose` after each. We do that work
# ourselves, once, and drop those nodes.

# %%
values, dropped = dict(weights), set()
for node in onnx.load(str(hollow_onnx)).graph.node:
    if node.op_type == "Transpose" and node.input[0] in weights:
        values[node.output[0]] = values.pop(node.input[0]).transpose(node.attribute[0].ints)
        dropped.add(node.name)

# %% [markdown]
# What is a constant in TensorFlow is an **initializer** in ONNX: a tensor with a name, in a list of its own beside the nodes.
# The picture stays the only input.

# %%
from onnx import numpy_helper

model = onnx.load(str(hollow_onnx))
for node in [node for node in model.graph.node if node.name in dropped]:
    model.graph.node.remove(node)
for value in [value for value in model.graph.input if value.name != "input_1:0"]:
    model.graph.input.remove(value)
for name, value in values.items():
    model.graph.initializer.append(numpy_helper.from_array(value, name))

# %%
onnx.checker.check_model(model)
onnx_file = artifacts.BUILD / "box3d_tf2onnx.onnx"
artifacts.write(onnx_file, model.SerializeToString())
size = onnx_file.stat().st_size / 1e6
print("%s, %.1f MB, %d nodes" % (onnx_file.name, size, len(model.graph.node)))

# %% [markdown]
# A trick like this has to prove itself. ONNX Runtime computes the model, and the gate compares it with TensorFlow. (Recorded:
# beside what the ordinary command makes, the answers do not differ in a single bit.)

# %%
def answers_of(model):
    return network.heads(run.onnx(model, images))

parity.compare(reference, answers_of(model), street)

# %% [markdown]
# ### On your own network
#
# A frozen `mine.pb` (page 01 has the box for it) becomes `mine_hollow.onnx`, whose large weights are inputs; they wait in
# `weights`. You must change the names of the input and the outputs.
#
# ```python
# import tensorflow as tf
# import tf2onnx
#
# graph, weights = tf.compat.v1.GraphDef(), {}
# with open("mine.pb", "rb") as stream:
#     graph.ParseFromString(stream.read())
# for node in graph.node:
#     if node.op == "Const" and node.attr["value"].tensor.ByteSize() > 40000:
#         value = tf.make_ndarray(node.attr["value"].tensor)
#         weights[node.name + ":0"] = value
#         node.op = "Placeholder"
#         del node.attr["value"]
#         node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
# tf2onnx.convert.from_graph_def(graph, input_names=["input_1:0"] + list(weights), opset=13,
#                                output_names=["answer:0"], output_path="mine_hollow.onnx")
# ```

# %% [markdown]
# ### On your own network, the weights back
#
# The second half, in the same process. `fold_constants` computes what depends on constants alone, such as the Transpose after
# each weight. (Above we did that by hand.)
#
# ```python
# import onnx
# import onnx_graphsurgeon as gs
#
# model = onnx.load("mine_hollow.onnx")
# for value in [value for value in model.graph.input if value.name in weights]:
#     model.graph.input.remove(value)
#     tensor = onnx.numpy_helper.from_array(weights[value.name], value.name)
#     model.graph.initializer.append(tensor)
# folded = gs.import_onnx(model).fold_constants().cleanup()
# onnx.save(gs.export_onnx(folded), "mine.onnx")
# ```

# %% [markdown]
# ## What it did about the three
#
# **LeakyReLU** is the short one. ONNX has an operation of that name, TensorRT has a layer for it, and the slope is in the node.

# %%
nodes = {node.name: node for node in model.graph.node}
print(nodes["leaky_re_lu_2/LeakyRelu"])

# %% [markdown]
# **`l2_normalize`** is six operations now instead of five, because ONNX has no `Rsqrt`: it takes `Sqrt` and `Reciprocal`. Their
# names still begin with `orientation/l2_normalize`, because tf2onnx keeps TensorFlow's names. That will be useful.

# %%
show.graph(model, "orientation/l2_normalize")

# %% [markdown]
# TensorRT's UFF parser stopped at the `max` (page 05). Its ONNX parser takes all six of these, so nothing *has* to be done
# here. We will fold them all the same, further down: your next network may have an operation that must be folded, and half
# precision will give a reason. (That its names begin alike is no rule of ONNX. A file from another converter may have none.)
#
# **Flatten**, or rather the `Reshape` that stands for it in our repaired network, is the one to look at.

# %%
show.graph(model, "reshape_1/*", reach=2, readers=False, mark={"Transpose*": "new"})

# %% [markdown]
# Two things come together in the `Reshape`. One is the new shape, computed from the number of images, which is left open (the
# `Cast` nodes change between kinds of whole numbers). The other is the data, and there is a **`Transpose`** that nobody wrote:
# `[0, 2, 3, 1]` brings the channels to the end.
#
# It is there for a reason. Convolutions in ONNX work on NCHW, so tf2onnx transposed the images once, right after the input, and
# everything up to here is NCHW. The dense layers that follow were trained on rows in TensorFlow's order: height, width,
# channel. Before the maps are laid out in a row, they have to be transposed back. Page 02 is about what happens when nobody
# does.
#
# ## A Transpose that looks superfluous
#
# Let us be clever. A transposition in front of a `Reshape` that makes one long row anyway: can that matter? It costs memory
# traffic, and somebody in a forum got rid of one like it. So let the `Reshape` read what the `Transpose` read:

# %%
crooked = onnx.load(str(onnx_file))
maker = {node.output[0]: node for node in crooked.graph.node}
reshape = maker["reshape_1/Reshape:0"]
superfluous = maker[reshape.input[0]]
reshape.input[0] = superfluous.input[0]
crooked.graph.node.remove(superfluous)
crooked_file = artifacts.write(artifacts.BUILD / "box3d_crooked.onnx",
                               crooked.SerializeToString())
del crooked, maker, reshape, superfluous  # 160 MB

# %% [markdown]
# TensorRT will build a plan of it, in a process of its own again, which keeps this notebook alive whatever the builder does.

# %%
build = """
import sys
from helpers import engine
engine.build(sys.argv[1], sys.argv[2], precision=sys.argv[3], batch=8)
"""
plans = {}

def plan_of(path, recorded, precision="fp32"):
    if not trt or not path.exists():
        return page.quote(recorded, "TensorRT for RTX 1.7, onnx-graphsurgeon 0.6.1")
    name = path.stem if "." in path.stem else path.stem + "." + precision
    plan = path.with_name(name + ".plan")
    built = child.run([sys.executable, "-c", build, path, plan, precision])
    if built.code:
        return print(built.text.splitlines()[-1])
    plans[name] = plan
    print("%s, %.1f MB" % (plan.name, plan.stat().st_size / 1e6))

# %% [markdown]
# **Guess first.** Two look at this model now, ONNX's checker and TensorRT. Who objects?

# %%
guess = ...  # one of "nobody", "the checker", "TensorRT", "both"

# %%
onnx.checker.check_model(str(crooked_file))
print("onnx.checker: no objection")
plan_of(crooked_file, recorded="box3d_crooked.fp32.plan, 162.9 MB")

# %% [markdown]
# Nobody. Shapes fit, types fit, a plan is there. And the boxes?

# %%
wrong = answers_of(crooked_file)
parity.compare(reference, wrong, street)

# %%
without, as_it_was = parity.place(wrong, street)[0], parity.place(reference, street)[0]
show.scene_before_after(street[0], without, as_it_was, ("without the Transpose", "with it"))

# %% [markdown]
# The trap of page 02 is back, one format later, and as silent as it was. `[N, 512, 7, 7]` and `[N, 7, 7, 512]` have equally
# many numbers, and a `Reshape` asks for no more. The order of the axes is written nowhere in the file. Only the weights of the
# next layer know it.
#
# The Transpose *can* go, if those weights change with it. That is the first exercise below. The gain would be small: it moves
# 100 kB per image, next to 162 MB of weights that have to be read.
#
# ## collapse_namespaces, today
#
# [onnx-graphsurgeon](https://github.com/NVIDIA/TensorRT/tree/main/tools/onnx-graphsurgeon) is the successor of the graphsurgeon
# that you know, for ONNX. It has no `collapse_namespaces`. It has nodes and tensors, Python objects that point at each other,
# and you do the collapsing with them. First, find the six nodes.

# %%
if gs:
    graph = gs.import_onnx(model)
    six = [node for node in graph.nodes if node.name.startswith("orientation/l2_normalize")]
    print([node.op for node in six])

# %% [markdown]
# A node's `inputs` are tensors: a `Variable` if it is computed, a `Constant` with `values` if it is known. A tensor's `outputs`
# are the nodes that read it. So the borders of the six are quickly found, and the settings are *read from the nodes*: which
# axis is summed, and the smallest sum that is allowed.

# %%
if gs:
    square, total, floor = six[:3]
    pairs, unit = square.inputs[0], six[-1].outputs[0]
    settings = {"axis": int(total.inputs[1].values[0]), "eps": float(floor.inputs[1].values)}
    x, y = gs.Variable("x"), gs.Variable("y")
    print(pairs.name, "->", unit.name, settings)

# %% [markdown]
# Now the six move out of the graph and into a **local function**, a definition that is stored in the same file (page 05 made
# one too). Inside, the tensor that comes in is called `x`, and the one that goes out `y`. A function is known by its name and
# its **domain**, which keeps the names of different makers apart: the domain of ONNX's own operations is empty, ours is
# `box3d`.

# %%
if gs:
    for node in six:
        node.inputs = [x if tensor is pairs else tensor for tensor in node.inputs]
    graph.nodes = [node for node in graph.nodes if node not in six]
    six[-1].outputs = [y]
    names = dict.fromkeys(["axis", "eps", "explicit_batch"])
    body = gs.Function("L2Norm_TRT", domain="box3d", opset=graph.opset,
                       nodes=six, inputs=[x], outputs=[y], attrs=names)
    graph.functions = [body]

# %% [markdown]
# In their place comes one node with the function's name. That name and those settings are not free: they are the name of the
# plugin of page 05 and what its creator asks for. (`explicit_batch` is for one of its older classes.) `cleanup` removes what
# nothing reads any more, `toposort` brings the nodes into an order in which each follows its inputs.

# %%
folded_file = artifacts.BUILD / "box3d_folded.onnx"
if gs:
    unit.inputs.clear()  # should this cell be run twice
    graph.layer(op="L2Norm_TRT", domain="box3d", name="orientation/l2_normalize",
                attrs=dict(settings, explicit_batch=1), inputs=[pairs], outputs=[unit])
    folded = gs.export_onnx(graph.cleanup().toposort())
    artifacts.write(folded_file, folded.SerializeToString())
    picture = show.graph_before_after(model, folded, "orientation/l2_normalize")
else:
    picture = show.graph(model, "orientation/*", reach=0, mark={"orientation/*": "gone"})
picture

# %% [markdown]
# That is `collapse_namespaces`: the inputs found, the readers kept, one node for a whole namespace. What graphsurgeon could not
# do is the body. Here it is, as it is in the file:

# %%
if gs:
    import re
    from onnx import printer

    text = printer.to_text(folded.functions[0]).replace("orientation/l2_normalize/", "")
    print(re.sub(r'\["[^"]*"\] ', "", text))

# %% [markdown]
# Axis and `eps` are built into this body as constants. The attributes on the node are for the plugin. Change one of the two
# and not the other, and a plugin and a runtime without it would give different answers from one file; the function of page 05
# avoids that by reading its attributes.
#
# A runtime that has never heard of `box3d::L2Norm_TRT` finds the name in the file, puts the body in its place and computes.

# %%
gate = "onnx %s cannot read a model with local functions." % onnx.__version__
if gs:
    gate = parity.compare(reference, answers_of(folded), street)
gate

# %% [markdown]
# What TensorRT does with it depends on its version.
#
# | TensorRT | the node with its body | the node alone |
# |---|---|---|
# | 7.1 to 8.6 | knows no local functions, looks for the plugin | looks for the plugin |
# | 9.0 to 10.6 | takes the body | looks for the plugin |
# | from 10.7 on | takes the plugin if it is registered, else the body | looks for the plugin |
# | TensorRT for RTX | takes the body | refuses: it has no plugins |
#
# Reported by the change logs of NVIDIA's ONNX parser. Recorded by us on an H200, November 2026: the node alone, with its
# plugin, on 8.6.1 and 10.6.0, and a node with a body on 10.6.0; on an H100: that 8.6.1 refuses both where no plugin is loaded; on a
# CPU: the last row, with 1.7.1.
#
# The file with the body is the one to give to others. If a TensorRT from 9.0 to 10.6 is to use the plugin, delete the body:
# `del folded.functions[:]`. Without a plugin such a file is an empty promise, and who notices that? We ask the checker, ONNX
# Runtime and TensorRT.

# %%
alone_file = artifacts.BUILD / "box3d_alone.onnx"
if gs:
    del folded.functions[:]
    artifacts.write(alone_file, folded.SerializeToString())
    onnx.checker.check_model(folded)
    print("onnx.checker: no objection")

# %%
if gs:
    try:
        answers_of(alone_file)
    except Exception as error:
        print("ONNX Runtime:", str(error).split("failed:")[-1])

# %%
plan_of(folded_file, recorded="box3d_folded.fp32.plan, 162.8 MB")
plan_of(alone_file,
        recorded="node 'orientation/l2_normalize' (L2Norm_TRT): ... Plugin not found ...")

# %% [markdown]
# (A TensorRT up to 8.6 refuses both, as the table says.) Where TensorRT takes plugins, the second file becomes a plan with
# `plugins=[...]` in `engine.build` and the library of page 05. Recorded on an H200: with 8.6.1 and 10.6.0, in FP32 and FP16,
# all *close* ([what ran where](../docs/verified.md)).

# %% [markdown]
# ### On your own network
#
# The nodes below `norm/` in `mine.onnx` become one node, with them as its body. You must change the names of nodes, of the two
# tensors at the border and of the operation, and the settings.
#
# ```python
# import onnx
# import onnx_graphsurgeon as gs
#
# graph, made = gs.import_onnx(onnx.load("mine.onnx")), dict(name="MyNorm", domain="mine")
# before, after = graph.tensors()["before:0"], graph.tensors()["norm:0"]
# x, y = gs.Variable("x"), gs.Variable("y")
# body = [node for node in graph.nodes if (node.name + "/").startswith("norm/")]
# for node in body:
#     node.inputs = [x if tensor is before else tensor for tensor in node.inputs]
#     node.outputs = [y if tensor is after else tensor for tensor in node.outputs]
#     graph.nodes.remove(node)
# graph.functions.append(gs.Function(opset=graph.opset, nodes=body, inputs=[x], outputs=[y], **made))
# graph.layer(op="MyNorm", domain="mine", inputs=[before], outputs=[after], attrs={"eps": 1e-12})
# onnx.save(gs.export_onnx(graph.cleanup().toposort()), "mine_folded.onnx")
# ```

# %% [markdown]
# ## Polygraphy
#
# The gates of this workbook speak in degrees and metres, for our network. For any network there is
# [Polygraphy](https://github.com/NVIDIA/TensorRT/tree/main/tools/Polygraphy). It runs a model in one or several runtimes, keeps
# outputs, and compares. What it compares with what decides on what is judged:

# %%
from helpers.show.comparisons import what_is_judged

what_is_judged()

# %% [markdown]
# By default it makes up random inputs. We give it real crops, because random numbers do not look like a street.

# %%
if polygraphy:
    from polygraphy.json import save_json

    save_json([{"input_1:0": images[:4]}], str(artifacts.BUILD / "crops.json"))

# %%
def run_polygraphy(*words, recorded=""):
    if not polygraphy:
        return page.quote(recorded, "Polygraphy 0.53.6") if recorded else None
    code = "import sys; from polygraphy.tools import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "--onnxrt"] + list(words)
    for line in child.run(command, cwd=artifacts.BUILD).text.splitlines():
        if "| Output:" in line or "Pass Rate" in line:
            print(line.split("]", 1)[1].split("iterations | ")[-1].strip())

# %% [markdown]
# The next cell calls it twice: once to keep what the unfolded model answers, once to compare the folded model with it. Of what
# Polygraphy prints we show only the lines about outputs and the pass rate. In a shell, in the folder `build/`, you would type
#
# ```text
# polygraphy run box3d_tf2onnx.onnx --onnxrt --load-inputs crops.json --save-outputs kept.json
# polygraphy run box3d_folded.onnx --onnxrt --load-inputs crops.json \
#            --load-outputs kept.json --atol 1e-4
# ```

# %%
run_polygraphy(onnx_file.name, "--load-inputs", "crops.json", "--save-outputs", "kept.json")
run_polygraphy(folded_file.name, "--load-inputs", "crops.json", "--load-outputs", "kept.json",
               "--atol", "1e-4", recorded="Pass Rate: 100.00%")

# %% [markdown]
# And the crooked one, without its Transpose?

# %%
run_polygraphy(crooked_file.name, "--load-inputs", "crops.json", "--load-outputs", "kept.json",
               "--atol", "1e-4", recorded="Pass Rate: 0.00%")

# %% [markdown]
# FAILED, as it should be. But note *what* was compared: outputs that were kept from a model that is right. The command you will
# meet most often is a different one: `polygraphy run model.onnx --trt --onnxrt`, one file in two runtimes. The crooked file
# would pass there, because both compute what the file says. Such a test judges TensorRT. It cannot judge a conversion that went
# wrong before the file was written. For that you need answers from the *other* side, from Keras or TensorFlow.
#
# When something fails, `--onnx-outputs mark all` compares every tensor in between, and the first that differs is where to look.
# With TensorRT, marking tensors as outputs also keeps it from joining layers. A fault of joined layers disappears.

# %% [markdown]
# ### On your own network
#
# Keras's answers as a file that Polygraphy can compare with, so that it judges the conversion. `mine.npy` has inputs of yours,
# preprocessed; the names must be those of the ONNX file. Then in a shell:
# `polygraphy run mine.onnx --onnxrt --load-inputs mine_in.json --load-outputs mine_out.json --atol 1e-4`
#
# ```python
# import numpy as np
# import tensorflow as tf
# from polygraphy.comparator import RunResults
# from polygraphy.json import save_json
#
# images = np.load("mine.npy")
# model = tf.keras.models.load_model("mine.h5", compile=False)
# answers = {"answer:0": model.predict(images)}
# save_json([{"input_1:0": images}], "mine_in.json")
# wanted = RunResults()
# wanted.add([answers], runner_name="keras")
# wanted.save("mine_out.json")
# ```

# %% [markdown]
# ## Three precisions
#
# For a long time precision was a setting: you set a flag, and the builder uses FP16 where it helps. Today types are in the
# graph, and what the graph says is what is built, if the network was created as **strongly typed** (page 05;
# [versions](../docs/versions.md) says which TensorRT asks for what). So the file has to be made with care.
#
# For **FP16** the weights become 16-bit numbers. ONNX Runtime has a converter that takes a list of operations that are to
# stay in 32 bits. Page 04 showed what happens to sums and roots in 16 bits, so they are on our list, and the softmax. `Mul`
# is not: a network has many, and nearly all are harmless. The converter puts a `Cast` before and after each operation on the
# list. (ONNX numbers its types: 1 is 32 bits, 10 is 16. `keep_io_types` leaves inputs and outputs of the file in 32 bits.)

# %%
from onnxruntime.transformers.float16 import convert_float_to_float16 as to_half

def careless(path, name, nodes=None):
    keep = ["ReduceSum", "Sqrt", "Reciprocal", "Softmax"]
    halved = to_half(onnx.load(str(path)), keep_io_types=True, op_block_list=keep,
                     node_block_list=nodes)
    return artifacts.write(artifacts.BUILD / name, halved.SerializeToString())

careless_file = careless(onnx_file, "box3d_careless.fp16.onnx")
parity.compare(reference, answers_of(careless_file), street)

# %% [markdown]
# That looks done. But what does each of the six compute in? The type of a tensor says so.

# %%
typed = onnx.shape_inference.infer_shapes(onnx.load(str(careless_file))).graph
types = {value.name: value.type.tensor_type.elem_type for value in typed.value_info}
for node in typed.node:
    if node.name.startswith("orientation/l2_normalize") and node.op_type != "Cast":
        print("%d bits  %s" % ({1: 32, 10: 16}[types[node.input[0]]], node.op_type))
del typed

# %% [markdown]
# The square is a `Mul`, so it is computed in 16 bits, where 256 squared is already infinity. And what `Max` compares with,
# 1e-12, is no 16-bit number; the converter replaced it by the smallest that it allows, about 1e-7. Our vectors are shorter than
# 256, so none of our pictures shows it.
#
# A network may have been trained to longer ones. We can have such a network: multiply the last layer of the head by 100.
# Vectors become a hundred times longer, their *directions* stay, and directions are all that `l2_normalize` lets through.

# %%
def louder(path, name):
    loud = onnx.load(str(path))
    for tensor in loud.graph.initializer:
        if tensor.name.startswith("dense_4/"):
            value = numpy_helper.to_array(tensor) * np.float32(100)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return artifacts.write(artifacts.BUILD / name, loud.SerializeToString())

# %%
loud_file = louder(onnx_file, "box3d_loud.onnx")
print("louder, FP32:", parity.compare(reference, answers_of(loud_file), street).verdict)
print(len(images), "vehicles in the scene")

# %% [markdown]
# **Guess first.** The same careless conversion, the louder network: how many of these vehicles keep their box?

# %%
guess = ...  # a number of vehicles

# %%
loud_careless = careless(loud_file, "box3d_loud_careless.fp16.onnx")
lost = parity.compare(reference, answers_of(loud_careless), street)
lost

# %% [markdown]
# *Lost* means that the two components are both zero: no direction, no box. (Recorded: in PyTorch on an H200, November 2026,
# this network lost 63 of the 77 vehicles that get a place; `data/runs/gpu_precision_h200.json`.) Surely it helps to put all six
# nodes on the list, by name?

# %%
six_names = [node.name for node in model.graph.node
             if node.name.startswith("orientation/l2_normalize")]
loud_listed = careless(loud_file, "box3d_loud_listed.fp16.onnx", six_names)
listed = parity.compare(reference, answers_of(loud_listed), street)
print(listed.verdict, "with", listed.lost, "boxes lost")

# %% [markdown]
# It does not. The converter casts back to 16 bits after each of them and to 32 before the next, so between two of them every
# number passes through 16 bits. The six have to be kept *together*. `engine.half` looks for a sum over an axis, takes the nodes
# around it from the square to the division, and removes the casts between them.

# %%
loud_careful = engine.half(loud_file, artifacts.BUILD / "box3d_loud.fp16.onnx")
together = parity.compare(reference, answers_of(loud_careful), street)
together

# %% [markdown]
# If you have folded them, it is simpler still: your own operation is one node, and stays in 32 bits as a whole. That is what
# folding is good for, apart from plugins.

# %%
folded_verdict = "not here: no onnx-graphsurgeon"
if gs:
    loud_folded = louder(folded_file, "box3d_loud_folded.onnx")
    engine.half(loud_folded, loud_folded)
    folded_verdict = parity.compare(reference, answers_of(loud_folded), street).verdict
print(folded_verdict)

# %%
from helpers.show import bits

rows = [("a list of operations", loud_careless, "%s, %d lost" % (lost.verdict, lost.lost)),
        ("all six listed", loud_listed, "%s, %d lost" % (listed.verdict, listed.lost)),
        ("kept together", loud_careful, together.verdict)]
if gs:
    rows.append(("folded into one", loud_folded, folded_verdict))
bits.draw([(title, bits.along(onnx.load(str(path)), "orientation/l2_normalize"), verdict)
           for title, path, verdict in rows])

# %% [markdown]
# The picture has all of it: a box says in how many bits an operation computes, an arrow what its number went through on the
# way. All rows are the louder network. The pairs arrive in 16 bits in every row, and that does no harm. What harms is an orange
# arrow *between* the boxes: the
# square of a long vector does not fit through.
#
# With the FP16 *flag* none of this is safe: there a cast in the file is only a hint, and the builder may square in 16 bits
# all the same. `engine.build` makes a strongly typed network wherever it can, and elsewhere pins the layers one by one, as
# page 05 says.

# %% [markdown]
# ### On your own network
#
# `mine_folded.onnx` in half precision, with the folded operation in 32 bits. For a plan, take the box of page 03 with
# `create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))`, where TensorRT has that.
#
# ```python
# import onnx
# import onnx_graphsurgeon as gs
# from onnxruntime.transformers.float16 import convert_float_to_float16
#
# keep = ["Softmax", "MyNorm"]
# half = convert_float_to_float16(onnx.load("mine_folded.onnx"), keep_io_types=True, op_block_list=keep)
# onnx.save(gs.export_onnx(gs.import_onnx(half).toposort()), "mine_fp16.onnx")
# ```

# %% [markdown]
# For **INT8** the file gets Q/DQ pairs, as explained [on page
# 06](06_timing.ipynb#Pairs-of-QuantizeLinear-and-DequantizeLinear). Here they go into tf2onnx's file. The scales come from
# looking at pictures. Eight are not many, but enough to see how it works.

# %%
pictures = network.preprocess(scenes.calibration_crops(8))
int8_file = engine.quantize(onnx_file, pictures, artifacts.BUILD / "box3d_tf2onnx.int8.onnx")
show.graph(onnx.load(str(int8_file)), "block5_conv3/BiasAdd", reach=2, mark={"*Linear": "new"},
           constants=False)

# %% [markdown]
# The pair stands before the convolution, and its ReLU follows directly. What do FP16, kept together and not louder, and INT8
# do to the file and the plan?

# %%
with_function = gs and machine.tensorrt().flavour != "uff"  # TensorRT 5 to 8 has no functions
half_file = engine.half(folded_file if with_function else onnx_file,
                        artifacts.BUILD / "box3d_tf2onnx.fp16.onnx")
plan_of(onnx_file, "box3d_tf2onnx.fp32.plan, 162.8 MB", "fp32")
plan_of(half_file, "box3d_tf2onnx.fp16.plan, 82.0 MB", "fp16")
plan_of(int8_file, "box3d_tf2onnx.int8.plan, 43.5 MB", "int8")

# %%
for name, path in (("fp32", onnx_file), ("fp16", half_file), ("int8", int8_file)):
    operations = [node.op_type for node in onnx.load(str(path)).graph.node]
    pairs_of = operations.count("QuantizeLinear")
    print("%s  %5.1f MB  %3d nodes, %2d Cast, %2d QuantizeLinear" % (
        name, path.stat().st_size / 1e6, len(operations), operations.count("Cast"), pairs_of))

# %% [markdown]
# Half the bytes, then a quarter. (Fourteen tensors are quantised: the inputs of 13 convolutions, and the row that all three
# wide dense layers read. The narrow layers before the answers stay in float and weigh next to nothing.) What does it do to the
# boxes? First in ONNX Runtime on this processor:

# %%
parity.compare(reference, answers_of(int8_file), street)

# %% [markdown]
# FP16, above, turned no box that you could see. INT8 is rougher by one to two orders of magnitude, and still close. And the
# plans, where they run? `run.plan` gives their answers, as on page 03. (The crooked file has a plan, too, as wrong as itself.)

# %%
here = machine.tensorrt()
if here.runs:
    for name, plan in plans.items():
        heads = network.heads(run.plan(plan, images))
        print("%-24s %s" % (name, parity.compare(reference, heads, street).verdict))
else:
    print("No plan runs here: %s." % here.why_not)

# %% [markdown]
# That was one street with few vehicles, and eight crops for the ranges. We took 64 crops and asked three runtimes for all 81
# vehicles of 14 scenes; the worst box decides.
#
# **Guess first.** The same crops, the same rule for the ranges, in TensorRT 8.6.1, TensorRT 10.6.0 and ONNX Runtime: what
# does the gate say of INT8?

# %%
guess = ...  # one of "all close", "all broken", "they differ"

# %%
from helpers import timing
from helpers.show import roads

files = {"TensorRT 8.6.1": "roads_tensorrt8.6.1_h200.json",
         "TensorRT 10.6.0": "roads_tensorrt10.6.0_h200.json",
         "ONNX Runtime": "roads_onnxruntime1.32.0_cpu.json"}
records = {name: timing.load(timing.RUNS / file) for name, file in files.items()}
roads.precisions(records)

# %% [markdown]
# (Recorded: the two TensorRTs on an H200, ONNX Runtime 1.32.0 on a CPU, 27 November 2026. Without TF32, FP32 is *equal* in
# 10.6.0.) FP16 stays far from the limit in all of them. INT8 ends on both sides of it. Each runtime computes with kernels of
# its own, which round in other places, and near the limit the verdict is a lottery. A verdict of one runtime does not hold
# for another; judge the plan that you will use, on the GPU where it will run. And if it is near the limit, do not rely on it:
# take more crops, other ranges, or FP16, which at batch 1 was about as fast, or faster. (In the chart of page 06 INT8 is
# faster than FP16: that plan came from UFF, in another run.)

# %% [markdown]
# ### On your own network, in INT8
#
# `mine.onnx`, opset 13 or later, with Q/DQ pairs where TensorRT wants them. `mine.npy` has inputs as they will come,
# preprocessed, 64 or more. You must change the name of the input, and list the nodes that are to stay in floating point: narrow
# layers before the answers, and what page 06 would leave out.
#
# ```python
# import numpy as np
# from onnxruntime import quantization as q
#
# class Inputs(q.CalibrationDataReader):
#     rows = iter(np.load("mine.npy"))
#
#     def get_next(self):
#         return next(({"input_1:0": row[None]} for row in self.rows), None)
#
# wide = ["Conv", "MatMul", "Gemm"]
# q.quantize_static("mine.onnx", "mine_int8.onnx", Inputs(), op_types_to_quantize=wide, per_channel=True,
#                   nodes_to_exclude=[],  # names, such as "answer/MatMul"
#                   activation_type=q.QuantType.QInt8, weight_type=q.QuantType.QInt8,
#                   extra_options={"ActivationSymmetric": True, "WeightSymmetric": True,
#                                  "QuantizeBias": False, "OpTypesToExcludeOutputQuantization": wide})
# ```

# %% [markdown]
# ## The lines that changed
#
# Most scripts on the web are for a TensorRT that is not yours. These are the lines in which they differ. (A test of this
# workbook compares the table with the names that each version's Python API has. Which JetPack has which version is in
# [versions](../docs/versions.md). 5 is 5.0, 7 is 7.1; TensorRT for RTX is as 11, but has no plugins.)
# Page 03 says what binding, context and stream are. A *calibrator* shows pictures to the builder, which finds the scales of
# INT8 from them.
#
# | | line | 5 | 7 | 8 | 10 | 11 |
# |---|---|---|---|---|---|---|
# | network | `builder.create_network()` | yes | for UFF | for UFF | yes | yes |
# | | `create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))` | - | yes | yes | ignored | - |
# | | `create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))` | - | - | - | yes | yes |
# | model | `trt.UffParser()` | yes | yes | yes | - | - |
# | | `trt.OnnxParser(network, logger)` | yes | yes | yes | yes | yes |
# | settings | `builder.create_builder_config()` | - | yes | yes | yes | yes |
# | scratch memory | `builder.max_workspace_size = n` | yes | yes | - | - | - |
# | | `config.max_workspace_size = n` | - | yes | yes | - | - |
# | | `config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, n)` | - | - | from 8.4 | yes | yes |
# | FP16 | `builder.fp16_mode = True` | yes | yes | - | - | - |
# | | `config.set_flag(trt.BuilderFlag.FP16)` | - | yes | yes | yes | - |
# | | `config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)` | - | - | from 8.2 | yes | - |
# | INT8 | `builder.int8_mode = True` | yes | yes | - | - | - |
# | | `config.set_flag(trt.BuilderFlag.INT8)` | - | yes | yes | yes | - |
# | its scales | `builder.int8_calibrator = c` | yes | yes | - | - | - |
# | | `config.int8_calibrator = c` | - | yes | yes | yes | - |
# | batch | `builder.max_batch_size = 8` | yes | for UFF | for UFF | - | - |
# | | `config.add_optimization_profile(p)` | - | yes | yes | yes | yes |
# | build | `builder.build_cuda_engine(network)` | yes | yes | - | - | - |
# | | `builder.build_engine(network, config)` | - | yes | yes | - | - |
# | | `builder.build_serialized_network(network, config)` | - | - | yes | yes | yes |
# | look | `engine.num_bindings`, `engine.get_binding_shape(i)` | yes | yes | yes | - | - |
# | | `engine.num_io_tensors`, `engine.get_tensor_shape(name)` | - | - | from 8.5 | yes | yes |
# | run | `context.execute_async(8, bindings, stream)` | yes | for UFF | for UFF | - | - |
# | | `context.execute_async_v2(bindings, stream)` | - | yes | yes | - | - |
# | | `context.execute_async_v3(stream)` | - | - | from 8.5 | yes | yes |
# | own layer, in Python | `trt.IPluginV3` | - | - | - | yes | yes |
#
# FP16 without a flag is what you saw above: types in the graph. INT8 without a calibrator is Q/DQ, which 8 and 10 understand
# too: with the switch for INT8, but without one in a strongly typed network. With the switches for INT8 and FP16, what is not
# in INT8 may be in FP16 (reported: NVIDIA's documentation). (A calibrator in forty lines is in `helpers/engine/precision.py`.)
# Where versions overlap, the newer line works on both sides. And write names, not numbers: `create_network(1 << 0)` means
# *explicit batch* up to TensorRT 10 and *strongly typed* in 11. The same text, another network, and no error.
#
# What does yours have?

# %%
lines = ["UffParser", "Builder.fp16_mode", "BuilderFlag.FP16", "BuilderFlag.TF32",
         "NetworkDefinitionCreationFlag.STRONGLY_TYPED", "IInt8EntropyCalibrator2",
         "IBuilderConfig.max_workspace_size", "IBuilderConfig.set_memory_pool_limit",
         "Builder.build_cuda_engine", "Builder.build_serialized_network",
         "IExecutionContext.execute_async_v2", "IExecutionContext.execute_async_v3"]

def has(path, thing=trt):
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing is not None

if trt is None:
    print("No TensorRT here; the table has the answers.")
for line in lines if trt else ():
    print("%-4s%s" % ("yes" if has(line) else "-", line))

# %% [markdown]
# The functions in `helpers/engine` ask in the same way, with `hasattr`, and never for a version number. A script for TensorRT 8
# that does not ask stops at the first line that is gone. Here is one, and what the TensorRT on this machine says to it.

# %%
def settings_of_2021(trt, builder, size):
    config = builder.create_builder_config()
    config.max_workspace_size = size
    config.set_flag(trt.BuilderFlag.FP16)
    return config

if trt:
    try:
        settings_of_2021(trt, trt.Builder(engine.logger(trt)), 1 << 30)
        print("It works here.")
    except AttributeError as error:
        print("AttributeError:", error)
else:
    page.quote("AttributeError: 'tensorrt_rtx_bindings.tensorrt_rtx.IBuilderConfig' object "
               "has no attribute 'max_workspace_size'", "TensorRT for RTX 1.7.1")

# %% [markdown]
# ## Your turn
#
# Stuck? `hint("07.1")` gives a first hint, called again a second one.
#
# **1.** Take the Transpose away and keep the boxes. Write `without_transpose(model, height, width, channels)`. The node
# `reshape_1/Reshape` is to read what its Transpose read, and every `MatMul` that reads the Reshape needs its weights in the
# order of the new rows: channel, height, width. (Exercise 02.2 moved rows like that. The weights are initializers;
# `tensor.CopyFrom` replaces one, as in `louder` above.)

# %% tags=["exercise"]
from notebooks.checks import check, hint

def without_transpose(model, height, width, channels):
    return ...  # the model


check("07.1", without_transpose)

# %% tags=["solution"]
from notebooks.checks import check

def without_transpose(model, height, width, channels):
    maker = {node.output[0]: node for node in model.graph.node}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    reshape = [node for node in model.graph.node if node.name == "reshape_1/Reshape"][0]
    turned = maker[reshape.input[0]]
    reshape.input[0] = turned.input[0]
    model.graph.node.remove(turned)
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[0] == reshape.output[0]:
            tensor = stored[node.input[1]]
            kernel = numpy_helper.to_array(tensor)
            rows = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
            rows = np.ascontiguousarray(rows.reshape(kernel.shape))
            tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))
    return model


check("07.1", without_transpose)

# %% tags=["solution"]
straight = without_transpose(onnx.load(str(onnx_file)), 7, 7, 512)
parity.compare(reference, answers_of(straight), street)

# %% [markdown]
# **2.** Before you can fold nodes into one, you need to know what they read from outside and what others read of them. Write
# `borders(model, names)` for the nodes with these names. It returns two lists of tensor names, those that come in and those
# that go out, each tensor once. Initializers do not come in: they move along with the nodes. An output of the model goes out.

# %% tags=["exercise"]
def borders(model, names):
    comes_in, goes_out = [], []
    ...
    return ...  # comes_in, goes_out


check("07.2", borders)

# %% tags=["solution"]
def borders(model, names):
    inside = [node for node in model.graph.node if node.name in names]
    outside = [node for node in model.graph.node if node.name not in names]
    made = {name for node in inside for name in node.output}
    known = {tensor.name for tensor in model.graph.initializer}
    wanted = {name for node in outside for name in node.input}
    wanted |= {value.name for value in model.graph.output}
    comes_in = {name for node in inside for name in node.input if name} - made - known
    return sorted(comes_in), sorted(made & wanted)


check("07.2", borders)

# %% tags=["solution"]
borders(model, [node.name for node in model.graph.node if node.name.startswith("orientation")])

# %% [markdown]
# **3.** Mend `settings_of_2021`. `settings(trt, builder, size)` gives the builder `size` bytes of scratch memory and asks for
# FP16, on TensorRT 5, 8, 10 and 11. It returns two things: the object on which the settings were made (on TensorRT 5 that is
# the builder itself), and whether there was a flag for FP16 (`False` means that the graph has to say it). The check tries it
# on stand-ins that have only the names of one version, and a wrong version number.

# %% tags=["exercise"]
def settings(trt, builder, size):
    ...
    return ...  # where the settings were made, True or False


check("07.3", settings)

# %% tags=["solution"]
def settings(trt, builder, size):
    old = not hasattr(builder, "create_builder_config")
    config = builder if old else builder.create_builder_config()
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size
    if old:
        builder.fp16_mode = True
    elif hasattr(trt.BuilderFlag, "FP16"):
        config.set_flag(trt.BuilderFlag.FP16)
    return config, old or hasattr(trt.BuilderFlag, "FP16")


check("07.3", settings)

# %% [markdown]
# ## What you saw
#
# - tf2onnx translates structure. The weights need not pass through it, and on a small board they should not.
# - It kept LeakyReLU, spelled `l2_normalize` out, and put a Transpose before the Reshape. Take that away, and nothing
#   complains.
# - onnx-graphsurgeon folds nodes into one. With a body the file runs everywhere; without one it needs a plugin.
# - What belongs together has to stay in 32 bits together, and TensorRT has to be made to keep it so.
# - One file in two runtimes judges the runtimes, not the file.
# - Precision is in the graph today: float16 weights, Q/DQ pairs. Near the gate's limit, each runtime gives its own verdict.
# - Ask TensorRT for names, not for its version.
#
# You have come from a Keras model to a plan on two roads, and know what each of them hides. Next:
# [08 the patient](08_the_patient.ipynb), a network that has all of it wrong.
