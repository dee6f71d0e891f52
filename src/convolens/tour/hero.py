"""The picture at the top of the page: one convolution, watched point by point."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from convolens.convolution import convolve

_KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
_POINTS = 32
_STEP = 20  # width of a point
_HEIGHT = 80  # of the value 1
_FLOORS = (_HEIGHT + 12, 2 * _HEIGHT + 12)  # where the stems of the two rows stand
_SECONDS = 12


def hero() -> Markup:
    """An SVG in which a window slides over a noisy signal and writes each revised point; it moves by CSS alone."""
    signal = _signal()
    revised = convolve(signal, _KERNEL, "same", boundary="symmetric")
    return Markup(  # numbers alone are put in
        f'<figure class="hero"><svg viewBox="0 0 {_POINTS * _STEP} {_FLOORS[1] + 4}" role="img" aria-label="A window '
        f'of five points slides along a noisy signal; below it each point is replaced by a mean of its neighbours.">'
        f'<g class="before">{_stems(signal, _FLOORS[0])}</g>'
        f'<g class="after">{_stems(revised, _FLOORS[1], appear=True)}</g>{_window()}'
        f"</svg><figcaption>Above, a signal. Each point below is the mean of the five points above it, the nearest "
        f"counting most (1 2 3 2 1, divided by 9).</figcaption></figure>"
    )


def _window() -> str:
    """The kernel's reach around the first point, and a line down to the point that is being written."""
    width, middle = len(_KERNEL) * _STEP, _STEP / 2
    return (
        f'<g class="window"><rect x="{middle - width / 2:g}" y="1" width="{width}" height="{_FLOORS[0] + 3}" rx="6"/>'
        f'<path d="M{middle:g} {_FLOORS[0] + 4}V{_FLOORS[1]}"/></g>'
    )


def _signal() -> NDArray[np.float64]:
    noise = np.random.default_rng(3).normal(0, 0.13, _POINTS)
    at = np.arange(_POINTS)
    return (0.45 + 0.3 * np.sin(at / 5.0) + 0.15 * (at > 20) + noise).clip(0.05, 1)


def _stems(values: NDArray[np.float64], floor: int, *, appear: bool = False) -> str:
    """A line with a dot on top for each value; when they appear, each waits for the window to reach it."""
    stems = []
    for at, value in enumerate(values):
        x, top = (at + 0.5) * _STEP, floor - value * _HEIGHT
        wait = f' style="animation-delay:{at * _SECONDS / _POINTS:.2f}s"' if appear else ""
        stems.append(f'<g{wait}><path d="M{x:g} {floor}V{top:.1f}"/><circle cx="{x:g}" cy="{top:.1f}" r="4.5"/></g>')
    return "".join(stems)
