"""Which notebooks fit into the memory that is free. Standard library only, since `doctor` asks before the set-up."""
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
TO_DO = ("Close other programs, the desktop first, or add swap: sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && "
         "sudo mkswap /swapfile && sudo swapon /swapfile")
DIED = "Linux does that to the largest program when memory runs out; `sudo dmesg | grep -i killed` tells. " + TO_DO


def free():
    """Memory and swap in GB that programs can still take, by Linux's /proc/meminfo; None elsewhere."""
    try:
        found = dict(re.findall(r"(\w+):\s*(\d+) kB", Path("/proc/meminfo").read_text()))
        return (int(found["MemAvailable"]) + int(found["SwapFree"])) * 1024 / 1e9
    except (OSError, KeyError):
        return None


def peaks():
    """{name of a notebook: GB}: the largest memory of the kernel when the stored notebook was executed."""
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
