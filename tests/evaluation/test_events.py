"""Events beside those that are known: what counts as right, and what `evaluate` says of recordings."""

from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.effects.sounds.hearing import Hearing
from convolens.evaluation import events
from convolens.evaluation.events import right_events
from convolens.features.listening import Event, Listened
from convolens.media.audio import write_audio
from convolens.training.sounds import hearing_trunk


@pytest.mark.parametrize(
    ("found", "known", "right"),
    [
        ([(1.0, 0)], [(1.05, 0)], 1),
        ([(1.0, 0)], [(1.06, 0)], 0),
        ([(1.0, 1)], [(1.0, 0)], 0),
        ([(1.0, 0), (1.01, 0)], [(1.0, 0)], 1),
        ([(1.0, 0), (1.04, 0)], [(1.0, 0), (1.05, 0)], 2),
        ([], [(1.0, 0)], 0),
    ],
)
def test_an_event_is_right_once_where_class_and_beginning_are(found: list, known: list, right: int) -> None:
    assert right_events(found, known) == right


def test_evaluate_listens_to_recordings_whose_parts_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_audio(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32), 8000)
    rows = "path,start,end,label\na.wav,0.5,1.5,crow\na.wav,2,3,owl\na.wav,3.5,4.5,owl\n"
    (tmp_path / "labels.csv").write_text(rows)
    trunk = hearing_trunk(cl.trunk("resnet18", width=0.0625, channels=1), Hearing(8000, 200, 80, 64, 96))
    model = cl.classifier(trunk, classes=["crow", "owl"], taps="layer1.0")
    heard = Listened(5.0, (Event("crow", 0.52, 1.4, 0.9), Event("crow", 2.0, 3.0, 0.6)))
    monkeypatch.setattr(events, "listen", lambda model, path: heard)
    found = cl.evaluate(model, tmp_path, progress=False)
    assert found["count"] == 3
    assert found["event_precision"] == pytest.approx(1 / 2)
    assert found["event_recall"] == pytest.approx(1 / 3)
    assert found["event_f1"] == pytest.approx(2 / 5)
    assert "event F1 0.400" in found.summary()
