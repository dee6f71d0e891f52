"""What a command or a call was given to read: nothing that it writes may replace one of these files.

Whoever reads and writes files names what was given once, by `given`; every writer asks `need_no_input` without being
told to, for it goes through `files.writing`. So no output, page or map can be an input, under whatever name: files are
the same if the file system says so, be it by `..`, a link or, where case does not count, another spelling.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import translate
from functools import wraps
from glob import escape, has_magic
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from convolens.errors import FileError
from convolens.sources.addresses import as_address

Taken = ParamSpec("Taken")
Returned = TypeVar("Returned")

_ANNOTATIONS = (".csv", ".json", ".xml", ".txt", ".yaml", ".yml")  # what else is read in a folder of pictures


@dataclass
class Inputs:
    """Files, and folders or patterns whose pictures and annotations are read.

    Attributes:
        files: the identities of files, 8 bytes each.
        places: folders and patterns; what lies in them is looked at only when it is about to be replaced.
        addresses: of objects and folders in stores, each with that of a folder of results, which are no inputs.
    """

    files: set[int] = field(default_factory=set)
    places: list[_Place] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)

    def add(self, *given: object, results: Path | None = None) -> None:
        """Adds what was given: paths, also in sequences; what is no path, or leads to nothing, is passed over.

        Args:
            given: files, folders, patterns.
            results: a folder whose files are not read, as they are results.
        """
        for one in given:
            if isinstance(one, list | tuple):
                self.add(*one, results=results)
            elif isinstance(one, str | os.PathLike):
                self._add(Path(one), results)

    def add_files(self, given: Iterable[object]) -> None:
        """Adds those words and paths of a command line that lead to files; a word may name a folder by chance."""
        for one in given:
            if isinstance(one, list | tuple):
                self.add_files(one)
            elif isinstance(one, str | os.PathLike) and Path(one).is_file():
                self.add(one)

    def _add(self, path: Path, results: Path | None) -> None:
        if address := as_address(path):
            self.addresses.append((address.rstrip("/"), as_address(results) or ""))
            return
        found = _identity(path)
        if found is not None and not path.is_dir():
            self.files.add(found)
        elif found is not None or has_magic(str(path)):
            self.places.append(_Place.of(path, results))

    def hold(self, target: Path | str) -> bool:
        """Whether a file is one of them."""
        if address := as_address(target):
            return any(_holds(one, results, address) for one, results in self.addresses)
        target = Path(target)
        found = _identity(target)
        return found is not None and (found in self.files or any(place.holds(target) for place in self.places))


def _holds(given: str, results: str, address: str) -> bool:
    """Whether an object is what was given, or a picture below it that is no result."""
    if address == given:
        return True
    is_result = bool(results) and address.startswith(f"{results.rstrip('/')}/")
    return address.startswith(f"{given}/") and not is_result


@dataclass(frozen=True)
class _Place:
    """A folder or a pattern, and the folder of results that is not read."""

    pattern: re.Pattern[str]
    results: Path | None

    @classmethod
    def of(cls, path: Path, results: Path | None) -> _Place:
        folder = f"{escape(str(path.resolve()))}{os.sep}*"
        whole = folder if path.exists() else os.path.normpath(path.absolute())
        # `**` stands for no folder too, and a star of `fnmatch` for any number of them
        pattern = translate(re.sub(rf"\*\*{re.escape(os.sep)}", "*", whole))
        return cls(re.compile(pattern), None if results is None else results.resolve())

    def holds(self, target: Path) -> bool:
        from convolens.media.picture_formats import is_picture  # only here: it loads decoders

        is_read = is_picture(target.name) or target.suffix.lower() in _ANNOTATIONS
        names = {os.path.normpath(target.absolute()), str(target.resolve())}
        if not is_read or not any(map(self.pattern.match, names)):
            return False
        return self.results is None or not target.resolve().is_relative_to(self.results)


_given: ContextVar[tuple[Inputs, ...]] = ContextVar("given", default=())


@contextmanager
def given(*paths: object, results: Path | None = None) -> Iterator[Inputs]:
    """Meanwhile none of these files can be written to, in this thread and in those of `read_ahead`.

    Args:
        paths: as for `Inputs.add`; or `Inputs`, alone.
        results: as there.

    >>> import tempfile
    >>> from convolens.media.files import writing
    >>> photo = Path(tempfile.mkdtemp()) / "photo.png"
    >>> photo.touch()
    >>> with given(photo), writing(photo.parent / ".." / photo.parent.name / "photo.png"):
    ...     pass
    Traceback (most recent call last):
        ...
    convolens.errors.FileError: ...photo.png: is the input, which is never overwritten; ...
    """
    match paths:
        case [Inputs() as inputs]:
            pass
        case _:
            inputs = Inputs()
            inputs.add(*paths, results=results)
    token = _given.set((*_given.get(), inputs))
    try:
        yield inputs
    finally:
        _given.reset(token)


def reads(*names: str, results: str | None = None) -> Callable[[Callable[Taken, Returned]], Callable[Taken, Returned]]:
    """Makes a function protect, while it runs, the files that it was given as the arguments of these names.

    Args:
        names: of arguments.
        results: the name of the argument that is a folder of results, which are no inputs even if it lies in one.
    """

    def protecting(function: Callable[Taken, Returned]) -> Callable[Taken, Returned]:
        shape = signature(function)

        @wraps(function)
        def protected(*args: Taken.args, **options: Taken.kwargs) -> Returned:
            arguments = shape.bind(*args, **options).arguments
            folder = Path(arguments[results]) if results else None
            with given(*(arguments.get(name) for name in names), results=folder):
                return function(*args, **options)

        return protected

    return protecting


def also_given(paths: Iterable[object]) -> None:
    """Adds to what was given: files that were found in it, such as the pictures that annotations name."""
    for inputs in _given.get()[-1:]:
        inputs.add(*paths)


def need_no_input(*targets: Path | str) -> None:
    """Refuses to write where an input is.

    Raises:
        FileError: one of the targets is an input.
    """
    for target in targets:
        if any(inputs.hold(target) for inputs in _given.get()):
            raise FileError(f"{target}: is the input, which is never overwritten; give another name for the output")


def _identity(path: Path) -> int | None:
    """A number that all names of one file share; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return hash((found.st_dev, found.st_ino))
