import os
from pathlib import Path

import numpy as np
import pytest

from convolens.errors import FileError
from convolens.media.files import write_json, writing
from convolens.media.images import write_image
from convolens.media.inputs import Inputs, also_given, given, need_no_input, reads
from convolens.media.read_ahead import read_ahead

REFUSED = "is the input, which is never overwritten; give another name for the output"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos [1]" / "photo.png"
    path.parent.mkdir()
    write_image(path, np.zeros((4, 4), np.uint8))
    return path


def test_no_name_of_an_input_can_be_written_to(photo, tmp_path):
    (tmp_path / "soft.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    for name in (photo, photo.parent / ".." / "photos [1]" / "photo.png", tmp_path / "soft.png", tmp_path / "hard.png"):
        with given([photo]), pytest.raises(FileError, match=REFUSED), writing(name):
            pass
    with given(photo):
        write_json(tmp_path / "other.json", {})


def test_afterwards_and_elsewhere_it_is_a_file_like_others(photo):
    with given(photo):
        pass
    write_image(photo, np.ones((4, 4), np.uint8))


def test_pictures_and_annotations_of_a_folder_or_pattern_are_inputs_and_its_results_are_not(photo, tmp_path):
    page, table, results = photo.parent / "page.html", photo.parent / "labels.csv", photo.parent / "results"
    results.mkdir()
    (results / "photo.png").touch()
    page.touch(), table.touch()
    for source in (photo.parent, tmp_path / "**" / "*.png", tmp_path / "p*" / "p*.png"):
        with given(source, results=results):
            need_no_input(page, results / "photo.png", photo.parent / "new.png")
            with pytest.raises(FileError, match=REFUSED):
                need_no_input(photo)
    with given(photo.parent), pytest.raises(FileError, match=REFUSED):
        need_no_input(table)


def test_a_word_that_names_a_folder_by_chance_protects_nothing_in_it(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs = Inputs()
    inputs.add_files(["photos [1]", 3, None, ["photos [1]"]])
    assert not inputs.hold(photo)
    inputs.add_files([["photos [1]/photo.png"]])
    assert inputs.hold(photo)


def test_threads_that_read_ahead_protect_the_same_files(photo):
    with given(photo), pytest.raises(FileError, match=REFUSED):
        list(read_ahead(need_no_input, [photo]))


def test_what_was_found_in_an_input_is_one_too(photo, tmp_path):
    with given(tmp_path / "no.json"):
        also_given([photo])
        with pytest.raises(FileError, match=REFUSED):
            need_no_input(photo)
    also_given([photo])  # where nothing was given there is nothing to protect
    need_no_input(photo)


def test_a_function_says_by_their_names_which_arguments_it_reads(photo):
    @reads("source", "others")
    def change(source: Path, target: Path, *, others: tuple[Path, ...] = ()) -> None:
        need_no_input(target)

    change(Path(os.devnull), photo)
    for arguments, options in (((photo, photo), {}), (("x", photo), {"others": [photo]})):
        with pytest.raises(FileError, match=REFUSED):
            change(*arguments, **options)
