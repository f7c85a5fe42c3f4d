"""Honest timing: warm, in turns, on the GPU's clock and on the host's, one at a time, and never without a parity verdict.

    columns = [timing.Column("TensorFlow", "tensorflow", "build/box3d.pb"),
               timing.Column("TensorRT FP16", "tensorrt", "build/box3d.fp16.plan")]
    record = timing.measure(columns, images)            # 3 s a column; report=True for a minute and 1,024 runs
    timing.save(record, "build/timings.json")
    print(timing.table(record))

Each column runs in a process of its own, so that no framework keeps memory from another, and the processes take turns in
short blocks, so that a board that grows warm grows warm for all of them. The first run of a turn is cold and not counted.
"""
from .locking import lock
from .measuring import Column, layers, measure
from .records import RUNS, label, load, load_of_others, make, published, recorded, rows, save, summary, table, withheld
from .sampling import sample

__all__ = ["Column", "RUNS", "label", "layers", "load", "load_of_others", "lock", "make", "measure", "published", "recorded",
           "rows", "sample", "save", "summary", "table", "withheld"]
