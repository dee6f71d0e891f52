"""Unecho: a recording without its echoes.

    x(t) = s(t) + Σ wₘ s(t − tₘ),   so   s(t) = x(t) − Σ wₘ s(t − tₘ)

where that recursion is stable: exact, taps × frames, and as a stream. Where an echo is as loud as the sound it is not,
and the inverse is done on the whole spectrum, both ways in time; frequencies that the echo cancels are gone and must
be given up (regularized deconvolution), or the noise in their place is amplified without bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.arrays import Real, as_real
from convolens.effects.sounds.echo_search import find_echoes, response
from convolens.effects.sounds.echo_taps import echo_taps
from convolens.effects.sounds.sound import check_array
from convolens.errors import ArgumentError, NothingFoundError
from convolens.first_use import loaded

_MIN_RESPONSE = 0.02  # |H| at its lowest: noise at that frequency is amplified by 34 dB
_MAX_REGULARIZATION = 1e6  # whose square is far above any response
_GRID = 8  # frequencies for each frame of the longest delay


def unecho(
    samples: Float[np.ndarray, "frames ..."],
    rate: Real,
    delays: Real | Sequence[Real] | None = None,
    weights: Real | Sequence[Real] | None = None,
    *,
    reference: Float[np.ndarray, "others ..."] | None = None,
    regularization: Real = 0.0,
) -> Float[np.ndarray, "frames ..."]:
    """The recording without its echoes, which are found in it unless they are given.

    Args:
        samples: `(frames,)` or `(frames, channels)`, floats; all channels have the same echoes.
        rate: frames a second.
        delays: seconds until each echo, if known.
        weights: how loud each is against the sound, one for each delay.
        reference: the same recording without echoes, to find them by; see `find_echoes`.
        regularization: how much of each frequency is given up, compared with the sound itself: at r, what the echo
            leaves of it below r is not brought back. 0 brings back all, or says that it cannot.

    Returns:
        Shape and dtype of the samples; where the tail of the echoes was, there is silence.

    Raises:
        ArgumentError: no echoes found; or they cancel a frequency almost wholly, so that without regularization it
            cannot be brought back; or only one of delays and weights.
        ShapeError, DtypeError: not a sound.

    >>> unecho(np.array([1.0, 0.0, 0.5, 0.0]), rate=10, delays=0.2, weights=0.5)
    array([1., 0., 0., 0.])
    """
    check_array(samples)
    at, loudness = _known_or_found(samples, rate, delays, weights, reference)
    need = f"a number from 0 to {_MAX_REGULARIZATION:g}"
    regularization = as_real(regularization, "regularization", need, lambda r: 0 <= r <= _MAX_REGULARIZATION)
    if regularization == 0:
        _check_invertible(at, loudness, rate)
    if regularization == 0 and is_stable(at, loudness):
        blocks: Any = [samples.reshape(len(samples), -1)]
        return np.concatenate(list(_recursion(blocks, at, loudness))).reshape(samples.shape)
    return _deconvolved(samples, at, loudness, regularization)


def unecho_stream(
    blocks: Iterable[NDArray[Any]], rate: Real, delays: Real | Sequence[Real], weights: Real | Sequence[Real]
) -> Iterator[NDArray[Any]]:
    """`unecho` with known echoes of a sound that comes in blocks: the same samples however it is cut.

    Raises:
        ArgumentError: as in `unecho`, or echoes that need the whole sound at once.

    >>> blocks = [np.array([[1.0], [0.0]]), np.array([[0.5]])]
    >>> np.concatenate(list(unecho_stream(blocks, 10, 0.2, 0.5)))[:, 0]
    array([1., 0., 0.])
    """
    taps = echo_taps(rate, delays, weights, 1.0)
    at, loudness = _checked(taps.at, taps.weights)
    _check_invertible(at, loudness, rate)
    if not is_stable(at, loudness):
        raise ArgumentError("weights: need echoes that die away to undo them in a stream, got louder ones")
    return _recursion(blocks, at, loudness)


def change_for(delays: Sequence[float], weights: Sequence[float], *, regularization: float) -> Any:
    """What removes these echoes from the blocks of a sound of some rate: as a stream where that can be, else whole."""

    def change(blocks: Iterable[NDArray[Any]], rate: int) -> Iterator[NDArray[Any]]:
        at = echo_taps(rate, delays, weights, 1.0).at
        if regularization == 0 and is_stable(at, np.asarray(weights, np.float64)):
            return unecho_stream(blocks, rate, delays, weights)
        whole = np.concatenate(list(blocks))
        return iter([unecho(whole, rate, delays, weights, regularization=regularization)])

    return change


def is_stable(at: NDArray[np.int64], weights: NDArray[np.float64]) -> bool:
    """Whether the recursion dies away: whether H winds round 0 no more than the sound alone does (Nyquist)."""
    if np.abs(weights).sum() < 1:
        return True
    H = response(at.tolist(), weights, _size(at))
    winding = np.angle(H[1:] * H[:-1].conj()).sum()
    return bool(abs(winding) < np.pi / 2)


def _known_or_found(
    samples: NDArray[Any], rate: Real, delays: Any, weights: Any, reference: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if (delays is None) != (weights is None):
        raise ArgumentError("weights: need both delays and weights, or neither, got one of them")
    if delays is None:
        delays, weights = find_echoes(samples, rate, reference=reference)
    taps = echo_taps(rate, delays, weights, 1.0)
    return _checked(taps.at, taps.weights)


def _checked(at: NDArray[np.int64], weights: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if weights.ndim != 1:
        raise ArgumentError(f"weights: need one for each delay, for all channels alike, got {weights.shape}")
    if (at == 0).any():
        raise ArgumentError("delays: need at least one frame until an echo to undo it, got 0")
    return at, weights


def _check_invertible(at: NDArray[np.int64], weights: NDArray[np.float64], rate: Real) -> None:
    size = _size(at)
    left = np.abs(response(at.tolist(), weights, size))
    lowest = int(left.argmin())
    if left[lowest] < _MIN_RESPONSE:
        raise NothingFoundError(
            f"echoes: need some of every pitch left to bring back, but at {lowest * float(rate) / size:.0f} Hz these "
            f"leave {left[lowest]:.3g} of the sound; with a regularization (0.05, say) such pitches are given up"
        )


def _size(at: NDArray[np.int64]) -> int:
    return int(2 ** np.ceil(np.log2(_GRID * int(at.max()) + 2)))


def _recursion(
    blocks: Iterable[NDArray[Any]], at: NDArray[np.int64], weights: NDArray[np.float64]
) -> Iterator[NDArray[Any]]:
    """`s(t) = x(t) − Σ w s(t − delay)`, in steps no longer than the shortest delay."""
    longest, step = int(at.max()), int(at.min())
    past: NDArray[Any] | None = None
    for block in blocks:
        check_array(block)
        past = np.zeros((longest, block.shape[1]), block.dtype) if past is None else past
        known = np.concatenate([past, block])
        for start in range(longest, len(known), step):
            now = known[start : start + step]
            for delay, weight in zip(at.tolist(), weights, strict=True):
                now -= known[start - delay : start - delay + len(now)] * block.dtype.type(weight)
        past = known[len(known) - longest :]
        yield known[longest:]


def _deconvolved(
    samples: NDArray[Any], at: NDArray[np.int64], weights: NDArray[np.float64], regularization: float
) -> NDArray[Any]:
    """X H* / (|H|² + r²) of the whole, padded to twice its length, so that what wraps around falls outside."""
    fft = loaded("scipy.fft")

    size = fft.next_fast_len(2 * (len(samples) + int(at.max())), real=True)
    H = response(at.tolist(), weights, size)
    inverse = H.conj() / (np.abs(H) ** 2 + regularization**2)
    spectrum = fft.rfft(samples.reshape(len(samples), -1).T.astype(np.float64), size, axis=1)
    deconvolved = fft.irfft(spectrum * inverse, size, axis=1)[:, : len(samples)].T
    return np.ascontiguousarray(deconvolved, samples.dtype).reshape(samples.shape)
