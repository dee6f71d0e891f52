"""PNGs of 16 bits, which Pillow makes 8 of; and chunks: checksums that it leaves out, and texts too long for it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import imagecodecs
from numpy.typing import NDArray
from PIL import Image

from convolens.errors import FormatError
from convolens.media.picture import Picture, texts_with_comment
from convolens.media.pixels import as_gray_or_colors

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONG = 1 << 20  # bytes of a text after decompression, beyond which Pillow refuses the file; and profiles the same
_MOST_TEXT = 64 << 20  # of all texts, as Pillow counts them
_MOST_PROFILE = 64 << 20
_XMP = "XML:com.adobe.xmp"  # the keyword under which a PNG has an editor's words


class _Chunk(NamedTuple):
    name: bytes
    begin: int
    end: int  # behind its checksum


def chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks in order, up to the last or to where the file is cut off.

    Raises:
        FormatError: the bytes of one that matters do not have its checksum.
    """
    at, view = len(SIGNATURE), memoryview(data)
    while at + 12 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + size
        if end > len(data):
            return
        is_critical = name[:1].isupper() or name == b"tRNS"
        if is_critical and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise FormatError(f"damaged picture: the checksum of its chunk {name.decode('latin-1')} is wrong")
        yield _Chunk(name, at, end)
        if name == b"IEND":
            return
        at = end


class Readable(NamedTuple):
    """A file as Pillow reads it, and what that lacks."""

    data: bytes
    profile: bytes | None = None  # one too long for Pillow
    lacks_texts: bool = False


def readable(data: bytes) -> Readable:
    """The file as Pillow reads it.

    Pillow takes a file for an attack whose texts or profile are longer than 1 MiB, or all texts together than 64 MiB;
    they have nothing to do with pixels.

    Raises:
        FormatError: a checksum is wrong.
    """
    left_out, text, profile = [], 0, None
    for chunk in chunks(data):
        if chunk.name in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            size = _size(data, chunk)
            text += size if chunk.name != b"iCCP" else 0
            if size > _LONG or (text > _MOST_TEXT and chunk.name != b"iCCP"):
                left_out.append(chunk)
                text -= size if chunk.name != b"iCCP" else 0
                profile = _profile(data, chunk) if chunk.name == b"iCCP" else profile
    if not left_out:
        return Readable(data)
    kept, at = [], 0
    for chunk in left_out:
        kept.append(data[at : chunk.begin])
        at = chunk.end
    lacks_texts = any(chunk.name != b"iCCP" for chunk in left_out)
    return Readable(b"".join([*kept, data[at:]]), profile, lacks_texts)


def _size(data: bytes, chunk: _Chunk) -> int:
    """Bytes of a text or profile after decompression, of which no more are made than show that it is too long."""
    content = data[chunk.begin + 8 : chunk.end - 4]
    if chunk.name == b"tEXt" or (chunk.name == b"iTXt" and content[content.find(b"\0") + 1 :][:1] != b"\1"):
        return len(content)
    return len(_inflated(_packed(content, chunk.name), _LONG + 1))


def _packed(content: bytes, name: bytes) -> bytes:
    """What is compressed of a chunk: behind its keyword, and an iTXt's language and translated keyword."""
    for _ in range(3 if name == b"iTXt" else 1):
        content = content[content.find(b"\0") + 1 :]
        content = content[2:] if name == b"iTXt" and len(content) > 2 and content[:1] == b"\1" else content
    return content if name == b"iTXt" else content[1:]


def _inflated(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""


def _profile(data: bytes, chunk: _Chunk) -> bytes | None:
    found = _inflated(_packed(data[chunk.begin + 8 : chunk.end - 4], b"iCCP"), _MOST_PROFILE)
    return found or None


def with_metadata(png: bytes, picture: Picture, icc: bytes | None) -> bytes:
    """A PNG with what came with the picture behind its header chunk (PNG specification, 11.3)."""
    more = b""
    if icc:
        more += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if picture.dpi:
        more += _chunk(b"pHYs", struct.pack(">IIB", *(round(dots / 0.0254) for dots in picture.dpi), 1))
    if picture.exif:
        more += _chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    for name, text in (
        *texts_with_comment(picture),
        *([(_XMP, picture.xmp.decode("utf-8", "replace"))] if picture.xmp else []),
    ):
        more += _chunk(b"iTXt", name.encode("latin-1", "replace")[:79] + bytes(5) + text.encode("utf-8", "replace"))
    end_of_header = len(SIGNATURE) + 25  # IHDR's length, name, 13 bytes and checksum
    return png[:end_of_header] + more + png[end_of_header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether it is a PNG of 16 bits a sample."""
    return image.format == "PNG" and data[24] == 16  # behind the signature 8, chunk head 8, width 4, height 4


def decode(data: bytes) -> NDArray[Any]:
    """The pixels of a PNG in their own depth, `(rows, columns)` or `(rows, columns, 3 or 4)`."""
    pixels: NDArray[Any] = imagecodecs.png_decode(data)
    return as_gray_or_colors(pixels)
