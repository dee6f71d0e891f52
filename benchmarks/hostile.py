"""Every file of a folder of hostile ones through every command that would read it; a table of `docs/memory.md`.

    python -m benchmarks.hostile FOLDER [SUFFIX …]     a row for each kind of file; findings are printed first

Tar shards and tables are made (`hostile_shards.py`) beside those of the folder. A finding is an exit code that there is
none of, a traceback, a refusal without its one sentence, something half-done that is left, or a peak of memory over the
budget and what the interpreter and the libraries take.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import Peak, peak_of

BUDGET = 300e6
LIBRARIES, WITH_TORCH = 150e6, 550e6  # bytes: what an interpreter with our imports takes before it does anything
CODES = (0, 1, 2)

Row = Callable[[str], list[list[str]]]


def _sounds(name: str) -> list[list[str]]:
    return [["echo", name, "out.wav", "--delay", "0.1", "--weight", "0.5"], ["unecho", name, "out.wav"],
            ["reverb", name, name, "out.wav"], ["convolve", name, name, "out.wav"],
            ["filter", name, "lowpass", "out.wav", "--frequency", "200"]]  # fmt: skip


def _pictures(name: str) -> list[list[str]]:
    return [["blur", name, "out.tif", "--sigma", "2"], ["edges", name, "out.tif"], ["sharpen", name, "out.tif"],
            ["edges", name, "out.tif", "--method", "canny"], ["convolve", name, "emboss", "out.tif"],
            ["blur", name, "out.tif", "--sigma", "2", "--page", "all"],
            ["resize", name, "out.tif", "--size", "32"],
            ["unblur", name, "out.tif", "--kernel", "gaussian:1"]]  # fmt: skip


def _kernels(name: str) -> list[list[str]]:
    return [["convolve", "whole.png", name, "out.tif"]]


def _data(name: str) -> list[list[str]]:
    return [["doctor", name], ["convert", name, "converted", "--to", "coco"]]


def _weights(name: str) -> list[list[str]]:
    return [["weights", "import", name, "out.safetensors", "--trunk", "vgg16"], ["predict", name, "whole.png"],
            ["trace", "whole.png", "out.tif", "--trunk", "vgg16", "--weights", name, "--tap", "conv1_1"]]  # fmt: skip


def _lines(name: str) -> list[list[str]]:
    return [["doctor", name], ["blur", name, "out.tif", "--sigma", "2"]]


def _shards(name: str) -> list[list[str]]:
    on_cpu = ["--device", "cpu"]
    return [["blur", name, "out", "--sigma", "2"], ["doctor", name], ["convert", name, "out", "--to", "folders"],
            ["predict", "whole.safetensors", name, "--out", "out", *on_cpu],
            ["features", "whole.safetensors", name, "--out", "out/table.parquet", *on_cpu],
            ["evaluate", "whole.safetensors", name, *on_cpu],
            ["train", "classify", name, "--trunk", "resnet18", "--width", "0.125", "--epochs", "1", "--size", "32",
             "--out", "out", *on_cpu],
            ]  # fmt: skip


ROWS: dict[str, Row] = {
    ".wav": _sounds, ".ogg": _sounds, ".png": _pictures, ".tif": _pictures, ".npy": _kernels, ".json": _data,
    ".csv": _data, ".yaml": _data, ".jsonl": _lines, ".h5": _weights, ".pth": _weights, ".safetensors": _weights,
    ".tar": _shards, ".parquet": _shards,
}  # fmt: skip


def main() -> int:
    """Prints the table; 1 where there is a finding."""
    suffixes = sys.argv[2:] or list(ROWS)
    found: dict[str, list[tuple[str, Peak]]] = defaultdict(list)
    findings = 0
    with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "benchmarks.hostile_shards", given, place], check=True)
        files = sorted([*Path(sys.argv[1]).iterdir(), *Path(given).iterdir()], key=lambda file: file.name)
        files = [file for file in files if file.suffix in suffixes]
        folder = Path(place)
        for file in files:
            for row in ROWS[file.suffix](file.name):
                shutil.copy(file, folder / file.name)
                peak = peak_of([*row, "--memory", f"{BUDGET / 1e6:.0f}MB"], folder)
                found[file.suffix].append((" ".join(row), peak))
                wrong = _wrong(peak, sorted(folder.rglob("*")), file)
                findings += bool(wrong)
                if wrong:
                    print(f"{' '.join(row)}: {wrong}: {peak.said[:300]}", flush=True)
                _clear(folder)
    _print_table(found, Counter(file.suffix for file in files))
    return int(bool(findings))


def _print_table(found: dict[str, list[tuple[str, Peak]]], counts: Counter[str]) -> None:
    print(
        "| files | runs | done | refused, or faults told | largest peak | by |", "|---|--:|--:|--:|--:|---|", sep="\n"
    )
    for suffix, runs in found.items():
        largest = max(runs, key=lambda one: one[1].bytes)
        done = sum(peak.code == 0 for _, peak in runs)
        numbers = f"{len(runs)} | {done} | {len(runs) - done} | {largest[1].bytes / 1e6:,.0f} MB"
        print(f"| {counts[suffix]} × `{suffix}` | {numbers} | `{largest[0].partition(' --memory')[0]}` |")


def _wrong(peak: Peak, there: list[Path], file: Path) -> str:
    """What is wrong with how a command ended; "" where nothing is."""
    torch = file.suffix in (".h5", ".pth", ".safetensors", ".tar", ".parquet")
    if peak.code not in CODES:
        return f"exit code {peak.code}"
    told = peak.said.startswith(
        ("error: ", "skipped: ", "wrote ")
    )  # of many pictures the last line says where they are
    if "Traceback" in peak.said or (peak.code == 2 and not told):
        return "no sentence"
    if peak.code and any(path.name.startswith(("out.", ".")) for path in there):
        return f"left {[path.name for path in there]}"
    if peak.bytes > BUDGET + (WITH_TORCH if torch else LIBRARIES):
        return f"{peak.bytes / 1e6:,.0f} MB"
    return ""


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.stem != "whole":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    sys.exit(main())
