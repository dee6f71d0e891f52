"""Which picture files can be read on this machine, by their suffixes: asked of Pillow, which decoders join.

HEIC is read where `pi-heif` is installed, AVIF and JPEG 2000 where Pillow was built with them, JPEG XL where
imagecodecs was.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

from PIL import Image

from convolens.media import picture_jxl

# What Pillow says of damaged files beside its error goes to who listens, and not to stderr where nobody does.
logging.getLogger("PIL").addHandler(logging.NullHandler())

WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
_TAKEN_FROM_FOLDERS = (
    "PNG",
    "JPEG",
    "WEBP",
    "TIFF",
    "BMP",
    "GIF",
    "AVIF",
    "HEIF",
    "JPEG2000",
    "PPM",
    "QOI",
    "TGA",
)
# Pillow would run Ghostscript for the first, and of the others it only knows the names.
_NEVER_OPENED = ("EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF")
_EXTRA = "pip install 'convolens[media]'"
_RAW = "a camera's raw data: develop it into a TIFF or JPEG"
# Pictures that may be passed over, and what helps.
_REMEDIES = {
    ".heic": _EXTRA, ".heif": _EXTRA, ".hif": _EXTRA,
    ".avif": "install a Pillow that has AVIF (11.3 or later)",
    ".jxl": "install an imagecodecs that has JPEG XL",
    ".jp2": "install a Pillow that has JPEG 2000", ".j2k": "install a Pillow that has JPEG 2000",
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef"), _RAW),
    **dict.fromkeys((".svg", ".eps", ".pdf", ".ai"), "a drawing: export it as a PNG"),
    ".psd": "export it as a PNG or TIFF",
    **dict.fromkeys((".tar", ".parquet"), "pictures in shards: give their names or a pattern, as 'shards/*.tar'"),
}  # fmt: skip
_COMMON = ((b"\x89PNG", ("PNG",)), (b"\xff\xd8\xff", ("JPEG",)), (b"GIF8", ("GIF",)))  # JPEG makes MPO by itself
_HEIC = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_STARTS = (
    (b"\xff\x0a", ".jxl"), (b"\0\0\0\x0cJXL ", ".jxl"), (b"\0\0\0\x0cjP  ", ".jp2"), (b"\xff\x4f\xff\x51", ".j2k"),
    (b"%PDF", ".pdf"), (b"%!PS", ".eps"), (b"<svg", ".svg"), (b"<?xml", ".svg"), (b"8BPS", ".psd"),
)  # fmt: skip


def decoders_for(head: bytes) -> tuple[str, ...]:
    """The formats that a file that begins so may be: of the commonest one, or all, which are only loaded then."""
    return next((formats for start, formats in _COMMON if head.startswith(start)), None) or decoders()


@cache
def decoders() -> tuple[str, ...]:
    """What Pillow calls the formats that may be opened here; those of packages that are installed are added first."""
    Image.init()
    if find_spec("pi_heif") is not None:
        import pi_heif

        pi_heif.register_heif_opener()
    return tuple(name for name in Image.OPEN if name not in _NEVER_OPENED)


@cache
def suffixes() -> frozenset[str]:
    """Of the pictures that are looked for in folders: `.png`, `.jpg` and so on, small letters."""
    known = {name for name in decoders() if name in _TAKEN_FROM_FOLDERS}
    found = {suffix for suffix, name in Image.registered_extensions().items() if name in known}
    return frozenset(found | ({picture_jxl.SUFFIX} if picture_jxl.is_at_hand() else set()))


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does that can be read here."""
    return os.path.splitext(name)[1].lower() in suffixes()  # noqa: PTH122 - three times as fast as a Path


def known_by(head: bytes) -> str:
    """The suffix of a picture that begins so, whatever its name; nothing where it is none that may be passed over."""
    if head[4:8] == b"ftyp":
        brands = head[8:]
        return ".avif" if brands[:4] in (b"avif", b"avis") else ".heic" if _HEIC & {brands[:4], brands[8:12]} else ""
    return next((suffix for start, suffix in _STARTS if head.startswith(start)), "")


def remedy_for(name: str) -> str:
    """What helps where a file of this name is not read; nothing where that is not known."""
    return _REMEDIES.get(os.path.splitext(name)[1].lower() or name, "")  # noqa: PTH122


def passed_over(names: Iterable[str]) -> str:
    """In words, what a folder holds that is not read as a picture, and why; nothing where it holds nothing else.

    >>> passed_over(["a.cr2", "b.CR2", "notes.txt"])
    "2 .cr2 (a camera's raw data: develop it into a TIFF or JPEG), 1 .txt"
    """
    ends = (os.path.splitext(name)[1].lower() for name in names if not is_picture(name))  # noqa: PTH122
    counts = Counter(end or "without suffix" for end in ends)
    reasons = {end: f" ({_REMEDIES[end]})" if end in _REMEDIES else "" for end in counts}
    return ", ".join(f"{count} {end}{reasons[end]}" for end, count in counts.most_common())
