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
    """Whether a folder holds results, or nothing but folders that do, as `runs` does, and is therefore passed over.

    That is noted. A folder that is closed holds none.
    """
    if not (_holds_results(folder) or _holds_such_folders_alone(folder)):
        return False
    tell_passed_over(folder)
    return True


def _holds_results(folder: str | Path) -> bool:
    return is_of_results(mark for mark in _MARKS if os.path.exists(f"{folder}/{mark}"))  # noqa: PTH110 - raises none


def _holds_such_folders_alone(folder: str | Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            inside = [one for one in entries if not one.name.startswith(".")]
            return bool(inside) and all(one.is_dir() and _holds_results(one.path) for one in inside)
    except OSError:
        return False


def tell_passed_over(folder: str | Path) -> None:
    """Says that a folder of results is passed over."""
    note(f"{folder}: passed over, as it holds results of convolens")
