"""Compile fuzz.cpp under the address and undefined-behaviour sanitizers, and run it.

    python3 plugin_src/fuzz.py [--count N] [--seed S] [ROOT ...]

Without a ROOT: serialized states, shapes, and arguments of the kernels' launcher. For each ROOT, a folder of TensorRT's
headers (as for compile_matrix.py), also the plugin classes: fields, plans, and all calls with any arguments. Needs g++, and for
the classes CUDA's headers; no GPU and no TensorRT library. Exit status 1 when an input was treated wrongly or a sanitizer
stopped the program.
"""
import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import compile_matrix  # noqa: E402

from helpers import plugin  # noqa: E402

SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build(folder, headers=None):
    """Compile the program into `folder`; with TensorRT's headers, the one for the plugin classes -> its path."""
    folder, flags = Path(folder), ["-std=c++17"] + SANITIZERS + plugin.WARNINGS
    objects = [folder / "fuzz.o", folder / "kernel.o"]
    plugin.run_compiler(["g++", "-c"] + plugin.GXX_FLAGS + [str(HERE / "l2_normalize.cu"), "-o", str(objects[1])])
    if headers:
        flags += ["-DFUZZ_PLUGIN", "-Wno-unused-function", "-isystem", str(headers), "-isystem",
                  str(compile_matrix.cuda_include())]
        objects.append(folder / "plugin.o")
        plugin.run_compiler(["g++", "-c"] + flags + [str(HERE / "l2_normalize_plugin.cpp"), "-o", str(objects[2])])
    plugin.run_compiler(["g++", "-c"] + flags + [str(HERE / "fuzz.cpp"), "-o", str(objects[0])])
    program = folder / "fuzz"
    plugin.run_compiler(["g++", "-fsanitize=address,undefined"] + [str(path) for path in objects] + ["-o", str(program)])
    return program


def run(program, count, seed=1):
    """What the program prints: a line for each kind of input. Raises RuntimeError with the end of it when it fails."""
    done = subprocess.run([str(program), str(count), str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise RuntimeError("seed %d: %s" % (seed, (text + done.stderr.decode("utf-8", "replace"))[-3000:]))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="*", help="folders of TensorRT's headers")
    parser.add_argument("--count", type=int, default=100000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for root in [None] + options.roots:
        headers, version = plugin.tensorrt_headers(root) if root else (None, None)
        started = time.time()
        with tempfile.TemporaryDirectory() as folder:
            try:
                text = run(build(folder, headers), options.count, options.seed)
            except RuntimeError as error:
                sys.exit(str(error))
        print("%s, %.0f s\n%s" % ("TensorRT %d.%d" % version if version else "without TensorRT", time.time() - started, text),
              flush=True)


if __name__ == "__main__":
    main()
