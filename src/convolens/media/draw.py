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
from jaxtyping import Float, Num, Shaped, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convolens.arrays import Real
from convolens.errors import ArgumentError, ShapeError
from convolens.media.outline import Outline, outline
from convolens.media.pixels import as_rgb8

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER, INK, PLATE = (250, 250, 248), (30, 30, 34), (20, 20, 24)

# Distinct on photographs and told apart by most colour-blind readers (Okabe & Ito, 2008).
COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))


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
    cover = (strength * level)[:, :, None]
    mixed = (1 - cover) * picture + cover * heatmap(level, lowest=0, highest=1, colors=colors)
    return np.asarray(np.rint(mixed), np.uint8)


def boxes(
    image: Shaped[np.ndarray, "height width ..."],
    boxes_xyxy: Num[np.ndarray, "boxes 4"],
    labels: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture with boxes drawn on it, each with its label on a plate of the box's colour.

    Args:
        image: any picture.
        boxes_xyxy: in pixels of the picture.
        labels: one for each box.
        kinds: one for each box; equal ones get equal colours. None takes the labels.

    Raises:
        ArgumentError: not one label or kind for each box.
    """
    if kinds is not None and len(kinds) != len(boxes_xyxy):
        raise ArgumentError(f"kinds: need one for each of the {len(boxes_xyxy)} boxes, got {len(kinds)}")
    if labels is not None and len(labels) != len(boxes_xyxy):
        raise ArgumentError(f"labels: need one for each of the {len(boxes_xyxy)} boxes, got {len(labels)}")
    canvas = Image.fromarray(as_rgb8(image))
    pen = ImageDraw.Draw(canvas)
    line = max(2, round(min(canvas.size) / 200))
    names = list(labels) if labels is not None else [""] * len(boxes_xyxy)
    alike = names if kinds is None else list(kinds)
    numbers = {kind: i for i, kind in enumerate(dict.fromkeys(alike))}
    for box, name, kind in zip(boxes_xyxy, names, alike, strict=True):
        color = COLORS[numbers[kind] % len(COLORS)]
        x1, y1, x2, y2 = (round(float(v)) for v in box)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color, width=line)
        if name:
            _plate(pen, (x1, y1), name, _font(max(12, line * 7)), color, canvas.size)
    return np.array(canvas)


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
        wave.set(title=title, xlim=(0, longest), ylim=(-1.05 * loudest, 1.05 * loudest))
        spectrum.imshow(
            made.spectrogram(), origin="lower", aspect="auto", cmap="magma", vmin=-90, vmax=0,
            extent=(0, made.frames / float(rate), 0, float(rate) / 2000),
        )  # fmt: skip
        spectrum.set(xlabel="seconds", xlim=(0, longest))
    axes[0][0].set_ylabel("amplitude")
    axes[1][0].set_ylabel("kHz")
    return figure_pixels(figure)


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
    way = Image.Resampling.NEAREST if shown.height * 4 <= height else Image.Resampling.LANCZOS
    shown = shown.resize((max(1, round(shown.width * height / shown.height)), height), way)
    if not caption:
        return shown
    lines, font = list(_wrapped(caption, shown.width, _font(15))), _font(15)
    tile = Image.new("RGB", (shown.width, height + 6 + 20 * len(lines)), PAPER)
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


def _plate(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    font: Any,
    color: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """Text on a plate just above a point, moved so that all of it is on the canvas."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = math.ceil(right - left) + 8, math.ceil(bottom - top) + 6
    x = min(max(0, at[0]), max(0, size[0] - wide))
    y = min(max(0, at[1] - high), max(0, size[1] - high))
    pen.rectangle((x, y, x + wide - 1, y + high - 1), fill=color)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    pen.text((x + 4 - left, y + 3 - top), text, fill=PLATE if bright else PAPER, font=font)


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
