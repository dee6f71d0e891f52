import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convolens.data import load, read_data
from convolens.data.doctor.diagnosis import diagnose
from convolens.data.loading import read_usable
from convolens.errors import DataError, FileError, FileNote
from convolens.media.images import write_image


def fill(folder: Path, count: int, value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number:02}.png", np.full((4, 5, 3), value, np.uint8))


def test_each_folder_is_a_class_in_alphabetical_order(tmp_path):
    fill(tmp_path / "grass", 2)
    fill(tmp_path / "brick", 3)
    data = read_data(tmp_path)
    assert data.class_names == ("brick", "grass")
    assert [example.labels[0] for example in data.examples] == [0, 0, 0, 1, 1]
    assert data.examples[3].path == tmp_path / "grass" / "00.png"


def test_pictures_in_folders_below_a_class_belong_to_it(tmp_path):
    fill(tmp_path / "brick" / "old", 2)
    fill(tmp_path / "grass", 1)
    assert [example.labels[0] for example in read_data(tmp_path).examples] == [0, 0, 1]


def test_hidden_files_and_folders_are_no_pictures_and_no_classes(tmp_path):
    fill(tmp_path / "brick", 1)
    fill(tmp_path / "grass", 1)
    fill(tmp_path / ".cache", 1)
    fill(tmp_path / "grass" / ".thumbnails", 3)
    (tmp_path / "grass" / ".hidden.png").write_bytes(b"")
    data = read_data(tmp_path)
    assert data.class_names == ("brick", "grass")
    assert len(data.examples) == 2
    assert not data.skipped


def test_pictures_come_gray_or_in_color_and_without_transparency(tmp_path):
    for name in ("brick", "grass"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "brick" / "grey.png", np.full((4, 5), 7, np.uint8))
    write_image(tmp_path / "brick" / "deep.png", np.full((4, 5, 3), 65535, np.uint16))
    write_image(tmp_path / "grass" / "clear.png", np.zeros((4, 5, 4), np.uint8))
    data = read_data(tmp_path)
    values = {example.path.stem: load(example).pixels for example in data.examples}
    assert values["grey"].shape == (4, 5)
    assert values["deep"].shape == values["clear"].shape == (4, 5, 3)
    assert values["deep"].min() == 65535
    assert values["clear"].min() == 255  # transparent is shown over white


def test_an_unreadable_picture_is_skipped_with_its_reason_and_the_others_are_read(tmp_path):
    fill(tmp_path / "brick", 2)
    fill(tmp_path / "grass", 2)
    (tmp_path / "brick" / "00.png").write_bytes(b"")
    data = read_data(tmp_path)
    skipped = []
    read = [example.path.name for example, _ in read_usable(load, data.examples, skipped)]
    assert read == ["01.png", "00.png", "01.png"]
    assert [one.path for one in skipped] == [tmp_path / "brick" / "00.png"]
    assert "got 0 bytes" in skipped[0].reason


def test_a_file_that_is_no_picture_by_its_name_is_listed_as_skipped(tmp_path):
    fill(tmp_path / "brick", 1)
    fill(tmp_path / "grass", 1)
    (tmp_path / "grass" / "notes.txt").write_text("taken in May")
    data = read_data(tmp_path)
    assert [skipped.path.name for skipped in data.skipped] == ["notes.txt"]
    assert "need a picture's suffix, got .txt" in data.skipped[0].reason


def test_one_class_alone_is_refused_with_a_remedy(tmp_path):
    fill(tmp_path / "brick", 3)
    with pytest.raises(DataError, match=r"need at least two classes, got one \('brick'\); add a folder"):
        read_data(tmp_path)


def test_a_class_without_pictures_is_named(tmp_path):
    fill(tmp_path / "brick", 3)
    (tmp_path / "grass").mkdir()
    with pytest.raises(DataError, match=r"grass: need pictures of the class 'grass', found none"):
        read_data(tmp_path)


def test_pictures_that_lie_beside_the_class_folders_are_no_class(tmp_path):
    fill(tmp_path, 3)
    with pytest.raises(DataError, match="need a folder of pictures for each class, found no folders"):
        read_data(tmp_path)


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere: need a folder with one folder .* found nothing there"):
        read_data(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="got a file"):
        read_data(tmp_path / "file")


def test_a_models_classes_keep_their_numbers_when_it_meets_a_smaller_folder(tmp_path):
    fill(tmp_path / "grass", 2)
    data = read_data(tmp_path, class_names=("brick", "grass", "gravel"))
    assert data.class_names == ("brick", "grass", "gravel")
    assert {example.labels for example in data.examples} == {(1,)}


def test_a_folder_that_the_model_does_not_know_is_refused(tmp_path):
    fill(tmp_path / "sand", 2)
    with pytest.raises(DataError, match=r"model's classes \(brick, grass\), got 'sand'"):
        read_data(tmp_path, class_names=("brick", "grass"))


def test_folders_named_for_parts_hold_the_class_folders(tmp_path):
    fill(tmp_path / "train" / "brick", 2)
    fill(tmp_path / "train" / "grass", 2)
    fill(tmp_path / "val" / "grass", 1)
    data = read_data(tmp_path)
    assert data.class_names == ("brick", "grass")
    assert [example.split for example in data.examples] == ["train"] * 4 + ["validation"]


def test_pictures_keep_the_order_of_their_paths(tmp_path):
    for name in ("b/9.png", "b/10/a.png", "b/10.png", "a/0.png"):
        fill((tmp_path / name).parent, 0)
        write_image(tmp_path / name, np.zeros((2, 2), np.uint8))
    found = [example.path for example in read_data(tmp_path).examples]
    assert found == sorted(found)
    assert len(found) == 4


@pytest.mark.slow
def test_two_hundred_thousand_files_are_indexed_in_20_seconds_and_500_megabytes(tmp_path):
    for label in range(20):
        folder = tmp_path / f"class {label:02}"
        folder.mkdir()
        for number in range(10_000):
            (folder / f"picture_{number:06}.png").touch()
    lines = [
        "import resource, time; from convolens.data import read_data, split",
        f"start = time.perf_counter(); data = read_data({str(tmp_path)!r}); split(data, 0.2)",
        "print(len(data), time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    count, seconds, megabytes = map(float, done.stdout.split())
    print(f"{count:.0f} files: {seconds:.1f} s, {megabytes:.0f} MB")
    assert count == 200_000
    assert seconds < 20
    assert megabytes < 500


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("bus", "car", "train"), ("bus", "car", "train")),
        (("bus", "Train"), ("Train", "bus")),
        (("bus", "test", "train"), ("bus", "test", "train")),
        (("bus", "train/steam", "train/electric"), ("bus", "train")),
    ],
)
def test_a_class_may_be_called_train(tmp_path, folders, names):
    for folder in folders:
        fill(tmp_path / folder, 3)
    data = read_data(tmp_path)
    assert (data.class_names, data.splits) == (names, ())
    assert len(data) == 3 * len(folders)


def test_folders_beside_splits_are_passed_over_with_a_word(tmp_path):
    for folder in ("train/cat", "train/dog", "val/cat", "val/dog", "unlabeled"):
        fill(tmp_path / folder, 1)
    fill(tmp_path / "notes", 0)
    with pytest.warns(FileNote, match="unlabeled: passed over beside the splits"):
        data = read_data(tmp_path)
    assert (data.class_names, data.splits) == (("cat", "dog"), ("train", "validation"))
    assert [one.count for one in diagnose(tmp_path, progress=False).findings if one.kind == "folder beside splits"] == [
        1
    ]


@pytest.mark.parametrize(("one", "other"), [("val", "validation"), ("valid", "dev"), ("Val", "VALIDATION")])
def test_two_folders_of_one_split_are_both_read(tmp_path, one, other):
    for folder, count in (("train", 1), (one, 2), (other, 3)):
        fill(tmp_path / folder / "cat", count)
        fill(tmp_path / folder / "dog", count)
    data = read_data(tmp_path)
    assert len(data.split("validation")) == 2 * (2 + 3)


def test_pictures_right_in_train_and_val_are_no_classes(tmp_path):
    fill(tmp_path / "train", 2)
    fill(tmp_path / "val", 2)
    with pytest.raises(DataError, match="need a folder of pictures for each class, found no folders in it"):
        read_data(tmp_path)


def test_a_macs_folder_in_an_archive_is_no_class(tmp_path):
    for folder in ("cat", "dog", "__MACOSX/cat", "cat/__MACOSX"):
        fill(tmp_path / folder, 2)
    (tmp_path / "__MACOSX" / "empty").mkdir()
    data = read_data(tmp_path)
    assert data.class_names == ("cat", "dog") and len(data) == 4


@pytest.mark.parametrize("name", ["sub\\b.png", ".\\sub\\b.png", "C:\\set\\sub\\b.png", "/home/me/set/sub/b.png"])
def test_paths_of_other_machines_in_a_table_are_found(tmp_path, name):
    fill(tmp_path / "sub", 1)
    (tmp_path / "sub" / "00.png").rename(tmp_path / "sub" / "b.png")
    fill(tmp_path, 1)
    (tmp_path / "a.csv").write_text(f"path,label\n00.png,cat\n{name},dog\n")
    assert read_data(tmp_path / "a.csv").examples[1].path == tmp_path / "sub" / "b.png"
