"""What was measured, as a page: numbers, what was predicted as what, how far to trust it, and what went worst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from convolens.evaluation.detections import Curve
from convolens.evaluation.metrics import reliability
from convolens.evaluation.mistakes import Mistakes
from convolens.evaluation.plots import plotted, precision_recall, reliability_diagram
from convolens.evaluation.result import Evaluation
from convolens.pages import Part, report, skipped_part
from convolens.pages.figures import confusion, numbers, picture, row, table
from convolens.pages.pictures import file_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATRIX = 20  # classes up to which the whole confusion matrix is shown
PAIRS = 12  # of classes that were confused with one another, named where the matrix is too large


def evaluation_page(title: str, lead: str, found: Evaluation, parts: Sequence[Part]) -> str:
    """The page.

    Args:
        title: of the page.
        lead: a sentence below it.
        found: as `evaluate` gives it.
        parts: what else is to be shown.
    """
    large = [(one.shown(found[one.name]), one.meaning) for one in found.metrics if found.get(one.name) is not None]
    rows = found.table()
    per_class = [table(rows[0], rows[1:], "Each class on its own.")] if rows else []
    first = Part("In numbers", f"{found.counts()}.", [numbers(large), *per_class])
    return report(
        title, lead, [first, *parts, *skipped_part([(one["path"], one["reason"]) for one in found["skipped"]])]
    )


def precision_recall_part(curves: Sequence[Curve], class_names: Sequence[str]) -> Part:
    """Precision against recall of every class, and of the classes together, as a detector gets less choosy."""
    text = "From left to right detections of ever lower scores count: more of the objects are found, and more is found "
    text += "where nothing is. An overlap of half is right."
    caption = (
        "The mean is of the best precision at each recall or a greater one; VOC's number of 2010 is the area below."
    )
    drawing = _plot(partial(precision_recall, curves=curves, class_names=class_names), caption, "precision and recall")
    return Part("How much is found, and how much of it is right", text, [drawing])


def confusion_part(counts: Int[np.ndarray, "classes classes"], class_names: Sequence[str]) -> Part:
    """Which class was predicted as which: the matrix, or, for many classes, the most frequent mistakes."""
    if len(class_names) <= MATRIX:
        return Part("Confusion", "", [confusion(counts, class_names, "Rows: what it is; columns: what was predicted.")])
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(at), len(class_names)) for at in order if wrong.flat[at]]
    rows = [(class_names[truth], class_names[named], f"{wrong[truth, named]:,}") for truth, named in pairs]
    return Part("Confusion", "The most frequent mistakes.", [table(("actual", "predicted", "times"), rows, "")])


def reliability_part(scores: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, " samples"]) -> Part:
    """How often the model is right at each confidence."""
    text = "Of the pictures with this confidence, how many the model got right. On the line, confidence is a "
    text += "probability; below it, the model is too confident."
    caption = "Each point is a range of confidence; its size, how many pictures are in it."
    bins = reliability(scores, labels)
    drawing = _plot(lambda axes: reliability_diagram(axes, *bins), caption, "reliability diagram")
    return Part("How far its confidence can be trusted", text, [drawing])


def mistakes_part(mistakes: Mistakes) -> Part:
    """The worst pictures, worst first."""
    shown = [figure for one in mistakes.worst for figure in file_picture(one.example.path, one.boxes, one.words)]
    text = f"The worst {len(mistakes.worst)} of {mistakes.count:,}." if mistakes.count else "None."
    return Part("Worst mistakes", text, [row(*shown)] if shown else [])


def _plot(draw: Callable[[Axes], object], caption: str, describe: str) -> Markup:
    return Markup('<div class="plot">{}</div>').format(picture(plotted(draw), caption, describe=describe))
