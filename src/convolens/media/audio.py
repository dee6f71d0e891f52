"""Sounds in whole: read from files, and written to them. Block by block it is `audio_reading` and `audio_writing`.

Samples are float32 in [-1, 1], `(frames,)` for one channel and `(frames, channels)` for more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array, as_real
from convolens.errors import ArgumentError, ShapeError
from convolens.media.audio_reading import Sound, is_open_ended, reading, sound_blocks
from convolens.media.audio_writing import write_blocks, writing_audio
from convolens.media.files import AnyPath
from convolens.memory import fits, need_memory
from convolens.sources.copies import brought_here


def read_audio(path: AnyPath, *, seconds: Real | None = None) -> tuple[Float32[np.ndarray, "frames ..."], int]:
    """The samples of a sound file and its rate in Hz.

    Args:
        path: what to read.
        seconds: how much of its beginning; all, by default.

    Returns:
        float32 `(frames,)` for one channel, `(frames, channels)` for more; integer formats scaled to [-1, 1].

    Raises:
        FileError: nothing is there.
        FormatError: not a sound file, damaged, or shorter than its header claims.
        MemoryRefused: longer than the budget of memory allows.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/clicks.wav", np.float32([[0, 0], [0.5, -0.5]]), 48000)
    ...     samples, rate = read_audio(f"{folder}/clicks.wav")
    >>> samples, rate
    (array([[ 0. ,  0. ],
           [ 0.5, -0.5]], dtype=float32), 48000)
    """
    wanted = np.inf if seconds is None else as_real(seconds, "seconds", "a finite number of at least 0", _not_negative)
    with brought_here(path, "a sound") as file, reading(file) as sound:
        blocks = _first(sound_blocks(sound, file), wanted * sound.samplerate)
        samples = _joined(blocks, sound, file)
        return (samples[:, 0] if sound.channels == 1 else samples), sound.samplerate


def _not_negative(number: float) -> bool:
    return number >= 0


def _first(blocks: Iterator[NDArray[np.float32]], frames: float) -> Iterator[NDArray[np.float32]]:
    """So many frames of the beginning, or all there are."""
    for block in blocks:
        yield block[: round(min(frames, len(block)))]
        frames -= len(block)
        if frames <= 0:
            break


def _joined(blocks: Iterator[NDArray[np.float32]], sound: Sound, path: AnyPath) -> NDArray[np.float32]:
    """The blocks as one array; what the header claims of their length is not believed until they are there.

    Raises:
        MemoryRefused: they need more than the budget.
    """
    taken: list[NDArray[np.float32]] = []
    held = 0
    for block in blocks:
        taken.append(block)
        held += 2 * block.nbytes  # once more when they are joined
        if not fits(held):
            claimed = 2 * 4 * sound.channels * (0 if is_open_ended(sound) else sound.frames)
            need_memory(max(held, claimed), path, "use a shorter sound")
    return np.concatenate(taken) if taken else np.empty((0, sound.channels), np.float32)


def write_audio(
    path: AnyPath, samples: Num[np.ndarray, "frames ..."], rate: Real, *, subtype: str | None = None
) -> None:
    """Writes a sound file; the suffix chooses the format (.wav, .flac, .ogg, .mp3, .aiff).

    Samples beyond ±1 are clipped by integer formats. A WAV above 4 GiB becomes RF64.

    Args:
        path: where to write.
        samples: `(frames,)` or `(frames, channels)`, floats in [-1, 1].
        rate: frames a second.
        subtype: the encoding, in libsndfile's words ("PCM_16", "PCM_24", "FLOAT", "VORBIS"); `None` is the format's
            usual one.

    Raises:
        FormatError: a suffix or encoding that libsndfile cannot write, or a format that cannot hold no samples.
        ShapeError: not one or two dimensions.
        ArgumentError: samples that are not floats, or a rate that is not a positive whole number.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/tone.flac", np.sin(np.arange(480.0) / 10), 48000, subtype="PCM_24")
    ...     read_audio(f"{folder}/tone.flac")[0].shape
    (480,)
    """
    array = as_array(samples, "samples")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise ShapeError(f"samples: need (frames,) or (frames, channels), got {array.shape}")
    if array.dtype.kind != "f":
        raise ArgumentError(f"samples: need floats in [-1, 1], got {array.dtype}; divide by the largest value")
    if array.dtype.itemsize not in (4, 8):  # libsndfile takes float32 and float64
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    array = array[:, None] if array.ndim == 1 else array
    with writing_audio(path, rate, array.shape[1], subtype=subtype, frames=len(array)) as out:
        write_blocks(out, array)
