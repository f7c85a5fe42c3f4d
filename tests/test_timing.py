"""helpers.timing and helpers.board: statistics, turns, the lock, records, the state of the board."""
import errno
import getpass
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx_models
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import artifacts, board, machine, timing
from helpers.timing import locking, measuring, messages
from helpers.timing import worker as worker_process

HERE = Path(__file__).resolve().parent
ROOT = str(HERE.parent)


class Fine:
    verdict, why = "equal", "of the test"


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    """A lock of the test's own: the real one may be held by somebody who is measuring."""
    monkeypatch.setenv("WORKBOOK_TIMING_LOCK", str(tmp_path / "timing" / "lock"))


# -- statistics ------------------------------------------------------------------------------------------------------

def test_percentiles_are_times_that_occurred():
    found = timing.summary(list(range(1, 101)))
    assert found == {"min": 1, "median": 50.5, "p90": 90, "p99": 99, "n": 100}
    assert timing.summary([7.0]) == {"min": 7, "median": 7, "p90": 7, "p99": 7, "n": 1}


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_in_order_and_in_the_sample(times):
    found = timing.summary(times)
    assert found["min"] == min(times) and found["n"] == len(times)
    assert found["min"] <= found["median"] <= found["p90"] <= found["p99"] <= max(times)
    assert found["p90"] in times and found["p99"] in times
    assert sum(t <= found["p90"] for t in times) >= 0.9 * len(times)


@pytest.mark.parametrize("times", [[], [float("nan")], [1, -1], [float("inf")]])
def test_no_times_is_an_error(times):
    with pytest.raises(ValueError, match="time"):
        timing.summary(times)


def test_a_sample_knows_its_time_and_leaves_the_first_run_out():
    runs = []

    def step(before, after):
        runs.append(before)
        time.sleep(0.2 if len(runs) == 1 else 0.005)

    found = timing.sample(step, seconds=0.15, warm_up=0.05)
    assert found.first >= 200 and max(found.host) < 200 and found.gpu == []
    assert 4.9 <= min(found.host) and sum(found.host) >= 140
    assert len(timing.sample(step, seconds=0, warm_up=0, least=7).host) == 7
    assert timing.sample(step, seconds=0, warm_up=0).first is None


def test_gpu_times_come_from_the_events():
    class Event:
        def milliseconds_since(self, start):
            assert start is before
            return 2.5

    before, after = Event(), Event()
    found = timing.sample(lambda *events: None, seconds=0, warm_up=0, least=3, events=(before, after))
    assert found.gpu == [2.5] * 3 and len(found.host) == 3


# -- measuring -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return onnx_models.box3d(tmp_path_factory.mktemp("timing") / "a.onnx", width=16, size=32)


def images(n=5):
    return (np.random.RandomState(0).rand(n, 32, 32, 3).astype(np.float32) - 0.5) * 200


def test_columns_are_measured_in_their_own_processes_and_held_against_the_first(model, tmp_path):
    other = onnx_models.box3d(tmp_path / "other.onnx", width=16, size=32, seed=1)
    seen = []

    def judge(reference, outputs):
        seen.append({name: value.shape for name, value in outputs.items()})
        verdict, dimension = Fine(), "dimension/LeakyRelu"
        verdict.verdict = "equal" if np.allclose(reference[dimension], outputs[dimension], atol=1e-3) else "broken"
        return verdict

    columns = [timing.Column("A", "onnxruntime", model), timing.Column("B", "onnxruntime", other),
               timing.Column("C", "onnxruntime", str(tmp_path / "none.onnx")),
               timing.Column("D", "onnxruntime", {1: model})]
    record = timing.measure(columns, images(), batches=(1, 4), seconds=0.2, warm_up=0.05, block=0.05, judge=judge)
    assert "tensorflow" not in record["versions"] and "onnxruntime" in record["versions"]
    by_name = {(row["name"], row["batch"]): row for row in timing.rows(record)}
    assert set(by_name) == {("A", 1), ("A", 4), ("B", 1), ("B", 4), ("D", 1)}
    assert by_name["A", 1]["verdict"] == "equal" and by_name["B", 4]["verdict"] == "broken"
    assert seen[0] == {"dimension/LeakyRelu": (5, 3), "orientation/l2_normalize": (5, 6, 2), "confidence/Softmax": (5, 6)}
    assert len(seen) == 3, "a model that serves several batches is judged once"
    row = by_name["A", 4]
    assert row["images_per_second"] == pytest.approx(4000 / row["ms"]) and row["gpu_ms"] is None
    assert dict((name, why) for name, _, why in timing.withheld(record))["C"].startswith("it failed: ")
    assert ("D", 4, "it failed: no model for batch 4") in timing.withheld(record)
    for entry in record["results"]["columns"]:
        if not entry["error"]:
            assert sum(entry["samples_ms"]) >= 200 * 0.99 and len(entry["model_sha256"]) == 64
    assert record["machine"]["cores"] and locking.holder() is None
    path = timing.save(record, tmp_path / "record.json")
    assert timing.load(path) == json.loads(json.dumps(record))
    text = timing.table(record)
    assert "not shown, it failed" in text and "broken" in text


def test_heads_are_compared_when_no_judge_is_given(model, tmp_path):
    other = onnx_models.box3d(tmp_path / "other.onnx", width=16, size=32, seed=1)
    columns = [timing.Column("A", "onnxruntime", model), timing.Column("B", "onnxruntime", other)]
    record = timing.measure(columns, images(), seconds=0.05, warm_up=0.01)
    assert [row["verdict"] for row in timing.rows(record)] == ["equal", "broken"], timing.withheld(record)


def test_blocks_take_turns_and_report_mode_asks_for_more():
    order = []

    class Fake:
        def __init__(self, name, ms):
            self.name, self.ms = name, ms
            self.error, self.host, self.seconds = None, [], 0.0

        def run(self, seconds):
            order.append(self.name)
            runs = max(int(seconds * 1e3 / self.ms), 1)
            self.host += [self.ms] * runs
            self.seconds += runs * self.ms / 1e3
            if self.name == "broken":
                self.error = "died"

    workers = [Fake("a", 10), Fake("b", 100), Fake("broken", 10)]
    measuring._take_turns(workers, 1.0, False, 0.25)
    assert order[:7] == ["a", "b", "broken", "a", "b", "a", "b"]
    assert workers[0].seconds >= 1 and workers[1].seconds >= 1
    workers = [Fake("quick", 0.5), Fake("slow", 100)]
    measuring._take_turns(workers, 1.0, True, 5)
    for worker in workers:
        assert worker.seconds >= 60 and len(worker.host) >= 1024
    assert workers[1].seconds > 100, "1,024 runs of 100 ms take longer than a minute"


def test_the_first_run_of_a_turn_is_cold_and_not_counted(monkeypatch):
    """The caches are full of the other columns' data then; what that costs belongs to the switch, not to the network."""
    class Sleepy(worker_process.Runner):
        """Slow after a pause, as after the turns of others."""

        versions, where = {}, "CPU"

        def __init__(self, model, options):
            self.last = time.time()

        def step(self, before, after):
            time.sleep(0.1 if time.time() - self.last > 0.15 else 0.005)
            self.last = time.time()

    monkeypatch.setitem(worker_process.KINDS, "sleepy", Sleepy)
    server = worker_process.Server()
    assert server.prepare("sleepy", "m", {}, np.zeros(1), 0.01)["where"] == "CPU"
    for _ in range(2):
        time.sleep(0.2)  # somebody else's turn
        host, gpu = server.run(0.05)
        assert host and max(host) < 90 and gpu == []


def test_layers_are_timed_in_a_process_of_their_own(model, tmp_path):
    column = timing.Column("A", "onnxruntime", model)
    layers, whole = timing.layers(column, images(1), runs=5)
    assert {"Conv"} <= {kind for _, _, kind in layers} and all(ms >= 0 for _, ms, _ in layers)
    assert 0.2 * whole < sum(ms for _, ms, _ in layers) < 10 * whole + 5  # a busy machine
    assert locking.holder() is None
    with pytest.raises(ValueError, match="no profile"):
        timing.layers(timing.Column("T", "tensorflow", "a.pb"), images(1))
    with pytest.raises(RuntimeError, match="A was not profiled: "):
        timing.layers(column._replace(model=str(tmp_path / "none.onnx")), images(1))
    with timing.lock("another notebook"), pytest.raises(TimeoutError, match="for another notebook since"):
        timing.layers(column, images(1))


def test_a_worker_that_dies_is_a_column_that_failed(model):
    with measuring.Worker(timing.Column("A", "onnxruntime", model)) as worker:
        worker.process.kill()
        worker.prepare(1, images(1), 0)
        assert "process ended with code -9" in worker.error
        worker.run(0.1)
        assert worker.host == []
    with measuring.Worker(timing.Column("A", "nonsense", model)) as worker:
        worker.prepare(1, images(1), 0)
        assert "KeyError" in worker.error


def test_a_batch_that_fails_does_not_take_the_next_one_with_it(model, tmp_path):
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(b"no model")
    columns = [timing.Column("gap", "onnxruntime", {1: model, 4: model}),
               timing.Column("torn", "onnxruntime", {1: model, 2: str(torn), 4: model})]
    record = timing.measure(columns, images(), batches=(1, 2, 4), seconds=0.05, warm_up=0.01, judge=lambda *_: Fine())
    assert [(row["name"], row["batch"]) for row in timing.rows(record)] == [
        ("gap", 1), ("torn", 1), ("gap", 4), ("torn", 4)], timing.withheld(record)
    assert [name for name, batch, _ in timing.withheld(record) if batch == 2] == ["gap", "torn"]


def test_nothing_to_measure_is_an_error(model):
    column = timing.Column("A", "onnxruntime", model)
    with pytest.raises(ValueError, match="nothing to measure"):
        timing.measure([], images())
    with pytest.raises(ValueError, match="nothing to measure"):
        timing.measure([column], images()[:0])
    with pytest.raises(ValueError, match="same name"):
        timing.measure([column, column], images())


def test_tensorflow_column(model, tmp_path):
    from helpers import freeze, process

    tf = process.tensorflow()
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input_1")
        tf.reduce_mean(x, axis=[1, 2], name="mean/color")
    path = freeze.save(graph.as_graph_def(), tmp_path / "a.pb")
    column = timing.Column("TensorFlow", "tensorflow", path, {"outputs": ["mean/color"]})
    reference = {"mean/color": images().mean(axis=(1, 2))}

    def judge(want, have):
        np.testing.assert_allclose(want["mean/color"], have["mean/color"], atol=1e-3)
        return Fine()

    record = timing.measure([column], images(), seconds=0.1, warm_up=0.05, reference=reference, judge=judge)
    assert [row["verdict"] for row in timing.rows(record)] == ["equal"], timing.withheld(record)
    assert record["versions"]["tensorflow"] == tf.__version__
    if machine.gpu() is None:
        assert timing.rows(record)[0]["where"] == "CPU" and "TensorFlow (CPU) " in timing.table(record)


# -- what may be shown -----------------------------------------------------------------------------------------------

def entry(**changes):
    made = dict(name="A", kind="tensorrt", where="GPU", batch=1, error=None, host_ms=timing.summary([1, 2]), gpu_ms=None,
                images_per_second=500.0, parity={"verdict": "close", "why": "so"})
    made.update(changes)
    return made


def record_of(*columns):
    return timing.make({"report": False, "seconds": 3.0, "columns": list(columns)}, {}, "a test")


@pytest.mark.parametrize("start, command", [(["a.py", "two words"], "python3 a.py 'two words'"),
                                            (["kernel.py"], "python3 workbook.py run")])
def test_the_command_of_a_record_can_be_typed(tmp_path, start, command):
    """In a program, and in a kernel of a notebook."""
    (tmp_path / "a.py").write_text("from helpers import timing; print(timing.make({}, {})['command'])")
    (tmp_path / "kernel.py").write_text("import sys; sys.modules['ipykernel'] = sys\n" + (tmp_path / "a.py").read_text())
    out = subprocess.check_output([sys.executable] + start, cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=ROOT))
    assert out.decode().strip() == command


def test_no_speed_without_its_verdict():
    record = record_of(entry(), entry(name="B", parity=None), entry(name="C", parity={"verdict": "?"}),
                       entry(name="D", error="dead", parity=None))
    assert [row["name"] for row in timing.rows(record)] == ["A"]
    assert [name for name, _, _ in timing.withheld(record)] == ["B", "C", "D"]
    shown = [line for line in timing.table(record).splitlines() if line.startswith(("B", "C", "D"))]
    assert len(shown) == 3 and not any("500" in line or "1.50" in line for line in shown)


def test_a_label_has_the_place_where_a_column_ran():
    assert timing.label(timing.rows(record_of(entry()))[0]) == "A (GPU)"
    assert timing.label({"name": "PyTorch FP16"}) == "PyTorch FP16"


def broken(**changes):
    return json.dumps(dict(record_of(), **changes))


@pytest.mark.parametrize("text, problem", [
    ("", "it is not JSON"), ("no json", "it is not JSON"), ("[]", "it is not a JSON object"), ("{}", "'machine' is missing"),
    (broken(machine="a board"), "'machine' is not an object"), (broken(machine={}), "'machine' has no 'name'"),
    (broken(versions=[]), "'versions' is not an object"), (broken(command=None), "'command' is not text"),
    (broken(date="yesterday"), "'date' is 'yesterday', not like 2026-11-22"),
    (broken(results=[1]), "'results' is not an object")])
def test_a_file_that_holds_no_record_is_refused_with_the_reason(tmp_path, text, problem):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        timing.load(path)
    assert str(caught.value).startswith("%s is not the record of a run: %s" % (path, problem))


def test_a_record_of_another_form_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="this record is not the record of a run: 'results' is missing"):
        timing.save({key: value for key, value in record_of().items() if key != "results"}, tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()


def test_a_record_is_added_to_those_that_are_there(tmp_path):
    path, record = tmp_path / "timings.json", timing.make({"columns": []}, {})
    for day in ("2026-11-21", "2026-11-22"):
        timing.save(dict(record, date=day), path)
    assert timing.load(path)["date"] == "2026-11-22"
    assert timing.load(tmp_path / "timings.2026-11-21.json")["date"] == "2026-11-21"


def test_a_damaged_record_is_named_and_kept(tmp_path, capsys):
    path = tmp_path / "timings.json"
    path.write_text('{"machine": 1}')
    timing.save(timing.make({"columns": []}, {}), path)
    assert "'machine' is not an object" in capsys.readouterr().out
    assert (tmp_path / "timings.damaged.json").read_text() == '{"machine": 1}' and timing.load(path)


@pytest.mark.parametrize("others, cores, loaded", [(1.4, 2, True), (0.1, 2, False), (0.5, 64, False), (None, 2, False)])
def test_a_loaded_machine_is_named_beside_its_times(others, cores, loaded):
    record = timing.make({"columns": [], "report": False, "seconds": 1, "others_cores": others}, {})
    record["machine"]["cores"] = cores
    assert ("other programs kept 1.4 of 2 cores busy" in timing.table(record)) == loaded


def test_what_others_do_is_told_from_what_the_measurement_does():
    before = board.cpu_seconds(), board.cpu_seconds([os.getpid()])
    if None in before:
        pytest.skip("this system does not tell")
    end = time.time() + 0.5
    while time.time() < end:
        pass
    assert board.cpu_seconds([os.getpid()]) - before[1] > 0.1
    assert board.cpu_seconds() > before[0]


def test_rows_are_those_of_a_measurement():
    with pytest.raises(ValueError, match="no 'columns' in its results"):
        timing.rows(timing.make({}, {}, "a test"))


@pytest.mark.parametrize("path", sorted(timing.RUNS.glob("*.json")), ids=lambda path: path.name)
def test_every_recorded_run_has_the_form_and_stands_in_the_list(path):
    assert timing.load(path)["results"]
    assert "**`%s`**" % path.name in (timing.RUNS / "README.md").read_text()


def test_published_figures_have_a_source_and_a_plain_value():
    figures = timing.published()
    article = {(f["framework"], f["precision"]): f["ms"] for f in figures if "this 3D-box" in f["network"]}
    assert article == {("TensorFlow", "fp32"): 30, ("TensorRT", "fp32"): 18, ("TensorRT", "fp16"): 6}
    for figure in figures:
        assert figure["source"] and figure["note"] and (figure["ms"] or figure["images_per_second"])


def test_our_recorded_times_say_where_they_come_from():
    found = {(entry["framework"], entry["precision"], entry["batch"]): entry for entry in timing.recorded()}
    names = [("TensorFlow", None), ("TensorRT", "FP32 (TF32)"), ("TensorRT", "FP16"), ("TensorRT", "FP16, CUDA graph"),
             ("TensorRT", "INT8")]
    assert set(found) == {name + (batch,) for name in names for batch in (1, 8)}
    for (framework, _, batch), times in found.items():
        assert times["measured"] and "H200" in times["device"] and "TensorRT 8.6.1" in times["source"]
        assert times["images_per_second"] * times["ms"] == pytest.approx(1e3 * batch) and times["ms"] <= times["p90"]
        assert (times["gpu_ms"] is None) == (framework == "TensorFlow")
        assert times["gpu_ms"] is None or times["gpu_ms"] < times["ms"], "the host's clock also sees the copies"


def test_the_table_of_the_roads_is_that_of_the_records():
    from gpu_roads import table

    made = table([timing.load(timing.RUNS / ("roads_tensorrt%s_h200.json" % version)) for version in ("8.6.1", "10.6.0")])
    assert made in (timing.RUNS.parent.parent / "docs" / "verified.md").read_text(encoding="utf-8")


def test_the_recorded_gpu_times_agree_with_pytorch():
    results = timing.load(timing.RUNS / "gpu_timing_h200.json")["results"]
    times = results["times"]
    assert abs(times["worker_ms"]["median"] / times["torch_ms"]["median"] - 1) < 0.05
    assert times["worker_ms"]["n"] > 500 and not any("failed" in library for library in results["libraries"])
    assert {library["library"] for library in results["libraries"]} == {
        "cuda-python for CUDA 13.3", "cuda-python for CUDA 12.4", "PyCUDA 2026.1"}


def test_messages_keep_values_and_arrays():
    array = np.arange(6, dtype="<f2").reshape(2, 3)
    stream, value = io.BytesIO(), {"a": [1, 2.5, None, "\xe4", {"b": array}], "none": np.zeros((0, 3)), "scalar": np.array(7),
                                   "number": np.float32(1.5), "nan": float("nan"), "path": Path("a")}
    messages.write(stream, value)
    messages.write(stream, ("next", np.ones(2)[::-1]))
    whole = stream.getvalue()
    stream.seek(0)
    found = messages.read(stream)
    assert found["a"][:4] == value["a"][:4] and found["a"][4]["b"].dtype == np.float16 and found["a"][4]["b"].shape == (2, 3)
    assert found["none"].shape == (0, 3) and found["scalar"] == 7 and found["number"] == 1.5 and found["nan"] != found["nan"]
    assert found["path"] == "a"
    found["a"][4]["b"][0] = 1  # not read-only
    assert messages.read(stream)[1].tolist() == [1, 1]
    for size in range(0, len(whole) // 2, 7):
        with pytest.raises(EOFError):
            messages.read(io.BytesIO(whole[:size]))
    for wrong in (object(), np.array([object()])):
        with pytest.raises(TypeError, match="JSON values and arrays"):
            messages.write(io.BytesIO(), wrong)


# -- the lock --------------------------------------------------------------------------------------------------------

only_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="another user can be played by root only")
HOLD = ("import sys, time; sys.path.insert(0, %r)\nfrom helpers import timing\n"
        "with timing.lock('the test', path=sys.argv[1]):\n print('held', flush=True)\n time.sleep(60)" % ROOT)


def test_the_second_sees_who_holds_it_and_a_killed_holder_lets_go(tmp_path):
    path = tmp_path / "locks" / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TimeoutError) as caught, timing.lock(path=path):
            pass
        for part in (getpass.getuser(), "process %d" % process.pid, "for the test since ", " s ago"):
            assert part in str(caught.value)
        found = locking.holder(path)
        assert found["pid"] == process.pid and abs(time.time() - found["since"]) < 60
        with pytest.raises(TimeoutError), timing.lock(path=path, wait=0.2):
            pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert locking.holder(path)["pid"] == process.pid, "the note of the killed one is still there"
    with timing.lock("mine", path=path, wait=5):
        assert locking.holder(path)["pid"] == os.getpid() and locking.holder(path)["purpose"] == "mine"
    assert locking.holder(path) is None


def test_whoever_waits_reads_who_holds_the_lock_and_when_it_is_free(tmp_path, capsys):
    path = tmp_path / "lock"
    code = HOLD.replace("time.sleep(60)", "time.sleep(1)")
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with timing.lock("mine", path=path, wait=50):
        pass
    process.wait()
    process.stdout.close()
    first, last = capsys.readouterr().out.splitlines()
    assert "Waiting, 50 s at most: %s (process %d) holds the timing lock for the test since " % (
        getpass.getuser(), process.pid) in first
    assert last.startswith("The timing lock is free after ")


def test_the_lock_is_free_after_an_error_and_open_to_every_user(tmp_path):
    path = tmp_path / "locks" / "lock"
    before = os.umask(0o077)
    try:
        with pytest.raises(KeyError), timing.lock(path=path):
            assert os.stat(str(path)).st_mode & 0o666 == 0o666
            raise KeyError
        with timing.lock(path=path):
            pass
    finally:
        os.umask(before)
    assert os.stat(str(path.parent)).st_mode & 0o1777 == 0o1777, "in such a folder nobody removes another's file"


def test_a_note_that_is_broken_does_not_hinder(tmp_path):
    path = tmp_path / "lock"
    note = {"user": "u", "pid": 1, "purpose": "p", "since": 1.0}
    for text in ("", "no json", "[1]", "{}", "[" * 1500, "\xe4", json.dumps(dict(note, since="now")),
                 json.dumps(dict(note, since=1e300))):
        path.write_bytes(text.encode("latin-1"))
        assert locking.holder(path) is None
        with timing.lock(path=path):
            pass
    path.write_text(json.dumps(dict(note, purpose="\x1b[2J\nlies")))
    assert locking.holder(path)["purpose"] == "?[2J?lies", "what another user wrote is printed"


@pytest.mark.skipif(os.name == "nt", reason="links are not for everybody there")
@pytest.mark.parametrize("kind", ["symbolic link", "link to nothing", "hard link", "folder", "pipe"])
def test_nothing_behind_a_link_is_written_or_read(kind, tmp_path):
    """In a folder open to all, another user may have put anything at the lock's path."""
    victim, path = tmp_path / "victim", tmp_path / "lock"
    victim.write_text("precious")
    victim.chmod(0o600)
    {"symbolic link": lambda: path.symlink_to(victim), "link to nothing": lambda: path.symlink_to(tmp_path / "new"),
     "hard link": lambda: os.link(str(victim), str(path)), "folder": path.mkdir, "pipe": lambda: os.mkfifo(str(path))}[kind]()
    assert locking.holder(path) is None
    with pytest.raises(OSError, match="WORKBOOK_TIMING_LOCK"), timing.lock(path=path):
        pass
    assert victim.read_text() == "precious" and victim.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "new").exists()


def test_a_file_system_without_locks_is_not_taken_for_a_lock_that_is_held(tmp_path, monkeypatch):
    def none(descriptor, byte):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(artifacts, "take_lock", none)
    began = time.monotonic()
    with pytest.raises(OSError, match="No locks available.*WORKBOOK_TIMING_LOCK"):
        with timing.lock(wait=5, path=tmp_path / "lock"):
            pass
    assert time.monotonic() - began < 2


def test_a_lock_that_is_removed_while_it_is_held_is_made_anew(tmp_path):
    path = tmp_path / "lock"
    with timing.lock("first", path=path):
        path.unlink()
        with timing.lock("second", path=path):
            assert locking.holder(path)["purpose"] == "second"


@only_root
def test_two_users_take_turns(tmp_path):
    """root and somebody else, in a folder that either made; the environment is the other's as well."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        path = folder / "locks" / "lock"
        with timing.lock("root's", path=path):
            pass
        child = os.fork()
        if not child:  # the other user
            status = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                with timing.lock("the other's", path=path):
                    status = 0
                    try:
                        path.unlink()
                        status = 2  # removed root's file
                    except OSError:
                        pass
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        with timing.lock("root's again", path=path):
            assert locking.holder(path)["purpose"] == "root's again"
    finally:
        shutil.rmtree(str(folder))


@pytest.fixture
def attacked(monkeypatch):
    """A temporary folder like /tmp, and a folder of ours with a file `lock`, which is no timing lock, to be kept from harm."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    ours = folder / "ours"
    ours.mkdir()
    (ours / "lock").write_text("precious")
    monkeypatch.delenv("WORKBOOK_TIMING_LOCK")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert (ours / "lock").read_text() == "precious" and os.listdir(str(ours)) == ["lock"]
    shutil.rmtree(str(folder))


@only_root
def test_a_folder_that_is_another_users_link_is_not_followed(attacked):
    (attacked / "box3d-timing").symlink_to(attacked / "ours")
    os.lchown(str(attacked / "box3d-timing"), 65534, 65534)
    with pytest.raises(OSError, match="WORKBOOK_TIMING_LOCK"), timing.lock():
        pass


@only_root
def test_a_file_that_another_user_moved_to_the_locks_place_is_not_written(attacked):
    folder, victim = attacked / "box3d-timing", attacked / "victim"
    folder.mkdir()
    folder.chmod(0o1777)
    os.chown(str(folder), 65534, 65534)
    victim.write_text("precious")
    victim.rename(folder / "lock")
    for mode in (0o644, 0o600):
        (folder / "lock").chmod(mode)
        with pytest.raises(OSError, match="is another file"), timing.lock():
            pass
    assert (folder / "lock").read_text() == "precious"


@only_root
def test_a_folder_in_which_everybody_may_replace_the_lock(attacked):
    folder = attacked / "box3d-timing"
    folder.mkdir()
    folder.chmod(0o777)
    with timing.lock():
        assert folder.stat().st_mode & 0o7777 == 0o1777, "ours gets its sticky bit"
    folder.chmod(0o777)
    os.chown(str(folder), 65534, 65534)
    with pytest.raises(OSError, match="sticky bit is not set"), timing.lock():
        pass


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_a_link_of_ones_own_to_the_folder_is_followed_and_an_interrupted_lock_is_mended(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    (real / "lock").touch()
    (real / "lock").chmod(0o600)
    with timing.lock(path=tmp_path / "link" / "lock"):
        assert (real / "lock").stat().st_mode & 0o777 == 0o666


def test_a_long_note_is_read_and_a_full_disk_does_not_hinder(tmp_path, monkeypatch):
    with timing.lock("\U0001f40c" * 900, path=tmp_path / "lock"):
        assert len(locking.holder(tmp_path / "lock")["purpose"]) == 500
    monkeypatch.setattr(locking, "_write", lambda *_: os.write(-1, b""))  # an OSError
    with timing.lock("mine", path=tmp_path / "lock"), pytest.raises(TimeoutError, match="left no note"):
        with timing.lock("second", path=tmp_path / "lock"):
            pass


def test_it_is_not_said_at_once_that_a_holder_left_no_note(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(locking, "_write", lambda *_: None)
    with timing.lock("mine", path=tmp_path / "lock"):
        for late, said in ((1, ""), (0, "left no note")):
            monkeypatch.setattr(locking, "NOTE_IS_LATE", late)
            with pytest.raises(TimeoutError, match="left no note"), timing.lock("second", path=tmp_path / "lock", wait=0.3):
                pass
            assert said in capsys.readouterr().out if said else not capsys.readouterr().out


def _count(path, counter, clash):
    for _ in range(5):
        with timing.lock(path=path, wait=60):
            counter.value += 1
            clash.value = max(clash.value, counter.value)
            time.sleep(0.005)
            counter.value -= 1


def test_never_two_at_once(tmp_path):
    counter, clash = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    processes = [multiprocessing.Process(target=_count, args=(tmp_path / "lock", counter, clash)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert clash.value == 1


def test_measuring_waits_for_its_lock(model, tmp_path):
    with timing.lock("another notebook"), pytest.raises(TimeoutError, match="for another notebook since"):
        timing.measure([timing.Column("A", "onnxruntime", model)], images())


# -- the state of the board -------------------------------------------------------------------------------------------

def test_state_of_this_machine_is_plain_json(tmp_path, monkeypatch):
    json.dumps(board.state())
    printed = {"nvpmodel": "NV Power Mode: MODE_15W_6CORE\n2", "nvidia-smi": "1410, 1980"}
    monkeypatch.setattr(machine, "output_of", lambda command: printed.get(command[0]))
    monkeypatch.setattr(board.glob, "glob", lambda pattern: [])
    assert board.power_mode() == "MODE_15W_6CORE"
    assert board.clocks() == {"locked": None, "gpu_mhz": 1410, "gpu_max_mhz": 1980}
    printed.clear()
    assert board.power_mode() is None and board.clocks() is None and board.temperatures() == {}


def test_a_jetsons_own_files(monkeypatch):
    """Clocks in Hz, temperatures in thousandths; the sensor of the power chip means nothing."""
    gpu, zone = "/sys/class/devfreq/17000000.gv11b", "/sys/class/thermal/thermal_zone%d"
    files = {gpu + "/min_freq": "1377000000", gpu + "/max_freq": "1377000000", gpu + "/cur_freq": "1377000000",
             zone % 0 + "/type": "CPU-therm", zone % 0 + "/temp": "41500", zone % 1 + "/type": "PMIC-Die",
             zone % 1 + "/temp": "100000", zone % 2 + "/type": "GPU-therm"}
    monkeypatch.setattr(machine, "text_of", lambda path: files.get(path, ""))
    monkeypatch.setattr(machine, "output_of", lambda command: None)
    monkeypatch.setattr(board.glob, "glob", lambda pattern: ["/sys/class/devfreq/other", gpu] if "devfreq" in pattern
                        else [zone % i for i in range(3)])
    assert board.clocks() == {"locked": True, "gpu_mhz": 1377, "gpu_max_mhz": 1377}
    assert board.temperatures() == {"CPU-therm": 41.5}
    files[gpu + "/min_freq"] = "114750000"
    assert board.clocks()["locked"] is False


def test_the_worker_can_run_a_plan_that_is_missing_only_with_an_error(tmp_path):
    column = timing.Column("T", "tensorrt", str(tmp_path / "none.plan"))
    record = timing.measure([column], images(), seconds=0.1, judge=lambda *_: Fine())
    assert timing.rows(record) == []
    reason = timing.withheld(record)[0][2]
    assert reason.startswith("it failed: ") and ("none.plan" in reason or machine.tensorrt().module is None)


def test_only_the_first_column_can_be_the_reference():
    """When it fails, the next is not compared with itself and called equal."""
    class Stand:
        def __init__(self, name, outputs):
            self.column, self.model, self.outputs = timing.Column(name, "onnxruntime", name + ".onnx"), name, outputs

        def ask(self, *request):
            return self.outputs

    def judge(reference, outputs):
        return type("Found", (), {"verdict": "equal" if reference == outputs else "broken", "why": ""})

    failed, other = Stand("first", None), Stand("second", {"y": 1})
    parity = measuring.Parity(None, None, judge, "first")
    assert parity.of(failed) is None and parity.of(other) is None
    parity = measuring.Parity(None, None, judge, "first")
    assert parity.of(Stand("first", {"y": 2}))["verdict"] == "equal" and parity.of(other)["verdict"] == "broken"
