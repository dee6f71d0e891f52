"""Sound files written block by block; they take their final name when they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float, Num
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.errors import ArgumentError, FormatError
from convolens.media.audio_extras import Extras, add_parts, lost_of, set_tags, wants_speakers
from convolens.media.audio_reading import BLOCK_FRAMES
from convolens.media.files import AnyPath, as_path, writing
from convolens.media.notes import note

WAV_BYTES = 4 << 30  # a plain WAV counts its bytes in 32 bits; libsndfile would write past them
HEADER_BYTES = 1 << 16
_LAST_FRAMES = 4 * 1152  # of an MP3 some of its blocks, which it needs to begin in the middle
_MORE_BYTES = 1 << 16  # than libsndfile writes at a time


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


def kept_subtype(path: AnyPath, subtype: str) -> str:
    """The encoding itself if the format of `path` has it, else the format's usual one."""
    kind, usual = format_of(Path(path))
    stays = kind == "MP3" or not subtype.startswith("MPEG_LAYER")
    return subtype if usual != "OPUS" and stays and soundfile.check_format(kind, subtype) else usual


@contextmanager
def writing_audio(
    path: AnyPath,
    rate: Real,
    channels: int,
    *,
    subtype: str | None = None,
    frames: int | None = None,
    extras: Extras | None = None,
) -> Iterator[soundfile.SoundFile]:
    """An open sound file to write blocks to; it takes its final name when the block ends without an error.

    Args:
        path: the final name; its suffix chooses the format.
        rate: frames a second.
        channels: at least 1.
        subtype: as in `write_audio`.
        frames: how many will be written, if known: a WAV that could pass 4 GiB is then written as RF64.
        extras: tags, speakers, cue points and the like of the sound that this one is made of: written as far as the
            format has them, and what it has not is named in a note.
    """
    frames_a_second = _whole_rate(rate)
    kind, usual = format_of(as_path(path, "where to write a sound"))
    subtype = usual if subtype is None else subtype
    if not isinstance(subtype, str):
        raise ArgumentError(f"subtype: need an encoding's name, got {subtype!r:.200}")
    if not soundfile.check_format(kind, subtype):
        words = ", ".join(soundfile.available_subtypes(kind))
        raise FormatError(f"{path}: need an encoding that {kind} has ({words}), got {subtype}")
    long = frames is not None and frames * channels * _bytes_a_sample(subtype) > WAV_BYTES - HEADER_BYTES
    container = kind
    if kind == "WAV":
        container = "RF64" if long else "WAVEX" if wants_speakers(extras, channels) else "WAV"
    with writing(path) as draft:
        try:
            with soundfile.SoundFile(draft, "w", frames_a_second, channels, subtype, format=container) as out:
                set_tags(out, extras, kind)
                yield out
        except soundfile.LibsndfileError as error:
            reason = _refusal(draft) or str(error.error_string)
            raise FormatError(f"{path}: cannot be written as {kind} {subtype}: {reason}") from error
        if (kept := _frames_in(draft)) != out.frames:  # closing does not say that the last of them found no room
            reason = _refusal(draft) or f"{kept} of {out.frames} frames are in the file"
            raise FormatError(f"{path}: cannot be written as {kind} {subtype}: {reason}")
        if draft.stat().st_size == 0:
            raise FormatError(f"{path}: need at least one sample for {kind}, got none")
        if extras is not None:
            add_parts(draft, extras, kind, channels)
            if lost := lost_of(draft, extras, kind, channels):
                note(f"{path}: has no place for what {extras.name} holds beside its samples: {', '.join(lost)}")


def _frames_in(draft: Path) -> int:
    """How many can be read: an MP3's head says how many there were to be, so that the last are decoded."""
    try:
        with soundfile.SoundFile(draft) as file:
            before = file.seek(max(file.frames - _LAST_FRAMES, 0))
            return int(before + len(file.read(_LAST_FRAMES)))
    except soundfile.LibsndfileError:
        return 0


def _refusal(draft: Path) -> str | None:
    """What the system says of a file that takes no more; libsndfile says "System error." or nothing."""
    try:
        with draft.open("ab", buffering=0) as stream:
            for _ in range(2):  # the first may find room for a part
                stream.write(bytes(_MORE_BYTES))
    except OSError as refused:
        return refused.strerror or str(refused)
    return None


def _whole_rate(rate: object) -> int:
    """The rate as files have it.

    Raises:
        ArgumentError: not a positive whole number.
    """
    number = isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool)
    if not number or not 0 < rate < 1 << 31 or int(rate) != rate:  # type: ignore[operator, call-overload]
        raise ArgumentError(f"rate: need a positive whole number of frames a second, got {rate!r}")
    return int(rate)  # type: ignore[call-overload, no-any-return]


def format_of(path: Path) -> tuple[str, str]:
    """The format that the suffix chooses, as libsndfile calls it, and its usual encoding.

    Raises:
        FormatError: it writes none of this suffix.
    """
    kind = path.suffix[1:].upper()
    if kind == "OPUS":
        return "OGG", "OPUS"
    kind = {"AIF": "AIFF", "OGA": "OGG"}.get(kind, kind)
    if kind not in soundfile.available_formats() or kind == "RAW":
        raise FormatError(
            f"{path}: need a name that ends in .wav, .flac, .ogg, .opus or .mp3, got {path.suffix or 'no suffix'}"
        )
    return kind, str(soundfile.default_subtype(kind))


def _bytes_a_sample(subtype: str) -> int:
    return {"PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(subtype, 4)


def clipped(samples: Float[np.ndarray, ...]) -> int:
    """How many samples lie beyond ±1, which integer formats cannot hold."""
    count: Any = np.count_nonzero(np.abs(samples) > 1.0)
    return int(count)
