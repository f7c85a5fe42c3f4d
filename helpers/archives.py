"""Files of arrays that may come from elsewhere, .npz, .h5 and .keras: what they claim is checked before memory is taken.

A file of kilobytes can claim gigabytes, and an .h5 can name another file whose bytes it passes off as weights. h5py is imported
where a file is one of its own.
"""
import contextlib
import functools
import io
import operator
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from uffsurgeon import kinds

ROOT = Path(__file__).resolve().parent.parent
REFUSED = 3  # exit status of the process that checks
LONGEST_HEADER = 10000  # bytes that describe an array in an .npz; NumPy's own limit


def allowed(size):
    """Bytes that a file of `size` bytes may claim: ten times as many and 200 MB."""
    return 10 * size + 200 * 10 ** 6


def instead(path, wanted):
    """", but a Git LFS pointer: `git lfs pull` fetches ...": what a file is that is not of the kind `wanted`, else ""."""
    found = kinds.kind(path)
    return "" if found in ("", wanted) else ", but %s: %s" % kinds.KINDS[found]


def read_npz(path):
    """The arrays of an .npz, {name: array}, which must be of a float type. Nothing is unpickled.

    Raises FileNotFoundError, and ValueError with the file's name for anything else, also for arrays that claim more memory
    than `allowed`.
    """
    path = str(path)
    wrong = instead(path, "zip")
    if wrong:
        raise ValueError("%s is not a NumPy .npz archive%s" % (path, wrong))
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, os.path.getsize(path))
            found = {}
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    found[entry.filename[:-4] if entry.filename.endswith(".npy") else entry.filename] = _array(
                        stream, entry.filename, entry.file_size)
            return found
    except Exception as error:  # a damaged zip raises many, depending on where it ends
        raise ValueError("%s is not a NumPy .npz archive of weights: %s" % (path, reason(error))) from None


def check_zip(archive, size):
    """ValueError when the entries of a `zipfile.ZipFile` of `size` bytes claim more than `allowed`."""
    claimed = sum(entry.file_size for entry in archive.infolist())
    if claimed > allowed(size):
        raise ValueError("its %d bytes claim to hold %.1f GB" % (size, claimed / 1e9))


def _array(stream, name, size):
    """The array of an .npy of `size` bytes."""
    head = stream.read(12)
    length = int.from_bytes(head[8:10], "little") + 10 if head[6:7] == b"\1" else int.from_bytes(head[8:12], "little") + 12
    if head[:6] != b"\x93NUMPY" or head[6:8] not in (b"\1\0", b"\2\0"):
        raise ValueError("its entry %.80r is not an .npy" % name)
    if length > LONGEST_HEADER:
        raise ValueError("the header of %.80r has %d bytes" % (name, length))
    read = np.lib.format.read_array_header_1_0 if head[6:7] == b"\1" else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(io.BytesIO((head + stream.read(length - 12))[8:]))
    if dtype.kind != "f":
        raise ValueError("%.80r is of type %s, not of floating point numbers" % (name, dtype))
    if _count(shape) * dtype.itemsize != size - length:
        raise ValueError("%.80r claims the shape %s of %s and has %d bytes" % (name, list(shape), dtype, size - length))
    return np.frombuffer(stream.read(size - length), dtype).reshape(shape, order="F" if fortran else "C")


def _count(shape):
    return functools.reduce(operator.mul, shape, 1)  # np.prod overflows


@contextlib.contextmanager
def open_h5(path):
    """An `h5py.File`, open for reading, that `check` has passed. Raises OSError and ValueError."""
    import h5py

    check(path)
    with h5py.File(str(path), "r") as archive:
        yield archive


def check(path):
    """ValueError for an .h5 or .keras file that `check_h5` refuses, or that makes HDF5 crash, loop or fill the memory.

    HDF5 does that with some damaged files, so a process of its own, with limits, reads all that the file holds.
    """
    path, size = os.path.abspath(str(path)), os.path.getsize(str(path))
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    try:
        found = subprocess.run([sys.executable, "-m", __name__, path], env=env, cwd=str(ROOT), timeout=60 + size / 1e6,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        raise ValueError("HDF5 does not come to an end with it") from None
    if found.returncode == REFUSED:
        raise ValueError(found.stdout.decode("utf-8", "replace").strip())
    if found.returncode < 0:
        raise ValueError("HDF5 ends the process that reads it, or needs too long (signal %d)" % -found.returncode)
    if found.returncode:
        raise RuntimeError("the check of %s did not run: %s" % (path, found.stderr.decode("utf-8", "replace").strip()[-300:]))


def _limit(size):
    """Limit this process to what a file of `size` bytes may take: memory as `allowed`, and seconds of the processor."""
    try:
        import resource

        with open("/proc/self/statm") as stream:
            mapped = int(stream.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime) + 3 + size // 20000000
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (mapped + allowed(size),) * 2)


def _read_all(path):
    """Read all that an .h5 or .keras file holds, once. Raises ValueError for what is refused, and whatever else h5py raises."""
    import h5py

    size = os.path.getsize(path)
    _limit(size)
    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r") as archive:
            return check_h5(archive, size)
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, size)
        for entry in archive.infolist():
            data = archive.read(entry)
            if entry.filename.endswith(".h5"):
                with h5py.File(io.BytesIO(data), "r") as weights:
                    check_h5(weights, len(data))


def check_h5(archive, size):
    """Read all values of an open `h5py.File` of `size` bytes.

    ValueError for what no Keras writes (links and data outside of the file, virtual datasets, soft links, types other than
    numbers and text), and for claims of more memory than `allowed`.
    """
    import h5py

    kinds_of_numbers = h5py.h5t.FLOAT, h5py.h5t.INTEGER, h5py.h5t.STRING, h5py.h5t.ENUM, h5py.h5t.OPAQUE
    claimed = [0]

    def claim(name, kind, shape, most=0):
        if kind.get_class() not in kinds_of_numbers:
            raise ValueError("%.80r is neither numbers nor text" % name)
        text = kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()
        # A text counts as its reference: while it is read, the limit on this process's memory bounds it.
        claimed[0] += (16 if text else kind.get_size()) * max(_count(shape or ()), most)
        if claimed[0] > allowed(size):
            raise ValueError("its %d bytes claim to hold %.1f GB" % (size, claimed[0] / 1e9))

    def link(name, info):
        return None if info.type == h5py.h5l.TYPE_HARD else name

    def item(name, found):
        for key in found.attrs:
            attribute = h5py.h5a.open(found.id, key.encode("utf-8", "surrogateescape"))
            claim("%s of %s" % (key, name), attribute.get_type(), attribute.shape)
            found.attrs[key]
        if isinstance(found, h5py.Dataset):
            plan = found.id.get_create_plist()
            if plan.get_external_count() or plan.get_layout() == getattr(h5py.h5d, "VIRTUAL", -1):
                raise ValueError("the values of %.80r lie in another file" % name)
            chunk = plan.get_chunk() if plan.get_layout() == h5py.h5d.CHUNKED else ()
            claim(name, found.id.get_type(), found.id.shape, _count(chunk))
            found[()]

    elsewhere = archive.id.links.visit(link, info=True)
    if elsewhere is not None:
        raise ValueError("%.80r is a link, and may lead to another file" % elsewhere.decode("utf-8", "replace"))
    item("/", archive["/"])
    archive.visititems(item)


def reason(error):
    """The words of an exception that a library raised of a hostile file; they may be missing, or long."""
    return "%.300s" % (str(error) or type(error).__name__)


if __name__ == "__main__":
    try:
        _read_all(sys.argv[1])
    except ImportError:
        raise
    except Exception as error:
        sys.stdout.buffer.write(reason(error).encode("utf-8", "replace"))
        sys.exit(REFUSED)
