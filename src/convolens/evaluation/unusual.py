"""How good an inspector is on pictures that are known to be good or not, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from convolens.data import Example, Skipped
from convolens.data.inspection import mask_of
from convolens.data.loading import read_usable_batches
from convolens.evaluation.in_parts import InParts, by_processes
from convolens.evaluation.pixel_scores import PixelScores
from convolens.evaluation.plots import bars
from convolens.evaluation.result import Evaluation, Metric, need_usable
from convolens.media.pixels import as_pixels, over_white
from convolens.progress import track
from convolens.results import UNUSUAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class InspectorEvaluation(Evaluation):
    """How good an inspector is; as `inspection_metrics` has it."""

    metrics = (
        Metric("image_auroc", "image AUROC", "of pairs of an unusual and a good picture are in the right order"),
        Metric("pixel_auroc", "pixel AUROC", "of pairs of a pixel in a defect and another are in the right order"),
        Metric("pro", "PRO", "per-region overlap, up to 30% of good pixels"),
        Metric("found", "found", "of unusual pictures are called so", percent=True),
        Metric("false_alarms", "false alarms", "of good pictures are called unusual", percent=True),
    )
    columns = ("auroc", "found")

    def draw(self, axes: Axes) -> None:
        """These metrics, of which each is at most 1."""
        bars(axes, {one.short: self.get(one.name) for one in self.metrics if one.name in self}, "fraction")


@dataclass(frozen=True)
class Inspected:
    """What an inspector says of examples.

    Attributes:
        scores: one for each example; 1 is the limit.
        examples: those that could be used.
        pixels: scores of pixels by whether they are in a defect, where that is known.
        skipped: files that could not be used.
    """

    scores: NDArray[np.float64]
    examples: list[Example]
    pixels: PixelScores
    skipped: list[Skipped]

    def evaluation(self) -> InspectorEvaluation:
        """How good it is."""
        unusual = np.array([one.labels[0] for one in self.examples])
        kinds = [str(one.id) if one.labels[0] and one.id is not None else UNUSUAL for one in self.examples]
        return inspection_metrics(self.scores, unusual, kinds, self.pixels)


def inspect_all(
    model: Any,
    examples: Sequence[Example],
    *,
    batch: int = 16,
    source: object = "data",
    progress: bool = False,
    in_parts: InParts = by_processes,
) -> Inspected:
    """Runs an inspector, in torch or exported, over examples. Arguments and errors as in `score_pictures`."""
    scores, used, parts, skipped = in_parts(_inspect, model, examples, batch, progress)
    need_usable(scores, skipped, source)
    pixels = PixelScores()
    for part in parts:
        pixels += part
    return Inspected(np.array(scores), used, pixels, skipped)


def _inspect(
    model: Any, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[float], list[Example], list[PixelScores], list[Skipped]]:
    scores: list[float] = []
    used: list[Example] = []
    skipped: list[Skipped] = []
    pixels = PixelScores()
    shown = track(examples, "pictures", len(examples), show=progress)
    for several in read_usable_batches(_with_mask, shown, skipped, batch):
        for found, (example, mask) in _predicted(model, several, batch):
            scores.append(found.score)
            used.append(example)
            if mask is not None:
                pixels.add(found.heatmap, mask)
    return scores, used, [pixels], skipped


def _with_mask(example: Example) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    pixels = over_white(as_pixels(example.path))
    return pixels, mask_of(example, (pixels.shape[0], pixels.shape[1]))


def _predicted(model: Any, several: Iterator[Any], batch: int) -> Iterator[tuple[Any, tuple[Example, Any]]]:
    """What the model says of each of a batch of pictures, with what is known of it."""
    read = list(several)
    found = model.predict([pixels for _, (pixels, _) in read], batch=batch) if read else []
    for one, (example, (_, mask)) in zip(found, read, strict=True):
        yield one, (example, mask)


def inspection_metrics(
    scores: Float[ndarray, " pictures"], unusual: Int[ndarray, " pictures"], kinds: Sequence[str], pixels: PixelScores
) -> InspectorEvaluation:
    """The field's numbers.

    Args:
        scores: of pictures; from 1 on they are called unusual.
        unusual: 1 where they are, else 0.
        kinds: of defects, where they are.
        pixels: the scores of pixels.

    Returns:
        `count`; `image_auroc`: of the pairs of an unusual and a good picture, how often the unusual one has the higher
        score, ties half; `pixel_auroc`, the same of pixels, and `pro`, where masks are known; `found`: the fraction of
        unusual pictures that are called so, and `false_alarms`: of good ones. `per_class`: for each kind of defect
        `count`, `auroc` and `found`. None where there is nothing to measure on.
    """
    good, bad = scores[unusual == 0], scores[unusual == 1]
    per_class = {}
    for kind in dict.fromkeys(one for one, is_bad in zip(kinds, unusual, strict=True) if is_bad):
        own = scores[(np.array(kinds) == kind) & (unusual == 1)]
        per_class[kind] = {"count": len(own), "auroc": auroc(own, good), "found": float((own >= 1).mean())}
    placed = pixels.regions > 0 and pixels.good.any()
    return InspectorEvaluation({
        "count": len(scores),
        "image_auroc": auroc(bad, good),
        **({"pixel_auroc": pixels.auroc(), "pro": pixels.pro()} if placed else {}),
        "found": float((bad >= 1).mean()) if len(bad) else None,
        "false_alarms": float((good >= 1).mean()) if len(good) else None,
        "per_class": per_class,
    })  # fmt: skip


def auroc(higher: Float[ndarray, " some"], lower: Float[ndarray, " others"]) -> float | None:
    """Of pairs of one and another, how often the first is larger, ties half (Mann and Whitney); None without pairs."""
    if not len(higher) or not len(lower):
        return None
    ordered = np.sort(lower)
    below, until = (np.searchsorted(ordered, higher, side=side) for side in ("left", "right"))
    return float((below + until).mean() / 2 / len(lower))
