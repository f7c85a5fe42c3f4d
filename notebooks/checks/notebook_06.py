"""Checks of notebook 06, timing: a percentile, three recordings, throughput under a deadline."""
from .judging import exercise


@exercise("06.1", "p90(samples)")
def _p90(function):
    import numpy as np

    random = np.random.RandomState(5)
    for n in (10, 1, 9, 11, 20, 37, 100):
        samples = [round(float(ms), 3) for ms in 20 + random.exponential(4, n)]
        random.shuffle(samples)
        given = list(samples)
        found = function(samples)
        assert isinstance(found, (int, float, np.number)) and not isinstance(found, bool), (
            "for %d samples it returns a %s; it should be a time in ms" % (n, type(found).__name__))
        assert samples == given, "it changes the list that it gets: sorted(samples) makes a new one"
        small = "the %d samples %s" % (n, sorted(samples)) if n < 12 else "%d samples" % n
        assert any(abs(found - ms) < 1e-9 for ms in samples), (
            "for %s it gives %.4f, which is not one of them, but a value between two samples" % (small, found))
        below = sum(1 for ms in samples if ms <= found)
        assert below >= 0.9 * n, "for %s it gives %.3f, and only %d of %d samples are not larger" % (small, found, below, n)
        smaller = sum(1 for ms in samples if ms < found)
        assert smaller < 0.9 * n, ("for %s it gives %.3f, but %d of %d samples are smaller: the sample before it "
                                   "is enough" % (small, found, smaller, n))
    return "In any order, for any number of samples, and always a time that occurred."


@exercise("06.2")
def _beside_a_neighbour(letter):
    assert isinstance(letter, str), "give one letter as a string; this is a %s" % type(letter).__name__
    letter = letter.strip().upper()
    assert letter in ("A", "B", "C"), "the recordings are called A, B and C"
    assert letter != "B", "the first run of B stands out, and the rest is as low as C: it had no warm-up, and no neighbour"
    assert letter != "C", "C is the lowest of the three and level from the first run to the last: nothing disturbed it"
    return "All of its runs are slow and none stands out. Only the comparison with C shows it."


@exercise("06.3", "best_batch(rows, deadline)", in_place=True)  # for one deadline, None is the right answer
def _best_batch(function):
    def row(batch, ms, p90):
        return {"name": "x", "batch": batch, "ms": ms, "p90": p90, "images_per_second": batch * 1e3 / ms}

    rows = [row(1, 6.0, 7.0), row(8, 20.0, 34.0), row(4, 12.0, 14.0), row(32, 70.0, 75.0), row(2, 5.9, 30.0)]
    for deadline, wanted, why in (
            (100, 32, "457 images a second, more than any other"),
            (33, 2, "339 images a second with a p90 of 30; 4 gives 333, and 8 is late in more than one of ten runs"),
            (14, 4, "a p90 of exactly 14 ms keeps a deadline of 14"), (10, 1, "the only one in time"),
            (5, None, "none is in time")):
        found = function([dict(row) for row in rows], deadline)
        assert found is not None or deadline != 100, "your function returns nothing: is the `return` missing?"
        assert found == wanted and not isinstance(found, (bool, dict)), (
            "for a deadline of %d ms it gives %r; right is %r: %s" % (deadline, found, wanted, why))
    return "The deadline decides by p90, the throughput by the median."
