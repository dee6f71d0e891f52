"""Which files are meant, where results go, and what becomes of one that is bad."""

import os
import zipfile

import numpy as np
import pytest

from convolens.data import read_data, read_with_faults
from convolens.errors import ArgumentError, FileError, FileNote, ShapeError
from convolens.media.files import need_file
from convolens.media.found_sounds import find_sounds
from convolens.media.images import write_image
from convolens.media.picture_files import Outcome, ResultPaths, attempt, find_pictures, is_many


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder, *sources, **options):
    return [path.relative_to(folder).as_posix() for path in find_pictures(sources or [folder], **options)]


def test_a_folder_holds_every_picture_below_in_order_and_nothing_hidden(tmp_path):
    touch(tmp_path, "b.png", "a/z.JPG", "a/deeper/y.tif", "notes.txt", ".hidden.png", ".cache/x.png", "no_suffix")
    with pytest.warns(FileNote, match="passed over 1 without suffix, 1 .txt$"):
        assert found(tmp_path) == ["a/deeper/y.tif", "a/z.JPG", "b.png"]


def test_what_a_mac_puts_into_archives_is_no_picture(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("holiday/a.jpg", "__MACOSX/holiday/._a.jpg", "__MACOSX/holiday/b.jpg"):
            archive.writestr(name, b"")
    zipfile.ZipFile(tmp_path / "photos.zip").extractall(tmp_path)
    with pytest.warns(FileNote, match="passed over 1 .zip$"):
        assert found(tmp_path) == found(tmp_path, f"{tmp_path}/**/*.jpg") == ["holiday/a.jpg"]


def test_linked_folders_and_files_are_followed_once(tmp_path):
    touch(tmp_path, "elsewhere/a.png", "photos/b.png")
    photos = tmp_path / "photos"
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    (photos / "again").symlink_to(tmp_path / "elsewhere")
    (photos / "round").symlink_to(photos)
    (photos / "c.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    assert found(photos) == ["again/a.png", "b.png", "c.png"]


def test_a_pattern_chooses_and_a_file_of_that_name_is_a_file(tmp_path):
    touch(tmp_path, "0.png", "1.png", "2.jpg", "folder.png/3.png")
    assert found(tmp_path, tmp_path / "[0-2].*") == ["0.png", "1.png", "2.jpg"]
    assert found(tmp_path, tmp_path / "*.png") == ["0.png", "1.png"]
    touch(tmp_path, "odd[1].png")
    assert is_many(tmp_path) and is_many(tmp_path / "*.png")
    assert not is_many(tmp_path / "odd[1].png") and not is_many(tmp_path / "gone.png")
    assert found(tmp_path, tmp_path / "odd[1].png") == ["odd[1].png"]


def test_results_below_a_folder_are_no_pictures_of_it(tmp_path):
    touch(tmp_path, "a.png", "out/a.png")
    assert found(tmp_path, outside=tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize("nothing", ["empty", "empty/*.jpg"])
def test_a_folder_or_pattern_without_pictures_is_named(tmp_path, nothing):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"need pictures \(\.png \.jpg .*\), found none"):
        list(find_pictures([tmp_path / nothing]))


def test_results_go_where_their_pictures_are_under_names_that_differ(tmp_path):
    touch(tmp_path, "in/a/0.png", "in/a/0.jpg", "in/a/0-png.gif", "in/a/1.tif", "in/b/0.png")
    results = ResultPaths([tmp_path / "in"], tmp_path / "out", ".jpg")
    where = {path.relative_to(tmp_path).as_posix(): results(path) for path in find_pictures([tmp_path / "in"])}
    assert {name: path.relative_to(tmp_path / "out").as_posix() for name, path in where.items()} == {
        "in/a/0-png.gif": "a/0-png.jpg",
        "in/a/0.jpg": "a/0-jpg.jpg",
        "in/a/0.png": "a/0-png-.jpg",
        "in/a/1.tif": "a/1.jpg",
        "in/b/0.png": "b/0.jpg",
    }
    assert all(path.parent.is_dir() for path in where.values())


def test_of_single_files_the_folders_that_they_have_in_common_are_left_out(tmp_path):
    touch(tmp_path, "x/a/0.png", "x/b/0.png", "x/b/scan.dat")
    sources = [tmp_path / "x/a/0.png", tmp_path / "x/b/0.png", tmp_path / "x/b/scan.dat"]
    results = ResultPaths(sources, tmp_path / "out", ".png")
    where = [results(path).relative_to(tmp_path / "out").as_posix() for path in sources]
    assert where == ["a/0.png", "b/0.png", "b/scan-dat.png"]
    assert ResultPaths([sources[0]], tmp_path / "out")(sources[0]) == tmp_path / "out" / "0.png"


def test_a_bad_file_is_an_outcome_that_names_it_and_a_bad_argument_is_raised(tmp_path):
    path = tmp_path / "a.png"

    def fails(error):
        raise error

    assert attempt(path, lambda: 3) == Outcome(path, 3)
    assert attempt(path, lambda: fails(ShapeError("too small"))).error == f"{path}: too small"
    assert attempt(path, lambda: fails(FileError(f"{path}: gone"))).error == f"{path}: gone"
    assert attempt(path, lambda: fails(PermissionError(13, "Permission denied"))).error == f"{path}: Permission denied"
    assert attempt(path, lambda: fails(MemoryError())).error == f"{path}: need more memory than this machine has"
    with pytest.raises(ArgumentError):
        attempt(path, lambda: fails(ArgumentError("sigma: need a number")))


def test_a_class_folder_of_links_is_data_like_any_other(tmp_path):
    from convolens.data import read_data

    for name in ("brick", "grass"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name).mkdir(parents=True)
        write_image(tmp_path / "pictures" / name / "0.png", np.zeros((4, 4), np.uint8))
        (tmp_path / "data" / name / "first").symlink_to(tmp_path / "pictures" / name)
    (tmp_path / "data" / "__MACOSX").mkdir()
    assert read_data(tmp_path / "data").class_names == ("brick", "grass")
    assert len(read_data(tmp_path / "data").examples) == 2


def test_where_all_pictures_are_among_the_results_the_error_says_so(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").touch()
    with pytest.raises(
        FileError, match=r"need pictures, found 1, all below .*out, which is left out as the folder of results"
    ):
        list(find_pictures([tmp_path], outside=tmp_path / "out"))


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder that may not be looked into; root may look into any, so the system's answer is put in its place."""
    touch(tmp_path, "photos/a.png", "photos/locked/b.png", "photos/z.png")
    lock(monkeypatch, tmp_path / "photos/locked")
    return tmp_path / "photos/locked"


def lock(monkeypatch, folder):
    closed, scan, may = str(folder), os.scandir, os.access

    def scandir(folder):
        if str(folder) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed and may(path, mode))


def test_a_folder_that_cannot_be_looked_into_is_one_failure_and_the_others_are_done(locked):
    paths = list(find_pictures([locked.parent]))
    assert [path.name for path in paths] == ["a.png", "locked", "z.png"]
    outcome = attempt(paths[1], lambda: need_file(paths[1], "a picture"))
    assert outcome.error == f"{locked}: need a picture, got a folder that cannot be looked into: Permission denied"


def test_the_folder_that_is_meant_must_be_one_that_can_be_looked_into(locked):
    with pytest.raises(FileError, match="locked: need a folder that can be looked into: Permission denied"):
        list(find_pictures([locked]))


def test_data_says_which_folder_of_a_class_it_could_not_look_into(locked):
    touch(locked.parent, "../others/c.png")
    data = read_data(locked.parents[1])
    assert [one.path.name for one in data.examples] == ["c.png", "a.png", "z.png"]
    assert [one.reason for one in data.skipped] == [f"{locked}: passed over, cannot be looked into: Permission denied"]


def test_a_closed_folder_among_sounds_is_one_failure(locked):
    touch(locked.parent, "c.wav")
    assert [path.name for path in find_sounds([locked.parent])] == ["c.wav", "locked"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels/one.json", '{"version": "5", "shapes": [], "imagePath": "../a.png"}'),
        ("Annotations/one.xml", "<annotation><filename>a.png</filename></annotation>"),
    ],
)
def test_a_closed_folder_among_annotations_is_one_fault(tmp_path, monkeypatch, name, content):
    touch(tmp_path, "data/a.png", f"data/{name}")
    (tmp_path / "data" / name).write_text(content)
    shut = (tmp_path / "data" / name).parent / "shut"
    shut.mkdir()
    lock(monkeypatch, shut)
    reading = read_with_faults(tmp_path / "data")
    assert len(reading.data.examples) == 1
    assert [fault.sentence for fault in reading.faults if "shut" in str(fault.sentence)]


def test_sounds_of_a_class_in_a_closed_folder_are_told(locked):
    touch(locked.parents[1], "photos/a.wav", "others/b.wav")
    skipped = read_data(locked.parents[1]).skipped
    assert f"{locked}: passed over, cannot be looked into: Permission denied" in [one.reason for one in skipped]
