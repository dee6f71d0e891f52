"""What the two Fourier algorithms share: transforms of blocks, and a check that no NaN spread.

A transform mixes every sample of its block into every output, so one NaN, infinity or overflow anywhere leaves no
output finite. That is also how it is noticed, for the price of a sum: such a block is then done by a local method.
"""

from __future__ import annotations

from math import log2, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution.spec import Shape, Spec
from convolens.first_use import loaded

# Rounding of the three transforms and the product, for each level of the butterflies; see `error_bound`.
_ROUNDING_PER_LEVEL = 3.0


def error_bound(spec: Spec, size: int) -> float:
    """Bound of the error in units of max|x| · Σ|kernel|, for transforms of `size` samples.

    A transform errs by at most about ε·log2(size) of its input's Euclidean norm (Gentleman & Sande 1966; Higham 2002,
    ch. 24), and the norm of `size` samples is at most √size times the largest. Errors met in practice are smaller
    by about that root.
    """
    return _ROUNDING_PER_LEVEL * spec.epsilon * max(log2(size), 1.0) * sqrt(size)


def transform_dtype(spec: Spec) -> np.dtype[Any]:
    """Float or complex dtype the transform's input must have; integers go through float64."""
    return np.dtype(np.float64) if spec.exact else spec.dtype


def spectrum(blocks: NDArray[Any], sizes: Shape, axes: tuple[int, ...], workers: int) -> NDArray[Any]:
    """Transform of blocks, zero-padded to `sizes` along `axes`."""
    fft = loaded("scipy.fft")

    forward = fft.fftn if blocks.dtype.kind == "c" else fft.rfftn
    return forward(blocks, s=sizes, axes=axes, workers=workers)  # type: ignore[no-any-return]


def inverse_transform(
    spectra: NDArray[Any], sizes: Shape, axes: tuple[int, ...], workers: int, *, real: bool
) -> NDArray[Any]:
    """The inverse of `spectrum`, in its memory where possible."""
    fft = loaded("scipy.fft")

    inverse = fft.irfftn if real else fft.ifftn
    return inverse(spectra, s=sizes, axes=axes, workers=workers, overwrite_x=True)  # type: ignore[no-any-return]


def all_finite(values: NDArray[Any]) -> bool:
    """Whether a block came through its transforms uncontaminated: one bad value anywhere leaves no finite sum."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum()))


def fast_size(minimum: int, real: bool) -> int:
    """The smallest size of at least `minimum` that transforms fast."""
    fft = loaded("scipy.fft")

    return int(fft.next_fast_len(max(minimum, 1), real=real))


def refuses(spec: Spec) -> str | None:
    """What neither Fourier algorithm can do."""
    if not spec.axes:
        return "no axis has more than one weight"
    if spec.size == 0 or 0 in spec.shape:
        return "the signal or the result is empty"
    return None


def rounds_exactly(spec: Spec, size: int) -> bool:
    """Whether integers come out right when float64 results of transforms of `size` are rounded."""
    worst = _ROUNDING_PER_LEVEL * float(np.finfo(np.float64).eps) * max(log2(size), 1.0) * sqrt(size)
    return worst * spec.magnitude_bound < 0.25
