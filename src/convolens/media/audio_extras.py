"""What a sound file says beside its samples: tags, speakers, cue points, loops, and where they go in another file.

Into a file of the same kind all of it goes as it is, byte for byte; into one of another kind, the tags that both know.
What finds no place is named, so that nothing goes without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from convolens.media import audio_id3, audio_parts
from convolens.media.audio_parts import Part
from convolens.media.audio_reading import reading
from convolens.media.decoder_words import decoder_words
from convolens.media.decoding import decoding
from convolens.media.files import AnyPath

# The speakers of a WAV's mask by the names that FFmpeg has for them (WAVEFORMATEXTENSIBLE, dwChannelMask).
_SPEAKERS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL")
# Which ones a FLAC of so many channels means (RFC 9639, 9.1.3).
_FLAC_MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
# libsndfile's ten, by what FFmpeg, FLAC and OGG call them.
_NAMES = {
    "title": "title", "artist": "artist", "album": "album", "date": "date", "genre": "genre", "comment": "comment",
    "copyright": "copyright", "license": "license", "track": "tracknumber", "tracknumber": "tracknumber",
    "description": "comment",
}  # fmt: skip
# What a file says of the program that wrote it, and of its own container; it is no fact of another file.
_OWN = {"encoder", "software", "major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id",
        "language", "duration", "creation_time", "waveformatextensible_channel_mask"}  # fmt: skip
_KINDS = {"WAV": "WAV", "WAVEX": "WAV", "RF64": "WAV", "AIFF": "AIFF", "FLAC": "FLAC", "MP3": "MP3"}


@dataclass(frozen=True)
class Extras:
    """What came with the samples of one file."""

    name: str  # of the file, for notes
    kind: str  # WAV, AIFF, FLAC, MP3, or what else it is
    channels: int
    tags: Mapping[str, str] = field(default_factory=dict)  # under libsndfile's names
    speakers: int | None = None  # a WAV's mask
    parts: tuple[Part, ...] = ()  # as they stand in the file, for one of the same kind
    others: tuple[str, ...] = ()  # tags and pictures that libsndfile does not know, in words


def read_extras(path: AnyPath) -> Extras:
    """What the sound file says beside its samples. Errors as in `read_audio`."""
    with reading(path) as sound:
        kind = _KINDS.get(sound.format, sound.format)
        if hasattr(sound, "tags"):
            return _of_film(str(path), kind, sound)
        known = audio_parts.read(Path(path), kind)
        with decoding(path, "sound"):
            tags = _tags_of(Path(path))
        speakers = known.speakers
        if kind == "FLAC" and speakers is None:
            speakers = _FLAC_MASKS.get(sound.channels)
        for name in sorted(known.tags, key=str.lower, reverse=True):  # of a description and a comment the latter
            if name.lower() in _NAMES:
                tags[_NAMES[name.lower()]] = known.tags[name]
        others = tuple(dict.fromkeys(name for name in known.names if name.lower() not in _NAMES | dict.fromkeys(_OWN)))
        return Extras(str(path), kind, sound.channels, tags, speakers, known.parts, others)


def _tags_of(file: Path) -> dict[str, str]:
    with decoder_words(), soundfile.SoundFile(file) as sound:
        return {name: str(text) for name, text in sound.copy_metadata().items() if name != "software"}


def _of_film(name: str, kind: str, sound: Any) -> Extras:
    tags, others = {}, []
    for key, text in sound.tags.items():
        if key.lower() in _NAMES:
            tags[_NAMES[key.lower()]] = text
        elif key.lower() not in _OWN:
            others.append(key.replace("_", " "))
    others += ["cover picture"] * sound.has_cover
    places = [1 << _SPEAKERS.index(place) for place in sound.speakers if place in _SPEAKERS]
    return Extras(name, kind, sound.channels, tags, sum(places) if len(places) == sound.channels else None,
                  others=tuple(others))  # fmt: skip


def wants_speakers(extras: Extras | None, channels: int) -> bool:
    """Whether a WAV of so many channels must say which speaker each is for: what it plainly means needs no mask."""
    if extras is None or extras.speakers is None or extras.channels != channels:
        return False
    return extras.speakers != {1: 0x4, 2: 0x3}.get(channels)


def set_tags(out: soundfile.SoundFile, extras: Extras | None, kind: str) -> None:
    """Gives the open file its tags, before any sample; those that come as they stand are added later."""
    if extras is None or kind == "MP3" or _as_it_stands(extras, kind):
        return  # libsndfile writes an MP3's in UTF-8 and says that it is Latin-1
    for name, text in extras.tags.items():
        setattr(out, name, text)


def _as_it_stands(extras: Extras, kind: str) -> bool:
    return kind == extras.kind and bool(extras.parts)


def add_parts(draft: Path, extras: Extras, kind: str, channels: int) -> None:
    """Puts into the finished file what comes from one of its kind, and the speakers into a WAV."""
    if _as_it_stands(extras, kind):
        audio_parts.add(draft, kind, extras.parts)
    elif kind == "MP3" and extras.tags:
        audio_parts.add(draft, kind, (Part("", audio_id3.write(extras.tags)),))
    if kind == "WAV" and wants_speakers(extras, channels):
        audio_parts.set_speakers(draft, int(extras.speakers or 0))


def lost_of(draft: Path, extras: Extras, kind: str, channels: int) -> list[str]:
    """In words, what of the extras is not in the finished file: it is read again to see."""
    lost = []
    if not _as_it_stands(extras, kind):
        there = _tags_of(draft)
        lost += [name for name, text in extras.tags.items() if not there.get(name, "").startswith(text)]
        lost += [part.name for part in extras.parts if part.name] + list(extras.others)
    if extras.kind == "OGG" and kind != "OGG" and channels > 2:
        lost.append("the speakers of its channels, which stay in the order of an OGG")
    spoken = {"WAV": extras.speakers, "FLAC": _FLAC_MASKS.get(channels)}.get(kind)
    if wants_speakers(extras, channels) and extras.speakers != spoken:
        lost.append("the speakers of its channels")
    return list(dict.fromkeys(lost))
