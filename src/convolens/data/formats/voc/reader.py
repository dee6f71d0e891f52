"""Pascal VOC: one XML file for each picture. Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010.

VOC counts pixels from 1 and names the last one inside, so `xmin ymin xmax ymax` becomes `xmin - 1, ymin - 1, xmax,
ymax`. Programs that write such files today often count from 0: a set in which a number below 1 occurs is taken as
written by one, with a note. So are outlines of LabelMe's (the web program's) and turned boxes of roLabelImg, whose
upright box is taken. A picture that VOC's lists name and that has no file shows nothing, with a note.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from convolens.data.corners import around, turned
from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import SPLITS, claimed_size, folders_in, listed, numbered, read_text, split_folders
from convolens.data.picture_names import IMAGES, PictureNames, pictures_near
from convolens.data.text import tidy
from convolens.data.xml_file import read_xml, top_tag
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import files_below, is_left_out

CORNERS = ("xmin", "ymin", "xmax", "ymax")
TURNED = ("cx", "cy", "w", "h", "angle")
MAX_BYTES = 64 << 20  # of one picture's file
_MARK = re.compile(r"\s+-?[01]$")  # behind a name in the lists of a class: whether it is there


class _Object(NamedTuple):
    name: str
    corners: tuple[float, ...]
    difficult: bool
    truncated: bool


@dataclass(frozen=True)
class _File:
    """One XML file: its picture, its claimed size, and its objects.

    `first` is what the first pixel is called: 1 where VOC's corners are given, 0 where outlines or turned boxes are.
    """

    xml: Path
    picture: Path
    size: tuple[int, int] | None
    objects: tuple[_Object, ...]
    split: str
    first: int = 1


def recognize(path: Path) -> bool:
    """Whether it is an XML file of VOC's, or a folder with some at its top, in `Annotations`, or in its splits.

    Or a folder of such folders, as `VOCdevkit` has one for each year.
    """
    files = (xml for folder in _sets(path) for xml, _ in _xml_files(folder))
    return any(top_tag(xml) in ("annotation", "") for xml in files)


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every XML file; `ImageSets/Main/*.txt` or folders say which split it is of."""
    files: list[_File] = []
    faults: list[Fault] = []
    notes: list[Fault] = []
    for folder in _sets(root):
        lists, finders = _lists(folder), dict[Path, PictureNames]()
        for path, split in _xml_files(folder):
            if path.parent not in finders:
                finders[path.parent] = _pictures(path.parent, folder)
            try:
                files.append(_parsed(path, split or lists.get(path.stem, ""), finders[path.parent]))
            except FileError as error:
                faults.append(Fault(path, "unreadable annotation", str(error)))
            lists.pop(path.stem, None)
        for picture, split in _without_xml(lists, finders.values()):
            files.append(_File(picture, picture, None, (), split))
            notes.append(Fault(picture, "no XML file", f"{picture}: has no XML file, and is taken to show nothing"))
    if not files and not faults:
        raise DataError(f"{root}: need XML files, found none")
    names = numbered({one.name for file in files for one in file.objects}, known)
    below = next((file for file in files if _has_corner_below_1(file)), None)
    examples = tuple(_example(file, names, file.first if below is None else 0, faults) for file in files)
    notes += [] if below is None else [_counting_from_0(below.xml)]
    return Reading(DataSet(root, names, examples, "boxes"), tuple(faults), notes=tuple(notes))


def _without_xml(lists: dict[str, str], finders: Iterable[PictureNames]) -> Iterator[tuple[Path, str]]:
    """Pictures that the lists name and no XML file is of, as programs leave out those that show nothing."""
    for stem, split in lists.items():
        with suppress(ValueError):  # several are meant as much: none is
            picture = next((path for finder in finders if (path := finder.find(stem)) is not None), None)
            if picture is not None:
                yield picture, split


def _sets(root: Path) -> list[Path]:
    """The folders that are laid out as VOC's: this one, or those in it, or in `VOCdevkit` in it."""
    if not root.is_dir() or next(_xml_files(root), None) is not None:
        return [root]
    inside = folders_in(root)
    inside += [inner for folder in inside if folder.name.lower() == "vocdevkit" for inner in folders_in(folder)]
    return [one for one in inside if _annotations(one) and next(_xml_files(one), None) is not None]


def _annotations(folder: Path) -> list[Path]:
    return [one for one in folders_in(folder) if one.name.lower() == "annotations"]


def _pictures(folder: Path, home: Path) -> PictureNames:
    """A finder for what XML files in a folder name; those in `Annotations/a` may mean `JPEGImages/a`."""
    usual = pictures_near(folder)
    if home.is_file():
        return usual
    inside = folder.relative_to(home).parts[1:]
    images = [one for one in folders_in(home) if one.name.lower() in IMAGES] if inside else []
    return PictureNames([*map(Path, usual.places), *(one.joinpath(*inside) for one in images)])


def _has_corner_below_1(file: _File) -> bool:
    return file.first == 1 and any(0 <= corner < 1 for one in file.objects for corner in one.corners[:2])


def _counting_from_0(xml: Path) -> Fault:
    sentence = f"{xml}: has a corner below 1, so all of them are taken to count from 0; VOC's own count from 1"
    return Fault(xml, "corners from 0", sentence)


def _xml_files(root: Path) -> Iterator[tuple[Path, str]]:
    if root.is_file():
        if _is_xml(root):
            yield root, ""
        return
    for split, folder in [("", root), *split_folders(root)]:
        for path in sorted(folder.iterdir()):
            if _is_xml(path):
                yield path, split
        for place in _annotations(folder):
            for path in map(Path, files_below(place)):
                if _is_xml(path):
                    yield path, split or SPLITS.get(path.relative_to(place).parts[0].lower(), "")


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml" and not is_left_out(path.name)


def _lists(root: Path) -> dict[str, str]:
    """The split of each picture's name, of VOC's own lists."""
    found: dict[str, str] = {}
    for path in sorted(root.glob("ImageSets/Main/*.txt")):
        if path.stem in SPLITS:
            lines = (_MARK.sub("", line.strip()) for line in read_text(path, "a list").splitlines())
            found |= {line: SPLITS[path.stem] for line in lines if line}
    return found


def _parsed(path: Path, split: str, pictures: PictureNames) -> _File:
    top = read_xml(path, "a VOC annotation", most=MAX_BYTES)
    if top.tag != "annotation":
        raise FormatError(f"{path}: need an <annotation>, got <{top.tag}>")
    objects = tuple(
        _Object(_text(path, one, "name"), _corners(path, one), _is(one, "difficult"), _is(one, "truncated"))
        for one in top.iter("object")
        if not _is(one, "deleted")  # LabelMe's, which keeps them
    )
    name = (top.findtext("filename") or "").strip()
    try:
        picture = pictures.find(name, path.stem) or path.parent / (name or f"{path.stem}.jpg")
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    size = claimed_size(top.findtext("size/width"), top.findtext("size/height"))
    boxed = all(one.find("bndbox") is not None for one in top.iter("object"))
    return _File(path, picture, size, objects, split, first=1 if boxed else 0)


def _corners(path: Path, one: ElementTree.Element) -> tuple[float, ...]:
    """The corners of a box; around LabelMe's outline, or roLabelImg's turned box, where there is no other."""
    if one.find("bndbox") is None and one.find("robndbox") is not None:
        cx, cy, width, height, radians = (_number(path, one, f"robndbox/{name}") for name in TURNED)
        upright = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
        return around(turned(upright, math.degrees(radians), about=(cx, cy)))
    points = one.findall("polygon/pt")
    if one.find("bndbox") is None and len(points) > 2:
        return around([(_number(path, point, "x"), _number(path, point, "y")) for point in points])
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


def _example(file: _File, names: tuple[str, ...], first: int, faults: list[Fault]) -> Example:
    boxes = []
    for name, (x1, y1, x2, y2), difficult, truncated in file.objects:
        if name in names:
            corners = (tidy(x1 - first), tidy(y1 - first), x2, y2)
            boxes.append(Box(names.index(name), corners, difficult=difficult, truncated=truncated))
        else:
            sentence = f"{file.xml}: need objects named like the model's classes ({listed(names)}), got {name!r}"
            faults.append(Fault(file.xml, "unknown class", sentence))
    labels = tuple(sorted({box.label for box in boxes}))
    return Example(file.picture, labels, tuple(boxes), file.split, file.size)
