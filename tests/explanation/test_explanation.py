import numpy as np
import pytest

from convolens.explanation.explanation import Explanation, largest_box


def explained(heatmap):
    picture = np.full((*heatmap.shape, 3), 100, np.uint8)
    return Explanation(heatmap.astype(np.float32), 1.0, "grass", "cam", {}, picture)


def test_the_box_is_around_the_largest_part_not_the_hottest():
    heat = np.zeros((10, 12))
    heat[1, 1] = 10
    heat[4:8, 5:9] = 3
    assert explained(heat).box() == (5, 4, 9, 8)
    assert explained(heat).box(threshold=0.5) == (1, 1, 2, 2)


def test_the_threshold_is_a_fifth_of_the_maximum_and_below_it_nothing_counts():
    heat = np.zeros((6, 6))
    heat[2, 2], heat[2, 3], heat[2, 4] = 10, 2.1, 1.9
    assert explained(heat).box() == (2, 2, 4, 3)


def test_parts_that_touch_by_a_corner_are_two():
    heat = np.eye(5)
    heat[4, 3] = 1
    assert largest_box(heat, 0.2) == (3, 3, 5, 5)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_where_nothing_speaks_for_it_there_is_no_box_and_the_overlay_is_the_picture(value):
    found = explained(np.full((8, 8), value))
    assert found.box() is None
    assert (found.overlay() == found.picture).all()


def test_the_overlay_colors_what_spoke_for_it_and_leaves_the_rest():
    heat = np.full((20, 20), -1.0)
    heat[5:10, 5:10] = 2.0
    found = explained(heat)
    shown = found.overlay()
    assert shown.shape == (20, 20, 3) and shown.dtype == np.uint8
    changed = (shown != found.picture).any(axis=2)
    assert changed[5:10, 5:10].all()
    assert not changed[12:, 12:].any()
    assert found.normalized().max() == 1
