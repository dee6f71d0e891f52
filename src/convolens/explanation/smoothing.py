"""The mean map over augmented copies of a picture: its accidents differ from copy to copy, and the mean has fewer.

Each copy costs what one map costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.arrays import as_flag, as_whole
from convolens.trunks.options import need_seed

# Of the range of a picture's values: the paper finds 10 to 20% best.
NOISE = 0.15


@dataclass(frozen=True)
class Copy:
    """An augmented copy of a batch, and whether it is flipped left to right."""

    batch: Float[Tensor, "batch _channels _height _width"]
    flipped: bool = False

    def unflipped(self, grid: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch rows columns"]:
        """A map of this copy as a map of the picture."""
        return grid.flip(2) if self.flipped else grid


@dataclass(frozen=True)
class Smoothing:
    """Which augmented copies stand in for the picture.

    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, for the noise, there added before gradients in
    the pixels and here before any method.

    Attributes:
        flip: also the mirror image of each.
        noise_samples: how many copies with noise; 0 takes the picture itself.
        seed: of the noise.
    """

    flip: bool = False
    noise_samples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        as_flag(self.flip, "flip")
        as_whole(self.noise_samples, "noise_samples", 0)
        need_seed(self.seed)

    def copies(self, batch: Float[Tensor, "batch channels height width"]) -> Iterator[Copy]:
        """The copies, one after another. Where nothing is smoothed, the batch itself."""
        for one in self._noisy(batch):
            yield Copy(one)
            if self.flip:
                yield Copy(one.flip(3), flipped=True)

    def _noisy(self, batch: Tensor) -> Iterator[Tensor]:
        if self.noise_samples == 0:
            yield batch
            return
        generator = torch.Generator().manual_seed(need_seed(self.seed))
        deviation = NOISE * (batch.amax(dim=(1, 2, 3), keepdim=True) - batch.amin(dim=(1, 2, 3), keepdim=True))
        one_picture = torch.empty(1, *batch.shape[1:])  # the same noise on every picture, in any batch
        for _ in range(self.noise_samples):
            yield batch + deviation * one_picture.normal_(generator=generator).to(batch)
