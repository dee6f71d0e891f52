"""Sounds of a garden, each a few lines: a bird, a frog, a bell and a knock, no two alike, and a recording of some.

A bird is a tone that glides, a frog a low tone that flutters, a bell a handful of tones that die away, a knock a click
that a board answers: the click convolved with the board's response.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convolens.convolution import convolve
from convolens.media.audio import write_audio

RATE = 16_000
SECONDS = 12.0  # of the recording
_WIND = 0.006  # how loud it is, as a standard deviation; the sounds reach 0.2 to 0.5
_ROOM = 1.45  # seconds from one sound of the recording to the next, at least
_BELL = (1.0, 2.0, 2.76, 5.4)  # pitches of a bell's tones, as multiples of the lowest
_CROAK = (0.3, 1.0, 0.6, 0.3)  # how loud a frog's overtones are


def bird(generator: np.random.Generator) -> NDArray[np.float64]:
    """Two to four short glides up, each down again."""
    syllables, low = int(generator.integers(2, 5)), generator.uniform(2200, 3400)
    high, seconds = low * generator.uniform(1.3, 1.7), generator.uniform(0.07, 0.11)
    bend = np.sin(np.linspace(0, np.pi, int(seconds * RATE)))
    syllable = np.sin(2 * np.pi * np.cumsum(low + (high - low) * bend) / RATE) * bend
    rest = np.zeros(int(generator.uniform(0.03, 0.06) * RATE))
    return np.concatenate([part for _ in range(syllables) for part in (syllable, rest)][:-1])


def frog(generator: np.random.Generator) -> NDArray[np.float64]:
    """A low tone with overtones, which flutters."""
    at = np.arange(int(generator.uniform(0.3, 0.5) * RATE)) / RATE
    pitch, flutter = generator.uniform(220, 320), generator.uniform(22, 32)
    tone = sum(loud * np.sin(2 * np.pi * (n + 1) * pitch * at) for n, loud in enumerate(_CROAK))
    croak: NDArray[np.float64] = (
        tone * np.sin(np.pi * flutter * at) ** 2 * np.sqrt(np.sin(np.linspace(0, 3.14, len(at))))
    )
    return croak


def bell(generator: np.random.Generator) -> NDArray[np.float64]:
    """Tones that begin at once and die away, the higher the sooner."""
    at, pitch = np.arange(int(0.6 * RATE)) / RATE, generator.uniform(600, 1000)
    rings = np.zeros(len(at))
    for n, multiple in enumerate(_BELL):
        rings += np.sin(2 * np.pi * multiple * pitch * at) * np.exp(-(5 + 3 * n) * at) / (n + 1)
    rings *= np.minimum(1, (at[-1] - at) / 0.05)
    return rings


def knock(generator: np.random.Generator) -> NDArray[np.float64]:
    """Two or three clicks, convolved with what a board makes of one."""
    at = np.arange(int(0.09 * RATE)) / RATE
    board = generator.normal(size=len(at)) * np.exp(-60 * at)
    board = convolve(board, np.ones(int(generator.integers(4, 9))))
    clicks = np.zeros(int(0.34 * RATE))
    apart = int(generator.uniform(0.12, 0.16) * RATE)
    clicks[: int(generator.integers(2, 4)) * apart : apart] = 1
    knocks: NDArray[np.float64] = convolve(clicks, board)
    return knocks


SOUNDS: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "bell": bell, "bird": bird, "frog": frog, "knock": knock,
}  # fmt: skip


def sound_of(name: str, generator: np.random.Generator) -> Float[np.ndarray, " frames"]:
    """One of such sounds, float32, at most 0.2 to 0.5 loud."""
    samples = SOUNDS[name](generator)
    samples *= generator.uniform(0.2, 0.5) / np.abs(samples).max()
    return samples.astype(np.float32)


def write_sounds(folder: Path, each: int, seed: int) -> None:
    """A folder of so many sounds for each class."""
    generator = np.random.default_rng(seed)
    for name in SOUNDS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            write_audio(folder / name / f"{number}.wav", sound_of(name, generator), RATE)


def write_recording(path: Path, seed: int) -> None:
    """Sounds in wind, at times of which a table of the same name says the truth, as `convolens evaluate` reads it."""
    generator = np.random.default_rng(seed)
    white = generator.normal(0, _WIND, int(SECONDS * RATE))
    samples = (white + convolve(white, np.full(32, 1 / 8), "same", boundary="wrap")).astype(np.float32)
    names = [*SOUNDS, *SOUNDS]
    generator.shuffle(names)
    rows = []
    for number, name in enumerate(names):
        sound = sound_of(name, generator)
        first = int((0.2 + number * _ROOM + generator.uniform(0, 0.5)) * RATE)
        samples[first : first + len(sound)] += sound
        rows.append((path.name, f"{first / RATE:.3f}", f"{(first + len(sound)) / RATE:.3f}", name))
    write_audio(path, samples, RATE)
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("path", "start", "end", "label"), *rows])
