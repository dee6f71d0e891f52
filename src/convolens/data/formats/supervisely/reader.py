"""Supervisely's projects: `meta.json`, and in each data set a folder `img` of pictures and `ann` of their JSON files.

Rectangles, polygons and masks give objects; of masks the box alone is taken, holes of polygons are lost, each with a
word; points and lines have no area. Tags of a picture are its labels, but for `train`, `val` and `test`, which are its
split, as the name of a data set may be. `meta.json` gives the classes their order. See
https://docs.supervisely.com/data-organization/00_ann_format_navi.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.data.by_name import Gathered, Picture
from convolens.data.dataset import Reading
from convolens.data.files import SPLITS, claimed_size, folders_in
from convolens.data.formats.supervisely.figures import PAINTED, WITHOUT_AREA, box_of
from convolens.data.json_file import keys_in, read_json
from convolens.data.picture_names import PictureNames
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import is_left_out

META = "meta.json"
ANNOTATIONS, PICTURES = "ann", "img"
DEEPEST = 8  # data sets within data sets
MOST_LOOKED_INTO = 1000  # folders, to tell whether one of them is a data set's


def recognize(path: Path) -> bool:
    """Whether it is a project's folder or its `meta.json`, or a data set's folder."""
    path = _folder(path)
    return path.is_dir() and any(_looks_right(folder) for folder in _near(path) if (folder / ANNOTATIONS).is_dir())


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """The figures of every picture of every data set."""
    root = _folder(root)
    if not root.is_dir():
        raise DataError(f"{root}: need the folder of a project of Supervisely's, got a file")
    found = Gathered(root, known)
    closed: dict[Path, str] = {}
    for folder in _data_sets(root, closed):
        finder = PictureNames([folder / PICTURES, folder])
        for file in sorted((folder / ANNOTATIONS).glob("*.json")):
            if is_left_out(file.name):
                continue
            try:
                found.add(_picture(root, folder, file, finder, found, outlines))
            except (FileError, ValueError) as error:
                sentence = str(error) if isinstance(error, FileError) else f"{file}: {error}"
                found.fault(file, "unreadable annotation", sentence)
    for folder, why in closed.items():
        found.fault(folder, "unreadable annotation", f"{folder}: need a folder that can be looked into, got: {why}")
    if not found.pictures and not found.faults:
        raise DataError(f"{root}: need Supervisely's folders {PICTURES} and {ANNOTATIONS}, found none with JSON files")
    classes, with_shapes = _classes(root)
    with_labels = any(picture.labels for picture in found.pictures.values()) and not with_shapes
    return found.reading(() if with_labels else classes, None if with_labels else "boxes")


def _folder(path: Path) -> Path:
    return path.parent if path.name == META else path


def _near(path: Path) -> Iterator[Path]:
    """The folders of a tree, the nearest first, and not all of a whole disk's: somebody may have given that."""
    waiting = deque([(path, 0)])
    for _ in range(MOST_LOOKED_INTO):
        if not waiting:
            return
        folder, depth = waiting.popleft()
        yield folder
        if depth < DEEPEST:
            with suppress(OSError):  # told when it is read
                waiting.extend((inner, depth + 1) for inner in folders_in(folder))


def _data_sets(folder: Path, closed: dict[Path, str], depth: int = 0) -> Iterator[Path]:
    """The folders that have one of annotations; data sets may hold others. `closed` gets those that are, and why."""
    if (folder / ANNOTATIONS).is_dir():
        yield folder
    if depth < DEEPEST:
        try:
            inside = folders_in(folder)
        except OSError as error:
            closed[folder] = error.strerror or str(error)
            return
        for inner in inside:
            if inner.name not in (ANNOTATIONS, PICTURES):
                yield from _data_sets(inner, closed, depth + 1)


def _looks_right(folder: Path) -> bool:
    first = next(iter(sorted((folder / ANNOTATIONS).glob("*.json"))), None)
    return first is not None and {"objects", "size"} <= keys_in(first, "{", ("objects", "size"))


def _classes(root: Path) -> tuple[list[str], bool]:
    """The classes of a project in their order, and whether it has any."""
    file = next((place / META for place in (root, root.parent) if (place / META).is_file()), None)
    content = read_json(file, "Supervisely's classes") if file is not None else {}
    rows = content.get("classes") if isinstance(content, dict) else None
    if file is not None and not isinstance(rows, list):
        raise FormatError(f"{file}: need a list of classes, got {short(rows)}")
    names = [row["title"] for row in rows or () if isinstance(row, dict) and isinstance(row.get("title"), str)]
    return names, bool(names)


def _picture(root: Path, folder: Path, file: Path, finder: PictureNames, found: Gathered, outlines: bool) -> Picture:
    content = read_json(file, "Supervisely's figures")
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise ValueError(f"need objects, a list of figures, got {short(content)}")
    size = content.get("size")
    claimed = claimed_size(size.get("width"), size.get("height")) if isinstance(size, dict) else None
    tags = list(_tags(content))
    inside = [SPLITS[part.lower()] for part in folder.relative_to(root).parts if part.lower() in SPLITS]
    split = next((SPLITS[tag.lower()] for tag in tags if tag.lower() in SPLITS), inside[0] if inside else "")
    picture = Picture(finder.path(file.stem), str(file), split, claimed)
    picture.labels = [tag for tag in tags if tag.lower() not in SPLITS]
    for at, figure in enumerate(content["objects"]):
        try:
            _add(picture, figure, file, at, found, outlines)
        except ValueError as error:
            found.fault(file, "unreadable annotation", f"{file}: figure {at}: {error}")
    return picture


def _tags(content: dict[str, Any]) -> Iterator[str]:
    """The names of a picture's tags; in old projects they stand alone."""
    tags = content.get("tags") or []
    if not isinstance(tags, list):
        raise ValueError(f"need a list of tags, got {short(tags)}")
    for one in tags:
        name = one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str) and name:
            yield name


def _add(picture: Picture, figure: Any, file: Path, at: int, found: Gathered, outlines: bool) -> None:
    if not isinstance(figure, dict) or not isinstance(figure.get("classTitle"), str) or not figure["classTitle"]:
        raise ValueError(f"need a classTitle and a geometryType, got {short(figure)}")
    kind = figure.get("geometryType")
    if kind in WITHOUT_AREA:
        found.note(file, "shape passed over", f"{file}: figure {at}: passed over, as a {kind} has no area")
        return
    box, has_holes = box_of(figure, outlines=outlines)
    picture.objects.append((figure["classTitle"], box))
    if outlines and kind in PAINTED:
        found.note(file, "mask", f"{file}: figure {at} has a mask, of which the box alone is taken")
    if outlines and has_holes:
        found.note(file, "hole", f"{file}: figure {at} has holes, which are filled")
