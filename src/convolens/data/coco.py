"""COCO's JSON: pictures, boxes `[x, y, width, height]`, categories. Lin et al., "Microsoft COCO", 2014.

A crowd (`iscrowd: 1`) is a region with many objects and no box of one: it is kept as such. Categories keep the order of
their ids; pictures without annotations stay, as examples without objects.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import listed, read_text, split_folders, split_in
from convolens.errors import DataError, FormatError

HEAD = 1 << 16  # bytes of a JSON file in which one of COCO's keys must occur for it to be recognized


def recognize(path: Path) -> bool:
    """Whether it is such a JSON file, or a folder with one at its top, in `annotations`, or in its splits."""
    return bool(_files(path))


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """Reads the boxes of every JSON file found, whose name or folder may name its split."""
    files = _files(root)
    if not files:
        raise DataError(f"{root}: need a JSON file with images, annotations and categories, found none")
    read_files = [(file, split, parsed(file)) for file, split in files]
    names = known or _category_names([content for _, _, content in read_files])
    examples: list[Example] = []
    faults: list[Fault] = []
    for file, split, content in read_files:
        _File(file, split if len(files) > 1 else "", names, content, examples, faults).read()
    return Reading(DataSet(root, names, tuple(examples), "boxes"), tuple(faults))


class _File:
    """One JSON file on its way to examples and faults."""

    def __init__(
        self,
        path: Path,
        split: str,
        names: tuple[str, ...],
        content: dict[str, Any],
        examples: list[Example],
        faults: list[Fault],
    ) -> None:
        self.path, self.split, self.content = path, split, content
        self.examples, self.faults = examples, faults
        self.labels = {one["id"]: self._label(one["name"], names) for one in content["categories"]}

    def read(self) -> None:
        boxes = self._boxes()
        images = self.content["images"]
        folder = _picture_folder(self.path, images)
        for image in images:
            found = tuple(boxes.pop(image["id"], ()))
            sides = (image.get("width"), image.get("height"))
            size = sides if all(isinstance(side, int) for side in sides) else None
            labels = tuple(sorted({box.label for box in found if not box.crowd}))
            self.examples.append(Example(folder / image["file_name"], labels, found, self.split, size))
        for number in boxes:
            self._fault("unknown picture", f"need image_id of one of its images, got {number!r}")

    def _boxes(self) -> dict[Any, list[Box]]:
        boxes: dict[Any, list[Box]] = defaultdict(list)
        for annotation in self.content["annotations"]:
            label = self.labels.get(annotation["category_id"])
            if label is None:
                self._fault(
                    "unknown class",
                    f"need category_id of one of its categories, got {annotation['category_id']!r} in annotation "
                    f"{annotation.get('id')!r}",
                )
            elif label >= 0:
                x, y, width, height = map(float, annotation["bbox"])
                corners, crowd = (x, y, x + width, y + height), bool(annotation.get("iscrowd"))
                boxes[annotation["image_id"]].append(Box(label, corners, annotation.get("area"), crowd))
        return boxes

    def _label(self, name: str, names: tuple[str, ...]) -> int:
        if name in names:
            return names.index(name)
        self._fault("unknown class", f"need categories named like the model's classes ({listed(names)}), got {name!r}")
        return -1

    def _fault(self, kind: str, sentence: str) -> None:
        self.faults.append(Fault(self.path, kind, f"{self.path}: {sentence}"))


def _files(path: Path) -> list[tuple[Path, str]]:
    """The JSON files that look like COCO's, each with its split."""
    if path.is_file():
        return [(path, "")] if _looks_right(path) else []
    places = {"": path} | split_folders(path)
    found = [(file, split or split_in(file.stem)) for split, folder in places.items() for file in folder.glob("*.json")]
    found += [(file, split_in(file.stem)) for file in path.glob("annotations/*.json")]
    return sorted((file, split) for file, split in found if _looks_right(file))


def _looks_right(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(HEAD)
        stream.seek(max(0, path.stat().st_size - HEAD))
        ends = head + stream.read(HEAD)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and any(
        key in ends for key in (b'"images"', b'"annotations"', b'"categories"')
    )


# The lists of the JSON, and of each row what must be in it, and of which type.
_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "images": {"id": (int, str), "file_name": str},
    "categories": {"id": (int, str), "name": str},
    "annotations": {"image_id": (int, str), "category_id": (int, str), "bbox": list},
}


def parsed(path: Path) -> dict[str, Any]:
    """The JSON, with its lists and their keys in place."""
    try:
        content = json.loads(read_text(path, "COCO annotations"))
    except ValueError as error:
        raise FormatError(f"{path}: need JSON, got {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path}: need images, categories and annotations, got a {type(content).__name__}")
    for name, keys in _KEYS.items():
        rows = content.get(name)
        if not isinstance(rows, list):
            raise FormatError(f"{path}: need a list of {name}, got {'none' if rows is None else type(rows).__name__}")
        for at, row in enumerate(rows):
            if not isinstance(row, dict) or not all(isinstance(row.get(key), kind) for key, kind in keys.items()):
                raise FormatError(f"{path}: need {', '.join(keys)} in each of its {name}, got number {at}: {row!r:.80}")
    _check_boxes(path, content["annotations"])
    return content


def _check_boxes(path: Path, annotations: list[dict[str, Any]]) -> None:
    for at, one in enumerate(annotations):
        box = one["bbox"]
        if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, int | float) for value in box):
            raise FormatError(f"{path}: need bbox of four numbers in each annotation, got number {at}: {box!r:.60}")
        if not isinstance(one.get("area"), int | float | None):
            raise FormatError(f"{path}: need area as a number or none, got {one['area']!r:.60} in annotation {at}")


def _category_names(contents: list[dict[str, Any]]) -> tuple[str, ...]:
    """Every category's name once, in order of id."""
    pairs = sorted({(one["id"], one["name"]) for content in contents for one in content["categories"]})
    return tuple(dict.fromkeys(name for _, name in pairs))


def _picture_folder(path: Path, images: list[dict[str, Any]]) -> Path:
    """The first of the usual places that has the first picture; beside the JSON file where none has."""
    stem = path.stem.split("_")[-1]  # train2017 of instances_train2017
    base = path.parent
    places = [base, base / "images", base.parent, base.parent / "images", base.parent / stem]
    places += [base / stem, base.parent / "images" / stem, base / "images" / stem]
    first = [image["file_name"] for image in images[:5]]
    return next((place for place in places if any((place / name).is_file() for name in first)), base)
