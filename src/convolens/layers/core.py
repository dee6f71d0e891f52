"""The core's layer kernels on torch tensors: float32, CPU, channels side by side in memory.

Arguments were checked by the callers; here tensors become addresses, and results torch's. Transformed weights are kept
beside the weights they came from, for as long as those live and hold the same numbers.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convolens import _core
from convolens.layers.geometry import Geometry, Pair

LAST = torch.channels_last


def runs_on(*tensors: Tensor) -> bool:
    """Whether the core can read these: plain float32 tensors on the CPU, not a subclass with a meaning of its own."""
    plain = (Tensor, torch.nn.Parameter)
    return all(
        type(t) in plain and t.dtype == torch.float32 and t.device.type == "cpu" and t.layout == torch.strided
        for t in tensors
    )


def is_channels_last(x: Tensor) -> bool:
    """Whether x's channels lie side by side, where that is not also its order by rows."""
    return x.is_contiguous(memory_format=LAST) and not x.is_contiguous()


def like(y: Tensor, x: Tensor) -> Tensor:
    """A channels-last result in x's own order, so that a caller who never asked for channels-last never meets it."""
    return y if is_channels_last(x) else y.contiguous()


def winograd_output(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    tile: int,
    *,
    residual: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """A 3×3 convolution of stride 1, channels-last, with what follows it done before it leaves the cache."""
    x = x.contiguous(memory_format=LAST)
    y = _new(geometry.y_shape)
    residual = None if residual is None else residual.contiguous(memory_format=LAST)
    bias = None if bias is None else bias.contiguous()
    _winograd(x, _view(weight), transformed(weight, tile), tile, geometry.before, bias, residual, relu, y)
    return y


def winograd_input_gradient(g: Tensor, weight: Tensor, geometry: Geometry, tile: int) -> Tensor:
    """Its gradient in x: the same convolution of g with the filters turned by half and their axes exchanged."""
    g = g.contiguous(memory_format=LAST)
    grad = _new(geometry.x_shape)
    before = (2 - geometry.before[0], 2 - geometry.before[1])
    _winograd(
        g, _view(weight, turned=True), transformed(weight, tile, turned=True), tile, before, None, None, False, grad
    )
    return grad


def winograd_weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight; not finite anywhere in the channels of a picture that is not."""
    x, g = x.contiguous(memory_format=LAST), g.contiguous(memory_format=LAST)
    gradient = torch.empty(geometry.weight_shape)
    if x.numel() and g.numel():
        _core.winograd_gradient(_pictures(x), _pictures(g), *geometry.before, gradient.data_ptr())
    else:
        gradient.zero_()
    return gradient


@dataclass(slots=True)
class _Kept:
    state: tuple[object, ...]
    numbers: Tensor


_kept: MutableMapping[Tensor, dict[tuple[int, bool], _Kept]] = WeakIdKeyDictionary()


def transformed(weight: Tensor, tile: int, *, turned: bool = False) -> Tensor:
    """Winograd's transform of 3×3 weights, computed once for as long as the weights stay what they are.

    A fingerprint of the numbers (0.1 % of the time the convolution takes) tells, since torch's version counter does
    not see every write (`weight.data`, shared memory).
    """
    if not (weight.is_contiguous() or weight.is_contiguous(memory_format=LAST)):
        return _transform(weight, tile, turned)  # a slice of something: nothing lasting to keep it beside
    mark = _core.fingerprint(weight.data_ptr(), weight.numel())
    state = (mark, weight.data_ptr(), weight.stride(), _core.instruction_set())
    kept = _kept.setdefault(weight, {})
    found = kept.get((tile, turned))
    if found is None or found.state != state:
        found = kept[tile, turned] = _Kept(state, _transform(weight, tile, turned))
    return found.numbers


def _transform(weight: Tensor, tile: int, turned: bool) -> Tensor:
    view = _view(weight, turned=turned)
    numbers = torch.empty(_core.winograd_weights_size(view[1], view[2], tile))
    _core.winograd_weights(view, tile, numbers.data_ptr())
    return numbers


def _winograd(
    x: Tensor,
    weights: tuple[int, ...],
    numbers: Tensor,
    tile: int,
    before: Pair,
    bias: Tensor | None,
    residual: Tensor | None,
    relu: bool,
    y: Tensor,
) -> None:
    if not y.numel():
        return
    top, left = before
    _core.winograd(
        _pictures(x),
        weights,
        numbers.data_ptr(),
        tile,
        top,
        left,
        _address(bias),
        _address(residual),
        relu,
        _pictures(y),
    )


def _address(t: Tensor | None) -> int:
    return 0 if t is None else t.data_ptr()


def _new(shape: tuple[int, int, int, int]) -> Tensor:
    return torch.empty(shape, memory_format=LAST)


def _pictures(x: Tensor) -> tuple[int, ...]:
    """Address, n, h, w, c, and the steps of n, h and w of a channels-last tensor."""
    n, c, h, w = x.shape
    return x.data_ptr(), n, h, w, c, c * h * w, c * w, c


def _view(weight: Tensor, *, turned: bool = False) -> tuple[int, ...]:
    """Address, sizes and steps of filters; turned, the last cell is the first and filters are channels."""
    (filters, channels, rows, columns), (f, c, r, s) = weight.shape, weight.stride()
    if not turned:
        return weight.data_ptr(), filters, channels, rows, columns, f, c, r, s
    last = weight.data_ptr() + 4 * (r * (rows - 1) + s * (columns - 1))
    return last, channels, filters, rows, columns, c, f, -r, -s
