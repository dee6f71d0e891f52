"""The Gaussian as windows of weights: how a blur reaches an axis, in one step or in two.

One step: a filter, cut where it no longer matters. Its cost grows with sigma.

Two steps, whose cost falls with sigma. Two Gaussians of width σ/√2 make one of width σ, and between them the picture
is so smooth that every D-th sample will do. So *thin*: a Gaussian of σ/√2, computed at every D-th place only; then
*fill*: from those samples a Gaussian of σ/√2 at every place. What lies between is 1/D² of the picture. Thinning errs by

    2 exp(-π²ρ²/2),  ρ = σ / D,

because a product of Gaussians is a Gaussian: Σⱼ D g(x - jD) g(jD - i), both of σ/√2, is the blur of width σ times the
samples, D apart, of a Gaussian of width σ/2, whose sum ripples by that much (Poisson's summation formula).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.shapes import Boundary, boundary_map

_FURTHEST = 10  # sigmas; what lies beyond, exp(-50), is below the rounding of float64


class Windows(NamedTuple):
    """One axis of a separable weighted mean, as the core takes it.

    Output i is `weights[phase[i]]` times the padded samples from `first[i]` on; padded sample p is sample `map[p]`, or
    0 where that is -1.
    """

    map: NDArray[np.int64]
    first: NDArray[np.int64]
    phase: NDArray[np.int64]
    weights: NDArray[np.floating]


def gaussian(sigma: float, radius: int) -> NDArray[np.float64]:
    """The sampled Gaussian at -radius … radius, with sum 1.

    >>> gaussian(1.0, 1).round(4)
    array([0.2741, 0.4519, 0.2741])
    """
    return _bell(np.arange(-radius, radius + 1), sigma)


@lru_cache(maxsize=64)
def radius_within(sigma: float, tolerance: float) -> int:
    """How far a Gaussian must reach so that cutting it errs by at most `tolerance` for an image within ±1.

    What is cut off, t of the whole, is missing once, and once more because the rest is scaled up to sum 1: 2t.

    >>> radius_within(5.0, 1e-4)
    20
    """
    furthest = max(1, math.ceil(_FURTHEST * sigma))
    bell = np.exp(-0.5 * (np.arange(furthest + 1) / sigma) ** 2)
    beyond = np.concatenate([bell[::-1].cumsum()[::-1][1:], [0.0]])  # one side, from r + 1 on
    lost = 4 * beyond / (2 * bell.sum() - bell[0])
    return int(np.argmax(lost <= tolerance))


@lru_cache(maxsize=64)
def untouched(size: int, dtype: str) -> Windows:
    """An axis that is left alone."""
    return _windows(np.arange(size), np.arange(size), np.zeros(size, int), np.ones((1, 1)), dtype)


@lru_cache(maxsize=64)
def filtered(size: int, sigma: float, reach: int, boundary: Boundary, dtype: str) -> Windows:
    """An axis blurred in one step."""
    bell = gaussian(sigma, reach)[None]
    return _windows(boundary_map(size, reach, reach, boundary), np.arange(size), np.zeros(size, int), bell, dtype)


def thinning(sigma: float, tolerance: float) -> int:
    """How many samples apart the places between the two steps may lie; 1 where two steps do not pay.

    >>> thinning(20.0, 5e-5), thinning(2.0, 5e-5)
    (12, 1)
    """
    ripple = tolerance / 5  # the rest is for cutting two bells, one of them known only at every spacing-th place
    closest = math.sqrt(2 * math.log(2 / ripple)) / math.pi
    spacing = int(sigma / closest)
    return spacing if spacing >= _LEAST_SPACING else 1


_LEAST_SPACING = 3  # by measurement: closer than that, one step is as fast


@lru_cache(maxsize=64)
def thinned(
    size: int, sigma: float, spacing: int, tolerance: float, boundary: Boundary, dtype: str
) -> tuple[Windows, Windows]:
    """An axis blurred in two steps: to every `spacing`-th place, and from there to all."""
    half = sigma / math.sqrt(2)
    reach = radius_within(half, 0.25 * tolerance)
    taps = 2 * reach // spacing + 1
    begin = -((reach - np.arange(size)) // spacing)  # the first place within reach of each output, times spacing
    places = np.arange(begin[0], begin[-1] + taps)
    padding = boundary_map(
        size, reach - spacing * int(places[0]), spacing * int(places[-1]) + reach - size + 1, boundary
    )
    at = np.arange(len(places))
    thin = _windows(padding, at * spacing, 0 * at, gaussian(half, reach)[None], dtype)
    distance = (begin[:spacing, None] + np.arange(taps)) * spacing - np.arange(len(begin[:spacing]))[:, None]
    fill = _windows(at, begin - begin[0], np.arange(size) % spacing, _bell(distance, half), dtype)
    return thin, fill


def _bell(at: NDArray[np.integer], sigma: float) -> NDArray[np.float64]:
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    normalized: NDArray[np.float64] = bell / bell.sum(axis=-1, keepdims=True)
    return normalized


def _windows(
    padding: NDArray[np.int64],
    first: NDArray[np.int64],
    phase: NDArray[np.int64],
    weights: NDArray[np.float64],
    dtype: str,
) -> Windows:
    rounded = weights.astype(dtype)
    # Rounding must not change the sum: a constant stays constant. The largest weight takes what is missing.
    largest = weights.argmax(axis=1)
    rounded[np.arange(len(rounded)), largest] += (1 - rounded.sum(axis=1, dtype=np.float64)).astype(dtype)
    return Windows(np.ascontiguousarray(padding), first.astype(np.int64), phase.astype(np.int64), rounded)
