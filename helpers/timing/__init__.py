"""Honest timing: warm, interleaved, on the GPU's clock and on yours, one at a time, and never without its parity.

    columns = [timing.Column("TensorFlow", "tensorflow", "build/box3d.pb"),
               timing.Column("TensorRT FP16", "tensorrt", "build/box3d.fp16.plan")]
    record = timing.measure(columns, images)            # 3 s a column; report=True for a minute and 1,024 runs
    timing.save(record, "build/timings.json")
    print(timing.table(record))

Each column runs in a process of its own, so that no framework keeps memory from the next, and the processes take turns
in short blocks, so that a board which grows warm grows warm for all of them. The first run of a turn is cold and not counted.
"""
from .locking import holder, lock
from .measuring import Column, layers, measure
from .records import device, elsewhere, label, load, published, rows, save, summary, table, withheld
from .sampling import sample

__all__ = ["Column", "device", "elsewhere", "holder", "label", "layers", "load", "lock", "measure", "published", "rows",
           "sample", "save", "summary", "table", "withheld"]
