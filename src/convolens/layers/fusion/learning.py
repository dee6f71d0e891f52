"""A convolution and the batch norm behind it while that learns: its statistics are those of the batch.

They are known only when the whole convolution is done, so its result is written once as it is. From there on the norm,
the sum with a shortcut and the ReLU are one pass, and so is their gradient, where torch makes one of each.

Ioffe & Szegedy, "Batch Normalization", 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from convolens.layers import core
from convolens.layers.fusion.convolution import FusedConvolution


class LearningConvolution:
    """ReLU(norm(convolution) + residual), each part but the first two where it is wanted.

    Attributes:
        convolution: without what follows it.
        norm: in training mode; its running statistics follow at each call.
        relu: whether a ReLU follows.
        edge: as the convolution's.
    """

    has_backward = True
    pool = None

    def __init__(self, layer: nn.Conv2d, norm: nn.BatchNorm2d, *, relu: bool) -> None:
        self.convolution = FusedConvolution(layer, relu=False, pool=None)
        self.norm, self.relu, self.edge = norm, relu, self.convolution.edge

    @property
    def parameters(self) -> list[Tensor]:
        """The convolution's, and the norm's."""
        return [*self.convolution.parameters, *self._scales]

    @property
    def convolutions(self) -> tuple[LearningConvolution, ...]:
        """Itself."""
        return (self,)

    @property
    def _scales(self) -> list[Tensor]:
        return [one for one in (self.norm.weight, self.norm.bias) if one is not None]

    def is_read_by_core(self, *maps: Tensor) -> bool:
        """Whether the core can read these and the layers' own: what does not fit, the layers themselves refuse."""
        scales = self._scales
        sizes = all(one.shape == self.convolution.parameters[0].shape[:1] for one in scales)
        return sizes and core.runs_on(*scales) and self.convolution.is_read_by_core(*maps)

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """All of it, on a map that the core runs on, channels-last."""
        return self._normed(self.convolution(x), residual)[0]

    def saving(self, x: Tensor, residual: Tensor | None = None) -> tuple[Tensor, Any, tuple[Tensor | None, ...]]:
        """As a call; and what `backward` needs, beside the recipe.

        That is x where the weight takes a gradient, what the norm saw, its statistics and the ReLU's mask.
        """
        trainable = bool(self.convolution.layer.weight.requires_grad)
        recipe = self.convolution.recipe(x, trainable=trainable, pooling=False, inference=False)
        value = self.convolution.run(recipe, x)
        y, normed = self._normed(value, residual)
        return y, recipe, (x if trainable else None, value, normed.statistics, normed.mask)

    def backward(
        self,
        g: Tensor,
        recipe: Any,
        saved: Sequence[Any],
        parameters: Sequence[Tensor],
        needs: Sequence[bool],
        onto: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradients in x, added to `onto` where there is that, and in the parameters; g is written over."""
        g, _, found = self.through_norm(g, saved, parameters, needs, passes=False)
        return self.through_convolution(g, recipe, saved, parameters, needs, found, onto)

    def through_norm(
        self, g: Tensor, saved: Sequence[Any], parameters: Sequence[Tensor], needs: Sequence[bool], *, passes: bool
    ) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:
        """The gradients in what the convolution gave, in the residual if it `passes` one, and in the norm's own."""
        _, value, statistics, mask = saved
        scales = parameters[-len(self._scales) :] if self._scales else ()
        weight = scales[0] if self.norm.weight is not None else None
        normed = core.Normed(statistics, mask)
        g, passed, *found = core.norm_gradient(g, value, weight, self.norm.eps, normed, passes=passes)
        of_scales = needs[len(needs) - len(scales) :]
        return g, passed, [one if need else None for one, need in zip(found, of_scales, strict=False)]

    def through_convolution(
        self,
        g: Tensor,
        recipe: Any,
        saved: Sequence[Any],
        parameters: Sequence[Tensor],
        needs: Sequence[bool],
        of_scales: list[Tensor | None],
        onto: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradients in x, and in all parameters in their order."""
        own = len(self.convolution.parameters)
        g, found = self.convolution.gradients(g, recipe, saved[0], parameters[:own], needs[: 1 + own], onto)
        return g, [*found, *of_scales]

    def by_operators(self, x: Tensor, *parameters: Tensor, residual: Tensor | None = None) -> Tensor:
        """The same with such parameters by differentiable operators; the running statistics stay."""
        own, norm = len(self.convolution.parameters), self.norm
        scales = iter(parameters[own:])
        y = self.convolution.by_operators(x, *parameters[:own])
        weight, bias = (None if one is None else next(scales) for one in (norm.weight, norm.bias))
        y = batch_norm(y, None, None, weight, bias, training=True, eps=norm.eps)
        y = y if residual is None else y + residual
        return torch.relu(y) if self.relu else y

    def _normed(self, value: Tensor, residual: Tensor | None) -> tuple[Tensor, core.Normed]:
        places = value.numel() // value.shape[1]
        if places == 1:
            self.norm(value)  # which refuses it: a single number has no variance
        y, normed = core.norm(value, self.norm, residual, relu=self.relu)
        self._follow(normed.statistics, places)
        return y, normed

    @torch.no_grad()
    def _follow(self, statistics: Tensor, places: int) -> None:
        """The running statistics take in the batch's, its variance as an estimate of that of all there is."""
        norm = self.norm
        assert norm.running_mean is not None  # or there would be no chain
        assert norm.running_var is not None
        share = norm.momentum
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
            share = 1.0 / float(norm.num_batches_tracked) if share is None else share
        mean, variance = statistics
        norm.running_mean.lerp_(mean, share or 0.0)
        norm.running_var.lerp_(variance * (places / (places - 1)), share or 0.0)
