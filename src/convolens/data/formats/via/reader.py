"""VIA's annotations: a project, its `via_region_data.json` or its CSV, of versions 1 and 2.

See https://www.robots.ox.ac.uk/~vgg/software/via. Rectangles, polygons, circles and ellipses give objects; points and
lines have no area and are passed over with a word. A region's class is the attribute that is called so (`class`,
`label`, `name`, `type`, …), or the one that most regions have; what the others say is passed over with a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convolens.data.by_name import UNNAMED, Gathered, Picture
from convolens.data.dataset import Reading
from convolens.data.files import annotation_files, listed
from convolens.data.formats.via.files import Row, looks_right, rows_in
from convolens.data.formats.via.regions import WithoutAreaError, box_of, class_attribute, classes_in
from convolens.data.picture_names import FIRST, PictureNames, pictures_of
from convolens.errors import DataError, FileError


def recognize(path: Path) -> bool:
    """Whether it is such a file, or a folder with one at its top or in its splits."""
    return next(_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """The regions of every picture of every such file."""
    files = list(_files(root))
    if not files:
        raise DataError(f"{root}: need VIA's JSON or CSV, found none")
    found = Gathered(root, known)
    for file, split in files:
        try:
            _File(file, split if len(files) > 1 else "", found, outlines).read()
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
    return found.reading(kind="boxes")


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    for pattern in ("*.json", "*.csv"):
        found = [one for one in annotation_files(path, pattern) if looks_right(one[0])]
        yield from found
        if found:  # a table beside it says the same
            return


class _File:
    """One file on its way to pictures."""

    def __init__(self, path: Path, split: str, found: Gathered, outlines: bool) -> None:
        self.path, self.split, self.found, self.outlines = path, split, found, outlines

    def read(self) -> None:
        """Adds its pictures, in their order."""
        rows = []
        for row in rows_in(self.path):
            if isinstance(row, str):
                self.found.fault(self.path, "unreadable annotation", row)
            else:
                rows.append(row)
        attributes = (one.get("region_attributes") for row in rows for one in row.regions if isinstance(one, dict))
        key, others = class_attribute(attributes)
        if others:
            self._note("attribute passed over", f"takes {key!r} as the class of regions, and passes over what "
                       f"{listed(others)} say")  # fmt: skip
        finder = pictures_of(self.path, [row.name for row in rows[:FIRST]], self.split)
        for row in rows:
            self._add(row, key, finder)

    def _add(self, row: Row, key: str, finder: PictureNames) -> None:
        try:
            picture = Picture(finder.path(row.name), row.where, self.split)
        except ValueError as error:
            self.found.fault(self.path, "unclear picture", f"{row.where}: {error}")
            return
        for at, region in enumerate(row.regions):
            try:
                self._add_region(picture, region, key)
            except WithoutAreaError as kind:
                sentence = f"{row.where}: region {at}: passed over, as a {kind} has no area"
                self.found.note(self.path, "shape passed over", sentence)
            except ValueError as error:
                self.found.fault(self.path, "unreadable annotation", f"{row.where}: region {at}: {error}")
        self.found.add(picture)

    def _add_region(self, picture: Picture, region: Any, key: str) -> None:
        if not isinstance(region, dict):
            raise ValueError(f"need shape_attributes and region_attributes, got {region!r:.60}")
        box = box_of(region.get("shape_attributes"), outlines=self.outlines)
        names = classes_in(region.get("region_attributes"), key)
        if not names:
            self._note("class without a name", f"has regions without a class, which are taken as {UNNAMED!r}")
        for name in names or [UNNAMED]:  # of a checkbox there may be several, each an object of its own
            picture.objects.append((name, box))

    def _note(self, kind: str, sentence: str) -> None:
        self.found.note(self.path, kind, f"{self.path}: {sentence}")
