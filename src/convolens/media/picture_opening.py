"""Picture files opened: limits first, then the header by Pillow, then the page that is meant. Nothing is decoded."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from convolens.errors import ArgumentError, FileError, FormatError
from convolens.forks import lock_that_forks
from convolens.media import picture_formats, picture_gif, picture_jxl, picture_png, picture_tiff
from convolens.media.decoding import decoding
from convolens.media.files import AnyPath, OpenFile, need_file
from convolens.media.notes import note
from convolens.media.picture_formats import decoders_for
from convolens.memory import need_memory
from convolens.sources import Stored, as_address
from convolens.sources.stored import object_at

MAX_PIXELS = 178_956_970  # where Pillow itself refuses a file as a decompression bomb
_HEAD = 30  # bytes that say what a file is, and of WebP how large
MAX_BYTES = 2 << 30  # more than MAX_PIXELS of 16-bit RGBA take uncompressed
_SAVE_ANEW = "save it anew as a PNG, or as a TIFF of 8 or 16 bits"
_opening = lock_that_forks()  # warnings.catch_warnings changes the whole process

Source = AnyPath | bytes | OpenFile  # of a picture: where it is, or what the file holds


def need_picture(path: AnyPath) -> Path:
    """The path, if an ordinary file of a picture's size is there; a device might never end."""
    file = need_file(path, "a picture")
    with decoding_picture(file):
        _check_bytes(file, file.stat().st_size)
    return file


def contents(source: Source) -> tuple[str, bytes]:
    """What errors call it, and its bytes."""
    if address := as_address(source):
        source = object_at(address)
    if isinstance(source, str | os.PathLike):
        file = need_picture(source)
        with decoding_picture(file):
            need_memory(file.stat().st_size, file)
            return str(file), file.read_bytes()
    if isinstance(source, bytes):
        name, data = "picture", source
    elif isinstance(source, Stored):
        name, data = str(source), source.read()
    elif not isinstance(source, OpenFile):
        raise ArgumentError(f"source: need a path, bytes or an open file, got {type(source).__name__}")
    else:
        name = str(getattr(source, "name", "picture"))
        try:
            data = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # the latter of one that is closed
            raise FileError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if not isinstance(data, bytes):
            raise FormatError(f"{name}: need a file open for reading bytes, got one that gives text; open it with 'rb'")
    _check_bytes(name, len(data))
    return name, data


def _check_bytes(name: object, size: int) -> None:
    if size == 0:
        raise FormatError(f"{name}: need a picture, got 0 bytes")
    if size > MAX_BYTES:
        raise FormatError(f"{name}: need a picture of at most {MAX_BYTES:,} bytes, got {size:,}")


@contextmanager
def stream_of(source: Source) -> Iterator[tuple[str, BinaryIO]]:
    """What errors call it, and the file, open for reading; of a path no more is read than is asked for."""
    if isinstance(source, str | os.PathLike) and not as_address(source):
        file = need_picture(source)
        with decoding_picture(file), file.open("rb") as stream:
            yield str(file), stream
        return
    name, data = contents(source)
    with decoding_picture(name):
        yield name, io.BytesIO(data)


@contextmanager
def decoding_picture(file: object) -> Iterator[None]:
    """Within it a decoder of pictures is at work: the one guard, with what only Pillow raises."""
    with decoding(file, "picture", remedy=_SAVE_ANEW):
        try:
            yield
        except Image.DecompressionBombError as error:
            raise FormatError(f"need at most {MAX_PIXELS:,} pixels, got a header that claims more") from error


@contextmanager
def opened(data: bytes | BinaryIO, name: object, *, header_alone: bool = False) -> Iterator[Image.Image]:
    """The picture with its header read and nothing decoded. What Pillow warns of is noted.

    Its softer limit only warns too; ours is its hard one.

    Args:
        data: the file.
        name: what it is called.
        header_alone: whether nothing will be decoded, so that a picture over the budget is one too.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    head = stream.read(_HEAD)
    formats = decoders_for(head[:4])
    if (claimed := _webp_size(head)) is not None:  # whose decoder makes two canvases before it says how large they are
        check_size(claimed)
        if not header_alone:
            need_room(claimed, 2 * len("RGBA"))
    stream.seek(0)
    try:
        with _opening, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        stream.seek(0)
        raise FormatError(_unknown(stream.read(64))) from error
    with image:
        for one in told:  # other threads' notes among them
            note(f"{name}: {one.message}") if one.category is UserWarning else warnings.warn(one.message, stacklevel=2)
        yield image


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that a WebP's first chunk claims; None of anything else."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < _HEAD:
        return None
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            sides = int.from_bytes(head[21:25], "little")
            return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def _unknown(head: bytes) -> str:
    """Why Pillow knows no such file: it is none, or one that is not read here."""
    if picture_tiff.is_tiff(head):
        return f"a TIFF of a layout that is not read here; {_SAVE_ANEW}"
    if kind := picture_formats.known_by(head):
        return f"a {kind} file, which is not read here: {picture_formats.remedy_for(kind)}"
    return "need a picture (PNG, JPEG, TIFF, WebP, …) of whole numbers, got a file that is none"


def check_size(size: tuple[int, int]) -> None:
    """Raises a FormatError for more than `MAX_PIXELS`."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise FormatError(f"need at most {MAX_PIXELS:,} pixels, got a header that claims {width} × {height}")


# Bytes a pixel that decoding takes by Pillow's mode: its own picture (colours in 4), what that is converted to, and the
# array; of other modes at most those of CMYK with a profile.
_DECODED = {"1": 3, "L": 2, "P": 8, "RGB": 7, "RGBA": 8, "LA": 12, "PA": 9}
_DECODED_AT_MOST = 15
DEEP = 16  # and of 16 bits a channel: four of them, and a copy of them upright


def need_room(size: tuple[int, int], each: int | str, pages: int = 1) -> None:
    """States what decoding is about to take.

    Args:
        size: width and height.
        each: bytes a pixel, or Pillow's mode.
        pages: how many of them are decoded.

    Raises:
        MemoryRefused: more than the budget.
    """
    width, height = size
    need_memory(width * height * _taken(each) * pages, f"picture of {width} × {height} pixels", "make it smaller")


def need_room_for_pages(pixels: int, pages: int, mode: str) -> None:
    """States what so many pages take that have so many pixels together, in Pillow's mode of the last. Errors as above.

    Raises:
        FormatError: more than `MAX_PIXELS`.
    """
    if pixels > MAX_PIXELS:
        raise FormatError(f"need at most {MAX_PIXELS:,} pixels, got {pages} pages that have {pixels:,}")
    need_memory(pixels * _taken(mode), f"{pages} pages of {pixels:,} pixels", "take one page")


def _taken(each: int | str) -> int:
    return _DECODED.get(each, _DECODED_AT_MOST) if isinstance(each, str) else each


def pages_of(image: Image.Image) -> int:
    """How many pages or frames; of several pictures of a phone's JPEG, those that are more than a preview of it."""
    count = int(getattr(image, "n_frames", 1))
    if image.format == "MPO":
        entries: list[Any] = (image.mpinfo or {}).get(0xB002, [])  # type: ignore[attr-defined]
        kinds = [str(entry["Attribute"]["MPType"]) for entry in entries[1:]]
        return count if any(kind.startswith("Multi-Frame") for kind in kinds) else 1
    return count


def turn_to(page: int | None, count: int, name: str) -> int:
    """The page that is meant, counted from 0; without a choice the first, with a note where there are more.

    Raises:
        ArgumentError: there is no such page.
    """
    if page is None:
        if count > 1:
            note(f"{name}: holds {count} pages or frames; only the first is taken")
        return 0
    if not 1 <= page <= count:
        raise ArgumentError(f"page: need one from 1 to {count}, which {name} has, got {page}")
    return page - 1


def turned(image: Image.Image, page: int, data: bytes) -> None:
    """Turns an opened picture to a page, counted from 0. A GIF draws all frames up to there for it.

    Raises:
        FormatError, MemoryRefused: the frames of a GIF make it too large.
    """
    if image.format == "GIF" and page:
        size = picture_gif.whole_size(data)
        check_size(size)
        need_room(size, "RGBA", 2)  # it, and what it is put back to behind a frame
    image.seek(page)


def readable(data: bytes, name: str, *, with_texts: bool = False) -> tuple[bytes, bytes | None]:
    """The file as Pillow reads it, and a colour profile that Pillow does not; a PNG's checksums are compared.

    Args:
        data: the file.
        name: of it.
        with_texts: whether its texts are wanted, so that some that are left out are told.
    """
    if not data.startswith(picture_png.SIGNATURE):
        return data, None
    found = picture_png.readable(data)
    if found.lacks_texts and with_texts:
        note(f"{name}: its texts of more than 1 MiB, or 64 MiB together, are left out")
    return found.data, found.profile


def may_be_mended(head: bytes) -> bool:
    """Whether a file that Pillow does not open may be one with texts too long for it, a TIFF of 16 bits, or JPEG XL."""
    return head.startswith(picture_png.SIGNATURE) or picture_tiff.is_tiff(head) or picture_jxl.is_jxl(head)


def deep_pages(data: bytes) -> list[picture_tiff.Layout]:
    """Of a TIFF whose first page has 16 bits a channel, all pages; else none."""
    if not picture_tiff.is_tiff(data):
        return []
    pages = picture_tiff.layouts(data)
    first = next(pages, None)
    return [first, *pages] if first is not None and first.is_deep else []
