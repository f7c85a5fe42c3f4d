"""Writing files atomically: a reader sees the old file or the whole new one, and nothing in between."""
import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic(path):
    """A context manager: a temporary path in the folder of `path`, moved to `path` if the block succeeds, else removed.

    A missing folder is made. Raises OSError as the file system does (no space left, read-only folder); `path` is then as
    it was.

        >>> with atomic("names.txt") as temporary:
        ...     _ = temporary.write_text("input_1")
        >>> Path("names.txt").read_text()
        'input_1'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".%s." % path.name, suffix=path.suffix, dir=str(path.parent))
    os.close(handle)
    try:
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # the mode of any new file; mkstemp's is private
        os.replace(name, str(path))
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
