"""Thumbnails of picture files, for `placed.py`, read by threads.

Cost: of a JPEG a fraction of its decoding, as it is decoded at a fraction of its size; of another format all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from convolens.inference.placed import SIDE, thumbnail
from convolens.media.images import read_rgb8
from convolens.media.picture_files import File, Outcome, attempt
from convolens.media.read_ahead import read_ahead
from convolens.media.weighing import picture_weight
from convolens.sources.fetching import fetched_ahead


def thumbnails(files: Iterable[File]) -> Iterator[Outcome[NDArray[np.float32]]]:
    """A thumbnail for each file, in order, or the sentence that says why there is none."""
    for _, outcome in read_ahead(_thumbnail, fetched_ahead(files), weigh=picture_weight):
        yield outcome


def _thumbnail(file: File) -> Outcome[NDArray[np.float32]]:
    return attempt(file, lambda: thumbnail(read_rgb8(file, at_least=2 * SIDE)[0]))
