"""A layer's three sums by the method that `planner` chose: the core's kernels, or torch's own operators."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from convolens.arrays import need_size
from convolens.layers import core, packing
from convolens.layers.geometry import Geometry, Padding, Pair, Size, conv_geometry, pair
from convolens.layers.levels import Levels
from convolens.layers.planner import PARTS, LayerSpec, Method, Partial, plan_for
from convolens.settings import Precision, precision

# Below this many channels a 1×1 convolution with a stride is not given to torch as it is: see `must_lose_stride`.
MIN_STRIDED_CHANNELS = 16


def choose(
    geometry: Geometry,
    *,
    channels_last: bool,
    epilogue: bool = False,
    trainable: bool = False,
    inference: bool = False,
    partial: Partial = "output",
    has_levels: bool = False,
) -> Method:
    """The cheapest way to one of a layer's sums, where the core can read its arrays; `LayerSpec` has the arguments.

    Where it is not `inference`, that is where a gradient follows, what is computed in bfloat16 otherwise is not.
    """
    mode = mode_of(inference=inference)
    return _choice(geometry, partial, channels_last, epilogue, trainable, mode, has_levels and inference)


def mode_of(*, inference: bool) -> Precision:
    """`cl.precision`, in which bfloat16 is for inference alone."""
    mode = precision()
    return "fast" if mode == "bfloat16" and not inference else mode


@lru_cache(maxsize=4096)  # asked at every call of every layer
def _choice(
    geometry: Geometry,
    partial: Partial,
    channels_last: bool,
    epilogue: bool,
    trainable: bool,
    mode: Precision,
    has_levels: bool = False,
) -> Method:
    spec = LayerSpec(geometry, partial, channels_last, epilogue, trainable, mode, has_levels=has_levels)
    return plan_for(spec).method  # type: ignore[return-value]


@lru_cache(maxsize=4096)
def left_to_torch(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
    channels_last: bool,
) -> bool:
    """Whether torch computes such a layer in any precision, so that nothing else need be asked.

    Raises:
        ShapeError, ArgumentError: as `conv_geometry`.
    """
    geometry = conv_geometry(x_shape, weight_shape, stride, padding, dilation, groups)
    if geometry.dilation != pair(dilation, "dilation", 1) or not geometry.symmetric or without_stride(geometry):
        return False  # torch must not see the first and the last, and warns of the second
    methods = (_choice(geometry, "output", channels_last, False, False, mode) for mode in get_args(Precision))
    return all(method == "torch" for method in methods)


@lru_cache(maxsize=4096)
def as_called(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    how: tuple[Any, ...],
    channels_last: bool,
    has_levels: bool,
    mode: Precision,
) -> tuple[Method, Geometry] | None:
    """How a layer is computed where no gradient follows and the core can read its arrays; None where it is empty.

    Raises:
        ShapeError, ArgumentError: as `conv_geometry`.
    """
    if len(x_shape) != 4 or len(weight_shape) != 4 or 0 in x_shape:
        return None
    need_size(x_shape, "x")
    geometry = conv_geometry(tuple(x_shape), tuple(weight_shape), *how)
    return _choice(geometry, "output", channels_last, False, False, mode, has_levels), geometry


def tile_of(method: Method) -> int:
    """The side of Winograd's tiles."""
    return {"winograd4": 4, "winograd2": 2}[method]


def method_for(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    *,
    trainable: bool = False,
    inference: bool = False,
) -> Method:
    """How the layer is computed as it stands, with nothing following."""
    if not core.runs_on(x, weight) or not (bias is None or core.runs_on(bias)):
        return "torch"
    return choose(geometry, channels_last=core.is_channels_last(x), trainable=trainable, inference=inference)


def output(
    method: Method, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, *, trainable: bool = False
) -> Tensor:
    """The layer itself; where its weights are being learned, what is made of them serves once."""
    y = with_epilogue(method, x, weight, geometry, core.Epilogue(bias), trainable=trainable)
    return torch_output(x, weight, bias, geometry) if y is None else core.like(y, x)


def with_epilogue(
    method: Method,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    epilogue: core.Epilogue,
    *,
    trainable: bool = False,
    edge: bool = False,
    levels: Levels | None = None,
) -> Tensor | None:
    """The layer by the core, channels-last, and what follows it; None where the core cannot, and torch must."""
    if trainable and method.startswith("winograd"):
        return core.winograd_output(x, weight, geometry, tile_of(method), epilogue, None, edge=edge)
    packed = None if method == "torch" else packed_for(method, weight)
    if packed is None:
        return None
    return by_core(method, x, weight, geometry, epilogue, packed, edge=edge, levels=levels)


def pools(method: Method) -> bool:
    """Whether the core can take the largest of each 2×2 outputs before it writes them."""
    return method in ("winograd4", "winograd2")


def packed_for(method: Method, weight: Tensor) -> Tensor | None:
    """The weights as one of the core's methods reads them; None where it cannot, and torch must."""
    if method == "depthwise":
        return packing.packed_depthwise(weight)
    if method in PARTS:
        return packing.in_bfloat16(weight, PARTS[method])
    if method == "int8":
        return packing.in_levels(weight)
    return packing.packed(weight) if method == "im2col" else packing.transformed(weight, tile_of(method))


def by_core(
    method: Method,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    epilogue: core.Epilogue,
    packed: Tensor,
    *,
    edge: bool = False,
    levels: Levels | None = None,
) -> Tensor:
    """The layer by one of the core's methods, channels-last, and what follows it; `packed` are `packed_for` it.

    `levels` are its inputs' where the method is "int8".
    """
    if method == "int8":
        assert levels is not None
        return core.int8_output(x, weight, geometry, levels, epilogue, packed)
    if method == "im2col":
        return core.im2col_output(x, weight, geometry, epilogue, packed)
    if method == "depthwise":
        return core.depthwise_output(x, weight, geometry, epilogue, packed)
    if method in PARTS:
        return core.bfloat16_output(x, weight, geometry, PARTS[method], epilogue, packed)
    return core.winograd_output(x, weight, geometry, tile_of(method), epilogue, packed, edge=edge)


def input_gradient(g: Tensor, weight: Tensor, geometry: Geometry, onto: Tensor | None = None) -> Tensor:
    """Its gradient in x; added to `onto`, a channels-last map whose memory it takes, where there is one."""
    if core.runs_on(g, weight):
        how = choose(
            geometry,
            channels_last=core.is_channels_last(g),
            trainable=weight.requires_grad,
            partial="input gradient",
            epilogue=onto is not None,
        )
        if how == "im2col":
            adjoint = packing.packed_adjoint(weight)
            return core.like(core.im2col_input_gradient(g, weight, geometry, adjoint, onto), g)
        if how != "torch":
            tile = tile_of(how)
            packed = None if weight.requires_grad else packing.transformed(weight, tile, rotated=True)
            return core.like(core.winograd_input_gradient(g, weight, geometry, tile, packed, onto), g)
    found = torch_input_gradient(g, weight, geometry)
    return found if onto is None else onto.add_(found)


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight."""
    last, how = core.is_channels_last(x), "torch"
    if core.runs_on(x, g):
        how = choose(geometry, channels_last=last, partial="weight gradient")
    if how != "torch":
        by = core.weight_gradient if how == "im2col" else core.winograd_weight_gradient
        gradient = by(x, g, geometry)
        if core.finite(gradient):
            return gradient
        # An infinity or NaN somewhere: torch puts it in exactly the weights that saw it.
    return torch_weight_gradient(x, g, geometry)


def must_lose_stride(channels_a_group: int, kernel: Pair, stride: Pair, padding: object) -> bool:
    """Whether torch must not see such a layer's stride, but every stride-th row and column of x alone.

    oneDNN, as torch 2.13 carries it, writes outside its memory in the gradient in the weight of a 1×1 convolution with
    a stride and fewer channels than a vector has floats (8 of AVX2, 16 of AVX-512): docs/faults-in-torch.md. Such a
    layer reads nothing of x but those rows and columns, so that it is computed of them everywhere, whatever the
    processor and the version of torch.
    """
    thin = kernel == (1, 1) and channels_a_group < MIN_STRIDED_CHANNELS
    return thin and stride != (1, 1) and padding in ((0, 0), "valid")


@lru_cache(maxsize=4096)
def without_stride(geometry: Geometry) -> Geometry | None:
    """The same layer of stride 1, on every stride-th row and column of x; None where torch may see the stride."""
    channels, rows, columns = geometry.weight_shape[1:]
    padding = geometry.before if geometry.symmetric else geometry.after
    if not must_lose_stride(channels, (rows, columns), geometry.stride, padding):
        return None
    shape = (*geometry.x_shape[:2], *geometry.y_shape[2:])
    return conv_geometry(shape, geometry.weight_shape, 1, 0, 1, geometry.groups)


def every_stride(x: Tensor, stride: Pair) -> Tensor:
    """A view of every stride-th row and column."""
    return x[..., :: stride[0], :: stride[1]]


def torch_output(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """By torch's own convolution, on any device and dtype."""
    dense = without_stride(geometry)
    if dense is not None:
        return torch_output(every_stride(x, geometry.stride), weight, bias, dense)
    padded, padding = _torch_padding(x, geometry)
    return torch.conv2d(padded, weight, bias, geometry.stride, padding, geometry.dilation, geometry.groups)


def torch_input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """By torch's own gradient in x; of x it needs the sizes only."""
    order = torch.channels_last if core.is_channels_last(g) else torch.contiguous_format
    x = torch.empty(geometry.x_shape, dtype=g.dtype, device=g.device, memory_format=order)
    dense = without_stride(geometry)
    if dense is not None:
        every_stride(x.zero_(), geometry.stride).copy_(torch_input_gradient(g, weight, dense))
        return x
    padded, padding = _torch_padding(x, geometry)
    grad = _torch_backward(g, padded, weight, padding, geometry, 0)
    if geometry.symmetric:
        return grad
    (top, left), (_, _, height, width) = geometry.before, geometry.x_shape
    return grad[:, :, top : top + height, left : left + width]


def torch_weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """By torch's own gradient in the weight; of the weight it needs the sizes only."""
    dense = without_stride(geometry)
    if dense is not None:
        return torch_weight_gradient(every_stride(x, geometry.stride), g, dense)
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
    found: Tensor = gradients[which]
    if which == 1 and tuple(found.shape[2:]) == (1, 1):
        # Of maps that are channels last torch gives strides that mean the same and are others than the weight's, of
        # which DistributedDataParallel warns.
        return found.reshape(found.shape[:2])[..., None, None]
    return found
