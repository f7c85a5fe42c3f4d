"""How long .pb -> .uff takes on the full network, and how much memory: python tests/bench_uff.py

A line is the best of three runs, each in a process of its own; peak memory is that of the whole process, imports included.
NVIDIA's converter is measured beside ours where it is installed. The first run builds and freezes the network (40,411,989
parameters, random weights) into build/bench_box3d.pb, with TensorFlow.
"""
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from helpers import artifacts  # noqa: E402

PB = str(artifacts.BUILD / "bench_box3d.pb")
UFF = str(artifacts.BUILD / "bench_box3d.uff")
OUTPUTS = ["dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"]

FREEZE = """
from helpers import freeze, network
data = freeze.freeze(network.build("reshape")).SerializeToString()
from helpers import artifacts
artifacts.write(PB, data)
"""
CASES = [
    ("python -m uffsurgeon.uff", "from uffsurgeon.uff import converter",
     "converter.convert(PB, OUTPUTS, output_filename=UFF, quiet=True)"),
    ("from_tensorflow_frozen_model", "from uffsurgeon import uff",
     "uff.from_tensorflow_frozen_model(PB, OUTPUTS, output_filename=UFF, quiet=True)"),
    ("... with TensorFlow loaded", "import tensorflow; from uffsurgeon import uff",
     "uff.from_tensorflow_frozen_model(PB, OUTPUTS, output_filename=UFF, quiet=True)"),
    ("LeakyRelus collapsed first", "from uffsurgeon import graphsurgeon as gs; from uffsurgeon import uff",
     "graph = gs.DynamicGraph(PB); graph.collapse_namespaces({n.name: gs.create_plugin_node("
     "n.name, op='LReLU_TRT', negSlope=n.attr['alpha'].f) for n in "
     "graph.find_nodes_by_op('LeakyRelu')}); "
     "uff.from_tensorflow(graph, OUTPUTS, output_filename=UFF, quiet=True)"),
    ("read the .uff back", "from uffsurgeon.uff import schema", "schema.read(UFF)"),
    ("NVIDIA's uff", "import uff",
     "uff.from_tensorflow_frozen_model(PB, OUTPUTS, output_filename=UFF, quiet=True)"),
]
COLLAPSE = """
import time
from uffsurgeon import graphsurgeon as gs, protobuf
graph = gs.DynamicGraph(protobuf.graph_def_class()())
def node(name, op, *inputs):
    graph.as_graph_def().node.add(name=name, op=op).input.extend(inputs)
node("x", "Placeholder")
last = "x"
for block in range(500):
    for step in range(10):
        name = "block%d/step%d" % (block, step)
        node(name, "Relu", last)
        last = name
spaces = {"block%d" % block: gs.create_plugin_node("p%d" % block, op="P") for block in range(500)}
start = time.time()
graph.collapse_namespaces(spaces)
print("%.3f s, %d nodes left" % (time.time() - start, len(graph)))
"""
MEASURE = """
import resource, sys, time
sys.path.insert(0, %r)
PB, UFF, OUTPUTS = %r, %r, %r
start = time.time()
%s
loaded = time.time()
%s
end = time.time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("RESULT %%.2f %%.2f %%d" %% (loaded - start, end - loaded, peak))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, cwd=ROOT)
    return done.stdout if done.returncode == 0 else None


def main():
    if not os.path.exists(PB):
        print("freezing the network into", PB)
        if run("import sys; sys.path.insert(0, %r); PB = %r\n%s" % (ROOT, PB, FREEZE)) is None:
            sys.exit("could not freeze the network: is TensorFlow installed?")
    print("Python %s, %.0f MB of graph" % (sys.version.split()[0], os.path.getsize(PB) / 1e6))
    print("%-30s %10s %10s %12s" % ("", "import s", "run s", "peak MB"))
    for name, load, work in CASES:
        results = []
        for _ in range(3):
            out = run(MEASURE % (ROOT, PB, UFF, OUTPUTS, load, work))
            if out is None:
                break
            words = next(line for line in out.splitlines() if line.startswith("RESULT")).split()
            results.append([float(word) for word in words[1:]])
            time.sleep(0.2)
        if results:
            print("%-30s %10.2f %10.2f %12d" % ((name,) + tuple(map(min, zip(*results)))))
        else:
            print("%-30s cannot run here" % name)
    print("collapse_namespaces, 5,001 nodes into 500 plugins:", (run(COLLAPSE) or "failed").strip())


if __name__ == "__main__":
    main()
