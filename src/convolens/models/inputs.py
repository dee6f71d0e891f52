"""What every task is given: one picture or many, as paths, arrays or tensors; and how they become batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convolens.arrays import is_tensor
from convolens.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from convolens.media.images import read_image

Picture = str | os.PathLike[str] | NDArray[Any] | Tensor


def listed(images: Picture | Iterable[Picture]) -> tuple[list[Picture], bool]:
    """The pictures in order, and whether many were given: a list, or an array of four dimensions.

    Raises:
        ArgumentError: something that is no picture and holds none.
    """
    if isinstance(images, str | os.PathLike):
        return [images], False
    if is_tensor(images) or isinstance(images, np.ndarray):
        return (list(images), True) if images.ndim == 4 else ([images], False)
    if isinstance(images, Iterable):
        return list(images), True
    raise ArgumentError(f"images: need a path, an array, a tensor, or several, got {type(images).__name__}")


def pixels_of(picture: Picture) -> NDArray[Any]:
    """The picture as an array: `(H, W)` or `(H, W, 3)`, uint8, uint16, or float in [0, 1]; transparency over white.

    Raises:
        FileError: a path where no picture can be read.
        ShapeError, DtypeError, ArgumentError: an array or tensor that is no picture.
    """
    if isinstance(picture, str | os.PathLike):
        return _over_white(read_image(picture))
    pixels: NDArray[Any] = picture.detach().cpu().numpy() if is_tensor(picture) else np.asarray(picture)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ShapeError(
            f"picture: need (height, width) or (height, width, 1, 3 or 4), not empty, got {pixels.shape}; "
            "a preprocessed (N, C, H, W) batch goes to the model itself"
        )
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise DtypeError(f"picture: need uint8, uint16 or floats in [0, 1], got {pixels.dtype}")
    if pixels.dtype.kind == "f" and not (pixels.min() >= 0 and pixels.max() <= 1):  # so worded that NaN is refused too
        raise ArgumentError(f"picture: need floats in [0, 1], got {pixels.min():.3g} to {pixels.max():.3g}")
    return _over_white(pixels)


def batches(singles: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Single preprocessed pictures `(1, C, H, W)` as batches of at most `size`, in order.

    Neighbours of one height and width go together; never more than one batch is held.
    """
    if size < 1:
        raise ArgumentError(f"batch: need at least 1 picture, got {size}")
    waiting: list[Tensor] = []
    for one in singles:
        if waiting and (len(waiting) == size or one.shape != waiting[0].shape):
            yield torch.cat(waiting)
            waiting = []
        waiting.append(one)
    if waiting:
        yield torch.cat(waiting)


def best_first(
    scores: NDArray[Any], names: Sequence[str], top: int | None
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The `top` names with the highest scores and those scores; equal scores stay in the order of the classes."""
    order = np.argsort(-scores, kind="stable")[:top]
    return tuple(names[at] for at in order), tuple(float(scores[at]) for at in order)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, without gradients, and back in the mode that it was in.

    No weight takes a gradient meanwhile: transformed weights are then kept, see `layers.core`.
    """
    was_training = model.training
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.inference_mode():
            yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        model.train(was_training)


def pick_device(device: str) -> torch.device:
    """`auto` is the GPU where there is one, otherwise the CPU; anything else is torch's name for a device.

    Raises:
        DeviceError: torch does not know or does not have it.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:  # its message lists two dozen names that few machines have
        raise DeviceError(f"device: need auto, cpu, cuda, cuda:1 or such that torch knows, got {device!r}") from error
    try:
        torch.empty(1, device=picked)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device: need one that this machine has, got {device!r}: {reason}") from error
    if picked.type == "meta":
        raise DeviceError(f"device: need one that computes, got {device!r}, which holds no numbers; use cpu")
    return picked


def _over_white(pixels: NDArray[Any]) -> NDArray[Any]:
    """Colour without transparency, in the same dtype: what shows through is white, as on paper."""
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        return pixels
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    alpha = pixels[:, :, 3:] / np.float64(white)
    colour = pixels[:, :, :3] * alpha + white * (1 - alpha)
    return (colour.round() if pixels.dtype.kind == "u" else colour).astype(pixels.dtype)
