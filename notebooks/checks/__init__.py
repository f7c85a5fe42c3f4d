"""What judges the exercises ("Your turn") of the notebooks.

    from notebooks.checks import check
    check("01.1", answer)

A check runs the answer on examples of its own and prints one line: not filled in yet, right, or not yet with the reason. It
never raises, so that an open exercise does not stop a run.

One module for each notebook; `judging` has what they share.
"""
from . import notebook_00, notebook_01, notebook_02, notebook_04, notebook_05, notebook_06, notebook_07  # noqa: F401 (importing them registers the checks)
from .judging import CHECKS, check, exercise, judge
from .notebook_03 import swish_graph

__all__ = ["CHECKS", "check", "exercise", "judge", "swish_graph"]
