"""Matching: which default boxes are matched to which objects.

A default box is matched to the object that it overlaps most, where their IoU is at least a half; and the box that
overlaps an object most is matched to it in any case, so that no object is left out. Liu et al. 2016, section 2.2.

The overlap of every object with every default box is never computed. Boxes of one shape on one map form a grid, and
along each axis their overlap with an interval never grows with the distance of the centers. So for each object and
shape the box whose center is nearest overlaps as much as any, and those above a given IoU are in a rectangle of cells,
known from four divisions; only the overlaps in there are computed. O(objects × shapes + matches) in place of
O(objects × boxes), a whole batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convolens.boxes import centers_of, corners_of, overlap, usable
from convolens.errors import DataError
from convolens.models.detect.default_boxes import DefaultBoxes

OVERLAP = 0.5
_SLACK = 1e-3  # cells: what rounding could hide at the border of a rectangle; the overlap itself decides
_FORCED = 2.0  # above any overlap


@dataclass(frozen=True)
class Matches:
    """Which default boxes of a batch are matched to which objects.

    Attributes:
        object_of: `(N, default boxes)`: the number of the object each default box is matched to; -1 for background.
        boxes: `(N, objects, 4)`, corners as fractions of the picture.
        labels: `(N, objects)`: their classes; -1 where there is no object.
    """

    object_of: Tensor
    boxes: Tensor
    labels: Tensor

    @property
    def positive(self) -> Tensor:
        """Which are matched to an object, `(N, default boxes)`."""
        return self.object_of >= 0


def match(
    boxes: Float[Tensor, "batch objects 4"],
    labels: Int[Tensor, "batch objects"],
    grids: Grids,
    *,
    threshold: float = OVERLAP,
) -> Matches:
    """Matches the objects of a batch to default boxes.

    Args:
        boxes: corners as fractions of the picture; anything where there is no object.
        labels: classes, from 0; -1 where there is no object.
        grids: the default boxes.
        threshold: the IoU at or above which a default box is matched to an object.

    Raises:
        DataError: an object whose box is inverted, has no area, or is not made of finite numbers.

    Of equal overlaps the first object wins, and the first box; where several objects have the same best box, the last.
    """
    picture, number = (labels >= 0).nonzero(as_tuple=True)
    objects = boxes[picture, number].float()
    _need_usable(objects, picture)
    objects = objects * grids.scale
    which, default, quality = _near(objects, grids, torch.full((len(objects),), threshold, device=boxes.device))
    best = _best(objects, grids)
    which = torch.cat([which, torch.arange(len(objects), device=boxes.device)])
    quality = torch.cat([quality, _FORCED + number.float()])  # the last one's is the largest
    place = picture[which] * grids.total + torch.cat([default, best])
    object_of = _first_of_largest(quality, place, number[which], len(boxes) * grids.total)
    return Matches(object_of.view(len(boxes), grids.total), boxes, labels)


class Grids(NamedTuple):
    """Default boxes on a device: their corners, and for each shape on each map the grid that it is in.

    Attributes:
        total: of default boxes.
        boxes: `(total, 4)`, center and size as fractions of the picture.
        scale: `(4,)`, width, height, width, height of the network's input in pixels.
        corners: `(total, 4)`, in those pixels.
        sizes: `(shapes, 2)`, width and height, in pixels.
        pitch: `(shapes, 2)`, from center to center across and down, in pixels.
        cells: `(shapes, 2)`, columns and rows.
        first: `(shapes,)`, the number of the box in the first cell.
        step: `(shapes,)`, from the number of a cell's box to the next cell's.
    """

    total: int
    boxes: Tensor
    scale: Tensor
    corners: Tensor
    sizes: Tensor
    pitch: Tensor
    cells: Tensor
    first: Tensor
    step: Tensor

    @classmethod
    def of(cls, defaults: DefaultBoxes, size: tuple[int, int], device: torch.device | str = "cpu") -> Grids:
        """Makes the grids of default boxes, for an input of `size`, height and width."""
        height, width = size
        shapes = [
            (level, first + slot, shape)
            for level, first in zip(defaults.levels, defaults.firsts, strict=True)
            for slot, shape in enumerate(level.shapes)
        ]
        sizes = [(wide * width, high * height) for _, _, (wide, high) in shapes]
        pitches = [(width / level.across, height / level.down) for level, _, _ in shapes]
        places = [(level.columns, level.rows, first, len(level.shapes)) for level, first, _ in shapes]
        boxes = torch.from_numpy(defaults.boxes).to(device)
        scale = boxes.new_tensor([width, height, width, height])
        whole = torch.tensor(places, device=device)
        return cls(
            defaults.count, boxes, scale, corners_of(boxes) * scale,
            boxes.new_tensor(sizes), boxes.new_tensor(pitches), whole[:, :2], whole[:, 2], whole[:, 3],
        )  # fmt: skip

    def number(self, shape: Tensor, column: Tensor, row: Tensor) -> Tensor:
        """Returns the number of a shape's box in a cell."""
        return self.first[shape] + (row * self.cells[shape, 0] + column) * self.step[shape]


def _best(objects: Tensor, grids: Grids) -> Tensor:
    """Finds for each object the default box that overlaps it most, the first of several.

    The largest overlap is that with the nearest box of some shape. An object that is smaller than a default box by more
    than a cell is in several of the same shape, so all that come up to that overlap are compared.
    """
    centers = centers_of(objects)[:, None, :2]
    cell = torch.minimum((centers / grids.pitch - 0.5).round().long().clamp_min(0), grids.cells - 1)
    shape = torch.arange(len(grids.first), device=objects.device)
    number = grids.number(shape, cell[..., 0], cell[..., 1])
    most, at = overlap(objects[:, None], grids.corners[number]).max(dim=1)
    which, default, quality = _near(objects, grids, most)
    which = torch.cat([which, torch.arange(len(objects), device=objects.device)])
    default = torch.cat([default, number.gather(1, at[:, None])[:, 0]])
    return _first_of_largest(torch.cat([quality, most]), which, default, len(objects))


def _first_of_largest(quality: Tensor, place: Tensor, number: Tensor, places: int) -> Tensor:
    """Finds for each place the smallest of the numbers with the largest quality there; -1 where there is none."""
    most = quality.new_zeros(places).scatter_reduce_(0, place, quality, "amax")
    won = quality >= most[place]
    nobody = torch.iinfo(torch.int64).max
    first = torch.full((places,), nobody, device=place.device).scatter_reduce_(0, place[won], number[won], "amin")
    return first.masked_fill_(first == nobody, -1)


def _near(objects: Tensor, grids: Grids, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Finds all pairs of an object and a default box at or above an IoU, one for each object: numbers, and the IoU."""
    boxes = centers_of(objects)[:, None]
    centers, sides = boxes[..., :2], boxes[..., 2:]
    # IoU ≥ t is an intersection of at least t / (1 + t) of both areas together. Along one axis at most the smaller side
    # is shared, so that along the other at least `need` over that must be.
    need = (threshold / (1 + threshold))[:, None] * (sides.prod(-1) + grids.sizes.prod(-1))
    most = torch.minimum(sides, grids.sizes)
    reach = (sides + grids.sizes) / 2 - need[..., None] / most.flip(-1)
    low = ((centers - reach) / grids.pitch - 0.5 - _SLACK).ceil().clamp_min(0)
    high = torch.minimum(((centers + reach) / grids.pitch - 0.5 + _SLACK).floor(), grids.cells - 1)
    spans = (high - low + 1).clamp_min(0).long()
    counts = spans.prod(-1) * (most.prod(-1) >= need * (1 - _SLACK))
    which, shape = counts.nonzero(as_tuple=True)
    counts, low, across = counts[which, shape], low[which, shape].long(), spans[which, shape, 0]
    pair = torch.arange(len(which), device=objects.device).repeat_interleave(counts)
    rank = torch.arange(len(pair), device=objects.device) - (counts.cumsum(0) - counts)[pair]
    column, row = low[pair, 0] + rank % across[pair], low[pair, 1] + rank // across[pair]
    which, default = which[pair], grids.number(shape[pair], column, row)
    iou = overlap(objects[which], grids.corners[default])
    close = iou >= threshold[which]
    return which[close], default[close], iou[close]


def _need_usable(objects: Tensor, picture: Tensor) -> None:
    bad: Tensor = ~usable(objects)
    if bool(bad.any()):
        at = int(bad.nonzero()[0, 0])
        found = ", ".join(f"{side:g}" for side in objects[at].tolist())
        raise DataError(
            f"picture {int(picture[at]) + 1} of the batch: need boxes with x1 < x2 and y1 < y2, got ({found}); "
            "convolens doctor names the files"
        )
