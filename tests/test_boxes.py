"""helpers.boxes: angles, the way through the heads, placing, overlap, and what is no box."""
import time

import numpy as np
import pytest

from helpers import boxes, scenes

P = np.array([[721.5, 0, 609.6, 44.86], [0, 721.5, 172.9, 0.2164], [0, 0, 1, 0.0027]])
SIZE = (1242, 375)
MEAN = np.array([1.5, 1.6, 4.0])


def street(count, seed=0, near=8, far=45):
    """Random boxes on a street, all in front of the camera."""
    random = np.random.RandomState(seed)
    dimensions = MEAN + random.randn(count, 3) * [0.1, 0.1, 0.3]
    depth = random.uniform(near, far, count)
    location = np.column_stack([random.uniform(-0.4, 0.4, count) * depth,
                                random.uniform(1.4, 1.9, count), depth])
    yaw = random.uniform(-np.pi, np.pi, count)
    return made(dimensions, location, yaw)


def made(dimensions, location, yaw):
    dimensions, location, yaw = [np.asarray(part, float) for part in (dimensions, location, yaw)]
    ones = np.ones(len(yaw))
    return boxes.Boxes(dimensions, location, yaw, yaw, ones, ones, ones > 0, ("",) * len(yaw))


def perfect_heads(truth, bboxes):
    alpha = boxes.wrap(truth.yaw - boxes.ray_angle(bboxes, P))
    return boxes.encode(truth.dimensions, alpha, MEAN)


def test_wrap_is_half_open_at_minus_pi():
    angles = boxes.wrap([0, np.pi, -np.pi, 3 * np.pi, 2 * np.pi, -0.5, 7.0])
    expected = [0, np.pi, np.pi, np.pi, 0, -0.5, 7.0 - 2 * np.pi]
    np.testing.assert_allclose(angles, expected, atol=1e-12)


def test_angle_error_respects_the_wrap():
    error = np.degrees(boxes.angle_error(np.radians([179, 10, 0]), np.radians([-179, 350, 180])))
    np.testing.assert_allclose(error, [2, 20, 180])


def test_ray_angle_of_the_principal_point_is_zero_and_grows_to_the_right():
    centre = [609.6, 172.9]
    straight, right = centre * 2, [centre[0] + 721.5] * 2
    bboxes = [straight, [right[0], centre[1], right[1], centre[1]]]
    np.testing.assert_allclose(boxes.ray_angle(bboxes, P), [0, np.pi / 4], atol=1e-12)


def test_decode_inverts_encode():
    random = np.random.RandomState(1)
    alpha, rays = random.uniform(-np.pi, np.pi, 500), random.uniform(-0.7, 0.7, 500)
    dimensions = MEAN + random.randn(500, 3)
    decoded = boxes.decode(boxes.encode(dimensions, alpha, MEAN), rays, MEAN)
    np.testing.assert_allclose(decoded.dimensions, dimensions, atol=1e-6)
    assert boxes.angle_error(decoded.alpha, alpha).max() < 1e-6
    assert boxes.angle_error(decoded.yaw, alpha + rays).max() < 1e-6
    assert np.abs(decoded.yaw).max() <= np.pi
    assert (decoded.confidence == 1).all()


def test_decode_takes_the_most_confident_bin():
    orientation = np.zeros((1, 6, 2))
    orientation[0, :, 0] = 1  # every bin says: just my centre
    for i, degrees in enumerate([0, 60, 120, 180, -120, -60]):
        heads = {"dimension": np.zeros((1, 3)), "orientation": orientation,
                 "confidence": np.eye(6)[[i]] * 0.7 + 0.05}
        decoded = boxes.decode(heads, [0], MEAN)
        assert np.degrees(decoded.alpha[0]) == pytest.approx(degrees)
        assert decoded.confidence[0] == pytest.approx(0.75)


def test_the_place_is_recovered_exactly_from_exact_input():
    truth = street(500)
    bboxes = boxes.bounds(truth, P)
    found = boxes.estimate(perfect_heads(truth, bboxes), bboxes, P, MEAN)
    assert found.valid.all() and set(found.reason) == {""}
    assert np.abs(found.location - truth.location).max() < 1e-3  # heads are float32
    assert found.misfit.max() < 1e-2
    assert boxes.iou_3d(found, truth).min() > 0.99


def cut_by_the_image(sides):
    """Near boxes of which the image cuts off so many sides, what it shows of their 2D boxes, and which sides [N, 4]."""
    truth = street(5000, seed=6, near=4, far=14)
    truth = made(truth.dimensions, truth.location * [2.5, 1, 1], truth.yaw)
    seen = boxes.bounds(truth, P, SIZE)
    with np.errstate(invalid="ignore"):
        wide = (seen[:, 2:] - seen[:, :2] > 20).all(1)
        from_border = np.abs(seen - [0, 0, SIZE[0] - 1, SIZE[1] - 1])
        clear = ((from_border == 0) | (from_border > 2)).all(1)
    cut = from_border == 0
    chosen = wide & clear & (cut.sum(1) == sides)
    return made(truth.dimensions[chosen], truth.location[chosen], truth.yaw[chosen]), seen[chosen], cut[chosen]


def test_a_box_cut_by_one_border_is_placed_when_the_size_is_known():
    truth, seen, cut = cut_by_the_image(sides=1)
    assert (cut.sum(0) > 100).tolist() == [True, False, True, True]
    location, _, reason = boxes.locate(seen, truth.dimensions, truth.yaw, P, SIZE)
    assert set(reason) == {""}
    assert np.abs(location - truth.location).max() < 1e-6
    without = boxes.locate(seen, truth.dimensions, truth.yaw, P)[0]
    assert np.median(np.abs(without - truth.location).max(1)) > 0.1


def test_a_box_cut_by_two_borders_gets_no_place_because_others_fit_as_well():
    truth, seen, cut = cut_by_the_image(sides=2)
    location, _, reason = boxes.locate(seen, truth.dimensions, truth.yaw, P, SIZE)
    assert np.isnan(location).all() and all("many places fit" in why for why in reason)
    # A side is a plane in which some corner lies. Along the line where two such planes meet, the 2D box stays as it is.
    assert cut[:, 3].all()  # the others are the top and one side
    side = np.where(cut[:, 0], seen[:, 2], seen[:, 0])[:, None]
    line = np.cross(P[0, :3] - side * P[2, :3], P[1, :3] - seen[:, 1:2] * P[2, :3])
    half_a_metre = 0.5 * line / np.linalg.norm(line, axis=1, keepdims=True)
    nearer = truth._replace(location=truth.location - half_a_metre * np.sign(line[:, 2:]))
    np.testing.assert_allclose(boxes.bounds(nearer, P, SIZE), seen, atol=1e-6)


def test_small_errors_of_the_heads_move_the_box_a_little():
    truth = street(500, seed=2)
    bboxes = boxes.bounds(truth, P)
    random = np.random.RandomState(3)
    dimensions = truth.dimensions + random.randn(500, 3) * 0.05
    yaw = truth.yaw + np.radians(random.randn(500) * 2)
    location, _, reason = boxes.locate(bboxes, dimensions, yaw, P)
    assert set(reason) == {""}
    assert np.median(np.abs(location - truth.location).max(1)) < 0.5
    assert boxes.iou_3d(made(dimensions, location, yaw), truth).mean() > 0.55


def test_per_object_projection_matrices():
    truth = street(4)
    other = P.copy()
    other[0, 0] = other[1, 1] = 900
    matrices = np.stack([P, other, P, other])
    bboxes = np.concatenate([boxes.bounds(made(size[None], place[None], [yaw]), p)
                             for size, place, yaw, p in
                             zip(truth.dimensions, truth.location, truth.yaw, matrices)])
    location, _, _ = boxes.locate(bboxes, truth.dimensions, truth.yaw, matrices)
    np.testing.assert_allclose(location, truth.location, atol=1e-9)


def test_twelve_scenes_take_less_than_a_second():
    truth = street(96)
    bboxes = boxes.bounds(truth, P)
    heads = perfect_heads(truth, bboxes)
    start = time.time()
    for scene in np.arange(96).reshape(12, 8):
        part = {name: head[scene] for name, head in heads.items()}
        boxes.estimate(part, bboxes[scene], P, MEAN, SIZE)
    assert time.time() - start < 1


def test_corners_order_and_front():
    points = boxes.corners([[1, 2, 4]], [[10, 0, 20]], [0.0])[0]
    assert (points[:4, 1] == 0).all() and (points[4:, 1] == -1).all()
    assert (points[list(boxes.FRONT), 0] == 12).all()
    np.testing.assert_allclose(points[:, [0, 2]], np.tile(points[:4, [0, 2]], (2, 1)))
    lengths = [np.linalg.norm(points[a] - points[b]) for a, b in boxes.EDGES]
    assert sorted(lengths) == [1] * 4 + [2] * 4 + [4] * 4
    # At -90 degrees a vehicle drives away from the camera: its front is the far end.
    away = boxes.corners([[1, 2, 4]], [[0, 0, 20]], [-np.pi / 2])[0]
    np.testing.assert_allclose(away[list(boxes.FRONT), 2], 22)


def test_project_by_hand_and_behind():
    pinhole = np.array([[100, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]])
    pixels = boxes.project([[1, 2, 10], [0, 0, 5], [1, 1, -3], [1, 1, 0]], pinhole)
    np.testing.assert_allclose(pixels[:2], [[60, 60], [50, 40]])
    assert np.isnan(pixels[2:]).all()


def test_iou_of_simple_pairs():
    base = [1, 2, 4]
    a = made([base] * 7, [[0, 0, 0]] * 7, [0] * 7)
    b = made([base] * 5 + [[2, 2, 4], base],
             [[0, 0, 0], [2, 0, 0], [0, 0, 0], [0, -0.5, 0], [9, 0, 9], [0, 0, 0], [4, 0, 0]],
             [np.pi, 0, np.pi / 2, 0, 0, 0, 0])
    np.testing.assert_allclose(boxes.iou_bev(a, b), [1, 1 / 3, 1 / 3, 1, 0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(boxes.iou_3d(a, b), [1, 1 / 3, 1 / 3, 1 / 3, 0, 0.5, 0], atol=1e-9)


def test_iou_of_a_square_turned_by_45_degrees_is_the_octagon():
    square = made([[1, 2, 2]], [[3, 0, 30]], [0.3])
    turned = made([[1, 2, 2]], [[3, 0, 30]], [0.3 + np.pi / 4])
    octagon = 8 * (np.sqrt(2) - 1)  # area common to two squares of side 2
    assert boxes.iou_bev(square, turned)[0] == pytest.approx(octagon / (8 - octagon))


def test_iou_agrees_with_counting_points():
    random = np.random.RandomState(5)
    count = 40
    a, b = [made(MEAN + random.rand(count, 3), random.randn(count, 3) * [1.5, 0, 1.5],
                 random.uniform(-np.pi, np.pi, count)) for _ in range(2)]
    points = random.uniform(-7, 7, (100000, 2))

    def covers(box, i):
        x, z = (points - box.location[i, [0, 2]]).T
        cosine, sine = np.cos(box.yaw[i]), np.sin(box.yaw[i])
        along, across = cosine * x - sine * z, sine * x + cosine * z
        return (abs(along) < box.dimensions[i, 2] / 2) & (abs(across) < box.dimensions[i, 1] / 2)

    counted = [(covers(a, i) & covers(b, i)).sum() / (covers(a, i) | covers(b, i)).sum()
               for i in range(count)]
    assert np.abs(boxes.iou_bev(a, b) - counted).max() < 0.03
    np.testing.assert_allclose(boxes.iou_bev(a, b), boxes.iou_bev(b, a), atol=1e-9)


def test_measure():
    truth = street(3)
    moved = truth._replace(location=truth.location + [3, 0, 4], yaw=truth.yaw + np.pi,
                           dimensions=truth.dimensions + [[0.3, 0, 0]])
    error = boxes.measure(moved, truth)
    np.testing.assert_allclose(error["yaw_deg"], 180)
    np.testing.assert_allclose(error["distance_m"], 5)
    np.testing.assert_allclose(error["dimension_m"], 0.1)


def broken(what):
    truth = street(3, seed=4)
    bboxes = boxes.bounds(truth, P)
    heads = perfect_heads(truth, bboxes)
    what(heads, bboxes)
    return boxes.estimate(heads, bboxes, P, MEAN, SIZE)


def set_to(name, index, value):
    def change(heads, bboxes):
        (bboxes if name == "bbox" else heads[name])[index] = value
    return change


@pytest.mark.parametrize("what, reason", [
    (set_to("bbox", (1, 2), np.nan), "not a number"),
    (set_to("bbox", (1, 0), -np.inf), "not a number"),
    (set_to("bbox", 1, [300, 100, 300, 180]), "no area"),
    (set_to("bbox", 1, [400, 100, 300, 180]), "no area"),
    (set_to("bbox", 1, [0, 100, 300, 374]), "more than one side"),
    (set_to("dimension", (1, 0), np.nan), "not a number"),
    (set_to("orientation", (1, 0, 0), np.inf), "not a number"),
    (set_to("orientation", 1, 0), "length 0"),
    (set_to("confidence", (1, 5), np.nan), "not a number"),
    (set_to("dimension", (1, 1), -5), "not positive"),
])
def test_bad_input_gives_no_box_and_says_why(what, reason):
    found = broken(what)
    assert found.valid.tolist() == [True, False, True]
    assert reason in found.reason[1]
    assert np.isnan(found.location[1]).all() and np.isnan(found.misfit[1])
    assert np.isfinite(found.location[[0, 2]]).all()
    assert boxes.iou_3d(found, found).tolist()[1] == 0


def test_nothing_is_placed_behind_the_camera():
    # To look 200,000 pixels wide, a car would have to reach behind the camera's plane.
    bboxes = np.array([[-1e5, -1e5, 1e5, 1e5]])
    location, misfit, reason = boxes.locate(bboxes, [MEAN], [0.3], P)
    assert "in front of the camera" in reason[0]
    assert np.isnan(location).all() and np.isnan(misfit).all()


def test_no_objects_at_all():
    empty = {"dimension": np.zeros((0, 3)), "orientation": np.zeros((0, 6, 2)),
             "confidence": np.zeros((0, 6))}
    found = boxes.estimate(empty, np.zeros((0, 4)), P, np.zeros((0, 3)), SIZE)
    assert len(found.yaw) == 0 and boxes.iou_3d(found, found).shape == (0,)


@pytest.mark.parametrize("change, words", [
    (dict(heads={"dimension": np.zeros((2, 3))}), "no orientation and no confidence"),
    (dict(bboxes=np.zeros((3, 4))), "N = 3"),
    (dict(bboxes=np.zeros(4)), r"\[N, 4\]"),
    (dict(P=np.eye(3)), r"\[3, 4\]"),
    (dict(P=P * np.nan), "finite"),
    (dict(mean_dimensions=np.zeros((5, 3))), "mean_dimensions"),
])
def test_wrong_shapes_are_errors(change, words):
    truth = street(2)
    bboxes = boxes.bounds(truth, P)
    good = dict(heads=perfect_heads(truth, bboxes), bboxes=bboxes, P=P, mean_dimensions=MEAN)
    with pytest.raises(ValueError, match=words):
        boxes.estimate(**dict(good, **change))


def test_a_millimetre_in_the_size_does_not_move_a_box_by_decimetres(monkeypatch):
    """The corners that touch the sides change with the size, and the place must not jump when they do."""
    street = [scenes.load(name) for name in scenes.names()]

    def largest_share():
        """How far boxes move for a change like that of INT8, as a share of what the parity gate allows."""
        random, worst = np.random.RandomState(3), []
        for _ in range(20):
            for scene in street:
                cars = scene.objects
                size = cars.dimensions + random.normal(0, 0.08, cars.dimensions.shape)  # as far off as the network's
                yaw = cars.yaw + random.normal(0, 0.02, cars.yaw.shape)
                before = boxes.locate(cars.bbox, size, yaw, scene.P, scene.size)[0]
                after = boxes.locate(cars.bbox, size + 0.001, yaw + 0.0005, scene.P, scene.size)[0]
                moved = np.linalg.norm(after - before, axis=1)
                worst.append(np.nanmax(moved / np.maximum(0.1, 0.01 * np.linalg.norm(before, axis=1))))
        return max(worst)

    refined = largest_share()
    monkeypatch.setattr(boxes, "_refine", lambda location, *rest: location)
    assert refined < 0.3 and largest_share() > 2 * refined
