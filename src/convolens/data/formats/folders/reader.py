"""A folder for each class: `DIR/brick/*.png`, `DIR/grass/*.jpg`; or these below `DIR/train`, `DIR/val`, `DIR/test`.

A class may be called train: see `_splits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from convolens.data.dataset import DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import folders_in, listed, no_picture, split_folders
from convolens.errors import DataError
from convolens.media.picture_files import files_below, is_left_out, is_picture
from convolens.media.result_folders import are_passed_over

ANNOTATIONS = (".json", ".jsonl", ".xml", ".csv", ".txt", ".odgt", ".yaml", ".yml")


def recognize(path: Path) -> bool:
    """Whether it is a folder; every other format is tried first."""
    return path.is_dir()


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """Each folder in `root` is a class, every picture below it is of the class.

    Files whose suffix is not a picture's are listed as skipped; names that start with a dot are ignored.
    """
    splits, notes = _splits(root)
    class_folders = [(split, folder) for split, where in splits for folder in _given_in(where)]
    if not class_folders:
        raise DataError(f"{root}: need a folder of pictures for each class, found no folders in it{_unknown(root)}")
    names = known or tuple(sorted({_key(folder): folder.name for _, folder in reversed(class_folders)}.values()))
    numbers = {normalize("NFC", name): number for number, name in enumerate(names)}
    examples: list[Example] = []
    skipped: list[Skipped] = []
    faults: list[Fault] = []
    for split, folder in class_folders:
        if _key(folder) not in numbers:
            sentence = f"{root}: need folders named like the model's classes ({listed(names)}), got {folder.name!r}"
            faults.append(Fault(folder, "unknown class", sentence))
            continue
        before = len(examples)
        examples.extend(_examples(folder, numbers[_key(folder)], split, skipped))
        if len(examples) == before:
            faults.append(_empty_class(root, folder, skipped))
    return Reading(DataSet(root, names, tuple(examples), "label", tuple(skipped)), tuple(faults), notes=tuple(notes))


def _key(folder: Path) -> str:
    """The folder's name as one class has it on a Mac and elsewhere: accents apart from letters, or not."""
    return normalize("NFC", folder.name)


def _unknown(root: Path) -> str:
    """In a sentence, the first file beside the pictures that may hold annotations, of no format that is known."""
    folders = [root, *(folder for _, folder in split_folders(root))]
    found = (path for folder in folders for path in sorted(folder.iterdir()) if not is_left_out(path.name))
    first = next((path for path in found if path.suffix.lower() in ANNOTATIONS), None)
    return f"; {first.relative_to(root)} is of no format that is known" if first else ""


def _empty_class(root: Path, folder: Path, skipped: list[Skipped]) -> Fault:
    """A fault; where the folder has text files as YOLO's, what is missing are the names of their classes."""
    others = sorted({one.path.suffix for one in skipped if Path(str(one.path)).is_relative_to(folder)})
    if folder.name.lower() == "labels" and others == [".txt"]:
        raise DataError(
            f"{root}: need a data.yaml or classes.txt with the names of the classes, whose numbers the text files in "
            f"{folder} have, found neither"
        )
    sentence = f"{folder}: need pictures of the class {folder.name!r}, found none"
    return Fault(folder, "empty class", sentence + f", but {listed(others)}, of no format that is known" * bool(others))


def _splits(root: Path) -> tuple[list[tuple[str, Path]], list[Fault]]:
    """The folders that hold classes, each with its split; or the root, where `train` is a class among others.

    It is one where it holds pictures beside other classes; and where it is the only folder with a split's name, and
    others hold pictures.
    """
    splits = split_folders(root)
    named = {folder for _, folder in splits}
    others = [folder for folder in _given_in(root) if folder not in named and _has_pictures(folder)]
    if not splits or not others:
        return splits or [("", root)], []
    if any(_has_pictures(folder) for split, folder in splits if split == "train") or len(splits) == 1:
        return [("", root)], []
    passed = (Fault(folder, "folder beside splits", f"{folder}: passed over beside the splits") for folder in others)
    return splits, list(passed)


def _given_in(folder: Path) -> list[Path]:
    """The folders in a folder, but for those of results."""
    return [one for one in folders_in(folder) if not are_passed_over(one)]


def _has_pictures(folder: Path) -> bool:
    return any(is_picture(path.name) and not is_left_out(path.name) for path in folder.iterdir())


def _examples(folder: Path, label: int, split: str, skipped: list[Skipped]) -> Iterator[Example]:
    labels = (label,)
    for path in files_below(folder):
        if is_picture(path):
            yield Example(Path(path), labels, split=split)
        else:
            skipped.append(no_picture(path))
