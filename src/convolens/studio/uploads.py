"""What is uploaded: counted, weighed and decoded before it is kept, under a name of the studio's own making."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastapi import UploadFile

from convolens.errors import ArgumentError, FileError
from convolens.media.files import writing

MOST_FILES = 500  # of one request
MOST_FILE_BYTES = 64 << 20
PIECE = 1 << 20
MOST_NAME = 80  # letters of a name that are kept
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_UNSAFE = re.compile(r"[^\w .()+-]+")


def keep(uploads: Sequence[UploadFile], folder: Path) -> Iterator[Path]:
    """Writes each into a folder, as it comes; a name that is taken gets a few letters more.

    Raises:
        ArgumentError: too many.
        FileError: one is too large, or cannot be written.
    """
    if len(uploads) > MOST_FILES:
        raise ArgumentError(f"files: need at most {MOST_FILES} at once, got {len(uploads)}")
    for upload in uploads:
        target = folder / safe_name(upload.filename or "")
        if target.exists():
            target = target.with_stem(f"{target.stem}-{secrets.token_hex(4)}")
        with writing(target) as draft, draft.open("wb") as file:
            for piece in _pieces(upload):
                file.write(piece)
        yield target


def contents(upload: UploadFile) -> bytes:
    """The bytes of one.

    Raises:
        FileError: it is too large.
    """
    return b"".join(_pieces(upload))


def _pieces(upload: UploadFile) -> Iterator[bytes]:
    came = 0
    while piece := upload.file.read(PIECE):
        came += len(piece)
        if came > MOST_FILE_BYTES:
            raise FileError(f"{upload.filename}: need a file of at most {MOST_FILE_BYTES >> 20} MB, got a larger one")
        yield piece


def safe_name(name: str) -> str:
    r"""A name for a file: no folders, no dot in front, only letters, digits and what is harmless in a shell and a page.

    >>> safe_name("../../etc/pass wd.JPG"), safe_name("C:\\photos\\a<b>.png"), safe_name(".x")
    ('pass wd.jpg', 'a-b.png', 'x')
    """
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    if not stem:
        stem, dot, suffix = suffix, "", ""
    ending = f"{dot}{suffix}".lower()
    ending = ending if _SUFFIX.fullmatch(ending) else ""
    kept = _UNSAFE.sub("-", stem).strip(" .-")[:MOST_NAME]
    return f"{kept or 'unnamed'}{ending}"
