"""Batch norms whose statistics are of all processes' pictures together, as if one process had the whole batch.

Ioffe & Szegedy, "Batch Normalization", 2015, with every sum over a batch taken over all processes. On a GPU torch's
SyncBatchNorm does it; that refuses the CPU, where it is done here: means and squared deviations are exchanged, two
numbers a channel, and put together as by Chan, Golub & LeVeque, "Updating formulae …", 1979, eq. 2.1, so that nothing
cancels; backward exchanges the two sums that its formula needs. Cost: an exchange a norm in each direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_PLACES = (0, 2, 3)  # what a channel's statistics are over


class _OnGpu(nn.SyncBatchNorm, nn.BatchNorm2d):
    process_group = None


class _OnCpu(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        y, mean, variance, count = _Normalized.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.track_running_stats:
            self._follow(mean, variance, count)
        normalized: Tensor = y
        return normalized

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Takes the statistics into the running ones; the variance as of a sample, as torch has it."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), weight)
        self.running_var.lerp_((variance * (count / max(count - 1, 1))).to(self.running_var), weight)


@contextmanager
def synchronized(model: nn.Module, processes: int) -> Iterator[None]:
    """Meanwhile the model's batch norms take the statistics of all processes; those in evaluation mode are as before.

    Weights, buffers and names stay, so that what is saved is a plain model's.
    """
    norms = [one for one in model.modules() if type(one) is nn.BatchNorm2d and processes > 1]
    for norm in norms:
        norm.__class__ = _OnCpu if next(model.parameters()).device.type == "cpu" else _OnGpu
    try:
        yield
    finally:
        for norm in norms:
            norm.__class__ = nn.BatchNorm2d


class _Normalized(Function):
    """A batch, normalized by the statistics of all processes' batches: `(y, mean, variance, count)`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        mean, variance, count = _statistics(x)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.epsilon, ctx.count = epsilon, count
        ctx.mark_non_differentiable(mean, variance)
        as_counted = _exact(x).dtype
        known = mean.to(as_counted), variance.to(as_counted)
        return torch.batch_norm(x, weight, bias, *known, False, 0.0, epsilon, False), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        g_exact, x_exact = _exact(g), _exact(x)
        scale = (variance + ctx.epsilon).rsqrt().to(x_exact)
        off = x_exact - _by_channel(mean.to(x_exact))
        own = torch.stack([g_exact.sum(_PLACES), (g_exact * off).sum(_PLACES) * scale])
        bias_gradient, weight_gradient = own
        every = own.to(torch.float64, copy=True)
        dist.all_reduce(every)
        mean_g, mean_g_normalized = (every / ctx.count).to(x_exact)
        in_x = None
        if ctx.needs_input_grad[0]:
            factor = scale if weight is None else scale * weight
            # factor · (g − mean of g − normalized x · mean of g · normalized x)
            in_x = off.mul_(_by_channel(-scale * mean_g_normalized)).add_(g_exact).sub_(_by_channel(mean_g))
            in_x = in_x.mul_(_by_channel(factor)).to(x.dtype)
        needs = ctx.needs_input_grad
        return in_x, weight_gradient if needs[1] else None, bias_gradient if needs[2] else None, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Each channel's mean and variance over all processes' batches, in float64, and how many values they are of."""
    own_count = x.numel() // x.shape[1]
    own_variance, own_mean = torch.var_mean(_exact(x), dim=_PLACES, correction=0)
    own = torch.cat([own_mean, own_variance, own_mean.new_tensor([own_count])]).double()
    every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    found, channels = torch.stack(every), x.shape[1]
    means, variances, counts = found[:, :channels], found[:, channels:-1], found[:, -1:]
    share = counts / counts.sum()
    mean = (share * means).sum(0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(0), int(counts.sum())


def _exact(values: Tensor) -> Tensor:
    """In float32, unless they are of more bits."""
    return values if values.dtype == torch.float64 else values.float()


def _by_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
