"""COCO's JSON: pictures, boxes `[x, y, width, height]`, categories. Lin et al., "Microsoft COCO", 2014.

A crowd (`iscrowd: 1`) is a region with many objects and no box of one: it is kept as such. Categories keep the order of
their ids; pictures without annotations stay, as examples without objects. A picture that is listed twice is one, with
the boxes of both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from reprlib import repr as short
from typing import Any

from convolens.arrays import Real
from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import listed
from convolens.data.formats.coco.boxes import corners_of, outlines_of
from convolens.data.formats.coco.json_files import (
    in_order,
    json_files,
    parsed,
    plain_id,
    row_trouble,
    with_name,
    with_objects,
)
from convolens.data.picture_names import FIRST, pictures_of
from convolens.errors import DataError

MAX_AREA = 1e300  # of an object: COCO's integers know no limit, doubles do
MAX_SIDE = 1 << 31  # of a picture, beyond which a size is not believed


def recognize(path: Path) -> bool:
    """Whether it is such a JSON file, or a folder with one at its top, in `annotations`, or in its splits."""
    return bool(json_files(path))


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """Reads the boxes of every JSON file found, whose name or folder may name its split; outlines where asked."""
    files, others = with_objects(json_files(root))
    if not files:
        raise DataError(f"{root}: need a JSON file with images, annotations and categories, found none")
    read_files = [(file, split, parsed(file)) for file, split in files]
    categories = _categories([content for _, _, content in read_files])
    names = known or tuple(categories)
    faults: list[Fault] = []
    notes = [
        Fault(file, "other annotations", f"{file}: passed over beside {files[0][0].name}, which has the boxes")
        for file in others
    ]
    examples: dict[tuple[str, Path], tuple[Example, Path]] = {}
    for file, split, content in read_files:
        one = _File(file, split if len(files) > 1 else "", names, content, faults, notes, outlines)
        for example in one.read():
            _, first = examples.setdefault((example.split, example.file), (example, file))
            if first != file:
                raise DataError(
                    f"{root}: need each picture in one file, got {example.file.name} in {first.name} and {file.name}; "
                    "give the file that is meant"
                )
    data = DataSet(
        root, names, tuple(example for example, _ in examples.values()), "boxes",
        class_ids=() if known else _class_ids(categories),
    )  # fmt: skip
    return Reading(data, tuple(faults), notes=tuple(notes))


class _File:
    """One JSON file on its way to examples, faults and notes."""

    def __init__(
        self,
        path: Path,
        split: str,
        names: tuple[str, ...],
        content: dict[str, Any],
        faults: list[Fault],
        notes: list[Fault],
        outlines: bool,
    ) -> None:
        self.path, self.split, self.content, self.outlines = path, split, content, outlines
        self.faults, self.notes = faults, notes
        self.labels: dict[str, int] = {}
        given: dict[str, str] = {}
        for one in content["categories"]:
            number, name = _needed_id(one["id"]), one["name"]
            if given.setdefault(number, name) != name:
                self._fault("id given twice", f"need an id for each category, got {one['id']!r} for {name!r} and "
                            f"{given[number]!r}")  # fmt: skip
            else:
                self.labels[number] = self._label(name, names)

    def read(self) -> list[Example]:
        """An example for each picture, in their order."""
        images = self._images()
        boxes = self._boxes(set(images))
        finder = pictures_of(self.path, [image["file_name"] for image in list(images.values())[:FIRST]], self.split)
        examples: dict[Path, Example] = {}
        for number, image in images.items():
            try:
                path = finder.path(image["file_name"])
            except ValueError as error:
                self._fault("unclear picture", str(error))
                continue
            found = tuple(boxes.get(number, ()))
            if path in examples:
                self._note("picture given twice", f"lists {image['file_name']!r} more than once, taken as one picture")
                found = examples[path].boxes + found
            labels = tuple(sorted({box.label for box in found if not box.crowd}))
            examples[path] = Example(path, labels, found, self.split, _size(image), _own_id(image))
        return list(examples.values())

    def _images(self) -> dict[str, dict[str, Any]]:
        """The rows that can be used, by id."""
        images: dict[str, dict[str, Any]] = {}
        for at, image in enumerate(map(with_name, self.content["images"])):
            trouble = row_trouble("images", at, image)
            if trouble:
                self._fault("unreadable annotation", trouble)
                continue
            number, name = _needed_id(image["id"]), image["file_name"]
            if re.match(r"(?!file:)[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
                self._fault(
                    "address for a picture",
                    f"need the names of picture files, got the address {name!r}; download it, give its name",
                )
            elif number not in images:
                images[number] = image
            elif images[number]["file_name"] == name:
                self._note("picture given twice", f"lists {name!r} more than once, taken as one picture")
            else:
                names = f"{images[number]['file_name']!r} and {name!r}"
                self._fault("id given twice", f"need an id for each picture, got {image['id']!r} for {names}")
        return images

    def _boxes(self, pictures: set[str]) -> dict[str, list[Box]]:
        boxes: dict[str, list[Box]] = defaultdict(list)
        unknown: dict[str, Any] = {}
        for at, annotation in enumerate(self.content["annotations"]):
            try:
                picture, box = self._box(annotation)
            except ValueError as error:
                self._fault("unreadable annotation", f"annotation {at}: {error}")
                continue
            except LookupError as error:
                self._fault("unknown class", f"{error.args[0]} in annotation {annotation.get('id')!r}")
                continue
            if picture not in pictures:
                unknown[picture] = annotation["image_id"]
            elif box is not None:
                boxes[picture].append(box)
        for number in unknown.values():
            self._fault("unknown picture", f"need image_id of one of its images, got {number!r}")
        return boxes

    def _box(self, annotation: Any) -> tuple[str, Box | None]:
        """The picture's id and the box, or none where its class is of no interest.

        Raises a ValueError where it cannot be read, a LookupError where its class is unknown.
        """
        if not isinstance(annotation, dict):
            raise ValueError(f"need image_id, category_id and bbox, got {short(annotation)}")
        picture, category = plain_id(annotation.get("image_id")), plain_id(annotation.get("category_id"))
        if picture is None or category is None:
            raise ValueError(f"need image_id and category_id, got {short(annotation)}")
        corners = corners_of(annotation)
        area, score = (_number(annotation, key) for key in ("area", "score"))
        outlines, holes = outlines_of(annotation) if self.outlines else ((), 0)
        if holes:
            what = f"{holes} hole{'s' * (holes > 1)}, which {'are' if holes > 1 else 'is'} filled"
            self._note("hole", f"annotation {short(annotation.get('id'))} has a mask with {what}")
        label = self.labels.get(category)
        if label is None:
            raise LookupError(f"need category_id of one of its categories, got {annotation['category_id']!r}")
        crowd = _mark(annotation, "iscrowd")
        return picture, Box(label, corners, area, crowd, score=score, outlines=outlines) if label >= 0 else None

    def _label(self, name: str, names: tuple[str, ...]) -> int:
        if name in names:
            return names.index(name)
        self._fault("unknown class", f"need categories named like the model's classes ({listed(names)}), got {name!r}")
        return -1

    def _fault(self, kind: str, sentence: str) -> None:
        self.faults.append(Fault(self.path, kind, f"{self.path}: {sentence}"))

    def _note(self, kind: str, sentence: str) -> None:
        self.notes.append(Fault(self.path, kind, f"{self.path}: {sentence}"))


def _needed_id(value: Any) -> str:
    number = plain_id(value)
    assert number is not None  # its row was checked
    return number


def _number(annotation: dict[str, Any], key: str) -> Real | None:
    value = annotation.get(key)
    if value is None or (isinstance(value, int | float) and abs(value) < MAX_AREA):
        return value
    raise ValueError(f"need {key} as a number or none, got {value!r:.60}")


def _mark(annotation: dict[str, Any], key: str) -> bool:
    """Whether a mark is set; `"0"` and `"false"` are words for no, as programs write them that know texts alone."""
    value = annotation.get(key)
    found = {"": False, "none": False, "0": False, "false": False, "1": True, "true": True}.get(str(value or 0).lower())
    if found is None:
        raise ValueError(f"need {key} as 0 or 1, got {value!r:.60}")
    return found


def _own_id(image: dict[str, Any]) -> int | str:
    """The id as it stands, but for numbers with a point."""
    value = image["id"]
    return value if isinstance(value, str) else int(value)


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if isinstance(width, int) and isinstance(height, int) and 0 < width < MAX_SIDE and 0 < height < MAX_SIDE:
        return width, height
    return None


def _categories(contents: list[dict[str, Any]]) -> dict[str, str]:
    """Every category's name once, and its first id, in order of id."""
    pairs = {(_needed_id(one["id"]), one["name"]) for content in contents for one in content["categories"]}
    in_turn = sorted(pairs, key=lambda pair: (in_order(pair[0]), pair[1]))
    first: dict[str, str] = {}
    for number, name in in_turn:
        first.setdefault(name, number)
    return first


def _class_ids(categories: dict[str, str]) -> tuple[int, ...]:
    """The ids, where they are whole numbers and not just the classes' places."""
    ids = list(categories.values())
    numbers = tuple(map(int, ids)) if all(one.isascii() and one.isdigit() for one in ids) else ()
    return () if numbers == tuple(range(len(ids))) else numbers
