"""How far an explanation can be trusted: whether the pixels it points at truly move the score.

Each needs a few dozen forward passes of the network on changed pictures, `AT_ONCE` in a batch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import nn

from convolens.errors import ArgumentError
from convolens.explanation.explanation import Explanation
from convolens.explanation.filling import filled
from convolens.explanation.perturbation import AT_ONCE
from convolens.explanation.targets import class_number
from convolens.models.tap_scores import HasTapScores, TapScores, tap_scores

ROAD_SHARES = (0.2, 0.4, 0.6, 0.8)  # of the pixels removed
BLUR = 10.0  # standard deviation in pixels of the picture that insertion starts from, as in the paper


@dataclass(frozen=True)
class Curve:
    """What becomes of a class's probability as pixels are changed, the most important first.

    Attributes:
        shares: of the pixels changed, from 0 to 1.
        probabilities: of the class.
        area: under the curve, from 0 to 1.
    """

    shares: tuple[float, ...]
    probabilities: tuple[float, ...]
    area: float


def deletion(model: TapScores | HasTapScores, explanation: Explanation, *, steps: int = 20) -> Curve:
    """The hottest pixels are made black first: for a good map the probability, and so the area, soon falls.

    Petsiuk, Das & Saenko, "RISE", BMVC 2018, section 4.2.

    Args:
        model: what was explained, in evaluation mode.
        explanation: of one of its classes.
        steps: into which the pixels are cut.

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
    model: TapScores | HasTapScores, explanation: Explanation, *, shares: Sequence[float] = ROAD_SHARES, seed: int = 0
) -> float:
    """How much more the probability loses with the hottest pixels than with the coldest, from -1 to 1.

    Removed pixels are filled from their neighbours (`filled`), so that no black patch tells the network where something
    was. For each share, half the difference of the probability without the coldest and without the hottest pixels; the
    mean over the shares. 0 is what a map gets that says nothing.

    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, section 5.

    Args:
        model: what was explained, in evaluation mode.
        explanation: of one of its classes.
        shares: of the pixels that are removed.
        seed: of the noise on filled pixels.

    Raises:
        ArgumentError: the explanation is not of a class of this model.
    """
    order = np.argsort(-explanation.heatmap, axis=None, kind="stable")
    counts = [round(share * len(order)) for share in shares]
    hottest = [filled(explanation.picture, order[:count], seed=seed) for count in counts]
    coldest = [filled(explanation.picture, order[len(order) - count :], seed=seed) for count in counts]
    probabilities = _probabilities(model, [*hottest, *coldest], explanation.label)
    without_hottest, without_coldest = np.split(probabilities, 2)
    return float(np.mean(without_coldest - without_hottest) / 2)


def drop_and_increase(model: TapScores | HasTapScores, explanation: Explanation) -> tuple[float, bool]:
    """What is left of the probability where the picture shows only as much as the map is hot.

    Chattopadhay et al., "Grad-CAM++", WACV 2018, section 4.1: the mean of the first over many pictures is the *average
    drop*, the share of the second the *increase in confidence*.

    Returns:
        The share of the probability that is lost, 0 where none is; and whether it rose.

    Raises:
        ArgumentError: the explanation is not of a class of this model.
    """
    shares = explanation.shares() if explanation.picture.ndim == 2 else explanation.shares()[:, :, None]
    kept = (explanation.picture * shares).astype(explanation.picture.dtype)
    whole, part = _probabilities(model, [explanation.picture, kept], explanation.label)
    return float(max(0.0, whole - part) / whole), bool(part > whole)


def randomized(model: nn.Module, *, seed: int = 0) -> Any:
    """A copy of the model in which the entries of every weight are shuffled: it has learned nothing.

    An explanation that is the same for both shows the picture, not what the network learned from it. Adebayo et al.,
    "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.
    """
    shuffled = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in shuffled.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return shuffled


def similarity(one: Explanation, other: Explanation) -> float:
    """The rank correlation of two maps of one picture, from -1 to 1, before their ReLU; the mean over their taps.

    After the ReLU a map of a shuffled network is often empty, as its class may weigh nothing but against: an empty map
    is like none, which would pass for a map that has changed.

    Returns:
        NaN where a map is the same everywhere: it has no ranks to compare.
    """
    return float(np.mean([_rank_correlation(grid, other.grids[tap]) for tap, grid in one.grids.items()]))


def _rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = (ranks - ranks.mean() for ranks in (_ranks(one.ravel()), _ranks(other.ravel())))
    spread = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / spread) if spread > 0 else float("nan")


def _curve(
    model: TapScores | HasTapScores, explanation: Explanation, steps: int, before: NDArray[Any], after: NDArray[Any]
) -> Curve:
    if steps < 1:
        raise ArgumentError(f"steps: need at least 1, got {steps}")
    order = np.argsort(-explanation.heatmap, axis=None, kind="stable")
    shares = np.linspace(0, 1, steps + 1)
    pictures = [_mixed(before, after, order[: round(share * len(order))]) for share in shares]
    probabilities = _probabilities(model, pictures, explanation.label)
    area = float(np.trapezoid(probabilities, shares))
    return Curve(tuple(shares.tolist()), tuple(probabilities.tolist()), area)


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


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing their mean rank."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((last - counts + last - 1) / 2)[at]
    return ranks
