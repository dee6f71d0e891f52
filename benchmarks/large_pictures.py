"""A picture that is larger than memory through the effects that go by rows: peak memory and time of each command.

    python -m benchmarks.large_pictures FOLDER [WIDTH HEIGHT] [--tiles|--strips]     60,000 × 40,000 pixels by default

The picture is made there if it is missing, by rows too: RGB of 8 bits, of waves, disks and noise, packed by deflate. A
command is a process of its own; its peak is what the system counted as resident, interpreter and libraries included.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import peak_of

COMMANDS = (
    ["blur", "--sigma", "5"], ["blur", "--sigma", "50"], ["sharpen"], ["edges"], ["edges", "--method", "log"],
    ["convolve", "emboss"], ["resize", "--size", "50%"], ["resize", "--size", "1024", "--interpolation", "area"],
)  # fmt: skip
BUDGET = "800MB"
_BAND = 64  # rows that are made at once
_TILE = 512


def rows_of(width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """Waves of all lengths, disks on a grid, and noise of two levels: what edges, blur and packing meet in photos."""
    rng = np.random.default_rng(0)
    x = np.arange(width, dtype=np.float32)
    noise = rng.integers(0, 3, (_BAND, width, 3), np.uint8)
    for top in range(0, height, _BAND):
        y = np.arange(top, min(top + _BAND, height), dtype=np.float32)[:, None]
        waves = 90 + 60 * np.sin(x * x / (2e2 * width) + y / 97)
        disk = ((x % 701 - 350) ** 2 + (y % 701 - 350) ** 2 < 200**2) * np.float32(60)
        gray = (waves + disk).astype(np.uint8)[:, :, None]
        yield gray // np.uint8([1, 2, 3]) + np.roll(noise[: len(y)], top * 7, axis=1)


def make(path: Path, width: int, height: int, tiled: bool) -> None:
    """Writes it."""
    from convolens.media.picture import Picture
    from convolens.media.tiff_rows_writing import write_rows
    from convolens.strips import Strips

    whole = Strips((height, width, 3), np.dtype(np.uint8), rows_of(width, height))
    nothing: Any = np.empty((0, 0, 3), np.uint8)
    path.touch()
    write_rows(path, whole, Picture(nothing, dpi=(300, 300)), (_TILE, _TILE) if tiled else None, lambda done: None)


def main() -> None:
    """Prints a line for each command."""
    folder, *words = [word for word in sys.argv[1:] if not word.startswith("--")]
    width, height = map(int, words) if words else (60_000, 40_000)
    tiled = "--strips" not in sys.argv
    path = Path(folder) / f"{width}x{height}-{'tiles' if tiled else 'strips'}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():  # in a process of its own, as a process begins with the peak of the one that started it
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(path, width, height, tiled))
        maker.start()
        maker.join()
    print(f"{path.name}: {path.stat().st_size / 1e9:.2f} GB on disk, {3 * width * height / 1e9:.2f} GB of pixels")
    print("| command | peak | time | result | what became of it |", "|---|--:|--:|--:|---|", sep="\n")
    for name, *rest in COMMANDS:
        out = path.with_name("out.tif")
        words = [path.name, *(rest[:1] if name == "convolve" else []), out.name, *(rest if name != "convolve" else [])]
        begun = perf_counter()
        found = peak_of([name, *words, "--memory", BUDGET], path.parent)
        seconds = perf_counter() - begun
        size = f"{out.stat().st_size / 1e9:.2f} GB" if out.exists() else "none"
        said = "done" if found.code == 0 else found.said
        shown = " ".join([name, *rest])
        print(f"| `{shown}` | {found.bytes / 1e6:,.0f} MB | {seconds:.0f} s | {size} | {said} |", flush=True)
        out.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
