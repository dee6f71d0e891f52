"""ID3v2 tags, of MP3, AIFF and WAV: the texts that other formats know too, and the names of what else is in one.

ID3v2.3 and 2.4 (id3.org). A tag itself goes from file to file byte for byte, see `audio_parts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from convolens.media.audio_mp3 import synchsafe

_FRAMES = {
    "title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "genre": "TCON", "comment": "COMM",
    "copyright": "TCOP", "tracknumber": "TRCK",
}  # fmt: skip
_NAMES = {frame: name for name, frame in _FRAMES.items()} | {"TYER": "date"}
_OF_THE_ENCODER = ("TSSE", "TENC", "TLEN", "PRIV")
_WORDS = {"APIC": "cover picture", "TPE2": "album artist", "TCOM": "composer", "TPOS": "disc number", "USLT": "lyrics"}
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


class Tag(NamedTuple):
    """What a tag says."""

    tags: Mapping[str, str]  # under libsndfile's names
    names: tuple[str, ...]  # of all else, in words


def read(tag: bytes) -> Tag:
    """What a whole tag says, its head included; one of an older version is only named."""
    if tag[:3] != b"ID3" or tag[3:4] < b"\3":
        return Tag({}, ("ID3 tags",))
    tags: dict[str, str] = {}
    names = []
    for frame, data in _frames(tag):
        name, text = _NAMES.get(frame), _text(frame, data)
        if frame == "TXXX" and text.lower().startswith("comment\0"):  # where FFmpeg puts it
            name, text = "comment", text[8:]
        if name and text:
            tags.setdefault(name, text)
        elif frame not in _OF_THE_ENCODER and name is None:
            names.append(_WORDS.get(frame, f"ID3 frame {frame}"))
    return Tag(tags, tuple(names))


def _frames(tag: bytes) -> Iterator[tuple[str, bytes]]:
    at = 10
    while at + 10 <= len(tag) and tag[at : at + 4].isalnum():
        number = tag[at + 4 : at + 8]
        size = synchsafe(number) if tag[3] == 4 else int.from_bytes(number, "big")
        yield tag[at : at + 4].decode("ascii", "replace"), tag[at + 10 : at + 10 + size]
        at += 10 + size


def _text(frame: str, data: bytes) -> str:
    """What a frame of text says; of a comment that behind its language, where it is of no kind of its own."""
    if not data or data[0] >= len(_ENCODINGS) or not (frame.startswith("T") or frame == "COMM"):
        return ""
    text = data[4 if frame == "COMM" else 1 :].decode(_ENCODINGS[data[0]], "replace").rstrip("\0")
    if frame != "COMM":
        return text if frame == "TXXX" else text.replace("\0", "; ")
    kind, _, said = text.partition("\0")
    return "" if kind.strip("\ufeff") else said.strip("\ufeff")


def write(tags: Mapping[str, str]) -> bytes:
    """An ID3v2.4 tag of texts under libsndfile's names, in UTF-8."""
    frames = b""
    for name, text in tags.items():
        if frame := _FRAMES.get(name):
            data = b"\x03" + (b"und\0" if frame == "COMM" else b"") + text.encode("utf-8", "replace")
            frames += frame.encode() + _as_synchsafe(len(data)) + b"\0\0" + data
    return b"ID3\x04\0\0" + _as_synchsafe(len(frames)) + frames


def _as_synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
