"""Pixels: what is meant as a picture, and each conversion of its numbers, written once.

A picture is `(H, W)`, or `(H, W, C)` with 1, 3 or 4 channels, uint8, uint16 or float in [0, 1]. Whoever takes pictures
takes them by `as_pictures` and `as_pixels`, so that training, predicting, measuring, explaining and restyling see the
same pixels of the same file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from convolens.arrays import as_array, is_half, is_tensor, need_numbers
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.media.files import OpenFile
from convolens.strips import in_strips

if TYPE_CHECKING:
    import torch

    Picture = str | os.PathLike[str] | bytes | OpenFile | Image.Image | NDArray[Any] | torch.Tensor
else:
    Picture = object

CHANNELS = (1, 3, 4)


def as_pictures(images: Any, subject: str = "images") -> tuple[Iterable[Picture], bool]:
    """The pictures in order, and whether many were given: an iterable, or an array of four dimensions.

    An iterator is handed on as it is, so that its pictures need not all be held at once.

    Raises:
        ArgumentError: something that is no picture and holds none.

    >>> as_pictures("photo.jpg"), as_pictures(["a.jpg", "b.jpg"])
    ((['photo.jpg'], False), (['a.jpg', 'b.jpg'], True))
    """
    if isinstance(images, memoryview):  # which Python goes through only where it has one axis
        images = np.asarray(images)
    if is_tensor(images) or isinstance(images, np.ndarray):
        return (list(images), True) if images.ndim == 4 else ([images], False)
    if isinstance(images, str | os.PathLike | bytes | Image.Image) or _is_open_file(images):
        return [images], False
    if isinstance(images, Iterable):
        return images, True
    raise ArgumentError(
        f"{subject}: need a path, bytes, an open file, a Pillow picture, an array, a tensor, or several, "
        f"got {type(images).__name__}"
    )


def as_pixels(
    picture: Any, subject: str = "picture", *, channels: Sequence[int] = CHANNELS
) -> Shaped[np.ndarray, "height width *channels"]:
    """The picture as displayed, at its full depth: uint8, uint16, or float in [0, 1]; transparency is kept.

    Args:
        picture: a path, the bytes of a picture file, an open one, a Pillow picture, an array or a tensor.
        subject: what errors are about.
        channels: how many an array may have.

    Raises:
        FileError: where no picture can be read.
        ShapeError, DtypeError, ArgumentError, DeviceError: an array or tensor that is no picture.
    """
    # Only here, as reading and writing files are built on the conversions below.
    from convolens.media.images import displayed, read_image

    if isinstance(picture, Image.Image):
        return displayed(picture)
    if isinstance(picture, str | os.PathLike | bytes) or _is_open_file(picture):
        return read_image(picture)
    return checked(_array(picture, subject), subject, channels=channels)


def checked(pixels: NDArray[Any], subject: str = "picture", *, channels: Sequence[int] = CHANNELS) -> NDArray[Any]:
    """The pixels, if they are a picture's.

    Raises:
        ShapeError, DtypeError, ArgumentError: the wrong shape, dtype or range.

    >>> checked(np.full((2, 2), 255.0))
    Traceback (most recent call last):
        ...
    convolens.errors.ArgumentError: picture: need floats in [0, 1], got 255 to 255; divide by 255, or pass uint8
    """
    if pixels.ndim not in (2, 3) or pixels.size == 0 or (pixels.ndim == 3 and pixels.shape[2] not in channels):
        counts = f"{', '.join(map(str, channels[:-1]))} or {channels[-1]}"
        need = f"{subject}: need (height, width) or (height, width, {counts}), not empty, got {pixels.shape}"
        if pixels.ndim == 3 and pixels.shape[0] in channels:
            need += "; channels come last, and a preprocessed (N, C, H, W) batch goes to the model itself"
        raise ShapeError(need)
    if pixels.dtype.kind == "f":
        least, most = pixels.min(), pixels.max()
        if not (least >= 0 and most <= 1):  # so worded that NaN is refused too
            remedy = "; divide by 255, or pass uint8" if least >= 0 and 1 < most <= 255 else ""
            raise ArgumentError(f"{subject}: need floats in [0, 1], got {least:.3g} to {most:.3g}{remedy}")
    elif pixels.dtype not in (np.uint8, np.uint16):
        raise DtypeError(f"{subject}: need uint8, uint16 or floats in [0, 1], got {pixels.dtype}")
    return pixels


def white_of(dtype: DTypeLike) -> int:
    """The value of white: 255, 65535, or 1 for floats."""
    kind = np.dtype(dtype)
    return int(np.iinfo(kind).max) if kind.kind == "u" else 1


def over_white(pixels: NDArray[Any]) -> NDArray[Any]:
    """Without transparency, in the same dtype: what shows through is white, as on paper.

    >>> over_white(np.uint8([[[10, 20, 30, 0], [10, 20, 30, 255]]]))
    array([[[255, 255, 255],
            [ 10,  20,  30]]], dtype=uint8)
    """
    if pixels.ndim == 2 or pixels.shape[2] != 4:
        return pixels
    return in_strips(_over_white, pixels)


def _over_white(pixels: NDArray[Any]) -> NDArray[Any]:
    white = white_of(pixels.dtype)
    alpha = pixels[:, :, 3:] / np.float64(white)
    color = pixels[:, :, :3] * alpha + white * (1 - alpha)
    mixed: NDArray[Any] = (color.round() if pixels.dtype.kind == "u" else color).astype(pixels.dtype)
    return mixed


def as_gray_or_colors(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples as decoders give them in the shapes of pictures: one channel as `(H, W)`, grey and opacity as RGBA.

    >>> as_gray_or_colors(np.uint8([[[7, 255]]]))
    array([[[  7,   7,   7, 255]]], dtype=uint8)
    """
    if samples.ndim == 3 and samples.shape[2] == 2:
        return np.concatenate([np.repeat(samples[:, :, :1], 3, axis=2), samples[:, :, 1:]], axis=2)
    return samples[:, :, 0] if samples.ndim == 3 and samples.shape[2] == 1 else samples


def without_opacity(multiplied: NDArray[Any]) -> NDArray[Any]:
    """RGBA of whole numbers, of colours that were multiplied by their opacity: the colours themselves.

    >>> without_opacity(np.uint8([[[50, 25, 0, 127]]]))
    array([[[100,  50,   0, 127]]], dtype=uint8)
    """
    pixels = as_gray_or_colors(multiplied)
    white, opacity = white_of(pixels.dtype), pixels[:, :, 3:]
    full = pixels[:, :, :3].astype(np.float64) * white / np.maximum(opacity, 1)
    return np.concatenate([full.clip(0, white).round().astype(pixels.dtype), opacity], axis=2)


def to_unit(pixels: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """From any depth to floats, 0 for black and 1 for white."""
    unit: NDArray[Any] = np.divide(pixels, white_of(pixels.dtype), dtype=dtype, casting="same_kind")
    return unit


def from_unit(unit: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """The inverse of `to_unit`: rounded, and cut off at black and white.

    >>> from_unit(np.array([-0.1, 0.5, 1.2]), np.uint8)
    array([  0, 128, 255], dtype=uint8)
    """
    kind, white = np.dtype(dtype), white_of(dtype)

    def levels_of(rows: NDArray[Any]) -> NDArray[Any]:
        levels: NDArray[Any] = np.clip(rows, 0, 1) * white
        return (np.round(levels) if kind.kind == "u" else levels).astype(kind)

    return in_strips(levels_of, unit) if unit.ndim else levels_of(unit)


def as_rgb8(image: Shaped[np.ndarray, "height width *channels"]) -> UInt8[np.ndarray, "height width 3"]:
    """Any picture as 8-bit RGB: gray repeated, 16 bits rounded, floats in [0, 1] scaled, transparency over white.

    Raises:
        ShapeError, DtypeError, ArgumentError: not a picture.
    """
    pixels = over_white(as_levels(image))
    if pixels.dtype == np.uint16:
        pixels = in_strips(lambda rows: from_unit(to_unit(rows), np.uint8), pixels)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels)


def as_levels(image: object) -> NDArray[Any]:
    """Pixels in the shapes and dtypes that files hold: one channel as `(H, W)`, bool and floats as 8 bits."""
    pixels = as_array(image, "image")
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    pixels = checked(pixels, "image")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return from_unit(pixels, np.uint8) if pixels.dtype.kind == "f" else pixels


def _is_open_file(picture: object) -> TypeGuard[OpenFile]:
    return hasattr(picture, "read")


def _array(picture: object, subject: str) -> NDArray[Any]:
    if is_tensor(picture):
        need_numbers(picture, subject)
        tensor = picture.detach().cpu().resolve_neg()
        return (tensor.float() if is_half(tensor) else tensor).numpy()
    return as_array(picture, subject)
