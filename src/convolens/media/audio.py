"""Sound files: WAV, FLAC, OGG and MP3 through libsndfile, read and written block by block.

Samples are float32 in [-1, 1], `(frames,)` for one channel and `(frames, channels)` for more. Nothing is allocated from
a length in a header: a header that promises more than the file holds is an error, found when the samples run out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float, Float32, Num
from numpy.typing import NDArray

from convolens.arrays import Real, as_array
from convolens.errors import ArgumentError, FormatError, ShapeError
from convolens.media.audio_headers import check_length
from convolens.media.files import AnyPath, need_file, writing

BLOCK_FRAMES = 1 << 16
WAV_BYTES = 4 << 30  # a plain WAV counts its bytes in 32 bits; libsndfile would write past them
_HEADER_BYTES = 1 << 16
_FULL_BYTES = 1 << 16  # of a disk; libsndfile says "System error."
_UNKNOWN = 2**63 - 1  # what libsndfile says of a length that the header leaves open


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

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/clicks.wav", np.float32([[0, 0], [0.5, -0.5]]), 48000)
    ...     samples, rate = read_audio(f"{folder}/clicks.wav")
    >>> samples, rate
    (array([[ 0. ,  0. ],
           [ 0.5, -0.5]], dtype=float32), 48000)
    """
    with reading(path) as sound:
        blocks = _first(sound_blocks(sound, path), np.inf if seconds is None else float(seconds) * sound.samplerate)
        samples = np.concatenate(blocks) if blocks else np.empty((0, sound.channels), np.float32)
        return (samples[:, 0] if sound.channels == 1 else samples), sound.samplerate


def _first(blocks: Iterator[NDArray[np.float32]], frames: float) -> list[NDArray[np.float32]]:
    """So many frames of the beginning, or all there are."""
    taken: list[NDArray[np.float32]] = []
    for block in blocks:
        taken.append(block[: round(min(frames, len(block)))])
        frames -= len(block)
        if frames <= 0:
            break
    return taken


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


def write_blocks(out: soundfile.SoundFile, samples: Num[np.ndarray, "frames ..."]) -> None:
    """Writes the samples to an open file a block at a time: libsndfile's OGG encoder crashes on a long one.

    Raises:
        ArgumentError: a sample that is NaN or infinite, where the encoding is not one of floats.
    """
    for start in range(0, len(samples), BLOCK_FRAMES):
        block = samples[start : start + BLOCK_FRAMES]
        low, high = float(block.min(initial=0)), float(block.max(initial=0))
        if out.subtype not in ("FLOAT", "DOUBLE") and not np.isfinite(high - low):  # LAME would end the process
            raise ArgumentError(
                f"samples: need finite numbers for the encoding {out.subtype}, got NaN or infinity; "
                "write a WAV of subtype FLOAT, or replace them"
            )
        loud = max(-low, high) * 32768 >= 32767.5
        out.write(_in_16_bits(block, clip=loud) if out.subtype == "PCM_16" else block)


def _in_16_bits(block: NDArray[Any], *, clip: bool) -> NDArray[np.int16]:
    """Rounded; clipped where asked for.

    libsndfile takes three times as long, and multiplies by 32767 what it divided by 32768.
    """
    steps = block * block.dtype.type(32768)
    np.rint(steps, out=steps)
    if clip:
        np.clip(steps, -32768, 32767, out=steps)
    whole: NDArray[np.int16] = steps.astype(np.int16)
    return whole


def audio_length(path: AnyPath) -> int:
    """How many frames a sound file has: as its header says, or counted where it leaves that open.

    Errors as in `read_audio`.
    """
    with reading(path) as sound:
        return sum(map(len, sound_blocks(sound, path))) if _is_open_ended(sound) else int(sound.frames)


def _is_open_ended(sound: soundfile.SoundFile) -> bool:
    """Whether it is a FLAC written to a pipe, whose header may leave the length open; an OGG's may not."""
    return bool(sound.frames == _UNKNOWN and sound.format == "FLAC")


def kept_subtype(path: AnyPath, subtype: str) -> str:
    """The encoding itself if the format of `path` has it, else the format's usual one."""
    kind = _format_of(Path(path))
    stays = soundfile.check_format(kind, subtype) and (kind == "MP3" or not subtype.startswith("MPEG_LAYER"))
    return subtype if stays else str(soundfile.default_subtype(kind))


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """Read from its beginning to its end.

    soundfile else seeks to where it is after each block, which takes time, and fails in a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def reading(path: AnyPath) -> Iterator[soundfile.SoundFile]:
    """An open sound file, for reading block by block. Errors as in `read_audio`."""
    file = need_file(path, "a sound")
    if file.stat().st_size == 0:
        raise FormatError(f"{file}: need a sound file, got 0 bytes")
    try:
        sound = _Sequential(file)
    except soundfile.LibsndfileError as error:
        raise FormatError(f"{file}: need a sound file (WAV, FLAC, OGG, MP3), got {error.error_string}") from error
    with sound:
        check_length(file)
        yield sound


def sound_blocks(
    sound: soundfile.SoundFile, path: AnyPath, frames: int = BLOCK_FRAMES
) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """The samples in order, at most `frames` at a time, always with a channel axis.

    Raises:
        FormatError: the file ends before the length in its header, or cannot be decoded.
    """
    claimed, got = sound.frames, 0
    steps = sound.subtype == "PCM_16"  # scaled here in a third of libsndfile's time, to the same numbers
    while True:
        try:
            block = sound.read(frames, dtype="int16" if steps else "float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise FormatError(f"{path}: cannot be decoded after frame {got}: {error.error_string}") from error
        if len(block) == 0:
            break
        got += len(block)
        yield np.multiply(block, np.float32(1 / 32768), dtype=np.float32) if steps else block
    if got < claimed and not _is_open_ended(sound):
        raise FormatError(
            f"{path}: need the {claimed} frames that its header claims, got {got}; the file was cut short"
        )


@contextmanager
def writing_audio(
    path: AnyPath,
    rate: Real,
    channels: int,
    *,
    subtype: str | None = None,
    frames: int | None = None,
    keeping: tuple[AnyPath, ...] = (),
) -> Iterator[soundfile.SoundFile]:
    """An open sound file to write blocks to; it takes its final name when the block ends without an error.

    Args:
        path: the final name; its suffix chooses the format.
        rate: frames a second.
        channels: at least 1.
        subtype: as in `write_audio`.
        frames: how many will be written, if known: a WAV that could pass 4 GiB is then written as RF64.
        keeping: inputs that must not be overwritten.
    """
    frames_a_second = _whole_rate(rate)
    kind = _format_of(Path(path))
    subtype = subtype or soundfile.default_subtype(kind)
    if not soundfile.check_format(kind, subtype):
        words = ", ".join(soundfile.available_subtypes(kind))
        raise FormatError(f"{path}: need an encoding that {kind} has ({words}), got {subtype}")
    if (
        kind == "WAV"
        and frames is not None
        and frames * channels * _bytes_a_sample(subtype) > WAV_BYTES - _HEADER_BYTES
    ):
        kind = "RF64"
    with writing(path, keeping=keeping) as draft:
        try:
            with soundfile.SoundFile(draft, "w", frames_a_second, channels, subtype, format=kind) as out:
                yield out
        except soundfile.LibsndfileError as error:
            full = shutil.disk_usage(draft.parent).free < _FULL_BYTES
            reason = "no space left on the disk" if full else error.error_string
            raise FormatError(f"{path}: cannot be written as {kind} {subtype}: {reason}") from error
        if draft.stat().st_size == 0:
            raise FormatError(f"{path}: need at least one sample for {kind}, got none")


def _whole_rate(rate: object) -> int:
    """The rate as files have it.

    Raises:
        ArgumentError: not a positive whole number.
    """
    number = isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool)
    if not number or not 0 < rate < 1 << 31 or int(rate) != rate:  # type: ignore[operator, call-overload]
        raise ArgumentError(f"rate: need a positive whole number of frames a second, got {rate!r}")
    return int(rate)  # type: ignore[call-overload, no-any-return]


def _format_of(path: Path) -> str:
    kind = path.suffix[1:].upper()
    kind = {"AIF": "AIFF", "OGA": "OGG"}.get(kind, kind)
    if kind not in soundfile.available_formats() or kind == "RAW":
        raise FormatError(
            f"{path}: need a name that ends in .wav, .flac, .ogg or .mp3, got {path.suffix or 'no suffix'}"
        )
    return kind


def _bytes_a_sample(subtype: str) -> int:
    return {"PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(subtype, 4)


def clipped(samples: Float[np.ndarray, ...]) -> int:
    """How many samples lie beyond ±1, which integer formats cannot hold."""
    count: Any = np.count_nonzero(np.abs(samples) > 1.0)
    return int(count)
