"""Picture files read as displayed: 8 bits through Pillow; PNG and TIFF of 16, which it reads as 8, by imagecodecs."""

from __future__ import annotations

import io
import math
import os
from dataclasses import replace
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from jaxtyping import Num, UInt8
from numpy.typing import NDArray
from PIL import ExifTags, Image

from convolens.errors import FormatError
from convolens.media import picture_boxes, picture_deep, picture_jxl, picture_metadata, picture_png, picture_tiff
from convolens.media.notes import note
from convolens.media.picture import Pages, Picture
from convolens.media.picture_opening import (
    DEEP,
    Source,
    check_size,
    contents,
    decoding_picture,
    deep_pages,
    may_be_mended,
    need_room,
    need_room_for_pages,
    opened,
    pages_of,
    readable,
    stream_of,
    turn_to,
    turned,
)
from convolens.media.pixels import as_rgb8
from convolens.sources import Stored

_CHANNELS = {"L": "grey", "I;16": "grey", "I;16B": "grey", "1": "black and white", "RGB": "colour", "P": "palette"}
_CHANNELS |= {"RGBA": "colour with transparency", "LA": "grey with transparency", "PA": "palette with transparency"}
# A file that has all its data is decoded straight into an array, to the bit as by Pillow, in half the time and memory;
# one that was cut short must be refused, which only Pillow does.
_END_OF_JPEG = b"\xff\xd9"
_STRIP_PIXELS = 1 << 22


def read_image(source: Source, *, page: int | None = None) -> Num[np.ndarray, "height width *channels"]:
    """The pixels of a picture file as displayed: `(H, W)`, `(H, W, 3)` or `(H, W, 4)`, uint8 or uint16.

    Args:
        source: a path, the file's bytes, or the file, open for reading bytes.
        page: which page or frame, counted from 1; None takes the first, with a note where there are more.

    Raises:
        FileError: nothing is there.
        FormatError: not a picture, damaged, or more than `MAX_PIXELS` pixels.
        ArgumentError: no such page.

    >>> from tempfile import TemporaryDirectory
    >>> from convolens import write_image
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/dot.png", np.uint8([[0, 255]]))
    ...     read_image(f"{folder}/dot.png")
    array([[  0, 255]], dtype=uint8)
    """
    name, data = contents(source)
    return _read(name, data, page).pixels


def read_picture(source: Source, *, page: int | None = None) -> Picture:
    """A picture file with its colour profile and metadata. Arguments and errors as in `read_image`."""
    name, data = contents(source)
    return _with_usable_profile(_read(name, data, page, with_texts=True), name)


def _with_usable_profile(picture: Picture, name: str) -> Picture:
    icc = picture_metadata.usable_profile(picture.icc, "GRAY" if picture.pixels.ndim == 2 else "RGB", name)
    return replace(picture, icc=icc)


def read_pages(source: Source) -> Pages:
    """Every page or frame of a picture file. Errors as in `read_image`; the pixels of all of them count."""
    name, data = contents(source)
    with decoding_picture(name):
        if layouts := deep_pages(data):
            whole = (sum(width * height for width, height in (one.size for one in layouts)), 1)
            check_size(whole)
            need_room(whole, DEEP)
            return Pages([_of_deep_tiff(name, data, layouts, at) for at in range(len(layouts))])
        if picture_jxl.is_jxl(data):
            return Pages([_read(name, data, None)])
        data, long_profile = readable(data, name, with_texts=True)
        with opened(data, name) as image:
            count, durations, found, pixels = pages_of(image), [], [], 0
            check_size((image.size[0] * count, image.size[1]))
            need_room(image.size, image.mode, count)
            for at in range(count):
                turned(image, at, data)
                pixels += image.size[0] * image.size[1]  # a page may be larger than the first
                need_room_for_pages(pixels, at + 1, image.mode)
                picture = _frame(image, data, name, long_profile)
                found.append(_with_usable_profile(picture, name))
                durations.append(round(image.info.get("duration", 0)))
            return Pages(found, durations, _plays_of(image))


def _plays_of(image: Image.Image) -> int:
    """A GIF tells how often it is shown again, and nothing where it is not; others how often it is shown."""
    if image.format != "GIF":
        return int(image.info.get("loop", 0))
    again = image.info.get("loop")
    return 1 if again is None else int(again) and int(again) + 1


def _read(name: str, data: bytes, page: int | None, *, with_texts: bool = False) -> Picture:
    with decoding_picture(name):
        if layouts := deep_pages(data):
            return _of_deep_tiff(name, data, layouts, turn_to(page, len(layouts), name))
        if picture_jxl.is_jxl(data):
            return _of_jxl(name, data, page)
        data, long_profile = readable(data, name, with_texts=with_texts)
        with opened(data, name) as image:
            check_size(image.size)
            turned(image, turn_to(page, pages_of(image), name), data)
            return _frame(image, data, name, long_profile)


def _frame(image: Image.Image, data: bytes, name: str, long_profile: bytes | None) -> Picture:
    """The page that an opened picture stands at."""
    check_size(image.size)
    need_room(image.size, DEEP if picture_png.is_deep(image, data) else image.mode)
    icc = long_profile or picture_metadata.profile_of(image)
    words = _words_of(image)  # a TIFF's tables cannot be read after loading
    if image.format == "PNG":
        image.getexif()  # of several the first holds, as for the header; after loading Pillow takes the last
    picture_tiff.look_at(image, name)
    if picture_png.is_deep(image, data):
        pixels = picture_png.decode(data)
    elif image.format == "JPEG" and image.mode in ("L", "RGB") and data.endswith(_END_OF_JPEG):
        pixels = imagecodecs.jpeg8_decode(data)
    elif (bits := picture_deep.depth(image, data, name)) > 8:
        pixels = picture_deep.decode(image, data, bits)
    else:
        image.load()
        shown, icc = _as_displayable(image, icc, name)
        pixels = _array_of(shown)
    orientation = picture_metadata.orientation_of(image)
    exif = picture_metadata.upright_exif(image, words)
    xmp = picture_metadata.upright_xmp(image.info.get("xmp"))
    dpi, texts = picture_metadata.dpi_of(image), picture_metadata.texts_of(image)
    if orientation in picture_metadata.SIDEWAYS and dpi:
        dpi = dpi[::-1]
    others, comment = picture_metadata.others_of(image, data), picture_metadata.comment_of(image)
    picture = Picture(picture_metadata.upright(pixels, orientation), icc, exif, xmp, dpi, texts, comment, others)
    return _with_boxes(picture, data) if image.format == "JPEG2000" else picture


def _of_jxl(name: str, data: bytes, page: int | None) -> Picture:
    check_size(size := picture_jxl.size_of(data))
    need_room(size, DEEP)
    if picture_jxl.is_animated(data):
        note(f"{name}: holds several frames; only the first is read of a JPEG XL")
    turn_to(page, 1, name)
    return _with_boxes(Picture(picture_jxl.decode(data)), data)


def _with_boxes(picture: Picture, data: bytes) -> Picture:
    """With what a JPEG 2000 or JPEG XL says in boxes."""
    found = picture_boxes.read(data)
    exif, dpi = picture_metadata.boxed_exif(found.exif)
    xmp = picture_metadata.upright_xmp(found.xmp)
    return replace(picture, icc=found.icc, exif=exif, xmp=xmp, dpi=picture.dpi or dpi, others=found.others)


def _array_of(image: Image.Image) -> NDArray[Any]:
    """The pixels of a picture that Pillow holds; a large one by strips, as NumPy makes two copies of what it gets."""
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    if rows >= height:
        return np.asarray(image)
    pixels: NDArray[Any] | None = None
    for top in range(0, height, rows):
        strip = np.asarray(image.crop((0, top, width, min(top + rows, height))))
        if pixels is None:
            pixels = np.empty((height, *strip.shape[1:]), strip.dtype)
        pixels[top : top + rows] = strip
    assert pixels is not None  # a picture has rows
    return pixels


def _of_deep_tiff(name: str, data: bytes, layouts: list[picture_tiff.Layout], at: int) -> Picture:
    layout = layouts[at]
    check_size(layout.size)
    need_room(layout.size, DEEP)
    picture_tiff.need_room_for_tile(layout.tile)
    pixels = picture_metadata.upright(picture_tiff.decode(data, at, layout, name), layout.orientation)
    exif, xmp = picture_metadata.tiff_exif(io.BytesIO(data), layout.offset), picture_metadata.upright_xmp(layout.xmp)
    return Picture(pixels, layout.icc, exif, xmp, layout.dpi, others=layout.others)


def _words_of(image: Image.Image) -> Image.Exif:
    return picture_metadata.words_of(image.getexif()) if image.format == "TIFF" else Image.Exif()


def displayed(image: Image.Image) -> Num[np.ndarray, "height width *channels"]:
    """The pixels of a picture that Pillow holds, as displayed; as `read_image` gives those of a file.

    16 bits stay where Pillow has them, in grey pictures.

    Raises:
        FormatError: a mode whose white is not known (`I`, `F`), or what it is read from is damaged.
    """
    with decoding_picture("picture"):
        image.load()
        if not image.mode.startswith("I;16"):
            shown, _ = _as_displayable(image, picture_metadata.profile_of(image), "picture")
            return picture_metadata.upright(np.asarray(shown), picture_metadata.orientation_of(image))
        return picture_metadata.upright(np.asarray(image), picture_metadata.orientation_of(image))


class Header(NamedTuple):
    """What a picture file says before any pixel: `(width, height)` as displayed, and its channels in words.

    `orientation` is EXIF's, 1 where pixels are stored as they are displayed.
    """

    size: tuple[int, int]
    channels: str
    orientation: int = 1


def read_header(source: Source) -> Header:
    """A picture's header alone. Errors as in `read_image`, as far as a header shows them.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from convolens import write_image
    >>> path = Path(tempfile.mkdtemp()) / "grey.png"
    >>> write_image(path, np.zeros((3, 5), np.uint8))
    >>> read_header(path)
    Header(size=(5, 3), channels='grey', orientation=1)
    """
    with stream_of(source) as (name, stream):
        head = stream.read(32)
        stream.seek(0)
        try:
            with opened(stream, name, header_alone=True) as image:
                return _header_of(image, head)
        except (ValueError, FormatError):
            if not may_be_mended(head):
                raise
        stream.seek(0)
        return _header_in_full(stream.read(), name)


def _header_in_full(data: bytes, name: str) -> Header:
    if pages := deep_pages(data):
        layout = pages[0]
        check_size(layout.size)
        kind = _CHANNELS["L" if layout.photometric in (0, 1) else "RGB"]
        return Header(_as_displayed(layout.size, layout.orientation), f"16-bit {kind}", layout.orientation)
    if picture_jxl.is_jxl(data):
        check_size(size := picture_jxl.size_of(data))
        return Header(size, "of JPEG XL")
    data, _ = readable(data, name)
    with opened(data, name) as image:
        return _header_of(image, data)


def _header_of(image: Image.Image, head: bytes) -> Header:
    check_size(image.size)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    deep = "16-bit " if picture_png.is_deep(image, head) or _is_deep_tiff(image) else ""
    channels = deep + _CHANNELS.get(image.mode, image.mode)
    return Header(_as_displayed(_stored_size(image), orientation), channels, orientation)


def _as_displayed(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in picture_metadata.SIDEWAYS else size


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before any turning, which Pillow has done for a TIFF's already, in some of its versions."""
    if image.format == "TIFF":
        tags: Any = image
        return tags.tag_v2[256], tags.tag_v2[257]  # ImageWidth, ImageLength
    return image.size


def read_rgb8(
    source: Source, *, at_least: int | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], tuple[int, int]]:
    """A picture file as 8-bit RGB as displayed, transparency over white; and its full `(width, height)`.

    Args:
        source: as in `read_image`.
        at_least: pixels that the shorter side must keep, where a smaller picture will do: a JPEG is then decoded at a
            half, a quarter or an eighth of its size, at a fraction of the time. None decodes all of it.

    Errors as in `read_image`.
    """
    if isinstance(source, str | os.PathLike | Stored) and str(source).lower().endswith((".jpg", ".jpeg")):
        with stream_of(source) as (name, stream), opened(stream, name) as image:
            if image.format == "JPEG" and image.mode in ("RGB", "L"):
                return _decode_jpeg(image, at_least)
    pixels = as_rgb8(read_image(source))
    return pixels, (pixels.shape[1], pixels.shape[0])


def _decode_jpeg(image: Image.Image, at_least: int | None) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    check_size(image.size)
    width, height = image.size
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    if at_least is not None:
        shrunk = at_least / min(width, height)
        image.draft("RGB", (math.ceil(width * shrunk), math.ceil(height * shrunk)))  # never below what is asked for
    need_room(image.size, "RGB")
    pixels = picture_metadata.upright(_array_of(image.convert("RGB")), turn)
    return pixels, _as_displayed((width, height), turn)


def _is_deep_tiff(image: Image.Image) -> bool:
    tags: Any = image
    return image.format == "TIFF" and 16 in np.atleast_1d(tags.tag_v2.get(258, 1))  # BitsPerSample, one or several


def _as_displayable(image: Image.Image, icc: bytes | None, name: str) -> tuple[Image.Image, bytes | None]:
    """The picture in mode L, RGB or RGBA, and the profile that still describes it."""
    see_through = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBa")
    if image.mode == "CMYK":
        if _is_deep_tiff(image):
            note(f"{name}: its inks of 16 bits are read as 8")
        return picture_metadata.inks_shown(image, icc, name), None
    if image.mode in ("L", "RGB", "RGBA") and not see_through:
        return image, icc
    if image.mode == "1":
        return image.convert("L"), icc
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        raise FormatError(f"need 8 bits a channel, or 16 in a PNG or TIFF, got Pillow's mode {image.mode}")
    return image.convert("RGBA" if see_through else "RGB"), icc
