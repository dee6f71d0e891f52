"""The target of a restyling at any scale: content, styles, masks and weights, as terms of a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convolens.arrays import Real, as_real
from convolens.errors import ArgumentError, need_one_of
from convolens.stylization.losses import ContentTerm, StyleTerm, Term
from convolens.stylization.memory import MemoryPlan, plan_memory
from convolens.stylization.objective import Objective, grams_of, maps_of
from convolens.stylization.pictures import resized, with_longer_side
from convolens.stylization.tiles import Tiling
from convolens.trunks import Trunk


@dataclass(frozen=True)
class Target:
    """What the result shall be like.

    Attributes:
        trunk: frozen, in evaluation mode.
        content: `(1, 3, H, W)`, or None.
        styles: such pictures, each of any size.
        masks: `(1, 1, H, W)` where each style applies; None everywhere.
        content_taps: whose features are compared with the content's.
        content_weight: of all of them together.
        style_taps: each with its weight, for all styles together.
        mix: how much each style counts, adding up to 1.
        tv_weight: of the total variation.
        tv_color_weight: of the steps of colour in it, beside those of light.
        memory: gigabytes to stay within.
    """

    trunk: Trunk
    content: Tensor | None
    styles: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    content_taps: Sequence[str]
    content_weight: float
    style_taps: Mapping[str, float]
    mix: Sequence[float]
    tv_weight: float
    tv_color_weight: float
    memory: float

    @property
    def taps(self) -> tuple[str, ...]:
        """All taps that a term is at."""
        used = [*(self.content_taps if self.content_weight else ()), *self.style_taps]
        return tuple(dict.fromkeys(used))

    def memory_plan(self, size: tuple[int, int]) -> MemoryPlan:
        """How a picture of that size fits the memory."""
        return plan_memory(self.trunk, self.taps, self.content_taps, size, self.memory)

    def like_trunk(self, picture: Tensor) -> Tensor:
        """In the trunk's dtype, on its device."""
        parameter = next(self.trunk.parameters())
        return picture.to(device=parameter.device, dtype=parameter.dtype).contiguous()

    def content_at(self, size: tuple[int, int]) -> Tensor | None:
        """The content at a scale."""
        return None if self.content is None else self.like_trunk(resized(self.content, size))

    def objective(self, size: tuple[int, int], tiling: Tiling) -> Objective:
        """The loss at a scale."""
        terms: list[Term] = []
        content = self.content_at(size)
        if content is not None and self.content_weight:
            maps = maps_of(self.trunk, self.content_taps, content, tiling)
            weight = self.content_weight / len(maps)
            terms += [ContentTerm(tap, weight, features) for tap, features in maps.items()]
        for number, (style, proportion) in enumerate(zip(self.styles, self.mix, strict=True)):
            terms += self._style_terms(number, style, proportion, size, tiling)
        return Objective(self.trunk, terms, self.tv_weight, size, tiling, tv_color_weight=self.tv_color_weight)

    def _style_terms(
        self, number: int, style: Tensor, proportion: float, size: tuple[int, int], tiling: Tiling
    ) -> list[StyleTerm]:
        """One style's Gram matrices. It is brought to the picture's longer side: strokes keep their relative size."""
        taps = [tap for tap, weight in self.style_taps.items() if weight * proportion]
        if not taps:
            return []
        scaled = self.like_trunk(resized(style, with_longer_side((style.shape[2], style.shape[3]), max(size))))
        self.trunk.need_size(taps, scaled.shape[2:], f"style {number + 1}, brought to {max(size)}")
        grams = grams_of(self.trunk, taps, scaled, tiling)
        mask = self.masks[number]
        sizes = {tap: self.trunk.map_size(tap, *size) for tap in taps}
        masks = {
            tap: None if mask is None else self.like_trunk(adaptive_avg_pool2d(mask, sizes[tap]))[0, 0] for tap in taps
        }
        return [StyleTerm(tap, number, proportion * self.style_taps[tap], grams[tap], masks[tap]) for tap in taps]


def default_taps(trunk: Trunk) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Content and style taps for any trunk: of a VGG `("conv4_2",)` and `("conv1_1", "conv2_1", …, "conv5_1")`.

    Style: the first tap with a ReLU at each stride; content: the second at stride 8, or the last style tap where
    there is none.
    """
    by_stride: dict[int, list[str]] = {}
    for tap, step in trunk.steps.items():
        if step.before_relu:
            by_stride.setdefault(trunk.stride(tap), []).append(tap)
    style = tuple(taps[0] for taps in by_stride.values())
    middle = by_stride.get(8, [])
    return (middle[1] if len(middle) > 1 else style[-1],), style


def weighted(taps: Sequence[str], weights: Mapping[str, Real] | None, total: float) -> dict[str, float]:
    """`total` divided among the taps in proportion to their weights, 1 where not named.

    Raises:
        ArgumentError: a weight below 0, all 0, or one of a tap that is not among them.
    """
    if weights is not None and not isinstance(weights, Mapping):
        raise ArgumentError(f"tap_weights: need a weight for each tap by its name, as a dict, got {weights!r:.60}")
    known: dict[str, Real] = dict(weights or {})
    for tap in known:
        need_one_of("tap_weights", tap, taps)
    return dict(zip(taps, in_proportion([known.get(tap, 1.0) for tap in taps], total, "tap_weights"), strict=True))


def in_proportion(amounts: Sequence[Real], total: float, subject: str, count: int | None = None) -> list[float]:
    """`total` divided in proportion to the amounts.

    Raises:
        ArgumentError: one below 0, all 0, or not `count` of them.

    >>> in_proportion([1, 3], 2.0, "mix")
    [0.5, 1.5]
    """
    is_list = isinstance(amounts, Sequence) and not isinstance(amounts, str | bytes)
    if not is_list and not (isinstance(amounts, np.ndarray) and amounts.ndim):
        raise ArgumentError(f"{subject}: need numbers in a list, got {amounts!r:.60}")
    if count is not None and len(amounts) != count:
        raise ArgumentError(f"{subject}: need {count} of them, got {len(amounts)}")
    numbers = [number("one of " + subject, amount) for amount in amounts]
    if numbers and not sum(numbers):
        raise ArgumentError(f"{subject}: need one above 0, got {list(amounts)}")
    return [total * one / sum(numbers) for one in numbers]


def number(subject: str, value: Real, maximum: Real = float("inf")) -> float:
    """The value, checked.

    Raises:
        ArgumentError: below 0, above `maximum`, infinite or NaN.
    """
    allowed = "of at least 0" if maximum == float("inf") else f"from 0 to {maximum:g}"
    return as_real(value, subject, f"a number {allowed}", lambda one: 0 <= one <= float(maximum))
