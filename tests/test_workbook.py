"""The launcher: chooses a stack, makes, repairs and links an environment, and reports what is wrong in a sentence."""
import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import workbook  # noqa: E402

INFO = dict(version=(3, 11, 4), machine="x86_64", venv=True, bits=64, base=sys.executable, python="python",
            gpu_stack=None, stack="current", jetson=False)


@pytest.fixture(scope="module")
def quick_base(tmp_path_factory):
    """An interpreter whose `-m venv FOLDER` copies an environment that was made once, with an empty pip."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", str(folder / "made")])
    site, = (folder / "made").glob("lib/*/site-packages") if os.name != "nt" else (folder / "made").glob("Lib/site-packages")
    (site / "pip.py").write_text("")
    base = folder / "python"
    base.write_text("#!/bin/sh\n[ \"$1 $2\" = '-m venv' ] || exit 1\n"
                    "mkdir -p \"${3%%/*}\" && exec cp -R '%s' \"$3\"\n" % (folder / "made"))
    base.chmod(0o755)
    return str(base) if os.name != "nt" else sys.executable


@pytest.fixture
def checkout(tmp_path, monkeypatch, quick_base):
    """An empty checkout with one small stack, and the list of pip's arguments instead of pip."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "current.txt").write_text("# pins\nsix==1.17.0\nh5py==3.14.0 ; sys_platform == 'linux'\n")
    monkeypatch.setattr(workbook, "ROOT", str(tmp_path))
    monkeypatch.setattr(workbook, "VENVS", str(tmp_path / ".venv"))
    monkeypatch.setattr(workbook, "inspect", lambda python: dict(INFO, python=python, base=quick_base))
    installed = []
    monkeypatch.setattr(workbook, "pip", lambda python, folder, arguments, count=0: installed.append(arguments))
    return tmp_path, installed


def run(python, code, **env):
    """Output of a piece of code, run in another folder than the checkout's."""
    env = dict({key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, **env)
    return subprocess.check_output([str(python), "-c", code], env=env, cwd=os.path.dirname(str(python)),
                                   universal_newlines=True).strip()


def test_an_environment_is_made_once(checkout):
    _, installed = checkout
    python = workbook.environment("python")
    assert subprocess.call([python, "-c", "pass"]) == 0
    assert installed[-1][0] == "--no-deps" and len(installed) == 1
    assert workbook.environment("python") == python and len(installed) == 1


def test_an_environment_made_before_is_linked_by_the_next_command(checkout, monkeypatch):
    """One of an older workbook, whose ready.json has neither "root" nor "names", and one of another checkout."""
    root, installed = checkout
    python = Path(workbook.environment("python"))
    (pth,) = root.glob(".venv/**/workbook.pth")
    ready = root / ".venv" / "py3.11" / "ready.json"
    wanted = json.loads(ready.read_text())
    for old in ({key: wanted[key] for key in ("pins", "base", "jetson")}, dict(wanted, root="/another"),
                dict(wanted, names="of another file")):
        pth.unlink()
        ready.write_text(json.dumps(old))
        assert workbook.environment("python") == str(python) and len(installed) == 1
        assert str(root) in run(python, "import sys; print(sys.path)") and json.loads(ready.read_text()) == wanted


@pytest.fixture(params=["checkout", "J\u00f6rgs Mappe"])
def linked(request, tmp_path, monkeypatch):
    """(folder of a small workbook, Python of a fresh environment that was linked to it)."""
    room = tmp_path / request.param
    try:
        room.mkdir()
    except UnicodeEncodeError:
        pytest.skip("this file system does not take such names")
    (room / "helpers.py").write_text("")
    shutil.copytree(str(ROOT / "uffsurgeon"), str(room / "uffsurgeon"), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(str(ROOT / "workbook.py"), str(room))
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "own")])
    python = workbook.venv_python(str(tmp_path / "own"))
    out = subprocess.check_output([sys.executable, str(room / "workbook.py"), "link", "--python", python])
    assert b"workbook.pth" in out
    return room, python


@pytest.mark.parametrize("env", [{}, {"LC_ALL": "C"}])
def test_link_lets_a_python_find_the_workbook_from_any_folder(linked, env):
    room, python = linked
    code = ("import helpers, importlib.util as u, os\n"
            "print(os.path.isfile(helpers.__file__), u.find_spec('graphsurgeon') is not None, u.find_spec('uff') is not None)")
    assert run(python, code, **env) == "True True True"


def test_link_leaves_nvidia_s_packages_in_front(linked):
    room, python = linked
    site = run(python, "import sysconfig; print(sysconfig.get_paths()['purelib'])")
    Path(site, "uff.py").write_text("owner = 'NVIDIA'")
    assert run(python, "import uff; print(uff.owner)") == "NVIDIA"
    room.rename(room.parent / "moved")
    assert run(python, "import importlib.util as u; print(u.find_spec('graphsurgeon'))") == "None"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_link_says_when_it_may_not_write(linked):
    room, python = linked
    site = run(python, "import sysconfig; print(sysconfig.get_paths()['purelib'])")
    os.chmod(site, 0o555)
    with pytest.raises(workbook.Stop, match="environment of your own"):
        workbook.link(python)


def test_other_pins_are_installed_into_the_same_environment(checkout):
    root, installed = checkout
    workbook.environment("python")
    (root / "requirements" / "current.txt").write_text("six==1.16.0\n")
    workbook.environment("python")
    assert len(installed) == 2


def test_an_interrupted_set_up_is_taken_up_again(checkout, monkeypatch):
    _, installed = checkout

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workbook, "pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            workbook.environment("python")
    assert not installed
    workbook.environment("python")
    assert len(installed) == 1


def test_a_broken_environment_is_made_anew(checkout):
    root, installed = checkout
    python = Path(workbook.environment("python"))
    python.unlink()
    python.write_text("#!/bin/false\n")
    assert subprocess.call([workbook.environment("python"), "-c", "import pip"]) == 0
    assert len(installed) == 2


def test_a_full_disk_is_reported_before_anything_is_made(checkout, monkeypatch):
    root, _ = checkout
    monkeypatch.setattr(workbook.shutil, "disk_usage", lambda path: workbook.shutil._ntuple_diskusage(9e9, 8e9, 1e9))
    with pytest.raises(workbook.Stop, match="only 1.0 GB of disk space are free"):
        workbook.environment("python")
    assert not (root / ".venv").exists()


@pytest.mark.parametrize("changes, words", [
    (dict(version=(3, 9, 1), stack=None), "3.9.1 is not supported"),
    (dict(version=(2, 7, 18), stack=None), "3.6, 3.8 and 3.10 to 3.13"),
    (dict(bits=32), "32-bit"),
    (dict(venv=False), "sudo apt install python3.11-venv"),
])
def test_an_unusable_interpreter_is_refused_with_what_to_do(changes, words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["workbook.py", "run"])
    monkeypatch.setattr(workbook, "works", os.path.exists)  # starting every Python of the machine takes seconds
    with pytest.raises(workbook.Stop, match=words):
        workbook.check(dict(INFO, **changes))


@pytest.mark.parametrize("version, stack", [((3, 6), "jetpack4"), ((3, 8), "jetpack5"), ((3, 10), "current"),
                                            ((3, 13), "current"), ((3, 7), None), ((3, 14), None)])
def test_each_python_has_its_stack(version, stack):
    assert workbook.STACKS.get(version) == stack


@pytest.mark.parametrize("changes, words", [
    (dict(stack="gpu_uff", version=(3, 12, 1)), "needs Python 3.9 to 3.11, because of TensorFlow 2.15 and"),
    (dict(stack="gpu", version=(3, 8, 10)), "needs Python 3.10 to 3.13, because of TensorFlow 2.21"),
    (dict(stack="gpu", machine="aarch64"), "is for Linux on x86-64 with an NVIDIA GPU, and this is .* on aarch64"),
    (dict(stack="gpu", jetson=True), "this is a Jetson. Leave --stack out"),
    (dict(stack="gpus"), "there is no stack gpus .*; there are gpu and gpu_uff"),
])
def test_a_stack_that_does_not_fit_is_refused_with_the_reason(changes, words, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    info = dict(INFO, version=(3, 11, 7), machine="x86_64", jetson=False)
    workbook.check(dict(info, stack="gpu_uff", gpu_stack="gpu_uff"))
    with pytest.raises(workbook.Stop, match=words):
        workbook.check(dict(info, gpu_stack=changes["stack"], **changes))


def test_a_stack_for_a_gpu_has_an_environment_of_its_own(monkeypatch):
    monkeypatch.delenv("WORKBOOK_STACK", raising=False)
    plain = workbook.inspect(sys.executable)
    monkeypatch.setenv("WORKBOOK_STACK", "gpu")
    chosen = workbook.inspect(sys.executable)
    assert chosen["stack"] == "gpu" and workbook.venv_folder(chosen) == workbook.venv_folder(plain) + "-gpu"


@pytest.mark.parametrize("name", workbook.GPU_STACKS)
def test_the_pins_of_a_stack_for_a_gpu_serve_all_its_pythons(name):
    lines = (ROOT / "requirements" / (name + ".txt")).read_text().splitlines()
    for version in workbook.GPU_STACKS[name][0]:
        here = "%d.%d" % version
        for package in ("tensorflow", "jupyterlab", "nvidia-cudnn-cu12"):
            pins = [line for line in lines if line.startswith(package + "==")]
            assert len(pins) == 1 or sum(marker_holds(line, here) for line in pins) == 1, (package, here)


def marker_holds(line, version):
    from packaging.markers import Marker

    return Marker(line.split(" ; ")[1]).evaluate({"python_version": version, "python_full_version": version + ".9"})


def test_a_program_that_is_not_python_is_refused():
    with pytest.raises(workbook.Stop, match="--python PATH"):
        workbook.inspect(str(ROOT / "no_such_python"))
    with pytest.raises(workbook.Stop, match="--python PATH"):
        workbook.inspect("false" if os.name != "nt" else "where")


def test_inspect_describes_this_python():
    info = workbook.inspect(sys.executable)
    assert info["version"][:2] == sys.version_info[:2] and info["bits"] == 64


FAKE_PIP = """import sys
print("Collecting six==1.17.0")
print(%r)
sys.exit(1)
"""


@pytest.mark.parametrize("output, words", [
    ("WARNING: Retrying: NewConnectionError: Temporary failure in name resolution", "package index cannot be reached"),
    ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk became full"),
    ("ERROR: No matching distribution found for six==1.17.0", "No matching distribution found for six"),
])
def test_pip_s_failures_become_a_sentence(tmp_path, output, words):
    package = tmp_path / "fake" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(FAKE_PIP % output)
    script = tmp_path / "python.sh"
    script.write_text("#!/bin/sh\nPYTHONPATH=%s exec %s \"$@\"\n" % (tmp_path / "fake", sys.executable))
    script.chmod(0o755)
    with pytest.raises(workbook.Stop, match=words):
        workbook.pip(str(script), str(tmp_path), ["six"], 1)
    assert "Collecting six" in (tmp_path / "install.log").read_text()


def test_stops_are_printed_without_a_traceback(monkeypatch, capsys):
    def stop(python, rest):
        raise workbook.Stop("do this instead.")

    monkeypatch.setattr(workbook, "run", stop)
    monkeypatch.setattr(sys, "argv", ["workbook.py", "run"])
    assert workbook.main() == 1
    assert capsys.readouterr().err.strip() == "workbook: do this instead."


@pytest.mark.parametrize("error, code, words", [
    (KeyboardInterrupt(), 130, "continues"), (OSError(errno.ENOSPC, "full"), 1, "disk is full")])
def test_interrupts_and_a_full_disk_end_with_a_sentence(monkeypatch, capsys, error, code, words):
    def fail(python, rest):
        raise error

    monkeypatch.setattr(workbook, "run", fail)
    monkeypatch.setattr(sys, "argv", ["workbook.py", "run"])
    assert workbook.main() == code
    assert words in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_build_folder_that_cannot_be_written_is_found_first(tmp_path, monkeypatch):
    tmp_path.chmod(0o555)
    monkeypatch.setenv("WORKBOOK_BUILD", str(tmp_path / "build"))
    with pytest.raises(workbook.Stop, match="cannot be written .*belongs to .*WORKBOOK_BUILD"):
        workbook.check_writable()


def test_a_build_folder_where_a_file_stands_is_found_first(tmp_path, monkeypatch):
    (tmp_path / "build").write_text("")
    monkeypatch.setenv("WORKBOOK_BUILD", str(tmp_path / "build"))
    with pytest.raises(workbook.Stop, match="cannot be written .*git clone"):
        workbook.check_writable()


def test_without_a_home_settings_go_to_the_build_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "none"))
    monkeypatch.setenv("WORKBOOK_BUILD", str(tmp_path / "build"))
    for name in ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    found = workbook.surroundings()
    assert all(found[name].startswith(str(tmp_path / "build")) and os.path.isdir(found[name])
               for name in ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"))
    assert "cannot be written" in capsys.readouterr().out


def test_another_interpreter_of_the_same_version_uses_the_environment_that_is_there(checkout, monkeypatch):
    _, installed = checkout
    python = workbook.environment("python")
    described = workbook.inspect("python")
    monkeypatch.setattr(workbook, "inspect", lambda python: dict(described, base="/another/python3.11"))
    assert workbook.environment("python") == python and len(installed) == 1


def command(folder, *words, **env):
    """(status, everything printed) of the launcher as a program."""
    done = subprocess.run([sys.executable, str(folder / "workbook.py")] + list(words), env=dict(os.environ, **env),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


def test_clean_tells_what_it_frees_and_a_dry_run_deletes_nothing(tmp_path):
    shutil.copy(str(ROOT / "workbook.py"), str(tmp_path))
    for folder in ("build", ".venv", "my_notebooks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_bytes(b"x" * 60000000)
    there = lambda: {folder for folder in ("build", ".venv", "my_notebooks") if (tmp_path / folder / "file").exists()}
    env = {"WORKBOOK_BUILD": ""}
    assert command(tmp_path, "clean", "--dry-run", **env)[1].count("would remove") == 2 and len(there()) == 3
    assert "build, 0.1 GB" in command(tmp_path, "clean", "--build", **env)[1] and there() == {".venv", "my_notebooks"}
    assert command(tmp_path, "clean", **env)[0] == 0 and there() == {"my_notebooks"}
    assert command(tmp_path, "clean", "--everything", **env)[0] == 2


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_clean_empties_the_folder_of_a_link_and_spares_one_that_holds_more(tmp_path):
    place, disk = tmp_path / "place", tmp_path / "disk"
    (disk / "deep").mkdir(parents=True)
    place.mkdir()
    shutil.copy(str(ROOT / "workbook.py"), str(place))
    (place / "build").symlink_to(disk)
    (disk / "file").write_bytes(b"x")
    assert "removed" in command(place, "clean", "--build", WORKBOOK_BUILD="")[1]
    assert (place / "build").is_symlink() and not os.listdir(str(disk))
    for folder in (place, tmp_path, "/"):
        status, said = command(place, "clean", "--build", WORKBOOK_BUILD=str(folder))
        assert status and "holds more than what the workbook made" in said and (place / "workbook.py").exists()


@pytest.mark.parametrize("word", workbook.COMMANDS)
def test_each_command_has_help_that_changes_nothing(tmp_path, word):
    shutil.copy(str(ROOT / "workbook.py"), str(tmp_path))
    status, said = command(tmp_path, word, "--help")
    assert status == 0 and "usage:" in said and os.listdir(str(tmp_path)) == ["workbook.py"]


def test_python_2_is_refused_in_a_sentence():
    """Where there is none, at least the file has to stay readable for it as far as that sentence."""
    candidates = [shutil.which("python2.7")] + [str(path) for path in Path.home().glob(".pyenv/versions/2.7*/bin/python")]
    found = next((path for path in candidates if path and workbook.works(path)), None)  # pyenv's own python2.7 may do nothing
    if not found:
        pytest.skip("no Python 2 on this machine")
    done = subprocess.run([found, str(ROOT / "workbook.py"), "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 1 and done.stdout.startswith(b"workbook: Python 2.7 is not supported")
    assert b"\n" not in done.stdout.strip()


@pytest.mark.parametrize("version, words", [((3, 7, 1), "3.7.1 is not supported"), ((3, 9, 1), "3.9.1 is not supported")])
def test_doctor_names_a_python_that_is_not_supported(monkeypatch, capsys, version, words):
    monkeypatch.setattr(workbook, "inspect", lambda python: dict(INFO, version=version, stack=None))
    monkeypatch.setattr(workbook, "works", os.path.exists)
    assert workbook.doctor("python", []) == 1 and words in capsys.readouterr().err


@pytest.mark.parametrize("tensorflow", ["tensorflow", "tensorflow_gpu"])
def test_on_a_board_its_own_packages_are_not_installed_over(tmp_path, monkeypatch, tensorflow):
    pins = tmp_path / "pins.txt"
    pins.write_text("# head\ntensorflow==2.13.1 ; x\nnumpy==1.24.3\nsix==1.17.0\nprotobuf==3.20.3\n")
    board = tmp_path / "board"
    for name, requires in ((tensorflow, ["numpy>=1.2", "protobuf<4 ; python_version > '3'", "absent-thing"]),
                           ("numpy", []), ("protobuf", [])):
        info = board / (name + "-1.0.dist-info")
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n%s" % (
            name, "".join("Requires-Dist: %s\n" % line for line in requires)))
    monkeypatch.setenv("PYTHONPATH", str(board))
    assert workbook.pins_for(str(pins), sys.executable, dict(INFO, jetson=True)) == ["six==1.17.0"]
    assert len(workbook.pins_for(str(pins), sys.executable, INFO)) == 4


@pytest.mark.skipif(sys.version_info < (3, 8), reason="the way to see no other TensorFlow hides pkg_resources from Python 3.6")
def test_a_board_without_a_tensorflow_gets_the_numpy_that_ours_needs(tmp_path, monkeypatch):
    """Under emulation, Debian's NumPy 1.24 stayed because tensorrt requires NumPy, and matplotlib could not be imported."""
    pins = tmp_path / "pins.txt"
    pins.write_text("tensorflow==2.21.0\nnumpy==2.4.6\ntensorrt==1\n")
    board = tmp_path / "board"
    for name, requires in (("tensorrt", "Requires-Dist: numpy\n"), ("numpy", "")):
        info = board / (name + "-1.0.dist-info")
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n%s" % (name, requires))
    monkeypatch.setenv("PYTHONPATH", str(board))
    empty = [sys.executable, "-S"]
    call = subprocess.check_output
    monkeypatch.setattr(workbook.subprocess, "check_output", lambda command, **how: call(empty + command[1:], **how))
    assert workbook.pins_for(str(pins), sys.executable, dict(INFO, jetson=True)) == ["tensorflow==2.21.0", "numpy==2.4.6"]


@pytest.mark.skipif(sys.version_info < (3, 8), reason="Python 3.6 needs pkg_resources, which an empty environment lacks")
def test_what_the_environment_has_is_not_the_board_s(tmp_path, monkeypatch):
    """Else the workbook's own TensorFlow is taken for NVIDIA's when an environment is completed."""
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")])
    python = str(tmp_path / "env" / "bin" / "python")
    own = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).decode().strip()
    for folder, name in ((own, "tensorflow"), (str(tmp_path / "board"), "tensorrt")):
        os.makedirs(os.path.join(folder, name + "-1.5.dist-info"))
        with open(os.path.join(folder, name + "-1.5.dist-info", "METADATA"), "w") as stream:
            stream.write("Metadata-Version: 2.1\nName: %s\nVersion: 1.5\n" % name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "board"))
    assert workbook.board_packages(python) == {"tensorrt": "1.5"}


@pytest.mark.skipif(sys.version_info < (3, 8), reason="of the stack for Python 3.10 and later")
@pytest.mark.parametrize("version, onnx", [("2.16.1+nv24.8", "1.18.0"), ("2.21.0", "1.23.2"), (None, "1.23.2")])
def test_pins_that_go_with_the_tensorflow_of_the_board(tmp_path, monkeypatch, version, onnx):
    """onnx 1.23 and tf-keras 2.21 cannot be imported beside TensorFlow 2.16 and the protobuf 4 that it requires."""
    (tmp_path / "current.txt").write_text("onnx==1.23.2\ntf-keras==2.21.0\nsix==1.17.0\ntensorflow==2.21.0 ; x\n")
    shutil.copy(str(ROOT / "requirements" / "current_tensorflow2.16.txt"), str(tmp_path))
    if version:
        info = tmp_path / "tensorflow-2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: %s\n" % version)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    empty = [sys.executable, "-S"]  # no other TensorFlow than that
    for name in ("run", "check_output"):
        call = getattr(subprocess, name)
        monkeypatch.setattr(workbook.subprocess, name, lambda command, call=call, **how: call(empty + command[1:], **how))
    found = workbook.pins_for(str(tmp_path / "current.txt"), sys.executable, dict(INFO, jetson=True))
    assert "onnx==" + onnx in found and "six==1.17.0" in found
    assert any(line.startswith("tensorflow") for line in found) == (version is None)


def test_a_package_of_the_board_that_is_too_old_is_named_with_a_line_to_type(monkeypatch):
    said = ("matplotlib 3.11.2 has requirement numpy>=1.25, but you have numpy 1.21.5.\n"
            "launchpadlib 1.10 requires testresources, which is not installed.\n"
            "other 1.0 has requirement numpy>=1.25, but you have numpy 1.21.5.\n")
    monkeypatch.setattr(workbook.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1, stdout=said))
    found, = workbook.too_old("python", ["matplotlib==3.11.2", "onnx==1.23.2"])
    assert "numpy 1.21.5 stays" in found and found.endswith("python -m pip install 'numpy>=1.25'")


def test_doctor_installs_nothing(checkout, monkeypatch, capfd):
    root, installed = checkout
    (root / "helpers").mkdir()
    (root / "helpers" / "__init__.py").write_text("")
    (root / "helpers" / "machine.py").write_text("print('looked')")
    assert workbook.doctor(sys.executable, []) == 0
    assert "looked" in capfd.readouterr().out and not installed and not (root / ".venv").exists()


def test_the_launcher_needs_only_the_standard_library():
    code = "import sys; sys.path.insert(0, %r); import workbook" % str(ROOT)
    assert subprocess.call([sys.executable, "-I", "-S", "-c", code]) == 0


def test_ready_json_is_written_last(checkout, monkeypatch):
    root, _ = checkout
    monkeypatch.setattr(workbook, "pins_for", lambda *a: (_ for _ in ()).throw(RuntimeError("cut")))
    with pytest.raises(RuntimeError):
        workbook.environment("python")
    assert not list((root / ".venv").glob("*/ready.json"))


def wheel(folder, name, version):
    """A wheel written by hand, with one module that holds its version."""
    module, info = name.replace("-", "_"), "%s-%s.dist-info/" % (name.replace("-", "_"), version)
    with zipfile.ZipFile(str(folder / ("%s-%s-py3-none-any.whl" % (module, version))), "w") as archive:
        archive.writestr(module + ".py", "version = %r\n" % version)
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version))
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", "".join("%s,,\n" % member for member in archive.namelist()) + info + "RECORD,,\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 8), reason="fetches a newer pip first")
@pytest.mark.parametrize("options, found", [([], "None"), (["--with-tensorrt-rtx"], "2.0")])
def test_a_bundle_sets_itself_up_from_its_own_wheels(tmp_path, monkeypatch, options, found):
    """With the real pip and launcher. `index` is all that they can reach, and it is deleted before the bundle is used."""
    index, room = tmp_path / "index", tmp_path / "checkout"
    for folder in (index, room / "requirements", room / "notebooks", room / "uffsurgeon", room / ".secret",
                   room / "build" / "notebooks"):
        folder.mkdir(parents=True)
    wheel(index, "lesson", "1.0")
    wheel(index, "tensorrt-rtx-cu12", "2.0")
    shutil.copy(str(ROOT / "workbook.py"), str(room))
    shutil.copy(str(ROOT / "uffsurgeon" / "nvidia_names.py"), str(room / "uffsurgeon"))
    for stack in set(workbook.STACKS.values()):
        (room / "requirements" / (stack + ".txt")).write_text("lesson==1.0\ntensorrt-rtx-cu12==2.0\n")
    (room / "build" / "notebooks" / "index.html").write_text("pages")
    (room / "notebooks" / "execute.py").write_text(
        "import lesson, sys\ntry:\n import tensorrt_rtx_cu12 as rtx\nexcept ImportError: rtx = None\n"
        "print('ran with', lesson.version, getattr(rtx, 'version', None))\n")

    def launch(folder, *words, **more):
        env = {key: value for key, value in os.environ.items() if not key.startswith("PIP_") and "proxy" not in key.lower()}
        done = subprocess.run([sys.executable, str(folder / "workbook.py")] + list(words), env=dict(env, **more),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    made = launch(room, "bundle", str(tmp_path / "stick"), *options, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index))
    assert ("TensorRT for RTX is left out" in made) == (not options)
    shutil.rmtree(str(index))
    shutil.rmtree(str(room))
    stick = tmp_path / "stick"
    assert not (stick / ".secret").exists() and (stick / "build" / "notebooks" / "index.html").exists()
    assert len(list((stick / "wheels").glob("tensorrt*"))) == len(options)
    assert "ran with 1.0 " + found in launch(stick, "run")


def test_a_bundle_replaces_nothing(checkout):
    root, installed = checkout
    (root / "bundle").mkdir()
    with pytest.raises(workbook.Stop, match="exists already"):
        workbook.bundle("python", [])
    assert not installed
