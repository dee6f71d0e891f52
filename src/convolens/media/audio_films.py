"""The sound of films, M4A, AAC and WebM, through PyAV (FFmpeg), block by block in constant memory.

Only containers that are known by their first bytes are opened, each by its own reader and with no other protocol than
the file itself: FFmpeg also knows playlists, which would name other files and addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convolens.errors import FormatError
from convolens.media.notes import note

SUFFIXES = (".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".webm", ".avi", ".wma", ".wmv", ".3gp")
_UNKNOWN = 2**63 - 1
_SHORT = 0.25  # seconds that the sound may be shorter than its header says: encoders pad, and FFmpeg takes it off


def _reader(head: bytes) -> str | None:
    """What FFmpeg calls the container that begins so."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"\x30\x26\xb2\x75":
        return "asf"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ADTS; layer 0, which no MP3 has
        return "aac"
    return None


def is_film(file: Path) -> bool:
    """Whether the file is a container that libsndfile does not read."""
    with file.open("rb") as stream:
        return _reader(stream.read(12)) is not None


def open_film(file: Path, stack: ExitStack) -> Film:
    """The first sound of the file.

    Raises:
        FormatError: PyAV is not installed, or there is no sound in it.
    """
    if find_spec("av") is None:
        raise FormatError(f"{file}: need PyAV for the sound of M4A, AAC and films; pip install 'convolens[media]'")
    import av

    with file.open("rb") as stream:
        reader = _reader(stream.read(12))
    container = stack.enter_context(
        av.open(str(file), format=reader, options={"protocol_whitelist": "file"}, metadata_errors="replace")
    )
    if not container.streams.audio:
        raise FormatError(f"{file}: need a sound, got a film without any")
    if len(container.streams.audio) > 1:
        note(f"{file}: holds {len(container.streams.audio)} sounds side by side; only the first is taken")
    return Film(container, str(reader).upper())


def _is_cover(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _seconds(container: Any) -> float:
    """How long the header says that the sound is; Matroska's says it of the whole film, which is its only sound's."""
    stream = container.streams.audio[0]
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000 if len(container.streams) == 1 else 0.0


class Film:
    """A sound that PyAV decodes, with soundfile's names."""

    def __init__(self, container: Any, kind: str) -> None:
        stream = container.streams.audio[0]
        self.samplerate, self.channels = int(stream.rate), len(stream.layout.channels)
        self.subtype, self.format, self.frames = str(stream.codec_context.name).upper(), kind, _UNKNOWN
        self.speakers = [channel.name for channel in stream.layout.channels]
        self.tags = {**container.metadata, **stream.metadata}
        self.has_cover = any(_is_cover(one) for one in container.streams.video)
        self._pieces, self._left = self._decoded(container), np.empty((0, self.channels), np.float32)
        self._got = 0
        self._needed = _seconds(container)

    def _decoded(self, container: Any) -> Iterator[NDArray[np.float32]]:
        from av import AudioResampler

        stream = container.streams.audio[0]
        planes: Any = AudioResampler(format="fltp", layout=stream.layout, rate=self.samplerate)
        for frame in container.decode(stream):
            for whole in planes.resample(frame):
                self._got += whole.samples
                yield whole.to_ndarray().T
        for whole in planes.resample(None):
            self._got += whole.samples
            yield whole.to_ndarray().T
        self._check_end()

    def _check_end(self) -> None:
        got = self._got / self.samplerate
        if got < self._needed - _SHORT:
            raise FormatError(
                f"need the {self._needed:.2f} s of sound that its header claims, got {got:.2f} s; "
                "the file was cut short"
            )

    def read(self, frames: int = -1, dtype: str = "float32", always_2d: bool = False) -> NDArray[Any]:
        """The next frames as float32; fewer at the end, and none behind it."""
        pieces, held = [self._left], len(self._left)
        while held < frames and (piece := next(self._pieces, None)) is not None:
            pieces.append(piece)
            held += len(piece)
        joined = np.concatenate(pieces)
        self._left = joined[frames:]
        return np.ascontiguousarray(joined[:frames])
