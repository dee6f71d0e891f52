"""How good a detector is on pictures with known objects, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from convolens.data import Example, Skipped, load
from convolens.data.loading import read_usable
from convolens.errors import DataError
from convolens.evaluation.detections import Found, coco_metrics, voc_metrics
from convolens.models.detect import LOWEST, Detector
from convolens.progress import track


def measure_detector(
    model: Detector, examples: Sequence[Example], skipped: list[Skipped], *, batch: int = 16
) -> dict[str, Any]:
    """Runs the model over examples with any number of objects each.

    Args:
        model: a detector.
        examples: what to measure on.
        skipped: what cannot be read is added here.
        batch: pictures that go through the network at once.

    Returns:
        As `detection_metrics`.

    Raises:
        DataError: no picture that can be used.
    """
    found, used = detect_all(model, examples, skipped, batch=batch)
    return detection_metrics(found, used, model.class_names)


def detect_all(
    model: Detector, examples: Sequence[Example], skipped: list[Skipped], *, batch: int = 16, progress: bool = False
) -> tuple[list[Found], list[Example]]:
    """What the model finds, however unsure it is, and which examples could be used. Errors as in `measure_detector`."""
    used: list[Example] = []

    def pictures() -> Iterator[NDArray[Any]]:
        shown = track(examples, "pictures", len(examples), show=progress)
        for example, loaded in read_usable(load, shown, skipped):
            used.append(example)
            yield loaded.pixels

    detections = model.predict(pictures(), threshold=LOWEST, batch=batch)
    found = [Found(one.boxes_xyxy, one.classes, one.scores) for one in detections]
    if not used:
        raise DataError(
            f"detect: need pictures that can be used, got none{f'; {skipped[-1].reason}' if skipped else ''}"
        )
    return found, used


def detection_metrics(
    found: Sequence[Found], examples: Sequence[Example], class_names: Sequence[str]
) -> dict[str, Any]:
    """`count` of pictures, `objects`, the numbers of `detections.coco_metrics` and of `detections.voc_metrics`."""
    coco, voc = coco_metrics(examples, found, class_names), voc_metrics(examples, found, class_names)
    per_class = {name: one | voc["per_class"].get(name, {}) for name, one in coco["per_class"].items()}
    objects = sum(len(example.objects) for example in examples)
    return {"count": len(examples), "objects": objects, **coco, **voc, "per_class": per_class}
