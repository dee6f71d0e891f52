"""How well a classifier tells pictures that are unlike all it learned from from others, in plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from convolens.data import Example, Skipped
from convolens.data.model_inputs import model_batches
from convolens.errors import ArgumentError, DataError
from convolens.evaluation.in_parts import InParts
from convolens.evaluation.unusual import auroc
from convolens.media.files import AnyPath
from convolens.media.picture_files import find_pictures
from convolens.models.classify import Classifier
from convolens.models.inputs import evaluating

RATE = 0.01  # of false alarms, at which they are counted


def measure_familiar(
    model: Any, known: Sequence[Example], unfamiliar: AnyPath, batch: int, progress: bool, in_parts: InParts
) -> tuple[dict[str, float | int], list[Skipped]]:
    """Compares how familiar pictures of the model's classes are with how familiar others are.

    Args:
        model: that `need_familiarity` passes.
        known: pictures of its classes, which it did not learn from.
        unfamiliar: where pictures of anything else are: a folder, a pattern, an address.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar.
        in_parts: who does which of them.

    Returns:
        As `familiarity_metrics` has it, and the unfamiliar ones that could not be used.

    Raises:
        FileError, DataError: there are none that can be used.
    """
    others = [Example(file, ()) for file in find_pictures([unfamiliar])]
    found = []
    for examples in (known, others):
        values, skipped = in_parts(_familiar, model, examples, batch, progress)
        if not values:
            raise DataError(f"{unfamiliar}: need pictures that can be used, got none; {skipped[0].reason}")
        found.append(np.concatenate(values))
    return familiarity_metrics(*found), skipped


def need_familiarity(model: Any) -> None:
    """Raises an `ArgumentError` where a model is no classifier that knows what it learned from."""
    if not isinstance(model, Classifier) or model.familiarity is None:
        raise ArgumentError(
            "unfamiliar: need a classifier that knows what it learned from, as train gives one, got a model without; "
            "train it with this version"
        )


def _familiar(
    model: Any, examples: Sequence[Example], batch: int, progress: bool
) -> tuple[list[NDArray[Any]], list[Skipped]]:
    skipped: list[Skipped] = []

    def each() -> Iterator[NDArray[Any]]:
        with evaluating(model):
            what = "how familiar pictures are"
            for one, _ in model_batches(model, examples, skipped, batch=batch, what=what, progress=progress):
                yield model.familiar(one)

    return list(each()), skipped


def familiarity_metrics(
    known: Float[ndarray, " pictures"], others: Float[ndarray, " others"]
) -> dict[str, float | int]:
    """The field's numbers.

    Args:
        known: how familiar pictures of the model's classes are.
        others: how familiar others are.

    Returns:
        `familiar_auroc`: of pairs of a picture of the classes and another, how often the former is more familiar, ties
        half; `familiar_fpr95`: the fraction of others that are as familiar as the 95% most familiar pictures of the
        classes; `called_unknown`: the fraction of others that `unknown=RATE` calls so, and `false_alarms`: of the
        classes' pictures; `unfamiliar`: how many others there were.

    >>> found = familiarity_metrics(np.array([0.2, 0.5, 0.9]), np.array([0.001, 0.3]))
    >>> round(found["familiar_auroc"], 3), found["called_unknown"], found["false_alarms"]
    (0.833, 0.5, 0.0)
    """
    at = np.sort(known)[int(np.floor(0.05 * len(known)))]
    area = auroc(known, others)
    assert area is not None
    return {
        "unfamiliar": len(others),
        "familiar_auroc": area,
        "familiar_fpr95": float((others >= at).mean()),
        "called_unknown": float((others < RATE).mean()),
        "false_alarms": float((known < RATE).mean()),
    }
