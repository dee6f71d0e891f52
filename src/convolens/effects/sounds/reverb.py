"""Reverb: a sound as it would be in a room, by convolution with what the room answers to a click.

The planner cuts long sounds into blocks for Fourier transforms: time frames × log(impulse), not frames × impulse. As a
stream every path from a channel to an ear is a `convolver`, in memory for a few impulses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real, as_real, is_tensor, need_dense
from convolens.convolution import convolve, convolver
from convolens.effects.sounds.resampling import resample_impulse
from convolens.effects.sounds.sound import as_rate, check_sound, stacked
from convolens.errors import ArgumentError, DtypeError, ShapeError
from convolens.memory import need_memory

# A true stereo impulse response: what each ear hears of a click on each side.
_LEFT_TO_LEFT, _LEFT_TO_RIGHT, _RIGHT_TO_LEFT, _RIGHT_TO_RIGHT = range(4)

_MAX_PRE_DELAY = 60  # seconds
_HELD = 20  # impulses that a stream holds at once: copies, spectra, and as much of the sound and its spectra


def reverb(
    samples: Float[Any, "frames ..."],
    impulse: Float[Any, "length ..."],
    *,
    dry: Real = 0.7,
    wet: Real = 0.3,
    rate: Real | None = None,
    impulse_rate: Real | None = None,
    pre_delay: Real = 0.0,
) -> Float[Any, "longer ..."]:
    """The sound in the room of an impulse response.

    Never normalised and never cut: the tail is whole, and loud rooms may pass ±1.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats.
        impulse: `(length,)` for all channels alike; `(length, channels)`, one for each channel, or for a sound of one
            channel one for each of the result's; `(length, 4)` for a stereo sound is true stereo: left to left, left to
            right, right to left, right to right.
        dry: how loud the sound itself is.
        wet: how loud the room is.
        rate: the sound's frames a second; needed only for the next two.
        impulse_rate: the impulse's, where it is another: it is resampled.
        pre_delay: seconds until the room begins to answer.

    Returns:
        `(frames + length - 1, ...)` in the dtype of the samples; longer by the pre-delay.

    Raises:
        ShapeError: no samples, an empty impulse, or channels that do not match.
        DtypeError: not floats.
        ArgumentError: dry or wet is not finite, a rate that is not positive, a pre-delay that is negative or above a
            minute, or one of these without `rate`.

    >>> reverb(np.array([1.0, 0.0]), np.array([1.0, 0.5]), dry=0.5, wet=0.5)
    array([1.  , 0.25, 0.  ])
    """
    sound, room = samples, impulse
    check_sound(sound)
    _check_impulse(room, sound)
    if not is_tensor(sound):
        sound, room = np.asarray(sound), np.asarray(room)  # classes of their own have dtypes of their own
    dry, wet = as_real(dry, "dry"), as_real(wet, "wet")
    room = _at_rate(room, rate, impulse_rate)
    room = room.to(sound.dtype) if is_tensor(room) else room.astype(sound.dtype, copy=False)
    delay = _delay_frames(pre_delay, rate)
    result = _wet(sound, room * wet)
    if delay:
        result = _delayed(result, delay)
    direct = sound if sound.ndim == result.ndim else sound[:, None]
    if dry != 0:  # an hour is a gigabyte: not read once more for nothing
        result[: len(sound)] += dry * direct
    return result


def reverb_stream(
    blocks: Iterable[NDArray[Any]],
    impulse: NDArray[Any],
    *,
    dry: Real = 0.7,
    wet: Real = 0.3,
    rate: Real | None = None,
    impulse_rate: Real | None = None,
    pre_delay: Real = 0.0,
) -> Iterator[NDArray[Any]]:
    """`reverb` of a sound that comes in blocks: the same samples however it is cut.

    Args:
        blocks: `(frames, channels)` floats, one after another.
        impulse: as in `reverb`; the others, too.
        dry: see there.
        wet: see there.
        rate: see there.
        impulse_rate: see there.
        pre_delay: see there.

    Yields:
        `(frames, channels)`, block for block, then the tail.

    Errors as in `reverb`.

    >>> click = [np.array([[1.0]]), np.array([[0.0]])]
    >>> np.concatenate(list(reverb_stream(click, np.array([1.0, 0.5]), dry=0, wet=1)))[:, 0].round(6)
    array([1. , 0.5, 0. ])
    """
    room = _at_rate(impulse, rate, impulse_rate)
    delay = _delay_frames(pre_delay, rate)
    dry, wet = as_real(dry, "dry"), as_real(wet, "wet")
    need_memory(_HELD * room.size * room.itemsize, "impulse", "use a shorter one")
    stream: _Stream | None = None
    for block in blocks:
        check_sound(block)
        if stream is None:
            _check_impulse(room, block)
            stream = _Stream(room.astype(block.dtype, copy=False) * wet, block.shape[1], delay)
        answer = stream.next(block)
        if dry != 0:
            answer += dry * block
        yield answer
    if stream is not None and len(tail := stream.rest()):
        yield tail


class _Stream:
    """The wet sound of blocks, each path from a channel to an ear by itself; or all channels alike."""

    def __init__(self, room: NDArray[Any], channels: int, delay: int) -> None:
        self._ears = channels_after(channels, 1 if room.ndim == 1 else room.shape[1])
        self._paths = [(side, ear, convolver(path)) for side, ear, path in _paths(room, channels)]
        self._late = np.zeros((delay, self._ears), room.dtype)  # wet sound that waits for the pre-delay to go by

    def next(self, block: NDArray[Any]) -> NDArray[Any]:
        """As many frames as the block has."""
        answer = self._heard([path.push(block[:, side]) for side, _, path in self._paths])
        if not len(self._late):
            return answer
        known = np.concatenate([self._late, answer])
        self._late = known[len(block) :]
        return known[: len(block)].copy()

    def rest(self) -> NDArray[Any]:
        """The tail."""
        return np.concatenate([self._late, self._heard([path.flush() for _, _, path in self._paths])])

    def _heard(self, found: list[NDArray[Any]]) -> NDArray[Any]:
        """What all paths bring to the ears."""
        answer = np.zeros((len(found[0]), self._ears), found[0].dtype)
        for (_, ear, _), wet in zip(self._paths, found, strict=True):
            answer[:, ear] += wet
        return answer


def _paths(room: NDArray[Any], channels: int) -> list[tuple[slice, slice, NDArray[Any]]]:
    """Which channels, which ears and what lies between them."""
    if room.ndim == 1 or room.shape[1] == 1:
        return [(slice(None), slice(None), room.reshape(-1))]
    ways = [(0 if channels == 1 else ear, ear, ear) for ear in range(room.shape[1])]
    if (channels, room.shape[1]) == (2, 4):
        ways = [(0, 0, _LEFT_TO_LEFT), (1, 0, _RIGHT_TO_LEFT), (0, 1, _LEFT_TO_RIGHT), (1, 1, _RIGHT_TO_RIGHT)]
    return [(slice(side, side + 1), slice(ear, ear + 1), room[:, way]) for side, ear, way in ways]


def _at_rate(room: Any, rate: Real | None, impulse_rate: Real | None) -> Any:
    if impulse_rate is None:
        return room
    if rate is None:
        raise ArgumentError("rate: need the sound's, as the impulse's is given, got none")
    rate, impulse_rate = as_rate(rate), as_rate(impulse_rate, "impulse_rate")
    if rate == impulse_rate:
        return room
    if is_tensor(room):
        raise DtypeError("impulse: need a NumPy array to resample it, got a tensor; resample it first")
    return resample_impulse(room, impulse_rate, rate)


def _delay_frames(pre_delay: Real, rate: Real | None) -> int:
    need = f"seconds from 0 to {_MAX_PRE_DELAY}"
    seconds = as_real(pre_delay, "pre_delay", need, lambda s: 0 <= s <= _MAX_PRE_DELAY)
    if seconds == 0:
        return 0
    if rate is None:
        raise ArgumentError("rate: need the sound's, as there is a pre-delay, got none")
    return round(seconds * as_rate(rate))


def _delayed(wet: Any, frames: int) -> Any:
    """The sound after this number of frames of silence."""
    if is_tensor(wet):
        return sys.modules["torch"].cat([wet.new_zeros([frames, *wet.shape[1:]]), wet])
    return np.concatenate([np.zeros((frames, *wet.shape[1:]), wet.dtype), wet])


def _wet(sound: Any, room: Any) -> Any:
    """The wet sound alone."""
    if room.ndim == 2 and room.shape[1] == 1:
        room = room[:, 0]
    if room.ndim == 1:
        return convolve(sound, room, axes=0)
    sides = [sound] * room.shape[1] if sound.ndim == 1 else [sound[:, c] for c in range(sound.shape[1])]
    if len(sides) == 2 and room.shape[1] == 4:
        left, right = sides
        return stacked(
            [
                convolve(left, room[:, _LEFT_TO_LEFT]) + convolve(right, room[:, _RIGHT_TO_LEFT]),
                convolve(left, room[:, _LEFT_TO_RIGHT]) + convolve(right, room[:, _RIGHT_TO_RIGHT]),
            ]
        )
    sides = sides * room.shape[1] if len(sides) == 1 else sides
    return stacked([convolve(side, room[:, c]) for c, side in enumerate(sides)])


def channels_after(channels: int, of_impulse: int) -> int:
    """How many channels the reverb of a sound has.

    >>> channels_after(1, 2), channels_after(2, 4), channels_after(2, 1)
    (2, 2, 2)
    """
    return of_impulse if channels == 1 else channels


def _check_impulse(room: Any, sound: Any) -> None:
    shape = tuple(getattr(room, "shape", ()))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ShapeError(f"impulse: need (length,) or (length, channels), at least one sample, got shape {shape}")
    if is_tensor(room) != is_tensor(sound) or not (is_tensor(room) or isinstance(room, np.ndarray)):
        raise DtypeError(f"impulse: need {type(sound).__name__}, as the samples are, got {type(room).__name__}")
    if is_tensor(room):
        need_dense(room, "impulse")
    if "float" not in str(room.dtype):
        raise DtypeError(f"impulse: need floats, got {room.dtype}; divide by the largest value")
    own = 1 if len(shape) == 1 else shape[1]
    channels = 1 if sound.ndim == 1 else sound.shape[1]
    if own not in (1, channels) and channels != 1 and (channels, own) != (2, 4):
        four = " or 4 of true stereo" if channels == 2 else ""
        raise ShapeError(f"impulse: need 1 channel, or one for each of the sound's {channels}{four}, got {own}")
