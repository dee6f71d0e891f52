"""Maps from the score's gradient in the pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from convolens.explanation.targets import Target
from convolens.explanation.view import View, need_gradient

STEPS = 32  # along the path; the attributions' sum is then within a few percent of the score's change


def integrated_gradients(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """The gradient along the path from a black picture to this one, times the change, summed over colours.

    The map's sum is the score minus the black picture's, up to the steps' error. Sundararajan et al., "Axiomatic
    Attribution for Deep Networks", ICML 2017, eq. 1 and 3, at the middle of each of `STEPS` steps.
    """
    black = view.plain(0.0)
    change = view.batch - black
    total = torch.zeros_like(change)
    for step in range(STEPS):
        total += _gradient(view, target, black + (step + 0.5) / STEPS * change)
    return (change * total / STEPS).sum(dim=1)


def guided_backprop(view: View, target: Target) -> Float[Tensor, "batch rows columns"]:
    """The gradient in the pixels, of which every ReLU passes back only the positive part; the largest over the colours.

    Springenberg et al., "Striving for Simplicity", 2015, section 3.4. It draws edges rather than reasons: it hardly
    changes when the network's weights are shuffled (Adebayo et al., "Sanity Checks for Saliency Maps", 2018).
    """
    with _GuidedRelu():
        gradient = _gradient(view, target, view.batch)
    return gradient.abs().amax(dim=1)


def _gradient(view: View, target: Target, batch: Tensor) -> Tensor:
    with torch.enable_grad():
        at = batch.detach().requires_grad_()
        score = target.score(view.model(at)).sum()
        need_gradient(score)
        (gradient,) = torch.autograd.grad(score, at)
    return gradient


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        passed: Tensor = upstream.clamp(min=0) * (x > 0)
        return passed


_RELUS = (functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)


class _GuidedRelu(TorchFunctionMode):
    """In this context every ReLU, module or function, in place or not, is a guided one; the network is not changed."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _RELUS:
            return _Guided.apply(args[0])  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))
