"""Measured by workers in this process: the numbers are those of one machine, whoever ends."""

import pytest

import convolens as cl
from convolens.clusters.ray_workers import Cluster
from convolens.errors import ArgumentError, DataError
from tests.clusters.near import Near
from tests.inference.test_predict import fill
from tests.training.test_detect import write_squares


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    cluster = Near(losses=0.3)
    monkeypatch.setattr(Cluster, "joined", lambda self, work: cluster.joined(work))
    monkeypatch.setattr("convolens.clusters.blocks.FILES", 5)


@pytest.fixture
def trunk():
    return cl.trunk("resnet18", width=0.25, seed=1, device="cpu")


def both(model, data):
    options = {"batch": 3, "progress": False}
    return cl.evaluate(model, data, **options), cl.evaluate(model, data, cluster="local", **options)


def test_a_classifier_has_the_same_numbers(trunk, tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / "photos" / name, 6)
    (tmp_path / "photos" / "cat" / "02.png").write_bytes(b"none")
    alone, by_workers = both(cl.classifier(trunk, classes=["cat", "dog"], seed=1), tmp_path / "photos")
    assert by_workers == alone and alone["count"] == 11 and len(alone["skipped"]) == 1


def test_a_detector_has_the_same_numbers(trunk, tmp_path):
    write_squares(tmp_path / "squares", 9)
    alone, by_workers = both(cl.detector(trunk, classes=["red", "green"], size=64, seed=1), tmp_path / "squares")
    assert by_workers == alone and alone["count"] == 9


def test_a_localizer_has_the_same_numbers(trunk, tmp_path):
    from tests.training.test_several import one_object_each

    write_squares(tmp_path / "squares", 9)
    one_object_each(tmp_path / "squares" / "annotations.json")
    alone, by_workers = both(cl.localizer(trunk, classes=["red", "green"], seed=1), tmp_path / "squares")
    assert by_workers == alone and alone["count"] > 0


def test_what_cannot_be_measured_on_a_cluster_is_refused(trunk, tmp_path, monkeypatch):
    model = cl.classifier(trunk, classes=["cat", "dog"], seed=1)
    fill(tmp_path / "photos" / "cat", 1)
    (tmp_path / "photos" / "cat" / "00.png").write_bytes(b"none")
    with pytest.raises(DataError):
        cl.evaluate(model, tmp_path / "photos", cluster="local", progress=False)
    with pytest.raises(ArgumentError, match="workers: need cluster too"):
        cl.evaluate(model, tmp_path / "photos", workers=2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match="cluster: need one process, whose cluster does the work, got several"):
        cl.evaluate(model, tmp_path / "photos", cluster="local")
