"""Coefficients of the cost model."""

from __future__ import annotations

from math import log2, prod
from typing import Any

import numpy as np

from convolens.convolution.spec import Shape, Spec


def fft_seconds(dtype: np.dtype[Any], sizes: Shape, transforms: int) -> float:
    """Seconds for transforms of these sizes."""
    points = prod(sizes)
    return 20e-6 + transforms * points * max(log2(points), 1) * 0.3e-9 * dtype.itemsize / 4


def direct_seconds(spec: Spec) -> float:
    """Seconds for the direct method."""
    return 2e-6 + spec.size * spec.weights * 0.05e-9 * spec.dtype.itemsize / 4


def sparse_seconds(spec: Spec) -> float:
    """Seconds for the sparse method."""
    return 5e-6 + spec.size * spec.structure.taps * 0.1e-9 * spec.dtype.itemsize / 4


def outer_seconds(spec: Spec) -> float:
    """Seconds for an outer product."""
    return 2e-6 + spec.size * 0.1e-9 * spec.dtype.itemsize
