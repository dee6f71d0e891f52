"""What a classifier's training adds to its run folder.

confusion.png   which class was predicted as which, where a picture shows one
mistakes.png    the pictures that it was most confident of and wrong about
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convolens.data import Example
from convolens.evaluation.classify import metrics_of
from convolens.evaluation.mistakes import Mistake, wrong_class
from convolens.evaluation.result import Evaluation
from convolens.media.draw import sheet
from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8
from convolens.models.classify import Classifier


def report_classifier(model: Classifier, run: Path, scores: NDArray[Any], examples: Sequence[Example]) -> Evaluation:
    """The metrics of a model, and in the run folder which classes were confused and the worst mistakes.

    Args:
        model: the best model.
        run: the run folder.
        scores: its probabilities, `(pictures, classes)`.
        examples: of which pictures.
    """
    metrics = metrics_of(model, scores, examples)
    if not model.multi_label:
        metrics.save(run / "confusion.png")
        draw_mistakes(run / "mistakes.png", wrong_class(scores, examples, model.class_names).worst)
    return metrics


def draw_mistakes(path: Path, mistakes: Sequence[Mistake]) -> None:
    """A sheet of the pictures that went wrong; none, and no earlier one, if all were right."""
    if mistakes:
        pictures = [as_rgb8(read_image(one.example.path)) for one in mistakes]
        write_image(path, sheet(pictures, [one.words for one in mistakes]))
    else:
        path.unlink(missing_ok=True)
