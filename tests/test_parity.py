"""The gate lets equal through, tells close from broken, and speaks in degrees and metres."""
import numpy as np
import pytest

from helpers import boxes, machine, parity, scenes

P = np.array([[721.5377, 0, 609.5593, 0], [0, 721.5377, 172.854, 0], [0, 0, 1, 0.0]])


@pytest.fixture
def street(monkeypatch):
    """Two scenes of three cars and one, 12 to 25 m away, and the heads of a network that is right about them."""
    return a_street(monkeypatch, 12, 25)


def a_street(monkeypatch, near, far):
    monkeypatch.setattr(scenes, "_means", lambda: {"Car": [1.5, 1.6, 4.0]})
    made, heads = [], []
    for count in (3, 1):
        z = np.linspace(near, far, count)
        location = np.column_stack([np.linspace(-4, 4, count), np.full(count, 1.65), z])
        dimensions = np.tile([1.5, 1.65, 4.2], (count, 1))
        yaw = np.linspace(-1.2, 2.5, count)
        thing = boxes.Boxes(dimensions, location, yaw, yaw * 0, yaw * 0, yaw * 0, yaw == yaw, ("",) * count)
        bbox = boxes.bounds(thing, P)
        alpha = boxes.wrap(yaw - boxes.ray_angle(bbox, P))
        objects = scenes.Objects(("Car",) * count, z * 0, (z * 0).astype(int), bbox, dimensions, location, yaw, alpha)
        made.append(scenes.Scene("s", np.zeros((375, 1242, 3), np.uint8), P, objects))
        heads.append(boxes.encode(dimensions, alpha, scenes.mean_dimensions(objects.kind)))
    return made, {name: np.concatenate([part[name] for part in heads]) for name in heads[0]}


def test_place_finds_the_boxes_scene_by_scene(street):
    made, heads = street
    for scene, found in zip(made, parity.place(heads, made)):
        np.testing.assert_allclose(found.location, scene.objects.location, atol=0.05)


def test_place_wants_one_crop_per_object(street):
    made, heads = street
    with pytest.raises(ValueError, match="4 crops.*3 objects"):
        parity.place(heads, made[:1])


def test_the_same_is_equal(street):
    made, heads = street
    found = parity.compare(heads, heads, made)
    assert found.verdict == "equal" and found.check() is found and found.yaw_deg.max() == 0


def test_a_little_off_is_close_and_says_how_much(street):
    made, heads = street
    other = dict(heads, dimension=heads["dimension"] + 0.01)
    found = parity.compare(heads, other, made)
    assert found.verdict == "close" and found.errors["dimension"] == pytest.approx(0.01, rel=1e-3)
    assert 0 < found.distance_m.max() < 0.1
    found.check("equal", "close")
    with pytest.raises(ValueError, match="parity is close.*degrees"):
        found.check()


@pytest.mark.parametrize("taller, verdict", [(1.008, "close"), (1.02, "broken")])
@pytest.mark.parametrize("near, far", [(12, 25), (40, 60)])
def test_a_share_of_the_distance_is_judged_alike_near_and_far(monkeypatch, near, far, taller, verdict):
    """A network that sees every car a little larger than it is puts it farther away, by the same share everywhere."""
    made, heads = a_street(monkeypatch, near, far)
    grown = np.concatenate([scene.objects.dimensions for scene in made]) * (taller - 1)
    found = parity.compare(heads, dict(heads, dimension=heads["dimension"] + grown), made)
    assert found.verdict == verdict and (found.distance_m / found.away_m).max() == pytest.approx(taller - 1, rel=0.3)
    assert ("or %.1f %% of their distance" % (100 * (found.distance_m / found.away_m).max())) in found.why
    assert near < 20 or found.distance_m.max() > 0.1, "metres alone would call this broken"


def test_near_boxes_may_move_by_ten_centimetres():
    np.testing.assert_allclose(parity.limit_m([2, 10, 20, 60]), [0.1, 0.1, 0.2, 0.6])


def test_a_size_may_not_change_by_more_because_the_box_is_far(monkeypatch):
    made, heads = a_street(monkeypatch, 50, 60)
    longer = heads["dimension"] + np.array([0, 0, 0.4], heads["dimension"].dtype)  # seen from behind, it moves little
    found = parity.compare(heads, dict(heads, dimension=longer), made)
    assert found.verdict == "broken" and "sizes differ by up to 0.13 m" in found.why


def test_boxes_turned_round_are_broken(street):
    made, heads = street
    other = dict(heads, orientation=-heads["orientation"])
    found = parity.compare(heads, other, made)
    assert found.verdict == "broken" and found.yaw_deg.max() > 90
    assert "degrees" in found.why


def test_not_a_number_is_broken(street):
    made, heads = street
    other = dict(heads, orientation=np.full_like(heads["orientation"], np.nan))
    found = parity.compare(heads, other, made)
    assert found.verdict == "broken" and "not a number" in found.why


def test_when_every_box_is_lost_that_is_said_and_nothing_is_warned_of(street, recwarn):
    made, heads = street
    found = parity.compare(heads, dict(heads, orientation=heads["orientation"] * 0), made)
    assert found.verdict == "broken" and found.lost == 4 and found.why == "all 4 boxes are lost"
    assert not [warning for warning in recwarn if "NaN" in str(warning.message)], str(found)


def test_lost_boxes_are_said_first(street):
    made, heads = street
    orientation = heads["orientation"].copy()
    orientation[0] = 0
    found = parity.compare(heads, dict(heads, orientation=orientation), made)
    assert found.verdict == "broken" and found.why.startswith("1 box is lost; the others turn by up to 0.00 degrees")


def test_without_scenes_only_numbers_count(street):
    _, heads = street
    other = dict(heads, dimension=heads["dimension"] + 0.01)
    assert parity.compare(heads, heads).verdict == "equal"
    assert parity.compare(heads, other).verdict == "broken"
    assert parity.compare(heads, other, tolerance=0.02).verdict == "equal"


def test_missing_heads_and_other_shapes_are_refused(street):
    _, heads = street
    with pytest.raises(ValueError, match="no head 'confidence'"):
        parity.compare(heads, {name: heads[name] for name in ("dimension", "orientation")})
    with pytest.raises(ValueError, match="'dimension' has shape"):
        parity.compare(heads, dict(heads, dimension=heads["dimension"][:2]))


def test_it_prints_and_shows(street):
    made, heads = street
    found = parity.compare(heads, heads, made)
    assert "equal" in str(found) and "degrees" in str(found) and "<table>" in found._repr_html_()


def test_coloured_words_can_be_read_on_every_row_of_a_table():
    """WCAG asks for a contrast of 4.5. JupyterLab and the pages draw every second row grey, and blue under the mouse."""
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for colour in list(parity.VERDICTS.values()) + list(machine.COLOURS.values()):
        for row in ("#ffffff", "#f5f5f5", "#d9edfd"):
            assert (luminance(row) + 0.05) / (luminance(colour) + 0.05) >= 4.5, (colour, row)
