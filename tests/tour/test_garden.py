import csv

import numpy as np
import pytest

from convolens.media.audio import read_audio
from convolens.tour.garden import RATE, SECONDS, SOUNDS, sound_of, write_recording, write_sounds


@pytest.mark.parametrize("name", SOUNDS)
def test_no_two_sounds_of_a_kind_are_alike_and_none_is_too_loud(name):
    generator = np.random.default_rng(0)
    several = [sound_of(name, generator) for _ in range(6)]
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in several)
    assert all(0.19 <= np.abs(one).max() <= 0.51 for one in several)
    assert all(0.15 * RATE < len(one) < 0.8 * RATE for one in several)
    shortest = min(map(len, several))
    spectra = [np.abs(np.fft.rfft(one[:shortest])) for one in several]
    assert all(not np.allclose(one, other, rtol=0.1) for at, one in enumerate(spectra) for other in spectra[at + 1 :])


def test_each_kind_is_where_its_pitch_is():
    def middle(name):
        power = np.abs(np.fft.rfft(sound_of(name, np.random.default_rng(1)), RATE)) ** 2
        return float((power * np.arange(len(power))).sum() / power.sum())

    assert 2200 < middle("bird") < 5800
    assert middle("frog") < 1300
    assert 600 < middle("bell") < 3000


def test_the_table_says_where_in_the_recording_the_sounds_are(tmp_path):
    write_recording(tmp_path / "recording.wav", seed=2)
    samples, rate = read_audio(tmp_path / "recording.wav")
    with (tmp_path / "recording.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(samples) == SECONDS * rate
    assert sorted(one["label"] for one in rows) == sorted([*SOUNDS, *SOUNDS])
    ends = [0.0, *(float(one["end"]) for one in rows)]
    for one, before in zip(rows, ends, strict=False):
        start, end = float(one["start"]), float(one["end"])
        assert before < start < end < SECONDS
        assert np.abs(samples[int(start * rate) : int(end * rate)]).max() > 0.15
        assert np.abs(samples[int((start - 0.1) * rate) : int((start - 0.001) * rate)]).max() < 0.05


def test_a_folder_for_each_kind_holds_as_many_as_asked_for(tmp_path):
    write_sounds(tmp_path, 3, seed=0)
    assert {one.name: len(list(one.iterdir())) for one in tmp_path.iterdir()} == dict.fromkeys(SOUNDS, 3)
