"""What a page shows, as HTML that needs nothing but itself: pictures and sounds travel inside as data URIs.

The HTML is that of `templates/figures.html`; words are escaped, unless they are `Markup` such as `named` gives.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import soundfile
from jaxtyping import Float, Int, Num
from markupsafe import Markup
from PIL import Image

from convolens.pages.fragments import fragment

TEMPLATE = "figures.html"
_JPEG_QUALITY = 88  # no artefacts to the eye, a tenth of a PNG
_SMALL = 160  # pixels; up to here an image is shown as the grid it is, and PNG is as small as JPEG
_WAVE_COLUMNS = 480  # points across a drawn waveform: about one for every two pixels of a wide screen
_WAVE_HEIGHT = 72
_COLUMNS = {6: 3, 9: 3}  # of a row of this number of figures, where neither one line of them nor lines of four would do
_MOST_COLUMNS = 5
# How large a mark's label is beside a picture of a common width on a page, in CSS pixels: labels do not shrink with it.
_SHOWN_WIDTH, _LETTER_WIDTH, _LABEL_HEIGHT = 250, 8, 18


@dataclass(frozen=True)
class _Image:
    """A picture as templates want it."""

    source: str
    width: int
    height: int
    describe: str
    small: bool


@dataclass(frozen=True)
class Marked:
    """A box to draw on a picture, in its pixels, half-open, with a few words."""

    box_xyxy: tuple[int, int, int, int]
    label: str


def picture(
    image: Num[np.ndarray, "height width *channels"], caption: str, *, describe: str, marks: Sequence[Marked] = ()
) -> Markup:
    """A picture with its caption.

    Args:
        image: uint8, `(H, W)` gray or `(H, W, 3)`.
        caption: a few words.
        describe: what it shows, for those who cannot see it.
        marks: boxes drawn over it.
    """
    height, width = image.shape[:2]
    places = _label_places(marks, width, height)
    labels = [(text, *(("left", x) if x <= 50 else ("right", 100 - x)), y) for text, x, y in places]
    boxes = [one.box_xyxy for one in marks]
    return fragment(TEMPLATE, "picture", _image(image, describe), caption, boxes, labels)


def layered(
    image: Num[np.ndarray, "height width *channels"],
    layers: Mapping[str, Num[np.ndarray, "height width *channels"]],
    caption: str,
    *,
    describe: str,
) -> Markup:
    """A picture, and others of its size that lie over it while their names are pointed at; the first, while it is.

    Args:
        image: uint8, `(H, W)` gray or `(H, W, 3)`.
        layers: what is drawn over it, by its name.
        caption: a few words.
        describe: what the picture shows, for those who cannot see it.
    """
    over = [(name, _image(layer, f"{describe}: {name}")) for name, layer in layers.items()]
    return fragment(TEMPLATE, "layered", _image(image, describe), over, caption)


def sheet(
    images: Sequence[Num[np.ndarray, "_ _ *channels"]], caption: str, *, describe: str, columns: int = 4
) -> Markup:
    """Several pictures under one caption, half as many columns on a phone. Small ones keep their pixels visible."""
    return fragment(TEMPLATE, "sheet", [_image(one, describe) for one in images], columns, caption)


def sound(
    samples: Float[np.ndarray, " frames"], rate: int, caption: str, *, axes: tuple[int, float] | None = None
) -> Markup:
    """A waveform and a player under it.

    Args:
        samples: one channel in [-1, 1].
        rate: frames a second.
        caption: a few words.
        axes: how many frames wide and how loud the drawing's edges are, so that several sounds can be compared; by
            default the sound's own length, and 1.
    """
    file = BytesIO()
    soundfile.write(file, samples, rate, format="MP3")  # the one compressed format that every browser plays
    source = _data_uri(file.getvalue(), "audio/mpeg")
    frames, loudest = axes or (len(samples), 1.0)
    outline = _outline(samples[:frames] / loudest, frames)
    return fragment(TEMPLATE, "sound", outline, _WAVE_COLUMNS, _WAVE_HEIGHT, source, caption)


def row(*figures: Markup) -> Markup:
    """Figures side by side, in lines of equal length; fewer to a line on a narrow screen."""
    count = len(figures)
    columns = _COLUMNS.get(count, count if count <= _MOST_COLUMNS else 4)
    return fragment(TEMPLATE, "row", figures, columns)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> Markup:
    """A small table; the first cell of each row names it."""
    return fragment(TEMPLATE, "table", head, rows, caption)


def confusion(counts: Int[np.ndarray, "classes classes"], classes: Sequence[str], caption: str) -> Markup:
    """A confusion matrix, `counts[truth, named]`, each row shaded by its fraction of the row."""
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        (
            name,
            [
                (_kind(truth, named, counts), fractions[truth, named], counts[truth, named])
                for named in range(len(classes))
            ],
        )
        for truth, name in enumerate(classes)
    ]
    return fragment(TEMPLATE, "confusion", classes, rows, caption)


def _kind(truth: int, named: int, counts: Int[np.ndarray, "classes classes"]) -> str:
    """How a cell is coloured: not at all where nothing was confused."""
    if truth == named:
        return "hit"
    return "miss" if counts[truth, named] else "none"


def numbers(values: Mapping[str, str] | Sequence[tuple[str, str]]) -> Markup:
    """A few large numbers, each with what it means: `{"99.5%": "of 64-pixel crops named rightly"}`, or pairs."""
    pairs = values.items() if isinstance(values, Mapping) else values
    return fragment(TEMPLATE, "numbers", list(pairs))


def named(name: str, words: str = "") -> Markup:
    """A caption that begins with a name.

    >>> named("<b>", "is bold")
    Markup('<b>&lt;b&gt;</b> is bold')
    """
    return fragment(TEMPLATE, "named", name, words)


def _image(image: Num[np.ndarray, "height width *channels"], describe: str) -> _Image:
    height, width = image.shape[:2]
    small = max(height, width) <= _SMALL
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG" if small else "JPEG", quality=_JPEG_QUALITY, optimize=True)
    source = _data_uri(file.getvalue(), "image/png" if small else "image/jpeg")
    return _Image(source, width, height, describe, small)


def _label_places(marks: Sequence[Marked], width: int, height: int) -> Iterator[tuple[str, float, float]]:
    """Where each label goes, in percent of the picture: its top, and its outer side, left or right as its box is.

    Above the box, below it or within its top: where first all of the label is on the picture and on no other label.
    """
    high = 100 * _LABEL_HEIGHT / (_SHOWN_WIDTH * height / width)
    taken: list[tuple[float, float, float]] = []
    for mark in marks:
        if not mark.label:
            continue
        x1, y1, x2, y2 = (100 * value / side for value, side in zip(mark.box_xyxy, (width, height) * 2, strict=True))
        x = max(x1, 0.0) if x1 + x2 <= 100 else min(x2, 100.0)
        wide = 100 * _LETTER_WIDTH * (len(mark.label) + 1) / _SHOWN_WIDTH
        left = x if x <= 50 else x - wide
        fitting = [y for y in (y1 - high, y2, y1, y2 - high) if 0 <= y <= 100 - high] or [min(max(y1, 0.0), 100 - high)]
        y = next((y for y in fitting if _free(left, left + wide, y, high, taken)), fitting[0])
        taken.append((left, left + wide, y))
        yield mark.label, x, y


def _free(left: float, right: float, top: float, high: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return all(right <= first or last <= left or abs(top - y) >= high for first, last, y in taken)


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _outline(samples: Float[np.ndarray, " frames"], width: int) -> str:
    """The envelope as the points of an SVG path, to be filled in the text's color, so that it suits light and dark."""
    padded = np.pad(samples, (0, width - len(samples)))
    starts = np.linspace(0, width, _WAVE_COLUMNS, endpoint=False).astype(int)
    high = np.maximum.reduceat(padded, starts).clip(0, 1)
    low = np.minimum.reduceat(padded, starts).clip(-1, 0)
    middle = _WAVE_HEIGHT / 2
    there = [f"{x} {middle - 0.4 - y * middle:.1f}" for x, y in enumerate(high)]
    back = [f"{x} {middle + 0.4 - low[x] * middle:.1f}" for x in reversed(range(_WAVE_COLUMNS))]
    return "L".join([*there, *back])
