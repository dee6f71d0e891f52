"""Data to inspect: good pictures to learn from, and good and unusual ones to measure on, perhaps with masks.

    ROOT/train/good/…             good pictures
    ROOT/test/good/…              further ones
    ROOT/test/KIND/NAME.png       pictures with a kind of defect
    ROOT/ground_truth/KIND/NAME_mask.png   where it is: any pixel that is not black

As MVTec AD is laid out (Bergmann et al., CVPR 2019). A folder of good pictures alone will do to learn from, and one
with a folder `good` and others to measure on.
"""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.data.dataset import DataSet, Example
from convolens.data.reading import read_data
from convolens.errors import ArgumentError, DataError
from convolens.media.files import AnyPath
from convolens.media.picture_files import find_pictures, is_picture
from convolens.media.pixels import as_pixels
from convolens.results import GOOD, UNUSUAL
from convolens.sources import as_address

MASKS = "ground_truth"
CLASSES = (GOOD, UNUSUAL)


def read_good(path: AnyPath) -> DataSet:
    """Good pictures: those of `train/good`, else of `good`, else all in a folder, of files by a pattern or in a store.

    Raises:
        FileError: nothing is there.
        DataError: there are pictures of defects, and no folder that is called good.
    """
    root = Path(path)
    if not as_address(path) and root.is_dir():
        inside = next((one for one in (root / "train" / GOOD, root / GOOD) if one.is_dir()), None)
        if inside is None and (root / "test").is_dir():
            raise DataError(f"{path}: need a folder train/{GOOD} beside test, found none; give the folder of good ones")
        root = inside or root
    files = find_pictures([root if not as_address(path) else fspath(path)])
    return DataSet(root, CLASSES, tuple(Example(file, (0,)) for file in files), "label")


def read_inspected(path: AnyPath, split: str | None = None) -> DataSet:
    """Pictures whose answers are known: `good` or not; an unusual one's `id` is the name of its folder.

    Args:
        path: a folder with `test` in it, or with a folder `good` and others; or any data of the classes `good` and
            `unusual`, as `convolens.data` reads it.
        split: None, or `test`.

    Raises:
        FileError: nothing is there.
        DataError: neither of these.
        ArgumentError: another split.
    """
    root = Path(path)
    if as_address(path) or not root.is_dir():
        return read_data(path, class_names=CLASSES)
    if split not in (None, "test"):
        raise ArgumentError(f"split: need test, which is what pictures to inspect are measured on, got {split!r}")
    root = root / "test" if (root / "test").is_dir() else root
    folders = sorted(one for one in root.iterdir() if one.is_dir() and one.name != MASKS and one.name[0] not in "._")
    examples = [
        Example(file, (int(folder.name != GOOD),), id=folder.name) for folder in folders for file in _in(folder)
    ]
    if not examples:
        raise DataError(
            f"{path}: need a folder {GOOD} and one for each kind of defect, with pictures, to measure on, found none"
        )
    return DataSet(root, CLASSES, tuple(examples), "label")


def _in(folder: Path) -> list[Any]:
    """The pictures in a folder; one without any is none."""
    has = any(is_picture(one.name) for one in folder.rglob("*"))
    return list(find_pictures([folder])) if has else []


def mask_of(example: Example, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Where a picture is unusual; None where that is not known. In a good one nothing is.

    Args:
        example: of `read_inspected`.
        size: the picture's height and width.

    Raises:
        DataError: the mask has another size.
        FileError: it cannot be read.
    """
    if example.labels == (0,):
        return np.zeros(size, bool)
    if not isinstance(example.path, Path):
        return None
    kind, name = example.path.parent, example.path.stem
    for root in (kind.parent.parent, kind.parent):
        for file in sorted((root / MASKS / kind.name).glob(f"{_literal(name)}*")):
            if file.stem in (name, f"{name}_mask") and is_picture(file.name):
                return _read_mask(file, size)
    return None


def _literal(name: str) -> str:
    """A name of which a pattern's characters stand for themselves."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _read_mask(file: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    pixels = as_pixels(file)
    if pixels.shape[:2] != size:
        raise DataError(
            f"{file}: need a mask of the picture's {size[1]}×{size[0]} pixels, got {pixels.shape[1]}×{pixels.shape[0]}"
        )
    found: NDArray[np.bool_] = pixels[..., :3].max(axis=2) > 0 if pixels.ndim == 3 else pixels > 0
    return found
