"""Grain and speckle of restyled pictures: `cl.stylize` by its defaults beside crowsonkb's way, same trunk and weights.

    python -m benchmarks.grain SHEET.png            at 256 pixels; --side, --fraction of the peer's steps

Writes the sheet, to be looked at in full size, and measures what is finest in each picture: how far a pixel is from the
mean of its four neighbours (root mean square), of light and of color, and what share of the energy of light lies above
half of the highest frequency. Both run on the threads that OMP_NUM_THREADS gives; told is the process's time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convolens as cl
from benchmarks.averaged_stylize import restyle
from benchmarks.harness import machine, replace_section
from convolens.media.draw import sheet
from convolens.stylization.pictures import as_unit, resized
from convolens.tour.painted import brush_strokes
from convolens.tour.pictures import photo

TITLE = "Stylize: grain"


def finest(picture: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Of light, of color, and the share of light's energy in its upper octave of frequencies.

    >>> flat = np.full((16, 16, 3), 99, np.uint8)
    >>> finest(flat)
    (0.0, 0.0, 0.0)
    """
    unit = picture.astype(np.float64) / 255
    light = unit.mean(axis=2, keepdims=True)
    around = (-1, 0), (1, 0), (0, -1), (0, 1)

    def off(one: NDArray[np.float64]) -> float:
        near = sum(np.roll(one, by, axis=(0, 1)) for by in around) / 4
        return float(np.sqrt(np.square((one - near)[1:-1, 1:-1]).mean()))

    energy = np.abs(np.fft.fft2(light[..., 0] - light.mean())) ** 2
    down, across = (np.abs(np.fft.fftfreq(size)) for size in energy.shape)
    fine = np.maximum(down[:, None], across) >= 0.25
    return off(light), off(unit - light), float(energy[fine].sum() / max(energy.sum(), 1e-12))


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """What is made, and the seconds of the process's time."""
    before = time.process_time()
    return make(), time.process_time() - before


def main() -> None:
    """Both ways, for two styles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--styles", nargs="+", choices=("strokes", "tissue"), default=["strokes", "tissue"])
    asked = parser.parse_args()
    side = asked.side
    trunk = cl.trunk("vgg16", weights="hed", device="cpu", padding_mode="edge").requires_grad_(False).eval()

    def small(picture: Any) -> NDArray[np.uint8]:
        found = resized(as_unit(picture, "picture"), (side, side))[0].permute(1, 2, 0).clamp(0, 1)
        return np.rint(found.numpy() * 255).astype(np.uint8)

    content = small(photo("coffee.png"))
    shown, rows = {"content": content}, [("content", content, None)]
    styles = {"strokes": brush_strokes(), "tissue": photo("ihc.png")}
    for name in asked.styles:
        style = small(styles[name])
        ours, seconds = timed(lambda: np.asarray(cl.stylize(content, style, trunk=trunk)))  # noqa: B023 - called at once
        units = [as_unit(one, "picture").float() for one in (content, style)]
        found, peers = timed(lambda: restyle(trunk, *units, fraction=asked.fraction))  # noqa: B023
        theirs = np.rint(found[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        shown |= {name: style, f"{name}: cl.stylize": ours, f"{name}: crowsonkb's way": theirs}
        rows += [(name, style, None), (f"{name}, `cl.stylize`", ours, seconds), (f"{name}, the peer", theirs, peers)]
        cl.write_image(asked.sheet, sheet(list(shown.values()), list(shown), columns=len(shown), height=side, gap=8))
    lines = ["| picture | light | color | upper octave | seconds |", "|---|---|---|---|---|"]
    for name, picture, seconds in rows:
        light, color, share = finest(picture)
        took = "" if seconds is None else f"{seconds:.0f}"
        lines.append(f"| {name} | {light:.4f} | {color:.4f} | {share:.2%} | {took} |")
    table = "\n".join(lines)
    about = f"{side}², {asked.fraction:g} of the peer's steps; seconds are the processor's"
    head = f"## {TITLE}\n\n{machine()}\n\n`python -m benchmarks.grain SHEET.png`"
    replace_section(TITLE, f"{head}\n\n{about}.\n\n{table}\n")
    print(table)


if __name__ == "__main__":
    main()
