"""Opening every file once: can it be read, what is it, and a fingerprint to compare it by.

A few hundred bytes are kept for each; pixels are let go at once. About 100 photos a second and thread.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from convolens.data import DataSet
from convolens.data.doctor.findings import Finding, Instance, finding
from convolens.errors import UNREADABLE
from convolens.media.images import read_header, read_rgb8
from convolens.settings import threads

THUMBNAIL = 32  # pixels of a side; enough to tell photos apart, and all that stays of them
SMALL = 16  # pixels of a side, below which a picture shows little
LONG = 5  # times as long as wide, beyond which a square crop loses most of a picture
AT_ONCE = 256  # files in flight


@dataclass(frozen=True, slots=True)
class Look:
    """What a file turned out to be.

    Attributes:
        path: the file.
        trouble: why it cannot be read; empty where it can.
        digest: of its bytes.
        size: `(width, height)` as displayed.
        channels: in words.
        thumbnail: `THUMBNAIL`² bytes, gray.
        orientation: EXIF's; 1 where it is stored as it is displayed.
    """

    path: Path
    trouble: str = ""
    digest: bytes = b""
    size: tuple[int, int] = (0, 0)
    channels: str = ""
    thumbnail: bytes = b""
    orientation: int = 1


def look(path: Path) -> Look:
    """Opens and decodes one file."""
    try:
        header = read_header(path)
        pixels, size = read_rgb8(path, at_least=2 * THUMBNAIL)
        digest = hashlib.sha256(path.read_bytes()).digest()
    except (*UNREADABLE, OSError) as error:
        return Look(path, str(error))
    gray = Image.fromarray(pixels).convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return Look(path, "", digest, size, header.channels, np.asarray(gray).tobytes(), header.orientation)


def look_at_all(paths: Iterable[Path]) -> Iterator[Look]:
    """All files in order, decoded by several threads, a few at a time."""
    waiting = iter(paths)
    with ThreadPoolExecutor(threads()) as pool:
        while some := list(islice(waiting, AT_ONCE)):
            yield from pool.map(look, some)


def file_findings(data: DataSet, looks: Sequence[Look]) -> list[Finding]:
    """Files that cannot be read, are no pictures, are very small or very long, or of several kinds."""
    unreadable = [Instance(one.path, one.trouble) for one in looks if one.trouble]
    good = [one for one in looks if not one.trouble]
    small = [Instance(one.path, _size(one)) for one in good if min(one.size) < SMALL]
    long = [Instance(one.path, _size(one)) for one in good if max(one.size) > LONG * min(one.size)]
    others = [
        Instance(Path(str(one.path)), one.reason)
        for one in data.skipped
        if one.path not in {i.path for i in unreadable}
    ]
    turned = [Instance(one.path, f"orientation {one.orientation}") for one in good if one.orientation != 1]
    kinds = Counter(one.channels for one in good)
    first = {one.channels: one.path for one in reversed(good)}
    mixed = [Instance(first[kind], f"{kind}, one of {count:,}") for kind, count in kinds.most_common()]
    return [
        *finding("unreadable file", "fault", "cannot be read, and will be left out of any training", unreadable),
        *finding("other file", "note", "are among the pictures and are passed over", others),
        *finding("small picture", "note", f"have a side of less than {SMALL} pixels", small),
        *finding("long picture", "note", f"are more than {LONG} times as long as wide; a center crop loses most", long),
        *finding("turned picture", "note", "are stored turned or mirrored, and shown upright as EXIF says; "
                 "boxes are of the upright picture", turned),
        *finding("mixed channels", "note", "kinds of channels; all are read as RGB, but may look unlike to a network",
                 mixed if len(kinds) > 1 else []),
    ]  # fmt: skip


def _size(one: Look) -> str:
    return f"{one.size[0]}×{one.size[1]} pixels"
