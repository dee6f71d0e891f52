"""The layers' types: NumPy in gives NumPy out, a tensor in gives a tensor out. See `convolens/__init__.pyi`."""

from typing import Literal, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convolens.layers.conv import Conv2d as Conv2d
from convolens.layers.fusion.traced import fuse as fuse
from convolens.layers.geometry import Padding, Size
from convolens.layers.pool import MaxPool2d as MaxPool2d

_Floating = TypeVar("_Floating", bound=np.floating)

@overload
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor: ...
@overload
def conv2d(
    x: NDArray[_Floating],
    weight: NDArray[_Floating],
    bias: NDArray[_Floating] | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> NDArray[_Floating]: ...
@overload
def conv2d_backward(
    x: Tensor,
    weight: Tensor,
    upstream: Tensor,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Tensor, Tensor, Tensor]: ...
@overload
def conv2d_backward(
    x: NDArray[_Floating],
    weight: NDArray[_Floating],
    upstream: NDArray[_Floating],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[NDArray[_Floating], NDArray[_Floating], NDArray[_Floating]]: ...
@overload
def max_pool2d(
    x: Tensor,
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    dilation: Size = 1,
    return_argmax: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool2d(
    x: NDArray[_Floating],
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    dilation: Size = 1,
    return_argmax: Literal[False] = False,
) -> NDArray[_Floating]: ...
@overload
def max_pool2d(
    x: Tensor,
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    dilation: Size = 1,
    return_argmax: Literal[True],
) -> tuple[Tensor, Tensor]: ...
@overload
def max_pool2d(
    x: NDArray[_Floating],
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    *,
    dilation: Size = 1,
    return_argmax: Literal[True],
) -> tuple[NDArray[_Floating], NDArray[np.int64]]: ...
@overload
def max_pool2d_backward(upstream: Tensor, argmax: Tensor | NDArray[np.int64], x_shape: tuple[int, ...]) -> Tensor: ...
@overload
def max_pool2d_backward(
    upstream: NDArray[_Floating], argmax: NDArray[np.int64] | Tensor, x_shape: tuple[int, ...]
) -> NDArray[_Floating]: ...
