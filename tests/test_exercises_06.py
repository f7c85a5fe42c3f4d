"""The checks of notebook 06: right answers pass, each usual mistake gets its own reason."""
import numpy as np
import pytest

from helpers import timing
from notebooks import checks


@pytest.mark.parametrize("answer", [
    lambda samples: timing.summary(samples)["p90"], lambda samples: sorted(samples)[-(-9 * len(samples) // 10) - 1],
    lambda samples: sorted(samples)[::-1][len(samples) // 10], lambda samples: np.sort(samples)[-(len(samples) // 10) - 1],
    lambda samples: min(ms for ms in samples if sum(other <= ms for other in samples) >= 0.9 * len(samples))])
def test_p90_by_nearest_rank(answer):
    assert checks.judge("06.1", answer)[0]


@pytest.mark.parametrize("mistaken, word", [
    (lambda samples: float(np.percentile(samples, 90)), "a value between"),
    (max, "the sample before it is enough"),
    (lambda samples: sorted(samples)[len(samples) // 2], "are not larger"),
    (lambda samples: samples[int(0.9 * len(samples))], "samples"),
    (lambda samples: samples.sort() or timing.summary(samples)["p90"], "changes the list")])
def test_p90_mistaken(mistaken, word):
    verdict, said = checks.judge("06.1", mistaken)
    assert verdict is False and word in said


@pytest.mark.parametrize("letter, verdict", [("a", True), ("B", False), ("C", False), ("D", False)])
def test_the_recording_beside_a_neighbour(letter, verdict):
    assert checks.judge("06.2", letter)[0] is verdict


def best(rows, deadline, key="p90", gain=lambda row: row["batch"] / row["ms"]):
    in_time = [row for row in rows if row[key] <= deadline]
    return max(in_time, key=gain)["batch"] if in_time else None


def by_sorting(rows, deadline):
    for row in sorted(rows, key=lambda row: -row["images_per_second"]):
        if row["p90"] <= deadline:
            return np.int64(row["batch"])


def test_the_best_batch():
    assert checks.judge("06.3", best)[0] and checks.judge("06.3", by_sorting)[0]
    assert "right is 2" in checks.judge("06.3", lambda rows, limit: best(rows, limit, "ms"))[1]
    assert not checks.judge("06.3", lambda rows, limit: best(rows, limit, gain=lambda row: -row["ms"]))[0]
    assert not checks.judge("06.3", lambda rows, limit: best(rows, limit) or 1)[0]
