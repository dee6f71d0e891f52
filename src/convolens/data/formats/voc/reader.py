"""Pascal VOC: one XML file for each picture. Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010.

VOC counts pixels from 1 and names the last one inside, so `xmin ymin xmax ymax` becomes `xmin - 1, ymin - 1, xmax,
ymax`. Programs that write such files today often count from 0: a set in which a number below 1 occurs is taken as
written by one, with a note.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import SPLITS, exists, folders_in, listed, numbered, read_bytes, read_text, split_folders
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import is_left_out, is_picture

CORNERS = ("xmin", "ymin", "xmax", "ymax")
MAX_BYTES = 64 << 20  # of one picture's file
MAX_SIDE = 1 << 31  # beyond which a size is not believed
# Chinese programs declare the small set and write the large one, which has it as a part.
WIDER = {"gb2312": "gb18030", "gbk": "gb18030"}


class _Object(NamedTuple):
    name: str
    corners: tuple[float, ...]
    difficult: bool
    truncated: bool


@dataclass(frozen=True)
class _File:
    """One XML file: its picture, its claimed size, and its objects."""

    xml: Path
    picture: Path
    size: tuple[int, int] | None
    objects: tuple[_Object, ...]
    split: str


def recognize(path: Path) -> bool:
    """Whether it is a folder with XML files at its top, in `Annotations`, or in its splits."""
    return path.is_dir() and next(_xml_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every XML file; `ImageSets/Main/*.txt` or folders say which split it is of."""
    files: list[_File] = []
    faults: list[Fault] = []
    lists, pictures = _lists(root), _Pictures()
    for path, split in _xml_files(root):
        try:
            files.append(_parsed(path, split or lists.get(path.stem, ""), pictures))
        except FileError as error:
            faults.append(Fault(path, "unreadable annotation", str(error)))
    if not files and not faults:
        raise DataError(f"{root}: need XML files, found none")
    names = numbered({one.name for file in files for one in file.objects}, known)
    below = next((file for file in files if _has_corner_below_1(file)), None)
    examples = tuple(_example(file, names, 1 if below is None else 0, faults) for file in files)
    notes = () if below is None else (_counting_from_0(below.xml),)
    return Reading(DataSet(root, names, examples, "boxes"), tuple(faults), notes=notes)


def _has_corner_below_1(file: _File) -> bool:
    return any(0 <= corner < 1 for one in file.objects for corner in one.corners[:2])


def _counting_from_0(xml: Path) -> Fault:
    sentence = f"{xml}: has a corner below 1, so all of them are taken to count from 0; VOC's own count from 1"
    return Fault(xml, "corners from 0", sentence)


def _xml_files(root: Path) -> Iterator[tuple[Path, str]]:
    for split, folder in [("", root), *split_folders(root)]:
        for place in [folder, *(one for one in folders_in(folder) if one.name.lower() == "annotations")]:
            for path in sorted(place.iterdir()):
                if path.suffix.lower() == ".xml" and not is_left_out(path.name):
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


def _parsed(path: Path, split: str, pictures: _Pictures) -> _File:
    try:
        top = ElementTree.fromstring(_decoded(path))
    except (ElementTree.ParseError, ValueError) as error:
        raise FormatError(f"{path}: need XML, got {error}") from error
    if top.tag != "annotation":
        raise FormatError(f"{path}: need an <annotation>, got <{top.tag}>")
    objects = tuple(
        _Object(_text(path, one, "name"), _corners(path, one), _is(one, "difficult"), _is(one, "truncated"))
        for one in top.iter("object")
    )
    name = (top.findtext("filename") or "").strip()
    return _File(path, pictures.named(path, name), _size(top), objects, split)


def _decoded(path: Path) -> str:
    """The text, in the encoding that its first line declares, or else in UTF-8."""
    data = read_bytes(path, "a VOC annotation", most=MAX_BYTES)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        declared = "utf-16"
    else:
        found = re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", data)
        declared = found[1].decode().lower() if found else "utf-8"
    if declared in ("utf-8", "utf8"):
        declared = "utf-8-sig"
    try:
        return data.decode(WIDER.get(declared, declared))
    except LookupError:
        raise FormatError(f"{path}: need a known encoding of its text, got {declared!r}") from None
    except UnicodeError as error:
        raise FormatError(f"{path}: need text in {declared}, as it says or by default, got {error}") from error


def _size(top: ElementTree.Element) -> tuple[int, int] | None:
    """The picture's size, where two numbers say it; it is a claim, and nothing depends on it."""
    sides = []
    for name in ("width", "height"):
        try:
            side = float(top.findtext(f"size/{name}") or "")
        except ValueError:
            return None
        if not 0.5 < side < MAX_SIDE:  # nan and inf are not either
            return None
        sides.append(round(side))
    return sides[0], sides[1]


def _corners(path: Path, one: ElementTree.Element) -> tuple[float, ...]:
    return tuple(_number(path, one, f"bndbox/{name}") for name in CORNERS)


def _is(one: ElementTree.Element, mark: str) -> bool:
    return (one.findtext(mark) or "0").strip() == "1"


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


class _Pictures:
    """Finds an XML file's picture: beside it, in `JPEGImages` or `images` beside its folder, or above.

    By the name in the XML as it stands; by that name in other capitals; with a picture's suffix added, as some programs
    leave it out; and at last by the XML's own name. Each folder is listed once.
    """

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, list[Path]]] = {}

    def named(self, xml: Path, name: str) -> Path:
        """The picture's path; a name that is not found stays as it is, and reading it says so.

        Raises:
            FormatError: several pictures are meant as much.
        """
        base = xml.parent
        folders = [base, base.parent / "JPEGImages", base.parent / "images", base.parent]
        short = name.replace("\\", "/").rpartition("/")[2]  # of a path on another machine, Windows' too
        for place in (folder / one for one in dict.fromkeys((name, short)) if one for folder in folders):
            if self._is_listed(place):
                return place
        for wanted in dict.fromkeys(one.lower() for one in (short, xml.stem) if one):
            for folder in folders:
                found = self._list(folder)[wanted]
                if len(found) > 1:
                    raise FormatError(f"{xml}: need one picture {wanted!r}, found {listed([p.name for p in found])}")
                if found:
                    return found[0]
        return base / (name or f"{xml.stem}.jpg")

    def _is_listed(self, path: Path) -> bool:
        return path in self._list(path.parent)[path.name.lower()]

    def _list(self, folder: Path) -> dict[str, list[Path]]:
        """Pictures by their names in small letters, and by these without their suffixes."""
        if folder not in self._listed:
            names: dict[str, list[Path]] = defaultdict(list)
            for path in sorted(folder.iterdir()) if exists(folder) and folder.is_dir() else ():
                if is_picture(path.name) and not is_left_out(path.name):
                    names[path.name.lower()].append(path)
                    names[path.stem.lower()].append(path)
            self._listed[folder] = names
        return self._listed[folder]


def _example(file: _File, names: tuple[str, ...], first: int, faults: list[Fault]) -> Example:
    boxes = []
    for name, (x1, y1, x2, y2), difficult, truncated in file.objects:
        if name in names:
            corners = (x1 - first, y1 - first, x2, y2)
            boxes.append(Box(names.index(name), corners, difficult=difficult, truncated=truncated))
        else:
            sentence = f"{file.xml}: need objects named like the model's classes ({listed(names)}), got {name!r}"
            faults.append(Fault(file.xml, "unknown class", sentence))
    labels = tuple(sorted({box.label for box in boxes}))
    return Example(file.picture, labels, tuple(boxes), file.split, file.size)
