import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from convolens.boxes import centers_of, corners_of, overlaps
from convolens.errors import ArgumentError
from convolens.models.detect.default_boxes import shapes_of, tile_boxes
from convolens.models.detect.loss import BOX_LOSSES, DetectionLoss, Outputs
from convolens.models.detect.matching import Grids, match
from convolens.models.detect.offsets import decode, encode

GRIDS = Grids.of(tile_boxes(shapes_of([0.3, 0.6, 0.9], [[2.0], [2.0]]), [(4, 4), (2, 2)], (64, 64)), (64, 64))
BOXES = torch.tensor(
    [[[0.1, 0.1, 0.4, 0.5], [0.4, 0.3, 0.9, 0.9]], [[0.0, 0.5, 0.3, 0.8], [0, 0, 0, 0]], [[0.0] * 4] * 2]
)
LABELS = torch.tensor([[2, 0], [1, -1], [-1, -1]])


def outputs(classes=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, GRIDS.total, 1 + classes, generator=random, requires_grad=True)
    return Outputs(scores, torch.randn(3, GRIDS.total, 4, generator=random, requires_grad=True))


def test_offsets_come_back_as_the_boxes_they_were_made_of():
    boxes = centers_of(torch.tensor([[0.1, 0.2, 0.3, 0.5], [0.0, 0.0, 1.0, 1.0]]))
    defaults = GRIDS.boxes[[3, 70]]
    torch.testing.assert_close(decode(encode(boxes, defaults), defaults), boxes)
    assert encode(defaults, defaults).abs().max() == 0
    wide = torch.tensor([[0.0, 0.0, 1e4, 0.0]])
    assert decode(wide, defaults[:1])[0, 2] == pytest.approx(float(defaults[0, 2]) * 62.5, rel=1e-5)


@pytest.mark.parametrize("objectness", ["softmax", "binary"])
def test_the_parts_are_sums_over_objects_and_the_hardest_of_background(objectness):
    said, matches = outputs(), match(BOXES, LABELS, GRIDS)
    loss = DetectionLoss(class_weight=2.0, box_weight=3.0, object_weight=5.0, negatives=2.0, negatives_when_empty=4)
    found = loss.losses(said, matches, GRIDS, objectness)
    expected = {"object": 0.0, "class": 0.0, "box": 0.0}
    total = 0
    for picture in range(3):
        scores, mine = said.scores[picture].detach(), matches.object_of[picture]
        there = (mine >= 0).nonzero()[:, 0]
        total += len(there)
        for box in there.tolist():
            label = int(LABELS[picture, mine[box]])
            true = encode(centers_of(BOXES[picture, mine[box]])[None], GRIDS.boxes[box][None])
            expected["box"] += 3 * float(
                smooth_l1_loss(said.offsets[picture, box].detach()[None], true, reduction="sum")
            )
            if objectness == "softmax":
                expected["class"] += 2 * float(cross_entropy(scores[box], torch.tensor(label + 1)))
            else:
                expected["class"] += 2 * float(cross_entropy(scores[box, 1:], torch.tensor(label)))
                expected["object"] += 5 * float(binary_cross_entropy_with_logits(scores[box, 0], torch.tensor(1.0)))
        if objectness == "softmax":
            background = [float(cross_entropy(row, torch.tensor(0))) for row in scores]
        else:
            background = [float(binary_cross_entropy_with_logits(row[0], torch.tensor(0.0))) for row in scores]
        hardest = sorted((loss for box, loss in enumerate(background) if mine[box] < 0), reverse=True)
        part, weight = ("class", 2) if objectness == "softmax" else ("object", 5)
        expected[part] += weight * sum(hardest[: 2 * len(there) if len(there) else 4])
    for name, value in found.items():
        assert float(value.detach()) == pytest.approx(expected[name], rel=1e-4)
    seen = total + 4 / 2  # the empty picture's four negatives are as many as two objects would have brought
    counts = loss.counts(matches, objectness)
    assert counts == (
        {"class": seen, "box": total} if objectness == "softmax" else {"object": seen, "class": total, "box": total}
    )
    assert counts.keys() == found.keys()


def test_pictures_without_objects_count_unless_they_are_left_out():
    said, nothing = outputs(), match(BOXES, torch.full_like(LABELS, -1), GRIDS)
    taught = DetectionLoss().losses(said, nothing, GRIDS, "softmax")
    taught["class"].backward()
    assert (said.scores.grad.abs().sum(dim=-1) > 0).sum(dim=1).tolist() == [12, 12, 12]
    assert taught["box"].item() == 0
    silent = DetectionLoss(negatives_when_empty=0)
    assert {name: float(part.detach()) for name, part in silent.losses(said, nothing, GRIDS, "softmax").items()} == {
        "class": 0.0,
        "box": 0.0,
    }
    assert silent.counts(nothing, "softmax") == {"class": 0.0, "box": 0.0}


def test_five_hundred_objects_in_a_picture_leave_a_finite_loss():
    random = torch.Generator().manual_seed(0)
    low = torch.rand(1, 500, 2, generator=random) * 0.9
    boxes = torch.cat([low, low + 0.02 + 0.08 * torch.rand(1, 500, 2, generator=random)], dim=2)
    matches = match(boxes, torch.zeros(1, 500, dtype=torch.long), GRIDS)
    for name, part in (
        DetectionLoss(negatives=1000.0)
        .losses(Outputs(*(one[:1] for one in outputs())), matches, GRIDS, "softmax")
        .items()
    ):
        assert math.isfinite(part.detach()), name


def test_a_class_without_examples_learns_only_that_it_is_not_there():
    said, matches = outputs(), match(BOXES, LABELS.clamp(max=1), GRIDS)
    DetectionLoss().losses(said, matches, GRIDS, "softmax")["class"].backward()
    assert (said.scores.grad[..., 3] >= 0).all()
    assert (said.scores.grad[..., 3] > 0).any()


@pytest.mark.parametrize("box_loss", BOX_LOSSES)
def test_a_box_that_is_right_has_no_loss_and_others_what_their_definition_says(box_loss):
    true, defaults = BOXES[0], GRIDS.boxes[[5, 66]]
    right = encode(centers_of(true), defaults)
    assert BOX_LOSSES[box_loss](right, true, defaults).abs().max() < 1e-5
    off = right + torch.tensor([0.5, -2.0, 0.1, 0.0])
    expected = {
        "smooth_l1": 0.125 + 1.5 + 0.005,
        "l1": 2.6,
        "mse": 0.25 + 4 + 0.01,
        "giou": (1 - overlaps(corners_of(decode(off, defaults)), true)[1]).tolist(),
    }[box_loss]
    assert BOX_LOSSES[box_loss](off, true, defaults).tolist() == pytest.approx(
        expected if box_loss == "giou" else [expected] * 2, rel=1e-3
    )


@pytest.mark.bad_input
def test_a_loss_that_cannot_be_is_refused():
    for name in ("class_weight", "box_weight", "object_weight", "negatives", "negatives_when_empty"):
        with pytest.raises(ArgumentError, match=f"{name}: need a number of at least 0, got nan"):
            DetectionLoss(**{name: float("nan")})
