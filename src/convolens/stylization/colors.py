"""A style's brushwork in the content's own colours, by one of two methods.

luminance   only light and dark are restyled: the optimisation gets grey pictures, and the result's luminance replaces
            the content's. No new colour appears at all.
histogram   the style is first repainted so that its colours have the content's mean and covariance; strokes keep
            differences of colour.

Gatys, Bethge, Hertzmann & Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from convolens.errors import ArgumentError

KeepColors = Literal["luminance", "histogram"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FLOOR = 1e-5  # variance added so that a picture of one colour has an invertible covariance


@dataclass(frozen=True)
class Colors:
    """What is done to the pictures before and after, so that the content's colours stay.

    Attributes:
        method: how; None changes nothing.
        source: the picture whose colours stay, at the result's size.
    """

    method: KeepColors | None
    source: Tensor | None

    @classmethod
    def of(cls, keep_colors: bool | str, content: Tensor | None) -> Colors:
        """For what `stylize` was given; True is luminance.

        Raises:
            ArgumentError: no such method, or no content.
        """
        if keep_colors is False:
            return cls(None, None)
        if not isinstance(keep_colors, bool | str):
            raise ArgumentError(f"keep_colors: need a bool, 'luminance' or 'histogram', got {keep_colors!r:.60}")
        if content is None:
            raise ArgumentError("keep_colors: need a content whose colours are kept, got none")
        for method in get_args(KeepColors):
            if keep_colors == method or (keep_colors is True and method == "luminance"):
                return cls(method, content)
        raise ArgumentError(f"keep_colors: need a bool, 'luminance' or 'histogram', got {keep_colors!r}")

    def content(self, picture: Tensor) -> Tensor:
        """The content as the optimisation gets it."""
        return luminance(picture) if self.method == "luminance" else picture

    def style(self, picture: Tensor) -> Tensor:
        """A style as the optimisation gets it."""
        if self.method is None or self.source is None:
            return picture
        if self.method == "luminance":
            return matched(luminance(picture), luminance(self.source))
        return matched(picture, self.source)

    def result(self, picture: Tensor) -> Tensor:
        """The optimised picture with the content's colours."""
        if self.method != "luminance" or self.source is None:
            return picture
        return with_luminance(self.source, picture)


def luminance(picture: Tensor) -> Tensor:
    """Light and dark of `(1, 3, H, W)`, on all three channels."""
    weights = picture.new_tensor(_LUMA).view(1, 3, 1, 1)
    light: Tensor = (picture * weights).sum(1, keepdim=True)
    return light.expand(-1, 3, -1, -1)


def with_luminance(picture: Tensor, like: Tensor) -> Tensor:
    """The picture's colours with the luminance of another, in [0, 1]."""
    mixed: Tensor = picture + luminance(like) - luminance(picture)
    return mixed.clamp(0, 1)


def matched(picture: Tensor, to: Tensor) -> Tensor:
    """The picture with its colours transformed linearly to the mean and covariance of another's, in [0, 1]."""
    mean, covariance = _statistics(picture)
    target_mean, target_covariance = _statistics(to)
    transform = _root(target_covariance) @ torch.linalg.inv(_root(covariance))
    flat = transform @ (picture[0].reshape(3, -1) - mean) + target_mean
    painted: Tensor = flat.reshape(picture.shape)
    return painted.clamp(0, 1).to(picture.dtype)


def _statistics(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance in float64, as those of grey pictures are near singular."""
    flat = picture[0].reshape(3, -1).double()
    mean = flat.mean(1, keepdim=True)
    off = flat - mean
    return mean, off @ off.T / flat.shape[1] + _FLOOR * torch.eye(3, dtype=flat.dtype)


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    return root
