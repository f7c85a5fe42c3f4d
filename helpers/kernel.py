"""Compile and run one CUDA kernel that a reader wrote in a cell, with nvcc on the GPU or with g++ on the CPU. Linux only.

    y = kernel.run(source, x, count=len(x), number=1e-12)

`source` is CUDA C++ with one function `__global__ void name(const half* x, half* y, int count, float number)`. It runs in a
child process with a time limit, so a kernel that crashes or never ends does not take the notebook with it. On the CPU the
threads run one after the other, and each access outside of `x` or at a wrong address is reported with its thread; a GPU
reports less.
"""
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

import numpy as np

from helpers import artifacts, cuda, machine, plugin

HEADERS = ["run_kernel.cu", "cuda_half_on_cpu.h", "cuda_on_cpu.h", "l2_normalize.h"]
UNWRITTEN = 0x7e5a  # the bits of an element that no thread has written, a NaN; run_kernel.cu has the same
SECONDS = 5         # that a kernel may run on the CPU
_FLAGS = {"cpu": ["-O1", "-std=c++14", "-fsanitize=alignment,integer-divide-by-zero",  # ARM's own division by zero gives 0
                  "-fsanitize-undefined-trap-on-error", "-x", "c++"],
          "gpu": ["-O2", "-std=c++14"]}
_KERNEL = r"__global__\s+void\s+(\w+)\s*\("


def places():
    """Where a kernel can run on this machine: a list of "cpu" (with g++) and "gpu" (with nvcc and a GPU)."""
    return (["cpu"] if shutil.which("g++") else []) + (["gpu"] if machine.find_nvcc() and cuda.available() else [])


def compile(source, on="cpu"):
    """Compile `source` into build/kernels/, unless it was compiled before, and return the path of the program.

    Raises FileNotFoundError without a compiler, ValueError when `source` has no kernel or several, and RuntimeError with the
    first error of the compiler: its line, counted from the first line with text, and its words.
    """
    source = source.strip("\n") + "\n"
    names = re.findall(_KERNEL, re.sub(r"//.*|/\*(.|\n)*?\*/", "", source))
    if len(names) != 1:
        raise ValueError("the source should have one function `__global__ void name(...)`, and has %s" % (
            "none" if not names else "%d: %s" % (len(names), ", ".join(names))))
    if on == "gpu":
        compiler = plugin.find_nvcc()
        flags = _FLAGS[on] + [plugin.architecture_flag(compiler)]
    elif on == "cpu":
        compiler, flags = shutil.which("g++"), _FLAGS[on]
        if not compiler:
            raise FileNotFoundError("no C++ compiler: g++ is not on PATH (Debian, Ubuntu: sudo apt install g++)")
    else:
        raise ValueError("a kernel runs on \"cpu\" or \"gpu\", not on %r" % (on,))
    made_from = {"source": source, "compiler": compiler, "flags": flags,
                 "headers": {name: artifacts.digest(plugin.SOURCES / name) for name in HEADERS}}
    program = artifacts.BUILD / "kernels" / ("%s_%s" % (names[0], on))
    if artifacts.fresh(program, **made_from):
        return program
    with tempfile.TemporaryDirectory() as folder, artifacts.atomic(program, made_from=made_from) as temporary:
        text = Path(folder, "yours.cu")
        text.write_text(source, encoding="utf-8")
        command = [compiler] + flags + ["-I", str(plugin.SOURCES), "-DKERNEL=" + names[0], '-DSOURCE="%s"' % text,
                                        str(plugin.SOURCES / "run_kernel.cu"), "-o", str(temporary)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"))
        if done.returncode:
            raise RuntimeError(_first_error(done.stdout.decode("utf-8", "replace"), source, names[0]))
    return program


def _first_error(text, source, name):
    """The compiler's first error as a sentence. g++ writes file:line:column: error:, nvcc writes file(line): error:"""
    found = re.search(r"yours\.cu[:(](\d+)(?::\d+|\)):? (?:fatal )?error: *(.*)", text)
    lines = source.splitlines()
    if found and 0 < int(found.group(1)) <= len(lines):
        line = int(found.group(1))
        return "the compiler stops at line %d, `%s`: %s" % (line, lines[line - 1].strip(), found.group(2).strip())
    if source.count("{") > source.count("}"):
        return "the compiler finds no end: a } is missing"
    if re.search(r"run_kernel\.cu", text) and re.search(r"cannot convert|no matching function|argument|too (few|many)", text):
        return "%s should have the parameters (const half* x, half* y, int, float), in this order" % name
    errors = re.findall(r".*error.*", text) or text.strip().splitlines()
    return "the compiler says: %s" % (errors[0].strip() if errors else "nothing, and makes no program")


def run(source, x, count=None, number=0.0, threads=128, in_place=False, shift=0, on="cpu"):
    """Run the kernel of `source` on `x` and return y, a float16 array of the shape of x.

    x: an array, taken as float16. count: the kernel's third argument, x.size by default; as many threads are started, and
    more, until the last block is full. number: the kernel's fourth argument. threads: in a block, 1 to 1024. in_place: x and y
    are the same memory. shift: elements by which x and y lie behind an address that is a multiple of 4. on: "cpu" or "gpu".

    What no thread wrote is NaN with the bits `UNWRITTEN`. What the kernel prints with printf is printed.
    Raises what `compile` raises; ValueError for another `threads`, a count outside of 0 to 2^30, a shift outside of 0 to 127,
    or more than 2^28 elements; RuntimeError with what the kernel did wrong: an access outside of the arrays or at a wrong
    address, an endless loop, CUDA's error.
    """
    x = np.ascontiguousarray(x, np.float16)
    count = x.size if count is None else int(count)
    if not 1 <= threads <= 1024:
        raise ValueError("a block has 1 to 1024 threads, not %d" % threads)
    for what, size, most in (("count", count, 1 << 30), ("shift", shift, 127), ("the number of elements", x.size, 1 << 28)):
        if not 0 <= size <= most:
            raise ValueError("%s is %d; 0 to %d are possible" % (what, size, most))
    program, guard = compile(source, on), 2 * threads + 64
    order = np.array([count, threads, x.size, guard, shift, in_place], np.int32).tobytes() + np.float32(number).tobytes()
    with tempfile.TemporaryDirectory() as folder:
        given, made, said = (Path(folder, name) for name in ("in", "out", "said"))
        given.write_bytes(order + x.tobytes())
        with said.open("wb") as stream:
            child = subprocess.Popen([str(program), str(given), str(made), str(SECONDS)], stdin=subprocess.DEVNULL,
                                     stdout=stream, stderr=subprocess.STDOUT)
            try:
                child.wait(SECONDS + 25)
                ending = ""
            except subprocess.TimeoutExpired:
                ending = "endless"
            finally:  # an interrupted cell ends its kernel
                child.kill()
                child.wait()
        printed = said.read_bytes()[:4000].decode("utf-8", "replace")
        ended, _, data = (made.read_bytes() if made.exists() else b"").partition(b"\n")
    if printed.strip():
        print(printed.rstrip())
    words = (ending or ended.decode("utf-8", "replace")).split(" ")
    if words != ["ok"]:
        raise RuntimeError(_ending(words, count, threads, child.returncode))
    y = np.frombuffer(data, np.uint16)
    _look_outside(y, guard, count, threads)
    return y[guard:guard + x.size].view(np.float16).reshape(x.shape).copy()


def _ending(words, count, threads, status):
    """What ended the program, as a sentence. words: its last word and, on the CPU, the block and the thread that ran."""
    if words[0] == "cuda":
        return "CUDA reports error %s" % " ".join(words[1:])
    if len(words) < 3:
        if words[0] == "endless":
            return "it did not end within %d seconds" % (SECONDS + 25)
        return "it ended the process (exit status %d)" % status
    block, thread = int(words[1]), int(words[2])
    who, number = "thread %d of block %d" % (thread, block), block * threads + thread
    if words[0] == "endless":
        return ("it did not end within %d seconds of the processor; %s was at work. Is there a loop that never ends, or does "
                "each thread do the work of all?" % (SECONDS, who))
    if words[0] == "outside":
        why = ("It is thread number %d of all, counted from 0, and there is work for %d only: such a thread must return before "
               "it reads or writes" % (number, count) if number >= count else
               "Its own number among all threads is blockIdx.x * blockDim.x + threadIdx.x = %d: look at how the index is "
               "computed" % number)
        return "%s, in blocks of %d, uses memory outside of the arrays. %s" % (who, threads, why)
    return ("%s uses an address that the type does not allow, or divides an integer by zero. A half2 or float2 needs an "
            "address that is a multiple of 4 or 8; x and y may begin at any half, a multiple of 2" % who)


def _look_outside(y, guard, count, threads):
    """Raise RuntimeError if an element in front of y or behind it was written."""
    outside = np.flatnonzero(np.concatenate([y[:guard], y[-guard:]]) != UNWRITTEN)
    if len(outside):
        first = outside[0] - guard if outside[0] < guard else y.size - 3 * guard + outside[0]
        raise RuntimeError("it writes outside of y: y has %d elements, and element %d was written. In blocks of %d there are "
                           "%d threads for %d pieces of work: those without work must return first"
                           % (y.size - 2 * guard, first, threads, -(-count // threads) * threads, count))


def attempt(source, x, **how):
    """`run`, for a cell: where it raises, print the sentence and return None."""
    try:
        return run(source, x, **how)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        text = str(error) if str(error).endswith((".", "?", ")")) else str(error) + "."
        print(textwrap.fill("%s: %s" % ("Not run" if isinstance(error, FileNotFoundError) else "Wrong", text), 88))
