"""Checks of notebook 06, timing: a percentile, three recordings, throughput under a deadline."""
from .judging import a, exercise, is_number, shown


@exercise("06.1", "p90(samples)", returns="a time in ms")
def _p90(function):
    import numpy as np

    random = np.random.RandomState(5)
    for n in (10, 1, 9, 11, 20, 37, 100):
        samples = [round(float(ms), 3) for ms in 20 + random.exponential(4, n)]
        random.shuffle(samples)
        given = list(samples)
        found = function(samples)
        assert is_number(found), "for %d samples it returns %s; it should be a time in ms" % (n, a(type(found).__name__))
        near = [ms for ms in samples if abs(ms - found) < 1e-5 * ms]  # found may be a float32
        found = near[0] if near else float(found)
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


@exercise("06.2", returns="one letter")
def _beside_a_neighbour(letter):
    assert isinstance(letter, str), "give one letter as a string; yours is %s" % a(type(letter).__name__)
    letter = letter.strip().upper()
    assert letter in ("A", "B", "C"), "the recordings are called A, B and C"
    assert letter != "B", "the first run of B stands out, and the rest is as low as C: it had no warm-up, and no neighbour"
    assert letter != "C", "C is the lowest of the three and level from the first run to the last: nothing disturbed it"
    return "All of its runs are slow and none stands out. Only the comparison with C shows it."


@exercise("06.3", "best_batch(rows, deadline)", in_place=True, returns="a batch size")  # once None is right
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
        assert not isinstance(found, dict), "it returns the whole row; the answer is its batch"
        assert found == wanted and (found is None or is_number(found)), (
            "for a deadline of %d ms it gives %s; right is %r: %s" % (
                deadline, shown(found) or a(type(found).__name__), wanted, why))
    return "The deadline decides by p90, the throughput by the median."


HINTS = {
    "06.1": ("Sort the samples. How many of them must not be larger than the answer, for 10 samples, for 11, for 20?",
             "Nine tenths of the count, rounded up, is the rank of the answer, counted from one. Round up in whole numbers, "
             "and mind that Python counts from zero. `sorted` leaves the list as it came."),
    "06.2": ("A missing warm-up shows in the first runs. A neighbour is there all the time.",
             "Compare the levels of the three, not their first samples: which one is slow from the beginning to the end?"),
    "06.3": ("Two columns have two jobs: one says whether a batch is in time in nine runs of ten, the other how many images "
             "come out.",
             "First keep the rows whose `p90` is at most the deadline; if none is left, the answer is None. Of these take "
             "the one with the most images for each ms, and return its batch."),
}
