"""Predictions by Ray's workers, killed ones among them; skipped where Ray is not installed (`pip install ray`)."""

import json
import sys

import numpy as np
import pytest

import convolens as cl
from convolens.errors import ArgumentError, FileError
from convolens.inference.predict import predict_files
from convolens.media.images import write_image
from tests.clusters.killing import blocks_in, run_killing
from tests.sources.making import write_tar

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="needs Ray, of the extra cluster")

WORKERS = {"cluster": "local", "workers": 2, "progress": False, "pictures": False}
SHARDS, EACH = 12, 300


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Shards of small pictures, a file that is none among them, and a model."""
    folder, numbers = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (folder / "shards").mkdir()
    for shard in range(SHARDS):
        members = {}
        for number in range(EACH):
            file = folder / "one.png"
            write_image(file, numbers.integers(0, 255, (16, 16, 3)).astype(np.uint8))
            members[f"{shard}-{number:04}.png"] = file.read_bytes()
        members[f"{shard}-bad.png"] = b"no picture"
        write_tar(folder / "shards" / f"{shard:02}.tar", members.items())
    (folder / "one.png").unlink()
    small = cl.trunk("resnet18", stem="small", width=0.25, device="cpu")
    cl.classifier(small, classes=["cat", "dog"], seed=0).save(folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def undisturbed(data):
    model = cl.load(data / "model.safetensors", device="cpu")
    found = predict_files(model, [data / "shards" / "*.tar"], data / "undisturbed", **WORKERS)
    assert (found.done, found.failed) == (SHARDS * EACH, SHARDS)
    return found.lines.read_bytes()


def test_lines_are_those_of_one_machine(data, undisturbed):
    model = cl.load(data / "model.safetensors", device="cpu")
    alone = predict_files(model, [data / "shards" / "*.tar"], data / "alone", pictures=False, progress=False)
    ours, theirs = (list(map(json.loads, one.splitlines())) for one in (undisturbed, alone.lines.read_bytes()))
    assert [one["path"] for one in ours] == [one["path"] for one in theirs]
    for one, another in zip(ours, theirs, strict=True):
        assert one.get("labels") == another.get("labels") and one.get("error") == another.get("error")


def test_annotated_pictures_and_failures_tried_again(data, tmp_path):
    model, numbers = cl.load(data / "model.safetensors", device="cpu"), np.random.default_rng(1)
    for number in range(5):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_image(tmp_path / "in" / f"{number}.png", numbers.integers(0, 255, (20, 20, 3)).astype(np.uint8))
    good = (tmp_path / "in" / "2.png").read_bytes()
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")
    options = WORKERS | {"pictures": True}
    found = predict_files(model, [tmp_path / "in"], tmp_path / "out", **options)
    assert (found.done, found.failed, found.before) == (4, 1, 0)
    (tmp_path / "in" / "2.png").write_bytes(good)
    found = predict_files(model, [tmp_path / "in"], tmp_path / "out", **options)
    assert (found.done, found.failed, found.before) == (1, 0, 4)
    predict_files(model, [tmp_path / "in"], tmp_path / "alone", progress=False)
    assert found.lines.read_bytes() == (tmp_path / "alone" / "predictions.jsonl").read_bytes()
    names = [sorted(one.name for one in (tmp_path / at / "pictures").iterdir()) for at in ("out", "alone")]
    assert names[0] == names[1] and len(names[0]) == 5


def test_workers_that_are_killed_cost_their_blocks_alone(data, undisturbed, tmp_path):
    assert run(data, tmp_path / "out", workers=5) == 5
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == undisturbed


def test_a_driver_that_is_killed_goes_on_where_it_was(data, undisturbed, tmp_path):
    for number in range(2):
        run(data, tmp_path / "out", after=len(blocks_in(tmp_path / "out")) + 1)
        if number == 0:
            model = cl.load(data / "model.safetensors", device="cpu")
            with pytest.raises(ArgumentError, match="holds a run on a cluster that is not done"):
                predict_files(model, [data / "shards" / "*.tar"], tmp_path / "out", pictures=False, progress=False)
    run(data, tmp_path / "out")
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == undisturbed
    assert not (tmp_path / "out" / "blocks").exists()


def test_a_cluster_that_is_not_there_is_named(data, tmp_path):
    model = cl.load(data / "model.safetensors", device="cpu")
    with pytest.raises(FileError, match=r"cluster: need a running one at '127\.0\.0\.1:1'"):
        predict_files(model, [data / "shards" / "*.tar"], tmp_path / "out", cluster="127.0.0.1:1", progress=False)


def run(data, out, **kills):
    """The command, whose workers or driver are killed meanwhile."""
    code = "import sys; from convolens.inference.predict import predict_files; import convolens as cl;"
    code += "predict_files(cl.load(sys.argv[1], device='cpu'), [sys.argv[2]], sys.argv[3], cluster='local', workers=2,"
    code += "pictures=False, progress=False)"
    files = (str(data / one) for one in ("model.safetensors", "shards/*.tar"))
    return run_killing([sys.executable, "-c", code, *files, str(out)], out, **kills)
