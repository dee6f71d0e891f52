"""Sounds as the pictures that networks take: levels, pitches and times where they should be, however they come."""

from pathlib import Path

import numpy as np
import pytest

from convolens.effects.sounds.heard import heard, is_sound, pictures_of
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FileError, FormatError
from convolens.media.audio import write_audio
from convolens.media.images import read_header
from convolens.media.notes import FileNote
from convolens.media.pixels import as_pixels

HEARING = Hearing()


def tone(pitch: float, seconds: float, rate: int = 16000, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("pitch", [200, 1000, 5000])
def test_a_tone_is_brightest_in_the_row_of_its_pitch(pitch: float) -> None:
    levels = HEARING.picture(tone(pitch, 1), 16000)
    row = int(levels[:, 20:80].mean(axis=1).argmax())
    near = sorted(abs(HEARING.pitch_of(one) - pitch) for one in (row - 1, row, row + 1))
    assert abs(HEARING.pitch_of(row) - pitch) == near[0]


def test_levels_are_decibels_below_a_full_scale_wave() -> None:
    pitch = HEARING.pitch_of(30)
    loud, soft = (HEARING.picture(tone(pitch, 1, level=level), 16000)[30, 50] for level in (0.5, 0.005))
    assert (255 - loud) / 2.55 == pytest.approx(6, abs=3)
    assert float(loud) - soft == pytest.approx(40 * 2.55, abs=2)


def test_a_click_is_in_the_column_of_its_time() -> None:
    samples = np.zeros(16000, np.float32)
    samples[8000] = 1
    assert HEARING.time_of(int(HEARING.picture(samples, 16000).sum(axis=0).argmax())) == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_sound_in_blocks_gives_the_picture_of_the_whole(rate: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 9 * rate).astype(np.float32)
    whole = HEARING.picture(samples, rate).astype(int)
    parts = np.concatenate(list(HEARING.pictures(np.array_split(samples, 31), rate)), axis=1)
    assert parts.shape == whole.shape == (64, 901)
    assert abs(parts - whole).max() <= 1  # where a level was about to be rounded the other way


def test_rates_agree_on_what_is_heard() -> None:
    assert abs(HEARING.picture(tone(700, 1, 44100), 44100)[:, 10:90].astype(int)
               - HEARING.picture(tone(700, 1), 16000)[:, 10:90])[45:60].max() <= 2  # fmt: skip


def test_a_file_is_read_as_the_picture_of_the_mean_of_its_channels(tmp_path: Path) -> None:
    left, right = tone(500, 1, level=0.5), tone(2000, 1, level=0.5)
    write_audio(tmp_path / "two.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    sound = heard(tmp_path / "two.wav", HEARING)
    np.testing.assert_array_equal(as_pixels(sound), HEARING.picture((left + right) / 2, 16000))
    assert read_header(sound).size == (101, 64)
    assert sound.name == "two.wav"
    assert sound.suffix == ".wav"


def test_a_part_is_what_the_whole_has_there(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", tone(500, 3), 16000)
    whole = as_pixels(heard(tmp_path / "a.wav", HEARING))
    np.testing.assert_array_equal(as_pixels(heard(tmp_path / "a.wav", HEARING, 1, 2.5)), whole[:, 100:250])
    assert heard(tmp_path / "a.wav", HEARING, 1, 2.5).name == "a.wav[1-2.5 s]"


def test_a_short_picture_is_framed_by_its_background_and_of_a_long_one_the_loudest_part_is_taken() -> None:
    short = np.full((64, 10), 9, np.uint8)
    short[:, :2] = 4
    framed = HEARING.framed(short)
    assert framed.shape == (64, 96)
    np.testing.assert_array_equal(framed[:, 43:53], short)
    assert (framed[:, :43] == 4).all()
    assert (framed[:, 53:] == 4).all()
    long = np.zeros((64, 500), np.uint8)
    long[:, 300:396] = 7
    assert HEARING.framed(long).min() == 7


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.zeros(16000, np.float32), "need a sound, got 1 s of silence"),
        (tone(500, 0.1), "need a sound of more than 0.12 s, got 0.11 s"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_a_sentence(tmp_path: Path, samples: np.ndarray, sentence: str) -> None:
    write_audio(tmp_path / "a.wav", samples, 16000)
    with pytest.raises(FormatError, match=f"a.wav: {sentence}"):
        as_pixels(heard(tmp_path / "a.wav", HEARING))


def test_what_is_no_sound_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(FormatError, match=r"a\.wav"):
        as_pixels(heard(tmp_path / "a.wav", HEARING))
    with pytest.raises(FileError, match=r"b\.wav"):
        as_pixels(heard(tmp_path / "b.wav", HEARING, 0, 1))


def test_a_file_of_half_the_pitches_or_less_is_told_of(tmp_path: Path) -> None:
    write_audio(tmp_path / "phone.wav", tone(500, 1, 8000), 8000)
    with pytest.warns(FileNote, match=r"sampled at 8,000 Hz, has no pitch above 4,000 Hz, of which the model hears"):
        list(pictures_of(tmp_path / "phone.wav", Hearing.of(44100, 1)))


@pytest.mark.parametrize("values", [{"rate": 10}, {"hop": 0}, {"hop": 900}, {"bands": 4}, {"columns": 1 << 20}])
def test_values_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(values))}: need"):
        Hearing(**values)


def test_it_goes_through_plain_values() -> None:
    assert Hearing.from_dict(Hearing.of(44100, 2).to_dict()) == Hearing.of(44100, 2)
    with pytest.raises(ArgumentError, match="sound: need the fields"):
        Hearing.from_dict({"rate": 8000})


def test_sounds_are_known_by_their_suffix() -> None:
    assert [is_sound(name) for name in ("a.WAV", "b.mp3", "c.png", "d")] == [True, True, False, False]
