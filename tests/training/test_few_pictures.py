"""Batch norms in training have no variance of one picture: no batch has one, whatever the number of pictures."""

import json

import pytest
import torch

import convolens as cl
from convolens.errors import ArgumentError, DataError
from convolens.training.loader import parts_of_epoch
from convolens.training.loop import fit
from convolens.training.settings import Settings
from convolens.training.tuning import find_batch
from tests.data.test_folders import fill
from tests.training.toy import counted, toy


def events(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def trained(task, folder, **settings):
    fit(task, Settings(epochs=2, workers=1, **settings), folder, progress=False)
    return task.model[1].sizes


@pytest.mark.parametrize(
    ("count", "settings", "sizes"),
    [
        (5, {"batch": 2}, [2, 3]),
        (7, {"batch": 6}, [3, 4]),
        (3, {"batch": 2}, [3]),
        (9, {"batch": 4, "accumulate": 2}, [2, 3, 4]),
        (5, {"batch": 4, "accumulate": 2}, [2, 3]),
        (5, {"batch": 2, "lr": "find"}, [2, 3]),
    ],
)
def test_no_batch_has_one_picture(tmp_path, count, settings, sizes):
    found = trained(counted(count), tmp_path, **settings)
    assert set(found) <= set(sizes) and min(found) > 1


def test_the_merged_batch_is_told_once(tmp_path, capsys):
    fit(counted(5), Settings(epochs=2, batch=2, workers=1), tmp_path, progress=True)
    (event,) = (one for one in events(tmp_path) if one["event"] == "last batch merged")
    assert (event["pictures"], event["batch"], event["largest"]) == (5, 2, 3)
    assert "batches have up to 3" in " ".join(capsys.readouterr().err.split())


def test_what_needs_no_merging_is_as_it_was():
    for count, batch in ((48, 8), (10, 4), (65, 32), (4, 2)):
        assert parts_of_epoch(count, batch, 0, 0, least=2) == parts_of_epoch(count, batch, 0, 0)
    assert sorted(one for part in parts_of_epoch(5, 2, 0, 0, least=2) for one in part) == list(range(5))


def test_without_batch_norms_a_batch_of_one_is_fine(tmp_path):
    fit(toy(5, norm=False), Settings(epochs=1, batch=2, workers=1), tmp_path, progress=False)
    fit(toy(1, norm=False), Settings(epochs=1, batch=1, workers=1), tmp_path, progress=False)
    assert not [one for one in events(tmp_path) if one["event"] == "last batch merged"]


def test_a_batch_with_one_usable_picture_is_dropped_and_told(tmp_path):
    first, _ = parts_of_epoch(4, 2, 0, 0, least=2)
    task = counted(4, bad=first[:1])
    before = [weights.clone() for weights in task.model.parameters()]
    assert set(trained(task, tmp_path, batch=2)) == {2}
    dropped = [one for one in events(tmp_path) if one["event"] == "batch dropped"]
    assert [(one["epoch"], one["usable"], one["of"]) for one in dropped] == [(1, 1, 2), (2, 1, 2)]
    assert any((old != new).any() for old, new in zip(before, task.model.parameters(), strict=True))
    assert all(torch.isfinite(weights).all() for weights in task.model.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"batch": 1},
            "batch: need 2 or more where batch norms are trained, .* of one picture, got 1; or train the head",
        ),
        ({"batch": 4, "accumulate": 4}, r"batch: need 8 or more .* \(4 parts to accumulate\), got 4"),
        ({"batch": 5, "accumulate": 3}, r"batch: need 6 or more .* \(3 parts to accumulate\), got 5"),
        ({"batch": 1, "lr": "find"}, "batch: need 2 or more where batch norms are trained"),
    ],
)
def test_batches_of_one_by_request_are_refused(tmp_path, settings, message):
    with pytest.raises(ArgumentError, match=message):
        trained(counted(8), tmp_path, **settings)


def test_one_picture_alone_is_refused(tmp_path):
    with pytest.raises(DataError, match="need 2 pictures or more to train batch norms on, got 1"):
        trained(counted(1), tmp_path, batch=2)


def test_the_batch_that_is_found_has_two_at_least(monkeypatch):
    monkeypatch.setattr("convolens.training.tuning._free_bytes", lambda device: 1)
    assert find_batch(toy(48)) == 2
    assert find_batch(toy(48, norm=False)) == 1


def test_a_residual_network_is_trained_on_five_pictures(tmp_path):
    """At 1×1 pixel and one picture, torch itself would refuse."""
    fill(tmp_path / "data" / "dark", 4)
    fill(tmp_path / "data" / "light", 3, value=255)
    options = {"trunk": "resnet18", "width": 0.25, "epochs": 1, "size": 32, "progress": False, "workers": 1}
    run = cl.train("classify", tmp_path / "data", out=tmp_path / "run", batch=2, validation=0.2, **options)
    assert run.metrics["count"] == 2
    with pytest.raises(ArgumentError, match="batch: need 2 or more where batch norms are trained"):
        cl.train("classify", tmp_path / "data", out=tmp_path / "other", batch=1, **options)
