"""What a shard or a table says of its pictures: which class each shows."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from convolens.data.dataset import Skipped
from convolens.errors import DataError, FileError
from convolens.media.picture_formats import is_picture
from convolens.sources import Stored
from convolens.sources.stored import Unreadable
from convolens.sources.tables import MOST_LETTERS, layout_of, rows_of
from convolens.sources.tar_shards import members_of

MOST_WORDS = 1 << 20  # bytes of a file that says what a sample is
_KEYS = ("label", "cls", "class", "class_name", "category")  # of a `.json`


class Labeled(NamedTuple):
    """A picture, the class that it shows as the data calls it, its split, and what is wrong with the shard there."""

    file: Stored
    label: str | None = None
    split: str = ""
    fault: str = ""


class Numbers:
    """The numbers of classes: as a model has them, or in the order of their names, which may be numbers themselves.

    Args:
        found: names in the data.
        known: names that a model knows.
    """

    def __init__(self, found: set[str], known: tuple[str, ...] | None) -> None:
        numeric = all(name.isdecimal() for name in found)
        self.names = known or tuple(sorted(found, key=(lambda name: (int(name), name)) if numeric else str))
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._by_number = known is not None and numeric and not found & set(self.names)

    def of(self, name: str) -> int | None:
        """A class's number; None where the model does not know it."""
        if self._by_number:  # data that numbers the classes of a model that names them
            return int(name) if int(name) < len(self.names) else None
        return self._numbers.get(name)


def in_table(table: str, size: int, skipped: list[Skipped]) -> Iterator[Labeled]:
    """The pictures of a table with the classes in its column."""
    try:
        layout = layout_of(table, size)
    except FileError as error:
        yield Labeled(Unreadable(table, why=str(error)), fault=str(error))
        return
    if layout.labels is None:
        wanted = "a column of classes (label, class, category) as texts or whole numbers"
        raise DataError(f"{table}: need {wanted}, found none")
    for file, value in rows_of(table, size, hold=False):
        if isinstance(file, Unreadable):
            yield Labeled(file, fault=file.why)
        else:
            yield Labeled(file, _class(file, value, layout.class_names))


def _class(file: Stored, value: object, names: tuple[str, ...]) -> str | None:
    if isinstance(value, bool | float | bytes):
        raise DataError(f"{file}: need one class as a text or a whole number, got {value!r:.80}")
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        raise DataError(f"{file}: need a class of at most {MOST_LETTERS:,} letters, got one of {len(value):,}")
    if isinstance(value, int) and names:
        if not 0 <= value < len(names):
            raise DataError(f"{file}: need a class from 0 to {len(names) - 1}, got {value}")
        return names[value]
    return None if value is None else str(value)


def in_tar(shard: str, size: int, skipped: list[Skipped]) -> Iterator[Labeled]:
    """The pictures of a shard with the classes that lie beside them, or else with their first folder's name."""
    for key, files in _samples(shard, size):
        pictures = [one for one in files if is_picture(one.name)]
        faults = [one for one in files if isinstance(one, Unreadable)]
        if faults:
            yield from (Labeled(one, fault=one.why) for one in faults)
        elif not pictures:
            skipped.extend(Skipped(one, f"{one}: need a picture of this name, found none") for one in files[:1])
        else:
            label = _said(files) or (key.rpartition("/")[0].partition("/")[0] or None)
            yield from (Labeled(one, label) for one in pictures)


def _samples(shard: str, size: int) -> Iterator[tuple[str, list[Stored]]]:
    """The files of each sample, which lie together; a second sample of one name is a fault."""
    met: set[int] = set()
    key, files = "", list[Stored]()
    for one in members_of(shard, size):
        of_whole = isinstance(one, Unreadable) and one.of_shard
        here = "" if of_whole else _key(one.where[len(one.shard or shard) + 1 :])
        if files and (of_whole or here != key):
            yield key, files
            files = []
        if not files and not of_whole:
            if hash(here) in met:
                why = f"{shard}: need samples of different names, got two of {here!r}"
                one = Unreadable(one.where, why=why)
            met.add(hash(here))
        key = here
        files.append(one)
    if files:
        yield key, files


def _key(name: str) -> str:
    """A sample's name: up to the first dot of the last part."""
    folder, last = posixpath.split(name)
    return posixpath.join(folder, last.partition(".")[0])


def _said(files: list[Stored]) -> str | None:
    """The class that a sample's files say: a `.cls` before a `.json`, and that before a `.txt`."""
    by_end = {one.name.rpartition(".")[2].lower(): one for one in files}
    if "cls" in by_end:
        return _text(by_end["cls"])
    if "json" in by_end and (found := _in_json(by_end["json"])) is not None:
        return found
    return _text(by_end["txt"]) if "txt" in by_end else None


def _text(file: Stored) -> str:
    if (file.size or 0) > MOST_WORDS:
        raise DataError(f"{file}: need a class's name of at most {MOST_WORDS:,} bytes, got {file.size:,}")
    try:
        text = file.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: need a class's name in UTF-8, got other bytes at {error.start}") from error
    if not text or "\n" in text:
        raise DataError(f"{file}: need a class's name in one line, got {text[:60]!r}")
    return text


def _in_json(file: Stored) -> str | None:
    if (file.size or 0) > MOST_WORDS:
        raise DataError(f"{file}: need a sample's JSON of at most {MOST_WORDS:,} bytes, got {file.size:,}")
    try:
        told = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: need JSON, got {error}") from error
    value = next((told[key] for key in _KEYS if key in told), None) if isinstance(told, dict) else told
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{file}: need one class as a text or a whole number, got {value!r:.80}")
    return str(value)
