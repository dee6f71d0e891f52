"""Echo: a sound plus delayed, quieter copies of itself.

    x(t) = dry · s(t) + Σ wₘ u(t − tₘ),   u(t) = s(t) + feedback · u(t − T),   T the longest delay

A convolution with a kernel of a few non-zero taps, added up at memory speed: time taps × frames. With feedback, u is
the sound going round a loop; without, it is the sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens import _core
from convolens.arrays import Real, empty, is_tensor
from convolens.convolution import convolve
from convolens.effects import tensors
from convolens.effects.echo_taps import Taps, Weights, echo_taps
from convolens.effects.sound import check_sound


def echo(
    samples: Float[Any, "frames ..."],
    rate: Real,
    delays: Real | Sequence[Real],
    weights: Weights,
    *,
    dry: Real = 1.0,
    feedback: Real = 0.0,
    sub_sample: bool = False,
) -> Float[Any, "longer ..."]:
    """The sound with its echoes; longer than it came by the longest delay.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats. Each channel echoes by itself.
        rate: frames a second.
        delays: seconds until each echo, to the nearest frame.
        weights: how loud each echo is; 1 is as loud as the sound, negative turns it upside down. One for each delay,
            or for each delay one for each channel: `[[0.6, 0], [0, 0.4]]` answers on the left, then on the right. A
            sound of one channel becomes one of as many.
        dry: how loud the sound itself stays.
        feedback: what of the echoes goes round again, every longest delay, between -1 and 1; the tail then lasts
            until it is 90 dB down.
        sub_sample: delays that fall between two frames are kept as they are, by a windowed sinc of 64 taps, flat to
            0.1 dB up to 0.9 of the highest frequency. They need at least 32 frames. The loop of `feedback` stays in
            whole frames.

    Returns:
        `(frames + longest delay, ...)` in the dtype of the samples. Never clipped: loud echoes may pass ±1.

    Raises:
        ShapeError: no samples, or more than two dimensions.
        DtypeError: not floats.
        ArgumentError: a delay that is negative, not finite or above a day, not one weight for each, a feedback of 1
            or more, or a rate that is not positive.

    >>> click = np.array([1.0, 0.0, 0.0])
    >>> echo(click, rate=10, delays=[0.2, 0.4], weights=[0.5, 0.25])
    array([1.  , 0.  , 0.5 , 0.  , 0.25, 0.  , 0.  ])
    """
    sound: Any = samples
    check_sound(sound)
    taps = echo_taps(rate, delays, weights, dry, feedback, sub_sample)
    wide = taps.channels(1 if sound.ndim == 1 else sound.shape[1])
    if taps.weights.ndim == 2:
        sound = _spread(sound, wide)
    if is_tensor(sound):
        return tensors.echo(sound, taps)
    if taps.feedback == 0:
        return _convolved(sound, taps, taps.dry)
    silence = np.zeros((taps.tail, *sound.shape[1:]), sound.dtype)
    looped, _ = _looped(None, np.concatenate([sound, silence]), taps)
    result = _convolved(looped, taps, 0.0)[: len(looped)]
    result[: len(sound)] += sound * sound.dtype.type(taps.dry)
    return result


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
        yield stream.next(_spread(block, stream.channels))
    tail = taps.tail if stream else 0
    while stream and tail > 0:
        silence = np.zeros((min(tail, longest), stream.channels), stream.dtype)
        tail -= len(silence)
        yield stream.next(silence)


class _Stream:
    """What an echo keeps of the past. Every sample's sum runs in the taps' order, wherever the blocks are cut."""

    def __init__(self, taps: Taps, channels: int, dtype: np.dtype[Any]) -> None:
        self.channels, self.dtype = channels, dtype
        self._taps = taps
        self._past = np.zeros((taps.reach, channels), dtype)
        self._round: NDArray[Any] | None = None
        # The sound itself is a tap like the others where they hear the same.
        direct, level = ([0], [taps.dry]) if taps.feedback == 0 else ([], [])
        self._offsets = taps.reach - np.concatenate([direct, taps.at]).astype(np.int64)
        of_taps = np.broadcast_to(taps.weights.T if taps.weights.ndim == 2 else taps.weights, (channels, len(taps.at)))
        self._weights = np.concatenate([np.broadcast_to(level, (channels, len(level))), of_taps], axis=1).astype(dtype)

    def next(self, block: NDArray[Any]) -> NDArray[Any]:
        """The block with its echoes."""
        heard = block
        if self._taps.feedback:
            heard, self._round = _looped(self._round, block, self._taps)
        known = np.concatenate([self._past, heard])
        self._past = known[len(block) :]
        out: NDArray[Any] = empty(block.shape, block.dtype)
        if self._taps.weights.ndim == 1:
            _add_taps(known, self._offsets, self._weights[0], out)
        else:
            for channel, weights in enumerate(self._weights):
                _add_taps(known[:, channel : channel + 1], self._offsets, weights, out[:, channel : channel + 1])
        if self._taps.feedback:
            out += block * block.dtype.type(self._taps.dry)
        return out


def _add_taps(known: NDArray[Any], offsets: NDArray[np.int64], weights: NDArray[Any], out: NDArray[Any]) -> None:
    """`out[i] = Σ weights[t] · known[i + offsets[t]]`, every channel by itself."""
    places = np.stack([offsets, np.zeros_like(offsets)], axis=1)
    _core.correlate_sparse(known, places, np.ascontiguousarray(weights), out, _straight(*known.shape))


@lru_cache(maxsize=4)
def _straight(frames: int, channels: int) -> _core.Maps:
    """Samples that come from where they are."""
    return _core.Maps([np.arange(frames), np.arange(channels)])


def _looped(last: NDArray[Any] | None, block: NDArray[Any], taps: Taps) -> tuple[NDArray[Any], NDArray[Any]]:
    """The block as it goes round the loop, `u = block + feedback · u one loop ago`, and the last loop for the next.

    As rows of one loop each it is a recursion of first order down the columns.
    """
    from scipy.signal import lfilter

    loop, dtype = taps.loop, block.dtype
    before = np.zeros((loop, *block.shape[1:]), dtype) if last is None else last
    rows = -(-len(block) // loop)
    padded = np.concatenate([block, np.zeros((rows * loop - len(block), *block.shape[1:]), dtype)])
    keep = dtype.type(taps.feedback)
    flat = padded.reshape(rows, -1)
    back = np.array([1, -keep], dtype)
    looped, _ = lfilter(np.ones(1, dtype), back, flat, axis=0, zi=keep * before.reshape(1, -1))
    result: NDArray[Any] = looped.reshape(padded.shape)[: len(block)]
    return result, np.concatenate([before, result[-loop:]])[-loop:]


def _convolved(sound: NDArray[Any], taps: Taps, dry: float) -> NDArray[Any]:
    """The whole sound by the planner, which may know better than adding up taps where there are many."""
    impulse = np.zeros((taps.reach + 1, *taps.weights.shape[1:]), sound.dtype)
    np.add.at(impulse, taps.at, taps.weights.astype(sound.dtype))  # two echoes may share a frame
    impulse[0] += sound.dtype.type(dry)
    if impulse.ndim == 1:
        result: NDArray[Any] = convolve(sound, impulse, axes=0)
        return result
    return np.stack([convolve(sound[:, c], impulse[:, c]) for c in range(sound.shape[1])], axis=1)


def _spread(sound: Any, channels: int) -> Any:
    """A sound of one channel for as many as its echoes have."""
    if is_tensor(sound):
        return sound.reshape(len(sound), -1).expand(-1, channels)
    return (
        sound
        if sound.ndim == 2 and sound.shape[1] == channels
        else np.repeat(sound.reshape(len(sound), -1), channels, axis=1)
    )
