"""Where the results of many pictures go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

from convolens.errors import FileError
from convolens.media.files import AnyPath, make_folder, telling_of
from convolens.media.picture_formats import WRITTEN, is_picture
from convolens.sources import Stored, as_address
from convolens.sources.found import folder_of, is_pattern, is_shard


class ResultPaths:
    """Where the results of pictures go: in the same folders below `folder` as below what their sources have in common.

    Args:
        sources: what `find_pictures` was given.
        folder: where results go; made where it is missing.
        suffix: of the results, in place of the pictures' own; None keeps theirs, and those that are read and not
            written (HEIC, AVIF and the like) become PNGs. Pictures of one folder whose names
            differ by their suffix only then have it in the result's name: `0-png.jpg` and `0-tif.jpg`. Those of
            stores and shards, of which it is not known beforehand what lies beside them, have it always.

    Raises:
        FileError: the folder cannot be made; or it is where the pictures themselves are, and would be overwritten.
    """

    def __init__(self, sources: Sequence[AnyPath], folder: AnyPath, suffix: str | None = None) -> None:
        self.folder, self.suffix = make_folder(folder), suffix
        self._base = Path(os.path.commonpath([_base_of(source) for source in sources]))
        if suffix is None and self.folder.resolve() == self._base.resolve():
            raise FileError(f"{folder}: is the folder of the inputs, which are never overwritten; give another")
        self._last: tuple[Path | None, dict[str, str]] = (None, {})  # a folder, and its pictures' names of results

    def __call__(self, path: Path | Stored) -> Path:
        """Where the picture's result goes; the folders above it are made."""
        file = path if isinstance(path, Path) else _as_path(str(path))
        place = self.folder / _absolute(file).parent.relative_to(self._base)
        with telling_of(place):
            place.mkdir(parents=True, exist_ok=True)
        if self.suffix is None and path.suffix.lower() in WRITTEN:
            return place / path.name
        if isinstance(path, Stored):
            return place / (path.name.replace(".", "-") + (self.suffix or ".png"))
        return place / (self._names(path).get(path.name, path.name.replace(".", "-")) + (self.suffix or ".png"))

    def _names(self, path: Path) -> dict[str, str]:
        """For each picture beside this one, what its result is called; pictures come folder by folder."""
        if self._last[0] != path.parent:
            self._last = (path.parent, _result_names(path.parent))
        return self._last[1]


def _result_names(folder: Path) -> dict[str, str]:
    """The stem of each picture, or with its suffix where another picture has the same; each different.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.png", "b.png", "b.JPG"):
    ...     (folder / name).touch()
    >>> _result_names(folder)
    {'a.png': 'a', 'b.JPG': 'b-JPG', 'b.png': 'b-png'}
    """
    pictures = sorted(name for name in os.listdir(folder) if is_picture(name)) if folder.is_dir() else []  # noqa: PTH208
    stems = [Path(name).stem for name in pictures]
    counts: dict[str, int] = {}
    for stem in stems:
        counts[stem] = counts.get(stem, 0) + 1
    names = {name: stem for name, stem in zip(pictures, stems, strict=True) if counts[stem] == 1}
    taken = set(names.values())
    for name, stem in zip(pictures, stems, strict=True):
        if counts[stem] > 1:
            wanted = f"{stem}-{Path(name).suffix[1:]}"
            while wanted in taken:  # `0-png.jpg` beside `0.png` and `0.jpg`
                wanted += "-"
            names[name] = wanted
            taken.add(wanted)
    return dict(sorted(names.items()))


def _base_of(source: AnyPath) -> Path:
    """The folder of a source, from the root."""
    address = as_address(source)
    if address is None:
        return _absolute(folder_of_source(Path(source)))
    is_one = is_pattern(address) or is_shard(address) or is_picture(address)
    return _absolute(_as_path(folder_of(address) if is_one else address.rstrip("/")))


def _as_path(where: str) -> Path:
    """What is in a store as if it were on a disk: `s3://bucket/a.jpg` as `/s3/bucket/a.jpg`."""
    scheme, colon, rest = where.partition("://")
    return Path("/", scheme, rest.lstrip("/")) if colon else Path(where)


def folder_of_source(source: Path) -> Path:
    """The folder of a source: itself, or the one that it lies in, up to a pattern's first sign."""
    if source.is_dir():
        return source
    while has_magic(str(source.parent)) and not source.parent.exists():
        source = source.parent
    return source.parent


def _absolute(path: Path) -> Path:
    """From the root and without `..`, links as they are."""
    return Path(os.path.normpath(path.absolute()))
