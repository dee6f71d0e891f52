"""The whole loss of a picture and its gradient: in one pass, or by tiles that share the Gram matrices of the whole.

A Gram matrix is a sum over places, and so is a content term. By tiles there are two passes: the first accumulates the
sums of every tile; they give the loss and the gradient factor of each term. The second computes each tile's features
again and takes their gradient back to the tile's pixels.

Three ways through the trunk (`tiles.Tiling`), from fast to frugal:

    whole      one pass forward and backward; memory for all features
    bordered   tiles up to a shallow tap, behind it that tap's map whole: the first layers hold most of the features and
               see a few pixels only, so that little is computed twice
    tiled      tiles all the way, with halos as wide as the deepest tap sees; memory for a tile
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from convolens.arrays import release_pool
from convolens.stylization.losses import ContentTerm, StyleTerm, Term, total_variation
from convolens.stylization.tiles import WHOLE, Tile, Tiling, split_taps, tiles_of
from convolens.trunks import Trunk

Maps = dict[str, Tensor]  # by tap or by term


@dataclass(frozen=True)
class Evaluation:
    """A picture's loss, its gradient, and each term's value before its weight."""

    loss: float
    gradient: Tensor
    parts: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """The layers from one tap to the next: what they read, to be differentiated by, and the map that they gave."""

    tap: str
    input: Tensor
    map: Tensor


class Objective:
    """The loss as a function of the picture.

    Args:
        trunk: frozen, in evaluation mode.
        terms: the losses on its features.
        tv_weight: of the total variation.
        tv_color_weight: of the steps of colour in it, beside those of light.
        size: the picture's height and width.
        tiling: how it goes through the trunk.
    """

    def __init__(
        self,
        trunk: Trunk,
        terms: Sequence[Term],
        tv_weight: float,
        size: tuple[int, int],
        tiling: Tiling = WHOLE,
        *,
        tv_color_weight: float = 1.0,
    ) -> None:
        self.feature_loss = FeatureLoss(trunk, terms, size, tiling)
        self.tv_weight, self.tv_color_weight = tv_weight, tv_color_weight

    def __call__(self, picture: Tensor) -> Evaluation:
        """Loss and gradient of `(1, 3, H, W)` in [0, 1]."""
        found = self.feature_loss(picture)
        roughness, slope = total_variation(picture, self.tv_color_weight)
        return Evaluation(
            found.loss + self.tv_weight * roughness,
            slope.mul_(self.tv_weight).add_(found.gradient),
            found.parts | {"roughness": roughness},
        )


class FeatureLoss:
    """The terms' loss as a function of a picture, or of its map at the tap `start`; arguments as of `Objective`.

    Attributes:
        deeper: the loss of the terms behind the border, as a function of the border's map.
    """

    def __init__(
        self,
        trunk: Trunk,
        terms: Sequence[Term],
        size: tuple[int, int],
        tiling: Tiling = WHOLE,
        start: str | None = None,
    ) -> None:
        self.trunk, self.start = trunk, start
        first, others = split_taps(trunk, list(dict.fromkeys(term.tap for term in terms)), tiling.border)
        self.taps = tuple(sorted(first, key=trunk.taps.index))
        self.terms = [term for term in terms if term.tap not in others]
        self.border = tiling.border if others else None
        rest = [term for term in terms if term.tap in others]
        self.deeper = FeatureLoss(trunk, rest, size, start=self.border) if rest else None
        self.sizes = {tap: trunk.map_size(tap, *size) for tap in self.taps}
        self.tiles = list(tiles_of(trunk, self.taps, size, tiling.tile))

    def __call__(self, value: Tensor) -> Evaluation:
        """Loss and gradient of `(1, C, H, W)`."""
        if not self.taps:
            return Evaluation(0.0, torch.zeros_like(value), {})
        if len(self.tiles) == 1 and self.deeper is None:
            return self._untiled(value)
        sums, kept = self._accumulated(value, () if self.border is None else (self.border,))
        loss, parts, factors = self._losses(sums)
        deeper = None
        if self.deeper is not None and self.border is not None:
            release_pool()  # what served the tiles does not serve whole maps, nor the other way round
            deeper = self.deeper(kept.pop(self.border))
            release_pool()
            loss, parts = loss + deeper.loss, parts | deeper.parts
        gradient = torch.zeros_like(value)
        for tile in self.tiles:
            tile.pixels(gradient).add_(self._backward(tile, self._forward(tile, value), factors, deeper))
        return Evaluation(loss, gradient, parts)

    def _untiled(self, value: Tensor) -> Evaluation:
        """Loss and gradient in one pass."""
        (tile,) = self.tiles
        segments = self._forward(tile, value)
        loss, parts, factors = self._losses(self._sums(tile, segments))
        return Evaluation(loss, self._backward(tile, segments, factors, None), parts)

    def sums(self, value: Tensor) -> Maps:
        """The sums of all terms, by name, over the whole picture, without a gradient."""
        sums, kept = self._accumulated(value, () if self.border is None else (self.border,))
        if self.deeper is not None and self.border is not None:
            sums |= self.deeper.sums(kept[self.border])
        return sums

    def maps(self, value: Tensor) -> Maps:
        """The whole picture's maps at the terms' taps, without a gradient."""
        _, kept = self._accumulated(value, self.taps, adding=False)
        if self.deeper is not None and self.border is not None:
            kept |= self.deeper.maps(kept[self.border])
        return kept

    @torch.no_grad()
    def _accumulated(self, value: Tensor, keep: Sequence[str], *, adding: bool = True) -> tuple[Maps, Maps]:
        """The tiles' sums added up, and the maps at the taps `keep`, put together from the tiles'."""
        sums: Maps = {}
        kept = {
            tap: value.new_empty(1, self.trunk.channels(tap), *self.sizes[tap]).to(memory_format=torch.channels_last)
            for tap in keep
        }
        for tile in self.tiles:
            segments = self._forward(tile, value)
            for name, part in self._sums(tile, segments).items() if adding else ():
                sums[name] = sums[name].add_(part) if name in sums else part
            for segment in segments:
                if segment.tap in kept:
                    self._crop(tile, segment.tap, kept[segment.tap]).copy_(
                        self._without_halo(tile, segment.tap, segment.map)
                    )
            del segments, segment  # before the next tile needs the memory
        return sums, kept

    def _forward(self, tile: Tile, value: Tensor) -> list[Segment]:
        """The features of a tile and its halo, segment by segment, so that backward can release each in turn."""
        before, read = self.start, tile.pixels(value)
        segments: list[Segment] = []
        for tap in self.taps:
            read = read.detach().requires_grad_(torch.is_grad_enabled())
            if before is None:
                batch = self.trunk.preprocessing.normalize(read).contiguous(memory_format=torch.channels_last)
                found = self.trunk(batch, taps=(tap,))
            else:
                found = self.trunk.resume(before, read, (tap,))
            segments.append(Segment(tap, read, found[tap]))
            before, read = tap, found[tap]
        return segments

    @torch.no_grad()
    def _sums(self, tile: Tile, segments: Sequence[Segment]) -> Maps:
        """The terms' sums over one tile, by name."""
        maps = {segment.tap: segment.map for segment in segments}
        return {
            term.name: term.tile_sum(
                self._without_halo(tile, term.tap, maps[term.tap]), partial(self._crop, tile, term.tap)
            )
            for term in self.terms
        }

    def _losses(self, sums: Maps) -> tuple[float, dict[str, float], Maps]:
        """The weighted sum, each term's value, and each term's gradient factor."""
        evaluated = {term.name: term.evaluate(sums[term.name], math.prod(self.sizes[term.tap])) for term in self.terms}
        parts = {name: value for name, (value, _) in evaluated.items()}
        factors = {name: factor for name, (_, factor) in evaluated.items()}
        return sum(term.weight * parts[term.name] for term in self.terms), parts, factors

    def _backward(self, tile: Tile, segments: list[Segment], factors: Maps, deeper: Evaluation | None) -> Tensor:
        """The gradient in a tile's pixels and halo of the loss of its own features; uses up the segments."""
        upstream: Tensor | None = None
        while segments:
            segment = segments.pop()
            upstream = self._upstream(tile, segment, upstream, factors)
            if deeper is not None and segment.tap == self.border:
                self._without_halo(tile, segment.tap, upstream).add_(self._crop(tile, segment.tap, deeper.gradient))
            (upstream,) = torch.autograd.grad(segment.map, segment.input, upstream)
        assert upstream is not None
        return upstream

    @torch.no_grad()
    def _upstream(self, tile: Tile, segment: Segment, upstream: Tensor | None, factors: Maps) -> Tensor:
        """The gradient in a tap's features: from deeper taps, and from the terms at this one."""
        upstream = torch.zeros_like(segment.map) if upstream is None else upstream
        own, into = (self._without_halo(tile, segment.tap, maps) for maps in (segment.map, upstream))
        for term in self.terms:
            if term.tap == segment.tap:
                term.add_gradient(into, own, partial(self._crop, tile, term.tap), factors[term.name])
        return upstream

    def _without_halo(self, tile: Tile, tap: str, maps: Tensor) -> Tensor:
        """A tile's own features, out of those of the tile and its halo."""
        (top, bottom), (left, right) = tile.local(self.trunk.stride(tap), self.sizes[tap])
        return maps[:, :, top:bottom, left:right]

    def _crop(self, tile: Tile, tap: str, whole: Tensor) -> Tensor:
        """A tile's own part of a map of the whole picture."""
        (top, bottom), (left, right) = tile.cells(self.trunk.stride(tap), self.sizes[tap])
        return whole[..., top:bottom, left:right]


@torch.no_grad()
def grams_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, tiling: Tiling = WHOLE) -> Maps:
    """The Gram matrix of each tap over a whole picture."""
    size = (picture.shape[2], picture.shape[3])
    terms = [StyleTerm(tap, 0, 1.0, torch.zeros(1), None) for tap in taps]
    sums = FeatureLoss(trunk, terms, size, tiling).sums(picture)
    return {term.tap: sums[term.name] / math.prod(trunk.map_size(term.tap, *size)) for term in terms}


@torch.no_grad()
def maps_of(trunk: Trunk, taps: Sequence[str], picture: Tensor, tiling: Tiling = WHOLE) -> Maps:
    """The feature maps at the taps of a whole picture."""
    size = (picture.shape[2], picture.shape[3])
    terms = [ContentTerm(tap, 1.0, torch.zeros(1)) for tap in taps]
    found = FeatureLoss(trunk, terms, size, tiling).maps(picture)
    return {tap: found[tap] for tap in taps}
