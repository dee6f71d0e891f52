"""A TIFF's segments, which are its tiles or strips: where each lies in the file, and how it is decoded by itself.

TIFF 6.0, sections 3, 8, 9, 13, 14, 15 and 22 (the latter as its Technical Note 2 mends it); BigTIFF differs in the
widths of its numbers alone. What does not lie wholly in the file, or overlaps, is refused before anything is decoded,
and a segment never takes more memory than its size in pixels says, whatever is packed into it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError

_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _ZSTD = 1, 5, 7, 8, 32946, 32773, 50000
_READ = {
    _NONE: "none", _LZW: "LZW", _JPEG: "JPEG", _DEFLATE: "deflate", _OLD_DEFLATE: "deflate", _PACKBITS: "PackBits",
    _ZSTD: "Zstandard",
}  # fmt: skip
_UNPACK = {
    _LZW: imagecodecs.lzw_decode, _DEFLATE: imagecodecs.zlib_decode, _OLD_DEFLATE: imagecodecs.zlib_decode,
    _PACKBITS: imagecodecs.packbits_decode, _ZSTD: imagecodecs.zstd_decode,
}  # fmt: skip
_PREDICTED = (_LZW, _DEFLATE, _OLD_DEFLATE, _ZSTD)  # with these a predictor counts
_YCBCR = 6
_STRIP_BYTES = 1 << 20  # what strips that are not packed are taken apart to


class Segments(NamedTuple):
    """How the pixels of a page are stored."""

    height: int
    width: int
    samples: int  # of a pixel
    dtype: np.dtype[Any]
    rows: int  # of a segment
    columns: int
    is_tiled: bool
    compression: int
    has_differences: bool  # each sample is stored less the one to its left
    is_ycbcr: bool
    jpeg_tables: bytes | None
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def across(self) -> int:
        """How many segments lie side by side."""
        return -(-self.width // self.columns)

    @property
    def row_bytes(self) -> int:
        """Of a row of pixels."""
        return self.width * self.samples * self.dtype.itemsize

    def size_of(self, line: int, column: int) -> tuple[int, int]:
        """Rows and columns of a segment that are pixels of the picture."""
        return min(self.rows, self.height - line * self.rows), min(self.columns, self.width - column * self.columns)


def segments_of(tags: Any, order: str, file_bytes: int) -> Segments:
    """What a page's tags say.

    Args:
        tags: as Pillow reads them.
        order: of the bytes of a number, `<` or `>`.
        file_bytes: size of the file.

    Raises:
        FormatError: a way to store pixels that is not read by rows, or one that cannot be.
    """
    width, height, samples = (_number(tags, tag, default) for tag, default in ((256, 0), (257, 0), (277, 1)))
    if min(width, height, samples) < 1:
        raise FormatError(f"need pixels, got {width} × {height} of {samples} samples")
    dtype = _dtype(tags, order)
    compression = _number(tags, 259, _NONE)
    if compression not in _READ:
        known = ", ".join(dict.fromkeys(_READ.values()))
        raise FormatError(f"need one of the compressions {known} to read it by rows, got number {compression}")
    if _number(tags, 284, 1) != 1 and samples > 1:
        raise FormatError("need the channels of a pixel side by side to read it by rows, got planes apart")
    if _number(tags, 266, 1) != 1:
        raise FormatError("need bytes whose first bit is the highest to read it by rows, got the other order")
    predictor = _number(tags, 317, 1) if compression in _PREDICTED else 1
    if predictor not in (1, 2):
        raise FormatError(f"need no predictor or differences of whole numbers, got predictor {predictor}")
    if compression == _JPEG and (dtype.itemsize > 1 or samples not in (1, 3)):
        raise FormatError(f"need grey or RGB of 8 bits in JPEG, got {samples} samples of {8 * dtype.itemsize} bits")
    is_tiled = 322 in tags
    rows = _number(tags, 323) if is_tiled else min(_number(tags, 278, height), height)
    columns = _number(tags, 322) if is_tiled else width
    if min(rows, columns) < 1:
        raise FormatError(f"need segments of pixels, got some of {columns} × {rows}")
    offsets, counts = (_numbers(tags, tag) for tag in ((324, 325) if is_tiled else (273, 279)))
    tables = tags.get(347)
    found = Segments(
        height, width, samples, dtype, rows, columns, is_tiled, compression, predictor == 2,
        _number(tags, 262, 1) == _YCBCR, bytes(tables) if isinstance(tables, bytes) else None, offsets, counts,
    )  # fmt: skip
    _check_places(found, file_bytes)
    return _taken_apart(found)


def _number(tags: Any, tag: int, default: int = 0) -> int:
    found = tags.get(tag, default)
    return int(found[0] if isinstance(found, tuple) and found else found)


def _numbers(tags: Any, tag: int) -> NDArray[np.int64]:
    found = tags.get(tag, ())
    return np.atleast_1d(np.array(found, np.int64))


def _dtype(tags: Any, order: str) -> np.dtype[Any]:
    bits, kinds = set(_numbers(tags, 258).tolist() or [1]), set(_numbers(tags, 339).tolist())
    if len(bits) > 1 or not bits <= {8, 16} or kinds - {1}:
        raise FormatError(
            f"need whole numbers of 8 or 16 bits a channel to read it by rows, got {', '.join(map(str, sorted(bits)))} "
            f"bits{' of another kind' if kinds - {1} else ''}"
        )
    return np.dtype(f"{order}u{bits.pop() // 8}")


def _check_places(of: Segments, file_bytes: int) -> None:
    """Refuses what is not there, or there twice: a small file must not claim a picture that takes hours."""
    need = -(-of.height // of.rows) * of.across
    kind = "tiles" if of.is_tiled else "strips"
    if len(of.offsets) != need or len(of.counts) != need:
        have = min(len(of.offsets), len(of.counts))
        raise FormatError(f"need {need:,} {kind} for {of.width} × {of.height} pixels, got {have:,}")
    missing = np.flatnonzero((of.offsets < 8) | (of.counts < 1) | (of.counts > file_bytes - of.offsets))
    if missing.size:
        raise FormatError(
            f"need {need:,} {kind} within its {file_bytes:,} bytes, found {missing.size:,} missing; it is cut short"
        )
    if int(of.counts.sum()) > file_bytes:
        raise FormatError(f"need {kind} that share no bytes, got {int(of.counts.sum()):,} bytes of {file_bytes:,}")


def _taken_apart(of: Segments) -> Segments:
    """Long strips that are not packed, as shorter ones: any row of them can be read by itself."""
    if of.compression != _NONE or of.is_tiled or of.rows * of.row_bytes <= _STRIP_BYTES:
        return of
    strips = len(of.offsets)
    need = np.minimum(of.rows, of.height - np.arange(strips) * of.rows) * of.row_bytes
    if (of.counts < need).any():
        raise FormatError("need strips as long as their pixels, got shorter ones; it is cut short")
    most = max(1, _STRIP_BYTES // of.row_bytes)
    rows = most if strips == 1 else max(n for n in range(1, min(most, of.rows) + 1) if of.rows % n == 0)
    first = np.arange(0, of.height, rows)
    offsets = of.offsets[first // of.rows] + first % of.rows * of.row_bytes
    counts = np.minimum(rows, of.height - first) * of.row_bytes
    return of._replace(rows=rows, offsets=offsets, counts=counts)


def decoded(of: Segments, data: bytes, line: int, column: int) -> NDArray[Any]:
    """A segment's pixels `(rows, columns, samples)`, without what a tile has beyond the picture's border.

    Args:
        of: how they are stored.
        data: the segment's bytes.
        line: which segment from the top.
        column: which from the left.

    Raises:
        FormatError: it holds fewer pixels than it should; further errors as decoders raise them.
    """
    rows, columns = of.size_of(line, column)
    if of.compression == _JPEG:
        return _of_jpeg(of, data, rows)[:rows, :columns]
    stored = of.columns if of.is_tiled else columns
    shape = (of.rows if of.is_tiled else rows, stored, of.samples)
    size = int(np.prod(shape)) * of.dtype.itemsize
    unpacked = _unpacked(of, data, size)
    if len(unpacked) < size:
        raise FormatError(f"need segments of {size:,} bytes, got one of {len(unpacked):,}; it is damaged")
    pixels = np.frombuffer(unpacked, of.dtype, count=size // of.dtype.itemsize).reshape(shape)
    pixels = pixels.astype(of.dtype.newbyteorder("="), copy=False)
    if of.has_differences:
        pixels = imagecodecs.delta_decode(pixels, axis=1)
    return pixels[:rows, :columns]


def _unpacked(of: Segments, data: bytes, size: int) -> Any:
    """The bytes of a segment, and no more than there should be; a last strip may be stored as long as the others."""
    if of.compression == _NONE:
        return data
    most = max(size, of.rows * of.columns * of.samples * of.dtype.itemsize)
    unpack: Any = _UNPACK[of.compression]
    return memoryview(unpack(data, out=np.empty(most, np.uint8)))


def _of_jpeg(of: Segments, data: bytes, rows: int) -> NDArray[Any]:
    colors: dict[str, Any] = {}
    if of.samples == 3:
        colors = {"colorspace": "YCBCR" if of.is_ycbcr else "RGB", "outcolorspace": "RGB"}
    for height in dict.fromkeys((of.rows, rows)):  # the last strip may be stored in full, or not
        out = np.empty((height, of.columns, of.samples)[: 3 if of.samples > 1 else 2], np.uint8)
        try:
            imagecodecs.jpeg8_decode(data, tables=of.jpeg_tables, out=out, **colors)
        except ValueError:  # it claims another size
            continue
        return out.reshape(height, of.columns, of.samples)
    raise FormatError(f"need JPEGs of {of.columns} × {of.rows} pixels in its segments, got another size")
