import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import soundfile

import convolens as cl
from convolens.effects.sounds import files
from convolens.effects.sounds.echo_stream import echo_stream
from convolens.effects.sounds.files import change_sound_file
from convolens.errors import ArgumentError, FileError, FormatError
from convolens.media.audio import read_audio, write_audio

ECHOES = {"delays": [0.013, 0.2, 0.2], "weights": [0.5, -0.25, 0.1], "dry": 0.7}
HALL = partial(echo_stream, **ECHOES)


def noise(*shape):
    return np.random.default_rng(0).uniform(-0.4, 0.4, shape).astype(np.float32)


def in_blocks(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_stream_is_the_same_to_the_last_bit_however_it_is_cut(channels):
    samples = noise(5000, channels)
    whole = np.concatenate(list(HALL([samples], 1000)))
    assert len(whole) == 5200
    np.testing.assert_allclose(whole, cl.echo(samples, 1000, **ECHOES), atol=1e-6)
    for size in (1, 7, 199, 200, 201, 4999):
        np.testing.assert_array_equal(np.concatenate(list(HALL(in_blocks(samples, size), 1000))), whole)


@pytest.mark.parametrize(
    "options",
    [
        {"feedback": 0.6},
        {"weights": [[0.5, 0.0], [0.0, 0.25], [0.1, 0.1]]},
        {"weights": [[0.5, 0.0], [0.0, 0.25], [0.1, 0.1]], "feedback": -0.5},
        {"delays": [0.0413, 0.2003, 0.15], "sub_sample": True},
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_loops_sides_and_taps_between_frames_do_not_depend_on_the_cut_either(options, channels):
    samples = noise(3000, channels)
    arguments = {**ECHOES, **options}
    whole = np.concatenate(list(echo_stream([samples], 1000, **arguments)))
    np.testing.assert_allclose(whole, cl.echo(samples, 1000, **arguments).reshape(whole.shape), atol=1e-6)
    for size in (1, 7, 199, 201, 2999):
        blocks = in_blocks(samples, size)
        np.testing.assert_array_equal(np.concatenate(list(echo_stream(blocks, 1000, **arguments))), whole)


def test_no_blocks_give_no_blocks_and_no_delay_no_tail():
    assert list(HALL([], 1000)) == []
    out = list(echo_stream([noise(10, 1)], 1000, 0, 1.0))
    assert [len(block) for block in out] == [10]


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [("a.wav", "PCM_16", 2**-15), ("a.wav", "PCM_24", 2**-23), ("a.wav", "FLOAT", 1e-6), ("a.flac", "PCM_24", 2**-23)],
)
def test_a_file_is_changed_in_its_own_encoding(tmp_path, name, subtype, step):
    write_audio(tmp_path / name, noise(3000, 2), 8000, subtype=subtype)
    written = change_sound_file(tmp_path / name, tmp_path / f"out_{name}", HALL, block=100)
    samples, rate = read_audio(tmp_path / name)
    back, _ = read_audio(tmp_path / f"out_{name}")
    expected = cl.echo(samples, rate, **ECHOES)
    np.testing.assert_allclose(back, expected, atol=2 * step)
    assert soundfile.info(tmp_path / f"out_{name}").subtype == subtype
    assert (written.frames, written.clipped) == (len(expected), 0)
    assert written.peak == pytest.approx(np.abs(expected).max(), rel=1e-6)


def test_another_format_gets_its_usual_encoding(tmp_path):
    write_audio(tmp_path / "a.wav", noise(3000), 44100, subtype="FLOAT")
    change_sound_file(tmp_path / "a.wav", tmp_path / "a.ogg", HALL)
    assert soundfile.info(tmp_path / "a.ogg").subtype == "VORBIS"


def test_clipped_samples_are_counted_and_normalizing_clips_none(tmp_path):
    write_audio(tmp_path / "a.wav", noise(3000, 2), 8000)
    loud = partial(echo_stream, delays=0.0, weights=4.0)
    samples, _ = read_audio(tmp_path / "a.wav")
    written = change_sound_file(tmp_path / "a.wav", tmp_path / "loud.wav", loud)
    assert written.clipped == np.count_nonzero(np.abs(5 * samples) > 1) > 0
    written = change_sound_file(tmp_path / "a.wav", tmp_path / "even.wav", loud, normalize=True)
    back, _ = read_audio(tmp_path / "even.wav")
    assert written.clipped == 0
    np.testing.assert_allclose(back, samples / np.abs(samples).max(), atol=2**-14)


def test_limiting_clips_none_and_leaves_what_is_quiet(tmp_path):
    write_audio(tmp_path / "a.wav", noise(3000, 2), 8000, subtype="FLOAT")
    loud = partial(echo_stream, delays=0.0, weights=4.0)
    samples, _ = read_audio(tmp_path / "a.wav")
    written = change_sound_file(tmp_path / "a.wav", tmp_path / "soft.wav", loud, limit=True)
    back, _ = read_audio(tmp_path / "soft.wav")
    assert written.clipped == 0 and written.peak > 1.5
    quiet = np.abs(5 * samples) <= 0.8
    np.testing.assert_allclose(back[quiet], 5 * samples[quiet], rtol=1e-6)
    assert 0.95 < np.abs(back).max() <= 1
    order = np.argsort(samples.ravel(), kind="stable")
    assert (np.diff(back.ravel()[order]) >= 0).all()
    with pytest.raises(ArgumentError, match="limit: need either to normalize or to limit, got both"):
        change_sound_file(tmp_path / "a.wav", tmp_path / "b.wav", loud, limit=True, normalize=True)


def test_a_flac_of_unknown_length_is_changed_whole(tmp_path):
    write_audio(tmp_path / "a.flac", noise(5000, 2), 8000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] &= 0xF0  # STREAMINFO: the length in frames is the 36 bits that end at byte 25; 0 is unknown
    data[22:26] = bytes(4)
    (tmp_path / "open.flac").write_bytes(data)
    heard = []
    change_sound_file(tmp_path / "open.flac", tmp_path / "b.flac", HALL, progress=heard.append)
    np.testing.assert_array_equal(read_audio(tmp_path / "open.flac")[0], read_audio(tmp_path / "a.flac")[0])
    assert len(read_audio(tmp_path / "b.flac")[0]) == 5000 + 1600
    assert sum(heard) == 5000


def test_progress_counts_every_frame(tmp_path):
    write_audio(tmp_path / "a.wav", noise(1050), 8000)
    heard = []
    change_sound_file(tmp_path / "a.wav", tmp_path / "b.wav", HALL, block=100, progress=heard.append)
    assert heard == [100] * 10 + [50]


def test_a_result_above_4_gib_is_announced_before_it_is_written(tmp_path, monkeypatch):
    from convolens.media import audio_writing

    write_audio(tmp_path / "a.wav", noise(50), 8000)
    monkeypatch.setattr(audio_writing, "WAV_BYTES", audio_writing.HEADER_BYTES + 100)
    change_sound_file(tmp_path / "a.wav", tmp_path / "same.wav", lambda blocks, rate: iter(blocks))
    change_sound_file(tmp_path / "a.wav", tmp_path / "long.wav", HALL, longer=lambda rate: round(0.2 * rate))
    assert soundfile.info(tmp_path / "same.wav").format == "WAV"
    assert soundfile.info(tmp_path / "long.wav").format == "RF64"


def test_a_failure_on_the_way_leaves_nothing_under_the_final_name(tmp_path):
    write_audio(tmp_path / "a.flac", noise(90000), 8000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    (tmp_path / "out.flac").write_bytes(b"what stood here before")
    with pytest.raises(FormatError, match=r"cut\.flac: "):
        change_sound_file(tmp_path / "cut.flac", tmp_path / "out.flac", HALL, block=1000)
    assert (tmp_path / "out.flac").read_bytes() == b"what stood here before"
    assert {path.name for path in tmp_path.iterdir()} == {"a.flac", "cut.flac", "out.flac"}


def test_the_sound_is_closed_only_when_no_thread_reads_it_any_more(tmp_path, monkeypatch):
    write_audio(tmp_path / "in.wav", np.zeros((100, 1), np.float32), 8000)
    open_when_read = []

    def slow_blocks(sound, *_):
        yield np.zeros((50, 1), np.float32)
        time.sleep(0.3)  # read ahead, while the first block's change fails
        open_when_read.append(not sound.closed)

    def failing(blocks, rate):
        next(iter(blocks))
        yield np.zeros((50, 1), np.float32)
        raise FormatError("no further")

    monkeypatch.setattr(files, "sound_blocks", slow_blocks)
    with pytest.raises(FormatError, match="no further") as error:
        change_sound_file(tmp_path / "in.wav", tmp_path / "out.wav", failing)
    assert error.traceback  # which holds on to every frame, and what it reads
    assert open_when_read == [True]


def test_what_cannot_be_streamed_is_refused(tmp_path):
    write_audio(tmp_path / "a.wav", noise(10), 8000)
    write_audio(tmp_path / "none.wav", noise(0), 8000)
    with pytest.raises(FileError, match="is the input, which is never overwritten"):
        change_sound_file(tmp_path / "a.wav", tmp_path / "a.wav", HALL)
    with pytest.raises(FormatError, match=r"none\.wav: need a sound of at least one sample, got none"):
        change_sound_file(tmp_path / "none.wav", tmp_path / "b.wav", HALL)
    with pytest.raises(ArgumentError, match="delays: need seconds of at least 0"):
        change_sound_file(tmp_path / "a.wav", tmp_path / "b.wav", partial(echo_stream, delays=-1, weights=1))
    assert not (tmp_path / "b.wav").exists()


def peak_megabytes(source, target):
    code = (
        "from pathlib import Path; from convolens.cli import run\n"
        f"assert run(['echo', {str(source)!r}, {str(target)!r}, '--delay', '0.25', '--weight', '0.5']) == 0\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"  # kilobytes, of this process alone
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_file_ten_times_as_long_takes_no_more_memory(tmp_path):
    minute = noise(44100 * 60, 2)
    write_audio(tmp_path / "short.wav", minute, 44100)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 44100, 2) as out:
        for _ in range(10):
            out.write(minute)
    short, long = (peak_megabytes(tmp_path / name, tmp_path / f"out_{name}") for name in ("short.wav", "long.wav"))
    assert long < 150
    assert long - short < 5
