"""Max pooling: the largest value of each window, per feature, and its gradient written out.

The gradient goes to the cell that was the maximum, and to no other; so the layer keeps where each maximum lay.
One pass over the input either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import max_pool2d as torch_max_pool2d
from torch.overrides import has_torch_function

from convolens.arrays import Array, as_array, as_flag, as_whole
from convolens.errors import LayerArgumentError, LayerDtypeError, LayerShapeError
from convolens.layers import core
from convolens.layers.geometry import Pair, Size, pair, pooled_size
from convolens.layers.tensors import as_tensor, batched, is_traced, kind_of, mixes_precisions, ordinary


def max_pool2d(
    x: Float[Array, "*batch channels height width"],
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    dilation: Size = 1,
    return_argmax: bool = False,
) -> Any:
    """The largest value of each window, per channel: torch.nn's pooling.

    Args:
        x: `(N, C, H, W)` or `(C, H, W)`, floating point, NumPy or torch.
        size: the window, one number or (rows, columns).
        stride: its step; the window's size where `None`.
        padding: cells of -∞ on each side, at most half the window.
        ceil_mode: whether a last window may hang over the end.
        dilation: the distance between a window's cells.
        return_argmax: also return where each maximum lay: int64, `row * W + column` of x, the first of equals.

    Returns:
        `(N, C, rows, columns)`, or `(y, argmax)`. NaN is larger than every number.

    Raises:
        ShapeError: a window larger than the padded x, or x of another rank.
        ArgumentError: a size, stride or padding that cannot be used.

    >>> import numpy as np
    >>> y, argmax = max_pool2d(np.arange(8.0).reshape(1, 2, 4), 2, return_argmax=True)
    >>> y, argmax
    (array([[[5., 7.]]]), array([[[5, 7]]]))
    """
    if is_traced() or has_torch_function((x,)) or mixes_precisions(x):
        tracing: Any = torch_max_pool2d
        return tracing(x, size, stride, padding, dilation, ceil_mode, return_argmax)
    inside = as_tensor(x, "x")
    batch = batched(inside, "x")
    window = pair(size, "size", 1)
    step = window if stride is None else pair(stride, "stride", 1)
    zeros, spacing = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    ceil_mode, return_argmax = as_flag(ceil_mode, "ceil_mode"), as_flag(return_argmax, "return_argmax")
    y_size = pooled_size((int(batch.shape[2]), int(batch.shape[3])), window, step, zeros, spacing, ceil_mode)
    windows = _Windows(window, step, zeros, spacing, ceil_mode, y_size)
    if torch.is_grad_enabled() and batch.requires_grad:
        y, argmax = _MaxPool.apply(batch, windows)  # type: ignore[no-untyped-call]
    else:
        y, argmax = _pool(batch, windows, with_argmax=return_argmax)
    if inside.dim() == 3:
        y, argmax = y.squeeze(0), argmax.squeeze(0) if return_argmax else argmax
    kind = kind_of(x)
    return (kind(y), kind(argmax)) if return_argmax else kind(y)


def max_pool2d_backward(
    upstream: Float[Array, "*batch channels rows columns"],
    argmax: Int[Array, "*batch channels rows columns"],
    x_shape: tuple[int, ...],
) -> Any:
    """The gradient of `sum(upstream * max_pool2d(x, ...))` in x: each upstream value added where its maximum lay.

    Args:
        upstream: of the pooled shape, floating point.
        argmax: what `max_pool2d` returned beside it.
        x_shape: the shape of x.

    Returns:
        `x_shape`, of upstream's kind and dtype.

    Raises:
        ShapeError: the three shapes do not fit one another.
        DtypeError: `argmax` does not hold whole numbers.

    >>> import numpy as np
    >>> max_pool2d_backward(np.array([[[1.0, 2.0]]]), np.array([[[5, 7]]]), (1, 2, 4))
    array([[[0., 0., 0., 0.],
            [0., 1., 0., 2.]]])
    """
    above = as_tensor(upstream, "upstream")
    at = argmax if isinstance(argmax, Tensor) else torch.from_numpy(ordinary(as_array(argmax, "argmax"), "argmax"))
    if at.dtype != torch.int64:
        raise LayerDtypeError(f"argmax: need int64, as max_pool2d returns it, got {at.dtype}")
    if not isinstance(x_shape, tuple | list | torch.Size):
        raise LayerArgumentError(f"x_shape: need the shape of x, got {x_shape!r:.200}")
    shape = tuple(as_whole(side, "x_shape", 0) for side in x_shape)
    if (
        at.shape != above.shape
        or above.dim() not in (3, 4)
        or len(shape) != above.dim()
        or shape[:-2] != above.shape[:-2]
    ):
        raise LayerShapeError(
            "max_pool2d_backward: need upstream and argmax of one shape, and x_shape of the same batch and channels, "
            f"got {tuple(above.shape)}, {tuple(at.shape)} and {shape}"
        )
    cells = shape[-2] * shape[-1]
    if at.numel() and not 0 <= int(at.min()) <= int(at.max()) < cells:
        outside = int(at.max()) if int(at.max()) >= cells else int(at.min())
        raise LayerShapeError(f"argmax: need places inside the {cells} cells of a plane, got {outside}")
    return kind_of(upstream)(_spread(above, at, shape, (0, 0)))


@dataclass(frozen=True, slots=True)
class _Windows:
    """Where pooling looks, by axis, and how many windows there are."""

    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool
    y_size: Pair

    @property
    def side_by_side(self) -> Pair:
        """The windows' size where they lie one beside the other from the corner on; else zeros."""
        plain = self.size == self.stride and self.padding == (0, 0) and self.dilation == (1, 1)
        return self.size if plain else (0, 0)


def _pool(x: Tensor, w: _Windows, *, with_argmax: bool) -> tuple[Tensor, Tensor]:
    """The maxima and where they lay; without `with_argmax` the second is not to be used."""
    if 0 in x.shape[:2]:  # no pictures, or, which torch refuses, no channels
        y = x.new_empty((*x.shape[:2], *w.y_size))
        return y, y.to(torch.int64)
    if core.runs_on(x) and core.is_channels_last(x) and x.numel():
        y, argmax = core.pool(x, w.size, (*w.stride, *w.padding, *w.dilation), w.y_size, with_argmax=with_argmax)
        return y, y if argmax is None else argmax
    if not with_argmax:
        y = torch.max_pool2d(x, w.size, w.stride, w.padding, w.dilation, w.ceil_mode)
        return y, y
    return torch.ops.aten.max_pool2d_with_indices.default(  # type: ignore[no-any-return]
        x, w.size, w.stride, w.padding, w.dilation, w.ceil_mode
    )


def _spread(g: Tensor, argmax: Tensor, shape: tuple[int, ...], side_by_side: Pair) -> Tensor:
    if torch.is_grad_enabled() and g.requires_grad:
        return _Spread.apply(g, argmax, shape, side_by_side)  # type: ignore[no-any-return, no-untyped-call]
    if g.dim() == 4 and core.runs_on(g) and core.is_channels_last(g) and g.numel():
        return core.pool_gradient(g, argmax, shape, side_by_side)
    planes = g.new_zeros((*shape[:-2], shape[-2] * shape[-1]))
    return planes.scatter_add_(-1, argmax.flatten(-2), g.flatten(-2)).reshape(shape)


def _gather(x: Tensor, argmax: Tensor) -> Tensor:
    """The transposed scatter: what lies where each maximum lay."""
    return x.flatten(-2).gather(-1, argmax.flatten(-2)).reshape(argmax.shape)


class _MaxPool(Function):
    @staticmethod
    def forward(x: Tensor, windows: _Windows) -> tuple[Tensor, Tensor]:
        return _pool(x, windows, with_argmax=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.shape, ctx.side_by_side = tuple(inputs[0].shape), inputs[1].side_by_side

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return _spread(g, ctx.saved_tensors[0], ctx.shape, ctx.side_by_side), None


class _Spread(Function):
    @staticmethod
    def forward(g: Tensor, argmax: Tensor, shape: tuple[int, ...], side_by_side: Pair) -> Tensor:
        return _spread(g, argmax, shape, side_by_side)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, as_x: Tensor) -> tuple[Tensor | None, ...]:
        return _gather(as_x, ctx.saved_tensors[0]), None, None, None


class MaxPool2d(nn.MaxPool2d):
    """torch.nn.MaxPool2d with Convolens' pooling inside: the same arguments and meaning.

    Raises:
        ArgumentError: an argument that cannot be used.

    >>> MaxPool2d(2)(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        pair(kernel_size, "kernel_size", 1)
        pair(padding, "padding", 0)
        pair(dilation, "dilation", 1)
        if stride is not None:
            pair(stride, "stride", 1)
        flags = as_flag(return_indices, "return_indices"), as_flag(ceil_mode, "ceil_mode")
        super().__init__(kernel_size, stride, padding, dilation, *flags)

    def forward(self, input: Tensor) -> Any:  # noqa: A002, D102 - torch's name
        return max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            dilation=self.dilation,
            return_argmax=self.return_indices,
        )
