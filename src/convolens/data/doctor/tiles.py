"""Tiles of one picture in two splits: neighbors show the same, so that what is measured was learned.

Candidates are told by their names, alike but for two numbers at the end, a row and a column, or pixels. They are tiles
if their pixels go on from one to the next: a few neighbors are opened, and their borders compared.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convolens.data import Example
from convolens.data.doctor.files import Look
from convolens.data.doctor.findings import Finding, Instance, finding
from convolens.errors import UNREADABLE
from convolens.media.images import read_rgb8

_PARTS = re.compile(r"[_\-. ]+")
_PLACE = re.compile(r"(?:x|y|r|c|row|col)?(\d{1,5})", re.IGNORECASE)  # more digits are a date or a time
OPENED = 6  # neighbors of a scene that are compared
GOES_ON = 0.3  # correlation of borders, from which one goes on in the other: of photos .4 to .9, of others below .2
MOST = 0.5  # fraction of the neighbors that must
Place = tuple[int, int]


def place_of(name: str) -> tuple[str, Place] | None:
    """The picture that a tile is of and its place, by its name without a suffix; None for what is no tile.

    >>> [place_of(name) for name in ("wall_0_512", "wall-r3-c4", "IMG_2024", "2024-01-02", "IMG_20240101_123456")]
    [('wall', (0, 512)), ('wall', (3, 4)), None, None, None]
    """
    *scene, first, second = ["", "", *_PARTS.split(name)]
    row, column = (_PLACE.fullmatch(part) for part in (first, second))
    if row is None or column is None or not re.search(r"[^\W\d_]", "".join(scene)):
        return None
    return "_".join(filter(None, scene)), (int(row[1]), int(column[1]))


def tile_findings(examples: Sequence[Example], looks: Mapping[Path, Look]) -> list[Finding]:
    """Pictures of which some tiles are in one split, and others in another."""
    scenes: dict[str, dict[Place, Example]] = defaultdict(dict)
    for example in examples:
        named = place_of(example.file.stem)
        if example.split and named is not None and not looks[example.file].trouble:
            scenes[named[0]].setdefault(named[1], example)
    torn = []
    for scene, tiles in scenes.items():
        first = {example.split: example.file for example in reversed(tiles.values())}
        if len(first) > 1 and _go_on(tiles):
            one, other = list(first.values())[:2]
            torn.append(Instance(one, f"{len(tiles)} tiles of {scene} in {' and '.join(sorted(first))}", other=other))
    sentence = "have tiles in two splits; neighbors show the same, so that measures on them are too good"
    return finding("tiles in two splits", "fault", sentence, torn)


def _go_on(tiles: Mapping[Place, Example]) -> bool:
    """Whether the pixels of neighbors go on from one to the other."""
    found = [
        _goes_on(tiles[one].file, tiles[other].file, step) for one, other, step in islice(_neighbors(tiles), OPENED)
    ]
    return bool(found) and sum(found) >= max(1, MOST * len(found))


def _neighbors(tiles: Mapping[Place, Example]) -> Iterator[tuple[Place, Place, int]]:
    """Places that differ in one number by the least step that there is, and that step."""
    for axis in (0, 1):
        numbers = sorted({place[axis] for place in tiles})
        for low, high in pairwise(numbers):
            for place in tiles:
                beyond = (high, place[1]) if axis == 0 else (place[0], high)
                if place[axis] == low and beyond in tiles:
                    yield place, beyond, high - low


def _goes_on(one: Path, other: Path, step: int) -> bool:
    """Whether `other` is right of or below `one`, beside it or overlapping it by what the step in pixels leaves."""
    try:
        a, b = (read_rgb8(path)[0].mean(axis=2, dtype=np.float32) for path in (one, other))
    except UNREADABLE:
        return False
    for a_, b_ in ((a, b), (a.T, b.T)):
        if a_.shape[0] != b_.shape[0]:
            continue
        borders = [a_[:, -1], *([a_[:, step]] if 0 < step < a_.shape[1] else [])]
        if any(_correlation(border, b_[:, 0]) >= GOES_ON for border in borders):
            return True
    return False


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of what changes along two borders; slow changes, which plain pictures share, are left out."""
    if len(one) < 8:
        return 0.0
    a, b = np.diff(one), np.diff(other)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 0 else 0.0
