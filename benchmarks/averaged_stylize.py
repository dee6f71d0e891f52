"""The peer of `benchmarks.grain`: restyling in the way of crowsonkb's style-transfer-pytorch, written plainly.

What differs from Gatys et al. there is kept: features' means and covariances are compared by the Wasserstein-2
distance, the first taps count most, Adam walks coarse to fine, each scale √2 of the one before, and what is shown is
the mean of the iterates, not the last. Its numbers were chosen for torchvision's VGG; features of a trunk whose input
has another scale are divided by the ratio of the two, which keeps the parts of its loss in their proportion. The trace
of a square root is taken from eigenvalues, where it iterates.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import interpolate, mse_loss, pad

from convolens.stylization.pictures import resized
from convolens.trunks import Trunk

CONTENT_TAP, CONTENT_WEIGHT = "conv4_2", 0.015
STYLE_WEIGHTS = {"conv1_1": 256.0, "conv2_1": 64.0, "conv3_1": 16.0, "conv4_1": 4.0, "conv5_1": 1.0}
TV_WEIGHT, LR, BETAS, DECAY = 2.0, 0.02, (0.9, 0.99), 0.99
EPS = 1e-4  # of a covariance's diagonal
SMALLEST = 128  # side of the coarsest scale
STEPS = (1000, 500)  # at the coarsest scale, and at each finer one


def restyle(trunk: Trunk, content: Tensor, style: Tensor, fraction: float = 1.0) -> Tensor:
    """The content in the style, both `(1, 3, side, side)` in [0, 1].

    Args:
        trunk: a VGG with frozen weights.
        content: the picture to restyle.
        style: the picture whose style it gets.
        fraction: of the steps that are its defaults.
    """
    side = int(content.shape[2])
    scales = sorted({round(side / 2 ** (at / 2)) for at in range(20)} - {0})
    picture, state = content, None
    for at, scale in enumerate(one for one in scales if one >= min(SMALLEST, side)):
        wanted = _Loss(trunk, resized(content, (scale, scale)), resized(style, (scale, scale)))
        start = interpolate(picture, (scale, scale), mode="bicubic").clamp(0, 1)
        picture, state = _walked(wanted, start, state, round(STEPS[min(at, 1)] * fraction))
    return picture


def _walked(loss: _Loss, start: Tensor, state: dict | None, steps: int) -> tuple[Tensor, dict]:
    """The mean of Adam's iterates, by weights that fall into the past, and its state."""
    picture = start.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=LR, betas=BETAS)
    if state is not None:
        moments = state["state"][0]
        moments["exp_avg"] = interpolate(moments["exp_avg"], start.shape[2:], mode="bicubic")
        moments["exp_avg_sq"] = interpolate(moments["exp_avg_sq"], start.shape[2:], mode="bilinear").relu()
        adam.load_state_dict(state)
    total, weight = (1 - DECAY) * start, 1 - DECAY
    for _ in range(steps):
        adam.zero_grad()
        loss(picture).backward()
        adam.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
            total, weight = DECAY * total + (1 - DECAY) * picture, DECAY * weight + 1 - DECAY
    return (total / weight).clamp(0, 1), adam.state_dict()


class _Loss:
    """Of a picture, at one scale."""

    def __init__(self, trunk: Trunk, content: Tensor, style: Tensor) -> None:
        self.trunk, how = trunk, trunk.preprocessing
        self.per_unit = how.white / how.deviation[0] * 0.225  # torchvision's deviation, in the middle
        with torch.no_grad():
            self.content = self._maps(content)[CONTENT_TAP]
            found = self._maps(style)
            self.styles = {tap: _Style(found[tap]) for tap in STYLE_WEIGHTS}

    def __call__(self, picture: Tensor) -> Tensor:
        maps = self._maps(picture)
        whole = CONTENT_WEIGHT * mse_loss(maps[CONTENT_TAP], self.content) + TV_WEIGHT * _variation(picture)
        for tap, weight in STYLE_WEIGHTS.items():
            whole = whole + weight / sum(STYLE_WEIGHTS.values()) * self.styles[tap].loss(maps[tap])
        return whole

    def _maps(self, picture: Tensor) -> Mapping[str, Tensor]:
        found = self.trunk(self.trunk.preprocessing.normalize(picture), taps=(CONTENT_TAP, *STYLE_WEIGHTS))
        return {tap: maps / self.per_unit for tap, maps in found.items()}


class _Style:
    """A style at one tap: the Wasserstein-2 distance of Gaussians with the features' means and covariances."""

    def __init__(self, maps: Tensor) -> None:
        self.mean, self.cov = _moments(maps)
        values, vectors = torch.linalg.eigh(self.cov)
        self.root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T

    def loss(self, maps: Tensor) -> Tensor:
        mean, cov = _moments(maps)
        crossed = torch.linalg.eigvalsh(self.root @ cov @ self.root).clamp_min(1e-12).sqrt().sum()
        traces = self.cov.trace() + cov.trace() - 2 * crossed
        return mse_loss(mean, self.mean) + traces / len(cov)


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    rows = maps[0].flatten(1)
    mean = rows.mean(dim=1)
    eye = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return mean, rows @ rows.T / rows.shape[1] - torch.outer(mean, mean) + EPS * eye


def _variation(picture: Tensor) -> Tensor:
    """Squared steps to the eight neighbours, those along diagonals a quarter as much."""
    whole = pad(picture, (1, 1, 1, 1), "replicate")
    here, low, high = slice(1, -1), slice(None, -1), slice(1, None)
    straight = (whole[..., here, 2:] - picture, whole[..., 2:, here] - picture)
    slanted = (whole[..., high, high] - whole[..., low, low], whole[..., high, low] - whole[..., low, high])
    parts = [one.square().mean() / 3 for one in straight] + [one.square().mean() / 12 for one in slanted]
    return 2 * torch.stack(parts).sum()
