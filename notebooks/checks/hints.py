"""Hints in two steps before the solution."""
import collections
from pathlib import Path

HINTS = {}  # {number: (first, second)}, filled by the modules of the notebooks
_given = collections.Counter()  # of this process: a page that is opened again begins with the first hint


def hint(number):
    """Print the first hint for an exercise, called again the second one, and after that where the solution is.

    Raises KeyError for an unknown exercise.
    """
    if number not in HINTS:
        raise KeyError("there are no hints for an exercise %r; there are for %s" % (number, ", ".join(sorted(HINTS))))
    both = HINTS[number]
    if _given[number] < len(both):
        print("Hint %d of %d: %s" % (_given[number] + 1, len(both), both[_given[number]]))
    else:
        pages = sorted(Path(__file__).resolve().parent.parent.glob("text/%s_*.py" % number.split(".")[0]))
        print("That was the last hint: %s The solution is in notebooks/solutions/%s.ipynb." % (both[-1], pages[0].stem))
    _given[number] += 1
