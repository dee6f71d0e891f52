"""How a layer's three sums are computed: by the core's kernels where they apply and pay, else by torch's operators.

The choice depends on sizes, order in memory, dtype, device and `cl.precision` only, never on the numbers.

    winograd4   3×3, stride 1: a quarter of the multiplications, errs by up to 2e-5 of the largest output
    winograd2   the same with 4/9 of them, errs no more than torch's own convolution: for `cl.precision("exact")`
    patches     any kernel, stride and dilation as a matrix product, with what follows done before it leaves the cache
    depthwise   a filter for each channel, at the speed of memory
    torch       everything else: groups, few channels, other dtypes and devices
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from convolens.layers import core
from convolens.layers.geometry import Geometry, Padding, Pair, Size, conv_geometry, pair
from convolens.settings import Precision, precision

Method = Literal["winograd4", "winograd2", "depthwise", "patches", "torch"]
METHODS: tuple[Method, ...] = get_args(Method)  # the first that a layer does not refuse is taken

# Where the core's kernels begin to pay, measured by benchmarks/layers.py.
LEAST_WINOGRAD_CHANNELS = 16
LEAST_WINOGRAD_WORK = 4_000_000  # multiplications of the definition
MOST_WINOGRAD_WASTE = 2.0  # times the outputs that are kept; tiles of 4×4 reach past maps of 1×1 or 5×5
LEAST_PATCHES_CHANNELS = 128
LEAST_FINISHING_CHANNELS = 32  # where a ReLU or a sum would otherwise be a pass of its own
MOST_FIRST_CHANNELS = 4  # a first layer's inputs are read where they are
MOST_PATCHES_DEPTH = 4608

# Below this many channels a 1×1 convolution with a stride is not given to torch as it is: see `must_lose_stride`.
MIN_STRIDED_CHANNELS = 8


def choose(geometry: Geometry, *, channels_last: bool, finishing: bool = False, learning: bool = False) -> Method:
    """The cheapest way to a layer's output.

    Args:
        geometry: the layer's sizes.
        channels_last: whether its input needs no reordering first.
        finishing: whether something follows that the core does in the same pass.
        learning: whether its weights are being learned, so that what is made of them serves once.
    """
    return _choice(geometry, channels_last, finishing, learning, precision())


@lru_cache(maxsize=4096)  # asked at every call of every layer
def _choice(geometry: Geometry, channels_last: bool, finishing: bool, learning: bool, mode: Precision) -> Method:
    conditions = {"channels_last": channels_last, "finishing": finishing, "learning": learning, "mode": mode}
    return next(method for method in METHODS if refusal(method, geometry, **conditions) is None)  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def left_to_torch(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> bool:
    """Whether torch computes such a layer in any order and precision, so that nothing else need be asked.

    Raises:
        ShapeError, ArgumentError: as `conv_geometry`.
    """
    geometry = conv_geometry(x_shape, weight_shape, stride, padding, dilation, groups)
    if geometry.dilation != pair(dilation, "dilation", 1) or not geometry.symmetric or without_stride(geometry):
        return False  # torch must not see the first and the last, and warns of the second
    fast, exact = (_choice(geometry, True, False, False, mode) for mode in get_args(Precision))
    return fast == exact == "torch"


def refusal(
    method: Method,
    geometry: Geometry,
    *,
    channels_last: bool,
    mode: Precision,
    finishing: bool = False,
    learning: bool = False,
) -> str | None:
    """Why a method is not for this layer, in a few words; None where it is."""
    match method:
        case "winograd4" | "winograd2":
            wanted = "winograd2" if mode == "exact" else "winograd4"
            return _no_winograd(geometry) if method == wanted else f"cl.precision is {mode!r}"
        case "depthwise":
            return _no_depthwise(geometry, channels_last and finishing)
        case "patches":
            return _no_patches(geometry, channels_last, finishing, learning)
        case "torch":
            return None


def winograd_fits(geometry: Geometry) -> bool:
    """Whether Winograd's algorithm can do this layer, and saves more than its transforms cost."""
    return _no_winograd(geometry) is None


def _no_winograd(geometry: Geometry) -> str | None:
    filters, channels, *kernel = geometry.weight_shape
    n, _, height, width = geometry.y_shape
    if kernel != [3, 3] or not geometry.stride == geometry.dilation == (1, 1) or geometry.groups != 1:
        return "not 3×3 with stride, dilation and groups of 1"
    if max(geometry.before + geometry.after) > 2:
        return "padded by more than 2"
    if min(filters, channels) < LEAST_WINOGRAD_CHANNELS:
        return f"fewer than {LEAST_WINOGRAD_CHANNELS} channels or filters"
    if (-(-height // 4) * 4) * (-(-width // 4) * 4) > MOST_WINOGRAD_WASTE * height * width:
        return "a map so small that most of its tiles hang over the end"
    work = n * height * width * filters * channels * 9
    return None if work >= LEAST_WINOGRAD_WORK else "too little work for its transforms to pay"


def _no_depthwise(geometry: Geometry, pays: bool) -> str | None:
    filters, channels, *_ = geometry.weight_shape
    if channels != 1 or filters != geometry.groups or filters == 1:
        return "not one filter for each channel"
    return None if pays else "nothing follows in the same pass, or not channels-last: torch is as fast"


def _no_patches(geometry: Geometry, channels_last: bool, finishing: bool, learning: bool) -> str | None:
    filters, channels, rows, columns = geometry.weight_shape
    if geometry.groups != 1:
        return "has groups"
    if not channels_last:
        return "not channels-last"
    if rows * columns * channels > MOST_PATCHES_DEPTH:
        return f"more than {MOST_PATCHES_DEPTH} inputs an output"
    least = LEAST_FINISHING_CHANNELS if finishing else LEAST_PATCHES_CHANNELS
    first = finishing and channels <= MOST_FIRST_CHANNELS and geometry.dilation == (1, 1) and filters >= least
    if learning and not first:
        return "its weights are being learned, and packed would serve one step"
    return None if first or min(filters, channels) >= least else f"fewer than {least} channels or filters"


def tile_of(method: Method) -> int:
    """The side of Winograd's tiles."""
    return {"winograd4": 4, "winograd2": 2}[method]


def method_for(x: Tensor, weight: Tensor, geometry: Geometry, *, learning: bool = False) -> Method:
    """How the layer is computed as it stands, with nothing following."""
    if not core.runs_on(x, weight):
        return "torch"
    return choose(geometry, channels_last=core.is_channels_last(x), learning=learning)


def output(
    method: Method, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, *, learning: bool = False
) -> Tensor:
    """The layer itself; where its weights are being learned, what is made of them serves once."""
    y = finished(method, x, weight, geometry, core.Finish(bias), learning=learning)
    return torch_output(x, weight, bias, geometry) if y is None else core.like(y, x)


def finished(
    method: Method,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    finish: core.Finish,
    *,
    learning: bool = False,
    edge: bool = False,
) -> Tensor | None:
    """The layer by the core, channels-last, and what follows it; None where the core cannot, and torch must."""
    if learning and method.startswith("winograd"):
        return core.winograd_output(x, weight, geometry, tile_of(method), finish, None, edge=edge)
    numbers = None if method == "torch" else numbers_for(method, weight)
    return None if numbers is None else by_core(method, x, weight, geometry, finish, numbers, edge=edge)


def pools(method: Method) -> bool:
    """Whether the core can take the largest of each 2×2 outputs before it writes them."""
    return method in ("winograd4", "winograd2")


def numbers_for(method: Method, weight: Tensor) -> Tensor | None:
    """The weights as one of the core's methods reads them; None where it cannot, and torch must."""
    if method == "depthwise":
        return core.packed_depthwise(weight)
    return core.packed(weight) if method == "patches" else core.transformed(weight, tile_of(method))


def by_core(
    method: Method,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    finish: core.Finish,
    numbers: Tensor,
    *,
    edge: bool = False,
) -> Tensor:
    """The layer by one of the core's methods, channels-last, and what follows it; `numbers` are `numbers_for` it."""
    if method == "patches":
        return core.patches_output(x, weight, geometry, finish, numbers)
    if method == "depthwise":
        return core.depthwise_output(x, weight, geometry, finish, numbers)
    return core.winograd_output(x, weight, geometry, tile_of(method), finish, numbers, edge=edge)


def input_gradient(g: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in x."""
    if winograd_fits(geometry) and core.runs_on(g, weight):
        tile = 2 if precision() == "exact" else 4
        return core.like(core.winograd_input_gradient(g, weight, geometry, tile), g)
    return torch_input_gradient(g, weight, geometry)


def weight_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Its gradient in the weight."""
    if winograd_fits(geometry) and precision() == "fast" and core.runs_on(x, g):
        gradient = core.winograd_weight_gradient(x, g, geometry)
        if core.finite(gradient):
            return gradient
        # An infinity or NaN somewhere: torch puts it in exactly the weights that saw it.
    return torch_weight_gradient(x, g, geometry)


def must_lose_stride(channels_a_group: int, kernel: Pair, stride: Pair, padding: object) -> bool:
    """Whether torch must not see such a layer's stride, but every stride-th row and column of x alone.

    On AVX2 (without AVX-512) oneDNN, as torch 2.13 carries it, writes outside its memory in the backward of a 1×1
    convolution with a stride and fewer channels than a vector of 8, channels-last: docs/faults-in-torch.md. Such a
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
    return gradients[which]  # type: ignore[no-any-return]
