"""What judges the exercises ("Your turn") of the notebooks, and the hints for them.

    from notebooks.checks import check, hint
    check("01.1", answer)
    hint("01.1")          # again for the second

A check runs the answer on examples of its own and prints one line: not filled in yet, right, or not yet with the reason. It
never raises, so that an open exercise does not stop a run.

One module for each notebook; `judging` has what they share.
"""
import importlib
from pathlib import Path

from .hints import HINTS, hint
from .judging import CHECKS, check, exercise, judge

for _path in sorted(Path(__file__).parent.glob("notebook_[0-9][0-9].py")):  # importing them registers the checks
    HINTS.update(getattr(importlib.import_module("." + _path.stem, __name__), "HINTS", {}))

from .notebook_03 import swish_graph  # noqa: E402

__all__ = ["CHECKS", "HINTS", "check", "exercise", "hint", "judge", "swish_graph"]
