"""Writing files atomically: a reader sees the old file or the whole new one, and nothing in between."""
import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path


@contextlib.contextmanager
def atomic(path):
    """A context manager: a temporary path in the folder of `path`, moved to `path` if the block succeeds, else removed.

    A missing folder is made. Raises OSError as the file system does (read-only folder; no space left, with how much was
    written and how much is free); `path` is then as it was.

        >>> with atomic("names.txt") as temporary:
        ...     _ = temporary.write_text("input_1")
        >>> Path("names.txt").read_text()
        'input_1'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = str(path.with_name(".%s.%s%s" % (path.name, uuid.uuid4().hex, path.suffix)))
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # with the mode of any new file
    try:
        yield Path(name)
        os.replace(name, str(path))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        written = os.path.getsize(name) if os.path.exists(name) else 0
        free = shutil.disk_usage(str(path.parent)).free
        raise OSError(errno.ENOSPC, "%s for %s: %.1f MB of it were written, %.1f MB are free" % (
            os.strerror(errno.ENOSPC), path.name, written / 1e6, free / 1e6), str(path))
    finally:
        if os.path.exists(name):
            os.unlink(name)


def write(path, data):
    """Write bytes, or text as UTF-8, to `path` atomically; returns the Path. Errors as atomic.

        >>> write("names.txt", "input_1").name
        'names.txt'
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    with atomic(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)
