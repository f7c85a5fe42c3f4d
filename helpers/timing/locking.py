"""One measurement at a time on a machine, whoever starts it: a file lock on one path that all agree on."""
import contextlib
import datetime
import getpass
import inspect
import json
import os
import tempfile
import time
from pathlib import Path

import filelock

PATH = Path(os.environ.get("WORKBOOK_TIMING_LOCK") or os.path.join(tempfile.gettempdir(), "box3d-timing", "lock"))


@contextlib.contextmanager
def lock(what="a measurement", wait=0, path=None):
    """Hold the timing lock of this machine inside the block; yields the record of the holder.

    what: a few words for the person who has to wait. wait: seconds to wait for it at most. The operating system lets go
    of the lock when its holder ends, however it ends.

    Raises TimeoutError that says who holds it, for what and since when.
    """
    path = Path(str(path or PATH))
    _open_to_all(path)
    options = {"mode": 0o666} if "mode" in inspect.signature(filelock.FileLock).parameters else {}
    file_lock = filelock.FileLock(str(path), timeout=wait, **options)
    before = os.umask(0)  # the file has to be writable for every user of the board
    try:
        file_lock.acquire()
    except filelock.Timeout:
        raise TimeoutError("%s. Two measurements at once would both be wrong; try again when the lock is free. (It is %s)"
                           % (describe(holder(path)), path)) from None
    finally:
        os.umask(before)
    mine = {"user": _user(), "pid": os.getpid(), "what": what, "since": time.time()}
    try:
        _write(path, mine)
        yield mine
    finally:
        with contextlib.suppress(OSError):
            _holder_path(path).unlink()
        file_lock.release()


def holder(path=None):
    """Who holds the lock: {"user", "pid", "what", "since"}; None when nobody has left a note.

    Only a note: whether the lock is held, only taking it can tell.
    """
    try:
        found = json.loads(_holder_path(Path(str(path or PATH))).read_text())
        return found if {"user", "pid", "what", "since"} <= set(found) else None
    except (OSError, ValueError, TypeError):
        return None


def describe(found):
    """One clause about a holder."""
    if not found:
        return "a process that left no note holds the timing lock"
    since = datetime.datetime.fromtimestamp(found["since"]).strftime("%H:%M:%S")
    return "%s (process %s) holds the timing lock for %s since %s, %.0f s ago" % (
        found["user"], found["pid"], found["what"], since, max(time.time() - found["since"], 0))


def _open_to_all(path):
    """A folder of its own without the sticky bit: in /tmp itself Linux keeps others from opening one's files."""
    try:
        path.parent.mkdir(parents=True)
        os.chmod(str(path.parent), 0o777)
    except FileExistsError:
        pass


def _holder_path(path):
    return path.with_name(path.name + ".json")


def _write(path, record):
    note = _holder_path(path)
    temporary = note.with_name(note.name + ".%d" % os.getpid())
    temporary.write_text(json.dumps(record))
    os.chmod(str(temporary), 0o644)
    os.replace(str(temporary), str(note))


def _user():
    try:
        return getpass.getuser()
    except Exception:  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "?"
