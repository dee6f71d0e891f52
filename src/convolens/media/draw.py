"""Drawings of results: heatmaps and overlays, labelled boxes, contact sheets, plots of sounds.

All give `(H, W, 3)` uint8 pictures, for `write_image`. Text stands on a plate of its own, so that it can be read on
any background. Plots use matplotlib's objects directly: no figure outlives its call, and no global state is touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Num, Shaped, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convolens.arrays import Real, as_array, as_real
from convolens.errors import ArgumentError, ShapeError, printable
from convolens.media.outline import Outline, outline
from convolens.media.pixels import Picture, as_pixels, as_rgb8
from convolens.strips import in_strips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEGIBLE = 480  # pixels of a picture's longer side: on a smaller one labels would hide what they name
SMALLEST = 13  # points of a label
_MOST_LETTERS = 500  # of a label: no plate is wider
_FAR = 1e6  # pixels: whatever is farther out is not seen, and no pen goes there

PAPER, INK, PLATE = (250, 250, 248), (30, 30, 34), (20, 20, 24)

# Distinct on photographs and told apart by most colour-blind readers (Okabe & Ito, 2008).
COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))

_Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; half-open


def heatmap(
    values: Num[np.ndarray, "height width"],
    *,
    lowest: Real | None = None,
    highest: Real | None = None,
    colors: str = "inferno",
) -> UInt8[np.ndarray, "height width 3"]:
    """Numbers as colours, from dark for `lowest` to bright for `highest`.

    Args:
        values: any numbers; NaN becomes grey.
        lowest: what the darkest colour means; the smallest value, by default.
        highest: what the brightest colour means; the largest value, by default.
        colors: the name of one of matplotlib's colour maps.

    Raises:
        ArgumentError: no such colour map.
        ShapeError: not two-dimensional, or empty.
    """
    if values.ndim != 2 or values.size == 0:
        raise ShapeError(f"values: need (height, width), not empty, got {values.shape}")
    known = np.isfinite(values)
    low = lowest if lowest is not None else values[known].min(initial=np.inf)
    high = highest if highest is not None else values[known].max(initial=-np.inf)
    span = high - low if high > low else 1.0
    level = np.where(known, (values - (low if np.isfinite(low) else 0.0)) / span, 0.0)
    painted: NDArray[np.uint8] = _table(colors)[np.rint(level.clip(0, 1) * 255).astype(np.uint8)]
    painted[~known] = 128
    return painted


def overlay(
    image: Shaped[np.ndarray, "height width ..."],
    heat: Float[np.ndarray, "rows columns"],
    *,
    strength: Real = 0.5,
    colors: str = "turbo",
) -> UInt8[np.ndarray, "height width 3"]:
    """A heatmap over a picture: where heat is 0 the picture shows as it is, where it is 1 the colour covers it.

    Args:
        image: any picture.
        heat: in [0, 1], of any size; stretched to the picture's, linearly.
        strength: how much of the picture the hottest place covers, from 0 to 1.
        colors: the name of one of matplotlib's colour maps.

    Raises:
        ArgumentError: heat or strength outside [0, 1], or no such colour map.
    """
    if not 0 <= strength <= 1:
        raise ArgumentError(f"strength: need a number from 0 to 1, got {strength}")
    if not (heat.size and heat.min() >= 0 and heat.max() <= 1):
        raise ArgumentError("heat: need numbers in [0, 1]; subtract the smallest and divide by the largest")
    picture = as_rgb8(image)
    height, width = picture.shape[:2]
    small = Image.fromarray(heat.astype(np.float32))
    level = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)

    def mixed(picture: NDArray[Any], level: NDArray[Any]) -> NDArray[np.uint8]:
        cover = (strength * level)[:, :, None]
        whole = (1 - cover) * picture + cover * heatmap(level, lowest=0, highest=1, colors=colors)
        return np.asarray(np.rint(whole), np.uint8)

    return in_strips(mixed, picture, level)


def draw_boxes(
    image: Picture,
    boxes_xyxy: Num[np.ndarray, "boxes 4"],
    labels: Sequence[str] | None = None,
    scores: Sequence[Real] | Num[np.ndarray, " boxes"] | None = None,
    *,
    kinds: Sequence[str] | Sequence[int] | Int[np.ndarray, " boxes"] | None = None,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A picture with boxes drawn on it, each with its label on a plate of the box's colour.

    Labels stand above, below or inside their boxes, where first they are whole and on no other label. A picture that is
    too small for labels to be read is enlarged by a whole number (`legible`), and the boxes with it.

    Args:
        image: a path, an array, a tensor, a Pillow picture, …, as for `predict`.
        boxes_xyxy: in pixels of the picture.
        labels: one for each box.
        scores: one for each box, from 0 to 1; written behind the label in percent.
        kinds: one for each box; equal ones get equal colours. Numbers, as of classes, get the same colour in every
            picture; names, by the order in which they come. None takes the labels.

    Raises:
        ArgumentError: not one label, score or kind for each box, or numbers that are not finite.
        ShapeError: boxes that are not `(boxes, 4)`.
        FileError: no picture is there.

    >>> found = np.array([[10, 30, 40, 50]])
    >>> draw_boxes(np.zeros((60, 80, 3), np.uint8), found, ["cat"], [0.93]).shape
    (360, 480, 3)
    """
    boxes = _checked_boxes(boxes_xyxy)
    for name, given in (("kinds", kinds), ("labels", labels), ("scores", scores)):
        if given is None:
            continue
        is_list = isinstance(given, Sequence) or (isinstance(given, np.ndarray) and given.ndim == 1)
        if not is_list or len(given) != len(boxes):
            got = len(given) if is_list else f"{given!r:.200}"
            raise ArgumentError(f"{name}: need one for each of the {len(boxes)} boxes, got {got}")
    texts = _texts(labels, scores, len(boxes))
    pixels = as_rgb8(as_pixels(image))
    shown, scale = legible(pixels) if any(texts) else (pixels, 1)
    canvas = Image.fromarray(shown)
    pen = ImageDraw.Draw(canvas)
    line = max(2, round(min(canvas.size) / 250))
    given_kinds = labels if kinds is None else kinds
    colors = _colors([""] * len(texts) if given_kinds is None else list(given_kinds))
    corners = [[round(float(value) * scale) for value in box] for box in boxes.tolist()]
    for (x1, y1, x2, y2), color in zip(corners, colors, strict=True):
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color, width=line)
    taken: list[_Rectangle] = []
    for box, text, color in zip(corners, texts, colors, strict=True):
        if text:
            taken.append(_plate(pen, box, text, canvas.size, color, taken))
    return np.array(canvas)


def _colors(kinds: list[Any]) -> list[tuple[int, int, int]]:
    """One for each box."""
    if not all(isinstance(kind, int | np.integer) for kind in kinds):
        order = {kind: at for at, kind in enumerate(dict.fromkeys(map(str, kinds)))}
        kinds = [order[str(kind)] for kind in kinds]
    return [COLORS[int(kind) % len(COLORS)] for kind in kinds]


def _checked_boxes(boxes_xyxy: Any) -> NDArray[Any]:
    """The boxes, as far as they can be drawn: no numbers where a pen cannot go."""
    boxes = as_array(boxes_xyxy, "boxes_xyxy")
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes_xyxy: need (boxes, 4), got {boxes.shape}")
    if boxes.dtype.kind == "c" or not np.isfinite(boxes).all():
        raise ArgumentError("boxes_xyxy: need finite numbers, got NaN, infinity or complex ones")
    return boxes.astype(np.float64).clip(-_FAR, _FAR)


def legible(image: Shaped[np.ndarray, "height width ..."]) -> tuple[UInt8[np.ndarray, "rows columns 3"], int]:
    """A picture large enough to be looked at and written on, and the whole number that its sides were multiplied by.

    >>> legible(np.zeros((32, 32), np.uint8))[1]
    15
    """
    pixels = as_rgb8(image)
    height, width = pixels.shape[:2]
    scale = math.ceil(LEGIBLE / max(height, width))
    if scale <= 1:
        return pixels, 1
    return np.asarray(_resized(Image.fromarray(pixels), (width * scale, height * scale))), scale


def sheet(
    pictures: Sequence[NDArray[Any]],
    captions: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    height: int = 240,
    gap: int = 12,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A contact sheet: pictures in rows, scaled to one height, each with its caption below.

    Args:
        pictures: at least one.
        captions: one for each; may have several lines.
        columns: pictures in a row; by default a sheet about as wide as high.
        height: of each picture, in pixels.
        gap: between pictures, in pixels.

    Raises:
        ArgumentError: no pictures, or not one caption for each.
    """
    if not pictures:
        raise ArgumentError("pictures: need at least one, got none")
    if captions is not None and len(captions) != len(pictures):
        raise ArgumentError(f"captions: need one for each of the {len(pictures)} pictures, got {len(captions)}")
    tiles = [_tile(p, c, height) for p, c in zip(pictures, captions or [""] * len(pictures), strict=True)]
    per_row = columns or math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[i : i + per_row] for i in range(0, len(tiles), per_row)]
    width = max(sum(tile.width + gap for tile in row) for row in rows) + gap
    canvas = Image.new("RGB", (width, sum(max(t.height for t in row) + gap for row in rows) + gap), PAPER)
    top = gap
    for row in rows:
        left = gap
        for tile in row:
            canvas.paste(tile, (left, top))
            left += tile.width + gap
        top += max(tile.height for tile in row) + gap
    return np.array(canvas)


def side_by_side(
    pictures: Sequence[NDArray[Any]],
    captions: Sequence[str] | None = None,
    *,
    height: int = 320,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Pictures in one row, to compare. Errors as in `sheet`."""
    return sheet(pictures, captions, columns=len(pictures), height=height)


def sounds(
    tracks: Sequence[tuple[str, NDArray[Any] | Outline]], rate: Real, *, width: int = 1000
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Waveform above, spectrogram below, one column for each sound, on common scales: before and after.

    Args:
        tracks: titles and samples, `(frames,)` or `(frames, channels)`; channels are averaged. An `Outline` stands for
            a sound too long to be held.
        rate: frames a second, of all.
        width: of the picture, in pixels.

    Raises:
        ArgumentError: no sounds, or one without samples.
    """
    outlines = [track if isinstance(track, Outline) else outline(track) for _, track in tracks]
    if not tracks or any(made.frames == 0 for made in outlines):
        raise ArgumentError("tracks: need at least one sound, each with samples")
    longest = max(made.frames for made in outlines) / float(rate)
    loudest = max(1e-9, *(float(np.abs(made.envelope()[1:]).max()) for made in outlines))
    figure = _figure(width, 460)
    axes = figure.subplots(2, len(tracks), squeeze=False, sharex=True, sharey="row")
    for column, (title, _) in enumerate(tracks):
        wave, spectrum, made = axes[0][column], axes[1][column], outlines[column]
        at, low, high = made.envelope()
        wave.fill_between(at / float(rate), low, high, color="#0072b2", linewidth=0.4, step="post")
        wave.set(title=in_figures(title), xlim=(0, longest), ylim=(-1.05 * loudest, 1.05 * loudest))
        spectrum.imshow(
            made.spectrogram(), origin="lower", aspect="auto", cmap="magma", vmin=-90, vmax=0,
            extent=(0, made.frames / float(rate), 0, float(rate) / 2000),
        )  # fmt: skip
        spectrum.set(xlabel="seconds", xlim=(0, longest))
    axes[0][0].set_ylabel("amplitude")
    axes[1][0].set_ylabel("kHz")
    return figure_pixels(figure)


def in_figures(text: str) -> str:
    r"""A text as matplotlib draws it letter by letter: escapes for what has none, and no formula between two dollars.

    >>> print(in_figures("10 $\nto\x1b[1m 20 $"))
    10 \$
    to\x1b[1m 20 \$
    """
    return _in_lines(text).replace("$", r"\$")


def _in_lines(text: str) -> str:
    """The text with its line breaks, and escapes for what is no letter."""
    return "\n".join(map(printable, text.split("\n")))


def figure_pixels(figure: Figure) -> UInt8[np.ndarray, "rows columns 3"]:
    """A matplotlib figure as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _figure(width: int, height: int) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained", facecolor="white")


def _tile(picture: NDArray[Any], caption: str, height: int) -> Image.Image:
    """One picture at the sheet's height, with its caption on paper below."""
    shown = Image.fromarray(as_rgb8(picture))
    shown = _resized(shown, (max(1, round(shown.width * height / shown.height)), height))
    if not caption:
        return shown
    font, caption = _font(15), _in_lines(caption)
    width = max(shown.width, *(math.ceil(font.getlength(word)) for word in caption.split()))  # no word is cut
    lines = list(_wrapped(caption, width, font))
    tile = Image.new("RGB", (width, height + 6 + 20 * len(lines)), PAPER)
    tile.paste(shown, (0, 0))
    pen = ImageDraw.Draw(tile)
    for i, line in enumerate(lines):
        pen.text((0, height + 5 + 20 * i), line, fill=INK, font=font)
    return tile


def _wrapped(text: str, width: int, font: Any) -> Iterator[str]:
    """The text in lines that fit the width, broken at spaces."""
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > width:
                yield line
                longer = word
            line = longer
        yield line


def _texts(labels: Sequence[str] | None, scores: Any, count: int) -> list[str]:
    """What stands on each box's plate."""
    names = [printable(str(label)) for label in labels] if labels is not None else [""] * count
    if scores is None:
        return names
    fractions = [as_real(score, "scores") for score in scores]
    return [f"{name} {score:.0%}".strip() for name, score in zip(names, fractions, strict=True)]


def _plate(
    pen: ImageDraw.ImageDraw,
    box: Sequence[int],
    text: str,
    size: tuple[int, int],
    color: tuple[int, int, int],
    taken: Sequence[_Rectangle],
) -> _Rectangle:
    """Writes a box's text on a plate, on the canvas as a whole and on as little of other plates as can be."""
    points = max(SMALLEST, round(min(size) / 40))
    text = _cut_to(text, size[0] - 8, _font(points))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=_font(points))
    wide, high = math.ceil(right - left) + 8, math.ceil(bottom - top) + 6
    found = min(_places(box, wide, high, size), key=lambda one: _shared(one, taken))
    pen.rectangle((found[0], found[1], found[2] - 1, found[3] - 1), fill=color)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    pen.text((found[0] + 4 - left, found[1] + 3 - top), text, fill=PLATE if bright else PAPER, font=_font(points))
    return found


def _cut_to(text: str, width: int, font: Any) -> str:
    """The text, or as much of its start as fits, with a sign that there is more."""
    if len(text) <= _MOST_LETTERS and font.getlength(text) <= width:
        return text
    text = text[:_MOST_LETTERS]  # measuring takes as long as the text, and is done for each of its starts
    return next((f"{text[:end]}…" for end in range(len(text), 0, -1) if font.getlength(f"{text[:end]}…") <= width), "…")


def _places(box: Sequence[int], wide: int, high: int, size: tuple[int, int]) -> Iterator[_Rectangle]:
    """Where a plate may stand, best first: above its box, below it, in it at top or bottom, all at its left or right.

    All of it is on the canvas.
    """
    x1, y1, x2, y2 = box
    for x in (x1, x2 - wide):
        for y in (y1 - high, y2, y1, y2 - high):
            left = min(max(0, x), max(0, size[0] - wide))
            top = min(max(0, y), max(0, size[1] - high))
            yield left, top, left + wide, top + high


def _shared(one: _Rectangle, taken: Sequence[_Rectangle]) -> int:
    """How many pixels of a rectangle lie on others."""
    return sum(
        max(0, min(one[2], other[2]) - max(one[0], other[0])) * max(0, min(one[3], other[3]) - max(one[1], other[1]))
        for other in taken
    )


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Enlarged four times and more, the pixels stay visible."""
    enlarged = size[1] >= 4 * image.height
    return image.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)  # it has σ, × and most alphabets


@lru_cache(maxsize=16)
def _table(colors: str) -> NDArray[np.uint8]:
    """256 colours from dark to bright."""
    from matplotlib import colormaps

    if colors not in colormaps:
        raise ArgumentError(f"colors: need the name of one of matplotlib's colour maps, got {colors!r}")
    return np.asarray(np.rint(colormaps[colors](np.linspace(0, 1, 256))[:, :3] * 255), np.uint8)
