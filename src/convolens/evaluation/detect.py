"""How good a detector is on pictures with known objects, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from convolens.data import Example, Loaded, Skipped
from convolens.data.loading import load_or_skip
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
    found: list[Found] = []
    used: list[Example] = []
    for chunk in _chunks(track(examples, "pictures", len(examples), show=progress), skipped, batch):
        said = model.predict([loaded.pixels for _, loaded in chunk], threshold=LOWEST, batch=batch)
        found += [Found(one.boxes_xyxy, one.classes, one.scores) for one in said]
        used += [example for example, _ in chunk]
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


def _chunks(examples: Iterable[Example], skipped: list[Skipped], batch: int) -> Iterator[list[tuple[Example, Loaded]]]:
    """So many examples that can be read at a time, each with its picture."""
    both = ((example, load_or_skip(example, skipped)) for example in examples)
    read = ((example, loaded) for example, loaded in both if loaded is not None)
    while chunk := list(islice(read, batch)):
        yield chunk
