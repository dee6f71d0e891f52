import numpy as np
import pytest
from PIL import ExifTags, Image

import convolens as cl
from convolens.effects.pictures.files import change_picture_file, change_picture_files
from convolens.errors import FileError
from convolens.media.images import read_image, write_image
from convolens.media.picture_files import ResultPaths, find_pictures


def soften(pixels):
    return cl.blur(pixels, 2)


def changed(sources, out):
    return list(change_picture_files(find_pictures(sources), ResultPaths(sources, out), soften))


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


@pytest.mark.filterwarnings("ignore:.*passed over 1 .txt")
def test_a_folder_becomes_a_folder_and_a_bad_file_is_skipped(folder, tmp_path):
    outcomes = changed([folder], tmp_path / "out")
    assert [o.path.name for o in outcomes] == sorted(p.name for p in folder.iterdir() if p.name != "notes.txt")
    failed = [o for o in outcomes if o.error]
    assert [o.path.name for o in failed] == ["letter.jpg"]
    assert "letter.jpg: need a picture" in failed[0].error
    assert {p.name for p in (tmp_path / "out").iterdir()} == {o.path.name for o in outcomes} - {"letter.jpg"}
    for outcome in outcomes:
        if not outcome.error:
            np.testing.assert_array_equal(read_image(outcome.result), soften(read_image(outcome.path)))


@pytest.mark.filterwarnings("ignore:.*passed over 1 .txt")
def test_folders_below_are_done_into_folders_below(folder, tmp_path):
    (folder / "more").mkdir()
    write_image(folder / "more" / "0.png", np.zeros((3, 3), np.uint8))
    changed([folder], tmp_path / "out")
    assert read_image(tmp_path / "out" / "more" / "0.png").shape == (3, 3)
    assert read_image(tmp_path / "out" / "0.png").shape == (20, 30, 3)


def test_the_folder_itself_is_not_written_into(folder):
    before = {p: p.read_bytes() for p in folder.iterdir()}
    for sources in ([folder], [folder / "*.png"]):
        with pytest.raises(FileError, match="is the folder of the inputs, which are never overwritten; give another"):
            changed(sources, folder)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_where_no_folder_can_be_is_said(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: need a folder to write into"):
        changed([folder], tmp_path / "file")


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
