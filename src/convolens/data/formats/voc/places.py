"""Where VOC has what: XML files in `Annotations`, pictures in `JPEGImages`, lists of splits in `ImageSets/Main`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from convolens.data.files import SPLITS, folders_in, folders_inside, read_text, split_folders
from convolens.data.picture_names import IMAGES, PictureNames, pictures_near
from convolens.media.picture_files import files_below, is_closed_folder, is_left_out

_MARK = re.compile(r"\s+-?[01]$")  # behind a name in the lists of a class: whether it is there


def sets(root: Path) -> list[Path]:
    """The folders that are laid out as VOC's: this one, or those in it, or in `VOCdevkit` in it."""
    if not root.is_dir() or next(xml_files(root), None) is not None:
        return [root]
    inside = folders_in(root)
    inside += [inner for folder in inside if folder.name.lower() == "vocdevkit" for inner in folders_in(folder)]
    return [one for one in inside if _annotations(one) and next(xml_files(one), None) is not None]


def _annotations(folder: Path) -> list[Path]:
    return [one for one in folders_inside(folder) if one.name.lower() == "annotations"]


def pictures(folder: Path, home: Path) -> PictureNames:
    """A finder for what XML files in a folder name; those in `Annotations/a` may mean `JPEGImages/a`."""
    usual = pictures_near(folder)
    if home.is_file():
        return usual
    inside = folder.relative_to(home).parts[1:]
    images = [one for one in folders_in(home) if one.name.lower() in IMAGES] if inside else []
    return PictureNames([*map(Path, usual.places), *(one.joinpath(*inside) for one in images)])


def xml_files(root: Path) -> Iterator[tuple[Path, str]]:
    """The XML files of a set, each with its split where folders say it."""
    if root.is_file():
        if _is_xml(root):
            yield root, ""
        return
    for split, folder in [("", root), *split_folders(root)]:
        for path in sorted(folder.iterdir()):
            if _is_xml(path):
                yield path, split
        for place in _annotations(folder):
            for name in files_below(place):
                path = Path(name)
                if _is_xml(path) or is_closed_folder(name):
                    yield path, split or SPLITS.get(path.relative_to(place).parts[0].lower(), "")


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml" and not is_left_out(path.name)


def lists(root: Path) -> dict[str, str]:
    """The split of each picture's name, of VOC's own lists."""
    found: dict[str, str] = {}
    for path in sorted(root.glob("ImageSets/Main/*.txt")):
        if path.stem in SPLITS:
            lines = (_MARK.sub("", line.strip()) for line in read_text(path, "a list").splitlines())
            found |= {line: SPLITS[path.stem] for line in lines if line}
    return found


def without_xml(listed: dict[str, str], finders: Iterable[PictureNames]) -> Iterator[tuple[Path, str]]:
    """Pictures that the lists name and no XML file is of, as programs leave out those that show nothing."""
    for stem, split in listed.items():
        with suppress(ValueError):  # several are meant as much: none is
            picture = next((path for finder in finders if (path := finder.find(stem)) is not None), None)
            if picture is not None:
                yield picture, split
