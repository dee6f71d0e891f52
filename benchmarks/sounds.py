"""Sounds: an hour of stereo in memory, echoed and reverberated, against NumPy, SciPy and pedalboard."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

import convolens as cl
from benchmarks.harness import Call, Report, Row, milliseconds

RATE, SECONDS = 44100, 3600
DELAYS, WEIGHTS = (0.25, 0.5, 0.8, 1.3, 2.0), (0.5, 0.4, 0.3, 0.2, 0.1)
IMPULSE_SECONDS = 4
TOLERANCE = 1e-5  # of the largest value

NOTE = (
    "One hour of stereo at 44.1 kHz, 158,760,000 frames of float32: 1.3 GB in, 1.3 GB out. The echo has five taps in "
    "two seconds; NumPy's shifted slices are five `out[d : d + n] += w * x`. The reverb is four seconds of decaying "
    "noise, the same for both sides."
)


def run() -> None:
    report = Report("sounds", "Sounds in memory", note=NOTE)
    hour = np.random.default_rng(0).random((RATE * SECONDS, 2), dtype=np.float32)
    hour -= np.float32(0.5)
    echo(report, hour)
    reverb(report, hour)
    report.write()


def row(
    report: Report, name: str, calls: Callable[[NDArray[Any]], dict[str, Call]], sound: NDArray[Any], samples: int
) -> None:
    """Compares what everyone makes of ten minutes, then times them on the hour, a few times: each takes seconds."""
    part = {who: call() for who, call in calls(sound[-RATE * 600 :]).items()}
    for who, made in part.items():
        error = float(np.abs(made - part["ours"]).max() / np.abs(part["ours"]).max())
        if not error <= TOLERANCE:
            raise ValueError(f"{name}: need {who} within {TOLERANCE:g} of ours, got {error:g}")
    del part, made
    times = milliseconds(calls(sound), seconds=0.1, least=samples)
    report.rows.append(Row(name, times.pop("ours"), times))
    print(report.rows[-1].markdown(), flush=True)


def echo(report: Report, sound: NDArray[Any]) -> None:
    frames = [round(delay * RATE) for delay in DELAYS]
    impulse = np.zeros(frames[-1] + 1, np.float32)
    impulse[[0, *frames]] = (1, *WEIGHTS)

    def slices(x: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros((len(x) + frames[-1], 2), np.float32)
        out[: len(x)] = x
        for at, weight in zip(frames, WEIGHTS, strict=True):
            out[at : at + len(x)] += np.float32(weight) * x
        return out

    def calls(x: NDArray[Any]) -> dict[str, Call]:
        return {
            "ours": lambda: cl.echo(x, RATE, DELAYS, WEIGHTS),
            "NumPy, shifted slices": lambda: slices(x),
            "scipy oaconvolve": lambda: signal.oaconvolve(x, impulse[:, None], axes=0),
        }

    row(report, "echo of five taps, one hour", calls, sound, 3)


def reverb(report: Report, sound: NDArray[Any]) -> None:
    """The room alone; pedalboard cuts its tail, so the sound ends in silence."""
    taps = RATE * IMPULSE_SECONDS
    room = np.random.default_rng(1).standard_normal(taps) * np.exp(-6.9 * np.arange(taps) / taps)
    room = (0.01 * room).astype(np.float32)
    sound[-taps:] = 0
    with tempfile.TemporaryDirectory() as folder:
        convolver = pedalboard_convolver(room, Path(folder) / "room.wav")

        def calls(x: NDArray[Any]) -> dict[str, Call]:
            peers = {"pedalboard Convolution": lambda: convolver(x)} if convolver else {}
            return {
                "ours": lambda: cl.reverb(x, room, dry=0, wet=1)[: len(x)],
                "scipy oaconvolve": lambda: signal.oaconvolve(x, room[:, None], axes=0)[: len(x)],
                **peers,
            }

        row(report, "reverb of four seconds, one hour", calls, sound, 1)


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
