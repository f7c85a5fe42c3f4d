"""The checks of notebook 05: what is right passes, the usual mistakes are named."""
import numpy as np
import pytest

from helpers import timing
from notebooks import checks


def test_p90_by_nearest_rank():
    assert checks.judge("05.1", lambda samples: timing.summary(samples)["p90"])[0]


@pytest.mark.parametrize("mistaken, word", [
    (lambda samples: float(np.percentile(samples, 90)), "no value between"),
    (max, "the one before would do"),
    (lambda samples: sorted(samples)[len(samples) // 2], "are no larger"),
    (lambda samples: samples[int(0.9 * len(samples))], "samples"),
    (lambda samples: samples.sort() or timing.summary(samples)["p90"], "changes the list")])
def test_p90_mistaken(mistaken, word):
    verdict, said = checks.judge("05.1", mistaken)
    assert verdict is False and word in said


@pytest.mark.parametrize("letter, verdict", [("a", True), ("B", False), ("C", False), ("D", False)])
def test_the_one_beside_a_neighbour(letter, verdict):
    assert checks.judge("05.2", letter)[0] is verdict


def best(rows, deadline, key="p90", gain=lambda row: row["batch"] / row["ms"]):
    in_time = [row for row in rows if row[key] <= deadline]
    return max(in_time, key=gain)["batch"] if in_time else None


def test_the_best_batch():
    assert checks.judge("05.3", best)[0]
    assert "right is 2" in checks.judge("05.3", lambda rows, limit: best(rows, limit, "ms"))[1]
    assert not checks.judge("05.3", lambda rows, limit: best(rows, limit, gain=lambda row: -row["ms"]))[0]
    assert not checks.judge("05.3", lambda rows, limit: best(rows, limit) or 1)[0]
