"""The pictures of notebook 04: verdicts by colour, and measurements that cannot be taken for the reader's own."""
import json

import numpy as np
from matplotlib import colors, pyplot
from matplotlib.patches import Rectangle

from helpers import plugin, show
from helpers.show import plugin_pictures

RECORD = json.loads((plugin.SOURCES / "results" / "nvidia_h200.json").read_text())


def test_each_length_stands_in_the_colour_of_what_became_of_it():
    lengths = np.array([1e-3, 1e-2, 1.0, 10.0, 100.0])
    right = np.tile([0.6, 0.8], (5, 1))
    y = right.copy()
    y[0], y[1], y[3], y[4] = np.nan, np.inf, 0, (0.6, 0.83)
    axis = show.over_lengths(lengths, right, {"a": y, "b": right}, seen=[2.0, 3.0]).axes[0]
    drawn = {}
    for points in axis.collections:
        for x, row in np.asarray(points.get_offsets()).reshape(-1, 2):
            drawn.setdefault((x, row), []).append(colors.to_hex(points.get_facecolor()[0]))
    verdicts = ["not a number", "infinite", "right", "zero", "off by more than 0.01"]
    for length, verdict in zip(lengths, verdicts):
        assert drawn[length, 0] == [plugin_pictures.VERDICTS[verdict]]
        assert drawn[length, 1] == [plugin_pictures.VERDICTS["right"]]
    assert {x for x, row in drawn if row == 2} == {2.0, 3.0}


def test_a_row_of_zeros_is_right_where_zeros_are_right():
    axis = show.over_lengths(np.array([1e-8, 1.0]), np.array([[0, 0], [1, 0]]), {"a": np.array([[0, 0], [0, 0]])}).axes[0]
    drawn = {points.get_offsets()[0][0]: colors.to_hex(points.get_facecolor()[0])
             for points in axis.collections if len(points.get_offsets())}
    assert drawn == {1e-8: plugin_pictures.VERDICTS["right"], 1.0: plugin_pictures.VERDICTS["zero"]}


def test_speeds_are_hatched_and_name_the_machine_they_come_from():
    figure = show.kernel_speed(RECORD)
    title = figure._suptitle.get_text()
    assert title.startswith("Not from this machine") and RECORD["machine"]["date"] in title
    for word in ("NVIDIA H200", "580.159.04", "13.0.88"):
        assert word in title
    left, right = figure.axes
    bars = [patch for axis in figure.axes for patch in axis.patches if isinstance(patch, Rectangle)]
    assert len(left.patches) == len(RECORD["bandwidth"]) and all(bar.get_hatch() for bar in bars)
    heights = sorted(round(bar.get_height(), 6) for bar in left.patches)
    assert heights == sorted(round(100 * each["share_of_faster_copy"], 6) for each in RECORD["bandwidth"])
    times = sorted(each["graph_us"] for each in RECORD["latency"]["1 x 6 x 2"].values())
    assert np.allclose(sorted(bar.get_width() for bar in right.patches), times)


def test_the_life_shows_every_call_and_leaves_no_figure_open():
    before = pyplot.get_fignums()
    texts = [text.get_text() for text in show.plugin_life().axes[0].texts]
    for _, calls in plugin_pictures.LIFE:
        for _, call, meaning in calls:
            assert call in texts and meaning in texts
    assert pyplot.get_fignums() == before
