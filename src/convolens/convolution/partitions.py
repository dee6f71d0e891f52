"""A stream's later weights by their spectra: each block is transformed once, and meets every partition of the kernel.

The weights from the P-th on are cut into J partitions of P. When P samples are complete, their spectrum joins those of
the J - 1 blocks before; the sum of products with the partitions' spectra, transformed back, is what all of them add to
the next P outputs. Two transforms and J products for P outputs. Where a NaN, infinity or overflow is in sight, which a
transform would spread, the same outputs are computed by a method that keeps it local.

Stockham, "High-speed convolution and correlation", AFIPS 1966; Soo & Pang, "Multidelay block frequency domain adaptive
filter", IEEE ASSP 38(2), 1990, for spectra that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution import spectral
from convolens.convolution.delay_line import DelayLine
from convolens.convolution.planner import LOCAL
from convolens.convolution.spec import Shape, Window
from convolens.convolution.windows import windows

_BALANCE = 64  # products by the definition that take the time of one weight's share of transforms and products


@dataclass
class Partitions:
    """What the weights from `start` on add to a stream's outputs, block by block of `start` samples."""

    start: int
    weights: NDArray[Any]  # canonical, so that the last one meets the sample `start` before
    spectra: NDArray[Any]  # of the partitions, twice one after another, the last first
    blocks: NDArray[Any]  # spectra of the latest blocks, in a ring
    products: NDArray[Any]
    coming: NDArray[Any]  # what is added to the next outputs
    number: int = 0  # of blocks
    taken: int = 0

    @classmethod
    def of(cls, weights: NDArray[Any], start: int, rest: Shape) -> Partitions:
        """The partitions of a canonical line of weights from `start` on; `rest`: a block's other axes."""
        later = np.ascontiguousarray(weights[: len(weights) - start])
        count = -(-len(later) // start)
        flipped = np.zeros(count * start, later.dtype)
        flipped[: len(later)] = later[::-1]
        spectra = _spectrum(flipped.reshape(count, start), 2 * start)[::-1]
        blocks = np.zeros((*rest, count, spectra.shape[1]), spectra.dtype)
        coming = np.zeros((*rest, start), later.dtype)
        return cls(start, later, np.concatenate([spectra, spectra]), blocks, np.empty_like(blocks), coming)

    @property
    def reach(self) -> int:
        """Samples that must be kept."""
        return max(2 * self.start, len(self.weights) + self.start - 1)

    def take(self, count: int) -> NDArray[Any]:
        """What is added to the next outputs, a view; never beyond the block that is being filled."""
        self.taken += count
        return self.coming[..., self.taken - count : self.taken]

    def complete(self, line: DelayLine) -> None:
        """A block is complete: the line's latest `start` samples."""
        count = len(self.spectra) // 2
        at = self.number % count
        self.number, self.taken = self.number + 1, 0
        self.blocks[..., at, :] = _spectrum(line.latest(2 * self.start), 2 * self.start)
        with np.errstate(all="ignore"):  # what is contaminated is noticed by its sum
            # The block at `at` is the latest and meets the first partition, the one after it the last.
            np.multiply(self.spectra[count - 1 - at : 2 * count - 1 - at], self.blocks, out=self.products)
            total = self.products.sum(axis=-2)
            found = _inverse(total, 2 * self.start, self.coming.dtype)[..., self.start :]
        self.coming = found if spectral.all_finite(found) else self._locally(line)

    def _locally(self, line: DelayLine) -> NDArray[Any]:
        nothing = (0,) * self.coming.ndim
        known = line.latest(len(self.weights) + self.start - 1)
        weights = self.weights.reshape((1,) * (known.ndim - 1) + (-1,))
        return windows(known, weights, Window(nothing, nothing), LOCAL)

    def copy(self) -> Partitions:
        """The same, which goes on by itself."""
        return replace(self, blocks=self.blocks.copy(), products=np.empty_like(self.products))


def _spectrum(samples: NDArray[Any], size: int) -> NDArray[Any]:
    from scipy import fft

    return (fft.fft if samples.dtype.kind == "c" else fft.rfft)(samples, size)  # type: ignore[no-any-return]


def _inverse(spectrum: NDArray[Any], size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    from scipy import fft

    return (fft.ifft if dtype.kind == "c" else fft.irfft)(spectrum, size, overwrite_x=True)  # type: ignore[no-any-return]


def block_size(weights: int) -> int:
    """Samples of a block for a number of weights: about as much time for the head as for the transforms.

    >>> block_size(48_000), block_size(1_000)
    (2048, 256)
    """
    return int(2 ** np.round(np.log2(np.sqrt(_BALANCE * weights))))
