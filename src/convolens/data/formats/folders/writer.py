"""Folders of classes: the places of pictures say everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convolens.data.dataset import DataSet, Example
from convolens.data.files import SPLITS
from convolens.data.format import Placed, split_name
from convolens.errors import DataError
from convolens.media.picture_files import is_left_out


def place(example: Example, name: str, class_names: tuple[str, ...]) -> str:
    """In the folder of its class, which may be in the folder of its split.

    Raises:
        DataError: no folder can be called like the class.
    """
    folder = class_names[example.labels[0]]
    if "/" in folder or "\0" in folder or folder in ("", ".", "..") or is_left_out(folder):
        raise DataError(f"{example.path}: need a class whose name can be a folder's, got {folder!r}")
    return f"{split_name(example.split)}/{folder}/{name}" if example.split else f"{folder}/{name}"


def write(folder: Path, data: DataSet, pictures: Sequence[Placed]) -> None:
    """Nothing is left to write.

    Raises:
        DataError: readers would take splits for classes, or classes for splits.
    """
    splits = {one.example.split for one in pictures}
    if splits != {""} and "train" not in splits:
        raise DataError(f"{data.root}: need a split train beside others in folders, got {', '.join(sorted(splits))}")
    named = [name for name in data.class_names if name.lower() in SPLITS]
    if splits == {""} and len(named) == len(data.class_names):
        raise DataError(f"{data.root}: need a class that is not called like a split, got {', '.join(named)}")
