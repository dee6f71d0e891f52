"""The sampled Gaussian: its weights, how far it must reach, and how its weights are rounded."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_RADIUS_SIGMAS = 10  # sigmas; beyond, exp(-50) is below the rounding of float64


def gaussian(sigma: float, radius: int) -> NDArray[np.float64]:
    """The sampled Gaussian at -radius … radius, with sum 1.

    >>> gaussian(1.0, 1).round(4)
    array([0.2741, 0.4519, 0.2741])
    """
    return gaussian_at(np.arange(-radius, radius + 1), sigma)


def curvature(sigma: float, radius: int) -> NDArray[np.float64]:
    """The second derivative of the sampled Gaussian at -radius … radius, with sum 0.

    >>> curvature(1.0, 1).round(4)
    array([ 0.1238, -0.2477,  0.1238])
    """
    weights = gaussian(sigma, radius)
    curve: NDArray[np.float64] = ((np.arange(-radius, radius + 1) / sigma) ** 2 - 1) / sigma**2 * weights
    curve -= curve.sum() * weights
    return curve


def hermite(at: Any, order: int) -> Any:
    """The Hermite polynomial of this order at these places, of arrays and of tensors alike.

    >>> hermite(np.array([0.0, 2.0]), 2)
    array([-1.,  3.])
    """
    below, value = 0 * at, 0 * at + 1
    for n in range(order):
        below, value = value, at * value - n * below
    return value


def derivative(sigma: float, radius: int, order: int) -> NDArray[np.float64]:
    """The derivative of this order of the Gaussian, times the sampled Gaussian's scale, to convolve with.

    >>> derivative(1.0, 1, 1).round(4)
    array([ 0.2741, -0.    , -0.2741])
    """
    polynomial: NDArray[np.float64] = hermite(np.arange(-radius, radius + 1) / sigma, order)
    return polynomial * gaussian(sigma, radius) * (-1 / sigma) ** order


@lru_cache(maxsize=64)
def derivative_radius(sigma: float, tolerance: float, order: int) -> int:
    """How far a derivative must reach so that cutting it leaves at most this fraction of its weights' sizes."""
    if order == 0:
        return radius_within(sigma, tolerance)
    radius = max(1, math.ceil(_MAX_RADIUS_SIGMAS * sigma))
    sizes = np.abs(derivative(sigma, radius, order))[radius:]
    beyond = np.concatenate([sizes[::-1].cumsum()[::-1][1:], [0.0]])
    return max(1, int(np.argmax(beyond <= tolerance * sizes.sum())))


def laplacian(sigmas: tuple[float, float], radii: tuple[int, int]) -> NDArray[np.float64]:
    """The Laplacian of a Gaussian: of rank two, with sum 0."""
    (down, across), (curved_down, curved_across) = (
        [line(sigma, radius) for sigma, radius in zip(sigmas, radii, strict=True)] for line in (gaussian, curvature)
    )
    weights: NDArray[np.float64] = np.multiply.outer(curved_down, across) + np.multiply.outer(down, curved_across)
    return weights


def gaussian_at(distance: NDArray[np.integer], sigma: float) -> NDArray[np.float64]:
    """The Gaussian at these distances, each row with sum 1."""
    weights = _unnormalized(distance, sigma)
    normalized: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return normalized


def _unnormalized(distance: NDArray[np.integer], sigma: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # of a width near 0: exp(-∞) is the right weight
        weights: NDArray[np.float64] = np.exp(-0.5 * (distance / sigma) ** 2)
    return weights


@lru_cache(maxsize=64)
def radius_within(sigma: float, tolerance: float) -> int:
    """How far a Gaussian must reach so that cutting it errs by at most `tolerance` for a signal within ±1.

    >>> radius_within(5.0, 1e-4)
    20
    """
    return int(np.argmax(_truncation_errors(sigma) <= tolerance))


@lru_cache(maxsize=64)
def truncation_error(sigma: float, radius: int) -> float:
    """How far a Gaussian that is cut at this radius errs from the infinite one, for a signal within ±1.

    >>> truncation_error(5.0, 20) <= 1e-4 < truncation_error(5.0, 19)
    True
    """
    cut = _truncation_errors(sigma)
    return float(cut[min(radius, len(cut) - 1)])


def _truncation_errors(sigma: float) -> NDArray[np.float64]:
    """The error for each radius.

    What is cut off, t of the whole, is missing once, and once more because the rest is scaled up to sum 1: 2t.
    """
    radius = max(1, math.ceil(_MAX_RADIUS_SIGMAS * sigma))
    weights = _unnormalized(np.arange(radius + 1), sigma)
    beyond = np.concatenate([weights[::-1].cumsum()[::-1][1:], [0.0]])  # one side, from r + 1 on
    lost: NDArray[np.float64] = 4 * beyond / (2 * weights.sum() - weights[0])
    return lost


def rounded(weights: NDArray[np.floating], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """Rows of weights in another dtype, each still of sum 1, so that a constant stays constant.

    The largest weight of a row takes what rounding left over.
    """
    rows = weights.astype(dtype)
    largest = weights.argmax(axis=-1)
    missing = 1 - rows.sum(axis=-1, dtype=np.float64)
    rows[np.arange(len(rows)), largest] += missing.astype(dtype)
    return rows
