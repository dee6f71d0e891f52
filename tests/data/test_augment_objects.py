import numpy as np
import pytest

from convolens.data.augment import View
from convolens.data.augment_objects import (
    ObjectAugmentation,
    draw_object_colors,
    draw_objects_view,
    filled,
    objects_in,
)
from convolens.errors import ArgumentError

PAPER = ObjectAugmentation()
NOTHING = ObjectAugmentation(zoom_out=1.0, crop=False, flip=False, color_jitter=0.0)
BOXES = np.array([[60, 50, 110, 95], [10, 10, 30, 22], [150, 100, 200, 150]], np.float32)
LABELS = np.array([2, 0, 1])


def marked(box, width=200, height=150):
    """A dark picture with a white box."""
    pixels = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = map(int, box)
    pixels[y1:y2, x1:x2] = 255
    return pixels


def extent(pixels):
    """Where it is brighter than half, as shares of the picture."""
    rows, columns = np.nonzero(pixels[:, :, 0] > 127)
    high, wide = pixels.shape[:2]
    return np.array([columns.min() / wide, rows.min() / high, (columns.max() + 1) / wide, (rows.max() + 1) / high])


def test_no_augmentation_changes_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    view = draw_objects_view(30, 20, BOXES[:0], NOTHING, np.random.default_rng(1))
    np.testing.assert_array_equal(filled(view, pixels, (20, 30), (9, 9, 9)), pixels)
    boxes, labels = objects_in(view, np.array([[3, 4, 15, 20]], np.float32), np.array([5]))
    np.testing.assert_allclose(boxes, [[0.1, 0.2, 0.5, 1.0]])
    assert labels.tolist() == [5]
    np.testing.assert_array_equal(draw_object_colors(pixels, 0.0, np.random.default_rng(2)), np.eye(3, 4))


@pytest.mark.parametrize("seed", range(20))
def test_boxes_go_where_the_picture_goes(seed):
    random = np.random.default_rng(seed)
    view = draw_objects_view(200, 150, BOXES[:1], PAPER, random)
    found = extent(filled(view, marked(BOXES[0]), (160, 120), (0, 0, 0)))
    boxes, _ = objects_in(view, BOXES[:1], LABELS[:1])
    np.testing.assert_allclose(boxes[0], found, atol=0.02)


def test_past_the_picture_is_the_fill_and_nothing_is_moved():
    white = np.full((60, 80, 3), 255, np.uint8)
    seen = filled(View((-40.0, -30.0, 120.0, 90.0), False), white, (120, 160), (10, 20, 30))
    np.testing.assert_array_equal(seen[30:90, 40:120], 255)
    seen[30:90, 40:120] = (10, 20, 30)
    assert (seen == (10, 20, 30)).all()


def test_a_view_beside_the_picture_is_all_fill():
    seen = filled(View((100.0, 0.0, 140.0, 60.0), False), np.full((60, 80, 3), 255, np.uint8), (16, 16), (1, 2, 3))
    assert (seen == (1, 2, 3)).all()


def test_an_object_is_kept_if_its_center_is_in_view_and_cut_off_at_the_edge():
    boxes, labels = objects_in(View((20.0, 0.0, 120.0, 100.0), True), BOXES, LABELS)
    np.testing.assert_allclose(boxes, [[0.1, 0.5, 0.6, 0.95]])
    assert labels.tolist() == [2]
    boxes, _ = objects_in(View((70.0, 60.0, 170.0, 160.0), False), BOXES[:1], LABELS[:1])
    np.testing.assert_allclose(boxes, [[0, 0, 0.4, 0.35]])


def test_every_view_of_objects_has_one_and_crops_overlap_as_the_paper_says():
    random, whole, mirrored, overlaps = np.random.default_rng(0), 0, 0, []
    for _ in range(400):
        view = draw_objects_view(200, 150, BOXES, ObjectAugmentation(zoom_out=1.0), random)
        boxes, _ = objects_in(view, BOXES, LABELS)
        assert len(boxes) >= 1
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        mirrored += view.flipped
        whole += view.box_xyxy == (0, 0, 200, 150)
        x1, y1, x2, y2 = view.box_xyxy
        wide, high = (x2 - x1) / 200, (y2 - y1) / 150
        assert min(wide, high) >= 0.3 and max(wide, high) <= 1
        assert 0.5 <= wide / high <= 2
        overlaps.append(((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)).max())
    assert 160 < mirrored < 240
    assert 40 < whole < 200  # drawn every seventh time; the greatest overlaps are often not to be had
    assert max(overlaps) > 0.3


def test_half_are_zoomed_out_up_to_four_times_with_the_picture_whole_on_the_canvas():
    random, times = np.random.default_rng(0), []
    for _ in range(400):
        x1, y1, x2, y2 = draw_objects_view(200, 150, BOXES, ObjectAugmentation(crop=False), random).box_xyxy
        assert x1 <= 0 and y1 <= 0 and x2 >= 200 and y2 >= 150
        assert (x2 - x1) / 200 == pytest.approx((y2 - y1) / 150)
        times.append((x2 - x1) / 200)
    assert 160 < sum(one == 1 for one in times) < 240
    assert 3.8 < max(times) <= 4


def test_a_picture_without_objects_is_cropped_too():
    random = np.random.default_rng(0)
    views = {draw_objects_view(200, 150, BOXES[:0], PAPER, random).box_xyxy for _ in range(50)}
    assert len(views) > 30


def test_a_very_long_picture_has_views():
    random = np.random.default_rng(0)
    boxes = np.array([[1900, 10, 1990, 90]], np.float32)
    for _ in range(50):
        view = draw_objects_view(2000, 100, boxes, PAPER, random)
        assert len(objects_in(view, boxes, LABELS[:1])[0]) == 1


def test_colors_keep_their_bounds_and_channels_change_places_every_other_time():
    gray = np.full((8, 8, 3), 100, np.uint8)
    random, kept = np.random.default_rng(0), 0
    for _ in range(400):
        matrix = draw_object_colors(gray, 1.0, random)
        value = matrix[:, :3].sum(axis=1) * 100 / 255 + matrix[:, 3]
        # Contrast turns about the picture's own grey, so that an even grey only has its brightness changed. Where
        # contrast comes after the brightness, up to half of that change is added.
        assert np.ptp(value) < 1e-5
        assert 100 / 255 * (1 - 0.125 * 1.5) - 1e-6 <= value[0] <= 100 / 255 * (1 + 0.125 * 1.5) + 1e-6
        kept += bool((matrix[:, :3].argmax(axis=1) == [0, 1, 2]).all())
    assert 200 < kept < 280  # half, and a sixth of the other half


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zoom_out": 0.5}, "zoom_out: need a number of at least 1, got 0.5"),
        ({"zoom_out": float("nan")}, "zoom_out: need a number of at least 1, got nan"),
        ({"color_jitter": -1.0}, "color_jitter: need a number from 0 to below 2, got -1.0"),
    ],
)
def test_impossible_changes_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        ObjectAugmentation(**options)
