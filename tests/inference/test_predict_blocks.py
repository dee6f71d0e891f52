"""Predictions in blocks, by workers in this process: what is lost with them, or with the driver, is done again."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens import cli
from convolens.clusters.ray_workers import Cluster
from convolens.errors import ArgumentError, MissingExtraError
from convolens.inference.predict import predict_files
from convolens.inference.predict_blocks import predict_on_cluster
from convolens.media.images import write_image
from convolens.media.picture_files import find_closed, find_pictures
from tests.clusters.near import Near
from tests.sources.making import png, write_tar


@pytest.fixture(scope="module")
def model():
    small = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    return cl.classifier(small, classes=["cat", "dog"], seed=0)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Files in folders, one that is no picture, and two shards."""
    folder, numbers = tmp_path_factory.mktemp("source"), np.random.default_rng(0)
    for number in range(23):
        place = folder / "files" / str(number // 8)
        place.mkdir(parents=True, exist_ok=True)
        write_image(place / f"{number:02}.png", numbers.integers(0, 255, (12, 12, 3)).astype(np.uint8))
    (folder / "files" / "0" / "03.png").write_bytes(b"no picture")
    for shard in range(2):
        write_tar(folder / f"{shard}.tar", [(f"{shard}{number}.png", png(40 * number)) for number in range(5)])
    return folder


def by(cluster, model, sources, out, batch=4, **options):
    """What `predict_files` does once it has checked what it was given."""
    out.mkdir(exist_ok=True)
    return predict_on_cluster(
        cluster, model, lambda: find_closed(sources, outside=out), sources, out, total=None,
        **{"batch": batch, "pictures": False, "progress": False, "options": {}} | options,
    )  # fmt: skip


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("convolens.clusters.blocks.FILES", 8)


@pytest.fixture
def sources(source):
    return [str(source / "files"), str(source / "*.tar")]


def test_shards_are_given_unopened_and_each_picture_once(sources, source):
    closed = list(find_closed(sources))
    assert [str(one) for one, is_shard in closed if is_shard] == [str(source / f"{shard}.tar") for shard in range(2)]
    opened = [one for one, is_shard in closed if not is_shard]
    opened += [one for shard in range(2) for one in find_pictures([str(source / f"{shard}.tar")])]
    assert list(map(str, opened)) == list(map(str, find_pictures(sources)))


@pytest.mark.parametrize("seed", range(2))
def test_whoever_ends_the_result_is_that_of_one_machine(model, sources, tmp_path, small_blocks, seed):
    options = {"pictures": True}
    alone = predict_files(model, sources, tmp_path / "alone", batch=4, progress=False)
    undisturbed = by(Near(), model, sources, tmp_path / "undisturbed")
    for ends_after in (2, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            by(Near(losses=0.3, seed=seed, driver_ends_after=ends_after), model, sources, tmp_path / "out", **options)
    assert 3 <= len(list((tmp_path / "out" / "blocks").iterdir())) < 5
    with pytest.raises(ArgumentError, match="holds a run on a cluster that is not done"):
        predict_files(model, sources, tmp_path / "out", batch=4, progress=False)
    found = by(Near(losses=0.3, seed=seed), model, sources, tmp_path / "out", **options)
    assert found.before >= 13 and found.before + found.done + found.failed == 33
    assert found.lines.read_bytes() == undisturbed.lines.read_bytes()
    ours, theirs = (list(map(json.loads, one.lines.read_text().splitlines())) for one in (found, alone))
    assert [one["path"] for one in ours] == [one["path"] for one in theirs] and len(ours) == 33
    for one, another in zip(ours, theirs, strict=True):  # the last bits are a batch's, which a block's end cuts off
        assert one.get("error") == another.get("error") and one.get("labels") == another.get("labels")
        assert one.get("scores", []) == pytest.approx(another.get("scores", []), abs=1e-6)
    assert files_in(tmp_path / "out") == files_in(tmp_path / "alone")


def files_in(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def test_what_failed_is_tried_again_in_its_place_and_what_is_new_comes_behind(model, source, sources, tmp_path):
    bad, first = source / "files" / "0" / "03.png", by(Near(), model, sources, tmp_path / "out")
    before = list(map(json.loads, first.lines.read_text().splitlines()))
    assert (first.done, first.failed, first.before) == (32, 1, 0) and "error" in before[3]
    write_tar(source / "1.tar", [(f"1{number}.png", png(40 * number)) for number in range(6)])
    content = bad.read_bytes()
    try:
        write_image(bad, np.zeros((12, 12, 3), np.uint8))
        again = by(Near(), model, sources, tmp_path / "out")
    finally:
        bad.write_bytes(content)
    after = list(map(json.loads, again.lines.read_text().splitlines()))
    assert (again.done, again.failed, again.before) == (2, 0, 32)
    assert "error" not in after[3] and after[3]["path"] == before[3]["path"]
    assert after[:3] + after[4:33] == before[:3] + before[4:]
    assert after[33]["path"].endswith("1.tar/15.png") and len(after) == 34


def test_options_of_workers_need_a_cluster_and_a_cluster_what_it_takes(model, sources, tmp_path, monkeypatch, capsys):
    for options, sentence in (
        ({"workers": 2}, "workers: need cluster too"),
        ({"gpus_per_worker": 1}, "workers: need cluster too"),
        ({"cluster": ""}, "cluster: need local, auto or a cluster's address"),
        ({"cluster": "local", "workers": 0}, "workers: need .* at least 1"),
        ({"cluster": "local", "gpus_per_worker": -1}, "gpus_per_worker: need a number of at least 0"),
        ({"cluster": "local", "threads_per_worker": 0}, "threads_per_worker: need .* at least 1"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            predict_files(model, sources, tmp_path / "out", progress=False, **options)
    assert not (tmp_path / "out").exists()
    model.save(tmp_path / "model.safetensors")
    assert cli.run(["predict", str(tmp_path / "model.safetensors"), sources[0], "--cluster", "local"]) == 2
    assert "need --out too" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'convolens\[cluster\]'"), Cluster("local").joined(None):
        pass


def test_a_worker_goes_to_the_drivers_folder(model, source, tmp_path, monkeypatch):
    monkeypatch.chdir(source / "files")
    found = by(Near(), model, ["1"], tmp_path / "out")
    assert json.loads(found.lines.read_text().splitlines()[0])["path"] == str(Path("1") / "08.png")
