import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens.boxes import overlap
from convolens.models.detect.decoding import Detections, Selection, probabilities, select
from convolens.models.detect.loss import Outputs
from convolens.models.detect.tiles import Tile, merged, tiles


def random_boxes(random, count):
    low = random.random((count, 2)) * 0.8
    return np.concatenate([low, low + 0.05 + 0.3 * random.random((count, 2))], 1).astype(np.float32)


def plain(scores, boxes, selection):
    """Suppression as the papers say it: one class, one candidate at a time."""
    iou, found = overlap(boxes[:, None], boxes), []
    for kind in range(scores.shape[1]):
        mine = [(score, box) for box, score in enumerate(scores[:, kind].tolist()) if score > selection.threshold]
        waiting = sorted(mine, key=best_first)[: selection.top_k]
        while waiting:
            score, box = waiting.pop(0)
            found.append((score, kind, box))
            if selection.soft:
                faded = [(one * np.exp(-(iou[box, other] ** 2) / 0.5), other) for one, other in waiting]
                waiting = sorted((one for one in faded if one[0] > selection.threshold), key=best_first)
            else:
                waiting = [one for one in waiting if iou[box, one[1]] <= selection.nms_iou]
    return sorted(found, key=lambda one: -one[0])[: selection.max_detections]


def best_first(candidate):
    score, box = candidate
    return -score, box


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    soft=st.booleans(),
    top_k=st.sampled_from([1, 10, 400]),
    max_detections=st.sampled_from([5, 200]),
)
def test_what_stays_is_what_the_definition_keeps_in_its_order(seed, soft, top_k, max_detections):
    random = np.random.default_rng(seed)
    selection = Selection(threshold=0.2, nms_iou=0.4, soft=soft, top_k=top_k, max_detections=max_detections)
    scores = random.random((2, 60, 3), dtype=np.float32)
    boxes = np.stack([random_boxes(random, 60) for _ in range(2)])
    for number, (kept, kinds, likely) in enumerate(select(scores, boxes, selection)):
        expected = plain(scores[number], boxes[number], selection)
        assert list(zip(kinds.tolist(), kept.tolist(), strict=True)) == [(kind, box) for _, kind, box in expected]
        np.testing.assert_allclose(likely, [score for score, *_ in expected], rtol=1e-4)


def test_nothing_above_the_threshold_gives_nothing():
    found = select(np.full((1, 9, 2), 0.5, np.float32), np.zeros((1, 9, 4), np.float32), Selection(threshold=0.5))
    assert [len(part) for part in found[0]] == [0, 0, 0]


def test_equal_scores_stay_in_the_order_of_classes_then_boxes():
    boxes = np.array([[[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]], np.float32)
    kept, kinds, _ = select(np.full((1, 3, 2), 0.5, np.float32), boxes, Selection(threshold=0.1))[0]
    assert (kinds.tolist(), kept.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])


def test_likelihoods_leave_background_out():
    scores = torch.tensor([[[1.0, 2.0, 0.5]]])
    whole = scores[0, 0].exp() / scores[0, 0].exp().sum()
    torch.testing.assert_close(probabilities(scores, "softmax")[0, 0], whole[1:])
    both = probabilities(scores, "binary")[0, 0]
    assert float(both.sum()) == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert float(both[0] / both[1]) == pytest.approx(np.exp(1.5))


def found_in(boxes, kinds, names=("a", "b")):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.6, len(boxes)).astype(np.float32)
    return Detections(
        boxes, tuple(names[kind] for kind in kinds), scores, np.array(kinds, np.int64), np.arange(len(kinds))
    )


def test_tiles_cover_the_picture_and_share_a_quarter():
    found = tiles(250, 1000, 200)
    assert found[0] == Tile(0, 0, 1000, 250)
    covered = np.zeros((250, 1000), int)
    for tile in found[1:]:
        assert (tile.x2 - tile.x1, tile.y2 - tile.y1) == (200, 200)
        covered[tile.y1 : tile.y2, tile.x1 : tile.x2] += 1
    assert covered.min() == 1
    assert max(np.diff(sorted({tile.x1 for tile in found[1:]}))) <= 150
    assert tiles(200, 150, 200) == [Tile(0, 0, 150, 200)]
    assert tiles(900, 950, None) == [Tile(0, 0, 950, 900)]


def test_of_boxes_in_tiles_the_cut_ones_go_and_the_same_object_is_found_once():
    whole, left, right = Tile(0, 0, 180, 100), Tile(0, 0, 100, 100), Tile(80, 0, 180, 100)
    parts = [
        found_in([], []),
        found_in([[10, 10, 30, 30], [82, 40, 98, 60], [60, 5, 100, 30]], [0, 1, 0]),
        found_in([[2, 40, 18, 60], [0, 5, 25, 30], [70, 70, 100, 100]], [1, 0, 0]),
    ]
    found = merged(parts, [whole, left, right], ("a", "b"), Selection())
    by_place = sorted(zip(found.labels, found.boxes_xyxy.tolist(), strict=True))
    assert by_place == [("a", [10, 10, 30, 30]), ("a", [150, 70, 180, 100]), ("b", [82, 40, 98, 60])]
    assert (found.default_boxes == -1).all()


def test_tiles_find_in_a_large_picture_what_is_too_small_in_the_whole():
    """A detector that sees exactly one bright square of its own scale: the arithmetic from tile to picture."""
    model = cl.detector("resnet18", size=64, classes=["a"], width=0.1)

    class Bright(type(model)):
        def forward(self, batch):
            centers = self.grids.boxes[:, :2].mul(64).long().clamp(0, 63)
            light = batch.mean(dim=1)[:, centers[:, 1], centers[:, 0]]
            scores = torch.stack([torch.zeros_like(light), light * 20 - 20], dim=-1)
            return Outputs(scores, torch.zeros(*light.shape, 4))

    model.__class__ = Bright
    pixels = np.zeros((64, 512, 3), np.uint8)
    pixels[20:28, 404:412] = 255
    assert len(model.predict(pixels)) == 0
    found = model.predict(pixels, tile=64, nms_iou=0.05)
    assert len(found) > 0
    x1, y1, x2, y2 = found.boxes_xyxy[0]
    assert x1 < 412
    assert x2 > 404
    assert abs((y1 + y2) / 2 - 24) < 8
    assert abs((x1 + x2) / 2 - 408) < 8
