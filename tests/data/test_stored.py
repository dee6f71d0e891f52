"""Data in stores, shards and tables is the data of the folder that they were made of."""

import json
import re

import fsspec
import pytest

from convolens import cli
from convolens.data import read_data, split
from convolens.errors import ArgumentError, DataError, FileError
from tests.sources.making import png, upload, write_parquet, write_tar

CLASSES = ("bright", "dark")


@pytest.fixture
def folder(tmp_path):
    for number in range(8):
        path = tmp_path / "photos" / CLASSES[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(200 - 100 * (number % 2) + number))
    return tmp_path / "photos"


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def told(data):
    return sorted((example.path.name, data.class_names[example.labels[0]], example.split) for example in data.examples)


def in_layout(folder, say):
    """The folder's pictures as a shard's files, with what `say` puts beside each."""
    for path in sorted(folder.rglob("*.png"), key=lambda one: int(one.stem)):
        yield f"{path.stem}.png", path.read_bytes()
        yield from say(path)


BESIDE = {
    "cls": lambda path: [(f"{path.stem}.cls", path.parent.name.encode() + b"\n")],
    "json": lambda path: [(f"{path.stem}.json", json.dumps({"id": 1, "label": path.parent.name}).encode())],
    "txt": lambda path: [(f"{path.stem}.txt", path.parent.name.encode())],
    "cls before json": lambda path: [
        (f"{path.stem}.json", b'{"label": "wrong"}'), (f"{path.stem}.cls", path.parent.name.encode()),
    ],
}  # fmt: skip


@pytest.mark.parametrize("beside", BESIDE)
def test_what_lies_beside_a_picture_in_a_shard_is_its_class(folder, tmp_path, beside):
    shard = write_tar(tmp_path / "s.tar", in_layout(folder, BESIDE[beside]))
    assert told(read_data(shard)) == told(read_data(folder))


def test_folders_in_a_shard_and_in_a_store_are_classes(folder, tmp_path, store):
    shard = write_tar(tmp_path / "s.tar", [(str(one.relative_to(folder)), one.read_bytes())
                                           for one in sorted(folder.rglob("*.png"))])  # fmt: skip
    upload(store, folder.parent, "/bucket")
    assert told(read_data(shard)) == told(read_data("memory://bucket/photos")) == told(read_data(folder))


def test_splits_are_told_by_folders_and_by_names_of_shards(folder, tmp_path, store):
    files = list(in_layout(folder, BESIDE["cls"]))
    write_tar(tmp_path / "set-train-0.tar", files[:10])
    write_tar(tmp_path / "set-val-0.tar", files[10:])
    upload(store, folder, "/bucket/train")
    upload(store, folder, "/bucket/val")
    for source in (tmp_path / "set-*.tar", "memory://bucket"):
        assert set(read_data(source).splits) == {"train", "validation"}
    assert len(read_data(tmp_path / "set-*.tar").split("train")) == 5


def test_a_column_of_a_table_is_the_class(folder, tmp_path):
    paths = sorted(folder.rglob("*.png"))
    columns = {"file_name": [one.name for one in paths], "image": [one.read_bytes() for one in paths]}
    named = write_parquet(tmp_path / "a.parquet", columns | {"class": [one.parent.name for one in paths]})
    assert told(read_data(named)) == told(read_data(folder))
    import pyarrow
    import pyarrow.parquet

    features = {"info": {"features": {"label": {"names": CLASSES, "_type": "ClassLabel"}}}}
    table = pyarrow.table(columns | {"label": [CLASSES.index(one.parent.name) for one in paths]})
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "b.parquet"
    )
    assert told(read_data(tmp_path / "b.parquet")) == told(read_data(folder))


def test_a_folder_of_shards_alone_is_data_and_beside_pictures_it_is_not(folder, tmp_path):
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "shards" / "0.tar", in_layout(folder, BESIDE["cls"]))
    assert len(read_data(tmp_path / "shards")) == 8
    write_tar(folder / "0.tar", in_layout(folder, BESIDE["cls"]))
    assert len(read_data(folder)) == 8 and read_data(folder).examples[0].path.is_relative_to(folder)


def test_numbers_are_classes_in_their_order_and_those_of_a_model_by_number(folder, tmp_path):
    files = [(f"{n}.{end}", png(n) if end == "png" else b"%d" % (n + 1)) for n in range(11) for end in ("png", "cls")]
    shard = write_tar(tmp_path / "s.tar", files)
    assert read_data(shard).class_names == tuple(map(str, range(1, 12)))
    known = tuple("abcdefghijklm")
    assert read_data(shard, class_names=known).examples[0].labels == (1,)
    with pytest.raises(DataError, match=r"need classes that the model knows \(a, b\), got '2'"):
        read_data(shard, class_names=("a", "b"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([("0.png", png(0))], "0.png: need a class, by a .cls, .json or .txt beside the picture, a column, or a fold"),
        ([("0.png", png(0)), ("0.cls", b"a"), ("1.png", png(1)), ("1.cls", b"b"), ("0.jpg", png(2)), ("0.cls", b"a")],
         "need samples of different names, got two of '0'"),
        ([("0.png", png(0)), ("0.cls", b"a\nb")], "0.cls: need a class's name in one line"),
        ([("0.png", png(0)), ("0.cls", b"\xff\xfe\x00")], "0.cls: need a class's name in UTF-8"),
        ([("0.png", png(0)), ("0.json", b"[" * 99_000)], "0.json: need JSON, got"),
        ([("0.png", png(0)), ("0.json", b'{"label": [1, 2]}')], "need one class as a text or a whole number, got [1"),
        ([("0.txt", b"a")], "need pictures with classes, found none"),
    ],
)  # fmt: skip
def test_a_shard_that_says_no_class_is_one_sentence(tmp_path, files, sentence):
    with pytest.raises((DataError, FileError), match=re.escape(sentence)):
        read_data(write_tar(tmp_path / "s.tar", files))


def test_a_shard_that_is_cut_short_is_no_data(folder, tmp_path):
    shard = write_tar(tmp_path / "s.tar", in_layout(folder, BESIDE["cls"]))
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DataError, match="need a whole shard, got one that is cut short"):
        read_data(shard)


def test_tables_without_classes_or_of_odd_ones_are_one_sentence(tmp_path):
    pictures = [png(0), png(1)]
    for columns, sentence in (
        ({}, "need a column of classes (label, class, category) as texts or whole numbers, found none"),
        ({"label": [0.5, 1.0]}, "need one class as a text or a whole number, got 0.5"),
        (
            {"label": [["a"], ["b"]]},
            "need a column of classes (label, class, category) as texts or whole numbers, found",
        ),
    ):
        with pytest.raises(DataError, match=re.escape(sentence)):
            read_data(write_parquet(tmp_path / "t.parquet", {"image": pictures, **columns}))
    with pytest.raises(DataError, match="need a column of encoded pictures"):
        read_data(write_parquet(tmp_path / "t.parquet", {"label": ["a", "b"]}))


def test_what_needs_files_of_this_machine_says_so(folder, tmp_path, store, capsys):
    shard = write_tar(tmp_path / "s.tar", in_layout(folder, BESIDE["cls"]))
    for command in (["doctor", str(shard)], ["convert", str(shard), str(tmp_path / "out"), "--to", "csv"]):
        assert cli.run(command) == 2
        assert "bring it here" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="format: need stored, or none"):
        read_data(shard, format="coco")
    upload(store, folder, "/bucket")
    store.pipe_file("/bucket/x.tar", b"")
    with pytest.raises(DataError, match="got 8 pictures beside 1 shards"):
        read_data("memory://bucket")
    with pytest.raises(FileError, match="found nothing there"):
        read_data("memory://nowhere")


def test_a_stored_data_set_is_split_as_its_folder_is(folder, tmp_path):
    files = [(str(one.relative_to(folder)), one.read_bytes()) for one in sorted(folder.rglob("*.png"))]
    shard = write_tar(tmp_path / "s.tar", files)
    for near, far in zip(split(read_data(folder), 0.25), split(read_data(shard), 0.25), strict=True):
        assert told(near) == told(far)
