"""A folder for each class: `DIR/brick/*.png`, `DIR/grass/*.jpg`; or these below `DIR/train`, `DIR/val`, `DIR/test`.

A class may be called train: see `_splits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convolens.data.dataset import DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import folders_in, listed, no_picture, split_folders
from convolens.errors import DataError
from convolens.media.picture_files import files_below, is_left_out, is_picture


def recognize(path: Path) -> bool:
    """Whether it is a folder; every other format is tried first."""
    return path.is_dir()


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """Each folder in `root` is a class, every picture below it is of the class.

    Files whose suffix is not a picture's are listed as skipped; names that start with a dot are ignored.
    """
    splits, notes = _splits(root)
    class_folders = [(split, folder) for split, where in splits for folder in folders_in(where)]
    if not class_folders:
        raise DataError(f"{root}: need a folder of pictures for each class, found no folders in it")
    names = known or tuple(sorted({folder.name for _, folder in class_folders}))
    examples: list[Example] = []
    skipped: list[Skipped] = []
    faults: list[Fault] = []
    for split, folder in class_folders:
        if folder.name not in names:
            sentence = f"{root}: need folders named like the model's classes ({listed(names)}), got {folder.name!r}"
            faults.append(Fault(folder, "unknown class", sentence))
            continue
        before = len(examples)
        examples.extend(_examples(folder, names.index(folder.name), split, skipped))
        if len(examples) == before:
            sentence = f"{folder}: need pictures of the class {folder.name!r}, found none"
            others = sorted({one.path.suffix for one in skipped if one.path.is_relative_to(folder)})
            if folder.name.lower() == "labels" and others == [".txt"]:
                raise DataError(
                    f"{root}: need a data.yaml or classes.txt with the names of the classes, whose numbers the text "
                    f"files in {folder} have, found neither"
                )
            sentence += f", but {listed(others)}; name the format that they are in" * bool(others)
            faults.append(Fault(folder, "empty class", sentence))
    return Reading(DataSet(root, names, tuple(examples), "label", tuple(skipped)), tuple(faults), notes=tuple(notes))


def _splits(root: Path) -> tuple[list[tuple[str, Path]], list[Fault]]:
    """The folders that hold classes, each with its split; or the root, where `train` is a class among others.

    It is one where it holds pictures beside other classes; and where it is the only folder with a split's name, and
    others hold pictures.
    """
    splits = split_folders(root)
    named = {folder for _, folder in splits}
    others = [folder for folder in folders_in(root) if folder not in named and _has_pictures(folder)]
    if not splits or not others:
        return splits or [("", root)], []
    if any(_has_pictures(folder) for split, folder in splits if split == "train") or len(splits) == 1:
        return [("", root)], []
    passed = (Fault(folder, "folder beside splits", f"{folder}: passed over beside the splits") for folder in others)
    return splits, list(passed)


def _has_pictures(folder: Path) -> bool:
    return any(is_picture(path.name) and not is_left_out(path.name) for path in folder.iterdir())


def _examples(folder: Path, label: int, split: str, skipped: list[Skipped]) -> Iterator[Example]:
    labels = (label,)
    for path in files_below(folder):
        if is_picture(path):
            yield Example(Path(path), labels, split=split)
        else:
            skipped.append(no_picture(path))
