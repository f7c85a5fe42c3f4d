"""Records of runs in their one form, and what of them may be shown.

    {"machine": {"name": "NVIDIA H200"}, "versions": {"pytorch": "2.11.0"}, "date": "2026-11-22",
     "command": "python -m ...", "results": {}}

`timing.measure` returns such a record, and those in data/runs/ were made on other machines. data/runs/README.md describes
the form.
"""
import datetime
import json
import os
import platform
import re
import shlex
import sys
from pathlib import Path

import numpy as np

from .. import artifacts, machine

RUNS = artifacts.DATA / "runs"
PUBLISHED = artifacts.DATA / "published_timings.json"
FORM = ("machine", dict), ("versions", dict), ("date", str), ("command", str), ("results", dict)


def summary(ms):
    """{"min", "median", "p90", "p99", "n"} of times in ms; percentiles are times that occurred (nearest rank).

    Raises ValueError for no times, and for one that is negative or not finite.
    """
    ms = np.sort(np.asarray(ms, np.float64))
    if not len(ms):
        raise ValueError("no times to summarise")
    if not np.isfinite(ms).all() or ms[0] < 0:
        raise ValueError("a time is negative or not finite")

    def nearest_rank(percent):
        return float(ms[max(int(np.ceil(percent / 100 * len(ms))) - 1, 0)])

    return {"min": float(ms[0]), "median": float(np.median(ms)), "p90": nearest_rank(90), "p99": nearest_rank(99),
            "n": len(ms)}


def make(results, versions, command=None):
    """A record of a run on this machine, now.

    results: dict. versions: {package: version}. command: what to type to run it again; by default the command that started this
    process, or `workbook.py run` in a notebook.
    """
    own = {"python": platform.python_version(),
           "workbook": machine.output_of(["git", "-C", str(artifacts.ROOT), "rev-parse", "HEAD"])}
    if command is None:
        typed = ["workbook.py", "run"] if "ipykernel" in sys.modules else getattr(sys, "orig_argv", [""] + sys.argv)[1:]
        command = " ".join(map(shlex.quote, ["python3"] + typed))
    return {"machine": _machine(), "versions": dict(own, **versions), "command": command, "results": results,
            "date": datetime.datetime.now().isoformat(timespec="seconds")}


def _machine():
    """{"name", "jetpack", "gpu", "compute_capability", "driver", "cpu", "cores"} of this machine; None for what it lacks."""
    jetson, (gpu, capability, driver) = machine.jetson(), machine.gpu() or (None, None, None)
    found = re.search(r"(?im)^model name\s*:\s*(.+)", machine.text_of("/proc/cpuinfo"))
    cpu = found.group(1).strip() if found else platform.processor() or platform.machine()
    return {"name": jetson[0] if jetson else gpu or cpu, "jetpack": jetson[2] if jetson else None, "gpu": gpu,
            "compute_capability": capability, "driver": driver, "cpu": cpu, "cores": os.cpu_count()}


def save(record, path):
    """Write a record as JSON, atomically; returns the path.

    A record that is there already is kept beside it, under a name with its date; so is a file that holds no record, as
    `NAME.damaged.json`. Raises ValueError for a record of another form.
    """
    _check(record, "this record")
    path = Path(str(path))
    if path.exists():
        try:
            earlier = load(path)["date"].replace(":", ".")
        except ValueError as error:
            earlier = "damaged"
            print("%s. It is kept as %s." % (error, _beside(path, earlier).name))
        os.replace(str(path), str(_beside(path, earlier)))
    return artifacts.write(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def _beside(path, word):
    """`timings.json` -> `timings.2026-11-22T15.30.42.json`."""
    return path.with_name("%s.%s%s" % (path.stem, word, path.suffix))


def load(path):
    """Read a record. Raises FileNotFoundError, and ValueError with the file's name for one that holds no record of the form."""
    with open(str(path), encoding="utf-8") as stream:
        try:
            record = artifacts.loads(stream.read(), parse_constant=_no_number)
        except ValueError as error:
            raise ValueError("%s is not the record of a run: it is not JSON (%s)" % (path, error)) from None
    _check(record, path)
    return record


def _no_number(text):
    raise ValueError("%s is not a number" % text)


def _check(record, name):
    problem = _problem(record)
    if problem:
        raise ValueError("%s is not the record of a run: %s (data/runs/README.md describes the form)" % (name, problem))


def _problem(record):
    """A clause about the first thing in which a record is not of the form, or None."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    for key, kind in FORM:
        if key not in record:
            return "'%s' is missing" % key
        if not isinstance(record[key], kind):
            return "'%s' is not %s" % (key, "text" if kind is str else "an object")
    if not isinstance(record["machine"].get("name"), str) or not record["machine"]["name"]:
        return "'machine' has no 'name'"
    if not isinstance(record["machine"].get("cores"), (int, type(None))):
        return "'cores' of 'machine' is not a number"
    if not re.match(r"([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2})?|not recorded)\Z", record["date"]):
        return "'date' is %.40r, not like 2026-11-22 or 2026-11-22T15:30:42" % record["date"]
    # Records of other programs may have columns of their own.
    return _problem_of_columns(record["results"]) if "columns" in record["results"] and "report" in record["results"] else None


def _problem_of_columns(results):
    """A clause about the results of `measure`, as `_problem`."""
    if not isinstance(results["columns"], list):
        return "'columns' is not a list"
    if not isinstance(results.get("report", False), bool) or not _is_time(results.get("seconds", 0)):
        return "'report' or 'seconds' of its results is of another type"
    if not _is_time(results.get("others_cores") or 0):
        return "'others_cores' of its results is not a number"
    for number, entry in enumerate(results["columns"], 1):
        if not isinstance(entry, dict):
            return "column %d is not an object" % number
        parity, samples = entry.get("parity"), entry.get("samples_ms", [])
        for key, right in (
                ("name", isinstance(entry.get("name"), str)), ("where", isinstance(entry.get("where"), (str, type(None)))),
                ("batch", _is_count(entry.get("batch"))), ("error", isinstance(entry.get("error", 0), (str, type(None)))),
                ("parity", "parity" in entry and (parity is None or isinstance(parity, dict) and isinstance(
                    parity.get("why", ""), str) and isinstance(parity.get("verdict"), (str, type(None))))),
                ("samples_ms", isinstance(samples, list) and all(map(_is_time, samples)))):
            if not right:
                return "'%s' of column %d is missing, or of another type" % (key, number)
        if _why_withheld(entry):
            continue
        times, on_gpu = entry.get("host_ms"), entry.get("gpu_ms", 0)
        if not _is_summary(times) or not _is_summary(on_gpu) and on_gpu is not None or not _is_time(
                entry.get("images_per_second")) or "why" not in parity:
            return "the times of column %d are missing, or no numbers" % number
    return None


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e300


def _is_summary(times):
    return isinstance(times, dict) and _is_count(times.get("n")) and all(map(_is_time, map(
        times.get, ("min", "median", "p90", "p99"))))


def _columns(record):
    columns = record["results"].get("columns")
    if columns is None:
        raise ValueError("this record has no 'columns' in its results: it is not one of timing.measure")
    problem = _problem_of_columns(record["results"])
    if problem:
        raise ValueError("this record is not one of timing.measure: %s" % problem)
    return columns


def rows(record):
    """What may be shown of a record of `measure`, in its order: a list of dicts, one for each column and batch.

    "name", "where" ("CPU" or "GPU"), "batch", "ms" (median on the host's clock, with copies), "p90", "p99", "min", "n",
    "gpu_ms" (median between events, or None), "images_per_second" (batch / median: one run after the other), "verdict",
    "why". A column that failed or has no parity verdict is not among them: see `withheld`.
    """
    return [dict(entry["host_ms"], name=entry["name"], where=entry["where"], batch=entry["batch"],
                 ms=entry["host_ms"]["median"], gpu_ms=entry["gpu_ms"]["median"] if entry["gpu_ms"] else None,
                 images_per_second=entry["images_per_second"], verdict=entry["parity"]["verdict"],
                 why=entry["parity"]["why"])
            for entry in _columns(record) if not _why_withheld(entry)]


def label(row):
    """The name of a row with the place where it ran, if it says so: "TensorFlow (CPU)"."""
    return row["name"] + (" (%s)" % row["where"] if row.get("where") else "")


def withheld(record):
    """[(name, batch, reason)] of the columns that `rows` leaves out."""
    return [(entry["name"], entry["batch"], _why_withheld(entry)) for entry in _columns(record) if _why_withheld(entry)]


def _why_withheld(entry):
    if entry["error"]:
        return "it failed: " + entry["error"]
    if (entry["parity"] or {}).get("verdict") not in ("equal", "close", "broken"):
        return "no parity verdict: a speed without one says nothing"
    return None


def table(record):
    """A record of `measure` as text, one line for each column and batch, each with its parity verdict."""
    results = record["results"]
    loaded = load_of_others(record)
    lines = ["%s, %s%s" % (record["machine"]["name"], record["date"], "" if results.get("report") else
                           "  (%.3g s a column; report=True for figures to publish)" % results.get("seconds", 0))]
    lines += [loaded] if loaded else []
    form = "%-28s %5s %9s %9s %9s %9s %9s %7s %9s  %s"
    lines.append(form % ("", "batch", "min ms", "median", "p90", "p99", "GPU ms", "runs", "images/s", "parity"))
    for row in rows(record):
        times = tuple("%.2f" % row[key] for key in ("min", "median", "p90", "p99"))
        gpu = "%.2f" % row["gpu_ms"] if row["gpu_ms"] is not None else "-"
        lines.append(form % ((label(row)[:28], row["batch"]) + times + (
            gpu, row["n"], "%.1f" % row["images_per_second"], row["verdict"])))
    lines += ["%-28s %5d not shown, %.200s" % (name[:28], batch, why) for name, batch, why in withheld(record)]
    return "\n".join(lines)


def load_of_others(record):
    """A sentence for a record of `measure` that other programs spoiled, "" for one that they did not, or that does not say."""
    cores, busy = record["machine"].get("cores"), record["results"].get("others_cores")
    if not cores or busy is None or busy < max(0.1 * cores, 0.25):
        return ""
    return "A LOADED MACHINE: other programs kept %.1f of %d cores busy meanwhile, so these times are too long." % (busy, cores)


def published():
    """What others published, as a list of dicts: "device", "network", "framework", "precision", "batch", "ms" or
    "images_per_second", "year", "source", "note". The workbook measured none of it."""
    with open(str(PUBLISHED)) as stream:
        return json.load(stream)["figures"]


def recorded(name="timing_tensorrt8.6.1_h200.json"):
    """Our own times of the network, as entries like those of `published`, with "p90", "gpu_ms" (None for TensorFlow) and
    "measured": True. Medians on the host's clock, with the copies. name: a record of `measure` in data/runs/; by default
    TensorFlow beside TensorRT 8.6.1 on one H200."""
    path = RUNS / name
    record, entries = load(path), []
    source = "TensorFlow %(tensorflow)s, TensorRT %(tensorrt)s" % record["versions"] + ", data/runs/" + path.name
    for row in rows(record):
        framework, _, precision = row["name"].partition(" ")
        entries.append({"device": record["machine"]["name"], "network": "this 3D-box network, 224x224",
                        "framework": framework, "precision": precision or None, "batch": row["batch"], "ms": row["ms"],
                        "p90": row["p90"], "gpu_ms": row["gpu_ms"], "images_per_second": row["images_per_second"],
                        "year": int(record["date"][:4]), "measured": True, "source": source, "note": "with the copies"})
    return entries
