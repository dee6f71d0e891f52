"""Files: found before they are read, and never half-written under their final name.

Every writer in the package goes through `writing`: the data goes to a temporary file beside the target, which takes the
target's name in one step once it is complete. An interruption leaves whatever stood there before.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EACCES
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from convolens.errors import ArgumentError, FileError, FormatError, printable
from convolens.media.drafts import drop, new_draft
from convolens.media.inputs import need_no_input
from convolens.sources.addresses import as_address, place_of
from convolens.sources.sinks import put_whole

AnyPath = str | os.PathLike[str]


@runtime_checkable
class OpenFile(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; all where it is negative."""


def need_file(path: AnyPath, what: str = "a file") -> Path:
    """The path, if an ordinary file is there.

    Args:
        path: where it should be.
        what: what it should hold, for the message: "a sound", "a model".

    Raises:
        FileError: nothing is there, or a folder, or it cannot be looked at.
        FormatError: a device or a pipe, which might never end.
        ArgumentError: no path.
    """
    file = as_path(path, f"where {what} is")
    need_no_address(path)
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{file}: need {what}, found nothing there") from None
    except OSError as error:
        raise FileError(f"{file}: need {what}, cannot look at it: {error.strerror or error}") from error
    except ValueError as error:  # a name with a zero byte, which no file system has
        raise FileError(f"{file}: need {what}, found nothing there: {error}") from error
    if stat.S_ISDIR(mode):
        if not os.access(file, os.R_OK | os.X_OK):
            raise FileError(f"{file}: need {what}, got a folder that cannot be looked into: {os.strerror(EACCES)}")
        raise FileError(f"{file}: need {what}, got a folder")
    if not stat.S_ISREG(mode):
        raise FormatError(f"{file}: need {what}, got a device or a pipe; write it into a file first")
    return file


def as_path(path: object, need: str, subject: str = "path") -> Path:
    """A path that was given for an argument.

    Raises:
        ArgumentError: no text and no path.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ArgumentError(f"{subject}: need {need}, got {type(path).__name__}")
    return Path(path)


def is_there(path: Path, what: str) -> bool:
    """Whether something stands at the path.

    Args:
        path: where to look.
        what: what it should be, for the message.

    Raises:
        FileError: it cannot be looked at: without permission, or a name that no file system takes.
    """
    try:
        return path.exists()
    except OSError as error:
        raise FileError(f"{path}: need {what}, cannot look at it: {error.strerror or error}") from error
    except ValueError as error:  # half a character, or a zero byte in some versions of Python
        raise FileError(f"{path}: need {what}, found nothing there: {error}") from error


def need_name(target: Path) -> None:
    """Refuses what no file system can call a file: half a character, a zero byte."""
    try:
        named = b"\0" not in os.fsencode(target)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise FileError(f"{target}: need a name that a file can have")


def need_no_address(path: AnyPath) -> None:
    """Raises a `FileError` where an address is given in place of a file or folder.

    >>> need_no_address("https://example.org/photo.jpg")
    Traceback (most recent call last):
        ...
    convolens.errors.FileError: https://example.org/photo.jpg: need a file of this machine, got an address; ...
    """
    if address := as_address(path):
        raise FileError(f"{address}: need a file of this machine, got an address; download it, give its path")


@contextmanager
def writing(path: AnyPath) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix; renamed to `path` on success, removed on any failure.

    Args:
        path: the final name. Its folder must exist; of an address, the bucket. A file that stands there is replaced, at
            the end.

    Raises:
        FileError: the folder is missing, `path` is a folder or a device, is an input (`media.inputs`), or writing fails
            (a full disk).

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with writing(target) as draft:
    ...     _ = draft.write_text("done")
    >>> target.read_text()
    'done'
    """
    if address := as_address(path):
        need_no_input(address)
        with put_whole(address) as far:
            yield far
        return
    target = as_path(path, "where to write")
    _check_target(target)
    draft = None
    try:
        with telling_of(target):
            draft = new_draft(target)
            yield draft
            _flush(draft)
            draft.replace(target)
    finally:
        if draft is not None:
            drop(draft)


@contextmanager
def writing_folder(path: AnyPath) -> Iterator[Path]:
    """A temporary folder beside `path`; renamed to `path` on success, removed with all that is in it on any failure.

    Args:
        path: the final name, where nothing is yet, or an empty folder. The folder that it is in must exist.

    Raises:
        FileError: something is there already, or writing fails (a full disk).
    """
    target = Path(path)
    need_new_folder(target)
    draft = None
    try:
        draft = new_draft(target, folder=True)
        yield draft
        if hasattr(os, "sync"):
            os.sync()  # once for all files; as for one, no power cut leaves the new name with old contents
        need_new_folder(target)
        draft.replace(target)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        named = _final_name(error, draft, target)
        raise FileError(f"{named}: cannot be written: {error.strerror or error}") from error
    finally:
        if draft is not None:
            drop(draft)


def _final_name(error: OSError, draft: Path | None, target: Path) -> Path:
    """What an error is about: of a copy what was to be written, and not what was read; drafts by their final names."""
    named = error.filename2 or error.filename
    if not isinstance(named, str | os.PathLike):
        return target
    file = Path(named)
    return target / file.relative_to(draft) if draft is not None and file.is_relative_to(draft) else file


def need_new_folder(target: Path) -> None:
    """Refuses the name of a folder to be made where something is already. Errors as for `writing_folder`."""
    if not target.name:
        raise FileError(f"{target}: need the name of a new folder")
    if not target.parent.is_dir():
        raise FileError(f"{target}: need an existing folder to write into, found none; create {target.parent} first")
    try:
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
    except OSError as error:
        raise FileError(f"{target}: cannot be written to: {error.strerror or error}") from error
    if os.path.lexists(target):
        raise FileError(f"{target}: is already there; give the name of a new folder, or remove it first")


def need_target(path: AnyPath) -> Path:
    """The path, if a file can be written there: asked before work that takes long, not after it.

    Errors as for `writing`.
    """
    target = as_path(path, "where to write")
    if address := as_address(path):
        place_of(address)
        need_no_input(address)
        return target
    _check_target(target)
    with telling_of(target):
        drop(new_draft(target))
    return target


def _check_target(target: Path) -> None:
    need_name(target)
    if not target.name:
        raise FileError(f"{target}: need the name of a file to write, got a folder")
    with telling_of(target):  # the name may be too long
        if not target.parent.is_dir():
            raise FileError(
                f"{target}: need an existing folder to write into, found none; create {target.parent} first"
            )
        if target.is_dir():
            raise FileError(f"{target}: need the name of a file to write, got a folder")
        if target.exists() and not target.is_file():
            raise FileError(f"{target}: need an ordinary file to write, got a device or a pipe")
    need_no_input(target)


def _flush(draft: Path) -> None:
    """Onto the disk before the rename, so that a power cut cannot leave the new name with old contents."""
    handle = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: AnyPath) -> Path:
    """The folder, made where it is missing, with those above it.

    Raises:
        FileError: a file stands there, the folder cannot be made, or nothing can be written into it.
    """
    folder = as_path(path, "a folder to write into")
    if address := as_address(path):
        raise FileError(
            f"{address}: need a folder of this machine to write into, got an address; only predict takes one"
        )
    need_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: need a folder to write into, cannot make it: {error.strerror}") from error
    try:
        drop(new_draft(folder / "any"))
        return folder
    except OSError as error:
        raise FileError(
            f"{folder}: need a folder to write into, got one that takes no files: {error.strerror}"
        ) from error


@contextmanager
def telling_of(path: AnyPath) -> Iterator[None]:
    """Makes what the file system says meanwhile, such as that the disk is full, a sentence that names the file.

    Raises:
        FileError: it says something.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error


def append(path: AnyPath, lines: str) -> None:
    """Adds lines to a file, which is made where it is missing: all of them, or none where there is no room.

    Raises:
        FileError: they cannot be written.
    """
    target = Path(path)
    with telling_of(target), target.open("ab", buffering=0) as stream:  # a buffer would be written again at the end
        before, data = stream.tell(), lines.encode()
        try:
            while data:
                data = data[stream.write(data) :]
        except OSError:
            os.truncate(stream.fileno(), before)
            raise


def write_json(path: AnyPath, values: Mapping[str, Any]) -> None:
    """Plain data as indented JSON; paths become text."""
    with writing(path) as draft:
        draft.write_text(json.dumps(values, indent=2, default=str) + "\n", encoding="utf-8")


def write_rows(path: AnyPath, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Rows as a CSV file with a head line: the last row's names, then what only rows before it have; gaps are empty.

    Args:
        path: where.
        rows: with texts and numbers by name.
        columns: names that come first, and are there without any row.
    """
    names = dict.fromkeys([*columns, *(name for row in reversed(rows) for name in row)])
    with writing(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(map(in_utf8, names))
        writer.writerows([in_utf8(row.get(name, "")) for name in names] for row in rows)


def in_utf8(value: Any) -> Any:
    r"""A text as a table can hold it: with escapes for the bytes of a name that is not UTF-8; all else as it is.

    >>> print(in_utf8("caf\udce9.png"), in_utf8(7))
    caf\xe9.png 7
    """
    if not isinstance(value, str) or value.isascii():
        return value
    return "".join(printable(letter) if "\ud800" <= letter <= "\udfff" else letter for letter in value)
