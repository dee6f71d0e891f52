"""What pictures are called in a new folder.

The folders that all pictures of one place there have in common go; what is below stays, `holiday/a.jpg` of
`/photos/2024/holiday/a.jpg`. Where two would have one name, as on a disk that knows no capitals or in a format that
tells pictures apart by their names without suffix, the later becomes `a_2.jpg`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from convolens.data.dataset import DataSet, Example
from convolens.data.format import Format
from convolens.errors import DataError
from convolens.media.picture_files import is_left_out, is_picture


def named(data: DataSet, form: Format, original: DataSet | None = None) -> tuple[list[str], int]:
    """Each picture's path in the new folder, with `/`, and how many of them are called otherwise than they were.

    Args:
        data: to be written.
        form: the format.
        original: the data before labels were changed or pictures left out, by which the folders in common are told, so
            that what stayed keeps its name.

    Raises:
        DataError: a picture is there twice in a split, or no reader would see it under its name.
    """
    paths = [os.path.abspath(example.file) for example in data.examples]  # noqa: PTH100 - without links followed
    before = {(one.split, one.file): one for one in (original or data).examples}
    bases = _bases(original or data, form)
    taken: set[str] = set()
    names, renamed, seen = [], 0, set[tuple[str, str]]()
    for example, path in zip(data.examples, paths, strict=True):
        if (example.split, path) in seen:
            raise DataError(f"{data.root}: need each picture once in a split, got {example.file} again")
        seen.add((example.split, path))
        inside = path[bases[_place(before[example.split, example.file], form, data)] :].replace(os.sep, "/")
        _need_seen(example.file, inside)
        wanted = form.place(example, inside, data.class_names)
        name = _free(wanted, taken, form.by_stem)
        renamed += name != wanted
        names.append(name)
    return names, renamed


def _place(example: Example, form: Format, data: DataSet) -> tuple[str, str]:
    return example.split, form.place(example, "", data.class_names)


def _bases(data: DataSet, form: Format) -> dict[tuple[str, str], int]:
    """How many letters the pictures of each place have in common, up to the last `/`."""
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in data.examples:
        folders[_place(example, form, data)].add(os.path.dirname(os.path.abspath(example.file)))  # noqa: PTH100, PTH120
    return {place: len(os.path.join(os.path.commonpath(found), "")) for place, found in folders.items()}  # noqa: PTH118


def _need_seen(path: Path, name: str) -> None:
    if any(map(is_left_out, name.split("/"))) or not is_picture(name):
        raise DataError(f"{path}: need a picture's name, which readers of folders do not pass over; rename it first")


def _free(wanted: str, taken: set[str], by_stem: bool) -> str:
    stem = str(PurePosixPath(wanted).with_suffix(""))
    suffix = wanted[len(stem) :]
    name, number = wanted, 1
    while (key := _key(name, by_stem)) in taken:
        number += 1
        name = f"{stem}_{number}{suffix}"
    taken.add(key)
    return name


def _key(name: str, by_stem: bool) -> str:
    """What two names share that some disk, or a reader, cannot tell apart."""
    head, slash, last = name.rpartition("/")
    return normalize("NFC", head + slash + (os.path.splitext(last)[0] if by_stem else last)).casefold()  # noqa: PTH122
