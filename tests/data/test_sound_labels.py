"""Labels of sounds beside them: Raven's selection tables and Audacity's label files, read, refused and written."""

from pathlib import Path

import numpy as np
import pytest

from convolens.data import read_data
from convolens.data.formats.audacity.writer import labels_text
from convolens.data.formats.raven.writer import selections_text
from convolens.data.reading import read_with_faults
from convolens.data.sound_labels import HEARING, Span
from convolens.data.sounds import by_hearing, holds_sounds, is_of_sounds
from convolens.effects.sounds.heard import Heard
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import DataError
from convolens.media.audio import write_audio

RATE = 16_000
HEAD = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies"


def write_noise(path: Path, seconds: float = 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).normal(0, 0.01, int(RATE * seconds)).astype(np.float32)
    write_audio(path, samples, RATE)


def spans(data) -> list[tuple[str, str, tuple[float, ...]]]:
    """What is labelled in each sound, in seconds and Hz."""
    return [
        (one.path.path.name, data.class_names[box.label], tuple(round(v, 3) for v in HEARING.span_of(box.xyxy)))
        for one in data.examples
        for box in one.boxes
    ]


def test_audacitys_labels_with_pitches_are_boxes_of_time_and_pitch(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("0.5\t1.25\tcrow\n\\\t1000\t3000\n2\t3\towl\n\n1\t2\tgray owl\n\\\t-1\t500\n")
    for given in (tmp_path, tmp_path / "a.txt"):
        data = read_data(given)
        assert (data.kind, data.class_names) == ("boxes", ("crow", "gray owl", "owl"))
        assert spans(data) == [
            ("a.wav", "crow", (0.5, 1.25, 1000, 3000)),
            ("a.wav", "owl", (2, 3, 0, 8000)),  # without pitches: all there are
            ("a.wav", "gray owl", (1, 2, 0, 500)),
        ]
        assert data.examples[0].labels == (0, 1, 2)
        assert is_of_sounds(data) and holds_sounds(given)


def test_labels_without_any_pitches_are_classes_of_parts(tmp_path: Path) -> None:
    write_noise(tmp_path / "train" / "a.wav")
    write_noise(tmp_path / "val" / "b.wav")
    (tmp_path / "train" / "a.txt").write_text("0.5\t1.25\tcrow\n2\t3\towl\n")
    (tmp_path / "val" / "b.txt").write_text("1\t2\towl\n")
    data = read_data(tmp_path)
    assert data.kind == "label"
    assert [(one.path.path.name, one.path.start, one.path.end, one.labels, one.split) for one in data.examples] == [
        ("a.wav", 0.5, 1.25, (0,), "train"), ("a.wav", 2, 3, (1,), "train"), ("b.wav", 1, 2, (1,), "validation"),
    ]  # fmt: skip


def test_ravens_selections_are_boxes_and_each_counts_once(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    rows = ["1\tWaveform 1\t1\t0.5\t1\t1000\t2000\tcrow", "1\tSpectrogram 1\t1\t0.5\t1\t1000\t2000\tcrow"]
    (tmp_path / "a.Table.1.selections.txt").write_text("\r\n".join([HEAD, *rows]) + "\r\n")
    data = read_data(tmp_path)
    assert spans(data) == [("a.wav", "crow", (0.5, 1, 1000, 2000))]


def test_one_table_may_be_of_several_sounds(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name)
    head = "Begin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\tBegin File\tFile Offset (s)"
    rows = ["0.5\t1\t1000\t2000\tcrow\ta.wav\t0.5", "6\t7\t100\t200\towl\td:\\birds\\b.wav\t1"]
    (tmp_path / "all.txt").write_text("\n".join([head, *rows]))
    assert spans(read_data(tmp_path)) == [
        ("a.wav", "crow", (0.5, 1, 1000, 2000)), ("b.wav", "owl", (1, 2, 100, 200)),
    ]  # fmt: skip


def test_an_empty_text_says_that_nothing_is_heard_and_no_text_that_nobody_listened(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        write_noise(tmp_path / name)
    (tmp_path / "a.txt").write_text("0.5\t1.25\tcrow\n\\\t1000\t3000\n")
    (tmp_path / "b.txt").write_text("")
    found = read_with_faults(tmp_path)
    assert [(one.path.path.name, len(one.boxes)) for one in found.data.examples] == [("a.wav", 1), ("b.wav", 0)]
    [note] = found.notes
    assert note.kind == "not annotated" and "c.wav: need Audacity's label files (.txt) beside it" in note.sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\t9\tcrow\n", r"a\.txt: line 2: need times within a\.wav, which lasts 5\.00 s, got 1 to 9 s"),
        ("2\t1\tcrow\n", "line 2: need an end after the start, got 2 to 1 s"),
        ("1\t1\tcrow\n", "line 2: need an end after the start, got 1 to 1 s"),
        ("1\t2\tcrow\n\\\t3000\t1000\n", "line 2: need a highest pitch above the lowest, got 3000 to 1000 Hz"),
        ("1\t2\tcrow\n\\\t9000\t9500\n", r"line 2: need pitches within a\.wav, which has none above 8000 Hz, got 9000"),
        ("1\t2\t\n", "line 2: need a label, got an empty one"),
        ("one\t2\tcrow\n", "line 2: need the start as a number, got 'one'"),
        ("nan\t2\tcrow\n", "line 2: need the start as a number, got 'nan'"),
        ("1\t2\n", "line 2: need start, end and label between tabs, got '1 2'"),
        ("1\t2\tcrow\n\\\t9000\n", "line 2: need the lowest and the highest pitch between tabs"),
    ],
)
def test_a_label_that_cannot_be_is_told_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    write_noise(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text(f"0\t1\towl\n{text}")
    with pytest.raises(DataError, match=sentence):
        read_data(tmp_path)


def test_other_faults_of_files_are_told(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    (tmp_path / "b.txt").write_text("0\t1\towl\n")
    with pytest.raises(DataError, match=r"b\.txt: line 1: need a sound called b beside it, found none"):
        read_data(tmp_path)
    table = tmp_path / "b.txt"
    table.write_text(f"{HEAD}\tBegin File\n1\tSpectrogram 1\t1\t0\t1\t100\t200\tcrow\tgone.wav\n")
    with pytest.raises(DataError, match=r"line 2: need the sound gone\.wav beside it, found none"):
        read_data(tmp_path)
    table.write_text(HEAD.removesuffix("\tSpecies") + "\n1\tSpectrogram 1\t1\t0\t1\t100\t200\n")
    with pytest.raises(DataError, match=r"b\.txt: need columns begin time \(s\), end time \(s\) and one for the label"):
        read_data(tmp_path)
    table.unlink()
    (tmp_path / "a.txt").write_text("0\t1\towl\n\\\t1\t2\n")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"a\.wav"):
        read_data(tmp_path)


def test_classes_that_a_model_does_not_know_are_refused(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("0\t1\tcow\n\\\t1\t2000\n")
    with pytest.raises(DataError, match=r"need labels of the model's classes .*got 'cow'; did you mean 'crow'"):
        read_data(tmp_path, class_names=("crow", "owl"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    heard = [Span("crow", 0.5, 1.25, 1000, 3000), Span("gray\towl", 2, 3.5, 50, 500)]
    for name in ("audacity", "raven"):
        write_noise(tmp_path / name / "a.wav")
    (tmp_path / "audacity" / "a-wav.txt").write_text(labels_text(heard))
    (tmp_path / "raven" / "a-wav.txt").write_text(selections_text("a.wav", [(one, 0.5) for one in heard]))
    found = [spans(read_data(tmp_path / name)) for name in ("audacity", "raven")]
    assert found[0] == found[1] == [
        ("a.wav", "crow", (0.5, 1.25, 1000, 3000)), ("a.wav", "gray owl", (2, 3.5, 50, 500)),
    ]  # fmt: skip


def test_boxes_go_along_to_another_hearing(tmp_path: Path) -> None:
    """Where a tone is labelled, its picture is loud there, by any hearing."""
    tone = 0.5 * np.sin(2 * np.pi * 2000 * np.arange(2 * RATE) / RATE)
    samples = np.zeros(5 * RATE, np.float32)
    samples[RATE : 3 * RATE] = tone
    write_audio(tmp_path / "a.wav", samples, RATE)
    (tmp_path / "a.txt").write_text("1\t3\ttone\n\\\t1800\t2200\n")
    for hearing in (Hearing.of(16_000, 1.0), Hearing.of(8000, 1.0, 128), Hearing.of(22_050, 1.0, 96)):
        [example] = by_hearing(read_data(tmp_path), hearing).examples
        assert isinstance(example.path, Heard) and example.path.hearing == hearing
        x1, y1, x2, y2 = example.boxes[0].xyxy
        loud = np.argwhere(example.path.picture() > 225)
        assert (loud[:, 1].min(), loud[:, 1].max() + 1) == (pytest.approx(x1, abs=2), pytest.approx(x2, abs=2))
        assert y1 - 1 <= loud[:, 0].min() and loud[:, 0].max() <= y2 + 1
