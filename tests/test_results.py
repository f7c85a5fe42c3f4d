"""The teacher's table: read from what the checks printed into saved notebooks."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import results  # noqa: E402

SAID = {"01.1": "Exercise 01.1 is right.", "01.2": "Exercise 01.2, not yet: too small.",
        "01.3": "Exercise 01.3 is not filled in yet.",
        "01.5": "Exercise 01.5, not yet: your function returns the dots; replace them."}
WANTED = {"01.1": "right", "01.2": "tried", "01.3": "open", "01.4": "not run", "01.5": "open"}


@pytest.fixture
def copies(tmp_path):
    folder = tmp_path / "anna" / "my_notebooks"
    folder.mkdir(parents=True)
    cells = [{"cell_type": "code", "source": ['check("%s", x)' % number], "execution_count": 1 if number in SAID else None,
              "metadata": {}, "outputs": [{"output_type": "stream", "name": "stdout", "text": [SAID[number]]}]
              if number in SAID else []} for number in WANTED]
    (folder / "01_freeze.ipynb").write_text(json.dumps({"cells": cells}))
    (folder / "02_cut.ipynb").write_text("{ cut")
    return folder


def test_each_exercise_has_the_verdict_that_its_check_printed(copies):
    assert results.table([copies]) == [dict(WANTED, who="anna")]


def test_the_command_prints_a_table_and_writes_it(copies, tmp_path):
    said = subprocess.check_output([sys.executable, str(ROOT / "notebooks" / "results.py"), str(copies), "--csv",
                                    str(tmp_path / "table.csv")], universal_newlines=True)
    assert "anna" in said and "not yet" in said and "1/1" in said
    assert (tmp_path / "table.csv").read_text().splitlines() == [
        "who,01.1,01.2,01.3,01.4,01.5", "anna,right,tried,open,not run,open"]


def test_the_words_of_an_open_exercise_are_those_of_the_checks():
    judging = (ROOT / "notebooks" / "checks" / "judging.py").read_text(encoding="utf-8")
    assert all(words in judging for words in results.OPEN)
