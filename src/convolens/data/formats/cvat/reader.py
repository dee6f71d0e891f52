"""CVAT for images 1.1: one XML file for all pictures. See https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.

Boxes, turned ones too, polygons, ellipses, masks and cuboids give objects; shapes of one label and one group are parts
of one, where they are outlines. Tags are labels of the picture, any number. Points, lines and skeletons have no area
and are passed over with a word. The attributes `is_crowd`, `difficult` and `truncated` are what CVAT's own conversions
make of COCO's and VOC's; others are passed over with a word. `subset` is the split, or the names of several files are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from convolens.data.by_name import Gathered, Picture
from convolens.data.dataset import Kind, Reading
from convolens.data.files import SPLITS, claimed_size, folders_in, split_folders, split_in
from convolens.data.formats.cvat.shapes import SHAPES, WITHOUT_AREA, Shape, joined, object_of
from convolens.data.picture_names import PictureNames, pictures_of
from convolens.data.xml_file import read_xml, top_tag
from convolens.errors import DataError, FileError, FormatError
from convolens.media.picture_files import is_left_out

TOP = "annotations"
MAX_BYTES = 1 << 30
INSIDE = frozenset({*SHAPES, *WITHOUT_AREA, "tag"})  # what an image may hold


def recognize(path: Path) -> bool:
    """Whether it is such an XML file, or a folder with one at its top, in `annotations`, or in its splits."""
    return next(_xml_files(path), None) is not None


def read(root: Path, known: tuple[str, ...] | None, *, outlines: bool = False) -> Reading:
    """The shapes of every image of every such file."""
    found = Gathered(root, known)
    declared: dict[str, str] = {}
    files = list(_xml_files(root))
    for file, split in files:
        try:
            top = read_xml(file, "CVAT's annotations", most=MAX_BYTES)
            _File(file, split if len(files) > 1 else "", top, found, outlines).read()
        except FileError as error:
            found.fault(file, "unreadable annotation", str(error))
            continue
        declared |= {name: kind for name, kind in _declared(top) if declared.get(name, "tag") == "tag"}
    if not found.pictures and not found.faults:
        raise DataError(f"{root}: need CVAT's <image> elements, found none")
    return found.reading(list(declared), _kind(found, declared))


def _xml_files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        places = [("", [path])]
    else:
        folders = [("", path), *split_folders(path)]
        folders += [("", one) for one in folders_in(path) if one.name.lower() == "annotations"]
        places = [(split, sorted(folder.glob("*.xml"))) for split, folder in folders]
    for split, files in places:
        for file in files:
            if file.suffix.lower() == ".xml" and not is_left_out(file.name) and top_tag(file) == TOP:
                yield file, split or split_in(file.stem)


class _File:
    """One XML file on its way to pictures."""

    def __init__(self, path: Path, split: str, top: ElementTree.Element, found: Gathered, outlines: bool) -> None:
        self.path, self.split, self.top, self.found, self.outlines = path, split, top, found, outlines

    def read(self) -> None:
        """Adds its pictures, in their order."""
        images = self.top.findall("image")
        if not images and self.top.find("track") is not None:
            raise FormatError(f"{self.path}: need CVAT for images, got CVAT for video; export it as the former")
        finder = pictures_of(self.path, [image.get("name", "") for image in images], self.split)
        for at, image in enumerate(images):
            try:
                self.found.add(self._picture(image, finder))
            except ValueError as error:
                self.found.fault(self.path, "unreadable annotation", f"{self.path}: image {at}: {error}")

    def _picture(self, image: ElementTree.Element, finder: PictureNames) -> Picture:
        name = image.get("name", "")
        if not name:
            raise ValueError("need the name of a picture, got none")
        subset = SPLITS.get(image.get("subset", "").lower(), self.split)
        size = claimed_size(image.get("width"), image.get("height"))
        picture = Picture(finder.path(name), f"{self.path}: {name}", subset, size)
        shapes: list[tuple[str, Shape]] = []
        for shape in image:
            try:
                self._add(picture, shape, shapes)
            except ValueError as error:
                self._fault(f"{picture.where}: {shape.tag}: {error}")
        picture.objects = joined(shapes)
        return picture

    def _add(self, picture: Picture, shape: ElementTree.Element, shapes: list[tuple[str, Shape]]) -> None:
        label = shape.get("label", "")
        if shape.tag not in INSIDE:
            raise ValueError("need a shape or a tag, got another element")
        if not label:
            raise ValueError("need a label, got none")
        if shape.tag == "tag":
            picture.labels.append(label)
        elif shape.tag in WITHOUT_AREA:
            self._note("shape passed over", f"{picture.where}: passed over a shape that has no area: {shape.tag}")
        else:
            one, others = object_of(shape, outlines=self.outlines)
            shapes.append((label, one))
            for name in others:
                self._note("attribute passed over", f"{picture.where}: passed over the attribute {name!r} of a {label}")

    def _fault(self, sentence: str) -> None:
        self.found.fault(self.path, "unreadable annotation", sentence)

    def _note(self, kind: str, sentence: str) -> None:
        self.found.note(self.path, kind, sentence)


def _declared(top: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """The labels of the task, the project or the job, and of which kind each is."""
    for label in top.iterfind("meta/*/labels/label"):
        name = (label.findtext("name") or "").strip()
        if name and label.find("parent") is None:  # a point of a skeleton has one
            yield name, (label.findtext("type") or "any").strip()


def _kind(found: Gathered, declared: dict[str, str]) -> Kind:
    pictures = found.pictures.values()
    if any(picture.objects for picture in pictures):
        return "boxes"
    tags = declared and all(kind == "tag" for kind in declared.values())
    return "labels" if tags or any(picture.labels for picture in pictures) else "boxes"
