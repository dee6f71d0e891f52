"""The sound of films, M4A and AAC, by PyAV: the inputs are made by PyAV itself."""

import subprocess
import sys

import numpy as np
import pytest

from convolens.errors import FileNote, FormatError
from convolens.media import audio_films
from convolens.media.audio import read_audio, write_audio
from convolens.media.audio_extras import read_extras
from convolens.media.audio_reading import reading, sound_blocks

av = pytest.importorskip("av")


FRONT = {"movflags": "faststart"}  # the index before the sound


def tone(seconds=1.0, rate=44100, channels=2):
    at = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * (1 + which) * at) for which in range(channels)], axis=1)


def film(path, codec, samples, rate=44100, layout="stereo", sounds=1, picture=False, kind=None, tags=None):
    """A file of PyAV's with one sound or several, and perhaps a picture that moves."""
    with av.open(str(path), "w", format=kind) as out:
        out.metadata.update(tags or {})
        if picture:
            video = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        streams = [out.add_stream(codec, rate=rate, layout=layout) for _ in range(sounds)]
        if picture:
            for _ in range(10):
                out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
            out.mux(video.encode())
        for stream in streams:
            planes = np.ascontiguousarray(samples.T, np.float32)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
            frame.sample_rate = rate
            cutter = av.AudioResampler(stream.format, layout, rate, stream.frame_size or 1024)
            for piece in [*cutter.resample(frame), *cutter.resample(None)]:
                out.mux(stream.encode(piece))
            out.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.m4a", "aac", 44100), ("a.mp4", "aac", 48000), ("a.aac", "aac", 44100), ("a.mkv", "aac", 22050),
     ("a.webm", "libopus", 48000), ("a.mov", "pcm_s16le", 44100), ("a.avi", "pcm_s16le", 8000)],
)  # fmt: skip
@pytest.mark.parametrize("picture", [False, True])
def test_the_sound_of_a_film_has_the_samples_that_went_in(tmp_path, name, codec, rate, picture):
    if picture and name in ("a.m4a", "a.aac", "a.webm"):
        pytest.skip("a sound alone")
    expected = tone(1.3, rate)
    samples, found = read_audio(film(tmp_path / name, codec, expected, rate, picture=picture))
    assert found == rate and samples.dtype == np.float32 and samples.shape[1] == 2
    assert abs(len(samples) - len(expected)) <= 0.1 * rate
    middle = slice(rate // 4, rate)
    spectra = [np.abs(np.fft.rfft(part[middle], axis=0)) for part in (samples, expected)]
    assert (spectra[0].argmax(axis=0) == spectra[1].argmax(axis=0)).all()
    assert abs(np.sqrt(np.mean(samples[middle] ** 2)) - 0.5 / np.sqrt(2)) < 0.01
    if codec.startswith("pcm"):
        np.testing.assert_allclose(samples, expected, atol=2**-15)


def test_blocks_are_of_the_size_asked_for_and_their_sum_is_the_sound(tmp_path):
    path = film(tmp_path / "a.m4a", "aac", tone())
    whole, _ = read_audio(path)
    for frames in (100, 1024, 30000):
        with reading(path) as sound:
            blocks = list(sound_blocks(sound, path, frames))
        assert {len(block) for block in blocks[:-1]} == {frames}
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_array_equal(read_audio(path, seconds=0.5)[0], whole[:22050])


def test_the_command_takes_a_film_and_writes_a_sound(tmp_path):
    path = film(tmp_path / "a.m4a", "aac", tone(), tags={"title": "a song", "album_artist": "all"})
    from convolens.cli import run

    assert run(["echo", str(path), str(tmp_path / "out.flac"), "--delay", "0.5", "--weight", "0.5"]) == 0
    assert abs(len(read_audio(tmp_path / "out.flac")[0]) - 1.5 * 44100) <= 0.1 * 44100
    assert read_extras(tmp_path / "out.flac").tags["title"] == "a song"
    assert read_extras(path).others == ("album artist",)


def test_the_speakers_of_a_film_reach_a_wav(tmp_path):
    path = film(tmp_path / "a.m4a", "aac", tone(channels=6), layout="5.1")
    assert read_extras(path).speakers == 0x3F


def test_several_sounds_are_told_and_a_film_without_any_is_refused(tmp_path):
    with pytest.warns(FileNote, match=r"a\.mkv: holds 2 sounds side by side; only the first is taken"):
        read_audio(film(tmp_path / "a.mkv", "aac", tone(), sounds=2))
    film(tmp_path / "mute.mkv", "aac", tone(), sounds=0, picture=True)
    with pytest.raises(FormatError, match=r"mute\.mkv: need a sound, got a film without any"):
        read_audio(tmp_path / "mute.mkv")


def test_a_film_cut_short_is_refused(tmp_path):
    whole = film(tmp_path / "a.m4a", "aac", tone(5)).read_bytes()
    (tmp_path / "no-index.m4a").write_bytes(whole[: len(whole) // 2])  # which FFmpeg writes at the end
    with pytest.raises(FormatError, match=r"no-index\.m4a: "):
        read_audio(tmp_path / "no-index.m4a")
    with av.open(str(tmp_path / "a.m4a")) as held, av.open(str(tmp_path / "front.m4a"), "w", options=FRONT) as out:
        stream = out.add_stream_from_template(held.streams.audio[0])
        for packet in held.demux(held.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    front = (tmp_path / "front.m4a").read_bytes()
    assert len(read_audio(tmp_path / "front.m4a")[0]) >= 5 * 44100
    with av.open(str(tmp_path / "front.m4a")) as held:
        places = [packet.pos for packet in held.demux(held.streams.audio[0]) if packet.size]
    (tmp_path / "cut.m4a").write_bytes(front[: places[len(places) // 2]])
    with pytest.raises(FormatError, match=r"cut\.m4a: need the 5\.\d\d s of sound that its header claims, got 2"):
        read_audio(tmp_path / "cut.m4a")
    at = whole.index(b"mdat")
    (tmp_path / "hole.m4a").write_bytes(whole[: at + 4] + bytes(len(whole) - at - 4))
    with pytest.raises(FormatError, match=r"hole\.m4a: "):
        read_audio(tmp_path / "hole.m4a")


def test_a_playlist_is_no_film(tmp_path):
    write_audio(tmp_path / "secret.wav", tone(), 44100)
    (tmp_path / "list.m4a").write_text("#EXTM3U\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n")
    with pytest.raises(FormatError, match=r"list\.m4a: need a sound file"):
        read_audio(tmp_path / "list.m4a")


def test_without_pyav_it_is_said_what_to_install(tmp_path, monkeypatch):
    path = film(tmp_path / "a.m4a", "aac", tone())
    monkeypatch.setattr(audio_films, "find_spec", lambda name: None)
    with pytest.raises(FormatError, match=r"a\.m4a: need PyAV .*; pip install 'convolens\[media\]'"):
        read_audio(path)


def test_a_wav_is_read_without_pyav(tmp_path):
    write_audio(tmp_path / "a.wav", tone(), 44100)
    code = f"import convolens as cl, sys; cl.read_audio({str(tmp_path / 'a.wav')!r}); print('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_film(tmp_path):
    path = film(tmp_path / "long.m4a", "aac", np.tile(tone(10), (30, 1)))
    code = f"""
import resource
from convolens.media.audio_reading import reading, sound_blocks
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with reading({str(path)!r}) as sound:
    print(sum(map(len, sound_blocks(sound, "long"))), end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""
    frames, grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert int(frames) >= 300 * 44100 and int(grown) < 60_000  # kilobytes; the samples are 106 MB
