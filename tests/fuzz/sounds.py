"""Sounds: the formats that are read, of a few hundred frames each."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from random import Random

import av
import numpy as np
import soundfile

from convolens.media.audio import read_audio
from convolens.media.audio_extras import read_extras
from convolens.media.audio_reading import audio_length
from tests.fuzz.blocks import join_mp3, split_mp3
from tests.fuzz.containers import (
    Join,
    Split,
    change_boxes,
    change_chunks,
    join_flac,
    join_ogg,
    join_riff,
    split_flac,
    split_ogg,
    split_riff,
)
from tests.fuzz.form import Change, Format, with_notes
from tests.fuzz.mutators import damaged

FRAMES = 300
WAVE = np.sin(np.arange(2 * FRAMES).reshape(FRAMES, 2) / 7).astype(np.float32) * 0.5


def encoded(kind: str, subtype: str | None = None, samples: np.ndarray = WAVE, rate: int = 8000) -> bytes:
    """A sound as libsndfile writes it, with two tags where the format has them."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", rate, samples.shape[1], subtype, format=kind) as out:
        if kind not in ("MP3", "AU", "W64", "CAF", "RF64"):
            out.title, out.artist = "a title", "somebody"
        out.write(samples)
    return stream.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


@cache
def wav_seeds() -> list[bytes]:
    """Whole numbers of all depths, floats, µ-law, ADPCM; extensible, RF64, streamed, with chunks of all kinds."""
    found = [encoded("WAV", one) for one in ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM", "IMA_ADPCM")]
    found += [encoded("WAVEX", "PCM_16"), encoded("RF64", "PCM_16"), encoded("WAV", "DOUBLE", WAVE[:, :1])]
    more = _chunk(b"cue ", struct.pack("<IIIIIII", 1, 1, 0, 0x61746164, 0, 0, 10)) + _chunk(b"smpl", bytes(60))
    more += _chunk(b"LIST", b"adtl" + _chunk(b"labl", bytes(4) + b"here\0")) + _chunk(b"bext", bytes(602))
    more += _chunk(b"LIST", b"INFO" + _chunk(b"INAM", b"name\0\0") + _chunk(b"IXYZ", b"other\0"))
    found.append(found[0] + more)
    at = found[0].index(b"data") + 4
    found.append(found[0][:at] + b"\xff\xff\xff\xff" + found[0][at + 4 :])
    return found


@cache
def aiff_seeds() -> list[bytes]:
    """AIFF and AIFC."""
    return [encoded("AIFF", "PCM_16"), encoded("AIFF", "PCM_24"), encoded("AIFF", "FLOAT"), encoded("AIFF", "ULAW")]


@cache
def flac_seeds() -> list[bytes]:
    """With comments, a cover, and without a length."""
    plain = encoded("FLAC", "PCM_16")
    head, chunks = split_flac(plain)
    cover = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 1, 1, 24, 0, 4) + b"\x89PNG"
    comments = struct.pack("<I", 0) + struct.pack("<I", 2)
    for text in (b"TITLE=a", b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x3"):
        comments += struct.pack("<I", len(text)) + text
    with_more = [chunks[0], type(chunks[0])(b"\4", comments), type(chunks[0])(b"\6", cover), chunks[-1]]
    open_ended = bytearray(plain)
    open_ended[21:26] = bytes([open_ended[21] & 0xF0, 0, 0, 0, 0])
    return [plain, encoded("FLAC", "PCM_24", WAVE[:, :1]), join_flac(head, with_more), bytes(open_ended)]


@cache
def ogg_seeds() -> list[bytes]:
    """Vorbis and Opus; two streams one behind the other."""
    vorbis, opus = encoded("OGG", "VORBIS"), encoded("OGG", "OPUS")
    return [vorbis, opus, vorbis + encoded("OGG", "VORBIS", WAVE[:100]), vorbis + opus]


@cache
def mp3_seeds() -> list[bytes]:
    """With a Xing frame, without, and with tags on both sides."""
    whole = encoded("MP3", None, np.tile(WAVE, (8, 1)))
    frame = 4 + whole.find(b"\xff\xfb", 4) - 4
    tag = b"ID3\x04\0\0\0\0\0\x15TIT2\0\0\0\x0b\0\0\x03a long one"
    return [whole, whole[max(frame, 0) :], tag + whole, tag + whole[max(frame, 0) :] + b"TAG" + bytes(125)]


@cache
def other_seeds() -> list[bytes]:
    """AU, W64, CAF."""
    return [encoded(kind, "PCM_16") for kind in ("AU", "W64", "CAF")] + [
        encoded("AU", "FLOAT"),
        encoded("CAF", "ALAC_16"),
    ]


@cache
def film_seeds() -> list[bytes]:
    """M4A, Matroska, WebM, AVI, ADTS and ASF, by FFmpeg."""
    found = []
    kinds = (("ipod", "aac"), ("matroska", "pcm_s16le"), ("webm", "libopus"), ("avi", "pcm_s16le"), ("adts", "aac"))
    for kind, codec in (*kinds, ("asf", "wmav2")):
        stream = io.BytesIO()
        with av.open(stream, "w", format=kind) as out:
            track = out.add_stream(codec, rate=48000, layout="stereo")
            track.bit_rate = 64000
            for _ in range(3):
                samples = np.ascontiguousarray(np.tile(WAVE.T, 4)[:, : track.codec_context.frame_size or 960])
                planar = track.codec_context.format.is_planar
                values = (
                    samples if track.codec_context.format.name.startswith("flt") else (samples * 9000).astype(np.int16)
                )
                values = values if planar else values.T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(values), format=track.codec_context.format.name, layout="stereo"
                )
                frame.rate = 48000
                out.mux(track.encode(frame))
            out.mux(track.encode())
        found.append(stream.getvalue())
    return found


def change_film(data: bytes, luck: Random) -> bytes:
    """Boxes where the film has some; chunks of an AVI; the bytes of others."""
    if data[4:8] == b"ftyp":
        return change_boxes(data, luck)
    return change_chunks(split_riff, join_riff)(data, luck) if data[:4] == b"RIFF" else damaged(data, luck)


def read_sound(path: Path, seeds: list[bytes] | None = None) -> None:
    """Samples, their number and what is beside them; what a file cut short has is refused, noted, or all there was."""
    (samples, rate), notes = with_notes(lambda: read_audio(path))
    assert samples.dtype == np.float32, samples.dtype
    assert samples.ndim == 1 or (samples.ndim == 2 and samples.shape[1] > 1), samples.shape
    assert rate > 0, rate
    assert len(samples) == audio_length(path), (samples.shape, audio_length(path))
    read_extras(path)
    data = path.read_bytes()
    whole = next((seed for seed in seeds or () if len(data) < len(seed) and seed.startswith(data)), None)
    if whole is not None and data not in seeds and not notes:
        path.write_bytes(whole)
        assert np.array_equal(samples, read_audio(path)[0], equal_nan=True), (
            f"cut to {len(data)} of {len(whole)} bytes, not a word"
        )


def _sound(suffix: str, seeds: object, change: Change) -> Format:
    def echo(path: Path, out: Path) -> list[object]:
        return [
            "echo",
            path,
            out / f"a{path.suffix if path.suffix in WRITTEN else '.wav'}",
            "--delay",
            0.01,
            "--weight",
            0.5,
        ]

    def reverb(path: Path, out: Path) -> list[object]:
        return ["reverb", path.with_name("whole.wav"), path, out / "a.wav"]

    def reverb_of(path: Path, out: Path) -> list[object]:
        return ["reverb", path, path.with_name("whole.wav"), out / "a.flac", "--normalize"]

    def unecho(path: Path, out: Path) -> list[object]:
        return ["unecho", path, out / "a.wav", "--delay", 0.01, "--weight", 0.5]

    def convolve(path: Path, out: Path) -> list[object]:
        return ["convolve", path.with_name("whole.wav"), path, out / "a.wav"]

    return Format(
        f"case{suffix}",
        seeds,
        change,
        partial(_read, seeds),
        stage=lambda folder: (folder / "whole.wav").write_bytes(wav_seeds()[0]) and None,
        commands=(echo, reverb, reverb_of, unecho, convolve),
    )


def _read(seeds: object, path: Path) -> None:
    read_sound(path, [seed for seed in seeds() if seed not in (flac_seeds()[3], *mp3_seeds()[1::2])])  # of no length


WRITTEN = (".wav", ".flac", ".ogg", ".mp3", ".aiff")


def _chunked(split: Split, join: Join) -> Change:
    return change_chunks(split, join)


FORMATS = {
    "wav": _sound(".wav", wav_seeds, _chunked(split_riff, join_riff)),
    "aiff": _sound(".aiff", aiff_seeds, _chunked(split_riff, join_riff)),
    "flac": _sound(".flac", flac_seeds, _chunked(split_flac, join_flac)),
    "ogg": _sound(".ogg", ogg_seeds, _chunked(split_ogg, join_ogg)),
    "mp3": replace(_sound(".mp3", mp3_seeds, _chunked(split_mp3, join_mp3)), turns=2),
    "au w64 caf": _sound(".au", other_seeds, damaged),
    "film": replace(_sound(".m4a", film_seeds, change_film), read=read_sound),
}
