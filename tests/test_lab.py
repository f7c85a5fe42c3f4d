"""The reader's copies of the notebooks: made, kept, brought up to date, begun afresh; and the JupyterLab that opens them."""
import json
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import lab  # noqa: E402

pytestmark = pytest.mark.once


def notebook(*cells):
    """JSON of a notebook. cells: sources; one with a check is an exercise."""
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [
        {"cell_type": "code", "source": source.splitlines(True), "outputs": [], "execution_count": None,
         "metadata": {"tags": ["exercise"]} if "check(" in source else {}} for source in cells]})


def sources(path):
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Folder of two stored notebooks and a solution; the copies go to `mine` beside it."""
    folder = tmp_path / "notebooks"
    (folder / "solutions").mkdir(parents=True)
    for name in ("00_begin.ipynb", "01_more.ipynb", "solutions/01_more.ipynb"):
        (folder / name).write_text(notebook("1", 'a = ...\ncheck("01.1", a)', 'b = ...\ncheck("01.2", b)'))
    monkeypatch.setattr(lab, "HERE", folder)
    return folder


def test_everything_is_copied_once_and_then_left_alone(stored, tmp_path):
    mine = tmp_path / "mine"
    assert lab.update(mine) == []
    assert {path.relative_to(mine).as_posix() for path in mine.rglob("*.ipynb")} == set(lab.stored())
    (mine / "00_begin.ipynb").write_text("answered")
    assert lab.update(mine) == [] and (mine / "00_begin.ipynb").read_text() == "answered"


def test_a_copy_that_nobody_touched_follows_the_stored_notebook(stored, tmp_path):
    lab.update(tmp_path / "mine")
    (stored / "01_more.ipynb").write_text(notebook("2"))
    assert lab.update(tmp_path / "mine") == []
    assert sources(tmp_path / "mine" / "01_more.ipynb") == ["2"]
    assert not (tmp_path / "mine" / "earlier").exists()


def test_answers_survive_an_update_of_their_notebook(stored, tmp_path):
    mine = tmp_path / "mine"
    lab.update(mine)
    answered = notebook("1", "note = 'mine'", 'a = 5\ncheck("01.1", a)', 'b = ...\ncheck("01.2", b)')
    (mine / "01_more.ipynb").write_text(answered)
    new = ("better text", 'b = ...\ncheck("01.2", b)', 'a = ...  # an int\ncheck("01.1", a)', 'c = ...\ncheck("01.3", c)')
    (stored / "01_more.ipynb").write_text(notebook(*new))
    said, = lab.update(mine)
    assert "with your answers to 01.1" in said
    assert sources(mine / "01_more.ipynb") == [new[0], new[1], 'a = 5\ncheck("01.1", a)', new[3]]
    kept, = (mine / "earlier").iterdir()
    assert kept.read_text() == answered and str(kept) in said
    assert lab.update(mine) == []


def test_a_fresh_copy_keeps_what_was_there(stored, tmp_path):
    mine = tmp_path / "mine"
    lab.update(mine)
    for text in ("first", "second"):
        (mine / "01_more.ipynb").write_text(text)
        lab.fresh(["1"], mine)
    assert (mine / "01_more.ipynb").read_bytes() == (stored / "01_more.ipynb").read_bytes()
    assert {path.read_text() for path in (mine / "earlier").iterdir()} == {"first", "second"}


def test_a_damaged_copy_or_list_stops_nothing(stored, tmp_path):
    mine = tmp_path / "mine"
    lab.update(mine)
    (mine / "01_more.ipynb").write_text("{ cut")
    (mine / lab.ORIGINS).write_text("{ cut")
    (stored / "01_more.ipynb").write_text(notebook("2"))
    lab.update(mine)
    assert sources(mine / "01_more.ipynb") == ["2"]
    assert "{ cut" in {path.read_text() for path in (mine / "earlier").iterdir()}


@pytest.mark.parametrize("word, name", [("1", "01_more"), ("01", "01_more"), ("00_b", "00_begin")])
def test_a_notebook_is_chosen_by_its_number_or_name(stored, word, name):
    assert lab.chosen([word]) == [name + ".ipynb"]


def test_an_unknown_notebook_is_refused_with_those_that_there_are(stored):
    with pytest.raises(SystemExit, match="no notebook begins with 99; there are 00_begin, 01_more"):
        lab.chosen(["1", "99"])


def test_git_ignores_the_copies():
    assert "/my_notebooks*/" in (ROOT / ".gitignore").read_text().splitlines() and lab.MINE == ROOT / "my_notebooks"


def test_the_token_is_in_no_command_line():
    command, environment = lab.server("00_begin.ipynb", 8888, "secret")
    assert "secret" not in " ".join(command) and environment["JUPYTER_TOKEN"] == "secret"
    assert any(word.endswith("/lab/tree/my_notebooks/00_begin.ipynb") for word in command)


def test_a_free_port_is_found_beside_a_taken_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert lab.free_port(port) > port
