"""What is wanted of the result, at any scale: content, styles, masks and weights, as terms of a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convolens.arrays import Real
from convolens.errors import ArgumentError, need_one_of
from convolens.stylization.losses import ContentTerm, StyleTerm, Term
from convolens.stylization.memory import Room, room_for
from convolens.stylization.objective import Objective, grams_of, maps_of
from convolens.stylization.pictures import longest, resized
from convolens.trunks import Trunk


@dataclass(frozen=True)
class Goal:
    """What is wanted.

    Attributes:
        trunk: frozen, in evaluation mode.
        content: `(1, 3, H, W)`, or None.
        styles: likewise, each of its own size.
        masks: `(1, 1, H, W)` where each style applies; None everywhere.
        content_taps: with the weight that they share.
        content_weight: of the content.
        style_taps: each with its weight, all styles' together.
        mix: how much each style counts, adding up to 1.
        tv_weight: of the total variation.
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
    memory: float

    @property
    def taps(self) -> tuple[str, ...]:
        """All taps that something is wanted of."""
        wanted = [*(self.content_taps if self.content_weight else ()), *self.style_taps]
        return tuple(dict.fromkeys(wanted))

    def room(self, size: tuple[int, int]) -> Room:
        """How a picture of that size fits the memory."""
        return room_for(self.trunk, self.taps, self.content_taps, size, self.memory)

    def like_trunk(self, picture: Tensor) -> Tensor:
        """In the trunk's numbers, on its device."""
        parameter = next(self.trunk.parameters())
        return picture.to(device=parameter.device, dtype=parameter.dtype).contiguous()

    def content_at(self, size: tuple[int, int]) -> Tensor | None:
        """The content at a scale."""
        return None if self.content is None else self.like_trunk(resized(self.content, size))

    def objective(self, size: tuple[int, int], room: Room) -> Objective:
        """The loss at a scale."""
        terms: list[Term] = []
        content = self.content_at(size)
        if content is not None and self.content_weight:
            maps = maps_of(self.trunk, self.content_taps, content, room.cutting)
            weight = self.content_weight / len(maps)
            terms += [ContentTerm(tap, weight, wanted) for tap, wanted in maps.items()]
        for number, (style, share) in enumerate(zip(self.styles, self.mix, strict=True)):
            terms += self._style_terms(number, style, share, size, room)
        return Objective(self.trunk, terms, self.tv_weight, size, room.cutting)

    def _style_terms(
        self, number: int, style: Tensor, share: float, size: tuple[int, int], room: Room
    ) -> list[StyleTerm]:
        """One style's Gram matrices. Its strokes keep their size relative to the picture: both have one longer side."""
        taps = [tap for tap, weight in self.style_taps.items() if weight * share]
        if not taps:
            return []
        shown = self.like_trunk(resized(style, longest((style.shape[2], style.shape[3]), max(size))))
        self.trunk.need_size(taps, shown.shape[2:], f"style {number + 1}, brought to {max(size)}")
        wanted = grams_of(self.trunk, taps, shown, room.cutting)
        mask = self.masks[number]
        sizes = {tap: self.trunk.map_size(tap, *size) for tap in taps}
        masks = {
            tap: None if mask is None else self.like_trunk(adaptive_avg_pool2d(mask, sizes[tap]))[0, 0] for tap in taps
        }
        return [StyleTerm(tap, number, share * self.style_taps[tap], wanted[tap], masks[tap]) for tap in taps]


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
    """`total` shared among the taps by their weights, 1 where not named.

    Raises:
        ArgumentError: a weight below 0, all 0, or one of a tap that is not among them.
    """
    known: dict[str, Real] = dict(weights or {})
    for tap in known:
        need_one_of("tap_weights", tap, taps)
    return dict(zip(taps, shared([known.get(tap, 1.0) for tap in taps], total, "tap_weights"), strict=True))


def shared(amounts: Sequence[Real], total: float, subject: str, count: int | None = None) -> list[float]:
    """`total` in proportion to the amounts.

    Raises:
        ArgumentError: one below 0, all 0, or not `count` of them.

    >>> shared([1, 3], 2.0, "mix")
    [0.5, 1.5]
    """
    if count is not None and len(amounts) != count:
        raise ArgumentError(f"{subject}: need {count} of them, got {len(amounts)}")
    numbers = [number("one of " + subject, amount) for amount in amounts]
    if amounts and not sum(numbers):
        raise ArgumentError(f"{subject}: need one above 0, got {list(amounts)}")
    return [total * one / sum(numbers) for one in numbers]


def number(subject: str, value: Real, most: Real = float("inf")) -> float:
    """The value, checked.

    Raises:
        ArgumentError: below 0, above `most`, infinite or NaN.
    """
    if not 0 <= value <= most or value == float("inf"):
        room = "of at least 0" if most == float("inf") else f"from 0 to {most:g}"
        raise ArgumentError(f"{subject}: need a number {room}, got {value}")
    return float(value)
