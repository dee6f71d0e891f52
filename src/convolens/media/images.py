"""Picture files: read as displayed, written with what they carried.

A picture is `(H, W)` grey, `(H, W, 3)` RGB or `(H, W, 4)` RGBA, uint8 or uint16, with its EXIF orientation applied.
Palettes, CMYK, grey with transparency and 1-bit files become one of these. 8 bits go through Pillow; 16-bit PNG and
TIFF, which Pillow reads as 8-bit, and whole JPEGs, twice as fast, through imagecodecs. Headers are read first, and one
that claims more than `MAX_PIXELS` is refused before anything is allocated.
"""

from __future__ import annotations

import io
import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import imagecodecs
import numpy as np
from jaxtyping import Num, Shaped, UInt8
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from convolens.errors import FormatError
from convolens.media.files import AnyPath, OpenFile, need_file, need_target, writing
from convolens.media.picture_files import SUFFIXES
from convolens.media.pixels import as_levels, as_rgb8

MAX_PIXELS = 178_956_970  # where Pillow itself refuses a file as a decompression bomb
MAX_BYTES = 2 << 30  # more than MAX_PIXELS of 16-bit RGBA take uncompressed
_JPEG = {"quality": 95, "subsampling": 0}  # no visible loss; Pillow's own defaults halve the colour resolution
_CHANNELS = {"L": "grey", "I;16": "grey", "I;16B": "grey", "1": "black and white", "RGB": "colour", "P": "palette"}
_CHANNELS |= {"RGBA": "colour with transparency", "LA": "grey with transparency", "PA": "palette with transparency"}
# A file that has all its data is decoded straight into an array, to the bit as by Pillow, in half the time and memory;
# one that was cut short must be refused, which only Pillow does.
_END_OF_JPEG = b"\xff\xd9"
_opening = threading.Lock()  # warnings.catch_warnings changes the whole process


@dataclass(frozen=True)
class Picture:
    """Pixels and what came with them: what a command that reads one file and writes another carries through."""

    pixels: NDArray[Any]  # (H, W), (H, W, 3) or (H, W, 4); uint8 or uint16
    icc: bytes | None = None  # the colour profile
    exif: bytes | None = None  # camera, date, place; its orientation is already applied, and says so

    def with_pixels(self, pixels: NDArray[Any]) -> Picture:
        """The same profile and metadata around other pixels."""
        return replace(self, pixels=pixels)


Source = AnyPath | bytes | OpenFile  # of a picture: where it is, or what the file holds


def read_image(source: Source) -> Num[np.ndarray, "height width *channels"]:
    """The pixels of a picture file as displayed: `(H, W)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16.

    The first frame of an animation.

    Args:
        source: a path, the file's bytes, or the file, open for reading bytes.

    Raises:
        FileError: nothing is there.
        FormatError: not a picture, damaged, or more than `MAX_PIXELS` pixels.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/dot.png", np.uint8([[0, 255]]))
    ...     read_image(f"{folder}/dot.png")
    array([[  0, 255]], dtype=uint8)
    """
    return read_picture(source).pixels


def read_picture(source: Source) -> Picture:
    """A picture file with its colour profile and metadata. Arguments and errors as in `read_image`."""
    name, data = _contents(source)
    with _wording_of(name), _opened(data) as image:
        _check_size(image)
        icc, words = image.info.get("icc_profile"), _words_of(image)  # a TIFF's tables cannot be read after loading
        if _is_deep(image, data):
            pixels = _decode_deep(data, image.format)
            if _is_white_zero(image):
                pixels = np.uint16(65535) - pixels
        elif image.format == "JPEG" and image.mode in ("L", "RGB") and data.endswith(_END_OF_JPEG):
            pixels = imagecodecs.jpeg8_decode(data)
        else:
            image.load()
            shown, icc = _as_displayable(image, icc)
            pixels = np.asarray(shown)
        return Picture(_upright(pixels, _orientation(image)), icc, _upright_exif(image, words))


def displayed(image: Image.Image) -> Num[np.ndarray, "height width *channels"]:
    """The pixels of a picture that Pillow holds, as displayed; as `read_image` gives those of a file.

    16 bits stay where Pillow has them, in grey pictures.

    Raises:
        FormatError: a mode whose white is not known (`I`, `F`), or what it is read from is damaged.
    """
    with _wording_of("picture"):
        image.load()
        shown = image if image.mode.startswith("I;16") else _as_displayable(image, image.info.get("icc_profile"))[0]
        return _upright(np.asarray(shown), _orientation(image))


def _orientation(image: Image.Image) -> int:
    """Asked only after loading: Pillow turns a TIFF upright by itself meanwhile, and then no longer tells."""
    found: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found


def _contents(source: Source) -> tuple[str, bytes]:
    """What errors call it, and its bytes."""
    if isinstance(source, str | os.PathLike):
        file = _need_picture(source)
        return str(file), file.read_bytes()
    if isinstance(source, bytes):
        name, data = "picture", source
    else:
        name, data = str(getattr(source, "name", "picture")), source.read(MAX_BYTES + 1)
        if not isinstance(data, bytes):
            raise FormatError(f"{name}: need a file open for reading bytes, got one that gives text; open it with 'rb'")
    _check_bytes(name, len(data))
    return name, data


class Header(NamedTuple):
    """What a picture file says before any pixel: `(width, height)` as displayed, and its channels in words."""

    size: tuple[int, int]
    channels: str


def read_header(path: AnyPath) -> Header:
    """A picture file's header alone. Errors as in `read_image`, as far as a header shows them.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "grey.png"
    >>> write_image(path, np.zeros((3, 5), np.uint8))
    >>> read_header(path)
    Header(size=(5, 3), channels='grey')
    """
    file = _need_picture(path)
    with _wording_of(file), file.open("rb") as stream, _opened(stream) as image:
        _check_size(image)
        width, height = _stored_size(image)
        if image.getexif().get(ExifTags.Base.Orientation, 1) in _SIDEWAYS:
            width, height = height, width
        stream.seek(0)
        deep = "16-bit " if _is_deep(image, stream.read(32)) else ""
        return Header((width, height), deep + _CHANNELS.get(image.mode, image.mode))


def read_rgb8(
    path: AnyPath, *, at_least: int | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], tuple[int, int]]:
    """A picture file as 8-bit RGB as displayed, transparency over white; and its full `(width, height)`.

    Args:
        path: the file.
        at_least: pixels that the shorter side must keep, where a smaller picture will do: a JPEG is then decoded at a
            half, a quarter or an eighth of its size, at a fraction of the time. None decodes all of it.

    Errors as in `read_image`.
    """
    file = _need_picture(path)
    if file.suffix.lower() in (".jpg", ".jpeg"):
        with _wording_of(file), file.open("rb") as stream, _opened(stream) as image:
            if image.format == "JPEG" and image.mode in ("RGB", "L"):
                return _decode_jpeg(image, at_least)
    pixels = as_rgb8(read_picture(file).pixels)
    return pixels, (pixels.shape[1], pixels.shape[0])


def _decode_jpeg(image: Image.Image, at_least: int | None) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    _check_size(image)
    width, height = image.size
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    if at_least is not None:
        shrunk = at_least / min(width, height)
        image.draft("RGB", (math.ceil(width * shrunk), math.ceil(height * shrunk)))  # never below what is asked for
    pixels = _upright(np.asarray(image.convert("RGB")), turn)
    return pixels, (height, width) if turn in _SIDEWAYS else (width, height)


def _need_picture(path: AnyPath) -> Path:
    """The path, if an ordinary file of a picture's size is there; a device might never end."""
    file = need_file(path, "a picture")
    if not file.is_file():
        raise FormatError(f"{file}: need a picture, got a device or a pipe")
    _check_bytes(file, file.stat().st_size)
    return file


def _check_bytes(name: object, size: int) -> None:
    if size == 0:
        raise FormatError(f"{name}: need a picture, got 0 bytes")
    if size > MAX_BYTES:
        raise FormatError(f"{name}: need a picture of at most {MAX_BYTES:,} bytes, got {size:,}")


def write_image(path: AnyPath, image: Shaped[np.ndarray, "height width *channels"]) -> None:
    """Writes a picture file; the suffix chooses the format. Floats in [0, 1] become 8 bits, rounded.

    Args:
        path: where to write: .png .jpg .webp .tif .bmp .gif; uint16 needs .png or .tif.
        image: `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8, uint16, bool or floats in [0, 1].

    Raises:
        FormatError: a suffix that is not a picture's, or a format that cannot hold this one.
        ShapeError, DtypeError, ArgumentError: not a picture.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/deep.tif", np.uint16([[0, 65535]]))
    ...     read_image(f"{folder}/deep.tif").dtype
    dtype('uint16')
    """
    write_picture(path, Picture(as_levels(image)))


def write_picture(path: AnyPath, picture: Picture, *, keeping: tuple[AnyPath, ...] = ()) -> None:
    """Writes pixels with their colour profile and metadata, as far as the format can hold them.

    Args:
        path: where to write; the suffix chooses the format.
        picture: what to write.
        keeping: inputs that must not be overwritten.

    Errors as in `write_image`.
    """
    file, pixels = _named_as_picture(path), as_levels(picture.pixels)
    suffix = file.suffix.lower()
    if suffix in (".jpg", ".jpeg") and pixels.ndim == 3 and pixels.shape[2] == 4:
        raise FormatError(f"{file}: need a format with transparency for an RGBA picture, got JPEG; write a .png")
    if pixels.dtype == np.uint16 and suffix not in (".png", ".tif", ".tiff"):
        raise FormatError(f"{file}: need .png or .tif for 16 bits a channel, got {suffix}")
    icc = picture.icc if _profile_fits(picture.icc, pixels) else None
    with writing(file, keeping=keeping) as draft:
        if pixels.dtype == np.uint16:
            draft.write_bytes(_encode_deep(pixels, suffix, icc, picture.exif))
        else:
            _save(draft, pixels, suffix, icc, picture.exif)


def need_picture_target(path: AnyPath, *, keeping: tuple[AnyPath, ...] = ()) -> Path:
    """The path, if a picture can be written there: asked before work that takes long, not after it.

    Raises:
        FormatError: no format has this suffix.
        FileError: nothing can be written there, or it is one of `keeping`.
    """
    return need_target(_named_as_picture(path), keeping=keeping)


def _named_as_picture(path: AnyPath) -> Path:
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{file}: need a name that ends in {' '.join(SUFFIXES)}, got {file.suffix or 'no suffix'}")
    return file


@contextmanager
def _wording_of(file: object) -> Iterator[None]:
    """Turns whatever a decoder raises on bad data into one sentence that names the file."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{file}: {error}") from error
    except UnidentifiedImageError as error:
        raise FormatError(
            f"{file}: need a picture (PNG, JPEG, TIFF, WebP, …) of whole numbers, got a file that is none"
        ) from error
    except Image.DecompressionBombError as error:
        raise FormatError(f"{file}: need at most {MAX_PIXELS:,} pixels, got a header that claims more") from error
    except Exception as error:  # decoders of foreign data raise all kinds
        raise FormatError(f"{file}: damaged picture: {error}") from error


@contextmanager
def _opened(data: bytes | BinaryIO) -> Iterator[Image.Image]:
    """The picture with its header read and nothing decoded. Pillow's softer limit only warns; ours is its hard one."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data)
    with image:
        yield image


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise FormatError(f"need at most {MAX_PIXELS:,} pixels, got a header that claims {width} × {height}")


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before any turning, which Pillow has done for a TIFF's already, in some of its versions."""
    if image.format == "TIFF":
        tags: Any = image
        return tags.tag_v2[256], tags.tag_v2[257]  # ImageWidth, ImageLength
    return image.size


# What a TIFF says of the picture rather than of its own layout, which would be wrong elsewhere.
_WORDS = (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
# Those that imagecodecs writes into a TIFF of 16 bits.
_DEEP_WORDS = {
    "description": ExifTags.Base.ImageDescription, "software": ExifTags.Base.Software,
    "datetime": ExifTags.Base.DateTime,
}  # fmt: skip
_TABLES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def _upright_exif(image: Image.Image, words: Image.Exif) -> bytes | None:
    exif = words if image.format == "TIFF" else image.getexif()
    if not exif:
        return None
    exif[ExifTags.Base.Orientation] = 1
    return exif.tobytes()


def _words_of(image: Image.Image) -> Image.Exif:
    """Camera, date, place and what somebody wrote, out of all the tags of a TIFF."""
    words, tags = Image.Exif(), image.getexif() if image.format == "TIFF" else Image.Exif()
    for tag in _WORDS:
        if tag in tags:
            words[tag] = tags[tag]
    for table in _TABLES:
        if entries := dict(tags.get_ifd(table)):
            words[table] = entries
    return words


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file has 16 bits a channel."""
    if image.format == "PNG":
        return data[24] == 16  # behind the signature 8, chunk head 8, width 4, height 4
    if image.format == "TIFF":
        tags: Any = image
        return 16 in np.atleast_1d(tags.tag_v2.get(258, 1))  # BitsPerSample, one number or one for each channel
    return False


def _is_white_zero(image: Image.Image) -> bool:
    """Whether a TIFF counts from white: PhotometricInterpretation 0. Pillow turns 8 bits round, imagecodecs nothing."""
    tags: Any = image
    return image.format == "TIFF" and tags.tag_v2.get(262) == 0


def _decode_deep(data: bytes, kind: str | None) -> NDArray[Any]:
    pixels: NDArray[Any] = imagecodecs.png_decode(data) if kind == "PNG" else imagecodecs.tiff_decode(data)
    if pixels.dtype != np.uint16:
        raise FormatError(f"need 8 or 16 bits a channel, got {pixels.dtype}")
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # grey with transparency
        pixels = np.concatenate([np.repeat(pixels[:, :, :1], 3, axis=2), pixels[:, :, 1:]], axis=2)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise FormatError(f"need grey, RGB or RGBA, got layers of shape {pixels.shape}")
    return pixels


def _as_displayable(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """The picture in mode L, RGB or RGBA, and the profile that still describes it."""
    see_through = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBa")
    if image.mode == "CMYK" and icc:  # the profile says what the inks look like; without it, Pillow's plain inversion
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        shown = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert shown is not None  # it returns None only when asked to work in place
        return shown, None
    if image.mode in ("L", "RGB", "RGBA") and not see_through:
        return image, icc
    if image.mode == "1":
        return image.convert("L"), icc
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        raise FormatError(f"need 8 bits a channel, or 16 in a PNG or TIFF, got Pillow's mode {image.mode}")
    return image.convert("RGBA" if see_through else "RGB"), icc


# EXIF orientation n: what brings the stored pixels upright.
_UPRIGHT = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
    8: lambda p: p.swapaxes(0, 1)[::-1],
}


_SIDEWAYS = (5, 6, 7, 8)  # orientations in which width and height change places


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    turn = _UPRIGHT.get(orientation)
    return np.require(turn(pixels) if turn else pixels, requirements=["C", "W"])


def _profile_fits(icc: bytes | None, pixels: NDArray[Any]) -> bool:
    """Whether the profile describes such pixels: a grey result of a colour picture must not carry an RGB profile."""
    # Bytes 16 to 20 of a profile name its colour space (ICC.1, 7.2.6).
    return icc is not None and icc[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def _save(draft: Path, pixels: NDArray[Any], suffix: str, icc: bytes | None, exif: bytes | None) -> None:
    options: dict[str, Any] = {}
    if suffix in (".jpg", ".jpeg"):
        options |= _JPEG
    if suffix in (".webp",):
        options |= {"lossless": True, "exact": True}  # exact: also where nothing shows
    if icc and suffix not in (".bmp", ".gif"):
        options["icc_profile"] = icc
    if exif and suffix not in (".bmp", ".gif"):
        options["exif"] = exif
    Image.fromarray(np.ascontiguousarray(pixels)).save(draft, **options)


def _encode_deep(pixels: NDArray[Any], suffix: str, icc: bytes | None, exif: bytes | None) -> bytes:
    pixels = np.ascontiguousarray(pixels)
    if suffix != ".png":
        kind = "minisblack" if pixels.ndim == 2 else "rgb"
        tags = Image.Exif()
        tags.load(exif or b"")
        words = {name: tags[tag] for name, tag in _DEEP_WORDS.items() if isinstance(tags.get(tag), str)}
        return bytes(imagecodecs.tiff_encode(pixels, photometric=kind, compression="deflate", iccprofile=icc, **words))
    return _with_chunks(bytes(imagecodecs.png_encode(pixels)), icc, exif)


def _with_chunks(png: bytes, icc: bytes | None, exif: bytes | None) -> bytes:
    """A PNG with profile and metadata put in behind its header chunk (PNG specification, iCCP and eXIf)."""
    chunks = b""
    if icc:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if exif:
        chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    end_of_header = 8 + 25  # the signature; IHDR's length, name, 13 bytes and checksum
    return png[:end_of_header] + chunks + png[end_of_header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
