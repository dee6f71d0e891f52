"""Pictures: the formats that are read, of a few pixels each."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from convolens.media.images import MAX_PIXELS, read_header, read_image, read_pages, read_picture, read_rgb8
from tests.fuzz.blocks import change_plain, join_gif, split_gif
from tests.fuzz.containers import (
    Chunk,
    change_boxes,
    change_chunks,
    change_tiff,
    join_jpeg,
    join_png,
    join_riff,
    split_jpeg,
    split_png,
    split_riff,
)
from tests.fuzz.form import Change, Format, with_notes
from tests.media.heic import heic

SIDE = (12, 9)
DICE = np.random.default_rng(0)
RGB = DICE.integers(0, 255, (*SIDE, 3)).astype(np.uint8)
RGBA = DICE.integers(0, 255, (*SIDE, 4)).astype(np.uint8)
DEEP = DICE.integers(0, 65535, (*SIDE, 3)).astype(np.uint16)
EXIF = Image.Exif()
EXIF[274], EXIF[271] = 6, "maker"


def encoded(pixels: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    """A picture as Pillow writes it."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def _frames(kind: str) -> bytes:
    more = [Image.fromarray(np.roll(RGB, at, 0)) for at in (1, 2)]
    return encoded(RGB, kind, save_all=True, append_images=more, duration=40, loop=0)


@cache
def png_seeds() -> list[bytes]:
    """Of 1 to 16 bits, grey, palettes, transparency, interlaced, animated, with texts and profiles."""
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", "a")
    words.add_itxt("Author", "é", "fr", "Auteur", zip=True)
    words.add_text("Long", "b" * 300, zip=True)
    found = [encoded(RGB, "PNG", mode) for mode in ("RGB", "L", "P", "1", "LA", "RGBA")]
    found += [encoded(RGB, "PNG", pnginfo=words, exif=EXIF, dpi=(72, 72), icc_profile=b"a" * 130), _frames("PNG")]
    found += [imagecodecs.png_encode(DEEP), imagecodecs.png_encode(DEEP[:, :, 0].copy())]
    found.append(encoded(RGB, "PNG", "P", transparency=bytes(range(200))))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)  # interlaced: seven passes, of 79 bytes
    parts = [Chunk(b"IHDR", header), Chunk(b"IDAT", zlib.compress(bytes(79))), Chunk(b"IEND", b"")]
    return [*found, join_png(found[0][:8], parts)]


@cache
def jpeg_seeds() -> list[bytes]:
    """Colour, grey, inks, progressive, with EXIF and XMP."""
    found = [encoded(RGB, "JPEG"), encoded(RGB, "JPEG", "L"), encoded(RGB, "JPEG", "CMYK")]
    found += [encoded(RGB, "JPEG", exif=EXIF, dpi=(300, 300), comment=b"a"), encoded(RGB, "JPEG", progressive=True)]
    return [*found, encoded(RGB, "JPEG", subsampling=0, quality=95, icc_profile=b"a" * 130, xmp=b"<x:xmpmeta/>")]


@cache
def tiff_seeds() -> list[bytes]:
    """Strips and tiles, planes apart, inks, palettes, 16 bits, pages, BigTIFF."""
    found = [
        encoded(RGB, "TIFF", compression=one) for one in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    found += [encoded(RGB, "TIFF", mode) for mode in ("L", "1", "P", "CMYK", "RGBA")]
    found += [encoded(RGB, "TIFF", exif=EXIF, dpi=(72, 72)), _frames("TIFF"), encoded(RGB, "TIFF", big_tiff=True)]
    found += [
        encoded(DEEP[:, :, 0], "TIFF"),
        imagecodecs.tiff_encode(DEEP),
        imagecodecs.tiff_encode(DEEP[:, :, 0].copy()),
    ]
    found.append(imagecodecs.tiff_encode(np.moveaxis(DEEP, 2, 0), planarconfig=2, photometric=2))
    found.append(imagecodecs.tiff_encode(np.tile(DEEP, (4, 4, 1))[:32, :32], tile=(16, 16)))
    return found


@cache
def gif_seeds() -> list[bytes]:
    """One frame, several, transparent."""
    return [encoded(RGB, "GIF"), _frames("GIF"), encoded(RGB, "GIF", "P", transparency=3, comment=b"a")]


@cache
def webp_seeds() -> list[bytes]:
    """With and without loss, transparent, animated, with EXIF."""
    found = [encoded(RGB, "WEBP"), encoded(RGBA, "WEBP", lossless=True), _frames("WEBP")]
    return [*found, encoded(RGB, "WEBP", exif=EXIF, icc_profile=b"a" * 130)]


@cache
def plain_seeds() -> list[bytes]:
    """BMP, PNM, TGA, QOI, ICO, PCX, SGI, DDS, and others that Pillow knows."""
    found = [encoded(RGB, "BMP"), encoded(RGB, "BMP", "P"), encoded(RGB, "BMP", "1"), encoded(RGBA, "BMP")]
    found += [encoded(RGB, "PPM"), encoded(RGB, "PPM", "L"), b"P2 3 2 255\n1 2 3\n4 5 6\n", b"P3 1 1 9 1 2 3\n"]
    found += [b"P1 3 2\n1 0 1\n0 1 0\n", b"P5 3 2 65535\n" + bytes(12), b"Pf 2 2 -1\n" + bytes(16)]
    found += [encoded(RGB, "TGA", compression="tga_rle"), imagecodecs.qoi_encode(RGB), encoded(RGB, "PCX")]
    found += [encoded(RGB, "SGI"), encoded(RGBA, "DDS"), encoded(RGBA, "ICO"), encoded(RGB, "IM"), encoded(RGB, "DIB")]
    found += [
        encoded(RGB, "MSP", "1"),
        encoded(RGB, "XBM", "1"),
        encoded(RGBA, "BLP", "P"),
        encoded(RGB, "SPIDER", "F"),
    ]
    return found


@cache
def jpeg2000_seeds() -> list[bytes]:
    """JP2 and bare codestreams, of 8 and 16 bits."""
    found = [encoded(RGB, "JPEG2000"), encoded(RGB, "JPEG2000", no_jp2=True), encoded(RGBA, "JPEG2000")]
    return [*found, imagecodecs.jpeg2k_encode(DEEP), encoded(RGB, "JPEG2000", "L", tile_size=(8, 8))]


@cache
def modern_seeds() -> list[bytes]:
    """AVIF, HEIC, JPEG XL."""
    found = [encoded(RGB, "AVIF", speed=10), encoded(RGBA, "AVIF", speed=10)]
    found += [heic(np.tile(RGB, (6, 8, 1))[:64, :64], turned=1)] if imagecodecs.JPEGXL.available else []
    found += [imagecodecs.jpegxl_encode(RGB, lossless=True), imagecodecs.jpegxl_encode(DEEP, lossless=True)]
    return [*found, imagecodecs.jpegxl_encode(RGB, usecontainer=True)]


def _shape(pixels: np.ndarray) -> None:
    assert pixels.dtype in (np.uint8, np.uint16), pixels.dtype
    assert pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4)), pixels.shape
    assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS, pixels.shape


def reader(seeds: Callable[[], Sequence[bytes]]) -> Callable[[Path], None]:
    """Reads by every reader; a file cut short is refused, noted, or was read in full."""

    def read(path: Path) -> None:
        data = path.read_bytes()
        whole = next((seed for seed in seeds() if len(data) < len(seed) and seed.startswith(data)), None)
        picture, notes = with_notes(lambda: read_picture(path))
        pixels = picture.pixels
        _shape(pixels)
        if whole is None:  # no more than one result is held at a time, as memory is looked at
            pixels = np.broadcast_to(np.uint8(0), pixels.shape)
        del picture
        _, more = with_notes(lambda: read_header(path).size)
        size = read_header(path).size
        jxl = data[:2] == b"\xff\x0a" or b"JXL " in data[:12]
        assert jxl or size == (pixels.shape[1], pixels.shape[0]), (size, pixels.shape)
        rgb, full = read_rgb8(path)
        assert rgb.shape == (*pixels.shape[:2], 3), (rgb.shape, pixels.shape)
        assert rgb.dtype == np.uint8, rgb.dtype
        assert full == (pixels.shape[1], pixels.shape[0]), (full, pixels.shape)
        del rgb
        for one in read_pages(path).pictures:
            _shape(one.pixels)
        if whole is not None and not notes + more:
            assert np.array_equal(pixels, read_image(whole)), f"cut to {len(data)} of {len(whole)} bytes, not a word"

    return read


def _picture(suffix: str, seeds: Callable[[], Sequence[bytes]], change: Change) -> Format:
    written = suffix if suffix in (".png", ".jpg", ".tiff", ".gif", ".webp", ".bmp") else ".png"
    return Format(
        f"case{suffix}",
        seeds,
        change,
        reader(seeds),
        commands=(
            lambda path, out: ["blur", path, out / f"a{written}", "--sigma", 1.5],
            lambda path, out: ["blur", path, out / f"a{written}", "--sigma", 1, "--page", "all"],
            lambda path, out: ["blur", path.parent, out, "--sigma", 1],
            lambda path, out: ["edges", path, out / "a.png", "--method", "canny"],
            lambda path, out: ["edges", path, out / f"a{written}"],
            lambda path, out: ["sharpen", path, out / "a.tiff"],
            lambda path, out: ["convolve", path, "emboss", out / "a.png", "--offset", 0.5],
            lambda path, out: ["convolve", path, path, out / "a.png", "--normalize"],
        ),
    )


FORMATS = {
    "png": _picture(".png", png_seeds, change_chunks(split_png, join_png)),
    "jpeg": _picture(".jpg", jpeg_seeds, change_chunks(split_jpeg, join_jpeg)),
    "tiff": _picture(".tiff", tiff_seeds, change_tiff),
    "gif": _picture(".gif", gif_seeds, change_chunks(split_gif, join_gif)),
    "webp": _picture(".webp", webp_seeds, change_chunks(split_riff, join_riff)),
    "bmp pnm …": _picture(".bmp", plain_seeds, change_plain),
    "jpeg 2000": _picture(".jp2", jpeg2000_seeds, change_boxes),
    "avif heic jxl": _picture(".avif", modern_seeds, change_boxes),
}
