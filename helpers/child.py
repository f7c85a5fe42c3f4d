"""Run a command in a process of its own: what it printed, how long it took, how much memory it used at most.

A process that crashes, or that the system kills because memory runs out, does not take the notebook's kernel with it,
and its memory is free again when it ends.
"""
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

Finished = collections.namedtuple("Finished", "code seconds peak_mb text")
Finished.__doc__ = """code: exit status, or the negative number of the signal that ended it. seconds: wall time. peak_mb: the
largest resident memory of the command and of what it started, in MB (10^6 bytes); None on Windows. text: standard output
and standard error, in the order in which they were written."""

# The command is started by a small interpreter in between: Linux counts the memory of the process that forks towards the
# peak of the new one, so a kernel that holds a network would be counted as the command's.
_BETWEEN = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as stream:
    json.dump([code, peak], stream)
"""


def run(command, cwd=None, env=None):
    """Run `command`, a list of strings or paths, and wait for it -> `Finished`.

    cwd: folder to run in. env: {name: value} to add to the environment.
    A command that fails raises nothing: look at `code`. Raises FileNotFoundError when there is no such program.
    """
    command, environment = [str(part) for part in command], dict(os.environ, **(env or {}))
    with tempfile.TemporaryDirectory() as folder:
        note = os.path.join(folder, "usage.json")
        between = [] if os.name == "nt" else [sys.executable, "-S", "-E", "-c", _BETWEEN, note]
        start = time.time()
        child = subprocess.Popen(between + command, cwd=cwd and str(cwd), env=environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=bool(between))
        try:
            text = child.communicate()[0].decode("utf-8", "replace")
        except BaseException:  # an interrupted cell ends its command, and everything that the command started
            if between:
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()
            child.stdout.close()
            raise
        seconds, code, peak = time.time() - start, child.returncode, None
        if between:
            if not os.path.exists(note):
                raise FileNotFoundError("%s did not start: %s" % (command[0], (text.strip().splitlines() or ["?"])[-1]))
            with open(note) as stream:
                code, used = json.load(stream)
            peak = used * (1 if sys.platform == "darwin" else 1024) / 1e6  # bytes on macOS, kibibytes elsewhere
    return Finished(code, seconds, peak, text)
