"""Measuring several columns side by side."""
import collections
import contextlib
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from .. import artifacts, board
from . import locking, messages, records

Column = collections.namedtuple("Column", "name kind model options")
Column.__doc__ = """One bar. kind: "tensorflow" (.pb), "onnxruntime" (.onnx) or "tensorrt" (plan). model: path, or {batch: path}
where each batch has a plan of its own. options: dict, see the class of the kind in `helpers.timing.worker`."""
Column.__new__.__defaults__ = (None,)

REPORT_RUNS, REPORT_SECONDS = 1024, 60.0  # of MLPerf's single-stream scenario


def measure(columns, images, batches=(1,), seconds=3.0, report=False, block=0.5, warm_up=0.5, reference=None, judge=None,
            wait=0):
    """Time columns in turn, for each batch size -> a record for `save`, `rows` and `table`.

    images: float32 [N, ...], preprocessed, in the layout of the models' input. The first `batch` of them are timed
        (repeated if there are fewer); all of them decide parity, at the smallest batch.
    seconds: of each column and batch; report: at least 60 s and 1,024 runs instead. block: seconds of one turn. Its first
        run is cold, because the other columns have emptied the caches, and is not counted.
    reference: outputs to compare the columns with, {output name: array}; by default those of the first column.
    judge: called with (reference, outputs of a column), returns an object with `verdict` ("equal", "close" or "broken")
        and `why`. By default `parity.compare` of the box network's heads; with scenes it also judges degrees and metres.
    wait: seconds to wait for the timing lock.

    All processes live until the end, each with its framework and its model in memory. Where that is too much, measure
    fewer columns at a time and give each call the same `reference`.

    A column that fails is recorded with its error, and the others go on. Raises TimeoutError while another measurement
    holds the lock, ValueError when there is nothing to measure or two columns have one name.
    """
    names = [column.name for column in columns]
    if not columns or not len(images):
        raise ValueError("nothing to measure: %d columns, %d images" % (len(columns), len(images)))
    if len(set(names)) < len(names):
        raise ValueError("two columns have the same name: %s" % ", ".join(names))
    with locking.lock("timing " + ", ".join(names), wait), contextlib.ExitStack() as stack:
        before = board.state()
        workers = [stack.enter_context(Worker(column)) for column in columns]
        busy = Busy(workers)
        parity, measured, versions = Parity(images, reference, judge or _compare_heads, names[0]), [], {}
        for batch in sorted(batches):
            batch_images = np.resize(images, (batch,) + images.shape[1:])
            for worker in workers:
                worker.prepare(batch, batch_images, warm_up)
            _take_turns(workers, seconds, report, block)
            measured += [dict(worker.result(), parity=parity.of(worker)) for worker in workers]
        for worker in workers:
            versions.update(worker.versions)
        return records.make(
            {"report": bool(report), "seconds": REPORT_SECONDS if report else seconds, "before": before,
             "after": board.state(), "others_cores": busy.others_cores(), "columns": measured}, versions)


def layers(column, images, runs=20, wait=0):
    """Where the time of one run goes -> ([(name, ms, kind)], ms of the whole run); all are medians of `runs` runs.

    column: of kind "tensorrt" (by IProfiler; the layers' kind is "") or "onnxruntime" (by its own profile; the layers' kind
    is the operation). images: float32 [batch, ...]. The whole run is timed without the profiler, on a GPU by events: when
    the layers add up to much more, something disturbed them, or the profiler did. Measured in a process of its own, under
    the timing lock.

    Raises ValueError for a "tensorflow" column, TimeoutError while another measurement holds the lock, RuntimeError when
    the column fails.
    """
    if column.kind not in ("tensorrt", "onnxruntime"):
        raise ValueError("a '%s' column has no profile of its layers; tensorrt and onnxruntime have" % column.kind)
    with locking.lock("a profile of " + column.name, wait), Worker(column) as worker:
        worker.prepare(len(images), images, warm_up=0.2)
        answer = worker.ask("layers", runs)
    if not answer:
        raise RuntimeError("%s was not profiled: %s" % (column.name, worker.error))
    return [tuple(layer) for layer in answer[0]], answer[1]


def _take_turns(workers, seconds, report, block):
    """Let the workers run for a block each, again and again, until each has its seconds and runs or has failed."""
    need_seconds, need_runs = (REPORT_SECONDS, REPORT_RUNS) if report else (seconds, 1)
    waiting = workers
    while waiting:
        waiting = [worker for worker in waiting if worker.error is None and (
            worker.seconds < need_seconds or len(worker.host) < need_runs)]
        for worker in waiting:
            rest = need_seconds - worker.seconds
            worker.run(min(block, max(rest, 0.01)) if rest > 0 else block)


class Busy:
    """How busy other programs keep the machine, from now on."""

    def __init__(self, workers):
        self.pids = [os.getpid()] + [worker.process.pid for worker in workers]
        self.start, self.then = time.time(), self._now()

    def _now(self):
        return board.cpu_seconds(), board.cpu_seconds(self.pids)

    def others_cores(self):
        """Cores that other programs kept busy, on average; None where the system does not tell."""
        (all_now, own_now), (all_then, own_then) = self._now(), self.then
        if None in (all_now, own_now, all_then, own_then):
            return None
        return round(max(all_now - all_then - (own_now - own_then), 0) / max(time.time() - self.start, 1e-3), 2)


def _compare_heads(reference, outputs):
    from .. import network, parity

    return parity.compare(network.heads(reference), network.heads(outputs))


class Parity:
    """The parity verdict of each model on all images; asked once for a model that serves several batches.

    reference: outputs to compare with; None: those of the column called `first`, and no other's, should it fail.
    """

    def __init__(self, images, reference, judge, first):
        self.images, self.reference, self.judge, self.first, self.verdicts = images, reference, judge, first, {}

    def of(self, worker):
        """{"verdict", "why"}, or None when the worker failed or there is no reference."""
        key = worker.column.name, worker.model
        if key not in self.verdicts:
            outputs = worker.ask("outputs", self.images)
            if outputs is None:
                return None
            if self.reference is None:
                if worker.column.name != self.first:
                    return None
                self.reference = outputs
            try:
                found = self.judge(self.reference, outputs)
                self.verdicts[key] = {"verdict": found.verdict, "why": found.why}
            except ValueError as error:  # an output that is missing, or of another shape
                self.verdicts[key] = {"verdict": "broken", "why": str(error)}
        return self.verdicts[key]


class Worker:
    """The parent's end of a worker process. After a request that fails, `error` is set until the next `prepare`."""

    def __init__(self, column):
        self.column, self.error, self.versions, self.where = column, None, {}, None
        self.log = tempfile.TemporaryFile()
        path = os.pathsep.join(filter(None, [str(artifacts.ROOT), os.environ.get("PYTHONPATH")]))
        # It starts in the root, so that nothing in the caller's folder is taken for a module, and goes to that folder.
        self.process = subprocess.Popen([sys.executable, "-m", "helpers.timing.worker", os.getcwd()], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, cwd=str(artifacts.ROOT),
                                        env=dict(os.environ, PYTHONPATH=path))

    def ask(self, name, *arguments):
        """What the method `name` of `worker.Server` returns; None, with `error` set, when it or an earlier one failed."""
        if self.error is not None:
            return None
        try:
            messages.write(self.process.stdin, (name, arguments))
            self.error, answer = messages.read(self.process.stdout)
        except (OSError, EOFError):
            self.error, answer = self._last_words(), None
        return answer

    def _last_words(self):
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return "its process ended with code %s; last line: %s" % (code, lines[-1] if lines else "none")

    def prepare(self, batch, images, warm_up):
        """Load the model for `batch` and its images, warm up for some seconds, forget earlier times and errors."""
        self.host, self.gpu, self.seconds, self.first = [], [], 0.0, None
        model = self.column.model
        model = model.get(batch) if isinstance(model, dict) else model
        self.batch, self.model = batch, None if model is None else str(model)
        self.error = "no model for batch %d" % batch if model is None else None
        answer = self.ask("prepare", self.column.kind, self.model, self.column.options or {}, images, warm_up)
        if answer:
            self.first, self.versions, self.where = answer["first"], answer["versions"], answer["where"]

    def run(self, seconds):
        host, gpu = self.ask("run", seconds) or ([], [])
        self.host += host
        self.gpu += gpu
        self.seconds += sum(host) / 1e3

    def result(self):
        """The entry of this column and batch in a record, without its parity."""
        entry = {"name": self.column.name, "kind": self.column.kind, "where": self.where, "batch": self.batch,
                 "model": self.model and os.path.basename(self.model), "error": self.error,
                 "model_sha256": artifacts.digest(self.model) if self.model and os.path.isfile(self.model) else None}
        if self.error is None:
            entry.update(host_ms=records.summary(self.host), gpu_ms=records.summary(self.gpu) if self.gpu else None,
                         first_ms=self.first, images_per_second=self.batch * 1e3 / float(np.median(self.host)),
                         samples_ms=[round(ms, 4) for ms in self.host])
        return entry

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # a worker that died with a request unread
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
