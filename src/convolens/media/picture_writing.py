"""Picture files written with what they carried, as far as the format has a place for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convolens.errors import FormatError
from convolens.media import picture_metadata, picture_tiff_writing
from convolens.media.files import AnyPath, as_path, need_target, writing
from convolens.media.notes import note
from convolens.media.picture import Pages, Picture, texts_with_comment
from convolens.media.picture_formats import WRITTEN
from convolens.media.picture_png import with_metadata
from convolens.media.picture_saving import save
from convolens.media.pixels import as_levels

_JPEG = {"quality": 95, "subsampling": 0}  # no visible loss; Pillow's own defaults halve the colour resolution
_SEVERAL = (".tif", ".tiff", ".gif", ".webp", ".png")  # formats of more than one picture
# What each format has a place for, and what Pillow calls it.
_MOST = {"icc", "exif", "xmp", "dpi"}
_PLACES = {
    ".png": {*_MOST, "texts", "comment"}, ".jpg": {*_MOST, "comment"}, ".jpeg": {*_MOST, "comment"}, ".tif": _MOST,
    ".tiff": _MOST, ".webp": {"icc", "exif", "xmp"}, ".bmp": {"dpi"}, ".gif": {"comment"},
}  # fmt: skip
_OPTIONS = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp", "dpi": "dpi", "comment": "comment"}
_WORDS = {
    "icc": "its colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "its resolution",
    "texts": "texts",
    "comment": "a comment",
}
_XMP_TAG = 700


def write_image(path: AnyPath, image: Shaped[np.ndarray, "height width *channels"]) -> None:
    """Writes a picture file; the suffix chooses the format. Floats in [0, 1] become 8 bits, rounded.

    Args:
        path: where to write: .png .jpg .webp .tif .bmp .gif; uint16 needs .png or .tif.
        image: `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8, uint16, bool or floats in [0, 1].

    Raises:
        FormatError: a suffix that is not a picture's, or a format that cannot hold this one.
        ShapeError, DtypeError, ArgumentError: not a picture.

    >>> from tempfile import TemporaryDirectory
    >>> from convolens import read_image
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/deep.tif", np.uint16([[0, 65535]]))
    ...     read_image(f"{folder}/deep.tif").dtype
    dtype('uint16')
    """
    write_picture(path, Picture(as_levels(image)))


def write_picture(path: AnyPath, picture: Picture) -> None:
    """Writes pixels with their colour profile and metadata, as far as the format can hold them.

    Args:
        path: where to write; the suffix chooses the format.
        picture: what to write.

    Errors as in `write_image`.
    """
    file, pixels = _named_as_picture(path), as_levels(picture.pixels)
    suffix = file.suffix.lower()
    if suffix in (".jpg", ".jpeg") and pixels.ndim == 3 and pixels.shape[2] == 4:
        raise FormatError(f"{file}: need a format with transparency for an RGBA picture, got JPEG; write a .png")
    if pixels.dtype == np.uint16 and suffix not in (".png", ".tif", ".tiff"):
        raise FormatError(f"{file}: need .png or .tif for 16 bits a channel, got {suffix}")
    picture = replace(picture, icc=picture.icc if picture_metadata.fits(picture.icc, pixels) else None)
    with writing(file) as draft:
        if pixels.dtype == np.uint16:
            draft.write_bytes(_encode_deep(pixels, suffix, picture))
        else:
            _save(draft, pixels, suffix, picture)
        tell_what_is_lost(file, suffix, picture)


def tell_what_is_lost(file: Path, suffix: str, picture: Picture) -> None:
    """Notes what came with a picture and has no place in the format that it is written in."""
    lost = [words for name, words in _WORDS.items() if getattr(picture, name) and name not in _PLACES[suffix]]
    lost = list(dict.fromkeys([*lost, *picture.others]))
    if lost:
        note(f"{file}: has no place for what came with the picture: {', '.join(lost)}")


def write_pages(path: AnyPath, pages: Pages) -> None:
    """Writes pages or frames into one file. Arguments and errors as in `write_picture`.

    Raises:
        FormatError: a format that holds one picture only, or 16 bits in another than TIFF.
    """
    if len(pages.pictures) == 1:
        return write_picture(path, pages.pictures[0])
    file = _named_as_picture(path)
    suffix, all_pixels = file.suffix.lower(), [as_levels(one.pixels) for one in pages.pictures]
    if suffix not in _SEVERAL:
        raise FormatError(f"{file}: need {' '.join(_SEVERAL)} for {len(all_pixels)} pages or frames, got {suffix}")
    is_tiff = suffix in (".tif", ".tiff")
    if not is_tiff and any(pixels.dtype == np.uint16 for pixels in all_pixels):
        raise FormatError(f"{file}: need .tif for pages of 16 bits a channel, got {suffix}")
    with writing(file) as draft:
        if is_tiff:  # each page with what came with it; Pillow would give the first's to all
            draft.write_bytes(_encode_tiff_pages(all_pixels, pages.pictures))
        else:
            _save_pages(draft, suffix, all_pixels, pages)
        tell_what_is_lost(file, suffix, pages.pictures[0])
        if is_tiff and any(pages.durations):
            note(f"{file}: has no place for the times of an animation")
        if suffix == ".gif" and any(time % 10 for time in pages.durations):
            note(f"{file}: counts times in hundredths of a second; those of its frames were rounded")
    return None


def _encode_tiff_pages(all_pixels: list[NDArray[Any]], pictures: list[Picture]) -> bytes:
    data: bytes | None = None
    for pixels, picture in zip(all_pixels, pictures, strict=True):
        fitting = replace(picture, icc=picture.icc if picture_metadata.fits(picture.icc, pixels) else None)
        data = picture_tiff_writing.encode(pixels, fitting, before=data)
    return data or b""


def _save_pages(draft: Path, suffix: str, all_pixels: list[NDArray[Any]], pages: Pages) -> None:
    first = pages.pictures[0]
    fits = picture_metadata.fits(first.icc, all_pixels[0])
    options = _options_for(suffix, replace(first, icc=first.icc if fits else None))
    if any(pages.durations):
        options["duration"] = pages.durations
    options["loop"] = pages.plays
    if suffix == ".gif":
        options["loop"] = None if pages.plays == 1 else pages.plays and pages.plays - 1  # it counts repetitions
        options["duration"] = [10 * round(time / 10) for time in pages.durations] or 0  # Pillow would cut them off
        options["disposal"] = 2  # what was see-through stays so, whatever came before
    frames = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in all_pixels]
    save(frames[0], draft, save_all=True, append_images=frames[1:], **options)


def need_picture_target(path: AnyPath) -> Path:
    """The path, if a picture can be written there: asked before work that takes long, not after it.

    Raises:
        FormatError: no format has this suffix.
        FileError: nothing can be written there, or it is an input.
    """
    return need_target(_named_as_picture(path))


def _named_as_picture(path: AnyPath) -> Path:
    file = as_path(path, "where to write a picture")
    if file.suffix.lower() not in WRITTEN:
        raise FormatError(f"{file}: need a name that ends in {' '.join(WRITTEN)}, got {file.suffix or 'no suffix'}")
    return file


def _save(draft: Path, pixels: NDArray[Any], suffix: str, picture: Picture) -> None:
    save(Image.fromarray(np.ascontiguousarray(pixels)), draft, **_options_for(suffix, picture))


def _options_for(suffix: str, picture: Picture) -> dict[str, Any]:
    """Pillow's options for a format: its quality, and what it has a place for."""
    options: dict[str, Any] = {}
    if suffix in (".jpg", ".jpeg"):
        options |= _JPEG
    if suffix == ".webp":
        options |= {"lossless": True, "exact": True}  # exact: also where nothing shows
    kept = {name: getattr(picture, name) for name in _PLACES[suffix] if getattr(picture, name)}
    options |= {_OPTIONS[name]: value for name, value in kept.items() if name in _OPTIONS}
    if suffix in (".tif", ".tiff"):
        tags = picture_metadata.with_exact_texts(picture_tiff_writing.exif_of(picture))
        if "xmp" in kept:
            tags[_XMP_TAG] = options.pop("xmp")
        options["exif"] = tags
    if suffix == ".bmp":
        options.setdefault("dpi", (0, 0))  # where Pillow would make up 96
    if suffix == ".png" and kept.keys() & {"texts", "xmp", "comment"}:
        options.pop("xmp", None)
        options.pop("comment", None)
        options["pnginfo"] = _png_texts(picture)
    return options


def _png_texts(picture: Picture) -> PngInfo:
    texts = PngInfo()
    for name, text in texts_with_comment(picture):
        texts.add_text(name, text)
    if picture.xmp:
        texts.add_itxt("XML:com.adobe.xmp", picture.xmp.decode("utf-8", "replace"))
    return texts


def _encode_deep(pixels: NDArray[Any], suffix: str, picture: Picture) -> bytes:
    if suffix != ".png":
        return picture_tiff_writing.encode(pixels, picture)
    return with_metadata(bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))), picture, picture.icc)
