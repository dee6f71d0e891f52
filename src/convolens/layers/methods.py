"""How a layer's three sums are computed: by torch's own operators, or by the core where it is faster."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from convolens.layers.geometry import Geometry


def output(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The layer itself."""
    return torch_output(x, weight, bias, geometry)


def input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in x."""
    return torch_input_gradient(g, weight, geometry)


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight."""
    return torch_weight_gradient(x, g, geometry)


def torch_output(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """By torch's own convolution, on any device and dtype."""
    padded, padding = _torch_padding(x, geometry)
    return torch.conv2d(padded, weight, bias, geometry.stride, padding, geometry.dilation, geometry.groups)


def torch_input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """By torch's own gradient in x; of x it needs the sizes only."""
    x = torch.empty(geometry.x_shape, dtype=g.dtype, device=g.device).to(memory_format=_format(g))
    padded, padding = _torch_padding(x, geometry)
    grad = _torch_backward(g, padded, weight, padding, geometry, 0)
    if geometry.symmetric:
        return grad
    (top, left), (_, _, height, width) = geometry.before, geometry.x_shape
    return grad[:, :, top : top + height, left : left + width]


def torch_weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """By torch's own gradient in the weight; of the weight it needs the sizes only."""
    padded, padding = _torch_padding(x, geometry)
    weight = torch.empty(geometry.weight_shape, dtype=x.dtype, device=x.device)
    return _torch_backward(g, padded, weight, padding, geometry, 1)


def _torch_padding(x: Tensor, geometry: Geometry) -> tuple[Tensor, tuple[int, int]]:
    """The input with the zeros torch cannot add itself (one side only), and the padding left to it."""
    if geometry.symmetric:
        return x, geometry.before
    (top, left), (bottom, right) = geometry.before, geometry.after
    return pad(x, (left, right, top, bottom)), (0, 0)


def _torch_backward(
    g: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], geometry: Geometry, which: int
) -> Tensor:
    """One of torch's gradients: 0 is x's, 1 the weight's."""
    wanted = (which == 0, which == 1, False)
    gradients = torch.ops.aten.convolution_backward.default(
        g, x, weight, None, geometry.stride, padding, geometry.dilation, False, (0, 0), geometry.groups, wanted
    )
    return gradients[which]  # type: ignore[no-any-return]


def _format(x: Tensor) -> torch.memory_format:
    """Channels-last where x's channels lie side by side in memory."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
