"""Sound files block by block: WAV, FLAC, OGG, Opus and MP3 through libsndfile, films and M4A through PyAV.

Nothing is allocated from a length in a header: a header that promises more than the file holds is an error, found when
the samples run out. An MP3 without a Xing frame promises nothing, and is read to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import soundfile
from jaxtyping import Float32
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media import audio_mp3, audio_ogg
from convolens.media.audio_films import is_film, open_film
from convolens.media.audio_headers import mended
from convolens.media.audio_open_mp3 import UNKNOWN, HeardMp3, OpenMp3
from convolens.media.byte_view import ByteView
from convolens.media.decoder_words import decoder_words
from convolens.media.decoding import decoding
from convolens.media.files import AnyPath, need_file
from convolens.media.notes import note

BLOCK_FRAMES = 1 << 16
_BLOCK_SAMPLES = 1 << 19  # of all channels: a file of 8 kB can have 1,024 of them
_FAR_END = 1 << 40  # bytes: the length that an MP3 without one is said to have, so that no guess ends it early

_counted: dict[tuple[str, int, int], int] = {}  # the frames of the last file that had to be decoded to count them


@runtime_checkable
class Sound(Protocol):
    """An open sound file: soundfile's own, or one like it."""

    samplerate: int
    channels: int
    subtype: str
    format: str
    frames: int

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = False) -> NDArray[Any]:
        """The next frames; fewer at the end, and none behind it."""


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """Read from its beginning to its end.

    soundfile else seeks to where it is after each block, which takes time, and fails in a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False


class _Joined:
    """Sounds of one rate, one behind the other."""

    def __init__(self, sounds: list[_Sequential]) -> None:
        first = sounds[0]
        self.samplerate, self.channels = int(first.samplerate), int(first.channels)
        self.subtype, self.format = str(first.subtype), str(first.format)
        self.frames = sum(int(sound.frames) for sound in sounds)
        self._left = list(sounds)

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = False) -> NDArray[Any]:
        """The next frames of the sound that is on; it gives fewer where it ends."""
        while self._left:
            block: NDArray[Any] = self._left[0].read(frames, dtype=dtype, always_2d=True)
            if len(block):
                return block
            self._left.pop(0)
        return np.empty((0, self.channels), dtype)


def audio_length(path: AnyPath) -> int:
    """How many frames a sound file has: as its header says, or counted where it leaves that open.

    Errors as in `read_audio`.
    """
    with reading(path) as sound:
        if not is_open_ended(sound):
            return int(sound.frames)
        state = Path(path).stat()
        known = _counted.get((str(path), state.st_mtime_ns, state.st_size))
        frames = sum(map(len, sound_blocks(sound, path))) if known is None else known
        _counted.clear()  # a command asks for the same file's again
        _counted[(str(path), state.st_mtime_ns, state.st_size)] = frames
        return frames


def is_open_ended(sound: Sound) -> bool:
    """Whether its length is not known; an OGG must say it."""
    return bool(sound.frames == UNKNOWN and sound.format != "OGG")


@contextmanager
def reading(path: AnyPath) -> Iterator[Sound]:
    """An open sound file, for reading block by block. Errors as in `read_audio`."""
    file = need_file(path, "a sound")
    with ExitStack() as stack:
        with decoding(file, "sound"):
            if file.stat().st_size == 0:
                raise FormatError(f"{file}: need a sound file, got 0 bytes")
            sound = _opened(file, stack)
            if sound.samplerate < 1 or sound.channels < 1:
                raise FormatError(f"need a rate and channels, got {sound.samplerate} Hz and {sound.channels} channels")
        yield sound


def _opened(file: Path, stack: ExitStack) -> Sound:
    if is_film(file):
        return open_film(file, stack)
    patches = mended(file)
    try:
        with decoder_words() if _may_be_mp3(file) else nullcontext():
            sound = stack.enter_context(_Sequential(_view(file, stack, patches=patches) if patches else file))
    except soundfile.LibsndfileError as error:
        raise FormatError(
            f"{file}: need a sound file (WAV, FLAC, OGG, MP3), got {error.error_string.rstrip('.')}"
        ) from error
    if sound.format == "MP3":
        return _counted_mp3(file, sound, stack)
    if sound.format == "OGG":
        return _all_streams(file, sound, stack)
    return sound  # type: ignore[no-any-return]


def _may_be_mp3(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(3)
    return head == b"ID3" or head[:1] == b"\xff" or file.suffix.lower() == ".mp3"


def _view(file: Path, stack: ExitStack, **options: Any) -> ByteView:
    stream = stack.enter_context(file.open("rb"))
    return ByteView(stream, **options)


def _counted_mp3(file: Path, sound: _Sequential, stack: ExitStack) -> Sound:
    """The sound, if a Xing frame counts it; else opened anew, without a guess of its length."""
    with file.open("rb") as stream:
        found = audio_mp3.extent(stream)
    if found.counted:
        return HeardMp3(sound, file)
    if found.behind_xing:
        note(f"{file}: holds {found.behind_xing} bytes behind those that its Xing frame counts; all are taken")
    view = _view(file, stack, begin=found.begin, end=found.end, length=_FAR_END)
    with decoder_words():
        again = stack.enter_context(_Sequential(view))
    return HeardMp3(OpenMp3(again, view, file), file)


def _all_streams(file: Path, sound: _Sequential, stack: ExitStack) -> Sound:
    """An OGG, of one stream or of several one behind the other; what it says of a file cut short is told."""
    with file.open("rb") as stream:
        found = audio_ogg.look(stream)
    if found.cut:
        raise FormatError(f"{file}: need whole pages, got a last one without its end; the file was cut short")
    if sound.frames == 0 and not found.ended:
        raise FormatError(f"{file}: need pages of samples, got none; the file was cut short")
    if not found.ended:
        note(f"{file}: its last page does not end the stream, so it may have been cut short; what is there is taken")
    if len(found.begins) < 2:
        return sound
    ends = (*found.begins[1:], None)
    views = [_view(file, stack, begin=begin, end=end) for begin, end in zip(found.begins, ends, strict=True)]
    streams = [stack.enter_context(_Sequential(view)) for view in views]
    if len({(stream.samplerate, stream.channels) for stream in streams}) > 1:
        note(f"{file}: holds {len(streams)} streams of several rates or channels; only the first is taken")
        return streams[0]  # type: ignore[no-any-return]
    return _Joined(streams)


def sound_blocks(
    sound: Sound, path: AnyPath, frames: int = BLOCK_FRAMES
) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """The samples in order, at most `frames` at a time, fewer of very many channels; always with a channel axis.

    Raises:
        FormatError: the file ends before the length in its header, or cannot be decoded.
    """
    claimed, got = sound.frames, 0
    frames = max(1, min(frames, _BLOCK_SAMPLES // sound.channels))
    steps = sound.subtype == "PCM_16"  # scaled here in a third of libsndfile's time, to the same numbers
    sure = claimed > 0 and not is_open_ended(sound)
    while not sure or got < claimed:  # what is behind the samples, such as a tag, is none of the decoder's
        wanted = min(frames, claimed - got) if sure else frames
        with decoding(path, f"sound after frame {got}"):
            block = sound.read(wanted, dtype="int16" if steps else "float32", always_2d=True)
        if len(block) == 0:
            break
        got += len(block)
        yield np.multiply(block, np.float32(1 / 32768), dtype=np.float32) if steps else block
    if got == 0 and sound.format == "FLAC" and is_open_ended(sound):
        raise FormatError(f"{path}: need frames of sound behind its header, got none; the file was cut short")
    if sure and got < claimed:
        raise FormatError(
            f"{path}: need the {claimed} frames that its header claims, got {got}; the file was cut short"
        )
