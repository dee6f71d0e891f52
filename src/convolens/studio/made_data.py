"""Data made in the studio: a folder for each class, in the project's own folder. Nobody else's files are touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import UploadFile

from convolens.data import FORMATS, DataSet, Example
from convolens.data.conversion.converting import write_data
from convolens.errors import ArgumentError, ConvolensError
from convolens.media.files import make_folder
from convolens.studio.pictures import need_size
from convolens.studio.project import Project
from convolens.studio.uploads import keep

MOST_CLASSES = 100  # that are made at once
MOST_NAME = 60  # letters
ANNOTATIONS = (".json", ".csv", ".yaml", ".yml", ".xml", ".odgt", ".jsonl")
_FORBIDDEN = set('/\\:*?"<>|')  # in names of folders, on one system or another


@dataclass(frozen=True)
class Class:
    """A class of made data, and its pictures' names, the newest first."""

    name: str
    pictures: list[str]


def make(project: Project, name: str, classes: Iterable[str]) -> Path:
    """A new data set with empty classes, called after them where it is given no name.

    Raises:
        ArgumentError: fewer than two classes, a name that cannot be a folder's, or one that is taken.
    """
    names = list(dict.fromkeys(filter(None, map(str.strip, classes))))
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ArgumentError(f"classes: need from 2 to {MOST_CLASSES} names, got {len(names)}")
    for one in names:
        _folder_name(one)
    folder = _new_folder(project, name) if name.strip() else _called_after(project, names)
    for one in names:
        make_folder(folder / one)
    return folder


def make_with_boxes(project: Project, name: str, classes: Iterable[str], uploads: Sequence[UploadFile]) -> Path:
    """New data of pictures in which nothing is marked yet, as COCO: boxes are drawn in Mend.

    Raises:
        ArgumentError: no class, or a name that cannot be a folder's or is taken.
        FileError: what is no picture.
    """
    names = list(dict.fromkeys(filter(None, map(str.strip, classes))))
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ArgumentError(f"classes: need from 1 to {MOST_CLASSES} names, got {len(names)}")
    folder = _new_folder(project, name)
    with TemporaryDirectory(dir=project.home) as draft:
        kept = _kept(uploads, Path(draft))
        examples = tuple(Example(one, ()) for one in kept)
        data = DataSet(Path(draft), tuple(names), examples, "boxes")
        [coco] = (one for one in FORMATS if one.name == "coco")
        write_data(data, folder, coco, link=False, progress=False)
    return folder


def _new_folder(project: Project, name: str) -> Path:
    folder = project.data / _folder_name(name)
    if folder.exists():
        raise ArgumentError(f"name: need one that is not taken, got {name!r}")
    return folder


def _called_after(project: Project, classes: Sequence[str]) -> Path:
    """`cat, dog`, as far as a name may be long, and a number behind it where that is taken."""
    name = ", ".join(classes)
    name = name if len(name) <= MOST_NAME - 4 else f"{name[: MOST_NAME - 5].rstrip(', ')}…"
    names = (name if number == 1 else f"{name} {number}" for number in count(1))
    return next(folder for one in names if not (folder := project.data / one).exists())


def is_of_classes(folder: Path) -> bool:
    """Whether made data is a folder for each class, to which pictures can be added; else it has annotations."""
    return not any(one.recognize(folder) for one in FORMATS if one.name != "folders")


def made(project: Project, name: str) -> Path:
    """Made data by its name.

    Raises:
        ArgumentError: there is none of that name.
    """
    folder = project.data / name
    if _is_plain(name) and folder.is_dir() and is_of_classes(folder):
        return folder
    raise ArgumentError(f"data: need data made in the studio, got {name!r}")


def all_made(project: Project) -> list[Path]:
    """Data made here, by name."""
    return sorted(one for one in project.data.iterdir() if one.is_dir() and not one.name.startswith("."))


def offered_data(project: Project) -> list[str]:
    """What may be data: what was made here, then the folders and annotations in the project's folder."""
    inside = [one for one in sorted(project.folder.iterdir()) if not one.name.startswith(".")]
    plain = [one for one in inside if one.is_dir() or one.suffix.lower() in ANNOTATIONS]
    return [project.name_of(one) for one in (*all_made(project), *plain)]


def classes_of(folder: Path) -> list[Class]:
    """The classes of made data."""
    return [Class(one.name, list(_pictures(one))) for one in sorted(folder.iterdir()) if one.is_dir()]


def _pictures(folder: Path) -> Iterator[str]:
    files = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    yield from (one.name for one in sorted(files, key=lambda one: one.stat().st_mtime_ns, reverse=True))


def class_folder(folder: Path, label: str) -> Path:
    """A class of made data.

    Raises:
        ArgumentError: it has none of that name.
    """
    found = folder / label
    if _is_plain(label) and found.is_dir():
        return found
    raise ArgumentError(f"class: need one of {', '.join(one.name for one in classes_of(folder))}, got {label!r}")


def add_class(folder: Path, label: str) -> None:
    """A further class. Raises an ArgumentError where it cannot be called so."""
    make_folder(folder / _folder_name(label.strip()))


def add(folder: Path, label: str, uploads: Sequence[UploadFile]) -> int:
    """Puts pictures into a class, and gives their number; what is no picture is refused, and nothing of it kept.

    Raises:
        ArgumentError, FileError: no such class; no picture.
    """
    return len(_kept(uploads, class_folder(folder, label)))


def _kept(uploads: Sequence[UploadFile], folder: Path) -> list[Path]:
    """The pictures in a folder; none of them where one is no picture."""
    kept = list(keep(uploads, folder))
    try:
        for one in kept:
            need_size(one)
    except ConvolensError:
        for one in kept:
            one.unlink()
        raise
    return kept


def remove(folder: Path, label: str, picture: str) -> None:
    """Takes a picture out of a class. Raises an ArgumentError where it is not there."""
    found = class_folder(folder, label) / picture
    if not (_is_plain(picture) and found.is_file()):
        raise ArgumentError(f"picture: need one of the class {label}, got {picture!r}")
    found.unlink()


def _folder_name(name: str) -> str:
    name = name.strip()
    if not (_is_plain(name) and len(name) <= MOST_NAME and name.isprintable() and not _FORBIDDEN & set(name)):
        raise ArgumentError(
            f"name: need one that a folder can have on any system, of at most {MOST_NAME} letters, got {name!r:.200}"
        )
    return name


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and Path(name).name == name
