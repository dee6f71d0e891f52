"""TIFF of 16 bits a channel, by what its tags say: planes apart, opacity, further channels, black or white at zero.

Pillow reads such files as 8 bits or not at all; libtiff (through imagecodecs) gives the samples as they are stored, and
what they mean is done here (TIFF 6.0, sections 8 and 18).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convolens.errors import FormatError
from convolens.media.notes import note
from convolens.media.picture_metadata import IPTC_TAG, usable_dpi
from convolens.media.pixels import as_gray_or_colors, without_opacity
from convolens.memory import need_memory

_MOST_PAGES = 1 << 16
_WHITE_IS_ZERO, _GRAY, _RGB, _CMYK = 0, 1, 2, 5
COLORS = {_WHITE_IS_ZERO: 1, _GRAY: 1, _RGB: 3}  # samples of a pixel beside opacity and others
_NAMES = {3: "palette", 4: "mask", _CMYK: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 32803: "a camera's raw data"}
_HEIGHT, _SAMPLES_PER_PIXEL, _TILE = 257, 277, (322, 323)
_PREMULTIPLIED, _OPACITY = 1, 2  # what ExtraSamples says of a channel


class Layout(NamedTuple):
    """What one page's tags say of its samples."""

    size: tuple[int, int]  # width and height as stored
    bits: tuple[int, ...]
    photometric: int
    planes_apart: bool
    extras: tuple[int, ...]
    orientation: int
    offset: int  # of the page's tags in the file
    icc: bytes | None
    xmp: object
    dpi: tuple[float, float] | None
    tile: tuple[int, int, int]  # width, height and bytes; of strips nothing, as they are no larger than the picture
    others: tuple[str, ...]  # what else it holds that is not carried, in words

    @property
    def is_deep(self) -> bool:
        """Whether it is read here: 16 bits a channel, of no inks, which Pillow shows."""
        return 16 in self.bits and self.photometric != _CMYK


def is_tiff(data: bytes) -> bool:
    """By the first bytes."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def layouts(data: bytes) -> Iterator[Layout]:
    """One for each page."""
    for tags, offset in tables(io.BytesIO(data)):
        yield layout_of(tags, offset)


def tables(stream: BinaryIO) -> Iterator[tuple[Any, int]]:
    """The tags of each page, and where they are in the file."""
    head = stream.read(16)
    head = head[: 16 if head[2:4] in (b"+\0", b"\0+") else 8]
    offset, seen = TiffImagePlugin.ImageFileDirectory_v2(head).next, set[int]()
    while offset and offset not in seen and len(seen) < _MOST_PAGES:
        seen.add(offset)
        tags: Any = TiffImagePlugin.ImageFileDirectory_v2(head)
        stream.seek(offset)
        tags.load(stream)
        yield tags, offset
        offset = tags.next


def layout_of(tags: Any, offset: int) -> Layout:
    """What the tags of a page say."""

    def several(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        found = tags.get(tag, default)
        return tuple(int(one) for one in (found if isinstance(found, tuple) else (found,)))

    return Layout(
        size=(int(tags.get(256, 0)), int(tags.get(257, 0))),
        bits=several(258, (1,)),
        photometric=int(tags.get(262, _GRAY)),
        planes_apart=tags.get(284) == 2,
        extras=several(338, ()),
        orientation=int(tags.get(274, 1)),
        offset=offset,
        icc=icc if isinstance(icc := tags.get(34675), bytes) and icc else None,
        xmp=tags.get(700),
        dpi=_dpi(tags),
        tile=tile_of(tags),
        others=("IPTC",) if IPTC_TAG in tags else (),
    )


def tile_of(tags: Any) -> tuple[int, int, int]:
    """Width, height and bytes of a tile, of which libtiff takes the memory of a whole one however small the picture."""
    width, height = (int(tags.get(tag, 0)) for tag in _TILE)
    bits = tags.get(258, (1,))
    deepest = max(bits if isinstance(bits, tuple) else (bits,), default=1)
    return width, height, width * height * int(deepest) * int(tags.get(_SAMPLES_PER_PIXEL, 1)) // 8


def need_room_for_tile(tile: tuple[int, int, int]) -> None:
    """Refuses a tile that the memory budget does not hold.

    Raises:
        MemoryRefused: it does not.
    """
    width, height, size = tile
    need_memory(size, f"tile of {width} × {height} pixels", "save it with smaller tiles")


def _dpi(tags: Any) -> tuple[float, float] | None:
    """Pixels an inch; the unit is the inch or the centimetre (TIFF 6.0, section 8)."""
    unit = {2: 1.0, 3: 2.54}.get(tags.get(296, 2))
    if unit is None or 282 not in tags or 283 not in tags:
        return None
    return usable_dpi(float(tags[282]) * unit, float(tags[283]) * unit)


def decode(data: bytes, page: int, layout: Layout, name: str) -> NDArray[np.uint16]:
    """The pixels of a page of 16 bits as stored: grey, RGB or RGBA.

    Raises:
        FormatError: another kind of samples or colours.
    """
    colors = COLORS.get(layout.photometric)
    if colors is None:
        raise FormatError(f"need grey, RGB or CMYK of 16 bits a channel, got {name_of(layout)}; save it as RGB")
    samples: NDArray[Any] = imagecodecs.tiff_decode(data, index=page)
    if samples.dtype != np.uint16:
        raise FormatError(f"need 8 or 16 bits a channel, got {samples.dtype}; save it with 16")
    width, height = layout.size
    if samples.ndim == 2:
        samples = samples[:, :, None]
    elif layout.planes_apart and samples.shape[1:] == (height, width):
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim != 3 or samples.shape[:2] != (height, width) or samples.shape[2] < colors:
        raise FormatError(f"need grey, RGB or RGBA, got layers of shape {samples.shape}")
    tell_left_out(samples.shape[2], colors, layout, name)
    return shown(samples, colors, layout)


def look_at(image: Image.Image, name: str) -> None:
    """What is to be known of a TIFF of 8 bits before Pillow decodes it: room for a tile, and what is left out.

    Raises:
        MemoryRefused: the memory budget does not hold a tile.
        FormatError: it has strips for some of its rows alone; Pillow would leave the others black.
    """
    if image.format == "TIFF":
        tags: Any = image
        need_room_for_tile(tile_of(tags.tag_v2))
        height = int(tags.tag_v2.get(_HEIGHT, image.size[1]))  # as stored: Pillow's size is as displayed
        rows = max((part[1][3] for part in tags.tile), default=height)
        if rows < height:
            raise FormatError(f"need strips for {height:,} rows, got some for {rows:,} alone; it is cut short")
        more = int(tags.tag_v2.get(_SAMPLES_PER_PIXEL, 1)) - len(image.getbands())
        if more > 0:
            note(f"{name}: holds {more} further channels that are no opacity; they are left out")


def name_of(layout: Layout) -> str:
    """What its samples are, in words."""
    return _NAMES.get(layout.photometric, f"photometric interpretation {layout.photometric}")


def tell_left_out(channels: int, colors: int, layout: Layout, name: str) -> None:
    """Notes further channels that are neither colour nor opacity."""
    kinds = _kinds(channels, colors, layout)
    lost = len(kinds) - (_opacity(kinds) is not None)
    if lost:
        note(f"{name}: holds {lost} further channels that are no opacity; they are left out")


def shown(samples: NDArray[Any], colors: int, layout: Layout) -> NDArray[Any]:
    """Colours and opacity, of whole numbers, as a picture has them."""
    color, kinds = samples[:, :, :colors], _kinds(samples.shape[2], colors, layout)
    at = _opacity(kinds)
    if layout.photometric == _WHITE_IS_ZERO:
        color = ~color  # of all bits: white less the number
    if at is None:
        return color[:, :, 0] if colors == 1 else color
    opacity = samples[:, :, colors + at :][:, :, :1]
    together = np.concatenate([color, opacity], axis=2)
    return without_opacity(together) if kinds[at] == _PREMULTIPLIED else as_gray_or_colors(together)


def _kinds(channels: int, colors: int, layout: Layout) -> tuple[int, ...]:
    """What each channel beside the colours is; 0 where that is not told."""
    more = channels - colors
    told = layout.extras[-more:] if more else ()
    return told + (0,) * (more - len(told))


def _opacity(kinds: tuple[int, ...]) -> int | None:
    return next((at for at, kind in enumerate(kinds) if kind in (_PREMULTIPLIED, _OPACITY)), None)
