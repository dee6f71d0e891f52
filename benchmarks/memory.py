"""Peak memory of commands on files that are small on disk and huge when decoded; the table of `docs/memory.md`.

    python -m benchmarks.memory FOLDER           makes the files there, runs each command on each, prints the table

Each command is a process of its own; its peak is what the system counted as resident (Linux and macOS).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

SIDE = 6000  # 36 million pixels
PYTHON = (sys.executable, "-m", "convolens")


class Peak(NamedTuple):
    """What became of a process."""

    code: int
    bytes: int
    said: str


def peak_of(arguments: list[str], folder: Path) -> Peak:
    """Runs `convolens` with these arguments."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*PYTHON, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    return Peak(process.returncode, usage.ru_maxrss * unit, lines[-1] if lines else "")


def make_pictures(folder: Path, side: int = SIDE) -> None:
    """A plain as PNG (RGB and RGBA), JPEG, and TIFF of 8 and 16 bits."""
    import imagecodecs
    from PIL import Image

    plain = Image.new("RGB", (side, side), (200, 120, 40))
    plain.save(folder / "plain.png")
    plain.save(folder / "plain.jpg", quality=30)
    plain.save(folder / "plain.tif", compression="tiff_deflate")
    Image.new("RGBA", (side, side), (200, 120, 40, 128)).save(folder / "clear.png")
    deep = np.full((side, side, 3), 30_000, np.uint16)
    (folder / "deep.tif").write_bytes(imagecodecs.tiff_encode(deep, compression="deflate"))


def make_sounds(folder: Path, minutes: int = 60) -> None:
    """An hour of silence as FLAC, a click as WAV, and a WAV of 1,024 channels."""
    import soundfile

    silence = np.zeros(48_000 * 60 * minutes, np.int16)
    silence[0] = 1
    soundfile.write(folder / "silence.flac", silence, 48_000)
    soundfile.write(folder / "click.wav", np.eye(1, 48_000, dtype=np.float32)[0], 48_000)
    soundfile.write(folder / "wide.wav", np.ones((4, 1024), np.int16), 8_000)


def make_numbers(folder: Path, gigabytes: int = 4) -> None:
    """Arrays and weights whose headers claim gigabytes, which the file system keeps as holes."""
    count = gigabytes * 10**9 // 4
    with (folder / "holes.npy").open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count // 1000, 1000)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + count * 4)
    with (folder / "holes.safetensors").open("wb") as stream:
        text = json.dumps({"a.weight": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + 4 * count)


def make_annotations(folder: Path, rows: int = 8_000_000) -> None:
    """COCO's JSON with millions of empty annotations."""
    with (folder / "coco.json").open("w") as stream:
        stream.write('{"images": [], "categories": [], "annotations": [')
        stream.write("{}," * rows)
        stream.write("{}]}")


PICTURES = ("plain.png", "plain.jpg", "plain.tif", "clear.png", "deep.tif")


def commands() -> list[list[str]]:
    """Commands on the files that they can be given; the results are TIFFs, which are written fast."""
    rows = []
    for name in PICTURES:
        rows += [["blur", name, "out.tif", "--sigma", "3"], ["sharpen", name, "out.tif"], ["edges", name, "out.tif"]]
    rows += [["edges", "plain.png", "out.tif", "--method", method] for method in ("canny", "log", "dog")]
    rows += [["convolve", "plain.png", "emboss", "out.tif"], ["convolve", "plain.png", "holes.npy", "out.tif"]]
    rows += [["echo", sound, "out.wav", "--delay", "0.3", "--weight", "0.5"] for sound in ("silence.flac", "wide.wav")]
    rows += [["reverb", "click.wav", "silence.flac", "out.wav"], ["reverb", "silence.flac", "click.wav", "out.wav"]]
    rows += [["unecho", "silence.flac", "out.wav"], ["convolve", "silence.flac", "click.wav", "out.wav"]]
    rows += [["doctor", "coco.json"], ["predict", "holes.safetensors", "plain.png"]]
    rows += [
        ["trace", "plain.png", "out.tif", "--trunk", "vgg16", "--weights", "holes.safetensors", "--tap", "conv1_1"]
    ]
    return rows


def main() -> None:
    """Prints a line for each command."""
    folder = Path(sys.argv[1])
    budgets = sys.argv[2:] or ["500MB"]
    subprocess.run([sys.executable, "-c", f"from benchmarks import memory; memory.make({str(folder)!r})"], check=True)
    print("| command | on disk | budget | peak | what became of it |", "|---|---|---|---|---|", sep="\n")
    for row in commands():
        for budget in budgets:
            found = peak_of([*row, "--memory", budget], folder)
            size = sum((folder / word).stat().st_size for word in row if (folder / word).exists() and "out" not in word)
            said = "done" if found.code == 0 else found.said
            print(
                f"| `{' '.join(row)}` | {size / 1e3:,.0f} kB | {budget} | {found.bytes / 1e6:,.0f} MB | {said} |",
                flush=True,
            )


def make(place: str) -> None:
    """Makes what is missing; in a process of its own, as a process begins with the peak of the one that started it."""
    folder = Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    for make_one, name in (
        (make_pictures, "deep.tif"), (make_sounds, "wide.wav"), (make_numbers, "holes.safetensors"),
        (make_annotations, "coco.json"),
    ):  # fmt: skip
        if not (folder / name).exists():
            make_one(folder)


if __name__ == "__main__":
    main()
