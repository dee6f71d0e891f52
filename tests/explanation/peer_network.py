"""The network and pictures on which goldens.npz was made: from numpy's frozen generator, the same everywhere."""

import numpy as np
import torch
from torch import nn

CLASS = 3
# Large, so that the 1e-6 which pytorch-grad-cam adds below Grad-CAM++'s fraction is nothing beside it.
SCALE = 1e4
TAPS = {"early": "1", "late": "5"}
# Score-CAM stretches maps with corners aligned there: at a tap as large as the picture there is nothing to stretch.
TAPS_OF = {"scorecam": ("early",), "ablationcam": ("early", "late")}


def network() -> nn.Module:
    """Three convolutions, the last two halving the map, a pooled head: float64."""
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 10, 3, stride=2), nn.ReLU(), nn.Conv2d(10, 7, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 5),
    )  # fmt: skip
    random = np.random.RandomState(7)
    with torch.no_grad():
        for parameter in module.parameters():
            spread = (2 / max(parameter[0].numel(), 1)) ** 0.5 if parameter.dim() > 1 else 0.1
            parameter.copy_(torch.from_numpy(random.normal(0, spread, tuple(parameter.shape))))
    return module.double().eval()


def pictures() -> np.ndarray:
    """Two, of 21 by 30 pixels."""
    return np.random.RandomState(8).randint(0, 256, (2, 21, 30, 3)).astype(np.uint8)


def score(scores: torch.Tensor) -> torch.Tensor:
    """What is explained: one class's score, scaled. Takes one row of scores or many."""
    return scores[..., CLASS] * SCALE
