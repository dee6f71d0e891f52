"""What a classifier's training adds to its run folder.

confusion.png   which class was predicted as which, where a picture shows one
mistakes.png    the pictures it was most sure of and wrong about
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convolens.data import Example
from convolens.evaluation.classify import metrics_of
from convolens.evaluation.plots import confusion as confusion_plot
from convolens.evaluation.result import Evaluation
from convolens.media.draw import sheet
from convolens.media.files import writing
from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8
from convolens.models.classify import Classifier

MISTAKES = 12  # shown at most


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
        draw_confusion(run / "confusion.png", metrics["confusion"], model.class_names)
        draw_mistakes(run / "mistakes.png", scores, examples, model.class_names)
    return metrics


def draw_mistakes(path: Path, scores: NDArray[Any], examples: Sequence[Example], class_names: Sequence[str]) -> None:
    """A sheet of the pictures that were wrong with the most confidence; none, and no earlier one, if all were right."""
    named, confidence = scores.argmax(axis=1), scores.max(axis=1)
    wrong = np.flatnonzero(named != np.array([example.labels[0] for example in examples]))
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    if not len(worst):
        path.unlink(missing_ok=True)
        return
    captions = [
        f"{class_names[examples[at].labels[0]]}, predicted as {class_names[named[at]]} ({confidence[at]:.0%})"
        for at in worst
    ]
    write_image(path, sheet([as_rgb8(read_image(examples[at].path)) for at in worst], captions))


def draw_confusion(path: Path, confusion: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
    """A PNG of the confusion matrix: a row for each true class, its counts coloured by their share of the row."""
    size = min(max(3.0, 0.55 * len(class_names) + 1.8), 24.0)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    confusion_plot(figure.add_subplot(), confusion, class_names)
    with writing(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
