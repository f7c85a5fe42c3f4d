"""The workbook's files: where they lie, how they are written, and whether they are stale.

A file is written atomically, so that a reader never sees half of it, and has a small JSON beside it, `<file>.json`: the
*sidecar*, which says from which inputs and versions it was made, and which bytes it speaks of.
"""
import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import warnings
from pathlib import Path

from uffsurgeon import files

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
EARLIER = "_earlier"  # key of a sidecar: the record of the file that is being replaced
DEEPEST = 200  # levels of JSON in JSON
MADE = (".pb", ".uff", ".onnx", ".plan", ".npy")  # kinds of files that notebooks write
BUILD = Path(os.environ.get("WORKBOOK_BUILD", str(ROOT / "build")))


@contextlib.contextmanager
def atomic(path, needed=None, made_from=None):
    """`uffsurgeon.files.atomic`, with what to do about a full disk.

    needed: bytes of the file, where they are known. made_from: {name: JSON value}; the file and its sidecar then replace an
    earlier pair as one: another process that writes the same path waits, and whenever this one is killed, the old file has
    the old record or the new file the new one.

    Raises OSError as the file system does, and as `lock`; both files are then as they were.
    """
    path = Path(path)
    with _full_disk(path, needed), contextlib.ExitStack() as stack:
        with files.atomic(path) as temporary:
            yield temporary
            if made_from is not None:
                record = dict(made_from, sha256=digest(temporary))
                stack.enter_context(lock(path.parent))
                replaced = path.exists()
                # Until the file is there as well, the sidecar holds both records.
                write_sidecar(path, **(dict(record, **{EARLIER: read_sidecar(path)}) if replaced else record))
        if made_from is not None and replaced:
            with contextlib.suppress(OSError):  # both records will do
                write_sidecar(path, **record)


@contextlib.contextmanager
def _full_disk(path, needed):
    try:
        yield
    except OSError as error:
        if error.errno not in files.FULL:
            raise
        free = shutil.disk_usage(str(path.parent)).free
        missing = "" if needed is None else ", %.1f MB more are needed" % (max(needed - free, 0) / 1e6)
        raise OSError(error.errno, "%s for %s: %.1f MB are free%s. `python3 workbook.py clean --build` frees %.1f GB, and "
                      "WORKBOOK_BUILD can name a folder elsewhere" % (
                          os.strerror(error.errno), path.name, free / 1e6, missing, size(BUILD) / 1e9), str(path))


@contextlib.contextmanager
def lock(folder, timeout=60):
    """One process (and thread) at a time in the block, for each folder; it is held for milliseconds.

    timeout: seconds. The operating system releases the lock when its holder ends, however it ends.
    Raises TimeoutError, and OSError when the folder cannot be opened. Warns on a file system that has no locks.
    """
    descriptor = _acquire(Path(folder), time.monotonic() + timeout, timeout)
    try:
        yield
    finally:
        if descriptor is not None:
            if fcntl:  # explicitly, since a process forked meanwhile has the descriptor, too
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _acquire(folder, until, timeout):
    """A locked descriptor, or None where the file system has no locks."""
    places = [(folder, os.O_RDONLY)] if fcntl else []  # the folder itself leaves no file behind, but NFS cannot lock one
    for path, flags in places + [(folder / ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0))]:
        try:
            descriptor = os.open(str(path), flags, 0o666)
        except PermissionError:  # a folder that may be written, but not listed
            if path is not folder:
                raise
            continue
        try:
            while not take_lock(descriptor):
                if time.monotonic() > until:
                    raise TimeoutError(errno.ETIMEDOUT, "another process has been writing into this folder for more than %d s; "
                                       "end it, or set WORKBOOK_BUILD to another folder" % timeout, str(folder))
                time.sleep(0.005)
            return descriptor
        except BaseException as error:
            os.close(descriptor)
            if not isinstance(error, OSError) or isinstance(error, TimeoutError):
                raise
    warnings.warn("%s lies on a file system without locks: do not let two programs write there at once" % folder)
    return None


def take_lock(descriptor, byte=0):
    """Lock an open file for this process, without waiting: True when it is locked now, False while somebody else has it.

    byte: which byte stands for the file on Windows; others cannot read that one. Raises OSError where the file system has no
    locks.
    """
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, byte, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def write(path, data, **made_from):
    """Write bytes or text to `path` atomically, and `made_from` (JSON values) to its sidecar as `atomic`; returns the path.

    Raises OSError, on a full disk with what is missing and what `workbook.py clean` frees.
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    with atomic(path, len(data), made_from or None) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def sidecar_path(path):
    """`box3d.pb` -> `box3d.pb.json`."""
    return Path(str(path) + ".json")


def write_sidecar(path, **made_from):
    """Record what `path` was made from, and its SHA-256 ("sha256"; by default of what is there), so that a replaced file is
    detected. Where the file is written as well, `write` and `atomic` do both."""
    record = made_from if "sha256" in made_from else dict(made_from, sha256=digest(path))
    files.write(sidecar_path(path), json.dumps(record, indent=1, sort_keys=True) + "\n")


def loads(text, **options):
    """`json.loads`. Raises ValueError also for text nested more than 200 levels deep, at which Python up to 3.8 may abort."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > DEEPEST:
            raise ValueError("it is nested more than %d levels deep" % DEEPEST)
    return json.loads(text, **options)


def read_sidecar(path):
    """The record of `path`, or {} when there is none or it cannot be read."""
    try:
        record = loads(sidecar_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict):
        return {}
    earlier = record.pop(EARLIER, None)
    if isinstance(earlier, dict):  # the process that wrote this was killed before or after it wrote the file itself
        with contextlib.suppress(OSError):
            return record if record.get("sha256") == digest(path) else earlier
    return record


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


def clear():
    """Remove what killed processes left half-written anywhere in BUILD; returns the number of files."""
    return sum(files.clear(base) for base, _, _ in os.walk(str(BUILD)))


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
