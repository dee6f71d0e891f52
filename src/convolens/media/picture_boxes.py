"""What JPEG 2000 and JPEG XL files say in boxes beside their pixels (ISO 15444-1, annex I; ISO 18181-2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_EXIF_UUID = b"JpgTiffExif->JP2"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_BY_PROFILE = (b"\2", b"\3")  # how a box of colours tells them: restricted and any ICC profile


class Boxed(NamedTuple):
    """What is in the boxes."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    others: tuple[str, ...] = ()  # that is not read, in words


def read(data: bytes) -> Boxed:
    """What a file of boxes says; nothing of one without any."""
    icc = exif = xmp = None
    others = []
    for name, content in _boxes(data):
        kind, rest = content[:16], content[16:]
        if name == b"jp2h":
            colors = [box for inner, box in _boxes(content) if inner == b"colr" and box[:1] in _BY_PROFILE]
            icc = (colors[0][3:] or None) if colors else icc
        elif name == b"xml " or (name == b"uuid" and kind == _XMP_UUID):
            xmp = content if name == b"xml " else rest
        elif name == b"Exif" or (name == b"uuid" and kind == _EXIF_UUID):
            exif = content[4 + int.from_bytes(content[:4], "big") :] if name == b"Exif" else rest
        elif name == b"uuid" and kind == _IPTC_UUID:
            others.append("IPTC")
        elif name == b"brob":  # packed by brotli
            others.append({b"Exif": "EXIF", b"xml ": "XMP"}.get(content[:4], "packed metadata"))
    return Boxed(icc, exif, xmp, tuple(others))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents, up to what is no box."""
    at = 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 16 if size == 1 else 8
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size or len(data) - at
        if size < head:
            return
        yield name, data[at + head : at + size]
        at += size
