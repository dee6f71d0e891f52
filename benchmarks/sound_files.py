"""Sounds from file to file, whole processes: against ffmpeg's aecho and sox's echo, and how much memory ours takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.harness import Report, Row, largest_difference, replace_section

RATE, SECONDS = 44100, 3600
MILLISECONDS, WEIGHTS = (250, 500, 800, 1300, 2000), (0.5, 0.4, 0.3, 0.2, 0.1)
ONE_STEP = 2 / 32768  # of 16 bits, and one for a different rounding

Command = Sequence[str]


def run() -> None:
    """One hour and ten hours, in a folder in memory, so that nobody waits for a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        hour = folder / "hour.wav"
        write_noise(hour, RATE * SECONDS)
        commands = peers(hour, folder)
        report = Report("sound_files", "Sounds from file to file", note=NOTE)
        compared(commands, folder)
        report.rows.append(timed(commands))
        print(report.rows[0].markdown(), flush=True)
        one = peak_megabytes(commands["convolens"])
        for path in folder.glob("*.wav"):
            path.unlink()
        ten = folder / "ten.wav"
        write_noise(ten, RATE * SECONDS * 10)
        ten_hours = peak_megabytes(peers(ten, folder)["convolens"])
        report.note += (
            f" Peak memory of ours: {one:.1f} MB for one hour, {ten_hours:.1f} MB for ten ({ten_hours - one:+.1f} MB)."
        )
    replace_section(report.title, report.markdown())


NOTE = "One hour of stereo at 44.1 kHz in 16 bits, an echo of five taps; files in memory, whole processes."


def write_noise(path: Path, frames: int) -> None:
    """Stereo noise that no echo brings to full scale."""
    minute = np.random.default_rng(0).uniform(-0.3, 0.3, (RATE * 60, 2)).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 2, format="RF64" if frames > 1 << 30 else "WAV") as out:
        for _ in range(frames // len(minute)):
            out.write(minute)


def peers(source: Path, folder: Path) -> Mapping[str, Command]:
    """The command lines; those of programs that are not installed are left out."""
    taps = [word for ms, w in zip(MILLISECONDS, WEIGHTS, strict=True) for word in (ms / 1000, w)]
    ours = [str(Path(sys.executable).with_name("convolens")), "echo", str(source), str(folder / "convolens.wav")]
    for seconds, weight in zip(taps[::2], taps[1::2], strict=True):
        ours += ["--delay", str(seconds), "--weight", str(weight)]
    delays, decays = "|".join(map(str, MILLISECONDS)), "|".join(map(str, WEIGHTS))
    commands: dict[str, Command] = {"convolens": ours}
    if shutil.which("ffmpeg"):
        effect = f"aecho=1:1:{delays}:{decays}"
        commands["ffmpeg aecho"] = ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", "-i", str(source), "-af", effect,
                                    "-rf64", "auto", str(folder / "ffmpeg.wav")]  # fmt: skip
    if shutil.which("sox"):
        echoes = [str(v) for ms, w in zip(MILLISECONDS, WEIGHTS, strict=True) for v in (ms, w)]
        commands["sox echo"] = ["sox", "-D", str(source), str(folder / "sox.wav"), "echo", "1", "1", *echoes]
    return commands


def compared(commands: Mapping[str, Command], folder: Path) -> None:
    """Raises: ValueError: a peer's first minute or its last is not ours."""
    for command in commands.values():
        seconds(command)
    ours = folder / "convolens.wav"
    for path in folder.glob("*.wav"):
        if path.stem not in ("convolens", "hour"):
            for start in (0, RATE * (SECONDS - 60)):
                a, b = (soundfile.read(p, RATE * 60, start)[0] for p in (path, ours))
                if not largest_difference(a, b) * np.abs(b).max() <= ONE_STEP:
                    raise ValueError(
                        f"{path.stem}: need ours within a step of 16 bits, got {np.abs(a - b).max() * 32768}"
                    )


def seconds(command: Command) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def timed(commands: Mapping[str, Command], rounds: int = 3) -> Row:
    """The medians, in turn."""
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            took[name].append(seconds(command) * 1e3)
    medians = {name: sorted(times)[len(times) // 2] for name, times in took.items()}
    return Row("echo of five taps, one hour, WAV to WAV", medians.pop("convolens"), medians)


def peak_megabytes(command: Command) -> float:
    """The largest resident memory of one process."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise ValueError(f"{command[0]}: need an exit code of 0, got {status}")
    return usage.ru_maxrss / 1024
