"""Folders of results, told by the files that training, predicting and explaining leave in them.

Pictures in them were drawn, not given: where such a folder lies in a folder of pictures or of classes, as after
`train photos --out photos/run`, it is passed over with a note. Given by its own name, it is a folder like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from convolens.media.notes import note

BEST, LAST, LOG = "best.safetensors", "last.ckpt", "log.jsonl"  # a training's
PREDICTIONS, PREDICTIONS_UNDER_WAY = "predictions.jsonl", "predictions.part.jsonl"
EXPLANATIONS = "explanations.jsonl"

_MARKS = frozenset((BEST, LAST, LOG, PREDICTIONS, PREDICTIONS_UNDER_WAY, EXPLANATIONS))


def is_of_results(names: Iterable[str]) -> bool:
    """Whether a folder that holds files of these names is one of results."""
    return not _MARKS.isdisjoint(names)


def are_passed_over(folder: str | Path) -> bool:
    """Whether a folder holds results, and is therefore passed over, which is noted; one that is closed does not."""
    if not is_of_results(mark for mark in _MARKS if os.path.exists(f"{folder}/{mark}")):  # noqa: PTH110 - raises none
        return False
    tell_passed_over(folder)
    return True


def tell_passed_over(folder: str | Path) -> None:
    """Says that a folder of results is passed over."""
    note(f"{folder}: passed over, as it holds results of convolens")
