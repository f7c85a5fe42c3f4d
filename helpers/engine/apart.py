"""TensorRT in a process of its own, for models that are not the workbook's: its parsers and builders are C++, and a damaged
file may end the process that reads it.

A file in `build/` is taken for the workbook's own. Any other is built, or parsed for a first time, in a child process. That
costs the start of an interpreter and of TensorRT, about a second.
"""
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np

from .. import artifacts, child
from . import library

ERRORS = {"ValueError": ValueError, "RuntimeError": RuntimeError, "FileNotFoundError": FileNotFoundError, "OSError": OSError}


def needed(trt, path):
    """Whether the model at `path` is to be read in a child: it lies outside of `build/`, and `trt` is a module that a child
    can import (a double of a test is none)."""
    if getattr(trt, "__file__", None) is None or sys.modules.get(trt.__name__) is not trt:
        return False
    return Path(os.path.realpath(str(artifacts.BUILD))) not in Path(os.path.realpath(str(path))).parents


def build(trt, source, path, calibration, **settings):
    """`builder.build` in a child; returns `path`. Raises what that raises, and RuntimeError if the child is ended."""
    _run(trt, "build", source, calibration, path=os.path.abspath(str(path)), **settings)
    return path


def parse(trt, source, outputs):
    """`builder.parse` in a child, whose network is lost: to see whether it raises, or the child is ended."""
    _run(trt, "parse", source, None, outputs=outputs)


def _run(trt, action, source, calibration, **settings):
    with tempfile.TemporaryDirectory() as folder:
        if calibration is not None:
            np.save(os.path.join(folder, "calibration.npy"), np.asarray(calibration), allow_pickle=False)
        job = dict(trt=trt.__name__, action=action, source=os.path.abspath(str(source)), settings=settings,
                   loaded=list(library._plugins))
        with open(os.path.join(folder, "job.json"), "w") as stream:
            json.dump(job, stream)
        done = child.run([sys.executable, "-m", "helpers.engine", folder], cwd=artifacts.ROOT,
                         env={"WORKBOOK_BUILD": str(artifacts.BUILD)})
        answer = os.path.join(folder, "answer.json")
        if not os.path.exists(answer):
            name = signal.Signals(-done.code).name if done.code and done.code < 0 else "status %s" % done.code
            raise RuntimeError("TensorRT ended the process that read %s (%s): the file is damaged, asks for too much memory, "
                               "or holds what this TensorRT does not expect. %s" % (
                                   source, name, " ".join(done.text.split()[-60:])))
        if done.text.strip():
            print(done.text.strip(), file=sys.stderr)
        with open(answer, encoding="utf-8") as stream:
            kind, words = json.load(stream)
    if kind == "OSError" and len(words) > 1:
        raise OSError(*words)
    if kind:
        raise ERRORS.get(kind, RuntimeError)(words[0] if kind in ERRORS else "%s: %s: %s" % (source, kind, words[0]))
