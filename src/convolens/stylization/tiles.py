"""A picture in parts: tiles whose features are, to the last bit, those that the whole picture has there.

A tile has a halo as wide as the trunk's receptive field extends past it, and begins at a multiple of its stride.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from convolens.trunks import Trunk

Span = tuple[int, int]

# Winograd's tiles are 4 features wide: blocks of 4 strides keep them where the whole picture has them, and the features
# the same to the last bit.
_FEATURES_ALIGNED = 4


@dataclass(frozen=True)
class Tiling:
    """How a picture goes through the trunk.

    Attributes:
        tile: the largest side of a tile without its halo, in pixels; None takes the picture whole.
        border: the tap up to which the picture goes in tiles, with halos of a few pixels; behind it the tap's map is
            taken whole. None tiles all the way.
    """

    tile: int | None = None
    border: str | None = None


WHOLE = Tiling()


@dataclass(frozen=True)
class Tile:
    """A part of the picture, `inner`, and that part with its halo, `outer`: spans of rows and columns."""

    inner: tuple[Span, Span]
    outer: tuple[Span, Span]

    def pixels(self, picture: Tensor) -> Tensor:
        """The tile with its halo."""
        (top, bottom), (left, right) = self.outer
        return picture[:, :, top:bottom, left:right]

    def cells(self, stride: int, size: tuple[int, ...]) -> tuple[Span, Span]:
        """Its own features in a map of the whole picture of that size."""
        return tuple(  # type: ignore[return-value]
            (start // stride, min(-(-stop // stride), count))
            for (start, stop), count in zip(self.inner, size, strict=True)
        )

    def local(self, stride: int, size: tuple[int, ...]) -> tuple[Span, Span]:
        """The same in a map of the tile with its halo."""
        return tuple(  # type: ignore[return-value]
            (first - start // stride, last - start // stride)
            for (first, last), (start, _) in zip(self.cells(stride, size), self.outer, strict=True)
        )


def tiles_of(trunk: Trunk, taps: Sequence[str], size: tuple[int, int], tile: int | None) -> Iterator[Tile]:
    """The picture cut into tiles of at most `tile` pixels a side, rounded to whole blocks of the trunk's strides."""
    unit = tile_unit(trunk, taps)
    if tile is None or not taps:
        whole = ((0, size[0]), (0, size[1]))
        yield Tile(whole, whole)
        return
    side = max(unit, tile // unit * unit)
    margin = halo(trunk, taps)
    for rows, columns in product(*(list(_spans(length, side, margin)) for length in size)):
        yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def split_taps(trunk: Trunk, taps: Sequence[str], border: str | None) -> tuple[list[str], list[str]]:
    """The taps up to the border, itself among them, and those behind it; without a border there are none behind."""
    last = len(trunk.taps) if border is None else trunk.taps.index(border)
    behind = [tap for tap in taps if trunk.taps.index(tap) > last]
    first = [tap for tap in taps if tap not in behind]
    return (first if border is None or border in first or not behind else [*first, border]), behind


def tile_unit(trunk: Trunk, taps: Sequence[str]) -> int:
    """Where tiles may begin: multiples of this many pixels."""
    return _FEATURES_ALIGNED * max((trunk.stride(tap) for tap in taps), default=1)


def halo(trunk: Trunk, taps: Sequence[str]) -> int:
    """How far receptive fields extend past a tile, in pixels, rounded up to where tiles may begin."""
    unit, far = tile_unit(trunk, taps), 0
    for tap in taps:
        size, stride, offset = trunk.receptive_field(tap)
        far = max(far, -offset, size + offset - stride)
    return -(-far // unit) * unit


def _spans(length: int, side: int, margin: int) -> Iterator[tuple[Span, Span]]:
    for start in range(0, length, side):
        stop = min(start + side, length)
        yield (start, stop), (max(0, start - margin), min(length, stop + margin))
