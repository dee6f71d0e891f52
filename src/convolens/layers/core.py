"""The core's layer kernels on torch tensors: float32, CPU, channels side by side in memory.

Arguments were checked by the callers; here tensors become addresses, and results torch's. `packing` keeps the weights
in the orders that the kernels read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad

from convolens import _core
from convolens.arrays import empty
from convolens.layers.geometry import Geometry, Pair, adjoint_of
from convolens.layers.levels import Levels

LAST = torch.channels_last
_PLAIN = (Tensor, torch.nn.Parameter)
_MASK_WORD = 16  # channels whose bits are one number
_calls: ContextVar[list[tuple[str, tuple[Any, ...]]] | None] = ContextVar("calls", default=None)

_core.share_threads()  # torch is loaded: its threads and the core's own would fight for the same cores


def runs_on(*tensors: Tensor) -> bool:
    """Whether the core can read these: plain float32 tensors on the CPU, no subclass, no function transform's.

    Nor one whose signs torch keeps apart from its numbers (the imaginary part of a conjugate).

    Never while a tracer looks on (`torch.jit.trace`, `make_fx`, …): it would take the core's result for a constant; nor
    under forward-mode differentiation, whose tangents it does not know.
    """
    if torch._C._is_tracing() or torch._C._len_torch_dispatch_stack() > 0 or forward_ad._current_level >= 0:
        return False
    for t in tensors:  # a loop, as this is asked at every layer
        if not (
            type(t) in _PLAIN
            and t.dtype == torch.float32
            and t.is_cpu
            and t.layout == torch.strided
            and not t.is_neg()
            and not is_functorch_wrapped_tensor(t)
        ):
            return False
    return True


def instruction_set() -> str:
    """Whose layout transformed weights have."""
    return _core.instruction_set()


def finite(values: Tensor) -> bool:
    """Whether all are finite, in one pass; false, too, where their sum overflows."""
    return bool(values.sum().isfinite())


def is_channels_last(x: Tensor) -> bool:
    """Whether x's channels lie side by side, where that is not also its order by rows."""
    return x.is_contiguous(memory_format=LAST) and not x.is_contiguous()


def like(y: Tensor, x: Tensor) -> Tensor:
    """A channels-last result in x's own order, so that a caller who never asked for channels-last never meets it."""
    if is_channels_last(x) or y.is_contiguous():
        return y
    if not runs_on(y):  # what a fused network gives, of other dtypes, or while a tracer looks on
        return y.contiguous()
    return torch.from_numpy(empty(tuple(y.shape), np.float32)).copy_(y)


def in_order(x: Tensor) -> Tensor:
    """Itself where it is channels-last, or a copy that is, in memory that an earlier tensor released."""
    return x if x.is_contiguous(memory_format=LAST) else pooled_memory(tuple(x.shape)).copy_(x)


@dataclass(slots=True)
class Epilogue:
    """What follows a convolution before its result leaves the cache, and where that goes.

    Attributes:
        bias: one number a filter.
        residual: a sum's other part, as the result.
        relu: whether a ReLU follows.
        pool: only the largest of each 2×2 is wanted: after Winograd's algorithm, without a residual.
        out: where the result is written.
        scale: one factor a filter, before the bias is added.
    """

    bias: Tensor | None = None
    residual: Tensor | None = None
    relu: bool = False
    pool: bool = False
    out: Tensor | None = None
    scale: Tensor | None = None


def winograd_output(
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    tile: int,
    epilogue: Epilogue,
    packed: Tensor | None,
    *,
    edge: bool = False,
) -> Tensor:
    """A 3×3 convolution of stride 1, channels-last; `packed` are its weights, transformed, None for a single use.

    With `edge` the padding holds the picture's last pixels again, instead of zeros.
    """
    return _winograd(x, view_of(weight), packed, tile, geometry.before, geometry.y_shape, epilogue, edge=edge)


def im2col_output(x: Tensor, weight: Tensor, geometry: Geometry, epilogue: Epilogue, packed: Tensor) -> Tensor:
    """A convolution of one group of any kernel, channels-last; `packed` are its weights, packed."""
    return _windowed("im2col", x, weight, geometry, epilogue, packed)


def depthwise_output(x: Tensor, weight: Tensor, geometry: Geometry, epilogue: Epilogue, packed: Tensor) -> Tensor:
    """A convolution with a filter for each channel, channels-last; `packed` are its weights, packed for that."""
    return _windowed("depthwise", x, weight, geometry, epilogue, packed)


def bfloat16_output(
    x: Tensor, weight: Tensor, geometry: Geometry, parts: int, epilogue: Epilogue, packed: Tensor
) -> Tensor:
    """A convolution of one group of any kernel, channels-last, by products of bfloat16; `packed` are its weights."""
    return _windowed("bfloat16_convolution", x, weight, geometry, epilogue, packed, parts)


def int8_output(
    x: Tensor, weight: Tensor, geometry: Geometry, levels: Levels, epilogue: Epilogue, packed: Tensor
) -> Tensor:
    """A convolution of one group of any kernel, channels-last, in 8-bit integers; `packed` are its weights."""
    how = levels.step, levels.lowest
    return _windowed("int8_convolution", x, weight, geometry, epilogue, packed, *how)


def _windowed(
    kernel: str, x: Tensor, weight: Tensor, geometry: Geometry, epilogue: Epilogue, packed: Tensor, *how: Any
) -> Tensor:
    y = pooled_memory(geometry.y_shape) if epilogue.out is None else epilogue.out
    x, *after = _readable(x, epilogue)
    window = (*geometry.stride, *geometry.before, *geometry.dilation)
    filters = view_of(weight), packed.data_ptr()
    _call(kernel, _pictures(x), *filters, *how, window, _epilogue(after, epilogue.relu), _pictures(y))
    return y


def winograd_input_gradient(
    g: Tensor, weight: Tensor, geometry: Geometry, tile: int, packed: Tensor | None, onto: Tensor | None = None
) -> Tensor:
    """Its gradient in x: the same convolution of g with the filters rotated by 180° and their axes exchanged.

    `packed` are the weights, transformed so, None for a single use. With `onto` it is added to that, in its memory.
    """
    before = (2 - geometry.before[0], 2 - geometry.before[1])
    epilogue = Epilogue(residual=onto, out=onto)
    return _winograd(g, view_of(weight, rotated=True), packed, tile, before, geometry.x_shape, epilogue)


def im2col_input_gradient(
    g: Tensor, weight: Tensor, geometry: Geometry, packed: Tensor, onto: Tensor | None = None
) -> Tensor:
    """The gradient in x of a layer of one cell, stride 1: a layer of one cell too, with filters and channels exchanged.

    `packed` are the weights, packed so. With `onto` it is added to that, in its memory.
    """
    return im2col_output(
        g, weight.detach().transpose(0, 1), adjoint_of(geometry), Epilogue(None, onto, out=onto), packed
    )


def winograd_weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight; not finite anywhere in the channels of a picture that is not."""
    x, g = in_order(x), in_order(g)
    gradient = unset(geometry.weight_shape)
    if x.numel() and g.numel():
        _core.winograd_weight_gradient(_pictures(x), _pictures(g), *geometry.before, gradient.data_ptr())
    else:
        gradient.zero_()
    return gradient


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """The gradient in the weight of any layer of one group; not finite where zeros around x meet what is not."""
    x, g = in_order(x), in_order(g)
    gradient = unset(geometry.weight_shape)
    if not x.numel() or not g.numel():
        return gradient.zero_()
    window = (*geometry.stride, *geometry.before, *geometry.dilation)
    _core.weight_gradient(_pictures(x), _pictures(g), *geometry.weight_shape[2:], window, gradient.data_ptr())
    return gradient


def folded_norm(norm: torch.nn.BatchNorm2d, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """A norm with the statistics that it has learned, as scale and bias of the convolution before it.

    `bias` is the convolution's own. The norm's tensors are plain, as `runs_on` asks.
    """
    folded = torch.empty(2, norm.num_features)
    read = [norm.running_mean, norm.running_var, norm.weight, norm.bias, bias]
    held = [None if one is None else one.contiguous() for one in read]
    scale, shift = folded
    addresses = tuple(map(_address, held))
    _core.fold_norm(addresses, norm.eps, norm.num_features, scale.data_ptr(), shift.data_ptr())
    return scale, shift


def pool(
    x: Tensor, size: Pair, window: tuple[int, ...], y_size: Pair, *, with_argmax: bool
) -> tuple[Tensor, Tensor | None]:
    """The maxima of a channels-last x, and where they lay; `window` is stride, padding and dilation by axis."""
    y = pooled_memory((x.shape[0], x.shape[1], *y_size))
    argmax = torch.empty_like(y, dtype=torch.int64) if with_argmax else None
    _call("pool", _pictures(x), *size, window, _pictures(y), _address(argmax))
    return y, argmax


def pool_gradient(g: Tensor, argmax: Tensor, shape: tuple[int, ...], side_by_side: Pair = (0, 0)) -> Tensor:
    """Each value of channels-last g added where its maximum lay.

    `side_by_side` is the windows' size where they lie one beside the other, which is faster; else zeros.
    """
    gradient = pooled_memory(shape)
    g, argmax = g.contiguous(memory_format=LAST), argmax.contiguous(memory_format=LAST)
    _core.pool_gradient(_pictures(g), argmax.data_ptr(), *side_by_side, _pictures(gradient))
    return gradient


def average(x: Tensor, side: int, y_size: Pair) -> Tensor:
    """The averages of channels-last x over windows side by side."""
    y = pooled_memory((x.shape[0], x.shape[1], *y_size))
    _call("average", _pictures(x), side, _pictures(y))
    return y


def average_gradient(g: Tensor, side: int, shape: tuple[int, ...]) -> Tensor:
    """Each value of channels-last g shared among its window's cells, of which there are `shape`."""
    gradient = pooled_memory(shape)
    _core.average_gradient(_pictures(g.contiguous(memory_format=LAST)), side, _pictures(gradient))
    return gradient


@dataclass(slots=True)
class Normed:
    """What a norm's gradient needs, beside what the norm was given.

    Attributes:
        statistics: the batch's, `(2, channels)`: means, and variances over all places.
        mask: a bit for each value that a ReLU let through; None where none followed.
    """

    statistics: Tensor
    mask: Tensor | None


def norm(x: Tensor, norm: torch.nn.BatchNorm2d, residual: Tensor | None, *, relu: bool) -> tuple[Tensor, Normed]:
    """A batch norm by the statistics of a channels-last x, the sum with a residual like it, and a ReLU."""
    n, channels, height, width = x.shape
    places = n * height * width
    y, statistics = pooled_memory(tuple(x.shape)), torch.empty(2, channels)
    mask = torch.empty(places * -(-channels // _MASK_WORD), dtype=torch.int16) if relu else None
    held = [None if one is None else one.contiguous() for one in (norm.weight, norm.bias)]
    residual = None if residual is None else in_order(residual)
    mean, variance = statistics
    addresses = *map(_address, held), mean.data_ptr(), variance.data_ptr()
    more = norm.eps, _address(residual), relu, y.data_ptr(), _address(mask)
    _core.norm(x.data_ptr(), places, channels, addresses, *more)
    return y, Normed(statistics, mask)


def norm_gradient(
    g: Tensor, x: Tensor, weight: Tensor | None, epsilon: float, normed: Normed, *, passes: bool
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Its gradients in x, in the residual (where it `passes` one), in the weight and in the bias; g is written over."""
    n, channels, height, width = x.shape
    gradient, of_numbers = pooled_memory(tuple(x.shape)) if passes else g, torch.empty(2, channels)
    weight = None if weight is None else weight.contiguous()
    (mean, variance), (for_weight, for_bias) = normed.statistics, of_numbers
    _core.norm_gradient(
        g.data_ptr(),
        x.data_ptr(),
        n * height * width,
        channels,
        _address(normed.mask),
        (mean.data_ptr(), variance.data_ptr(), _address(weight)),
        epsilon,
        (gradient.data_ptr(), g.data_ptr() if passes else 0, for_weight.data_ptr(), for_bias.data_ptr()),
    )
    return gradient, g if passes else None, for_weight, for_bias


def relu_mask(y: Tensor) -> Tensor:
    """One byte for each value in memory: whether it is above 0, or NaN."""
    found = torch.empty(y.numel(), dtype=torch.uint8)
    _core.relu_mask(y.data_ptr(), found.data_ptr(), y.numel())
    return found


def apply_mask(g: Tensor, mask: Tensor) -> Tensor:
    """Zero, in place, where the value of the same place in memory was not above 0."""
    _core.apply_mask(g.data_ptr(), mask.data_ptr(), g.numel())
    return g


def unset(shape: tuple[int, ...]) -> Tensor:
    """A tensor of unspecified contents, where it is large in memory that an earlier one released."""
    return torch.from_numpy(empty(shape, np.float32))


def pooled_memory(shape: tuple[int, ...]) -> Tensor:
    """A channels-last tensor of unspecified contents, in memory that an earlier one released where there is some."""
    n, c, h, w = shape
    # Turned by NumPy: autograd forbids writing to torch's views.
    return torch.from_numpy(empty((n, h, w, c), np.float32).transpose(0, 3, 1, 2))


def _winograd(
    x: Tensor,
    weights: tuple[int, ...],
    packed: Tensor | None,
    tile: int,
    before: Pair,
    y_shape: tuple[int, ...],
    epilogue: Epilogue,
    *,
    edge: bool = False,
) -> Tensor:
    if epilogue.pool:
        y_shape = (*y_shape[:2], y_shape[2] // 2, y_shape[3] // 2)
    y = pooled_memory(y_shape) if epilogue.out is None else epilogue.out
    x, *after = _readable(x, epilogue)
    if y.numel():
        options = tile, *before, edge, epilogue.pool, _epilogue(after, epilogue.relu)
        _call("winograd", _pictures(x), weights, _address(packed), *options, _pictures(y))
    return y


def _readable(x: Tensor, epilogue: Epilogue) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """x, scale, bias and residual in the order the kernels read; held by the caller while they do."""
    scale, bias, residual = epilogue.scale, epilogue.bias, epilogue.residual
    return (
        in_order(x),
        None if scale is None else scale.contiguous(),
        None if bias is None else bias.contiguous(),
        None if residual is None else residual.contiguous(memory_format=LAST),
    )


def _epilogue(tensors: list[Tensor | None], relu: bool) -> tuple[int, int, int, int]:
    """Scale, bias and residual as the kernels take them."""
    scale, bias, residual = map(_address, tensors)
    return scale, bias, residual, int(relu)


def _call(kernel: str, *arguments: Any) -> None:
    getattr(_core, kernel)(*arguments)
    calls = _calls.get()
    if calls is not None:
        calls.append((kernel, arguments))


@contextmanager
def written_down() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Within it, the kernels that compute maps, by name, with what they are called with."""
    calls: list[tuple[str, tuple[Any, ...]]] = []
    before = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(before)


def _address(t: Tensor | None) -> int:
    return 0 if t is None else t.data_ptr()


def _pictures(x: Tensor) -> tuple[int, ...]:
    """Address, n, h, w, c, and the steps of n, h and w of a channels-last tensor."""
    n, c, h, w = x.shape
    return x.data_ptr(), n, h, w, c, c * h * w, c * w, c


def view_of(weight: Tensor, *, rotated: bool = False) -> tuple[int, ...]:
    """Address, sizes and steps of filters; rotated by 180°, the last cell is the first and filters are channels."""
    (filters, channels, rows, columns), (f, c, r, s) = weight.shape, weight.stride()
    if not rotated:
        return weight.data_ptr(), filters, channels, rows, columns, f, c, r, s
    last = weight.data_ptr() + 4 * (r * (rows - 1) + s * (columns - 1))
    return last, channels, filters, rows, columns, c, f, -r, -s
