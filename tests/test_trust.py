"""What docs/trust.md says of ports, requests, links and files of others."""
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import lab  # noqa: E402
import results  # noqa: E402

linux = pytest.mark.skipif(not os.path.isdir("/proc/net"), reason="/proc tells who listens")
root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="for root only")

def test_no_file_is_unpickled_or_evaluated():
    """Modules and calls that run what data says. probes.py runs a text of its own in a child; a config.py is a program."""
    words = re.compile(r"\bimport (?:pickle|marshal|shelve|joblib|dill|yaml)\b|\bfrom (?:pickle|marshal|shelve|yaml) import|"
                       r"allow_pickle=True|safe_mode=False|unsafe_deserialization|yaml\.load|\beval\(|\bexec\(|exec_module\(")
    found = {}
    for folder in ("helpers", "uffsurgeon", "uffparser", "notebooks", "docs", "plugin_src"):
        for path in (ROOT / folder).rglob("*.py"):
            for word in words.findall(path.read_text(encoding="utf-8")):
                found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(word)
    assert found == {"helpers/probes.py": {"exec("}, "uffsurgeon/uff/preparation.py": {"exec_module("},
                     "uffsurgeon/nvidia_names.py": {"exec_module("}}


# Runs a program with a loopback interface and no other, and is its name server: prints the names that it asks for. The number
# is SIOCSIFFLAGS, the flags are IFF_UP | IFF_LOOPBACK | IFF_RUNNING.
ALONE = """
import fcntl, os, socket, struct, subprocess, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, 0x8914, struct.pack("16sH14x", b"lo", 0x49))
server.bind(("127.0.0.1", 53))
subprocess.check_call(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"])
code = subprocess.call([sys.executable] + sys.argv[2:])
server.setblocking(False)
try:
    while True:
        print("ASKED FOR", server.recv(1000)[12:])
except BlockingIOError:
    sys.exit(code)
"""
ASKS = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"


def family(pid):
    """The process and all that it started."""
    found = [pid]
    for each in found:
        for tasks in Path("/proc/%d/task" % each).glob("*/children"):
            try:
                found += [int(child) for child in tasks.read_text().split()]
            except OSError:
                pass
    return found


def listening(pid):
    """{(address as /proc/net has it, port)} of the TCP sockets on which a process or one that it started listens."""
    inodes = set()
    for each in family(pid):
        for link in Path("/proc/%d/fd" % each).glob("*"):
            try:
                inodes.add(os.readlink(str(link)))
            except OSError:
                pass
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and "socket:[%s]" % parts[9] in inodes:  # LISTEN
                address, port = parts[1].split(":")
                found.add((address, int(port, 16)))
    return found


def is_loopback(address):
    """127.0.0.0/8, ::1, or the former as IPv6 writes it. In /proc/net the bytes of each word of four are in reverse order."""
    if len(address) == 8:
        return address.endswith("7F")
    return address == "0" * 24 + "01000000" or address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F")


@linux
def test_the_reading_of_sockets_tells_loopback_from_all_others():
    with socket.socket() as inside, socket.socket() as outside:
        for opened, address in ((inside, "127.0.0.1"), (outside, "0.0.0.0")):
            opened.bind((address, 0))
            opened.listen(1)
        found = dict((port, address) for address, port in listening(os.getpid()))
        assert is_loopback(found[inside.getsockname()[1]]) and not is_loopback(found[outside.getsockname()[1]])


@pytest.mark.slow
@pytest.mark.once
@linux
def test_jupyterlab_and_its_kernels_listen_on_loopback_only(tmp_path, monkeypatch):
    pytest.importorskip("jupyterlab")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv("JUPYTER_%s_%s" % (name, "DIR"), str(tmp_path / name))
    port = lab.free_port(18888)
    command, environment = lab.server("00_start_here.ipynb", port, "secret")
    process = subprocess.Popen(command + ["--no-browser"], env=environment, cwd=str(ROOT), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        headers, kernel = {"Authorization": "token secret"}, None
        for _ in range(600):
            try:
                asked = urllib.request.Request("http://localhost:%d/api/kernels" % port, b"{}", headers)
                kernel = json.loads(urllib.request.urlopen(asked, timeout=60).read().decode())
                break
            except (OSError, ValueError):
                assert process.poll() is None
                time.sleep(0.1)
        assert kernel
        found = set()
        for _ in range(300):
            found = listening(process.pid)
            if len(found) > 5:  # the server's, and five of the kernel, or files of the file system in their place
                break
            time.sleep(0.1)
        assert port in {port for _, port in found}
        assert all(is_loopback(address) for address, _ in found), found
    finally:
        for each in reversed(family(process.pid)):  # the kernel before its server
            os.kill(each, signal.SIGKILL)
        process.wait()


@pytest.mark.once
@linux
def test_netron_listens_on_loopback_only(tmp_path):
    pytest.importorskip("netron")
    (tmp_path / "a.onnx").write_bytes(b"")
    code = ("import sys; sys.path[:0] = [%r, %r]\nfrom helpers.show import live\nlive.netron_expires = lambda: None\n"
            "import json, os, test_trust\nlive.netron_view(sys.argv[1])\n"
            "print('@' + json.dumps(sorted(test_trust.listening(os.getpid()))))"
            % (str(ROOT), str(ROOT / "tests")))
    said = subprocess.check_output([sys.executable, "-c", code, str(tmp_path / "a.onnx")], universal_newlines=True)
    found = json.loads(said.split("@")[1])
    assert found and all(is_loopback(address) for address, _ in found), found


@pytest.mark.slow
@pytest.mark.once
@root
def test_a_page_runs_without_any_network(tmp_path):
    """Page 00 as it stands, in a network namespace of its own: it ends well, and asks for no address elsewhere."""
    pytest.importorskip("IPython")
    names = tmp_path / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    environment = dict(os.environ, WORKBOOK_BUILD=str(tmp_path / "build"), MPLBACKEND="agg", IPYTHONDIR=str(tmp_path),
                       PYTHONPATH=str(ROOT))
    environment.pop("ORT_DISABLE_TELEMETRY", None)

    def run(*arguments):
        return subprocess.run(["unshare", "-n", "-m", sys.executable, "-c", ALONE, str(names)] + list(arguments), cwd=str(ROOT),
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    asked = run("-c", ASKS)
    if asked.returncode:
        pytest.skip("no namespaces here: " + asked.stdout[-200:])
    assert "ASKED FOR" in asked.stdout and "example" in asked.stdout
    done = run("-m", "IPython", "--no-banner", str(ROOT / "notebooks" / "text" / "00_start_here.py"))
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert "ASKED FOR" not in done.stdout and "Exercise 00.1" in done.stdout, done.stdout[-3000:]


@pytest.fixture
def hub():
    """The functions of docs/jupyterhub_config.py."""
    class Anything:
        def __getattr__(self, name):
            self.__dict__[name] = Anything()
            return self.__dict__[name]
    return runpy.run_path(str(ROOT / "docs" / "jupyterhub_config.py"), {"get_config": Anything})


@root
def test_the_hub_writes_into_a_learners_own_folder_only(hub, tmp_path):
    link = hub["link_files"]
    made, victim, theirs = tmp_path / "workbook" / "build", tmp_path / "victim", tmp_path / "theirs"
    for folder in (made / "notebooks", victim, theirs):
        folder.mkdir(parents=True)
    for name in ("box3d.pb", ".box3d.pb.lock"):
        (made / name).write_text("made once")
    (made / "link.pb").symlink_to("/etc/passwd")
    os.chown(str(theirs), 65534, 65534)
    link.__globals__["WORKBOOK"] = str(tmp_path / "workbook")
    link(str(theirs), 65534)
    assert os.listdir(str(theirs)) == ["box3d.pb"] and (theirs / "box3d.pb").stat().st_uid == 0
    (tmp_path / "build").symlink_to(victim)
    with pytest.raises(OSError):
        link(str(tmp_path / "build"), 65534)
    with pytest.raises(PermissionError, match="does not belong to the learner"):
        link(str(victim), 65534)
    assert os.listdir(str(victim)) == [] and victim.stat().st_uid == 0


@pytest.mark.skipif(os.name == "nt", reason="links are not for everybody there")
def test_the_teachers_table_reads_no_link_pipe_or_nonsense(tmp_path):
    notebook, page = tmp_path / "01_freeze.ipynb", {"cells": [
        {"cell_type": "code", "source": 'check("01.1", x)', "execution_count": 1, "outputs": [
            {"text": "Exercise 01.1 is right."}]}]}
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(page))
    assert results.verdicts(secret) == {"01.1": "right"}
    os.mkfifo(str(notebook))
    assert results.verdicts(notebook) == {}
    notebook.unlink()
    notebook.symlink_to(secret)
    assert results.verdicts(notebook) == {}
    notebook.unlink()
    for text in ("[" * 100000, "[]", "1", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{"cell_type": "code", "source": 1}]}',
                 '{"cells": [{"outputs": [1]}]}', '{"cells": {"a": 1}}', "\udcff"):
        notebook.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert results.verdicts(notebook) == {}, text[:50]
