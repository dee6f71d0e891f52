r"""Where the pictures of annotations are: names as other programs and other machines spell them, found on this one.

A name is looked for as it stands; by its end, `C:\set\train\a.jpg` as `train/a.jpg`; in other capitals, in Unicode's
other form, with `%20` for a blank and with blanks at its ends; and, where it has no suffix, by its stem. Each folder is
listed once, so that 100,000 pictures cost no look at the disk each.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

from convolens.data.files import ends_of, folders_in, listed, split_in
from convolens.forks import cached_property
from convolens.media.picture_files import is_left_out, is_picture

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos")  # what folders of pictures are called
FIRST = 5  # names by which a folder of pictures is known


class _Listing:
    """The names in a folder: none where there is no such folder."""

    def __init__(self, folder: str) -> None:
        try:
            self.names = frozenset(os.listdir(folder))  # noqa: PTH208 - names alone are wanted
        except (OSError, ValueError):  # not there, no folder; a name too long, or with a zero byte
            self.names = frozenset()

    @cached_property
    def alike(self) -> dict[str, list[str]]:
        """Names by what they have in common with other spellings of them."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.names):
            if not is_left_out(name):
                found[_key(name)].append(name)
        return found

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """Pictures by their names without suffixes."""
        found: dict[str, list[str]] = defaultdict(list)
        for names in self.alike.values():
            for name in filter(is_picture, names):
                found[_key(Path(name).stem)].append(name)
        return found


class PictureNames:
    """Finds pictures below some folders, of which the first that has one is meant."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(map(str, places))
        self._listings: dict[str, _Listing] = {}
        self._left_out: dict[str, str] = {}

    def find(self, *names: str) -> Path | None:
        """The picture that the first of the names means which means any, or None.

        Raises:
            ValueError: several pictures are meant as much, or one by two names.
        """
        for name in names:
            plain = name.removeprefix("file://")
            found = self._first(self._exactly, plain) or self._first(self._alike, plain)
            if found is not None:
                path, end = found
                self._check(path, plain, end)
                return Path(os.path.normpath(path) if ".." in path else path)
        return None

    def _first(self, look: Callable[[str, str], str | None], name: str) -> tuple[str, str] | None:
        """The first path that a way of looking gives, and the end of the name that it has."""
        for end in ends_of(name) if name else ():
            for place in self.places:
                path = look(place, end)
                if path is not None:
                    return path, end
        return None

    def path(self, *names: str) -> Path:
        """The picture, or where it would be by the first name: reading it says that it is not there."""
        return self.find(*names) or Path(self.places[0]) / names[0].replace("\\", "/").lstrip("/")

    def _check(self, path: str, name: str, end: str) -> None:
        """Refuses a picture that two names mean which differ in the folders that were left out."""
        left_out = name[: -len(end)] if name.endswith(end) else ""
        if self._left_out.setdefault(path, left_out) != left_out:
            raise ValueError(f"need a picture for each name, got {path} for {name!r} and for another with its end")

    def _list(self, folder: str) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _Listing(folder)
        return self._listings[folder]

    def _exactly(self, place: str, name: str) -> str | None:
        path = os.path.join(place, name)  # noqa: PTH118 - a Path for each of many takes longer
        folder, last = os.path.split(path)
        return path if last in self._list(folder).names else None

    def _alike(self, place: str, name: str) -> str | None:
        *folders, last = name.replace("\\", "/").split("/")
        for folder in folders:
            found = self._list(place).alike.get(_key(folder), [])
            if folder in ("", ".", "..") or not found:
                return None
            place = os.path.join(place, found[0])  # noqa: PTH118
        listing = self._list(place)
        found = listing.alike.get(_key(last), []) or listing.stems.get(_key(last), [])
        if len(found) > 1:
            raise ValueError(f"need one picture {last!r}, found {listed(found)}")
        return os.path.join(place, found[0]) if found else None  # noqa: PTH118


def _key(name: str) -> str:
    return normalize("NFC", unquote(name)).strip().casefold()


def pictures_of(file: Path, names: Sequence[str], split: str = "") -> PictureNames:
    """A finder for the pictures that an annotation file names.

    Args:
        file: the annotations of many pictures.
        names: as the file gives them. The places that have the first few come first.
        split: that the file is of; by default the one that its name speaks of.
    """
    word = file.stem.rpartition("_")[2]  # train2017 of instances_train2017
    return pictures_near(file.parent, names, split=split or split_in(file.stem), word=word)


def pictures_near(folder: Path, names: Sequence[str] = (), *, split: str = "", word: str = "") -> PictureNames:
    """A finder for the pictures that annotations in a folder name.

    They are in it, in a folder in or beside it that is called `images`, for the split or by the word, or in such a
    folder in that of `images`; in another folder in it only if none of these has the first of the names.
    """
    finder = PictureNames(list(dict.fromkeys(_usual(folder, split, word.lower()))))
    first = [name for name in names[:FIRST] if name]
    hits = {place: sum(_has(place, name) for name in first) for place in finder.places}
    if first and not any(hits.values()):
        others = [str(place) for place in _folders(folder) if not split or split_in(place.name) in ("", split)]
        hits |= {place: found for place in others if (found := sum(_has(place, name) for name in first))}
    return PictureNames([Path(place) for place in sorted(hits, key=lambda place: -hits[place])])


def _has(place: str, name: str) -> bool:
    try:
        return PictureNames([Path(place)]).find(name) is not None
    except ValueError:
        return True


def _usual(folder: Path, split: str, word: str) -> Iterator[Path]:
    def fits(one: Path) -> bool:
        name = one.name.lower()
        return name in (*IMAGES, word) or bool(split and split_in(name) == split)

    for base in (folder, folder.parent):
        yield base
        fitting = [one for one in _folders(base) if fits(one)]
        yield from fitting
        for one in fitting:
            yield from (inner for inner in _folders(one) if fits(inner))


def _folders(folder: Path) -> list[Path]:
    try:
        return folders_in(folder)
    except OSError:
        return []
