"""The drawing of a whole network shows the layers, heads and shapes of the graph that it is given."""
import matplotlib
import pytest

matplotlib.use("Agg")

from helpers import show  # noqa: E402
from helpers.show.figures import COLOURS  # noqa: E402
from helpers.show.network import branches, layers  # noqa: E402


@pytest.fixture(scope="module")
def frozen():
    from helpers import freeze

    return freeze.load(freeze.box3d(width=16))


def words(figure):
    return {text.get_text(): text for text in figure.findobj(matplotlib.text.Text) if text.get_text()}


def test_layers_have_the_shapes_of_tensorflow(frozen):
    found = {layer.name: layer for layer in layers(frozen)}
    assert found["input_1"].shape == [224, 224, 3] and found["block5_pool"].shape == [7, 7, 32]
    assert found["orientation"].shape == [6, 2] and found["orientation"].inputs == ["reshape_2"]
    assert found["dense_5"].parts == ["MatMul"] and found["confidence"].parts == ["MatMul", "Softmax"]


def test_the_trunk_is_what_all_heads_need(frozen):
    trunk, heads = branches(layers(frozen))
    assert trunk[0].name == "input_1" and trunk[-1].name == "reshape_1" and len(trunk) == 20
    assert [[layer.name for layer in head][-1] for head in heads] == ["dimension", "orientation", "confidence"]
    assert [len(head) for head in heads] == [4, 6, 3]


def test_the_drawing_names_heads_and_shapes_and_marks_what_was_asked(frozen):
    figure = show.architecture(frozen, mark=["LeakyRelu", "reshape_1"])
    assert "reshape_2 (Reshape) [6, 2], then orientation (l2_normalize) [6, 2]" in show.alternative_text(figure)
    found = words(figure)
    assert {"dimension", "orientation", "confidence", "[3]", "[6, 2]", "[6]", "reshape_1 [1,568]", "[14, 14, 32]"} <= set(found)
    assert found["reshape_1 [1,568]"].get_color() == COLOURS["trouble"][1]
    assert found["dimension"].get_fontweight() == "bold" and found["dense_1"].get_fontweight() == "normal"


def test_a_network_without_branches_is_one_head():
    from helpers import patients

    trunk, (head,) = branches(layers(patients.freeze(patients.padded())))
    assert not trunk and [layer.name for layer in head] == ["input_1", "pad", "conv", "mean", "answer"]
    assert "[33, 33, 3]" in words(show.architecture(patients.freeze(patients.padded())))
