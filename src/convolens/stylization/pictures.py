"""Pictures from and to the caller's kind: checked, as tensors in [0, 1], at the sizes of the scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from convolens.arrays import is_tensor
from convolens.errors import ArgumentError
from convolens.media.pixels import Picture, as_pixels, from_unit, over_white, to_unit

_MOST_SCALES = 16  # a side of 65,536 pixels, halved so often, is one
MIN_SIDE = 112  # of the shorter side at the coarsest scale: strokes form there that at 224 would stay specks


@dataclass(frozen=True)
class Kind:
    """The kind of picture that a result is converted to.

    Attributes:
        dtype: of the pixels.
        alpha: their transparency, `(H, W, 1)`; None where there is none.
        tensor: an empty one of the result's dtype and device; None where the result is an array.
    """

    dtype: np.dtype[Any]
    alpha: NDArray[Any] | None = None
    tensor: Tensor | None = None

    def restore(self, picture: Tensor) -> Any:
        """`(1, 3, H, W)` in [0, 1] as an array or tensor `(H, W, 3 or 4)` of the content's dtype."""
        pixels = from_unit(picture[0].permute(1, 2, 0).double().cpu().numpy(), self.dtype)
        if self.alpha is not None:
            pixels = np.concatenate([pixels, self.alpha], axis=2)
        # The pixels of float16 and bfloat16 tensors are float32, as NumPy lacks the latter.
        return pixels if self.tensor is None else torch.from_numpy(pixels).to(self.tensor)


def opened(picture: Picture, subject: str) -> Any:
    """The pixels, so that a file is read once; a tensor unchanged, as the result will be one. Errors as `as_pixels`."""
    return picture if is_tensor(picture) else as_pixels(picture, subject)


def as_unit(picture: Picture, subject: str) -> Tensor:
    """A picture as `(1, 3, H, W)` in [0, 1], float32: grey repeated, transparency over white.

    Errors as in `as_pixels`, about `subject`.
    """
    pixels = over_white(as_pixels(picture, subject))
    unit = torch.from_numpy(to_unit(pixels).reshape(*pixels.shape[:2], -1))
    return unit.permute(2, 0, 1).expand(3, -1, -1)[None]


def kind_of(picture: Picture | None, size: tuple[int, int]) -> Kind:
    """The content's kind; its transparency, at the result's size, stays with it."""
    if picture is None:
        return Kind(np.dtype(np.uint8))
    tensor = picture.new_empty(0) if is_tensor(picture) else None
    pixels = as_pixels(picture)
    alpha = None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:]
        if alpha.shape[:2] != size:
            sized = resized(torch.from_numpy(to_unit(alpha, np.float64)).permute(2, 0, 1)[None], size)
            alpha = from_unit(sized[0].permute(1, 2, 0).numpy(), alpha.dtype)
    return Kind(pixels.dtype, alpha, tensor)


def resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture at another size, antialiased, within [0, 1]."""
    if tuple(picture.shape[2:]) == tuple(size):
        return picture
    return interpolate(picture, tuple(size), mode="bicubic", align_corners=False, antialias=True).clamp_(0, 1)


def with_longer_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size scaled so that its longer side is `side`, in the same proportions.

    >>> with_longer_side((300, 400), 200)
    (150, 200)
    """
    factor = side / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def sizes_of(size: tuple[int, int], scales: int | Sequence[int] | None) -> list[tuple[int, int]]:
    """The sizes of the scales, coarse to fine, ending with the picture's own.

    Args:
        size: of the result.
        scales: how many, each twice as wide as the one before; or the longer side of each; or None, for as many as
            leave the shorter side at least `MIN_SIDE`, at most four.

    >>> sizes_of((512, 768), None)
    [(128, 192), (256, 384), (512, 768)]
    """
    if scales is None:
        scales = max(1, min(4, (min(size) // MIN_SIDE).bit_length()))
    if isinstance(scales, int) and not isinstance(scales, bool):
        if not 1 <= scales <= _MOST_SCALES:
            raise ArgumentError(f"scales: need 1 to {_MOST_SCALES}, got {scales}")
        return [with_longer_side(size, max(1, round(max(size) / 2**number))) for number in reversed(range(scales))]
    sides = list(scales) if isinstance(scales, Sequence) else [scales]
    rising = all(isinstance(side, int) and side >= 1 for side in sides) and sides == sorted(set(sides))
    if not sides or not rising or sides[-1] > max(size):
        raise ArgumentError(f"scales: need a number, or rising longer sides of at most {max(size)}, got {scales!r}")
    coarse = [with_longer_side(size, side) for side in sides if side < max(size)]
    return [*coarse, size]


def noise(size: tuple[int, int], seed: int) -> Tensor:
    """Uniform noise around grey, `(1, 3, H, W)`, the same for the same seed on every machine."""
    numbers = np.random.default_rng(seed).uniform(0.3, 0.7, (1, 3, *size))
    return torch.from_numpy(numbers)
