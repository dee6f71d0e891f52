"""Default boxes fitted to data: the shapes that its objects have, each on the map that suits its size.

The shapes are found by k-means on overlap (`models.detect.fit_boxes`; Redmon & Farhadi, "YOLO9000", CVPR 2017). Each is
placed on the coarsest map whose cells are so close together that an object between two of them still overlaps a
default box well: on a coarser one most objects would fall between its boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.data import Example
from convolens.errors import DataError, FileError
from convolens.media.images import read_header
from convolens.models.detect.default_boxes import Shapes
from convolens.models.detect.fit_boxes import typical

MOST_OBJECTS = 10_000  # that are grouped; more change nothing but the time
LEAST_SIDE = 1e-6  # of an object: smaller ones are annotated, but no shape is none
SIDES_A_CELL = 1.5  # a box is at least this many cells wide: half a cell beside it, an object still overlaps it by half


def fitted_shapes(
    sides: Float[np.ndarray, "objects 2"], grids: Sequence[tuple[int, int]], count: int, *, seed: int = 0
) -> Shapes:
    """Fits shapes for each map.

    Args:
        sides: width and height of the data's objects, as fractions of their pictures'.
        grids: rows and columns of each map, finest first.
        count: how many shapes there are to be; no more than there are different objects.
        seed: of the search.

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
    some = np.random.default_rng(seed).permutation(len(sides))[:MOST_OBJECTS]
    groups = typical(sides[some], count, seed=seed)
    levels = np.array([_level(shape, grids) for shape in groups])
    shapes = []
    for level, (rows, columns) in enumerate(grids):
        mine = groups[levels == level]
        if not len(mine):
            wanted = np.log([SIDES_A_CELL / columns, SIDES_A_CELL / rows])
            mine = groups[[np.abs(np.log(groups) - wanted).sum(axis=1).argmin()]]
        shapes.append(tuple((float(width), float(height)) for width, height in mine))
    return tuple(shapes)


def object_sides(examples: Iterable[Example]) -> Float[np.ndarray, "objects 2"]:
    """Width and height of every object as fractions of its picture's.

    Files that cannot be read are passed over; the training, which reads all of each, names them.
    """
    found: list[tuple[float, float]] = []
    for example in examples:
        if not example.objects:
            continue
        try:
            width, height = example.size or read_header(example.path).size
        except FileError:
            continue
        corners = (tuple(map(float, box.xyxy)) for box in example.objects)
        found += [((x2 - x1) / width, (y2 - y1) / height) for x1, y1, x2, y2 in corners]
    return np.array(found, np.float64).reshape(-1, 2).clip(LEAST_SIDE, 1)


def _level(shape: NDArray[np.float64], grids: Sequence[tuple[int, int]]) -> int:
    """The number of the coarsest map whose cells are close enough together, or of the finest."""
    cells = [min(shape[0] * columns, shape[1] * rows) for rows, columns in grids]
    return max([level for level, count in enumerate(cells) if count >= SIDES_A_CELL], default=0)
