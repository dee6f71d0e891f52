"""Sounds: an hour of stereo in memory, echoed and reverberated, against NumPy, SciPy and pedalboard."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

import convolens as cl
from benchmarks.harness import Call, Report

RATE, SECONDS = 44100, 3600
DELAYS, WEIGHTS = (0.25, 0.5, 0.8, 1.3, 2.0), (0.5, 0.4, 0.3, 0.2, 0.1)
IMPULSE_SECONDS = 4

NOTE = (
    "One hour of stereo at 44.1 kHz, 158,760,000 frames of float32: 1.3 GB in, 1.3 GB out. The echo has five taps in "
    "two seconds; NumPy's shifted slices are five `out[d : d + n] += w * x`. The reverb is four seconds of decaying "
    "noise, the same for both sides."
)


def run() -> None:
    report = Report("sounds", "Sounds in memory", note=NOTE)
    hour = np.random.default_rng(0).random((RATE * SECONDS, 2), dtype=np.float32)
    hour -= np.float32(0.5)
    for row in (echo, reverb):
        row(report, hour)
    report.write()


def echo(report: Report, sound: NDArray[Any]) -> None:
    frames = [round(delay * RATE) for delay in DELAYS]
    impulse = np.zeros(frames[-1] + 1, np.float32)
    impulse[[0, *frames]] = (1, *WEIGHTS)

    def slices() -> NDArray[Any]:
        out = np.zeros((len(sound) + frames[-1], 2), np.float32)
        out[: len(sound)] = sound
        for at, weight in zip(frames, WEIGHTS, strict=True):
            out[at : at + len(sound)] += np.float32(weight) * sound
        return out

    report.row(
        "echo of five taps, one hour",
        lambda: cl.echo(sound, RATE, DELAYS, WEIGHTS),
        {
            "NumPy, shifted slices": slices,
            "scipy oaconvolve": lambda: signal.oaconvolve(sound, impulse[:, None], axes=0),
        },
        tolerance=1e-5,
        seconds=0.1,
        least=1,
    )


def reverb(report: Report, sound: NDArray[Any]) -> None:
    """The room alone, and for pedalboard all of its answer: it cuts the tail, so the sound ends in silence."""
    taps = RATE * IMPULSE_SECONDS
    room = np.random.default_rng(1).standard_normal(taps) * np.exp(-6.9 * np.arange(taps) / taps)
    room = (0.01 * room).astype(np.float32)
    sound[-taps:] = 0
    peers: dict[str, Call] = {
        "scipy oaconvolve": lambda: signal.oaconvolve(sound, room[:, None], axes=0)[: len(sound)],
    }
    with tempfile.TemporaryDirectory() as folder:
        if convolver := pedalboard_convolver(room, Path(folder) / "room.wav"):
            peers["pedalboard Convolution"] = lambda: convolver(sound)
        report.row(
            "reverb of four seconds, one hour",
            lambda: cl.reverb(sound, room, dry=0, wet=1)[: len(sound)],
            peers,
            tolerance=1e-5,
            seconds=0.1,
            least=1,
        )


def pedalboard_convolver(room: NDArray[Any], file: Path) -> Any:
    """Its whole board as a function; it scales an impulse to an energy of its own, which is undone on the result."""
    try:
        from pedalboard import Convolution
    except ImportError:
        return None
    cl.write_audio(file, room, RATE, subtype="FLOAT")
    click = np.zeros((len(room) + RATE, 2), np.float32)
    click[0] = 1
    answer = Convolution(str(file), 1.0)(click, RATE)
    at = int(np.abs(room).argmax())
    late = int(np.abs(answer[:, 0]).argmax()) - at
    gain = room[at] / answer[at + late, 0]
    print(f"pedalboard answers {late} frames late, scaled by {1 / gain:.4f}", flush=True)

    def convolved(sound: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = Convolution(str(file), 1.0)(sound, RATE)
        result *= gain
        return result

    return convolved
