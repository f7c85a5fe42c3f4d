"""The sample scenes in data/scenes (everywhere) and the renderer that made them (where OpenGL is).

The label files are compared with KITTI's format and with their own geometry: a 3D box, projected with
the scene's own camera and clipped to the image, is its 2D box.
"""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SCENES = ROOT / "data" / "scenes"
NAMES = sorted(path.stem for path in (SCENES / "label_2").glob("*.txt"))
TABLE = {row["name"]: row for row in json.loads((SCENES / "scenes.json").read_text())}
KINDS = ("Car", "Van", "Truck", "Bus")
WIDTH, HEIGHT = 1242, 375


def read_labels(name):
    """[(kind, float [14])] of a label file, in order; every line has KITTI's fifteen fields."""
    lines = (SCENES / "label_2" / (name + ".txt")).read_text().splitlines()
    fields = [line.split(" ") for line in lines]
    assert all(len(field) == 15 for field in fields)
    return [(field[0], np.array([float(v) for v in field[1:]])) for field in fields]


def read_calibration(name):
    rows = (line.split(": ") for line in (SCENES / "calib" / (name + ".txt")).read_text().splitlines())
    return {key: np.array([float(v) for v in values.split()]) for key, values in rows}


def vehicles(name):
    return [(kind, numbers) for kind, numbers in read_labels(name) if kind != "DontCare"]


def project_box(P, dimensions, location, yaw):
    """(left, top, right, bottom) of a 3D box in pixels: dimensions h, w, l; location is its bottom centre."""
    h, w, length = dimensions
    x = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * length / 2
    z = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * w / 2
    y = np.array([0, 0, 0, 0, -1, -1, -1, -1]) * h
    turned = np.stack([np.cos(yaw) * x + np.sin(yaw) * z, y, -np.sin(yaw) * x + np.cos(yaw) * z])
    corners = turned + np.reshape(location, (3, 1))
    assert corners[2].min() > 0, "a labelled box reaches behind the camera"
    pixels = P @ np.vstack([corners, np.ones(8)])
    u, v = pixels[:2] / pixels[2]
    return np.array([u.min(), v.min(), u.max(), v.max()])


def test_scenes_are_complete_and_small():
    assert len(NAMES) >= 12
    assert sorted(TABLE) == NAMES
    for part, suffix in (("image_2", ".jpg"), ("label_2", ".txt"), ("calib", ".txt")):
        assert sorted(path.name for path in (SCENES / part).iterdir()) == [name + suffix for name in NAMES]
    assert sum(path.stat().st_size for path in SCENES.rglob("*") if path.is_file()) < 4_000_000


def test_scenes_vary_and_were_never_trained_on():
    rows = list(TABLE.values())
    assert len({row["seed"] for row in rows}) == len(rows)
    assert min(row["seed"] for row in rows) >= 10_000_000
    assert len({row["light"] for row in rows}) >= 5
    assert len({row["street"] for row in rows}) >= 3
    assert {kind for name in NAMES for kind, _ in vehicles(name)} >= {"Car", "Van"}


@pytest.mark.parametrize("name", NAMES)
def test_image_is_kittis_size(name):
    with Image.open(str(SCENES / "image_2" / (name + ".jpg"))) as image:
        assert image.size == (WIDTH, HEIGHT)
        assert image.mode == "RGB"
        pixels = np.asarray(image)
    assert 25 < pixels.mean() < 225 and pixels.std() > 20


@pytest.mark.parametrize("name", NAMES)
def test_calibration_is_kittis(name):
    found = read_calibration(name)
    assert {key: len(value) for key, value in found.items()} == {
        "P0": 12, "P1": 12, "P2": 12, "P3": 12, "R0_rect": 9, "Tr_velo_to_cam": 12, "Tr_imu_to_velo": 12,
    }  # fmt: skip
    P = found["P2"].reshape(3, 4)
    np.testing.assert_allclose(P[:, :3], [[721.5377, 0, 609.5593], [0, 721.5377, 172.854], [0, 0, 1]])
    np.testing.assert_array_equal(P[:, 3], 0)
    for key in ("Tr_velo_to_cam", "Tr_imu_to_velo"):
        turn = found[key].reshape(3, 4)[:, :3]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_in_range(name):
    found = vehicles(name)
    assert 3 <= len(found) <= 8 and len(found) == TABLE[name]["vehicles"]
    for kind, n in found:
        truncated, occluded, alpha, left, top, right, bottom, h, w, length, x, y, z, yaw = n
        assert kind in KINDS
        assert 0 <= truncated <= 0.6 and occluded in (0, 1, 2)
        assert 0 <= left < right <= WIDTH - 1 and 0 <= top < bottom <= HEIGHT - 1 and bottom - top >= 25 - 0.01
        assert 1.3 < h < 3.9 and 1.5 < w < 2.7 and 3.4 < length < 12.8
        assert 1.4 < y < 1.8 and 2 < z < 90
        assert -np.pi < yaw <= np.pi + 1e-4 and -np.pi < alpha <= np.pi + 1e-4
    clear = [n for _, n in found if n[1] == 0 and n[0] < 0.02 and 5 <= n[12] <= 45]
    assert len(clear) >= 2
    assert max(np.sin(n[2]) for n in clear) > 0.3 > -0.3 > min(np.sin(n[2]) for n in clear)


@pytest.mark.parametrize("name", NAMES)
def test_alpha_is_yaw_less_the_ray(name):
    for _, n in vehicles(name):
        difference = n[2] - (n[13] - np.arctan2(n[10], n[12]))
        assert abs((difference + np.pi) % (2 * np.pi) - np.pi) < 5e-4


@pytest.mark.parametrize("name", NAMES)
def test_2d_box_is_that_of_the_projected_3d_box(name):
    P = read_calibration(name)["P2"].reshape(3, 4)
    edges = np.array([0, 0, WIDTH - 1, HEIGHT - 1])
    for _, n in vehicles(name):
        bbox = n[3:7]
        box = project_box(P, n[7:10], n[10:13], n[13])
        clipped = np.array([*np.maximum(box[:2], edges[:2]), *np.minimum(box[2:], edges[2:])])
        # Metres are stored to a tenth of a millimetre, which moves no corner by more than a tenth of a pixel.
        np.testing.assert_allclose(bbox, clipped, atol=0.1)
        touches = np.any(np.abs(bbox - edges) < 0.01)
        assert touches or n[0] == 0, "truncated without touching the edge of the image"


def test_dont_care_regions_are_kittis():
    for name in NAMES:
        for kind, n in read_labels(name):
            if kind == "DontCare":
                np.testing.assert_array_equal(n[[0, 1, 2, *range(7, 14)]], [-1, -1, -10, -1, -1, -1, -1000, -1000, -1000, -10])
                assert 0 <= n[3] < n[5] <= WIDTH - 1 and 0 <= n[4] < n[6] <= HEIGHT - 1


def make_renderer():
    if sys.version_info < (3, 10):
        pytest.skip("the renderer needs Python 3.10 or later")
    pytest.importorskip("moderngl", reason="the renderer needs moderngl")
    from data.making.render import Renderer

    try:
        return Renderer(supersample=1)
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def renderer():
    return make_renderer()


@pytest.fixture(scope="module")
def rendered(renderer):
    """(scene, image, id buffer, labels) of the first sample's seed."""
    from data.making.render import objects, scene_from_seed

    scene = scene_from_seed(TABLE[NAMES[0]]["seed"])
    image, buffer = renderer.render(scene)
    return scene, image, buffer, objects(scene, buffer)


@pytest.mark.slow
@pytest.mark.once
def test_labels_come_out_as_stored(rendered):
    from data.making.render.samples import labelled

    scene, _, _, labels = rendered
    again = [label for label in labels if labelled(label)]
    stored = vehicles(NAMES[0])
    assert [label["type"] for label in again] == [kind for kind, _ in stored]
    for label, (_, n) in zip(again, stored):
        np.testing.assert_allclose(label["bbox"], n[3:7], atol=0.01)
        np.testing.assert_allclose(label["dimensions"] + label["location"], n[7:13], atol=1e-4)
        np.testing.assert_allclose([label["alpha"], label["rotation_y"]], [n[2], n[13]], atol=1e-4)
        assert abs(label["truncated"] - n[0]) < 0.01 and abs(label["occluded"] - n[1]) <= 1


@pytest.mark.slow
@pytest.mark.once
def test_picture_comes_out_as_stored(rendered):
    _, image, _, _ = rendered
    stored = np.asarray(Image.open(str(SCENES / "image_2" / (NAMES[0] + ".jpg"))), np.float32)
    # One sample a pixel here, four in the file, and another driver perhaps: alike, not equal.
    assert np.abs(image.astype(np.float32).mean((0, 1)) - stored.mean((0, 1))).max() < 4
    assert np.corrcoef(image.ravel()[::7], stored.ravel()[::7])[0, 1] > 0.95


@pytest.mark.slow
@pytest.mark.once
def test_boxes_are_tight_around_the_pixels(rendered):
    _, _, buffer, labels = rendered
    whole = [label for label in labels if label["visible"] > 0.995 and label["truncated"] == 0]
    assert whole
    for label in whole:
        rows, columns = np.nonzero(buffer.ids == label["id"])
        left, top, right, bottom = label["tight"]
        # Bodies are round: some air is left between them and the box of the 3D box, but never much of it.
        air = (np.array(label["tight"]) - label["bbox"]) * [1, 1, -1, -1] / ([right - left, bottom - top] * 2)
        assert air.min() >= 0 and air.max() < 0.25
        # Mirrors belong to the pixels, not to the box: they may stick out at the sides.
        assert abs(rows.min() - top) <= 1.5 and abs(rows.max() - bottom) <= 1.5
        assert columns.min() <= left + 1.5 and columns.max() >= right - 1.5
        assert columns.min() >= left - 0.15 * (right - left) and columns.max() <= right + 0.15 * (right - left)


def lone(scene, **changes):
    """The scene with one car of its first style on an empty road ahead."""
    car = dict(scene["vehicles"][0], id=1, type="Car", style=0, x=0.0, y=12.0, z=0.0, yaw=np.pi / 2, scale=np.ones(3))
    return dict(scene, vehicles=[dict(car, **changes)])


@pytest.mark.slow
@pytest.mark.once
def test_visible_and_truncated_mean_what_they_say(renderer, rendered):
    from data.making.render import objects

    scene = lone(rendered[0])
    (alone,) = objects(scene, renderer.identify(scene))
    assert alone["visible"] > 0.97 and alone["truncated"] == 0 and alone["occluded"] == 0
    assert alone["rotation_y"] == pytest.approx(-np.pi / 2) and alone["alpha"] == pytest.approx(-np.pi / 2)

    half_out = lone(rendered[0], x=-12.0 * 609.5593 / 721.5377)
    (cut,) = objects(half_out, renderer.identify(half_out))
    # The camera also sees its left flank, which lies farther out, so more than half is cut off.
    assert 0.5 < cut["truncated"] < 0.75 and cut["bbox"][0] == 0

    behind = dict(scene["vehicles"][0], id=2, y=18.0, x=0.3)
    both = dict(scene, vehicles=[scene["vehicles"][0], behind])
    front, hidden = objects(both, renderer.identify(both))
    assert (front["id"], hidden["id"]) == (1, 2)
    assert front["visible"] == pytest.approx(alone["visible"], abs=0.01)
    assert hidden["visible"] < 0.4 and hidden["occluded"] == 2


@pytest.mark.slow
@pytest.mark.once
def test_same_seed_same_scene(renderer, rendered):
    from data.making.render import scene_from_seed

    scene, image, _, _ = rendered
    again = scene_from_seed(scene["seed"])
    assert repr(again) == repr(scene)
    np.testing.assert_array_equal(renderer.render(again)[0], image)


@pytest.mark.slow
@pytest.mark.once
def test_crops_follow_the_readers_rule(rendered):
    """A training crop is cut as the workbook cuts it: round, clip, resize bilinearly."""
    from data.making.render.crops import LABEL, as_row, crop, usable

    _, image, _, labels = rendered
    label = next(label for label in labels if usable(label))
    box = [int(round(v)) for v in label["bbox"]]
    expected = Image.fromarray(image).crop(box).resize((224, 224), Image.BILINEAR)
    np.testing.assert_array_equal(crop(image, label["bbox"]), np.asarray(expected))
    row = as_row(dict(label, seed=5))
    assert row.dtype == LABEL and row["seed"] == 5 and row["type"].item().decode() == label["type"]
    np.testing.assert_allclose(row["bbox"], label["bbox"], rtol=1e-6)


def test_growing_npy_is_a_plain_npy(tmp_path):
    if sys.version_info < (3, 10):
        pytest.skip("the renderer needs Python 3.10 or later")
    from data.making.render.crops import growing_npy

    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (37, 4, 5, 3), np.uint8)
    with growing_npy(tmp_path / "images.npy", (4, 5, 3), np.uint8) as append:
        for block in blocks:
            append(block)
    np.testing.assert_array_equal(np.load(str(tmp_path / "images.npy"), mmap_mode="r"), blocks)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]
