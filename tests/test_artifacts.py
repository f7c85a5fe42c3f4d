"""Files are whole or not there, and a stale one is seen."""
import collections
import errno
import os
import stat

import pytest

from helpers import artifacts


def test_write_and_sidecar(tmp_path):
    path = artifacts.write(tmp_path / "deep" / "a.bin", b"abc", source="x", count=3)
    assert path.read_bytes() == b"abc"
    assert artifacts.read_sidecar(path) == {"source": "x", "count": 3, "sha256": artifacts.digest(path)}
    assert artifacts.fresh(path, source="x", count=3)


def test_other_inputs_other_bytes_or_no_sidecar_are_stale(tmp_path):
    path = artifacts.write(tmp_path / "a.bin", b"abc", source="x")
    assert not artifacts.fresh(path, source="y")
    assert not artifacts.fresh(path, source="x", more=1)
    path.write_bytes(b"abcd")
    assert not artifacts.fresh(path, source="x")
    path.write_bytes(b"abc")
    artifacts.sidecar_path(path).write_text("{ cut")
    assert not artifacts.fresh(path, source="x")
    artifacts.sidecar_path(path).write_text("[]")
    assert not artifacts.fresh(path, source="x")
    assert not artifacts.fresh(tmp_path / "none", source="x")


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = artifacts.write(tmp_path / "a.bin", b"old")
    with pytest.raises(OSError):
        with artifacts.atomic(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert os.listdir(str(tmp_path)) == ["a.bin"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_a_written_file_has_ordinary_permissions(tmp_path):
    path = artifacts.write(tmp_path / "a.bin", "text")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_full_disk_is_named_with_what_is_missing_and_what_to_delete(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts, "BUILD", tmp_path)
    monkeypatch.setattr(artifacts.Path, "write_bytes", full)
    monkeypatch.setattr(artifacts.shutil, "disk_usage", lambda path: collections.namedtuple("Usage", "free")(400000))
    with pytest.raises(OSError, match="No space left on device for a.pb: 0.4 MB are free, 1.6 MB more are needed. "
                                      ".*clean --build. frees 0.0 GB, and WORKBOOK_BUILD") as caught:
        artifacts.write(tmp_path / "a.pb", b"x" * 2000000)
    assert caught.value.errno == errno.ENOSPC and not list(tmp_path.iterdir())


def test_what_every_run_writes_anew_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "BUILD", tmp_path)
    artifacts.write(tmp_path / "kept.plan", b"x" * 100, source="a sidecar")
    for name in ("big.onnx", "big.txt", "small.onnx", "earlier.onnx"):
        (tmp_path / name).write_bytes(b"x" * (10 if name == "small.onnx" else 100))
    os.utime(str(tmp_path / "earlier.onnx"), (1e9, 1e9))
    assert artifacts.remove_unread(1.1e9, least=50) == 100
    assert {path.name for path in tmp_path.iterdir()} == {
        "kept.plan", "kept.plan.json", "big.txt", "small.onnx", "earlier.onnx"}
    assert artifacts.size(tmp_path) > 400
