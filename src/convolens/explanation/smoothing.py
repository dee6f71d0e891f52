"""Looking more than once: a map's accidents differ from look to look, and their mean has fewer of them.

Each look costs what one map costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convolens.errors import ArgumentError

# Of the range of a picture's values: the paper finds 10 to 20% best.
NOISE = 0.15


@dataclass(frozen=True)
class Look:
    """A batch to look at, and whether it is mirrored left to right."""

    batch: Float[Tensor, "batch _channels _height _width"]
    mirrored: bool = False

    def turned_back(self, grid: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch rows columns"]:
        """A map of this look as a map of the picture."""
        return grid.flip(2) if self.mirrored else grid


@dataclass(frozen=True)
class Smoothing:
    """What is looked at in place of the picture alone.

    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, for the noise, there added before gradients in
    the pixels and here before any method.

    Attributes:
        flip: also at its mirror image.
        noise_samples: at how many copies with noise; 0 looks at the picture itself.
        seed: of the noise.
    """

    flip: bool = False
    noise_samples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.noise_samples < 0:
            raise ArgumentError(f"noise_samples: need a number of copies, 0 or more, got {self.noise_samples}")

    def looks(self, batch: Float[Tensor, "batch channels height width"]) -> Iterator[Look]:
        """The batches to look at, one after another. Where nothing is smoothed, the batch itself."""
        for one in self._copies(batch):
            yield Look(one)
            if self.flip:
                yield Look(one.flip(3), mirrored=True)

    def _copies(self, batch: Tensor) -> Iterator[Tensor]:
        if self.noise_samples == 0:
            yield batch
            return
        generator = torch.Generator().manual_seed(self.seed)
        spread = NOISE * (batch.amax(dim=(1, 2, 3), keepdim=True) - batch.amin(dim=(1, 2, 3), keepdim=True))
        one_picture = torch.empty(1, *batch.shape[1:])  # the same noise on every picture, in any batch
        for _ in range(self.noise_samples):
            yield batch + spread * one_picture.normal_(generator=generator).to(batch)
