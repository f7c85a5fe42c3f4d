"""The workbook's files: where they lie, how they are written, and whether they are stale.

A file is written atomically, so that a reader never sees half of it, and has a small JSON beside it, `<file>.json`: the
*sidecar*, which says from which inputs and versions it was made.
"""
import contextlib
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

from uffsurgeon import files

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
MADE = (".pb", ".uff", ".onnx", ".plan", ".npy")  # kinds of files that notebooks write
BUILD = Path(os.environ.get("WORKBOOK_BUILD", str(ROOT / "build")))


@contextlib.contextmanager
def atomic(path, needed=None):
    """`uffsurgeon.files.atomic`, with what to do about a full disk. needed: bytes of the file, where they are known."""
    try:
        with files.atomic(path) as temporary:
            yield temporary
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        free = shutil.disk_usage(str(Path(path).parent)).free
        missing = "" if needed is None else ", %.1f MB more are needed" % (max(needed - free, 0) / 1e6)
        raise OSError(errno.ENOSPC, "%s for %s: %.1f MB are free%s. `python3 workbook.py clean --build` frees %.1f GB, and "
                      "WORKBOOK_BUILD can name a folder elsewhere" % (
                          os.strerror(errno.ENOSPC), Path(path).name, free / 1e6, missing, size(BUILD) / 1e9), str(path))


def write(path, data, **made_from):
    """Write bytes or text to `path` atomically, and `made_from` (JSON values) to its sidecar; returns the path.

    Raises OSError, on a full disk with what is missing and what `workbook.py clean` frees.
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    with atomic(path, len(data)) as temporary:
        temporary.write_bytes(data)
    if made_from:
        write_sidecar(path, **made_from)
    return Path(path)


def sidecar_path(path):
    """`box3d.pb` -> `box3d.pb.json`."""
    return Path(str(path) + ".json")


def write_sidecar(path, **made_from):
    """Record what `path` was made from, and its SHA-256, so that a replaced file is detected."""
    record = dict(made_from, sha256=digest(path))
    files.write(sidecar_path(path), json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_sidecar(path):
    """The record beside `path`, or {} when there is none or it cannot be read."""
    try:
        record = json.loads(sidecar_path(path).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def fresh(path, **made_from):
    """Whether `path` exists, is unchanged since its sidecar was written, and was made from exactly this."""
    if not Path(path).is_file():
        return False
    record = read_sidecar(path)
    known_hash = record.pop("sha256", None)
    return record == json.loads(json.dumps(made_from)) and known_hash == digest(path)


def digest(path):
    """SHA-256 of a file's bytes, as hex."""
    total = hashlib.sha256()
    with open(str(path), "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def size(folder):
    """Bytes of all files under `folder`; a file that vanishes meanwhile counts nothing."""
    total = 0
    for base, _, names in os.walk(str(folder)):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size
            except OSError:
                pass
    return total


def remove_unread(since, least=5e6):
    """Delete large files of BUILD that every run of a notebook writes anew: those without a sidecar -> bytes freed.

    A file with a sidecar is read again while it is fresh, and took long to make. since: seconds as from `time.time`; what was
    written before stays. least: bytes of a large file.
    """
    freed = 0
    for path in list(BUILD.glob("*")) if BUILD.is_dir() else []:
        if path.suffix not in MADE or not path.is_file() or sidecar_path(path).exists():
            continue
        found = path.stat()
        if found.st_size >= least and found.st_mtime >= since:
            path.unlink()
            freed += found.st_size
    return freed
