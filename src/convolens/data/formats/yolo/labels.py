"""Of YOLO's text files: which one is a picture's, and what a line of it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

Fractions = tuple[float, float, float, float]


class TextFiles:
    """Finds the text file of a picture among the places where programs put it.

    In this order: in `labels` for the last `images` of the path (or the one before it, and so on), beside the picture,
    in `labels` beside the picture, in `labels` beside its folder. Capitals do not count in these names. Each folder is
    listed once.
    """

    def __init__(self, description: Path) -> None:
        self._description = str(description)  # `classes.txt` is not the text of `classes.jpg`
        self._folders: dict[str, list[str]] = {}
        self._names: dict[str, frozenset[str]] = {}

    def of(self, picture: Path) -> Path | None:
        """The text file, if there is one."""
        for folder in self._places(str(picture.parent)):
            for name in (picture.stem + ".txt", picture.stem + ".TXT", picture.name + ".txt"):
                text = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of many takes longer
                if name in self._names[folder] and text != self._description:
                    return Path(text)
        return None

    def _places(self, folder: str) -> list[str]:
        """Folders that may have the texts of the pictures in this one."""
        if folder not in self._folders:
            self._folders[folder] = [one for one in dict.fromkeys(_places(Path(folder))) if self._list(one)]
        return self._folders[folder]

    def _list(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - names alone are wanted
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


def _places(folder: Path) -> Iterator[str]:
    parts = folder.parts
    for at in range(len(parts) - 1, -1, -1):
        if parts[at].lower() == "images":
            for labels in _label_folders(Path(*parts[:at])):
                yield str(Path(labels, *parts[at + 1 :]))
    yield str(folder)
    yield from map(str, _label_folders(folder))
    yield from map(str, _label_folders(folder.parent))


def _label_folders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.name.lower() == "labels")
    except OSError:
        return []


def parsed_line(line: str, keypoints: int | None) -> tuple[int, Fractions]:
    """The class and the corners of a line, as fractions of the picture.

    Args:
        line: `class x y width height`, or `class x1 y1 x2 y2 x3 y3 …`, an outline or a rotated box, whose upright box
            is taken; with key points `class x y width height px py …`.
        keypoints: how many each object has, with or without a third number for each; None in data without any.

    Raises:
        ValueError: it is none of these. It says what was needed.

    >>> parsed_line("1.0 0.5 0.5 0.5 0.25", None)
    (1, (0.25, 0.375, 0.75, 0.625))
    >>> parsed_line("1 0.5 0.5 0.5 0.25 0.5 0.5 2", 1)
    (1, (0.25, 0.375, 0.75, 0.625))
    >>> parsed_line("0 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4", None)
    (0, (0.1, 0.2, 0.3, 0.4))
    """
    try:
        label, *values = [float(one) for one in line.split()]
    except ValueError:
        raise ValueError(f"need a class and four numbers, got {line!r:.60}") from None
    if not label.is_integer():
        raise ValueError(f"need a whole number for the class, got {line.split()[0]}")
    if keypoints is not None and len(values) not in (4, 4 + 2 * keypoints, 4 + 3 * keypoints):
        raise ValueError(f"need a class, four numbers and {keypoints} key points, got {line!r:.60}")
    if len(values) == 4 or keypoints is not None:
        x, y, width, height = values[:4]
        return int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(values) < 6 or len(values) % 2:
        extra = "; is the fifth an angle or a score?" if len(values) == 5 else ""
        extra = "; are there key points? data.yaml needs their kpt_shape" if len(values) > 5 else extra
        raise ValueError(f"need a class and four numbers, got {line!r:.60}{extra}")
    return int(label), (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))


def points_in(line: str, keypoints: int | None) -> list[float]:
    """The points `x1 y1 x2 y2 …` of a line that `parsed_line` takes, as fractions; none where it has a box alone.

    >>> points_in("0 0.1 0.2 0.3 0.2 0.3 0.4", None)
    [0.1, 0.2, 0.3, 0.2, 0.3, 0.4]
    """
    values = [float(one) for one in line.split()[1:]]
    return [] if keypoints is not None or len(values) == 4 else values
