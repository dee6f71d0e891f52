"""Decisions applied to a data set: what was relabelled or set aside is so in a new one; the old is only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convolens.arrays import as_flag
from convolens.data import DataSet, Example
from convolens.data.conversion import Converted
from convolens.data.conversion.converting import format_to_write, need_outside, writable, write_data
from convolens.data.reading import read_consistent, read_sound, read_with_faults, with_sound_boxes
from convolens.errors import ArgumentError, DataError
from convolens.labels.changes import (
    KEEP,
    RELABEL,
    SET_ASIDE,
    UNDECIDED,
    Change,
    path_in_data,
    read_changes,
    write_changes,
)
from convolens.labels.object_changes import FIX, ObjectChange, read_object_changes, write_object_changes
from convolens.labels.object_mending import objects_decided_on
from convolens.media.files import AnyPath, as_path, make_folder, need_file, need_name, need_new_folder
from convolens.media.inputs import given
from convolens.media.one_writer import only_writer

# In what was mended: by which changes; readers of data pass hidden files over.
RECORD = ".labels.applied.csv"
OBJECT_RECORD = ".labels.applied.jsonl"

Changes = tuple[Change, ...] | tuple[ObjectChange, ...]


@dataclass(frozen=True)
class Mended:
    """What was written.

    Attributes:
        written: the new data set, as of `convert`.
        relabelled: how many pictures have another label now.
        fixed: how many have other boxes, or other classes where a picture may show several.
        set_aside: how many were left out.
        kept: decisions to keep a label.
        undecided: lines without a decision, whose labels stay.
        gone: paths in the changes that are no longer in the data.
    """

    written: Converted
    relabelled: int
    fixed: int
    set_aside: int
    kept: int
    undecided: int
    gone: tuple[str, ...]

    def __str__(self) -> str:
        changed = f"fixed {self.fixed:,}" if self.fixed else f"relabelled {self.relabelled:,}"
        lines = [f"{changed}, set aside {self.set_aside:,}, kept {self.kept:,}"
                 + (f", undecided {self.undecided:,}, which stay as they are" if self.undecided else "")]  # fmt: skip
        return "\n".join([*lines, str(self.written)])


def apply_changes(
    changes: AnyPath,
    data: AnyPath,
    *,
    to: AnyPath,
    format: str | None = None,  # noqa: A002 - the option's name
    data_format: str | None = None,
    link: bool = False,
    progress: bool = True,
) -> Mended:
    r"""Writes a data set anew with the decisions of a file applied; equal to the old but for them.

    Args:
        changes: `labels.changes.csv`, as `check_labels` writes it, with decisions; of data with boxes, or with any
            number of classes for a picture, a `.jsonl` as of `convolens.labels.object_changes`.
        data: the data set that it is of; nothing in it is changed.
        to: the new folder, which must not be there yet, or be empty.
        format: what to write, any format that `convert` writes. None: the data's own.
        data_format: the data's own, where it is not to be guessed.
        link: makes hard links of the pictures in place of copies.
        progress: shows a bar with the time left.

    Raises:
        FileError: nothing can be read, something is there already, or cannot be written.
        DataError: the changes are of another data set, were applied already, or nothing is decided.
        ArgumentError: the data's own format is only read, and no other is named.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from convolens.media.images import write_image
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("dark/1.png", "dark/2.png", "light/3.png"):
    ...         Path(folder, "data", name).parent.mkdir(parents=True, exist_ok=True)
    ...         write_image(f"{folder}/data/{name}", np.zeros((16, 16, 3), np.uint8))
    ...     changes = "path,label,suggested,probability,decision\ndark/2.png,dark,light,0.98,relabel\n"
    ...     _ = Path(folder, "changes.csv").write_text(changes)
    ...     mended = apply_changes(f"{folder}/changes.csv", f"{folder}/data", to=f"{folder}/new", progress=False)
    ...     print(mended.relabelled, sorted(one.name for one in Path(folder, "new/light").iterdir()))
    1 ['2.png', '3.png']
    """
    as_flag(link, "link")
    as_flag(progress, "progress")
    file = need_file(as_path(changes, "a file of changes"), "a file of changes")
    source, target = as_path(data, "where the data is"), as_path(to, "a folder to write into")
    need_name(target)
    need_outside(source, target)
    decided = _read(file)
    _need_new(file, decided, source, target)
    make_folder(target.parent)
    need_new_folder(target)
    with only_writer(target), given(source, file):
        own = read_with_faults(source, format=data_format).format
        if format is None and own not in writable():
            raise ArgumentError(
                f"format: need {', '.join(writable())}, got data in {own}, which is only read; name one"
            )
        # A box that cannot be may be the one that was fixed: what still has some is left out afterwards.
        found = (read_consistent if _is_of_objects(file) else read_sound)(source, format=data_format, outlines=True)
        decide: Callable[..., Any] = objects_decided_on if _is_of_objects(file) else decided_on
        mended, counts, gone = decide(found, decided, file)
        form = format_to_write(format or own)
        record: Callable[[Path], None] = lambda draft: _record(draft, decided, file)  # noqa: E731
        written = write_data(
            with_sound_boxes(mended), target, form, link=link, progress=progress, original=found, also=record
        )
    return Mended(
        written, counts[RELABEL], counts[FIX], counts[SET_ASIDE], counts[KEEP], counts[UNDECIDED], gone
    )  # fmt: skip


def _is_of_objects(file: Path) -> bool:
    return file.suffix.lower() == ".jsonl"


def _read(file: Path) -> Changes:
    return read_object_changes(file) if _is_of_objects(file) else read_changes(file)


def _record(folder: Path, changes: Any, file: Path) -> None:
    if _is_of_objects(file):
        write_object_changes(folder / OBJECT_RECORD, changes)
    else:
        write_changes(folder / RECORD, changes)


def decided_on(data: DataSet, changes: Sequence[Change], file: Path) -> tuple[DataSet, Counter[str], tuple[str, ...]]:
    """The data with the decisions applied, how many of each there were, and the paths that are not there.

    Raises:
        DataError: the changes are of another data set, were applied already, or say something else of a picture.
    """
    by_path = {path_in_data(data.root, example.path): example for example in data.examples}
    gone = tuple(dict.fromkeys(one.path for one in changes if one.path not in by_path))
    here = [one for one in changes if one.path in by_path]
    _need_same_data(data, changes, here, gone, file)
    acting = [one for one in here if one.decision in (RELABEL, SET_ASIDE)]
    relabelled = {one.path: one for one in acting if one.decision == RELABEL}
    labels = {path: _names(by_path[path], data) for path in relabelled}
    if acting and all(labels.get(one.path) == one.suggested != one.label for one in acting):
        raise DataError(f"{data.root}: has the changes of {file} already; nothing is left to apply")
    for one in here:
        if (now := _names(by_path[one.path], data)) != one.label:
            raise DataError(
                f"{file}: need the labels of {data.root}, got {one.label!r} for {one.path}, which is {now!r} there; "
                "look for wrong labels anew"
            )
    names = list(data.class_names)
    for one in acting:
        if one.decision == RELABEL and one.suggested not in names:
            raise DataError(
                f"{file}: need a class of {data.root} to relabel {one.path}, got {one.suggested!r}; "
                f"there are {', '.join(names[:20])}"
            )
    aside = {one.path for one in acting if one.decision == SET_ASIDE}

    def mended() -> Iterator[Example]:
        for example in data.examples:
            path = path_in_data(data.root, example.path)
            if path in relabelled:
                yield replace(example, labels=(names.index(relabelled[path].suggested),))
            elif path not in aside:
                yield example

    return data.having(mended()), Counter(one.decision for one in here), gone


def _need_same_data(
    data: DataSet, changes: Sequence[Change], here: Sequence[Change], gone: Sequence[str], file: Path
) -> None:
    if data.kind != "label":
        raise DataError(f"{data.root}: need one label for each picture to apply {file}, got {data.kind}")
    if not any(one.decision for one in changes):
        raise DataError(
            f"{file}: need decisions (keep, relabel or set aside), got none in {len(changes):,} lines; "
            "decide in a text editor or on the page of `convolens doctor --labels --html`"
        )
    if len(gone) > len(changes) / 2:
        raise DataError(
            f"{file}: need changes of {data.root}, got those of another data set: {len(gone):,} of "
            f"{len({one.path for one in changes}):,} pictures are not in it, such as {gone[0]}"
        )
    unknown = [one for one in here if one.label not in data.class_names]
    if unknown:
        raise DataError(
            f"{file}: need changes of {data.root}, got those of another data set: {unknown[0].path} has the class "
            f"{unknown[0].label!r} there, which {data.root} does not know"
        )


def _names(example: Example, data: DataSet) -> str:
    return ", ".join(data.class_names[label] for label in example.labels)


def _need_new(file: Path, changes: Changes, source: Path, target: Path) -> None:
    """Refuses to apply the same changes again: to what was made by them, or into a folder that has them."""
    folders = [source, *source.parents[:2]] if not source.is_dir() else [source]
    if any(_made_by(folder, changes) for folder in folders):
        raise DataError(f"{source}: was made by the changes of {file}; they are applied already")
    if _made_by(target, changes):
        raise DataError(f"{target}: has the changes of {file} already; it is what they make")


def _made_by(folder: Path, changes: Changes) -> bool:
    return any(record.is_file() and _read(record) == changes for record in (folder / RECORD, folder / OBJECT_RECORD))
