"""helpers.show.scene: what is drawn, by pixels and lines, and that nothing else is drawn."""
import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from helpers import boxes, scenes
from helpers.show import scene as show

P = np.array([[721.5, 0, 609.6, 44.86], [0, 721.5, 172.9, 0.2164], [0, 0, 1, 0.0027]])


def street(locations, yaw=-np.pi / 2):
    """A grey photo with one car at each location, and its labels."""
    count = len(locations)
    dimensions = np.tile([1.5, 1.6, 4.0], (count, 1))
    angles = np.full(count, yaw)
    objects = scenes.Objects(("Car",) * count, np.zeros(count), np.zeros(count, int),
                             np.zeros((count, 4)), dimensions, np.array(locations, float), angles,
                             angles)
    return scenes.Scene("test", np.full((375, 1242, 3), 90, np.uint8), P, objects)


def no_box(scene, index):
    """The labels as an estimate in which object `index` has no box."""
    labels = scene.objects
    valid = np.arange(len(labels.kind)) != index
    location = np.where(valid[:, None], labels.location, np.nan)
    number = np.ones(len(valid))
    return boxes.Boxes(labels.dimensions, location, labels.yaw, labels.alpha, number, number, valid,
                       tuple("" if good else "why not" for good in valid))


def pixels(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=figure.dpi)
    return np.asarray(Image.open(stream).convert("RGB")).astype(int)


def green(picture):
    return (picture[..., 1] > 180) & (picture[..., 0] < 120) & (picture[..., 2] < 120)


def lines(axes, color):
    return [line for line in axes.lines if line.get_color() == color]


def test_the_picture_is_wide_and_belongs_to_the_caller():
    before = plt.get_fignums()
    figure = show.boxes_on_scene(street([[0, 1.65, 15]]), street([[0, 1.65, 15]]).objects)
    assert isinstance(figure, Figure) and plt.get_fignums() == before
    width, height = figure.get_size_inches()
    assert width / height > 3.5


def test_green_appears_where_the_car_is():
    scene = street([[-6, 1.65, 15]])
    picture = pixels(show.boxes_on_scene(scene, scene.objects))
    rows, columns = np.nonzero(green(picture[:, :int(picture.shape[1] * 0.74)]))
    assert len(rows) > 200
    photo = show.boxes_on_scene(scene, scene.objects).axes[0].get_position()
    u = (columns / picture.shape[1] - photo.x0) / photo.width * 1242
    box = boxes.bounds(scene.objects, P)[0]
    assert u.min() == pytest.approx(box[0], abs=5) and u.max() == pytest.approx(box[2], abs=5)


def test_twelve_edges_and_a_crossed_front():
    scene = street([[2, 1.65, 15]])
    photo, view = show.boxes_on_scene(scene, scene.objects).axes
    assert len(lines(photo, show.FOUND)) == 12 + 2
    assert len(photo.patches) == 1  # the front face
    corners = boxes.corners(*[getattr(scene.objects, part) for part in
                              ("dimensions", "location", "yaw")])[0]
    front = boxes.project(corners[list(boxes.FRONT)], P)
    np.testing.assert_allclose(photo.patches[0].get_xy()[:4], front, atol=1e-6)
    assert len(lines(view, show.FOUND)) == 1


def test_an_object_without_a_box_is_not_drawn_and_is_counted():
    scene = street([[-3, 1.65, 12], [3, 1.65, 20]])
    photo, view = show.boxes_on_scene(scene, no_box(scene, 0)).axes
    assert len(lines(photo, show.FOUND)) == 14 and len(lines(view, show.FOUND)) == 1
    assert "no box for 1 of 2: why not" in photo.get_title(loc="left")


def test_what_has_no_box_is_shown_by_its_2d_box():
    scene = street([[-3, 1.65, 12]])
    scene.objects.bbox[0] = 100, 150, 300, 250
    photo, view = show.boxes_on_scene(scene, no_box(scene, 0)).axes
    assert not lines(photo, show.FOUND) and not lines(view, show.FOUND)
    (outline,) = photo.patches
    assert outline.get_bbox().extents.tolist() == [100, 150, 300, 250] and not outline.get_fill()
    assert green(pixels(photo.figure)).sum() > 50


def test_what_is_behind_the_camera_is_cut_not_mirrored():
    beside = street([[2.2, 1.65, 0.5]])  # half of it is behind the camera
    photo = show.boxes_on_scene(beside, beside.objects).axes[0]
    points = np.concatenate([line.get_xydata() for line in lines(photo, show.FOUND)])
    assert len(points) and np.isfinite(points).all()
    # The car is right of the camera, so every visible point lies right of the picture's middle.
    assert points[:, 0].min() > P[0, 2]
    behind = street([[2.2, 1.65, -10]])
    photo = show.boxes_on_scene(behind, behind.objects).axes[0]
    assert not lines(photo, show.FOUND) and not photo.patches


def test_labels_are_dashed_and_only_on_request():
    scene = street([[2, 1.65, 15]])
    photo, view = show.boxes_on_scene(scene, scene.objects, truth=True).axes
    dashed = lines(photo, show.TRUTH)
    assert len(dashed) == 12 and all(line.get_linestyle() == "--" for line in dashed)
    assert not lines(show.boxes_on_scene(scene, scene.objects).axes[0], show.TRUTH)


def test_before_is_red_and_after_is_green():
    scene = street([[2, 1.65, 15]])
    turned = scene.objects._replace(yaw=scene.objects.yaw + np.pi / 2)
    figure = show.before_after(scene, turned, scene.objects, ("with L2", "without"))
    above, below = figure.axes[0], figure.axes[2]
    if above.get_position().y0 < below.get_position().y0:
        above, below = below, above
    assert above.get_title(loc="left") == "with L2" and below.get_title(loc="left") == "without"
    assert lines(above, show.BEFORE) and not lines(above, show.FOUND)
    assert lines(below, show.FOUND) and not lines(below, show.BEFORE)


def test_the_view_from_above_shows_the_car_where_it_is():
    scene = street([[-4, 1.65, 30]])
    view = show.boxes_on_scene(scene, scene.objects).axes[1]
    footprint = lines(view, show.FOUND)[0].get_xydata()
    np.testing.assert_allclose(footprint.mean(0), [-4, 30], atol=1)
    assert np.ptp(footprint[:, 1]) == pytest.approx(4.0)  # it drives away: its length is along z
    left, right = view.get_xlim()
    bottom, top = view.get_ylim()
    assert left < -4 < right and bottom < 30 < top
    box, inches = view.get_position(), view.figure.get_size_inches()
    metres = [(right - left) / (box.width * inches[0]), (top - bottom) / (box.height * inches[1])]
    assert metres[0] == pytest.approx(metres[1])  # a metre is a metre both ways


def test_a_closeup_shows_each_set_in_its_colour_around_one_object():
    scene = street([[0, 1.65, 15], [12, 1.65, 40]])
    labels = scene.objects._replace(bbox=np.array([[560.0, 160, 660, 250], [800, 160, 840, 190]]))
    scene = scene._replace(objects=labels)
    moved = labels._replace(location=labels.location + [0.5, 0, 0])
    figure = show.closeup(scene, {"one": (labels, "#39ff14"), "other": (moved, "#ff8c00")}, 0)
    photo, view = figure.axes
    assert 560 > photo.get_xlim()[0] > 400 and 660 < photo.get_xlim()[1] < 800
    assert view.get_xlim() == (-4, 4) and view.get_ylim() == (11, 19)
    assert all(lines(view, color) and lines(photo, color) for color in ("#39ff14", "#ff8c00"))
    with pytest.raises(ValueError, match="no set has a box for object 1"):
        show.closeup(scene, {"one": (no_box(scene, 1), "#39ff14")}, 1)
