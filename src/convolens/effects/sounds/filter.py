"""A sound filtered as it comes, by a kernel of linear phase: no pitch is delayed against another, nor the sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.convolution import convolver
from convolens.effects.sounds.sound import check_sound


def filter_stream(blocks: Iterable[NDArray[Any]], weights: NDArray[np.float64]) -> Iterator[NDArray[Any]]:
    """A sound that comes in blocks convolved with a line of weights, as long as it was: the same however it is cut.

    Args:
        blocks: `(frames, channels)` floats, one after another.
        weights: `(taps,)`, the middle one over each sample.

    Yields:
        `(frames, channels)`, half a kernel later than they came.

    Errors as in `check_sound`.

    >>> np.concatenate(list(filter_stream([np.array([[1.0], [0.0]])], np.array([0.25, 0.5, 0.25]))))[:, 0]
    array([0.5 , 0.25])
    """
    stream = None
    for block in blocks:
        check_sound(block)
        stream = stream or convolver(weights.astype(block.dtype), "same")
        if len(out := stream.push(block)):
            yield out
    if stream is not None and len(out := stream.flush()):
        yield out
