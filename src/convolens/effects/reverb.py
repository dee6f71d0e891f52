"""Reverb: a sound as it would be in a room, by convolution with what the room answers to a click.

The planner cuts long sounds into blocks for Fourier transforms: time frames × log(impulse), not frames × impulse.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from jaxtyping import Float

from convolens.arrays import Real, is_tensor
from convolens.convolution import convolve
from convolens.effects.sound import check_sound
from convolens.errors import ArgumentError, DtypeError, ShapeError

# A true stereo impulse response: what each ear hears of a click on each side.
_LEFT_TO_LEFT, _LEFT_TO_RIGHT, _RIGHT_TO_LEFT, _RIGHT_TO_RIGHT = range(4)


def reverb(
    samples: Float[Any, "frames ..."], impulse: Float[Any, "taps ..."], *, dry: Real = 0.7, wet: Real = 0.3
) -> Float[Any, "longer ..."]:
    """The sound in the room of an impulse response, which must have the sound's rate.

    Never normalised and never cut: the tail is whole, and loud rooms may pass ±1.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats.
        impulse: `(taps,)` for all channels alike; `(taps, channels)`, one for each channel, or for a sound of one
            channel one for each of the result's; `(taps, 4)` for a stereo sound is true stereo: left to left, left to
            right, right to left, right to right.
        dry: how loud the sound itself is.
        wet: how loud the room is.

    Returns:
        `(frames + taps - 1, ...)` in the dtype of the samples.

    Raises:
        ShapeError: no samples, an empty impulse, or channels that do not match.
        DtypeError: not floats.
        ArgumentError: dry or wet is not finite.

    >>> reverb(np.array([1.0, 0.0]), np.array([1.0, 0.5]), dry=0.5, wet=0.5)
    array([1.  , 0.25, 0.  ])
    """
    sound, room = samples, impulse
    check_sound(sound)
    _check_impulse(room, sound)
    for name, level in (("dry", dry), ("wet", wet)):
        if not math.isfinite(level):
            raise ArgumentError(f"{name}: need a finite number, got {level}")
    room = room.to(sound.dtype) if is_tensor(room) else room.astype(sound.dtype, copy=False)
    result = _in_the_room(sound, room) * wet
    direct = sound if sound.ndim == result.ndim else sound[:, None]
    result[: len(sound)] += dry * direct
    return result


def _in_the_room(sound: Any, room: Any) -> Any:
    """The wet sound alone."""
    if room.ndim == 2 and room.shape[1] == 1:
        room = room[:, 0]
    if room.ndim == 1:
        return convolve(sound, room, axes=0)
    sides = [sound] * room.shape[1] if sound.ndim == 1 else [sound[:, c] for c in range(sound.shape[1])]
    if len(sides) == 2 and room.shape[1] == 4:
        left, right = sides
        return _stacked(
            [
                convolve(left, room[:, _LEFT_TO_LEFT]) + convolve(right, room[:, _RIGHT_TO_LEFT]),
                convolve(left, room[:, _LEFT_TO_RIGHT]) + convolve(right, room[:, _RIGHT_TO_RIGHT]),
            ]
        )
    sides = sides * room.shape[1] if len(sides) == 1 else sides
    return _stacked([convolve(side, room[:, c]) for c, side in enumerate(sides)])


def _stacked(channels: list[Any]) -> Any:
    return sys.modules["torch"].stack(channels, dim=1) if is_tensor(channels[0]) else np.stack(channels, axis=1)


def _check_impulse(room: Any, sound: Any) -> None:
    shape = tuple(getattr(room, "shape", ()))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ShapeError(f"impulse: need (taps,) or (taps, channels), at least one tap, got shape {shape}")
    if "float" not in str(room.dtype):
        raise DtypeError(f"impulse: need floats, got {room.dtype}; divide by the largest value")
    has = 1 if len(shape) == 1 else shape[1]
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    if has not in (1, channels) and channels != 1 and (channels, has) != (2, 4):
        four = " or 4 of true stereo" if channels == 2 else ""
        raise ShapeError(f"impulse: need 1 channel, or one for each of the sound's {channels}{four}, got {has}")
