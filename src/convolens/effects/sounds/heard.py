"""A sound file, or a part of one, as a picture of time and pitch: it can be given wherever a picture's path can.

What reads pictures takes a `Stored`, something with a name and bytes; the bytes here are those of a picture (PGM) that
is made of the sound when it is asked for. So nothing that takes pictures has a way of its own for sounds.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convolens.arrays import Real
from convolens.effects.sounds.hearing import Hearing, mono
from convolens.errors import FileError, FormatError
from convolens.media.audio_reading import audio_length, reading, sound_blocks
from convolens.media.files import AnyPath
from convolens.media.found_sounds import is_sound as is_sound
from convolens.media.notes import note
from convolens.memory import need_memory
from convolens.sources import Stored

KEPT_BYTES = 256 << 20  # of pictures of recordings whose parts are asked for: eleven hours
LEAST = 8  # of what the network takes at once, the fraction that a sound must last
_REPLACED = 0.5  # of a rate's half; files with less are told


@dataclass(frozen=True, eq=False, slots=True)
class Heard(Stored):
    """A sound as a picture.

    Attributes:
        path: the sound file.
        hearing: how it becomes a picture.
        start: seconds from its beginning to where the part begins; None: at its beginning.
        end: to where it ends; None: at its end.
    """

    path: Path = Path()
    hearing: Hearing = field(default_factory=Hearing)
    start: Real | None = None
    end: Real | None = None

    @property
    def suffix(self) -> str:
        """The sound file's."""
        return self.path.suffix

    @property
    def folder(self) -> str:
        """The name of the folder that the sound is in."""
        return self.path.parent.name

    @property
    def is_light(self) -> bool:
        """Whether decoding takes little memory: it takes a block's, and the picture is a hundredth of the sound."""
        return True

    def by(self, hearing: Hearing) -> Heard:
        """The same sound by another network's hearing."""
        return replace(self, hearing=hearing)

    def _fetched(self) -> bytes:
        picture = self.picture()
        return b"P5\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes()

    def picture(self) -> NDArray[np.uint8]:
        """Its picture, `(bands, times)`.

        Raises:
            FileError, FormatError: no sound; nothing but silence; or less than an eighth of what the network takes.
        """
        whole = _kept.picture(self.path, self.hearing) if self.start is not None else _whole(self.path, self.hearing)
        part = self._part_of(whole)
        seconds, least = part.shape[1] * self.hearing.hop / self.hearing.rate, self.hearing.seconds / LEAST
        if part.shape[1] <= self.hearing.columns // LEAST:
            raise FormatError(f"{self}: need a sound of more than {least:.2g} s, got {seconds:.2g} s")
        if not part.any():
            raise FormatError(f"{self}: need a sound, got {seconds:.2g} s of silence")
        return part

    def _part_of(self, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.start is None:
            return whole
        each = self.hearing.rate / self.hearing.hop
        last = whole.shape[1] if self.end is None else round(self.end * each)
        return np.ascontiguousarray(whole[:, round(self.start * each) : last])


def heard(path: AnyPath, hearing: Hearing, start: Real | None = None, end: Real | None = None) -> Heard:
    """A sound file, or a part of it in seconds, as a picture."""
    file = Path(path)
    part = "" if start is None else f"[{start:g}-{'' if end is None else f'{end:g}'} s]"
    return Heard(f"{file}{part}", None, None, file, hearing, start, end)


def in_windows(path: AnyPath, hearing: Hearing) -> list[Heard]:
    """A sound file as parts that a network takes at once, the last up to its end; a shorter one as it is."""
    try:
        lasts = seconds_in(path)
    except FileError:  # which is told when it is read
        lasts = 0.0
    count = math.ceil(lasts / hearing.seconds)
    if count < 2:
        return [heard(path, hearing)]
    starts = [at * (lasts - hearing.seconds) / (count - 1) for at in range(count)]
    return [heard(path, hearing, round(start, 3), round(start + hearing.seconds, 3)) for start in starts]


def pictures_of(path: AnyPath, hearing: Hearing) -> Iterator[NDArray[np.uint8]]:
    """The picture of a sound file of any length, some columns at a time, in constant memory.

    A file whose rate leaves half of the pitches that the network hears without sound is told of in a note.
    """
    with reading(path) as sound:
        if sound.samplerate / 2 < hearing.high * _REPLACED:
            note(
                f"{path}: sampled at {sound.samplerate:,} Hz, has no pitch above {sound.samplerate / 2:,.0f} Hz, of "
                f"which the model hears up to {hearing.high:,.0f} Hz; what it says of it is a guess"
            )
        yield from hearing.pictures(
            (_finite(mono(block), path) for block in sound_blocks(sound, path)), sound.samplerate
        )


def _finite(samples: NDArray[np.float32], path: AnyPath) -> NDArray[np.float32]:
    if not np.isfinite(samples).all():
        raise FormatError(f"{path}: need finite samples, got NaN or infinity; the file is damaged")
    return samples


def seconds_in(path: AnyPath) -> float:
    """How long a sound file lasts, by its header where that says so."""
    with reading(path) as sound:
        rate = sound.samplerate
    return audio_length(path) / rate


def rate_in(path: AnyPath) -> int:
    """A sound file's frames a second."""
    with reading(path) as sound:
        return int(sound.samplerate)


def _whole(path: Path, hearing: Hearing) -> NDArray[np.uint8]:
    parts: list[NDArray[np.uint8]] = []
    held = 0
    for part in pictures_of(path, hearing):
        parts.append(part)
        held += part.nbytes
        need_memory(2 * held, path, "cut it into shorter sounds")
    return np.concatenate(parts, axis=1) if parts else np.zeros((hearing.bands, 0), np.uint8)


class _Kept:
    """Pictures of recordings of which parts are asked for, the last used ones as far as `KEPT_BYTES` go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[str, int, int, Hearing], NDArray[np.uint8]] = OrderedDict()

    def picture(self, path: Path, hearing: Hearing) -> NDArray[np.uint8]:
        with reading(path):  # which says what is wrong with a file that is none
            state = path.stat()
        key = str(path), state.st_mtime_ns, state.st_size, hearing
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = _whole(path, hearing)
            self._pictures.move_to_end(key)
            found = self._pictures[key]
            while len(self._pictures) > 1 and sum(one.nbytes for one in self._pictures.values()) > KEPT_BYTES:
                self._pictures.popitem(last=False)
        return found


_kept = _Kept()
