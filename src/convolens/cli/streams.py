"""`-` for standard input and output, in every command that reads or writes a sound, a picture or a page.

What comes in goes to a temporary file first, in constant memory, since sounds and pictures are read back and forth;
what goes out is written whole before its first byte leaves, so that a failure leaves nothing half-written either.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convolens.cli.telling import showing_as, worded
from convolens.errors import ArgumentError, ConvolensError

DASH = "-"
READ = ("source", "impulse", "reference", "style")
READ_MANY = ("files",)
WRITTEN = ("target", "out", "html", "table", "plot")
DEFAULTS = {"html": ".html", "table": ".csv", "plot": ".png"}  # suffixes, where the input says none
FOLDERS = frozenset(("train classify", "train localize", "train detect", "predict", "convert", "merge", "tour"))
KINDS = (  # how files begin
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"BM", ".bmp"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
)
_HEAD = 16  # bytes


@contextmanager
def with_streams(command: str, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments, with temporary files in place of each `-`; what was written there goes to stdout in the end.

    Raises:
        ArgumentError: stdin or stdout is wanted twice, is a terminal, or is to be a folder.
    """
    used = [name for name in (*READ, *READ_MANY, *WRITTEN) if _is_dash(arguments.get(name), name in READ_MANY)]
    if not used:
        yield dict(arguments)
        return
    read, written = ([name for name in used if (name in WRITTEN) == out] for out in (False, True))
    for stream, names in (("stdin", read), ("stdout", written)):
        if len(names) > 1:
            raise ArgumentError(f"{names[1]}: need a file, as {stream} is {names[0]} already, got -")
    if written == ["out"] and command in FOLDERS:
        raise ArgumentError("out: need a folder to write into, got -, which is stdout")
    with tempfile.TemporaryDirectory(prefix="convolens-") as folder:
        given = dict(arguments)
        for name in read:
            path = _received(Path(folder))
            given[name] = [path if one == DASH else one for one in given[name]] if name in READ_MANY else path
        for name in written:
            given[name] = Path(folder, f"stdout{_suffix(command, name, given)}")
        with showing_as({str(Path(folder, "stdin")): "stdin", str(Path(folder, "stdout")): "stdout"}):
            try:
                yield given
            except ConvolensError as error:  # what stands for a stream has a name that says nothing to the user
                raise type(error)(worded(str(error))) from error
        for name in written:
            _send(given[name])


def _is_dash(value: object, many: bool) -> bool:
    return DASH in value if many and isinstance(value, list) else str(value) == DASH


def _received(folder: Path) -> Path:
    """What stdin holds, as a file with a suffix that says what it is."""
    stdin = sys.stdin.buffer
    if stdin.isatty():
        raise ArgumentError("-: need something on stdin, as in: cat photo.jpg | convolens …; got a terminal")
    head = stdin.read(_HEAD)
    path = folder / f"stdin{_kind(head)}"
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stdin, file)
    return path


def _kind(head: bytes) -> str:
    """A suffix by a file's first bytes; none where they are of no kind that is known, which the reader then says."""
    if head[:4] == b"RIFF":
        return {b"WAVE": ".wav", b"WEBP": ".webp"}.get(head[8:12], "")
    return next((suffix for begins, suffix in KINDS if head.startswith(begins)), "")


def _suffix(command: str, name: str, given: Mapping[str, Any]) -> str:
    """The format to write: that of the input, or what such a result is."""
    if name in DEFAULTS:
        return DEFAULTS[name]
    if command == "export":
        return ".onnx"
    if command in ("explain", "stylize", "trace", "scan", "edges"):  # drawings, which a JPEG would blur
        return ".png"
    return Path(str(given.get("source", ""))).suffix or ".png"


def _send(path: Path) -> None:
    """Writes a finished file to stdout."""
    if path.is_dir():
        raise ArgumentError("-: need one file to write to stdout, got a folder of them; give a folder's name")
    if sys.stdout.isatty():
        raise ArgumentError("-: need stdout to be a file or another command, as in: … - > out.png; got a terminal")
    sys.stdout.flush()
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
