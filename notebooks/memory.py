"""Which notebooks fit into the memory that is free. Standard library only, since `doctor` asks before the set-up."""
import contextlib
import json
import re
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
TO_DO = ("Close other programs, the desktop first, or add swap: sudo fallocate -l 4G /swap4g && sudo chmod 600 /swap4g && "
         "sudo mkswap /swap4g && sudo swapon /swap4g")
DIED = ("A likely reason is memory: when it runs out, Linux ends the largest program, and `sudo dmesg | grep -i killed` tells. "
        + TO_DO)


def free():
    """Memory and swap in GB that programs can still take, by Linux's /proc; None elsewhere. Swap in zram lies in memory."""
    try:
        found = dict(re.findall(r"(\w+):\s*(\d+) kB", Path("/proc/meminfo").read_text()))
        zram = sum(int(size) - int(used) for size, used in re.findall(
            r"(?m)^/dev/zram\S*\s+\S+\s+(\d+)\s+(\d+)", Path("/proc/swaps").read_text()))
        return (int(found["MemAvailable"]) + max(0, int(found["SwapFree"]) - zram)) * 1024 / 1e9
    except (OSError, KeyError):
        return None


class Watch(threading.Thread):
    """Within its block, the largest memory that a process and all that it started had together, in `gb`; 0 without /proc.

    It looks twice a second. Pages that several of them share are counted once, where the kernel tells.
    """

    def __init__(self, pid):
        super(Watch, self).__init__(daemon=True)
        self.pid, self.gb, self.ended = pid, 0, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        while not self.ended.wait(0.5):
            self.gb = max(self.gb, sum(map(_kilobytes, _family(self.pid))) * 1024 / 1e9)


def _family(pid):
    """The process ids of `pid` and of all below it."""
    below = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            below.setdefault(int(stat.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found.extend(below.get(each, ()))
    return found


def _kilobytes(pid):
    for name, field in (("smaps_rollup", "Pss"), ("status", "VmRSS")):
        with contextlib.suppress(OSError):
            found = re.search(r"(?m)^%s:\s*(\d+) kB" % field, Path("/proc/%d/%s" % (pid, name)).read_text())
            return int(found.group(1)) if found else 0
    return 0


def peaks():
    """{name of a notebook: GB}: the largest memory of its processes when the stored notebook was executed."""
    found = {}
    for path in sorted(HERE.glob("[0-9][0-9]_*.ipynb")):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))["metadata"]["workbook"]["peak_gb"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def too_large(peak=None, here=None):
    """A sentence about the notebooks that take more memory than is free, with what to do; "" when all fit or nobody knows.

    peak: {name of a notebook: GB}, default: `peaks()`; here: GB, default: `free()`.
    """
    peak, here = peaks() if peak is None else peak, free() if here is None else here
    large = ["%s took up to %.1f GB" % (name, peak[name]) for name in sorted(peak) if here is not None and peak[name] > here]
    if not large:
        return ""
    return "%.1f GB of memory are free; %s. A kernel without memory ends with the words `Kernel died`. %s" % (
        here, ", ".join(large), TO_DO)
