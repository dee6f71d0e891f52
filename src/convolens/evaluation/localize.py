"""How good a localizer is on pictures with known boxes, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.boxes import corners_of, overlaps
from convolens.data import Example, Loaded, Skipped, load
from convolens.data.loading import read_usable
from convolens.errors import DataError
from convolens.models.inputs import batches, evaluating
from convolens.models.localize import PRESENT, Localizer, Predictions
from convolens.progress import track


def measure_localizer(
    model: Localizer, examples: Sequence[Example], skipped: list[Skipped], *, batch: int = 32
) -> dict[str, Any]:
    """Runs the model over examples with a box or none each.

    Args:
        model: a localizer.
        examples: what to measure on.
        skipped: what cannot be read is added here.
        batch: pictures that go through the network at once.

    Returns:
        `count`; `object_accuracy`: of the pictures, how often "an object" or "none" is right at 0.5; `object_auc`: how
        often a picture with an object is held likelier to have one than one without; `class_accuracy`, `mean_iou` and
        `iou50` (an IoU of at least 0.5): over the pictures with an object, whether it was noticed or not; `quality`:
        the mean of the first, the class's and the IoU.

    Raises:
        DataError: no picture that can be used.
    """
    located = locate_all(model, examples, skipped, batch=batch)
    return localization_metrics(located.output, located.labels, located.boxes)


@dataclass(frozen=True)
class Located:
    """What a localizer said of examples, and the truth: classes, -1 where there is no object, and corners as shares."""

    output: Tensor
    labels: Tensor
    boxes: Tensor
    examples: tuple[Example, ...]


def locate_all(
    model: Localizer, examples: Sequence[Example], skipped: list[Skipped], *, batch: int = 32, progress: bool = False
) -> Located:
    """Runs the model over examples. Arguments and errors as in `measure_localizer`; `progress` shows a bar."""

    def read(example: Example) -> tuple[Tensor, tuple[Example, int, list[float]]]:
        loaded = load(example)
        return model.preprocess(loaded.pixels), (example, *_truth(loaded))

    def singles() -> Iterator[tuple[Tensor, tuple[Example, int, list[float]]]]:
        shown = track(examples, "pictures", len(examples), show=progress)
        for _, one in read_usable(read, shown, skipped):
            yield one

    outputs: list[Tensor] = []
    truths: list[tuple[Example, int, list[float]]] = []
    with evaluating(model):
        for one, items in batches(singles(), batch):
            outputs.append(model(one).float().cpu())
            truths += items
    if not outputs:
        raise DataError(f"localize: need pictures that can be used, got none; {skipped[-1].reason}")
    used, labels, boxes = zip(*truths, strict=True)
    return Located(torch.cat(outputs), torch.tensor(labels), torch.tensor(boxes), used)


def localization_metrics(
    output: Float[Tensor, "samples outputs"], labels: Int[Tensor, " samples"], boxes: Float[Tensor, "samples 4"]
) -> dict[str, Any]:
    """The figures of `measure_localizer`, from raw outputs.

    Args:
        output: the model's.
        labels: the objects' classes, -1 where there is none.
        boxes: their corners as shares of the picture.
    """
    predictions, present = Predictions.of(output), labels >= 0
    noticed = predictions.object.sigmoid() >= PRESENT
    named = predictions.classes.argmax(dim=1)[present] == labels[present]
    iou, _ = overlaps(corners_of(predictions.boxes[present]).clamp(0, 1), boxes[present])
    found = {
        "object_accuracy": _mean(noticed == present),
        "object_auc": _auc(predictions.object[present].numpy(), predictions.object[~present].numpy()),
        "class_accuracy": _mean(named),
        "mean_iou": _mean(iou),
        "iou50": _mean(iou >= 0.5),
    }
    quality = (found["object_accuracy"] + found["class_accuracy"] + found["mean_iou"]) / 3
    return {"count": len(labels), "objects": int(present.sum()), **found, "quality": quality}


def _truth(loaded: Loaded) -> tuple[int, list[float]]:
    if not len(loaded.boxes_xyxy):
        return -1, [0.0] * 4
    height, width = loaded.pixels.shape[:2]
    corners = loaded.boxes_xyxy[0] / np.array([width, height] * 2, np.float32)
    return int(loaded.box_labels[0]), corners.tolist()


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else 0.0


def _auc(with_object: NDArray[Any], without: NDArray[Any]) -> float:
    """The share of pairs in the right order, ties half (Mann and Whitney); 1 where there are no pairs."""
    if not len(with_object) or not len(without):
        return 1.0
    ordered = np.sort(without)
    below, until = (np.searchsorted(ordered, with_object, side=side) for side in ("left", "right"))
    return float((below + until).mean() / 2 / len(without))
