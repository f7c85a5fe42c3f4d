"""Timing one step over and over: the innermost loop, and nothing else in it."""
import collections
import time

Samples = collections.namedtuple("Samples", "host gpu first")
Samples.__doc__ = """Times in ms. host: [ms] of each run, end to end, with copies. gpu: [ms] between two events, [] without a
GPU. first: of the very first run, which loads code and memory and is in no statistic; None without a warm-up."""


def sample(step, seconds=3.0, warm_up=0.5, least=1, events=None):
    """Run `step(before, after)` again and again for `seconds`, at least `least` times -> `Samples`.

    step: does one inference and returns when its results are there. before, after: `events`, two `cuda.Event`s that it
    records around the GPU's work; None and None without. warm_up: seconds of runs that are not counted, at least 3 of
    them; 0 for none.
    """
    before, after = events or (None, None)

    def run():
        start = time.perf_counter()
        step(before, after)
        return (time.perf_counter() - start) * 1e3

    first = None
    if warm_up:
        end = time.perf_counter() + warm_up
        first = run()
        run()
        run()
        while time.perf_counter() < end:
            run()
    host, gpu = [], []
    end = time.perf_counter() + seconds
    while len(host) < least or time.perf_counter() < end:
        host.append(run())
        if before is not None:
            gpu.append(after.milliseconds_since(before))
    return Samples(host, gpu, first)
