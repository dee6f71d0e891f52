"""Pooling by windows side by side as one fused op: the core's pass, and its backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from convolens.layers import core
from convolens.layers.geometry import Pair, pooled_size
from convolens.layers.pool import max_pool2d


@dataclass(frozen=True, slots=True)
class Pool:
    """The largest value or the mean of each window.

    Attributes:
        side: of the windows, in rows and columns.
        mean: the mean, instead of the largest value.
        ceil_mode: whether a last window may hang over the end.
    """

    side: int
    mean: bool = False
    ceil_mode: bool = False

    @property
    def parameters(self) -> list[Tensor]:
        """Pooling has none."""
        return []

    @property
    def has_backward(self) -> bool:
        """It has one."""
        return True

    @property
    def convolutions(self) -> tuple[()]:
        """Pooling has none."""
        return ()

    def __call__(self, x: Tensor) -> Tensor:
        """Of a map that the core runs on, channels-last."""
        return self._run(x, with_argmax=False)[0]

    def saving(self, x: Tensor) -> tuple[Tensor, Any, tuple[Tensor | None, ...]]:
        """The same; and what `backward` needs: the shape of x, and the argmax, which means have not."""
        y, argmax = self._run(x, with_argmax=True)
        return y, tuple(x.shape), (argmax,)

    def backward(
        self, g: Tensor, shape: Any, saved: tuple[Tensor | None, ...], _: object = (), __: object = ()
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradient in x, and in no parameters."""
        (argmax,) = saved
        if argmax is None:
            return core.average_gradient(g, self.side, shape), []
        return core.pool_gradient(g, argmax, shape, (self.side, self.side)), []

    def by_operators(self, x: Tensor) -> Tensor:
        """The same by differentiable operators, in any dtype and on any device."""
        if self.mean:
            return avg_pool2d(x, self.side, ceil_mode=self.ceil_mode)
        return max_pool2d(x, self.side, ceil_mode=self.ceil_mode)  # type: ignore[no-any-return]

    def halves(self, shape: tuple[int, ...]) -> bool:
        """Whether it takes the largest of each whole 2×2 of a map of that shape."""
        half = shape[2] // 2, shape[3] // 2
        return not self.mean and self.side == 2 and min(half) > 0 and self._size(shape) == half

    def _size(self, shape: tuple[int, ...]) -> Pair:
        window = self.side, self.side
        return pooled_size((shape[2], shape[3]), window, window, (0, 0), (1, 1), self.ceil_mode)

    def _run(self, x: Tensor, *, with_argmax: bool) -> tuple[Tensor, Tensor | None]:
        size, window = self._size(x.shape), (self.side, self.side)
        if self.mean:
            return core.average(x, self.side, size), None
        return core.pool(x, window, (*window, 0, 0, 1, 1), size, with_argmax=with_argmax)


@dataclass(frozen=True, slots=True)
class OverlappingPool:
    """Max pooling by any windows: the layer itself, and its backward."""

    layer: nn.MaxPool2d
    parameters: tuple[()] = ()
    convolutions: tuple[()] = ()
    has_backward: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        """Of a map that the core runs on, channels-last."""
        result: Tensor = self.layer(x)
        return result

    def saving(self, x: Tensor) -> tuple[Tensor, Any, tuple[Tensor | None, ...]]:
        """The same; and what `backward` needs: the shape of x, and the argmax."""
        window = self._window
        y, argmax = max_pool2d(x, *window[:4], dilation=window[4], return_argmax=True)
        return y, tuple(x.shape), (argmax,)

    def backward(
        self, g: Tensor, shape: Any, saved: tuple[Tensor | None, ...], _: object = (), __: object = ()
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradient in x, and in no parameters."""
        (argmax,) = saved
        assert argmax is not None
        return core.pool_gradient(g, argmax, shape), []

    def by_operators(self, x: Tensor) -> Tensor:
        """The same by differentiable operators, in any dtype and on any device."""
        window = self._window
        return max_pool2d(x, *window[:4], dilation=window[4])  # type: ignore[no-any-return]

    @property
    def _window(self) -> tuple[Any, ...]:
        layer = self.layer
        return layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode, layer.dilation
