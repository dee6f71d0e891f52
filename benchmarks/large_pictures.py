"""A picture that is larger than memory through the effects that go by rows: peak memory and time of each command.

    python -m benchmarks.large_pictures FOLDER [WIDTH HEIGHT] [--strips] [--only=COMMAND]     60,000 × 40,000 pixels

The picture is made there if it is missing: RGB of 8 bits, of waves, disks and noise, packed by deflate. A command is a
process of its own; its peak is what the system counted as resident, interpreter and libraries included. With
`--only` it is that command alone.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import peak_of
from convolens.media import tiff_rows_writing as writing
from convolens.strips import Strips

COMMANDS = (
    ["blur", "--sigma", "5"], ["edges"], ["resize", "--size", "50%"], ["resize", "--size", "1024"], ["sharpen"],
    ["convolve", "emboss"], ["blur", "--sigma", "50"], ["edges", "--method", "log"],
)  # fmt: skip
BUDGET = "800MB"
_TILE, _STRIP = 512, 8  # rows
_BLOCK = 2560  # rows that are made; those below repeat them


def block(width: int, height: int) -> NDArray[np.uint8]:
    """Waves of all lengths, disks on a grid, and noise of two levels: what edges, blur and packing meet in photos."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    waves = 90 + 60 * np.sin(x * x / (2e2 * width) + y / 97)
    disks = ((x % 701 - 350) ** 2 + (y % 640 - 320) ** 2 < 200**2) * np.float32(60)
    gray = (waves + disks).astype(np.uint8)[:, :, None]
    return gray // np.uint8([1, 2, 3]) + np.random.default_rng(0).integers(0, 3, (height, width, 3), np.uint8)


def make(path: Path, width: int, height: int, tiled: bool) -> None:
    """Writes it: some rows are packed once, and their segments written again and again, as packing takes longest."""
    rows, columns = (_TILE, _TILE) if tiled else (_STRIP, width)
    pixels = block(width, min(_BLOCK, height))
    packed = [
        [writing._packed(part) for part in writing._segments(line, (rows, columns) if tiled else None)]
        for line in writing._lines([pixels], rows)
    ]
    places = []
    with path.open("wb") as stream:
        stream.write(b"II+\0" + (8).to_bytes(2, "little") + bytes(10))
        for line in range(-(-height // rows)):
            for segment in packed[line % len(packed)]:
                places.append((stream.tell(), len(segment)))
                stream.write(segment)
        whole = Strips((height, width, 3), np.dtype(np.uint8), iter(()))
        writing._finish(stream, writing._layout(whole, 3, (rows, columns), places, is_tiled=tiled))


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
    only = next((word.removeprefix("--only=") for word in sys.argv if word.startswith("--only=")), "")
    for name, *rest in COMMANDS:
        if only not in ("", " ".join([name, *rest])):
            continue
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
