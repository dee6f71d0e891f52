"""Default boxes fitted to data: the shapes that its objects have, found by k-means on overlap.

Redmon & Farhadi, "YOLO9000", CVPR 2017, section 2: objects of like width and height are grouped, one minus IoU being
the distance, as if all stood in one place. Each group's shape is then asked about on the map that suits its size: the
coarsest one whose cells are so close together that an object between two of them still overlaps a default box well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.errors import DataError, FileError
from convolens.media.images import read_header
from convolens.workflows.data import Example, Skipped

ROUNDS = 100  # of k-means at most; it ends when no object changes its group
SIDES_A_CELL = 1.5  # a box is at least so many cells wide: half a cell beside it, an object still overlaps it by half

LEAST_SIDE = 1e-6  # of an object: smaller ones are annotated, but no shape is none

Shape = tuple[float, float]


def fitted_shapes(
    sides: Float[np.ndarray, "objects 2"], grids: Sequence[tuple[int, int]], count: int, *, seed: int = 0
) -> tuple[tuple[Shape, ...], ...]:
    """Shapes for each map.

    Args:
        sides: width and height of the data's objects, as shares of their pictures'.
        grids: rows and columns of each map, finest first.
        count: how many shapes there are to be; no more than there are different objects.
        seed: of the first groups.

    Returns:
        For each map widths and heights, smallest first; a map that suits none has the shape that is nearest to it.

    Raises:
        DataError: no objects.

    >>> sides = np.array([[0.1, 0.2], [0.1, 0.22], [0.6, 0.6]])
    >>> [len(shapes) for shapes in fitted_shapes(sides, [(16, 16), (4, 4)], 2)]
    [1, 1]
    """
    if not len(sides):
        raise DataError("fit_boxes: need objects to fit default boxes to, got none")
    groups = k_means(sides, count, seed)
    levels = np.array([_level(shape, grids) for shape in groups])
    shapes = []
    for level, (rows, columns) in enumerate(grids):
        mine = groups[levels == level]
        if not len(mine):
            wanted = np.log([SIDES_A_CELL / columns, SIDES_A_CELL / rows])
            mine = groups[[np.abs(np.log(groups) - wanted).sum(axis=1).argmin()]]
        shapes.append(tuple((float(width), float(height)) for width, height in mine))
    return tuple(shapes)


def k_means(sides: Float[np.ndarray, "objects 2"], count: int, seed: int = 0) -> NDArray[np.float64]:
    """The mean width and height of each of `count` groups, by area; the first groups are drawn as in k-means++."""
    random = np.random.default_rng(seed)
    known = np.unique(sides, axis=0)
    means = known[[random.integers(len(known))]]
    while len(means) < min(count, len(known)):
        away = (1 - _overlaps(known, means)).min(axis=1) ** 2
        means = np.concatenate([means, known[[random.choice(len(known), p=away / away.sum())]]])
    group = np.full(len(sides), -1)
    for _ in range(ROUNDS):
        nearest = _overlaps(sides, means).argmax(axis=1)
        if (nearest == group).all():
            break
        group = nearest
        means = np.array(
            [sides[group == at].mean(axis=0) if (group == at).any() else mean for at, mean in enumerate(means)]
        )
    return means[np.argsort(means.prod(axis=1), kind="stable")]


def object_sides(examples: Iterable[Example], skipped: list[Skipped]) -> NDArray[np.float64]:
    """Width and height of every object as shares of its picture's; files that cannot be read are added to `skipped`."""
    found: list[tuple[float, float]] = []
    for example in examples:
        if not example.objects:
            continue
        try:
            width, height = example.size or read_header(example.path).size
        except FileError as error:
            skipped.append(Skipped(example.path, str(error)))
            continue
        corners = (tuple(map(float, box.xyxy)) for box in example.objects)
        found += [((x2 - x1) / width, (y2 - y1) / height) for x1, y1, x2, y2 in corners]
    return np.array(found, np.float64).reshape(-1, 2).clip(LEAST_SIDE, 1)


def _overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of each with each, their corners put together."""
    shared = np.minimum(a[:, None], b).prod(axis=2)
    found: NDArray[np.float64] = shared / (a.prod(axis=1)[:, None] + b.prod(axis=1) - shared)
    return found


def _level(shape: NDArray[np.float64], grids: Sequence[tuple[int, int]]) -> int:
    """The number of the coarsest map whose cells are close enough together, or of the finest."""
    cells = [min(shape[0] * columns, shape[1] * rows) for rows, columns in grids]
    return max([level for level, count in enumerate(cells) if count >= SIDES_A_CELL], default=0)
