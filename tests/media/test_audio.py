import resource
import struct

import numpy as np
import pytest
import soundfile

from convolens.errors import ArgumentError, FileError, FileNote, FormatError, ShapeError
from convolens.media import audio_reading, audio_writing
from convolens.media.audio import read_audio, write_audio
from convolens.media.audio_writing import clipped, kept_subtype
from tests.file_size import files_of_at_most


def noise(frames=1000, channels=None, seed=0):
    shape = (frames,) if channels is None else (frames, channels)
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape).astype(np.float32)


@pytest.mark.parametrize("channels", [None, 1, 2, 3])
@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [("a.wav", "FLOAT", 0), ("a.wav", None, 2**-15), ("a.wav", "PCM_24", 2**-23), ("a.flac", "PCM_24", 2**-23)],
)
def test_samples_survive_a_file_to_within_its_encoding(tmp_path, channels, name, subtype, step):
    samples = noise(channels=channels)
    write_audio(tmp_path / name, samples, 44100, subtype=subtype)
    back, rate = read_audio(tmp_path / name)
    assert rate == 44100 and back.dtype == np.float32
    assert back.shape == ((1000,) if channels in (None, 1) else (1000, channels))
    np.testing.assert_allclose(back, samples.reshape(back.shape), atol=step, rtol=0)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_come_back_sounding_alike(tmp_path, name):
    tone = (0.5 * np.sin(np.arange(44100) * 0.05)).astype(np.float32)
    write_audio(tmp_path / name, tone, 44100)
    back, rate = read_audio(tmp_path / name)
    assert rate == 44100
    overlap = min(len(back), len(tone))
    assert overlap > 40000
    assert np.abs(np.fft.rfft(back[:overlap])).argmax() == np.abs(np.fft.rfft(tone[:overlap])).argmax()


def test_the_same_samples_whatever_the_block_size(tmp_path):
    write_audio(tmp_path / "a.wav", noise(1000, 2), 8000, subtype="FLOAT")
    for frames in (1, 7, 1000, 4096):
        with audio_reading.reading(tmp_path / "a.wav") as sound:
            blocks = list(audio_reading.sound_blocks(sound, "a.wav", frames))
        assert max(map(len, blocks)) <= frames
        np.testing.assert_array_equal(np.concatenate(blocks), noise(1000, 2))


def test_a_text_file_and_an_empty_file_named_wav_are_refused(tmp_path):
    (tmp_path / "text.wav").write_text("this is a letter, not a sound")
    with pytest.raises(FormatError, match=r"text\.wav: need a sound file \(WAV, FLAC, OGG, MP3\), got "):
        read_audio(tmp_path / "text.wav")
    (tmp_path / "empty.wav").touch()
    with pytest.raises(FormatError, match=r"empty\.wav: need a sound file, got 0 bytes"):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(FileError, match=r"gone\.wav: need a sound, found nothing there"):
        read_audio(tmp_path / "gone.wav")


def wav(samples, claimed, behind=b"", riff=0xFFFFFFFF):
    """A mono WAV of 16 bits whose header claims so many bytes."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 44100, 88200, 2, 16)
    data = np.asarray(samples, "<i2").tobytes()
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVE" + fmt + b"data" + struct.pack("<I", claimed)
    return head + data + behind


@pytest.mark.parametrize("claimed", [5000, 1_000_000, 0x7FFE0000])
def test_a_wav_that_claims_much_more_than_it_holds_is_refused(tmp_path, claimed):
    (tmp_path / "lie.wav").write_bytes(wav(range(50), claimed))
    with pytest.raises(
        FormatError, match=rf"lie\.wav: need the {claimed} bytes of samples .* got 100; the file was cut"
    ):
        read_audio(tmp_path / "lie.wav")


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0xFFFFFFD3, 0x7FFFF000, 0x80000000])
def test_a_wav_written_to_a_pipe_is_taken_to_its_end_with_a_note(tmp_path, claimed):
    (tmp_path / "pipe.wav").write_bytes(wav(range(50), claimed))
    with pytest.warns(FileNote, match=r"pipe\.wav: its header leaves the length open.* all 100 bytes"):
        samples, _ = read_audio(tmp_path / "pipe.wav")
    np.testing.assert_array_equal(samples * 32768, range(50))


@pytest.mark.parametrize("more", [1, 2, 8, 44, 128])
def test_a_wav_that_claims_a_few_bytes_too_many_is_taken_with_a_note(tmp_path, more):
    (tmp_path / "a.wav").write_bytes(wav(range(50), 100 + more))
    with pytest.warns(FileNote, match=rf"claims {100 + more} bytes of samples, {more} more than there are"):
        assert len(read_audio(tmp_path / "a.wav")[0]) == 50


@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("count", [1, 50, 4001])
def test_a_wav_whose_sizes_were_never_filled_in_is_taken_with_a_note(tmp_path, riff, count):
    (tmp_path / "a.wav").write_bytes(wav(range(1, count + 1), 0, riff=riff))
    with pytest.warns(FileNote, match=rf"claims no samples, and {2 * count} bytes of them follow; all are taken"):
        samples, _ = read_audio(tmp_path / "a.wav")
    np.testing.assert_array_equal(samples * 32768, range(1, count + 1))


@pytest.mark.parametrize("behind", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_wav_that_is_truly_empty_stays_so(tmp_path, behind):
    (tmp_path / "a.wav").write_bytes(wav([], 0, behind))
    assert len(read_audio(tmp_path / "a.wav")[0]) == 0


@pytest.mark.parametrize("told", [0, 2**63 - 1])
def test_an_rf64_that_was_written_to_a_pipe_is_taken_to_its_end_with_a_note(tmp_path, told):
    """As FFmpeg writes it: sizes of 0 in its first chunk, all ones in that of the samples."""
    samples = np.arange(-2000, 2001, dtype=np.int16)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, told, told, told, 0)
    head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    data = b"RF64\xff\xff\xff\xffWAVE" + sizes + head + b"data\xff\xff\xff\xff" + samples.tobytes()
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.warns(FileNote, match=r"a\.wav: its header leaves the length open"):
        found, _ = read_audio(tmp_path / "a.wav")
    np.testing.assert_array_equal(found, samples / np.float32(32768))


def test_a_caf_that_leaves_its_length_open_is_read_to_its_end(tmp_path):
    samples = np.arange(-2000, 2001, dtype=">i2")
    kind = b"desc" + struct.pack(">qd4sIIIII", 32, 8000.0, b"lpcm", 0, 2, 1, 1, 16)
    data = b"caff\0\1\0\0" + kind + b"data" + struct.pack(">qI", -1, 0) + samples.tobytes()
    (tmp_path / "a.caf").write_bytes(data)
    found, _ = read_audio(tmp_path / "a.caf")
    np.testing.assert_array_equal(found, samples.astype(np.float32) / 32768)


def test_samples_behind_those_that_a_header_claims_are_told(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(range(100, 1100), 200))
    with pytest.warns(FileNote, match="1800 bytes behind the 200 of samples that its header claims were left out"):
        assert len(read_audio(tmp_path / "a.wav")[0]) == 100


@pytest.mark.parametrize("cut", [38, 41, 43])
def test_a_wav_that_ends_before_its_samples_is_refused(tmp_path, cut):
    (tmp_path / "a.wav").write_bytes(wav(range(10), 20)[:cut])
    with pytest.raises(FormatError, match="need samples behind its header, got none; the file was cut short"):
        read_audio(tmp_path / "a.wav")


def test_a_flac_cut_short_is_refused(tmp_path):
    write_audio(tmp_path / "a.flac", noise(50000), 44100)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"cut\.flac: (need the 50000 frames .* got|damaged sound after frame)"):
        read_audio(tmp_path / "cut.flac")


def test_a_flac_that_claims_billions_of_frames_costs_no_memory_for_them(tmp_path):
    write_audio(tmp_path / "a.flac", noise(5000), 44100)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] |= 0x0F  # STREAMINFO: the length in frames is the 36 bits that end at byte 25
    data[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "lie.flac").write_bytes(data)
    with pytest.raises(FormatError, match=r"lie\.flac: (need the 68719476735 frames|damaged sound after frame)"):
        read_audio(tmp_path / "lie.flac")


@pytest.mark.bad_input
def test_a_claim_of_two_to_the_63_frames_is_never_allocated():
    class CutOgg:  # what some versions of libsndfile make of an OGG without its last page
        format, subtype, frames, channels = "OGG", "VORBIS", 2**63 - 1, 2
        blocks = [np.zeros((10, 2), np.float32), np.zeros((0, 2), np.float32)]  # noqa: RUF012

        def read(self, frames, dtype, always_2d):
            assert frames <= audio_reading.BLOCK_FRAMES
            return self.blocks.pop(0)

    with pytest.raises(FormatError, match=r"cut\.ogg: need the 9223372036854775807 frames .* got 10; the file was cut"):
        list(audio_reading.sound_blocks(CutOgg(), "cut.ogg"))


def test_a_sound_of_no_frames_is_read_as_one(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros((0, 2), np.float32), 8000)
    samples, _ = read_audio(tmp_path / "a.wav")
    assert samples.shape == (0, 2)


def test_a_wav_that_would_pass_4_gib_becomes_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_writing, "WAV_BYTES", audio_writing.HEADER_BYTES + 100)
    write_audio(tmp_path / "short.wav", noise(50), 8000)
    write_audio(tmp_path / "long.wav", noise(51), 8000)
    assert soundfile.info(tmp_path / "short.wav").format == "WAV"
    assert soundfile.info(tmp_path / "long.wav").format == "RF64"
    assert len(read_audio(tmp_path / "long.wav")[0]) == 51


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(FormatError, match=r"need a name that ends in \.wav, .* got \.txt"):
        write_audio(tmp_path / "a.txt", noise(), 8000)
    with pytest.raises(FormatError, match=r"need an encoding that WAV has .* got VORBIS"):
        write_audio(tmp_path / "a.wav", noise(), 8000, subtype="VORBIS")
    with pytest.raises(ArgumentError, match="rate: need a positive whole number of frames a second, got 0"):
        write_audio(tmp_path / "a.wav", noise(), 0)
    with pytest.raises(ArgumentError, match=r"samples: need floats in \[-1, 1\], got int16"):
        write_audio(tmp_path / "a.wav", np.zeros(5, np.int16), 8000)
    with pytest.raises(ShapeError, match=r"samples: need \(frames,\) or \(frames, channels\), got \(5, 0\)"):
        write_audio(tmp_path / "a.wav", np.zeros((5, 0)), 8000)
    with pytest.raises(FormatError, match=r"a\.mp3: cannot be written as MP3"):
        write_audio(tmp_path / "a.mp3", noise(100, 5), 44100)
    assert list(tmp_path.iterdir()) == []


def test_clipped_counts_samples_beyond_one():
    assert clipped(np.array([1.0, -1.0, 1.01, -2.0, 0.0])) == 2


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".wav"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_refused_where_the_encoding_has_no_floats(tmp_path, suffix, bad):
    samples = np.zeros(5000, np.float32)
    samples[4000] = bad
    with pytest.raises(ArgumentError, match="need finite numbers for the encoding"):
        write_audio(tmp_path / f"out{suffix}", samples, 44100)
    assert not list(tmp_path.iterdir())


def test_an_mp3s_encoding_is_not_kept_in_a_wav():
    assert kept_subtype("song.wav", "MPEG_LAYER_III") == "PCM_16"
    assert kept_subtype("song.mp3", "MPEG_LAYER_III") == "MPEG_LAYER_III"


def test_a_long_sound_is_written_to_ogg(tmp_path):
    samples = np.zeros(44100 * 40, np.float32)
    write_audio(tmp_path / "long.ogg", samples, 44100)
    assert len(read_audio(tmp_path / "long.ogg")[0]) == len(samples)


@pytest.mark.parametrize("suffix", [".aiff", ".au", ".w64", ".caf", ".rf64"])
def test_other_formats_cut_short_are_refused_too(tmp_path, suffix):
    write_audio(tmp_path / f"a{suffix}", noise(1001), 8000)
    whole = (tmp_path / f"a{suffix}").read_bytes()
    assert len(read_audio(tmp_path / f"a{suffix}")[0]) == 1001
    (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(FormatError, match=rf"cut\{suffix}: need .* got"):
        read_audio(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_cut_short_is_told(tmp_path, subtype):
    write_audio(tmp_path / "a.ogg", noise(200_000), 48000, subtype=subtype)
    whole = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "cut.ogg").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(FormatError, match=r"cut\.ogg: need"):
        read_audio(tmp_path / "cut.ogg")
    (tmp_path / "page.ogg").write_bytes(whole[: whole.rfind(b"OggS")])
    with pytest.warns(FileNote, match=r"page\.ogg: its last page does not end the stream"):
        assert 0 < len(read_audio(tmp_path / "page.ogg")[0]) < 200_000
    (tmp_path / "head.ogg").write_bytes(whole[: whole.find(b"OggS", whole.find(b"OggS", 1) + 1)])
    with pytest.raises(FormatError, match=r"head\.ogg: need"):
        read_audio(tmp_path / "head.ogg")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_streams_one_behind_the_other_are_one_sound(tmp_path, subtype):
    parts = []
    for number, frames in enumerate((5000, 100_000, 70)):
        write_audio(tmp_path / f"{number}.ogg", noise(frames, 2, seed=number), 48000, subtype=subtype)
        parts.append(tmp_path / f"{number}.ogg")
    (tmp_path / "all.ogg").write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = np.concatenate([read_audio(part)[0] for part in parts])
    np.testing.assert_array_equal(read_audio(tmp_path / "all.ogg")[0], expected)
    assert audio_reading.audio_length(tmp_path / "all.ogg") == len(expected) == 105_070


def test_a_second_stream_of_another_rate_is_told(tmp_path):
    write_audio(tmp_path / "a.ogg", noise(5000), 48000)
    write_audio(tmp_path / "b.ogg", noise(5000), 22050)
    (tmp_path / "two.ogg").write_bytes((tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes())
    with pytest.warns(FileNote, match="holds 2 streams of several rates or channels; only the first is taken"):
        assert len(read_audio(tmp_path / "two.ogg")[0]) == 5000


def test_a_thousand_channels_are_read_in_short_blocks(tmp_path):
    write_audio(tmp_path / "a.wav", noise(2000, 1000), 8000)
    with audio_reading.reading(tmp_path / "a.wav") as sound:
        blocks = list(audio_reading.sound_blocks(sound, "a.wav"))
    assert sum(map(len, blocks)) == 2000 and max(block.nbytes for block in blocks) <= 4 << 20


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path):
    write_audio(tmp_path / "a.flac", noise(100_000, 2), 8000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] &= 0xF0  # STREAMINFO: the length in frames is the 36 bits that end at byte 25; 0 is unknown
    data[22:26] = bytes(4)
    (tmp_path / "open.flac").write_bytes(data)
    np.testing.assert_array_equal(read_audio(tmp_path / "open.flac")[0], read_audio(tmp_path / "a.flac")[0])
    assert audio_reading.audio_length(tmp_path / "open.flac") == 100_000


def test_only_the_beginning_is_read_where_that_is_asked_for(tmp_path):
    write_audio(tmp_path / "a.wav", noise(200_000), 8000, subtype="FLOAT")
    for seconds in (0.5, 10, 1000):
        samples, _ = read_audio(tmp_path / "a.wav", seconds=seconds)
        np.testing.assert_array_equal(samples, noise(200_000)[: round(8000 * seconds)])


@pytest.mark.bad_input
@pytest.mark.parametrize("rate", [np.nan, np.inf, "44100", 44100.5, 0, -1, True, None, 1e12])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    with pytest.raises(ArgumentError, match="rate: need a positive whole number of frames a second, got"):
        write_audio(tmp_path / "a.wav", noise(5), rate)


@pytest.mark.parametrize("rate", [44100.0, np.int32(44100), np.float32(44100)])
def test_a_rate_may_be_any_kind_of_whole_number(tmp_path, rate):
    write_audio(tmp_path / "a.wav", noise(5), rate)
    assert read_audio(tmp_path / "a.wav")[1] == 44100


@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_no_samples_make_no_file_of_zero_bytes(tmp_path, name):
    with pytest.raises(FormatError, match=r"need at least one sample for (MP3|FLAC), got none"):
        write_audio(tmp_path / name, np.zeros((0, 2), np.float32), 44100)
    assert not list(tmp_path.iterdir())


def test_16_bits_come_back_as_they_went_in(tmp_path):
    every = (np.arange(-32768, 32768) / 32768).astype(np.float32)
    write_audio(tmp_path / "a.wav", every, 44100)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav")[0], every)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], np.arange(-32768, 32768))


def test_what_is_too_loud_for_16_bits_is_clipped_and_does_not_wrap(tmp_path):
    write_audio(tmp_path / "a.wav", np.array([0.99999, 1.0, 1.00001, 7e4, -1.00001, -7e4]), 44100)
    expected = [32767, 32767, 32767, 32767, -32768, -32768]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], expected)


def test_what_is_behind_the_samples_of_a_flac_is_left_alone(tmp_path):
    samples = np.sin(np.arange(5000) / 20).astype(np.float32)
    write_audio(tmp_path / "a.flac", samples, 48000)
    whole, _ = read_audio(tmp_path / "a.flac")
    with (tmp_path / "a.flac").open("ab") as file:
        file.write(b"TAG" + bytes(125))
    read, _ = read_audio(tmp_path / "a.flac")
    np.testing.assert_array_equal(read, whole)


@pytest.mark.parametrize("seconds", [np.nan, np.inf, -1, True])
def test_seconds_that_are_no_number_are_refused(tmp_path, seconds):
    write_audio(tmp_path / "a.wav", np.zeros(10, np.float32), 8000)
    with pytest.raises(ArgumentError, match="seconds: need a finite number of at least 0"):
        read_audio(tmp_path / "a.wav", seconds=seconds)


def test_a_sound_for_which_there_is_no_room_says_what_the_system_says(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))  # Python ignores the signal of it
    try:
        with pytest.raises(FormatError, match=r"a\.wav: cannot be written as WAV PCM_16: File too large$"):
            write_audio(tmp_path / "a.wav", np.zeros(100_000), 8000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.caf"])
def test_the_last_frames_for_which_there_is_no_room_are_missed_in_every_format(tmp_path, name):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 12_345).astype(np.float32)
    write_audio(tmp_path / name, noise, 48_000)
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).unlink()
    for most in (size - 1, size - 100, size - 4_000):
        with (
            files_of_at_most(most),
            pytest.raises(FormatError, match=rf"{name}: cannot be written as .*: File too large"),
        ):
            write_audio(tmp_path / name, noise, 48_000)
        assert not list(tmp_path.iterdir())
    with files_of_at_most(size):
        write_audio(tmp_path / name, noise, 48_000)
