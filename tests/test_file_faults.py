"""Faults of machines and files from elsewhere: each row of docs/faults.md, and every reader's documented exception."""
import errno
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import archives, artifacts, boxes, child, network, parity, saved, scenes, show, timing
from helpers.engine import plans
from uffsurgeon import files, protobuf, uff

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and locks of POSIX")
PARENT = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)}


def test_every_row_of_the_table_names_tests_that_exist():
    rows = [line for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines() if "`test_" in line]
    named = {part for row in rows for part in row.split("`") if part.startswith("test_")}
    here = (ROOT / "tests" / "test_file_faults.py").read_text(encoding="utf-8")
    for name in named:
        module, _, function = name.rpartition("::")
        text = (ROOT / "tests" / module).read_text(encoding="utf-8") if module else here
        assert "def %s(" % function in text, name
    assert len(rows) >= 10


# Kills, and two writers of one path.

def kills(*arguments):
    """What tests/kills.py prints. Its status is 0 if no pair was torn or mixed, and no other file was left."""
    return subprocess.check_output([sys.executable, str(ROOT / "tests" / "kills.py")] + list(arguments), timeout=120,
                                   universal_newlines=True)


@POSIX
@pytest.mark.parametrize("signals", ["9", "15", "2 2"], ids=["SIGKILL", "SIGTERM", "SIGINT twice"])
def test_a_plan_is_readable_whenever_its_writer_is_killed(signals):
    assert kills("kills", "12", *signals.split()).startswith("kills 12: ")


@POSIX
def test_two_writers_of_one_path_never_mix():
    assert kills("rounds", "40").startswith("rounds 40: ")


@pytest.mark.parametrize("moment", ["between the files", "after both"])
def test_of_an_interrupted_pair_one_is_there(tmp_path, monkeypatch, moment):
    path = artifacts.write(tmp_path / "a.plan", b"old", source="old")
    replace, seen = os.replace, []

    def interrupted(source, target):
        seen.append(target)
        if len(seen) == (2 if moment == "between the files" else 3):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        artifacts.write(path, b"new", source="new")
    monkeypatch.undo()
    word = "old" if moment == "between the files" else "new"
    assert artifacts.fresh(path, source=word) and plans.read(path)[0] == word.encode("ascii")
    assert sorted(os.listdir(str(tmp_path))) == ["a.plan", "a.plan.json"]


@POSIX
def test_temporaries_are_cleared_when_their_writer_is_gone_and_not_before(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    form = ".a.pb.wip-%s-%d-0123456789abcdef.pb"
    dead, living, elsewhere, old = [tmp_path / name for name in (
        form % (files._here(), ended.pid), form % (files._here(), os.getpid()), form % ("00000000", 1), form % ("00000001", 1))]
    for path in (dead, living, elsewhere, old):
        path.write_bytes(b"half")
    os.utime(str(old), (time.time() - 1e5,) * 2)
    artifacts.write(tmp_path / "b.pb", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {living.name, elsewhere.name, "b.pb"}


@POSIX
def test_a_run_clears_all_of_build(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "BUILD", tmp_path)
    (tmp_path / "plugin").mkdir()
    old = tmp_path / "plugin" / ".a.so.wip-00000000-1-0123456789abcdef.so"
    old.write_bytes(b"half")
    os.utime(str(old), (time.time() - 1e5,) * 2)
    assert artifacts.clear() == 1 and not old.exists() and artifacts.clear() == 0


@POSIX
def test_a_lock_that_is_not_to_be_had_is_an_error_and_leaves_no_file(tmp_path):
    with artifacts.lock(tmp_path):
        with pytest.raises(TimeoutError, match="another process has been writing into this folder"):
            with artifacts.lock(tmp_path, timeout=0.05):
                pass
    with artifacts.lock(tmp_path):
        assert os.listdir(str(tmp_path)) == []


@POSIX
def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch):
    def none(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(artifacts, "take_lock", none)
    with pytest.warns(UserWarning, match="without locks"):
        artifacts.write(tmp_path / "a.pb", b"x", source="y")


# The machine.

@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MB, and a function that mounts it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        return subprocess.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], stderr=subprocess.DEVNULL)

    if os.name == "nt" or not shutil.which("mount") or os.geteuid() or mount("size=1m"):
        pytest.skip("a file system can be mounted by root only")
    yield folder, mount
    subprocess.call(["umount", "-l", str(folder)])


def test_a_full_disk_names_the_file_and_what_is_missing_and_keeps_the_old_pair(disk):
    folder, _ = disk
    path = artifacts.write(folder / "a.plan", b"old", source="old")
    words = r"No space left on device for a.plan: .* MB are free, 2\.\d MB more are needed.*clean --build"
    with pytest.raises(OSError, match=words) as caught:
        artifacts.write(path, b"x" * 3000000, source="new")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    with pytest.raises(OSError, match="cannot save the plan"):
        plans.save(path, b"x" * 3000000, {"source": "new"})
    assert artifacts.fresh(path, source="old") and sorted(os.listdir(str(folder))) == ["a.plan", "a.plan.json"]
    with pytest.raises(OSError, match="for b.pb: .* MB of it were written"):
        files.write(folder / "b.pb", b"x" * 3000000)


def test_a_read_only_file_system_is_read_and_names_the_file(disk):
    folder, mount = disk
    path = artifacts.write(folder / "a.plan", b"old", source="old")
    assert not mount("remount,ro")
    assert plans.read(path)[0] == b"old" and artifacts.fresh(path, source="old")
    with pytest.raises(OSError) as caught:
        artifacts.write(path, b"new", source="new")
    assert caught.value.errno == errno.EROFS and caught.value.filename == str(path)
    mount("remount,rw")


def test_without_a_folder_for_temporary_files_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none"):
        child.run([sys.executable, "-c", "pass"])
    assert artifacts.write(tmp_path / "a.pb", b"x", source="y").read_bytes() == b"x"


DRAW = ("import sys; from helpers import artifacts, show; from uffsurgeon import protobuf; g = protobuf.graph_def_class()();"
        "g.node.add(name='a', op='A'); show.graph(g, 'a').savefig(sys.argv[1] + '/a.png');"
        "artifacts.write(sys.argv[1] + '/a.pb', b'x', source='y')")


def test_without_a_home_files_are_written_and_pictures_drawn(tmp_path):
    done = child.run([sys.executable, "-c", DRAW, tmp_path], env=dict(PARENT, HOME="/nowhere/at/all", MPLBACKEND="agg"))
    assert done.code == 0 and (tmp_path / "a.png").stat().st_size > 1000, done.text


def test_without_a_network_files_are_written_and_pictures_drawn(tmp_path):
    if not shutil.which("unshare") or child.run(["unshare", "-rn", "true"]).code:
        pytest.skip("no network namespace can be made here")
    done = child.run(["unshare", "-rn", sys.executable, "-c", DRAW, tmp_path], env=dict(PARENT, MPLBACKEND="agg"))
    assert done.code == 0 and (tmp_path / "a.png").exists(), done.text


@POSIX
def test_a_clock_that_is_set_back_neither_blocks_nor_makes_stale(tmp_path, monkeypatch):
    path, now = artifacts.write(tmp_path / "a.pb", b"x", source="y"), [time.time()]

    def back():
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    assert artifacts.fresh(path, source="y")
    with artifacts.lock(tmp_path), pytest.raises(TimeoutError):
        with artifacts.lock(tmp_path, timeout=0.05):
            pass
    artifacts.write(path, b"z", source="y")
    assert artifacts.fresh(path, source="y")


@POSIX
def test_a_child_without_memory_is_an_exit_status_and_its_words():
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (10 ** 9,) * 2); bytearray(10 ** 10)"
    done = child.run([sys.executable, "-c", code])
    assert done.code == 1 and "MemoryError" in done.text
    assert child.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).code == -9  # what the system does


# Weights from elsewhere.

class Model:
    """As much of a Keras model as `network.load_weights` asks for: one dense layer of 2 inputs and 3 units."""

    def __init__(self):
        self.layers, self.values = [self], None
        self.name, self.weights = "dense", [np.zeros((2, 3)), np.zeros(3)]

    def set_weights(self, values):
        self.values = values


def npz(path, kernel):
    np.savez_compressed(str(path), **{"dense/kernel": kernel, "dense/bias": np.zeros(3, "f")})
    return path


@pytest.fixture
def h5(tmp_path):
    """A function that writes a file of weights as Keras does, with changes to it -> its path."""
    h5py = pytest.importorskip("h5py")

    def write(change=lambda archive: None, kernel=((1, 1, 1), (1, 1, 1))):
        with h5py.File(str(tmp_path / "w.h5"), "w") as archive:
            archive.attrs["layer_names"] = np.array([b"dense"])
            group = archive.create_group("dense")
            group.attrs["weight_names"] = np.array([b"dense/kernel:0", b"dense/bias:0"])
            group["dense/kernel:0"], group["dense/bias:0"] = np.array(kernel, "f"), np.zeros(3, "f")
            change(archive)
        return tmp_path / "w.h5"

    return write


def test_weights_of_both_kinds_are_loaded(tmp_path, h5):
    for path in (npz(tmp_path / "w.npz", np.ones((2, 3), "f2")), h5()):
        assert network.load_weights(Model(), path).values[0].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_nan_and_infinity_are_named_when_weights_are_loaded(tmp_path, h5):
    kernel = np.array([[0, np.nan, 1], [np.inf, np.nan, 2]], "f")
    for path in (npz(tmp_path / "w.npz", kernel), h5(kernel=kernel)):
        with pytest.raises(ValueError, match="kernel of layer 'dense' in .*w.* holds NaN.*: 2 NaN and 1 infinite among 6"):
            network.load_weights(Model(), path)


def layout(h5py):
    found = h5py.VirtualLayout((3,), "f4")
    found[:] = h5py.VirtualSource("other.h5", "k", (3,))
    return found


@pytest.mark.parametrize("change, words", [
    (lambda archive: archive.attrs.__setitem__("layer_names", np.array([1, 2])), "'layer_names' of / is not a list"),
    (lambda archive: archive.attrs.pop("layer_names"), "/ has no 'layer_names'"),
    (lambda archive: archive.create_dataset("more", (10 ** 9, 9), "f4", chunks=(99, 9), compression="gzip"), "36.0 GB"),
])
def test_an_h5_that_is_not_of_keras_is_refused_with_its_name(h5, change, words):
    with pytest.raises(ValueError, match="w.h5 is not a Keras weight file: .*" + words):
        network.load_weights(Model(), h5(change))


def test_a_large_h5_with_names_of_any_length_is_read(tmp_path):
    """h5py 3 writes a list of texts as texts of variable length, whose sizes only the data say."""
    import h5py

    with h5py.File(str(tmp_path / "w.h5"), "w") as archive:
        archive.attrs["layer_names"] = ["dense_%d" % number for number in range(25)]
        archive["kernel"] = np.zeros((5000, 1250), "f")
    archives.check(str(tmp_path / "w.h5"))


@pytest.mark.parametrize("change, words", [
    (lambda archive, h5py: archive.__setitem__("more", h5py.SoftLink("/more")), "'more' is a link"),
    (lambda archive, h5py: archive.__setitem__("more", h5py.ExternalLink("/etc/other.h5", "/k")), "'more' is a link"),
    (lambda archive, h5py: archive.create_dataset("more", (3,), "f4", external=[("/etc/passwd", 0, 12)]), "in another file"),
    (lambda archive, h5py: archive.create_virtual_dataset("more", layout(h5py)), "lie in another file"),
    (lambda archive, h5py: archive.create_dataset("more", (1,), "f4", maxshape=(None,), chunks=(10 ** 9,)), "4.0 GB"),
    (lambda archive, h5py: archive.create_dataset("more", (3,), h5py.special_dtype(vlen=np.float32)), "neither numbers nor"),
])
def test_what_no_keras_writes_into_an_h5_is_refused(h5, change, words):
    import h5py

    path = h5(lambda archive: change(archive, h5py))
    with h5py.File(str(path), "r") as archive, pytest.raises(ValueError, match=words):
        archives.check_h5(archive, path.stat().st_size)


@POSIX
def test_an_h5_with_which_hdf5_never_ends_is_refused(tmp_path):
    pytest.importorskip("h5py")
    started = time.time()
    with pytest.raises(ValueError, match="w.h5 is not a Keras weight file: "):
        shutil.copy(str(ROOT / "tests" / "fixtures" / "faults" / "endless.h5"), str(tmp_path / "w.h5"))
        network.load_weights(Model(), tmp_path / "w.h5")
    assert time.time() - started < 60


def test_what_an_npz_claims_is_checked(tmp_path, monkeypatch):
    path, wrong = tmp_path / "w.npz", [
        (np.zeros((2000, 5000), "f"), "claim to hold 0.0 GB"), (np.array(["text"]), "is of type"),
        (np.zeros(3, [("a", "f4")]), "is of type")]
    assert archives.allowed(7) == 200000070
    monkeypatch.setattr(archives, "allowed", lambda size: 10 * size + 1000000)
    for kernel, words in wrong:
        with pytest.raises(ValueError, match="w.npz is not a NumPy .npz archive of weights: .*" + words):
            network.load_weights(Model(), npz(path, kernel))
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 9), }"
    for start in (b"\x93NUMPY\1\0" + bytes([len(head), 0]) + head, b"\x93NUMPY\2\0\xff\xff\xff\x7f" + head, b"text"):
        with zipfile.ZipFile(str(path), "w") as archive:
            archive.writestr("dense/kernel.npy", start)
        with pytest.raises(ValueError, match="w.npz is not a NumPy .npz archive of weights: "):
            network.load_weights(Model(), path)


@pytest.mark.parametrize("name", ["w.npz", "w.h5"])
@pytest.mark.parametrize("data, words", [
    (b"", "an empty file"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"<html>", "a web page")])
def test_another_file_in_place_of_weights_is_called_by_its_name(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="%s is not a .*, but .*%s" % (name, words)):
        network.load_weights(Model(), tmp_path / name)


def graph(values):
    found = protobuf.graph_def_class()()
    found.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    found.node[0].attr["shape"].shape.dim.add(size=-1)
    found.node[0].attr["shape"].shape.dim.add(size=len(values))
    weight = found.node.add(name="w", op="Const")
    weight.attr["dtype"].type = weight.attr["value"].tensor.dtype = 1
    weight.attr["value"].tensor.tensor_shape.dim.add(size=len(values))
    weight.attr["value"].tensor.tensor_content = np.array(values, "<f4").tobytes()
    found.node.add(name="y", op="Add", input=["x", "w"]).attr["T"].type = 1
    return found


def test_nan_and_infinity_are_named_when_a_graph_is_frozen_and_converted():
    for values, words in (([1, np.nan, np.inf, 0], "1 NaN and 1 infinite among 4"), ([np.inf, 0], "1 infinite among 2")):
        with pytest.raises(ValueError, match="weight 'w' holds NaN or infinity: " + words):
            saved.check_values(graph(values), {"w"})
        with pytest.warns(UserWarning, match="constant 'w' holds NaN or infinity: " + words):
            uff.from_tensorflow(graph(values), ["y"], quiet=True)
    with pytest.warns(UserWarning, match="'w' holds NaN or infinity: 1 infinite"):
        saved.check_values(graph([-np.inf, 0]), {"w"})  # a mask
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        saved.check_values(graph([3e38, 3e38]), {"w"})
        saved.check_values(graph([1, np.nan]), {"another"})


# Street scenes.

CAR = b"Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
DONT_CARE = b"DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
CALIB = b"P2: 721.5 0 609.6 44.9 0 721.5 172.9 0.2 0 0 1 0.003\n"


@pytest.fixture
def street(tmp_path):
    """A KITTI folder of one scene, 'a b', under a name with a space."""
    folder = tmp_path / "my streets"
    for part in ("image_2", "label_2", "calib"):
        (folder / part).mkdir(parents=True)
    Image.new("RGB", (1242, 375)).save(str(folder / "image_2" / "a b.png"))
    (folder / "label_2" / "a b.txt").write_bytes(CAR)
    (folder / "calib" / "a b.txt").write_bytes(CALIB)
    return folder


@pytest.mark.parametrize("labels", [b"", b"\r\n \n" + DONT_CARE + b"\r\n"])
def test_a_scene_without_objects_goes_all_the_way(street, labels):
    (street / "label_2" / "a b.txt").write_bytes(labels)
    scene = scenes.load_kitti(street, "a b")
    assert network.preprocess(scenes.crops(scene)).shape == (0, 224, 224, 3)
    heads = {"dimension": np.zeros((0, 3)), "orientation": np.zeros((0, 6, 2)), "confidence": np.zeros((0, 6))}
    found = boxes.estimate(heads, scene.objects.bbox, scene.P, scenes.mean_dimensions(scene.objects.kind), scene.size)
    assert parity.compare(heads, heads, [scene]).verdict == "equal" and not len(found.yaw)
    show.boxes_on_scene(scene, found, truth=True).savefig(os.devnull, format="png")


def test_files_of_windows_are_read(street):
    for part in ("label_2", "calib"):
        path = street / part / "a b.txt"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b" ", b"  \t").replace(b"\n", b"\r\n") + b"\r\n")
    assert scenes.load_kitti(street, "a b").objects.kind == ("Car",)


def test_a_missing_calibration_and_an_empty_image_are_named(street):
    (street / "image_2" / "a b.png").write_bytes(b"")
    with pytest.raises(ValueError, match="a b.png cannot be read as an image: it is empty"):
        scenes.load_kitti(street, "a b")
    (street / "calib" / "a b.txt").unlink()
    with pytest.raises(FileNotFoundError, match="scene 'a b' has no calibration.*a b.txt"):
        scenes.load_kitti(street, "a b")


def test_an_image_that_claims_too_many_pixels_or_starts_a_program_is_refused(tmp_path):
    Image.new("1", (8000, 4000)).save(str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match="a.png cannot be read as an image: its .* bytes claim 8000 x 4000 pixels"):
        scenes.read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(ValueError, match="b.png cannot be read as an image"):
        scenes.read_image(tmp_path / "b.png")


# JSON.

def measured(**changes):
    entry = {"name": "n", "where": "CPU", "batch": 1, "error": None, "parity": {"verdict": "equal", "why": ""},
             "host_ms": timing.summary([1, 2]), "gpu_ms": None, "images_per_second": 2.0}
    return {"machine": {"name": "m", "cores": 2}, "versions": {}, "date": "2026-11-22", "command": "c",
            "results": {"report": True, "seconds": 1.0, "columns": [dict(entry, **changes)]}}


def test_a_record_of_the_form_is_loaded(tmp_path):
    path = timing.save(measured(), tmp_path / "a.json")
    assert timing.rows(timing.load(path))[0]["ms"] == 1.5 and "equal" in timing.table(timing.load(path))


@pytest.mark.parametrize("record", [
    dict(measured(), machine={"name": 7}), dict(measured(), date="2026-11-22\n"), dict(measured(), results=[]),
    dict(measured(), machine={"name": "m", "cores": "two"}),
    dict(measured(), results=dict(measured()["results"], columns="all")),
    dict(measured(), results=dict(measured()["results"], columns=[7])), measured(name=None), measured(batch="1"),
    measured(error=7), measured(parity=[]), measured(parity={"verdict": "equal"}), measured(host_ms=None),
    measured(host_ms=dict(timing.summary([1]), p90="slow")), measured(gpu_ms=3), measured(images_per_second=float("nan")),
    measured(samples_ms=["a"]), measured(host_ms=dict(timing.summary([1]), min=10 ** 400))])
def test_a_record_with_a_wrong_type_is_refused_with_the_name_of_its_file(tmp_path, record):
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="a.json is not the record of a run: "):
        timing.load(tmp_path / "a.json")


def test_deep_json_is_no_recursion(tmp_path):
    deep = "[" * 200000
    (tmp_path / "a.json").write_text(deep)
    with pytest.raises(ValueError, match="a.json is not the record of a run: it is not JSON"):
        timing.load(tmp_path / "a.json")
    artifacts.write(tmp_path / "a.pb", b"x")
    artifacts.sidecar_path(tmp_path / "a.pb").write_text(deep)
    assert artifacts.read_sidecar(tmp_path / "a.pb") == {} and not artifacts.fresh(tmp_path / "a.pb")
    sys.path.insert(0, str(ROOT / "notebooks"))
    import results
    cells = [7, {"cell_type": "code", "source": [7, "check('01.1')"], "outputs": 7}]
    for text in (deep, "7", '{"cells": 7}', json.dumps({"cells": cells})):
        (tmp_path / "01_a.ipynb").write_text(text)
        assert set(results.verdicts(tmp_path / "01_a.ipynb").values()) <= {"not run"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(str(tmp_path / "02_pipe.ipynb"))
        assert results.verdicts(tmp_path / "02_pipe.ipynb") == {}


# Names.

@pytest.mark.parametrize("name", ["a$\\frac{$b", "a\nb\"c'\u4f60{}%s\x00\x1b[31m", "n" * 10000, "p/" * 5000],
                         ids=["dollars", "letters", "long", "deep"])
@pytest.mark.filterwarnings("ignore")  # letters that the font lacks
def test_pictures_take_any_name(name):
    found = protobuf.graph_def_class()()
    found.node.add(name=name, op="Op" + name)
    found.node.add(name="reader", op="R", input=[name])
    scene = scenes.Scene(name, np.zeros((50, 100, 3), np.uint8), np.eye(3, 4), scenes.read_labels(os.devnull))
    record = measured(name=name, where=name)
    record["machine"]["name"] = name
    for figure in (show.graph(found, "reader", title=name), show.graph_before_after(found, found, "reader"),
                   show.census(found, ["R"]), show.timings(record), show.layers([(name, 1.0, name)], title=name),
                   show.plan_sizes({name: {"bytes": 1, "build_seconds": 2}}), show.boxes_on_scene(scene, scene.objects)):
        figure.savefig(os.devnull, format="png", dpi=40)
        assert max(figure.get_size_inches()) <= 13 and len(show.alternative_text(figure)) < 5000


def test_a_picture_of_a_whole_network_is_refused_and_not_waited_for():
    found = protobuf.graph_def_class()()
    for number in range(301):
        found.node.add(name="n%d" % number, op="A", input=["n%d" % (number - 1)] if number else [])
    with pytest.raises(ValueError, match="301 nodes with 300 edges do not fit into a picture"):
        show.graph(found, "*")
