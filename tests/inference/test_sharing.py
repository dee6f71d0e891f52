"""Predicting from stores and shards equals predicting from the folder; parts of a run merge into the run."""

import json
import shutil
import subprocess
import sys

import fsspec
import pytest

from convolens import cli
from convolens.effects.pictures.files import change_share
from convolens.errors import ArgumentError, DataError, FileError, FileNote, FormatError
from convolens.inference.merging import merge_parts
from convolens.inference.predict import predict_files
from convolens.media.images import read_image
from convolens.media.picture_files import find_pictures
from convolens.sources import Share
from tests.inference.test_predict import Finder, fill
from tests.sources.making import upload, write_tar


@pytest.fixture
def photos(tmp_path):
    fill(tmp_path / "photos" / "a", 5)
    fill(tmp_path / "photos" / "b", 4)
    return tmp_path / "photos"


@pytest.fixture
def bucket(photos):
    files = fsspec.filesystem("memory")
    files.store.clear()
    upload(files, photos.parent, "/bucket")
    yield "memory://bucket"
    files.store.clear()


def told(out, root):
    """The lines, and what is drawn, with names as below the source."""
    text = (out / "predictions.jsonl").read_text().replace(str(root), "")
    drawn = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.jpg"))}
    return sorted(text.splitlines()), drawn


def predict(source, out, **options):
    return predict_files(Finder(), [source], out, threshold=0.05, progress=False, **options)


def test_a_store_predicts_to_the_byte_what_its_folder_predicts(photos, bucket, tmp_path):
    predict(photos, tmp_path / "near")
    found = predict(f"{bucket}/photos", tmp_path / "far")
    assert (found.done, found.failed, found.before) == (9, 0, 0)
    near, far = told(tmp_path / "near", photos), told(tmp_path / "far", f"{bucket}/photos")
    assert near[0] == far[0]
    assert [*near[1].values()] == [*far[1].values()]
    assert "pictures/a/00-png.jpg" in far[1]  # what lies beside it is not known


def test_a_shard_predicts_what_its_folder_predicts_and_is_resumed(photos, tmp_path):
    shard = write_tar(
        tmp_path / "s.tar", [(str(one.relative_to(photos)), one.read_bytes()) for one in find_pictures([photos])]
    )
    predict(photos, tmp_path / "near")
    out = tmp_path / "out"
    predict(shard, out, batch=2)
    whole = told(out, shard)
    assert whole[0] == told(tmp_path / "near", photos)[0]
    part = out / "predictions.part.jsonl"
    (out / "predictions.jsonl").rename(part)
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:4]) + '{"path": "cut')
    again = predict(shard, out, batch=2)
    assert (again.done, again.before) == (5, 4)
    assert told(out, shard) == whole


def test_a_shard_that_is_mended_is_done_by_the_next_run(tmp_path):
    whole = write_tar(tmp_path / "s.tar", [(f"{n}.png", (fill(tmp_path / "p", 3) / f"{n:02}.png").read_bytes())
                                           for n in range(3)]).read_bytes()  # fmt: skip
    (tmp_path / "s.tar").write_bytes(whole[:-10240])
    found = predict(tmp_path / "s.tar", tmp_path / "out", batch=2)
    assert found.failed == 1
    (tmp_path / "s.tar").write_bytes(whole)
    again = predict(tmp_path / "s.tar", tmp_path / "out", batch=2)
    assert again.done + again.before == 3 and again.failed == 0


def parts_of(source, tmp_path, count=3, **options):
    parts = [tmp_path / f"part{number}" for number in range(1, count + 1)]
    for number, part in enumerate(parts, 1):
        predict(source, part, shard=f"{number}/{count}", **options)
    return parts


def test_parts_merge_into_what_one_run_writes(photos, tmp_path):
    (photos / "b" / "bad.png").write_bytes(b"no picture")
    predict(photos, tmp_path / "whole")
    merged = merge_parts(parts_of(photos, tmp_path)[::-1], tmp_path / "merged")
    assert merged.pictures == 9 and merged.failed == [str(photos / "b" / "bad.png")]
    for name in ("predictions.jsonl", "model.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert told(tmp_path / "merged", photos) == told(tmp_path / "whole", photos)


def test_parts_that_are_missing_unfinished_or_twice_are_named(photos, tmp_path):
    parts = parts_of(photos, tmp_path)
    out = tmp_path / "merged"
    with pytest.raises(DataError, match=r"parts: need all 3, got 2; missing: 2$"):
        merge_parts([parts[0], parts[2]], out)
    with pytest.raises(ArgumentError, match=r"part3: is part 3/3, which .*part3 is too"):
        merge_parts([*parts, parts[2]], out)
    told = json.loads((parts[1] / "part.json").read_text())
    (parts[1] / "part.json").write_text(json.dumps(told | {"complete": False}))
    with pytest.raises(DataError, match=r"got some that are not done: 2 \(.*part2\); run them again"):
        merge_parts(parts, out)
    (parts[1] / "part.json").write_text(json.dumps(told))
    (parts[1] / "predictions.jsonl").unlink()
    with pytest.raises(DataError, match=r"part2: need a whole part, predictions.jsonl is missing; run part 2/3 again"):
        merge_parts(parts, out)
    assert not out.exists()


def test_parts_of_different_runs_are_refused(photos, tmp_path):
    parts = parts_of(photos, tmp_path)
    shutil.rmtree(parts[1])
    predict_files(Finder(), [photos], parts[1], threshold=0.9, progress=False, shard="2/3")
    with pytest.raises(
        ArgumentError, match=r"part2: need parts of one run, got predict 2/3 of another .*\(other options\)"
    ):
        merge_parts(parts, tmp_path / "merged")
    shutil.rmtree(parts[1])
    predict_files(Finder(2.0), [photos], parts[1], threshold=0.05, progress=False, shard="2/3")
    with pytest.raises(ArgumentError, match=r"\(other model\)"):
        merge_parts(parts, tmp_path / "merged")
    shutil.rmtree(parts[1])
    predict(photos, parts[1], shard="2/4")
    with pytest.raises(ArgumentError, match="of 4 parts, not 3"):
        merge_parts(parts, tmp_path / "merged")


def test_a_part_is_resumed_as_itself_alone(photos, tmp_path):
    parts = parts_of(photos, tmp_path)
    assert predict(photos, parts[0], shard="1/3").done == 0
    with pytest.raises(ArgumentError, match="holds part 1/3 of another run"):
        predict(photos, parts[0], shard="2/3")
    with pytest.raises(ArgumentError, match="holds part 1/3 of a run; give another folder"):
        predict(photos, parts[0])
    predict(photos, tmp_path / "whole")
    with pytest.raises(ArgumentError, match="holds the results of a run that is not shared"):
        predict(photos, tmp_path / "whole", shard="2/3")


def test_what_says_nothing_or_nonsense_is_no_part(photos, tmp_path):
    with pytest.raises(FileError, match="need the description of a part"):
        merge_parts([photos], tmp_path / "merged")
    (photos / "part.json").write_text('{"command": 3}')
    with pytest.raises(FormatError, match="need the description of a part, got"):
        merge_parts([photos], tmp_path / "merged")
    (photos / "part.json").write_text("[" * 100_000)
    with pytest.raises(FormatError, match="need the description of a part, got"):
        merge_parts([photos], tmp_path / "merged")


def test_a_share_without_pictures_is_a_part_too(tmp_path):
    fill(tmp_path / "photos", 1)
    parts = parts_of(tmp_path / "photos", tmp_path)
    assert merge_parts(parts, tmp_path / "merged").pictures == 1


def test_blurred_parts_merge_into_the_blurred_folder(photos, tmp_path, capsys):
    blur = ["blur", str(photos), str(tmp_path / "whole"), "--sigma", "2"]
    assert cli.run(blur) == 0
    for number in (1, 2, 3):
        blur[2] = str(tmp_path / f"p{number}")
        assert cli.run([*blur, "--shard", f"{number}/3"]) == 0
    parts = [str(tmp_path / f"p{number}") for number in (1, 2, 3)]
    assert cli.run(["merge", *parts, "--out", str(tmp_path / "merged")]) == 0
    for path in find_pictures([tmp_path / "whole"]):
        assert (read_image(tmp_path / "merged" / path.relative_to(tmp_path / "whole")) == read_image(path)).all()
    lines = [json.loads(line) for line in (tmp_path / "merged" / "pictures.jsonl").read_text().splitlines()]
    with pytest.warns(FileNote, match=r"passed over 1 \.jsonl"):
        assert [one["written"] for one in lines] == list(map(str, find_pictures([tmp_path / "merged"])))
    next((tmp_path / "p1").rglob("*.png")).unlink()
    capsys.readouterr()
    assert cli.run(["merge", *parts, "--out", str(tmp_path / "again")]) == 2
    assert "is missing; run part 1/3 again" in capsys.readouterr().err
    assert cli.run(["merge", *parts[:2], "--out", str(tmp_path / "again")]) == 2
    assert "missing: 3" in capsys.readouterr().err
    assert cli.run([*blur, "--shard", "17/16"]) == 2
    assert "shard: need a number from 1 to the number of shards" in capsys.readouterr().err.replace("--shard", "shard")


def test_a_killed_part_says_that_it_is_not_done(photos, tmp_path):
    program = (
        "import os, sys\n"
        "from convolens.effects.pictures.files import change_share\n"
        "from convolens.sources import Share\n"
        "for _ in change_share(sys.argv[1], sys.argv[2], Share(1, 1), 'blur', {}, lambda pixels: pixels):\n"
        "    os._exit(9)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(photos), str(tmp_path / "part")], check=False)
    assert run.returncode == 9
    with pytest.raises(DataError, match="not done: 1"):
        merge_parts([tmp_path / "part"], tmp_path / "merged")
    assert len(list(change_share(photos, tmp_path / "part", Share(1, 1), "blur", {}, lambda pixels: pixels))) == 9
    assert merge_parts([tmp_path / "part"], tmp_path / "merged").pictures == 9
