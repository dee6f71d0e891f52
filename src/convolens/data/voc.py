"""Pascal VOC: one XML file for each picture. Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010.

VOC counts pixels from 1 and names the last one inside, so `xmin ymin xmax ymax` becomes `xmin - 1, ymin - 1, xmax,
ymax`. Programs that write such files today often count from 0: a set in which a 0 occurs is taken as written by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import SPLITS, listed, numbered, read_text, split_folders
from convolens.errors import DataError, FormatError
from convolens.media.picture_formats import suffixes

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class _File:
    """One XML file: its picture, its claimed size; of its objects names, corners, and whether they are difficult."""

    xml: Path
    picture: Path
    size: tuple[int, int] | None
    objects: tuple[tuple[str, tuple[float, ...], bool], ...]
    split: str


def recognize(path: Path) -> bool:
    """Whether it is a folder with XML files at its top, in `Annotations`, or in its splits."""
    return path.is_dir() and next(_xml_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every XML file; `ImageSets/Main/*.txt` or folders say which split it is of."""
    files: list[_File] = []
    faults: list[Fault] = []
    lists = _lists(root)
    for path, split in _xml_files(root):
        try:
            files.append(_parsed(path, split or lists.get(path.stem, "")))
        except FormatError as error:
            faults.append(Fault(path, "unreadable annotation", str(error)))
    if not files and not faults:
        raise DataError(f"{root}: need XML files, found none")
    names = numbered({name for file in files for name, *_ in file.objects}, known)
    first = 0 if any(corner == 0 for file in files for _, corners, _ in file.objects for corner in corners[:2]) else 1
    examples = tuple(_example(file, names, first, faults) for file in files)
    return Reading(DataSet(root, names, examples, "boxes"), tuple(faults))


def _xml_files(root: Path) -> Iterator[tuple[Path, str]]:
    for split, folder in ({"": root} | split_folders(root)).items():
        for place in (folder, folder / "Annotations", folder / "annotations"):
            for path in sorted(place.glob("*.xml")):
                yield path, split


def _lists(root: Path) -> dict[str, str]:
    """The split of each picture's name, of VOC's own lists."""
    found: dict[str, str] = {}
    for path in sorted(root.glob("ImageSets/Main/*.txt")):
        if path.stem in SPLITS:
            found |= {
                line.split()[0]: SPLITS[path.stem] for line in read_text(path, "a list").splitlines() if line.strip()
            }
    return found


def _parsed(path: Path, split: str) -> _File:
    try:
        top = ElementTree.fromstring(read_text(path, "a VOC annotation"))
    except ElementTree.ParseError as error:
        raise FormatError(f"{path}: need XML, got {error}") from error
    if top.tag != "annotation":
        raise FormatError(f"{path}: need an <annotation>, got <{top.tag}>")
    size = (
        tuple(round(_number(path, top, f"size/{name}")) for name in ("width", "height")) if top.find("size") else None
    )
    objects = tuple((_text(path, one, "name"), _corners(path, one), _difficult(one)) for one in top.iter("object"))
    return _File(path, _picture(path, top.findtext("filename") or ""), size, objects, split)  # type: ignore[arg-type]


def _corners(path: Path, one: ElementTree.Element) -> tuple[float, ...]:
    return tuple(_number(path, one, f"bndbox/{name}") for name in CORNERS)


def _difficult(one: ElementTree.Element) -> bool:
    return (one.findtext("difficult") or "0").strip() == "1"


def _text(path: Path, element: ElementTree.Element, name: str) -> str:
    text = (element.findtext(name) or "").strip()
    if not text:
        raise FormatError(f"{path}: need <{name}> in each <{element.tag}>, found none")
    return text


def _number(path: Path, element: ElementTree.Element, name: str) -> float:
    text = _text(path, element, name)
    try:
        return float(text)
    except ValueError:
        raise FormatError(f"{path}: need a number in <{name}>, got {text!r}") from None


def _picture(xml: Path, name: str) -> Path:
    """The picture: by the name in the XML, or the XML's own; beside it, or in `JPEGImages` or `images`."""
    base = xml.parent
    folders = [base, base.parent / "JPEGImages", base.parent / "images", base.parent]
    names = [name] if name else []
    names += [xml.stem + suffix for suffix in sorted(suffixes())]
    places = [folder / one for one in names for folder in folders]
    return next((place for place in places if place.is_file()), base / names[0])


def _example(file: _File, names: tuple[str, ...], first: int, faults: list[Fault]) -> Example:
    boxes = []
    for name, (x1, y1, x2, y2), difficult in file.objects:
        if name in names:
            boxes.append(Box(names.index(name), (x1 - first, y1 - first, x2, y2), difficult=difficult))
        else:
            sentence = f"{file.xml}: need objects named like the model's classes ({listed(names)}), got {name!r}"
            faults.append(Fault(file.xml, "unknown class", sentence))
    labels = tuple(sorted({box.label for box in boxes}))
    return Example(file.picture, labels, tuple(boxes), file.split, file.size)
