"""Pages and frames: one of them, or all, written back with their times."""

import numpy as np
import pytest
from PIL import Image

from convolens.cli import run
from convolens.effects.pictures.files import change_picture_file
from convolens.errors import FileNote, FormatError
from convolens.media import picture_opening
from convolens.media.images import Pages, Picture, read_image, read_pages, write_pages

COLORS = [(255, 0, 0), (0, 0, 255), (0, 128, 0)]


def animation(path, size=(16, 16), mode="RGB", **options):
    frames = [Image.new("RGB", size, color).convert(mode) for color in COLORS]
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_is_changed_frame_by_frame_and_keeps_its_times(tmp_path, name):
    path = animation(tmp_path / name, duration=[100, 250, 70], loop=3 - name.endswith("gif"))  # repetitions there
    change_picture_file(path, tmp_path / f"out-{name}", lambda pixels: 255 - pixels, page="all")
    found = read_pages(tmp_path / f"out-{name}")
    assert found.durations == [100, 250, 70] and found.plays == 3
    for picture, color in zip(found.pictures, COLORS, strict=True):
        assert np.abs(255 - picture.pixels[8, 8, :3].astype(int) - color).max() <= 2


@pytest.mark.parametrize(("told", "plays"), [(None, 1), (0, 0), (1, 2), (4, 5)])
@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animation_is_shown_as_often_in_another_format(tmp_path, told, plays, suffix):
    """A GIF tells how often it is repeated; what is right is what libwebp's own gif2webp makes of it."""
    path = animation(tmp_path / "a.gif", duration=[100, 250, 70], **({} if told is None else {"loop": told}))
    change_picture_file(path, tmp_path / f"b{suffix}", lambda pixels: pixels, page="all")
    with Image.open(tmp_path / f"b{suffix}") as found:
        assert found.info.get("loop") == (told if suffix == ".gif" else plays)
    assert read_pages(tmp_path / f"b{suffix}").durations == [100, 250, 70]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_that_come_out_alike_are_one_of_their_times_together(tmp_path, suffix):
    path = animation(tmp_path / "a.gif", duration=[100, 250, 70], loop=0)
    keep_blue = np.uint8([0, 0, 1])
    change_picture_file(path, tmp_path / f"b{suffix}", lambda pixels: pixels[..., :3] * keep_blue, page="all")
    assert read_pages(tmp_path / f"b{suffix}").durations == [100, 250, 70]
    change_picture_file(path, tmp_path / f"b{suffix}", lambda pixels: pixels[..., :3] * np.uint8([1, 0, 0]), page="all")
    assert read_pages(tmp_path / f"b{suffix}").durations == [100, 320]


def test_times_that_a_format_cannot_hold_are_told(tmp_path):
    path = animation(tmp_path / "a.webp", duration=[33, 48, 70], loop=0)
    with pytest.warns(FileNote, match=r"b\.gif: counts times in hundredths of a second; .* were rounded"):
        change_picture_file(path, tmp_path / "b.gif", lambda pixels: pixels, page="all")
    assert read_pages(tmp_path / "b.gif").durations == [30, 50, 70]
    with pytest.warns(FileNote, match=r"b\.tif: has no place for the times of an animation"):
        change_picture_file(path, tmp_path / "b.tif", lambda pixels: pixels, page="all")


def test_each_page_of_a_tiff_keeps_what_is_its_own(tmp_path):
    pages = [Picture(np.full((4, 5, 3), 9, np.uint8), dpi=(dots, dots), xmp=b"<x/>" * dots) for dots in (100, 200, 204)]
    write_pages(tmp_path / "a.tif", Pages(pages))
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", lambda pixels: pixels, page="all")
    for page, found in zip(pages, read_pages(tmp_path / "b.tif").pictures, strict=True):
        assert found.dpi == page.dpi and found.xmp == page.xmp


def test_what_shows_through_stays_so_in_every_frame(tmp_path):
    holes = [np.zeros((8, 8, 4), np.uint8) for _ in range(3)]
    for at, hole in enumerate(holes):
        hole[at, :, :] = (*COLORS[at], 255)
    for suffix in (".gif", ".webp", ".png"):
        write_pages(tmp_path / f"a{suffix}", Pages([Picture(hole) for hole in holes], [50] * 3))
        for picture, hole in zip(read_pages(tmp_path / f"a{suffix}").pictures, holes, strict=True):
            np.testing.assert_array_equal(picture.pixels[:, :, 3], hole[:, :, 3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pages_of_different_sizes_are_written_back(tmp_path, dtype):
    pages = [np.random.default_rng(n).integers(0, 255, (5 + n, 7, 3)).astype(dtype) for n in range(3)]
    write_pages(tmp_path / "a.tif", Pages([Picture(page) for page in pages]))
    change_picture_file(tmp_path / "a.tif", tmp_path / "b.tif", lambda pixels: pixels[::-1], page="all")
    for found, page in zip(read_pages(tmp_path / "b.tif").pictures, pages, strict=True):
        np.testing.assert_array_equal(found.pixels, page[::-1])


def test_one_page_is_chosen_on_the_command_line(tmp_path, capsys):
    path = animation(tmp_path / "a.gif")
    assert run(["blur", str(path), str(tmp_path / "2.png"), "--sigma", "1", "--page", "2"]) == 0
    assert (read_image(tmp_path / "2.png")[8, 8] == COLORS[1]).all()
    assert run(["blur", str(path), str(tmp_path / "all.gif"), "--sigma", "1", "--page", "all"]) == 0
    assert len(read_pages(tmp_path / "all.gif").pictures) == 3
    assert "note" not in capsys.readouterr().err
    assert run(["blur", str(path), str(tmp_path / "1.png"), "--sigma", "1"]) == 0
    assert f"note: {path}: holds 3 pages or frames; only the first is taken" in capsys.readouterr().err
    for page, message in (("4", "need one from 1 to 3"), ("0", "need a number from 1 on"), ("x", "need a number")):
        assert run(["blur", str(path), str(tmp_path / "x.png"), "--sigma", "1", "--page", page]) == 2
        assert f"--page: {message}" in capsys.readouterr().err


def test_a_folder_of_animations_is_done_whole(tmp_path):
    (tmp_path / "in").mkdir()
    animation(tmp_path / "in" / "a.gif")
    Image.new("RGB", (9, 9)).save(tmp_path / "in" / "b.jpg")
    assert run(["sharpen", str(tmp_path / "in"), str(tmp_path / "out"), "--page", "all"]) == 0
    assert len(read_pages(tmp_path / "out" / "a.gif").pictures) == 3
    assert read_image(tmp_path / "out" / "b.jpg").shape == (9, 9, 3)


def test_what_cannot_hold_them_is_refused(tmp_path, monkeypatch):
    path = animation(tmp_path / "a.gif")
    with pytest.raises(FormatError, match=r"b\.jpg: need \.tif \.tiff \.gif \.webp \.png for 3 pages or frames"):
        change_picture_file(path, tmp_path / "b.jpg", lambda pixels: pixels, page="all")
    deep = Pages([Picture(np.zeros((4, 4), np.uint16))] * 2)
    with pytest.raises(FormatError, match=r"b\.png: need \.tif for pages of 16 bits a channel, got \.png"):
        write_pages(tmp_path / "b.png", deep)
    monkeypatch.setattr(picture_opening, "MAX_PIXELS", 700)
    with pytest.raises(FormatError, match="need at most 700 pixels"):
        read_pages(path)
    with pytest.warns(FileNote, match="only the first"):
        assert read_image(path).shape == (16, 16, 3)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.gif"]
