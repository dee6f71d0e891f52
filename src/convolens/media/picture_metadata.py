"""What picture files say beside their pixels: EXIF, orientation, colour profiles."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from convolens.media.notes import note

# What a TIFF says of the picture rather than of its own layout, which would be wrong elsewhere.
_WORDS = (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
_TABLES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
SIDEWAYS = (5, 6, 7, 8)  # orientations in which width and height change places

# EXIF orientation n: what brings the stored pixels upright.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
    8: lambda p: p.swapaxes(0, 1)[::-1],
}


def orientation_of(image: Image.Image) -> int:
    """Asked only after loading: Pillow turns a TIFF upright by itself meanwhile, and then no longer tells."""
    found: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The pixels as displayed."""
    turn = _UPRIGHT.get(orientation)
    return np.require(turn(pixels) if turn else pixels, requirements=["C", "W"])


def upright_exif(image: Image.Image, words: Image.Exif) -> bytes | None:
    """The metadata around upright pixels; of a TIFF only what describes the picture."""
    return _as_upright(words if image.format == "TIFF" else image.getexif())


def _as_upright(exif: Image.Exif) -> bytes | None:
    if not exif:
        return None
    exif[ExifTags.Base.Orientation] = 1
    return with_exact_texts(exif).tobytes()


def with_exact_texts(exif: Image.Exif) -> Image.Exif:
    """The tags, their texts as bytes: Pillow reads them as Latin-1, and writes question marks for all but ASCII."""
    tables = (exif.get(name) for name in _TABLES)
    named = [
        table if isinstance(table, dict) else exif.get_ifd(name) for name, table in zip(_TABLES, tables, strict=True)
    ]
    for table in (exif, *named):
        for tag, value in list(table.items()):
            if isinstance(value, str) and not value.isascii():
                table[tag] = value.encode("latin-1", "replace")
    return exif


_TURNED = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>))[1-8]""")


def upright_xmp(xmp: object) -> bytes | None:
    """An editor's words around upright pixels: the orientation that they may tell is applied."""
    data = xmp.encode() if isinstance(xmp, str) else xmp
    return _TURNED.sub(rb"\g<1>1", data) if isinstance(data, bytes) and data else None


def dpi_of(image: Image.Image) -> tuple[float, float] | None:
    """Pixels an inch, where the file says it in a way that can be meant."""
    if "jfif_density" in image.info or image.format in ("JPEG", "MPO"):
        tags = image.getexif()
        if image.info.get("jfif_unit") not in (1, 2) and ExifTags.Base.XResolution not in tags:
            return None  # where Pillow makes up 72
    found = image.info.get("dpi")
    return usable_dpi(*found) if isinstance(found, tuple) and len(found) == 2 else dpi_in(image.getexif())


def dpi_in(exif: Image.Exif) -> tuple[float, float] | None:
    """The same of EXIF's tags, which tell it for an inch or a centimetre."""
    unit = {2: 1.0, 3: 2.54}.get(exif.get(ExifTags.Base.ResolutionUnit, 2))
    across, down = exif.get(ExifTags.Base.XResolution), exif.get(ExifTags.Base.YResolution)
    try:
        return usable_dpi(float(across) * unit, float(down) * unit)  # type: ignore[arg-type, operator]
    except (TypeError, ValueError, ZeroDivisionError):  # not told, or by what is no number
        return None


def usable_dpi(across: float, down: float) -> tuple[float, float] | None:
    """The resolution, unless it is none that a printer could use."""
    return (float(across), float(down)) if 1 < across < 1e5 and 1 < down < 1e5 else None


def profile_of(image: Image.Image) -> bytes | None:
    """The colour profile; of a TIFF that has a number in its place, none."""
    found = image.info.get("icc_profile")
    return found if isinstance(found, bytes) and found else None


def texts_of(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """A PNG's keywords and texts; not what other metadata was put into them."""
    found = getattr(image, "text", {}) if image.format == "PNG" else {}
    own = ("XML:com.adobe.xmp", "Raw profile type")
    return tuple((str(name), str(text)) for name, text in found.items() if not name.startswith(own))


_IPTC_OF_PHOTOSHOP, IPTC_TAG = 0x0404, 33723  # where a JPEG and a TIFF have the captions of the press
_IN_GIF = {b"XMP DataXMP": "XMP", b"ICCRGBG1012": "its colour profile"}


def comment_of(image: Image.Image) -> bytes | None:
    """A JPEG's or GIF's."""
    found = image.info.get("comment")
    return found if isinstance(found, bytes) and found else None


def others_of(image: Image.Image, data: bytes) -> tuple[str, ...]:
    """In words, what is known to be in the file and is not read."""
    if image.format == "GIF":
        return tuple(words for mark, words in _IN_GIF.items() if mark in data)
    photoshop, texts = image.info.get("photoshop"), getattr(image, "text", {})
    has_iptc = (
        (isinstance(photoshop, dict) and _IPTC_OF_PHOTOSHOP in photoshop)
        or (image.format == "TIFF" and IPTC_TAG in image.tag_v2)  # type: ignore[attr-defined]
        or (image.format == "PNG" and any(name.startswith("Raw profile type iptc") for name in texts))
    )
    return ("IPTC",) if has_iptc else ()


def boxed_exif(tiff: bytes | None) -> tuple[bytes | None, tuple[float, float] | None]:
    """The tags of a file of boxes around upright pixels, and the resolution that they tell."""
    exif = Image.Exif()
    if tiff:
        exif.load(tiff.removeprefix(b"Exif\0\0"))
    return _as_upright(exif), dpi_in(exif)


def tiff_exif(stream: BinaryIO, offset: int) -> bytes | None:
    """The same of the page of a TIFF whose tags are at the offset."""
    stream.seek(0)
    tags, head = Image.Exif(), stream.read(4)
    tags.endian, tags.bigtiff = (">" if head[:2] == b"MM" else "<"), b"+" in head[2:4]
    tags.load_from_fp(stream, offset)
    return _as_upright(words_of(tags))


def words_of(tags: Image.Exif) -> Image.Exif:
    """Camera, date, place and what somebody wrote, out of all the tags of a TIFF."""
    words = Image.Exif()
    for tag in _WORDS:
        if tag in tags:
            words[tag] = tags[tag]
    for table in _TABLES:
        if entries := dict(tags.get_ifd(table)):
            words[table] = entries
    return words


def usable_profile(icc: bytes | None, channels: str, name: str) -> bytes | None:
    """The colour profile, if it is one and describes such pixels; else none, with a note.

    Args:
        icc: the profile's bytes.
        channels: what the pixels are: "GRAY", "RGB" or "CMYK".
        name: of the file.
    """
    if not icc:
        return None
    space = icc[16:20].decode("latin-1").strip()  # ICC.1, 7.2.6
    if icc[36:40] == b"acsp" and len(icc) >= 128 and space == channels:  # 7.2.11
        return icc
    reason = f"is for {space}, and the picture is {channels}" if icc[36:40] == b"acsp" else "is damaged"
    note(f"{name}: its colour profile {reason}; the picture is taken as it would be without")
    return None


def fits(icc: bytes | None, pixels: NDArray[Any]) -> bool:
    """Whether the profile describes such pixels: a grey result of a colour picture must not carry an RGB profile."""
    return icc is not None and icc[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def inks_shown(image: Image.Image, icc: bytes | None, name: str) -> Image.Image:
    """A CMYK picture in sRGB: by its profile, which says what the inks look like, or by Pillow's plain inversion."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            shown = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert shown is not None  # it returns None only when asked to work in place
            return shown
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            note(f"{name}: its colour profile cannot be used ({error}); the picture is taken as it would be without")
    return image.convert("RGB")
