import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convolens.boxes import overlap
from convolens.errors import DataError
from convolens.models.detect.default_boxes import SSD300_STRIDES, published_shapes, shapes_of, tile_boxes
from convolens.models.detect.matching import Grids, match

SSD300 = tile_boxes(
    published_shapes(6, (300, 300)), [(n, n) for n in (38, 19, 10, 5, 3, 1)], (300, 300), SSD300_STRIDES
)  # fmt: skip
WIDE = tile_boxes(shapes_of([0.2, 0.5, 0.9], [[2.0], [3.0, 1.5]], (60, 160)), [(6, 16), (3, 8)], (60, 160))


def random_objects(count, seed):
    random = np.random.default_rng(seed)
    centers, sides = random.random((count, 2)), np.exp(random.uniform(-5, 0, (count, 2)))
    corners = np.concatenate([centers - sides / 2, centers + sides / 2], 1).clip(0, 1).astype(np.float32)
    return torch.from_numpy(corners[(corners[:, 2:] - corners[:, :2] > 1e-3).all(1)])


def by_definition(objects, corners, threshold):
    """The paper's rule, one object and one default box at a time."""
    iou = overlap(objects[:, None], corners)
    object_of = torch.full((len(corners),), -1)
    if len(objects):
        best = iou.max(dim=0)
        object_of[best.values >= threshold] = best.indices[best.values >= threshold]
        for number in range(len(objects)):
            object_of[iou[number].argmax()] = number
    return object_of


@pytest.mark.parametrize(("defaults", "size"), [(SSD300, (300, 300)), (WIDE, (60, 160))], ids=["ssd300", "wide"])
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_matches_are_those_of_the_definition(defaults, size, threshold):
    grids = Grids.of(defaults, size)
    pictures = [random_objects(count, seed) for seed, count in enumerate([1, 7, 40, 0, 500])]
    most = max(map(len, pictures))
    boxes, labels = torch.full((len(pictures), most, 4), torch.nan), torch.full((len(pictures), most), -1)
    for number, objects in enumerate(pictures):
        boxes[number, : len(objects)], labels[number, : len(objects)] = objects, 3
    found = match(boxes, labels, grids, threshold=threshold)
    for number, objects in enumerate(pictures):
        assert torch.equal(found.object_of[number], by_definition(objects * grids.scale, grids.corners, threshold))
    assert (found.object_of[3] == -1).all()


@given(st.integers(0, 10_000))
def test_any_object_is_matched_even_one_of_a_pixel_or_twenty_times_as_wide_as_high(seed):
    grids = Grids.of(SSD300, (300, 300))
    random = np.random.default_rng(seed)
    x, y = random.random(2) * 0.05
    thin = torch.tensor([[[x, y, x + 1 / 300, y + 1 / 300], [x, y + 0.5, x + 0.9, y + 0.545]]], dtype=torch.float32)
    found = match(thin, torch.zeros(1, 2, dtype=torch.long), grids)
    assert torch.equal(found.object_of[0], by_definition(thin[0] * grids.scale, grids.corners, 0.5))
    assert set(found.object_of[0].tolist()) == {-1, 0, 1}


def test_of_two_objects_with_the_same_best_box_the_last_has_it():
    grids = Grids.of(SSD300, (300, 300))
    same = (grids.corners[[2000, 2000]] / grids.scale)[None]
    found = match(same, torch.tensor([[0, 1]]), grids)
    assert found.object_of[0, 2000] == 1
    assert (found.object_of[0] == 0).any()  # of its other boxes the first keeps those of equal overlap


def test_a_batch_without_objects_matches_nothing():
    grids = Grids.of(SSD300, (300, 300))
    for objects in (0, 3):
        found = match(torch.zeros(2, objects, 4), torch.full((2, objects), -1), grids)
        assert found.object_of.shape == (2, 8732)
        assert not found.positive.any()


@pytest.mark.parametrize(
    "bad", [[0.5, 0.1, 0.2, 0.4], [0.1, 0.1, 0.1, 0.4], [0.1, 0.1, float("nan"), 0.4], [0.1, 0.1, float("inf"), 0.4]]
)
def test_a_bad_box_is_refused_with_its_place_in_the_batch(bad):
    boxes = torch.tensor([[[0.1, 0.1, 0.4, 0.4]], [bad]])
    with pytest.raises(DataError, match="picture 2 of the batch: need boxes with x1 < x2 and y1 < y2, got"):
        match(boxes, torch.tensor([[0], [0]]), Grids.of(SSD300, (300, 300)))
    assert match(boxes, torch.tensor([[0], [-1]]), Grids.of(SSD300, (300, 300))).positive[0].any()
