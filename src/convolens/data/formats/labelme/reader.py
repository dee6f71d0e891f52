"""labelme's JSON, one file for each picture, beside it: shapes with labels, and flags of the whole picture.

Shapes of one label and one `group_id` are parts of one object, as labelme's own conversions have it. Flags that are
set are labels of the picture; one label each where no file has another flag. `labels.txt` may list the classes in
order. X-AnyLabeling's `difficult`, `score` and turned boxes are read too. The picture inside a file, `imageData`, is
not: it must be there as a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convolens.data.by_name import Gathered, Picture
from convolens.data.dataset import Kind, Reading
from convolens.data.files import SPLITS, claimed_size, read_text
from convolens.data.formats.labelme.shapes import objects_of
from convolens.data.json_file import keys_in, read_json
from convolens.data.picture_names import PictureNames, pictures_near
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import files_below, is_closed_folder

CLASSES = "labels.txt"
NO_CLASSES = ("__ignore__", "_background_")  # lines that labelme's own lists begin with
KEYS = ("shapes", "imagePath", "imageData", "imageHeight")


def recognize(path: Path) -> bool:
    """Whether it is such a JSON file, or a folder with one in it or below."""
    return any(_looks_right(file) for file in _json_files(path))


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """The shapes of every JSON file; the first folder below the root may be that of a split."""
    found = Gathered(root, known)
    finders: dict[Path, PictureNames] = {}
    flags: list[dict[str, bool]] = []
    for file in _json_files(root):
        if file.parent not in finders:
            finders[file.parent] = pictures_near(file.parent)
        try:
            content = _parsed(file)
            if content is None:
                found.note(file, "other annotations", f"{file}: passed over: it has no shapes")
                continue
            picture = _picture(root, file, content, finders[file.parent], found)
            flags.append(_flags(file, content))
            picture.labels = [name for name, is_set in flags[-1].items() if is_set]
            picture.objects = list(objects_of(file, content["shapes"], found, outlines=outlines))
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
            continue
        found.add(picture)
    if not found.pictures and not found.faults:
        raise DataError(f"{root}: need labelme's JSON files, found none")
    return found.reading(_classes(root), _kind(found, flags))


def _json_files(path: Path) -> Iterator[Path]:
    names = files_below(path) if path.is_dir() else [str(path)]
    return (Path(name) for name in names if name.lower().endswith(".json") or is_closed_folder(name))


def _looks_right(file: Path) -> bool:
    keys = keys_in(file, "{", KEYS)
    return "shapes" in keys and len(keys) > 1


def _parsed(file: Path) -> dict[str, Any] | None:
    content = read_json(file, "labelme's shapes")
    if not isinstance(content, dict) or "shapes" not in content:
        return None
    if not isinstance(content["shapes"], list):
        raise FormatError(f"{file}: need a list of shapes, got a {type(content['shapes']).__name__}")
    return content


def _picture(root: Path, file: Path, content: dict[str, Any], finder: PictureNames, found: Gathered) -> Picture:
    name = content.get("imagePath")
    name = name if isinstance(name, str) else ""
    try:
        path = finder.find(name, file.stem)
    except ValueError as error:
        raise FormatError(f"{file}: {error}") from error
    if path is None:
        path = file.parent / (name.replace("\\", "/").rpartition("/")[2] or f"{file.stem}.jpg")
        if content.get("imageData"):
            sentence = f"{file}: has its picture inside, which is not read; it is needed as the file {path.name!r}"
            found.note(file, "picture inside", sentence)
    inside = file.relative_to(root).parts if root.is_dir() else ()
    split = SPLITS.get(inside[0].lower(), "") if len(inside) > 1 else ""
    return Picture(path, str(file), split, claimed_size(content.get("imageWidth"), content.get("imageHeight")))


def _flags(file: Path, content: dict[str, Any]) -> dict[str, bool]:
    flags = content.get("flags") or {}
    if not isinstance(flags, dict) or not all(isinstance(is_set, bool) for is_set in flags.values()):
        raise FormatError(f"{file}: need flags that are true or false, got {flags!r:.60}")
    return flags


def _kind(found: Gathered, flags: list[dict[str, bool]]) -> Kind:
    if any(picture.objects for picture in found.pictures.values()) or not any(flags):
        return "boxes"
    return "label" if all(list(one.values()) == [True] for one in flags) else "labels"


def _classes(root: Path) -> list[str]:
    file = (root if root.is_dir() else root.parent) / CLASSES
    lines = read_text(file, "class names").splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip() and line.strip() not in NO_CLASSES]
