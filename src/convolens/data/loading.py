"""From an example to its pixels, and its boxes in them. Threads may call it: decoding leaves the interpreter free.

There are two ways: `load` gives what `predict` sees, for measuring. `load_small`, for training, gives 8 bits, and of a
JPEG no more pixels than needed: the network's input then differs by 1.5 of 255 levels at most, of a JPEG decoded
smaller by 5, and by less than 1 on average (`tests/evaluation/test_same_pixels.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, groupby, tee
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Int64, Num
from numpy.typing import NDArray

from convolens.arrays import as_whole
from convolens.data.dataset import Example, Skipped
from convolens.errors import UNREADABLE, DataError, ShapeError
from convolens.media.images import read_rgb8
from convolens.media.picture_files import File
from convolens.media.pixels import as_pixels, over_white
from convolens.media.read_ahead import read_ahead
from convolens.media.weighing import picture_weight
from convolens.sources.fetching import fetched_ahead

UNUSABLE = (*UNREADABLE, DataError, ShapeError)  # what ends in one example being left out

Found = TypeVar("Found")


@dataclass(frozen=True)
class Loaded:
    """A picture, decoded, and where its objects are in it.

    Attributes:
        pixels: as displayed, transparency over white; `(H, W)` where gray.
        boxes_xyxy: of its objects, in these pixels, cut off at the picture's edges.
        box_labels: the number of each box's class.
    """

    pixels: Num[np.ndarray, "height width *channels"]
    boxes_xyxy: Float32[np.ndarray, "boxes 4"]
    box_labels: Int64[np.ndarray, " boxes"]


def load(example: Example) -> Loaded:
    """The example's picture at its full size and depth, as `predict` sees it.

    Raises:
        FileError: the picture cannot be read.
        DataError: a box is outside the picture.
    """
    pixels = over_white(as_pixels(example.path))
    return _with_objects(example, pixels, (pixels.shape[1], pixels.shape[0]))


def load_small(example: Example, at_least: int) -> Loaded:
    """The example's picture as 8-bit RGB, no larger than needed.

    Args:
        example: from a `DataSet`.
        at_least: pixels that the shorter side must keep. A JPEG is decoded at a half, a quarter or an eighth of its
            size where that leaves as many, at a fraction of the time.

    Errors as in `load`.
    """
    return _with_objects(example, *read_rgb8(example.path, at_least=at_least))


def _with_objects(example: Example, pixels: NDArray[Any], size: tuple[int, int]) -> Loaded:
    width, height = size
    boxes = np.array([box.xyxy for box in example.objects], np.float32).reshape(-1, 4)
    limits = np.array([width, height, width, height], np.float32)
    inside = boxes.clip(0, limits)
    lost = (inside[:, 2:] <= inside[:, :2]).any(axis=1)
    if lost.any():
        shown = ", ".join(f"{value:g}" for value in boxes[lost.argmax()])
        raise DataError(f"{example.path}: need boxes in the picture of {width}×{height} pixels, got ({shown})")
    scale = np.array([pixels.shape[1] / width, pixels.shape[0] / height] * 2, np.float32)
    return Loaded(pixels, inside * scale, np.array([box.label for box in example.objects], np.int64))


def read_usable(
    read: Callable[[Example], Found], examples: Iterable[Example], skipped: list[Skipped]
) -> Iterator[tuple[Example, Found]]:
    """Yields what `read` makes of each example that can be used, in order; threads read a few ahead.

    Args:
        read: raises one of `UNUSABLE` for an example that cannot be used.
        examples: in the order wanted.
        skipped: each that cannot be used is added here, once.
    """
    return ((example, found) for _, example, found in _numbered(read, examples, skipped))


def read_usable_batches(
    read: Callable[[Example], Found], examples: Iterable[Example], skipped: list[Skipped], batch: int
) -> Iterator[Iterator[tuple[Example, Found]]]:
    """Yields the same in batches: of the first so many examples those that can be used, of the next, and so on.

    So what cannot be used changes no other batch than its own, and a network's outputs for a picture, of which the last
    bits depend on its batch, are the same whoever reads which of the batches. Each is to be taken before the next.

    Args:
        read: as for `read_usable`, like the next two.
        examples: in the order wanted.
        skipped: what cannot be used is added here.
        batch: how many examples.
    """
    batch = as_whole(batch, "batch", 1)
    for _, several in groupby(_numbered(read, examples, skipped), key=lambda one: one[0] // batch):
        yield ((example, found) for _, example, found in several)


def _numbered(
    read: Callable[[Example], Found], examples: Iterable[Example], skipped: list[Skipped]
) -> Iterator[tuple[int, Example, Found]]:
    def found_or_why(one: tuple[int, Example, File]) -> Found | Exception:
        _, example, file = one
        try:
            return read(example if file is example.path else replace(example, path=file))
        except UNUSABLE as error:
            return error

    asked, ahead = tee(examples)  # what is far is fetched, and let go when it is decoded
    files = fetched_ahead(example.path for example in ahead)
    numbered = zip(count(), asked, files)
    for (number, example, _), found in read_ahead(found_or_why, numbered, weigh=lambda one: picture_weight(one[2])):
        if isinstance(found, Exception):
            skip(example, found, skipped)
        else:
            yield number, example, found


def skip(example: Example, error: Exception, skipped: list[Skipped]) -> None:
    """Adds an example that cannot be used to those skipped, once, with the reason."""
    if all(one.path != example.path for one in skipped):
        reason = str(error) if str(example.path) in str(error) else f"{example.path}: {error}"
        skipped.append(Skipped(example.path, reason))
