"""Damaged graph files through the readers of .pb, .uff and .onnx: python tests/fuzz_files.py --count 1000000 --seed 1

Each input is a small file of the corpus with a few mutations. What it may give is a result, or an exception that the
docstrings name: ValueError (UffException is one) or OSError. Anything else is a fault and is printed with the seed that
makes the input again: another exception, more than 5 seconds, more than 200 MB, or the end of the process. The inputs run in
child processes of 500 each; counts go to --out, if given, after each of them, and a run that finds that file goes on.

TensorRT and ONNX Runtime are not called: the checks that keep damaged files from them are.
"""
import argparse
import collections
import contextlib
import functools
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import onnx  # noqa: E402

from helpers.engine import onnx_files  # noqa: E402
from helpers.engine.model import Model  # noqa: E402
from uffsurgeon import graphsurgeon as gs  # noqa: E402
from uffsurgeon import protobuf, to_onnx, uff  # noqa: E402
from uffsurgeon.check import check  # noqa: E402
from uffsurgeon.uff import schema  # noqa: E402

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
FIXTURES = ROOT / "tests" / "fixtures"
SECONDS, MEGABYTES, BATCH = 5, 200, 500
DOCUMENTED = (ValueError, OSError)
FINE = ("result", "documented exception")
MESSAGES = {".pb": protobuf.graph_def_class(), ".uff": schema.MetaGraph, ".onnx": onnx.ModelProto}
NUMBERS = (0, 1, -1, 2, 3, 4, 7, 31, 64, 255, 1 << 20, (1 << 31) - 1, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))


@functools.lru_cache(maxsize=None)
def corpus():
    """[(suffix, bytes)]: small graphs of every operation, and the files that once did harm."""
    files = sorted(FIXTURES.glob("uff/**/*.pb")) + sorted(FIXTURES.glob("uff/**/*.uff")) + sorted(FIXTURES.glob("faults/*"))
    found = [(path.suffix, path.read_bytes()) for path in files if path.stat().st_size < 6000]
    for _, data in [each for each in found if each[0] == ".uff"]:
        with contextlib.suppress(ValueError), quiet():
            model = to_onnx.convert(data).SerializeToString()
            found += [(".onnx", model)] if len(model) < 6000 else []
    return found


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def mutated(seed):
    """(suffix, bytes) of the input of this number."""
    chance = random.Random(seed)
    suffix, data = chance.choice(corpus())
    if chance.random() < 0.5:
        with contextlib.suppress(Exception):  # some files of the corpus hold no message
            message = MESSAGES[suffix].FromString(data)
            for _ in range(chance.choice((1, 1, 2, 5))):
                change(message, chance)
            return suffix, message.SerializeToString()
    data = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(8)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at:at + chance.randrange(1, 9)]
        elif kind == 2:  # a length, a size or a number that is too large
            data[at:at + 1] = chance.choice((b"\xff" * 4 + b"\x7f", b"\xff" * 9 + b"\x01", b"\x80" * 3 + b"\x08", b"\0"))
        elif kind == 3:
            data[at:at] = bytes(bytearray(chance.randrange(256) for _ in range(chance.randrange(1, 5))))
        elif kind == 4:  # a part of it once more
            end = at + chance.randrange(1, 200)
            data[at:at] = data[at:end] * chance.choice((1, 1, 2, 50))
        elif kind == 5:  # a part of another file of the kind
            other = chance.choice(corpus())[1]
            start = chance.randrange(len(other) + 1)
            data[at:at + chance.randrange(40)] = other[start:start + chance.randrange(1, 200)]
        elif data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
    if chance.random() < 0.02:  # the commonest mistake: another kind of file
        suffix = chance.choice((".pb", ".uff", ".onnx"))
    return suffix, bytes(data)


def change(message, chance):
    """Change a field somewhere in a message, which stays one of its class."""
    fields = message.ListFields()
    field, value = chance.choice(fields)
    if chance.random() < 0.05:
        message.ClearField(field.name)
    elif hasattr(value, "ListFields"):
        change(value, chance)
    elif hasattr(value, "keys"):
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            del value[key]
        else:
            change(value[key], chance)
    elif hasattr(value, "append") or hasattr(value, "add"):
        at, other = chance.randrange(len(value)), chance.randrange(len(value))
        if chance.random() < 0.1:
            del value[at]
        elif hasattr(value[at], "ListFields"):
            if chance.random() < 0.1:
                value[at].CopyFrom(value[other])
            else:
                change(value[at], chance)
        elif chance.random() < 0.3:
            value.append(value[other])
        else:
            value[at] = other_value(value[at], value[other], chance)
    else:
        setattr(message, field.name, other_value(value, value, chance))


def other_value(value, near, chance):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice(NUMBERS + (near, value + 1))
    if isinstance(value, float):
        return chance.choice((0.0, -1.0, float("inf"), float("nan"), 1e38, float(near)))
    start, length = chance.randrange(len(value) + 1), chance.randrange(1, 9)
    return chance.choice((near, value[:start], value[start:], value * 2, value[:start] + value[start + length:], value[:0]))


def read(path):
    """What a reader does with the file at `path`, by its suffix."""
    if path.endswith(".uff"):
        check(path)
        to_onnx.convert(path, precision="fp16" if os.path.getsize(path) % 2 else "fp32")
    elif path.endswith(".onnx"):
        model = Model(path)
        for _ in onnx_files.arrays(model.content, path):
            pass
    else:
        for change in (lambda graph: graph.forward_inputs(graph.find_nodes_by_op(["Identity", "Relu"])),
                       lambda graph: graph.remove(graph.graph_outputs[:1], remove_exclusive_dependencies=True),
                       lambda graph: graph.collapse_namespaces({graph[-1].name: gs.create_plugin_node("p", op="P")})):
            with contextlib.suppress(ValueError):
                change(gs.DynamicGraph(path))
        schema.read(uff.from_tensorflow(path, quiet=len(gs.DynamicGraph(path)) % 4 > 0))


def outcome(seed, folder, make):
    """(what the input of this number gives, a sentence about a fault). make: as `mutated`."""
    suffix, data = make(seed)
    path = os.path.join(folder, "input" + suffix)
    with open(path, "wb") as stream:
        stream.write(data)

    def too_long(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 24 * SECONDS)  # other work may keep the processor busy
    start = time.process_time()
    try:
        with quiet():
            read(path)
        found = "result", ""
    except DOCUMENTED as error:
        known = path in str(error) or not str(error).startswith("the data")
        found = ("documented exception" if str(error) and known else "UNDOCUMENTED"), str(error)
    except KeyboardInterrupt:
        found = "hang", ""
    except MemoryError as error:
        found = "memory", str(error)
    except Exception as error:
        found = "UNDOCUMENTED", "%s: %s" % (type(error).__name__, error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ("hang", found[1]) if time.process_time() - start > SECONDS else found


def batch(seeds, folder, make):
    """Counter of outcomes, and [(seed, outcome, sentence)] of the faults, of inputs in one child process."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        with os.fdopen(writable, "w") as stream:
            for seed in seeds:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                stream.write("%d\t" % seed)
                stream.flush()
                name, words = outcome(seed, folder, make)
                if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > MEGABYTES * 1000:
                    name = "memory"
                stream.write("%s\t%s\n" % (name, " ".join(words.split())[:200]))
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as stream:
        lines = stream.read().split("\n")
    status = os.waitpid(child, 0)[1]
    rows = [line.split("\t") for line in lines if line]
    counts = collections.Counter(row[1] for row in rows if len(row) == 3)
    faults = [(int(row[0]),) + tuple(row[1:]) for row in rows if len(row) == 3 and row[1] not in FINE]
    if status:  # the input at which it ended is a fault, and the inputs behind it were not tried
        seed = int(rows[-1][0])
        counts["crash"] += 1
        faults.append((seed, "crash", "the process ended with status %d" % status))
        rest = [each for each in seeds if each > seed]
        more, others = batch(rest, folder, make) if rest else ({}, [])
        counts.update(more)
        faults += others
    return counts, faults


def main(arguments=None):
    def as_they_are(number):
        return Path(options.files[number]).suffix, Path(options.files[number]).read_bytes()

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", help="files to be read as they are, in place of damaged ones")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first input")
    parser.add_argument("--out", help="a JSON file with the counts so far; a run goes on where it says")
    options = parser.parse_args(arguments)
    record = {"seed": options.seed, "done": 0, "counts": {}, "faults": [], "seconds": 0}
    if options.out and os.path.exists(options.out):
        with open(options.out) as stream:
            record = json.load(stream)
    if options.files:
        options.count, options.seed = len(options.files), 0
    corpus()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        while record["done"] < options.count:
            start = time.time()
            first = record["seed"] + record["done"]
            number = min(BATCH, options.count - record["done"])
            counts, faults = batch(range(first, first + number), folder, as_they_are if options.files else mutated)
            record["counts"] = dict(collections.Counter(record["counts"]) + collections.Counter(counts))
            record["faults"] = (record["faults"] + faults)[:1000]
            record["done"] += number
            record["seconds"] += round(time.time() - start, 1)
            for fault in faults:
                print("input %d: %s %s" % fault, flush=True)
            if options.out:
                with open(options.out + ".new", "w") as stream:
                    json.dump(record, stream, indent=1)
                os.replace(options.out + ".new", options.out)
    print("%d inputs in %.0f s: %s" % (record["done"], record["seconds"], ", ".join(
        "%s %d" % item for item in sorted(record["counts"].items()))))
    return int(bool(record["faults"]))


if __name__ == "__main__":
    sys.exit(main())
