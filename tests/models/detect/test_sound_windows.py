"""Sounds through a detector: windows that cover them, and events that are found once, wherever they are."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.effects.sounds.heard import heard
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FormatError, ShapeError
from convolens.media.audio import write_audio
from convolens.models.detect import Detector
from convolens.models.detect.sound_windows import _cut, sound_windows
from convolens.models.detect.tiles import Tile
from convolens.results import Detections
from convolens.training.sounds import hearing_trunk

RATE = 8000
HEARING = Hearing(RATE, 200, 80, 32, 64)


@pytest.fixture
def model() -> Detector:
    """A network of random weights."""
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, seed=1, channels=1, device="cpu"), HEARING)
    return cl.detector(trunk, size=(32, 64), classes=["high", "low"], width=0.0625)


def picture(columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (32, columns), dtype=np.uint8)


@pytest.mark.parametrize("columns", [1, 63, 64, 65, 95, 96, 97, 1000])
def test_windows_cover_the_sound_and_each_is_half_in_the_next(columns: int) -> None:
    whole = picture(columns)
    found = list(_cut(np.array_split(whole, min(columns, 7), axis=1), 64))
    firsts = [first for _, first in found]
    assert firsts[0] == 0 and all(0 < after - before <= 32 for before, after in pairwise(firsts))
    for window, first in found:
        here = whole[:, first : first + 64]
        assert window.shape == (32, 64)
        np.testing.assert_array_equal(window[:, : here.shape[1]], here)
    assert firsts[-1] == max(0, columns - 64)


def test_a_file_gives_the_windows_of_its_picture(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    write_audio(tmp_path / "a.wav", samples, RATE)
    of_file = list(sound_windows(heard(tmp_path / "a.wav", HEARING), HEARING))
    of_picture = list(sound_windows(HEARING.picture(*cl.read_audio(tmp_path / "a.wav")), HEARING))
    assert [tile for _, tile in of_file] == [tile for _, tile in of_picture]
    assert of_file[1][1] == Tile(32, 0, 96, 32)
    np.testing.assert_array_equal([one for one, _ in of_file], [one for one, _ in of_picture])


def test_what_is_found_is_moved_to_its_place_and_what_a_window_cuts_off_is_left_to_its_neighbor(
    model: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows are asked what is bright in them, by a network that says so of what it sees."""
    whole = np.ones((32, 200), np.uint8)
    whole[8:16, 70:90] = 255  # whole in the windows from 32 and from 64
    whole[4:20, 120:140] = 255  # cut off by the window from 64, whole in the one from 96

    def seen(one: np.ndarray) -> Detections:
        columns = np.flatnonzero((one > 0.9).any(axis=0))
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(columns) else []
        rows = [np.flatnonzero((one[:, run] > 0.9).any(axis=1)) for run in runs]
        boxes = [(run[0], row[0], run[-1] + 1, row[-1] + 1) for run, row in zip(runs, rows, strict=True)]
        classes = np.zeros(len(boxes), np.int64)
        corners, scores = np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32)
        return Detections(corners, ("high",) * len(boxes), scores, classes, classes)

    monkeypatch.setattr(Detector, "forward", lambda self, batch: (self.preprocessing.denormalize(batch)[:, 0], batch))
    monkeypatch.setattr(Detector, "decode", lambda self, outputs, *_: [seen(one) for one in outputs.scores.numpy()])
    found = model.predict(whole)
    order = found.boxes_xyxy[:, 0].argsort()
    np.testing.assert_array_equal(found.boxes_xyxy[order], [[70, 8, 90, 16], [120, 4, 140, 20]])


def test_more_is_found_in_a_recording_than_in_one_window(model: Detector) -> None:
    found = model.predict(picture(2000), threshold=0.0, max_detections=3)
    assert 3 < len(found) <= 3 * 62


def test_a_short_sound_is_before_its_background_and_its_end_is_no_event(model: Detector, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, RATE // 4).astype(np.float32)
    write_audio(tmp_path / "a.wav", samples, RATE)
    found = cl.listen(model, tmp_path / "a.wav", threshold=0)
    assert found.seconds == 0.25
    assert found.events and all(0 <= one.start < one.end <= 0.25 for one in found.events)
    assert all(0 < one.low < one.high < RATE / 2 for one in found.events)
    assert set(found.labels) == {"high", "low"} and found.scores[0] == max(one.probability for one in found.events)
    first = found.events[0]
    assert str(first).split(" s", 1)[1].startswith(f", {first.low:,.0f}-{first.high:,.0f} Hz  {first.label}  ")
    assert first.to_dict().keys() == {"label", "start", "end", "probability", "low", "high"}


def test_what_cannot_be_heard_is_refused(model: Detector, tmp_path: Path) -> None:
    write_audio(tmp_path / "still.wav", np.zeros(2 * RATE, np.float32), RATE)
    write_audio(tmp_path / "short.wav", np.ones(100, np.float32), RATE)
    with pytest.raises(FormatError, match=r"still\.wav: need a sound, got silence"):
        cl.listen(model, tmp_path / "still.wav")
    with pytest.raises(FormatError, match=r"short\.wav: need a sound of more than 0\.08 s, got 0\.013 s"):
        cl.listen(model, tmp_path / "short.wav")
    with pytest.raises(ShapeError, match="need 32 rows, one for each band that is heard, got 16"):
        model.predict(np.ones((16, 100), np.uint8))
    with pytest.raises(ArgumentError, match="tile: need none for a network that hears"):
        model.predict(picture(100), tile=64)
    with pytest.raises(ArgumentError, match="unknown: need a classifier"):
        cl.listen(model, tmp_path / "still.wav", unknown=0.01)
    cl.write_image(tmp_path / "a.png", picture(100))
    with pytest.raises(FormatError, match=r"a\.png: need a sound, as the network was taught by sounds"):
        model.predict(tmp_path / "a.png")
