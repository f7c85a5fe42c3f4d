"""One measurement at a time on a machine, whoever starts it: a locked file at one path for all users.

Whoever holds the lock writes a note into the locked file. The folder is open to every user, so nothing here follows a link or
writes into a file that is not the lock's own.
"""
import contextlib
import datetime
import getpass
import json
import os
import stat
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
LONGEST_NOTE = 2000  # bytes


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

    Raises TimeoutError that says who holds the lock, for what and since when, and OSError when the file cannot be opened or
    is a link.
    """
    path = Path(str(path or lock_path()))
    descriptor = _acquire(path, wait)
    try:
        note = {"user": _user(), "pid": os.getpid(), "purpose": str(purpose)[:500], "since": time.time()}
        _write(descriptor, json.dumps(note).encode("ascii"))
        yield
    finally:
        with contextlib.suppress(OSError):
            _write(descriptor, b"")
        os.close(descriptor)  # which releases the lock


def _acquire(path, wait):
    """A descriptor of the locked file, within `wait` seconds; says who is waited for. Raises TimeoutError and OSError."""
    started, told = time.time(), None
    while True:
        descriptor = _open(path)
        if _taken(descriptor, path):
            break
        os.close(descriptor)
        note = holder(path) or {}
        left = started + wait - time.time()
        if left <= 0:
            raise TimeoutError("%s. Two measurements at once would both be wrong; try again when the lock is free. (It is %s)"
                               % (_describe(note), path))
        if told != (note.get("pid"), note.get("since")):
            told = note.get("pid"), note.get("since")
            print("Waiting, %.0f s at most: %s." % (left, _describe(note)), flush=True)
        time.sleep(min(0.1, left))
    if told:
        print("The timing lock is free after %.0f s." % (time.time() - started), flush=True)
    return descriptor


def _open(path):
    """A descriptor of the file, which is made if it is not there."""
    _make_folder(path.parent)
    try:
        try:
            descriptor = os.open(str(path), os.O_RDWR | NO_LINKS)  # Linux may refuse O_CREAT for a file of another user
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # somebody else was quicker
                made = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINKS, 0o666)
                if hasattr(os, "fchmod"):  # whatever the umask: every user of the machine has to be able to lock it
                    os.fchmod(made, 0o666)
                return made
            descriptor = os.open(str(path), os.O_RDWR | NO_LINKS)
    except OSError as error:
        raise OSError(error.errno, "the timing lock cannot be opened (%s). Remove it, or name another file in "
                      "WORKBOOK_TIMING_LOCK" % (error.strerror or error), str(path)) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError("%s is no file of its own, but a link to another or a device: somebody put it there. Remove it, or name "
                      "another file in WORKBOOK_TIMING_LOCK" % path)
    return descriptor


def _taken(descriptor, path):
    """Lock the file if nobody has; False also when the path has become another file meanwhile."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, LONGEST_NOTE + 1, os.SEEK_SET)  # one byte behind the note, which others have to read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    try:
        there, here = os.lstat(str(path)), os.fstat(descriptor)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def holder(path=None):
    """The note of whoever holds the lock: {"user", "pid", "purpose", "since"}, or None when there is none.

    A holder that was killed leaves its note behind: only taking the lock tells whether it is free.
    """
    try:
        descriptor = os.open(str(path or lock_path()), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINKS)
        try:
            note = json.loads(os.read(descriptor, LONGEST_NOTE).decode("ascii"))
        finally:
            os.close(descriptor)
        found = {"user": _plain(note["user"]), "pid": int(note["pid"]), "purpose": _plain(note["purpose"]),
                 "since": float(note["since"])}
        datetime.datetime.fromtimestamp(found["since"])
        return found
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _plain(text):
    """Another user's text, fit to be printed: no control characters, one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def _describe(note):
    if not note:
        return "a process that left no note holds the timing lock"
    since = datetime.datetime.fromtimestamp(note["since"]).strftime("%H:%M:%S")
    return "%s (process %s) holds the timing lock for %s since %s, %.0f s ago" % (
        note["user"], note["pid"], note["purpose"], since, max(time.time() - note["since"], 0))


def _make_folder(folder):
    """A folder in which every user may make files, and none may remove another's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        os.chmod(str(folder), 0o1777)


def _write(descriptor, text):
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _user():
    try:
        return getpass.getuser()
    except Exception:  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "?"
