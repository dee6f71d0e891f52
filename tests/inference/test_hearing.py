"""Recordings through a network that hears: what is heard, when, in one pass that does not depend on its blocks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import convolens as cl
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, FileError, FormatError
from convolens.features import listening
from convolens.features.convolutionalize import convolutionalize
from convolens.features.recording import Recording
from convolens.inference.hearing import explain_sounds
from convolens.media.audio import write_audio
from convolens.media.one_writer import only_writer
from convolens.models.classify import Classifier
from convolens.models.familiar import Familiarity
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


def write_nan(path: Path, samples: np.ndarray) -> None:
    """By another hand, as what is written here is finite."""
    soundfile.write(path, samples, RATE, subtype="FLOAT")


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


def test_a_sound_that_begins_quietly_begins_there() -> None:
    """As an f does before its vowel: what rises by less than tells a sound from its background, and goes on to one."""
    picture = np.full((32, 400), 50, np.uint8)
    for first in (100, 300):
        picture[:22, first : first + 12] = 59  # 1 above what counts, in two thirds of the bands
    picture[:, 312:340] = 120
    with Recording(HEARING) as held:
        list(held.through([picture]))
        assert held.segments() == [(300, 340)]


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


CENTERS = np.arange(50) * 8.0
NO_SEGMENTS = np.zeros((2, 0), np.float32)


def test_windows_that_are_sure_of_what_does_not_rise_are_an_event() -> None:
    likely = np.zeros((2, 50), np.float32)
    likely[1, 20:30] = 0.9
    found = list(listening._events(likely, CENTERS, [], NO_SEGMENTS, np.ones(50, bool), 0.5, False))
    assert found == [(1, 156.0, 236.0, pytest.approx(0.9), None)]


def test_what_rises_is_named_by_the_window_around_it_and_not_twice() -> None:
    likely = np.full((2, 50), 0.9, np.float32)  # by the pass, which is not asked where something rises
    segments = [(196, 208)]
    free = listening._free(CENTERS, segments, 32)
    assert (~free).sum() == 6
    likely[:, free] = 0.2
    of_segments = np.float32([[0.3], [0.7]])
    found = list(listening._events(likely, CENTERS, segments, of_segments, free, 0.5, False))
    assert found == [(1, 196, 208, pytest.approx(0.7), 0)]
    both = np.float32([[0.6], [0.7]])
    found = list(listening._events(likely, CENTERS, segments, both, free, 0.5, True))
    assert [one[0] for one in found] == [0, 1]


def test_windows_of_which_the_pass_is_sure_are_asked_alone_and_all_where_it_missed_one() -> None:
    said, asked = np.full((2, 50), 0.2, np.float32), []
    said[1, 20:30] = 0.9
    alone = np.full((2, 50), 0.1, np.float32)

    def ask(some: np.ndarray) -> np.ndarray:
        asked.extend(some.tolist())
        return alone[:, some]

    found = listening._asked_between(said, np.ones(50, bool), 0.5, ask)
    assert set(range(20, 30)) <= set(asked)
    assert len(asked) == 10 + listening.ASKED
    assert found.max() <= 0.2 + 1e-6
    alone[0, 40:] = 0.8  # a hum that the pass is not sure of
    found = listening._asked_between(said, np.ones(50, bool), 0.5, ask)
    np.testing.assert_array_equal(found, alone)


def test_a_short_sound_is_named_as_predict_names_it(tmp_path: Path) -> None:
    """Even where cells see farther than a window is wide, so that the pass sees what no window does."""
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, seed=1, channels=1, device="cpu"), HEARING)
    model = cl.classifier(trunk, classes=["high", "low"], taps="layer3.1")
    with torch.no_grad():
        model.head.linear.weight.mul_(30)
    file = recording(tmp_path / "a.wav", [0.02], 0.3)
    found, predicted = cl.listen(model, file, threshold=0), model.predict(file)
    assert found.labels == predicted.labels
    assert found.scores == pytest.approx(predicted.scores, abs=1e-4)
    assert {one.label for one in found.events} == {predicted.labels[0]}
    around = cl.listen(model, recording(tmp_path / "b.wav", [5.0], 9), threshold=0)
    event = min(around.events, key=lambda one: abs(one.start - 5.0))
    levels = HEARING.picture(*cl.read_audio(tmp_path / "b.wav"))
    middle = round(50 * (event.start + event.end) / 1)
    window = model.predict(levels[:, middle - 16 : middle + 16])
    assert (event.label, event.probability) == (window.labels[0], pytest.approx(window.scores[0], abs=1e-4))


def test_the_window_around_a_sound_ends_where_the_next_begins() -> None:
    picture = np.tile(np.arange(200, dtype=np.uint8), (32, 1))
    with Recording(HEARING) as held:
        list(held.through(np.array_split(picture, 7, axis=1)))
        np.testing.assert_array_equal(held.window(90, 110)[0], np.arange(84, 116))
        np.testing.assert_array_equal(held.window(0, 4)[0], np.arange(32))
        np.testing.assert_array_equal(held.window(90, 110, 88, 200)[0], np.arange(88, 120))
        between = held.window(90, 110, 88, 112)[0]
        np.testing.assert_array_equal(between[4:28], np.arange(88, 112))
        assert between.max() == 111


def test_a_window_between_sounds_has_none_of_them_in_it() -> None:
    """Also before the first, where a window that is moved into the recording would have it."""
    picture = np.tile(np.arange(200, dtype=np.uint8), (32, 1))
    with Recording(HEARING) as held:
        list(held.through([picture]))
        assert listening._between(-4.0, [(20, 40)], held).max() < 20
        between = listening._between(44.0, [(20, 40), (60, 80)], held)
        assert (between.min(), between.max()) == (40, 59)
        np.testing.assert_array_equal(listening._between(120.0, [(20, 40)], held)[0], np.arange(104, 136))


def test_what_rises_for_longer_than_two_windows_is_named_by_those_in_it(model: Classifier, tmp_path: Path) -> None:
    samples = np.zeros(9 * RATE, np.float32)
    samples[3 * RATE : 6 * RATE] = 0.3 * np.sin(2 * np.pi * 700 * np.arange(3 * RATE) / RATE)
    write_audio(tmp_path / "a.wav", samples + 1e-4 * np.random.default_rng(0).normal(size=9 * RATE), RATE)
    with Recording(HEARING) as held:
        list(held.through([HEARING.picture(*cl.read_audio(tmp_path / "a.wav"))]))
        assert [last - first > listening.LONGEST * HEARING.columns for first, last in held.segments()] == [True]
    found = cl.listen(model, tmp_path / "a.wav", threshold=0)
    assert not any(
        one.start == pytest.approx(3, abs=0.03) and one.end == pytest.approx(6, abs=0.03) for one in found.events
    )


def test_what_is_like_nothing_that_was_learned_is_unknown(model: Classifier, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pictures = [generator.integers(90, 110, (32, 32), dtype=np.uint8) for _ in range(40)]
    with torch.inference_mode():
        described = torch.cat([model.describe(model.preprocess([one])) for one in pictures])
    known = cl.classifier(model.trunk, classes=["high", "low"], taps="layer2.1", multi_label=True)
    known.familiarity = Familiarity.fitted(described[:20], torch.zeros(20, dtype=torch.int64), described[20:])
    file = recording(tmp_path / "a.wav", [1.0], 4)
    found = cl.listen(known, file, threshold=0, unknown=0.05)
    assert all(one.unknown and one.familiar < 0.05 for one in found.events)
    assert str(found.events[0]).split("  ")[1].startswith("unknown, most like ")
    assert all(one.unknown is None for one in cl.listen(known, file, threshold=0).events)
    cl.predict_files(known, [file], tmp_path / "out", threshold=0.0, unknown=0.05, progress=False)
    assert {line.split("\t")[2] for line in (tmp_path / "out" / "labels" / "a-wav.txt").read_text().splitlines()} == {
        "unknown"
    }
    with (tmp_path / "out" / "events.csv").open() as stream:
        assert {one["unknown"] for one in csv.DictReader(stream)} == {"True"}
    with pytest.raises(ArgumentError, match="unknown: need a model that knows what it learned from"):
        cl.listen(model, file, unknown=0.05)


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


def test_a_folder_of_explanations_has_a_line_for_each_sound_and_one_writer(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    recording(tmp_path / "in" / "a.wav", [0.02], 0.3)
    (tmp_path / "in" / "b.wav").write_text("none")
    work = explain_sounds(model, [tmp_path / "in"], tmp_path / "out")
    first = next(work)
    with pytest.raises(FileError, match="is being written to by"), only_writer(tmp_path / "out"):
        pass
    assert [bool(one.error) for one in (first, *work)] == [False, True]
    lines = [json.loads(line) for line in (tmp_path / "out" / "explanations.jsonl").read_text().splitlines()]
    assert set(lines[0]) == {"path", "label", "probability", "span"} and set(lines[1]) == {"path", "error"}
    assert len(list((tmp_path / "out").glob("a*.png"))) == 1


def test_what_cannot_be_listened_to_is_refused(model: Classifier, tmp_path: Path) -> None:
    write_audio(tmp_path / "still.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(FormatError, match=r"still\.wav: need a sound, got 1 s of silence"):
        cl.listen(model, tmp_path / "still.wav")
    with pytest.raises(ArgumentError, match="threshold: need a number from 0 to 1"):
        cl.listen(model, tmp_path / "still.wav", threshold=2)
    samples = np.ones(RATE, np.float32)
    samples[500] = np.nan
    write_nan(tmp_path / "damaged.wav", samples)
    with pytest.raises(FormatError, match=r"damaged\.wav: need finite samples, got NaN or infinity"):
        cl.listen(model, tmp_path / "damaged.wav")
    with pytest.raises(ArgumentError, match="samples: need finite numbers"):
        HEARING.picture(samples, RATE)
    with pytest.raises(ArgumentError, match=r"top: need an option of networks that hear \(threshold, unknown\)"):
        cl.predict_files(model, [tmp_path / "damaged.wav"], tmp_path / "out", top=2, progress=False)
    with pytest.raises(ArgumentError, match="shard: need none for a network that hears, got '1/2'"):
        cl.predict_files(model, [tmp_path / "damaged.wav"], tmp_path / "out", shard="1/2", progress=False)
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
