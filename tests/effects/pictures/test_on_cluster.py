"""Pictures changed by workers in this process: what is lost with them, or with the driver, is done again."""

import json

import pytest

from convolens import cli
from convolens.clusters.ray_workers import Cluster
from convolens.inference.merging import merge_parts
from tests.clusters.near import Near
from tests.inference.test_predict import fill


@pytest.fixture
def photos(tmp_path):
    folder = fill(tmp_path / "photos", 10)
    (folder / "02.png").write_bytes(b"none")
    return folder


def near(monkeypatch, **options):
    cluster = Near(**options)
    monkeypatch.setattr(Cluster, "joined", lambda self, work: cluster.joined(work))
    monkeypatch.setattr("convolens.clusters.blocks.FILES", 2)


def contents(folder):
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("command", ["blur --sigma 2", "sharpen", "edges --method canny"])
def test_whoever_ends_the_pictures_are_those_of_one_machine(photos, tmp_path, monkeypatch, command, capsys):
    name, *options = command.split()
    assert cli.run([name, str(photos), str(tmp_path / "alone"), *options]) == 2
    capsys.readouterr()
    for ends_after in (2, 0, 1):
        near(monkeypatch, losses=0.3, driver_ends_after=ends_after)
        assert cli.run([name, str(photos), str(tmp_path / "out"), *options, "--cluster", "local"]) == 130
    assert len(list((tmp_path / "out" / ".blocks").iterdir())) >= 2
    near(monkeypatch, losses=0.3)
    assert cli.run([name, str(photos), str(tmp_path / "out"), *options, "--cluster", "local"]) == 2
    told = capsys.readouterr().err
    assert "9 pictures, 1 skipped" in told and "02.png" in told
    assert contents(tmp_path / "out") == contents(tmp_path / "alone") and len(contents(tmp_path / "out")) == 9


def test_other_options_do_again_what_an_unfinished_run_did(photos, tmp_path, monkeypatch):
    near(monkeypatch, driver_ends_after=3)
    assert cli.run(["blur", str(photos), str(tmp_path / "out"), "--sigma", "1", "--cluster", "local"]) == 130
    near(monkeypatch)
    assert cli.run(["blur", str(photos), str(tmp_path / "out"), "--sigma", "2", "--cluster", "local"]) == 2
    assert cli.run(["blur", str(photos), str(tmp_path / "alone"), "--sigma", "2"]) == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_shares_of_a_cluster_are_merged(photos, tmp_path, monkeypatch):
    near(monkeypatch)
    parts = [tmp_path / f"part-{number}" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        cli.run(["blur", str(photos), str(part), "--sigma", "2", "--cluster", "local", "--shard", f"{number}/2"])
    merged = merge_parts(parts, tmp_path / "whole")
    assert (merged.pictures, len(merged.failed)) == (9, 1)
    lines = [json.loads(line) for line in (tmp_path / "whole" / "pictures.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(photos / f"{number:02}.png") for number in range(10)]


def test_one_picture_needs_no_cluster_and_workers_do(photos, tmp_path, capsys):
    out = str(tmp_path / "out.png")
    assert cli.run(["blur", str(photos / "00.png"), out, "--sigma", "2", "--cluster", "local"]) == 2
    assert "cluster: need many pictures" in capsys.readouterr().err
    assert cli.run(["blur", str(photos), out, "--sigma", "2", "--workers", "2"]) == 2
    assert "--workers: need cluster too" in capsys.readouterr().err
