"""The likest by features, looked at more closely: what shows the same photo, whole or a part of it, comes first.

Features say of a piece of grass that it is like all grass. Laid over one another (`placed.py`), two pieces of it
correlate only where they are the same.

Cost: reading the likest again, and less than a millisecond for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convolens.errors import ConvolensError
from convolens.inference.placed import SAME, placed_among, thumbnail
from convolens.inference.thumbnails import thumbnails
from convolens.media.found_pictures import File, find_pictures
from convolens.media.pixels import Picture
from convolens.sources.stored import Unreadable


class Like(NamedTuple):
    """A picture by its number, how alike it is, and whether it shows the same."""

    number: int
    score: float
    same: bool = False


def same_first(
    picture: Picture, likest: Sequence[Like], files: Sequence[File], *, flip: bool
) -> tuple[list[Like], list[str]]:
    """The likest anew: first those that show the same, by correlation and features, then the others as they were.

    Args:
        picture: what is looked for.
        likest: by features.
        files: of these, in order.
        flip: whether a mirrored picture shows the same.

    Returns:
        The likest, and the sentences of those that could not be opened: features alone say how alike they are.
    """
    opened = list(thumbnails(files))
    small = {at: one.result for at, one in enumerate(opened) if one.result is not None}
    found = placed_among(thumbnail(picture), list(small.values()), flip=flip)
    correlations = dict(zip(small, found.tolist(), strict=True))
    anew = in_order(likest, [correlations.get(at, -1.0) for at in range(len(likest))])
    return anew, [one.error for one in opened if one.error]


def in_order(likest: Sequence[Like], correlations: Sequence[float]) -> list[Like]:
    """Those that correlate as the same does first, by correlation and features; then the others as they were.

    >>> in_order([Like(7, 0.5), Like(4, 0.4), Like(9, 0.1)], [0.2, 0.9, 0.99])
    [Like(number=4, score=0.9, same=True), Like(number=9, score=0.99, same=True), Like(number=7, score=0.5, same=False)]
    """
    pairs = list(zip(likest, correlations, strict=True))
    same = [(one, correlation) for one, correlation in pairs if correlation >= SAME]
    same.sort(key=lambda pair: -(pair[0].score + pair[1]))  # by both, as skies correlate well, too
    others = [one for one, correlation in pairs if correlation < SAME]
    return [Like(one.number, correlation, same=True) for one, correlation in same] + others


def files_named(names: Sequence[str]) -> Iterator[File]:
    """The files that a table names; what is not there is one that cannot be read."""
    for name in names:
        try:
            yield next(find_pictures([name]))
        except ConvolensError as error:
            yield Unreadable(name, why=str(error))
