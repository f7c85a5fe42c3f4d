"""Weights that an .onnx keeps in other files (external data): only those in the model's own folder are read.

An .onnx names such a file by a path. ONNX and ONNX Runtime of Python 3.6 to 3.8 follow ../ and links out of the folder, so that
any file of the reader's could be taken for weights.
"""
import mmap
import os

LOCATION = b"location"  # the key of the path, which every model with external data holds
ROOM = 200 << 20  # bytes that weights may take beyond ten times the files that they lie in


def load(model, path):
    """Read the weights of a ModelProto that lie in other files into it. Raises ValueError as `check`."""
    from onnx import external_data_helper

    check(model, path)
    if used(model):
        external_data_helper.load_external_data_for_model(model, os.path.dirname(os.path.abspath(str(path))))


def used(model):
    """Whether weights of a ModelProto lie in other files."""
    return any(True for _ in _tensors(model))


def check_file(path):
    """As `check`, for the .onnx at `path`. One without external data is not parsed; what is no ONNX is left to others."""
    import onnx

    if not os.path.getsize(str(path)):
        return
    with open(str(path), "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(LOCATION) < 0:
            return
        content = data[:]
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's DecodeError, of which there are several classes
        return
    check(model, path)


def check(model, path):
    """Raise ValueError unless all external data of a ModelProto lies in files below the folder of its file, `path`.

    The message names the tensor, and says what is wrong: an absolute path, one that leads out of the folder (by ../ or by a
    link), one where there is no file, an offset or a length that is no number; or that the weights together claim more than ten
    times what the files hold.
    """
    claimed, sizes = 0, {}
    folder = os.path.realpath(os.path.dirname(os.path.abspath(str(path))))
    for tensor in _tensors(model):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location, numbers = entries.get("location", ""), [entries.get(key, "0") for key in ("offset", "length")]
        wrong = _wrong(location, folder)
        if not wrong and not all(number.isdigit() and len(number) < 16 for number in numbers):
            wrong = "with the offset and the length %s" % numbers
        if wrong:
            raise ValueError("%s keeps weight %r in %r, %s; external data may only lie in the model's folder, %s"
                             % (path, tensor.name, location, wrong, folder))
        size = sizes.setdefault(location, os.path.getsize(os.path.join(folder, location)))
        claimed += min(int(numbers[1]) or size, size)
        if claimed > 10 * sum(sizes.values()) + ROOM:
            raise ValueError("%s: its weights take more than ten times the %d bytes of the files that they lie in"
                             % (path, sum(sizes.values())))


def _wrong(location, folder):
    """What is wrong with a location, or ""."""
    if os.path.isabs(location) or "\0" in location:
        return "an absolute path" if "\0" not in location else "which is no path"
    target = os.path.join(folder, location)
    if ".." in location.replace("\\", "/").split("/") or not os.path.realpath(target).startswith(os.path.join(folder, "")):
        return "which leads out of its folder"
    return "" if os.path.isfile(target) else "where there is no file"


def _tensors(message):
    """Every TensorProto below `message` whose values lie in another file: of initializers, attributes and inner graphs."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        for each in [value] if hasattr(value, "ListFields") else value:
            if each.DESCRIPTOR.name == "TensorProto":
                if each.data_location == each.EXTERNAL or each.external_data:
                    yield each
            else:
                for found in _tensors(each):
                    yield found
