import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens import cli
from convolens.effects.pictures.edge_pictures import edge_picture
from convolens.media.images import read_image, write_image


@pytest.fixture
def photo(tmp_path):
    rows = np.linspace(0, 255, 48)[:, None, None]
    image = np.broadcast_to(rows, (48, 64, 3)).astype(np.uint8).copy()
    image[10:30, 20:40] = (250, 20, 40)
    write_image(tmp_path / "photo.png", image)
    return tmp_path / "photo.png"


def test_edges_writes_the_gradient_of_the_picture(photo, tmp_path):
    assert cli.run(["edges", str(photo), str(tmp_path / "edges.png"), "--gain", "2"]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "edges.png"), edge_picture(read_image(photo), gain=2.0))


def test_blur_writes_the_blurred_picture_of_the_same_depth(photo, tmp_path):
    assert cli.run(["blur", str(photo), str(tmp_path / "soft.png"), "--sigma", "2.5"]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "soft.png"), cl.blur(read_image(photo), 2.5))
    write_image(tmp_path / "deep.tif", read_image(photo).astype(np.uint16) * 257)
    assert cli.run(["blur", str(tmp_path / "deep.tif"), str(tmp_path / "soft.tif"), "--sigma", "2"]) == 0
    assert read_image(tmp_path / "soft.tif").dtype == np.uint16


@pytest.mark.parametrize(("size", "shape"), [("16", None), ("30x20", (20, 30)), ("50%", None)])
def test_resize_writes_the_resized_picture(photo, tmp_path, size, shape):
    small = tmp_path / "small.png"
    assert cli.run(["resize", str(photo), str(small), "--size", size, "--interpolation", "area"]) == 0
    picture = read_image(photo)
    half = tuple(round(side / 2) for side in picture.shape[:2])
    expected = cl.resize(picture, shape or (16 if size == "16" else half), interpolation="area")
    np.testing.assert_array_equal(read_image(small), expected)


def test_a_size_that_is_none_is_refused(photo, tmp_path, capsys):
    assert cli.run(["resize", str(photo), str(tmp_path / "small.png"), "--size", "small"]) == 2
    assert "need pixels of the longer side, width x height or percent, got 'small'" in capsys.readouterr().err


def test_unblur_says_what_it_found_and_writes_the_picture_without_it(tmp_path, capsys):
    rng, scene = np.random.default_rng(0), np.full((140, 150), 0.5)
    for size in np.geomspace(100, 3, 300):  # what is small is as frequent as in a photo
        row, column = rng.integers(0, 140, 2)
        scene[row : row + int(size * rng.random()) + 1, column : column + int(size) + 1] = rng.random()
    scene = cl.convolve(scene, cl.kernel("disk", 4), "valid")
    write_image(tmp_path / "soft.png", np.rint(scene * 255).astype(np.uint8))
    soft = read_image(tmp_path / "soft.png")
    options = ["unblur", str(tmp_path / "soft.png"), str(tmp_path / "crisp.png"), "--kernel"]
    assert cli.run([*options, "disk:4", "--method", "wiener", "--noise", "0.5"]) == 0
    expected = cl.unblur(soft, cl.kernel("disk", 4), method="wiener", noise=0.5)
    np.testing.assert_array_equal(read_image(tmp_path / "crisp.png"), expected)
    assert cli.run([*options, "disk"]) == 0
    assert f"found a {cl.find_blur(soft, 'disk')}" in capsys.readouterr().out
    np.testing.assert_array_equal(read_image(tmp_path / "crisp.png"), cl.unblur(soft, "disk"))


def test_a_picture_of_which_nothing_comes_back_is_told_and_the_others_are_done(photo, tmp_path, capsys):
    folder = tmp_path / "soft"
    folder.mkdir()
    write_image(folder / "flat.png", np.full((70, 70), 99, np.uint8))
    write_image(folder / "photo.png", cl.blur(read_image(photo), 1))
    options = ["--kernel", "gaussian:1", "--method", "wiener", "--noise", "0.3"]
    assert cli.run(["unblur", str(folder), str(tmp_path / "crisp"), *options]) == 2
    said = capsys.readouterr().err
    assert f"skipped: {folder / 'flat.png'}: image: need detail" in said and "1 pictures, 1 skipped" in said
    assert [one.name for one in (tmp_path / "crisp").iterdir()] == ["photo.png"]


def test_sharpen_writes_the_sharpened_picture(photo, tmp_path):
    crisp = tmp_path / "crisp.png"
    assert cli.run(["sharpen", str(photo), str(crisp), "--sigma", "2", "--amount", "0.5", "--threshold", "3"]) == 0
    np.testing.assert_array_equal(read_image(crisp), cl.sharpen(read_image(photo), 2, amount=0.5, threshold=3))


@pytest.mark.weights
def test_learned_edges_stand_to_the_right_of_sobels(photo, tmp_path):
    from convolens.features.learned_edges import learned_edges

    assert cli.run(["edges", str(photo), str(tmp_path / "both.png"), "--gain", "2", "--learned"]) == 0
    both, pixels = read_image(tmp_path / "both.png"), read_image(photo)
    np.testing.assert_array_equal(both[:, :64], edge_picture(pixels, gain=2.0))
    np.testing.assert_allclose(both[:, 64:] / 255, learned_edges(pixels), atol=0.5 / 255 + 1e-6)


def bad_files(folder):
    (folder / "empty.png").touch()
    (folder / "letter.jpg").write_text("Dear picture")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:1500])
    return {
        "gone.png": "gone.png: need a picture, found nothing there",
        "empty.png": "empty.png: need a picture, got 0 bytes",
        "letter.jpg": "letter.jpg: need a picture",
        "cut.jpg": "cut.jpg: damaged picture",
    }


@pytest.mark.parametrize("command", [["edges"], ["blur", "--sigma", "2"], ["sharpen"]])
def test_bad_pictures_are_one_line_and_exit_code_2_and_leave_no_output(command, tmp_path, capsys):
    for name, message in bad_files(tmp_path).items():
        assert cli.run([*command, str(tmp_path / name), str(tmp_path / "out.png")]) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ") and message in err and err.count("\n") == 1
        assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("command", [["edges"], ["blur", "--sigma", "2"], ["sharpen"]])
def test_the_input_is_not_overwritten(command, photo, capsys):
    before = photo.read_bytes()
    assert cli.run([*command, str(photo), str(photo)]) == 2
    assert "is the input, which is never overwritten" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_a_folder_in_gives_a_folder_out_and_the_exit_code_says_if_one_was_skipped(photo, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "in" / name).write_bytes(photo.read_bytes())
    assert cli.run(["blur", str(tmp_path / "in"), str(tmp_path / "out"), "--sigma", "2"]) == 0
    assert f"wrote {tmp_path / 'out'}: 2 pictures, 0 skipped" in capsys.readouterr().err
    (tmp_path / "in" / "bad.png").write_text("Dear picture")
    assert cli.run(["edges", str(tmp_path / "in" / "*.png"), str(tmp_path / "lines"), "--method", "canny"]) == 2
    said = capsys.readouterr()
    assert "2 pictures, 1 skipped" in said.err and said.out == ""
    assert "skipped: " in said.err and "bad.png: need a picture" in said.err
    assert {p.name for p in (tmp_path / "lines").iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize("method", ["scharr", "prewitt", "canny", "log", "dog"])
def test_edges_by_every_method(photo, tmp_path, method):
    assert cli.run(["edges", str(photo), str(tmp_path / "e.png"), "--method", method, "--sigma", "1.5"]) == 0
    expected = edge_picture(read_image(photo), method=method, sigma=1.5)
    np.testing.assert_array_equal(read_image(tmp_path / "e.png"), expected)


def test_rows_and_columns_may_be_blurred_by_different_widths(photo, tmp_path):
    assert cli.run(["blur", str(photo), str(tmp_path / "soft.png"), "--sigma", "0,3"]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "soft.png"), cl.blur(read_image(photo), (0, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["blur", "--sigma", "wide"], "--sigma: need a width, or two as in 0,12, got 'wide'"),
        (["blur", "--sigma=-1"], "--sigma: need finite widths of at least 0, got -1"),
        (["blur", "--sigma", "nan"], "--sigma: need finite widths of at least 0, got nan"),
        (["edges", "--method", "roberts"], "--method: need one of sobel, scharr, prewitt, canny, log, dog"),
        (["edges", "--method", "canny", "--learned"], "--method: need sobel beside the learned edges, got 'canny'"),
    ],
)
def test_bad_settings_are_one_line_and_exit_code_2(photo, tmp_path, capsys, arguments, message):
    assert cli.run([arguments[0], str(photo), str(tmp_path / "out.png"), *arguments[1:]]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_progress_is_plain_lines_where_nobody_watches(photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("convolens.progress.FIRST_LINE", 0.0)
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", read_image(photo))
    assert cli.run(["blur", str(tmp_path / "photos"), str(tmp_path / "soft"), "--sigma", "2"]) == 0
    first, *_, last, _ = capsys.readouterr().err.splitlines()
    assert first == "soft: 1/1  0:00:00, 0:00:00 left"
    assert last == f"wrote {tmp_path / 'soft'}: 1 pictures, 0 skipped"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nowhere://bucket/a.jpg", "need an address of a kind that fsspec knows (s3, gs, https, …), got 'nowhere'"),
        ("http://example.org/*.jpg", "need a file, got a pattern; the web has no lists to look in"),
        ("memory://nothing/here", "need a file or a folder, found nothing there"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_a_sentence(tmp_path, capsys, address, sentence):
    assert cli.run(["blur", address, str(tmp_path / "soft.png"), "--sigma", "2"]) == 2
    assert capsys.readouterr().err == f"error: {address}: {sentence}\n"
    assert list(tmp_path.iterdir()) == []
