"""A stream under one line of weights: first weights by the definition, later ones by spectra of blocks that grow.

The core does all of it (`core/kernels/stream.cpp`), in one call for a block of any length: the weights [P, Q) meet
blocks of P samples, [Q, R) blocks of Q, and so on, P, Q, R, … powers of two. Each block is transformed once and kept as
a spectrum, which meets every partition of its weights: two transforms and a product for each partition, for P outputs.
Complex numbers go as their real and imaginary parts.

Gardner, "Efficient convolution without input-output delay", Journal of the AES 43(3), 1995; Wefers, "Partitioned
convolution algorithms for real-time auralization", 2015, for the search of the blocks that take the least time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens import _core
from convolens.convolution.spec import Shape
from convolens.errors import ArgumentError
from convolens.memory import need_memory

_FIRST, _LARGEST = 256, 1 << 15  # samples of a block: the core's least, and what is soon enough done
_ALL_BY_DEFINITION = 512  # weights that need no blocks

# Time for a sample, in that of a weight by the definition (24 ps by AVX-512, 29 by AVX2).
_PER_OCTAVE, _OCTAVES = 25.0, 6.6  # of a block's transforms to and fro, for each doubling of it above 2^6.6 samples
_PARTITION = 8.0  # multiplied and added


@dataclass
class Line:
    """The weights, and the past of as many channels as a block has."""

    parts: tuple[NDArray[Any], ...]  # of the weights, the first one first: real, and imaginary if there are any
    rest: Shape  # a block's axes beside the last
    streams: tuple[_core.LineStream, ...]  # one for each part

    @classmethod
    def of(cls, weights: NDArray[Any], rest: Shape) -> Line:
        """A line of canonical weights, of which the last meets the latest sample."""
        complex_ = weights.dtype.kind == "c"
        parts = (weights.real, weights.imag) if complex_ and weights.imag.any() else (weights.real,)
        in_time = tuple(np.ascontiguousarray(part[::-1]) for part in parts)
        channels = prod(rest) * (2 if complex_ else 1)
        sizes = block_sizes(weights.size)
        scalars = weights.size + (sizes[-1] if sizes else _FIRST)
        need_memory(in_time[0].itemsize * len(parts) * scalars * (8 * channels + 4), "kernel", "use a shorter one")
        return cls(in_time, rest, tuple(_core.LineStream(part, sizes, channels) for part in in_time))

    def convolved(self, samples: NDArray[Any]) -> NDArray[Any]:
        """As many outputs as samples, along the last axis."""
        count = samples.shape[-1]
        channels = samples.reshape(prod(self.rest), count)
        if samples.dtype.kind == "c":
            channels = np.concatenate([channels.real, channels.imag])
        found = [np.empty(channels.shape, channels.dtype) for _ in self.streams]
        try:
            for stream, out in zip(self.streams, found, strict=True):
                stream.push(channels, out)
        except RuntimeError:
            raise ArgumentError(
                "push: need one thread at a time, got a second while a first was at it; give each a stream of its own"
            ) from None
        result = found[0]
        if samples.dtype.kind == "c":
            result = _complex(found, samples.dtype)
        return result.reshape(*self.rest, count)

    def copy(self) -> Line:
        """The same, which goes on by itself."""
        return Line(self.parts, self.rest, tuple(stream.copy() for stream in self.streams))

    def __getstate__(self) -> dict[str, Any]:  # all that a stream knows follows from its latest samples
        return {"parts": self.parts, "rest": self.rest, "past": [(one.done, one.past()) for one in self.streams]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.parts, self.rest = state["parts"], state["rest"]
        again = zip(self.parts, state["past"], strict=True)
        self.streams = tuple(_resumed(part, done, past) for part, (done, past) in again)


def _resumed(part: NDArray[Any], done: int, past: NDArray[Any]) -> _core.LineStream:
    """The stream whose latest samples these are, and of which so many came."""
    sizes = block_sizes(part.size)
    channels, count = past.shape
    # Blocks lie where they lay; which of them it was does not matter.
    begin = (done - count) % (sizes[-1] if sizes else _FIRST)
    stream = _core.LineStream(part, sizes, channels, begin)
    stream.push(past, np.empty_like(past))
    return stream


def _complex(found: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """From what each part of the weights makes of the samples' real and imaginary parts, one after another."""
    half = len(found[0]) // 2
    result = np.empty((half, found[0].shape[1]), dtype)
    result.real, result.imag = found[0][:half], found[0][half:]
    if len(found) == 2:
        result.real -= found[1][half:]
        result.imag += found[1][:half]
    return result


@lru_cache(maxsize=256)
def block_sizes(weights: int) -> tuple[int, ...]:
    """The blocks' sizes for a number of weights, by which a sample takes the least time; none if it is small.

    >>> block_sizes(300), block_sizes(48_000)
    ((), (256, 4096))
    """
    if weights <= _ALL_BY_DEFINITION:
        return ()
    largest = min(_LARGEST, 1 << int(log2(weights - 1)))
    return min(_growing((_FIRST,), largest), key=lambda sizes: _time(sizes, weights))


def _growing(sizes: tuple[int, ...], largest: int) -> list[tuple[int, ...]]:
    """All sizes that begin with these and go on in powers of two."""
    found, size = [sizes], 2 * sizes[-1]
    while size <= largest:
        found += _growing((*sizes, size), largest)
        size *= 2
    return found


def _time(sizes: tuple[int, ...], weights: int) -> float:
    stops = [*sizes[1:], weights]
    levels = (
        _PER_OCTAVE * (log2(size) - _OCTAVES) + _PARTITION * -(-(stop - size) // size)
        for size, stop in zip(sizes, stops, strict=True)
    )
    return sizes[0] + sum(levels)
