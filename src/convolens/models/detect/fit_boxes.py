"""Default boxes fitted to the objects of a data set: k-means where near means overlapping.

Redmon & Farhadi, "YOLO9000", CVPR 2017, section 2 ("Dimension Clusters"): the distance of an object to a shape is
1 - IoU of both on one center. The shapes, smallest first, then go to the maps, finest first. The best of a few
searches counts, as each may end in a corner. O(searches × rounds × objects × shapes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.errors import ArgumentError
from convolens.models.detect.default_boxes import Shapes

SEARCHES = 8
ROUNDS = 100  # far more than it takes: it ends when no object changes its shape


def fit_shapes(sizes: Float[np.ndarray, "objects 2"], counts: Sequence[int], *, seed: int = 0) -> Shapes:
    """Finds shapes that overlap the objects' boxes well.

    Args:
        sizes: width and height of each object, as fractions of its picture's.
        counts: how many shapes each map has at a cell, finest map first.
        seed: of the objects that the search starts from.

    Returns:
        For each map its shapes, as `detector(boxes=...)` takes them.

    Raises:
        ArgumentError: fewer different sizes than shapes, or sizes not above 0 and up to 1.

    >>> fit_shapes(np.array([[0.1, 0.1], [0.5, 0.25], [0.5, 0.25]]), [1, 1])
    (((0.1, 0.1),), ((0.5, 0.25),))
    """
    wanted = sum(counts)
    if not counts or min(counts) < 1:
        raise ArgumentError(
            f"counts: need at least one shape for each map, got {', '.join(map(str, counts)) or 'none'}"
        )
    if not (np.isfinite(sizes).all() and (sizes > 0).all() and (sizes <= 1).all()):
        raise ArgumentError(
            "sizes: need widths and heights above 0 and up to 1, as fractions of the picture's, "
            f"got {sizes.min():.3g} to {sizes.max():.3g}; divide by the picture's sides"
        )
    different = np.unique(sizes, axis=0)
    if len(different) < wanted:
        raise ArgumentError(f"sizes: need at least {wanted} different ones for as many shapes, got {len(different)}")
    shapes = typical(sizes, wanted, seed=seed)
    cuts = np.cumsum(counts)[:-1]
    return tuple(tuple((float(w), float(h)) for w, h in part) for part in np.split(shapes, cuts))


def typical(sizes: Float[np.ndarray, "objects 2"], count: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Finds `count` shapes, or as many as there are different sizes, that overlap the objects best; by area."""
    different, random = np.unique(sizes, axis=0), np.random.default_rng(seed)
    searched = [_means(sizes, _spread(different, min(count, len(different)), random)) for _ in range(SEARCHES)]
    shapes = max(searched, key=lambda found: float(_overlaps(sizes, found).max(axis=1).mean()))
    return shapes[np.argsort(shapes.prod(axis=1), kind="stable")]


def mean_overlap(sizes: Float[np.ndarray, "objects 2"], shapes: Shapes) -> float:
    """Says how well shapes suit objects: the mean of each one's IoU with its best shape, on one center."""
    return float(_overlaps(sizes, np.array([shape for level in shapes for shape in level])).max(axis=1).mean())


def _overlaps(sizes: NDArray[np.floating], shapes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Computes the IoU of each size with each shape on one center."""
    shared = np.minimum(sizes[:, None], shapes).prod(axis=2)
    union = sizes.prod(axis=1)[:, None] + shapes.prod(axis=1) - shared
    return np.asarray(shared / union, np.float64)


def _spread(sizes: NDArray[np.floating], count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draws shapes to start from: sizes chosen one by one, likelier the farther from those there are (k-means++)."""
    chosen = [sizes[random.integers(len(sizes))]]
    while len(chosen) < count:
        far = (1 - _overlaps(sizes, np.array(chosen)).max(axis=1)).clip(0) ** 2
        chosen.append(sizes[random.choice(len(sizes), p=far / far.sum())])
    return np.array(chosen, np.float64)


def _means(sizes: NDArray[np.floating], shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lloyd's rounds: each object to its nearest shape, each shape to the mean of its objects."""
    nearest = np.full(len(sizes), -1)
    for _ in range(ROUNDS):
        before, nearest = nearest, _overlaps(sizes, shapes).argmax(axis=1)
        if (before == nearest).all():
            break
        for shape in np.unique(nearest):
            shapes[shape] = sizes[nearest == shape].mean(axis=0)
    return shapes
