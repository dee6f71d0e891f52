"""Pictures that are painted here, to be the style of others: brush strokes along a swirling flow, and stained glass.

What packages carry are photos; these have what makes a restyled picture telling: strokes, few colours, outlines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Painting = UInt8[np.ndarray, "side side 3"]

_FINER = 2  # painted at twice the size, so that edges are smooth
_EYES = ((0.28, 0.3, 1.0), (0.72, 0.24, -1.0), (0.55, 0.72, 1.0))  # of the swirls: across, down, which way round
_NIGHT = np.array([[12, 22, 66], [24, 58, 128], [52, 104, 170], [128, 170, 198], [226, 214, 150], [246, 190, 52]])
_BRUSHES = ((0.03, 900), (0.018, 2600), (0.011, 4200))  # width as a share of the side, and how many strokes
_BRISTLES = 4
_GLASS = np.array(
    [[178, 24, 36], [226, 110, 24], [244, 196, 48], [36, 128, 72], [28, 84, 168], [96, 40, 120], [236, 220, 160]]
)
_PANES, _LEAD = 90, 0.007  # pieces of glass; half the width of the lead between them, as a share of the side


def brush_strokes(side: int = 384, seed: int = 0) -> Painting:
    """Strokes from coarse to fine along a flow that swirls about three eyes, blue far from them, yellow close by.

    >>> brush_strokes(32).shape
    (32, 32, 3)
    """
    random, large = np.random.default_rng(seed), side * _FINER
    canvas = Image.new("RGB", (large, large), tuple(_NIGHT[1].tolist()))
    brush = ImageDraw.Draw(canvas)
    for width, count in _BRUSHES:
        for start in random.random((count, 2)):
            _stroke(brush, start, width, large, random)
    return _reduced(canvas, side)


def stained_glass(side: int = 384, seed: int = 0) -> Painting:
    """Panes of a few deep colours, lit unevenly, with lead between them.

    >>> stained_glass(32).dtype
    dtype('uint8')
    """
    random, large = np.random.default_rng(seed), side * _FINER
    places, middles = _places(large), _evened(random.random((_PANES, 2)))
    which, edge = _nearest(places, middles)
    light = 0.85 + 0.4 * np.cos(places @ random.normal(0, 9, (2, 3)) + random.uniform(0, 6, 3)).mean(axis=-1)
    panes = _GLASS[random.integers(len(_GLASS), size=_PANES)] * random.uniform(0.8, 1.15, (_PANES, 1))
    glass = panes[which] * light[..., None]
    glass[edge < _LEAD] = (24, 22, 26)
    return _reduced(Image.fromarray(np.clip(glass, 0, 255).astype(np.uint8)), side)


def _stroke(
    brush: ImageDraw.ImageDraw, start: NDArray[np.float64], width: float, side: int, random: np.random.Generator
) -> None:
    """One stroke: a few lines side by side along the flow, each a little lighter or darker."""
    line = np.array(list(_along_flow(start, width)))
    shift = random.normal(0, 0.08)
    color = _color(start, shift) + random.normal(0, 12, 3)
    way = line[-1] - line[0]
    across = np.array([-way[1], way[0]]) / max(float(np.hypot(*way)), 1e-9)
    for bristle in range(_BRISTLES):
        offset = across * width * ((bristle + 0.5) / _BRISTLES - 0.5)
        shade = np.clip(color * (1 + random.normal(0, 0.12)), 0, 255).astype(int)
        points = [(float(x), float(y)) for x, y in (line + offset) * side]
        brush.line(
            points, fill=tuple(shade.tolist()), width=max(1, round(1.6 * width * side / _BRISTLES)), joint="curve"
        )


def _along_flow(start: NDArray[np.float64], width: float) -> Iterator[NDArray[np.float64]]:
    at = start
    for _ in range(8):
        yield at
        flow = _flow(at)
        at = at + flow / max(float(np.hypot(*flow)), 1e-9) * width * 0.6


def _flow(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round the eyes where one is near, else in waves from left to right."""
    flow = np.array([0.6, 0.35 * np.sin(9 * at[0] + 3 * at[1])])
    for x, y, turn in _EYES:
        away = at - (x, y)
        flow = flow + turn * np.array([-away[1], away[0]]) * 12 * np.exp(-(away @ away) / 0.025)
    return flow


def _color(at: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """From night blue to yellow by how close the next eye is, in rings."""
    away = min(float(np.hypot(at[0] - x, at[1] - y)) for x, y, _ in _EYES)
    bright = np.exp(-((away / 0.16) ** 2)) + 0.22 * np.cos(away * 70) * np.exp(-((away / 0.25) ** 2)) + 0.25 * at[1]
    place = float(np.clip((bright + shift) * (len(_NIGHT) - 1), 0, len(_NIGHT) - 1))
    low = min(int(place), len(_NIGHT) - 2)
    mixed: NDArray[np.float64] = _NIGHT[low] + (place - low) * (_NIGHT[low + 1] - _NIGHT[low])
    return mixed


def _places(side: int) -> NDArray[np.float64]:
    return np.stack(np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2), axis=-1)


def _evened(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each moved to the middle of its pane, twice, which makes panes of like sizes (Lloyd)."""
    places = _places(96)
    for _ in range(2):
        which, _ = _nearest(places, middles)
        held = [places[which == number] for number in range(len(middles))]
        middles = np.array([own.mean(axis=0) if len(own) else old for own, old in zip(held, middles, strict=True)])
    return middles


def _nearest(
    places: Float[np.ndarray, "rows columns 2"], middles: Float[np.ndarray, "panes 2"]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which middle is nearest to each place, and how far the place is from the next pane's edge."""
    first, second = np.full((2, *places.shape[:2]), np.inf)
    which, other = np.zeros((2, *places.shape[:2]), np.int64)
    for number, middle in enumerate(middles):
        away = np.hypot(*np.moveaxis(places - middle, -1, 0))
        closer, next_to = away < first, away < second
        other = np.where(closer, which, np.where(next_to, number, other))
        second = np.where(closer, first, np.where(next_to, away, second))
        which, first = np.where(closer, number, which), np.where(closer, away, first)
    apart = np.linalg.norm(middles[which] - middles[other], axis=-1)
    return which, (second**2 - first**2) / (2 * np.maximum(apart, 1e-9))


def _reduced(painted: Image.Image, side: int) -> Painting:
    return np.asarray(painted.resize((side, side), Image.Resampling.BOX))
