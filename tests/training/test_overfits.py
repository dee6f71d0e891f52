"""The whole SSD300 learns what it is shown: eight pictures by heart."""

from pathlib import Path

import pytest
import torch

import convolens as cl
from convolens.data import Box, Example
from convolens.evaluation.detections.coco import coco_metrics
from convolens.evaluation.detections.found import Found
from examples.many_digits_on_photos import pictures

SIDE, STEPS, RATE = 300, 160, 4e-4
DIGITS = [str(digit) for digit in range(10)]


def learned(model, batch, boxes, labels):
    """Trains all that lies after conv4_3; what comes before is frozen, and its maps are computed once."""
    with torch.no_grad():
        frozen = model.trunk(batch, taps=("conv4_3",))["conv4_3"]
    late = [p for name, p in model.trunk.named_parameters() if int(name.split(".")[1]) > 22]  # behind conv4_3's ReLU
    optimizer = torch.optim.Adam([*late, *model.feature_maps.parameters(), *model.heads.parameters()], RATE)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.2)
    matches = model.match(boxes, labels)
    counts = model.counts(matches)
    for _ in range(STEPS):
        maps = model.trunk.resume("conv4_3", frozen, model.taps)
        losses = model.losses(model.heads(model.feature_maps(list(maps.values()))), matches)
        optimizer.zero_grad()
        sum(losses[part] / counts[part] for part in losses).backward()
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 5.0)
        optimizer.step()
        rate.step()


@pytest.mark.weights
@pytest.mark.slow
def test_ssd300_on_hed_weights_learns_eight_pictures_by_heart():
    torch.manual_seed(0)
    shown = [picture for picture in pictures("train", 12, side=SIDE, seed=3) if picture.digits][:8]
    model = cl.detector("vgg16", size=SIDE, classes=DIGITS, weights="hed")
    most = max(len(picture.digits) for picture in shown)
    boxes, labels = torch.zeros(8, most, 4), torch.full((8, most), -1)
    for row, picture in enumerate(shown):
        for place, digit in enumerate(picture.digits):
            boxes[row, place], labels[row, place] = torch.tensor(digit.box) / SIDE, digit.meaning
    learned(model, model.preprocess([picture.pixels for picture in shown]), boxes, labels)

    examples = [
        Example(Path(f"{row}.png"), (), tuple(Box(digit.meaning, digit.box) for digit in picture.digits))
        for row, picture in enumerate(shown)
    ]
    found = [
        Found(one.boxes_xyxy, one.classes, one.scores)
        for one in model.predict([picture.pixels for picture in shown], threshold=0.01)
    ]
    metrics = coco_metrics(examples, found, DIGITS)
    print({name: metrics[name] for name in ("ap", "ap50", "ap75")})
    assert metrics["ap50"] == pytest.approx(1.0)
