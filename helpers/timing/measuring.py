"""Measuring several columns side by side, the record of it, and what may be shown of the record."""
import collections
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np

from .. import artifacts, board
from . import locking, records

Column = collections.namedtuple("Column", "name kind model options")
Column.__doc__ = """One bar. kind: "tensorflow" (.pb), "onnxruntime" (.onnx), "tensorrt" (plan). model: path, or {batch:
path} where each batch has its own plan. options: dict; tensorrt: plugins; onnxruntime: threads, providers."""
Column.__new__.__defaults__ = (None,)

REPORT_RUNS, REPORT_SECONDS = 1024, 60.0  # MLPerf's single-stream rule


def measure(columns, images, batches=(1,), seconds=3.0, report=False, block=0.5, warm_up=0.5, reference=None,
            judge=None, progress=None, wait=0):
    """Time columns in turn, for each batch size -> record (a dict for `save`, `rows`, `table`).

    images: float32 [N, ...], preprocessed. The first `batch` of them are what is timed (repeated if there are fewer);
        all of them decide parity, at the smallest batch.
    seconds: for each column and batch; report: at least 60 s and 1,024 runs instead. block: seconds of one turn; the
        first run of each turn is cold, because the neighbours' have emptied the caches, and is not counted.
    reference: heads to hold the columns against, {name: array}; by default those of the first column.
    judge: called with (reference, heads), returns an object with `verdict` and `why`, such as `parity.compare`, which is
        the default for the workbook's heads; give one with your scenes to have degrees and metres.
    progress: called with one line of text now and then. wait: seconds to wait for the timing lock.

    All processes live until the end, each with its framework and its model in memory. Where that is too much, measure
    fewer columns at a time and give each the same `reference`.

    A column that fails is recorded with its error, and the others go on. Raises TimeoutError when somebody else is
    measuring, ValueError when there is nothing to measure.
    """
    columns = [column._replace(options=dict(column.options or {})) for column in columns]
    if not columns or not len(images):
        raise ValueError("nothing to measure: %d columns, %d images" % (len(columns), len(images)))
    if len({column.name for column in columns}) < len(columns):
        raise ValueError("two columns have the same name: %s" % [column.name for column in columns])
    tell = progress or (lambda line: None)
    with locking.lock("timing " + ", ".join(column.name for column in columns), wait) as held, \
            board.Power() as power, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        start, before = time.time(), board.state()
        time.sleep(1.0 if power.runs else 0)
        idle = power.mean(start, time.time())
        workers = [stack.enter_context(Worker(column, folder)) for column in columns]
        found, verdicts = [], Verdicts(images, folder, reference, judge)
        for batch in sorted(batches):
            inputs = os.path.join(folder, "batch%d.npy" % batch)
            np.save(inputs, np.ascontiguousarray(np.resize(images, (batch,) + images.shape[1:])))
            for worker in workers:
                tell("batch %d: %s gets ready" % (batch, worker.column.name))
                worker.prepare(batch, inputs, warm_up)
            _take_turns(workers, seconds, report, block, tell)
            tell("batch %d: parity" % batch)
            found += [dict(worker.result(batch, power), parity=verdicts.of(worker, batch)) for worker in workers]
        return {
            "format": 1, "taken": datetime.datetime.fromtimestamp(start).isoformat(timespec="seconds"),
            "report_mode": bool(report), "seconds": REPORT_SECONDS if report else seconds,
            "device": records.device(), "before": before, "after": board.state(), "idle_power": idle,
            "versions": dict({"python": platform.python_version()}, **_merged(worker.versions for worker in workers)),
            "lock": {"held": True, "path": str(locking.PATH), "by": held["user"]}, "revision": records.revision(),
            "columns": found,
        }


def layers(column, images, runs=20, wait=0):
    """Where the time of one run goes -> ([(name, ms, kind)], ms of the whole run); all are medians of `runs` runs.

    column: "tensorrt" (IProfiler; kind is "") or "onnxruntime" (its own profile; kind is the operation). images: float32,
    one batch. The whole run is timed without the profiler, on a GPU by events: when the layers add up to much more,
    something disturbed them, or the profiler did. Alone in a process, under the timing lock.

    Raises TimeoutError when somebody else is measuring, RuntimeError when the column fails, ValueError for "tensorflow".
    """
    if column.kind not in ("tensorrt", "onnxruntime"):
        raise ValueError("a %r column has no profile of its layers; tensorrt and onnxruntime have" % column.kind)
    column = column._replace(options=dict(column.options or {}))
    with locking.lock("a profile of " + column.name, wait), tempfile.TemporaryDirectory() as folder, \
            Worker(column, folder) as worker:
        path = os.path.join(folder, "images.npy")
        np.save(path, np.ascontiguousarray(images))
        worker.prepare(len(images), path, warm_up=0.2)
        answer = worker.ask(do="layers", runs=runs)
    if not answer:
        raise RuntimeError("%s was not profiled: %s" % (column.name, worker.error))
    return [tuple(entry) for entry in answer["layers"]], answer["whole_ms"]


def _take_turns(workers, seconds, report, block, tell):
    ready = [worker for worker in workers if worker.error is None]
    need_seconds, need_runs = (REPORT_SECONDS, REPORT_RUNS) if report else (seconds, 1)
    while True:
        waiting = [w for w in ready if w.error is None and (w.spent < need_seconds or len(w.host) < need_runs)]
        if not waiting:
            return
        for worker in waiting:
            worker.block(min(block, max(need_seconds - worker.spent, 0.01) if worker.spent < need_seconds else block))
        tell(", ".join("%s %d runs" % (worker.column.name, len(worker.host)) for worker in ready))


class Verdicts:
    """The parity verdict of each model, from all images; asked once for a model that serves several batches."""

    def __init__(self, images, folder, reference, judge):
        if judge is None:
            from ..parity import compare as judge
        self.reference, self.judge, self.found = reference, judge, {}
        self.images = os.path.join(folder, "all.npy")
        np.save(self.images, np.ascontiguousarray(images))

    def of(self, worker, batch):
        """{"verdict", "why"}, or None when the worker has no heads to show."""
        key = worker.column.name, worker.model(batch)
        if key not in self.found:
            heads = worker.heads(self.images)
            if heads is None:
                return None
            if self.reference is None:
                self.reference = heads
            try:
                verdict = self.judge(self.reference, heads)
                self.found[key] = {"verdict": verdict.verdict, "why": verdict.why}
            except ValueError as error:  # a head that is missing, or of another shape
                self.found[key] = {"verdict": "broken", "why": str(error)}
        return self.found[key]


class Worker:
    """The parent's end of a worker process."""

    def __init__(self, column, folder):
        self.column, self.folder, self.error, self.versions, self.where = column, folder, None, {}, None
        self.log = open(os.path.join(folder, "log%d" % id(self)), "w+b")
        root = str(artifacts.ROOT)
        path = os.pathsep.join([root] + [entry for entry in [os.environ.get("PYTHONPATH")] if entry])
        self.process = subprocess.Popen([sys.executable, "-m", "helpers.timing.worker", column.kind], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, cwd=root, universal_newlines=True,
                                        env=dict(os.environ, PYTHONPATH=path))

    def ask(self, **request):
        """The worker's answer; None, with `error` set, when there is none or it is an error."""
        if self.error is not None:
            return None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        answer = json.loads(line) if line else {"error": self._last_words()}
        self.error = answer.get("error")
        return None if self.error else answer

    def _last_words(self):
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return "its process ended with code %s; last line: %s" % (code, lines[-1] if lines else "none")

    def model(self, batch):
        model = self.column.model
        return str(model.get(batch) if isinstance(model, dict) else model)

    def prepare(self, batch, images, warm_up):
        self.host, self.gpu, self.spent, self.joules, self.first = [], [], 0.0, [], None
        model = self.model(batch)
        self.error = "no model for batch %d" % batch if model == "None" else None  # another batch's error is not this one's
        answer = self.ask(do="prepare", kind=self.column.kind, model=model, options=self.column.options, images=images,
                          warm_up=warm_up)
        if answer:
            self.first = answer["first_ms"]
            self.versions, self.where = answer["versions"], answer["where"]

    def block(self, seconds):
        start = time.time()
        answer = self.ask(do="run", seconds=seconds)
        if answer:
            self.host += answer["host"]
            self.gpu += answer["gpu"]
            self.spent += sum(answer["host"]) / 1e3
            self.joules.append((start, time.time(), len(answer["host"]) + answer["uncounted"]))

    def heads(self, images):
        """The heads of all images in the .npy `images`; None, with `error` set, when there are none."""
        path = os.path.join(self.folder, "heads.npz")
        answer = self.ask(do="heads", images=images, heads=path)
        if not answer:
            return None
        with np.load(path) as found:
            return {name: found[name] for name in found.files}

    def result(self, batch, power):
        model = self.model(batch)
        entry = {"name": self.column.name, "kind": self.column.kind, "where": self.where, "batch": batch,
                 "model": os.path.basename(model), "source_sha256": artifacts.digest(model) if os.path.isfile(model) else None,
                 "error": self.error}
        if self.error is None:
            entry.update(host_ms=records.summary(self.host), gpu_ms=records.summary(self.gpu) if self.gpu else None,
                         first_ms=self.first, images_per_second=batch * 1e3 / float(np.median(self.host)),
                         samples_ms=[round(ms, 4) for ms in self.host], energy=self._energy(power))
        return entry

    def _energy(self, power):
        """mJ of the whole board for one inference, from the blocks that have a reading of tegrastats in them."""
        parts = [(power.mean(start, end), end - start, runs) for start, end, runs in self.joules]
        parts = [(mean, seconds, runs) for mean, seconds, runs in parts if mean]
        if not parts:
            return None
        millijoules = sum(mean["mw"] * seconds for mean, seconds, _ in parts)
        return {"mj_per_run": millijoules / sum(runs for _, _, runs in parts), "rail": parts[0][0]["rail"],
                "readings": sum(mean["readings"] for mean, _, _ in parts)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # of a worker that died with a request unread
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def _merged(dicts):
    merged = {}
    for entry in dicts:
        merged.update(entry)
    return merged
