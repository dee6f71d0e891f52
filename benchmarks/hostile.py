"""Every file of a folder of hostile ones through every command that would read it; a table of `docs/memory.md`.

    python -m benchmarks.hostile FOLDER          a row for each kind of file; findings are printed first

A finding is an exit code that there is none of, a traceback, a refusal without its one sentence, or a peak of memory
over the budget and what the interpreter and the libraries take.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import Peak, peak_of

BUDGET = 300e6
LIBRARIES, WITH_TORCH = 150e6, 550e6  # bytes: what an interpreter with our imports takes before it does anything
CODES = (0, 1, 2)

Row = Callable[[str], list[list[str]]]


def _sounds(name: str) -> list[list[str]]:
    return [["echo", name, "out.wav", "--delay", "0.1", "--weight", "0.5"], ["unecho", name, "out.wav"],
            ["reverb", name, name, "out.wav"], ["convolve", name, name, "out.wav"]]  # fmt: skip


def _pictures(name: str) -> list[list[str]]:
    return [["blur", name, "out.tif", "--sigma", "2"], ["edges", name, "out.tif"], ["sharpen", name, "out.tif"],
            ["edges", name, "out.tif", "--method", "canny"], ["convolve", name, "emboss", "out.tif"],
            ["blur", name, "out.tif", "--sigma", "2", "--page", "all"]]  # fmt: skip


def _kernels(name: str) -> list[list[str]]:
    return [["convolve", "whole.png", name, "out.tif"]]


def _data(name: str) -> list[list[str]]:
    return [["doctor", name], ["convert", name, "converted", "--to", "coco"]]


def _weights(name: str) -> list[list[str]]:
    return [["weights", "import", name, "out.safetensors", "--trunk", "vgg16"], ["predict", name, "whole.png"],
            ["trace", "whole.png", "out.tif", "--trunk", "vgg16", "--weights", name, "--tap", "conv1_1"]]  # fmt: skip


def _lines(name: str) -> list[list[str]]:
    return [["doctor", name], ["blur", name, "out.tif", "--sigma", "2"]]


ROWS: dict[str, Row] = {
    ".wav": _sounds, ".ogg": _sounds, ".png": _pictures, ".tif": _pictures, ".npy": _kernels, ".json": _data,
    ".csv": _data, ".yaml": _data, ".jsonl": _lines, ".h5": _weights, ".pth": _weights, ".safetensors": _weights,
}  # fmt: skip


def main() -> int:
    """Prints the table; 1 where there is a finding."""
    given = Path(sys.argv[1])
    found: dict[str, list[tuple[str, Peak]]] = defaultdict(list)
    findings = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _make_whole(folder / "whole.png")
        for file in sorted(given.iterdir()):
            for row in ROWS[file.suffix](file.name) if file.suffix in ROWS else []:
                shutil.copy(file, folder / file.name)
                peak = peak_of([*row, "--memory", f"{BUDGET / 1e6:.0f}MB"], folder)
                found[file.suffix].append((" ".join(row), peak))
                wrong = _wrong(peak, sorted(folder.iterdir()), file)
                findings += bool(wrong)
                if wrong:
                    print(f"{' '.join(row)}: {wrong}: {peak.said}", flush=True)
                _clear(folder)
    print(
        "| files | runs | done | refused, or faults told | largest peak | by |", "|---|--:|--:|--:|--:|---|", sep="\n"
    )
    for suffix, runs in found.items():
        largest = max(runs, key=lambda one: one[1].bytes)
        done = sum(peak.code == 0 for _, peak in runs)
        count = sum(file.suffix == suffix for file in given.iterdir())
        numbers = f"{len(runs)} | {done} | {len(runs) - done} | {largest[1].bytes / 1e6:,.0f} MB"
        print(f"| {count} × `{suffix}` | {numbers} | `{largest[0].partition(' --memory')[0]}` |")
    return int(bool(findings))


def _make_whole(path: Path) -> None:
    from PIL import Image

    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(path)


def _wrong(peak: Peak, there: list[Path], file: Path) -> str:
    """What is wrong with how a command ended; "" where nothing is."""
    torch = file.suffix in (".h5", ".pth", ".safetensors")
    if peak.code not in CODES:
        return f"exit code {peak.code}"
    if "Traceback" in peak.said or (peak.code == 2 and not peak.said.startswith(("error: ", "skipped: "))):
        return "no sentence"
    if peak.code and any(path.name.startswith(("out", ".")) for path in there):
        return f"left {[path.name for path in there]}"
    if peak.bytes > BUDGET + (WITH_TORCH if torch else LIBRARIES):
        return f"{peak.bytes / 1e6:,.0f} MB"
    return ""


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "whole.png":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    sys.exit(main())
