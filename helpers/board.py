"""What a measurement depends on: power mode, clocks and temperatures of the board or the GPU. Standard library only.

On a Jetson nvpmodel and the kernel's files are read, on a PC nvidia-smi. What cannot be read is None.
"""
import glob
import os
import re

from . import machine


def state():
    """{"power_mode", "clocks", "temperature"} at this moment, for a record."""
    return {"power_mode": power_mode(), "clocks": clocks(), "temperature": temperatures()}


def power_mode():
    """The mode that `nvpmodel -q` names, such as "MODE_15W", or None."""
    mode = re.search(r"NV Power Mode:\s*(\S+)", machine.output_of(["nvpmodel", "-q"]) or "")
    return mode.group(1) if mode else None


def clocks():
    """{"locked": True, False or None, "gpu_mhz": now, "gpu_max_mhz"}, or None where they cannot be read.

    locked: on a Jetson, whether `jetson_clocks` holds the GPU at the highest clock of the power mode.
    """
    for folder in glob.glob("/sys/class/devfreq/*"):
        if re.search(r"\.(gv11b|gp10b|gm20b|gpu|ga10b|gv100)$|gpu-gpc", os.path.basename(folder)):
            low, high, now = [_number(machine.text_of(os.path.join(folder, name)))
                              for name in ("min_freq", "max_freq", "cur_freq")]
            if now is not None:
                return {"locked": low == high if None not in (low, high) else None, "gpu_mhz": now / 1e6,
                        "gpu_max_mhz": high / 1e6 if high else None}
    line = machine.output_of(["nvidia-smi", "--query-gpu=clocks.sm,clocks.max.sm", "--format=csv,noheader,nounits"])
    if line:
        numbers = [_number(part) for part in line.splitlines()[0].split(",")]
        return {"locked": None, "gpu_mhz": numbers[0], "gpu_max_mhz": numbers[-1]}
    return None


def temperatures():
    """{sensor: degrees C} of the kernel's thermal zones and of nvidia-smi's GPU; {} when nothing can be read."""
    found = {}
    for zone in sorted(glob.glob("/sys/class/thermal/thermal_zone*")):
        name, value = [machine.text_of(os.path.join(zone, part)) for part in ("type", "temp")]
        value = _number(value)
        if name and value is not None and value > 0 and "PMIC" not in name:  # PMIC is a constant on every board
            found[name] = value / 1000
    value = _number((machine.output_of(["nvidia-smi", "--query-gpu=temperature.gpu", "--format=csv,noheader,nounits"])
                     or "").split("\n")[0])
    if value is not None:
        found["GPU"] = value
    return found


def cpu_seconds(pids=None):
    """Seconds in which a core of this machine was busy, since it started; with pids, seconds that these processes used.

    None where the system does not tell (it is Linux's /proc that does).
    """
    try:
        ticks = os.sysconf("SC_CLK_TCK")
        if pids is None:
            user, nice, system, _, _, irq, softirq = map(int, machine.text_of("/proc/stat").split("\n")[0].split()[1:8])
            return (user + nice + system + irq + softirq) / ticks
        return sum(sum(map(int, machine.text_of("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[11:13]))
                   for pid in pids) / ticks
    except (AttributeError, IndexError, ValueError, OSError):
        return None


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None
