"""MP3s as `audio_reading.Sound`: of unknown length, read to their end; and with what their decoder says of damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media.byte_view import ByteView
from convolens.media.decoder_words import decoder_words
from convolens.media.notes import note

UNKNOWN = 2**63 - 1  # what libsndfile says of a length that the header leaves open
_PIECE = 576  # frames: what the shortest packet of an MP3 gives


class OpenMp3:
    """An MP3 of unknown length, read to its end."""

    def __init__(self, sound: Any, view: ByteView, name: Path) -> None:
        self.samplerate, self.channels = int(sound.samplerate), int(sound.channels)
        self.subtype, self.format, self.frames = str(sound.subtype), "MP3", UNKNOWN
        self._sound, self._view, self._name, self._ended = sound, view, name, False

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = False) -> NDArray[Any]:
        """Packet by packet: libsndfile drops what it has decoded of a block in which the file ends."""
        pieces: list[NDArray[Any]] = []
        while frames > 0 and not self._ended:
            piece = self._piece(min(frames, _PIECE), dtype)
            pieces.append(piece)
            frames -= len(piece)
        return np.concatenate(pieces) if pieces else np.empty((0, self.channels), dtype)

    def _piece(self, frames: int, dtype: str) -> NDArray[Any]:
        left = self._view.held - self._view.reached
        try:
            piece: NDArray[Any] = self._sound.read(frames, dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError:
            if self._view.held > self._view.reached:
                raise
            piece = np.empty((0, self.channels), dtype)
            note(f"{self._name}: ends within a packet, of which nothing can be heard; all before it is taken")
        if len(piece) == 0:
            self._ended = True
            if left > _PIECE * 8:
                raise FormatError(f"need a packet of sound, got {left} bytes that are none, up to the end of the file")
        return piece


class HeardMp3:
    """An MP3 whose decoder's words of damage become a note, once."""

    def __init__(self, sound: Any, name: Path) -> None:
        self.samplerate, self.channels, self.frames = sound.samplerate, sound.channels, sound.frames
        self.subtype, self.format = sound.subtype, sound.format
        self._sound, self._name, self._got, self._told = sound, name, 0, False

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = False) -> NDArray[Any]:
        """The next frames."""
        with decoder_words() as damage:
            block: NDArray[Any] = self._sound.read(frames, dtype=dtype, always_2d=always_2d)
        if damage.told and not self._told:
            self._told = True
            note(f"{self._name}: is damaged, first after frame {self._got}; it is taken as far as it can be decoded")
        self._got += len(block)
        return block
