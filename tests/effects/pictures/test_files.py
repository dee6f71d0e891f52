import numpy as np
import pytest
from PIL import ExifTags, Image

import convolens as cl
from convolens.effects.pictures.files import change_picture_file, change_picture_files, is_many, pictures_in
from convolens.errors import FileError
from convolens.media.images import read_image, write_image


def soften(pixels):
    return cl.blur(pixels, 2)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for i in range(6):
        write_image(tmp_path / "in" / f"{i}.png", rng.integers(0, 256, (20 + i, 30, 3), np.uint8))
    write_image(tmp_path / "in" / "deep.tif", rng.integers(0, 65536, (20, 30), np.uint16))
    write_image(tmp_path / "in" / "deep.png", rng.integers(0, 65536, (20, 30, 3), np.uint16))
    (tmp_path / "in" / "letter.jpg").write_text("Dear picture")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    return tmp_path / "in"


def test_a_folder_becomes_a_folder_and_a_bad_file_is_skipped(folder, tmp_path):
    counted = []
    outcomes = change_picture_files(pictures_in(folder), tmp_path / "out", soften, progress=counted.append)
    assert [o.source.name for o in outcomes] == sorted(p.name for p in folder.iterdir() if p.name != "notes.txt")
    assert sum(counted) == 9
    failed = [o for o in outcomes if o.failure]
    assert [o.source.name for o in failed] == ["letter.jpg"]
    assert "letter.jpg: need a picture" in str(failed[0].failure)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {o.source.name for o in outcomes} - {"letter.jpg"}
    for outcome in outcomes:
        if not outcome.failure:
            np.testing.assert_array_equal(read_image(outcome.target), soften(read_image(outcome.source)))


def test_a_pattern_chooses_and_a_file_of_that_name_is_a_file(folder, tmp_path):
    assert [p.name for p in pictures_in(folder / "[0-2].png")] == ["0.png", "1.png", "2.png"]
    assert is_many(folder) and is_many(folder / "*.png")
    write_image(tmp_path / "odd[1].png", np.zeros((3, 3), np.uint8))
    assert not is_many(tmp_path / "odd[1].png") and not is_many(tmp_path / "gone.png")


def test_the_folder_itself_is_not_written_into(folder):
    before = {p: p.read_bytes() for p in folder.iterdir()}
    outcomes = change_picture_files(pictures_in(folder / "*.png"), folder, soften)
    assert all("is the input, which is never overwritten" in str(o.failure) for o in outcomes)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_no_pictures_and_two_of_one_name_are_refused(folder, tmp_path):
    with pytest.raises(FileError, match=r"need pictures \(\.png .*\), found none there"):
        pictures_in(folder / "*.bmp")
    (tmp_path / "more").mkdir()
    write_image(tmp_path / "more" / "0.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(FileError, match=r"need names that differ, as all go to one folder, got .*in/0\.png and "):
        pictures_in(tmp_path / "*" / "0.png")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: need a folder to write into"):
        change_picture_files(pictures_in(folder), tmp_path / "file", soften)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_cameras_orientation_profile_and_words_go_with_the_picture(tmp_path, suffix):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera & Sons"
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:15] = 200
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", exif=exif, icc_profile=profile)
    change_picture_file(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", soften)
    with Image.open(tmp_path / f"b{suffix}") as after:
        after.load()
        assert after.size == (30, 50)
        assert after.info["icc_profile"] == profile
        assert after.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert after.getexif()[ExifTags.Base.Make] == "Camera & Sons"
    shown = read_image(tmp_path / f"b{suffix}")
    assert shown[:, -5:].mean() > 190 and shown[:, :5].mean() < 10
