"""Files that are whole or not there: written beside their place and moved to it."""
import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic(path):
    """Give a temporary path in the same folder; move it to `path` if the block succeeds, else remove it.

    Raises OSError as the file system does (no space left, read-only folder) with `path` untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".%s." % path.name, suffix=path.suffix, dir=str(path.parent))
    os.close(handle)
    try:
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp makes a private file, a result is an ordinary one
        os.replace(name, str(path))
    finally:
        if os.path.exists(name):
            os.unlink(name)


def write(path, data):
    """Write bytes or text (as UTF-8) to `path` atomically; returns the path."""
    data = data.encode("utf-8") if isinstance(data, str) else data
    with atomic(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)
