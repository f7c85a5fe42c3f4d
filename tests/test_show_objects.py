"""The drawings of TensorRT's objects name calls that TensorRT has."""
import json

import doubles
import matplotlib
import pytest

matplotlib.use("Agg")

from helpers import show  # noqa: E402


@pytest.mark.parametrize("step, objects", [("build", 7), ("run", 7)])
def test_the_objects_and_their_calls_are_drawn_and_exist_in_every_version_that_has_them(step, objects):
    assert "builder (build_serialized_network())" in show.alternative_text(show.plan_objects("build"))
    words = {text.get_text() for text in show.plan_objects(step).findobj(matplotlib.text.Text)} - {""}
    assert len(words) == 2 * objects
    owners = {"parser": "OnnxParser", "builder": "Builder", "runtime": "Runtime", "context": "IExecutionContext"}
    calls = {"build": [("parser", "parse"), ("builder", "build_serialized_network")],
             "run": [("runtime", "deserialize_cuda_engine"), ("context", "execute_async_v3")]}[step]
    for owner, call in calls:
        assert {owner, call + "()"} <= words
        for version in ("8.5", "8.6", "10.3", "11.4", "rtx-1.7"):
            assert call in json.loads(doubles.FILES[version].read_text())[owners[owner]], version


def test_any_other_step_is_refused():
    with pytest.raises(ValueError, match="'build' or 'run', not 'time'"):
        show.plan_objects("time")
