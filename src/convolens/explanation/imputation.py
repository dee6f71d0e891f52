"""Imputation: pixels taken out of a picture so that nothing shows where they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.first_use import loaded

# (down, across, weight): the four pixels that share a side count twice those at the corners.
NEIGHBORS = tuple(
    (down, across, 1 / 6 if down == 0 or across == 0 else 1 / 12)
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if (down, across) != (0, 0)
)
NOISE = 0.01  # standard deviation, of values from 0 to 1: a perfectly smooth patch would show where it was


def impute(picture: NDArray[Any], missing: NDArray[np.intp], *, seed: int = 0) -> NDArray[Any]:
    """The picture with its missing pixels made from their neighbours, and a little noise.

    Each is the weighted mean of the pixels around it. As those may be missing too, all are found together, from one
    sparse system of linear equations: a second for a picture of 224×224.

    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, section 4.

    Args:
        picture: `(H, W)` or `(H, W, C)`, uint8, uint16 or floats in [0, 1].
        missing: numbers of pixels, counted row by row. Where all are missing, the result is middle grey.
        seed: of the noise.
    """
    highest = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1
    values = picture.reshape(picture.shape[0] * picture.shape[1], -1) / np.float64(highest)
    if len(missing):
        smooth = _from_neighbors(values, picture.shape[:2], missing) if len(missing) < len(values) else 0.5
        noise = np.random.default_rng(seed).normal(0, NOISE, (len(missing), values.shape[1]))
        values[missing] = (smooth + noise).clip(0, 1)
    scaled = values.reshape(picture.shape) * highest
    return (scaled.round() if highest != 1 else scaled).astype(picture.dtype)


def _from_neighbors(
    values: NDArray[np.float64], size: tuple[int, ...], missing: NDArray[np.intp]
) -> NDArray[np.float64]:
    """For every missing pixel: its neighbours' weights times (itself minus the neighbour) add up to 0."""
    number = np.full(len(values), -1)
    number[missing] = np.arange(len(missing))
    whole, known = np.zeros(len(missing)), np.zeros((len(missing), values.shape[1]))
    entries: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    y, x = np.divmod(missing, size[1])
    for down, across, weight in NEIGHBORS:
        inside = (y >= -down) & (y < size[0] - down) & (x >= -across) & (x < size[1] - across)
        at = np.flatnonzero(inside)
        neighbor = missing[at] + down * size[1] + across
        whole[at] += weight
        gone = number[neighbor] >= 0
        entries.append((at[gone], number[neighbor[gone]], np.full(int(gone.sum()), -weight)))
        known[at[~gone]] += weight * values[neighbor[~gone]]
    rows, columns, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    sparse, linalg = loaded("scipy.sparse"), loaded("scipy.sparse.linalg")
    equations = sparse.coo_array((weights, (rows, columns)), shape=(len(missing),) * 2) + sparse.diags_array(whole)
    found: NDArray[np.float64] = linalg.splu(equations.tocsc()).solve(known)
    return found
