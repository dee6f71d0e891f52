"""What results show in a notebook: HTML in which whatever stands in names is text, and a bar where one can be drawn."""

import io
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import convolens as cl
from convolens import progress
from convolens.data.doctor import diagnose
from convolens.explanation import Explanation
from convolens.media.images import write_image
from convolens.media.shown_arrays import shown_picture
from convolens.results import Detections, Prediction

EVIL = "<script>alert(1)</script>&"
PHOTO = np.full((20, 30, 3), 90, np.uint8)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)

    def handle_data(self, data):
        self.text += data


def doctors_report(tmp_path):
    for name in ("<b>one", "two"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "<img src=x>.png", PHOTO)  # the same picture in two classes
    return diagnose(tmp_path, progress=False)


def hostile_plan():
    plan = cl.plan(np.ones((9, 9)), np.ones((3, 3)))
    able, _, *others = plan.candidates
    named = SimpleNamespace(name=EVIL, cost=None, refusal=EVIL)
    return type(plan)(plan.problem, able, (able, named, *others))


def hostile_trunk():
    trunk = cl.trunk("resnet18", device="cpu")
    trunk.weights = EVIL
    return trunk


SHOWN = {
    "prediction": lambda tmp_path: Prediction((EVIL, "b"), (0.9, 0.1), picture=PHOTO),
    "detections": lambda tmp_path: Detections(
        np.array([[1, 1, 9, 9]], np.float32), (EVIL,), np.array([0.5], np.float32), *np.zeros((2, 1), np.int64),
        picture=PHOTO,
    ),
    "explanation": lambda tmp_path: Explanation(np.eye(20, 30, dtype=np.float32), 1.0, EVIL, "cam", {}, PHOTO),
    "picture": lambda tmp_path: shown_picture(PHOTO, EVIL),
    "plan": lambda tmp_path: hostile_plan(),
    "trunk": lambda tmp_path: hostile_trunk(),
    "diagnosis": doctors_report,
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_what_stands_in_names_is_text(kind, tmp_path):
    shown = Tags(SHOWN[kind](tmp_path)._repr_html_())
    assert "script" not in shown.names
    assert ("<b>one" if kind == "diagnosis" else EVIL) in shown.text
    assert shown.names.count("img") == (kind in ("prediction", "detections", "explanation", "picture"))


def test_a_plan_shows_its_candidates_and_the_chosen_one_in_bold():
    plan = cl.plan(np.ones((64, 64)), np.ones((3, 3)))
    html = plan._repr_html_()
    assert html.count("<b>") == 1 and f"<b>{plan.method}</b>" in html
    assert Tags(html).names.count("tr") == 1 + len(plan.candidates)


def test_a_trunk_shows_its_taps_and_a_doctors_report_its_findings(tmp_path):
    trunk = cl.trunk("vgg16", device="cpu")
    shown = trunk._repr_html_()
    assert "vgg16 with random weights, 14,714,688 of them, 18 taps" in shown
    assert shown.endswith(cl.receptive_fields(trunk)._repr_html_())
    found = doctors_report(tmp_path)
    shown = Tags(found._repr_html_())
    assert shown.names.count("tr") == 1 + len(found.findings)
    assert found.findings[0].sentence in shown.text


@pytest.mark.parametrize("widgets", [True, False])
def test_progress_in_a_notebook_is_a_bar_where_widgets_are_and_lines_elsewhere(monkeypatch, widgets):
    console = Console(file=io.StringIO(), force_jupyter=True, width=80)
    monkeypatch.setattr(progress, "terminal", lambda: console)
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if widgets else None)
    started = []
    monkeypatch.setattr(progress.Progress, "start", lambda self: started.append(self))
    monkeypatch.setattr(progress.Progress, "stop", lambda self: None)
    with progress.watching("pictures", 3) as watched:
        assert (watched.bar is not None) == widgets == bool(started)
