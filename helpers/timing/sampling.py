"""Timing one step over and over: the innermost loop, and nothing else in it."""
import collections
import time

Samples = collections.namedtuple("Samples", "host gpu first")
Samples.__doc__ = """host: [ms] end to end, with copies. gpu: [ms] between two events, or [] without a GPU. first: ms of
the very first step, which loads code and memory and belongs to no statistic (None if there was no warm-up)."""


def sample(step, seconds=3.0, warm_up=0.5, least=1, events=None):
    """Run `step(before, after)` again and again for `seconds`, at least `least` times -> `Samples`.

    step: does one inference and returns when its results are there. before, after: `events`, two `cuda.Event`s that it
    records around the GPU's work, or None and None. warm_up: seconds of steps that are not counted, at least 3 steps;
    0 for none.
    """
    before, after = events or (None, None)
    first, end = None, time.perf_counter() + warm_up
    for count in range(10 ** 9 if warm_up else 0):
        start = time.perf_counter()
        step(before, after)
        if first is None:
            first = (time.perf_counter() - start) * 1e3
        if count >= 2 and time.perf_counter() >= end:
            break
    host, gpu = [], []
    end = time.perf_counter() + seconds
    while len(host) < least or time.perf_counter() < end:
        start = time.perf_counter()
        step(before, after)
        host.append((time.perf_counter() - start) * 1e3)
        if before is not None:
            gpu.append(after.milliseconds_since(before))
    return Samples(host, gpu, first)
