"""The record of a measurement: what is in it, and what of it may be shown."""
import json
import os
import platform
import re

import numpy as np

from .. import artifacts, machine

PUBLISHED = artifacts.DATA / "published_timings.json"
ELSEWHERE = artifacts.DATA / "gpu_precision_h200.json"


def summary(ms):
    """{"min", "median", "p90", "p99", "n"} of times in ms; percentiles are values that occurred (nearest rank).

    Raises ValueError without a time, or with one that is none.
    """
    ms = np.sort(np.asarray(ms, np.float64))
    if not len(ms) or not np.isfinite(ms).all() or ms[0] < 0:
        raise ValueError("no times to summarise" if not len(ms) else "a time is negative or not a number")

    def rank(percent):
        return float(ms[max(int(np.ceil(percent / 100 * len(ms))) - 1, 0)])

    return {"min": float(ms[0]), "median": float(np.median(ms)), "p90": rank(90), "p99": rank(99), "n": len(ms)}


def save(record, path):
    """Write a record as JSON, atomically; returns the path."""
    return artifacts.write(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def load(path):
    """Read a record. FileNotFoundError, or ValueError when the file holds none."""
    try:
        with open(str(path)) as stream:
            record = json.load(stream)
    except ValueError as error:
        raise ValueError("%s is no timing record: %s" % (path, error))
    if not isinstance(record, dict) or record.get("format") != 1 or not isinstance(record.get("columns"), list):
        raise ValueError("%s is no timing record of format 1" % path)
    return record


def rows(record):
    """What may be shown of a record, in its order: a list of dicts, one for each column and batch.

    "name", "where" ("CPU" or "GPU"; None in older records), "batch", "ms" (median, host, with copies), "p90", "p99",
    "min", "n", "gpu_ms" (median between events, or None), "images_per_second" (batch / median: one run after the other),
    "verdict", "why". A column without a parity verdict, or one that failed, is not among them: see `withheld`.
    """
    return [dict(entry["host_ms"], name=entry["name"], where=entry.get("where"), batch=entry["batch"],
                 ms=entry["host_ms"]["median"], gpu_ms=entry["gpu_ms"]["median"] if entry["gpu_ms"] else None,
                 images_per_second=entry["images_per_second"], verdict=entry["parity"]["verdict"],
                 why=entry["parity"]["why"])
            for entry in record["columns"] if not _held_back(entry)]


def label(row):
    """The name of a row with the place where it ran: "TensorFlow (CPU)"."""
    return row["name"] + (" (%s)" % row["where"] if row.get("where") else "")


def withheld(record):
    """[(name, batch, reason)] of what `rows` leaves out."""
    return [(entry["name"], entry["batch"], _held_back(entry)) for entry in record["columns"] if _held_back(entry)]


def _held_back(entry):
    if entry.get("error"):
        return "it failed: " + entry["error"]
    parity = entry.get("parity")
    if not parity or parity.get("verdict") not in ("equal", "close", "broken"):
        return "no parity verdict: a speed without one says nothing"
    return None


def table(record):
    """The record as text, one line for each column and batch, each with its parity."""
    device, lines = record["device"], []
    lines.append("%s, %s%s" % (device["name"], record["taken"], "" if record["report_mode"] else
                               "  (%.3g s a column; report=True for figures to publish)" % record["seconds"]))
    form = "%-28s %5s %9s %9s %9s %9s %9s %7s %9s  %s"
    lines.append(form % ("", "batch", "min ms", "median", "p90", "p99", "GPU ms", "runs", "images/s", "parity"))
    for row in rows(record):
        gpu = "%.2f" % row["gpu_ms"] if row["gpu_ms"] is not None else "-"
        lines.append(form % ((label(row)[:28], row["batch"]) + tuple("%.2f" % row[key] for key in (
            "min", "median", "p90", "p99")) + (gpu, row["n"], "%.1f" % row["images_per_second"], row["verdict"])))
    lines += ["%-28s %5d not shown, %s" % (name[:28], batch, why) for name, batch, why in withheld(record)]
    return "\n".join(lines)


def published(path=PUBLISHED):
    """Figures that others published, as a list of dicts: "device", "network", "framework", "precision", "batch", "ms"
    or "images_per_second", "year", "source", "note". None of them was measured by this workbook."""
    with open(str(path)) as stream:
        return json.load(stream)["figures"]


def elsewhere(path=ELSEWHERE):
    """What this workbook measured on another machine: the network in PyTorch on one H200, as entries like those of
    `published`, with "p90" and "measured": True. A CUDA graph on the GPU's own clock, without copies: no TensorRT."""
    with open(str(path)) as stream:
        found = json.load(stream)
    entries = []
    for name, ms in found["ms"].items():
        precision, batch = name.split(", batch ")
        entries.append({"device": found["device"], "network": "this 3D-box network, 224x224", "framework": "PyTorch",
                        "precision": precision.lower(), "batch": int(batch), "ms": ms["median"], "p90": ms["p90"],
                        "images_per_second": int(batch) * 1e3 / ms["median"], "year": None, "measured": True,
                        "source": "PyTorch %s, data/%s" % (found["pytorch"], path.name), "note": "CUDA graph, no copies"})
    order = ["fp32", "tf32", "fp16"]
    return sorted(entries, key=lambda entry: (order.index(entry["precision"]), entry["batch"]))


def device():
    """What the machine is, for a record: {"name", "jetpack", "gpu", "cpu", "cores"}; None for what it has not."""
    jetson, gpu = machine.jetson(), machine.gpu()
    return {"name": jetson[0] if jetson else gpu[0] if gpu else _cpu(), "jetpack": jetson[2] if jetson else None,
            "gpu": list(gpu) if gpu else None, "cpu": _cpu(), "cores": os.cpu_count()}


def _cpu():
    name = re.search(r"(?im)^model name\s*:\s*(.+)", machine.text_of("/proc/cpuinfo"))
    return name.group(1).strip() if name else platform.processor() or platform.machine()


def revision():
    """The commit of this repository, or None."""
    return machine.output_of(["git", "-C", str(artifacts.ROOT), "rev-parse", "HEAD"])
