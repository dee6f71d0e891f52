"""How a layer's three sums are computed: by the core's Winograd kernels where they apply and pay, else by torch.

The choice depends on sizes, dtype, device and `cl.precision` only, never on the numbers. Winograd's tile of 4 does a
quarter of the multiplications and errs by up to 2e-5 of the largest output; the tile of 2 does 4/9 of them and errs no
more than torch's own convolution, so it serves where `cl.precision("exact")` is asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from convolens.layers import core
from convolens.layers.geometry import Geometry
from convolens.settings import precision

# Below these the transforms cost more than they save; measured by benchmarks/layers.py on AVX2 and AVX-512.
LEAST_CHANNELS = 16
LEAST_MULTIPLICATIONS = 4_000_000


def output(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The layer itself."""
    tile = winograd_tile(geometry)
    if tile and core.runs_on(x, weight):
        return core.like(core.winograd_output(x, weight, bias, geometry, tile), x)
    return torch_output(x, weight, bias, geometry)


def input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in x."""
    tile = winograd_tile(geometry)
    if tile and core.runs_on(g, weight):
        return core.like(core.winograd_input_gradient(g, weight, geometry, tile), g)
    return torch_input_gradient(g, weight, geometry)


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight."""
    if winograd_tile(geometry) == 4 and core.runs_on(x, g):
        gradient = core.winograd_weight_gradient(x, g, geometry)
        if bool(gradient.sum().isfinite()):
            return gradient
        # An infinity or NaN somewhere: torch puts it in exactly the weights that saw it.
    return torch_weight_gradient(x, g, geometry)


def winograd_tile(geometry: Geometry) -> int:
    """The side of Winograd's tiles for this layer, or 0 where another algorithm is to do it."""
    filters, channels, *kernel = geometry.weight_shape
    n, _, height, width = geometry.y_shape
    fits = (
        kernel == [3, 3]
        and geometry.stride == geometry.dilation == (1, 1)
        and geometry.groups == 1
        and max(geometry.before + geometry.after) <= 2
    )
    work = n * height * width * filters * channels * 9
    if not fits or min(filters, channels) < LEAST_CHANNELS or work < LEAST_MULTIPLICATIONS:
        return 0
    return 2 if precision() == "exact" else 4


def torch_output(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """By torch's own convolution, on any device and dtype."""
    padded, padding = _torch_padding(x, geometry)
    return torch.conv2d(padded, weight, bias, geometry.stride, padding, geometry.dilation, geometry.groups)


def torch_input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """By torch's own gradient in x; of x it needs the sizes only."""
    order = torch.channels_last if core.is_channels_last(g) else torch.contiguous_format
    x = torch.empty(geometry.x_shape, dtype=g.dtype, device=g.device, memory_format=order)
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
