"""A file of a store as one of this machine, for what must be read here and there: models, weights, sounds.

It is fetched in pieces into a folder that nobody else may look into, under its own name, and gone afterwards. Memory: a
piece. What is said of it meanwhile, in errors, names the address.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convolens.errors import ConvolensError, FileError
from convolens.sources.addresses import AnyPath, as_address, joined, name_in, place_of, shown_address
from convolens.sources.listing import kind_of
from convolens.sources.retries import ShortRead, patiently

MAX_BYTES = 64 << 30
_PIECE = 8 << 20


@contextmanager
def brought_here(path: AnyPath, what: str, *, in_folder: str = "") -> Iterator[AnyPath]:
    """Meanwhile the file of an address is one of this machine; a path is handed on as it is.

    Args:
        path: an address or a path.
        what: what it should be, for the message: "a sound".
        in_folder: the file that is meant where the address is a folder's.

    Raises:
        FileError: it cannot be had.
    """
    address = as_address(path)
    if address is None:
        yield path
        return
    kind, size = kind_of(address)
    if kind == "folder":
        if not in_folder:
            raise FileError(f"{shown_address(address)}: need {what}, got a folder")
        address = joined(address, in_folder)
        _, size = kind_of(address)
    if size is not None and size > MAX_BYTES:
        raise FileError(f"{shown_address(address)}: need {what} of at most {MAX_BYTES:,} bytes, got {size:,}")
    with tempfile.TemporaryDirectory(prefix="convolens-") as folder:
        file = Path(folder) / _plain(name_in(address))
        patiently(address, what, lambda: _fetch(address, file, size))
        try:
            yield file
        except ConvolensError as error:
            told = str(error)
            if str(file) not in told:
                raise
            raise type(error)(told.replace(str(file), shown_address(address))) from error


def _plain(name: str) -> str:
    """A name that a file can have here: the decoder goes by its suffix."""
    return "".join(letter if letter.isalnum() or letter in "._- " else "-" for letter in name)[-120:] or "file"


def _fetch(address: str, file: Path, size: int | None) -> None:
    files, path = place_of(address)
    taken = 0
    with files.open(path, "rb") as stream, file.open("wb") as out:
        while piece := stream.read(_PIECE):
            taken += len(piece)
            if taken > MAX_BYTES:
                raise FileError(f"{shown_address(address)}: need a file of at most {MAX_BYTES:,} bytes, got more")
            out.write(piece)
    if size is not None and taken != size:
        raise ShortRead(f"got {taken:,} bytes of {size:,}")
