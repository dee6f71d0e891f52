"""What a sound file says beside its samples, from file to file: kept where there is a place for it, else named."""

import re
import struct
import warnings

import numpy as np
import pytest
import soundfile

from convolens.effects.sounds.files import change_sound_file
from convolens.errors import FileNote
from convolens.media import audio_extras, audio_id3, audio_parts
from convolens.media.audio import read_audio
from convolens.media.audio_extras import read_extras
from convolens.media.audio_headers import chunks

TAGS = {"title": "Füße", "artist": "Someone", "album": "Somewhere", "date": "1999", "genre": "Test", "comment": "none"}


def copied(source, target):
    """Through the command's own way, unchanged; and the notes that were made."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        change_sound_file(source, target, lambda blocks, rate: blocks)
    return [str(note.message) for note in notes]


def sound(path, channels=2, tags=TAGS, **options):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (4001, channels))
    with soundfile.SoundFile(path, "w", 8000, channels, **options) as out:
        for name, text in tags.items() if path.suffix != ".mp3" else ():
            setattr(out, name, text)
        out.write(samples)
    if tags and path.suffix == ".mp3":
        path.write_bytes(audio_id3.write(tags) + path.read_bytes())
    return path


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def with_chunks(path, *chunks):
    """The WAV with further chunks behind its samples."""
    data = path.read_bytes() + b"".join(chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def chunks_of(path):
    with path.open("rb") as file:
        file.seek(12)
        return {name: file.read(size) for name, size in audio_parts.chunks(file, "little")}


@pytest.mark.parametrize("source", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
@pytest.mark.parametrize("target", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
def test_every_tag_is_kept_or_named(tmp_path, source, target):
    path = sound(tmp_path / f"in{source}")
    held = audio_extras._tags_of(path)
    assert held["title"] == TAGS["title"] and held["artist"] == TAGS["artist"]
    notes = copied(path, tmp_path / f"out{target}")
    there = audio_extras._tags_of(tmp_path / f"out{target}")
    lost = [name for name, text in held.items() if there.get(name) != text]
    assert bool(lost) == bool(notes)
    assert all(name in notes[0] for name in lost)
    assert there["title"] == TAGS["title"] and there["artist"] == TAGS["artist"]
    if target in (".flac", ".ogg"):
        assert not lost


@pytest.mark.parametrize("mask", [0x33, 0x603, 0x107, 0x60F, 0x3F, 0x4])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_the_speakers_of_a_wav_are_kept(tmp_path, mask, subtype):
    channels = mask.bit_count()
    path = sound(tmp_path / "in.wav", channels, {}, format="WAVEX", subtype=subtype)
    audio_parts.set_speakers(path, mask)
    assert not copied(path, tmp_path / "out.wav")
    assert read_extras(tmp_path / "out.wav").speakers in (mask, None if channels == 1 else mask)
    np.testing.assert_array_equal(read_audio(tmp_path / "out.wav")[0], read_audio(path)[0])


def test_the_speakers_of_a_flac_are_those_of_the_wav_made_of_it_and_back(tmp_path):
    path = sound(tmp_path / "in.flac", 6, {})
    assert not copied(path, tmp_path / "out.wav")
    assert read_extras(tmp_path / "out.wav").speakers == 0x3F
    assert not copied(tmp_path / "out.wav", tmp_path / "back.flac")
    audio_parts.set_speakers(tmp_path / "out.wav", 0x60F)  # at the sides, which a FLAC does not say
    assert "the speakers of its channels" in copied(tmp_path / "out.wav", tmp_path / "side.flac")[0]


@pytest.mark.parametrize("target", [".aiff", ".ogg"])
def test_speakers_that_a_format_does_not_name_are_named_as_lost(tmp_path, target):
    path = sound(tmp_path / "in.wav", 4, {}, format="WAVEX")
    audio_parts.set_speakers(path, 0x33)
    (note,) = copied(path, tmp_path / f"out{target}")
    assert note == f"{tmp_path}/out{target}: has no place for what {path} holds beside its samples: " \
        "the speakers of its channels"  # fmt: skip


def test_cue_points_loops_and_broadcast_data_stay_in_a_wav_byte_for_byte(tmp_path):
    cue = struct.pack("<I", 1) + struct.pack("<II4sIII", 1, 1000, b"data", 0, 0, 1000)
    loop = struct.pack("<9I", 0, 0, 125000, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 100, 2000, 0, 0)
    bext = b"a recording".ljust(602, b"\0") + b"A=PCM"
    names = b"adtl" + chunk(b"labl", struct.pack("<I", 1) + b"verse\0")
    info = b"INFO" + chunk(b"INAM", b"a song\0") + chunk(b"IENG", b"an engineer\0")
    wanted = {b"cue ": cue, b"smpl": loop, b"bext": bext, b"iXML": b"<x/>", b"LIST": names}
    path = with_chunks(sound(tmp_path / "in.wav", tags={}), *(chunk(name, data) for name, data in wanted.items()))
    assert not copied(path, tmp_path / "out.wav")
    assert chunks_of(tmp_path / "out.wav").items() >= wanted.items()
    np.testing.assert_array_equal(read_audio(tmp_path / "out.wav")[0], read_audio(path)[0])
    with_chunks(path, chunk(b"LIST", info))
    (note,) = copied(path, tmp_path / "out.flac")
    for name in ("cue points", "loops", "broadcast data", "names of cue points", "chunk 'iXML'", "text 'IENG'"):
        assert name in note
    assert audio_extras._tags_of(tmp_path / "out.flac")["title"] == "a song"


@pytest.mark.parametrize(
    ("claimed", "told"), [(0, "400 bytes|800 bytes of them follow"), (8, "792 bytes behind the 8")]
)
@pytest.mark.parametrize("target", ["b.wav", "b.flac"])
def test_samples_behind_what_a_header_claims_are_no_chunk(tmp_path, claimed, told, target):
    soundfile.write(tmp_path / "a.wav", np.arange(1000, 1400, dtype=np.int16), 8000, "PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[40:44] = claimed.to_bytes(4, "little")  # as programs leave it that never fill it in, or too early
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.warns(FileNote) as notes:
        change_sound_file(tmp_path / "a.wav", tmp_path / target, lambda blocks, rate: blocks)
    assert {bool(re.search(told, str(one.message))) for one in notes} == {True}  # and no chunk that has no place
    samples, _ = soundfile.read(tmp_path / target, dtype="int16")
    np.testing.assert_array_equal(samples, range(1000, 1400) if claimed == 0 else range(1000, 1004))
    if target == "b.wav":
        with (tmp_path / target).open("rb") as stream:
            stream.seek(12)
            assert [name for name, _ in chunks(stream, "little")] == [b"fmt ", b"data"]


def test_odd_chunks_and_a_long_wav_keep_their_chunks_too(tmp_path, monkeypatch):
    from convolens.media import audio_writing

    path = with_chunks(sound(tmp_path / "in.wav", 1, {}, subtype="PCM_U8"), chunk(b"odd ", b"123"))
    assert not copied(path, tmp_path / "out.wav")
    assert chunks_of(tmp_path / "out.wav")[b"odd "] == b"123"
    monkeypatch.setattr(audio_writing, "WAV_BYTES", 0)
    assert not copied(path, tmp_path / "long.wav")
    assert soundfile.info(tmp_path / "long.wav").format == "RF64"
    assert audio_parts.read(tmp_path / "long.wav", "WAV").parts == audio_parts.read(path, "WAV").parts
    assert len(read_audio(tmp_path / "long.wav")[0]) == 4001


def flac_block(kind, data):
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def test_all_that_a_flac_says_stays_in_a_flac_and_the_rest_is_named(tmp_path):
    path = sound(tmp_path / "in.flac")
    comments = b"".join(struct.pack("<I", len(c)) + c for c in (b"TITLE=t", b"COMPOSER=somebody", b"MOOD=blue"))
    block = flac_block(4, struct.pack("<I", 1) + b"x" + struct.pack("<I", 3) + comments)
    picture = flac_block(6, struct.pack(">II", 3, 9) + b"image/png" + bytes(20) + b"\0\0\0\x05pixel")
    audio_parts._add_flac_blocks(path, [block, picture])
    assert not copied(path, tmp_path / "out.flac")
    with (tmp_path / "out.flac").open("rb") as file:
        assert dict(audio_parts._flac_blocks(file))[4][4:] == block[4:]
    assert picture[4:] in (tmp_path / "out.flac").read_bytes()
    np.testing.assert_array_equal(read_audio(tmp_path / "out.flac")[0], read_audio(path)[0])
    (note,) = copied(path, tmp_path / "out.ogg")
    assert "cover picture, COMPOSER, MOOD" in note and "TITLE" not in note


def test_an_id3_tag_stays_in_an_mp3_and_what_else_it_holds_is_named(tmp_path):
    frames = b"TIT2" + bytes([0, 0, 0, 5, 0, 0, 3]) + b"song" + b"APIC" + bytes([0, 0, 0, 5, 0, 0, 0]) + b"pict"
    tag = b"ID3\x04\0\0" + bytes([0, 0, 0, len(frames)]) + frames
    bare = sound(tmp_path / "bare.mp3", tags={})
    (tmp_path / "in.mp3").write_bytes(tag + bare.read_bytes()[bare.read_bytes().find(b"\xff\xe3") :])
    assert not copied(tmp_path / "in.mp3", tmp_path / "out.mp3")
    assert (tmp_path / "out.mp3").read_bytes().startswith(tag)
    assert len(read_audio(tmp_path / "out.mp3")[0]) == len(read_audio(tmp_path / "in.mp3")[0])
    (note,) = copied(tmp_path / "in.mp3", tmp_path / "out.wav")
    assert note.endswith("beside its samples: cover picture")
    assert audio_extras._tags_of(tmp_path / "out.wav")["title"] == "song"


def id3_frame(name, data):
    return name + audio_id3._as_synchsafe(len(data)) + bytes(2) + data


@pytest.mark.parametrize("source", [".aiff", ".wav", ".mp3"])
def test_the_texts_of_an_id3_tag_reach_other_formats(tmp_path, source):
    frames = id3_frame(b"TIT2", b"\1" + "Füße 足".encode("utf-16")) + id3_frame(b"TRCK", b"\x007/9\0")
    frames += (
        id3_frame(b"TPE1", b"\3One\0Two") + id3_frame(b"TXXX", b"\3comment\0a word") + id3_frame(b"TPE2", b"\3Many")
    )
    frames += id3_frame(b"PRIV", b"of the encoder") + id3_frame(b"COMM", b"\3engkind\0other")
    tag = b"ID3\x04\0\0" + audio_id3._as_synchsafe(len(frames)) + frames
    path = sound(tmp_path / f"in{source}", tags={})
    if source == ".mp3":
        path.write_bytes(tag + path.read_bytes())
    else:
        order = "little" if source == ".wav" else "big"
        name = b"id3 " if source == ".wav" else b"ID3 "
        audio_parts._append_chunks(path, name + len(tag).to_bytes(4, order) + tag + bytes(len(tag) % 2), order)
    (note,) = copied(path, tmp_path / "out.flac")
    assert note.endswith("beside its samples: album artist")
    found = audio_extras._tags_of(tmp_path / "out.flac")
    assert found == {"title": "Füße 足", "artist": "One; Two", "tracknumber": "7/9", "comment": "a word"}


@pytest.mark.parametrize(
    "tag", [b"", b"ID3", b"ID3\x02\0\0\0\0\0\x05TT2\0\0", b"ID3\x04\0\0\0\0\0\x7fTIT2\0\0\0\x7f\0\0\x09"]
)
def test_a_tag_that_is_none_says_nothing(tag):
    found = audio_id3.read(tag)
    assert found.tags == {} and found.names in (("ID3 tags",), ())


def test_a_track_number_as_most_programs_write_it_reaches_other_formats(tmp_path):
    info = chunk(b"LIST", b"INFO" + chunk(b"IPRT", b"7\0") + chunk(b"INAM", b"a song\0"))
    path = with_chunks(sound(tmp_path / "in.wav", tags={}), info)
    assert not copied(path, tmp_path / "out.ogg")
    assert audio_extras._tags_of(tmp_path / "out.ogg") == {"title": "a song", "tracknumber": "7"}


def test_comments_that_libsndfile_does_not_read_reach_other_formats(tmp_path):
    comments = b"".join(struct.pack("<I", len(c)) + c for c in (b"DESCRIPTION=a word", b"ARTIST=One", b"artist=Two"))
    path = sound(tmp_path / "in.flac", tags={})
    audio_parts._add_flac_blocks(path, [flac_block(4, struct.pack("<I", 0) + struct.pack("<I", 3) + comments)])
    assert not copied(path, tmp_path / "out.ogg")
    found = audio_extras._tags_of(tmp_path / "out.ogg")
    assert found["comment"] == "a word" and found["artist"] == "One; Two"


def test_the_speakers_of_an_ogg_are_named_where_its_order_would_be_forgotten(tmp_path):
    path = sound(tmp_path / "in.ogg", 6, {})
    assert not copied(path, tmp_path / "out.ogg")
    (note,) = copied(path, tmp_path / "out.wav")
    assert note.endswith("the speakers of its channels, which stay in the order of an OGG")


def test_bytes_are_put_into_a_file_longer_than_a_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_parts, "_PIECE", 7)
    whole = bytes(range(100))
    for removed, data in ((0, b"hello, world"), (20, b"short"), (5, b"12345"), (3, b"")):
        (tmp_path / "a").write_bytes(whole)
        audio_parts._insert(tmp_path / "a", 4, removed, data)
        assert (tmp_path / "a").read_bytes() == whole[:4] + data + whole[4 + removed :]
