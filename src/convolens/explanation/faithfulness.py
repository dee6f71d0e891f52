"""How far an explanation can be trusted: whether the pixels that it marks move the score.

Each needs a few dozen forward passes of the network on changed pictures, `AT_ONCE` in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.explanation.explanation import Explanation
from convolens.explanation.imputation import impute
from convolens.explanation.perturbation import AT_ONCE
from convolens.explanation.targets import class_number
from convolens.models.tap_scores import HasTapScores, TapScores, tap_scores

ROAD_FRACTIONS = (0.2, 0.4, 0.6, 0.8)  # of the pixels removed
BLUR = 10.0  # standard deviation in pixels of the picture that insertion starts from, as in the paper


@dataclass(frozen=True)
class Curve:
    """What becomes of a class's probability as pixels are changed, the most important first.

    Attributes:
        fractions: of the pixels changed, from 0 to 1.
        probabilities: of the class.
        area: under the curve, from 0 to 1.
    """

    fractions: tuple[float, ...]
    probabilities: tuple[float, ...]
    area: float


def deletion(model: TapScores | HasTapScores, explanation: Explanation, *, steps: int = 20) -> Curve:
    """The hottest pixels are made black first: for a good map the probability, and so the area, soon falls.

    Petsiuk, Das & Saenko, "RISE", BMVC 2018, section 4.2.

    Args:
        model: what was explained, in evaluation mode.
        explanation: of one of its classes.
        steps: in how many the pixels are changed.

    Raises:
        ArgumentError: the explanation is not of a class of this model.
    """
    return _curve(model, explanation, steps, before=explanation.picture, after=np.zeros_like(explanation.picture))


def insertion(model: TapScores | HasTapScores, explanation: Explanation, *, steps: int = 20) -> Curve:
    """The hottest pixels are made sharp first in a blurred picture: for a good map the probability soon rises.

    Arguments, errors and source as for `deletion`.
    """
    from convolens.effects.pictures.blur import blur

    return _curve(model, explanation, steps, before=blur(explanation.picture, BLUR), after=explanation.picture)


def road(
    model: TapScores | HasTapScores,
    explanation: Explanation,
    *,
    fractions: Sequence[float] = ROAD_FRACTIONS,
    seed: int = 0,
) -> float:
    """How much more the probability loses with the hottest pixels than with the coldest, from -1 to 1.

    Removed pixels are imputed from their neighbours (`imputation.impute`), so that no black patch tells the network
    where something was. For each fraction, half the difference of the probability without the coldest and without the
    hottest pixels; the result is the mean over the fractions. A map that says nothing gets 0.

    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, section 5.

    Args:
        model: what was explained, in evaluation mode.
        explanation: of one of its classes.
        fractions: of the pixels that are removed.
        seed: of the noise on imputed pixels.

    Raises:
        ArgumentError: the explanation is not of a class of this model.
    """
    order = np.argsort(-explanation.heatmap, axis=None, kind="stable")
    counts = [round(fraction * len(order)) for fraction in fractions]
    hottest = [impute(explanation.picture, order[:count], seed=seed) for count in counts]
    coldest = [impute(explanation.picture, order[len(order) - count :], seed=seed) for count in counts]
    probabilities = _probabilities(model, [*hottest, *coldest], explanation.label)
    without_hottest, without_coldest = np.split(probabilities, 2)
    return float(np.mean(without_coldest - without_hottest) / 2)


def drop_and_increase(model: TapScores | HasTapScores, explanation: Explanation) -> tuple[float, bool]:
    """What the probability loses where the picture is darkened to what the map marks as hot.

    Chattopadhay et al., "Grad-CAM++", WACV 2018, section 4.1: the mean of the first over many pictures is the *average
    drop*, the fraction of the second the *increase in confidence*.

    Returns:
        The fraction of the probability that is lost, 0 where none is; and whether it rose.

    Raises:
        ArgumentError: the explanation is not of a class of this model.
    """
    visible = explanation.normalized() if explanation.picture.ndim == 2 else explanation.normalized()[:, :, None]
    kept = (explanation.picture * visible).astype(explanation.picture.dtype)
    whole, part = _probabilities(model, [explanation.picture, kept], explanation.label)
    return float(max(0.0, whole - part) / whole), bool(part > whole)


def _curve(
    model: TapScores | HasTapScores, explanation: Explanation, steps: int, before: NDArray[Any], after: NDArray[Any]
) -> Curve:
    if steps < 1:
        raise ArgumentError(f"steps: need at least 1, got {steps}")
    order = np.argsort(-explanation.heatmap, axis=None, kind="stable")
    fractions = np.linspace(0, 1, steps + 1)
    pictures = [_mixed(before, after, order[: round(fraction * len(order))]) for fraction in fractions]
    probabilities = _probabilities(model, pictures, explanation.label)
    area = float(np.trapezoid(probabilities, fractions))
    return Curve(tuple(fractions.tolist()), tuple(probabilities.tolist()), area)


def _mixed(before: NDArray[Any], after: NDArray[Any], changed: NDArray[np.intp]) -> NDArray[Any]:
    mixed = before.copy()
    rows, columns = np.unravel_index(changed, before.shape[:2])
    mixed[rows, columns] = after[rows, columns]
    return mixed


def _probabilities(
    model: TapScores | HasTapScores, pictures: Sequence[NDArray[Any]], label: str
) -> Float[np.ndarray, " pictures"]:
    explained, found = tap_scores(model), []
    with torch.inference_mode():
        for start in range(0, len(pictures), AT_ONCE):
            batch = torch.cat([explained.preprocess(picture) for picture in pictures[start : start + AT_ONCE]])
            found.append(explained.probabilities(explained(batch)).double().cpu().numpy())
    every, names = np.concatenate(found), explained.class_names
    wanted = label if names or not label.isdecimal() else int(label)
    return every[:, class_number(wanted, names, every.shape[1])]
