"""How good a classifier is, in plain numbers, by NumPy: every number is a count divided by a count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray

from convolens.evaluation.plots import confusion, plotted
from convolens.evaluation.result import Evaluation, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CALIBRATION_BINS = 15  # Guo et al.'s number
FAMILIAR = (  # where pictures of other things were given too
    Metric(
        "familiar_auroc", "familiar AUROC", "of pairs of a picture of the classes and another are in the right order"
    ),
    Metric("familiar_fpr95", "FPR at 95%", "of others are as familiar as 95% of the classes' pictures", percent=True),
    Metric("false_alarms", "false alarms", "of the classes' pictures are called unknown at 1%", percent=True),
)
HEARD = (  # where the data are parts of recordings, which are listened to as wholes, too
    Metric("event_f1", "event F1", "F1 of events of the right class that begin within 50 ms"),
    Metric("event_precision", "event precision", "of the events that were heard are right", percent=True),
    Metric("event_recall", "event recall", "of the events that are known were heard", percent=True),
)
MACRO_F1 = Metric("macro_f1", "macro-F1", "macro-F1: precision and recall, each class counting alike")


class ClassifierEvaluation(Evaluation):
    """How good a classifier is on pictures of one class each; as `classification_metrics` has it."""

    metrics = (
        Metric("top1", "top-1", "of pictures have their class named first", percent=True),
        Metric("top5", "top-5", "of pictures have their class among the first five", percent=True),
        MACRO_F1,
        Metric("ece", "calibration error", "calibration error: how far confidence is from accuracy"),
        *FAMILIAR,
        *HEARD,
    )
    columns = ("precision", "recall", "f1")

    def draw(self, axes: Axes) -> None:
        """The confusion matrix."""
        confusion(axes, self["confusion"], list(self["per_class"]))

    def drawn(self) -> UInt8[np.ndarray, "height width 3"]:
        """The same as a picture, as large as the names and counts need."""
        side = min(max(4.2, 0.5 * len(self["per_class"]) + 1.8), 24.0)
        return plotted(self.draw, (side, side))


class MultiLabelEvaluation(Evaluation):
    """How good a classifier is where a picture may show several classes; as `multi_label_metrics` has it."""

    metrics = (
        Metric("mean_ap", "mean average precision", "mean average precision over the classes"),
        MACRO_F1,
        Metric("exact", "all classes right", "of pictures have every class right", percent=True),
        *FAMILIAR,
        *HEARD,
    )
    columns = ("ap", "precision", "recall", "f1")


class HeardEvaluation(ClassifierEvaluation):
    """The same of sounds."""

    counted = measured_on = "sounds"


class HeardMultiLabelEvaluation(MultiLabelEvaluation):
    """The same of sounds."""

    counted = measured_on = "sounds"


def classification_metrics(
    scores: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, " samples"], class_names: Sequence[str]
) -> ClassifierEvaluation:
    """The field's numbers for scores that add up to 1 in each row.

    Returns:
        `count`; `top1` and `top5`, the fraction of samples whose class has the highest score, or one of the five
        highest; `macro_f1`, the mean of the classes' F1 over the classes that occur or are predicted; `ece`, the
        expected calibration error in 15 equal bins (Guo et al., "On Calibration of Modern Neural Networks", 2017,
        eq. 3);
        `per_class`, name → precision, recall, f1, count; `confusion`, one row for each true class.

    >>> scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> found = classification_metrics(scores, np.array([0, 1, 1]), ["brick", "grass"])
    >>> round(found["top1"], 3), found["confusion"]
    (0.667, [[1, 0], [1, 1]])
    """
    counts = confusion_matrix(scores.argmax(axis=1), labels, len(class_names))
    sums = zip(np.diag(counts).tolist(), counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist(), strict=True)
    per_class = {name: _one_class(*of_class) for name, of_class in zip(class_names, sums, strict=True)}
    seen = [per_class[name]["f1"] for at, name in enumerate(class_names) if counts[at].any() or counts[:, at].any()]
    return ClassifierEvaluation(
        {
            "count": len(labels),
            "top1": _top(scores, labels, 1),
            "top5": _top(scores, labels, 5),
            "macro_f1": float(np.mean(seen)) if seen else 0.0,
            "ece": calibration_error(scores, labels),
            "per_class": per_class,
            "confusion": counts.tolist(),
        }
    )


def multi_label_metrics(
    scores: Float[np.ndarray, "samples classes"], truth: Bool[np.ndarray, "samples classes"], class_names: Sequence[str]
) -> MultiLabelEvaluation:
    """The field's numbers where a picture may show several classes, each score from 0 to 1 for itself.

    Returns:
        `count`; `mean_ap`, the mean over the classes that occur of the average precision (the area under precision as
        a step function of recall); `macro_f1` at a threshold of 0.5, over the classes that occur or are named; `exact`,
        the fraction of samples of which every class is right at 0.5; `per_class`, name → ap, precision, recall, f1,
        count.

    >>> scores, truth = np.array([[0.9, 0.2], [0.6, 0.7]]), np.array([[True, False], [False, True]])
    >>> found = multi_label_metrics(scores, truth, ["cat", "dog"])
    >>> found["mean_ap"], found["exact"]
    (1.0, 0.5)
    """
    named = scores >= 0.5
    sums = zip(*((one.sum(axis=0).tolist()) for one in (named & truth, truth, named)), strict=True)
    per_class = {
        name: {"ap": _average_precision(scores[:, at], truth[:, at]), **_one_class(*of_class)}
        for at, (name, of_class) in enumerate(zip(class_names, sums, strict=True))
    }
    occurring = [per_class[name]["ap"] for number, name in enumerate(class_names) if truth[:, number].any()]
    seen = [per_class[name]["f1"] for number, name in enumerate(class_names) if (truth | named)[:, number].any()]
    return MultiLabelEvaluation(
        {
            "count": len(truth),
            "mean_ap": float(np.mean(occurring)) if occurring else 0.0,
            "macro_f1": float(np.mean(seen)) if seen else 0.0,
            "exact": float((named == truth).all(axis=1).mean()) if len(truth) else 0.0,
            "per_class": per_class,
        }
    )


def confusion_matrix(
    predicted: Int[np.ndarray, " samples"], labels: Int[np.ndarray, " samples"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """How often each true class (row) was predicted as each class (column)."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def reliability(
    scores: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, " samples"], bins: int = CALIBRATION_BINS
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"], Int[np.ndarray, " bins"]]:
    """Mean confidence, accuracy and number of the samples in each of the bins of equal confidence; 0 in empty ones."""
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == labels
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(at, minlength=bins)
    sums = (np.bincount(at, weights=values, minlength=bins) for values in (confidence, correct))
    mean_confidence, accuracy = (total / np.maximum(count, 1) for total in sums)
    return mean_confidence, accuracy, count


def calibration_error(
    scores: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, " samples"], bins: int = CALIBRATION_BINS
) -> float:
    """How far confidence is from accuracy, averaged over samples in bins of equal confidence."""
    confidence, accuracy, count = reliability(scores, labels, bins)
    return float((np.abs(confidence - accuracy) * count).sum() / max(len(labels), 1))


def _top(scores: NDArray[Any], labels: NDArray[Any], count: int) -> float:
    highest = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return float((highest == labels[:, None]).any(axis=1).mean()) if len(labels) else 0.0


def _one_class(right: int, occurs: int, predicted: int) -> dict[str, float | int]:
    return {
        "precision": right / max(predicted, 1),
        "recall": right / max(occurs, 1),
        "f1": 2 * right / max(occurs + predicted, 1),
        "count": occurs,
    }


def _average_precision(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Over thresholds at every score that occurs, so that ties have no order."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True) if len(scores) else np.zeros(0, bool)
    right, named = np.cumsum(truth[order])[last_of_ties], np.flatnonzero(last_of_ties) + 1
    gained = np.diff(right, prepend=0)
    return float((gained * right / named).sum() / max(int(truth.sum()), 1))
