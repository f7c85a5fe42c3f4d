"""A command in a process of its own, and what it is charged with."""
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from helpers import child

WINDOWS = os.name == "nt"


def python(code, **options):
    return child.run([sys.executable, "-c", code], **options)


def test_output_error_and_status_come_back():
    done = python("import sys; print('to out'); sys.stderr.write('to err\\n'); sys.exit(3)")
    assert done.code == 3
    assert "to out" in done.text and "to err" in done.text
    assert 0 < done.seconds < 60


@pytest.mark.skipif(WINDOWS, reason="Windows does not tell the peak")
def test_the_peak_is_that_of_the_child_and_not_of_whoever_starts_it():
    ballast = np.ones(60000000, np.uint8)  # resident here, at the moment of the start
    small = python("pass").peak_mb
    large = python("x = bytearray(b'x') * 200000000").peak_mb
    assert ballast.sum() == 60000000
    assert small < 50
    assert 200 < large < 260


@pytest.mark.skipif(WINDOWS, reason="Windows has no signals")
def test_a_command_ended_by_a_signal_says_by_which():
    assert python("import os; os.kill(os.getpid(), 9)").code == -9


@pytest.mark.skipif(WINDOWS or not shutil.which("ps"), reason="POSIX signals, and ps")
def test_an_interrupted_cell_leaves_no_process_behind(tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    note, before = tmp_path / "pid", signal.signal(signal.SIGALRM, interrupt)
    code = "import os, sys, time; open(sys.argv[1] + '.new', 'w').write(str(os.getpid())); " \
           "os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(60)"
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            child.run([sys.executable, "-c", code, note])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    pid, deadline = int(note.read_text()), time.time() + 10
    while alive(pid) and time.time() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    """Whether a process runs: one that has ended and that nobody has waited for is there, but does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], stdout=subprocess.PIPE).stdout.decode().strip()
    return bool(state) and not state.startswith("Z")


def test_the_folder_and_the_environment_are_those_asked_for(tmp_path):
    done = python("import os; print(os.getcwd()); print(os.environ['WORD'])", cwd=tmp_path, env={"WORD": "plan"})
    assert [os.path.realpath(line) if "/" in line else line for line in done.text.split("\n")[:2]] == [
        os.path.realpath(str(tmp_path)), "plan"]


def test_bytes_that_are_no_text_do_not_stop_it():
    assert "\ufffd" in python("import os; os.write(1, b'\\xff\\xfe')").text


def test_a_program_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        child.run(["no-such-program-anywhere"])
