"""What a network loses by 8 bits: a metric of its task, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convolens.errors import DataError, ExportError
from convolens.media.files import AnyPath

AT_MOST = 1.0  # points of a metric; more would be another model
_METRICS = {"localize": "quality", "detect": "ap", "unusual": "image_auroc"}  # a classifier's depends on its labels


def compared(
    task: str, multi_label: bool, before: Mapping[str, Any], after: Mapping[str, Any], labeled: AnyPath, at_most: float
) -> dict[str, Any]:
    """What was measured before and after: `metric`, `before`, `after`, `pictures`.

    Args:
        task: of the model.
        multi_label: whether it gives any number of labels.
        before: what `evaluate` found of it in float32.
        after: and in 8 bits.
        labeled: the data that both were measured on.
        at_most: points of the metric that may be lost.

    Raises:
        ExportError: more is lost.
        DataError: the metric has no value on such data.
    """
    name = _METRICS.get(task) or ("mean_ap" if multi_label else "top1")
    if before[name] is None or after[name] is None:
        raise DataError(f"{labeled}: need data on which {name} has a value, got none; label more pictures")
    found = {"metric": name, "before": before[name], "after": after[name], "pictures": after["count"]}
    if not 100 * (found["before"] - found["after"]) <= at_most:  # so worded that NaN is refused too
        raise ExportError(
            f"int8: need at most {at_most:g} points lost by 8 bits, got {told(found)}; give more pictures, "
            "such as the model will see, or allow more by at_most"
        )
    return found


def told(found: Mapping[str, Any], what: str = "pictures") -> str:
    """What was measured, in words, and on what.

    >>> told({"metric": "top1", "before": 0.95, "after": 0.945, "pictures": 200})
    'int8: top1 0.9500 before, 0.9450 after (0.5 points lost) on 200 pictures'
    """
    lost = 100 * (found["before"] - found["after"])
    change = f"{lost:.1f} points lost" if lost >= 0 else f"{-lost:.1f} points won"
    return (
        f"int8: {found['metric']} {found['before']:.4f} before, {found['after']:.4f} after ({change}) "
        f"on {found['pictures']} {what}"
    )
