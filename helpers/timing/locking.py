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

from .. import artifacts

NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
LONGEST_NOTE = 8000  # bytes
NOTE_IS_LATE = 1  # seconds, after which it is said that there is none


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

    Raises TimeoutError that says who holds the lock, for what and since when, and OSError when the file cannot be opened, is
    a link or another file than a lock, or lies in a folder in which every user may replace it.
    """
    path = Path(str(path or lock_path()))
    descriptor = _acquire(path, wait)
    try:
        note = {"user": _user()[:100], "pid": os.getpid(), "purpose": str(purpose)[:500], "since": time.time()}
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
            _write(descriptor, json.dumps(note).encode("ascii"))
        yield
    finally:
        with contextlib.suppress(OSError):
            _write(descriptor, b"")
        os.close(descriptor)  # which releases the lock


def _acquire(path, wait):
    """A descriptor of the locked file, within `wait` seconds; says who is waited for. Raises TimeoutError and OSError."""
    started, told, unknown = time.time(), None, None
    while True:
        descriptor = _open(path)
        try:
            if _taken(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        note = holder(path) or {}
        left = started + wait - time.time()
        if left <= 0:
            raise TimeoutError("%s. Two measurements at once would both be wrong; try again when the lock is free. (It is %s)"
                               % (_describe(note), path))
        unknown = None if note else unknown or time.time()  # whoever has just taken the lock has yet to write the note
        if told != (note.get("pid"), note.get("since")) and (note or time.time() - unknown > NOTE_IS_LATE):
            told = note.get("pid"), note.get("since")
            print("Waiting, %.0f s at most: %s." % (left, _describe(note)), flush=True)
        time.sleep(min(0.1, left))
    if told:
        print("The timing lock is free after %.0f s." % (time.time() - started), flush=True)
    return descriptor


def _open(path):
    """A descriptor of the file, which is made if it is not there."""
    folder = _open_folder(path.parent)
    try:
        descriptor = _open_in(folder, path)
        try:
            _check_own(descriptor, path, folder is not None and _is_open_to_others(os.fstat(folder)))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    finally:
        if folder is not None:
            os.close(folder)


def _open_folder(folder):
    """A descriptor of the folder, which is made if it is not there; None where the system has no such descriptors (Windows).

    The file is opened in it, and not by its path, in which somebody may put another folder meanwhile.
    """
    try:
        folder.mkdir(parents=True)
        made = True
    except FileExistsError:
        made = False
    except OSError as error:
        raise _refusal(error, folder) from None
    if os.open not in os.supports_dir_fd:
        return None
    if folder.is_symlink() and os.lstat(str(folder)).st_uid in (0, os.getuid()):
        folder = folder.resolve()  # /var/lock is such a link; one of another user's is refused below
    try:
        descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | NO_LINKS)
    except OSError as error:
        raise _refusal(error, folder) from None
    found = os.fstat(descriptor)
    if found.st_uid == os.getuid() and (made or found.st_mode & 0o1002 == 0o002):
        # Whatever the umask: every user may make files, and none may remove another's.
        os.fchmod(descriptor, 0o1777 if made else stat.S_IMODE(found.st_mode) | 0o1000)
    elif found.st_mode & 0o1002 == 0o002:
        os.close(descriptor)
        raise OSError("in the folder %s every user may replace the timing lock, because its sticky bit is not set. Remove it, "
                      "or name a file elsewhere in WORKBOOK_TIMING_LOCK" % folder)
    return descriptor


def _open_in(folder, path):
    name, flags = (str(path), 0) if folder is None else (path.name, os.O_NONBLOCK | os.O_NOCTTY)  # a pipe does not block
    flags |= os.O_RDWR | NO_LINKS
    try:
        try:
            return os.open(name, flags, dir_fd=folder)  # Linux may refuse O_CREAT for a file of another user
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # somebody else was quicker
                return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
            return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise _refusal(error, path) from None


def _is_open_to_others(folder):
    return folder.st_uid not in (0, os.getuid()) or bool(folder.st_mode & 0o022)


def _check_own(descriptor, path, shared):
    """Raise OSError unless `lock` made the file, which is written to. shared: other users may write in its folder."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise OSError("%s is no file of its own, but a link to another or a device: somebody put it there. Remove it, or name "
                      "another file in WORKBOOK_TIMING_LOCK" % path)
    if not hasattr(os, "fchmod"):
        return
    if found.st_uid == os.getuid() and not found.st_size:
        os.fchmod(descriptor, 0o666)  # new, or its maker was interrupted. Every user of the machine has to be able to lock it
    elif shared and found.st_mode & 0o666 != 0o666:  # somebody may have moved another file there
        raise OSError("%s has the mode %o, and a timing lock is open to every user: it is another file. Remove it, or name "
                      "another file in WORKBOOK_TIMING_LOCK" % (path, stat.S_IMODE(found.st_mode)))


def _refusal(error, path):
    return OSError(error.errno, "the timing lock cannot be opened (%s). Remove it, or name another file in "
                   "WORKBOOK_TIMING_LOCK" % (error.strerror or error), str(path))


def _taken(descriptor, path):
    """Lock the file if nobody has; False also when the path has become another file meanwhile."""
    try:
        if not artifacts.take_lock(descriptor, byte=LONGEST_NOTE + 1):  # behind the note, which others have to read
            return False
    except OSError as error:
        raise OSError(error.errno, "the timing lock cannot be taken (%s). Name a file on another file system in "
                      "WORKBOOK_TIMING_LOCK" % (error.strerror or error), str(path)) from None
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
            note = artifacts.loads(os.read(descriptor, LONGEST_NOTE).decode("ascii"))
        finally:
            os.close(descriptor)
        found = {"user": _plain(note["user"]), "pid": int(note["pid"]), "purpose": _plain(note["purpose"]),
                 "since": float(note["since"])}
        datetime.datetime.fromtimestamp(found["since"])
        return found
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
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


def _write(descriptor, text):
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _user():
    try:
        return getpass.getuser()
    except Exception:  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "?"
