"""How good a detector is on pictures with known objects, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from convolens.data import Example, Loaded, Skipped, load
from convolens.data.loading import read_usable_batches
from convolens.effects.sounds.hearing import Hearing
from convolens.evaluation.detections import Found, coco_metrics, voc_metrics
from convolens.evaluation.events import detected_event_scores
from convolens.evaluation.in_parts import InParts, by_processes
from convolens.evaluation.result import Evaluation, Metric, need_usable
from convolens.exported import ExportedDetector
from convolens.models.detect import LOWEST, Detector
from convolens.progress import track


class DetectorEvaluation(Evaluation):
    """How good a detector is; as `detection_metrics` has it."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("ap", "AP", "COCO's average precision, over overlaps of .5 to .95"),
        Metric("ap50", "at IoU .5", "at an overlap of .5"),
        Metric("ap75", "at IoU .75", "at an overlap of .75"),
        Metric("ap_small", "small", "of objects of less than 32² pixels"),
        Metric("ap_medium", "medium", "of less than 96²"),
        Metric("ap_large", "large", "of more"),
        Metric("voc07", "VOC07", "VOC's average precision of 2007"),
        Metric("voc10", "VOC10", "VOC's of 2010"),
    )
    columns = ("ap", "ap50", "voc07", "voc10")
    counted = "objects"


class HeardDetectorEvaluation(DetectorEvaluation):
    """The same of sounds, with event-wise figures."""

    measured_on = "sounds"
    metrics = (Metric("event_f1", "F1 of events", "of events, right by class and to within 50 ms"),
               *DetectorEvaluation.metrics[:3])  # fmt: skip


@dataclass(frozen=True)
class Detected:
    """What a detector finds in each of the examples that could be used, whatever their scores; and those skipped."""

    found: list[Found]
    examples: list[Example]
    skipped: list[Skipped]
    class_names: Sequence[str]
    hearing: Hearing | None = None

    def evaluation(self) -> DetectorEvaluation:
        """How good that is; of sounds also by events."""
        numbers = detection_metrics(self.found, self.examples, self.class_names)
        if self.hearing is None:
            return numbers
        events = detected_event_scores(self.hearing, self.examples, self.found)
        return HeardDetectorEvaluation({**numbers, **events})


def detect_all(
    model: Detector | ExportedDetector,
    examples: Sequence[Example],
    *,
    batch: int = 16,
    source: object = "data",
    progress: bool = False,
    in_parts: InParts = by_processes,
) -> Detected:
    """Runs the model over examples with any number of objects each. Arguments and errors as in `score_pictures`."""
    found, used, skipped = in_parts(_detect, model, examples, batch, progress)
    need_usable(found, skipped, source)
    hearing = model.preprocessing.sound if isinstance(model, Detector) else None
    return Detected(found, used, skipped, model.class_names, hearing)


def _detect(
    model: Detector | ExportedDetector, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[Found], list[Example], list[Skipped]]:
    shown = track(examples, "pictures", len(examples), show=progress)
    found: list[Found] = []
    used: list[Example] = []
    skipped: list[Skipped] = []

    def pictures(several: Iterator[tuple[Example, Loaded]]) -> Iterator[NDArray[Any]]:
        for example, loaded in several:
            used.append(example)
            yield loaded.pixels

    for several in read_usable_batches(load, shown, skipped, batch):
        for one in model.predict(pictures(several), threshold=LOWEST, batch=batch):
            found.append(Found(one.boxes_xyxy, one.classes, one.scores))
    return found, used, skipped


def detection_metrics(
    found: Sequence[Found], examples: Sequence[Example], class_names: Sequence[str]
) -> DetectorEvaluation:
    """`count` of pictures, `objects`, the numbers of `detections.coco_metrics` and of `detections.voc_metrics`."""
    coco, voc = coco_metrics(examples, found, class_names), voc_metrics(examples, found, class_names)
    per_class = {name: one | voc["per_class"].get(name, {}) for name, one in coco["per_class"].items()}
    objects = sum(len(example.objects) for example in examples)
    return DetectorEvaluation({"count": len(examples), "objects": objects, **coco, **voc, "per_class": per_class})
