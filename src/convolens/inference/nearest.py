"""The nearest of many vectors, exactly: products of matrices, a block of rows at a time.

Time: that of reading the vectors once for all queries; a query among 1,000,000 of 512 numbers reads 2 GB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray
from numpy.typing import NDArray

_BLOCK = 1 << 22  # products that are held at once: 16 MB


def nearest(
    queries: Float32[ndarray, "queries features"], vectors: Float32[ndarray, "count features"], most: int
) -> tuple[Int64[ndarray, "queries most"], Float32[ndarray, "queries most"]]:
    """The numbers of the vectors with the largest products with each query, largest first, and these products.

    Args:
        queries: of unit length for cosines, like the vectors.
        vectors: what is looked through.
        most: how many for each query, at most as many as there are vectors.

    >>> found, alike = nearest(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1], 1)
    >>> found.tolist(), alike.tolist()
    ([[1], [0]], [[1.0], [1.0]])
    """
    most = min(most, len(vectors))
    rows = max(most, _BLOCK // max(1, len(queries)))
    found: NDArray[np.int64] = np.zeros((len(queries), 0), np.int64)
    alike: NDArray[np.float32] = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(vectors), rows):
        products = queries @ vectors[start : start + rows].T
        chosen = _largest(products, most)
        found = np.hstack([found, chosen + start])
        alike = np.hstack([alike, np.take_along_axis(products, chosen, axis=1)])
        kept = _largest(alike, most)
        found, alike = np.take_along_axis(found, kept, axis=1), np.take_along_axis(alike, kept, axis=1)
    order = np.argsort(-alike, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(alike, order, axis=1)


def _largest(values: NDArray[Any], most: int) -> NDArray[np.int64]:
    """The columns of the largest values of each row, in order of column."""
    if values.shape[1] <= most:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape).copy()
    chosen = np.argpartition(-values, most - 1, axis=1)[:, :most]
    return np.sort(chosen, axis=1)
