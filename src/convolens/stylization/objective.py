"""The whole loss of a picture and its gradient: at once, or by tiles that share the Gram matrices of the whole.

A Gram matrix is a sum over places, and so is a content term. By tiles there are two passes: the first adds up the sums
of every tile; they give the loss, and what it asks of each feature. The second computes each tile's features again and
takes its gradient back to its pixels.

Three ways through the trunk (`tiles.Cutting`), from fast to frugal:

    whole      one pass forward and back; memory for all features
    bordered   tiles up to a shallow tap, from there on that tap's map whole: the first layers hold most of the features
               and see a few pixels only, so that little is computed twice
    tiled      tiles all the way, with halos as wide as the deepest tap sees; memory for a tile
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convolens.arrays import let_go
from convolens.stylization.losses import (
    ContentTerm,
    StyleTerm,
    Term,
    gram_sum,
    squares,
    total_variation,
    unrolled,
    weight_of,
)
from convolens.stylization.tiles import WHOLE, Cutting, Tile, split, tiles_of
from convolens.trunks import Trunk

Maps = dict[str, Tensor]
Wanting = dict[str, Tensor | float]  # by term, the factor of its gradient in the features


@dataclass(frozen=True)
class Evaluation:
    """A picture's loss, its gradient, and each term's share of the loss before its weight."""

    loss: float
    gradient: Tensor
    parts: dict[str, float]


@dataclass(frozen=True)
class Link:
    """The way from one tap to the next: what its layers read, to be differentiated by, and what they gave."""

    tap: str
    seen: Tensor
    map: Tensor


class Objective:
    """The loss as a function of the picture.

    Args:
        trunk: frozen, in evaluation mode.
        terms: what is wanted of its features.
        tv_weight: of the total variation.
        size: the picture's height and width.
        cutting: how it goes through the trunk.
    """

    def __init__(
        self,
        trunk: Trunk,
        terms: Sequence[Term],
        tv_weight: float,
        size: tuple[int, int],
        cutting: Cutting = WHOLE,
    ) -> None:
        self.features = Features(trunk, terms, size, cutting)
        self.tv_weight = tv_weight

    def __call__(self, picture: Tensor) -> Evaluation:
        """Loss and gradient of `(1, 3, H, W)` in [0, 1]."""
        found = self.features(picture)
        roughness, slope = total_variation(picture)
        return Evaluation(
            found.loss + self.tv_weight * roughness,
            slope.mul_(self.tv_weight).add_(found.gradient),
            found.parts | {"roughness": roughness},
        )


class Features:
    """The terms' loss as a function of a picture, or of its map at the tap `start`; arguments as of `Objective`.

    Attributes:
        beyond: the same for the terms past the border, as a function of the border's map.
    """

    def __init__(
        self,
        trunk: Trunk,
        terms: Sequence[Term],
        size: tuple[int, int],
        cutting: Cutting = WHOLE,
        start: str | None = None,
    ) -> None:
        self.trunk, self.start = trunk, start
        first, others = split(trunk, list(dict.fromkeys(term.tap for term in terms)), cutting.border)
        self.taps = tuple(sorted(first, key=trunk.taps.index))
        self.terms = [term for term in terms if term.tap not in others]
        self.border = cutting.border if others else None
        rest = [term for term in terms if term.tap in others]
        self.beyond = Features(trunk, rest, size, start=self.border) if rest else None
        self.sizes = {tap: trunk.map_size(tap, *size) for tap in self.taps}
        self.tiles = list(tiles_of(trunk, self.taps, size, cutting.tile))
        self._energies = {term.name: term.energy() for term in self.terms}

    def __call__(self, value: Tensor) -> Evaluation:
        """Loss and gradient of `(1, C, H, W)`."""
        if not self.taps:
            return Evaluation(0.0, torch.zeros_like(value), {})
        if len(self.tiles) == 1 and self.beyond is None:
            return self._at_once(value)
        sums, kept = self._surveyed(value, () if self.border is None else (self.border,))
        loss, parts, wanting = self._losses(sums)
        rest = None
        if self.beyond is not None and self.border is not None:
            let_go()  # what served the tiles does not serve whole maps, nor the other way round
            rest = self.beyond(kept.pop(self.border))
            let_go()
            loss, parts = loss + rest.loss, parts | rest.parts
        gradient = torch.zeros_like(value)
        for tile in self.tiles:
            tile.pixels(gradient).add_(self._gradient(tile, self._forth(tile, value), wanting, rest))
        return Evaluation(loss, gradient, parts)

    def _at_once(self, value: Tensor) -> Evaluation:
        """In one pass."""
        (tile,) = self.tiles
        links = self._forth(tile, value)
        loss, parts, wanting = self._losses(self._sums(tile, links))
        return Evaluation(loss, self._gradient(tile, links, wanting, None), parts)

    def sums(self, value: Tensor) -> Maps:
        """For each term by name what adds up over the whole picture, without a gradient."""
        sums, kept = self._surveyed(value, () if self.border is None else (self.border,))
        if self.beyond is not None and self.border is not None:
            sums |= self.beyond.sums(kept[self.border])
        return sums

    def maps(self, value: Tensor) -> Maps:
        """The whole picture's maps at the terms' taps, without a gradient."""
        _, kept = self._surveyed(value, self.taps, adding=False)
        if self.beyond is not None and self.border is not None:
            kept |= self.beyond.maps(kept[self.border])
        return kept

    @torch.no_grad()
    def _surveyed(self, value: Tensor, keep: Sequence[str], *, adding: bool = True) -> tuple[Maps, Maps]:
        """The tiles' sums added up, and some taps' maps put together from the tiles'."""
        sums: Maps = {}
        kept = {
            tap: value.new_empty(1, self.trunk.channels(tap), *self.sizes[tap]).to(memory_format=torch.channels_last)
            for tap in keep
        }
        for tile in self.tiles:
            links = self._forth(tile, value)
            for name, part in self._sums(tile, links).items() if adding else ():
                sums[name] = sums[name].add_(part) if name in sums else part
            for link in links:
                if link.tap in kept:
                    self._part(tile, link.tap, kept[link.tap]).copy_(self._own(tile, link.tap, link.map))
            del links, link  # before the next tile needs the room
        return sums, kept

    def _forth(self, tile: Tile, value: Tensor) -> list[Link]:
        """The features that a tile sees, link by link, so that on the way back each can be let go of."""
        before, seen = self.start, tile.pixels(value)
        links: list[Link] = []
        for tap in self.taps:
            seen = seen.detach().requires_grad_(torch.is_grad_enabled())
            if before is None:
                batch = self.trunk.preprocessing.normalize(seen).contiguous(memory_format=torch.channels_last)
                found = self.trunk(batch, taps=(tap,))
            else:
                found = self.trunk.resume(before, seen, (tap,))
            links.append(Link(tap, seen, found[tap]))
            before, seen = tap, found[tap]
        return links

    @torch.no_grad()
    def _sums(self, tile: Tile, links: Sequence[Link]) -> Maps:
        """For each term what adds up over tiles: its Gram sum, or its squared distance."""
        sums, maps = {}, {link.tap: link.map for link in links}
        for term in self.terms:
            mine = self._own(tile, term.tap, maps[term.tap])
            if isinstance(term, ContentTerm):
                sums[term.name] = squares(mine - self._part(tile, term.tap, term.wanted))
            else:
                mask = None if term.mask is None else self._part(tile, term.tap, term.mask)
                sums[term.name] = gram_sum(mine[0], mask)
        return sums

    def _losses(self, sums: Maps) -> tuple[float, dict[str, float], Wanting]:
        """The weighted sum, each term's value, and by term the factor of its gradient in the features."""
        parts: dict[str, float] = {}
        wanting: Wanting = {}
        for term in self.terms:
            total, energy = sums[term.name], self._energies[term.name]
            if isinstance(term, ContentTerm):
                parts[term.name] = float(total) / energy
                wanting[term.name] = 2 * term.weight / energy
            else:
                rows, columns = self.sizes[term.tap]
                count = rows * columns if term.mask is None else weight_of(term.mask)
                off = total / count - term.wanted
                parts[term.name] = float(off.square().sum()) / energy
                wanting[term.name] = off * (4 * term.weight / (energy * count))
        return sum(term.weight * parts[term.name] for term in self.terms), parts, wanting

    def _gradient(self, tile: Tile, links: list[Link], wanting: Wanting, rest: Evaluation | None) -> Tensor:
        """What the loss asks of the pixels that a tile sees, for its own features' sake; uses up the links."""
        asked: Tensor | None = None
        while links:
            link = links.pop()
            asked = self._asked(tile, link, asked, wanting)
            if rest is not None and link.tap == self.border:
                self._own(tile, link.tap, asked).add_(self._part(tile, link.tap, rest.gradient))
            (asked,) = torch.autograd.grad(link.map, link.seen, asked)
        assert asked is not None
        return asked

    @torch.no_grad()
    def _asked(self, tile: Tile, link: Link, asked: Tensor | None, wanting: Wanting) -> Tensor:
        """What the loss asks of a tap's features: what deeper taps ask of them, and its own terms."""
        asked = torch.zeros_like(link.map) if asked is None else asked
        mine, into = self._own(tile, link.tap, link.map), self._own(tile, link.tap, asked)
        for term in self.terms:
            if term.tap != link.tap:
                continue
            factor = wanting[term.name]
            if isinstance(term, ContentTerm):
                into.add_(mine - self._part(tile, term.tap, term.wanted), alpha=float(factor))
            else:
                assert isinstance(factor, Tensor)
                rows = unrolled(mine[0])
                if term.mask is not None:
                    rows = rows * self._part(tile, term.tap, term.mask).reshape(-1, 1)
                add_product(into, rows, factor)
        return asked

    def _own(self, tile: Tile, tap: str, maps: Tensor) -> Tensor:
        """A tile's own features, of those that its pixels give."""
        (top, bottom), (left, right) = tile.local(self.trunk.stride(tap), self.sizes[tap])
        return maps[:, :, top:bottom, left:right]

    def _part(self, tile: Tile, tap: str, whole: Tensor) -> Tensor:
        """A tile's own part of a map of the whole picture."""
        (top, bottom), (left, right) = tile.cells(self.trunk.stride(tap), self.sizes[tap])
        return whole[..., top:bottom, left:right]


def add_product(maps: Tensor, rows: Tensor, matrix: Tensor) -> None:
    """Adds rows @ matrix, a row for each place, to `(1, C, H, W)`."""
    if maps.is_contiguous(memory_format=torch.channels_last):  # the product is added as it is computed
        maps[0].permute(1, 2, 0).view(len(rows), -1).addmm_(rows, matrix)
    else:
        maps.add_((rows @ matrix).reshape(*maps.shape[2:], maps.shape[1]).permute(2, 0, 1))


@torch.no_grad()
def grams_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, cutting: Cutting = WHOLE) -> Maps:
    """The Gram matrix of each tap over a whole picture."""
    size = (picture.shape[2], picture.shape[3])
    terms = [StyleTerm(tap, 0, 1.0, torch.zeros(1), None) for tap in taps]
    sums = Features(trunk, terms, size, cutting).sums(picture)
    return {term.tap: sums[term.name] / math.prod(trunk.map_size(term.tap, *size)) for term in terms}


@torch.no_grad()
def maps_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, cutting: Cutting = WHOLE) -> Maps:
    """The features of a whole picture."""
    size = (picture.shape[2], picture.shape[3])
    terms = [ContentTerm(tap, 1.0, torch.zeros(1)) for tap in taps]
    found = Features(trunk, terms, size, cutting).maps(picture)
    return {tap: found[tap] for tap in taps}
