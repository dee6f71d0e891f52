"""How good a localizer is on pictures with known boxes, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from convolens.boxes import centers_of, corners_of, overlaps
from convolens.data import Example, Loaded, Skipped, load
from convolens.data.loading import read_usable_batches
from convolens.evaluation.in_parts import InParts, by_processes
from convolens.evaluation.plots import bars
from convolens.evaluation.result import Evaluation, Metric, need_usable
from convolens.exported import ExportedLocalizer
from convolens.models.inputs import batches, evaluating
from convolens.models.localize import PRESENT, Localizer, Predictions
from convolens.progress import track

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_Truth = tuple[Example, int, list[float]]  # the number of its class, or -1, and its box


class LocalizerEvaluation(Evaluation):
    """How good a localizer is; as `localization_metrics` has it."""

    metrics = (
        Metric("object_accuracy", "object or none right", "right about whether there is an object", percent=True),
        Metric("object_auc", "AUC", "of pairs, one with an object and one without, are in the right order"),
        Metric("class_accuracy", "class right", "of objects have their class right", percent=True),
        Metric("mean_iou", "mean IoU", "mean overlap (IoU) of predicted and true boxes"),
        Metric("iou50", "IoU of at least .5", "of boxes overlap the true one by at least half", percent=True),
    )

    def draw(self, axes: Axes) -> None:
        """These metrics, of which each is at most 1."""
        bars(axes, {one.short: self[one.name] for one in self.metrics}, "fraction, or mean")


@dataclass(frozen=True)
class Located:
    """A localizer's outputs for examples, and the truth.

    Attributes:
        output: the model's raw output, a row for each example.
        labels: the objects' classes, -1 where there is none.
        boxes: their corners as fractions of the picture.
        examples: those that could be used.
        skipped: files that could not.
    """

    output: Tensor
    labels: Tensor
    boxes: Tensor
    examples: tuple[Example, ...]
    skipped: tuple[Skipped, ...]

    def evaluation(self) -> LocalizerEvaluation:
        """How good they are."""
        return localization_metrics(self.output, self.labels, self.boxes)


def locate_all(
    model: Localizer | ExportedLocalizer,
    examples: Sequence[Example],
    *,
    batch: int = 32,
    source: object = "data",
    progress: bool = False,
    in_parts: InParts = by_processes,
) -> Located:
    """Runs the model over examples with a box or none each. Arguments and errors as in `score_pictures`."""
    outputs, truths, skipped = in_parts(_locate, model, examples, batch, progress)
    need_usable(outputs, skipped, source)
    used, labels, boxes = zip(*truths, strict=True)
    return Located(torch.cat(outputs), torch.tensor(labels), torch.tensor(boxes), used, tuple(skipped))


def _locate(
    model: Localizer | ExportedLocalizer, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[Tensor], list[_Truth], list[Skipped]]:
    truths: list[_Truth] = []
    skipped: list[Skipped] = []
    locate = _exported_outputs if isinstance(model, ExportedLocalizer) else _outputs
    return list(locate(model, examples, truths, skipped, batch, progress)), truths, skipped


def _outputs(
    model: Any, examples: Sequence[Example], truths: list[_Truth], skipped: list[Skipped], batch: int, progress: bool
) -> Iterator[Tensor]:
    """The outputs of each batch; what is true of the examples that could be used, and those skipped, are added."""
    preprocess = model.preprocess

    def read(example: Example) -> tuple[Tensor, _Truth]:
        loaded = load(example)
        return preprocess(loaded.pixels), (example, *_truth(loaded))

    shown = track(examples, "pictures", len(examples), show=progress)
    with evaluating(model):
        for several in read_usable_batches(read, shown, skipped, batch):
            for one, items in batches((read_one for _, read_one in several), batch):
                truths += items
                yield model(one).float().cpu()


def _exported_outputs(
    model: Any, examples: Sequence[Example], truths: list[_Truth], skipped: list[Skipped], batch: int, progress: bool
) -> Iterator[Tensor]:
    """The same by a file's answers: its probabilities and boxes as the outputs that they came from."""

    def pictures(several: Iterator[tuple[Example, Loaded]]) -> Iterator[NDArray[Any]]:
        for example, loaded in several:
            truths.append((example, *_truth(loaded)))
            yield loaded.pixels

    shown = track(examples, "pictures", len(examples), show=progress)
    for several in read_usable_batches(load, shown, skipped, batch):
        yield torch.stack([_output(*answers) for answers in model.answers(pictures(several), batch=batch)])


def _output(probabilities: NDArray[Any], objectness: float, corners: NDArray[Any]) -> Tensor:
    """What `Predictions.of` makes these answers of; corners as fractions of the picture."""
    centers = centers_of(torch.from_numpy(corners).double())
    logit, sizes = (torch.logit(one, eps=1e-9) for one in (torch.tensor([objectness]).double(), centers[2:]))
    return torch.cat([logit, torch.from_numpy(probabilities).double().clamp_min(1e-30).log(), centers[:2], sizes])


def localization_metrics(
    output: Float[Tensor, "samples outputs"], labels: Int[Tensor, " samples"], boxes: Float[Tensor, "samples 4"]
) -> LocalizerEvaluation:
    """The field's numbers, from raw outputs.

    Args:
        output: the model's.
        labels: the objects' classes, -1 where there is none.
        boxes: their corners as fractions of the picture.

    Returns:
        `count`; `objects`; `object_accuracy`: of the pictures, how often "an object" or "none" is right at 0.5;
        `object_auc`: of the pairs of a picture with an object and one without, how often the first has the higher
        objectness; `class_accuracy`, `mean_iou` and `iou50` (an IoU of at least 0.5): over the pictures with an object,
        whether it was noticed or not; `quality`: the mean of the first, the class's and the IoU.
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
    counts = {"count": len(labels), "objects": int(present.sum())}
    return LocalizerEvaluation({**counts, **found, "quality": quality})


def _truth(loaded: Loaded) -> tuple[int, list[float]]:
    if not len(loaded.boxes_xyxy):
        return -1, [0.0] * 4
    height, width = loaded.pixels.shape[:2]
    corners = loaded.boxes_xyxy[0] / np.array([width, height] * 2, np.float32)
    return int(loaded.box_labels[0]), corners.tolist()


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else 0.0


def _auc(with_object: NDArray[Any], without: NDArray[Any]) -> float:
    """The fraction of pairs in the right order, ties half (Mann and Whitney); 1 where there are no pairs."""
    if not len(with_object) or not len(without):
        return 1.0
    ordered = np.sort(without)
    below, until = (np.searchsorted(ordered, with_object, side=side) for side in ("left", "right"))
    return float((below + until).mean() / 2 / len(without))
