"""What a classifier's training adds to its run folder.

confusion.png   which class was predicted as which, where a picture shows one
mistakes.png    the pictures that it was most confident of and wrong about
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convolens.data import Example, Skipped
from convolens.evaluation.classify import log_loss, metrics_of
from convolens.media.draw import sheet
from convolens.media.files import writing
from convolens.media.images import read_image, write_image
from convolens.media.pixels import as_rgb8
from convolens.models.classify import Classifier
from convolens.training.run_task import Measured

MISTAKES = 12  # on the sheet at most


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
            draw_confusion(run / "confusion.png", metrics["confusion"], model.class_names)
            draw_mistakes(run / "mistakes.png", scores, examples, model.class_names)

    return Measured(metrics, log_loss(model, scores, examples), skipped, report)


def draw_mistakes(path: Path, scores: NDArray[Any], examples: Sequence[Example], class_names: Sequence[str]) -> None:
    """Draws the pictures that were wrong with the most confidence; none, and no earlier sheet, if all were right."""
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
    """Draws the confusion matrix: a row for each true class, its counts colored by their fraction of the row."""
    size = min(max(3.0, 0.55 * len(class_names) + 1.8), 24.0)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    fractions = [[count / max(sum(row), 1) for count in row] for row in confusion]
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            if count:
                color = "white" if fractions[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=color)
    with writing(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
