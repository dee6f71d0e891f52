from pathlib import Path

import numpy as np
import pytest

from convolens.errors import ArgumentError, DataError, FileError
from convolens.media.images import write_image
from convolens.workflows.data import Sample, read_folder, split


def fill(folder: Path, count: int, value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number:02}.png", np.full((4, 5, 3), value, np.uint8))


def test_each_folder_is_a_class_in_alphabetical_order(tmp_path):
    fill(tmp_path / "grass", 2)
    fill(tmp_path / "brick", 3)
    data = read_folder(tmp_path)
    assert data.class_names == ("brick", "grass")
    assert [sample.label for sample in data.samples] == [0, 0, 0, 1, 1]
    assert data.samples[3].path == tmp_path / "grass" / "00.png"


def test_pictures_in_folders_below_a_class_belong_to_it(tmp_path):
    fill(tmp_path / "brick" / "old", 2)
    fill(tmp_path / "grass", 1)
    assert [sample.label for sample in read_folder(tmp_path).samples] == [0, 0, 1]


def test_hidden_files_and_folders_are_no_pictures_and_no_classes(tmp_path):
    fill(tmp_path / "brick", 1)
    fill(tmp_path / "grass", 1)
    fill(tmp_path / ".cache", 1)
    fill(tmp_path / "grass" / ".thumbnails", 3)
    (tmp_path / "grass" / ".hidden.png").write_bytes(b"")
    data = read_folder(tmp_path)
    assert data.class_names == ("brick", "grass")
    assert len(data.samples) == 2
    assert not data.skipped


def test_pictures_come_grey_or_in_colour_and_without_transparency(tmp_path):
    for name in ("brick", "grass"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "brick" / "grey.png", np.full((4, 5), 7, np.uint8))
    write_image(tmp_path / "brick" / "deep.png", np.full((4, 5, 3), 65535, np.uint16))
    write_image(tmp_path / "grass" / "clear.png", np.zeros((4, 5, 4), np.uint8))
    data = read_folder(tmp_path)
    values = {sample.path.stem: picture for sample, picture in data.pictures(data.samples)}
    assert values["grey"].shape == (4, 5)
    assert values["deep"].shape == values["clear"].shape == (4, 5, 3)
    assert values["deep"].min() == 65535
    assert values["clear"].min() == 255  # transparent is shown over white


def test_an_unreadable_picture_is_skipped_with_its_reason_and_the_others_are_read(tmp_path):
    fill(tmp_path / "brick", 2)
    fill(tmp_path / "grass", 2)
    (tmp_path / "brick" / "00.png").write_bytes(b"")
    data = read_folder(tmp_path)
    read = [sample.path.name for sample, _ in data.pictures(data.samples)]
    assert read == ["01.png", "00.png", "01.png"]
    assert [skipped.path for skipped in data.skipped] == [tmp_path / "brick" / "00.png"]
    assert "got 0 bytes" in data.skipped[0].reason


def test_a_file_that_is_no_picture_by_its_name_is_listed_as_skipped(tmp_path):
    fill(tmp_path / "brick", 1)
    fill(tmp_path / "grass", 1)
    (tmp_path / "grass" / "notes.txt").write_text("taken in May")
    data = read_folder(tmp_path)
    assert [skipped.path.name for skipped in data.skipped] == ["notes.txt"]
    assert "need a picture's suffix, got .txt" in data.skipped[0].reason


def test_one_class_alone_is_refused_with_a_remedy(tmp_path):
    fill(tmp_path / "brick", 3)
    with pytest.raises(DataError, match=r"need at least two classes, got one \('brick'\); add a folder"):
        read_folder(tmp_path)


def test_a_class_without_pictures_is_named(tmp_path):
    fill(tmp_path / "brick", 3)
    (tmp_path / "grass").mkdir()
    with pytest.raises(DataError, match=r"grass: need pictures of the class 'grass', found none"):
        read_folder(tmp_path)


def test_pictures_that_lie_beside_the_class_folders_are_no_class(tmp_path):
    fill(tmp_path, 3)
    with pytest.raises(DataError, match="need a folder of pictures for each class, found no folders"):
        read_folder(tmp_path)


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere: need a folder with one folder .* found nothing there"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="got a file"):
        read_folder(tmp_path / "file")


def test_a_models_classes_keep_their_numbers_when_it_meets_a_smaller_folder(tmp_path):
    fill(tmp_path / "grass", 2)
    data = read_folder(tmp_path, class_names=("brick", "grass", "gravel"))
    assert data.class_names == ("brick", "grass", "gravel")
    assert {sample.label for sample in data.samples} == {1}


def test_a_folder_that_the_model_does_not_know_is_refused(tmp_path):
    fill(tmp_path / "sand", 2)
    with pytest.raises(DataError, match=r"model's classes \(brick, grass\), got 'sand'"):
        read_folder(tmp_path, class_names=("brick", "grass"))


def samples_of(*counts: int) -> list[Sample]:
    return [Sample(Path(f"{label}/{n}.png"), label) for label, count in enumerate(counts) for n in range(count)]


def test_a_split_parts_every_class_in_proportion_and_loses_nothing():
    everything = samples_of(10, 50, 5)
    train, validation = split(everything, 0.2, seed=3)
    assert sorted(train + validation, key=everything.index) == everything
    assert np.bincount([sample.label for sample in validation]).tolist() == [2, 10, 1]


def test_a_split_depends_on_the_seed_and_on_nothing_else():
    everything = samples_of(30, 30)
    assert split(everything, 0.3, seed=1) == split(everything, 0.3, seed=1)
    assert split(everything, 0.3, seed=1) != split(everything, 0.3, seed=2)


def test_a_new_class_leaves_the_split_of_the_others_as_it_was():
    _, before = split(samples_of(30, 30), 0.3)
    _, after = split(samples_of(30, 30, 9), 0.3)
    assert before == tuple(sample for sample in after if sample.label < 2)


def test_every_class_keeps_a_sample_to_train_on():
    train, validation = split(samples_of(1, 2), 0.9)
    assert [sample.label for sample in train] == [0, 1]
    assert [sample.label for sample in validation] == [1]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_that_leaves_nothing_on_one_side_is_refused(fraction):
    with pytest.raises(ArgumentError, match="validation: need a fraction between 0 and 1"):
        split(samples_of(3, 3), fraction)
