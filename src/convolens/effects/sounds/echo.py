"""Echo: a sound plus delayed, quieter copies of itself.

    x(t) = dry · s(t) + Σ wₘ u(t − tₘ),   u(t) = s(t) + feedback · u(t − T),   T the longest delay

A convolution with a kernel of a few nonzeros, added up at memory speed: time taps × frames. With feedback, u is
the sound going round a loop; without, it is the sound.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from convolens.arrays import Real, is_tensor
from convolens.convolution import convolve
from convolens.convolution.named import NamedKernel
from convolens.effects import tensors
from convolens.effects.sounds.echo_stream import broadcast_channels, looped
from convolens.effects.sounds.echo_taps import Taps, Weights, echo_taps
from convolens.effects.sounds.sound import check_sound, stacked


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
    channels = taps.channels(1 if sound.ndim == 1 else sound.shape[1])
    if taps.weights.ndim == 2:
        sound = (
            sound.reshape(len(sound), -1).expand(-1, channels)
            if is_tensor(sound)
            else broadcast_channels(sound, channels)
        )
    if taps.feedback == 0:
        return _convolved(sound, taps, taps.dry)
    wet = _looped(sound, taps)
    result = _convolved(wet, taps, 0.0)[: len(wet)]
    result[: len(sound)] += taps.dry * sound
    return result


def echo_kernel(
    rate: Real, delays: Real | Sequence[Real], weights: Weights, *, dry: Real = 1.0, sub_sample: bool = False
) -> NamedKernel:
    """What `echo` convolves with, for `cl.plan(samples, kernel)` to explain how.

    With feedback an echo has no end: the loop is computed first, then these echoes are added.

    Args:
        rate: as in `echo`; the others, too.
        delays: see there.
        weights: see there.
        dry: see there.
        sub_sample: see there.

    Returns:
        `(frames,)`, or `(frames, channels)` where the channels' weights differ: a kernel for each.

    Raises:
        ArgumentError: as in `echo`.

    >>> echo_kernel(10, [0.2, 0.4], [0.5, 0.25])
    <kernel 'echo': 5, 3 not zero>
    """
    return echo_taps(rate, delays, weights, dry, 0, sub_sample).kernel(float(dry))


def _looped(sound: Any, taps: Taps) -> Any:
    """The sound and the silence after it, as they go round the loop."""
    rest = (taps.tail, *sound.shape[1:])
    if is_tensor(sound):
        whole = sys.modules["torch"].cat([sound, sound.new_zeros(rest)])
        return tensors.looped(whole, taps.loop, taps.feedback)
    return looped(None, np.concatenate([sound, np.zeros(rest, sound.dtype)]), taps)[0]


def _as_dtype_of(kernel: NamedKernel, sound: Any) -> Any:
    return sound.new_tensor(kernel) if is_tensor(sound) else kernel.astype(sound.dtype)


def _convolved(sound: Any, taps: Taps, dry: float) -> Any:
    """The whole sound by the planner, which may know better than adding up taps where there are many."""
    if taps.weights.ndim == 1:
        return convolve(sound, _as_dtype_of(taps.kernel(dry), sound), axes=0)
    return stacked([convolve(sound[:, c], _as_dtype_of(line, sound)) for c, line in enumerate(taps.kernels(dry))])
