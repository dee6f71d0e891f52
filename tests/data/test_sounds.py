"""Data of sounds: folders and tables, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.data import read_data
from convolens.data.augment_sounds import SoundAugmentation
from convolens.data.sounds import holds_sounds
from convolens.effects.sounds.heard import Heard
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, DataError
from convolens.media.audio import write_audio
from convolens.media.pixels import as_pixels


def write_tone(path: Path, seconds: float = 1.0, pitch: float = 500) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(
        path, (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(8000 * seconds)) / 8000)).astype(np.float32), 8000
    )


def test_a_folder_for_each_class_is_read_with_its_splits(tmp_path: Path) -> None:
    for name in ("train/crow/a.wav", "train/owl/b.flac", "val/owl/deep/c.ogg"):
        write_tone(tmp_path / name)
    (tmp_path / "train" / "owl" / "notes.txt").touch()
    data = read_data(tmp_path)
    assert data.class_names == ("crow", "owl")
    assert [(one.path.name, one.labels, one.split) for one in data.examples] == [
        ("a.wav", (0,), "train"), ("b.flac", (1,), "train"), ("c.ogg", (1,), "validation"),
    ]  # fmt: skip
    assert "need a sound's suffix, got .txt" in data.skipped[0].reason
    assert holds_sounds(tmp_path)


def test_folders_with_pictures_are_pictures(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        cl.write_image(tmp_path / name / "a.png", np.zeros((8, 8), np.uint8))
        write_tone(tmp_path / name / "b.wav")
    assert not holds_sounds(tmp_path)
    assert read_data(tmp_path).examples[0].path == tmp_path / "cat" / "a.png"


def test_rows_of_a_table_are_parts_of_recordings(tmp_path: Path) -> None:
    write_tone(tmp_path / "long.wav", 5)
    rows = "path,start,end,label\nlong.wav,0.5,1.5,crow\nlong.wav,2,3,owl\nlong.wav,,,crow\n"
    (tmp_path / "labels.csv").write_text(rows)
    for given in (tmp_path, tmp_path / "labels.csv"):
        data = read_data(given)
        sounds = [one.path for one in data.examples]
        assert all(isinstance(one, Heard) for one in sounds)
        assert [(one.start, one.end) for one in sounds] == [(0.5, 1.5), (2.0, 3.0), (None, None)]
        assert [one.labels for one in data.examples] == [(0,), (1,), (0,)]
        assert as_pixels(sounds[0]).shape == (64, 100)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("long.wav,1,9,owl", r"line 3: need times within long\.wav, which lasts 5\.00 s, got 1 to 9 s"),
        ("long.wav,6,,owl", r"line 3: need times within long\.wav, which lasts 5\.00 s, got 6 s on"),
        ("long.wav,2,1,owl", "line 3: need an end after the start, got 2 to 1 s"),
        ("long.wav,now,2,owl", "line 3: need start in seconds, got 'now'"),
        ("gone.wav,1,2,owl", r"line 3: .*gone\.wav"),
        ("long.wav,1,2,", "line 3: need a path and a label, got an empty cell"),
    ],
)
def test_a_row_that_cannot_be_is_told_with_its_line(tmp_path: Path, row: str, sentence: str) -> None:
    write_tone(tmp_path / "long.wav", 5)
    (tmp_path / "labels.csv").write_text(f"path,start,end,label\nlong.wav,0,1,crow\n{row}\n")
    with pytest.raises(DataError, match=sentence):
        read_data(tmp_path)


def test_classes_that_a_model_does_not_know_are_refused(tmp_path: Path) -> None:
    write_tone(tmp_path / "crow" / "a.wav")
    with pytest.raises(DataError, match="need folders of the model's classes"):
        read_data(tmp_path, class_names=("dog", "cat"))


def test_a_view_has_the_sound_somewhere_in_it() -> None:
    plain = SoundAugmentation(gain=0, stretch=0, pitch=0, noise=0, masks=0, nothing=0)
    sound = np.full((64, 20), 200, np.uint8)
    sound[:, :2] = 0  # its background
    firsts = set()
    for seed in range(20):
        view, shows = plain.view(sound, Hearing(), np.random.default_rng(seed))
        columns = np.flatnonzero(view.any(axis=0))
        assert shows
        assert view.shape == (64, 96)
        assert len(columns) == 18
        np.testing.assert_array_equal(view[:, columns], sound[:, 2:])
        firsts.add(int(columns[0]))
    assert len(firsts) > 10


def test_of_a_long_sound_a_view_shows_a_part() -> None:
    plain = SoundAugmentation(gain=0, stretch=0, pitch=0, noise=0, masks=0, nothing=0)
    sound = np.broadcast_to(np.arange(200, dtype=np.uint8), (64, 200))
    view, _ = plain.view(sound, Hearing(), np.random.default_rng(0))
    assert (np.diff(view[0].astype(int)) == 1).all()


def test_noise_adds_energy_and_a_view_of_nothing_has_only_noise() -> None:
    noisy = SoundAugmentation(gain=0, stretch=0, pitch=0, noise=1, masks=0, nothing=0)
    sound = np.zeros((64, 96), np.uint8)
    sound[20, 40] = 255
    view, _ = noisy.view(sound, Hearing(), np.random.default_rng(3))
    assert view[20, 40] >= 250
    assert view.mean() > 5
    nothing, shows = SoundAugmentation(nothing=1, masks=0).view(sound, Hearing(), np.random.default_rng(3))
    assert not shows
    assert nothing.std() < 60


def test_pitch_and_gain_move_levels_up_and_sideways() -> None:
    sound = np.zeros((64, 96), np.uint8)
    sound[30] = 128
    for seed in range(30):
        moved, _ = SoundAugmentation(stretch=0, noise=0, masks=0, nothing=0).view(
            sound, Hearing(), np.random.default_rng(seed)
        )
        row = int(moved.max(axis=1).argmax())
        assert 27 <= row <= 33
        assert 128 - 31 <= moved[row].max() <= 128 + 31


def test_masks_leave_out_times_and_bands() -> None:
    sound = np.random.default_rng(0).integers(100, 200, (64, 96)).astype(np.uint8)
    plain = SoundAugmentation(gain=0, stretch=0, pitch=0, noise=0, masks=2, nothing=0)
    view, _ = plain.view(sound, Hearing(), np.random.default_rng(1))
    changed = view != sound
    assert 0.02 < changed.mean() < 0.6
    assert (changed.mean(axis=0) > 0.9).any() or (changed.mean(axis=1) > 0.9).any()


def test_fractions_that_are_none_are_refused() -> None:
    with pytest.raises(ArgumentError, match="noise: need a fraction from 0 to 1"):
        SoundAugmentation(noise=2)
