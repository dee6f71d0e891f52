import numpy as np
import pytest

from convolens.errors import ArgumentError
from convolens.models.detect import fit_shapes, mean_overlap
from convolens.models.detect.default_boxes import VOC300_SCALES, published_ratios, published_shapes, shapes_of


def test_clusters_are_found_again_smallest_on_the_finest_map():
    random = np.random.default_rng(0)
    true = [(0.05, 0.1), (0.2, 0.08), (0.4, 0.4), (0.3, 0.9)]
    sizes = np.concatenate([np.array(one) * random.uniform(0.95, 1.05, (50, 2)) for one in true])
    found = fit_shapes(sizes, [2, 1, 1])
    assert [len(level) for level in found] == [2, 1, 1]
    flat = [shape for level in found for shape in level]
    np.testing.assert_allclose(flat, true, rtol=0.05)


def test_fitted_shapes_suit_the_objects_better_than_the_authors():
    random = np.random.default_rng(1)
    sizes = np.exp(random.uniform(np.log(0.03), np.log(0.25), (400, 2)))
    authors = published_shapes(6, (300, 300))
    fitted = fit_shapes(sizes, [len(level) for level in authors])
    assert mean_overlap(sizes, fitted) > mean_overlap(sizes, authors) + 0.2


def test_the_same_seed_finds_the_same():
    sizes = np.random.default_rng(2).uniform(0.01, 1, (100, 2))
    assert fit_shapes(sizes, [4, 4], seed=5) == fit_shapes(sizes, [4, 4], seed=5)


def test_published_scales_are_the_papers():
    coco = [level[0][0] * 300 for level in published_shapes(6, (300, 300))]
    np.testing.assert_allclose(coco, [21, 45, 99, 153, 207, 261])
    voc = shapes_of(VOC300_SCALES, published_ratios(6))
    np.testing.assert_allclose([level[0][0] * 300 for level in voc], [30, 60, 111, 162, 213, 264])
    assert [len(level) for level in voc] == [4, 6, 6, 6, 4, 4]
    assert [len(level) for level in published_shapes(7, (512, 512))] == [4, 6, 6, 6, 6, 4, 4]


def test_on_a_picture_that_is_no_square_square_boxes_are_square_in_pixels():
    ((square, between, lying, standing),) = shapes_of([0.1, 0.2], [[2.0]], (200, 800))
    for (wide, high), side in ((square, 40), (between, 40 * 2**0.5)):  # of 400 × 400 pixels, which is as large
        assert (wide * 800, high * 200) == pytest.approx((side, side))
    assert lying[0] * 800 == pytest.approx(2 * lying[1] * 200)
    assert standing[0] * 800 * 2 == pytest.approx(standing[1] * 200)


@pytest.mark.bad_input
def test_what_cannot_be_fitted_is_said():
    with pytest.raises(ArgumentError, match="sizes: need at least 3 different ones for as many shapes, got 1"):
        fit_shapes(np.full((9, 2), 0.5), [2, 1])
    with pytest.raises(ArgumentError, match="sizes: need widths and heights above 0 and up to 1"):
        fit_shapes(np.array([[0.5, 1.5]]), [1])
    with pytest.raises(ArgumentError, match="counts: need at least one shape for each map, got 1, 0"):
        fit_shapes(np.full((9, 2), 0.5), [1, 0])
