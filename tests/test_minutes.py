"""The minutes of a page: words / 200 and lines of code / 6, which are counted here, and the exercises, which it states."""
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import execute  # noqa: E402

TWINS = {twin.stem: twin for twin in execute.twins()}
STATED = re.compile(r"\*\*Time:\*\* about (\d+) minutes, (\d+) of them for the exercises?\b")


def reading(twin):
    """Minutes to read and run a page: 200 words, or 6 lines of code with what they print, in each."""
    words = lines = 0
    for cell in execute.learner(twin).cells:
        if cell.cell_type == "markdown":
            words += len(re.sub(r"(?ms)^```.*?^```$", "", cell.source).replace("|", " ").split())
        elif not execute.checked(cell):
            lines += sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())
    return words / 200 + lines / 6


def stated(twin):
    """(all minutes, those of the exercises) as the first cell of a page gives them, or None."""
    found = STATED.search(" ".join(execute.learner(twin).cells[0].source.split()))
    return found and tuple(map(int, found.groups()))


def rows(path):
    """{name of a notebook: the numbers of minutes behind it in the table} of a Markdown file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return {name: [int(number) for number in re.findall(r"\| (\d+)(?: min)? (?=\|)", line + "|")]
            for name, line in re.findall(r"(?m)^(?:# )?\| \[[^\]]+\]\([\w./]*?(\d\d_\w+)\.ipynb\)(.*)\|$", text)}


@pytest.mark.parametrize("name", sorted(TWINS))
def test_the_minutes_of_a_page_are_those_that_are_counted(name):
    minutes = stated(TWINS[name])
    assert minutes, "the first cell says: **Time:** about N minutes, M of them for the exercises."
    counted = reading(TWINS[name]) + minutes[1]
    assert minutes[0] % 5 == 0 and abs(minutes[0] - counted) <= max(5, 0.1 * minutes[0]), (
        "%.1f minutes were counted, with %d for the exercises" % (counted, minutes[1]))


@pytest.mark.parametrize("path", ["README.md", "docs/teaching.md", "notebooks/text/00_start_here.py"])
def test_the_tables_say_what_the_pages_say(path):
    table = rows(path)
    for name, twin in TWINS.items():
        if path.endswith(".py") and name.startswith("00"):
            continue
        assert table[name][:1] == list(stated(twin)[:1]), (path, name)


def test_the_sum_is_given():
    total = sum(minutes[0] for minutes in rows("README.md").values())
    hours = re.search(r"about (\w+) hours in all", (ROOT / "README.md").read_text(encoding="utf-8")).group(1)
    assert abs(["six", "seven", "eight", "nine", "ten"].index(hours) + 6 - total / 60) <= 0.75, total / 60
