"""YOLO's text files: `class x y width height` a line, the center and size as fractions of the picture's.

A line of more points, `class x1 y1 x2 y2 x3 y3 …`, is an outline; its box is taken. Names come from `data.yaml` or
`classes.txt`. Fractions become pixels, for which every picture's header is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading, Skipped
from convolens.data.files import SPLITS, listed, no_picture, read_text
from convolens.data.yaml_subset import read_yaml
from convolens.errors import DataError, FileError, FormatError
from convolens.media.images import read_header
from convolens.media.picture_files import files_below, is_picture

NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt")


def recognize(path: Path) -> bool:
    """Whether it is a `.yaml` or `classes.txt`, or a folder with one of the usual names in it."""
    return path.name == "classes.txt" or path.suffix.lower() in (".yaml", ".yml") or _description(path) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """Pictures and the text file of each: in `labels` where the picture is in `images`, or beside it."""
    described = root if root.is_file() else _description(root)
    if described is None:
        raise DataError(f"{root}: need one of {', '.join(NAMES)}, found none")
    own, places = _described(described)
    reader = _Reader(described, own, known or own)
    for split, place in places:
        reader.read(place, split)
    data = DataSet(root, known or own, tuple(reader.examples), "boxes", tuple(reader.skipped))
    return Reading(data, tuple(reader.faults))


class _Reader:
    """Goes through pictures and gathers examples."""

    def __init__(self, described: Path, own: tuple[str, ...], names: tuple[str, ...]) -> None:
        self.own, self.names = own, names
        self.examples: list[Example] = []
        self.skipped: list[Skipped] = []
        self.faults: list[Fault] = []
        for name in own:
            if name not in names:
                sentence = f"{described}: need names like the model's classes ({listed(names)}), got {name!r}"
                self.faults.append(Fault(described, "unknown class", sentence))

    def read(self, place: Path, split: str) -> None:
        for name in _pictures(place):
            if not is_picture(name):
                if not name.endswith((".txt", ".yaml", ".yml", ".cache")):
                    self.skipped.append(no_picture(name))
                continue
            path = Path(name)
            try:
                size = read_header(path).size
            except FileError as error:
                self.skipped.append(Skipped(path, str(error)))
                continue
            boxes = tuple(self._boxes(_text_of(path), size))
            self.examples.append(Example(path, tuple(sorted({box.label for box in boxes})), boxes, split, None))

    def _boxes(self, path: Path, size: tuple[int, int]) -> Iterator[Box]:
        if not path.exists():
            return
        for at, line in enumerate(read_text(path, "YOLO's boxes").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                label, *numbers = line.split()
                number, values = int(label), [float(one) for one in numbers]
                fractions = _fractions(values)
            except ValueError:
                self._fault(
                    path, "unreadable annotation", f"line {at}: need a class and four numbers, got {line!r:.60}"
                )
                continue
            if not 0 <= number < len(self.own):
                self._fault(path, "unknown class", f"line {at}: need a class of 0 to {len(self.own) - 1}, got {number}")
            elif self.own[number] in self.names:
                x1, y1, x2, y2 = fractions
                width, height = size
                yield Box(self.names.index(self.own[number]), (x1 * width, y1 * height, x2 * width, y2 * height))

    def _fault(self, path: Path, kind: str, sentence: str) -> None:
        self.faults.append(Fault(path, kind, f"{path}: {sentence}"))


def _fractions(values: list[float]) -> tuple[float, float, float, float]:
    """Corners from a center and a size, or of an outline of at least three points."""
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) < 6 or len(values) % 2:
        raise ValueError
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _description(folder: Path) -> Path | None:
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _described(path: Path) -> tuple[tuple[str, ...], list[tuple[str, Path]]]:
    """The class names, and folders or lists of pictures with the split that each is."""
    if path.suffix == ".txt":
        names = tuple(line.strip() for line in read_text(path, "class names").splitlines() if line.strip())
        if not names:
            raise FormatError(f"{path}: need a class name a line, found none")
        return names, _parts_of(path.parent)
    content = read_yaml(path)
    found = content.get("names")
    names = tuple(found.values()) if isinstance(found, dict) else tuple(found or ())
    if not names or isinstance(found, str):
        raise FormatError(f"{path}: need names: a list of the classes, got {found!r}")
    return names, _places(path, content)


def _places(path: Path, content: dict[str, object]) -> list[tuple[str, Path]]:
    base = path.parent / str(content.get("path") or "")
    if not base.is_dir():  # many files keep the path of the machine that they were written on
        base = path.parent
    places = []
    for key, split in SPLITS.items():
        value = content.get(key)
        for one in value if isinstance(value, list) else [value] if value else []:
            places.append((split, _existing(path, base, str(one))))
    return places or _parts_of(path.parent)


def _existing(path: Path, base: Path, name: str) -> Path:
    """The folder or list; Roboflow writes `../train/images` for what is in `train/images`."""
    tried = [base / name, path.parent / name, path.parent / name.removeprefix("../")]
    for place in tried:
        if place.exists():
            return place
    raise FileError(f"{path}: need the pictures that it names, found nothing at {tried[0]}")


def _parts_of(folder: Path) -> list[tuple[str, Path]]:
    """`images/train`, `train/images` or `train`, or else all that is there."""
    for base in (folder / "images", folder):
        if base.is_dir():
            splits = [(SPLITS[one.name], one) for one in sorted(base.iterdir()) if one.is_dir() and one.name in SPLITS]
            if any(split == "train" for split, _ in splits):
                return splits
    return [("", folder / "images" if (folder / "images").is_dir() else folder)]


def _pictures(place: Path) -> Iterator[str]:
    if place.is_dir():
        yield from files_below(place)
        return
    for line in read_text(place, "a list of pictures").splitlines():
        if line.strip():
            yield str(place.parent / line.strip())


def _text_of(picture: Path) -> Path:
    """The picture's text file: `…/labels/…` for the last `…/images/…`, or beside the picture."""
    pieces = list(picture.parts)
    for at in range(len(pieces) - 2, -1, -1):
        if pieces[at] == "images":
            return Path(*pieces[:at], "labels", *pieces[at + 1 :]).with_suffix(".txt")
    return picture.with_suffix(".txt")
