"""Echo as a stream: a sound that comes in blocks, with its echoes, in memory for the longest delay.

Taps × frames at memory speed. Every sample's sum runs in the taps' order, so that the result is the same to the last
bit wherever the sound was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import Real, empty
from convolens.effects.sounds.echo_taps import Taps, Weights, echo_taps
from convolens.effects.sounds.sound import check_sound
from convolens.first_use import loaded
from convolens.memory import need_memory

_DELAY_LINE_SAMPLES = 1 << 20  # of all channels, until the past is moved to the delay line's beginning


def echo_stream(
    blocks: Iterable[NDArray[Any]],
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Weights,
    *,
    dry: Real = 1.0,
    feedback: Real = 0.0,
    sub_sample: bool = False,
) -> Iterator[NDArray[Any]]:
    """`echo` of a sound that comes in blocks: the same samples however it is cut, in memory for the longest delay.

    Args:
        blocks: `(frames, channels)` floats, one after another.
        rate: frames a second.
        delays: as in `echo`.
        weights: as in `echo`.
        dry: as in `echo`.
        feedback: as in `echo`.
        sub_sample: as in `echo`.

    Yields:
        The sound with its echoes, block for block, then the tail in blocks no longer than those that came.

    Errors as in `echo`.

    >>> blocks = [np.array([[1.0], [0.0]]), np.array([[0.0]])]
    >>> np.concatenate(list(echo_stream(blocks, 10, 0.2, 0.5)))[:, 0]
    array([1. , 0. , 0.5, 0. , 0. ])
    """
    taps = echo_taps(rate, delays, weights, dry, feedback, sub_sample)
    stream, longest = None, 1
    for block in blocks:
        check_sound(block)
        stream = stream or _Stream(taps, taps.channels(block.shape[1]), block.dtype)
        longest = max(longest, len(block))
        yield stream.next(broadcast_channels(block, stream.channels))
    tail = taps.tail if stream else 0
    while stream and tail > 0:
        silence = np.zeros((min(tail, longest), stream.channels), stream.dtype)
        tail -= len(silence)
        yield stream.next(silence)


class _Stream:
    """What an echo keeps of the past."""

    def __init__(self, taps: Taps, channels: int, dtype: np.dtype[Any]) -> None:
        self.channels, self.dtype = channels, dtype
        need_memory(4 * taps.longest * channels * dtype.itemsize, "delays", "make them shorter")
        self._taps = taps
        self._delay_line = np.zeros((taps.longest, channels), dtype)
        self._end = taps.longest
        self._last_loop: NDArray[Any] | None = None
        # The sound itself is a tap like the others where these are of the same signal.
        direct, level = ([0], [taps.dry]) if taps.feedback == 0 else ([], [])
        self._offsets = taps.longest - np.concatenate([direct, taps.at]).astype(np.int64)
        of_taps = np.broadcast_to(taps.weights.T if taps.weights.ndim == 2 else taps.weights, (channels, len(taps.at)))
        self._weights = np.concatenate([np.broadcast_to(level, (channels, len(level))), of_taps], axis=1).astype(dtype)

    def next(self, block: NDArray[Any]) -> NDArray[Any]:
        """The block with its echoes."""
        wet = block
        if self._taps.feedback:
            wet, self._last_loop = looped(self._last_loop, block, self._taps)
        known = self._appended(wet)
        out: NDArray[Any] = empty(block.shape, block.dtype)
        if self._taps.weights.ndim == 1:
            _add_taps(known, self._offsets, self._weights[0], out)
        else:
            for channel, weights in enumerate(self._weights):
                _add_taps(known[:, channel : channel + 1], self._offsets, weights, out[:, channel : channel + 1])
        if self._taps.feedback:
            out += block * block.dtype.type(self._taps.dry)
        return out

    def _appended(self, wet: NDArray[Any]) -> NDArray[Any]:
        """The past that the taps read, and the block after it; the past is moved only when the delay line is full."""
        past = self._delay_line[self._end - self._taps.longest : self._end]
        if self._end + len(wet) > len(self._delay_line):
            room = max(_DELAY_LINE_SAMPLES // self.channels, 2 * len(wet), len(past))
            self._delay_line = np.concatenate([past, np.empty((room, self.channels), self.dtype)])
            self._end = len(past)
        self._delay_line[self._end : self._end + len(wet)] = wet
        self._end += len(wet)
        return self._delay_line[self._end - len(wet) - len(past) : self._end]


def _add_taps(known: NDArray[Any], offsets: NDArray[np.int64], weights: NDArray[Any], out: NDArray[Any]) -> None:
    """`out[i] = Σ weights[t] · known[i + offsets[t]]`, every channel by itself."""
    places = np.stack([offsets, np.zeros_like(offsets)], axis=1)
    _core.correlate_sparse(known, places, np.ascontiguousarray(weights), out, _straight(*known.shape))


@lru_cache(maxsize=4)
def _straight(frames: int, channels: int) -> _core.Maps:
    """The maps of a signal that is not extended."""
    return _core.Maps([np.arange(frames), np.arange(channels)])


def looped(last: NDArray[Any] | None, block: NDArray[Any], taps: Taps) -> tuple[NDArray[Any], NDArray[Any]]:
    """The block as it goes round the loop, `u = block + feedback · u one loop ago`, and the last loop for the next.

    As rows of one loop each it is a recursion of first order down the columns.
    """
    lfilter = loaded("scipy.signal").lfilter

    loop, dtype = taps.loop, block.dtype
    before = np.zeros((loop, *block.shape[1:]), dtype) if last is None else last
    rows = -(-len(block) // loop)
    padded = np.concatenate([block, np.zeros((rows * loop - len(block), *block.shape[1:]), dtype)])
    feedback = dtype.type(taps.feedback)
    flat = padded.reshape(rows, -1)
    denominator = np.array([1, -feedback], dtype)
    rounds, _ = lfilter(np.ones(1, dtype), denominator, flat, axis=0, zi=feedback * before.reshape(1, -1))
    result: NDArray[Any] = rounds.reshape(padded.shape)[: len(block)]
    return result, np.concatenate([before, result[-loop:]])[-loop:]


def broadcast_channels(sound: Any, channels: int) -> Any:
    """A sound of one channel for as many as its echoes have."""
    if sound.ndim == 2 and sound.shape[1] == channels:
        return sound
    return np.repeat(sound.reshape(len(sound), -1), channels, axis=1)
