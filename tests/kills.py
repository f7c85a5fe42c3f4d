"""The long runs behind docs/faults.md: kills at random moments, and two writers of one path. Not a test by itself.

    python tests/kills.py kills 1000          # kill -9 while a pair of files is replaced
    python tests/kills.py kills 1000 2 2      # the same with two interrupts (signal 2)
    python tests/kills.py rounds 600          # two processes write one path at the same time

Prints counts, and ends with status 1 unless each pair was whole and nothing was left. tests/test_file_faults.py runs short
forms, in a process without TensorFlow: its threads and a fork do not agree.
"""
import collections
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import artifacts  # noqa: E402
from helpers.engine import plans  # noqa: E402


def _data(word, size):
    return word.encode("ascii") * (size // len(word))


def _write_for_ever(path, size, started):
    number, sys.stderr = 0, open(os.devnull, "w")  # what an interrupted process says
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    while True:
        word = "w%07d" % number
        plans.save(path, _data(word, size), {"word": word, "bytes": size})
        started.set()
        number += 1


def kills(count, size=200000, seed=0, signals=(9,)):
    """Kill a process `count` times while it saves one plan after the other -> Counter of what was found afterwards:
    "readable" (a whole plan with its own record), "mixed", "unreadable", and "temporaries" that the next write left behind.

    signals: numbers, sent one after the other; 9 is SIGKILL, for which Windows has no name.
    """
    found, chance = collections.Counter(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.plan")
        plans.save(path, _data("first000", size), {"word": "first000", "bytes": size})
        for _ in range(count):
            started = multiprocessing.Event()
            child = multiprocessing.Process(target=_write_for_ever, args=(path, size, started), daemon=True)
            child.start()
            assert started.wait(60)
            time.sleep(chance.random() * 0.02)
            while child.is_alive():  # Python may take an interrupt for one of a destructor, and ignore it
                for number in signals:
                    os.kill(child.pid, number)
                child.join(2)
            found["killed while it wrote"] += len(os.listdir(folder)) > 2
            try:
                data, record = plans.read(path)
                found["readable" if data == _data(record["word"], size) else "mixed"] += 1
            except (ValueError, KeyError):
                found["unreadable"] += 1
        plans.save(path, _data("last0000", size), {"word": "last0000", "bytes": size})
        found["temporaries"] = len(os.listdir(folder)) - 2
    return found


def _write_when_told(path, word, size, told, done, rounds):
    for _ in range(rounds):
        told.wait()
        artifacts.write(path, _data(word, size), word=word)
        done.wait()


def rounds(count, size=20000):
    """Let two processes write one path `count` times at once -> Counter: "whole" pairs, "mixed" ones, and "torn" files."""
    found, told, done = collections.Counter(), multiprocessing.Barrier(3, timeout=60), multiprocessing.Barrier(3, timeout=60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.pb")
        writers = [multiprocessing.Process(target=_write_when_told, args=(path, word, size, told, done, count))
                   for word in ("aaaa", "bbbb")]
        for writer in writers:
            writer.start()
        for _ in range(count):
            told.wait()
            done.wait()
            data, record = path.read_bytes(), artifacts.read_sidecar(path)
            whole = data in (_data("aaaa", size), _data("bbbb", size))
            own = whole and data == _data(record.get("word", "?"), size) and artifacts.fresh(path, word=record["word"])
            found["whole" if own else "mixed" if whole else "torn"] += 1
        for writer in writers:
            writer.join()
        found["other files"] = len(os.listdir(folder)) - 2
    return found


def main():
    what, count, signals = sys.argv[1], int(sys.argv[2]), tuple(map(int, sys.argv[3:]))
    started = time.time()
    found = rounds(count) if what == "rounds" else kills(count, signals=signals or (9,))
    counts = ", ".join("%s %d" % pair for pair in sorted(found.items()))
    print("%s %d: %s, %.0f s" % (what, count, counts, time.time() - started))
    return int(found["whole" if what == "rounds" else "readable"] != count or found["other files"] + found["temporaries"] != 0)


if __name__ == "__main__":
    sys.exit(main())
