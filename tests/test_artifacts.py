"""Files are whole or not there, and a stale one is seen."""
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
