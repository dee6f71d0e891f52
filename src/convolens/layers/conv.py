"""Two-dimensional convolution as a network's layer, and its gradients written out.

A layer takes H×W×C with F filters of C×K×K and gives H×W×F: at each place, each filter's weighted sum of what lies
under it (the filters are not flipped, as everywhere in networks). N·F·C·K²·H·W multiplications, or a quarter of them
where a fast algorithm applies (`trilinear` says how each of the three sums is computed).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d as torch_conv2d
from torch.nn.functional import pad
from torch.overrides import has_torch_function

from convolens.arrays import Array, as_flag, as_whole, is_tensor
from convolens.convolution.windows import pace
from convolens.errors import LayerArgumentError, LayerShapeError, need_one_of
from convolens.layers import core
from convolens.layers.geometry import Geometry, Padding, Size, conv_geometry, paddings, pair
from convolens.layers.levels import Levels
from convolens.layers.methods import every_stride, left_to_torch, must_lose_stride
from convolens.layers.planner import LayerSpec, plan_for
from convolens.layers.tensors import as_tensor, batched, check_alike, is_traced, kind_of, mixes_precisions
from convolens.layers.trilinear import convolve_tensors, convolve_unwatched, input_gradient, weight_gradient
from convolens.planning import Plan, at_pace
from convolens.settings import precision


def conv2d(
    x: Float[Array, "*batch channels height width"],
    weight: Float[Array, "filters channels_a_group rows columns"],
    bias: Float[Array, " filters"] | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Correlates each filter with `x` and adds the bias: torch.nn's convolution.

    Args:
        x: `(N, C, H, W)` or `(C, H, W)`, floating point, NumPy or torch; any strides. N may be 0.
        weight: `(F, C / groups, rows, columns)`, of x's dtype and device.
        bias: `(F,)`.
        stride: the step of the window, one number or (rows, columns).
        padding: zeros on each side, one number or (rows, columns), or `"same"` (x's size; stride 1 only), `"valid"`
            (none), `"full"` (every output that sees any input).
        dilation: the distance between the samples a filter looks at.
        groups: filters are cut in this many groups, each seeing its share of the channels.

    Returns:
        `(N, F, rows, columns)`, or without N as x; of x's kind, dtype and device. Differentiable any number of times.

    Raises:
        ShapeError: shapes that do not fit one another, or a kernel larger than the padded input.
        ArgumentError: a stride, padding, dilation or number of groups that cannot be used.
        DtypeError: not floating point, or not all of one dtype.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), padding="same")[0, 0]
    array([[4., 4., 2.],
           [4., 4., 2.],
           [2., 2., 1.]])
    """
    if not is_tensor(x) and torch.is_autocast_enabled("cpu"):  # NumPy has none of the types that it casts to
        with torch.autocast("cpu", enabled=False):
            return conv2d(x, weight, bias, stride, padding, dilation, groups)
    if is_traced() or has_torch_function((x, weight, bias)) or mixes_precisions(x):
        # A compiler, an exporter, a tracer's proxy, a tensor subclass, autocast: each knows torch's own convolution.
        tracing: Any = torch_conv2d
        zeros = _for_torch(padding, weight, dilation)
        if isinstance(weight, Tensor) and weight.dim() == 4:
            x, stride = _without_stride(x, weight.shape[1], tuple(weight.shape[2:]), stride, zeros)
        return tracing(x, weight, bias, stride, zeros, dilation, groups)
    inside, filters = as_tensor(x, "x"), as_tensor(weight, "weight")
    check_alike(inside, filters, "weight")
    offset = None if bias is None else as_tensor(bias, "bias")
    batch = batched(inside, "x")
    geometry = _geometry(batch, filters, stride, padding, dilation, groups)
    if offset is not None:
        check_alike(inside, offset, "bias")
        if offset.shape != filters.shape[:1]:
            raise LayerShapeError(
                f"bias: need one number a filter ({filters.shape[0]},), got shape {tuple(offset.shape)}"
            )
    y = convolve_tensors(batch, filters, offset, geometry)
    return kind_of(x)(y if inside.dim() == 4 else y.squeeze(0))


def conv2d_backward(
    x: Float[Array, "*batch channels height width"],
    weight: Float[Array, "filters channels_a_group rows columns"],
    upstream: Float[Array, "*batch filters out_height out_width"],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Any, Any, Any]:
    """The gradients of `sum(upstream * conv2d(x, weight, bias, ...))` in x, weight and bias.

    A weight's partial is the value it was multiplied by, times what came of it, summed over all places; a value's
    partial is the sum of the weights that looked at it. Autograd runs these same functions.

    Args:
        x: as in `conv2d`.
        weight: as in `conv2d`.
        upstream: the gradient in the layer's result, of the result's shape.
        stride: as in `conv2d`.
        padding: as in `conv2d`.
        dilation: as in `conv2d`.
        groups: as in `conv2d`.

    Returns:
        `(grad_x, grad_weight, grad_bias)` of the shapes of x and weight, and `(F,)`.

    Raises:
        ShapeError: as in `conv2d`, or `upstream` is not of the result's shape.

    >>> import numpy as np
    >>> grads = conv2d_backward(np.arange(3.0).reshape(1, 1, 3), np.ones((1, 1, 1, 2)), np.ones((1, 1, 2)))
    >>> [g.ravel() for g in grads]
    [array([1., 2., 1.]), array([1., 3.]), array([2.])]
    """
    inside, filters, above = as_tensor(x, "x"), as_tensor(weight, "weight"), as_tensor(upstream, "upstream")
    check_alike(inside, filters, "weight")
    check_alike(inside, above, "upstream")
    batch, g = batched(inside, "x"), batched(above, "upstream")
    geometry = _geometry(batch, filters, stride, padding, dilation, groups)
    if tuple(g.shape) != geometry.y_shape or above.dim() != inside.dim():
        wanted = geometry.y_shape[4 - inside.dim() :]
        raise LayerShapeError(f"upstream: need the result's shape {wanted}, got {tuple(above.shape)}")
    grad_x = input_gradient(g, filters, geometry)
    grad_weight = weight_gradient(batch, g, geometry)
    kind = kind_of(x)
    return kind(grad_x.reshape(inside.shape)), kind(grad_weight), kind(g.sum((0, 2, 3)))


def _geometry(x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Geometry:
    if weight.dim() != 4:
        raise LayerShapeError(
            f"weight: need (filters, channels, kernel rows, kernel columns), got shape {tuple(weight.shape)}"
        )
    how = [tuple(value) if isinstance(value, list) else value for value in (stride, padding, dilation, groups)]
    try:
        return conv_geometry(tuple(x.shape), tuple(weight.shape), *how)
    except TypeError as error:  # what has no hash cannot be looked up, and is none of these
        raise LayerArgumentError(
            f"stride, padding, dilation, groups: need whole numbers or pairs of them, got {how!r:.200}"
        ) from error


def _plain(x: Tensor, weight: Tensor, bias: Tensor | None, how: tuple[Any, ...]) -> bool:
    """Whether there is nothing that `conv2d` would refuse or treat in its own way, but for sizes."""
    return (
        type(x) is Tensor
        and x.dim() == weight.dim() == 4
        and x.is_floating_point()
        and x.dtype == weight.dtype
        and x.device == weight.device
        and (bias is None or (bias.dtype == x.dtype and bias.device == x.device and bias.shape == weight.shape[:1]))
        and not _is_odd(how)
    )


def _is_odd(how: tuple[Any, ...]) -> bool:
    """Whether stride, padding, dilation or groups were set to what cannot be looked up, such as a list."""
    try:
        hash(how)
    except TypeError:
        return True
    return False


def _for_torch(padding: Any, weight: Any, dilation: Any) -> Any:
    """`padding` in torch's words, which lack `"full"`."""
    if padding != "full":
        return padding
    spacing = pair(dilation, "dilation", 1)
    return tuple(spacing[axis] * (weight.shape[2 + axis] - 1) for axis in (0, 1))


def _without_stride(x: Any, channels: int, kernel: Any, stride: Any, padding: Any) -> tuple[Any, Any]:
    """`x` and the stride as torch may see them: every stride-th row and column, and 1, where it must not see others."""
    strides = pair(stride, "stride", 1)
    zeros = padding if isinstance(padding, str) else pair(padding, "padding", 0)
    return (every_stride(x, strides), 1) if must_lose_stride(channels, kernel, strides, zeros) else (x, stride)


class Conv2d(nn.Conv2d):
    """torch.nn.Conv2d with Convolens' convolution inside: the same arguments, parameters and state dict.

    `padding` also takes `"full"`. Any checkpoint, initialisation or code that looks for `torch.nn.Conv2d` works.

    Raises:
        ArgumentError: an argument that cannot be used.
        ShapeError: channels that the groups do not divide.

    >>> Conv2d(3, 8, 3, padding="same")(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """

    levels: Levels | None = None  # of its inputs, where it was quantized

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kernel, strides = pair(kernel_size, "kernel_size", 1), pair(stride, "stride", 1)
        spacing = pair(dilation, "dilation", 1)
        before, _ = paddings(padding, kernel, strides, spacing)
        groups = as_whole(groups, "groups", 1)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            as_whole(channels, name, 1)
            if channels % groups:
                raise LayerShapeError(f"{name}: need a multiple of the {groups} groups, got {channels}")
        need_one_of("padding_mode", padding_mode, ("zeros", "reflect", "replicate", "circular"))
        word = padding if padding in ("same", "valid") else before  # torch has no word for "full"
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            strides,
            word,
            spacing,
            groups,
            as_flag(bias, "bias"),
            padding_mode,  # type: ignore[arg-type]
            device,
            dtype,
        )

    def plan(self, x: Float[Array, "*batch channels height width"]) -> Plan:
        """How the layer would be computed on x, and why not otherwise; `convolens.plan(x, layer)` calls it.

        >>> Conv2d(64, 64, 3, groups=4).plan(torch.zeros(1, 64, 32, 32)).method
        'torch'
        """
        batch, padding = batched(as_tensor(x, "x"), "x"), self.padding
        if self.padding_mode != "zeros":
            batch, padding = pad(batch, self._reversed_padding_repeated_twice, self.padding_mode), (0, 0)
        geometry = _geometry(batch, self.weight, self.stride, padding, self.dilation, self.groups)
        spec = LayerSpec(
            geometry,
            channels_last=core.is_channels_last(batch),
            trainable=torch.is_grad_enabled() and self.weight.requires_grad,
            mode=precision(),
            by_core=core.runs_on(batch, self.weight),
            has_levels=self.levels is not None and not torch.is_grad_enabled(),
        )
        return at_pace(plan_for(spec), pace())

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 - torch's name
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._reversed_padding_repeated_twice, self.padding_mode), 0  # noqa: A001
        stride: Any = self.stride
        dilation: Any = self.dilation
        if stride != (1, 1):  # here, where a tracer that looks on knows the layer's sizes
            channels = self.in_channels // self.groups
            input, stride = _without_stride(input, channels, self.kernel_size, stride, padding)  # noqa: A001
        how = stride, padding, dilation, self.groups
        if is_traced():  # sizes, which the checks compare, are recorded too
            return torch.conv2d(input, weight, bias, *how)
        found = None if _is_odd(how) else convolve_unwatched(input, weight, bias, how, self.levels)
        if found is not None:
            return found
        if _plain(input, weight, bias, how) and left_to_torch(
            tuple(input.shape), tuple(weight.shape), *how, core.is_channels_last(input)
        ):
            # Nothing of ours to add: no detour either, which costs a small layer a third of its time.
            return torch.conv2d(input, weight, bias, *how)
        return conv2d(input, weight, bias, *how)  # type: ignore[no-any-return]
