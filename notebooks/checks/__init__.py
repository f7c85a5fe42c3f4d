"""The checks behind "your turn".

Each check takes what the reader made and tries it, the way the lesson would. It prints one line: not filled in yet,
right, or wrong and why. It never raises, so that an open exercise does not stop a run.

One module for each notebook; `judging` has what they share.
"""
from . import notebook_00, notebook_01, notebook_04, notebook_05, notebook_06  # noqa: F401 (each registers its checks)
from .judging import CHECKS, check, exercise, judge
from .notebook_02 import patient
from .notebook_03 import swish_graph

__all__ = ["CHECKS", "check", "exercise", "judge", "patient", "swish_graph"]
