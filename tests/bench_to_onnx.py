"""A frozen graph to ONNX, through UFF and by tf2onnx: python tests/bench_to_onnx.py [--width 8] [--pb FILE]

Time and peak memory of whole processes, imports included, on the same .pb: our two steps in one process and as two
command lines (best of three), and `python -m tf2onnx.convert` (once) where it is installed and there is memory for it:
on the full network, 40,411,989 parameters, it takes 8 to 10 GB. --width 8 is a network with an eighth of the channels.
Then ONNX Runtime runs what came out, on one random image, beside TensorFlow. The first run freezes the graph into build/.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENT = dict(os.environ, PYTHONPATH=ROOT)
OUTPUTS = ["dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"]
FREEZE = """
import sys
from helpers import freeze, network
from uffsurgeon import files
files.write(sys.argv[1], freeze.freeze(network.build("reshape", width=int(sys.argv[2]))).SerializeToString())
"""
OURS = """
import sys
from uffsurgeon import uff
from uffsurgeon import to_onnx
uff.from_tensorflow_frozen_model(sys.argv[1], sys.argv[4:], output_filename=sys.argv[2], quiet=True)
to_onnx.convert(sys.argv[2], sys.argv[3])
"""
COMPARE = """
import sys
import numpy as np
import onnx
import onnxruntime
from helpers import freeze, run
image = np.random.RandomState(0).uniform(-120, 150, (1, 224, 224, 3)).astype("f4")
wanted = run.tensorflow(freeze.load(sys.argv[1]), image, sys.argv[3:]).values()
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
names = [name for name in sys.argv[3:]]
found = {info.name.split(":")[0]: info.name for info in session.get_outputs()}
got = session.run([found[name] for name in names], {session.get_inputs()[0].name: image})
operators = [node.op_type for node in onnx.load(sys.argv[2]).graph.node]
print("RESULT %d nodes, %d Transpose, opset %d, largest error against TensorFlow %.1e" % (
    len(operators), operators.count("Transpose"), onnx.load(sys.argv[2]).opset_import[0].version,
    max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(got, wanted))))
"""


def measure(*commands):
    """(seconds, seconds of CPU, peak MB) of commands run in turn, or the end of the output of one that failed."""
    seconds = cpu = peak = 0
    for command in commands:
        with tempfile.TemporaryFile() as output:
            start = time.time()
            child = subprocess.Popen([sys.executable] + command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                     env=ENVIRONMENT, preexec_fn=lambda: os.nice(10))
            _, status, usage = os.wait4(child.pid, 0)  # the usage of this child, not of all so far
            child.returncode = status
            seconds, cpu = seconds + time.time() - start, cpu + usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss / 1024)
            if status:
                output.seek(0)
                return output.read().decode(errors="replace").strip()[-400:]
    return seconds, cpu, peak


def best(*commands):
    """The fastest of three `measure`s."""
    results = [measure(*commands) for _ in range(3)]
    return min(results, key=lambda result: (isinstance(result, str), result))


def available():
    """GB of memory that a new process may take."""
    with open("/proc/meminfo") as stream:
        line = next(line for line in stream if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 1e6


def report(name, result, pb, onnx):
    if isinstance(result, str):
        print("%-28s failed: %s" % (name, result))
        return
    print("%-28s %6.1f s, %6.1f s of CPU, %6.0f MB" % ((name,) + result), flush=True)
    done = subprocess.run([sys.executable, "-c", COMPARE, pb, onnx] + OUTPUTS, cwd=ROOT, env=ENVIRONMENT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT")]
    print("%28s %s" % ("", lines[0] if lines else done.stderr.strip()[-400:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=1, help="divide the channels by this")
    parser.add_argument("--pb", help="a frozen graph of this network; by default one is made in build/")
    parser.add_argument("--need", type=float, default=12, help="GB that must be free for tf2onnx at width 1")
    given = parser.parse_args()
    stem = os.path.join(ROOT, "build", "bench_box3d_{0}_py{1.major}{1.minor}".format(given.width, sys.version_info))
    pb, uff, ours, theirs = given.pb or stem + ".pb", stem + ".uff", stem + ".onnx", stem + ".tf2onnx.onnx"
    if not os.path.exists(pb):
        made = measure(["-c", FREEZE, pb, str(given.width)])
        if isinstance(made, str):
            sys.exit("could not freeze the network: " + made)
    print("Python %s, %s of %.0f MB" % (sys.version.split()[0], pb, os.path.getsize(pb) / 1e6))
    options = [word for name in OUTPUTS for word in ("-O", name)]
    report("uff + to_onnx, one process", best(["-c", OURS, pb, uff, ours] + OUTPUTS), pb, ours)
    report("the same, two commands", best(["-m", "uffsurgeon.uff", pb, "-o", uff] + options,
                                          ["-m", "uffsurgeon.to_onnx", uff, ours]), pb, ours)
    if given.width == 1 and available() < given.need:
        print("tf2onnx left out: it needs about 10 GB, %.1f GB are free (see --need)" % available())
        return
    report("python -m tf2onnx.convert", measure([
        "-m", "tf2onnx.convert", "--graphdef", pb, "--inputs", "input_1:0", "--outputs",
        ",".join(name + ":0" for name in OUTPUTS), "--opset", "13", "--output", theirs]), pb, theirs)


if __name__ == "__main__":
    main()
