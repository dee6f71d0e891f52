"""Predictions into a store: the lines of a run on this machine, kept as they come, whole in the end."""

import json

import fsspec
import pytest

import convolens as cl
from convolens import cli
from convolens.errors import ArgumentError, FileError
from convolens.inference.predict import predict_files
from convolens.media.files import need_target, writing
from convolens.media.images import read_image
from convolens.sources import sinks
from tests.inference.test_predict import Finder, fill
from tests.sources.making import upload


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "photos", 9)
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    upload(files, tmp_path / "photos", "/bucket/photos")
    yield files
    files.store.clear()


def predict(out, **options):
    return predict_files(Finder(), ["memory://bucket/photos"], out, progress=False, **{"batch": 2, **options})


def test_lines_in_a_store_are_those_of_a_folder(store, tmp_path):
    predict(tmp_path / "near", pictures=False)
    found = predict("memory://bucket/out")
    assert (found.lines, found.done, found.before) == ("memory://bucket/out/predictions.jsonl", 9, 0)
    assert store.cat_file("/bucket/out/predictions.jsonl") == (tmp_path / "near" / "predictions.jsonl").read_bytes()
    assert sorted(store.find("/bucket/out")) == ["/bucket/out/model.json", "/bucket/out/predictions.jsonl"]
    again = predict("memory://bucket/out")
    assert (again.done, again.before) == (0, 9)


class Stopping(Finder):
    """Ends after so many batches, as a machine that is lost."""

    def predict(self, images, **options):
        if len(self.asked) == 3:
            raise RuntimeError("lost")
        return super().predict(images, **options)


def test_a_run_that_was_lost_goes_on_behind_the_last_part(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sinks, "FLUSH_LINES", 4)
    predict(tmp_path / "near", pictures=False)
    with pytest.raises(RuntimeError):
        predict_files(Stopping(), ["memory://bucket/photos"], "memory://bucket/out", batch=2, progress=False)
    parts = store.find("/bucket/out/predictions.jsonl.parts")
    assert len(parts) == 1 and not store.exists("/bucket/out/predictions.jsonl")
    found = predict("memory://bucket/out")
    assert (found.done, found.before) == (5, 4)
    assert store.cat_file("/bucket/out/predictions.jsonl") == (tmp_path / "near" / "predictions.jsonl").read_bytes()
    assert not store.exists("/bucket/out/predictions.jsonl.parts")


def test_what_failed_is_tried_again_and_has_one_line(store):
    good = store.cat_file("/bucket/photos/03.png")
    store.pipe_file("/bucket/photos/03.png", b"")
    assert predict("memory://bucket/out").failed == 1
    store.pipe_file("/bucket/photos/03.png", good)
    again = predict("memory://bucket/out")
    assert (again.done, again.failed, again.before) == (1, 0, 8)
    lines = [json.loads(line) for line in store.cat_file("/bucket/out/predictions.jsonl").splitlines()]
    assert len({one["path"] for one in lines}) == len(lines) == 9 and not any("error" in one for one in lines)


def test_another_run_and_what_is_no_line_are_refused(store):
    predict("memory://bucket/out")
    with pytest.raises(ArgumentError, match="holds predictions of another model or with other options"):
        predict("memory://bucket/out", threshold=0.9)
    with pytest.raises(ArgumentError, match="holds predictions of another model"):
        predict("memory://bucket/out", shard="1/2")
    store.pipe_file("/bucket/out/predictions.jsonl", b"nonsense\n")
    with pytest.raises(FileError, match=r"predictions.jsonl: line 1: need a picture's line"):
        predict("memory://bucket/out")


def test_shares_are_written_into_a_store_too(store):
    found = [predict(f"memory://bucket/part-{number}", shard=f"{number}/2") for number in (1, 2)]
    assert sum(one.done for one in found) == 9


def test_a_single_file_is_written_into_a_store_whole_and_never_over_an_input(store, tmp_path):
    assert cli.run(["blur", "memory://bucket/photos/03.png", "memory://bucket/soft.png", "--sigma", "2"]) == 0
    assert read_image("memory://bucket/soft.png").shape == (20, 30, 3)
    with pytest.raises(ZeroDivisionError), writing("memory://bucket/half.txt") as draft:
        draft.write_text(str(1 / 0))
    assert not store.exists("/bucket/half.txt")
    before = store.cat_file("/bucket/photos/03.png")
    assert cli.run(["blur", "memory://bucket/photos/03.png", "memory://bucket/photos/03.png", "--sigma", "2"]) == 2
    assert store.cat_file("/bucket/photos/03.png") == before
    with pytest.raises(FileError, match="need an address of a kind that fsspec knows"):
        need_target("nowhere://bucket/a.png")


def test_what_needs_a_folder_of_this_machine_refuses_one_in_a_store(store, tmp_path, capsys):
    cl.classifier(cl.trunk("resnet18", width=0.25), classes=["a", "b"]).save(tmp_path / "m.safetensors")
    command = ["predict", str(tmp_path / "m.safetensors"), "memory://bucket/photos", "--out", "memory://bucket/out"]
    assert cli.run([*command, "--as", "csv"]) == 2
    assert "need a folder of this machine beside --as, which copies pictures" in capsys.readouterr().err
    assert cli.run(["blur", "memory://bucket/photos", "memory://bucket/out", "--sigma", "2"]) == 2
    assert "need a folder of this machine" in capsys.readouterr().err
    assert cli.run(command) == 0
    assert "wrote memory://bucket/out/predictions.jsonl" in capsys.readouterr().err


def test_tables_and_results_of_coco_go_into_a_store_too(store, tmp_path):
    import pyarrow.parquet

    trunk = cl.trunk("resnet18", width=0.25, device="cpu")
    cl.detector(trunk, classes=["red", "green"], size=64, seed=1).save(tmp_path / "m.safetensors")
    command = ["predict", str(tmp_path / "m.safetensors"), "memory://bucket/photos", "--threshold", "0.01"]
    images = [{"id": number, "file_name": f"{number:02}.png", "width": 30, "height": 20} for number in range(9)]
    categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "categories": categories, "annotations": []}))
    near, far = str(tmp_path / "near"), "memory://bucket/out"
    assert cli.run([*command, "--out", near, "--coco", str(truth), "--table", str(tmp_path / "t.csv")]) == 0
    assert cli.run([*command, "--out", far, "--coco", str(truth), "--table", "memory://bucket/t.csv"]) == 0
    assert store.cat_file("/bucket/t.csv") == (tmp_path / "t.csv").read_bytes()
    results = store.cat_file("/bucket/out/results.json")
    assert results == (tmp_path / "near" / "results.json").read_bytes() and len(json.loads(results)) > 9
    assert cli.run([*command, "--out", far, "--table", str(tmp_path / "t.parquet")]) == 0
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").num_rows == len(json.loads(results))
