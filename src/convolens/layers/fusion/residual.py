"""A residual block as one fused op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from convolens.layers.fusion.convolution import FusedConvolution
from convolens.layers.fusion.learning import LearningConvolution
from convolens.layers.fusion.shares import shares


class FusedResidual:
    """ReLU(main(x) + shortcut(x)), where nothing of it learns: its batch norms are scales and shifts.

    The sum and the ReLU are done as the main row's last outputs leave the cache. It has no backward: a chain that has
    one in it runs where no gradient is asked for.

    Attributes:
        main: one behind the other; the last adds the shortcut.
        shortcut: None where x itself is added.
    """

    def __init__(self, main: Sequence[FusedConvolution], shortcut: FusedConvolution | None) -> None:
        self.main, self.shortcut = main, shortcut

    @property
    def convolutions(self) -> tuple[FusedConvolution, ...]:
        """All of them."""
        return (*self.main, *(() if self.shortcut is None else (self.shortcut,)))

    has_backward = False

    @property
    def parameters(self) -> list[Tensor]:
        """Of all of them."""
        return [one for convolution in self.convolutions for one in convolution.parameters]

    def __call__(self, x: Tensor) -> Tensor:
        """Of a map that the core runs on, channels-last."""
        *others, last = self.main
        value = x
        for convolution in others:
            value = convolution(value)
        residual = x if self.shortcut is None else self.shortcut(x)
        over = None if self.shortcut is None else residual  # nobody else's
        return last.run(last.recipe(value), value, residual, out=over)


class LearningResidual:
    """The same while its batch norms learn, with its gradient.

    Attributes:
        main: one behind the other; the last adds the shortcut.
        shortcut: None where x itself is added.
    """

    has_backward = True

    def __init__(self, main: Sequence[LearningConvolution], shortcut: LearningConvolution | None) -> None:
        self.main, self.shortcut = main, shortcut

    @property
    def convolutions(self) -> tuple[LearningConvolution, ...]:
        """All of them, the shortcut's last."""
        return (*self.main, *(() if self.shortcut is None else (self.shortcut,)))

    @property
    def parameters(self) -> list[Tensor]:
        """Of all of them."""
        return [one for convolution in self.convolutions for one in convolution.parameters]

    def __call__(self, x: Tensor) -> Tensor:
        """Of a map that the core runs on, channels-last."""
        *others, last = self.main
        value = x
        for convolution in others:
            value = convolution(value)
        return last(value, x if self.shortcut is None else self.shortcut(x))

    def saving(self, x: Tensor) -> tuple[Tensor, Any, tuple[Tensor | None, ...]]:
        """The same; and what `backward` needs of each, one behind the other."""
        *others, last = self.main
        value, settled, kept = x, [], []
        shortcut = None if self.shortcut is None else self.shortcut.saving(x)
        for convolution in others:
            value, *found = convolution.saving(value)
            settled.append(found[0])
            kept.append(found[1])
        y, *found = last.saving(value, x if shortcut is None else shortcut[0])
        rows = [*zip(settled, kept, strict=True), tuple(found), *(() if shortcut is None else (shortcut[1:],))]
        return y, [(recipe, len(saved)) for recipe, saved in rows], tuple(one for _, saved in rows for one in saved)

    def backward(
        self, g: Tensor, settled: Any, saved: Sequence[Any], parameters: Sequence[Tensor], needs: Sequence[bool]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradients in x and in the parameters, each where it is needed; g is written over."""
        recipes, counts = zip(*settled, strict=True)
        convolutions, kept = self.convolutions, shares(saved, counts)
        sizes = [len(one.parameters) for one in convolutions]
        values, wanted = shares(parameters, sizes), shares(needs[1:], sizes)
        found: list[list[Tensor | None]] = [[] for _ in convolutions]
        last = len(self.main) - 1
        g, passed, of_norm = convolutions[last].through_norm(
            g, kept[last], values[last], (True, *wanted[last]), passes=True
        )
        if self.shortcut is not None:
            more = needs[0], *wanted[-1]
            assert passed is not None
            passed, found[-1] = self.shortcut.backward(passed, recipes[-1], kept[-1], values[-1], more)
        for at in reversed(range(last + 1)):
            more, onto = (at > 0 or needs[0], *wanted[at]), None if at > 0 or not needs[0] else passed
            how = recipes[at], kept[at], values[at], more
            if at == last:
                g, found[at] = convolutions[at].through_convolution(g, *how, of_norm, onto)
            else:
                g, found[at] = convolutions[at].backward(g, *how, onto)
        return g, [one for gradients in found for one in gradients]

    def by_operators(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """The same with such parameters by differentiable operators."""
        values = shares(parameters, [len(one.parameters) for one in self.convolutions])
        residual = x if self.shortcut is None else self.shortcut.by_operators(x, *values[-1])
        *others, last = self.main
        value = x
        for convolution, own in zip(others, values, strict=False):
            value = convolution.by_operators(value, *own)
        return last.by_operators(value, *values[len(others)], residual=residual)
