"""Default boxes: the boxes that a detector predicts for, several shapes at every cell of several maps.

Every map of the network looks at the picture through a grid; at each cell's center are boxes of a few shapes. A fine
map has small ones, a coarse map large ones, so that objects of any size meet a box like them. Nothing here is trained;
the network's outputs are relative to these.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from convolens.arrays import as_real
from convolens.errors import ArgumentError
from convolens.forks import cached_property

Shape = tuple[float, float]  # width and height, as fractions of the picture's
Shapes = tuple[tuple[Shape, ...], ...]  # for each map, the shapes at each of its cells

# The authors' models for COCO, at 300 and 512 alike: the finest map has boxes of 7% of the side, the scales of the
# others grow evenly up to more than the whole.
FINEST_SCALE = 0.07
SCALES = (0.15, 1.05)
# The authors' SSD300 for VOC: scales for its six maps, and one more.
VOC300_SCALES = (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05)
# Pixels between the centers of boxes in SSD300. They are the maps' strides, not the picture divided by the map's cells:
# on 19 cells of 16 pixels the last center is at 296 of 300. (SSD512's 512 divides evenly.)
SSD300_STRIDES = (8.0, 16.0, 32.0, 64.0, 100.0, 300.0)


@dataclass(frozen=True)
class Level:
    """The default boxes of one map.

    Attributes:
        shapes: at each cell, in the order of the network's outputs.
        rows: of the map.
        columns: of the map.
        across: the picture's width as a multiple of the distance between neighboring centers; the first center is
            at half a distance.
        down: the same of its height.
    """

    shapes: tuple[Shape, ...]
    rows: int
    columns: int
    across: float
    down: float

    @property
    def count(self) -> int:
        """The number of its boxes."""
        return self.rows * self.columns * len(self.shapes)

    def boxes(self) -> Float32[np.ndarray, "boxes 4"]:
        """Center and size of each, as fractions of the picture: row by row, cell by cell, shape by shape."""
        x = (np.arange(self.columns, dtype=np.float32) + np.float32(0.5)) / np.float32(self.across)
        y = (np.arange(self.rows, dtype=np.float32) + np.float32(0.5)) / np.float32(self.down)
        cells = np.stack(np.broadcast_arrays(x, y[:, None]), -1)[:, :, None]
        sizes = np.broadcast_to(np.array(self.shapes, np.float32), (self.rows, self.columns, len(self.shapes), 2))
        centers = np.broadcast_to(cells, sizes.shape)
        return np.concatenate([centers, sizes], -1).reshape(-1, 4)


@dataclass(frozen=True)
class DefaultBoxes:
    """All default boxes of a detector, finest map first."""

    levels: tuple[Level, ...]

    @property
    def count(self) -> int:
        """The number of boxes: 8,732 for SSD300, 24,564 for SSD512."""
        return sum(level.count for level in self.levels)

    @property
    def shapes(self) -> Shapes:
        """The shapes at each cell of each map."""
        return tuple(level.shapes for level in self.levels)

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """The number of each map's first box."""
        firsts = np.cumsum([0, *(level.count for level in self.levels)])
        return tuple(int(first) for first in firsts[:-1])

    @cached_property
    def boxes(self) -> Float32[np.ndarray, "boxes 4"]:
        """Center x, center y, width and height of each, as fractions of the picture, in the order of the outputs."""
        return np.concatenate([level.boxes() for level in self.levels])

    def level_of(self, box: int) -> int:
        """Finds which map a box belongs to, by its number."""
        return int(np.searchsorted(self.firsts, box, side="right")) - 1


def tile_boxes(
    shapes: Shapes, grids: Sequence[tuple[int, int]], size: tuple[int, int], strides: Sequence[float] | None = None
) -> DefaultBoxes:
    """Tiles maps with default boxes.

    Args:
        shapes: for each map.
        grids: rows and columns of each map.
        size: height and width of the network's input in pixels.
        strides: pixels between centers on each map; None spreads the cells evenly over the picture.

    Raises:
        ArgumentError: not shapes, or not a stride, for each map.
    """
    if len(shapes) != len(grids) or (strides is not None and len(strides) != len(grids)):
        count = len(shapes) if strides is None else f"{len(shapes)} and {len(strides)}"
        raise ArgumentError(f"default boxes: need shapes (and strides) for each of {len(grids)} maps, got {count}")
    levels = []
    for number, (rows, columns) in enumerate(grids):
        down, across = (
            (size[0] / strides[number], size[1] / strides[number]) if strides else (float(rows), float(columns))
        )
        levels.append(Level(shapes[number], rows, columns, across, down))
    return DefaultBoxes(tuple(levels))


def published_shapes(maps: int, size: tuple[int, int]) -> Shapes:
    """Returns the authors' shapes for COCO: of six maps SSD300's, of seven SSD512's, of others by the same rule."""
    scales = (FINEST_SCALE, *np.linspace(*SCALES, maps).tolist()) if maps > 1 else (FINEST_SCALE, SCALES[1])
    return shapes_of(scales, published_ratios(maps), size)


def published_ratios(maps: int) -> tuple[tuple[float, ...], ...]:
    """Returns 1:2 on the finest and the two coarsest maps, 1:2 and 1:3 in between."""
    few, many = (2.0,), (2.0, 3.0)
    return tuple(few if number in (0, maps - 2, maps - 1) else many for number in range(maps))


def shapes_of(scales: Sequence[float], ratios: Sequence[Sequence[float]], size: tuple[int, int] = (1, 1)) -> Shapes:
    """Makes shapes from scales and ratios.

    On each map a square, a square of the size between this scale and the next, and two for each ratio, one wide and
    one high. Liu et al. 2016, section 2.2.

    Args:
        scales: side of the square boxes of each map, as fractions of the side of the picture (of a square of the
            same area, where it is none), and one scale more.
        ratios: for each map, width to height beyond 1.
        size: height and width of the network's input; only their ratio counts.

    Raises:
        ArgumentError: not one scale more than maps, or scales or ratios that are not above 0.

    >>> shapes_of([0.25, 1.0], [[4.0]])
    (((0.25, 0.25), (0.5, 0.5), (0.5, 0.125), (0.125, 0.5)),)
    """
    if len(scales) != len(ratios) + 1:
        raise ArgumentError(f"scales: need {len(ratios) + 1}, one more than maps, got {len(scales)}")
    _need_positive("scales", scales)
    side = math.sqrt(size[0] * size[1])
    wide, high = side / size[1], side / size[0]
    shapes = []
    for (scale, following), extra in zip(pairwise(scales), ratios, strict=True):
        _need_positive("ratios", extra)
        between = math.sqrt(scale * following)
        pairs = [(scale, scale), (between, between)]
        for ratio in extra:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            pairs += [(long, short), (short, long)]
        # No box is larger than the picture.
        shapes.append(tuple((min(w * wide, 1.0), min(h * high, 1.0)) for w, h in pairs))
    return tuple(shapes)


def checked_shapes(shapes: object) -> Shapes:
    """Checks shapes as given by a caller or a file.

    Raises:
        ArgumentError: not a list, for each map, of widths and heights in (0, 1].
    """
    try:
        found = tuple(tuple((float(w), float(h)) for w, h in level) for level in shapes)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"shapes: need pairs of width and height for each map, got {shapes!r:.80}") from error
    if not found or not all(found) or not all(0 < side <= 1 for level in found for shape in level for side in shape):
        raise ArgumentError(
            "shapes: need at least one for each map, with sides above 0 and up to 1, as fractions of the picture's, "
            f"got {shapes!r:.80}; divide by the picture's sides"
        )
    return found


def checked_strides(strides: object) -> tuple[float, ...]:
    """Checks strides as given by a caller or a file.

    Raises:
        ArgumentError: not numbers above 0.
    """
    try:
        found = tuple(as_real(stride, "strides") for stride in strides)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"strides: need a number for each map, got {strides!r:.80}") from error
    _need_positive("strides", found)
    return found


def _need_positive(name: str, values: Sequence[float]) -> None:
    numbers: NDArray[np.float64] = np.array(values, np.float64)
    if not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise ArgumentError(f"{name}: need numbers above 0, got {', '.join(f'{value:g}' for value in values)}")
