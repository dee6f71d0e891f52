import numpy as np
import pytest
import torch

from convolens.data.augment import UNCHANGED, Augmentation, draw_colors, draw_view, view_keeping
from convolens.errors import ArgumentError
from convolens.training.pictures import normalized
from convolens.trunks import Preprocessing

WILD = Augmentation(scale=(0.4, 2.0), ratio=(1 / 1.6, 1.6), flip=True, color_jitter=0.5)


def marked(width, height, box):
    """A dark picture with a white box."""
    pixels = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    return pixels


def extent(pixels):
    """Where it is brighter than half, as shares of the picture."""
    rows, columns = np.nonzero(pixels[:, :, 0] > 127)
    side = len(pixels)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / side


def test_no_augmentation_changes_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    view = draw_view(20, 20, UNCHANGED, np.random.default_rng(1))
    np.testing.assert_array_equal(view.picture(pixels, 20), pixels)
    np.testing.assert_allclose(view.boxes(np.array([[2, 4, 10, 20]], np.float32)), [[0.1, 0.2, 0.5, 1.0]])
    np.testing.assert_array_equal(draw_colors(pixels, 0.0, np.random.default_rng(2)), np.eye(3, 4))


@pytest.mark.parametrize("seed", range(12))
def test_boxes_go_where_the_picture_goes(seed):
    random = np.random.default_rng(seed)
    box = (60, 50, 110, 95)
    view = view_keeping(tuple(map(float, box)), 200, 150, WILD, random)
    found = extent(view.picture(marked(200, 150, box), 100))
    np.testing.assert_allclose(view.boxes(np.array([box], np.float32))[0], found, atol=0.015)


def test_an_object_is_kept_whole_and_views_differ():
    random, seen = np.random.default_rng(0), set()
    for _ in range(50):
        view = view_keeping((80.0, 60.0, 120.0, 90.0), 200, 150, WILD, random)
        x1, y1, x2, y2 = view.box_xyxy
        assert x1 <= 80 and y1 <= 60 and x2 >= 120 and y2 >= 90
        seen.add(view)
    assert len(seen) > 40
    assert {view.flipped for view in seen} == {False, True}


def test_a_view_has_the_size_that_was_requested():
    random = np.random.default_rng(0)
    for least, most in ((0.3, 0.5), (1.5, 2.5)):
        shares = []
        for _ in range(200):
            x1, y1, x2, y2 = draw_view(80, 60, Augmentation((least, most), (1.0, 1.0), False, 0.0), random).box_xyxy
            shares.append((x2 - x1) * (y2 - y1) / 4800)
        assert least <= min(shares) < least + 0.05 * most and most - 0.05 * most < max(shares) <= most


def test_grays_stay_gray_and_the_mean_keeps_its_place_under_contrast():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (9, 9, 3)).astype(np.uint8)
    for _ in range(20):
        colors = draw_colors(pixels, 0.8, random)
        changed = colors[:, :3] @ np.full(3, 0.4) + colors[:, 3]
        np.testing.assert_allclose(changed, changed[0], atol=1e-6)


def test_light_and_colors_change_as_far_as_requested():
    pixels = np.full((4, 4, 3), 128, np.uint8)
    random = np.random.default_rng(0)
    values = [draw_colors(pixels, 0.2, random) @ [0.5, 0.5, 0.5, 1.0] for _ in range(300)]
    assert 0.39 < np.min(values) < 0.42 and 0.58 < np.max(values) < 0.61  # 0.5 · (1 ± 0.2); contrast turns about it


def test_a_view_has_ratios_of_width_to_height_in_the_range():
    random, augmentation = np.random.default_rng(0), Augmentation(scale=(0.2, 0.3), ratio=(1.0, 2.0))
    corners = np.array([draw_view(100, 100, augmentation, random).box_xyxy for _ in range(300)])
    ratios = (corners[:, 2] - corners[:, 0]) / (corners[:, 3] - corners[:, 1])
    assert 1.0 <= ratios.min() < 1.1
    assert 1.9 < ratios.max() <= 2.0
    assert np.log(ratios).mean() == pytest.approx(np.log(2) / 2, abs=0.05)  # evenly in the logarithm


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"scale": (0.0, 1.0)},
            "scale: need two fractions of the area above 0 and up to 1,000,000",
        ),
        ({"scale": (0.5, 10**400)}, "scale: need two fractions"),
        ({"scale": (1.0, 0.5)}, "scale: need two fractions"),
        (
            {"ratio": (2.0, 1.0)},
            r"ratio: need two numbers above 0 .*, the least first, got \(2.0, 1.0\)",
        ),
        ({"ratio": 1.2}, "ratio: need two numbers above 0 and up to 1,000,000, the least first, got 1.2"),
        ({"color_jitter": 1.0}, "color_jitter: need a number from 0 to below 1, got 1.0"),
    ],
)
def test_changes_that_cannot_be_are_refused(change, message):
    with pytest.raises(ArgumentError, match=message):
        Augmentation(**change)


def test_pictures_become_inputs_as_if_colored_cut_off_and_normalized_one_after_another():
    random = np.random.default_rng(3)
    pictures = random.integers(0, 256, (4, 5, 7, 3)).astype(np.uint8)
    colors = np.stack([draw_colors(picture, 0.8, random) for picture in pictures])
    shown = np.einsum("nij,nhwj->nihw", colors[:, :, :3], pictures / 255) + colors[:, :, 3, None, None]
    for preprocessing in (Preprocessing(), Preprocessing(order="bgr", white=255.0)):
        found = normalized({"picture": torch.from_numpy(pictures), "colors": torch.from_numpy(colors)}, preprocessing)
        expected = preprocessing.normalize(torch.from_numpy(shown.clip(0, 1)).float())
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
