"""Picture files, many at a time: which are meant, where their results go, and what became of each.

One rule for what a folder holds: every picture below it, by its suffix, in order of path; none that is hidden or lies
in a hidden folder, in one that archives or disks bring along, as `__MACOSX` or `@eaDir`, or in a folder of results. A
linked folder counts as a folder; each is entered once, so links that lead back end. One that cannot be looked into is
reported as a picture is that cannot be read, and the others are done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from convolens.arrays import plain_fields
from convolens.errors import DtypeError, FileError, MemoryRefused, ShapeError, printable
from convolens.media.files import AnyPath, make_folder, need_no_address, telling_of
from convolens.media.notes import note
from convolens.media.picture_formats import WRITTEN, passed_over
from convolens.media.picture_formats import is_picture as is_picture
from convolens.media.read_ahead import read_ahead
from convolens.media.result_folders import is_of_results, tell_passed_over

# What other programs put among pictures: a Mac's archives, a disk station's previews, bins.
_NOT_MEANT = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"})

Result = TypeVar("Result")


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, or what archives and disks bring along."""
    return name.startswith(".") or name in _NOT_MEANT


def files_below(folder: AnyPath, *, also: Path | None = None) -> Iterator[str]:
    """Paths of all files below, in order of path, but for what is left out and folders of results.

    A folder below that cannot be looked into is among them, with a slash at its end (`is_closed_folder`).

    Args:
        folder: which.
        also: a folder of results that is not left out; resolved.

    Raises:
        FileError: the folder itself cannot be looked into.
    """
    return _below(os.fspath(folder), also, set())


def is_closed_folder(path: str) -> bool:
    """Whether `files_below` gives a path for a folder that it could not look into."""
    return path.endswith(os.sep)


def _below(folder: str, also: Path | None, entered: set[tuple[int, int]]) -> Iterator[str]:
    is_first = not entered
    try:
        here = os.stat(folder)  # noqa: PTH116 - a Path for each of many folders takes longer
        if (here.st_dev, here.st_ino) in entered:
            return
        entered.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not is_left_out(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        if is_first:
            raise FileError(f"{folder}: need a folder that can be looked into: {error.strerror}") from error
        yield os.path.join(folder, "")  # noqa: PTH118 - a Path has no slash at its end
        return
    if not is_first and is_of_results(entry.name for entry in entries) and Path(folder).resolve() != also:
        tell_passed_over(folder)
        return
    for entry in entries:
        if _is_dir(entry):
            yield from _below(entry.path, also, entered)
        else:
            yield entry.path


def _is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or leads to one; what cannot be looked at is told when it is to be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def find_pictures(sources: Sequence[AnyPath], *, outside: Path | None = None) -> Iterator[Path]:
    """The picture files that are meant: files as they are, folders with all below, patterns such as `"photos/*.jpg"`.

    Args:
        sources: in order; a file is taken whatever its suffix, in folders and patterns only pictures'.
        outside: a folder whose files are left out, as they are results; but for those that are named themselves.

    Raises:
        FileError: a folder or pattern without pictures, or an address.
    """
    hidden = outside.resolve() if outside else None
    for source in sources:
        need_no_address(source)
        path, found, results = Path(source), False, 0
        others: list[str] = []
        for file in _meant(path, others, hidden):
            if hidden is None or file is path or not file.resolve().is_relative_to(hidden):
                found = True
                yield file
            else:
                results += 1
        if not found and results:
            raise FileError(
                f"{path}: need pictures, found {results:,}, all below {outside}, which is left out as the folder of "
                "results; give the results another folder"
            )
        held = passed_over(other for other in others if hidden is None or not _is_below(other, hidden))
        if not found:
            raise FileError(f"{path}: need pictures ({' '.join(WRITTEN)} …), found {held or 'none'}")
        if held:
            note(f"{path}: passed over {held}")


def _is_below(name: str, folder: Path) -> bool:
    return Path(name).resolve().is_relative_to(folder)


def is_many(source: AnyPath) -> bool:
    """Whether it names a folder or a pattern rather than a file."""
    path = Path(source)
    return path.is_dir() or (not path.exists() and has_magic(str(path)))


def _meant(path: Path, others: list[str], hidden: Path | None) -> Iterator[Path]:
    """The pictures; what else a folder or a pattern gives is added to the others."""
    if not is_many(path):
        yield path
        return
    for name in files_below(path, also=hidden) if path.is_dir() else _matching(str(path)):
        if is_picture(name) or is_closed_folder(name):
            yield Path(name)
        else:
            others.append(name)


def _matching(pattern: str) -> list[str]:
    found = glob(pattern, recursive=True)  # noqa: PTH207 - Path's needs the root and the pattern apart
    return sorted(name for name in found if _NOT_MEANT.isdisjoint(Path(name).parts) and Path(name).is_file())


class ResultPaths:
    """Where the results of pictures go: in the same folders below `folder` as below what their sources have in common.

    Args:
        sources: what `find_pictures` was given.
        folder: where results go; made where it is missing.
        suffix: of the results, in place of the pictures' own; None keeps theirs, and those that are read and not
            written (HEIC, AVIF and the like) become PNGs. Pictures of one folder whose names
            differ by their suffix only then have it in the result's name: `0-png.jpg` and `0-tif.jpg`.

    Raises:
        FileError: the folder cannot be made; or it is where the pictures themselves are, and would be overwritten.
    """

    def __init__(self, sources: Sequence[AnyPath], folder: AnyPath, suffix: str | None = None) -> None:
        self.folder, self.suffix = make_folder(folder), suffix
        self._base = Path(os.path.commonpath([_absolute(_folder_of(Path(source))) for source in sources]))
        if suffix is None and self.folder.resolve() == self._base.resolve():
            raise FileError(f"{folder}: is the folder of the inputs, which are never overwritten; give another")
        self._last: tuple[Path | None, dict[str, str]] = (None, {})  # a folder, and its pictures' names of results

    def __call__(self, path: Path) -> Path:
        """Where the picture's result goes; the folders above it are made."""
        place = self.folder / _absolute(path).parent.relative_to(self._base)
        with telling_of(place):
            place.mkdir(parents=True, exist_ok=True)
        if self.suffix is None and path.suffix.lower() in WRITTEN:
            return place / path.name
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


def _folder_of(source: Path) -> Path:
    """The folder of a source: itself, or the one that it lies in, up to a pattern's first sign."""
    if source.is_dir():
        return source
    while has_magic(str(source.parent)) and not source.parent.exists():
        source = source.parent
    return source.parent


def _absolute(path: Path) -> Path:
    """From the root and without `..`, links as they are."""
    return Path(os.path.normpath(path.absolute()))


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a file: a result, or the sentence that says why there is none."""

    path: Path
    result: Result | None = None
    error: str = ""

    def line(self) -> dict[str, Any]:
        """As plain data: the path as it was given, and the error or the result's fields."""
        if self.error:
            return {"path": str(self.path), "error": self.error}
        return {"path": str(self.path), **(plain_fields(self.result) if is_dataclass(self.result) else {})}


def attempt(path: Path, work: Callable[[], Result]) -> Outcome[Result]:
    """Does the work of one file of many: one that cannot be read or used is an outcome, and the others are done."""
    try:
        return Outcome(path, work())
    except (FileError, ShapeError, DtypeError, MemoryRefused) as error:
        return failed(path, error)
    except OSError as error:  # what the file system said, where nothing nearer the user worded it
        return Outcome(path, error=f"{path}: {error.strerror or error}")
    except MemoryError:
        return Outcome(path, error=f"{path}: need more memory than this machine has")


def decoded_ahead(files: Iterable[Path]) -> Iterator[Outcome[NDArray[Any]]]:
    """Each picture's pixels as displayed, transparency over white; threads decode a few ahead."""
    from convolens.media.pixels import as_pixels, over_white  # only here: reading files is built on this module
    from convolens.media.weighing import picture_weight

    def decoded(path: Path) -> Outcome[NDArray[Any]]:
        return attempt(path, lambda: over_white(as_pixels(path)))

    for _, outcome in read_ahead(decoded, files, weigh=picture_weight):
        yield outcome


def failed(path: Path, error: Exception) -> Outcome[Any]:
    """The outcome of a file that cannot be used; its sentence names the file."""
    return Outcome(path, error=str(error) if printable(str(path)) in str(error) else f"{path}: {error}")
