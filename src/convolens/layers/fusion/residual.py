"""A residual block as one fused op, where nothing of it learns: its batch norms are scales and shifts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convolens.layers.fusion.convolution import FusedConvolution


class FusedResidual:
    """ReLU(main(x) + shortcut(x)), the sum and the ReLU done as the main row's last outputs leave the cache.

    It has no backward: a chain that has one in it runs where no gradient is asked for.

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
