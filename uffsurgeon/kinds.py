"""What a file is, by its name and first bytes: for those that are given where a .pb, .uff or .onnx is wanted."""
import os
import re

_PRINTABLE = b"\t\n\r" + bytes(bytearray(range(32, 127)))
_FREEZE = "freeze it first, which makes a .pb whose weights are constants"
# kind: (what it is, what to do)
KINDS = {
    "uff": ("a .uff", "`uffsurgeon to-onnx` and `uffsurgeon check` take it"),
    "onnx": ("an ONNX model", "no tool of uffsurgeon reads one; start from the .pb or the .uff"),
    "graph": ("a TensorFlow graph (.pb)", "`uffsurgeon to-uff` makes a .uff of it"),
    "folder": ("a folder", "name the file in it"),
    "SavedModel": ("a SavedModel folder", _FREEZE),
    "saved_model.pb": ("the graph of a SavedModel, without its weights", "freeze the folder that it lies in"),
    "HDF5": ("a Keras file (HDF5)", _FREEZE),
    "zip": ("a zip archive, such as a .keras file or an .npz", "if it is a Keras model, " + _FREEZE),
    "LFS": ("a Git LFS pointer", "`git lfs pull` fetches the file itself"),
    "HTML": ("a web page", "a server answered with it instead of the file: download the file again, by its raw address"),
    "pbtxt": ("a graph as text (.pbtxt)", "write it as binary: tf.io.write_graph(graph_def, folder, name, as_text=False)"),
    "text": ("text", "a binary file was expected"),
    "empty": ("an empty file", "make or download it again"),
    "checkpoint": ("part of a TensorFlow checkpoint", _FREEZE),
    "gzip": ("a compressed archive", "unpack it"),
    "TFLite": ("a TensorFlow Lite model", "start from the model that it was made of"),
}


def kind(source):
    """A key of KINDS; "" for a file whose kind does not show.

    source: a path, or the first bytes of a file. Raises FileNotFoundError.

        >>> kind("box3d.pb"), kind("box3d.uff"), kind(b"version https://git-lfs.github.com/spec/v1")
        ('graph', 'uff', 'LFS')
    """
    start, name = source, ""
    if not isinstance(source, (bytes, bytearray, memoryview)):
        name = os.path.basename(str(source))
        if os.path.isdir(str(source)):
            return "SavedModel" if os.path.isfile(os.path.join(str(source), "saved_model.pb")) else "folder"
        with open(str(source), "rb") as stream:
            start = stream.read(1000)
    start = bytes(start[:1000])
    if re.search(r"\.ckpt|\.index$|\.data-\d+-of-\d+$|^checkpoint$", name):
        return "checkpoint"
    for found, first in (("HDF5", b"\x89HDF\r\n\x1a\n"), ("zip", b"PK\x03\x04"), ("gzip", b"\x1f\x8b"),
                         ("LFS", b"version https://git-lfs"), ("uff", b"\x08\x01\x10")):
        if start.startswith(first):
            return found
    if name == "saved_model.pb" or start.startswith(b"\x08\x01\x12"):
        return "saved_model.pb"
    if start[4:8] == b"TFL3":
        return "TFLite"
    if re.match(br"\x08[\x02-\x20][\x12:]", start):
        return "onnx"
    if not start:
        return "empty"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "HTML"
    if not start.strip(_PRINTABLE):
        return "pbtxt" if re.match(br"\s*(#.*\n\s*)*(node|graphs|descriptors|version\w*)\s*[:{]", start) else "text"
    return "graph" if re.match(br"\n[\x80-\xff]*[\x00-\x7f]\n", start) else ""


def mistake(source, wanted):
    """The sentence about a file that is not of the kind that is `wanted` ("graph", "uff" or "onnx"); "" if it may be.

    source: a path, or bytes. Raises FileNotFoundError.

        >>> mistake("box3d.pb", "uff")
        'box3d.pb is not a .uff, but a TensorFlow graph (.pb): `uffsurgeon to-uff` makes a .uff of it'
    """
    found = kind(source)
    if found in ("", wanted):
        return ""
    name = "the data" if isinstance(source, (bytes, bytearray, memoryview)) else source
    return "%s is not %s, but %s: %s" % ((name, KINDS[wanted][0].replace("TensorFlow", "frozen")) + KINDS[found])
