"""Decisions make a new data set that equals the old but for them; the old is only read."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from convolens import cli
from convolens.data import FORMATS, read_data
from convolens.data.conversion import convert
from convolens.errors import ArgumentError, DataError
from convolens.labels import apply_changes
from convolens.media.images import write_image

HEAD = "path,label,suggested,probability,decision\n"


def told(data):
    """What each picture's bytes are labelled, and in which split."""
    return sorted(
        (hashlib.sha256(one.path.read_bytes()).hexdigest(), data.class_names[one.labels[0]], one.split)
        for one in data.examples
    )


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path):
    """Three classes in two splits, some pictures in folders of their own."""
    for number, name in enumerate(
        ("train/cat/1.png", "train/cat/home/2.png", "train/dog/3.png", "train/dog/4.png", "train/owl/5.png",
         "val/cat/6.png", "val/dog/7.png", "val/owl/8.png")
    ):  # fmt: skip
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.full((20, 20, 3), 10 * number, np.uint8))
    return tmp_path / "pets"


def changes(tmp_path, *lines):
    path = tmp_path / "labels.changes.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


DECIDED = (
    "train/cat/home/2.png,cat,dog,0.99,relabel",
    "train/dog/4.png,dog,cat,0.90,set aside",
    "val/owl/8.png,owl,cat,0.80,keep",
    "train/owl/5.png,owl,dog,0.60,",
)


@pytest.mark.parametrize(
    "form", [None, *(one.name for one in FORMATS if one.write is not None and "label" in one.carries)]
)
def test_the_mended_data_equals_the_old_but_for_the_decisions(data, tmp_path, form):
    before = digests(data)
    expected = told(read_data(data))
    two, four = (hashlib.sha256((data / name).read_bytes()).hexdigest()
                 for name in ("train/cat/home/2.png", "train/dog/4.png"))  # fmt: skip
    expected = sorted((digest, "dog" if digest == two else name, split) for digest, name, split in expected
                      if digest != four)  # fmt: skip
    found = apply_changes(changes(tmp_path, *DECIDED), data, to=tmp_path / "new", format=form, progress=False)
    assert (found.relabelled, found.set_aside, found.kept, found.undecided, found.gone) == (1, 1, 1, 1, ())
    assert told(read_data(tmp_path / "new")) == expected
    assert digests(data) == before


def test_what_stayed_keeps_its_name_in_folders(data, tmp_path):
    apply_changes(changes(tmp_path, DECIDED[0]), data, to=tmp_path / "new", progress=False)
    names = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.png")}
    assert {"train/cat/1.png", "train/dog/home/2.png", "train/dog/3.png"} <= names


def test_data_of_a_table_is_mended_as_a_table(data, tmp_path):
    convert(data, tmp_path / "table", to="csv", progress=False)
    row = "images/train/cat/home/2.png,cat,dog,0.99,relabel"
    apply_changes(changes(tmp_path, row), tmp_path / "table", to=tmp_path / "new", progress=False)
    assert (tmp_path / "new" / "data.csv").is_file()
    was, now = told(read_data(tmp_path / "table")), told(read_data(tmp_path / "new"))
    assert [one for one in now if one not in was] == [(set(now) - set(was)).pop()]


def test_the_same_changes_twice_are_told(data, tmp_path, capsys):
    file = changes(tmp_path, *DECIDED)
    apply_changes(file, data, to=tmp_path / "new", progress=False)
    with pytest.raises(DataError, match=r"new: has the changes of .*labels.changes.csv already"):
        apply_changes(file, data, to=tmp_path / "new", progress=False)
    with pytest.raises(DataError, match=r"new: was made by the changes of .*; they are applied already"):
        apply_changes(file, tmp_path / "new", to=tmp_path / "newer", progress=False)
    assert cli.run(["apply", str(file), str(data), "--to", str(tmp_path / "new")]) == 2
    table = tmp_path / "by-hand"
    convert(data, table, to="csv", progress=False)
    (table / "data.csv").write_text((table / "data.csv").read_text().replace("home/2.png,cat", "home/2.png,dog"))
    file = changes(tmp_path, "images/train/cat/home/2.png,cat,dog,0.99,relabel")
    with pytest.raises(DataError, match=r"by-hand: has the changes of .* already; nothing is left"):
        apply_changes(file, table, to=tmp_path / "newer", progress=False)
    assert not (tmp_path / "newer").exists()


def test_changes_of_another_data_set_are_refused_by_name(data, tmp_path):
    for line, words in (
        ("photos/bee/1.png,bee,wasp,0.9,relabel", "of another data set: 1 of 1 .* such as photos/bee/1.png"),
        ("train/cat/1.png,lynx,cat,0.9,relabel", "of another data set: train/cat/1.png has the class 'lynx'"),
        ("train/cat/1.png,dog,owl,0.9,relabel", "got 'dog' for train/cat/1.png, which is 'cat' there"),
        ("train/cat/1.png,cat,lynx,0.9,relabel", "need a class of .* for train/cat/1.png, got 'lynx'"),
        ("train/cat/1.png,cat,dog,0.9,", "need decisions .* got none in 1 lines"),
    ):
        with pytest.raises(DataError, match=words) as error:
            apply_changes(changes(tmp_path, line), data, to=tmp_path / "new", progress=False)
        assert "labels.changes.csv" in str(error.value)
        assert not (tmp_path / "new").exists()


def test_a_picture_that_is_gone_meanwhile_is_told(data, tmp_path, capsys):
    file = changes(tmp_path, *DECIDED)
    (data / "train/dog/4.png").unlink()
    assert cli.run(["apply", str(file), str(data), "--to", str(tmp_path / "new")]) == 2
    told_ = capsys.readouterr()
    assert f"gone: train/dog/4.png is in {file} and no longer in {data}" in told_.err
    assert "relabelled 1, set aside 0" in told_.out


def test_data_that_is_only_read_needs_a_format_to_write(data, tmp_path):
    lines = [f'{{"file_name": "{name}", "label": "{label}"}}\n' for name, label in
             (("cat/1.png", "cat"), ("dog/3.png", "dog"))]  # fmt: skip
    (data / "train" / "metadata.jsonl").write_text("".join(lines))
    file = changes(tmp_path, "cat/1.png,cat,dog,0.9,relabel")
    arguments = {"data_format": "metadata", "progress": False}
    with pytest.raises(ArgumentError, match=r"format: need yolo, .* got data in metadata, which is only read"):
        apply_changes(file, data / "train", to=tmp_path / "new", **arguments)
    apply_changes(file, data / "train", to=tmp_path / "new", format="csv", **arguments)
    assert (tmp_path / "new" / "data.csv").read_text().count(",dog") == 2
