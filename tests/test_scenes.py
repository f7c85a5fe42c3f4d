"""helpers.scenes: KITTI's files, right, wrong and random; crops; the repository's own samples."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers import boxes, scenes

CAR = b"Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
CALIB = b"P0: 1 0 0 0 0 1 0 0 0 0 1 0\nP2: 721.5 0 609.6 44.9 0 721.5 172.9 0.2 0 0 1 0.003\n"
QUICK = settings(max_examples=150, deadline=None,
                 suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@pytest.fixture
def folder(tmp_path):
    """A KITTI folder of one scene, 000007, two cars and a DontCare between them."""
    for part in ("image_2", "label_2", "calib"):
        (tmp_path / part).mkdir()
    picture = np.arange(375 * 1242 * 3, dtype=np.uint32).reshape(375, 1242, 3).astype(np.uint8)
    Image.fromarray(picture).save(str(tmp_path / "image_2" / "000007.png"))
    dont_care = b"DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
    (tmp_path / "label_2" / "000007.txt").write_bytes(b"\n".join([CAR, dont_care, CAR, b""]))
    (tmp_path / "calib" / "000007.txt").write_bytes(CALIB)
    return tmp_path


def test_a_kitti_scene(folder):
    assert scenes.names(folder) == ["000007"]
    scene = scenes.load_kitti(folder, "000007", kinds=["Car"])
    assert scene.image.shape == (375, 1242, 3) and scene.image.dtype == np.uint8
    assert scene.size == (1242, 375)
    assert scene.P.tolist() == [[721.5, 0, 609.6, 44.9], [0, 721.5, 172.9, 0.2], [0, 0, 1, 0.003]]
    cars = scene.objects
    assert cars.kind == ("Car", "Car") and cars.occluded.tolist() == [0, 0]
    assert cars.bbox[1].tolist() == [587.01, 173.33, 614.12, 200.12]
    assert cars.dimensions[1].tolist() == [1.65, 1.67, 3.64]
    assert cars.location[1].tolist() == [-0.65, 1.71, 46.70]
    assert (cars.yaw[1], cars.alpha[1]) == (-1.59, -1.58)


def test_kinds_that_are_not_asked_for_are_left_out(folder):
    assert scenes.load_kitti(folder, "000007", kinds=["Van"]).objects.bbox.shape == (0, 4)


def test_a_detectors_results_have_boxes_but_no_truth(folder):
    line = b"Car -1 -1 -10 587 173 614 200 -1 -1 -1 -1000 -1000 -1000 -10 0.93"
    (folder / "label_2" / "000007.txt").write_bytes(line)
    cars = scenes.load_kitti(folder, "000007", kinds=["Car"]).objects
    assert cars.bbox.tolist() == [[587, 173, 614, 200]]
    unknown = np.column_stack([cars.dimensions, cars.location, cars.yaw, cars.alpha])
    assert np.isnan(unknown).all()


def test_jpegs_are_read_too(folder):
    png = folder / "image_2" / "000007.png"
    Image.open(str(png)).save(str(folder / "image_2" / "000007.jpg"))
    png.unlink()
    assert scenes.load_kitti(folder, "000007", kinds=["Car"]).size == (1242, 375)


@pytest.mark.parametrize("line, words", [
    (b"Car 0 0 1 2 3", "15 fields.*has 6"),
    (CAR.replace(b"46.70", b"far"), "'far' is not a number"),
    (CAR.replace(b"46.70", b"nan"), "'nan' is not a number"),
    (CAR.replace(b"46.70", b"1e999"), "'1e999' is not a number"),
    (CAR.replace(b"614.12", b"587.01"), "no area"),
    (CAR.replace(b"Car 0.00", b"Car 1.50"), "truncated must be in 0..1"),
    (CAR.replace(b"Car 0.00 0", b"Car 0.00 7"), "occluded"),
    (CAR.replace(b"Car", b"C\xe4r"), "not plain text"),
])
def test_a_malformed_label_names_file_and_line(folder, line, words):
    path = folder / "label_2" / "000007.txt"
    path.write_bytes(CAR + b"\n\n" + line + b"\n" + CAR)
    with pytest.raises(ValueError, match=r"000007\.txt, line 3: .*" + words):
        scenes.load_kitti(folder, "000007")


@pytest.mark.parametrize("text, words", [
    (b"P0: 1\nP2: 1 2 3\n", "line 2: .*12 numbers.*has 3"),
    (CALIB.replace(b"721.5", b"?"), r"line 2: '\?' is not a number"),
    (CALIB.replace(b"721.5", b"0"), "line 2: .*singular"),
    (b"P3: 1 2 3\n", "line 1: .*'P2:'"),
    (b"", "line 1: .*'P2:'"),
])
def test_a_malformed_calibration_names_file_and_line(folder, text, words):
    (folder / "calib" / "000007.txt").write_bytes(text)
    with pytest.raises(ValueError, match=r"calib.000007\.txt, " + words):
        scenes.load_kitti(folder, "000007")


def test_what_is_missing_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match="'000007'"):
        scenes.load_kitti(folder, "00007")
    (folder / "calib").joinpath("000007.txt").unlink()
    with pytest.raises(FileNotFoundError):
        scenes.load_kitti(folder, "000007")
    with pytest.raises(FileNotFoundError, match="image_2"):
        scenes.names(tmp_path / "label_2")


def test_a_file_that_is_no_image_is_a_value_error(folder):
    path = folder / "image_2" / "000007.png"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="000007.png cannot be read"):
        scenes.load_kitti(folder, "000007")


def mutated(line):
    """Bytes near a good file: some fields of some lines replaced by others or by noise."""
    field = st.one_of(st.sampled_from([b"Car", b"DontCare", b"nan", b"-1", b"1e400", b"\xff", b""]),
                      st.integers(-3, 2000).map(lambda i: b"%d" % i), st.binary(max_size=6))
    fields = line.split()

    def replace(changes):
        new = list(fields)
        for place, value in changes:
            new[place % len(new)] = value
        return b" ".join(new)

    changes = st.lists(st.tuples(st.integers(0, 30), field), max_size=3)
    return st.lists(changes.map(replace), max_size=4).map(b"\n".join)


def read_or_located_error(read, folder, data):
    """What `read` makes of a file of these bytes; None when it says which line of which file is wrong."""
    path = folder.getbasetemp() / "any.txt"
    path.write_bytes(data)
    try:
        return read(path)
    except ValueError as error:
        assert str(error).startswith("%s, line " % path)


@QUICK
@given(data=st.one_of(st.binary(max_size=300), mutated(CAR)))
def test_any_bytes_are_labels_or_a_located_error(tmp_path_factory, data):
    found = read_or_located_error(scenes.read_labels, tmp_path_factory, data)
    if found is None:
        return
    count = len(found.kind)
    assert "DontCare" not in found.kind
    assert found.bbox.shape == (count, 4) and found.dimensions.shape == (count, 3)
    assert np.isfinite(found.bbox).all() and (found.bbox[:, :2] < found.bbox[:, 2:]).all()
    known = np.isfinite(found.dimensions).all(1)
    assert (found.dimensions[known] > 0).all() and np.isfinite(found.location[known]).all()


@QUICK
@given(data=st.one_of(st.binary(max_size=200), mutated(CALIB.split(b"\n")[1])))
def test_any_bytes_are_a_camera_or_a_located_error(tmp_path_factory, data):
    P = read_or_located_error(scenes.read_calibration, tmp_path_factory, data)
    if P is not None:
        assert P.shape == (3, 4) and np.isfinite(P).all() and np.linalg.matrix_rank(P) == 3


def gradient():
    """A picture whose red is x / 2 and whose green is y."""
    y, x = np.mgrid[:200, :400]
    return np.stack([x // 2, y, np.zeros_like(x)], 2).astype(np.uint8)


def test_crop_shows_what_is_in_the_box():
    part = scenes.crop(gradient(), [100.4, 49.6, 300.2, 150.4])
    assert part.shape == (224, 224, 3) and part.dtype == np.uint8
    np.testing.assert_allclose(part[112, 112], [100, 100, 0], atol=1)
    np.testing.assert_allclose(part[0, 0], [50, 50, 0], atol=1)
    np.testing.assert_allclose(part[-1, -1], [149, 149, 0], atol=1)


def test_crop_of_the_same_size_changes_nothing():
    picture = gradient()
    assert (scenes.crop(picture, [10, 20, 110, 120], 100) == picture[20:120, 10:110]).all()


def test_crop_is_clipped_to_the_image():
    outside = scenes.crop(gradient(), [-50, -50, 100, 100])
    assert (outside == scenes.crop(gradient(), [0, 0, 100, 100])).all()


@pytest.mark.parametrize("bbox, words", [
    ([10, 10, 10, 50], "no area"), ([500, 10, 600, 50], "no area inside the image of 400 x 200"),
    ([10, 10, np.nan, 50], "four numbers"), ([1, 2, 3], "four numbers"),
])
def test_crop_of_nothing_is_an_error(bbox, words):
    with pytest.raises(ValueError, match=words):
        scenes.crop(gradient(), bbox)


def test_batches():
    parts = scenes.batches(np.arange(7), 3)
    assert [part.tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6]]
    assert scenes.batches(np.zeros((0, 2)), 3) == []
    with pytest.raises(ValueError):
        scenes.batches(np.arange(7), 0)


def test_mean_dimensions():
    means = scenes.mean_dimensions(["Car", "Car"])
    assert means.shape == (2, 3) and (means[0] == means[1]).all()
    assert 1.3 < means[0, 0] < 1.8 and 3.4 < means[0, 2] < 4.8  # metres: it is a car
    assert scenes.mean_dimensions([]).shape == (0, 3)
    with pytest.raises(ValueError, match="Zeppelin.*knows.*Car"):
        scenes.mean_dimensions(["Zeppelin"])


def test_the_samples_are_complete_and_their_labels_exact():
    names = scenes.names()
    assert len(names) >= 12
    for name in names:
        scene = scenes.load(name)
        cars = scene.objects
        assert scene.image.shape == (375, 1242, 3)
        assert 3 <= len(cars.kind) <= 8, name
        assert scenes.crops(scene).shape == (len(cars.kind), 224, 224, 3)
        assert scenes.mean_dimensions(cars.kind).shape == cars.dimensions.shape
        # The 2D box is the photo's part of the projected 3D box, as far as four decimals of a metre and two of a pixel tell.
        assert np.abs(boxes.bounds(cars, scene.P, scene.size) - cars.bbox).max() < 0.05, name
        turn = boxes.angle_error(cars.yaw - np.arctan2(cars.location[:, 0], cars.location[:, 2]), cars.alpha)
        assert turn.max() < 2e-4, name


def test_an_unknown_sample_is_answered_with_the_nearest():
    name = scenes.names()[0]
    with pytest.raises(ValueError, match="did you mean %r" % name):
        scenes.load(name + "x")


def test_calibration_crops_and_their_labels():
    crops = scenes.calibration_crops()
    assert crops.shape == (64, 224, 224, 3) and crops.dtype == np.uint8
    assert crops.std((1, 2, 3)).min() > 5  # no empty tile
    assert (scenes.calibration_crops(5) == crops[:5]).all()
    objects, P = scenes.held_out()
    assert len(objects.kind) == len(P) == 64
    with pytest.raises(ValueError, match="64"):
        scenes.calibration_crops(65)
