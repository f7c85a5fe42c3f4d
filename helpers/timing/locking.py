"""One measurement at a time on a machine, whoever starts it: a file lock at one path for all users."""
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


def lock_path():
    """The path of the lock: the environment variable WORKBOOK_TIMING_LOCK, else a file in a folder of its own in the
    system's temporary folder."""
    return Path(os.environ.get("WORKBOOK_TIMING_LOCK") or os.path.join(tempfile.gettempdir(), "box3d-timing", "lock"))


@contextlib.contextmanager
def lock(purpose="a measurement", wait=0, path=None):
    """Hold the timing lock of this machine inside the block.

    purpose: a few words for whoever has to wait. wait: seconds to wait for the lock at most; whoever waits reads who holds
    the lock, for what and since when, again when that changes. path: by default `lock_path()`. The operating system releases
    the lock when its holder ends, however it ends.

    Raises TimeoutError that says who holds the lock, for what and since when.
    """
    path = Path(str(path or lock_path()))
    _make_folder(path.parent)
    options = {"mode": 0o666} if "mode" in inspect.signature(filelock.FileLock).parameters else {}
    file_lock = filelock.FileLock(str(path), timeout=wait, **options)
    umask = os.umask(0)  # every user of the board has to be able to write the file
    try:
        _acquire(file_lock, wait, path)
    except filelock.Timeout:
        raise TimeoutError("%s. Two measurements at once would both be wrong; try again when the lock is free. (It is %s)"
                           % (_describe(holder(path)), path)) from None
    finally:
        os.umask(umask)
    try:
        _write_note(path, {"user": _user(), "pid": os.getpid(), "purpose": purpose, "since": time.time()})
        yield
    finally:
        with contextlib.suppress(OSError):
            _note_path(path).unlink()
        file_lock.release()


def _acquire(file_lock, wait, path):
    """Take the lock within `wait` seconds, and say who is waited for. Raises filelock.Timeout."""
    end, told, started = time.time() + wait, None, time.time()
    while True:
        try:
            file_lock.acquire(timeout=min(2.0, max(end - time.time(), 0)) if told else 0)
            break
        except filelock.Timeout:
            if time.time() >= end:
                raise
        note = holder(path) or {}
        if told != (note.get("pid"), note.get("since")):
            told = note.get("pid"), note.get("since")
            print("Waiting, %.0f s at most: %s." % (end - time.time(), _describe(note)), flush=True)
    if told:
        print("The timing lock is free after %.0f s." % (time.time() - started), flush=True)


def holder(path=None):
    """The note of whoever holds the lock: {"user", "pid", "purpose", "since"}, or None when there is none.

    A holder that was killed leaves its note behind: only taking the lock tells whether it is free.
    """
    try:
        note = json.loads(_note_path(Path(str(path or lock_path()))).read_text())
        return note if {"user", "pid", "purpose", "since"} <= set(note) else None
    except (OSError, ValueError, TypeError):
        return None


def _describe(note):
    if not note:
        return "a process that left no note holds the timing lock"
    since = datetime.datetime.fromtimestamp(note["since"]).strftime("%H:%M:%S")
    return "%s (process %s) holds the timing lock for %s since %s, %.0f s ago" % (
        note["user"], note["pid"], note["purpose"], since, max(time.time() - note["since"], 0))


def _make_folder(folder):
    """A folder without the sticky bit: in /tmp itself Linux keeps users from opening each other's files."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        os.chmod(str(folder), 0o777)


def _note_path(path):
    return path.with_name(path.name + ".json")


def _write_note(path, note):
    temporary = path.with_name(path.name + ".json.%d" % os.getpid())
    temporary.write_text(json.dumps(note))
    os.chmod(str(temporary), 0o644)
    os.replace(str(temporary), str(_note_path(path)))


def _user():
    try:
        return getpass.getuser()
    except Exception:  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "?"
