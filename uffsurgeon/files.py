"""Writing files atomically: a reader sees the old file or the whole new one, and nothing in between."""
import contextlib
import errno
import os
import re
import shutil
import socket
import time
import uuid
import zlib
from pathlib import Path

FULL = errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)
_TEMPORARY = re.compile(r"\..*\.wip-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{16}(\.[^.]*)?", re.S)
_DAY = 86400


@contextlib.contextmanager
def atomic(path):
    """A context manager: a temporary path in the folder of `path`, moved to `path` if the block succeeds, else removed.

    A missing folder is made. What a process that was killed left in the folder is removed (`clear`). Raises OSError as the
    file system does (read-only folder; no space left, with how much was written and how much is free); `path` is then as it
    was.

        >>> with atomic("names.txt") as temporary:
        ...     _ = temporary.write_text("input_1")
        >>> Path("names.txt").read_text()
        'input_1'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear(path.parent)
    suffix = path.suffix if len(path.suffix) < 20 else ""  # compilers and np.save look at it
    name = str(path.with_name(".%s.wip-%s-%d-%s%s" % (path.name[:40], _here(), os.getpid(), uuid.uuid4().hex[:16], suffix)))
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # with the mode of any new file
        yield Path(name)
        os.replace(name, str(path))
    except OSError as error:
        if error.errno in FULL:
            written = os.path.getsize(name) if os.path.exists(name) else 0
            free = shutil.disk_usage(str(path.parent)).free
            raise OSError(error.errno, "%s for %s: %.1f MB of it were written, %.1f MB are free" % (
                os.strerror(error.errno), path.name, written / 1e6, free / 1e6), str(path))
        if error.filename == name:
            raise OSError(error.errno, error.strerror, str(path))
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def clear(folder):
    """Remove the temporary files of `atomic` in `folder` whose writers are gone, for example killed; returns their number.

    A file of another machine or container, where the process cannot be asked for, is removed when it is a day old.

        >>> clear(".")
        0
    """
    removed, names = 0, []
    with contextlib.suppress(OSError):  # a folder that may be written, but not listed
        names = os.listdir(str(folder))
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if not found:
            continue
        path = os.path.join(str(folder), name)
        with contextlib.suppress(OSError):
            asked = os.name != "nt" and found.group(1) == _here()
            if not _alive(int(found.group(2))) if asked else os.lstat(path).st_mtime < time.time() - _DAY:
                os.unlink(path)
                removed += 1
    return removed


def write(path, data):
    """Write bytes, or text as UTF-8, to `path` atomically; returns the Path. Errors as atomic.

        >>> write("names.txt", "input_1").name
        'names.txt'
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    with atomic(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def _here():
    """Eight digits for where process numbers mean the same: this machine, and on Linux this container."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:  # boards from one image may share their name
            space = os.readlink("/proc/self/ns/pid") + stream.read()
    except (OSError, AttributeError):
        space = ""
    return "%08x" % (zlib.crc32((socket.gethostname() + space).encode("utf-8", "replace")) & 0xFFFFFFFF)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True
