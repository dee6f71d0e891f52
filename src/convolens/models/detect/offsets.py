"""The network's outputs for a box: how it differs from its default box.

The center's shift counts in widths and heights of the default box, the size in logarithms, so that small and large
boxes are equally hard; dividing by the variances makes what is to be learned about 1 large. Liu et al. 2016, eq. 2.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

CENTER_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
# A box may be 62.5 times its default box: an untrained network's outputs must not overflow.
LARGEST = math.log(1000 / 16)


def encode(boxes: Float[Tensor, "*boxes 4"], defaults: Float[Tensor, "*#boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """Gives boxes relative to default boxes. Both are center and size."""
    centers = (boxes[..., :2] - defaults[..., :2]) / (defaults[..., 2:] * CENTER_VARIANCE)
    sizes = (boxes[..., 2:] / defaults[..., 2:]).log() / SIZE_VARIANCE
    return torch.cat([centers, sizes], dim=-1)


def decode(offsets: Float[Tensor, "*boxes 4"], defaults: Float[Tensor, "*#boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """Inverts `encode`: gives center and size."""
    centers = offsets[..., :2] * CENTER_VARIANCE * defaults[..., 2:] + defaults[..., :2]
    sizes = (offsets[..., 2:] * SIZE_VARIANCE).clamp(max=LARGEST).exp() * defaults[..., 2:]
    return torch.cat([centers, sizes], dim=-1)
