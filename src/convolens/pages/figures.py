"""What a page shows, as HTML that needs nothing but itself: pictures and sounds travel inside as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
import soundfile
from jaxtyping import Float, Int, Num
from PIL import Image

_JPEG_QUALITY = 88  # no artefacts to the eye, a tenth of a PNG
_SMALL = 160  # pixels; up to here an image is shown as the grid it is, and PNG is as small as JPEG
_WAVE_COLUMNS = 480  # points across a drawn waveform: about one for every two pixels of a wide screen
_WAVE_HEIGHT = 72


@dataclass(frozen=True)
class Marked:
    """A box to draw on a picture, in its pixels, half-open, with a few words."""

    box_xyxy: tuple[int, int, int, int]
    label: str


def picture(
    image: Num[np.ndarray, "height width *channels"], caption: str, *, describe: str, marks: Sequence[Marked] = ()
) -> str:
    """A picture with its caption.

    Args:
        image: uint8, `(H, W)` grey or `(H, W, 3)`.
        caption: HTML.
        describe: what it shows, for those who cannot see it.
        marks: boxes drawn over it.
    """
    return _figure(f'<div class="marked">{_image(image, describe)}{_marks(image, marks)}</div>', caption)


def looks(
    image: Num[np.ndarray, "height width *channels"],
    layers: Mapping[str, Num[np.ndarray, "height width *channels"]],
    caption: str,
    *,
    describe: str,
) -> str:
    """A picture, and others of its size that lie over it while their names are pointed at; the first, while it is.

    Args:
        image: uint8, `(H, W)` grey or `(H, W, 3)`.
        layers: what lies over it, by its name.
        caption: HTML.
        describe: what the picture shows, for those who cannot see it.
    """
    names = "".join(
        f'<li tabindex="0">{escape(name)}{_image(layer, f"{describe}: {name}")}</li>' for name, layer in layers.items()
    )
    return _figure(f'<div class="looks">{_image(image, describe)}<ul>{names}</ul></div>', caption)


def sheet(images: Sequence[Num[np.ndarray, "_ _ *channels"]], caption: str, *, describe: str, columns: int = 4) -> str:
    """Several pictures under one caption, half as many columns on a phone. Small ones keep their pixels visible."""
    return _figure(
        f'<div class="sheet" style="--columns:{columns}">{"".join(_image(image, describe) for image in images)}</div>',
        caption,
    )


def sound(
    samples: Float[np.ndarray, " frames"], rate: int, caption: str, *, axes: tuple[int, float] | None = None
) -> str:
    """A waveform and a player under it.

    Args:
        samples: one channel in [-1, 1].
        rate: frames a second.
        caption: HTML.
        axes: how many frames wide and how loud the drawing's edges are, so that several sounds can be compared; by
            default the sound's own length, and 1.
    """
    file = BytesIO()
    soundfile.write(file, samples, rate, format="MP3")  # the one compressed format that every browser plays
    source = _data_uri(file.getvalue(), "audio/mpeg")
    frames, loudest = axes or (len(samples), 1.0)
    wave = _waveform(samples[:frames] / loudest, frames)
    return _figure(f'{wave}<audio controls preload="metadata" src="{source}"></audio>', caption, "sound")


def row(*figures: str) -> str:
    """Figures side by side, as many as the screen has room for."""
    return f'<div class="row">{"".join(figures)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> str:
    """A small table; the first cell of each row names it."""
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return _figure(f'<div class="scroll"><table><tr>{columns}</tr>{body}</table></div>', caption, "table")


def confusion(counts: Int[np.ndarray, "classes classes"], classes: Sequence[str], caption: str) -> str:
    """A confusion matrix, `counts[truth, named]`, each row shaded by its share."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f'<td class="{"hit" if truth == named else "miss"}" style="--share:{shares[truth, named]:.3f}">'
            f"{counts[truth, named]}</td>"
            for named in range(len(classes))
        )
        + "</tr>"
        for truth, name in enumerate(classes)
    )
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
    corner = '<th class="corner">is ↓ &nbsp; named →</th>'
    return _figure(f'<table class="confusion"><tr>{corner}{columns}</tr>{rows}</table>', caption, "table")


def numbers(values: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """A few large numbers, each with what it means: `{"99.5%": "of 64-pixel crops named rightly"}`, or pairs."""
    pairs = values.items() if isinstance(values, Mapping) else values
    cells = "".join(f"<div><dt>{escape(value)}</dt><dd>{escape(text)}</dd></div>" for value, text in pairs)
    return f'<dl class="numbers">{cells}</dl>'


def _image(image: Num[np.ndarray, "height width *channels"], describe: str) -> str:
    height, width = image.shape[:2]
    small = max(height, width) <= _SMALL
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG" if small else "JPEG", quality=_JPEG_QUALITY, optimize=True)
    source = _data_uri(file.getvalue(), "image/png" if small else "image/jpeg")
    kind = ' class="pixels"' if small else ""
    return f'<img{kind} src="{source}" width="{width}" height="{height}" alt="{escape(describe)}">'


def _marks(image: Num[np.ndarray, "height width *channels"], marks: Sequence[Marked]) -> str:
    """Boxes as lines over the picture: sharp at every size."""
    if not marks:
        return ""
    height, width = image.shape[:2]
    boxes = []
    for mark in marks:
        x1, y1, x2, y2 = mark.box_xyxy
        boxes.append(
            f'<rect x="{x1}" y="{y1}" width="{x2 - x1}" height="{y2 - y1}"/>'
            f'<text x="{(x1 + x2) / 2:g}" y="{y1 - 7}">{escape(mark.label)}</text>'
        )
    return f'<svg class="marks" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(boxes)}</svg>'


def _figure(content: str, caption: str, kind: str = "picture") -> str:
    return f'<figure class="{kind}">{content}<figcaption>{caption}</figcaption></figure>'


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _waveform(samples: Float[np.ndarray, " frames"], width: int) -> str:
    """The envelope as one SVG path in the text's colour, so that it suits light and dark."""
    padded = np.pad(samples, (0, width - len(samples)))
    starts = np.linspace(0, width, _WAVE_COLUMNS, endpoint=False).astype(int)
    high = np.maximum.reduceat(padded, starts).clip(0, 1)
    low = np.minimum.reduceat(padded, starts).clip(-1, 0)
    middle = _WAVE_HEIGHT / 2
    there = [f"{x} {middle - 0.4 - y * middle:.1f}" for x, y in enumerate(high)]
    back = [f"{x} {middle + 0.4 - low[x] * middle:.1f}" for x in reversed(range(_WAVE_COLUMNS))]
    outline = "L".join([*there, *back])
    return (
        f'<svg class="wave" viewBox="0 0 {_WAVE_COLUMNS} {_WAVE_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M{outline}Z"/></svg>'
    )
