"""What style transfer asks of a picture: features near the content's, Gram matrices near the style's.

Every term is relative, ‖have − want‖² / ‖want‖²: 1 is as far off as nothing at all would be, at any tap of any trunk
and at any size. So the default weights suit all of them. Gradients are written out, by the features and not by the
picture: the picture's follow from one backward pass through the trunk, and tiles need no graph that spans them.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.arrays import Array
from convolens.errors import ShapeError
from convolens.layers.tensors import as_tensor, batched, kind_of

TINY = 1e-12  # keeps a term finite where what is wanted is nothing at all


def gram(
    features: Float[Array, "*batch channels height width"], mask: Float[Array, "height width"] | None = None
) -> Any:
    """The Gram matrix of feature maps: which features occur together, wherever that is.

    With the map unrolled to M of C × N, N = H·W, it is G = M Mᵀ / N, so that maps of any size compare. C²·N
    multiplications.

    Args:
        features: `(C, H, W)` or `(N, C, H, W)`, floating point, NumPy or torch.
        mask: how much each place counts, none negative; G is then the mean over places weighted by it.

    Returns:
        `(C, C)` or `(N, C, C)`, symmetric; of features' kind and dtype. Differentiable.

    Raises:
        ShapeError: features of another rank, or a mask of another size.

    >>> import numpy as np
    >>> gram(np.array([[[1.0, 3.0]], [[0.0, 2.0]]]))
    array([[5., 3.],
           [3., 2.]])
    """
    inside = as_tensor(features, "features")
    maps = batched(inside, "features")
    weight = None if mask is None else as_tensor(mask, "mask").to(maps)
    if weight is not None and weight.shape != maps.shape[2:]:
        raise ShapeError(f"mask: need the maps' {tuple(maps.shape[2:])}, got {tuple(weight.shape)}")
    count = float(maps[0, 0].numel()) if weight is None else weight.sum().clamp_min(TINY)
    found = [gram_sum(one, weight) / count for one in maps]
    return kind_of(features)(torch.stack(found) if inside.dim() == 4 else found[0])


def gram_sum(maps: Tensor, mask: Tensor | None = None) -> Tensor:
    """M·diag(mask)·Mᵀ of `(C, H, W)`: a Gram matrix before it is divided, so that tiles' add up."""
    rows = unrolled(maps)
    return rows.T @ (rows if mask is None else rows * mask.reshape(-1, 1))


def weight_of(mask: Tensor) -> float:
    """What a masked Gram sum is divided by."""
    return max(float(mask.sum()), TINY)


def unrolled(maps: Tensor) -> Tensor:
    """`(C, H, W)` as a row for each place; no copy where channels lie side by side."""
    return maps.permute(1, 2, 0).reshape(-1, maps.shape[0])


@dataclass(frozen=True)
class ContentTerm:
    """Features wanted at a tap."""

    tap: str
    weight: float
    wanted: Tensor  # (1, C, H, W)

    @property
    def name(self) -> str:
        """As progress shows it."""
        return f"content {self.tap}"

    def energy(self) -> float:
        """What 1 means."""
        return max(float(squares(self.wanted)), TINY)


@dataclass(frozen=True)
class StyleTerm:
    """A Gram matrix wanted at a tap, of the places that the mask picks."""

    tap: str
    style: int
    weight: float
    wanted: Tensor  # (C, C)
    mask: Tensor | None  # (H, W) of the tap's map

    @property
    def name(self) -> str:
        """As progress shows it."""
        return f"style {self.tap}" if self.style == 0 else f"style {self.style + 1} {self.tap}"

    def energy(self) -> float:
        """What 1 means."""
        return max(float(self.wanted.square().sum()), TINY)


Term = ContentTerm | StyleTerm


def squares(maps: Tensor) -> Tensor:
    """The sum of squares, added up in float64 but for rows, without a copy of the maps in float64."""
    return maps.square().sum(dim=-1).double().sum()


def total_variation(picture: Tensor) -> tuple[float, Tensor]:
    """The mean square of the steps between neighbouring pixels, over all channels, and its gradient."""
    down, right = picture.diff(dim=2), picture.diff(dim=3)
    count = picture[0].numel()
    gradient = torch.zeros_like(picture)
    gradient[:, :, 1:] += down
    gradient[:, :, :-1] -= down
    gradient[..., 1:] += right
    gradient[..., :-1] -= right
    value = float(down.square().sum(dtype=torch.float64) + right.square().sum(dtype=torch.float64)) / count
    return value, gradient.mul_(2 / count)
