"""uffparser without NVIDIA's libraries and without TensorFlow: downloads, stubs, the child process, recordings."""
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import uffparser
from uffparser import __main__, building, network, parsing, records, stubs
from uffsurgeon.uff import schema

ROOT = Path(__file__).resolve().parent.parent
UFF = ROOT / "tests" / "fixtures" / "uff"
LIBRARIES = ["%s.so.5" % name for name in building.LIBRARIES]
VERSION = "#define NV_TENSORRT_MAJOR %d //!< major\n#define NV_TENSORRT_MINOR %d\n#define NV_TENSORRT_PATCH %d\n"
needs_linux = pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="Linux on x86-64 only")
needs_gxx = pytest.mark.skipif(not building.shutil.which("g++"), reason="no g++")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty folder for parsers; nothing may be left in it when a setup fails."""
    folder = tmp_path / "parsers"
    monkeypatch.setenv("UFFPARSER_ROOT", str(folder))
    monkeypatch.setattr(building.sys, "platform", "linux")
    monkeypatch.setattr(building.platform, "machine", lambda: "x86_64")
    which = building.shutil.which
    monkeypatch.setattr(building.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else which(name))
    return folder


@pytest.fixture
def headers(tmp_path):
    """A folder that calls itself TensorRT 5.1.5's include folder."""
    folder = tmp_path / "tensorrt" / "include"
    folder.mkdir(parents=True)
    for name in ("NvInferPlugin.h", "NvUffParser.h"):
        (folder / name).write_text("")
    (folder / "NvInfer.h").write_text(VERSION % (5, 1, 5))
    return folder


@pytest.fixture
def jar(tmp_path):
    """A jar with files that are called as NVIDIA's."""
    path = tmp_path / "tensorrt.jar"
    with zipfile.ZipFile(str(path), "w") as archive:
        for name in LIBRARIES:
            archive.writestr("org/bytedeco/tensorrt/linux-x86_64/" + name, b"not a library " * 1000)
    return path


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def compile_fake(version):
    """In place of the compiler: a harness that prints this version."""
    return lambda major, work: program(work / "harness", "#!/bin/sh\necho %s\n" % version)


def refused(root, kind, *words, **how):
    """The sentence of a setup that fails, and leaves nothing behind."""
    with pytest.raises(kind) as caught:
        uffparser.setup("5.1.5", say=lambda text: None, **how)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence
    assert not root.exists() or not list(root.iterdir())
    return sentence


# What is wrong with a machine or a download


def test_versions_that_are_not_offered(root):
    with pytest.raises(ValueError, match="no TensorRT 8.2.3 here; there are 5.1.5 and 6.0.1"):
        uffparser.setup("8.2.3")


def test_another_machine(root, monkeypatch):
    monkeypatch.setattr(building.platform, "machine", lambda: "aarch64")
    refused(root, RuntimeError, "Linux on x86-64", "aarch64")


def test_no_compiler(root, monkeypatch):
    monkeypatch.setattr(building.shutil, "which", lambda name: None)
    refused(root, RuntimeError, "g++", "apt install")


def test_wrong_headers(root, headers, jar):
    refused(root, FileNotFoundError, "no folder", "v5.1.5", headers=str(headers) + "x", jar=jar)
    (headers / "NvUffParser.h").unlink()
    refused(root, ValueError, "has no NvUffParser.h", headers=headers, jar=jar)
    (headers / "NvInfer.h").write_text(VERSION % (6, 0, 1))
    (headers / "NvUffParser.h").write_text("")
    refused(root, ValueError, "of TensorRT 6.0.1, not 5.1.5", headers=headers.parent, jar=jar)


def test_headers_without_a_network(root, jar, tmp_path, monkeypatch):
    git = program(tmp_path / "bin" / "git", "#!/bin/sh\necho 'fatal: unable to access: Could not resolve host' >&2\nexit 128\n")
    monkeypatch.setenv("PATH", str(git.parent))
    refused(root, RuntimeError, "Could not resolve host", "--headers DIR", "v5.1.5", jar=jar)
    monkeypatch.setattr(building.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
    refused(root, RuntimeError, "git is not on PATH", "--headers DIR", jar=jar)


@pytest.mark.skipif(not building.shutil.which("git"), reason="no git")
def test_headers_are_fetched(root, headers, jar, tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.check_call(["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(headers.parent)] + list(arguments))

    git("init", "--quiet")
    git("config", "uploadpack.allowFilter", "true")
    git("add", ".")
    git("commit", "--quiet", "-m", "headers")
    git("tag", "v5.1.5")
    (headers / "NvInfer.h").write_text(VERSION % (6, 0, 1))
    git("commit", "--quiet", "-a", "-m", "a later version")
    monkeypatch.setattr(building, "REPOSITORY", headers.parent.as_uri())
    monkeypatch.setattr(building, "_compile", compile_fake(5105))
    folder = uffparser.setup("5.1.5", jar=jar, say=lambda text: None).folder
    assert sorted(path.name for path in (folder / "include").iterdir()) == ["NvInfer.h", "NvInferPlugin.h", "NvUffParser.h"]
    assert "MINOR 1" in (folder / "include" / "NvInfer.h").read_text()


@needs_gxx
def test_wrong_jars(root, headers, jar, tmp_path):
    refused(root, FileNotFoundError, "there is no file", headers=headers, jar=tmp_path / "absent.jar")
    whole = jar.read_bytes()
    jar.write_bytes(whole[:len(whole) // 2])
    refused(root, ValueError, "not a whole jar", "download it again", "68 MB", headers=headers, jar=jar)
    jar.write_bytes(b"<html>404</html>")
    refused(root, ValueError, "not a whole jar", headers=headers, jar=jar)
    with zipfile.ZipFile(str(jar), "w") as archive:
        archive.writestr("linux-x86_64/libnvinfer.so.6", b"")
    refused(root, ValueError, "has no libnvinfer.so.5", "org.bytedeco:tensorrt:5.1-1.5.1", headers=headers, jar=jar)
    jar.write_bytes(whole)
    refused(root, ValueError, "libnvinfer.so.5 is not a whole shared library", headers=headers, jar=jar)


def test_wrong_folders(root, headers, tmp_path):
    folder = tmp_path / "libraries"
    refused(root, FileNotFoundError, "no folder", headers=headers, folder=folder)
    folder.mkdir()
    refused(root, ValueError, "has no libnvinfer.so.5", headers=headers, folder=folder)
    (folder / "libnvinfer.so.6").write_text("")
    refused(root, ValueError, "it has libnvinfer.so.6, of another TensorRT", headers=headers, folder=folder)


def test_no_mvn(root, headers, tmp_path, monkeypatch):
    monkeypatch.setattr(building.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
    refused(root, RuntimeError, "mvn is not on PATH", "tensorrt-5.1-1.5.1-linux-x86_64-redist.jar", "--jar FILE",
            headers=headers)


def test_mvn_fails(root, headers, tmp_path, monkeypatch):
    mvn = program(tmp_path / "bin" / "mvn", "#!/bin/sh\necho '[ERROR] Unknown host'\necho '[ERROR] Re-run with -X'\nexit 1\n")
    monkeypatch.setenv("PATH", str(mvn.parent) + os.pathsep + os.environ["PATH"])
    refused(root, RuntimeError, "[ERROR] Unknown host", "--jar FILE", headers=headers)


def test_mvn_fetches(root, headers, jar, tmp_path, monkeypatch):
    mvn = program(tmp_path / "bin" / "mvn", "#!/bin/sh\nfor word; do\n  case $word in -DoutputDirectory=*)\n"
                                            "    cp '%s' \"${word#*=}/x.jar\";;\n  esac\ndone\n" % jar)
    monkeypatch.setenv("PATH", str(mvn.parent) + os.pathsep + os.environ["PATH"])
    monkeypatch.setattr(building, "_compile", compile_fake(5105))
    said = []
    assert uffparser.setup("5.1.5", headers=headers, say=said.append) == uffparser.find()
    assert "NVIDIA's licence" in said[0] and "computes nothing" in said[0]
    assert any("org.bytedeco:tensorrt:5.1-1.5.1:jar:linux-x86_64-redist" in line and "68 MB" in line for line in said)


def test_a_jar_of_another_patch_release(root, headers, jar, monkeypatch):
    monkeypatch.setattr(building, "_compile", compile_fake(5102))
    refused(root, ValueError, "calls itself version 5102", "5.1.5 is 5105", headers=headers, jar=jar)
    monkeypatch.setattr(building, "_compile", lambda major, work: program(
        work / "harness", "#!/bin/sh\necho 'error while loading shared libraries: libx.so' >&2\nexit 127\n"))
    refused(root, RuntimeError, "do not load", "libx.so", headers=headers, jar=jar)


def test_a_second_setup_does_nothing(root, headers, jar, monkeypatch):
    monkeypatch.setattr(building, "_compile", compile_fake(5105))
    assert uffparser.find() is None
    with pytest.raises(FileNotFoundError, match="workbook.py parser builds one"):
        uffparser.require()
    first = uffparser.setup("5.1.5", jar=jar, headers=headers, say=lambda text: None)
    assert first == uffparser.find("5.1.5") == uffparser.require() == ("5.1.5", root / "5.1.5")
    assert uffparser.find("6.0.1") is None
    monkeypatch.setattr(building, "_compile", lambda *given: pytest.fail("compiled again"))
    assert uffparser.setup("5.1.5", say=lambda text: None) == first
    assert [path.name for path in root.iterdir()] == ["5.1.5"]


def test_new_sources_need_no_new_download(root, headers, jar, monkeypatch):
    monkeypatch.setattr(building, "_compile", compile_fake(5105))
    uffparser.setup("5.1.5", jar=jar, headers=headers, say=lambda text: None)
    record = json.loads((root / "5.1.5" / "ready.json").read_text())
    record["sources"]["harness.cpp"] = "of an older workbook"
    (root / "5.1.5" / "ready.json").write_text(json.dumps(record))
    monkeypatch.setattr(building, "_download", lambda *given: pytest.fail("downloaded again"))
    monkeypatch.setattr(building, "_git", lambda *given: pytest.fail("fetched again"))
    uffparser.setup("5.1.5", say=lambda text: None)
    assert json.loads((root / "5.1.5" / "ready.json").read_text()) != record


def test_the_command(root, headers, tmp_path, capsys):
    assert __main__.main(["5.1.5", "--headers", str(headers), "--jar", str(tmp_path / "absent.jar")]) == 1
    assert "workbook: there is no file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "org.bytedeco:tensorrt:5.1-1.5.1:jar:linux-x86_64-redist, 68 MB" in said and "6.0-1.5.2" in said and "122 MB" in said


def test_the_launcher_hands_on_what_follows(root, headers, tmp_path, monkeypatch, capfd):
    monkeypatch.syspath_prepend(str(ROOT))
    import workbook

    monkeypatch.setattr(workbook, "environment", lambda python: python)
    monkeypatch.setattr(sys, "argv", ["workbook.py", "parser", "6.0.1", "--headers", str(headers), "--folder", str(tmp_path)])
    assert workbook.main() == 1
    assert "not 6.0.1" in capfd.readouterr().err or sys.platform != "linux"


# The stubs


@needs_linux
@needs_gxx
def test_stubs_are_what_a_library_wants(tmp_path):
    def gxx(*arguments):
        subprocess.check_call(["g++", "-x", "c", "-shared", "-fPIC", "-w"] + [str(each) for each in arguments])

    real, fake, stub = tmp_path / "real", tmp_path / "libnvinfer.so.5", tmp_path / "stub"
    real.mkdir()
    stub.mkdir()
    (real / "cuda.c").write_text("int cudaMalloc(void** p, long n) { return 7; }\nint cudaLaunchKernel(void) { return 7; }\n")
    (real / "cuda.map").write_text("libcudart.so.10.1 { global: *; };")
    gxx(real / "cuda.c", "-o", real / "libcudart.so.10.1", "-Wl,-soname,libcudart.so.10.1",
        "-Wl,--version-script=%s" % (real / "cuda.map"))
    (real / "dnn.c").write_text("int cudnnCreate(void** p) { return 7; }\n")
    gxx(real / "dnn.c", "-o", real / "libcudnn.so.7", "-Wl,-soname,libcudnn.so.7")
    (tmp_path / "user.c").write_text("int use(void) { void *p = 0, *q = 0; return cudaMalloc(&p, 8) + cudaLaunchKernel() "
                                     "+ cudnnCreate(&q) + (p && q ? 0 : 100); }\n")
    gxx(tmp_path / "user.c", "-o", fake, "-x", "none", real / "libcudart.so.10.1", real / "libcudnn.so.7")
    assert stubs.wanted(fake) == {"libcudart.so.10.1": {"cudaMalloc", "cudaLaunchKernel"}, "libcudnn.so.7": {"cudnnCreate"}}

    stubs.build(stub, [fake], building._run)
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).use())"
    done = subprocess.run([sys.executable, "-c", code, str(fake)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, LD_LIBRARY_PATH=str(stub)))
    assert done.stdout.strip() == b"0", done.stderr  # the memory is there, and nothing failed


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\0" * 90, b"\x7fELF\x01\x01\x01" + b"\0" * 90])
def test_no_library(data, tmp_path):
    path = tmp_path / "libnvinfer.so.5"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a whole shared library"):
        stubs.wanted(path)


@needs_linux
@needs_gxx
def test_a_library_that_is_cut_off(tmp_path):
    (tmp_path / "a.c").write_text("int f(void) { return 0; }\n")
    subprocess.check_call(["g++", "-x", "c", "-shared", "-fPIC", "-o", str(tmp_path / "a.so"), str(tmp_path / "a.c")])
    whole = (tmp_path / "a.so").read_bytes()
    (tmp_path / "a.so").write_bytes(whole[:-200])
    with pytest.raises(ValueError, match="not a whole shared library"):
        stubs.wanted(tmp_path / "a.so")


# The child process


def harness(root, body):
    """A parser whose harness is this shell script; $2 is the folder for its answer."""
    program(root / "5.1.5" / "harness", "#!/bin/sh\n" + body)
    (root / "5.1.5" / "ready.json").write_text("{}")


ANSWER = r"""cat > "$2/network" <<'END'
{"log": "a \"quoted\" warning", "severity": "WARNING"}
{"ok": true}
{"input": {"name": "x", "shape": [4, 2, 2], "dtype": "float32"}}
{"layer": "y", "type": "SCALE", "inputs": ["x"], "outputs": [{"name": "y", "shape": [4, 2, 2], "dtype": "float32"}], "settings": {"mode": 1}, "weights": {"shift": [4, 2, "float32"], "scale": [0, 0, "float32"]}}
{"output": {"name": "y", "shape": [4, 2, 2], "dtype": "float32"}}
END
printf '\0\0\0\0\0\0\200?\0\0\0@' > "$2/weights"
"""  # noqa: E501


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_what_comes_back_of_the_child(root):
    harness(root, ANSWER + 'printf "%s " "$@" > "%s/arguments"\n'.replace("%s/arguments", str(root / "arguments")))
    parsed = uffparser.parse(UFF / "box3d_mini" / "flatten.raw.uff", order="NCHW", plugins=True)
    assert (parsed.version, parsed.ok, parsed.log, parsed.aborted) == ("5.1.5", True, ['a "quoted" warning'], None)
    assert parsed.inputs == [("x", [4, 2, 2], "float32")] and parsed.outputs[0].name == "y"
    assert parsed.layers[0].weights["shift"].tolist() == [1, 2] and parsed.layers[0].weights["scale"].size == 0
    assert "5.1.5" in parsed.source and "here" in parsed.source
    words = (root / "arguments").read_text().split()
    assert words[2:8] == ["--plugins", "--input", "input_1", "NCHW", "3", "32"] and words[-1] == "confidence/Softmax"
    uffparser.parse(UFF / "box3d_mini" / "flatten.raw.uff", {"input_1": (8, 9, 3)}, ["out"], plugins=False, libraries=["l.so"])
    words = (root / "arguments").read_text().split()
    assert words[2] == "--library" and words[3].endswith("/l.so") and os.path.isabs(words[3])
    assert words[4:] == ["--input", "input_1", "NHWC", "8", "9", "3", "--output", "out"]


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_a_parser_that_ends_in_the_middle(root):
    path = UFF / "box3d_mini" / "flatten.raw.uff"
    harness(root, ANSWER + "printf '{\"layer\": \"cut o' >> \"$2/network\"\nkill -ABRT $$\n")
    parsed = uffparser.parse(path.read_bytes())
    assert parsed.aborted == "SIGABRT" and parsed.log and len(parsed.layers) == 1
    harness(root, "echo \"harness: x.h:3: Assertion 'f' failed.\" >&2\nkill -ABRT $$\n")
    assert uffparser.parse(path).aborted == "SIGABRT: x.h:3: Assertion 'f' failed."
    harness(root, "exec sleep 60\n")
    parsed = uffparser.parse(path, seconds=0.2)
    assert not parsed.ok and parsed.layers == [] and parsed.aborted == "no end after 0.2 s"
    harness(root, "echo 'l.so: undefined symbol' >&2\nexit 2\n")
    with pytest.raises(RuntimeError, match="undefined symbol"):
        uffparser.parse(path)


def test_what_parse_refuses(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="workbook.py parser 6.0.1"):
        uffparser.parse(UFF / "box3d_mini" / "flatten.raw.uff", tensorrt="6.0.1")
    harness(root, "exit 0\n")
    with pytest.raises(ValueError, match="NHWC and NCHW"):
        uffparser.parse(b"", order="NWHC")
    with pytest.raises(ValueError):
        uffparser.parse(b"no uff")
    with pytest.raises(FileNotFoundError, match="no .uff at"):
        uffparser.parse(tmp_path / "absent.uff", {}, [])


def test_the_interface_of_a_file():
    meta = schema.read(UFF / "box3d_mini" / "flatten.raw.uff")
    names = ["dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"]
    assert parsing.interface(meta) == ({"input_1": [32, 32, 3]}, names)
    assert parsing.interface(meta, "NCHW") == ({"input_1": [3, 32, 32]}, names)
    node = [each for each in meta.graphs[0].nodes if each.operation == "Input"][0]
    node.fields["shape"].i_list.val[1] = -1
    assert parsing.interface(meta)[0] == {"input_1": [6, 32, 3]}


# Recordings


FILES = sorted(records.FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recording_says_where_it_is_from_and_holds_no_weights(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["version"] == "5.1.5" and record["command"].startswith("python ") and len(record["date"]) == 10
    assert len(path.read_bytes()) < 20000
    for _, kind, _, _, _, weights in record["layers"]:
        assert kind in uffparser.onnx_layers.LAYERS
        for rule in weights.values():
            assert rule is None or isinstance(rule[0], str) and sorted(rule[1]) == list(range(len(rule[1])))


def test_recordings_are_found_by_file_and_options():
    keys = [tuple(json.loads(path.read_text())[key] for key in ("file", "order", "plugins", "l2norm")) for path in FILES]
    assert len(set(keys)) == len(keys) >= 20


def mini():
    return schema.read(UFF / "box3d_mini" / "flatten.raw.uff")


def test_the_fingerprint_is_of_everything_but_weights():
    first, other = records.fingerprint(mini()), mini()
    node = {node.id: node for node in other.graphs[0].nodes}
    reference = node["dense_1/kernel"].fields["values"].ref
    other.referenced_data[reference].blob = bytes(len(other.referenced_data[reference].blob))
    del other.descriptors[:]
    assert records.fingerprint(other) == first
    node["dense_1/MatMul"].id = "another"
    assert records.fingerprint(other) != first
    other = mini()
    for node in other.graphs[0].nodes:
        if node.id == "reshape_1/Reshape/shape/2":
            other.referenced_data[node.fields["values"].ref].blob = np.array([3], "<i4").tobytes()
    assert records.fingerprint(other) != first


def test_a_recording_gets_the_weights_of_the_file(tmp_path, monkeypatch):
    meta = mini()
    kernel = schema.array({node.id: node for node in meta.graphs[0].nodes}["block1_conv1/kernel"], meta)
    layer = network.Layer("c", "CONVOLUTION", ["input_1"], [network.Tensor("c", [4, 32, 32], "float32")], {},
                          {"kernel": kernel.transpose(3, 2, 0, 1).reshape(-1), "bias": np.zeros(0, "f4")})
    parsed = network.Parsed("5.1.5", True, ["a message"], [layer], [], [], None, "")
    record = records.record(parsed, meta, "2026-11-27", "python x.py")
    assert record["layers"][0][5] == {"kernel": ["block1_conv1/kernel", [3, 2, 0, 1], "float32"], "bias": None}
    (tmp_path / "c.json").write_text(json.dumps(record))
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    records._index.cache_clear()
    try:
        found = uffparser.recorded(UFF / "box3d_mini" / "flatten.raw.uff")
        assert found.log == ["a message"] and found.source == "recorded: TensorRT 5.1.5's UffParser, 2026-11-27"
        assert np.array_equal(found.layers[0].weights["kernel"], layer.weights["kernel"])
        with pytest.raises(LookupError, match="workbook.py parser builds one"):
            uffparser.recorded(UFF / "box3d_mini" / "flatten.raw.uff", order="NCHW")
    finally:
        records._index.cache_clear()
    layer.weights["kernel"] = layer.weights["kernel"] + 1
    with pytest.raises(ValueError, match="'c' are no constant of the file"):
        records.record(parsed, meta, "2026-11-27", "python x.py")
