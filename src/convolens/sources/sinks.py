"""What is written back to a store: each object whole or not at all, and lines that are kept as they come.

A store appends nothing and renames nothing. So lines go into `NAME.parts/`, an object each minute or each few thousand,
put whole; in the end they become one object, and the parts go. Who lost the machine goes on behind the last part.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convolens.errors import FormatError
from convolens.sources.addresses import joined, name_in, place_of, shown_address
from convolens.sources.copies import brought_here
from convolens.sources.listing import objects_below
from convolens.sources.retries import patiently

FLUSH_SECONDS, FLUSH_LINES = 60.0, 4096


@contextmanager
def put_whole(address: str) -> Iterator[Path]:
    """A file of this machine, with the address's suffix, that becomes the object once it is complete.

    Raises:
        FileError: the store does not take it.
    """
    place_of(address)  # refuses what is none before the work
    with tempfile.TemporaryDirectory(prefix="convolens-") as folder:
        draft = Path(folder) / f"draft{os.path.splitext(name_in(address))[1]}"  # noqa: PTH122
        draft.touch()
        yield draft
        patiently(address, "to write there", lambda: _put(draft, address))


def _put(draft: Path, address: str) -> None:
    files, path = place_of(address)
    files.put_file(str(draft), path)


def put(address: str, data: bytes) -> None:
    """Makes an object of these bytes, whole. Errors as of `put_whole`."""

    def once() -> None:
        files, path = place_of(address)
        files.pipe_file(path, data)

    patiently(address, "to write there", once)


def get(address: str) -> bytes | None:
    """The bytes of a small object; None where there is none."""
    files, path = place_of(address)

    def once() -> bytes | None:
        try:
            files.invalidate_cache()
            return bytes(files.cat_file(path))
        except FileNotFoundError:
            return None

    return patiently(address, "a file", once)


class StoredLines:
    """Lines of JSON with a `path`, of which a store keeps those that are whole.

    Args:
        address: of the object that they become in the end.

    Attributes:
        done: the paths that have a line without an error.
    """

    def __init__(self, address: str) -> None:
        self.address, self._folder = address, f"{address}.parts"
        self._waiting: list[str] = []
        self._since = time.monotonic()
        self._earlier = [one for one in (self._there(), *self._parts()) if one]
        self._number = len(self._earlier)
        self.done = {line["path"] for one in self._earlier for line in _lines(one) if "error" not in line}

    def append(self, lines: list[str]) -> None:
        """Adds lines, each with its end; now and then all that are waiting are kept."""
        self._waiting += lines
        if len(self._waiting) >= FLUSH_LINES or time.monotonic() - self._since >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Keeps what is waiting: a part, whole."""
        if not self._waiting:
            return
        self._number += 1
        # What two writers at once call theirs must differ, or one would be lost.
        part = joined(self._folder, f"{self._number:06}-{os.urandom(4).hex()}.jsonl")
        put(part, "".join(self._waiting).encode())
        self._earlier.append(part)
        self._waiting.clear()
        self._since = time.monotonic()

    def finish(self) -> None:
        """Makes one object of all lines, in order, each path once: its last one without an error, or else its last."""
        self.flush()
        last = {line["path"]: number for number, line in self._numbered()}
        last |= {line["path"]: number for number, line in self._numbered() if "error" not in line}
        with put_whole(self.address) as draft, draft.open("w", encoding="utf-8") as out:
            for number, line in self._numbered():
                if last[line["path"]] == number:
                    out.write(json.dumps(line) + "\n")
        files, path = place_of(self._folder)
        if exists(self._folder):
            patiently(self._folder, "to write there", lambda: files.rm(path, recursive=True))

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return enumerate(line for one in self._earlier for line in _lines(one))

    def _there(self) -> str:
        return self.address if exists(self.address) else ""

    def _parts(self) -> list[str]:
        return sorted(one.address for one in objects_below(self._folder)) if exists(self._folder) else []


def exists(address: str) -> bool:
    """Whether an object or a folder is there."""
    files, path = place_of(address)

    def once() -> bool:
        files.invalidate_cache()
        try:
            files.info(path)
        except FileNotFoundError:
            return False
        return True

    return patiently(address, "to look there", once)


def _lines(address: str) -> Iterator[dict[str, Any]]:
    with brought_here(address, "lines") as file, Path(file).open("rb") as stream:
        for number, text in enumerate(stream, 1):
            try:
                line = json.loads(text)
                if not isinstance(line, dict) or not isinstance(line["path"], str):
                    raise TypeError("no line with a path")
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                where = f"{shown_address(address)}: line {number}"
                raise FormatError(f"{where}: need a picture's line, got {error}") from error
            yield line
