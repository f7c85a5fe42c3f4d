"""helpers.timing and helpers.board: statistics, turns, the lock, records, tegrastats."""
import getpass
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx_models
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import board, engine, machine, timing
from helpers.timing import locking, measuring, records
from helpers.timing import worker as worker_process

HERE = Path(__file__).resolve().parent
ROOT = str(HERE.parent)


class Fine:
    verdict, why = "equal", "of the test"


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    """A lock of the test's own: the real one may be held by somebody who is measuring."""
    monkeypatch.setattr(locking, "PATH", tmp_path / "timing" / "lock")


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
    lines, seen = [], []

    def judge(reference, heads):
        seen.append({name: value.shape for name, value in heads.items()})
        verdict = Fine()
        verdict.verdict = "equal" if np.allclose(reference["dimension"], heads["dimension"], atol=1e-3) else "broken"
        return verdict

    columns = [timing.Column("A", "onnxruntime", model), timing.Column("B", "onnxruntime", other, {"threads": 1}),
               timing.Column("C", "onnxruntime", str(tmp_path / "none.onnx")),
               timing.Column("D", "onnxruntime", {1: model})]
    record = timing.measure(columns, images(), batches=(1, 4), seconds=0.2, warm_up=0.05, block=0.05, judge=judge,
                            progress=lines.append)
    assert "tensorflow" not in record["versions"] and "onnxruntime" in record["versions"]
    by_name = {(row["name"], row["batch"]): row for row in timing.rows(record)}
    assert set(by_name) == {("A", 1), ("A", 4), ("B", 1), ("B", 4), ("D", 1)}
    assert by_name["A", 1]["verdict"] == "equal" and by_name["B", 4]["verdict"] == "broken"
    assert seen[0] == {"dimension": (5, 3), "orientation": (5, 6, 2), "confidence": (5, 6)}
    assert len(seen) == 3, "a model that serves several batches is judged once"
    row = by_name["A", 4]
    assert row["images_per_second"] == pytest.approx(4000 / row["ms"]) and row["gpu_ms"] is None
    assert dict((name, why) for name, _, why in timing.withheld(record))["C"].startswith("it failed: ")
    assert ("D", 4, "it failed: no model for batch 4") in timing.withheld(record)
    for entry in record["columns"]:
        if not entry["error"]:
            assert sum(entry["samples_ms"]) >= 200 * 0.99 and len(entry["source_sha256"]) == 64
    assert any("batch 4" in line for line in lines)
    assert record["lock"]["held"] and record["device"]["cores"] and timing.holder() is None
    path = timing.save(record, tmp_path / "record.json")
    assert timing.load(path) == json.loads(json.dumps(record))
    text = timing.table(record)
    assert "not shown, it failed" in text and "broken" in text


def test_blocks_take_turns_and_report_mode_asks_for_more(monkeypatch):
    order = []

    class Fake:
        def __init__(self, name, ms):
            self.column, self.ms = timing.Column(name, "onnxruntime", "x"), ms
            self.error, self.host, self.spent = None, [], 0.0

        def block(self, seconds):
            order.append(self.column.name)
            runs = max(int(seconds * 1e3 / self.ms), 1)
            self.host += [self.ms] * runs
            self.spent += runs * self.ms / 1e3
            if self.column.name == "broken":
                self.error = "died"

    workers = [Fake("a", 10), Fake("b", 100), Fake("broken", 10)]
    measuring._take_turns(workers, 1.0, False, 0.25, lambda text: None)
    assert order[:7] == ["a", "b", "broken", "a", "b", "a", "b"]
    assert workers[0].spent >= 1 and workers[1].spent >= 1
    workers = [Fake("quick", 0.5), Fake("slow", 100)]
    measuring._take_turns(workers, 1.0, True, 5, lambda text: None)
    for worker in workers:
        assert worker.spent >= 60 and len(worker.host) >= 1024
    assert workers[1].spent > 100, "1,024 runs of 100 ms take longer than a minute"


def test_the_first_run_of_a_turn_is_cold_and_not_counted(monkeypatch, tmp_path):
    """The worker's neighbours have had the caches; what that costs belongs to the switch, not to the network."""
    class Sleepy:
        """Slow when it was left alone for a while, as after the turns of others."""

        events, versions, where = None, {}, "CPU"

        def __init__(self, model, options):
            self.last = time.time()

        def load(self, images):
            pass

        def step(self, before, after):
            time.sleep(0.1 if time.time() - self.last > 0.15 else 0.005)
            self.last = time.time()

    monkeypatch.setitem(worker_process.KINDS, "sleepy", Sleepy)
    images_file, answers = tmp_path / "i.npy", []
    np.save(str(images_file), np.zeros(1))

    def requests():
        yield json.dumps(dict(do="prepare", kind="sleepy", model="m", options={}, images=str(images_file), warm_up=0.01))
        for _ in range(2):
            time.sleep(0.2)  # somebody else's turn
            yield json.dumps(dict(do="run", seconds=0.05))

    worker_process.serve(requests(), answers.append)
    assert answers[0]["where"] == "CPU"
    for turn in answers[1:]:
        assert turn["host"] and max(turn["host"]) < 90 and turn["uncounted"] == 1


def test_energy_counts_the_runs_that_the_statistics_leave_out(model, tmp_path):
    column = timing.Column("A", "onnxruntime", model, {})
    path = str(tmp_path / "i.npy")
    np.save(path, images(1))
    with measuring.Worker(column, str(tmp_path)) as one:
        one.prepare(1, path, 0.01)
        one.block(0.05)
        assert one.joules[0][2] == len(one.host) + 1


def test_layers_are_timed_in_a_process_of_their_own(model, tmp_path):
    column = timing.Column("A", "onnxruntime", model)
    layers, whole = timing.layers(column, images(1), runs=5)
    assert {"Conv"} <= {kind for _, _, kind in layers} and all(ms >= 0 for _, ms, _ in layers)
    assert 0.2 * whole < sum(ms for _, ms, _ in layers) < 10 * whole
    assert timing.holder() is None
    with pytest.raises(ValueError, match="no profile"):
        timing.layers(timing.Column("T", "tensorflow", "a.pb"), images(1))
    with pytest.raises(RuntimeError, match="A was not profiled: "):
        timing.layers(column._replace(model=str(tmp_path / "none.onnx")), images(1))
    with timing.lock("another notebook"), pytest.raises(TimeoutError, match="for another notebook since"):
        timing.layers(column, images(1))


def test_a_worker_that_dies_is_a_column_that_failed(model):
    worker = measuring.Worker(timing.Column("A", "onnxruntime", model, {}), os.path.dirname(model))
    with worker:
        worker.process.kill()
        worker.prepare(1, "x.npy", 0)
        assert "process ended with code -9" in worker.error
        worker.block(0.1)
    worker = measuring.Worker(timing.Column("A", "nonsense", model, {}), os.path.dirname(model))
    with worker:
        worker.prepare(1, "x.npy", 0)
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
    from helpers import freeze, network

    with network.tf.Graph().as_default() as graph:
        x = network.tf.compat.v1.placeholder(network.tf.float32, [None, 32, 32, 3], name="input_1")
        network.tf.reduce_mean(x, axis=[1, 2], name="dimension/LeakyRelu")
    path = freeze.save(graph.as_graph_def(), tmp_path / "a.pb")
    column = timing.Column("TensorFlow", "tensorflow", path, {"outputs": ["dimension/LeakyRelu"]})
    reference = {"dimension": images().mean(axis=(1, 2))}

    def judge(want, have):
        np.testing.assert_allclose(want["dimension"], have["dimension"], atol=1e-3)
        return Fine()

    record = timing.measure([column], images(), seconds=0.1, warm_up=0.05, reference=reference, judge=judge)
    assert [row["verdict"] for row in timing.rows(record)] == ["equal"], timing.withheld(record)
    assert record["versions"]["tensorflow"] == network.tf.__version__
    if machine.gpu() is None and machine.jetson() is None:
        assert timing.rows(record)[0]["where"] == "CPU" and "TensorFlow (CPU) " in timing.table(record)


# -- what may be shown -----------------------------------------------------------------------------------------------

def entry(**changes):
    made = dict(name="A", kind="tensorrt", batch=1, error=None, host_ms=timing.summary([1, 2]), gpu_ms=None,
                images_per_second=500.0, parity={"verdict": "close", "why": "so"})
    made.update(changes)
    return made


def test_no_speed_without_its_verdict():
    record = {"columns": [entry(), entry(name="B", parity=None), entry(name="C", parity={"verdict": "?"}),
                          entry(name="D", error="dead")],
              "device": {"name": "x"}, "taken": "now", "report_mode": False, "seconds": 3.0}
    assert [row["name"] for row in timing.rows(record)] == ["A"]
    assert [name for name, _, _ in timing.withheld(record)] == ["B", "C", "D"]
    shown = [line for line in timing.table(record).splitlines() if line.startswith(("B", "C", "D"))]
    assert len(shown) == 3 and not any("500" in line or "1.50" in line for line in shown)


def test_a_name_says_where_it_ran_and_an_old_record_says_nothing():
    assert timing.label(timing.rows({"columns": [entry(where="GPU")]})[0]) == "A (GPU)"
    assert timing.label(timing.rows({"columns": [entry()]})[0]) == "A"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "columns": []}', "no json"])
def test_files_that_are_no_records(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ValueError, match="no timing record"):
        timing.load(tmp_path / "r.json")


def test_published_figures_have_a_source_and_a_plain_value():
    figures = timing.published()
    article = {(f["framework"], f["precision"]): f["ms"] for f in figures if "this 3D-box" in f["network"]}
    assert article == {("TensorFlow", "fp32"): 30, ("TensorRT", "fp32"): 18, ("TensorRT", "fp16"): 6}
    for figure in figures:
        assert figure["source"] and figure["note"] and (figure["ms"] or figure["images_per_second"])
    assert records.PUBLISHED.name == "published_timings.json"


def test_what_we_measured_elsewhere_says_so():
    found = {(entry["precision"], entry["batch"]): entry for entry in timing.elsewhere()}
    assert set(found) == {(name, batch) for name in ("fp32", "tf32", "fp16") for batch in (1, 8, 32)}
    for entry in found.values():
        assert entry["measured"] and entry["framework"] == "PyTorch" and "H200" in entry["device"]
        assert entry["images_per_second"] * entry["ms"] == pytest.approx(1e3 * entry["batch"])
        assert entry["ms"] <= entry["p90"]
    assert found["fp16", 1]["ms"] < found["tf32", 1]["ms"] < found["fp32", 1]["ms"]


def test_the_gpu_run_on_file_agrees_with_pytorch():
    """tests/gpu_timing.py ran where there is a GPU; this is what it left."""
    found = json.loads((HERE.parent / "data" / "gpu_timing_h200.json").read_text())
    times = found["times"]
    assert abs(times["worker_ms"]["median"] / times["torch_ms"]["median"] - 1) < 0.05
    assert times["worker_ms"]["n"] > 500 and not any("failed" in face for face in found["faces"])
    assert {face["module"] for face in found["faces"]} == {"cuda.bindings.runtime", "cuda.cudart", "pycuda.driver"}


# -- the lock --------------------------------------------------------------------------------------------------------

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
        found = timing.holder(path)
        assert found["pid"] == process.pid and abs(time.time() - found["since"]) < 60
        with pytest.raises(TimeoutError), timing.lock(path=path, wait=0.2):
            pass
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert timing.holder(path)["pid"] == process.pid, "the note of the killed one is still there"
    with timing.lock("mine", path=path, wait=5) as mine:
        assert mine["pid"] == os.getpid() and timing.holder(path)["what"] == "mine"
    assert timing.holder(path) is None


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
    assert os.stat(str(path.parent)).st_mode & 0o1777 == 0o777


def test_a_note_that_is_broken_does_not_hinder(tmp_path):
    path = tmp_path / "lock"
    for text in ("", "no json", "[1]", "{}"):
        (tmp_path / "lock.json").write_text(text)
        assert timing.holder(path) is None
        with timing.lock(path=path):
            pass


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


# -- the board: lines in the format that NVIDIA documents for each -----------------------------------------------------

LINES = {
    "AGX Xavier, JetPack 4.2": (
        "RAM 2721/15699MB (lfb 2908x4MB) CPU [3%@1190,5%@1190,0%@1190,0%@1190,off,off,off,off] EMC_FREQ 0% "
        "GR3D_FREQ 37% AO@28.5C GPU@29C Tboard@30C Tdiode@31.5C AUX@28.5C CPU@29.5C thermal@28.8C PMIC@100C "
        "GPU 310/310 CPU 620/620 SOC 930/930 CV 0/0 VDDRQ 155/155 SYS5V 1485/1485",
        dict(ram=(2721, 15699), cores=4, gpu=37, mhz=[], cpu_temperature=29.5, power=3500, rail="sum of CPU, CV, GPU")),
    "Nano": (
        "RAM 1178/3956MB (lfb 1x4MB) SWAP 12/1978MB (cached 0MB) IRAM 0/252kB(lfb 252kB) CPU [10%@921,8%@921,9%@921,"
        "6%@921] EMC_FREQ 4%@1600 GR3D_FREQ 99%@76 APE 25 PLL@25C CPU@27.5C PMIC@100C GPU@25.5C AO@32C thermal@26.25C "
        "POM_5V_IN 1680/1700 POM_5V_GPU 40/40 POM_5V_CPU 282/282",
        dict(ram=(1178, 3956), cores=4, gpu=99, mhz=[76], cpu_temperature=27.5, power=1680, rail="POM_5V_IN")),
    "TX2": (
        "RAM 1245/7860MB (lfb 1x2MB) SWAP 0/3930MB (cached 0MB) CPU [12%@345,off,off,8%@345,9%@345,3%@345] "
        "EMC_FREQ 1%@40 GR3D_FREQ 0%@114 APE 150 PLL@40C MCPU@40C PMIC@100C Tboard@36C GPU@38.5C BCPU@40C "
        "thermal@39.6C Tdiode@38C VDD_SYS_GPU 152/152 VDD_SYS_SOC 458/458 VDD_4V0_WIFI 19/19 VDD_IN 2019/2019 "
        "VDD_SYS_CPU 152/152 VDD_SYS_DDR 268/268",
        dict(ram=(1245, 7860), cores=4, gpu=0, mhz=[114], cpu_temperature=None, power=2019, rail="VDD_IN")),
    "AGX Orin, JetPack 6": (
        "05-12-2024 12:00:00 RAM 4722/62794MB (lfb 10743x4MB) SWAP 0/31397MB (cached 0MB) CPU [1%@729,0%@729,off,off] "
        "EMC_FREQ 0%@2133 GR3D_FREQ 12%@[305,306] NVDEC off NVJPG off VIC off OFA off APE 174 cv0@-256C cpu@46.5C "
        "soc2@43.4C gpu@-256C tj@46.5C VDD_GPU_SOC 3205mW/3205mW VDD_CPU_CV 800mW/800mW VIN_SYS_5V0 4420mW/4420mW",
        dict(ram=(4722, 62794), cores=2, gpu=12, mhz=[305, 306], cpu_temperature=46.5, power=8425,
             rail="sum of VDD_CPU_CV, VDD_GPU_SOC, VIN_SYS_5V0")),
    "Orin Nano, JetPack 6": (
        "05-12-2024 12:00:00 RAM 2722/7620MB (lfb 4x4MB) CPU [1%@729] EMC_FREQ 0%@2133 GR3D_FREQ 0%@[305] "
        "cpu@46.5C tj@46.5C VDD_IN 4500mW/4510mW VDD_CPU_GPU_CV 600mW/610mW VDD_SOC 1400mW/1400mW",
        dict(ram=(2722, 7620), cores=1, gpu=0, mhz=[305], cpu_temperature=46.5, power=4500, rail="VDD_IN")),
}


@pytest.mark.parametrize("name", LINES)
def test_tegrastats(name):
    line, want = LINES[name]
    found = board.parse_tegrastats(line)
    assert found["ram_mb"] == want["ram"] and len(found["cpu"]) == want["cores"]
    assert found["gpu_percent"] == want["gpu"] and found["gpu_mhz"] == want["mhz"]
    assert "PMIC" not in found["temperature"] and min(found["temperature"].values()) > 0
    cpu = found["temperature"].get("CPU", found["temperature"].get("cpu"))
    assert cpu == want["cpu_temperature"]
    assert "RAM" not in found["power_mw"] and "SWAP" not in found["power_mw"] and "IRAM" not in found["power_mw"]
    power, rail = board.total_power(found["power_mw"])
    assert power == want["power"] and rail.startswith(want["rail"])


@given(st.text(max_size=200))
def test_tegrastats_reads_any_text_or_refuses_it(text):
    for line in (text, "RAM 1/2MB " + text):
        try:
            found = board.parse_tegrastats(line)
        except ValueError as error:
            assert "not a line of tegrastats" in str(error)
        else:
            assert set(found) == {"ram_mb", "cpu", "gpu_percent", "gpu_mhz", "temperature", "power_mw"}
            total = board.total_power(found["power_mw"])
            assert total is None or total[0] >= 0


def test_power_of_a_stretch(tmp_path):
    script = tmp_path / "tegrastats"
    script.write_text("#!/bin/sh\necho starting\nfor i in 1 2 3 4 5 6 7 8; do\n"
                      "echo 'RAM 1/2MB VDD_IN 4000mW/4000mW'; sleep 0.02; done\n")
    script.chmod(0o755)
    with board.Power([str(script)]) as power:
        start = time.time()
        time.sleep(0.3)
        found = power.mean(start - 1, time.time())
        assert found == {"mw": 4000, "rail": "VDD_IN", "readings": 8}
        assert power.mean(0, 1) is None
        worker = measuring.Worker.__new__(measuring.Worker)
        worker.joules = [(start - 0.5, start + 0.5, 4)]
        assert worker._energy(power)["mj_per_run"] == pytest.approx(1000)  # 4 W for a second, four runs
    with board.Power(["no-such-command"]) as power:
        assert not power.runs and power.mean(0, time.time()) is None


def test_state_of_this_machine_is_plain_json(tmp_path, monkeypatch):
    json.dumps(board.state())
    json.dumps(timing.device())
    said = {"nvpmodel": "NV Power Mode: MODE_15W_6CORE\n2", "nvidia-smi": "1410, 1980"}
    monkeypatch.setattr(machine, "output_of", lambda command: said.get(command[0]))
    monkeypatch.setattr(board.glob, "glob", lambda pattern: [])
    assert board.power_mode() == "MODE_15W_6CORE"
    assert board.clocks() == {"locked": None, "gpu_mhz": 1410, "gpu_max_mhz": 1980}
    said.clear()
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
    assert "none.plan" in timing.withheld(record)[0][2] or "no TensorRT here" in timing.withheld(record)[0][2]
    assert engine.Engine
