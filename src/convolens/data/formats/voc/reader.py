"""Pascal VOC: one XML file for each picture. Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010.

VOC counts pixels from 1 and names the last one inside, so `xmin ymin xmax ymax` becomes `xmin - 1, ymin - 1, xmax,
ymax`. Programs that write such files today often count from 0: a set in which a number below 1 occurs is taken as
written by one, with a note. So are outlines of LabelMe's (the web program's) and turned boxes of roLabelImg, whose
upright box is taken. A picture that VOC's lists name and that has no file shows nothing, with a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convolens.data.dataset import Box, DataSet, Example, Fault, Reading
from convolens.data.files import claimed_size, listed, numbered
from convolens.data.formats.voc import places
from convolens.data.formats.voc.objects import Object, have_boxes, objects_in
from convolens.data.picture_names import PictureNames
from convolens.data.text import tidy
from convolens.data.xml_file import read_xml, top_tag
from convolens.errors import DataError, FileError, FormatError

MAX_BYTES = 64 << 20  # of one picture's file


@dataclass(frozen=True)
class _File:
    """One XML file: its picture, its claimed size, and its objects.

    `first` is what the first pixel is called: 1 where VOC's corners are given, 0 where outlines or turned boxes are.
    """

    xml: Path
    picture: Path
    size: tuple[int, int] | None
    objects: tuple[Object, ...]
    split: str
    first: int = 1


def recognize(path: Path) -> bool:
    """Whether it is an XML file of VOC's, or a folder with some at its top, in `Annotations`, or in its splits.

    Or a folder of such folders, as `VOCdevkit` has one for each year.
    """
    files = (xml for folder in places.sets(path) for xml, _ in places.xml_files(folder))
    return any(top_tag(xml) in ("annotation", "") for xml in files)


def read(root: Path, known: tuple[str, ...] | None) -> Reading:
    """The boxes of every XML file; `ImageSets/Main/*.txt` or folders say which split it is of."""
    files: list[_File] = []
    faults: list[Fault] = []
    notes: list[Fault] = []
    for folder in places.sets(root):
        of_lists, finders = places.lists(folder), dict[Path, PictureNames]()
        for path, split in places.xml_files(folder):
            if path.parent not in finders:
                finders[path.parent] = places.pictures(path.parent, folder)
            try:
                files.append(_parsed(path, split or of_lists.get(path.stem, ""), finders[path.parent]))
            except FileError as error:
                faults.append(Fault(path, "unreadable annotation", str(error)))
            of_lists.pop(path.stem, None)
        for picture, split in places.without_xml(of_lists, finders.values()):
            files.append(_File(picture, picture, None, (), split))
            notes.append(Fault(picture, "no XML file", f"{picture}: has no XML file, and is taken to show nothing"))
    if not files and not faults:
        raise DataError(f"{root}: need XML files, found none")
    names = numbered({one.name for file in files for one in file.objects}, known)
    below = next((file for file in files if _has_corner_below_1(file)), None)
    examples = tuple(_example(file, names, file.first if below is None else 0, faults) for file in files)
    notes += [] if below is None else [_counting_from_0(below.xml)]
    return Reading(DataSet(root, names, examples, "boxes"), tuple(faults), notes=tuple(notes))


def _has_corner_below_1(file: _File) -> bool:
    return file.first == 1 and any(0 <= corner < 1 for one in file.objects for corner in one.corners[:2])


def _counting_from_0(xml: Path) -> Fault:
    sentence = f"{xml}: has a corner below 1, so all of them are taken to count from 0; VOC's own count from 1"
    return Fault(xml, "corners from 0", sentence)


def _parsed(path: Path, split: str, pictures: PictureNames) -> _File:
    top = read_xml(path, "a VOC annotation", most=MAX_BYTES)
    if top.tag != "annotation":
        raise FormatError(f"{path}: need an <annotation>, got <{top.tag}>")
    objects = tuple(objects_in(path, top))
    name = (top.findtext("filename") or "").strip()
    try:
        picture = pictures.find(name, path.stem) or path.parent / (name or f"{path.stem}.jpg")
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    size = claimed_size(top.findtext("size/width"), top.findtext("size/height"))
    return _File(path, picture, size, objects, split, first=1 if have_boxes(top) else 0)


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
