"""The pictures of notebooks 04 and 05: verdicts by colour, and measurements that cannot be taken for the reader's own."""
import numpy as np
from matplotlib import colors, pyplot
from matplotlib.patches import Rectangle

from helpers import plugin, show, timing
from helpers.show import plugin as plugin_pictures

RECORD = timing.load(timing.RUNS / "l2_kernel_nvidia_h200.json")


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
    assert title.startswith("Not from this machine") and RECORD["date"] in title
    for word in ("NVIDIA H200", "580.159.04", "13.0.88"):
        assert word in title
    left, right = figure.axes
    bars = [patch for axis in figure.axes for patch in axis.patches if isinstance(patch, Rectangle)]
    assert bars and all(bar.get_hatch() for bar in bars)
    pairs = {entry["dtype"]: entry for entry in sorted(RECORD["results"]["bandwidth"], key=lambda entry: entry["bytes_read"])
             if entry["axis"] == 2}
    shares = [pairs[dtype].get(key, pairs[dtype])["share_of_faster_copy"] for key in ("simple_kernel", "") for dtype in pairs]
    assert np.allclose([bar.get_width() for bar in left.patches][::-1], 100 * np.array(shares))
    times = {name: entry["graph_us"] for name, entry in RECORD["results"]["latency"]["1 x 6 x 2"].items()}
    named = [text.get_text() for text in right.get_yticklabels()]
    drawn = dict(zip(named, [bar.get_width() for bar in right.patches]))
    assert len(drawn) == len(times) and drawn["the plugin's, FP16"] == times["this kernel, FP16"]
    assert drawn["simple kernel, FP32"] == times["simple kernel, FP32"] and sorted(drawn.values()) == sorted(times.values())


def test_thread_0_reads_one_pair_or_every_128th_pack():
    axis = show.thread_reads().axes[0]
    boxes = [patch for patch in axis.patches if patch.get_width() == 0.25]
    mine = [patch for patch in boxes if patch.get_zorder() == 2]
    assert len([patch for patch in mine if patch.get_y() > -0.5]) == 1
    assert len([patch for patch in mine if patch.get_y() < -0.5]) == 4 * 4  # four packs of four pairs
    texts = [text.get_text() for text in axis.texts]
    assert {"pack 0", "pack 128", "pack 256", "pack 384"} < set(texts) and texts.count("0") == 5
    source = (plugin.SOURCES / "l2_normalize.cu").read_text() + (plugin.SOURCES / "l2_simple.cu").read_text()
    assert "kThreads = 128;" in source and "kPacksInFlight = 4;" in source and "kThreadsInBlock = 128;" in source


def test_the_life_shows_every_call_and_leaves_no_figure_open():
    before = pyplot.get_fignums()
    texts = [text.get_text() for text in show.plugin_life().axes[0].texts]
    for _, calls in plugin_pictures.LIFE:
        for _, call, meaning in calls:
            assert call in texts and meaning in texts
    assert pyplot.get_fignums() == before


def test_the_builders_loop_goes_back_from_the_timed_run_to_the_first_question():
    stage, first, last, words = plugin_pictures.LOOP
    calls = dict(plugin_pictures.LIFE)[stage]
    assert (calls[first][1], calls[last][1]) == ("supportsFormat", "enqueue")
    assert [call for _, call, _ in calls].index("initialize") == last - 1  # 8.6.1 was seen to ask while it built
    figure = show.plugin_life()
    assert words in [text.get_text() for text in figure.axes[0].texts]
    assert sum(call == "clone" for _, calls in plugin_pictures.LIFE for _, call, _ in calls) == 3
    assert "again for each type and layout" in show.alternative_text(figure)


def test_each_thread_has_its_number_and_the_last_ones_have_no_work():
    figure = show.threads(10, 4)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [str(number) in texts for number in range(10)] == [True] * 10
    assert "10: none" in texts and "11: none" in texts and texts.count("thread 3") == 3 and "block 2" in texts
    assert "3 blocks of 4 threads" in show.alternative_text(figure) and "the last 2 have none" in show.alternative_text(figure)


def test_questions_stand_beside_the_source_that_answers_them():
    code = plugin.method("getOutputDimensions")
    table = show.answers([("What shape?\ngetOutputShapes", code)])
    shown = table._repr_html_()
    assert shown.startswith("<table>") and "What shape?<br>" in shown and "const Dims* inputs" in shown
    assert "&lt; 1" in shown and "getOutputShapes</span>" in shown  # "<" of the source is no tag
    assert code in repr(table) and code in (plugin.SOURCES / "l2_normalize_plugin.cpp").read_text().replace("\n    ", "\n")


def test_no_label_of_the_speeds_crosses_the_line_of_the_copy():
    figure = show.kernel_speed(RECORD)
    left = figure.axes[0]
    line = left.transData.transform((100, 0))[0]
    figure.canvas.draw()
    for text in left.texts:
        assert text.get_window_extent().x1 < line
