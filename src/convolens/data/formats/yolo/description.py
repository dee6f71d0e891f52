"""What describes a YOLO data set: `data.yaml`, `classes.txt`, or Darknet's and CVAT's `obj.data` with its lists.

Paths in such files are of the machine that wrote them; `files.found_by_end` says how they are found on this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolens.data.dataset import Fault
from convolens.data.files import SPLITS, folders_in, found_by_end, read_text
from convolens.data.picture_names import PictureNames
from convolens.data.yaml_file import read_yaml
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import files_below

LISTS = ("classes.txt", "obj.names", "predefined_classes.txt")  # of names, one a line; labelImg's and Darknet's
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "obj.data", *LISTS[1:])
FOLDERS = ("labels", "images")  # that may have the list of names, they or their splits
HEAD = 1 << 16  # bytes of another `.yaml` in which the keys of a description must occur for it to be one
NOTHING = ("", "~", "null", "Null", "NULL")  # a key without a value
DARKNET = ".data"


@dataclass(frozen=True)
class Description:
    """What is said of a data set.

    Attributes:
        path: the file that says it.
        names: the class of each number that the text files may have.
        places: folders or lists of pictures, each with its split.
        bases: folders that paths in lists may be relative to.
        keypoints: how many each object has, where it has any.
        notes: splits that are named and are not there.
    """

    path: Path
    names: dict[int, str]
    places: tuple[tuple[str, Path], ...]
    bases: tuple[Path, ...]
    keypoints: int | None = None
    notes: tuple[Fault, ...] = ()

    def pictures(self, place: Path) -> Iterator[str]:
        """Paths of the files in a folder, or in a list with one a line."""
        if place.is_dir():
            yield from files_below(place)
            return
        finder = PictureNames([place.parent, *self.bases])
        for line in read_text(place, "a list of pictures").splitlines():
            name = line.strip()
            if name:
                try:
                    yield str(finder.find(name) or place.parent / name)
                except ValueError:  # several are meant as much: reading it says that none has this name
                    yield str(place.parent / name)


def description_in(folder: Path) -> Path | None:
    """The file in a folder that describes it as YOLO's.

    Raises:
        DataError: several do, and none has one of the usual names.
    """
    usual = [folder / name for name in NAMES]
    inside = [one for one in folders_in(folder) if one.name.lower() in FOLDERS]
    inside += [split for one in inside for split in folders_in(one) if split.name.lower() in SPLITS]
    usual += [place / LISTS[0] for place in inside]
    found = next((path for path in usual if path.is_file()), None)
    if found is not None:
        return found
    others = [path for ending in ("*.yaml", "*.yml", f"*{DARKNET}") for path in folder.glob(ending) if _describes(path)]
    if len(others) > 1:
        listed = ", ".join(sorted(path.name for path in others))
        raise DataError(f"{folder}: need one description, found {listed}; give the one that is meant")
    return others[0] if others else None


def _describes(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    return all(re.search(rb"^['\"]?(" + keys + rb")['\"]?\s*[:=]", head, re.M) for keys in (b"names", b"train|val|nc"))


def described(path: Path) -> Description:
    """Reads a description.

    Raises:
        FileError: it cannot be read, or none of the pictures that it names are there.
        FormatError: it does not say which classes there are, or contradicts itself.
    """
    if path.suffix.lower() == ".txt" or path.name in LISTS:
        base = path.parent
        if base.name.lower() in SPLITS and base.parent.name.lower() in FOLDERS:
            base = base.parent
        base = base.parent if base.name.lower() == "labels" else base
        return Description(path, _names_in(path), tuple(_parts_of(base)), (base,))
    content = _darknet(path) if path.suffix.lower() == DARKNET else read_yaml(path)
    names = _names(path, content)
    _check_count(path, content.get("nc", content.get("classes")), names)
    bases = _bases(path, content)
    places, notes = _places(path, content, bases)
    return Description(path, names, tuple(places), bases, _keypoints(path, content.get("kpt_shape")), tuple(notes))


def _darknet(path: Path) -> dict[str, Any]:
    """Lines of `key = value`; the names are in a file of their own."""
    content: dict[str, Any] = {}
    for at, line in enumerate(read_text(path, "a description").splitlines(), start=1):
        key, equals, value = line.partition("#")[0].partition("=")
        if equals:
            content[key.strip()] = value.strip()
        elif key.strip():
            raise FormatError(f"{path}: line {at}: need `key = value`, got {line!r:.60}")
    named = content.get("names")
    file = found_by_end([path.parent], named) if named else None
    if file is None:
        raise FormatError(f"{path}: need names, a file with a class a line, found {f'no {named}' if named else 'none'}")
    content["names"] = list(_names_in(file).values())
    return content


def _names_in(path: Path) -> dict[int, str]:
    """A class name a line; an empty line between two would move the numbers of all that follow."""
    lines = [line.strip() for line in read_text(path, "class names").rstrip().splitlines()]
    if not lines:
        raise FormatError(f"{path}: need a class name a line, found none")
    return _checked_names(path, dict(enumerate(lines)))


def _names(path: Path, content: dict[str, Any]) -> dict[int, str]:
    """The names by their numbers, which a mapping's keys are, in whatever order they stand."""
    found = content.get("names")
    if isinstance(found, list) and found:
        return _checked_names(path, dict(enumerate(found)))
    if not isinstance(found, dict) or not found:
        raise FormatError(f"{path}: need names: a list of the classes, got {found or 'none'!r:.60}")
    numbers = {key: int(key) for key in found if re.fullmatch(r"\d{1,9}", key.strip(), re.ASCII)}
    if len(set(numbers.values())) != len(found):
        wrong = next((key for key in found if key not in numbers), "one twice")
        raise FormatError(f"{path}: need names by number from 0, got {wrong!r:.60}")
    return _checked_names(path, {numbers[key]: found[key] for key in sorted(found, key=numbers.__getitem__)})


def _checked_names(path: Path, names: dict[int, Any]) -> dict[int, str]:
    known: dict[str, int] = {}
    for number, name in names.items():
        if not isinstance(name, str) or not name:
            raise FormatError(f"{path}: need a name for class {number}, got {name or 'none'!r:.60}")
        if name in known:
            raise FormatError(
                f"{path}: need a name of its own for each class, got {name!r} for {known[name]}, {number}"
            )
        known[name] = number
    return names


def _check_count(path: Path, count: Any, names: dict[int, str]) -> None:
    if count is not None and count not in NOTHING and str(count) not in (str(len(names)), str(max(names) + 1)):
        raise FormatError(f"{path}: need a name for each class, got {len(names)} names and a count of {count!r:.60}")


def _keypoints(path: Path, shape: Any) -> int | None:
    if shape is None or shape in NOTHING:
        return None
    if isinstance(shape, list) and shape and isinstance(shape[0], str) and re.fullmatch(r"\d{1,4}", shape[0], re.ASCII):
        return int(shape[0])
    raise FormatError(f"{path}: need kpt_shape: [points, 2 or 3], got {shape!r:.60}")


def _bases(path: Path, content: dict[str, Any]) -> tuple[Path, ...]:
    """Where paths begin: at `path`, where that is found, or else at the file's own folder."""
    named = content.get("path")
    base = found_by_end([path.parent], named) if isinstance(named, str) and named not in NOTHING else None
    return (base, path.parent) if base is not None and base.is_dir() else (path.parent,)


def _places(path: Path, content: dict[str, Any], bases: tuple[Path, ...]) -> tuple[list[tuple[str, Path]], list[Fault]]:
    places: list[tuple[str, Path]] = []
    absent: list[Fault] = []
    named = {key.lower(): value for key, value in reversed(content.items())}  # CVAT names them as its subsets: Train
    for key, split in SPLITS.items():
        value = named.get(key)
        for one in value if isinstance(value, list) else [value]:
            if one is None or one in NOTHING:
                continue
            if not isinstance(one, str):
                raise FormatError(f"{path}: need {key}: a folder, a list of pictures or several, got {one!r:.60}")
            place = found_by_end(bases, one)
            if place is None:
                sentence = f"{path}: names the {split} pictures {one!r:.200}, found nothing at {bases[0] / one!s:.200}"
                absent.append(Fault(path, "absent split", sentence))
            else:
                places.append((split, place))
    if absent and not places:
        raise FileError(f"{absent[0].sentence}; need one of the splits that it names")
    return list(dict.fromkeys(places)) or _parts_of(path.parent), absent


def _parts_of(folder: Path) -> list[tuple[str, Path]]:
    """`images/train`, `train/images` or `train`, or else all that is there."""
    images = next((one for one in sorted(folder.iterdir()) if one.is_dir() and one.name.lower() == "images"), folder)
    for base in dict.fromkeys((images, folder)):
        inside = [one for one in sorted(base.iterdir()) if one.is_dir() and one.name.lower() in SPLITS]
        splits = [(SPLITS[one.name.lower()], one) for one in inside]
        if any(split == "train" for split, _ in splits):
            return splits
    return [("", images)]
