"""Wrong answers that were corrected: the picture goes into data made in the studio, or into a copy of one's own.

Nobody's own files are changed. Data of classes gets one picture more in a folder; data with boxes is written anew
beside the old, with hard links where the disk has them, and takes its place once it was read again and compared.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from convolens.data import FORMATS, DataSet, Example, read_data
from convolens.data.conversion import convert
from convolens.data.conversion.converting import write_data
from convolens.data.reading import read_sound
from convolens.errors import DataError, FileError
from convolens.media.images import read_header
from convolens.studio.box_rows import box_of, need_few
from convolens.studio.made_data import class_folder, make
from convolens.studio.project import Project

MOST_COPIED = 20_000  # pictures of somebody's data that are copied for one correction
CONFIG = "config.json"  # of a run: what it was trained on
BOXES = "coco"  # the format of data with boxes that is made here
_one_at_a_time = Lock()


def data_of(project: Project, run: Path) -> Path | None:
    """What a run was trained on; None where it does not say, or it is no longer there."""
    try:
        said = json.loads((run / CONFIG).read_text(encoding="utf-8"))["settings"]["data"]
        found = (project.folder / said).resolve()  # where jobs are run
        return found if found.exists() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def correct_class(project: Project, run: Path, classes: Sequence[str], label: str, picture: Path) -> Path:
    """Puts a copy of a picture into a class, and gives the data that it went into.

    It is what the run was trained on, where that was made here; else a copy of that in the project's own folder, made
    for the first correction; else new data with the model's classes.

    Args:
        project: whose it is.
        run: the run's folder, or a model's file.
        classes: what the model tells apart.
        label: what the picture shows.
        picture: the file.

    Raises:
        ArgumentError: no such class.
        DataError: a copy would be too large, or what the run was trained on has boxes.
    """
    folder = _with_classes(project, run, classes)
    target = class_folder(folder, label) / f"corrected-{secrets.token_hex(4)}{picture.suffix}"
    shutil.copyfile(picture, target)
    return folder


def correct_boxes(
    project: Project, run: Path, classes: Sequence[str], boxes: Sequence[tuple[str, Sequence[float]]], picture: Path
) -> Path:
    """Puts a copy of a picture with its boxes into data, and gives that; where the picture is there, it has these.

    Which data that is, is as in `correct_class`.

    Args:
        project: whose it is.
        run: the run's folder, or a model's file.
        classes: what the model finds.
        boxes: the class and the corners `x1, y1, x2, y2` in pixels of each; cut to the picture.
        picture: the file.

    Raises:
        ArgumentError: no such class, or a box without area.
        DataError: a copy would be too large, or what the run was trained on has no boxes.
    """
    need_few(boxes)
    size = read_header(picture).size
    with _one_at_a_time, TemporaryDirectory(dir=project.home) as draft:
        target = _with_boxes(project, run)
        data = read_sound(target) if target.is_dir() else DataSet(Path(draft), tuple(classes), (), "boxes")
        found = tuple(box_of(name, corners, data.class_names, size) for name, corners in boxes)
        split = next(iter(data.splits), "")
        beside = next((one.file.parent for one in data.examples if one.split == split), Path(draft))
        copy = beside / f"corrected-{picture.name}"
        new = Example(copy, tuple(sorted({box.label for box in found})), found, split)
        was_there = copy.exists()
        shutil.copyfile(picture, copy)
        try:
            _write_anew(data.having((*(one for one in data.examples if one.path != copy), new)), target, Path(draft))
        except BaseException:
            if not was_there:
                copy.unlink()
            raise
    return target


def _target(project: Project, run: Path, source: Path | None) -> Path:
    """Where corrections of a run's answers go."""
    if source is not None and source.parent == project.data:
        return source
    return project.data / f"{(source or run).stem}-corrected"


def _with_classes(project: Project, run: Path, classes: Sequence[str]) -> Path:
    source = data_of(project, run)
    target = _target(project, run, source)
    if target.is_dir():
        return target
    if source is None:
        return make(project, target.name, classes)
    data = read_data(source)
    if data.kind != "label":
        raise DataError(f"{source}: need one class for each picture to correct a class, got {data.kind}")
    _need_few(data)
    convert(source, target, to="folders", progress=False)
    return target


def _with_boxes(project: Project, run: Path) -> Path:
    """The data that a picture with boxes goes into; it is not there yet where nobody knows what was learned from."""
    source = data_of(project, run)
    target = _target(project, run, source)
    if target.is_dir() or source is None:
        return target
    data = read_data(source)
    if data.kind != "boxes":
        raise DataError(f"{source}: need data with boxes to correct one, got {data.kind}")
    _need_few(data)
    convert(source, target, to=BOXES, progress=False)
    return target


def _write_anew(data: DataSet, target: Path, draft: Path) -> None:
    """Writes the data, and puts it in the place of what was there; `draft` is a folder that goes afterwards."""
    form = next(one for one in FORMATS if one.name == BOXES)
    try:
        write_data(data, draft / "new", form, link=True, progress=False)
    except FileError:  # a disk without hard links
        write_data(data, draft / "new", form, link=False, progress=False)
    if target.exists():
        target.rename(draft / "old")
    (draft / "new").rename(target)


def _need_few(data: DataSet) -> None:
    if len(data) > MOST_COPIED:
        raise DataError(
            f"{data.root}: need at most {MOST_COPIED:,} pictures to copy for a correction, got {len(data):,}; "
            "mend its labels instead"
        )
