"""Training a detector by labels of time and pitch: what it is shown, what it learns, and what is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.cli import run as on_the_line
from convolens.data import Example, Loaded, read_data
from convolens.data.augment_sounds import SoundAugmentation
from convolens.data.dataset import Box, DataSet
from convolens.data.sound_labels import HEARING
from convolens.data.sounds import by_hearing
from convolens.effects.sounds.heard import heard
from convolens.effects.sounds.hearing import Hearing
from convolens.errors import ArgumentError, DataError
from convolens.media.audio import write_audio
from convolens.models.detect import DetectionLoss
from convolens.training.detect_sounds import PLAIN, DetectSoundsObjective, hearing_of_labels, in_stretches
from convolens.training.run_folder import Run
from convolens.training.sounds import hearing_trunk

RATE = 8000
NAMES = ("falls", "rises")
TINY = {"trunk": "resnet18", "width": 0.125, "seconds": 1.28, "bands": 32}


def call(rising: bool, generator: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """A tone that rises or falls, and its lowest and highest pitch."""
    count, low = int(RATE * generator.uniform(0.3, 0.5)), generator.uniform(500, 1200)
    pitches = np.geomspace(low, 2 * low, count)
    samples = 0.3 * np.sin(2 * np.pi * np.cumsum(pitches if rising else pitches[::-1]) / RATE)
    return samples, low, 2 * low


def write_calls(root: Path, count: int, seed: int, seconds: int = 10) -> Path:
    """Recordings with calls in noise, and Audacity's label files."""
    generator = np.random.default_rng(seed)
    root.mkdir(parents=True)
    for number in range(count):
        sound, lines = generator.normal(0, 0.003, seconds * RATE), []
        for at in np.arange(0.3, seconds - 0.8, 1.0):
            rising, first = bool(generator.integers(2)), int((at + generator.uniform(0, 0.3)) * RATE)
            samples, low, high = call(rising, generator)
            sound[first : first + len(samples)] += samples
            lines.append(f"{first / RATE}\t{(first + len(samples)) / RATE}\t{NAMES[rising]}\n\\\t{low}\t{high}\n")
        write_audio(root / f"{number}.wav", sound.astype(np.float32), RATE)
        (root / f"{number}.txt").write_text("".join(lines))
    return root


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_calls(tmp_path_factory.mktemp("calls") / "data", 8, 0)


@pytest.fixture(scope="module")
def run(calls: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "run"
    return cl.train("detect", calls, out=out, epochs=24, batch=8, lr=3e-3, device="cpu", progress=False, **TINY)


def test_it_learns_when_and_at_which_pitch(run: Run, tmp_path: Path) -> None:
    found = cl.evaluate(run.load(), write_calls(tmp_path / "fresh", 3, 1), progress=False)
    assert found["count"] == 3 and found["objects"] == 27
    assert found["ap50"] > 0.6
    assert found["event_f1"] > 0.2  # to within 50 ms, which is half of a cell of its finest map
    assert found.summary().startswith("3 sounds, 27 objects: F1 of events ")
    assert run.metrics.summary().startswith("2 sounds, ")


def test_what_is_found_is_written_for_both_programs_and_read_again(run: Run, tmp_path: Path) -> None:
    fresh, out = write_calls(tmp_path / "fresh", 2, 2), tmp_path / "out"
    (fresh / "bad.wav").write_bytes(b"none")
    assert on_the_line(["predict", str(run.folder), str(fresh), "--out", str(out), "--threshold", "0.3"]) == 2
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert "error" in lines[2] and lines[2]["path"].endswith("bad.wav")
    events = [event for line in lines[:2] for event in line["events"]]
    assert len(events) > 4
    with (out / "events.csv").open() as stream:
        rows = [(float(row["start"]), float(row["high"]), row["label"]) for row in csv.DictReader(stream)]
    wanted = [(event["start"], event["high"], event["label"]) for event in events]
    for row, event in zip(rows, wanted, strict=True):
        assert row == (pytest.approx(event[0], abs=1e-3), pytest.approx(event[1], abs=0.1), event[2])
    (fresh / "bad.wav").unlink()
    for folder in ("labels", "raven"):
        for number in (0, 1):
            (fresh / f"{number}.txt").write_text((out / folder / f"{number}-wav.txt").read_text())
        data = read_data(fresh)
        assert data.kind == "boxes"
        found = [(*HEARING.span_of(b.xyxy), NAMES[b.label]) for one in data.examples for b in one.boxes]
        for one, event in zip(found, events, strict=True):
            assert one[4] == event["label"]
            assert one[:4] == pytest.approx([event[name] for name in ("start", "end", "low", "high")], abs=2e-3)


def test_a_view_has_its_labels_where_its_sounds_are() -> None:
    hearing = Hearing(RATE, 200, 80, 32, 64)
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, channels=1, device="cpu"), hearing)
    model = cl.detector(trunk, size=(32, 64), classes=["call"], width=0.0625)
    plain = SoundAugmentation(gain=0, noise=0, masks=0, nothing=0)
    pixels = np.zeros((32, 128, 3), np.uint8)
    pixels[10:20, 50:70] = 200
    loaded = Loaded(pixels, np.array([[50, 10, 70, 20]], np.float32), np.array([0]))
    example, firsts = Example(Path("a.wav"), (0,)), set()
    objective = DetectSoundsObjective(model, plain, DetectionLoss())
    for seed in range(40):
        sample = objective.view(example, loaded, np.random.default_rng(seed))
        if len(sample["boxes"]):
            box = sample["boxes"][0].numpy() * [64, 32, 64, 32]
            loud = np.argwhere(sample["picture"].numpy() > 100)
            np.testing.assert_allclose(box[:2], loud.min(axis=0)[::-1], atol=1.6)
            np.testing.assert_allclose(box[2:], loud.max(axis=0)[::-1] + 1, atol=1.6)
            firsts.add(round(float(box[0])))
        else:  # less than half of it is there
            assert (sample["picture"] > 100).any(dim=0).sum() <= 12
    assert len(firsts) > 10
    unchanged = DetectSoundsObjective(model, PLAIN, DetectionLoss()).view(example, loaded, np.random.default_rng(0))
    np.testing.assert_array_equal(unchanged["picture"], pixels[:, :64, 0])


def test_stretches_have_labels_in_their_own_pixels_and_as_much_silence(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", np.zeros(60 * RATE, np.float32), RATE)
    box = Box(0, HEARING.box_of(30.0, 30.4, 500, 1000))
    data = DataSet(tmp_path, ("call",), (Example(heard(tmp_path / "a.wav", HEARING), (0,), (box,)),), "boxes")
    hearing = Hearing.of(RATE, 1.28)
    stretches = in_stretches(by_hearing(data, hearing), hearing).examples
    full = [one for one in stretches if one.boxes]
    assert len(full) == 2 and len(stretches) == 4
    for one in full:
        start, end, low, high = hearing.span_of(one.boxes[0].xyxy)
        assert one.path.start + start == pytest.approx(30.0, abs=0.011)
        assert end - start == pytest.approx(0.4)
        assert (low, high) == (pytest.approx(500), pytest.approx(1000))
        assert one.size == (hearing.columns, hearing.bands)
    assert all(one.labels == () for one in stretches if not one.boxes)


def test_the_network_hears_as_high_and_as_long_as_labels_say(calls: Path, tmp_path: Path) -> None:
    data = read_data(calls)
    hearing = hearing_of_labels(data, None, None, None)
    assert hearing.rate == 8000 and 0.9 < hearing.seconds < 1.2 and hearing.bands == 64
    write_audio(tmp_path / "bat.wav", np.zeros(96_000, np.float32), 96_000)
    (tmp_path / "bat.txt").write_text("0.1\t0.9\tbat\n\\\t15000\t20000\n")
    bats = read_data(tmp_path)
    assert hearing_of_labels(bats, None, None, None).rate == round(20_000 / 0.475)
    assert hearing_of_labels(bats, None, None, None).seconds == pytest.approx(1.6, abs=0.16)
    with pytest.raises(DataError, match=r"need labels of pitches below the 7,600 Hz .* got 15,000 to 20,000 Hz"):
        hearing_of_labels(bats, 16_000, None, None)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"flip": False}, "flip: is an option for pictures"),
        ({"crop": False}, "crop: is an option for pictures"),
        ({"zoom_out": 2.0}, "zoom_out: is an option for pictures"),
        ({"color_jitter": 0.0}, "color_jitter: is an option for pictures"),
        ({"size": 300}, "size: is an option for pictures"),
        ({"seconds": 0.0}, "seconds: need a number from 0.1 to 60"),
        ({"noise": 2.0}, "noise: need a fraction"),
    ],
)
def test_options_that_mean_nothing_are_refused(calls: Path, tmp_path: Path, option: dict, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        cl.train("detect", calls, out=tmp_path / "run", progress=False, **option)


def test_what_is_taught_otherwise_is_refused(run: Run, calls: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train detect on them"):
        cl.train("classify", calls, out=tmp_path / "run", progress=False)
    for task in ("localize", "unusual"):
        with pytest.raises(ArgumentError, match=f"task: need classify or detect for sounds, got {task}"):
            cl.train(task, calls, out=tmp_path / "run", progress=False)
    (tmp_path / "p").mkdir()
    cl.write_image(tmp_path / "p" / "a.png", np.zeros((32, 32), np.uint8))
    (tmp_path / "p" / "a.csv").write_text("path,x1,y1,x2,y2,label\na.png,1,1,9,9,rises\n")
    with pytest.raises(DataError, match="need sounds, as the network was taught by sounds, got pictures"):
        cl.evaluate(run.load(), tmp_path / "p", progress=False)
    seeing = cl.detector("resnet18", size=64, classes=NAMES, width=0.0625)
    with pytest.raises(DataError, match="need pictures, as the network was taught by pictures, got sounds"):
        cl.evaluate(seeing, calls, progress=False)
    with pytest.raises(ArgumentError, match="need one that takes pictures to export, got one that hears"):
        cl.export(run.load(), tmp_path / "model.onnx")


def test_a_run_is_resumed_and_refused_with_another_hearing(calls: Path, tmp_path: Path) -> None:
    def stop(row):
        return row["epoch"] < 1

    given = {"out": tmp_path / "run", "batch": 8, "device": "cpu", "progress": False}
    with pytest.raises(KeyboardInterrupt):
        cl.train("detect", calls, epochs=2, on_epoch=stop, **given, **TINY)
    with pytest.raises(ArgumentError, match="resume: need the pictures of the run"):
        cl.train("detect", calls, epochs=2, resume=True, **given, **(TINY | {"seconds": 0.96}))
    run = cl.train("detect", calls, epochs=2, resume=True, **given, **TINY)
    assert len((run.folder / "metrics.csv").read_text().splitlines()) == 3
