"""Pictures and sounds filtered by any kernel: `convolve` with the conventions of a picture or a sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import as_real
from convolens.convolution import Plan, convolve, plan
from convolens.errors import ArgumentError, ShapeError
from convolens.shapes import Boundary, Mode
from convolens.strips import Rows, in_strips, need_all


def arranged(
    signal: NDArray[Any] | Rows, weights: NDArray[np.float64], *, normalize: bool
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """The kernel in the arithmetic that suits the signal, and the axes that it is for: not colours, nor channels.

    Raises:
        ShapeError: a kernel of rows for a sound.
        ArgumentError: it is to be normalized, though its weights sum to 0.
    """
    picture = signal.dtype.kind in "ui"
    weights = weights[None] if picture and weights.ndim == 1 else weights
    if not picture and weights.ndim != 1:
        raise ShapeError(f"kernel: need one line of weights for a sound, got {weights.shape}")
    if normalize:
        if not weights.sum():
            raise ArgumentError(
                f"kernel: need weights that do not sum to 0 to normalize them, got {weights.size} that do; "
                "take them as they are"
            )
        weights = weights / weights.sum()
    return weights.astype(np.float32), tuple(range(weights.ndim))


def filtered(
    signal: NDArray[Any] | Rows, weights: NDArray[np.float64], *, mode: Mode = "same", boundary: Boundary = "constant",
    normalize: bool = False, offset: float = 0.0,
) -> Any:  # fmt: skip
    """A picture `(H, W, …)` of integers or a sound `(frames, …)` of floats, convolved channel by channel.

    A picture keeps its dtype, rounded and clipped, `offset` of white added; a sound is never clipped. Errors as in
    `arranged` and `convolve`, and

    Raises:
        ArgumentError: an offset that is not finite.
    """
    offset = as_real(offset, "offset", "a finite fraction of white")
    kernel, axes = arranged(signal, weights, normalize=normalize)

    def convolved(rows: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = convolve(rows, kernel, mode, axes=axes, boundary=boundary)
        return result

    if signal.dtype.kind not in "ui":
        return convolved(np.asarray(signal))
    white = np.iinfo(signal.dtype).max
    if mode != "same":
        need_all(signal, f"mode {mode}")

    def as_pixels(rows: NDArray[Any]) -> NDArray[Any]:
        pixels: NDArray[Any] = np.rint(rows + np.float32(offset * white)).clip(0, white).astype(signal.dtype)
        return pixels

    if mode != "same":
        return in_strips(as_pixels, convolved(np.asarray(signal)))
    return in_strips(lambda rows: as_pixels(convolved(rows)), signal, reach=len(kernel), boundary=boundary)


def planned(
    signal: NDArray[Any], weights: NDArray[np.float64], *, mode: Mode = "same", boundary: Boundary = "constant",
    normalize: bool = False,
) -> Plan:  # fmt: skip
    """How `filtered` does it."""
    kernel, axes = arranged(signal, weights, normalize=normalize)
    found: Plan = plan(signal, kernel, mode, axes=axes, boundary=boundary)
    return found
