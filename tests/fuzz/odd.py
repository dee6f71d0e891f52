"""Values that no one should give: plain ones, and arrays and tensors that are right but for one thing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.fuzz.mutators import VALUES

ODD: tuple[Any, ...] = (
    *VALUES,
    *(np.nan, np.float32(2), np.int64(3), np.zeros((2, 2)), np.zeros(0), np.array("a"), object(), len, b"a", 2 + 1j),
    *("a\0b", "n" * 5000, "/" * 5000, "/dev/zero", "/", "imagenet", "hed", "layer1.0", "cpu", "cuda:99", "meta", {"a"}),
    *(
        0.5,
        -0.5,
        2,
        7,
        1e-300,
        -1e300,
        np.float64("inf"),
        np.bool_(True),
        np.array(0.5),
        np.datetime64(0, "s"),
        range(3),
    ),
    *((1,), (1, 2), (0, 0), (-1, 1), [0.5], [0.1, 0.2], [np.nan], [1e400], ["a", "b"], [[1, 2], [3]], iter(()), int),
    *("full", "same", "valid", "wrap", "reflect", "edge", "constant", "symmetric", "mirror", "max", "exact", "auto"),
    *(torch.tensor(1.0), torch.zeros(2, device="meta"), slice(3), Ellipsis, NotImplemented, Image.new("L", (2, 2))),
)


class Sub(np.ndarray):
    """A class derived from NumPy's."""


CLAIM = 1 << 48  # values that an array may claim, and no machine has


def odd_array(right: np.ndarray, luck: Random) -> Any:
    """The array with one thing about it changed."""
    try:
        return luck.choice(_ARRAYS)(right, luck)
    except ValueError:  # more than NumPy counts
        return right


def _reshaped(right: np.ndarray, luck: Random) -> Any:
    shape = list(right.shape)
    way = luck.randrange(6)
    if way == 0 and shape:
        shape[luck.randrange(len(shape))] = luck.choice((0, 0, 1, 2, 3, 5))
    elif way == 1:
        shape.insert(luck.randrange(len(shape) + 1), luck.choice((0, 1, 2)))
    elif way == 2 and shape:
        del shape[luck.randrange(len(shape))]
    elif way == 3:
        shape = [luck.choice((0, 1, 2, 3, 4, 40)) for _ in range(luck.randrange(5))]
    elif way == 4:
        shape = [1] * luck.choice((0, 1, 2, 3, 6, 32))
    else:
        shape = [2 * side for side in shape]
    return np.resize(right, shape) if right.size else np.zeros(shape, right.dtype)


_DTYPES = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16", "G", "O",
           "U3", "S2", "M8[s]", "m8[s]", "V4", [("a", "f4")], ">f4", ">f8", ">i2", ">u2", ">c8")  # fmt: skip


def _retyped(right: np.ndarray, luck: Random) -> Any:
    dtype = np.dtype(luck.choice(_DTYPES))
    try:
        with np.errstate(all="ignore"):
            return right.astype(dtype)
    except (TypeError, ValueError):
        return np.zeros(right.shape, dtype)


def _laid_out(right: np.ndarray, luck: Random) -> Any:
    """The same numbers at other strides, misaligned, or not to be written to."""
    way = luck.randrange(7)
    if way == 0:
        return np.asfortranarray(right)
    if way == 1:
        return right[::-1] if right.ndim else right
    if way == 2:
        return np.repeat(right, 2, axis=-1)[..., ::2] if right.ndim else right
    if way == 3:
        return right.T
    if way == 4:
        fixed = right.copy()
        fixed.setflags(write=False)
        return fixed
    if way == 5:
        memory = np.zeros(right.nbytes + 1, np.uint8)[1:]
        shifted = memory[: right.nbytes].view(right.dtype).reshape(right.shape)
        shifted[...] = right
        return shifted
    return np.broadcast_to(right[:1], right.shape) if right.ndim and len(right) else right


def _filled(right: np.ndarray, luck: Random) -> Any:
    """Other numbers, in one place or in all."""
    filled = right.copy()
    if right.dtype.kind == "f":
        value = luck.choice((np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40, 5e-324, 1e-30, -0.0, 1e300))
    elif right.dtype.kind in "iu":
        value = luck.choice((np.iinfo(right.dtype).max, np.iinfo(right.dtype).min, 1))
    else:
        value = luck.choice((0, 1))
    with np.errstate(all="ignore"):
        filled[
            ... if luck.random() < 0.4 else tuple(luck.randrange(side) for side in filled.shape) if filled.size else ...
        ] = value
    return filled


def _dressed(right: np.ndarray, luck: Random) -> Any:
    """The same numbers in another class, or as lists."""
    way = luck.randrange(9)
    if way == 0:
        return right.view(Sub)
    if way == 1:
        return np.ma.masked_array(right, right == right.flat[0] if right.size else False)
    if way == 2:
        return np.asmatrix(right) if right.ndim <= 2 else right
    if way == 3:
        return right.tolist()
    if way == 4:
        return tuple(right.tolist()) if right.ndim else right.item()
    if way == 5:
        return torch.from_numpy(right.copy()) if right.dtype.kind in "biuf" else right
    if way == 6:
        return memoryview(np.ascontiguousarray(right))
    if way == 7:
        return iter(right) if right.ndim else right
    return right.astype(object)


def _claiming(right: np.ndarray, luck: Random) -> Any:
    """Sizes that hold no numbers, or would hold too many."""
    one = np.zeros((), right.dtype)
    ndim = max(right.ndim, 1)
    if luck.random() < 0.3:
        return np.broadcast_to(one, (0, *[1 << 20] * (ndim - 1)))
    if luck.random() < 0.5:
        return np.broadcast_to(np.uint8(1) if one.dtype.itemsize > 4 else one, (CLAIM, *right.shape[1:]))
    shape = (*[1 << 8] * (min(ndim, 4) - 1), CLAIM >> 8 * (min(ndim, 4) - 1))
    return np.lib.stride_tricks.as_strided(one, shape, (0,) * len(shape))


_ARRAYS: tuple[Callable[[np.ndarray, Random], Any], ...] = (
    *(_reshaped, _reshaped, _retyped, _retyped, _laid_out, _filled, _dressed, _claiming),
)


def odd_tensor(right: torch.Tensor, luck: Random) -> Any:
    """The tensor with one thing about it changed."""
    way = luck.randrange(16)
    if way < 6 and not right.requires_grad:
        array = odd_array(right.numpy(), luck)
        try:
            return torch.as_tensor(array) if isinstance(array, np.ndarray) and array.size < 1 << 20 else array
        except (TypeError, ValueError):  # a dtype or layout that torch does not have
            return right.double()
    with torch.no_grad():
        found: Any = {
            6: lambda: right.to("meta"),
            7: lambda: right.clone().requires_grad_() if right.is_floating_point() else right,
            8: lambda: right.to_sparse(),
            9: lambda: torch.quantize_per_tensor(right.float(), 0.1, 0, torch.quint8),
            10: lambda: right.half(),
            11: lambda: right.bfloat16(),
            12: lambda: right.expand(3, *right.shape),
            13: lambda: torch.nn.Parameter(right.float()),
            14: lambda: right.to(torch.complex64).conj(),
            15: lambda: torch.zeros(1, dtype=right.dtype).expand(CLAIM, *right.shape[1:]),
        }.get(way, lambda: right.T)()
    return found


def odd_value(right: Any, luck: Random) -> Any:
    """Something else than what is right: mostly of its kind, where it is an array."""
    if isinstance(right, np.ndarray) and luck.random() < 0.8:
        return odd_array(right, luck)
    if isinstance(right, torch.Tensor) and luck.random() < 0.8:
        return odd_tensor(right, luck)
    if isinstance(right, list | tuple) and right and luck.random() < 0.4:
        some = list(right)
        some[luck.randrange(len(some))] = luck.choice(ODD)
        return some
    if isinstance(right, int | float) and not isinstance(right, bool) and luck.random() < 0.4:
        return luck.choice((-right, right + 1, right / 3, 0, 1, 2, 3, 5, 16, right * 1e3, -1, float(right), str(right)))
    return luck.choice(ODD)
