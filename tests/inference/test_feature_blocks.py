"""Tables of features by workers in this process: what is lost with them, or with the driver, is done again."""

import numpy as np
import pytest

import convolens as cl
from convolens.clusters.ray_workers import Cluster
from convolens.errors import ArgumentError
from convolens.inference.pooled_features import features_of_files
from tests.clusters.near import Near
from tests.inference.test_predict import fill
from tests.sources.making import png, write_tar


@pytest.fixture
def source(tmp_path):
    """Twelve pictures, one of which is none, and a shard."""
    photos = fill(tmp_path / "photos", 12)
    (photos / "02.png").write_bytes(b"none")
    write_tar(tmp_path / "0.tar", [(f"{number}.png", png(40 * number)) for number in range(5)])
    return [photos, tmp_path / "0.tar"]


def near(monkeypatch, **options):
    cluster = Near(**options)
    monkeypatch.setattr(Cluster, "joined", lambda self, work: cluster.joined(work))
    monkeypatch.setattr("convolens.clusters.blocks.FILES", 4)


@pytest.mark.parametrize("kind", ["model", "trunk"])
def test_whoever_ends_the_table_is_that_of_one_machine(source, tmp_path, monkeypatch, kind):
    import pyarrow.parquet

    trunk = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    model = trunk if kind == "trunk" else cl.classifier(trunk, classes=["a", "b"], seed=0)
    options = {"taps": ["layer1.0", "layer2.1"], "batch": 4, "progress": False}
    alone = features_of_files(model, source, tmp_path / "alone.parquet", **options)
    for ends_after in (2, 0, 1):
        near(monkeypatch, losses=0.3, driver_ends_after=ends_after)
        with pytest.raises(KeyboardInterrupt):
            features_of_files(model, source, tmp_path / "f.parquet", cluster="local", **options)
        assert not (tmp_path / "f.parquet").exists()
    assert len(list((tmp_path / ".f.parquet.blocks").iterdir())) >= 2
    near(monkeypatch, losses=0.3)
    found = features_of_files(model, source, tmp_path / "f.parquet", cluster="local", **options)
    assert (found.done, found.failed) == (alone.done, alone.failed) and found.done == 16
    ours, theirs = (pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").to_pydict() for name in ("f", "alone"))
    assert ours["path"] == theirs["path"] and len(set(ours["path"])) == 16
    for tap in ("layer1.0", "layer2.1"):  # the last bits are a batch's, which a block's end cuts off
        np.testing.assert_allclose(np.array(ours[tap]), np.array(theirs[tap]), rtol=1e-5, atol=1e-6)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["0.tar", "alone.parquet", "f.parquet", "photos"]


def test_blocks_of_other_taps_are_done_anew(source, tmp_path, monkeypatch):
    trunk = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    near(monkeypatch, driver_ends_after=3)
    with pytest.raises(KeyboardInterrupt):
        features_of_files(
            trunk, source, tmp_path / "f.npz", taps=["layer1.0"], batch=4, cluster="local", progress=False
        )
    near(monkeypatch)
    features_of_files(trunk, source, tmp_path / "f.npz", taps=["layer2.1"], batch=4, cluster="local", progress=False)
    assert np.load(tmp_path / "f.npz")["layer2.1"].shape == (16, trunk.channels("layer2.1"))


def test_a_table_of_a_cluster_is_in_a_folder_that_all_see(source):
    trunk = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    with pytest.raises(ArgumentError, match="need a table that all machines of a cluster see the folder of"):
        features_of_files(trunk, source, "memory://a/f.parquet", cluster="local", progress=False)
    with pytest.raises(ArgumentError, match="workers: need cluster too"):
        features_of_files(trunk, source, "f.npz", workers=2, progress=False)
