"""What weights expect of a picture. It belongs to the weights and is kept with them in every model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from convolens.arrays import as_real, as_whole
from convolens.effects.sounds.heard import Heard, heard, is_sound
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FormatError, ShapeError, need_one_of
from convolens.media.pixels import CHANNELS, as_pictures, as_pixels, over_white, to_unit
from convolens.memory import need_memory

# A model file may not ask for pictures so large that a small file takes all memory.
_HELD = 2  # pictures in floats that are held at once: as read, and in the order that resizing takes
_STRIP_PIXELS = 1 << 20  # of a larger picture that are floats at once
MAX_SIDE = 8192


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to a network's input: resize, crop, scale, subtract the mean, divide by the deviation.

    The defaults are those of torchvision's ImageNet weights at the picture's own size.

    Attributes:
        order: of the colour channels, as the network wants them.
        white: the value that white has before the mean is subtracted: 1, or 255 for Caffe's and Keras's weights.
        mean: to subtract, one a channel, in `order`.
        deviation: to divide by, likewise.
        resize: pixels of the shorter side after resizing, or None to keep the picture's size.
        crop: side of the centre square that is kept, or None.
        stretch: side of the square, or height and width, that the whole picture is brought to, whatever its shape, in
            place of `resize` and `crop`; nothing is cut off. For tasks that need all of a picture, such as
            localizing.
        interpolation: `bilinear` or `bicubic`.
        antialias: whether shrinking averages over all pixels; False uses the nearest few only, as torchvision's
            detectors were trained.
        sound: how a sound becomes a picture, of a network that hears; it then takes sound files, and no pictures. None
            where it sees.
    """

    order: Literal["rgb", "bgr"] = "rgb"
    white: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)
    resize: int | None = None
    crop: int | None = None
    stretch: int | tuple[int, int] | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    sound: Hearing | None = None

    def __call__(self, pictures: object) -> Float[Tensor, "batch channels height width"]:
        """Pictures as a float32 batch.

        Args:
            pictures: a path, bytes, an open file, a Pillow picture, an array or tensor `(H, W)` or `(H, W, C)` (uint8,
                uint16, or float in [0, 1], RGB), or several; gray is repeated where the network wants color, what is
                transparent is put over white.

        Raises:
            ShapeError: pictures of different sizes, with nothing that makes them equal.
            FileError, DtypeError, ArgumentError: what is no picture, as in `convolens.media.pixels.as_pixels`.
        """
        batch = [self._one(picture) for picture in as_pictures(pictures, "pictures")[0]]
        if not batch:
            raise ShapeError("pictures: need at least one, got none")
        sizes = sorted({f"{picture.shape[1]}×{picture.shape[2]}" for picture in batch})
        if len(sizes) > 1:
            raise ShapeError(f"pictures: need one size for a batch, got {', '.join(sizes)}; resize or pass one by one")
        return self.normalize(torch.stack(batch))

    def normalize(self, batch: Float[Tensor, "batch channels height width"]) -> Tensor:
        """A batch of RGB in [0, 1] as the network's input. Differentiable; no resizing."""
        mean, deviation = self._statistics(batch)
        return (self._reorder(batch) * self.white - mean) / deviation

    def denormalize(self, batch: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The inverse of `normalize`: RGB, in [0, 1] where the batch came from a picture."""
        mean, deviation = self._statistics(batch)
        return self._reorder((batch * deviation + mean) / self.white)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that a picture has after resizing, before the crop."""
        if self.stretch is not None:
            return (self.stretch, self.stretch) if isinstance(self.stretch, int) else self.stretch
        if self.resize is None:
            return height, width
        # The longer side is cut to whole pixels, as torchvision's and PIL-based pipelines do.
        return height * self.resize // min(height, width), width * self.resize // min(height, width)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a model file's header; of a network that sees, without a word of sounds."""
        values = asdict(self)
        if self.sound is None:
            del values["sound"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], channels: int = 3) -> Preprocessing:
        """The inverse of `to_dict`, also after a trip through JSON; every field is checked by its kind.

        Raises:
            ArgumentError: a field that there is not, of another kind, or not for `channels` of them.

        >>> Preprocessing.from_dict(Preprocessing(resize=256).to_dict()) == Preprocessing(resize=256)
        True
        """
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        if fields.get("sound") is not None:
            fields["sound"] = Hearing.from_dict(fields["sound"])
        try:
            made = cls(**fields)
        except TypeError as error:
            known = ", ".join(cls.__dataclass_fields__)
            raise ArgumentError(f"preprocessing: need the fields {known}, got {', '.join(values)}") from error
        return _checked(made, channels)

    def _one(self, picture: object) -> Tensor:
        channels = len(self.mean)
        array = as_pixels(self.file(picture), channels=sorted({*CHANNELS, channels}))
        array = array if self.sound is None else self._framed(array, self.sound)
        height, width = array.shape[:2]
        size = self.resized(height, width)
        rows = _STRIP_PIXELS // width + 1
        if rows >= height or size == (height, width) or not self.antialias:
            need_memory(_HELD * 4 * array.size, f"picture of {array.shape}", "make it smaller")
            return self._fit(self._unit(array))
        return self._cropped(self._interpolated(self._narrowed(array, size, rows), size).clamp(0, 1))

    def file(self, picture: object) -> object:
        """What is read of a file: of a network that hears, a sound by its own hearing; what is no file stays as it is.

        Raises:
            FormatError: a sound for a network that sees, or another file for one that hears.
        """
        if isinstance(picture, Heard):
            if self.sound is None:
                raise FormatError(f"{picture}: need a picture, got a sound; the network was taught by pictures")
            return picture.by(self.sound)
        if isinstance(picture, str | PathLike) and self.sound is not None:
            if not is_sound(picture):
                raise FormatError(f"{picture}: need a sound, as the network was taught by sounds, got another file")
            return heard(picture, self.sound)
        return picture

    def _framed(self, array: NDArray[Any], sound: Hearing) -> NDArray[Any]:
        """A sound's picture at the network's size.

        Raises:
            ShapeError: a picture of another height than the network's bands.
        """
        if len(array) != sound.bands:
            raise ShapeError(f"picture: need {sound.bands} rows, one for each band that is heard, got {len(array)}")
        return sound.framed(array)

    def _narrowed(self, array: NDArray[Any], size: tuple[int, int], rows: int) -> Tensor:
        """A large picture at the width that it is resized to, its height as it was: by so many rows at a time.

        Resizing with antialiasing goes along one axis, then along the other: the bits are those of the whole.
        """
        height, channels = len(array), len(self.mean)
        held = _HELD * rows * array[0].size + channels * size[1] * (height + size[0])
        need_memory(4 * held, f"picture of {array.shape}", "make it smaller")
        narrow = torch.empty(channels, height, size[1])
        for top in range(0, height, rows):
            strip = self._unit(array[top : top + rows])
            narrow[:, top : top + rows] = self._interpolated(strip, (strip.shape[1], size[1]))
        return narrow

    def _unit(self, array: NDArray[Any]) -> Tensor:
        """`(channels, height, width)` in [0, 1]."""
        channels = len(self.mean)
        unit = to_unit(array if channels == 4 else over_white(array))
        pixels = torch.from_numpy(np.ascontiguousarray(unit.reshape(*unit.shape[:2], -1)))
        if pixels.shape[2] == 1:
            pixels = pixels.expand(-1, -1, channels)
        if pixels.shape[2] != channels:
            raise ShapeError(f"picture: need {channels} channels, got {pixels.shape[2]}")
        return pixels.permute(2, 0, 1)

    def _interpolated(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        resized: Tensor = torch.nn.functional.interpolate(
            picture[None], size, mode=self.interpolation, align_corners=False, antialias=self.antialias
        )[0]
        return resized

    def _fit(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[1:]
        size = self.resized(height, width)
        return self._cropped(picture if size == (height, width) else self._interpolated(picture, size).clamp(0, 1))

    def _cropped(self, picture: Tensor) -> Tensor:
        if self.crop is not None:
            picture = _center(picture, self.crop)
        return picture

    def cropped(self, side: int) -> Preprocessing:
        """This preprocessing with pictures brought to a square: the shorter side resized, the centre cut out.

        Raises:
            ArgumentError: less than a pixel.
        """
        side = as_whole(side, "size", 1)
        return replace(self, resize=side, crop=side, stretch=None)

    def stretched(self, size: tuple[int, int]) -> Preprocessing:
        """This preprocessing with all of every picture brought to one height and width."""
        return replace(self, resize=None, crop=None, stretch=size)

    def _statistics(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (batch.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.deviation))
        return mean, deviation

    def _reorder(self, batch: Tensor) -> Tensor:
        return batch.flip(1) if self.order == "bgr" else batch


def any_channels(count: int) -> Preprocessing:
    """For inputs that are not colour: from [0, 1] to [-2, 2], about what ImageNet's statistics do to colour."""
    return Preprocessing(mean=(0.5,) * count, deviation=(0.25,) * count)


def _center(picture: Tensor, side: int) -> Tensor:
    height, width = picture.shape[1:]
    if min(height, width) < side:
        raise ShapeError(f"picture: need at least {side}×{side} pixels to crop, got {height}×{width}")
    # round, not floor: torchvision's CenterCrop.
    top, left = round((height - side) / 2), round((width - side) / 2)
    return picture[:, top : top + side, left : left + side]


def _checked(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The preprocessing, if every field is of its kind and its sizes are a picture's."""
    numbers: tuple[Any, ...] = (preprocessing.white, *preprocessing.mean, *preprocessing.deviation)
    for number in numbers:
        as_real(number, "preprocessing: mean, deviation or white")
    for deviation in preprocessing.deviation:
        as_real(deviation, "preprocessing: deviation", "a number that can be divided by", lambda value: value != 0)
    need_one_of("preprocessing: order", preprocessing.order, ("rgb", "bgr"))
    need_one_of("preprocessing: interpolation", preprocessing.interpolation, ("bilinear", "bicubic"))
    if not isinstance(preprocessing.antialias, bool):
        raise ArgumentError(f"preprocessing: need antialias as true or false, got {preprocessing.antialias!r}")
    if len(preprocessing.mean) != channels or len(preprocessing.deviation) != channels:
        raise ArgumentError(
            f"preprocessing: need a mean and a deviation for each of {channels} channels, "
            f"got {len(preprocessing.mean)} and {len(preprocessing.deviation)}"
        )
    for name in ("resize", "crop", "stretch"):
        given = getattr(preprocessing, name)
        pair = name == "stretch" and isinstance(given, tuple) and len(given) == 2
        for side in given if pair else (given,):
            if side is not None and not (type(side) is int and 1 <= side <= MAX_SIDE):
                raise ArgumentError(f"preprocessing: need {name} of 1 to {MAX_SIDE} pixels, got {given!r}")
    return preprocessing
