"""What a classifier's training adds to its run folder.

confusion.png   which class was predicted as which, where a picture shows one
mistakes.png    the pictures that it was most confident of and wrong about
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convolens.data import Example, Skipped
from convolens.evaluation.classify import log_loss, metrics_of
from convolens.evaluation.mistakes import Mistake, wrong_class
from convolens.media.draw import sheet
from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8
from convolens.models.classify import Classifier
from convolens.training.run_task import Measured


def measured(
    model: Classifier, scores: NDArray[Any], examples: Sequence[Example], skipped: Sequence[Skipped]
) -> Measured:
    """What a classifier turned out to be; its report are the classes that were confused, and the worst mistakes.

    Args:
        model: the classifier.
        scores: its probabilities, `(pictures, classes)`.
        examples: of which pictures.
        skipped: files that could not be used.
    """
    metrics = metrics_of(model, scores, examples)

    def report(run: Path) -> None:
        if not model.multi_label:
            metrics.save(run / "confusion.png")
            draw_mistakes(run / "mistakes.png", wrong_class(scores, examples, model.class_names).worst)

    return Measured(metrics, log_loss(model, scores, examples), skipped, report)


def draw_mistakes(path: Path, mistakes: Sequence[Mistake]) -> None:
    """Draws the pictures that went wrong; none, and no earlier sheet, if all were right."""
    if mistakes:
        pictures = [as_rgb8(read_image(one.example.path)) for one in mistakes]
        write_image(path, sheet(pictures, [one.words for one in mistakes]))
    else:
        path.unlink(missing_ok=True)
