"""The whole loss of a picture and its gradient, at once or by tiles that share the Gram matrices of the whole.

A Gram matrix is a sum over places, and so is a content term. By tiles there are two passes: the first adds up the sums
of every tile; they give the loss, and what it asks of each feature. The second computes each tile's features again and
takes its gradient back to its pixels. A tile is seen with a halo as wide as the trunk's receptive field reaches, and
begins at a multiple of the trunk's stride, so that each of its features is the one that the whole picture has there.

Cost: one pass forward and back; by tiles another one forward, and the halos. Memory: the features of the largest tile,
the content's features, and a few pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from convolens.layers.core import recycled, runs_on
from convolens.tasks.stylize.losses import ContentTerm, StyleTerm, Term, gram_sum, total_variation, unrolled, weight_of
from convolens.trunks import Trunk

Span = tuple[int, int]

# Winograd's tiles are 4 features wide: blocks of 4 strides keep them where the whole picture has them, and the features
# the same to the last bit.
_FEATURES_ALIGNED = 4


@dataclass(frozen=True)
class Evaluation:
    """A picture's loss, its gradient, and each term's share of the loss before its weight."""

    loss: float
    gradient: Tensor
    parts: dict[str, float]


@dataclass(frozen=True)
class Tile:
    """A part of the picture, `inner`, and the part that its features see, `outer`: spans of rows and columns."""

    inner: tuple[Span, Span]
    outer: tuple[Span, Span]

    def pixels(self, picture: Tensor) -> Tensor:
        """What its features see."""
        (top, bottom), (left, right) = self.outer
        return picture[:, :, top:bottom, left:right]

    def cells(self, stride: int, size: tuple[int, ...]) -> tuple[Span, Span]:
        """Its own features in a map of the whole picture of that size."""
        return tuple(  # type: ignore[return-value]
            (start // stride, min(-(-stop // stride), count))
            for (start, stop), count in zip(self.inner, size, strict=True)
        )

    def local(self, stride: int, size: tuple[int, ...]) -> tuple[Span, Span]:
        """The same in a map of what it sees."""
        return tuple(  # type: ignore[return-value]
            (first - start // stride, last - start // stride)
            for (first, last), (start, _) in zip(self.cells(stride, size), self.outer, strict=True)
        )


class Objective:
    """The loss as a function of the picture.

    Args:
        trunk: frozen, in evaluation mode.
        terms: what is wanted of its features.
        tv_weight: of the total variation.
        size: the picture's height and width.
        tile: the largest side of a tile without its halo, in pixels; None takes the picture whole.
    """

    def __init__(
        self, trunk: Trunk, terms: Sequence[Term], tv_weight: float, size: tuple[int, int], tile: int | None = None
    ) -> None:
        self.trunk, self.terms, self.tv_weight = trunk, tuple(terms), tv_weight
        self.taps = tuple(dict.fromkeys(term.tap for term in terms))
        self.sizes = {tap: trunk.map_size(tap, *size) for tap in self.taps}
        self.tiles = list(tiles_of(trunk, self.taps, size, tile))
        self._energies = [term.energy() for term in self.terms]

    def __call__(self, picture: Tensor) -> Evaluation:
        """Loss and gradient of `(1, 3, H, W)` in [0, 1]."""
        roughness, slope = total_variation(picture)
        gradient = slope.mul_(self.tv_weight)
        if not self.terms:
            return Evaluation(self.tv_weight * roughness, gradient, {"roughness": roughness})
        whole = len(self.tiles) == 1
        if whole:
            pixels, maps = self.features(self.tiles[0], picture)
            sums = self._sums(self.tiles[0], maps)
        else:
            sums = self.sums(picture)
        parts, wanting = self._losses(sums)
        for tile in self.tiles:
            if not whole:
                pixels, maps = self.features(tile, picture)
            asked = self._upstream(tile, maps, wanting)
            (part,) = torch.autograd.grad([maps[tap] for tap in self.taps], pixels, asked)
            tile.pixels(gradient).add_(part)
            del maps, asked, part  # before the next tile needs the room
        loss = sum(term.weight * parts[term.name] for term in self.terms) + self.tv_weight * roughness
        return Evaluation(loss, gradient, parts | {"roughness": roughness})

    @torch.no_grad()
    def sums(self, picture: Tensor) -> list[Tensor]:
        """For each term what adds up over the whole picture, without a gradient."""
        sums: list[Tensor] = []
        for tile in self.tiles:
            found = self._sums(tile, self.features(tile, picture)[1])
            sums = [a.add_(b) for a, b in zip(sums, found, strict=True)] if sums else found
        return sums

    def features(self, tile: Tile, picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The pixels that a tile sees, to be differentiated by, and their features."""
        pixels = tile.pixels(picture).detach().requires_grad_(torch.is_grad_enabled())
        batch = self.trunk.preprocessing.normalize(pixels).contiguous(memory_format=torch.channels_last)
        return pixels, self.trunk(batch, taps=self.taps)

    @torch.no_grad()
    def _sums(self, tile: Tile, maps: dict[str, Tensor]) -> list[Tensor]:
        """For each term what adds up over tiles: its Gram sum, or its squared distance."""
        sums = []
        for term in self.terms:
            mine = self.own(tile, term.tap, maps[term.tap])
            if isinstance(term, ContentTerm):
                off = mine - self.part(tile, term.tap, term.wanted)
                sums.append(torch.linalg.vector_norm(off, dtype=torch.float64).square())
            else:
                mask = None if term.mask is None else self.part(tile, term.tap, term.mask)
                sums.append(gram_sum(mine[0], mask))
        return sums

    def _losses(self, sums: Sequence[Tensor]) -> tuple[dict[str, float], list[Tensor | float]]:
        """Each term's value, and the factor of its gradient in the features."""
        parts: dict[str, float] = {}
        wanting: list[Tensor | float] = []
        for term, total, energy in zip(self.terms, sums, self._energies, strict=True):
            if isinstance(term, ContentTerm):
                parts[term.name] = float(total) / energy
                wanting.append(2 * term.weight / energy)
            else:
                rows, columns = self.sizes[term.tap]
                count = rows * columns if term.mask is None else weight_of(term.mask)
                off = total / count - term.wanted
                parts[term.name] = float(off.square().sum()) / energy
                wanting.append(off * (4 * term.weight / (energy * count)))
        return parts, wanting

    @torch.no_grad()
    def _upstream(self, tile: Tile, maps: dict[str, Tensor], wanting: Sequence[Tensor | float]) -> list[Tensor]:
        """What the loss asks of a tile's features, zero for those that are another tile's."""
        asked = dict.fromkeys(self.taps, None)
        for term, factor in zip(self.terms, wanting, strict=True):
            mine = self.own(tile, term.tap, maps[term.tap])
            if isinstance(term, ContentTerm):
                change = (mine - self.part(tile, term.tap, term.wanted)).mul_(factor)
            else:
                assert isinstance(factor, Tensor)
                rows = unrolled(mine[0])
                # A product of a large map's size, in memory that is used again where there is some.
                into = recycled(tuple(mine.shape)) if runs_on(rows, factor) else torch.empty_like(mine)
                rows = torch.mm(rows, factor, out=into[0].permute(1, 2, 0).flatten(0, 1))
                if term.mask is not None:
                    rows *= self.part(tile, term.tap, term.mask).reshape(-1, 1)
                change = rows.reshape(*mine.shape[2:], -1).permute(2, 0, 1)[None]
            known = asked[term.tap]
            asked[term.tap] = change if known is None else known.add_(change)
        return [self._embedded(tile, tap, maps[tap], part) for tap, part in asked.items() if part is not None]

    def own(self, tile: Tile, tap: str, maps: Tensor) -> Tensor:
        """A tile's own features, of those that its pixels give."""
        (top, bottom), (left, right) = tile.local(self.trunk.stride(tap), self.sizes[tap])
        return maps[:, :, top:bottom, left:right]

    def part(self, tile: Tile, tap: str, whole: Tensor) -> Tensor:
        """A tile's own part of a map of the whole picture."""
        (top, bottom), (left, right) = tile.cells(self.trunk.stride(tap), self.sizes[tap])
        return whole[..., top:bottom, left:right]

    def _embedded(self, tile: Tile, tap: str, maps: Tensor, part: Tensor) -> Tensor:
        if maps.shape == part.shape:
            return part
        full = torch.zeros_like(maps)
        self.own(tile, tap, full).copy_(part)
        return full


@torch.no_grad()
def grams_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, tile: int | None) -> dict[str, Tensor]:
    """The Gram matrix of each tap over a whole picture, computed by tiles."""
    size = (picture.shape[2], picture.shape[3])
    terms = [StyleTerm(tap, 0, 1.0, torch.zeros(1), None) for tap in taps]
    summing = Objective(trunk, terms, 0.0, size, tile)
    sums = summing.sums(picture)
    return {tap: total / math.prod(summing.sizes[tap]) for tap, total in zip(taps, sums, strict=True)}


@torch.no_grad()
def maps_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, tile: int | None) -> dict[str, Tensor]:
    """The features of a whole picture, computed by tiles."""
    size = (picture.shape[2], picture.shape[3])
    filling = Objective(trunk, [ContentTerm(tap, 1.0, torch.zeros(1)) for tap in taps], 0.0, size, tile)
    whole = {
        tap: picture.new_empty(1, trunk.channels(tap), *filling.sizes[tap]).to(memory_format=torch.channels_last)
        for tap in taps
    }
    for part in filling.tiles:
        _, maps = filling.features(part, picture)
        for tap in taps:
            filling.part(part, tap, whole[tap]).copy_(filling.own(part, tap, maps[tap]))
    return whole


def tiles_of(trunk: Trunk, taps: Sequence[str], size: tuple[int, int], tile: int | None) -> Iterator[Tile]:
    """The picture cut into tiles of at most `tile` pixels a side, rounded to whole blocks of the trunk's strides."""
    unit = tile_unit(trunk, taps)
    if tile is None or not taps:
        whole = ((0, size[0]), (0, size[1]))
        yield Tile(whole, whole)
        return
    side = max(unit, tile // unit * unit)
    reach = halo(trunk, taps)
    for rows, columns in product(*(list(_spans(length, side, reach)) for length in size)):
        yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def tile_unit(trunk: Trunk, taps: Sequence[str]) -> int:
    """Where tiles may begin: multiples of this many pixels."""
    return _FEATURES_ALIGNED * max(trunk.stride(tap) for tap in taps)


def halo(trunk: Trunk, taps: Sequence[str]) -> int:
    """How far past a tile its features see, in pixels, rounded up to where tiles may begin."""
    unit, far = tile_unit(trunk, taps), 0
    for tap in taps:
        size, stride, offset = trunk.receptive_field(tap)
        far = max(far, -offset, size + offset - stride)
    return -(-far // unit) * unit


def _spans(length: int, side: int, reach: int) -> Iterator[tuple[Span, Span]]:
    for start in range(0, length, side):
        stop = min(start + side, length)
        yield (start, stop), (max(0, start - reach), min(length, stop + reach))
