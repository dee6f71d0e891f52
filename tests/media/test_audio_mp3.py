"""MP3s with and without a frame that counts them: what is there is taken, whatever libsndfile guesses."""

import io
import os
from functools import cache

import numpy as np
import pytest
import soundfile

from convolens.errors import FileNote, FormatError
from convolens.media import audio_mp3, audio_reading
from convolens.media.audio import read_audio
from convolens.media.audio_reading import audio_length
from convolens.media.decoder_words import decoder_words


def tone(seconds, rate):
    """Half of it silent: an encoder of variable rate spends few bits there."""
    at = np.arange(round(seconds * rate))
    loud = at > len(at) // 2
    noise = np.random.default_rng(0).normal(size=len(at))
    return ((0.3 * np.sin(at * 0.05) + 0.2 * noise) * loud).astype(np.float32)


@cache
def mp3(seconds=3, rate=44100, channels=1, mode="VARIABLE"):
    """The bytes of an MP3 with its Xing frame, and of the same without."""
    file = io.BytesIO()
    samples = np.repeat(tone(seconds, rate)[:, None], channels, axis=1)
    with soundfile.SoundFile(file, "w", rate, channels, format="MP3", bitrate_mode=mode, compression_level=0.5) as out:
        for start in range(0, len(samples), 1 << 15):
            out.write(samples[start : start + (1 << 15)])
    whole = file.getvalue()
    head = audio_mp3.extent(io.BytesIO(whole)).begin
    first = audio_mp3._frame_bytes(whole[head : head + 4])
    assert b"Xing" in whole[head : head + first] or b"Info" in whole[head : head + first]
    return whole, whole[head + first :]


def frames_of(data):
    """How many packets the bytes hold, walked by their heads."""
    at, count = 0, 0
    while at + 4 <= len(data) and (size := audio_mp3._frame_bytes(data[at : at + 4])):
        at, count = at + size, count + 1
    assert at == len(data)
    return count


@pytest.mark.parametrize(("rate", "packet"), [(44100, 1152), (48000, 1152), (22050, 576), (11025, 576)])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
def test_without_a_xing_frame_every_packet_is_decoded(tmp_path, rate, packet, mode, channels):
    _, bare = mp3(rate=rate, channels=channels, mode=mode)
    (tmp_path / "a.mp3").write_bytes(bare)
    samples, found = read_audio(tmp_path / "a.mp3")
    assert found == rate and len(samples) == packet * frames_of(bare) == audio_length(tmp_path / "a.mp3")
    start, _ = read_audio(tmp_path / "a.mp3", seconds=2.5)
    np.testing.assert_array_equal(start, samples[: round(2.5 * rate)])


@pytest.mark.parametrize("tag", [b"ID3\x04\0\0\0\0\x02\0" + bytes(256), b"", b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)])
@pytest.mark.parametrize(
    "behind", [b"", b"TAG" + bytes(125), b"APETAGEX" + b"\xd0\x07\0\0" + b"\x20\0\0\0" + bytes(16)]
)
def test_tags_on_both_sides_are_no_sound(tmp_path, tag, behind):
    _, bare = mp3()
    (tmp_path / "a.mp3").write_bytes(tag + bare + behind)
    assert len(read_audio(tmp_path / "a.mp3")[0]) == 1152 * frames_of(bare)


def test_with_a_xing_frame_the_sound_has_the_length_that_went_in(tmp_path):
    whole, _ = mp3(seconds=2)
    (tmp_path / "a.mp3").write_bytes(whole)
    assert len(read_audio(tmp_path / "a.mp3")[0]) == 88200


def test_a_xing_frame_of_a_file_cut_short_is_believed(tmp_path):
    whole, _ = mp3()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"cut\.mp3: (need the 132300 frames that its header claims|damaged sound)"):
        read_audio(tmp_path / "cut.mp3")


def test_files_joined_by_their_bytes_are_read_to_the_end_with_a_note(tmp_path):
    whole, bare = mp3()
    (tmp_path / "two.mp3").write_bytes(whole + whole)
    with pytest.warns(FileNote, match=r"two\.mp3: holds \d+ bytes behind those that its Xing frame counts"):
        samples, _ = read_audio(tmp_path / "two.mp3")
    assert len(samples) == 1152 * (2 * frames_of(bare) + 1)


def test_half_a_packet_at_the_end_costs_only_itself(tmp_path):
    _, bare = mp3()
    last = bare.rfind(bare[:2])
    (tmp_path / "rip.mp3").write_bytes(bare[: last + (len(bare) - last) // 2])
    with pytest.warns(FileNote, match=r"rip\.mp3: ends within a packet"):
        assert len(read_audio(tmp_path / "rip.mp3")[0]) >= 1152 * (frames_of(bare[:last]) - 1)


def test_a_hole_that_the_decoder_does_not_pass_is_no_end(tmp_path):
    _, bare = mp3(seconds=6)
    (tmp_path / "hole.mp3").write_bytes(bare[:20000] + bytes(100_000) + bare[20000:])
    with pytest.raises(FormatError, match=r"hole\.mp3: (damaged sound after frame \d+|need a packet of sound, got)"):
        read_audio(tmp_path / "hole.mp3")


def test_what_the_decoder_says_of_damage_is_a_note_and_no_chatter(tmp_path, capfd):
    whole, bare = mp3(seconds=6)
    for name, data, frames in (("a.mp3", whole, 6 * 44100), ("b.mp3", bare, 1152 * frames_of(bare))):
        at = data.rindex(bare[:2], 0, len(data) - 5000)
        (tmp_path / name).write_bytes(data[: at + 4] + b"\xfe" * 17 + data[at + 21 :])  # impossible side information
        with pytest.warns(FileNote, match=rf"{name}: is damaged, first after frame \d+; it is taken as far as") as told:
            assert len(read_audio(tmp_path / name)[0]) == frames
        assert len(told) == 1
    assert capfd.readouterr().err == ""


def test_other_words_on_stderr_are_passed_on_in_order(capfd):
    with decoder_words() as damage:
        os.write(
            2, b"50%\rnote: ours\nNote: Illegal Audio-MPEG-Header 0x0 at offset 1.\nNote: of another\nWarning: too\nend"
        )
    assert damage.told
    assert capfd.readouterr().err == "50%\rnote: ours\nNote: of another\nWarning: too\nend"
    with decoder_words() as damage:
        os.write(2, b"[src/libmpg123/id3.c:f():1] error: Bad tag\nNote: Trying to resync...\n")
    assert not damage.told and capfd.readouterr().err == ""


def test_a_length_that_was_counted_is_not_counted_again_for_the_same_file(tmp_path, monkeypatch):
    _, bare = mp3()
    (tmp_path / "a.mp3").write_bytes(bare)
    frames = audio_length(tmp_path / "a.mp3")
    with monkeypatch.context() as patch:
        patch.setattr(audio_reading, "sound_blocks", None)
        assert audio_length(tmp_path / "a.mp3") == frames
    (tmp_path / "a.mp3").write_bytes(bare + bare)
    assert audio_length(tmp_path / "a.mp3") == 2 * frames
