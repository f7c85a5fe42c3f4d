"""JSON values with NumPy arrays in them, through a pipe: the length of the JSON text, the text, then each array's bytes."""
import json
import struct

import numpy as np

KEY = "__array__"  # in the JSON text an array is {KEY: [dtype, shape]}
LENGTH = struct.Struct("<Q")


def write(stream, value):
    """Write a value to a binary stream. Tuples are read as lists, NumPy's numbers as Python's, paths as text."""
    arrays = []

    def plain(item):
        if isinstance(item, np.generic):
            return item.item()
        if hasattr(item, "__fspath__"):
            return str(item)
        if not isinstance(item, np.ndarray) or item.dtype.hasobject:
            raise TypeError("a message holds JSON values and arrays of numbers, not %s" % type(item).__name__)
        arrays.append(item)
        return {KEY: [item.dtype.str, list(item.shape)]}

    text = json.dumps(value, default=plain).encode("ascii")
    stream.write(LENGTH.pack(len(text)) + text)
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def read(stream):
    """The next value of a binary stream. Raises EOFError where it ends."""
    def restored(found):
        if list(found) != [KEY]:
            return found
        dtype, shape = np.dtype(found[KEY][0]), found[KEY][1]
        data = _exactly(stream, dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
        return np.frombuffer(bytearray(data), dtype).reshape(shape)

    text = _exactly(stream, LENGTH.unpack(_exactly(stream, LENGTH.size))[0])
    return json.loads(text.decode("ascii"), object_hook=restored)


def _exactly(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the stream ends after %d of %d bytes" % (len(data), size))
    return data
