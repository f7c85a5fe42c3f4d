"""The state that a measurement depends on: power mode, clocks, temperatures, power. Standard library only.

On a Jetson this asks nvpmodel, jetson_clocks and tegrastats, on a PC nvidia-smi and the kernel's sensors. What cannot be
read is None, never a guess. The parser of tegrastats follows its documented format; it was not run on a board.
"""
import glob
import os
import re
import shutil
import subprocess
import threading
import time

from . import machine

# Rails that carry all that the board draws; without one, the rails are added up.
INPUT_RAILS = ("VDD_IN", "POM_5V_IN", "VIN")


def parse_tegrastats(line):
    """One line of tegrastats -> {"ram_mb", "cpu", "gpu_percent", "gpu_mhz", "temperature", "power_mw"}.

    ram_mb: (used, total). cpu: [(percent, MHz)] of the cores that are on. gpu_mhz: list, one a GPU cluster, [] where
    the board does not say. temperature: {sensor: degrees C}. power_mw: {rail: mW now}. What a line lacks is None or
    empty. Raises ValueError when the line is none of tegrastats.
    """
    ram = re.search(r"\bRAM (\d+)/(\d+)MB", line)
    if not ram:
        raise ValueError("not a line of tegrastats (no RAM in it): %r" % line[:80])
    cpu = re.search(r"\bCPU \[([^\]]*)\]", line)
    gpu = re.search(r"\bGR3D_FREQ (\d+)%(?:@\[?([\d,]+)\]?)?", line)
    temperatures = {name: float(value) for name, value in re.findall(r"(\w+)@(-?\d+(?:\.\d+)?)C\b", line)}
    return {
        "ram_mb": (int(ram.group(1)), int(ram.group(2))),
        "cpu": [(int(load), int(mhz)) for load, mhz in re.findall(r"(\d+)%@(\d+)", cpu.group(1))] if cpu else [],
        "gpu_percent": int(gpu.group(1)) if gpu else None,
        "gpu_mhz": [int(mhz) for mhz in gpu.group(2).split(",") if mhz] if gpu and gpu.group(2) else [],
        # a sensor that is off says -256; PMIC says 100 on every board and means nothing
        "temperature": {name: value for name, value in temperatures.items() if value > -100 and name != "PMIC"},
        "power_mw": {rail: int(now) for rail, now in
                     re.findall(r"(?<!\S)([A-Za-z][A-Za-z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?!\S)", line)},
    }


def total_power(rails):
    """({rail: mW}) -> (mW, what it is): the input rail where there is one, else the sum of the rails; None if empty."""
    if not rails:
        return None
    for name in INPUT_RAILS:
        if name in rails:
            return rails[name], name
    return sum(rails.values()), "sum of " + ", ".join(sorted(rails))


def power_mode():
    """What `nvpmodel -q` calls the mode, such as "MODE_15W", or None."""
    mode = re.search(r"NV Power Mode:\s*(\S+)", machine.output_of(["nvpmodel", "-q"]) or "")
    return mode.group(1) if mode else None


def clocks():
    """{"locked": True, False or None, "gpu_mhz": now, "gpu_max_mhz"}; None where there is nothing to ask.

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
    """{sensor: degrees C} from the kernel's thermal zones and, on a PC, nvidia-smi; {} when nothing can be read."""
    found = {}
    for zone in sorted(glob.glob("/sys/class/thermal/thermal_zone*")):
        name, value = [machine.text_of(os.path.join(zone, part)) for part in ("type", "temp")]
        value = _number(value)
        if name and value is not None and value > 0 and "PMIC" not in name:
            found[name] = value / 1000
    value = _number((machine.output_of(["nvidia-smi", "--query-gpu=temperature.gpu", "--format=csv,noheader,nounits"])
                     or "").split("\n")[0])
    if value is not None:
        found["GPU"] = value
    return found


def state():
    """All of it at this moment, for a record."""
    return {"power_mode": power_mode(), "clocks": clocks(), "temperature": temperatures()}


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


class Power:
    """Reads tegrastats ten times a second beside a measurement; `mean(start, end)` says what a stretch drew.

        with Power() as power: ...
            power.mean(t0, t1)   -> {"mw": 14200.0, "rail": "VDD_IN", "readings": 31} or None (no Jetson)

    Times are `time.time()`. command: for tests.
    """

    def __init__(self, command=("tegrastats", "--interval", "100")):
        self.readings, self._process = [], None
        self.runs = False
        if shutil.which(command[0]):
            self._process = subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            self.runs = True

    def _read(self):
        for line in self._process.stdout:
            try:
                total = total_power(parse_tegrastats(line.decode("utf-8", "replace"))["power_mw"])
            except ValueError:
                continue
            if total:
                self.readings.append((time.time(),) + total)

    def mean(self, start, end):
        inside = [(mw, rail) for moment, mw, rail in list(self.readings) if start <= moment <= end]
        if not inside:
            return None
        return {"mw": sum(mw for mw, _ in inside) / len(inside), "rail": inside[0][1], "readings": len(inside)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._reader.join(2)
            self._process.stdout.close()
