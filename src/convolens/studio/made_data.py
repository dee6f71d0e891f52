"""Data made in the studio: a folder for each class, in the project's own folder. Nobody else's files are touched."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import UploadFile

from convolens.data import FORMATS, DataSet, Example, read_data
from convolens.data.conversion import convert
from convolens.data.conversion.converting import write_data
from convolens.errors import ArgumentError, ConvolensError, DataError
from convolens.media.files import make_folder
from convolens.studio.pictures import need_size
from convolens.studio.project import Project
from convolens.studio.uploads import keep

MOST_CLASSES = 100  # that are made at once
MOST_NAME = 60  # letters
MOST_COPIED = 20_000  # pictures of somebody's data that are copied for one correction
CONFIG = "config.json"  # of a run: what it was trained on
_FORBIDDEN = set('/\\:*?"<>|')  # in names of folders, on one system or another


@dataclass(frozen=True)
class Class:
    """A class of made data, and its pictures' names, the newest first."""

    name: str
    pictures: list[str]


def make(project: Project, name: str, classes: Iterable[str]) -> Path:
    """A new data set with empty classes.

    Raises:
        ArgumentError: fewer than two classes, a name that cannot be a folder's, or one that is taken.
    """
    names = list(dict.fromkeys(filter(None, map(str.strip, classes))))
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ArgumentError(f"classes: need from 2 to {MOST_CLASSES} names, got {len(names)}")
    folder = project.data / _folder_name(name)
    if folder.exists():
        raise ArgumentError(f"name: need one that is not taken, got {name!r}")
    for one in names:
        _folder_name(one)
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
    folder = project.data / _folder_name(name)
    if folder.exists():
        raise ArgumentError(f"name: need one that is not taken, got {name!r}")
    with TemporaryDirectory(dir=project.home) as draft:
        kept = _kept(uploads, Path(draft))
        examples = tuple(Example(one, ()) for one in kept)
        data = DataSet(Path(draft), tuple(names), examples, "boxes")
        [coco] = (one for one in FORMATS if one.name == "coco")
        write_data(data, folder, coco, link=False, progress=False)
    return folder


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


def data_of(project: Project, run: Path) -> Path | None:
    """What a run was trained on; None where it does not say, or it is no longer there."""
    try:
        said = json.loads((run / CONFIG).read_text(encoding="utf-8"))["settings"]["data"]
        found = (project.folder / said).resolve()  # where jobs are run
        return found if found.exists() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def to_correct(project: Project, run: Path, classes: Sequence[str]) -> Path:
    """Made data that corrections of a run's answers go into.

    It is what the run was trained on, where that was made here; else a copy of that in the project's own folder, made
    for the first correction; else new data with the model's classes.

    Args:
        project: whose it is.
        run: the run's folder, or a model's file.
        classes: what the model tells apart.

    Raises:
        DataError: a copy would be too large.
    """
    source = data_of(project, run)
    if source is not None and source.parent == project.data:
        return source
    target = project.data / f"{(source or run).stem}-corrected"
    if target.is_dir():
        return target
    if source is None:
        return make(project, target.name, classes)
    data = read_data(source)
    if data.kind != "label":
        raise DataError(
            f"{source}: need one class for each picture to correct one here, got {data.kind}; Mend has boxes"
        )
    if len(data) > MOST_COPIED:
        raise DataError(
            f"{source}: need at most {MOST_COPIED:,} pictures to copy for a correction, got {len(data):,}; "
            "mend its labels instead"
        )
    convert(source, target, to="folders", progress=False)
    return target


def correct(folder: Path, label: str, picture: Path) -> None:
    """Puts a picture into a class of made data, as a copy. Raises an ArgumentError where there is no such class."""
    target = class_folder(folder, label) / f"corrected-{secrets.token_hex(4)}{picture.suffix}"
    shutil.copyfile(picture, target)


def _folder_name(name: str) -> str:
    name = name.strip()
    if not (_is_plain(name) and len(name) <= MOST_NAME and name.isprintable() and not _FORBIDDEN & set(name)):
        raise ArgumentError(
            f"name: need one that a folder can have on any system, of at most {MOST_NAME} letters, got {name!r:.200}"
        )
    return name


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "\0" not in name and Path(name).name == name
