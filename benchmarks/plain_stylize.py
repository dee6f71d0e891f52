"""The peer of `benchmarks.stylize`: the same losses and optimizer as most PyTorch programs have them.

torch.nn's layers, autograd from the picture to the loss, torch.optim.LBFGS with its own settings, pixels clamped
between steps; the whole picture at its full size from the first step on.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convolens.trunks import Trunk

COLOR_WEIGHT = 10.0  # of steps of colour beside those of light, the default of `convolens.stylize`


class Plain:
    """A restyling's loss by autograd.

    Args:
        trunk: whose weights and preprocessing are used.
        content: `(1, 3, H, W)` in [0, 1].
        style: likewise.
        content_tap: of the content.
        style_taps: of the style.
        weights: of content, style and total variation.
        memory_format: of the layers and their maps.
    """

    def __init__(
        self,
        trunk: Trunk,
        content: Tensor,
        style: Tensor,
        content_tap: str,
        style_taps: tuple[str, ...],
        weights: tuple[float, float, float],
        memory_format: torch.memory_format,
    ) -> None:
        self.preprocessing, self.weights = trunk.preprocessing, weights
        self.memory_format = memory_format
        self.taps = (content_tap, *style_taps)
        self.steps = _plain_steps(trunk, self.taps, memory_format)
        with torch.no_grad():
            self.wanted = self.maps(content)[content_tap]
            found = self.maps(style)
            self.grams = {tap: plain_gram(found[tap]) for tap in style_taps}

    def maps(self, picture: Tensor) -> Mapping[str, Tensor]:
        """Features by tap."""
        value = self.preprocessing.normalize(picture).to(memory_format=self.memory_format)
        found = {}
        for tap, step in self.steps:
            value = step(value)
            if tap in self.taps:
                found[tap] = value
        return found

    def loss(self, picture: Tensor) -> Tensor:
        """The whole loss."""
        by_content, by_style, by_steps = self.weights
        found = self.maps(picture)
        off = (found[self.taps[0]] - self.wanted).square().sum() / self.wanted.square().sum()
        total = by_content * off
        for tap, wanted in self.grams.items():
            apart = (plain_gram(found[tap]) - wanted).square().sum() / wanted.square().sum()
            total = total + by_style / len(self.grams) * apart
        roughness = sum(rough(picture.diff(dim=axis)) for axis in (2, 3))
        return total + by_steps * roughness / picture.numel()


def rough(steps: Tensor) -> Tensor:
    """The squares of steps between pixels, those of colour weighted as `convolens.stylize` does."""
    light = steps.mean(dim=1, keepdim=True)
    return 3 * light.square().sum() + COLOR_WEIGHT * (steps - light).square().sum()


class PlainRun:
    """The usual loop: one call of the closure is one step."""

    def __init__(self, plain: Plain, start: Tensor) -> None:
        self.plain = plain
        self.picture = start.contiguous().clone().requires_grad_()
        self.optimizer = torch.optim.LBFGS([self.picture], max_iter=1)
        self.losses: list[float] = []

    def step(self) -> None:
        """One step of the optimizer."""

        def closure() -> Tensor:
            with torch.no_grad():
                self.picture.clamp_(0, 1)
            self.optimizer.zero_grad()
            loss = self.plain.loss(self.picture)
            loss.backward()
            self.losses.append(loss.item())
            return loss

        self.optimizer.step(closure)


def plain_gram(maps: Tensor) -> Tensor:
    rows = maps.flatten(2)[0]
    return rows @ rows.T / rows.shape[1]


def _plain_steps(
    trunk: Trunk, taps: tuple[str, ...], memory_format: torch.memory_format
) -> list[tuple[str, nn.Sequential]]:
    last = max(trunk.taps.index(tap) for tap in taps)
    steps = []
    for tap in trunk.taps[: last + 1]:
        layers = [_plain(trunk.get_submodule(path)) for path in trunk.steps[tap].layers]
        steps.append((tap, nn.Sequential(*layers).to(memory_format=memory_format).requires_grad_(False)))
    return steps


def _plain(layer: nn.Module) -> nn.Module:
    """torch.nn's layer with the same numbers."""
    if isinstance(layer, nn.Conv2d):
        same = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
        same.load_state_dict(layer.state_dict())
        return same
    if isinstance(layer, nn.MaxPool2d):
        return nn.MaxPool2d(2, ceil_mode=layer.ceil_mode)
    return nn.ReLU()
