"""What to try where a training learned little: advice at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEW_EPOCHS = 5  # after fewer it cannot be said that a network cannot learn its pictures
LEAST_AP50, LEAST_IOU = 0.05, 0.1  # less is next to nothing


def advice_on(
    task: str, metrics: Mapping[str, Any], *, epochs: int | None = None, weights: bool = False, of_sounds: bool = False
) -> str:
    """Says in a sentence what to try; nothing where something was learned.

    Args:
        task: `classify`, `localize` or `detect`.
        metrics: of the best model on the validation pictures.
        epochs: how many there were; None where only a head was trained.
        weights: whether the trunk came with somebody's weights.
        of_sounds: whether it was taught by sounds.

    >>> advice_on("detect", {"ap50": 0.6})
    ''
    """
    little = _little(task, metrics)
    if not little:
        return ""
    tries = []
    if epochs is not None and epochs < FEW_EPOCHS:
        tries.append(f"more time ({epochs} {'epoch is' if epochs == 1 else 'epochs are'} few: more --minutes)")
    if not weights:
        tries.append(
            f"a trunk that knows pictures already ({'--trunk vgg16 --weights hed' if of_sounds else '--weights'})"
        )
    if epochs is not None:
        tries += ["smaller batches (--batch 8)" if of_sounds else "smaller pictures (--size)"]
        tries += ["another learning rate (--lr find)"]
    tries.append("convolens doctor on the data")
    return f"little was learned: {little}; try {', or '.join(tries)}"


def _little(task: str, metrics: Mapping[str, Any]) -> str:
    """Says which metric is no better than nothing; empty where none is."""
    if task == "detect":
        return f"AP at IoU .5 is {metrics['ap50'] or 0.0:.3f}" if (metrics["ap50"] or 0.0) < LEAST_AP50 else ""
    if task == "localize":
        return f"the mean IoU is {metrics['mean_iou']:.3f}" if metrics["mean_iou"] < LEAST_IOU else ""
    if "top1" not in metrics:
        return ""
    commonest = max(one["count"] for one in metrics["per_class"].values()) / metrics["count"]
    if metrics["top1"] > commonest:
        return ""
    return f"top-1 is {metrics['top1']:.1%}, and always naming the commonest class gives {commonest:.1%}"
