"""Bars of times: measured ones solid, published ones hatched, nothing without its parity."""
import io

import matplotlib

matplotlib.use("Agg")
import pytest  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

from helpers import show, timing  # noqa: E402


def column(name, ms, batch=1, verdict="equal", gpu=None, error=None, where="CPU"):
    found = {"name": name, "where": where, "kind": "tensorrt", "batch": batch, "model": "m",
             "model_sha256": None, "error": error, "parity": None}
    if error is None:
        found.update(host_ms=timing.summary(ms), gpu_ms=timing.summary(gpu) if gpu else None, first_ms=1.0,
                     images_per_second=1e3 * batch / timing.summary(ms)["median"], samples_ms=list(ms),
                     parity={"verdict": verdict, "why": "because"} if verdict else None)
    return found


def record(*columns):
    return {"machine": {"name": "A Board"}, "versions": {}, "date": "2026-01-02T03:04:05", "command": "a test",
            "results": {"report": False, "seconds": 1.0, "columns": list(columns)}}


MEASURED = record(column("TensorFlow", [30.0, 31, 32, 40]), column("TensorRT FP16", [6.0, 6.5, 7], gpu=[5.0, 5.5, 6]))
ENTRY = {"device": "Jetson X", "network": "a net", "framework": "TensorRT", "precision": "fp16", "batch": 1, "ms": 12.5,
         "images_per_second": None, "year": 2019, "source": "somebody's page", "note": ""}


def words(figure):
    return " | ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text())


def bars(figure, hatched):
    """Widths of the bars in the first axes."""
    return [patch.get_width() for patch in figure.axes[0].patches
            if isinstance(patch, Rectangle) and bool(patch.get_hatch()) is hatched]


def test_measured_bars_are_solid_and_published_ones_hatched_with_device_and_source():
    figure = show.timings(MEASURED, [ENTRY])
    assert isinstance(figure, Figure)
    assert bars(figure, hatched=False) == [31.5, 6.5]
    assert bars(figure, hatched=True) == [12.5]
    for wanted in ("A Board", "Jetson X", "somebody's page, 2019", "not reproduced", "parity: equal", "n = 4", "12.5 ms",
                   "TensorFlow (CPU)", "hatched: as published"):
        assert wanted in words(figure)


def test_a_diamond_marks_the_clock_of_the_gpu_where_there_is_one():
    def diamonds(figure):
        return [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"]

    assert diamonds(show.timings(MEASURED)) == [5.5]
    assert diamonds(show.timings(record(column("TensorFlow", [3.0])))) == []


def test_whiskers_end_at_p90():
    figure = show.timings(record(column("TensorFlow", list(range(1, 101)))))
    assert 90 in {line.get_xdata()[-1] for line in figure.axes[0].lines}


def test_a_speed_without_a_parity_verdict_is_named_and_not_drawn():
    figure = show.timings(record(column("fast and wrong", [1.0], verdict=None), column("broken down", [], error="no GPU"),
                                 column("good", [2.0])))
    assert bars(figure, hatched=False) == [2.0]
    for wanted in ("fast and wrong", "no parity verdict", "broken down", "no GPU", "not shown"):
        assert wanted in words(figure)


def test_a_broken_verdict_stands_under_its_bar():
    assert "parity: broken" in words(show.timings(record(column("TensorRT INT8", [1.0], verdict="broken"))))


def test_published_figures_without_a_time_are_left_out_and_all_of_ours_can_be_drawn():
    assert bars(show.timings(MEASURED, [dict(ENTRY, ms=None)]), hatched=True) == []
    every = timing.published()
    assert len(bars(show.timings(MEASURED, every), hatched=True)) == sum(1 for entry in every if entry["ms"] is not None)


def test_our_recorded_times_are_hatched_and_not_called_published():
    figure = show.timings(None, timing.recorded())
    assert bars(figure, hatched=False) == [] and len(bars(figure, hatched=True)) == len(timing.recorded())
    assert "Measured by us, not here: NVIDIA H200" in words(figure) and "ublished" not in words(figure)
    assert "as measured on that machine or as published" in words(show.timings(MEASURED, timing.recorded() + [ENTRY]))
    with pytest.raises(ValueError, match="nothing to draw"):
        show.timings(None)


def test_one_batch_at_a_time():
    both = record(column("TensorFlow", [3.0]), column("TensorFlow", [9.0], batch=4))
    assert bars(show.timings(both, batch=4), hatched=False) == [9.0]
    with pytest.raises(ValueError, match=r"batches \[1, 4\], not 8"):
        show.timings(both, batch=8)


def test_samples_are_drawn_in_their_order_on_one_scale():
    figure = show.samples({"cold": [50.0, 3, 3], "warm": [3.0, 3, 3, 3]})
    cold, warm = figure.axes
    assert [list(line.get_ydata()) for line in cold.lines if line.get_marker() == "o"] == [[50.0, 3, 3]]
    assert cold.get_ylim() == warm.get_ylim() and cold.get_ylim()[0] == 0
    assert "cold: median 3, p90 50, from 3 to 50 ms" in words(figure)


def test_samples_of_a_record_are_those_of_one_batch_that_did_not_fail():
    figure = show.samples(record(column("a", [1.0, 2]), column("b", [5.0], batch=4), column("c", [], error="no")))
    assert len(figure.axes) == 1 and "a: median" in words(figure)
    for nothing in ({}, record(column("c", [], error="no"))):
        with pytest.raises(ValueError, match="no samples"):
            show.samples(nothing)
    with pytest.raises(ValueError, match="no times"):
        show.samples({"a": []})


def test_latency_and_throughput_over_batches():
    figure = show.over_batches(record(column("TensorFlow", [10.0], batch=4), column("TensorFlow", [5.0]),
                                      column("TensorRT FP16", [2.0])))
    right = figure.axes[1]
    assert {tuple(line.get_xdata()): tuple(line.get_ydata()) for line in right.lines} == {(1, 4): (200, 400), (1,): (500,)}
    recorded = show.over_batches(timing.recorded())
    assert "not here: NVIDIA H200" in words(recorded) and {line.get_linestyle() for line in recorded.axes[1].lines} == {"--"}
    assert "A Board" in words(figure)
    recorded.savefig(io.BytesIO())  # this lays it out
    names = recorded.legends[0].get_window_extent()
    assert all(names.y1 <= axis.xaxis.label.get_window_extent().y0 for axis in recorded.axes), "the names lie on the chart"
    with pytest.raises(ValueError, match="broken down"):
        show.over_batches(record(column("broken down", [], error="no GPU")))
    with pytest.raises(ValueError, match="no column"):
        show.over_batches([])


def test_layers_keep_the_order_of_the_network_and_the_short_ones_share_a_bar():
    times = [("conv1", 4.0), ("relu", 0.5), ("conv2", 3.0), ("pool", 0.5), ("dense", 2.0)]
    figure = show.layers(times, "here", top=3)
    assert bars(figure, hatched=False) == [4.0, 3.0, 2.0, 1.0]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["conv1", "conv2", "dense", "2 others"]
    assert "40 %" in words(figure) and "here" in words(figure)
    assert bars(show.layers(times, "elsewhere", top=3, recorded=True), hatched=True) == [4.0, 3.0, 2.0, 1.0]


def test_layers_of_one_kind_have_one_colour():
    figure = show.layers([("a", 4.0, "Conv"), ("b", 3.0, "Gemm"), ("c", 2.0, "Conv")])
    first, second, third = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert first == third != second and "Gemm" in words(figure)


def test_plans_side_by_side():
    figure = show.plan_sizes({"FP32": {"bytes": 162700000, "build_seconds": 0.75},
                              "FP16": {"bytes": 82e6, "build_seconds": 0.5}})
    assert bars(figure, hatched=False) == [162.7, 82.0]
    assert "163" in words(figure) and "0.75" in words(figure)


def test_nothing_to_draw_is_an_error():
    for draw in (lambda: show.layers([]), lambda: show.layers([("a", 0.0)]), lambda: show.plan_sizes({})):
        with pytest.raises(ValueError):
            draw()
