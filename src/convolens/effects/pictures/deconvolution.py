"""A picture from its blur, the kernel and the noise being known: least squares with a prior, in Fourier's domain.

    y = k ∗ x + n:   x = argmin ½‖k ∗ x − y‖² + λ TV(x)   or   X = H* P / (|H|² P + N) Y

*Total variation* (Rudin, Osher & Fatemi, Physica D 60, 1992) by the alternating direction method of multipliers, as
in Goldstein & Osher, SIAM J. Imaging Sci. 2(2), 2009: steps in x are divisions of spectra, steps in the gradients
shrink them, all colours together (Bresson & Chan 2008). λ is σ²/E|∇x| times a constant: what a picture with Laplacian
gradients asks for, its mean gradient found on the way. The result is the mean of that picture and of Wiener's filter
with that picture's power for P: the first draws edges, the second texture, and their errors differ.

*Wiener's filter* alone takes c/ω² for P, c by expectation maximization.

What lay beyond the borders is not known, so no row or column there is taken at its word: the picture stands on a canvas
that closes in on itself, and what is beyond the picture follows from what was found so far (expectation maximization).

Time: some 40 (10) transforms of the canvas there and back; memory: 16 canvases of floats.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convolens.first_use import loaded

_STEPS = 40
_ADAPT_EVERY = 8  # steps after which λ follows the mean gradient found so far
_GRADIENT_FACTOR = 0.4  # of λ = factor · σ² · channels / mean gradient; fitted to photos, see benchmarks/unblur.py
_PENALTY = 20  # λ times this holds the gradients together: only the speed depends on it
_WIENER_ROUNDS = 8
_SMALL = 1e-12


class Blurred(NamedTuple):
    """A picture on its canvas."""

    canvas: NDArray[Any]  # (rows, columns, channels), the picture at the upper left
    size: tuple[int, int]  # of the picture
    transfer: NDArray[np.complex64]  # of the kernel, as `rfft2` has it
    noise: float  # standard deviation, in the picture's units


def place(floats: NDArray[Any], kernel: NDArray[np.float64], noise: float, *, wraps: bool) -> Blurred:
    """`(H, W, C)` on a canvas, which is the picture itself where it wraps around."""
    next_fast_len = loaded("scipy.fft").next_fast_len

    size = floats.shape[0], floats.shape[1]
    canvas = floats
    if not wraps:
        for axis in (0, 1):
            wanted = next_fast_len(size[axis] + 2 * kernel.shape[axis] + 16, real=True)
            canvas = _closed(canvas, axis, wanted - size[axis])
    return Blurred(canvas, size, transfer(kernel, canvas.shape[:2]), noise)


def transfer(kernel: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """The kernel's spectrum, its center at the origin; a kernel larger than the shape wraps around."""
    rfft2 = loaded("scipy.fft").rfft2

    rows, columns = (np.arange(side) - (side - 1) // 2 for side in kernel.shape)
    spread = np.zeros(shape)
    np.add.at(spread, (rows[:, None] % shape[0], columns[None] % shape[1]), kernel)
    spectrum: NDArray[np.complex64] = rfft2(spread).astype(np.complex64)
    return spectrum


def by_total_variation(blurred: Blurred) -> NDArray[Any]:
    """The picture with edges, in the canvas's dtype."""
    y, (height, width), H, noise = blurred
    shape, channels = y.shape, y.shape[2]
    H = H[:, :, None]
    power, roughness = np.abs(H) ** 2, _laplacian(shape)
    x, known = y, _forward(y)
    split = [np.zeros_like(y) for _ in range(2)]
    dual = [np.zeros_like(y) for _ in range(2)]
    weight = penalty = y.dtype.type(0)
    for step in range(_STEPS):
        if step % _ADAPT_EVERY == 0:
            steep = np.sqrt(sum((one[:height, :width] ** 2).sum(axis=2) for one in _gradient(x))).mean()
            before = penalty
            weight = y.dtype.type(_GRADIENT_FACTOR * noise**2 * channels / max(float(steep), _SMALL))
            penalty = weight * _PENALTY
            dual = [one * (before / penalty) for one in dual] if step else dual
            divisor = power + penalty * roughness
        pulled = _divergence(*(s - d for s, d in zip(split, dual, strict=True)))
        X = (H.conj() * known + penalty * _forward(pulled)) / divisor
        x = _backward(X, shape)
        known = _completed(blurred, X)
        moved = [one + d for one, d in zip(_gradient(x), dual, strict=True)]
        size = np.sqrt(sum((one**2).sum(axis=2, keepdims=True) for one in moved))
        shrunk = np.maximum(1 - 1 / (_PENALTY * np.maximum(size, _SMALL)), 0)
        split = [one * shrunk for one in moved]
        dual = [one - s for one, s in zip(moved, split, strict=True)]
    textured = _backward(_filtered(blurred, known, np.abs(X) ** 2), shape)
    sharp: NDArray[Any] = (x + textured)[:height, :width] / 2
    return sharp


def by_wiener(blurred: Blurred) -> NDArray[Any]:
    """The picture by the best linear filter for a power of c/ω², as photos have it, c being the likeliest."""
    y, (height, width), H, noise = blurred
    shape, frequencies = y.shape, y.shape[0] * y.shape[1]
    roughness, passed = np.maximum(_laplacian(shape), _SMALL), np.abs(H[:, :, None]) ** 2
    known = X = _forward(y)
    steepness = np.mean(sum(one**2 for one in _gradient(y)), axis=(0, 1))  # of each channel: E|∇x|²
    for _ in range(_WIENER_ROUNDS):
        power = frequencies * np.maximum(steepness, _SMALL) / roughness
        X = _filtered(blurred, known, power)
        known = _completed(blurred, X)
        unsure = power * noise**2 / (passed * power + frequencies * noise**2)  # what of it the noise leaves open
        spread = _mean_over_spectrum(roughness * unsure, shape)
        steepness = np.mean(sum(one**2 for one in _gradient(_backward(X, shape))), axis=(0, 1)) + spread
    return _backward(X, shape)[:height, :width]


def _mean_over_spectrum(half: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The mean over all frequencies, for each channel, of those that `rfft2` has."""
    twice = np.full(half.shape[1], 2.0)
    twice[0] = 1
    if shape[1] % 2 == 0:
        twice[-1] = 1
    total: NDArray[Any] = (half * twice[:, None]).sum(axis=(0, 1)) / (shape[0] * shape[1])
    return total.astype(half.dtype)


def _filtered(blurred: Blurred, known: NDArray[Any], power: NDArray[Any]) -> NDArray[Any]:
    H = blurred.transfer[:, :, None]
    noise = blurred.noise**2 * blurred.canvas.shape[0] * blurred.canvas.shape[1]
    X: NDArray[Any] = H.conj() * power / (np.abs(H) ** 2 * power + np.float32(max(noise, _SMALL))) * known
    return X


def _completed(blurred: Blurred, X: NDArray[Any]) -> NDArray[Any]:
    """The spectrum of what is seen, and beyond the picture of what would be, if it were this one's blur."""
    (height, width), shape = blurred.size, blurred.canvas.shape
    if (height, width) == shape[:2]:
        return _forward(blurred.canvas)
    seen = _backward(blurred.transfer[:, :, None] * X, shape)
    seen[:height, :width] = blurred.canvas[:height, :width]
    return _forward(seen)


def _forward(x: NDArray[Any]) -> NDArray[Any]:
    rfft2 = loaded("scipy.fft").rfft2

    from convolens.settings import threads

    spectrum: NDArray[Any] = rfft2(x, axes=(0, 1), workers=threads())
    return spectrum


def _backward(X: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    irfft2 = loaded("scipy.fft").irfft2

    from convolens.settings import threads

    picture: NDArray[Any] = irfft2(X, shape[:2], axes=(0, 1), workers=threads())
    return picture


def _laplacian(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """|D|² of the differences to the next row and column."""
    down, across = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    power = 4 * np.sin(np.pi * down[:, None]) ** 2 + 4 * np.sin(np.pi * across) ** 2
    roughness: NDArray[np.float32] = power.astype(np.float32)[:, :, None]
    return roughness


def _gradient(x: NDArray[Any]) -> list[NDArray[Any]]:
    return [np.roll(x, -1, axis) - x for axis in (0, 1)]


def _divergence(down: NDArray[Any], across: NDArray[Any]) -> NDArray[Any]:
    """The adjoint of the gradient."""
    pulled: NDArray[Any] = np.roll(down, 1, 0) - down + np.roll(across, 1, 1) - across
    return pulled


def _closed(x: NDArray[Any], axis: int, more: int) -> NDArray[Any]:
    """So many rows or columns more, which lead from the last smoothly to the first."""
    lines = np.moveaxis(x, axis, 0)
    at = np.arange(more)
    last, first = (lines[index % (2 * len(lines))] for index in _mirrored(at, more, len(lines)))
    blend = (0.5 - 0.5 * np.cos(np.pi * (at + 0.5) / more)).astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return np.moveaxis(np.concatenate([lines, last * (1 - blend) + first * blend]), 0, axis)


def _mirrored(at: NDArray[np.int64], more: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which lines lie there in the mirror of the last, and in that of the first."""
    beyond, before = size + at, at - more
    return tuple(np.minimum(one % (2 * size), 2 * size - 1 - one % (2 * size)) for one in (beyond, before))  # type: ignore[return-value]
