import json
import os

import pytest

import convolens as cl
from convolens.errors import FileError
from convolens.training import restarts
from tests.training.test_several import write_squares

TRAINING = {"trunk": "resnet18", "width": 0.125, "size": 64, "epochs": 1, "progress": False, "device": "cpu"}


@pytest.fixture
def attempt(monkeypatch):
    """Says which attempt of a launch of `torchrun` this is."""

    def attempt(count, launch="none", of=3):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(count))
        monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", str(of))
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", launch)

    return attempt


def train(data, out, **options):
    return cl.train("detect", data, out=out, **TRAINING, **options)


def events(run):
    return [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("launch", ["none", "job 7"])
def test_a_restart_resumes_its_own_run_and_no_other(tmp_path, attempt, launch, monkeypatch):
    data, run = write_squares(tmp_path / "data", 8), tmp_path / "run"
    attempt(0, launch)
    train(data, run)
    attempt(1, launch)
    train(data, run)
    assert events(run).count("resumed") == events(run).count("launched") == 1
    attempt(1, launch + "0" if launch != "none" else launch)
    monkeypatch.setattr(os, "getppid", lambda: 1)  # another launch: another id, or another `torchrun`
    with pytest.raises(FileError, match="need a folder without a run"):
        train(data, run)
    train(data, run, overwrite=True)
    assert events(run).count("launched") == 2
    assert [one for one in events(run) if one in ("launched", "started", "resumed")][-2:] == ["launched", "started"]


def test_what_is_to_be_resumed_survives_the_start(tmp_path, attempt):
    (tmp_path / "last.ckpt").write_text("state")
    attempt(0, of=0)
    restarts.note_launch(tmp_path, resume=False)
    assert not (tmp_path / "log.jsonl").exists()  # it will not be restarted
    attempt(0)
    restarts.note_launch(tmp_path, resume=True)
    assert (tmp_path / "last.ckpt").exists() and not restarts.was_restarted(tmp_path)
    attempt(2)
    assert restarts.was_restarted(tmp_path)
    restarts.note_launch(tmp_path, resume=False)
    assert (tmp_path / "last.ckpt").exists()
    attempt(2, "another")
    assert not restarts.was_restarted(tmp_path)
    restarts.note_launch(tmp_path, resume=False)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_head_that_is_begun_anew_replaces_its_own_run(tmp_path, attempt):
    from tests.training.test_few_pictures import fill

    data, options = tmp_path / "data", {"trunk": "resnet18", "width": 0.25, "stem": "small", "finetune": "head"}
    for name in ("cat", "dog"):
        fill(data / name, 3)
    options |= {"size": 16, "validation": data, "progress": False, "device": "cpu"}
    attempt(0)
    cl.train("classify", data, out=tmp_path / "run", **options)
    attempt(1)
    cl.train("classify", data, out=tmp_path / "run", **options)
    attempt(1, "another")
    with pytest.raises(FileError, match="need a folder without a run"):
        cl.train("classify", data, out=tmp_path / "run", **options)
