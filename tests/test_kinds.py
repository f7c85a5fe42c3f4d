"""Files that are given where another kind is wanted: each is called what it is, with what to do."""
import io
import zipfile
from pathlib import Path

import pytest

from helpers import freeze, through_uff
from uffsurgeon import kinds, to_onnx, uff
from uffsurgeon.__main__ import main
from uffsurgeon.check import check

FIXTURES = Path(__file__).parent / "fixtures" / "uff" / "box3d_mini"
GRAPH, UFF = (FIXTURES / "flatten.pb").read_bytes(), (FIXTURES / "flatten.lrelu.uff").read_bytes()


def zipped(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return stream.getvalue()


# file name: (its bytes, its kind, words of the sentence)
FILES = {
    "lfs.pb": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 69688296\n", "LFS", "git lfs pull"),
    "page.pb": (b"\n<!DOCTYPE html><html><head>", "HTML", "raw address"),
    "xml.uff": (b"<?xml version='1.0'?><Error>", "HTML", "raw address"),
    "graph.pbtxt": (b'node {\n  name: "x"\n  op: "Placeholder"\n}\n', "pbtxt", "as_text=False"),
    "network.pbtxt": (b"version: 1\ndescriptor_core_version: 1\n", "pbtxt", "as text"),
    "notes.txt": (b"weights of Tuesday", "text", "binary"),
    "empty.pb": (b"", "empty", "again"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5", "Keras file"),
    "model.keras": (zipped("metadata.json", "config.json"), "zip", ".keras"),
    "arrays.npz": (zipped("a.npy"), "zip", ".npz"),
    "model.tar.gz": (b"\x1f\x8b\x08\x00rest", "gzip", "unpack"),
    "model.tflite": (b"\x1c\x00\x00\x00TFL3rest", "TFLite", "Lite"),
    "saved_model.pb": (b"\x08\x01\x12\x05\x0a\x03", "saved_model.pb", "folder"),
    "renamed.pb": (b"\x08\x01\x12\x05\x0a\x03", "saved_model.pb", "folder"),
    "model.ckpt-100.meta": (b"\x0a\x20\x12\x05", "checkpoint", "checkpoint"),
    "model.ckpt.data-00000-of-00001": (b"\x00\x01\x02", "checkpoint", "checkpoint"),
    "model.onnx": (b"\x08\x07\x12\x0auffsurgeon", "onnx", "ONNX model"),
    "frozen.pb": (GRAPH, "graph", "to-uff"),
    "network.uff": (UFF, "uff", "uffsurgeon check"),
}
KINDS = {"frozen.pb": "graph", "network.uff": "uff"}


@pytest.fixture(params=sorted(FILES))
def file(request, tmp_path):
    data, kind, words = FILES[request.param]
    (tmp_path / request.param).write_bytes(data)
    return tmp_path / request.param, kind, words


def test_what_it_is(file):
    path, kind, words = file
    assert kinds.kind(path) == kind
    for wanted in ("graph", "uff", "onnx"):
        said = kinds.mistake(path, wanted)
        assert said == "" if kind == wanted else str(path) in said and words in said


@pytest.mark.parametrize("command, wanted, status", [("to-uff", "graph", 1), ("to-onnx", "uff", 1), ("check", "uff", 2)])
def test_the_commands(file, command, wanted, status, capsys, tmp_path):
    path, kind, words = file
    made = str(tmp_path / "made")
    if kind != wanted:
        assert main([command, str(path)] + {"to-uff": ["-o", made], "to-onnx": [made], "check": []}[command]) == status
        error = capsys.readouterr().err
        assert error.startswith("error: %s is not a " % path) and words in error and error.count("\n") == 1
    assert not list(tmp_path.glob("made*"))


def test_the_functions(file):
    path, kind, words = file
    if kind != "graph":
        for read in (uff.from_tensorflow_frozen_model, through_uff.convert, freeze.load):
            with pytest.raises(ValueError, match="is not a frozen "):
                read(str(path))
    if kind != "uff":
        for read in (to_onnx.convert, check, through_uff.parse):
            with pytest.raises(ValueError, match="is not a .uff, but "):
                read(str(path))
    if kind not in ("graph", "HDF5", "zip"):
        with pytest.raises(ValueError, match="is not a frozen GraphDef .*, but "):
            freeze.freeze(path)
    if kind not in ("HDF5", "zip"):
        renamed = path.with_suffix(".keras")
        path.rename(renamed)
        with pytest.raises(ValueError, match="is not a Keras file, but"):
            freeze.freeze(renamed)


def test_a_zip_that_is_no_keras_file(tmp_path):
    (tmp_path / "x.keras").write_bytes(zipped("a.npy"))
    with pytest.raises(ValueError, match="another zip archive, with a.npy"):
        freeze.freeze(tmp_path / "x.keras")


def test_folders(tmp_path, capsys):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    for command in (["to-uff"], ["to-onnx", str(tmp_path / "x.onnx")], ["check"]):
        command.insert(1, str(tmp_path / "saved"))
        assert main(command) in (1, 2)
        assert "saved is not a" in open_error(capsys, "a SavedModel folder: freeze it")
        command[1] = str(tmp_path)
        assert main(command) in (1, 2)
        open_error(capsys, "a folder: name the file in it")
    with pytest.raises(FileNotFoundError, match="not a SavedModel"):
        freeze.freeze(tmp_path)


def open_error(capsys, words):
    error = capsys.readouterr().err
    assert words in error
    return error


def test_a_graph_that_is_not_the_box_network():
    with pytest.raises(ValueError, match="no node 'dimension/LeakyRelu'"):
        through_uff.convert(FIXTURES.parent / "ops" / "pad.pb")


def test_a_graph_whose_first_bytes_are_text_is_a_graph(tmp_path):
    """The length of its first node is written as "<"."""
    name = b"x" * 45
    data = b"\n<\n" + bytes(bytearray([len(name)])) + name + b"\x12\x0bPlaceholder"
    assert kinds.kind(data) == "graph" and kinds.mistake(data, "graph") == ""
