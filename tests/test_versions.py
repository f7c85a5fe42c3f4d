"""docs/versions.md: its table is that of the timeline, and both agree with the lists of names of TensorRT's bindings."""
import json
import re

import doubles
import matplotlib
import pytest

matplotlib.use("Agg")

from docs import versions  # noqa: E402
from helpers import jetpack  # noqa: E402

LISTS = {"5.0": "5.0.6", "7.1": "7.1.3", "11": "11.4", "RTX 1.7": "rtx-1.7"}
ANSWERS = [(question,) + span for question, spans in versions.ROWS for span in spans]


def test_the_stored_table_is_the_one_that_is_made():
    page = versions.PAGE.read_text(encoding="utf-8")
    assert versions.with_table(page) == page, "python -m docs.versions"


@pytest.mark.parametrize("question, label, first, last, kind, name", ANSWERS, ids=[row[1] for row in ANSWERS])
def test_each_name_is_in_the_bindings_from_the_first_version_to_the_last(question, label, first, last, kind, name):
    if name is None:
        return
    owner, _, member = name.partition(".")
    for i, version in enumerate(versions.NAMES):
        path = doubles.FILES.get(LISTS.get(version, version))
        if path is None or (name, version) == ("IPluginV3", "RTX 1.7"):  # the class is there, and no network takes it
            continue
        names = json.loads(path.read_text())
        there = owner in names and (not member or member in names[owner])
        assert there == (versions.NAMES.index(first) <= i <= versions.NAMES.index(last)), (name, version)


def test_the_jetpacks_are_those_that_a_board_can_have():
    known = set(jetpack.JETPACK.values())
    for _, name in versions.VERSIONS:
        for number in re.findall(r"[\d.]+", name):
            assert number in known, number
    newest = max(known, key=lambda name: [int(part) for part in name.split(".")])
    assert newest in versions.VERSIONS[-3][1]


def test_the_picture_shows_every_answer():
    texts = [text.get_text() for text in versions.timeline().findobj(matplotlib.text.Text)]
    for question, label, _, _, _, _ in ANSWERS:
        assert label in texts and question in texts
    assert versions.PICTURE.stat().st_size < 60000
