"""What was measured, as a page: numbers, what was predicted as what, how far to trust it, and what went worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convolens.evaluation.detections import Curve
from convolens.evaluation.metrics import reliability
from convolens.evaluation.mistakes import Mistakes
from convolens.media.draw import figure_pixels
from convolens.pages import Part, report
from convolens.pages.figures import confusion, numbers, picture, row, table
from convolens.pages.pictures import file_picture

MATRIX = 20  # classes up to which the whole confusion matrix is shown
NAMED_CURVES = 12  # of precision against recall, one a class
PAIRS = 12  # of classes that were confused with one another, named where the matrix is too large

# Each figure in words, for whom the field's short name says nothing.
MEANING = {
    "top1": "of pictures have their class named first",
    "top5": "of pictures have their class among the first five",
    "macro_f1": "macro-F1: precision and recall, each class counting alike",
    "ece": "calibration error: how far confidence lies from accuracy",
    "mean_ap": "mean average precision over the classes",
    "exact": "of pictures have every class right",
    "object_accuracy": "right about whether there is an object",
    "object_auc": "of pairs, one with an object and one without, are in the right order",
    "class_accuracy": "of objects have their class right",
    "mean_iou": "mean overlap (IoU) of found and true boxes",
    "iou50": "of boxes overlap the true one by at least half",
    "ap": "COCO's average precision, over overlaps of .5 to .95",
    "ap50": "at an overlap of .5",
    "ap75": "at an overlap of .75",
    "ap_small": "of objects of less than 32² pixels",
    "ap_medium": "of less than 96²",
    "ap_large": "of more",
    "voc07": "VOC's average precision of 2007",
    "voc10": "VOC's of 2010",
}
# Shown as they are, not as percentages.
PLAIN = ("macro_f1", "ece", "mean_ap", "mean_iou", *(name for name in MEANING if name.startswith(("ap", "voc"))))


def evaluation_page(title: str, lead: str, found: Mapping[str, Any], parts: Sequence[Part]) -> str:
    """The page.

    Args:
        title: of the page.
        lead: a sentence below it.
        found: figures, as `evaluate` gives them.
        parts: what else is to be shown.
    """
    large = [(_shown(name, found[name]), text) for name, text in MEANING.items() if found.get(name) is not None]
    shown = f"{found['count']:,} pictures" + (f", {found['objects']:,} objects." if "objects" in found else ".")
    first = Part("In numbers", shown, [numbers(large), *_per_class(found)])
    return report(title, lead, [first, *parts, *_skipped(found)])


def precision_recall_part(curves: Sequence[Curve], class_names: Sequence[str]) -> Part:
    """Precision against recall of every class, and of the classes together, as a detector gets less choosy."""
    text = "From left to right ever less sure detections count: more of the objects are found, and more is found where "
    text += "nothing is. An overlap of half is right."
    return Part("How much is found, and how much of it is right", text, [_precision_recall_plot(curves, class_names)])


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
    """How often the model is right where it says that it is this sure."""
    text = "Of the pictures about which the model was this sure, how many it got right. On the line, confidence is a "
    text += "probability; below it, the model is surer than it should be."
    return Part("How far its confidence can be trusted", text, [_reliability_plot(scores, labels)])


def mistakes_part(mistakes: Mistakes) -> Part:
    """The worst pictures, worst first."""
    shown = [figure for one in mistakes.worst for figure in file_picture(one.example.path, one.boxes, one.words)]
    text = f"The worst {len(mistakes.worst)} of {mistakes.count:,}." if mistakes.count else "None."
    return Part("Worst mistakes", text, [row(*shown)] if shown else [])


def _shown(name: str, value: float) -> str:
    return f"{value:.3f}" if name in PLAIN else f"{value:.1%}"


def _per_class(found: Mapping[str, Any]) -> list[str]:
    per_class = found.get("per_class", {})
    if not per_class:
        return []
    first, counted = next(iter(per_class.values())), "objects" if "voc10" in found else "pictures"
    columns = [name for name in ("ap", "ap50", "voc07", "voc10", "precision", "recall", "f1") if name in first]
    rows = [
        (name, *(f"{one[column]:.3f}" for column in columns), f"{one['count']:,}") for name, one in per_class.items()
    ]
    return [table(("class", *columns, counted), rows, "Each class on its own.")]


def _skipped(found: Mapping[str, Any]) -> list[Part]:
    skipped = found.get("skipped", [])
    if not skipped:
        return []
    rows = [(one["path"], one["reason"].removeprefix(f"{one['path']}: ")) for one in skipped[:PAIRS]]
    return [Part("Skipped", f"{len(skipped):,} files could not be used.", [table(("file", "reason"), rows, "")])]


def _reliability_plot(scores: NDArray[Any], labels: NDArray[Any]) -> str:
    confidence, accuracy, count = reliability(scores, labels)
    figure = Figure(figsize=(5.6, 4.2), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    used = count > 0
    axes.bar(confidence[used], accuracy[used], width=0.05, color="#0072b2", alpha=0.35)
    axes.scatter(confidence[used], accuracy[used], s=8 + 120 * count[used] / count.max(), color="#0072b2")
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    caption = "Each point is a range of confidence; its size, how many pictures lie in it."
    return f'<div class="plot">{picture(figure_pixels(figure), escape(caption), describe="reliability diagram")}</div>'


def _precision_recall_plot(curves: Sequence[Curve], class_names: Sequence[str]) -> str:
    figure = Figure(figsize=(5.6, 4.2), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    there = [(name, curve) for name, curve in zip(class_names, curves, strict=True) if curve.count]
    named = len(there) <= NAMED_CURVES
    for name, curve in there:
        label = name if named else None
        axes.step(curve.recall, curve.precision, where="post", linewidth=1, alpha=0.8 if named else 0.2, label=label)
    grid = np.linspace(0, 1, 101)
    best = np.array([_best_precision(curve, grid) for _, curve in there]).reshape(-1, len(grid))
    if len(there) > 1:
        axes.plot(grid, best.mean(axis=0), color="black", linewidth=2, label="mean of the classes")
    axes.set(xlabel="recall: share of the objects found", ylabel="precision: share that is right", xlim=(0, 1.02))
    axes.set_ylim(0, 1.02)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="lower left")
    caption = (
        "The mean is of the best precision at each recall or a greater one, the area below it VOC's number of 2010."
    )
    return f'<div class="plot">{picture(figure_pixels(figure), escape(caption), describe="precision and recall")}</div>'


def _best_precision(curve: Curve, recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    best = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
    found: NDArray[np.float64] = best[np.searchsorted(curve.recall, recalls - 1e-12)]
    return found
