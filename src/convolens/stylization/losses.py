"""The losses of style transfer: features near the content's, Gram matrices near the style's.

Every term is relative, ‖features − target‖² / ‖target‖²: 1 is the loss of features that are all 0, at any tap of any
trunk and at any size. So the default weights suit all of them. Gradients are written out in the features and not in the
picture: the picture's follow from one backward pass through the trunk, and tiles need no graph that spans them.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.arrays import Array
from convolens.errors import DeviceError, ShapeError
from convolens.forks import cached_property
from convolens.layers.tensors import as_tensor, batched, kind_of

TINY = 1e-12  # keeps a term finite where its target is 0 everywhere


def gram(
    features: Float[Array, "*batch channels height width"], mask: Float[Array, "height width"] | None = None
) -> Any:
    """The Gram matrix of feature maps: which features are active together, wherever that is.

    With the map unrolled to M of C × N, N = H·W, it is G = M Mᵀ / N, so that maps of any size compare. C²·N
    multiplications.

    Args:
        features: `(C, H, W)` or `(N, C, H, W)`, floating point, NumPy or torch.
        mask: how much each place counts, none negative; G is then the mean over places weighted by it.

    Returns:
        `(C, C)` or `(N, C, C)`, symmetric; of features' kind and dtype. Differentiable.

    Raises:
        ShapeError: features of another rank, or none, or a mask of another size.

    >>> import numpy as np
    >>> gram(np.array([[[1.0, 3.0]], [[0.0, 2.0]]]))
    array([[5., 3.],
           [3., 2.]])
    """
    inside = as_tensor(features, "features")
    maps = batched(inside, "features")
    if 0 in maps.shape:
        raise ShapeError(f"features: need some on every axis, got {tuple(inside.shape)}")
    weight = None if mask is None else as_tensor(mask, "mask")
    if weight is not None and weight.is_meta and not maps.is_meta:
        raise DeviceError("mask: need numbers, got a tensor on the device meta, which has a shape alone")
    if weight is not None and weight.shape != maps.shape[2:]:
        raise ShapeError(f"mask: need the maps' {tuple(maps.shape[2:])}, got {tuple(weight.shape)}")
    weight = None if weight is None else weight.to(maps)
    count = float(maps[0, 0].numel()) if weight is None else weight.sum().clamp_min(TINY)
    found = [gram_sum(one, weight) / count for one in maps]
    return kind_of(features)(torch.stack(found) if inside.dim() == 4 else found[0])


def gram_sum(maps: Tensor, mask: Tensor | None = None) -> Tensor:
    """M·diag(mask)·Mᵀ of `(C, H, W)`: a Gram matrix before it is divided, so that tiles' add up."""
    rows = unrolled(maps)
    return rows.T @ (rows if mask is None else rows * mask.reshape(-1, 1))


def unrolled(maps: Tensor) -> Tensor:
    """`(C, H, W)` as a row for each place; no copy where channels are the innermost axis in memory."""
    return maps.permute(1, 2, 0).reshape(-1, maps.shape[0])


Crop = Callable[[Tensor], Tensor]  # a tile's part of a map of the whole picture


@dataclass(frozen=True)
class ContentTerm:
    """The distance of the features at a tap from the content's."""

    tap: str
    weight: float
    target: Tensor  # (1, C, H, W)

    @property
    def name(self) -> str:
        """The name that progress shows."""
        return f"content {self.tap}"

    @cached_property
    def energy(self) -> float:
        """The squared distance that counts as 1."""
        return max(float(squares(self.target)), TINY)

    def tile_sum(self, features: Tensor, crop: Crop) -> Tensor:
        """The squared distance in a tile, which adds up over tiles."""
        return squares(features - crop(self.target))

    def evaluate(self, total: Tensor, places: int) -> tuple[float, Tensor]:
        """The value of that sum over all tiles, and the factor of its gradient."""
        del places  # the distance is that of all of them already
        return float(total) / self.energy, torch.tensor(2 * self.weight / self.energy, dtype=torch.float64)

    def add_gradient(self, into: Tensor, features: Tensor, crop: Crop, factor: Tensor) -> None:
        """Adds the gradient in a tile's features to `into`."""
        into.add_(features - crop(self.target), alpha=float(factor))


@dataclass(frozen=True)
class StyleTerm:
    """The distance of the Gram matrix at a tap, of the places that the mask picks, from a style's."""

    tap: str
    style: int
    weight: float
    target: Tensor  # (C, C)
    mask: Tensor | None  # (H, W) of the tap's map

    @property
    def name(self) -> str:
        """The name that progress shows."""
        return f"style {self.tap}" if self.style == 0 else f"style {self.style + 1} {self.tap}"

    @cached_property
    def energy(self) -> float:
        """The squared distance that counts as 1."""
        return max(float(self.target.square().sum()), TINY)

    def tile_sum(self, features: Tensor, crop: Crop) -> Tensor:
        """The Gram matrix of a tile before it is divided, which adds up over tiles."""
        return gram_sum(features[0], None if self.mask is None else crop(self.mask))

    def evaluate(self, total: Tensor, places: int) -> tuple[float, Tensor]:
        """The value of that sum over all tiles, for a map of that number of places, and the factor of its gradient."""
        count = places if self.mask is None else max(float(self.mask.sum()), TINY)
        off = total / count - self.target
        return float(off.square().sum()) / self.energy, off * (4 * self.weight / (self.energy * count))

    def add_gradient(self, into: Tensor, features: Tensor, crop: Crop, factor: Tensor) -> None:
        """Adds the gradient in a tile's features to `into`."""
        rows = unrolled(features[0])
        if self.mask is not None:
            rows = rows * crop(self.mask).reshape(-1, 1)
        add_product(into, rows, factor)


Term = ContentTerm | StyleTerm


def add_product(maps: Tensor, rows: Tensor, matrix: Tensor) -> None:
    """Adds rows @ matrix, a row for each place, to `(1, C, H, W)`."""
    if maps.is_contiguous(memory_format=torch.channels_last):  # the product is added as it is computed
        maps[0].permute(1, 2, 0).view(len(rows), maps.shape[1]).addmm_(rows, matrix)
    else:  # the last tile of a row may have no place at a deep tap, so the channels are named
        maps.add_((rows @ matrix).reshape(*maps.shape[2:], maps.shape[1]).permute(2, 0, 1))


def squares(maps: Tensor) -> Tensor:
    """The sum of squares: rows in the maps' precision, the rest in float64, without a copy of the maps in float64."""
    return maps.square().sum(dim=-1).double().sum()


def total_variation(picture: Tensor, color_weight: float = 1.0) -> tuple[float, Tensor]:
    """The mean square of the steps between neighbouring pixels, those of colour weighted, and its gradient.

    A step of all channels alike is one of light; what it differs from that by, channel by channel, is one of colour.
    Gram matrices are nearly all light: speckle of colour, which they do not notice, is left where it counts the same.
    """
    down, right = picture.diff(dim=2), picture.diff(dim=3)
    by_down, by_right = _color_weighted(down, color_weight), _color_weighted(right, color_weight)
    count = picture[0].numel()
    gradient = torch.zeros_like(picture)
    gradient[:, :, 1:] += by_down
    gradient[:, :, :-1] -= by_down
    gradient[..., 1:] += by_right
    gradient[..., :-1] -= by_right
    value = float((down * by_down).sum(dtype=torch.float64) + (right * by_right).sum(dtype=torch.float64)) / count
    return value, gradient.mul_(2 / count)


def _color_weighted(steps: Tensor, weight: float) -> Tensor:
    """Steps of light as they are, those of colour times the weight."""
    light = steps.mean(dim=1, keepdim=True)
    return (steps - light).mul_(weight).add_(light)
