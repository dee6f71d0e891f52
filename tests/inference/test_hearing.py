"""Recordings through a network that hears: what is heard, when, in one pass that does not depend on its blocks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convolens as cl
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FileError, FormatError
from convolens.features import listening
from convolens.features.convolutionalize import convolutionalize
from convolens.media.audio import write_audio
from convolens.models.classify import Classifier
from convolens.training.sounds import hearing_trunk

RATE = 8000
HEARING = Hearing(RATE, 200, 80, 32, 32)


@pytest.fixture(scope="module")
def model() -> Classifier:
    """A network of random weights: when something is heard does not depend on what it is called."""
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, seed=1, channels=1, device="cpu"), HEARING)
    return cl.classifier(trunk, classes=["high", "low"], taps="layer2.1")


def recording(path: Path, times: list[float], seconds: float = 60) -> Path:
    generator = np.random.default_rng(0)
    samples = generator.normal(0, 0.001, int(seconds * RATE)).astype(np.float32)
    for at in times:
        first, count = int(at * RATE), int(0.25 * RATE)
        samples[first : first + count] += (0.4 * np.sin(2 * np.pi * 700 * np.arange(count) / RATE)).astype(np.float32)
    write_audio(path, samples, RATE, subtype="FLOAT")
    return path


def test_events_begin_and_end_where_the_sounds_do(model: Classifier, tmp_path: Path) -> None:
    times = [0.1, 3.0, 7.77, 20.45, 41.2, 59.6]
    found = cl.listen(model, recording(tmp_path / "a.wav", times), threshold=0)
    events = [one for one in found.events if one.end - one.start < 0.32]  # with a threshold of 0 all else is named, too
    assert found.seconds == pytest.approx(60, abs=0.02)
    assert all(0 <= one.start < one.end <= found.seconds for one in found.events)
    assert len(events) == len(times)
    for event, at in zip(events, times, strict=True):
        assert event.start == pytest.approx(at, abs=0.03)
        assert event.end == pytest.approx(at + 0.25, abs=0.03)


def test_the_pass_in_blocks_gives_what_each_window_gives_in_the_whole(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = recording(tmp_path / "a.wav", [1.0, 5.0, 9.5], 12)
    scanner = convolutionalize(model, (HEARING.bands, HEARING.columns))
    parts = [HEARING.picture(*cl.read_audio(file))]
    with torch.inference_mode():
        monkeypatch.setattr(listening, "BLOCK", 1 << 20)
        whole = np.concatenate(list(listening._windows(model, scanner, parts)), axis=1)
        monkeypatch.setattr(listening, "BLOCK", 128)
        pieces = np.array_split(parts[0], 41, axis=1)
        blocks = np.concatenate(list(listening._windows(model, scanner, pieces)), axis=1)
    assert blocks.shape == whole.shape
    inner = slice(8, -8)  # the background at the ends is that of the part which is held there
    np.testing.assert_allclose(blocks[:, inner], whole[:, inner], atol=1e-5)
    assert whole.std() > 0


def test_windows_that_are_sure_of_what_does_not_rise_are_an_event() -> None:
    likely = np.zeros((2, 50), np.float32)
    likely[1, 20:30] = 0.9
    centers = np.arange(50) * 8.0
    assert list(listening._events(likely, centers, [], 32, 0.5, False)) == [(1, 156.0, 236.0, pytest.approx(0.9))]


def test_what_rises_is_named_by_the_window_around_it_and_not_twice() -> None:
    likely = np.full((2, 50), 0.2, np.float32)
    likely[0, 23:28] = 0.8
    centers = np.arange(50) * 8.0
    assert list(listening._events(likely, centers, [(196, 208)], 32, 0.5, False)) == [(0, 196, 208, pytest.approx(0.8))]
    both = np.full((2, 50), 0.7, np.float32)
    assert [one[0] for one in listening._events(both, centers, [(196, 208)], 400, 0.5, True)][:2] == [0, 1]


def test_what_rises_for_longer_than_two_windows_is_named_by_those_in_it() -> None:
    likely = np.full((2, 50), 0.1, np.float32)
    likely[0, 10:20], likely[1, 20:30] = 0.9, 0.9
    found = list(listening._events(likely, np.arange(50) * 8.0, [(80, 240)], 32, 0.5, False))
    assert [(label, first, last) for label, first, last, _ in found] == [(0, 76.0, 156.0), (1, 156.0, 236.0)]
    first, *_ = listening._events(likely, np.arange(50) * 8.0, [(80, 140)], 32, 0.5, False)
    assert first[:3] == (0, 80, 140)


def test_lines_rows_and_labels_are_written_and_a_bad_file_is_told(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    recording(tmp_path / "in" / "deep" / "a.wav", [1.0], 4)
    (tmp_path / "in" / "b.wav").write_text("none")
    write_audio(tmp_path / "in" / "c.wav", np.zeros(RATE, np.float32), RATE)
    write_audio(tmp_path / "in" / "d.wav", np.ones(100, np.float32), RATE)
    found = cl.predict_files(model, [tmp_path / "in"], tmp_path / "out", threshold=0.0, progress=False)
    assert (found.done, found.failed) == (1, 3)
    lines = {Path(one["path"]).name: one for one in map(json.loads, Path(found.lines).read_text().splitlines())}
    assert "silence" in lines["c.wav"]["error"]
    assert "need a sound of more than" in lines["d.wav"]["error"]
    events = lines["a.wav"]["events"]
    with (tmp_path / "out" / "events.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(one["start"]) for one in rows] == [pytest.approx(one["start"], abs=1e-3) for one in events]
    labels = (tmp_path / "out" / "labels" / "deep" / "a-wav.txt").read_text().splitlines()
    assert [one.split("\t")[2] for one in labels] == [one["label"] for one in events]
    assert len(labels) >= 1


def test_what_cannot_be_listened_to_is_refused(model: Classifier, tmp_path: Path) -> None:
    write_audio(tmp_path / "still.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(FormatError, match=r"still\.wav: need a sound, got 1 s of silence"):
        cl.listen(model, tmp_path / "still.wav")
    with pytest.raises(ArgumentError, match="threshold: need a number from 0 to 1"):
        cl.listen(model, tmp_path / "still.wav", threshold=2)
    with pytest.raises(ArgumentError, match="need one that was trained by sounds"):
        cl.listen(cl.classifier("resnet18", classes=2), tmp_path / "still.wav")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty: need sounds \(\.wav"):
        cl.predict_files(model, [tmp_path / "empty"], tmp_path / "out", progress=False)


def test_events_are_printed_without_signs_that_a_terminal_would_be_shown_escaped(capsys) -> None:
    from convolens.cli.hearing import _print_events
    from convolens.features.listening import Event, Listened

    _print_events("owl.wav", Listened(2.0, (Event("owl", 0.5, 1.25, 0.9),)))
    _print_events("calm.wav", Listened(2.0, ()))
    assert capsys.readouterr().out.splitlines() == [
        "owl.wav: 0.50-1.25 s  owl  90.0%", "calm.wav: nothing heard of which it is sure in 2.00 s",
    ]  # fmt: skip
