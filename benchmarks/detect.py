"""SSD300 on VGG16 against torchvision's: photos to detections, a training step, matching, the cost, decoding.

Both have the same weights. torchvision's compiled operators do not load beside a CPU-only torch: then
`TORCHVISION_OPERATORS` names a module that registers them, and torchvision is given our compiled suppression.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import convolens as cl
from benchmarks.harness import Report
from convolens import _core
from convolens.models.detect import LOWEST, Detector, Outputs, Selection
from convolens.models.detect.decoding import select

CLASSES = 21
OBJECTS, BATCH = 20, 32


def run() -> None:
    if "TORCHVISION_OPERATORS" in os.environ:
        importlib.import_module(os.environ["TORCHVISION_OPERATORS"])
        importlib.import_module("torchvision.ops.boxes").nms = suppress  # type: ignore[attr-defined]
    torch.set_num_threads(_core.threads())  # the same for both
    report = Report("detect", "Detecting")
    theirs, ours = pair()
    matching(report, theirs, ours)
    with torch.no_grad():
        inference(report, theirs, ours)
    training(report, theirs, ours)
    report.note = decoding_share(ours)
    report.write()


def pair() -> tuple[Any, Detector]:
    """Torchvision's detector with random weights, and ours with the same."""
    from torchvision.models.detection import ssd300_vgg16

    torch.manual_seed(0)
    theirs = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    with torch.no_grad():
        for head in theirs.head.classification_head.module_list:
            head.weight *= 0.1  # as unsure as an untrained network is; without, scores saturate and have no order
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ssd300.pth"
        torch.save(theirs.state_dict(), path)
        return theirs, cl.detector(weights=path)


def photos(count: int) -> list[np.ndarray]:
    """Photographs of 640×480."""
    from skimage import data, transform

    kinds = (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    return [transform.resize(kinds[n % 4], (480, 640)).astype(np.float32) for n in range(count)]


def inference(report: Report, theirs: Any, ours: Detector) -> None:
    """From pixels to detections, every score above 0.01."""
    for count in (1, 8):
        pictures = photos(count)
        tensors = [torch.from_numpy(one).permute(2, 0, 1).contiguous() for one in pictures]
        row = report.row(
            f"SSD300, {count} photos of 640×480 to detections"
            if count > 1
            else "SSD300, a photo of 640×480 to detections",
            partial(found_by_ours, ours, pictures),
            {"torchvision": partial(found_by_theirs, theirs, tensors)},
            tolerance=1e-3,
            seconds=5,
        )
        print(f"  {row.ratio:.2f}×", flush=True)


def found_by_ours(model: Detector, pictures: list[np.ndarray]) -> NDArray[np.float32]:
    found = model.predict(pictures, threshold=LOWEST)
    return np.concatenate([one.scores for one in found])


def found_by_theirs(model: Any, tensors: list[Tensor]) -> NDArray[np.float32]:
    return np.concatenate([one["scores"].numpy() for one in model(tensors)])


def suppress(boxes: Tensor, scores: Tensor, nms_iou: float) -> Tensor:
    """Torchvision's `nms` by our compiled kernel."""
    selection = Selection(threshold=0.0, nms_iou=nms_iou, top_k=len(boxes), max_detections=len(boxes))
    kept, _, _ = select(scores.numpy()[None, :, None].copy(), boxes.numpy()[None].copy(), selection)[0]
    return torch.from_numpy(kept)


def training(report: Report, theirs: Any, ours: Detector) -> None:
    """One step: forward, cost, backward, on pictures with objects."""
    random = np.random.default_rng(0)
    tensors = [torch.from_numpy(one).permute(2, 0, 1).contiguous() for one in photos(2)]
    shares = [objects(random, OBJECTS) for _ in tensors]
    targets = [
        {"boxes": one * torch.tensor([640, 480, 640, 480]), "labels": torch.ones(OBJECTS, dtype=torch.long)}
        for one in shares
    ]
    pictures, boxes = photos(2), torch.stack(shares)
    labels = torch.zeros(boxes.shape[:2], dtype=torch.long)
    for model in (theirs, ours):
        model.train()

    def mine() -> float:
        ours.zero_grad()
        matches = ours.match(boxes, labels)
        losses, counts = ours.losses(ours(ours.preprocess(pictures)), matches), ours.counts(matches)
        total = sum((losses[name] / counts[name] for name in losses), torch.zeros(()))
        total.backward()
        return float(total.detach())

    def peer() -> float:
        theirs.zero_grad()
        total = sum(theirs(tensors, targets).values(), torch.zeros(()))
        total.backward()
        return float(total.detach())

    report.row("SSD300, a training step of 2 photos", mine, {"torchvision": peer}, tolerance=1e-3, seconds=4)


def matching(report: Report, theirs: Any, ours: Detector) -> None:
    from torchvision.ops import box_iou

    random = np.random.default_rng(1)
    boxes = torch.stack([objects(random, OBJECTS) for _ in range(BATCH)])
    labels = torch.from_numpy(random.integers(0, CLASSES - 1, boxes.shape[:2]))
    anchors = ours.grids.corners
    targets = [{"boxes": one * 300, "labels": kind + 1} for one, kind in zip(boxes, labels, strict=True)]
    scores, offsets = torch.randn(BATCH, len(anchors), CLASSES), torch.randn(BATCH, len(anchors), 4)

    def match_each() -> list[Tensor]:
        return [theirs.proposal_matcher(box_iou(target["boxes"], anchors)) for target in targets]

    def match_and_cost() -> list[float]:
        said = {"cls_logits": scores, "bbox_regression": offsets}
        found = theirs.compute_loss(targets, said, [anchors] * BATCH, match_each())
        return [float(found["classification"]), float(found["bbox_regression"])]

    def mine() -> list[float]:
        matches = ours.match(boxes, labels)
        losses, counts = ours.losses(Outputs(scores, offsets), matches), ours.counts(matches)
        return [float(losses[name] / counts[name]) for name in ("class", "box")]

    name = f"{len(anchors)} default boxes, batch {BATCH}, {OBJECTS} objects each"
    report.row(
        f"matching: {name}", lambda: ours.match(boxes, labels).object_of.numpy(),
        {"torchvision": lambda: torch.stack(match_each()).clamp_min(-1).numpy()}, tolerance=0, seconds=2,
    )  # fmt: skip
    report.row(f"matching and cost: {name}", mine, {"torchvision": match_and_cost}, tolerance=1e-4, seconds=2)


def objects(random: np.random.Generator, count: int) -> Tensor:
    """Corners as shares, from a thirtieth of the side to three quarters."""
    sides = np.exp(random.uniform(np.log(1 / 30), np.log(0.75), (count, 2)))
    first = random.random((count, 2)) * (1 - sides)
    return torch.from_numpy(np.concatenate([first, first + sides], 1).astype(np.float32))


def decoding_share(ours: Detector) -> str:
    """How much of the way from photos to detections is decoding and suppression."""
    ours.eval()
    pictures = photos(8)
    with torch.no_grad():
        outputs = ours(ours.preprocess(pictures))
        whole = median(lambda: ours.predict(pictures, threshold=LOWEST), 5)
        part = median(lambda: ours.decode(outputs, [(480, 640)] * 8, Selection(threshold=LOWEST)), 9)
    return (
        f"Decoding and suppression take {1e3 * part / 8:.1f} ms a picture, {100 * part / whole:.1f}% of the way from "
        "photo to detections, where every default box is a candidate of every class, as with these random weights."
    )


def median(call: Callable[[], object], times: int) -> float:
    """Seconds."""
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return float(np.median(samples))
