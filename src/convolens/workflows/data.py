"""Pictures to learn from: a folder for each class, `DIR/brick/*.png`, `DIR/grass/*.jpg`.

Only names are kept in memory; pictures are decoded when they are needed, one at a time. A file that cannot be read is
remembered with its reason and skipped, so that one bad download does not stop a night's training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import ArgumentError, DataError, FileError
from convolens.media.files import AnyPath, need_folder
from convolens.tasks.pictures import pixels_of

PICTURE_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"])


@dataclass(frozen=True)
class Sample:
    """A picture file and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True)
class Skipped:
    """A file that was passed over, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class PictureFolder:
    """A folder read as classes: their names in alphabetical order, and their pictures in order of path."""

    root: Path
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: list[Skipped] = field(default_factory=list)

    def pictures(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, NDArray[Any]]]:
        """Each sample with its picture, `(H, W)` or `(H, W, 3)`. What cannot be read is added to `skipped`."""
        for sample in samples:
            try:
                picture = pixels_of(sample.path)
            except FileError as error:
                self.skipped.append(Skipped(sample.path, str(error)))
                continue
            yield sample, picture


def read_folder(root: AnyPath, class_names: tuple[str, ...] | None = None) -> PictureFolder:
    """The classes and picture files in `root`: each folder in it is a class, every picture below that is of the class.

    Files whose suffix is not a picture's are listed as skipped; names that start with a dot are ignored.

    Args:
        root: the folder of class folders.
        class_names: the classes a trained model knows, in its order. The folder's names must then be among them, and
            one class alone will do.

    Raises:
        FileError: nothing is there, or a file.
        DataError: fewer than two classes, a class folder without pictures, or a class that the model does not know.
    """
    folder = need_folder(root, "a folder with one folder of pictures for each class")
    class_folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    _check_classes(folder, [path.name for path in class_folders], class_names)
    names = class_names or tuple(path.name for path in class_folders)
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    for class_folder in class_folders:
        label, before = names.index(class_folder.name), len(samples)
        for path in _files(class_folder):
            if path.suffix.lower() in PICTURE_SUFFIXES:
                samples.append(Sample(path, label))
            else:
                skipped.append(Skipped(path, f"{path}: need a picture's suffix, got {path.suffix or 'none'}"))
        if len(samples) == before:
            raise DataError(f"{class_folder}: need pictures of the class {class_folder.name!r}, found none")
    return PictureFolder(folder, names, tuple(samples), skipped)


def split(samples: Iterable[Sample], fraction: float, seed: int = 0) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Cuts samples into those to train on and a `fraction` of every class to validate on.

    Each class is shuffled by a generator of its own, so that a new class leaves the split of the others as it was. A
    class keeps at least one sample on each side, or, having only one, keeps it for training.

    Raises:
        ArgumentError: the fraction is not between 0 and 1.

    >>> samples = [Sample(Path(f"{n}.png"), n % 2) for n in range(10)]
    >>> train, validation = split(samples, 0.2)
    >>> len(train), sorted(sample.label for sample in validation)
    (8, [0, 1])
    """
    if not 0 < fraction < 1:
        raise ArgumentError(f"validation: need a fraction between 0 and 1, got {fraction}")
    everything = tuple(samples)
    labels = np.array([sample.label for sample in everything], dtype=np.int64)
    held_out = np.zeros(len(everything), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out[np.random.default_rng([seed, label]).permutation(members)[:count]] = True
    return (
        tuple(sample for sample, out in zip(everything, held_out, strict=True) if not out),
        tuple(sample for sample, out in zip(everything, held_out, strict=True) if out),
    )


def _check_classes(folder: Path, found: list[str], known: tuple[str, ...] | None) -> None:
    if not found:
        raise DataError(f"{folder}: need a folder of pictures for each class, found no folders in it")
    if known is None and len(found) == 1:
        raise DataError(
            f"{folder}: need at least two classes, got one ({found[0]!r}); add a folder of pictures that are not it"
        )
    unknown = [] if known is None else [name for name in found if name not in known]
    if unknown:
        raise DataError(f"{folder}: need folders named like the model's classes ({_list(known)}), got {unknown[0]!r}")


def _list(names: tuple[str, ...] | None) -> str:
    names = names or ()
    return ", ".join(names[:8]) + (f", … {len(names)} in all" if len(names) > 8 else "")


def _files(folder: Path) -> list[Path]:
    """All files below, in order of path, none that is hidden or lies in a hidden folder."""
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file()
    )
