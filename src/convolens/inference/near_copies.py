"""Groups of near copies: the same photo, cut, mirrored, in other colors or in a smaller file.

Taps' features name for each picture the ten that it is most like; thumbnails laid over one another say which of these
are the same (`placed.py`). So a wall is not called a copy of another part of the wall, as features alone would.

Cost: the features, products of all with all, and a millisecond for each pair that is looked at; memory: the features,
and 4 kB a picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real, as_flag, as_real, as_whole
from convolens.effects.sounds.hearing import hears
from convolens.errors import ArgumentError, FileError, printable
from convolens.first_use import loaded
from convolens.inference.feature_rows import rows_of, trunk_of
from convolens.inference.nearest import nearest
from convolens.inference.placed import SAME, placed_among
from convolens.inference.similar import compared
from convolens.inference.thumbnails import thumbnails
from convolens.media.files import AnyPath
from convolens.media.found_pictures import as_sources
from convolens.media.picture_files import File, Outcome, count_pictures, find_pictures
from convolens.models.inputs import running_on
from convolens.progress import track

LOOKED_AT = 10  # the likest of each picture by features
FEW = 40  # pictures, of which every pair is looked at


@dataclass(frozen=True)
class NearCopies:
    """Groups of pictures that show the same.

    Attributes:
        groups: paths, in the order in which they were found; the largest group first.
        failed: the sentences of pictures that could not be used.
    """

    groups: tuple[tuple[str, ...], ...]
    failed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.groups)

    def __str__(self) -> str:
        return "\n".join("  ".join(map(printable, group)) for group in self.groups) or "no near copies"


def near_copies(
    model: Any,
    sources: AnyPath | Sequence[AnyPath],
    *,
    taps: Sequence[str] | str | None = None,
    least: Real = SAME,
    flip: bool = True,
    batch: int = 16,
    progress: bool = True,
    device: str = "auto",
) -> NearCopies:
    """Groups of pictures that show the same, whole or a part of it.

    Args:
        model: a classifier, localizer, detector or inspector, or a trunk, whose features name the likely ones.
        sources: pictures: a folder, a pattern, an address, or several.
        taps: of the trunk. None: the model's own, or a trunk's last.
        least: from which correlation of the thumbnails' gray values, where one lies in the other, two are one.
        flip: whether a mirrored picture is one too.
        batch: pictures of one size that go through the network at once.
        progress: shows a bar.
        device: where to run: `cpu`, `cuda`, …; `auto` is where the model is.

    Returns:
        The groups, of two pictures or more; what is like two of a group joins it.

    Raises:
        ArgumentError: no such tap, what has no taps, or a correlation that is none.
        FileError: nothing is there, or nothing that can be used.
    """
    batch, flip, progress = as_whole(batch, "batch", 1), as_flag(flip, "flip"), as_flag(progress, "progress")
    least = float(as_real(least, "least", "a correlation above 0 and at most 1", lambda value: 0 < value <= 1))
    listed = as_sources([sources] if isinstance(sources, str | PathLike) else sources)
    trunk = trunk_of(model)
    if hears(trunk):
        raise ArgumentError("model: need one that takes pictures to group near copies, got one that hears")
    chosen = trunk.chosen(taps if taps is not None or model is trunk else tuple(model.taps))
    without: list[Outcome[Any]] = []
    files: dict[str, File] = {}

    def remembered() -> Iterator[File]:
        for file in track(find_pictures(listed), "pictures", count_pictures(listed, None, None), show=progress):
            files[str(file)] = file
            yield file

    with running_on(model, device):
        rows = list(rows_of(model, chosen, remembered(), batch, without))
    small = _small([files[name] for name, _ in rows], without)
    names = [name for name, _ in rows if name in small]
    if not names:
        raise FileError(
            f"sources: need pictures that can be used, got none; {without[0].error if without else 'none are there'}"
        )
    pooled = [np.array([values[at] for name, values in rows if name in small]) for at in range(len(chosen))]
    vectors, _ = compared(pooled, [one[:1] for one in pooled])
    likely = _likely(vectors)
    pairs = _same(
        track(likely, "pictures to compare", len(likely), show=progress), [small[name] for name in names], least, flip
    )
    groups = _joined(pairs, len(names))
    return NearCopies(tuple(tuple(names[at] for at in group) for group in groups), tuple(one.error for one in without))


def _small(files: Sequence[File], without: list[Outcome[Any]]) -> dict[str, NDArray[np.float32]]:
    """The thumbnail of each, by name; what cannot be read again goes to `without`."""
    found = {}
    for one in thumbnails(files):
        if one.result is None:
            without.append(one)
        else:
            found[str(one.path)] = one.result
    return found


def _same(
    likely: Iterable[tuple[int, list[int]]], small: Sequence[NDArray[np.float32]], least: float, flip: bool
) -> Iterator[tuple[int, int]]:
    """Of likely pairs those that show the same."""
    for one, others in likely:
        correlations = placed_among(small[one], [small[other] for other in others], flip=flip)
        yield from ((one, others[at]) for at in np.flatnonzero(correlations >= least))


def _likely(vectors: NDArray[np.float32]) -> list[tuple[int, list[int]]]:
    """Pictures with those after them of which one is among the likest of the other: each pair once."""
    found, _ = nearest(vectors, vectors, len(vectors) if len(vectors) <= FEW else LOOKED_AT + 1)
    pairs = {(min(one, other), max(one, other)) for one, likest in enumerate(found.tolist()) for other in likest}
    after: dict[int, list[int]] = defaultdict(list)
    for one, other in sorted(pairs):
        if one != other:
            after[one].append(other)
    return list(after.items())


def _joined(pairs: Iterator[tuple[int, int]], count: int) -> list[list[int]]:
    """Numbers that pairs connect, the largest group first."""
    coo_array = loaded("scipy.sparse").coo_array
    connected_components = loaded("scipy.sparse.csgraph").connected_components

    ends = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return sorted((group.tolist() for group in groups if len(group) > 1), key=lambda group: (-len(group), group[0]))
