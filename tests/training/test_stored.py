"""Training from shards equals training from files in the same order, to the bit, however often it is interrupted."""

import fsspec
import pytest
import torch
from safetensors.torch import load_file

import convolens as cl
from convolens.sources import blocks
from convolens.training import order
from convolens.training.pictures import Pictures
from tests.sources.making import upload, write_parquet, write_tar
from tests.training.test_train_trunk import QUICK, write_bars

SHARDS = 4


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same pictures in the same order as files, in shards, in tables, and in a store."""
    root = tmp_path_factory.mktemp("stored")
    write_bars(root / "files", 24)
    paths = sorted((root / "files").rglob("*.png"))
    (root / "shards").mkdir()
    (root / "tables").mkdir()
    for number in range(SHARDS):
        mine = paths[number * 12 : number * 12 + 12]
        write_tar(
            root / "shards" / f"{number}.tar",
            [(str(one.relative_to(root / "files")), one.read_bytes()) for one in mine],
        )
        columns = {"file_name": [one.name for one in mine], "label": [one.parent.name for one in mine],
                   "image": [one.read_bytes() for one in mine]}  # fmt: skip
        write_parquet(root / "tables" / f"{number}.parquet", columns)
    return root


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    """Runs and buffers that a few pictures are many of; files in the order of shards that hold as many."""
    monkeypatch.setattr(order, "RUN", 4)
    monkeypatch.setattr(order, "BUFFER", 16)
    own = Pictures.shards.fget
    monkeypatch.setattr(Pictures, "shards", property(lambda self: own(self) or sizes(self)))


def sizes(pictures):
    """How many of a training set's files would lie in each shard."""
    names = [example.path for example in pictures.data.examples]
    everything = sorted(names[0].parents[1].rglob("*.png"))
    where = [everything.index(name) // 12 for name in names]
    return [where.count(number) for number in range(SHARDS)]


def weights(data, out, **options):
    run = cl.train("classify", data, weights=None, out=out, lr=3e-3, **{**QUICK, "epochs": 2, "workers": 2, **options})
    return load_file(run.folder / "best.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def plain(sources, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "RUN", 4)
        patch.setattr(order, "BUFFER", 16)
        patch.setattr(Pictures, "shards", property(sizes))
        return weights(sources / "files", tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("kind", ["shards/*.tar", "tables/*.parquet"])
def test_shards_and_tables_train_what_files_in_their_order_train(sources, plain, tmp_path, kind):
    assert equal(weights(sources / kind, tmp_path / "run"), plain)


def test_shards_in_a_store_train_the_same_through_few_blocks(sources, plain, tmp_path, monkeypatch):
    files = fsspec.filesystem("memory")
    files.store.clear()
    upload(files, sources, "/bucket")
    blocks._kept.clear()
    monkeypatch.setattr(blocks, "BLOCK", 4096)
    assert equal(weights("memory://bucket/shards/*.tar", tmp_path / "run"), plain)
    files.store.clear()
    blocks._kept.clear()


@pytest.mark.slow
def test_single_pictures_in_a_store_are_shuffled_as_files_are(sources, tmp_path, monkeypatch):
    monkeypatch.undo()
    files = fsspec.filesystem("memory")
    files.store.clear()
    upload(files, sources / "files", "/bucket")
    far = weights("memory://bucket", tmp_path / "far", epochs=1)
    assert equal(far, weights(sources / "files", tmp_path / "near", epochs=1))
    files.store.clear()


@pytest.mark.slow
def test_a_training_from_shards_that_is_stopped_five_times_ends_with_the_same_weights(
    sources, plain, tmp_path, monkeypatch
):
    read, left = Pictures.sample, [0]

    def sample(self, number, generator):
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("killed")
        return read(self, number, generator)

    monkeypatch.setattr(Pictures, "sample", sample)
    kills = 0
    for pictures in (12, 13, 14, 15, 16):  # one step and a part of the next
        left[0] = pictures
        try:
            weights(sources / "shards" / "*.tar", tmp_path, checkpoint_seconds=0, resume=kills > 0)
        except RuntimeError:
            kills += 1
    left[0] = 0
    assert kills == 5
    assert equal(weights(sources / "shards" / "*.tar", tmp_path, checkpoint_seconds=0, resume=True), plain)


def test_a_head_on_features_of_shards_is_the_head_on_those_of_files(sources, tmp_path, monkeypatch):
    monkeypatch.undo()
    options = {"trunk": "resnet18", "stem": "small", "finetune": "head", "progress": False, "device": "cpu"}
    found = []
    for name in ("files", "shards"):
        run = cl.train("classify", sources / name, weights=None, out=tmp_path / name, **options)
        found.append(load_file(run.folder / "best.safetensors"))
    assert equal(*found)
    shards = cl.evaluate(cl.load(tmp_path / "files"), sources / "shards", progress=False)
    files = cl.evaluate(cl.load(tmp_path / "files"), sources / "files", progress=False)
    assert {name: value for name, value in shards.items() if name != "skipped"} == {
        name: value for name, value in files.items() if name != "skipped"
    }
